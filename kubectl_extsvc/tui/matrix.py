"""The matrix of aliases and sources, as Lines: what its header, headings and rows say, and how columns are laid out.

Pure. A layout holds until aliases, sources, the filter's columns or the terminal's size change; a row depends on its
alias alone, so that an update costs one row.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from functools import lru_cache

from rich.cells import cell_len

from kubectl_extsvc.model.alias import Alias, Form
from kubectl_extsvc.model.hostile_text import one_line
from kubectl_extsvc.model.observation import StageState
from kubectl_extsvc.model.resources import ObjectRef
from kubectl_extsvc.model.source import MeshMode, Source
from kubectl_extsvc.output.source_names import short_names, workload_of
from kubectl_extsvc.output.style import STATES, Glyph, Style, in_charset
from kubectl_extsvc.tui.board import LOOKS_KEPT, Board, Look
from kubectl_extsvc.tui.cells import NOT_ASKED, RUNNING, SHORT_STAGE, SHOWN_AS_ASKING, Cell
from kubectl_extsvc.tui.filtering import matches, parsed, sources_shown, state_of
from kubectl_extsvc.tui.lines import INK_OF, SIGNS, Ink, Line, Span, fitted, fitted_line, hanging, line, span


class Fold(Enum):
    """What has a column of its own in a group."""

    PODS = "pods"
    WORKLOADS = "workloads"
    MODE = "mode"


@dataclass(frozen=True, slots=True)
class Options:
    """What the viewer has chosen, and the terminal."""

    width: int
    height: int
    now: float
    """Seconds since the epoch."""
    style: Style = SIGNS
    context: str = ""
    namespace: str = ""
    """Whose aliases are shown; "": of all namespaces that are known."""
    all_namespaces: bool = False
    interval: float = 15.0
    """Seconds between two looks."""
    filter: str = ""
    problems_only: bool = False
    fold: Mapping[MeshMode, Fold] = field(default_factory=dict)
    """Groups that are folded, or not, on demand; the others as they fit."""
    selected: ObjectRef | None = None
    source: str = ""
    """Key of the source whose cell is chosen; "": the whole row."""
    frozen: bool = False


WELL = STATES[StageState.OK]


class Shape(Enum):
    FRAMED = "framed"
    BARE = "bare"
    """Narrow or short: no frames."""
    LIST = "list"
    """Too small for columns: a sign and a name."""


def shape_of(options: Options) -> Shape:
    if options.width < 60 or options.height < 15:
        return Shape.LIST
    return Shape.FRAMED if options.width >= 100 and options.height >= 24 else Shape.BARE


# --- which aliases -----------------------------------------------------------------------------------------------


def in_scope(board: Board, options: Options) -> tuple[Alias, ...]:
    """Those of the namespace, or all; by namespace and name, so that no row ever moves because of its state."""
    everywhere = options.all_namespaces or not options.namespace
    scope = (alias for alias in board.aliases if everywhere or alias.namespace == options.namespace)
    return tuple(sorted(scope, key=place_of))


def place_of(alias: Alias) -> tuple[str, str]:
    return alias.namespace, alias.name


def visible(board: Board, options: Options) -> tuple[Alias, ...]:
    return tuple(alias for alias in in_scope(board, options) if is_visible(board, options, alias))


def is_visible(board: Board, options: Options, alias: Alias) -> bool:
    """Of an alias in scope."""
    wanted = parsed(options.filter)
    if not matches(wanted, board, alias, sources_shown(wanted, board.sources)):
        return False
    return not options.problems_only or board.is_problem(alias)


# --- columns -----------------------------------------------------------------------------------------------------

ALIAS_AT_MOST = 28
TARGET_AT_MOST = 30
NAME_AT_MOST = 16
SHORTEST_OLD = 10.0
DELTA_WIDTH = 7
"""≠route, and in ASCII !=route."""


@dataclass(frozen=True, slots=True)
class Column:
    """A pod, those of a workload, or all of a mesh mode."""

    name: str
    sources: tuple[Source, ...]
    width: int

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(source.key for source in self.sources)


@dataclass(frozen=True, slots=True)
class Group:
    """The sources of one mesh mode."""

    mode: MeshMode
    fold: Fold
    columns: tuple[Column, ...]

    @property
    def folded(self) -> bool:
        """Into one column, which has no name but the group's."""
        return self.fold is Fold.MODE

    @property
    def sources(self) -> tuple[Source, ...]:
        return tuple(source for column in self.columns for source in column.sources)

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(source.key for source in self.sources)

    @property
    def width(self) -> int:
        """With a blank before each column and after the last, without the rule before it."""
        return sum(column.width for column in self.columns) + len(self.columns) + 1


