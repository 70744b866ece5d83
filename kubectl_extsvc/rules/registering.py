"""Family 03: whether the mesh takes the alias's call for one of the ServiceEntry of its target."""

from collections.abc import Iterable
from dataclasses import dataclass

from kubectl_extsvc.mesh.export_to import default_export_to, exported_to, service_export_to
from kubectl_extsvc.mesh.hosts import covers
from kubectl_extsvc.mesh.ports import entry_protocol, protocol_of
from kubectl_extsvc.mesh.registry import RegistryPort, alias_target, is_external_name, registered, service_named
from kubectl_extsvc.model.alias import Form
from kubectl_extsvc.model.finding import Fact, Finding, Severity
from kubectl_extsvc.model.fix import JsonPatch, MergePatch, Step
from kubectl_extsvc.model.observation import Case, Observation, Stage
from kubectl_extsvc.model.probe import Scheme
from kubectl_extsvc.model.resources import SERVICE_ENTRIES, SERVICES, Json, ObjectRef
from kubectl_extsvc.rules.evidence import behind_sidecar, create_anew, metadata_ref, origin, route_of, say
from kubectl_extsvc.rules.export_to import is_exported
from kubectl_extsvc.rules.family import rule
from kubectl_extsvc.rules.missed import OF_OWN_HOST, missed, own_host
from kubectl_extsvc.rules.translation import FailureKind, failure_of

UNREACHED = (FailureKind.REFUSED, FailureKind.SILENT, FailureKind.CLOSED, FailureKind.NO_RESPONSE)


@dataclass(frozen=True, slots=True)
class Detached:
    """A ServiceEntry that is meant for the alias's target and does not take its calls."""

    entry: ObjectRef
    host: str
    """The entry's, as it would have to be for the alias."""
    why: str
    cure: str | Step
    redirects: bool
    """The entry leads elsewhere than the name itself does: a call that passes it by goes to another server or port."""


@rule(
    "XS0310",
    "The alias does not attach to the ServiceEntry of its target",
    Severity.ERROR,
    Stage.ROUTE,
    needs={Fact.SERVICE_ENTRIES},
    uses=OF_OWN_HOST | {Fact.DESTINATION_RULES, Fact.PROBES, Fact.PROXY},
)
def detached_alias(case: Case) -> Iterable[Finding]:
    """The target has a ServiceEntry, and calls of the alias pass it by.

    Why     Since Istio 1.21 an ExternalName Service is a further name of its target. istiod compares the two as
            they are written: a final dot, upper case or a wildcard host keep them apart. So does an entry that
            is not exported to the source's namespace, or that does not declare the port. What istiod does not
            know passes through (ALLOW_ANY), and the rules on the target are not asked.
    Seen    The route is PassthroughCluster, while rules on the target ask for TLS or change the request. An
            error where the request leaves in clear and should not, or where the entry leads elsewhere than the
            name and the call fails. Silent where passing through does the same. Under REGISTRY_ONLY the proxy
            refuses the call instead, and XS0601 says so. istioctl analyze and Kiali (KIA1102) look at hosts of
            rules, never at externalName.
    Cure    Write both names alike, declare the port, or export the entry.
    Source  istio pilot/pkg/model/push_context.go resolveServiceAliases; live on Istio 1.31
            (externalname-trailing-dot, externalname-wildcard-serviceentry).
    """
    for observation in behind_sidecar(case):
        route = route_of(observation)
        if route is not None and not route.passthrough:
            continue
        found = detachment(observation, case)
        if found is None:
            continue
        failure = failure_of(observation, case)
        if failure is not None and failure.kind is FailureKind.BLOCKED:
            continue
        lost = missed(found.host, found.entry.namespace, observation, case)
        misled = found.redirects and failure is not None and failure.kind in UNREACHED
        if lost is None and not misled:
            continue
        effect = "calls go where the name leads, not where the entry does" if misled else f"{lost} does not count"
        if lost is not None and lost.rule is not None and observation.contract.scheme is Scheme.HTTP:
            effect += ", and HTTP leaves in clear"
        yield say(
            "XS0310",
            Severity.ERROR if misled or lost is None else lost.severity,
            Stage.ROUTE,
            found.entry,
            f"{found.why}: {effect}",
            evidence=[
                failure.seen if failure and misled else "",
                f"{origin(route)}: {route.envoy_cluster} ({route.listener})" if route else "",
            ],
            cure=found.cure,
            of=observation,
        )


