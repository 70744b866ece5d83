"""Families 05 and 07: what a sidecar's own work does to the answer."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from kubectl_extsvc.model.finding import Fact, Finding, Severity
from kubectl_extsvc.model.fix import JsonPatch, Step
from kubectl_extsvc.model.observation import Case, Observation, Stage
from kubectl_extsvc.model.probe import Answer, Scheme
from kubectl_extsvc.model.resources import VIRTUAL_SERVICES, Json
from kubectl_extsvc.model.source import MeshMode
from kubectl_extsvc.rules.evidence import ORIGINATING, applied, behind_sidecar, deciding_block, origin, route_of, say
from kubectl_extsvc.rules.family import rule
from kubectl_extsvc.rules.http import TEMPORARY, plain_status, virtual_service
from kubectl_extsvc.rules.translation import failure_of, made_by_envoy

REDIRECTS = (301, 302, 303, 307, 308)
FOR_THE_REQUEST = (400, 426, 431)
"""Statuses that say something of the request's form, and not of what it asks for."""


@rule(
    "XS0505",
    "The origin redirects to https although TLS is spoken already",
    Severity.ERROR,
    Stage.HTTP,
    needs={Fact.PROBES},
    uses={Fact.PROXY, Fact.DESTINATION_RULES, Fact.VIRTUAL_SERVICES, Fact.MESH_CONFIG},
)
def redirect_to_itself(case: Case) -> Iterable[Finding]:
    """The sidecar adds TLS, and the origin sends every request to https of the same address, for ever.

    Why     The sidecar tells the origin by which scheme the application spoke: x-forwarded-proto: http, also where
            the proxy makes it TLS. Many servers believe that header more than the connection. The application that
            follows the redirect goes past the alias, or in a circle.
    Seen    301, 302, 303, 307 or 308 with a Location of scheme https, this host and this path. Without TLS in the
            proxy such a redirect is what a healthy server says, and is only told if plain pods do not get it.
    Cure    A VirtualService that sets x-forwarded-proto: https.
    Source  istio #7964, #15124; Envoy conn_manager_utility.cc.
    """
    for observation in behind_sidecar(case):
        answer, route = observation.answer, route_of(observation)
        if answer is None or answer.status not in REDIRECTS or answer.status in case.expect_status:
            continue
        if not _is_the_same_over_https(answer, observation, case) or made_by_envoy(
            answer, route, observation.access_log
        ):
            continue
        plain = plain_status(observation, case)
        encrypted = _adds_tls(observation, case)
        if not encrypted and not 200 <= plain < 300:
            continue
        told = route is None or "x-forwarded-proto" in route.request_headers_added
        why = ", as the sidecar says x-forwarded-proto: http" if told else ""
        yield say(
            "XS0505",
            Severity.ERROR,
            Stage.HTTP,
            case.alias.service,
            f"{case.alias.target} answers {answer.status} to {answer.header('location')}"
            + (", which it is already" if encrypted else f", and {plain} to plain pods")
            + why,
            evidence=[
                f"{answer.status} location: {answer.header('location')}",
                f"{route.envoy_cluster}: {route.tls.mode}" if route is not None and encrypted else "",
                f"added: {', '.join(route.request_headers_added)}" if route is not None else "",
            ],
            cure=_say_https(observation, case),
            of=observation,
        )


@rule(
    "XS0507",
    "The origin refuses what the sidecar adds",
    Severity.ERROR,
    Stage.HTTP,
    needs={Fact.PROBES},
    uses={Fact.PROXY},
)
def additions_refused(case: Case) -> Iterable[Finding]:
    """The same request is served from plain pods, and refused as malformed or too large from pods with sidecar.

    Why     A sidecar that reads HTTP adds headers (x-envoy-peer-metadata alone may take a kilobyte) and writes all
            names in lower case. Servers with narrow limits, or that read names by their case, refuse that.
    Seen    400, 426 or 431 of the origin's own from the sidecar, below 400 from a plain source. Never told by one
            kind of source alone.
    Cure    proxyHeaders in the pod's annotation proxy.istio.io/config, or in meshConfig.defaultConfig.
    Source  istio #9630, #32008, #56868; istio api mesh/v1alpha1/proxy.proto ProxyHeaders.
    """
    for observation in behind_sidecar(case):
        answer, route = observation.answer, route_of(observation)
        plain = plain_status(observation, case)
        if answer is None or answer.status not in FOR_THE_REQUEST or not 200 <= plain < 400:
            continue
        if answer.status in case.expect_status or made_by_envoy(answer, route, observation.access_log):
            continue
        added = route.request_headers_added if route is not None else ()
        if answer.transfer.scheme is not Scheme.HTTP or (route is not None and not added):
            continue
        yield say(
            "XS0507",
            Severity.ERROR,
            Stage.HTTP,
            case.alias.service,
            f"{case.alias.target} answers {answer.status} to pods with sidecar and {plain} to plain pods: "
            "it does not take the headers that the sidecar adds",
            evidence=[f"{answer.status}; plain pods: {plain}", f"added: {', '.join(added)}" if added else ""],
            cure="turn them off with proxyHeaders in the pod's annotation proxy.istio.io/config: attemptCount, "
            "requestId, metadataExchangeHeaders, preserveHttp1HeaderCase",
            of=observation,
        )


