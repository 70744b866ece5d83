"""create: the wanted objects, all or nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import anyio

from kubectl_extsvc.cluster.client import Cluster
from kubectl_extsvc.errors import ApiError, ClusterError, ExtsvcError, Refused, UsageError, cause_of
from kubectl_extsvc.mesh.istio_version import version_of_istiod
from kubectl_extsvc.model.alias import AddressTarget, AliasPort, Form, HostTarget, Intent, Target
from kubectl_extsvc.model.marks import MANAGER, field_manager, is_ours
from kubectl_extsvc.model.plan import Action, Change, Plan
from kubectl_extsvc.model.resources import (
    CONFIG_MAPS,
    DESTINATION_RULES,
    ENDPOINT_SLICES,
    PODS,
    SERVICE_ENTRIES,
    SERVICES,
    SIDECARS,
    VIRTUAL_SERVICES,
    Json,
    ObjectRef,
    Resource,
)
from kubectl_extsvc.model.snapshot import Mesh
from kubectl_extsvc.operations.looking_up import look_up
from kubectl_extsvc.operations.reading import read_mesh
from kubectl_extsvc.plans.addresses import addresses
from kubectl_extsvc.plans.alias_objects import with_owner
from kubectl_extsvc.plans.calling import how_to_call
from kubectl_extsvc.plans.changes import plan_create
from kubectl_extsvc.plans.naming import alias_name, default_alias_name, export_to, external_host, namespace_name
from kubectl_extsvc.plans.ports import default_ports, parse_ports, port_warnings
from kubectl_extsvc.plans.tls import TlsWishes, parse_tls_mode, resolve_tls

REGISTRY_ONLY = "REGISTRY_ONLY"
CONFLICT = 409
CLEANUP_SECONDS = 30.0
"""Longest time that taking back may last once the command itself is cancelled."""


@dataclass(frozen=True, slots=True)
class CreateWishes:
    """What was typed, not yet checked."""

    name: str
    external_name: str
    addresses: tuple[str, ...]
    host: str
    lookup: bool
    ports: tuple[str, ...]
    tls: TlsWishes
    mesh: bool
    """False for --mesh none."""
    export_to: tuple[str, ...]
    overwrite: bool
    adopt: bool
    dry_run: str
    """none, client or server."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What was typed, checked as far as that goes without a cluster."""

    name: str
    form: Form
    host: str
    addresses: tuple[str, ...]
    ports: tuple[AliasPort, ...]
    export_to: tuple[str, ...]
    warnings: tuple[str, ...]

    def target(self, looked_up: tuple[str, ...] = ()) -> Target:
        if self.form is Form.EXTERNAL_NAME:
            return HostTarget(self.host)
        return AddressTarget(self.addresses or looked_up, self.host)


@dataclass(frozen=True, slots=True)
class Created:
    intent: Intent
    mesh: Mesh
    plan: Plan
    how_to_call: tuple[str, ...]


def draft_of(wishes: CreateWishes, say: Callable[[str], None]) -> Draft:
    """Check everything that needs no cluster. Raises UsageError or Refused."""
    form = Form.EXTERNAL_NAME if wishes.external_name else Form.ENDPOINTS
    mode = parse_tls_mode(wishes.tls.mode)
    host = ""
    warnings: tuple[str, ...] = ()
    if wishes.external_name or wishes.host:
        flag = "--external-name" if wishes.external_name else "--host"
        host, warnings = external_host(wishes.external_name or wishes.host, flag=flag)
    checked, doubts = addresses(wishes.addresses) if wishes.addresses else ((), ())
    ports = parse_ports(wishes.ports) if wishes.ports else default_ports(form, mode)
    if wishes.name:
        name = alias_name(wishes.name)
    elif host:
        name = default_alias_name(host)
        say(f"name: {name}")
    else:
        raise UsageError("a NAME is needed where no host is given; nothing was changed")
    return Draft(name, form, host, checked, ports, export_to(wishes.export_to), (*warnings, *doubts))


def plan_offline(wishes: CreateWishes, draft: Draft, namespace: str) -> Plan:
    """The plan on a cluster without Istio and without an alias of that name; asks nobody."""
    return plan_on(wishes, draft, namespace, Mesh(installed=False), Present((), (), ())).plan


