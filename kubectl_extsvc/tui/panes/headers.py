"""Headers: what each source got back, a header a row, so that what the mesh changed stands out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from kubectl_extsvc.model.observation import Observation
from kubectl_extsvc.model.probe import Answer, Scheme
from kubectl_extsvc.model.route import Route
from kubectl_extsvc.model.source import MeshMode
from kubectl_extsvc.output.phrases import answer_text
from kubectl_extsvc.output.report_wide import header_rows
from kubectl_extsvc.output.rows import clean_line, lines_of
from kubectl_extsvc.output.style import Style
from kubectl_extsvc.rules.translation import made_by_envoy
from kubectl_extsvc.tui.board import AliasView
from kubectl_extsvc.tui.lines import SIGNS, Ink, Line, Span, cell, span, within
from kubectl_extsvc.tui.panes.choosing import Seen, heading, nothing_yet, port_at, said, seen_of, unasked_text

NARROWEST_COLUMN = 22
WIDEST_COLUMN = 48
LONGEST_NAME = 30
NOTE = 32
"""Columns that a note needs; where there are none, enter shows it."""

VOLATILE = frozenset(
    (
        "age", "cf-ray", "date", "etag", "expires", "last-modified", "server-timing", "set-cookie", "traceparent",
        "x-amz-cf-id", "x-amz-request-id", "x-amzn-requestid", "x-amzn-trace-id", "x-b3-traceid", "x-cache",
        "x-correlation-id", "x-envoy-upstream-service-time", "x-github-request-id", "x-request-id", "x-runtime",
        "x-served-by", "x-timer", "x-trace-id",
    )
)  # fmt: skip
"""Headers whose values differ from call to call, whoever asks."""

SAME, CHANGED, ADDED, REMOVED = "=", "~", "+", "-"

STATUS = ":status"

Key = tuple[str, int]
"""Name of a header, and which of several of that name."""


@dataclass(frozen=True, slots=True)
class _Answered:
    """A source that got a response."""

    seen: Seen
    observation: Observation
    answer: Answer
    values: Mapping[Key, str]

    @property
    def behind_sidecar(self) -> bool:
        return self.seen.source.mode is MeshMode.SIDECAR

    @property
    def route(self) -> Route | None:
        return self.observation.route if isinstance(self.observation.route, Route) else None

    @property
    def made_by_envoy(self) -> bool:
        return self.behind_sidecar and made_by_envoy(self.answer, self.route, self.observation.access_log)


@dataclass(frozen=True, slots=True)
class _Widths:
    name: int
    value: int
    note: int
    """0: there is no room for notes."""


def headers_pane(
    view: AliasView,
    width: int,
    style: Style,
    *,
    port: int = 0,
    first: int = 0,
    pinned: str = "",
    volatile: bool = False,
) -> list[Line]:
    """A column for as many sources as fit; + is what pods with sidecar have and others lack, - the other way round.

    volatile: show those headers too whose values change with each call.
    """
    shown_port = port_at(view, port)
    lines = heading(view, shown_port, width, style)
    nothing = nothing_yet(view, width, style)
    if nothing:
        return lines + nothing
    every = seen_of(view, shown_port, first=first, pinned=pinned)
    answered = [one for seen in every if (one := _answered(seen)) is not None]
    silent = [line for seen in every if _answered(seen) is None for line in _silent(seen, width, style)]
    if not answered:
        return lines + silent
    longest = max(len(name) for one in answered for name, _ in one.values)
    name = min(longest, LONGEST_NAME) + 1
    shown = answered[: max((width - name - 2) // NARROWEST_COLUMN, 1)]
    widths = _widths(width, name, len(shown))
    keys = _in_order(shown)
    folded = [] if volatile else [key for key in keys if _is_folded(key, shown)]
    lines.append(_title(shown, widths, style))
    rows = [_row(key, shown, widths, style) for key in keys if key not in folded]
    lines += [within(row, width, style) for row in rows]
    if folded:
        names = ", ".join(dict.fromkeys(name for name, _ in folded))
        lines += said(f"v shows {len(folded)} volatile: {names}", width, style)
    for one in shown:
        if one.made_by_envoy:
            words = f"{one.seen.name}: Envoy wrote this response by itself; what the server says was not seen"
            lines += said(words, width, style, Ink.WARN)
    if len(shown) < len(answered):
        lines += said(f"{len(shown)} of {len(answered)} sources that got an answer", width, style)
    return lines + silent


def _answered(seen: Seen) -> _Answered | None:
    observation = seen.report.observation if seen.report is not None else None
    answer = observation.answer if observation is not None else None
    if observation is None or answer is None or not answer.status:
        return None
    values: dict[Key, str] = {(STATUS, 0): str(answer.status)}
    for spelt, value in answer.headers:
        name = spelt.lower()
        place = next(number for number in range(len(answer.headers) + 1) if (name, number) not in values)
        values[name, place] = value
    return _Answered(seen, observation, answer, values)


def _silent(seen: Seen, width: int, style: Style) -> list[Line]:
    """Why there is no response from a source."""
    if seen.report is None:
        why = unasked_text(seen)
    else:
        observation = seen.report.observation
        answer, nothing, contract = observation.answer, observation.unanswered, observation.contract
        if not contract.served:
            why = f"not served: {contract.why}" if contract.why else "not served"
        elif nothing is not None:
            why = f"no answer: {nothing.reason}"
        elif answer is not None and contract.scheme is Scheme.TCP:
            why = "no HTTP is spoken here: only connected to"
        else:
            why = f"no response: {answer_text(answer)}" if answer is not None else "not asked"
    return said(f"{seen.title}: {why}", width, style)


# --- comparing ---------------------------------------------------------------------------------------------------


def _in_order(answered: Sequence[_Answered]) -> list[Key]:
    """Each header once: the status first, then in the order in which the sources got them."""
    return list(dict.fromkeys(key for one in answered for key in one.values))


def _is_folded(key: Key, answered: Sequence[_Answered]) -> bool:
    """Its values say nothing, and that it is there is nothing that some lack."""
    return key[0] in VOLATILE and all(key in one.values for one in answered)


def _mark(key: Key, answered: Sequence[_Answered]) -> str:
    """What becomes of a header behind a sidecar; where there are no two kinds of source, whether all agree."""
    meshed = [key in one.values for one in answered if one.behind_sidecar]
    plain = [key in one.values for one in answered if not one.behind_sidecar]
    if meshed and plain:
        if not any(plain):
            return ADDED
        if not any(meshed):
            return REMOVED
    values = {one.values.get(key) for one in answered}
    return SAME if len(values) == 1 or (None not in values and key[0] in VOLATILE) else CHANGED


def _note(key: Key, mark: str, answered: Sequence[_Answered]) -> str:
    """Why it is so, where the proxy's configuration says it; "" where it does not."""
    name, meshed = key[0], [one for one in answered if one.behind_sidecar and key in one.values]
    if name == STATUS:
        return "written by Envoy" if mark == CHANGED and any(one.made_by_envoy for one in meshed) else ""
    routes = [one.route for one in meshed if one.route is not None and name in one.route.response_headers_changed]
    if not routes or mark not in (ADDED, CHANGED):
        return ""
    known = "configured" if all(route.observed for route in routes) else "computed"
    return f"{'added by sidecar' if mark == ADDED else 'mesh rewrote'} ({known})"


