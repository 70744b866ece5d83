"""Which namespaces may see an object: those of its exportTo, else those that meshConfig says for its kind."""

from collections.abc import Collection

from kubectl_extsvc.model.resources import (
    DESTINATION_RULES,
    SERVICE_ENTRIES,
    SERVICES,
    VIRTUAL_SERVICES,
    Json,
    Resource,
)

EXPORT_TO_ANNOTATION = "networking.istio.io/exportTo"
"""On a Service: namespaces to whose proxies it is known, comma-separated (istio api annotation)."""

_DEFAULTS = {
    SERVICES.plural: "defaultServiceExportTo",
    SERVICE_ENTRIES.plural: "defaultServiceExportTo",
    VIRTUAL_SERVICES.plural: "defaultVirtualServiceExportTo",
    DESTINATION_RULES.plural: "defaultDestinationRuleExportTo",
}


def default_export_to(resource: Resource, mesh_config: Json) -> tuple[str, ...]:
    """What an object of a kind is exported to if it does not say; () is everywhere.

    Of the default for DestinationRules only "." means anything (initDefaultExportMaps and setDestinationRules in istio
    pilot/pkg/model/push_context.go).
    """
    told = tuple(mesh_config.get(_DEFAULTS[resource.plural]) or ())
    if resource.plural == DESTINATION_RULES.plural:
        return (".",) if "." in told else ()
    return () if "*" in told else told


def exported_to(
    export_to: Collection[str], namespace: str, client_namespace: str, default: Collection[str] = ()
) -> bool:
    """Whether an object of a namespace is visible in the client's.

    "*" is everywhere, "." the own namespace, "~" nowhere. An object without exportTo has the default of its kind, and
    without one is visible everywhere.
    """
    told = export_to or default
    if not told or "*" in told:
        return True
    own = "." in told and namespace == client_namespace
    return "~" not in told and (own or client_namespace in told)


def service_export_to(service: Json) -> tuple[str, ...]:
    """exportTo of a Service, from its annotation (ConvertService in istio serviceregistry/kube/conversion.go)."""
    text = (service["metadata"].get("annotations") or {}).get(EXPORT_TO_ANNOTATION, "")
    return tuple(part.strip() for part in text.split(",")) if text else ()
