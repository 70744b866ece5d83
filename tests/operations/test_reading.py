"""What is read of a cluster for a verdict, and what is made of refusals."""

from dataclasses import replace

import pytest
from worlds.fake_apiserver import reply, status
from worlds.object_store import ObjectStore, pod

from kubectl_extsvc.cluster.client import Cluster
from kubectl_extsvc.errors import ApiError, cause_of
from kubectl_extsvc.model.alias import AddressTarget, Alias, AliasPort, AppProtocol
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.snapshot import Mesh, Snapshot, Unread
from kubectl_extsvc.model.source import MeshMode, Source
from kubectl_extsvc.operations.reading import read_mesh, read_snapshot, read_surroundings
from kubectl_extsvc.operations.verifying import named_alias

SERVICE = {"kind": "Service", "metadata": {"name": "a"}, "spec": {"type": "ExternalName", "externalName": "x.example"}}
RULE = {"kind": "DestinationRule", "metadata": {"name": "r", "namespace": "mesh"}, "spec": {"host": "a"}}
ISTIO = "/apis/networking.istio.io"


async def test_services_are_of_the_namespace_and_istios_objects_of_all(store: ObjectStore, cluster: Cluster) -> None:
    store.add(SERVICE, SERVICE | {"metadata": {"name": "b", "namespace": "shop"}}, RULE)

    snapshot = await read_snapshot(cluster, "default")

    assert [service["metadata"]["name"] for service in snapshot.services] == ["a"]
    assert [rule["metadata"]["name"] for rule in snapshot.destination_rules] == ["r"]
    assert (snapshot.mesh, snapshot.unread) == (Mesh(installed=True, api_version="v1"), {})
    assert sorted(store.server.seen()) == sorted(
        [
            "GET /api/v1/namespaces/default/services",
            "GET /apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
            f"GET {ISTIO}",
            *(f"GET {ISTIO}/v1/{p}" for p in ("destinationrules", "virtualservices", "serviceentries", "sidecars")),
        ]
    )


async def test_requests_grow_with_kinds_and_not_with_objects(store: ObjectStore, cluster: Cluster) -> None:
    store.add(*(SERVICE | {"metadata": {"name": f"a{number}"}} for number in range(30)))

    assert len((await read_snapshot(cluster, None)).services) == 30
    assert len(store.server.requests) == 7


async def test_a_kind_that_may_not_be_read_is_unread_with_the_verb(store: ObjectStore, cluster: Cluster) -> None:
    said = 'destinationrules.networking.istio.io is forbidden: User "u" cannot list'
    store.server.on("GET", f"{ISTIO}/v1/destinationrules", status(403, "Forbidden", said))

    snapshot = await read_snapshot(cluster, "default")

    what = "destinationrules.networking.istio.io"
    assert snapshot.unread == {
        "destinationrules": Unread(what, f"Error from server (Forbidden): {said}", f"list {what}")
    }


async def test_services_that_may_not_be_read_are_an_error(store: ObjectStore, cluster: Cluster) -> None:
    store.server.on("GET", "/api/v1/namespaces/default/services", status(403, "Forbidden", "no services for you"))

    with pytest.raises(ExceptionGroup) as caught:
        await read_snapshot(cluster, "default")

    error = cause_of(caught.value)
    assert isinstance(error, ApiError)
    assert str(error) == "Error from server (Forbidden): no services for you"


async def test_any_other_refusal_is_an_error_and_not_a_gap(store: ObjectStore, cluster: Cluster) -> None:
    store.server.on("GET", f"{ISTIO}/v1/destinationrules", status(500, "InternalError", "etcd is away"))

    with pytest.raises(ExceptionGroup) as caught:
        await read_snapshot(cluster, "default")

    assert str(cause_of(caught.value)) == "Error from server (InternalError): etcd is away"


async def test_without_istio_none_of_its_kinds_is_asked_for(store: ObjectStore, cluster: Cluster) -> None:
    store.istio = ()

    snapshot = await read_snapshot(cluster, "default")

    assert snapshot.mesh == Mesh(installed=False)
    assert [path for path in store.server.seen() if "istio" in path] == [f"GET {ISTIO}"]


@pytest.mark.parametrize(
    ("served", "preferred", "used"),
    [
        (("v1", "v1beta1", "v1alpha3"), "v1", "v1"),
        (("v1beta1", "v1alpha3"), "v1beta1", "v1beta1"),
        (("v1alpha3", "v1beta1", "v1"), "v1alpha3", "v1"),
    ],
)
async def test_the_newest_served_version_is_used(
    store: ObjectStore, cluster: Cluster, served: tuple[str, ...], preferred: str, used: str
) -> None:
    versions = [{"version": version} for version in served]
    store.server.on("GET", ISTIO, reply({"versions": versions, "preferredVersion": {"version": preferred}}))

    assert await read_mesh(cluster) == Mesh(installed=True, api_version=used)


