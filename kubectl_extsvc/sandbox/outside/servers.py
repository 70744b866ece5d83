"""The servers outside of the cluster, on loopback: real HTTP and real TLS. They answer as those of the testbed do.

httpbin.org plays go-httpbin, with the paths that a probe needs. HTTP/1.1 only.
"""

import asyncio
import contextlib
import json
import secrets
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from urllib.parse import parse_qs
from weakref import WeakKeyDictionary

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

# The server name that a client sent, by the connection's TLS.
_server_names: WeakKeyDictionary[ssl.SSLObject | ssl.SSLSocket, str] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Server:
    address: str
    port: int
    handler: Handler | None
    """None: no HTTP, but a line of text and then each byte back."""
    certificate: str = ""
    """Of pki.server; "" speaks in clear."""
    only_for: str = ""
    """The only server name that TLS is spoken with."""
    client_certificate: bool = False


# --- what they answer ------------------------------------------------------------------------------------------------


async def httpbin(request: web.Request) -> web.Response:
    """go-httpbin: /get, /headers, /status/N, /delay/N, /anything, /ip, /user-agent."""
    parts = request.path.split("/")[1:]
    match parts:
        case _ if request.method == "OPTIONS":
            methods = {"Access-Control-Allow-Methods": "GET, POST, HEAD, PUT, DELETE, PATCH, OPTIONS"}
            return web.Response(headers=_CORS | methods | {"Access-Control-Max-Age": "3600"})
        case [""]:
            return web.Response(text="<title>go-httpbin(1)</title>\n", content_type="text/html", headers=_CORS)
        case ["get"] if request.method not in ("GET", "HEAD"):
            return _text(HTTPStatus.METHOD_NOT_ALLOWED, "Method Not Allowed\n", _CORS | {"Allow": "GET, HEAD"})
        case ["get"]:
            return _pretty(_asked(request))
        case ["headers"]:
            return _pretty({"headers": _headers(request, with_host=True)})
        case ["ip"]:
            return _pretty({"origin": _origin(request)})
        case ["user-agent"]:
            return _pretty({"user-agent": request.headers.get("User-Agent", "")})
        case ["status", code]:
            return _status(code)
        case ["delay", seconds]:
            return await _delayed(request, seconds)
        case ["anything", *_]:
            return _pretty(await _asked_and_sent(request))
    return _text(HTTPStatus.NOT_FOUND, "404 page not found\n", _CORS)


async def wikipedia(request: web.Request) -> web.Response:
    match request.path:
        case "/":
            return _moved("/wiki/Main_Page")
        case "/wiki/Main_Page":
            page = (
                '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="UTF-8">\n'
                "<title>Wikipedia, the free encyclopedia</title>\n</head>\n<body></body>\n</html>\n"
            )
            return web.Response(body=page.encode(), headers={"Content-Type": "text/html; charset=UTF-8"})
    return _text(HTTPStatus.NOT_FOUND, "404 page not found\n", {})


async def to_https(request: web.Request) -> web.Response:
    return _moved(f"https://{request.host}{request.raw_path}")


async def pay(request: web.Request) -> web.Response:
    """Says what it was asked, and over which TLS."""
    transport = request.transport
    tls = transport and transport.get_extra_info("ssl_object")
    answer: Json = {
        "client": f"{NODE}:{transport and transport.get_extra_info('peername')[1]}",
        "headers": _headers(request, with_host=False),
        "method": request.method,
        "sni": _server_names.get(tls, "") if tls else "",
        "url": f"https://{request.host}{request.raw_path}",
    }
    certificate = tls and tls.getpeercert()
    if certificate:
        answer["client_certificate"] = dict(pair for (pair,) in certificate["subject"])["commonName"]
    text = json.dumps(answer, separators=(",", ":"), sort_keys=True) + "\n"
    return web.Response(body=text.encode(), headers={"Content-Type": "application/json"})


_CORS = {"Access-Control-Allow-Credentials": "true", "Access-Control-Allow-Origin": "*"}


