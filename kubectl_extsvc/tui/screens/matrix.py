"""All aliases from all sources."""

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.events import Resize
from textual.widgets import Input, Static

from kubectl_extsvc.model.resources import ObjectRef
from kubectl_extsvc.model.source import MeshMode, Source
from kubectl_extsvc.tui.board import Board
from kubectl_extsvc.tui.keys import ACTING, EVERYWHERE, MATRIX, bindings, footer_words
from kubectl_extsvc.tui.lines import Line, fitted_line, line
from kubectl_extsvc.tui.matrix import Counts, Fold, Group, Options, counts_of, header_lines, less_folded, more_folded
from kubectl_extsvc.tui.screens.base import BoardScreen
from kubectl_extsvc.tui.selection import panel_height, panel_lines, shown_source
from kubectl_extsvc.tui.widgets.lines_view import LinesView
from kubectl_extsvc.tui.widgets.matrix_view import MatrixView

COUNT_AGAIN_SECONDS = 1.0
"""The rules of all aliases are counted at most that often."""


class MatrixScreen(BoardScreen):
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(MATRIX), Binding("escape", "leave_filter", show=False)]
    AUTO_FOCUS = "MatrixView"
    CSS = """
    MatrixScreen #header { height: 1; }
    MatrixScreen #panel { height: 4; }
    MatrixScreen #footer { height: 1; }
    MatrixScreen MatrixView { height: 1fr; }
    MatrixScreen #filtering { height: 1; display: none; }
    MatrixScreen #filtering.shown { display: block; }
    MatrixScreen #filtering Static { width: 3; }
    MatrixScreen #filter { width: 1fr; border: none; height: 1; padding: 0; background: ansi_default; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._filter = ""
        self._problems_only = False
        self._all_namespaces: bool | None = None
        """None: as the command line said."""
        self._fold: dict[MeshMode, Fold] = {}
        self._counts = Counts(0, 0, 0, 0, 0)
        self._counted_at = 0.0
        self._frozen: tuple[float, Board] | None = None
        """Since when, and what was there."""

    def compose(self) -> ComposeResult:
        for name in ("header", "panel", "footer"):
            view = LinesView(self.extsvc.options.style, cursor=False, id=name)
            view.can_focus = False
            if name == "panel":
                yield MatrixView(id="matrix")
            yield view
            if name == "panel":
                with Horizontal(id="filtering"):
                    yield Static(" / ", markup=False)
                    yield Input(placeholder="text  ns:  state:  code:  mesh:  !not", id="filter", compact=True)

    def on_mount(self) -> None:
        self.query_one(Input).cursor_blink = False

    # --- what is shown ---------------------------------------------------------------------------------------------

    @property
    def matrix(self) -> MatrixView:
        return self.query_one(MatrixView)

    def selected(self) -> ObjectRef | None:
        return self.matrix.selected if self.is_mounted else None

    def selected_source(self) -> Source | None:
        """That of the chosen cell; in a folded group the one that is told of below the rows."""
        matrix = self.matrix
        if not matrix.source or matrix.layout_shown is None:
            return None
        return shown_source(self._board(), self._options(), matrix.layout_shown, matrix.alias)

    def board_changed(self, dirty: frozenset[ObjectRef] | None) -> None:
        if not self.is_mounted:
            return
        if dirty is None or self.matrix.layout_shown is None:
            self._show_all()
            return
        self.matrix.tick(self.extsvc.clock())
        self.matrix.dirty(dirty)
        self._show_around()

    def grow_old(self) -> None:
        if self.is_mounted and self.matrix.layout_shown is not None and not self.extsvc.frozen_at:
            self.matrix.grow_old(self.extsvc.clock())
            self._show_panel()

    def on_resize(self, event: Resize) -> None:
        self._show_all()

    def _show_all(self) -> None:
        options = self._options()
        self.matrix.show(self._board(), options)
        self.query_one("#panel").styles.height = panel_height(options)
        self._counted_at = 0.0
        self._show_around()

    def _show_around(self) -> None:
        """Header, footer and panel; what has not changed is not drawn."""
        options, board, matrix = self._options(), self._board(), self.matrix
        now = self.extsvc.clock()
        if abs(now - self._counted_at) >= COUNT_AGAIN_SECONDS:
            self._counted_at = now
            self._counts = counts_of(board, matrix.scope, len(matrix.rows), len(matrix.problems))
        counts = replace(self._counts, shown=len(matrix.rows), problems=len(matrix.problems))
        header = header_lines(board, options, counts)
        self.query_one("#header").styles.height = len(header)
        self.query_one("#header", LinesView).show(header)
        self.query_one("#footer", LinesView).show([self._footer(options)])
        self._show_panel()

    def _show_panel(self) -> None:
        options, board, matrix = self._options(), self._board(), self.matrix
        place = f"{matrix.cursor + 1}/{len(matrix.rows)}" if matrix.rows else ""
        assert matrix.layout_shown is not None
        panel = panel_lines(
            board, options, matrix.layout_shown, matrix.alias, place=place, command=self._command() if place else ""
        )
        self.query_one("#panel", LinesView).show(panel)

    def _command(self) -> str:
        alias = self.matrix.alias
        words = ("verify", alias.name, "-n", alias.namespace) if alias is not None else ("verify",)
        return self.extsvc.command(*words)

    def _footer(self, options: Options) -> Line:
        readonly = self.extsvc.options.readonly
        keys = footer_words(MATRIX, ACTING, EVERYWHERE, width=options.width - 1, readonly=readonly)
        return fitted_line(line(f" {keys}", style=options.style), options.width, options.style)

    def _board(self) -> Board:
        """As it is, or as it was when the view was frozen."""
        since = self.extsvc.frozen_at
        if not since:
            self._frozen = None
            return self.extsvc.board
        if self._frozen is None or self._frozen[0] != since:
            self._frozen = (since, self.extsvc.board.copy())
        return self._frozen[1]

    def _options(self) -> Options:
        chosen, live = self.extsvc.options, self.extsvc.live
        everywhere = chosen.all_namespaces if self._all_namespaces is None else self._all_namespaces
        return Options(
            width=self.size.width,
            height=self.size.height,
            now=self.extsvc.frozen_at or self.extsvc.clock(),
            style=chosen.style,
            context=chosen.context,
            namespace=chosen.namespace,
            all_namespaces=everywhere,
            interval=live.wishes.interval if live is not None else chosen.interval,
            filter=self._filter,
            problems_only=self._problems_only,
            fold=self._fold,
            selected=self.matrix.selected,
            source=self.matrix.source,
            frozen=bool(self.extsvc.frozen_at),
        )

    @on(MatrixView.Moved)
    def _moved(self) -> None:
        self._show_around()
        if self.extsvc.live is not None:
            self.extsvc.live.show(self.matrix.on_screen_now())

    # --- keys ------------------------------------------------------------------------------------------------------

    def action_open(self) -> None:
        ref = self.selected()
        if ref is not None:
            self.extsvc.open_alias(ref)

    def action_filter(self) -> None:
        self.query_one("#filtering").add_class("shown")
        self.query_one(Input).focus()

    @on(Input.Changed)
    def _filtered(self, event: Input.Changed) -> None:
        self._filter = event.value.strip()
        self._show_all()

    @on(Input.Submitted)
    def _keep_filter(self) -> None:
        if not self._filter:
            self.query_one("#filtering").remove_class("shown")
        self.matrix.focus()

    def action_leave_filter(self) -> None:
        self.query_one("#filtering").remove_class("shown")
        self.query_one(Input).value = ""
        self.matrix.focus()

    def action_problems(self) -> None:
        self._problems_only = not self._problems_only
        self._show_all()

    def action_all_namespaces(self) -> None:
        self._all_namespaces = not self._options().all_namespaces
        if self.extsvc.live is not None:
            self.extsvc.live.follow(all_namespaces=self._all_namespaces)
        self._show_all()

    def action_unfold(self) -> None:
        self._refold(less_folded)

    def action_fold(self) -> None:
        self._refold(more_folded)

    def _refold(self, step: Callable[[Group], Fold]) -> None:
        """A step for the group of the chosen cell, or for all."""
        matrix = self.matrix
        groups = matrix.layout_shown.groups if matrix.layout_shown is not None else ()
        chosen = [group for group in groups if matrix.source in group.keys] or groups
        self._fold = {**self._fold, **{group.mode: step(group) for group in chosen}}
        self._show_all()

    def action_next_problem(self) -> None:
        self._to_problem(1)

    def action_previous_problem(self) -> None:
        self._to_problem(-1)

    def _to_problem(self, step: int) -> None:
        if not self.matrix.next_problem(step):
            self.notify("all is well", markup=False, timeout=3)
