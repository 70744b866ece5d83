"""The sandbox's API server on loopback, with a store to fill by hand and writes that are only noted."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import aiohttp
from aiohttp import web

from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.api.exec_socket import NoSuchExecutable
from kubectl_extsvc.sandbox.api.kinds import BY_RESOURCE, ServedKind
from kubectl_extsvc.sandbox.api.requests import application
from kubectl_extsvc.sandbox.api.rights import Rights
from kubectl_extsvc.sandbox.api.store import Store
from kubectl_extsvc.sandbox.api.writes import WriteOptions, Writes

TOKEN = "s3cret"
STATUS = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}


@dataclass
class NotedWrites:
    """Stands in for Writes: what it was asked, and an answer that shows it."""

    asked: list[tuple[Any, ...]] = field(default_factory=list)

    def create(self, kind: ServedKind, namespace: str, body: Json, options: WriteOptions) -> Json:
        self.asked.append(("create", kind.resource, namespace, body, options))
        return body

    def replace(self, kind: ServedKind, namespace: str, name: str, body: Json, options: WriteOptions) -> Json:
        self.asked.append(("replace", kind.resource, namespace, name, body, options))
        return body

    def patch(
        self, kind: ServedKind, namespace: str, name: str, content_type: str, patch: bytes, options: WriteOptions
    ) -> tuple[Json, bool]:
        self.asked.append(("patch", kind.resource, namespace, name, content_type, patch, options))
        return stored(kind.resource, namespace, name), content_type.endswith("+yaml")

    def delete(self, kind: ServedKind, namespace: str, name: str, body: Json, options: WriteOptions) -> Json:
        self.asked.append(("delete", kind.resource, namespace, name, body, options))
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}


class EchoPods:
    """Pods in which cat, echo, exit CODE and wait (for ever) can be run."""

    def __init__(self) -> None:
        self.cancelled = asyncio.Event()

    async def exec(
        self,
        pod: Json,
        container: str,
        argv: Sequence[str],
        stdin: AsyncIterator[bytes] | None,
        write: Callable[[int, bytes], Awaitable[None]],
    ) -> int:
        match argv:
            case ["cat"]:
                async for chunk in stdin or ():  # type: ignore[union-attr]
                    await write(1, chunk)
                return 0
            case ["echo", *words]:
                await write(1, f"{container}: {' '.join(words)}\n".encode())
                await write(2, b"aside\n")
                return 0
            case ["exit", code]:
                return int(code)
            case ["wait"]:
                try:
                    await asyncio.Event().wait()
                finally:
                    self.cancelled.set()
        raise NoSuchExecutable(argv[0])

    async def log(self, pod: Json, container: str) -> bytes:
        return b"one\ntwo\nthree\n"


@dataclass(frozen=True)
class Api:
    url: str
    store: Store
    writes: NotedWrites
    rights: Rights
    pods: EchoPods
    session: aiohttp.ClientSession

    async def ask(self, path: str, method: str = "GET", **more: Any) -> tuple[int, Any]:
        """Code and JSON of an answer."""
        async with self.session.request(method, self.url + path, **more) as response:
            return response.status, await response.json(content_type=None)


@asynccontextmanager
async def api_server() -> AsyncIterator[Api]:
    store, writes, rights, pods = Store(), NotedWrites(), Rights(), EchoPods()
    app = application(store, cast(Writes, writes), rights, pods, TOKEN)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=10)) as session:
            yield Api(f"http://127.0.0.1:{runner.addresses[0][1]}", store, writes, rights, pods, session)
    finally:
        await runner.cleanup()


def stored(resource: str, namespace: str, name: str, labels: dict[str, str] | None = None, **more: Any) -> Json:
    """An object as the store has it."""
    kind = BY_RESOURCE[resource]
    metadata: Json = {"name": name} | ({"namespace": namespace} if namespace else {})
    metadata |= {"labels": labels} if labels else {}
    return {"apiVersion": kind.api_version(), "kind": kind.kind, "metadata": metadata, **more}


def pod(name: str = "curl", *containers: str) -> Json:
    spec = {"containers": [{"name": container} for container in containers or ("curl",)]}
    return stored("pods", "default", name, spec=spec)
