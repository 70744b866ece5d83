"""Family 05: what the origin says."""

import re
import shlex
from collections.abc import Iterable
from dataclasses import replace

from kubectl_extsvc.mesh.hosts import resolve_host
from kubectl_extsvc.model.alias import Alias, AliasPort, AppProtocol, Form
from kubectl_extsvc.model.finding import Fact, Finding, Severity
from kubectl_extsvc.model.fix import JsonPatch, MergePatch, Step
from kubectl_extsvc.model.observation import Case, Observation, Stage
from kubectl_extsvc.model.probe import Answer, Purpose, Scheme
from kubectl_extsvc.model.resources import VIRTUAL_SERVICES, Json, ObjectRef
from kubectl_extsvc.model.route import RouteKind
from kubectl_extsvc.model.source import MeshMode
from kubectl_extsvc.rules.evidence import (
    ORIGINATING,
    applied,
    create_anew,
    decider,
    deciding_block,
    failures,
    get_command,
    metadata_ref,
    route_of,
    say,
)
from kubectl_extsvc.rules.family import rule
from kubectl_extsvc.rules.service_objects import own_service
from kubectl_extsvc.rules.translation import FailureKind, made_by_envoy, tls_to_addresses

TEMPORARY = (408, 425, 429)
"""Statuses that the next request may not get, whatever its Host."""

MISDIRECTED = 421
"""The server's name in TLS and the Host header do not belong together (RFC 9110 15.5.20)."""

AS_ADDRESSES: tuple[str, str, tuple[tuple[str, str], ...]] = ("/", "GET", ())
"""Path, method and headers with which the bare addresses are asked."""

GIVEN_UP = {
    "UT": "its time is over",
    "UO": "circuit breaker",
    "LR": "reset by the proxy",
    "DF": "its DNS has no answer for the name",
}
"""Envoy's flags for what it ends by itself → in words."""

USUAL_TLS_PORTS = (443, 8443)

SENT_TO_TLS = r"plain http request was sent to https port|http request to an https server|plain http to an ssl-enabled"
"""What nginx, Go and Apache say to it."""


@rule(
    "XS0501",
    "The origin refuses the alias as Host",
    Severity.ERROR,
    Stage.HTTP,
    needs={Fact.PROBES},
    uses={Fact.PROXY, Fact.VIRTUAL_SERVICES},
)
def host_refused(case: Case) -> Iterable[Finding]:
    """The origin answers the target's own name and not the alias's.

    Why     An alias changes where a name leads, not what the client writes into the Host header. Servers that
            hold many sites, and all content networks, choose by that header.
    Seen    4xx with the alias as Host, success with the target's name as Host, by the same way. An origin that
            refuses both, or whose 403 or 404 is the right answer, is not accused. Where a sidecar adds the TLS, the
            other answer is that of a TLS client of the bare address. 421 needs no comparison: TLS name and Host
            do not belong together.
    Cure    From pods with sidecar: a VirtualService with rewrite.authority. From plain pods only the client can
            send the right Host. (Sending it from a pod with sidecar to an HTTP Endpoints alias goes past the
            alias's rules.)
    Source  istio #18850, #17344; live on Istio 1.31 (simple-no-sni, host-header).
    """
    alias = case.alias
    for observation in case.observations:
        answer, other = observation.answer, _asked_by_its_own_name(observation, case)
        if answer is None or not observation.contract.served or answer.status in case.expect_status:
            continue
        host = observation.contract.host
        if other is None and answer.status == MISDIRECTED and host != alias.host:
            message = f'the origin answers 421: on this connection it does not serve Host "{host}"'
        elif other is not None and _refuses(answer.status) and 200 <= other.status < 400:
            message = f'the origin refuses Host "{host}" with {answer.status} and takes "{alias.host}"'
        else:
            continue
        yield say(
            "XS0501",
            Severity.ERROR,
            Stage.HTTP,
            alias.service,
            message,
            evidence=[f"Host {host}: {answer.status}" + (f"; Host {alias.host}: {other.status}" if other else "")],
            cure=_rewrite_host(observation, case),
            of=observation,
        )


