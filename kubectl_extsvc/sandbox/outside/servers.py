"""The servers outside of the cluster, on loopback: real HTTP and real TLS. They answer as those of the testbed do.

httpbin.org plays go-httpbin, with the paths that a probe needs. HTTP/1.1 only.
"""

import asyncio
import contextlib
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import parse_qs

import anyio
from aiohttp import web

from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.outside import hosts, pki
from kubectl_extsvc.sandbox.outside.network import Network, Pair

RUN_HEADER = "X-Sandbox-Run"
"""In every answer: the word of this run, so that nobody takes an answer for a recorded one."""

NODE = "198.51.100.1"
"""The address that clients of the cluster come from."""

LONGEST_DELAY = 10.0
"""Seconds; as go-httpbin."""

Handler = Callable[[web.Request], Awaitable[web.Response]]


@dataclass(frozen=True, slots=True)
class Server:
    address: str
    port: int
    handlers: dict[str, Handler]
    """Path, as aiohttp's routes have it → what answers."""
    certificate: str = ""
    """Of pki.server; "" speaks in clear."""
    only_for: str = ""
    """The only server name that TLS is spoken with."""


# --- what they answer ------------------------------------------------------------------------------------------------


async def page(_: web.Request) -> web.Response:
    return web.Response(text="<title>go-httpbin(1)</title>\n", content_type="text/html")


async def get(request: web.Request) -> web.Response:
    scheme = request.headers.get("X-Forwarded-Proto") or ("https" if request.secure else "http")
    asked: Json = {
        "args": parse_qs(request.query_string, keep_blank_values=True),
        "headers": _headers(request),
        "method": request.method,
        "origin": request.headers.get("X-Forwarded-For", NODE).partition(",")[0],
        "url": f"{scheme}://{request.host}{request.raw_path}",
    }
    return _json(asked, indent=2)


async def headers(request: web.Request) -> web.Response:
    return _json({"headers": _headers(request)}, indent=2)


async def status(request: web.Request) -> web.Response:
    return web.Response(status=int(request.match_info["code"]))


async def delay(request: web.Request) -> web.Response:
    await asyncio.sleep(min(float(request.match_info["seconds"]), LONGEST_DELAY))
    return await get(request)


async def wiki(_: web.Request) -> web.Response:
    text = '<!DOCTYPE html>\n<html lang="en">\n<title>Wikipedia, the free encyclopedia</title>\n</html>\n'
    return web.Response(text=text, content_type="text/html")


async def to_wiki(_: web.Request) -> web.Response:
    return web.Response(status=301, headers={"Location": "/wiki/Main_Page"})


async def to_https(request: web.Request) -> web.Response:
    return web.Response(status=301, headers={"Location": f"https://{request.host}{request.raw_path}"})


async def pay(request: web.Request) -> web.Response:
    """Says what it was asked; with another server name nobody comes so far."""
    told = {
        "headers": {name: values for name, values in _headers(request).items() if name != "Host"},
        "method": request.method,
        "sni": PAY_NAME,
        "url": f"https://{request.host}{request.raw_path}",
    }
    return _json(told)


def _headers(request: web.Request) -> dict[str, list[str]]:
    """As Go's net/http keeps them: X-B-C for x-b-c, sorted."""
    found: dict[str, list[str]] = {}
    for name, value in request.headers.items():
        found.setdefault("-".join(part.capitalize() for part in name.split("-")), []).append(value)
    return dict(sorted(found.items()))


def _json(answer: Json, indent: int | None = None) -> web.Response:
    return web.json_response(text=json.dumps(answer, indent=indent, ensure_ascii=False) + "\n")


PAY_NAME = "api.pay.example"
ANY_PATH = "/{path:.*}"
HTTPBIN: dict[str, Handler] = {
    "/": page,
    "/get": get,
    "/headers": headers,
    r"/status/{code:[1-5]\d\d}": status,
    r"/delay/{seconds:\d+(\.\d+)?}": delay,
}
SERVERS = (
    Server(hosts.HTTPBIN, 80, HTTPBIN),
    Server(hosts.HTTPBIN, 443, HTTPBIN, "httpbin.org"),
    *(Server(address, 80, {ANY_PATH: to_https}) for address in hosts.WIKIPEDIA),
    *(Server(address, 443, {"/": to_wiki, "/wiki/Main_Page": wiki}, "wikipedia") for address in hosts.WIKIPEDIA),
    Server(hosts.PAY, 443, {ANY_PATH: pay}, PAY_NAME, only_for=PAY_NAME),
)


