"""Manifests as people keep them in files, each value with the place where it stands."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from kubectl_extsvc.model.hostile_text import one_line
from kubectl_extsvc.model.lint import Place, Problem
from kubectl_extsvc.model.resources import Json


class _Loader(yaml.SafeLoader):
    """Dates stay words, as for Kubernetes (sigs.k8s.io/yaml goes by way of JSON)."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object of a file."""

    obj: Json
    file: str
    node: yaml.Node

    def place(self, path: Sequence[str | int] = ()) -> Place:
        """Of a field, or of the deepest of its parents that is there."""
        node = mark = self.node
        for step in path:
            inner = _inner(node, step)
            if inner is None:
                break
            mark, node = inner
        return _place(self.file, mark.start_mark)


def parse(text: str, file: str) -> tuple[list[Manifest], list[Problem]]:
    """All objects of a file, those of Lists one by one. Documents before a broken one are kept; JSON is YAML too."""
    manifests: list[Manifest] = []
    try:
        loader = _Loader(text)
        while loader.check_node():
            node = loader.get_node()
            assert node is not None  # check_node said so
            manifests += _objects(loader.construct_document(node), node, file)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        words = one_line(" ".join(part for part in (error.context, error.problem) if part))
        return manifests, [Problem(_place(file, mark) if mark else Place(file), words or "no YAML")]
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        return manifests, [Problem(Place(file), one_line(str(error)) or type(error).__name__)]
    return manifests, []


def _objects(value: Any, node: yaml.Node, file: str) -> Iterator[Manifest]:
    if not isinstance(value, dict):
        return
    items = _inner(node, "items")
    if str(value.get("kind", "")).endswith("List") and isinstance(value.get("items"), list) and items is not None:
        for item, inner in zip(value["items"], items[1].value, strict=False):
            yield from _objects(item, inner, file)
    else:
        yield Manifest(value, file, node)


def _inner(node: yaml.Node, step: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    """Where a field or an element begins, and its value."""
    match node:
        case yaml.MappingNode():
            return next(((key, value) for key, value in node.value if key.value == step), None)
        case yaml.SequenceNode() if isinstance(step, int) and step < len(node.value):
            return node.value[step], node.value[step]
        case _:
            return None


def _place(file: str, mark: Any) -> Place:
    return Place(file, mark.line + 1, mark.column + 1)
