"""TLS that Envoy itself puts on the wire to the endpoints of a cluster.

Which transport sockets stand for which mode: istio pilot/pkg/networking/core/cluster_tls.go.
"""

from collections.abc import Sequence

from kubectl_extsvc.mesh.envoy_dump import SPECIAL_CLUSTERS, at, listed, mapping, objects, text, texts, typed
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.route import OutboundTls, TlsInEffect

TLS_SOCKET = "UpstreamTlsContext"
HBONE_SOCKET = "InternalUpstreamTransport"
"""Toward an endpoint with tunnel: http: the mesh's mutual TLS, around HBONE."""
WRAPPER_SOCKET = "ProxyProtocolUpstreamTransport"
"""trafficPolicy.proxyProtocol puts it around the real socket."""

HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
ENDPOINT_MATCH = "envoy.transport_socket_match"
"""Metadata of an endpoint that transport_socket_matches are held against."""


def tls_of(cluster: Json, endpoints: Sequence[Json]) -> TlsInEffect:
    """TLS in effect, unknown without a cluster; endpoints are the ENDPOINT_MATCH metadata of each, {} for none."""
    if not cluster:
        return TlsInEffect(OutboundTls.UNKNOWN)
    matches = objects(cluster.get("transport_socket_matches"))
    if not matches and not mapping(cluster.get("transport_socket")):
        special = text(cluster.get("name")) in SPECIAL_CLUSTERS
        return TlsInEffect(OutboundTls.NONE if special else OutboundTls.DISABLE)
    # Without an endpoint the question is what one without metadata would get.
    sockets = [_socket_for(cluster, matches, metadata) for metadata in endpoints or ({},)]
    modes = {mode_of(socket) for socket in sockets}
    auto = any("tlsMode" in mapping(match.get("match")) for match in matches)
    encrypted = next((socket for socket in sockets if mode_of(socket).encrypts), None)
    return _described(_overall(modes, auto), encrypted, cluster)


def _socket_for(cluster: Json, matches: list[Json], metadata: Json) -> Json:
    """First match whose criteria the endpoint's metadata holds, else the cluster's own socket (cluster.proto)."""
    for match in matches:
        if mapping(match.get("match")).items() <= metadata.items():
            return _unwrapped(match.get("transport_socket"))
    return _unwrapped(cluster.get("transport_socket"))


def _unwrapped(socket: object) -> Json:
    kind, config = typed(socket)
    return mapping(config.get("transport_socket")) if kind.endswith(WRAPPER_SOCKET) else mapping(socket)


def _overall(modes: set[OutboundTls], auto: bool) -> OutboundTls:
    """auto: endpoints tell by tlsMode what they take, and Istio decided nothing."""
    if auto and modes == {OutboundTls.DISABLE}:
        return OutboundTls.AUTO_PLAINTEXT
    if auto and modes == {OutboundTls.ISTIO_MUTUAL}:
        return OutboundTls.AUTO_ISTIO_MUTUAL
    if auto and modes == {OutboundTls.DISABLE, OutboundTls.ISTIO_MUTUAL}:
        return OutboundTls.AUTO_MIXED
    return modes.pop() if len(modes) == 1 else OutboundTls.UNKNOWN


def mode_of(socket: Json) -> OutboundTls:
    """Mode of one transport socket; none at all is plaintext."""
    kind, config = typed(socket)
    if not socket or kind.endswith("RawBuffer") or text(socket.get("name")) == "envoy.transport_sockets.raw_buffer":
        return OutboundTls.DISABLE
    if kind.endswith(HBONE_SOCKET):
        return OutboundTls.ISTIO_MUTUAL
    if not kind.endswith(TLS_SOCKET):
        return OutboundTls.UNKNOWN
    common = mapping(config.get("common_tls_context"))
    certificates = _names(common.get("tls_certificate_sds_secret_configs"))
    # Mesh TLS announces itself in ALPN; the workload certificate may come from files instead of SDS "default".
    if any(alpn.startswith("istio") for alpn in texts(common.get("alpn_protocols"))):
        return OutboundTls.ISTIO_MUTUAL
    if certificates == ("default",) and _trust_bundle(common) == "ROOTCA":
        return OutboundTls.ISTIO_MUTUAL
    return OutboundTls.MUTUAL if certificates or listed(common.get("tls_certificates")) else OutboundTls.SIMPLE


def _described(mode: OutboundTls, socket: Json | None, cluster: Json) -> TlsInEffect:
    kind, config = typed(socket)
    if socket is None or not kind.endswith(TLS_SOCKET):
        return TlsInEffect(mode)
    common = mapping(config.get("common_tls_context"))
    validation = _validation(common)
    upstream = at(cluster, "typed_extension_protocol_options", HTTP_OPTIONS, "upstream_http_protocol_options")
    bundle = _trust_bundle(common)
    return TlsInEffect(
        mode,
        sni=text(config.get("sni")),
        auto_sni=at(upstream, "auto_sni") is True,
        subject_alt_names=_subject_alt_names(validation),
        auto_san_validation=at(upstream, "auto_san_validation") is True,
        verifies_chain=bool(bundle) and validation.get("trust_chain_verification") != "ACCEPT_UNTRUSTED",
        ca=bundle,
    )


def _validation(common: Json) -> Json:
    """CertificateValidationContext: the fixed one, or what is fixed of one whose trust bundle comes by SDS."""
    combined = at(common, "combined_validation_context", "default_validation_context")
    return mapping(combined) or mapping(common.get("validation_context"))


def _trust_bundle(common: Json) -> str:
    """SDS name, file or "system" of the CAs that the server's chain is checked against, "" if it is not."""
    by_sds = at(common, "combined_validation_context", "validation_context_sds_secret_config", "name")
    if name := text(by_sds) or text(at(common, "validation_context_sds_secret_config", "name")):
        return name
    validation = _validation(common)
    if "system_root_certs" in validation:
        return "system"
    trusted = mapping(validation.get("trusted_ca"))
    return text(trusted.get("filename")) or ("inline" if trusted else "")


def _subject_alt_names(validation: Json) -> tuple[str, ...]:
    """Names that the certificate must have one of; a prefix or suffix is written with a star."""
    matchers = [at(entry, "matcher") for entry in listed(validation.get("match_typed_subject_alt_names"))]
    names = map(_written, matchers or listed(validation.get("match_subject_alt_names")))
    return tuple(dict.fromkeys(name for name in names if name))


def _written(matcher: object) -> str:
    if prefix := text(at(matcher, "prefix")):
        return f"{prefix}*"
    if suffix := text(at(matcher, "suffix")):
        return f"*{suffix}"
    return text(at(matcher, "exact")) or text(at(matcher, "safe_regex", "regex"))


def _names(configs: object) -> tuple[str, ...]:
    return tuple(name for config in objects(configs) if (name := text(config.get("name"))))
