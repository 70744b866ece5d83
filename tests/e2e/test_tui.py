"""The terminal UI in a real terminal, on a real mesh."""

import json
from collections.abc import Iterator

import pytest
from clusters import Cluster, Run
from worlds.terminal import Terminal, terminal
from worlds.tui_story import WRONG_SNI, my_pay_breaks_and_is_cured

pytestmark = pytest.mark.testbed


@pytest.fixture
def my_pay(extsvc: Run) -> Iterator[None]:
    """An alias that is well: sidecars add the TLS."""
    extsvc("create", "my-pay", "--external-name", "api.pay.example", "--port", "http:80:443", "--wait")
    yield
    extsvc("delete", "my-pay")


@pytest.fixture
def screen(cluster: Cluster) -> Iterator[Terminal]:
    with terminal(cluster.env) as made:
        yield made


def test_an_alias_breaks_and_is_cured_before_the_eyes_of_a_person(my_pay: None, kubectl: Run, screen: Terminal) -> None:
    def break_it() -> None:
        kubectl("patch", "destinationrule", "my-pay", "--type=merge", "-p", json.dumps(WRONG_SNI))

    my_pay_breaks_and_is_cured(screen, "kubectl extsvc tui", break_it)
    assert screen.screen.splitlines()[1:3] == ["1 alias, 0 not well", "ended with 0"]
