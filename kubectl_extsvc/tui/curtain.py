"""The first lines on the screen, there before Textual and all else is loaded: a third of a second is long to look at
nothing. Imports nothing heavy."""

import sys
import termios
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from kubectl_extsvc.model.hostile_text import one_line

_ALTERNATE_SCREEN = "\x1b[?1049h"
_NORMAL_SCREEN = "\x1b[?1049l"
_CLEARED = "\x1b[H\x1b[2J"


@contextmanager
def curtain(lines: Sequence[str]) -> Iterator[Callable[[], None]]:
    """Show lines until what is given is called, which must be when the app is about to draw: it finds the terminal as
    it was, but for the alternate screen, which it may ask for again. What is typed meanwhile waits for it, unseen.

    Without that call the terminal is put back at the end.
    """
    terminal = sys.__stderr__  # where Textual draws
    assert terminal is not None
    before = termios.tcgetattr(terminal)
    quiet = [*before]
    quiet[3] &= ~(termios.ECHO | termios.ICANON)
    raised = False

    def raise_() -> None:
        nonlocal raised
        raised = True
        termios.tcsetattr(terminal, termios.TCSANOW, before)

    termios.tcsetattr(terminal, termios.TCSANOW, quiet)
    terminal.write(_ALTERNATE_SCREEN + _CLEARED + "\r\n".join(map(one_line, lines)))
    terminal.flush()
    try:
        yield raise_
    finally:
        if not raised:
            raise_()
            terminal.write(_NORMAL_SCREEN)
            terminal.flush()
