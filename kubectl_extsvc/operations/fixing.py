"""fix: a finding's cure, planned, judged by the same rules before it is done, and done with every object unchanged."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import anyio

from kubectl_extsvc.cluster.client import Cluster
from kubectl_extsvc.errors import ApiError, ClusterError, Refused, cause_of
from kubectl_extsvc.mesh.aliases import find_alias
from kubectl_extsvc.model.alias import Alias
from kubectl_extsvc.model.finding import Finding, Severity
from kubectl_extsvc.model.fix import Create
from kubectl_extsvc.model.marks import field_manager
from kubectl_extsvc.model.plan import Action, Change, Plan
from kubectl_extsvc.model.report import AliasReport
from kubectl_extsvc.model.resources import BY_KIND, Json, ObjectRef
from kubectl_extsvc.model.snapshot import Snapshot
from kubectl_extsvc.operations.creating import Created, CreateWishes, carry_out, create, draft_of, try_plan
from kubectl_extsvc.plans.fixes import (
    NOT_CHANGED,
    Edit,
    Objects,
    as_part_of,
    edits_of,
    edits_of_plan,
    kept_by_others,
    objects_in,
    strangers,
    touched,
    with_edits,
)
from kubectl_extsvc.rules.unprobed import by_objects

RUN_AGAIN = "Somebody changed it meanwhile: run fix again, it plans anew."

WishesOf = Callable[[Create], CreateWishes]
"""What a `kubectl extsvc create` line asks for."""


@dataclass(frozen=True, slots=True)
class PlannedFix:
    """All that is to be done for one finding."""

    alias: Alias
    finding: Finding
    edits: tuple[Edit, ...]
    """Every object that changes, those of create too."""
    created: tuple[Created, ...]
    """What create's own machinery carries out."""

    @property
    def own_edits(self) -> tuple[Edit, ...]:
        """Those that no create carries out."""
        of_create = {change.ref for created in self.created for change in created.plan.changes}
        return tuple(edit for edit in self.edits if edit.ref not in of_create)

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(warning for created in self.created for warning in created.plan.warnings))


@dataclass(frozen=True, slots=True)
class Kept:
    """Others keep some of the objects, so it is shown and never made."""

    planned: PlannedFix
    kept: tuple[tuple[Edit, str], ...]
    """Each with its keeper's name."""


@dataclass(frozen=True, slots=True)
class Ready:
    """It may be made."""

    planned: PlannedFix
    shown: tuple[Edit, ...]
    """As the server would make them, where it was asked."""
    strangers: tuple[str, ...]
    """A line for each object that was not made for this alias."""


async def prepare_fix(
    cluster: Cluster,
    report: AliasReport,
    finding: Finding,
    snapshot: Snapshot,
    wishes_of: WishesOf,
    say: Callable[[str], None],
    *,
    ask_server: bool = True,
) -> Kept | Ready:
    """All that is to be known before a finding's cure is made. Raises Refused where it would not do, and whatever
    planning it or the server's dry run raise; nothing is changed."""
    alias = report.alias
    planned = await plan_fix(cluster, alias, finding, snapshot, wishes_of, say)
    if kept := kept_by_others(planned.edits):
        return Kept(planned, kept)
    if why_not := objection(planned, report, snapshot):
        raise Refused(f"the cure of {finding.code} would not do: {why_not}; {NOT_CHANGED}")
    shown = await try_fix(cluster, planned) if ask_server else planned.edits
    return Ready(planned, shown, strangers(planned.edits, alias.name, alias.namespace))


async def plan_fix(
    cluster: Cluster,
    alias: Alias,
    finding: Finding,
    snapshot: Snapshot,
    wishes_of: WishesOf,
    say: Callable[[str], None],
) -> PlannedFix:
    """What the cure makes of the objects that the finding was judged by. Raises Refused, and whatever create raises."""
    objects = await _with_missing(cluster, objects_in(snapshot), touched(finding.fix))
    created: list[Created] = []
    edits = list(as_part_of(alias, edits_of(finding.fix, objects)))
    for step in finding.fix:
        if isinstance(step, Create):
            wishes = replace(wishes_of(step), dry_run="client")
            planned = await create(cluster, wishes, draft_of(wishes, say), say)
            planned = replace(planned, plan=_unless_modified(planned.plan, objects))
            created.append(planned)
            edits += edits_of_plan(planned.plan, objects)
    if not edits:
        raise Refused(f"the cure of {finding.code} changes no object: all are as it wants them; {NOT_CHANGED}")
    return PlannedFix(alias, finding, tuple(edits), tuple(created))


async def _with_missing(cluster: Cluster, objects: dict[ObjectRef, Json], refs: Sequence[ObjectRef]) -> Objects:
    """The objects, and those of refs that were not read for the verdict."""
    missing = [ref for ref in refs if ref not in objects]
    for ref in missing:
        try:
            objects[ref] = await cluster.get(BY_KIND[ref.kind], ref.namespace, ref.name)
        except ApiError as error:
            if error.code != 404:
                raise
    return objects


def _unless_modified(plan: Plan, objects: Objects) -> Plan:
    """The plan with the precondition that each object is still the one that was judged."""
    changes = []
    for change in plan.changes:
        live = objects.get(change.ref)
        revision = live["metadata"].get("resourceVersion") if live else None
        if change.wanted is not None and revision:
            metadata = {**change.wanted["metadata"], "resourceVersion": revision}
            change = replace(change, wanted={**change.wanted, "metadata": metadata})
        changes.append(change)
    return replace(plan, changes=tuple(changes))


