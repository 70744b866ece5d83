"""Path: the way of a call from each source, stage by stage, the sources side by side."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from kubectl_extsvc.mesh.capture import captures_dns, passes_by
from kubectl_extsvc.model.alias import Alias, Form
from kubectl_extsvc.model.finding import Finding, Severity
from kubectl_extsvc.model.observation import WAY, Observation, Stage, StageResult, StageState
from kubectl_extsvc.model.probe import Answer, Handshake, Purpose, Scheme
from kubectl_extsvc.model.report import SourceReport
from kubectl_extsvc.model.resolution import Reply, Resolution, ResolutionUnknown
from kubectl_extsvc.model.route import Route, RouteUnknown
from kubectl_extsvc.model.source import MeshMode
from kubectl_extsvc.output.phrases import (
    access_log_text,
    answer_text,
    days_left,
    endpoint_text,
    how_known,
    left_text,
    ref_text,
    resolver_text,
    try_text,
)
from kubectl_extsvc.output.report_text import stage_text
from kubectl_extsvc.output.report_wide import (
    decision_rows,
    header_rows,
    outcome_rows,
    resolution_rows,
    route_rows,
)
from kubectl_extsvc.output.rows import Row, clean_line, lines_of, milliseconds
from kubectl_extsvc.output.style import DELTA, SEVERITIES, STATES, Glyph, Style
from kubectl_extsvc.rules.stages import first_difference
from kubectl_extsvc.tui.board import AliasView
from kubectl_extsvc.tui.cells import concerns
from kubectl_extsvc.tui.lines import (
    INK_OF,
    SIGNS,
    Ink,
    Line,
    Span,
    either,
    fitted_line,
    hanging,
    line,
    sign,
    span,
    within,
)
from kubectl_extsvc.tui.panes.choosing import Seen, heading, nothing_yet, port_at, said, seen_of, unasked_text
from kubectl_extsvc.tui.panes.documents import document

NARROWEST_COLUMN = 38
ENDPOINTS_SHOWN = 6
BODY_LINES = 12
"""Of a response's body, as evidence."""
SOON = 30
"""Days before a certificate ends from which that is worth a look."""

DIFFERS = Glyph("Δ", "*", DELTA.tint)
"""In the frame, beside the stage at which sources differ first."""


