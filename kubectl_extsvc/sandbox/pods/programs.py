"""Commands in the pods' containers. Nothing but what is written here is ever run, and no shell."""

import shlex
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from http import HTTPStatus
from itertools import count
from pathlib import Path
from typing import Protocol

from kubectl_extsvc.mesh.sources import PROXY_CONTAINER, mesh_mode
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.source import MeshMode
from kubectl_extsvc.sandbox.api.exec_socket import NoSuchExecutable
from kubectl_extsvc.sandbox.api.store import Store
from kubectl_extsvc.sandbox.outside.hosts import OutsideDns
from kubectl_extsvc.sandbox.outside.network import Network, Pair
from kubectl_extsvc.sandbox.pods import curl, names
from kubectl_extsvc.sandbox.pods.capture import captured
from kubectl_extsvc.sandbox.pods.curl import STDERR, STDOUT, Write
from kubectl_extsvc.sandbox.pods.kube_proxy import endpoints_of
from kubectl_extsvc.sandbox.pods.resolver_tools import Said, getent, nslookup


class Sidecar(Protocol):
    """What is needed of a running Envoy."""

    @property
    def outbound_socket(self) -> Path:
        """Takes captured connections."""
        ...

    async def admin(self, method: str, path: str) -> tuple[int, bytes]:
        """Status and body; path begins with a slash."""
        ...

    def access_log(self) -> bytes: ...


class Sidecars(Protocol):
    """Where the sidecars of pods are found."""

    async def of(self, pod: Json) -> Sidecar | None:
        """The pod's sidecar, ready; None for a pod without."""
        ...


class SandboxPods:
    """The pods, as the API server's exec and log need them. Without sidecars, every pod is plain."""

    def __init__(self, store: Store, network: Network, dns: OutsideDns, sidecars: Sidecars | None = None) -> None:
        self._store = store
        self._network = network
        self._dns = dns
        self._sidecars = sidecars
        self._turns = count()

    async def exec(
        self,
        pod: Json,
        container: str,
        argv: Sequence[str],
        stdin: AsyncIterator[bytes] | None,
        write: Write,
    ) -> int:
        """Run a command in a container, write (1 or 2, bytes) what it says; its exit code. Raises NoSuchExecutable.

        Cancelled, it ends what it has started.
        """
        program, words = argv[0].rpartition("/")[2], list(argv[1:])
        if container == PROXY_CONTAINER:
            if program != "pilot-agent":
                raise NoSuchExecutable(argv[0])
            said = await self._pilot_agent(pod, words)
        elif program == "sh" and (inner := _only_command(words)):
            return await self._of_shell(pod, container, inner, stdin, write)
        elif program == "curl" and curl.available() and _has_curl(pod, container):
            return await self._curl(pod, words, stdin, write)
        elif program == "cat" and not words and stdin is not None:
            async for data in stdin:
                await write(STDOUT, data)
            return 0
        else:
            said = self._answer(pod, program, words, argv[0])
        exit_code, out, err = said
        for channel, text in ((STDOUT, out), (STDERR, err)):
            if text:
                await write(channel, text.encode(errors="surrogateescape"))
        return exit_code

    async def log(self, pod: Json, container: str) -> bytes:
        """What a container has written: a sidecar's access log; of all others nothing."""
        sidecar = await self._sidecar(pod) if container == PROXY_CONTAINER else None
        return sidecar.access_log() if sidecar else b""

    async def _sidecar(self, pod: Json) -> Sidecar | None:
        return await self._sidecars.of(pod) if self._sidecars else None

    async def _of_shell(
        self, pod: Json, container: str, words: list[str], stdin: AsyncIterator[bytes] | None, write: Write
    ) -> int:
        """As sh says it: a missing program is exit code 127."""
        try:
            return await self.exec(pod, container, words, stdin, write)
        except NoSuchExecutable as missing:
            await write(STDERR, f"sh: {missing.name}: not found\n".encode())
            return 127

    def _answer(self, pod: Json, program: str, words: list[str], written: str) -> Said:
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        match [program, *words]:
            case ["true"]:
                return 0, "", ""
            case ["false"]:
                return 1, "", ""
            case ["echo", *_]:
                return 0, " ".join(words) + "\n", ""
            case ["hostname"]:
                return 0, f"{name}\n", ""
            case ["cat", "/etc/resolv.conf"]:
                return 0, names.resolv_conf(namespace), ""
            case ["cat", path]:
                return 1, "", f"cat: can't open '{path}': No such file or directory\n"
            case ["getent", *_]:
                return getent(words, partial(self._resolve, namespace))
            case ["nslookup", *_]:
                return nslookup(words, namespace, lambda one: names.lookup(one, self._store, self._dns))
        raise NoSuchExecutable(written)

    def _resolve(self, namespace: str, name: str) -> names.Lookup:
        return names.resolve(name, namespace, self._store, self._dns)

    async def _pilot_agent(self, pod: Json, words: list[str]) -> Said:
        """pilot-agent request, as istio's pilot/cmd/pilot-agent/request.go."""
        match words:
            case ["request", method, path, *_]:
                sidecar = await self._sidecar(pod)
                if sidecar is None:
                    return 255, "", "Error: command error response: connection refused\n"
                status, body = await sidecar.admin(method, f"/{path.removeprefix('/')}")
                if status != HTTPStatus.OK:
                    phrase = HTTPStatus(status).phrase
                    return 255, "", f"Error: received unsuccessful status code {status}: {phrase}\n"
                return 0, body.decode(errors="surrogateescape") + "\n", ""
            case ["request", *rest]:
                return 255, "", f"Error: requires at least 2 arg(s), only received {len(rest)}\n"
        return 255, "", f'Error: unknown command "{" ".join(words)}" for "pilot-agent"\n'

    async def _curl(self, pod: Json, words: list[str], stdin: AsyncIterator[bytes] | None, write: Write) -> int:
        is_captured = mesh_mode(pod) is MeshMode.SIDECAR
        sidecar = await self._sidecar(pod) if is_captured else None
        async with AsyncExitStack() as relays:
            standpoint = _Standpoint(pod, self._network, partial(self._resolve, pod["metadata"]["namespace"]),
                                     partial(self._leads_to, next(self._turns)), sidecar, relays)  # fmt: skip
            return await curl.run_curl(words, stdin, standpoint, write)

    def _leads_to(self, run: int, destination: Pair, turn: int) -> Pair:
        """Past kube-proxy, which takes turns here: of two endpoints, one of which is dead, every second call fails."""
        found = endpoints_of(*destination, self._store)
        return found[(run + turn) % len(found)]


