"""Envoy clusters: one for each port of each host and each subset of it, and those of no host.

Source: istio pilot/pkg/networking/core/cluster.go, cluster_builder.go, cluster_traffic_policy.go, branch release-1.31.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from kubectl_extsvc.mesh.envoy_dump import BLACK_HOLE, DYNAMIC_DNS, PASSTHROUGH
from kubectl_extsvc.mesh.istiod.endpoints import Endpoint, accounts_of, endpoints_of, for_cluster, load_assignment
from kubectl_extsvc.mesh.istiod.envoy_words import ADS, TYPE_PREFIX, config_path, extension
from kubectl_extsvc.mesh.istiod.services import MeshService, RegistryPort, Resolution
from kubectl_extsvc.mesh.istiod.sidecar_scope import DYNAMIC_DNS as DYNAMIC_DNS_POLICY
from kubectl_extsvc.mesh.istiod.sidecar_scope import SidecarScope
from kubectl_extsvc.mesh.istiod.transport_sockets import Peer, Transport, discovery_of, endpoint_tls_mode, transport_of
from kubectl_extsvc.mesh.outbound_tls import HTTP_OPTIONS
from kubectl_extsvc.mesh.rule_lookup import Merged, port_policy
from kubectl_extsvc.model.alias import AppProtocol, TlsMode
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.route import RuleDecision

UNLIMITED = 2**32 - 1
NO_LIMITS = {
    "thresholds": [dict.fromkeys(("max_connections", "max_pending_requests", "max_requests", "max_retries"), UNLIMITED)]
}
AS_DOWNSTREAM: Json = {"use_downstream_protocol_config": {"http_protocol_options": {}, "http2_protocol_options": {}}}
DYNAMIC_PROTOCOLS = (AppProtocol.HTTP, AppProtocol.TLS, AppProtocol.GRPC, AppProtocol.HTTP2)
"""What a dynamic forward proxy serves."""


@dataclass(frozen=True, slots=True)
class Made:
    """An Envoy cluster, and its endpoints if they are known beforehand."""

    cluster: Json
    assignment: Json | None = None


def clusters_of(scope: SidecarScope) -> Iterator[Made]:
    """All that a proxy gets."""
    yield from _special(scope)
    for service in scope.services.values():
        for port in service.ports:
            yield from _of_port(scope, service, port)


def cluster_named(scope: SidecarScope, name: str) -> Made | None:
    """The cluster of a name, None if the proxy gets none."""
    parts = name.split("|")
    if len(parts) != 4 or not parts[1].isdigit():
        return next((made for made in _special(scope) if made.cluster["name"] == name), None)
    service = scope.services.get(parts[3])
    port = service.port(int(parts[1])) if service is not None else None
    if service is None or port is None:
        return None
    return next((made for made in _of_port(scope, service, port) if made.cluster["name"] == name), None)


def _special(scope: SidecarScope) -> Iterator[Made]:
    timeout = _connect_timeout(scope)
    yield Made(
        {"name": BLACK_HOLE, "type": "STATIC", "connect_timeout": timeout, "alt_stat_name": f"{BLACK_HOLE};"},
        {"cluster_name": BLACK_HOLE},
    )
    any_http = _http_options({"common_http_protocol_options": {"idle_timeout": "300s"}, **AS_DOWNSTREAM})
    common = {"connect_timeout": timeout, "lb_policy": "CLUSTER_PROVIDED", "circuit_breakers": NO_LIMITS, **any_http}
    yield Made({"name": PASSTHROUGH, "type": "ORIGINAL_DST", "alt_stat_name": f"{PASSTHROUGH};", **common})
    if scope.policy == DYNAMIC_DNS_POLICY:
        forward = _forward_proxy("allow_any_dfp_dns_cache")
        yield Made({"name": DYNAMIC_DNS, "alt_stat_name": f"{DYNAMIC_DNS};", **common, **forward})


def _forward_proxy(cache: str) -> Json:
    message = "clusters.dynamic_forward_proxy.v3.ClusterConfig"
    content = {"dns_cache_config": {"name": cache, "dns_lookup_family": "V4_ONLY"}}
    return {"cluster_type": extension("envoy.clusters.dynamic_forward_proxy", message, content)}


def _connect_timeout(scope: SidecarScope) -> str:
    return str(scope.push.mesh_config.get("connectTimeout") or "10s")


def _of_port(scope: SidecarScope, service: MeshService, port: RegistryPort) -> Iterator[Made]:
    """The cluster of a port, and those of the subsets that a DestinationRule makes."""
    if service.resolution is Resolution.ALIAS or port.protocol is AppProtocol.UDP:
        return
    if service.dynamic and port.protocol not in DYNAMIC_PROTOCOLS:
        return
    decision, rule = scope.decision(service, port.number)
    policy = port_policy(rule.policy_rule.spec if rule is not None else {}, port.number)
    whole = _cluster(scope, service, port, decision, rule, policy, subset=None)
    if whole is None:
        return
    yield whole
    for subset in rule.subsets if rule is not None and not service.dynamic else ():
        own = port_policy(subset, port.number)
        made = _cluster(scope, service, port, decision, rule, {**policy, **own}, subset=subset)
        if made is not None:
            yield made


def _cluster(
    scope: SidecarScope,
    service: MeshService,
    port: RegistryPort,
    decision: RuleDecision,
    rule: Merged | None,
    policy: Json,
    *,
    subset: Json | None,
) -> Made | None:
    """None for one that Envoy would look names up for, but has none."""
    subset_name = str(subset["name"]) if subset is not None else ""
    name = service.cluster(port.number, subset_name)
    discovery = discovery_of(service, policy)
    endpoints = _endpoints(scope, service, port, subset)
    if discovery.by_name and not endpoints:
        return None
    peer = Peer(
        service,
        endpoints_of(scope.push, service, port) if discovery is Resolution.ORIGINAL_DST else endpoints,
        discovery is Resolution.ORIGINAL_DST,
        f"outbound_.{port.number}_.{subset_name}_.{service.host}",
        accounts_of(scope.push, service.host, service.namespace),
        _speaks_http2(port.protocol),
    )
    auto_mtls = scope.push.mesh_config.get("enableAutoMtls", True)
    transport = transport_of(peer, rule, policy, auto_mtls=auto_mtls)
    cluster: Json = {
        "name": name,
        "connect_timeout": _connect_timeout(scope),
        "circuit_breakers": NO_LIMITS,
        "common_lb_config": {"healthy_panic_threshold": {}},
        "alt_stat_name": f"{name};",
        "metadata": {"filter_metadata": {"istio": _istio_metadata(service, decision, transport, subset_name)}},
        **_by_discovery(name, discovery, service, port),
        **transport.sockets,
        **_protocol(port.protocol, transport),
    }
    if discovery is Resolution.ORIGINAL_DST or service.dynamic:
        return Made(cluster)
    mode = endpoint_tls_mode(rule, subset, port.number)
    if mode:
        # Only what a rule leaves to the endpoint is for the endpoint to say.
        endpoints = tuple(replace(e, mesh_tls=mode == TlsMode.ISTIO_MUTUAL and e.mesh_tls) for e in endpoints)
    assignment = load_assignment(name, endpoints)
    return Made(cluster | ({"load_assignment": assignment} if discovery.by_name else {}), assignment)


def _endpoints(
    scope: SidecarScope, service: MeshService, port: RegistryPort, subset: Json | None
) -> tuple[Endpoint, ...]:
    labels = (subset or {}).get("labels") or {}
    return for_cluster(scope.push, service, port, scope.client, labels)


def _speaks_http2(protocol: AppProtocol) -> bool:
    return protocol in (AppProtocol.HTTP2, AppProtocol.GRPC, AppProtocol.GRPC_WEB)


def _by_discovery(name: str, discovery: Resolution, service: MeshService, port: RegistryPort) -> Json:
    match discovery:
        case Resolution.EDS:
            return {
                "type": "EDS",
                "lb_policy": "LEAST_REQUEST",
                "eds_cluster_config": {"service_name": name, "eds_config": ADS},
            }
        case Resolution.STRICT_DNS | Resolution.LOGICAL_DNS:
            return {
                "type": discovery.value,
                "lb_policy": "LEAST_REQUEST",
                "dns_lookup_family": "V4_ONLY",
                "dns_refresh_rate": "60s",
                "respect_dns_ttl": True,
            }
        case Resolution.DYNAMIC_DNS:
            return {"lb_policy": "CLUSTER_PROVIDED", **_forward_proxy(f"{service.host}_dns_cache")}
    made: Json = {"type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED"}
    declared = (service.obj.get("spec") or {}).get("ports") or ()
    own = any(given.get("number") == port.number and given.get("targetPort") for given in declared)
    if own and service.resolution is Resolution.ORIGINAL_DST:
        # The address stays the client's, the port does not (releasenotes/notes/targetPort-service-entry.yaml); but a
        # port that a younger ServiceEntry adds stays as it is (PassthroughTargetPorts is the older's).
        made["original_dst_lb_config"] = {"upstream_port_override": port.target_port}
    return made


def _istio_metadata(service: MeshService, decision: RuleDecision, transport: Transport, subset: str) -> Json:
    metadata: Json = {"services": [{"host": service.host, "name": service.name, "namespace": service.namespace}]}
    if decision.named is not None:
        metadata["config"] = config_path(decision.named, "destination-rule")
    if service.external:
        metadata["external"] = True
    if subset:
        metadata["subset"] = subset
    if transport.originates:
        metadata["alpn_override"] = "false"
    return metadata


def _protocol(protocol: AppProtocol, transport: Transport) -> Json:
    options: Json = {}
    if protocol is AppProtocol.AUTO:
        options |= AS_DOWNSTREAM
    elif _speaks_http2(protocol):
        options["explicit_http_config"] = {"http2_protocol_options": {}}
    if transport.auto_sni:
        options.setdefault("explicit_http_config", {"http_protocol_options": {}})
        if protocol is AppProtocol.AUTO:
            del options["explicit_http_config"]
        upstream = {"auto_sni": True} | ({"auto_san_validation": True} if transport.auto_san_validation else {})
        options["upstream_http_protocol_options"] = upstream
    return _http_options(options) if options else {}


def _http_options(options: Json) -> Json:
    typed = {"@type": f"{TYPE_PREFIX}{HTTP_OPTIONS.removeprefix('envoy.')}", **options}
    return {"typed_extension_protocol_options": {HTTP_OPTIONS: typed}}
