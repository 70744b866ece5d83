"""How the API server says no, in its own words (apimachinery pkg/api/errors, util/validation/field)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.api.kinds import ServedKind


class Refused(Exception):
    """A request that the server does not do; becomes a metav1.Status."""

    def __init__(self, code: int, reason: str, message: str, details: Json | None = None) -> None:
        super().__init__(message)
        self.code, self.reason, self.message, self.details = code, reason, message, details or {}

    def status(self) -> Json:
        """As a metav1.Status."""
        status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message}
        details = {"details": self.details} if self.details else {}
        return {**status, "reason": self.reason, **details, "code": self.code}


@dataclass(frozen=True, slots=True)
class Cause:
    """One field that is not valid."""

    field: str
    message: str
    reason: str = "FieldValueInvalid"


def invalid_value(field: str, value: Any, why: str) -> Cause:
    return Cause(field, f"Invalid value: {_go(value)}: {why}")


def required(field: str, why: str = "") -> Cause:
    return Cause(field, f"Required value: {why}" if why else "Required value", "FieldValueRequired")


def duplicate(field: str, value: Any) -> Cause:
    return Cause(field, f"Duplicate value: {_go(value)}", "FieldValueDuplicate")


def forbidden(field: str, why: str) -> Cause:
    return Cause(field, f"Forbidden: {why}", "FieldValueForbidden")


def unsupported(field: str, value: str, supported: Sequence[str]) -> Cause:
    words = ", ".join(f'"{word}"' for word in supported)
    return Cause(field, f"Unsupported value: {_go(value)}: supported values: {words}", "FieldValueNotSupported")


def invalid(kind: ServedKind, name: str, causes: Sequence[Cause]) -> Refused:
    qualified = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
    texts = [f"{cause.field}: {cause.message}" for cause in causes]
    text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details = {
        **({"name": name} if name else {}),
        **({"group": kind.group} if kind.group else {}),
        "kind": kind.kind,
        "causes": [{"reason": c.reason, "message": c.message, "field": c.field} for c in causes],
    }
    return Refused(422, "Invalid", f'{qualified} "{name}" is invalid: {text}', details)


def bad_request(message: str) -> Refused:
    return Refused(400, "BadRequest", message)


def not_found(kind: ServedKind, name: str) -> Refused:
    return Refused(404, "NotFound", f'{kind.resource} "{name}" not found', details_of(kind, name))


def already_exists(kind: ServedKind, name: str) -> Refused:
    return Refused(409, "AlreadyExists", f'{kind.resource} "{name}" already exists', details_of(kind, name))


def conflict(kind: ServedKind, name: str, why: str) -> Refused:
    message = f'Operation cannot be fulfilled on {kind.resource} "{name}": {why}'
    return Refused(409, "Conflict", message, details_of(kind, name))


def details_of(kind: ServedKind, name: str) -> Json:
    return {"name": name, **({"group": kind.group} if kind.group else {}), "kind": kind.plural}


def _go(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