@dataclass(frozen=True, slots=True)
class Layout:
    shape: Shape
    style: Style
    width: int
    """Of the terminal."""
    alias: int
    target: int
    kind: int
    groups: tuple[Group, ...]
    delta: int
    """0: not shown, since there is but one kind of source."""
    history: int
    """Looks that are shown."""
    namespaced: bool
    """Aliases are written NAME.NAMESPACE."""

    @property
    def framed(self) -> bool:
        return self.shape is Shape.FRAMED

    @property
    def fixed(self) -> int:
        """Columns at the left that never scroll."""
        words = sum(1 + width for width in (self.alias, self.target, self.kind) if width)
        return 2 + words + (2 if self.framed else 0)

    @property
    def tail(self) -> int:
        columns = sum(1 + width for width in (self.delta, self.history) if width)
        return 1 + columns + 1 if columns else 0

    @property
    def total(self) -> int:
        """Of a whole row; more than the terminal's if the sources must scroll."""
        return self.fixed + sum(1 + group.width for group in self.groups) + self.tail + (1 if self.framed else 0)

    def column_of(self, key: str) -> tuple[int, int]:
        """Where the column of a source starts in a row, and its width; (0, 0) if it is not shown."""
        start = self.fixed
        for group in self.groups:
            start += 1
            for column in group.columns:
                if key in column.keys:
                    return start, 1 + column.width
                start += 1 + column.width
            start += 1
        return 0, 0

    def sources_with(self, key: str) -> tuple[Source, ...]:
        """Those that share a source's column."""
        columns = (column for group in self.groups for column in group.columns)
        return next((column.sources for column in columns if key in column.keys), ())

    def source_at(self, column: int) -> str:
        """Key of the source whose column that is, of several the first; "" if it is none's."""
        for key in self.stops():
            start, width = self.column_of(key)
            if start <= column < start + width:
                return key
        return ""

    def stops(self) -> tuple[str, ...]:
        """Source keys that left and right go over: the first of each column."""
        return tuple(column.keys[0] for group in self.groups for column in group.columns)


def layout_of(board: Board, options: Options) -> Layout:
    """The widest form in which all groups fit. Those that do not are folded: all to workloads before one to its mode,
    the largest first."""
    scope = in_scope(board, options)
    shape = shape_of(options)
    namespaced = len({alias.namespace for alias in scope}) > 1 or options.all_namespaces
    names = max((cell_len(alias_text(alias, namespaced, options.style)) for alias in scope), default=0)
    targets = max((cell_len(target_text(alias, options.style)) for alias in scope), default=0)
    full = min(max(targets, len("TARGET")), TARGET_AT_MOST)
    sources = sources_shown(parsed(options.filter), board.sources)
    modes = tuple(dict.fromkeys(source.mode for source in sources)) if scope else ()
    fold = {mode: options.fold.get(mode, Fold.PODS) for mode in modes}
    base = Layout(
        shape=shape,
        style=options.style,
        width=options.width,
        alias=max(min(names, ALIAS_AT_MOST if options.width >= 100 else 20), len("ALIAS")),
        target=full,
        kind=len("KIND"),
        groups=(),
        delta=DELTA_WIDTH if len(modes) > 1 else 0,
        history=LOOKS_KEPT if scope and modes else 0,
        namespaced=namespaced,
    )
    if shape is Shape.LIST:
        return replace(base, alias=max(options.width - 12, 8), target=0, kind=0, delta=0, history=0)
    # What is given up for sources to fit, step by step.
    short = replace(base, target=min(full, 14))
    few = min(base.history, 6)
    forms = [base, short, replace(short, history=few), replace(short, history=few, kind=0)]
    forms += [replace(short, history=0, kind=0, target=target) for target in (short.target, min(full, 8))]
    while True:
        groups = tuple(_group(mode, sources, fold[mode], options.style) for mode in modes)
        tried = [replace(form, groups=groups) for form in forms]
        fitting = next((form for form in tried if form.total <= options.width), None)
        foldable = [group for group in groups if len(group.columns) > 1 and group.mode not in options.fold]
        if fitting is not None:
            spare = options.width - fitting.total
            target = min(full, fitting.target + spare)
            spare -= target - fitting.target
            history = min(base.history, fitting.history + spare) if fitting.history else 0
            return replace(fitting, target=target, history=history)
        if not foldable:
            # Nothing more can be folded: the sources scroll, so the target must not take their room.
            return replace(tried[-1], target=0)
        chosen = max(foldable, key=lambda group: (more_folded(group) is Fold.WORKLOADS, len(group.columns)))
        fold[chosen.mode] = more_folded(chosen)


