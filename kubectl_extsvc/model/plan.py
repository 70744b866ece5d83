"""Changes that would make the cluster as wanted."""

from dataclasses import dataclass
from enum import StrEnum

from kubectl_extsvc.model.resources import Json, ObjectRef, Resource


class Action(StrEnum):
    """In kubectl's words."""

    CREATE = "created"
    CONFIGURE = "configured"
    UNCHANGED = "unchanged"
    DELETE = "deleted"


@dataclass(frozen=True, slots=True)
class Change:
    action: Action
    resource: Resource
    ref: ObjectRef
    wanted: Json | None
    """The object to apply, without ownerReferences; None for a deletion."""
    why: str = ""
    """One line for the reader: why this object is there."""
    uid: str = ""
    """Of the object that is there now; precondition of a deletion."""
    force: bool = False
    """Take over fields that other field managers have set."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Changes in the order in which they are to be made."""

    changes: tuple[Change, ...]
    warnings: tuple[str, ...] = ()
    """For stderr, each as kubectl's Warning: line, without the word."""
