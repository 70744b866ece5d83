"""What a finding's cure makes of the objects that are there: which finding, and each object before and after."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kubectl_extsvc.errors import Refused
from kubectl_extsvc.mesh.mirroring import is_mirrored, metadata_of_mirrors, mirrored_slices
from kubectl_extsvc.model.alias import Alias
from kubectl_extsvc.model.finding import Finding, Severity
from kubectl_extsvc.model.fix import (
    Apply,
    Create,
    Delete,
    JsonPatch,
    Label,
    MergePatch,
    RemoveAnnotation,
    Step,
    is_complete,
)
from kubectl_extsvc.model.marks import (
    ADDED_BY_ANNOTATION,
    ADDED_BY_FIX,
    ALIAS_LABEL,
    MANAGED_BY_LABEL,
    MANAGER,
    alias_of,
    is_ours,
)
from kubectl_extsvc.model.patches import PatchError, difference, json_patch, merge_patch
from kubectl_extsvc.model.plan import Action, Change, Plan
from kubectl_extsvc.model.resources import BY_KIND, Json, ObjectRef, Resource
from kubectl_extsvc.model.snapshot import Snapshot
from kubectl_extsvc.plans.alias_objects import with_owner
from kubectl_extsvc.plans.changes import APPLICATION_ORDER, clean_manifest, resource_of
from kubectl_extsvc.plans.owners import keeper_of

NOT_CHANGED = "nothing was changed"

Objects = Mapping[ObjectRef, Json]


@dataclass(frozen=True, slots=True)
class Choice:
    """The finding to cure."""

    finding: Finding
    why: str
    """One line: why this one."""


@dataclass(frozen=True, slots=True)
class ForAPerson:
    """A finding that no change of objects cures by itself."""

    finding: Finding


@dataclass(frozen=True, slots=True)
class Nothing:
    """No finding that would have to be cured."""

    hints: tuple[Finding, ...]
    """Mere information whose cure could be carried out all the same."""


def choose(findings: Sequence[Finding], code: str = "") -> Choice | ForAPerson | Nothing:
    """The finding of a code; without one the first error or warning whose cure is a change, causes coming first.

    Raises Refused if no finding has the code.
    """
    if code:
        named = [finding for finding in findings if finding.code == code]
        if not named:
            there = ", ".join(dict.fromkeys(finding.code for finding in findings)) or "none"
            raise Refused(f"verify does not find {code} here, it finds: {there}; {NOT_CHANGED}")
        planned = next((finding for finding in named if is_planned(finding)), None)
        return Choice(planned, "") if planned is not None else ForAPerson(named[0])
    bad = [finding for finding in findings if finding.severity is not Severity.INFO]
    if not bad:
        return Nothing(tuple(finding for finding in findings if is_planned(finding)))
    for index, finding in enumerate(bad):
        if is_planned(finding):
            before = ", ".join(dict.fromkeys(other.code for other in bad[:index]))
            return Choice(finding, f"after {before}, which only a person can cure" if before else "it comes first")
    return ForAPerson(bad[0])


def is_planned(finding: Finding) -> bool:
    """Its cure is changes with no word left for a person to fill in."""
    return bool(finding.fix) and all(map(is_complete, finding.fix))


@dataclass(frozen=True, slots=True)
class Edit:
    """One object, as it is and as it shall be. One of the two may be None: a new object, or one that goes."""

    resource: Resource
    ref: ObjectRef
    before: Json | None
    after: Json | None

    @property
    def action(self) -> Action:
        if self.before is None:
            return Action.CREATE
        if self.after is None:
            return Action.DELETE
        return Action.UNCHANGED if self.patch == {} else Action.CONFIGURE

    @property
    def patch(self) -> Json:
        """RFC 7386, from before to after."""
        return difference(self.before or {}, self.after or {})

    @property
    def change(self) -> Change:
        """For the line that tells of it."""
        return Change(self.action, self.resource, self.ref, self.after)


def touched(steps: Iterable[Step]) -> tuple[ObjectRef, ...]:
    """Objects that must be read to plan these steps; a Create reads by itself."""
    return tuple(dict.fromkeys(step.ref for step in steps if not isinstance(step, Create)))


def edits_of(steps: Iterable[Step], objects: Objects) -> tuple[Edit, ...]:
    """What the steps make of the objects, in the order in which it is to be done; steps of Create are left out.

    Raises Refused if an object is not there or a patch does not fit it.
    """
    found: dict[ObjectRef, Edit] = {}
    for step in steps:
        if isinstance(step, Create):
            continue
        edit = found.get(step.ref) or _untouched(step.ref, objects.get(step.ref))
        found[step.ref] = _after_step(edit, step)
    return _in_order(edit for edit in found.values() if edit.action is not Action.UNCHANGED)


def as_part_of(alias: Alias, edits: Iterable[Edit]) -> tuple[Edit, ...]:
    """The edits, new objects beside an alias of ours marked as those that create makes: they go with it.

    One of another namespace is left as it is: the Service can own nothing there, and delete does not look there.
    """
    return tuple(
        replace(edit, after=_marked(edit.after, alias))
        if alias.managed and edit.before is None and edit.after is not None and edit.ref.namespace == alias.namespace
        else edit
        for edit in edits
    )


def _marked(obj: Json, alias: Alias) -> Json:
    marks = {
        "labels": {MANAGED_BY_LABEL: MANAGER, ALIAS_LABEL: alias.name},
        "annotations": {ADDED_BY_ANNOTATION: ADDED_BY_FIX},
    }
    marked = merge_patch(obj, {"metadata": marks})
    return with_owner(marked, alias.uid) if alias.uid else marked


def edits_of_plan(plan: Plan, objects: Objects) -> tuple[Edit, ...]:
    """What create's plan makes of the objects, as far as that can be told without the server."""
    edits = []
    for change in plan.changes:
        live = objects.get(change.ref)
        if change.action is Action.UNCHANGED:
            continue
        after = None if change.wanted is None else _overlaid(live, change.wanted)
        edits.append(Edit(change.resource, change.ref, live, after))
    return tuple(edits)


