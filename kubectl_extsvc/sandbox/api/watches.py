"""What happens to the objects of a kind, as events of a watch."""

import asyncio
import random
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.api.kinds import ServedKind
from kubectl_extsvc.sandbox.api.refusals import Refused
from kubectl_extsvc.sandbox.api.selectors import Selects
from kubectl_extsvc.sandbox.api.store import Change, ChangeType, Gone, Store

BOOKMARK_SECONDS = 60.0
"""How often a quiet watch is told the revision (apiserver storage/cacher, about one a minute)."""
SHORTEST_SECONDS = 1800.0
"""Of a watch that names no timeout; up to twice as long (apiserver --min-request-timeout)."""


@dataclass(frozen=True, slots=True)
class Event:
    type: str
    """ADDED, MODIFIED, DELETED, BOOKMARK, ERROR."""
    object: Json
    """As stored; with ERROR a metav1.Status."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a watch asks for."""

    kind: ServedKind
    namespace: str
    """"" is all."""
    selects: Selects
    after: int
    """Events since this resourceVersion; 0: all that is there comes first, as ADDED, unless initial_events says no."""
    initial_events: bool | None = None
    """sendInitialEvents; with True their end is marked by a bookmark."""
    bookmarks: bool = False
    seconds: float = 0.0
    """0: the server's choice."""


async def events(store: Store, wanted: Wanted) -> AsyncGenerator[Event]:
    """The events, until the time is over. A revision that is forgotten is told by an ERROR event with code 410."""
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + (wanted.seconds or SHORTEST_SECONDS * random.uniform(1, 2))  # noqa: S311, spreads load
    # Nothing may be awaited between looking at what is there and listening, else a change in between is lost.
    try:
        first = _first_events(store, wanted)
    except Gone as gone:
        yield Event("ERROR", Refused(410, "Expired", str(gone)).status())
        return
    changes: asyncio.Queue[Change] = asyncio.Queue()

    def note(change: Change) -> None:
        if change.resource == wanted.kind.resource:
            changes.put_nowait(change)

    stop_listening = store.listen(note)
    try:
        for event in first:
            yield event
        while (left := ends_at - loop.time()) > 0:
            try:
                async with asyncio.timeout(min(left, BOOKMARK_SECONDS)):
                    change = await changes.get()
            except TimeoutError:
                if wanted.bookmarks:
                    yield _bookmark(store, wanted.kind)
                continue
            if told := _event(change, wanted):
                yield told
    finally:
        stop_listening()


def _first_events(store: Store, wanted: Wanted) -> list[Event]:
    if wanted.initial_events or (not wanted.after and wanted.initial_events is None):
        found = store.items(wanted.kind.resource, wanted.namespace)
        there = [Event("ADDED", obj) for obj in found if wanted.selects(obj)]
        if wanted.initial_events and wanted.bookmarks:
            there.append(_bookmark(store, wanted.kind, {"k8s.io/initial-events-end": "true"}))
        return there
    if not wanted.after:
        return []
    changes = store.changes_after(wanted.after, wanted.kind.resource)
    return [event for change in changes if (event := _event(change, wanted))]


def _event(change: Change, wanted: Wanted) -> Event | None:
    """A change as a watch sees it: what enters its selection is ADDED, what leaves it DELETED."""
    metadata = change.object["metadata"]
    if wanted.namespace not in ("", metadata.get("namespace", "")):
        return None
    was = change.before is not None and wanted.selects(change.before)
    now = change.type is not ChangeType.DELETED and wanted.selects(change.object)
    match was, now:
        case True, True:
            return Event("MODIFIED", change.object)
        case False, True:
            return Event("ADDED", change.object)
        case True, False:
            last = change.before or change.object
            version = {"resourceVersion": metadata["resourceVersion"]}
            return Event("DELETED", {**last, "metadata": {**last["metadata"], **version}})
        case _:
            return None


def _bookmark(store: Store, kind: ServedKind, annotations: dict[str, str] | None = None) -> Event:
    metadata: Json = {"resourceVersion": str(store.revision)} | ({"annotations": annotations} if annotations else {})
    return Event("BOOKMARK", {"kind": kind.kind, "apiVersion": kind.api_version(), "metadata": metadata})
