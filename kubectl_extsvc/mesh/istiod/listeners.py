"""Envoy listeners: one for each address and port that applications may dial, and the one for all the rest.

Source: istio pilot/pkg/networking/core/listener.go, listener_builder.go, tls.go, networkfilter.go, branch release-1.31.
"""

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from kubectl_extsvc.mesh.envoy_dump import BLACK_HOLE, PASSTHROUGH, VIRTUAL_OUTBOUND
from kubectl_extsvc.mesh.istiod.endpoints import endpoints_of
from kubectl_extsvc.mesh.istiod.envoy_words import ADS, extension, origin
from kubectl_extsvc.mesh.istiod.http_routes import destination_cluster
from kubectl_extsvc.mesh.istiod.name_forms import forms
from kubectl_extsvc.mesh.istiod.routes import catch_all, route_table
from kubectl_extsvc.mesh.istiod.services import UNSPECIFIED, MeshService, RegistryPort, Resolution
from kubectl_extsvc.mesh.istiod.sidecar_scope import DYNAMIC_DNS, REGISTRY_ONLY, EgressListener, SidecarScope
from kubectl_extsvc.mesh.istiod.virtual_services import MESH_GATEWAY, VirtualService, overlap
from kubectl_extsvc.mesh.ports import entry_protocol
from kubectl_extsvc.model.alias import AppProtocol
from kubectl_extsvc.model.resources import Json

CAPTURE_PORT = 15001
CATCH_ALL_CHAIN = "virtualOutbound-catchall-tcp"
PASSTHROUGH_CHAIN = "PassthroughFilterChain"
PLAIN_HTTP = ("http/1.1", "h2c")

LOG_FORMAT = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% '
    "%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "
    '"%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% '
    '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" '
    '"%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% '
    "%DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n"
)
"""Istio's default (EnvoyTextLogFormat in pilot/pkg/model/telemetry_logging.go)."""

Kind = str
"""What Istio takes an entry for: "http", "tcp", or "auto" where Envoy must find out."""


@dataclass(frozen=True, slots=True)
class Chain:
    """A filter chain before it is written out."""

    cluster: str = ""
    weighted: tuple[tuple[str, int], ...] = ()
    """Of several Envoy clusters each with its share."""
    route_config: str = ""
    """Of an HTTP chain."""
    server_names: tuple[str, ...] = ()
    ranges: tuple[str, ...] = ()
    """CIDRs."""
    virtual_service: VirtualService | None = None

    @property
    def is_http(self) -> bool:
        return bool(self.route_config)

    @property
    def matches_all(self) -> bool:
        return not self.is_http and not self.ranges and (not self.server_names or "*" in self.server_names)

    def conflicts_with(self, other: "Chain") -> bool:
        return (
            self.is_http == other.is_http
            and _without_star(self.server_names) == _without_star(other.server_names)
            and {*map(_canonical, self.ranges)} == {*map(_canonical, other.ranges)}
        )


def _without_star(names: Iterable[str]) -> set[str]:
    return {name for name in names if name != "*"}


def _canonical(cidr: str) -> str:
    try:
        return str(ipaddress.ip_network(cidr, strict=False))
    except ValueError:
        return cidr


@dataclass(slots=True)
class Entry:
    """What comes together at one address and port."""

    addresses: tuple[str, ...]
    port: int
    kind: Kind
    protocol: AppProtocol
    chains: list[Chain]
    binds_to_port: bool
    locked: bool = False
    """An earlier egress listener of the Sidecar has it."""

    def merge(self, chains: Iterable[Chain]) -> None:
        for chain in chains:
            if not any(known.conflicts_with(chain) for known in self.chains):
                self.chains.append(chain)


