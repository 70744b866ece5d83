"""Family 08: sources that ztunnel captures."""

from collections.abc import Iterable, Mapping

from kubectl_extsvc.mesh.istiod.sidecar_scope import REGISTRY_ONLY, mesh_policy
from kubectl_extsvc.mesh.registry import service_named
from kubectl_extsvc.model.alias import Form, TlsMode
from kubectl_extsvc.model.finding import Fact, Finding, Severity
from kubectl_extsvc.model.observation import Case, Observation, Stage
from kubectl_extsvc.model.resources import SERVICE_ENTRIES, Json
from kubectl_extsvc.model.source import MeshMode
from kubectl_extsvc.rules.evidence import create_anew, metadata_ref, say, went_well
from kubectl_extsvc.rules.family import rule
from kubectl_extsvc.rules.missed import OF_OWN_HOST, own_host, would_decide

WAYPOINT_LABEL = "istio.io/use-waypoint"


@rule(
    "XS0801",
    "REGISTRY_ONLY does not hold for an ambient source",
    Severity.WARNING,
    Stage.ROUTE,
    needs={Fact.MESH_CONFIG, Fact.SERVICE_ENTRIES, Fact.PROBES},
    uses=OF_OWN_HOST,
)
def registry_only_not_enforced(case: Case) -> Iterable[Finding]:
    """The mesh lets out only what is registered, and a pod that ztunnel captures gets out all the same.

    Why     ztunnel passes on what it does not know, whatever outboundTrafficPolicy says. The same alias is refused to
            pods with sidecar.
    Seen    An answer at an ambient source, REGISTRY_ONLY in the mesh's configuration, and no ServiceEntry for the
            target. Not run on a live ambient mesh.
    Cure    Keep pods in by a NetworkPolicy; register the target, so that all pods are served alike.
    Source  istio #54281; ztunnel src/proxy/outbound.rs.
    """
    alias, snapshot = case.alias, case.snapshot
    if alias.form is not Form.EXTERNAL_NAME or mesh_policy(snapshot.mesh_config) != REGISTRY_ONLY:
        return
    for observation in _ambient(case):
        if observation.contract.served and went_well(observation, case) and _target(observation, case) is None:
            yield say(
                "XS0801",
                Severity.WARNING,
                Stage.ROUTE,
                alias.service,
                f"REGISTRY_ONLY keeps pods with sidecar from {alias.host}, and ambient pods reach it",
                evidence=["outboundTrafficPolicy REGISTRY_ONLY of the mesh"],
                cure=create_anew(alias),
                of=observation,
            )


@rule(
    "XS0802",
    "The alias's calls go past the waypoint of their target",
    Severity.WARNING,
    Stage.ROUTE,
    needs={Fact.SERVICE_ENTRIES, Fact.PROBES},
    uses=OF_OWN_HOST,
)
def past_the_waypoint(case: Case) -> Iterable[Finding]:
    """The target's ServiceEntry is to be reached by a waypoint, and the alias leads around it.

    Why     ztunnel tells destinations apart by address. A ServiceEntry with a waypoint is known by its virtual
            address, which DNS capture gives for the target's own name; an ExternalName alias leads by CNAME to
            the real address, which ztunnel passes on.
    Seen    A label istio.io/use-waypoint on the ServiceEntry, and an ambient source that was answered by another
            address than the ServiceEntry's. A waypoint that the label of a namespace asks for is not seen. Not run
            on a live ambient mesh.
    Cure    Let ambient pods call the target by its own name.
    Source  istio #54896, #54981; ztunnel src/proxy/outbound.rs.
    """
    alias = case.alias
    if alias.form is not Form.EXTERNAL_NAME:
        return
    for observation in _ambient(case):
        answer, target = observation.answer, _target(observation, case)
        if target is None or answer is None or not answer.connected or not answer.remote_ip:
            continue
        for entry in case.snapshot.service_entries:
            if target not in ((entry.get("spec") or {}).get("hosts") or ()) or answer.remote_ip in _addresses(entry):
                continue
            waypoint = _waypoint(entry)
            if waypoint:
                ref = metadata_ref(entry, SERVICE_ENTRIES.kind)
                yield say(
                    "XS0802",
                    Severity.WARNING,
                    Stage.ROUTE,
                    ref,
                    f'{ref} is to be reached by waypoint "{waypoint}", and calls of the alias go past it',
                    evidence=[f"connected to {answer.remote_ip}"],
                    cure=f"let ambient pods call {alias.host} by its own name",
                    of=observation,
                )


@rule(
    "XS0803",
    "An ambient source gets no TLS added",
    Severity.WARNING,
    Stage.TLS,
    needs={Fact.SERVICES, Fact.DESTINATION_RULES},
    uses=OF_OWN_HOST,
)
def no_origination_in_ambient(case: Case) -> Iterable[Finding]:
    """A DestinationRule makes sidecars add TLS, and the source has ztunnel in place of a sidecar.

    Why     ztunnel does not read DestinationRules. Only a waypoint originates TLS, and neither the alias's Service
            nor the target's ServiceEntry asks for one.
    Seen    An ambient source, a rule with SIMPLE or MUTUAL on the alias's host, and no label istio.io/use-waypoint on
            its objects. A waypoint that the label of a namespace asks for is not seen, so this is a warning. Not
            run on a live ambient mesh.
    Cure    Let clients speak TLS themselves (--port tls:443), or set a waypoint before the Service.
    Source  istio.io, ambient architecture: ztunnel is a proxy of layer 4; istio #54896.
    """
    alias, snapshot = case.alias, case.snapshot
    service = service_named(alias.fqdn(snapshot.cluster_domain), snapshot)
    if service is None or _waypoint(service):
        return
    for observation in _ambient(case):
        target = own_host(observation, case)
        if target is None or not observation.contract.originates or _has_waypoint(target.host, case):
            continue
        decision = would_decide(target.host, target.namespace, observation, case)
        if decision.rule is not None and decision.mode in (TlsMode.SIMPLE, TlsMode.MUTUAL):
            yield say(
                "XS0803",
                Severity.WARNING,
                Stage.TLS,
                decision.rule,
                f"{decision.rule} ({decision.mode}) means nothing to ztunnel: ambient pods get no TLS to "
                f"{alias.target}",
                evidence=[decision.reason],
                cure="give the Service a waypoint: kubectl label service "
                f"{alias.name} -n {alias.namespace} {WAYPOINT_LABEL}=WAYPOINT",
                of=observation,
            )


def _ambient(case: Case) -> Iterable[Observation]:
    return (observation for observation in case.observations if observation.source.mode is MeshMode.AMBIENT)


def _target(observation: Observation, case: Case) -> str | None:
    """The host of the registry that stands for the alias."""
    found = own_host(observation, case)
    return found.host if found is not None else None


def _waypoint(obj: Json) -> str:
    """Name of the waypoint that an object asks for, "" if none."""
    labels: Mapping[str, str] = obj["metadata"].get("labels") or {}
    name = labels.get(WAYPOINT_LABEL, "")
    return "" if name == "none" else name


def _has_waypoint(host: str, case: Case) -> bool:
    entries = case.snapshot.service_entries
    return any(_waypoint(entry) for entry in entries if host in ((entry.get("spec") or {}).get("hosts") or ()))


def _addresses(entry: Json) -> set[str]:
    """Virtual ones: its own, and those that istiod wrote into its status."""
    given = {str(address) for address in (entry.get("spec") or {}).get("addresses") or ()}
    return given | {str(each.get("value", "")) for each in (entry.get("status") or {}).get("addresses") or ()}
