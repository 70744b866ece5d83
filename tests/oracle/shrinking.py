"""What of a world it takes to disagree."""

import copy
from collections.abc import Iterable, Iterator
from typing import Any

from oracle.comparing import Disagreement, judged
from oracle.program import answers

from kubectl_extsvc.model.resources import Json

Path = tuple[str | int, ...]
"""Keys and indexes from the world down to a part of it."""

ROUNDS = 12


def shrunk(found: Disagreement) -> Disagreement:
    """The same disagreement about the same call, in a world without what it does not need: objects first, then
    parts of their specs."""
    found = Disagreement({**found.world, "calls": [found.call]}, found.call, found.differences)
    for parts in (_objects, _fields, _fields):
        for _ in range(ROUNDS):
            smaller = _smaller(found, list(parts(found.world)))
            if smaller is None:
                break
            found = smaller
    return found


def _smaller(found: Disagreement, paths: list[Path]) -> Disagreement | None:
    """Without as many of these parts as can go together."""
    alone = _asked(found, [[path] for path in paths])
    free = [path for path, one in zip(paths, alone, strict=True) if one is not None]
    together = [free[: len(free) // share] for share in (1, 2, 4) if len(free) // share > 1]
    best = next((one for one in _asked(found, together) if one is not None), None)
    return best or next((one for one in alone if one is not None), None)


def _asked(found: Disagreement, gone: Iterable[list[Path]]) -> list[Disagreement | None]:
    """What is left of a disagreement without some parts of its world, None if nothing is."""
    left = []
    for world, answer in answers([_without(found.world, paths) for paths in gone]):
        # What Istio refuses proves nothing.
        unexplained = [] if answer.get("invalid") else judged([(world, answer)]).unexplained
        left.append(next((one for one in unexplained if one.gist == found.gist), None))
    return left


def _objects(world: Json) -> Iterator[Path]:
    for key in ("istio", "kube"):
        # A slice whose pod is not there is another question.
        yield from ((key, number) for number, obj in enumerate(world[key]) if obj["kind"] != "Pod")


def _fields(world: Json) -> Iterator[Path]:
    yield from _parts(world["mesh"], ("mesh",))
    for key in ("labels", "metadata"):
        yield from _parts(world["proxy"].get(key) or {}, ("proxy", key))
    for key in ("istio", "kube"):
        for number, obj in enumerate(world[key]):
            yield from ((key, number, "metadata", one) for one in obj["metadata"] if one not in ("name", "namespace"))
            for part in ("spec", "ports", "endpoints"):
                yield from (path for path in _parts(obj.get(part), (key, number, part)) if _may_go(obj["kind"], path))


def _may_go(kind: str, path: Path) -> bool:
    """Whether an object without it is one that Kubernetes takes."""
    if kind == "EndpointSlice":
        return path[-1] not in ("port", "addresses") and "targetRef" not in path[:-1]
    return kind != "Service" or path[-1] not in ("port", "type", "externalName", "clusterIP")


def _parts(value: Any, path: Path) -> Iterator[Path]:
    """Keys and items at any depth; the last item of a list stays."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in entries:
        if isinstance(value, dict) or len(value) > 1:
            yield (*path, key)
        yield from _parts(part, (*path, key))


def _without(world: Json, paths: Iterable[Path]) -> Json:
    world = copy.deepcopy(world)
    # Backwards, so that the indexes of a list hold until they are used.
    for path in sorted(paths, key=lambda path: [(isinstance(key, int), key) for key in path], reverse=True):
        parent: Any = world
        for key in path[:-1]:
            parent = parent[key]
        del parent[path[-1]]
    return world
