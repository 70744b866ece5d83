"""Family 06: what keeps a source's traffic from the network, or from its own proxy."""

import ipaddress
from collections.abc import Iterable

from kubectl_extsvc.mesh.capture import captures_dns, passes_by
from kubectl_extsvc.mesh.network_policies import Destination, Egress, egress_to
from kubectl_extsvc.mesh.ports import entry_protocol
from kubectl_extsvc.mesh.registry import service_named
from kubectl_extsvc.mesh.sources import addresses_of
from kubectl_extsvc.model.alias import AddressTarget, Form
from kubectl_extsvc.model.finding import Fact, Finding, Severity
from kubectl_extsvc.model.fix import JsonPatch, Label, Step
from kubectl_extsvc.model.observation import Case, Observation, Stage
from kubectl_extsvc.model.probe import Scheme
from kubectl_extsvc.model.resources import SERVICE_ENTRIES, Json, ObjectRef
from kubectl_extsvc.rules.evidence import behind_sidecar, get_command, metadata_ref, origin, route_of, say
from kubectl_extsvc.rules.family import rule
from kubectl_extsvc.rules.missed import OF_OWN_HOST, missed, own_host
from kubectl_extsvc.rules.path import is_blocked
from kubectl_extsvc.rules.translation import FailureKind, failure_of

NO_CONNECTION = (FailureKind.SILENT, FailureKind.REFUSED, FailureKind.CLOSED)
AUTO_ADDRESS_LABEL = "networking.istio.io/enable-autoallocate-ip"
DNS_PORT = 53
DNS_NAMESPACE, DNS_LABELS = "kube-system", {"k8s-app": "kube-dns"}
"""Where the cluster's name server runs by convention (kubeadm, and the managed clusters)."""


@rule(
    "XS0606",
    "A NetworkPolicy keeps the source from the target",
    Severity.ERROR,
    Stage.ENDPOINTS,
    needs={Fact.NETWORK_POLICIES, Fact.PROBES},
    uses={Fact.PODS, Fact.RESOLUTION, Fact.PROXY},
)
def denied_by_network_policy(case: Case) -> Iterable[Finding]:
    """The policies that select the source's pod let nothing out to the addresses and port of the target.

    Why     A pod that an egress policy selects may send only where one of its policies allows it. The sidecar is in
            the same pod, so that the policy sees what the proxy sends: the target's address and target port,
            not the alias's ClusterIP. A policy that forgets port 53 takes the names away.
    Seen    Connections time out, or the name server is silent, from this source. Said only where a call fails and
            the policies surely deny it: a cluster whose network ignores policies never shows this.
    Cure    Allow the egress.
    Source  Kubernetes API reference, NetworkPolicySpec.
    """
    for observation in case.observations:
        failure = failure_of(observation, case)
        if failure is None:
            continue
        if failure.kind in NO_CONNECTION:
            destinations = _destinations(observation, case)
            verdicts = [_egress(destination, observation, case) for destination in destinations]
            what = ", ".join(dict.fromkeys(f"{_bracketed(d.address)}:{d.port}" for d in destinations))
        elif failure.kind is FailureKind.NAME_UNKNOWN and _no_name_server(observation, case):
            destinations = [
                Destination("", DNS_PORT, transport, DNS_NAMESPACE, DNS_LABELS) for transport in ("UDP", "TCP")
            ]
            verdicts = [_egress(destination, observation, case) for destination in destinations]
            what = f"the cluster's name server (port {DNS_PORT})"
        else:
            continue
        if not verdicts or any(verdict.allowed is not False for verdict in verdicts):
            continue
        policies = verdicts[0].policies
        yield say(
            "XS0606",
            Severity.ERROR,
            Stage.NAME if failure.kind is FailureKind.NAME_UNKNOWN else Stage.ENDPOINTS,
            policies[0],
            f"{', '.join(map(str, policies))} (namespace {policies[0].namespace}) lets pod/{observation.source.pod} "
            f"send nothing to {what}",
            evidence=[failure.seen],
            cure=_allow(policies[0], destinations, case),
            of=observation,
        )