async def test_a_known_mesh_is_not_asked_for_again(store: ObjectStore, cluster: Cluster) -> None:
    await read_snapshot(cluster, "default", mesh=Mesh(installed=True, api_version="v1"))

    assert f"GET {ISTIO}" not in store.server.seen()


def slice_of(service: str, namespace: str, manager: str = "endpointslice-controller.k8s.io") -> Json:
    labels = {"kubernetes.io/service-name": service, "endpointslice.kubernetes.io/managed-by": manager}
    own = {key: value for key, value in labels.items() if value}
    return {"kind": "EndpointSlice", "metadata": {"name": f"{service}-1", "namespace": namespace, "labels": own}}


def names_of(objects: tuple[Json, ...]) -> list[str]:
    return sorted(f"{obj['metadata']['namespace']}/{obj['metadata']['name']}" for obj in objects)


SLICES = (
    slice_of("web", "default"),
    slice_of("pay", "default", ""),
    slice_of("web", "shop"),
    slice_of("pay", "shop", ""),
    slice_of("old", "shop", "endpointslicemirroring-controller.k8s.io"),
)


async def test_slices_of_pods_in_other_namespaces_are_left_where_they_are(store: ObjectStore, cluster: Cluster) -> None:
    store.add(SERVICE, *SLICES)

    wide = await read_snapshot(cluster, "default", everywhere=True)

    assert names_of(wide.endpoint_slices) == ["default/pay-1", "default/web-1", "shop/old-1", "shop/pay-1"]
    assert (wide.all_namespaces, wide.slice_namespaces) == (True, frozenset({"default"}))
    assert (wide.has_slices_of_pods("default"), wide.has_slices_of_pods("shop")) == (True, False)
    by, path = "endpointslice.kubernetes.io/managed-by", "/apis/discovery.k8s.io/v1"
    asked = [(seen.path, dict(seen.query).get("labelSelector", "")) for seen in store.server.requests]
    assert sorted(request for request in asked if request[0].startswith(path)) == [
        (f"{path}/endpointslices", f"{by}!=endpointslice-controller.k8s.io"),
        (f"{path}/namespaces/default/endpointslices", f"{by}=endpointslice-controller.k8s.io"),
    ]


async def test_of_all_namespaces_no_slices_of_pods_are_read(store: ObjectStore, cluster: Cluster) -> None:
    store.add(SERVICE, *SLICES)

    every = await read_snapshot(cluster, None, everywhere=True)

    assert names_of(every.endpoint_slices) == ["default/pay-1", "shop/old-1", "shop/pay-1"]
    assert (every.all_namespaces, every.slice_namespaces) == (True, frozenset())


async def test_without_the_right_to_all_slices_those_of_the_namespace_do(store: ObjectStore, cluster: Cluster) -> None:
    store.add(SERVICE, *SLICES)
    store.server.on("GET", "/apis/discovery.k8s.io/v1/endpointslices", status(403, "Forbidden", "not all"))

    narrowed = await read_snapshot(cluster, "default", everywhere=True)

    assert names_of(narrowed.endpoint_slices) == ["default/pay-1", "default/web-1"]
    assert (narrowed.all_namespaces, narrowed.slice_namespaces, narrowed.unread) == (False, frozenset({"default"}), {})


async def test_services_of_all_namespaces_are_read_if_that_is_asked_for(store: ObjectStore, cluster: Cluster) -> None:
    store.add(SERVICE, SERVICE | {"metadata": {"name": "b", "namespace": "shop"}})

    wide = await read_snapshot(cluster, "default", everywhere=True)
    store.server.on("GET", "/api/v1/services", status(403, "Forbidden", "not all"))
    narrowed = await read_snapshot(cluster, "default", everywhere=True)

    assert ([s["metadata"]["name"] for s in wide.services], wide.all_namespaces) == (["a", "b"], True)
    assert ([s["metadata"]["name"] for s in narrowed.services], narrowed.all_namespaces) == (["a"], False)
    assert narrowed.unread == {}


# --- what lies around the aliases ------------------------------------------------------------------------------------

WITH_MESH = Snapshot(mesh=Mesh(installed=True, api_version="v1"))
WEB = Source("shop", "web-1", "app", MeshMode.SIDECAR)
POLICY = {"kind": "NetworkPolicy", "metadata": {"name": "p", "namespace": "shop"}, "spec": {"podSelector": {}}}


def config_map(name: str, mesh: str) -> Json:
    return {"kind": "ConfigMap", "metadata": {"name": name, "namespace": "istio-system"}, "data": {"mesh": mesh}}


def alias_of(*addresses: str, namespace: str = "shop") -> Alias:
    return Alias(namespace, "my-db", AddressTarget(addresses), ())


