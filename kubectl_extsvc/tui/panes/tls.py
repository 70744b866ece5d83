"""TLS: each leg of a call by itself, and of every line how it is known.

observed     a client or Envoy said so of this call
inferred     another client saw it at the same server
configured   read from the proxy
computed     follows from the objects
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from kubectl_extsvc.mesh.hosts import is_address
from kubectl_extsvc.model.observation import Observation
from kubectl_extsvc.model.probe import Answer, Certificate, Handshake, NoAnswer, Purpose, Scheme, Trust
from kubectl_extsvc.model.resources import ObjectRef
from kubectl_extsvc.model.route import Route, RouteUnknown, RuleDecision
from kubectl_extsvc.model.source import MeshMode
from kubectl_extsvc.output.phrases import (
    TRUST_WORDS,
    answer_text,
    days_left,
    endpoint_text,
    left_text,
    ref_text,
    tls_text,
)
from kubectl_extsvc.output.report_wide import decision_rows, outcome_rows, route_rows
from kubectl_extsvc.output.rows import Row, lines_of, milliseconds
from kubectl_extsvc.output.style import Style
from kubectl_extsvc.rules.tls_words import named_in
from kubectl_extsvc.rules.translation import transport_failure
from kubectl_extsvc.tui.board import AliasView
from kubectl_extsvc.tui.lines import SIGNS, Ink, Line, Span, hanging, span
from kubectl_extsvc.tui.panes.choosing import heading, nothing_yet, port_at, said, seen_of, unasked_text
from kubectl_extsvc.tui.panes.documents import document

SOON = 30
"""Days before a certificate ends from which that is worth a look."""
NAMES_SHOWN = 4
LABEL = 14
HOW = 11
"""Columns of how a line is known, and a blank."""


class How(StrEnum):
    """How something is known."""

    OBSERVED = "observed"
    INFERRED = "inferred"
    CONFIGURED = "configured"
    COMPUTED = "computed"


@dataclass(frozen=True, slots=True)
class _Said:
    label: str
    text: str
    how: How | None
    ink: Ink = Ink.PLAIN
    evidence: tuple[str, ...] = ()


def tls_pane(
    view: AliasView, width: int, style: Style, *, port: int = 0, first: int = 0, pinned: str = ""
) -> list[Line]:
    shown_port = port_at(view, port)
    lines = heading(view, shown_port, width, style)
    nothing = nothing_yet(view, width, style)
    if nothing:
        return lines + nothing
    every = seen_of(view, shown_port, first=first, pinned=pinned)
    seen = [one.report.observation for one in every if one.report is not None]
    for one in every:
        lines += hanging((), one.title, width, style, ink=Ink.STRONG, most=1)
        if one.report is None:
            lines += said(unasked_text(one), width, style)
            continue
        for row in _rows(one.report.observation, seen, view):
            lines += _drawn(row, width, style)
    return lines


def _drawn(row: _Said, width: int, style: Style) -> list[Line]:
    """The text, and how it is known at the right."""
    lead = (Span("  "), span(f"{row.label:<{LABEL}}", Ink.DIM, style))
    first, *others = hanging(lead, row.text, max(width - HOW, 1), style, ink=row.ink, evidence=row.evidence)
    how = row.how or ""
    if not how or first.width + HOW > width:
        return [first, *others]
    gap = Span(" " * (width - first.width - len(How.CONFIGURED)))
    return [Line((*first.spans, gap, span(how, Ink.DIM, style)), first.evidence), *others]


def _rows(observation: Observation, seen: Sequence[Observation], view: AliasView) -> Iterator[_Said]:
    if observation.source.mode is not MeshMode.SIDECAR:
        yield from _client_rows("app → server", observation, view)
        return
    yield from _client_rows("leg A", observation, view, "app → Envoy: ")
    yield from _envoy_rows(observation, view)
    yield from _server_rows(observation, seen, view)


# --- what the application does -----------------------------------------------------------------------------------


def _client_rows(label: str, observation: Observation, view: AliasView, way: str = "") -> Iterator[_Said]:
    """What the application speaks, and what it was shown."""
    answer, contract = observation.answer, observation.contract
    evidence = _calls(observation.outcomes, view)
    if not contract.served:
        why = f": {contract.why}" if contract.why else ""
        yield _Said(label, f"{way}not served{why}", None, Ink.DIM, evidence)
        return
    if answer is None:
        nothing = observation.unanswered
        reason = nothing.reason if nothing is not None else "not asked"
        yield _Said(label, f"{way}not known: {reason}", None, Ink.WARN, evidence)
        return
    match answer.transfer.scheme:
        case Scheme.HTTP:
            yield _Said(label, f"{way}plain HTTP, {answer_text(answer)}", How.OBSERVED, evidence=evidence)
        case Scheme.TCP:
            yield _Said(label, f"{way}a bare connection, {answer_text(answer)}", How.OBSERVED, evidence=evidence)
        case Scheme.HTTPS:
            spent = f" in {milliseconds(answer.times.appconnect)}" if answer.times.appconnect > 0 else ""
            agreed = bool(spent or answer.status or answer.exit_code == 0)
            state = "fails" if answer.exit_code in TLS_EXITS else f"agreed{spent}" if agreed else "not reached"
            ink = Ink.BAD if answer.exit_code in TLS_EXITS else Ink.PLAIN
            text = f"{way}the application's own TLS, handshake {state}"
            yield _Said(label, text, How.OBSERVED, ink, evidence)
            if answer.exit_code:
                yield _Said("client says", f"exit {answer.exit_code}: {answer.error}", How.OBSERVED, Ink.WARN, evidence)
            if answer.handshake is not None:
                yield from _handshake_rows(answer.handshake, How.OBSERVED, view, evidence)
            elif not answer.exit_code:
                yield _Said("chain", "the tool does not show it", None, Ink.DIM, evidence)


TLS_EXITS = (35, 51, 58, 60, 77, 83, 90, 91)
"""curl's, for a handshake or a certificate that it refuses (libcurl-errors(3))."""


