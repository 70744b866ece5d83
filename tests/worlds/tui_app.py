"""The terminal UI in a test: on a sandbox, or on a board alone."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
from textual.pilot import Pilot
from tui.grids import grid

from kubectl_extsvc.cluster.kubeconfig import ConnectionFlags, resolve
from kubectl_extsvc.commands.fix import wishes_of
from kubectl_extsvc.model.live import LiveEvent
from kubectl_extsvc.operations.wishes import LiveWishes
from kubectl_extsvc.sandbox.running import Sandbox, running
from kubectl_extsvc.tui.app import ExtsvcApp, Options
from kubectl_extsvc.tui.running import follow_for

POLLS = 600


@dataclass(frozen=True, slots=True)
class Shown:
    app: ExtsvcApp
    pilot: Pilot[str]

    @property
    def text(self) -> str:
        """All rows of the terminal, blanks at their ends left out."""
        return grid(self.app)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def type(self, text: str) -> None:
        await self.pilot.press(*text)

    async def until(self, holds: Callable[[], bool], what: str = "") -> None:
        """Wait for something that must come soon."""
        for _ in range(POLLS):
            if holds():
                return
            await self.pilot.pause(0.02)
        raise AssertionError(f"{what or 'it'} did not come; the screen is:\n{self.text}")

    async def see(self, *words: str) -> None:
        await self.until(lambda: all(word in self.text for word in words), " and ".join(words))


@asynccontextmanager
async def app_on_sandbox(
    scenario: str, size: tuple[int, int] = (110, 36), interval: float = 5
) -> AsyncIterator[tuple[Shown, Sandbox]]:
    async with running(scenario) as sandbox:
        connection = resolve(ConnectionFlags(kubeconfig=str(sandbox.kubeconfig)), {}, sandbox.kubeconfig.parent)
        app = ExtsvcApp(Options())
        async with app.run_test(size=size) as pilot, anyio.create_task_group() as group:
            app.tasks = group
            group.start_soon(follow_for, app, connection, LiveWishes(interval=interval), wishes_of)
            yield Shown(app, pilot), sandbox
            group.cancel_scope.cancel()


@asynccontextmanager
async def app_on_board(
    *events: LiveEvent, size: tuple[int, int] = (110, 36), options: Options | None = None
) -> AsyncIterator[Shown]:
    """Without a cluster: these events have happened, and the namespace is shop."""
    app = ExtsvcApp(options or Options(namespace="shop"))
    async with app.run_test(size=size) as pilot, anyio.create_task_group() as group:
        app.tasks = group
        for event in events:
            app.take(event)
        await pilot.pause()
        yield Shown(app, pilot)
        group.cancel_scope.cancel()
