"""Order of work of every write: identity, conflicts, dry runs, deletion."""

import json
import time
from typing import Any

import pytest

from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.api.kinds import BY_RESOURCE
from kubectl_extsvc.sandbox.api.store import Store
from kubectl_extsvc.sandbox.api.writes import Refused, WriteOptions, Writes

SERVICES, CONFIG_MAPS = BY_RESOURCE["services"], BY_RESOURCE["configmaps"]
RULES, PODS = BY_RESOURCE["destinationrules.networking.istio.io"], BY_RESOURCE["pods"]
ME = WriteOptions(field_manager="me")
DRY = WriteOptions(field_manager="me", dry_run=True)
MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


@pytest.fixture
def writes() -> Writes:
    made = Writes(Store())
    made.create(BY_RESOURCE["namespaces"], "", {"metadata": {"name": "shop"}}, ME)
    return made


def external(name: str = "a", **spec: Any) -> Json:
    return {"metadata": {"name": name}, "spec": {"type": "ExternalName", "externalName": "httpbin.org", **spec}}


def refusal(call: Any, *args: Any) -> tuple[int, str, str]:
    with pytest.raises(Refused) as caught:
        call(*args)
    return caught.value.code, caught.value.reason, caught.value.message


def test_a_created_service_is_stored_complete(writes: Writes) -> None:
    made = writes.create(SERVICES, "shop", {"metadata": {"name": "a"}, "spec": {"ports": [{"port": 443}]}}, ME)
    metadata = made["metadata"]
    assert made == writes.store.get("services", "shop", "a")
    assert made == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "a",
            "namespace": "shop",
            "uid": metadata["uid"],
            "creationTimestamp": metadata["creationTimestamp"],
            "resourceVersion": "3",
            "managedFields": metadata["managedFields"],
        },
        "spec": {
            "type": "ClusterIP",
            "sessionAffinity": "None",
            "internalTrafficPolicy": "Cluster",
            "ports": [{"port": 443, "protocol": "TCP", "targetPort": 443}],
            "clusterIP": "10.96.1.0",
            "clusterIPs": ["10.96.1.0"],
            "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack",
        },
        "status": {"loadBalancer": {}},
    }


def test_a_dry_run_gives_the_object_and_stores_nothing(writes: Writes) -> None:
    before = writes.store.revision
    made = writes.create(SERVICES, "shop", external(), DRY)
    assert made["spec"]["externalName"] == "httpbin.org"
    assert "resourceVersion" not in made["metadata"]
    writes.create(SERVICES, "shop", external(), ME)
    after = writes.store.revision
    assert writes.delete(SERVICES, "shop", "a", {}, DRY)["metadata"]["name"] == "a"
    writes.patch(SERVICES, "shop", "a", "application/merge-patch+json", b'{"spec":{"externalName":"x.org"}}', DRY)
    assert (before + 1, after) == (after, writes.store.revision)


def test_a_generated_name_has_five_letters_more(writes: Writes) -> None:
    body = {**external(), "metadata": {"generateName": "probe-"}}
    name = writes.create(SERVICES, "shop", body, ME)["metadata"]["name"]
    assert name.startswith("probe-")
    assert len(name) == len("probe-") + 5


def test_refusals_of_a_create_are_in_the_servers_words(writes: Writes) -> None:
    writes.create(SERVICES, "shop", external(), ME)
    assert refusal(writes.create, SERVICES, "shop", external(), ME) == (
        409, "AlreadyExists", 'services "a" already exists'
    )  # fmt: skip
    assert refusal(writes.create, RULES, "nowhere", external(), ME) == (
        404, "NotFound", 'namespaces "nowhere" not found'
    )  # fmt: skip
    numbered = {**external("b"), "metadata": {"name": "b", "resourceVersion": "1"}}
    assert refusal(writes.create, SERVICES, "shop", numbered, ME) == (
        500, "", "resourceVersion should not be set on objects to be created"
    )  # fmt: skip


def test_a_put_with_an_old_resource_version_is_a_conflict(writes: Writes) -> None:
    old = writes.create(SERVICES, "shop", external(), ME)
    new = writes.replace(SERVICES, "shop", "a", {**old, "spec": {**old["spec"], "externalName": "x.org"}}, ME)
    assert new["spec"]["externalName"] == "x.org"
    assert refusal(writes.replace, SERVICES, "shop", "a", old, ME) == (
        409, "Conflict", f'Operation cannot be fulfilled on services "a": {MODIFIED}'
    )  # fmt: skip


