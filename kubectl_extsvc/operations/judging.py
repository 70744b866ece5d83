"""From what came back to a report: pure but for the access log of what failed."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from kubectl_extsvc.cluster.client import Cluster
from kubectl_extsvc.mesh.destination_rules import decision_for
from kubectl_extsvc.mesh.envoy_dump import EnvoyConfig
from kubectl_extsvc.mesh.istiod.client import Client
from kubectl_extsvc.mesh.istiod.computed import computed_route
from kubectl_extsvc.mesh.routing import route_of
from kubectl_extsvc.model.alias import Alias
from kubectl_extsvc.model.finding import Fact
from kubectl_extsvc.model.observation import AccessLogLine, Case, Observation
from kubectl_extsvc.model.probe import NoAnswer
from kubectl_extsvc.model.report import AliasReport, Report, SourceReport
from kubectl_extsvc.model.resources import ObjectRef
from kubectl_extsvc.model.route import Route, RouteUnknown, RuleDecision
from kubectl_extsvc.model.snapshot import EXEC_VERBS, Mesh, Snapshot, Unread
from kubectl_extsvc.model.source import MeshMode
from kubectl_extsvc.operations.asking import Question, Replies
from kubectl_extsvc.operations.proxies import Proxy, outbound_request, read_access_logs
from kubectl_extsvc.operations.settling import is_young
from kubectl_extsvc.operations.sourcing import HOW_TO_GET_SOURCES, Sources
from kubectl_extsvc.operations.wishes import ProbeWishes
from kubectl_extsvc.probes.access_log import line_about
from kubectl_extsvc.probes.questions import short_name
from kubectl_extsvc.rules import judge
from kubectl_extsvc.rules.stages import first_difference, stages_of
from kubectl_extsvc.rules.tls_summary import tls_summary
from kubectl_extsvc.rules.translation import failure_of


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look brought, not judged yet."""

    observations: Mapping[ObjectRef, tuple[Observation, ...]]
    """Of each alias, by its Service."""
    snapshot: Snapshot
    """The objects, with what the look told of the mesh, of outside names and of facts that it could not read."""
    looked_at: datetime
    """When the first question was asked."""


async def seen_in(
    cluster: Cluster,
    wishes: ProbeWishes,
    snapshot: Snapshot,
    questions: Sequence[Question],
    replies: Replies,
    proxies: Mapping[str, Proxy],
    looked_at: datetime,
) -> Seen:
    """What the replies and the proxies' configurations say; proxies are by source key."""
    snapshot = replace(
        snapshot,
        resolved=replies.resolved,
        mesh=_with_version(snapshot.mesh, proxies),
        unread={**snapshot.unread, **replies.unread, **_unread_proxies(proxies)},
    )
    seen = [_observation(question, replies, proxies, snapshot, probed=wishes.probe) for question in questions]
    seen = await _with_access_logs(cluster, questions, seen, proxies, snapshot, wishes, looked_at)
    of_alias: dict[ObjectRef, tuple[Observation, ...]] = defaultdict(tuple)
    for question, observation in zip(questions, seen, strict=True):
        of_alias[question.alias.service] += (observation,)
    return Seen(of_alias, snapshot, looked_at)


def report_on(seen: Seen, aliases: Sequence[Alias], found: Sources, wishes: ProbeWishes) -> Report:
    """The report on the aliases."""
    snapshot = seen.snapshot
    reports = tuple(
        judged(alias, snapshot, seen.observations.get(alias.service, ()), wishes, seen.looked_at) for alias in aliases
    )
    gaps = any(source.incomplete for report in reports for source in report.sources)
    return Report(
        aliases=reports,
        mesh=snapshot.mesh,
        seconds=0.0,
        at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        unread=(*snapshot.unread.values(), *((found.unread,) if found.unread else ())),
        notes=found.notes or (() if found.sources else (f"no pod to probe from; {HOW_TO_GET_SOURCES}",)),
        incomplete=wishes.probe and (not found.sources or gaps),
        snapshot=snapshot,
    )


