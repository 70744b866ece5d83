"""The outside, as a client without any pod sees it."""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from sandbox.pods_world import WORD, World, world

from kubectl_extsvc.sandbox.outside import pki
from kubectl_extsvc.sandbox.outside.network import LOOPBACK


@pytest.fixture
async def street() -> AsyncIterator[World]:
    async with world() as made:
        yield made


@dataclass(frozen=True, slots=True)
class Answered:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


async def asked(
    street: World,
    url: str,
    address: str,
    port: int,
    *,
    tls: ssl.SSLContext | None = None,
    server_name: str | None = None,
    headers: dict[str, str] | None = None,
) -> Answered:
    """The answer of a server to a URL whose host it need not have."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    where = f"{scheme}://{LOOPBACK}:{street.network.port_of(address, port)}{slash}{path}"
    async with (
        aiohttp.ClientSession(skip_auto_headers=["User-Agent", "Accept-Encoding", "Content-Type"]) as session,
        session.request(
            "GET", where, headers={"Host": host, **(headers or {})}, allow_redirects=False,
            ssl=tls or True, server_hostname=(server_name or host) if tls else None,
        ) as answer,
    ):  # fmt: skip
        return Answered(answer.status, dict(answer.headers), await answer.text())


def trusting() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=pki.CA)


HTTPBIN = "203.0.113.10"


async def test_every_answer_says_who_gave_it_and_in_which_run(street: World) -> None:
    answer = await asked(street, "http://httpbin.org/headers", HTTPBIN, 80)
    assert {name: answer.headers[name] for name in answer.headers if name.startswith("X-")} == {
        "X-Served-By": "203.0.113.10:80",
        "X-Sandbox-Run": WORD,
    }
    assert "Server" not in answer.headers


async def test_httpbin_echoes_a_get_as_go_httpbin_does(street: World) -> None:
    answer = await asked(street, "http://httpbin.org/get?a=1&b=2&a=3", HTTPBIN, 80, headers={"x-b-C": "1"})
    assert answer.text.startswith('{\n  "args": {\n    "a": [\n      "1",\n      "3"\n    ],')
    assert answer.json == {
        "args": {"a": ["1", "3"], "b": ["2"]},
        "headers": {"Accept": ["*/*"], "Host": ["httpbin.org"], "X-B-C": ["1"]},
        "method": "GET",
        "origin": "198.51.100.1",
        "url": "http://httpbin.org/get?a=1&b=2&a=3",
    }


@pytest.mark.parametrize(
    ("path", "status"), [("/", 200), ("/status/404", 404), ("/status/503", 503), ("/status/600", 404), ("/nope", 404)]
)
async def test_httpbin_gives_the_status_that_it_is_asked_for(street: World, path: str, status: int) -> None:
    assert (await asked(street, f"http://httpbin.org{path}", HTTPBIN, 80)).status == status


async def test_httpbin_waits_as_long_as_it_is_asked_to(street: World) -> None:
    loop = asyncio.get_running_loop()
    before = loop.time()
    answer = await asked(street, "http://httpbin.org/delay/0.2", HTTPBIN, 80)
    assert (answer.status, loop.time() - before >= 0.2) == (200, True)


async def test_wikipedia_leads_to_https_and_has_its_page_there(street: World) -> None:
    plain = await asked(street, "http://en.wikipedia.org/wiki/Main_Page", "198.51.100.26", 80)
    page = await asked(
        street, "https://en.wikipedia.org/wiki/Main_Page", "198.51.100.27", 443, tls=trusting()
    )  # fmt: skip
    assert (plain.status, plain.headers["Location"]) == (301, "https://en.wikipedia.org/wiki/Main_Page")
    assert (page.status, "<title>Wikipedia, the free encyclopedia</title>" in page.text) == (200, True)
    assert page.headers["X-Served-By"] == "198.51.100.27:443"


async def test_pay_says_over_which_server_name_it_was_asked(street: World) -> None:
    answer = await asked(
        street, "https://other.example/get?x=1", "203.0.113.20", 443, tls=trusting(), server_name="api.pay.example"
    )
    echo = answer.json
    assert (echo["sni"], echo["url"], echo["headers"]) == (
        "api.pay.example",
        "https://other.example/get?x=1",
        {"Accept": ["*/*"]},
    )


@pytest.mark.parametrize("server_name", ["www.pay.example", None])
async def test_pay_refuses_any_other_server_name_with_an_alert(street: World, server_name: str | None) -> None:
    context = trusting()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def handshake() -> str:
        with socket.create_connection((LOOPBACK, street.network.port_of("203.0.113.20", 443))) as connection:
            try:
                context.wrap_socket(connection, server_hostname=server_name)
            except ssl.SSLError as error:
                return error.reason or ""
        return "accepted"

    assert await asyncio.to_thread(handshake) == "TLSV1_UNRECOGNIZED_NAME"


async def test_a_tls_port_tells_a_client_without_tls_so(street: World) -> None:
    reader, writer = await asyncio.open_connection(LOOPBACK, street.network.port_of(HTTPBIN, 443))
    writer.write(b"GET / HTTP/1.1\r\nHost: httpbin.org\r\n\r\n")
    said = await reader.read()
    writer.close()
    assert said == b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"


async def test_a_stopped_server_refuses_and_ends_its_connections(street: World) -> None:
    reader, writer = await asyncio.open_connection(LOOPBACK, street.network.port_of(HTTPBIN, 80))
    await street.outside.stop(HTTPBIN)
    assert (await reader.read(), street.network.refuses(HTTPBIN, 80), street.network.refuses(HTTPBIN, 443)) == (
        b"",
        True,
        True,
    )
    writer.close()
    with pytest.raises(aiohttp.ClientConnectorError):
        await asked(street, "http://httpbin.org/get", HTTPBIN, 80)


def test_all_certificates_outlive_the_project() -> None:
    names = [path.stem for path in pki.FOLDER.glob("*.crt")]
    ends = {name: _end(name) for name in names}
    assert set(ends.values()) == {"Jan  2 00:00:00 2124 GMT"}


def _end(name: str) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(pki.FOLDER / f"{name}.crt")
    certificates = context.get_ca_certs()
    if certificates:
        return str(certificates[0]["notAfter"])
    decoded = ssl._ssl._test_decode_cert(str(pki.FOLDER / f"{name}.crt"))  # type: ignore[attr-defined]
    return str(decoded["notAfter"])
