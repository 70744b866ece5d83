"""Who owns which field: server-side apply and metadata.managedFields.

Source: sigs.k8s.io/structured-merge-diff v6 (merge/update.go, typed/compare.go, typed/tofieldset.go) and
apimachinery pkg/util/managedfields.
"""

import copy
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.api.kinds import ServedKind
from kubectl_extsvc.sandbox.api.refusals import Refused

Path = tuple[str, ...]
"""As in FieldsV1: ("f:spec", "f:ports", 'k:{"port":80,"protocol":"TCP"}', "f:name")."""

_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
_LIST_KEYS: dict[tuple[str, str], tuple[str, ...]] = {
    ("metadata", "ownerReferences"): ("uid",),
    ("metadata", "finalizers"): (),
    ("status", "conditions"): ("type",),
    ("status", "podIPs"): ("ip",),
    ("spec", "volumes"): ("name",),
    ("spec", "imagePullSecrets"): ("name",),
    ("spec", "hostAliases"): ("ip",),
    **{("spec", containers): ("name",) for containers in _CONTAINERS},
    **{(containers, "env"): ("name",) for containers in _CONTAINERS},
    **{(containers, "ports"): ("containerPort", "protocol") for containers in _CONTAINERS},
    **{(containers, "volumeMounts"): ("mountPath",) for containers in _CONTAINERS},
}
"""Lists whose items are told apart by keys, () by their value; by parent's and own name. All others are atomic."""
_WHOLE_ITEMS = frozenset(("ownerReferences",))
"""Lists whose items are owned as a whole (structType=atomic)."""
_PORT_KEYS = {"Service": ("port", "protocol"), "ServiceEntry": ("name",)}
_ATOMIC_MAPS = frozenset(
    ("selector", "nodeSelector", "fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef")
)
_UNOWNED = frozenset(
    ("name", "namespace", "uid", "creationTimestamp", "generation", "resourceVersion", "managedFields", "selfLink",
     "deletionTimestamp", "deletionGracePeriodSeconds")
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Walk:
    """Fields of a kind's objects, one inside the other."""

    kind: ServedKind

    def list_keys(self, parent: str, name: str) -> tuple[str, ...] | None:
        if name == "ports" and parent == "spec":
            return _PORT_KEYS.get(self.kind.kind)
        if self.kind.custom and parent != "metadata":
            return None
        return _LIST_KEYS.get((parent, name))

    def is_map(self, value: Any, name: str) -> bool:
        return isinstance(value, dict) and (self.kind.custom or name not in _ATOMIC_MAPS)

    def stated(self, value: Any, path: Path, parent: str, name: str, containers: bool) -> Iterator[Path]:
        """Fields of a value. containers: maps and lists themselves too, which a manager owns that made them."""
        if self.is_map(value, name) and value:
            if containers:
                yield path
            for key, inner in value.items():
                yield from self.stated(inner, (*path, f"f:{key}"), name, key, containers)
        elif isinstance(value, list) and (keys := self.list_keys(parent, name)) is not None:
            if containers:
                yield path
            for item in value:
                place = (*path, item_key(item, keys))
                yield place
                if keys and name not in _WHOLE_ITEMS:
                    for key, inner in item.items():
                        yield from self.stated(inner, (*place, f"f:{key}"), name, key, containers)
        else:
            yield path

    def compared(self, old: Any, new: Any, path: Path, parent: str, name: str, changes: "_Changes") -> None:
        if old is new:
            return
        if self.is_map(old, name) and self.is_map(new, name):
            self.compared_maps(old, new, path, name, changes)
        elif isinstance(old, list) and isinstance(new, list) and (keys := self.list_keys(parent, name)) is not None:
            before = {item_key(item, keys): item for item in old}
            after = {item_key(item, keys): item for item in new}
            for key in before.keys() - after.keys():
                changes.removed.add((*path, key))
                changes.removed.update(self._inside(before[key], (*path, key), name))
            for key, item in after.items():
                if key not in before:
                    changes.made.add((*path, key))
                    changes.made.update(self._inside(item, (*path, key), name))
                elif keys:
                    self.compared_maps(before[key], item, (*path, key), name, changes)
        elif old != new:
            changes.made.add(path)

    def compared_maps(self, old: Json, new: Json, path: Path, name: str, changes: "_Changes") -> None:
        for key, value in new.items():
            if key not in old:
                changes.made.update(self.stated(value, (*path, f"f:{key}"), name, key, True))
            else:
                self.compared(old[key], value, (*path, f"f:{key}"), name, key, changes)
        for key in old.keys() - new.keys():
            changes.removed.update(self.stated(old[key], (*path, f"f:{key}"), name, key, True))

    def _inside(self, item: Any, path: Path, name: str) -> Iterator[Path]:
        for key, inner in item.items() if isinstance(item, dict) and name not in _WHOLE_ITEMS else ():
            yield from self.stated(inner, (*path, f"f:{key}"), name, key, True)

    def merged(self, live: Any, config: Any, parent: str, name: str) -> Any:
        """What is there with what is applied laid over it."""
        if self.is_map(live, name) and self.is_map(config, name):
            over = {key: self.merged(live.get(key), value, name, key) for key, value in config.items()}
            return {**live, **over}
        keys = self.list_keys(parent, name)
        if keys is None or not isinstance(live, list) or not isinstance(config, list):
            return copy.deepcopy(config)
        there = {item_key(item, keys): item for item in live}
        wanted = {item_key(item, keys): item for item in config}
        over_items = {
            key: ({**there[key], **_fields(self, there[key], item, name)} if keys and key in there else item)
            for key, item in wanted.items()
        }
        # The order is the configuration's if all are in it, else what is there keeps its place.
        if there.keys() <= wanted.keys():
            return list(over_items.values())
        return list({**there, **over_items}.values())


def _fields(walk: _Walk, live: Json, config: Json, name: str) -> Json:
    return {key: walk.merged(live.get(key), value, name, key) for key, value in config.items()}


class _Changes:
    def __init__(self) -> None:
        self.made: set[Path] = set()
        self.removed: set[Path] = set()


def item_key(item: Any, keys: tuple[str, ...]) -> str:
    """A list's item in FieldsV1: k:{"port":80,"protocol":"TCP"} or v:"a"."""
    if not keys or not isinstance(item, dict):
        return "v:" + json.dumps(item, separators=(",", ":"))
    values = {key: item.get(key, "TCP" if key == "protocol" else None) for key in keys}
    return "k:" + json.dumps({k: v for k, v in values.items() if v is not None}, separators=(",", ":"))


def after_update(kind: ServedKind, old: Json | None, new: Json, manager: str, time: str) -> list[Json]:
    """managedFields of new after an update (or a create, old is None) by a manager."""
    changes = _changes(kind, old if old is not None else _newborn(kind), new)
    entries = [] if old is None else list(old["metadata"].get("managedFields") or ())
    if not changes.made and not changes.removed:
        return entries
    mine = (manager, "Update", kind.api_version())
    return _entries(entries, mine, changes.made, True, changes, time)


def apply_config(
    kind: ServedKind, live: Json | None, config: Json, manager: str, force: bool
) -> tuple[Json, list[Path]]:
    """live with config laid over it, less what the manager stated before and does not any more; and what it states.

    The object's managedFields are live's still; see after_apply. Raises Refused with the conflicts.
    """
    walk = _Walk(kind)
    bare = _bare(config)
    states = list(_all_stated(walk, bare))
    base = live if live is not None else {"metadata": {}}
    merged = {**walk.merged(base, config, "", ""), "apiVersion": kind.api_version(), "kind": kind.kind}
    entries = list(base["metadata"].get("managedFields") or ())
    own = [e for e in entries if e["manager"] == manager and e["operation"] == "Apply"]
    others = [e for e in entries if e not in own]
    foreign = {path for entry in others for path in paths_of(entry["fieldsV1"])}
    last = {path for entry in own for path in paths_of(entry["fieldsV1"])}
    gone = last - set(states)
    if gone:
        merged = copy.deepcopy(merged)
        for path in sorted(gone, key=len):
            if not any(other[: len(path)] == path for other in foreign):
                _drop(merged, path)
    if not force and live is not None:
        made = _changes(kind, live, merged).made
        conflicts = [
            (_manager_words(entry), path)
            for entry in others
            for path in sorted(made.intersection(paths_of(entry["fieldsV1"])), key=_by_leaves)
        ]
        if conflicts:
            raise _conflicting(sorted(conflicts, key=lambda conflict: conflict[0]))
    return merged, states


def after_apply(
    kind: ServedKind, live: Json | None, new: Json, states: list[Path], manager: str, time: str, api_version: str
) -> list[Json]:
    """managedFields of new after an apply that apply_config prepared."""
    changes = _changes(kind, live if live is not None else _newborn(kind), new)
    entries = [] if live is None else list(live["metadata"].get("managedFields") or ())
    return _entries(entries, (manager, "Apply", api_version), set(states), False, changes, time)


def _entries(
    entries: list[Json], mine: tuple[str, str, str], states: set[Path], adds: bool, changes: _Changes, time: str
) -> list[Json]:
    """Managers after a change: who made it owns it, others lose what was changed or removed."""
    kept: list[Json] = []
    own: Json | None = None
    for entry in entries:
        if (entry["manager"], entry["operation"], entry["apiVersion"]) == mine:
            own = entry
            continue
        before = paths_of(entry["fieldsV1"])
        after = before - changes.made - changes.removed
        if len(after) == len(before):
            kept.append(entry)
        elif after:
            kept.append({**entry, "fieldsV1": fields_v1(after)})
    before = paths_of(own["fieldsV1"]) if own else set()
    after = (before - changes.removed) | states if adds else states
    if after:
        same = own is not None and after == before and not changes.made and not changes.removed
        kept.append(own if same and own is not None else _entry(mine, time, after))
    return sorted(kept, key=lambda e: (e["operation"], e.get("time", ""), e["manager"]))


def _entry(mine: tuple[str, str, str], time: str, paths: set[Path]) -> Json:
    manager, operation, api_version = mine
    return {
        "manager": manager,
        "operation": operation,
        "apiVersion": api_version,
        "time": time,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields_v1(paths),
    }


def fields_v1(paths: Iterable[Path]) -> Json:
    """Paths as a tree; "." stands for a map, list or item itself where something inside it is owned too."""
    tree: Json = {}
    for path in paths:
        here = tree
        for step in path:
            here = here.setdefault(step, {})
        here["."] = {}

    def tidy(node: Json) -> Json:
        return {} if node.keys() == {"."} else {key: {} if key == "." else tidy(node[key]) for key in sorted(node)}

    return tidy(tree)


def paths_of(fields: Json, path: Path = ()) -> set[Path]:
    """The same, back."""
    found: set[Path] = set()
    for key, inner in fields.items():
        if key == ".":
            found.add(path)
        elif not inner:
            found.add((*path, key))
        else:
            found |= paths_of(inner, (*path, key))
    return found


def _changes(kind: ServedKind, old: Json, new: Json) -> _Changes:
    changes = _Changes()
    _Walk(kind).compared_maps(_bare(old), _bare(new), (), "", changes)
    changes.made.discard(("f:metadata",))
    return changes


def _bare(obj: Json) -> Json:
    """Without what nobody owns."""
    metadata = {key: value for key, value in (obj.get("metadata") or {}).items() if key not in _UNOWNED}
    return {**{k: v for k, v in obj.items() if k not in ("apiVersion", "kind", "metadata")}, "metadata": metadata}


def _all_stated(walk: _Walk, bare: Json) -> Iterator[Path]:
    for key, value in bare.items():
        if key != "metadata" or value:
            yield from walk.stated(value, (f"f:{key}",), "", key, False)


def _newborn(kind: ServedKind) -> Json:
    """An object before anything is said of it: what the Go type has as plain structs is always there."""
    if kind.custom:
        return {}
    if kind.kind == "Namespace":
        return {"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}
    if kind.kind == "EndpointSlice":
        return {"ports": None}
    template: Json = {"metadata": {}, "spec": {"containers": []}}
    spec: dict[str, Json] = {
        "Pod": {"containers": []},
        "Deployment": {"template": template, "strategy": {}},
        "ReplicaSet": {"template": template},
        "Job": {"template": template},
    }
    return {"spec": spec.get(kind.kind, {}), "status": {"loadBalancer": {}}, "metadata": {}}


def _drop(obj: Json, path: Path) -> None:
    """Remove a field or an item, and what becomes empty by that."""
    here: Any = obj
    trail: list[tuple[Any, Any]] = []
    for step in path:
        place: Any
        if step.startswith("f:"):
            place = step[2:]
            if not isinstance(here, dict) or place not in here:
                return
        else:
            if not isinstance(here, list):
                return
            wanted = json.loads(step[2:])
            place = next((index for index, item in enumerate(here) if _is_item(item, wanted)), None)
            if place is None:
                return
        trail.append((here, place))
        here = here[place]
    while trail:
        parent, place = trail.pop()
        del parent[place]
        if parent or len(trail) < 2:
            return


def _is_item(item: Any, wanted: Any) -> bool:
    if isinstance(item, dict) and isinstance(wanted, dict):
        return all(item.get(key, "TCP" if key == "protocol" else None) == value for key, value in wanted.items())
    return bool(item == wanted)


def _by_leaves(path: Path) -> tuple[tuple[bool, str], ...]:
    """Order of structured-merge-diff's sets: what ends at a level comes before what goes on below it."""
    return tuple((index < len(path) - 1, step) for index, step in enumerate(path))


def _manager_words(entry: Json) -> str:
    words = f'"{entry["manager"]}"'
    return f"{words} using {entry['apiVersion']}" if entry["operation"] == "Update" else words


def _path_words(path: Path) -> str:
    """.spec.ports[port=80,protocol="TCP"].name"""
    words = ""
    for step in path:
        value = json.loads(step[2:]) if step[:2] in ("k:", "v:") else None
        if step.startswith("f:"):
            words += f".{step[2:]}"
        elif isinstance(value, dict) and step.startswith("k:"):
            words += f"[{','.join(f'{key}={json.dumps(value[key])}' for key in sorted(value))}]"
        else:
            words += f"[={json.dumps(value)}]"
    return words


def _conflicting(conflicts: list[tuple[str, Path]]) -> Refused:
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {manager}", "field": _path_words(path)}
        for manager, path in conflicts
    ]
    if len(conflicts) == 1:
        text = f"Apply failed with 1 conflict: conflict with {conflicts[0][0]}: {_path_words(conflicts[0][1])}"
    else:
        lines: list[str] = []
        for manager in dict.fromkeys(manager for manager, _ in conflicts):
            lines.append(f"conflicts with {manager}:")
            lines += [f"- {_path_words(path)}" for other, path in conflicts if other == manager]
        text = f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines)
    return Refused(409, "Conflict", text, {"causes": causes})
