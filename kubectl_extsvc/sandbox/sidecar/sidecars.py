"""The sidecars of the sandbox's pods."""

import asyncio
import re
from collections import OrderedDict
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from kubectl_extsvc.mesh.envoy_dump import WILDCARDS
from kubectl_extsvc.mesh.istiod.client import Client
from kubectl_extsvc.mesh.istiod.listeners import CAPTURE_PORT
from kubectl_extsvc.mesh.sources import PROXY_CONTAINER
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.api.store import Store
from kubectl_extsvc.sandbox.outside.network import LOOPBACK, Network
from kubectl_extsvc.sandbox.sidecar.control_plane import configuration_of, control_plane
from kubectl_extsvc.sandbox.sidecar.envoy import Envoy, envoy_binary, running_envoy

MAX_ALIVE = 8


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A pod's proxy, as the pod sees it: addresses and ports of the pretended network, none of loopback."""

    envoy: Envoy
    network: Network
    pod_ip: str
    outbound_socket: Path
    """Unix socket for the pod's captured connections.

    Each begins with a PROXY header, version 2: its destination is whom the application dials; its source is the
    pod's address, with the port of 127.0.0.1 where the connection would lead without a proxy, which Envoy takes
    if no host of the mesh claims it.
    """
    log_file: Path

    @property
    def ended(self) -> bool:
        return self.envoy.ended

    async def admin(self, method: str, path: str) -> tuple[int, bytes]:
        """HTTP status and body of Envoy's admin interface. Raises SidecarUnavailable if Envoy is gone."""
        status, body = await self.envoy.admin(method, path)
        return status, self._pretended(body)

    def access_log(self) -> bytes:
        """All of it, from Envoy's start."""
        return self._pretended(self.log_file.read_bytes()) if self.log_file.exists() else b""

    def _pretended(self, said: bytes) -> bytes:
        text = said.decode("latin-1")
        return pretended(text, self.network, self.pod_ip, self.outbound_socket).encode("latin-1")


_IN_TEXT = re.compile(rf"\b{re.escape(LOOPBACK)}:(\d+)")
_IN_JSON = re.compile(rf'"address":(\s*)"{re.escape(LOOPBACK)}",(\s*)"port_value":(\s*)(\d+)')


def pretended(text: str, network: Network, pod_ip: str, capture: Path) -> str:
    """What Envoy says, with the pairs that local ports play in their place; other local ports are the pod's own."""

    def pair(local_port: str) -> tuple[str, int]:
        return network.pair_of(int(local_port)) or (pod_ip, int(local_port))

    def in_json(found: re.Match[str]) -> str:
        address, port = pair(found[4])
        return f'"address":{found[1]}"{address}",{found[2]}"port_value":{found[3]}{port}'

    pipe = re.compile(rf'"pipe":(\s*){{\s*"path":\s*"{re.escape(str(capture))}"[^}}]*}}')
    socket_address = f'{{"address": "{WILDCARDS[0]}", "port_value": {CAPTURE_PORT}}}'
    text = pipe.sub(lambda found: f'"socket_address":{found[1]}{socket_address}', text)
    text = _IN_JSON.sub(in_json, text)
    return _IN_TEXT.sub(lambda found: "{}:{}".format(*pair(found[1])), text)


@dataclass(slots=True)
class _Slot:
    """A pod's place: one starts its Envoy, others wait for it."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    sidecar: Sidecar | None = None
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def end(self) -> None:
        """Ends its Envoy, also one that is about to start."""
        async with self.lock:
            await self.stack.aclose()


class Sidecars:
    """Envoys of pods, each from the first use on; the longest unused one ends when there are too many.

    A context manager: at its end all Envoys end.
    """

    def __init__(self, store: Store, network: Network, folder: Path) -> None:
        """folder: for sockets and files; its path must be short, since a socket's may have 103 bytes on macOS."""
        self._store = store
        self._network = network
        self._folder = folder
        self._slots: OrderedDict[str, _Slot] = OrderedDict()
        self._started = 0

    async def __aenter__(self) -> "Sidecars":
        return self

    async def __aexit__(self, *_: object) -> None:
        async with AsyncExitStack() as stack:
            for slot in self._slots.values():
                stack.push_async_callback(slot.end)

    async def of(self, pod: Json) -> Sidecar | None:
        """The sidecar of a pod, ready; None for a pod without. Raises SidecarUnavailable."""
        if not _has_sidecar(pod):
            return None
        key = pod["metadata"]["uid"]
        slot = self._slots.setdefault(key, _Slot())
        self._slots.move_to_end(key)
        async with slot.lock:
            if slot.sidecar is None or slot.sidecar.ended:
                await slot.stack.aclose()
                slot.sidecar = await self._start(slot.stack, Client.of_pod(pod))
        await self._end_longest_unused()
        return slot.sidecar

    async def _start(self, stack: AsyncExitStack, client: Client) -> Sidecar:
        binary = envoy_binary()
        self._started += 1
        folder = self._folder / str(self._started)
        folder.mkdir(mode=0o700)
        log_file, capture, istiod = folder / "access.log", folder / "outbound", folder / "istiod"
        compute = partial(configuration_of, self._store, self._network, client, access_log=log_file, capture=capture)
        plane = await stack.enter_async_context(control_plane(self._store, istiod, compute))
        envoy = await stack.enter_async_context(running_envoy(binary, folder, client, istiod))
        plane.proxy_has_started()
        return Sidecar(envoy, self._network, client.ip, capture, log_file)

    async def _end_longest_unused(self) -> None:
        """Ends those that are too many, and those of pods that are gone."""
        alive = {pod["metadata"]["uid"] for pod in self._store.items("pods")}
        for key in tuple(self._slots)[:-1]:
            slot = self._slots[key]
            if not slot.lock.locked() and (len(self._slots) > MAX_ALIVE or key not in alive):
                del self._slots[key]
                await slot.end()


def _has_sidecar(pod: Json) -> bool:
    """Beside the containers, or, as Istio does it since Kubernetes has native sidecars, before them."""
    containers = (*pod["spec"].get("containers", ()), *(pod["spec"].get("initContainers") or ()))
    return any(container["name"] == PROXY_CONTAINER for container in containers)
