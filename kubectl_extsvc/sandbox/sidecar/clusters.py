"""Envoy clusters: one for each port of each host, and the two of no host.

Source: istio pilot/pkg/networking/core/cluster.go, cluster_builder.go, branch release-1.31.
"""

from kubectl_extsvc.mesh.envoy_dump import BLACK_HOLE, PASSTHROUGH
from kubectl_extsvc.mesh.outbound_tls import HTTP_OPTIONS
from kubectl_extsvc.mesh.registry import RegistryPort
from kubectl_extsvc.model.alias import AppProtocol
from kubectl_extsvc.model.resources import Json, ObjectRef
from kubectl_extsvc.model.route import RuleDecision
from kubectl_extsvc.sandbox.outside.network import Network
from kubectl_extsvc.sandbox.sidecar.discovery import TYPE_PREFIX, config_source
from kubectl_extsvc.sandbox.sidecar.endpoints import endpoints_of, load_assignment
from kubectl_extsvc.sandbox.sidecar.mesh_view import MeshHost, MeshView, Resolution
from kubectl_extsvc.sandbox.sidecar.tls import Transport, transport_of

CONNECT_TIMEOUT = "10s"
UNLIMITED = 2**32 - 1
NO_LIMITS = {
    "thresholds": [dict.fromkeys(("max_connections", "max_pending_requests", "max_requests", "max_retries"), UNLIMITED)]
}
EDS_DELAY = "1s"
"""Until an Envoy cluster asks for its endpoints anew: in a large mesh all of them ask, and Envoy is slow at asking."""
AS_DOWNSTREAM: Json = {"use_downstream_protocol_config": {"http_protocol_options": {}, "http2_protocol_options": {}}}


def clusters_of(view: MeshView, network: Network) -> tuple[dict[str, Json], dict[str, Json]]:
    """Clusters, and load assignments of those that ask for them, by name."""
    clusters = {cluster["name"]: cluster for cluster in (_black_hole(), _passthrough())}
    assignments: dict[str, Json] = {}
    for host in view.hosts:
        for port in host.ports:
            name = host.cluster(port.number)
            cluster = _cluster(view, host, port)
            if host.resolution is not Resolution.ORIGINAL_DST:
                assignment = load_assignment(name, endpoints_of(view, host, port), network)
                if host.resolution is Resolution.EDS:
                    assignments[name] = assignment
                else:
                    cluster["load_assignment"] = assignment
            clusters[name] = cluster
    return clusters, assignments


def _black_hole() -> Json:
    return {"name": BLACK_HOLE, "type": "STATIC", "connect_timeout": CONNECT_TIMEOUT, "alt_stat_name": f"{BLACK_HOLE};"}


def _passthrough() -> Json:
    return {
        "name": PASSTHROUGH,
        "type": "ORIGINAL_DST",
        "connect_timeout": CONNECT_TIMEOUT,
        "lb_policy": "CLUSTER_PROVIDED",
        "circuit_breakers": NO_LIMITS,
        "alt_stat_name": f"{PASSTHROUGH};",
        **_http_options({"common_http_protocol_options": {"idle_timeout": "300s"}, **AS_DOWNSTREAM}),
    }


def _cluster(view: MeshView, host: MeshHost, port: RegistryPort) -> Json:
    name = host.cluster(port.number)
    decision, rule = view.decision(host, port.number)
    transport = transport_of(view, host, port.number, rule)
    return {
        "name": name,
        "type": host.resolution,
        "connect_timeout": CONNECT_TIMEOUT,
        "circuit_breakers": NO_LIMITS,
        "common_lb_config": {"healthy_panic_threshold": {}},
        "alt_stat_name": f"{name};",
        "metadata": {"filter_metadata": {"istio": _istio_metadata(host, decision, transport)}},
        **_by_resolution(name, host.resolution),
        **transport.sockets,
        **_protocol(port.protocol, transport),
    }


def _by_resolution(name: str, resolution: Resolution) -> Json:
    match resolution:
        case Resolution.EDS:
            return {
                "lb_policy": "LEAST_REQUEST",
                "eds_cluster_config": {"service_name": name, "eds_config": config_source(EDS_DELAY)},
            }
        case Resolution.STRICT_DNS:
            # The addresses are numbers already: what a name's are is the outside's to say, not the real DNS's.
            return {
                "lb_policy": "LEAST_REQUEST",
                "dns_lookup_family": "V4_ONLY",
                "dns_refresh_rate": "60s",
                "respect_dns_ttl": True,
            }
        case Resolution.ORIGINAL_DST:
            return {"lb_policy": "CLUSTER_PROVIDED"}


def _istio_metadata(host: MeshHost, decision: RuleDecision, transport: Transport) -> Json:
    metadata: Json = {"services": [{"host": host.host, "name": host.name, "namespace": host.namespace}]}
    if decision.named is not None:
        metadata["config"] = config_path(decision.named, "destination-rule")
    if host.external:
        metadata["external"] = True
    if transport.originates:
        metadata["alpn_override"] = "false"
    return metadata


def config_path(ref: ObjectRef, kind: str) -> str:
    """How Istio's metadata names the object that something comes from."""
    return f"/apis/networking.istio.io/v1/namespaces/{ref.namespace}/{kind}/{ref.name}"


def _protocol(protocol: AppProtocol, transport: Transport) -> Json:
    options: Json = {}
    if protocol is AppProtocol.AUTO:
        options |= AS_DOWNSTREAM
    elif protocol.is_http and protocol is not AppProtocol.HTTP:
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
