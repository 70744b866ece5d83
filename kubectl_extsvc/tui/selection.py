"""What the matrix says below its rows about the selected alias: how far a call comes from one source, and why."""

from collections.abc import Iterable, Sequence

from kubectl_extsvc.model.alias import Alias
from kubectl_extsvc.model.finding import Finding, Severity
from kubectl_extsvc.model.hostile_text import one_line
from kubectl_extsvc.model.observation import WAY, Stage, StageResult, StageState
from kubectl_extsvc.model.report import SourceReport
from kubectl_extsvc.model.source import Source
from kubectl_extsvc.output.style import SEVERITIES, STATES, Style, in_charset
from kubectl_extsvc.output.table import human_duration
from kubectl_extsvc.tui.board import Board
from kubectl_extsvc.tui.cells import SHORT_STAGE, SHOWN_AS_ASKING, concerns, ports_from
from kubectl_extsvc.tui.filtering import parsed, sources_shown
from kubectl_extsvc.tui.lines import LONGEST_TEXT, Ink, Line, Span, fitted_line, line, sign, span, wrapped
from kubectl_extsvc.tui.matrix import Layout, Options, Shape, box, old_after, shape_of

LIST_NOTE = "60×15 or more shows the matrix"


def panel_height(options: Options) -> int:
    """Rows; the same whatever is selected, so that the matrix never jumps."""
    match shape_of(options):
        case Shape.LIST:
            return 1
        case Shape.BARE:
            return 4 if options.height < 30 else 5
        case Shape.FRAMED:
            return 6 if options.height < 30 else 7 if options.height < 40 else 8


def panel_lines(
    board: Board, options: Options, layout: Layout, alias: Alias | None, *, place: str = "", command: str = ""
) -> tuple[Line, ...]:
    """Exactly panel_height lines. place: where the selection stands among the rows, 3/12. command: a command line that
    gives the same, said where there is room."""
    style, shape, width = options.style, shape_of(options), options.width
    if shape is Shape.LIST:
        note = LIST_NOTE.replace("×", "x") if style.ascii else LIST_NOTE
        return (fitted_line(line(Span(f" {note}", Ink.DIM)), width, style),)
    framed = shape is Shape.FRAMED
    rules = box(style)
    source = shown_source(board, options, layout, alias)
    inner = width - (4 if framed else 2)
    height = panel_height(options) - (2 if framed else 1)
    body = _body(board, alias, source, inner, height, style)
    title = _title(alias, source, _age_of(board, options, alias, source), style)
    side = Span(rules.side, Ink.FRAME)
    top = rules.middle if framed else ("", "")
    lines = [_ruled(title, place, rules.flat, top, options)]
    for content in [*body, *([Line()] * (height - len(body)))]:
        full = fitted_line(content, inner, style)
        edge = (side,) if framed else ()
        lines.append(Line((*edge, Span(" "), *full.spans, Span(" "), *edge)))
    if framed:
        said = span(f"$ {command}", Ink.DIM, style) if command else Span("")
        lines.append(_ruled(said, "", rules.flat, rules.bottom, options))
    return tuple(lines)


def shown_source(board: Board, options: Options, layout: Layout, alias: Alias | None) -> Source | None:
    """The one whose cell is chosen; of several in its column, or of all if none is chosen, the worst for this alias."""
    sources = layout.sources_with(options.source) or sources_shown(parsed(options.filter), board.sources)
    if options.source and len(sources) == 1:
        return sources[0]
    if alias is None:
        return None
    return min(sources, key=lambda source: board.cell(alias, source).rank, default=None)


def first_finding(board: Board, alias: Alias, source: Source | None) -> Finding | None:
    """The first about that source, else the first of the alias."""
    judged = board.reports.get(alias.service)
    findings = judged.report.findings if judged else ()
    about = (finding for finding in findings if source is not None and concerns(finding, source))
    return next(about, findings[0] if findings else None)


def worst_port(seen: Sequence[SourceReport]) -> SourceReport | None:
    """The port whose way ends first; else the first one."""

    def ends_at(one: SourceReport) -> int:
        failed = [WAY.index(result.stage) for result in one.stages if result.state is StageState.FAILED]
        return min(failed, default=len(WAY))

    return min(seen, key=ends_at, default=None)


def stage_strip(stages: Iterable[StageResult], width: int, style: Style) -> Line:
    """name ✓ 2 ms ─ dns ✓ 10.96.4.7 ─ …; what is well goes without words if they do not fit."""
    by_stage = {result.stage: result for result in stages}
    way = [by_stage[stage] for stage in WAY if stage in by_stage]
    way = [result for result in way if result.state is not StageState.NOT_APPLICABLE]
    full = _strip(way, style, brief=False)
    return full if full.width <= width else fitted_line(_strip(way, style, brief=True), width, style)


def _strip(way: Sequence[StageResult], style: Style, *, brief: bool) -> Line:
    spans: list[Span] = []
    for result in way:
        if spans:
            spans.append(Span(" > " if style.ascii else " ─ ", Ink.FRAME))
        spans += [Span(f"{SHORT_STAGE[result.stage]} "), sign(STATES[result.state], style)]
        well = result.state is StageState.OK
        words = "" if well and brief else short_words(result)
        if words and result.state is not StageState.NOT_SERVED:
            spans.append(
                span(f" {one_line(words)}", Ink.PLAIN if well else sign(STATES[result.state], style).ink, style)
            )
    return Line(tuple(spans))


