"""DestinationRules as they bear on an alias: the host that takes its calls, the rule that decides there, its TLS."""

from collections.abc import Iterable
from dataclasses import dataclass

from kubectl_extsvc.mesh.hosts import (
    covers,
    exported_to,
    resolve_host,
    service_of_fqdn,
    specificity,
)
from kubectl_extsvc.mesh.registry import age, alias_target, is_external_name, is_public, registered, service_named
from kubectl_extsvc.mesh.rule_lookup import decide, read_rule, tls_block
from kubectl_extsvc.model.alias import Alias, AppProtocol, Form, TlsMode, TlsSettings
from kubectl_extsvc.model.resources import DESTINATION_RULES, SERVICE_ENTRIES, VIRTUAL_SERVICES, Json, ObjectRef
from kubectl_extsvc.model.route import RuleDecision
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

    None without Istio, and where an object that may decide could not be read.
    """
    if not snapshot.mesh.installed or not snapshot.unread.keys().isdisjoint(_DECIDING):
        return None
    dead = _rules_on_a_dead_name(alias, snapshot)
    target = route_host(alias, snapshot, port=port, client_namespace=client.namespace)
    if target is None:
        whom = alias.external_name_raw if alias.form is Form.EXTERNAL_NAME else alias.fqdn(snapshot.cluster_domain)
        reason = (
            f"no Service or ServiceEntry that namespace {client.namespace} can see has the host {whom} with port "
            f"{port}; the request takes no Envoy cluster of its own and no DestinationRule applies"
        )
        return RuleDecision(None, reason, "", dead)
    decision = decide(
        snapshot.destination_rules,
        host=target.host,
        port=target.port,
        service_namespace=target.namespace,
        client_namespace=client.namespace,
        client_labels=dict(client.labels),
        root_namespace=snapshot.mesh.root_namespace,
        cluster_domain=snapshot.cluster_domain,
    )
    if target.host == alias.fqdn(snapshot.cluster_domain):
        return decision
    return RuleDecision(decision.rule, decision.reason, decision.mode, (*decision.losers, *dead), decision.named)


def tls_settings(rule: Json, port: int) -> TlsSettings | None:
    """trafficPolicy.tls of a DestinationRule as it holds for a port, None if it has none for it.

    A mode that is not given is DISABLE (istio.io/api networking/v1alpha3/destination_rule.proto).
    """
    tls = tls_block(rule.get("spec") or {}, port)
    return None if tls is None else settings_of(tls)


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


def route_host(alias: Alias, snapshot: Snapshot, *, port: int, client_namespace: str) -> RegistryHost | None:
    """The registry's host that decides for a port of an alias, None where no Envoy cluster of the mesh takes the call.

    A VirtualService on the alias's name may lead elsewhere; that is how an ExternalName alias gets to its private
    host. Else an Endpoints alias is its own Service; an ExternalName alias is, in legacy mode, a host of its own, and
    since Istio 1.21 whatever its target is to the client (resolveServiceAliases in istio
    pilot/pkg/model/push_context.go). A Sidecar resource that trims the client's view is not taken into account.
    """
    if not snapshot.mesh.installed:
        return None
    fqdn = alias.fqdn(snapshot.cluster_domain)
    destination = _destination(fqdn, port, snapshot, client_namespace) if _is_routed(alias, port, snapshot) else None
    if destination is not None and destination != (fqdn, port):
        return _registry_host(*_translated(destination, port, snapshot), snapshot, client_namespace)
    if alias.form is Form.EXTERNAL_NAME and snapshot.mesh.alias_mode:
        target = alias_target(alias.external_name_raw, snapshot)
        return _behind_target(target, port, snapshot, client_namespace) if target else None
    return _registry_host(fqdn, port, snapshot, client_namespace)


def _behind_target(target: str, port: int, snapshot: Snapshot, client_namespace: str) -> RegistryHost | None:
    """The host behind an alias's target, whose own VirtualService holds for the alias's names too."""
    found = _registry_host(target, port, snapshot, client_namespace)
    known = registered(target, snapshot, client_namespace)
    known_port = known.port(port) if known is not None else None
    if found is None or known_port is None or not _parses_http(known_port.protocol):
        return found
    destination = _destination(target, port, snapshot, client_namespace)
    if destination is None or destination == (target, port):
        return found
    return _registry_host(*_translated(destination, port, snapshot), snapshot, client_namespace)


def _is_routed(alias: Alias, port: int, snapshot: Snapshot) -> bool:
    """Whether http routes of a VirtualService on the alias's name count at a port: Envoy must parse HTTP there.

    They count at the ports that the Service declares; without any at port 80 alone (istio
    pilot/pkg/networking/core/sidecar_simulation_test.go, TestExternalNameServices).
    """
    service = service_named(alias.fqdn(snapshot.cluster_domain), snapshot)
    declared = [p["port"] for p in service["spec"].get("ports") or ()] if service is not None else []
    if port not in (declared or (80,)):
        return False
    return _parses_http(next((p.protocol for p in alias.ports if p.number == port), AppProtocol.HTTP))


def _parses_http(protocol: AppProtocol) -> bool:
    return protocol.is_http or protocol is AppProtocol.AUTO


def _registry_host(host: str, port: int, snapshot: Snapshot, client_namespace: str) -> RegistryHost | None:
    known = registered(host, snapshot, client_namespace)
    if known is not None:
        return RegistryHost(host, known.namespace, port) if known.port(port) else None
    key = service_of_fqdn(host, snapshot.cluster_domain)
    if key is None or any(s["metadata"].get("namespace") == key[0] for s in snapshot.services):
        return None
    # The snapshot may hold the Services of one namespace only; a full name elsewhere is taken for a Service.
    return RegistryHost(host, key[0], port)


def _destination(host: str, port: int, snapshot: Snapshot, client_namespace: str) -> tuple[str, int] | None:
    """(host, port) that the VirtualService on a host leads an ordinary request to, None without one.

    Of its http routes the first without conditions counts, else the first; of its destinations the heaviest. One that
    names no port keeps the port of the request.
    """
    virtual_service = virtual_service_of(host, snapshot.virtual_services, client_namespace, snapshot.cluster_domain)
    if virtual_service is None:
        return None
    namespace = virtual_service["metadata"].get("namespace", "")
    routes = _http_routes(virtual_service)
    route = next((route for route in routes if not route.get("match")), routes[0])
    destination = max(route["route"], key=lambda weighted: int(weighted.get("weight", 0)))["destination"]
    number = int((destination.get("port") or {}).get("number", port))
    return resolve_host(destination["host"], namespace, snapshot.cluster_domain), number


def _http_routes(virtual_service: Json) -> list[Json]:
    """Routes that lead somewhere: neither redirects nor direct responses."""
    return [route for route in (virtual_service.get("spec") or {}).get("http") or () if route.get("route")]


def virtual_service_of(
    host: str, virtual_services: Iterable[Json], client_namespace: str, cluster_domain: str = "cluster.local"
) -> Json | None:
    """The VirtualService with http routes for a host that a client sees: most specific, then private, then oldest."""
    ranked: list[tuple[tuple[object, ...], Json]] = []
    for obj in virtual_services:
        namespace, spec = obj["metadata"].get("namespace", ""), obj.get("spec") or {}
        export_to = spec.get("exportTo") or ()
        if "mesh" not in (spec.get("gateways") or ("mesh",)) or not _http_routes(obj):
            continue
        if not exported_to(export_to, namespace, client_namespace):
            continue
        hosts = [resolve_host(h, namespace, cluster_domain) for h in spec.get("hosts") or ()]
        matching = sorted((h for h in hosts if covers(h, host)), key=specificity)
        if matching:
            ranked.append(((specificity(matching[0]), is_public(obj), age(obj)), obj))
    return min(ranked, key=lambda pair: pair[0])[1] if ranked else None


def _translated(destination: tuple[str, int], listener_port: int, snapshot: Snapshot) -> tuple[str, int]:
    """A destination that is itself an ExternalName alias stands for its target, one hop far, if it has the port.

    Source: GetDestinationCluster in istio pilot/pkg/networking/core/route/route.go; without the port it stays an alias,
    which is no Envoy cluster.
    """
    host, port = destination
    service = service_named(host, snapshot)
    if service is None or not is_external_name(service) or not snapshot.mesh.alias_mode:
        return destination
    declared = {p["port"] for p in service["spec"].get("ports") or ()}
    return (service["spec"].get("externalName", ""), port) if listener_port in declared else destination


def _rules_on_a_dead_name(alias: Alias, snapshot: Snapshot) -> tuple[tuple[ObjectRef, str], ...]:
    """Rules on the name of an ExternalName alias, which Istio ≥ 1.21 never looks up (istio #47664)."""
    if alias.form is not Form.EXTERNAL_NAME or not snapshot.mesh.alias_mode:
        return ()
    fqdn = alias.fqdn(snapshot.cluster_domain)
    return tuple(
        (rule.ref, "an ExternalName alias has no Envoy cluster of its own since Istio 1.21: rules on its name are dead")
        for rule in (read_rule(obj, snapshot.cluster_domain) for obj in snapshot.destination_rules)
        if rule.host == fqdn
    )
