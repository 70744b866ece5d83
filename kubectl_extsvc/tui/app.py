"""The app: it holds the board, hears what happens, and lets the screen on top draw it."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import anyio
from anyio.abc import TaskGroup
from textual.app import App
from textual.binding import BindingType

from kubectl_extsvc.errors import ExtsvcError, cause_of
from kubectl_extsvc.model.finding import Finding
from kubectl_extsvc.model.hostile_text import one_line
from kubectl_extsvc.model.live import Asking, LiveEvent
from kubectl_extsvc.model.resources import ObjectRef
from kubectl_extsvc.output.style import Style
from kubectl_extsvc.tui.board import Board, Happening
from kubectl_extsvc.tui.cells import SHOWN_AS_ASKING
from kubectl_extsvc.tui.keys import ACTING, EVERYWHERE, bindings, help_groups
from kubectl_extsvc.tui.screens.base import BoardScreen

if TYPE_CHECKING:
    from kubectl_extsvc.operations.living import Live
    from kubectl_extsvc.tui.deeds import Deeds

FLUSHES = 15
"""Times a second that the screen is drawn, however much happens."""
TICK_SECONDS = 1.0
"""Ages of what is shown, and the count-down to the next try."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line said."""

    context: str = ""
    namespace: str = "default"
    names: tuple[str, ...] = ()
    all_namespaces: bool = False
    readonly: bool = False
    style: Style = Style(color=True)  # noqa: RUF009, frozen
    """color False: NO_COLOR; ascii: no sign beyond ASCII."""
    interval: float = 10.0
    connection: tuple[str, ...] = ()
    """Flags that led to the cluster, for the command lines that are shown: --context, prod."""


