"""An API server on loopback that answers what a test tells it to, with TLS if asked, and notes every request."""

import asyncio
import contextlib
import datetime
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from multidict import CIMultiDictProxy

Json = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Seen:
    """One request as it came."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: CIMultiDictProxy[str]
    body: Any


@dataclass
class FakeApiServer:
    """Answers are queued by method and path; the last one of a queue is given again and again."""

    url: str = ""
    requests: list[Seen] = field(default_factory=list)
    fallback: Handler | None = None
    """Answers what has no queue; None: a 404."""
    _answers: dict[tuple[str, str], list[Handler]] = field(default_factory=dict)

    def on(self, method: str, path: str, *answers: Handler) -> None:
        self._answers.setdefault((method, path), []).extend(answers)

    def seen(self) -> list[str]:
        return [f"{request.method} {request.path}" for request in self.requests]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        body = json.loads(text) if text else None
        self.requests.append(Seen(request.method, request.path, tuple(request.query.items()), request.headers, body))
        queue = self._answers.get((request.method, request.path))
        if not queue and self.fallback is not None:
            return await self.fallback(request)
        if not queue:
            return await status(404, "NotFound", "the server could not find the requested resource")(request)
        handler = queue.pop(0) if len(queue) > 1 else queue[0]
        return await handler(request)


def reply(body: Any, code: int = 200, headers: dict[str, str] | None = None) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=code, headers=headers)

    return handle


def text(
    body: str | bytes, code: int = 200, content_type: str = "text/plain", headers: dict[str, str] | None = None
) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        data = body.encode() if isinstance(body, str) else body
        return web.Response(body=data, status=code, content_type=content_type, headers=headers)

    return handle


def status(
    code: int, reason: str, message: str, details: Json | None = None, headers: dict[str, str] | None = None
) -> Handler:
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "details": details or {},
        "code": code,
    }
    return reply(body, code, headers)


def silence(seconds: float = 30.0) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return web.Response()

    return handle


def events(*lines: Json, hold: float = 0.0) -> Handler:
    """A watch's answer: events, then hold seconds of silence, then the end."""

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        for start in range(0, len(data), 50):  # lines are torn, as on the network
            await response.write(data[start : start + 50])
        await asyncio.sleep(hold)
        return response

    return handle


def cut(*lines: Json) -> Handler:
    """A watch that breaks in the middle of a line."""

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for line in lines:
            await response.write(json.dumps(line).encode() + b"\n")
        await response.write(b'{"type": "ADD')
        assert request.transport is not None
        request.transport.close()
        return response

    return handle


Script = Callable[[web.WebSocketResponse], Awaitable[None]]


def websocket(script: Script, protocols: tuple[str, ...] = ("v5.channel.k8s.io", "v4.channel.k8s.io")) -> Handler:
    """exec: talks as script says, over the first of protocols that the client offers; a plain GET gets a 400."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return await status(400, "BadRequest", "Upgrade request required")(request)
        socket = web.WebSocketResponse(protocols=protocols)
        await socket.prepare(request)
        await socket.send_bytes(b"\x01")
        await socket.send_bytes(b"\x02")
        await script(socket)
        await socket.close()
        return socket

    return handle


@contextlib.asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[FakeApiServer]:
    server = FakeApiServer()
    app = web.Application(client_max_size=2**26)
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    server.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    try:
        yield server
    finally:
        await runner.cleanup()


@dataclass
class FakeProxy:
    url: str
    """http://127.0.0.1:PORT"""
    targets: list[str] = field(default_factory=list)
    """HOST:PORT of each CONNECT."""


@contextlib.asynccontextmanager
async def proxying(to: str) -> AsyncIterator[FakeProxy]:
    """A CONNECT proxy that, whatever name it is asked for, connects to the server of URL to."""
    host, port = to.partition("://")[2].split(":")
    proxy = FakeProxy("")

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        proxy.targets.append(request.split()[1])
        there_reader, there_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(pump(reader, there_writer), pump(there_reader, writer))

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        await asyncio.sleep(0.05)


class Authority:
    """A certificate authority in a folder: ca.crt, and NAME.crt with NAME.key for each certificate issued."""

    def __init__(self, folder: Path, *, key_identifiers: bool = True) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test ca")])
        self._key_identifiers = key_identifiers
        builder = self._builder(self._name, self._key.public_key(), days=3650).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        if key_identifiers:
            builder = builder.add_extension(
                x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False
            ).add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), critical=True)
        self.path = folder / "ca.crt"
        self.path.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def _builder(self, name: x509.Name, key: ec.EllipticCurvePublicKey, days: int) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        start, end = sorted((now - datetime.timedelta(days=2), now + datetime.timedelta(days=days)))
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(start - datetime.timedelta(days=2))
            .not_valid_after(end)
        )

    def issue(self, name: str, *alternatives: x509.GeneralName, days: int = 365) -> tuple[Path, Path]:
        """Paths of certificate and key; days is until its end, negative for one that has expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self._builder(subject, key.public_key(), days)
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        if self._key_identifiers:
            builder = builder.add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
        certificate = self._folder / f"{name}.crt"
        certificate.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        private = self._folder / f"{name}.key"
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return certificate, private

    def server(
        self, name: str, *alternatives: x509.GeneralName, days: int = 365, ask_client: bool = False
    ) -> ssl.SSLContext:
        """A server's context; with ask_client it wants certificates of this authority."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*self.issue(name, *alternatives, days=days))
        if ask_client:
            context.load_verify_locations(self.path)
            context.verify_mode = ssl.CERT_REQUIRED
        return context
