"""A report as a drawing for people: how far each source came, what is wrong, what cures it."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from kubectl_extsvc.model.alias import Alias, AliasPort, HostTarget
from kubectl_extsvc.model.finding import Finding, Severity
from kubectl_extsvc.model.observation import Stage, StageResult, StageState
from kubectl_extsvc.model.report import AliasReport, Report, SourceReport
from kubectl_extsvc.model.snapshot import Mesh
from kubectl_extsvc.model.source import Source
from kubectl_extsvc.output.rows import Row, lines_of, spoken
from kubectl_extsvc.output.source_names import short_names
from kubectl_extsvc.output.style import DELTA, SEVERITIES, STATES, Style, Tint, paint
from kubectl_extsvc.output.summary import summary

STATE_WORDS = {
    StageState.OK: "ok",
    StageState.FAILED: "failed",
    StageState.PENDING: "PENDING",
    StageState.NOT_SERVED: "NOT SERVED",
    StageState.NOT_REACHED: "not reached",
    StageState.NOT_OBSERVED: "not observed",
    StageState.NOT_APPLICABLE: "not applicable",
}

ADDRESSES_SHOWN = 3

_TIMED = re.compile(r"(.*), (\d+(?:\.\d+)? m?s)", re.DOTALL)


def report_text(report: Report, style: Style) -> str:
    """One block an alias, then what could not be read, the notes and the numbers."""
    blocks = [alias_lines(alias, report.mesh, style) for alias in report.aliases]
    return joined([*blocks, footer_lines(report, style)])


def joined(blocks: Sequence[Sequence[str]]) -> str:
    """Blocks of aliases apart from each other by an empty line; the footer, which comes last, close to them."""
    *aliases, footer = blocks
    body = "\n\n".join("\n".join(block) for block in aliases)
    return "\n".join(part for part in (body, *footer) if part) + "\n"


# --- one alias ---------------------------------------------------------------------------------------------------


def alias_lines(report: AliasReport, mesh: Mesh, style: Style) -> list[str]:
    names = short_names([source.observation.source for source in report.sources])
    by_port = sources_by_port(report.sources)
    lines = [*_heading(report, mesh, style), *_from_lines(report, style)]
    if len(by_port) == 1:
        # With one port a finding stands below the stage that it is about; with several, it is said once, at the end.
        lines += lines_of(_stage_rows(report.sources, report.findings, names), style)
    else:
        for port, sources in by_port.items():
            lines.append(f"  port  {spoken(port_text(port), style)}")
            lines += lines_of(_stage_rows(sources, (), names), style)
        lines += lines_of(_separate_finding_rows(report.findings, names), style)
    if report.first_difference:
        lines += lines_of([Row(report.first_difference, "the first stage at which the sources differ", DELTA)], style)
    return lines


def sources_by_port(sources: Iterable[SourceReport]) -> dict[AliasPort, list[SourceReport]]:
    by_port: dict[AliasPort, list[SourceReport]] = {}
    for source in sources:
        by_port.setdefault(source.observation.port, []).append(source)
    return by_port


def port_text(port: AliasPort) -> str:
    """http 80 → 443, as HTTP."""
    name = f"{port.name} " if port.name else ""
    target = f" → {port.target_port}" if port.target_port != port.number else ""
    return f"{name}{port.number}{target}, as {port.protocol}"


def target_text(alias: Alias) -> str:
    """What the alias stands for, with the ports that are dialled there: api.pay.example:443."""
    ports = ",".join(str(port) for port in dict.fromkeys(port.target_port for port in alias.ports))
    match alias.target:
        case HostTarget(host):
            name = host
        case target if target.host:
            name = target.host
        case target:
            shown = target.addresses[:ADDRESSES_SHOWN]
            more = len(target.addresses) - len(shown)
            bracketed = (f"[{address}]" if ":" in address else address for address in shown)
            name = ",".join(bracketed) + (f" (+{more} more)" if more else "")
    return f"{name}:{ports}" if ports else name


def source_text(source: Source, alias: Alias) -> str:
    """web-7d9f (sidecar); with its namespace where that is not the alias's."""
    namespace = "" if source.namespace == alias.namespace else f".{source.namespace}"
    return f"{source.pod}{namespace} ({source.mode})"


def _heading(report: AliasReport, mesh: Mesh, style: Style) -> list[str]:
    alias = report.alias
    left = spoken(f"{alias.name}.{alias.namespace} → {target_text(alias)}", style)
    right = spoken(" · ".join(word for word in (alias.form, report.tls, _mesh_text(mesh)) if word), style)
    return _fits(f"{left}     {right}", style) or [left, f"  {right}"]


def _mesh_text(mesh: Mesh) -> str:
    if not mesh.installed:
        return "no Istio"
    return f"Istio {mesh.version[0]}.{mesh.version[1]}" if mesh.version else "Istio, version unknown"


def _from_lines(report: AliasReport, style: Style) -> list[str]:
    sources = {source.observation.source.key: source.observation.source for source in report.sources}
    texts = [spoken(source_text(source, report.alias), style) for source in sources.values()] or ["no source"]
    return _fits("  from  " + "   ".join(texts), style) or [
        f"  {'from' if index == 0 else '':<4}  {text}" for index, text in enumerate(texts)
    ]


def _fits(line: str, style: Style) -> list[str]:
    return [line] if style.width is None or len(line) <= style.width else []


# --- stages ------------------------------------------------------------------------------------------------------


