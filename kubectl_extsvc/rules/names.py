"""Family 01: names."""

from collections.abc import Iterable

from kubectl_extsvc.mesh.hosts import is_address, service_fqdn, service_of_fqdn
from kubectl_extsvc.model.alias import Form
from kubectl_extsvc.model.finding import Fact, Finding, Severity
from kubectl_extsvc.model.fix import MergePatch, Step
from kubectl_extsvc.model.observation import Case, Observation, Stage
from kubectl_extsvc.model.resolution import Attempt, Reply, Resolution, ResolutionUnknown
from kubectl_extsvc.model.resources import ObjectRef
from kubectl_extsvc.model.route import RouteKind
from kubectl_extsvc.rules.evidence import create_anew, failures, route_of, say
from kubectl_extsvc.rules.family import rule
from kubectl_extsvc.rules.lookups import attempts_of, has_timed_out, is_unanswered, targets_of
from kubectl_extsvc.rules.service_objects import find_service, meant_in_cluster, name_chain, services_are_known
from kubectl_extsvc.rules.translation import FailureKind


@rule("XS0101", "ExternalName is an IP address", Severity.ERROR, Stage.NAME)
def external_name_is_address(case: Case) -> Iterable[Finding]:
    """An ExternalName Service holds an IP address where a host name belongs.

    Why     externalName is answered as a CNAME, and a CNAME leads to a name. Kubernetes accepts the text of an
            IPv4 address, since it looks like a host name; CoreDNS then returns no record.
    Seen    The name does not resolve, from any pod (curl 6). istioctl analyze and Kiali do not look at
            externalName.
    Cure    Use the Endpoints form, which is made for addresses: kubectl extsvc create NAME --address IP.
    Source  coredns #2164, #2324; live on Kubernetes 1.34.
    """
    alias = case.alias
    text = (alias.external_name_raw or alias.host).rstrip(".")
    if alias.form is Form.EXTERNAL_NAME and is_address(text):
        yield say(
            "XS0101",
            Severity.ERROR,
            Stage.NAME,
            alias.service,
            f'externalName is the IP address "{text}": DNS has no answer for it',
            evidence=[f"{alias.service} spec.externalName: {alias.external_name_raw or alias.host}"],
            cure=create_anew(alias, target=("--address", text)),
        )


@rule("XS0104", "The alias leads back to itself", Severity.ERROR, Stage.NAME, needs={Fact.SERVICES})
def alias_loop(case: Case) -> Iterable[Finding]:
    """A chain of ExternalName Services comes back to one of its own links.

    Why     Each link is a CNAME to the next. Where the last leads to an earlier one, or a Service to its own name,
            there is no address at the end.
    Seen    The name does not resolve, from any pod (curl 6): CoreDNS answers with nothing at all, not with
            NXDOMAIN, and Istio drops the alias. A chain that ends in a real name is well. No message of istioctl
            analyze or Kiali follows externalName.
    Cure    Let one of the links lead to the real target.
    Source  CoreDNS plugin/backend_lookup.go; resolveServiceAliases in istio pilot/pkg/model/push_context.go;
            live on Kubernetes 1.34.
    """
    alias = case.alias
    chain = name_chain(case)
    if chain is None or chain.back_to is None:
        return
    last = chain.services[-1]
    if len(chain.services) == 1:
        message = "externalName is the Service's own name: there is no address at its end"
    else:
        ways = " to ".join(_named(ref) for ref in (*chain.services, chain.back_to))
        message = f"{ways}: the chain of names has no end"
    yield say(
        "XS0104",
        Severity.ERROR,
        Stage.NAME,
        alias.service,
        message,
        evidence=[f"{last} in namespace {last.namespace} spec.externalName: {chain.end}"],
        cure=create_anew(alias, target=("--external-name", "HOST"), complete=False),
    )


