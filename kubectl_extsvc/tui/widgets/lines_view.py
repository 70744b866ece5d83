"""A list of lines that scrolls, with a cursor on one of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from textual.events import Click
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from kubectl_extsvc.output.style import Style
from kubectl_extsvc.tui.keys import MOVING, bindings
from kubectl_extsvc.tui.lines import Line, fitted_line
from kubectl_extsvc.tui.widgets.inks import NO_STYLE, strip_of


class LinesView(ScrollView, can_focus=True):
    """Shows lines; the cursor stays on its line's number when they are shown anew, so that nothing jumps."""

    BINDINGS = bindings(MOVING)

    @dataclass
    class Chosen(Message):
        """The cursor is on another line."""

        line: Line

    def __init__(self, style: Style, *, cursor: bool = True, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: list[Line] = []
        self._has_cursor, self._style = cursor, style
        self.cursor = 0
        if style.ascii:
            self.styles.scrollbar_size_vertical = 0  # it is drawn with blocks

    @property
    def lines(self) -> Sequence[Line]:
        return self._lines

    @property
    def line(self) -> Line | None:
        """The one under the cursor."""
        return self._lines[self.cursor] if self.cursor < len(self._lines) else None

    def show(self, lines: Sequence[Line]) -> None:
        """These lines from now on; only those that differ are drawn."""
        before, self._lines = self._lines, list(lines)
        if len(before) != len(self._lines):
            self.virtual_size = Size(self.size.width, len(self._lines))
            self.cursor = max(0, min(self.cursor, len(self._lines) - 1))
            self.refresh()
            return
        top = self.scroll_offset.y
        for number, (old, new) in enumerate(zip(before, self._lines, strict=True)):
            if old != new and top <= number < top + self.size.height:
                self.refresh(Region(0, number - top, self.size.width, 1))

    def render_line(self, y: int) -> Strip:
        number = self.scroll_offset.y + y
        width = self.size.width
        if number >= len(self._lines):
            return Strip.blank(width, NO_STYLE)
        cursor = self._has_cursor and number == self.cursor
        line = fitted_line(self._lines[number], width, self._style)
        return strip_of(line, color=self._style.color, cursor=cursor, focused=self.has_focus)

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def on_resize(self) -> None:
        self.virtual_size = Size(self.size.width, len(self._lines))

    def on_click(self, event: Click) -> None:
        self.move_to(self.scroll_offset.y + event.y)

    def move_to(self, number: int) -> None:
        """Put the cursor on a line, and the line on the screen."""
        number = max(0, min(number, len(self._lines) - 1))
        if not self._has_cursor:
            self.scroll_to(y=number, animate=False)
            return
        if number != self.cursor:
            self.cursor = number
            self.refresh()
            if self.line is not None:
                self.post_message(self.Chosen(self.line))
        self.scroll_to_region(Region(0, number, 1, 1), animate=False, force=True)

    def _moved(self, lines: int) -> None:
        self.move_to((self.cursor if self._has_cursor else self.scroll_offset.y) + lines)

    def action_cursor_down(self) -> None:
        self._moved(1)

    def action_cursor_up(self) -> None:
        self._moved(-1)

    def action_first(self) -> None:
        self.move_to(0)

    def action_last(self) -> None:
        self.move_to(len(self._lines) - 1)

    def action_half_down(self) -> None:
        self._moved(self.size.height // 2)

    def action_half_up(self) -> None:
        self._moved(-(self.size.height // 2))

    def action_page_down(self) -> None:
        self._moved(self.size.height)

    def action_page_up(self) -> None:
        self._moved(-self.size.height)
