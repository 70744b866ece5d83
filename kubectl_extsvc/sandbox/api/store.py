"""The objects of the sandbox, and what happened to them."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from kubectl_extsvc.model.resources import Json

HISTORY = 10_000
"""Changes that a watch can start from; older ones are answered with 410, as by etcd after compaction."""


class ChangeType(StrEnum):
    """A watch event's type."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True)
class Change:
    type: ChangeType
    resource: str
    object: Json
    """As stored; of a deleted one the last state, with the resourceVersion of its deletion."""
    before: Json | None
    """As it was; None for one that is new."""
    revision: int


class Gone(Exception):
    """A revision older than the history."""


class Store:
    """Objects by resource ("services", "destinationrules.networking.istio.io"), namespace ("" = none) and name.

    What is in it is never changed in place: a write puts another object. Whoever reads may keep what it was given, and
    must not change it.
    """

    def __init__(self, history: int = HISTORY) -> None:
        self.revision = 1
        self._objects: dict[str, dict[tuple[str, str], Json]] = {}
        self._changes: deque[Change] = deque(maxlen=history)
        self._oldest = self.revision
        self._listeners: list[Callable[[Change], None]] = []

    def get(self, resource: str, namespace: str, name: str) -> Json | None:
        return self._objects.get(resource, {}).get((namespace, name))

    def items(self, resource: str, namespace: str = "") -> list[Json]:
        """All of a resource, or of a namespace, by namespace and name."""
        found = self._objects.get(resource, {})
        return [found[key] for key in sorted(found) if namespace in ("", key[0])]

    def put(self, resource: str, obj: Json) -> Json:
        """Store an object, new or changed; gives it with its resourceVersion. The caller hands it over."""
        metadata = obj["metadata"]
        key = (metadata.get("namespace", ""), metadata["name"])
        before = self._objects.setdefault(resource, {}).get(key)
        self.revision += 1
        kept = {**obj, "metadata": {**metadata, "resourceVersion": str(self.revision)}}
        self._objects[resource][key] = kept
        self._note(ChangeType.MODIFIED if before else ChangeType.ADDED, resource, kept, before)
        return kept

    def remove(self, resource: str, namespace: str, name: str) -> Json:
        """Take an object out; gives its last state. Raises KeyError if it is not there."""
        before = self._objects[resource].pop((namespace, name))
        self.revision += 1
        last = {**before, "metadata": {**before["metadata"], "resourceVersion": str(self.revision)}}
        self._note(ChangeType.DELETED, resource, last, before)
        return last

    def changes_after(self, revision: int, resource: str) -> list[Change]:
        """What happened to a resource since a revision. Raises Gone if that is not known any more."""
        if revision < self._oldest:
            raise Gone(f"too old resource version: {revision} ({self._oldest})")
        return [change for change in self._changes if change.revision > revision and change.resource == resource]

    def forget(self) -> None:
        """Drop the history: every watch from an older revision gets a 410."""
        self._changes.clear()
        self._oldest = self.revision

    def listen(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Call listener, which must be quick and not write, after each change; gives the way to stop that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _note(self, kind: ChangeType, resource: str, obj: Json, before: Json | None) -> None:
        change = Change(kind, resource, obj, before, self.revision)
        if len(self._changes) == self._changes.maxlen:
            self._oldest = self._changes[0].revision
        self._changes.append(change)
        for listener in tuple(self._listeners):
            listener(change)
