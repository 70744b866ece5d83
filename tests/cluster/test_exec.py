"""exec over WebSockets of a fake API server, in both versions of the protocol."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from worlds.fake_apiserver import Authority, FakeApiServer, proxying, serving, status, text, websocket

from kubectl_extsvc.cluster.client import Cluster, connect
from kubectl_extsvc.cluster.exec import StdinUnsupported
from kubectl_extsvc.cluster.exec_frames import ExecResult
from kubectl_extsvc.cluster.kubeconfig import ConnectionFlags, resolve
from kubectl_extsvc.errors import ApiError, ClusterError, ExecError

EXEC = "/api/v1/namespaces/shop/pods/web/exec"
V4 = ("v4.channel.k8s.io",)
END = b"\x03" + json.dumps({"status": "Success"}).encode()


@pytest.fixture
async def cluster(apiserver: FakeApiServer, tmp_path: Path) -> AsyncIterator[Cluster]:
    async with connect(resolve(ConnectionFlags(server=apiserver.url), {}, tmp_path, tmp_path)) as cluster:
        yield cluster


async def run(cluster: Cluster, *argv: str, timeout: float = 5.0, **more: Any) -> ExecResult:
    return await cluster.exec("shop", "web", "app", argv or ("true",), timeout=timeout, **more)


async def say_hello(socket: web.WebSocketResponse) -> None:
    await socket.send_bytes(b"\x01hello")
    await socket.send_bytes(b"\x02oops")
    await socket.send_bytes(END)


async def cat(socket: web.WebSocketResponse) -> None:
    """Echoes stdin until it is closed, as v5 closes it."""
    async for message in socket:
        if message.data == b"\xff\x00":
            break
        await socket.send_bytes(b"\x01" + message.data[1:])
    await socket.send_bytes(END)


@pytest.mark.parametrize("protocols", [("v5.channel.k8s.io",), V4])
async def test_both_protocols_give_streams_and_exit_code(
    apiserver: FakeApiServer, cluster: Cluster, protocols: tuple[str, ...]
) -> None:
    apiserver.on("GET", EXEC, websocket(say_hello, protocols))

    result = await run(cluster, "echo", "a b", "$(c)&d=e", "")

    assert result == ExecResult(b"hello", b"oops", 0)
    assert apiserver.requests[0].query == (
        ("command", "echo"),
        ("command", "a b"),
        ("command", "$(c)&d=e"),
        ("command", ""),
        ("container", "app"),
        ("stdin", "false"),
        ("stdout", "true"),
        ("stderr", "true"),
        ("tty", "false"),
    )
    assert apiserver.requests[0].headers["Sec-WebSocket-Protocol"] == "v5.channel.k8s.io,v4.channel.k8s.io"
    assert apiserver.requests[0].headers["User-Agent"].startswith("kubectl-extsvc/")


@pytest.mark.parametrize("stdin", [b"", b"x", b"12345678" * 100_000])
async def test_stdin_is_sent_and_closed(apiserver: FakeApiServer, cluster: Cluster, stdin: bytes) -> None:
    apiserver.on("GET", EXEC, websocket(cat))

    assert await run(cluster, "cat", stdin=stdin) == ExecResult(stdin, b"", 0)


async def test_stdin_that_cannot_be_closed_is_refused(apiserver: FakeApiServer, cluster: Cluster) -> None:
    apiserver.on("GET", EXEC, websocket(cat, V4))

    with pytest.raises(StdinUnsupported):
        await run(cluster, "cat", stdin=b"x")


async def test_a_command_that_does_not_read_its_stdin_ends_all_the_same(
    apiserver: FakeApiServer, cluster: Cluster
) -> None:
    apiserver.on("GET", EXEC, websocket(say_hello))

    assert (await run(cluster, stdin=b"x" * 5_000_000)).exit_code == 0


async def test_a_stream_that_ends_without_status_has_no_exit_code(apiserver: FakeApiServer, cluster: Cluster) -> None:
    async def half(socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(b"\x01half")

    apiserver.on("GET", EXEC, websocket(half))

    assert await run(cluster) == ExecResult(b"half", b"", None, lost="the stream ended without an exit status")


async def test_a_connection_that_breaks_has_no_exit_code(apiserver: FakeApiServer, cluster: Cluster) -> None:
    async def broken(socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(b"\x01half")
        assert socket._req is not None
        transport = socket._req.transport
        assert transport is not None
        transport.abort()

    apiserver.on("GET", EXEC, websocket(broken))

    result = await run(cluster)

    assert (result.stdout, result.exit_code) == (b"half", None)
    assert result.lost == "the stream ended without an exit status (close code 1006)"


async def test_a_command_that_does_not_end_costs_its_timeout_and_keeps_what_came(
    apiserver: FakeApiServer, cluster: Cluster
) -> None:
    async def forever(socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(b"\x01so far")
        await socket.receive()

    apiserver.on("GET", EXEC, websocket(forever))
    started = time.monotonic()

    result = await run(cluster, timeout=0.3)

    assert result == ExecResult(b"so far", b"", None, lost="the command had not ended after 0.3 s")
    assert time.monotonic() - started < 2.0


async def test_a_server_that_forgets_to_close_after_the_status_costs_a_second(
    apiserver: FakeApiServer, cluster: Cluster
) -> None:
    async def forgetful(socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(END)
        await socket.receive()

    apiserver.on("GET", EXEC, websocket(forgetful))
    started = time.monotonic()

    assert await run(cluster, timeout=30.0) == ExecResult(b"", b"", 0)
    assert time.monotonic() - started < 4.0


async def test_a_large_output_in_large_and_small_frames_arrives_whole(
    apiserver: FakeApiServer, cluster: Cluster
) -> None:
    async def large(socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(b"\x01" + b"a" * 5_000_000)  # more than aiohttp's usual limit for a message
        for _ in range(2_000):
            await socket.send_bytes(b"\x01" + b"b" * 100)
        await socket.send_bytes(END)

    apiserver.on("GET", EXEC, websocket(large))

    assert await run(cluster) == ExecResult(b"a" * 5_000_000 + b"b" * 200_000, b"", 0)
    assert await run(cluster, keep_bytes=10) == ExecResult(b"a" * 10, b"", 0, truncated=True)


@pytest.mark.parametrize(
    ("answer", "message", "forbidden"),
    [
        (
            status(403, "Forbidden", 'pods "web" is forbidden: User "jane" cannot create resource "pods/exec"'),
            'pods "web" is forbidden: User "jane" cannot create resource "pods/exec"',
            True,
        ),
        (status(404, "NotFound", 'pods "web" not found'), 'pods "web" not found', False),
        (
            status(400, "BadRequest", "container app is not valid for pod web"),
            "container app is not valid for pod web",
            False,
        ),
    ],
)
async def test_a_refusal_tells_what_the_server_said(
    apiserver: FakeApiServer, cluster: Cluster, answer: Any, message: str, forbidden: bool
) -> None:
    apiserver.on("GET", EXEC, answer)

    with pytest.raises(ExecError) as caught:
        await run(cluster)

    assert (str(caught.value), caught.value.forbidden, caught.value.executable_missing) == (message, forbidden, False)


async def test_a_proxy_that_passes_no_websockets_is_suspected(apiserver: FakeApiServer, cluster: Cluster) -> None:
    apiserver.on("GET", EXEC, text("no", 200), status(400, "BadRequest", "Upgrade request required"))

    with pytest.raises(ExecError) as caught:
        await run(cluster)

    assert str(caught.value) == (
        f"unable to upgrade connection: {apiserver.url} answered 200 to a WebSocket; "
        "is there a proxy that does not pass WebSockets?"
    )


async def test_expired_credentials_are_an_api_error(apiserver: FakeApiServer, cluster: Cluster) -> None:
    apiserver.on("GET", EXEC, status(401, "Unauthorized", "Unauthorized"))

    with pytest.raises(ApiError) as caught:
        await run(cluster)

    assert str(caught.value) == "error: You must be logged in to the server (Unauthorized)"


async def test_a_server_that_is_not_there_is_a_cluster_error(tmp_path: Path) -> None:
    async with connect(resolve(ConnectionFlags(server="http://127.0.0.1:1"), {}, tmp_path, tmp_path)) as cluster:
        with pytest.raises(ClusterError) as caught:
            await run(cluster)

    assert str(caught.value) == (
        "The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?"
    )


async def test_exec_goes_through_proxy_and_tls_server_name_with_token_and_groups(
    authority: Authority, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    async with (
        serving(authority.server("api", x509.DNSName("api.example"))) as server,
        proxying(server.url) as proxy,
    ):
        server.on("GET", EXEC, websocket(say_hello))
        cluster_entry = {
            "server": "https://api.invalid:6443",
            "certificate-authority": str(authority.path),
            "tls-server-name": "api.example",
            "proxy-url": proxy.url,
        }
        config.write_text(
            json.dumps(
                {
                    "current-context": "x",
                    "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                    "clusters": [{"name": "c", "cluster": cluster_entry}],
                    "users": [{"name": "u", "user": {"token": "secret"}}],
                }
            )
        )
        flags = ConnectionFlags(kubeconfig=str(config), impersonate_user="jane", impersonate_groups=("ops", "dev"))
        async with connect(resolve(flags, {}, tmp_path, tmp_path)) as cluster:
            assert await run(cluster) == ExecResult(b"hello", b"oops", 0)

    headers = server.requests[0].headers
    assert proxy.targets == ["api.invalid:6443"]
    assert headers["Authorization"] == "Bearer secret"
    assert headers.getall("Impersonate-Group") == ["ops", "dev"]


async def test_many_execs_share_one_cluster(apiserver: FakeApiServer, cluster: Cluster) -> None:
    async def slow(socket: web.WebSocketResponse) -> None:
        await asyncio.sleep(0.2)
        await say_hello(socket)

    apiserver.on("GET", EXEC, websocket(slow))
    started = time.monotonic()

    results = await asyncio.gather(*(run(cluster) for _ in range(20)))

    assert results == [ExecResult(b"hello", b"oops", 0)] * 20
    assert time.monotonic() - started < 3.0
