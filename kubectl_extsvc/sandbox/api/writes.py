"""Every write to the API: what is made of a request's object, when it is refused, and what is stored."""

import json
import secrets
import uuid
from dataclasses import dataclass
from typing import Any

import yaml

from kubectl_extsvc.model.patches import merge_patch
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.api import addresses, admission
from kubectl_extsvc.sandbox.api.controllers import LETTERS, MANAGER, Controllers, time_now
from kubectl_extsvc.sandbox.api.field_ownership import after_apply, after_update, apply_config
from kubectl_extsvc.sandbox.api.kinds import BY_RESOURCE, ServedKind
from kubectl_extsvc.sandbox.api.patches import json_patch, strategic_merge
from kubectl_extsvc.sandbox.api.pod_admission import admitted_pod, with_ephemeral_containers
from kubectl_extsvc.sandbox.api.refusals import (
    Refused,
    already_exists,
    bad_request,
    conflict,
    details_of,
    invalid,
    not_found,
)
from kubectl_extsvc.sandbox.api.store import Store
from kubectl_extsvc.sandbox.api.unknown_fields import check_declared, without_unknown

__all__ = ["Refused", "WriteOptions", "Writes"]

APPLY = "application/apply-patch+yaml"
_BORN_BY_UPDATE = ("services", "endpoints", "events")
"""Kinds that a PUT makes if they are not there (AllowCreateOnUpdate)."""
_WITHOUT_GENERATION = frozenset(
    ("services", "endpoints", "configmaps", "namespaces", "secrets", "serviceaccounts", "events", "nodes")
)
_GIVEN_BACK = frozenset(("services", "pods", "namespaces", "serviceaccounts"))
"""Kinds of which a deletion answers with the object (ReturnDeletedObject); for the others with a Status."""
_MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """Of metav1.CreateOptions, UpdateOptions and PatchOptions."""

    dry_run: bool = False
    field_manager: str = ""
    force: bool = False
    field_validation: str = ""
    subresource: str = ""
    """Of a patch: only its part of the object is changed."""


