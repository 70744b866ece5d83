"""An API server that keeps what is written to it: lists, server-side apply, owners, and execs by a script.

Far from the real thing: what Kubernetes decides is tested on the testbed. This one is for what we ask, in which order.
"""

import contextlib
import copy
import datetime
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from aiohttp import WSMsgType, web
from worlds.fake_apiserver import FakeApiServer, Handler, reply, status, websocket

from kubectl_extsvc.model.resources import BY_KIND, WORKLOADS, Json, Resource

ISTIO = ("v1", "v1beta1", "v1alpha3")
LONG_AGO = "2026-01-01T00:00:00Z"
_PATH = re.compile(
    r"(?P<group>/api/v1|/apis/[^/]+/[^/]+)(?:/namespaces/(?P<namespace>[^/]+))?/(?P<plural>[^/]+)(?:/(?P<name>[^/]+))?"
)
_RESOURCES = {resource.plural: resource for resource in (*BY_KIND.values(), *WORKLOADS.values())}

Key = tuple[str, str, str]
"""Plural, namespace, name."""
Printed = tuple[bytes, bytes, int]
"""stdout, stderr, exit code."""
Program = Callable[[list[str], bytes], Printed]
"""argv and stdin → what a container's command prints."""


def path_of(resource: Resource, namespace: str = "", name: str = "") -> str:
    base = f"/apis/{resource.api_version}" if resource.group else "/api/v1"
    return (
        base + (f"/namespaces/{namespace}" if namespace else "") + f"/{resource.plural}" + (f"/{name}" if name else "")
    )


@dataclass
class ObjectStore:
    """What a FakeApiServer answers where a test says nothing else: store.server.fallback is store.handle."""

    server: FakeApiServer
    istio: tuple[str, ...] = ISTIO
    """Served versions of networking.istio.io, the preferred one first; empty: no Istio."""
    objects: dict[Key, Json] = field(default_factory=dict)
    kept_by_finalizer: set[Key] = field(default_factory=set)
    born: str = LONG_AGO
    """creationTimestamp of what is written."""
    _uids: Any = field(default_factory=lambda: count(1))

    def add(self, *objects: Json) -> None:
        for obj in objects:
            kept = copy.deepcopy(obj)
            resource = BY_KIND.get(kept["kind"]) or WORKLOADS[kept["kind"].lower()]
            metadata = kept["metadata"]
            metadata.setdefault("namespace", "default")
            metadata.setdefault("uid", f"uid-{next(self._uids)}")
            metadata.setdefault("creationTimestamp", self.born)
            kept.setdefault("apiVersion", resource.api_version)
            self.objects[resource.plural, metadata["namespace"], metadata["name"]] = kept

    def names(self) -> list[str]:
        """PLURAL/NAMESPACE/NAME of all, sorted."""
        return sorted("/".join(key) for key in self.objects)

    def writes(self) -> list[str]:
        """Every request that writes, dry runs marked: "PATCH services/my-httpbin (dry run)"."""
        return [
            f"{seen.method} {'/'.join(seen.path.split('/')[-2:])}{is_dry(seen.query, seen.body) * ' (dry run)'}"
            for seen in self.server.requests
            if seen.method != "GET"
        ]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/apis/networking.istio.io" and self.istio:
            versions = [{"groupVersion": f"networking.istio.io/{v}", "version": v} for v in self.istio]
            return await reply({"kind": "APIGroup", "versions": versions, "preferredVersion": versions[0]})(request)
        found = _PATH.fullmatch(request.path)
        resource = _RESOURCES.get(found["plural"]) if found else None
        if found is None or resource is None:
            return await status(404, "NotFound", "the server could not find the requested resource")(request)
        if resource.group == "networking.istio.io" and found["group"].rpartition("/")[2] not in self.istio:
            return await status(404, "NotFound", "the server could not find the requested resource")(request)
        text = await request.text()
        answer = self._answer(
            request, resource, found["namespace"] or "", found["name"] or "", json.loads(text or "{}")
        )
        return await answer(request)

    def _answer(self, request: web.Request, resource: Resource, namespace: str, name: str, body: Json) -> Handler:
        dry = is_dry(tuple(request.query.items()), body)
        key = (resource.plural, namespace, name)
        there = self.objects.get(key)
        match request.method:
            case "GET" if not name:
                selector = request.query.get("labelSelector", "")
                items = [o for k, o in sorted(self.objects.items()) if k[0] == resource.plural
                         and namespace in ("", k[1]) and _selected(o, selector)]  # fmt: skip
                return reply({"kind": f"{resource.kind}List", "metadata": {"resourceVersion": "1"}, "items": items})
            case "POST":
                name = body["metadata"].get("name") or f"{body['metadata']['generateName']}x1x2x"
                kept = self._written({**body, "metadata": {**body["metadata"], "name": name}}, {}, namespace)
                if not dry:
                    self.objects[resource.plural, namespace, name] = kept
                return reply(kept, 201)
            case "PATCH":
                kept = self._written(body, there or {}, namespace)
                if not dry:
                    self.objects[key] = kept
                return reply(kept, 200 if there else 201)
            case _ if there is None:
                group = f".{resource.group}" if resource.group else ""
                message = f'{resource.plural}{group} "{name}" not found'
                return status(404, "NotFound", message, {"name": name, "kind": resource.plural})
            case "DELETE":
                wanted = (body.get("preconditions") or {}).get("uid", there["metadata"]["uid"])
                if wanted != there["metadata"]["uid"]:
                    return status(409, "Conflict", f"Precondition failed: UID in precondition: {wanted}")
                if not dry and key not in self.kept_by_finalizer:
                    self._remove(key)
                return reply({"kind": "Status", "status": "Success"})
            case _:
                return reply(there)

    def _written(self, body: Json, there: Json, namespace: str) -> Json:
        metadata = there.get("metadata") or {"uid": f"uid-{next(self._uids)}", "creationTimestamp": self.born}
        return {**body, "metadata": {**metadata, **body["metadata"], "namespace": namespace}}

    def _remove(self, key: Key) -> None:
        uid = self.objects.pop(key)["metadata"]["uid"]
        for other, obj in list(self.objects.items()):
            if any(owner["uid"] == uid for owner in obj["metadata"].get("ownerReferences") or ()):
                self._remove(other)

    def on_exec(
        self, pod: str, programs: Mapping[str, Program], protocols: Iterable[str] = ("v5.channel.k8s.io",)
    ) -> None:
        """Answer execs in a pod ("NAMESPACE/NAME") by the program of the container that is named."""
        namespace, _, name = pod.partition("/")

        async def handle(request: web.Request) -> web.StreamResponse:
            argv = request.query.getall("command")
            program = programs[request.query["container"]]

            async def script(socket: web.WebSocketResponse) -> None:
                stdin = await _stdin(socket) if request.query["stdin"] == "true" else b""
                stdout, stderr, code = program(argv, stdin)
                frames = [
                    channel + data[start : start + 30_000]
                    for channel, data in ((b"\x01", stdout), (b"\x02", stderr))
                    for start in range(0, len(data), 30_000)
                ]
                if code != LOST:
                    frames.append(b"\x03" + json.dumps(exit_status(code)).encode())
                with contextlib.suppress(ConnectionError):  # the client may have left
                    for frame in frames:
                        await socket.send_bytes(frame)

            return await websocket(script, tuple(protocols))(request)

        self.server.on("GET", f"/api/v1/namespaces/{namespace}/pods/{name}/exec", handle)

    def execs(self) -> list[tuple[str, str, str]]:
        """(pod, container, first words of the command) of each exec over a WebSocket."""
        return [
            (seen.path.split("/")[-2], dict(seen.query)["container"], dict(reversed(seen.query))["command"])
            for seen in self.server.requests
            if seen.path.endswith("/exec") and "Upgrade" in seen.headers
        ]


