"""What a name leads to in a pod, from the stored objects: CoreDNS and the pod's /etc/resolv.conf."""

from collections.abc import Iterator
from dataclasses import dataclass

from kubectl_extsvc.mesh.hosts import is_address, service_of_fqdn
from kubectl_extsvc.mesh.registry import is_external_name
from kubectl_extsvc.model.marks import SERVICE_NAME_LABEL
from kubectl_extsvc.model.resources import ENDPOINT_SLICES, SERVICES, Json
from kubectl_extsvc.sandbox.api.store import Store
from kubectl_extsvc.sandbox.outside.hosts import addresses_of

CLUSTER_DOMAIN = "cluster.local"
DNS_SERVER = "10.96.0.10"
NDOTS = 5

_LONGEST_CHAIN = 8
"""CNAMEs that CoreDNS follows (plugin/backend_lookup.go)."""


@dataclass(frozen=True, slots=True)
class Lookup:
    name: str
    """In lower case, without a final dot; what a search list made of it."""
    cnames: tuple[str, ...] = ()
    """Where the name leads, step by step."""
    addresses: tuple[str, ...] = ()
    """None: there is no such name, or nothing at the end of its CNAMEs."""
    loops: bool = False
    """CoreDNS answers a loop of CNAMEs with nothing at all, but not with NXDOMAIN."""

    @property
    def exists(self) -> bool:
        return bool(self.cnames or self.addresses or self.loops)

    @property
    def canonical(self) -> str:
        return self.cnames[-1] if self.cnames else self.name


def search_list(namespace: str) -> tuple[str, ...]:
    return (f"{namespace}.svc.{CLUSTER_DOMAIN}", f"svc.{CLUSTER_DOMAIN}", CLUSTER_DOMAIN)


def resolv_conf(namespace: str) -> str:
    """/etc/resolv.conf of a pod."""
    return f"search {' '.join(search_list(namespace))}\nnameserver {DNS_SERVER}\noptions ndots:{NDOTS}\n"


def resolve(name: str, namespace: str, store: Store) -> Lookup:
    """What getaddrinfo finds in a pod of a namespace; an address is its own answer."""
    if is_address(name):
        return Lookup(name, (), (name,))
    if name.lower().removesuffix(".") == "localhost":
        return Lookup("localhost", (), ("127.0.0.1",))
    found = Lookup(name)
    for candidate in candidates(name, namespace):
        found = lookup(candidate, store)
        if found.addresses:
            return found
    return found


def candidates(name: str, namespace: str) -> tuple[str, ...]:
    """Absolute names in the order in which a resolver asks for them (resolv.conf(5), ndots)."""
    if name.endswith("."):
        return (name.removesuffix("."),)
    searched = [f"{name}.{suffix}" for suffix in search_list(namespace)]
    return (name, *searched) if name.count(".") >= NDOTS else (*searched, name)


def lookup(name: str, store: Store) -> Lookup:
    """What CoreDNS answers for an absolute name."""
    name = name.lower().removesuffix(".")
    cnames: list[str] = []
    host = name
    while target := _cname(host, store):
        if target == name or target in cnames or len(cnames) == _LONGEST_CHAIN:
            return Lookup(name, loops=True)
        cnames.append(target)
        host = target
    return Lookup(name, tuple(cnames), _addresses(host, store))


def _cname(host: str, store: Store) -> str:
    service = _service(host, store)
    if service is None or not is_external_name(service):
        return ""
    external_name = str(service["spec"]["externalName"]).lower().removesuffix(".")
    # CoreDNS makes no record of an ExternalName that looks like an address (plugin/kubernetes, findServices).
    return "" if is_address(external_name) else external_name


def _addresses(host: str, store: Store) -> tuple[str, ...]:
    service = _service(host, store)
    if service is None:
        return () if host.endswith(f".{CLUSTER_DOMAIN}") else addresses_of(host)
    spec = service["spec"]
    if is_external_name(service):
        return ()
    if spec.get("clusterIP") not in ("None", "", None):
        return (spec["clusterIP"],)
    return tuple(dict.fromkeys(address for _, address in endpoints(service, store)))


def endpoints(service: Json, store: Store) -> Iterator[tuple[Json, str]]:
    """The ready endpoints of a Service: each address, with the EndpointSlice that has it."""
    metadata = service["metadata"]
    for endpoint_slice in store.items(ENDPOINT_SLICES.qualified_plural, metadata["namespace"]):
        labels = endpoint_slice["metadata"].get("labels") or {}
        if labels.get(SERVICE_NAME_LABEL) != metadata["name"] or endpoint_slice["addressType"] == "FQDN":
            continue
        for endpoint in endpoint_slice.get("endpoints") or ():
            # Not said is ready (EndpointConditions in k8s.io/api/discovery/v1).
            if (endpoint.get("conditions") or {}).get("ready") is not False:
                for address in endpoint["addresses"]:
                    yield endpoint_slice, address


def _service(host: str, store: Store) -> Json | None:
    key = service_of_fqdn(host, CLUSTER_DOMAIN)
    return store.get(SERVICES.qualified_plural, *key) if key else None
