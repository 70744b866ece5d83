"""Family 06: what the mesh lets out, and where to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kubectl_extsvc.mesh.destination_rules import virtual_service_of
from kubectl_extsvc.mesh.hosts import covers
from kubectl_extsvc.mesh.istiod.sidecar_scope import REGISTRY_ONLY, EgressListener, SidecarScope, listeners_at, scope_of
from kubectl_extsvc.mesh.registry import alias_target, service_named
from kubectl_extsvc.model.alias import AddressTarget, AliasPort, AppProtocol, Form
from kubectl_extsvc.model.finding import Fact, Finding, Severity
from kubectl_extsvc.model.fix import Delete, JsonPatch, Step
from kubectl_extsvc.model.marks import SERVICE_NAME_LABEL, private_host
from kubectl_extsvc.model.observation import Case, Observation, Stage
from kubectl_extsvc.model.probe import Scheme
from kubectl_extsvc.model.resources import SERVICE_ENTRIES, SIDECARS, VIRTUAL_SERVICES, Json, ObjectRef
from kubectl_extsvc.model.route import Route
from kubectl_extsvc.rules.evidence import (
    behind_sidecar,
    create_anew,
    failures,
    get_command,
    metadata_ref,
    origin,
    route_of,
    rules_on,
    say,
    tls_block,
    went_well,
)
from kubectl_extsvc.rules.export_to import Hidden, hidden_service
from kubectl_extsvc.rules.family import rule
from kubectl_extsvc.rules.missed import OF_OWN_HOST, Missed, missed, own_host
from kubectl_extsvc.rules.registering import detachment
from kubectl_extsvc.rules.translation import Failure, FailureKind, failure_of

HTTP_PORTS = (80, 8080)
"""Ports at which others call the same address by HTTP, and are routed by Host where no TCP listener takes them."""

BY_ITSELF = {"FI": ": it injects a fault", "DI": ": it injects a delay", "NR": ": no route of it fits the request"}
"""Envoy's response flags → what they mean."""


@rule(
    "XS0601",
    "The mesh lets nothing out to the alias",
    Severity.ERROR,
    Stage.ROUTE,
    either={Fact.PROXY, Fact.PROBES},
    uses=OF_OWN_HOST | {Fact.SIDECARS},
    symptom=True,
)
def blocked(case: Case) -> Iterable[Finding]:
    """REGISTRY_ONLY: the sidecar refuses what is not in the mesh's registry.

    Why     outboundTrafficPolicy REGISTRY_ONLY (of the mesh, or of a Sidecar resource) and no ServiceEntry for
            the target that this source may see. An ExternalName Service by itself does not count as registered
            since Istio 1.21. The ServiceEntry's host must equal externalName exactly: a final dot or a wildcard
            entry does not attach the alias; it must declare the port, and be exported to the source's namespace.
            Where a Sidecar resource leaves the alias out, XS0603 says so instead.
    Seen    502 with an empty body (virtual host block_all) if the port is known as HTTP in the mesh; else
            BlackHoleCluster, where the connection is accepted and closed: curl 52 or 56 by chance, 35 for TLS.
            Plain pods are served.
    Cure    Put the target into the registry; kubectl extsvc create writes a ServiceEntry on a private host.
    Source  istio pilot/pkg/networking/core/httproute.go; sidecar.go; live on Istio 1.31
            (registry-only-block-all, registry-only-raw-tcp, externalname-trailing-dot,
            externalname-wildcard-serviceentry).
    """
    alias = case.alias
    fqdn = alias.fqdn(case.snapshot.cluster_domain)
    for observation in behind_sidecar(case):
        route, failure = route_of(observation), failure_of(observation, case)
        if not is_blocked(route, failure, observation, case):
            continue
        probably = "probably " if failure is not None and failure.guess else ""
        cure: str | Step
        near = detachment(observation, case)
        if alias.form is Form.ENDPOINTS:
            message = f"the proxy {probably}does not know {fqdn}: a Sidecar resource or exportTo hides it"
            cure = (
                f'add "{alias.namespace}/{fqdn}" to egress.hosts of the Sidecar resource that applies in namespace '
                f"{observation.source.namespace}: kubectl get sidecars -n {observation.source.namespace}"
            )
        elif near is not None:
            message = f"{near.why}: the proxy {probably}blocks it"
            cure = near.cure
        else:
            message = f"the proxy {probably}blocks {alias.host}: REGISTRY_ONLY, and no ServiceEntry attaches the alias"
            cure = create_anew(alias)
        yield say(
            "XS0601",
            Severity.ERROR,
            Stage.ROUTE,
            alias.service,
            message,
            evidence=[failure.seen if failure else "", _where(route), _policy_words(observation, case)],
            cure=cure,
            of=observation,
        )


