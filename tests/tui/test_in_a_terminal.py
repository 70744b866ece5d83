"""The main story of the terminal UI through a real terminal, on a real sandbox."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from worlds.terminal import Terminal, terminal
from worlds.tui_story import WRONG_SNI, my_pay_breaks_and_is_cured

from kubectl_extsvc.model.resources import DESTINATION_RULES
from kubectl_extsvc.sandbox.running import Sandbox, running

LAUNCHER = Path(__file__).parents[2] / "bin" / "kubectl-extsvc"


@dataclass(frozen=True, slots=True)
class Stage:
    sandbox: Sandbox
    portal: BlockingPortal
    """To the thread that the sandbox runs in."""
    terminal: Terminal


@pytest.fixture
def stage() -> Iterator[Stage]:
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(running("healthy")) as sandbox,
        terminal({**os.environ, "KUBECONFIG": str(sandbox.kubeconfig)}) as made,
    ):
        yield Stage(sandbox, portal, made)


def test_an_alias_breaks_and_is_cured_before_the_eyes_of_a_person(stage: Stage) -> None:
    def break_it() -> None:
        stage.portal.call(stage.sandbox.patch, DESTINATION_RULES, "default", "my-pay", WRONG_SNI)

    my_pay_breaks_and_is_cured(stage.terminal, f"'{LAUNCHER}' tui", break_it, keys=["j"])
    # What was on the terminal before is there again, and one line more.
    assert stage.terminal.screen.split("ended with $?\n")[1].splitlines()[:2] == [
        "3 aliases, 0 not well",
        "ended with 0",
    ]
