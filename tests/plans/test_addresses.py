"""Addresses that an Endpoints alias may stand for."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubectl_extsvc.errors import UsageError
from kubectl_extsvc.plans.addresses import addresses


def test_addresses_are_canonical_in_order_and_none_twice() -> None:
    texts = ["198.51.100.27, 2001:DB8:0::0:1", "198.51.100.26,198.51.100.27", "[2001:db8::1]"]
    assert addresses(texts) == (("198.51.100.27", "2001:db8::1", "198.51.100.26"), ())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no address is given"),
        (",", "no address is given"),
        ("httpbin.org", "for a host use --external-name, or --host with --lookup"),
        ("010.0.0.1", "is not an IP address"),
        ("203.0.113.0/24", "is a network"),
        ("fe80::1%eth0", "has a zone"),
        ("::ffff:203.0.113.10", "write 203.0.113.10"),
        ("0.0.0.0", "the unspecified address, which Kubernetes refuses"),
        ("::", "the unspecified address, which Kubernetes refuses"),
        ("127.0.0.1", "a loopback address, which Kubernetes refuses"),
        ("::1", "a loopback address, which Kubernetes refuses"),
        ("169.254.169.254", "a link-local address, which Kubernetes refuses"),
        ("fe80::1", "a link-local address, which Kubernetes refuses"),
        ("224.0.0.1", "a multicast address: no TCP connection"),
        ("239.1.2.3", "a multicast address: no TCP connection"),
        ("ff02::1", "a multicast address: no TCP connection"),
        ("255.255.255.255", "the broadcast address: no TCP connection"),
        ("0.1.2.3", "in 0.0.0.0/8, which is never a destination"),
        ("1.2.3.4\x1b", r'"1.2.3.4\\x1b" is not an IP address'),
    ],
)
def test_what_no_pod_can_reach_is_refused(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        addresses([text])
    assert str(caught.value).startswith("--address: ")


def test_reserved_addresses_are_taken_with_a_warning() -> None:
    found, warnings = addresses(["240.0.0.1,203.0.113.10,2001:2::9"])
    assert found == ("240.0.0.1", "203.0.113.10", "2001:2::9")
    assert [warning.split(",")[0] for warning in warnings] == [
        "240.0.0.1 is in 240.0.0.0/4",
        "2001:2::9 is in 2001:2::/48",
    ]


def test_more_than_one_slice_holds_are_refused() -> None:
    texts = [str(IPv4Address("198.18.0.0") + number) for number in range(1001)]
    assert len(addresses([*texts[:1000], "2001:db8::1"])[0]) == 1001
    with pytest.raises(UsageError, match="1001 IPv4 addresses, at most 1000 fit"):
        addresses(texts)


@settings(deadline=None)
@given(st.ip_addresses())
def test_an_address_that_is_taken_is_taken_again_as_it_is(address: IPv4Address | IPv6Address) -> None:
    try:
        found, warnings = addresses([address.exploded])
    except UsageError:
        return
    assert found == (str(address),)
    assert addresses(found) == (found, warnings)
