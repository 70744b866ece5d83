"""Patches of an object that is there as the API server takes them; all give a new object and leave the old one."""

from typing import Any

from kubectl_extsvc.model import patches
from kubectl_extsvc.model.patches import PatchError
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.api.refusals import Refused

_MERGE_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "volumes": "name",
    "imagePullSecrets": "name",
    "hostAliases": "ip",
    "env": "name",
    "volumeMounts": "mountPath",
    "conditions": "type",
    "ownerReferences": "uid",
    "topologySpreadConstraints": "topologyKey",
}
"""patchMergeKey of the Go types (k8s.io/api core/v1/types.go). Lists that are not here are replaced."""


def json_patch(target: Json, operations: list[Json]) -> Json:
    """RFC 6902. Raises Refused in the words of the API server, which says nothing of the cause."""
    try:
        return patches.json_patch(target, operations)
    except PatchError as error:
        raise Refused(422, "Invalid", "the server rejected our request due to an error in our request") from error


def strategic_merge(target: Json, patch: Json) -> Json:
    """What kubectl apply and kubectl patch send for built-in kinds (apimachinery pkg/util/strategicpatch)."""
    return _strategic(target, patch, "")


def _strategic(target: Json, patch: Json, name: str) -> Json:
    match patch.get("$patch"):
        case "replace":
            return {key: value for key, value in patch.items() if key != "$patch"}
        case "delete":
            return {}
        case _:
            pass
    kept = patch.get("$retainKeys")
    result = {key: value for key, value in target.items() if kept is None or key in kept}
    for key, value in patch.items():
        if key.startswith("$"):
            continue
        old = result.get(key)
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = _strategic(old if isinstance(old, dict) else {}, value, key)
        elif isinstance(value, list) and (merge_key := _merge_key(name, key)):
            result[key] = _merged_list(old or [], value, key, merge_key)
        elif key == "finalizers":
            result[key] = list(dict.fromkeys([*(old or []), *value]))
        else:
            result[key] = value
    for directive, values in patch.items():
        verb, _, key = directive.partition("/")
        if verb == "$deleteFromPrimitiveList" and key in result:
            result[key] = [item for item in result[key] if item not in values]
        elif verb == "$setElementOrder" and isinstance(result.get(key), list):
            result[key] = _ordered(result[key], values, _merge_key(name, key))
    return result


def _merge_key(parent: str, name: str) -> str:
    if name == "ports":
        return "port" if parent == "spec" else "containerPort" if parent.lower().endswith("containers") else ""
    return _MERGE_KEYS.get(name, "")


def _merged_list(old: list[Json], patch: list[Json], name: str, key: str) -> list[Json]:
    if any(item.get("$patch") == "replace" for item in patch):
        return [item for item in patch if item.get("$patch") != "replace"]
    result = list(old)
    for item in patch:
        if key not in item:
            words = " ".join(f"{k}:{v}" for k, v in sorted(item.items()))
            raise Refused(500, "", f"map: map[{words}] does not contain declared merge key: {key}")
        places = [index for index, there in enumerate(result) if there.get(key) == item[key]]
        if item.get("$patch") == "delete":
            result = [there for there in result if there.get(key) != item[key]]
        elif places:
            result[places[0]] = _strategic(result[places[0]], item, name)
        else:
            result.append(_strategic({}, item, name))
    return result


def _ordered(items: list[Any], order: list[Any], key: str) -> list[Any]:
    """In the order that the patch states; what it does not know stays behind it, as it was."""
    wanted = [item.get(key) if key else item for item in order]
    return sorted(items, key=lambda i: wanted.index(v) if (v := i.get(key) if key else i) in wanted else len(wanted))
