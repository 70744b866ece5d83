"""Which listener takes a connection, and which of its filter chains.

Envoy: source/common/listener_manager/connection_handler_impl.cc:getBalancedHandlerByAddress and
filter_chain_manager_impl.cc:findFilterChain; FilterChainMatch in config/listener/v3/listener_components.proto.
"""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from kubectl_extsvc.mesh.by_identity import ByIdentity
from kubectl_extsvc.mesh.envoy_dump import (
    VIRTUAL_OUTBOUND,
    EnvoyConfig,
    at,
    listed,
    mapping,
    number,
    objects,
    text,
    texts,
    typed,
)
from kubectl_extsvc.mesh.outbound_request import OutboundRequest, RequestKind
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.route import RouteUnknown

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def listener_of(config: EnvoyConfig, request: OutboundRequest) -> Json | RouteUnknown:
    """The listener on the dialled address, else on any address with that port, else virtualOutbound."""
    if config.interception_mode == "NONE":
        return RouteUnknown("the sidecar captures no traffic: sidecar.istio.io/interceptionMode is NONE")
    dialled = _address(request.address)
    if dialled is None:
        return RouteUnknown(f"the address that the application dials is not known: {request.address or 'none given'}")
    name = f"{dialled}_{request.port}"
    if not config.was_asked_for(name):
        return RouteUnknown(f"the proxy was not asked whether it has a listener {name}")
    found: dict[str, Json] = {}
    capture, at_ports = _by_port(ByIdentity(config.listeners))
    if capture is not None:
        found["capture"] = capture
    for address, takes_ipv4, listener in at_ports.get(request.port, ()):
        if address == dialled:
            found.setdefault("exact", listener)
        elif address.is_unspecified and (address.version == dialled.version or takes_ipv4):
            found.setdefault("wildcard", listener)
    for how in ("exact", "wildcard", "capture"):
        if how in found:
            return found[how]
    return RouteUnknown(f"the proxy's configuration has no listener for {name} and no {VIRTUAL_OUTBOUND}")


@lru_cache(maxsize=32)
def _by_port(
    listeners: ByIdentity[tuple[Json, ...]],
) -> tuple[Json | None, dict[int, list[tuple[Address, bool, Json]]]]:
    """virtualOutbound, and port → addresses with their listeners: of thousands, for as many requests."""
    capture: Json | None = None
    found: dict[int, list[tuple[Address, bool, Json]]] = {}
    for listener in listeners.value:
        if capture is None and text(listener.get("name")) == VIRTUAL_OUTBOUND:
            capture = listener
        for address, port, takes_ipv4 in _addresses(listener):
            found.setdefault(port, []).append((address, takes_ipv4, listener))
    return capture, found


def _addresses(listener: Json) -> list[tuple[Address, int, bool]]:
    """Address, port and whether an IPv6 wildcard takes IPv4 too, of each TCP address of a listener."""
    sockets = [at(listener, "address", "socket_address")]
    sockets += [at(more, "address", "socket_address") for more in listed(listener.get("additional_addresses"))]
    return [
        (address, number(at(socket, "port_value")), at(socket, "ipv4_compat") is True)
        for socket in sockets
        if (address := _address(text(at(socket, "address")))) and at(socket, "protocol") != "UDP"
    ]


def _address(value: str) -> Address | None:
    try:
        return ipaddress.ip_address(value)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Connection:
    """What a listener knows of a connection when it chooses a filter chain."""

    address: Address | None
    port: int
    server_name: str = ""
    transport_protocol: str = "raw_buffer"
    """Envoy's word for all in which the TLS inspector saw no TLS, or had no chance to."""
    application_protocols: tuple[str, ...] = ()


def inspected(listener: Json, request: OutboundRequest) -> Connection:
    """The connection after the listener's inspectors: without them SNI and protocol stay unknown to Envoy."""
    kinds = {typed(entry)[0].rpartition(".")[2] for entry in objects(listener.get("listener_filters"))}
    address = _address(request.address)
    if request.kind is RequestKind.TLS and "TlsInspector" in kinds:
        return Connection(address, request.port, request.sni.lower(), "tls", request.alpn)
    if request.kind is RequestKind.HTTP and "HttpInspector" in kinds:
        return Connection(address, request.port, application_protocols=("http/1.1",))
    return Connection(address, request.port)


def filter_chain_of(listener: Json, connection: Connection) -> Json | RouteUnknown:
    """The chain left after pruning by each criterion in Envoy's order, else the default chain."""
    name = text(listener.get("name"))
    if "filter_chain_matcher" in listener:
        return RouteUnknown(f"listener {name} chooses its filter chain by a matcher tree, which is not read here")
    chains = objects(listener.get("filter_chains"))
    for rank in (_port_rank, _address_rank, _server_name_rank, _transport_rank, _application_rank):
        chains = _most_specific(chains, connection, rank)
    if any(_by_source(mapping(chain.get("filter_chain_match"))) for chain in chains):
        return RouteUnknown(f"listener {name} chooses its filter chain by the source address")
    if chains:
        return chains[0]
    if default := mapping(listener.get("default_filter_chain")):
        return default
    return RouteUnknown(f"no filter chain of listener {name} matches: Envoy closes the connection (flag NR)")


def _most_specific(
    chains: list[Json], connection: Connection, rank: Callable[[Json, Connection], int | None]
) -> list[Json]:
    """Chains of the highest rank; None is no match, 0 no condition. There is no way back from a step."""
    ranked = [(rank(mapping(chain.get("filter_chain_match")), connection), chain) for chain in chains]
    best = max((value for value, _ in ranked if value is not None), default=None)
    return [chain for value, chain in ranked if value is not None and value == best]


def _port_rank(match: Json, connection: Connection) -> int | None:
    port = number(match.get("destination_port"))
    return 0 if port == 0 else 1 if port == connection.port else None


def _address_rank(match: Json, connection: Connection) -> int | None:
    ranges = objects(match.get("prefix_ranges"))
    if not ranges:
        return 0
    lengths = [number(entry.get("prefix_len")) for entry in ranges if _in_range(entry, connection.address)]
    return max(lengths, default=None)


def _in_range(entry: Json, address: Address | None) -> bool:
    try:
        network = ipaddress.ip_network((text(entry.get("address_prefix")), number(entry.get("prefix_len"))), False)
    except ValueError:
        return False
    return address is not None and address.version == network.version and address in network


def _server_name_rank(match: Json, connection: Connection) -> int | None:
    """Exact, then the longest *.suffix."""
    names = [name.lower() for name in texts(match.get("server_names"))]
    if not names:
        return 0
    sni = connection.server_name
    ranks = [
        1000 if name == sni else len(name)
        for name in names
        if name == sni or (name.startswith("*.") and sni.endswith(name[1:]) and len(sni) >= len(name))
    ]
    return max(ranks, default=None)


def _transport_rank(match: Json, connection: Connection) -> int | None:
    protocol = text(match.get("transport_protocol"))
    return 0 if not protocol else 1 if protocol == connection.transport_protocol else None


def _application_rank(match: Json, connection: Connection) -> int | None:
    """The client's order counts."""
    wanted = texts(match.get("application_protocols"))
    if not wanted:
        return 0
    return next((1000 - at for at, offer in enumerate(connection.application_protocols) if offer in wanted), None)


def _by_source(match: Json) -> bool:
    lists = ("source_prefix_ranges", "source_ports", "direct_source_prefix_ranges")
    return any(listed(match.get(key)) for key in lists) or text(match.get("source_type")) not in ("", "ANY")
