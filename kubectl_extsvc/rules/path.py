"""Family 06: what the mesh lets out."""

from collections.abc import Iterable

from kubectl_extsvc.model.alias import Form
from kubectl_extsvc.model.finding import Fact, Finding, Severity
from kubectl_extsvc.model.fix import Delete, MergePatch, Step
from kubectl_extsvc.model.observation import Case, Stage
from kubectl_extsvc.model.resources import SERVICE_ENTRIES
from kubectl_extsvc.rules.evidence import (
    behind_sidecar,
    create_anew,
    failures,
    metadata_ref,
    route_of,
    say,
    went_well,
)
from kubectl_extsvc.rules.family import rule
from kubectl_extsvc.rules.translation import FailureKind, failure_of

BY_ITSELF = {"FI": ": it injects a fault", "DI": ": it injects a delay", "NR": ": no route of it fits the request"}
"""Envoy's response flags → what they mean."""


@rule(
    "XS0601",
    "The mesh lets nothing out to the alias",
    Severity.ERROR,
    Stage.ROUTE,
    either={Fact.PROXY, Fact.PROBES},
    uses={Fact.SERVICE_ENTRIES},
)
def blocked(case: Case) -> Iterable[Finding]:
    """REGISTRY_ONLY: the sidecar refuses what is not in the mesh's registry.

    Why     outboundTrafficPolicy REGISTRY_ONLY (of the mesh, or of a Sidecar resource) and no ServiceEntry for
            the target that this source may see. An ExternalName Service by itself does not count as registered
            since Istio 1.21. The ServiceEntry's host must equal externalName exactly: a final dot or a wildcard
            entry does not attach the alias. A Sidecar resource whose egress hosts leave the alias out has the
            same effect on any alias.
    Seen    502 with an empty body (virtual host block_all) if the port is known as HTTP in the mesh; else
            BlackHoleCluster, where the connection is accepted and closed: curl 52 or 56 by chance, 35 for TLS.
            Plain pods are served.
    Cure    Put the target into the registry; kubectl extsvc create writes a ServiceEntry on a private host.
    Source  istio pilot/pkg/networking/core/httproute.go; sidecar.go; live on Istio 1.31
            (registry-only-block-all, registry-only-raw-tcp, sidecar-scope, externalname-trailing-dot,
            externalname-wildcard-serviceentry).
    """
    alias = case.alias
    fqdn = alias.fqdn(case.snapshot.cluster_domain)
    for observation in behind_sidecar(case):
        route, failure = route_of(observation), failure_of(observation, case)
        by_failure = failure is not None and failure.kind is FailureKind.BLOCKED
        if not by_failure and (route is None or not route.blocked or went_well(observation, case)):
            continue
        where = f"{route.virtual_host or route.envoy_cluster} on {route.listener}" if route else ""
        evidence = [failure.seen if failure else "", f"route: {where}" if where else ""]
        cure: str | Step
        probably = "probably " if failure is not None and failure.guess else ""
        if alias.form is Form.ENDPOINTS:
            message = f"the proxy {probably}does not know {fqdn}: a Sidecar resource or exportTo hides it"
            cure = (
                f'add "{alias.namespace}/{fqdn}" to egress.hosts of the Sidecar resource that applies in namespace '
                f"{observation.source.namespace}: kubectl get sidecars -n {observation.source.namespace}"
            )
        elif alias.external_name_raw.endswith(".") and _entries(case, alias.host):
            entry = _entries(case, alias.host)[0]
            named = f'"{alias.host}", externalName is "{alias.external_name_raw}"'
            message = f"{entry} is for {named}: the proxy {probably}blocks it"
            cure = MergePatch(alias.service, {"spec": {"externalName": alias.host}})
        else:
            message = f"the proxy {probably}blocks {alias.host}: REGISTRY_ONLY, and no ServiceEntry attaches the alias"
            cure = create_anew(alias)
            evidence += [
                f"{entry} covers it by a wildcard, which does not count for an alias" for entry in _wildcards(case)
            ]
        yield say(
            "XS0601", Severity.ERROR, Stage.ROUTE, alias.service, message, evidence=evidence, cure=cure, of=observation
        )


@rule(
    "XS0602",
    "The proxy answers by itself",
    Severity.ERROR,
    Stage.ROUTE,
    needs={Fact.PROBES},
    uses={Fact.PROXY},
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
        yield say(
            "XS0602",
            Severity.ERROR,
            Stage.ROUTE,
            ref or case.alias.service,
            f"{ref or 'a VirtualService'} makes the proxy answer by itself{BY_ITSELF.get(failure.flag, '')}",
            evidence=[failure.seen],
            cure=Delete(ref) if ref else "kubectl get virtualservices -A",
            of=observation,
        )


def _entries(case: Case, host: str) -> list[str]:
    return [
        str(metadata_ref(entry, SERVICE_ENTRIES.kind))
        for entry in case.snapshot.service_entries
        if host in (entry["spec"].get("hosts") or ())
    ]


def _wildcards(case: Case) -> list[str]:
    """ServiceEntries that cover the target by a wildcard."""
    return [
        str(metadata_ref(entry, SERVICE_ENTRIES.kind))
        for entry in case.snapshot.service_entries
        for host in entry["spec"].get("hosts") or ()
        if host.startswith("*.") and case.alias.host.endswith(host[1:])
    ]
