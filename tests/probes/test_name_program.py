"""The resolver in Python, against a real name server on loopback."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds.name_server import Zone, name_server

from kubectl_extsvc.model.resolution import Attempt, Reply, Resolution
from kubectl_extsvc.probes.name_program import ARGV, resolutions_in, stdin_of

SEARCH = ("shop.svc.cluster.local", "svc.cluster.local", "cluster.local")
ZONE = Zone(
    addresses={
        "api.pay.example": ("203.0.113.20", "2001:db8::20"),
        "v4.example": ("203.0.113.21", "203.0.113.22"),
        "empty.example": (),
        "big.example": ("203.0.113.30",),
        "forged.example": ("203.0.113.31",),
    },
    cnames={
        "my-pay.shop.svc.cluster.local": "api.pay.example",
        "dead.shop.svc.cluster.local": "gone.example",
        "chain.example": "edge.example",
        "edge.example": "v4.example",
        "loop.example": "other-loop.example",
        "other-loop.example": "loop.example",
    },
    failing=frozenset({"failing.example"}),
    silent=frozenset({"silent.example"}),
    tcp_only=frozenset({"big.example"}),
    forged=frozenset({"forged.example"}),
)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with name_server(ZONE) as (port, _):
        yield port


def resolve(port: int, folder: Path, *names: str, servers: tuple[str, ...] = ("127.0.0.1",)) -> dict[str, Resolution]:
    """What the program says, without times and what resolv.conf says."""
    (folder / "resolv.conf").write_text(
        f"search {' '.join(SEARCH)}\n" + "".join(f"nameserver {one}\n" for one in servers) + "options ndots:5\n"
    )
    (folder / "hosts").write_text("127.0.0.1 localhost\n203.0.113.9 pinned.shop\n")
    stdin = stdin_of(names, str(folder / "resolv.conf"), str(folder / "hosts"), port)
    done = subprocess.run([sys.executable, *ARGV[1:]], input=stdin, capture_output=True, timeout=50)
    assert done.stderr == b""
    found = resolutions_in(done.stdout)
    assert all(way.search == SEARCH and way.ndots == 5 and way.name_servers == servers for way in found.values())
    assert all(0 <= attempt.seconds < 20 for way in found.values() for attempt in way.attempts)
    return {
        name: replace(
            way,
            attempts=tuple(replace(attempt, seconds=0.0) for attempt in way.attempts),
            name_servers=(),
            search=(),
            ndots=1,
        )
        for name, way in found.items()
    }


def pair(name: str, reply: Reply) -> tuple[Attempt, Attempt]:
    return Attempt(name, "A", reply), Attempt(name, "AAAA", reply)


def test_the_second_name_of_the_search_list_is_found_and_ends_the_search(port: int, tmp_path: Path) -> None:
    cnames = ("api.pay.example",)
    found = "my-pay.shop.svc.cluster.local"
    assert resolve(port, tmp_path, "my-pay.shop") == {
        "my-pay.shop": Resolution(
            "my-pay.shop",
            "python3",
            (
                *pair("my-pay.shop.shop.svc.cluster.local", Reply.NO_SUCH_NAME),
                Attempt(found, "A", Reply.FOUND, cnames, ("203.0.113.20",)),
                Attempt(found, "AAAA", Reply.FOUND, cnames, ("2001:db8::20",)),
            ),
            ("203.0.113.20", "2001:db8::20"),
        )
    }


def test_an_alias_of_a_dead_target_shows_where_its_name_led_and_is_not_found(port: int, tmp_path: Path) -> None:
    way = resolve(port, tmp_path, "dead.shop")["dead.shop"]
    assert (way.found, way.addresses, way.cnames) == ("", (), ("gone.example",))
    assert way.tries == (
        "dead.shop.shop.svc.cluster.local",
        "dead.shop.svc.cluster.local",
        "dead.shop.cluster.local",
        "dead.shop",
    )


def test_each_reply_has_its_name(port: int, tmp_path: Path) -> None:
    long = f"{'x' * 64}.test"
    names = ("empty.example.", "failing.example.", "silent.example.", "gone.example.", f"{long}.")
    assert {name: way.attempts for name, way in resolve(port, tmp_path, *names).items()} == {
        "empty.example.": pair("empty.example", Reply.NO_DATA),
        "failing.example.": pair("failing.example", Reply.FAILED),
        "silent.example.": pair("silent.example", Reply.SILENT),
        "gone.example.": pair("gone.example", Reply.NO_SUCH_NAME),
        f"{long}.": pair(long, Reply.FAILED),
    }


def test_cnames_come_in_order_and_a_loop_of_them_ends(port: int, tmp_path: Path) -> None:
    ways = resolve(port, tmp_path, "chain.example.", "loop.example.")
    assert ways["chain.example."].attempts == (
        Attempt("chain.example", "A", Reply.FOUND, ("edge.example", "v4.example"), ("203.0.113.21", "203.0.113.22")),
        Attempt("chain.example", "AAAA", Reply.NO_DATA, ("edge.example", "v4.example")),
    )
    assert ways["loop.example."].cnames == ("other-loop.example", "loop.example")


def test_what_is_too_long_for_udp_comes_by_tcp_and_an_answer_to_another_query_is_not_believed(
    port: int, tmp_path: Path
) -> None:
    ways = resolve(port, tmp_path, "big.example.", "forged.example.")
    assert ways["big.example."].addresses == ("203.0.113.30",)
    assert ways["forged.example."].addresses == ("203.0.113.31",)


def test_the_hosts_file_comes_before_any_name_server(port: int, tmp_path: Path) -> None:
    assert resolve(port, tmp_path, "pinned.shop") == {
        "pinned.shop": Resolution("pinned.shop", "python3", (), ("203.0.113.9",), hosts_file=True)
    }


def test_the_second_name_server_is_asked_where_the_first_is_not_there(port: int, tmp_path: Path) -> None:
    # 127.0.0.2 has nobody on that port.
    ways = resolve(port, tmp_path, "api.pay.example.", servers=("127.0.0.2", "127.0.0.1"))
    assert ways["api.pay.example."].addresses == ("203.0.113.20", "2001:db8::20")


def test_two_hundred_names_are_one_run(port: int, tmp_path: Path) -> None:
    names = [f"n{number}.example." for number in range(199)]
    assert len(resolve(port, tmp_path, *names, "v4.example.")) == 200


def test_what_was_not_said_whole_is_not_known() -> None:
    whole = json.dumps({"name": "a.test.", "attempts": []})
    assert resolutions_in(f"{whole}\n{whole}".replace("a.test", "b.test", 1).encode()).keys() == {"b.test."}


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "record", "reply", "cnames", "addresses", "seconds", "conf", "attempts"]), inner
        )
    ),
    max_leaves=12,
)


@given(st.lists(VALUES | st.just({"name": "a", "attempts": [{"name": "a", "reply": "found"}]}), max_size=4))
def test_reading_never_raises_and_shows_no_control_character(lines: list[object]) -> None:
    for way in resolutions_in("".join(f"{json.dumps(line)}\n" for line in lines).encode()).values():
        assert all(text.isprintable() for attempt in way.attempts for text in (attempt.name, *attempt.cnames))
