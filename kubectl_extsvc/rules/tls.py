"""Family 04: who encrypts."""

from collections.abc import Iterable

from kubectl_extsvc.mesh.destination_rules import credential_is_ignored
from kubectl_extsvc.model.alias import Form, TlsMode
from kubectl_extsvc.model.finding import Fact, Finding, Severity
from kubectl_extsvc.model.fix import MergePatch
from kubectl_extsvc.model.observation import Case, Observation, Stage
from kubectl_extsvc.model.probe import Purpose, Scheme
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.route import OutboundTls, Route
from kubectl_extsvc.model.source import MeshMode
from kubectl_extsvc.rules.evidence import (
    ORIGINATING,
    behind_sidecar,
    create_anew,
    decider,
    deciding_block,
    route_of,
    rules_on,
    say,
    set_tls,
    tls_block,
    went_well,
)
from kubectl_extsvc.rules.family import rule
from kubectl_extsvc.rules.in_clear import why_in_clear
from kubectl_extsvc.rules.translation import failure_of

ADDED = (TlsMode.SIMPLE, TlsMode.MUTUAL)


@rule(
    "XS0405",
    "TLS inside TLS",
    Severity.ERROR,
    Stage.TLS,
    either={Fact.PROXY, Fact.DESTINATION_RULES},
    uses={Fact.PROBES},
)
def double_tls(case: Case) -> Iterable[Finding]:
    """The application speaks TLS, and the sidecar wraps it in TLS once more.

    Why     A DestinationRule with SIMPLE or MUTUAL covers a port on which clients speak TLS themselves.
    Seen    curl 35 "wrong version number" from the sidecar source, while a plain source gets 200. Plain HTTP to
            the same port works through the sidecar.
    Cure    DISABLE on that port; or let the application speak plain HTTP to a port named http.
    Source  istio #35661, #31513; live on Istio 1.31 (double-tls).
    """
    for observation in behind_sidecar(case):
        if observation.contract.scheme is not Scheme.HTTPS or went_well(observation, case):
            continue
        block, route = deciding_block(observation, case), route_of(observation)
        wraps = route.tls.mode in ORIGINATING if route else block is not None and block.originates
        ignored = route is None and block is not None and credential_is_ignored(block.rule, observation.port.number)
        if not wraps or ignored:
            continue
        ref = decider(observation, case)
        failure = failure_of(observation, case)
        mode = route.tls.mode.value if route else block.settings.mode.value if block and block.settings else ""
        port = observation.port
        yield say(
            "XS0405",
            Severity.ERROR,
            Stage.TLS,
            ref or case.alias.service,
            f"{ref or 'a rule'} adds TLS ({mode}) on port {port.number}, where the application speaks TLS already",
            evidence=[failure.seen if failure else "", f'port {port.number} "{port.name}" is {port.protocol}'],
            cure=set_tls(observation, case, {"mode": "DISABLE"}),
            of=observation,
        )


@rule(
    "XS0406",
    "credentialName without workloadSelector: plaintext",
    Severity.ERROR,
    Stage.TLS,
    needs={Fact.DESTINATION_RULES},
    uses={Fact.PROXY},
)
def credential_without_selector(case: Case) -> Iterable[Finding]:
    """A rule asks for TLS with credentialName, and sidecars send plaintext without a word.

    Why     Istio gives credentialName to sidecars only if the rule has a workloadSelector; without one the
            whole TLS context is dropped. The form configmap://NAMESPACE/NAME is exempt.
    Seen    The cluster has no transport socket. 200 from a server that takes plaintext, 400 from a TLS server.
    Cure    Add a workloadSelector (the secret must be readable by the pods' service account), or name files.
    Source  istio pilot/pkg/networking/core/cluster_tls.go; destination_rule.proto; live on Istio 1.31
            (credential-without-selector, mutual).
    """
    for observation in behind_sidecar(case):
        block, route = deciding_block(observation, case), route_of(observation)
        if block is None or not credential_is_ignored(block.rule, observation.port.number):
            continue
        if route is not None and (route.tls.mode.encrypts or route.passthrough or route.blocked):
            continue
        settings = block.settings
        asks = f"{settings.mode} with credentialName {settings.credential_name}" if settings else "TLS"
        labels = dict(observation.source.labels)
        label = next((key for key in ("app", "app.kubernetes.io/name") if key in labels), "app")
        selector = {"spec": {"workloadSelector": {"matchLabels": {label: labels.get(label, "APP")}}}}
        yield say(
            "XS0406",
            Severity.ERROR,
            Stage.TLS,
            block.ref,
            f"{block.ref} asks for {asks} and has no workloadSelector: sidecars send plaintext",
            evidence=[f"{route.envoy_cluster}: {route.tls.mode}" if route else "computed from the rule"],
            cure=MergePatch(block.ref, selector),
            of=observation,
        )


