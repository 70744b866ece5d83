"""Which finding is cured, and what its cure makes of the objects."""

from dataclasses import replace
from typing import Any

import pytest

from kubectl_extsvc.errors import Refused
from kubectl_extsvc.model.alias import Alias, HostTarget
from kubectl_extsvc.model.finding import Finding, Severity
from kubectl_extsvc.model.fix import Apply, Create, Delete, JsonPatch, Label, MergePatch, RemoveAnnotation, Step
from kubectl_extsvc.model.observation import Stage
from kubectl_extsvc.model.plan import Action
from kubectl_extsvc.model.resources import DESTINATION_RULES, Json, ObjectRef
from kubectl_extsvc.model.snapshot import Snapshot
from kubectl_extsvc.plans.fixes import (
    Choice,
    ForAPerson,
    Nothing,
    as_part_of,
    choose,
    edits_of,
    objects_in,
    strangers,
    touched,
    with_edits,
)

SERVICE = ObjectRef("Service", "shop", "my-pay")
RULE = ObjectRef("DestinationRule", "shop", "my-pay")
ENDPOINTS = ObjectRef("Endpoints", "shop", "my-pay")


def finding(code: str, *fix: Step, severity: Severity = Severity.ERROR, ports: tuple[int, ...] = ()) -> Finding:
    return Finding(code, severity, Stage.TLS, SERVICE, f"{code} is wrong", cure="do it", fix=fix, ports=ports)


def obj(kind: str, name: str = "my-pay", **fields: Any) -> Json:
    metadata = {"name": name, "namespace": "shop", **fields.pop("metadata", {})}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **fields}


WORDS, STEP = finding("XS0102"), finding("XS0403", Delete(RULE))
UNKNOWN = finding("XS0102", Create(("a",), complete=False))
WARNING = finding("XS0404", Delete(RULE), severity=Severity.WARNING)
HINT = finding("XS0301", Delete(RULE), severity=Severity.INFO)


@pytest.mark.parametrize(
    ("findings", "code", "chosen"),
    [
        ([STEP, WARNING], "", Choice(STEP, "it comes first")),
        ([WORDS, WORDS, STEP], "", Choice(STEP, "after XS0102, which only a person can cure")),
        ([STEP, WARNING], "XS0404", Choice(WARNING, "")),
        ([WORDS], "", ForAPerson(WORDS)),
        ([WORDS, STEP], "XS0102", ForAPerson(WORDS)),
        ([UNKNOWN, STEP], "", Choice(STEP, "after XS0102, which only a person can cure")),
        ([replace(STEP, fix=()), STEP], "XS0403", Choice(STEP, "")),
        ([], "", Nothing(())),
        ([HINT], "", Nothing((HINT,))),
        ([HINT], "XS0301", Choice(HINT, "")),
    ],
)
def test_the_finding_to_cure(findings: list[Finding], code: str, chosen: Choice | ForAPerson | Nothing) -> None:
    assert choose(findings, code) == chosen


@pytest.mark.parametrize(
    "step",
    [
        MergePatch(RULE, {"spec": {"trafficPolicy": {"tls": {"sni": "HOST"}}}}),
        MergePatch(RULE, {"spec": {"names": ["HOST"]}}),
        JsonPatch(RULE, [{"op": "add", "path": "/spec/x", "value": {"sni": "HOST"}}]),
        Apply({"metadata": {"name": "x"}, "spec": {"tls": {"sni": "HOST"}}}),
        Create(("a", "--external-name", "HOST")),
        Create(("a", "--address", "ADDRESS")),
        Create(("a",), complete=False),
    ],
)
def test_a_step_with_a_word_to_fill_in_is_for_a_person(step: Step) -> None:
    unknown = finding("XS0403", step)
    assert choose([unknown]) == ForAPerson(unknown)


def test_a_code_that_verify_does_not_find_is_refused_with_those_that_it_finds() -> None:
    with pytest.raises(Refused, match=r"^verify does not find XS0101 here, it finds: XS0403, XS0404; nothing"):
        choose([STEP, WARNING, STEP], "XS0101")


