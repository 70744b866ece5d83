"""Why no DestinationRule adds TLS to a sidecar's requests, and the smallest change after which one does."""

from collections.abc import Iterator
from dataclasses import dataclass

from kubectl_extsvc.mesh.destination_rules import credential_is_ignored, route_host
from kubectl_extsvc.mesh.export_to import default_export_to, exported_to
from kubectl_extsvc.mesh.hosts import covers, name_forms, resolve_host
from kubectl_extsvc.mesh.rule_lookup import Rule, read_rule
from kubectl_extsvc.model.alias import Form, TlsMode
from kubectl_extsvc.model.fix import JsonPatch, MergePatch, Step
from kubectl_extsvc.model.observation import Case, Observation
from kubectl_extsvc.model.resources import DESTINATION_RULES, Json, ObjectRef
from kubectl_extsvc.rules.evidence import (
    TlsBlock,
    applied,
    deciding_block,
    get_command,
    origin_name,
    route_of,
    tls_block,
)
from kubectl_extsvc.rules.export_to import hidden_service, shown

ADDED = (TlsMode.SIMPLE, TlsMode.MUTUAL)


@dataclass(frozen=True, slots=True)
class Why:
    """One reason."""

    message: str
    """Ends the sentence "sidecars … send plaintext: "."""
    evidence: tuple[str, ...]
    """The reason in Istio's terms first, then the other rules that do not count."""
    subject: ObjectRef | None = None
    cure: Step | str | None = None
    """None: nothing less than the alias written anew."""


def why_in_clear(observation: Observation, case: Case) -> Why:
    """The reason nearest to the truth: a Service that is not seen, a rule that does not count, or no rule at all."""
    decision, client = observation.decision, observation.source.namespace
    reason = decision.reason if decision is not None else ""
    losers = dict(decision.losers) if decision is not None else {}
    lines = tuple(f"{ref} (namespace {ref.namespace}): {why}" for ref, why in losers.items())
    hidden = hidden_service(case, client)
    if hidden is not None:
        said = f"{case.alias.service} is not known in namespace {client} ({hidden.by})"
        return Why(said, (reason or said, *lines), case.alias.service, hidden.cure)
    known = route_host(case.alias, case.snapshot, port=observation.port.number, client_namespace=client)
    way = route_of(observation)
    if decision is not None and known is None and (way is None or way.passthrough):
        return _not_known((reason, *lines), observation, case)
    block = deciding_block(observation, case)
    if block is not None and block.originates:
        return _not_done(block, observation, case)
    wanted = next(_wanted(observation, case), None)
    if wanted is not None:
        why = losers.get(wanted.ref) or f"it does not reach namespace {client}"
        first = f"{wanted.ref} (namespace {wanted.ref.namespace}): {why}"
        others = tuple(line for line in (reason, *lines) if line and line != first)
        message = f"{wanted.ref}, which would add TLS, does not count: {why}"
        return Why(message, (first, *others), wanted.ref, _brought(wanted, observation, case))
    if block is not None:
        return _decided_otherwise(block, (reason, *lines), observation, case)
    if missed := next(_missed(observation, case), None):
        ref, host, named = missed
        said = f'{ref} is for the host "{named}", and the alias\'s calls go to {host}'
        cure_host = MergePatch(ref, {"spec": {"host": host}})
        return Why(said, (f"{ref} (namespace {ref.namespace}) spec.host: {named}", reason, *lines), ref, cure_host)
    return Why("no rule adds TLS", (reason, *lines))


def _not_known(reasons: tuple[str, ...], observation: Observation, case: Case) -> Why:
    """The source's proxies have no host of the registry for the alias's calls, so that no rule can count."""
    alias, client = case.alias, observation.source.namespace
    if alias.form is Form.ENDPOINTS:
        said = f"they do not know {alias.fqdn(case.snapshot.cluster_domain)}"
        cure = f"see what hides it, as a rule a Sidecar resource: kubectl get sidecars -n {client} -o yaml"
        return Why(said, reasons, alias.service, cure)
    return Why(f"{alias.target} is not in the mesh's registry, so that no rule counts", reasons)


def _not_done(block: TlsBlock, observation: Observation, case: Case) -> Why:
    """The objects say that TLS is added, and the proxy does not do it."""
    route, client = route_of(observation), observation.source.namespace
    if route is not None and route.passthrough:
        said = f"they do not know {_host(observation, case)}, though {block.ref} would add TLS there"
        cure = f"see what hides it, as a rule a Sidecar resource: kubectl get sidecars -n {client} -o yaml"
    else:
        said = f"they do not do what {block.ref} says"
        cure = f"kubectl extsvc verify {case.alias.name} -n {case.alias.namespace}"
    reason = observation.decision.reason if observation.decision is not None else said
    return Why(said, (reason,), block.ref, cure)


def _wanted(observation: Observation, case: Case) -> Iterator[Rule]:
    """Rules that cover the host, ask for TLS on this port, and do not decide. Rules on a dead name are XS0301's."""
    port, host = observation.port.number, _host(observation, case)
    decided = observation.decision.rule if observation.decision is not None else None
    for rule in case.snapshot.destination_rules:
        read = read_rule(rule, case.snapshot.cluster_domain)
        if read.ref == decided or credential_is_ignored(rule, port) or not covers(read.host, host):
            continue
        if tls_block(rule, port, case).originates:
            yield read


