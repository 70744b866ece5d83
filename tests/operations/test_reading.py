"""What is read of a cluster for a verdict, and what is made of refusals."""

import pytest
from worlds.fake_apiserver import reply, status
from worlds.object_store import ObjectStore

from kubectl_extsvc.cluster.client import Cluster
from kubectl_extsvc.errors import ApiError, cause_of
from kubectl_extsvc.model.snapshot import Mesh, Unread
from kubectl_extsvc.operations.reading import read_mesh, read_snapshot

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