def judged(
    alias: Alias, snapshot: Snapshot, observations: Sequence[Observation], wishes: ProbeWishes, looked_at: datetime
) -> AliasReport:
    """What all rules say of one alias, by what was seen of it; looked_at is when its first question was asked."""
    case = _case(alias, snapshot, observations, wishes, looked_at)
    sources = tuple(SourceReport(observation, stages_of(observation, case)) for observation in observations)
    return AliasReport(
        alias=alias,
        tls=tls_summary(case),
        sources=sources,
        judgement=judge(case),
        first_difference=first_difference(sources),
    )


def _observation(
    question: Question, replies: Replies, proxies: Mapping[str, Proxy], snapshot: Snapshot, *, probed: bool
) -> Observation:
    source = question.source
    route: Route | RouteUnknown | None = None
    decision: RuleDecision | None = None
    computed: Route | RouteUnknown | None = None
    unread = ""
    if source.mode is MeshMode.SIDECAR:
        config = proxies[source.key].config
        request = outbound_request(question, replies.to(question))
        route = config if isinstance(config, RouteUnknown) else route_of(config, request)
        client = Client.of_source(source, {} if isinstance(config, RouteUnknown) else config.node)
        computed = computed_route(snapshot, client, request)
        if isinstance(config, RouteUnknown) and isinstance(computed, Route):
            route, unread = computed, config.reason
        if Fact.DESTINATION_RULES.partition(".")[0] not in snapshot.unread:
            decision = decision_for(question.alias, question.port.number, source, snapshot)
    outcomes = replies.to(question)
    if not probed:
        outcomes = tuple(NoAnswer(transfer, "not asked (--no-probe)") for transfer in question.transfers)
    alias = question.alias
    return Observation(
        source,
        question.port,
        question.contract,
        outcomes,
        route,
        decision,
        computed=computed,
        unread=unread,
        resolution=replies.resolutions.get((source.key, alias.fqdn(snapshot.cluster_domain))),
        short_resolution=replies.resolutions.get((source.key, short_name(alias))),
        target_resolution=replies.resolutions.get((source.key, alias.host)),
    )


async def _with_access_logs(
    cluster: Cluster,
    questions: Sequence[Question],
    observations: list[Observation],
    proxies: Mapping[str, Proxy],
    snapshot: Snapshot,
    wishes: ProbeWishes,
    looked_at: datetime,
) -> list[Observation]:
    """What failed behind a sidecar that keeps an access log, with its line of it."""
    failed = [
        index
        for index, (question, seen) in enumerate(zip(questions, observations, strict=True))
        if seen.source.mode is MeshMode.SIDECAR
        and proxies[seen.source.key].logs_access
        and seen.answer is not None
        and failure_of(seen, _case(question.alias, snapshot, [seen], wishes, looked_at)) is not None
    ]
    logged = await read_access_logs(cluster, tuple({observations[index].source: None for index in failed}))
    for index in failed:
        seen = observations[index]
        line: AccessLogLine | None = None
        if seen.answer is not None:
            line = line_about(seen.answer, logged.get(seen.source.key, ()))
        observations[index] = replace(seen, access_log=line)
    return observations


def _case(
    alias: Alias, snapshot: Snapshot, observations: Sequence[Observation], wishes: ProbeWishes, looked_at: datetime
) -> Case:
    return Case(
        alias=alias,
        snapshot=snapshot,
        observations=tuple(observations),
        expect_status=wishes.expect_status,
        expect_body=wishes.expect_body,
        fresh=is_young((alias,), looked_at),
    )


def _with_version(mesh: Mesh, proxies: Mapping[str, Proxy]) -> Mesh:
    """The oldest version among the proxies decides what the mesh can do."""
    configs = [proxy.config for proxy in proxies.values() if isinstance(proxy.config, EnvoyConfig)]
    versions = [config.istio_version for config in configs if config.istio_version is not None]
    return replace(mesh, version=min(versions)) if versions else mesh


def _unread_proxies(proxies: Mapping[str, Proxy]) -> dict[str, Unread]:
    """Facts that every sidecar kept to itself."""
    unknown = [proxy.config for proxy in proxies.values() if isinstance(proxy.config, RouteUnknown)]
    if not unknown or len(unknown) < len(proxies):
        return {}
    return {Fact.PROXY: Unread(Fact.PROXY, unknown[0].reason, EXEC_VERBS)}
