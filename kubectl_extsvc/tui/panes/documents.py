"""Objects as evidence: the YAML that `kubectl get -o yaml` would show, without what machines write for themselves."""

import json
from collections.abc import Iterable
from functools import lru_cache

from kubectl_extsvc.model.resources import BY_KIND, Json, ObjectRef
from kubectl_extsvc.model.snapshot import Snapshot
from kubectl_extsvc.output.rows import clean_line
from kubectl_extsvc.output.yaml_text import to_yaml

FIELDS = {
    "Service": "services",
    "EndpointSlice": "endpoint_slices",
    "Endpoints": "endpoints",
    "DestinationRule": "destination_rules",
    "VirtualService": "virtual_services",
    "ServiceEntry": "service_entries",
    "Sidecar": "sidecars",
    "NetworkPolicy": "network_policies",
}
"""Kind → where a Snapshot has its objects. Kinds that are not here, Secrets among them, are never shown."""


def object_of(ref: ObjectRef, snapshot: Snapshot) -> Json | None:
    objects: Iterable[Json] = getattr(snapshot, FIELDS[ref.kind]) if ref.kind in FIELDS else ()
    wanted = (ref.namespace, ref.name)
    return next((o for o in objects if (o["metadata"].get("namespace", ""), o["metadata"]["name"]) == wanted), None)


def document(ref: ObjectRef | None, snapshot: Snapshot) -> tuple[str, ...]:
    """The object as YAML, a line each; a word where it was not read, nothing where there is none."""
    if ref is None:
        return ()
    found = object_of(ref, snapshot)
    if found is None:
        return (clean_line(f"{ref} in {ref.namespace}: not read"),)
    resource = BY_KIND[ref.kind]
    if snapshot.mesh.api_version and resource.group.startswith("networking.istio"):
        resource = resource.at_version(snapshot.mesh.api_version)
    metadata = {key: value for key, value in found["metadata"].items() if key != "managedFields"}
    # Listed objects do not carry their kind.
    whole = {"apiVersion": resource.api_version, "kind": ref.kind, **found, "metadata": metadata}
    return _written(json.dumps(whole))


@lru_cache(maxsize=512)
def _written(text: str) -> tuple[str, ...]:
    """Of JSON. Kept, since panes are drawn many times a second and writing YAML takes milliseconds."""
    return tuple(to_yaml(json.loads(text)).splitlines())
