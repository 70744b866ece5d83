"""Changes that cure a finding, each a value that `fix` can plan and a command that a person can run."""

import json
import shlex
from dataclasses import dataclass
from typing import Any

from kubectl_extsvc.model.resources import Json, ObjectRef

HOST, ADDRESS = "HOST", "ADDRESS"
"""Stand in a step for what only the user knows."""


@dataclass(frozen=True, slots=True)
class MergePatch:
    """RFC 7386: null removes a field."""

    ref: ObjectRef
    patch: Json

    @property
    def command(self) -> str:
        return f"kubectl patch {_argument(self.ref)} --type=merge -p {shlex.quote(compact(self.patch))}"


@dataclass(frozen=True, slots=True)
class JsonPatch:
    """RFC 6902."""

    ref: ObjectRef
    patch: list[Json]

    @property
    def command(self) -> str:
        return f"kubectl patch {_argument(self.ref)} --type=json -p {shlex.quote(compact(self.patch))}"


@dataclass(frozen=True, slots=True)
class Label:
    ref: ObjectRef
    key: str
    value: str

    @property
    def command(self) -> str:
        return f"kubectl label {_argument(self.ref)} {self.key}={self.value}"


@dataclass(frozen=True, slots=True)
class RemoveAnnotation:
    ref: ObjectRef
    key: str

    @property
    def command(self) -> str:
        return f"kubectl annotate {_argument(self.ref)} {self.key}-"


@dataclass(frozen=True, slots=True)
class Apply:
    """A new object, whole."""

    obj: Json

    @property
    def ref(self) -> ObjectRef:
        return ObjectRef.of(self.obj)

    @property
    def command(self) -> str:
        return f"echo {shlex.quote(compact(self.obj))} | kubectl apply -f -"


@dataclass(frozen=True, slots=True)
class Delete:
    ref: ObjectRef

    @property
    def command(self) -> str:
        return f"kubectl delete {_argument(self.ref)}"


@dataclass(frozen=True, slots=True)
class Create:
    """The alias written anew by `kubectl extsvc create`: its arguments, without the verb."""

    argv: tuple[str, ...]
    complete: bool = True
    """False: a word in capitals (HOST, ADDRESS) is the user's to fill in."""

    @property
    def command(self) -> str:
        return f"kubectl extsvc create {shlex.join(self.argv)}"


Step = MergePatch | JsonPatch | Label | RemoveAnnotation | Apply | Delete | Create


def is_complete(step: Step) -> bool:
    """No word in it is the user's to fill in."""
    match step:
        case Create(argv, complete):
            return complete and not _has_placeholder(list(argv))
        case MergePatch(_, patch):
            return not _has_placeholder(patch)
        case JsonPatch(_, operations):
            return not _has_placeholder(operations)
        case Apply(obj):
            return not _has_placeholder(obj)
        case _:
            return True


def _has_placeholder(value: Any) -> bool:
    match value:
        case dict():
            return any(map(_has_placeholder, value.values()))
        case list():
            return any(map(_has_placeholder, value))
        case _:
            return value in (HOST, ADDRESS)


def compact(value: object) -> str:
    """JSON without spaces."""
    return json.dumps(value, separators=(",", ":"))


def _argument(ref: ObjectRef) -> str:
    return f"{ref.kind.lower()} {ref.name} -n {ref.namespace}"
