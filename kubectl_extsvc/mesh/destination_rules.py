"""DestinationRules as they bear on an alias: the host that takes its calls, the rule that decides there, its TLS."""

from dataclasses import dataclass, replace

from kubectl_extsvc.mesh.alias_route import ordinary_request
from kubectl_extsvc.mesh.hosts import is_address, service_of_fqdn
from kubectl_extsvc.mesh.istiod.client import Client
from kubectl_extsvc.mesh.istiod.computed import route_by_objects
from kubectl_extsvc.mesh.istiod.push_context import push_context
from kubectl_extsvc.mesh.istiod.sidecar_scope import SidecarScope, scope_of, sidecar_scope
from kubectl_extsvc.mesh.istiod.virtual_services import first_of_each_host, most_specific, seen_from
from kubectl_extsvc.mesh.outbound_request import UNKNOWN_ADDRESS
from kubectl_extsvc.mesh.registry import alias_target
from kubectl_extsvc.mesh.rule_lookup import settings_of, tls_block
from kubectl_extsvc.model.alias import Alias, AliasPort, AppProtocol, Form, TlsMode, TlsSettings
from kubectl_extsvc.model.resources import DESTINATION_RULES, SERVICE_ENTRIES, VIRTUAL_SERVICES, Json, ObjectRef
from kubectl_extsvc.model.route import RouteUnknown, RuleDecision
from kubectl_extsvc.model.snapshot import Snapshot
from kubectl_extsvc.model.source import Source

_DECIDING = tuple(resource.plural for resource in (DESTINATION_RULES, SERVICE_ENTRIES, VIRTUAL_SERVICES))


@dataclass(frozen=True, slots=True)
class RegistryHost:
    """The host of the mesh's registry that takes an alias's requests."""

    host: str
    namespace: str
    """Of its Service or ServiceEntry."""
    port: int


def decision_for(alias: Alias, port: int, client: Source, snapshot: Snapshot) -> RuleDecision | None:
    """The rule that decides when a client calls a port of an alias, by way of the host that really takes the call.

    None without Istio, where an object that may decide could not be read, and where only the proxy can tell the host.
    """
    if not snapshot.mesh.installed or not snapshot.unread.keys().isdisjoint(_DECIDING):
        return None
    scope = scope_of(client, snapshot)
    dead = _rules_on_a_dead_name(alias, scope)
    target = _registry_host(alias, port, scope)
    if isinstance(target, RouteUnknown):
        return None
    if target is None:
        whom = alias.external_name_raw if alias.form is Form.EXTERNAL_NAME else alias.fqdn(snapshot.cluster_domain)
        reason = (
            f"no Service or ServiceEntry that namespace {client.namespace} can see has the host {whom} with port "
            f"{port}; the request takes no Envoy cluster of its own and no DestinationRule applies"
        )
        return RuleDecision(None, reason, "", dead)
    decision = decision_on(target, client, snapshot)
    if target.host == alias.fqdn(snapshot.cluster_domain):
        return decision
    return replace(decision, losers=(*decision.losers, *dead))


def decision_on(target: RegistryHost, client: Source, snapshot: Snapshot) -> RuleDecision:
    """The rule that decides for a host of the registry at a client whose proxy takes a call for that."""
    return push_context(snapshot).decision(target.host, target.namespace, target.port, Client.of_source(client))[0]


def route_host(alias: Alias, snapshot: Snapshot, *, port: int, client_namespace: str) -> RegistryHost | None:
    """The registry's host that takes the calls of a port of an alias, None where none does."""
    if not snapshot.mesh.installed:
        return None
    found = _registry_host(alias, port, sidecar_scope(push_context(snapshot), Client(client_namespace)))
    return found if isinstance(found, RegistryHost) else None


def _registry_host(alias: Alias, port: int, scope: SidecarScope) -> RegistryHost | RouteUnknown | None:
    snapshot = scope.push.snapshot
    declared = next((known for known in alias.ports if known.number == port), None)
    asked = ordinary_request(alias, declared or AliasPort("", port, port, AppProtocol.HTTP), snapshot)
    target = alias.fqdn(snapshot.cluster_domain)
    if alias.form is Form.EXTERNAL_NAME and snapshot.mesh.alias_mode:
        target = alias_target(alias.external_name_raw, snapshot) or ""
    if asked.address == UNKNOWN_ADDRESS and target in scope.services:
        # Most likely an entry with addresses has those that its name leads to.
        declared_there = (s.address for s in scope.push.by_host[target] if is_address(s.address))
        asked = replace(asked, address=next(declared_there, asked.address))
    route = route_by_objects(scope, asked)
    if isinstance(route, RouteUnknown):
        return route
    parts = route.envoy_cluster.split("|")
    host, number = (parts[3], int(parts[1])) if len(parts) == 4 else (target, port)
    service = scope.services.get(host)
    if service is not None:
        known = len(parts) == 4 and not route.cluster_missing
        return RegistryHost(host, service.namespace, number) if known else None
    place = service_of_fqdn(host, snapshot.cluster_domain)
    if snapshot.all_namespaces or place is None or place[0] in scope.push.namespaces_read:
        return None
    # The Services of one namespace only were read; a full name elsewhere is taken for a Service.
    return RegistryHost(host, place[0], number)


def _rules_on_a_dead_name(alias: Alias, scope: SidecarScope) -> tuple[tuple[ObjectRef, str], ...]:
    """Rules on the name of an ExternalName alias, which Istio ≥ 1.21 never looks up (istio #47664)."""
    snapshot = scope.push.snapshot
    if alias.form is not Form.EXTERNAL_NAME or not snapshot.mesh.alias_mode:
        return ()
    why = "an ExternalName alias has no Envoy cluster of its own since Istio 1.21: rules on its name are dead"
    return tuple((rule.ref, why) for rule in scope.push.rules.get(alias.fqdn(snapshot.cluster_domain), ()))


def virtual_service_of(host: str, snapshot: Snapshot, client_namespace: str) -> Json | None:
    """The VirtualService with http routes for a host that a client sees: most specific, then private, then oldest."""
    seen = seen_from(client_namespace, push_context(snapshot).virtual_services)
    leading = [vs for vs in seen if any(route.get("route") for route in vs.http)]
    found = most_specific(host, first_of_each_host(leading))
    return found.obj if found is not None else None


def tls_settings(rule: Json, port: int) -> TlsSettings | None:
    """trafficPolicy.tls of a DestinationRule as it holds for a port, None if it has none for it.

    A mode that is not given is DISABLE (istio.io/api networking/v1alpha3/destination_rule.proto).
    """
    tls = tls_block(rule.get("spec") or {}, port)
    return None if tls is None else settings_of(tls)


def credential_is_ignored(rule: Json, port: int) -> bool:
    """Whether a rule's TLS comes to nothing: a sidecar sends plaintext for credentialName without workloadSelector.

    Source: buildUpstreamClusterTLSContext in istio pilot/pkg/networking/core/cluster_tls.go; configmap:// is exempt.
    """
    tls = tls_settings(rule, port)
    return (
        tls is not None
        and tls.mode in (TlsMode.SIMPLE, TlsMode.MUTUAL)
        and bool(tls.credential_name)
        and not tls.credential_name.startswith("configmap://")
        and rule["spec"].get("workloadSelector") is None
    )
