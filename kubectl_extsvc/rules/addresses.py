"""Family 02: addresses that cannot be endpoints, or are somebody else's, and Services that do not lead to theirs."""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kubectl_extsvc.mesh.hosts import is_address, service_fqdn, service_of_fqdn
from kubectl_extsvc.mesh.sources import mesh_mode
from kubectl_extsvc.model.alias import AliasPort, Form
from kubectl_extsvc.model.finding import Fact, Finding, Severity
from kubectl_extsvc.model.fix import JsonPatch, MergePatch, Step
from kubectl_extsvc.model.marks import private_host
from kubectl_extsvc.model.observation import Case, Observation, Stage
from kubectl_extsvc.model.resolution import Resolution
from kubectl_extsvc.model.resources import SERVICE_ENTRIES, Json, ObjectRef
from kubectl_extsvc.model.route import Route, RouteKind
from kubectl_extsvc.model.source import MeshMode
from kubectl_extsvc.rules.evidence import (
    addresses_of,
    behind_sidecar,
    create_anew,
    failures,
    metadata_ref,
    route_of,
    say,
    went_well,
)
from kubectl_extsvc.rules.export_to import is_exported
from kubectl_extsvc.rules.family import rule
from kubectl_extsvc.rules.service_objects import cluster_ips, find_service, own_service, service_at, service_ref
from kubectl_extsvc.rules.slices import (
    dead_and_alive,
    is_dead,
    own_slices,
    ready_addresses,
    ready_endpoints,
    slice_ref,
    version_of,
    write_addresses,
)
from kubectl_extsvc.rules.translation import FailureKind, failure_of

UNREACHED = (FailureKind.REFUSED, FailureKind.SILENT, FailureKind.CLOSED, FailureKind.NO_ENDPOINT)

DNS_CLUSTERS = ("STRICT_DNS", "LOGICAL_DNS")

NDOTS = 5
"""Of a pod (kubelet's resolv.conf); names with fewer dots are tried with the search list first."""


@rule(
    "XS0207",
    "A Service of the cluster takes the target's name in the proxy",
    Severity.ERROR,
    Stage.ENDPOINTS,
    needs={Fact.SERVICES, Fact.SERVICE_ENTRIES},
    uses={Fact.PROBES, Fact.PROXY, Fact.NAME_PATH, Fact.MESH_CONFIG},
)
def hijacked_target(case: Case) -> Iterable[Finding]:
    """The proxy resolves the target's name with the pod's search list, and finds a Service of the cluster.

    Why     Envoy asks for the hosts of a ServiceEntry with resolution DNS as any program in the pod does: a name with
            fewer than five dots is first tried with the search list. httpbin.org.svc.cluster.local is the Service
            httpbin in namespace org. The alias's CNAME is absolute, so that applications and pods without sidecar
            are led rightly.
    Seen    Behind a sidecar 503, or the answer of another server; from a plain pod all is well. A warning as long as
            calls go well and the proxy's endpoints are not known. istioctl analyze and Kiali compare no host with
            names of the search list.
    Cure    A final dot: endpoints: [{address: httpbin.org.}] in the ServiceEntry. The host itself may stay.
    Source  live on Istio 1.31 (a Service httpbin in namespace org); Envoys of 2020 could not resolve names with a
            final dot (istio #28103).
    """
    alias = case.alias
    if alias.form is not Form.EXTERNAL_NAME:
        return
    sidecars = list(behind_sidecar(case))
    reached = {o.source.key: o for o in case.observations if o.answer is not None and not _no_name(o)}
    if case.observations and not reached:
        return
    views: list[tuple[str, Observation | None]] = [(o.source.namespace, o) for o in sidecars]
    for namespace, observation in views if case.observations else [(alias.namespace, None)]:
        route = route_of(observation) if observation is not None else None
        for entry, place in _dns_names(case, namespace, route):
            taken_by = _found_first(namespace, observation, case)
            if taken_by is None:
                continue
            proven = _endpoints_are(taken_by, route)
            if proven is False:
                continue
            fails = observation is None or not went_well(observation, case)
            yield say(
                "XS0207",
                Severity.ERROR if proven or fails else Severity.WARNING,
                Stage.ENDPOINTS,
                metadata_ref(entry, SERVICE_ENTRIES.kind),
                f'sidecars take "{alias.host}" for {taken_by.service} in namespace {taken_by.service.namespace}, which '
                "their search list finds first",
                evidence=_ways(observation, route, case),
                cure=_final_dot(entry, place, alias.host),
                of=observation,
            )


