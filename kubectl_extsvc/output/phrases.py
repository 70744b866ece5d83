"""What one source saw, in words: a phrase for each fact, the same in every drawing. Not cleaned."""

from datetime import datetime

from kubectl_extsvc.model.observation import AccessLogLine
from kubectl_extsvc.model.probe import Answer, Certificate, Times, Trust
from kubectl_extsvc.model.resolution import Resolution
from kubectl_extsvc.model.resources import ObjectRef
from kubectl_extsvc.model.route import EnvoyEndpoint, OutboundTls, Route, TlsInEffect
from kubectl_extsvc.output.rows import milliseconds


def how_known(route: Route) -> str:
    return "configured: read from the proxy" if route.observed else "computed from the objects"


def resolver_text(way: Resolution) -> str:
    if not way.name_servers:
        return f"asked by {way.tool} (observed)"
    parts = [f"nameserver {', '.join(way.name_servers)}", f"search {' '.join(way.search) or 'nothing'}"]
    return " · ".join([*parts, f"ndots {way.ndots}", f"asked by {way.tool} (observed)"])


def way_text(way: Resolution) -> str:
    leads = ", ".join(way.addresses) or "no address"
    if way.hosts_file:
        return f"{way.name} → {leads}, by the pod's /etc/hosts"
    place = f", {way.place}" if way.found else ""
    spent = f", {milliseconds(way.seconds)}" if way.seconds else ""
    return f"{way.name} → {leads}{place}{spent}"


def try_text(way: Resolution, name: str) -> str:
    """What the name servers said of one name of the search list."""
    attempts = [attempt for attempt in way.attempts if attempt.name == name]
    cnames = max((attempt.cnames for attempt in attempts), key=len, default=())
    parts = [f"CNAME {' → '.join(cnames)}"] if cnames else []
    parts += [f"{attempt.record} {', '.join(attempt.addresses) or attempt.reply}" for attempt in attempts]
    return f"{name}  {' · '.join(parts)}"


def answer_text(answer: Answer) -> str:
    parts = []
    if answer.status:
        parts.append(f"{answer.status}" + (f" HTTP/{answer.http_version}" if answer.http_version else ""))
    if answer.exit_code:
        parts.append(f"exit {answer.exit_code}" + (f" {answer.error}" if answer.error else ""))
    if answer.remote_ip:
        parts.append(f"connected to {endpoint_text(answer.remote_ip, answer.remote_port)}")
    if answer.first_words:
        parts.append(f"the server speaks first: {answer.first_words}")
    return ", ".join(parts) or "connected"


def validity(certificate: Certificate, at: str) -> str:
    """Both days and, where the report says when it was made, how many whole days are left."""
    span = f"{certificate.not_before[:10] or '?'} to {certificate.not_after[:10] or '?'}"
    try:
        left = days_left(certificate, datetime.fromisoformat(at))
    except ValueError:
        return span
    return f"{span} ({left_text(left)})" if left is not None else span


def days_left(certificate: Certificate, now: datetime) -> int | None:
    """Whole days, negative once it has expired; None if it does not say. now has a time zone."""
    try:
        return (datetime.fromisoformat(certificate.not_after) - now).days
    except (ValueError, TypeError):
        return None


def left_text(days: int) -> str:
    return "EXPIRED" if days < 0 else "1 day left" if days == 1 else f"{days} days left"


def phases(times: Times) -> tuple[tuple[str, float | None], ...]:
    """Seconds of each phase by itself, None where it was not reached; curl counts all of them from the start."""
    ends = (
        ("name", times.namelookup),
        ("connect", times.connect),
        ("tls", times.appconnect),
        ("first byte", times.starttransfer),
        ("rest", times.total),
    )
    found: list[tuple[str, float | None]] = []
    start = 0.0
    for phase, end in ends:
        found.append((phase, max(end - start, 0.0) if end > 0.0 else None))
        start = end if end > 0.0 else start
    return tuple(found)


def times_text(times: Times) -> str:
    parts = [f"{phase} {'–' if spent is None else milliseconds(spent)}" for phase, spent in phases(times)]
    return " · ".join([*parts, f"total {milliseconds(times.total)}"])


def envoy_endpoint_text(endpoint: EnvoyEndpoint) -> str:
    words = [endpoint_text(endpoint.address, endpoint.port), "healthy" if endpoint.healthy else "UNHEALTHY"]
    if endpoint.mesh_tls:
        words.append("takes mesh TLS")
    return " · ".join(words)


def tls_text(tls: TlsInEffect) -> str:
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


def access_log_text(line: AccessLogLine) -> str:
    parts = (
        ",".join(sorted(line.flags)) or "-",
        line.details,
        line.transport_failure,
        line.upstream_host and f"upstream {line.upstream_host}",
        line.envoy_cluster,
    )
    return " · ".join(part for part in parts if part)


def endpoint_text(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def ref_text(reference: ObjectRef, namespace: str) -> str:
    """destinationrule/my-pay; with its namespace where that is not the alias's."""
    return str(reference) if reference.namespace == namespace else f"{reference}.{reference.namespace}"


NO_CERTIFICATES = "certificates not checked: nothing here shows them (curl 7.88, python3 and openssl do)"

TRUST_WORDS = {
    Trust.TRUSTED: "the pod's bundle trusts the chain",
    Trust.UNTRUSTED: "the pod's bundle does NOT trust the chain",
    Trust.NOT_CHECKED: "chain not checked",
}
