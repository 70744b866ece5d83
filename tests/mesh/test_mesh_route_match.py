"""Virtual host and route of an HTTP request; what is decided here was held against Envoy 1.40, case by case."""

import time

import pytest

from kubectl_extsvc.mesh.outbound_request import OutboundRequest, RequestKind
from kubectl_extsvc.mesh.route_match import http_route_of, virtual_host_of
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.route import RouteUnknown

DOMAINS = ["www.foo.com", "*.foo.com", "*-bar.foo.com", "foo.*", "foo-*", "*", "With-Port:8080"]


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("www.foo.com", "www.foo.com"),
        ("WWW.foo.com", "www.foo.com"),
        ("a.foo.com", "*.foo.com"),
        ("baz-bar.foo.com", "*-bar.foo.com"),
        ("-bar.foo.com", "*.foo.com"),
        (".foo.com", "*"),
        ("foo.example", "foo.*"),
        ("foo-x.example", "foo-*"),
        ("foo.", "*"),
        ("", "*"),
        ("with-port:8080", "With-Port:8080"),
        ("www.foo.com:80", "*"),
    ],
)
def test_virtual_host_is_exact_then_longest_suffix_then_prefix_then_star(host: str, domain: str) -> None:
    table = {"virtual_hosts": [{"name": each, "domains": [each]} for each in reversed(DOMAINS)]}
    assert virtual_host_of(table, host) == {"name": domain, "domains": [domain]}


@pytest.mark.parametrize("host", ["www.foo.com:80", "www.foo.com"])
def test_port_of_the_host_header_is_ignored_if_the_table_says_so(host: str) -> None:
    table = {"ignore_port_in_host_matching": True, "virtual_hosts": [{"domains": ["www.foo.com"]}]}
    assert virtual_host_of(table, host) == {"domains": ["www.foo.com"]}


def test_without_a_catch_all_an_unknown_host_has_no_virtual_host() -> None:
    assert virtual_host_of({"virtual_hosts": [{"domains": ["a"]}]}, "b") is None


REQUEST = OutboundRequest(
    RequestKind.HTTP,
    "10.0.0.1",
    80,
    host="my-pay:80",
    path="/v1/get?debug=1&empty=#part",
    method="GET",
    headers=(("x-tenant", "blue"), ("x-size", "15")),
)


def header(name: str, **fields: object) -> Json:
    return {"prefix": "/", "headers": [{"name": name, **fields}]}


def parameter(name: str, **fields: object) -> Json:
    return {"prefix": "/", "query_parameters": [{"name": name, **fields}]}


