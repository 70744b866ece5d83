"""Requests to the sandbox's API server, answered as the real one answers them."""

import base64
import hmac
import json
import re
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import yaml
from aiohttp import web

from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.api import discovery, exec_socket, protobuf, watches
from kubectl_extsvc.sandbox.api.answers import (
    compact,
    in_version,
    json_answer,
    listed_as,
    shown_as,
    wants_table,
)
from kubectl_extsvc.sandbox.api.exec_socket import STDERR, STDOUT, Pods, container_of
from kubectl_extsvc.sandbox.api.kinds import ServedKind
from kubectl_extsvc.sandbox.api.refusals import Refused, bad_request, not_found
from kubectl_extsvc.sandbox.api.rights import Rights, access_review, forbidden
from kubectl_extsvc.sandbox.api.selectors import Selects, selection
from kubectl_extsvc.sandbox.api.store import Gone, Store
from kubectl_extsvc.sandbox.api.targets import Target, is_true, not_allowed, target_of, verb_of
from kubectl_extsvc.sandbox.api.writes import WriteOptions, Writes

LARGEST_BODY = 3 * 2**20
"""Bytes (apiserver --max-request-body-bytes)."""
PATCHES = ("application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml")
STRATEGIC = "application/strategic-merge-patch+json"
"""Not for kinds that a CustomResourceDefinition defines."""
CONTINUE_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list "
    "without the continue parameter."
)
ENDPOINTS_WARNING = '299 - "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"'


def application(store: Store, writes: Writes, rights: Rights, pods: Pods, token: str) -> web.Application:
    """The API server. Run it with handler_cancellation, so that a watch ends when its client goes."""
    server = _Server(store, writes, rights, pods, token)
    app = web.Application(client_max_size=LARGEST_BODY)
    app.router.add_route("*", "/{path:.*}", server.answer)
    return app