@rule(
    "XS0502",
    "The status is not the one expected",
    Severity.ERROR,
    Stage.HTTP,
    needs={Fact.PROBES},
    uses={Fact.PROXY},
    symptom=True,
)
def unexpected_status(case: Case) -> Iterable[Finding]:
    """The request went all the way, and the answer is bad.

    Why     The origin has a trouble of its own (5xx), or the path is wrong for --expect-status.
    Seen    A status of 500 and above, or one that --expect-status does not list. What the proxy says by itself has
            rules of its own: XS0504 (the origin broke off), XS0506 (another protocol), XS0508 (time, limits).
    Cure    Ask the origin itself by its own name; compare the path.
    Source  istio.io, common problems, response flags.
    """
    for observation, failure in failures(case, FailureKind.STATUS, FailureKind.PROXY_ERROR):
        answer = observation.answer
        if answer is None or failure.flag in GIVEN_UP:
            continue
        who = "the proxy gives up" if failure.kind is FailureKind.PROXY_ERROR else "the origin answers"
        wanted = f", expected {', '.join(map(str, case.expect_status))}" if case.expect_status else ""
        yield say(
            "XS0502",
            Severity.ERROR,
            Stage.HTTP,
            case.alias.service,
            f"{who} with status {answer.status}{wanted}",
            evidence=[failure.seen, f"{answer.transfer.method} {answer.transfer.url}"],
            cure=f"compare with the target itself: curl -i {_own_url(case.alias, answer)}",
            of=observation,
        )


@rule(
    "XS0503",
    "The body does not match",
    Severity.ERROR,
    Stage.HTTP,
    needs={Fact.PROBES},
    uses={Fact.PROXY},
    symptom=True,
)
def body_differs(case: Case) -> Iterable[Finding]:
    """--expect-body was given, and the answer's body does not have it.

    Why     Another server than the one meant answers, or the page changed.
    Seen    The regular expression is searched in the first 64 KiB of the body.
    Cure    Look at the body; compare it with the target's own.
    Source  this tool's own expectation.
    """
    for observation, failure in failures(case, FailureKind.BODY):
        answer = observation.answer
        if answer is not None:
            yield say(
                "XS0503",
                Severity.ERROR,
                Stage.HTTP,
                case.alias.service,
                f"nothing in the body matches {case.expect_body!r}",
                evidence=[f"{failure.seen}, {len(answer.body)} characters: {answer.body[:80]!r}"],
                cure=f"compare with the target itself: curl -i {_own_url(case.alias, answer)}",
                of=observation,
            )


@rule(
    "XS0504",
    "The origin accepts the connection and does not answer",
    Severity.ERROR,
    Stage.HTTP,
    needs={Fact.PROBES},
    uses={Fact.PROXY},
    symptom=True,
)
def no_response(case: Case) -> Iterable[Finding]:
    """A connection to the origin stands, and no answer comes over it.

    Why     The origin is slower than --probe-timeout; or it breaks the connection off, as a server does that is
            overloaded, wants TLS, or does not take to the client; or it speaks another protocol than the port's name
            says (a database waits for the client, or speaks first).
    Seen    curl 28 after the connection was made, 52 (empty reply) or 56 (reset); behind a sidecar 503 with UC
            (connection termination) or UR (remote reset).
    Cure    Give it more time (--probe-timeout), or name the port by what is spoken there.
    Source  istio #16581, #38284, #22150; Envoy 1.40 against such servers.
    """
    for observation, failure in failures(case, FailureKind.NO_RESPONSE):
        port, answer = observation.port, observation.answer
        late = answer is not None and answer.exit_code == 28
        message = f"{case.alias.target} accepts connections for port {port.number} and does not answer"
        cure = f"kubectl extsvc verify {case.alias.name} -n {case.alias.namespace} --probe-timeout 30s"
        if not late:
            message = f"{case.alias.target} breaks the connection for port {port.number} off before an answer"
            cure = f"compare port and protocol with what the server speaks: {get_command(case.alias.service)}"
        yield say(
            "XS0504",
            Severity.ERROR,
            Stage.HTTP,
            case.alias.service,
            message,
            evidence=[failure.seen, f'port {port.number} "{port.name}" is taken for {port.protocol}'],
            cure=cure,
            of=observation,
        )