@rule(
    "XS0105",
    "The target is a Service that this name does not lead to",
    Severity.ERROR,
    Stage.NAME,
    needs={Fact.SERVICES},
    uses={Fact.PROBES, Fact.SERVICE_ENTRIES, Fact.NAME_PATH},
)
def no_such_service(case: Case) -> Iterable[Finding]:
    """externalName is a short name of a Service, or the full name of one that does not exist.

    Why     A CNAME is absolute: no search list makes httpbin.shop, or httpbin.shop.svc, whole. Only the full name
            of a Service that exists leads anywhere.
    Seen    The name does not resolve, from any pod (curl 6). A short name of two words may be a real host as well:
            where it resolves, nothing is said; where no pod was asked, this is a warning. istioctl analyze and
            Kiali look at the hosts of Istio's objects only (IST0101, IST0174; KIA0202, KIA1101).
    Cure    Write the full name, NAME.NAMESPACE.svc.cluster.local.
    Source  RFC 1034, 3.6.2; live on Kubernetes 1.34 (curl 6 for svc.ns); coredns #6088.
    """
    chain = name_chain(case)
    asked = [o for o in case.observations if o.answer is not None and not has_timed_out(o, case)]
    if chain is None or chain.back_to is not None or is_address(chain.end) or any(map(_has_a_name, asked)):
        return
    domain, last = case.snapshot.cluster_domain, chain.services[-1]
    short = meant_in_cluster(chain.end, last.namespace)
    meant = short or service_of_fqdn(chain.end, domain)
    surely_short = chain.end.endswith(".svc")
    if meant is None or (not asked and not surely_short and _entry_for(chain.end, case)):
        return
    namespace, name = meant
    is_there = find_service(namespace, name, case) is not None
    service = f"service/{name} in namespace {namespace}"
    severity = Severity.ERROR
    if short is not None and (is_there or surely_short):
        full = service_fqdn(name, namespace, domain)
        message = f'externalName is the short name "{chain.end}", which DNS does not make whole: {full} is meant'
        cure = _lead_to(full, last, case)
        if not is_there and services_are_known(namespace, case):
            message = f'externalName is the short name "{chain.end}", and there is no {service}'
            cure = _lead_to("HOST", last, case)
        if not surely_short and case.fresh:
            return
        severity = Severity.ERROR if asked or surely_short else Severity.WARNING
    elif short is None and not is_there and services_are_known(namespace, case):
        message = f"externalName leads to {service}, which does not exist"
        cure = _lead_to("HOST", last, case)
    else:
        return
    yield say(
        "XS0105",
        severity,
        Stage.NAME,
        last,
        message,
        evidence=[f"{last} spec.externalName: {chain.end}", *dict.fromkeys(f"curl {_code(each)}" for each in asked)],
        cure=cure,
    )


@rule(
    "XS0106",
    "The search list makes another name of it",
    Severity.ERROR,
    Stage.NAME,
    needs={Fact.NAME_PATH},
    uses={Fact.PROXY, Fact.PROBES, Fact.RESOLUTION},
)
def captured_by_search_list(case: Case) -> Iterable[Finding]:
    """A domain of the pod's search list has an answer for every name, and so for the alias's.

    Why     A name with fewer dots than ndots (5 in a pod) is first tried with each domain of the search list
            appended. A Service's full name has four dots. If one of the domains has a wildcard record, as a
            company's or a cloud's may, NAME.NAMESPACE.svc.cluster.local.DOMAIN is found before the real name.
    Seen    Requests go to the wildcard's address, from the pods that have this domain; with a final dot the same
            name leads to the right one. Behind a sidecar HTTP goes right all the same, since the proxy chooses by
            the Host header: a warning there. But the proxy too resolves a ServiceEntry's host with the pod's
            search list, and goes wrong where its endpoints are the wildcard's. That the target's own name is caught,
            where neither alias nor proxy is, is not spoken of. No message of istioctl analyze or Kiali is near: they
            do not see DNS.
    Cure    Take the domain out of the search list (kubelet --resolv-conf, dnsConfig), give the pod ndots 1 (dnsConfig
            options), or write names with a final dot.
    Source  resolv.conf(5); coredns #5733; Kubernetes documentation, DNS for Services and Pods.
    """
    alias = case.alias
    for observation in case.observations:
        own = captured(observation, case)
        wild = own or _wildcard(observation, case)
        if wild is None:
            continue
        attempt, domain = wild
        route = route_of(observation)
        by_host = route is not None and route.kind is RouteKind.HTTP and not route.passthrough and not route.blocked
        by_proxy = _resolved_like(attempt, observation)
        if own is None and not by_proxy:
            continue
        name = alias.fqdn(case.snapshot.cluster_domain) if own is not None else alias.host
        pod = f"{observation.source.pod} -n {observation.source.namespace}"
        yield say(
            "XS0106",
            Severity.ERROR if by_proxy or not by_host else Severity.WARNING,
            Stage.NAME,
            alias.service,
            f'the search list of the pod has {domain}, which has an answer for every name: "{name}" is taken for '
            f'"{name}.{domain}"' + (" by the proxy" if by_proxy else ""),
            evidence=[f"{attempt.name}: {', '.join(attempt.addresses)}"],
            cure=f"take {domain} out of the pod's search list, or set ndots to 1 in its dnsConfig: "
            f"kubectl get pod {pod} -o yaml",
            of=observation,
        )


