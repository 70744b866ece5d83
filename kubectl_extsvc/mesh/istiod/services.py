"""Hosts of the mesh's registry: Services and ServiceEntries as istiod converts them.

Source: istio pilot/pkg/serviceregistry/kube/conversion.go, serviceregistry/serviceentry/conversion.go and
pilot/pkg/model/service.go, branch release-1.31.
"""

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from kubectl_extsvc.mesh.export_to import service_export_to
from kubectl_extsvc.mesh.hosts import is_address, service_fqdn
from kubectl_extsvc.mesh.istiod.client import Client
from kubectl_extsvc.mesh.ports import entry_protocol, protocol_of
from kubectl_extsvc.model.alias import AppProtocol
from kubectl_extsvc.model.resources import Json

UNSPECIFIED = "0.0.0.0"  # noqa: S104 nothing is bound
"""The address of a host that has none."""
AUTO_IP_LABEL = "networking.istio.io/enable-autoallocate-ip"


class Resolution(StrEnum):
    """How a host's endpoints are found; in Envoy's word for it (Cluster.DiscoveryType), where it has one."""

    EDS = "EDS"
    STRICT_DNS = "STRICT_DNS"
    LOGICAL_DNS = "LOGICAL_DNS"
    ORIGINAL_DST = "ORIGINAL_DST"
    DYNAMIC_DNS = "DYNAMIC_DNS"
    """A dynamic forward proxy, for a wildcard host."""
    ALIAS = "ALIAS"
    """An ExternalName Service: only a further name, and a word in VirtualServices."""

    @property
    def by_name(self) -> bool:
        """Envoy looks names up."""
        return self in (Resolution.STRICT_DNS, Resolution.LOGICAL_DNS)


_RESOLUTIONS = {
    "NONE": Resolution.ORIGINAL_DST,
    "STATIC": Resolution.EDS,
    "DNS": Resolution.STRICT_DNS,
    "DNS_ROUND_ROBIN": Resolution.LOGICAL_DNS,
    "DYNAMIC_DNS": Resolution.DYNAMIC_DNS,
}


@dataclass(frozen=True, slots=True)
class RegistryPort:
    number: int
    target_port: int
    """The number dialled at the host: a ServiceEntry may say another than clients do."""
    protocol: AppProtocol
    name: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class MeshService:
    """A Service, or one host and one address of a ServiceEntry; several may bear one host."""

    host: str
    namespace: str
    name: str
    """Of the Service; of a ServiceEntry its host."""
    created: str
    ports: tuple[RegistryPort, ...]
    resolution: Resolution
    kubernetes: bool
    external: bool
    export_to: tuple[str, ...]
    """Namespaces, "*", "." or "~"; none: the mesh's default."""
    obj: Json
    address: str = UNSPECIFIED
    """May be a CIDR."""
    cluster_ips: tuple[str, ...] = ()
    automatic: tuple[str, ...] = ()
    """IPs that istiod gave a ServiceEntry; for proxies that capture DNS."""
    external_name: str = ""
    aliases: tuple[str, ...] = ()
    """FQDNs of the ExternalName Services that lead here, by namespace and name."""

    @property
    def headless(self) -> bool:
        return self.kubernetes and self.resolution is Resolution.ORIGINAL_DST

    @property
    def dynamic(self) -> bool:
        """A dynamic forward proxy serves it."""
        return self.host.startswith("*") and self.resolution is Resolution.DYNAMIC_DNS

    def port(self, number: int) -> RegistryPort | None:
        return next((port for port in self.ports if port.number == number), None)

    def cluster(self, port: int, subset: str = "") -> str:
        return f"outbound|{port}|{subset}|{self.host}"

    def address_for(self, client: Client) -> str:
        """What a client's listener binds to; "0.0.0.0" for any address, perhaps a CIDR (GetAddressForProxy)."""
        own = client.of_its_families(self.cluster_ips)
        if own:
            return own[0]
        if client.takes_automatic_ips and self.address == UNSPECIFIED:
            return next(iter(client.of_its_families(self.automatic)), self.address)
        return self.address

    def addresses_for(self, client: Client) -> tuple[str, ...]:
        """Every address that a client may dial it at (getAllAddressesForProxy)."""
        found = self.cluster_ips or (self.automatic if client.takes_automatic_ips else ())
        own = client.of_its_families(found)
        if own:
            return own
        return client.of_its_families((self.address,)) if self.cluster_ips else (self.address,)


def is_external_name(service: Json) -> bool:
    return (service.get("spec") or {}).get("type") == "ExternalName"


def age(obj: Json) -> tuple[str, str, str]:
    """Sort key: oldest first, then by name."""
    metadata = obj["metadata"]
    return (metadata.get("creationTimestamp") or "", metadata["name"], metadata.get("namespace", ""))


