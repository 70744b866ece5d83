"""create --wait: until the name resolves for every source, and its proxy holds our objects."""

from collections.abc import Callable

import anyio

from kubectl_extsvc.cluster.client import Cluster
from kubectl_extsvc.errors import TimedOut
from kubectl_extsvc.model.alias import Form, Intent
from kubectl_extsvc.model.observation import Observation, Stage, StageState
from kubectl_extsvc.model.report import Report, SourceReport
from kubectl_extsvc.model.route import Route
from kubectl_extsvc.model.snapshot import Mesh
from kubectl_extsvc.model.source import MeshMode
from kubectl_extsvc.operations.observing import observe
from kubectl_extsvc.operations.reading import read_snapshot
from kubectl_extsvc.operations.sourcing import find_sources
from kubectl_extsvc.operations.verifying import named_alias
from kubectl_extsvc.operations.wishes import ProbeWishes, SourceWishes

POLL_SECONDS = 0.3


async def wait_until_known(
    cluster: Cluster, intent: Intent, mesh: Mesh, seconds: float, say: Callable[[str], None]
) -> None:
    """Look from the default sources until all is there. Raises TimedOut, with what is still missing."""
    missing = ["no source could be looked from"]
    with anyio.move_on_after(seconds):
        sources = await find_sources(cluster, SourceWishes(), (intent.namespace,), mesh=mesh.installed)
        if not sources.sources:
            say(f"nothing to wait with: {'; '.join(sources.notes)}")
            return
        while True:
            snapshot = await read_snapshot(cluster, intent.namespace, mesh=mesh)
            alias = named_alias(snapshot, intent.namespace, intent.name)
            report = await observe(cluster, ProbeWishes(), snapshot, (alias,), sources, surroundings=False)
            missing = what_is_missing(report, intent)
            if not missing:
                return
            await anyio.sleep(POLL_SECONDS)
    raise TimedOut(f"alias {intent.name} was created, but within the time limit {'; '.join(missing)}")


def what_is_missing(report: Report, intent: Intent) -> list[str]:
    """What each source does not have yet, a phrase each."""
    return [
        f"{phrase} pod/{source.observation.source.pod}"
        for alias in report.aliases
        for source in alias.sources
        if (phrase := _missing_at(source, intent))
    ]


def _missing_at(source: SourceReport, intent: Intent) -> str:
    states = {result.stage: result.state for result in source.stages}
    # A source that is not served is asked for the name alone; its stage is OK once the name is known.
    if states[Stage.NAME] in (StageState.PENDING, StageState.FAILED, StageState.NOT_SERVED):
        return "the name does not resolve in"
    if states[Stage.DNS] in (StageState.PENDING, StageState.FAILED):
        return "the name still leads to another address in"
    seen = source.observation
    if seen.source.mode is MeshMode.SIDECAR and intent.mesh and not _has_our_rule(seen, intent):
        return "our rule has not reached the sidecar of"
    return ""


def _has_our_rule(seen: Observation, intent: Intent) -> bool:
    """Its route leads to a cluster that our DestinationRule made, or no rule of ours is meant to apply."""
    if intent.form is Form.EXTERNAL_NAME and not seen.port.protocol.is_http:
        return True  # passes through
    if seen.decision is not None and (seen.decision.rule is None or seen.decision.rule.name != intent.name):
        return True
    if not isinstance(seen.route, Route) or not seen.route.observed:
        return True
    return seen.route.rule is not None and seen.route.rule.name == intent.name and not seen.route.cluster_warming
