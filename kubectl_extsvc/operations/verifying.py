"""verify: read, ask, judge.

Reads run at once; then, at once again, one exec of questions in each source, one of configuration in each sidecar, and
one lookup of the outside names. Execs grow with sources and reads with kinds, neither with aliases.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import anyio

from kubectl_extsvc.cluster.client import Cluster
from kubectl_extsvc.errors import ApiError, TimedOut, UsageError
from kubectl_extsvc.mesh.aliases import NotAnAlias, aliases_in, find_alias
from kubectl_extsvc.mesh.contracts import contract
from kubectl_extsvc.mesh.destination_rules import decision_for
from kubectl_extsvc.mesh.envoy_dump import EnvoyConfig
from kubectl_extsvc.mesh.hosts import covers, resolve_host
from kubectl_extsvc.mesh.outbound_request import OutboundRequest, RequestKind
from kubectl_extsvc.mesh.routing import route_of
from kubectl_extsvc.model.alias import AddressTarget, Alias, AliasPort
from kubectl_extsvc.model.finding import Fact, Severity
from kubectl_extsvc.model.marks import private_host
from kubectl_extsvc.model.observation import AccessLogLine, Case, Contract, Observation, Stage, StageState
from kubectl_extsvc.model.probe import Answer, NoAnswer, Outcome, Purpose, Scheme, Transfer
from kubectl_extsvc.model.report import AliasReport, Report, SourceReport
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.route import Route, RouteUnknown, RuleDecision
from kubectl_extsvc.model.snapshot import Mesh, Snapshot, Unread
from kubectl_extsvc.model.source import MeshMode, Source
from kubectl_extsvc.operations.asking import Replies, ask_all
from kubectl_extsvc.operations.proxies import Proxy, complete, read_access_logs, read_proxies
from kubectl_extsvc.operations.reading import read_snapshot, with_labels
from kubectl_extsvc.operations.sourcing import HOW_TO_GET_SOURCES, Sources, SourceWishes, find_sources, probe_pods
from kubectl_extsvc.probes.access_log import line_about
from kubectl_extsvc.probes.batch import Limits
from kubectl_extsvc.probes.questions import SAFE_METHODS, transfers
from kubectl_extsvc.rules import judge
from kubectl_extsvc.rules.stages import first_difference, stages_of
from kubectl_extsvc.rules.tls_summary import tls_summary
from kubectl_extsvc.rules.translation import failure_of

SETTLING_SECONDS = 10.0
"""Age below which an object may not be everywhere yet."""
PUSH_SECONDS = 2.0
"""For how long the same findings must be seen of young objects: a push to the proxies takes 0.2 to 0.7 s."""
LOOK_AGAIN_SECONDS = 0.5
PROBE_PODS_SECONDS = 60.0
PROBE_PODS_SHARE = 0.8
"""Of the time of the whole command."""


@dataclass(frozen=True, slots=True)
class VerifyWishes:
    names: tuple[str, ...] = ()
    all_namespaces: bool = False
    selector: str = ""
    sources: SourceWishes = field(default_factory=SourceWishes)
    probe: bool = True
    path: str = "/"
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    expect_status: tuple[int, ...] = ()
    expect_body: str = ""
    probe_timeout: float = 5.0
    """Seconds for one transfer."""


@dataclass(frozen=True, slots=True)
class Question:
    """One port of one alias, to be seen from one source."""

    alias: Alias
    port: AliasPort
    source: Source
    contract: Contract
    transfers: tuple[Transfer, ...]


async def verify(
    cluster: Cluster, wishes: VerifyWishes, say: Callable[[str], None], seconds: float = math.inf
) -> Report:
    """The report on the aliases that were asked for; the last one, if something young is still settling at the end.

    Raises ApiError (NotFound) if an alias is not there, TimedOut if the time was too short for any report.
    """
    begun = time.monotonic()
    report: Report | None = None

    def take(seen: Report) -> None:
        nonlocal report
        report = replace(seen, seconds=time.monotonic() - begun)

    with anyio.move_on_after(seconds):
        await _look_until_settled(cluster, wishes, say, seconds, take)
    if report is None:
        raise TimedOut(f"verify did not end within {seconds:g} s; use --timeout to give it more")
    return report


async def _look_until_settled(
    cluster: Cluster,
    wishes: VerifyWishes,
    say: Callable[[str], None],
    seconds: float,
    take: Callable[[Report], None],
) -> None:
    """Give each report to take: the first, and others as long as what is wrong may only be young."""
    namespace = None if wishes.all_namespaces else cluster.namespace
    snapshot = await read_snapshot(cluster, namespace)
    aliases = await _chosen(cluster, snapshot, namespace, wishes)
    namespaces = tuple(dict.fromkeys(alias.namespace for alias in aliases))
    async with AsyncExitStack() as stack:
        if wishes.sources.probe_pods:
            pods = probe_pods(
                cluster,
                namespaces[0],
                image=wishes.sources.image,
                mesh=snapshot.mesh.installed,
                # What keeps the pods from being ready must be said before our own time is up.
                timeout=min(PROBE_PODS_SECONDS, seconds * PROBE_PODS_SHARE),
                say=say,
            )
            sources = await stack.enter_async_context(pods)
        else:
            sources = await find_sources(cluster, wishes.sources, namespaces, mesh=snapshot.mesh.installed)
        seen, seen_since = frozenset[tuple[str, Stage]](), time.monotonic()
        while True:
            report = await observe(cluster, wishes, snapshot, aliases, sources)
            take(report)
            now, found_now = time.monotonic(), _what_is_wrong(report)
            if found_now != seen:
                seen, seen_since = found_now, now
            # DNS answers are cached for 5 to 30 s, so what is wrong with a name may last longer than a push.
            of_names = any(stage in (Stage.NAME, Stage.DNS) for _, stage in found_now)
            lasting = now - seen_since >= PUSH_SECONDS and not of_names
            if not found_now or lasting or wishes.method not in SAFE_METHODS or _settled(aliases, snapshot):
                return
            await anyio.sleep(LOOK_AGAIN_SECONDS)
            snapshot = await read_snapshot(cluster, namespace, mesh=snapshot.mesh)
            aliases = await _chosen(cluster, snapshot, namespace, wishes)


async def _chosen(
    cluster: Cluster, snapshot: Snapshot, namespace: str | None, wishes: VerifyWishes
) -> tuple[Alias, ...]:
    if wishes.names:
        return tuple(named_alias(snapshot, cluster.namespace, name) for name in dict.fromkeys(wishes.names))
    aliases = await with_labels(cluster, aliases_in(snapshot, namespace), namespace, wishes.selector)
    if not aliases:
        where = f"in {namespace} namespace" if namespace else "in any namespace"
        raise ApiError(f"No aliases found {where}.", code=404, reason="NotFound")
    return aliases


def named_alias(snapshot: Snapshot, namespace: str, name: str) -> Alias:
    """The alias of that name. Raises ApiError in kubectl's words."""
    match find_alias(snapshot, namespace, name):
        case Alias() as alias:
            return alias
        case NotAnAlias(reason=reason):
            raise ApiError(f"error: service/{name} is not an alias: {reason}", code=404, reason="NotFound")
        case None:
            raise ApiError(f'Error from server (NotFound): services "{name}" not found', code=404, reason="NotFound")


