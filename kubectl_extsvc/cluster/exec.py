"""A command in a container, over a WebSocket, with its streams apart and its end told.

kubernetes_asyncio's WsApiClient mixes the streams, drops the exit status and knows neither proxy nor tls-server-name;
here only its configuration and session are used, and aiohttp does the WebSocket.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kubectl_extsvc.cluster.exec_frames import CLOSE_STDIN, STDIN, ExecFrames
from kubectl_extsvc.errors import ExecError

if TYPE_CHECKING:
    from aiohttp import ClientWebSocketResponse

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
KEEP_BYTES = 64 * 1024 * 1024
_STDIN_CHUNK = 32 * 1024
_GRACE = 1.0
"""Seconds that the server has to close the stream after the status frame."""


class StdinUnsupported(ExecError):
    """The API server (before 1.30) cannot end a command's stdin, so a command that reads it would never end."""


def query(container: str, argv: Sequence[str], *, stdin: bool) -> list[tuple[str, str]]:
    """The query of pods/exec: one command parameter for each argument, so that nothing needs quoting."""
    return [
        *(("command", argument) for argument in argv),
        ("container", container),
        ("stdin", "true" if stdin else "false"),
        ("stdout", "true"),
        ("stderr", "true"),
        ("tty", "false"),
    ]


async def converse(
    socket: "ClientWebSocketResponse[bool]", stdin: bytes | None, frames: ExecFrames, timeout: float
) -> str:
    """Send stdin and feed frames until the stream ends; why it ended, for the case that no status came.

    timeout is in seconds. Raises StdinUnsupported.
    """
    if stdin is not None and socket.protocol != V5:
        raise StdinUnsupported(
            "the API server cannot end a command's stdin (it speaks v4.channel.k8s.io only, Kubernetes before 1.30)"
        )
    try:
        async with asyncio.timeout(timeout) as limit:
            writer = asyncio.create_task(_write(socket, stdin)) if stdin is not None else None
            try:
                return await _read(socket, frames, limit)
            finally:
                if writer is not None:
                    writer.cancel()
                    await asyncio.gather(writer, return_exceptions=True)
    except TimeoutError:
        return f"the command had not ended after {timeout:g} s"


async def _write(socket: "ClientWebSocketResponse[bool]", stdin: bytes) -> None:
    for start in range(0, len(stdin), _STDIN_CHUNK):
        await socket.send_bytes(bytes([STDIN]) + stdin[start : start + _STDIN_CHUNK])
    await socket.send_bytes(CLOSE_STDIN)


async def _read(socket: "ClientWebSocketResponse[bool]", frames: ExecFrames, limit: asyncio.Timeout) -> str:
    from aiohttp import WSMsgType

    while True:
        message = await socket.receive()
        if message.type is not WSMsgType.BINARY:
            break
        frames.feed(message.data)
        if frames.ended:
            # The status is the last that matters; a server that then forgets to close shall not cost the timeout.
            soon = asyncio.get_running_loop().time() + _GRACE
            limit.reschedule(min(soon, limit.when() or soon))
    code = socket.close_code
    return "the stream ended without an exit status" + ("" if code in (None, 1000) else f" (close code {code})")
