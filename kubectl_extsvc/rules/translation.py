"""What an answer means: the stage at which a request ended, said alike for sources with and without sidecar.

Behind a sidecar a TCP connect is to Envoy, so that the same dead endpoint looks like `curl 7` from a plain pod, and
like a 503, a reset or an empty reply from a pod with sidecar. All rules, the stages and Δ speak of `Failure`, never of
raw codes.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from kubectl_extsvc.model.alias import Form
from kubectl_extsvc.model.observation import AccessLogLine, Case, Observation, Stage
from kubectl_extsvc.model.probe import Answer, Purpose, Scheme
from kubectl_extsvc.model.route import Route, RouteKind
from kubectl_extsvc.model.source import MeshMode
from kubectl_extsvc.rules.tls_words import TlsTrouble, library_reason, trouble_in, trouble_of


class FailureKind(StrEnum):
    """Why a request ended where it ended."""

    NAME_UNKNOWN = "the name does not resolve"
    NAME_ELSEWHERE = "the name leads past the Service"
    REFUSED = "the connection is refused"
    SILENT = "no connection within the time given"
    CLOSED = "the connection is closed before an answer"
    NO_ENDPOINT = "the proxy has no healthy endpoint"
    BLOCKED = "the proxy lets nothing out to this destination"
    NO_CLUSTER = "the proxy has no cluster for the route"
    ENVOY_ANSWERS = "the proxy answers by itself"
    CLIENT_CERTIFICATE = "the client refuses the certificate"
    CLIENT_TLS = "the TLS handshake of the client fails"
    PROXY_TLS = "the TLS handshake of the proxy fails"
    NO_RESPONSE = "the origin accepts the connection and does not answer"
    NOT_HTTP = "the origin answers in another protocol"
    STATUS = "the status is not the one expected"
    PROXY_ERROR = "the proxy gives the request up"
    BODY = "the body does not match"


STAGE_OF: dict[FailureKind, Stage] = {
    FailureKind.NAME_UNKNOWN: Stage.NAME,
    FailureKind.NAME_ELSEWHERE: Stage.DNS,
    FailureKind.REFUSED: Stage.ENDPOINTS,
    FailureKind.SILENT: Stage.ENDPOINTS,
    FailureKind.CLOSED: Stage.ENDPOINTS,
    FailureKind.NO_ENDPOINT: Stage.ENDPOINTS,
    FailureKind.BLOCKED: Stage.ROUTE,
    FailureKind.NO_CLUSTER: Stage.ROUTE,
    FailureKind.ENVOY_ANSWERS: Stage.ROUTE,
    FailureKind.CLIENT_CERTIFICATE: Stage.TLS,
    FailureKind.CLIENT_TLS: Stage.TLS,
    FailureKind.PROXY_TLS: Stage.TLS,
    FailureKind.NO_RESPONSE: Stage.HTTP,
    FailureKind.NOT_HTTP: Stage.HTTP,
    FailureKind.STATUS: Stage.HTTP,
    FailureKind.PROXY_ERROR: Stage.HTTP,
    FailureKind.BODY: Stage.HTTP,
}


@dataclass(frozen=True, slots=True)
class Failure:
    kind: FailureKind
    seen: str
    """The raw signs, for a person: `503 URX,UF TLSV1_ALERT_UNRECOGNIZED_NAME`, `curl 7: Failed to connect`."""
    tls_reason: str = ""
    """BoringSSL's or OpenSSL's word in capitals, CERTIFICATE_VERIFY_FAILED; "" if none is known."""
    guess: bool = False
    """Other causes give the same signs, and what would tell them apart was not observed."""
    trouble: TlsTrouble = TlsTrouble.UNKNOWN
    """Of a TLS failure: what the two sides did not agree about."""
    flag: str = ""
    """Of a response that Envoy made: its response flag that says why, UT, UO, UC …; "" if none is known."""

    @property
    def stage(self) -> Stage:
        return STAGE_OF[self.kind]


# Lengths of Envoy's own bodies, which stand in for a body that was not asked for (source/common/router/router.cc,
# http/utility.cc; seen on Istio 1.31 and with Envoy 1.40).
NO_BODY = "0"  # NC cluster_not_found; direct_response without body
NO_HEALTHY_UPSTREAM = "19"  # UH "no healthy upstream"
FAULT_ABORT = "18"  # FI "fault filter abort"
REQUEST_TIMEOUT = "24"  # UT "upstream request timeout"

RESET = "upstream connect error or disconnect/reset before headers. {}reset reason: {}"
RETRIED = "retried and the latest "
RESET_REASONS = {
    "overflow": "UO",
    "connection termination": "UC",
    "protocol error": "UPE",
    "remote reset": "UR",
    "local reset": "LR",
    "remote connection failure": "UF",
    "local connection failure": "UF",
    "connection timeout": "UF",
}
"""What ends the body of a request that was reset → the flag in the log (utility.cc resetReasonToString)."""

FLAG_OF_LENGTH = {
    NO_HEALTHY_UPSTREAM: "UH",
    FAULT_ABORT: "FI",
    REQUEST_TIMEOUT: "UT",
    **{
        str(len(RESET.format(words, reason))): flag for reason, flag in RESET_REASONS.items() for words in ("", RETRIED)
    },
}
"""Body length → the flag that it stands for, where there is no log."""

TELLING_FLAGS = ("NC", "NR", "FI", "DI", "UH", "UO", "UT", "UC", "UPE", "UR", "LR", "DF", "UF", "URX", "DC")
"""Flags from the one that says most to the one that says least: a retried failure has URX beside its cause."""

TIMED_OUT = tuple(str(len(RESET.format(again, "connection timeout"))) for again in ("", RETRIED))

ENVOY_CONNECT_TIMEOUT = 10.0
"""Seconds; meshConfig.connectTimeout's default. A refusal never takes so long."""

