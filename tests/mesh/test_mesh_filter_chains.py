"""Listener and filter chain: Envoy's own order of criteria."""

import ipaddress

import pytest

from kubectl_extsvc.mesh.envoy_dump import EnvoyConfig
from kubectl_extsvc.mesh.filter_chains import Connection, filter_chain_of, inspected, listener_of
from kubectl_extsvc.mesh.outbound_request import OutboundRequest, RequestKind
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.route import RouteUnknown


def listener(name: str, address: str, port: int, **fields: object) -> Json:
    return {"name": name, "address": {"socket_address": {"address": address, "port_value": port}}, **fields}


V4_AND_V6 = {"additional_addresses": [{"address": {"socket_address": {"address": "fd00::1", "port_value": 80}}}]}
LISTENERS = (
    listener("virtualOutbound", "0.0.0.0", 15001),
    listener("wildcard", "0.0.0.0", 80),
    listener("wildcard6", "::", 80),
    listener("compat", "::", 81),
    listener("exact", "10.0.0.1", 80, **V4_AND_V6),
    listener("dns", "0.0.0.0", 53),
)
LISTENERS[3]["address"]["socket_address"]["ipv4_compat"] = True
LISTENERS[5]["address"]["socket_address"]["protocol"] = "UDP"


@pytest.mark.parametrize(
    ("address", "port", "name"),
    [
        ("10.0.0.1", 80, "exact"),
        ("fd00::1", 80, "exact"),
        ("FD00:0::1", 80, "exact"),
        ("10.0.0.2", 80, "wildcard"),
        ("fd00::2", 80, "wildcard6"),
        ("10.0.0.2", 81, "compat"),
        ("10.0.0.1", 443, "virtualOutbound"),
        ("10.0.0.1", 53, "virtualOutbound"),
    ],
)
def test_listener_is_the_exact_then_the_wildcard_then_virtual_outbound(address: str, port: int, name: str) -> None:
    found = listener_of(EnvoyConfig(listeners=LISTENERS), OutboundRequest(RequestKind.TCP, address, port))
    assert not isinstance(found, RouteUnknown)
    assert found["name"] == name


TLS_INSPECTOR = {
    "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"}
}
HTTP_INSPECTOR = {
    "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.listener.http_inspector.v3.HttpInspector"}
}
ADDRESS = ipaddress.ip_address("10.0.0.1")


@pytest.mark.parametrize(
    ("inspectors", "kind", "seen"),
    [
        ([], RequestKind.HTTP, Connection(ADDRESS, 80)),
        ([], RequestKind.TLS, Connection(ADDRESS, 80)),
        ([HTTP_INSPECTOR], RequestKind.HTTP, Connection(ADDRESS, 80, application_protocols=("http/1.1",))),
        ([HTTP_INSPECTOR], RequestKind.TLS, Connection(ADDRESS, 80)),
        ([TLS_INSPECTOR, HTTP_INSPECTOR], RequestKind.TLS, Connection(ADDRESS, 80, "a.b", "tls", ("h2", "http/1.1"))),
        ([TLS_INSPECTOR, HTTP_INSPECTOR], RequestKind.TCP, Connection(ADDRESS, 80)),
    ],
)
def test_listener_knows_of_a_connection_only_what_its_inspectors_see(
    inspectors: list[Json], kind: RequestKind, seen: Connection
) -> None:
    assert inspected({"listener_filters": inspectors}, OutboundRequest(kind, "10.0.0.1", 80, sni="A.b")) == seen


def chain(name: str, **match: object) -> Json:
    return {"name": name, "filter_chain_match": match}


def prefixes(*ranges: str) -> list[Json]:
    return [{"address_prefix": a, "prefix_len": int(n)} for a, n in (text.split("/") for text in ranges)]


CHAINS = [
    chain("port", destination_port=15001),
    chain("narrow", prefix_ranges=prefixes("10.1.0.0/16")),
    chain("narrower", prefix_ranges=prefixes("192.0.2.0/24", "10.1.2.0/24")),
    chain("exact name", server_names=["www.example.com"]),
    chain("long suffix", server_names=["*.example.com"]),
    chain("short suffix", server_names=["*.com"]),
    chain("http", transport_protocol="raw_buffer", application_protocols=["http/1.1", "h2c"]),
    chain("h2 by TLS", transport_protocol="tls", application_protocols=["h2"]),
]


@pytest.mark.parametrize(
    ("connection", "name"),
    [
        (Connection(ADDRESS, 15001, application_protocols=("http/1.1",)), "port"),
        (Connection(ipaddress.ip_address("10.1.9.9"), 80), "narrow"),
        (Connection(ipaddress.ip_address("10.1.2.9"), 80), "narrower"),
        (Connection(ipaddress.ip_address("fd00::1"), 80), "default"),
        (Connection(ADDRESS, 443, "www.example.com", "tls"), "exact name"),
        (Connection(ADDRESS, 443, "a.b.example.com", "tls", ("h2",)), "long suffix"),
        (Connection(ADDRESS, 443, "other.com", "tls"), "short suffix"),
        (Connection(ADDRESS, 443, "example.org", "tls", ("http/1.1", "h2")), "h2 by TLS"),
        (Connection(ADDRESS, 443, ".com", "tls"), "default"),
        (Connection(ADDRESS, 80, application_protocols=("http/1.1",)), "http"),
        (Connection(ADDRESS, 80, "", "tls", ("http/1.1",)), "default"),
        (Connection(ADDRESS, 80), "default"),
    ],
)
def test_filter_chain_is_the_most_specific_in_envoys_order(connection: Connection, name: str) -> None:
    found = filter_chain_of({"filter_chains": CHAINS, "default_filter_chain": chain("default")}, connection)
    assert not isinstance(found, RouteUnknown)
    assert found["name"] == name


def test_there_is_no_way_back_from_a_more_specific_criterion() -> None:
    # Envoy does not try the chain without server names, once the name has matched one with.
    chains = [chain("name", server_names=["a.b"], application_protocols=["h2"]), chain("any")]
    connection = Connection(ADDRESS, 443, "a.b", "tls", ("http/1.1",))
    assert filter_chain_of({"name": "x", "filter_chains": chains}, connection) == RouteUnknown(
        "no filter chain of listener x matches: Envoy closes the connection (flag NR)"
    )


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (
            {"filter_chain_matcher": {}},
            "listener x chooses its filter chain by a matcher tree, which is not read here",
        ),
        (
            {"filter_chains": [chain("a", source_ports=[1])]},
            "listener x chooses its filter chain by the source address",
        ),
        (
            {"filter_chains": [chain("a", source_type="EXTERNAL")]},
            "listener x chooses its filter chain by the source address",
        ),
    ],
)
def test_choice_that_cannot_be_followed_is_said(fields: Json, reason: str) -> None:
    assert filter_chain_of({"name": "x", **fields}, Connection(ADDRESS, 80)) == RouteUnknown(reason)
