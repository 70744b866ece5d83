"""Whatever a dump is, reading it and asking it for routes raises nothing."""

import json
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from worlds.recorded import FOLDER, NAMES, PROBES, dump_of

from kubectl_extsvc.mesh.envoy_dump import EnvoyConfig, parse_dump, read_dump
from kubectl_extsvc.mesh.outbound_request import OutboundRequest, RequestKind
from kubectl_extsvc.mesh.routing import route_of, unasked
from kubectl_extsvc.model.route import Route, RouteUnknown

Place = tuple[str | int, ...]

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["*", "0s", "::"])
)
JUNK = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
SOME_REQUESTS = (
    OutboundRequest(RequestKind.TCP, "203.0.113.10", 80),
    OutboundRequest(RequestKind.HTTP, "::1", 80, host="a:b", path="?#"),
    OutboundRequest(RequestKind.TLS, "10.96.0.1", 443, sni="httpbin.org"),
)


def requests_of(world: str) -> list[OutboundRequest]:
    return [probe.request for probe in PROBES if probe.world == world] + list(SOME_REQUESTS)


def places(value: Any, at: Place = ()) -> list[Place]:
    """The way to every value inside."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, inner in inside for place in ((*at, key), *places(inner, (*at, key)))]


@cache
def damageable(world: str) -> tuple[Place, ...]:
    """Places that reading looks at; what traces and logs say is left alone, so that damage hits what matters."""
    return tuple(place for place in places(dump_of(world)) if not {"access_log", "custom_tags"} & set(place))


def damaged(dump: Any, place: Place, junk: Any, *, delete: bool) -> None:
    """Changes the value at a place that an earlier damage may have taken away."""
    for key in place[:-1]:
        try:
            dump = dump[key]
        except (KeyError, IndexError, TypeError):
            return
    last = place[-1]
    there = (isinstance(dump, dict) and last in dump) or (
        isinstance(dump, list) and isinstance(last, int) and last < len(dump)
    )
    if there and delete:
        del dump[last]
    elif there:
        dump[last] = junk


def all_answered(config: EnvoyConfig, requests: list[OutboundRequest]) -> bool:
    routes = [route_of(config, request) for request in requests]
    unasked(config, requests)
    told = (config.istio_version, config.namespace, config.labels, config.interception_mode)
    return len(told) == 4 and all(isinstance(route, Route | RouteUnknown) for route in routes)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_dump_that_is_damaged_in_some_places_is_still_answered(data: st.DataObject) -> None:
    world = data.draw(st.sampled_from(NAMES))
    dump = dump_of(world)
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.sampled_from(damageable(world)))
        damaged(dump, place, data.draw(JUNK), delete=data.draw(st.booleans()))
    assert all_answered(read_dump(dump), requests_of(world))


@pytest.mark.parametrize("world", ["recipe-externalname-tls-origination", "unnamed-port", "passthrough-dynamic-dns"])
@pytest.mark.parametrize("junk", [None, 7, -1, "x", True, [], {}, [None], [{}], {"a": []}, 1e308])
def test_dump_is_answered_with_junk_at_any_one_place(world: str, junk: Any) -> None:
    requests = requests_of(world)
    for place in damageable(world)[::7]:
        dump = dump_of(world)
        damaged(dump, place, junk, delete=False)
        assert all_answered(read_dump(dump), requests), place


@given(JUNK)
def test_dump_that_is_none_is_read_as_an_empty_one(junk: Any) -> None:
    assert read_dump(junk) == EnvoyConfig()


@settings(deadline=None)
@given(st.sampled_from(NAMES), st.integers(0, 30_000))
def test_text_that_is_cut_off_is_no_dump(world: str, length: int) -> None:
    text = (FOLDER / f"{world}.json").read_text()
    assert isinstance(parse_dump(text[: min(length, len(text.rstrip()) - 1)]), RouteUnknown)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the proxy's config_dump is not JSON: it is empty"),
        (b"", "the proxy's config_dump is not JSON: it is empty"),
        (
            "error: unexpected status\n 404\x1b[31m",
            "the proxy's config_dump is not JSON: error: unexpected status 404 [31m",
        ),
        (b"\xff\xfe", "the proxy's config_dump is not JSON: \ufffd\ufffd"),
        ("[" * 100_000, f"the proxy's config_dump is not JSON: {'[' * 120}"),
        ('{"a": ' + "9" * 5000 + "}", f'the proxy\'s config_dump is not JSON: {{"a": {"9" * 114}'),
    ],
    ids=["empty", "empty bytes", "words of the proxy", "not UTF-8", "too deep", "number too long"],
)
def test_what_is_not_json_is_told_in_one_clean_line(text: str | bytes, reason: str) -> None:
    assert parse_dump(text) == RouteUnknown(reason)


def test_control_characters_of_a_dump_reach_no_route() -> None:
    dump = json.dumps(dump_of("disable")).replace("my-httpbin-ip.default.svc.cluster.local:80", "a\\u001b[2Jb\\u202e")
    request = OutboundRequest(RequestKind.HTTP, "10.96.113.134", 80, "my-httpbin-ip")
    route = route_of(read_dump(json.loads(dump)), request)
    assert isinstance(route, Route), route
    assert route.virtual_host == "a[2Jb"