MATCHES: list[tuple[Json, bool | None]] = [
    ({"prefix": "/"}, True),
    ({"prefix": "/v1"}, True),
    ({"prefix": "/V1"}, False),
    ({"prefix": "/V1", "case_sensitive": False}, True),
    ({"prefix": "/v1/get?"}, False),
    ({"path": "/v1/get"}, True),
    ({"path": "/v1"}, False),
    ({"path_separated_prefix": "/v1"}, True),
    ({"path_separated_prefix": "/v"}, False),
    ({"path_separated_prefix": "/v1/get"}, True),
    ({"safe_regex": {"regex": "/v[0-9]+/.*"}}, True),
    ({"safe_regex": {"regex": "/v1"}}, False),
    ({"safe_regex": {"regex": "(/v1)+.*"}}, None),
    ({"safe_regex": {"regex": "("}}, None),
    ({"safe_regex": {"regex": "\\pN"}}, None),
    ({"safe_regex": {"regex": "[[a]"}}, False),
    ({"connect_matcher": {}}, False),
    ({"path_match_policy": {"name": "x"}}, None),
    ({}, None),
    (header(":authority", string_match={"exact": "my-pay:80"}), True),
    (header("Host", exact_match="my-pay:80"), True),
    (header(":method", string_match={"exact": "POST"}), False),
    (header(":method", string_match={"exact": "POST"}, invert_match=True), True),
    (header(":scheme", string_match={"exact": "http"}), True),
    (header(":path", contains_match="debug"), True),
    (header("x-tenant", string_match={"prefix": "BL", "ignore_case": True}), True),
    (header("x-tenant", string_match={"suffix": "red"}), False),
    (header("x-tenant", string_match={"contains": "lu"}), True),
    (header("x-tenant", string_match={"safe_regex": {"regex": "b.*"}}), True),
    (header("x-tenant", safe_regex_match={"regex": "b"}), False),
    (header("x-tenant", string_match={"custom": {}}), None),
    (header("x-tenant", prefix_match="bl"), True),
    (header("x-tenant", suffix_match="bl"), False),
    (header("x-size", range_match={"start": "10", "end": "20"}), True),
    (header("x-size", range_match={"start": "10", "end": "15"}), False),
    (header("x-tenant", range_match={"start": "10", "end": "15"}), False),
    (header("x-tenant", present_match=True), True),
    (header("x-other", present_match=True), False),
    (header("x-other", present_match=False), True),
    (header("x-other", present_match=True, invert_match=True), True),
    (header("x-other", string_match={"exact": ""}), False),
    (header("x-other", string_match={"exact": "a"}, invert_match=True), False),
    (header("x-other", string_match={"exact": ""}, treat_missing_header_as_empty=True), True),
    (header("user-agent", string_match={"prefix": "curl"}), None),
    (header("x-request-id", present_match=True), None),
    (header("x-tenant"), None),
    (parameter("debug", string_match={"exact": "1"}), True),
    (parameter("debug", string_match={"exact": "2"}), False),
    (parameter("empty", present_match=True), True),
    (parameter("none", present_match=True), False),
    (parameter("none", string_match={"exact": ""}), False),
    (parameter("debug"), True),
    ({"prefix": "/", "runtime_fraction": {"default_value": {"numerator": 100}}}, True),
    ({"prefix": "/", "runtime_fraction": {"default_value": {"numerator": 99}}}, None),
    ({"prefix": "/x", "runtime_fraction": {"default_value": {"numerator": 99}}}, False),
    ({"prefix": "/", "runtime_fraction": {"default_value": {"numerator": 5, "denominator": "MILLION"}}}, None),
    ({"prefix": "/", "dynamic_metadata": [{}]}, None),
]


@pytest.mark.parametrize(("match", "holds"), MATCHES, ids=str)
def test_route_is_taken_if_its_conditions_hold_and_unknown_if_they_cannot_be_decided(
    match: Json, holds: bool | None
) -> None:
    route, rest = {"name": "first", "match": match}, {"name": "rest", "match": {"prefix": "/"}}
    found = http_route_of({"name": "host", "routes": [route, rest]}, REQUEST)
    unknown = RouteUnknown("route first of virtual host host has conditions that only the proxy can decide")
    assert found == {True: route, False: rest, None: unknown}[holds]


def test_virtual_host_without_a_matching_route_has_none() -> None:
    assert http_route_of({"routes": [{"match": {"path": "/other"}}]}, REQUEST) is None


def test_virtual_host_with_a_matcher_tree_is_not_guessed_at() -> None:
    assert http_route_of({"name": "host", "matcher": {}}, REQUEST) == RouteUnknown(
        "virtual host host chooses its route by a matcher tree, which is not read here"
    )


def test_regular_expression_that_would_run_away_in_python_is_left_alone() -> None:
    start = time.monotonic()
    for regex in ("(a+)+$", "(a|a)*b", ".*.*.*b", "(a{1,50}){1,50}b", "a?" * 40 + "b"):
        routes = [{"match": {"safe_regex": {"regex": regex}}}]
        found = http_route_of({"routes": routes}, OutboundRequest(RequestKind.HTTP, "", 80, path="a" * 5000))
        assert isinstance(found, RouteUnknown)
    assert time.monotonic() - start < 1
