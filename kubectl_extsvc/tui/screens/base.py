"""What all screens over the board have in common."""

from typing import TYPE_CHECKING, cast

from textual.app import ComposeResult
from textual.screen import Screen

from kubectl_extsvc.model.finding import Finding
from kubectl_extsvc.model.resources import ObjectRef
from kubectl_extsvc.model.source import Source
from kubectl_extsvc.tui.widgets.lines_view import LinesView

if TYPE_CHECKING:
    from kubectl_extsvc.tui.app import ExtsvcApp


class BoardScreen(Screen[None]):
    """A screen that shows the board, drawn anew when it has changed and at most FLUSHES a second."""

    def board_changed(self, dirty: frozenset[ObjectRef] | None) -> None:
        """These aliases look different; None: everything may. Called with the screen on top only."""
        raise NotImplementedError

    def grow_old(self) -> None:
        """A second has passed, in which perhaps nothing happened."""

    def selected(self) -> ObjectRef | None:
        """The alias that keys act on, None if there is none."""
        return None

    def selected_finding(self) -> Finding | None:
        """The finding that keys act on, None where the alias's first one is meant."""
        return None

    def selected_source(self) -> Source | None:
        """The source that keys act on, None if there is none."""
        return None

    @property
    def extsvc(self) -> "ExtsvcApp":
        return cast("ExtsvcApp", self.app)

    def on_screen_resume(self) -> None:
        self.board_changed(None)


class PaneScreen(BoardScreen):
    """A heading, a pane of lines that has the keys, and what the keys are."""

    def compose(self) -> ComposeResult:
        style = self.extsvc.options.style
        heading, keys = (LinesView(style, cursor=False, id=name) for name in ("heading", "keys"))
        heading.can_focus = keys.can_focus = False
        yield heading
        yield LinesView(style, id="pane")
        yield keys

    def on_mount(self) -> None:
        self.pane.focus()

    def on_resize(self) -> None:
        self.board_changed(None)

    @property
    def pane(self) -> LinesView:
        return self.query_one("#pane", LinesView)