@dataclass(frozen=True, slots=True)
class FoundFirst:
    """A Service that a search list finds before the outside host."""

    service: ObjectRef
    addresses: tuple[str, ...]


def _no_name(observation: Observation) -> bool:
    return observation.answer is not None and observation.answer.exit_code == 6


def _dns_names(case: Case, namespace: str, route: Route | None) -> Iterable[tuple[Json, int | None]]:
    """ServiceEntries by which a proxy resolves the alias's host, with the place in endpoints; None: by the host itself.

    Where the route is known its Envoy cluster says which host it is; else it is the target or our private host.
    """
    alias = case.alias
    hosts = {alias.host, private_host(alias.name, alias.namespace)}
    if route is not None:
        hosts = {route.envoy_cluster.rpartition("|")[2]}
    for entry in case.snapshot.service_entries:
        spec = entry.get("spec") or {}
        if not hosts & set(spec.get("hosts") or ()) or not is_exported(SERVICE_ENTRIES, entry, namespace, case):
            continue
        if not str(spec.get("resolution", "")).startswith("DNS"):
            continue
        endpoints = spec.get("endpoints") or ()
        if not endpoints and alias.host in spec["hosts"]:
            yield entry, None
        for place, endpoint in enumerate(endpoints):
            if str(endpoint.get("address", "")).lower() == alias.host:
                yield entry, place


def _found_first(namespace: str, observation: Observation | None, case: Case) -> FoundFirst | None:
    """The Service that a pod's search list makes of the target: as its resolver says, else by the objects."""
    host, domain = case.alias.host, case.snapshot.cluster_domain
    way = observation.target_resolution if observation is not None else None
    if isinstance(way, Resolution) and way.found:
        if way.found == host:
            return None
        # Istio's DNS capture answers such names too, with the target: what is no name of a Service proves nothing.
        key = service_of_fqdn(way.found, domain)
        if key is not None:
            return FoundFirst(ObjectRef("Service", *key), way.addresses)
    if host.count(".") >= NDOTS or is_address(host):
        return None
    for suffix in (f"{namespace}.svc.{domain}", f"svc.{domain}", domain):
        key = service_of_fqdn(f"{host}.{suffix}", domain)
        service = find_service(*key, case) if key is not None else None
        if service is not None:
            return FoundFirst(service_ref(service), cluster_ips(service))
    return None


def _endpoints_are(taken_by: FoundFirst, route: Route | None) -> bool | None:
    """Does the proxy have the Service's addresses as endpoints? None: that cannot be told."""
    if route is None or route.cluster_type not in DNS_CLUSTERS or not route.endpoints or not taken_by.addresses:
        return None
    return any(endpoint.address in taken_by.addresses for endpoint in route.endpoints)


def _ways(observation: Observation | None, route: Route | None, case: Case) -> list[str]:
    lines = []
    if route is not None and route.endpoints:
        lines.append(f"{route.envoy_cluster}: {', '.join(endpoint.address for endpoint in route.endpoints)}")
    if observation is not None and observation.answer is not None:
        failure = failure_of(observation, case)
        lines.append(f"{observation.source.key}: {failure.seen if failure is not None else observation.answer.status}")
    return lines


def _final_dot(entry: Json, place: int | None, host: str) -> str | Step:
    ref = metadata_ref(entry, SERVICE_ENTRIES.kind)
    if place is not None:
        return JsonPatch(ref, [{"op": "replace", "path": f"/spec/endpoints/{place}/address", "value": f"{host}."}])
    if len(entry["spec"]["hosts"]) > 1:
        return f'give {host} a ServiceEntry of its own, with endpoints: [{{"address": "{host}."}}]'
    return MergePatch(ref, {"spec": {"endpoints": [{"address": f"{host}."}]}})


