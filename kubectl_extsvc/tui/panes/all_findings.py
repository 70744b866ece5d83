"""The findings of all aliases by code, and below them what could not be judged, by what would let it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from kubectl_extsvc.model.finding import Finding
from kubectl_extsvc.model.resources import ObjectRef
from kubectl_extsvc.output.rows import clean_line
from kubectl_extsvc.output.source_names import short_names
from kubectl_extsvc.output.style import SEVERITIES, Style
from kubectl_extsvc.plans.fixes import is_planned
from kubectl_extsvc.rules import CAUSAL_ORDER, RULES
from kubectl_extsvc.tui.board import Board
from kubectl_extsvc.tui.cells import FORBIDDEN
from kubectl_extsvc.tui.lines import INK_OF, Ink, Line, Span, hanging, line, sign, span
from kubectl_extsvc.tui.panes.choosing import said

TITLES = {rule.code: rule.title for rule in RULES}


@dataclass(frozen=True, slots=True)
class Row:
    line: Line
    ref: ObjectRef | None = None
    """The alias that it is about; None: of none, or of many."""
    finding: Finding | None = None


def all_findings(board: Board, width: int, style: Style) -> list[Row]:
    """Worst first, and within a severity causes before what they cause."""
    found: dict[str, list[tuple[ObjectRef, Finding]]] = {}
    for ref, judged in board.reports.items():
        for finding in judged.report.findings:
            found.setdefault(finding.code, []).append((ref, finding))
    order = sorted(found, key=lambda code: (found[code][0][1].severity.rank, CAUSAL_ORDER.index(code)))
    rows: list[Row] = []
    for code in order:
        rows += _rows_of(code, found[code], board, width, style)
    if not rows:
        words = "no findings" if board.reports else "nothing has been judged yet"
        rows = [Row(one) for one in said(words, width, style)]
    return [*rows, *_skipped(board, width, style)]


def _rows_of(
    code: str, found: list[tuple[ObjectRef, Finding]], board: Board, width: int, style: Style
) -> Iterable[Row]:
    glyph = SEVERITIES[found[0][1].severity]
    ink = INK_OF[glyph.tint]
    head = (sign(glyph, style), span(f" {code} ", Ink.STRONG, style))
    for one in hanging(head, TITLES.get(code, ""), width, style, ink=ink if ink is not Ink.DIM else Ink.PLAIN, most=2):
        yield Row(one)
    names = short_names(board.sources)
    for ref, finding in sorted(found, key=lambda pair: (pair[0].namespace, pair[0].name)):
        seen = ", ".join(names.get(key, key) for key in finding.sources) or "all sources"
        lead = (span(f"    {ref.name}.{ref.namespace}  ", Ink.STRONG, style),)
        hint = "  (f fixes it)" if is_planned(finding) else ""
        evidence = tuple(map(clean_line, (finding.message, *finding.evidence, f"cure: {finding.cure}")))
        for one in hanging(lead, f"{finding.message}  {seen}{hint}", width, style, evidence=evidence, most=3):
            yield Row(one, ref, finding)


def _skipped(board: Board, width: int, style: Style) -> list[Row]:
    """⊘ 20 checks not run: get and create pods/exec (14) · list sidecars (6)"""
    skipped = [one for judged in board.reports.values() for one in judged.report.judgement.skipped]
    if not skipped:
        return []
    reasons = Counter(one.unlock or one.reason for one in skipped)
    told = " · ".join(f"{reason} ({count})" for reason, count in reasons.most_common())
    lead: tuple[Span, ...] = (sign(FORBIDDEN, style), span(" ", style=style))
    checks = "1 check" if len(skipped) == 1 else f"{len(skipped)} checks"
    words = f"{checks} not run; what would let them: {told}"
    return [Row(line()), *(Row(one) for one in hanging(lead, words, width, style, ink=Ink.DIM, most=6))]