def with_edits(snapshot: Snapshot, edits: Sequence[Edit]) -> Snapshot:
    """The snapshot as it would be read after the edits."""
    edits = (*edits, *(mirror for edit in edits for mirror in _mirrors(edit, snapshot)))
    changed: dict[str, Any] = {}
    for kind, field in SNAPSHOT_FIELDS.items():
        of_kind = {edit.ref: edit.after for edit in edits if edit.ref.kind == kind}
        if of_kind:
            there: tuple[Json, ...] = getattr(snapshot, field)
            kept = [obj for obj in there if _ref(kind, obj) not in of_kind]
            changed[field] = (*kept, *(obj for obj in of_kind.values() if obj is not None))
    return replace(snapshot, **changed)


def objects_in(snapshot: Snapshot) -> dict[ObjectRef, Json]:
    """All objects of a snapshot that a fix may change, with the kind that lists leave out."""
    return {
        _ref(kind, obj): {"apiVersion": BY_KIND[kind].api_version, "kind": kind, **obj}
        for kind, field in SNAPSHOT_FIELDS.items()
        for obj in getattr(snapshot, field)
    }


def manifests_of(edits: Iterable[Edit]) -> list[Json]:
    """The objects as they shall be, for others to apply; those that go are left out."""
    return [clean_manifest(edit.after) for edit in edits if edit.after is not None]


def kept_by_others(edits: Iterable[Edit]) -> tuple[tuple[Edit, str], ...]:
    """Edits of objects that Argo CD, Flux, Helm or an operator keeps, each with the keeper's name."""
    return tuple((edit, keeper) for edit in edits if edit.before and (keeper := keeper_of(edit.before)))


def strangers(edits: Iterable[Edit], name: str, namespace: str) -> tuple[str, ...]:
    """A line for each object that was not made for this alias: the reader is asked about these above all."""
    lines = []
    for edit in edits:
        if edit.before is None:
            continue
        where = f'{edit.ref} in namespace "{edit.ref.namespace}"'
        if not is_ours(edit.before):
            lines.append(f"{where} was not made by kubectl extsvc")
        elif alias_of(edit.before) != name or edit.ref.namespace != namespace:
            lines.append(f'{where} belongs to alias "{alias_of(edit.before)}"')
    return tuple(lines)


SNAPSHOT_FIELDS = {
    "Service": "services",
    "EndpointSlice": "endpoint_slices",
    "Endpoints": "endpoints",
    "DestinationRule": "destination_rules",
    "VirtualService": "virtual_services",
    "ServiceEntry": "service_entries",
    "Sidecar": "sidecars",
    "NetworkPolicy": "network_policies",
    "Pod": "pods",
}
"""Kind → where a Snapshot keeps its objects."""


