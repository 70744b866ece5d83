"""Everything that is read of a cluster for a verdict, at once."""

import ipaddress
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace

import anyio

from kubectl_extsvc.cluster.client import Cluster
from kubectl_extsvc.errors import ApiError
from kubectl_extsvc.mesh.endpoint_namespaces import endpoint_namespaces
from kubectl_extsvc.mesh.sources import addresses_of, revision_of
from kubectl_extsvc.model.alias import AddressTarget, Alias
from kubectl_extsvc.model.marks import SELECTOR_CONTROLLER, SLICE_MANAGED_BY_LABEL
from kubectl_extsvc.model.resources import (
    CONFIG_MAPS,
    DESTINATION_RULES,
    ENDPOINT_SLICES,
    ENDPOINTS,
    ISTIO_NETWORKING,
    ISTIO_VERSIONS,
    NETWORK_POLICIES,
    PODS,
    SERVICE_ENTRIES,
    SERVICES,
    SIDECARS,
    VIRTUAL_SERVICES,
    Json,
    Resource,
)
from kubectl_extsvc.model.snapshot import Mesh, Snapshot, Unread
from kubectl_extsvc.model.source import MeshMode, Source

MOST_LOOKUPS = 8
"""Endpoint addresses whose pod is asked for, and namespaces whose slices are: a request each, so that requests do not
grow with aliases."""
AT_ONCE = 8

SELECTORS = f"{SLICE_MANAGED_BY_LABEL}={SELECTOR_CONTROLLER}"
NO_SELECTORS = f"{SLICE_MANAGED_BY_LABEL}!={SELECTOR_CONTROLLER}"
"""Labels of the slices of pods, which are many on a large cluster, and of all others: a slice without the label is one
of the latter."""

WELL_KNOWN_CLIENTS = "app in (curl,sleep)"
"""Label of the pods that Istio's samples give to probe from."""


async def read_mesh(cluster: Cluster) -> Mesh:
    """Is there an Istio, and which version of its API is served?"""
    served = await cluster.served_versions(ISTIO_NETWORKING)
    newest = next((version for version in ISTIO_VERSIONS if version in served), "")
    return Mesh(installed=bool(served), api_version=newest or next(iter(served), ""))


async def read_snapshot(
    cluster: Cluster, namespace: str | None, *, mesh: Mesh | None = None, everywhere: bool = False
) -> Snapshot:
    """Services and slices of a namespace (None: all), and Istio's objects of all namespaces.

    everywhere tries the Services of all namespaces too, without that right those of the namespace do; and of the slices
    of other namespaces those alone that no selector makes, since on a large cluster the others are many.
    Istio's objects are read everywhere, because a rule of the client's or of the root namespace may decide. A kind
    that may not be read is in Snapshot.unread; without Services there is nothing to say, so that is raised.
    """
    found: dict[str, tuple[Json, ...]] = {}
    unread: dict[str, Unread] = {}
    seen_mesh = mesh
    narrowed = False

    async def read_everywhere(resource: Resource, selector: str = "") -> None:
        nonlocal narrowed
        if namespace is None:
            await read(resource, None, selector)
            return
        try:
            add(resource, (await cluster.list(resource, None, selector)).items)
        except ApiError as error:
            if error.code != 403:
                raise
            narrowed = True
            await read(resource, namespace, selector)

    def add(resource: Resource, items: Iterable[Json]) -> None:
        found[resource.plural] = (*found.get(resource.plural, ()), *items)

    async def read(resource: Resource, where: str | None, selector: str = "") -> None:
        try:
            add(resource, (await cluster.list(resource, where, selector)).items)
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
            add(resource, (await cluster.list(resource, where)).items)

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
        if everywhere:
            group.start_soon(read_everywhere, SERVICES)
            group.start_soon(read_everywhere, ENDPOINT_SLICES, NO_SELECTORS)
            if namespace is not None:
                group.start_soon(read, ENDPOINT_SLICES, namespace, SELECTORS)
        else:
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
        all_namespaces=(everywhere and not narrowed) or namespace is None,
        slice_namespaces=frozenset(filter(None, (namespace,))) if everywhere else None,
        mesh=seen_mesh or Mesh(installed=False),
        unread=unread,
    )


def warnings_of(snapshot: Snapshot) -> tuple[str, ...]:
    """A line for each kind that could not be read, for commands that go on without it."""
    return tuple(f"Warning: {one.what} could not be read: {one.reason}" for one in snapshot.unread.values())