def more_folded(group: Group) -> Fold:
    """The next step to fewer columns."""
    return Fold.WORKLOADS if group.fold is Fold.PODS and _has_replicas(group.sources) else Fold.MODE


def less_folded(group: Group) -> Fold:
    """The next step to more columns."""
    return Fold.WORKLOADS if group.fold is Fold.MODE and _has_replicas(group.sources) else Fold.PODS


def _has_replicas(sources: Sequence[Source]) -> bool:
    return len({(source.namespace, workload_of(source)) for source in sources}) < len(sources)


def _group(mode: MeshMode, sources: Sequence[Source], fold: Fold, style: Style) -> Group:
    mine = tuple(source for source in sources if source.mode is mode)
    narrowest = 10 if style.ascii else 9
    if fold is Fold.MODE:
        return Group(mode, fold, (Column("", mine, narrowest + len("3/3")),))
    if fold is Fold.WORKLOADS:
        return Group(mode, fold, _workload_columns(mine, narrowest, style))
    by_key = short_names(mine)
    names = [(_said(by_key[source.key], style), source) for source in mine]
    return Group(mode, fold, tuple(Column(name, (one,), _width_of(name, narrowest)) for name, one in names))


def _workload_columns(sources: Sequence[Source], narrowest: int, style: Style) -> tuple[Column, ...]:
    by_workload: dict[tuple[str, str], list[Source]] = {}
    for source in sources:
        by_workload.setdefault((source.namespace, workload_of(source)), []).append(source)
    names = Counter(name for _, name in by_workload)
    columns = []
    for (namespace, name), pods in by_workload.items():
        said = _said(name if names[name] == 1 else f"{name}.{namespace}", style)
        if len(pods) == 1:
            columns.append(Column(said, tuple(pods), _width_of(said, narrowest)))
            continue
        count = f" {len(pods)}"
        said = fitted(said, min(cell_len(said), NAME_AT_MOST - len(count)), style) + count
        columns.append(Column(said, tuple(pods), _width_of(said, narrowest + len("3/3"))))
    return tuple(columns)


def _width_of(name: str, narrowest: int) -> int:
    return max(min(cell_len(name), NAME_AT_MOST), narrowest)


def alias_text(alias: Alias, namespaced: bool, style: Style = SIGNS) -> str:
    return _said(f"{alias.name}.{alias.namespace}" if namespaced else alias.name, style)


def target_text(alias: Alias, style: Style = SIGNS) -> str:
    return _said(str(alias.target) or "<none>", style)


def _said(text: str, style: Style) -> str:
    """Text from the cluster on one line, without what a terminal would obey."""
    return in_charset(one_line(text), style)


