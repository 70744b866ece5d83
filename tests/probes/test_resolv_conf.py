"""What a pod's resolver makes of a name, against what resolv.conf(5) and glibc do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubectl_extsvc.probes.resolv_conf import ResolvConf, resolv_conf_of

POD = """# made by the kubelet
search shop.svc.cluster.local svc.cluster.local cluster.local ec2.internal.
nameserver 10.96.0.10
nameserver fd00::a
options ndots:5 edns0
127.0.0.1\tlocalhost
fe00::0\tip6-localnet
203.0.113.9 My-Pay.shop pay # hostAliases
"""
CONF = ResolvConf(
    ("10.96.0.10", "fd00::a"),
    ("shop.svc.cluster.local", "svc.cluster.local", "cluster.local", "ec2.internal"),
    5,
    (
        ("localhost", "127.0.0.1"),
        ("ip6-localnet", "fe00::"),
        ("my-pay.shop", "203.0.113.9"),
        ("pay", "203.0.113.9"),
    ),
)


def test_both_files_are_read_from_one_text() -> None:
    assert resolv_conf_of(POD) == CONF


@pytest.mark.parametrize(
    ("text", "conf"),
    [
        ("", ResolvConf()),
        ("domain a.test\nsearch b.test c.test\n", ResolvConf(search=("b.test", "c.test"))),
        ("search b.test\nsearch .\n", ResolvConf()),
        ("nameserver nonsense\nnameserver\n", ResolvConf()),
        ("".join(f"nameserver 10.0.0.{n}\n" for n in range(1, 6)), ResolvConf(("10.0.0.1", "10.0.0.2", "10.0.0.3"))),
        ("options ndots:99\n", ResolvConf(ndots=15)),
        ("options ndots:\nnameserver 10.0.0.1 ; x\n", ResolvConf(("10.0.0.1",))),
    ],
    ids=ascii,
)
def test_the_last_search_list_the_first_three_servers_and_at_most_fifteen_dots_hold(
    text: str, conf: ResolvConf
) -> None:
    assert resolv_conf_of(text) == conf


@pytest.mark.parametrize(
    ("name", "ndots", "asked"),
    [
        ("my-pay.shop.", 5, ("my-pay.shop",)),
        ("my-pay.shop", 5, ("my-pay.shop.a.test", "my-pay.shop.b.test", "my-pay.shop")),
        ("my-pay.shop", 1, ("my-pay.shop", "my-pay.shop.a.test", "my-pay.shop.b.test")),
        ("pay", 1, ("pay.a.test", "pay.b.test", "pay")),
    ],
)
def test_names_of_few_dots_go_through_the_search_list_first(name: str, ndots: int, asked: tuple[str, ...]) -> None:
    assert ResolvConf(search=("a.test", "b.test"), ndots=ndots).candidates(name) == asked


def test_the_hosts_file_knows_names_in_any_case_and_with_a_final_dot() -> None:
    assert CONF.addresses_of("MY-PAY.shop.") == ("203.0.113.9",)
    assert CONF.addresses_of("my-pay") == ()


@given(st.text())
def test_reading_never_raises(text: str) -> None:
    assert all(line.isprintable() for line in resolv_conf_of(text).search)
