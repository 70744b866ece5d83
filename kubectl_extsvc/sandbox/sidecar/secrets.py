"""Certificates and trust bundles that a proxy asks for, istio-agent's part."""

from kubectl_extsvc.mesh.istiod.transport_sockets import CONFIG_MAP, SYSTEM_ROOTS
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.api.store import Store
from kubectl_extsvc.sandbox.outside import pki


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