@dataclass(slots=True)
class Listeners:
    """All entries of a proxy, or of some of its ports."""

    scope: SidecarScope
    entries: dict[tuple[str, int], Entry] = field(default_factory=dict)

    def add_egress(self, listener: EgressListener, port: int | None) -> None:
        """port: the only one that matters; None for all."""
        if listener.port:
            if port in (None, listener.port):
                declared = RegistryPort(listener.port, listener.port, entry_protocol(listener.protocol))
                for service in listener.services:
                    self._add(listener, service, declared)
            return
        for entry in self.entries.values():
            entry.locked = True
        numbers = listener.by_port if port is None else (port,)
        for number in numbers:
            for service, declared in listener.by_port.get(number, ()):
                for addresses in self._bindings(listener, service, declared):
                    self._add(listener, service, declared, addresses)

    def _bindings(
        self, listener: EgressListener, service: MeshService, port: RegistryPort
    ) -> Iterator[tuple[str, ...]]:
        """Addresses to bind to, () for the service's own: of a headless service's TCP port each endpoint."""
        client = self.scope.client
        if (
            port.protocol.is_http
            or service.resolution is not Resolution.ORIGINAL_DST
            or service.address_for(client) != UNSPECIFIED
            or _binds(self.scope, listener)
        ):
            yield ()
            return
        endpoints = endpoints_of(self.scope.push, service, port)
        if not endpoints and not service.kubernetes and not (service.obj.get("spec") or {}).get("workloadSelector"):
            yield ()
        for endpoint in endpoints:
            if endpoint.address not in client.addresses[:1]:
                yield (endpoint.address,)

    def _add(
        self, listener: EgressListener, service: MeshService, port: RegistryPort, addresses: tuple[str, ...] = ()
    ) -> None:
        """buildSidecarOutboundListener."""
        if service.resolution is Resolution.ALIAS or port.protocol is AppProtocol.UDP:
            return
        scope, client = self.scope, self.scope.client
        addresses = addresses or _binds(scope, listener)
        ranges: tuple[str, ...] = ()
        if listener.is_http_proxy:
            kind = "http"
        else:
            kind = "http" if port.protocol.is_http else "auto" if port.protocol is AppProtocol.AUTO else "tcp"
        if not addresses:
            addresses = client.wildcards
            if kind != "http":
                addresses, ranges = _own_addresses(scope, service)
        key = addresses[0], port.number
        entry = self.entries.get(key)
        if entry is not None and entry.locked:
            return
        wildcard = addresses[0] == client.wildcards[0]
        chains: list[Chain] = []
        if kind != "http":
            chains += _tcp_chains(scope, listener, service, port, addresses[0], ranges)
        if kind != "tcp":
            own = kind == "auto" and not wildcard
            chains.append(Chain(route_config=f"{service.host}:{port.number}" if own else str(port.number)))
        if entry is None:
            self.entries[key] = Entry(
                addresses,
                port.number,
                # On any address, HTTP leaves room for other TCP.
                kind := "auto" if kind == "http" and wildcard and not listener.is_http_proxy else kind,
                AppProtocol.AUTO if kind == "auto" else port.protocol,
                chains,
                listener.binds_to_port or scope.captures_nothing,
            )
            return
        if kind != "tcp" and entry.kind in ("http", "auto") and not (kind == "auto" and entry.kind == "http"):
            return
        server_first = (AppProtocol.MONGO, AppProtocol.MYSQL)
        if port.protocol is not entry.protocol and (port.protocol in server_first or entry.protocol in server_first):
            return
        if kind == "auto" and entry.kind == "http":
            entry.chains = []
        entry.merge(chains)
        if kind != entry.kind:
            entry.kind, entry.protocol = "auto", AppProtocol.AUTO


def _binds(scope: SidecarScope, listener: EgressListener) -> tuple[str, ...]:
    """Addresses that a Sidecar says, or that follow from it."""
    if listener.bind:
        return (listener.bind,)
    if listener.binds_to_port or scope.captures_nothing:
        return tuple("::1" if ":" in wildcard else "127.0.0.1" for wildcard in scope.client.wildcards)
    return ()


def _own_addresses(scope: SidecarScope, service: MeshService) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Addresses that a service's listener binds to, and CIDRs that its chains match instead."""
    client = scope.client
    first, more = service.address_for(client), service.addresses_for(client)[1:]
    if first == UNSPECIFIED and not service.kubernetes:
        return client.wildcards, ()
    if "/" in first:
        return client.wildcards, (first, *more)
    return (first, *more), ()


