"""What a cluster's controllers make of a write."""

from typing import Any

import pytest

from kubectl_extsvc.mesh.sources import sources_in
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.source import MeshMode
from kubectl_extsvc.sandbox.api.kinds import BY_RESOURCE
from kubectl_extsvc.sandbox.api.store import Store
from kubectl_extsvc.sandbox.api.writes import Refused, WriteOptions, Writes

SLICES = "endpointslices.discovery.k8s.io"
ME = WriteOptions(field_manager="me")
ADDRESS = {"addresses": [{"ip": "203.0.113.2"}], "ports": [{"port": 443}]}
CONTAINERS = {"containers": [{"name": "curl", "image": "curl:1"}]}


class World:
    def __init__(self) -> None:
        self.writes = Writes(Store())
        self.create("namespaces", {"metadata": {"name": "shop"}}, "")
        self.create("namespaces", {"metadata": {"name": "mesh", "labels": {"istio-injection": "enabled"}}}, "")

    def create(self, resource: str, body: Json, namespace: str = "shop") -> Json:
        return self.writes.create(BY_RESOURCE[resource], namespace, body, ME)

    def delete(self, resource: str, name: str, policy: str = "Background", namespace: str = "shop") -> Json:
        return self.writes.delete(BY_RESOURCE[resource], namespace, name, {"propagationPolicy": policy}, ME)

    def patch(self, resource: str, name: str, patch: bytes) -> Json:
        kind = BY_RESOURCE[resource]
        return self.writes.patch(kind, "shop", name, "application/merge-patch+json", patch, ME)[0]

    def names(self, resource: str, namespace: str = "shop") -> list[str]:
        return [obj["metadata"]["name"] for obj in self.writes.store.items(resource, namespace)]

    def slices(self) -> list[tuple[Any, ...]]:
        return sorted(
            (
                obj["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"],
                obj["addressType"],
                [endpoint["addresses"][0] for endpoint in obj["endpoints"] or ()],
                [port["port"] for port in obj["ports"] or ()],
            )
            for obj in self.writes.store.items(SLICES)
        )


@pytest.fixture
def world() -> World:
    return World()


def service(name: str = "a", **spec: Any) -> Json:
    return {"metadata": {"name": name}, "spec": {"ports": [{"port": 443}], **spec}}


def deployment(replicas: int = 1) -> Json:
    template = {"metadata": {"labels": {"app": "curl"}}, "spec": CONTAINERS}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "curl"}}, "template": template}
    return {"metadata": {"name": "curl"}, "spec": spec}