@rule(
    "XS0102",
    "The name does not resolve",
    Severity.ERROR,
    Stage.NAME,
    needs={Fact.PROBES},
    uses={Fact.PROXY, Fact.RESOLUTION, Fact.NAME_PATH},
    symptom=True,
)
def name_does_not_resolve(case: Case) -> Iterable[Finding]:
    """A pod asks for the alias's name and gets no address.

    Why     The target's own name does not exist, or has no address; the cluster's DNS gets no answer from the servers
            that know it; the pod reaches no DNS server at all; or the pod's DNS is not the cluster's.
    Seen    curl 6, or 28 before a name was found. Which of these it is, is told by how the name servers answered:
            NXDOMAIN, SERVFAIL or nothing, and whose servers they are. CoreDNS leaves out what it learnt of a target
            outside (a CNAME without address may mean either), so then the target itself is asked. A name younger than
            the DNS cache time is PENDING and not judged. No message of istioctl analyze or Kiali is near: they do not
            see DNS.
            A lookup that ends before anybody answers is no NXDOMAIN: while others are answered, it is only said, and
            the verdict is incomplete.
    Cure    Correct the target, the DNS upstream, the way to DNS, or the pod's dnsPolicy, as it says.
    Source  coredns plugin/backend_lookup.go, #6088, #5733, #2038; Kubernetes documentation, DNS for Services and Pods.
    """
    if case.fresh:
        return
    alias = case.alias
    for observation, failure in failures(case, FailureKind.NAME_UNKNOWN):
        if is_unanswered(observation, case):
            yield _timed_out(observation, failure.seen, case)
            continue
        message, cure, seen = _why_no_name(observation, case)
        yield say(
            "XS0102",
            Severity.ERROR,
            Stage.NAME,
            alias.service,
            message,
            evidence=[failure.seen, *seen],
            cure=cure,
            of=observation,
        )


def _timed_out(observation: Observation, seen: str, case: Case) -> Finding:
    name = case.alias.fqdn(case.snapshot.cluster_domain)
    return say(
        "XS0102",
        Severity.INFO,
        Stage.NAME,
        case.alias.service,
        f'the lookup of "{name}" timed out in this pod: it is not known whether the name resolves there',
        evidence=[seen, _answered_ours(observation)],
        cure="ask again, perhaps with a longer --probe-timeout; then look whether the cluster's DNS is overloaded: "
        "kubectl get pods -n kube-system -l k8s-app=kube-dns",
        of=observation,
    )


def _answered_ours(observation: Observation) -> str:
    """What our own query for the name got, "" if nothing is known of it."""
    way = observation.resolution
    if not isinstance(way, Resolution):
        return ""
    return f"asked once more: {', '.join(way.addresses) or 'no answer'}, {way.seconds:.1f} s"


@rule(
    "XS0103",
    "The name leads past the Service",
    Severity.ERROR,
    Stage.DNS,
    needs={Fact.PROBES},
    uses={Fact.PROXY, Fact.NAME_PATH, Fact.RESOLUTION},
)
def name_leads_elsewhere(case: Case) -> Iterable[Finding]:
    """A pod asks for the alias's name and is sent to an address that the Service does not have.

    Why     DNS caches in the pod, on the node or in CoreDNS hold an answer from before the Service was made anew; or
            the pod has the name in its hosts file or uses another DNS server.
    Seen    Requests go to the old address and may even be answered; rules on the alias are not applied. An alias
            younger than the DNS cache time is PENDING and not judged. Where a search list is the cause, XS0106 says
            so. No message of istioctl analyze or Kiali is near: they do not see DNS.
    Cure    Wait until the caches forget, at most 30 s in most clusters. Else look at the pod's hostAliases, dnsPolicy
            and dnsConfig.
    Source  CoreDNS kubernetes plugin: ttl 5 by default, 30 in kubeadm's Corefile; live on Kubernetes 1.34.
    """
    if case.fresh:
        return
    alias = case.alias
    for observation, failure in failures(case, FailureKind.NAME_ELSEWHERE):
        if captured(observation, case) is not None:
            continue
        pod = f"{observation.source.pod} -n {observation.source.namespace}"
        yield say(
            "XS0103",
            Severity.ERROR,
            Stage.DNS,
            alias.service,
            f'"{alias.fqdn(case.snapshot.cluster_domain)}" leads to {failure.seen}',
            evidence=[f"{alias.service} spec.clusterIPs: {', '.join(alias.cluster_ips)}", _by_hosts_file(observation)],
            cure="ask again in 30 s, when DNS caches have forgotten an earlier answer; then look at the pod's "
            f"hostAliases, dnsPolicy and dnsConfig: kubectl get pod {pod} -o yaml",
            of=observation,
        )