@rule(
    "XS0311",
    "Two objects claim the target's host, and the wrong one counts",
    Severity.ERROR,
    Stage.ROUTE,
    needs={Fact.SERVICE_ENTRIES, Fact.SERVICES},
    either={Fact.PROXY, Fact.PROBES},
    uses=OF_OWN_HOST | {Fact.DESTINATION_RULES},
)
def wrong_claimant(case: Case) -> Iterable[Finding]:
    """Of several ServiceEntries, or a Service and a ServiceEntry, for one host only one counts for this source.

    Why     The one of the source's own namespace wins, however young; then a Service, then the oldest
            ServiceEntry. Ports of others count only if they are in the winner's namespace and differ in nothing
            but ports. So a ServiceEntry that somebody adds can take a host from all the rest of the mesh.
    Seen    Calls fail, are refused, or leave in clear, and the object that is passed over has the port that the
            alias needs, or leads it elsewhere. Silent as long as calls go well. Istio warns of conflicting
            protocols only (IST0177, since 1.31).
    Cure    Keep one object for the host, with all the ports.
    Source  istio pilot/pkg/model/sidecar.go selectServices, push_context.go; checked against istiod's own code of
            1.31 (service-entry-of-client-namespace, service-entries-with-different-ports).
    """
    snapshot = case.snapshot
    if not snapshot.mesh.installed:
        return
    for observation in behind_sidecar(case):
        host = _registry_name(observation, case)
        known = registered(host, snapshot, observation.source.namespace) if host else None
        if known is None:
            continue
        number = observation.port.number
        counts = known.port(number)
        claims = _claims(host, number, observation.source.namespace, case)
        others = [(ref, port) for ref, port in claims if port is not None and _other(port, counts)]
        if not others:
            continue
        route, failure = route_of(observation), failure_of(observation, case)
        lost = missed(host, known.namespace, observation, case) if route is not None and route.passthrough else None
        if failure is None and (lost is None or lost.rule is None):
            continue
        winners = [ref for ref, port in claims if ref.namespace == known.namespace and (ref, port) not in others]
        loser, port = others[0]
        winner = winners[0] if winners else None
        if winner is None:
            continue
        has = f"has port {number} as {_port_words(counts)}" if counts is not None else f"has no port {number}"
        yield say(
            "XS0311",
            Severity.ERROR,
            Stage.ROUTE,
            winner,
            f"{winner} (namespace {winner.namespace}) counts for {host} and {has}; {loser} (namespace "
            f"{loser.namespace}) with {_port_words(port)} is passed over",
            evidence=[
                failure.seen if failure else "",
                f"{origin(route)}: {route.envoy_cluster} ({route.listener})" if route else "",
            ],
            cure=f"keep one object for {host}, with all ports: kubectl get serviceentries -A | grep {host}",
            of=observation,
        )


def detachment(observation: Observation, case: Case) -> Detached | None:
    """The ServiceEntry that nearly takes the alias's calls at this source, and what keeps it from that."""
    alias, snapshot = case.alias, case.snapshot
    if alias.form is not Form.EXTERNAL_NAME or not (snapshot.mesh.installed and snapshot.mesh.alias_mode):
        return None
    if own_host(observation, case) is not None:
        return None
    wanted = alias_target(alias.external_name_raw, snapshot)
    if wanted is None:
        return None
    found = [near for entry in snapshot.service_entries if (near := _near(entry, wanted, observation, case))]
    return min(found, key=lambda ranked: ranked[0])[1] if found else None


