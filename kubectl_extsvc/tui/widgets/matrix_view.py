"""The rows and columns of the matrix: drawn line by line, and a line only when its alias has changed.

With hundreds of aliases and dozens of sources neither an update nor a key may cost more than the rows that it is about.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import ClassVar

from textual.binding import BindingType
from textual.events import Click
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from kubectl_extsvc.model.alias import Alias
from kubectl_extsvc.model.live import Judged
from kubectl_extsvc.model.resources import ObjectRef
from kubectl_extsvc.tui.board import Board
from kubectl_extsvc.tui.keys import MATRIX, MOVING, bindings
from kubectl_extsvc.tui.lines import Ink, Line, Span, fitted_line
from kubectl_extsvc.tui.matrix import (
    Layout,
    Options,
    box,
    empty_lines,
    filler_line,
    heading_lines,
    in_scope,
    is_visible,
    layout_of,
    old_cells,
    place_of,
    row_line,
    visible,
)
from kubectl_extsvc.tui.widgets.inks import NO_STYLE, strip_of

SIDEWAYS = tuple(key for key in MATRIX if key.action in ("cursor_left", "cursor_right"))


class MatrixView(ScrollView, can_focus=True, inherit_bindings=False):
    """Headings stay at the top and aliases at the left; what is between scrolls."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(MOVING, SIDEWAYS)

    class Moved(Message):
        """The cursor, or the part of the rows that is on the screen."""

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, MatrixView.Moved)

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.board = Board()
        self.options = Options(80, 24, 0.0)
        self.layout_shown: Layout | None = None
        self.scope: tuple[Alias, ...] = ()
        self.rows: list[Alias] = []
        """Those that are visible, in the order of their rows."""
        self.problems: set[ObjectRef] = set()
        """Of the scope."""
        self.cursor = 0
        self.source = ""
        """Key of the source whose cell is chosen; "": the whole row."""
        self._in_scope: dict[ObjectRef, Alias] = {}
        self._index: dict[ObjectRef, int] = {}
        self._judged: dict[ObjectRef, Judged | None] = {}
        """What was known of each alias when its row was last looked at."""
        self._waiting: set[ObjectRef] = set()
        """Aliases with cells that say since when they are being asked."""
        self._old: dict[ObjectRef, frozenset[str]] = {}
        """Of the rows as they are drawn: which cells are dimmed for their age."""
        self._headings: tuple[Strip, ...] = ()
        self._empty: tuple[Strip, ...] = ()
        self._filler = Strip.blank(0)
        self._strips: dict[ObjectRef, Strip] = {}
        self._cursor_strip: Strip | None = None

    @property
    def alias(self) -> Alias | None:
        """The one under the cursor."""
        return self.rows[self.cursor] if self.cursor < len(self.rows) else None

    @property
    def selected(self) -> ObjectRef | None:
        alias = self.alias
        return alias.service if alias is not None else None

    def on_screen_now(self) -> Sequence[ObjectRef]:
        """Aliases whose rows can be seen, from the top."""
        top = self.scroll_offset.y
        return [alias.service for alias in self.rows[top : top + self._page]]

    @property
    def _page(self) -> int:
        """Rows that fit."""
        return max(self.size.height - len(self._headings), 1)

    # --- what is shown ---------------------------------------------------------------------------------------------

    def show(self, board: Board, options: Options) -> None:
        """Everything may be other than it was: aliases, sources, options, the terminal's size."""
        same_filter = (options.filter, options.problems_only) == (self.options.filter, self.options.problems_only)
        kept = self.selected
        self.board, self.options = board, options
        self.layout_shown = layout_of(board, options)
        self.scope = in_scope(board, options)
        self._in_scope = {alias.service: alias for alias in self.scope}
        self._judged = {ref: board.reports.get(ref) for ref in self._in_scope}
        self.problems = {alias.service for alias in self.scope if board.is_problem(alias)}
        self._waiting = {alias.service for alias in self.scope if self._waits(alias)}
        rows = visible(board, options)
        if same_filter and kept in self._in_scope and kept not in {alias.service for alias in rows}:
            rows = tuple(sorted((*rows, self._in_scope[kept]), key=place_of))
        if self.source not in {source.key for source in board.sources}:
            self.source = ""
        self._headings = tuple(self._strip(heading) for heading in heading_lines(self.layout_shown))
        self._filler = self._strip(filler_line(self.layout_shown))
        self._put_rows(rows, kept)
        self.refresh()

    def dirty(self, refs: Iterable[ObjectRef]) -> None:
        """These aliases have changed, and nothing else."""
        if self.layout_shown is None:
            return
        joined = False
        for ref in refs:
            alias, judged = self._in_scope.get(ref), self.board.reports.get(ref)
            if alias is None or (judged is self._judged.get(ref) and ref not in self._waiting):
                continue
            self._judged[ref] = judged
            (self.problems.add if self.board.is_problem(alias) else self.problems.discard)(ref)
            (self._waiting.add if self._waits(alias) else self._waiting.discard)(ref)
            shown = ref in self._index
            if ref != self.selected and is_visible(self.board, self.options, alias) is not shown:
                joined = True
            elif shown:
                self._redraw(ref)
        if joined:
            keep = self.selected
            rows = [
                alias for alias in self.scope if alias.service == keep or is_visible(self.board, self.options, alias)
            ]
            self._put_rows(rows, keep)
            self.refresh()

    def _waits(self, alias: Alias) -> bool:
        return len(self.board.cells.get(alias.service, ())) < len(self.board.sources)

    def _put_rows(self, rows: Sequence[Alias], kept: ObjectRef | None) -> None:
        """Other rows; the cursor stays on its alias, and that where it is on the screen."""
        assert self.layout_shown is not None
        before = self.cursor
        self.rows = list(rows)
        self._index = {alias.service: index for index, alias in enumerate(rows)}
        self._strips.clear()
        self._cursor_strip = None
        there = self._index.get(kept) if kept is not None else None
        self.cursor = there if there is not None else max(0, min(before, len(rows) - 1))
        self._empty = () if rows else tuple(map(self._framed, empty_lines(self.board, self.options)))
        self.virtual_size = Size(self.layout_shown.total, len(rows) + len(self._headings))
        moved = self.cursor - before
        if moved:
            self.scroll_to(y=max(0, self.scroll_offset.y + moved), animate=False, force=True)
        self._bring_into_view()
        self.post_message(self.Moved())

    def _framed(self, line: Line) -> Strip:
        """A line that stands where rows would."""
        assert self.layout_shown is not None
        style, width = self.options.style, self.options.width
        if not self.layout_shown.framed:
            return self._strip(fitted_line(line, width, style))
        side = Span(box(style).side, Ink.FRAME)
        return self._strip(Line((side, *fitted_line(line, width - 2, style).spans, side)))

    def _strip(self, line: Line, *, cursor: bool = False) -> Strip:
        return strip_of(line, color=self.options.style.color, cursor=cursor, focused=self.has_focus)

    def _redraw(self, ref: ObjectRef) -> None:
        """One row."""
        self._strips.pop(ref, None)
        index = self._index.get(ref)
        if index is None:
            return
        if index == self.cursor:
            self._cursor_strip = None
        at = len(self._headings) + index - self.scroll_offset.y
        if len(self._headings) <= at < self.size.height:
            self.refresh(Region(0, at, self.size.width, 1))

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if self.layout_shown is None:
            return Strip.blank(width, NO_STYLE)
        if y < len(self._headings):
            return self._scrolled(self._headings[y])
        place = y - len(self._headings)
        row = place + self.scroll_offset.y
        if row < len(self.rows):
            return self._scrolled(self._row_strip(row, self.rows[row]))
        if not self.rows and place < len(self._empty):
            return self._empty[place].crop_extend(0, width, NO_STYLE)
        return self._scrolled(self._filler)

    def _row_strip(self, row: int, alias: Alias) -> Strip:
        assert self.layout_shown is not None
        if row == self.cursor:
            if self._cursor_strip is None:
                self._cursor_strip = self._strip(self._line(alias, source=self.source, selected=True), cursor=True)
            return self._cursor_strip
        strip = self._strips.get(alias.service)
        if strip is None:
            strip = self._strip(self._line(alias))
            self._strips[alias.service] = strip
        return strip

    def _line(self, alias: Alias, *, selected: bool = False, source: str = "") -> Line:
        assert self.layout_shown is not None
        old = self._old[alias.service] = old_cells(self.board, alias.service, self.options)
        return row_line(
            self.board, self.layout_shown, alias, self.options.now, selected=selected, source=source, old=old
        )

    def _scrolled(self, strip: Strip) -> Strip:
        """The aliases at the left, and of the rest what has been scrolled to."""
        assert self.layout_shown is not None
        width, fixed, left = self.size.width, self.layout_shown.fixed, self.scroll_offset.x
        if not left:
            return strip.crop_extend(0, width, NO_STYLE)
        rest = strip.crop(fixed + left, width + left)
        return Strip.join([strip.crop(0, fixed), rest]).crop_extend(0, width, NO_STYLE)

    # --- moving ----------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Time has passed; seen where a cell says for how long it has been asked."""
        self.options = replace(self.options, now=now)

    def grow_old(self, now: float) -> None:
        """Draw anew the rows on the screen of which a cell is too old now."""
        self.tick(now)
        for ref in self.on_screen_now():
            if ref in self._old and old_cells(self.board, ref, self.options) != self._old[ref]:
                self._redraw(ref)

    def move_to(self, index: int) -> None:
        """Put the cursor on a row, and the row on the screen."""
        index = max(0, min(index, len(self.rows) - 1))
        if index == self.cursor or not self.rows:
            return
        left, self.cursor = self.rows[self.cursor].service, index
        self._cursor_strip = None
        self._redraw(left)
        self._redraw(self.rows[index].service)
        self._bring_into_view()
        self.post_message(self.Moved())

    def choose(self, source: str) -> None:
        """Put the cursor on a source's cell; "" is the whole row."""
        if source == self.source:
            return
        self.source = source
        self._cursor_strip = None
        if self.selected is not None:
            self._redraw(self.selected)
        self._bring_into_view()
        self.post_message(self.Moved())

    def _bring_into_view(self) -> None:
        assert self.layout_shown is not None
        left, top = self.scroll_offset
        if self.cursor < top or self.cursor >= top + self._page:
            top = self.cursor if self.cursor < top else self.cursor - self._page + 1
        start, width = self.layout_shown.column_of(self.source)
        if not width:
            left = 0
        elif start - left < self.layout_shown.fixed:
            left = start - self.layout_shown.fixed
        elif start + width - left > self.size.width:
            left = start + width - self.size.width
        self.scroll_to(left, top, animate=False, force=True)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self.post_message(self.Moved())

    def on_click(self, event: Click) -> None:
        row = event.y - len(self._headings) + self.scroll_offset.y
        if event.y < len(self._headings) or row >= len(self.rows) or self.layout_shown is None:
            return
        column = event.x if event.x < self.layout_shown.fixed else event.x + self.scroll_offset.x
        self.move_to(row)
        self.choose(self.layout_shown.source_at(column))

    def on_focus(self) -> None:
        self._redraw_cursor()

    def on_blur(self) -> None:
        self._redraw_cursor()

    def _redraw_cursor(self) -> None:
        if self.selected is not None:
            self._redraw(self.selected)

    def next_problem(self, step: int) -> bool:
        """Go to the next row below (1) or above (-1) that is not well, around the ends; False if there is none."""
        count = len(self.rows)
        for distance in range(1, count + 1):
            index = (self.cursor + step * distance) % count
            if self.rows[index].service in self.problems:
                self.move_to(index)
                return True
        return False

    def action_cursor_down(self) -> None:
        self.move_to(self.cursor + 1)

    def action_cursor_up(self) -> None:
        self.move_to(self.cursor - 1)

    def action_first(self) -> None:
        self.move_to(0)

    def action_last(self) -> None:
        self.move_to(len(self.rows) - 1)

    def action_half_down(self) -> None:
        self.move_to(self.cursor + self._page // 2)

    def action_half_up(self) -> None:
        self.move_to(self.cursor - self._page // 2)

    def action_page_down(self) -> None:
        self.move_to(self.cursor + self._page)

    def action_page_up(self) -> None:
        self.move_to(self.cursor - self._page)

    def action_cursor_right(self) -> None:
        self._sideways(1)

    def action_cursor_left(self) -> None:
        self._sideways(-1)

    def _sideways(self, step: int) -> None:
        """Over the sources; left of the first is the whole row."""
        if self.layout_shown is None:
            return
        stops = ("", *self.layout_shown.stops())
        at = next((index for index, key in enumerate(stops) if self._is_at(key)), 0)
        self.choose(stops[max(0, min(at + step, len(stops) - 1))])

    def _is_at(self, stop: str) -> bool:
        """Whether the chosen cell is in the column of that stop."""
        assert self.layout_shown is not None
        return stop == self.source or (
            bool(stop) and self.layout_shown.column_of(stop) == self.layout_shown.column_of(self.source)
        )
