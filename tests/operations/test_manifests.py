"""Objects in files, and where their fields stand."""

import json

import pytest

from kubectl_extsvc.model.lint import Place, Problem
from kubectl_extsvc.operations.manifests import parse

TWO = """\
# a comment
kind: Service
metadata:
  name: a
spec:
  ports:
  - name: http
    port: 80
---
---
kind: List
items:
- kind: Service
  metadata: {name: b}
-   kind: ServiceList
    items:
    - {kind: Service, metadata: {name: c}}
---
- no object
"""


def test_every_object_is_found_with_its_place() -> None:
    manifests, problems = parse(TWO, "x.yaml")
    assert problems == []
    assert [(manifest.obj["metadata"]["name"], manifest.place()) for manifest in manifests] == [
        ("a", Place("x.yaml", 2, 1)),
        ("b", Place("x.yaml", 13, 3)),
        ("c", Place("x.yaml", 17, 7)),
    ]


@pytest.mark.parametrize(
    ("path", "line", "column"),
    [
        (("metadata", "name"), 4, 3),
        (("spec", "ports", 0), 7, 5),
        (("spec", "ports", 0, "port"), 8, 5),
        (("spec", "ports", 1, "port"), 6, 3),
        (("spec", "type"), 5, 1),
        (("spec", "ports", "x"), 6, 3),
        (("status",), 2, 1),
    ],
)
def test_a_field_stands_where_it_begins_and_a_missing_one_where_its_parent_does(
    path: tuple[str | int, ...], line: int, column: int
) -> None:
    manifests, _ = parse(TWO, "x.yaml")
    assert manifests[0].place(path) == Place("x.yaml", line, column)


def test_documents_before_a_broken_one_are_kept_and_the_break_is_placed() -> None:
    manifests, problems = parse("kind: A\n---\nkind: B\n---\n{a: [b\n", "x.yaml")
    assert [manifest.obj for manifest in manifests] == [{"kind": "A"}, {"kind": "B"}]
    assert [(problem.place, "expected ',' or ']'" in problem.message) for problem in problems] == [
        (Place("x.yaml", 6, 1), True)
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("kind: {{ .Values.kind }}\n", Problem(Place("x", 1, 8), "while constructing a mapping found unhashable key")),
        (
            "a: !Ref x\n",
            Problem(Place("x", 1, 4), "could not determine a constructor for the tag '!Ref'"),
        ),
        ("a: *b\n", Problem(Place("x", 1, 4), "found undefined alias 'b'")),
        ("a: \x07\n", Problem(Place("x"), "unacceptable character #x0007: special characters are not allowed")),
    ],
)
def test_what_is_no_manifest_is_said_in_one_line(text: str, problem: Problem) -> None:
    manifests, (found,) = parse(text, "x")
    assert (manifests, found.place) == ([], problem.place)
    assert found.message.startswith(problem.message)


def test_a_date_is_a_word_and_json_is_yaml() -> None:
    (manifest,), _ = parse("a: 2026-11-24\nb: 1\nc: true\n", "x")
    assert manifest.obj == {"a": "2026-11-24", "b": 1, "c": True}
    (same,), _ = parse(json.dumps(manifest.obj, indent=2), "x.json")
    assert (same.obj, same.place(["c"])) == (manifest.obj, Place("x.json", 4, 3))


def test_nothing_is_in_an_empty_file() -> None:
    assert parse("", "x") == parse("# only words\n", "x") == parse("---\n---\n", "x") == ([], [])
