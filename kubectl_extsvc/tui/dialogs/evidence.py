"""What is behind a line: raw answers, objects, the proxy's words."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.screen import ModalScreen

from kubectl_extsvc.output.style import Style
from kubectl_extsvc.tui.keys import EVIDENCE, bindings, footer_words
from kubectl_extsvc.tui.lines import Ink, Line, line, span
from kubectl_extsvc.tui.widgets.lines_view import LinesView


class EvidenceScreen(ModalScreen[None]):
    """A pager; esc goes back, c copies all of it by the app."""

    BINDINGS = bindings(EVIDENCE)

    def __init__(self, title: str, lines: Sequence[str], style: Style) -> None:
        super().__init__()
        self._heading, self._texts, self._style = title, tuple(lines), style

    def compose(self) -> ComposeResult:
        yield LinesView(id="heading", cursor=False, color=self._style.color)
        yield LinesView(id="pane", cursor=False, color=self._style.color)
        yield LinesView(id="keys", cursor=False, color=self._style.color)

    def on_mount(self) -> None:
        style = self._style
        self.query_one("#heading", LinesView).show([line(span(f" {self._heading}", Ink.STRONG, style)), Line()])
        self.query_one("#pane", LinesView).show([line(span(f" {text}", style=style)) for text in self._texts])
        self.query_one("#keys", LinesView).show([line(span(f" {footer_words(EVIDENCE)}", Ink.DIM, style))])
        self.query_one("#pane", LinesView).focus()

    def action_close(self) -> None:
        self.dismiss()

    def action_copy(self) -> None:
        self.app.copy_to_clipboard("\n".join(self._texts))
        self.app.notify("copied", markup=False, timeout=3)
