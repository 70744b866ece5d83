"""What one proxy sees of the mesh: its egress listeners with their hosts, and the rules about them.

Source: istio pilot/pkg/model/sidecar.go, branch release-1.31.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from kubectl_extsvc.mesh.hosts import covers
from kubectl_extsvc.mesh.istiod.client import Client
from kubectl_extsvc.mesh.istiod.push_context import PushContext, push_context
from kubectl_extsvc.mesh.istiod.services import MeshService, RegistryPort, merged
from kubectl_extsvc.mesh.istiod.virtual_services import VirtualService, first_of_each_host, overlap, seen_from
from kubectl_extsvc.mesh.outbound_request import OutboundRequest
from kubectl_extsvc.mesh.rule_lookup import Merged
from kubectl_extsvc.model.alias import AppProtocol
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.route import Route, RouteUnknown, RuleDecision
from kubectl_extsvc.model.snapshot import Snapshot
from kubectl_extsvc.model.source import Source

ALLOW_ANY = "ALLOW_ANY"
REGISTRY_ONLY = "REGISTRY_ONLY"
DYNAMIC_DNS = "ALLOW_ANY_DYNAMIC_DNS"


@dataclass(slots=True)
class Hosts:
    """Of one namespace, or of all, what a Sidecar's egress lets in."""

    patterns: list[str] = field(default_factory=list)
    excluded: list[str] = field(default_factory=list)

    @property
    def wild(self) -> bool:
        return any(pattern.startswith("*") for pattern in self.patterns)

    def lets_in(self, host: str) -> bool:
        return any(covers(pattern, host) for pattern in self.patterns)


Imports = Mapping[str, Hosts]
"""Namespace, or "*", → hosts."""


@dataclass(frozen=True, eq=False)
class EgressListener:
    """One entry of Sidecar.spec.egress; the one that lets everything in where there is none."""

    port: int
    """0: for all ports."""
    protocol: str
    bind: str
    binds_to_port: bool
    """Nobody is sent there: applications must dial it by themselves."""
    imports: Imports
    services: tuple[MeshService, ...]
    """Oldest first; several may bear one host, all of one namespace."""
    virtual_services: tuple[VirtualService, ...]
    client_namespace: str
    cluster_domain: str

    def lets_in(self, namespace: str, host: str, *more: str) -> bool:
        """Whether a host of a namespace comes in, and these further names of it by the same word of the entry.

        Only the host itself can be kept out by "~NAMESPACE/HOST" (matchingAliasService).
        """
        entry = entry_for(self.imports, namespace, host)
        return entry is not None and all(map(entry.lets_in, more))

    @property
    def is_http_proxy(self) -> bool:
        return self.protocol.upper() == "HTTP_PROXY"

    @cached_property
    def by_port(self) -> Mapping[int, tuple[tuple[MeshService, RegistryPort], ...]]:
        found: dict[int, list[tuple[MeshService, RegistryPort]]] = defaultdict(list)
        for service in self.services:
            for port in service.ports:
                found[port.number].append((service, port))
        return {number: tuple(those) for number, those in found.items()}

    @cached_property
    def by_host(self) -> Mapping[str, tuple[MeshService, ...]]:
        found: dict[str, list[MeshService]] = defaultdict(list)
        for service in self.services:
            found[service.host.lower()].append(service)
        return {host: tuple(those) for host, those in found.items()}

    @cached_property
    def wildcards(self) -> tuple[str, ...]:
        return tuple(host for host in self.by_host if host.startswith("*"))

    @cached_property
    def by_address(self) -> Mapping[str, tuple[str, ...]]:
        """Address → hosts that it is of."""
        found: dict[str, list[str]] = defaultdict(list)
        for service in self.services:
            for address in {service.address, *service.cluster_ips, *service.automatic}:
                found[address].append(service.host)
        return {address: tuple(hosts) for address, hosts in found.items()}

    @cached_property
    def alias_targets(self) -> Mapping[str, str]:
        """FQDN of an ExternalName Service → the host that it stands for."""
        return {alias: service.host for service in self.services for alias in service.aliases}

    @cached_property
    def virtual_service_of_host(self) -> Mapping[str, VirtualService]:
        return first_of_each_host(self.virtual_services)