@rule(
    "XS0701",
    "Pods with and without sidecar get different answers",
    Severity.WARNING,
    Stage.HTTP,
    needs={Fact.PROBES},
    uses={Fact.PROXY},
    symptom=True,
)
def different_answers(case: Case) -> Iterable[Finding]:
    """The same call ends well from both kinds of pod, and not alike.

    Why     The sidecar sends it to another server (a ServiceEntry or VirtualService that others wrote, another answer
            of DNS), or the server treats the request otherwise for what the sidecar adds to it.
    Seen    Success from one kind of pod and a redirect or a refusal from the other; or certificates for different
            names. Other differences, such as a certificate's date, say nothing: a name may have many servers.
    Cure    Compare the routes: kubectl extsvc verify -o wide.
    Source  this tool's own comparison.
    """
    for observation in behind_sidecar(case):
        answer = observation.answer
        others = [
            o.answer
            for o in case.observations
            if o.source.mode is MeshMode.PLAIN
            and o.contract.served
            and o.port == observation.port
            and o.answer is not None
            and failure_of(o, case) is None
        ]
        if answer is None or not others or failure_of(observation, case) is not None:
            continue
        difference = _difference(answer, others, case)
        if difference:
            yield say(
                "XS0701",
                Severity.WARNING,
                Stage.HTTP,
                case.alias.service,
                difference,
                evidence=[
                    f"with sidecar: {_told(answer)}",
                    f"without: {', '.join(dict.fromkeys(map(_told, others)))}",
                    f"{origin(route)}: {route.envoy_cluster}" if (route := route_of(observation)) is not None else "",
                ],
                cure=f"kubectl extsvc verify {case.alias.name} -n {case.alias.namespace} -o wide",
                of=observation,
            )


def _difference(answer: Answer, others: list[Answer], case: Case) -> str:
    """What differs from every answer of the other kind, in words; "" if nothing does that lasts."""
    statuses = {other.status for other in others}
    passing = {*statuses, answer.status}.isdisjoint(TEMPORARY) and all(statuses) and answer.status
    unlike = all(status // 100 != answer.status // 100 for status in statuses)
    wanted = bool(case.expect_status) and {*statuses, answer.status} <= set(case.expect_status)
    if passing and unlike and not wanted:
        return f"pods with sidecar get {answer.status} and pods without get {' or '.join(map(str, sorted(statuses)))}"
    shown, known = _names(answer), [_names(other) for other in others]
    if shown and all(known) and all(shown.isdisjoint(names) for names in known):
        return "pods with and without sidecar are shown certificates for different names"
    return ""


def _names(answer: Answer) -> frozenset[str]:
    """Names in the certificate that the client was shown."""
    certificates = answer.handshake.certificates if answer.handshake is not None else ()
    return frozenset(certificates[0].names) if certificates else frozenset()


def _told(answer: Answer) -> str:
    names = sorted(_names(answer))
    return f"{answer.status}, certificate for {', '.join(names[:3])}" if names else str(answer.status)


def _is_the_same_over_https(answer: Answer, observation: Observation, case: Case) -> bool:
    """Is a redirect's Location the very address that was asked for, as the origin knows it, with https?"""
    try:
        where = urlsplit(answer.header("location") or "")
        port = where.port
    except ValueError:
        return False
    route = route_of(observation)
    hosts = {observation.contract.host, case.alias.host, route.host_rewrite if route is not None else ""} - {""}
    asked = answer.transfer.path.partition("#")[0] or "/"
    path = (where.path or "/") + (f"?{where.query}" if where.query else "")
    return where.scheme == "https" and where.hostname in hosts and port in (None, 443) and path == asked


def _adds_tls(observation: Observation, case: Case) -> bool:
    route, block = route_of(observation), deciding_block(observation, case)
    return route.tls.mode in ORIGINATING if route is not None else block is not None and block.originates


def _say_https(observation: Observation, case: Case) -> str | Step:
    """x-forwarded-proto: https in every route of the VirtualService that leads the call; else in one more."""
    header = {"x-forwarded-proto": "https"}
    route = route_of(observation)
    ref = route.virtual_service if route is not None else None
    found = virtual_service(ref, case)
    if ref is not None and found is not None:
        patch: list[Json] = []
        for index, entry in enumerate(found["spec"].get("http") or ()):
            path, value = f"/spec/http/{index}/headers", header
            known = entry.get("headers") or {}
            if "set" in (known.get("request") or {}):
                patch.append({"op": "add", "path": f"{path}/request/set/x-forwarded-proto", "value": "https"})
            elif "request" in known:
                patch.append({"op": "add", "path": f"{path}/request/set", "value": value})
            else:
                patch.append({"op": "add", "path": path, "value": {**known, "request": {"set": value}}})
        return JsonPatch(ref, patch)
    alias = case.alias
    host = route.envoy_cluster.rpartition("|")[2] if route is not None else alias.fqdn(case.snapshot.cluster_domain)
    to = {"destination": {"host": host, "port": {"number": observation.port.number}}}
    spec = {"hosts": [host], "http": [{"headers": {"request": {"set": header}}, "route": [to]}]}
    return applied(VIRTUAL_SERVICES, alias.namespace, alias.name, spec, case)