@rule(
    "XS0208",
    "An address that cannot be an endpoint",
    Severity.ERROR,
    Stage.ENDPOINTS,
    uses={Fact.SERVICES, Fact.PROBES, Fact.PROXY, Fact.ENDPOINT_SLICES},
)
def impossible_address(case: Case) -> Iterable[Finding]:
    """An endpoint has an address to which nothing can be sent from where it stands.

    Why     The ClusterIP of a Service is no place but a rule of kube-proxy, which does not follow one rule by another.
            Loopback and link-local addresses mean another machine for each who dials them; multicast, 0.0.0.0/8 and
            240.0.0.0/4 (broadcast too) are nobody's. Kubernetes refuses unspecified, loopback and link-local addresses
            and takes all the others.
    Seen    From a plain pod 28 or 7. A sidecar dials a ClusterIP itself and is led on: it works there and nowhere
            else, a warning if only sidecars were asked. An address of 240.240.0.0/16 may be one that Istio gave to a
            ServiceEntry: it means something inside a proxy with DNS capture only. Where a plain pod is answered by
            such an address, nothing is said. istioctl analyze and Kiali have no message.
    Cure    Write the server's own address; for a Service, use its name: kubectl extsvc create NAME --external-name
            SERVICE.NAMESPACE.svc.cluster.local.
    Source  Kubernetes documentation, Services without selectors; ValidateNonSpecialIP in kubernetes
            pkg/apis/core/validation; live on Kubernetes 1.34 (dry run of each kind).
    """
    alias = case.alias
    addresses = addresses_of(alias)
    for address, why in impossible_addresses(case).items():
        works = why.service is not None and len(addresses) == 1 and _all_reached(case)
        if works and any(o.source.mode is not MeshMode.SIDECAR for o in case.observations):
            continue
        rest = [each for each in addresses if each not in impossible_addresses(case)]
        yield say(
            "XS0208",
            Severity.WARNING if works else Severity.ERROR,
            Stage.ENDPOINTS,
            alias.slices[0] if alias.slices else alias.service,
            f"{address} {why.words}",
            cure=_by_name(why.service, case) or write_addresses(case, rest),
        )


@dataclass(frozen=True, slots=True)
class Impossible:
    words: str
    """To follow the address."""
    service: Json | None = None
    """Whose ClusterIP it is."""


def impossible_addresses(case: Case) -> Mapping[str, Impossible]:
    """Addresses of the alias that cannot be endpoints, each with the reason."""
    own = {address: own_service(case) for address in case.alias.cluster_ips}
    alive = {address for port in case.alias.ports for address in dead_and_alive(case, port.number)[1]}
    found: dict[str, Impossible] = {}
    for address in addresses_of(case.alias):
        if address in own:
            found[address] = Impossible("is the alias's own ClusterIP: it leads back to itself", own[address])
        elif (service := service_at(address, case)) is not None:
            ref = service_ref(service)
            words = f"is the ClusterIP of {ref} in namespace {ref.namespace}, to which kube-proxy does not forward"
            found[address] = Impossible(words, service)
        elif address not in alive and (kind := _special(address)):
            found[address] = Impossible(kind)
    return found


def _special(address: str) -> str:
    """Why nobody can have this address; "" for an ordinary one."""
    if not version_of(address):
        return "is no IP address"
    ip = ipaddress.ip_address(address)
    if ip.is_unspecified:
        return "is the unspecified address"
    if ip.is_loopback:
        return "is a loopback address: it means the pod itself"
    if ip.is_link_local:
        return "is a link-local address: it means another machine on each node"
    if ip.is_multicast:
        return "is a multicast address: nobody accepts connections there"
    if address == "255.255.255.255":
        return "is the broadcast address: nobody accepts connections there"
    if address.startswith("240.240."):
        return "is of 240.240.0.0/16, out of which Istio gives ServiceEntries addresses that only its proxies know"
    if ip in _NOBODYS_NETWORK:
        return 'is of 0.0.0.0/8, "this network": nobody has it'
    if ip in _RESERVED:
        return "is of 240.0.0.0/4, which is reserved: nobody has it"
    return ""