# --- drawing -----------------------------------------------------------------------------------------------------


def _widths(width: int, name: int, count: int) -> _Widths:
    """Notes take what two columns of the longest useful width leave, if that is enough for them."""
    room = width - name - 2
    note = NOTE if room - NOTE >= count * NARROWEST_COLUMN else 0
    return _Widths(name, min((room - note) // count, WIDEST_COLUMN), note)


def _title(shown: Sequence[_Answered], widths: _Widths, style: Style) -> Line:
    spans = [Span("  "), Span(" " * widths.name)]
    for one in shown:
        short = f"{one.seen.name} ({one.seen.source.mode})"
        title = one.seen.title if len(one.seen.title) < widths.value else short
        spans += [cell(title, widths.value - 1, Ink.STRONG, style), Span(" ")]
    return Line(tuple(spans))


def _row(key: Key, shown: Sequence[_Answered], widths: _Widths, style: Style) -> Line:
    mark = _mark(key, shown)
    note = _note(key, mark, shown)
    ink = {SAME: Ink.PLAIN, CHANGED: Ink.WARN, ADDED: Ink.GOOD, REMOVED: Ink.BAD}[mark]
    spans = [Span(f"{mark} ", ink), cell(key[0], widths.name - 1, ink, style), Span(" ")]
    for one in shown:
        value = one.values.get(key)
        text, of = ("–", Ink.DIM) if value is None else (value, Ink.PLAIN)
        spans += [cell(text, widths.value - 1, of, style), Span(" ")]
    if note and widths.note:
        spans.append(span(f"← {note}", Ink.DIM, style))
    return Line(tuple(spans), tuple(_evidence(key, note, shown)))


def _evidence(key: Key, note: str, shown: Sequence[_Answered]) -> Iterator[str]:
    """The whole values, and all that is known of headers from each source."""
    for one in shown:
        value = one.values.get(key)
        yield clean_line(f"{one.seen.title}  {'not there' if value is None else value}")
    if note:
        yield note
    for one in shown:
        yield ""
        yield one.seen.title
        yield from lines_of(header_rows(one.observation.route, one.answer), SIGNS)
