"""Following the objects of a kind: list, watch, and begin again when the server has forgotten where we were."""

import asyncio
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from kubectl_extsvc.cluster.api_errors import status_error
from kubectl_extsvc.errors import ApiError, ClusterError
from kubectl_extsvc.model.resources import Json, Resource

if TYPE_CHECKING:
    from kubectl_extsvc.cluster.client import Cluster

FIRST_DELAY, LONGEST_DELAY = 0.8, 30.0
"""Seconds between attempts, doubled each time (client-go tools/cache/reflector.go)."""
HEALTHY = 5.0
"""Seconds after which the end of a watch is the server's routine and no trouble."""


@dataclass(frozen=True, slots=True)
class Listed:
    """All that is there. What was known before and is not in it, is gone."""

    items: tuple[Json, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """One object came, changed or went."""

    type: Literal["ADDED", "MODIFIED", "DELETED"]
    object: Json


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The connection is lost; it is tried again."""

    reason: str


WatchEvent = Listed | Changed | Interrupted
OnEvent = Callable[[WatchEvent], bool | None]
"""Gets each event, must not block; True ends the watch."""


async def watch(
    cluster: "Cluster",
    resource: Resource,
    namespace: str | None,
    on_event: OnEvent,
    resource_version: str = "",
    label_selector: str = "",
    field_selector: str = "",
) -> None:
    """Tell on_event what happens until it returns True or the task is cancelled.

    Without resource_version the first event is a Listed; with it, only changes since then are told. A Listed comes
    again whenever the server has forgotten the version (410 Gone). Outages are told as Interrupted and survived,
    except the first request's, which raises ClusterError; a refusal (401, 403, 404 …) always raises ApiError.
    """
    follower = _Follower(cluster, resource, namespace, on_event, label_selector, field_selector, resource_version)
    delay, reached = FIRST_DELAY, bool(resource_version)
    while True:
        started = time.monotonic()
        try:
            if not follower.resource_version and await follower.list():
                return
            reached = True
            if await follower.follow():
                return
        except ApiError as error:
            if error.code == 410:
                follower.resource_version = ""
            elif not reached or (error.code < 500 and error.code != 429):
                raise
            else:
                on_event(Interrupted(str(error)))
        except ClusterError as error:
            if not reached:
                raise
            on_event(Interrupted(str(error)))
        if time.monotonic() - started > HEALTHY:
            delay = FIRST_DELAY
            continue
        await asyncio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311, spreads load, hides nothing
        delay = min(2 * delay, LONGEST_DELAY)


class _Follower:
    """The requests of one watch(), and the version that was seen last."""

    def __init__(
        self,
        cluster: "Cluster",
        resource: Resource,
        namespace: str | None,
        on_event: OnEvent,
        label_selector: str,
        field_selector: str,
        resource_version: str,
    ) -> None:
        self._cluster = cluster
        self._resource = resource
        self._namespace = namespace
        self._on_event = on_event
        self._selectors = (label_selector, field_selector)
        self._ended = False
        self.resource_version = resource_version
        """Of the last event: a broken watch goes on from here; "" begins again with a list."""

    async def list(self) -> bool:
        """Tell all that is there; whether on_event wants no more."""
        listing = await self._cluster.list(self._resource, self._namespace, *self._selectors)
        self.resource_version = listing.resource_version
        return bool(self._on_event(Listed(listing.items)))

    async def follow(self) -> bool:
        """One watch request; whether on_event wants no more. Raises ApiError on an ERROR event."""
        seconds = random.randint(300, 600)  # noqa: S311, as client-go spreads reconnects
        query = [
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", self.resource_version),
            ("timeoutSeconds", str(seconds)),
            *zip(("labelSelector", "fieldSelector"), self._selectors, strict=True),
        ]
        sent = [(key, value) for key, value in query if value]
        await self._cluster.stream_lines(self._resource, self._namespace, sent, seconds + 30.0, self._take)
        return self._ended

    def _take(self, line: bytes) -> bool:
        event = json.loads(line)
        kind, obj = event["type"], event["object"]
        if kind == "ERROR":
            raise status_error(obj)
        self.resource_version = obj["metadata"]["resourceVersion"]
        self._ended = kind != "BOOKMARK" and bool(self._on_event(Changed(kind, obj)))
        return self._ended