_NOBODYS_NETWORK = ipaddress.ip_network("0.0.0.0/8")
_RESERVED = ipaddress.ip_network("240.0.0.0/4")


def _all_reached(case: Case) -> bool:
    """Was every source asked, and led to a server?"""
    return bool(case.observations) and all(
        o.answer is not None and not is_dead(o.answer) and (o.source.mode is not MeshMode.SIDECAR or went_well(o, case))
        for o in case.observations
    )


def _by_name(service: Json | None, case: Case) -> Step | None:
    """The alias as a name of the Service, if that has the ports under the same numbers."""
    alias = case.alias
    if service is None or service_ref(service) == alias.service:
        return None
    numbers = {port["port"] for port in (service.get("spec") or {}).get("ports") or ()}
    if any(port.number != port.target_port or port.number not in numbers for port in alias.ports):
        return None
    metadata = service["metadata"]
    fqdn = service_fqdn(metadata["name"], metadata["namespace"], case.snapshot.cluster_domain)
    return create_anew(alias, target=("--external-name", fqdn))


@rule(
    "XS0209",
    "Only pods on the endpoints' node are served",
    Severity.ERROR,
    Stage.ENDPOINTS,
    needs={Fact.SERVICES, Fact.ENDPOINT_SLICES},
    uses={Fact.PROBES, Fact.PROXY},
)
def local_traffic_policy(case: Case) -> Iterable[Finding]:
    """The Service has internalTrafficPolicy Local, and its endpoints are on no node, or on others.

    Why     With Local, kube-proxy and Istio use endpoints of the client's own node only. A hand-written endpoint has
            no nodeName, and so is on no node.
    Seen    503 UH behind a sidecar, dropped (28) from a plain pod, though all addresses answer by themselves. Endpoints
            with a nodeName serve the pods of that node: silent as long as calls go well. istioctl analyze and Kiali
            have no message.
    Cure    internalTrafficPolicy: Cluster.
    Source  Kubernetes documentation, Service Internal Traffic Policy; endpoint_builder.go in istio
            pilot/pkg/xds/endpoints (NodeLocal); live on Istio 1.31.
    """
    alias = case.alias
    service = own_service(case)
    spec = (service or {}).get("spec") or {}
    endpoints = [endpoint for item in own_slices(case) for endpoint in ready_endpoints(item)]
    if alias.form is not Form.ENDPOINTS or alias.headless or spec.get("internalTrafficPolicy") != "Local":
        return
    nodes = sorted({endpoint["nodeName"] for endpoint in endpoints if endpoint.get("nodeName")})
    failed = [failure.seen for _, failure in failures(case, *UNREACHED)]
    if not endpoints or (nodes and not failed):
        return
    where = f"on {', '.join(nodes)} only, of no use to other pods" if nodes else "on no node, of no use to any pod"
    yield say(
        "XS0209",
        Severity.ERROR,
        Stage.ENDPOINTS,
        alias.service,
        f"{alias.service} has internalTrafficPolicy Local, and its endpoints are {where}",
        evidence=dict.fromkeys(failed),
        cure=MergePatch(alias.service, {"spec": {"internalTrafficPolicy": "Cluster"}}),
    )


