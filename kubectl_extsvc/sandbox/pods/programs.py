"""Commands in the pods' containers. Nothing but what is written here is ever run, and no shell."""

import shlex
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from http import HTTPStatus
from itertools import count
from pathlib import Path
from typing import Protocol

from kubectl_extsvc.mesh.sources import PROXY_CONTAINER, mesh_mode
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.source import MeshMode
from kubectl_extsvc.sandbox.api.exec_socket import NoSuchExecutable
from kubectl_extsvc.sandbox.api.store import Store
from kubectl_extsvc.sandbox.outside.network import Network, Pair
from kubectl_extsvc.sandbox.pods import curl, names
from kubectl_extsvc.sandbox.pods.capture import captured
from kubectl_extsvc.sandbox.pods.curl import STDERR, STDOUT, Write
from kubectl_extsvc.sandbox.pods.kube_proxy import endpoints_of
from kubectl_extsvc.sandbox.pods.resolver_tools import Said, getent, nslookup

_XARGS_FAILED = 123
"""A run of the command ended with another exit code than 0 (xargs(1))."""

CANNOT_RUN = 126
"""Exit code of a command that needs a sidecar where there can be none."""


class SidecarUnavailable(Exception):
    """There can be no sidecar; the message says what to do about it."""


class Sidecar(Protocol):
    """What is needed of a running Envoy."""

    @property
    def outbound_socket(self) -> Path:
        """Takes captured connections."""
        ...

    async def admin(self, method: str, path: str) -> tuple[int, bytes]:
        """Status and body; path begins with a slash. Raises SidecarUnavailable."""
        ...

    def access_log(self) -> bytes: ...


class Sidecars(Protocol):
    """Where the sidecars of pods are found."""

    async def of(self, pod: Json) -> Sidecar | None:
        """The pod's sidecar, ready; None for a pod without. Raises SidecarUnavailable."""
        ...


