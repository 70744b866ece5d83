"""Family 03: whether and how the mesh's rules reach the alias."""

from collections.abc import Iterable, Sequence

from kubectl_extsvc.mesh.comparing import differences
from kubectl_extsvc.mesh.registry import is_external_name, registered, service_named
from kubectl_extsvc.model.alias import Alias, AliasPort, Form, TlsMode
from kubectl_extsvc.model.finding import Fact, Finding, Severity
from kubectl_extsvc.model.fix import Delete, JsonPatch, Step
from kubectl_extsvc.model.marks import is_ours, private_host
from kubectl_extsvc.model.observation import Case, Observation, Stage
from kubectl_extsvc.model.resources import DESTINATION_RULES, Json, ObjectRef
from kubectl_extsvc.model.route import OutboundTls, Route
from kubectl_extsvc.rules.evidence import (
    applied,
    behind_sidecar,
    create_anew,
    decider,
    deciding_block,
    failures,
    get_command,
    metadata_ref,
    origin,
    origin_name,
    route_of,
    rules_on,
    say,
    set_tls,
    went_well,
)
from kubectl_extsvc.rules.family import rule
from kubectl_extsvc.rules.translation import FailureKind, failure_of

USUAL_TLS_PORTS = (443, 8443)


@rule(
    "XS0301",
    "A DestinationRule on an ExternalName alias has no effect",
    Severity.ERROR,
    Stage.ROUTE,
    needs={Fact.DESTINATION_RULES},
    uses={Fact.PROXY},
)
def dead_destination_rule(case: Case) -> Iterable[Finding]:
    """A DestinationRule names the ExternalName Service, and no proxy ever reads it.

    Why     Since Istio 1.21 an ExternalName Service is only a further name of its target. It has no Envoy
            cluster of its own, and a DestinationRule acts on clusters. Istio's own task "Kubernetes Services
            for Egress Traffic" still shows such a rule.
    Seen    The rule is in no sidecar's configuration. An error where it asks for SIMPLE or MUTUAL and the
            traffic leaves in clear; else only information: the rule can go. istioctl analyze passes it (IST0174
            counts any Service as known).
    Cure    Write the alias with a ServiceEntry on a private host (kubectl extsvc create does) and the rule on
            that host.
    Source  istio #47664, #50912, releasenotes/notes/external-name-on.yaml; live on Istio 1.31.
    """
    alias, mesh = case.alias, case.snapshot.mesh
    if alias.form is not Form.EXTERNAL_NAME or not mesh.alias_mode:
        return
    fqdn = alias.fqdn(case.snapshot.cluster_domain)
    routes = [route for o in behind_sidecar(case) if o.port.protocol.is_http and (route := route_of(o)) is not None]
    if any(route.envoy_cluster.endswith(f"||{fqdn}") and not route.cluster_missing for route in routes):
        return  # Istio 1.21 to 1.23 with ENABLE_EXTERNAL_NAME_ALIAS=false on istiod: the alias has a cluster
    for found in rules_on([fqdn], case):
        ref = metadata_ref(found, DESTINATION_RULES.kind)
        wishes = [mode for mode in _modes(found) if mode in (TlsMode.SIMPLE, TlsMode.MUTUAL)]
        http_ports = [port for port in alias.ports if port.protocol.is_http]
        in_clear = not routes or not all(route.tls.mode.encrypts or route.blocked for route in routes)
        lost = bool(wishes) and bool(http_ports) and in_clear
        asked = f"asks for {wishes[0]}" if wishes else f"says {', '.join(_modes(found)) or 'nothing about TLS'}"
        yield say(
            "XS0301",
            Severity.ERROR if lost else Severity.INFO,
            Stage.ROUTE,
            ref,
            f"{ref} {asked} for {fqdn}, which has no cluster in any proxy: the rule has no effect"
            + (", and HTTP leaves in clear" if lost else ""),
            evidence=[
                f"Istio {'.'.join(map(str, mesh.version)) if mesh.version else 'since 1.21'}: "
                "an ExternalName Service is a name of its target",
                *dict.fromkeys(f"{origin(route)}: {_way(route)}" for route in routes),
            ],
            cure=create_anew(
                alias,
                ports=[_originating(p) for p in alias.ports],
                more=("--tls-mode", wishes[0], *_adopting(alias, case)),
            )
            if lost
            else Delete(ref),
        )