def _ref(kind: str, obj: Json) -> ObjectRef:
    return ObjectRef(kind, obj["metadata"].get("namespace", ""), obj["metadata"]["name"])


def _untouched(ref: ObjectRef, there: Json | None) -> Edit:
    resource = BY_KIND[ref.kind] if there is None or "apiVersion" not in there else resource_of(there)
    return Edit(resource, ref, there, there)


def _after_step(edit: Edit, step: Step) -> Edit:
    if edit.after is None and not isinstance(step, Apply):
        where = f'{edit.ref} in namespace "{edit.ref.namespace}"'
        raise Refused(f"{where} is not there any more; {NOT_CHANGED}. Verify again.")
    there = edit.after or {}
    match step:
        case MergePatch(_, patch):
            after: Json | None = merge_patch(there, patch)
        case JsonPatch(ref, operations):
            try:
                after = json_patch(there, operations)
            except PatchError as error:
                raise Refused(
                    f'the cure does not fit {ref} in namespace "{ref.namespace}": {error}; {NOT_CHANGED}. Verify again.'
                ) from error
        case Label(_, key, value):
            after = merge_patch(there, {"metadata": {"labels": {key: value}}})
        case RemoveAnnotation(_, key):
            after = merge_patch(there, {"metadata": {"annotations": {key: None}}})
        case Apply(obj):
            after = merge_patch(there, obj)
            if edit.before is None:
                return replace(edit, after=after, resource=resource_of(obj))
        case Delete():
            after = None
        case Create():
            raise AssertionError("a Create is planned by create")
    return replace(edit, after=after)


def _in_order(edits: Iterable[Edit]) -> tuple[Edit, ...]:
    """What is written first, as create writes it (an EndpointSlice last); what goes then, the other way round."""

    def place(edit: Edit) -> tuple[bool, int]:
        kind = edit.ref.kind
        index = APPLICATION_ORDER.index(kind) if kind in APPLICATION_ORDER else len(APPLICATION_ORDER)
        return (edit.after is None, -index if edit.after is None else index)

    return tuple(sorted(edits, key=place))


def _overlaid(live: Json | None, wanted: Json) -> Json:
    """An object of ours after it was applied: its spec is ours whole, of a Service what the server has given stays."""
    if live is None:
        return wanted
    metadata = merge_patch(live["metadata"], wanted["metadata"])
    rest = {key: value for key, value in wanted.items() if key != "metadata"}
    if wanted["kind"] == "Service":
        rest["spec"] = merge_patch(live["spec"], {**_of_the_other_form(live, wanted), **wanted["spec"]})
    return {**live, **rest, "metadata": metadata}


def _of_the_other_form(live: Json, wanted: Json) -> Json:
    """Fields that mean nothing any more when a Service changes between a name and an address, to be removed."""
    if live["spec"].get("type", "ClusterIP") == wanted["spec"].get("type", "ClusterIP"):
        return {}
    if wanted["spec"].get("type") == "ExternalName":
        return dict.fromkeys(("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"))
    return {"externalName": None}


def _mirrors(edit: Edit, snapshot: Snapshot) -> tuple[Edit, ...]:
    """What becomes of the slices that Kubernetes mirrors from a v1 Endpoints object."""
    if edit.ref.kind != "Endpoints":
        return ()
    resource = BY_KIND["EndpointSlice"]
    gone = [
        Edit(resource, _ref("EndpointSlice", item), item, None)
        for item in snapshot.endpoint_slices
        if any(
            (owner["kind"], owner["name"]) == ("Endpoints", edit.ref.name)
            for owner in item["metadata"].get("ownerReferences") or ()
        )
        and item["metadata"].get("namespace", "") == edit.ref.namespace
    ]
    service = next(
        (s for s in snapshot.services if _ref("Service", s) == ObjectRef("Service", edit.ref.namespace, edit.ref.name)),
        None,
    )
    if edit.after is None or not is_mirrored(edit.after, service):
        return tuple(gone)
    made = []
    for number, shape in enumerate(mirrored_slices(edit.after)):
        name = gone[number].ref.name if number < len(gone) else f"{edit.ref.name}-{number + 1}"
        metadata = {"name": name, "namespace": edit.ref.namespace, **metadata_of_mirrors(edit.after)}
        obj = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **shape}
        made.append(Edit(resource, ObjectRef.of(obj), None, obj))
    kept = {edit.ref for edit in made}
    return (*(edit for edit in gone if edit.ref not in kept), *made)
