"""The stored objects as istiod's laws read them."""

import yaml

from kubectl_extsvc.model.resources import (
    CONFIG_MAPS,
    DESTINATION_RULES,
    ENDPOINT_SLICES,
    PODS,
    SERVICE_ENTRIES,
    SERVICES,
    SIDECARS,
    VIRTUAL_SERVICES,
    Json,
    Resource,
)
from kubectl_extsvc.model.snapshot import Mesh, Snapshot
from kubectl_extsvc.sandbox.api.store import Store

ISTIO_NAMESPACE = "istio-system"
"""Where istiod is and what its meshConfig has as rootNamespace."""

LOOKED_AT = frozenset(
    resource.qualified_plural
    for resource in (
        CONFIG_MAPS,
        DESTINATION_RULES,
        ENDPOINT_SLICES,
        PODS,
        SERVICE_ENTRIES,
        SERVICES,
        SIDECARS,
        VIRTUAL_SERVICES,
    )
) | {"secrets"}
"""Resources of the store that a proxy's configuration is made of."""


def snapshot_of(store: Store) -> Snapshot:
    """The mesh as the store has it now."""

    def of(resource: Resource) -> tuple[Json, ...]:
        return tuple(store.items(resource.qualified_plural))

    return Snapshot(
        services=of(SERVICES),
        endpoint_slices=of(ENDPOINT_SLICES),
        destination_rules=of(DESTINATION_RULES),
        virtual_services=of(VIRTUAL_SERVICES),
        service_entries=of(SERVICE_ENTRIES),
        sidecars=of(SIDECARS),
        pods=of(PODS),
        mesh_config=_mesh_config(store),
        all_namespaces=True,
        mesh=Mesh(True, "v1", (1, 31), ISTIO_NAMESPACE),
    )


def _mesh_config(store: Store) -> Json:
    """meshConfig; {} where there is none or it cannot be read, as istiod then keeps its defaults."""
    config_map = store.get(CONFIG_MAPS.qualified_plural, ISTIO_NAMESPACE, "istio") or {}
    try:
        config = yaml.safe_load((config_map.get("data") or {}).get("mesh", ""))
    except yaml.YAMLError:
        return {}
    if not isinstance(config, dict):
        return {}
    policy = config.get("outboundTrafficPolicy")
    if isinstance(policy, dict) and policy.get("mode") == "ALLOW_ANY_DYNAMIC_DNS":
        # Envoy itself would ask the real DNS.
        return config | {"outboundTrafficPolicy": {"mode": "ALLOW_ANY"}}
    return config
