"""What route_of says, held against what real sidecars did."""

from dataclasses import replace
from typing import Any

import pytest
from worlds.recorded import NAMES, PROBES, Probe, config_of, dump_of

from kubectl_extsvc.mesh.envoy_dump import EnvoyConfig, dump_query, merged, read_dump
from kubectl_extsvc.mesh.outbound_request import OutboundRequest, RequestKind
from kubectl_extsvc.mesh.routing import route_of, unasked
from kubectl_extsvc.model.resources import Json, ObjectRef
from kubectl_extsvc.model.route import EnvoyEndpoint, OutboundTls, Route, RouteKind, RouteUnknown, TlsInEffect

D, N, P = OutboundTls.DISABLE, OutboundTls.NONE, OutboundTls.AUTO_PLAINTEXT
S, M, I, U = OutboundTls.SIMPLE, OutboundTls.MUTUAL, OutboundTls.ISTIO_MUTUAL, OutboundTls.UNKNOWN  # noqa: E741

IP_ALIAS = "my-httpbin-ip.default.svc.cluster.local:80"
PAY = "my-pay.default.svc.cluster.local:80"

EXPECTED = {
    "credential-without-selector/http": ("0.0.0.0_80", IP_ALIAS, D, "my-httpbin-ip"),
    "credential-without-selector/tls-server": ("0.0.0.0_80", PAY, D, "my-pay"),
    "disable/http": ("0.0.0.0_80", IP_ALIAS, D, "my-httpbin-ip"),
    "double-tls/https": ("10.96.67.231_443", "", S, "my-wikipedia"),
    "double-tls/http-on-443": ("10.96.67.231_443", "", S, "my-wikipedia"),
    "dr-client-namespace-wins/http": (
        "0.0.0.0_80",
        "my-httpbin-ip.without-istio.svc.cluster.local:80",
        I,
        "wildcard",
    ),
    "dr-fourth-namespace/http": ("0.0.0.0_80", IP_ALIAS, P, ""),
    "dr-two-for-one-host/http": ("0.0.0.0_80", IP_ALIAS, D, "a-first"),
    "endpoint-refuses/http": ("0.0.0.0_80", IP_ALIAS, P, ""),
    "endpoint-silent/http": ("0.0.0.0_80", IP_ALIAS, P, ""),
    "externalname-chain/http": ("0.0.0.0_80", "httpbin.org:80", D, ""),
    "externalname-simple-on-alias/http": ("0.0.0.0_80", "allow_any", N, ""),
    "externalname-trailing-dot/http": ("0.0.0.0_80", "block_all", N, ""),
    "externalname-wildcard-serviceentry/alias": ("0.0.0.0_80", "block_all", N, ""),
    "externalname-wildcard-serviceentry/target": ("0.0.0.0_80", "*.org:80", D, ""),
    "externalname-with-serviceentry/http": ("0.0.0.0_80", "httpbin.org:80", S, "httpbin-org"),
    "externalname-with-serviceentry/https": ("0.0.0.0_443", "", D, "httpbin-org"),
    "externalname-with-serviceentry/https-right-name": ("0.0.0.0_443", "", D, "httpbin-org"),
    "headless/http": ("0.0.0.0_80", IP_ALIAS, D, ""),
    "headless/by-ip": ("0.0.0.0_80", "allow_any", N, ""),
    "istio-mutual-wildcard/http": ("0.0.0.0_80", IP_ALIAS, I, "wildcard-mutual"),
    "istio-mutual-wildcard/externalname": ("0.0.0.0_80", "allow_any", N, ""),
    "istio-mutual-wildcard-with-disable/http": ("0.0.0.0_80", IP_ALIAS, D, "my-httpbin-ip"),
    "istio-mutual-wildcard-with-disable/externalname": ("0.0.0.0_80", "allow_any", N, ""),
    "mutual/http": ("0.0.0.0_80", PAY, M, "my-pay"),
    "mutual-secret-not-readable/http": ("0.0.0.0_80", PAY, M, "my-pay"),
    "passthrough-allow-any/http": ("0.0.0.0_80", "allow_any", N, ""),
    "passthrough-allow-any/https": ("virtualOutbound", "", N, ""),
    "passthrough-allow-any/https-right-name": ("virtualOutbound", "", N, ""),
    "passthrough-dynamic-dns/http": ("0.0.0.0_80", "allow_any_dynamic_dns", N, ""),
    "passthrough-dynamic-dns/https": ("virtualOutbound", "", N, ""),
    "passthrough-raw-tcp/http": ("virtualOutbound", "", N, ""),
    "passthrough-raw-tcp/https": ("virtualOutbound", "", N, ""),
    "plaintext-automtls/http": ("0.0.0.0_80", IP_ALIAS, P, ""),
    "port-name-mismatch/http": ("0.0.0.0_80", IP_ALIAS, P, ""),
    "protocol-mismatch/http-to-tls-server": ("0.0.0.0_80", PAY, P, ""),
    "protocol-mismatch/https-to-http-named": ("0.0.0.0_80", "", N, ""),
    "protocol-mismatch/http-on-https-port": ("10.96.131.20_443", "", P, ""),
    "recipe-externalname-tls-origination/http": ("0.0.0.0_80", "api.pay.example:80", S, "my-pay"),
    "recipe-externalname-tls-origination/target-name": ("0.0.0.0_80", "api.pay.example:80", S, "my-pay"),
    "registry-only-block-all/http": ("0.0.0.0_80", "block_all", N, ""),
    "registry-only-block-all/https": ("virtualOutbound", "", N, ""),
    "registry-only-block-all/plain-http-on-443": ("virtualOutbound", "", N, ""),
    "registry-only-block-all/tcp-8080": ("virtualOutbound", "", N, ""),
    "registry-only-raw-tcp/http": ("virtualOutbound", "", N, ""),
    "registry-only-raw-tcp/https": ("virtualOutbound", "", N, ""),
    "registry-only-with-serviceentry/http": ("0.0.0.0_80", "httpbin.org:80", S, "httpbin-org"),
    "registry-only-with-serviceentry/https": ("0.0.0.0_443", "", D, "httpbin-org"),
    "registry-only-with-serviceentry/https-right-name": ("0.0.0.0_443", "", D, "httpbin-org"),
    "se-tcp-without-address/externalname": ("0.0.0.0_443", "", D, ""),
    "se-tcp-without-address/other-host": ("0.0.0.0_443", "", D, ""),
    "seed-endpoints/https": ("10.96.149.209_443", "", D, "my-wikipedia"),
    "seed-endpoints/https-alias-name": ("10.96.149.209_443", "", D, "my-wikipedia"),
    "seed-endpoints/http-on-443": ("10.96.149.209_443", "", D, "my-wikipedia"),
    "seed-externalname/http": ("0.0.0.0_80", "allow_any", N, ""),
    "sidecar-scope/selectorless": ("virtualOutbound", "", N, ""),
    "sidecar-scope/externalname": ("virtualOutbound", "", N, ""),
    "simple-no-sni/http": ("0.0.0.0_80", PAY, S, "my-pay"),
    "simple-no-sni/host-header": ("0.0.0.0_80", "allow_any", N, ""),
    "simple-no-sni-lenient-server/http": ("0.0.0.0_80", IP_ALIAS, S, "my-httpbin-ip"),
    "simple-sni-no-san/http": ("0.0.0.0_80", IP_ALIAS, S, "my-httpbin-ip"),
    "simple-sni-san/http": ("0.0.0.0_80", PAY, S, "my-pay"),
    "simple-wrong-san/http": ("0.0.0.0_80", IP_ALIAS, S, "my-httpbin-ip"),
    "tcp-port/http": ("10.96.58.93_80", "", P, ""),
    "unnamed-port/http": ("10.96.39.180_80", IP_ALIAS, P, ""),
    "unnamed-port/https": ("10.96.39.180_80", "", P, ""),
    "vs-on-alias/http": ("0.0.0.0_80", "my-httpbin.default.svc.cluster.local:80", U, ""),
    "vs-rewrite-authority/http": ("0.0.0.0_80", PAY, S, "my-pay"),
    "vs-to-alias-with-port/http": ("0.0.0.0_80", IP_ALIAS, D, ""),
    "vs-to-alias-without-port/http": ("0.0.0.0_80", IP_ALIAS, U, ""),
}
"""Probe → listener, virtual host, TLS mode and name of the DestinationRule, by what each world is made to show."""

