"""Worlds to start the sandbox in: one file each, a Scenario and the objects that it adds to mesh.yaml."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from kubectl_extsvc.errors import UsageError
from kubectl_extsvc.model.marks import SERVICE_NAME_LABEL
from kubectl_extsvc.model.resources import Json

MESH = "mesh"
"""The file that every world starts with."""


@dataclass(frozen=True, slots=True)
class Scenario:
    name: str
    title: str
    """What is wrong, one line."""
    verify: tuple[str, ...]
    """Codes that verify gives, in order."""
    objects: tuple[Json, ...]
    forbidden: tuple[str, ...] = ()
    """Rights that the user lacks: "create pods/exec"."""


def names() -> tuple[str, ...]:
    found = (entry.name.removesuffix(".yaml") for entry in files(__package__).iterdir() if entry.name.endswith(".yaml"))
    return tuple(sorted(name for name in found if name != MESH))


def scenario(name: str) -> Scenario:
    """The scenario of that name. Raises UsageError."""
    if name not in names():
        raise UsageError(f'no scenario is called "{name}"; there are {", ".join(names())}')
    first, *objects = _documents(name)
    spec = first["spec"]
    return Scenario(
        name,
        spec["title"],
        tuple(spec["verify"]),
        (*objects, *_teams(**spec.get("teams", {}))),
        forbidden=tuple(spec.get("forbidden", ())),
    )


def mesh_objects() -> tuple[Json, ...]:
    """The objects of every world, in the order in which they can be made."""
    return _documents(MESH)


@cache
def _documents(name: str) -> tuple[Json, ...]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return tuple(yaml.load_all(files(__package__).joinpath(f"{name}.yaml").read_text("utf-8"), loader))


def _teams(namespaces: int = 0, aliases: int = 0) -> Iterator[Json]:
    """Namespaces, each with a pod that has a sidecar and healthy aliases: every other one an ExternalName."""
    for number in range(1, namespaces + 1):
        namespace = f"team-{number:02}"
        yield _object("v1", "Namespace", "", namespace, labels={"istio-injection": "enabled"})
        yield from (
            {**obj, "metadata": {**obj["metadata"], "namespace": namespace}}
            for obj in mesh_objects()
            if obj["kind"] in ("ServiceAccount", "Deployment") and obj["metadata"]["namespace"] == "default"
        )
        for index in range(1, aliases + 1):
            yield from _alias(namespace, f"service-{index:02}", external_name=index % 2 == 1)


def _alias(namespace: str, name: str, *, external_name: bool) -> Iterator[Json]:
    ports = [{"name": "http", "port": 80}]
    if external_name:
        spec = {"type": "ExternalName", "externalName": "httpbin.org", "ports": ports}
        yield _object("v1", "Service", namespace, name, spec=spec)
        return
    yield _object("v1", "Service", namespace, name, spec={"ports": ports})
    yield _object(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        namespace,
        f"{name}-1",
        labels={SERVICE_NAME_LABEL: name},
        addressType="IPv4",
        ports=ports,
        endpoints=[{"addresses": ["203.0.113.10"]}],
    )


def _object(
    api_version: str, kind: str, namespace: str, name: str, labels: dict[str, str] | None = None, **fields: Any
) -> Json:
    metadata = {
        "name": name,
        **({"namespace": namespace} if namespace else {}),
        **({"labels": labels} if labels else {}),
    }
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}
