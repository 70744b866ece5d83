"""The time limit of a whole command."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio

from kubectl_extsvc.errors import TimedOut


@asynccontextmanager
async def deadline(seconds: float, what: str) -> AsyncIterator[Callable[[], float]]:
    """Cancel the block after so many seconds and raise TimedOut; gives a function for the seconds left."""
    limit = anyio.current_time() + seconds
    with anyio.CancelScope(deadline=limit) as scope:
        yield lambda: limit - anyio.current_time()
    if scope.cancelled_caught:
        raise TimedOut(f"{what} did not end within {seconds:g} s; use --timeout to give it more")
