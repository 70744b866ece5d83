"""What dialogs do to the cluster: the same operations as the command line's, with answers as values."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from kubectl_extsvc.cluster.client import Cluster
from kubectl_extsvc.errors import ExtsvcError, Refused, cause_of
from kubectl_extsvc.model.finding import Finding
from kubectl_extsvc.model.plan import Change, Plan
from kubectl_extsvc.model.report import AliasReport
from kubectl_extsvc.model.resources import ObjectRef
from kubectl_extsvc.model.snapshot import Mesh, Snapshot
from kubectl_extsvc.model.source import Candidate, Source
from kubectl_extsvc.operations.creating import Created, CreateWishes, Draft, create, read_mesh_with_version
from kubectl_extsvc.operations.deleting import DeleteWishes, carry_out_deletion
from kubectl_extsvc.operations.ephemeral import Consent, with_probe_containers
from kubectl_extsvc.operations.finding import plan_deletion
from kubectl_extsvc.operations.fixing import Kept, PlannedFix, Ready, WishesOf, carry_out_fix, prepare_fix
from kubectl_extsvc.operations.living import PROBE_PODS_SECONDS, Live
from kubectl_extsvc.operations.sourcing import candidates, find_sources

GONE_SECONDS = 60.0
"""Until waiting for what was deleted is given up."""

T = TypeVar("T")


class Deeds:
    """Of one connection. Each raises ExtsvcErrors, alone or in groups: answer_of() makes values of them."""

    def __init__(self, cluster: Cluster, live: Live, wishes_of: WishesOf) -> None:
        self.cluster, self.live, self.wishes_of = cluster, live, wishes_of

    async def prepare_fix(
        self, report: AliasReport, finding: Finding, snapshot: Snapshot, say: Callable[[str], None]
    ) -> Kept | Ready:
        cluster = self.cluster.within(report.alias.namespace)
        return await prepare_fix(cluster, report, finding, snapshot, self.wishes_of, say)

    async def carry_out_fix(
        self, planned: PlannedFix, done: Callable[[Change], None], say: Callable[[str], None]
    ) -> None:
        await carry_out_fix(self.cluster.within(planned.alias.namespace), planned, done, say)

    async def plan_deletion(self, alias: ObjectRef) -> Plan:
        names = (alias.name,)
        cluster = self.cluster.within(alias.namespace)
        return await plan_deletion(cluster, names, selector="", every=False, ignore_not_found=False)

    async def carry_out_deletion(self, alias: ObjectRef, plan: Plan, done: Callable[[Change], None]) -> None:
        wishes = DeleteWishes(dry_run="none", wait=True, timeout=GONE_SECONDS)
        await carry_out_deletion(self.cluster.within(alias.namespace), plan, wishes, done)

    async def candidates(self, namespaces: Sequence[str]) -> tuple[Candidate, ...]:
        return await candidates(self.cluster, namespaces)

    async def probe_container(self, pick: Candidate, consent: Consent, say: Callable[[str], None]) -> Source | None:
        """A picked pod by an ephemeral container of ours; None, and said, where none is wanted or needed."""
        wishes = replace(self.live.wishes.sources, picked=(pick,))
        found = await find_sources(self.cluster, wishes, (pick.namespace,), mesh=False)
        if not found.sources:
            raise Refused(found.notes[0])
        asked = False

        async def noting(question: str) -> bool:
            nonlocal asked
            asked = True
            return await consent(question)

        (source,) = await with_probe_containers(
            self.cluster, found.sources, image=wishes.image, timeout=PROBE_PODS_SECONDS, consent=noting, say=say
        )
        if source not in found.sources:
            return source
        if not asked:
            say(f"{source.pod} gets no container: it has curl or python3 itself, or no command may be run in it")
        return None

    async def mesh(self) -> Mesh:
        """With Istio's version, where the objects of an alias depend on it."""
        return await read_mesh_with_version(self.cluster)

    async def create(self, namespace: str, wishes: CreateWishes, draft: Draft, say: Callable[[str], None]) -> Created:
        return await create(self.cluster.within(namespace), wishes, draft, say)


async def answer_of(work: Awaitable[T]) -> T | ExtsvcError:
    """What it gives, or the one error to tell of."""
    found: T | ExtsvcError
    try:
        found = await work
    except* ExtsvcError as errors:
        cause = cause_of(errors)
        assert isinstance(cause, ExtsvcError)
        found = cause
    return found
