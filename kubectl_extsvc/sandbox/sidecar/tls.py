"""TLS that a proxy puts on the wire to a cluster's endpoints: transport sockets, and the certificates they ask for.

Source throughout: istio pilot/pkg/networking/core/cluster_tls.go, branch release-1.31.
"""

from dataclasses import dataclass

from kubectl_extsvc.mesh.destination_rules import credential_is_ignored, tls_settings
from kubectl_extsvc.model.alias import TlsMode, TlsSettings
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.api.store import Store
from kubectl_extsvc.sandbox.outside import pki
from kubectl_extsvc.sandbox.sidecar.discovery import config_source, extension
from kubectl_extsvc.sandbox.sidecar.mesh_view import MeshHost, MeshView, Resolution

SYSTEM_ROOTS = "file-root:system"
CONFIG_MAP = "configmap://"
TLS_PARAMETERS = {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"}


@dataclass(frozen=True, slots=True)
class Transport:
    """What TLS adds to an Envoy cluster."""

    sockets: Json
    """transport_socket or transport_socket_matches; {} for plaintext to all."""
    auto_sni: bool = False
    auto_san_validation: bool = False
    originates: bool = False
    """A rule asks for TLS to a server outside the mesh, even if that comes to nothing."""


def transport_of(view: MeshView, host: MeshHost, port: int, rule: Json | None) -> Transport:
    """The TLS towards a port of a host under the DestinationRule that decides."""
    tls = tls_settings(rule, port) if rule is not None else None
    mesh_sni = f"outbound_.{port}_._.{host.host}"
    match tls and tls.mode:
        case TlsMode.DISABLE:
            return Transport({})
        case TlsMode.ISTIO_MUTUAL:
            return Transport({"transport_socket": _mesh_socket(mesh_sni)})
        case TlsMode.SIMPLE | TlsMode.MUTUAL:
            assert tls is not None, "it has the mode"
            assert rule is not None, "it has the settings"
            if credential_is_ignored(rule, port):
                return Transport({}, originates=True)
            return Transport(
                {"transport_socket": _socket(tls)},
                auto_sni=not tls.sni,
                auto_san_validation=not (tls.sni or tls.subject_alt_names or tls.insecure_skip_verify),
                originates=True,
            )
    auto = view.config.get("enableAutoMtls", True) and not host.external and not _is_gap(rule)
    if not auto or host.resolution is Resolution.ORIGINAL_DST:
        return Transport({})
    raw = extension("envoy.transport_sockets.raw_buffer", "transport_sockets.raw_buffer.v3.RawBuffer")
    matches = [
        {"name": "tlsMode-istio", "match": {"tlsMode": "istio"}, "transport_socket": _mesh_socket(mesh_sni)},
        {"name": "tlsMode-disabled", "match": {}, "transport_socket": raw},
    ]
    return Transport({"transport_socket_matches": matches})


def _is_gap(rule: Json | None) -> bool:
    """Whether a port-level policy without TLS took the place of a top level that turns auto-mTLS off."""
    top = (((rule or {}).get("spec") or {}).get("trafficPolicy") or {}).get("tls")
    return top is not None and top.get("mode") != TlsMode.ISTIO_MUTUAL


def _socket(tls: TlsSettings) -> Json:
    common: Json = {"tls_params": TLS_PARAMETERS}
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


def _mesh_socket(sni: str) -> Json:
    common = {
        "tls_params": TLS_PARAMETERS,
        "alpn_protocols": ["istio"],
        "tls_certificate_sds_secret_configs": [_secret("default")],
        "combined_validation_context": {
            "default_validation_context": {},
            "validation_context_sds_secret_config": _secret("ROOTCA"),
        },
    }
    return _upstream_tls({"common_tls_context": common, "sni": sni})


def _upstream_tls(content: Json) -> Json:
    return extension("envoy.transport_sockets.tls", "transport_sockets.tls.v3.UpstreamTlsContext", content)


def _secret(name: str) -> Json:
    return {"name": name, "sds_config": config_source()}


def secrets_of(store: Store, namespace: str) -> dict[str, Json]:
    """Certificates and trust bundles by SDS name, for a proxy of a namespace. A name that is missing keeps what asks
    for it warming for ever, as with istio-agent."""
    certificate, key = pki.WORKLOAD
    found: dict[str, Json] = {
        "default": _pair({"filename": str(certificate)}, {"filename": str(key)}),
        "ROOTCA": _roots({"filename": str(pki.MESH_ROOT)}),
        SYSTEM_ROOTS: _roots({"filename": str(pki.CA)}),
    }
    for secret in store.items("secrets", namespace):
        data, name = secret.get("data") or {}, f"kubernetes://{secret['metadata']['name']}"
        if data.keys() >= {"tls.crt", "tls.key"}:
            found[name] = _pair({"inline_bytes": data["tls.crt"]}, {"inline_bytes": data["tls.key"]})
        if "ca.crt" in data:
            found[name if name.endswith("-cacert") else f"{name}-cacert"] = _roots({"inline_bytes": data["ca.crt"]})
    for config_map in store.items("configmaps"):
        metadata = config_map["metadata"]
        if text := (config_map.get("data") or {}).get("ca.crt"):
            found[f"{CONFIG_MAP}{metadata['namespace']}/{metadata['name']}-cacert"] = _roots({"inline_string": text})
    return {name: {"name": name, **secret} for name, secret in found.items()}


def _pair(chain: Json, key: Json) -> Json:
    return {"tls_certificate": {"certificate_chain": chain, "private_key": key}}


def _roots(source: Json) -> Json:
    return {"validation_context": {"trusted_ca": source}}