@rule(
    "XS0414",
    "Port settings without tls replace the rule's TLS",
    Severity.ERROR,
    Stage.TLS,
    needs={Fact.DESTINATION_RULES},
    uses={Fact.PROXY, Fact.PROBES},
)
def port_settings_without_tls(case: Case) -> Iterable[Finding]:
    """A rule asks for TLS at its top, and its portLevelSettings for this port take it away.

    Why     portLevelSettings replace the whole trafficPolicy for their port; what they do not name is not taken
            from the top. With connectionPool alone, say, the port has no TLS any more: it goes in clear, to
            pods of the mesh, too.
    Seen    400 "HTTP request to an HTTPS server", or a plain answer. A warning where the port does not lead to one
            of TLS and no call fails. Silent on ports where the application speaks TLS itself: there no TLS is
            right. istioctl analyze and Kiali say nothing.
    Cure    Repeat the tls block in the port's settings.
    Source  destination_rule.proto (PortTrafficPolicy); applyTrafficPolicy in istio
            pilot/pkg/networking/core/cluster_traffic_policy.go; seen in what Istio 1.31 generates.
    """
    for observation in behind_sidecar(case):
        block, route = deciding_block(observation, case), route_of(observation)
        if block is None or block.port_index is None or block.settings is not None:
            continue
        top: Json = (block.rule["spec"].get("trafficPolicy") or {}).get("tls") or {}
        if top.get("mode") not in ADDED or observation.contract.scheme is not Scheme.HTTP:
            continue
        if route is not None and (route.tls.mode.encrypts or route.passthrough or route.blocked):
            continue
        fails = observation.answer is not None and (not went_well(observation, case) or _is_refused(observation))
        port = observation.port.number
        yield say(
            "XS0414",
            Severity.ERROR if fails or observation.contract.originates else Severity.WARNING,
            Stage.TLS,
            block.ref,
            f"{block.ref} says {top['mode']} at its top, and its portLevelSettings for {port} have no tls: "
            f"port {port} goes in clear",
            evidence=[_status(observation), f"{route.envoy_cluster}: {route.tls.mode}" if route else ""],
            cure=block.patch(top),
            of=observation,
        )