@pytest.mark.parametrize(
    ("step", "after"),
    [
        (
            MergePatch(RULE, {"spec": {"host": None, "subsets": [1]}}),
            obj("DestinationRule", metadata={"annotations": {"a": "1", "b": "2"}}, spec={"subsets": [1]}),
        ),
        (
            JsonPatch(RULE, [{"op": "add", "path": "/spec/exportTo", "value": ["*"]}]),
            obj(
                "DestinationRule",
                metadata={"annotations": {"a": "1", "b": "2"}},
                spec={"host": "x", "exportTo": ["*"]},
            ),
        ),
        (
            Label(RULE, "app", "web"),
            obj(
                "DestinationRule",
                metadata={"annotations": {"a": "1", "b": "2"}, "labels": {"app": "web"}},
                spec={"host": "x"},
            ),
        ),
        (
            RemoveAnnotation(RULE, "a"),
            obj("DestinationRule", metadata={"annotations": {"b": "2"}}, spec={"host": "x"}),
        ),
        (Delete(RULE), None),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, dict) else "",
)
def test_what_a_step_makes_of_an_object(step: Step, after: Json | None) -> None:
    before = obj("DestinationRule", metadata={"annotations": {"a": "1", "b": "2"}}, spec={"host": "x"})
    (edit,) = edits_of([step], {RULE: before})
    assert (edit.ref, edit.before, edit.after) == (RULE, before, after)
    assert edit.action is (Action.CONFIGURE if after else Action.DELETE)


def test_steps_on_one_object_follow_each_other() -> None:
    steps: list[Step] = [
        MergePatch(RULE, {"spec": {"a": [1]}}),
        JsonPatch(RULE, [{"op": "add", "path": "/spec/a/-", "value": 2}]),
    ]
    (edit,) = edits_of(steps, {RULE: obj("DestinationRule", spec={})})
    assert edit.patch == {"spec": {"a": [1, 2]}}


def test_an_object_that_is_not_there_is_made_by_apply_and_refused_else() -> None:
    new = {**obj("DestinationRule"), "apiVersion": "networking.istio.io/v1beta1"}
    (edit,) = edits_of([Apply(new)], {})
    assert (edit.before, edit.after, edit.action) == (None, new, Action.CREATE)
    assert edit.resource == DESTINATION_RULES.at_version("v1beta1")
    steps: list[Step] = [MergePatch(RULE, {}), Delete(RULE)]
    for step in steps:
        with pytest.raises(Refused, match=r'^destinationrule/my-pay in namespace "shop" is not there any more;'):
            edits_of([step], {})


def test_a_patch_that_does_not_fit_is_refused_with_its_operation() -> None:
    step = JsonPatch(RULE, [{"op": "remove", "path": "/spec/exportTo"}])
    with pytest.raises(
        Refused, match=r"^the cure does not fit destinationrule/my-pay .*: cannot remove /spec/exportTo"
    ):
        edits_of([step], {RULE: obj("DestinationRule", spec={})})


def test_a_step_that_changes_nothing_is_no_edit() -> None:
    assert edits_of([Label(RULE, "a", "b")], {RULE: obj("DestinationRule", metadata={"labels": {"a": "b"}})}) == ()


def test_what_clients_find_the_target_by_is_written_last_and_goes_first() -> None:
    """So that no request goes out between two changes without the rule that adds its TLS."""
    refs = [ObjectRef(kind, "shop", kind.lower()) for kind in ("EndpointSlice", "VirtualService", "DestinationRule")]
    there = {ref: {**obj(ref.kind, ref.name), "metadata": {"name": ref.name, "namespace": "shop"}} for ref in refs}
    written = edits_of([Label(ref, "a", "b") for ref in refs], there)
    gone = edits_of([Delete(ref) for ref in refs], there)
    both = edits_of([Delete(refs[0]), Label(refs[1], "a", "b")], there)
    assert [edit.ref.kind for edit in written] == ["DestinationRule", "VirtualService", "EndpointSlice"]
    assert [edit.ref.kind for edit in gone] == ["EndpointSlice", "VirtualService", "DestinationRule"]
    assert [edit.ref.kind for edit in both] == ["VirtualService", "EndpointSlice"]


def test_touched_objects_are_read_once_and_none_for_a_create() -> None:
    assert touched([Delete(RULE), Create(("a",)), Label(RULE, "a", "b"), Delete(SERVICE)]) == (RULE, SERVICE)


def test_a_snapshot_with_edits_has_the_objects_as_they_will_be() -> None:
    kept, gone, changed = (obj("DestinationRule", name) for name in ("kept", "gone", "changed"))
    snapshot = Snapshot(destination_rules=(kept, gone, changed), services=(obj("Service"),))
    steps: list[Step] = [
        Delete(ObjectRef.of(gone)),
        Label(ObjectRef.of(changed), "a", "b"),
        Apply(obj("VirtualService", "new")),
    ]
    after = with_edits(snapshot, edits_of(steps, objects_in(snapshot)))
    labelled = obj("DestinationRule", "changed", metadata={"labels": {"a": "b"}})
    assert after.destination_rules == (kept, labelled)
    assert after.virtual_services == (obj("VirtualService", "new"),)
    assert after.services == snapshot.services