@dataclass(frozen=True, eq=False)
class SidecarScope:
    client: Client
    push: PushContext
    sidecar: Json | None
    """The Sidecar that holds for the client."""
    listeners: tuple[EgressListener, ...]
    backwards: bool = False
    """Whether hosts that istiod has in a map, and so in no order, come by name from the last to the first."""
    at_ports: dict[int, Any] = field(default_factory=dict)
    """What listeners.py made already, by port."""
    routes: dict[OutboundRequest, Route | RouteUnknown] = field(default_factory=dict)
    """What computed.py found already: several questions about an alias are answered by one way."""

    @cached_property
    def other_way_round(self) -> "SidecarScope":
        """The same, with those hosts in the opposite order."""
        return replace(self, backwards=not self.backwards, routes={})

    @cached_property
    def policy(self) -> str:
        """What becomes of requests to hosts that the client does not know: a mode of outboundTrafficPolicy."""
        own = self._own_policy
        return str(own.get("mode") or REGISTRY_ONLY) if own is not None else mesh_policy(self.push.mesh_config)

    @property
    def has_own_policy(self) -> bool:
        """A Sidecar says what becomes of those, and meshConfig has no word in it."""
        return self._own_policy is not None

    @property
    def egress_proxy(self) -> Json | None:
        """A destination that takes them instead of PassthroughCluster."""
        found: Json | None = (self._own_policy or {}).get("egressProxy")
        return found

    @property
    def _own_policy(self) -> Json | None:
        found: Json | None = ((self.sidecar or {}).get("spec") or {}).get("outboundTrafficPolicy")
        return found

    @cached_property
    def services(self) -> Mapping[str, MeshService]:
        """Host → the one service that gets clusters, with the ports of all that are merged into it."""
        found: dict[str, MeshService] = {}
        more: dict[str, list[MeshService]] = defaultdict(list)
        for service in self._imported():
            first = found.get(service.host)
            if first is None or (service.kubernetes and not first.kubernetes):
                found[service.host] = service
                more[service.host].clear()
            elif service is not first:
                more[service.host].append(service)
        for host, others in more.items():
            if (ports := merged(found[host], others)) is not found[host].ports:
                found[host] = replace(found[host], ports=ports)
        return found

    def _imported(self) -> Iterator[MeshService]:
        """Those that its Sidecar lets in, and those that the VirtualServices lead to (collectImportedServices)."""
        for listener in self.listeners:
            yield from listener.services
            for virtual_service in listener.virtual_services:
                for host, ports in virtual_service.destinations(self.client.namespace).items():
                    service = self._destination(host)
                    if service is None:
                        continue
                    if listener.port and not listener.is_http_proxy:
                        ports = {listener.port}
                    own = tuple(port for port in service.ports if port.number in ports)
                    if 0 in ports or len(own) == len(service.ports):
                        yield service
                    elif own:
                        yield replace(service, ports=own)

    def _destination(self, host: str) -> MeshService | None:
        """Of the client's namespace, visible or not, else a Service, else the oldest (pickBestVisibleNamespace).

        Each namespace has one of a host: its Service, else the oldest ServiceEntry (initServiceRegistry).
        """
        known: dict[str, MeshService] = {}
        for service in self.push.by_host.get(host, ()):
            first = known.setdefault(service.namespace, service)
            if service.kubernetes and not first.kubernetes:
                known[service.namespace] = service
        if (own := known.get(self.client.namespace)) is not None:
            return own
        visible = [service for service in known.values() if self.push.is_visible(service, self.client.namespace)]
        return next(iter((*(s for s in visible if s.kubernetes), *visible)), None)

    @property
    def captures_nothing(self) -> bool:
        """Nobody is sent to the proxy: applications must dial it by themselves."""
        return self.client.metadata.get("INTERCEPTION_MODE") == "NONE"

    def sends(self, header: str) -> bool:
        """Whether proxyHeaders leave a header of Envoy's alone: requestId, attemptCount …"""
        own = self.client.metadata.get("PROXY_CONFIG")
        config = own if isinstance(own, dict) else self.push.mesh_config.get("defaultConfig")
        headers = (config or {}).get("proxyHeaders") or {}
        return not (headers.get(header) or {}).get("disabled")

    def decision(self, service: MeshService, port: int) -> tuple[RuleDecision, Merged | None]:
        """The DestinationRule that decides for a port of a host, and all the rules that it was merged of."""
        return self.push.decision(service.host, service.namespace, port, self.client)