@rule(
    "XS0302",
    "An ISTIO_MUTUAL rule covers the alias",
    Severity.ERROR,
    Stage.TLS,
    either={Fact.PROXY, Fact.DESTINATION_RULES},
    uses={Fact.PROBES, Fact.MESH_CONFIG},
)
def mesh_tls_to_outside(case: Case) -> Iterable[Finding]:
    """Sidecars speak the mesh's own mutual TLS to a server outside the mesh.

    Why     A rule for *.local, *.svc.cluster.local, a namespace or everything, with mode ISTIO_MUTUAL, is meant
            for the mesh's own workloads and covers the alias as well. The first namespace with a match decides:
            the client's, then the Service's, then the root namespace; in it the most specific host. A wildcard
            rule in the client's namespace hides an exact one in the Service's.
    Seen    503 with URX,UF and WRONG_VERSION_NUMBER, or UC, from pods with sidecar; all is well from plain
            pods. ExternalName aliases that pass through are not touched. Silent where the call goes well.
    Cure    A rule on exactly this host with DISABLE, in the namespace of the rule that wins now, or an earlier
            one.
    Source  istio #36672, #9291, #12795; pilot/pkg/model/push_context.go destinationRule; live on Istio 1.31.
    """
    for observation in behind_sidecar(case):
        route = route_of(observation)
        if went_well(observation, case) or not _speaks_mesh_tls(observation, route):
            continue
        block = deciding_block(observation, case)
        ref = decider(observation, case)
        name = f"{ref} ({block.host})" if ref and block else str(ref or "a rule")
        failure = failure_of(observation, case)
        yield say(
            "XS0302",
            Severity.ERROR,
            Stage.TLS,
            ref or case.alias.service,
            f"{name} makes sidecars speak the mesh's mutual TLS to {case.alias.target}, which is outside the mesh",
            evidence=[
                failure.seen if failure else "",
                f"{ref} in namespace {ref.namespace}" if ref else "",
                observation.decision.reason if observation.decision else "",
            ],
            cure=_undo_mesh_tls(observation, case),
            of=observation,
        )


@rule(
    "XS0303",
    "The proxy does not do what the objects say",
    Severity.WARNING,
    Stage.ROUTE,
    needs={Fact.PROXY, Fact.DESTINATION_RULES, Fact.MESH_CONFIG},
    symptom=True,
)
def observed_differs_from_computed(case: Case) -> Iterable[Finding]:
    """The way read in the sidecar is not the one that follows from the objects.

    Why     The proxy has not got the latest objects (istiod does not reach it, has refused one, or has lost the
            deletion of a DestinationRule); an EnvoyFilter, a PeerAuthentication that turns auto-mTLS off, or a route
            of the Gateway API has a word too; or our computing of istiod's work is wrong. A deletion is lost where
            istiod pushes another rule in the moment in which this one goes: the state that it pushes from lacks the
            rule already, and when the deletion's own turn comes nothing says any more which hosts the rule was for.
    Seen    Envoy cluster, deciding DestinationRule and TLS mode of the sidecar's configuration beside those that
            istiod makes of the objects as they are now. Silent where something that may decide could not be read, and
            where two seconds later the two are the same.
    Cure    Verify again. If it stays: istioctl proxy-status tells whether the proxy is in sync. It says SYNCED of a
            proxy that goes on with a deleted rule; what makes that one forget it is any rule for the host, made and
            deleted again, or a restart of the pod.
    Source  istio pilot/pkg/model/push_context.go, pilot/pkg/networking/core/cluster_tls.go; of a lost deletion,
            pilot/pkg/networking/core/cluster.go, deltaFromDestinationRules, and the question about it in istio #44891;
            live on Istio 1.31, 1 deletion of 96 beside changes of another rule.
    """
    if not case.snapshot.mesh_config:
        return  # nobody read it: the defaults would be an assumption
    for observation in behind_sidecar(case):
        observed, computed = route_of(observation), observation.computed
        if observed is None or not observed.observed or not isinstance(computed, Route):
            continue
        found = differences(observed, computed)
        if not found:
            continue
        yield say(
            "XS0303",
            Severity.WARNING,
            Stage.ROUTE,
            computed.rule or case.alias.service,
            "; ".join(found),
            evidence=[f"observed: {_with_tls(observed)}", f"computed: {_with_tls(computed)}"],
            cure=f"kubectl extsvc verify {case.alias.name} -n {case.alias.namespace}",
            of=observation,
        )


