"""The question at the terminal, and the answer that was given before."""

import os
import pty
import sys

import pytest

from kubectl_extsvc.commands.consent import consent
from kubectl_extsvc.errors import Refused


@pytest.mark.parametrize(
    ("typed", "answer"), [("y\n", True), ("YES\n", True), ("n\n", False), ("\n", False), ("yellow\n", False)]
)
async def test_only_a_yes_is_a_yes(
    typed: str, answer: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        os.write(ours, typed.encode())
        assert await consent(yes=False)("Add \x1b[2Jit?") is answer
    os.close(ours)
    assert tuple(capsys.readouterr()) == ("", "Add [2Jit? [y/N] ")


async def test_without_a_terminal_nothing_is_asked_and_nothing_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    with os.fdopen(os.open(os.devnull, os.O_RDONLY)) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        with pytest.raises(Refused) as caught:
            await consent(yes=False)("Add it?")
        assert str(caught.value) == "there is no terminal to ask at, so nothing was changed. Use --yes"
        assert await consent(yes=True)("Add it?") is True
