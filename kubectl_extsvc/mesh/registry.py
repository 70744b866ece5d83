"""Whom the mesh takes a host for: the Service or ServiceEntry that a proxy of some namespace gets for it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kubectl_extsvc.mesh.hosts import exported_to, service_export_to, service_fqdn, service_of_fqdn
from kubectl_extsvc.mesh.ports import entry_protocol, protocol_of
from kubectl_extsvc.model.alias import AppProtocol
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class RegistryPort:
    number: int
    target_port: int
    """The number dialled at the host: a ServiceEntry may say another than clients do."""
    protocol: AppProtocol
    name: str = ""


@dataclass(frozen=True, slots=True)
class Registered:
    """One host as a proxy knows it."""

    host: str
    namespace: str
    """Of the Service or ServiceEntry: the second place where DestinationRules are looked for."""
    ports: tuple[RegistryPort, ...]

    def port(self, number: int) -> RegistryPort | None:
        return next((port for port in self.ports if port.number == number), None)


def registered(host: str, snapshot: Snapshot, client_namespace: str) -> Registered | None:
    """What a host is to proxies of a namespace, None if it is nothing to them.

    The client's own namespace wins, then a Service before a ServiceEntry, then a ServiceEntry that is exported to some
    namespaces before one for all, then the oldest (selectServices in istio pilot/pkg/model/sidecar.go,
    servicesExportedToNamespace in push_context.go). The ports of further entries of
    the winner's namespace count too. Wildcard entries are not looked at: an alias never means one. In alias mode an
    ExternalName Service is nothing by itself.
    """
    service = service_named(host, snapshot)
    if service is not None and not _is_registered(service, snapshot, client_namespace):
        service = None
    entries = _entries_of(host, snapshot, client_namespace)
    own = tuple(entry for entry in entries if entry["metadata"].get("namespace") == client_namespace)
    if service is not None and (not own or service["metadata"].get("namespace") == client_namespace):
        return Registered(host, service["metadata"]["namespace"], tuple(_service_ports(service)))
    if not entries:
        return None
    winner = (own or entries)[0]["metadata"]["namespace"]
    return Registered(host, winner, _entry_ports([e for e in entries if e["metadata"]["namespace"] == winner]))


def service_named(fqdn: str, snapshot: Snapshot) -> Json | None:
    """The Service of an FQDN, whoever may see it."""
    key = service_of_fqdn(fqdn, snapshot.cluster_domain)
    if key is None:
        return None
    return next(
        (s for s in snapshot.services if (s["metadata"].get("namespace", ""), s["metadata"]["name"]) == key), None
    )


def alias_target(external_name: str, snapshot: Snapshot) -> str | None:
    """The host at the end of a chain of ExternalName Services; None for a loop.

    Hosts are compared as they are written, since Istio does so: a final dot is not forgiven (resolveServiceAliases in
    istio pilot/pkg/model/push_context.go).
    """
    aliases = {
        service_fqdn(s["metadata"]["name"], s["metadata"].get("namespace", ""), snapshot.cluster_domain): str(
            s["spec"].get("externalName", "")
        )
        for s in snapshot.services
        if is_external_name(s)
    }
    seen: set[str] = set()
    host = external_name
    while host in aliases:
        if host in seen:
            return None
        seen.add(host)
        host = aliases[host]
    return host


def is_external_name(service: Json) -> bool:
    return (service.get("spec") or {}).get("type") == "ExternalName"


def _is_registered(service: Json, snapshot: Snapshot, client_namespace: str) -> bool:
    if is_external_name(service) and snapshot.mesh.alias_mode:
        return False
    return exported_to(service_export_to(service), service["metadata"].get("namespace", ""), client_namespace)


def _entries_of(host: str, snapshot: Snapshot, client_namespace: str) -> Sequence[Json]:
    """ServiceEntries with exactly that host that the client may see: those for fewer than all first, then by age."""
    visible = [
        entry
        for entry in snapshot.service_entries
        if host in ((entry.get("spec") or {}).get("hosts") or ())
        and exported_to(entry["spec"].get("exportTo") or (), entry["metadata"].get("namespace", ""), client_namespace)
    ]
    return sorted(visible, key=lambda entry: (is_public(entry), *age(entry)))


def is_public(entry: Json) -> bool:
    """Exported to all namespaces."""
    export_to = entry["spec"].get("exportTo")
    return not export_to or "*" in export_to


def age(obj: Json) -> tuple[str, str, str]:
    """Sort key: oldest first, then by name."""
    metadata = obj["metadata"]
    return (metadata.get("creationTimestamp") or "", metadata["name"], metadata.get("namespace", ""))


def _service_ports(service: Json) -> Iterable[RegistryPort]:
    for port in service["spec"].get("ports") or ():
        name, number = port.get("name", ""), port["port"]
        protocol = protocol_of(name, port.get("appProtocol"), number, port.get("protocol", "TCP"))
        yield RegistryPort(number, number, protocol, name)


def _entry_ports(entries: Sequence[Json]) -> tuple[RegistryPort, ...]:
    """Ports of one host's entries of one namespace, oldest first; of two with one number the older entry's counts.

    Entries that differ in more than their ports are not merged (canMergeServices in istio pilot/pkg/model/sidecar.go).
    """
    ports: dict[int, RegistryPort] = {}
    for entry in entries:
        if _apart_from_ports(entry) != _apart_from_ports(entries[0]):
            continue
        for port in entry["spec"].get("ports") or ():
            number = port["number"]
            ports.setdefault(
                number,
                RegistryPort(
                    number=number,
                    target_port=port.get("targetPort") or number,
                    protocol=entry_protocol(port.get("protocol", "")),
                    name=port.get("name", ""),
                ),
            )
    return tuple(ports.values())


def _apart_from_ports(entry: Json) -> tuple[object, ...]:
    spec = entry["spec"]
    return spec.get("resolution", "NONE"), frozenset(spec.get("exportTo") or ()), entry["metadata"].get("labels") or {}