def _tcp_chains(
    scope: SidecarScope,
    listener: EgressListener,
    service: MeshService,
    port: RegistryPort,
    address: str,
    ranges: tuple[str, ...],
) -> Iterator[Chain]:
    """Chains of a port that is not HTTP: by VirtualServices on the host, else to the host itself."""
    virtual_services = [vs for vs in listener.virtual_services if any(overlap(host, service.host) for host in vs.hosts)]
    # A Sidecar's port that is another than the service's only one means that.
    number = service.ports[0].number if len(service.ports) == 1 else port.number
    own = Chain(service.cluster(number), ranges=ranges)
    if port.protocol.is_tls:
        chains = [*_by_tls_routes(scope, virtual_services, port, ranges)]
        yield from chains or [replace(own, server_names=_server_names(scope, service, address, ranges))]
        return
    for virtual_service in virtual_services:
        for route in virtual_service.tcp:
            if not route.get("route"):
                continue
            chain = _routed(scope, virtual_service, route, port)
            matches = route.get("match") or [{}]
            holding = [match for match in matches if _holds_for_client(match, scope, port)]
            if any(not match.get("destinationSubnets") for match in holding):
                yield replace(chain, ranges=ranges)
                return
            subnets = tuple(subnet for match in holding for subnet in match["destinationSubnets"])
            if subnets:
                yield replace(chain, ranges=subnets, virtual_service=None)
                if sorted(subnets) == sorted(ranges):
                    return
    yield own


def _by_tls_routes(
    scope: SidecarScope, virtual_services: Iterable[VirtualService], port: RegistryPort, ranges: tuple[str, ...]
) -> Iterator[Chain]:
    handled: set[tuple[tuple[str, ...], tuple[str, ...]]] = set()
    for virtual_service in virtual_services:
        for route in virtual_service.tls:
            if not route.get("route"):
                continue
            for match in route.get("match") or ():
                if not _holds_for_client(match, scope, port):
                    continue
                names, subnets = tuple(match.get("sniHosts") or ()), tuple(match.get("destinationSubnets") or ())
                ranges = subnets or ranges
                if (names, subnets) not in handled:
                    handled.add((names, subnets))
                    chain = _routed(scope, virtual_service, route, port)
                    yield replace(chain, server_names=names, ranges=ranges)


def _holds_for_client(match: Json, scope: SidecarScope, port: RegistryPort) -> bool:
    """Conditions that istiod decides by itself (matchTLS, matchTCP)."""
    gateways = match.get("gateways") or (MESH_GATEWAY,)
    labels, client = match.get("sourceLabels") or {}, scope.client
    return (
        MESH_GATEWAY in gateways
        and labels.items() <= client.labels.items()
        and match.get("port") in (None, 0, port.number)
        and match.get("sourceNamespace") in (None, "", client.namespace)
    )


def _routed(scope: SidecarScope, virtual_service: VirtualService, route: Json, port: RegistryPort) -> Chain:
    """Where a tcp or tls route leads."""
    led = route["route"]

    def cluster(destination: Json) -> str:
        host = virtual_service.host_of(destination)
        return destination_cluster(destination, host, scope.services.get(host), port.number)

    if len(led) == 1:
        return Chain(cluster(led[0]["destination"]), virtual_service=virtual_service)
    shares = tuple((cluster(entry["destination"]), entry["weight"]) for entry in led if entry.get("weight"))
    return Chain(weighted=shares, virtual_service=virtual_service)


def _server_names(scope: SidecarScope, service: MeshService, address: str, ranges: tuple[str, ...]) -> tuple[str, ...]:
    """SNI that means a host, where its address does not tell it from others; () where that does."""
    client = scope.client
    own = service.address_for(client)
    if not service.kubernetes and own == UNSPECIFIED:
        own = client.wildcards[0]
    shared = own == address == client.wildcards[0]
    if not (ranges or "/" in own or shared or service.dynamic):
        return ()
    domain = scope.push.cluster_domain
    aliases = (form for alias in service.aliases for form in forms(alias, client.namespace, domain))
    return service.host, *aliases


def listeners_of(scope: SidecarScope) -> Iterator[Json]:
    """All outbound listeners of a proxy."""
    yield _virtual_outbound(scope)
    listeners = Listeners(scope)
    for egress in scope.listeners:
        listeners.add_egress(egress, None)
    for entry in listeners.entries.values():
        yield _listener(scope, entry)


