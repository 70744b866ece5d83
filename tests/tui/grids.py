"""What is on the screen as text, and its goldens: text files that a person can read, and that survive a new theme."""

import difflib
import os
from pathlib import Path

from textual.app import App

GOLDENS = Path(__file__).resolve().parent / "goldens"
REWRITE = "EXTSVC_REWRITE_GOLDENS"
"""Environment variable: write the goldens anew in place of comparing, to be looked at in the diff."""


def grid(app: "App[str]") -> str:
    """The whole screen, a line each, without blanks at the ends.

    By Textual's compositor, which is private: this is the only place that knows it.
    """
    rows = app.screen._compositor.render_strips()
    return "".join(f"{row.text.rstrip()}\n" for row in rows)


def assert_golden(name: str, text: str) -> None:
    path = GOLDENS / f"{name}.txt"
    if os.environ.get(REWRITE):
        path.write_text(text)
        return
    wanted = path.read_text() if path.exists() else ""
    diff = difflib.unified_diff(wanted.splitlines(), text.splitlines(), f"goldens/{name}.txt", "screen", lineterm="")
    assert text == wanted, "\n".join(diff) + f"\n\nif that is right: {REWRITE}=1 pytest"