CUT_TOO_FAR = "headless-tcp"
"""Its dump lacks the listener that its access log proves (worlds/envoy/README.md)."""

LISTENER_CUT_OUT: Json = {
    "name": "203.0.113.10_80",
    "address": {"socket_address": {"address": "203.0.113.10", "port_value": 80}},
    "filter_chains": [
        {
            "filters": [
                {
                    "name": "envoy.filters.network.tcp_proxy",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                        "cluster": "outbound|80||my-httpbin-ip.default.svc.cluster.local",
                    },
                }
            ]
        }
    ],
}


def known(route: Route | RouteUnknown) -> Route:
    assert isinstance(route, Route), route
    return route


def world(name: str) -> EnvoyConfig:
    config = config_of(name)
    if name == CUT_TOO_FAR:
        return replace(config, listeners=(*config.listeners, LISTENER_CUT_OUT))
    return config


def logged(probe: Probe) -> str:
    """Envoy cluster of the access log, "" where none took the request."""
    return "" if probe.log.cluster == "-" else probe.log.cluster


def test_every_world_has_a_probe_and_every_probe_an_expectation() -> None:
    assert {probe.world for probe in PROBES} == set(NAMES)
    assert {probe.key for probe in PROBES if probe.world != CUT_TOO_FAR} == set(EXPECTED)


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.key)
def test_route_leads_where_the_access_log_says_that_the_request_went(probe: Probe) -> None:
    route = known(route_of(world(probe.world), probe.request))
    taken = "" if route.cluster_missing else route.envoy_cluster
    assert (taken, route.cluster_missing) == (logged(probe), probe.log.flags == "NC")
    assert route.direct_response == (int(probe.log.status) if probe.log.route == "block_all" else 0)
    assert route.kind is (RouteKind.TCP if probe.log.status == "0" else RouteKind.HTTP)
    catch_all = route.virtual_host in ("allow_any", "block_all", "allow_any_dynamic_dns")
    assert (probe.log.route == route.virtual_host) == catch_all


