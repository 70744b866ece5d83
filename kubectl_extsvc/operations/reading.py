"""Everything that is read of a cluster for a verdict, at once."""

from collections.abc import Sequence
from contextlib import suppress

import anyio

from kubectl_extsvc.cluster.client import Cluster
from kubectl_extsvc.errors import ApiError
from kubectl_extsvc.model.alias import Alias
from kubectl_extsvc.model.resources import (
    DESTINATION_RULES,
    ENDPOINT_SLICES,
    ISTIO_NETWORKING,
    ISTIO_VERSIONS,
    PODS,
    SERVICE_ENTRIES,
    SERVICES,
    SIDECARS,
    VIRTUAL_SERVICES,
    Json,
    Resource,
)
from kubectl_extsvc.model.snapshot import Mesh, Snapshot, Unread

WELL_KNOWN_CLIENTS = "app in (curl,sleep)"
"""Label of the pods that Istio's samples give to probe from."""


async def read_mesh(cluster: Cluster) -> Mesh:
    """Is there an Istio, and which version of its API is served?"""
    served = await cluster.served_versions(ISTIO_NETWORKING)
    newest = next((version for version in ISTIO_VERSIONS if version in served), "")
    return Mesh(installed=bool(served), api_version=newest or next(iter(served), ""))


async def read_snapshot(cluster: Cluster, namespace: str | None, *, mesh: Mesh | None = None) -> Snapshot:
    """Services and slices of a namespace (None: all), and Istio's objects of all namespaces.

    Istio's objects are read everywhere, because a rule of the client's or of the root namespace may decide. A kind
    that may not be read is in Snapshot.unread; without Services there is nothing to say, so that is raised.
    """
    found: dict[str, tuple[Json, ...]] = {}
    unread: dict[str, Unread] = {}
    seen_mesh = mesh

    async def read(resource: Resource, where: str | None) -> None:
        try:
            found[resource.plural] = (await cluster.list(resource, where)).items
        except ApiError as error:
            if resource is SERVICES or error.code not in (403, 404):
                raise
            unread[resource.plural] = Unread(
                what=resource.qualified_plural, reason=str(error), unlock=f"list {resource.qualified_plural}"
            )
            if where is None and namespace is not None and error.code == 403:
                # Not all that may decide, so it stays unread; but what was made for the alias is likely here.
                await read_own(resource, namespace)

    async def read_own(resource: Resource, where: str) -> None:
        with suppress(ApiError):
            found[resource.plural] = (await cluster.list(resource, where)).items

    async def read_istio() -> None:
        nonlocal seen_mesh
        if seen_mesh is None:
            seen_mesh = await read_mesh(cluster)
        if not seen_mesh.installed:
            return
        async with anyio.create_task_group() as group:
            for resource in (DESTINATION_RULES, VIRTUAL_SERVICES, SERVICE_ENTRIES, SIDECARS):
                group.start_soon(read, resource.at_version(seen_mesh.api_version), None)

    async with anyio.create_task_group() as group:
        group.start_soon(read, SERVICES, namespace)
        group.start_soon(read, ENDPOINT_SLICES, namespace)
        group.start_soon(read_istio)

    return Snapshot(
        services=found.get("services", ()),
        endpoint_slices=found.get("endpointslices", ()),
        destination_rules=found.get("destinationrules", ()),
        virtual_services=found.get("virtualservices", ()),
        service_entries=found.get("serviceentries", ()),
        sidecars=found.get("sidecars", ()),
        mesh=seen_mesh or Mesh(installed=False),
        unread=unread,
    )


async def with_labels(
    cluster: Cluster, aliases: tuple[Alias, ...], namespace: str | None, selector: str
) -> tuple[Alias, ...]:
    """Those whose Service has the labels; the server knows best what a selector means."""
    if not selector:
        return aliases
    services = (await cluster.list(SERVICES, namespace, label_selector=selector)).items
    chosen = {(service["metadata"]["namespace"], service["metadata"]["name"]) for service in services}
    return tuple(alias for alias in aliases if (alias.namespace, alias.name) in chosen)


async def read_pods(cluster: Cluster, namespaces: Sequence[str], *, everywhere: bool) -> tuple[Json, ...] | Unread:
    """Pods that may serve as sources: those of the namespaces, and Istio's sample clients anywhere.

    everywhere lists all pods of the cluster; it is asked for only when the cheap lists held too few kinds.
    """
    pods: dict[str, Json] = {}
    refusals: list[ApiError] = []

    async def read(namespace: str | None, label_selector: str) -> None:
        try:
            listed = await cluster.list(PODS, namespace, label_selector=label_selector,
                                        field_selector="status.phase=Running")  # fmt: skip
        except ApiError as error:
            if error.code != 403:
                raise
            refusals.append(error)
        else:
            pods.update({pod["metadata"]["uid"]: pod for pod in listed.items})

    async with anyio.create_task_group() as group:
        if everywhere:
            group.start_soon(read, None, "")
        else:
            group.start_soon(read, None, WELL_KNOWN_CLIENTS)
            for namespace in namespaces:
                group.start_soon(read, namespace, "")
    if refusals and not pods:
        return Unread(what="pods", reason=str(refusals[0]), unlock="list pods")
    return tuple(pods.values())
