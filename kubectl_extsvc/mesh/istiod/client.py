"""The proxy that istiod makes a configuration for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.source import Source


@dataclass(frozen=True, slots=True)
class Client:
    """A pod's sidecar, as it introduces itself to istiod."""

    namespace: str
    name: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    addresses: tuple[str, ...] = ()
    """Of the pod; none: an IPv4 pod."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """node.metadata of the proxy, for example {"DNS_CAPTURE": "true"}."""

    @classmethod
    def of_pod(cls, pod: Json) -> "Client":
        metadata, status = pod["metadata"], pod.get("status") or {}
        ips = tuple(entry["ip"] for entry in status.get("podIPs") or ()) or ((status["podIP"],) if "podIP" in status else ())
        return cls(metadata["namespace"], metadata["name"], metadata.get("labels") or {}, ips)

    @classmethod
    def of_source(cls, source: Source, metadata: Mapping[str, Any] | None = None) -> "Client":
        return cls(source.namespace, source.pod, dict(source.labels), source.addresses, metadata or {})