@pytest.mark.parametrize(
    "probe", [probe for probe in PROBES if probe.world != CUT_TOO_FAR], ids=lambda probe: probe.key
)
def test_route_has_the_listener_the_mode_and_the_rule_that_its_world_is_made_to_show(probe: Probe) -> None:
    route = known(route_of(world(probe.world), probe.request))
    found = (route.listener, route.virtual_host, route.tls.mode, route.rule.name if route.rule else "")
    assert found == EXPECTED[probe.key]


@pytest.mark.parametrize("probe", [probe for probe in PROBES if probe.log.upstream != "-"], ids=lambda probe: probe.key)
def test_endpoint_that_was_dialled_is_one_of_the_route(probe: Probe) -> None:
    route = known(route_of(world(probe.world), probe.request))
    assert probe.log.upstream in {f"{endpoint.address}:{endpoint.port}" for endpoint in route.endpoints}


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.key)
def test_dump_cut_down_by_the_query_gives_the_same_route_as_the_whole(probe: Probe) -> None:
    whole = world(probe.world)
    hosts = ["my-httpbin-ip.default.svc.cluster.local", "my-pay.default.svc.cluster.local"]
    query = dump_query(hosts, [probe.request.address], [probe.request.port])
    part = only_asked(whole, query)
    if names := unasked(part, [probe.request]):
        part = merged(part, only_asked(whole, dump_query(hosts, names=names)))
    assert unasked(part, [probe.request]) == ()
    assert route_of(part, probe.request) == route_of(whole, probe.request)


def only_asked(config: EnvoyConfig, query: str) -> EnvoyConfig:
    """What a proxy that holds config would answer to the query."""
    asked = replace(config, asked=read_dump({}, query).asked)

    def keep(resources: Any) -> Any:
        return {name: resource for name, resource in resources.items() if asked.was_asked_for(name)}

    return replace(
        asked,
        listeners=tuple(listener for listener in config.listeners if asked.was_asked_for(listener["name"])),
        route_configs=keep(config.route_configs),
        clusters=keep(config.clusters),
        warming=keep(config.warming),
        endpoints=keep(config.endpoints),
    )


