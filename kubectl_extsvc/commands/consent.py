"""A yes or no of the person at the terminal."""

import sys
from collections.abc import Awaitable, Callable

from kubectl_extsvc.errors import Refused
from kubectl_extsvc.model.hostile_text import one_line

LONGEST = 2000


async def agreed(question: str) -> bool:
    """The answer of the person at the terminal. Raises Refused where there is none."""
    import anyio

    if not sys.stdin.isatty():
        raise Refused("there is no terminal to ask at, so nothing was changed. Use --yes")
    print(f"{one_line(question, LONGEST)} [y/N] ", end="", file=sys.stderr, flush=True)
    # Not by input() in a thread: that could not be interrupted.
    await anyio.wait_readable(sys.stdin)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def consent(*, yes: bool) -> Callable[[str], Awaitable[bool]]:
    """How to ask: not at all where the answer was given with --yes."""

    async def given(question: str) -> bool:
        return True

    return given if yes else agreed
