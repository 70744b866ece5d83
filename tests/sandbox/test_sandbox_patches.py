"""JSON patches that cannot be done, and strategic merges, of an object that is there."""

from typing import Any

import pytest

from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.api.patches import json_patch, strategic_merge
from kubectl_extsvc.sandbox.api.refusals import Refused

REJECTED = "the server rejected our request due to an error in our request"


def service(*ports: Json) -> Json:
    return {"spec": {"type": "ClusterIP", "ports": list(ports)}}


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
def test_a_json_patch_that_cannot_be_done_is_refused_without_a_reason(operation: Json) -> None:
    with pytest.raises(Refused) as caught:
        json_patch(service({"port": 80}), [operation])
    assert (caught.value.code, caught.value.reason, caught.value.message) == (422, "Invalid", REJECTED)


@pytest.mark.parametrize(
    ("patch", "ports"),
    [
        ([{"port": 80, "name": "web"}], [{"port": 80, "name": "web"}, {"port": 443, "name": "tls"}]),
        ([{"port": 90}], [{"port": 80, "name": "http"}, {"port": 443, "name": "tls"}, {"port": 90}]),
        ([{"port": 80, "$patch": "delete"}], [{"port": 443, "name": "tls"}]),
        ([{"$patch": "replace"}, {"port": 1}], [{"port": 1}]),
    ],
)
def test_a_strategic_merge_finds_ports_by_their_number(patch: Any, ports: Any) -> None:
    old = service({"port": 80, "name": "http"}, {"port": 443, "name": "tls"})
    assert strategic_merge(old, {"spec": {"ports": patch}}) == service(*ports)


def test_a_strategic_merge_merges_containers_by_name_and_env_inside_them() -> None:
    old = {"spec": {"containers": [{"name": "a", "image": "x", "env": [{"name": "A", "value": "1"}]}, {"name": "b"}]}}
    patch = {"spec": {"containers": [{"name": "a", "env": [{"name": "B", "value": "2"}]}]}}
    assert strategic_merge(old, patch) == {
        "spec": {
            "containers": [
                {"name": "a", "image": "x", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
                {"name": "b"},
            ]
        }
    }


def test_a_strategic_merge_knows_the_directives_that_kubectl_sends() -> None:
    old = {"metadata": {"finalizers": ["a", "b"]}, "spec": {"strategy": {"type": "A", "rollingUpdate": {}}}}
    patch = {
        "metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]},
        "spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}},
    }
    assert strategic_merge(old, patch) == {
        "metadata": {"finalizers": ["b"]},
        "spec": {"strategy": {"type": "Recreate"}},
    }
    ordered = {"spec": {"$setElementOrder/ports": [{"port": 90}, {"port": 80}], "ports": [{"port": 90}]}}
    assert strategic_merge(service({"port": 80}), ordered) == service({"port": 90}, {"port": 80})


def test_a_strategic_merge_replaces_lists_that_have_no_key_and_maps_that_say_so() -> None:
    assert strategic_merge({"spec": {"tolerations": [1, 2]}}, {"spec": {"tolerations": [3]}}) == {
        "spec": {"tolerations": [3]}
    }
    assert strategic_merge({"spec": {"a": 1, "b": 2}}, {"spec": {"$patch": "replace", "b": 3}}) == {"spec": {"b": 3}}


def test_a_port_without_its_number_is_refused_by_a_strategic_merge() -> None:
    with pytest.raises(Refused) as caught:
        strategic_merge(service({"port": 80}), {"spec": {"ports": [{"name": "x"}]}})
    assert (caught.value.code, caught.value.message) == (
        500, "map: map[name:x] does not contain declared merge key: port"
    )  # fmt: skip