@rule(
    "XS0607",
    "DNS capture leads the alias past the ServiceEntry of its target",
    Severity.ERROR,
    Stage.ROUTE,
    needs={Fact.SERVICE_ENTRIES},
    uses=OF_OWN_HOST | {Fact.DESTINATION_RULES, Fact.PROBES, Fact.PROXY},
)
def automatic_address_missed(case: Case) -> Iterable[Finding]:
    """The sidecar knows the target by an address that istiod made up, and clients of the alias dial the real one.

    Why     With DNS capture a ServiceEntry without addresses gets an automatic one (240.240.0.0/16), and listeners of
            TLS and TCP ports are bound to it. The proxy's DNS gives it for the target's own name only: the alias
            leads by CNAME to the real address, which no listener has. HTTP is told apart by Host and is not
            touched.
    Seen    TLS or TCP by the alias goes to PassthroughCluster, though the ServiceEntry has the port. An error where
            the call is refused or fails, or where a rule would add TLS; silent where passing through does the same.
    Cure    Label the ServiceEntry so that it gets no automatic address; or call the target by its own name.
    Source  istio pilot/pkg/model/service.go GetAddressForProxy; live on Istio 1.31; istiod's own code
            (auto-vip-and-alias).
    """
    alias, snapshot = case.alias, case.snapshot
    if alias.form is not Form.EXTERNAL_NAME or not snapshot.mesh.alias_mode:
        return
    for observation in behind_sidecar(case):
        source, route, failure = observation.source, route_of(observation), failure_of(observation, case)
        refused = is_blocked(route, failure, observation, case)
        if observation.contract.scheme is Scheme.HTTP or not (route is None or route.passthrough or refused):
            continue
        if not captures_dns(source, snapshot.mesh_config):
            continue
        target = own_host(observation, case)
        entry = _entry_with_automatic_address(target.host, observation.port.number, case) if target else None
        if target is None or entry is None:
            continue
        lost = missed(target.host, target.namespace, observation, case)
        if not refused and failure is None and (lost is None or lost.rule is None):
            continue
        ref = metadata_ref(entry, SERVICE_ENTRIES.kind)
        effect = f"{lost} does not count" if lost is not None and not refused else "the call never comes to it"
        yield say(
            "XS0607",
            Severity.ERROR,
            Stage.ROUTE,
            ref,
            f"sidecars that capture DNS know {ref} by an automatic address, and the alias leads to the real one: "
            f"{effect}",
            evidence=[
                failure.seen if failure else "",
                f"{origin(route)}: {route.envoy_cluster} on {route.listener}" if route else "",
            ],
            cure=Label(ref, AUTO_ADDRESS_LABEL, "false"),
            of=observation,
        )


@rule(
    "XS0608",
    "The source's calls do not go through its sidecar",
    Severity.ERROR,
    Stage.ROUTE,
    either={Fact.PROBES, Fact.DESTINATION_RULES},
    uses=OF_OWN_HOST | {Fact.RESOLUTION},
)
def not_captured(case: Case) -> Iterable[Finding]:
    """The pod has a sidecar, and calls of the alias are exempt from it: no rule of the mesh counts.

    Why     Annotations traffic.sidecar.istio.io/exclude… and include… on the pod say what is captured; what user
            or group 1337 sends never is, for it is the proxy's own.
    Seen    The pod's annotations and securityContext. An error where the alias relies on the sidecar for its TLS:
            the request leaves in clear. A warning where a VirtualService is passed by, or the container runs as
            1337, where nobody means it (IST0144). Silent where a port was exempted and no rule is missed.
    Cure    Remove the annotation; run the application as another user.
    Source  istio tools/istio-iptables/pkg/capture/run.go; live on Istio 1.31 (user 1337).
    """
    for observation in behind_sidecar(case):
        source, port = observation.source, observation.port.number
        why = passes_by(source, _dialled(observation, case), port)
        if not why:
            continue
        target = own_host(observation, case)
        lost = missed(target.host, target.namespace, observation, case) if target is not None else None
        in_clear = observation.contract.originates or (lost is not None and lost.rule is not None)
        if lost is None and not in_clear and not source.as_proxy_user:
            continue
        what = f"{lost} does not count" if lost is not None else "no rule of the mesh counts"
        yield say(
            "XS0608",
            Severity.ERROR if in_clear else Severity.WARNING,
            Stage.ROUTE,
            ObjectRef("Pod", source.namespace, source.pod),
            f"calls of pod/{source.pod} to port {port} pass its sidecar by: {what}"
            + (f", and requests to {case.alias.target} leave in clear" if in_clear else ""),
            evidence=[why],
            cure=_capture(why, source.namespace, source.pod),
            of=observation,
        )


def _capture(why: str, namespace: str, pod: str) -> str:
    """Annotations of a running pod are read at its start: they belong to the template of its workload."""
    show = f"kubectl get pod {pod} -n {namespace} -o yaml"
    if why.startswith("annotation "):
        name = why.removeprefix("annotation ").partition(":")[0]
        return f"take {name} off the pod template of the workload, and restart it: {show}"
    return f"run the container as another user than 1337 (securityContext.runAsUser, runAsGroup): {show}"


