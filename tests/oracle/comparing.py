"""Our laws against istiod's: where they disagree about a call, and what of a world it takes to disagree."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from oracle.known import KNOWN
from oracle.program import admitted
from oracle.random_worlds import OUTSIDE_ADDRESSES
from oracle.ways import Way, istiods_way, our_way, request_of

from kubectl_extsvc.mesh.istiod.client import Client
from kubectl_extsvc.mesh.istiod.computed import computed_config, computed_route
from kubectl_extsvc.mesh.routing import route_of
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.route import Route
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


SOME_TIME = "2023-11-14T22:13:20Z"
"""The age of all objects that say none (program/world.go)."""


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

    @property
    def gist(self) -> tuple[str, str]:
        """What makes it the same disagreement in another world."""
        return self.kind, repr(self.differences[self.kind])

    def __str__(self) -> str:
        told = [f"  {key}: istiod {theirs!r}, ours {ours!r}" for key, (theirs, ours) in self.differences.items()]
        return "\n".join((f"world {self.world['id']}, call {self.call}", *told))


@dataclass(slots=True)
class Tally:
    """What came of some worlds."""

    counts: Counter[str] = field(default_factory=Counter)
    known: Counter[str] = field(default_factory=Counter)
    """Written exception → calls that it excuses."""
    unknown: Counter[str] = field(default_factory=Counter)
    """Reason why we cannot tell → calls."""
    unexplained: list[Disagreement] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        self.counts += other.counts
        self.known += other.known
        self.unknown += other.unknown
        self.unexplained += other.unexplained


def judged(worlds: Iterable[tuple[Json, Json]]) -> Tally:
    """Worlds with their answers."""
    tally = Tally()
    for world, answer in worlds:
        tally.counts["worlds"] += 1
        if answer.get("error"):
            tally.counts["worlds that the program gave up"] += 1
            continue
        try:
            _judge(tally, admitted(world, answer), answer.get("calls") or ())
        except Exception as error:  # noqa: BLE001 whatever it is, it is the laws' answer to this world
            tally.unexplained.append(Disagreement(world, world["calls"][0], {"crash": ("", repr(error))}))
    return tally


def _judge(tally: Tally, world: Json, told: Sequence[Json]) -> None:
    snapshot, client = snapshot_of(world), client_of(world)
    config = computed_config(snapshot, client)
    for call, theirs in zip(world["calls"], told, strict=True):
        request = request_of(call)
        ours, alone = route_of(config, request), computed_route(snapshot, client, request)
        tally.counts["calls"] += 1
        if not isinstance(alone, Route):
            tally.counts["calls that we cannot tell"] += 1
            tally.unknown[alone.reason] += 1
        elif replace(alone, observed=True) != ours:
            tally.unexplained.append(Disagreement(world, call, {"computed alone": (alone, ours)}))
        else:
            _judge_way(tally, world, call, istiods_way(theirs), our_way(alone))


def _judge_way(tally: Tally, world: Json, call: Json, theirs: Way, ours: Way) -> None:
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


def client_of(world: Json) -> Client:
    proxy = world["proxy"]
    addresses = (proxy.get("ip") or "10.244.0.9",)
    return Client(proxy["namespace"], "client", proxy.get("labels") or {}, addresses, proxy.get("metadata") or {})


def snapshot_of(world: Json) -> Snapshot:
    objects: dict[str, list[Json]] = {plural: [] for plural in KINDS.values()}
    for obj in (*world["kube"], *world["istio"]):
        if obj["kind"] in KINDS:
            metadata = {"namespace": "default", "creationTimestamp": SOME_TIME, **obj["metadata"]}
            objects[KINDS[obj["kind"]]].append({**obj, "metadata": metadata})
    of_kind: dict[str, Any] = {plural: tuple(found) for plural, found in objects.items()}
    return Snapshot(
        **of_kind,
        mesh_config=world.get("mesh") or {},
        all_namespaces=True,
        mesh=Mesh(installed=True, api_version="v1", version=(1, 31)),
        resolved={host: (address,) for host, address in OUTSIDE_ADDRESSES.items()},
    )
