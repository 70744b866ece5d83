"""TLS that a proxy puts on the wire to a cluster's endpoints.

Source: istio pilot/pkg/networking/core/cluster_tls.go, pilot/pkg/model/push_context.go
(BestEffortInferServiceMTLSMode), branch release-1.31.
"""

from dataclasses import dataclass, replace

from kubectl_extsvc.mesh.istiod.endpoints import Endpoint
from kubectl_extsvc.mesh.istiod.envoy_words import SDS, extension
from kubectl_extsvc.mesh.istiod.services import MeshService, Resolution
from kubectl_extsvc.mesh.rule_lookup import Merged, settings_of
from kubectl_extsvc.model.alias import TlsMode, TlsSettings
from kubectl_extsvc.model.resources import Json

SYSTEM_ROOTS = "file-root:system"
CONFIG_MAP = "configmap://"
TLS_PARAMETERS = {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"}
RAW_BUFFER = extension("envoy.transport_sockets.raw_buffer", "transport_sockets.raw_buffer.v3.RawBuffer")


@dataclass(frozen=True, slots=True)
class Transport:
    """What TLS adds to an Envoy cluster."""

    sockets: Json
    """transport_socket or transport_socket_matches; {} for plaintext to all."""
    auto_sni: bool = False
    auto_san_validation: bool = False
    originates: bool = False
    """A rule asks for TLS to a server outside the mesh, even if that comes to nothing."""


@dataclass(frozen=True, slots=True)
class Peer:
    """What an Envoy cluster leads to, as far as it bears on TLS."""

    service: MeshService
    endpoints: tuple[Endpoint, ...]
    original_dst: bool
    """It leads to where the application wants to go."""
    sni: str
    """Of the mesh's own TLS."""
    accounts: tuple[str, ...] = ()
    """Names that its servers may have."""
    speaks_http2: bool = False


def transport_of(peer: Peer, rule: Merged | None, policy: Json, *, auto_mtls: bool) -> Transport:
    """The TLS towards a peer under the trafficPolicy that holds for it, of the DestinationRule that decides."""
    block = policy.get("tls")
    tls = settings_of(block) if block is not None else None
    match tls and tls.mode:
        case TlsMode.DISABLE:
            return Transport({})
        case TlsMode.ISTIO_MUTUAL:
            assert tls is not None, "it has the mode"
            return Transport({"transport_socket": _mesh_socket(tls.sni or peer.sni, peer, tls.subject_alt_names)})
        case TlsMode.SIMPLE | TlsMode.MUTUAL:
            assert tls is not None, "it has the mode"
            return _origination(peer, rule, tls)
    if not auto_mtls or peer.service.external:
        return Transport({})
    if peer.original_dst:
        # Nothing tells one endpoint from another, so all must be of the mesh.
        inside = bool(peer.endpoints) and all(endpoint.mesh_tls for endpoint in peer.endpoints)
        return Transport({"transport_socket": _mesh_socket(peer.sni, peer)} if inside else {})
    mesh = {"name": "tlsMode-istio", "match": {"tlsMode": "istio"}, "transport_socket": _mesh_socket(peer.sni, peer)}
    plain = {"name": "tlsMode-disabled", "match": {}, "transport_socket": RAW_BUFFER}
    return Transport({"transport_socket_matches": [mesh, plain]})


def endpoint_tls_mode(rule: Merged | None, subset: Json | None, port: int) -> str:
    """The TLS mode of a rule, as far as the metadata of endpoints follow it; "" if it leaves it to them.

    Here a port's settings without TLS do not hide the top level's (pilot/pkg/xds/endpoints/mtls_checker.go).
    """
    specs = [subset or {}, rule.policy_rule.spec if rule is not None else {}]
    for policy in (spec.get("trafficPolicy") or {} for spec in specs):
        settings = [s for s in policy.get("portLevelSettings") or () if (s.get("port") or {}).get("number") == port]
        for tls in (*(s.get("tls") for s in settings), policy.get("tls")):
            if tls is not None:
                return str(tls.get("mode") or TlsMode.DISABLE)
    return ""


def _origination(peer: Peer, rule: Merged | None, tls: TlsSettings) -> Transport:
    unselective = rule is None or rule.first.selector is None
    if unselective and tls.credential_name and not tls.credential_name.startswith(CONFIG_MAP):
        return Transport({}, originates=True)
    if tls.mode is TlsMode.MUTUAL and not tls.credential_name and not (tls.client_certificate and tls.private_key):
        # constructUpstreamTLS gives up, and the cluster stays as it was: plaintext.
        return Transport({}, auto_sni=not tls.sni, originates=True)
    names = tls.subject_alt_names
    if not names and not peer.service.kubernetes:
        names = peer.accounts
    return Transport(
        {"transport_socket": _socket(replace(tls, subject_alt_names=names), peer)},
        auto_sni=not tls.sni,
        # By the rule alone: names of the ServiceEntry do not turn it off.
        auto_san_validation=not (tls.sni or tls.subject_alt_names or tls.insecure_skip_verify),
        originates=True,
    )


def _socket(tls: TlsSettings, peer: Peer) -> Json:
    common: Json = {"tls_params": TLS_PARAMETERS}
    if peer.speaks_http2:
        common["alpn_protocols"] = ["h2"]
    if certificate := _certificate_name(tls):
        common["tls_certificate_sds_secret_configs"] = [_secret(certificate)]
    if not tls.insecure_skip_verify:
        names = [{"exact": name} for name in tls.subject_alt_names]
        common["combined_validation_context"] = {
            "default_validation_context": {"match_subject_alt_names": names} if names else {},
            "validation_context_sds_secret_config": _secret(_roots_name(tls)),
        }
    return _upstream_tls({"common_tls_context": common} | ({"sni": tls.sni} if tls.sni else {}))


def _certificate_name(tls: TlsSettings) -> str:
    if tls.mode is not TlsMode.MUTUAL:
        return ""
    if tls.credential_name:
        return f"kubernetes://{tls.credential_name}"
    return f"file-cert:{tls.client_certificate}~{tls.private_key}"


def _roots_name(tls: TlsSettings) -> str:
    if tls.credential_name.startswith(CONFIG_MAP):
        return f"{tls.credential_name}-cacert"
    if tls.credential_name:
        return f"kubernetes://{tls.credential_name}-cacert"
    return f"file-root:{tls.ca_certificates}" if tls.ca_certificates else SYSTEM_ROOTS


def _mesh_socket(sni: str, peer: Peer, names: tuple[str, ...] = ()) -> Json:
    names = names or peer.accounts
    matched = {"match_subject_alt_names": [{"exact": name} for name in names]} if names else {}
    common = {
        "tls_params": TLS_PARAMETERS,
        "alpn_protocols": ["istio", "h2"] if peer.speaks_http2 else ["istio"],
        "tls_certificate_sds_secret_configs": [_secret("default")],
        "combined_validation_context": {
            "default_validation_context": matched,
            "validation_context_sds_secret_config": _secret("ROOTCA"),
        },
    }
    return _upstream_tls({"common_tls_context": common, "sni": sni})


def _upstream_tls(content: Json) -> Json:
    return extension("envoy.transport_sockets.tls", "transport_sockets.tls.v3.UpstreamTlsContext", content)


def _secret(name: str) -> Json:
    return {"name": name, "sds_config": SDS}


def discovery_of(service: MeshService, policy: Json) -> Resolution:
    """The type of an Envoy cluster: the balancer PASSTHROUGH makes any host one that keeps the address dialled."""
    if (policy.get("loadBalancer") or {}).get("simple") == "PASSTHROUGH":
        return Resolution.ORIGINAL_DST
    return (
        Resolution.EDS if service.resolution is Resolution.DYNAMIC_DNS and not service.dynamic else service.resolution
    )
