"""Timing: the phases of each source's last call, and how its calls went before."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from kubectl_extsvc.model.observation import StageState
from kubectl_extsvc.model.probe import Times
from kubectl_extsvc.output.phrases import phases, times_text
from kubectl_extsvc.output.rows import clean_line, milliseconds
from kubectl_extsvc.output.style import STATES, Style, Tint
from kubectl_extsvc.tui.board import AliasView
from kubectl_extsvc.tui.cells import FORBIDDEN, NO_TOOL, Sample
from kubectl_extsvc.tui.lines import Ink, Line, Span, cell, either, line, span, within
from kubectl_extsvc.tui.panes.choosing import (
    Seen,
    clock,
    heading,
    nothing_yet,
    port_at,
    ports_of,
    seen_of,
    unasked_text,
)

LAST_CALL = "last call"
LOOKS_TOLD = 40
"""Looks that enter tells of, one by one."""
NAME = 16
"""Columns of a source's name and a blank."""
TOTAL = 10
"""Columns of what the whole call took."""

SHORT_PHASE = {"name": "dns", "connect": "tcp", "tls": "tls", "first byte": "ttfb", "rest": "rest"}
SHADES = {"name": ("░", "d"), "connect": ("▒", "c"), "tls": ("▓", "t"), "first byte": ("█", "w"), "rest": ("▄", "r")}
"""Phase → what its part of the bar is made of, and the same in ASCII."""
HEIGHTS = ("▁▂▃▄▅▆▇█", "_.,-=+*#")
UNSEEN = frozenset(glyph.word for glyph in (STATES[StageState.NOT_OBSERVED], FORBIDDEN, NO_TOOL))


@dataclass(frozen=True, slots=True)
class Numbers:
    """Of the calls that went well; what a failed one takes is its timeout, not the alias's time."""

    n: int
    """All looks."""
    failed: int
    unknown: int
    """Of which nothing could be observed."""
    times: tuple[float, ...]
    """Seconds, sorted."""

    def percentile(self, percent: int) -> float:
        """Nearest rank; 0.0 if no call went well."""
        return self.times[math.ceil(percent / 100 * len(self.times)) - 1] if self.times else 0.0


def numbers(samples: Sequence[Sample]) -> Numbers:
    well = sorted(sample.seconds for sample in samples if sample.seconds > 0 and not _failed(sample))
    return Numbers(len(samples), sum(map(_failed, samples)), sum(map(_unknown, samples)), tuple(well))


def _failed(sample: Sample) -> bool:
    return sample.cell.glyph.tint is Tint.RED


def _unknown(sample: Sample) -> bool:
    """Nothing could be observed: neither well nor failed."""
    return sample.cell.glyph.word in UNSEEN


def timing_pane(
    view: AliasView, width: int, style: Style, *, port: int = 0, first: int = 0, pinned: str = ""
) -> list[Line]:
    """Bars share one scale, so that they can be compared; a history shows as many looks as there are columns."""
    shown_port = port_at(view, port)
    lines = heading(view, shown_port, width, style)
    nothing = nothing_yet(view, width, style)
    if nothing:
        return lines + nothing
    every = seen_of(view, shown_port, first=first, pinned=pinned)
    longest = max((times.total for seen in every if (times := _times(seen)) is not None), default=0.0)
    name = min(NAME, max(len(LAST_CALL), *(len(seen.name) for seen in every)) + 1)
    lines.append(within(_legend(name, style), width, style))
    for seen in every:
        lines += _call(seen, longest, name, width, style)
    several = " of all ports" if len(ports_of(view)) > 1 else ""
    lines += [Line(), within(line(span(f"looks{several}, the newest at the right", Ink.DIM, style)), width, style)]
    for seen in every:
        lines += _history(seen, view, name, width, style)
    return lines


def _times(seen: Seen) -> Times | None:
    answer = seen.report.observation.answer if seen.report is not None else None
    return answer.times if answer is not None else None


def _legend(name: int, style: Style) -> Line:
    shown = [f"{either(*SHADES[phase], style)} {short}" for phase, short in SHORT_PHASE.items()]
    return line(span(f"{LAST_CALL:<{name}}", Ink.DIM, style), span("  ".join(shown), Ink.DIM, style), style=style)


# --- the last call -----------------------------------------------------------------------------------------------