def test_slices_follow_the_endpoints_that_they_are_mirrored_from() -> None:
    owner = [{"kind": "Endpoints", "name": "my-pay", "controller": True}]
    mirror = obj("EndpointSlice", "my-pay-x7", metadata={"ownerReferences": owner}, addressType="IPv4")
    other = obj("EndpointSlice", "other")
    snapshot = Snapshot(services=(obj("Service", spec={}),), endpoint_slices=(mirror, other))
    endpoints = obj("Endpoints", subsets=[{"addresses": [{"ip": "203.0.113.20"}], "ports": [{"port": 80}]}])
    step = JsonPatch(ENDPOINTS, [{"op": "add", "path": "/subsets/0/ports/0/name", "value": "http"}])

    after = with_edits(snapshot, edits_of([step], {ENDPOINTS: endpoints}))

    assert after.endpoint_slices[0] == other
    (made,) = after.endpoint_slices[1:]
    assert (made["metadata"]["name"], made["ports"]) == ("my-pay-x7", [{"name": "http", "port": 80}])
    assert made["endpoints"] == [{"addresses": ["203.0.113.20"], "conditions": {"ready": True}}]
    gone = with_edits(snapshot, edits_of([Delete(ENDPOINTS)], {ENDPOINTS: endpoints}))
    assert gone.endpoint_slices == (other,)


def test_objects_of_others_are_named_and_ours_and_new_ones_are_not() -> None:
    ours = {"app.kubernetes.io/managed-by": "kubectl-extsvc"}
    objects = {
        ObjectRef.of(one): one
        for one in (
            obj("Service", metadata={"labels": {**ours, "extsvc.dev/alias": "my-pay"}}),
            obj("DestinationRule", metadata={"labels": {**ours, "extsvc.dev/alias": "other"}}),
            obj("EndpointSlice"),
        )
    }
    edits = edits_of([*(Delete(ref) for ref in objects), Apply(obj("VirtualService"))], objects)
    assert sorted(strangers(edits, "my-pay", "shop")) == [
        'destinationrule/my-pay in namespace "shop" belongs to alias "other"',
        'endpointslice/my-pay in namespace "shop" was not made by kubectl extsvc',
    ]


def alias_of_uid(uid: str = "u-1", *, managed: bool = True) -> Alias:
    return Alias("shop", "my-pay", HostTarget("api.pay.example"), (), managed=managed, uid=uid)


NEW_RULE: Json = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "DestinationRule",
    "metadata": {"name": "my-pay-tls", "namespace": "shop"},
    "spec": {"host": "x"},
}


def test_what_is_added_to_an_alias_of_ours_is_marked_and_owned_as_create_does_it() -> None:
    there = obj("DestinationRule", spec={"host": "y"})
    edits = edits_of([Apply(NEW_RULE), MergePatch(RULE, {"spec": {"host": "z"}})], {RULE: there})
    (changed,) = (edit for edit in edits if edit.before)
    (added,) = (edit for edit in as_part_of(alias_of_uid(), edits) if edit.before is None)
    assert added.after is not None
    assert added.after["metadata"] == {
        "name": "my-pay-tls",
        "namespace": "shop",
        "labels": {"app.kubernetes.io/managed-by": "kubectl-extsvc", "extsvc.dev/alias": "my-pay"},
        "annotations": {"extsvc.dev/added-by": "fix"},
        "ownerReferences": [
            {"apiVersion": "v1", "kind": "Service", "name": "my-pay", "uid": "u-1", "blockOwnerDeletion": False}
        ],
    }
    assert changed in as_part_of(alias_of_uid(), edits)


@pytest.mark.parametrize(("alias", "namespace"), [(alias_of_uid(managed=False), "shop"), (alias_of_uid(), "elsewhere")])
def test_what_is_added_beside_an_alias_of_others_or_in_another_namespace_bears_no_mark(
    alias: Alias, namespace: str
) -> None:
    new = {**NEW_RULE, "metadata": {"name": "my-pay-tls", "namespace": namespace}}
    edits = edits_of([Apply(new)], {})
    assert as_part_of(alias, edits) == edits
