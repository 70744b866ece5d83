"""Following aliases: watches on their objects, looks from each source in turns, a verdict on every answer.

Each source is asked by a task of its own, so one that hangs holds nobody up. What happens is told as a LiveEvent to a
callback that must not block. Objects that change are asked about at once; a verdict on what changed a moment ago waits
until a push to the proxies must be over.
"""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import anyio
from anyio.abc import TaskGroup

from kubectl_extsvc.cluster.client import Cluster
from kubectl_extsvc.cluster.watch import Changed, Interrupted, Listed, WatchEvent
from kubectl_extsvc.errors import ApiError, ClusterError, ExtsvcError, cause_of
from kubectl_extsvc.mesh.aliases import aliases_in
from kubectl_extsvc.model.alias import Alias
from kubectl_extsvc.model.finding import Severity
from kubectl_extsvc.model.hostile_text import one_line
from kubectl_extsvc.model.live import Asked, Asking, Back, Judged, Known, LiveEvent, Lost, ObjectChanged
from kubectl_extsvc.model.observation import Observation, StageState
from kubectl_extsvc.model.report import AliasReport
from kubectl_extsvc.model.resources import (
    DESTINATION_RULES,
    ENDPOINT_SLICES,
    SERVICE_ENTRIES,
    SERVICES,
    SIDECARS,
    VIRTUAL_SERVICES,
    Json,
    ObjectRef,
    Resource,
)
from kubectl_extsvc.model.snapshot import Mesh, Snapshot
from kubectl_extsvc.model.source import Source
from kubectl_extsvc.operations.asking import EXECS_AT_ONCE, ProbeWishes
from kubectl_extsvc.operations.judging import judged
from kubectl_extsvc.operations.observing import look
from kubectl_extsvc.operations.reading import read_snapshot, read_surroundings, with_labels
from kubectl_extsvc.operations.settling import aliases_of
from kubectl_extsvc.operations.sourcing import Sources, SourceWishes, find_sources, probe_pods
from kubectl_extsvc.operations.ticks import may_matter, next_aliases, with_what_was_seen
from kubectl_extsvc.operations.verifying import PUSH_SECONDS

INTERVAL = 10.0
"""Seconds between two looks from one source."""
SHORTEST_INTERVAL = 1.0
DEBOUNCE_SECONDS = 0.3
"""Changes come in crowds: an alias is several objects."""
LOOK_AGAIN_SECONDS = 0.5
READ_AGAIN_SECONDS = 60.0
"""All objects and sources are read anew after that, whatever the watches say."""
SOURCES_AGAIN_SECONDS = 5.0
"""Least time between two searches for sources, where one is gone."""
FIRST_DELAY, LONGEST_DELAY = 1.0, 30.0
"""Seconds until a cluster that does not answer is asked again; doubled each time."""
LONGEST_LOOK = 90.0
"""Seconds until a look that hangs is given up."""
PROBE_PODS_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class LiveWishes:
    names: tuple[str, ...] = ()
    """Aliases to follow; empty: all of the namespace."""
    all_namespaces: bool = False
    selector: str = ""
    sources: SourceWishes = field(default_factory=SourceWishes)
    asked: ProbeWishes = field(default_factory=ProbeWishes)
    interval: float = INTERVAL


