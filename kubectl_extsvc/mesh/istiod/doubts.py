"""When the way that follows from the objects is not certain: what was not read, or is not followed, may decide."""

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import replace

from kubectl_extsvc.mesh.envoy_dump import SPECIAL_CLUSTERS, VIRTUAL_OUTBOUND
from kubectl_extsvc.mesh.hosts import covers, service_of_fqdn
from kubectl_extsvc.mesh.istiod.name_forms import meant_by
from kubectl_extsvc.mesh.istiod.push_context import end_of_chain
from kubectl_extsvc.mesh.istiod.services import UNSPECIFIED, MeshService, Resolution
from kubectl_extsvc.mesh.istiod.sidecar_scope import SidecarScope, egress_listener_for, listeners_at
from kubectl_extsvc.mesh.istiod.virtual_services import VirtualService
from kubectl_extsvc.mesh.outbound_request import UNKNOWN_ADDRESS, OutboundRequest, RequestKind
from kubectl_extsvc.model.alias import AppProtocol
from kubectl_extsvc.model.marks import SERVICE_NAME_LABEL
from kubectl_extsvc.model.resources import (
    CONFIG_MAPS,
    DESTINATION_RULES,
    ENDPOINT_SLICES,
    PODS,
    SERVICE_ENTRIES,
    SIDECARS,
    VIRTUAL_SERVICES,
    Json,
    Resource,
)
from kubectl_extsvc.model.route import OutboundTls, Route, RouteKind, TlsInEffect
from kubectl_extsvc.model.snapshot import Snapshot

POD_NETWORKS = tuple(
    ipaddress.ip_network(cidr)
    for cidr in ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)
"""Private ranges (RFC 1918, 6598, 4193): of such pods have their addresses."""


def doubt_about(scope: SidecarScope, request: OutboundRequest, route: Route) -> str:
    """Why a computed route may be another, in one line; "" if it is certain."""
    return next(_doubts(scope, request, route), "")


def _doubts(scope: SidecarScope, request: OutboundRequest, route: Route) -> Iterator[str]:
    snapshot, client = scope.push.snapshot, scope.client
    service = leads_to(scope, route)
    own = service is not None and service.namespace == client.namespace
    unclaimed = service is None and (route.passthrough or route.blocked or route.envoy_cluster in SPECIAL_CLUSTERS)
    if SIDECARS.plural in snapshot.unread and not own:
        yield _unread(scope, SIDECARS, "a Sidecar may keep hosts from the proxy")
    if SERVICE_ENTRIES.plural in snapshot.unread and not own:
        yield _unread(scope, SERVICE_ENTRIES, "one may claim the host, or the port")
    if VIRTUAL_SERVICES.plural in snapshot.unread and not (
        (route.virtual_service is not None and route.virtual_service.namespace == client.namespace)
        or (route.kind is RouteKind.TCP and (own or unclaimed))
    ):
        yield _unread(scope, VIRTUAL_SERVICES, "one may lead the request elsewhere")
    if service is not None:
        yield from _of_the_host(scope, request, route, service)
    yield from _of_pods_elsewhere(scope, request)
    if CONFIG_MAPS.plural in snapshot.unread and unclaimed and not scope.has_own_policy:
        yield _unread(scope, CONFIG_MAPS, "outboundTrafficPolicy decides about hosts that nobody claims")
    if not snapshot.all_namespaces:
        yield from _of_other_namespaces(scope, request, route, unclaimed=unclaimed)
    if any(_is_on(virtual_service.hosts, scope, request, route) for virtual_service in _delegating(scope, request)):
        yield "a VirtualService on the host delegates to another, which is not followed"
    if request.kind is RequestKind.TLS:
        yield from _of_a_name_of_two(scope, request)
    if request.address == UNKNOWN_ADDRESS:
        yield from _of_the_address(scope, request)


def leads_to(scope: SidecarScope, route: Route) -> MeshService | None:
    """The service that a route's Envoy cluster is of."""
    parts = route.envoy_cluster.split("|")
    return scope.services.get(parts[3]) if len(parts) == 4 else None


def _unread(scope: SidecarScope, resource: Resource, why: str) -> str:
    reason = scope.push.snapshot.unread[resource.plural].reason
    return f"{resource.plural} could not be read, and {why}: {reason}"


