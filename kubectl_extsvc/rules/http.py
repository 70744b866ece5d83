"""Family 05: what the origin says."""

import shlex
from collections.abc import Iterable
from dataclasses import replace

from kubectl_extsvc.mesh.hosts import resolve_host
from kubectl_extsvc.model.alias import Alias, Form
from kubectl_extsvc.model.finding import Fact, Finding, Severity
from kubectl_extsvc.model.fix import JsonPatch, Step
from kubectl_extsvc.model.observation import Case, Observation, Stage
from kubectl_extsvc.model.probe import Answer, Purpose, Scheme
from kubectl_extsvc.model.resources import VIRTUAL_SERVICES
from kubectl_extsvc.model.route import RouteKind
from kubectl_extsvc.model.source import MeshMode
from kubectl_extsvc.rules.evidence import applied, failures, metadata_ref, route_of, say
from kubectl_extsvc.rules.family import rule
from kubectl_extsvc.rules.translation import FailureKind, made_by_envoy

TEMPORARY = (408, 425, 429)
"""Statuses that the next request may not get, whatever its Host."""


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
            refuses both, or whose 403 or 404 is the right answer, is not accused.
    Cure    From pods with sidecar: a VirtualService with rewrite.authority. From plain pods only the client can
            send the right Host. (Sending it from a pod with sidecar to an HTTP Endpoints alias goes past the
            alias's rules.)
    Source  istio #18850, #17344; live on Istio 1.31 (simple-no-sni, host-header).
    """
    alias = case.alias
    for observation in case.observations:
        answer, other = observation.answer, _asked_by_its_own_name(observation, case)
        if answer is None or other is None or not observation.contract.served:
            continue
        if answer.status in case.expect_status or not 400 <= answer.status < 500 or not 200 <= other.status < 400:
            continue
        if answer.status in TEMPORARY:
            continue
        yield say(
            "XS0501",
            Severity.ERROR,
            Stage.HTTP,
            alias.service,
            f'the origin refuses Host "{observation.contract.host}" with {answer.status} and takes "{alias.host}"',
            evidence=[f"Host {observation.contract.host}: {answer.status}; Host {alias.host}: {other.status}"],
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

    Why     The origin has a trouble of its own (5xx), the path is wrong for --expect-status, or the proxy gave
            up on an origin that broke the connection off (503 UC, 502 UPE, 504 UT).
    Seen    A status of 500 and above, or one that --expect-status does not list.
    Cure    Ask the origin itself by its own name; compare the path.
    Source  istio.io, common problems, response flags; live on Istio 1.31 (502 UPE for HTTP/2 to an HTTP/1.1
            origin).
    """
    for observation, failure in failures(case, FailureKind.STATUS, FailureKind.PROXY_ERROR):
        answer = observation.answer
        if answer is None:
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

    Why     The origin is slower than --probe-timeout, or breaks the connection off; or it speaks another
            protocol than the port's name says (a database waits for the client, or speaks first).
    Seen    curl 28 after the connection was made, 52 (empty reply) or 56 (reset).
    Cure    Give it more time (--probe-timeout), or name the port by what is spoken there.
    Source  istio #16581, #38284, #22150.
    """
    for observation, failure in failures(case, FailureKind.NO_RESPONSE):
        port = observation.port
        yield say(
            "XS0504",
            Severity.ERROR,
            Stage.HTTP,
            case.alias.service,
            f"{case.alias.target} accepts connections for port {port.number} and does not answer",
            evidence=[failure.seen, f'port {port.number} "{port.name}" is taken for {port.protocol}'],
            cure=f"kubectl extsvc verify {case.alias.name} -n {case.alias.namespace} --probe-timeout 30s",
            of=observation,
        )


def _asked_by_its_own_name(observation: Observation, case: Case) -> Answer | None:
    """What the origin says to the target's own name, by the way that the call of the alias took.

    Where a sidecar would send that Host another way, a plain source that got the same answer to the alias is a witness.
    """
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
    in_mesh = case.snapshot.mesh.installed and observation.contract.scheme is Scheme.HTTP
    if not in_mesh or alias.form is Form.EXTERNAL_NAME:
        # A VirtualService on an ExternalName alias without ServiceEntry leads to a cluster that is not there (503 NC).
        return client
    fqdn = alias.fqdn(case.snapshot.cluster_domain)
    for found in case.snapshot.virtual_services:
        ref = metadata_ref(found, VIRTUAL_SERVICES.kind)
        hosts = [
            resolve_host(host, ref.namespace, case.snapshot.cluster_domain) for host in found["spec"].get("hosts") or ()
        ]
        if fqdn in hosts and found["spec"].get("http"):
            return JsonPatch(ref, [{"op": "add", "path": "/spec/http/0/rewrite", "value": {"authority": alias.host}}])
    route = {"destination": {"host": fqdn, "port": {"number": observation.port.number}}}
    spec = {"hosts": [fqdn], "http": [{"rewrite": {"authority": alias.host}, "route": [route]}]}
    return applied(VIRTUAL_SERVICES, alias.namespace, alias.name, spec, case)


def _own_url(alias: Alias, answer: Answer) -> str:
    """The same path at the target itself, fit for a shell."""
    return shlex.quote(replace(answer.transfer, host=alias.host or answer.transfer.host).url)