class ExtsvcApp(App[str]):
    """Gives a summary when it ends, to be left on the terminal."""

    TITLE = "extsvc"
    CSS_PATH = "look.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = bindings(EVERYWHERE, ACTING)

    def __init__(
        self,
        options: Options,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self.options, self.clock = options, clock
        self.board = Board()
        self.live: Live | None = None
        """None: there is no connection yet."""
        self.deeds: Deeds | None = None
        self.tasks: TaskGroup | None = None
        """What goes on beside the screen: of anyio, whose shields outlast the end of the app."""
        self.painted = anyio.Event()
        """The first screen is there; what is heavy waits for it."""
        self.frozen_at = 0.0
        """When the view was frozen; 0.0: it is not."""
        self._dirty: set[ObjectRef] | None = set()
        self._flush_planned = False

    # --- what happens ----------------------------------------------------------------------------------------------

    def take(self, event: LiveEvent) -> None:
        """Note an event; the screen follows at its own pace."""
        self._mark(self.board.take(event))
        if isinstance(event, Asking) and self.is_running:
            shown = partial(self._mark, event.aliases)
            self.call_later(self.set_timer, SHOWN_AS_ASKING, shown)

    def say(self, text: str) -> None:
        """A line for the person: in the log, and for a moment at the bottom of the screen."""
        self.board.happenings.append(Happening(self.clock(), "you", text))
        self.call_later(self.notify, text, markup=False, timeout=6)
        self._mark(frozenset())

    def _mark(self, dirty: frozenset[ObjectRef] | None) -> None:
        if dirty is None or self._dirty is None:
            self._dirty = None
        else:
            self._dirty |= dirty
        if not self._flush_planned and self.is_running:
            self._flush_planned = True
            # Events come from tasks beside the app, which may not set its timers.
            self.call_later(self.set_timer, 1 / FLUSHES, self._draw)

    def _draw(self) -> None:
        self._flush_planned = False
        dirty, self._dirty = self._dirty, set()
        if not self.screen_stack:  # the app is ending
            return
        shown = self._board_screen()
        if self.frozen_at or shown is None:
            self._dirty = None  # drawn whole when it comes back
            return
        shown.board_changed(None if dirty is None else frozenset(dirty))

    def _board_screen(self) -> BoardScreen | None:
        """The one on top, or the one that is seen around a dialog."""
        return next((screen for screen in reversed(self.screen_stack) if isinstance(screen, BoardScreen)), None)

    # --- the app itself --------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        from kubectl_extsvc.tui.screens.matrix import MatrixScreen

        self.theme = "ansi-dark"
        self.push_screen(MatrixScreen())
        if len(self.options.names) == 1:
            self.open_alias(ObjectRef("Service", self.options.namespace, self.options.names[0]))
        self.set_interval(TICK_SECONDS, self._tick)
        self.call_after_refresh(self.painted.set)

    def _tick(self) -> None:
        """Where something on the screen counts seconds, draw it."""
        if (shown := self._board_screen()) is not None:
            shown.grow_old()
        if self.board.asking or self.board.lost is not None or self.frozen_at:
            self._mark(frozenset(ref for asking in self.board.asking.values() for ref in asking.aliases))

    def open_alias(self, ref: ObjectRef) -> None:
        from kubectl_extsvc.tui.screens.alias import AliasScreen

        self.push_screen(AliasScreen(ref))

    def show_text(self, title: str, lines: Sequence[str]) -> None:
        """A pager over lines."""
        from kubectl_extsvc.tui.dialogs.evidence import EvidenceScreen

        self.push_screen(EvidenceScreen(title, lines))

    def selected(self) -> ObjectRef | None:
        return self.screen.selected() if isinstance(self.screen, BoardScreen) else None

    def command(self, verb: str, *words: str) -> str:
        """A command line that does or shows the same, to be copied."""
        return " ".join(("kubectl", "extsvc", verb, *words, *self.options.connection))

    def copy(self, text: str) -> None:
        """To the terminal's clipboard (OSC 52)."""
        self.copy_to_clipboard(text)
        self.notify(f"copied: {one_line(text, 100)}", markup=False, timeout=3)

    async def agreed(self, question: str) -> bool:
        """The person's answer, for what goes on beside the screen and would add a container to a pod."""
        from kubectl_extsvc.tui.dialogs.agree import AgreeScreen
        from kubectl_extsvc.tui.dialogs.sources import container_texts

        answered, answer = anyio.Event(), False

        def took(yes: bool) -> None:
            nonlocal answer
            answer = yes
            answered.set()

        self.call_later(self.push_screen, AgreeScreen("Add an ephemeral container?", container_texts(question), took))
        await answered.wait()
        return answer

    def start(self, deed: Callable[[], Awaitable[None]]) -> None:
        """Do something beside the screen; what goes wrong is said. The deed shows what it has by call_later()."""
        assert self.tasks is not None
        self.tasks.start_soon(self._done, deed)

    async def _done(self, deed: Callable[[], Awaitable[None]]) -> None:
        try:
            await deed()
        except* ExtsvcError as errors:
            self.call_later(self.say, str(cause_of(errors)))

    # --- keys of every screen --------------------------------------------------------------------------------------

    async def action_back(self) -> None:
        if len(self.screen_stack) > 2:
            self.pop_screen()

    def action_probe(self) -> None:
        ref = self.selected()
        if self.live is not None:
            self.live.probe_now([ref] if ref is not None else ())

    def action_probe_failing(self) -> None:
        if self.live is not None:
            self.live.probe_now([alias.service for alias in self.board.aliases if self.board.is_problem(alias)])

    def action_all_findings(self) -> None:
        from kubectl_extsvc.tui.screens.listing import FindingsScreen

        self.push_screen(FindingsScreen())

    def action_log(self) -> None:
        from kubectl_extsvc.tui.screens.listing import LogScreen

        self.push_screen(LogScreen())

    def action_freeze(self) -> None:
        self.frozen_at = 0.0 if self.frozen_at else self.clock()
        if isinstance(self.screen, BoardScreen):
            self.screen.board_changed(None)

    def action_copy_command(self) -> None:
        ref = self.selected()
        self.copy(self.command("verify", ref.name, "-n", ref.namespace) if ref else self.command("verify"))

    # --- dialogs ---------------------------------------------------------------------------------------------------

    def action_help(self) -> None:
        from kubectl_extsvc.tui.dialogs.help import HelpScreen

        self.push_screen(HelpScreen(help_groups(type(self.screen).__name__)))

    def action_interval(self) -> None:
        from kubectl_extsvc.tui.dialogs.interval import IntervalScreen

        live = self.live
        self.push_screen(IntervalScreen(live.wishes.interval if live is not None else self.options.interval))

    def action_explain(self) -> None:
        from kubectl_extsvc.tui.dialogs.explain import ExplainScreen

        finding = self.selected_finding()
        if finding is None:
            self.say("nothing was found here, so there is nothing to explain")
        else:
            self.push_screen(ExplainScreen(finding.code))

    def may_change(self) -> bool:
        """Said if not: with --readonly nothing is changed, and before there is a connection nothing can be."""
        if self.options.readonly:
            self.say("with --readonly nothing is changed")
        elif self.deeds is None:
            self.say("the cluster has not been reached yet")
        return not self.options.readonly and self.deeds is not None

    def action_fix(self) -> None:
        from kubectl_extsvc.tui.dialogs.fix import FixScreen

        ref = self.selected()
        judged = self.board.reports.get(ref) if ref is not None else None
        if ref is None or not self.may_change():
            return
        if judged is None:
            self.say(f"{ref.name} has not been judged yet")
            return
        pointed = self.screen.selected_finding() if isinstance(self.screen, BoardScreen) else None
        self.push_screen(FixScreen(ref, pointed.code if pointed else ""))

    def action_create(self) -> None:
        from kubectl_extsvc.tui.dialogs.create import CreateScreen

        if self.may_change():
            ref = self.selected()
            self.push_screen(CreateScreen(ref.namespace if ref is not None else self.options.namespace))

    def action_delete(self) -> None:
        from kubectl_extsvc.tui.dialogs.delete import DeleteScreen

        ref = self.selected()
        if ref is not None and self.may_change():
            self.push_screen(DeleteScreen(ref))

    def action_sources(self) -> None:
        from kubectl_extsvc.tui.dialogs.sources import SourcesScreen

        ref = self.selected()
        if self.deeds is None:
            self.say("the cluster has not been reached yet")
        else:
            self.push_screen(SourcesScreen(ref.namespace if ref is not None else self.options.namespace))

    def action_shell(self) -> None:
        from kubectl_extsvc.tui.dialogs.shell import ShellScreen, open_shell

        pointed = self.screen.selected_source() if isinstance(self.screen, BoardScreen) else None
        sources = (pointed,) if pointed is not None else self.board.sources
        if not self.may_change():
            return
        if not sources:
            self.say("there is no pod to probe from yet")
        elif len(sources) == 1:
            open_shell(self, sources[0])
        else:
            self.push_screen(ShellScreen(sources))

    def alias_is_gone(self, ref: ObjectRef) -> None:
        """Leave its screen."""
        if self.selected() == ref and len(self.screen_stack) > 2:
            self.pop_screen()

    def selected_finding(self) -> Finding | None:
        """The one that the screen points at, else the first of the selected alias."""
        if not isinstance(self.screen, BoardScreen):
            return None
        alias = self.board.alias(ref) if (ref := self.selected()) is not None else None
        pointed = self.screen.selected_finding()
        return pointed or (self.board.first_finding(alias) if alias is not None else None)

    async def action_quit(self) -> None:
        self.exit(self.summary())

    def summary(self) -> str:
        """What stays on the terminal: the aliases that are not well."""
        problems = [alias for alias in self.board.aliases if self.board.is_problem(alias)]
        all_of_them = "1 alias" if len(self.board.aliases) == 1 else f"{len(self.board.aliases)} aliases"
        lines = [f"{all_of_them}, {len(problems)} not well"] if self.board.aliases else []
        for alias in problems:
            finding = self.board.first_finding(alias)
            lines.append(f"{alias.name}.{alias.namespace}  {finding.code + ' ' + finding.message if finding else ''}")
        return "\n".join(lines)
