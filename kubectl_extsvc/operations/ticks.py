"""Whom to ask what and when, while aliases are followed, and which verdict can be told already.

Pure, so that time is an argument: seconds of a clock that never steps.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from kubectl_extsvc.model.finding import Fact
from kubectl_extsvc.model.resources import ObjectRef
from kubectl_extsvc.model.snapshot import Snapshot, Unread
from kubectl_extsvc.model.source import MeshMode, Source
from kubectl_extsvc.operations.verifying import PUSH_SECONDS

ALIASES_AT_ONCE = 24
"""Of one exec, besides those that are on the screen: each is several transfers."""
MOST_ALIASES_AT_ONCE = 60
KEPT_FOR_THE_REST = 8
"""Of those, however many are on the screen or fail: so the others have their turn, too."""
HOLD_SECONDS = 60.0
"""After a change, for how long a verdict waits for sources that answered before it and not yet since."""


@dataclass(slots=True)
class Turn:
    """When one source is asked next, and about what."""

    next_at: float = -math.inf
    wanted: set[ObjectRef] = field(default_factory=set)
    """Aliases that somebody waits for."""
    wanted_at: float = math.inf
    """When those are asked about."""
    asked_at: dict[ObjectRef, float] = field(default_factory=dict)

    @property
    def due_at(self) -> float:
        return min(self.next_at, self.wanted_at)

    def want(self, aliases: Iterable[ObjectRef], at: float) -> None:
        """Ask about these then at the latest, without waiting for the source's turn."""
        self.wanted.update(aliases)
        if self.wanted:
            self.wanted_at = min(self.wanted_at, at)

    def take(
        self,
        now: float,
        interval: float,
        aliases: Sequence[ObjectRef],
        *,
        visible: Sequence[ObjectRef] = (),
        failing: Collection[ObjectRef] = (),
    ) -> tuple[ObjectRef, ...]:
        """The aliases to ask about now: those that somebody waits for; else, in the source's turn, as many as go."""
        there = set(aliases)
        self.wanted &= there
        chosen: tuple[ObjectRef, ...] = ()
        if self.wanted and self.wanted_at <= now:
            seen_first = (ref for ref in dict.fromkeys((*visible, *aliases)) if ref in self.wanted)
            chosen = tuple(seen_first)[:ALIASES_AT_ONCE]
            if self.next_at == -math.inf or len(chosen) == len(there):
                self.next_at = now + interval
        elif self.next_at <= now:
            chosen = next_aliases(aliases, visible=visible, failing=failing, asked_at=self.asked_at)
            self.next_at = now + interval
        self.asked_at = {ref: at for ref, at in self.asked_at.items() if ref in there} | dict.fromkeys(chosen, now)
        self.wanted.difference_update(chosen)
        if not self.wanted:
            self.wanted_at = math.inf
        return chosen


def next_aliases(
    aliases: Sequence[ObjectRef],
    *,
    visible: Sequence[ObjectRef] = (),
    failing: Collection[ObjectRef] = (),
    asked_at: Mapping[ObjectRef, float],
) -> tuple[ObjectRef, ...]:
    """The aliases that a source is asked about in its turn: what is on the screen first, then what failed last time,
    and then those that were asked longest ago.

    asked_at is when this source was asked about each; one that is not in it never was.
    """
    there = set(aliases)
    by_age = sorted(aliases, key=lambda ref: asked_at.get(ref, -math.inf))
    seen = [ref for ref in dict.fromkeys(visible) if ref in there]
    most = min(len(seen) + ALIASES_AT_ONCE, MOST_ALIASES_AT_ONCE)
    pressing = list(dict.fromkeys((*seen, *(ref for ref in by_age if ref in failing))))[: most - KEPT_FOR_THE_REST]
    return tuple(dict.fromkeys((*pressing, *by_age)))[:most]


def can_be_told(*, bad: bool, was_bad: bool, complete: bool, since_change: float) -> bool:
    """May a verdict be told that many seconds after the alias's objects changed, or does it wait for the next look?

    What is bad may only be a push on its way to the proxies. What is good, or less bad than before, may be so for want
    of an answer: complete is whether every source that answered before the change has done so again.
    """
    if since_change < PUSH_SECONDS:
        return complete and not bad
    return complete or (bad and not was_bad) or since_change >= HOLD_SECONDS


def told(before: Snapshot | None, seen: Snapshot, hosts: Collection[str]) -> Snapshot:
    """What one source tells besides its answers, in a snapshot that holds nothing else: outside names, the mesh's
    version and what it could not tell. hosts are those that it was asked for just now.
    """
    kept = {host: found for host, found in before.resolved.items() if host not in hosts} if before else {}
    unread = {fact: why for fact, why in seen.unread.items() if fact in (Fact.RESOLUTION, Fact.PROXY)}
    return Snapshot(resolved={**kept, **seen.resolved}, mesh=seen.mesh, unread=unread)


def with_what_was_told(snapshot: Snapshot, by_source: Mapping[Source, Snapshot]) -> Snapshot:
    """The objects, with what all sources told()."""
    # A sidecar with DNS capture may answer with an address of its own: plain sources know better, so they come last.
    by_trust = sorted(by_source.items(), key=lambda item: item[0].mode is MeshMode.PLAIN)
    resolved = {host: addresses for _, each in by_trust for host, addresses in each.resolved.items()}
    versions = [each.mesh.version for each in by_source.values() if each.mesh.version is not None]
    mesh = replace(snapshot.mesh, version=min(versions)) if versions else snapshot.mesh
    return replace(snapshot, resolved=resolved, mesh=mesh, unread={**snapshot.unread, **_unread(by_source)})


def _unread(by_source: Mapping[Source, Snapshot]) -> dict[str, Unread]:
    """What no source could tell that should."""
    unread: dict[str, Unread] = {}
    for fact, tellers in (
        (Fact.RESOLUTION, list(by_source.values())),
        (Fact.PROXY, [each for source, each in by_source.items() if source.mode is MeshMode.SIDECAR]),
    ):
        if tellers and all(fact in each.unread for each in tellers):
            unread[fact] = tellers[0].unread[fact]
    return unread