class _Standpoint:
    """Of one run of curl in a pod."""

    def __init__(
        self,
        pod: Json,
        network: Network,
        resolve: Callable[[str], names.Lookup],
        leads_to: Callable[[Pair, int], Pair],
        sidecar: Sidecar | None,
        relays: AsyncExitStack,
    ) -> None:
        self.pod_ip: str = (pod.get("status") or {}).get("podIP") or "10.244.0.2"
        self._network = network
        self._resolve = resolve
        self._leads_to = leads_to
        self._sidecar = sidecar
        self._relays = relays
        self._captured: dict[Pair, int] = {}

    def addresses(self, host: str) -> Sequence[str]:
        return self._resolve(host).addresses

    async def local_port(self, addresses: Sequence[str], port: int, turn: int) -> tuple[str, int]:
        # iptables leave the pod's own loopback alone (istio tools/istio-iptables/pkg/capture/run.go).
        if self._sidecar and not addresses[0].startswith("127."):
            return addresses[0], await self._relay(self._sidecar, (addresses[0], port))
        led = [(address, self._leads_to((address, port), turn)) for address in addresses]
        address, endpoint = next((one for one in led if not self._network.refuses(*one[1])), led[0])
        return address, self._network.port_of(*endpoint)

    async def _relay(self, sidecar: Sidecar, destination: Pair) -> int:
        if destination not in self._captured:
            turns = count()

            def leads_to() -> int:
                return self._network.port_of(*self._leads_to(destination, next(turns)))

            relay = captured(destination, sidecar.outbound_socket, self.pod_ip, leads_to)
            self._captured[destination] = await self._relays.enter_async_context(relay)
        return self._captured[destination]


def _only_command(words: Sequence[str]) -> list[str] | None:
    """The words of `sh -c COMMAND` where the command needs no shell."""
    match words:
        case ["-c", command] if not set(command) & set("\n$`;&|<>(){}*?[]~#\\!"):
            try:
                return shlex.split(command) or None
            except ValueError:
                return None
    return None


def _has_curl(pod: Json, container: str) -> bool:
    """Whether the container's image is one of curl's."""
    spec = pod["spec"]
    containers = (*spec["containers"], *(spec.get("initContainers") or ()), *(spec.get("ephemeralContainers") or ()))
    return any(one["name"] == container and "curl" in one.get("image", "") for one in containers)