def pod_at(address: str, name: str, namespace: str = "shop") -> Json:
    made = pod(name, namespace)
    return made | {"status": {**made["status"], "podIP": address, "podIPs": [{"ip": address}]}}


async def test_surroundings_are_pods_policies_and_the_mesh_configuration(store: ObjectStore, cluster: Cluster) -> None:
    store.add(
        POLICY,
        POLICY | {"metadata": {"name": "q", "namespace": "elsewhere"}},
        config_map("istio", "outboundTrafficPolicy: {mode: REGISTRY_ONLY}\nrootNamespace: istio-config\n"),
        pod_at("10.244.0.7", "db-0"),
        pod_at("10.244.0.8", "other"),
    )

    around = await read_surroundings(cluster, WITH_MESH, (alias_of("10.244.0.7", "203.0.113.10"),), (WEB,))

    assert [found["metadata"]["name"] for found in around.pods] == ["db-0"]
    assert [found["metadata"]["name"] for found in around.network_policies] == ["p"]
    assert around.mesh_config["outboundTrafficPolicy"] == {"mode": "REGISTRY_ONLY"}
    assert (around.mesh.root_namespace, around.unread) == ("istio-config", {})
    asked = [(seen.path, dict(seen.query).get("fieldSelector", "")) for seen in store.server.requests]
    assert sorted(asked) == [
        ("/api/v1/namespaces/istio-system/configmaps/istio", ""),
        ("/api/v1/pods", "status.podIP=10.244.0.7"),
        ("/api/v1/pods", "status.podIP=203.0.113.10"),
        ("/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies", ""),
    ]


def wide(*services: Json) -> Snapshot:
    return Snapshot(services, mesh=Mesh(True, "v1"), all_namespaces=True, slice_namespaces=frozenset({"shop"}))


def service_of(namespace: str, name: str, cluster_ip: str, port: int = 80, **spec: str) -> Json:
    metadata = {"name": name, "namespace": namespace}
    ports = [{"port": port, "name": "http" if port == 80 else "tcp"}]
    return {"metadata": metadata, "spec": {"clusterIP": cluster_ip, "ports": ports, "selector": {"app": name}, **spec}}


TO_BACKEND = {
    "metadata": {"name": "my-pay", "namespace": "shop"},
    "spec": {"type": "ExternalName", "externalName": "pay.backend.svc.cluster.local", "ports": [{"port": 80}]},
}


async def test_the_slices_of_a_target_in_another_namespace_are_read(store: ObjectStore, cluster: Cluster) -> None:
    store.add(slice_of("pay", "backend"), slice_of("web", "elsewhere"), slice_of("cassandra", "db"))
    snapshot = wide(
        TO_BACKEND,
        service_of("backend", "pay", "10.96.0.9"),
        service_of("elsewhere", "web", "10.96.0.10"),
        # Headless, at a port of an alias: it has a listener for each of its pods.
        service_of("db", "cassandra", "None", 9042),
        service_of("elsewhere", "other", "None", 9043),
    )
    alias = named_alias(snapshot, "shop", "my-pay")
    other = Alias("shop", "my-db", AddressTarget(("10.0.0.1",)), (AliasPort("tcp", 9042, 9042, AppProtocol.TCP),))

    around = await read_surroundings(cluster, snapshot, (alias, other), (WEB,))

    assert names_of(around.endpoint_slices) == ["backend/pay-1", "db/cassandra-1"]
    assert around.slice_namespaces == frozenset({"shop", "backend", "db"})


async def test_slices_of_a_target_that_may_not_be_read_are_no_gap_and_known_to_be_missing(
    store: ObjectStore, cluster: Cluster
) -> None:
    snapshot = wide(TO_BACKEND, service_of("backend", "pay", "10.96.0.9"))
    path = "/apis/discovery.k8s.io/v1/namespaces/backend/endpointslices"
    store.server.on("GET", path, status(403, "Forbidden", "not you"))

    around = await read_surroundings(cluster, snapshot, (named_alias(snapshot, "shop", "my-pay"),), (WEB,))

    assert (around.endpoint_slices, around.slice_namespaces) == ((), frozenset({"shop"}))
    assert "endpointslices" not in around.unread
    assert f"GET {path}" in store.server.seen()


async def test_from_plain_pods_no_slices_of_targets_are_read(store: ObjectStore, cluster: Cluster) -> None:
    snapshot = wide(TO_BACKEND, service_of("backend", "pay", "10.96.0.9"))
    plain = Source("shop", "cron-1", "app", MeshMode.PLAIN)
    no_mesh = replace(snapshot, mesh=Mesh(installed=False))
    alias = named_alias(snapshot, "shop", "my-pay")

    assert (await read_surroundings(cluster, no_mesh, (alias,), (plain,))).slice_namespaces == frozenset({"shop"})
    assert [path for path in store.server.seen() if "endpointslices" in path] == []


