"""The words in which Envoy's configuration is written, and how its parts ask for others."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from kubectl_extsvc.model.resources import Json

TYPE_PREFIX = "type.googleapis.com/envoy."
CONTROL_PLANE = "xds-rest"
"""Envoy cluster that the configuration comes from."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """What one Envoy is to hold, each kind by name."""

    listeners: dict[str, Json] = field(default_factory=dict)
    routes: dict[str, Json] = field(default_factory=dict)
    clusters: dict[str, Json] = field(default_factory=dict)
    endpoints: dict[str, Json] = field(default_factory=dict)
    secrets: dict[str, Json] = field(default_factory=dict)

    def of_kind(self, kind: str) -> dict[str, Json]:
        """By the word of the discovery path: listeners, routes …"""
        found: dict[str, Json] = getattr(self, kind)
        return found

    @property
    def waiting(self) -> frozenset[str]:
        """Envoy clusters that ask for a secret which is not there."""
        return frozenset(
            name for name, cluster in self.clusters.items() if not self.secrets.keys() >= set(_secret_names(cluster))
        )


def _secret_names(value: object) -> Iterator[str]:
    """Whatever part of a configuration asks for by SDS."""
    match value:
        case {"sds_config": _, "name": str(name)}:
            yield name
        case dict():
            for part in value.values():
                yield from _secret_names(part)
        case list():
            for part in value:
                yield from _secret_names(part)


TYPES = {
    "listeners": "config.listener.v3.Listener",
    "routes": "config.route.v3.RouteConfiguration",
    "clusters": "config.cluster.v3.Cluster",
    "endpoints": "config.endpoint.v3.ClusterLoadAssignment",
    "secrets": "extensions.transport_sockets.tls.v3.Secret",
}
"""Kind → proto message. The kind is also the last word of the REST path /v3/discovery:KIND (envoy
api/envoy/service/*/v3/*.proto)."""


def config_source() -> Json:
    """Ask the control plane over HTTP, which answers when there is something new.

    Not by files: Envoy makes one inotify instance for each file it follows (filesystem_subscription_impl.cc,
    inotify/watcher_impl.cc), of which Linux allows a user 128, and each route table, set of endpoints and secret
    needs a file of its own.
    """
    source = {
        "api_type": "REST",
        "transport_api_version": "V3",
        "cluster_names": [CONTROL_PLANE],
        "refresh_delay": "0.02s",
        "request_timeout": "86400s",
    }
    return {"api_config_source": source, "resource_api_version": "V3", "initial_fetch_timeout": "0s"}


def extension(name: str, message: str, content: Json | None = None) -> Json:
    """{name, typed_config} of an extension; message without its package's beginning."""
    return {"name": name, "typed_config": {"@type": f"{TYPE_PREFIX}extensions.{message}", **(content or {})}}