@rule(
    "XS0304",
    "The route's cluster is missing or still warming",
    Severity.ERROR,
    Stage.ROUTE,
    either={Fact.PROXY, Fact.PROBES},
    uses={Fact.DESTINATION_RULES, Fact.SERVICES, Fact.SERVICE_ENTRIES},
)
def cluster_missing(case: Case) -> Iterable[Finding]:
    """The proxy's route names an Envoy cluster that it does not have, or that never becomes ready.

    Why     Missing: a VirtualService sends the request to a host or port that is not in the registry, such as
            an ExternalName alias that does not declare the port, one whose target has no ServiceEntry, or an alias
            of an alias; or to a subset that no DestinationRule has, or that selects no endpoint. Warming: the
            cluster waits for a secret or a CA file that does not come. With credentialName the pod's service
            account must be able to list Secrets in its namespace; caCertificates must name a file inside
            istio-proxy. istioctl analyze (IST0101) takes any Service for a good destination, and says nothing of
            secrets and files.
    Seen    503 with the flag NC (cluster_not_found) and an empty body. A cluster that warms beside an older one
            of the same name is a warning: the old one goes on serving, and the latest change is not in force.
            A cluster that waits for a file begins without it after 15 s: 503 with URX,UF and "Secret is not supplied
            by SDS" in the access log.
    Cure    Point the VirtualService at a host of the registry, or write an alias of ours anew, whose ServiceEntry
            is gone; or make secret or file available.
    Source  istio #54310, #54533, #61519; live on Istio 1.31 (vs-on-alias, vs-to-alias-without-port,
            mutual-secret-not-readable) and istiod's own code (vs-to-alias-chain).
    """
    alias = case.alias
    told: set[tuple[str, int]] = set()
    for observation in behind_sidecar(case):
        route = route_of(observation)
        without_secret = _is_without_secret(observation)
        if route is None or not (route.cluster_missing or route.cluster_warming or without_secret):
            continue
        if route.cluster_missing and went_well(observation, case):
            continue  # what answered is there: the dump is of another moment
        told.add((observation.source.key, observation.port.number))
        rule_ref = decider(observation, case)
        cure: str | Step
        if route.cluster_missing and not route.cluster_warming:
            subject = route.virtual_service or rule_ref or alias.service
            why, remedy = _why_missing(route, observation, case)
            message = f'{subject} leads to "{route.envoy_cluster}", which the proxy does not have{why}'
            own = route.envoy_cluster.endswith(f"||{private_host(alias.name, alias.namespace)}")
            if own and alias.managed:
                cure = create_anew(alias)
            elif route.virtual_service:
                cure = remedy or f"point it at a host of the registry, or: {Delete(subject).command}"
            else:
                cure = remedy or create_anew(alias)
        else:
            subject = rule_ref or alias.service
            what, cure = _what_it_waits_for(subject, observation, case)
            waits = f"waits for {what}" if route.cluster_missing else "keeps serving by an older version"
            message = f'the cluster "{route.envoy_cluster}" is still warming: the proxy {waits}'
            if without_secret and not route.cluster_warming:
                message = f'the cluster "{route.envoy_cluster}" has no secret: the proxy waited in vain for {what}'
        failure = failure_of(observation, case)
        yield say(
            "XS0304",
            Severity.ERROR if route.cluster_missing or without_secret else Severity.WARNING,
            Stage.ROUTE,
            subject,
            message,
            evidence=[failure.seen if failure else "", f"{origin(route)}: {_way(route)}"],
            cure=cure,
            of=observation,
        )
    for observation, failure in failures(case, FailureKind.NO_CLUSTER):
        if (observation.source.key, observation.port.number) not in told:
            yield say(
                "XS0304",
                Severity.ERROR,
                Stage.ROUTE,
                alias.service,
                "the proxy's route leads to a cluster that it does not have",
                evidence=[failure.seen],
                cure=f"kubectl get virtualservices,destinationrules -A | grep {alias.name}",
                of=observation,
            )


