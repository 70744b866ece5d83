"""Family 03: DestinationRules that are written for the alias and do not decide."""

from collections.abc import Iterable
from dataclasses import dataclass

from kubectl_extsvc.mesh.rule_lookup import tls_block as tls_fields
from kubectl_extsvc.model.alias import Form, TlsMode, TlsSettings
from kubectl_extsvc.model.finding import Fact, Finding, Severity
from kubectl_extsvc.model.fix import MergePatch, Step
from kubectl_extsvc.model.observation import Case, Observation, Stage
from kubectl_extsvc.model.probe import Scheme
from kubectl_extsvc.model.resources import DESTINATION_RULES, Json, ObjectRef
from kubectl_extsvc.model.route import OutboundTls
from kubectl_extsvc.rules.evidence import (
    TlsBlock,
    applied,
    behind_sidecar,
    get_command,
    metadata_ref,
    route_of,
    say,
    tls_block,
    went_well,
)
from kubectl_extsvc.rules.export_to import is_exported, shown
from kubectl_extsvc.rules.family import rule
from kubectl_extsvc.rules.missed import OF_OWN_HOST, own_host
from kubectl_extsvc.rules.translation import failure_of


@dataclass(frozen=True, slots=True)
class Lost:
    block: TlsBlock
    why: str
    cure: str | Step
    for_all: bool
    """No client anywhere is ruled by it."""

    @property
    def ref(self) -> ObjectRef:
        return self.block.ref

    @property
    def wish(self) -> str:
        """TLS mode that it has for the port, "" if it says nothing of TLS."""
        return self.block.settings.mode.value if self.block.settings is not None else ""


@rule(
    "XS0308",
    "A DestinationRule for the alias is never looked at",
    Severity.ERROR,
    Stage.ROUTE,
    needs={Fact.DESTINATION_RULES},
    uses=OF_OWN_HOST | {Fact.PROXY, Fact.PROBES},
)
def rule_never_looked_at(case: Case) -> Iterable[Finding]:
    """A DestinationRule is written for the alias, and this source's proxy never gets it.

    Why     istiod looks in the source's namespace, then in that of the Service (or ServiceEntry), then in the root
            namespace, and nowhere else; and there only at what is exported to the source. A host without a dot is
            a Service of the rule's own namespace; "name.namespace" is taken as it stands and matches nothing. A
            workloadSelector counts in its own namespace only.
    Seen    The rule is not in the sidecar's configuration. An error where it asks for SIMPLE or MUTUAL and the
            request leaves in clear, or for DISABLE and mesh TLS spoils the call; information where the rule can
            count for nobody and nothing depends on it. Silent where it is meant for other sources and this one
            does well without. Kiali (KIA0202) and istioctl (IST0174) see hosts that do not exist, not a lookup
            that ends before the rule.
            Of a port that is made for origination (80 to 443) XS0407 speaks, and names the rule.
    Cure    Write the host in full; put the rule where the lookup comes by.
    Source  istio #14817; pilot/pkg/model/push_context.go destinationRule; live on Istio 1.31
            (dr-fourth-namespace) and istiod's own code (lookup-name-dot-namespace, lookup-short-host-wrong-namespace).
    """
    for observation in behind_sidecar(case):
        for lost in _never_looked_at(observation, case):
            severity = _severity(lost, observation, case)
            if severity is None:
                continue
            in_clear = severity is Severity.ERROR and _originates(lost.wish)
            asks = f"{lost.ref} (namespace {lost.ref.namespace}, {lost.wish or 'no TLS'})"
            effect = f", and requests to {case.alias.target} leave in clear" if in_clear else ""
            yield say(
                "XS0308",
                severity,
                Stage.ROUTE,
                lost.ref,
                f"{asks} does not count for clients in namespace {observation.source.namespace}{effect}",
                evidence=[lost.why, *_evidence(observation, case)],
                cure=lost.cure,
                of=observation,
            )


