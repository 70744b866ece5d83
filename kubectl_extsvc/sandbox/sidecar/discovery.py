"""The words in which Envoy's configuration is written, and how its parts ask for others."""

from kubectl_extsvc.model.resources import Json

CONTROL_PLANE = "xds-rest"
"""Envoy cluster that the configuration comes from."""

TYPES = {
    "listeners": "config.listener.v3.Listener",
    "routes": "config.route.v3.RouteConfiguration",
    "clusters": "config.cluster.v3.Cluster",
    "endpoints": "config.endpoint.v3.ClusterLoadAssignment",
    "secrets": "extensions.transport_sockets.tls.v3.Secret",
}
"""Kind → proto message. The kind is also the last word of the REST path /v3/discovery:KIND (envoy
api/envoy/service/*/v3/*.proto)."""

Configuration = dict[str, dict[str, Json]]
"""What one Envoy is to hold: kind → name → resource."""


def config_source(refresh_delay: str = "0.02s") -> Json:
    """Ask the control plane over HTTP, which answers when there is something new; then again after a delay.

    Not by files: Envoy makes one inotify instance for each file it follows (filesystem_subscription_impl.cc,
    inotify/watcher_impl.cc), of which Linux allows a user 128, and each route table, set of endpoints and secret
    needs a file of its own.
    """
    source = {
        "api_type": "REST",
        "transport_api_version": "V3",
        "cluster_names": [CONTROL_PLANE],
        "refresh_delay": refresh_delay,
        "request_timeout": "86400s",
    }
    return {"api_config_source": source, "resource_api_version": "V3", "initial_fetch_timeout": "0s"}