@rule("XS0305", "A TLS port is named as HTTP", Severity.ERROR, Stage.ROUTE, uses={Fact.PROXY, Fact.PROBES})
def http_name_on_tls_port(case: Case) -> Iterable[Finding]:
    """A port 443 or 8443 whose name or appProtocol says HTTP.

    Why     Istio believes the name. Clients' TLS on that port then falls out of the Service's cluster and
            through to passthrough, where no DestinationRule counts; plain HTTP is sent to a TLS server.
    Seen    400 from the origin, which makes it an error, or TLS that works but not as ruled. Silent where a rule
            makes the proxy add the TLS, and where HTTP is spoken there after all and the calls go well.
    Cure    Name the port tls or https.
    Source  istio #47088, #14264, #13914; live on Istio 1.31 (protocol-mismatch).
    """
    encrypted = {
        o.port.number for o in behind_sidecar(case) if (route := route_of(o)) is not None and route.tls.mode.encrypts
    }
    if not case.snapshot.mesh.installed:
        return
    for port in http_named_tls_ports(case.alias.ports):
        if port.number not in encrypted and not _speaks_http(port, case):
            right = AliasPort("tls" if port.name != "tls" else "https", port.number, port.target_port, port.protocol)
            refused = [seen for seen in _statuses(port, case) if seen == 400]
            yield say(
                "XS0305",
                Severity.ERROR if refused else Severity.WARNING,
                Stage.ROUTE,
                case.alias.service,
                f'port {port.number} is usually TLS, and "{port.name}" makes Istio take it for {port.protocol}',
                evidence=[f"{len(refused)} of the calls by HTTP got 400"] if refused else (),
                cure=create_anew(case.alias, ports=[right if p == port else p for p in case.alias.ports]),
                ports=(port.number,),
            )


def _why_missing(route: Route, observation: Observation, case: Case) -> tuple[str, str | Step | None]:
    """What is amiss with the destination, ": …" or "" if it is not known, and what cures it."""
    parts = route.envoy_cluster.split("|")
    if len(parts) != 4 or not parts[1].isdigit():
        return "", None
    number, subset, host = int(parts[1]), parts[2], parts[3]
    snapshot = case.snapshot
    known = registered(host, snapshot, observation.source.namespace)
    if known is not None and known.port(number) is not None:
        if not subset:
            return "", None  # as far as the objects go it should be there
        rules = [obj for obj in rules_on([host], case) if subset in _subsets(obj)]
        if not rules:
            return f': no DestinationRule on {host} has the subset "{subset}"', None
        ref = metadata_ref(rules[0], DESTINATION_RULES.kind)
        return f': the subset "{subset}" of {ref} selects no endpoint', get_command(ref)
    if known is not None:
        numbers = ", ".join(str(port.number) for port in known.ports) or "none"
        return f": {host} has no port {number}, only {numbers}", None
    service = service_named(host, snapshot)
    if service is None or not is_external_name(service):
        return f": {host} is not in the mesh's registry", None
    ref = metadata_ref(service, "Service")
    declared = service["spec"].get("ports") or ()
    if number not in {port["port"] for port in declared}:
        port = {"name": f"http-{number}", "port": number}
        path, value = ("/spec/ports/-", port) if declared else ("/spec/ports", [port])
        patch = JsonPatch(ref, [{"op": "add", "path": path, "value": value}])
        return f": {ref} is an ExternalName Service and does not declare port {number}", patch
    return f": {ref} is an ExternalName Service, and is followed one step only", None


def _subsets(found: Json) -> set[str]:
    return {subset.get("name", "") for subset in (found.get("spec") or {}).get("subsets") or ()}


def _is_without_secret(observation: Observation) -> bool:
    """Did its cluster begin without the secret or file that it had waited for?"""
    log = observation.access_log
    return log is not None and "Secret_is_not_supplied_by_SDS" in log.transport_failure.replace(" ", "_")


def _what_it_waits_for(subject: ObjectRef, observation: Observation, case: Case) -> tuple[str, str]:
    """What a warming cluster waits for, as far as the deciding rule tells, and how to make it come."""
    namespace = observation.source.namespace
    block = deciding_block(observation, case)
    tls = block.settings if block is not None else None
    if tls is not None and tls.credential_name:
        name = tls.credential_name.rpartition("/")[2]
        return (
            f"the secret {tls.credential_name}",
            f"see that it exists, and that the pod's service account may list secrets in namespace {namespace}: "
            f"kubectl get secret {name} -n {namespace}",
        )
    files = [f for f in (tls.ca_certificates, tls.client_certificate, tls.private_key) if f] if tls is not None else []
    files = [name for name in files if name != "system"]
    if files:
        return (
            f"the file {' or '.join(files)}",
            f"mount it into istio-proxy of pod/{observation.source.pod}, or correct {subject}: {get_command(subject)}",
        )
    return (
        "a secret or a CA file",
        f"see that the files or the secret that {subject} names exist, and that the pod's service account may "
        f"list secrets in namespace {namespace}",
    )