@rule(
    "XS0506",
    "The origin answers in another protocol",
    Severity.ERROR,
    Stage.HTTP,
    needs={Fact.PROBES},
    uses={Fact.PROXY, Fact.DESTINATION_RULES, Fact.SERVICES},
    symptom=True,
)
def other_protocol(case: Case) -> Iterable[Finding]:
    """What comes back is not the protocol that the port's name, or a rule, makes the proxy speak.

    Why     A port named http2 or grpc (or h2UpgradePolicy UPGRADE in a DestinationRule) makes the sidecar speak
            HTTP/2 in clear, which a server of HTTP/1.1 does not understand. Or a port named http leads to a server that
            speaks no HTTP: a database, SSH, mail. Or the response has headers beyond Envoy's 60 KiB.
    Seen    502 with the flag UPE (protocol_error) from the sidecar; curl 1 "Received HTTP/0.9" or 8 from a plain
            source, or a good answer over HTTP/1.1.
    Cure    Name the port by what the server speaks.
    Source  live on Istio 1.31 (grpc port, HTTP/1.1 origin: 502 UPE); Envoy 1.40 against such servers.
    """
    alias = case.alias
    for observation, failure in failures(case, FailureKind.NOT_HTTP):
        port, plain = observation.port, plain_status(observation, case)
        block = deciding_block(observation, case) if failure.flag else None
        right = replace(port, name="http" if port.name != "http" else "http-1", protocol=AppProtocol.HTTP)
        subject = alias.service
        cure: str | Step = create_anew(alias, ports=[right if p == port else p for p in alias.ports])
        if not alias.managed and (index := _place_of(port, case)) is not None:
            # appProtocol beats the name, by which slices are joined and which therefore stays.
            cure = JsonPatch(
                alias.service, [{"op": "add", "path": f"/spec/ports/{index}/appProtocol", "value": "http"}]
            )
        by_rule = block is not None and _upgrades(block.rule)
        if failure.flag and port.protocol in (AppProtocol.HTTP2, AppProtocol.GRPC):
            doubt = "" if plain else "probably "
            message = (
                f'port {port.number} "{port.name}" makes the sidecar speak HTTP/2, which {alias.target} {doubt}does not'
            )
        elif block is not None and by_rule:
            subject, message = block.ref, f"{block.ref} upgrades to HTTP/2, which {alias.target} does not speak"
            policy = {"connectionPool": {"http": {"h2UpgradePolicy": "DO_NOT_UPGRADE"}}}
            cure = MergePatch(block.ref, {"spec": {"trafficPolicy": policy}})
        elif failure.flag and plain:
            message = f"Envoy refuses the response of {alias.target}, which plain pods take"
            cure = f"look for headers beyond 60 KiB or against the grammar: curl -i {_own_url_of(observation, case)}"
        else:
            message = f"what {alias.target} answers at port {port.target_port} is not HTTP"
            cure = f"name port {port.number} by what is spoken there: {get_command(alias.service)}"
        yield say(
            "XS0506",
            Severity.ERROR,
            Stage.HTTP,
            subject,
            message,
            evidence=[failure.seen, f"plain pods get {plain} over HTTP/1.1" if failure.flag and plain else ""],
            cure=cure,
            of=observation,
        )


def _place_of(port: AliasPort, case: Case) -> int | None:
    """Index of a port in its Service, None if it is not known."""
    declared = ((own_service(case) or {}).get("spec") or {}).get("ports") or ()
    return next((index for index, each in enumerate(declared) if each["port"] == port.number), None)


@rule(
    "XS0508",
    "The proxy gives the request up",
    Severity.ERROR,
    Stage.HTTP,
    needs={Fact.PROBES},
    uses={Fact.PROXY, Fact.VIRTUAL_SERVICES, Fact.DESTINATION_RULES},
    symptom=True,
)
def given_up(case: Case) -> Iterable[Finding]:
    """A limit that somebody set ends the request before the origin's answer.

    Why     UT: the timeout, or retries.perTryTimeout, of a VirtualService is over. UO: the limits of connectionPool
            in a DestinationRule (its circuit breaker) let no further request through. LR: the proxy reset the
            stream.
    Seen    504 "upstream request timeout" with UT; 503 "… reset reason: overflow" with UO.
    Cure    Widen or remove the limit; or make the origin faster.
    Source  istio.io, common problems, response flags; live on Istio 1.31 (UT); Envoy 1.40 (UO, UT).
    """
    for observation, failure in failures(case, FailureKind.PROXY_ERROR):
        if failure.flag not in GIVEN_UP:
            continue
        answer, route = observation.answer, route_of(observation)
        subject: ObjectRef | None = None
        cure: str | Step = f"see what limits it: {get_command(None)}"
        message = f"the proxy gives up on {case.alias.target} ({GIVEN_UP[failure.flag]})"
        if failure.flag == "UT":
            subject = route.virtual_service if route is not None else None
            limits, patch = _timeouts(subject, case)
            message = f"{subject or 'a VirtualService'} gives {case.alias.target} {limits or 'a time'} to answer"
            message += ", which is not enough"
            cure = patch or f"see its timeout and retries.perTryTimeout: {_get_virtual_services(subject)}"
        elif failure.flag == "UO":
            subject = decider(observation, case)
            message = f"the circuit breaker of {subject or 'a DestinationRule'} lets no further request through"
            cure = f"widen its connectionPool: {get_command(subject)}"
        yield say(
            "XS0508",
            Severity.ERROR,
            Stage.HTTP,
            subject or case.alias.service,
            message,
            evidence=[
                failure.seen,
                f"given up after {answer.times.total:.1f} s" if answer and failure.flag == "UT" else "",
            ],
            cure=cure,
            of=observation,
        )


