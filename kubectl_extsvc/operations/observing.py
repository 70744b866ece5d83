"""One look at the aliases from all sources."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import anyio

from kubectl_extsvc.cluster.client import Cluster
from kubectl_extsvc.errors import UsageError
from kubectl_extsvc.mesh.contracts import contract
from kubectl_extsvc.model.alias import Alias, AliasPort
from kubectl_extsvc.model.report import Report
from kubectl_extsvc.model.snapshot import Snapshot
from kubectl_extsvc.model.source import MeshMode, Source
from kubectl_extsvc.operations.asking import Question, Replies, ask_all
from kubectl_extsvc.operations.proxies import Proxy, complete, outbound_request, read_proxies
from kubectl_extsvc.operations.reading import read_surroundings
from kubectl_extsvc.operations.sourcing import Sources
from kubectl_extsvc.operations.wishes import ProbeWishes
from kubectl_extsvc.probes.batch import Limits
from kubectl_extsvc.probes.questions import names_asked, transfers

if TYPE_CHECKING:
    from kubectl_extsvc.operations.judging import Seen

LET_THE_PODS_WORK = 0.03
"""Seconds until all execs are under way; what they take then is time to load the judges in."""


async def observe(
    cluster: Cluster,
    wishes: ProbeWishes,
    snapshot: Snapshot,
    aliases: Sequence[Alias],
    found: Sources,
    *,
    surroundings: bool = True,
) -> Report:
    """Ask everything once, and judge. Without surroundings the evidence of read_surroundings is left out."""
    seen = await look(cluster, wishes, snapshot, aliases, found.sources, surroundings=surroundings)
    from kubectl_extsvc.operations.judging import report_on

    return report_on(seen, aliases, found, wishes)


async def look(
    cluster: Cluster,
    wishes: ProbeWishes,
    snapshot: Snapshot,
    aliases: Sequence[Alias],
    sources: Sequence[Source],
    *,
    surroundings: bool = True,
) -> "Seen":
    """Ask everything once, from all sources at the same time."""
    looked_at = datetime.now(UTC)
    questions = tuple(
        _question(alias, port, source, snapshot, wishes)
        for alias in aliases
        for port in alias.ports
        for source in sources
    )
    sidecars = [source for source in sources if source.mode is MeshMode.SIDECAR]
    replies, proxies, surrounded = Replies(), dict[str, Proxy](), snapshot

    async def probe() -> None:
        nonlocal replies
        by_source = {
            source: tuple(t for question in questions if question.source == source for t in question.transfers)
            for source in sources
        }
        replies = await ask_all(
            cluster, by_source, names_asked(aliases, snapshot.cluster_domain), Limits(wishes.timeout)
        )

    async def read() -> None:
        nonlocal proxies
        proxies = await read_proxies(cluster, sidecars, aliases, snapshot)

    async def look_around() -> None:
        nonlocal surrounded
        surrounded = await read_surroundings(cluster, snapshot, aliases, sources)

    async with anyio.create_task_group() as group:
        if wishes.probe:
            group.start_soon(probe)
        group.start_soon(read)
        if surroundings:
            group.start_soon(look_around)
        await anyio.sleep(LET_THE_PODS_WORK)
        # Here and not above: the judges and their rules are loaded while we would only wait.
        from kubectl_extsvc.operations.judging import seen_in

    for source in sidecars:
        requests = [outbound_request(q, replies.to(q)) for q in questions if q.source == source]
        proxies[source.key] = await complete(cluster, source, proxies[source.key], requests)
    return await seen_in(cluster, wishes, surrounded, questions, replies, proxies, looked_at)


def _question(alias: Alias, port: AliasPort, source: Source, snapshot: Snapshot, wishes: ProbeWishes) -> Question:
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
