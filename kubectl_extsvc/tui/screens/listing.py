"""The screens that are one list: all findings, and the log."""

from kubectl_extsvc.model.finding import Finding
from kubectl_extsvc.model.resources import ObjectRef
from kubectl_extsvc.tui.keys import ACTING, EVERYWHERE, LISTING, bindings, footer_words
from kubectl_extsvc.tui.lines import Ink, Line, line, span
from kubectl_extsvc.tui.panes.all_findings import Row, all_findings
from kubectl_extsvc.tui.panes.choosing import said
from kubectl_extsvc.tui.panes.events import happening_lines
from kubectl_extsvc.tui.screens.base import PaneScreen
from kubectl_extsvc.tui.widgets.lines_view import LinesView


class ListingScreen(PaneScreen):
    """Rows, some of which lead to an alias."""

    BINDINGS = bindings(LISTING)
    WORDS = ""

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[Row] = []

    def rows(self, width: int) -> list[Row]:
        raise NotImplementedError

    def board_changed(self, dirty: frozenset[ObjectRef] | None) -> None:
        style, readonly = self.extsvc.options.style, self.extsvc.options.readonly
        arrow = ">" if style.ascii else "▸"
        self.query_one("#heading", LinesView).show([line(span(f" extsvc {arrow} {self.WORDS}", Ink.STRONG)), Line()])
        self._rows = self.rows(max(self.size.width - 1, 20))
        self.pane.show([row.line for row in self._rows])
        keys = footer_words(LISTING, ACTING, EVERYWHERE, width=self.size.width - 1, readonly=readonly)
        self.query_one("#keys", LinesView).show([line(span(f" {keys}", Ink.DIM, style))])

    def _row(self) -> Row | None:
        return self._rows[self.pane.cursor] if self.pane.cursor < len(self._rows) else None

    def selected(self) -> ObjectRef | None:
        row = self._row()
        return row.ref if row is not None else None

    def selected_finding(self) -> Finding | None:
        row = self._row()
        return row.finding if row is not None else None

    def action_open(self) -> None:
        row = self._row()
        if row is not None and row.ref is not None:
            self.extsvc.open_alias(row.ref)
        elif row is not None and row.line.evidence:
            self.extsvc.show_text(row.line.text.strip(), row.line.evidence)

    def action_copy(self) -> None:
        row = self._row()
        if row is not None:
            self.extsvc.copy(row.line.text.strip())


class FindingsScreen(ListingScreen):
    WORDS = "all findings"

    def rows(self, width: int) -> list[Row]:
        return all_findings(self.extsvc.board, width, self.extsvc.options.style)


class LogScreen(ListingScreen):
    WORDS = "log"

    def rows(self, width: int) -> list[Row]:
        app = self.extsvc
        told = [
            Row(one)
            for happening in reversed(app.board.happenings)
            for one in happening_lines(happening, app.clock(), width, app.options.style)
        ]
        return told or [Row(one) for one in said("nothing has happened yet", width, app.options.style)]
