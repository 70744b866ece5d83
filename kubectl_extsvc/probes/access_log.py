"""Envoy's access log: why the proxy answered a probe as it did.

Our probes carry no header of their own (an application's call must stay as it is), so a line is found by what it says
of the request, newest first, and not by a request id.
Formats: Istio pilot/pkg/model/telemetry_logging.go, EnvoyTextLogFormat and EnvoyJSONLogFormatIstio.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from kubectl_extsvc.model.hostile_text import one_line
from kubectl_extsvc.model.observation import AccessLogLine
from kubectl_extsvc.model.probe import Answer, Scheme

_LINE = re.compile(
    r"""\[(?P<start_time>[^\]]{1,40})\][ ]
    "(?P<method>\S+)[ ](?P<path>\S*)[ ](?P<protocol>\S+)"[ ]
    (?P<response_code>\d+)[ ](?P<response_flags>\S+)[ ](?P<response_code_details>\S+)[ ]
    (?P<connection_termination_details>\S+)[ ]
    "(?P<upstream_transport_failure_reason>[^"]*)"[ ]
    (?P<bytes_received>\S+)[ ](?P<bytes_sent>\S+)[ ](?P<duration>\S+)[ ](?P<service_time>\S+)[ ]
    "(?P<forwarded_for>[^"]*)"[ ]"(?P<user_agent>[^"]*)"[ ]"(?P<request_id>[^"]*)"[ ]
    "(?P<authority>[^"]*)"[ ]"(?P<upstream_host>[^"]*)"[ ]
    (?P<upstream_cluster>\S+)[ ](?P<upstream_local_address>\S+)[ ]
    (?P<downstream_local_address>\S+)[ ](?P<downstream_remote_address>\S+)[ ]
    (?P<requested_server_name>\S+)[ ](?P<route_name>\S+)""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class AccessLogEntry:
    """One line of the log: what it says of the request, and of its fate."""

    start_time: str
    """RFC 3339, as the proxy's clock had it when the request came."""
    method: str
    """"" for TCP."""
    path: str
    authority: str
    """After the proxy's rewrites."""
    status: int
    original_destination: str
    """ADDRESS:PORT that the client dialled."""
    server_name: str
    """SNI, "" if there was none."""
    line: AccessLogLine


def access_log_entries(text: str) -> tuple[AccessLogEntry, ...]:
    """The access log lines among what a proxy logged, in order. Other lines are passed over."""
    entries = (_entry(line) for line in text.splitlines())
    return tuple(entry for entry in entries if entry is not None)


def line_about(answer: Answer, entries: Iterable[AccessLogEntry], since: str = "") -> AccessLogLine | None:
    """What the proxy logged about the transfer that got this answer; None if no line can be it.

    The newest line counts. since is RFC 3339 in UTC: lines that began earlier are about something else.
    """
    # Without the final Z, so that 10:00:00.5 comes after 10:00:00.
    earliest = since.removesuffix("Z")
    candidates = [entry for entry in entries if entry.start_time >= earliest and _fits(answer, entry)]
    # A VirtualService may have rewritten the authority, so that only the address that was dialled tells.
    by_name = [entry for entry in candidates if entry.method and entry.authority == _authority(answer)]
    by_address = [entry for entry in candidates if entry.original_destination == _dialled(answer)]
    # curl 8 does not tell the address if the handshake failed.
    by_sni = [entry for entry in candidates if not answer.remote_ip and entry.server_name]
    chosen = by_name or by_address or by_sni
    return max(chosen, key=lambda entry: entry.start_time).line if chosen else None


def _fits(answer: Answer, entry: AccessLogEntry) -> bool:
    transfer = answer.transfer
    if transfer.scheme is not Scheme.HTTP or not entry.method:
        # As the proxy sees it, TLS and bare connections are TCP; so is HTTP on a port that it does not know as HTTP.
        server_name = transfer.host if transfer.scheme is Scheme.HTTPS else ""
        return not entry.method and (not entry.server_name or entry.server_name == server_name)
    # The client may have given up before the proxy had a status.
    same_status = not answer.status or answer.status == entry.status
    return entry.method == transfer.method and entry.path == transfer.path.partition("#")[0] and same_status


def _authority(answer: Answer) -> str:
    transfer = answer.transfer
    given = next((value for name, value in transfer.headers if name.lower() == "host"), "")
    host = f"[{transfer.host}]" if ":" in transfer.host else transfer.host
    return given or (host if transfer.port == 80 else f"{host}:{transfer.port}")


def _dialled(answer: Answer) -> str:
    host = f"[{answer.remote_ip}]" if ":" in answer.remote_ip else answer.remote_ip
    return f"{host}:{answer.remote_port}" if answer.remote_ip else ""


def _entry(line: str) -> AccessLogEntry | None:
    fields = _json_fields(line) if line.lstrip().startswith("{") else _text_fields(line)
    if fields is None:
        return None
    status = fields.get("response_code", "")
    flags = fields.get("response_flags", "")
    return AccessLogEntry(
        start_time=fields.get("start_time", ""),
        method=fields.get("method", ""),
        path=fields.get("path", ""),
        authority=fields.get("authority", ""),
        status=int(status) if re.fullmatch(r"\d{1,4}", status, re.ASCII) else 0,
        original_destination=fields.get("downstream_local_address", ""),
        server_name=fields.get("requested_server_name", ""),
        line=AccessLogLine(
            flags=frozenset(one_line(flag, 40) for flag in flags.split(",") if flag),
            details=one_line(fields.get("response_code_details", ""), 400),
            transport_failure=one_line(fields.get("upstream_transport_failure_reason", ""), 400),
            upstream_host=one_line(fields.get("upstream_host", ""), 100),
            envoy_cluster=one_line(fields.get("upstream_cluster", ""), 400),
        ),
    )


def _text_fields(line: str) -> dict[str, str] | None:
    found = _LINE.match(line)
    if found is None:
        return None
    return {name: "" if value == "-" else value for name, value in found.groupdict().items()}


def _json_fields(line: str) -> dict[str, str] | None:
    try:
        raw = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(raw, dict) or "response_flags" not in raw or "start_time" not in raw:
        return None
    # null stands where the text format has "-".
    words = {name: str(value) for name, value in raw.items() if isinstance(value, str | int)}
    return {name: "" if value == "-" else value for name, value in words.items()}