def _of_the_host(scope: SidecarScope, request: OutboundRequest, route: Route, service: MeshService) -> Iterator[str]:
    snapshot = scope.push.snapshot
    if DESTINATION_RULES.plural in snapshot.unread:
        decision, _ = scope.decision(service, _port_of(route, request))
        if decision.rule is None or decision.rule.namespace != scope.client.namespace:
            # The client's namespace comes first: with a rule there, none elsewhere counts.
            yield _unread(scope, DESTINATION_RULES, "one may change the TLS of the host")
    if service.kubernetes and ENDPOINT_SLICES.plural in snapshot.unread:
        yield _unread(scope, ENDPOINT_SLICES, "the Service's endpoints are in them")
    if _lacks_slices(service, snapshot):
        yield f"EndpointSlices of namespace {service.namespace} were not read, and those of {service.host} are there"


def _lacks_slices(service: MeshService, snapshot: Snapshot) -> bool:
    """Those that no selector makes are read of all namespaces, where that may be done."""
    if not service.kubernetes or snapshot.has_slices_of_pods(service.namespace):
        return False
    return bool((service.obj.get("spec") or {}).get("selector")) or not snapshot.all_namespaces


def _of_pods_elsewhere(scope: SidecarScope, request: OutboundRequest) -> Iterator[str]:
    """A headless Service takes TCP connections to its pods, whoever was called."""
    if request.address == UNKNOWN_ADDRESS or not _may_be_a_pod(request.address):
        return
    if any(request.address in service.cluster_ips for service in scope.push.kubernetes.values()):
        return
    listener = egress_listener_for(scope, request.port)
    for service, port in listener.by_port.get(request.port, ()) if listener is not None else ():
        if service.headless and not port.protocol.is_http and _lacks_slices(service, scope.push.snapshot):
            yield (
                f"EndpointSlices of namespace {service.namespace} were not read; {service.host} takes TCP "
                f"connections to its pods at port {request.port}, and {request.address} may be one"
            )


def _port_of(route: Route, request: OutboundRequest) -> int:
    parts = route.envoy_cluster.split("|")
    return int(parts[1]) if len(parts) == 4 and parts[1].isdigit() else request.port


def _of_other_namespaces(
    scope: SidecarScope, request: OutboundRequest, route: Route, *, unclaimed: bool
) -> Iterator[str]:
    """The Services of one namespace only are known."""
    known = scope.push.namespaces_read
    host = route.envoy_cluster.split("|")[3] if route.envoy_cluster.count("|") == 3 else ""
    elsewhere = service_of_fqdn(host, scope.push.cluster_domain)
    if route.cluster_missing and elsewhere is not None and elsewhere[0] not in known:
        yield f"Services of namespace {elsewhere[0]} were not read, and {host} may be one"
    if not unclaimed:
        return
    domain = scope.push.cluster_domain
    called = request.host.partition(":")[0]
    aliases = [s for name in meant_by(called, scope.client.namespace, domain) for s in scope.push.by_host.get(name, ())]
    for name in (called, *(service.external_name for service in aliases)):
        place = service_of_fqdn(name, domain)
        if place is not None and place[0] not in known:
            yield f"Services of namespace {place[0]} were not read, and {name} may be one"
    if request.kind is RequestKind.HTTP and route.listener == VIRTUAL_OUTBOUND:
        yield (
            f"Services of other namespaces were not read; one with an HTTP port {request.port} would make the proxy "
            "read the request as HTTP"
        )


def _delegating(scope: SidecarScope, request: OutboundRequest) -> list[VirtualService]:
    listener = egress_listener_for(scope, request.port)
    return [vs for vs in listener.virtual_services if vs.delegates] if listener is not None else []


def _is_on(hosts: Iterable[str], scope: SidecarScope, request: OutboundRequest, route: Route) -> bool:
    called = request.host.partition(":")[0]
    names = {called, *meant_by(called, scope.client.namespace, scope.push.cluster_domain)}
    names.add(route.virtual_host.rpartition(":")[0])
    return any(covers(host, name) for host in hosts for name in names if name)