def http_named_tls_ports(ports: Sequence[AliasPort]) -> list[AliasPort]:
    """Ports that XS0305 is about."""
    return [p for p in ports if p.protocol.is_http and p.number in USUAL_TLS_PORTS and p.target_port in USUAL_TLS_PORTS]


def _speaks_http(port: AliasPort, case: Case) -> bool:
    """All who called the port by HTTP were answered in it; a TLS server answers with 400, or not at all."""
    statuses = _statuses(port, case)
    return bool(statuses) and all(0 < status < 500 and status != 400 for status in statuses)


def _adopting(alias: Alias, case: Case) -> tuple[str, ...]:
    """--adopt, where a rule stands in the place of the alias's own and somebody else made it."""
    theirs = any(
        (rule["metadata"].get("namespace", ""), rule["metadata"]["name"]) == (alias.namespace, alias.name)
        and not is_ours(rule)
        for rule in case.snapshot.destination_rules
    )
    return ("--adopt",) if alias.managed and theirs else ()


def _statuses(port: AliasPort, case: Case) -> list[int]:
    return [o.answer.status for o in case.observations if o.port.number == port.number and o.answer is not None]


def _modes(found: Json) -> list[str]:
    """TLS modes that a rule asks for anywhere: at the top, for ports, in subsets."""
    policies = [(found.get("spec") or {}).get("trafficPolicy") or {}]
    policies += [subset.get("trafficPolicy") or {} for subset in (found.get("spec") or {}).get("subsets") or ()]
    policies += [port for policy in policies for port in policy.get("portLevelSettings") or ()]
    return list(dict.fromkeys((p["tls"].get("mode") or "DISABLE") for p in policies if p.get("tls")))


def _originating(port: AliasPort) -> AliasPort:
    """The port with TLS added on the way: plain HTTP in, the usual TLS port out."""
    if not port.protocol.is_http or port.target_port in USUAL_TLS_PORTS:
        return port
    return AliasPort(port.name, port.number, 443, port.protocol)


def _speaks_mesh_tls(observation: Observation, route: Route | None) -> bool:
    if route is not None:
        inside = bool(route.endpoints) and all(endpoint.mesh_tls for endpoint in route.endpoints)
        return route.tls.mode is OutboundTls.ISTIO_MUTUAL and not inside
    return observation.decision is not None and observation.decision.mode == TlsMode.ISTIO_MUTUAL


def _undo_mesh_tls(observation: Observation, case: Case) -> str | Step:
    """A rule on exactly this host, in the namespace where the lookup now ends, or one that comes before it."""
    alias, domain = case.alias, case.snapshot.cluster_domain
    name = origin_name(alias)
    tls: Json = {"mode": TlsMode.DISABLE.value}
    if observation.contract.originates:
        tls = {"mode": TlsMode.SIMPLE.value, "sni": name, "subjectAltNames": [name]}
    block = deciding_block(observation, case)
    if block is not None and not block.is_wildcard:
        return set_tls(observation, case, tls)
    ref = decider(observation, case)
    places = (observation.source.namespace, alias.namespace)
    where = ref.namespace if ref is not None and ref.namespace in places else alias.namespace
    route = route_of(observation)
    host = route.envoy_cluster.rpartition("|")[2] if route is not None else alias.fqdn(domain)
    spec: Json = {"host": host, "trafficPolicy": {"tls": tls}}
    return applied(DESTINATION_RULES, where, f"{alias.name}-tls", spec, case)


def _with_tls(route: Route) -> str:
    by = f" by {route.rule}" if route.rule is not None else ""
    return f"{_way(route)}: {route.tls.mode}{by}"


def _way(route: Route) -> str:
    name = route.envoy_cluster or route.virtual_host or f"direct response {route.direct_response}"
    return f"{name} ({route.virtual_host})" if route.virtual_host and route.envoy_cluster else name