@rule(
    "XS0210",
    "The port is not translated",
    Severity.ERROR,
    Stage.ENDPOINTS,
    needs={Fact.SERVICES},
    uses={Fact.ENDPOINT_SLICES, Fact.PROBES, Fact.PROXY},
)
def port_not_translated(case: Case) -> Iterable[Finding]:
    """A headless or ExternalName Service says that a port leads to another, which nobody makes true.

    Why     Without a ClusterIP there is no rule of kube-proxy between: clients get the target's own address and dial
            the number that they know. targetPort, and the port of a slice, mean nothing then. A sidecar passes the
            number on as well (ORIGINAL_DST, passthrough); only a ServiceEntry's targetPort counts.
    Seen    Refused or silent from all pods, 503 behind a sidecar. Where the server answers at the Service's number too,
            nothing is said; where nobody was asked, a headless Service is a warning. Kiali's KIA0701 compares ports
            with those of pods that a selector picks; istioctl analyze has no message.
    Cure    Give the Service the number that the server listens at, or a ClusterIP.
    Source  Kubernetes documentation, headless Services; live on Istio 1.31 (headless, ExternalName).
    """
    alias = case.alias
    own = own_service(case)
    if alias.headless:
        meant = {port.name: _slice_numbers(port.name, case) for port in alias.ports}
    elif alias.form is Form.EXTERNAL_NAME:
        ports = ((own or {}).get("spec") or {}).get("ports") or ()
        meant = {
            port.get("name", ""): {port["targetPort"]} for port in ports if isinstance(port.get("targetPort"), int)
        }
    else:
        return
    for port in alias.ports:
        numbers = meant.get(port.name) or set()
        if not numbers or port.number in numbers or port.target_port != port.number:
            continue
        failed = [(o, failure) for o, failure in failures(case, *UNREACHED) if o.port.number == port.number]
        _, alive = dead_and_alive(case, port.number)
        asked = any(o.answer is not None for o in case.observations if o.port.number == port.number)
        if alive or (asked and not failed) or (not asked and not alias.headless):
            continue
        number = ", ".join(map(str, sorted(numbers)))
        kind = "headless" if alias.headless else "an ExternalName"
        yield say(
            "XS0210",
            Severity.ERROR if failed else Severity.WARNING,
            Stage.ENDPOINTS,
            alias.service,
            f"{alias.service} is {kind}: clients dial {port.number}, and nothing leads them to {number}",
            evidence=dict.fromkeys(failure.seen for _, failure in failed),
            cure=_right_port(port, sorted(numbers)[0], own, case),
            ports=(port.number,),
        )


def _slice_numbers(name: str, case: Case) -> set[int]:
    ports = [port for item in own_slices(case) if ready_addresses(item) for port in item.get("ports") or ()]
    return {port["port"] for port in ports if (port.get("name") or "") == name and port.get("port")}


def _right_port(port: AliasPort, number: int, own: Json | None, case: Case) -> str | Step:
    declared = ((own or {}).get("spec") or {}).get("ports") or ()
    place = next((i for i, each in enumerate(declared) if each["port"] == port.number), None)
    if place is None:
        return f"let the port be {number}, or give the Service a ClusterIP"
    change: Json = {"op": "replace", "path": f"/spec/ports/{place}/port", "value": number}
    return JsonPatch(case.alias.service, [change])


