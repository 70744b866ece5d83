"""The endpoints of a host's port, and Envoy's ClusterLoadAssignment of them.

Source: istio pilot/pkg/serviceregistry/kube/controller/endpointslice.go, serviceregistry/serviceentry/conversion.go,
pilot/pkg/xds/endpoints/endpoint_builder.go, branch release-1.31.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from kubectl_extsvc.mesh.hosts import is_address
from kubectl_extsvc.mesh.istiod.client import Client
from kubectl_extsvc.mesh.istiod.push_context import PushContext
from kubectl_extsvc.mesh.istiod.services import MeshService, RegistryPort
from kubectl_extsvc.model.resources import Json

TLS_MODE_LABEL = "security.istio.io/tlsMode"


@dataclass(frozen=True, slots=True)
class Endpoint:
    address: str
    """An IP; or a name, where Envoy looks names up."""
    port: int
    mesh_tls: bool = False
    healthy: bool = True
    """False: it is sent, but Envoy uses it for nothing."""
    labels: Mapping[str, str] = field(default_factory=dict, compare=False)
    node: str = ""


def endpoints_of(push: PushContext, service: MeshService, port: RegistryPort) -> tuple[Endpoint, ...]:
    """Where connections to a port of a host may lead, each address and port once."""
    found = _of_slices(push, service, port) if service.kubernetes else _of_entries(push, service, port)
    return tuple({(endpoint.address, endpoint.port): endpoint for endpoint in found}.values())


def for_cluster(
    push: PushContext, service: MeshService, port: RegistryPort, client: Client, subset: Mapping[str, str]
) -> tuple[Endpoint, ...]:
    """Those that a client's cluster holds; subset is the labels of one."""
    found = [e for e in endpoints_of(push, service, port) if subset.items() <= e.labels.items()]
    if service.kubernetes and (service.obj.get("spec") or {}).get("internalTrafficPolicy") == "Local":
        # Endpoints written by hand are on no node, and so they are dropped everywhere.
        return tuple(e for e in found if e.node == str(client.metadata.get("NODE_NAME", "")) and e.node)
    return tuple(found)


def _of_slices(push: PushContext, service: MeshService, port: RegistryPort) -> Iterator[Endpoint]:
    """Slices alone count, their ports by name."""
    if service.external_name:
        # Istio ≤ 1.20: the name itself.
        yield Endpoint(service.external_name, port.target_port)
        return
    for endpoint_slice in push.slices.get((service.namespace, service.name), ()):
        ports = endpoint_slice.get("ports") or ()
        number = next((entry.get("port") for entry in ports if (entry.get("name") or "") == port.name), None)
        if not number or endpoint_slice.get("addressType") == "FQDN":
            continue
        for endpoint in endpoint_slice.get("endpoints") or ():
            conditions = endpoint.get("conditions") or {}
            ready = conditions.get("ready") is not False
            if not ready and conditions.get("terminating") is not False:
                # An absent "terminating" counts as true, and what terminates is not sent.
                continue
            for address in endpoint.get("addresses") or ():
                pod = push.pods.get((service.namespace, address), {})
                labels = (pod.get("metadata") or {}).get("labels") or {}
                node = (pod.get("spec") or {}).get("nodeName") or ""
                yield Endpoint(address, number, labels.get(TLS_MODE_LABEL) == "istio", ready, labels, node)


def _of_entries(push: PushContext, service: MeshService, port: RegistryPort) -> Iterator[Endpoint]:
    """Of the ServiceEntries of a host and namespace; a name without endpoints is its own."""
    entries = {
        id(other.obj): other
        for other in push.by_host.get(service.host, ())
        if not other.kubernetes and other.namespace == service.namespace
    }
    for entry in entries.values():
        own = entry.port(port.number)
        if own is None:
            continue
        spec = entry.obj.get("spec") or {}
        if selector := (spec.get("workloadSelector") or {}).get("labels"):
            yield from _of_pods(push, service, own, selector)
        elif not spec.get("endpoints") and service.resolution.by_name:
            yield Endpoint(service.host, own.target_port)
        for endpoint in spec.get("endpoints") or ():
            address, labels = endpoint.get("address", ""), endpoint.get("labels") or {}
            number = (endpoint.get("ports") or {}).get(own.name) or own.target_port
            mode = labels.get(TLS_MODE_LABEL) or ("istio" if endpoint.get("serviceAccount") else "")
            if address and (is_address(address) or service.resolution.by_name):
                yield Endpoint(address, number, mode == "istio", True, labels)


def _of_pods(
    push: PushContext, service: MeshService, port: RegistryPort, selector: Mapping[str, str]
) -> Iterator[Endpoint]:
    for (namespace, address), pod in push.pods.items():
        labels = pod["metadata"].get("labels") or {}
        if namespace == service.namespace and selector.items() <= labels.items():
            yield Endpoint(address, port.target_port, labels.get(TLS_MODE_LABEL) == "istio", True, labels)


def load_assignment(cluster: str, endpoints: Iterable[Endpoint]) -> Json:
    found = [_lb_endpoint(endpoint) for endpoint in endpoints]
    locality = {"locality": {}, "lb_endpoints": found, "load_balancing_weight": len(found)}
    return {"cluster_name": cluster, "endpoints": [locality] if found else []}


def _lb_endpoint(endpoint: Endpoint) -> Json:
    metadata: Json = {"istio": {"workload": ";;;;Kubernetes"}}
    if endpoint.mesh_tls:
        metadata["envoy.transport_socket_match"] = {"tlsMode": "istio"}
    address = {"address": endpoint.address, "port_value": endpoint.port}
    return {
        "endpoint": {"address": {"socket_address": address}},
        "health_status": "HEALTHY" if endpoint.healthy else "UNHEALTHY",
        "metadata": {"filter_metadata": metadata},
        "load_balancing_weight": 1,
    }
