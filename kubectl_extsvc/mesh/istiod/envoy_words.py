"""The words in which Envoy's configuration is written, as istiod writes them."""

import re

from kubectl_extsvc.model.resources import Json, ObjectRef

TYPE_PREFIX = "type.googleapis.com/envoy."
ADS: Json = {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}
"""Where Envoy asks for what a resource only names."""
SDS: Json = {
    "api_config_source": {
        "api_type": "GRPC",
        "grpc_services": [{"envoy_grpc": {"cluster_name": "sds-grpc"}}],
        "set_node_on_first_message_only": True,
        "transport_api_version": "V3",
    },
    "resource_api_version": "V3",
}
"""Where it asks for a secret."""

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def extension(name: str, message: str, content: Json | None = None) -> Json:
    """{name, typed_config} of an extension; message without its package's beginning."""
    return {"name": name, "typed_config": {"@type": f"{TYPE_PREFIX}extensions.{message}", **(content or {})}}


def config_path(ref: ObjectRef, kind: str) -> str:
    """How Istio's metadata names the object that something comes from."""
    return f"/apis/networking.istio.io/v1/namespaces/{ref.namespace}/{kind}/{ref.name}"


def origin(ref: ObjectRef, kind: str) -> Json:
    """The metadata of what comes from an object."""
    return {"filter_metadata": {"istio": {"config": config_path(ref, kind)}}}


def duration(text: str) -> str:
    """Seconds, as Envoy wants them, of a duration as people write it: 1m30s → 90s (time.ParseDuration of Go)."""
    parts = re.findall(r"([0-9]*\.?[0-9]+)(ns|us|µs|ms|s|m|h)", text)
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    return f"{seconds:.9f}".rstrip("0").rstrip(".") + "s"
