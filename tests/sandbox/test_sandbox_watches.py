"""Watches: what they begin with, what they tell, and how they end."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from sandbox.api_server import STATUS, Api, api_server, stored

from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.api import watches
from kubectl_extsvc.sandbox.api.kinds import BY_RESOURCE
from kubectl_extsvc.sandbox.api.selectors import selection
from kubectl_extsvc.sandbox.api.store import Store
from kubectl_extsvc.sandbox.api.watches import Event, Wanted, events

CONFIG_MAPS = BY_RESOURCE["configmaps"]


def put(store: Store, name: str, labels: dict[str, str] | None = None, namespace: str = "default") -> Json:
    return store.put("configmaps", stored("configmaps", namespace, name, labels))


def wanted(after: int = 0, labels: str = "", namespace: str = "", **more: Any) -> Wanted:
    return Wanted(CONFIG_MAPS, namespace, selection(CONFIG_MAPS, labels, ""), after, **more)


async def told(store: Store, want: Wanted) -> list[tuple[str, str, str]]:
    """(type, name, resourceVersion) of all events of a watch that ends at once."""
    found: list[tuple[str, str, str]] = []
    async with aclosing(events(store, want)) as stream:
        async for event in stream:
            metadata = event.object["metadata"]
            found.append((event.type, metadata.get("name", ""), metadata.get("resourceVersion", "")))
    return found


async def next_of(stream: AsyncIterator[Event]) -> Event:
    return await asyncio.wait_for(anext(stream), 5)


async def test_a_watch_from_nowhere_begins_with_all_that_is_there() -> None:
    store = Store()
    put(store, "b"), put(store, "a"), put(store, "c", namespace="other")
    assert await told(store, wanted(namespace="default", seconds=0.01)) == [("ADDED", "a", "3"), ("ADDED", "b", "2")]


async def test_a_watch_from_a_revision_tells_what_happened_since() -> None:
    store = Store()
    put(store, "a"), put(store, "b"), put(store, "a"), store.remove("configmaps", "default", "b")
    assert await told(store, wanted(after=2, seconds=0.01)) == [
        ("ADDED", "b", "3"),
        ("MODIFIED", "a", "4"),
        ("DELETED", "b", "5"),
    ]


async def test_a_watch_from_a_forgotten_revision_ends_with_410() -> None:
    store = Store()
    put(store, "a")
    store.forget()
    status = STATUS | {"message": "too old resource version: 1 (2)", "reason": "Expired", "code": 410}
    async with aclosing(events(store, wanted(after=1))) as stream:
        assert [event async for event in stream] == [Event("ERROR", status)]


async def test_what_enters_a_selection_is_added_and_what_leaves_it_deleted() -> None:
    store = Store()
    put(store, "a"), put(store, "a", {"x": "1"}), put(store, "a", {"x": "1", "y": "2"}), put(store, "a")
    assert await told(store, wanted(after=1, labels="x=1", seconds=0.01)) == [
        ("ADDED", "a", "3"),
        ("MODIFIED", "a", "4"),
        ("DELETED", "a", "5"),
    ]


async def test_the_end_of_what_is_there_is_marked_for_who_asks_for_it() -> None:
    store = Store()
    put(store, "a")
    want = wanted(initial_events=True, bookmarks=True, seconds=0.01)
    async with aclosing(events(store, want)) as stream:
        await next_of(stream)
        mark = {"resourceVersion": "2", "annotations": {"k8s.io/initial-events-end": "true"}}
        assert await next_of(stream) == Event("BOOKMARK", {"kind": "ConfigMap", "apiVersion": "v1", "metadata": mark})


async def test_without_initial_events_only_what_comes_is_told() -> None:
    store = Store()
    put(store, "a")
    assert await told(store, wanted(initial_events=False, seconds=0.01)) == []


async def test_a_quiet_watch_is_told_the_revision_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "BOOKMARK_SECONDS", 0.01)
    store = Store()
    async with aclosing(events(store, wanted(after=1, bookmarks=True))) as stream:
        metadata = {"resourceVersion": "1"}
        assert await next_of(stream) == Event(
            "BOOKMARK", {"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata}
        )


async def test_an_ended_watch_does_not_listen_any_more() -> None:
    store = Store()
    await told(store, wanted(seconds=0.01))
    assert store._listeners == []


async def lines_of(api: Api, query: str, headers: dict[str, str] | None = None) -> AsyncIterator[Json]:
    async with api.session.get(f"{api.url}/api/v1/configmaps?watch=1&{query}", headers=headers) as response:
        async for line in response.content:
            yield json.loads(line)


async def test_a_watch_answers_at_once_though_nothing_happens() -> None:
    async with (
        api_server() as api,
        asyncio.timeout(2),
        api.session.get(api.url + "/api/v1/configmaps?watch=1&resourceVersion=1") as response,
    ):
        assert (response.status, response.content_type) == (200, "application/json")


async def test_a_change_comes_at_once_and_at_the_version_of_the_path() -> None:
    async with api_server() as api:
        path = "/apis/networking.istio.io/v1beta1/namespaces/default/destinationrules?watch=true"
        async with api.session.get(api.url + path) as response:
            resource = "destinationrules.networking.istio.io"
            kept = api.store.put(resource, stored(resource, "default", "a", spec={"host": "a"}))
            line = json.loads(await asyncio.wait_for(response.content.readline(), 2))
        assert line == {"type": "ADDED", "object": kept | {"apiVersion": "networking.istio.io/v1beta1"}}


async def test_a_watch_of_tables_names_the_columns_once() -> None:
    async with api_server() as api:
        put(api.store, "a"), put(api.store, "b")
        accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
        async with aclosing(lines_of(api, "timeoutSeconds=1", accept)) as lines:  # type: ignore[type-var]
            shown = [(await anext(lines))["object"] for _ in range(2)]
        assert [bool(one["columnDefinitions"]) for one in shown] == [True, False]
        assert [one["rows"][0]["cells"] for one in shown] == [["a", 0, "<unknown>"], ["b", 0, "<unknown>"]]


async def test_a_bookmark_is_a_table_without_rows() -> None:
    async with api_server() as api:
        query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1"
        accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
        async with aclosing(lines_of(api, query, accept)) as lines:  # type: ignore[type-var]
            mark = await anext(lines)
        assert (mark["type"], mark["object"]["rows"], mark["object"]["metadata"]["resourceVersion"]) == (
            "BOOKMARK",
            [],
            "1",
        )


async def test_a_watch_ends_after_its_time() -> None:
    async with api_server() as api:
        put(api.store, "a")
        async with aclosing(lines_of(api, "timeoutSeconds=1")) as lines:  # type: ignore[type-var]
            assert [line["type"] async for line in lines] == ["ADDED"]


async def test_a_watch_ends_when_its_client_goes() -> None:
    async with api_server() as api:
        response = await api.session.get(api.url + "/api/v1/configmaps?watch=1")
        assert len(api.store._listeners) == 1
        response.close()
        async with asyncio.timeout(2):
            while api.store._listeners:  # noqa: ASYNC110, nothing tells it
                await asyncio.sleep(0.01)