class Live:
    """Follows aliases while run() runs; the other methods say what a person wants, at once and without waiting."""

    def __init__(
        self, cluster: Cluster, wishes: LiveWishes, tell: Callable[[LiveEvent], None], say: Callable[[str], None]
    ) -> None:
        self.wishes = wishes
        self._cluster, self._tell, self._say = cluster, tell, say
        self._snapshot = Snapshot()
        self._mesh: Mesh | None = None
        self._aliases: dict[ObjectRef, Alias] = {}
        self._sources = Sources(())
        self._temporary: dict[str, Sources] = {}
        """Probe pods that were made, by namespace."""
        self._seen: dict[tuple[ObjectRef, str], tuple[float, tuple[Observation, ...]]] = {}
        """(alias, source key) → when it was asked, and what it saw."""
        self._told: dict[Source, Snapshot] = {}
        self._changed_at: dict[ObjectRef, float] = {}
        """When an object of the alias was last seen to change: older answers count no more."""
        self._failing: set[ObjectRef] = set()
        self._wanted: dict[str, set[ObjectRef]] = {}
        """Source key → aliases that somebody waits for."""
        self._wanted_at: dict[str, float] = {}
        """Source key → when those are asked about."""
        self._next_at: dict[str, float] = {}
        """Source key → when it is asked in its turn."""
        self._asked_now: set[str] = set()
        self._visible: tuple[ObjectRef, ...] = ()
        self._stale = anyio.Event()
        self._due = anyio.Event()
        self._sources_at = -math.inf
        self._lost = False
        self._group: TaskGroup | None = None
        self._watched: set[tuple[str, str | None]] = set()

    # --- what a person wants -------------------------------------------------------------------------------------

    def show(self, visible: Sequence[ObjectRef]) -> None:
        """Aliases that are on the screen, from the top: they are asked about first."""
        self._visible = tuple(visible)

    def probe_now(self, aliases: Iterable[ObjectRef] = ()) -> None:
        """Ask all sources at once about these aliases; none: about the next ones."""
        wanted = set(aliases)
        for source in self._all_sources():
            if wanted:
                self._want(source, wanted)
            else:
                self._next_at[source.key] = 0.0
        self._due.set()

    def _want(self, source: Source, aliases: Iterable[ObjectRef], after: float = 0.0) -> None:
        """Ask a source about these, without waiting for its turn but that many seconds."""
        self._wanted.setdefault(source.key, set()).update(aliases)
        self._wanted_at[source.key] = time.monotonic() + after
        self._due.set()

    def every(self, seconds: float) -> None:
        """Change the interval, from the next look on."""
        self.wishes = replace(self.wishes, interval=max(seconds, SHORTEST_INTERVAL))
        latest = time.monotonic() + self.wishes.interval
        self._next_at = {key: min(at, latest) for key, at in self._next_at.items()}
        self._due.set()

    def follow(self, *, all_namespaces: bool) -> None:
        """The aliases of all namespaces, or of the cluster's own."""
        self.wishes = replace(self.wishes, all_namespaces=all_namespaces)
        self._sources_at = -math.inf
        self.read_now()

    def choose_sources(self, wishes: SourceWishes) -> None:
        """Look from other pods from now on."""
        self.wishes = replace(self.wishes, sources=wishes)
        self._sources_at = -math.inf
        self.read_now()

    def make_probe_pods(self, namespace: str) -> None:
        """Make a throw-away pair in a namespace, and look from it until the end. Trouble is said."""
        if self._group is not None and namespace not in self._temporary:
            self._temporary[namespace] = Sources(())
            self._group.start_soon(self._hold_probe_pods, namespace)

    def read_now(self) -> None:
        """Read all objects anew; also where the cluster was lost, instead of waiting for the next try."""
        self._stale.set()

    # --- the task ------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Follow until cancelled. Trouble with the cluster is told as Lost and survived."""
        async with anyio.create_task_group() as group:
            self._group = group
            group.start_soon(self._keep_known)
            group.start_soon(self._keep_asking)

    async def _keep_known(self) -> None:
        delay = FIRST_DELAY
        while True:
            self._stale = anyio.Event()
            try:
                await self._read()
            except* ExtsvcError as errors:
                self._lose(str(cause_of(errors)), delay)
                with anyio.move_on_after(delay):
                    await self._stale.wait()
                delay = min(2 * delay, LONGEST_DELAY)
            else:
                delay = FIRST_DELAY
                with anyio.move_on_after(READ_AGAIN_SECONDS):
                    await self._stale.wait()
                    await anyio.sleep(DEBOUNCE_SECONDS)

    def _lose(self, reason: str, delay: float) -> None:
        self._lost = True
        now = time.time()
        self._tell(Lost(now, one_line(reason), now + delay))

    async def _read(self) -> None:
        """All objects and sources; and what was not judged before, or not by these objects, is due."""
        wishes, cluster = self.wishes, self._cluster
        namespace = None if wishes.all_namespaces else cluster.namespace
        snapshot = await read_snapshot(cluster, namespace, mesh=self._mesh, everywhere=True)
        self._mesh = snapshot.mesh
        found = aliases_in(snapshot, namespace)
        if wishes.names:
            found = tuple(alias for alias in found if alias.name in wishes.names)
        found = await with_labels(cluster, found, namespace, wishes.selector)
        namespaces = tuple(dict.fromkeys(alias.namespace for alias in found)) or (cluster.namespace,)
        await self._find_sources(namespaces, snapshot.mesh)
        sources = self._all_sources()
        snapshot = await read_surroundings(cluster, snapshot, found, sources)
        before = self._aliases
        self._aliases = {alias.service: alias for alias in found}
        self._snapshot = snapshot
        if self._lost:
            self._lost = False
            self._tell(Back(time.time()))
        self._tell(Known(time.time(), found, sources, snapshot, self._notes(sources)))
        self._watch(namespace, snapshot.mesh)
        changed = {ref for ref, alias in self._aliases.items() if before.get(ref) != alias} | set(self._changed_at)
        for source in sources:
            if source.key in self._next_at and changed:
                self._want(source, changed)
        self._due.set()
        for ref in () if sources else self._aliases:
            await self._judge(ref, None)

    async def _find_sources(self, namespaces: Sequence[str], mesh: Mesh) -> None:
        """The sources anew, if that is due."""
        now = time.monotonic()
        if now - self._sources_at >= READ_AGAIN_SECONDS or not self._sources.sources:
            self._sources_at = now
            self._sources = await find_sources(self._cluster, self.wishes.sources, namespaces, mesh=mesh.installed)
            there = {source.key for source in self._all_sources()}
            self._next_at = {key: at for key, at in self._next_at.items() if key in there}
            self._seen = {key: seen for key, seen in self._seen.items() if key[1] in there}
            self._told = {source: told for source, told in self._told.items() if source.key in there}

    def _all_sources(self) -> tuple[Source, ...]:
        more = (source for made in self._temporary.values() for source in made.sources)
        return tuple({source.key: source for source in (*self._sources.sources, *more)}.values())

    def _notes(self, sources: Sequence[Source]) -> tuple[str, ...]:
        notes = self._sources.notes if not self._temporary else ()
        return (*notes, *(note for made in self._temporary.values() for note in made.notes)) if sources else notes

    async def _hold_probe_pods(self, namespace: str) -> None:
        mesh = self._mesh is not None and self._mesh.installed
        image = self.wishes.sources.image
        try:
            async with probe_pods(
                self._cluster, namespace, image=image, mesh=mesh, timeout=PROBE_PODS_SECONDS, say=self._say
            ) as made:
                self._temporary[namespace] = made
                self.read_now()
                await anyio.sleep_forever()
        except* ExtsvcError as errors:
            self._say(str(cause_of(errors)))
        finally:
            self._temporary.pop(namespace, None)

    # --- watches -------------------------------------------------------------------------------------------------

    def _watch(self, namespace: str | None, mesh: Mesh) -> None:
        """A watch for each kind, once; a kind that may not be watched is read again after a while."""
        assert self._group is not None
        istio = (DESTINATION_RULES, VIRTUAL_SERVICES, SERVICE_ENTRIES, SIDECARS) if mesh.installed else ()
        wanted: list[tuple[Resource, str | None]] = [(SERVICES, namespace), (ENDPOINT_SLICES, namespace)]
        wanted += [(resource.at_version(mesh.api_version), None) for resource in istio]
        for resource, where in wanted:
            if (resource.plural, where) not in self._watched and (resource.plural, None) not in self._watched:
                self._watched.add((resource.plural, where))
                self._group.start_soon(self._keep_watching, resource, where)

    async def _keep_watching(self, resource: Resource, namespace: str | None) -> None:
        listed = False

        def on_event(event: WatchEvent) -> None:
            nonlocal listed
            match event:
                case Listed() if listed:
                    self._stale.set()
                case Listed():
                    listed = True
                case Changed(type=type_, object=obj):
                    self._note(_with_kind(obj, resource), type_)
                case Interrupted(reason=reason):
                    self._lose(reason, FIRST_DELAY)
                    self._stale.set()

        while True:
            try:
                await self._cluster.watch(resource, namespace, on_event)
            except ApiError as error:
                if error.code == 403 and namespace is None and not self.wishes.all_namespaces:
                    namespace = self._cluster.namespace
                    continue
                if error.code < 500 and error.code != 429:
                    return
            except ClusterError:
                pass
            await anyio.sleep(LONGEST_DELAY)

    def _note(self, obj: Json, type_: str) -> None:
        if not may_matter(obj, self._aliases.keys()):
            return
        about = aliases_of(obj, tuple(self._aliases.values()), self._snapshot)
        for ref in about:
            self._changed_at[ref] = time.time()
        ref = ObjectRef.of(obj)
        match type_:
            case "ADDED" | "MODIFIED" | "DELETED":
                self._tell(ObjectChanged(time.time(), type_, ref, frozenset(about)))
        self._stale.set()

    # --- looks ---------------------------------------------------------------------------------------------------

    async def _keep_asking(self) -> None:
        limit = anyio.CapacityLimiter(EXECS_AT_ONCE)
        async with anyio.create_task_group() as group:
            while True:
                self._due = anyio.Event()
                now = time.monotonic()
                waiting = [source for source in self._all_sources() if source.key not in self._asked_now]
                for source in waiting:
                    if self._aliases and self._due_at(source) <= now:
                        self._asked_now.add(source.key)
                        group.start_soon(self._ask, source, limit)
                times = [self._due_at(source) for source in waiting if source.key not in self._asked_now]
                with anyio.move_on_after(max(min(times) - now, 0.0) if times and self._aliases else None):
                    await self._due.wait()

    def _due_at(self, source: Source) -> float:
        return min(self._next_at.get(source.key, 0.0), self._wanted_at.get(source.key, math.inf))

    async def _ask(self, source: Source, limit: anyio.CapacityLimiter) -> None:
        begun, aliases = time.time(), self._next_aliases(source)
        if not aliases:  # those that were waited for are gone
            self._asked_now.discard(source.key)
            return
        refs = frozenset(alias.service for alias in aliases)
        self._tell(Asking(begun, source, refs))
        trouble = f"no answer within {LONGEST_LOOK:g} s"
        try:
            async with limit:
                with anyio.move_on_after(LONGEST_LOOK):
                    trouble = await self._look(source, aliases, begun)
        except* ExtsvcError as errors:
            trouble = str(cause_of(errors))
        finally:
            self._asked_now.discard(source.key)
        self._tell(Asked(time.time(), source, refs, time.time() - begun, one_line(trouble)))
        self._due.set()

    def _next_aliases(self, source: Source) -> tuple[Alias, ...]:
        """Of a source in its turn, as many as go; else those that somebody waits for."""
        now, wanted = time.monotonic(), self._wanted.pop(source.key, set[ObjectRef]())
        self._wanted_at.pop(source.key, None)
        if self._next_at.get(source.key, 0.0) > now:
            return tuple(self._aliases[ref] for ref in self._aliases if ref in wanted)
        self._next_at[source.key] = now + self.wishes.interval
        asked_at = {ref: at for (ref, key), (at, _) in self._seen.items() if key == source.key}
        refs = next_aliases(
            tuple(self._aliases), wanted=wanted, visible=self._visible, failing=self._failing, asked_at=asked_at
        )
        return tuple(self._aliases[ref] for ref in refs)

    async def _look(self, source: Source, aliases: Sequence[Alias], begun: float) -> str:
        """Ask a source, and judge each alias by what is known then; gives what kept the source from answering."""
        seen = await look(self._cluster, self.wishes.asked, self._snapshot, aliases, (source,), surroundings=False)
        self._told[source] = seen.snapshot
        for alias in aliases:
            self._seen[alias.service, source.key] = (begun, seen.observations.get(alias.service, ()))
        for alias in aliases:
            if self._aliases.get(alias.service) == alias:
                await self._judge(alias.service, source)
        silent = [one.unanswered for observations in seen.observations.values() for one in observations]
        if not silent or silent[0] is None or not all(silent):
            return ""
        if not silent[0].unlock and time.monotonic() - self._sources_at > SOURCES_AGAIN_SECONDS:
            # No right or tool is missing: the pod may be gone, and another one there.
            self._sources_at = -math.inf
            self._stale.set()
        return silent[0].reason

    async def _judge(self, ref: ObjectRef, source: Source | None) -> None:
        """Tell the verdict on an alias, unless it is bad and its objects changed a moment ago: then look again."""
        alias, changed_at = self._aliases[ref], self._changed_at.get(ref, 0.0)
        order = [each.key for each in self._all_sources()]
        counted = [self._seen[ref, key] for key in order if (ref, key) in self._seen]
        observations = [one for at, seen in counted if at >= changed_at for one in seen if one.port in alias.ports]
        snapshot = with_what_was_seen(self._snapshot, self._told)
        looked_at = datetime.fromtimestamp(min((at for at, _ in counted), default=time.time()), UTC)
        report = judged(alias, snapshot, observations, self.wishes.asked, looked_at)
        # Each verdict is some milliseconds of work: keys are heard between two.
        await anyio.lowlevel.checkpoint()
        if source is not None and time.time() - changed_at < PUSH_SECONDS:
            self._want(source, (ref,), LOOK_AGAIN_SECONDS)
            if _is_bad(report):
                return
        else:
            self._changed_at.pop(ref, None)
        (self._failing.add if _is_bad(report) else self._failing.discard)(ref)
        self._tell(Judged(time.time(), report, source))


def _is_bad(report: AliasReport) -> bool:
    return any(finding.severity is not Severity.INFO for finding in report.findings) or any(
        result.state in (StageState.FAILED, StageState.PENDING) for source in report.sources for result in source.stages
    )


def _with_kind(obj: Json, resource: Resource) -> Json:
    """The object with apiVersion and kind, which a watch may leave out."""
    return {"apiVersion": resource.api_version, "kind": resource.kind, **obj}