@rule(
    "XS0211",
    "Addresses of an IP family that is not served",
    Severity.ERROR,
    Stage.ENDPOINTS,
    needs={Fact.SERVICES},
    uses={Fact.ENDPOINT_SLICES, Fact.PROBES, Fact.PROXY, Fact.NAME_PATH},
)
def other_family(case: Case) -> Iterable[Finding]:
    """All addresses are IPv6 where only IPv4 is served, or the other way round.

    Why     kube-proxy joins a Service to slices of the Service's own families, and a Service gets the cluster's first
            family unless it asks for more. The proxy asks DNS for IPv4 only, unless Istio is dual-stack or its pod has
            no IPv4 address.
    Seen    Refused from a plain pod, 503 UH behind a sidecar. A slice of a family that the Service has, beside one that
            it has not, is well. istioctl analyze and Kiali have no message.
    Cure    Addresses of the family that is there, or a dual-stack Service (and pods, and Istio with ISTIO_DUAL_STACK).
    Source  Kubernetes documentation, IPv4/IPv6 dual-stack; SelectDNSLookupFamily in istio
            pilot/pkg/networking/util/util.go; istio #15488, #34507.
    """
    alias, served = case.alias, _served_families(case)
    slices = [item for item in own_slices(case) if ready_addresses(item)]
    families = {item.get("addressType", "IPv4") for item in slices}
    joined = alias.headless or not served or bool(families & served)
    if alias.form is Form.ENDPOINTS and families and not joined and not _all_reached(case):
        has = " and ".join(sorted(families))
        yield say(
            "XS0211",
            Severity.ERROR,
            Stage.ENDPOINTS,
            slice_ref(slices[0]),
            f"all addresses are {has}, and {alias.service} is {' and '.join(sorted(served))}: it has no endpoint",
            evidence=[f"{slice_ref(item)}: {', '.join(ready_addresses(item))}" for item in slices],
            cure="write an address of the Service's family: "
            f"{create_anew(alias, target=('--address', 'ADDRESS'), complete=False).command}",
        )
    for observation in case.observations:
        if (found := _out_of_reach(observation, case)) is not None:
            here, there = found
            yield say(
                "XS0211",
                Severity.ERROR,
                Stage.ENDPOINTS,
                alias.service,
                f"{alias.host or alias.service} has {there} addresses only, and pods have {here}",
                evidence=_no_endpoint_words(observation, case),
                cure=f"choose a target that has {here}, or make the cluster dual-stack",
                of=observation,
            )
            continue
        if observation.source.mode is not MeshMode.SIDECAR or not observation.contract.served:
            continue
        if (found := _not_looked_up(observation, case)) is not None:
            here, there = found
            yield say(
                "XS0211",
                Severity.ERROR,
                Stage.ENDPOINTS,
                alias.service,
                f"{alias.host or alias.service} has {there} addresses only, and the proxy looks up {here}",
                evidence=_no_endpoint_words(observation, case),
                cure=f"choose a target that has {here}, or make cluster and mesh dual-stack (ISTIO_DUAL_STACK)",
                of=observation,
            )


def _served_families(case: Case) -> set[str]:
    """Of the Service: IPv4, IPv6; empty if it does not say."""
    spec = (own_service(case) or {}).get("spec") or {}
    return set(spec.get("ipFamilies") or ()) or {f"IPv{version_of(address)}" for address in case.alias.cluster_ips}


def unserved_addresses(case: Case) -> set[str]:
    """Addresses of a family that the Service has not, beside some of one that it has: kube-proxy passes them over.

    A proxy is given them all the same. Of HTTP it tries another; a connection that it only passes on fails in turn, so
    that what such a route leads to counts (live on Istio 1.31: curl 35 in one call of three).
    """
    routes = [route for observation in behind_sidecar(case) if (route := route_of(observation)) is not None]
    passed_on = {e.address for route in routes if route.kind is RouteKind.TCP for e in route.endpoints}
    served = set() if case.alias.headless else _served_families(case)
    addresses = addresses_of(case.alias)
    odd = {address for address in addresses if served and f"IPv{version_of(address)}" not in served}
    return odd - passed_on if len(odd) < len(addresses) else set()


def _out_of_reach(observation: Observation, case: Case) -> tuple[str, str] | None:
    """The pod's family and the target's, where the name leads to addresses that the pod cannot dial, and it failed."""
    way, own = observation.resolution, {version_of(address) for address in observation.source.addresses}
    if not isinstance(way, Resolution) or not observation.contract.served or went_well(observation, case):
        return None
    there = {version_of(address) for address in way.addresses}
    if len(own) != 1 or len(there) != 1 or own == there or observation.answer is None:
        return None
    return f"IPv{own.pop()}", f"IPv{there.pop()}"


def _not_looked_up(observation: Observation, case: Case) -> tuple[str, str] | None:
    """The family that the proxy asks DNS for and the target's, where the proxy found no address and the pod did."""
    route, way = route_of(observation), observation.resolution
    if route is None or route.cluster_type not in DNS_CLUSTERS or route.endpoints or not isinstance(way, Resolution):
        return None
    there = {version_of(address) for address in way.addresses}
    of_pod = {version_of(address) for address in observation.source.addresses}
    here = 6 if of_pod == {6} else 4
    if there != {10 - here} or went_well(observation, case):
        return None
    return f"IPv{here}", f"IPv{10 - here}"


