"""The drawing with all that is behind it: addresses, phases, the proxy's way, the deciding rule, headers."""

from kubectl_extsvc.model.alias import AddressTarget, Alias
from kubectl_extsvc.model.observation import Observation
from kubectl_extsvc.model.probe import (
    Answer,
    Handshake,
    NoAnswer,
    Outcome,
    Purpose,
    Scheme,
)
from kubectl_extsvc.model.report import AliasReport, Report, SourceReport
from kubectl_extsvc.model.resolution import Resolution, ResolutionUnknown
from kubectl_extsvc.model.route import Route, RouteUnknown, RuleDecision
from kubectl_extsvc.output.phrases import (
    NO_CERTIFICATES,
    TRUST_WORDS,
    access_log_text,
    answer_text,
    endpoint_text,
    envoy_endpoint_text,
    how_known,
    ref_text,
    resolver_text,
    times_text,
    tls_text,
    try_text,
    validity,
    way_text,
)
from kubectl_extsvc.output.report_text import alias_lines, footer_lines, joined, port_text, source_text
from kubectl_extsvc.output.rows import Row, lines_of, spoken
from kubectl_extsvc.output.style import Style


def report_wide(report: Report, style: Style) -> str:
    blocks = [
        [*alias_lines(alias, report.mesh, style), *_alias_details(alias, report.at, style)] for alias in report.aliases
    ]
    return joined([*blocks, footer_lines(report, style)])


def _alias_details(report: AliasReport, at: str, style: Style) -> list[str]:
    skipped = [Row("skipped", f"{rule.code} {rule.reason}") for rule in report.judgement.skipped]
    lines = lines_of([*_alias_rows(report.alias), *skipped], style)
    for source in report.sources:
        observation = source.observation
        lines.append(
            f"  {spoken(f'{source_text(observation.source, report.alias)}, port {observation.port.number}', style)}"
        )
        lines += lines_of(source_rows(source, report.alias.namespace, at), style)
    return lines


def _alias_rows(alias: Alias) -> list[Row]:
    rows = [Row("ports" if index == 0 else "", port_text(port)) for index, port in enumerate(alias.ports)]
    if isinstance(alias.target, AddressTarget):
        rows.append(Row("addresses", ", ".join(alias.target.addresses) or "none"))
        rows.append(Row("clusterIP", ", ".join(alias.cluster_ips) or ("None" if alias.headless else "unknown")))
    rows.append(Row("managed", "by kubectl-extsvc" if alias.managed else "not by kubectl-extsvc"))
    return rows


def source_rows(report: SourceReport, namespace: str, at: str) -> list[Row]:
    """How the name leads to an address, then each leg of the way, and last what became of headers."""
    observation = report.observation
    contract, route = observation.contract, observation.route
    speaks = f"{contract.scheme} to {contract.host}" if contract.served else "nothing; the port is not meant for it"
    rows = [Row("container", observation.source.container)]
    rows.append(Row("contract", f"speaks {speaks}" + (f" ({contract.why})" if contract.why else "")))
    rows += resolution_rows(observation)
    if observation.outcomes:
        rows.append(Row("leg", f"application → {'server' if route is None else 'Envoy'} (observed)"))
    for outcome in observation.outcomes:
        rows += outcome_rows(outcome, at)
    match route:
        case Route():
            rows += [Row("leg", f"Envoy → server ({how_known(route)})"), *route_rows(route, namespace)]
        case RouteUnknown(reason):
            rows += [Row("leg", "Envoy → server (not observed)"), Row("listener", f"unknown: {reason}")]
        case None:
            pass
    rows += _computed_rows(observation)
    if observation.decision:
        rows += decision_rows(observation.decision, namespace)
    if observation.access_log:
        rows.append(Row("accesslog", f"{access_log_text(observation.access_log)} (observed by Envoy)"))
    return rows + header_rows(observation.route, observation.answer)


def _computed_rows(observation: Observation) -> list[Row]:
    """Where the proxy has another way than istiod makes of the objects, as they are now."""
    route, computed = observation.route, observation.computed
    if not isinstance(route, Route) or not isinstance(computed, Route) or not route.observed:
        return []
    same = (route.envoy_cluster, route.tls) == (computed.envoy_cluster, computed.tls)
    words = f"{computed.envoy_cluster or 'none'} · {tls_text(computed.tls)}"
    return [Row("computed", "the same from the objects" if same else f"otherwise from the objects: {words}")]


# --- names -------------------------------------------------------------------------------------------------------


