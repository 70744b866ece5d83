"""The cluster as we use it: plain JSON objects in and out, kubectl's sentences when it fails.

This module loads kubernetes_asyncio; import it inside the function that needs a cluster.
"""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, urlencode

from kubectl_extsvc.cluster import exec as exec_stream
from kubectl_extsvc.cluster.api_client import api_client
from kubectl_extsvc.cluster.api_errors import Subject, refusal, unreachable
from kubectl_extsvc.cluster.client_packages import aiohttp
from kubectl_extsvc.cluster.credentials import Login
from kubectl_extsvc.cluster.exec_frames import ExecFrames, ExecResult, is_executable_missing
from kubectl_extsvc.cluster.kubeconfig import Connection
from kubectl_extsvc.errors import ApiError, ClusterError, ExecError
from kubectl_extsvc.model.hostile_text import one_line
from kubectl_extsvc.model.resources import PODS, Json, Resource

if TYPE_CHECKING:
    from kubernetes_asyncio.client.api_client import ApiClient

    from kubectl_extsvc.cluster.watch import OnEvent

REQUEST_SECONDS = 60.0
"""Limit of one request if --request-timeout does not say: the API server's own (--request-timeout 1m0s)."""
CONNECT_SECONDS = 30.0
"""client-go's dial timeout (transport/cache.go)."""
MOST_RETRIES = 10
"""Of a request that the server wants later (client-go rest/request.go, maxRetries)."""

Propagation = Literal["Background", "Foreground", "Orphan"]


@dataclass(frozen=True, slots=True)
class Listing:
    """The objects of a kind at one moment."""

    items: tuple[Json, ...]
    """With apiVersion and kind, which the API leaves out in lists."""
    resource_version: str


@dataclass(frozen=True, slots=True)
class Applied:
    """An object as the server has it after a server-side apply."""

    object: Json
    created: bool
    """It was not there before (HTTP 201)."""


@asynccontextmanager
async def connect(connection: Connection, environ: Mapping[str, str] | None = None) -> AsyncIterator["Cluster"]:
    """A cluster to talk to. No request is sent yet, but a credential plugin is run.

    environ is what credential plugins get, the process's own by default. Raises ConfigurationError.
    """
    login = Login(connection.user, connection.cluster, os.environ if environ is None else environ)
    api = await api_client(connection, login)
    try:
        yield Cluster(api, connection, login)
    finally:
        await api.close()


