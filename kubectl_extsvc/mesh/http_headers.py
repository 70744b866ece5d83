"""Headers that a sidecar adds on an HTTP route, read from the configuration that makes it add them.

Not seen: what Lua, Wasm or external processors do, and per-route overrides of a filter (typed_per_filter_config).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from kubectl_extsvc.mesh.envoy_dump import PASSTHROUGH, at, mapping, objects, text, texts, typed
from kubectl_extsvc.model.resources import Json

ORIGINAL_HOST_SINCE = (1, 35)
"""Envoy keeps the old Host of a rewrite in x-envoy-original-host (release notes of 1.35; Istio 1.27)."""
DEFAULT_TIMEOUT = "15s"
"""Of a route that sets none (route_components.proto, RouteAction.timeout); Istio always writes 0s."""


@dataclass(frozen=True, slots=True)
class HttpPath:
    """What an HTTP request passes on its way to an Envoy cluster."""

    listener: Json = field(default_factory=dict)
    manager: Json = field(default_factory=dict)
    """HttpConnectionManager"""
    route_config: Json = field(default_factory=dict)
    virtual_host: Json = field(default_factory=dict)
    route: Json = field(default_factory=dict)
    weighted: Json = field(default_factory=dict)
    """The entry of weighted_clusters that was taken, {} if there are none."""

    @property
    def action(self) -> Json:
        return mapping(self.route.get("route"))

    @property
    def host_rewrite(self) -> str:
        return text(self.weighted.get("host_rewrite_literal")) or text(self.action.get("host_rewrite_literal"))


def request_headers_added(path: HttpPath, cluster: Json, envoy_version: tuple[int, int] | None) -> tuple[str, ...]:
    """Names of what is added to a request that has none of it, in the order in which Envoy works: connection manager
    (conn_manager_utility.cc, conn_manager_impl.cc:traceRequest), filters, router (router.cc:decodeHeaders), route
    (config_impl.cc:finalizeRequestHeaders)."""
    added = _by_manager(path)
    for kind, config in _filters(path.manager):
        if kind.endswith("header_mutation.v3.HeaderMutation"):
            _mutate(added, at(config, "mutations", "request_mutations"), only_added=True)
        elif "peer_metadata" in kind:
            added.update(_peer_metadata(config, cluster))
    debug = not _suppresses_envoy_headers(path.manager)
    if debug and _has_timeout(path):
        added.add("x-envoy-expected-rq-timeout-ms")
    if path.virtual_host.get("include_request_attempt_count") is True:
        added.add("x-envoy-attempt-count")
    for level in _levels(path):
        added.difference_update(_lower(level.get("request_headers_to_remove")))
        added.update(_set_headers(level.get("request_headers_to_add"), only_added=True))
    if path.host_rewrite or path.action.get("auto_host_rewrite") is True or path.action.get("host_rewrite_path_regex"):
        if path.action.get("append_x_forwarded_host") is True:
            added.add("x-forwarded-host")
        if debug and (envoy_version is None or envoy_version >= ORIGINAL_HOST_SINCE):
            added.add("x-envoy-original-host")
    if debug and (path.action.get("prefix_rewrite") or path.action.get("regex_rewrite")):
        added.add("x-envoy-original-path")
    return tuple(sorted(added))


def response_headers_changed(path: HttpPath, *, forwarded: bool) -> tuple[str, ...]:
    """Names of what is added to a response or overwritten in it; forwarded: an endpoint answers, not Envoy itself."""
    changed: set[str] = set()
    if forwarded and not _suppresses_envoy_headers(path.manager):
        changed.add("x-envoy-upstream-service-time")
    if forwarded and path.virtual_host.get("include_attempt_count_in_response") is True:
        changed.add("x-envoy-attempt-count")
    for level in _levels(path):
        changed.difference_update(_lower(level.get("response_headers_to_remove")))
        changed.update(_set_headers(level.get("response_headers_to_add"), only_added=False))
    for kind, config in _filters(path.manager):
        if kind.endswith("header_mutation.v3.HeaderMutation"):
            _mutate(changed, at(config, "mutations", "response_mutations"), only_added=False)
    if path.manager.get("always_set_request_id_in_response") is True:
        changed.add("x-request-id")
    # The default is OVERWRITE (http_connection_manager.proto); proxyHeaders.server.disabled writes PASS_THROUGH.
    if path.manager.get("server_header_transformation") != "PASS_THROUGH":
        changed.add("server")
    return tuple(sorted(changed))


def _by_manager(path: HttpPath) -> set[str]:
    manager = path.manager
    added = {"x-forwarded-proto"}
    if manager.get("generate_request_id") is not False:
        added.add("x-request-id")
    if manager.get("append_x_forwarded_port") is True:
        added.add("x-forwarded-port")
    # Only under istiod's PILOT_SIDECAR_USE_REMOTE_ADDRESS; with Envoy 1.40 no address is internal by itself.
    if manager.get("use_remote_address") is True:
        if manager.get("skip_xff_append") is not True:
            added.add("x-forwarded-for")
        added.add("x-envoy-external-address")
    decorator = mapping(path.route.get("decorator"))
    traced = isinstance(manager.get("tracing"), dict) and path.listener.get("traffic_direction") == "OUTBOUND"
    if traced and text(decorator.get("operation")) and decorator.get("propagate") is not False:
        added.add("x-envoy-decorator-operation")
    return added


def _filters(manager: Json) -> list[tuple[str, Json]]:
    return [typed(entry) for entry in objects(manager.get("http_filters")) if entry.get("disabled") is not True]


def _suppresses_envoy_headers(manager: Json) -> bool:
    """proxyHeaders.envoyDebugHeaders.disabled; x-envoy-attempt-count is not touched by it (route_components.proto)."""
    return any(
        kind.endswith("router.v3.Router") and config.get("suppress_envoy_headers") is True
        for kind, config in _filters(manager)
    )


def _has_timeout(path: HttpPath) -> bool:
    """FilterUtility::setTimeoutHeaders: the limit of one try, else of the whole request."""
    policy = mapping(path.action.get("retry_policy")) or mapping(path.virtual_host.get("retry_policy"))
    whole = path.action.get("timeout", DEFAULT_TIMEOUT)
    return any(text(limit).strip("0.s") != "" for limit in (policy.get("per_try_timeout"), whole))


def _peer_metadata(config: Json, cluster: Json) -> set[str]:
    """Istio's own filter (peer_metadata.cc:skipMXHeaders); IN_MESH of proxyHeaders sets skip_external_clusters."""
    istio = mapping(at(cluster, "metadata", "filter_metadata", "istio"))
    external = text(cluster.get("name")) == PASSTHROUGH or istio.get("external") is True
    added: set[str] = set()
    for method in objects(config.get("upstream_propagation")):
        headers = method.get("istio_headers")
        skipped = istio.get("disable_mx") is True or (external and at(headers, "skip_external_clusters") is True)
        if isinstance(headers, dict) and not skipped:
            added |= {"x-envoy-peer-metadata", "x-envoy-peer-metadata-id"}
        if "baggage" in method:
            added.add("baggage")
    return added


def _levels(path: HttpPath) -> list[Json]:
    """Where headers are set, in Envoy's order: the most specific first, unless the table says otherwise."""
    levels = [path.weighted, path.route, path.virtual_host, path.route_config]
    return levels[::-1] if path.route_config.get("most_specific_header_mutations_wins") is True else levels


def _mutate(names: set[str], mutations: object, *, only_added: bool) -> None:
    for mutation in objects(mutations):
        names.discard(text(mutation.get("remove")).lower())
        names.update(_set_headers([mutation.get("append")], only_added=only_added))


def _set_headers(options: object, *, only_added: bool) -> set[str]:
    """Names of HeaderValueOptions; only_added leaves out those that need the header to be there already."""
    return {
        name
        for option in objects(options)
        if (name := text(at(option, "header", "key")).lower())
        and not name.startswith(":")
        and not (only_added and option.get("append_action") == "OVERWRITE_IF_EXISTS")
    }


def _lower(names: object) -> Iterable[str]:
    return {name.lower() for name in texts(names)}
