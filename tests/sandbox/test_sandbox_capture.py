"""The relay before a sidecar, against a stand-in for Envoy that reads the PROXY header."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from sandbox.pods_world import CURL, POD_IP, PROXY, Said, pod, world

from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.outside.network import LOOPBACK
from kubectl_extsvc.sandbox.pods.capture import captured


@dataclass(frozen=True, slots=True)
class Header:
    source: tuple[str, int]
    destination: tuple[str, int]


async def read_header(reader: asyncio.StreamReader) -> Header:
    """Of IPv4 connections only (PROXY protocol v2, section 2.2)."""
    signature, version, family, length = struct.unpack("!12sBBH", await reader.readexactly(16))
    assert (signature, version, family) == (b"\r\n\r\n\x00\r\nQUIT\n", 0x21, 0x11)
    source, destination, local_port, port = struct.unpack("!4s4sHH", await reader.readexactly(length))
    return Header((socket.inet_ntoa(source), local_port), (socket.inet_ntoa(destination), port))


@dataclass(slots=True)
class Proxy:
    """Passes each connection on to where it would lead without it; an Envoy with nothing but PassthroughCluster."""

    outbound_socket: Path
    headers: list[Header] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def of(self, pod: Json) -> "Proxy":
        return self

    async def admin(self, method: str, path: str) -> tuple[int, bytes]:
        self.asked.append((method, path))
        return (200, b"LIVE\n") if path == "/ready" else (404, b"no")

    def access_log(self) -> bytes:
        return b"GET /\n"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        header = await read_header(reader)
        self.headers.append(header)
        try:
            upstream, to_upstream = await asyncio.open_connection(LOOPBACK, header.source[1])
        except OSError:
            writer.transport.abort()
            return
        to_upstream.write(await reader.read(65536))
        writer.write(await upstream.read(65536))
        to_upstream.close()
        writer.close()


@contextlib.asynccontextmanager
async def proxy() -> AsyncIterator[Proxy]:
    with TemporaryDirectory() as folder:
        made = Proxy(Path(folder) / "outbound")
        async with await asyncio.start_unix_server(made.serve, made.outbound_socket):
            yield made


async def said_through(*argv: str, in_pod: Json | None = None, container: str = "curl") -> tuple[Said, Proxy, int]:
    """What a command says in a pod with a sidecar, the sidecar, and the local port of httpbin.org's port 80."""
    async with proxy() as sidecar, world(sidecar) as made:
        said = await made.run(*argv, in_pod=in_pod or pod(CURL, PROXY), container=container)
        return said, sidecar, made.network.port_of("203.0.113.10", 80)


WHERE = ("-sS", "-o", "/dev/null", "-w", "%{http_code} %{remote_ip}:%{remote_port}")


async def test_the_sidecar_is_told_the_pretended_pair_and_the_real_one() -> None:
    said, sidecar, local_port = await said_through("curl", *WHERE, "http://my-httpbin/headers")
    assert said == Said(0, "200 203.0.113.10:80")
    assert sidecar.headers == [Header((POD_IP, local_port), ("203.0.113.10", 80))]


async def test_a_cluster_ip_stays_the_destination_and_its_endpoint_is_where_it_leads() -> None:
    said, sidecar, local_port = await said_through("curl", *WHERE, "http://half-dead/headers")
    assert said == Said(0, "200 10.96.0.30:80")
    assert sidecar.headers == [Header((POD_IP, local_port), ("10.96.0.30", 80))]


async def test_a_refusal_beyond_the_sidecar_is_not_a_refused_connection() -> None:
    said, sidecar, _ = await said_through("curl", "-sS", "-w", "%{remote_ip}", "http://203.0.113.30/")
    # Empty reply or reset, by chance; never "could not connect".
    assert (said.exit_code in (52, 56), said.stdout) == (True, "203.0.113.30")
    assert [header.destination for header in sidecar.headers] == [("203.0.113.30", 80)]


@pytest.mark.parametrize(
    "plain",
    [
        pod(CURL),
        pod(CURL, {**PROXY, "args": ["proxy", "router"]}),
        {**pod(CURL, PROXY), "spec": {**pod(CURL, PROXY)["spec"], "hostNetwork": True}},
    ],
    ids=["no sidecar", "gateway", "host network"],
)
async def test_a_pod_that_is_not_captured_goes_past_the_sidecar(plain: Json) -> None:
    said, sidecar, _ = await said_through("curl", *WHERE, "http://my-httpbin/headers", in_pod=plain)
    assert (said, sidecar.headers) == (Said(0, "200 203.0.113.10:80"), [])


async def test_the_pods_own_loopback_and_ipv6_are_not_captured() -> None:
    for url in ("http://localhost:8080/", "http://[2001:db8::1]/"):
        said, sidecar, _ = await said_through("curl", *WHERE, url)
        assert (said.exit_code, sidecar.headers) == (7, [])


async def test_pilot_agent_asks_the_sidecar() -> None:
    said, sidecar, _ = await said_through("pilot-agent", "request", "GET", "ready", container="istio-proxy")
    assert (said, sidecar.asked) == (Said(0, "LIVE\n\n"), [("GET", "/ready")])
    said, sidecar, _ = await said_through("pilot-agent", "request", "GET", "/nope", container="istio-proxy")
    assert said == Said(255, "", "Error: received unsuccessful status code 404: Not Found\n")


# --- the relay by itself ---------------------------------------------------------------------------------------------

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


@contextlib.asynccontextmanager
async def relayed(serve: Serve | None) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection through a relay to a sidecar that serves so; to none for None."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "outbound"
        async with contextlib.AsyncExitStack() as stack:
            if serve:
                await stack.enter_async_context(await asyncio.start_unix_server(serve, path))
            port = await stack.enter_async_context(captured(("203.0.113.10", 80), path, POD_IP, lambda: 1))
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            try:
                yield reader, writer
            finally:
                writer.close()


async def test_the_end_of_one_direction_leaves_the_other_open() -> None:
    async def until_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_header(reader)
        writer.write(b"got " + await reader.read())
        writer.close()

    async with relayed(until_end) as (reader, writer):
        writer.write(b"all of it")
        writer.write_eof()
        assert await reader.read() == b"got all of it"


async def test_a_reset_stays_a_reset() -> None:
    called = asyncio.Event()

    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_header(reader)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        called.set()
        await asyncio.sleep(0.1)
        # A Unix socket that is closed with bytes unread is reset.
        writer.transport.abort()

    async with relayed(reset) as (reader, writer):
        await called.wait()
        writer.write(b"unread")
        with pytest.raises(ConnectionResetError):
            await reader.read()


async def test_without_a_sidecar_listening_the_connection_is_reset() -> None:
    async with relayed(None) as (reader, _):
        with pytest.raises(ConnectionResetError):
            await reader.read()
