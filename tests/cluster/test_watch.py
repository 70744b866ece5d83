"""Watches survive what a server does to them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from worlds.fake_apiserver import FakeApiServer, cut, events, reply, status

from kubectl_extsvc.cluster import watch as watching
from kubectl_extsvc.cluster.client import Cluster, connect
from kubectl_extsvc.cluster.kubeconfig import ConnectionFlags, resolve
from kubectl_extsvc.cluster.watch import Changed, Interrupted, Listed, WatchEvent
from kubectl_extsvc.errors import ApiError, ClusterError
from kubectl_extsvc.model.resources import SERVICES

PATH = "/api/v1/namespaces/shop/services"
Json = dict[str, Any]


@pytest.fixture
async def cluster(apiserver: FakeApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cluster]:
    monkeypatch.setattr(watching, "FIRST_DELAY", 0.01)
    async with connect(resolve(ConnectionFlags(server=apiserver.url), {}, tmp_path, tmp_path)) as cluster:
        yield cluster


def service(name: str, version: int) -> Json:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "resourceVersion": str(version)}}


def event(kind: str, name: str, version: int) -> Json:
    return {"type": kind, "object": service(name, version)}


def listing(version: int, *items: Json) -> Any:
    return reply({"metadata": {"resourceVersion": str(version)}, "items": list(items)})


GONE = {
    "type": "ERROR",
    "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"},
}


def asked_from(apiserver: FakeApiServer) -> list[str]:
    """resourceVersion of each watch request, "list" for each list."""
    return [dict(request.query).get("resourceVersion", "list") for request in apiserver.requests]


async def told(cluster: Cluster, until: str, **more: Any) -> list[WatchEvent]:
    """The events until an object of that name is deleted."""
    seen: list[WatchEvent] = []

    def note(event: WatchEvent) -> bool:
        seen.append(event)
        return isinstance(event, Changed) and (event.type, event.object["metadata"]["name"]) == ("DELETED", until)

    async with asyncio.timeout(10):
        await cluster.watch(SERVICES, "shop", note, **more)
    return seen


async def test_a_watch_lists_and_then_tells_each_change(apiserver: FakeApiServer, cluster: Cluster) -> None:
    apiserver.on(
        "GET",
        PATH,
        listing(5, service("a", 1)),
        events(event("ADDED", "b", 6), event("MODIFIED", "b", 7), event("DELETED", "a", 8), hold=5.0),
    )

    assert await told(cluster, "a", label_selector="app=x", field_selector="f=y") == [
        Listed((service("a", 1),)),
        Changed("ADDED", service("b", 6)),
        Changed("MODIFIED", service("b", 7)),
        Changed("DELETED", service("a", 8)),
    ]
    query = dict(apiserver.requests[1].query)
    assert 300 <= int(query.pop("timeoutSeconds")) <= 600
    assert query == {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": "5",
        "labelSelector": "app=x",
        "fieldSelector": "f=y",
    }


async def test_a_watch_that_the_server_ends_goes_on_from_its_last_bookmark(
    apiserver: FakeApiServer, cluster: Cluster
) -> None:
    apiserver.on(
        "GET",
        PATH,
        listing(5),
        events(event("ADDED", "a", 6), {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "90"}}}),
        events(event("DELETED", "a", 91)),
    )

    assert await told(cluster, "a") == [
        Listed(()),
        Changed("ADDED", service("a", 6)),
        Changed("DELETED", service("a", 91)),
    ]
    assert asked_from(apiserver) == ["list", "5", "90"]


@pytest.mark.parametrize("gone", [events(GONE), status(410, "Gone", "too old resource version")])
async def test_a_version_that_the_server_has_forgotten_begins_again_with_a_list(
    apiserver: FakeApiServer, cluster: Cluster, gone: Any
) -> None:
    apiserver.on("GET", PATH, gone, listing(50, service("b", 40)), events(event("DELETED", "b", 51)))

    assert await told(cluster, "b", resource_version="5") == [
        Listed((service("b", 40),)),
        Changed("DELETED", service("b", 51)),
    ]
    assert asked_from(apiserver) == ["5", "list", "50"]


async def test_a_broken_watch_is_told_and_goes_on_where_it_was(apiserver: FakeApiServer, cluster: Cluster) -> None:
    apiserver.on(
        "GET", PATH, listing(5), cut(event("ADDED", "a", 6)), status(503, "", "busy"), events(event("DELETED", "a", 9))
    )

    seen = await told(cluster, "a")

    assert [type(event) for event in seen] == [Listed, Changed, Interrupted, Interrupted, Changed]
    assert seen[3] == Interrupted("Error from server: busy")
    assert asked_from(apiserver) == ["list", "5", "6", "6"]


async def test_a_refusal_ends_a_watch(apiserver: FakeApiServer, cluster: Cluster) -> None:
    apiserver.on("GET", PATH, listing(5), events(), status(403, "Forbidden", "no more"))

    with pytest.raises(ApiError) as caught:
        await told(cluster, "a")

    assert str(caught.value) == "Error from server (Forbidden): no more"


async def test_a_server_that_was_never_reached_is_an_error(tmp_path: Path) -> None:
    async with connect(resolve(ConnectionFlags(server="http://127.0.0.1:1"), {}, tmp_path, tmp_path)) as cluster:
        with pytest.raises(ClusterError):
            await told(cluster, "a")


async def test_a_large_object_arrives_whole(apiserver: FakeApiServer, cluster: Cluster) -> None:
    large = {**service("a", 6), "data": "x" * 300_000}
    apiserver.on("GET", PATH, events({"type": "DELETED", "object": large}))

    assert await told(cluster, "a", resource_version="5") == [Changed("DELETED", large)]


async def test_a_cancelled_watch_ends_at_once(apiserver: FakeApiServer, cluster: Cluster) -> None:
    apiserver.on("GET", PATH, listing(5), events(hold=30.0))
    task = asyncio.create_task(cluster.watch(SERVICES, "shop", lambda event: None))
    await asyncio.sleep(0.2)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