@rule(
    "XS0602",
    "The proxy answers by itself",
    Severity.ERROR,
    Stage.ROUTE,
    needs={Fact.PROBES},
    uses={Fact.PROXY, Fact.VIRTUAL_SERVICES},
    symptom=True,
)
def envoy_answers(case: Case) -> Iterable[Finding]:
    """A VirtualService makes the sidecar answer in the origin's place.

    Why     fault.abort or directResponse in a VirtualService on the alias; or none of its routes matches the
            request.
    Seen    404 with the flag NR, any status with FI, no x-envoy-upstream-service-time in the answer.
    Cure    Correct or delete the VirtualService.
    Source  live on Istio 1.31 (fault abort 503 FI, no matching route 404 NR).
    """
    for observation, failure in failures(case, FailureKind.ENVOY_ANSWERS):
        route = route_of(observation)
        ref = route.virtual_service if route is not None else None
        cure: str | Step = Delete(ref) if ref else get_command(None, "virtualservices")
        if ref is None and failure.flag == "NR" and (found := _on_the_alias(observation, case)) is not None:
            # The route that is not there can name nobody.
            ref = metadata_ref(found, VIRTUAL_SERVICES.kind)
            cure = f"give it a route without match, or one for this request: {get_command(ref)}"
        yield say(
            "XS0602",
            Severity.ERROR,
            Stage.ROUTE,
            ref or case.alias.service,
            f"{ref or 'a VirtualService'} makes the proxy answer by itself{BY_ITSELF.get(failure.flag, '')}",
            evidence=[failure.seen],
            cure=cure,
            of=observation,
        )


def _on_the_alias(observation: Observation, case: Case) -> Json | None:
    """The VirtualService that holds for the alias's name at a source."""
    name = case.alias.fqdn(case.snapshot.cluster_domain)
    return virtual_service_of(name, case.snapshot, observation.source.namespace)


@rule(
    "XS0603",
    "A Sidecar resource leaves the alias out",
    Severity.ERROR,
    Stage.ROUTE,
    needs={Fact.SIDECARS},
    either={Fact.PROXY, Fact.PROBES},
    uses=OF_OWN_HOST | {Fact.DESTINATION_RULES},
)
def trimmed_by_sidecar(case: Case) -> Iterable[Finding]:
    """The egress hosts of the Sidecar resource that holds for the source do not name the alias.

    Why     A Sidecar resource says which hosts a proxy knows at all. An ExternalName alias needs both names, its
            own and the target's, under one namespace: that of the target's ServiceEntry, wherever the alias
            lives. What is left out passes through unruled (ALLOW_ANY) or is refused (REGISTRY_ONLY).
    Seen    Under REGISTRY_ONLY as in XS0601. Under ALLOW_ANY an error where a rule would add TLS and the request
            leaves in clear, a warning where a VirtualService is passed by; silent where passing through does the
            same. Kiali (KIA1004) looks the other way round: for egress hosts that no Service bears.
    Cure    Add the hosts to egress.hosts.
    Source  istio pilot/pkg/model/sidecar.go matchingAliasService; live on Istio 1.31 (sidecar-scope) and istiod's
            own code (sidecar-imports-target-only, sidecar-target-in-another-namespace).
    """
    for observation in behind_sidecar(case):
        route, failure = route_of(observation), failure_of(observation, case)
        trim = _trimmed(observation, case)
        if trim is None:
            continue
        harm = _harm(trim.host, trim.namespace, observation, case)
        if harm is None:
            continue
        severity, what = harm
        yield say(
            "XS0603",
            severity,
            Stage.ROUTE,
            trim.sidecar,
            f"{trim.sidecar} (namespace {trim.sidecar.namespace}) leaves out {trim.left_out}: {what}",
            evidence=[failure.seen if failure else "", _where(route), f"egress.hosts lacks {', '.join(trim.lines)}"],
            cure=trim.cure,
            of=observation,
        )


