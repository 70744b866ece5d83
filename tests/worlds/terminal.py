"""A real terminal with a shell in it: tmux, with a server of its own that ends with the block."""

import contextlib
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pytest

SERVER = "extsvc-tests"
SOON = 30.0
"""Seconds that a loaded machine may take; what is claimed of time is asserted by itself."""
LONGEST_CALL = 20.0
"""Of tmux itself."""
SGR = re.compile(r"\x1b\[([\d;]*)m")
RED, GREEN = 31, 32
"""Foreground colours of SGR (ECMA-48, 8.3.117)."""


@dataclass(frozen=True, slots=True)
class Terminal:
    env: Mapping[str, str]
    """That the shell has; TMUX_TMPDIR in it holds the server's socket."""

    def tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-L", SERVER, "-f", "/dev/null", *words],
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=LONGEST_CALL,
        )
        if done.returncode:
            pytest.fail(f"tmux {words[0]} ended with {done.returncode}: {done.stderr}")
        return done.stdout

    def press(self, *keys: str) -> None:
        """Keys in tmux's words: j, Enter, C-c."""
        self.tmux("send-keys", *keys)

    def type(self, text: str) -> None:
        """A line, with the key at its end."""
        self.tmux("send-keys", "-l", text)
        self.press("Enter")

    @property
    def screen(self) -> str:
        """All rows as a person sees them now, without colours."""
        return self.tmux("capture-pane", "-p")

    def colours(self, text: str, of: str) -> list[int]:
        """Foreground (SGR) of each place at which text begins, in rows that have the words of; 39 is the terminal's."""
        rows = map(_inked, self.tmux("capture-pane", "-p", "-e").splitlines())
        return [inks[at.start()] for row, inks in rows if of in row for at in re.finditer(re.escape(text), row)]

    def until(self, holds: Callable[[], bool], what: str, within: float = SOON) -> float:
        """Wait for something that must come; gives the seconds that it took."""
        begun = time.monotonic()
        while not holds():
            if time.monotonic() - begun > within:
                pytest.fail(f"{what} did not come within {within:g} s; the screen is:\n{self.screen}")
            time.sleep(0.1)
        return time.monotonic() - begun

    def see(self, *texts: str, within: float = SOON) -> float:
        """Wait until all of these are on the screen at once; gives the seconds that it took."""

        def seen() -> bool:
            screen = self.screen
            return all(text in screen for text in texts)

        return self.until(seen, " and ".join(map(repr, texts)), within)


def _inked(row: str) -> tuple[str, list[int]]:
    """A row without its escape sequences, and the foreground of each character."""
    plain, inks, ink = "", list[int](), 39
    for index, part in enumerate(SGR.split(row)):
        if index % 2:
            for code in (int(word or 0) for word in part.split(";")):
                ink = 39 if code == 0 else code if 30 <= code <= 39 or 90 <= code <= 97 else ink
        else:
            plain += part
            inks += [ink] * len(part)
    return plain, inks


@contextlib.contextmanager
def terminal(env: Mapping[str, str], columns: int = 120, rows: int = 36) -> Iterator[Terminal]:
    """A terminal of that size, with a shell that waits at its prompt; what runs in it ends with the block."""
    if shutil.which("tmux") is None:
        pytest.fail("tmux is needed for a terminal; on Debian: apt-get install tmux")
    # Whatever terminal and wishes of a person this test run has; pytest-xdist's processes have its size.
    of_a_person = {"TMUX", "TMUX_PANE", "NO_COLOR", "ENV", "COLUMNS", "LINES"}
    kept = {name: value for name, value in env.items() if name not in of_a_person}
    with tempfile.TemporaryDirectory(prefix="extsvc-", ignore_cleanup_errors=True) as sockets:
        made = Terminal({**kept, "TMUX_TMPDIR": sockets, "TERM": "xterm", "LC_ALL": "C.UTF-8"})
        try:
            made.tmux("new-session", "-d", "-x", str(columns), "-y", str(rows), "sh")
            made.until(lambda: made.screen.strip() != "", "a prompt")
            yield made
        finally:
            # Its end is the end of all that runs in it (SIGHUP). Without a server there is nothing to end.
            subprocess.run(
                ["tmux", "-L", SERVER, "kill-server"],
                env=made.env,
                stderr=subprocess.DEVNULL,
                check=False,
                timeout=LONGEST_CALL,
            )
