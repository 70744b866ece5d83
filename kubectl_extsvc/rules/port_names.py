"""Family 03: names of ports that say another protocol than the server speaks."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from kubectl_extsvc.model.alias import AliasPort, AppProtocol, Form, TlsMode
from kubectl_extsvc.model.finding import Fact, Finding, Severity
from kubectl_extsvc.model.fix import Step
from kubectl_extsvc.model.observation import Case, Observation, Stage
from kubectl_extsvc.model.probe import Scheme
from kubectl_extsvc.model.source import MeshMode
from kubectl_extsvc.rules.evidence import create_anew, failures, route_of, say
from kubectl_extsvc.rules.family import rule
from kubectl_extsvc.rules.translation import Failure, FailureKind, failure_of

BINARY_PORTS: Mapping[int, str] = {
    21: "FTP", 22: "SSH", 25: "SMTP", 110: "POP3", 143: "IMAP", 389: "LDAP", 587: "SMTP", 1433: "SQL Server",
    1521: "Oracle", 1883: "MQTT", 3306: "MySQL", 5432: "PostgreSQL", 5672: "AMQP", 6379: "Redis", 9042: "Cassandra",
    9092: "Kafka", 11211: "memcached", 27017: "MongoDB", 33060: "MySQL X",
}  # fmt: skip
"""Port → the protocol that is usually there, none of which is HTTP (IANA, and the servers' defaults)."""
SERVER_FIRST = frozenset((21, 22, 25, 110, 143, 587, 3306))
"""Of these the server speaks first: FTP, SSH, SMTP, POP3, IMAP, MySQL."""

TLS_PORTS = frozenset((443, 465, 636, 853, 990, 993, 995, 2376, 5671, 6443, 8443, 8883, 9093, 9443))
"""Ports at which a server usually speaks TLS; there the name is right and the server is not (XS0410)."""

NOT_TLS = ("WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE")
"""What TLS libraries say of an answer that is no TLS at all."""

_NO_HTTP = (FailureKind.NO_RESPONSE, FailureKind.NOT_HTTP, FailureKind.PROXY_ERROR)
"""Ends of a request to a server that does not speak HTTP."""


@rule(
    "XS0306",
    "A port that does not speak TLS is named as TLS",
    Severity.ERROR,
    Stage.TLS,
    needs={Fact.PROBES},
    uses={Fact.PROXY, Fact.DESTINATION_RULES},
)
def tls_name_on_plain_port(case: Case) -> Iterable[Finding]:
    """A port is named tls or https, and the server there answers a TLS handshake with something else.

    Why     The name says what clients are to speak. A client that believes it gets no TLS, and behind a sidecar
            the bytes are passed on unread: no route, timeout or header rule counts for such a port. A client
            that speaks plain HTTP all the same is served, past all HTTP rules.
    Seen    curl 35 with "wrong version number" from all kinds of pods. If only pods with sidecar see it, the
            proxy adds a second TLS: that is XS0405. IST0118 and KIA0601 look at the form of a name only.
    Cure    Name the port for what is spoken there: http, or tcp.
    Source  istio pkg/config/kube/conversion.go; curl and OpenSSL.
    """
    for observation, failure in failures(case, FailureKind.CLIENT_TLS):
        port = observation.port
        if observation.contract.scheme is not Scheme.HTTPS or not port.protocol.is_tls:
            continue
        if port.target_port in TLS_PORTS:
            continue
        if not _is_no_tls(failure) or _adds_tls(observation):
            continue
        binary = port.number in BINARY_PORTS or port.target_port in BINARY_PORTS
        name, protocol = ("tcp", AppProtocol.TCP) if binary else ("http", AppProtocol.HTTP)
        right = replace(port, name=name, protocol=protocol)
        yield say(
            "XS0306",
            Severity.ERROR,
            Stage.TLS,
            case.alias.service,
            f'port {port.number} is named "{port.name}", and {case.alias.target}:{port.target_port} does not speak TLS',
            evidence=[failure.seen],
            cure=create_anew(case.alias, ports=[right if p == port else p for p in case.alias.ports]),
            of=observation,
        )


@rule(
    "XS0307",
    "A database port is taken for HTTP",
    Severity.ERROR,
    Stage.ROUTE,
    uses={Fact.PROXY, Fact.PROBES, Fact.MESH_CONFIG},
)
def http_name_on_binary_port(case: Case) -> Iterable[Finding]:
    """A port of a database, queue or mail server is named as HTTP, or has no name where the server speaks first.

    Why     Istio believes the name, and Envoy answers 400 to what is no HTTP. Without a name it waits for the
            client's first bytes to tell the protocol; where the server is to speak first (MySQL, SMTP, FTP, SSH),
            both wait. That it does is heard from a pod without sidecar, or guessed by the port's number.
            Ports 25, 53, 3306 and 27017 are exempt when unnamed, and taken for TCP.
    Seen    Pods with sidecar hang or get 400, plain pods are served. An error if the call fails, a warning if
            nothing was seen. Silent where HTTP is really spoken at that port, and for names that say the
            protocol (mysql, redis, mongo, tcp). IST0118 asks for names that have a known prefix: http has one.
    Cure    Name the port tcp-…, or give it appProtocol: tcp.
    Source  istio #22150, #16581, #38284; pkg/config/kube/conversion.go.
    """
    if not case.snapshot.mesh.installed:
        return
    for port in case.alias.ports:
        what = BINARY_PORTS.get(port.number) or BINARY_PORTS.get(port.target_port)
        heard = _first_words(port, case)
        if what is None and not heard:
            continue
        right = replace(port, name=f"tcp-{port.name}"[:15] if port.name else "tcp", protocol=AppProtocol.TCP)
        cure = create_anew(case.alias, ports=[right if p == port else p for p in case.alias.ports])
        if port.protocol.is_http and what is not None:
            yield from _of_http_name(port, what, cure, case)
        elif heard and _waits_for_the_client(port, case):
            yield say(
                "XS0307",
                Severity.WARNING,
                Stage.ROUTE,
                case.alias.service,
                f'the server at port {port.number} speaks first, and the name "{port.name}" makes sidecars wait for '
                "the client",
                evidence=[f"the server says: {heard}"],
                cure=cure,
                ports=(port.number,),
            )
        elif _is_usually_first(port) and _waits_for_the_client(port, case):
            yield say(
                "XS0307",
                Severity.WARNING,
                Stage.ROUTE,
                case.alias.service,
                f'port {port.number} is usually {what}, where the server speaks first, and its name "{port.name}" '
                "makes sidecars wait for the client",
                cure=cure,
                ports=(port.number,),
            )


def _of_http_name(port: AliasPort, what: str, cure: Step, case: Case) -> Iterable[Finding]:
    message = f'port {port.number} is usually {what}, and "{port.name}" makes Istio take it for {port.protocol}'
    seen = [o for o in case.observations if o.port.number == port.number]
    failed = [(o, failure) for o in seen if (failure := failure_of(o, case)) is not None and failure.kind in _NO_HTTP]
    for observation, failure in failed:
        yield say("XS0307", Severity.ERROR, Stage.ROUTE, case.alias.service, message,
                  evidence=[failure.seen], cure=cure, of=observation)  # fmt: skip
    if not any(observation.answer is not None for observation in seen):
        yield say("XS0307", Severity.WARNING, Stage.ROUTE, case.alias.service, message,
                  cure=cure, ports=(port.number,))  # fmt: skip


def _waits_for_the_client(port: AliasPort, case: Case) -> bool:
    """An automatic port whose listener looks at the client's bytes, without a time limit by default."""
    if case.alias.form is not Form.ENDPOINTS or port.protocol is not AppProtocol.AUTO:
        return False
    limit = str(case.snapshot.mesh_config.get("protocolDetectionTimeout") or "0s")
    return limit.rstrip("msh") in ("0", "0.0", "")


def _is_usually_first(port: AliasPort) -> bool:
    return port.number in SERVER_FIRST or port.target_port in SERVER_FIRST


def _first_words(port: AliasPort, case: Case) -> str:
    """What the server said to a pod that connected and said nothing; "" for nothing, or if nobody listened."""
    seen = (o.answer for o in case.observations if o.port.number == port.number and o.source.mode is MeshMode.PLAIN)
    return next((answer.first_words for answer in seen if answer is not None and answer.first_words), "")


def _is_no_tls(failure: Failure) -> bool:
    words = f"{failure.tls_reason} {failure.seen}".upper().replace(" ", "_")
    return any(sign in words for sign in NOT_TLS)


def _adds_tls(observation: Observation) -> bool:
    route = route_of(observation)
    if route is not None:
        return route.tls.mode.encrypts
    return observation.decision is not None and observation.decision.mode not in ("", TlsMode.DISABLE)