@rule(
    "XS0604",
    "Another host takes the call",
    Severity.ERROR,
    Stage.ROUTE,
    needs={Fact.PROXY},
    uses=OF_OWN_HOST | {Fact.DESTINATION_RULES, Fact.PROBES, Fact.RESOLUTION},
)  # fmt: skip
def captured_by_another(case: Case) -> Iterable[Finding]:
    """The sidecar sends the alias's calls to the Envoy cluster of another host.

    Why     TCP is told apart by address and port alone. A ServiceEntry with a TCP port and no addresses takes the
            port for all destinations. A headless Service with a TCP or unnamed port takes its endpoints'
            addresses, whoever is called there.
    Seen    The Envoy cluster of the route is another host's. An error where calls reach servers that are not the
            alias's, where the other's TLS spoils them, or where the alias's own rule would add TLS; else silent.
            IST0134 warns of such ServiceEntries in files; on a live cluster the automatic address silences it.
    Cure    Give the ServiceEntry addresses or another port; give the headless Service a ClusterIP.
    Source  istio #29992, #11741, #20703, #48239, #48739; live on Istio 1.31 (se-tcp-without-address, headless-tcp).
    """
    for observation in behind_sidecar(case):
        route, failure = route_of(observation), failure_of(observation, case)
        if route is None or route.virtual_service is not None or route.cluster_missing:
            continue
        host = _host_of(route)
        if not host or host in _own_hosts(observation, case) or covers(host, case.alias.host):
            continue
        target = own_host(observation, case)
        lost = missed(target.host, target.namespace, observation, case) if target is not None else None
        wrong_server = route.cluster_type != "ORIGINAL_DST" and not _same_server(route, observation, case)
        spoilt = failure is not None and route.tls.mode.encrypts
        if not wrong_server and not spoilt and (lost is None or lost.rule is None):
            continue
        captor = _captor(host, case)
        who = f"{captor} (namespace {captor.namespace}, {host})" if captor is not None else host
        what = "its rules count, not the alias's"
        if wrong_server:
            what = "calls reach its servers, not those of the alias"
        yield say(
            "XS0604",
            Severity.ERROR,
            Stage.ROUTE,
            captor or case.alias.service,
            f"{who} takes what is sent to port {observation.port.number}: {what}",
            evidence=[failure.seen if failure else "", _where(route)],
            cure=_release(captor, host, case),
            of=observation,
        )


@rule(
    "XS0605",
    "The alias takes calls that are not its own",
    Severity.WARNING,
    Stage.ROUTE,
    needs={Fact.ENDPOINT_SLICES},
    uses={Fact.SERVICES, Fact.SERVICE_ENTRIES, Fact.DESTINATION_RULES},
)
def captures_others(case: Case) -> Iterable[Finding]:
    """Sidecars take other destinations for this alias.

    Why     A headless Service with a TCP or unnamed port makes a listener of each endpoint address: whoever in
            the mesh calls that address and port, by whatever name, is taken for a client of the alias. A TCP
            port of the target's ServiceEntry without addresses takes the port for all destinations; so did an
            ExternalName Service with a TCP port before Istio 1.21.
    Seen    A warning where it can harm: the alias adds TLS, something else that is called at the same address
            is known (a Service with a ClusterIP is not), or the port
            is one of HTTP (80, 8080), where others are routed by Host. Silent otherwise.
    Cure    Give the Service a ClusterIP; give the ServiceEntry addresses.
    Source  istio #48239, #29992, #20703; live on Istio 1.31 (headless-tcp, se-tcp-without-address).
    """
    alias, snapshot = case.alias, case.snapshot
    if not snapshot.mesh.installed:
        return
    for port in alias.ports:
        if port.protocol.is_http or port.protocol is AppProtocol.UDP:
            continue
        if alias.headless and isinstance(alias.target, AddressTarget):
            harm = _harm_of_headless(alias.target.addresses, port, case)
            if harm:
                anew = create_anew(alias).command
                yield say("XS0605", Severity.WARNING, Stage.ROUTE, alias.service,
                          f"being headless, the alias takes all calls of sidecars to its addresses at port "
                          f"{port.number}: {harm}",
                          cure=f"{Delete(alias.service).command} && {anew}", ports=(port.number,))  # fmt: skip
        if alias.form is not Form.EXTERNAL_NAME or port.protocol.is_tls:
            continue
        if not snapshot.mesh.alias_mode and port.protocol is not AppProtocol.AUTO:
            yield say("XS0605", Severity.WARNING, Stage.ROUTE, alias.service,
                      f"before Istio 1.21 an ExternalName Service with TCP port {port.number} takes that port for all "
                      "destinations", cure=create_anew(alias), ports=(port.number,))  # fmt: skip
        for entry in _tcp_entries(alias.external_name_raw, port.number, case) if snapshot.mesh.alias_mode else ():
            ref = metadata_ref(entry, SERVICE_ENTRIES.kind)
            yield say("XS0605", Severity.WARNING, Stage.ROUTE, ref,
                      f"{ref} has TCP port {port.number} for {alias.host} and no addresses: sidecars take every "
                      f"destination at port {port.number} for it",
                      cure=f"give {ref} spec.addresses, or write the alias with addresses: kubectl extsvc create "
                           f"{alias.name} -n {alias.namespace} --host {alias.host} --lookup --port {port} --overwrite",
                      ports=(port.number,))  # fmt: skip


