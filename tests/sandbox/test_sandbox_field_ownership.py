"""Server-side apply: who owns which field, conflicts, and what goes when nobody states it any more."""

import json

import pytest

from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.api.field_ownership import fields_v1, paths_of
from kubectl_extsvc.sandbox.api.kinds import BY_RESOURCE
from kubectl_extsvc.sandbox.api.store import Store
from kubectl_extsvc.sandbox.api.writes import Refused, WriteOptions, Writes

SERVICES = BY_RESOURCE["services"]
APPLY, MERGE = "application/apply-patch+yaml", "application/merge-patch+json"
PORT = 'k:{"port":80,"protocol":"TCP"}'


@pytest.fixture
def writes() -> Writes:
    made = Writes(Store())
    made.create(BY_RESOURCE["namespaces"], "", {"metadata": {"name": "shop"}}, WriteOptions(field_manager="me"))
    return made


def service(host: str = "httpbin.org", port_name: str = "", labels: Json | None = None) -> Json:
    ports = {"ports": [{"name": port_name, "port": 80}]} if port_name else {}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "a", **({"labels": labels} if labels else {})},
        "spec": {"type": "ExternalName", "externalName": host, **ports},
    }


def apply(writes: Writes, obj: Json, manager: str, force: bool = False) -> Json:
    options = WriteOptions(field_manager=manager, force=force)
    return writes.patch(SERVICES, "shop", "a", APPLY, json.dumps(obj).encode(), options)[0]


def owners(obj: Json) -> list[tuple[str, str, Json]]:
    return [(e["manager"], e["operation"], e["fieldsV1"]) for e in obj["metadata"].get("managedFields", [])]


def refusal(writes: Writes, obj: Json, manager: str) -> Refused:
    with pytest.raises(Refused) as caught:
        apply(writes, obj, manager)
    return caught.value


def test_a_creator_owns_what_it_said_and_what_defaults_added(writes: Writes) -> None:
    body = {"metadata": {"name": "a", "labels": {"l": "1"}}, "spec": {"ports": [{"port": 80}]}}
    made = writes.create(SERVICES, "shop", body, WriteOptions(field_manager="kubectl-create"))
    assert owners(made) == [
        (
            "kubectl-create",
            "Update",
            {
                "f:metadata": {"f:labels": {".": {}, "f:l": {}}},
                "f:spec": {
                    "f:internalTrafficPolicy": {},
                    "f:ports": {".": {}, PORT: {".": {}, "f:port": {}, "f:protocol": {}, "f:targetPort": {}}},
                    "f:sessionAffinity": {},
                    "f:type": {},
                },
            },
        )
    ]


def test_an_applier_owns_only_what_it_states(writes: Writes) -> None:
    made = apply(writes, service(port_name="http", labels={"l": "1"}), "one")
    spec: Json = {"f:externalName": {}, "f:ports": {PORT: {".": {}, "f:name": {}, "f:port": {}}}, "f:type": {}}
    assert owners(made) == [("one", "Apply", {"f:metadata": {"f:labels": {"f:l": {}}}, "f:spec": spec})]
    assert apply(writes, service(port_name="http", labels={"l": "1"}), "one") == made