def _of_a_name_of_two(scope: SidecarScope, request: OutboundRequest) -> Iterator[str]:
    """An ExternalName Service's name is its target's too, and a ServiceEntry bears it: both make a filter chain for it,
    and Envoy refuses such a listener. What it then does depends on what it had before."""
    push, port = scope.push, request.port
    for name in meant_by(request.sni, scope.client.namespace, push.cluster_domain):
        if name not in push.external_names:
            continue
        target = end_of_chain(name, push.external_names)
        listeners = listeners_at(scope, port, AppProtocol.TLS)
        entries = [known for one in listeners for known in one.by_host.get(name, ()) if not known.kubernetes]
        targets = [known for one in listeners for known in one.by_host.get(target or "", ()) if name in known.aliases]
        if all(any(_has_tls(known, port) for known in claimants) for claimants in (entries, targets)):
            yield f"an ExternalName Service and a ServiceEntry have the host {name}, and Envoy refuses their listener"


def _has_tls(service: MeshService, number: int) -> bool:
    port = service.port(number)
    return port is not None and port.protocol.is_tls


def _of_the_address(scope: SidecarScope, request: OutboundRequest) -> Iterator[str]:
    """Where the name leads is not known, and some listener is for an address outside the cluster."""
    listener = egress_listener_for(scope, request.port)
    for service, port in listener.by_port.get(request.port, ()) if listener is not None else ():
        if port.protocol.is_http or service.resolution is Resolution.ALIAS:
            continue
        outside = service.headless or (not service.kubernetes and service.address not in (UNSPECIFIED, ""))
        if outside:
            yield (
                f"the address that the name leads to is not known, and {service.host} takes TCP connections to its own "
                f"addresses at port {request.port}"
            )


def tie_about(scope: SidecarScope, request: OutboundRequest, route: Route) -> str:
    """Which objects that bear on a route istiod takes in an order of chance, in one line; "" if none does.

    That they are tied does not mean that it matters.
    """
    called = {request.host.rpartition(":")[0] or request.host, request.host, request.sni}
    own = leads_to(scope, route)
    for tied in scope.push.tied:
        host = tied[0].host
        addresses = {address for service in tied for address in (service.address, *service.automatic)}
        takes_all = UNSPECIFIED in addresses and tied[0].port(request.port) is not None
        if (
            (own is not None and own.host == host)
            or takes_all
            or any("/" in address for address in addresses)
            or not addresses.isdisjoint({request.address, *called})
            or any(covers(host, name) for name in called if name)
        ):
            refs = dict.fromkeys(f"serviceentry/{service.obj['metadata']['name']}" for service in tied)
            where = f"in namespace {tied[0].namespace}"
            if len(refs) == 1:
                return f"{next(iter(refs))} {where} has several addresses, and istiod takes them in an order of chance"
            return f"{' and '.join(refs)} {where} are equally old, and istiod takes them in an order of chance"
    return ""


def settled_tls(scope: SidecarScope, route: Route) -> Route:
    """Whether an endpoint takes the mesh's TLS is its pod's matter, and not every pod was read."""
    service, snapshot = leads_to(scope, route), scope.push.snapshot
    if service is None or not service.kubernetes or route.tls.mode is not OutboundTls.AUTO_PLAINTEXT:
        return route
    addresses = {endpoint.address for endpoint in route.endpoints}
    asked = frozenset() if PODS.plural in snapshot.unread else snapshot.pods_at
    guessed = addresses - asked if asked is not None else set()
    if any(map(_may_be_a_pod, guessed)) or _pods_of_slices(scope, service) & addresses - set(_addresses(snapshot.pods)):
        return replace(route, tls=TlsInEffect(OutboundTls.UNKNOWN))
    return route


def _pods_of_slices(scope: SidecarScope, service: MeshService) -> set[str]:
    """Addresses that a Service's slices say to be pods'."""
    return {
        address
        for endpoint_slice in scope.push.snapshot.endpoint_slices
        if endpoint_slice["metadata"].get("namespace") == service.namespace
        and (endpoint_slice["metadata"].get("labels") or {}).get(SERVICE_NAME_LABEL) == service.name
        for endpoint in endpoint_slice.get("endpoints") or ()
        if (endpoint.get("targetRef") or {}).get("kind") == "Pod"
        for address in endpoint.get("addresses") or ()
    }


def _addresses(pods: Iterable[Json]) -> Iterator[str]:
    for pod in pods:
        status = pod.get("status") or {}
        yield from (status.get("podIP", ""), *(entry["ip"] for entry in status.get("podIPs") or ()))


def _may_be_a_pod(address: str) -> bool:
    found = ipaddress.ip_address(address)
    return any(found in network for network in POD_NETWORKS if network.version == found.version)
