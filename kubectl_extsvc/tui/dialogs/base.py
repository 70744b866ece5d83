"""What all dialogs have in common: a box over the screen below, and the whole screen where that is narrow."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widget import Widget

from kubectl_extsvc.output.style import Style
from kubectl_extsvc.tui.keys import DIALOG, Key, bindings, footer_words
from kubectl_extsvc.tui.lines import Ink, Line, line, span, within
from kubectl_extsvc.tui.widgets.lines_view import LinesView

if TYPE_CHECKING:
    from kubectl_extsvc.tui.app import ExtsvcApp

NARROW = 90
"""Columns from which on a dialog is a box."""
WIDEST = 120
FRAME = 4
"""Columns of a box's border and padding."""
AROUND = 4
"""Lines of a box that are not its body: border, heading, footer."""


class Dialog(ModalScreen[None]):
    """A heading, lines that scroll, and the keys; a subclass says the lines, or has a body of its own."""

    KEYS: ClassVar[tuple[Key, ...]] = ()
    """Its own, besides those of every dialog."""
    CURSOR: ClassVar[bool] = False
    """On one of the lines."""
    BINDINGS = bindings(DIALOG)
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012, as Textual declares it
        (0, "-narrow"),
        (NARROW, "-wide"),
    ]
    DEFAULT_CSS = """
    Dialog { align: center middle; }
    Dialog #dialog-box { width: 100%; height: 100%; padding: 0 1; background: ansi_default; }
    Dialog.-wide #dialog-box { width: 92%; max-width: 120; height: auto; border: round ansi_bright_black; }
    Dialog.-wide.-ascii #dialog-box { border: ascii ansi_bright_black; }
    Dialog #dialog-heading, Dialog #dialog-foot { height: 1; }
    Dialog #dialog-body { height: 1fr; scrollbar-size-vertical: 1; }
    Dialog Input { background: ansi_default; }
    """

    def heading(self) -> str:
        raise NotImplementedError

    def body(self, width: int, style: Style) -> Sequence[Line]:
        """What it says, in at most that many columns."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        style = self.extsvc.options.style
        with Vertical(id="dialog-box"):
            heading, foot = (LinesView(style, cursor=False, id=name) for name in ("dialog-heading", "dialog-foot"))
            heading.can_focus = foot.can_focus = False
            yield heading
            yield from self.compose_body()
            yield foot

    def compose_body(self) -> ComposeResult:
        yield LinesView(self.extsvc.options.style, cursor=self.CURSOR, id="dialog-body")

    def on_mount(self) -> None:
        self.set_class(self.extsvc.options.style.ascii, "-ascii")
        self.show()

    def on_resize(self) -> None:
        self.show()

    @property
    def extsvc(self) -> "ExtsvcApp":
        return cast("ExtsvcApp", self.app)

    @property
    def is_wide(self) -> bool:
        return self.size.width >= NARROW

    @property
    def inner_width(self) -> int:
        """Columns that the lines have, a scrollbar's left out."""
        width = self.size.width
        return (min(width * 92 // 100, WIDEST) - FRAME if self.is_wide else width - 2) - 1

    def show(self) -> None:
        """All of it anew."""
        if not self.is_mounted:
            return
        width, style = self.inner_width, self.extsvc.options.style
        words = footer_words(self.shown_keys(), DIALOG, width=width, readonly=self.extsvc.options.readonly)
        self.query_one("#dialog-heading", LinesView).show(
            [within(line(span(self.heading(), Ink.STRONG, style)), width, style)]
        )
        self.query_one("#dialog-foot", LinesView).show([within(line(span(words, Ink.DIM, style)), width, style)])
        self.show_body(width, style)

    def shown_keys(self) -> tuple[Key, ...]:
        """Those for the footer now; one that does nothing at the moment is left out."""
        return self.KEYS

    def show_body(self, width: int, style: Style) -> None:
        lines = self.body(width, style)
        self.query_one("#dialog-body", LinesView).show(lines)
        self.fit(len(lines))

    def fit(self, lines: int) -> None:
        """Make the box as high as a body of so many lines needs."""
        box: Widget = self.query_one("#dialog-box")
        box.styles.height = min(lines + AROUND, self.size.height - 2) if self.is_wide else "100%"

    def action_close(self) -> None:
        self.dismiss()

    def action_help(self) -> None:
        self.extsvc.action_help()