# --- headings ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Box:
    """What frames are drawn with; corners are left and right."""

    flat: str
    side: str
    top: tuple[str, str]
    meeting: str
    """Of the top and a column."""
    middle: tuple[str, str]
    bottom: tuple[str, str]


_BOX = Box("─", "│", ("┌", "┐"), "┬", ("├", "┤"), ("└", "┘"))
_ASCII_BOX = Box("-", "|", ("+", "+"), "+", ("+", "+"), ("+", "+"))


def box(style: Style) -> Box:
    return _ASCII_BOX if style.ascii else _BOX


def heading_lines(layout: Layout) -> tuple[Line, ...]:
    """Names of the groups, where some are open or there is a frame, and of the columns."""
    if layout.shape is Shape.LIST:
        return ()
    columns = _columns_line(layout)
    return (_groups_line(layout), columns) if _names_groups_above(layout) else (columns,)


def _names_groups_above(layout: Layout) -> bool:
    return layout.framed or any(not group.folded for group in layout.groups)


def _groups_line(layout: Layout) -> Line:
    rules = box(layout.style)
    flat = rules.flat if layout.framed else " "
    left, right = rules.top
    meeting = rules.meeting if layout.framed else " "
    first = " aliases " if layout.framed else ""
    text = (left if layout.framed else "") + first.ljust(layout.fixed - (1 if layout.framed else 0), flat)
    parts = [Span(text, Ink.FRAME)]
    for group in layout.groups:
        name = fitted(f" {group.mode} ", min(group.width, len(group.mode) + 2), layout.style)
        parts += [Span(meeting, Ink.FRAME), Span(name, Ink.STRONG)]
        parts.append(Span(flat * (group.width - len(name)), Ink.FRAME))
    if layout.tail:
        parts.append(Span(meeting + flat * (layout.tail - 1), Ink.FRAME))
    return _ended(parts, layout, flat, right)


def _columns_line(layout: Layout) -> Line:
    side = _side(layout)
    parts = [*([side, Span(" ")] if layout.framed else []), Span("  ")]
    for word, width in (("ALIAS", layout.alias), ("TARGET", layout.target), ("KIND", layout.kind)):
        if width:
            parts.append(Span(fitted(word, width, layout.style) + " ", Ink.STRONG))
    for group in layout.groups:
        parts += [side, *_group_names(group, layout), Span(" ")]
    if layout.tail:
        delta = fitted("DIFF" if layout.style.ascii else "Δ", layout.delta) if layout.delta else ""
        looks = fitted(f"last {layout.history}", layout.history) if layout.history else ""
        words = "".join(f" {word}" for word in (delta, looks) if word)
        parts += [side, Span(words + " ", Ink.STRONG)]
    return _ended(parts, layout, " ", side.text)


def _group_names(group: Group, layout: Layout) -> list[Span]:
    if group.folded:
        count = len(group.sources)
        alone = not _names_groups_above(layout)
        words = f"{group.mode} {count}" if alone else f"{count} pod" if count == 1 else f"{count} pods"
        return [Span(" " + fitted(words, group.columns[0].width, layout.style), Ink.STRONG)]
    return [Span(" " + fitted(one.name, one.width, layout.style), Ink.STRONG) for one in group.columns]


def _side(layout: Layout) -> Span:
    return Span(box(layout.style).side, Ink.FRAME) if layout.framed else Span(" ")


def _ended(parts: Iterable[Span], layout: Layout, filling: str, right: str) -> Line:
    """A row filled up to the whole width, with the frame's right side."""
    spans = tuple(part for part in parts if part.text)
    width = sum(part.width for part in spans)
    edge = 1 if layout.framed else 0
    fill = filling * (max(layout.total, layout.width) - width - edge)
    return Line((*spans, Span(fill + (right if layout.framed else ""), Ink.FRAME)))


# --- rows --------------------------------------------------------------------------------------------------------