def _status(code: str) -> web.Response:
    if not code.isdecimal():
        return _bad(f'invalid status code: "{code}": strconv.Atoi: parsing "{code}": invalid syntax')
    number = int(code)
    if not 100 <= number <= 599:
        return _bad(f"invalid status code: {number} not in range [100, 599]")
    return web.Response(status=number, headers=_CORS | {"Content-Type": "text/plain; charset=utf-8"})


async def _delayed(request: web.Request, text: str) -> web.Response:
    try:
        seconds = min(float(text), LONGEST_DELAY)
    except ValueError:
        return _bad(f'invalid duration: strconv.ParseFloat: parsing "{text}": invalid syntax')
    await asyncio.sleep(seconds)
    return _pretty(await _asked_and_sent(request))


def _bad(detail: str) -> web.Response:
    return _pretty({"status_code": 400, "error": "Bad Request", "detail": detail}, HTTPStatus.BAD_REQUEST)


def _pretty(answer: Json, status: int = 200) -> web.Response:
    text = json.dumps(answer, indent=2, ensure_ascii=False) + "\n"
    headers = _CORS | {"Content-Type": "application/json; charset=utf-8"}
    return web.Response(status=status, body=text.encode(), headers=headers)


def _text(status: int, text: str, headers: dict[str, str]) -> web.Response:
    more = {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}
    return web.Response(status=status, body=text.encode(), headers=headers | more)


def _moved(location: str) -> web.Response:
    text = f'<a href="{location}">Moved Permanently</a>.\n\n'
    headers = {"Content-Type": "text/html; charset=utf-8", "Location": location}
    return web.Response(status=301, body=text.encode(), headers=headers)


def _headers(request: web.Request, *, with_host: bool) -> dict[str, list[str]]:
    """As Go's net/http keeps them: X-B-C for x-b-c, sorted, and the Host apart."""
    found: dict[str, list[str]] = {}
    for name, value in request.headers.items():
        canonical = "-".join(part.capitalize() for part in name.split("-"))
        if with_host or canonical != "Host":
            found.setdefault(canonical, []).append(value)
    return dict(sorted(found.items()))


def _origin(request: web.Request) -> str:
    return request.headers.get("X-Forwarded-For", NODE).partition(",")[0]


def _asked(request: web.Request) -> Json:
    scheme = request.headers.get("X-Forwarded-Proto") or ("https" if request.secure else "http")
    return {
        "args": parse_qs(request.query_string, keep_blank_values=True),
        "headers": _headers(request, with_host=True),
        "method": request.method,
        "origin": _origin(request),
        "url": f"{scheme}://{request.host}{request.raw_path}",
    }


async def _asked_and_sent(request: web.Request) -> Json:
    data = (await request.read()).decode(errors="replace")
    parsed: object = None
    if request.content_type == "application/json":
        with contextlib.suppress(ValueError):
            parsed = json.loads(data)
    is_form = request.content_type == "application/x-www-form-urlencoded"
    form = parse_qs(data, keep_blank_values=True) if is_form else {}
    return _asked(request) | {"data": data, "files": {}, "form": form, "json": parsed}


SERVERS = (
    Server(hosts.HTTPBIN, 80, httpbin),
    Server(hosts.HTTPBIN, 443, httpbin, "httpbin.org"),
    *(Server(address, 80, to_https) for address in hosts.WIKIPEDIA),
    *(Server(address, 443, wikipedia, "wikipedia") for address in hosts.WIKIPEDIA),
    Server(hosts.PAY, 443, pay, "api.pay.example", "api.pay.example"),
    Server(hosts.MTLS_PAY, 443, pay, "mtls.pay.example", "mtls.pay.example", client_certificate=True),
    Server(hosts.EXPIRED, 443, pay, "expired.example"),
    Server(hosts.UNTRUSTED, 443, pay, "untrusted.example"),
    Server(hosts.DATABASE, 5432, None),
)


# --- how they run ----------------------------------------------------------------------------------------------------


