"""Which of several DestinationRules decides: Istio's own lookup and merge, replayed from the objects.

Source throughout: istio pilot/pkg/model/push_context.go (destinationRule, setDestinationRules), destination_rule.go
(mergeDestinationRule) and sidecar.go (SidecarScope.DestinationRule), branch release-1.31. Where that code surprises, it
is copied, not mended.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kubectl_extsvc.mesh.hosts import covers, resolve_host, specificity
from kubectl_extsvc.model.alias import TlsMode, TlsSettings
from kubectl_extsvc.model.resources import Json, ObjectRef
from kubectl_extsvc.model.route import RuleDecision


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    ref: ObjectRef
    host: str
    """Resolved."""
    export_to: frozenset[str]
    """{"."} for a rule with a workloadSelector, whatever it says."""
    selector: Mapping[str, str] | None
    """None: no workloadSelector; empty: one that selects every workload of its namespace."""
    created: str
    spec: Json
    private_by_default: bool = False
    """It says no exportTo, and meshConfig's default has "." in it; rules are still merged by what they say."""

    @property
    def has_policy(self) -> bool:
        return self.spec.get("trafficPolicy") is not None

    @property
    def private(self) -> bool:
        return self.export_to in ({"."}, {self.ref.namespace}) or (not self.export_to and self.private_by_default)

    @property
    def in_own_namespace(self) -> bool:
        """Whether it counts for clients of its own namespace at all."""
        return not self.export_to or not self.export_to.isdisjoint(("*", ".", self.ref.namespace))

    def selects(self, labels: Mapping[str, str]) -> bool:
        return self.selector is not None and self.selector.items() <= labels.items()


@dataclass(slots=True)
class Merged:
    """Rules of one host and namespace that became one; the first is the oldest and gives name and selector."""

    rules: list[Rule]

    @property
    def first(self) -> Rule:
        return self.rules[0]

    @property
    def policy_rule(self) -> Rule:
        """Whose trafficPolicy counts, whole: the first that has one."""
        return next((rule for rule in self.rules if rule.has_policy), self.first)

    @property
    def subsets(self) -> tuple[Json, ...]:
        """Of two with one name the older rule's."""
        found: dict[str, Json] = {}
        for rule in self.rules:
            for subset in rule.spec.get("subsets") or ():
                found.setdefault(subset.get("name", ""), subset)
        return tuple(found.values())


@dataclass(frozen=True, slots=True)
class _Step:
    """One of the three namespaces that are looked through."""

    whose: str
    namespace: str
    candidates: tuple[Rule, ...]
    """Rules of it that cover the host and are eligible at this step."""


@dataclass(frozen=True, slots=True)
class _Lookup:
    """Where the lookup ended."""

    step: _Step
    host: str
    """The most specific host there."""
    groups: tuple[Merged, ...]
    """Merged rules of that host that the client may see; the lookup stops if there is any."""


def look_up(
    rules: Iterable[Rule],
    *,
    host: str,
    port: int,
    service_namespace: str,
    client_namespace: str,
    client_labels: Mapping[str, str],
    root_namespace: str,
) -> tuple[RuleDecision, Merged | None]:
    """The DestinationRule that decides at clients of a namespace for a host of the registry and one of its ports, and
    the rules that became one with it.

    client_labels are those of the client's pod. rules may be all of the cluster.
    """
    covering = [rule for rule in rules if covers(rule.host, host)]
    covering.sort(key=lambda r: (r.selector is None, r.created, r.ref.name, r.ref.namespace))
    steps = _steps(covering, service_namespace, client_namespace, root_namespace)
    lookup = _look_up(steps, client_namespace)
    chosen = _choose(lookup.groups, client_namespace, client_labels) if lookup else None
    losers = tuple(
        (rule.ref, _why_not(rule, lookup, chosen, steps, client_namespace))
        for rule in covering
        if chosen is None or rule is not chosen.policy_rule
    )
    if lookup is None:
        return RuleDecision(None, _why_none(host, covering, client_namespace), "", losers), None
    if chosen is None:
        reason = (
            f"the lookup stops at {lookup.groups[0].first.ref} in {_place(lookup.step)}, whose workloadSelector does "
            "not select the client; no rule applies"
        )
        return RuleDecision(None, reason, "", losers), None
    winner = chosen.policy_rule
    tls = tls_block(winner.spec, port)
    decision = RuleDecision(
        rule=winner.ref,
        reason=_why(lookup, chosen, host, port),
        mode=str(tls.get("mode", TlsMode.DISABLE)) if tls is not None else "",
        losers=losers,
        named=chosen.first.ref,
    )
    return decision, chosen


