"""Whom to ask next while aliases are followed: pure, so that time is an argument."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from kubectl_extsvc.model.finding import Fact
from kubectl_extsvc.model.marks import SERVICE_NAME_LABEL
from kubectl_extsvc.model.resources import ENDPOINT_SLICES, SERVICES, Json, ObjectRef
from kubectl_extsvc.model.snapshot import Snapshot, Unread
from kubectl_extsvc.model.source import MeshMode, Source

ALIASES_AT_ONCE = 24
"""Of one exec, besides those that are on the screen: each is several transfers."""
MOST_ALIASES_AT_ONCE = 60


def next_aliases(
    aliases: Sequence[ObjectRef],
    *,
    wanted: Collection[ObjectRef] = (),
    visible: Sequence[ObjectRef] = (),
    failing: Collection[ObjectRef] = (),
    asked_at: Mapping[ObjectRef, float],
) -> tuple[ObjectRef, ...]:
    """The aliases that a source is asked about in its next exec: those that somebody waits for first, then what is on
    the screen, then what failed last time, and then those that were asked longest ago.

    asked_at is when this source was asked about each; one that is not in it never was.
    """
    there = set(aliases)
    by_age = sorted(aliases, key=lambda ref: asked_at.get(ref, 0.0))
    first = [ref for ref in dict.fromkeys((*wanted, *visible)) if ref in there]
    then = [ref for ref in by_age if ref in failing]
    chosen = dict.fromkeys((*first, *then, *by_age))
    return tuple(chosen)[: min(max(ALIASES_AT_ONCE, len(first)), MOST_ALIASES_AT_ONCE)]


def may_matter(obj: Json, aliases: Collection[ObjectRef]) -> bool:
    """May a change of this object change the verdict on an alias, or make one?

    Of Services and slices only those about aliases; of Istio's kinds all, since scopes reach far.
    """
    metadata = obj["metadata"]
    namespace = metadata.get("namespace", "")
    match obj.get("kind"):
        case SERVICES.kind:
            spec = obj.get("spec") or {}
            known = ObjectRef("Service", namespace, metadata["name"]) in aliases
            return known or spec.get("type") == "ExternalName" or not spec.get("selector")
        case ENDPOINT_SLICES.kind:
            name = (metadata.get("labels") or {}).get(SERVICE_NAME_LABEL, "")
            return ObjectRef("Service", namespace, name) in aliases
        case _:
            return True


def with_what_was_seen(snapshot: Snapshot, seen: Mapping[Source, Snapshot]) -> Snapshot:
    """The objects, with what the last look of each source told besides: outside names, the mesh's version, and facts
    that could not be read."""
    # A sidecar with DNS capture may answer with an address of its own: plain sources know better, so they come last.
    by_trust = sorted(seen.items(), key=lambda item: item[0].mode is MeshMode.PLAIN)
    resolved = {host: addresses for _, told in by_trust for host, addresses in told.resolved.items()}
    versions = [told.mesh.version for told in seen.values() if told.mesh.version is not None]
    mesh = replace(snapshot.mesh, version=min(versions)) if versions else snapshot.mesh
    return replace(snapshot, resolved=resolved, mesh=mesh, unread={**snapshot.unread, **_unread(seen)})


def _unread(seen: Mapping[Source, Snapshot]) -> dict[str, Unread]:
    """What no source could tell that should."""
    unread: dict[str, Unread] = {}
    for fact, tellers in (
        (Fact.RESOLUTION, list(seen.values())),
        (Fact.PROXY, [told for source, told in seen.items() if source.mode is MeshMode.SIDECAR]),
    ):
        if tellers and all(fact in told.unread for told in tellers):
            unread[fact] = tellers[0].unread[fact]
    return unread