def test_a_put_makes_a_service_but_no_rule(writes: Writes) -> None:
    assert writes.replace(SERVICES, "shop", "a", external(), ME)["metadata"]["name"] == "a"
    assert refusal(writes.replace, RULES, "shop", "a", {"spec": {"host": "x"}}, ME) == (
        404, "NotFound", 'destinationrules.networking.istio.io "a" not found'
    )  # fmt: skip


def test_a_write_that_changes_nothing_stores_nothing(writes: Writes) -> None:
    made = writes.create(SERVICES, "shop", external(), ME)
    patched = writes.patch(SERVICES, "shop", "a", "application/merge-patch+json", b"{}", ME)
    assert patched == (made, False)
    assert writes.replace(SERVICES, "shop", "a", made, ME) == made


def test_generation_counts_changes_of_the_spec(writes: Writes) -> None:
    writes.create(RULES, "shop", {"metadata": {"name": "a"}, "spec": {"host": "x"}}, ME)

    def patched(patch: Json) -> int:
        body = json.dumps(patch).encode()
        found, _ = writes.patch(RULES, "shop", "a", "application/merge-patch+json", body, ME)
        return int(found["metadata"]["generation"])

    assert [patched({"metadata": {"labels": {"a": "b"}}}), patched({"spec": {"host": "y"}})] == [1, 2]


def test_a_deletion_answers_with_the_service_but_a_status_for_a_rule(writes: Writes) -> None:
    writes.create(SERVICES, "shop", external(), ME)
    rule = writes.create(RULES, "shop", {"metadata": {"name": "a"}, "spec": {"host": "x"}}, ME)
    assert writes.delete(SERVICES, "shop", "a", {}, ME)["kind"] == "Service"
    assert writes.delete(RULES, "shop", "a", {}, ME) == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {
            "name": "a",
            "group": "networking.istio.io",
            "kind": "destinationrules",
            "uid": rule["metadata"]["uid"],
        },
    }
    assert refusal(writes.delete, RULES, "shop", "a", {}, ME)[0] == 404


def test_a_deletion_with_another_uid_is_a_conflict(writes: Writes) -> None:
    uid = writes.create(SERVICES, "shop", external(), ME)["metadata"]["uid"]
    assert refusal(writes.delete, SERVICES, "shop", "a", {"preconditions": {"uid": "foo"}}, ME) == (
        409,
        "Conflict",
        'Operation cannot be fulfilled on Service "a": the UID in the precondition (foo) does not match the UID in '
        f"record ({uid}). The object might have been deleted and then recreated",
    )
    writes.delete(SERVICES, "shop", "a", {"preconditions": {"uid": uid}}, ME)
    assert writes.store.items("services") == []


def test_a_finalizer_keeps_an_object_until_it_is_taken_away(writes: Writes) -> None:
    body = {"metadata": {"name": "a", "finalizers": ["a.b/c"]}}
    writes.create(CONFIG_MAPS, "shop", body, ME)
    assert "deletionTimestamp" in writes.delete(CONFIG_MAPS, "shop", "a", {}, ME)["metadata"]
    assert writes.store.get("configmaps", "shop", "a") is not None
    patch = b'{"metadata":{"finalizers":null}}'
    writes.patch(CONFIG_MAPS, "shop", "a", "application/merge-patch+json", patch, ME)
    assert writes.store.get("configmaps", "shop", "a") is None


def test_a_chosen_cluster_ip_is_taken_once_and_never_changes(writes: Writes) -> None:
    spec = {"ports": [{"port": 80}], "clusterIP": "10.96.200.1"}
    writes.create(SERVICES, "shop", {"metadata": {"name": "a"}, "spec": spec}, ME)
    assert refusal(writes.create, SERVICES, "shop", {"metadata": {"name": "b"}, "spec": spec}, ME)[2] == (
        'Service "b" is invalid: spec.clusterIPs: Invalid value: ["10.96.200.1"]: failed to allocate IP 10.96.200.1: '
        "provided IP is already allocated"
    )
    patch = b'{"spec":{"clusterIP":"10.96.200.2"}}'
    assert refusal(writes.patch, SERVICES, "shop", "a", "application/merge-patch+json", patch, ME)[2] == (
        'Service "a" is invalid: spec.clusterIPs[0]: Invalid value: ["10.96.200.2"]: may not change once set'
    )
    writes.delete(SERVICES, "shop", "a", {}, ME)
    again = writes.create(SERVICES, "shop", {"metadata": {"name": "b"}, "spec": spec}, ME)
    assert again["spec"]["clusterIP"] == "10.96.200.1"


