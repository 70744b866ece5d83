"""--plain: the same as the screens in lines, for a screen reader, a dumb terminal or a pipe. Knows nothing of Textual.

Nothing is ever overwritten, no word is said by colour alone, and what a person wants is typed as a line.
"""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass

import anyio

from kubectl_extsvc.cluster.client import Cluster
from kubectl_extsvc.cluster.kubeconfig import Connection
from kubectl_extsvc.errors import ExtsvcError, cause_of
from kubectl_extsvc.model.alias import Alias
from kubectl_extsvc.model.live import LiveEvent
from kubectl_extsvc.operations.fixing import PlannedFix, WishesOf, carry_out_fix, objection, plan_fix, try_fix
from kubectl_extsvc.operations.living import Live
from kubectl_extsvc.operations.wishes import LiveWishes
from kubectl_extsvc.output.diff_text import diff_text
from kubectl_extsvc.output.plan_text import change_line
from kubectl_extsvc.output.report_text import alias_lines
from kubectl_extsvc.output.rows import spoken
from kubectl_extsvc.plans.fixes import NOT_CHANGED, Choice, ForAPerson, Nothing, choose, kept_by_others, strangers
from kubectl_extsvc.tui.announcing import HELP, Announcer
from kubectl_extsvc.tui.following import follow

QUESTION = "Make this change? Type y and enter for yes:"
LONGEST_LINE = 4096


@dataclass(slots=True)
class Plain:
    """The face: write gets its lines, and heard gives the person's."""

    announcer: Announcer
    wishes_of: WishesOf
    readonly: bool
    write: Callable[[str], None]
    heard: AsyncIterator[str]
    _cluster: Cluster | None = None
    _live: Live | None = None

    async def run(self, connection: Connection, wishes: LiveWishes) -> None:
        """Follow until the person quits, or the input ends."""
        async with anyio.create_task_group() as group:
            self._say("? and enter: what can be typed")
            group.start_soon(follow, connection, wishes, self._tell, self._say, self._connected)
            async for line in self.heard:
                words = line.split()
                if words[:1] in (["q"], ["quit"]):
                    break
                try:
                    await self._obey(words)
                except* ExtsvcError as errors:
                    self._say(str(cause_of(errors)))
            group.cancel_scope.cancel()

    def _connected(self, cluster: Cluster, live: Live) -> None:
        self._cluster, self._live = cluster, live

    def _tell(self, event: LiveEvent) -> None:
        for line in self.announcer.take(event):
            self.write(line)

    def _say(self, text: str) -> None:
        for line in text.splitlines():
            self.write(spoken(line, self.announcer.style))

    async def _obey(self, words: list[str]) -> None:
        match words:
            case []:
                pass
            case ["?"] | ["h"] | ["help"]:
                self._say(HELP)
            case ["l"]:
                for line in self.announcer.summary():
                    self.write(line)
            case ["p"] if self._live is not None:
                self._live.probe_now(alias.service for alias in self.announcer.board.aliases)
                self._say("probing all")
            case ["p", number] if (alias := self._alias(number)) and self._live is not None:
                self._live.probe_now([alias.service])
                self._say(f"probing {alias.name}.{alias.namespace}")
            case ["f", number] if alias := self._alias(number):
                await self._fix(alias)
            case [number] if alias := self._alias(number):
                self._show(alias)
            case _:
                self._say("there is no such choice; ? says what there is")

    def _alias(self, word: str) -> Alias | None:
        return self.announcer.alias(int(word)) if word.isascii() and word.isdigit() and len(word) < 6 else None

    def _show(self, alias: Alias) -> None:
        judged = self.announcer.board.reports.get(alias.service)
        if judged is None:
            self._say("not probed yet")
            return
        for line in alias_lines(judged.report, self.announcer.board.snapshot.mesh, self.announcer.style):
            self.write(line)

    # --- fix -------------------------------------------------------------------------------------------------------

    async def _fix(self, alias: Alias) -> None:
        """Plan the first cure, show it, ask, and make it; what the pods say of it then is told as all else is."""
        judged, snapshot = self.announcer.board.reports.get(alias.service), self.announcer.board.snapshot
        if self.readonly:
            self._say("nothing may be changed, because of --readonly")
            return
        if judged is None or self._cluster is None:
            self._say("not probed yet")
            return
        match choose(judged.report.findings):
            case Nothing():
                self._say(f"alias {alias.name} has nothing to fix")
            case ForAPerson(finding):
                self._say(f"{finding.code} {finding.message}")
                self._say(f"only a person can cure it: {finding.cure}")
            case Choice(finding):
                self._say(f"{finding.code} {finding.message}")
                planned = await plan_fix(self._cluster, alias, finding, snapshot, self.wishes_of, self._say)
                if why_not := objection(planned, judged.report, snapshot):
                    self._say(f"the cure of {finding.code} would not do: {why_not}; {NOT_CHANGED}")
                elif await self._agreed(self._cluster, planned):
                    await self._carry_out(self._cluster, planned)
                else:
                    self._say(NOT_CHANGED)

    async def _agreed(self, cluster: Cluster, planned: PlannedFix) -> bool:
        """Show the change as the server would make it, and ask."""
        kept = kept_by_others(planned.edits)
        edits = [edit for edit, _ in kept] or await try_fix(cluster, planned)
        for edit in edits:
            self._say(diff_text(edit.resource, edit.before, edit.after))
        for edit, keeper in kept:
            self._say(f'{edit.ref} in namespace "{edit.ref.namespace}" belongs to {keeper}: change it at its source')
        if kept:
            return False
        said = [*(f"Warning: {warning}" for warning in planned.warnings),
                *strangers(planned.edits, planned.alias.name, planned.alias.namespace), QUESTION]  # fmt: skip
        for line in said:
            self._say(line)
        answer = await anext(self.heard, "")
        return answer.strip().lower() in ("y", "yes")

    async def _carry_out(self, cluster: Cluster, planned: PlannedFix) -> None:
        await carry_out_fix(cluster, planned, lambda change: self._say(change_line(change, dry_run="none")), self._say)
        if self._live is not None:
            self._live.probe_now([planned.alias.service])


async def lines_from(descriptor: int) -> AsyncIterator[str]:
    """What is typed, a line each, until the input ends."""
    rest = b""
    while True:
        # A file is always readable, and epoll will not have it.
        with suppress(PermissionError):
            await anyio.wait_readable(descriptor)
        data = os.read(descriptor, LONGEST_LINE)
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            yield line.decode("utf-8", "replace")
        if not data:
            return