def _decided_otherwise(block: TlsBlock, reasons: tuple[str, ...], observation: Observation, case: Case) -> Why:
    """The rule that decides has another mode, none, or one for another port."""
    port = observation.port.number
    policy: Json = block.rule["spec"].get("trafficPolicy") or {}
    other = next((level for level in policy.get("portLevelSettings") or () if _mode(level) in ADDED), None)
    if block.settings is not None:
        said = f"{block.ref} says {block.settings.mode}"
    elif other is not None:
        said = f"{block.ref} adds TLS on port {(other.get('port') or {}).get('number')} only"
    else:
        said = f"{block.ref}, which decides, sets no TLS"
    if block.is_wildcard:
        said += f" for {block.host}"
    tls = dict(other["tls"]) if other is not None else _full(case)
    cure: Step
    if block.is_wildcard:
        cure = _copied(observation, case, {"trafficPolicy": {"tls": tls}}, block.ref.namespace)
    elif other is not None and block.port_index is None and block.settings is None:
        level = {"port": {"number": port}, "tls": tls}
        path = "/spec/trafficPolicy/portLevelSettings/-"
        cure = JsonPatch(block.ref, [{"op": "add", "path": path, "value": level}])
    else:
        cure = block.patch(tls)
    return Why(said, (reasons[0] or said, *reasons[1:]), block.ref, cure)


def _brought(wanted: Rule, observation: Observation, case: Case) -> Step | str:
    """The smallest change after which a rule that loses is the one that counts for the source."""
    client = observation.source.namespace
    places = (client, case.alias.namespace, case.snapshot.mesh.root_namespace)
    export_to = wanted.spec.get("exportTo") or ()
    spec = {key: value for key, value in wanted.spec.items() if key not in ("host", "exportTo", "workloadSelector")}
    if wanted.ref.namespace not in places:
        return _copied(observation, case, spec, case.alias.namespace)
    if wanted.selector is not None:
        labels = dict(observation.source.labels)
        if wanted.ref.namespace == client and not wanted.selects(labels):
            words = ", ".join(f"{key}={value}" for key, value in wanted.selector.items())
            return f"label the source's pods {words}, or change workloadSelector: {get_command(wanted.ref)}"
        return _copied(observation, case, spec, client)
    default = default_export_to(DESTINATION_RULES, case.snapshot.mesh_config)
    if not exported_to(export_to, wanted.ref.namespace, client, default):
        return shown(DESTINATION_RULES, wanted.ref, case)
    block = deciding_block(observation, case)
    if block is None and tuple(export_to) == (".",):
        return shown(DESTINATION_RULES, wanted.ref, case)
    tls = _tls(wanted, observation.port.number)
    if block is not None and not block.is_wildcard and tls:
        return block.patch(tls)
    return _copied(observation, case, spec, block.ref.namespace if block is not None else client)


def _missed(observation: Observation, case: Case) -> Iterator[tuple[ObjectRef, str, str]]:
    """Rules with TLS whose host is nearly the alias's: (rule, the host that counts, the host that it names).

    Only a host without any dot is completed, and that with the rule's own namespace; and a rule on the outside name of
    an alias with addresses is for another host of the registry.
    """
    alias, host = case.alias, _host(observation, case)
    if alias.form is Form.EXTERNAL_NAME:
        return  # rules on its own name are XS0301's
    forms = name_forms(alias.name, alias.namespace, alias.namespace, case.snapshot.cluster_domain)
    for rule in case.snapshot.destination_rules:
        named = (rule.get("spec") or {}).get("host", "")
        block = tls_block(rule, observation.port.number, case)
        means = resolve_host(named, block.ref.namespace, case.snapshot.cluster_domain)
        if means != host and block.originates and (named.lower() in forms or named == alias.host):
            yield block.ref, host, named


def _copied(observation: Observation, case: Case, spec: Json, namespace: str) -> Step:
    """A rule of exactly the host that takes the alias's calls, in a namespace."""
    whole = {"host": _host(observation, case), **spec}
    return applied(DESTINATION_RULES, namespace, f"{case.alias.name}-tls", whole, case)


def _host(observation: Observation, case: Case) -> str:
    """The host of the registry that takes the alias's calls from a source."""
    found = route_host(
        case.alias, case.snapshot, port=observation.port.number, client_namespace=observation.source.namespace
    )
    return found.host if found is not None else case.alias.fqdn(case.snapshot.cluster_domain)


def _tls(wanted: Rule, port: int) -> Json:
    policy: Json = wanted.spec.get("trafficPolicy") or {}
    levels = policy.get("portLevelSettings") or ()
    own = next((level for level in levels if (level.get("port") or {}).get("number") == port), policy)
    return dict(own.get("tls") or {})


def _full(case: Case) -> Json:
    name = origin_name(case.alias)
    return {"mode": TlsMode.SIMPLE.value, "sni": name, "subjectAltNames": [name]}


def _mode(level: Json) -> str:
    return str((level.get("tls") or {}).get("mode", ""))
