"""What a sidecar's Envoy holds: the admin path that asks for it, and the reading of its config_dump.

A dump comes from somebody else's pod and may be cut, damaged or hostile: reading leaves out what it does not
understand and never raises. Names and shapes: envoy/admin/v3/config_dump.proto and the handler in Envoy's
source/server/admin/config_dump_handler.cc; JSON has proto field names, snake_case.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote

from kubectl_extsvc.mesh.istio_version import version_of_node
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.route import RouteUnknown

VIRTUAL_OUTBOUND = "virtualOutbound"
PASSTHROUGH = "PassthroughCluster"
BLACK_HOLE = "BlackHoleCluster"
DYNAMIC_DNS = "AllowAnyDynamicDNSCluster"
SPECIAL_CLUSTERS = (PASSTHROUGH, BLACK_HOLE, DYNAMIC_DNS)
"""Envoy clusters of no service, whose names Istio fixes (istio pilot/pkg/networking/util/util.go)."""

WILDCARDS = ("0.0.0.0", "::")  # noqa: S104 names of listeners, nothing is bound
ANY_ADDRESS = r"[0-9a-f.:\[\]]+"

FULL_DUMP = "config_dump?include_eds"
MAX_PATH = 8000
"""Characters. The path travels twice percent-encoded in the URL of an exec; many proxies cut URLs at 16 KiB."""


@dataclass(frozen=True, slots=True)
class EnvoyConfig:
    """The parts of a dump that decide about outbound traffic, as raw JSON by name; nothing is copied."""

    listeners: tuple[Json, ...] = ()
    """Listener protos that take connections now: no draining and no warming ones."""
    route_configs: Mapping[str, Json] = field(default_factory=dict)
    clusters: Mapping[str, Json] = field(default_factory=dict)
    """Cluster protos that serve, dynamic and static."""
    warming: Mapping[str, Json] = field(default_factory=dict)
    """Cluster protos that wait; one may have an older namesake in clusters that goes on serving."""
    endpoints: Mapping[str, Json] = field(default_factory=dict)
    """Envoy cluster (EDS service name, where there is one) → ClusterLoadAssignment."""
    node: Json = field(default_factory=dict)
    """node.metadata of the bootstrap."""
    envoy_version: tuple[int, int] | None = None
    asked: str = ""
    """Regular expression that names were filtered by; "" = everything was asked for."""

    @property
    def istio_version(self) -> tuple[int, int] | None:
        """(1, 31) of "1.31.0", None if the proxy does not say or says it in another way."""
        return version_of_node(self.node)

    @property
    def namespace(self) -> str:
        return text(self.node.get("NAMESPACE"))

    @property
    def labels(self) -> dict[str, str]:
        return {text(key): text(value) for key, value in mapping(self.node.get("LABELS")).items()}

    @property
    def interception_mode(self) -> str:
        """REDIRECT, TPROXY or NONE; "" if the proxy does not say."""
        return text(self.node.get("INTERCEPTION_MODE"))

    def was_asked_for(self, name: str) -> bool:
        """Would the dump hold a resource of that name, if the proxy had one?"""
        return not self.asked or re.fullmatch(self.asked, name) is not None


def dump_query(
    hosts: Iterable[str], ips: Iterable[str] = (), ports: Iterable[int] = (), names: Iterable[str] = ()
) -> str:
    """The admin path, encoded for `pilot-agent request GET`, of a dump with only what routes to these lead through.

    hosts are FQDNs as Istio knows them (of the alias, its target, its private host); ips the addresses that an
    application may dial, none = any; ports those it dials; names further resources (see routing.unasked).
    name_regex is RE2, must match a name in full, and filters listeners, routes, clusters, endpoints and secrets, but
    not the bootstrap (config_dump_handler.cc:buildNameMatcher). Too many names: the path of the full dump.
    """
    path = f"{FULL_DUMP}&name_regex={quote(name_regex(hosts, ips, ports, names), safe='()*:,')}"
    return path if len(path) <= MAX_PATH else FULL_DUMP


def name_regex(
    hosts: Iterable[str], ips: Iterable[str] = (), ports: Iterable[int] = (), names: Iterable[str] = ()
) -> str:
    """RE2 for the names that Istio gives to listeners, route configurations, clusters and endpoints."""
    port = _one_of(str(number) for number in sorted(set(ports))) or "[0-9]+"
    dialled = list(ips)
    address = _one_of(form for ip in (*WILDCARDS, *dialled) for form in _address_forms(ip))
    host = _one_of(_hosts(hosts))
    patterns = [
        VIRTUAL_OUTBOUND,
        *SPECIAL_CLUSTERS,
        f"{address if dialled else ANY_ADDRESS}_{port}",
        port,
        f"{host}:{port}",
        rf"outbound\|[0-9]+\|[^|]*\|{host}",
        *(_escape(name) for name in dict.fromkeys(names) if _is_plain(name)),
    ]
    return "|".join(patterns)


def _hosts(hosts: Iterable[str]) -> list[str]:
    """Every wildcard, since one may cover a host and no mesh has many, and the hosts, those of a domain together."""
    domains: dict[str, list[str]] = {}
    for host in dict.fromkeys(hosts):
        first, dot, domain = host.lower().partition(".")
        if _is_plain(host):
            domains.setdefault(dot + domain, []).append(_escape(first))
    return [r"\*[^|]*", *(_one_of(firsts) + _escape(domain) for domain, firsts in domains.items())]


def _address_forms(ip: str) -> tuple[str, ...]:
    """A listener on an IPv6 address is named with or without brackets, as the release likes."""
    return (_escape(ip), _escape(f"[{ip}]")) if ":" in ip else (_escape(ip),)


def _one_of(patterns: Iterable[str]) -> str:
    alternatives = list(dict.fromkeys(patterns))
    return f"({'|'.join(alternatives)})" if len(alternatives) > 1 else "".join(alternatives)


def _escape(name: str) -> str:
    """For RE2 and for Python alike; re.escape is not, with its escaped spaces."""
    return re.sub(r"([^0-9A-Za-z_:,/ -])", r"\\\1", name)


def _is_plain(name: str) -> bool:
    return name.isascii() and name.isprintable()


def parse_dump(dump: str | bytes, query: str = FULL_DUMP) -> EnvoyConfig | RouteUnknown:
    """Reads the answer to an admin path. What is not JSON is mostly the agent's or Envoy's own words: they are told."""
    try:
        data = json.loads(dump)
    except (ValueError, RecursionError):
        start = dump[:200].decode(errors="replace") if isinstance(dump, bytes) else dump[:200]
        said = " ".join("".join(c if c.isprintable() else " " for c in start).split())
        return RouteUnknown(f"the proxy's config_dump is not JSON: {said[:120] or 'it is empty'}")
    return read_dump(data, query)


def read_dump(data: Any, query: str = FULL_DUMP) -> EnvoyConfig:
    """The parts of a config_dump, whichever way it was asked for.

    Without resource=, configs[] holds one wrapper a kind (ClustersConfigDump …); with it, bare elements
    (ClustersConfigDump.DynamicCluster …), which do not say whether they are active or warming: the query does.
    """
    parameters = parse_qs(query.partition("?")[2], keep_blank_values=True)
    resource = parameters.get("resource", [""])[0]
    listeners: list[Json] = []
    route_configs: dict[str, Json] = {}
    clusters: dict[str, Json] = {}
    warming: dict[str, Json] = {}
    endpoints: dict[str, Json] = {}
    node: Json = {}
    for section, element in _elements(mapping(data), resource):
        match section:
            case "dynamic_listeners":
                _append(listeners, at(element, "active_state", "listener"))
            case "static_listeners":
                _append(listeners, at(element, "listener"))
            case "dynamic_route_configs" | "static_route_configs":
                _keep(route_configs, "name", at(element, "route_config"))
            case "dynamic_active_clusters" | "static_clusters":
                _keep(clusters, "name", at(element, "cluster"))
            case "dynamic_warming_clusters":
                _keep(warming, "name", at(element, "cluster"))
            case "dynamic_endpoint_configs" | "static_endpoint_configs":
                _keep(endpoints, "cluster_name", at(element, "endpoint_config"))
            case "bootstrap":
                node = mapping(at(element, "node")) or node
    version = at(node, "user_agent_build_version", "version")
    return EnvoyConfig(
        listeners=tuple(listeners),
        route_configs=route_configs,
        clusters=clusters,
        warming=warming,
        endpoints=endpoints,
        node=mapping(node.get("metadata")),
        envoy_version=(number(at(version, "major_number")), number(at(version, "minor_number"))) if version else None,
        asked=parameters.get("name_regex", [""])[0],
    )


def merged(first: EnvoyConfig, second: EnvoyConfig) -> EnvoyConfig:
    """Two dumps of one proxy as one; where both hold a resource, the second counts."""
    again = {text(listener.get("name")) for listener in second.listeners}
    return EnvoyConfig(
        listeners=(*(old for old in first.listeners if text(old.get("name")) not in again), *second.listeners),
        route_configs={**first.route_configs, **second.route_configs},
        clusters={**first.clusters, **second.clusters},
        warming={**first.warming, **second.warming},
        endpoints={**first.endpoints, **second.endpoints},
        node=second.node or first.node,
        envoy_version=second.envoy_version or first.envoy_version,
        asked=f"{first.asked}|{second.asked}" if first.asked and second.asked else "",
    )


_BARE = {
    "ListenersConfigDump.DynamicListener": "dynamic_listeners",
    "ListenersConfigDump.StaticListener": "static_listeners",
    "RoutesConfigDump.DynamicRouteConfig": "dynamic_route_configs",
    "RoutesConfigDump.StaticRouteConfig": "static_route_configs",
    "ClustersConfigDump.DynamicCluster": "dynamic_active_clusters",
    "ClustersConfigDump.StaticCluster": "static_clusters",
    "EndpointsConfigDump.DynamicEndpointConfig": "dynamic_endpoint_configs",
    "EndpointsConfigDump.StaticEndpointConfig": "static_endpoint_configs",
}
"""Type of an element → section that it comes from."""


def _elements(data: Json, resource: str) -> Iterator[tuple[str, object]]:
    """Section and element, of both shapes of dump."""
    for config in listed(data.get("configs")):
        kind = text(at(config, "@type")).rpartition("envoy.admin.v3.")[2]
        if kind in _BARE:
            yield resource or _BARE[kind], config
        elif kind == "BootstrapConfigDump":
            yield "bootstrap", at(config, "bootstrap")
        else:
            for section, elements in mapping(config).items():
                for element in listed(elements):
                    yield section, element


def _append(found: list[Json], value: object) -> None:
    if listener := mapping(value):
        found.append(listener)


def _keep(found: dict[str, Json], key: str, value: object) -> None:
    resource = mapping(value)
    if name := text(resource.get(key)):
        found[name] = resource


def mapping(value: object) -> Json:
    """The JSON object, or an empty one where something else stands."""
    return value if isinstance(value, dict) else {}


def listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def objects(value: object) -> list[Json]:
    """The JSON objects of a list."""
    return [element for element in listed(value) if isinstance(element, dict)]


def text(value: object) -> str:
    """The string, without control characters; "" where something else stands."""
    if not isinstance(value, str):
        return ""
    return value if value.isprintable() else "".join(c for c in value if c.isprintable())


def texts(value: object) -> tuple[str, ...]:
    return tuple(found for element in listed(value) if (found := text(element)))


def number(value: object) -> int:
    """The integer, also one written as a string (proto JSON does so with 64 bits); 0 where something else stands."""
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,20}", value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def at(value: object, *keys: str) -> object:
    """What lies at a path of nested JSON objects, None if nothing does."""
    for key in keys:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def typed(extension: object) -> tuple[str, Json]:
    """Type name and content of an extension's typed_config, out of the TypedStruct that Istio's own filters come in."""
    config = mapping(at(extension, "typed_config"))
    kind = text(config.get("@type"))
    if kind.endswith("TypedStruct"):
        kind, config = text(config.get("type_url")), mapping(config.get("value"))
    return kind.rpartition("/")[2], config