RESET_EXITS = (55, 56)
"""curl's, for a connection that is reset while it sends or receives."""

NOT_HTTP_EXITS = (1, 8)
"""curl's, where something answered: HTTP/0.9, or what cannot be understood."""


def made_by_envoy(answer: Answer, route: Route | None, log: AccessLogLine | None) -> bool:
    """Did the sidecar write this response itself, rather than pass on the origin's?

    In order: the access log's response code details; whether Envoy can read this response at all (not inside the
    client's own TLS, not on a TCP route); then the headers. Envoy overwrites `server` in every response and puts
    `x-envoy-upstream-service-time` only on those that came from an upstream (seen on Istio 1.31 for UH, UF, NC and
    block_all). With `proxyHeaders.envoyDebugHeaders.disabled` the second header is never there: then only a length
    that is one of Envoy's own bodies counts.
    """
    if log is not None and log.details:
        return log.details != "via_upstream"
    if answer.transfer.scheme is not Scheme.HTTP or (route is not None and route.kind is RouteKind.TCP):
        return False
    if answer.header("x-envoy-upstream-service-time") is not None:
        return False
    if answer.header("server") not in ("envoy", "istio-envoy"):
        return False
    changed = route.response_headers_changed if route is not None else ()
    if changed and "x-envoy-upstream-service-time" not in changed:
        length = answer.header("content-length") or ""
        return answer.status >= 400 and (length == NO_BODY or length in FLAG_OF_LENGTH)
    return True


def envoys_flag(answer: Answer, log: AccessLogLine | None) -> str:
    """The response flag that says most about a response of Envoy's own; "" if neither log nor body tell."""
    if log is not None:
        return next((flag for flag in TELLING_FLAGS if flag in log.flags), "")
    return FLAG_OF_LENGTH.get(answer.header("content-length") or "", "")


def is_expected(status: int, case: Case) -> bool:
    return status in case.expect_status if case.expect_status else status < 500


def failure_of(observation: Observation, case: Case) -> Failure | None:
    """Where and why the call of the alias ended; None if it went well, was not answered for, or is not to be served."""
    answer = observation.answer
    if answer is None or not observation.contract.served:
        return None
    if (elsewhere := led_elsewhere(answer, case)) is not None:
        return elsewhere
    if observation.source.mode is MeshMode.SIDECAR:
        return _behind_sidecar(answer, observation, case)
    return _direct(answer, case)


def led_elsewhere(answer: Answer, case: Case) -> Failure | None:
    """The call went to an address that is not the Service's, whatever came of it; None if it did not.

    Not to be told of an alias without addresses of its own: of a CNAME, each lookup may give others.
    """
    alias, dialled = case.alias, answer.remote_ip
    if not dialled or not alias.cluster_ips or dialled in alias.cluster_ips:
        return None
    return Failure(FailureKind.NAME_ELSEWHERE, f"{dialled}, not {' or '.join(alias.cluster_ips)}")