class Writes:
    """Writes to a store. What controllers make of a write is there when the write returns.

    Every method raises Refused.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._cluster_ips = addresses.cluster_ips(store)
        self._controllers = Controllers(store, self._made, self._put)

    def create(self, kind: ServedKind, namespace: str, body: Json, options: WriteOptions) -> Json:
        """The new object. metadata.generateName gives it a name if it has none."""
        if (body.get("metadata") or {}).get("resourceVersion") and not options.dry_run:
            raise Refused(500, "", "resourceVersion should not be set on objects to be created")
        body = without_unknown(kind, body, options.field_validation)
        obj = self._new(kind, namespace, body, options.field_manager)
        return self._stored(kind, None, obj, options)

    def replace(self, kind: ServedKind, namespace: str, name: str, body: Json, options: WriteOptions) -> Json:
        """The object after a PUT; one that names a resourceVersion must name the newest."""
        body = {**body, "metadata": dict(body.get("metadata") or {})}
        _check_identity(kind, namespace, name, body)
        old = self.store.get(kind.resource, namespace, name)
        if old is None:
            if kind.resource not in _BORN_BY_UPDATE:
                raise not_found(kind, name)
            return self.create(kind, namespace, body, options)
        uid = body["metadata"].get("uid")
        if uid and uid != old["metadata"]["uid"]:
            why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {old['metadata']['uid']}"
            place = f"/registry/{kind.plural}/{namespace}/{name}"
            told = f"StorageError: invalid object, Code: 4, Key: {place}, ResourceVersion: 0, AdditionalErrorMsg: {why}"
            raise conflict(kind, name, told)
        return self._changed(kind, old, without_unknown(kind, body, options.field_validation), options)

    def patch(
        self, kind: ServedKind, namespace: str, name: str, content_type: str, patch: bytes, options: WriteOptions
    ) -> tuple[Json, bool]:
        """The object after a patch, and whether it is new, which only an apply can make it."""
        if content_type == APPLY:
            return self._applied(kind, namespace, name, patch, options)
        old = self.store.get(kind.resource, namespace, name)
        if old is None:
            raise not_found(kind, name)
        wanted = _parsed(patch)
        if content_type == "application/json-patch+json":
            if not isinstance(wanted, list):
                words = (
                    "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"
                )
                raise bad_request(words)
            body = json_patch(old, wanted)
        elif not isinstance(wanted, dict):
            words = "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"
            raise bad_request(words)
        elif content_type == "application/strategic-merge-patch+json":
            body = strategic_merge(old, wanted)
        else:
            body = merge_patch(old, wanted)
        if options.subresource == "ephemeralcontainers":
            body = with_ephemeral_containers(old, body)
        _check_identity(kind, namespace, name, body)
        return self._changed(kind, old, without_unknown(kind, body), options), False

    def delete(self, kind: ServedKind, namespace: str, name: str, body: Json, options: WriteOptions) -> Json:
        """What the API answers: the object, or a Status. body is a DeleteOptions or empty."""
        old = self.store.get(kind.resource, namespace, name)
        if old is None:
            raise not_found(kind, name)
        policy = body.get("propagationPolicy") or ("Orphan" if body.get("orphanDependents") else "Background")
        _check_deletion(kind, old, policy, body.get("preconditions") or {})
        metadata = old["metadata"]
        added = {"Foreground": ["foregroundDeletion"], "Orphan": ["orphan"]}.get(policy, [])
        finalizers = [*(metadata.get("finalizers") or ()), *added]
        grace = 0
        if kind.kind == "Pod":
            grace = body.get("gracePeriodSeconds", old["spec"].get("terminationGracePeriodSeconds", 30))
        marked = _marked(kind, old, grace, finalizers)
        lives_on = bool(finalizers) or kind.kind == "Namespace"
        answer = marked if lives_on or kind.kind == "Pod" else old
        if not options.dry_run:
            if lives_on:
                answer = old if metadata.get("deletionTimestamp") else self.store.put(kind.resource, marked)
            else:
                last = self.store.remove(kind.resource, namespace, name)
                if kind.kind != "Pod":
                    answer = last
            self._controllers.settle()
        if lives_on or kind.resource in _GIVEN_BACK:
            return answer
        details = {**details_of(kind, name), "uid": metadata["uid"]}
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}

    def _applied(
        self, kind: ServedKind, namespace: str, name: str, patch: bytes, options: WriteOptions
    ) -> tuple[Json, bool]:
        if not options.field_manager:
            cause = {"reason": "FieldValueRequired", "message": "Required value: is required for apply patch"}
            details = {"group": "meta.k8s.io", "kind": "PatchOptions", "causes": [{**cause, "field": "fieldManager"}]}
            message = (
                'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'
            )
            raise Refused(422, "Invalid", message, details)
        config = _config(kind, patch)
        _check_identity(kind, namespace, name, config)
        metadata, manager = config["metadata"], options.field_manager
        if metadata.get("managedFields"):
            raise bad_request("metadata.managedFields must be nil")
        check_declared(kind, namespace, config)
        api_version = config["apiVersion"]
        live = self.store.get(kind.resource, namespace, name)
        config.pop("status", None)
        if live is None:
            if metadata.get("uid"):
                wanted = f"the provided object specified uid {metadata['uid']}"
                why = f"uid mismatch: {wanted}, and no existing object was found"
                raise conflict(kind, name, why)
            config = admission.decoded(kind, config)
            _, states = apply_config(kind, None, config, manager, options.force)
            obj = self._new(kind, namespace, config, "")
            fields = after_apply(kind, None, obj, states, manager, time_now(), api_version)
            obj = {**obj, "metadata": {**obj["metadata"], "managedFields": fields}}
            return self._stored(kind, None, obj, options), True
        merged, states = apply_config(kind, live, config, manager, options.force)
        obj = self._next(kind, live, merged)
        fields = after_apply(kind, live, obj, states, manager, time_now(), api_version)
        obj = {**obj, "metadata": {**obj["metadata"], "managedFields": fields}}
        return self._stored(kind, live, obj, options), False

    def _changed(self, kind: ServedKind, old: Json, body: Json, options: WriteOptions) -> Json:
        obj = self._next(kind, old, body)
        fields = after_update(kind, old, obj, options.field_manager, time_now())
        return self._stored(kind, old, {**obj, "metadata": _with_fields(obj["metadata"], fields)}, options)

    def _new(self, kind: ServedKind, namespace: str, body: Json, manager: str) -> Json:
        """An object of a request to make one: named, completed, owned by manager if there is one."""
        self._check_namespace(kind, namespace, (body.get("metadata") or {}).get("name", ""))
        obj = admission.decoded(kind, body)
        obj = {key: value for key, value in obj.items() if key != "status"}
        metadata = {**obj["metadata"], "uid": str(uuid.uuid4()), "creationTimestamp": time_now()}
        if kind.namespaced:
            metadata["namespace"] = namespace
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = metadata["generateName"][:58] + "".join(secrets.choice(LETTERS) for _ in range(5))
        for key in ("resourceVersion", "managedFields", "deletionTimestamp", "generation"):
            metadata.pop(key, None)
        if kind.resource not in _WITHOUT_GENERATION:
            metadata["generation"] = 1
        obj = {**obj, "apiVersion": kind.api_version(), "kind": kind.kind, "metadata": metadata}
        obj = admission.with_defaults(kind, obj, None)
        if manager:
            fields = after_update(kind, None, obj, manager, metadata["creationTimestamp"])
            obj = {**obj, "metadata": _with_fields(obj["metadata"], fields)}
        if kind.kind == "Job":
            return _named_job(obj)
        if kind.kind == "Pod" and obj["spec"].get("containers"):
            labels = (self.store.get("namespaces", "", namespace) or {"metadata": {}})["metadata"].get("labels") or {}
            return admitted_pod(obj, labels)
        return obj

    def _next(self, kind: ServedKind, old: Json, body: Json) -> Json:
        """An object of a request to change one: what a request cannot change is the old one's."""
        obj = admission.decoded(kind, body)
        before, metadata = old["metadata"], obj["metadata"]
        if (revision := metadata.get("resourceVersion")) and revision != before["resourceVersion"]:
            raise conflict(kind, before["name"], _MODIFIED)
        kept = ("creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "namespace",
                "resourceVersion", "managedFields")  # fmt: skip
        metadata = {key: value for key, value in metadata.items() if key not in kept}
        metadata.update({key: before[key] for key in kept if key in before})
        metadata.setdefault("uid", before["uid"])
        obj = {**obj, "apiVersion": kind.api_version(), "kind": kind.kind, "metadata": metadata}
        obj.pop("status", None)
        if "status" in old:
            obj["status"] = old["status"]
        return admission.with_defaults(kind, obj, old)

    def _stored(self, kind: ServedKind, old: Json | None, obj: Json, options: WriteOptions) -> Json:
        """A completed object, checked, stored unless it is a dry run, and followed up by the controllers."""
        name = obj["metadata"].get("name", "")
        if kind.kind == "Service":
            obj = admission.with_consequences(obj, old)
        found = admission.causes(kind, obj, old)
        if kind.custom:
            found += admission.schema_causes(kind, obj)
        if found:
            raise invalid(kind, name, found)
        if kind.custom:
            admission.check_with_istiod(kind, obj)
        if kind.kind == "Service":  # the address is taken from the rest before the server looks whether it exists
            obj = addresses.give_cluster_ip(obj, old, self._cluster_ips, dry_run=options.dry_run)
        if old is None and self.store.get(kind.resource, obj["metadata"].get("namespace", ""), name) is not None:
            raise already_exists(kind, name)
        if options.dry_run:
            return obj
        stored = self._put(kind, old, obj)
        self._controllers.settle()
        return stored

    def _put(self, kind: ServedKind, old: Json | None, obj: Json) -> Json:
        if old is not None:
            if obj == old:
                return old
            metadata = obj["metadata"]
            if "generation" in metadata and _specified(kind, obj) != _specified(kind, old):
                obj = {**obj, "metadata": {**metadata, "generation": metadata["generation"] + 1}}
            if metadata.get("deletionTimestamp") and not metadata.get("finalizers") and kind.kind != "Namespace":
                self.store.remove(kind.resource, metadata.get("namespace", ""), metadata["name"])
                return obj
        return self.store.put(kind.resource, obj)

    def _made(self, kind: ServedKind, namespace: str, body: Json) -> None:
        """A controller's create; it does not wait for itself."""
        obj = self._new(kind, namespace, body, MANAGER)
        if not admission.causes(kind, obj, None):
            self._put(kind, None, obj)

    def _check_namespace(self, kind: ServedKind, namespace: str, name: str) -> None:
        if not kind.namespaced:
            return
        found = self.store.get("namespaces", "", namespace)
        if found is None:
            raise not_found(BY_RESOURCE["namespaces"], namespace)
        if found["metadata"].get("deletionTimestamp"):
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            words = f"namespace {namespace} is being terminated"
            cause = {"reason": "NamespaceTerminating", "message": words, "field": "metadata.namespace"}
            details = {**details_of(kind, name), "causes": [cause]}
            raise Refused(403, "Forbidden", f'{kind.resource} "{name}" is forbidden: {why}', details)


