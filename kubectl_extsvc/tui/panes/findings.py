"""Findings: what is wrong, how that is known and what cures it; then what could not be judged, and what was."""

from collections.abc import Iterable, Mapping
from functools import cache

from kubectl_extsvc.model.finding import Finding, Judgement, Severity, Skipped
from kubectl_extsvc.model.observation import StageState
from kubectl_extsvc.output.rows import clean_line
from kubectl_extsvc.output.source_names import short_names
from kubectl_extsvc.output.style import NO_GLYPH, SEVERITIES, STATES, Glyph, Style
from kubectl_extsvc.plans.fixes import is_planned
from kubectl_extsvc.rules import RULES
from kubectl_extsvc.rules.family import Rule
from kubectl_extsvc.tui.board import AliasView
from kubectl_extsvc.tui.cells import FORBIDDEN
from kubectl_extsvc.tui.lines import INK_OF, Ink, Line, Span, hanging, line, span, within
from kubectl_extsvc.tui.panes.choosing import NOT_JUDGED, ago, clock, said
from kubectl_extsvc.tui.panes.documents import document

BROKEN = Glyph("!", "BUG", FORBIDDEN.tint)
LABEL = 10
"""Columns of evidence and cure."""


def findings_pane(view: AliasView, width: int, style: Style) -> list[Line]:
    if view.report is None:
        return said(NOT_JUDGED, width, style)
    judgement = view.report.judgement
    names = short_names(view.sources)
    lines = [_numbers(view, judgement, width, style)]
    for finding in judgement.findings:
        lines += [Line(), *_finding_lines(finding, view, names, width, style)]
    if not judgement.findings:
        clean = "no findings among what could be judged" if judgement.skipped else "no findings"
        words = clean if judgement.passed else "nothing was judged"
        state = STATES[StageState.OK] if judgement.passed else STATES[StageState.NOT_OBSERVED]
        lines += [Line(), *hanging(_lead(state, style), words, width, style)]
    lines += _skipped_lines(judgement.skipped, width, style)
    for broken in judgement.broken:
        text = f"{broken.code} a rule of kubectl extsvc failed, which is a defect of ours: {broken.reason}"
        lines += hanging(_lead(BROKEN, style), text, width, style, ink=Ink.WARN, evidence=_page(broken.code))
    if count := len(judgement.passed):
        evidence = tuple(clean_line(f"{code} {_title(code)}") for code in judgement.passed)
        lead = _lead(STATES[StageState.OK], style)
        words = "1 rule found nothing" if count == 1 else f"{count} rules found nothing"
        lines += [Line(), *hanging(lead, words, width, style, ink=Ink.DIM, evidence=evidence)]
    return lines


def _numbers(view: AliasView, judgement: Judgement, width: int, style: Style) -> Line:
    severities = [finding.severity for finding in judgement.findings]
    parts = []
    for severity, noun in ((Severity.ERROR, "error"), (Severity.WARNING, "warning"), (Severity.INFO, "info")):
        if count := severities.count(severity):
            plural = "s" if count > 1 and severity is not Severity.INFO else ""
            parts.append(span(f"{count} {noun}{plural}", INK_OF[SEVERITIES[severity].tint], style))
    parts.append(span(f"{len(judgement.passed)} passed", Ink.PLAIN, style))
    if judgement.skipped:
        parts.append(span(f"{len(judgement.skipped)} skipped", Ink.DIM, style))
    if judgement.broken:
        parts.append(span(f"{len(judgement.broken)} broken", Ink.WARN, style))
    parts.append(span(f"judged {ago(view.judged_at, view.now)}", Ink.DIM, style))
    between = span(" · ", Ink.DIM, style)
    spaced = [one for part in parts for one in (between, part)][1:]
    return within(line(*spaced, style=style), width, style)