def test_another_value_is_a_conflict_and_the_same_value_is_shared(writes: Writes) -> None:
    apply(writes, service(), "one")
    refused = refusal(writes, service("other.org"), "two")
    assert (refused.code, refused.reason, refused.message, refused.details) == (
        409,
        "Conflict",
        'Apply failed with 1 conflict: conflict with "one": .spec.externalName',
        {
            "causes": [
                {"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".spec.externalName"}
            ]
        },
    )
    shared: Json = {"f:spec": {"f:externalName": {}, "f:type": {}}}
    assert owners(apply(writes, service(), "two")) == [("one", "Apply", shared), ("two", "Apply", shared)]


def test_several_conflicts_are_listed_by_manager(writes: Writes) -> None:
    apply(writes, service(port_name="http", labels={"l": "1"}), "one")
    wanted = service("other.org", "web", {"l": "2"})
    wanted["spec"]["type"] = "ClusterIP"
    assert refusal(writes, wanted, "two").message == (
        'Apply failed with 4 conflicts: conflicts with "one":\n'
        "- .metadata.labels.l\n- .spec.externalName\n- .spec.type\n"
        '- .spec.ports[port=80,protocol="TCP"].name'
    )


def test_a_conflict_with_an_update_names_its_version(writes: Writes) -> None:
    apply(writes, service(), "one")
    patch = b'{"spec":{"externalName":"x.org"}}'
    patched, _ = writes.patch(SERVICES, "shop", "a", MERGE, patch, WriteOptions(field_manager="kubectl-edit"))
    assert owners(patched) == [
        ("one", "Apply", {"f:spec": {"f:type": {}}}),
        ("kubectl-edit", "Update", {"f:spec": {"f:externalName": {}}}),
    ]
    assert refusal(writes, service("other.org"), "one").message == (
        'Apply failed with 1 conflict: conflict with "kubectl-edit" using v1: .spec.externalName'
    )


def test_force_takes_a_field_over(writes: Writes) -> None:
    apply(writes, service(), "one")
    forced = apply(writes, service("other.org"), "two", force=True)
    assert forced["spec"]["externalName"] == "other.org"
    assert owners(forced) == [
        ("one", "Apply", {"f:spec": {"f:type": {}}}),
        ("two", "Apply", {"f:spec": {"f:externalName": {}, "f:type": {}}}),
    ]


def test_what_its_only_owner_stops_stating_goes(writes: Writes) -> None:
    apply(writes, service(port_name="http", labels={"l": "1"}), "one")
    less = apply(writes, service(), "one")
    assert less["spec"] == {"type": "ExternalName", "externalName": "httpbin.org", "sessionAffinity": "None"}
    assert "labels" not in less["metadata"]


def test_what_another_owns_too_stays(writes: Writes) -> None:
    apply(writes, service(port_name="http", labels={"l": "1"}), "one")
    apply(writes, service(port_name="http", labels={"l": "1"}), "two")
    less = apply(writes, service(), "one")
    assert less["metadata"]["labels"] == {"l": "1"}
    assert less["spec"]["ports"] == [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 80}]


def test_owner_references_of_two_appliers_are_merged_by_uid(writes: Writes) -> None:
    uids = []
    for name in ("x", "y"):
        body = {"metadata": {"name": name}, "spec": {"type": "ExternalName", "externalName": "x.org"}}
        uids.append(writes.create(SERVICES, "shop", body, WriteOptions(field_manager="me"))["metadata"]["uid"])
    for name, uid in zip(("x", "y"), uids, strict=True):
        owner = {"apiVersion": "v1", "kind": "Service", "name": name, "uid": uid}
        obj = service()
        obj["metadata"]["ownerReferences"] = [owner]
        applied = apply(writes, obj, name)
    assert [owner["uid"] for owner in applied["metadata"]["ownerReferences"]] == uids


def test_endpoints_of_a_slice_are_one_field(writes: Writes) -> None:
    body = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "a"},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["203.0.113.1"]}],
        "ports": [{"name": "tls", "port": 443}],
    }
    kind, options = BY_RESOURCE["endpointslices.discovery.k8s.io"], WriteOptions(field_manager="one")
    made, created = writes.patch(kind, "shop", "a", APPLY, json.dumps(body).encode(), options)
    assert (created, owners(made)) == (
        True, [("one", "Apply", {"f:addressType": {}, "f:endpoints": {}, "f:ports": {}})]
    )  # fmt: skip


def test_an_apply_without_a_manager_or_of_another_kind_is_refused(writes: Writes) -> None:
    assert refusal(writes, service(), "").message == (
        'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'
    )
    assert refusal(writes, {**service(), "kind": "Pod"}, "one").message == "invalid object type: /v1, Kind=Pod"


def test_fields_are_the_same_after_a_round_trip() -> None:
    tree: Json = {"f:spec": {"f:ports": {".": {}, PORT: {".": {}, "f:name": {}}}, "f:type": {}}}
    assert fields_v1(paths_of(tree)) == tree
