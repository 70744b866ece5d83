"""VirtualServices of the mesh: which a client gets, in which order.

Source: istio pilot/pkg/model/virtualservice.go, push_context.go (initVirtualServices), branch release-1.31.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kubectl_extsvc.mesh.hosts import covers, resolve_host, specificity
from kubectl_extsvc.mesh.istiod.services import age
from kubectl_extsvc.model.resources import Json, ObjectRef

MESH_GATEWAY = "mesh"


@dataclass(frozen=True, slots=True, eq=False)
class VirtualService:
    """One that counts for sidecars."""

    ref: ObjectRef
    hosts: tuple[str, ...]
    """Resolved."""
    export_to: frozenset[str]
    """"*", or namespaces."""
    http: tuple[Json, ...]
    tls: tuple[Json, ...]
    tcp: tuple[Json, ...]
    delegates: bool
    """Another VirtualService has some of its routes, and those are not read."""
    cluster_domain: str
    obj: Json

    def host_of(self, destination: Json) -> str:
        return resolve_host(destination.get("host", ""), self.ref.namespace, self.cluster_domain)

    def destinations(self, client_namespace: str) -> dict[str, set[int]]:
        """Host → ports that its routes lead to; 0 for one that names no port."""
        found: dict[str, set[int]] = {}
        led = [entry.get("destination") for route in (*self.tls, *self.tcp) for entry in route.get("route") or ()]
        for route in self.http:
            wanted = [m["sourceNamespace"] for m in route.get("match") or () if m.get("sourceNamespace")]
            if wanted and client_namespace not in wanted:
                continue
            led += [entry.get("destination") for entry in route.get("route") or ()]
            led += [route.get("mirror"), *(mirror.get("destination") for mirror in route.get("mirrors") or ())]
        for destination in led:
            if destination:
                number = (destination.get("port") or {}).get("number") or 0
                found.setdefault(self.host_of(destination), set()).add(number)
        return found


def read_virtual_services(objects: Iterable[Json], default: Sequence[str], cluster_domain: str) -> list[VirtualService]:
    """Those for sidecars, oldest first; default is meshConfig.defaultVirtualServiceExportTo."""
    found = []
    for obj in sorted(objects, key=age):
        metadata, spec = obj["metadata"], obj.get("spec") or {}
        namespace = metadata.get("namespace", "")
        if MESH_GATEWAY not in (spec.get("gateways") or (MESH_GATEWAY,)):
            continue
        export_to = spec.get("exportTo") or default or ("*",)
        found.append(
            VirtualService(
                ref=ObjectRef("VirtualService", namespace, metadata["name"]),
                hosts=tuple(resolve_host(host, namespace, cluster_domain) for host in spec.get("hosts") or ()),
                export_to=frozenset(namespace if word == "." else word for word in export_to),
                http=tuple(route for route in spec.get("http") or () if not route.get("delegate")),
                tls=tuple(spec.get("tls") or ()),
                tcp=tuple(spec.get("tcp") or ()),
                delegates=any(route.get("delegate") for route in spec.get("http") or ()),
                cluster_domain=cluster_domain,
                obj=obj,
            )
        )
    return found


def seen_from(namespace: str, all_of_them: Iterable[VirtualService]) -> list[VirtualService]:
    """Those that clients of a namespace may see: private ones, those exported to just them, those for all."""
    private: list[VirtualService] = []
    exported: list[VirtualService] = []
    public: list[VirtualService] = []
    for virtual_service in all_of_them:
        if "*" in virtual_service.export_to:
            public.append(virtual_service)
        elif "~" not in virtual_service.export_to and namespace in virtual_service.export_to:
            (private if virtual_service.ref.namespace == namespace else exported).append(virtual_service)
    return [*private, *exported, *public]


def overlap(one: str, other: str) -> bool:
    """Whether two hosts, perhaps wildcards, have a host in common (Name.Matches in pkg/config/host/name.go)."""
    if one.startswith("*") and other.startswith("*"):
        return one[1:].endswith(other[1:]) or other[1:].endswith(one[1:])
    return covers(one, other) if one.startswith("*") else covers(other, one)


def first_of_each_host(virtual_services: Iterable[VirtualService]) -> dict[str, VirtualService]:
    """Own host of a VirtualService, perhaps a wildcard → the first that has it."""
    found: dict[str, VirtualService] = {}
    for virtual_service in virtual_services:
        for host in virtual_service.hosts:
            found.setdefault(host, virtual_service)
    return found


def most_specific(host: str, of_host: Mapping[str, VirtualService]) -> VirtualService | None:
    """The VirtualService whose own host fits best; of_host has resolved hosts of VirtualServices, the first of each."""
    if host in of_host:
        return of_host[host]
    fitting = [pattern for pattern in of_host if pattern.startswith("*") and covers(pattern, host)]
    return of_host[min(fitting, key=specificity)] if fitting else None