def mesh_policy(mesh_config: Json) -> str:
    """The mode of outboundTrafficPolicy where no Sidecar says another.

    A Sidecar that has the block and no mode means REGISTRY_ONLY, its first value (OutboundTrafficPolicy in istio.io/api
    networking/v1alpha3/sidecar.proto).
    """
    return str((mesh_config.get("outboundTrafficPolicy") or {}).get("mode") or ALLOW_ANY)


def scope_of(source: Source, snapshot: Snapshot) -> SidecarScope:
    """What the proxy of a source sees."""
    return sidecar_scope(push_context(snapshot), Client.of_source(source))


def sidecar_scope(push: PushContext, client: Client) -> SidecarScope:
    """What a client sees; known already, if it was asked for before."""
    key = client.key
    if key not in push.scopes:
        push.scopes[key] = _scope(push, client)
    found: SidecarScope = push.scopes[key]
    return found


def _scope(push: PushContext, client: Client) -> SidecarScope:
    sidecar = _sidecar(push, client)
    egress = ((sidecar or {}).get("spec") or {}).get("egress") or ({"hosts": ["*/*"]},)
    visible = push.seen_from(client.namespace)
    virtual_services = seen_from(client.namespace, push.virtual_services)
    listeners = tuple(_egress_listener(entry, push, client, visible, virtual_services) for entry in egress)
    return SidecarScope(client, push, sidecar, listeners)


def _sidecar(push: PushContext, client: Client) -> Json | None:
    """The first of the client's namespace that selects it, else the root namespace's."""
    for sidecar in push.sidecars:
        selector = ((sidecar.get("spec") or {}).get("workloadSelector") or {}).get("labels") or {}
        if sidecar["metadata"].get("namespace") == client.namespace and selector.items() <= client.labels.items():
            return sidecar
    of_root = (s for s in push.sidecars if s["metadata"].get("namespace") == push.root_namespace)
    return next((s for s in of_root if (s.get("spec") or {}).get("workloadSelector") is None), None)


def _egress_listener(
    entry: Json,
    push: PushContext,
    client: Client,
    visible: Iterable[MeshService],
    virtual_services: Iterable[VirtualService],
) -> EgressListener:
    imports = imports_of(entry, client.namespace)
    port = entry.get("port") or {}
    bind = entry.get("bind") or ""
    protocol = str(port.get("protocol") or "")
    number = int(port.get("number") or 0)
    services: Iterable[MeshService] = visible
    if all(namespace != "*" and not hosts.wild for namespace, hosts in imports.items() if hosts.patterns):
        services = _of_exact_hosts(push, imports, client.namespace)
    everything = imports.keys() == {"*"} and imports["*"].patterns == ["*"] and not imports["*"].excluded
    if not everything:
        services = [found for service in services if (found := _let_in(service, imports)) is not None]
    if number and protocol.upper() != "HTTP_PROXY":
        services = [_only_port(service, number) for service in services if service.port(number) is not None]
    return EgressListener(
        port=number,
        protocol=protocol,
        bind=bind,
        binds_to_port=entry.get("captureMode") == "NONE" or bind.startswith("unix://"),
        imports=imports,
        services=tuple(one_namespace_each(services, client.namespace)),
        virtual_services=tuple(vs for vs in virtual_services if everything or _imports_virtual_service(vs, imports)),
        client_namespace=client.namespace,
        cluster_domain=push.cluster_domain,
    )


