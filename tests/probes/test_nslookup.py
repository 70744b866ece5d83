"""nslookup's words as busybox 1.35 and bind 9.18 print them, one name after the other (recorded)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubectl_extsvc.model.resolution import Attempt, Reply, Resolution
from kubectl_extsvc.probes.nslookup import command, resolutions_in, seconds_of, stdin_of
from kubectl_extsvc.probes.resolv_conf import ResolvConf

CONF = ResolvConf(
    ("127.0.0.1",),
    ("shop.svc.cluster.local", "svc.cluster.local", "cluster.local"),
    5,
    (("pinned.shop", "203.0.113.9"),),
)
NAMES = ("my-pay.shop", "chain.example.", "empty.example.", "failing.example.", "pinned.shop")
BUSYBOX = """Server:\t\t127.0.0.1
Address:\t127.0.0.1:53

** server can't find my-pay.shop.shop.svc.cluster.local.: NXDOMAIN

** server can't find my-pay.shop.shop.svc.cluster.local.: NXDOMAIN

Server:\t\t127.0.0.1
Address:\t127.0.0.1:53

Non-authoritative answer:
my-pay.shop.svc.cluster.local\tcanonical name = api.pay.example
Name:\tapi.pay.example
Address: 203.0.113.20

Non-authoritative answer:
my-pay.shop.svc.cluster.local\tcanonical name = api.pay.example
Name:\tapi.pay.example
Address: 2001:db8::20

Server:\t\t127.0.0.1
Address:\t127.0.0.1:53

Non-authoritative answer:
chain.example\tcanonical name = edge.example
edge.example\tcanonical name = v4.example
Name:\tv4.example
Address: 203.0.113.21
Name:\tv4.example
Address: 203.0.113.22

Non-authoritative answer:
chain.example\tcanonical name = edge.example
edge.example\tcanonical name = v4.example

Server:\t\t127.0.0.1
Address:\t127.0.0.1:53

Non-authoritative answer:

Non-authoritative answer:

Server:\t\t127.0.0.1
Address:\t127.0.0.1:53

** server can't find failing.example.: SERVFAIL

** server can't find failing.example.: SERVFAIL

"""
BIND = """Server:\t\t127.0.0.1
Address:\t127.0.0.1#53

** server can't find my-pay.shop.shop.svc.cluster.local: NXDOMAIN

Server:\t\t127.0.0.1
Address:\t127.0.0.1#53

Non-authoritative answer:
my-pay.shop.svc.cluster.local\tcanonical name = api.pay.example.
Name:\tapi.pay.example
Address: 203.0.113.20
Name:\tapi.pay.example
Address: 2001:db8::20

Server:\t\t127.0.0.1
Address:\t127.0.0.1#53

Non-authoritative answer:
chain.example\tcanonical name = edge.example.
edge.example\tcanonical name = v4.example.
Name:\tv4.example
Address: 203.0.113.21
Name:\tv4.example
Address: 203.0.113.22

Server:\t\t127.0.0.1
Address:\t127.0.0.1#53

Non-authoritative answer:
*** Can't find empty.example: No answer

;; Got SERVFAIL reply from 127.0.0.1
Server:\t\t127.0.0.1
Address:\t127.0.0.1#53

** server can't find failing.example: SERVFAIL

"""


def pair(name: str, reply: Reply) -> tuple[Attempt, Attempt]:
    return Attempt(name, "A", reply), Attempt(name, "AAAA", reply)


def way(name: str, attempts: tuple[Attempt, ...] = (), addresses: tuple[str, ...] = (), **more: bool) -> Resolution:
    return Resolution(name, "nslookup", attempts, addresses, CONF.name_servers, CONF.search, CONF.ndots, **more)


def test_every_name_that_a_resolver_might_ask_for_is_asked_once_and_absolute() -> None:
    assert stdin_of(("my-pay.shop", "api.pay.example.", "api.pay.example."), CONF) == (
        b"my-pay.shop.shop.svc.cluster.local.\nmy-pay.shop.svc.cluster.local.\nmy-pay.shop.cluster.local.\n"
        b"my-pay.shop.\napi.pay.example.\n"
    )


@pytest.mark.parametrize("printed", [BUSYBOX, BIND], ids=["busybox", "bind"])
def test_busyboxs_and_binds_words_mean_the_same(printed: str) -> None:
    found, target = "my-pay.shop.svc.cluster.local", ("api.pay.example",)
    edges = ("edge.example", "v4.example")
    four = ("203.0.113.21", "203.0.113.22")
    assert resolutions_in(NAMES, CONF, printed.encode(), 123) == {
        "my-pay.shop": way(
            "my-pay.shop",
            (
                *pair("my-pay.shop.shop.svc.cluster.local", Reply.NO_SUCH_NAME),
                Attempt(found, "A", Reply.FOUND, target, ("203.0.113.20",)),
                Attempt(found, "AAAA", Reply.FOUND, target, ("2001:db8::20",)),
            ),
            ("203.0.113.20", "2001:db8::20"),
        ),
        "chain.example.": way(
            "chain.example.",
            (
                Attempt("chain.example", "A", Reply.FOUND, edges, four),
                Attempt("chain.example", "AAAA", Reply.NO_DATA, edges),
            ),
            four,
        ),
        "empty.example.": way("empty.example.", pair("empty.example", Reply.NO_DATA)),
        "failing.example.": way("failing.example.", pair("failing.example", Reply.FAILED)),
        "pinned.shop": way("pinned.shop", (), ("203.0.113.9",), hosts_file=True),
    }


@pytest.mark.parametrize("exit_code", [None, 124, 143])
def test_a_name_without_a_word_is_not_known_where_the_time_was_up(exit_code: int | None) -> None:
    names = ("late.example.", "late.shop", "chain.example.", "pinned.shop")
    assert resolutions_in(names, CONF, BIND.encode(), exit_code).keys() == {"chain.example.", "pinned.shop"}


@pytest.mark.parametrize("exit_code", [124, 143])
def test_name_servers_of_which_nobody_heard_a_word_in_time_are_silent(exit_code: int) -> None:
    assert resolutions_in(("my-pay.shop",), CONF, b"", exit_code) == {
        "my-pay.shop": way("my-pay.shop", pair("my-pay.shop.shop.svc.cluster.local", Reply.SILENT))
    }


def test_many_names_have_more_time_but_not_any() -> None:
    few, more, many = (tuple(f"n{number}." for number in range(count)) for count in (1, 100, 900))
    assert command(few, CONF) == ("timeout", "4", "xargs", "-n", "1", "-P", "16", "nslookup")
    assert [seconds_of(names, CONF) for names in (few, more, many)] == [4, 6, 8]


@pytest.mark.parametrize("printed", ["", "xargs: nslookup: not found\n", "nslookup: applet not found\n"])
def test_without_nslookup_nothing_is_known(printed: str) -> None:
    assert resolutions_in(NAMES, CONF, printed.encode(), 127) == {}


LINES = st.sampled_from([*BIND.splitlines(), *BUSYBOX.splitlines()]) | st.text(max_size=20)


@given(st.lists(LINES, max_size=30).map("\n".join))
def test_reading_never_raises_and_shows_no_control_character(printed: str) -> None:
    for found in resolutions_in(NAMES, CONF, printed.encode("utf-8", "replace"), 0).values():
        assert all(text.isprintable() for attempt in found.attempts for text in (attempt.name, *attempt.cnames))
