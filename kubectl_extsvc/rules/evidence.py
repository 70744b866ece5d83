"""Readings of a case that several rules share, and the changes that cure it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kubectl_extsvc.mesh.destination_rules import tls_settings
from kubectl_extsvc.mesh.export_to import default_export_to
from kubectl_extsvc.mesh.registry import age
from kubectl_extsvc.mesh.rule_lookup import port_policy, read_rule, settings_of
from kubectl_extsvc.model.alias import AddressTarget, Alias, AliasPort, Form, TlsMode, TlsSettings
from kubectl_extsvc.model.finding import Finding, Severity
from kubectl_extsvc.model.fix import ADDRESS, HOST, Apply, Create, JsonPatch, MergePatch, Step, compact
from kubectl_extsvc.model.hostile_text import one_line
from kubectl_extsvc.model.observation import Case, Observation, Stage
from kubectl_extsvc.model.resources import DESTINATION_RULES, Json, ObjectRef, Resource
from kubectl_extsvc.model.route import OutboundTls, Route
from kubectl_extsvc.model.source import MeshMode
from kubectl_extsvc.rules.translation import Failure, FailureKind, failure_of

ORIGINATING = (OutboundTls.SIMPLE, OutboundTls.MUTUAL)


def say(
    code: str,
    severity: Severity,
    stage: Stage,
    subject: ObjectRef,
    message: str,
    *,
    evidence: Iterable[str] = (),
    cure: str | Step = "",
    of: Observation | None = None,
    ports: tuple[int, ...] = (),
) -> Finding:
    """A finding about one observation, or about the alias as a whole. A cure in words is a person's to do."""
    return Finding(
        code,
        severity,
        stage,
        subject,
        one_line(message),
        tuple(one_line(line) for line in evidence if line),
        cure if isinstance(cure, str) else cure.command,
        () if isinstance(cure, str) else (cure,),
        (of.source.key,) if of else (),
        (of.port.number,) if of else ports,
    )


def failures(case: Case, *kinds: FailureKind) -> Iterable[tuple[Observation, Failure]]:
    """Served calls that ended in one of these ways."""
    for observation in case.observations:
        failure = failure_of(observation, case)
        if failure is not None and failure.kind in kinds:
            yield observation, failure


def behind_sidecar(case: Case) -> Iterable[Observation]:
    return (o for o in case.observations if o.source.mode is MeshMode.SIDECAR and o.contract.served)


def route_of(observation: Observation) -> Route | None:
    """The route if it was read, or can be computed with certainty."""
    return observation.route if isinstance(observation.route, Route) else None


def origin(route: Route) -> str:
    """What evidence calls a route: one that was computed is never sold as seen."""
    return "route" if route.observed else "computed route"


def went_well(observation: Observation, case: Case) -> bool:
    return observation.answer is not None and failure_of(observation, case) is None


def metadata_ref(obj: Json, kind: str) -> ObjectRef:
    """Reference to a listed object, which does not carry its kind."""
    return ObjectRef(kind, obj["metadata"].get("namespace", ""), obj["metadata"]["name"])


@dataclass(frozen=True, slots=True)
class TlsBlock:
    """What a DestinationRule says about TLS of a port, and where it says it."""

    ref: ObjectRef
    rule: Json
    host: str
    """Resolved; may be a wildcard."""
    settings: TlsSettings | None
    """None if it says nothing about TLS of this port."""
    port_index: int | None
    """Index in portLevelSettings; None: at the top."""
    subset_index: int | None = None
    """Index of the subset whose trafficPolicy it is in; None: in that of the rule."""

    @property
    def originates(self) -> bool:
        return self.settings is not None and self.settings.mode in (TlsMode.SIMPLE, TlsMode.MUTUAL)

    @property
    def is_at_top(self) -> bool:
        return self.port_index is None and self.subset_index is None

    @property
    def is_wildcard(self) -> bool:
        return self.host.startswith("*")

    def patch(self, tls: Mapping[str, Any]) -> Step:
        """The change that sets these fields, and leaves the others."""
        if self.is_at_top:
            return MergePatch(self.ref, {"spec": {"trafficPolicy": {"tls": dict(tls)}}})
        subset = f"/subsets/{self.subset_index}" if self.subset_index is not None else ""
        port = f"/portLevelSettings/{self.port_index}" if self.port_index is not None else ""
        base = f"/spec{subset}/trafficPolicy{port}/tls"
        if self.settings is None:
            return JsonPatch(self.ref, [{"op": "add", "path": base, "value": dict(tls)}])
        return JsonPatch(self.ref, [{"op": "add", "path": f"{base}/{key}", "value": tls[key]} for key in tls])


def tls_block(rule: Json, port: int, case: Case) -> TlsBlock:
    read = read_rule(rule, case.snapshot.cluster_domain)
    return TlsBlock(read.ref, rule, read.host, tls_settings(rule, port), _port_index(read.spec, port))


def _port_index(spec: Json, port: int) -> int | None:
    """Of a rule's spec, or of a subset."""
    levels = (spec.get("trafficPolicy") or {}).get("portLevelSettings") or ()
    numbers = [(level.get("port") or {}).get("number") for level in levels]
    return numbers.index(port) if port in numbers else None


