"""What istiod gives a proxy, judged by istiod's own answers; and when the objects do not tell it."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from kubectl_extsvc.mesh.istiod.client import Client
from kubectl_extsvc.mesh.istiod.computed import computed_config, computed_route
from kubectl_extsvc.mesh.outbound_request import UNKNOWN_ADDRESS, OutboundRequest, RequestKind
from kubectl_extsvc.mesh.routing import route_of
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.route import OutboundTls, Route, RouteUnknown
from kubectl_extsvc.model.snapshot import Mesh, Snapshot, Unread

FOLDER = Path(__file__).parent.parent / "worlds" / "oracle"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
KINDS = {
    "Service": "services",
    "EndpointSlice": "endpoint_slices",
    "Pod": "pods",
    "DestinationRule": "destination_rules",
    "VirtualService": "virtual_services",
    "ServiceEntry": "service_entries",
    "Sidecar": "sidecars",
}
ISTIO = Mesh(True, "v1", (1, 31))
CLIENT = Client("default", "curl-1", {"app": "curl"}, ("10.244.0.13",))
ALIAS = "my-httpbin.default.svc.cluster.local"


@cache
def world(name: str) -> Json:
    loaded: Json = json.loads((FOLDER / f"{name}.json").read_text())
    return loaded


@cache
def snapshot_of(name: str) -> Snapshot:
    told = world(name)
    return seen(*told["kube"], *told["istio"], mesh_config=told.get("mesh") or {})


def seen(*objects: Json, **more: Any) -> Snapshot:
    """The objects as read of the whole cluster, in namespace default unless they say another."""
    found: dict[str, tuple[Json, ...]] = {}
    for obj in objects:
        kind = KINDS.get(obj["kind"])
        if kind is not None:
            found[kind] = (*found.get(kind, ()), {**obj, "metadata": {"namespace": "default", **obj["metadata"]}})
    return Snapshot(**{"mesh": ISTIO, "all_namespaces": True, **found, **more})


def client_of(name: str) -> Client:
    proxy = world(name)["proxy"]
    ip = proxy.get("ip", "10.244.0.9")
    return Client(proxy["namespace"], "client", proxy.get("labels") or {}, (ip,), proxy.get("metadata") or {})


def request_of(call: Json) -> OutboundRequest:
    words = {"http": RequestKind.HTTP, "tcp": RequestKind.TCP}
    kind = RequestKind.TLS if "tls" in call else words[call["protocol"]]
    host, path, sni = (call.get(key, default) for key, default in (("host", ""), ("path", "/"), ("sni", "")))
    return OutboundRequest(kind, call["address"], call["port"], host=host, path=path, sni=sni)


CALLS = [
    pytest.param(name, number, id=f"{name}-{number}") for name in NAMES for number in range(len(world(name)["calls"]))
]


@pytest.mark.parametrize(("name", "number"), CALLS)
def test_a_request_goes_where_istiods_own_code_sends_it(name: str, number: int) -> None:
    expected = world(name)["expect"]["calls"][number]
    route = computed_route(snapshot_of(name), client_of(name), request_of(world(name)["calls"][number]))
    assert isinstance(route, Route)
    assert not route.observed
    made = {"cluster": route.envoy_cluster, "listener": route.listener, "virtual_host": route.virtual_host}
    wanted = {key: expected[key] for key in made if expected.get(key) is not None}
    assert {key: made[key] for key in wanted} == wanted
    upstream = expected.get("upstream") or {}
    if endpoints := upstream.get("endpoints"):
        told = {
            (endpoint["address"], endpoint["port"]) for endpoint in endpoints if {"address", "port"} <= endpoint.keys()
        }
        assert {(endpoint.address, endpoint.port) for endpoint in route.endpoints} >= told


@pytest.mark.parametrize(("name", "number"), CALLS)
def test_the_way_of_one_request_is_that_in_the_whole_configuration(name: str, number: int) -> None:
    request = request_of(world(name)["calls"][number])
    whole = route_of(computed_config(snapshot_of(name), client_of(name)), request)
    assert isinstance(whole, Route)
    assert computed_route(snapshot_of(name), client_of(name), request) == replace(whole, observed=False)


# --- when it cannot be told ------------------------------------------------------------------------------------------


def service(name: str = "my-httpbin", **more: Any) -> Json:
    port = {"name": "http", "port": 80}
    return {"kind": "Service", "metadata": {"name": name}, "spec": {"clusterIP": "10.96.0.7", "ports": [port], **more}}


def external(target: str = "httpbin.org") -> Json:
    return service(type="ExternalName", externalName=target, clusterIP="")


def endpoint_slice(address: str) -> Json:
    return {
        "kind": "EndpointSlice",
        "metadata": {"name": "s", "labels": {"kubernetes.io/service-name": "my-httpbin"}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 80}],
        "endpoints": [{"addresses": [address]}],
    }


def istio(kind: str, namespace: str = "default", **spec: Any) -> Json:
    return {"kind": kind, "metadata": {"name": "x", "namespace": namespace}, "spec": spec}


def unread(*plurals: str) -> dict[str, Unread]:
    return {plural: Unread(plural, "forbidden") for plural in plurals}


def way(snapshot: Snapshot, client: Client = CLIENT, **request: Any) -> str:
    """Envoy cluster of a call of the alias, or the reason why it is not known."""
    asked = {"kind": RequestKind.HTTP, "address": "10.96.0.7", "port": 80, "host": ALIAS, **request}
    route = computed_route(snapshot, client, OutboundRequest(**asked))
    return route.reason if isinstance(route, RouteUnknown) else route.envoy_cluster or f"{route.direct_response}"


OWN = f"outbound|80||{ALIAS}"
RULE = istio("DestinationRule", host=ALIAS, trafficPolicy={"tls": {"mode": "DISABLE"}})
LED = istio("VirtualService", hosts=[ALIAS], http=[{"route": [{"destination": {"host": ALIAS}}]}])


@pytest.mark.parametrize(
    ("objects", "missing", "client", "expected"),
    [
        ((service(),), "sidecars", CLIENT, OWN),
        (
            (service(),), "sidecars", replace(CLIENT, namespace="web"),
            "sidecars could not be read, and a Sidecar may keep hosts from the proxy: forbidden",
        ),
        ((service(),), "serviceentries", CLIENT, OWN),
        (
            (external(),), "serviceentries", CLIENT,
            "serviceentries could not be read, and one may claim the host, or the port: forbidden",
        ),
        (
            (service(),), "virtualservices", CLIENT,
            "virtualservices could not be read, and one may lead the request elsewhere: forbidden",
        ),
        ((service(), LED), "virtualservices", CLIENT, OWN),
        (
            (service(),), "destinationrules", CLIENT,
            "destinationrules could not be read, and one may change the TLS of the host: forbidden",
        ),
        ((service(), RULE), "destinationrules", CLIENT, OWN),
        ((external(),), "destinationrules", CLIENT, "PassthroughCluster"),
        (
            (service(),), "endpointslices", CLIENT,
            "endpointslices could not be read, and the Service's endpoints are in them: forbidden",
        ),
        ((service(),), "configmaps", CLIENT, OWN),
        (
            (external(),), "configmaps", CLIENT,
            "configmaps could not be read, and outboundTrafficPolicy decides about hosts that nobody claims: forbidden",
        ),
        (
            (external(), istio("Sidecar", outboundTrafficPolicy={"mode": "ALLOW_ANY"})), "configmaps", CLIENT,
            "PassthroughCluster",
        ),
    ],
)  # fmt: skip
def test_what_was_not_read_makes_the_way_unknown_unless_it_cannot_matter(
    objects: tuple[Json, ...], missing: str, client: Client, expected: str
) -> None:
    assert way(seen(*objects, unread=unread(missing)), client) == expected


def test_where_services_of_one_namespace_were_read_an_http_port_elsewhere_may_decide() -> None:
    objects = external()
    assert way(seen(objects, all_namespaces=False)) == (
        "Services of other namespaces were not read; one with an HTTP port 80 would make the proxy read the request as "
        "HTTP"
    )
    assert way(seen(objects, all_namespaces=False), kind=RequestKind.TLS, sni="httpbin.org") == "PassthroughCluster"
    assert way(seen(service(), all_namespaces=False)) == OWN


def test_a_target_in_a_namespace_that_was_not_read_may_be_a_service() -> None:
    snapshot = seen(external("pay.backend.svc.cluster.local"), service("other"), all_namespaces=False)
    assert way(snapshot) == (
        "Services of namespace backend were not read, and pay.backend.svc.cluster.local may be one"
    )


def elsewhere(obj: Json, name: str = "pay") -> Json:
    return {**obj, "metadata": {**obj["metadata"], "name": name, "namespace": "backend"}}


@pytest.mark.parametrize(
    ("known", "selector", "expected"),
    [
        (None, {"app": "pay"}, "outbound|80||pay.backend.svc.cluster.local"),
        ({"default", "backend"}, {"app": "pay"}, "outbound|80||pay.backend.svc.cluster.local"),
        (
            {"default"}, {"app": "pay"},
            "EndpointSlices of namespace backend were not read, and those of pay.backend.svc.cluster.local are there",
        ),
        # What no selector makes is read everywhere.
        ({"default"}, None, "outbound|80||pay.backend.svc.cluster.local"),
    ],
)  # fmt: skip
def test_endpoints_of_a_target_whose_slices_were_not_read_are_not_taken_for_none(
    known: set[str] | None, selector: Json | None, expected: str
) -> None:
    target = elsewhere(service(clusterIP="10.96.0.9", selector=selector))
    snapshot = seen(external("pay.backend.svc.cluster.local"), target, slice_namespaces=known)
    assert way(snapshot, address="10.96.0.9") == expected


@pytest.mark.parametrize(
    ("address", "known", "expected"),
    [
        ("10.244.0.7", {"default"}, "EndpointSlices of namespace backend were not read; db.backend.svc.cluster.local "
         "takes TCP connections to its pods at port 9042, and 10.244.0.7 may be one"),
        ("10.244.0.7", {"default", "backend"}, "PassthroughCluster"),
        # The address of no pod, and that of a Service.
        ("203.0.113.10", {"default"}, "PassthroughCluster"),
        ("10.96.0.7", {"default"}, f"outbound|9042||{ALIAS}"),
    ],
)  # fmt: skip
def test_pods_of_a_headless_service_elsewhere_may_take_the_connection(
    address: str, known: set[str], expected: str
) -> None:
    port = {"name": "tcp", "port": 9042}
    headless = elsewhere(service(clusterIP="None", selector={"app": "db"}, ports=[port]), "db")
    snapshot = seen(service(ports=[port]), headless, slice_namespaces=known)
    assert way(snapshot, kind=RequestKind.TCP, address=address, port=9042, host="") == expected


def test_a_virtual_service_that_delegates_is_not_followed() -> None:
    delegating = istio("VirtualService", hosts=[ALIAS], http=[{"delegate": {"name": "other"}}])
    assert way(seen(service(), delegating)) == (
        "a VirtualService on the host delegates to another, which is not followed"
    )


def test_a_name_that_was_not_resolved_may_lead_to_an_address_that_somebody_takes() -> None:
    port = {"number": 443, "name": "tcp", "protocol": "TCP"}
    entry = istio("ServiceEntry", hosts=["pay.example"], addresses=["203.0.113.20"], ports=[port])
    tls: dict[str, Any] = {"kind": RequestKind.TLS, "port": 443, "sni": "httpbin.org", "host": ""}
    assert way(seen(external(), entry), address=UNKNOWN_ADDRESS, **tls) == (
        "the address that the name leads to is not known, and pay.example takes TCP connections to its own addresses "
        "at port 443"
    )
    assert way(seen(external(), entry), address="203.0.113.10", **tls) == "PassthroughCluster"


@pytest.mark.parametrize(
    ("address", "mode"), [("203.0.113.10", OutboundTls.AUTO_PLAINTEXT), ("10.244.0.9", OutboundTls.UNKNOWN)]
)
def test_without_pods_an_address_within_the_cluster_may_take_the_meshs_tls(address: str, mode: OutboundTls) -> None:
    snapshot = seen(service(), endpoint_slice(address), unread=unread("pods"))
    route = computed_route(snapshot, CLIENT, OutboundRequest(RequestKind.HTTP, "10.96.0.7", 80, host=ALIAS))
    assert isinstance(route, Route)
    assert route.tls.mode is mode


@pytest.mark.parametrize(
    ("address", "asked", "mode"),
    [
        ("203.0.113.10", [], OutboundTls.AUTO_PLAINTEXT),
        ("10.244.0.9", ["10.244.0.9"], OutboundTls.AUTO_PLAINTEXT),
        ("10.244.0.9", ["10.0.0.1"], OutboundTls.UNKNOWN),
        ("10.244.0.9", [], OutboundTls.UNKNOWN),
    ],
)
def test_an_address_within_the_cluster_whose_pod_was_not_asked_for_may_take_the_meshs_tls(
    address: str, asked: list[str], mode: OutboundTls
) -> None:
    snapshot = seen(service(), endpoint_slice(address), pods_at=frozenset(asked))
    route = computed_route(snapshot, CLIENT, OutboundRequest(RequestKind.HTTP, "10.96.0.7", 80, host=ALIAS))
    assert isinstance(route, Route)
    assert route.tls.mode is mode


def test_a_pod_of_a_slice_that_was_not_read_may_take_the_meshs_tls() -> None:
    of_a_pod = endpoint_slice("203.0.113.10")
    of_a_pod["endpoints"][0]["targetRef"] = {"kind": "Pod", "name": "web-1"}
    request = OutboundRequest(RequestKind.HTTP, "10.96.0.7", 80, host=ALIAS)
    route = computed_route(seen(service(), of_a_pod), CLIENT, request)
    assert isinstance(route, Route)
    assert route.tls.mode is OutboundTls.UNKNOWN


def entry(name: str, created: str = "2026-01-01T00:00:09Z", host: str = "pay.example", **spec: Any) -> Json:
    ports = [{"number": 80, "name": "http", "protocol": "HTTP"}]
    found = istio("ServiceEntry", hosts=[host], **{"ports": ports, "resolution": "DNS", **spec})
    return {**found, "metadata": {"name": name, "namespace": "default", "creationTimestamp": created}}


def way_to_pay(*entries: Json, host: str = "pay.example", **request: Any) -> str:
    return way(seen(*entries), address="203.0.113.10", host=host, **request)


def test_which_of_two_equally_old_entries_counts_is_chance_where_they_differ() -> None:
    by_name, by_address = entry("a"), entry("b", resolution="NONE")
    chance = (
        "serviceentry/a and serviceentry/b in namespace default are equally old, and istiod takes them in an order of "
        "chance"
    )
    assert way_to_pay(by_name, by_address) == chance
    assert way_to_pay(by_name, by_address, host="other.example") == "PassthroughCluster"
    assert way_to_pay(by_name, entry("b")) == "outbound|80||pay.example"
    younger = entry("b", "2026-01-01T00:00:10Z", resolution="NONE")
    assert way_to_pay(by_name, younger) == "outbound|80||pay.example"


def test_which_of_three_equally_old_entries_counts_is_chance_too() -> None:
    assert "order of chance" in way_to_pay(entry("a"), entry("b", resolution="NONE"), entry("c"))
    assert "order of chance" in way_to_pay(entry("a"), entry("b"), entry("c", resolution="NONE"))


def test_which_address_of_an_entry_is_a_name_of_its_host_is_chance() -> None:
    two = entry("a", addresses=["203.0.113.10", "203.0.113.11"])
    assert way_to_pay(two) == "outbound|80||pay.example"
    assert way_to_pay(two, host="203.0.113.11") == (
        "serviceentry/a in namespace default has several addresses, and istiod takes them in an order of chance"
    )


BY_CHANCE = "several hosts have one name or address at port 80, and istiod gives it to one of them by chance"


def test_whose_an_address_is_that_two_hosts_have_is_chance_where_it_is_the_host_header() -> None:
    two = (entry("a", addresses=["203.0.113.10"]), entry("b", host="shop.example", addresses=["203.0.113.10"]))
    assert way_to_pay(*two, host="203.0.113.10") == BY_CHANCE
    assert way_to_pay(*two) == "outbound|80||pay.example"
    led = istio("VirtualService", hosts=["pay.example"], http=[{"route": [{"destination": {"host": "pay.example"}}]}])
    assert way_to_pay(*two, led, host="203.0.113.10") == "outbound|80||pay.example"


def test_whose_a_name_is_that_an_external_name_service_and_an_entry_bear_is_chance() -> None:
    target, squatter = entry("a", host="httpbin.org"), entry("b", host=ALIAS)
    assert way(seen(external(), target, squatter)) == BY_CHANCE
    assert way(seen(external(), target)) == "outbound|80||httpbin.org"
    elsewhere = entry("b", host=ALIAS, ports=[{"number": 8080, "name": "http", "protocol": "HTTP"}])
    assert way(seen(external(), target, elsewhere)) == "outbound|80||httpbin.org"
    assert way(seen(external(), squatter)) == OWN


def test_two_filter_chains_for_one_name_are_refused() -> None:
    tls: dict[str, Any] = {"ports": [{"number": 443, "name": "tls", "protocol": "TLS"}]}
    objects = (external(), entry("a", host="httpbin.org", **tls), entry("b", host=ALIAS, **tls))
    asked: dict[str, Any] = {"kind": RequestKind.TLS, "port": 443, "host": "", "address": "203.0.113.10"}
    assert way(seen(*objects), **asked, sni=ALIAS) == (
        f"an ExternalName Service and a ServiceEntry have the host {ALIAS}, and Envoy refuses their listener"
    )
    assert way(seen(*objects), **asked, sni="httpbin.org") == "outbound|443||httpbin.org"


def test_whose_the_listener_of_such_a_name_is_is_chance_by_any_host_header() -> None:
    found_out = [{"number": 80, "name": "web"}]
    squatter = entry("b", host=ALIAS, ports=found_out, addresses=["203.0.113.10"])
    objects = (external(), entry("a", host="httpbin.org"), squatter)
    asked: dict[str, Any] = {"host": "en.wikipedia.org", "address": "203.0.113.10"}
    assert way(seen(*objects), **asked) == BY_CHANCE
    assert way(seen(external(), squatter), **asked) == OWN


def test_which_of_two_listeners_gets_the_routes_that_both_ask_for_is_chance() -> None:
    """The other has none, and answers 404: the tables of a port share one list of virtual hosts."""
    found_out: Json = {"ports": [{"number": 80, "name": "web"}]}
    target = entry("a", host="httpbin.org", addresses=["203.0.113.10"], **found_out)
    squatter = entry("b", host=ALIAS, addresses=["203.0.113.20"], **found_out)
    led = istio("VirtualService", hosts=["httpbin.org"], http=[{"route": [{"destination": {"host": "httpbin.org"}}]}])
    for led_or_not in ([], [led]):
        objects = seen(external(), target, squatter, *led_or_not)
        assert way(objects, address="203.0.113.10", host="httpbin.org") == BY_CHANCE
        assert way(objects, address="203.0.113.20", host=ALIAS) == BY_CHANCE
    without_listener = entry("b", host=ALIAS, **found_out)
    for others in ([external()], [squatter], [external(), without_listener, led]):
        assert way(seen(target, *others), address="203.0.113.10", host="httpbin.org") == "outbound|80||httpbin.org"
    assert way(seen(external(), squatter), address="203.0.113.20", host=ALIAS) == OWN


def test_without_istio_no_proxy_has_a_way() -> None:
    assert way(seen(service(), mesh=Mesh(False))) == "the cluster has no Istio"