def _near(entry: Json, wanted: str, observation: Observation, case: Case) -> tuple[int, Detached] | None:
    """How near an entry comes, 0 nearest, with what is amiss."""
    alias, spec = case.alias, entry.get("spec") or {}
    client, number = observation.source.namespace, observation.port.number
    ref = metadata_ref(entry, SERVICE_ENTRIES.kind)
    plain = wanted.removesuffix(".").lower()
    own_port = next((port for port in spec.get("ports") or () if port.get("number") == number), None)
    redirects = bool(spec.get("endpoints")) or (own_port or {}).get("targetPort", number) != number
    visible = is_exported(SERVICE_ENTRIES, entry, client, case)
    for host in spec.get("hosts") or ():
        if host == wanted and not visible:
            patch = JsonPatch(ref, [{"op": "add", "path": "/spec/exportTo/-", "value": client}])
            if not spec.get("exportTo"):
                patch = JsonPatch(ref, [{"op": "add", "path": "/spec/exportTo", "value": [".", client]}])
            return 1, Detached(ref, host, f"{ref} is not exported to namespace {client}", patch, redirects)
        if host == wanted and own_port is None:
            numbers = ", ".join(str(port.get("number")) for port in spec.get("ports") or ()) or "none"
            value = {"number": number, "name": f"{_word(observation)}-{number}", "protocol": _word(observation).upper()}
            patch = JsonPatch(ref, [{"op": "add", "path": "/spec/ports/-", "value": value}])
            return 0, Detached(ref, host, f"{ref} has no port {number}, only {numbers}", patch, False)
        if not visible or host == wanted or own_port is None:
            continue
        if host.removesuffix(".").lower() == plain:
            hosts = [plain if each == host else each for each in spec["hosts"]]
            cure: str | Step = MergePatch(ref, {"spec": {"hosts": hosts}})
            if host == plain and alias.external_name_raw == wanted:
                cure = MergePatch(alias.service, {"spec": {"externalName": host}})
            return 2, Detached(ref, plain, f'{ref} is for "{host}", externalName is "{wanted}"', cure, redirects)
        if host.startswith("*") and covers(host, plain):
            why = f"{ref} covers {plain} by the wildcard {host}, which does not count for an alias"
            return 3, Detached(ref, plain, why, create_anew(alias), redirects)
    return None


def _word(observation: Observation) -> str:
    match observation.contract.scheme:
        case Scheme.HTTP:
            return "http"
        case Scheme.HTTPS:
            return "tls"
    return "tcp"


def _registry_name(observation: Observation, case: Case) -> str:
    """The host by which istiod looks for what takes the alias's calls; "" where it looks for none."""
    alias, snapshot = case.alias, case.snapshot
    target = own_host(observation, case)
    if target is not None:
        return target.host
    if alias.form is Form.EXTERNAL_NAME and snapshot.mesh.alias_mode:
        return alias_target(alias.external_name_raw, snapshot) or ""
    return alias.fqdn(snapshot.cluster_domain)


def _claims(host: str, number: int, client: str, case: Case) -> list[tuple[ObjectRef, RegistryPort | None]]:
    """Objects that stand for a host and that the client may see, each with its port of that number."""
    snapshot = case.snapshot
    claims: list[tuple[ObjectRef, RegistryPort | None]] = []
    service = service_named(host, snapshot)
    if service is not None and not (is_external_name(service) and snapshot.mesh.alias_mode):
        namespace = service["metadata"].get("namespace", "")
        default = default_export_to(SERVICES, snapshot.mesh_config)
        if exported_to(service_export_to(service), namespace, client, default):
            claims.append((metadata_ref(service, "Service"), _service_port(service, number)))
    for entry in snapshot.service_entries:
        hosts = (entry.get("spec") or {}).get("hosts") or ()
        if host not in hosts or not is_exported(SERVICE_ENTRIES, entry, client, case):
            continue
        claims.append((metadata_ref(entry, SERVICE_ENTRIES.kind), _entry_port(entry, number)))
    return claims


def _service_port(service: Json, number: int) -> RegistryPort | None:
    for port in service["spec"].get("ports") or ():
        if port["port"] == number:
            name = port.get("name", "")
            protocol = protocol_of(name, port.get("appProtocol"), number, port.get("protocol", "TCP"))
            return RegistryPort(number, number, protocol, name)
    return None


def _entry_port(entry: Json, number: int) -> RegistryPort | None:
    for port in entry["spec"].get("ports") or ():
        if port.get("number") == number:
            protocol = entry_protocol(port.get("protocol", ""))
            return RegistryPort(number, port.get("targetPort") or number, protocol, port.get("name", ""))
    return None


def _other(port: RegistryPort, counts: RegistryPort | None) -> bool:
    if counts is None:
        return True
    return (port.target_port, port.protocol) != (counts.target_port, counts.protocol)


def _port_words(port: RegistryPort) -> str:
    to = f" to {port.target_port}" if port.target_port != port.number else ""
    return f"{port.protocol} {port.number}{to}"