def _handshake_rows(handshake: Handshake, how: How, view: AliasView, evidence: tuple[str, ...]) -> Iterator[_Said]:
    agreed = " · ".join(part for part in (handshake.version, handshake.alpn and f"ALPN {handshake.alpn}") if part)
    if agreed:
        yield _Said("agreed", agreed, how, evidence=evidence)
    yield _sni_row(handshake, how, evidence)
    for place, certificate in enumerate(handshake.certificates):
        yield _certificate_row(place, certificate, how, view, evidence)
    ink = {Trust.TRUSTED: Ink.GOOD, Trust.UNTRUSTED: Ink.BAD, Trust.NOT_CHECKED: Ink.DIM}[handshake.trust]
    yield _Said("trust", TRUST_WORDS[handshake.trust], how, ink, evidence)


def _sni_row(handshake: Handshake, how: How, evidence: tuple[str, ...]) -> _Said:
    """The name that was asked for, and whether the certificate has it."""
    if not handshake.sni or is_address(handshake.sni):
        return _Said("SNI", "none", how, Ink.DIM, evidence)
    names = handshake.certificates[0].names if handshake.certificates else ()
    if not names:
        return _Said("SNI", handshake.sni, how, evidence=evidence)
    if named_in(handshake.sni, names):
        return _Said("SNI", f"{handshake.sni}, and the certificate has that name", how, Ink.GOOD, evidence)
    return _Said("SNI", f"{handshake.sni}, which the certificate does NOT have", how, Ink.BAD, evidence)


def _certificate_row(
    place: int, certificate: Certificate, how: How, view: AliasView, evidence: tuple[str, ...]
) -> _Said:
    left = days_left(certificate, datetime.fromtimestamp(view.now, UTC))
    ends = f"not after {certificate.not_after[:10]}" if certificate.not_after else "no end known"
    if left is not None:
        ends += f", {left_text(left)}" + (" !" if 0 <= left < SOON else "")
    shown = certificate.names[:NAMES_SHOWN]
    more = f" and {len(certificate.names) - len(shown)} more" if len(certificate.names) > len(shown) else ""
    names = f" · names {', '.join(shown)}{more}" if shown else ""
    ink = Ink.PLAIN if left is None or left >= SOON else Ink.WARN if left >= 0 else Ink.BAD
    text = f"{place} {certificate.subject or 'no subject'} · {ends} · by {certificate.issuer}{names}"
    return _Said("chain" if place == 0 else "", text, how, ink, evidence)


# --- what the proxy does -----------------------------------------------------------------------------------------


