"""What istiod makes of the objects for one proxy: its whole configuration, or the way of one request."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache

from kubectl_extsvc.mesh.envoy_dump import EnvoyConfig, at, objects, text, typed
from kubectl_extsvc.mesh.istiod.client import Client
from kubectl_extsvc.mesh.istiod.clusters import Made, cluster_named, clusters_of
from kubectl_extsvc.mesh.istiod.doubts import doubt_about, settled_tls, tie_about
from kubectl_extsvc.mesh.istiod.listeners import listeners_for, listeners_of, route_configs_at
from kubectl_extsvc.mesh.istiod.push_context import push_context
from kubectl_extsvc.mesh.istiod.routes import rivals_of, table_named
from kubectl_extsvc.mesh.istiod.sidecar_scope import SidecarScope, sidecar_scope
from kubectl_extsvc.mesh.outbound_request import OutboundRequest
from kubectl_extsvc.mesh.routing import route_of
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.route import Route, RouteUnknown
from kubectl_extsvc.model.snapshot import Snapshot

ENVOY_OF_ISTIO = 9
"""Envoy 1.(n+9) is in Istio 1.n, from 1.13 at the latest to 1.31."""


def computed_config(snapshot: Snapshot, client: Client) -> EnvoyConfig:
    """All that the objects make a client's proxy hold, by istiod's names and with the real addresses.

    snapshot.pods are all pods whose address may be an endpoint's. What could not be read is taken for not there; that
    this may be wrong, computed_route alone tells.
    """
    scope = sidecar_scope(push_context(snapshot), client)
    listeners = tuple(listeners_of(scope))
    names = dict.fromkeys(name for listener in listeners for name in _route_names(listener))
    tables = {name: table for name in names if (table := table_named(scope, name)) is not None}
    made = [*clusters_of(scope)]
    return EnvoyConfig(
        listeners=listeners,
        route_configs=tables,
        clusters={one.cluster["name"]: one.cluster for one in made},
        endpoints={one.cluster["name"]: one.assignment for one in made if one.assignment is not None},
        node=_node(scope),
        envoy_version=_envoy_version(snapshot),
    )


def computed_route(snapshot: Snapshot, client: Client, request: OutboundRequest) -> Route | RouteUnknown:
    """The way of a request through a client's proxy as it follows from the objects; observed is False.

    RouteUnknown, with the reason, where something that was not read may decide.
    """
    if not snapshot.mesh.installed:
        return RouteUnknown("the cluster has no Istio")
    scope = sidecar_scope(push_context(snapshot), client)
    route = route_by_objects(scope, request)
    if isinstance(route, RouteUnknown):
        return route
    if doubt := doubt_about(scope, request, route):
        return RouteUnknown(doubt)
    if _is_taken_by_chance(scope, request, route):
        said = f"several hosts have one name or address at port {request.port}"
        return RouteUnknown(f"{said}, and istiod gives it to one of them by chance")
    if (tie := tie_about(scope, request, route)) and _is_chance(scope, request, route):
        return RouteUnknown(tie)
    return settled_tls(scope, route)


def _is_taken_by_chance(scope: SidecarScope, request: OutboundRequest, route: Route) -> bool:
    """Whether it is another way if istiod goes through the hosts of a route table, or through the tables, in another
    order."""
    other, called = scope.other_way_round, _called(request)
    rivals = {rival for order in (scope, other) for rival in rivals_of(order, route.route_config)}
    if rivals and rivals & route_configs_at(scope, request.port):
        return True
    if table_named(scope, route.route_config, called) == table_named(other, route.route_config, called):
        return False
    return _end(route_by_objects(other, request)) != _end(route)


def _is_chance(scope: SidecarScope, request: OutboundRequest, route: Route) -> bool:
    """Whether it is another way if istiod looks at the same objects in another order."""
    others = (sidecar_scope(push, scope.client) for push in scope.push.other_orders)
    return any(_end(route_by_objects(other, request)) != _end(route) for other in others)


def _end(route: Route | RouteUnknown) -> object:
    """What matters of a way: not which of several names its virtual host has, nor in which order its endpoints come."""
    if isinstance(route, RouteUnknown):
        return route
    return replace(route, virtual_host="", endpoints=tuple(sorted(route.endpoints, key=repr)))


def route_by_objects(scope: SidecarScope, request: OutboundRequest) -> Route | RouteUnknown:
    """The way of a request as the objects that were read have it, whatever else there may be."""
    if request not in scope.routes:
        scope.routes[request] = _route_by_objects(scope, request)
    return scope.routes[request]


def _route_by_objects(scope: SidecarScope, request: OutboundRequest) -> Route | RouteUnknown:
    called = _called(request)

    @cache
    def made(name: str) -> Made | None:
        return cluster_named(scope, name)

    def cluster(name: str) -> Json | None:
        found = made(name)
        return found.cluster if found is not None else None

    def endpoints(name: str) -> Json | None:
        found = made(name)
        return found.assignment if found is not None else None

    config = EnvoyConfig(
        listeners=listeners_for(scope, request.address, request.port),
        route_configs=OnDemand(lambda name: table_named(scope, name, called)),
        clusters=OnDemand(cluster),
        endpoints=OnDemand(endpoints),
        node=_node(scope),
        envoy_version=_envoy_version(scope.push.snapshot),
    )
    route = route_of(config, request)
    return replace(route, observed=False) if isinstance(route, Route) else route


def _called(request: OutboundRequest) -> str:
    """The Host header without its port."""
    return re.sub(r":[0-9]+$", "", request.host)


class OnDemand(Mapping[str, Json]):
    """Resources that are made when they are asked for by name."""

    def __init__(self, make: Callable[[str], Json | None]) -> None:
        self._make = make
        self._made: dict[str, Json] = {}

    def __getitem__(self, name: str) -> Json:
        if name not in self._made:
            made = self._make(name)
            if made is None:
                raise KeyError(name)
            self._made[name] = made
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)


def _route_names(listener: Json) -> Iterator[str]:
    for chain in (*objects(listener.get("filter_chains")), listener.get("default_filter_chain")):
        for _, content in map(typed, objects(at(chain, "filters"))):
            if name := text(at(content, "rds", "route_config_name")):
                yield name


def _node(scope: SidecarScope) -> Json:
    client = scope.client
    return {"NAMESPACE": client.namespace, "LABELS": dict(client.labels), **client.metadata}


def _envoy_version(snapshot: Snapshot) -> tuple[int, int] | None:
    version = snapshot.mesh.version
    return (1, version[1] + ENVOY_OF_ISTIO) if version is not None else None