@rule(
    "XS0309",
    "Of two DestinationRules for the alias one is dropped",
    Severity.ERROR,
    Stage.ROUTE,
    needs={Fact.DESTINATION_RULES},
    uses=OF_OWN_HOST | {Fact.PROXY, Fact.PROBES},
)
def rule_dropped(case: Case) -> Iterable[Finding]:
    """Two rules of one namespace name one host and differ in TLS; the proxy gets one of them, whole.

    Why     The trafficPolicy of the oldest counts as a whole, names and gaps do not matter. Rules with different
            exportTo are not merged, and then the youngest counts. A rule without selector and with exportTo "." is
            merged into one that has a workloadSelector, and is lost for all others. And a rule with a
            workloadSelector in the source's namespace ends the lookup even where it does not select the source.
    Seen    The dropped rule's TLS is not that in effect. An error where it asks for SIMPLE or MUTUAL and the
            request leaves in clear. Silent where both say the same. istioctl analyze says nothing; Kiali's KIA0201
            counts rules and does not tell which one is in effect.
    Cure    Make one rule of the two.
    Source  istio pilot/pkg/model/destination_rule.go mergeDestinationRule; live on Istio 1.31
            (dr-two-for-one-host) and istiod's own code (merge-*, lookup-stops-at-unmatched-selector).
    """
    for observation in behind_sidecar(case):
        for lost, winner in _dropped(observation, case):
            if _originates(lost.wish) and _is_told(observation):
                continue
            in_clear = _originates(lost.wish) and _in_clear(observation)
            yield say(
                "XS0309",
                Severity.ERROR if in_clear else Severity.WARNING,
                Stage.ROUTE,
                lost.ref,
                f"{lost.ref} ({_tls_words(lost.block.settings)}) is dropped beside {winner}, of the same host"
                + (f", and requests to {case.alias.target} leave in clear" if in_clear else ""),
                evidence=[lost.why, *_evidence(observation, case)],
                cure=lost.cure,
                of=observation,
            )


def _never_looked_at(observation: Observation, case: Case) -> Iterable[Lost]:
    target = _target(observation, case)
    decision = observation.decision
    why_not = dict(decision.losers) if decision is not None else {}
    names = {case.alias.name} | ({target[0], target[0].partition(".")[0]} if target is not None else set())
    for found in case.snapshot.destination_rules:
        written = (found.get("spec") or {}).get("host", "")
        if written not in names and case.alias.name not in written:
            continue  # a mesh has thousands of rules, and mostly none is about this host
        block = tls_block(found, observation.port.number, case)
        if target is not None and block.host == target[0]:
            if decision is not None and block.ref in why_not and not _is_dropped(block.ref, observation, case):
                cure = _where_it_counts(block, target, observation, case)
                yield Lost(block, why_not[block.ref], cure, for_all=False)
        elif (spelled := _misspelled(found, observation, case)) is not None:
            yield spelled


def _target(observation: Observation, case: Case) -> tuple[str, str] | None:
    """Host and namespace whose rules count for the alias at this source."""
    found = own_host(observation, case)
    return (found.host, found.namespace) if found is not None else None


def _misspelled(found: Json, observation: Observation, case: Case) -> Lost | None:
    """A rule whose host looks like the alias and is not: a form of its name that rules do not know."""
    alias, domain = case.alias, case.snapshot.cluster_domain
    if alias.form is Form.EXTERNAL_NAME and case.snapshot.mesh.alias_mode:
        return None  # whatever the spelling, a rule on such a name is dead (XS0301)
    block = tls_block(found, observation.port.number, case)
    written, fqdn = (found.get("spec") or {}).get("host", ""), alias.fqdn(domain)
    patch = MergePatch(block.ref, {"spec": {"host": fqdn}})
    if written in (f"{alias.name}.{alias.namespace}", f"{alias.name}.{alias.namespace}.svc", f"{fqdn}."):
        why = f'the host "{written}" is taken as it stands, and no Service bears it'
        return Lost(block, why, patch, for_all=True)
    if written != alias.name or block.ref.namespace == alias.namespace:
        return None
    beside = {
        (service["metadata"].get("namespace", ""), service["metadata"]["name"]) for service in case.snapshot.services
    }
    if (block.ref.namespace, alias.name) in beside or block.ref.namespace != observation.source.namespace:
        return None
    why = f'the host "{written}" is read as {block.host}, a Service of its own namespace'
    return Lost(block, why, patch, for_all=case.snapshot.all_namespaces)


def _is_dropped(ref: ObjectRef, observation: Observation, case: Case) -> bool:
    """Whether another rule of the same host stands in the way: XS0309's matter."""
    return any(lost.ref == ref for lost, _ in _dropped(observation, case, every=True))


def _dropped(observation: Observation, case: Case, *, every: bool = False) -> Iterable[tuple[Lost, ObjectRef]]:
    """Rules that lost against one of the same host and namespace, or that a selector keeps from being reached.

    every: those too whose TLS is that in effect.
    """
    decision, target = observation.decision, _target(observation, case)
    if decision is None or target is None:
        return
    port = observation.port.number
    refs = {decision.rule, *(ref for ref, _ in decision.losers)}
    named = ((metadata_ref(found, DESTINATION_RULES.kind), found) for found in case.snapshot.destination_rules)
    blocks = {ref: tls_block(found, port, case) for ref, found in named if ref in refs}
    winner = blocks.get(decision.rule) if decision.rule is not None else None
    stops = None if winner is not None else _stopper(observation, blocks.values(), target[0], case)
    for ref, why in decision.losers:
        block = blocks.get(ref)
        if block is None or block.host != target[0]:
            continue
        if winner is not None and (ref.namespace, block.host) == (winner.ref.namespace, winner.host):
            beside = winner
        elif stops is not None and ref != stops.ref and not _selector(block.rule):
            beside = stops
        else:
            continue
        if _selector(block.rule) and not _selector(beside.rule):
            continue  # meant for other workloads, and rightly not this one's
        settings = beside.settings if winner is not None else None
        if not every and (block.settings is None or _same(block.settings, settings, observation)):
            continue
        cure: str | Step = f"make one rule of {ref} and {beside.ref}: {get_command(ref)}"
        if winner is not None and _originates(block.settings.mode if block.settings else "") and _in_clear(observation):
            cure = winner.patch(tls_fields(block.rule.get("spec") or {}, port) or {})
        yield Lost(block, why, cure, for_all=False), beside.ref