def _with_fields(metadata: Json, fields: list[Json]) -> Json:
    rest = {key: value for key, value in metadata.items() if key != "managedFields"}
    return {**rest, "managedFields": fields} if fields else rest


def _specified(kind: ServedKind, obj: Json) -> Json:
    """What generation counts the changes of."""
    spec = {key: value for key, value in obj.items() if key not in ("metadata", "status", "apiVersion", "kind")}
    # registry/discovery/endpointslice/strategy.go counts labels too.
    return {**spec, "labels": obj["metadata"].get("labels")} if kind.kind == "EndpointSlice" else spec


def _parsed(patch: bytes) -> Any:
    try:
        return json.loads(patch)
    except ValueError:
        raise bad_request("error decoding patch: unexpected end of JSON input") from None


def _config(kind: ServedKind, patch: bytes) -> Json:
    """An apply's configuration. Raises Refused if it is none of this kind."""
    try:
        config = json.loads(patch)
    except ValueError:
        try:
            config = yaml.safe_load(patch)
        except yaml.YAMLError as error:
            line = str(error).replace("\n", " ")
            raise bad_request(f"error decoding YAML: error converting YAML to JSON: yaml: {line}") from error
    if not isinstance(config, dict):
        raise bad_request("error decoding YAML: object is not an object")
    api_version, given = config.get("apiVersion", ""), config.get("kind", "")
    if given != kind.kind or api_version not in [kind.api_version(version) for version in kind.versions]:
        raise bad_request(
            f"invalid object type: {api_version if '/' in api_version else '/' + api_version}, Kind={given}"
        )
    return {**config, "metadata": dict(config.get("metadata") or {})}