def listeners_for(scope: SidecarScope, address: str, port: int) -> tuple[Json, ...]:
    """Those that a connection to an address and port may come to."""
    by_address = _entries_at(scope, port)
    entries = {id(entry): entry for at in (address, *scope.client.wildcards) for entry in by_address.get(at, ())}
    return (_virtual_outbound(scope), *(_listener(scope, entry) for entry in entries.values()))


def _entries_at(scope: SidecarScope, port: int) -> dict[str, list[Entry]]:
    """Address → entries of a port; made once, since many aliases are called at it."""
    if port not in scope.at_ports:
        listeners = Listeners(scope)
        for egress in scope.listeners:
            listeners.add_egress(egress, port)
        by_address: dict[str, list[Entry]] = {}
        for entry in listeners.entries.values():
            for address in entry.addresses:
                by_address.setdefault(address, []).append(entry)
        scope.at_ports[port] = by_address
    found: dict[str, list[Entry]] = scope.at_ports[port]
    return found


def route_configs_at(scope: SidecarScope, port: int) -> set[str]:
    """Names of the route tables that the listeners of a port ask for."""
    entries = (entry for those in _entries_at(scope, port).values() for entry in those)
    return {chain.route_config for entry in entries for chain in entry.chains}


def _unknown(scope: SidecarScope) -> str:
    """Envoy cluster of what no host claims."""
    if scope.policy == REGISTRY_ONLY:
        return BLACK_HOLE
    proxy = scope.egress_proxy
    return PASSTHROUGH if proxy is None else destination_cluster(proxy, proxy.get("host", ""), None, 0)


def _virtual_outbound(scope: SidecarScope) -> Json:
    blocked = {
        "name": "virtualOutbound-blackhole",
        "filter_chain_match": {"destination_port": CAPTURE_PORT},
        "filters": [_tcp_proxy(Chain(BLACK_HOLE), [])],
    }
    log = _access_log(scope)
    rest = {"name": CATCH_ALL_CHAIN, "filters": [_tcp_proxy(Chain(_unknown(scope)), log)]}
    chains, inspectors = [blocked, rest], []
    if scope.policy == DYNAMIC_DNS:
        table = route_table("allow_any_dynamic_dns", [catch_all(scope)])
        manager = _http_manager(scope, "virtualOutbound", {"route_config": table})
        match = {"application_protocols": [*PLAIN_HTTP]}
        chains.insert(1, {"name": f"{CATCH_ALL_CHAIN}-http", "filter_chain_match": match, "filters": [manager]})
        message = "filters.listener.http_inspector.v3.HttpInspector"
        inspectors = [extension("envoy.filters.listener.http_inspector", message)]
    listener: Json = {
        "name": VIRTUAL_OUTBOUND,
        "address": {"socket_address": {"address": scope.client.wildcards[0], "port_value": CAPTURE_PORT}},
        "listener_filters": inspectors,
        "filter_chains": chains,
        "use_original_dst": True,
        "traffic_direction": "OUTBOUND",
    }
    if log:
        listener["access_log"] = [{**entry, "filter": {"response_flag_filter": {"flags": ["NR"]}}} for entry in log]
    return listener


