"""Our replay of Istio's laws against the answers of istiod's own code (istio.io/istio eed52ebb66ad, release-1.31).

A world is one JSON file: objects (kube, istio), the client (proxy), its calls and, in the same order, what istiod's
configuration makes of each (expect.calls; only what the claim is about; null: must be absent).
"""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from kubectl_extsvc.mesh.aliases import aliases_in
from kubectl_extsvc.mesh.destination_rules import RegistryHost, credential_is_ignored, decision_on, route_host
from kubectl_extsvc.mesh.hosts import name_forms
from kubectl_extsvc.mesh.ports import protocol_of
from kubectl_extsvc.mesh.registry import registered
from kubectl_extsvc.model.alias import Alias, AppProtocol
from kubectl_extsvc.model.resources import ObjectRef
from kubectl_extsvc.model.route import RuleDecision
from kubectl_extsvc.model.snapshot import Mesh, Snapshot
from kubectl_extsvc.model.source import MeshMode, Source

WORLDS = Path(__file__).parent.parent / "worlds" / "oracle"


def names(*prefixes: str) -> list[str]:
    """Names of the worlds, all or those that begin with one of the prefixes."""
    return sorted(path.stem for path in WORLDS.glob("*.json") if path.stem.startswith(prefixes or ""))


@cache
def world(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((WORLDS / f"{name}.json").read_text())
    for obj in (*loaded["kube"], *loaded["istio"]):
        obj["metadata"].setdefault("namespace", "default")
    return loaded


def snapshot_of(name: str) -> Snapshot:
    objects = [*world(name)["kube"], *world(name)["istio"]]

    def of_kind(kind: str) -> tuple[dict[str, Any], ...]:
        return tuple(obj for obj in objects if obj["kind"] == kind)

    return Snapshot(
        services=of_kind("Service"),
        endpoint_slices=of_kind("EndpointSlice"),
        destination_rules=of_kind("DestinationRule"),
        virtual_services=of_kind("VirtualService"),
        service_entries=of_kind("ServiceEntry"),
        sidecars=of_kind("Sidecar"),
        mesh=Mesh(installed=True, api_version="v1", version=(1, 31)),
    )


def client_of(name: str) -> Source:
    proxy = world(name)["proxy"]
    labels = tuple(sorted((proxy.get("labels") or {}).items()))
    return Source(proxy["namespace"], "client", "app", MeshMode.SIDECAR, labels)


def calls_of(name: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """(call, what is expected of it)."""
    return list(zip(world(name)["calls"], world(name)["expect"].get("calls", ()), strict=True))


PASSTHROUGH = ("PassthroughCluster", "BlackHoleCluster", "AllowAnyDynamicDNSCluster")


NOT_BY_A_RULE = ("endpoint-is-mesh-pod", "headless-mesh-pod")
"""Worlds in which the endpoints' pods bring about the mesh's TLS, and no rule."""


def envoy_clusters() -> list[Any]:
    """Every call of every world that ends in a whole Envoy cluster of the mesh, of which something is said."""
    return [
        pytest.param(name, number, id=f"{name}-{number}")
        for name in names()
        if name not in NOT_BY_A_RULE
        for number, (_, expected) in enumerate(calls_of(name))
        if "outbound|" in (expected.get("cluster") or "") and "||" in expected["cluster"] and "upstream" in expected
    ]


def decided(name: str, cluster: str) -> tuple[Snapshot, RuleDecision, int]:
    snapshot, client = snapshot_of(name), client_of(name)
    _, port, _, host = cluster.split("|")
    known = registered(host, snapshot, client.namespace)
    assert known is not None, f"{host} must be in the registry, since it has an Envoy cluster"
    decision = decision_on(RegistryHost(host, known.namespace, int(port)), client, snapshot)
    return snapshot, decision, int(port)


def metadata_path(ref: ObjectRef | None) -> str | None:
    if ref is None:
        return None
    return f"/apis/networking.istio.io/v1/namespaces/{ref.namespace}/destination-rule/{ref.name}"


def tls_on_the_wire(snapshot: Snapshot, decision: RuleDecision, port: int) -> str:
    """Mode towards an endpoint outside the mesh, in the worlds' words."""
    rule = next((r for r in snapshot.destination_rules if ObjectRef.of(r) == decision.rule), None)
    if rule is None or decision.mode in ("", "DISABLE") or credential_is_ignored(rule, port):
        return "plaintext"
    return decision.mode


@pytest.mark.parametrize(("name", "number"), envoy_clusters())
def test_computed_rule_and_mode_are_istios(name: str, number: int) -> None:
    expected = calls_of(name)[number][1]
    snapshot, decision, port = decided(name, expected["cluster"])
    upstream = expected["upstream"]
    endpoints = upstream.get("endpoints", [])
    computed = {"destination_rule": metadata_path(decision.named)}
    wanted = {key: upstream[key] for key in ("destination_rule",) if key in upstream}
    if upstream.get("tls", {}).get("mode"):
        wanted["tls"] = upstream["tls"]["mode"]
    elif endpoints and endpoints[-1].get("tls", {}).get("mode"):
        # The last one is outside the mesh in all worlds that have several.
        wanted["tls"] = endpoints[-1]["tls"]["mode"]
    computed["tls"] = tls_on_the_wire(snapshot, decision, port)
    assert {key: value for key, value in computed.items() if key in wanted} == wanted


def test_all_families_of_worlds_about_rules_are_replayed() -> None:
    replayed = {str(param.values[0]) for param in envoy_clusters()}
    about_rules = names(
        "lookup-", "merge-", "selector-", "wildcard-", "port-level-", "rule-without-tls", "export-to-hides-rule"
    )
    assert len(about_rules) == 39
    assert set(about_rules) - replayed == set()


NOT_BY_THE_ALIASS_NAME = {
    ("clusterip-http", 3): "the ClusterIP is dialled with a foreign Host header, which leaves by allow_any",
    ("headless-auto", 2): "an address is dialled that is none of the alias's",
    ("http-name-on-443", 1): "TLS is spoken to a port that is named http",
}
"""Calls that reach the address of an alias but not its host, each with the reason."""


def called_alias(name: str, call: dict[str, Any]) -> Alias | None:
    client = client_of(name)
    for alias in aliases_in(snapshot_of(name)):
        forms = name_forms(alias.name, alias.namespace, client.namespace)
        if call.get("host") in forms or call.get("sni") in forms or call["address"] in alias.cluster_ips:
            return alias
    return None


def called_aliases() -> list[Any]:
    """Every call of an alias of which the taken Envoy cluster is known."""
    return [
        pytest.param(name, number, id=f"{name}-{number}")
        for name in names()
        for number, (call, expected) in enumerate(calls_of(name))
        if expected.get("cluster") and called_alias(name, call) is not None
        if (name, number) not in NOT_BY_THE_ALIASS_NAME
    ]


@pytest.mark.parametrize(("name", "number"), called_aliases())
def test_host_that_takes_an_aliass_call_is_istios(name: str, number: int) -> None:
    call, expected = calls_of(name)[number]
    alias = called_alias(name, call)
    assert alias is not None
    target = route_host(alias, snapshot_of(name), port=call["port"], client_namespace=client_of(name).namespace)
    computed = f"outbound|{target.port}||{target.host}" if target else "passthrough"
    of_any_subset = re.sub(r"\|[^|]+(?=\|[^|]+$)", "|", expected["cluster"])
    wanted = "passthrough" if expected["cluster"] in PASSTHROUGH else of_any_subset
    assert computed == wanted


def protocol_calls() -> list[Any]:
    """Calls of a Service's port of which it is known whether the proxy reads them as HTTP."""
    return [
        pytest.param(name, number, id=f"{name}-{number}")
        for name in names("protocol-")
        for number, (_, expected) in enumerate(calls_of(name))
        if "http" in expected and "listener" in expected
    ]


@pytest.mark.parametrize(("name", "number"), protocol_calls())
def test_protocol_of_a_port_is_istios(name: str, number: int) -> None:
    call, expected = calls_of(name)[number]
    service = next(s for s in snapshot_of(name).services if s["spec"]["clusterIP"] == call["address"])
    port = next(p for p in service["spec"]["ports"] if p["port"] == call["port"])
    protocol = protocol_of(port.get("name", ""), port.get("appProtocol"), port["port"], port["protocol"])
    # HTTP ports share one listener for all addresses; automatic ones have the Service's own, and look for HTTP in it.
    by_name = expected["listener"] == f"0.0.0.0_{call['port']}"
    kind = "HTTP" if protocol.is_http else "Auto" if protocol is AppProtocol.AUTO else "TCP"
    assert kind == ("HTTP" if by_name else "Auto" if expected["http"] else "TCP")


@pytest.mark.parametrize(
    "name",
    [
        "oldest-service-entry-wins",
        "service-entry-of-client-namespace",
        "recipe-tls-origination",
        "recipe-fixed-ips-origination",
        "se-resolution-none",
    ],
)
def test_number_dialled_at_the_target_is_istios(name: str) -> None:
    call, expected = calls_of(name)[0]
    alias = called_alias(name, call)
    assert alias is not None
    dialled = {port.number: port.target_port for port in alias.ports}[call["port"]]
    assert dialled == expected["upstream"]["endpoints"][0]["port"]
