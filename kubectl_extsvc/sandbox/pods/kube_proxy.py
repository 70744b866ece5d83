"""Where a connection to a ClusterIP goes, as kube-proxy's rules have it."""

from kubectl_extsvc.model.resources import SERVICES, Json
from kubectl_extsvc.sandbox.api.store import Store
from kubectl_extsvc.sandbox.outside.network import Pair
from kubectl_extsvc.sandbox.pods.names import endpoints


def endpoints_of(address: str, port: int, store: Store) -> tuple[Pair, ...]:
    """The pairs that a connection may be led to; kube-proxy takes any of them.

    Without a ready endpoint, and for a port that the Service does not have, the pair itself: nobody is there, and so
    it refuses, as kube-proxy's reject rules do. So it does for an address that is no ClusterIP at all, other than on a
    real node, which drops what is sent to unused ClusterIPs.
    """
    service = _service_at(address, store)
    if service is None:
        return ((address, port),)
    named = next((p for p in service["spec"].get("ports") or () if p["port"] == port and _is_tcp(p)), None)
    if named is None:
        return ((address, port),)
    found = [
        (endpoint, number)
        for endpoint_slice, endpoint in endpoints(service, store)
        if (number := _port_number(endpoint_slice, named.get("name", ""))) is not None
    ]
    return tuple(dict.fromkeys(found)) or ((address, port),)


def _service_at(address: str, store: Store) -> Json | None:
    return next((s for s in store.items(SERVICES.qualified_plural) if s["spec"].get("clusterIP") == address), None)


def _port_number(endpoint_slice: Json, name: str) -> int | None:
    """The number of a slice's port, found by name: targetPort counts no more once there is a slice."""
    ports = (p for p in endpoint_slice.get("ports") or () if (p.get("name") or "") == name and _is_tcp(p))
    return next((port["port"] for port in ports if port.get("port")), None)


def _is_tcp(port: Json) -> bool:
    return bool(port.get("protocol", "TCP") == "TCP")