def test_whole_route_of_the_full_recipe() -> None:
    request = OutboundRequest(RequestKind.HTTP, "203.0.113.20", 80, "my-pay.default.svc.cluster.local", "/get")
    assert route_of(config_of("recipe-externalname-tls-origination"), request) == Route(
        RouteKind.HTTP,
        listener="0.0.0.0_80",
        envoy_cluster="outbound|80||api.pay.example",
        route_config="80",
        virtual_host="api.pay.example:80",
        cluster_type="STRICT_DNS",
        endpoints=(EnvoyEndpoint("203.0.113.20", 443),),
        tls=TlsInEffect(
            OutboundTls.SIMPLE,
            sni="api.pay.example",
            subject_alt_names=("api.pay.example",),
            ca="file-root:system",
        ),
        rule=ObjectRef("DestinationRule", "default", "my-pay"),
        virtual_service=ObjectRef("VirtualService", "default", "my-pay"),
        host_rewrite="api.pay.example",
        request_headers_added=(
            "x-envoy-attempt-count",
            "x-envoy-decorator-operation",
            "x-envoy-original-host",
            "x-forwarded-proto",
            "x-request-id",
        ),
        response_headers_changed=("server", "x-envoy-upstream-service-time"),
    )


def test_cluster_that_only_warms_is_missing_and_told_as_it_would_be() -> None:
    request = OutboundRequest(RequestKind.HTTP, "10.96.165.210", 80, "my-pay.default.svc.cluster.local")
    route = known(route_of(config_of("mutual-secret-not-readable"), request))
    assert (route.cluster_missing, route.cluster_warming, route.tls.mode) == (True, True, OutboundTls.MUTUAL)


def test_cluster_that_warms_beside_an_active_one_serves_by_the_active_one() -> None:
    config = config_of("disable")
    name = "outbound|80||my-httpbin-ip.default.svc.cluster.local"
    waiting = config_of("istio-mutual-wildcard").clusters[name]
    request = OutboundRequest(RequestKind.HTTP, "10.96.113.134", 80, "my-httpbin-ip.default.svc.cluster.local")
    route = known(route_of(replace(config, warming={name: waiting}), request))
    assert (route.cluster_missing, route.cluster_warming, route.tls.mode) == (False, True, OutboundTls.DISABLE)


def test_host_that_no_domain_covers_and_no_catch_all_takes_is_answered_404() -> None:
    dump = dump_of("disable")
    table = next(config for config in dump["configs"] if "dynamic_route_configs" in config)
    hosts = table["dynamic_route_configs"][0]["route_config"]["virtual_hosts"]
    hosts[:] = [host for host in hosts if host["domains"] != ["*"]]
    request = OutboundRequest(RequestKind.HTTP, "203.0.113.10", 80, "httpbin.org")
    route = known(route_of(read_dump(dump), request))
    assert (route.direct_response, route.envoy_cluster, route.virtual_host) == (404, "", "")


def test_http_listener_answers_400_to_what_is_not_http() -> None:
    config = config_of("disable")
    shared = next(listener for listener in config.listeners if listener["name"] == "0.0.0.0_80")
    only_http: Json = {**shared, "filter_chains": [{"filters": shared["filter_chains"][0]["filters"]}]}
    request = OutboundRequest(RequestKind.TCP, "203.0.113.10", 80)
    route = known(route_of(replace(config, listeners=(only_http,)), request))
    assert (route.kind, route.direct_response, route.envoy_cluster) == (RouteKind.HTTP, 400, "")


def test_redirect_is_a_direct_response_and_names_its_virtual_service() -> None:
    dump = dump_of("vs-rewrite-authority")
    table = next(config for config in dump["configs"] if "dynamic_route_configs" in config)
    for host in table["dynamic_route_configs"][0]["route_config"]["virtual_hosts"]:
        for entry in host["routes"]:
            del entry["route"]
            entry["redirect"] = {"response_code": "PERMANENT_REDIRECT"}
    request = OutboundRequest(RequestKind.HTTP, "10.96.142.245", 80, "my-pay.default.svc.cluster.local")
    route = known(route_of(read_dump(dump), request))
    assert (route.direct_response, route.envoy_cluster) == (308, "")
    assert route.virtual_service == ObjectRef("VirtualService", "default", "my-pay")