def _what_is_wrong(report: Report) -> frozenset[tuple[str, Stage]]:
    """Codes of errors and warnings, and stages that are pending, each with its stage."""
    found = {(f.code, f.stage) for alias in report.aliases for f in alias.findings if f.severity is not Severity.INFO}
    results = (result for alias in report.aliases for source in alias.sources for result in source.stages)
    return frozenset(found | {("", result.stage) for result in results if result.state is StageState.PENDING})


def _settled(aliases: Sequence[Alias], snapshot: Snapshot) -> bool:
    """No object about the aliases is so young that a look a moment later may be another."""
    now = datetime.now(UTC)
    hosts = {host for alias in aliases for host in _hosts_of(alias, snapshot)}
    objects: tuple[Json, ...] = (*snapshot.destination_rules, *snapshot.virtual_services, *snapshot.service_entries)
    about_them = (obj for obj in objects if _is_about(obj, hosts, snapshot.cluster_domain))
    born = [
        *(alias.created_at for alias in aliases),
        *(obj["metadata"].get("creationTimestamp", "") for obj in about_them),
    ]
    ages = [(now - datetime.fromisoformat(moment)).total_seconds() for moment in born if moment]
    # A cluster whose clock is ahead of ours has objects of a negative age: they are not waited for.
    return not any(0 <= age < SETTLING_SECONDS for age in ages)


