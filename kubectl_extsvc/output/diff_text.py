"""One object before and after, as lines: only the fields that change, under the fields that they stand in."""

import json
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Any

from kubectl_extsvc.model.resources import Json, Resource
from kubectl_extsvc.output.rows import clean_line
from kubectl_extsvc.output.yaml_text import to_yaml

_SERVER_FIELDS = ("managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink")
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""kubectl's copy of the whole object, which would say everything twice."""
_SECRET_FIELDS = ("data", "stringData")


def diff_text(resource: Resource, before: Json | None, after: Json | None) -> str:
    """Lines with + and -; kubectl diff's two head lines name the object. "" if nothing changes.

    None: the object is not there. What the server counts for itself is left out, and values of Secrets are never
    shown (as kubectl diff does, pkg/cmd/diff/diff.go).
    """
    metadata = (after or before or {})["metadata"]
    name = f"{resource.qualified}/{metadata['name']}"
    where = f"  namespace {metadata['namespace']}" if metadata.get("namespace") else ""
    old, new = _shown(before, "before"), _shown(after, "after")
    lines = list(_changes(old, new, 0))
    if not lines:
        return ""
    heads = ["--- /dev/null" if before is None else f"--- {name}{where}"]
    heads.append("+++ /dev/null" if after is None else f"+++ {name}{where}")
    return "".join(f"{clean_line(line)}\n" for line in [*heads, *lines])


def _shown(obj: Json | None, when: str) -> Json:
    if obj is None:
        return {}
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _SERVER_FIELDS}
    annotations = {key: value for key, value in (metadata.get("annotations") or {}).items() if key != _LAST_APPLIED}
    metadata = {**metadata, "annotations": annotations} if annotations else _without(metadata, "annotations")
    head: Json = {key: obj[key] for key in ("apiVersion", "kind") if key in obj}
    shown: Json = {**head, "metadata": metadata, **_without(obj, "status", "metadata")}
    if obj.get("kind") == "Secret":
        for field in _SECRET_FIELDS:
            if field in shown:
                shown[field] = dict.fromkeys(shown[field], f"*** ({when})")
    return shown


def _without(obj: Json, *keys: str) -> Json:
    return {other: value for other, value in obj.items() if other not in keys}


def _changes(before: Json, after: Json, depth: int) -> Iterator[str]:
    """Lines of all keys that differ, those that stay in their order, new ones behind them."""
    pad = "  " * depth
    for key in (*before, *(key for key in after if key not in before)):
        old, new = before.get(key), after.get(key)
        if key in before and key in after and old == new:
            continue
        match old, new:
            case dict(), dict():
                yield f"  {pad}{key}:"
                yield from _changes(old, new, depth + 1)
            case list(), list() if old and new:
                yield f"  {pad}{key}:"
                yield from _list_changes(old, new, depth + 1)
            case _:
                yield from _whole("-", {key: old} if key in before else {}, pad)
                yield from _whole("+", {key: new} if key in after else {}, pad)


def _list_changes(old: list[Any], new: list[Any], depth: int) -> Iterator[str]:
    """Elements that go and come; those of the same place that change in part are named by their index."""
    pad = "  " * depth
    words, words_new = ([json.dumps(item, sort_keys=True) for item in items] for items in (old, new))
    for _, start, end, start_new, end_new in SequenceMatcher(None, words, words_new, autojunk=False).get_opcodes():
        gone, come = old[start:end], new[start_new:end_new]
        if gone == come:
            continue
        if len(gone) == len(come) and all(isinstance(item, dict) for item in (*gone, *come)):
            for index, (one, other) in enumerate(zip(gone, come, strict=True), start):
                yield f"  {pad}[{index}]:"
                yield from _changes(one, other, depth + 1)
        else:
            yield from _whole("-", gone, pad)
            yield from _whole("+", come, pad)


def _whole(sign: str, value: Json | list[Any], pad: str) -> Iterator[str]:
    return (f"{sign} {pad}{line}" for line in to_yaml(value).splitlines()) if value else iter(())