@rule(
    "XS0509",
    "Plain HTTP is spoken to a TLS port",
    Severity.ERROR,
    Stage.HTTP,
    needs={Fact.PROBES},
    uses={Fact.PROXY},
)
def plain_http_to_tls(case: Case) -> Iterable[Finding]:
    """The port's name says HTTP, the server behind it speaks TLS, and nobody adds it.

    Why     A port 443 or 8443 that is named http, or has appProtocol http. In a mesh XS0305 says so from the name
            alone, and XS0407 where a sidecar is to add the TLS.
    Seen    400 "The plain HTTP request was sent to HTTPS port" (nginx), "Client sent an HTTP request to an HTTPS
            server" (Go), or a closed connection (curl 52 or 56), from every kind of source.
    Cure    Name the port tls or https and speak https; or let sidecars add the TLS (--port http:80:443).
    Source  live on Istio 1.31 (protocol-mismatch).
    """
    alias = case.alias
    for observation in case.observations:
        answer, port = observation.answer, observation.port
        if answer is None or observation.contract.scheme is not Scheme.HTTP or observation.contract.originates:
            continue
        says_so = re.search(SENT_TO_TLS, answer.body, re.IGNORECASE) is not None
        looks_so = port.target_port in USUAL_TLS_PORTS and (answer.status == 400 or answer.exit_code in (52, 56))
        named_in_mesh = case.snapshot.mesh.installed and port.number in USUAL_TLS_PORTS
        if answer.status in case.expect_status or not (says_so or (looks_so and not named_in_mesh)):
            continue
        right = AliasPort("tls" if port.name != "tls" else "https", port.number, port.target_port, AppProtocol.TLS)
        seen = str(answer.status) if answer.status else f"curl {answer.exit_code}"
        yield say(
            "XS0509",
            Severity.ERROR,
            Stage.HTTP,
            alias.service,
            f'{alias.target}:{port.target_port} speaks TLS, and port {port.number} "{port.name}" is for plain HTTP',
            evidence=[f"{seen}: {answer.body[:80]}" if says_so else f"{seen} to plain HTTP"],
            cure=create_anew(alias, ports=[right if p == port else p for p in alias.ports]),
            of=observation,
        )


def plain_status(observation: Observation, case: Case) -> int:
    """What a plain source got for the same call; 0 without one, or without an answer."""
    for other in case.observations:
        comparable = other.source.mode is MeshMode.PLAIN and other.port == observation.port and other.contract.served
        if comparable and other.answer is not None and other.answer.status:
            return other.answer.status
    return 0


def virtual_service(ref: ObjectRef | None, case: Case) -> Json | None:
    kind = VIRTUAL_SERVICES.kind
    return next((found for found in case.snapshot.virtual_services if metadata_ref(found, kind) == ref), None)


def _timeouts(ref: ObjectRef | None, case: Case) -> tuple[str, Step | None]:
    """The limits in a VirtualService's http routes, in words, and the change that removes them."""
    found = virtual_service(ref, case)
    if ref is None or found is None:
        return "", None
    said, patch = [], list[Json]()
    for index, entry in enumerate(found["spec"].get("http") or ()):
        if limit := entry.get("timeout"):
            said.append(str(limit))
            patch.append({"op": "remove", "path": f"/spec/http/{index}/timeout"})
        if limit := (entry.get("retries") or {}).get("perTryTimeout"):
            said.append(f"{limit} a try")
            patch.append({"op": "remove", "path": f"/spec/http/{index}/retries/perTryTimeout"})
    return " or ".join(dict.fromkeys(said)), JsonPatch(ref, patch) if patch else None


def _get_virtual_services(ref: ObjectRef | None) -> str:
    return get_command(ref) if ref is not None else "kubectl get virtualservices -A -o yaml"


def _upgrades(found: Json) -> bool:
    """h2UpgradePolicy of a rule's top level."""
    policy = (found.get("spec") or {}).get("trafficPolicy") or {}
    http = (policy.get("connectionPool") or {}).get("http") or {}
    return http.get("h2UpgradePolicy") == "UPGRADE"