def _finding_lines(
    finding: Finding, view: AliasView, names: Mapping[str, str], width: int, style: Style
) -> Iterable[Line]:
    glyph = SEVERITIES[finding.severity]
    ink = INK_OF[glyph.tint]
    evidence = _evidence(finding, view)
    head = (*_lead(glyph, style), span(f"{finding.code} ", Ink.STRONG, style))
    yield from hanging(
        head, finding.message, width, style, ink=ink if ink is not Ink.DIM else Ink.PLAIN, evidence=evidence, most=6
    )
    where = f"{finding.severity} at {finding.stage} · {finding.subject} in {finding.subject.namespace}"
    since = _since(finding.code, view)
    yield from _below("", f"{where} · seen from {_whose(finding, names)}{since}", width, style, evidence, Ink.DIM)
    for index, told in enumerate(finding.evidence):
        yield from _below("evidence" if index == 0 else "", told, width, style, evidence)
    if finding.cure:
        yield from _below("cure", finding.cure, width, style, evidence)
    if is_planned(finding):
        yield from _below("f", "fixes it: shows the change first", width, style, evidence, Ink.GOOD)
    elif finding.cure:
        yield from _below("", "a person's to do: no change of objects alone cures it", width, style, evidence, Ink.DIM)


def _below(
    label: str, text: str, width: int, style: Style, evidence: tuple[str, ...], ink: Ink = Ink.PLAIN
) -> list[Line]:
    lead = (*_lead(NO_GLYPH, style), span(f"{label:<{LABEL}}", Ink.DIM, style))
    return hanging(lead, text, width, style, ink=ink, evidence=evidence, most=6)


def _whose(finding: Finding, names: Mapping[str, str]) -> str:
    """The sources that it concerns, and its ports where it is not about all."""
    sources = ", ".join(names.get(key, key) for key in finding.sources) or "all sources"
    return sources + (f", port {', '.join(map(str, finding.ports))}" if finding.ports else "")


def _since(code: str, view: AliasView) -> str:
    """When the log says that it came up, as far back as the log goes."""
    start = f"{view.alias.name}: {code} "
    news = (one for one in view.happenings if one.who == "rule" and one.text.startswith(start))
    told = next((one for one in news if one.text != f"{start}is gone"), None)
    return f" · since {clock(told.at, view.now)}" if told is not None else ""


def _evidence(finding: Finding, view: AliasView) -> tuple[str, ...]:
    """All of it, the page of the rule, and the object that it is about."""
    told = [f"{finding.code} {finding.message}", *finding.evidence]
    told += [f"cure: {finding.cure}"] if finding.cure else []
    told += [f"step: {step.command}" for step in finding.fix if step.command != finding.cure]
    about = document(finding.subject, view.snapshot)
    return (*map(clean_line, told), "", *_page(finding.code), *(("", *about) if about else ()))


def _skipped_lines(skipped: Iterable[Skipped], width: int, style: Style) -> list[Line]:
    """Rules that could not judge, by what would let them."""
    groups: dict[str, list[Skipped]] = {}
    for one in skipped:
        groups.setdefault(one.unlock or one.reason, []).append(one)
    lines: list[Line] = []
    for unlock, those in groups.items():
        evidence = [clean_line(f"{one.code} {_title(one.code)}: {one.reason}") for one in those]
        rules = "1 rule skipped" if len(those) == 1 else f"{len(those)} rules skipped"
        needs = f"needs {unlock}" if those[0].unlock else unlock
        lines += [Line()] if not lines else []
        lines += hanging(_lead(FORBIDDEN, style), f"{rules}: {needs}", width, style, evidence=evidence)
        codes = " ".join(one.code for one in those)
        lines += hanging(_lead(NO_GLYPH, style), codes, width, style, ink=Ink.DIM, evidence=evidence)
    return lines


def _lead(glyph: Glyph, style: Style) -> tuple[Span, Span]:
    """The sign in the column that all signs share."""
    mark = f"{glyph.word:<4}" if style.ascii else glyph.sign
    return Span(mark, INK_OF[glyph.tint]), Span(" ")


def _title(code: str) -> str:
    rule = _by_code().get(code)
    return rule.title if rule is not None else ""


def _page(code: str) -> tuple[str, ...]:
    """What `explain CODE` says."""
    rule = _by_code().get(code)
    return (f"{rule.code}  {rule.title}", "", *rule.page.splitlines()) if rule is not None else ()


@cache
def _by_code() -> Mapping[str, Rule]:
    return {rule.code: rule for rule in RULES}
