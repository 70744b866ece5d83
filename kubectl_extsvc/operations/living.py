"""Following aliases: watches on their objects, looks from each source in turns, a verdict on every answer.

Each source is asked by a task of its own, so one that hangs holds nobody up. What happens is told as a LiveEvent to a
callback that must not block. Objects that change are asked about at once; a verdict on what changed a moment ago waits
until a push to the proxies must be over.
"""

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import anyio
from anyio.abc import TaskGroup

from kubectl_extsvc.cluster.client import Cluster
from kubectl_extsvc.cluster.watch import Changed, Interrupted, Listed, WatchEvent
from kubectl_extsvc.errors import ApiError, ExtsvcError, Refused, TimedOut, cause_of
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
from kubectl_extsvc.operations.asking import EXECS_AT_ONCE
from kubectl_extsvc.operations.ephemeral import Consent, still_running, with_probe_containers
from kubectl_extsvc.operations.judging import judged
from kubectl_extsvc.operations.noticing import Change, Noticed, about, may_matter
from kubectl_extsvc.operations.observing import look
from kubectl_extsvc.operations.reading import NO_SELECTORS, read_snapshot, read_surroundings, with_labels
from kubectl_extsvc.operations.settling import is_young
from kubectl_extsvc.operations.sourcing import Sources, find_sources, probe_pods
from kubectl_extsvc.operations.ticks import HOLD_SECONDS, Turn, can_be_told, told, with_what_was_told
from kubectl_extsvc.operations.verifying import PUSH_SECONDS, nobody_to_ask
from kubectl_extsvc.operations.wishes import LiveWishes, SourceWishes
from kubectl_extsvc.plans.probe_pods import LIFETIME_SECONDS

SHORTEST_INTERVAL = 1.0
DEBOUNCE_SECONDS = 0.3
"""Changes come in crowds: an alias is several objects."""
SHARE_OF_READING = 0.25
"""Of the time, at most, however much changes in the cluster."""
LOOK_AGAIN_SECONDS = 0.5
READ_AGAIN_SECONDS = 60.0
"""All objects and sources are read anew after that, whatever the watches say."""
UNWATCHED_AGAIN_SECONDS = 15.0
"""The same where something may not be watched, or there is no source."""
LONGEST_READ = 45.0
SOURCES_AGAIN_SECONDS = 5.0
"""Least time between two searches for sources, where one is gone."""
FIRST_DELAY, LONGEST_DELAY = 1.0, 30.0
"""Seconds until a cluster that does not answer is asked again; doubled each time."""
WATCH_AGAIN_SECONDS = 5.0
"""After a watch could not even begin."""
SLOW_SECONDS = 3.0
"""A look that takes that much longer than one call may is slow: nothing waits for it any more."""
LONGEST_LOOK = 90.0
"""Seconds until a look that hangs is given up."""
PROBE_PODS_SECONDS = 60.0


