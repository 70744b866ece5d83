"""All aliases from all sources."""

from textual.app import ComposeResult

from kubectl_extsvc.model.resources import ObjectRef
from kubectl_extsvc.tui.keys import ACTING, EVERYWHERE, MATRIX, bindings, footer_words
from kubectl_extsvc.tui.lines import line, span
from kubectl_extsvc.tui.screens.base import BoardScreen
from kubectl_extsvc.tui.widgets.lines_view import LinesView


class MatrixScreen(BoardScreen):
    BINDINGS = bindings(MATRIX)

    def compose(self) -> ComposeResult:
        yield LinesView(id="matrix")

    def board_changed(self, dirty: frozenset[ObjectRef] | None) -> None:
        board = self.extsvc.board
        self.query_one(LinesView).show(
            [
                line(
                    span(f"{alias.name:<20}"),
                    *(
                        span(f"{board.cell(alias, s).glyph.sign} {board.cell(alias, s).word:<10}")
                        for s in board.sources
                    ),
                )
                for alias in board.aliases
            ]
            + [line(footer_words(EVERYWHERE, ACTING, MATRIX))]
        )

    def selected(self) -> ObjectRef | None:
        at, aliases = self.query_one(LinesView).cursor, self.extsvc.board.aliases
        return aliases[at].service if at < len(aliases) else None

    def action_open(self) -> None:
        if ref := self.selected():
            self.extsvc.open_alias(ref)
