"""Where the endpoints are that calls of aliases may end at: the namespaces whose EndpointSlices matter."""

from collections.abc import Iterable, Iterator, Sequence

from kubectl_extsvc.mesh.destination_rules import route_host
from kubectl_extsvc.mesh.hosts import service_of_fqdn
from kubectl_extsvc.mesh.istiod.push_context import push_context
from kubectl_extsvc.mesh.registry import alias_target
from kubectl_extsvc.model.alias import Alias, Form
from kubectl_extsvc.model.snapshot import Snapshot


def endpoint_namespaces(aliases: Sequence[Alias], clients: Iterable[str], snapshot: Snapshot) -> tuple[str, ...]:
    """Namespaces of the Services with selector at which calls from these namespaces may end, the likeliest first.

    Left out are those whose slices are known. Where this misses one, computed_route says that it cannot tell.
    """
    if not snapshot.mesh.installed:
        return ()
    found = (
        *_targets(aliases, tuple(clients), snapshot),
        *_takers_of_ports({port.number for alias in aliases for port in alias.ports}, snapshot),
    )
    return tuple(namespace for namespace in dict.fromkeys(found) if not snapshot.has_slices_of_pods(namespace))


def _targets(aliases: Sequence[Alias], clients: Sequence[str], snapshot: Snapshot) -> Iterator[str]:
    """By the name behind an alias, and by what a VirtualService or a host that takes its port makes of the call."""
    for alias in aliases:
        if alias.form is Form.EXTERNAL_NAME:
            place = service_of_fqdn(alias_target(alias.external_name_raw, snapshot) or "", snapshot.cluster_domain)
            if place is not None:
                yield place[0]
        for port in alias.ports:
            for client in clients:
                host = route_host(alias, snapshot, port=port.number, client_namespace=client)
                service = push_context(snapshot).kubernetes.get(host.host) if host is not None else None
                if service is not None:
                    yield service.namespace


def _takers_of_ports(numbers: set[int], snapshot: Snapshot) -> Iterator[str]:
    """A headless Service has a listener for each of its pods, which takes TCP connections whoever was called."""
    for service in push_context(snapshot).kubernetes.values():
        if service.headless and any(port.number in numbers and not port.protocol.is_http for port in service.ports):
            yield service.namespace
