"""create against a server that keeps objects: the order of requests, and what a failure leaves."""

import asyncio
from dataclasses import replace
from typing import Any

import anyio
import pytest
from aiohttp import web
from worlds.fake_apiserver import status
from worlds.object_store import ObjectStore, path_of

from kubectl_extsvc.cluster.client import Cluster
from kubectl_extsvc.errors import ApiError, ClusterError, Refused
from kubectl_extsvc.model.plan import Action
from kubectl_extsvc.model.resources import DESTINATION_RULES, SERVICE_ENTRIES, SERVICES, VIRTUAL_SERVICES
from kubectl_extsvc.operations.creating import Created, CreateWishes, create, draft_of
from kubectl_extsvc.plans.tls import TlsWishes

ORIGINATING = CreateWishes(
    name="my-pay",
    external_name="api.pay.example",
    addresses=(),
    host="",
    lookup=False,
    ports=("http:80:443",),
    tls=TlsWishes(),
    mesh=True,
    export_to=(),
    overwrite=False,
    adopt=False,
    dry_run="none",
)
ADDRESSES = replace(ORIGINATING, external_name="", addresses=("203.0.113.20",), host="api.pay.example")
OBJECTS = ["services/my-pay", "serviceentries/my-pay", "destinationrules/my-pay", "virtualservices/my-pay"]
FORBIDDEN = status(403, "Forbidden", 'virtualservices.networking.istio.io "my-pay" is forbidden')


async def make(cluster: Cluster, wishes: CreateWishes, said: list[str]) -> Created:
    return await create(cluster, wishes, draft_of(wishes, said.append), said.append)


async def test_dry_runs_come_first_and_then_the_objects_in_order(
    store: ObjectStore, cluster: Cluster, said: list[str]
) -> None:
    await make(cluster, ORIGINATING, said)

    writes = store.writes()
    assert sorted(writes[:4]) == sorted(f"PATCH {name} (dry run)" for name in OBJECTS)
    assert writes[4:] == [f"PATCH {name}" for name in OBJECTS]


async def test_the_endpoint_slice_comes_last(store: ObjectStore, cluster: Cluster, said: list[str]) -> None:
    await make(cluster, ADDRESSES, said)

    plurals = [write.split()[1].partition("/")[0] for write in store.writes()[4:]]
    assert plurals == ["services", "destinationrules", "virtualservices", "endpointslices"]


async def test_dependents_are_owned_by_the_service_but_not_in_a_dry_run(
    store: ObjectStore, cluster: Cluster, said: list[str]
) -> None:
    await make(cluster, ORIGINATING, said)

    service = store.objects["services", "default", "my-pay"]
    owner = {
        "apiVersion": "v1",
        "kind": "Service",
        "name": "my-pay",
        "uid": service["metadata"]["uid"],
        "blockOwnerDeletion": False,
    }
    owners = [
        (("dryRun", "All") in seen.query, seen.body["metadata"].get("ownerReferences"))
        for seen in store.server.requests
        if seen.method == "PATCH"
    ]
    assert owners == [(True, None)] * 4 + [(False, None)] + [(False, [owner])] * 3


async def test_every_write_names_the_alias_as_field_manager(
    store: ObjectStore, cluster: Cluster, said: list[str]
) -> None:
    await make(cluster, ORIGINATING, said)

    managers = {dict(seen.query)["fieldManager"] for seen in store.server.requests if seen.method == "PATCH"}
    assert managers == {"kubectl-extsvc:my-pay"}


async def test_a_refused_write_takes_back_in_reverse_by_uid(
    store: ObjectStore, cluster: Cluster, said: list[str]
) -> None:
    path = path_of(VIRTUAL_SERVICES, "default", "my-pay")
    store.server.on("PATCH", path, store.handle, FORBIDDEN)

    with pytest.raises(ApiError) as caught:
        await make(cluster, ORIGINATING, said)

    uids = {write["metadata"]["name"]: write for write in store.objects.values()}
    deletions = [(seen.path, seen.body["preconditions"]) for seen in store.server.requests if seen.method == "DELETE"]
    paths = [path_of(resource, "default", "my-pay") for resource in (DESTINATION_RULES, SERVICE_ENTRIES, SERVICES)]
    assert uids == {}
    assert [path for path, _ in deletions] == paths
    assert all(set(precondition) == {"uid"} and precondition["uid"] for _, precondition in deletions)
    assert str(caught.value) == (
        'Error from server (Forbidden): virtualservices.networking.istio.io "my-pay" is forbidden\nnothing was changed'
    )
    assert (caught.value.code, caught.value.reason) == (403, "Forbidden")
    assert said == [
        'destinationrule.networking.istio.io "my-pay" taken back',
        'serviceentry.networking.istio.io "my-pay" taken back',
        'service "my-pay" taken back',
    ]


