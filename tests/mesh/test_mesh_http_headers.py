"""Headers that a sidecar is said to add, held against those that origins and clients of real sidecars saw."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from worlds.recorded import PROBES, Probe, config_of, dump_of

from kubectl_extsvc.mesh.envoy_dump import read_dump
from kubectl_extsvc.mesh.outbound_request import OutboundRequest, RequestKind
from kubectl_extsvc.mesh.routing import route_of
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.route import Route

ORIGIN_SETS = frozenset({"date", "content-type", "content-length", "x-served-by"})
CORS = frozenset({"access-control-allow-origin", "access-control-allow-credentials"})

OWN = frozenset({"accept", "host", "user-agent"})
"""What curl sends by itself; the TLS origin of these worlds does not echo Host."""

CUT_TOO_FAR = "headless-tcp"
"""The listener that took its requests is not in its dump."""

ECHOED = [
    probe for probe in PROBES if probe.headers_at_origin(probe.sidecar) is not None and probe.world != CUT_TOO_FAR
]
ANSWERED = [
    probe
    for probe in PROBES
    if probe.sidecar["status"] == 200 and probe.sidecar["exit"] == 0 and probe.world != CUT_TOO_FAR
]
"""Without answers of 400: what Envoy writes where an origin wrote no header at all is not told (date, framing)."""
REFUSED = [probe for probe in PROBES if probe.sidecar["status"] in (502, 503)]


def route(probe: Probe) -> Route:
    found = route_of(config_of(probe.world), probe.request)
    assert isinstance(found, Route), found
    return found


@pytest.mark.parametrize("probe", ECHOED, ids=lambda probe: probe.key)
def test_origin_saw_exactly_the_request_headers_that_the_route_adds(probe: Probe) -> None:
    seen = probe.headers_at_origin(probe.sidecar)
    assert seen is not None
    assert tuple(sorted(seen - OWN)) == route(probe).request_headers_added


@pytest.mark.parametrize("probe", ANSWERED, ids=lambda probe: probe.key)
def test_client_saw_exactly_the_response_headers_that_the_route_changes(probe: Probe) -> None:
    seen = frozenset(name.lower() for name in probe.sidecar["headers"])
    assert tuple(sorted(seen - ORIGIN_SETS - CORS)) == route(probe).response_headers_changed


@pytest.mark.parametrize("probe", REFUSED, ids=lambda probe: probe.key)
def test_answer_of_envoy_itself_says_server_and_has_no_service_time(probe: Probe) -> None:
    seen = frozenset(name.lower() for name in probe.sidecar["headers"])
    assert seen - ORIGIN_SETS == {"server"}
    if probe.log.flags in ("-", "NC"):
        assert route(probe).response_headers_changed == ("server",)


# One option of proxyHeaders, of a VirtualService or of an EnvoyFilter at a time, none of them in a recorded world.
# All but Istio's own metadata exchange were held against Envoy 1.40 with just this configuration.

WORLD = "vs-rewrite-authority"
REQUEST = OutboundRequest(RequestKind.HTTP, "10.96.142.245", 80, "my-pay.default.svc.cluster.local")
ALL = {
    "x-envoy-attempt-count",
    "x-envoy-decorator-operation",
    "x-envoy-original-host",
    "x-forwarded-proto",
    "x-request-id",
}
ANSWER = {"server", "x-envoy-upstream-service-time"}

Part = dict[str, Any]
Change = Callable[[Part, Part, Part, Part, Part], object]
"""(listener, manager, table, virtual host, route)"""


def changed(change: Change) -> tuple[set[str], set[str]]:
    """Request headers added and response headers changed, after a change of the recorded configuration."""
    dump = dump_of(WORLD)
    by_type = {config["@type"].rpartition(".")[2]: config for config in dump["configs"]}
    listeners = by_type["ListenersConfigDump"]["dynamic_listeners"]
    listener = next(entry for entry in listeners if entry["name"] == "0.0.0.0_80")["active_state"]["listener"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    table = by_type["RoutesConfigDump"]["dynamic_route_configs"][0]["route_config"]
    host = next(entry for entry in table["virtual_hosts"] if entry["name"] == "my-pay.default.svc.cluster.local:80")
    change(listener, manager, table, host, host["routes"][0])
    found = route_of(read_dump(dump), REQUEST)
    assert isinstance(found, Route), found
    return set(found.request_headers_added), set(found.response_headers_changed)


def router(manager: Part) -> Part:
    config: Part = manager["http_filters"][-1]["typed_config"]
    return config


def extension(kind: str, **fields: object) -> Json:
    return {"name": "x", "typed_config": {"@type": f"type.googleapis.com/{kind}", **fields}}


def header(name: str, **options: object) -> Json:
    return {"header": {"key": name, "value": "v"}, **options}


def mutation(**fields: object) -> Json:
    return extension("envoy.extensions.filters.http.header_mutation.v3.HeaderMutation", mutations=fields)


PEER = "type.googleapis.com/io.istio.http.peer_metadata.Config"


def peer_metadata(headers: Json) -> Json:
    """As Istio writes it: in a TypedStruct (istio pilot/pkg/xds/filters/filters.go:SidecarOutboundMetadataFilter)."""
    value = {"upstream_propagation": [{"istio_headers": headers}], "downstream_propagation": [{"istio_headers": {}}]}
    return extension("udpa.type.v1.TypedStruct", type_url=PEER, value=value)


PEERS = {"x-envoy-peer-metadata", "x-envoy-peer-metadata-id"}
OVERWRITE = {"append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def set_(part: Part, **fields: object) -> Part:
    part.update(fields)
    return part


CHANGES: dict[str, tuple[Change, set[str], set[str]]] = {
    "as recorded": (lambda li, m, t, v, r: None, ALL, ANSWER),
    "requestId.disabled": (lambda li, m, t, v, r: set_(m, generate_request_id=False), ALL - {"x-request-id"}, ANSWER),
    "attemptCount.disabled": (
        lambda li, m, t, v, r: v.pop("include_request_attempt_count"),
        ALL - {"x-envoy-attempt-count"},
        ANSWER,
    ),
    "server.disabled": (
        lambda li, m, t, v, r: set_(m, server_header_transformation="PASS_THROUGH"),
        ALL,
        ANSWER - {"server"},
    ),
    "envoyDebugHeaders.disabled": (
        lambda li, m, t, v, r: set_(router(m), suppress_envoy_headers=True),
        ALL - {"x-envoy-original-host"},
        {"server"},
    ),
    "envoyDebugHeaders.disabled with a timeout": (
        lambda li, m, t, v, r: (set_(router(m), suppress_envoy_headers=True), set_(r["route"], timeout="5s")),
        ALL - {"x-envoy-original-host"},
        {"server"},
    ),
    "xForwardedHost.enabled": (
        lambda li, m, t, v, r: set_(r["route"], append_x_forwarded_host=True),
        ALL | {"x-forwarded-host"},
        ANSWER,
    ),
    "xForwardedPort.enabled": (
        lambda li, m, t, v, r: set_(m, append_x_forwarded_port=True),
        ALL | {"x-forwarded-port"},
        ANSWER,
    ),
    "PILOT_SIDECAR_USE_REMOTE_ADDRESS": (
        lambda li, m, t, v, r: set_(m, use_remote_address=True),
        ALL | {"x-forwarded-for", "x-envoy-external-address"},
        ANSWER,
    ),
    "no tracing block": (lambda li, m, t, v, r: m.pop("tracing"), ALL - {"x-envoy-decorator-operation"}, ANSWER),
    "decorator not propagated": (
        lambda li, m, t, v, r: set_(r["decorator"], propagate=False),
        ALL - {"x-envoy-decorator-operation"},
        ANSWER,
    ),
    "no rewrite": (
        lambda li, m, t, v, r: r["route"].pop("host_rewrite_literal"),
        ALL - {"x-envoy-original-host"},
        ANSWER,
    ),
    "rewritten path": (
        lambda li, m, t, v, r: set_(r["route"], prefix_rewrite="/new"),
        ALL | {"x-envoy-original-path"},
        ANSWER,
    ),
    "timeout": (
        lambda li, m, t, v, r: set_(r["route"], timeout="0.500s"),
        ALL | {"x-envoy-expected-rq-timeout-ms"},
        ANSWER,
    ),
    "Envoy's own default timeout": (
        lambda li, m, t, v, r: r["route"].pop("timeout"),
        ALL | {"x-envoy-expected-rq-timeout-ms"},
        ANSWER,
    ),
    "timeout of one try": (
        lambda li, m, t, v, r: set_(r["route"]["retry_policy"], per_try_timeout="2s"),
        ALL | {"x-envoy-expected-rq-timeout-ms"},
        ANSWER,
    ),
    "VirtualService sets and removes request headers": (
        lambda li, m, t, v, r: set_(
            r,
            request_headers_to_add=[header("X-Rig", **OVERWRITE), header("y", append_action="OVERWRITE_IF_EXISTS")],
            request_headers_to_remove=["X-Envoy-Attempt-Count", "x-request-id"],
        ),
        (ALL | {"x-rig"}) - {"x-envoy-attempt-count", "x-request-id"},
        ANSWER,
    ),
    "a less specific level removes what a route added": (
        lambda li, m, t, v, r: (
            set_(r, request_headers_to_add=[header("x-rig")]),
            set_(t, request_headers_to_remove=["x-rig"]),
        ),
        ALL,
        ANSWER,
    ),
    "the most specific level wins": (
        lambda li, m, t, v, r: (
            set_(r, request_headers_to_add=[header("x-rig")]),
            set_(t, request_headers_to_remove=["x-rig"], most_specific_header_mutations_wins=True),
        ),
        ALL | {"x-rig"},
        ANSWER,
    ),
    "VirtualService sets and removes response headers": (
        lambda li, m, t, v, r: set_(
            r,
            response_headers_to_add=[header("via-us"), header("etag", append_action="OVERWRITE_IF_EXISTS")],
            response_headers_to_remove=["x-envoy-upstream-service-time", "server"],
        ),
        ALL,
        {"via-us", "etag", "server"},
    ),
    "attempt count and request id in the response": (
        lambda li, m, t, v, r: (
            set_(v, include_attempt_count_in_response=True),
            set_(m, always_set_request_id_in_response=True),
        ),
        ALL,
        ANSWER | {"x-envoy-attempt-count", "x-request-id"},
    ),
    "EnvoyFilter with header mutations": (
        lambda li, m, t, v, r: m["http_filters"].insert(
            0,
            mutation(
                request_mutations=[{"append": header("x-envoy-peer-metadata-id")}, {"remove": "x-forwarded-proto"}],
                response_mutations=[{"append": header("x-seen", append_action="OVERWRITE_IF_EXISTS")}],
            ),
        ),
        (ALL | {"x-envoy-peer-metadata-id"}) - {"x-forwarded-proto"},
        ANSWER | {"x-seen"},
    ),
    "filter that is disabled": (
        lambda li, m, t, v, r: m["http_filters"].insert(
            0, {**mutation(request_mutations=[{"append": header("x")}]), "disabled": True}
        ),
        ALL,
        ANSWER,
    ),
    "Istio's metadata exchange": (
        lambda li, m, t, v, r: m["http_filters"].insert(0, peer_metadata({})),
        ALL | PEERS,
        ANSWER,
    ),
    "metadataExchangeHeaders IN_MESH still leaks to a selector-less Service": (
        lambda li, m, t, v, r: m["http_filters"].insert(0, peer_metadata({"skip_external_clusters": True})),
        ALL | PEERS,
        ANSWER,
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_headers_follow_the_configuration(name: str) -> None:
    change, request_headers, response_headers = CHANGES[name]
    assert changed(change) == (request_headers, response_headers)


@pytest.mark.parametrize(
    ("world", "address", "host", "added"),
    [
        ("seed-externalname", "203.0.113.10", "my-httpbin.default.svc.cluster.local", set()),
        ("externalname-chain", "203.0.113.10", "my-httpbin.default.svc.cluster.local", set()),
        ("disable", "10.96.113.134", "my-httpbin-ip.default.svc.cluster.local", PEERS),
    ],
    ids=["passthrough", "ServiceEntry outside the mesh", "selector-less Service"],
)
def test_metadata_exchange_in_mesh_is_silent_toward_external_clusters_only(
    world: str, address: str, host: str, added: set[str]
) -> None:
    dump = json.dumps(dump_of(world))
    first = '"http_filters": ['
    skipping = json.dumps(peer_metadata({"skip_external_clusters": True}))
    found = route_of(
        read_dump(json.loads(dump.replace(first, f"{first}{skipping}, "))),
        OutboundRequest(RequestKind.HTTP, address, 80, host),
    )
    assert isinstance(found, Route), found
    assert set(found.request_headers_added) & PEERS == added


def test_envoy_before_1_35_keeps_no_original_host() -> None:
    dump = json.dumps(dump_of(WORLD)).replace('"minor_number": 40', '"minor_number": 34')
    found = route_of(read_dump(json.loads(dump)), REQUEST)
    assert isinstance(found, Route), found
    assert set(found.request_headers_added) == ALL - {"x-envoy-original-host"}
