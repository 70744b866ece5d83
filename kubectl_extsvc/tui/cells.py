"""One alias from one source in a sign and a word: what a cell of the matrix says, and what a mark of its history."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kubectl_extsvc.model.finding import Finding, Severity
from kubectl_extsvc.model.observation import WAY, Stage, StageResult, StageState
from kubectl_extsvc.model.probe import ANOTHER_SOURCE, BETTER_SOURCE, NoAnswer, Purpose
from kubectl_extsvc.model.report import AliasReport, SourceReport
from kubectl_extsvc.model.snapshot import EXEC_VERBS
from kubectl_extsvc.model.source import Source
from kubectl_extsvc.output.rows import milliseconds
from kubectl_extsvc.output.style import SEVERITIES, STATES, Glyph, Tint

SHORT_STAGE = {
    Stage.NAME: "name",
    Stage.DNS: "dns",
    Stage.ENDPOINTS: "ep",
    Stage.ROUTE: "route",
    Stage.TLS: "tls",
    Stage.HTTP: "http",
}
"""At most five letters, for cells and for Δ."""

SHOWN_AS_ASKING = 0.4
"""Seconds after which it is said that an answer is awaited."""

RUNNING = Glyph("~", "RUN", Tint.YELLOW)
FORBIDDEN = Glyph("⊘", "RBAC", Tint.YELLOW)
NO_TOOL = Glyph("∅", "TOOL", Tint.YELLOW)


@dataclass(frozen=True, slots=True)
class Cell:
    glyph: Glyph
    word: str
    """At most nine letters: 41 ms, tls, 503, rbac. "" where the sign says all."""

    @property
    def is_problem(self) -> bool:
        """Failed, warned of, or not known; what is not served or not asked yet is none."""
        return self.glyph.tint in (Tint.RED, Tint.YELLOW) and self.glyph is not RUNNING

    @property
    def rank(self) -> int:
        """0 is worst; what says nothing of the way is last."""
        return _RANKS[self.glyph.word]


@dataclass(frozen=True, slots=True)
class Sample:
    """What one look from one source came to."""

    at: float
    """Seconds since the epoch."""
    cell: Cell
    seconds: float
    """Of the alias's own call; 0.0 if there was none."""
    text: str
    """One line: the first stage that is not well, or the last."""


_WORST_FIRST = (
    STATES[StageState.FAILED],
    SEVERITIES[Severity.WARNING],
    STATES[StageState.NOT_OBSERVED],
    FORBIDDEN,
    NO_TOOL,
    STATES[StageState.PENDING],
    RUNNING,
    STATES[StageState.OK],
    STATES[StageState.NOT_SERVED],
    STATES[StageState.NOT_APPLICABLE],
)
_RANKS = {glyph.word: rank for rank, glyph in enumerate(_WORST_FIRST)}


NOT_ASKED = Cell(STATES[StageState.NOT_REACHED], "")


def cell_of(report: AliasReport, source: Source) -> Cell:
    """The worst of all ports. A finding about a source is shown there even if its calls went well."""
    findings = [finding for finding in report.findings if concerns(finding, source)]
    return _cell(ports_from(report, source), findings)


def cells_of(report: AliasReport) -> dict[str, Cell]:
    """The same of every source that the report knows of, by source key."""
    by_key: dict[str, list[SourceReport]] = {}
    for one in report.sources:
        by_key.setdefault(one.observation.source.key, []).append(one)
    return {
        key: _cell(seen, [finding for finding in report.findings if not finding.sources or key in finding.sources])
        for key, seen in by_key.items()
    }


def _cell(seen: Sequence[SourceReport], findings: Sequence[Finding]) -> Cell:
    """findings: those about the source."""
    if not seen:
        return NOT_ASKED
    failed = _first(seen, StageState.FAILED)
    if failed is not None:
        return Cell(STATES[StageState.FAILED], _failing_word(*failed))
    worst = min(findings, key=lambda finding: finding.severity.rank, default=None)
    if worst is not None and worst.severity is Severity.ERROR:
        return Cell(SEVERITIES[Severity.ERROR], SHORT_STAGE[worst.stage])
    if _first(seen, StageState.PENDING) is not None:
        return Cell(STATES[StageState.PENDING], "wait")
    unseen = _first(seen, StageState.NOT_OBSERVED)
    if unseen is not None:
        return _unseen_cell(seen, unseen[1])
    if worst is not None and worst.severity is Severity.WARNING:
        return Cell(SEVERITIES[Severity.WARNING], SHORT_STAGE[worst.stage])
    if all(_is(one, StageState.NOT_SERVED) for one in seen):
        return Cell(STATES[StageState.NOT_SERVED], "not srv")
    return Cell(STATES[StageState.OK], milliseconds(spent(seen)) if spent(seen) else "ok")


def ports_from(report: AliasReport, source: Source) -> tuple[SourceReport, ...]:
    """What a source saw of the alias, a port each."""
    return tuple(one for one in report.sources if one.observation.source.key == source.key)


def concerns(finding: Finding, source: Source) -> bool:
    return not finding.sources or source.key in finding.sources


def spent(seen: Iterable[SourceReport]) -> float:
    """Seconds of the slowest port's call of the alias; 0.0 if nothing was called."""
    answers = (one.observation.answer for one in seen)
    return max((answer.times.total or answer.times.connect for answer in answers if answer is not None), default=0.0)


def sample_of(report: AliasReport, source: Source, at: float) -> Sample:
    seen = ports_from(report, source)
    return Sample(at, cell_of(report, source), spent(seen), telling_text(seen))


def telling_text(seen: Sequence[SourceReport]) -> str:
    """Of the first stage that is not well; of the last that is, if all are."""
    failed = _first(seen, StageState.FAILED) or _first(seen, StageState.NOT_OBSERVED)
    if failed is not None:
        return f"{failed[1].stage}: {failed[1].text}" if failed[1].text else str(failed[1].stage)
    well = [result for one in seen for result in one.stages if result.state is StageState.OK and result.text]
    return f"{well[-1].stage}: {well[-1].text}" if well else ""


def _first(seen: Iterable[SourceReport], state: StageState) -> tuple[SourceReport, StageResult] | None:
    """The earliest stage of that state among all ports."""
    found = [(one, result) for one in seen for result in one.stages if result.state is state]
    return min(found, key=lambda pair: WAY.index(pair[1].stage), default=None)


def _is(one: SourceReport, state: StageState) -> bool:
    return any(result.state is state for result in one.stages)


def _failing_word(one: SourceReport, result: StageResult) -> str:
    answer = one.observation.answer
    if result.stage is Stage.HTTP and answer is not None and answer.status:
        return str(answer.status)
    return SHORT_STAGE[result.stage]


def _unseen_cell(seen: Sequence[SourceReport], result: StageResult) -> Cell:
    outcomes = (one.observation.outcome(Purpose.ALIAS) for one in seen)
    silent = next((outcome for outcome in outcomes if isinstance(outcome, NoAnswer)), None)
    if silent is not None and silent.unlock == EXEC_VERBS:
        return Cell(FORBIDDEN, "rbac")
    if silent is not None and silent.unlock in (ANOTHER_SOURCE, BETTER_SOURCE):
        return Cell(NO_TOOL, "tool")
    return Cell(STATES[StageState.NOT_OBSERVED], SHORT_STAGE[result.stage])