def _hosts_of(alias: Alias, snapshot: Snapshot) -> tuple[str, ...]:
    return (alias.fqdn(snapshot.cluster_domain), private_host(alias.name, alias.namespace), alias.host)


def _is_about(obj: Json, hosts: set[str], cluster_domain: str) -> bool:
    """One of its hosts, short or with a wildcard, covers one of these."""
    spec, namespace = obj.get("spec") or {}, obj["metadata"].get("namespace", "")
    patterns = [resolve_host(host, namespace, cluster_domain) for host in (spec.get("hosts") or [spec.get("host", "")])]
    return any(pattern and covers(pattern, host) for pattern in patterns for host in hosts if host)


async def observe(
    cluster: Cluster, wishes: VerifyWishes, snapshot: Snapshot, aliases: Sequence[Alias], found: Sources
) -> Report:
    """Ask everything once, and judge."""
    questions = tuple(
        _question(alias, port, source, snapshot, wishes)
        for alias in aliases
        for port in alias.ports
        for source in found.sources
    )
    sidecars = [source for source in found.sources if source.mode is MeshMode.SIDECAR]
    replies, proxies = Replies(), dict[str, Proxy]()

    async def probe() -> None:
        nonlocal replies
        by_source = {
            source: tuple(t for question in questions if question.source == source for t in question.transfers)
            for source in found.sources
        }
        replies = await ask_all(cluster, by_source, _hosts_of_addresses(aliases), Limits(wishes.probe_timeout))

    async def read() -> None:
        nonlocal proxies
        proxies = await read_proxies(cluster, sidecars, aliases, snapshot)

    async with anyio.create_task_group() as group:
        if wishes.probe:
            group.start_soon(probe)
        group.start_soon(read)
    for source in sidecars:
        requests = [_request(q, replies) for q in questions if q.source == source]
        proxies[source.key] = await complete(cluster, source, proxies[source.key], requests)

    snapshot = replace(
        snapshot,
        resolved=replies.resolved,
        mesh=_with_version(snapshot.mesh, proxies),
        unread={**snapshot.unread, **replies.unread, **_unread_proxies(proxies)},
    )
    seen = [_observation(question, replies, proxies, snapshot, probed=wishes.probe) for question in questions]
    seen = await _with_access_logs(cluster, questions, seen, proxies, snapshot, wishes)
    reports = tuple(
        _judged(_case(alias, snapshot, [o for q, o in zip(questions, seen, strict=True) if q.alias == alias], wishes))
        for alias in aliases
    )
    gaps = any(source.incomplete for report in reports for source in report.sources)
    return Report(
        aliases=reports,
        mesh=snapshot.mesh,
        seconds=0.0,
        unread=(*snapshot.unread.values(), *((found.unread,) if found.unread else ())),
        notes=found.notes or (() if found.sources else (f"no pod to probe from; {HOW_TO_GET_SOURCES}",)),
        incomplete=wishes.probe and (not found.sources or gaps),
    )


def _question(alias: Alias, port: AliasPort, source: Source, snapshot: Snapshot, wishes: VerifyWishes) -> Question:
    spoken = contract(alias, port, source, snapshot)
    if spoken.served and spoken.originates and any(name.lower() == "host" for name, _ in wishes.headers):
        raise UsageError(f"--header Host would lead past the VirtualService that gives alias {alias.name} its TLS; "
                         "leave it out, or verify other aliases")  # fmt: skip
    asked = transfers(
        alias,
        port,
        spoken,
        path=wishes.path,
        method=wishes.method,
        headers=wishes.headers,
        want_body=bool(wishes.expect_body),
        cluster_domain=snapshot.cluster_domain,
    )
    return Question(alias, port, source, spoken, asked)


def _hosts_of_addresses(aliases: Sequence[Alias]) -> tuple[str, ...]:
    """Hosts whose addresses were written down by hand, and may have moved."""
    hosts = (alias.host for alias in aliases if isinstance(alias.target, AddressTarget) and alias.host)
    return tuple(dict.fromkeys(hosts))


