"""verify: look, and look again as long as what is wrong may only be young.

Reads run at once; then, at once again, one exec of questions in each source, one of configuration in each sidecar, and
one lookup of the outside names. Execs grow with sources and reads with kinds, neither with aliases.
"""

import math
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime

import anyio

from kubectl_extsvc.cluster.client import Cluster
from kubectl_extsvc.errors import ApiError, Refused, TimedOut
from kubectl_extsvc.mesh.aliases import NotAnAlias, aliases_in, find_alias
from kubectl_extsvc.model.alias import Alias
from kubectl_extsvc.model.finding import Severity
from kubectl_extsvc.model.observation import Stage, StageState
from kubectl_extsvc.model.report import Report
from kubectl_extsvc.model.snapshot import Snapshot
from kubectl_extsvc.operations.ephemeral import Consent, with_probe_containers
from kubectl_extsvc.operations.observing import observe
from kubectl_extsvc.operations.reading import read_snapshot, with_labels
from kubectl_extsvc.operations.settling import SETTLING_SECONDS, is_young
from kubectl_extsvc.operations.sourcing import find_sources, probe_pods
from kubectl_extsvc.operations.wishes import VerifyWishes
from kubectl_extsvc.probes.questions import SAFE_METHODS

PUSH_SECONDS = 2.0
"""For how long the same findings must be seen of young objects: a push to the proxies takes 0.2 to 0.7 s."""
LOOK_AGAIN_SECONDS = 0.5
PROBE_PODS_SECONDS = 60.0
PROBE_PODS_SHARE = 0.8
"""Of the time of the whole command."""


async def nobody_to_ask(question: str) -> bool:
    raise Refused(f"{question} There is nobody to ask, so nothing was changed")


async def verify(
    cluster: Cluster,
    wishes: VerifyWishes,
    say: Callable[[str], None],
    seconds: float = math.inf,
    consent: Consent = nobody_to_ask,
) -> Report:
    """The report on the aliases that were asked for; the last one, if something young is still settling at the end.

    consent is asked before anything is added to a pod; the time until its answer does not count.
    Raises ApiError (NotFound) if an alias is not there, TimedOut if the time was too short for any report.
    """
    begun = time.monotonic()
    report: Report | None = None

    def take(seen: Report) -> None:
        nonlocal report
        report = replace(seen, seconds=round(time.monotonic() - begun, 3))

    with anyio.move_on_after(seconds) as scope:

        async def untimed(question: str) -> bool:
            left, scope.deadline = scope.deadline - anyio.current_time(), math.inf
            try:
                return await consent(question)
            finally:
                scope.deadline = anyio.current_time() + left

        await _look_until_settled(cluster, wishes, say, seconds, take, untimed)
    if report is None:
        raise TimedOut(f"verify did not end within {seconds:g} s; use --timeout to give it more")
    return report


async def _look_until_settled(
    cluster: Cluster,
    wishes: VerifyWishes,
    say: Callable[[str], None],
    seconds: float,
    take: Callable[[Report], None],
    consent: Consent,
) -> None:
    """Give each report to take: the first, and others as long as what is wrong may only be young."""
    namespace = None if wishes.all_namespaces else cluster.namespace
    snapshot = await read_snapshot(cluster, namespace, everywhere=True)
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
        if wishes.sources.ephemeral:
            timeout = min(PROBE_PODS_SECONDS, seconds * PROBE_PODS_SHARE)
            image = wishes.sources.image
            with_tools = await with_probe_containers(
                cluster, sources.sources, image=image, timeout=timeout, consent=consent, say=say
            )
            sources = replace(sources, sources=with_tools)
        begun = time.monotonic()
        if wishes.just_changed:
            # At once, half of what is seen could be of before the push.
            await anyio.sleep(PUSH_SECONDS)
        seen, seen_since = frozenset[tuple[str, Stage]](), begun
        while True:
            looked_at = datetime.now(UTC)
            report = await observe(cluster, wishes.asked, snapshot, aliases, sources)
            take(report)
            now, found_now = time.monotonic(), _what_is_wrong(report)
            if found_now != seen:
                seen, seen_since = found_now, now
            # DNS answers are cached for 5 to 30 s, so what is wrong with a name may last longer than a push.
            of_names = any(stage in (Stage.NAME, Stage.DNS) for _, stage in found_now)
            lasting = now - seen_since >= PUSH_SECONDS and not of_names
            young = is_young(aliases, looked_at, snapshot) or (wishes.just_changed and now - begun < SETTLING_SECONDS)
            if ("XS0303", Stage.ROUTE) in found_now and now - begun < SETTLING_SECONDS:
                # An old object may have been changed a moment ago: only what lasts is no push on its way.
                young = young or now - seen_since < PUSH_SECONDS
            if not found_now or lasting or wishes.asked.method not in SAFE_METHODS or not young:
                return
            await anyio.sleep(LOOK_AGAIN_SECONDS)
            snapshot = await read_snapshot(cluster, namespace, mesh=snapshot.mesh, everywhere=True)
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
