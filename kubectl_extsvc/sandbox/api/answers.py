"""How objects are given to a client: as themselves, or as the table that kubectl get prints."""

import json
from datetime import UTC, datetime

from aiohttp import web

from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.api.refusals import Refused
from kubectl_extsvc.sandbox.api.tables import table
from kubectl_extsvc.sandbox.api.targets import Target


def wants_table(accept: str) -> bool:
    """Whether an Accept header asks for a table before it asks for the objects. Raises Refused if it wants neither."""
    for way in accept.split(",") if accept.strip() else ["*/*"]:
        media_type, *parameters = (part.strip() for part in way.split(";"))
        given = dict(parameter.partition("=")[::2] for parameter in parameters)
        is_json = media_type in ("application/json", "application/*", "*/*")
        if is_json and given.get("v", "v1") == "v1" and given.get("as", "Table") == "Table":
            return "as" in given
    ways = "application/json, application/json;stream=watch"
    raise Refused(406, "NotAcceptable", f"406: Not Acceptable\n\nAvailable representations: {ways}")


def json_answer(body: Json, code: int = 200) -> web.Response:
    return web.Response(text=compact(body) + "\n", status=code, content_type="application/json")


def compact(body: Json) -> str:
    return json.dumps(body, separators=(",", ":"))


def in_version(obj: Json, target: Target) -> Json:
    if obj.get("kind") != target.kind.kind:
        return obj  # a Status
    return {"kind": target.kind.kind, **obj, "apiVersion": target.kind.api_version(target.version)}


def shown_as(target: Target, obj: Json, request: web.Request, headed: bool = True) -> Json:
    """One object as the client wants it. headed: a table names its columns."""
    obj = in_version(obj, target)
    if not wants_table(request.headers.get("Accept", "")):
        return obj
    metadata = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
    rows = [obj] if "name" in obj["metadata"] else []  # a bookmark has no row
    return table(target.kind, rows, metadata, _include(request), datetime.now(UTC), headed)


def listed_as(target: Target, objects: list[Json], metadata: Json, request: web.Request) -> Json:
    kind, api_version = target.kind, target.kind.api_version(target.version)
    if wants_table(request.headers.get("Accept", "")):
        shown = [in_version(obj, target) for obj in objects]
        return table(kind, shown, metadata, _include(request), datetime.now(UTC))
    # Items of built-in kinds come without kind and apiVersion.
    typed = {"apiVersion": api_version, "kind": kind.kind} if kind.custom else {}
    items = [typed | {key: value for key, value in obj.items() if key not in ("apiVersion", "kind")} for obj in objects]
    return {"kind": f"{kind.kind}List", "apiVersion": api_version, "metadata": metadata, "items": items}


def _include(request: web.Request) -> str:
    return str(request.query.get("includeObject", "Metadata"))
