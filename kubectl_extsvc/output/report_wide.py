"""The drawing with all that is behind it: addresses, phases, the proxy's way, the deciding rule, headers."""

from kubectl_extsvc.model.alias import AddressTarget, Alias
from kubectl_extsvc.model.observation import AccessLogLine
from kubectl_extsvc.model.probe import Answer, NoAnswer, Outcome, Purpose, Scheme, Times
from kubectl_extsvc.model.report import AliasReport, Report, SourceReport
from kubectl_extsvc.model.resources import ObjectRef
from kubectl_extsvc.model.route import EnvoyEndpoint, OutboundTls, Route, RouteUnknown, RuleDecision, TlsInEffect
from kubectl_extsvc.output.report_text import alias_lines, footer_lines, joined, port_text, source_text
from kubectl_extsvc.output.rows import Row, lines_of, milliseconds, spoken
from kubectl_extsvc.output.style import Style


def report_wide(report: Report, style: Style) -> str:
    blocks = [[*alias_lines(alias, report.mesh, style), *_alias_details(alias, style)] for alias in report.aliases]
    return joined([*blocks, footer_lines(report, style)])


def _alias_details(report: AliasReport, style: Style) -> list[str]:
    skipped = [Row("skipped", f"{rule.code} {rule.reason}") for rule in report.judgement.skipped]
    lines = lines_of([*_alias_rows(report.alias), *skipped], style)
    for source in report.sources:
        observation = source.observation
        lines.append(
            f"  {spoken(f'{source_text(observation.source, report.alias)}, port {observation.port.number}', style)}"
        )
        lines += lines_of(_source_rows(source, report.alias.namespace), style)
    return lines


def _alias_rows(alias: Alias) -> list[Row]:
    rows = [Row("ports" if index == 0 else "", port_text(port)) for index, port in enumerate(alias.ports)]
    if isinstance(alias.target, AddressTarget):
        rows.append(Row("addresses", ", ".join(alias.target.addresses) or "none"))
        rows.append(Row("clusterIP", ", ".join(alias.cluster_ips) or ("None" if alias.headless else "unknown")))
    rows.append(Row("managed", "by kubectl-extsvc" if alias.managed else "not by kubectl-extsvc"))
    return rows


def _source_rows(report: SourceReport, namespace: str) -> list[Row]:
    observation = report.observation
    contract = observation.contract
    speaks = f"{contract.scheme} to {contract.host}" if contract.served else "nothing; the port is not meant for it"
    rows = [Row("container", observation.source.container)]
    rows.append(Row("contract", f"speaks {speaks}" + (f" ({contract.why})" if contract.why else "")))
    for outcome in observation.outcomes:
        rows += _outcome_rows(outcome)
    match observation.route:
        case Route() as route:
            rows += _route_rows(route, namespace)
        case RouteUnknown(reason):
            rows.append(Row("listener", f"unknown: {reason}"))
        case None:
            pass
    if observation.decision:
        rows += _decision_rows(observation.decision, namespace)
    if observation.access_log:
        rows.append(Row("accesslog", _access_log_text(observation.access_log)))
    return rows + _header_rows(observation.route, observation.answer)


def _outcome_rows(outcome: Outcome) -> list[Row]:
    transfer = outcome.transfer
    ask = f"connect {transfer.url}" if transfer.scheme is Scheme.TCP else f"{transfer.method} {transfer.url}"
    if transfer.connect_to or transfer.connect_port:
        ask += f" at {_endpoint_text(transfer.connect_to or transfer.host, transfer.connect_port or transfer.port)}"
    label = "call" if transfer.purpose is Purpose.ALIAS else ""
    about = "" if transfer.purpose is Purpose.ALIAS else f"[{transfer.purpose}] "
    match outcome:
        case NoAnswer(reason=reason):
            return [Row(label, f"{about}{ask} → unknown: {reason}")]
        case Answer():
            return [
                Row(label, f"{about}{ask} → {_answer_text(outcome)}"),
                Row("times" if label else "", _times_text(outcome.times)),
            ]


def _answer_text(answer: Answer) -> str:
    parts = []
    if answer.status:
        parts.append(f"{answer.status}" + (f" HTTP/{answer.http_version}" if answer.http_version else ""))
    if answer.exit_code:
        parts.append(f"exit {answer.exit_code}" + (f" {answer.error}" if answer.error else ""))
    if answer.remote_ip:
        parts.append(f"connected to {_endpoint_text(answer.remote_ip, answer.remote_port)}")
    return ", ".join(parts) or "connected"


def _times_text(times: Times) -> str:
    """Each phase by itself; curl counts all of them from the start."""
    ends = (
        ("name", times.namelookup),
        ("connect", times.connect),
        ("tls", times.appconnect),
        ("first byte", times.starttransfer),
        ("rest", times.total),
    )
    phases = []
    start = 0.0
    for phase, end in ends:
        if end <= 0.0:
            phases.append(f"{phase} –")
            continue
        phases.append(f"{phase} {milliseconds(max(end - start, 0.0))}")
        start = end
    return " · ".join([*phases, f"total {milliseconds(times.total)}"])


def _route_rows(route: Route, namespace: str) -> list[Row]:
    by = f"by {_ref_text(route.virtual_service, namespace)}" if route.virtual_service else ""
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
            Row("endpoints" if index == 0 else "", _envoy_endpoint_text(endpoint))
            for index, endpoint in enumerate(route.endpoints)
        ),
        Row("tls", _tls_text(route.tls)),
    ]


def _envoy_endpoint_text(endpoint: EnvoyEndpoint) -> str:
    words = [_endpoint_text(endpoint.address, endpoint.port), "healthy" if endpoint.healthy else "UNHEALTHY"]
    if endpoint.mesh_tls:
        words.append("takes mesh TLS")
    return " · ".join(words)


def _tls_text(tls: TlsInEffect) -> str:
    if tls.mode is OutboundTls.NONE:
        return "none of Envoy's own: what the application sends passes unchanged"
    words = [str(tls.mode)]
    if tls.mode.encrypts:
        words.append(f"SNI {tls.sni}" if tls.sni else "SNI follows the Host header" if tls.auto_sni else "no SNI")
        if not tls.verifies_chain:
            words.append("certificate NOT verified")
        elif tls.subject_alt_names:
            words.append(f"names {', '.join(tls.subject_alt_names)}")
        else:
            words.append("name follows the SNI" if tls.auto_san_validation else "name NOT verified")
        if tls.ca:
            words.append(f"CA {tls.ca}")
    return " · ".join(words)


def _decision_rows(decision: RuleDecision, namespace: str) -> list[Row]:
    by = f"by {_ref_text(decision.rule, namespace)}" if decision.rule else "by no rule"
    mode = f" ({decision.mode})" if decision.mode else ""
    return [
        Row("decided", f"{by}{mode}, computed: {decision.reason}"),
        *(Row("", f"not by {_ref_text(rule, namespace)}: {reason}") for rule, reason in decision.losers),
    ]


def _access_log_text(line: AccessLogLine) -> str:
    parts = (
        ",".join(sorted(line.flags)) or "-",
        line.details,
        line.transport_failure,
        line.upstream_host and f"upstream {line.upstream_host}",
        line.envoy_cluster,
    )
    return " · ".join(part for part in parts if part)


def _header_rows(route: Route | RouteUnknown | None, answer: Answer | None) -> list[Row]:
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


def _endpoint_text(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _ref_text(reference: ObjectRef, namespace: str) -> str:
    """destinationrule/my-pay; with its namespace where that is not the alias's."""
    return str(reference) if reference.namespace == namespace else f"{reference}.{reference.namespace}"