def short_words(result: StageResult) -> str:
    """What matters of a stage that is well, in a few words: the time of a name, an address, a mode. Others in full."""
    text = result.text
    if result.state is not StageState.OK:
        return text
    match result.stage:
        case Stage.NAME:
            return text.rpartition(", ")[2] if ", " in text else ""
        case Stage.DNS:
            return text.partition(" (")[0]
        case Stage.ROUTE:
            return text.rpartition("  ")[2] if "  " in text else ""
        case Stage.TLS:
            return text.partition(",")[0]
        case _:
            return text


def _age_of(board: Board, options: Options, alias: Alias | None, source: Source | None) -> str:
    """How old the answer is, once that is worth a word; and for how long another one is awaited."""
    if alias is None or source is None:
        return ""
    kept, asking = board.samples.get((alias.service, source.key)), board.asking.get(source.key)
    age = options.now - kept[-1].at if kept else 0.0
    waited = options.now - asking.at if asking is not None and alias.service in asking.aliases else 0.0
    words = [f"{human_duration(age)} ago"] if age > old_after(options.interval) else []
    if waited >= SHOWN_AS_ASKING:
        words.append(f"asking for {human_duration(waited)}" if waited >= 1 else "asking")
    return ", ".join(words)


def _title(alias: Alias | None, source: Source | None, age: str, style: Style) -> Span:
    if alias is None:
        return Span("")
    name = f"{alias.name}.{alias.namespace}"
    whence = f" from {source.pod} ({source.mode})" if source is not None else ""
    return span(one_line(name + whence) + (f", {age}" if age else ""), Ink.STRONG, style)


def _ruled(title: Span, place: str, flat: str, ends: tuple[str, str], options: Options) -> Line:
    """A rule across the screen with words in it: ├ payments.shop from web (sidecar) ────── 3/12 ┤"""
    left, right = ends
    room = options.width - len(left) - len(right)
    ending = f" {place} " if place else ""
    lead = "" if left or not title.text else flat
    words = fitted_line(Line((title,)), min(title.width, room - len(ending) - 4), options.style)
    spans = [Span(left + lead, Ink.FRAME)]
    if title.text:
        spans += [Span(" "), *words.spans, Span(" ")]
    used = sum(part.width for part in spans) - len(left)
    spans += [Span(flat * (room - used - len(ending)), Ink.FRAME), Span(ending, Ink.DIM), Span(right, Ink.FRAME)]
    return Line(tuple(part for part in spans if part.text))


def _body(
    board: Board, alias: Alias | None, source: Source | None, width: int, height: int, style: Style
) -> list[Line]:
    if alias is None:
        return []
    judged = board.reports.get(alias.service)
    if judged is None:
        said = "not looked at yet" if board.sources else next(iter(board.notes), "no pod to look from")
        return [line(Span(words, Ink.DIM)) for words in _folded(said, width, style)[:height]]
    lines = []
    seen = worst_port(ports_from(judged.report, source)) if source is not None else None
    if seen is not None:
        lines.append(stage_strip(seen.stages, width, style))
    lines += _finding_lines(board, alias, source, width, style)
    trouble = board.trouble.get(source.key, "") if source is not None else ""
    if trouble:
        lines += [
            line(Span(words, Ink.WARN)) for words in _folded(f"{source.pod if source else ''}: {trouble}", width, style)
        ]
    if len(lines) <= height:
        return lines
    return [*lines[: height - 1], fitted_line(Line((*lines[height - 1].spans, Span(" " * width))), width, style)]


def _finding_lines(board: Board, alias: Alias, source: Source | None, width: int, style: Style) -> list[Line]:
    """In full: the message, then evidence and cure."""
    finding = first_finding(board, alias, source)
    if finding is None:
        judged = board.reports[alias.service].report
        notes = [] if board.sources else [next(iter(board.notes), "no pod to look from")]
        words = [f"No findings. TLS {judged.tls}" if judged.tls else "No findings.", *notes]
        return [line(Span(part, Ink.DIM)) for text in words for part in _folded(text, width, style)]
    others = len(board.reports[alias.service].report.findings) - 1
    head = f"{finding.code} "
    severity = "" if finding.severity is Severity.ERROR else f"{finding.severity}: "
    more = f"  (+{others} more)" if others else ""
    ink = {Severity.ERROR: Ink.BAD, Severity.WARNING: Ink.WARN, Severity.INFO: Ink.DIM}[finding.severity]
    mark = sign(SEVERITIES[finding.severity], style)
    indent = mark.width + 1 + len(head)
    first, *rest = _folded(f"{severity}{finding.message}{more}", width - indent, style)
    lines = [line(mark, " ", Span(head, ink), Span(first))]
    lines += [line(" " * indent, Span(part)) for part in rest]
    for label, texts in (("evidence", finding.evidence), ("cure", (finding.cure,) if finding.cure else ())):
        for index, text in enumerate(texts):
            parts = _folded(text, width - 10, style)
            for place, part in enumerate(parts):
                start = label if index == place == 0 else ""
                lines.append(line(Span(f"{start:<10}", Ink.DIM), Span(part)))
    return lines


def _folded(text: str, width: int, style: Style) -> list[str]:
    return wrapped(in_charset(one_line(text, LONGEST_TEXT), style), max(width, 8))
