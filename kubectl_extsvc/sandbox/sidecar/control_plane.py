"""istiod's part: answers what Envoys ask for, and tells them when it is another."""

import asyncio
import hashlib
import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.api.store import Change, Store
from kubectl_extsvc.sandbox.sidecar.discovery import TYPE_PREFIX, TYPES, Configuration
from kubectl_extsvc.sandbox.sidecar.mesh_view import LOOKED_AT

DEBOUNCE = 0.02
"""Seconds: several changes that come together are told at once."""


@dataclass(slots=True)
class _Proxy:
    compute: Callable[[], Configuration]
    configuration: Configuration
    ready: bool = False
    sent: dict[tuple[str, tuple[str, ...]], str] = field(default_factory=dict)
    """(kind, names) → version that was sent last."""

    def held(self, kind: str) -> dict[str, Json]:
        held = self.configuration.of_kind(kind)
        if kind != "clusters" or self.ready:
            return held
        waiting = self.configuration.waiting
        return {name: cluster for name, cluster in held.items() if name not in waiting}


class ControlPlane:
    """An HTTP server on a Unix socket that speaks Envoy's REST discovery, version 3.

    A request waits until there is something else than what the proxy has.
    """

    def __init__(self, store: Store, socket: Path) -> None:
        self.socket = socket
        self._store = store
        self._proxies: dict[str, _Proxy] = {}
        self._changed = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> "ControlPlane":
        app = web.Application()
        app.router.add_post("/v3/discovery:{kind}", self._discover)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await web.UnixSite(runner, str(self.socket)).start()
        self._stack.callback(self._store.listen(self._note))
        self._stack.callback(self._stop)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def add(self, node_id: str, compute: Callable[[], Configuration]) -> None:
        """Answer a proxy from now on; compute gives what it is to hold at the moment."""
        self._proxies[node_id] = _Proxy(compute, compute())

    def ready(self, node_id: str) -> None:
        """A proxy has started. Until then it gets no cluster that waits for a secret, since it would never be ready."""
        self._proxies[node_id].ready = True
        self.push()

    def remove(self, node_id: str) -> None:
        self._proxies.pop(node_id, None)

    def push(self) -> None:
        """Tell the proxies what has changed, whatever it was."""
        self._timer = None
        for proxy in self._proxies.values():
            proxy.configuration = proxy.compute()
        self._changed.set()
        self._changed = asyncio.Event()

    def _note(self, change: Change) -> None:
        if change.resource in LOOKED_AT and self._proxies and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(DEBOUNCE, self.push)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    async def _discover(self, request: web.Request) -> web.Response:
        kind, asked = request.match_info["kind"], await request.json()
        proxy = self._proxies.get(asked["node"]["id"])
        if proxy is None or kind not in TYPES:
            return web.Response(status=404)
        names, known = tuple(asked.get("resource_names") or ()), asked.get("version_info", "")
        while True:
            changed = self._changed
            resources = _chosen(proxy.held(kind), names)
            version = _version(resources)
            # One that Envoy refused is not sent twice; one that is not there is waited for.
            refused = known != "" and proxy.sent.get((kind, names)) == version
            if version != known and not refused and (resources or not names):
                break
            await changed.wait()
        proxy.sent[kind, names] = version
        type_url = f"{TYPE_PREFIX}{TYPES[kind]}"
        typed = [{"@type": type_url, **resource} for resource in resources]
        return web.json_response({"version_info": version, "resources": typed, "type_url": type_url})


def _chosen(resources: dict[str, Json], names: tuple[str, ...]) -> list[Json]:
    return [resources[name] for name in names if name in resources] if names else list(resources.values())


def _version(resources: list[Json]) -> str:
    return hashlib.sha256(json.dumps(resources).encode()).hexdigest()[:16]
