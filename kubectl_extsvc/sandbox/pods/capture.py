"""What a pod's iptables do to its outbound connections: the sidecar gets them, and is told where they were meant to go.

A relay listens in place of each destination. For each connection it calls the sidecar's socket and writes a PROXY
protocol v2 header first: its destination is the pretended one, its source the pod with, as its port, the loopback port
where the connection would lead without a proxy.
(https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt)
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from kubectl_extsvc.sandbox.outside.network import LOOPBACK, Pair

_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_VERSION_2_PROXY = 0x21
_TCP_OVER_IPV4 = 0x11
_CHUNK = 65536


def proxy_header(source: Pair, destination: Pair) -> bytes:
    """The PROXY protocol v2 header of a captured connection."""
    body = (
        socket.inet_aton(source[0]) + socket.inet_aton(destination[0]) + struct.pack("!HH", source[1], destination[1])
    )
    return _SIGNATURE + struct.pack("!BBH", _VERSION_2_PROXY, _TCP_OVER_IPV4, len(body)) + body


@contextlib.asynccontextmanager
async def captured(
    destination: Pair, outbound_socket: Path, pod_ip: str, leads_to: Callable[[], int]
) -> AsyncIterator[int]:
    """A loopback port whose connections go to the sidecar as if they were made to destination.

    leads_to gives the loopback port that one connection would reach without a sidecar.
    """
    # Ends with the block, and all connections with it.
    async with asyncio.TaskGroup() as tasks:

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            header = proxy_header((pod_ip, leads_to()), destination)
            connections.append(tasks.create_task(_through(reader, writer, outbound_socket, header)))

        connections: list[asyncio.Task[None]] = []
        # Not serving at once: cancelled in just that moment, its sockets would be left open.
        server = await asyncio.start_server(accept, LOOPBACK, 0, start_serving=False)
        try:
            await server.start_serving()
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for connection in connections:
                connection.cancel()


async def _through(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, outbound_socket: Path, header: bytes
) -> None:
    try:
        proxy_reader, proxy_writer = await asyncio.open_unix_connection(outbound_socket)
    except OSError:
        _reset(writer)
        return
    proxy_writer.write(header)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_one_way(reader, proxy_writer))
            tasks.create_task(_one_way(proxy_reader, writer))
    except* OSError:
        _reset(writer)
        _reset(proxy_writer)
    finally:
        writer.close()
        proxy_writer.close()


async def _one_way(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Raises OSError when one of the two ends is torn down."""
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST, not FIN."""
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
