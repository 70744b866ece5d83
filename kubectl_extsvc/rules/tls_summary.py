"""The TLS mode in effect, for the header of a report."""

from kubectl_extsvc.mesh.destination_rules import decision_for
from kubectl_extsvc.model.observation import Case, Observation
from kubectl_extsvc.model.route import OutboundTls, Route, RuleDecision
from kubectl_extsvc.model.source import MeshMode, Source


def tls_summary(case: Case) -> str:
    """Mode in effect and who decided, in a few words; several ports or sources that differ each say their own.

    Where no sidecar could be read it is what the objects say for a client of the alias's own namespace.
    """
    said: dict[str, list[Observation]] = {}
    for observation in case.observations:
        if observation.source.mode is MeshMode.SIDECAR:
            said.setdefault(_in_effect(observation), []).append(observation)
    said.pop("", None)
    several_ports = len(case.alias.ports) > 1
    by_words = {words: _whose(group, several_ports) for words, group in said.items()} or _computed(case)
    if not by_words:
        installed = case.snapshot.mesh.installed
        return "not observed: no source with a sidecar could be read" if installed else "no Istio"
    if len(by_words) == 1:
        return next(iter(by_words))
    return ", ".join(f"{whose}: {words}" for words, whose in by_words.items())


def _computed(case: Case) -> dict[str, str]:
    """What the objects say → the ports that they say it of."""
    anyone = Source(case.alias.namespace, "", "", MeshMode.SIDECAR)
    ports: dict[str, list[str]] = {}
    for port in case.alias.ports:
        decision = decision_for(case.alias, port.number, anyone, case.snapshot)
        if decision is not None:
            ports.setdefault(_decided_words(decision), []).append(str(port.number))
    return {words: " ".join(numbers) for words, numbers in ports.items()}


def _whose(group: list[Observation], several_ports: bool) -> str:
    names = [str(o.port.number) if several_ports else f"{o.source.namespace}/{o.source.pod}" for o in group]
    return " ".join(dict.fromkeys(names))


def _in_effect(observation: Observation) -> str:
    route, decision = observation.route, observation.decision
    if isinstance(route, Route):
        return (
            _observed_words(route, observation)
            if route.observed
            else f"computed: {_observed_words(route, observation)}"
        )
    return _decided_words(decision) if decision is not None else ""


def _decided_words(decision: RuleDecision) -> str:
    if decision.mode:
        return f"computed: {decision.mode} by {decision.rule}"
    return f"computed: plaintext, {decision.rule} sets no TLS" if decision.rule else "computed: no rule applies"


def _observed_words(route: Route, observation: Observation) -> str:
    decision = observation.decision
    rule = decision.rule if decision is not None and decision.rule is not None else route.rule
    if route.blocked:
        return "none: the proxy blocks it"
    if route.direct_response:
        return "none: the proxy answers by itself"
    if route.passthrough:
        return "passthrough: no rule can apply"
    if route.cluster_missing:
        return "none: the proxy has no cluster for it"
    match route.tls.mode:
        case OutboundTls.AUTO_PLAINTEXT:
            return f"plaintext: {rule} sets no TLS (auto-mTLS)" if rule else "plaintext: no rule applies (auto-mTLS)"
        case OutboundTls.AUTO_ISTIO_MUTUAL | OutboundTls.AUTO_MIXED:
            return str(route.tls.mode)
        case OutboundTls.DISABLE | OutboundTls.NONE if rule is None:
            return "plaintext: no rule applies"
    if route.tls.mode is OutboundTls.DISABLE and decision is not None and decision.mode not in ("DISABLE",):
        return f"plaintext, although {rule} says {decision.mode}" if decision.mode else f"plaintext: {rule} sets no TLS"
    return f"{route.tls.mode} by {rule}" if rule else str(route.tls.mode)
