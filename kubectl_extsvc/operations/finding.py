"""What there is of aliases: for list, and for delete."""

from collections.abc import Callable, Iterable

from kubectl_extsvc.cluster.client import Cluster
from kubectl_extsvc.errors import ApiError
from kubectl_extsvc.mesh.aliases import aliases_in
from kubectl_extsvc.mesh.destination_rules import decision_for
from kubectl_extsvc.model.alias import Alias
from kubectl_extsvc.model.marks import alias_of
from kubectl_extsvc.model.plan import Change, Plan
from kubectl_extsvc.model.resources import SERVICES, Json
from kubectl_extsvc.model.snapshot import Snapshot
from kubectl_extsvc.model.source import MeshMode, Source
from kubectl_extsvc.operations.creating import read_present
from kubectl_extsvc.operations.reading import read_mesh, read_snapshot, warnings_of, with_labels
from kubectl_extsvc.output.table import AliasRow
from kubectl_extsvc.plans.changes import plan_delete


async def alias_rows(
    cluster: Cluster, namespace: str | None, selector: str, say: Callable[[str], None]
) -> tuple[AliasRow, ...]:
    """The aliases of a namespace (None: of all), ours and others', each with what the objects say of its TLS.

    What could not be read, and so may be missing in it, is said.
    """
    snapshot = await read_snapshot(cluster, namespace, everywhere=namespace is None)
    for warning in warnings_of(snapshot):
        say(warning)
    aliases = await with_labels(cluster, aliases_in(snapshot, namespace), namespace, selector)
    return tuple(AliasRow(alias, _tls_of(alias, snapshot)) for alias in aliases)


def _tls_of(alias: Alias, snapshot: Snapshot) -> str:
    """Modes that decide for a client of the alias's own namespace, "" if none does."""
    client = Source(alias.namespace, "", "", MeshMode.SIDECAR)
    decisions = (decision_for(alias, port.number, client, snapshot) for port in alias.ports)
    return ",".join(dict.fromkeys(decision.mode for decision in decisions if decision and decision.mode))


async def plan_deletion(
    cluster: Cluster, names: tuple[str, ...], *, selector: str, every: bool, ignore_not_found: bool
) -> Plan:
    """One plan for all that is to go. Raises NotFound in kubectl's words, before anything is deleted.

    every means all aliases of the namespace that we made, leftovers without a Service too; selector those whose
    Service has the labels.
    """
    namespace = cluster.namespace
    mesh = await read_mesh(cluster)
    objects = (await read_present(cluster, namespace, mesh)).objects
    if every:
        names = _aliases_of(objects)
    elif selector:
        names = _aliases_of((await cluster.list(SERVICES, namespace, label_selector=selector)).items)
    changes: list[Change] = []
    for name in dict.fromkeys(names):
        plan = plan_delete(name, namespace, objects)
        if not plan.changes and not ignore_not_found:
            raise ApiError(f'Error from server (NotFound): services "{name}" not found', code=404, reason="NotFound")
        changes += plan.changes
    return Plan(tuple(changes))


def _aliases_of(objects: Iterable[Json]) -> tuple[str, ...]:
    """Names of the aliases that objects of ours belong to."""
    return tuple(sorted({alias for obj in objects if (alias := alias_of(obj))}))
