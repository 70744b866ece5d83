"""What an Envoy is started with: who it is, and where its configuration comes from."""

from pathlib import Path

from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.sidecar.discovery import CONTROL_PLANE, config_source
from kubectl_extsvc.sandbox.sidecar.mesh_view import Client

ISTIO_VERSION = "1.31.0"
"""Whose istiod is imitated."""

RUNTIME = {"re2.max_program_size.error_level": "32768"}
"""Of istio tools/packaging/common/envoy_bootstrap.json: Envoy's own 100 is too little to filter a config dump by."""


def node_id(client: Client) -> str:
    return f"sidecar~{client.ip}~{client.name}.{client.namespace}~{client.namespace}.svc.cluster.local"


def bootstrap(client: Client, *, admin: Path, control_plane: Path) -> Json:
    """Envoy's bootstrap; admin and control_plane are sockets, the first made by Envoy."""
    workload = client.labels.get("app", client.name)
    metadata = {
        "NAMESPACE": client.namespace,
        "INTERCEPTION_MODE": "REDIRECT",
        "WORKLOAD_NAME": workload,
        "NAME": client.name,
        "SERVICE_ACCOUNT": client.service_account,
        "INSTANCE_IPS": client.ip,
        "LABELS": dict(client.labels),
        "CLUSTER_ID": "Kubernetes",
        "ISTIO_VERSION": ISTIO_VERSION,
        "MESH_ID": "cluster.local",
    }
    return {
        "node": {"id": node_id(client), "cluster": f"{workload}.{client.namespace}", "metadata": metadata},
        "admin": {"address": {"pipe": {"path": str(admin), "mode": 0o600}}},
        "dynamic_resources": {"lds_config": config_source(), "cds_config": config_source()},
        "static_resources": {"clusters": [_control_plane(control_plane)]},
        "layered_runtime": {"layers": [{"name": "global config", "static_layer": RUNTIME}]},
    }


def _control_plane(socket: Path) -> Json:
    endpoint = {"endpoint": {"address": {"pipe": {"path": str(socket)}}}}
    many = dict.fromkeys(("max_connections", "max_pending_requests", "max_requests"), 100_000)
    return {
        "name": CONTROL_PLANE,
        "type": "STATIC",
        "connect_timeout": "1s",
        # Every part of the configuration has a request of its own that waits.
        "circuit_breakers": {"thresholds": [many]},
        "load_assignment": {"cluster_name": CONTROL_PLANE, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