class Outside:
    """The servers; each can be stopped, and started again."""

    def __init__(self, network: Network, word: str, tasks: asyncio.TaskGroup) -> None:
        self.word = word
        """What every answer has in RUN_HEADER."""
        self._network = network
        self._tasks = tasks
        self._running: dict[Pair, asyncio.Task[None]] = {}

    async def start(self, *servers: Server) -> None:
        """Returns when they answer. What listens at the same address and port already is stopped."""
        for server in servers:
            pair = (server.address, server.port)
            await self.stop(*pair)
            started = asyncio.Event()
            self._running[pair] = self._tasks.create_task(_serve(server, self._network, self.word, started))
            await started.wait()

    async def stop(self, address: str, port: int | None = None) -> None:
        """Ends the servers at an address, and all their connections."""
        for pair in [pair for pair in self._running if pair[0] == address and port in (None, pair[1])]:
            task = self._running.pop(pair)
            task.cancel()
            await asyncio.wait([task])


@contextlib.asynccontextmanager
async def outside(network: Network, word: str = "", servers: Iterable[Server] = SERVERS) -> AsyncIterator[Outside]:
    """The running outside, with a random word if none is given; what is silent is set up in the network."""
    network.silence(hosts.SILENT)
    async with asyncio.TaskGroup() as tasks:
        running = Outside(network, word or secrets.token_hex(4), tasks)
        await running.start(*servers)
        try:
            yield running
        finally:
            for server in servers:
                await running.stop(server.address)


async def _serve(server: Server, network: Network, word: str, started: asyncio.Event) -> None:
    with network.serving(server.address, server.port) as listener:
        listener.setblocking(False)
        if server.handler is None:
            async with await asyncio.start_server(_speak_first, sock=listener) as raw:
                started.set()
                await raw.serve_forever()
        runner = web.AppRunner(_application(server, word), access_log=None, shutdown_timeout=0.01)
        await runner.setup()
        assert runner.server is not None
        try:
            started.set()
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
    try:
        if context:
            await anyio.wait_readable(connection)
            refusal = _refusal(connection.recv(16384, socket.MSG_PEEK), context)
            if refusal is not None:
                # Taken out of the queue, or closing would send RST, which overtakes what was sent.
                connection.recv(16384)
                connection.send(refusal)
                connection.close()
                return
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(server, connection, ssl=context)
    except (OSError, ssl.SSLError):
        connection.close()
    except BaseException:
        connection.close()
        raise


def _refusal(first: bytes, context: ssl.SSLContext) -> bytes | None:
    """What is sent to a client whose first bytes no TLS can follow, None if it can.

    asyncio gives up a failed handshake without sending the alert, so that the client would see no more than RST.
    """
    if not first:
        return b""
    if first[:1] != b"\x16":
        # No handshake record; the words are those of Go's net/http.
        return b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    incoming.write(first)
    try:
        context.wrap_bio(incoming, outgoing, server_side=True).do_handshake()
    except ssl.SSLWantReadError:
        return None
    except ssl.SSLError:
        return outgoing.read()
    return None


async def _speak_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        writer.write(b"ready\n")
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


def _application(server: Server, word: str) -> web.Application:
    assert server.handler is not None

    async def sign(_: web.Request, response: web.StreamResponse) -> None:
        response.headers.popall("Server", None)
        response.headers["X-Served-By"] = f"{server.address}:{server.port}"
        response.headers[RUN_HEADER] = word

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handler)
    app.on_response_prepare.append(sign)
    return app


def _context(server: Server) -> ssl.SSLContext | None:
    if not server.certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*pki.server(server.certificate))
    context.set_alpn_protocols(["http/1.1"])
    if server.client_certificate:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(pki.CA)
    context.sni_callback = partial(_judge_server_name, server.only_for)
    return context


def _judge_server_name(
    only_for: str, tls: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext
) -> int | None:
    if only_for and name != only_for:
        return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
    _server_names[tls] = name or ""
    return None