def _direct(answer: Answer, case: Case) -> Failure | None:
    """Nothing of ours between the client and what it calls."""
    seen = _curl_words(answer)
    if only_name_is_wrong(answer, case):
        return None
    match answer.exit_code:
        case 0:
            return _http(answer, None, case)
        case 6:
            return Failure(FailureKind.NAME_UNKNOWN, seen)
        case 7:
            return Failure(FailureKind.REFUSED, seen)
        case 51 | 60:
            return Failure(
                FailureKind.CLIENT_CERTIFICATE, seen, library_reason(answer.error), trouble=trouble_of(answer)
            )
        case 28 if answer.times.namelookup <= 0:
            return Failure(FailureKind.NAME_UNKNOWN, seen)
        case 28 if answer.times.connect <= 0:
            return Failure(FailureKind.SILENT, seen)
        case code if not answer.connected and code not in (35, 52, 55, 56):
            return Failure(FailureKind.REFUSED, seen, guess=True)
    if answer.exit_code == 35 or _in_handshake(answer) or _refused_after_handshake(answer):
        return Failure(FailureKind.CLIENT_TLS, seen, library_reason(answer.error), trouble=trouble_of(answer))
    version = answer.handshake.version if answer.handshake is not None else ""
    if version == "TLSv1.3" and answer.exit_code in RESET_EXITS and not answer.status:
        # With TLS 1.3 so does a server that wants a client certificate; its reset may outrun its alert.
        return Failure(FailureKind.CLIENT_TLS, seen, guess=True, trouble=TlsTrouble.CLIENT_CERTIFICATE)
    if answer.exit_code in RESET_EXITS and not answer.status and _others_want_a_certificate(answer, case):
        return Failure(FailureKind.CLIENT_TLS, seen, trouble=TlsTrouble.CLIENT_CERTIFICATE)
    if answer.exit_code in NOT_HTTP_EXITS:
        return Failure(FailureKind.NOT_HTTP, seen)
    return Failure(FailureKind.NO_RESPONSE, seen)


def _others_want_a_certificate(answer: Answer, case: Case) -> bool:
    """Did another call of the port come to hear that a client certificate is wanted? Whether the server's alert or its
    reset arrives first is chance."""
    calls = (o.answer for o in case.observations if o.port.number == answer.transfer.port and o.answer is not None)
    return answer.transfer.scheme is Scheme.HTTPS and any(
        call.exit_code != 0 and trouble_of(call) is TlsTrouble.CLIENT_CERTIFICATE for call in calls
    )


def only_name_is_wrong(answer: Answer, case: Case) -> bool:
    """A TLS server that answers, but not to the alias's own name, where no better name is known to ask for.

    Nobody can have the alias's name in a certificate, so this says nothing against an alias of bare addresses.
    """
    if case.alias.host or case.alias.form is not Form.ENDPOINTS or answer.transfer.scheme is not Scheme.HTTPS:
        return False
    refused_name = answer.exit_code == 35 and trouble_in(answer.error) is TlsTrouble.SNI
    return refused_name or answer.exit_code in (51, 60)


def _behind_sidecar(answer: Answer, observation: Observation, case: Case) -> Failure | None:
    route = observation.route if isinstance(observation.route, Route) else None
    log = observation.access_log
    if answer.exit_code == 0:
        if answer.transfer.scheme is Scheme.TCP and route is not None and route.blocked:
            return Failure(FailureKind.BLOCKED, "the proxy accepts the connection, and leads it nowhere")
        if answer.status and made_by_envoy(answer, route, log):
            return _envoys_own(answer, observation, case)
        return _http(answer, log, case)
    if _refused_after_handshake(answer) or (answer.exit_code in (52, 55, 56) and answer.times.appconnect > 0):
        return _direct(answer, case)  # the client's own TLS stood: it was not Envoy that closed
    if answer.exit_code in (52, 55, 56) or (answer.exit_code == 35 and _is_closed(answer.error)):
        return _closed_by_sidecar(answer, observation, case)
    if answer.exit_code == 28 and answer.times.namelookup > 0 and answer.connected:
        return _silent_behind_sidecar(answer, observation, case)
    return _direct(answer, case)


