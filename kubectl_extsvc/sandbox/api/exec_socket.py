"""pods/exec: a command's streams as frames of a WebSocket, and its end told as the kubelet tells it.

A frame is one byte of channel and its payload: 0 stdin, 1 stdout, 2 stderr, 3 the end as a metav1.Status, 4 resize;
with v5 a frame 255, N closes channel N (apimachinery util/remotecommand/constants.go).
"""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import anyio
import anyio.lowlevel
from aiohttp import WSMsgType, web

from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.api.refusals import bad_request

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
STDIN, STDOUT, STDERR, STATUS = 0, 1, 2, 3
CLOSE_STDIN = b"\xff\x00"


class NoSuchExecutable(Exception):
    """There is no such program in the container."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class Pods(Protocol):
    """What the API needs of the pods."""

    async def exec(
        self,
        pod: Json,
        container: str,
        argv: Sequence[str],
        stdin: AsyncIterator[bytes] | None,
        write: Callable[[int, bytes], Awaitable[None]],
    ) -> int:
        """Run a command, write (1 or 2, bytes) what it says; its exit code. Raises NoSuchExecutable."""
        ...

    async def log(self, pod: Json, container: str) -> bytes: ...


def container_of(pod: Json, named: str) -> str:
    """The container that is meant. Raises Refused.

    (kubernetes pkg/registry/core/pod/strategy.go, validateContainer.)
    """
    spec, name = pod["spec"], pod["metadata"]["name"]
    containers = [one["name"] for one in spec["containers"]]
    init_containers = [one["name"] for one in spec.get("initContainers") or []]
    others = [one["name"] for one in spec.get("ephemeralContainers") or []]
    if not named:
        if len(containers) == 1:
            return str(containers[0])
        choice = f"[{' '.join(containers)}]"
        more = f" or one of the init containers: [{' '.join(init_containers)}]" if init_containers else ""
        raise bad_request(f"a container name must be specified for pod {name}, choose one of: {choice}{more}")
    if named not in (*containers, *init_containers, *others):
        raise bad_request(f"container {named} is not valid for pod {name}")
    return named


@dataclass(frozen=True, slots=True)
class Command:
    """What pods/exec is asked to run."""

    pod: Json
    container: str
    argv: tuple[str, ...]
    stdin: bool
    channels: frozenset[int]
    """Of STDOUT and STDERR those that the client wants."""


async def converse(socket: web.WebSocketResponse, pods: Pods, command: Command) -> None:
    """Run a command for an open socket, tell its end and close. It is cancelled when the client goes away."""
    async with anyio.create_task_group() as tasks:

        async def send(channel: int, data: bytes) -> None:
            try:
                await socket.send_bytes(bytes([channel]) + data)
            except ConnectionError:
                tasks.cancel_scope.cancel()
                await anyio.lowlevel.checkpoint()

        async def write(channel: int, data: bytes) -> None:
            if data and channel in command.channels:
                await send(channel, data)

        stdin: asyncio.Queue[bytes | None] = asyncio.Queue()
        tasks.start_soon(_read, socket, stdin, tasks.cancel_scope)
        await send(STDOUT, b"")  # tells the client that the connection stands (kubelet streamtranslator.go)
        try:
            source = _chunks(stdin) if command.stdin else None
            end = exit_status(await pods.exec(command.pod, command.container, command.argv, source, write))
        except NoSuchExecutable as missing:
            end = start_failure(missing.name)
        await send(STATUS, json.dumps(end, separators=(",", ":")).encode())
        await socket.close()
        tasks.cancel_scope.cancel()


async def _read(socket: web.WebSocketResponse, stdin: "asyncio.Queue[bytes | None]", scope: anyio.CancelScope) -> None:
    async for message in socket:
        if message.type is not WSMsgType.BINARY:
            continue
        if message.data == CLOSE_STDIN:
            stdin.put_nowait(None)
        elif message.data[:1] == bytes([STDIN]) and len(message.data) > 1:
            stdin.put_nowait(message.data[1:])
    scope.cancel()


async def _chunks(queue: "asyncio.Queue[bytes | None]") -> AsyncIterator[bytes]:
    while (chunk := await queue.get()) is not None:
        yield chunk


def exit_status(code: int) -> Json:
    """The Status of a command that ran (kubelet pkg/cri/streaming/remotecommand/exec.go)."""
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: command terminated with exit code {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def start_failure(executable: str) -> Json:
    """The Status of a command that could not be started, in the words of kubelet, containerd and runc."""
    why = f"stat {executable}: no such file or directory"
    if "/" not in executable:
        why = "executable file not found in $PATH"
    cause = (
        "Internal error occurred: error executing command in container: failed to exec in container: "
        f'failed to start exec "{uuid.uuid4().hex * 2}": OCI runtime exec failed: exec failed: '
        f'unable to start container process: exec: "{executable}": {why}: unknown'
    )
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"Internal error occurred: {cause}",
        "reason": "InternalError",
        "details": {"causes": [{"message": cause}]},
        "code": 500,
    }
