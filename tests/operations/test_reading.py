"""What is read of a cluster for a verdict, and what is made of refusals."""

import pytest
from worlds.fake_apiserver import reply, status
from worlds.object_store import ObjectStore, pod

from kubectl_extsvc.cluster.client import Cluster
from kubectl_extsvc.errors import ApiError, cause_of
from kubectl_extsvc.model.alias import AddressTarget, Alias
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.snapshot import Mesh, Snapshot, Unread
from kubectl_extsvc.model.source import MeshMode, Source
from kubectl_extsvc.operations.reading import read_mesh, read_snapshot, read_surroundings

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


async def test_services_and_slices_of_all_namespaces_are_read_if_that_is_asked_for(
    store: ObjectStore, cluster: Cluster
) -> None:
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
