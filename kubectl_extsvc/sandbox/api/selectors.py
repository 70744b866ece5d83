"""labelSelector and fieldSelector (apimachinery pkg/labels/selector.go, pkg/fields/selector.go)."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.api.kinds import ServedKind
from kubectl_extsvc.sandbox.api.refusals import bad_request

Selects = Callable[[Json], bool]

_FIELDS: dict[str, tuple[str, ...]] = {
    "events": (
        "involvedObject.kind", "involvedObject.name", "involvedObject.namespace", "involvedObject.uid", "reason",
        "type",
    ),
    "namespaces": ("status.phase",),
    "pods": ("spec.nodeName", "spec.serviceAccountName", "status.phase", "status.podIP"),
    "services": ("spec.clusterIP", "spec.type"),
}  # fmt: skip
"""Selectable fields besides metadata.name and metadata.namespace (pkg/apis/core/v1/conversion.go), not the rare."""

_KEY = r"[A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?"
_SET = re.compile(rf"({_KEY})\s+(in|notin)\s*\(([^()]*)\)")
_EQUALITY = re.compile(rf"({_KEY})\s*(==|=|!=)\s*([-A-Za-z0-9_.]*)")
_EXISTENCE = re.compile(rf"(!?)\s*({_KEY})")


@dataclass(frozen=True, slots=True)
class _Requirement:
    key: str
    values: frozenset[str] | None
    """None: any."""
    wanted: bool
    """False: the value is none of these, or there is none."""

    def holds(self, value: str | None) -> bool:
        found = value is not None and (self.values is None or value in self.values)
        return found is self.wanted


def selection(kind: ServedKind, label_selector: str, field_selector: str) -> Selects:
    """Whether an object of a kind is selected. Raises Refused if that cannot be read."""
    labels = [_label_requirement(text) for text in re.split(r",(?![^(]*\))", label_selector) if text.strip()]
    fields = [_field_requirement(kind, text) for text in field_selector.split(",") if text.strip()]
    if not labels and not fields:
        return lambda _: True

    def selects(obj: Json) -> bool:
        found = obj["metadata"].get("labels") or {}
        return all(one.holds(found.get(one.key)) for one in labels) and all(
            one.holds(_field(obj, one.key)) for one in fields
        )

    return selects


def _label_requirement(text: str) -> _Requirement:
    text = text.strip()
    if match := _SET.fullmatch(text):
        key, operator, values = match.groups()
        return _Requirement(key, frozenset(value.strip() for value in values.split(",")), operator == "in")
    if match := _EQUALITY.fullmatch(text):
        key, operator, value = match.groups()
        return _Requirement(key, frozenset({value}), operator != "!=")
    if match := _EXISTENCE.fullmatch(text):
        return _Requirement(match[2], None, not match[1])
    found = re.sub(rf"^!?\s*{_KEY}\s*", "", text).split(" ")[0]
    raise bad_request(f"unable to parse requirement: found '{found}', expected: in, notin, =, ==, !=, gt, lt")


def _field_requirement(kind: ServedKind, text: str) -> _Requirement:
    match = re.fullmatch(r"([^=!]*)(==|=|!=)(.*)", text.strip())
    if not match:
        raise bad_request(f"invalid selector: '{text}'; can't understand '{text}'")
    key, operator, value = match.groups()
    if key not in ("metadata.name", "metadata.namespace", *_FIELDS.get(kind.resource, ())):
        raise bad_request(f"field label not supported: {key}")
    return _Requirement(key, frozenset({value}), operator != "!=")


def _field(obj: Json, path: str) -> str:
    found: Any = obj
    for key in path.split("."):
        found = (found.get(key) if isinstance(found, dict) else None) or ""
    return str(found)