def _listener(scope: SidecarScope, entry: Entry) -> Json:
    """buildListenerFromEntry."""
    name = f"{entry.addresses[0]}_{entry.port}"
    log = _access_log(scope)
    inspectors = []
    if any(chain.server_names for chain in entry.chains):
        message = "filters.listener.tls_inspector.v3.TlsInspector"
        inspectors.append(extension("envoy.filters.listener.tls_inspector", message))
    if any(chain.is_http for chain in entry.chains) and entry.kind != "http":
        message = "filters.listener.http_inspector.v3.HttpInspector"
        inspectors.append(extension("envoy.filters.listener.http_inspector", message))
    chains: list[Json] = []
    default: Json | None = None
    for chain in entry.chains:
        made: Json = {"transport_socket_connect_timeout": "15s"}
        if chain.is_http:
            rds = {"rds": {"config_source": ADS, "route_config_name": chain.route_config}}
            made["filters"] = [_http_manager(scope, name, rds)]
        else:
            made["filters"] = [_tcp_proxy(chain, log)]
        if chain.virtual_service is not None:
            made["metadata"] = origin(chain.virtual_service.ref, "virtual-service")
        if chain.matches_all or (chain.is_http and entry.kind == "http"):
            default = made
        else:
            chains.append({"filter_chain_match": _plain_http_match() if chain.is_http else _match(chain), **made})
    if not chains and default is not None:
        chains, default = [default], None
    elif default is None:
        default = {"name": PASSTHROUGH_CHAIN, "filters": [_tcp_proxy(Chain(_unknown(scope)), log)]}
    listener: Json = {
        "name": name,
        "address": _address(entry.addresses[0], entry.port),
        "listener_filters": inspectors,
        "listener_filters_timeout": "0s",
        "continue_on_listener_filters_timeout": True,
        "traffic_direction": "OUTBOUND",
        "filter_chains": chains,
    }
    if not entry.binds_to_port:
        listener["bind_to_port"] = False
    if entry.addresses[1:]:
        more = entry.addresses[1:]
        listener["additional_addresses"] = [{"address": _address(address, entry.port)} for address in more]
    return listener | ({"default_filter_chain": default} if default is not None else {})


def _address(address: str, port: int) -> Json:
    if address.startswith("unix://"):
        return {"pipe": {"path": address.removeprefix("unix://")}}
    return {"socket_address": {"address": address, "port_value": port}}


def _plain_http_match() -> Json:
    return {"transport_protocol": "raw_buffer", "application_protocols": [*PLAIN_HTTP]}


def _match(chain: Chain) -> Json:
    match: Json = {}
    if chain.server_names and "*" not in chain.server_names:
        match["server_names"] = sorted(chain.server_names)
    ranges = [ipaddress.ip_network(cidr, strict=False) for cidr in sorted(chain.ranges)]
    if ranges:
        match["prefix_ranges"] = [
            {"address_prefix": str(net.network_address), "prefix_len": net.prefixlen} for net in ranges
        ]
    return match


def _tcp_proxy(chain: Chain, log: list[Json]) -> Json:
    content: Json = {"stat_prefix": chain.cluster, "access_log": log}
    if chain.weighted:
        content["stat_prefix"] = chain.weighted[0][0]
        shares = [{"name": name, "weight": weight} for name, weight in chain.weighted]
        content["weighted_clusters"] = {"clusters": shares}
    else:
        content["cluster"] = chain.cluster
    return extension("envoy.filters.network.tcp_proxy", "filters.network.tcp_proxy.v3.TcpProxy", content)


def _http_manager(scope: SidecarScope, listener: str, routes: Json) -> Json:
    """routes: rds or route_config."""
    quiet = {} if scope.sends("envoyDebugHeaders") else {"suppress_envoy_headers": True}
    content: Json = {
        "stat_prefix": f"outbound_{listener};",
        **routes,
        "http_filters": [
            extension("envoy.filters.http.fault", "filters.http.fault.v3.HTTPFault"),
            extension("envoy.filters.http.cors", "filters.http.cors.v3.Cors"),
            extension("envoy.filters.http.router", "filters.http.router.v3.Router", quiet),
        ],
        # Without a provider it traces nothing, but is why x-envoy-decorator-operation is sent.
        "tracing": {
            "client_sampling": {"value": 100},
            "random_sampling": {"value": 1},
            "overall_sampling": {"value": 100},
        },
        "access_log": _access_log(scope),
        "use_remote_address": False,
        "proxy_100_continue": True,
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "stream_idle_timeout": "0s",
        "normalize_path": True,
        "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
    }
    if not scope.sends("server"):
        content["server_header_transformation"] = "PASS_THROUGH"
    if not scope.sends("requestId"):
        content["generate_request_id"] = False
    message = "filters.network.http_connection_manager.v3.HttpConnectionManager"
    return extension("envoy.filters.network.http_connection_manager", message, content)


def _access_log(scope: SidecarScope) -> list[Json]:
    path = scope.push.mesh_config.get("accessLogFile")
    if not path:
        return []
    content = {"path": path, "log_format": {"text_format_source": {"inline_string": LOG_FORMAT}}}
    return [extension("envoy.access_loggers.file", "access_loggers.file.v3.FileAccessLog", content)]
