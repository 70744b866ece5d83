import asyncio
import errno
import socket
from collections.abc import Iterator

import pytest

from kubectl_extsvc.sandbox.outside.hosts import SILENT, addresses_of
from kubectl_extsvc.sandbox.outside.network import LOOPBACK, Network


@pytest.fixture
def network() -> Iterator[Network]:
    made = Network()
    yield made
    made.close()


async def called(network: Network, address: str, port: int) -> str:
    """What a TCP client sees: "connected", "refused" or "silence"."""
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setblocking(False)
        try:
            async with asyncio.timeout(0.3):
                await loop.sock_connect(client, (LOOPBACK, network.port_of(address, port)))
        except TimeoutError:
            return "silence"
        except OSError as error:
            return "refused" if error.errno == errno.ECONNREFUSED else repr(error)
        return "connected"


async def test_a_pair_without_a_server_refuses(network: Network) -> None:
    assert await called(network, "203.0.113.30", 80) == "refused"
    assert network.refuses("203.0.113.30", 80)


async def test_the_silent_address_swallows_connections(network: Network) -> None:
    seen = [await called(network, SILENT, port) for port in (80, 443)]
    assert (seen, network.refuses(SILENT, 80)) == (["silence", "silence"], False)


async def test_a_pair_keeps_its_port_while_its_server_comes_and_goes(network: Network) -> None:
    port = network.port_of("203.0.113.10", 80)
    seen = [await called(network, "203.0.113.10", 80)]
    for _ in range(2):
        with network.serving("203.0.113.10", 80):
            seen.append(await called(network, "203.0.113.10", 80))
        seen.append(await called(network, "203.0.113.10", 80))
    assert seen == ["refused", "connected", "refused", "connected", "refused"]
    assert network.port_of("203.0.113.10", 80) == port


def test_each_pair_has_a_port_of_its_own_that_leads_back_to_it(network: Network) -> None:
    pairs = [("203.0.113.10", 80), ("203.0.113.10", 443), ("203.0.113.30", 80), ("2001:db8::1", 80)]
    ports = [network.port_of(*pair) for pair in pairs]
    assert [network.pair_of(port) for port in ports] == pairs
    assert network.pair_of(1) is None


def test_a_host_has_its_addresses_whatever_its_case_and_final_dot() -> None:
    assert addresses_of("EN.wikipedia.org.") == ("198.51.100.26", "198.51.100.27")
    assert addresses_of("nope.example") == ()