async def read_surroundings(
    cluster: Cluster, snapshot: Snapshot, aliases: Sequence[Alias], sources: Sequence[Source]
) -> Snapshot:
    """The snapshot with what lies around the aliases: pods behind their addresses, v1 Endpoints of those that have no
    address, the slices of the namespaces that calls lead to, the sources' NetworkPolicies, and Istio's mesh
    configuration. Evidence only: a refusal is in Snapshot.unread, and nothing is raised for want of it.
    """
    if not sources:
        return snapshot
    pods: dict[str, Json] = {}
    policies: list[Json] = []
    endpoints: list[Json] = []
    mesh_config: Json = {}
    slices: list[Json] = []
    slice_namespaces = set(snapshot.slice_namespaces or ())
    unread: dict[str, Unread] = {}
    limit = anyio.CapacityLimiter(AT_ONCE)

    async def read_pods_at(address: str, namespaces: Iterable[str | None]) -> None:
        for namespace in namespaces:
            try:
                async with limit:
                    listed = await cluster.list(PODS, namespace, field_selector=f"status.podIP={address}")
            except ApiError as error:
                unread.setdefault("pods", Unread("pods", str(error), "list pods"))
                continue
            pods.update({pod["metadata"]["uid"]: pod for pod in listed.items if address in addresses_of(pod)})
            if namespace is None:
                return

    async def read_policies(namespace: str) -> None:
        try:
            async with limit:
                policies.extend((await cluster.list(NETWORK_POLICIES, namespace)).items)
        except ApiError as error:
            if error.code != 404:
                what = NETWORK_POLICIES.qualified_plural
                unread[NETWORK_POLICIES.plural] = Unread(what, str(error), f"list {what}")

    async def read_endpoints(alias: Alias) -> None:
        try:
            async with limit:
                endpoints.append(await cluster.get(ENDPOINTS, alias.namespace, alias.name))
        except ApiError as error:
            if error.code != 404:
                what = ENDPOINTS.plural
                unread[what] = Unread(what, str(error), f"get {what}")

    async def read_slices(namespace: str) -> None:
        # What is not there is known to be missing: Snapshot.slice_namespaces.
        with suppress(ApiError):
            async with limit:
                slices.extend((await cluster.list(ENDPOINT_SLICES, namespace, SELECTORS)).items)
            slice_namespaces.add(namespace)

    async def read_mesh_config() -> None:
        nonlocal mesh_config
        revision = next(filter(None, map(revision_of, sources)), "")
        name = f"istio-{revision}" if revision not in ("", "default") else "istio"
        try:
            config_map = await cluster.get(CONFIG_MAPS, snapshot.mesh.root_namespace, name)
            mesh_config = mesh_config_of(config_map)
        except (ApiError, ValueError) as error:
            unread[CONFIG_MAPS.plural] = Unread(CONFIG_MAPS.plural, str(error), f"get {CONFIG_MAPS.plural}")

    asked = _addresses_to_look_up(aliases)
    async with anyio.create_task_group() as group:
        for address, namespaces in asked.items():
            group.start_soon(read_pods_at, address, (None, *namespaces))
        for namespace in dict.fromkeys(source.namespace for source in sources):
            group.start_soon(read_policies, namespace)
        without = [a for a in aliases if isinstance(a.target, AddressTarget) and not a.target.addresses]
        for alias in without[:MOST_LOOKUPS]:
            # What stands in v1 Endpoints only is read by nobody; why it is not mirrored stands there as well.
            group.start_soon(read_endpoints, alias)
        if snapshot.mesh.installed:
            group.start_soon(read_mesh_config)
        clients = dict.fromkeys(source.namespace for source in sources if source.mode is MeshMode.SIDECAR)
        for namespace in endpoint_namespaces(aliases, clients, snapshot)[:MOST_LOOKUPS]:
            group.start_soon(read_slices, namespace)
    root = str(mesh_config.get("rootNamespace") or snapshot.mesh.root_namespace)
    return replace(
        snapshot,
        endpoint_slices=(*snapshot.endpoint_slices, *slices),
        slice_namespaces=None if snapshot.slice_namespaces is None else frozenset(slice_namespaces),
        pods=tuple(pods.values()),
        pods_at=frozenset(asked),
        endpoints=tuple(endpoints),
        network_policies=tuple(policies),
        mesh_config=mesh_config,
        mesh=replace(snapshot.mesh, root_namespace=root),
        unread={**snapshot.unread, **unread},
    )


def mesh_config_of(config_map: Json) -> Json:
    """MeshConfig in the ConfigMap that istiod reads (key mesh). Raises ValueError if it cannot be read."""
    import yaml

    try:
        config = yaml.safe_load((config_map.get("data") or {}).get("mesh") or "")
    except yaml.YAMLError as error:
        name = config_map["metadata"]["name"]
        raise ValueError(f"configmap/{name} has a mesh configuration that is not YAML") from error
    return config if isinstance(config, dict) else {}


def _addresses_to_look_up(aliases: Sequence[Alias]) -> dict[str, tuple[str, ...]]:
    """Address → namespaces of the aliases that have it. Private ones first: pods mostly have such."""
    found: dict[str, dict[str, None]] = {}
    for alias in aliases:
        for address in alias.target.addresses if isinstance(alias.target, AddressTarget) else ():
            found.setdefault(address, {})[alias.namespace] = None
    chosen = sorted(found, key=lambda address: not _is_private(address))[:MOST_LOOKUPS]
    return {address: tuple(found[address]) for address in chosen}


def _is_private(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_private
    except ValueError:
        return False


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
