"""Merge patch and JSON patch as their RFCs say, and the merge patch between two objects."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubectl_extsvc.model.patches import PatchError, difference, json_patch, merge_patch
from kubectl_extsvc.model.resources import Json

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.booleans(), st.integers(0, 3), st.sampled_from(["", "a"])),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.sampled_from("abc"), inner, max_size=3)),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [  # RFC 7396, appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_merge_patch_does_as_the_rfc_says(target: Json, patch: Json, result: Json) -> None:
    assert merge_patch(target, patch) == result


def test_a_json_patch_does_its_operations_in_order_and_leaves_the_old_object() -> None:
    old = {"metadata": {"labels": {"a/b": "1"}}, "spec": {"ports": [{"port": 80}]}}
    operations: list[Json] = [
        {"op": "test", "path": "/metadata/labels/a~1b", "value": "1"},
        {"op": "add", "path": "/spec/ports/-", "value": {"port": 81}},
        {"op": "add", "path": "/spec/ports/0", "value": {"port": 79}},
        {"op": "replace", "path": "/spec/ports/1/port", "value": 8080},
        {"op": "remove", "path": "/metadata/labels/a~1b"},
        {"op": "copy", "from": "/spec/ports/0", "path": "/spec/first"},
        {"op": "move", "from": "/spec/first", "path": "/spec/only"},
    ]
    assert json_patch(old, operations) == {
        "metadata": {"labels": {}},
        "spec": {"ports": [{"port": 79}, {"port": 8080}, {"port": 81}], "only": {"port": 79}},
    }
    assert old == {"metadata": {"labels": {"a/b": "1"}}, "spec": {"ports": [{"port": 80}]}}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/spec/type", "value": "other"},
        {"op": "remove", "path": "/spec/none"},
        {"op": "add", "path": "/spec/none/deeper", "value": 1},
        {"op": "add", "path": "/spec/ports/9", "value": 1},
        {"op": "unknown", "path": "/spec/type", "value": 1},
        {"op": "add", "path": "spec", "value": 1},
        {"path": "/spec"},
    ],
)
def test_a_json_patch_that_does_not_fit_names_its_operation(operation: Json) -> None:
    old = {"spec": {"type": "ClusterIP", "ports": [{"port": 80}]}}
    with pytest.raises(PatchError, match=f"^cannot {operation.get('op')} {operation['path']}$"):
        json_patch(old, [operation])


@given(OBJECTS, OBJECTS)
def test_the_difference_makes_one_object_into_the_other(before: Json, after: Json) -> None:
    assert merge_patch(before, difference(before, after)) == after


@given(OBJECTS)
def test_there_is_no_difference_between_an_object_and_itself(same: Json) -> None:
    assert difference(same, same) == {}


def test_the_difference_names_what_changes_and_nothing_else() -> None:
    before = {"a": {"b": 1, "c": 2}, "d": [1, 2], "e": 3, "f": {"g": 4}}
    after = {"a": {"b": 1, "c": 5}, "d": [2], "f": {"g": 4}}
    assert difference(before, after) == {"a": {"c": 5}, "d": [2], "e": None}