def _outcomes(question: Question, replies: Replies) -> tuple[Outcome, ...]:
    return tuple(
        replies.outcomes[question.source.key, transfer.id]
        for transfer in question.transfers
        if (question.source.key, transfer.id) in replies.outcomes
    )


def _request(question: Question, replies: Replies) -> OutboundRequest:
    """The call of the alias as the sidecar saw it: where it went is what the probe says, else what the objects say."""
    call = question.transfers[0] if question.transfers else None
    answers = [o for o in _outcomes(question, replies) if isinstance(o, Answer) and o.remote_ip]
    dialled = next((answer.remote_ip for answer in answers if answer.transfer.purpose is Purpose.ALIAS), "")
    alias, port, spoken = question.alias, question.port, question.contract
    address = dialled or next(iter(alias.cluster_ips), "") or next(iter(getattr(alias.target, "addresses", ())), "")
    # An address that no listener can have stands for a name that was not resolved: only wildcard listeners match.
    address = address or "192.0.2.0"
    match spoken.scheme if spoken.served else Scheme.TCP:
        case Scheme.HTTP:
            given = next((value for name, value in (call.headers if call else ()) if name.lower() == "host"), "")
            host = given or (spoken.host if port.number == 80 else f"{spoken.host}:{port.number}")
            path, method = (call.path, call.method) if call else ("/", "GET")
            return OutboundRequest(RequestKind.HTTP, address, port.number, host=host, path=path, method=method)
        case Scheme.HTTPS:
            return OutboundRequest(RequestKind.TLS, address, port.number, sni=spoken.host)
        case Scheme.TCP:
            return OutboundRequest(RequestKind.TCP, address, port.number)


def _observation(
    question: Question, replies: Replies, proxies: Mapping[str, Proxy], snapshot: Snapshot, *, probed: bool
) -> Observation:
    source = question.source
    route: Route | RouteUnknown | None = None
    decision: RuleDecision | None = None
    if source.mode is MeshMode.SIDECAR:
        config = proxies[source.key].config
        route = config if isinstance(config, RouteUnknown) else route_of(config, _request(question, replies))
        if Fact.DESTINATION_RULES.partition(".")[0] not in snapshot.unread:
            decision = decision_for(question.alias, question.port.number, source, snapshot)
    outcomes = _outcomes(question, replies)
    if not probed:
        outcomes = tuple(NoAnswer(transfer, "not asked (--no-probe)") for transfer in question.transfers)
    return Observation(source, question.port, question.contract, outcomes, route, decision)


async def _with_access_logs(
    cluster: Cluster,
    questions: Sequence[Question],
    observations: list[Observation],
    proxies: Mapping[str, Proxy],
    snapshot: Snapshot,
    wishes: VerifyWishes,
) -> list[Observation]:
    """What failed behind a sidecar that keeps an access log, with its line of it."""
    failed = [
        index
        for index, (question, seen) in enumerate(zip(questions, observations, strict=True))
        if seen.source.mode is MeshMode.SIDECAR
        and proxies[seen.source.key].logs_access
        and seen.answer is not None
        and failure_of(seen, _case(question.alias, snapshot, [seen], wishes)) is not None
    ]
    logged = await read_access_logs(cluster, tuple({observations[index].source: None for index in failed}))
    for index in failed:
        seen = observations[index]
        line: AccessLogLine | None = None
        if seen.answer is not None:
            line = line_about(seen.answer, logged.get(seen.source.key, ()))
        observations[index] = replace(seen, access_log=line)
    return observations


def _case(alias: Alias, snapshot: Snapshot, observations: Sequence[Observation], wishes: VerifyWishes) -> Case:
    return Case(
        alias=alias,
        snapshot=snapshot,
        observations=tuple(observations),
        expect_status=wishes.expect_status,
        expect_body=wishes.expect_body,
        fresh=not _settled((alias,), Snapshot()),
    )


def _judged(case: Case) -> AliasReport:
    sources = tuple(SourceReport(observation, stages_of(observation, case)) for observation in case.observations)
    return AliasReport(
        alias=case.alias,
        tls=tls_summary(case),
        sources=sources,
        judgement=judge(case),
        first_difference=first_difference(sources),
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
    return {Fact.PROXY: Unread(Fact.PROXY, unknown[0].reason, "create pods/exec")}