def _of_exact_hosts(push: PushContext, imports: Imports, client_namespace: str) -> list[MeshService]:
    """Where an entry names nothing but hosts of namespaces: of each one only, a Service before the oldest
    ServiceEntry (servicesForExactHosts)."""
    found: list[MeshService] = []
    for namespace, hosts in imports.items():
        for host in dict.fromkeys(hosts.patterns):
            known = [service for service in push.by_host.get(host, ()) if service.namespace == namespace]
            first = next((service for service in known if service.kubernetes), known[0] if known else None)
            if first is not None and push.is_visible(first, client_namespace):
                found.append(first)
    return sorted(found, key=lambda service: (service.created, service.name, service.namespace))


def imports_of(entry: Json, client_namespace: str) -> Imports:
    """What the hosts of an egress listener let in; "~NAMESPACE/HOST" keeps out."""
    imports: dict[str, Hosts] = defaultdict(Hosts)
    for word in entry.get("hosts") or ():
        namespace, _, pattern = word.partition("/")
        excluded = namespace.startswith("~")
        namespace = (namespace[1:] or "*") if excluded else namespace
        hosts = imports[client_namespace if namespace == "." else namespace]
        (hosts.excluded if excluded else hosts.patterns).append(pattern)
    return dict(imports)


def _let_in(service: MeshService, imports: Imports) -> MeshService | None:
    """A service with those of its aliases that come in by the entry that lets itself in (matchingAliasService)."""
    entry = entry_for(imports, service.namespace, service.host)
    if entry is None:
        return None
    aliases = tuple(filter(entry.lets_in, service.aliases))
    return service if aliases == service.aliases else replace(service, aliases=aliases)


def entry_for(imports: Imports, namespace: str, host: str) -> Hosts | None:
    """What lets a host of a namespace in: the words for that namespace before those for all; None if it is left out."""
    entries = [imports[where] for where in (namespace, "*") if where in imports]
    if any(covers(pattern, host) for hosts in entries for pattern in hosts.excluded):
        return None
    return next((hosts for hosts in entries if hosts.lets_in(host)), None)


def _imports_virtual_service(virtual_service: VirtualService, imports: Imports) -> bool:
    """Whether one of its hosts overlaps with what is let in, in either direction (VSMatches)."""
    entries = [imports[namespace] for namespace in (virtual_service.ref.namespace, "*") if namespace in imports]
    excluded = [pattern for hosts in entries for pattern in hosts.excluded]
    return any(
        any(overlap(host, pattern) for pattern in hosts.patterns)
        and not any(covers(pattern, host) for pattern in excluded)
        for hosts in entries
        for host in virtual_service.hosts
    )


def _only_port(service: MeshService, number: int) -> MeshService:
    if len(service.ports) == 1:
        return service
    return replace(service, ports=tuple(port for port in service.ports if port.number == number))


def one_namespace_each(services: Iterable[MeshService], client_namespace: str) -> list[MeshService]:
    """Of each host those of one namespace: the client's, else the one with a Service, else the oldest's."""
    found = list(services)
    chosen: dict[str, MeshService] = {}
    for service in found:
        known = chosen.get(service.host)
        if (
            known is None
            or service.namespace == client_namespace
            or (service.kubernetes and not known.kubernetes and known.namespace != client_namespace)
        ):
            chosen[service.host] = service
    return [service for service in found if chosen[service.host].namespace == service.namespace]


def egress_listener_for(scope: SidecarScope, port: int) -> EgressListener | None:
    """The first for a port, or for all (GetEgressListenerForRDS): it alone has the routes of HTTP."""
    return next((listener for listener in scope.listeners if listener.port in (0, port)), None)


def listeners_at(scope: SidecarScope, port: int, protocol: AppProtocol) -> tuple[EgressListener, ...]:
    """Those by which calls of a port may come to a host of it."""
    if protocol.is_http or protocol is AppProtocol.AUTO:
        first = egress_listener_for(scope, port)
        return (first,) if first is not None else ()
    return tuple(listener for listener in scope.listeners if listener.port in (0, port))