# --- how they run ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outside:
    """The running servers."""

    word: str
    """What every answer has in RUN_HEADER."""
    tasks: dict[Pair, asyncio.Task[None]]

    async def stop(self, address: str) -> None:
        """Ends the servers at an address, and all their connections."""
        tasks = [task for pair, task in self.tasks.items() if pair[0] == address]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


@contextlib.asynccontextmanager
async def outside(network: Network, word: str) -> AsyncIterator[Outside]:
    """The outside; from the beginning of the block all servers answer."""
    async with asyncio.TaskGroup() as group:
        tasks = {(one.address, one.port): group.create_task(_serve(one, network, word)) for one in SERVERS}
        # Each comes as far as listening.
        await asyncio.sleep(0)
        try:
            yield Outside(word, tasks)
        finally:
            for task in tasks.values():
                task.cancel()


async def _serve(server: Server, network: Network, word: str) -> None:
    with network.serving(server.address, server.port) as listener:
        listener.setblocking(False)
        runner = web.AppRunner(_application(server, word), access_log=None, shutdown_timeout=0.01)
        await runner.setup()
        assert runner.server is not None
        try:
            await _accept(listener, runner.server, _context(server))
        finally:
            with anyio.CancelScope(shield=True):
                await runner.cleanup()


async def _accept(listener: socket.socket, server: web.Server, context: ssl.SSLContext | None) -> None:
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as tasks:
        while True:
            connection, _ = await loop.sock_accept(listener)
            tasks.create_task(_admit(connection, server, context))


async def _admit(connection: socket.socket, server: web.Server, context: ssl.SSLContext | None) -> None:
    """Hand a connection to the HTTP server, over TLS if there is a context."""
    handed = False
    try:
        if context and (refusal := await _refusal(connection, context)) is not None:
            # Taken out of the queue, or closing would send RST, which overtakes what was sent.
            connection.recv(16384)
            connection.send(refusal)
            return
        await asyncio.get_running_loop().connect_accepted_socket(server, connection, ssl=context)
        handed = True
    except OSError:
        pass
    finally:
        if not handed:
            connection.close()


async def _refusal(connection: socket.socket, context: ssl.SSLContext) -> bytes | None:
    """What is sent to a client whose first bytes no TLS can follow, None if it can.

    asyncio gives up a failed handshake without sending the alert, so that the client would see no more than RST.
    """
    await anyio.wait_readable(connection)
    first = connection.recv(16384, socket.MSG_PEEK)
    if first[:1] != b"\x16":
        # No handshake record; the words are those of Go's net/http.
        return b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n" if first else b""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    incoming.write(first)
    try:
        context.wrap_bio(incoming, outgoing, server_side=True).do_handshake()
    except ssl.SSLWantReadError:
        return None
    except ssl.SSLError:
        return outgoing.read()
    return None


def _application(server: Server, word: str) -> web.Application:
    async def sign(_: web.Request, response: web.StreamResponse) -> None:
        response.headers.popall("Server", None)
        response.headers["X-Served-By"] = f"{server.address}:{server.port}"
        response.headers[RUN_HEADER] = word

    app = web.Application()
    for path, handler in server.handlers.items():
        app.router.add_route("*", path, handler)
    app.on_response_prepare.append(sign)
    return app


def _context(server: Server) -> ssl.SSLContext | None:
    if not server.certificate:
        return None

    def judge(_: ssl.SSLObject | ssl.SSLSocket, name: str | None, __: ssl.SSLContext) -> int | None:
        return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME if server.only_for not in ("", name) else None

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*pki.server(server.certificate))
    context.set_alpn_protocols(["http/1.1"])
    context.sni_callback = judge
    return context
