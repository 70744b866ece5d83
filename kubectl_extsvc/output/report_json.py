"""A report as a document for scripts; its form is promised by schema/report.v1alpha1.json.

Every member is always there: null is "none" or "not known", never left out. Times are seconds.
Values of request headers are not in it, since --header may carry a credential.
"""

import json

from kubectl_extsvc.model.alias import AddressTarget, Alias, AliasPort
from kubectl_extsvc.model.finding import Finding, Skipped
from kubectl_extsvc.model.observation import AccessLogLine, Contract, StageResult
from kubectl_extsvc.model.probe import Answer, Handshake, NoAnswer, Outcome, Transfer
from kubectl_extsvc.model.report import AliasReport, Report, SourceReport
from kubectl_extsvc.model.resolution import Attempt, Resolution, ResolutionUnknown
from kubectl_extsvc.model.resources import Json, ObjectRef
from kubectl_extsvc.model.route import EnvoyEndpoint, Route, RouteUnknown, RuleDecision, TlsInEffect
from kubectl_extsvc.model.snapshot import Mesh, Unread
from kubectl_extsvc.output.style import Style
from kubectl_extsvc.output.summary import summary

API_VERSION = "extsvc.dev/v1alpha1"


def report_json(report: Report, style: Style) -> str:
    return to_json(report_document(report))


def to_json(document: Json) -> str:
    """Indented as kubectl does; ASCII only, so that nothing from outside reaches a terminal but as an escape."""
    return json.dumps(document, indent=4, ensure_ascii=True, allow_nan=False) + "\n"


def report_document(report: Report) -> Json:
    numbers = summary(report)
    return {
        "apiVersion": API_VERSION,
        "kind": "Report",
        "incomplete": report.incomplete,
        "worstSeverity": report.worst(),
        "at": report.at or None,
        "seconds": report.seconds,
        "summary": {
            "errors": numbers.errors,
            "warnings": numbers.warnings,
            "infos": numbers.infos,
            "passed": numbers.passed,
            "skipped": numbers.skipped,
            "broken": numbers.broken,
        },
        "mesh": _mesh(report.mesh),
        "aliases": [_alias_report(alias) for alias in report.aliases],
        "unread": [_unread(unread) for unread in report.unread],
        "notes": list(report.notes),
    }


def alias_document(alias: Alias, tls: str) -> Json:
    """An alias as `list` and a report tell it; tls is the mode and who decided it, in words."""
    addresses = alias.target.addresses if isinstance(alias.target, AddressTarget) else ()
    return {
        "namespace": alias.namespace,
        "name": alias.name,
        "form": alias.form,
        "target": {"host": alias.host or None, "addresses": list(addresses)},
        "ports": [_port(port) for port in alias.ports],
        "externalName": alias.external_name_raw or None,
        "clusterIPs": list(alias.cluster_ips),
        "headless": alias.headless,
        "managed": alias.managed,
        "endpointSlices": [_ref(reference) for reference in alias.slices],
        "createdAt": alias.created_at or None,
        "uid": alias.uid or None,
        "tls": tls or None,
    }


def _alias_report(report: AliasReport) -> Json:
    judgement = report.judgement
    return alias_document(report.alias, report.tls) | {
        "firstDifference": report.first_difference,
        "sources": [_source(source) for source in report.sources],
        "findings": [finding_json(finding) for finding in judgement.findings],
        "passed": list(judgement.passed),
        "skipped": [_skipped(skipped) for skipped in judgement.skipped],
        "broken": [_skipped(broken) for broken in judgement.broken],
    }