@rule(
    "XS0407",
    "A sidecar sends plaintext where it should add TLS",
    Severity.ERROR,
    Stage.TLS,
    either={Fact.PROXY, Fact.DESTINATION_RULES},
    uses={
        Fact.PROXY,
        Fact.DESTINATION_RULES,
        Fact.PROBES,
        Fact.SERVICES,
        Fact.ENDPOINT_SLICES,
        Fact.PODS,
        Fact.SERVICE_ENTRIES,
        Fact.VIRTUAL_SERVICES,
        Fact.SIDECARS,
        Fact.MESH_CONFIG,
    },
    symptom=True,
)
def plaintext_instead_of_tls(case: Case) -> Iterable[Finding]:
    """The alias is made for TLS origination, and this sidecar does not originate.

    Why     No DestinationRule with SIMPLE or MUTUAL reaches this source. There is none; its host is another than
            the one that takes the alias's calls; it is not exported to the source's namespace, or in a namespace
            that is not looked into (only the client's, the Service's and the root namespace are); a rule of an
            earlier namespace hides it, even one whose workloadSelector does not select the pod; an older rule of
            the same host wins whole; being private (exportTo "."), it was merged into a rule with a
            workloadSelector; it sets TLS for another port. Or the Service itself is not visible there (annotation
            networking.istio.io/exportTo), so that the request passes by as if to a stranger.
    Seen    The request leaves in clear: 400 "HTTP request to an HTTPS server" from a TLS port, or, for an
            ExternalName alias, a plain answer of TARGET:80. Silent where an Endpoints alias is answered in
            clear with success and no rule asks for TLS: then the port does not speak TLS at all. istioctl analyze
            names none of this; Kiali's KIA0201 (two rules of one host) and KIA0202 (host unknown) see a part.
    Cure    The smallest change that brings the rule to the source, or the alias written anew by kubectl extsvc
            create.
    Source  live on Istio 1.31 (annotation exportTo: "."); istio pilot/pkg/model/push_context.go,
            destination_rule.go, sidecar.go.
    """
    alias = case.alias
    for observation in behind_sidecar(case):
        route, decision = route_of(observation), observation.decision
        if not observation.contract.originates or observation.contract.scheme is not Scheme.HTTP:
            continue
        if route is not None:
            clear = not (route.tls.mode.encrypts or route.blocked or route.cluster_missing or route.direct_response)
            clear = clear and route.tls.mode is not OutboundTls.UNKNOWN
        else:
            clear = decision is not None and decision.mode in ("", "DISABLE")
        answer = observation.answer
        serves_clear = answer is not None and 200 <= answer.status < 400 and alias.form is Form.ENDPOINTS
        serves_clear = serves_clear and (route is None or not route.passthrough) and not _tls_asked_for(case)
        if not clear or serves_clear:
            continue
        why = why_in_clear(observation, case)
        yield say(
            "XS0407",
            Severity.ERROR,
            Stage.TLS,
            why.subject or decider(observation, case) or alias.service,
            f"sidecars in namespace {observation.source.namespace} send plaintext to {alias.target}: {why.message}",
            evidence=[
                *why.evidence,
                _mode_seen(route),
                _status(observation),
            ],
            cure=why.cure or create_anew(alias, more=("--tls-mode", "SIMPLE")),
            of=observation,
        )


@rule(
    "XS0408",
    "Pods without sidecar reach the target unencrypted",
    Severity.WARNING,
    Stage.TLS,
    needs={Fact.PROBES},
)
def plain_pods_in_clear(case: Case) -> Iterable[Finding]:
    """The alias encrypts for pods with sidecar only, and the target answers plain pods in clear.

    Why     Origination is the sidecar's work. The same name from a pod without one leads to the target's plain
            port.
    Seen    A 2xx from the target's plain port, asked for "/" by a plain source. A redirect, to https as a rule, is
            no reason to worry.
    Cure    Give the pods a sidecar, keep them off by a NetworkPolicy, or let all clients speak TLS (--port
            tls:443).
    Source  Istio's task "Egress TLS Origination"; live on Istio 1.31 (externalname-with-serviceentry).
    """
    for observation in case.observations:
        if observation.source.mode is not MeshMode.PLAIN:
            continue
        for answer in observation.answers(Purpose.TARGET):
            if 200 <= answer.status < 300:
                yield say(
                    "XS0408",
                    Severity.WARNING,
                    Stage.TLS,
                    case.alias.service,
                    f"pods without sidecar reach {case.alias.target}:{observation.port.number} unencrypted",
                    evidence=[f"{answer.status} over http"],
                    cure="give these pods a sidecar, or keep them off by a NetworkPolicy",
                    of=observation,
                )


def _tls_asked_for(case: Case) -> bool:
    """Does any rule on exactly this Service ask for TLS, whomever it reaches?"""
    found = rules_on([case.alias.fqdn(case.snapshot.cluster_domain)], case)
    return any(tls_block(item, port.number, case).originates for item in found for port in case.alias.ports)


def _is_refused(observation: Observation) -> bool:
    """400 is what TLS servers answer to plain HTTP."""
    return observation.answer is not None and observation.answer.status == 400


def _mode_seen(route: Route | None) -> str:
    if route is None:
        return "computed; the proxy was not read"
    return f"{'observed' if route.observed else 'computed'}: {route.envoy_cluster} {route.tls.mode}"


def _status(observation: Observation) -> str:
    answer = observation.answer
    return f"status {answer.status}" if answer is not None and answer.status else ""