def _envoy_rows(observation: Observation, view: AliasView) -> Iterator[_Said]:
    """The mode in effect, who decided it and who did not."""
    decision, namespace = observation.decision, view.alias.namespace
    decided = tuple(lines_of(decision_rows(decision, namespace), SIGNS)) if decision is not None else ()
    match observation.route:
        case Route() as route:
            how = How.CONFIGURED if route.observed else How.COMPUTED
            evidence = (*lines_of(route_rows(route, namespace), SIGNS), *decided)
            yield _Said("leg B", f"Envoy → server: {_in_effect(route)}", how, evidence=evidence)
            if route.tls.mode.encrypts and route.tls.auto_sni:
                sent = route.host_rewrite or observation.contract.host
                yield _Said("SNI", f"{sent}, since it follows the Host header", How.INFERRED, evidence=evidence)
            forwards = not (route.direct_response or route.blocked or route.cluster_missing)
            if forwards and route.tls.mode.encrypts and observation.contract.scheme is Scheme.HTTPS:
                yield _Said("", "Envoy wraps the application's own TLS in another", How.INFERRED, Ink.WARN, evidence)
            if forwards and not route.tls.mode.encrypts and observation.contract.scheme is Scheme.HTTPS:
                yield _Said("", "the application's own TLS goes through to the server", How.INFERRED, evidence=evidence)
            if not route.observed and observation.unread:
                yield _Said("", f"the proxy was not read: {observation.unread}", None, Ink.WARN, evidence)
        case RouteUnknown(reason):
            yield _Said("leg B", f"Envoy → server: not known: {reason}", None, Ink.WARN, decided)
        case None:
            yield _Said("leg B", "Envoy → server: the proxy was not asked", None, Ink.WARN, decided)
    if decision is not None:
        yield from _decision_rows(decision, view, decided)
    yield from _failure_rows(observation)


def _in_effect(route: Route) -> str:
    if route.direct_response:
        return f"none, Envoy answers {route.direct_response} by itself"
    if route.blocked:
        return "none, the proxy blocks it"
    if route.cluster_missing:
        return f"none, the proxy has no cluster {route.envoy_cluster}"
    return tls_text(route.tls)


def _decision_rows(decision: RuleDecision, view: AliasView, decided: tuple[str, ...]) -> Iterator[_Said]:
    def about(ref: ObjectRef | None) -> tuple[str, ...]:
        return (*decided, *document(ref, view.snapshot))

    namespace = view.alias.namespace
    by = f"by {ref_text(decision.rule, namespace)}" if decision.rule is not None else "by no rule"
    mode = f" ({decision.mode})" if decision.mode else ""
    yield _Said("decided", f"{by}{mode}: {decision.reason}", How.COMPUTED, evidence=about(decision.rule))
    for rule, reason in decision.losers:
        yield _Said("", f"not by {ref_text(rule, namespace)}: {reason}", How.COMPUTED, Ink.DIM, about(rule))


def _failure_rows(observation: Observation) -> Iterator[_Said]:
    """Envoy's own words about a call that failed."""
    log, answer = observation.access_log, observation.answer
    if log is not None:
        flags = ",".join(sorted(log.flags - {"-"})) or "none"
        evidence = (f"flags {flags}", log.details, log.transport_failure, log.upstream_host, log.envoy_cluster)
        known = tuple(line for text in evidence if text for line in lines_of([Row("", text)], SIGNS))
        yield _Said("flags", f"{flags} · {log.details}" if log.details else flags, How.OBSERVED, Ink.WARN, known)
        if log.transport_failure:
            yield _Said("Envoy says", log.transport_failure, How.OBSERVED, Ink.BAD, known)
    elif answer is not None and (failure := transport_failure(answer, None)):
        yield _Said("Envoy says", failure, How.OBSERVED, Ink.BAD)


def _server_rows(observation: Observation, seen: Sequence[Observation], view: AliasView) -> Iterator[_Said]:
    """What the server showed to others who asked it with the same name: Envoy itself keeps that to itself."""
    route = observation.route
    if not isinstance(route, Route) or not route.tls.mode.encrypts:
        return
    follows = (route.host_rewrite or observation.contract.host) if route.tls.auto_sni else ""
    sni = route.tls.sni or follows
    for witness, answer in _witnesses(observation, seen):
        handshake = answer.handshake
        if handshake is None or handshake.sni != sni:
            continue
        evidence = _calls((answer,), view)
        where = endpoint_text(answer.remote_ip, answer.remote_port) if answer.remote_ip else "the server"
        yield _Said(
            "server", f"{where} asked by {witness.source.pod} with the same SNI", How.INFERRED, Ink.DIM, evidence
        )
        yield from _handshake_rows(handshake, How.INFERRED, view, evidence)
        return


def _witnesses(observation: Observation, seen: Iterable[Observation]) -> Iterator[tuple[Observation, Answer]]:
    """TLS clients of the same port that no proxy stands before."""
    for other in seen:
        if other.source.mode is MeshMode.PLAIN and other.port == observation.port:
            for purpose in (Purpose.ALIAS, Purpose.ADDRESS):
                yield from ((other, answer) for answer in other.answers(purpose))


def _calls(outcomes: Iterable[Answer | NoAnswer], view: AliasView) -> tuple[str, ...]:
    at = datetime.fromtimestamp(view.now, UTC).isoformat()
    return tuple(lines_of([row for outcome in outcomes for row in outcome_rows(outcome, at)], SIGNS))