def row_line(
    board: Board,
    layout: Layout,
    alias: Alias,
    now: float,
    *,
    selected: bool = False,
    source: str = "",
    old: Collection[str] = (),
) -> Line:
    """One alias. source: key of the chosen cell, if its row is selected. old: keys of cells that are dimmed."""
    style = layout.style
    mark = (">" if style.ascii else "▸") if selected else " "
    if layout.shape is Shape.LIST:
        return _list_row(board, layout, alias, mark)
    side = _side(layout)
    name = fitted(alias_text(alias, layout.namespaced, style), layout.alias, style)
    parts = [*([side, Span(" ")] if layout.framed else []), Span(f"{mark} {name} ", Ink.STRONG)]
    if layout.target:
        parts.append(Span(fitted(target_text(alias, style), layout.target, style) + " "))
    if layout.kind:
        parts.append(Span(fitted(_kind(alias), layout.kind) + " ", Ink.DIM))
    ref = alias.service
    known = board.cells.get(ref, {})
    for group in layout.groups:
        parts.append(side)
        for column in group.columns:
            keys = column.keys
            cells = [known.get(key) or _unknown_cell(board, ref, key, now) for key in keys]
            lead, dim = mark if source in keys else " ", bool(old) and all(key in old for key in keys)
            if len(cells) == 1:
                parts.append(_cell_span(cells[0], column.width, lead, style, dim=dim))
            else:
                summed = group_text(cells, style)
                text = lead + fitted(summed.text, column.width, style)
                parts.append(Span(text, Ink.DIM if dim else summed.ink))
        parts.append(Span(" "))
    if layout.tail:
        parts.append(side)
        if layout.delta:
            parts += [Span(" "), delta_span(board, layout, alias)]
        if layout.history:
            parts += [Span(" "), *history_spans(board.looks.get(alias.service, ()), layout.history, style)]
        parts.append(Span(" "))
    row = _ended(parts, layout, " ", side.text)
    return _dimmed(row) if board.lost is not None else row


def filler_line(layout: Layout) -> Line:
    """Below the last row."""
    if not layout.framed:
        return Line((Span(" " * max(layout.total, layout.width)),))
    side = _side(layout)
    parts = [side, Span(" " * (layout.fixed - 1))]
    for group in layout.groups:
        parts += [side, Span(" " * group.width)]
    if layout.tail:
        parts += [side, Span(" " * (layout.tail - 1))]
    return _ended(parts, layout, " ", side.text)


def _unknown_cell(board: Board, ref: ObjectRef, key: str, now: float) -> Cell:
    """Not asked yet, or being asked for the first time: after a moment that is shown, after a second for how long."""
    asking = board.asking.get(key)
    if asking is None or ref not in asking.aliases or now - asking.at < SHOWN_AS_ASKING:
        return NOT_ASKED
    seconds = int(now - asking.at)
    return Cell(RUNNING, f"{seconds} s" if seconds >= 1 else "")


def old_cells(board: Board, ref: ObjectRef, options: Options) -> frozenset[str]:
    """Keys of the sources that were asked about an alias too long ago to be trusted as what is so now."""
    limit = options.now - old_after(options.interval)
    return frozenset(
        source.key
        for source in board.sources
        if (kept := board.samples.get((ref, source.key))) is not None and kept[-1].at < limit
    )


def old_after(interval: float) -> float:
    """Seconds: three looks left out, and never less than one slow look takes."""
    return max(3 * interval, SHORTEST_OLD)


def cell_text(cell: Cell, style: Style) -> str:
    mark = _mark_of(cell.glyph, style)
    if not cell.word or cell.word.upper() == mark:
        return mark
    return f"{mark} {cell.word}"


@lru_cache(maxsize=4096)
def _cell_span(cell: Cell, width: int, lead: str, style: Style, *, dim: bool = False) -> Span:
    return Span(lead + fitted(cell_text(cell, style), width, style), Ink.DIM if dim else INK_OF[cell.glyph.tint])


