"""Labels, annotations and names by which our objects are known. What users may have on disk must not change."""

MANAGER = "kubectl-extsvc"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
ALIAS_LABEL = "extsvc.dev/alias"
"""On every object of an alias: the alias's name; its namespace is the object's."""
HOST_ANNOTATION = "extsvc.dev/host"
"""On the Service: the outside name that hand-written addresses belong to."""
ANNOTATION_PREFIX = "extsvc.dev/"
PORTS_ANNOTATION = "extsvc.dev/ports"
"""On the Service: the ports as --port writes them."""

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
SLICE_MANAGED_BY_LABEL = "endpointslice.kubernetes.io/managed-by"
MIRRORING_CONTROLLER = "endpointslicemirroring-controller.k8s.io"

PRIVATE_DOMAIN = "extsvc.internal"


def private_host(name: str, namespace: str) -> str:
    """Host of the ServiceEntry that stands for an ExternalName alias; nobody else can mean it."""
    return f"{name}.{namespace}.{PRIVATE_DOMAIN}"


def field_manager(name: str) -> str:
    """Field manager of an alias's objects: one an alias, so that two aliases that share an object disagree aloud."""
    return f"{MANAGER}:{name}"