class SandboxPods:
    """The pods, as the API server's exec and log need them."""

    def __init__(self, store: Store, network: Network, sidecars: Sidecars) -> None:
        self._store = store
        self._network = network
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
        if argv[0] == "sh" and (inner := _only_command(argv[1:])):
            try:
                return await self.exec(pod, container, inner, stdin, write)
            except NoSuchExecutable as missing:
                await write(STDERR, f"sh: {missing.name}: not found\n".encode())
                return 127
        try:
            return await self._run(pod, container, argv, stdin, write)
        except SidecarUnavailable as unavailable:
            await write(STDERR, f"sandbox: {unavailable}\n".encode())
            return CANNOT_RUN

    async def log(self, pod: Json, container: str) -> bytes:
        """What a container has written: a sidecar's access log; of all others nothing."""
        if container != PROXY_CONTAINER:
            return b""
        try:
            sidecar = await self._sidecars.of(pod)
        except SidecarUnavailable as unavailable:
            return f"sandbox: {unavailable}\n".encode()
        return sidecar.access_log() if sidecar else b""

    async def _run(
        self, pod: Json, container: str, argv: Sequence[str], stdin: AsyncIterator[bytes] | None, write: Write
    ) -> int:
        program, words, namespace = argv[0].rpartition("/")[2], list(argv[1:]), pod["metadata"]["namespace"]
        if (container == PROXY_CONTAINER) != (program == "pilot-agent"):
            raise NoSuchExecutable(argv[0])
        match [program, *words]:
            case ["curl", *_] if curl.available() and _has_curl(pod, container):
                return await self._curl(pod, words, stdin, write)
            case ["pilot-agent", *_]:
                said = await self._pilot_agent(pod, words)
            case ["cat"]:
                said = 0, "", ""
                async for data in stdin or _nothing():
                    await write(STDOUT, data)
            case ["cat", *paths]:
                said = _cat(paths, pod)
            case ["timeout", _, *inner] if inner:
                return await self._run(pod, container, inner, stdin, write)
            case ["xargs", "-n", "1", "-P", _, "nslookup"]:
                # One after the other: each takes no time.
                text = b"".join([data async for data in stdin or _nothing()]).decode(errors="surrogateescape")
                runs = [
                    nslookup([word], namespace, lambda name: names.lookup(name, self._store)) for word in text.split()
                ]
                failed = any(exit_code for exit_code, _, _ in runs)
                said = _XARGS_FAILED if failed else 0, "".join(out for _, out, _ in runs), ""
            case ["true"]:
                said = 0, "", ""
            case ["false"]:
                said = 1, "", ""
            case ["echo", *_]:
                said = 0, " ".join(words) + "\n", ""
            case ["getent", *_]:
                said = getent(words, lambda name: names.resolve(name, namespace, self._store))
            case ["nslookup", *_]:
                said = nslookup(words, namespace, lambda name: names.lookup(name, self._store))
            case _:
                raise NoSuchExecutable(argv[0])
        exit_code, out, err = said
        await write(STDOUT, out.encode(errors="surrogateescape"))
        await write(STDERR, err.encode(errors="surrogateescape"))
        return exit_code

    async def _pilot_agent(self, pod: Json, words: list[str]) -> Said:
        """pilot-agent request, as istio's pilot/cmd/pilot-agent/request.go."""
        match words:
            case ["request", method, path]:
                sidecar = await self._sidecars.of(pod)
                if sidecar is None:
                    return 255, "", "Error: command error response: connection refused\n"
                status, body = await sidecar.admin(method, f"/{path.removeprefix('/')}")
                if status != HTTPStatus.OK:
                    phrase = HTTPStatus(status).phrase
                    return 255, "", f"Error: received unsuccessful status code {status}: {phrase}\n"
                return 0, body.decode(errors="surrogateescape") + "\n", ""
        return 255, "", f'Error: unknown command "{" ".join(words)}" for "pilot-agent"\n'

    async def _curl(self, pod: Json, words: list[str], stdin: AsyncIterator[bytes] | None, write: Write) -> int:
        namespace, pod_ip = pod["metadata"]["namespace"], pod["status"]["podIP"]
        sidecar = await self._sidecars.of(pod) if mesh_mode(pod) is MeshMode.SIDECAR else None
        first_turn = next(self._turns)
        relays: dict[Pair, int] = {}

        def addresses(host: str) -> Sequence[str]:
            return names.resolve(host, namespace, self._store).addresses

        def endpoint(destination: Pair, turn: int) -> Pair:
            """Past kube-proxy, which takes turns: of two endpoints, one of them dead, every second call fails."""
            found = endpoints_of(*destination, self._store)
            return found[(first_turn + turn) % len(found)]

        async def local_port(addresses: Sequence[str], port: int, turn: int) -> tuple[str, int]:
            destination = (addresses[0], port)
            # iptables leave the pod's own loopback alone (istio tools/istio-iptables/pkg/capture/run.go).
            # IPv6 is refused anyway, and would need another header.
            if sidecar and not addresses[0].startswith("127.") and ":" not in addresses[0]:
                if destination not in relays:
                    turns = count()
                    relay = captured(
                        destination,
                        sidecar.outbound_socket,
                        pod_ip,
                        lambda: self._network.port_of(*endpoint(destination, next(turns))),
                    )
                    relays[destination] = await stack.enter_async_context(relay)
                return addresses[0], relays[destination]
            led = [(address, endpoint((address, port), turn)) for address in addresses]
            address, there = next((one for one in led if not self._network.refuses(*one[1])), led[0])
            return address, self._network.port_of(*there)

        async with AsyncExitStack() as stack:
            return await curl.run_curl(words, stdin, curl.Standpoint(pod_ip, addresses, local_port), write)


def _cat(paths: Sequence[str], pod: Json) -> Said:
    metadata = pod["metadata"]
    files = {
        "/etc/resolv.conf": names.resolv_conf(metadata["namespace"]),
        "/etc/hosts": f"127.0.0.1\tlocalhost\n{pod['status']['podIP']}\t{metadata['name']}\n",
    }
    missing = "".join(f"cat: can't open '{path}': No such file or directory\n" for path in paths if path not in files)
    return 1 if missing else 0, "".join(files.get(path, "") for path in paths), missing


async def _nothing() -> AsyncIterator[bytes]:
    for _ in ():
        yield b""


def _only_command(words: Sequence[str]) -> list[str]:
    """The words of `sh -c COMMAND` where the command needs no shell; none where it does."""
    match words:
        case ["-c", command] if not set(command) & set("\n$`;&|<>(){}*?[]~#\\!"):
            try:
                return shlex.split(command)
            except ValueError:
                pass
    return []


def _has_curl(pod: Json, container: str) -> bool:
    """Whether the container's image is one of curl's."""
    spec = pod["spec"]
    containers = (*spec["containers"], *(spec.get("initContainers") or ()), *(spec.get("ephemeralContainers") or ()))
    return any(one["name"] == container and "curl" in one.get("image", "") for one in containers)