def test_a_service_that_becomes_external_gives_its_address_back(writes: Writes) -> None:
    writes.create(SERVICES, "shop", {"metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}}, ME)
    patch = b'{"spec":{"type":"ExternalName","externalName":"x.org"}}'
    changed, _ = writes.patch(SERVICES, "shop", "a", "application/merge-patch+json", patch, ME)
    assert changed["spec"] == {
        "type": "ExternalName",
        "externalName": "x.org",
        "sessionAffinity": "None",
        "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
    }


def test_a_thousand_services_are_made_quickly(writes: Writes) -> None:
    began = time.process_time()
    for index in range(1000):
        spec = {"ports": [{"name": "tls", "port": 443}]}
        writes.create(SERVICES, "shop", {"metadata": {"name": f"s{index}"}, "spec": spec}, ME)
        rule = {"metadata": {"name": f"s{index}"}, "spec": {"host": "x", "trafficPolicy": {"tls": {"mode": "SIMPLE"}}}}
        writes.create(RULES, "shop", rule, ME)
    assert time.process_time() - began < 2.0


# --- ephemeral containers --------------------------------------------------------------------------------------------

PROBE = {"name": "probe-a", "image": "curlimages/curl:1"}
ADDING = WriteOptions(field_manager="me", subresource="ephemeralcontainers")
STRATEGIC = "application/strategic-merge-patch+json"


def add(writes: Writes, *containers: Json, **more: Any) -> Json:
    patch = json.dumps({"spec": {"ephemeralContainers": list(containers), **more}}).encode()
    writes.patch(PODS, "shop", "p", STRATEGIC, patch, ADDING)
    pod = writes.store.get("pods", "shop", "p")
    assert pod is not None
    return pod


def test_ephemeral_containers_are_added_and_started_and_nothing_else_is_changed(writes: Writes) -> None:
    spec = {"containers": [{"name": "app", "image": "nginx:1"}]}
    before = writes.create(PODS, "shop", {"metadata": {"name": "p"}, "spec": spec}, ME)

    add(writes, PROBE, containers=[{"name": "app", "image": "other"}], nodeName="elsewhere")
    after = add(writes, {"name": "probe-b", "image": "curlimages/curl:1"})

    assert after["spec"].pop("ephemeralContainers") == [
        {
            "name": name,
            "image": "curlimages/curl:1",
            "resources": {},
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
            "imagePullPolicy": "IfNotPresent",
        }
        for name in ("probe-a", "probe-b")
    ]
    assert after["spec"] == before["spec"]
    statuses = {status["name"]: list(status["state"]) for status in after["status"]["ephemeralContainerStatuses"]}
    assert statuses == {"probe-a": ["running"], "probe-b": ["running"]}


def test_an_ephemeral_container_that_is_there_can_neither_change_nor_go(writes: Writes) -> None:
    spec = {"containers": [{"name": "app", "image": "nginx:1"}]}
    writes.create(PODS, "shop", {"metadata": {"name": "p"}, "spec": spec}, ME)
    add(writes, PROBE)
    words = (
        'Pod "p" is invalid: spec.ephemeralContainers: Forbidden: existing ephemeral containers "probe-a" may not be'
    )

    changed = {"spec": {"ephemeralContainers": [{**PROBE, "image": "other"}]}}
    gone: Json = {"spec": {"ephemeralContainers": []}}
    for kind, patch, why in ((STRATEGIC, changed, "changed"), ("application/merge-patch+json", gone, "removed")):
        refused = refusal(writes.patch, PODS, "shop", "p", kind, json.dumps(patch).encode(), ADDING)
        assert refused == (422, "Invalid", f"{words} {why}")
