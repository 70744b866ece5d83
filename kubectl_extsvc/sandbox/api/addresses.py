"""Addresses that the cluster gives away: ClusterIPs and pod IPs."""

import ipaddress
from collections.abc import Callable

from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.api.kinds import BY_RESOURCE
from kubectl_extsvc.sandbox.api.refusals import invalid, invalid_value
from kubectl_extsvc.sandbox.api.store import Change, ChangeType, Store

SERVICE_NETWORK = ipaddress.IPv4Network("10.96.0.0/16")
POD_NETWORK = ipaddress.IPv4Network("10.244.0.0/16")
FIRST_OF_SERVICES = 256
"""Free ones come from behind the part that is kept for chosen ones (kubernetes KEP-3070)."""
FIRST_OF_PODS = 2
"""The first is the node's."""


class Addresses:
    """Of one network: which are taken by the objects of a resource, and the next free one."""

    def __init__(
        self, store: Store, resource: str, of: Callable[[Json], str], network: ipaddress.IPv4Network, first: int
    ) -> None:
        self._taken = {address for obj in store.items(resource) if (address := of(obj))}
        self._network, self._next, self._resource, self._of = network, first, resource, of
        store.listen(self._follow)

    def is_taken(self, address: str) -> bool:
        return address in self._taken

    def free(self) -> str:
        """One that no object has. Asked again without an object made from it, it gives the same one."""
        while (address := str(self._network[self._next])) in self._taken:
            self._next += 1
        return address

    def _follow(self, change: Change) -> None:
        if change.resource != self._resource:
            return
        if change.before is not None:
            self._taken.discard(self._of(change.before))
        if change.type is not ChangeType.DELETED and (address := self._of(change.object)):
            self._taken.add(address)


def cluster_ips(store: Store) -> Addresses:
    return Addresses(
        store, "services", lambda obj: obj["spec"].get("clusterIP", ""), SERVICE_NETWORK, FIRST_OF_SERVICES
    )


def pod_ips(store: Store) -> Addresses:
    return Addresses(store, "pods", lambda obj: obj.get("status", {}).get("podIP", ""), POD_NETWORK, FIRST_OF_PODS)


def give_cluster_ip(service: Json, old: Json | None, addresses: Addresses, *, dry_run: bool = False) -> Json:
    """The Service with clusterIP, clusterIPs and IP families, as a single-stack server completes it.

    Raises Refused if the address that it asks for is not to be had; a dry run does not look whether it is taken.
    """
    spec = service["spec"]
    if spec["type"] == "ExternalName":
        return service
    address = spec.get("clusterIP") or ""
    before = (old or {}).get("spec", {}).get("clusterIP", "")
    if not address:
        address = addresses.free()
    elif address not in ("None", before):
        why = ""
        if ipaddress.ip_address(address) not in SERVICE_NETWORK:
            why = "the provided network does not match the current range"
            if dry_run:
                range_words = f"The range of valid IPs is {SERVICE_NETWORK}"
                why = f"the provided IP ({address}) is not in the valid range. {range_words}"
        elif not dry_run and addresses.is_taken(address):
            why = "provided IP is already allocated"
        if why:
            cause = invalid_value("spec.clusterIPs", [address], f"failed to allocate IP {address}: {why}")
            raise invalid(BY_RESOURCE["services"], service["metadata"]["name"], [cause])
    # Nothing tells the server the family of a headless Service whose endpoints are hand-written.
    both = address == "None" and not spec.get("selector")
    families = {
        "ipFamilies": spec.get("ipFamilies") or (["IPv4", "IPv6"] if both else ["IPv4"]),
        "ipFamilyPolicy": spec.get("ipFamilyPolicy") or ("RequireDualStack" if both else "SingleStack"),
    }
    return {**service, "spec": {**spec, "clusterIP": address, "clusterIPs": [address], **families}}
