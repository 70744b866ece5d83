"""Our laws against istiod's: where they disagree about a call, and what of a world it takes to disagree."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from oracle.known import KNOWN
from oracle.program import admitted, answers, name_of
from oracle.random_worlds import OUTSIDE_ADDRESSES
from oracle.ways import Way, istiods_way, our_way

from kubectl_extsvc.mesh.envoy_dump import EnvoyConfig
from kubectl_extsvc.mesh.istiod.client import Client
from kubectl_extsvc.mesh.istiod.computed import computed_config
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.route import RouteUnknown
from kubectl_extsvc.model.snapshot import Mesh, Snapshot

KINDS = {
    "Service": "services",
    "EndpointSlice": "endpoint_slices",
    "Pod": "pods",
    "DestinationRule": "destination_rules",
    "VirtualService": "virtual_services",
    "ServiceEntry": "service_entries",
    "Sidecar": "sidecars",
}
"""Kinds that our laws read, with their field of Snapshot."""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """About one call of a world."""

    world: Json
    """Without what Istio refuses."""
    call: Json
    differences: dict[str, tuple[Any, Any]]
    """Field of the way → (istiod's, ours)."""

    @property
    def kind(self) -> str:
        """The first field that differs; the others mostly follow from it."""
        return next(iter(self.differences))

    def __str__(self) -> str:
        told = [f"  {key}: istiod {theirs!r}, ours {ours!r}" for key, (theirs, ours) in self.differences.items()]
        return "\n".join((f"world {self.world['id']}, call {self.call}", *told))


@dataclass(slots=True)
class Tally:
    """What came of some worlds."""

    counts: Counter[str] = field(default_factory=Counter)
    known: Counter[str] = field(default_factory=Counter)
    """Written exception → calls that it excuses."""
    unexplained: list[Disagreement] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        self.counts += other.counts
        self.known += other.known
        self.unexplained += other.unexplained


def judged(worlds: Iterable[tuple[Json, Json]]) -> Tally:
    """Worlds with their answers."""
    tally = Tally()
    for world, answer in worlds:
        tally.counts["worlds"] += 1
        if answer.get("error"):
            tally.counts["worlds that the program gave up"] += 1
            continue
        world = admitted(world, answer)
        config = config_of(world)
        for call, told in zip(world["calls"], answer.get("calls") or (), strict=True):
            tally.counts["calls"] += 1
            _judge(tally, world, config, call, told)
    return tally


def _judge(tally: Tally, world: Json, config: EnvoyConfig, call: Json, told: Json) -> None:
    theirs, ours = istiods_way(told), our_way(config, call)
    if isinstance(ours, RouteUnknown):
        tally.counts["calls that we cannot tell"] += 1
        return
    differences = differing(theirs, ours)
    if not differences:
        return
    excuse = next((known for known in KNOWN if known.holds(world, call, differences)), None)
    if excuse is not None:
        tally.known[excuse.name] += 1
    else:
        tally.unexplained.append(Disagreement(world, call, differences))


def differing(theirs: Way, ours: Way) -> dict[str, tuple[Any, Any]]:
    """In the order of a call's way."""
    keys = dict.fromkeys((*theirs, *ours))
    return {key: (theirs.get(key), ours.get(key)) for key in keys if theirs.get(key) != ours.get(key)}


def config_of(world: Json) -> EnvoyConfig:
    """What our laws make of a world for its client's proxy."""
    proxy = world["proxy"]
    addresses = (proxy.get("ip") or "10.244.0.9",)
    client = Client(proxy["namespace"], "client", proxy.get("labels") or {}, addresses, proxy.get("metadata") or {})
    return computed_config(snapshot_of(world), client)


def snapshot_of(world: Json) -> Snapshot:
    objects: dict[str, list[Json]] = {plural: [] for plural in KINDS.values()}
    for obj in (*world["kube"], *world["istio"]):
        if obj["kind"] in KINDS:
            metadata = {"namespace": "default", **obj["metadata"]}
            objects[KINDS[obj["kind"]]].append({**obj, "metadata": metadata})
    return Snapshot(
        **{plural: tuple(found) for plural, found in objects.items()},
        mesh_config=world.get("mesh") or {},
        all_namespaces=True,
        mesh=Mesh(installed=True, api_version="v1", version=(1, 31)),
        resolved={host: (address,) for host, address in OUTSIDE_ADDRESSES.items()},
    )


# --- what it takes ---------------------------------------------------------------------------------------------------


def shrunk(found: Disagreement) -> Disagreement:
    """The same kind of disagreement about the same call, in a world from which no object and no field of a spec can be
    taken any more."""
    found = Disagreement({**found.world, "calls": [found.call]}, found.call, found.differences)
    steps = 0
    while steps < MAX_STEPS:
        smaller = list(_smaller(found.world))
        steps += len(smaller)
        better = next((now for now in _asked(smaller) if now is not None and now.kind == found.kind), None)
        if better is None:
            return found
        found = better
    return found


MAX_STEPS = 2000
"""Worlds that are asked for the sake of one disagreement."""


def _asked(worlds: Iterable[Json]) -> Iterator[Disagreement | None]:
    """The disagreement of each, None for those that have none any more."""
    for world, answer in answers(worlds):
        # What is refused would be a smaller world by itself.
        tally = Tally() if answer.get("invalid") else judged([(world, answer)])
        yield tally.unexplained[0] if tally.unexplained else None


def _smaller(world: Json) -> Iterator[Json]:
    """Without half of the objects, without one, then without one field."""
    objects = [(key, name_of(obj)) for key in ("istio", "kube") for obj in world[key]]
    half = len(objects) // 2
    if half > 1:
        yield _without(world, objects[:half])
        yield _without(world, objects[half:])
    for one in objects:
        yield _without(world, [one])
    for key in ("istio", "kube"):
        for number, obj in enumerate(world[key]):
            for simpler in _simpler(obj.get("spec") or {}):
                changed = [*world[key]]
                changed[number] = {**obj, "spec": simpler}
                yield {**world, key: changed}
    for simpler in _simpler(
        {"mesh": world["mesh"], "proxy": {key: world["proxy"][key] for key in ("labels", "metadata")}}
    ):
        yield {
            **world,
            "mesh": simpler.get("mesh", {}),
            "proxy": {**world["proxy"], **_EMPTY, **simpler.get("proxy", {})},
        }


_EMPTY: Json = {"labels": {}, "metadata": {}}


def _without(world: Json, gone: Iterable[tuple[str, str]]) -> Json:
    names = set(gone)
    return {
        **world,
        **{key: [obj for obj in world[key] if (key, name_of(obj)) not in names] for key in ("istio", "kube")},
    }


def _simpler(value: Any) -> Iterator[Any]:
    """The value with one key or item less, at any depth."""
    match value:
        case dict():
            for key, part in value.items():
                yield {other: kept for other, kept in value.items() if other != key}
                for simpler in _simpler(part):
                    yield {**value, key: simpler}
        case list():
            for number, part in enumerate(value):
                if len(value) > 1:
                    yield value[:number] + value[number + 1 :]
                for simpler in _simpler(part):
                    yield [*value[:number], simpler, *value[number + 1 :]]
