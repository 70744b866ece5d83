"""Reading a config_dump, and asking for one."""

import json
import re
from urllib.parse import unquote

import pytest
from worlds.recorded import FOLDER, config_of, dump_of

from kubectl_extsvc.mesh.envoy_dump import FULL_DUMP, EnvoyConfig, dump_query, merged, name_regex, parse_dump, read_dump
from kubectl_extsvc.model.resources import Json

WORLD = "mutual-secret-not-readable"
PAY = "outbound|80||my-pay.default.svc.cluster.local"


def names(config: EnvoyConfig) -> dict[str, list[str]]:
    return {
        "listeners": [listener["name"] for listener in config.listeners],
        "route_configs": list(config.route_configs),
        "clusters": list(config.clusters),
        "warming": list(config.warming),
        "endpoints": list(config.endpoints),
    }


def test_whole_dump_is_read_section_by_section() -> None:
    assert names(config_of(WORLD)) == {
        "listeners": ["0.0.0.0_80", "virtualOutbound"],
        "route_configs": ["80"],
        "clusters": ["BlackHoleCluster", "PassthroughCluster"],
        "warming": [PAY],
        "endpoints": ["BlackHoleCluster", "PassthroughCluster"],
    }


def test_bootstrap_tells_the_proxy_itself() -> None:
    config = config_of(WORLD)
    told = (config.istio_version, config.envoy_version, config.namespace, config.interception_mode)
    assert told == ((1, 31), (1, 40), "default", "REDIRECT")
    assert config.labels["app"] == "curl"


@pytest.mark.parametrize(
    ("version", "read"),
    [
        ("1.31.0", (1, 31)),
        ("1.32-alpha.86c9f01", (1, 32)),
        ("v1.22.3", (1, 22)),
        ("master", None),
        ("", None),
        (131, None),
    ],
)
def test_istio_version_is_major_and_minor(version: object, read: tuple[int, int] | None) -> None:
    assert EnvoyConfig(node={"ISTIO_VERSION": version}).istio_version == read


def test_draining_and_warming_listeners_take_no_connection() -> None:
    dump: Json = {
        "configs": [
            {
                "@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump",
                "dynamic_listeners": [
                    {"name": "gone", "draining_state": {"listener": {"name": "gone"}}},
                    {"name": "soon", "warming_state": {"listener": {"name": "soon"}}},
                    {
                        "name": "changed",
                        "active_state": {"listener": {"name": "changed", "stat_prefix": "new"}},
                        "draining_state": {"listener": {"name": "changed", "stat_prefix": "old"}},
                    },
                ],
                "static_listeners": [{"listener": {"name": "static"}}],
            }
        ]
    }
    assert read_dump(dump).listeners == ({"name": "changed", "stat_prefix": "new"}, {"name": "static"})


ELEMENTS = {
    "dynamic_listeners": "ListenersConfigDump.DynamicListener",
    "dynamic_route_configs": "RoutesConfigDump.DynamicRouteConfig",
    "dynamic_active_clusters": "ClustersConfigDump.DynamicCluster",
    "dynamic_warming_clusters": "ClustersConfigDump.DynamicCluster",
    "dynamic_endpoint_configs": "EndpointsConfigDump.DynamicEndpointConfig",
}
"""Section → type of its elements when it alone is asked for with resource=."""


def test_dumps_of_one_resource_each_say_together_what_the_whole_says() -> None:
    whole = dump_of(WORLD)
    config = EnvoyConfig()
    for section, kind in ELEMENTS.items():
        bare = [
            {"@type": f"type.googleapis.com/envoy.admin.v3.{kind}", **element}
            for wrapper in whole["configs"]
            for element in wrapper.get(section, [])
        ]
        config = merged(config, read_dump({"configs": bare}, f"config_dump?resource={section}"))
    bootstrap = read_dump({"configs": whole["configs"][:1]}, "config_dump?mask=bootstrap")
    assert merged(config, bootstrap) == read_dump(whole)


def test_of_two_dumps_the_second_counts() -> None:
    first = EnvoyConfig(listeners=({"name": "a", "old": 1}, {"name": "b"}), clusters={"c": {"old": 1}}, asked="a|b|c")
    second = EnvoyConfig(listeners=({"name": "a"},), clusters={"c": {}}, node={"NAMESPACE": "x"}, asked="a|c")
    assert merged(first, second) == EnvoyConfig(
        listeners=({"name": "b"}, {"name": "a"}), clusters={"c": {}}, node={"NAMESPACE": "x"}, asked="a|b|c|a|c"
    )


def test_merged_with_a_whole_dump_everything_was_asked_for() -> None:
    assert merged(EnvoyConfig(asked="a"), EnvoyConfig()).was_asked_for("b")


