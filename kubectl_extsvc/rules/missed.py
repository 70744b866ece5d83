"""What a call misses that goes past the host that its rules are written for."""

from dataclasses import dataclass

from kubectl_extsvc.mesh.destination_rules import RegistryHost, decision_on, virtual_service_of
from kubectl_extsvc.mesh.hosts import resolve_host
from kubectl_extsvc.mesh.registry import alias_target, registered
from kubectl_extsvc.model.alias import Form, TlsMode
from kubectl_extsvc.model.finding import Fact, Severity
from kubectl_extsvc.model.observation import Case, Observation
from kubectl_extsvc.model.probe import Scheme
from kubectl_extsvc.model.resources import VIRTUAL_SERVICES, Json, ObjectRef
from kubectl_extsvc.model.route import RuleDecision
from kubectl_extsvc.rules.evidence import metadata_ref

_ORIGINATING = (TlsMode.SIMPLE, TlsMode.MUTUAL)
_CHANGES = ("rewrite", "headers", "timeout", "retries", "fault", "mirror", "mirrors", "corsPolicy", "match")
"""Fields of an http route that do more to a call than lead it on."""


OF_OWN_HOST = frozenset((Fact.SERVICES, Fact.SERVICE_ENTRIES, Fact.VIRTUAL_SERVICES, Fact.MESH_CONFIG))
"""What own_host reads."""


def own_host(observation: Observation, case: Case) -> RegistryHost | None:
    """The host of the registry that is meant to take the alias's call at a source; None if there is none.

    No Sidecar resource, captor or automatic address is taken into account: whether it takes the call is the question.
    """
    alias, snapshot, client = case.alias, case.snapshot, observation.source.namespace
    if not snapshot.mesh.installed:
        return None
    fqdn, number = alias.fqdn(snapshot.cluster_domain), observation.port.number
    by_name = alias.form is Form.EXTERNAL_NAME and snapshot.mesh.alias_mode
    host = alias_target(alias.external_name_raw, snapshot) if by_name else fqdn
    for name, port in (*_destinations(fqdn, observation, case), (host or "", number)):
        known = registered(name, snapshot, client)
        if known is not None and known.port(port) is not None:
            return RegistryHost(name, known.namespace, port)
    return None


def _destinations(fqdn: str, observation: Observation, case: Case) -> list[tuple[str, int]]:
    """(host, port) to which the VirtualService on the alias's own name leads HTTP; empty without one."""
    snapshot = case.snapshot
    if observation.contract.scheme is not Scheme.HTTP and not observation.port.protocol.is_http:
        return []
    found = virtual_service_of(fqdn, snapshot, observation.source.namespace)
    if found is None:
        return []
    namespace = found["metadata"].get("namespace", "")
    destinations = [
        weighted.get("destination") or {}
        for route in found["spec"].get("http") or ()
        for weighted in route.get("route") or ()
    ]
    return [
        (
            resolve_host(destination.get("host", ""), namespace, snapshot.cluster_domain),
            int((destination.get("port") or {}).get("number", observation.port.number)),
        )
        for destination in destinations
    ]


@dataclass(frozen=True, slots=True)
class Missed:
    """Rules that would count if the call were taken for what it is meant to be."""

    rule: ObjectRef | None = None
    """A DestinationRule that would add TLS."""
    mode: str = ""
    """SIMPLE or MUTUAL; "" without such a rule."""
    virtual_service: ObjectRef | None = None

    @property
    def severity(self) -> Severity:
        """Worst where the call leaves in clear and should not."""
        return Severity.ERROR if self.rule is not None else Severity.WARNING

    def __str__(self) -> str:
        parts = [f"{self.rule} ({self.mode})"] if self.rule is not None else []
        parts += [str(self.virtual_service)] if self.virtual_service is not None else []
        return " and ".join(parts)


def missed(host: str, namespace: str, observation: Observation, case: Case) -> Missed | None:
    """What a call of the alias loses by not being one of this host of the registry; None if that changes nothing.

    namespace is that of the host's Service or ServiceEntry. A rule that would spoil the call is not missed: mesh TLS to
    the outside, or TLS around that of the client.
    """
    decision = would_decide(host, namespace, observation, case)
    adds_tls = decision.mode in _ORIGINATING and observation.contract.scheme is not Scheme.HTTPS
    virtual_service = None
    if observation.contract.scheme is Scheme.HTTP:
        fqdn = case.alias.fqdn(case.snapshot.cluster_domain)
        virtual_service = next(filter(None, (_changing(name, observation, case) for name in (host, fqdn))), None)
    if not adds_tls and virtual_service is None:
        return None
    rule, mode = (decision.rule, decision.mode) if adds_tls else (None, "")
    return Missed(rule, mode, virtual_service)


def would_decide(host: str, namespace: str, observation: Observation, case: Case) -> RuleDecision:
    """The DestinationRule that decides for a host at this source, if the source's proxy takes the call for that."""
    return decision_on(RegistryHost(host, namespace, observation.port.number), observation.source, case.snapshot)


def _changing(host: str, observation: Observation, case: Case) -> ObjectRef | None:
    """A VirtualService on a host that does more than lead a call to the same server."""
    found = virtual_service_of(host, case.snapshot, observation.source.namespace)
    if found is None or not any(_does_something(route) for route in found["spec"].get("http") or ()):
        return None
    return metadata_ref(found, VIRTUAL_SERVICES.kind)


def _does_something(route: Json) -> bool:
    return any(route.get(field) for field in _CHANGES) or len(route.get("route") or ()) != 1