def objection(planned: PlannedFix, report: AliasReport, snapshot: Snapshot) -> str:
    """Why the result would be no better, by the same rules on the objects that would be there; "" if it would be."""
    after = with_edits(snapshot, planned.edits)
    found = find_alias(after, planned.alias.namespace, planned.alias.name)
    if not isinstance(found, Alias):
        return f"{planned.alias.service} would be no alias any more"
    sources = tuple(dict.fromkeys(source.observation.source for source in report.sources))
    now = by_objects(planned.alias, snapshot, sources)
    then = by_objects(found, after, sources)
    # What falls from an error to mere information is cured.
    same = [
        f
        for f in then.findings
        if f.code == planned.finding.code
        and _overlap(f, planned.finding)
        and (f.severity is not Severity.INFO or planned.finding.severity is Severity.INFO)
    ]
    if same:
        return f"{same[0].code} would stay: {same[0].message}"
    known = {(f.code, f.ports) for f in (*now.findings, *report.findings)}
    new = [f for f in then.findings if f.severity is Severity.ERROR and (f.code, f.ports) not in known]
    return f"it would bring {new[0].code}: {new[0].message}" if new else ""


def _overlap(one: Finding, other: Finding) -> bool:
    return not one.ports or not other.ports or bool(set(one.ports) & set(other.ports))


async def try_fix(cluster: Cluster, planned: PlannedFix) -> tuple[Edit, ...]:
    """Ask the server to do all of it in a dry run; gives the edits as the server would make them, to be shown.

    Raises its first refusal, with what was changed: nothing.
    """
    manager = field_manager(planned.alias.name)
    tried: dict[ObjectRef, Json | None] = {}

    async def attempt_plan(plan: Plan) -> None:
        tried.update(await try_plan(cluster, plan, manager))

    async def attempt(edit: Edit) -> None:
        tried[edit.ref] = await _write(cluster, edit, manager, dry_run=True)

    try:
        async with anyio.create_task_group() as group:
            for created in planned.created:
                group.start_soon(attempt_plan, created.plan)
            for edit in planned.own_edits:
                group.start_soon(attempt, edit)
    except* ClusterError as refusals:
        error = cause_of(refusals)
        assert isinstance(error, ClusterError)
        raise _saying(error, "" if NOT_CHANGED in str(error) else NOT_CHANGED) from error
    return tuple(replace(edit, after=tried.get(edit.ref, edit.after)) for edit in planned.edits)


async def carry_out_fix(
    cluster: Cluster, planned: PlannedFix, done: Callable[[Change], None], say: Callable[[str], None]
) -> None:
    """Make the changes, in order; done is told of each. Each has the precondition that nobody came between.

    What was changed before a failure stays, and is named: what was there before had to be cured anyway.
    """
    manager = field_manager(planned.alias.name)
    changed: list[Change] = []
    for created in planned.created:
        try:
            plan = await carry_out(cluster, created.plan, created.intent, say)
        except ClusterError as error:
            raise _saying(error, "") from error
        changed += [change for change in plan.changes if change.action is not Action.UNCHANGED]
    for change in changed:
        done(change)
    for edit in planned.own_edits:
        try:
            # The answer to a write must be known: an interruption waits for it.
            with anyio.CancelScope(shield=True):
                await _write(cluster, edit, manager)
        except ClusterError as error:
            raise _saying(error, _remains(changed, edit, error)) from error
        changed.append(edit.change)
        done(edit.change)
        await anyio.lowlevel.checkpoint()


def _remains(changed: Sequence[Change], edit: Edit, error: ClusterError) -> str:
    doubt = ""
    if not isinstance(error, ApiError) or error.code >= 500:
        doubt = f"{edit.ref} in namespace {edit.ref.namespace} may have been {edit.action}"
    if not changed:
        return doubt or NOT_CHANGED
    names = ", ".join(f"{change.ref} {change.action}" for change in changed)
    return f"changed before the failure: {names}" + (f"; {doubt}" if doubt else "")


async def _write(cluster: Cluster, edit: Edit, manager: str, *, dry_run: bool = False) -> Json | None:
    """The object as the server has it then, None if it goes."""
    if edit.before is None and edit.after is not None:
        return await cluster.create(edit.resource, edit.after, manager, dry_run=dry_run)
    metadata = (edit.before or {})["metadata"]
    namespace, name = edit.ref.namespace, edit.ref.name
    revision = metadata.get("resourceVersion", "")
    if edit.after is None:
        await cluster.delete(
            edit.resource, namespace, name, uid=metadata.get("uid", ""), resource_version=revision, dry_run=dry_run
        )
        return None
    patch = {**edit.patch, "metadata": {**edit.patch.get("metadata", {}), "resourceVersion": revision}}
    return await cluster.merge_patch(edit.resource, namespace, name, patch, manager, dry_run=dry_run)


def _saying(error: ClusterError, more: str) -> ClusterError:
    """The same error with one line more; a conflict also says what to do."""
    lines = [str(error), *([more] if more else [])]
    if not isinstance(error, ApiError):
        return ClusterError("\n".join(lines))
    if error.code == 409:
        lines.append(RUN_AGAIN)
    return ApiError("\n".join(lines), code=error.code, reason=error.reason, status=error.status)
