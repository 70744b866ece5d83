"""The proxy that istiod makes a configuration for."""

import ipaddress
from collections.abc import Iterable, Mapping
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
        first = (status["podIP"],) if status.get("podIP") else ()
        ips = tuple(entry["ip"] for entry in status.get("podIPs") or ()) or first
        return cls(metadata.get("namespace", ""), metadata["name"], metadata.get("labels") or {}, ips)

    @classmethod
    def of_source(cls, source: Source, metadata: Mapping[str, Any] | None = None) -> "Client":
        return cls(source.namespace, source.pod, dict(source.labels), source.addresses, metadata or {})

    @property
    def ip(self) -> str:
        """The pod's first address; some other where it is not known."""
        return next(iter(self.addresses), "127.0.0.1")

    @property
    def key(self) -> tuple[object, ...]:
        """Clients of one key get one configuration."""
        metadata = tuple(sorted((key, repr(value)) for key, value in self.metadata.items()))
        return self.namespace, tuple(sorted(self.labels.items())), self.addresses, metadata

    @property
    def takes_ipv4(self) -> bool:
        return not self.addresses or any(":" not in address for address in self.addresses)

    @property
    def takes_ipv6(self) -> bool:
        return any(":" in address for address in self.addresses)

    @property
    def wildcards(self) -> tuple[str, ...]:
        """Addresses that stand for any, the main one first (getWildcardsAndLocalHost in listener_address.go)."""
        found = (("0.0.0.0",) if self.takes_ipv4 else ()) + (("::",) if self.takes_ipv6 else ())  # noqa: S104
        return found or ("0.0.0.0",)  # noqa: S104

    @property
    def takes_automatic_ips(self) -> bool:
        """It captures DNS, and so can give applications the IPs that istiod made up (nodeUsesAutoallocatedIPs)."""
        return str(self.metadata.get("DNS_CAPTURE", "")).lower() == "true"

    def of_its_families(self, addresses: Iterable[str]) -> tuple[str, ...]:
        return tuple(a for a in addresses if (self.takes_ipv6 if _is_ipv6(a) else self.takes_ipv4))


def _is_ipv6(address: str) -> bool:
    try:
        return ipaddress.ip_network(address, strict=False).version == 6
    except ValueError:
        return False
