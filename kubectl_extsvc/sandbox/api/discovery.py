"""What the server says it serves: groups, versions, resources, and as much of OpenAPI as kubectl asks for."""

from typing import Any

from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.api.kinds import KINDS, ServedKind

VERSION: Json = {
    "major": "1",
    "minor": "34",
    "gitVersion": "v1.34.4",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "",
}
"""Of the server that is imitated."""


ACCESS_REVIEW = ServedKind(
    "authorization.k8s.io",
    ("v1",),
    "selfsubjectaccessreviews",
    "selfsubjectaccessreview",
    "SelfSubjectAccessReview",
    namespaced=False,
    verbs=("create",),
)
"""Is answered and not stored."""

SERVED = (*KINDS, ACCESS_REVIEW)
_SUBRESOURCES = {
    "ephemeralcontainers": ("Pod", ["get", "patch"]),
    "exec": ("PodExecOptions", ["create", "get"]),
    "log": ("Pod", ["get"]),
}
"""Kind and verbs of each."""


def find(group: str, version: str, plural: str) -> ServedKind | None:
    return next(
        (kind for kind in SERVED if (kind.group, kind.plural) == (group, plural) and version in kind.versions), None
    )


def document(path: str) -> Json | None:
    """What is told at a path of discovery or of OpenAPI; None if nothing is.

    Clients that ask for all in one answer (APIGroupDiscoveryList) are content with these (client-go discovery).
    """
    match path.strip("/").split("/"):
        case ["version"]:
            return VERSION
        case ["api"]:
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
        case ["apis"]:
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(group) for group in _groups()]}
        case ["apis", group] if group in _groups():
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(group)}
        case ["api", version] if version in _versions(""):
            return _resource_list("", version)
        case ["apis", group, version] if version in _versions(group):
            return _resource_list(group, version)
        case ["openapi", "v3"]:
            return {"paths": {one: {"serverRelativeURL": f"/openapi/v3/{one}"} for one in _openapi_paths()}}
        case ["openapi", "v3", *rest] if "/".join(rest) in _openapi_paths():
            return _openapi(_openapi_paths()["/".join(rest)])
        case _:
            return None


def _groups() -> tuple[str, ...]:
    return tuple(dict.fromkeys(kind.group for kind in SERVED if kind.group))


def _versions(group: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(version for kind in SERVED if kind.group == group for version in kind.versions))


def _group(group: str) -> Json:
    versions = [{"groupVersion": f"{group}/{version}", "version": version} for version in _versions(group)]
    return {"name": group, "versions": versions, "preferredVersion": versions[0]}


def _kinds(group: str, version: str) -> list[ServedKind]:
    return [kind for kind in SERVED if kind.group == group and version in kind.versions]


def _names(kind: ServedKind) -> Json:
    told = (("shortNames", kind.short_names), ("categories", kind.categories))
    return {key: list(names) for key, names in told if names}


def _resource_list(group: str, version: str) -> Json:
    resources: list[Json] = []
    for kind in _kinds(group, version):
        common = {"namespaced": kind.namespaced, "kind": kind.kind}
        resources.append(
            {"name": kind.plural, "singularName": kind.singular, **common, "verbs": list(kind.verbs), **_names(kind)}
        )
        resources += [
            {"name": f"{kind.plural}/{name}", "singularName": "", **common, "kind": its_kind, "verbs": verbs}
            for name in kind.subresources
            for its_kind, verbs in (_SUBRESOURCES[name],)
        ]
    group_version = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources}


def _openapi_paths() -> dict[str, list[tuple[ServedKind, str]]]:
    """ "api/v1" and "apis/GROUP/VERSION" with the kinds there."""
    paths: dict[str, list[tuple[ServedKind, str]]] = {}
    for kind in KINDS:
        for version in kind.versions:
            paths.setdefault(f"apis/{kind.group}/{version}" if kind.group else f"api/{version}", []).append(
                (kind, version)
            )
    return paths


def _openapi(kinds: list[tuple[ServedKind, str]]) -> Json:
    """Where kubectl looks whether PATCH of a kind knows fieldValidation and dryRun.

    (cli-runtime pkg/resource/query_param_verifier_v3.go.) The schemas, which kubectl explain needs, are left out:
    kubectl apply then takes the merge keys of lists from its own types.
    """
    parameters = [
        {"name": name, "in": "query", "schema": {"type": "string"}}
        for name in ("dryRun", "fieldManager", "fieldValidation", "force")
    ]
    paths: dict[str, Any] = {}
    for kind, version in kinds:
        base = f"/apis/{kind.group}/{version}" if kind.group else f"/api/{version}"
        scope = "/namespaces/{namespace}" if kind.namespaced else ""
        paths[f"{base}{scope}/{kind.plural}/{{name}}"] = {
            "patch": {
                "parameters": parameters,
                "responses": {},
                "x-kubernetes-action": "patch",
                "x-kubernetes-group-version-kind": {"group": kind.group, "version": version, "kind": kind.kind},
            }
        }
    return {"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": VERSION["gitVersion"]}, "paths": paths}
