"""The endpoints of a host's port, and Envoy's ClusterLoadAssignment of them."""

from collections.abc import Iterable
from dataclasses import dataclass

from kubectl_extsvc.mesh.hosts import is_address
from kubectl_extsvc.mesh.registry import RegistryPort
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.outside.hosts import OutsideDns
from kubectl_extsvc.sandbox.outside.network import LOOPBACK, Network
from kubectl_extsvc.sandbox.sidecar.mesh_view import TLS_MODE_LABEL, MeshHost, MeshView, Resolution


@dataclass(frozen=True, slots=True)
class Endpoint:
    address: str
    """Of the pretended network."""
    port: int
    healthy: bool = True
    mesh_tls: bool = False
    hostname: str = ""
    """Name that the address was found by."""


def endpoints_of(view: MeshView, host: MeshHost, port: RegistryPort, dns: OutsideDns) -> tuple[Endpoint, ...]:
    """Where connections to a port of a host may lead, each address and port once."""
    if host.is_service:
        found = _of_slices(view, host, port)
    elif host.resolution is Resolution.STRICT_DNS:
        found = (
            Endpoint(address, endpoint.port, mesh_tls=endpoint.mesh_tls, hostname=endpoint.address)
            for endpoint in _of_entries(host, port)
            for address in _resolved(endpoint.address, dns)
        )
    else:
        found = _of_entries(host, port)
    return tuple({(endpoint.address, endpoint.port): endpoint for endpoint in found}.values())


def _of_slices(view: MeshView, host: MeshHost, port: RegistryPort) -> Iterable[Endpoint]:
    """Slices alone count, their ports by name (istio serviceregistry/kube/controller/endpointslice.go)."""
    local = host.objects[0]["spec"].get("internalTrafficPolicy") == "Local"
    for endpoint_slice in view.slices.get((host.namespace, host.name), ()):
        if endpoint_slice.get("addressType") == "FQDN":
            continue
        numbers = (entry.get("port") for entry in endpoint_slice.get("ports") or () if _name(entry) == port.name)
        number = next(numbers, None)
        for endpoint in endpoint_slice.get("endpoints") or ():
            healthy = _health(endpoint.get("conditions") or {})
            if number is None or healthy is None or (local and endpoint.get("nodeName") != view.client.node):
                continue
            for address in endpoint.get("addresses") or ():
                yield Endpoint(address, number, healthy, (host.namespace, address) in view.mesh_pods)


def _name(slice_port: Json) -> str:
    return slice_port.get("name") or ""


def _health(conditions: Json) -> bool | None:
    """Whether an endpoint is used; None for one that is not even sent, since it may be going away."""
    if conditions.get("ready") is not False:
        return True
    return False if conditions.get("terminating") is False else None


def _of_entries(host: MeshHost, port: RegistryPort) -> Iterable[Endpoint]:
    """Of ServiceEntries; a name without endpoints is its own (istio serviceregistry/serviceentry/conversion.go)."""
    for entry in host.objects:
        spec = entry["spec"]
        if not any(declared.get("number") == port.number for declared in spec.get("ports") or ()):
            continue
        endpoints = spec.get("endpoints") or ()
        if not endpoints and host.resolution is Resolution.STRICT_DNS:
            yield Endpoint(host.host, port.target_port)
        for endpoint in endpoints:
            number = (endpoint.get("ports") or {}).get(port.name) or port.target_port
            mesh_tls = (endpoint.get("labels") or {}).get(TLS_MODE_LABEL) == "istio"
            yield Endpoint(endpoint.get("address", ""), number, mesh_tls=mesh_tls)


def _resolved(name: str, dns: OutsideDns) -> tuple[str, ...]:
    return (name,) if is_address(name) else dns.addresses(name)


def load_assignment(cluster: str, endpoints: Iterable[Endpoint], network: Network) -> Json:
    """Of the local ports that play the endpoints."""
    found = [_lb_endpoint(endpoint, network) for endpoint in endpoints if is_address(endpoint.address)]
    locality = {"locality": {}, "lb_endpoints": found, "load_balancing_weight": len(found)}
    return {"cluster_name": cluster, "endpoints": [locality] if found else []}


def _lb_endpoint(endpoint: Endpoint, network: Network) -> Json:
    local = {"address": LOOPBACK, "port_value": network.port_of(endpoint.address, endpoint.port)}
    named = {"hostname": endpoint.hostname} if endpoint.hostname else {}
    metadata: Json = {"istio": {"workload": ";;;;Kubernetes"}}
    if endpoint.mesh_tls:
        metadata["envoy.transport_socket_match"] = {"tlsMode": "istio"}
    return {
        "endpoint": {"address": {"socket_address": local}, **named},
        "health_status": "HEALTHY" if endpoint.healthy else "UNHEALTHY",
        "metadata": {"filter_metadata": metadata},
        "load_balancing_weight": 1,
    }
