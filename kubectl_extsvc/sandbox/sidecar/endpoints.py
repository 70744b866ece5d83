"""The endpoints of a host's port, and Envoy's ClusterLoadAssignment of them."""

from collections.abc import Iterable
from dataclasses import dataclass

from kubectl_extsvc.mesh.hosts import is_address
from kubectl_extsvc.mesh.registry import RegistryPort
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.outside.hosts import addresses_of
from kubectl_extsvc.sandbox.outside.network import LOOPBACK, Network
from kubectl_extsvc.sandbox.sidecar.mesh_view import TLS_MODE_LABEL, MeshHost, MeshView, Resolution


@dataclass(frozen=True, slots=True)
class Endpoint:
    address: str
    """Of the pretended network."""
    port: int
    mesh_tls: bool = False
    hostname: str = ""
    """Name that the address was found by."""


def endpoints_of(view: MeshView, host: MeshHost, port: RegistryPort) -> tuple[Endpoint, ...]:
    """Where connections to a port of a host may lead, each address and port once."""
    found = _of_slices(view, host, port) if host.is_service else _of_entries(host, port)
    return tuple({(endpoint.address, endpoint.port): endpoint for endpoint in found}.values())


def _of_slices(view: MeshView, host: MeshHost, port: RegistryPort) -> Iterable[Endpoint]:
    """Slices alone count, their ports by name (istio serviceregistry/kube/controller/endpointslice.go)."""
    for endpoint_slice in view.slices.get((host.namespace, host.name), ()):
        ports = endpoint_slice.get("ports") or ()
        number = next((entry.get("port") for entry in ports if (entry.get("name") or "") == port.name), None)
        if number is None or endpoint_slice["addressType"] == "FQDN":
            continue
        for endpoint in endpoint_slice.get("endpoints") or ():
            if (endpoint.get("conditions") or {}).get("ready") is not False:
                for address in endpoint["addresses"]:
                    yield Endpoint(address, number, (host.namespace, address) in view.mesh_pods)


def _of_entries(host: MeshHost, port: RegistryPort) -> Iterable[Endpoint]:
    """Of ServiceEntries; a name without endpoints is its own (istio serviceregistry/serviceentry/conversion.go)."""
    for entry in host.objects:
        spec = entry["spec"]
        if not any(declared.get("number") == port.number for declared in spec.get("ports") or ()):
            continue
        for endpoint in spec.get("endpoints") or [{"address": host.host}]:
            number = (endpoint.get("ports") or {}).get(port.name) or port.target_port
            mesh_tls = (endpoint.get("labels") or {}).get(TLS_MODE_LABEL) == "istio"
            name = endpoint.get("address", "")
            if is_address(name):
                yield Endpoint(name, number, mesh_tls)
            elif host.resolution is Resolution.STRICT_DNS:
                yield from (Endpoint(address, number, mesh_tls, name) for address in addresses_of(name))


def load_assignment(cluster: str, endpoints: Iterable[Endpoint], network: Network) -> Json:
    """Of the local ports that play the endpoints."""
    found = [_lb_endpoint(endpoint, network) for endpoint in endpoints]
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
        "health_status": "HEALTHY",
        "metadata": {"filter_metadata": metadata},
        "load_balancing_weight": 1,
    }