class _Server:
    def __init__(self, store: Store, writes: Writes, rights: Rights, pods: Pods, token: str) -> None:
        self._store = store
        self._writes = writes
        self._rights = rights
        self._pods = pods
        self._token = token

    async def answer(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._answer(request)
        except Refused as refused:
            return json_answer(refused.status(), refused.code)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").encode(errors="replace")
        if not hmac.compare_digest(given, f"Bearer {self._token}".encode()):
            raise Refused(401, "Unauthorized", "Unauthorized")
        target = target_of(request.path)
        if target is None:
            return _untargeted(request)
        verb = verb_of(request, target)
        kind = target.kind
        asked = (verb, kind.group, kind.plural, target.subresource, target.namespace, target.name)
        # Everybody may ask about himself (rbac bootstrappolicy, system:basic-user).
        if kind is not discovery.ACCESS_REVIEW and not self._rights.allows(*asked):
            raise Refused(403, "Forbidden", forbidden(*asked), _details(target))
        try:
            response = await self._served(request, target, verb)
        except Refused as refused:
            response = json_answer(refused.status(), refused.code)
        if kind.resource == "endpoints" and not response.prepared:
            response.headers["Warning"] = ENDPOINTS_WARNING
        return response

    async def _served(self, request: web.Request, target: Target, verb: str) -> web.StreamResponse:
        kind = target.kind
        match verb, target.subresource:
            case "create", "" if kind is discovery.ACCESS_REVIEW:
                return json_answer(access_review(self._rights, await _body(request, target)), 201)
            case (("get" | "create"), "exec"):
                return await self._exec(request, target)
            case "get", "log":
                return await self._log(request, target)
            case "get", ("" | "ephemeralcontainers"):
                return _sent(request, target, self._found(target))
            case "list", "":
                return self._list(request, target)
            case "watch", "":
                return await self._watch(request, target)
            case "create", "":
                body, options = await _body(request, target), _options(request)
                return _sent(request, target, self._writes.create(kind, target.namespace, body, options), 201)
            case "update", "":
                body, options = await _body(request, target), _options(request)
                replaced = self._writes.replace(kind, target.object_namespace, target.name, body, options)
                return _sent(request, target, replaced)
            case "patch", ("" | "ephemeralcontainers"):
                return await self._patch(request, target)
            case "delete", "":
                options, body = await _delete_options(request)
                gone = self._writes.delete(kind, target.object_namespace, target.name, body, options)
                return json_answer(in_version(gone, target))
            case "deletecollection", "":
                return await self._delete_all(request, target)
            case _:
                raise not_allowed()

    def _found(self, target: Target) -> Json:
        found = self._store.get(target.kind.resource, target.object_namespace, target.name)
        if found is None:
            raise not_found(target.kind, target.name)
        return found

    def _list(self, request: web.Request, target: Target) -> web.Response:
        kind = target.kind
        selects = _selects(request, kind)
        limit = _number(request, "limit")
        after = request.query.get("continue", "")
        revision = self._store.revision
        start = ("", "")
        if after:
            revision, start = _continued(after)
            try:
                self._store.changes_after(revision, kind.resource)
            except Gone as gone:
                raise Refused(410, "Expired", CONTINUE_TOO_OLD) from gone
        found = [
            obj for obj in self._store.items(kind.resource, target.namespace) if _key(obj) > start and selects(obj)
        ]
        page = found[:limit] if limit else found
        metadata: Json = {"resourceVersion": str(revision)}
        if len(page) < len(found):
            metadata["continue"] = _continue_token(revision, _key(page[-1]))
            if not request.query.get("labelSelector") and not request.query.get("fieldSelector"):
                metadata["remainingItemCount"] = len(found) - len(page)
        return json_answer(listed_as(target, page, metadata, request))

    async def _watch(self, request: web.Request, target: Target) -> web.StreamResponse:
        kind, query = target.kind, request.query
        wants_table(request.headers.get("Accept", ""))  # or refuses, before the answer begins
        initial = {"true": True, "false": False}.get(query.get("sendInitialEvents", ""))
        wanted = watches.Wanted(
            kind,
            target.namespace,
            _selects(request, kind),
            _number(request, "resourceVersion"),
            initial,
            is_true(query.get("allowWatchBookmarks")),
            float(_number(request, "timeoutSeconds")),
        )
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        if kind.resource == "endpoints":
            response.headers["Warning"] = ENDPOINTS_WARNING
        await response.prepare(request)
        headed = True
        async with aclosing(watches.events(self._store, wanted)) as events:
            async for event in events:
                shown = event.object
                if event.type != "ERROR":
                    shown = shown_as(target, event.object, request, headed)
                    headed = False
                await response.write(f"{compact({'type': event.type, 'object': shown})}\n".encode())
        await response.write_eof()
        return response

    async def _patch(self, request: web.Request, target: Target) -> web.Response:
        content_type = request.content_type
        known = PATCHES if target.kind.custom else (*PATCHES, STRATEGIC)
        if content_type not in known:
            raise _unknown_format(known)
        applies = content_type == "application/apply-patch+yaml"
        if applies and self._store.get(target.kind.resource, target.object_namespace, target.name) is None:
            # apiserver pkg/endpoints/handlers/patch.go, withAuthorization
            asked = ("create", target.kind.group, target.kind.plural, target.subresource, target.namespace, target.name)
            if not self._rights.allows(*asked):
                raise Refused(403, "Forbidden", forbidden(*asked), _details(target))
        options = _options(request, default_manager=not applies)
        options = replace(options, subresource=target.subresource)
        patched, created = self._writes.patch(
            target.kind, target.object_namespace, target.name, content_type, await request.read(), options
        )
        return _sent(request, target, patched, 201 if created else 200)

    async def _delete_all(self, request: web.Request, target: Target) -> web.Response:
        selects = _selects(request, target.kind)
        options, body = await _delete_options(request)
        found = [obj for obj in self._store.items(target.kind.resource, target.namespace) if selects(obj)]
        for obj in found:
            namespace, name = _key(obj)
            if self._store.get(target.kind.resource, namespace, name):  # not collected with one before it
                self._writes.delete(target.kind, namespace, name, body, options)
        return json_answer(listed_as(target, found, {"resourceVersion": str(self._store.revision)}, request))

    async def _exec(self, request: web.Request, target: Target) -> web.StreamResponse:
        pod, query = self._found(target), request.query
        container = container_of(pod, query.get("container", ""))
        if request.headers.get("Upgrade", "").lower() != "websocket":
            raise Refused(400, "BadRequest", "Upgrade request required")
        offered = request.headers.get("Sec-WebSocket-Protocol", "").replace(" ", "").split(",")
        if not set(offered) & set(exec_socket.PROTOCOLS):
            return web.Response(status=403)
        channels = {channel for channel, name in ((STDOUT, "stdout"), (STDERR, "stderr")) if is_true(query.get(name))}
        argv = tuple(query.getall("command", []))
        command = exec_socket.Command(pod, container, argv, is_true(query.get("stdin")), frozenset(channels))
        socket = web.WebSocketResponse(protocols=exec_socket.PROTOCOLS, max_msg_size=0)
        await socket.prepare(request)
        await exec_socket.converse(socket, self._pods, command)
        return socket

    async def _log(self, request: web.Request, target: Target) -> web.Response:
        pod = self._found(target)
        text = await self._pods.log(pod, container_of(pod, request.query.get("container", "")))
        if "tailLines" in request.query:
            count = _number(request, "tailLines")
            text = b"".join(text.splitlines(keepends=True)[-count:]) if count else b""
        if "limitBytes" in request.query:
            text = text[: _number(request, "limitBytes")]
        return web.Response(body=text, content_type="text/plain")


def _sent(request: web.Request, target: Target, obj: Json, code: int = 200) -> web.Response:
    return json_answer(shown_as(target, obj, request), code)


def _untargeted(request: web.Request) -> web.Response:
    if request.path == "/openapi/v2" and "protobuf" in request.headers.get("Accept", ""):
        # An empty document, which kubectl asks for to check a List: it then leaves the check to the server.
        return web.Response(body=b"", content_type="application/com.github.proto-openapi.spec.v2.v1.0+protobuf")
    if request.method == "GET" and (told := discovery.document(request.path)) is not None:
        return json_answer(told)
    if request.path in ("/healthz", "/livez", "/readyz"):
        return web.Response(text="ok")
    if request.path.startswith("/api/"):
        raise Refused(404, "NotFound", "the server could not find the requested resource")
    return web.Response(text="404 page not found\n", status=404)


def _number(request: web.Request, key: str) -> int:
    text = request.query.get(key) or "0"
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


def _selects(request: web.Request, kind: ServedKind) -> Selects:
    return selection(kind, request.query.get("labelSelector", ""), request.query.get("fieldSelector", ""))


def _options(request: web.Request, default_manager: bool = True) -> WriteOptions:
    """Without fieldManager the client's name is taken, except for an apply, which must name it."""
    query = request.query
    agent = request.headers.get("User-Agent", "").split("/")[0] if default_manager else ""
    return WriteOptions(
        dry_run=query.get("dryRun") == "All",
        field_manager=query.get("fieldManager") or agent,
        force=is_true(query.get("force")),
        field_validation=query.get("fieldValidation", ""),
    )


async def _delete_options(request: web.Request) -> tuple[WriteOptions, Json]:
    """A DeleteOptions from body or query; dryRun can be in either."""
    body = _parsed(await request.read(), "DeleteOptions", request.content_type) if request.can_read_body else {}
    if "propagationPolicy" in request.query:
        body["propagationPolicy"] = request.query["propagationPolicy"]
    options = _options(request)
    return (replace(options, dry_run=True) if body.get("dryRun") == ["All"] else options), body


async def _body(request: web.Request, target: Target) -> Json:
    """The object in a request, of the kind of its path, at the stored version."""
    kind = target.kind
    body = _parsed(await request.read(), kind.kind, request.content_type)
    wanted = kind.api_version(target.version)
    given = (body.get("kind") or kind.kind, body.get("apiVersion") or wanted)
    if given[1] != wanted:
        raise bad_request(
            f"the API version in the data ({given[1]}) does not match the expected API version ({wanted})"
        )
    if given[0] != kind.kind:
        raise bad_request(f'{given[0]} in version "{target.version}" cannot be handled as a {kind.kind}')
    namespace = (body.get("metadata") or {}).get("namespace")
    if namespace and kind.namespaced and namespace != target.namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    return {**body, "apiVersion": kind.api_version(), "kind": kind.kind}


def _parsed(data: bytes, kind: str, content_type: str) -> Json:
    try:
        match content_type:
            case "application/json" | "application/octet-stream":  # the latter is aiohttp's word for none
                parsed: Any = json.loads(data)
            case "application/yaml":
                parsed = yaml.safe_load(data)
            case protobuf.CONTENT_TYPE:
                parsed = protobuf.decoded(data)
            case _:
                raise _unknown_format(("application/json", "application/yaml", protobuf.CONTENT_TYPE))
    except (ValueError, yaml.YAMLError) as error:
        raise _unrecognized(kind, str(error)) from error
    if not isinstance(parsed, dict):
        raise _unrecognized(kind, "it is no object")
    return parsed


def _key(obj: Json) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _continue_token(revision: int, key: tuple[str, str]) -> str:
    """Where the next page starts. Old states are not kept: it shows what is there then, and has this revision."""
    return base64.urlsafe_b64encode(json.dumps([revision, *key]).encode()).decode()


def _continued(token: str) -> tuple[int, tuple[str, str]]:
    try:
        revision, namespace, name = json.loads(base64.urlsafe_b64decode(token))
        return int(revision), (str(namespace), str(name))
    except (ValueError, TypeError) as error:
        raise bad_request("continue key is not valid") from error


def _details(target: Target) -> Json:
    named = {"name": target.name} if target.name else {}
    group = {"group": target.kind.group} if target.kind.group else {}
    return {**named, **group, "kind": target.kind.plural}


def _unrecognized(kind: str, why: str) -> Refused:
    return bad_request(
        f"the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; {why}"
    )


def _unknown_format(known: tuple[str, ...]) -> Refused:
    accepted = f"accepted media types include: {', '.join(known)}"
    return Refused(415, "UnsupportedMediaType", f"the body of the request was in an unknown format - {accepted}")
