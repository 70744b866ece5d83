"""Where the objects lead calls of an alias."""

from kubectl_extsvc.mesh.istiod.client import Client
from kubectl_extsvc.mesh.istiod.computed import computed_route
from kubectl_extsvc.mesh.istiod.push_context import end_of_chain, push_context
from kubectl_extsvc.mesh.istiod.services import UNSPECIFIED
from kubectl_extsvc.mesh.outbound_request import UNKNOWN_ADDRESS, OutboundRequest, RequestKind
from kubectl_extsvc.mesh.ports import HTTP_PORTS, HTTPS_PORTS
from kubectl_extsvc.model.alias import AddressTarget, Alias, AliasPort, AppProtocol
from kubectl_extsvc.model.route import Route, RouteUnknown
from kubectl_extsvc.model.snapshot import Snapshot


def ordinary_request(alias: Alias, port: AliasPort, snapshot: Snapshot) -> OutboundRequest:
    """What an application sends to a port of an alias if nobody says otherwise."""
    fqdn, address = alias.fqdn(snapshot.cluster_domain), _address(alias, snapshot)
    match port.protocol:
        case protocol if protocol.is_http or (protocol is AppProtocol.AUTO and port.number in HTTP_PORTS):
            host = fqdn if port.number == 80 else f"{fqdn}:{port.number}"
            return OutboundRequest(RequestKind.HTTP, address, port.number, host=host)
        case protocol if protocol.is_tls or (protocol is AppProtocol.AUTO and port.number in HTTPS_PORTS):
            return OutboundRequest(RequestKind.TLS, address, port.number, sni=alias.host or fqdn)
    return OutboundRequest(RequestKind.TCP, address, port.number)


def _address(alias: Alias, snapshot: Snapshot) -> str:
    """Where the alias's name leads, UNKNOWN_ADDRESS for an outside name that nobody resolved."""
    if isinstance(alias.target, AddressTarget):
        return next(iter(alias.cluster_ips or alias.target.addresses), UNKNOWN_ADDRESS)
    push = push_context(snapshot)
    target = end_of_chain(alias.external_name_raw, push.external_names) or ""
    inside = next((service for service in push.by_host.get(target, ()) if service.kubernetes), None)
    addresses = [ip for ip in inside.cluster_ips if ip != UNSPECIFIED] if inside is not None else []
    return next(iter((*addresses, *snapshot.resolved.get(alias.host, ()))), UNKNOWN_ADDRESS)


def alias_route(alias: Alias, port: AliasPort, client: Client, snapshot: Snapshot) -> Route | RouteUnknown:
    """The way of an ordinary call of an alias, computed from the objects."""
    return computed_route(snapshot, client, ordinary_request(alias, port, snapshot))