def _stopper(observation: Observation, blocks: Iterable[TlsBlock], host: str, case: Case) -> TlsBlock | None:
    """The rule with a workloadSelector in the source's namespace at which the lookup stopped without a result."""
    refs = {ref for ref, _ in observation.decision.losers} if observation.decision is not None else set()
    return next(
        (
            block
            for block in blocks
            if block.ref in refs and _selector(block.rule) and block.ref.namespace == observation.source.namespace
        ),
        None,
    )


def _selector(found: Json) -> bool:
    return (found.get("spec") or {}).get("workloadSelector") is not None


def _same(wish: TlsSettings, counts: TlsSettings | None, observation: Observation) -> bool:
    """Whether the port gets the same TLS without the dropped rule: a rule that says nothing means plaintext outside."""
    if counts is None:
        route = route_of(observation)
        auto = route is not None and route.tls.mode in (OutboundTls.AUTO_ISTIO_MUTUAL, OutboundTls.AUTO_MIXED)
        return wish.mode is TlsMode.DISABLE and not auto
    return wish == counts


def _where_it_counts(block: TlsBlock, target: tuple[str, str], observation: Observation, case: Case) -> str | Step:
    """The smallest change by which the lookup of this source comes to the rule."""
    client, spec = observation.source.namespace, dict(block.rule.get("spec") or {})
    if _selector(block.rule) and block.ref.namespace == client:
        labels = dict(observation.source.labels)
        label = "app" if "app" in labels else next(iter(labels), "app")
        return MergePatch(
            block.ref, {"spec": {"workloadSelector": {"matchLabels": {label: labels.get(label, "LABEL")}}}}
        )
    reached = (client, target[1], case.snapshot.mesh.root_namespace)
    if block.ref.namespace in reached and not is_exported(DESTINATION_RULES, block.rule, client, case):
        return shown(DESTINATION_RULES, block.ref, case)
    spec.pop("exportTo", None)
    where = client if block.ref.namespace in reached else target[1]
    return applied(DESTINATION_RULES, where, block.ref.name, spec, case)


def _severity(lost: Lost, observation: Observation, case: Case) -> Severity | None:
    """How bad it is that a rule does not count at this source; None if it is not bad."""
    route, decision = route_of(observation), observation.decision
    if _originates(lost.wish) and _is_told(observation):
        return None
    if _originates(lost.wish) and _in_clear(observation):
        return Severity.ERROR
    mode = route.tls.mode.value if route is not None else decision.mode if decision is not None else ""
    if lost.wish == TlsMode.DISABLE and mode == OutboundTls.ISTIO_MUTUAL and not went_well(observation, case):
        deciding = decision.rule if decision is not None else None
        if deciding is None or deciding.namespace != observation.source.namespace:
            return Severity.ERROR
    return Severity.INFO if lost.for_all else None


def _is_told(observation: Observation) -> bool:
    """XS0407 says why a port that is made for origination gets none."""
    return observation.contract.originates and observation.contract.scheme is Scheme.HTTP


def _originates(mode: str) -> bool:
    return mode in (TlsMode.SIMPLE, TlsMode.MUTUAL)


def _in_clear(observation: Observation) -> bool:
    """The application speaks no TLS, and the sidecar adds none."""
    if observation.contract.scheme is Scheme.HTTPS or _is_told(observation):
        return False
    route, decision = route_of(observation), observation.decision
    if route is None:
        return decision is not None and decision.mode in ("", TlsMode.DISABLE)
    if route.blocked or route.cluster_missing or route.direct_response:
        return False
    return not route.tls.mode.encrypts and route.tls.mode is not OutboundTls.UNKNOWN


def _evidence(observation: Observation, case: Case) -> list[str]:
    route, decision, failure = route_of(observation), observation.decision, failure_of(observation, case)
    return [
        failure.seen if failure else "",
        f"{'observed' if route.observed else 'computed'}: {route.envoy_cluster} {route.tls.mode}" if route else "",
        f"in effect: {decision.reason}" if decision else "",
    ]


def _tls_words(settings: TlsSettings | None) -> str:
    return settings.mode.value if settings is not None else "no TLS"