async def test_the_mesh_configuration_is_that_of_the_sources_revision(store: ObjectStore, cluster: Cluster) -> None:
    store.add(config_map("istio", "{}"), config_map("istio-1-31", "enableAutoMtls: false"))
    web = Source("shop", "web-1", "app", MeshMode.SIDECAR, annotations=(("istio.io/rev", "1-31"),))

    around = await read_surroundings(cluster, WITH_MESH, (), (WEB, web))

    assert around.mesh_config == {"enableAutoMtls": False}


async def test_without_istio_its_configuration_is_not_asked_for(store: ObjectStore, cluster: Cluster) -> None:
    around = await read_surroundings(cluster, Snapshot(), (alias_of("10.0.0.1"),), (WEB,))

    assert around == Snapshot(pods_at=frozenset(("10.0.0.1",)))
    assert not [path for path in store.server.seen() if "istio" in path]


async def test_pods_are_asked_for_by_so_many_addresses_at_most_and_by_private_ones_first(
    store: ObjectStore, cluster: Cluster
) -> None:
    addresses = (*(f"8.8.8.{number}" for number in range(30)), "10.0.0.1")

    aliases = (alias_of(*addresses), alias_of("10.0.0.2", *addresses))

    around = await read_surroundings(cluster, Snapshot(), aliases, (WEB,))

    asked = [dict(seen.query)["fieldSelector"] for seen in store.server.requests if seen.path == "/api/v1/pods"]
    assert len(asked) == 8
    assert {"status.podIP=10.0.0.1", "status.podIP=10.0.0.2"} <= set(asked)
    assert {f"status.podIP={address}" for address in around.pods_at or ()} == set(asked)


async def test_refusals_are_unread_with_the_verb_and_pods_of_the_namespace_will_do(
    store: ObjectStore, cluster: Cluster
) -> None:
    store.add(pod_at("10.244.0.7", "db-0"))
    for path in (
        "/api/v1/pods",
        "/api/v1/namespaces/istio-system/configmaps/istio",
        "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies",
    ):
        store.server.on("GET", path, status(403, "Forbidden", "not you"))

    around = await read_surroundings(cluster, WITH_MESH, (alias_of("10.244.0.7"),), (WEB,))

    assert [found["metadata"]["name"] for found in around.pods] == ["db-0"]
    assert {key: (unread.reason, unread.unlock) for key, unread in around.unread.items()} == {
        "configmaps": ("Error from server (Forbidden): not you", "get configmaps"),
        "networkpolicies": ("Error from server (Forbidden): not you", "list networkpolicies.networking.k8s.io"),
        "pods": ("Error from server (Forbidden): not you", "list pods"),
    }


@pytest.mark.parametrize("mesh", ["{", "just words", ""])
async def test_a_mesh_configuration_that_is_none_is_no_error(store: ObjectStore, cluster: Cluster, mesh: str) -> None:
    store.add(config_map("istio", mesh))

    around = await read_surroundings(cluster, WITH_MESH, (), (WEB,))

    assert around.mesh_config == {}
    assert list(around.unread) == (["configmaps"] if mesh == "{" else [])


async def test_endpoints_are_read_of_an_alias_that_has_no_address(store: ObjectStore, cluster: Cluster) -> None:
    alias = alias_of()
    unmirrored = {"kind": "Endpoints", "metadata": {"name": alias.name, "namespace": alias.namespace}, "subsets": []}
    store.add(unmirrored)

    around = await read_surroundings(cluster, Snapshot(), (alias, alias_of("10.0.0.1")), (WEB,))

    assert [found["metadata"]["name"] for found in around.endpoints] == [alias.name]
    assert len([path for path in store.server.seen() if "/endpoints/" in path]) == 1
    assert around.unread == {}


async def test_endpoints_that_are_not_there_are_no_gap_and_a_refusal_is(store: ObjectStore, cluster: Cluster) -> None:
    alias = alias_of()
    path = f"/api/v1/namespaces/{alias.namespace}/endpoints/{alias.name}"

    assert (await read_surroundings(cluster, Snapshot(), (alias,), (WEB,))).unread == {}
    store.server.on("GET", path, status(403, "Forbidden", "not you"))
    refused = await read_surroundings(cluster, Snapshot(), (alias,), (WEB,))
    assert refused.unread == {
        "endpoints": Unread("endpoints", "Error from server (Forbidden): not you", "get endpoints")
    }


async def test_without_a_source_nothing_is_looked_for(store: ObjectStore, cluster: Cluster) -> None:
    assert await read_surroundings(cluster, WITH_MESH, (alias_of("10.0.0.1"),), ()) is WITH_MESH
    assert store.server.requests == []