def _source(report: SourceReport) -> Json:
    observation = report.observation
    source = observation.source
    route = observation.route
    return {
        "key": source.key,
        "namespace": source.namespace,
        "pod": source.pod,
        "container": source.container,
        "mode": source.mode,
        "port": _port(observation.port),
        "contract": _contract(observation.contract),
        "incomplete": report.incomplete,
        "stages": [_stage(result) for result in report.stages],
        "route": _route(route) if isinstance(route, Route) else None,
        "routeUnknown": route.reason if isinstance(route, RouteUnknown) else None,
        "computedRoute": _route(observation.computed) if isinstance(observation.computed, Route) else None,
        "decision": _decision(observation.decision) if observation.decision else None,
        "accessLog": _access_log(observation.access_log) if observation.access_log else None,
        "resolution": _resolution(observation.resolution),
        "shortResolution": _resolution(observation.short_resolution),
        "targetResolution": _resolution(observation.target_resolution),
        "outcomes": [_outcome(outcome) for outcome in observation.outcomes],
    }


def _port(port: AliasPort) -> Json:
    return {
        "name": port.name or None,
        "number": port.number,
        "targetPort": port.target_port,
        "protocol": port.protocol,
    }


def _contract(contract: Contract) -> Json:
    return {
        "served": contract.served,
        "scheme": contract.scheme,
        "host": contract.host,
        "originates": contract.originates,
        "why": contract.why or None,
    }


def _stage(result: StageResult) -> Json:
    return {"stage": result.stage, "state": result.state, "text": result.text}


def _route(route: Route) -> Json:
    return {
        "kind": route.kind,
        "listener": route.listener,
        "filterChain": route.filter_chain or None,
        "routeConfig": route.route_config or None,
        "virtualHost": route.virtual_host or None,
        "virtualService": _ref(route.virtual_service) if route.virtual_service else None,
        "hostRewrite": route.host_rewrite or None,
        "directResponse": route.direct_response or None,
        "envoyCluster": route.envoy_cluster or None,
        "clusterType": route.cluster_type or None,
        "clusterMissing": route.cluster_missing,
        "clusterWarming": route.cluster_warming,
        "passthrough": route.passthrough,
        "blocked": route.blocked,
        "endpoints": [_envoy_endpoint(endpoint) for endpoint in route.endpoints],
        "tls": _tls(route.tls),
        "destinationRule": _ref(route.rule) if route.rule else None,
        "requestHeadersAdded": list(route.request_headers_added),
        "responseHeadersChanged": list(route.response_headers_changed),
        "observed": route.observed,
    }


def _envoy_endpoint(endpoint: EnvoyEndpoint) -> Json:
    return {
        "address": endpoint.address,
        "port": endpoint.port,
        "healthy": endpoint.healthy,
        "meshTls": endpoint.mesh_tls,
    }


def _tls(tls: TlsInEffect) -> Json:
    return {
        "mode": tls.mode,
        "encrypts": tls.mode.encrypts,
        "sni": tls.sni or None,
        "autoSni": tls.auto_sni,
        "subjectAltNames": list(tls.subject_alt_names),
        "autoSanValidation": tls.auto_san_validation,
        "verifiesChain": tls.verifies_chain,
        "ca": tls.ca or None,
    }


def _decision(decision: RuleDecision) -> Json:
    return {
        "destinationRule": _ref(decision.rule) if decision.rule else None,
        "mode": decision.mode or None,
        "reason": decision.reason,
        "losers": [{"destinationRule": _ref(rule), "reason": reason} for rule, reason in decision.losers],
    }


def _access_log(line: AccessLogLine) -> Json:
    return {
        "flags": sorted(line.flags),
        "details": line.details or None,
        "transportFailure": line.transport_failure or None,
        "upstreamHost": line.upstream_host or None,
        "envoyCluster": line.envoy_cluster or None,
    }


def _outcome(outcome: Outcome) -> Json:
    """Either answer is an object and noAnswer null, or answer is null and noAnswer says why."""
    match outcome:
        case Answer():
            return {"transfer": _transfer(outcome.transfer), "answer": _answer(outcome), "noAnswer": None}
        case NoAnswer():
            return {"transfer": _transfer(outcome.transfer), "answer": None, "noAnswer": outcome.reason}


