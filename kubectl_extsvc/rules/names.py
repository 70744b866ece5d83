"""Family 01: names."""

from collections.abc import Iterable

from kubectl_extsvc.mesh.hosts import is_address
from kubectl_extsvc.model.alias import Form
from kubectl_extsvc.model.finding import Fact, Finding, Severity
from kubectl_extsvc.model.observation import Case, Stage
from kubectl_extsvc.rules.evidence import create_anew, failures, say
from kubectl_extsvc.rules.family import rule
from kubectl_extsvc.rules.translation import FailureKind


@rule("XS0101", "ExternalName is an IP address", Severity.ERROR, Stage.NAME)
def external_name_is_address(case: Case) -> Iterable[Finding]:
    """An ExternalName Service holds an IP address where a host name belongs.

    Why     externalName is answered as a CNAME, and a CNAME leads to a name. Kubernetes accepts the text of an
            IPv4 address, since it looks like a host name; CoreDNS then returns no record.
    Seen    The name does not resolve, from any pod (curl 6).
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


@rule(
    "XS0102",
    "The name does not resolve",
    Severity.ERROR,
    Stage.NAME,
    needs={Fact.PROBES},
    uses={Fact.PROXY, Fact.RESOLUTION},
    symptom=True,
)
def name_does_not_resolve(case: Case) -> Iterable[Finding]:
    """A pod asks for the alias's name and gets no address.

    Why     The target's own name does not exist or the cluster's DNS cannot reach the servers that know it; the
            alias is an ExternalName of a short in-cluster name, or of itself; or the pod's DNS is not the
            cluster's.
    Seen    curl 6, or 28 before a name was found. A name younger than the DNS cache time is PENDING and not
            judged.
    Cure    If the target's name fails too, correct it or the DNS upstream. Else look at the pod's dnsPolicy.
    Source  istio facts: CoreDNS answers NXDOMAIN, or a CNAME without address; coredns #6088, #5733, #2038.
    """
    if case.fresh:
        return
    alias = case.alias
    for observation, failure in failures(case, FailureKind.NAME_UNKNOWN):
        target_fails = alias.host != "" and case.snapshot.resolved.get(alias.host) == ()
        name = alias.fqdn(case.snapshot.cluster_domain)
        elsewhere = any(o.answer is not None and o.answer.connected for o in case.observations)
        if target_fails or (alias.form is Form.EXTERNAL_NAME and not elsewhere):
            fails = "which does not resolve" if target_fails else "and no address is found"
            message = f'"{name}" leads to "{alias.host}", {fails}'
            cure = f"correct the target: {create_anew(alias, target=('--external-name', 'HOST')).command}"
        else:
            message = f'"{name}" does not resolve' + (" in this pod, and does elsewhere" if elsewhere else "")
            pod = f"{observation.source.pod} -n {observation.source.namespace}"
            cure = f"look at the pod's dnsPolicy and dnsConfig: kubectl get pod {pod} -o yaml"
        yield say(
            "XS0102",
            Severity.ERROR,
            Stage.NAME,
            alias.service,
            message,
            evidence=[failure.seen],
            cure=cure,
            of=observation,
        )


@rule("XS0103", "The name leads past the Service", Severity.ERROR, Stage.DNS, needs={Fact.PROBES}, uses={Fact.PROXY})
def name_leads_elsewhere(case: Case) -> Iterable[Finding]:
    """A pod asks for the alias's name and is sent to an address that the Service does not have.

    Why     DNS caches in the pod, on the node or in CoreDNS hold an answer from before the Service was made anew; or
            the pod has the name in its hosts file or uses another DNS server.
    Seen    Requests go to the old address and may even be answered; rules on the alias are not applied. An alias
            younger than the DNS cache time is PENDING and not judged.
    Cure    Wait until the caches forget, at most 30 s in most clusters. Else look at the pod's hostAliases, dnsPolicy
            and dnsConfig.
    Source  CoreDNS kubernetes plugin: ttl 5 by default, 30 in kubeadm's Corefile; live on Kubernetes 1.34.
    """
    if case.fresh:
        return
    alias = case.alias
    for observation, failure in failures(case, FailureKind.NAME_ELSEWHERE):
        pod = f"{observation.source.pod} -n {observation.source.namespace}"
        yield say(
            "XS0103",
            Severity.ERROR,
            Stage.DNS,
            alias.service,
            f'"{alias.fqdn(case.snapshot.cluster_domain)}" leads to {failure.seen}',
            evidence=[f"{alias.service} spec.clusterIPs: {', '.join(alias.cluster_ips)}"],
            cure="ask again in 30 s, when DNS caches have forgotten an earlier answer; then look at the pod's "
            f"hostAliases, dnsPolicy and dnsConfig: kubectl get pod {pod} -o yaml",
            of=observation,
        )