def service_of(service: Json, *, cluster_domain: str, alias_mode: bool) -> MeshService:
    """A Kubernetes Service. Without alias mode an ExternalName is a host of its own, found by DNS (Istio ≤ 1.20)."""
    metadata, spec = service["metadata"], service.get("spec") or {}
    name, namespace = metadata["name"], metadata.get("namespace", "")
    external_name = str(spec.get("externalName", "")) if is_external_name(service) else ""
    cluster_ip = spec.get("clusterIP") or ""
    resolution = Resolution.EDS
    addresses: tuple[str, ...] = (UNSPECIFIED,)
    if external_name:
        resolution = Resolution.ALIAS if alias_mode else Resolution.STRICT_DNS
    elif cluster_ip == "None":
        resolution = Resolution.ORIGINAL_DST
    elif cluster_ip:
        addresses = tuple(spec.get("clusterIPs") or (cluster_ip,))
    return MeshService(
        host=service_fqdn(name, namespace, cluster_domain),
        namespace=namespace,
        name=name,
        created=metadata.get("creationTimestamp") or "",
        ports=tuple(_service_ports(spec)),
        resolution=resolution,
        kubernetes=True,
        external=bool(external_name),
        export_to=service_export_to(service),
        obj=service,
        address=addresses[0],
        cluster_ips=addresses,
        external_name=external_name,
    )


def _service_ports(spec: Json) -> Iterator[RegistryPort]:
    for port in spec.get("ports") or ():
        name, number = port.get("name", ""), port["port"]
        protocol = protocol_of(name, port.get("appProtocol"), number, port.get("protocol", "TCP"))
        yield RegistryPort(number, number, protocol, name)


def services_of_entry(entry: Json) -> Iterator[MeshService]:
    """One for each host and address of a ServiceEntry; an address that is none is left out."""
    metadata, spec = entry["metadata"], entry.get("spec") or {}
    resolution = _RESOLUTIONS.get(spec.get("resolution") or "NONE", Resolution.ORIGINAL_DST)
    ports = tuple(_entry_ports(spec))
    declared = spec.get("addresses") or ()
    for host in spec.get("hosts") or ():
        for address in [found for text in declared if (found := _address(text))] if declared else [UNSPECIFIED]:
            yield MeshService(
                host=host,
                namespace=metadata.get("namespace", ""),
                name=host,
                created=metadata.get("creationTimestamp") or "",
                ports=ports,
                resolution=resolution,
                kubernetes=False,
                external=(spec.get("location") or "MESH_EXTERNAL") == "MESH_EXTERNAL",
                export_to=tuple(spec.get("exportTo") or ()),
                obj=entry,
                address=address,
                automatic=_automatic(entry, host, resolution),
            )


def _entry_ports(spec: Json) -> Iterator[RegistryPort]:
    for port in spec.get("ports") or ():
        number = port["number"]
        protocol = entry_protocol(port.get("protocol", ""))
        yield RegistryPort(number, port.get("targetPort") or number, protocol, port.get("name", ""))


def _address(text: str) -> str:
    """An IP, or a CIDR of more than one; "" for what is neither."""
    if is_address(text):
        return text
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return ""
    return text.partition("/")[0] if network.prefixlen == network.max_prefixlen else text


def _automatic(entry: Json, host: str, resolution: Resolution) -> tuple[str, ...]:
    """IPs of status.addresses, one of each family, IPv4 first (ip_autoallocation.go)."""
    labels = entry["metadata"].get("labels") or {}
    if (
        resolution is Resolution.ORIGINAL_DST
        or (entry.get("spec") or {}).get("addresses")
        or str(labels.get(AUTO_IP_LABEL, "")).lower() == "false"
    ):
        return ()
    listed = (entry.get("status") or {}).get("addresses") or ()
    values = [given["value"] for given in listed if given.get("host") == host and is_address(given.get("value", ""))]
    families = {":" in value: value for value in values}
    return tuple(families[family] for family in sorted(families))


def merged(first: MeshService, others: Iterable[MeshService]) -> tuple[RegistryPort, ...]:
    """Ports of a host in the order of age; of two with one number the older's counts (appendSidecarServices)."""
    ports = {port.number: port for port in first.ports}
    for other in others:
        # A Service meets itself here where a Sidecar lets its ports in one by one.
        if first.kubernetes == other.kubernetes and _can_merge(first, other):
            for port in other.ports:
                ports.setdefault(port.number, port)
    return tuple(ports.values()) if len(ports) > len(first.ports) else first.ports


def _can_merge(first: MeshService, other: MeshService) -> bool:
    return _beside_ports(first) == _beside_ports(other)


def _beside_ports(service: MeshService) -> tuple[object, ...]:
    """What two ServiceEntries must have in common to be one host (canMergeServices in sidecar.go)."""
    metadata, spec = service.obj["metadata"], service.obj.get("spec") or {}
    selector = (spec.get("workloadSelector") or {}).get("labels") or {}
    labels = metadata.get("labels") or {}
    return service.namespace, service.resolution, frozenset(service.export_to), labels, selector