def _http(answer: Answer, log: AccessLogLine | None, case: Case) -> Failure | None:
    """The origin answered; is it what was asked for?"""
    if answer.transfer.scheme is Scheme.TCP:
        return None
    if not is_expected(answer.status, case):
        return Failure(FailureKind.STATUS, _http_words(answer, log))
    if case.expect_body and answer.transfer.want_body and re.search(case.expect_body, answer.body) is None:
        return Failure(FailureKind.BODY, _http_words(answer, log))
    return None


def _envoys_own(answer: Answer, observation: Observation, case: Case) -> Failure | None:
    """Envoy wrote the response: its flags say why; without an access log, its body's words and length."""
    route = observation.route if isinstance(observation.route, Route) else None
    log = observation.access_log
    flag = envoys_flag(answer, log)
    empty = answer.header("content-length") == NO_BODY
    seen = _http_words(answer, log)
    read = route is not None and route.observed
    blocks = (route is not None and route.blocked) or (not read and answer.status == 502 and empty)
    if answer.status == 502 and blocks:
        return Failure(FailureKind.BLOCKED, seen, guess=not read and log is None)
    if _finds_no_route(route, answer) and answer.status not in case.expect_status:
        return Failure(FailureKind.ENVOY_ANSWERS, seen, flag="NR")
    if route is not None and route.direct_response == answer.status:
        return Failure(FailureKind.ENVOY_ANSWERS, seen) if not is_expected(answer.status, case) else None
    if flag == "NC" or (answer.status == 503 and ((route and route.cluster_missing) or (not log and empty))):
        return Failure(FailureKind.NO_CLUSTER, seen, flag="NC")
    unrouted = answer.status == 404 and (route is None or not route.envoy_cluster)
    if flag in ("FI", "DI", "NR") or (not log and unrouted):
        return Failure(FailureKind.ENVOY_ANSWERS, seen, flag=flag or "NR")
    if answer.status == 503:
        return _no_upstream(answer, flag, observation, case)
    if is_expected(answer.status, case):
        return None
    if flag == "UT" and dead_for_plain(observation, case):
        return Failure(FailureKind.SILENT, seen)  # a timeout shorter than it takes to see that nobody is there
    return Failure(FailureKind.NOT_HTTP if flag == "UPE" else FailureKind.PROXY_ERROR, seen, flag=flag)


def _finds_no_route(route: Route | None, answer: Answer) -> bool:
    """Envoy's 404 where no virtual host, or none of its routes, matches: nobody asked for that answer."""
    return route is not None and route.direct_response == answer.status == 404 and route.virtual_service is None


def _no_upstream(answer: Answer, flag: str, observation: Observation, case: Case) -> Failure:
    """Envoy's 503 for want of a connection to an endpoint: none there (UH), none made (UF), or one lost (UC)."""
    log = observation.access_log
    seen = _http_words(answer, log)
    if flag == "UH" or answer.body == "no healthy upstream":
        return Failure(FailureKind.NO_ENDPOINT, seen)
    transport = transport_failure(answer, log)
    if "NO_APPLICATION_PROTOCOL" in transport:
        # The proxy offers the port's protocol alone in ALPN, and the server does not have it.
        return Failure(FailureKind.NOT_HTTP, seen, library_reason(transport), flag="UPE")
    if "TLS_error" in transport or "CERTIFICATE_VERIFY_FAILED" in transport:
        return Failure(FailureKind.PROXY_TLS, seen, library_reason(transport), trouble=trouble_in(transport))
    if "delayed_connect_error" in transport or "onnection_refused" in transport:
        return Failure(FailureKind.REFUSED, seen)
    if flag in ("UO", "LR", "DF"):
        return Failure(FailureKind.PROXY_ERROR, seen, flag=flag)
    if flag in ("UC", "UR"):
        return _broken_off(seen, flag, observation, case)
    timed_out = "connection_timeout" in (log.details if log else "") or answer.header("content-length") in TIMED_OUT
    if timed_out or answer.times.total >= ENVOY_CONNECT_TIMEOUT:
        return _hanging_tls(seen, observation, case) or Failure(FailureKind.SILENT, seen)
    if dead_for_plain(observation, case):
        return Failure(FailureKind.REFUSED, seen)
    if _adds_tls(observation):
        return Failure(FailureKind.PROXY_TLS, seen, guess=True, trouble=_witnessed_trouble(observation, case))
    return Failure(FailureKind.REFUSED, seen, guess=True)


