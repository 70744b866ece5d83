"""The sidecars of the sandbox's pods."""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.api.store import Store
from kubectl_extsvc.sandbox.outside.hosts import OutsideDns
from kubectl_extsvc.sandbox.outside.network import LOOPBACK, Network
from kubectl_extsvc.sandbox.sidecar.bootstrap import bootstrap, node_id
from kubectl_extsvc.sandbox.sidecar.configuration import configuration_of
from kubectl_extsvc.sandbox.sidecar.control_plane import ControlPlane
from kubectl_extsvc.sandbox.sidecar.discovery import Configuration
from kubectl_extsvc.sandbox.sidecar.envoy import Envoy, admin_socket, envoy_binary, running_envoy
from kubectl_extsvc.sandbox.sidecar.listeners import ANY_ADDRESS, CAPTURE_PORT
from kubectl_extsvc.sandbox.sidecar.mesh_view import Client

MAX_ALIVE = 8
CONTAINER = "istio-proxy"


class Sidecar:
    """A pod's proxy, as the pod sees it: addresses and ports of the pretended network, none of loopback."""

    def __init__(self, client: Client, envoy: Envoy, network: Network) -> None:
        self._client = client
        self._envoy = envoy
        self._network = network

    @property
    def ended(self) -> bool:
        return self._envoy.ended

    @property
    def outbound_socket(self) -> Path:
        """Unix socket for the pod's captured connections.

        Each begins with a PROXY header, version 2: its destination is whom the application dials; its source is the
        pod's address, with the port of 127.0.0.1 where the connection would lead without a proxy, which Envoy takes
        if no host of the mesh claims it.
        """
        return capture_socket(self._envoy.folder)

    async def admin(self, method: str, path: str) -> tuple[int, bytes]:
        """HTTP status and body of Envoy's admin interface. Raises aiohttp.ClientError if Envoy is gone."""
        status, body = await self._envoy.admin(method, path)
        return status, self._pretended(body)

    def access_log(self) -> bytes:
        """All of it, from Envoy's start."""
        path = log_file(self._envoy.folder)
        return self._pretended(path.read_bytes()) if path.exists() else b""

    def _pretended(self, said: bytes) -> bytes:
        text = said.decode("latin-1")
        return pretended(text, self._network, self._client.ip, self.outbound_socket).encode("latin-1")


def capture_socket(folder: Path) -> Path:
    return folder / "outbound"


def log_file(folder: Path) -> Path:
    return folder / "access.log"


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
    socket_address = f'{{"address": "{ANY_ADDRESS}", "port_value": {CAPTURE_PORT}}}'
    text = pipe.sub(lambda found: f'"socket_address":{found[1]}{socket_address}', text)
    text = _IN_JSON.sub(in_json, text)
    return _IN_TEXT.sub(lambda found: "{}:{}".format(*pair(found[1])), text)


@dataclass(slots=True)
class _Slot:
    """A pod's place: one starts its Envoy, others wait for it."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    sidecar: Sidecar | None = None
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)


class Sidecars:
    """Envoys of pods, each from the first use on; the longest unused one ends when there are too many.

    A context manager: at its end all Envoys end.
    """

    def __init__(self, store: Store, network: Network, dns: OutsideDns, folder: Path) -> None:
        """folder: for sockets and files; its path must be short, since a socket's may have 103 bytes on macOS."""
        self._store = store
        self._network = network
        self._dns = dns
        self._folder = folder
        self._control_plane = ControlPlane(store, folder / "istiod")
        self._slots: OrderedDict[str, _Slot] = OrderedDict()
        self._started = 0

    async def __aenter__(self) -> "Sidecars":
        await self._control_plane.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        async with AsyncExitStack() as stack:
            stack.push_async_exit(self._control_plane)
            for slot in self._slots.values():
                stack.push_async_callback(_end, slot)
            self._slots.clear()

    def push(self) -> None:
        """Tell the Envoys of a change that is not in the store: the outside's DNS."""
        self._control_plane.push()

    async def of(self, pod: Json) -> Sidecar | None:
        """The sidecar of a pod, ready; None for a pod without. Raises SidecarUnavailable."""
        if not _has_sidecar(pod):
            return None
        metadata = pod["metadata"]
        key = metadata.get("uid") or f"{metadata.get('namespace', '')}/{metadata['name']}"
        slot = self._slots.setdefault(key, _Slot())
        self._slots.move_to_end(key)
        async with slot.lock:
            if slot.sidecar is None or slot.sidecar.ended:
                await slot.stack.aclose()
                slot.sidecar = await self._start(slot.stack, Client.of(pod))
        await self._end_longest_unused()
        return slot.sidecar

    async def _start(self, stack: AsyncExitStack, client: Client) -> Sidecar:
        binary = envoy_binary()
        self._started += 1
        folder = self._folder / str(self._started)
        folder.mkdir(mode=0o700)
        node = node_id(client)
        self._control_plane.add(node, self._computing(client, folder))
        stack.callback(self._control_plane.remove, node)
        start = bootstrap(client, admin=admin_socket(folder), control_plane=self._control_plane.socket)
        envoy = await stack.enter_async_context(running_envoy(binary, folder, start))
        self._control_plane.ready(node)
        return Sidecar(client, envoy, self._network)

    def _computing(self, client: Client, folder: Path) -> Callable[[], Configuration]:
        return partial(
            configuration_of,
            self._store,
            self._network,
            self._dns,
            client,
            access_log=log_file(folder),
            capture=capture_socket(folder),
        )

    async def _end_longest_unused(self) -> None:
        """Ends those that are too many, and those of pods that are gone."""
        alive = {pod["metadata"].get("uid") for pod in self._store.items("pods")}
        for key in tuple(self._slots)[:-1]:
            slot = self._slots[key]
            if not slot.lock.locked() and (len(self._slots) > MAX_ALIVE or (alive and key not in alive)):
                del self._slots[key]
                await _end(slot)


async def _end(slot: _Slot) -> None:
    """Ends its Envoy, also one that is about to start."""
    async with slot.lock:
        await slot.stack.aclose()


def _has_sidecar(pod: Json) -> bool:
    """Beside the containers, or, as Istio does it since Kubernetes has native sidecars, before them."""
    spec = pod.get("spec") or {}
    containers = (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()))
    return any(container.get("name") == CONTAINER for container in containers)