def _by_hosts_file(observation: Observation) -> str:
    way = observation.resolution
    return "the pod's /etc/hosts has the name" if isinstance(way, Resolution) and way.hosts_file else ""


def captured(observation: Observation, case: Case) -> tuple[Attempt, str] | None:
    """What answered in place of the alias's name, and the domain of the search list that made it; None if it is right.

    It is right too if the address is the same: a domain may be the cluster's own by another name. A pod that dialled
    the address which its search list finds for the target took the alias's name for another as well.
    """
    fqdn, way = case.alias.fqdn(case.snapshot.cluster_domain), observation.resolution
    dialled = observation.answer.remote_ip if observation.answer is not None else ""
    found = _found(way)
    if found is not None and _is_outside(found, way, case) and not set(found.addresses) <= _right_addresses(case):
        rightly_asked = isinstance(way, Resolution) and any(attempt.name == fqdn for attempt in way.attempts)
        if not rightly_asked or dialled in found.addresses:
            return found, _domain_of(found, way)
    wild = _wildcard(observation, case)
    return wild if wild is not None and dialled in wild[0].addresses else None


def _wildcard(observation: Observation, case: Case) -> tuple[Attempt, str] | None:
    """What a domain outside the cluster answers for the target's name, other than the target's own addresses."""
    way = observation.target_resolution
    found = _found(way)
    if found is None or not _is_outside(found, way, case):
        return None
    if set(found.addresses) <= set(case.snapshot.resolved.get(case.alias.host, ())):
        return None
    return found, _domain_of(found, way)


def _is_outside(found: Attempt, way: Resolution | ResolutionUnknown | None, case: Case) -> bool:
    """Is it a name that a domain of the search list made, other than those of the cluster?"""
    made = _domain_of(found, way)
    return made != found.name and not f".{made}".endswith(f".{case.snapshot.cluster_domain}")


def _found(way: Resolution | ResolutionUnknown | None) -> Attempt | None:
    if not isinstance(way, Resolution):
        return None
    return next((attempt for attempt in way.attempts if attempt.addresses), None)


def _domain_of(attempt: Attempt, way: Resolution | ResolutionUnknown | None) -> str:
    """What the search list added to the name; the name as a whole if it added nothing."""
    asked = way.name.removesuffix(".") if isinstance(way, Resolution) else ""
    return attempt.name.removeprefix(f"{asked}.")


def _right_addresses(case: Case) -> set[str]:
    """The Service's own addresses, those of the target, and those that a pod found under the very name."""
    fqdn = case.alias.fqdn(case.snapshot.cluster_domain)
    ways = [each.resolution for each in case.observations if isinstance(each.resolution, Resolution)]
    found = {address for way in ways for each in way.attempts if each.name == fqdn for address in each.addresses}
    target = case.snapshot.resolved.get(case.alias.host, ()) if case.alias.form is Form.EXTERNAL_NAME else ()
    return found | set(case.alias.cluster_ips) | set(target)


def _resolved_like(attempt: Attempt, observation: Observation) -> bool:
    """Does the proxy's own DNS lead it to the wildcard's address as well?"""
    route = route_of(observation)
    endpoints = route.endpoints if route is not None and route.cluster_type in ("STRICT_DNS", "LOGICAL_DNS") else ()
    return bool(endpoints) and {endpoint.address for endpoint in endpoints} <= set(attempt.addresses)


