"""Every rule's cure: it can be planned, and the same rules find the result better."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from worlds.object_store import ObjectStore, path_of
from worlds.rule_cases import FIRING

from kubectl_extsvc.cluster.client import Cluster, connect
from kubectl_extsvc.cluster.kubeconfig import ConnectionFlags, resolve
from kubectl_extsvc.commands.fix import wishes_of
from kubectl_extsvc.errors import ApiError, Refused
from kubectl_extsvc.model.alias import Alias, Form
from kubectl_extsvc.model.finding import Finding
from kubectl_extsvc.model.fix import Delete, JsonPatch, Label, MergePatch
from kubectl_extsvc.model.observation import Case
from kubectl_extsvc.model.patches import merge_patch
from kubectl_extsvc.model.report import AliasReport, SourceReport
from kubectl_extsvc.model.resources import DESTINATION_RULES, Json, ObjectRef
from kubectl_extsvc.model.snapshot import Snapshot
from kubectl_extsvc.operations import creating
from kubectl_extsvc.operations.fixing import PlannedFix, carry_out_fix, objection, plan_fix, try_fix
from kubectl_extsvc.plans.fixes import is_planned, objects_in, with_edits
from kubectl_extsvc.rules import judge
from kubectl_extsvc.rules.unprobed import by_objects

OURS = {"app.kubernetes.io/managed-by": "kubectl-extsvc", "extsvc.dev/alias": "my-pay"}


def service_of(alias: Alias) -> Json:
    """The Service that the alias was read from, with the host in its annotation."""
    ports = [
        {"name": port.name, "port": port.number, "targetPort": port.target_port, "protocol": "TCP"}
        for port in alias.ports
    ]
    name = {"type": "ExternalName", "externalName": alias.external_name_raw}
    address = {"type": "ClusterIP", "clusterIP": "10.96.0.7", "clusterIPs": [*alias.cluster_ips]}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": alias.name,
            "namespace": alias.namespace,
            "annotations": {"extsvc.dev/host": alias.host} if alias.form is Form.ENDPOINTS else {},
        },
        "spec": {"ports": ports, **(name if alias.form is Form.EXTERNAL_NAME else address)},
    }


def whole(case: Case) -> Snapshot:
    """The case's objects, with the Service that hand-made cases leave out; each as a server gives it."""
    snapshot = case.snapshot
    if not snapshot.services:
        snapshot = replace(snapshot, services=(service_of(case.alias),))
    labels = OURS if case.alias.managed else {}
    numbered: dict[str, Any] = {}
    for field in ("services", "endpoint_slices", "destination_rules", "virtual_services", "service_entries"):
        numbered[field] = tuple(
            merge_patch(obj, {"metadata": {"uid": f"uid-{field}-{n}", "resourceVersion": "7", "labels": labels}})
            for n, obj in enumerate(getattr(snapshot, field))
        )
    return replace(snapshot, **numbered)


@pytest.fixture
async def shop(cluster: Cluster, store: ObjectStore, tmp_path: Path) -> AsyncIterator[Cluster]:
    """A connection that means the namespace of the cases."""
    connection = resolve(
        ConnectionFlags(namespace="shop"), {"KUBECONFIG": str(tmp_path / "kubeconfig")}, tmp_path, tmp_path / "none"
    )
    async with connect(connection) as connected:
        yield connected


CURED_BY_CHANGES = sorted(
    code for code, case in FIRING.items() if any(f.code == code and is_planned(f) for f in judge(case).findings)
)


async def planned_for(case: Case, cluster: Cluster, store: ObjectStore) -> tuple[PlannedFix, AliasReport, Snapshot]:
    snapshot = whole(case)
    store.add(*objects_in(snapshot).values())
    sources = tuple(SourceReport(observation, ()) for observation in case.observations)
    report = AliasReport(case.alias, "", sources, judge(case), None)
    finding = next(finding for finding in report.findings if is_planned(finding))
    planned = await plan_fix(cluster, case.alias, finding, snapshot, wishes_of, lambda line: None)
    return planned, report, snapshot