def path_pane(
    view: AliasView, width: int, style: Style, *, port: int = 0, first: int = 0, pinned: str = ""
) -> list[Line]:
    """As many sources as have 38 columns each, from the first-th on; the pinned one (by its key) stays at the left."""
    shown_port = port_at(view, port)
    lines = heading(view, shown_port, width, style)
    nothing = nothing_yet(view, width, style)
    if nothing:
        return lines + nothing + _by_objects(view, width, style)
    every = seen_of(view, shown_port, first=first, pinned=pinned)
    count = max(min(width // NARROWEST_COLUMN, len(every)), 1)
    widths = [width // count + (index < width % count) for index in range(count)]
    differing = first_difference(seen.report for seen in every if seen.report is not None)
    shown = every[:count]
    columns = [_column(seen, view, room - 4, style) for seen, room in zip(shown, widths, strict=True)]
    lines.append(_frame_top(shown, widths, style))
    for part in (None, *WAY):
        stage_lines = [column.get(part, []) for column in columns]
        lines += _part(shown, stage_lines, widths, style, part is not None and part is differing)
    lines.append(_frame_bottom(differing, count, len(every), width, style))
    return lines


Part = Stage | None
"""A stage, or what stands above all of them."""


def _by_objects(view: AliasView, width: int, style: Style) -> list[Line]:
    """What is known without a source."""
    if view.report is None or not view.report.tls:
        return []
    return said(f"by the objects alone: {view.report.tls}", width, style)


# --- the frame ---------------------------------------------------------------------------------------------------


def _frame_top(shown: Sequence[Seen], widths: Sequence[int], style: Style) -> Line:
    spans: list[Span] = []
    for seen, width in zip(shown, widths, strict=True):
        title = f" {seen.title}{f' ~ {seen.waiting}' if seen.waiting and seen.report else ''} "
        inside = within(line(span(title, Ink.STRONG, style)), width - 3, style)
        rule = either("─", "-", style)
        spans += [Span(either("┌", "+", style) + rule, Ink.FRAME), *inside.spans]
        spans.append(Span(rule * (width - 3 - inside.width) + either("┐", "+", style), Ink.FRAME))
    return Line(tuple(spans))


def _frame_bottom(differing: Stage | None, count: int, of: int, width: int, style: Style) -> Line:
    corner, rule, end = either("└", "+", style), either("─", "-", style), either("┘", "+", style)
    words = [span(f" {count} of {of} sources ", Ink.DIM, style)] if count < of else []
    mark = []
    if differing is not None:
        text = f" {either('Δ', 'DIFF', style)} first difference: {differing} "
        mark = [span(text, Ink.WARN, style)]
    left = width - 3 - sum(one.width for one in (*words, *mark))
    if left < 1:
        words, left = [], width - 3 - sum(one.width for one in mark)
    return within(
        Line((Span(corner + rule, Ink.FRAME), *words, Span(rule * left, Ink.FRAME), *mark, Span(end, Ink.FRAME))),
        width,
        style,
    )


def _part(
    shown: Sequence[Seen],
    columns: Sequence[Sequence[Line]],
    widths: Sequence[int],
    style: Style,
    differing: bool,
) -> Iterator[Line]:
    """The same stage of all columns, side by side."""
    edge = Span(either("│", "|", style), Ink.FRAME)
    for row in range(max(map(len, columns), default=0)):
        spans: list[Span] = []
        evidence: list[str] = []
        for seen, column, width in zip(shown, columns, widths, strict=True):
            content = column[row] if row < len(column) else Line()
            marked = differing and row < len(column)
            left = Span(either(DIFFERS.sign, DIFFERS.word, style), Ink.WARN) if marked else edge
            spans += [left, Span(" "), *fitted_line(content, width - 4, style).spans, Span(" "), edge]
            if content.evidence:
                evidence += [*([""] if evidence else []), seen.title, *content.evidence]
        yield Line(tuple(spans), tuple(evidence))


# --- one source --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Pen:
    """Draws rows of one column."""

    width: int
    style: Style

    def row(self, text: str, ink: Ink = Ink.PLAIN, evidence: Iterable[str] = (), most: int = 2) -> list[Line]:
        """A detail below a stage."""
        return hanging((Span("    "),), text, self.width, self.style, ink=ink, evidence=evidence, most=most)

    def step(self, text: str, ink: Ink = Ink.PLAIN, evidence: Iterable[str] = (), most: int = 2) -> list[Line]:
        """Where the call goes next."""
        lead = (Span(either("  ▼ ", "  v ", self.style), Ink.DIM),)
        return hanging(lead, text, self.width, self.style, ink=ink, evidence=evidence, most=most)

    def marked(self, glyph: Glyph, text: str, evidence: Iterable[str] = (), most: int = 3) -> list[Line]:
        lead = (Span("    "), sign(glyph, self.style), Span(" "))
        ink = INK_OF[glyph.tint] if glyph.tint is not STATES[StageState.OK].tint else Ink.PLAIN
        return hanging(lead, text, self.width, self.style, ink=ink, evidence=evidence, most=most)

    def stage(self, result: StageResult, evidence: Iterable[str]) -> list[Line]:
        glyph = STATES[result.state]
        mark = sign(glyph, self.style)
        mark = Span(f"{mark.text:<4}" if self.style.ascii else mark.text, mark.ink)
        lead = (mark, Span(" "), span(f"{result.stage:<10}", Ink.STRONG, self.style))
        ink = {StageState.OK: Ink.PLAIN}.get(result.state, INK_OF[glyph.tint])
        return hanging(lead, stage_text(result), self.width, self.style, ink=ink, evidence=evidence, most=4)


def _column(seen: Seen, view: AliasView, width: int, style: Style) -> dict[Part, list[Line]]:
    pen = _Pen(width, style)
    if seen.report is None:
        return {None: [*_called(view.alias, None, pen), *pen.row(unasked_text(seen), Ink.DIM)]}
    report, observation = seen.report, seen.report.observation
    findings = view.report.findings if view.report is not None else ()
    mine = [
        finding
        for finding in findings
        if concerns(finding, seen.source) and (not finding.ports or observation.port.number in finding.ports)
    ]
    details = {
        Stage.NAME: _name_rows(observation, view, pen),
        Stage.DNS: _dns_rows(observation, view, pen),
        Stage.ROUTE: _route_rows(observation, view, pen),
        Stage.ENDPOINTS: _endpoint_rows(report, view, pen),
        Stage.TLS: _tls_rows(observation, view, pen),
        Stage.HTTP: _http_rows(observation, view, pen),
    }
    parts: dict[Part, list[Line]] = {None: _called(view.alias, observation, pen)}
    told: set[str] = set()
    for result in sorted(report.stages, key=lambda one: WAY.index(one.stage)):
        rows = [] if _is_over(result, report) else details[result.stage]
        here = [finding for finding in mine if finding.stage is result.stage]
        if result.state is StageState.NOT_APPLICABLE:
            # Said of all sources, it is about those that have such a stage.
            here = [finding for finding in here if finding.sources]
        found = [row for finding in here for row in _finding_rows(finding, pen)]
        evidence = _evidence(result.stage, observation, view)
        if result.state in (StageState.NOT_OBSERVED, StageState.NOT_SERVED):
            # One reason, the same for all that it keeps away, is said once.
            result, reason = (replace(result, text="") if result.text in told else result), result.text
            told.add(reason)
        parts[result.stage] = [*pen.stage(result, evidence), *rows, *found]
    return parts


def _is_over(result: StageResult, report: SourceReport) -> bool:
    """The call did not come so far; what lies on the way of it is still told by the routes, so those stay."""
    states = (StageState.NOT_REACHED, StageState.NOT_APPLICABLE)
    return result.state in states and result.stage in (Stage.TLS, Stage.HTTP) and report.observation.answer is not None


def _called(alias: Alias, observation: Observation | None, pen: _Pen) -> list[Line]:
    """What is called, and by which resolver."""
    name = line(span(f"{alias.name}.{alias.namespace}", Ink.STRONG, pen.style))
    way = _way(observation) if observation is not None else None
    if not isinstance(way, Resolution) or not way.name_servers:
        return [within(name, pen.width, pen.style)]
    resolver = span(f"resolv: ndots {way.ndots}, {len(way.search)} search", Ink.DIM, pen.style)
    evidence = (clean_line(resolver_text(way)),)
    if name.width + resolver.width + 2 > pen.width:
        return [
            within(name, pen.width, pen.style),
            within(Line((Span("  "), resolver), evidence), pen.width, pen.style),
        ]
    gap = Span(" " * (pen.width - name.width - resolver.width))
    return [Line((*name.spans, gap, resolver), evidence)]


def _finding_rows(finding: Finding, pen: _Pen) -> list[Line]:
    text = f"{finding.code} {finding.message}"
    told = [text, *finding.evidence, *([f"cure: {finding.cure}"] if finding.cure else [])]
    return pen.marked(SEVERITIES[finding.severity], text, map(clean_line, told), most=6)


# --- name and dns ------------------------------------------------------------------------------------------------


def _way(observation: Observation) -> Resolution | ResolutionUnknown | None:
    """Of the name as applications write it; else of the whole name."""
    short = observation.short_resolution
    return short if isinstance(short, Resolution) and short.attempts else observation.resolution or short


def _name_rows(observation: Observation, view: AliasView, pen: _Pen) -> list[Line]:
    rows: list[Line] = []
    if observation.source.mode is MeshMode.SIDECAR and captures_dns(observation.source, view.snapshot.mesh_config):
        rows += pen.row("asked: the sidecar itself (DNS capture)", Ink.DIM)
    match _way(observation):
        case Resolution() as way if way.hosts_file:
            rows += pen.row("answered by the pod's /etc/hosts", Ink.WARN)
        case Resolution() as way:
            rows += [row for name in way.tries for row in _try_row(way, name, pen)]
            if not way.attempts:
                rows += pen.row(f"asked by {way.tool}, which does not tell the tries", Ink.DIM)
        case ResolutionUnknown(reason=reason):
            rows += pen.marked(STATES[StageState.NOT_OBSERVED], f"the tries are not known: {reason}", most=2)
    return rows


def _try_row(way: Resolution, name: str, pen: _Pen) -> list[Line]:
    attempts = [attempt for attempt in way.attempts if attempt.name == name]
    asked = way.name.rstrip(".")
    shown = name.removeprefix(asked) if name.startswith(f"{asked}.") else name
    spent = max(attempt.seconds for attempt in attempts)
    found = [attempt for attempt in attempts if attempt.addresses]
    replies = dict.fromkeys(attempt.reply for attempt in attempts)
    said_of = " · ".join(f"{attempt.record} {', '.join(attempt.addresses)}" for attempt in found) or " · ".join(replies)
    text = " ".join(part for part in (shown, said_of, milliseconds(spent) if spent else "") if part)
    silent = Reply.SILENT in replies or Reply.FAILED in replies
    state = StageState.OK if found else StageState.FAILED if silent else StageState.NOT_REACHED
    return pen.marked(STATES[state], text, (clean_line(try_text(way, name)),), most=2)


def _dns_rows(observation: Observation, view: AliasView, pen: _Pen) -> list[Line]:
    alias, service = view.alias, document(view.alias.service, view.snapshot)
    if alias.form is Form.EXTERNAL_NAME:
        return pen.step(f"{alias.service}: ExternalName {alias.external_name_raw or alias.host}", evidence=service)
    if alias.headless:
        return pen.step(f"no VIP: {alias.service} is headless", evidence=service)
    where = ", ".join(endpoint_text(address, observation.port.number) for address in alias.cluster_ips) or "unknown"
    return pen.step(f"VIP {where}  {alias.service} (no selector)", evidence=service)


# --- route -------------------------------------------------------------------------------------------------------


def _route_rows(observation: Observation, view: AliasView, pen: _Pen) -> list[Line]:
    route = observation.route
    evidence = _evidence(Stage.ROUTE, observation, view)
    rows = _capture_rows(observation, view, pen)
    match route:
        case Route():
            rows += _configured_rows(route, observation, view, pen)
        case RouteUnknown():
            rows += pen.row("what the proxy does is not known", Ink.WARN, evidence)
        case None:
            return rows
    return rows + _decision_row(observation, view, pen)


def _capture_rows(observation: Observation, view: AliasView, pen: _Pen) -> list[Line]:
    """What takes the packet when it leaves the container."""
    source, route, alias = observation.source, observation.route, view.alias
    match source.mode:
        case MeshMode.SIDECAR:
            answer = observation.answer
            address = answer.remote_ip if answer is not None else ""
            past = passes_by(source, address, observation.port.number)
            if past:
                return pen.step(f"not captured: {past}", Ink.WARN, (clean_line(past),))
            listener = route.listener if isinstance(route, Route) else "unknown"
            return pen.step(f"captured by Envoy, listener {listener}", evidence=_of_route(observation, view))
        case MeshMode.AMBIENT:
            return pen.step("captured by ztunnel")
        case MeshMode.PLAIN if alias.form is Form.ENDPOINTS and not alias.headless:
            return pen.step("kube-proxy: the VIP becomes an endpoint")
    return pen.step("no proxy on the way")


def _configured_rows(route: Route, observation: Observation, view: AliasView, pen: _Pen) -> list[Line]:
    evidence, namespace = _of_route(observation, view), view.alias.namespace
    computed = "" if route.observed else "computed: "
    rows: list[Line] = []
    if route.virtual_host or route.virtual_service:
        by = f" ← {ref_text(route.virtual_service, namespace)}" if route.virtual_service else ""
        owner = (*evidence, *document(route.virtual_service, view.snapshot))
        rows += pen.row(f"{computed}virtual host {route.virtual_host or '–'}{by}", evidence=owner)
    if route.filter_chain:
        rows += pen.row(f"filter chain {route.filter_chain}", evidence=evidence)
    if route.host_rewrite:
        rows += pen.row(f"Host becomes {route.host_rewrite}", evidence=evidence)
    if route.direct_response:
        return rows + pen.row(f"{computed}Envoy answers {route.direct_response} by itself", Ink.WARN, evidence)
    return rows


def _decision_row(observation: Observation, view: AliasView, pen: _Pen) -> list[Line]:
    """TLS mode in effect ← the object that decided, or why none did; and the SNI that Envoy sends."""
    route, decision = observation.route, observation.decision
    rule = decision.rule if decision is not None else route.rule if isinstance(route, Route) else None
    evidence = [*_written(decision_rows(decision, view.alias.namespace))] if decision is not None else []
    evidence += document(rule, view.snapshot)
    if rule is not None:
        by = ref_text(rule, view.alias.namespace)
    else:
        by = f"no rule: {decision.reason}" if decision is not None else "not known who decides"
    if not isinstance(route, Route):
        mode = (decision.mode if decision is not None else "") or "none"
        return pen.row(f"TLS computed: {mode} ← {by}", evidence=evidence, most=3)
    rows = pen.row(f"TLS {route.tls.mode} ← {by}", evidence=evidence, most=3)
    if route.tls.mode.encrypts:
        follows = "follows the Host header" if route.tls.auto_sni else "(none)"
        rows += pen.row(f"SNI {route.tls.sni or follows}", evidence=evidence)
    return rows


# --- endpoints, tls, http ----------------------------------------------------------------------------------------


def _endpoint_rows(report: SourceReport, view: AliasView, pen: _Pen) -> list[Line]:
    """Each address by itself, but those of which the stage says already that they are well."""
    observation = report.observation
    evidence = _evidence(Stage.ENDPOINTS, observation, view)
    told = next((stage_text(result) for result in report.stages if result.stage is Stage.ENDPOINTS), "")
    rows: list[tuple[Glyph, str]] = []
    if isinstance(observation.route, Route):
        for one in observation.route.endpoints:
            where = endpoint_text(one.address, one.port)
            state = StageState.OK if one.healthy else StageState.FAILED
            state = state if observation.route.observed else StageState.NOT_OBSERVED
            more = ("healthy" if one.healthy else "UNHEALTHY") if observation.route.observed else "computed"
            more += ", takes mesh TLS" if one.mesh_tls else ""
            if not one.healthy or one.mesh_tls or where not in told:
                rows.append((STATES[state], f"{where} {more}"))
    if observation.source.mode is not MeshMode.SIDECAR:
        for answer in observation.answers(Purpose.ADDRESS):
            transfer = answer.transfer
            where = endpoint_text(transfer.connect_to or transfer.host, transfer.connect_port or transfer.port)
            reached = StageState.OK if answer.connected else StageState.FAILED
            spent = milliseconds(answer.times.connect) if answer.connected else answer_text(answer)
            rows.append((STATES[reached], f"{where} {spent}"))
    shown = [row for glyph, text in rows[:ENDPOINTS_SHOWN] for row in pen.marked(glyph, text, evidence)]
    if len(rows) > ENDPOINTS_SHOWN:
        shown += pen.row(f"and {len(rows) - ENDPOINTS_SHOWN} more", Ink.DIM, evidence)
    return shown


def _tls_rows(observation: Observation, view: AliasView, pen: _Pen) -> list[Line]:
    evidence = _evidence(Stage.TLS, observation, view)
    rows: list[Line] = []
    if observation.access_log is not None:
        rows += pen.row(f"Envoy: {access_log_text(observation.access_log)}", Ink.WARN, evidence)
    answer = observation.answer
    if answer is not None and answer.handshake is not None:
        rows += _handshake_rows(answer.handshake, view, pen, evidence)
    return rows


def _handshake_rows(handshake: Handshake, view: AliasView, pen: _Pen, evidence: Sequence[str]) -> list[Line]:
    agreed = " · ".join(part for part in (handshake.version, handshake.alpn and f"ALPN {handshake.alpn}") if part)
    rows = pen.row(agreed, evidence=evidence) if agreed else []
    if not handshake.certificates:
        return rows
    certificate = handshake.certificates[0]
    left = days_left(certificate, datetime.fromtimestamp(view.now, UTC))
    soon = left is not None and left < SOON
    words = f"{certificate.subject or 'no subject'}" + (f"  {left_text(left)}" if left is not None else "")
    if soon:
        return rows + pen.marked(SEVERITIES[Severity.WARNING], words, evidence)
    return rows + pen.row(words, evidence=evidence)


def _http_rows(observation: Observation, view: AliasView, pen: _Pen) -> list[Line]:
    answer = observation.answer
    if answer is None or observation.contract.scheme is Scheme.TCP:
        return []
    evidence = _evidence(Stage.HTTP, observation, view)
    rows = pen.row(f"server: {server}", evidence=evidence) if (server := answer.header("server")) else []
    if answer.error:
        rows += pen.row(f"exit {answer.exit_code}: {answer.error}", Ink.WARN, evidence, most=3)
    return rows


# --- evidence ----------------------------------------------------------------------------------------------------


def _evidence(stage: Stage, observation: Observation, view: AliasView) -> tuple[str, ...]:
    """What enter shows of a stage: how it was asked, what came back, and the objects that count there."""
    namespace, at = view.alias.namespace, datetime.fromtimestamp(view.now, UTC).isoformat()
    outcomes = [row for outcome in observation.outcomes for row in outcome_rows(outcome, at)]
    match stage:
        case Stage.NAME:
            return _written(resolution_rows(observation))
        case Stage.DNS:
            return (*_written(resolution_rows(observation)), *document(view.alias.service, view.snapshot))
        case Stage.ROUTE:
            decided = decision_rows(observation.decision, namespace) if observation.decision is not None else []
            return (*_of_route(observation, view), *_written(decided))
        case Stage.ENDPOINTS:
            slices = [one for ref in view.alias.slices for one in document(ref, view.snapshot)]
            return (*_of_route(observation, view), *_written(outcomes), *slices)
        case Stage.TLS:
            log = observation.access_log
            said_by_envoy = [Row("accesslog", access_log_text(log))] if log is not None else []
            return _written([*outcomes, *said_by_envoy])
        case Stage.HTTP:
            headers = header_rows(observation.route, observation.answer)
            return (*_written([*outcomes, *headers]), *_body(observation.answer))


def _of_route(observation: Observation, view: AliasView) -> tuple[str, ...]:
    match observation.route:
        case Route() as route:
            return (how_known(route), *_written(route_rows(route, view.alias.namespace)))
        case RouteUnknown(reason):
            return (clean_line(f"not observed: {reason}"),)
    return ()


def _body(answer: Answer | None) -> tuple[str, ...]:
    return (
        tuple(f"body  {clean_line(text)}" for text in answer.body.splitlines()[:BODY_LINES])
        if answer is not None
        else ()
    )


def _written(rows: Iterable[Row]) -> tuple[str, ...]:
    return tuple(lines_of(rows, SIGNS))