def _transfer(transfer: Transfer) -> Json:
    return {
        "id": transfer.id,
        "purpose": transfer.purpose,
        "scheme": transfer.scheme,
        "method": transfer.method,
        "url": transfer.url,
        "host": transfer.host,
        "port": transfer.port,
        "path": transfer.path,
        "headerNames": [name for name, _ in transfer.headers],
        "connectTo": transfer.connect_to or None,
        "connectPort": transfer.connect_port or None,
        "insecure": transfer.insecure,
    }


def _answer(answer: Answer) -> Json:
    return {
        "exitCode": answer.exit_code,
        "error": answer.error or None,
        "status": answer.status or None,
        "httpVersion": answer.http_version or None,
        "remoteIP": answer.remote_ip or None,
        "remotePort": answer.remote_port or None,
        "times": {
            "namelookup": answer.times.namelookup,
            "connect": answer.times.connect,
            "appconnect": answer.times.appconnect,
            "starttransfer": answer.times.starttransfer,
            "total": answer.times.total,
        },
        "headers": [{"name": name, "value": value} for name, value in answer.headers],
        "body": answer.body or None,
        "firstWords": answer.first_words or None,
        "handshake": _handshake(answer.handshake) if answer.handshake else None,
    }


def _handshake(handshake: Handshake) -> Json:
    return {
        "sni": handshake.sni or None,
        "trust": handshake.trust,
        "version": handshake.version or None,
        "alpn": handshake.alpn or None,
        "certificates": [
            {
                "subject": certificate.subject,
                "issuer": certificate.issuer,
                "names": list(certificate.names),
                "notBefore": certificate.not_before or None,
                "notAfter": certificate.not_after or None,
            }
            for certificate in handshake.certificates
        ],
    }


def _resolution(way: Resolution | ResolutionUnknown | None) -> Json | None:
    """Either unknown is null, or it says why all else is."""
    if way is None:
        return None
    known = way if isinstance(way, Resolution) else None
    return {
        "name": known.name if known else None,
        "tool": known.tool if known else None,
        "attempts": [_attempt(attempt) for attempt in known.attempts] if known else [],
        "addresses": list(known.addresses) if known else [],
        "nameServers": list(known.name_servers) if known else [],
        "search": list(known.search) if known else [],
        "ndots": known.ndots if known else None,
        "hostsFile": known.hosts_file if known else False,
        "unknown": way.reason if isinstance(way, ResolutionUnknown) else None,
    }


def _attempt(attempt: Attempt) -> Json:
    return {
        "name": attempt.name,
        "record": attempt.record,
        "reply": attempt.reply,
        "cnames": list(attempt.cnames),
        "addresses": list(attempt.addresses),
        "seconds": round(attempt.seconds, 6) or None,
    }


def finding_json(finding: Finding) -> Json:
    return {
        "code": finding.code,
        "severity": finding.severity,
        "stage": finding.stage,
        "subject": _ref(finding.subject),
        "message": finding.message,
        "evidence": list(finding.evidence),
        "cure": finding.cure or None,
        "sources": list(finding.sources),
        "ports": list(finding.ports),
    }


def _skipped(skipped: Skipped) -> Json:
    return {"code": skipped.code, "reason": skipped.reason, "unlock": skipped.unlock or None}


def _unread(unread: Unread) -> Json:
    return {"what": unread.what, "reason": unread.reason, "unlock": unread.unlock or None}


def _mesh(mesh: Mesh) -> Json:
    return {
        "installed": mesh.installed,
        "apiVersion": mesh.api_version or None,
        "version": f"{mesh.version[0]}.{mesh.version[1]}" if mesh.version else None,
        "rootNamespace": mesh.root_namespace,
    }


def _ref(reference: ObjectRef) -> Json:
    return {"kind": reference.kind, "namespace": reference.namespace, "name": reference.name}
