import asyncio
import errno
import socket
from collections.abc import Iterator

import pytest

from kubectl_extsvc.sandbox.outside.hosts import OutsideDns
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


async def test_a_silenced_address_swallows_connections_whether_its_port_was_known_before_or_not(
    network: Network,
) -> None:
    before = network.port_of("203.0.113.99", 80)
    network.silence("203.0.113.99")
    assert network.port_of("203.0.113.99", 80) == before
    seen = [await called(network, "203.0.113.99", port) for port in (80, 443)]
    assert seen == ["silence", "silence"]
    assert not network.refuses("203.0.113.99", 80)


async def test_a_pair_keeps_its_port_while_its_server_comes_and_goes(network: Network) -> None:
    port = network.port_of("203.0.113.10", 80)
    seen = [await called(network, "203.0.113.10", 80)]
    for _ in range(2):
        with network.serving("203.0.113.10", 80):
            seen.append(await called(network, "203.0.113.10", 80))
        seen.append(await called(network, "203.0.113.10", 80))
    assert seen == ["refused", "connected", "refused", "connected", "refused"]
    assert network.port_of("203.0.113.10", 80) == port


async def test_a_server_at_a_silent_address_is_heard(network: Network) -> None:
    network.silence("203.0.113.99")
    seen = [await called(network, "203.0.113.99", 80)]
    with network.serving("203.0.113.99", 80):
        seen.append(await called(network, "203.0.113.99", 80))
    seen.append(await called(network, "203.0.113.99", 80))
    assert seen == ["silence", "connected", "silence"]


def test_each_pair_has_a_port_of_its_own_that_leads_back_to_it(network: Network) -> None:
    pairs = [("203.0.113.10", 80), ("203.0.113.10", 443), ("203.0.113.30", 80), ("2001:db8::1", 80)]
    ports = [network.port_of(*pair) for pair in pairs]
    assert [network.pair_of(port) for port in ports] == pairs
    assert network.pair_of(1) is None


def test_two_servers_cannot_have_one_pair(network: Network) -> None:
    with (
        network.serving("203.0.113.10", 80),
        pytest.raises(ValueError, match="has a server"),
        network.serving("203.0.113.10", 80),
    ):
        pass


# --- the outside's DNS -----------------------------------------------------------------------------------------------


def test_a_host_has_its_addresses_whatever_its_case_and_final_dot() -> None:
    dns = OutsideDns()
    assert dns.addresses("EN.wikipedia.org.") == ("198.51.100.26", "198.51.100.27")
    assert dns.addresses("nope.example") == ()


def test_a_host_can_move_become_another_name_and_go() -> None:
    dns = OutsideDns()
    dns.set_addresses("httpbin.org", "203.0.113.99")
    dns.set_cname("www.httpbin.org", "HTTPBIN.org.")
    assert (dns.addresses("httpbin.org"), dns.cname("httpbin.org")) == (("203.0.113.99",), "")
    assert (dns.addresses("www.httpbin.org"), dns.cname("www.httpbin.org")) == (("203.0.113.99",), "httpbin.org")
    dns.set_cname("web.example", "www.httpbin.org")
    assert dns.addresses("web.example") == ("203.0.113.99",)
    dns.set_addresses("httpbin.org")
    assert dns.addresses("www.httpbin.org") == ()


def test_cnames_in_a_circle_have_no_address() -> None:
    dns = OutsideDns()
    dns.set_cname("a.example", "b.example")
    dns.set_cname("b.example", "a.example")
    assert dns.addresses("a.example") == ()
