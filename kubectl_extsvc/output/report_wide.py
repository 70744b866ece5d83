"""The drawing with all that is behind it: addresses, phases, the proxy's way, the deciding rule, headers."""

from datetime import datetime

from kubectl_extsvc.model.alias import AddressTarget, Alias
from kubectl_extsvc.model.observation import AccessLogLine, Observation
from kubectl_extsvc.model.probe import (
    Answer,
    Certificate,
    Handshake,
    NoAnswer,
    Outcome,
    Purpose,
    Scheme,
    Times,
    Trust,
)
from kubectl_extsvc.model.report import AliasReport, Report, SourceReport
from kubectl_extsvc.model.resolution import Resolution, ResolutionUnknown
from kubectl_extsvc.model.resources import ObjectRef
from kubectl_extsvc.model.route import EnvoyEndpoint, OutboundTls, Route, RouteUnknown, RuleDecision, TlsInEffect
from kubectl_extsvc.output.report_text import alias_lines, footer_lines, joined, port_text, source_text
from kubectl_extsvc.output.rows import Row, lines_of, milliseconds, spoken
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
        lines += lines_of(_source_rows(source, report.alias.namespace, at), style)
    return lines


def _alias_rows(alias: Alias) -> list[Row]:
    rows = [Row("ports" if index == 0 else "", port_text(port)) for index, port in enumerate(alias.ports)]
    if isinstance(alias.target, AddressTarget):
        rows.append(Row("addresses", ", ".join(alias.target.addresses) or "none"))
        rows.append(Row("clusterIP", ", ".join(alias.cluster_ips) or ("None" if alias.headless else "unknown")))
    rows.append(Row("managed", "by kubectl-extsvc" if alias.managed else "not by kubectl-extsvc"))
    return rows


def _source_rows(report: SourceReport, namespace: str, at: str) -> list[Row]:
    """How the name leads to an address, then each leg of the way, and last what became of headers."""
    observation = report.observation
    contract, route = observation.contract, observation.route
    speaks = f"{contract.scheme} to {contract.host}" if contract.served else "nothing; the port is not meant for it"
    rows = [Row("container", observation.source.container)]
    rows.append(Row("contract", f"speaks {speaks}" + (f" ({contract.why})" if contract.why else "")))
    rows += _resolution_rows(observation)
    if observation.outcomes:
        rows.append(Row("leg", f"application → {'server' if route is None else 'Envoy'} (observed)"))
    for outcome in observation.outcomes:
        rows += _outcome_rows(outcome, at)
    match route:
        case Route():
            rows += [Row("leg", f"Envoy → server ({_how_known(route)})"), *_route_rows(route, namespace)]
        case RouteUnknown(reason):
            rows += [Row("leg", "Envoy → server (not observed)"), Row("listener", f"unknown: {reason}")]
        case None:
            pass
    rows += _computed_rows(observation)
    if observation.decision:
        rows += _decision_rows(observation.decision, namespace)
    if observation.access_log:
        rows.append(Row("accesslog", f"{_access_log_text(observation.access_log)} (observed by Envoy)"))
    return rows + _header_rows(observation.route, observation.answer)


def _how_known(route: Route) -> str:
    return "configured: read from the proxy" if route.observed else "computed from the objects"


def _computed_rows(observation: Observation) -> list[Row]:
    """Where the proxy has another way than istiod makes of the objects, as they are now."""
    route, computed = observation.route, observation.computed
    if not isinstance(route, Route) or not isinstance(computed, Route) or not route.observed:
        return []
    same = (route.envoy_cluster, route.tls) == (computed.envoy_cluster, computed.tls)
    words = f"{computed.envoy_cluster or 'none'} · {_tls_text(computed.tls)}"
    return [Row("computed", "the same from the objects" if same else f"otherwise from the objects: {words}")]


# --- names -------------------------------------------------------------------------------------------------------