def deciding_block(observation: Observation, case: Case) -> TlsBlock | None:
    """TLS block of the DestinationRule that decides for a source; None if none does or it could not be read.

    The rule that the replay names counts first: the proxy's metadata name the oldest rule of a merged set, which need
    not be the one whose policy applies (mergeDestinationRule in istio pilot/pkg/model/destination_rule.go).
    """
    route = route_of(observation)
    decided = observation.decision.rule if observation.decision is not None else None
    seen = route.rule if route is not None else None
    for ref in (decided, seen):
        rule = next(
            (r for r in case.snapshot.destination_rules if ref == metadata_ref(r, DESTINATION_RULES.kind)), None
        )
        if rule is not None:
            block = tls_block(rule, observation.port.number, case)
            return _of_the_subset(block, observation, case) or block
    return None


def _of_the_subset(block: TlsBlock, observation: Observation, case: Case) -> TlsBlock | None:
    """TLS of the subset that the route leads to, in this rule or one that is merged with it; None if it has none."""
    route, port = route_of(observation), observation.port.number
    parts = route.envoy_cluster.split("|") if route is not None else []
    if len(parts) != 4 or not parts[2]:
        return None
    merged = [rule for rule in case.snapshot.destination_rules if _lies_beside(rule, block, case)]
    for rule in sorted(merged, key=age):
        for index, subset in enumerate(rule["spec"].get("subsets") or ()):
            if subset.get("name") == parts[2]:
                tls, at = port_policy(subset, port).get("tls"), _port_index(subset, port)
                ref = metadata_ref(rule, DESTINATION_RULES.kind)
                return TlsBlock(ref, rule, block.host, settings_of(tls), at, index) if tls is not None else None
    return None


def _lies_beside(rule: Json, block: TlsBlock, case: Case) -> bool:
    read = read_rule(rule, case.snapshot.cluster_domain)
    return (read.ref.namespace, read.host) == (block.ref.namespace, block.host)


def decider(observation: Observation, case: Case) -> ObjectRef | None:
    """The DestinationRule that decides for a source, if one is known."""
    block = deciding_block(observation, case)
    if block is not None:
        return block.ref
    route = route_of(observation)
    if route is not None and route.rule is not None:
        return route.rule
    return observation.decision.rule if observation.decision is not None else None


def set_tls(observation: Observation, case: Case, tls: Mapping[str, Any]) -> str | Step:
    """The change that gives the deciding rule these TLS fields; where there is no rule, the alias is written anew."""
    block = deciding_block(observation, case)
    if block is not None:
        return block.patch(tls)
    rule = decider(observation, case)
    if rule is not None:
        return f"set in {rule} (namespace {rule.namespace}) trafficPolicy.tls to {compact(dict(tls))}"
    return create_anew(case.alias, more=("--tls-mode", str(tls.get("mode", "auto"))))


def rules_on(hosts: Iterable[str], case: Case) -> list[Json]:
    """DestinationRules on exactly these hosts."""
    wanted = set(hosts)
    return [rule for rule in case.snapshot.destination_rules if tls_block(rule, 0, case).host in wanted]


def origin_name(alias: Alias) -> str:
    """The name that the origin's certificate has, as far as it is known; a placeholder else."""
    return alias.host or HOST


def get_command(ref: ObjectRef | None, plural: str = "destinationrules") -> str:
    """The command that shows an object; all of its kind if it is not known which one."""
    what = f"{ref.kind.lower()} {ref.name} -n {ref.namespace}" if ref else f"{plural} -A"
    return f"kubectl get {what} -o yaml"


def applied(resource: Resource, namespace: str, name: str, spec: Json, case: Case) -> Apply:
    """One more Istio object, seen from everywhere, whatever the mesh's default for its kind is."""
    if default_export_to(resource, case.snapshot.mesh_config):
        spec = {"exportTo": ["*"], **spec}
    served = resource.at_version(case.snapshot.mesh.api_version or resource.version)
    return Apply(
        {
            "apiVersion": served.api_version,
            "kind": served.kind,
            "metadata": {"name": name, "namespace": namespace},
            "spec": spec,
        }
    )


def create_anew(
    alias: Alias,
    *,
    target: Sequence[str] = (),
    ports: Iterable[AliasPort] | None = None,
    more: Sequence[str] = (),
    complete: bool = True,
) -> Create:
    """`kubectl extsvc create` that writes this alias anew: same name, target and ports unless told otherwise.

    A Service of others is only taken over as what it stands for now; another target has to be wished for twice.
    """
    flags = ("--overwrite",) if alias.managed else ("--adopt", "--overwrite") if target else ("--adopt",)
    if not target:
        if alias.form is Form.EXTERNAL_NAME:
            target = ("--external-name", alias.host)
        else:
            addresses = ",".join(addresses_of(alias))
            complete = complete and bool(addresses)
            target = ("--address", addresses or ADDRESS, *(("--host", alias.host) if alias.host else ()))
    numbers = [word for port in (alias.ports if ports is None else ports) for word in ("--port", str(port))]
    return Create((alias.name, "-n", alias.namespace, *target, *numbers, *more, *flags), complete)


def addresses_of(alias: Alias) -> tuple[str, ...]:
    return alias.target.addresses if isinstance(alias.target, AddressTarget) else ()