def _call(seen: Seen, longest: float, name: int, width: int, style: Style) -> list[Line]:
    lead = cell(seen.name, name - 1, Ink.STRONG, style)
    times = _times(seen)
    if times is None:
        return [within(line(lead, " ", span(_why_not(seen), Ink.DIM, style), style=style), width, style)]
    evidence = (times_text(times),)
    room = max(width - name - TOTAL, 1)
    total = Span(f"{milliseconds(times.total or times.connect):>{TOTAL - 1}} ", Ink.STRONG)
    bar = _bar(times, longest, room, style)
    words = [f"{SHORT_PHASE[phase]} {'–' if spent is None else milliseconds(spent)}" for phase, spent in phases(times)]
    below = line(" " * name, span(" · ".join(words), Ink.DIM, style), evidence=evidence)
    return [Line((lead, Span(" "), total, bar), evidence), within(below, width, style)]


def _why_not(seen: Seen) -> str:
    if seen.report is None:
        return unasked_text(seen)
    nothing = seen.report.observation.unanswered
    return f"no call: {nothing.reason}" if nothing is not None else "no call: not asked"


def _bar(times: Times, longest: float, room: int, style: Style) -> Span:
    """Each phase that took any time has one column at least, as far as there is room."""
    parts = []
    for phase, spent in phases(times):
        if spent:
            share = spent / longest if longest else 0.0
            parts.append(either(*SHADES[phase], style) * max(round(share * room), 1))
    return Span("".join(parts)[:room])


# --- before ------------------------------------------------------------------------------------------------------


def _history(seen: Seen, view: AliasView, name: int, width: int, style: Style) -> list[Line]:
    """The numbers; below them a column a look, the newest at the right: how long it took, and whether it failed."""
    samples = view.samples.get(seen.source.key, ())
    lead = cell(seen.name, name - 1, Ink.STRONG, style)
    if not samples:
        return [within(line(lead, " ", span("no looks yet", Ink.DIM, style), style=style), width, style)]
    known = numbers(samples)
    evidence = tuple(
        clean_line(
            f"{clock(one.at, view.now)}  {one.cell.glyph.sign} {one.cell.word:<9}  "
            f"{milliseconds(one.seconds) if one.seconds else '–'}  {one.text}"
        )
        for one in samples[: -LOOKS_TOLD - 1 : -1]
    )
    quantities = [
        f"{label} {milliseconds(value) if value else '–'}"
        for label, value in (
            ("p50", known.percentile(50)),
            ("p95", known.percentile(95)),
            ("max", known.percentile(100)),
        )
    ]
    figures = span("  ".join([*quantities, f"n {known.n}"]), Ink.PLAIN, style)
    fail = span(f"  fail {known.failed}", Ink.BAD if known.failed else Ink.DIM, style)
    unknown = span(f"  not observed {known.unknown}", Ink.WARN, style) if known.unknown else Span("")
    shown = samples[-max(width - name, 1) :]
    since = span(f"  since {clock(samples[0].at, view.now)}", Ink.DIM, style)
    head = line(lead, " ", figures, fail, unknown, since, style=style, evidence=evidence)
    indent = Span(" " * name)
    return [
        within(head, width, style),
        *([Line((indent, Span(_heights(shown, style))), evidence)] if any(one.seconds for one in shown) else []),
        *([Line((indent, *_marks(shown, style)), evidence)] if known.failed or known.unknown else []),
    ]


def _heights(samples: Sequence[Sample], style: Style) -> str:
    """A column a look, up to the longest that went well among those shown; a blank where nothing was called."""
    levels = either(*HEIGHTS, style)
    well = [sample.seconds for sample in samples if sample.seconds and not _failed(sample)]
    longest = max(well or [sample.seconds for sample in samples], default=0.0)
    return "".join(
        levels[min(int(sample.seconds / longest * len(levels)), len(levels) - 1)] if sample.seconds else " "
        for sample in samples
    )


def _marks(samples: Sequence[Sample], style: Style) -> list[Span]:
    """Below the heights: what failed, what could not be observed."""
    well = Span(either("·", ".", style), Ink.DIM)
    bad, unseen = Span(either("✗", "X", style), Ink.BAD), Span("?", Ink.WARN)
    return [bad if _failed(sample) else unseen if _unknown(sample) else well for sample in samples]