@rule(
    "XS0609",
    "The Service is hidden from the source's namespace",
    Severity.ERROR,
    Stage.ROUTE,
    needs={Fact.SERVICES},
    either={Fact.PROXY, Fact.PROBES},
    uses=OF_OWN_HOST | {Fact.DESTINATION_RULES},
)
def service_hidden(case: Case) -> Iterable[Finding]:
    """An annotation on the Service keeps it from proxies of the source's namespace, and its rules with it.

    Why     networking.istio.io/exportTo on a Service says to which namespaces istiod tells of it; where it says
            nothing, meshConfig.defaultServiceExportTo does. To others the ClusterIP is a stranger's address: calls
            pass through, and no DestinationRule is asked; under REGISTRY_ONLY they are refused.
    Seen    An error where calls are refused, or a rule would add TLS and they leave in clear; a warning where a
            VirtualService is passed by; silent where passing through does the same.
    Cure    Remove the annotation, or name the source's namespace in it; with such a default, "*".
    Source  istio pilot/pkg/serviceregistry/kube/conversion.go ConvertService; live on Istio 1.31.
    """
    alias = case.alias
    for observation in behind_sidecar(case):
        hidden = _hidden(observation, case)
        if hidden is None:
            continue
        route, failure = route_of(observation), failure_of(observation, case)
        harm = _harm(alias.fqdn(case.snapshot.cluster_domain), alias.namespace, observation, case)
        if harm is None:
            continue
        severity, what = harm
        yield say(
            "XS0609",
            severity,
            Stage.ROUTE,
            alias.service,
            f"{alias.service} is not known to proxies of namespace {observation.source.namespace}: {what}",
            evidence=[failure.seen if failure else "", _where(route), hidden.by],
            cure=hidden.cure,
            of=observation,
        )


def _harm(host: str, namespace: str, observation: Observation, case: Case) -> tuple[Severity, str] | None:
    """What it does to a call that the proxy does not know the host, in words; None if nothing."""
    route = route_of(observation)
    if is_blocked(route, failure_of(observation, case), observation, case):
        return Severity.ERROR, "the proxy does not let calls out"
    if route is not None and not route.passthrough:
        return None
    lost = missed(host, namespace, observation, case)
    return (lost.severity, _lost_words(lost, observation)) if lost is not None else None


def is_blocked(route: Route | None, failure: Failure | None, observation: Observation, case: Case) -> bool:
    """The proxy lets the call not out: the call shows it, or the route does and nothing says otherwise."""
    if failure is not None and failure.kind is FailureKind.BLOCKED:
        return True
    return route is not None and route.blocked and not went_well(observation, case)


@dataclass(frozen=True, slots=True)
class _Trim:
    sidecar: ObjectRef
    host: str
    namespace: str
    """Host and namespace of what is meant to take the call."""
    left_out: str
    lines: tuple[str, ...]
    """What egress.hosts would have to hold."""
    cure: str | Step


