"""The endpoints of a host's port, and Envoy's ClusterLoadAssignment of them.

Source: istio pilot/pkg/serviceregistry/kube/controller/endpointslice.go, serviceregistry/serviceentry/conversion.go,
pilot/pkg/xds/endpoints/endpoint_builder.go, branch release-1.31.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from kubectl_extsvc.mesh.hosts import is_address
from kubectl_extsvc.mesh.istiod.client import Client
from kubectl_extsvc.mesh.istiod.push_context import PushContext
from kubectl_extsvc.mesh.istiod.services import MeshService, RegistryPort, Resolution
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
    terminating: bool = False
    """It is in no cluster, but has its listener where the Service is headless."""
    labels: Mapping[str, str] = field(default_factory=dict, compare=False)
    node: str = ""
    port_name: str = ""
    """Of the port of the Service or ServiceEntry that it belongs to."""
    port_number: int = 0
    """The same, of a ServiceEntry only (LegacyClusterPortKey)."""
    account: str = ""
    """SPIFFE identity; "" for none."""


def endpoints_of(push: PushContext, service: MeshService, port: RegistryPort) -> tuple[Endpoint, ...]:
    """Where connections to a port of a host may lead.

    Endpoints that istiod sends by EDS belong to a port by its name, those in the cluster itself by its number as far as
    there is one (CopyEndpoints in pilot/pkg/model/endpointshards.go).
    """
    found = known_endpoints(push, service.host, service.namespace)
    if service.external_name:
        # Istio ≤ 1.20: the name itself.
        return (Endpoint(service.external_name, port.target_port),)
    if service.resolution is Resolution.EDS:
        return tuple(e for e in found if e.port_name == port.name and is_address(e.address))
    of_port: tuple[Endpoint, ...] = ()
    for other in push.by_host.get(service.host, ()):
        if other.namespace == service.namespace:
            # Each that bears the host counts by its own names of ports, and the youngest's count replaces the others'.
            numbers = {declared.name: declared.number for declared in other.ports}
            known = {number for number in numbers.values() if number == port.number}
            of_port = tuple(e for e in found if (e.port_number or numbers.get(e.port_name)) in known) or of_port
    return of_port


def for_cluster(
    push: PushContext, service: MeshService, port: RegistryPort, client: Client, subset: Mapping[str, str]
) -> tuple[Endpoint, ...]:
    """Those that a client's cluster holds; subset is the labels of one."""
    every = endpoints_of(push, service, port)
    found = [e for e in every if subset.items() <= e.labels.items() and not e.terminating]
    if service.kubernetes and (service.obj.get("spec") or {}).get("internalTrafficPolicy") == "Local":
        # Endpoints written by hand are on no node, and so they are dropped everywhere.
        return tuple(e for e in found if e.node == str(client.metadata.get("NODE_NAME", "")) and e.node)
    return tuple(found)


def accounts_of(push: PushContext, host: str, namespace: str) -> tuple[str, ...]:
    """Names that a host's servers may have in their certificates: the identities of its endpoints, and
    subjectAltNames of the youngest ServiceEntry (addServiceAccounts in pilot/pkg/model/push_context.go)."""
    accounts = {endpoint.account for endpoint in known_endpoints(push, host, namespace)} - {""}
    last = [service for service in push.by_host.get(host, ()) if service.namespace == namespace][-1:]
    for service in last:
        accounts |= set((service.obj.get("spec") or {}).get("subjectAltNames") or ())
    aliases = push.mesh_config.get("trustDomainAliases") or ()
    spiffe = [account.removeprefix(SPIFFE).partition("/")[2] for account in accounts if account.startswith(SPIFFE)]
    return tuple(sorted(accounts | {f"{SPIFFE}{domain}/{path}" for domain in aliases for path in spiffe}))


SPIFFE = "spiffe://"