def resolution_rows(observation: Observation) -> list[Row]:
    """The pod's resolver, and the way of each name that was looked up."""
    looked_up = (
        ("name", observation.resolution),
        ("short", observation.short_resolution),
        ("target", observation.target_resolution),
    )
    known = [way for _, way in looked_up if isinstance(way, Resolution)]
    rows = [Row("resolver", resolver_text(known[0]))] if known else []
    for label, way in looked_up:
        match way:
            case Resolution():
                rows += [Row(label, way_text(way)), *(Row("", f"  {try_text(way, name)}") for name in way.tries)]
            case ResolutionUnknown(reason=reason):
                rows.append(Row(label, f"unknown: {reason}"))
            case None:
                pass
    return rows


# --- calls -------------------------------------------------------------------------------------------------------


def outcome_rows(outcome: Outcome, at: str) -> list[Row]:
    transfer = outcome.transfer
    ask = f"connect {transfer.url}" if transfer.scheme is Scheme.TCP else f"{transfer.method} {transfer.url}"
    if transfer.connect_to or transfer.connect_port:
        ask += f" at {endpoint_text(transfer.connect_to or transfer.host, transfer.connect_port or transfer.port)}"
    label = "call" if transfer.purpose is Purpose.ALIAS else ""
    about = "" if transfer.purpose is Purpose.ALIAS else f"[{transfer.purpose}] "
    match outcome:
        case NoAnswer(reason=reason):
            return [Row(label, f"{about}{ask} → unknown: {reason}")]
        case Answer():
            return [
                Row(label, f"{about}{ask} → {answer_text(outcome)}"),
                Row("times" if label else "", times_text(outcome.times)),
                *_handshake_rows(outcome.handshake, label, at),
            ]


def _handshake_rows(handshake: Handshake | None, label: str, at: str) -> list[Row]:
    if handshake is None:
        return []
    parts = [f"SNI {handshake.sni}" if handshake.sni else "no SNI", handshake.version]
    parts += [f"ALPN {handshake.alpn}" if handshake.alpn else "", TRUST_WORDS[handshake.trust]]
    rows = [Row("handshake" if label else "", " · ".join(part for part in parts if part))]
    if not handshake.certificates:
        rows.append(Row("chain" if label else "", NO_CERTIFICATES))
    for place, certificate in enumerate(handshake.certificates):
        names = f" · names {', '.join(certificate.names)}" if certificate.names else ""
        by = f"{certificate.subject or 'no subject'}, issued by {certificate.issuer}"
        rows.append(Row("chain" if label and not place else "", f"{by}{names} · valid {validity(certificate, at)}"))
    return rows


def route_rows(route: Route, namespace: str) -> list[Row]:
    by = f"by {ref_text(route.virtual_service, namespace)}" if route.virtual_service else ""
    rewrite = f"Host becomes {route.host_rewrite}" if route.host_rewrite else ""
    answered = f"Envoy answers {route.direct_response} by itself" if route.direct_response else ""
    way = [part for part in (route.route_config, route.virtual_host, by, rewrite, answered) if part]
    listener = [part for part in (route.listener, route.filter_chain and f"filter chain {route.filter_chain}") if part]
    cluster = [part for part in (route.envoy_cluster or "none", route.cluster_type) if part]
    if route.cluster_missing:
        cluster.append("missing in the proxy")
    if route.cluster_warming:
        cluster.append("warming")
    return [
        Row("listener", " · ".join(listener)),
        *([Row("route", " · ".join(way))] if way else []),
        Row("cluster", " · ".join(cluster)),
        *(
            Row("endpoints" if index == 0 else "", envoy_endpoint_text(endpoint))
            for index, endpoint in enumerate(route.endpoints)
        ),
        Row("tls", tls_text(route.tls)),
    ]


def decision_rows(decision: RuleDecision, namespace: str) -> list[Row]:
    by = f"by {ref_text(decision.rule, namespace)}" if decision.rule else "by no rule"
    mode = f" ({decision.mode})" if decision.mode else ""
    return [
        Row("decided", f"{by}{mode}, computed: {decision.reason}"),
        *(Row("", f"not by {ref_text(rule, namespace)}: {reason}") for rule, reason in decision.losers),
    ]


def header_rows(route: Route | RouteUnknown | None, answer: Answer | None) -> list[Row]:
    """What the proxy is set to do with headers, and what came back: the first is read, the second was seen."""
    texts: list[tuple[str, str]] = []
    if isinstance(route, Route):
        texts.append(("added to requests (configured)", ", ".join(route.request_headers_added) or "none"))
        texts.append(("changed in responses (configured)", ", ".join(route.response_headers_changed) or "none"))
    if answer:
        texts += [
            ("response (observed)" if index == 0 else "", f"{name}: {value}")
            for index, (name, value) in enumerate(answer.headers)
        ]
    width = max((len(what) for what, _ in texts), default=0)
    return [
        Row("headers" if index == 0 else "", f"{what:<{width}}  {text}") for index, (what, text) in enumerate(texts)
    ]
