"""The way that a request takes through a sidecar, read from what its Envoy holds.

Listener → filter chain → (virtual host → route) → Envoy cluster → endpoints → TLS. Whatever lies in the dump, the
answer is a Route or the reason why there is none.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from kubectl_extsvc.mesh.envoy_dump import EnvoyConfig, at, mapping, number, objects, text, typed
from kubectl_extsvc.mesh.filter_chains import filter_chain_of, inspected, listener_of
from kubectl_extsvc.mesh.http_headers import HttpPath, request_headers_added, response_headers_changed
from kubectl_extsvc.mesh.outbound_request import OutboundRequest, RequestKind
from kubectl_extsvc.mesh.outbound_tls import ENDPOINT_MATCH, tls_of
from kubectl_extsvc.mesh.route_match import http_route_of, virtual_host_of
from kubectl_extsvc.model.resources import Json, ObjectRef
from kubectl_extsvc.model.route import EnvoyEndpoint, Route, RouteKind, RouteUnknown

HTTP_MANAGER = "http_connection_manager.v3.HttpConnectionManager"
TCP_PROXY = "tcp_proxy.v3.TcpProxy"

ISTIO_KINDS = {"destination-rule": "DestinationRule", "virtual-service": "VirtualService"}
"""Kinds in the paths of Istio's metadata."""

REDIRECT_CODES = {
    "MOVED_PERMANENTLY": 301,
    "FOUND": 302,
    "SEE_OTHER": 303,
    "TEMPORARY_REDIRECT": 307,
    "PERMANENT_REDIRECT": 308,
}
"""RedirectAction.RedirectResponseCode; the first is the default."""

SERVED = ("HEALTHY", "UNKNOWN", "DEGRADED", "")
"""HealthStatus of an endpoint that gets requests (core/v3/health_check.proto)."""


@dataclass(frozen=True, slots=True)
class Way:
    """A route as far as listeners and route tables tell: its Envoy cluster is only a name yet."""

    route: Route
    http: HttpPath | None = None


@dataclass(frozen=True, slots=True)
class Unasked:
    """The way leads to a resource that the dump would not hold even if the proxy had it."""

    name: str


def route_of(config: EnvoyConfig, request: OutboundRequest) -> Route | RouteUnknown:
    """What the proxy would do with a request now."""
    way = _way(config, request)
    match way:
        case Unasked(name):
            return RouteUnknown(f"the request leads to {name}, which the proxy was not asked for")
        case RouteUnknown():
            return way
    return _at_cluster(config, request, way)


def unasked(config: EnvoyConfig, requests: Iterable[OutboundRequest]) -> tuple[str, ...]:
    """Names that a second, merged dump must ask for before the routes of these requests are known."""
    ways = (_way(config, request) for request in requests)
    return tuple(dict.fromkeys(way.name for way in ways if isinstance(way, Unasked)))


def _way(config: EnvoyConfig, request: OutboundRequest) -> Way | Unasked | RouteUnknown:
    listener = listener_of(config, request)
    if isinstance(listener, RouteUnknown):
        return listener
    chain = filter_chain_of(listener, inspected(listener, request))
    if isinstance(chain, RouteUnknown):
        return chain
    way = _through_chain(config, request, listener, chain)
    if isinstance(way, Way) and (name := way.route.envoy_cluster):
        known = name in config.clusters or name in config.warming or config.was_asked_for(name)
        return way if known else Unasked(name)
    return way


def _through_chain(
    config: EnvoyConfig, request: OutboundRequest, listener: Json, chain: Json
) -> Way | Unasked | RouteUnknown:
    route = Route(
        RouteKind.TCP,
        listener=text(listener.get("name")),
        envoy_cluster="",
        filter_chain=text(chain.get("name")),
        virtual_service=_istio_object(chain, "VirtualService"),
    )
    for kind, filter_config in map(typed, objects(chain.get("filters"))):
        if kind.endswith(TCP_PROXY):
            return _through_tcp(filter_config, route)
        if kind.endswith(HTTP_MANAGER):
            return _through_manager(config, request, HttpPath(listener, filter_config), route)
    return RouteUnknown(f"listener {route.listener} handles the connection by a filter that is not read here")


def _through_tcp(proxy: Json, route: Route) -> Way | RouteUnknown:
    cluster = text(proxy.get("cluster")) or text(_weighted(proxy).get("name"))
    if not cluster:
        return RouteUnknown(f"listener {route.listener} forwards in a way that is not read here")
    return Way(replace(route, envoy_cluster=cluster))


def _weighted(action: Json) -> Json:
    """Of several clusters the one with the largest share, of equals the first."""
    entries = objects(at(action, "weighted_clusters", "clusters"))
    heaviest = max(entries, key=lambda entry: number(entry.get("weight")), default={})
    return heaviest if number(heaviest.get("weight")) > 0 else {}