def test_of_several_clusters_the_one_with_the_largest_share_is_told() -> None:
    config = config_of("tcp-port")
    own = next(listener for listener in config.listeners if listener["name"] == "10.96.58.93_80")
    proxy = own["filter_chains"][0]["filters"][0]["typed_config"]
    shares = [{"name": "a", "weight": 0}, {"name": "b", "weight": 10}, {"name": "c", "weight": 90}]
    split: Json = {"@type": proxy["@type"], "weighted_clusters": {"clusters": shares}}
    listener: Json = {**own, "filter_chains": [{"filters": [{"typed_config": split}]}]}
    request = OutboundRequest(RequestKind.TCP, "10.96.58.93", 80)
    route = known(route_of(replace(config, listeners=(listener,)), request))
    assert (route.envoy_cluster, route.cluster_missing) == ("c", True)


@pytest.mark.parametrize(
    ("config", "address", "reason"),
    [
        (EnvoyConfig(), "10.0.0.1", "the proxy's configuration has no listener for 10.0.0.1_80 and no virtualOutbound"),
        (EnvoyConfig(), "", "the address that the application dials is not known: none given"),
        (
            EnvoyConfig(node={"INTERCEPTION_MODE": "NONE"}),
            "10.0.0.1",
            "the sidecar captures no traffic: sidecar.istio.io/interceptionMode is NONE",
        ),
        (EnvoyConfig(asked="80"), "10.0.0.1", "the proxy was not asked whether it has a listener 10.0.0.1_80"),
    ],
)
def test_route_is_unknown_with_a_reason(config: EnvoyConfig, address: str, reason: str) -> None:
    assert route_of(config, OutboundRequest(RequestKind.HTTP, address, 80, "a")) == RouteUnknown(reason)


def test_cluster_that_was_not_asked_for_is_not_called_missing() -> None:
    config = config_of("vs-to-alias-with-port")
    part = only_asked(config, dump_query(["my-httpbin-ip.default.svc.cluster.local"], ports=[80]))
    request = OutboundRequest(RequestKind.HTTP, "10.96.221.135", 80, "my-httpbin-ip.default.svc.cluster.local")
    assert unasked(part, [request]) == ("outbound|80||httpbin.org",)
    assert route_of(part, request) == RouteUnknown(
        "the request leads to outbound|80||httpbin.org, which the proxy was not asked for"
    )


def test_original_dst_port_override_is_dialled() -> None:
    config = config_of("headless")
    name = "outbound|80||my-httpbin-ip.default.svc.cluster.local"
    cluster: Json = {**config.clusters[name], "original_dst_lb_config": {"upstream_port_override": 443}}
    request = OutboundRequest(RequestKind.HTTP, "203.0.113.10", 80, "my-httpbin-ip.default.svc.cluster.local")
    route = known(route_of(replace(config, clusters={name: cluster}), request))
    assert route.endpoints == (EnvoyEndpoint("203.0.113.10", 443),)


def test_endpoint_that_is_unhealthy_or_takes_mesh_tls_or_lies_behind_hbone_is_told_so() -> None:
    config = config_of("plaintext-automtls")
    name = "outbound|80||my-httpbin-ip.default.svc.cluster.local"
    plain = {"address": {"socket_address": {"address": "10.1.0.1", "port_value": 80}}}
    tunnelled = {"address": {"envoy_internal_address": {"endpoint_id": "[fd00::1]:8080"}}}
    mesh = {"filter_metadata": {"envoy.transport_socket_match": {"tlsMode": "istio"}}}
    lb_endpoints = [
        {"endpoint": plain, "health_status": "UNHEALTHY"},
        {"endpoint": plain, "health_status": "HEALTHY", "metadata": mesh},
        {"endpoint": tunnelled},
    ]
    config = replace(config, endpoints={name: {"cluster_name": name, "endpoints": [{"lb_endpoints": lb_endpoints}]}})
    request = OutboundRequest(RequestKind.HTTP, "10.96.26.113", 80, "my-httpbin-ip.default.svc.cluster.local")
    route = known(route_of(config, request))
    assert route.endpoints == (
        EnvoyEndpoint("10.1.0.1", 80, healthy=False),
        EnvoyEndpoint("10.1.0.1", 80, mesh_tls=True),
        EnvoyEndpoint("fd00::1", 8080),
    )
    assert route.tls.mode is OutboundTls.AUTO_MIXED