class Live:
    """Follows aliases while run() runs; the other methods say what a person wants, at once and without waiting."""

    def __init__(
        self,
        cluster: Cluster,
        wishes: LiveWishes,
        tell: Callable[[LiveEvent], None],
        say: Callable[[str], None],
        consent: Consent = nobody_to_ask,
    ) -> None:
        """consent is asked before anything is added to a pod, beside all that goes on."""
        self.wishes = wishes
        self._cluster, self._tell, self._say, self._consent = cluster, tell, say, consent
        self._group: TaskGroup | None = None
        # What there is.
        self._snapshot = Snapshot()
        self._mesh: Mesh | None = None
        self._aliases: dict[ObjectRef, Alias] = {}
        self._sources = Sources(())
        self._sources_at = -math.inf
        """When they were searched for last."""
        self._sources_due = True
        self._temporary: dict[str, Sources] = {}
        """Probe pods that were made, by namespace."""
        self._through: dict[str, Source] = {}
        """By source key: the same pod, looked from by an ephemeral container of ours."""
        self._offered: set[str] = set()
        """Keys of the sources that were asked about, for such a container."""
        self._noticed = Noticed()
        self._scope: tuple[bool, bool] | None = None
        """Of the last read: of which namespaces aliases were wanted, and objects were had. None: there was none."""
        self._narrowed = ""
        """Why only one namespace is read though all were wished for."""
        self._lost = False
        # What was seen of it. Times are of time.monotonic().
        self._seen: dict[tuple[ObjectRef, str], tuple[float, tuple[Observation, ...]]] = {}
        """(alias, source key) → when it was asked, and what it saw."""
        self._told: dict[Source, Snapshot] = {}
        self._judged_by = (self._snapshot, self._snapshot)
        """The objects, and the same with what sources told: what verdicts are made of."""
        self._silent_since: dict[str, float] = {}
        """Key of each source whose last looks got no answer at all → when the first of them was."""
        self._failing: set[ObjectRef] = set()
        self._unsettled: dict[ObjectRef, float] = {}
        """When an object of the alias was seen to change, if there was no verdict since."""
        self._void_before: dict[ObjectRef, float] = {}
        """Looks that began before that saw the alias as it was."""
        self._unread: set[ObjectRef] = set()
        """Aliases of which objects have changed since they were read."""
        # Whom to ask next.
        self._turns: dict[str, Turn] = {}
        self._asking: dict[str, float] = {}
        """Key of each source that is being asked → since when."""
        self._visible: tuple[ObjectRef, ...] = ()
        self._due = anyio.Event()
        self._stale = anyio.Event()
        self._watches: dict[tuple[str, str | None], anyio.CancelScope] = {}
        self._unwatched: set[str] = set()
        """Kinds that may not be watched."""

    # --- what a person wants -------------------------------------------------------------------------------------

    def show(self, visible: Sequence[ObjectRef]) -> None:
        """Aliases that are on the screen, from the top: they are asked about first."""
        self._visible = tuple(visible)

    def probe_now(self, aliases: Iterable[ObjectRef] = ()) -> None:
        """Ask all sources at once about these aliases; none: about the next ones."""
        now, wanted = time.monotonic(), tuple(aliases)
        for source in self._all_sources():
            turn = self._turn(source)
            if wanted:
                turn.want(wanted, now)
            else:
                turn.next_at = now
        self._due.set()
        if self._lost:
            self.read_now()

    def every(self, seconds: float) -> None:
        """Change the interval, from the next look on."""
        self.wishes = replace(self.wishes, interval=max(seconds, SHORTEST_INTERVAL))
        latest = time.monotonic() + self.wishes.interval
        for turn in self._turns.values():
            turn.next_at = min(turn.next_at, latest)
        self._due.set()

    def follow(self, *, all_namespaces: bool) -> None:
        """The aliases of all namespaces, or of the cluster's own."""
        self.wishes = replace(self.wishes, all_namespaces=all_namespaces)
        self._sources_due = True
        self.read_now()

    def follow_also(self, name: str) -> None:
        """An alias that was made just now, where only some are followed."""
        if self.wishes.names and name not in self.wishes.names:
            self.wishes = replace(self.wishes, names=(*self.wishes.names, name))
        self.read_now()

    def choose_sources(self, wishes: SourceWishes) -> None:
        """Look from other pods from now on."""
        self.wishes = replace(self.wishes, sources=wishes)
        self._sources_due = True
        self.read_now()

    def look_through(self, source: Source) -> None:
        """Look from a source's pod by this container of it, as long as that runs."""
        self._through[source.key] = source
        self._turn(source).want(self._aliases, time.monotonic())
        self.read_now()

    def make_probe_pods(self, namespace: str) -> None:
        """Make a throw-away pair in a namespace, and look from it until the end. Trouble is said."""
        if self._group is not None and namespace not in self._temporary:
            self._temporary[namespace] = Sources(())
            self._group.start_soon(self._hold_probe_pods, namespace)

    def read_now(self) -> None:
        """Read all objects anew; also where the cluster was lost, instead of waiting for the next try."""
        self._stale.set()

    # --- what there is -------------------------------------------------------------------------------------------

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
            begun = time.monotonic()
            try:
                with anyio.move_on_after(LONGEST_READ) as limit:
                    await self._read()
                if limit.cancelled_caught:
                    raise TimedOut(f"the cluster did not answer within {LONGEST_READ:g} s")
            except* ExtsvcError as errors:
                self._lost = True
                now = time.time()
                self._tell(Lost(now, one_line(str(cause_of(errors))), now + delay))
                with anyio.move_on_after(delay):
                    await self._stale.wait()
                    await anyio.sleep(DEBOUNCE_SECONDS)
                delay = min(2 * delay, LONGEST_DELAY)
            else:
                delay = FIRST_DELAY
                spent = time.monotonic() - begun
                with anyio.move_on_after(self._read_again_seconds()):
                    await self._stale.wait()
                    await anyio.sleep(max(DEBOUNCE_SECONDS, spent / SHARE_OF_READING - spent))

    def _read_again_seconds(self) -> float:
        everything = not self._unwatched and bool(self._all_sources())
        return READ_AGAIN_SECONDS if everything else UNWATCHED_AGAIN_SECONDS

    async def _read(self) -> None:
        """All objects and sources; what has changed is due to be asked about."""
        wishes, cluster, begun = self.wishes, self._cluster, time.monotonic()
        namespace = None if wishes.all_namespaces else cluster.namespace
        snapshot = await self._read_objects(namespace)
        if self._narrowed:
            namespace = cluster.namespace
        self._mesh = snapshot.mesh
        found = aliases_in(snapshot, namespace)
        if wishes.names:
            found = tuple(alias for alias in found if alias.name in wishes.names)
        found = await with_labels(cluster, found, namespace, wishes.selector)
        await self._find_sources(found, snapshot.mesh)
        sources = self._all_sources()
        snapshot = await read_surroundings(cluster, snapshot, found, sources)

        self._note_read(snapshot, found, (wishes.all_namespaces, snapshot.all_namespaces), begun)
        self._prune()
        if self._lost:
            self._lost = False
            self._tell(Back(time.time()))
            for scope in self._watches.values():
                scope.cancel()  # each begins anew at once, instead of after its own delay
        self._tell(Known(time.time(), found, sources, snapshot, self._notes()))
        self._watch(namespace, snapshot.mesh)
        self._due.set()
        for ref in () if sources else tuple(self._aliases):
            await self._judge(ref, None)

    async def _read_objects(self, namespace: str | None) -> Snapshot:
        """Those of one namespace where not all may be listed, which is noted."""
        self._narrowed = ""
        try:
            return await read_snapshot(self._cluster, namespace, mesh=self._mesh, everywhere=True)
        except* ApiError as errors:
            error = cause_of(errors)
            if namespace is not None or not isinstance(error, ApiError) or error.code != 403:
                raise
            self._narrowed = f"only namespace {self._cluster.namespace} is shown: {one_line(str(error))}"
        return await read_snapshot(self._cluster, self._cluster.namespace, mesh=self._mesh, everywhere=True)

    def _note_read(self, snapshot: Snapshot, found: Sequence[Alias], scope: tuple[bool, bool], begun: float) -> None:
        """Take over what was read, and ask about what is new in it."""
        same_scope, now, before = self._scope == scope, time.monotonic(), self._aliases
        if not same_scope:
            self._noticed.forget()
        for change in self._noticed.read(snapshot, begun):
            if same_scope:
                self._note(change, begun)
        self._scope = scope
        self._aliases = {alias.service: alias for alias in found}
        self._snapshot = snapshot
        for ref, alias in self._aliases.items():
            if ref not in before and (same_scope or is_young((alias,), datetime.now(UTC), snapshot)):
                self._unsettled[ref] = now
        new = {ref for ref in self._aliases if ref not in before}
        changed = {ref for ref in self._unread if self._unsettled.get(ref, begun) <= begun}
        self._unread -= changed
        for ref in new | changed:
            # Only looks that begin now know the objects as they are.
            self._void_before[ref] = now
        for source in self._all_sources():
            self._turn(source).want(new | changed, now)

    def _prune(self) -> None:
        """Forget what was about aliases and sources that are gone."""
        there = {source.key for source in self._all_sources()}
        self._turns = {key: turn for key, turn in self._turns.items() if key in there}
        self._told = {source: seen for source, seen in self._told.items() if source.key in there}
        self._silent_since = {key: at for key, at in self._silent_since.items() if key in there}
        self._seen = {key: seen for key, seen in self._seen.items() if key[0] in self._aliases and key[1] in there}
        self._failing &= self._aliases.keys()
        self._unsettled = {ref: at for ref, at in self._unsettled.items() if ref in self._aliases}
        self._void_before = {ref: at for ref, at in self._void_before.items() if ref in self._aliases}
        self._unread &= self._aliases.keys()

    async def _find_sources(self, aliases: Sequence[Alias], mesh: Mesh) -> None:
        """The sources anew, if that is due. What keeps them from being found is a note; aliases are there all the same.

        Raises ClusterError if the cluster is in trouble.
        """
        wishes, now = self.wishes.sources, time.monotonic()
        namespaces = tuple(dict.fromkeys(alias.namespace for alias in aliases)) or (self._cluster.namespace,)
        if wishes.probe_pods:
            self._sources = Sources(())
            if self._scope is None:
                self.make_probe_pods(namespaces[0])
            return
        if now - self._sources_at < READ_AGAIN_SECONDS and self._sources.sources and not self._sources_due:
            return
        self._sources_due = False
        try:
            self._sources = await find_sources(self._cluster, wishes, namespaces, mesh=mesh.installed)
        except* (ApiError, Refused) as errors:
            error = cause_of(errors)
            if isinstance(error, ApiError) and error.code not in (400, 403, 404):
                raise
            self._sources = Sources((), (one_line(f"no source: {error}"),))
        self._sources_at = now
        await self._find_containers()

    async def _find_containers(self) -> None:
        """Those of ours that still run; and with --ephemeral, the question about sources that are new."""
        ours = tuple(self._through.values())
        ended = {source.key for source in ours} - {source.key for source in await still_running(self._cluster, ours)}
        self._through = {key: source for key, source in self._through.items() if key not in ended}
        self._offered -= ended
        new = [source for source in self._sources.sources if source.key not in self._offered | self._through.keys()]
        if self.wishes.sources.ephemeral and new and self._group is not None:
            self._offered |= {source.key for source in new}
            self._group.start_soon(self._offer_containers, new)

    async def _offer_containers(self, sources: Sequence[Source]) -> None:
        try:
            found = await with_probe_containers(
                self._cluster,
                sources,
                image=self.wishes.sources.image,
                timeout=PROBE_PODS_SECONDS,
                consent=self._consent,
                say=self._say,
            )
        except* ExtsvcError as errors:
            self._say(str(cause_of(errors)))
        else:
            for source in found:
                if source not in sources:
                    self.look_through(source)

    def _all_sources(self) -> tuple[Source, ...]:
        more = (source for made in self._temporary.values() for source in made.sources)
        by_key = {source.key: source for source in (*self._sources.sources, *more)}
        return tuple(self._through.get(key, source) for key, source in by_key.items())

    def _notes(self) -> tuple[str, ...]:
        """With probe pods there is nothing missing that more of them would bring."""
        made = tuple(made for made in self._temporary.values() if made.sources)
        missing = tuple(note for each in made or (self._sources,) for note in each.notes)
        return (self._narrowed, *missing) if self._narrowed else missing

    async def _hold_probe_pods(self, namespace: str) -> None:
        mesh = self._mesh is not None and self._mesh.installed
        image = self.wishes.sources.image
        try:
            while True:  # the pods end by themselves after a while
                async with probe_pods(
                    self._cluster, namespace, image=image, mesh=mesh, timeout=PROBE_PODS_SECONDS, say=self._say
                ) as made:
                    self._temporary[namespace] = made
                    self.read_now()
                    await anyio.sleep(LIFETIME_SECONDS - PROBE_PODS_SECONDS)
        except* ExtsvcError as errors:
            self._say(str(cause_of(errors)))
        finally:
            self._temporary.pop(namespace, None)
            self.read_now()

    # --- what changes --------------------------------------------------------------------------------------------

    def _watch(self, namespace: str | None, mesh: Mesh) -> None:
        """A watch for each kind, once; a kind that may not be watched is read again after a while."""
        assert self._group is not None
        istio = (DESTINATION_RULES, VIRTUAL_SERVICES, SERVICE_ENTRIES, SIDECARS) if mesh.installed else ()
        wanted: list[tuple[Resource, str | None]] = [(SERVICES, namespace), (ENDPOINT_SLICES, namespace)]
        wanted += [(resource.at_version(mesh.api_version), None) for resource in istio]
        for resource, where in wanted:
            if (resource.plural, where) not in self._watches and (resource.plural, None) not in self._watches:
                self._watches[resource.plural, where] = anyio.CancelScope()
                self._group.start_soon(self._keep_watching, resource, where)

    async def _keep_watching(self, resource: Resource, namespace: str | None) -> None:
        key, where = (resource.plural, namespace), namespace

        def on_event(event: WatchEvent) -> None:
            now = time.monotonic()
            match event:
                case Listed(items=items):
                    # What has changed between the read and the watch, or while the watch was broken.
                    changes = self._noticed.hear_all(resource.kind, where, items, now)
                case Changed(type=type_, object=obj):
                    change = self._noticed.hear(type_, _with_kind(obj, resource), now)
                    changes = [change] if change is not None else []
                case Interrupted():
                    self._stale.set()  # whether the cluster is lost, the next read will tell
                    changes = []
            for change in changes:
                if self._note(change, now):
                    self._stale.set()

        while True:
            try:
                with anyio.CancelScope() as self._watches[key]:
                    # Slices of pods change all the time, and are no alias's.
                    selector = NO_SELECTORS if resource is ENDPOINT_SLICES else ""
                    await self._cluster.watch(resource, where, on_event, label_selector=selector)
            except ApiError as error:
                if error.code == 403 and where is None and (self._narrowed or not self.wishes.all_namespaces):
                    where = self._cluster.namespace
                    self._unwatched.add(resource.plural)
                    continue
                if error.code in (403, 404, 405):
                    self._unwatched.add(resource.plural)
                    return
                await anyio.sleep(WATCH_AGAIN_SECONDS)
            except ExtsvcError:
                await anyio.sleep(WATCH_AGAIN_SECONDS)

    def _note(self, change: Change, now: float) -> bool:
        """Tell of a change if it may matter, and give whether it may."""
        if not may_matter(change, self._aliases.keys()):
            return False
        refs = about(change, self._aliases, self._snapshot)
        for ref in refs:
            self._unsettled[ref] = self._void_before[ref] = now
        self._unread |= refs
        self._tell(ObjectChanged(time.time(), change.type, change.ref, refs))
        return True

    # --- looks ---------------------------------------------------------------------------------------------------

    def _turn(self, source: Source) -> Turn:
        return self._turns.setdefault(source.key, Turn())

    def _is_slow(self, key: str, now: float) -> bool:
        begun = self._asking.get(key)
        return begun is not None and now - begun > self.wishes.asked.timeout + SLOW_SECONDS

    async def _keep_asking(self) -> None:
        async with anyio.create_task_group() as group:
            while True:
                self._due = anyio.Event()
                now = time.monotonic()
                for ref in [ref for ref in self._unsettled if self._settles_at(ref) <= now]:
                    # No source tells more, so what is known has to do.
                    await self._judge(ref, None)
                for source in self._to_be_asked(now):
                    self._asking[source.key] = now
                    group.start_soon(self._ask, source)
                with anyio.move_on_after(max(self._next_event_at() - time.monotonic(), 0.0)):
                    await self._due.wait()

    def _to_be_asked(self, now: float) -> list[Source]:
        """Sources whose turn has come, as many as may be asked at once. Slow ones do not count: there may be many."""
        if self._lost or not self._aliases:
            return []
        free = EXECS_AT_ONCE - sum(not self._is_slow(key, now) for key in self._asking)
        waiting = [source for source in self._all_sources() if source.key not in self._asking]
        due = [source for source in waiting if self._turn(source).due_at <= now]
        return sorted(due, key=lambda source: self._turn(source).due_at)[: max(free, 0)]

    def _next_event_at(self) -> float:
        """When there may be something to do even if nothing happens; infinite: never."""
        if self._lost or not self._aliases:
            return math.inf
        now = time.monotonic()
        settled = [self._settles_at(ref) for ref in self._unsettled]
        slow = [
            begun + self.wishes.asked.timeout + SLOW_SECONDS + 0.1
            for key, begun in self._asking.items()
            if not self._is_slow(key, now)
        ]
        if len(slow) >= EXECS_AT_ONCE:
            return min((*settled, *slow))
        turns = [self._turn(s).due_at for s in self._all_sources() if s.key not in self._asking]
        return min((*settled, *turns), default=math.inf)

    async def _ask(self, source: Source) -> None:
        now, begun = time.monotonic(), time.time()
        refs = self._turn(source).take(
            now, self.wishes.interval, tuple(self._aliases), visible=self._visible, failing=self._failing
        )
        trouble = f"no answer within {LONGEST_LOOK:g} s"
        try:
            if refs:
                self._tell(Asking(begun, source, frozenset(refs)))
                with anyio.move_on_after(LONGEST_LOOK) as limit:
                    trouble = await self._look(source, tuple(self._aliases[ref] for ref in refs), now)
                if limit.cancelled_caught:
                    self._silent_since.setdefault(source.key, now)
        except* ExtsvcError as errors:
            trouble = str(cause_of(errors))
        finally:
            self._asking.pop(source.key, None)
            self._due.set()
        if refs:
            self._tell(Asked(time.time(), source, frozenset(refs), time.time() - begun, one_line(trouble)))

    async def _look(self, source: Source, aliases: Sequence[Alias], begun: float) -> str:
        """Ask a source, and judge each alias by what is known then; gives what kept the source from answering."""
        seen = await look(self._cluster, self.wishes.asked, self._snapshot, aliases, (source,), surroundings=False)
        if source not in self._all_sources():
            return ""
        trouble, unlock = _why_silent(seen.observations) if self.wishes.asked.probe else ("", "")
        if trouble and not unlock and not self._is_surely_silent(source):
            return trouble
        if not trouble:
            self._silent_since.pop(source.key, None)
        before = next((known for other, known in self._told.items() if other.key == source.key), None)
        others = {other: known for other, known in self._told.items() if other.key != source.key}
        self._told = {**others, source: told(before, seen.snapshot, {alias.host for alias in aliases})}
        there = [alias for alias in aliases if self._aliases.get(alias.service) == alias]
        for alias in there:
            self._seen[alias.service, source.key] = (begun, seen.observations.get(alias.service, ()))
        for alias in there:
            if alias.service in self._aliases:
                await self._judge(alias.service, source)
        return trouble

    def _is_surely_silent(self, source: Source) -> bool:
        """A source said nothing. The pod may be gone and another one there, or the cluster be lost: what was seen
        before stays, until sources were searched for since and it is still one of them, and silent."""
        now, turn = time.monotonic(), self._turn(source)
        if not self._lost and self._fell_silent(source.key):
            return True
        if not self._lost:
            self._silent_since.setdefault(source.key, now)
        if now - self._sources_at > SOURCES_AGAIN_SECONDS:
            self._sources_due = True
            self._stale.set()
        turn.next_at = min(turn.next_at, now + 2 * LOOK_AGAIN_SECONDS)
        return False

    def _fell_silent(self, key: str) -> bool:
        return self._silent_since.get(key, math.inf) < self._sources_at

    # --- verdicts ------------------------------------------------------------------------------------------------

    def _settles_at(self, ref: ObjectRef) -> float:
        """When there shall be a verdict after a change, even if no source answers."""
        return self._unsettled[ref] + (HOLD_SECONDS if self._is_awaited(ref) else PUSH_SECONDS + LOOK_AGAIN_SECONDS)

    def _is_awaited(self, ref: ObjectRef) -> bool:
        """Is there a source that answered before the alias changed, and not since? One that fell silent is not."""
        since = self._looks(ref, since=self._void_before.get(ref, -math.inf))
        ever = self._looks(ref, since=-math.inf)
        return any(not self._fell_silent(key) for key in ever if key not in since)

    async def _judge(self, ref: ObjectRef, source: Source | None) -> None:
        """Tell the verdict on an alias, or look again if it cannot be told yet."""
        # Each verdict is some milliseconds of work: keys are heard between two.
        await anyio.lowlevel.checkpoint()
        alias = self._aliases.get(ref)
        if alias is None:
            self._unsettled.pop(ref, None)
            return
        now, changed_at = time.monotonic(), self._unsettled.get(ref, -math.inf)
        if now >= changed_at + PUSH_SECONDS:
            # Looks that began before may have met proxies with the old configuration.
            self._void_before[ref] = max(self._void_before.get(ref, -math.inf), changed_at + PUSH_SECONDS)
        counted = self._looks(ref, since=self._void_before.get(ref, -math.inf))
        observations = [one for _, seen in counted.values() for one in seen if one.port in alias.ports]
        snapshot = self._known_now()
        age = timedelta(seconds=now - min((at for at, _ in counted.values()), default=now))
        report = judged(alias, snapshot, observations, self.wishes.asked, datetime.now(UTC) - age)
        if ref in self._unsettled:
            if source is not None and self._seen[ref, source.key][0] < changed_at + PUSH_SECONDS:
                self._turn(source).want((ref,), now + LOOK_AGAIN_SECONDS)
            was_bad, complete, since = ref in self._failing, not self._is_awaited(ref), now - changed_at
            if not can_be_told(bad=_is_bad(report), was_bad=was_bad, complete=complete, since_change=since):
                return
            if since >= PUSH_SECONDS:
                del self._unsettled[ref]
        (self._failing.add if _is_bad(report) else self._failing.discard)(ref)
        self._tell(Judged(time.time(), report, source))

    def _known_now(self) -> Snapshot:
        """Objects and what sources told; the very same one as long as nothing in it is new.

        What a mesh makes of a snapshot is computed once for each (mesh.istiod.push_context), and costs a tenth of a
        second for a thousand Services.
        """
        base, last = self._judged_by
        now = with_what_was_told(self._snapshot, self._told)
        if base is self._snapshot and (last.resolved, last.mesh, last.unread) == (now.resolved, now.mesh, now.unread):
            return last
        self._judged_by = (self._snapshot, now)
        return now

    def _looks(self, ref: ObjectRef, *, since: float) -> dict[str, tuple[float, tuple[Observation, ...]]]:
        """Source key → when its last look at an alias began, if not before since, and what it saw."""
        keys = [source.key for source in self._all_sources()]
        looks = {key: self._seen[ref, key] for key in keys if (ref, key) in self._seen}
        return {key: look for key, look in looks.items() if look[0] >= since}


def _is_bad(report: AliasReport) -> bool:
    return any(finding.severity is not Severity.INFO for finding in report.findings) or any(
        result.state in (StageState.FAILED, StageState.PENDING) for source in report.sources for result in source.stages
    )


def _why_silent(seen: Mapping[ObjectRef, Sequence[Observation]]) -> tuple[str, str]:
    """Why no call got any answer at all, and what would unlock one; ("", "") if one did, or nothing was called."""
    unanswered = [one.unanswered for observations in seen.values() for one in observations]
    first = unanswered[0] if unanswered else None
    return (first.reason, first.unlock) if first is not None and all(unanswered) else ("", "")


def _with_kind(obj: Json, resource: Resource) -> Json:
    """The object with apiVersion and kind, which a watch may leave out."""
    return {"apiVersion": resource.api_version, "kind": resource.kind, **obj}