def group_text(cells: Sequence[Cell], style: Style) -> Span:
    """A folded group: 6/6 ✓ if all that say something are well, ✗ tls 3/3 if all say the same, else 2 ✗ 1 ✓."""
    counts = Counter(cells)
    kinds = sorted(counts, key=lambda cell: cell.rank)
    worst = kinds[0]
    ink = INK_OF[worst.glyph.tint]
    if len(cells) == 1:
        return Span(cell_text(worst, style), ink)
    if worst.glyph is WELL:
        well = sum(counts[cell] for cell in kinds if cell.glyph is WELL)
        return Span(f"{well}/{len(cells)} {_mark_of(WELL, style)}", ink)
    if len(kinds) == 1:
        same = cell_text(worst, style)
        return Span(same if state_of(worst) == "none" else f"{same} {len(cells)}/{len(cells)}", ink)
    by_glyph: dict[str, int] = {}
    for cell in kinds:
        if state_of(cell) != "none" or len({kind.glyph for kind in kinds}) == 1:
            mark = _mark_of(cell.glyph, style)
            by_glyph[mark] = by_glyph.get(mark, 0) + counts[cell]
    said = [f"{count} {mark}" for mark, count in by_glyph.items()]
    # The well ones, which come last, are worth more than a third sort of trouble.
    return Span(" ".join(said if len(said) < 3 else (said[0], said[-1])) or cell_text(worst, style), ink)


def _mark_of(glyph: Glyph, style: Style) -> str:
    return glyph.word if style.ascii else glyph.sign


def delta_span(board: Board, layout: Layout, alias: Alias) -> Span:
    """=, or the first stage at which kinds of source differ; – where there are not two that tell."""
    judged, style = board.reports.get(alias.service), layout.style
    if judged is None:
        return Span(" " * DELTA_WIDTH)
    stage = judged.report.first_difference
    if stage is not None:
        sign = "!=" if style.ascii else "≠"
        return Span(fitted(f"{sign}{SHORT_STAGE[stage]}", DELTA_WIDTH), Ink.WARN)
    cells = board.cells.get(alias.service, {})
    telling = {
        group.mode
        for group in layout.groups
        if any(key in cells and state_of(cells[key]) in ("ok", "warn", "fail") for key in group.keys)
    }
    return Span(fitted("=" if len(telling) > 1 else "-" if style.ascii else "–", DELTA_WIDTH), Ink.DIM)


_HEIGHTS = "▁▂▃▄▅▆▇"


def history_spans(looks: Iterable[Look], width: int, style: Style) -> list[Span]:
    """The last looks, newest at the right: how long a good one took, as a height; of others their sign."""
    shown = list(looks)[-width:]
    times = [look.seconds for look in shown if look.worst.glyph is WELL]
    shortest, longest = min(times, default=0.0), max(times, default=0.0)
    spans = [Span(" " * (width - len(shown)))] if len(shown) < width else []
    run, ink = "", Ink.PLAIN
    for look in shown:
        mark, its_ink = _history_mark(look, shortest, longest, style), INK_OF[look.worst.glyph.tint]
        if its_ink is not ink and run:
            spans.append(Span(run, ink))
            run = ""
        run, ink = run + mark, its_ink
    return [*spans, Span(run, ink)] if run else spans