def plan_on(
    wishes: CreateWishes, draft: Draft, namespace: str, mesh: Mesh, present: "Present", looked_up: tuple[str, ...] = ()
) -> Created:
    """What would be made where these objects are present, as far as that can be told without asking: the mesh lets
    out all that is not registered. Raises UsageError or Refused."""
    intent, warnings = _intent(wishes, draft, draft.target(looked_up), namespace, mesh)
    return _planned(wishes, draft, intent, warnings, mesh, present, registry_only=False)


async def create(cluster: Cluster, wishes: CreateWishes, draft: Draft, say: Callable[[str], None]) -> Created:
    """Make the alias, or with a dry run only find out what would be made."""
    namespace = namespace_name(cluster.namespace)
    mesh = await read_mesh_with_version(cluster)
    target = draft.target(await look_up(cluster, draft.host, namespace, say) if wishes.lookup else ())
    intent, warnings = _intent(wishes, draft, target, namespace, mesh)
    present = await read_present(cluster, namespace, mesh)
    registry_only = await _lets_out_only_what_is_registered(cluster, intent, mesh, say)
    created = _planned(wishes, draft, intent, warnings, mesh, present, registry_only=registry_only)
    match wishes.dry_run:
        case "none":
            await carry_out(cluster, created.plan, intent, say)
        case "server":
            await try_plan(cluster, created.plan, field_manager(intent.name))
        case _:
            pass
    return created


def _planned(
    wishes: CreateWishes,
    draft: Draft,
    intent: Intent,
    warnings: tuple[str, ...],
    mesh: Mesh,
    present: "Present",
    *,
    registry_only: bool,
) -> Created:
    plan = plan_create(
        intent,
        mesh,
        present.objects,
        overwrite=wishes.overwrite,
        adopt=wishes.adopt,
        registry_only=registry_only,
        service_entries=present.service_entries,
        virtual_services=present.virtual_services,
    )
    plan = replace(plan, warnings=_once(*draft.warnings, *warnings, *plan.warnings))
    return Created(intent, mesh, plan, how_to_call(intent, mesh))


def _intent(
    wishes: CreateWishes, draft: Draft, target: Target, namespace: str, mesh: Mesh
) -> tuple[Intent, tuple[str, ...]]:
    tls, warnings = resolve_tls(wishes.tls, target, draft.ports, mesh, use_mesh=wishes.mesh)
    use_mesh = wishes.mesh and mesh.installed
    intent = Intent(namespace, draft.name, target, draft.ports, tls, use_mesh, draft.export_to)
    return intent, (*warnings, *port_warnings(draft.ports, mesh=use_mesh))


def _once(*warnings: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(warnings))


async def read_mesh_with_version(cluster: Cluster) -> Mesh:
    """The mesh; its version too where the served API leaves open whether ExternalName Services are mere names."""
    mesh = await read_mesh(cluster)
    if not mesh.installed or mesh.api_version == "v1":
        return mesh
    try:
        pods = await cluster.list(PODS, mesh.root_namespace, label_selector="app=istiod")
    except ApiError as error:
        if error.code != 403:
            raise
        raise Refused(f"Istio's version must be known to choose the objects, and {error}; nothing was changed. "
                      "Use --mesh none for the Service alone.") from error  # fmt: skip
    versions = [version for pod in pods.items if (version := version_of_istiod(pod)) is not None]
    return replace(mesh, version=min(versions, default=None))