def known_endpoints(push: PushContext, host: str, namespace: str) -> tuple[Endpoint, ...]:
    """All endpoints of a host and namespace: of a Service's slices and of all ServiceEntries, whoever of them is the
    host to a client (EndpointShards in pilot/pkg/model/endpointshards.go)."""
    found: list[Endpoint] = []
    taken: set[int] = set()
    for service in push.by_host.get(host, ()):
        if service.namespace != namespace:
            continue
        if service.kubernetes:
            # Of a Service that nobody may see, istiod does not even keep the slices (serviceNeedsPush).
            found += _of_slices(push, service) if "~" not in service.export_to else ()
            continue
        # Of a ServiceEntry with several addresses once for each (mergeServicesInstancesByNamespaceHost).
        own = list(_of_entry(push, service))
        if service.resolution is Resolution.LOGICAL_DNS:
            first: dict[int, Endpoint] = {}
            for endpoint in own:
                first.setdefault(endpoint.port_number, endpoint)
            own = [endpoint for number, endpoint in first.items() if number not in taken]
        taken.update(endpoint.port_number for endpoint in own)
        found += own
    return tuple(found)


def _of_slices(push: PushContext, service: MeshService) -> Iterable[Endpoint]:
    """Each address and port name once."""
    found: dict[tuple[str, str], Endpoint] = {}
    for endpoint_slice in push.slices.get((service.namespace, service.name), ()):
        if endpoint_slice.get("addressType") == "FQDN":
            continue
        for endpoint in _of_slice(push, service, endpoint_slice):
            found.setdefault((endpoint.address, endpoint.port_name), endpoint)
    return found.values()


def _of_slice(push: PushContext, service: MeshService, endpoint_slice: Json) -> Iterator[Endpoint]:
    for endpoint in endpoint_slice.get("endpoints") or ():
        conditions = endpoint.get("conditions") or {}
        ready = conditions.get("ready") is not False
        # An absent "terminating" counts as true, and what terminates is not sent.
        terminating = not ready and conditions.get("terminating") is not False
        for address in endpoint.get("addresses") or ():
            pod = push.pods.get((service.namespace, address))
            for port in endpoint_slice.get("ports") or ():
                found = _of_pod(push, pod, address, port.get("port") or 0, port.get("name") or "")
                yield replace(found, healthy=ready, terminating=terminating)


def _of_pod(push: PushContext, pod: Json | None, address: str, port: int, port_name: str) -> Endpoint:
    if pod is None:
        return Endpoint(address, port, port_name=port_name)
    metadata, spec = pod["metadata"], pod.get("spec") or {}
    labels = metadata.get("labels") or {}
    return Endpoint(
        address,
        port,
        labels.get(TLS_MODE_LABEL) == "istio",
        labels=labels,
        node=spec.get("nodeName") or "",
        port_name=port_name,
        account=_identity(push, metadata.get("namespace", ""), spec.get("serviceAccountName") or ""),
    )


def _identity(push: PushContext, namespace: str, account: str) -> str:
    domain = push.mesh_config.get("trustDomain") or push.cluster_domain
    return f"{SPIFFE}{domain}/ns/{namespace}/sa/{account}"


def _of_entry(push: PushContext, service: MeshService) -> Iterator[Endpoint]:
    """Of one ServiceEntry; a name without endpoints is its own."""
    spec = service.obj.get("spec") or {}
    selector = (spec.get("workloadSelector") or {}).get("labels")
    if selector is None and not spec.get("endpoints") and service.resolution.by_name:
        for port in service.ports:
            yield Endpoint(service.host, port.target_port, port_name=port.name, port_number=port.number)
    for endpoint in spec.get("endpoints") or ():
        labels, account = endpoint.get("labels") or {}, endpoint.get("serviceAccount") or ""
        mode = labels.get(TLS_MODE_LABEL) or ("istio" if account else "")
        identity = _identity(push, service.namespace, account) if account else ""
        for port in service.ports:
            number = (endpoint.get("ports") or {}).get(port.name) or port.target_port
            yield Endpoint(
                endpoint.get("address", ""),
                number,
                mode == "istio",
                labels=labels,
                port_name=port.name,
                port_number=port.number,
                account=identity,
            )
    if selector:
        for (namespace, address), pod in push.pods.items():
            if namespace == service.namespace and selector.items() <= (pod["metadata"].get("labels") or {}).items():
                for port in service.ports:
                    yield replace(_of_pod(push, pod, address, port.target_port, port.name), port_number=port.number)


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