def _dialled(observation: Observation, case: Case) -> str:
    """The address to which the application connects, "" if it is not known."""
    alias, answer = case.alias, observation.answer
    if answer is not None and answer.remote_ip:
        return answer.remote_ip
    known = alias.cluster_ips or (alias.target.addresses if isinstance(alias.target, AddressTarget) else ())
    return next(iter(known or case.snapshot.resolved.get(alias.host, ())), "")


def _destinations(observation: Observation, case: Case) -> list[Destination]:
    """Where the packets of the call end, behind the ClusterIP; () if that is not known."""
    alias, port, route = case.alias, observation.port, route_of(observation)
    if route is not None and route.endpoints and not route.passthrough:
        return [_destination(endpoint.address, endpoint.port, case) for endpoint in route.endpoints]
    if isinstance(alias.target, AddressTarget):
        return [_destination(address, port.target_port, case) for address in alias.target.addresses]
    answer = observation.answer
    addresses = case.snapshot.resolved.get(alias.host, ())
    if answer is not None and answer.remote_ip:
        addresses = (answer.remote_ip,)
    return [_destination(address, port.number, case) for address in addresses]


def _destination(address: str, port: int, case: Case) -> Destination:
    for pod in case.snapshot.pods:
        if address in addresses_of(pod):
            metadata = pod["metadata"]
            containers = (pod.get("spec") or {}).get("containers") or ()
            named = [p for c in containers for p in c.get("ports") or () if p.get("containerPort") == port]
            name = str(named[0].get("name") or "") if named else ""
            labels = metadata.get("labels") or {}
            return Destination(address, port, "TCP", metadata.get("namespace", ""), labels, name)
    return Destination(address, port)


def _egress(destination: Destination, observation: Observation, case: Case) -> Egress:
    source = observation.source
    return egress_to(destination, case.snapshot.network_policies, source.namespace, dict(source.labels))


def _no_name_server(observation: Observation, case: Case) -> bool:
    """Whether the name was not answered, rather than answered with no: a Service with a ClusterIP has a name."""
    answer = observation.answer
    if case.alias.form is Form.ENDPOINTS and not case.fresh:
        return True
    return answer is not None and (answer.exit_code == 28 or "timed out" in answer.error.lower())


def _allow(policy: ObjectRef, destinations: list[Destination], case: Case) -> str | Step:
    """One more egress rule for exactly these destinations."""
    found = next(
        (
            p
            for p in case.snapshot.network_policies
            if (p["metadata"].get("namespace"), p["metadata"]["name"]) == (policy.namespace, policy.name)
        ),
        None,
    )
    ports = [{"protocol": transport, "port": port} for transport, port in
             dict.fromkeys((d.transport, d.port) for d in destinations)]  # fmt: skip
    if destinations[0].address:
        to: list[Json] = [{"ipBlock": {"cidr": _single(d.address)}} for d in destinations]
    else:
        namespace = {"matchLabels": {"kubernetes.io/metadata.name": DNS_NAMESPACE}}
        to = [{"namespaceSelector": namespace}]
    more = {"to": list({str(peer): peer for peer in to}.values()), "ports": ports}
    if found is None:
        return get_command(policy)
    has_rules = bool((found.get("spec") or {}).get("egress"))
    path, value = ("/spec/egress/-", more) if has_rules else ("/spec/egress", [more])
    return JsonPatch(policy, [{"op": "add", "path": path, "value": value}])


def _single(address: str) -> str:
    """The network of one address."""
    return f"{address}/{ipaddress.ip_address(address).max_prefixlen}"


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _entry_with_automatic_address(host: str, port: int, case: Case) -> Json | None:
    """A ServiceEntry with a TLS or TCP port there, which istiod gives an address of its own making.

    Istio pilot/pkg/networking/serviceentry (ShouldV2AutoAllocateIP): none of its own, resolution other than NONE, no
    wildcard, and the label does not forbid it.
    """
    if service_named(host, case.snapshot) is not None:
        return None
    for entry in case.snapshot.service_entries:
        spec, labels = entry.get("spec") or {}, entry["metadata"].get("labels") or {}
        if host not in (spec.get("hosts") or ()) or spec.get("addresses"):
            continue
        if spec.get("resolution", "NONE") == "NONE" or labels.get(AUTO_ADDRESS_LABEL) == "false":
            continue
        protocols = [entry_protocol(p.get("protocol", "")) for p in spec.get("ports") or () if p.get("number") == port]
        if any(not protocol.is_http for protocol in protocols):
            return entry
    return None