def test_dump_knows_what_it_was_asked_for() -> None:
    query = dump_query(["my-pay.default.svc.cluster.local"], ["10.96.0.7"], [80])
    config = read_dump({}, query)
    assert config.asked == name_regex(["my-pay.default.svc.cluster.local"], ["10.96.0.7"], [80])
    assert (config.was_asked_for(PAY), config.was_asked_for("outbound|80||other")) == (True, False)


def test_text_and_bytes_are_parsed_alike() -> None:
    content = (FOLDER / f"{WORLD}.json").read_bytes()
    assert parse_dump(content) == parse_dump(content.decode()) == config_of(WORLD)


def test_big_dump_is_not_copied() -> None:
    dump = dump_of(WORLD)
    cluster = next(config for config in dump["configs"] if "dynamic_warming_clusters" in config)
    assert read_dump(dump).warming[PAY] is cluster["dynamic_warming_clusters"][0]["cluster"]


HOSTS = ["my-httpbin.default.svc.cluster.local", "httpbin.org", "my-httpbin.default.extsvc.internal"]

WANTED = [
    "virtualOutbound",
    "PassthroughCluster",
    "BlackHoleCluster",
    "AllowAnyDynamicDNSCluster",
    "0.0.0.0_80",
    "0.0.0.0_443",
    "[::]_80",
    "::_443",
    "10.96.4.7_80",
    "fd00::7_443",
    "[fd00::7]_443",
    "80",
    "443",
    "my-httpbin.default.svc.cluster.local:80",
    "httpbin.org:443",
    "outbound|80||my-httpbin.default.svc.cluster.local",
    "outbound|8443|v1|httpbin.org",
    "outbound|80||my-httpbin.default.extsvc.internal",
    "outbound|80||*.org",
    "outbound|443||api.pay.example",
]
UNWANTED = [
    "virtualInbound",
    "InboundPassthroughCluster",
    "inbound|80||",
    "prometheus_stats",
    "default",
    "ROOTCA",
    "0.0.0.0_15010",
    "0X0Y0Z0_80",
    "10.96.4.8_80",
    "10.96.4.7_8080",
    "8080",
    "my-httpbin.default.svc.cluster.local:8080",
    "outbound|80||other.default.svc.cluster.local",
    "outbound|80||my-httpbin.other.svc.cluster.local",
    "outbound|80||my-httpbinXdefault.svc.cluster.local",
    "outbound|80||httpbin.org.evil",
    "xoutbound|80||httpbin.org",
    "outbound|443||api-pay.example",
]


def test_name_regex_matches_in_full_what_a_route_may_lead_through_and_nothing_else() -> None:
    pattern = name_regex(HOSTS, ["10.96.4.7", "fd00::7"], [80, 443], ["outbound|443||api.pay.example"])
    assert [name for name in WANTED + UNWANTED if re.fullmatch(pattern, name)] == WANTED


def test_name_regex_is_re2_too() -> None:
    # RE2 knows a backslash before punctuation only, and none of Python's look-arounds, possessives or backreferences.
    pattern = name_regex([*HOSTS, "*.org"], ["10.96.4.7", "fd00::7"], [80], ["outbound|80||a-b_c"])
    assert set(re.findall(r"\\(.)", pattern)) <= set(r".|[]*")
    assert re.search(r"\(\?|\\[0-9A-Za-z]|[*+?}]\+", pattern) is None


def test_without_addresses_any_address_is_asked_for() -> None:
    pattern = name_regex(HOSTS, [], [80])
    listeners = ["10.1.2.3_80", "[fd00::1]_80", "0.0.0.0_80", "0.0.0.0_8080", "virtualInbound"]
    assert [name for name in listeners if re.fullmatch(pattern, name)] == ["10.1.2.3_80", "[fd00::1]_80", "0.0.0.0_80"]


def test_names_that_no_resource_can_have_are_not_asked_for() -> None:
    assert name_regex(["bücher.example", "a\nb"], ["10.0.0.1"], [80], ["\x00"]) == name_regex([], ["10.0.0.1"], [80])


def test_query_is_encoded_for_a_url() -> None:
    query = dump_query(HOSTS, ["10.96.4.7"], [80])
    path, _, regex = query.partition("&name_regex=")
    assert path == FULL_DUMP
    assert unquote(regex) == name_regex(HOSTS, ["10.96.4.7"], [80])
    assert re.fullmatch(r"[0-9A-Za-z%()*:,._~-]+", regex)


def test_query_with_too_many_names_asks_for_everything() -> None:
    assert dump_query([f"alias-{number}.namespace-{number}.svc.cluster.local" for number in range(500)]) == FULL_DUMP


def test_aliases_of_one_namespace_share_its_domain_in_the_query() -> None:
    query = dump_query([f"alias-{number}.default.svc.cluster.local" for number in range(200)], ["10.0.0.1"], [80])
    assert query != FULL_DUMP
    assert json.dumps(query).count("cluster") == 2