def test_endpoints_of_a_service_without_selector_are_mirrored(world: World) -> None:
    world.create("services", service())
    addresses = [{"ip": "203.0.113.2"}, {"ip": "203.0.113.1"}, {"ip": "2001:db8::5"}]
    ports = [{"name": "tls", "port": 443}, {"name": "http", "port": 80}]
    metadata = {"name": "a", "labels": {"x": "y"}, "annotations": {"b": "c"}}
    endpoints = world.create("endpoints", {"metadata": metadata, "subsets": [{"addresses": addresses, "ports": ports}]})
    (mirrored,) = (obj for obj in world.writes.store.items(SLICES) if obj["addressType"] == "IPv4")
    shown = {key: mirrored["metadata"][key] for key in ("labels", "annotations", "ownerReferences", "generateName")}
    assert shown == {
        "generateName": "a-",
        "labels": {
            "x": "y",
            "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io",
            "kubernetes.io/service-name": "a",
        },
        "annotations": {"b": "c"},
        "ownerReferences": [
            {
                "apiVersion": "v1",
                "kind": "Endpoints",
                "name": "a",
                "uid": endpoints["metadata"]["uid"],
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }
    controller = "endpointslicemirroring-controller.k8s.io"
    assert world.slices() == [
        (controller, "IPv4", ["203.0.113.1", "203.0.113.2"], [80, 443]),
        (controller, "IPv6", ["2001:db8::5"], [80, 443]),
    ]


def test_mirrored_slices_follow_the_endpoints_and_end_with_the_service(world: World) -> None:
    world.create("endpoints", {"metadata": {"name": "a"}, "subsets": [ADDRESS]})
    assert world.slices() == []
    world.create("services", service())
    (name,) = world.names(SLICES)
    world.patch("endpoints", "a", b'{"subsets":[{"addresses":[{"ip":"203.0.113.9"}],"ports":[{"port":443}]}]}')
    assert [row[2] for row in world.slices()] == [["203.0.113.9"]]
    assert world.names(SLICES) == [name]
    world.delete("services", "a")
    assert (world.slices(), world.names("endpoints")) == ([], ["a"])


def test_endpoints_that_say_so_are_not_mirrored(world: World) -> None:
    world.create("services", service())
    metadata = {"name": "a", "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}}
    world.create("endpoints", {"metadata": metadata, "subsets": [ADDRESS]})
    assert world.slices() == []


def test_a_service_with_a_selector_has_the_addresses_of_its_pods(world: World) -> None:
    world.create("services", service(selector={"app": "p"}, ports=[{"port": 80, "targetPort": 8080}]))
    controller = "endpointslice-controller.k8s.io"
    assert world.slices() == [(controller, "IPv4", [], [])]
    world.create("pods", {"metadata": {"name": "p", "labels": {"app": "p"}}, "spec": CONTAINERS})
    assert world.slices() == [(controller, "IPv4", ["10.244.0.2"], [8080])]
    world.delete("pods", "p")
    assert world.slices() == [(controller, "IPv4", [], [])]
    world.delete("services", "a")
    assert world.slices() == []


@pytest.mark.parametrize(("policy", "left"), [("Background", []), ("Foreground", []), ("Orphan", ["b"])])
def test_what_an_object_owns_ends_with_it_unless_orphaned(world: World, policy: str, left: list[str]) -> None:
    uid = world.create("services", service())["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "Service", "name": "a", "uid": uid}
    world.create("configmaps", {"metadata": {"name": "b", "ownerReferences": [owner]}})
    world.delete("services", "a", policy)
    assert (world.names("services"), world.names("configmaps")) == ([], left)
    assert [obj["metadata"].get("ownerReferences") for obj in world.writes.store.items("configmaps")] == [None] * len(
        left
    )


@pytest.mark.parametrize(("policy", "first"), [("Background", "services"), ("Foreground", "configmaps")])
def test_a_foreground_deletion_begins_with_what_is_owned(world: World, policy: str, first: str) -> None:
    uid = world.create("services", service())["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "Service", "name": "a", "uid": uid}
    world.create("configmaps", {"metadata": {"name": "b", "ownerReferences": [owner]}})
    deleted: list[str] = []
    world.writes.store.listen(lambda change: deleted.append(change.resource) if change.type == "DELETED" else None)
    world.delete("services", "a", policy)
    assert (deleted[0], sorted(deleted)) == (first, ["configmaps", "services"])


def test_an_object_with_another_owner_lives_on(world: World) -> None:
    owners = [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "name": name,
            "uid": world.create("services", service(name))["metadata"]["uid"],
        }
        for name in ("a", "b")
    ]
    world.create("configmaps", {"metadata": {"name": "c", "ownerReferences": owners}})
    world.delete("services", "a")
    kept = world.writes.store.get("configmaps", "shop", "c") or {}
    assert kept["metadata"]["ownerReferences"] == owners[1:]
    world.delete("services", "b")
    assert world.names("configmaps") == []


def test_an_object_of_an_owner_that_is_not_there_is_collected(world: World) -> None:
    owner = {"apiVersion": "v1", "kind": "Service", "name": "a", "uid": "invented"}
    world.create("configmaps", {"metadata": {"name": "b", "ownerReferences": [owner]}})
    assert world.names("configmaps") == []


def test_a_namespace_takes_its_content_with_it(world: World) -> None:
    world.create("services", service(selector={"app": "curl"}))
    world.create("deployments.apps", deployment())
    gone = world.delete("namespaces", "shop", namespace="")
    assert gone["status"] == {"phase": "Terminating"}
    resources = ("services", "endpoints", SLICES, "pods", "deployments.apps", "replicasets.apps", "namespaces")
    assert [world.names(resource, "shop") for resource in resources[:-1]] == [[]] * 6
    assert world.names("namespaces", "") == ["mesh"]


def test_nothing_is_made_in_a_namespace_that_a_finalizer_keeps(world: World) -> None:
    world.create("configmaps", {"metadata": {"name": "a", "finalizers": ["a.b/c"]}})
    world.delete("namespaces", "shop", namespace="")
    with pytest.raises(Refused) as caught:
        world.create("configmaps", {"metadata": {"name": "b"}})
    assert caught.value.message == (
        'configmaps "b" is forbidden: unable to create new content in namespace shop because it is being terminated'
    )
    world.patch("configmaps", "a", b'{"metadata":{"finalizers":null}}')
    assert world.names("namespaces", "") == ["mesh"]


def test_a_deployment_has_ready_pods_at_once(world: World) -> None:
    world.create("deployments.apps", deployment(2))
    made = world.writes.store.get("deployments.apps", "shop", "curl") or {}
    counts = {key: value for key, value in made["status"].items() if key != "conditions"}
    assert counts == {
        "observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2
    }  # fmt: skip
    assert [(c["type"], c["status"], c["reason"]) for c in made["status"]["conditions"]] == [
        ("Available", "True", "MinimumReplicasAvailable"),
        ("Progressing", "True", "NewReplicaSetAvailable"),
    ]
    assert [source.mode for source in sources_in(world.writes.store.items("pods"))] == [MeshMode.PLAIN] * 2


def test_a_restart_rolls_to_new_pods(world: World) -> None:
    world.create("deployments.apps", deployment())
    before = world.names("pods")
    world.patch("deployments.apps", "curl", b'{"spec":{"template":{"metadata":{"annotations":{"restarted":"now"}}}}}')
    made = world.writes.store.get("deployments.apps", "shop", "curl") or {}
    sets = {
        obj["metadata"]["annotations"]["deployment.kubernetes.io/revision"]: obj["spec"]["replicas"]
        for obj in world.writes.store.items("replicasets.apps")
    }
    assert (sets, made["metadata"]["generation"], made["status"]["observedGeneration"]) == ({"1": 0, "2": 1}, 2, 2)
    assert len(world.names("pods")) == 1
    assert world.names("pods") != before


def test_a_deleted_pod_comes_back_until_its_deployment_ends(world: World) -> None:
    world.create("deployments.apps", deployment())
    (name,) = world.names("pods")
    world.delete("pods", name)
    assert len(world.names("pods")) == 1
    assert world.names("pods") != [name]
    world.delete("deployments.apps", "curl")
    assert world.names("pods") == []


def test_a_pod_in_the_mesh_has_a_sidecar_unless_it_declines(world: World) -> None:
    decline = {"sidecar.istio.io/inject": "false"}
    world.create("pods", {"metadata": {"name": "in"}, "spec": CONTAINERS}, "mesh")
    world.create("pods", {"metadata": {"name": "out", "labels": decline}, "spec": CONTAINERS}, "mesh")
    ask = {"sidecar.istio.io/inject": "true"}
    world.create("pods", {"metadata": {"name": "asks", "labels": ask}, "spec": CONTAINERS})
    modes = {source.key: (source.container, source.mode) for source in sources_in(world.writes.store.items("pods"))}
    assert modes == {
        "mesh/in": ("curl", MeshMode.SIDECAR),
        "mesh/out": ("curl", MeshMode.PLAIN),
        "shop/asks": ("curl", MeshMode.SIDECAR),
    }


def test_a_job_has_one_pod_that_ends_with_it(world: World) -> None:
    spec = {"template": {"spec": {**CONTAINERS, "restartPolicy": "Never"}}}
    job = world.create("jobs.batch", {"metadata": {"generateName": "probe-"}, "spec": spec})
    (pod,) = world.writes.store.items("pods")
    assert pod["metadata"]["labels"]["batch.kubernetes.io/job-name"] == job["metadata"]["name"]
    assert pod["status"]["phase"] == "Running"
    world.delete("jobs.batch", job["metadata"]["name"])
    assert world.names("pods") == []


@pytest.mark.parametrize(
    ("resource", "spec", "why"),
    [
        ("pods", CONTAINERS, 'Pod "" is invalid: metadata.name: Required value: name or generateName is required'),
        (
            "jobs.batch",
            {"template": {"spec": CONTAINERS}},
            'Job.batch "" is invalid: metadata.name: Required value: name or generateName is required',
        ),
    ],
)
def test_what_has_no_name_is_refused_in_the_mesh_too(world: World, resource: str, spec: Json, why: str) -> None:
    with pytest.raises(Refused) as caught:
        world.create(resource, {"spec": spec}, "mesh")
    assert (caught.value.code, caught.value.message) == (422, why)


def test_a_container_without_a_name_is_refused_in_the_mesh_too(world: World) -> None:
    with pytest.raises(Refused) as caught:
        world.create("pods", {"metadata": {"name": "p"}, "spec": {"containers": [{"image": "x"}]}}, "mesh")
    assert caught.value.message == 'Pod "p" is invalid: spec.containers[0].name: Required value'