def _history_mark(look: Look, shortest: float, longest: float, style: Style) -> str:
    state = state_of(look.worst)
    if state == "ok":
        # From the fastest one up, against the slowest: looks that are all alike are a flat line.
        height = round((look.seconds - shortest) / longest * (len(_HEIGHTS) - 1)) if longest else 0
        return (".:" if style.ascii else _HEIGHTS)[height // 4 if style.ascii else height]
    if style.ascii:
        return {"fail": "X", "warn": "!", "wait": "~", "unknown": "?"}.get(state, "-")
    return look.worst.glyph.sign


def _kind(alias: Alias) -> str:
    return "ext" if alias.form is Form.EXTERNAL_NAME else "sel"


def _dimmed(row: Line) -> Line:
    return Line(tuple(part if part.ink is Ink.FRAME else Span(part.text, Ink.DIM) for part in row.spans))


def _list_row(board: Board, layout: Layout, alias: Alias, mark: str) -> Line:
    cells = [board.cell(alias, source) for source in board.sources] or [NOT_ASKED]
    worst = min(cells, key=lambda cell: cell.rank)
    said = fitted(cell_text(worst, layout.style), 9, layout.style)
    name = span(f" {alias_text(alias, layout.namespaced, layout.style)}", Ink.STRONG)
    return fitted_line(line(f"{mark} ", Span(said, INK_OF[worst.glyph.tint]), name), layout.width, layout.style)


# --- header ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Counts:
    """Of the aliases in scope; the caller counts them when something changes."""

    aliases: int
    shown: int
    problems: int
    judging: int
    """Rules that could judge every alias."""
    rules: int

    @property
    def skipped(self) -> int:
        return self.rules - self.judging


def counts_of(board: Board, scope: Sequence[Alias], shown: int, problems: int) -> Counts:
    judgements = [board.reports[alias.service].report.judgement for alias in scope if alias.service in board.reports]
    skipped = {rule.code for judgement in judgements for rule in (*judgement.skipped, *judgement.broken)}
    judged = {code for judgement in judgements for code in judgement.passed}
    judged |= {finding.code for judgement in judgements for finding in judgement.findings}
    return Counts(len(scope), shown, problems, len(judged - skipped), len(judged | skipped))


def header_lines(board: Board, options: Options, counts: Counts) -> tuple[Line, ...]:
    """Where we are, how much there is, and whether it is live; a second line if something keeps us from seeing."""
    style = options.style
    rules = _fitting_header(board, options, counts)
    if board.lost is not None:
        mark = _mark(("✗", "FAIL"), style)
        banner = line(" ", *lost_spans(board, options.now, style, mark))
    elif why := hindrance(board):
        banner = line(span(f" {_mark(('!', 'WARN'), style)} ", Ink.WARN), span(why, Ink.WARN, style))
    elif board.known_at and not board.snapshot.mesh.installed and board.aliases:
        banner = line(span(f"   {NO_MESH}", Ink.DIM))
    else:
        return (rules,)
    return rules, fitted_line(banner, options.width, style)


NO_MESH = "no Istio is installed here: pods are all plain, and what is about the mesh is not judged"


def lost_spans(board: Board, now: float, style: Style, mark: str) -> tuple[Span, ...]:
    """The client's own words, when it is tried again, and how old what is shown is. Of a board that is lost."""
    assert board.lost is not None
    wait = max(0, round(board.lost.retry_at - now))
    shown = f"; what is shown is {_age(now - board.known_at)} old" if board.known_at else ""
    # The end is the way on, so it must not be cut off by a long reason.
    return (
        span(f"{mark} again in {wait} s, r at once{shown}: ", Ink.STRONG, style),
        span(board.lost.reason, Ink.BAD, style),
    )


_NEEDED = re.compile(r"\((needs [^()]*)\)$")
"""The right, at the end of a refusal."""


def hindrance(board: Board) -> str:
    """What keeps all pods, or a kind of them, from being looked from, and the key that helps; "" if nothing does."""
    troubles = [board.trouble.get(source.key, "") for source in board.sources]
    if troubles and all(troubles):
        needed = _NEEDED.search(troubles[0])
        return f"{needed[1] if needed else troubles[0]}: only objects are judged; s: other pods"
    first = next(iter(board.notes), "")
    return f"{first} (+{len(board.notes) - 1} more)" if len(board.notes) > 1 else first


def _fitting_header(board: Board, options: Options, counts: Counts) -> Line:
    style = options.style
    place = line(Span(" extsvc  ", Ink.STRONG), span(_place(options), Ink.STRONG, style))
    narrow = options.width < 100
    by = "x" if style.ascii else "×"
    aliases = f"{counts.shown} of {counts.aliases}" if counts.shown != counts.aliases else f"{counts.aliases}"
    size = f"{aliases}{by}{len(board.sources)}"
    if not narrow:
        noun = "alias" if counts.aliases == 1 else "aliases"
        sources = "source" if len(board.sources) == 1 else "sources"
        size = f"{aliases} {noun} {by} {len(board.sources)} {sources}"
    rest = [span(size, style=style), _live(board, options, narrow)]
    if counts.problems:
        rest.append(span(f"! {counts.problems} problem" + ("s" if counts.problems > 1 else ""), Ink.BAD))
    if counts.rules:
        rest.append(span(f"{counts.judging}/{counts.rules}" + ("" if narrow else " checks")))
    if counts.skipped:
        rest.append(span(f"{counts.skipped} skipped" if style.ascii else f"⊘{counts.skipped}", Ink.WARN))
    gap = "  " if narrow else "    "
    parts = [part for one in rest for part in (Span(gap), one)]
    return fitted_line(Line((*place.spans, *parts)), options.width, style)


def _place(options: Options) -> str:
    arrow = " > " if options.style.ascii else "▸" if options.width < 100 else " ▸ "
    where = "all namespaces" if options.all_namespaces or not options.namespace else options.namespace
    return f"{options.context}{arrow}{where}" if options.context else where


def _live(board: Board, options: Options, narrow: bool) -> Span:
    style = options.style
    if options.frozen:
        return span(f"{_mark(('‖', '||'), style)} frozen {_clock(options.now)}", Ink.WARN)
    if board.lost is not None:
        return span(f"{_mark(('○', 'o'), style)} lost", Ink.BAD)
    if not board.known_at:
        return span("reading the cluster", Ink.DIM)
    words = f"{options.interval:g}s" if narrow else f"watching {options.interval:g}s"
    return span(f"{_mark(('●', '*'), style)} {words}", Ink.GOOD)


def _mark(signs: tuple[str, str], style: Style) -> str:
    return signs[1] if style.ascii else signs[0]


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at).strftime("%H:%M:%S")


