"""Every kind of object that the sandbox serves, as the real server tells it (kubectl api-resources -o wide)."""

from dataclasses import dataclass, field
from typing import Any

from kubectl_extsvc.model.resources import ISTIO_NETWORKING, ISTIO_VERSIONS

ISTIO_SECURITY = "security.istio.io"
BUILT_IN_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
CUSTOM_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
NAMESPACE_VERBS = ("create", "delete", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class ServedKind:
    group: str
    """"" is the core group."""
    versions: tuple[str, ...]
    """The first is stored and preferred; the others differ from it by apiVersion only."""
    plural: str
    singular: str
    kind: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = field(default=BUILT_IN_VERBS, repr=False)
    subresources: tuple[str, ...] = ()

    @property
    def resource(self) -> str:
        """Its key in the store and its name in messages: services, destinationrules.networking.istio.io."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def custom(self) -> bool:
        """Defined by a CustomResourceDefinition."""
        return self.group.endswith(".istio.io")

    def api_version(self, version: str = "") -> str:
        """apiVersion of a version, by default of the stored one."""
        version = version or self.versions[0]
        return f"{self.group}/{version}" if self.group else version


def _built_in(
    group: str, plural: str, kind: str, short_name: str = "", categories: tuple[str, ...] = (), **more: Any
) -> ServedKind:
    short_names = (short_name,) if short_name else ()
    return ServedKind(
        group, ("v1",), plural, kind.lower(), kind, short_names=short_names, categories=categories, **more
    )


def _custom(
    group: str, plural: str, kind: str, short_name: str = "", versions: tuple[str, ...] = ISTIO_VERSIONS
) -> ServedKind:
    short_names = (short_name,) if short_name else ()
    categories = ("istio-io", group.replace(".", "-"))
    return ServedKind(group, versions, plural, kind.lower(), kind, True, short_names, categories, CUSTOM_VERBS)


_ALL = ("all",)

KINDS: tuple[ServedKind, ...] = (
    _built_in("", "configmaps", "ConfigMap", "cm"),
    _built_in("", "endpoints", "Endpoints", "ep"),
    _built_in("", "events", "Event", "ev"),
    _built_in("", "namespaces", "Namespace", "ns", namespaced=False, verbs=NAMESPACE_VERBS),
    _built_in("", "nodes", "Node", "no", namespaced=False),
    _built_in("", "pods", "Pod", "po", _ALL, subresources=("ephemeralcontainers", "exec", "log")),
    _built_in("", "secrets", "Secret"),
    _built_in("", "serviceaccounts", "ServiceAccount", "sa"),
    _built_in("", "services", "Service", "svc", _ALL),
    _built_in("apps", "daemonsets", "DaemonSet", "ds", _ALL),
    _built_in("apps", "deployments", "Deployment", "deploy", _ALL),
    _built_in("apps", "replicasets", "ReplicaSet", "rs", _ALL),
    _built_in("apps", "statefulsets", "StatefulSet", "sts", _ALL),
    _built_in("batch", "jobs", "Job", "", _ALL),
    _built_in("discovery.k8s.io", "endpointslices", "EndpointSlice"),
    _custom(ISTIO_NETWORKING, "destinationrules", "DestinationRule", "dr"),
    _custom(ISTIO_NETWORKING, "gateways", "Gateway", "gw"),
    _custom(ISTIO_NETWORKING, "serviceentries", "ServiceEntry", "se"),
    _custom(ISTIO_NETWORKING, "sidecars", "Sidecar"),
    _custom(ISTIO_NETWORKING, "virtualservices", "VirtualService", "vs"),
    _custom(ISTIO_NETWORKING, "workloadentries", "WorkloadEntry", "we"),
    _custom(ISTIO_SECURITY, "peerauthentications", "PeerAuthentication", "pa", ("v1", "v1beta1")),
)

BY_RESOURCE = {kind.resource: kind for kind in KINDS}
"""By the store's key: "services", "destinationrules.networking.istio.io"."""