async def test_a_refused_dry_run_sends_no_write(store: ObjectStore, cluster: Cluster, said: list[str]) -> None:
    store.server.on("PATCH", path_of(VIRTUAL_SERVICES, "default", "my-pay"), FORBIDDEN)

    with pytest.raises(ApiError) as caught:
        await make(cluster, ORIGINATING, said)

    assert str(caught.value).splitlines()[-1] == "nothing was changed"
    assert [write for write in store.writes() if not write.endswith("(dry run)")] == []


@pytest.mark.parametrize(
    ("manager", "advice"),
    [
        ("kubectl-patch", "nothing was changed. Use --overwrite to take these fields over."),
        ("kubectl-extsvc:bank", "nothing was changed"),
    ],
)
async def test_a_conflict_says_how_to_win_it_but_never_against_a_sibling(
    store: ObjectStore, cluster: Cluster, said: list[str], manager: str, advice: str
) -> None:
    conflict = status(409, "Conflict", f'Apply failed with 1 conflict: conflict with "{manager}": .spec.host')
    store.server.on("PATCH", path_of(DESTINATION_RULES, "default", "my-pay"), conflict)
    with pytest.raises(ApiError) as caught:
        await make(cluster, ORIGINATING, said)
    assert str(caught.value).splitlines()[-1] == advice
    assert store.writes() == [write for write in store.writes() if write.endswith("(dry run)")]


async def test_an_object_that_cannot_be_taken_back_is_named_and_nothing_is_glossed_over(
    store: ObjectStore, cluster: Cluster, said: list[str]
) -> None:
    store.server.on("PATCH", path_of(DESTINATION_RULES, "default", "my-pay"), store.handle, FORBIDDEN)
    store.server.on("DELETE", path_of(SERVICES, "default", "my-pay"), status(403, "Forbidden", "no delete for you"))

    with pytest.raises(ApiError) as caught:
        await make(cluster, ORIGINATING, said)

    assert str(caught.value).splitlines()[-1] == "changed before the failure: service/my-pay created"
    assert said[-1] == (
        "could not take back service/my-pay in namespace default: Error from server (Forbidden): no delete for you"
    )


async def test_cancellation_between_writes_takes_back(store: ObjectStore, cluster: Cluster, said: list[str]) -> None:
    """The write that is under way is waited for, since nobody could take back what is not known."""
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        reached.set()
        await go_on.wait()
        return await store.handle(request)

    store.server.on("PATCH", path_of(DESTINATION_RULES, "default", "my-pay"), store.handle, slow)
    async with anyio.create_task_group() as group:
        group.start_soon(make, cluster, ORIGINATING, said)
        await reached.wait()
        group.cancel_scope.cancel()
        asyncio.get_running_loop().call_later(0.05, go_on.set)

    assert store.names() == []
    assert "PATCH virtualservices/my-pay" not in store.writes()
    assert [line.split()[0] for line in said] == [
        "destinationrule.networking.istio.io",
        "serviceentry.networking.istio.io",
        "service",
    ]


async def test_a_write_whose_answer_was_lost_is_taken_back_too(
    store: ObjectStore, cluster: Cluster, said: list[str]
) -> None:
    async def cut_off(request: web.Request) -> web.StreamResponse:
        answer = await store.handle(request)
        assert request.transport is not None
        request.transport.close()
        return answer

    store.server.on("PATCH", path_of(SERVICES, "default", "my-pay"), store.handle, cut_off)

    with pytest.raises(ClusterError) as caught:
        await make(cluster, ORIGINATING, said)

    assert store.names() == []
    assert str(caught.value).endswith("\nnothing was changed")