def _why_no_name(observation: Observation, case: Case) -> tuple[str, str | Step, list[str]]:
    """Message, cure and what was seen of one source's lookup."""
    alias = case.alias
    name = alias.fqdn(case.snapshot.cluster_domain)
    elsewhere = [o for o in case.observations if o.answer is not None and o.answer.connected]
    pod = f"{observation.source.pod} -n {observation.source.namespace}"
    of_pod = f"look at the pod's dnsPolicy and dnsConfig: kubectl get pod {pod} -o yaml"
    allow = f"allow UDP and TCP 53 from this pod: kubectl get networkpolicy -n {observation.source.namespace}"
    way = observation.resolution
    if isinstance(way, Resolution):
        names = (name, *targets_of(way, case))
        replies = [
            f"{each.name} {each.record}: {each.reply.value}" for each in attempts_of(observation) if each.name in names
        ]
        if way.attempts and all(each.reply is Reply.SILENT for each in way.attempts):
            return f"no DNS server answers this pod ({', '.join(way.name_servers)})", allow, replies[:1]
        if other := _other_dns(way, elsewhere, case):
            servers = ", ".join(way.name_servers)
            return f"the DNS of this pod is not the cluster's ({servers}), and does not know the alias", of_pod, [other]
        if told := _of_target(observation, way, name, case):
            return *told, replies
    if has_timed_out(observation, case):
        return f'the lookup of "{name}" times out', allow, []
    target_fails = case.snapshot.resolved.get(alias.host) == ()
    if alias.form is Form.EXTERNAL_NAME and (target_fails or not elsewhere):
        fails = "which does not resolve" if target_fails else "and no address is found"
        return f'"{name}" leads to "{alias.host}", {fails}', _correct_target(case), []
    return f'"{name}" does not resolve' + (" in this pod, and does elsewhere" if elsewhere else ""), of_pod, []


def _other_dns(way: Resolution, elsewhere: list[Observation], case: Case) -> str:
    """What shows that the pod does not ask the cluster's DNS: its search list, or its servers; "" if it does."""
    if any(each.cnames for each in way.attempts) or not way.name_servers:
        return ""
    servers = ", ".join(way.name_servers)
    if way.search and not any(each.endswith(case.snapshot.cluster_domain) for each in way.search):
        return f"search {' '.join(way.search)}; nameserver {servers}"
    others = [o.resolution.name_servers for o in elsewhere if isinstance(o.resolution, Resolution)]
    if any(others) and not any(set(way.name_servers) & set(other) for other in others):
        return f"nameserver {servers}; elsewhere {', '.join(next(filter(None, others)))}"
    return ""


def _of_target(observation: Observation, way: Resolution, name: str, case: Case) -> tuple[str, str | Step] | None:
    """What the replies say about the end of the alias's name; None if they do not tell."""
    targets = targets_of(way, case)
    if not targets:
        return None
    leads = f'"{name}" leads to "{targets[-1]}"'
    upstream = "look at where the cluster's DNS sends such names: kubectl get configmap coredns -n kube-system -o yaml"
    asked = attempts_of(observation)
    of_target = {each.reply for each in asked if each.name in targets}
    if Reply.FAILED in of_target | {each.reply for each in asked if each.name == name}:
        return f"{leads}, for which the cluster's DNS gets no answer from the servers that know it", upstream
    if of_target == {Reply.SILENT}:
        return f"{leads}, about which the cluster's DNS is silent", upstream
    if Reply.NO_SUCH_NAME in of_target:
        return f"{leads}, which does not exist", _correct_target(case)
    if of_target == {Reply.NO_DATA}:
        return f"{leads}, which has no address", _correct_target(case)
    return None


def _correct_target(case: Case) -> str:
    return f"correct the target: {create_anew(case.alias, target=('--external-name', 'HOST')).command}"


def _has_a_name(observation: Observation) -> bool:
    """Did the source come past the name, whatever came of the call then?"""
    answer = observation.answer
    return answer is not None and answer.exit_code != 6 and (answer.times.namelookup > 0 or answer.connected)


def _code(observation: Observation) -> int:
    return observation.answer.exit_code if observation.answer is not None else 0


def _entry_for(host: str, case: Case) -> bool:
    """Is the name registered as an outside host? Then whoever wrote it did not mean a Service."""
    return any(host in ((entry.get("spec") or {}).get("hosts") or ()) for entry in case.snapshot.service_entries)


def _lead_to(host: str, service: ObjectRef, case: Case) -> Step:
    """The change that gives an ExternalName Service another target; HOST is the user's to name."""
    if service == case.alias.service and (case.alias.managed or host == "HOST"):
        return create_anew(case.alias, target=("--external-name", host), complete=host != "HOST")
    return MergePatch(service, {"spec": {"externalName": host}})


def _named(ref: ObjectRef) -> str:
    return f"{ref.name}.{ref.namespace}"