async def _lets_out_only_what_is_registered(
    cluster: Cluster, intent: Intent, mesh: Mesh, say: Callable[[str], None]
) -> bool:
    """Is the outbound traffic policy of the namespace REGISTRY_ONLY? Asked only where an object depends on it.

    The namespace's own Sidecar decides, else the root namespace's, else the mesh configuration
    (istio pilot/pkg/model/sidecar.go, initSidecarScopes).
    """
    if not intent.mesh or intent.form is Form.ENDPOINTS or all(port.protocol.is_http for port in intent.ports):
        return False
    try:
        for namespace in dict.fromkeys((intent.namespace, mesh.root_namespace)):
            sidecars = await cluster.list(SIDECARS.at_version(mesh.api_version), namespace)
            mode = next((mode for sidecar in sidecars.items if (mode := _policy_for_all(sidecar))), "")
            if mode:
                return mode == REGISTRY_ONLY
        config_map = await cluster.get(CONFIG_MAPS, mesh.root_namespace, "istio")
    except ApiError as error:
        say(f"Warning: the mesh's outbound traffic policy could not be read, ALLOW_ANY is assumed: {error}")
        return False
    import yaml

    policy = (yaml.safe_load(config_map.get("data", {}).get("mesh", "")) or {}).get("outboundTrafficPolicy") or {}
    return bool(policy.get("mode") == REGISTRY_ONLY)


def _policy_for_all(sidecar: Json) -> str:
    """Outbound policy that a Sidecar sets for all workloads of its namespace, "" if it sets none for all."""
    spec = sidecar.get("spec") or {}
    if spec.get("workloadSelector"):
        return ""
    return str((spec.get("outboundTrafficPolicy") or {}).get("mode") or "")


@dataclass(frozen=True, slots=True)
class Present:
    """What is there of the kinds that an alias may consist of."""

    objects: tuple[Json, ...]
    """All of the namespace, whoever made them: somebody else's may have a name that we want."""
    virtual_services: tuple[Json, ...]
    """All that may be read, of any namespace: somebody else's may hold the alias's host."""
    service_entries: tuple[Json, ...]


def kinds_of_an_alias(mesh: Mesh) -> tuple[Resource, ...]:
    """Every kind that an alias may consist of on this cluster."""
    istio = (SERVICE_ENTRIES, DESTINATION_RULES, VIRTUAL_SERVICES)
    versioned = tuple(resource.at_version(mesh.api_version) for resource in istio) if mesh.installed else ()
    return (SERVICES, ENDPOINT_SLICES, *versioned)


async def read_present(cluster: Cluster, namespace: str, mesh: Mesh) -> Present:
    """Everything at once, by kind and not by alias."""
    objects: list[Json] = []
    anywhere: dict[str, tuple[Json, ...]] = {}

    async def read(resource: Resource) -> None:
        if resource.kind in ("VirtualService", "ServiceEntry"):
            found = anywhere[resource.kind] = await _all_or_namespace(cluster, resource, namespace)
        else:
            found = (await cluster.list(resource, namespace)).items
        objects.extend(obj for obj in found if obj["metadata"].get("namespace") == namespace)

    async with anyio.create_task_group() as group:
        for resource in kinds_of_an_alias(mesh):
            group.start_soon(read, resource)
    return Present(tuple(objects), anywhere.get("VirtualService", ()), anywhere.get("ServiceEntry", ()))


async def _all_or_namespace(cluster: Cluster, resource: Resource, namespace: str) -> tuple[Json, ...]:
    """Of all namespaces, or of one where the right for all is missing."""
    try:
        return tuple((await cluster.list(resource, None)).items)
    except ApiError as error:
        if error.code != 403:
            raise
    return tuple((await cluster.list(resource, namespace)).items)


async def try_plan(cluster: Cluster, plan: Plan, manager: str) -> dict[ObjectRef, Json]:
    """Ask the server to do all of it in a dry run, at once; gives the objects as it would write them.

    Raises its first refusal, with what to do next.
    """
    tried: dict[ObjectRef, Json] = {}

    async def attempt(change: Change) -> None:
        if change.wanted is None:
            await cluster.delete(change.resource, change.ref.namespace, change.ref.name, uid=change.uid, dry_run=True)
        elif change.action is not Action.UNCHANGED:
            # Without ownerReferences: the Service's UID of a dry run is invented.
            applied = await cluster.apply(
                change.resource, change.wanted, field_manager=manager, dry_run=True, force=change.force
            )
            tried[change.ref] = applied.object

    try:
        async with anyio.create_task_group() as group:
            for change in plan.changes:
                group.start_soon(attempt, change)
    except* ApiError as refusals:
        error = cause_of(refusals)
        assert isinstance(error, ApiError)
        advice = "nothing was changed"
        of_fields = error.code == CONFLICT and "has been modified" not in str(error)
        if of_fields and f'"{MANAGER}:' not in str(error):
            advice += ". Use --overwrite to take these fields over."
        raise ApiError(f"{error}\n{advice}", code=error.code, reason=error.reason, status=error.status) from error
    return tried


