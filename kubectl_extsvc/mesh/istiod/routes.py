"""Route tables: one for each HTTP port of the mesh, and one for each port whose protocol must be found out.

Source: istio pilot/pkg/networking/core/httproute.go, core/route/route.go, branch release-1.31.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from kubectl_extsvc.mesh.envoy_dump import DYNAMIC_DNS as DYNAMIC_DNS_CLUSTER
from kubectl_extsvc.mesh.envoy_dump import PASSTHROUGH
from kubectl_extsvc.mesh.istiod.http_routes import ALL_PATHS, default_route, destination_cluster, routes_of
from kubectl_extsvc.mesh.istiod.name_forms import bracketed, forms, meant_by, other_forms
from kubectl_extsvc.mesh.istiod.services import UNSPECIFIED, MeshService, RegistryPort, Resolution
from kubectl_extsvc.mesh.istiod.sidecar_scope import (
    DYNAMIC_DNS,
    REGISTRY_ONLY,
    EgressListener,
    SidecarScope,
    egress_listener_for,
)
from kubectl_extsvc.mesh.istiod.virtual_services import VirtualService, most_specific, overlap
from kubectl_extsvc.model.alias import AppProtocol
from kubectl_extsvc.model.resources import Json

HTTP_PORT = 80
"""At which VirtualServices hold for hosts that nobody has registered."""


@dataclass(frozen=True, slots=True)
class Site:
    """What becomes virtual hosts: hosts with the same routes."""

    hosts: tuple[str, ...]
    """Mere words: hosts of a VirtualService that are not registered."""
    services: tuple[MeshService, ...]
    """Registered ones, each with just the port of the table."""
    routes: tuple[Json, ...]


def route_table(name: str, virtual_hosts: list[Json]) -> Json:
    return {
        "name": name,
        "virtual_hosts": virtual_hosts,
        "validate_clusters": False,
        "max_direct_response_body_size_bytes": 1024 * 1024,
        "ignore_port_in_host_matching": True,
    }


def table_named(scope: SidecarScope, name: str, called: str | None = None) -> Json | None:
    """The route table of a name: "80", or HOST:80 of a port whose protocol is found out; None for any other name.

    called: the only Host header that matters, without its port; the table then has just what that may match.
    """
    host, _, number = name.rpartition(":")
    if not number.isdigit():
        return None
    port = int(number)
    listener = egress_listener_for(scope, port)
    if listener is None:
        return route_table(name, [])
    wanted = host or called
    virtual_hosts = [*_virtual_hosts(scope, listener, port, None if wanted is None else wanted.lower())]
    virtual_hosts.sort(key=lambda virtual_host: str(virtual_host["name"]))
    if not host:
        return route_table(name, [*virtual_hosts, catch_all(scope)])
    # Whoever dials the service's own address is its client, by whatever name.
    return route_table(name, [{**virtual_host, "domains": ["*"]} for virtual_host in _own(virtual_hosts, name)])


def rivals_of(scope: SidecarScope, name: str) -> set[str]:
    """Names that tables would have with the virtual host of the table HOST:80, as far as there are such tables.

    All of a port have the same list of virtual hosts: the one that is made first gives its own the only domain "*", and
    the others do not find it any more (getVirtualHostsForSniffedServicePort).
    """
    host, _, number = name.rpartition(":")
    listener = egress_listener_for(scope, int(number)) if host else None
    if listener is None:
        return set()
    virtual_hosts = _virtual_hosts(scope, listener, int(number), host.lower())
    domains = {domain for virtual_host in _own(virtual_hosts, name) for domain in virtual_host["domains"]}
    return {f"{domain}:{number}" for domain in domains} - {name}


def _own(virtual_hosts: Iterable[Json], name: str) -> list[Json]:
    """Those that a table HOST:80 takes."""
    names = {name, name.rpartition(":")[0]}
    return [virtual_host for virtual_host in virtual_hosts if names & {*virtual_host["domains"]}]


def _virtual_hosts(scope: SidecarScope, listener: EgressListener, port: int, called: str | None) -> Iterator[Json]:
    sites = [*_sites(scope, listener, port, called)]
    known = {service.host for site in sites for service in site.services}
    names: set[str] = set()
    taken: set[str] = set()
    for site in sites:
        for host, service in (*((host.lower(), None) for host in site.hosts), *((s.host, s) for s in site.services)):
            name = f"{bracketed(host)}:{port}"
            if name in names:
                continue
            names.add(name)
            if service is None:
                wished: Iterable[str] = (bracketed(host),)
            else:
                wished = _domains(scope, service, known)
            domains = [domain for domain in dict.fromkeys(wished) if domain.lower() not in taken]
            taken.update(domain.lower() for domain in domains)
            if domains:
                yield _counted(scope, {"name": name, "domains": domains, "routes": [*site.routes]})


def _sites(scope: SidecarScope, listener: EgressListener, port: int, called: str | None) -> Iterator[Site]:
    """Those with VirtualServices first, in their order (BuildSidecarVirtualHostWrapper)."""
    registry = {s.host.lower(): replace(s, ports=(p,)) for s, p in _declaring(listener, port, called)}
    routed: set[str] = set()
    for virtual_service in listener.virtual_services:
        if called is not None and not _may_match(virtual_service, registry, called):
            continue
        if port != HTTP_PORT and not _is_on_any(virtual_service, registry):
            continue
        routes = routes_of(scope, virtual_service, port, registry)
        if not routes:
            continue
        hosts, services = _separated(virtual_service, registry, listener, backwards=scope.backwards)
        services = [service for service in services if _parses_http(service.ports[0])]
        if services or port == HTTP_PORT:
            routed.update(service.host for service in services)
            yield Site(tuple(hosts), tuple(services), tuple(routes))
    # Here too istiod goes through a map: of two hosts with one name, or one address, chance decides which gets it.
    for service in sorted(registry.values(), key=lambda service: service.host, reverse=scope.backwards):
        if service.host in routed or service.resolution is Resolution.ALIAS or not _parses_http(service.ports[0]):
            continue
        yield Site((), (service,), (default_route(scope, service, port),))


def _declaring(listener: EgressListener, port: int, called: str | None) -> Iterable[tuple[MeshService, RegistryPort]]:
    """Services with a port; if only one Host header matters, those that may be meant by it, or that it leads to."""
    if called is None:
        return listener.by_port.get(port, ())
    return [
        (service, declared)
        for host in _meant(listener, called)
        for service in listener.by_host.get(host, ())
        if (declared := service.port(port)) is not None
    ]


def _meant(listener: EgressListener, called: str) -> list[str]:
    """Hosts whose virtual host may take a Host header, and all that VirtualServices on those may lead to."""
    namespace, domain = listener.client_namespace, listener.cluster_domain
    labels = called.split(".")
    # A headless Service answers for the names below its own too.
    names = [name for start in range(len(labels)) for name in meant_by(".".join(labels[start:]), namespace, domain)]
    hosts = dict.fromkeys([*names, *listener.by_address.get(called.strip("[]"), ()), *listener.wildcards])
    hosts |= dict.fromkeys([listener.alias_targets[name] for name in names if name in listener.alias_targets])
    for virtual_service in listener.virtual_services:
        if any(host in hosts or host.startswith("*") for host in virtual_service.hosts):
            # Without any registered host it would hold for none on ports other than 80.
            hosts |= dict.fromkeys(host.lower() for host in virtual_service.hosts)
            wild = [host.lower() for host in virtual_service.hosts if host.startswith("*")]
            hosts |= dict.fromkeys(name for name in listener.by_host if any(overlap(name, host) for host in wild))
            hosts |= dict.fromkeys(virtual_service.destinations(namespace))
    return [*hosts]


def _may_match(virtual_service: VirtualService, registry: Mapping[str, MeshService], called: str) -> bool:
    return any(host.startswith("*") or host in registry or host == called for host in virtual_service.hosts)


def _is_on_any(virtual_service: VirtualService, registry: Mapping[str, MeshService]) -> bool:
    """selectVirtualServices of httproute.go."""
    for host in (host.lower() for host in virtual_service.hosts):
        if host in registry:
            return True
        wild = [other for other in registry if other.startswith("*")] if not host.startswith("*") else registry
        if any(overlap(host, other) for other in wild):
            return True
    return False


def _separated(
    virtual_service: VirtualService, registry: Mapping[str, MeshService], listener: EgressListener, *, backwards: bool
) -> tuple[list[str], list[MeshService]]:
    """Hosts that nobody has registered, and registered services (separateVSHostsAndServices).

    Those that a wildcard covers come by name: istiod has them in the order of a map, and so it is chance which of them
    gets a name that two bear, an ExternalName Service and its target.
    """
    words, services = [], []
    for host in virtual_service.hosts:
        if not host.startswith("*"):
            service = registry.get(host.lower())
            if service is None:
                words.append(host)
            else:
                services.append(service)
    for host in (host.lower() for host in virtual_service.hosts if host.startswith("*")):
        fitting = [registry[name] for name in sorted(registry, reverse=backwards) if overlap(name, host)]
        of_host = listener.virtual_service_of_host
        services += [service for service in fitting if most_specific(service.host, of_host) is virtual_service]
        if not fitting:
            words.append(host)
    return words, services


def _parses_http(port: RegistryPort) -> bool:
    return port.protocol.is_http or port.protocol is AppProtocol.AUTO


def _domains(scope: SidecarScope, service: MeshService, known: Iterable[str]) -> list[str]:
    """Host headers that mean a service; a short form that is somebody's full name is left to them (dedupeDomains)."""
    client, domain = scope.client, scope.push.cluster_domain
    hosts = (service.host, *service.aliases)
    found = [bracketed(form) for host in hosts for form in forms(host, client.namespace, domain)]
    if service.headless:
        found += [f"*.{form}" for form in found]
    found += [bracketed(address) for address in service.addresses_for(client) if address != UNSPECIFIED]
    short = {form for host in hosts for form in other_forms(host, client.namespace, domain)}
    return [form for form in found if not (form in short and form in known)]


def catch_all(scope: SidecarScope) -> Json:
    """What becomes of requests to hosts that the client does not know."""
    if scope.policy == REGISTRY_ONLY:
        name = "block_all"
        action: Json = {"direct_response": {"status": 502}}
    else:
        name, cluster = "allow_any", PASSTHROUGH
        if scope.policy == DYNAMIC_DNS:
            name, cluster = "allow_any_dynamic_dns", DYNAMIC_DNS_CLUSTER
        elif (proxy := scope.egress_proxy) is not None:
            cluster = destination_cluster(proxy, proxy.get("host", ""), None, 0)
        action = {"route": {"cluster": cluster, "timeout": "0s", "max_grpc_timeout": "0s"}}
    routes = [{"match": ALL_PATHS, **action, "name": name}]
    return _counted(scope, {"name": name, "domains": ["*"], "routes": routes})


def _counted(scope: SidecarScope, virtual_host: Json) -> Json:
    return virtual_host | ({"include_request_attempt_count": True} if scope.sends("attemptCount") else {})
