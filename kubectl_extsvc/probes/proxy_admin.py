"""Questions to a sidecar's own admin interface, asked from inside istio-proxy.

pilot-agent is in every proxy image, distroless too, and needs no shell. It prints the answer on stdout and its own log
(INFO GOMEMLIMIT …) on stderr.
"""

from collections.abc import Mapping
from urllib.parse import urlencode

CONFIG_DUMP_RESOURCES = (
    "bootstrap",
    "dynamic_listeners",
    "dynamic_route_configs",
    "dynamic_active_clusters",
    "dynamic_warming_clusters",
    "dynamic_endpoint_configs",
)
"""Fields of Envoy's config dump messages that `resource=` takes (envoy/admin/v3/config_dump.proto)."""


def get(path: str, query: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """argv of one GET, path without the leading slash: get("config_dump", {"resource": "dynamic_listeners"})."""
    return ("pilot-agent", "request", "GET", f"{path}?{urlencode(query)}" if query else path)


def config_dump(resource: str = "", name_regex: str = "") -> tuple[str, ...]:
    """argv for a part of the config dump. name_regex must match a whole name (RE2)."""
    query = {"resource": resource} if resource else {"include_eds": ""}
    return get("config_dump", query | ({"name_regex": name_regex} if name_regex else {}))
