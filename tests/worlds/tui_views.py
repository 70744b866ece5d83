"""Views of one alias as the alias screen gets them: of recorded and hand-made cases, of any report."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from kubectl_extsvc.model.observation import Case
from kubectl_extsvc.model.report import AliasReport, SourceReport
from kubectl_extsvc.model.snapshot import Snapshot
from kubectl_extsvc.model.source import Source
from kubectl_extsvc.rules import judge
from kubectl_extsvc.rules.stages import first_difference, stages_of
from kubectl_extsvc.rules.tls_summary import tls_summary
from kubectl_extsvc.tui.board import AliasView, in_order
from kubectl_extsvc.tui.cells import Sample, sample_of
from kubectl_extsvc.tui.lines import Line

NOW = datetime.fromisoformat("2026-11-30T12:00:00+00:00").timestamp()

UNSAFE = "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029\ufeff\ud800-\udfff]"
"""What no line may hold: all that moves the cursor, turns text round or ends a line."""

HOSTILE = "\x1b[2J\x1b]0;owned\x07[red]x[/red] [@click=quit]\u202egnp.exe\u2066\r\nFAKE ✓ all well\x00\x9b31m \ud800漢"


def report_of(case: Case) -> AliasReport:
    """What verify would report on a case."""
    sources = tuple(SourceReport(observation, stages_of(observation, case)) for observation in case.observations)
    return AliasReport(case.alias, tls_summary(case), sources, judge(case), first_difference(sources))


def view_of(case: Case, **changes: Any) -> AliasView:
    return view_of_report(report_of(case), case.snapshot, **changes)


def view_of_report(report: AliasReport, snapshot: Snapshot | None = None, **changes: Any) -> AliasView:
    """Judged four seconds before NOW, with one look from each source."""
    sources = in_order({one.observation.source.key: one.observation.source for one in report.sources}.values())
    fields: dict[str, Any] = {
        "alias": report.alias,
        "now": NOW,
        "report": report,
        "judged_at": NOW - 4,
        "sources": sources,
        "snapshot": snapshot or Snapshot(),
        "samples": {source.key: (sample_of(report, source, NOW - 4),) for source in sources},
        "happenings": (),
        "asking": {},
    }
    return AliasView(**{**fields, **changes})


def unjudged(view: AliasView, **changes: Any) -> AliasView:
    return replace(view, report=None, judged_at=0.0, samples=dict.fromkeys(view.samples, ()), **changes)


def with_samples(view: AliasView, source: Source, samples: Sequence[Sample]) -> AliasView:
    return replace(view, samples={**view.samples, source.key: tuple(samples)})


def text_of(lines: Sequence[Line]) -> str:
    """Line by line, blanks at the ends left out."""
    return "".join(f"{one.text.rstrip()}\n" for one in lines)