async def test_a_write_that_nothing_is_known_of_is_named(store: ObjectStore, cluster: Cluster, said: list[str]) -> None:
    async def cut_off(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    path = path_of(SERVICES, "default", "my-pay")
    store.server.on("PATCH", path, store.handle, cut_off)
    store.server.on("GET", path, cut_off)

    with pytest.raises(ClusterError) as caught:
        await make(cluster, ORIGINATING, said)

    assert str(caught.value).endswith("\nservice/my-pay in namespace default may have been created")


async def test_an_update_in_place_is_kept_and_named(store: ObjectStore, cluster: Cluster, said: list[str]) -> None:
    await make(cluster, ORIGINATING, said)
    store.server.on("PATCH", path_of(SERVICE_ENTRIES, "default", "my-pay"), store.handle, FORBIDDEN)
    before = store.names()
    said.clear()

    with pytest.raises(ApiError) as caught:
        await make(cluster, replace(ORIGINATING, external_name="api.bill.example", overwrite=True), said)

    assert store.names() == before
    assert str(caught.value).splitlines()[-1] == "changed before the failure: service/my-pay configured"
    assert store.objects["services", "default", "my-pay"]["spec"]["externalName"] == "api.bill.example"


async def test_done_twice_nothing_is_written(store: ObjectStore, cluster: Cluster, said: list[str]) -> None:
    await make(cluster, ORIGINATING, said)
    first = len(store.writes())

    again = await make(cluster, ORIGINATING, said)

    assert {change.action for change in again.plan.changes} == {Action.UNCHANGED}
    assert len(store.writes()) == first


async def test_another_intent_is_refused_before_anything_is_written(
    store: ObjectStore, cluster: Cluster, said: list[str]
) -> None:
    await make(cluster, ORIGINATING, said)
    first = len(store.writes())

    with pytest.raises(Refused, match=r"^alias \"my-pay\" already exists with external name api\.pay\.example"):
        await make(cluster, replace(ORIGINATING, external_name="api.bill.example"), said)

    assert len(store.writes()) == first


@pytest.mark.parametrize(
    ("dry_run", "writes"), [("client", []), ("server", sorted(f"PATCH {name} (dry run)" for name in OBJECTS))]
)
async def test_dry_runs_keep_nothing(
    store: ObjectStore, cluster: Cluster, said: list[str], dry_run: str, writes: list[str]
) -> None:
    created = await make(cluster, replace(ORIGINATING, dry_run=dry_run), said)

    assert sorted(store.writes()) == writes
    assert store.names() == []
    assert [str(change.ref) for change in created.plan.changes] == [
        "service/my-pay", "serviceentry/my-pay", "destinationrule/my-pay", "virtualservice/my-pay"
    ]  # fmt: skip


async def test_without_istio_only_the_service_is_written(store: ObjectStore, cluster: Cluster, said: list[str]) -> None:
    store.istio = ()

    await make(cluster, replace(ORIGINATING, ports=()), said)

    assert store.writes() == ["PATCH services/my-pay (dry run)", "PATCH services/my-pay"]
    assert not [seen.path for seen in store.server.requests if seen.path.startswith("/apis/networking.istio.io/")]


@pytest.mark.parametrize(
    ("version", "objects"),
    [
        ("1.20.8", ["services/my-pay", "destinationrules/my-pay"]),
        ("1.21.0", ["services/my-pay", "serviceentries/my-pay", "destinationrules/my-pay", "virtualservices/my-pay"]),
    ],
)
async def test_where_v1_is_not_served_istiods_version_decides(
    store: ObjectStore, cluster: Cluster, said: list[str], version: str, objects: list[str]
) -> None:
    store.istio = ("v1beta1", "v1alpha3")
    store.add(istiod(version))

    await make(cluster, replace(ORIGINATING, ports=()), said)

    assert [write for write in store.writes() if "dry" not in write] == [f"PATCH {name}" for name in objects]
    istio = {seen.path.split("/")[3] for seen in store.server.requests if "networking.istio.io/" in seen.path}
    assert istio == {"v1beta1"}


async def test_an_unreadable_version_that_matters_is_refused(
    store: ObjectStore, cluster: Cluster, said: list[str]
) -> None:
    store.istio = ("v1beta1",)
    store.server.on("GET", "/api/v1/namespaces/istio-system/pods", status(403, "Forbidden", "no pods for you"))

    with pytest.raises(Refused) as caught:
        await make(cluster, ORIGINATING, said)

    assert str(caught.value) == (
        "Istio's version must be known to choose the objects, and Error from server (Forbidden): no pods for you; "
        "nothing was changed. Use --mesh none for the Service alone."
    )


def istiod(version: str) -> dict[str, Any]:
    return {
        "kind": "Pod",
        "metadata": {"name": "istiod-1", "namespace": "istio-system", "labels": {"app": "istiod"}},
        "spec": {"containers": [{"name": "discovery", "image": f"docker.io/istio/pilot:{version}"}]},
        "status": {"phase": "Running"},
    }
