"""Family 04: who encrypts."""

from collections.abc import Iterable

from kubectl_extsvc.mesh.destination_rules import credential_is_ignored
from kubectl_extsvc.mesh.hosts import EXPORT_TO_ANNOTATION, covers, exported_to, service_export_to
from kubectl_extsvc.mesh.registry import service_named
from kubectl_extsvc.model.alias import Form
from kubectl_extsvc.model.finding import Fact, Finding, Severity
from kubectl_extsvc.model.fix import JsonPatch, MergePatch, RemoveAnnotation, Step
from kubectl_extsvc.model.observation import Case, Observation, Stage
from kubectl_extsvc.model.probe import Purpose, Scheme
from kubectl_extsvc.model.resources import DESTINATION_RULES
from kubectl_extsvc.model.route import OutboundTls
from kubectl_extsvc.model.source import MeshMode
from kubectl_extsvc.rules.evidence import (
    ORIGINATING,
    behind_sidecar,
    create_anew,
    decider,
    deciding_block,
    metadata_ref,
    origin_name,
    route_of,
    rules_on,
    say,
    set_tls,
    tls_block,
    went_well,
)
from kubectl_extsvc.rules.family import rule
from kubectl_extsvc.rules.translation import failure_of


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
        if not wraps:
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
    "XS0407",
    "A sidecar sends plaintext where it should add TLS",
    Severity.ERROR,
    Stage.TLS,
    either={Fact.PROXY, Fact.DESTINATION_RULES},
    uses={Fact.PROXY, Fact.DESTINATION_RULES, Fact.PROBES, Fact.SERVICES},
    symptom=True,
)
def plaintext_instead_of_tls(case: Case) -> Iterable[Finding]:
    """The alias is made for TLS origination, and this sidecar does not originate.

    Why     No DestinationRule with SIMPLE or MUTUAL reaches this source: there is none, it is not exported to
            the source's namespace, a rule of an earlier namespace hides it, or the Service itself is not
            visible there (annotation networking.istio.io/exportTo), so that the request passes by as if to a
            stranger.
    Seen    The request leaves in clear: 400 "HTTP request to an HTTPS server" from a TLS port, or, for an
            ExternalName alias, a plain answer of TARGET:80. Silent where an Endpoints alias is answered in
            clear with success and no rule asks for TLS: then the port does not speak TLS at all.
    Cure    Make the rule visible to the source, or write the alias with kubectl extsvc create.
    Source  live on Istio 1.31 (annotation exportTo: "."); istio pilot/pkg/model/push_context.go.
    """
    alias = case.alias
    for observation in behind_sidecar(case):
        route, decision = route_of(observation), observation.decision
        if not observation.contract.originates or observation.contract.scheme is not Scheme.HTTP:
            continue
        if route is not None:
            clear = not (route.tls.mode.encrypts or route.blocked or route.cluster_missing or route.direct_response)
            clear = clear and route.tls.mode is not OutboundTls.UNKNOWN
            known = "observed"
        else:
            clear = decision is not None and decision.mode in ("", "DISABLE")
            known = "computed"
        answer = observation.answer
        serves_clear = answer is not None and 200 <= answer.status < 400 and alias.form is Form.ENDPOINTS
        serves_clear = serves_clear and (route is None or not route.passthrough) and not _tls_asked_for(case)
        if not clear or serves_clear:
            continue
        why = decision.reason if decision is not None else ""
        yield say(
            "XS0407",
            Severity.ERROR,
            Stage.TLS,
            decider(observation, case) or alias.service,
            f"sidecars in namespace {observation.source.namespace} send plaintext to {alias.target}: no rule adds TLS",
            evidence=[
                f"{known}: {route.envoy_cluster} {route.tls.mode}" if route else f"{known}: {why}",
                why if route else "",
                *_losers(observation),
                f"status {answer.status}" if answer is not None and answer.status else "",
            ],
            cure=_make_visible(observation, case),
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


def _losers(observation: Observation) -> list[str]:
    decision = observation.decision
    return [f"{ref} (namespace {ref.namespace}): {why}" for ref, why in decision.losers] if decision else []


def _make_visible(observation: Observation, case: Case) -> Step:
    """The smallest change that lets the source's sidecar see the rule; else the alias is written anew."""
    alias, client = case.alias, observation.source.namespace
    service = service_named(alias.fqdn(case.snapshot.cluster_domain), case.snapshot)
    if service is not None and not exported_to(service_export_to(service), alias.namespace, client):
        return RemoveAnnotation(alias.service, EXPORT_TO_ANNOTATION)
    for found in case.snapshot.destination_rules:
        block = tls_block(found, observation.port.number, case)
        fqdn = alias.fqdn(case.snapshot.cluster_domain)
        hidden = not exported_to((found.get("spec") or {}).get("exportTo") or (), block.ref.namespace, client)
        if block.originates and hidden and covers(block.host, fqdn) and not block.is_wildcard:
            ref = metadata_ref(found, DESTINATION_RULES.kind)
            return JsonPatch(ref, [{"op": "remove", "path": "/spec/exportTo"}])
    rule_here = deciding_block(observation, case)
    name = origin_name(alias)
    if rule_here is not None and not rule_here.is_wildcard:
        return rule_here.patch({"mode": "SIMPLE", "sni": name, "subjectAltNames": [name]})
    return create_anew(alias, more=("--tls-mode", "SIMPLE"))