def _own_url_of(observation: Observation, case: Case) -> str:
    return _own_url(case.alias, observation.answer) if observation.answer is not None else case.alias.host


def _refuses(status: int) -> bool:
    return 400 <= status < 500 and status not in TEMPORARY


def _asked_by_its_own_name(observation: Observation, case: Case) -> Answer | None:
    """What the origin says to the target's own name, by the way that the call of the alias took.

    Where a sidecar would send that Host another way, a plain source that got the same answer to the alias is a witness.
    """
    if observation.contract.originates:
        return _asked_at_address(observation, case)
    answer, other = observation.answer, observation.outcome(Purpose.TARGET_HOST_HEADER)
    if answer is None or not isinstance(other, Answer):
        return None
    if _same_way(observation, answer):
        return other
    if answer.transfer.scheme is not Scheme.HTTP or made_by_envoy(
        answer, route_of(observation), observation.access_log
    ):
        return None
    for witness in case.observations:
        told = witness.outcome(Purpose.TARGET_HOST_HEADER)
        same_call = witness.source.mode is MeshMode.PLAIN and witness.port == observation.port
        if same_call and witness.answer is not None and witness.answer.status == answer.status:
            return told if isinstance(told, Answer) else None
    return None


def _asked_at_address(observation: Observation, case: Case) -> Answer | None:
    """Where the sidecar adds the TLS: what a TLS client of an address was told that asked for the same by that name."""
    answer, route = observation.answer, route_of(observation)
    if answer is None or route is None or route.tls.mode not in ORIGINATING or route.host_rewrite:
        return None
    asked = answer.transfer
    if (
        made_by_envoy(answer, route, observation.access_log)
        or (asked.path, asked.method, asked.headers) != AS_ADDRESSES
    ):
        return None
    return next((other for other in tls_to_addresses(observation, case) if other.status), None)


def _same_way(observation: Observation, answer: Answer) -> bool:
    """Do both requests, with the alias and with the target as Host, reach the origin alike?

    Behind a sidecar the Host header decides the route. Where both pass through, or Envoy does not read the request, it
    does not matter; where the alias has a cluster of its own, the other Host would miss it.
    """
    if observation.source.mode is not MeshMode.SIDECAR:
        return True
    route = route_of(observation)
    if route is None or answer.transfer.scheme is not Scheme.HTTP:
        return answer.transfer.scheme is not Scheme.HTTP
    if made_by_envoy(answer, route, observation.access_log):
        return False
    return route.passthrough or route.kind is RouteKind.TCP


def _rewrite_host(observation: Observation, case: Case) -> str | Step:
    alias = case.alias
    url = f"{observation.contract.scheme}://{observation.contract.host}:{observation.port.number}/"
    client = f"send the right Host from the client: curl -H {shlex.quote(f'Host: {alias.host}')} {url}"
    if not case.snapshot.mesh.installed or observation.contract.scheme is not Scheme.HTTP:
        return client
    fqdn = alias.fqdn(case.snapshot.cluster_domain)
    for found in case.snapshot.virtual_services:
        ref = metadata_ref(found, VIRTUAL_SERVICES.kind)
        hosts = [
            resolve_host(host, ref.namespace, case.snapshot.cluster_domain) for host in found["spec"].get("hosts") or ()
        ]
        routes = [(index, entry) for index, entry in enumerate(found["spec"].get("http") or ()) if entry.get("route")]
        if fqdn in hosts and routes:
            changes = [
                {
                    "op": "add",
                    "path": f"/spec/http/{index}/rewrite",
                    "value": {**(entry.get("rewrite") or {}), "authority": alias.host},
                }
                for index, entry in routes
            ]
            return JsonPatch(ref, changes)
    if alias.form is Form.EXTERNAL_NAME:
        # A VirtualService on an ExternalName alias without ServiceEntry leads to a cluster that is not there (503 NC).
        return client
    route = {"destination": {"host": fqdn, "port": {"number": observation.port.number}}}
    spec = {"hosts": [fqdn], "http": [{"rewrite": {"authority": alias.host}, "route": [route]}]}
    return applied(VIRTUAL_SERVICES, alias.namespace, alias.name, spec, case)


def _own_url(alias: Alias, answer: Answer) -> str:
    """The same path at the target itself, fit for a shell."""
    return shlex.quote(replace(answer.transfer, host=alias.host or answer.transfer.host).url)