def _stage_rows(sources: Sequence[SourceReport], findings: Sequence[Finding], names: dict[str, str]) -> list[Row]:
    rows: list[Row] = []
    groups_of = {stage: _groups(stage, sources, names) for stage in Stage}
    width = max((len(who) for groups in groups_of.values() if len(groups) > 1 for who in groups.values()), default=0)
    for stage, groups in groups_of.items():
        here = [finding for finding in findings if finding.stage is stage]
        finding_rows = [row for finding in here for row in _finding_rows(finding, names)]
        stage_rows = _rows_of_stage(stage, groups, width)
        if here and [row.text for row in stage_rows] == [STATE_WORDS[StageState.FAILED]]:
            # Nothing was noted but that it failed: the finding says it all.
            first, *finding_rows = finding_rows
            stage_rows = [Row(stage, first.text, STATES[StageState.FAILED], first.aside)]
        rows += [*stage_rows, *finding_rows]
    return rows


def _groups(stage: Stage, sources: Sequence[SourceReport], names: dict[str, str]) -> dict[StageResult, str]:
    """What was seen at a stage → who saw it, in the order of the sources.

    Two that differ by nothing but the time at the end have seen the same: 200, 14 ms / 9 ms.
    """
    groups: dict[StageResult, dict[str, str]] = {}
    for source in sources:
        for result in source.stages:
            if result.stage is stage:
                timed = _TIMED.fullmatch(result.text)
                untimed = replace(result, text=timed[1]) if timed else result
                groups.setdefault(untimed, {})[names[source.observation.source.key]] = timed[2] if timed else "–"
    return {_with_times(result, tuple(times.values())): ", ".join(times) for result, times in groups.items()}


def _with_times(result: StageResult, times: tuple[str, ...]) -> StageResult:
    return result if set(times) == {"–"} else replace(result, text=f"{result.text}, {' / '.join(times)}")


def _rows_of_stage(stage: Stage, groups: dict[StageResult, str], width: int) -> list[Row]:
    """One row if all agree, or if the stage exists for one group only; else one for each group, named."""
    existing = {
        result: who for result, who in groups.items() if result.state is not StageState.NOT_APPLICABLE
    } or groups
    if len(existing) == 1:
        ((result, who),) = existing.items()
        aside = f"{who} only" if len(groups) > 1 else ""
        return [Row(stage, stage_text(result), STATES[result.state], aside)]
    return [
        Row(stage if index == 0 else "", f"{who:<{width}}   {stage_text(result)}", STATES[result.state])
        for index, (result, who) in enumerate(groups.items())
    ]


def stage_text(result: StageResult) -> str:
    """The text of a stage; where it is neither well nor failed, led by the word for that."""
    word = STATE_WORDS[result.state]
    if not result.text:
        return word
    told = result.state in (StageState.OK, StageState.FAILED) or result.text.lower().startswith(word.lower())
    return result.text if told else f"{word} ({result.text})"


# --- findings ----------------------------------------------------------------------------------------------------


def _finding_rows(finding: Finding, names: dict[str, str]) -> list[Row]:
    """Message, evidence and cure, below the stage that they are about."""
    return [
        Row("", _headline(finding), aside=_only(finding, names)),
        *(Row("", f"{'evidence' if index == 0 else '':<8}  {line}") for index, line in enumerate(finding.evidence)),
        *([Row("", f"{'cure':<8}  {finding.cure}")] if finding.cure else []),
    ]


def _separate_finding_rows(findings: Sequence[Finding], names: dict[str, str]) -> list[Row]:
    """The same where no stage stands above them: each names its own."""
    rows: list[Row] = []
    for finding in findings:
        first, *others = _finding_rows(finding, names)
        rows += [Row(finding.stage, first.text, SEVERITIES[finding.severity], first.aside), *others]
    return rows


def _headline(finding: Finding) -> str:
    severity = "" if finding.severity is Severity.ERROR else f"{finding.severity}: "
    return f"{finding.code} {severity}{finding.message}"


def _only(finding: Finding, names: dict[str, str]) -> str:
    if not finding.sources or set(finding.sources) >= set(names):
        return ""
    return ", ".join(names.get(key, key) for key in finding.sources) + " only"


# --- the end -----------------------------------------------------------------------------------------------------


def footer_lines(report: Report, style: Style) -> list[str]:
    """What could not be read, notes, rules of ours that broke, and the numbers."""
    said = [f"not read  {unread.what}: {unread.reason}" + _needs(unread.unlock) for unread in report.unread]
    said += [f"note      {note}" for note in report.notes]
    said += [
        f"defect    rule {broken.code} of kubectl extsvc failed on {alias.alias.name}: {broken.reason}"
        for alias in report.aliases
        for broken in alias.judgement.broken
    ]
    return [*(spoken(line, style) for line in said), _numbers(report, style)]


def _needs(unlock: str) -> str:
    return f"; needs {unlock}" if unlock else ""


def _numbers(report: Report, style: Style) -> str:
    numbers = summary(report)
    parts = []
    if numbers.errors:
        parts.append(paint(_count(numbers.errors, "error"), Tint.RED, style))
    if numbers.warnings:
        parts.append(paint(_count(numbers.warnings, "warning"), Tint.YELLOW, style))
    if numbers.infos:
        parts.append(f"{numbers.infos} info")
    parts.append(f"{numbers.passed} passed")
    if numbers.skipped:
        parts.append(f"{numbers.skipped} skipped ({spoken(', '.join(numbers.unlocks), style)})")
    if numbers.broken:
        parts.append(paint(f"{numbers.broken} broken", Tint.YELLOW, style))
    if report.incomplete:
        parts.append(paint("incomplete", Tint.YELLOW, style))
    parts.append(f"{report.seconds:.1f} s")
    return (" | " if style.ascii else " · ").join(parts)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
