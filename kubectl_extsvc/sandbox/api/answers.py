"""How objects are given to a client: as themselves, as a table, or only their metadata."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web

from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.api.refusals import Refused
from kubectl_extsvc.sandbox.api.tables import partial, table
from kubectl_extsvc.sandbox.api.targets import Target


@dataclass(frozen=True, slots=True)
class Form:
    """How the client wants its objects (Accept)."""

    shape: str
    """"" (the objects themselves), Table, PartialObjectMetadata or PartialObjectMetadataList."""
    include: str = "Metadata"
    """What the rows of a table carry: Metadata, Object, None."""


def form_of(accept: str) -> Form | None:
    """The first way in an Accept header that we can serve; None if there is none."""
    for way in accept.split(",") if accept.strip() else ["*/*"]:
        media_type, *parameters = (part.strip() for part in way.split(";"))
        given = dict(parameter.partition("=")[::2] for parameter in parameters)
        if media_type in ("application/json", "application/*", "*/*") and given.get("v", "v1") == "v1":
            shape = given.get("as", "")
            if shape in ("", "Table", "PartialObjectMetadata", "PartialObjectMetadataList"):
                return Form(shape)
    return None


def json_answer(body: Json, code: int = 200) -> web.Response:
    return web.Response(text=compact(body) + "\n", status=code, content_type="application/json")


def compact(body: Json) -> str:
    return json.dumps(body, separators=(",", ":"))


def in_version(obj: Json, target: Target) -> Json:
    if obj.get("kind") != target.kind.kind:
        return obj  # a Status
    return {"kind": target.kind.kind, **obj, "apiVersion": target.kind.api_version(target.version)}


def shown_as(target: Target, obj: Json, form: Form, headed: bool = True) -> Json:
    """One object as the client wants it."""
    obj = in_version(obj, target)
    match form.shape:
        case "Table":
            metadata = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
            rows = [obj] if "name" in obj["metadata"] else []  # a bookmark has no row
            return table(target.kind, rows, metadata, form.include, datetime.now(UTC), headed)
        case "":
            return obj
        case _:
            return partial(obj)


def listed_as(target: Target, objects: list[Json], metadata: Json, form: Form) -> Json:
    kind, api_version = target.kind, target.kind.api_version(target.version)
    match form.shape:
        case "Table":
            shown = [in_version(obj, target) for obj in objects]
            return table(kind, shown, metadata, form.include, datetime.now(UTC))
        case "":
            # Items of built-in kinds come without kind and apiVersion.
            typed = {"apiVersion": api_version, "kind": kind.kind} if kind.custom else {}
            items = [
                typed | {key: value for key, value in obj.items() if key not in ("apiVersion", "kind")}
                for obj in objects
            ]
            return {"kind": f"{kind.kind}List", "apiVersion": api_version, "metadata": metadata, "items": items}
        case _:
            listed = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}
            return listed | {"items": [partial(obj) for obj in objects]}


def status_of(refused: Refused) -> Json:
    """A metav1.Status."""
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    details = {"details": refused.details} if refused.details else {}
    return {**status, "message": refused.message, "reason": refused.reason, **details, "code": refused.code}
