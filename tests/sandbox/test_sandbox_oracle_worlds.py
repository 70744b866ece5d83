"""Istiod's own code judges the control plane: the way that it found for each call of tests/worlds/oracle."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sandbox.sidecar_worlds import key_of, made_of

from kubectl_extsvc.mesh.envoy_dump import BLACK_HOLE, EnvoyConfig
from kubectl_extsvc.mesh.istiod.client import Client
from kubectl_extsvc.mesh.outbound_request import OutboundRequest, RequestKind
from kubectl_extsvc.mesh.routing import route_of
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.route import OutboundTls, Route
from kubectl_extsvc.sandbox.api.store import Store

FOLDER = Path(__file__).parent.parent / "worlds" / "oracle"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))


@cache
def world(name: str) -> Json:
    loaded: Json = json.loads((FOLDER / f"{name}.json").read_text())
    return loaded


@cache
def generated(name: str) -> EnvoyConfig:
    told, store = world(name), Store()
    for obj in (*told["kube"], *told["istio"]):
        store.put(key_of(obj["kind"]), {**obj, "metadata": {"namespace": "default", **obj["metadata"]}})
    proxy = told["proxy"]
    ip = proxy.get("ip", "10.244.0.9")
    client = Client(proxy["namespace"], "client", proxy.get("labels") or {}, (ip,), proxy.get("metadata") or {})
    mesh = told.get("mesh") or {}
    data = {"mesh": json.dumps(mesh)}
    metadata = {"name": "istio", "namespace": "istio-system"}
    store.put("configmaps", {"kind": "ConfigMap", "metadata": metadata, "data": data})
    return made_of(store, client)


def request_of(call: Json) -> OutboundRequest:
    words = {"http": RequestKind.HTTP, "tcp": RequestKind.TCP}
    kind = RequestKind.TLS if "tls" in call else words[call["protocol"]]
    host, path, sni = (call.get(key, default) for key, default in (("host", ""), ("path", "/"), ("sni", "")))
    return OutboundRequest(kind, call["address"], call["port"], host=host, path=path, sni=sni)


def way(route: Route, name: str) -> Json:
    """A route in the words of the worlds."""
    cluster = generated(name).clusters.get(route.envoy_cluster, {})
    metadata = cluster.get("metadata", {}).get("filter_metadata", {}).get("istio", {})
    return {
        "cluster": route.envoy_cluster or None,
        "listener": route.listener,
        "virtual_host": route.virtual_host,
        "destination_rule": metadata.get("config"),
        "type": route.cluster_type,
        "tls": tls_word(route.tls.mode, route.envoy_cluster),
    }


def tls_word(mode: OutboundTls, cluster: str) -> str:
    match mode:
        case OutboundTls.NONE:
            return "blackhole" if cluster == BLACK_HOLE else "passthrough"
        case OutboundTls.DISABLE | OutboundTls.AUTO_PLAINTEXT:
            return "plaintext"
    return str(mode)


def expected_way(expected: Json) -> Json:
    upstream: dict[str, Any] = expected.get("upstream") or {}
    wanted: Json = {key: expected[key] for key in ("cluster", "listener", "virtual_host") if key in expected}
    wanted |= {key: upstream[key] for key in ("destination_rule", "type") if key in upstream}
    if (upstream.get("tls") or {}).get("mode"):
        wanted["tls"] = upstream["tls"]["mode"]
    return wanted


NOT_HELD = {"dynamic-dns": "ALLOW_ANY_DYNAMIC_DNS: Envoy itself would ask the real DNS"}
"""Worlds that are not compared, each with the reason."""

CALLS = [
    pytest.param(name, number, id=f"{name}-{number}")
    for name in NAMES
    if name not in NOT_HELD
    for number in range(len(world(name)["calls"]))
]


@pytest.mark.parametrize(("name", "number"), CALLS)
def test_way_of_a_call_is_istiods(name: str, number: int) -> None:
    expected = expected_way(world(name)["expect"]["calls"][number])
    route = route_of(generated(name), request_of(world(name)["calls"][number]))
    assert isinstance(route, Route)
    made = way(route, name)
    assert {key: made[key] for key in expected} == expected
