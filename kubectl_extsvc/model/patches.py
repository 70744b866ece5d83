"""The two ways to change a JSON object that every API server knows; all give a new object and leave the old one."""

import copy
from typing import Any

from kubectl_extsvc.model.resources import Json


class PatchError(ValueError):
    """A patch does not fit the object."""


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def json_patch(target: Json, operations: list[Json]) -> Json:
    """RFC 6902. Raises PatchError, which names the operation that cannot be done."""
    document: Any = copy.deepcopy(target)
    for operation in operations:
        try:
            document = _operate(document, operation)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise PatchError(f"cannot {operation.get('op')} {operation.get('path')}") from error
    if not isinstance(document, dict):
        raise PatchError("the result is no object")
    return document


def difference(before: Json, after: Json) -> Json:
    """The merge patch that makes before into after; {} if they are equal. A list is given whole."""
    patch: Json = dict.fromkeys(key for key in before if key not in after)
    for key, value in after.items():
        old = before.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            if inner := difference(old, value):
                patch[key] = inner
        elif key not in before or old != value:
            patch[key] = value
    return patch


def _operate(document: Any, operation: Json) -> Any:
    steps = _steps(operation["path"])
    match operation["op"]:
        case "test":
            if _at(document, steps) != operation["value"]:
                raise ValueError("test failed")
        case "remove":
            _take(document, steps)
        case "add":
            return _added(document, steps, operation["value"])
        case "replace":
            if steps and isinstance(parent := _at(document, steps[:-1]), list):
                parent[_index(steps[-1], len(parent) - 1)] = operation["value"]
            else:
                return _added(document, steps, operation["value"])
        case "copy":
            return _added(document, steps, copy.deepcopy(_at(document, _steps(operation["from"]))))
        case "move":
            return _added(document, steps, _take(document, _steps(operation["from"])))
        case other:
            raise ValueError(other)
    return document


def _steps(pointer: str) -> list[str]:
    if pointer and not pointer.startswith("/"):
        raise ValueError(pointer)
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def _at(document: Any, steps: list[str]) -> Any:
    for step in steps:
        document = document[_index(step, len(document) - 1) if isinstance(document, list) else step]
    return document


def _index(step: str, last: int) -> int:
    index = int(step)
    if not 0 <= index <= last:
        raise IndexError(step)
    return index


def _take(document: Any, steps: list[str]) -> Any:
    parent = _at(document, steps[:-1])
    return parent.pop(_index(steps[-1], len(parent) - 1) if isinstance(parent, list) else steps[-1])


def _added(document: Any, steps: list[str], value: Any) -> Any:
    if not steps:
        return value
    parent = _at(document, steps[:-1])
    if isinstance(parent, list):
        parent.insert(len(parent) if steps[-1] == "-" else _index(steps[-1], len(parent)), value)
    else:
        parent[steps[-1]] = value
    return document
