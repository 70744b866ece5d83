"""istiod's part: what a proxy is to hold, and telling it when that is another."""

import asyncio
import contextlib
import hashlib
import json
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from aiohttp import web

from kubectl_extsvc.mesh.istiod.client import Client
from kubectl_extsvc.mesh.istiod.computed import computed_config
from kubectl_extsvc.mesh.istiod.envoy_words import TYPE_PREFIX
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.api.store import Change, Store
from kubectl_extsvc.sandbox.outside.network import Network
from kubectl_extsvc.sandbox.sidecar.discovery import TYPES, Configuration
from kubectl_extsvc.sandbox.sidecar.loopback import bent
from kubectl_extsvc.sandbox.sidecar.objects import LOOKED_AT, snapshot_of
from kubectl_extsvc.sandbox.sidecar.secrets import secrets_of

DEBOUNCE = 0.02
"""Seconds: several changes that come together are told at once."""

REQUESTS = 4096
"""That may come at once, one for each Envoy cluster; a full queue would make Envoy wait and try again."""

_VERSION = re.compile(rb'"version_info":"(\w*)"')
_NAMES = re.compile(rb'"resource_names":(\[[^\]]*\])')


def configuration_of(
    store: Store, network: Network, client: Client, *, access_log: Path, capture: Path
) -> Configuration:
    """What a client's proxy is to hold now. access_log is the file for it, capture the socket of its traffic."""
    config = computed_config(snapshot_of(store), client)
    found = bent(config, network, access_log=access_log, capture=capture)
    return found | {"secrets": secrets_of(store, client.namespace)}


class ControlPlane:
    """Speaks Envoy's REST discovery, version 3, to one proxy: a request waits until there is something that is new."""

    def __init__(self, compute: Callable[[], Configuration]) -> None:
        self._compute = compute
        self._held: Configuration = {kind: {} for kind in TYPES}
        self._started = False
        self._failed = False
        self._changed = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._sent: dict[tuple[str, bytes], str] = {}
        self._push()

    def proxy_has_started(self) -> None:
        """Until then it gets no cluster that waits for a secret, since it would never be ready."""
        self._started = True
        self._tell()

    def note(self, change: Change) -> None:
        if change.resource in LOOKED_AT and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(DEBOUNCE, self._push)

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _push(self) -> None:
        self._timer = None
        try:
            self._held = self._compute()
            self._failed = False
        except Exception:
            # An object that nobody thought of: the proxy keeps what it has, as with istiod, and the user hears of it.
            if not self._failed:
                logging.getLogger(__name__).exception("no configuration can be made of the objects as they are")
            self._failed = True
        self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def discover(self, request: web.Request) -> web.Response:
        kind, asked = request.match_info["kind"], await request.read()
        # Not parsed as a whole: with each request comes the node, 78 KB with the names of all of Envoy's extensions.
        version, names = _VERSION.search(asked), _NAMES.search(asked)
        known, wanted = version[1].decode() if version else "", names[1] if names else b"[]"
        while True:
            changed = self._changed
            resources = self._chosen(kind, json.loads(wanted))
            new = hashlib.sha256(json.dumps(resources).encode()).hexdigest()[:16]
            # One that Envoy refused is not sent twice; one that is not there is waited for.
            refused = known != "" and self._sent.get((kind, wanted)) == new
            if new != known and not refused and (resources or wanted == b"[]"):
                break
            await changed.wait()
        self._sent[kind, wanted] = new
        type_url = f"{TYPE_PREFIX}{TYPES[kind]}"
        typed = [{"@type": type_url, **resource} for resource in resources]
        return web.json_response({"version_info": new, "resources": typed, "type_url": type_url})

    def _chosen(self, kind: str, names: list[str]) -> list[Json]:
        held = self._held[kind]
        if names:
            return [held[name] for name in names if name in held]
        if kind == "clusters" and not self._started:
            secrets = self._held["secrets"].keys()
            return [cluster for cluster in held.values() if secrets >= set(_secret_names(cluster))]
        return [*held.values()]


def _secret_names(value: object) -> Iterator[str]:
    """Whatever part of a configuration asks for by SDS."""
    match value:
        case {"sds_config": _, "name": str(name)}:
            yield name
        case dict():
            for part in value.values():
                yield from _secret_names(part)
        case list():
            for part in value:
                yield from _secret_names(part)


@contextlib.asynccontextmanager
async def control_plane(
    store: Store, socket: Path, compute: Callable[[], Configuration]
) -> AsyncIterator[ControlPlane]:
    """The control plane of one proxy, on a Unix socket; compute gives what it is to hold at the moment."""
    plane = ControlPlane(compute)
    app = web.Application()
    app.router.add_post("/v3/discovery:{kind}", plane.discover)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    stop_listening = store.listen(plane.note)
    try:
        await web.UnixSite(runner, str(socket), backlog=REQUESTS).start()
        yield plane
    finally:
        stop_listening()
        plane.end()
        await runner.cleanup()
