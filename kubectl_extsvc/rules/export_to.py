"""What exportTo keeps from a source's namespace, and the changes that show it to all."""

from dataclasses import dataclass

from kubectl_extsvc.mesh.export_to import (
    EXPORT_TO_ANNOTATION,
    default_export_to,
    exported_to,
    service_export_to,
)
from kubectl_extsvc.mesh.registry import service_named
from kubectl_extsvc.model.fix import JsonPatch, MergePatch, RemoveAnnotation, Step
from kubectl_extsvc.model.observation import Case
from kubectl_extsvc.model.resources import SERVICES, Json, ObjectRef, Resource

EVERYWHERE = "*"


@dataclass(frozen=True, slots=True)
class Hidden:
    """Why proxies of a namespace do not know the alias's Service."""

    by: str
    """The field that says so, in words."""
    cure: Step


def hidden_service(case: Case, client_namespace: str) -> Hidden | None:
    """None if they may know it, or if it was not read."""
    alias = case.alias
    service = service_named(alias.fqdn(case.snapshot.cluster_domain), case.snapshot)
    if service is None:
        return None
    told, default = service_export_to(service), default_export_to(SERVICES, case.snapshot.mesh_config)
    if exported_to(told, alias.namespace, client_namespace, default):
        return None
    by = f"annotation {EXPORT_TO_ANNOTATION}" if told else "meshConfig.defaultServiceExportTo"
    if default:
        annotations = {EXPORT_TO_ANNOTATION: EVERYWHERE}
        return Hidden(by, MergePatch(alias.service, {"metadata": {"annotations": annotations}}))
    return Hidden(by, RemoveAnnotation(alias.service, EXPORT_TO_ANNOTATION))


def is_exported(resource: Resource, obj: Json, client_namespace: str, case: Case) -> bool:
    """Whether an Istio object is for proxies of a namespace."""
    export_to = (obj.get("spec") or {}).get("exportTo") or ()
    default = default_export_to(resource, case.snapshot.mesh_config)
    return exported_to(export_to, obj["metadata"].get("namespace", ""), client_namespace, default)


def shown(resource: Resource, ref: ObjectRef, case: Case) -> JsonPatch:
    """The change after which an Istio object is for all namespaces."""
    if default_export_to(resource, case.snapshot.mesh_config):
        return JsonPatch(ref, [{"op": "add", "path": "/spec/exportTo", "value": [EVERYWHERE]}])
    return JsonPatch(ref, [{"op": "remove", "path": "/spec/exportTo"}])
