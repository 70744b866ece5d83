"""Which calls of a pod with sidecar do not go through it.

Source: istio tools/istio-iptables/pkg/capture/run.go, and the annotations of istio.io/api
annotation/annotations.yaml. Mesh-wide exclusions (values.global.proxy of the chart) are written into no pod as an
annotation; they are not seen here.
"""

import ipaddress
import json

from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.source import Source

_PREFIX = "traffic.sidecar.istio.io/"
EXCLUDED_PORTS = f"{_PREFIX}excludeOutboundPorts"
EXCLUDED_RANGES = f"{_PREFIX}excludeOutboundIPRanges"
INCLUDED_PORTS = f"{_PREFIX}includeOutboundPorts"
INCLUDED_RANGES = f"{_PREFIX}includeOutboundIPRanges"


def passes_by(source: Source, address: str, port: int) -> str:
    """Why a call to an address and port is not captured, "" if it is; address "" where it is not known."""
    if source.as_proxy_user:
        return f"container {source.container} runs as user or group 1337, the proxy's own"
    annotations = dict(source.annotations)
    if str(port) in _words(annotations.get(EXCLUDED_PORTS, "")):
        return f"annotation {EXCLUDED_PORTS}: {annotations[EXCLUDED_PORTS]}"
    if str(port) in _words(annotations.get(INCLUDED_PORTS, "")):
        return ""
    if _within(address, annotations.get(EXCLUDED_RANGES, "")):
        return f"annotation {EXCLUDED_RANGES}: {annotations[EXCLUDED_RANGES]}"
    included = annotations.get(INCLUDED_RANGES, "*")
    if included.strip() != "*" and address and not _within(address, included):
        return f"annotation {INCLUDED_RANGES}: {included}"
    return ""


def captures_dns(source: Source, mesh_config: Json) -> bool:
    """Whether the sidecar answers DNS by itself, with the addresses that istiod made up for ServiceEntries.

    ISTIO_META_DNS_CAPTURE in proxyMetadata, of the pod's annotation proxy.istio.io/config or of the mesh's
    defaultConfig.
    """
    own: object = None
    text = dict(source.annotations).get("proxy.istio.io/config", "")
    if text:
        own = _proxy_config(text)
    for config in (own, mesh_config.get("defaultConfig")):
        metadata = config.get("proxyMetadata") if isinstance(config, dict) else None
        if isinstance(metadata, dict) and "ISTIO_META_DNS_CAPTURE" in metadata:
            return str(metadata["ISTIO_META_DNS_CAPTURE"]).lower() == "true"
    return False


def _proxy_config(text: str) -> object:
    """ProxyConfig as people write it into an annotation: YAML, or the JSON that is YAML too."""
    import yaml

    try:
        return json.loads(text) if text.lstrip().startswith("{") else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError):
        return None


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _within(address: str, ranges: str) -> bool:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    for text in _words(ranges):
        try:
            if ip in ipaddress.ip_network(text, strict=False):
                return True
        except ValueError:
            continue
    return False
