"""Labels, annotations and names by which our objects are known. What users may have on disk must not change."""

from kubectl_extsvc.model.resources import Json

MANAGER = "kubectl-extsvc"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
ALIAS_LABEL = "extsvc.dev/alias"
"""On every object of an alias: the alias's name; its namespace is the object's."""
HOST_ANNOTATION = "extsvc.dev/host"
"""On the Service: the outside name that hand-written addresses belong to."""
ANNOTATION_PREFIX = "extsvc.dev/"
ADDED_BY_ANNOTATION = "extsvc.dev/added-by"
ADDED_BY_FIX = "fix"
"""On an object that a cure added to an alias of ours: no intent wants it, and none is to take it away."""
PORTS_ANNOTATION = "extsvc.dev/ports"
"""On the Service: the ports as --port writes them."""

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
SLICE_MANAGED_BY_LABEL = "endpointslice.kubernetes.io/managed-by"
SELECTOR_CONTROLLER = "endpointslice-controller.k8s.io"
"""Makes the slices of Services with selector (kubernetes pkg/controller/endpointslice/endpointslice_controller.go)."""
MIRRORING_CONTROLLER = "endpointslicemirroring-controller.k8s.io"

PRIVATE_DOMAIN = "extsvc.internal"


def is_ours(obj: Json) -> bool:
    """Made by kubectl extsvc, by its label."""
    return bool(_labels(obj).get(MANAGED_BY_LABEL) == MANAGER)


def alias_of(obj: Json) -> str:
    """Name of the alias that an object of ours belongs to; "" for objects of others, and of ours that are of none."""
    return _labels(obj).get(ALIAS_LABEL, "") if is_ours(obj) else ""


def _labels(obj: Json) -> dict[str, str]:
    return obj["metadata"].get("labels") or {}


def private_host(name: str, namespace: str) -> str:
    """Host of the ServiceEntry that stands for an ExternalName alias; nobody else can mean it."""
    return f"{name}.{namespace}.{PRIVATE_DOMAIN}"


def field_manager(name: str) -> str:
    """Field manager of an alias's objects: one an alias, so that two aliases that share an object disagree aloud."""
    return f"{MANAGER}:{name}"
