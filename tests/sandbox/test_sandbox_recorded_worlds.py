"""The recorded worlds judge the control plane: what it makes of their objects is what the real mesh had."""

import asyncio
import contextlib
import shlex
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from sandbox.sidecar_worlds import CLIENT, generated, store_of
from worlds.recorded import NAMES, PROBES, LogLine, Probe, config_of
from worlds.recorded import _log_line as log_line

from kubectl_extsvc.mesh.envoy_dump import FULL_DUMP, EnvoyConfig, parse_dump
from kubectl_extsvc.mesh.routing import route_of
from kubectl_extsvc.model.resources import BY_KIND, Json
from kubectl_extsvc.model.route import Route, RouteUnknown
from kubectl_extsvc.sandbox.api.store import Store
from kubectl_extsvc.sandbox.outside import pki
from kubectl_extsvc.sandbox.outside.network import LOOPBACK, Network
from kubectl_extsvc.sandbox.outside.servers import outside
from kubectl_extsvc.sandbox.pods.capture import captured
from kubectl_extsvc.sandbox.pods.kube_proxy import endpoints_of
from kubectl_extsvc.sandbox.sidecar.sidecars import Sidecar, Sidecars

NOT_HELD = {
    "passthrough-dynamic-dns": "ALLOW_ANY_DYNAMIC_DNS: Envoy itself would ask the real DNS for the Host header",
    "headless-tcp": "its recorded dump was cut too far: the listener that took the connection is not in it",
    "mutual-secret-not-readable": "rights of service accounts are not held: a Secret that is there can be read",
}
"""Worlds that are not compared, each with the reason."""
NOT_CALLED = {
    "endpoint-silent/http": "takes Envoy three connect timeouts, 30 seconds",
}
"""Probes that are not made, each with the reason."""


@pytest.mark.parametrize("probe", [pytest.param(p, id=p.key) for p in PROBES if p.world not in NOT_HELD])
def test_way_of_a_request_is_the_recorded_one(probe: Probe) -> None:
    made, recorded = (route_of(config, probe.request) for config in (generated(probe.world), config_of(probe.world)))
    assert isinstance(recorded, Route)
    assert made == recorded


POD: Json = {
    "kind": "Pod",
    "metadata": {"name": "curl-1", "namespace": "default", "uid": "1", "labels": {"app": "curl"}},
    "spec": {"initContainers": [{"name": "istio-proxy"}], "serviceAccountName": "curl"},
    "status": {"podIP": CLIENT.ip},
}
CLOSED_EARLY = (52, 56)
"""curl's exit when a connection is closed before any answer: which one is chance."""

Outcome = tuple[int, int, LogLine]
"""curl's exit code, HTTP status, and what the access log says."""


async def test_real_envoy_does_with_every_recorded_call_what_the_real_sidecar_did() -> None:
    worlds = [world for world in NAMES if world not in NOT_HELD]
    store, network = Store(), Network()
    done: dict[str, Outcome] = {}
    routes: dict[str, list[Route | RouteUnknown]] = {}
    with tempfile.TemporaryDirectory() as folder:
        async with outside(network, "run"), Sidecars(store, network, Path(folder)) as sidecars:
            sidecar = await sidecars.of(POD)
            assert sidecar is not None
            for world in worlds:
                become(store, store_of(world))
                probes = [probe for probe in PROBES if probe.world == world]
                routes[world] = await settled(sidecar, probes, recorded_routes(probes))
                for probe in probes:
                    if probe.key not in NOT_CALLED:
                        done[probe.key] = await called(probe, sidecar, store, network)
    network.close()
    assert routes == {world: recorded_routes(probe for probe in PROBES if probe.world == world) for world in worlds}
    called_probes = [probe for probe in PROBES if probe.world in worlds and probe.key not in NOT_CALLED]
    assert done == {
        probe.key: outcome(probe.sidecar["exit"], probe.sidecar["status"], probe.log) for probe in called_probes
    }


def become(store: Store, other: Store) -> None:
    """The store holds another's objects, and no more its own."""
    keys = ("configmaps", "secrets", *(kind.qualified_plural for kind in BY_KIND.values()))
    for key in dict.fromkeys(keys):
        for obj in store.items(key):
            store.remove(key, obj["metadata"]["namespace"], obj["metadata"]["name"])
        for obj in other.items(key):
            store.put(key, obj)


def recorded_routes(probes: Iterable[Probe]) -> list[Route | RouteUnknown]:
    return [route_of(config_of(probe.world), probe.request) for probe in probes]


async def settled(
    sidecar: Sidecar, probes: list[Probe], wanted: list[Route | RouteUnknown]
) -> list[Route | RouteUnknown]:
    """The routes that the real Envoy has: the wanted ones, or what it has after ten seconds."""
    routes: list[Route | RouteUnknown] = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(10):
            while routes != wanted:
                status, dump = await sidecar.admin("GET", FULL_DUMP)
                config = parse_dump(dump)
                assert status == 200
                assert isinstance(config, EnvoyConfig)
                routes = [route_of(config, probe.request) for probe in probes]
                await asyncio.sleep(0.02)
    return routes


async def called(probe: Probe, sidecar: Sidecar, store: Store, network: Network) -> Outcome:
    """The same curl, its connection captured."""
    address, _, port = probe.log.dialled.rpartition(":")
    destination = (address, int(port))
    leads_to = network.port_of(*endpoints_of(*destination, store)[0])
    arguments = shlex.split(probe.sidecar["args"])
    for option in ("--connect-to", "--resolve"):
        if option in arguments:
            del arguments[arguments.index(option) : arguments.index(option) + 2]
    before = len(sidecar.access_log())
    async with captured(destination, sidecar.outbound_socket, CLIENT.ip, lambda: leads_to) as local_port:
        told = ["-s", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", str(pki.CA), "--max-time", "8"]
        there = ["--connect-to", f"::{LOOPBACK}:{local_port}"]
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec("curl", *told, *there, *arguments, stdout=pipe)
        written, _ = await process.communicate()
    lines: list[LogLine] = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(10):
            while not lines:
                lines = [log_line(line) for line in sidecar.access_log()[before:].decode().splitlines()]
                await asyncio.sleep(0.01)
    assert process.returncode is not None
    return outcome(process.returncode, int(written), lines[0] if lines else None)


def outcome(exit_code: int, status: int, line: LogLine | None) -> Outcome:
    """Without what is chance: which endpoint of several it was, and which of two exit codes."""
    assert line is not None, "a call that the proxy did not log"
    exit_code = CLOSED_EARLY[0] if exit_code in CLOSED_EARLY else exit_code
    return exit_code, status, replace(line, upstream="")