def _trimmed(observation: Observation, case: Case) -> _Trim | None:
    """What the source's Sidecar resource leaves out of what the alias needs; None if nothing, or if there is none."""
    alias, snapshot, source = case.alias, case.snapshot, observation.source
    scope = scope_of(source, snapshot) if snapshot.sidecars else None
    if scope is None or scope.sidecar is None:
        return None
    port, fqdn = observation.port, alias.fqdn(snapshot.cluster_domain)
    target = own_host(observation, case)
    if target is None:
        return None
    by_name = alias.form is Form.EXTERNAL_NAME and snapshot.mesh.alias_mode
    if by_name and target.host != alias_target(alias.external_name_raw, snapshot):
        # A VirtualService on the alias's name leads there; both must come in for a listener and a route.
        found = virtual_service_of(fqdn, snapshot, source.namespace)
        namespace = found["metadata"].get("namespace", "") if found is not None else alias.namespace
        needed: list[tuple[str, tuple[str, ...]]] = [(namespace, (fqdn,)), (target.namespace, (target.host,))]
    elif by_name:
        needed = [(target.namespace, (target.host, fqdn))]
    else:
        needed = [(alias.namespace, (fqdn,))]
    listeners = listeners_at(scope, port.number, port.protocol)

    def lets_in(where: str, *names: str) -> bool:
        return any(listener.lets_in(where, *names) for listener in listeners)

    lacking = [(where, names) for where, names in needed if not lets_in(where, *names)]
    if not lacking:
        return None
    missing = [
        (where, name) for where, names in lacking for name in ([n for n in names if not lets_in(where, n)] or names)
    ]
    lines = tuple(f"{where}/{name}" for where, name in missing)
    ref = metadata_ref(scope.sidecar, SIDECARS.kind)
    left_out = " and ".join(name for _, name in missing)
    return _Trim(ref, target.host, target.namespace, left_out, lines, _let_in(scope, listeners, ref, lines))


def _let_in(
    scope: SidecarScope, listeners: Sequence[EgressListener], ref: ObjectRef, lines: tuple[str, ...]
) -> str | Step:
    """These lines at the egress entry that the call comes by; of several at the one that is for all ports."""
    if listeners:
        entry = next((listener for listener in listeners if not listener.port), listeners[0])
        path = f"/spec/egress/{scope.listeners.index(entry)}/hosts/-"
        return JsonPatch(ref, [{"op": "add", "path": path, "value": line} for line in lines])
    return f"add to {ref} (namespace {ref.namespace}) an egress entry without port, hosts {', '.join(lines)}"


def _hidden(observation: Observation, case: Case) -> Hidden | None:
    """What keeps the Service from the source's namespace, where the alias is its own Service."""
    alias, snapshot = case.alias, case.snapshot
    if alias.form is Form.EXTERNAL_NAME and snapshot.mesh.alias_mode:
        return None  # the name goes with its target, whatever the annotation says
    return hidden_service(case, observation.source.namespace)


def _lost_words(lost: Missed, observation: Observation) -> str:
    clear = lost.rule is not None and observation.contract.scheme is Scheme.HTTP
    return f"{lost} does not count" + (", and HTTP leaves in clear" if clear else "")


def _where(route: Route | None) -> str:
    if route is None:
        return ""
    return f"{origin(route)}: {route.virtual_host or route.envoy_cluster} on {route.listener}"


def _policy_words(observation: Observation, case: Case) -> str:
    """Who says REGISTRY_ONLY, "" if that was not read."""
    scope = scope_of(observation.source, case.snapshot)
    if scope.policy != REGISTRY_ONLY:
        return ""
    if scope.sidecar is not None and scope.has_own_policy:
        ref = metadata_ref(scope.sidecar, SIDECARS.kind)
        return f"outboundTrafficPolicy {REGISTRY_ONLY}: {ref} (namespace {ref.namespace})"
    return f"outboundTrafficPolicy {REGISTRY_ONLY} of the mesh"


def _host_of(route: Route) -> str:
    """Of outbound|PORT|SUBSET|HOST; "" for any other cluster."""
    parts = route.envoy_cluster.split("|")
    return parts[3] if len(parts) == 4 and parts[0] == "outbound" else ""


def _own_hosts(observation: Observation, case: Case) -> set[str]:
    """Hosts whose cluster may take the alias's calls by right."""
    alias, snapshot = case.alias, case.snapshot
    target = own_host(observation, case)
    hosts = {alias.fqdn(snapshot.cluster_domain), private_host(alias.name, alias.namespace), alias.host}
    hosts |= {target.host} if target is not None else set()
    if alias.form is Form.EXTERNAL_NAME:
        hosts |= {alias.external_name_raw, alias_target(alias.external_name_raw, snapshot) or ""}
    return hosts


