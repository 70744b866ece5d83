"""A fake API server and connections to it."""

import ipaddress
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from worlds.fake_apiserver import Authority, FakeApiServer, serving

LOOPBACK = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


@pytest.fixture
async def apiserver() -> AsyncIterator[FakeApiServer]:
    async with serving() as server:
        yield server


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def tls_apiserver(authority: Authority) -> AsyncIterator[FakeApiServer]:
    """Its certificate is for 127.0.0.1, signed by authority."""
    async with serving(authority.server("apiserver", LOOPBACK)) as server:
        yield server