def _broken_off(seen: str, flag: str, observation: Observation, case: Case) -> Failure:
    """The connection stood, and the origin ended it before an answer.

    Inside the proxy's TLS that is how a server of TLS 1.3 refuses a client without certificate: its handshake is
    over by then, and Envoy tells nothing of the alert (Envoy 1.40: 503 UC). A server that answered a client without
    certificate is no such server.
    """
    if not _adds_tls(observation):
        return Failure(FailureKind.NO_RESPONSE, seen, flag=flag)
    answers = tls_to_addresses(observation, case)
    if any(answer.status for answer in answers):
        return Failure(FailureKind.NO_RESPONSE, seen, flag=flag)
    told = any(trouble_of(answer) is TlsTrouble.CLIENT_CERTIFICATE for answer in answers)
    trouble = TlsTrouble.CLIENT_CERTIFICATE
    return Failure(FailureKind.PROXY_TLS, seen, guess=not told, trouble=trouble, flag=flag)


def _hanging_tls(seen: str, observation: Observation, case: Case) -> Failure | None:
    """The endpoint is there and does not answer TLS, as a client of its address found: it waits for plain words.

    None if no TLS is added, or if nobody tried: the endpoint may as well be dead, or slow.
    """
    hanging = any(answer.exit_code == 28 and answer.connected for answer in tls_to_addresses(observation, case))
    if not hanging or not _adds_tls(observation):
        return None
    return Failure(FailureKind.PROXY_TLS, seen, guess=True, trouble=TlsTrouble.NO_TLS)


def _adds_tls(observation: Observation) -> bool:
    """Does the proxy put TLS of its own on the wire? Where its configuration could not be read: is it to?"""
    route = observation.route
    return route.tls.mode.encrypts if isinstance(route, Route) else observation.contract.originates


def tls_to_addresses(observation: Observation, case: Case) -> list[Answer]:
    """What TLS clients were told by the addresses themselves, under the target's own name and without certificate."""
    return [
        answer
        for other in case.observations
        if other.port.number == observation.port.number
        for answer in other.answers(Purpose.ADDRESS)
        if answer.transfer.scheme is Scheme.HTTPS
    ]


def _witnessed_trouble(observation: Observation, case: Case) -> TlsTrouble:
    """What a client of the same addresses has to say against the server; UNKNOWN if nothing, or if none was asked."""
    troubles = (trouble_of(answer) for answer in tls_to_addresses(observation, case) if answer.exit_code)
    return next((trouble for trouble in troubles if trouble is not TlsTrouble.UNKNOWN), TlsTrouble.UNKNOWN)


def _closed_by_sidecar(answer: Answer, observation: Observation, case: Case) -> Failure:
    """curl 52, 56, or 35 for want of bytes: Envoy accepted, and then closed.

    BlackHoleCluster gives 52 or 56 by chance for plain bytes and 35 for TLS; a dead endpoint of a TCP route the same.
    """
    route = observation.route if isinstance(observation.route, Route) else None
    log = observation.access_log
    seen = _curl_words(answer)
    # What chance decides is not told, so that two looks at one world say the same.
    closed = seen if answer.exit_code == 35 else "curl 52 or 56: the proxy closes the connection"
    if (route is not None and route.blocked) or (log is not None and log.envoy_cluster == "BlackHoleCluster"):
        return Failure(FailureKind.BLOCKED, closed)
    transport = transport_failure(answer, log)
    if "TLS_error" in transport:
        return Failure(FailureKind.PROXY_TLS, seen, library_reason(transport), trouble=trouble_in(transport))
    sibling = _plain_sibling(observation, case)
    if sibling is not None and sibling.connected:
        if route is not None and route.tls.mode.encrypts:
            return Failure(FailureKind.PROXY_TLS, seen, guess=True)
        if sibling.exit_code in (35, 52, 55, 56):
            return Failure(FailureKind.CLIENT_TLS if _in_handshake(answer) else FailureKind.NO_RESPONSE, seen)
        if route is None:
            return Failure(FailureKind.BLOCKED, closed, guess=True)
    return Failure(FailureKind.CLOSED, closed, guess=route is None)