def _age(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


# --- nothing to show ---------------------------------------------------------------------------------------------

WHAT_AN_ALIAS_IS = (
    "An alias is a local name for a service outside the cluster:",
    "a Service of type ExternalName, or one without a selector whose endpoints are written by hand.",
    "Applications call NAME.NAMESPACE; extsvc shows, from each pod, how far such a call comes.",
)


def empty_lines(board: Board, options: Options) -> tuple[Line, ...]:
    """What stands in place of rows where there are none."""
    style = options.style
    if not board.known_at and board.lost is not None:
        return (
            line(span("  Nothing is known of the cluster yet.", Ink.STRONG)),
            Line(),
            line("  r  ask again now     q  quit"),
            line("  kubectl config get-contexts  shows other clusters; --context NAME takes one"),
            line("  kubectl extsvc demo  walks through the task without a cluster"),
        )
    if not board.known_at:
        return (line("  Reading the cluster" + ("..." if style.ascii else "…")),)
    scope = in_scope(board, options)
    if not scope:
        return _no_aliases(board, options)
    every = f"{len(scope)} alias" if len(scope) == 1 else f"{len(scope)} aliases"
    complaint = parsed(options.filter).complaint
    if complaint:
        return (line("  ", span(complaint, Ink.WARN, style)), line("  esc clears the filter"))
    if options.filter:
        among = " with problems" if options.problems_only else ""
        what = span(f'  Nothing{among} matches "{options.filter}"', Ink.WARN, style)
        return (line(what, f"; {every} hidden, esc clears the filter"),)
    return (line(Span("  No problems", Ink.GOOD), f" among {every}; ! shows all"),)


def _no_aliases(board: Board, options: Options) -> tuple[Line, ...]:
    style = options.style
    where = "in any namespace" if options.all_namespaces or not options.namespace else f"in {options.namespace}"
    others = len(board.aliases)
    keys = "  a  make one"
    if others:
        keys += f"     0  show {others} of other namespaces"
    return (
        line("  ", span(f"No aliases {where}.", Ink.STRONG, style)),
        Line(),
        *(one for words in WHAT_AN_ALIAS_IS for one in hanging((Span("  "),), words, options.width - 4, style)),
        Line(),
        line(keys, style=style),
        line("  kubectl extsvc demo  walks through the task without a cluster"),
    )