def read_rule(obj: Json, cluster_domain: str, *, private_by_default: bool = False) -> Rule:
    """What counts of a DestinationRule when several cover one host."""
    metadata, spec = obj["metadata"], obj.get("spec") or {}
    namespace = metadata.get("namespace", "")
    selector = spec.get("workloadSelector")
    return Rule(
        ref=ObjectRef("DestinationRule", namespace, metadata["name"]),
        host=resolve_host(spec.get("host", ""), namespace, cluster_domain),
        export_to=frozenset(spec.get("exportTo") or ()) if selector is None else frozenset((".",)),
        selector=None if selector is None else dict(selector.get("matchLabels") or {}),
        created=metadata.get("creationTimestamp") or "",
        spec=spec,
        private_by_default=private_by_default,
    )


def tls_block(spec: Json, port: int) -> Json | None:
    """trafficPolicy.tls of a DestinationRule's spec for a port, as it stands."""
    tls: Json | None = port_policy(spec, port).get("tls")
    return tls


def settings_of(tls: Json) -> TlsSettings:
    """The tls of a trafficPolicy."""
    return TlsSettings(
        mode=TlsMode(tls.get("mode", TlsMode.DISABLE)),
        sni=tls.get("sni", ""),
        subject_alt_names=tuple(tls.get("subjectAltNames") or ()),
        ca_certificates=tls.get("caCertificates", ""),
        credential_name=tls.get("credentialName", ""),
        client_certificate=tls.get("clientCertificate", ""),
        private_key=tls.get("privateKey", ""),
        insecure_skip_verify=bool(tls.get("insecureSkipVerify", False)),
    )


def port_policy(spec: Json, port: int) -> Json:
    """trafficPolicy of a DestinationRule's spec, or of a subset, as it holds for a port.

    portLevelSettings of the port replace the whole top level, also where they say nothing of TLS.
    """
    policy: Json = spec.get("trafficPolicy") or {}
    for settings in policy.get("portLevelSettings") or ():
        if (settings.get("port") or {}).get("number") == port:
            found: Json = settings
            return found
    return policy


def _steps(
    covering: Iterable[Rule], service_namespace: str, client_namespace: str, root_namespace: str
) -> tuple[_Step, ...]:
    """The namespaces in the order in which they are looked through, each with its eligible rules."""
    rules = tuple(covering)
    if client_namespace == root_namespace:
        # Rules of the root namespace are meant for all; for clients there only its private ones come first.
        own = tuple(r for r in rules if r.ref.namespace == root_namespace and r.private)
    else:
        own = tuple(r for r in rules if r.ref.namespace == client_namespace and r.in_own_namespace)

    def exported(namespace: str) -> tuple[Rule, ...]:
        return tuple(r for r in rules if r.ref.namespace == namespace and not r.private)

    return (
        _Step("the client's namespace", client_namespace, own),
        _Step("the Service's namespace", service_namespace, exported(service_namespace)),
        _Step("the root namespace", root_namespace, exported(root_namespace)),
    )


def _look_up(steps: Sequence[_Step], client_namespace: str) -> _Lookup | None:
    """The first namespace with a match ends the lookup, even if the match then does not apply.

    The most specific host is taken before exportTo is read, so that an exact rule for others hides a wider one for all.
    """
    for number, step in enumerate(steps):
        if not step.candidates:
            continue
        host = min((rule.host for rule in step.candidates), key=specificity)
        groups = _merge(rule for rule in step.candidates if rule.host == host)
        if number > 0:
            groups = [group for group in groups if _visible(group.first, client_namespace)]
        if groups:
            return _Lookup(step, host, tuple(groups))
    return None


def _visible(rule: Rule, client_namespace: str) -> bool:
    return not rule.export_to or "*" in rule.export_to or client_namespace in rule.export_to


def _merge(rules: Iterable[Rule]) -> list[Merged]:
    """Rules of one host and namespace, in order of selector and age, made into as few as Istio makes of them.

    A rule without selector but with exportTo "." meets a rule with one, whose exportTo is "." by law: it is merged into
    that and stands nowhere by itself any more. And the last group alone says whether a rule stands by itself too.
    """
    groups: list[Merged] = []
    for rule in rules:
        separately = True
        for group in groups:
            exported = group.first.export_to
            if rule.export_to == exported:
                separately = False
            elif exported and rule.export_to >= exported:
                separately = True
            else:
                separately = True
                continue
            selector = group.first.selector
            if rule.selector is not None and selector is not None and rule.selector != selector:
                separately = True
                continue
            if (rule.selector is None) == (selector is None):
                separately = False
            group.rules.append(rule)
        if separately:
            groups.append(Merged([rule]))
    return groups