def _silent_behind_sidecar(answer: Answer, observation: Observation, case: Case) -> Failure:
    """curl 28 after Envoy accepted. Envoy itself gives a silent endpoint up only after 30 s (3 × 10 s, 1.31)."""
    seen = _curl_words(answer)
    if answer.times.appconnect > 0:
        return Failure(FailureKind.NO_RESPONSE, seen)
    if dead_for_plain(observation, case) or answers_in_turn(case.observations, observation.port.number):
        return Failure(FailureKind.SILENT, seen)
    if (hanging := _hanging_tls(seen, observation, case)) is not None:
        return hanging
    sibling = _plain_sibling(observation, case)
    if sibling is not None and sibling.connected:
        return Failure(FailureKind.CLIENT_TLS if _in_handshake(answer) else FailureKind.NO_RESPONSE, seen)
    return Failure(FailureKind.SILENT, seen, guess=True)


def dead_for_plain(observation: Observation, case: Case) -> bool:
    """Does a source without proxy find the same port unreachable? Its own connect is to the endpoint, so it knows."""
    sibling = _plain_sibling(observation, case)
    if sibling is not None:
        return not sibling.connected and sibling.exit_code in (7, 28)
    addresses = plain_address_answers(case, observation.port.number)
    return bool(addresses) and not any(answer.connected or answer.exit_code == 0 for answer in addresses)


def plain_address_answers(case: Case, port: int) -> list[Answer]:
    """What sources without proxy got from each address by itself; from a sidecar such a probe takes another route."""
    return [
        answer
        for observation in case.observations
        if observation.source.mode is MeshMode.PLAIN and observation.port.number == port
        for answer in observation.answers(Purpose.ADDRESS)
    ]


def answers_in_turn(observations: Iterable[Observation], port: int) -> bool:
    """Do some addresses of a port accept plain sources, and others not? Which of them a call is given is chance."""
    accepts = {
        answer.exit_code not in (7, 28) or answer.connected
        for observation in observations
        if observation.source.mode is MeshMode.PLAIN and observation.port.number == port
        for answer in observation.answers(Purpose.ADDRESS)
    }
    return len(accepts) == 2


def _plain_sibling(observation: Observation, case: Case) -> Answer | None:
    """A plain source's call of the same port, if it dials what the proxy dials.

    Where the proxy originates TLS for an ExternalName alias, a plain pod dials another port: it is no witness.
    """
    for other in case.observations:
        comparable = other.contract.served or case.alias.form is Form.ENDPOINTS
        if other.source.mode is MeshMode.PLAIN and other.port.number == observation.port.number and comparable:
            answer = other.answer
            if answer is not None:
                return answer
    return None


def _in_handshake(answer: Answer) -> bool:
    return answer.transfer.scheme is Scheme.HTTPS and answer.times.appconnect <= 0 and answer.status == 0


def _refused_after_handshake(answer: Answer) -> bool:
    """With TLS 1.3 a server's word on a missing client certificate comes when the client's handshake is over."""
    told = trouble_in(answer.error) in (TlsTrouble.CLIENT_CERTIFICATE, TlsTrouble.CLIENT_REFUSED)
    return answer.transfer.scheme is Scheme.HTTPS and answer.exit_code in (35, 52, 55, 56) and told


def _is_closed(error: str) -> bool:
    """Of curl's words for exit 35: the peer closed, as against spoke badly. Texts of OpenSSL, GnuTLS and curl ≥ 8.9."""
    words = error.lower()
    return any(sign in words for sign in ("syscall", "reset by peer", "unexpected eof", "non-properly terminated"))


def transport_failure(answer: Answer, log: AccessLogLine | None) -> str:
    """Envoy's reason for a failed connection, of its access log, else of its body (older Envoys); _ for space."""
    if log is not None:
        return f"{log.transport_failure} {log.details}".strip().replace(" ", "_")
    _, found, reason = answer.body.partition("transport failure reason: ")
    return reason.replace(" ", "_") if found else ""


def _http_words(answer: Answer, log: AccessLogLine | None) -> str:
    words = [str(answer.status)]
    if log is not None and log.flags:
        # URX before what used the retries up, as Envoy's HTTP log has it; a TCP log turns them round.
        words.append(",".join(sorted(log.flags, key=lambda flag: (flag != "URX", flag))))
    reason = library_reason(transport_failure(answer, log)) if answer.status >= 500 else ""
    return " ".join([*words, reason]).strip()


def _curl_words(answer: Answer) -> str:
    return f"curl {answer.exit_code}: {answer.error}" if answer.error else f"curl {answer.exit_code}"