def _check_identity(kind: ServedKind, namespace: str, name: str, body: Json) -> None:
    metadata = body.get("metadata") or {}
    given = metadata.get("name", "")
    if given and given != name:
        raise bad_request(f"the name of the object ({given}) does not match the name on the URL ({name})")
    if kind.namespaced and metadata.get("namespace", namespace) not in (namespace, ""):
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    metadata["name"] = name


def _check_deletion(kind: ServedKind, old: Json, policy: str, preconditions: Json) -> None:
    metadata = old["metadata"]
    if policy not in ("Foreground", "Background", "Orphan"):
        words = f'Unsupported value: "{policy}": supported values: "Foreground", "Background", "Orphan", "nil"'
        cause = {"reason": "FieldValueNotSupported", "message": words, "field": "propagationPolicy"}
        details = {"group": "meta.k8s.io", "kind": "DeleteOptions", "causes": [cause]}
        message = f'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: {words}'
        raise Refused(422, "Invalid", message, details)
    for field, key, words, told in (
        ("uid", "UID", "UID in record", "The object might have been deleted and then recreated"),
        ("resourceVersion", "ResourceVersion", "ResourceVersion in record", "The object might have been modified"),
    ):
        wanted = preconditions.get(field)
        if wanted and wanted != metadata[field]:
            why = f"the {key} in the precondition ({wanted}) does not match the {words} ({metadata[field]}). {told}"
            qualified = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
            details = {**details_of(kind, metadata["name"]), "kind": kind.kind}
            message = f'Operation cannot be fulfilled on {qualified} "{metadata["name"]}": {why}'
            raise Refused(409, "Conflict", message, details)


def _marked(kind: ServedKind, old: Json, grace: int, finalizers: list[str]) -> Json:
    """The object as one that is being deleted."""
    metadata = {**old["metadata"], "deletionTimestamp": time_now(later=grace)}
    if kind.kind == "Namespace":
        return {**old, "metadata": metadata, "status": {"phase": "Terminating"}}
    metadata["deletionGracePeriodSeconds"] = grace
    if finalizers:
        metadata["finalizers"] = finalizers
    if "generation" in metadata:
        metadata["generation"] += 1
    return {**old, "metadata": metadata}


def _named_job(job: Json) -> Json:
    """A Job with the labels by which it finds its pods (registry/batch/job/strategy.go)."""
    selector = {"batch.kubernetes.io/controller-uid": job["metadata"]["uid"]}
    labels = {**selector, "batch.kubernetes.io/job-name": job["metadata"].get("name", "")}
    template = job["spec"]["template"]
    metadata = template.get("metadata") or {}
    labelled = {**template, "metadata": {**metadata, "labels": {**(metadata.get("labels") or {}), **labels}}}
    return {**job, "spec": {**job["spec"], "selector": {"matchLabels": selector}, "template": labelled}}
