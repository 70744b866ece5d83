"""Where a connection to a ClusterIP goes, as kube-proxy's rules have it."""

from kubectl_extsvc.model.resources import SERVICES, Json
from kubectl_extsvc.sandbox.api.store import Store
from kubectl_extsvc.sandbox.outside.hosts import SILENT
from kubectl_extsvc.sandbox.outside.network import Pair
from kubectl_extsvc.sandbox.pods.names import endpoints

CLUSTER_IPS = "10.96."
"""What they begin with (sandbox/api/addresses.py)."""


def endpoints_of(address: str, port: int, store: Store) -> tuple[Pair, ...]:
    """The pairs that a connection may be led to; kube-proxy takes any of them.

    Without a ready endpoint, and for a port that the Service does not have, the pair itself: nobody is there, and so
    it refuses, as kube-proxy's reject rules do. A ClusterIP that is nobody's is silent: no node routes it.
    """
    services = store.items(SERVICES.qualified_plural)
    service = next((one for one in services if one["spec"].get("clusterIP") == address), None)
    if service is None:
        return ((SILENT if address.startswith(CLUSTER_IPS) else address, port),)
    named = next((one for one in service["spec"].get("ports") or () if one["port"] == port and _is_tcp(one)), None)
    if named is None:
        return ((address, port),)
    # By the port's name: targetPort counts no more once there is a slice.
    found = [
        (endpoint, slice_port["port"])
        for endpoint_slice, endpoint in endpoints(service, store)
        for slice_port in endpoint_slice.get("ports") or ()
        if (slice_port.get("name") or "") == named.get("name", "") and _is_tcp(slice_port) and slice_port.get("port")
    ]
    return tuple(dict.fromkeys(found)) or ((address, port),)


def _is_tcp(port: Json) -> bool:
    return bool(port.get("protocol", "TCP") == "TCP")