def _choose(groups: Iterable[Merged], client_namespace: str, labels: Mapping[str, str]) -> Merged | None:
    """The first whose workloadSelector selects the client, else the youngest without a selector."""
    fallback: Merged | None = None
    for group in groups:
        if group.first.selector is None:
            fallback = group
        elif group.first.ref.namespace == client_namespace and group.first.selects(labels):
            return group
    return fallback


def _place(step: _Step) -> str:
    return f"{step.whose} {step.namespace}"


def _why(lookup: _Lookup, chosen: Merged, host: str, port: int) -> str:
    winner = chosen.policy_rule
    parts = [f"{winner.ref} in {_place(lookup.step)} covers {host}"]
    if winner.host != host:
        parts[0] += f" by {winner.host}"
    if winner.selector is not None:
        parts.append("its workloadSelector selects the client")
    if winner is not chosen.first:
        parts.append(f"the older {chosen.first.ref} has no trafficPolicy and takes this one's")
    settings = (winner.spec.get("trafficPolicy") or {}).get("portLevelSettings") or ()
    if any((s.get("port") or {}).get("number") == port and s.get("tls") is None for s in settings):
        parts.append(f"its portLevelSettings for {port} have no tls and replace the top level")
    return "; ".join(parts)


def _why_none(host: str, covering: Sequence[Rule], client_namespace: str) -> str:
    if not covering:
        return f"no DestinationRule covers {host}"
    return f"no DestinationRule that covers {host} reaches clients in namespace {client_namespace}"


def _why_not(
    rule: Rule, lookup: _Lookup | None, chosen: Merged | None, steps: Sequence[_Step], client_namespace: str
) -> str:
    """Why a rule that covers the host does not decide, in one sentence."""
    step = next((s for s in steps if s.namespace == rule.ref.namespace and rule in s.candidates), None)
    if step is None:
        return _why_not_eligible(rule, steps)
    if lookup is not None and steps.index(step) > steps.index(lookup.step):
        return f"{_place(lookup.step)} is looked through first and has a rule that covers the host"
    best = min((r for r in step.candidates), key=lambda r: specificity(r.host))
    if rule.host != best.host:
        return f"{best.ref} in the same namespace has the more specific host {best.host}"
    if lookup is None or step is not lookup.step:
        return f"it is not exported to namespace {client_namespace}"
    return _why_not_of_the_same_host(rule, lookup.groups, chosen, client_namespace)


def _why_not_eligible(rule: Rule, steps: Sequence[_Step]) -> str:
    namespace = rule.ref.namespace
    if all(namespace != step.namespace for step in steps):
        return (
            f"namespace {namespace} is neither the client's ({steps[0].namespace}), nor the Service's "
            f"({steps[1].namespace}), nor the root namespace ({steps[2].namespace})"
        )
    if namespace == steps[0].namespace:
        return "it is not exported to its own namespace"
    if rule.selector is not None:
        return f"a rule with a workloadSelector counts in its own namespace only, {namespace}"
    return f"it is private to namespace {namespace}"


def _why_not_of_the_same_host(
    rule: Rule, groups: Sequence[Merged], chosen: Merged | None, client_namespace: str
) -> str:
    holding = [group for group in groups if rule in group.rules]
    if not holding:
        return f"it is not exported to namespace {client_namespace}"
    if chosen is not None and rule in chosen.rules:
        if not rule.has_policy:
            return f"it has no trafficPolicy and takes that of {chosen.policy_rule.ref}"
        return f"the older {chosen.policy_rule.ref} has the same host, and its trafficPolicy counts whole"
    if rule.selector is None and all(group.first.selector is not None for group in holding):
        return (
            f"being private, it was merged into {holding[0].first.ref}, whose workloadSelector does not select the "
            "client"
        )
    if rule.selector is not None and (chosen is None or chosen.first.selector is None):
        return "its workloadSelector does not select the client"
    assert chosen is not None, "a rule without selector that stands by itself is always a choice"
    if chosen.first.selector is not None:
        return f"{chosen.first.ref} has the same host and a workloadSelector that selects the client"
    return f"{chosen.first.ref} has the same host but another exportTo, and of such rules the youngest counts"