def _same_server(route: Route, observation: Observation, case: Case) -> bool:
    """Are the endpoints of the route's cluster those of the alias, as far as its addresses are known?"""
    alias, answer = case.alias, observation.answer
    known = set(alias.target.addresses) if isinstance(alias.target, AddressTarget) else set()
    if alias.form is Form.EXTERNAL_NAME:
        known |= set(case.snapshot.resolved.get(alias.host, ()))
        known |= {answer.remote_ip} if answer is not None and answer.remote_ip else set()
    endpoints = {endpoint.address for endpoint in route.endpoints}
    return not known or not endpoints or bool(known & endpoints)


def _captor(host: str, case: Case) -> ObjectRef | None:
    """The object that has the host."""
    service = service_named(host, case.snapshot)
    if service is not None:
        return metadata_ref(service, "Service")
    entries = [e for e in case.snapshot.service_entries if host in ((e.get("spec") or {}).get("hosts") or ())]
    return metadata_ref(entries[0], SERVICE_ENTRIES.kind) if entries else None


def _release(captor: ObjectRef | None, host: str, case: Case) -> str:
    if captor is None:
        return f"kubectl get serviceentries,services -A | grep {host.partition('.')[0]}"
    show = f"kubectl get {captor.kind.lower()} {captor.name} -n {captor.namespace} -o yaml"
    if captor.kind == SERVICE_ENTRIES.kind:
        return f"give {captor} spec.addresses, or another port: {show}"
    return f"give {captor} a ClusterIP, or name its port http if that is spoken: {show}"


def _harm_of_headless(addresses: tuple[str, ...], port: AliasPort, case: Case) -> str:
    """Who else may be called at these addresses; "" if nobody that is known."""
    alias, snapshot, number = case.alias, case.snapshot, port.number
    fqdn = alias.fqdn(snapshot.cluster_domain)
    for found in rules_on([fqdn], case):
        block = tls_block(found, number, case)
        if block.originates:
            return f"{block.ref} adds TLS to them all"
    for endpoint_slice in snapshot.endpoint_slices:
        ref = metadata_ref(endpoint_slice, "EndpointSlice")
        at = {a for endpoint in endpoint_slice.get("endpoints") or () for a in endpoint.get("addresses") or ()}
        ports = {port.get("port") for port in endpoint_slice.get("ports") or ()}
        if (
            ref not in alias.slices
            and number in ports
            and at & set(addresses)
            and not _has_cluster_ip(endpoint_slice, case)
        ):
            return f"{ref} (namespace {ref.namespace}) has one of them too"
    for entry in snapshot.service_entries:
        spec = entry.get("spec") or {}
        at = {str(address) for address in spec.get("addresses") or ()}
        at |= {endpoint.get("address", "") for endpoint in spec.get("endpoints") or ()}
        if at & set(addresses):
            ref = metadata_ref(entry, SERVICE_ENTRIES.kind)
            return f"{ref} (namespace {ref.namespace}) has one of them too"
    if number in HTTP_PORTS and port.protocol is AppProtocol.TCP:
        return "HTTP to other names at this address is no longer routed by Host"
    return ""


def _has_cluster_ip(endpoint_slice: Json, case: Case) -> bool:
    """Clients of the slice's Service dial its ClusterIP, which has a listener of its own."""
    metadata = endpoint_slice["metadata"]
    of = (metadata.get("namespace", ""), (metadata.get("labels") or {}).get(SERVICE_NAME_LABEL, ""))
    return any(
        (service["metadata"].get("namespace", ""), service["metadata"]["name"]) == of
        and service["spec"].get("clusterIP", "") not in ("", "None")
        for service in case.snapshot.services
    )


def _tcp_entries(host: str, number: int, case: Case) -> Iterable[Json]:
    for entry in case.snapshot.service_entries:
        spec = entry.get("spec") or {}
        if spec.get("addresses") or not any(covers(pattern, host) for pattern in spec.get("hosts") or ()):
            continue
        protocols = [p.get("protocol", "").upper() for p in spec.get("ports") or () if p.get("number") == number]
        if "TCP" in protocols:
            yield entry