def _through_manager(
    config: EnvoyConfig, request: OutboundRequest, path: HttpPath, route: Route
) -> Way | Unasked | RouteUnknown:
    name = text(at(path.manager, "rds", "route_config_name"))
    route = replace(route, kind=RouteKind.HTTP, route_config=name)
    if request.kind is not RequestKind.HTTP:
        # Envoy's HTTP parser refuses it: 400, flag DPE.
        return _answered(path, route, 400)
    if name and name not in config.route_configs:
        if not config.was_asked_for(name):
            return Unasked(name)
        return RouteUnknown(f"listener {route.listener} waits for route configuration {name}, which the proxy has not")
    table = config.route_configs[name] if name else mapping(path.manager.get("route_config"))
    if not table:
        return RouteUnknown(f"listener {route.listener} finds its routes in a way that is not read here")
    path = replace(path, route_config=table)
    route = replace(route, route_config=name or text(table.get("name")))
    virtual_host = virtual_host_of(table, request.host)
    if virtual_host is None:
        return _answered(path, route, 404)
    path = replace(path, virtual_host=virtual_host)
    route = replace(route, virtual_host=text(virtual_host.get("name")))
    entry = http_route_of(virtual_host, request)
    match entry:
        case RouteUnknown():
            return entry
        case None:
            return _answered(path, route, 404)
    path = replace(path, route=entry)
    return _by_action(path, replace(route, virtual_service=_istio_object(entry, "VirtualService")))


def _by_action(path: HttpPath, route: Route) -> Way | RouteUnknown:
    entry = path.route
    if "direct_response" in entry:
        if status := number(at(entry, "direct_response", "status")):
            return _answered(path, route, status)
        return RouteUnknown(f"a route of virtual host {route.virtual_host} has a direct response without a status")
    if "redirect" in entry:
        return _answered(path, route, REDIRECT_CODES.get(text(at(entry, "redirect", "response_code")), 301))
    path = replace(path, weighted=_weighted(path.action))
    cluster = text(path.action.get("cluster")) or text(path.weighted.get("name"))
    if not cluster:
        return RouteUnknown(f"a route of virtual host {route.virtual_host} names no Envoy cluster")
    return Way(replace(route, envoy_cluster=cluster, host_rewrite=path.host_rewrite), path)


def _answered(path: HttpPath, route: Route, status: int) -> Way:
    headers = response_headers_changed(path, forwarded=False)
    return Way(replace(route, direct_response=status, response_headers_changed=headers))


def _at_cluster(config: EnvoyConfig, request: OutboundRequest, way: Way) -> Route:
    route, name = way.route, way.route.envoy_cluster
    if not name:
        return route
    # While a cluster has only a waiting version, what that would do is the best that can be told.
    cluster = config.clusters.get(name) or config.warming.get(name, {})
    lb_endpoints = _lb_endpoints(config, cluster)
    route = replace(
        route,
        cluster_type=_cluster_type(cluster),
        cluster_missing=name not in config.clusters,
        cluster_warming=name in config.warming,
        endpoints=_endpoints(cluster, lb_endpoints, request),
        tls=tls_of(cluster, [_match_metadata(endpoint) for endpoint in lb_endpoints]),
        rule=_istio_object(cluster, "DestinationRule"),
    )
    if way.http is None:
        return route
    return replace(
        route,
        request_headers_added=request_headers_added(way.http, cluster, config.envoy_version),
        response_headers_changed=response_headers_changed(way.http, forwarded=not route.cluster_missing),
    )


def _cluster_type(cluster: Json) -> str:
    """Of proto Cluster.type, whose default is STATIC, or the extension that stands in its place."""
    if not cluster:
        return ""
    return text(cluster.get("type")) or text(at(cluster, "cluster_type", "name")) or "STATIC"


def _lb_endpoints(config: EnvoyConfig, cluster: Json) -> list[Json]:
    """LbEndpoints of a cluster whose endpoints are known beforehand; those of ORIGINAL_DST are only a memory."""
    if cluster.get("type") == "ORIGINAL_DST":
        return []
    service = text(at(cluster, "eds_cluster_config", "service_name")) or text(cluster.get("name"))
    assignment = config.endpoints.get(service, {})
    return [lb for locality in objects(assignment.get("endpoints")) for lb in objects(locality.get("lb_endpoints"))]


def _endpoints(cluster: Json, lb_endpoints: list[Json], request: OutboundRequest) -> tuple[EnvoyEndpoint, ...]:
    if cluster.get("type") == "ORIGINAL_DST":
        port = number(at(cluster, "original_dst_lb_config", "upstream_port_override"))
        return (EnvoyEndpoint(str(ipaddress.ip_address(request.address)), port or request.port),)
    found = []
    for lb_endpoint in lb_endpoints:
        address, port = _socket_address(at(lb_endpoint, "endpoint", "address"))
        found.append(
            EnvoyEndpoint(
                address,
                port,
                healthy=text(lb_endpoint.get("health_status")) in SERVED,
                mesh_tls=_match_metadata(lb_endpoint).get("tlsMode") == "istio",
            )
        )
    return tuple(found)


def _socket_address(address: object) -> tuple[str, int]:
    """IP and port, also of an endpoint behind HBONE, whose own address is in its endpoint_id."""
    socket = at(address, "socket_address")
    if socket is None:
        host, _, port = text(at(address, "envoy_internal_address", "endpoint_id")).rpartition(":")
        return host.strip("[]"), number(port)
    return text(at(socket, "address")), number(at(socket, "port_value"))


def _match_metadata(lb_endpoint: Json) -> Json:
    return mapping(at(lb_endpoint, "metadata", "filter_metadata", ENDPOINT_MATCH))


def _istio_object(resource: Json, kind: str) -> ObjectRef | None:
    """The object that Istio's metadata names as its origin: /apis/GROUP/VERSION/namespaces/NAMESPACE/KIND/NAME."""
    path = text(at(resource, "metadata", "filter_metadata", "istio", "config"))
    found = re.fullmatch(r"/apis/networking\.istio\.io/[^/]+/namespaces/([^/]+)/([^/]+)/([^/]+)", path)
    if found is None or ISTIO_KINDS.get(found[2]) != kind:
        return None
    return ObjectRef(kind, found[1], found[3])
