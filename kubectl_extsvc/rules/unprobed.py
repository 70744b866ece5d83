"""The verdict on objects that nobody has probed yet: a change before it is made, manifests before they are applied."""

from collections.abc import Sequence

from kubectl_extsvc.mesh.alias_route import alias_route
from kubectl_extsvc.mesh.contracts import contract
from kubectl_extsvc.mesh.destination_rules import decision_for
from kubectl_extsvc.mesh.istiod.client import Client
from kubectl_extsvc.model.alias import Alias
from kubectl_extsvc.model.finding import Judgement
from kubectl_extsvc.model.observation import Case, Observation
from kubectl_extsvc.model.snapshot import Snapshot
from kubectl_extsvc.model.source import MeshMode, Source
from kubectl_extsvc.rules import judge


def by_objects(alias: Alias, snapshot: Snapshot, sources: Sequence[Source] = ()) -> Judgement:
    """The verdict of the rules that need no probe, for these sources, or for imagined ones in the alias's namespace."""
    seen = [
        _unprobed(alias, snapshot, source, index)
        for index in range(len(alias.ports))
        for source in sources or imagined_sources(alias)
    ]
    return judge(Case(alias, snapshot, tuple(seen)))


def imagined_sources(alias: Alias) -> tuple[Source, ...]:
    """A client with sidecar and one without, of the alias's own namespace and without labels."""
    return tuple(Source(alias.namespace, f"any-{mode}", "", mode) for mode in (MeshMode.SIDECAR, MeshMode.PLAIN))


def _unprobed(alias: Alias, snapshot: Snapshot, source: Source, index: int) -> Observation:
    port, spoken = alias.ports[index], contract(alias, alias.ports[index], source, snapshot)
    if source.mode is not MeshMode.SIDECAR:
        return Observation(source, port, spoken)
    route = alias_route(alias, port, Client.of_source(source), snapshot)
    decision = decision_for(alias, port.number, source, snapshot)
    return Observation(source, port, spoken, route=route, decision=decision)
