"""Which objects have changed, whoever tells of it first: a watch, or the next read.

Pure, so that time is an argument: seconds of a clock that never steps.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from kubectl_extsvc.model.alias import Alias
from kubectl_extsvc.model.marks import SELECTOR_CONTROLLER, SERVICE_NAME_LABEL, SLICE_MANAGED_BY_LABEL
from kubectl_extsvc.model.resources import (
    DESTINATION_RULES,
    ENDPOINT_SLICES,
    SERVICE_ENTRIES,
    SERVICES,
    SIDECARS,
    VIRTUAL_SERVICES,
    Json,
    ObjectRef,
)
from kubectl_extsvc.model.snapshot import Snapshot
from kubectl_extsvc.operations.settling import aliases_of

How = Literal["ADDED", "MODIFIED", "DELETED"]

FIELDS = {
    SERVICES: "services",
    ENDPOINT_SLICES: "endpoint_slices",
    DESTINATION_RULES: "destination_rules",
    VIRTUAL_SERVICES: "virtual_services",
    SERVICE_ENTRIES: "service_entries",
    SIDECARS: "sidecars",
}
"""Kind that is followed → its field of a Snapshot."""


@dataclass(frozen=True, slots=True)
class Change:
    type: How
    ref: ObjectRef
    before: Json | None
    """As far as it is known."""
    after: Json | None
    """None: the object is gone."""


@dataclass(slots=True)
class Noticed:
    """The newest of every object that we have heard of."""

    _objects: dict[ObjectRef, Json] = field(default_factory=dict)
    _heard_at: dict[ObjectRef, float] = field(default_factory=dict)
    """When a watch told of it; a read that began before may be older."""

    def hear(self, type_: How, obj: Json, now: float) -> Change | None:
        """Of a watch: what it tells, None if that was known."""
        ref = ObjectRef.of(obj)
        before = self._objects.get(ref)
        self._heard_at[ref] = now
        if type_ == "DELETED":
            self._objects.pop(ref, None)
            return Change("DELETED", ref, before or obj, None) if before is not None else None
        if before is not None and _version(before) == _version(obj):
            return None
        self._objects[ref] = obj
        return Change("ADDED" if before is None else "MODIFIED", ref, before, obj)

    def hear_all(self, kind: str, namespace: str | None, items: Iterable[Json], now: float) -> list[Change]:
        """Of a list of one kind (namespace None: everywhere): what came, changed or went since."""
        listed = {ObjectRef.of(obj): obj for obj in items}
        gone = [
            obj
            for ref, obj in self._objects.items()
            if ref.kind == kind and namespace in (None, ref.namespace) and ref not in listed
        ]
        heard = [self.hear("MODIFIED", obj, now) for obj in listed.values()]
        heard += [self.hear("DELETED", obj, now) for obj in gone]
        return [change for change in heard if change is not None]

    def read(self, snapshot: Snapshot, begun: float) -> list[Change]:
        """Of a whole read that began then: the same for every kind that could be read."""
        changes: list[Change] = []
        for resource, name in FIELDS.items():
            if resource.plural in snapshot.unread:
                continue
            there = {ObjectRef.of(obj): obj for obj in getattr(snapshot, name) if not _is_of_pods(obj)}
            known = [ref for ref in self._objects if ref.kind == resource.kind]
            for ref in dict.fromkeys((*known, *there)):
                if self._heard_at.get(ref, begun) > begun:
                    continue
                before, after = self._objects.get(ref), there.get(ref)
                if before is not None and after is not None and _version(before) == _version(after):
                    continue
                if after is None:
                    del self._objects[ref]
                    changes.append(Change("DELETED", ref, before, None))
                    continue
                self._objects[ref] = after
                changes.append(Change("ADDED" if before is None else "MODIFIED", ref, before, after))
        self._heard_at = {ref: at for ref, at in self._heard_at.items() if at > begun}
        return changes

    def forget(self) -> None:
        """Begin anew, after which all that is read first is no change."""
        self._objects.clear()
        self._heard_at.clear()


def _is_of_pods(obj: Json) -> bool:
    """A slice that a selector makes: no watch tells of those, so they count for nothing here."""
    return (obj["metadata"].get("labels") or {}).get(SLICE_MANAGED_BY_LABEL) == SELECTOR_CONTROLLER


def _version(obj: Json) -> tuple[str, str]:
    metadata = obj["metadata"]
    return metadata.get("uid", ""), metadata.get("resourceVersion", "")


def may_matter(change: Change, aliases: Collection[ObjectRef]) -> bool:
    """May the change alter the verdict on an alias, or make one?

    Of Services and slices only those about aliases; of Istio's kinds all, since scopes reach far.
    """
    return any(_may_matter(obj, change.ref, aliases) for obj in (change.before, change.after) if obj is not None)


def _may_matter(obj: Json, ref: ObjectRef, aliases: Collection[ObjectRef]) -> bool:
    match ref.kind:
        case SERVICES.kind:
            spec = obj.get("spec") or {}
            return ref in aliases or spec.get("type") == "ExternalName" or not spec.get("selector")
        case ENDPOINT_SLICES.kind:
            name = (obj["metadata"].get("labels") or {}).get(SERVICE_NAME_LABEL, "")
            return ObjectRef(SERVICES.kind, ref.namespace, name) in aliases
        case _:
            return True


def about(change: Change, aliases: Mapping[ObjectRef, Alias], snapshot: Snapshot) -> frozenset[ObjectRef]:
    """The aliases that it is surely about, by what the object was and by what it is now."""
    if change.ref.kind == SIDECARS.kind:
        # It decides what a proxy knows at all.
        return frozenset(aliases)
    of: Sequence[Alias] = tuple(aliases.values())
    states = [{**obj, "kind": change.ref.kind} for obj in (change.before, change.after) if obj is not None]
    return frozenset(ref for obj in states for ref in aliases_of(obj, of, snapshot))