class Cluster:
    """Requests to one API server.

    Every method raises ApiError if the server refuses, ClusterError if there is no answer, ConfigurationError if
    credentials cannot be renewed.
    """

    def __init__(self, api: "ApiClient", connection: Connection, login: Login) -> None:
        self._api = api
        self._connection = connection
        self._login = login
        self._warnings: dict[str, None] = {}

    @property
    def namespace(self) -> str:
        """The namespace that is meant when none is named."""
        return self._connection.namespace

    def within(self, namespace: str) -> "Cluster":
        """The same cluster with another namespace that is meant when none is named."""
        return Cluster(self._api, replace(self._connection, namespace=namespace), self._login)

    @property
    def server(self) -> str:
        return self._connection.server

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the server warned of (Warning headers), each text once, in order, cleaned."""
        return tuple(self._warnings)

    async def get(self, resource: Resource, namespace: str, name: str) -> Json:
        return await self._ask("GET", _path(resource, namespace, name), Subject("GET", resource.qualified_plural, name))

    async def list(
        self,
        resource: Resource,
        namespace: str | None,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 500,
    ) -> Listing:
        """All objects of a kind, in all namespaces if namespace is None; limit is the size of one page."""
        selectors = [("labelSelector", label_selector), ("fieldSelector", field_selector)]
        query = [("limit", str(limit)), *((key, value) for key, value in selectors if value)]
        path, subject = _path(resource, namespace), Subject("GET", resource.qualified_plural)
        items: list[Json] = []
        token = ""
        while True:
            try:
                page = await self._ask("GET", path, subject, [*query, ("continue", token)] if token else query)
            except ApiError as error:
                if error.code != 410 or not token:
                    raise
                # The snapshot was compacted while we paged: once more, in one piece (client-go tools/pager).
                items, token, query = [], "", query[1:]
                continue
            items += page.get("items") or []
            token = page["metadata"].get("continue") or ""
            if not token:
                return Listing(
                    tuple({"apiVersion": resource.api_version, "kind": resource.kind, **item} for item in items),
                    page["metadata"].get("resourceVersion", ""),
                )

    async def apply(
        self, resource: Resource, obj: Json, field_manager: str, dry_run: bool = False, force: bool = False
    ) -> Applied:
        """Server-side apply of obj, in its own namespace or in ours; unknown fields are refused."""
        name, namespace = _identity(obj, self.namespace)
        query = _write_query(field_manager, dry_run)
        if force:
            query.append(("force", "true"))
        answer = await self._send(
            "PATCH",
            _path(resource, namespace, name),
            Subject("PATCH", resource.qualified_plural, name),
            query,
            obj,
            "application/apply-patch+yaml",
        )
        return Applied(_json(answer), answer.code == 201)

    async def create(self, resource: Resource, obj: Json, field_manager: str, dry_run: bool = False) -> Json:
        """obj as it was created, in its own namespace or in ours; metadata.generateName is allowed."""
        name, namespace = _identity(obj, self.namespace)
        subject = Subject("POST", resource.qualified_plural, name)
        return await self._ask("POST", _path(resource, namespace), subject, _write_query(field_manager, dry_run), obj)

    async def merge_patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        patch: Json,
        field_manager: str,
        dry_run: bool = False,
        subresource: str = "",
        strategic: bool = False,
    ) -> Json:
        """The object after an RFC 7386 patch; strategic, of a built-in kind: lists are merged by their items' names."""
        path = _path(resource, namespace, name) + (f"/{quote(subresource)}" if subresource else "")
        answer = await self._send(
            "PATCH",
            path,
            Subject("PATCH", resource.qualified_plural, name),
            _write_query(field_manager, dry_run),
            patch,
            f"application/{'strategic-' if strategic else ''}merge-patch+json",
        )
        return _json(answer)

    async def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        uid: str = "",
        resource_version: str = "",
        dry_run: bool = False,
        propagation: Propagation = "Background",
    ) -> Json:
        """The server's answer: a Status, or the object if it lives on for a while.

        With uid only that very object is deleted, with resource_version only as it was then; another is an ApiError
        with code 409.
        """
        options: Json = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        preconditions = {"uid": uid, "resourceVersion": resource_version}
        if uid or resource_version:
            options["preconditions"] = {key: value for key, value in preconditions.items() if value}
        if dry_run:
            options["dryRun"] = ["All"]
        path, subject = _path(resource, namespace, name), Subject("DELETE", resource.qualified_plural, name)
        return await self._ask("DELETE", path, subject, body=options)

    async def can(self, verb: str, resource: Resource, namespace: str | None, subresource: str = "") -> bool:
        """Whether we may, as the server's authorizers see it now (SelfSubjectAccessReview); None: everywhere."""
        attributes = {
            "verb": verb,
            "group": resource.group,
            "resource": resource.plural,
            "subresource": subresource,
            "namespace": namespace or "",
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
        }
        plural = "selfsubjectaccessreviews"
        path = f"/apis/authorization.k8s.io/v1/{plural}"
        answer = await self._ask("POST", path, Subject("POST", f"{plural}.authorization.k8s.io"), body=review)
        return answer.get("status", {}).get("allowed") is True

    async def served_versions(self, group: str) -> tuple[str, ...]:
        """Versions of an API group, the server's preferred one first; empty if it does not serve the group."""
        try:
            answer = await self._ask("GET", f"/apis/{quote(group)}", Subject("GET"))
        except ApiError as error:
            if error.code == 404:
                return ()
            raise
        preferred = (answer.get("preferredVersion") or {}).get("version", "")
        versions = [version["version"] for version in answer.get("versions", [])]
        return tuple(dict.fromkeys([preferred, *versions] if preferred else versions))

    async def server_version(self) -> str:
        """gitVersion, for example v1.34.4."""
        return str((await self._ask("GET", "/version", Subject("GET"))).get("gitVersion", ""))

    async def log(
        self,
        namespace: str,
        pod: str,
        container: str,
        since_seconds: int | None = None,
        limit_bytes: int | None = None,
    ) -> str:
        """A container's log, not cleaned."""
        query = [("container", container)]
        if since_seconds is not None:
            query.append(("sinceSeconds", str(since_seconds)))
        if limit_bytes is not None:
            query.append(("limitBytes", str(limit_bytes)))
        subject = Subject("GET", "pods", pod)
        answer = await self._send("GET", _path(PODS, namespace, pod) + "/log", subject, query, accept="*/*")
        return answer.body.decode("utf-8", "replace")

    async def watch(
        self,
        resource: Resource,
        namespace: str | None,
        on_event: "OnEvent",
        resource_version: str = "",
        label_selector: str = "",
        field_selector: str = "",
    ) -> None:
        """Tell on_event what happens to a kind's objects until it returns True; see cluster.watch."""
        from kubectl_extsvc.cluster import watch as watching

        await watching.watch(self, resource, namespace, on_event, resource_version, label_selector, field_selector)

    async def exec(
        self,
        namespace: str,
        pod: str,
        container: str,
        argv: Sequence[str],
        *,
        stdin: bytes | None = None,
        timeout: float,
        keep_bytes: int = exec_stream.KEEP_BYTES,
    ) -> ExecResult:
        """Run argv in a container, without a shell, and wait for its end.

        timeout is in seconds, for connecting and again for running; the command itself lives on after it, so give it
        a shorter limit of its own. stdin is sent and closed. At most keep_bytes of output are kept. A non-zero exit is
        a result; a lost end is a result whose exit_code is None.

        Raises ExecError if the command never started, StdinUnsupported if its stdin could not be ended.
        """
        path = _path(PODS, namespace, pod) + "/exec"
        query = exec_stream.query(container, argv, stdin=stdin is not None)
        frames = ExecFrames(keep_bytes)
        socket = await self._socket(path, query, Subject("GET", "pods", pod), timeout)
        try:
            lost = await exec_stream.converse(socket, stdin, frames, timeout)
        finally:
            await socket.close()
        return frames.result(lost)

    async def stream_lines(
        self,
        resource: Resource,
        namespace: str | None,
        query: Sequence[tuple[str, str]],
        timeout: float,
        take: Callable[[bytes], bool],
    ) -> None:
        """Give each line of a list's answer to take until it returns True or the answer ends; for watches."""
        subject = Subject("GET", resource.qualified_plural)
        response = await self._open("GET", _path(resource, namespace), subject, query, timeout=timeout)
        try:
            with self._translated():
                rest: list[bytes] = []
                async for chunk in response.content.iter_any():
                    *lines, tail = chunk.split(b"\n")
                    for line in lines:
                        whole = b"".join([*rest, line])
                        rest.clear()
                        if whole.strip() and take(whole):
                            return
                    rest.append(tail)
        finally:
            response.close()

    async def _ask(
        self,
        method: str,
        path: str,
        subject: Subject,
        query: Sequence[tuple[str, str]] = (),
        body: Json | None = None,
    ) -> Json:
        return _json(await self._send(method, path, subject, query, body))

    async def _send(
        self,
        method: str,
        path: str,
        subject: Subject,
        query: Sequence[tuple[str, str]] = (),
        body: Json | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> "_Answer":
        response = await self._open(method, path, subject, query, body, content_type, accept)
        with self._translated():
            async with response:
                return _Answer(response.status, response.headers.get("Content-Type", ""), await response.read())

    async def _open(
        self,
        method: str,
        path: str,
        subject: Subject,
        query: Sequence[tuple[str, str]] = (),
        body: Json | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        timeout: float = 0.0,
    ) -> aiohttp.ClientResponse:
        """An answer whose body is still to be read. Asks again when the server says later, or wants a newer token."""
        limit = aiohttp.ClientTimeout(
            total=timeout or self._connection.request_timeout or REQUEST_SECONDS, sock_connect=CONNECT_SECONDS
        )
        renewed = False
        for attempt in range(MOST_RETRIES + 1):
            used = await self._login.credential() if self._login.renewable else None
            with self._translated():
                response: aiohttp.ClientResponse = await self._api.call_api(
                    path,
                    method,
                    query_params=list(query),
                    header_params={"Accept": accept, "Content-Type": content_type},
                    body=body,
                    auth_settings=["BearerToken"],
                    _preload_content=False,
                    _request_timeout=limit,
                )
                self._note_warnings(response)
                if 200 <= response.status <= 299:
                    return response
                async with response:
                    data = await response.read()
            if response.status == 401 and used is not None and not renewed:
                await self._login.replace(used)
                renewed = True
                continue
            wait = _retry_after(response)
            if wait is None or attempt == MOST_RETRIES:
                raise refusal(response.status, response.headers.get("Content-Type", ""), data, subject)
            await asyncio.sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    async def _socket(
        self, path: str, query: Sequence[tuple[str, str]], subject: Subject, timeout: float
    ) -> aiohttp.ClientWebSocketResponse[bool]:
        """A WebSocket to a subresource of a pod. Raises ExecError with the server's own words if it refuses."""
        rest = self._api.rest_client
        headers = dict(self._api.default_headers)
        await self._api.update_params_for_auth(headers, [], ["BearerToken"])
        url = f"{self._api.configuration.host}{path}?{urlencode(query)}"
        try:
            with self._translated():
                async with asyncio.timeout(min(timeout, CONNECT_SECONDS)):
                    return await rest.pool_manager.ws_connect(
                        re.sub("^http", "ws", url),
                        headers=headers,
                        protocols=(exec_stream.V5, exec_stream.V4),
                        proxy=rest.proxy,
                        server_hostname=rest.server_hostname,
                        heartbeat=30.0,
                        max_msg_size=0,
                        timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
                    )
        except aiohttp.WSServerHandshakeError as error:
            raise await self._exec_refusal(path, query, subject, error) from error

    async def _exec_refusal(
        self,
        path: str,
        query: Sequence[tuple[str, str]],
        subject: Subject,
        handshake: aiohttp.WSServerHandshakeError,
    ) -> ExecError:
        """Why a WebSocket was refused: the handshake loses the Status, so the same is asked as a plain GET."""
        try:
            await self._send("GET", path, subject, query)
        except ApiError as error:
            if error.code == 401:
                raise
            message = one_line(str(error.status.get("message") or error), 1000)
            if error.code != 400 or "upgrade" not in message.lower():
                return ExecError(
                    message, forbidden=error.code == 403, executable_missing=is_executable_missing(message)
                )
        return ExecError(
            f"unable to upgrade connection: {self._connection.server} answered {handshake.status} to a WebSocket; "
            "is there a proxy that does not pass WebSockets?"
        )

    def _note_warnings(self, response: aiohttp.ClientResponse) -> None:
        for header in response.headers.getall("Warning", ()):
            self._warnings.update(dict.fromkeys(parse_warnings(header)))

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turns the library's errors into ours, except a refused WebSocket handshake."""
        try:
            yield
        except aiohttp.WSServerHandshakeError:
            raise
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise unreachable(error, self._connection.server, self._connection.proxy) from error


@dataclass(frozen=True, slots=True)
class _Answer:
    code: int
    content_type: str
    body: bytes


def _json(answer: _Answer) -> Json:
    try:
        value: Any = json.loads(answer.body)
    except ValueError as error:
        start = one_line(answer.body[:80].decode("utf-8", "replace"))
        raise ClusterError(f"Server returned an unexpected response: not JSON, but {start!r}") from error
    if not isinstance(value, dict):
        raise ClusterError(f"Server returned an unexpected response: no JSON object, but {type(value).__name__}")
    return value


def parse_warnings(header: str) -> tuple[str, ...]:
    """Texts of a Warning header, `299 - "text", 299 - "text"` (RFC 7234 §5.5; API servers send code 299 only)."""
    quoted = re.findall(r'299 \S+ "((?:[^"\\]|\\.)*)"', header)
    return tuple(one_line(re.sub(r"\\(.)", r"\1", text), 1000) for text in quoted)


def _retry_after(response: aiohttp.ClientResponse) -> float | None:
    """Seconds after which the server wants the request again (client-go rest/with_retry.go)."""
    if response.status != 429 and response.status < 500:
        return None
    header = response.headers.get("Retry-After", "")
    return float(header) if re.fullmatch(r"\d{1,3}", header) else None


def _path(resource: Resource, namespace: str | None = None, name: str = "") -> str:
    base = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    if resource.namespaced and namespace:
        base += f"/namespaces/{quote(namespace, safe='')}"
    base += f"/{resource.plural}"
    return f"{base}/{quote(name, safe='')}" if name else base


def _identity(obj: Json, namespace: str) -> tuple[str, str]:
    metadata = obj["metadata"]
    return metadata.get("name", ""), metadata.get("namespace") or namespace


def _write_query(field_manager: str, dry_run: bool) -> list[tuple[str, str]]:
    query = [("fieldManager", field_manager), ("fieldValidation", "Strict")]
    return [*query, ("dryRun", "All")] if dry_run else query