def test_most_rules_have_a_cure_that_is_a_change() -> None:
    assert len(CURED_BY_CHANGES) >= 16


@pytest.mark.parametrize("code", CURED_BY_CHANGES)
async def test_a_cure_can_be_planned_and_its_result_is_found_better(
    code: str, shop: Cluster, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = FIRING[code]

    async def look_up(*_: object) -> tuple[str, ...]:
        return case.snapshot.resolved[case.alias.host]

    monkeypatch.setattr(creating, "look_up", look_up)
    if code == "XS0304":  # the case leaves the object out that the route names
        missing = {"metadata": {"name": "my-pay", "namespace": "shop"}, "spec": {"hosts": ["x"]}}
        case = replace(case, snapshot=replace(case.snapshot, virtual_services=(missing,)))
    if code == "XS0602":
        routes = [{"directResponse": {"status": 503}}]
        answering = {"metadata": {"name": "my-pay", "namespace": "shop"}, "spec": {"hosts": ["my-pay"], "http": routes}}
        case = replace(case, snapshot=replace(case.snapshot, virtual_services=(answering,)))

    planned, report, snapshot = await planned_for(case, shop, store)

    assert [str(edit.ref) for edit in planned.edits] != []
    assert objection(planned, report, snapshot) == ""
    assert store.writes() == []


BARE = "XS0403"
RULE = ObjectRef("DestinationRule", "shop", "my-pay")
STAYS = 'XS0404 would stay: destinationrule/my-pay sets sni "api.pay.example" and no subjectAltNames: '


async def with_steps(
    code: str, steps: tuple[Any, ...], cluster: Cluster, store: ObjectStore
) -> tuple[PlannedFix, AliasReport, Snapshot]:
    """What another cure than the rule's would come to."""
    case = FIRING[code]
    snapshot = whole(case)
    store.add(*objects_in(snapshot).values())
    report = AliasReport(
        case.alias, "", tuple(SourceReport(o, ()) for o in case.observations), judge(case), None
    )  # fmt: skip
    finding: Finding = replace(report.findings[0], fix=steps)
    planned = await plan_fix(cluster, case.alias, finding, snapshot, wishes_of, lambda line: None)
    return planned, report, snapshot


async def test_a_change_that_leaves_the_finding_in_place_is_objected_to(shop: Cluster, store: ObjectStore) -> None:
    ref = ObjectRef("EndpointSlice", "shop", "my-pay-ipv4")
    other_name = JsonPatch(ref, [{"op": "add", "path": "/ports/0/name", "value": "other"}])
    planned, report, snapshot = await with_steps("XS0202", (other_name,), shop, store)
    assert objection(planned, report, snapshot).startswith("XS0202 would stay: service/my-pay names its port 80")


async def test_a_change_that_brings_another_error_is_objected_to(shop: Cluster, store: ObjectStore) -> None:
    away = Delete(ObjectRef("EndpointSlice", "shop", "my-pay-ipv4"))
    planned, report, snapshot = await with_steps("XS0202", (away,), shop, store)
    assert objection(planned, report, snapshot) == (
        "it would bring XS0201: no EndpointSlice belongs to service/my-pay; "
        "a v1 Endpoints object counts only once it is mirrored"
    )


async def test_a_change_after_which_there_is_no_alias_is_objected_to(shop: Cluster, store: ObjectStore) -> None:
    away = Delete(ObjectRef("Service", "shop", "my-pay"))
    planned, report, snapshot = await with_steps("XS0202", (away,), shop, store)
    assert objection(planned, report, snapshot) == "service/my-pay would be no alias any more"


async def test_a_cure_that_changes_nothing_is_refused(shop: Cluster, store: ObjectStore) -> None:
    with pytest.raises(Refused, match=r"^the cure of XS0403 changes no object: .*; nothing was changed$"):
        await with_steps(BARE, (MergePatch(RULE, {"spec": {}}),), shop, store)


async def test_an_object_that_was_not_read_for_the_verdict_is_read(shop: Cluster, store: ObjectStore) -> None:
    ref = ObjectRef("Endpoints", "shop", "my-pay")
    store.add({"kind": "Endpoints", "metadata": {"name": "my-pay", "namespace": "shop"}, "subsets": []})
    planned, _, _ = await with_steps(BARE, (Label(ref, "a", "b"),), shop, store)
    assert [edit.ref for edit in planned.edits] == [ref]


async def test_writes_name_the_revision_that_was_judged_and_are_tried_first(shop: Cluster, store: ObjectStore) -> None:
    planned, _, snapshot = await planned_for(FIRING[BARE], shop, store)

    await try_fix(shop, planned)
    done: list[str] = []
    await carry_out_fix(shop, planned, lambda change: done.append(f"{change.ref} {change.action}"), lambda line: None)

    assert store.writes() == ["PATCH destinationrules/my-pay (dry run)", "PATCH destinationrules/my-pay"]
    assert store.server.requests[-1].body["metadata"]["resourceVersion"] == "7"
    assert done == ["destinationrule/my-pay configured"]
    assert by_objects(planned.alias, with_edits(snapshot, planned.edits)).findings == ()


async def test_objects_of_a_create_name_the_revision_that_was_judged(shop: Cluster, store: ObjectStore) -> None:
    planned, _, _ = await planned_for(FIRING["XS0407"], shop, store)

    await carry_out_fix(shop, planned, lambda change: None, lambda line: None)

    services = [r for r in store.server.requests if r.method == "PATCH" and r.path.endswith("/services/my-pay")]
    assert [request.body["metadata"].get("resourceVersion") for request in services] == ["7", "7"]
    assert "destinationrules/shop/my-pay" in store.names()


async def test_a_conflict_names_what_was_changed_and_what_to_do(shop: Cluster, store: ObjectStore) -> None:
    steps = (Label(ObjectRef("EndpointSlice", "shop", "my-pay-ipv4"), "a", "b"), Label(RULE, "a", "b"))
    planned, _, _ = await with_steps(BARE, steps, shop, store)
    told = 'Operation cannot be fulfilled on x "my-pay-ipv4": the object has been modified; please apply your changes'
    from worlds.fake_apiserver import status

    from kubectl_extsvc.model.resources import ENDPOINT_SLICES

    store.server.on("PATCH", path_of(ENDPOINT_SLICES, "shop", "my-pay-ipv4"), status(409, "Conflict", told))

    with pytest.raises(ApiError) as caught:
        await carry_out_fix(shop, planned, lambda change: None, lambda line: None)
    assert str(caught.value).splitlines() == [
        f"Error from server (Conflict): {told}",
        "changed before the failure: destinationrule/my-pay configured",
        "Somebody changed it meanwhile: run fix again, it plans anew.",
    ]

    with pytest.raises(ApiError) as tried:
        await try_fix(shop, planned)
    assert str(tried.value).splitlines()[1:] == [
        "nothing was changed",
        "Somebody changed it meanwhile: run fix again, it plans anew.",
    ]


async def test_a_lost_answer_says_what_may_have_been_done(shop: Cluster, store: ObjectStore) -> None:
    from worlds.fake_apiserver import status

    planned, _, _ = await planned_for(FIRING[BARE], shop, store)
    store.server.on("PATCH", path_of(DESTINATION_RULES, "shop", "my-pay"), status(504, "Timeout", "too slow"))
    with pytest.raises(ApiError) as caught:
        await carry_out_fix(shop, planned, lambda change: None, lambda line: None)
    assert str(caught.value).splitlines()[1:] == [
        "destinationrule/my-pay in namespace shop may have been configured"
    ]  # fmt: skip
