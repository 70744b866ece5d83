"""What happens while aliases are followed: told by operations.living, drawn by every live face."""

from dataclasses import dataclass
from typing import Literal

from kubectl_extsvc.model.alias import Alias
from kubectl_extsvc.model.report import AliasReport
from kubectl_extsvc.model.resources import ObjectRef
from kubectl_extsvc.model.snapshot import Snapshot
from kubectl_extsvc.model.source import Source

# Each event says when, in seconds since the epoch. An alias is named by its Service.


@dataclass(frozen=True, slots=True)
class Known:
    """What there is now; told at the start and when aliases, sources or objects have changed."""

    at: float
    aliases: tuple[Alias, ...]
    sources: tuple[Source, ...]
    snapshot: Snapshot
    """With what could not be read."""
    notes: tuple[str, ...] = ()
    """What is missing to look from, and what helps."""


@dataclass(frozen=True, slots=True)
class Asking:
    """A source is being asked about aliases."""

    at: float
    source: Source
    aliases: frozenset[ObjectRef]


@dataclass(frozen=True, slots=True)
class Asked:
    """A source has answered, or not: trouble says why not, "" if nothing is wrong with the asking itself."""

    at: float
    source: Source
    aliases: frozenset[ObjectRef]
    seconds: float
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """One alias has been judged anew."""

    at: float
    report: AliasReport
    asked: Source | None
    """Whose answers are new; None: only objects have changed."""


@dataclass(frozen=True, slots=True)
class ObjectChanged:
    """Somebody changed an object that may matter."""

    at: float
    type: Literal["ADDED", "MODIFIED", "DELETED"]
    ref: ObjectRef
    aliases: frozenset[ObjectRef]
    """Those that it surely is about; may be empty."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The cluster does not answer, or refuses."""

    at: float
    reason: str
    """One line, in kubectl's words."""
    retry_at: float
    """When it is asked again."""


@dataclass(frozen=True, slots=True)
class Back:
    """The cluster answers again."""

    at: float


LiveEvent = Known | Asking | Asked | Judged | ObjectChanged | Lost | Back
