"""Kinds of the Kubernetes API that we read or write, and references to objects of them."""

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
"""A JSON object as the API gives it; the only place where types are not known."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind as the API serves it."""

    group: str
    """API group; "" is the core group."""
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """As kubectl names it in messages: destinationrule.networking.istio.io, service."""
        singular = self.kind.lower()
        return f"{singular}.{self.group}" if self.group else singular

    @property
    def qualified_plural(self) -> str:
        """As the server names it in refusals and rights: destinationrules.networking.istio.io, services."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def at_version(self, version: str) -> "Resource":
        return Resource(self.group, version, self.plural, self.kind, self.namespaced)


SERVICES = Resource("", "v1", "services", "Service")
ENDPOINTS = Resource("", "v1", "endpoints", "Endpoints")
ENDPOINT_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
PODS = Resource("", "v1", "pods", "Pod")
NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment")
JOBS = Resource("batch", "v1", "jobs", "Job")
NETWORK_POLICIES = Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy")
WORKLOADS = {
    "deployment": DEPLOYMENTS,
    "statefulset": Resource("apps", "v1", "statefulsets", "StatefulSet"),
    "daemonset": Resource("apps", "v1", "daemonsets", "DaemonSet"),
    "replicaset": Resource("apps", "v1", "replicasets", "ReplicaSet"),
    "job": JOBS,
}
"""Kinds whose spec.selector picks pods, by the word that a user types before the slash."""

ISTIO_NETWORKING = "networking.istio.io"
ISTIO_VERSIONS = ("v1", "v1beta1", "v1alpha3")
"""Newest first; the fields we use are the same in all three (istio-api v1alpha3 protos)."""
DESTINATION_RULES = Resource(ISTIO_NETWORKING, "v1", "destinationrules", "DestinationRule")
VIRTUAL_SERVICES = Resource(ISTIO_NETWORKING, "v1", "virtualservices", "VirtualService")
SERVICE_ENTRIES = Resource(ISTIO_NETWORKING, "v1", "serviceentries", "ServiceEntry")
SIDECARS = Resource(ISTIO_NETWORKING, "v1", "sidecars", "Sidecar")

BY_KIND = {
    resource.kind: resource
    for resource in (
        SERVICES, ENDPOINTS, ENDPOINT_SLICES, PODS, NAMESPACES, CONFIG_MAPS, DEPLOYMENTS, JOBS, NETWORK_POLICIES,
        DESTINATION_RULES, VIRTUAL_SERVICES, SERVICE_ENTRIES, SIDECARS,
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True, order=True)
class ObjectRef:
    """Kind, namespace and name of one object; str() is kubectl's short form, service/my-httpbin."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind.lower()}/{self.name}"

    @classmethod
    def of(cls, obj: Json) -> "ObjectRef":
        """Of an object as the API gives it (kind must be set)."""
        metadata = obj["metadata"]
        return cls(obj["kind"], metadata.get("namespace", ""), metadata["name"])
