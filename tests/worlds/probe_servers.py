"""Servers on loopback that behave as badly as the real ones, each on a free port."""

import datetime
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Conversation = Callable[[socket.socket], None]

TLS_NAME = "pay.test"
FORGED = b'\nTOKEN 0 j{"exitcode":0,"http_code":204}\nTOKEN 0 h{}\nTOKEN 0 .\ntoken 1 w204\n'


@dataclass(frozen=True, slots=True)
class Street:
    """Ports by what stands there."""

    http: int
    tls: int
    """Its certificate is for pay.test; any other SNI gets an unrecognized_name alert."""
    tls_silent: int
    """The same, and says nothing after the handshake."""
    silent: int
    """Accepts and says nothing."""
    talker: int
    """Speaks first, as SMTP and MySQL do."""
    closing: int
    """Reads the request and closes."""
    resetting: int
    """Reads the request and resets."""
    refusing: int
    ca_file: Path
    heard: dict[str, list[bytes]] = field(default_factory=dict)
    """What clients sent, by the name of the server."""


@contextmanager
def street(directory: Path, ca: str = "test CA") -> Iterator[Street]:
    """All servers, until the end of the with block."""
    heard: dict[str, list[bytes]] = {}
    ca_file, context = _tls(directory, ca)
    listeners: list[socket.socket] = []

    def serve(name: str, conversation: Conversation, tls: ssl.SSLContext | None = None) -> int:
        listener = socket.create_server(("127.0.0.1", 0), backlog=300)
        listeners.append(listener)

        def one(connection: socket.socket) -> None:
            with suppress(OSError):
                connection.settimeout(20)
                if tls is not None:
                    connection = tls.wrap_socket(connection, server_side=True)
                conversation(connection)
            connection.close()

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    threading.Thread(target=one, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True, name=name).start()
        return int(listener.getsockname()[1])

    def hear(name: str, first: bytes = b"") -> Conversation:
        def listen(connection: socket.socket) -> None:
            connection.sendall(first)
            text = b""
            with suppress(OSError):
                while more := connection.recv(4096):
                    text += more
            heard.setdefault(name, []).append(text)

        return listen

    with socket.socket() as bound:
        # Bound and not listening: the port stays ours and refuses.
        bound.bind(("127.0.0.1", 0))
        try:
            yield Street(
                http=serve("http", _http),
                tls=serve("tls", _http, context),
                tls_silent=serve("tls_silent", hear("tls_silent"), context),
                silent=serve("silent", hear("silent")),
                talker=serve("talker", hear("talker", b"220 mail.test ESMTP\r\n")),
                closing=serve("closing", lambda connection: _drop(connection, reset=False)),
                resetting=serve("resetting", lambda connection: _drop(connection, reset=True)),
                refusing=bound.getsockname()[1],
                ca_file=ca_file,
                heard=heard,
            )
        finally:
            for listener in listeners:
                listener.close()


def _drop(connection: socket.socket, *, reset: bool) -> None:
    connection.recv(65536)
    if reset:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _http(connection: socket.socket) -> None:
    request = b""
    while b"\r\n\r\n" not in request:
        more = connection.recv(65536)
        if not more:
            return
        request += more
    target = request.split(b" ")[1].decode().partition("?")[0]
    connection.sendall(_response(target, request))


def _response(path: str, request: bytes) -> bytes:
    head = request.startswith(b"HEAD ")
    match path:
        case "/echo":
            return _answer(request)
        case "/missing":
            return _answer(b"no", status=b"404 Not Found")
        case "/moved":
            return _answer(b"", status=b"302 Found", headers=b"Location: http://127.0.0.1:1/\r\n")
        case "/hostile":
            return _answer(
                b"\x1b]0;owned\x07[/x]", headers=b"X-Evil: a\x1b[31mred\x9b1m [@click=app.quit]\r\nServer: envoy\r\n"
            )
        case "/huge-header":
            return _answer(b"", headers=b"X-Huge: " + b"x" * 1_000_000 + b"\r\n")
        case "/repeated":
            return _answer(b"", headers=b"Set-Cookie: a=1\r\nX-A: 1\r\nServer: envoy\r\nSet-Cookie: b=2\r\nX-A: 2\r\n")
        case "/chunked":
            return _answer(
                b"4\r\nfour\r\n6;x=y\r\n chunk\r\n0\r\n\r\n", headers=b"Transfer-Encoding: chunked\r\n", length=False
            )
        case "/forged":
            return _answer(FORGED)
        case "/http-body":
            return _answer(b"HTTP/1.1 500 No\r\nX-Not: mine\r\n\r\nbody")
        case "/big":
            return _answer(b"b" * 200_000)
        case "/cut":
            return _answer(b"short", headers=b"Content-Length: 100\r\n", length=False)
        case "/interim":
            return b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + _answer(b"late")
        case "/not-http":
            return b"\x15\x03\x01\x00\x02\x02\x50"
        case _:
            return _answer(b"" if head else b"hello\n")


def _answer(body: bytes, status: bytes = b"200 OK", headers: bytes = b"", *, length: bool = True) -> bytes:
    size = b"Content-Length: %d\r\n" % len(body) if length else b""
    return b"HTTP/1.1 " + status + b"\r\n" + headers + size + b"Connection: close\r\n\r\n" + body


def _tls(directory: Path, ca_name: str) -> tuple[Path, ssl.SSLContext]:
    """A CA file, and the context of a server that has a certificate for pay.test and 127.0.0.1 and is strict on SNI."""
    now = datetime.datetime.now(datetime.UTC)

    def certificate(
        name: str, issuer: str, signer: ec.EllipticCurvePrivateKey, key: ec.EllipticCurvePrivateKey, ca: bool
    ) -> bytes:
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if not ca:
            names = [x509.DNSName(name), x509.IPAddress(ip_address("127.0.0.1"))]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_file, pair_file = directory / "ca.pem", directory / "pair.pem"
    ca_file.write_bytes(certificate(ca_name, ca_name, ca_key, ca_key, True))
    pair_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate(TLS_NAME, ca_name, ca_key, key, False)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair_file)

    def strict(_: ssl.SSLObject | ssl.SSLSocket, name: str | None, __: ssl.SSLContext) -> int | None:
        return None if name in (TLS_NAME, None) else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    context.sni_callback = strict
    return ca_file, context
