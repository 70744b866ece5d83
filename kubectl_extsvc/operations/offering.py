"""What the cluster has to offer for a word that is being typed; (name, what it is) each.

Nobody waits for these but a prompt: one request of each kind, and the caller sets the limit.
"""

from kubectl_extsvc.cluster.client import Cluster
from kubectl_extsvc.mesh.aliases import aliases_in
from kubectl_extsvc.mesh.sources import sources_in
from kubectl_extsvc.model.alias import AddressTarget
from kubectl_extsvc.model.resources import NAMESPACES, PODS, WORKLOADS
from kubectl_extsvc.model.snapshot import Mesh
from kubectl_extsvc.operations.reading import read_snapshot

Offers = tuple[tuple[str, str], ...]


async def alias_names(cluster: Cluster, *, ours: bool) -> Offers:
    """Aliases of the namespace, with their targets; ours leaves out those that others made."""
    # Istio's objects say nothing about names, so they are not read.
    snapshot = await read_snapshot(cluster, cluster.namespace, mesh=Mesh(installed=False))
    found = (alias for alias in aliases_in(snapshot, cluster.namespace) if alias.managed or not ours)
    return tuple(
        (
            alias.name,
            (alias.target.host or ",".join(alias.target.addresses))
            if isinstance(alias.target, AddressTarget)
            else alias.target.host,
        )
        for alias in found
    )


async def namespace_names(cluster: Cluster) -> Offers:
    return tuple((found["metadata"]["name"], "") for found in (await cluster.list(NAMESPACES, None)).items)


async def source_names(cluster: Cluster, kind: str) -> Offers:
    """Names of a kind of the namespace from which can be looked, pods with their way into the mesh."""
    if kind == "pod":
        listed = await cluster.list(PODS, cluster.namespace, field_selector="status.phase=Running")
        return tuple((source.pod, source.mode.value) for source in sources_in(listed.items, everywhere=True))
    listed = await cluster.list(WORKLOADS[kind], cluster.namespace)
    return tuple((found["metadata"]["name"], "") for found in listed.items)