async def carry_out(cluster: Cluster, plan: Plan, intent: Intent, say: Callable[[str], None]) -> Plan:
    """Make the changes, in order. If one fails or we are interrupted, take back what was created, in reverse.

    Gives the plan as it was carried out. What was updated in place stays as it is, and is named.
    """
    manager = field_manager(intent.name)
    await try_plan(cluster, plan, manager)
    created: list[tuple[Change, str]] = []
    updated: list[Change] = []
    unanswered: Change | None = None
    service_uid = next((change.uid for change in plan.changes if change.resource is SERVICES), "")
    try:
        for change in plan.changes:
            if change.action is Action.UNCHANGED:
                continue
            if change.wanted is None:
                await cluster.delete(change.resource, change.ref.namespace, change.ref.name, uid=change.uid)
                updated.append(change)
                continue
            wanted = change.wanted if change.resource is SERVICES else with_owner(change.wanted, service_uid)
            unanswered = change
            # The answer to a write must be known, or we could not take it back: an interruption waits for it.
            with anyio.CancelScope(shield=True):
                applied = await cluster.apply(change.resource, wanted, field_manager=manager, force=change.force)
                uid = applied.object["metadata"]["uid"]
            unanswered = None
            if change.action is Action.CREATE:
                created.append((change, uid))
            else:
                updated.append(change)
            if change.resource is SERVICES:
                service_uid = uid
            await anyio.lowlevel.checkpoint()
    except BaseException as error:
        doubt = ""
        with anyio.CancelScope(shield=True), anyio.move_on_after(CLEANUP_SECONDS):
            if unanswered is not None and isinstance(error, ClusterError) and _may_have_been_done(error):
                try:
                    created += await _created_after_all(cluster, unanswered)
                except ClusterError:
                    doubt = f"{unanswered.ref} in namespace {unanswered.ref.namespace} may have been created"
            await _take_back(cluster, created, say)
        remains = _what_remains([*updated, *(change for change, _ in created)], doubt)
        match error:
            case ApiError():
                raise ApiError(
                    f"{error}\n{remains}", code=error.code, reason=error.reason, status=error.status
                ) from error
            case ClusterError():
                raise ClusterError(f"{error}\n{remains}") from error
        if updated or created:  # a cancellation has no message of its own
            say(remains)
        raise
    return plan


def _may_have_been_done(error: ClusterError) -> bool:
    """No answer came, or one that leaves open what was done (a 504 of the API server)."""
    return not isinstance(error, ApiError) or error.code >= 500


async def _created_after_all(cluster: Cluster, change: Change) -> list[tuple[Change, str]]:
    """The object with its UID, if a write whose answer was lost has created it."""
    if change.action is not Action.CREATE:
        return []
    try:
        there = await cluster.get(change.resource, change.ref.namespace, change.ref.name)
    except ApiError as error:
        if error.code != 404:
            raise
        return []
    return [(change, there["metadata"]["uid"])] if is_ours(there) else []


async def _take_back(cluster: Cluster, created: list[tuple[Change, str]], say: Callable[[str], None]) -> None:
    """Delete in reverse; what could not be deleted is left in created."""
    for entry in reversed(tuple(created)):
        change, uid = entry
        try:
            await cluster.delete(change.resource, change.ref.namespace, change.ref.name, uid=uid)
            say(f'{change.resource.qualified} "{change.ref.name}" taken back')
        except ExtsvcError as error:
            if not isinstance(error, ApiError) or error.code != 404:
                say(f"could not take back {change.ref} in namespace {change.ref.namespace}: {error}")
                continue
            # A 404 went with its owner.
        created.remove(entry)


def _what_remains(changes: Sequence[Change], doubt: str) -> str:
    if not changes:
        return doubt or "nothing was changed"
    done = ", ".join(f"{change.ref} {change.action}" for change in changes)
    return f"changed before the failure: {done}" + (f"; {doubt}" if doubt else "")