LOST = -1
"""Exit code of a program whose stream ends without a status."""


def exit_status(code: int) -> Json:
    """The metav1.Status of channel 3."""
    if code == 0:
        return {"status": "Success"}
    causes = [{"reason": "ExitCode", "message": str(code)}]
    return {
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "message": "command terminated",
        "details": {"causes": causes},
    }


def is_dry(query: Iterable[tuple[str, str]], body: Any) -> bool:
    return ("dryRun", "All") in query or bool(body and body.get("dryRun"))


async def _stdin(socket: web.WebSocketResponse) -> bytes:
    """What comes on channel 0 until it is closed, as v5 closes it."""
    data = b""
    async for message in socket:
        if message.type is not WSMsgType.BINARY or message.data == b"\xff\x00":
            break
        data += message.data[1:]
    return data


def _selected(obj: Json, selector: str) -> bool:
    labels = obj["metadata"].get("labels") or {}
    for part in re.findall(r"[^,()]+ in \([^)]*\)|[^,]+", selector):
        if found := re.fullmatch(r"(\S+) in \((.*)\)", part):
            if labels.get(found[1]) not in found[2].split(","):
                return False
        elif found := re.fullmatch(r"(\S+)!=(\S*)", part):
            if labels.get(found[1]) == found[2]:
                return False
        elif labels.get(part.partition("=")[0]) != part.partition("=")[2]:
            return False
    return True


def pod(name: str, namespace: str = "default", *, sidecar: bool = False, ready: bool = True, **labels: str) -> Json:
    """A running pod with an application container "app", and istio-proxy if it has a sidecar."""
    proxy = [{"name": "istio-proxy", "args": ["proxy", "sidecar"]}] if sidecar else []
    return {
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "uid": f"uid-{namespace}-{name}", "labels": labels},
        "spec": {"containers": [{"name": "app"}, *proxy]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": str(ready)}]},
    }


def now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