def _resolution_rows(observation: Observation) -> list[Row]:
    """The pod's resolver, and the way of each name that was looked up."""
    looked_up = (
        ("name", observation.resolution),
        ("short", observation.short_resolution),
        ("target", observation.target_resolution),
    )
    known = [way for _, way in looked_up if isinstance(way, Resolution)]
    rows = [Row("resolver", _resolver_text(known[0]))] if known else []
    for label, way in looked_up:
        match way:
            case Resolution():
                rows += [Row(label, _way_text(way)), *(Row("", f"  {_try_text(way, name)}") for name in way.tries)]
            case ResolutionUnknown(reason=reason):
                rows.append(Row(label, f"unknown: {reason}"))
            case None:
                pass
    return rows


def _resolver_text(way: Resolution) -> str:
    if not way.name_servers:
        return f"asked by {way.tool} (observed)"
    parts = [f"nameserver {', '.join(way.name_servers)}", f"search {' '.join(way.search) or 'nothing'}"]
    return " · ".join([*parts, f"ndots {way.ndots}", f"asked by {way.tool} (observed)"])


def _way_text(way: Resolution) -> str:
    leads = ", ".join(way.addresses) or "no address"
    if way.hosts_file:
        return f"{way.name} → {leads}, by the pod's /etc/hosts"
    place = f", {way.place}" if way.found else ""
    spent = f", {milliseconds(way.seconds)}" if way.seconds else ""
    return f"{way.name} → {leads}{place}{spent}"


def _try_text(way: Resolution, name: str) -> str:
    """What the name servers said of one name of the search list."""
    attempts = [attempt for attempt in way.attempts if attempt.name == name]
    cnames = max((attempt.cnames for attempt in attempts), key=len, default=())
    parts = [f"CNAME {' → '.join(cnames)}"] if cnames else []
    parts += [f"{attempt.record} {', '.join(attempt.addresses) or attempt.reply}" for attempt in attempts]
    return f"{name}  {' · '.join(parts)}"


# --- calls -------------------------------------------------------------------------------------------------------


def _outcome_rows(outcome: Outcome, at: str) -> list[Row]:
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
                *_handshake_rows(outcome.handshake, label, at),
            ]


def _answer_text(answer: Answer) -> str:
    parts = []
    if answer.status:
        parts.append(f"{answer.status}" + (f" HTTP/{answer.http_version}" if answer.http_version else ""))
    if answer.exit_code:
        parts.append(f"exit {answer.exit_code}" + (f" {answer.error}" if answer.error else ""))
    if answer.remote_ip:
        parts.append(f"connected to {_endpoint_text(answer.remote_ip, answer.remote_port)}")
    if answer.first_words:
        parts.append(f"the server speaks first: {answer.first_words}")
    return ", ".join(parts) or "connected"


def _handshake_rows(handshake: Handshake | None, label: str, at: str) -> list[Row]:
    if handshake is None:
        return []
    parts = [f"SNI {handshake.sni}" if handshake.sni else "no SNI", handshake.version]
    parts += [f"ALPN {handshake.alpn}" if handshake.alpn else "", _TRUST[handshake.trust]]
    rows = [Row("handshake" if label else "", " · ".join(part for part in parts if part))]
    for place, certificate in enumerate(handshake.certificates):
        names = f" · names {', '.join(certificate.names)}" if certificate.names else ""
        by = f"{certificate.subject or 'no subject'}, issued by {certificate.issuer}"
        rows.append(Row("chain" if label and not place else "", f"{by}{names} · valid {_validity(certificate, at)}"))
    return rows


_TRUST = {
    Trust.TRUSTED: "the pod's bundle trusts the chain",
    Trust.UNTRUSTED: "the pod's bundle does NOT trust the chain",
    Trust.NOT_CHECKED: "chain not checked",
}


def _validity(certificate: Certificate, at: str) -> str:
    """Both days and, where the report says when it was made, how many whole days are left."""
    span = f"{certificate.not_before[:10] or '?'} to {certificate.not_after[:10] or '?'}"
    try:
        left = (datetime.fromisoformat(certificate.not_after) - datetime.fromisoformat(at)).days
    except ValueError:
        return span
    return f"{span} ({f'{left} days left' if left >= 0 else 'EXPIRED'})"


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