def _no_endpoint_words(observation: Observation, case: Case) -> list[str]:
    failure, way, route = failure_of(observation, case), observation.resolution, route_of(observation)
    lines = [failure.seen] if failure is not None else []
    if isinstance(way, Resolution):
        lines.append(f"the pod finds {', '.join(way.addresses)}")
    return [*lines, f"{route.envoy_cluster}: no endpoint"] if route is not None else lines


@rule(
    "XS0212",
    "An address is a pod of the mesh",
    Severity.ERROR,
    Stage.TLS,
    needs={Fact.PODS},
    uses={Fact.PROBES, Fact.PROXY, Fact.DESTINATION_RULES, Fact.SERVICES, Fact.ENDPOINT_SLICES},
)
def address_is_mesh_pod(case: Case) -> Iterable[Finding]:
    """A hand-written endpoint has the address of a pod with a sidecar, or of an ambient one.

    Why     In the pod's own namespace Istio may take the endpoint for the pod and speak mutual TLS to it; whether it
            does depends on what istiod saw first, the slice or the pod. From a Service of another namespace it
            never does. A server under STRICT refuses what is not mutual TLS, and a rule with DISABLE turns that off.
    Seen    200 or 503 UC behind a sidecar, 56 from a plain pod where the server is STRICT. A warning as long as calls
            go well: the pod's next address will be another, and istiod's next start may choose the other way.
            istioctl analyze (IST0103 is of pods that lack a sidecar) and Kiali have no message.
    Cure    Use a Service with a selector, or an ExternalName alias of the one that the pod has.
    Source  getPod in istio pilot/pkg/serviceregistry/kube/controller/endpointslice.go; live on Istio 1.31.
    """
    alias = case.alias
    by_address = {address: pod for pod in case.snapshot.pods for address in _addresses_of_pod(pod)}
    for address in addresses_of(alias):
        pod = by_address.get(address)
        if pod is None or mesh_mode(pod) is MeshMode.PLAIN or address in impossible_addresses(case):
            continue
        name, namespace = pod["metadata"]["name"], pod["metadata"].get("namespace", "")
        message = f"{address} is pod/{name} of the mesh, in namespace {namespace}: " + (
            "the proxy may speak mutual TLS to it or not, as istiod saw the slice or the pod first"
            if namespace == alias.namespace
            else f"{alias.service} is in {alias.namespace}, so that proxies speak plaintext to it"
        )
        failed = [
            (observation, failure.seen)
            for observation, failure in failures(
                case, FailureKind.PROXY_ERROR, FailureKind.NO_RESPONSE, FailureKind.CLOSED, FailureKind.PROXY_TLS
            )
        ]
        yield say(
            "XS0212",
            Severity.ERROR if failed else Severity.WARNING,
            Stage.TLS,
            slice_ref(item) if (item := _slice_with(address, case)) else alias.service,
            message,
            evidence=[*dict.fromkeys(seen for _, seen in failed), *_disabled_by(case)],
            cure=_by_name_of_pod(pod, case),
        )


def _addresses_of_pod(pod: Json) -> set[str]:
    status = pod.get("status") or {}
    return {*(each["ip"] for each in status.get("podIPs") or ()), *filter(None, [status.get("podIP")])}


def _slice_with(address: str, case: Case) -> Json | None:
    return next((item for item in own_slices(case) if address in ready_addresses(item)), None)


def _disabled_by(case: Case) -> list[str]:
    decisions = [o.decision for o in behind_sidecar(case) if o.decision is not None and o.decision.mode == "DISABLE"]
    return list(dict.fromkeys(f"{d.rule}: DISABLE" for d in decisions))


def _by_name_of_pod(pod: Json, case: Case) -> str | Step:
    labels = (pod["metadata"].get("labels") or {}).items()
    namespace = pod["metadata"].get("namespace", "")
    for service in case.snapshot.services:
        selector = (service.get("spec") or {}).get("selector") or {}
        if service["metadata"].get("namespace", "") == namespace and selector and selector.items() <= labels:
            by_name = _by_name(service, case)
            if by_name is not None:
                return by_name
    fqdn = service_fqdn("SERVICE", namespace, case.snapshot.cluster_domain)
    return create_anew(case.alias, target=("--external-name", fqdn), complete=False)
