"""delete against a server that keeps objects: what is found, how it is deleted, and what is waited for."""

import time

import pytest
from worlds.fake_apiserver import status
from worlds.object_store import ObjectStore, path_of

from kubectl_extsvc.cluster.client import Cluster
from kubectl_extsvc.errors import ApiError, Refused, TimedOut
from kubectl_extsvc.model.plan import Change, Plan
from kubectl_extsvc.model.resources import DESTINATION_RULES, SERVICES, Json
from kubectl_extsvc.operations.deleting import DeleteWishes, carry_out_deletion
from kubectl_extsvc.operations.finding import plan_deletion

WAIT = DeleteWishes(dry_run="none", wait=True, timeout=5.0)
SERVICE = path_of(SERVICES, "default", "my-httpbin")
RULE = path_of(DESTINATION_RULES, "default", "my-httpbin")


def ours(kind: str, name: str = "my-httpbin", *, managed_by: str = "kubectl-extsvc", **spec: object) -> Json:
    labels = {"app.kubernetes.io/managed-by": managed_by, "extsvc.dev/alias": name}
    return {"kind": kind, "metadata": {"name": name, "uid": f"uid-{kind}-{name}", "labels": labels}, "spec": spec}


def external(name: str = "my-httpbin", **more: str) -> Json:
    return ours("Service", name, type="ExternalName", externalName="httpbin.org", **more)


async def planned(cluster: Cluster, *names: str, selector: str = "", every: bool = False, ignore: bool = False) -> Plan:
    return await plan_deletion(cluster, names, selector=selector, every=every, ignore_not_found=ignore)


def refs(plan: Plan) -> list[str]:
    return [str(change.ref) for change in plan.changes]


async def test_each_object_is_deleted_by_uid_and_told(store: ObjectStore, cluster: Cluster) -> None:
    store.add(external(), ours("DestinationRule"))
    done: list[Change] = []

    await carry_out_deletion(cluster, await planned(cluster, "my-httpbin"), WAIT, done.append)

    deletions = [(seen.path, seen.body["preconditions"]["uid"]) for seen in store.server.requests if seen.body]
    assert deletions == [(SERVICE, "uid-Service-my-httpbin"), (RULE, "uid-DestinationRule-my-httpbin")]
    assert [str(change.ref) for change in done] == ["service/my-httpbin", "destinationrule/my-httpbin"]
    assert store.names() == []


@pytest.mark.parametrize(("code", "reason"), [(404, "NotFound"), (409, "Conflict")])
async def test_an_object_that_went_meanwhile_counts_as_deleted(
    store: ObjectStore, cluster: Cluster, code: int, reason: str
) -> None:
    store.add(external(), ours("DestinationRule"))
    plan = await planned(cluster, "my-httpbin")
    del store.objects["destinationrules", "default", "my-httpbin"]
    store.server.on("DELETE", RULE, status(code, reason, "gone"))
    done: list[Change] = []

    await carry_out_deletion(cluster, plan, WAIT, done.append)

    assert [str(change.ref) for change in done] == ["service/my-httpbin", "destinationrule/my-httpbin"]


async def test_another_refusal_is_raised_and_later_objects_stay(store: ObjectStore, cluster: Cluster) -> None:
    store.add(external(), ours("DestinationRule"))
    store.server.on("DELETE", SERVICE, status(403, "Forbidden", "no delete for you"))
    plan = await planned(cluster, "my-httpbin")

    with pytest.raises(ApiError, match="no delete for you"):
        await carry_out_deletion(cluster, plan, WAIT, lambda change: None)

    assert store.names() == ["destinationrules/default/my-httpbin", "services/default/my-httpbin"]


async def test_an_object_made_again_under_the_name_counts_as_gone(store: ObjectStore, cluster: Cluster) -> None:
    store.add(external())
    plan = await planned(cluster, "my-httpbin")
    store.objects["services", "default", "my-httpbin"]["metadata"]["uid"] = "uid-of-another"

    await carry_out_deletion(cluster, plan, WAIT, lambda change: None)

    assert store.objects["services", "default", "my-httpbin"]["metadata"]["uid"] == "uid-of-another"


async def test_what_is_still_there_at_the_deadline_is_named(store: ObjectStore, cluster: Cluster) -> None:
    store.add(external(), ours("DestinationRule"))
    store.kept_by_finalizer.add(("destinationrules", "default", "my-httpbin"))
    wishes = DeleteWishes(dry_run="none", wait=True, timeout=0.25)

    with pytest.raises(TimedOut) as caught:
        await carry_out_deletion(cluster, await planned(cluster, "my-httpbin"), wishes, lambda change: None)

    assert str(caught.value) == (
        "timed out waiting for the condition on destinationrule/my-httpbin: deleted, but not gone after 0.25 s"
        " (a finalizer holds them)"
    )


async def test_without_wait_nothing_is_asked_afterwards(store: ObjectStore, cluster: Cluster) -> None:
    store.add(external())
    store.kept_by_finalizer.add(("services", "default", "my-httpbin"))
    plan = await planned(cluster, "my-httpbin")
    before = len(store.server.requests)
    begun = time.monotonic()

    await carry_out_deletion(cluster, plan, DeleteWishes("none", wait=False, timeout=5.0), lambda change: None)

    assert store.server.seen()[before:] == [f"DELETE {SERVICE}"]
    assert time.monotonic() - begun < 1.0


@pytest.mark.parametrize(("dry_run", "writes"), [("client", []), ("server", ["DELETE services/my-httpbin (dry run)"])])
async def test_dry_runs_delete_and_wait_for_nothing(
    store: ObjectStore, cluster: Cluster, dry_run: str, writes: list[str]
) -> None:
    store.add(external())
    plan = await planned(cluster, "my-httpbin")
    done: list[Change] = []

    await carry_out_deletion(cluster, plan, DeleteWishes(dry_run, wait=True, timeout=0.2), done.append)

    assert (store.writes(), store.names(), len(done)) == (writes, ["services/default/my-httpbin"], 1)


async def test_an_alias_that_is_not_there_is_not_found_before_anything_is_deleted(
    store: ObjectStore, cluster: Cluster
) -> None:
    store.add(external())

    with pytest.raises(ApiError) as caught:
        await planned(cluster, "my-httpbin", "nope")

    assert (str(caught.value), caught.value.code, caught.value.reason) == (
        'Error from server (NotFound): services "nope" not found', 404, "NotFound"
    )  # fmt: skip
    assert store.writes() == []
    assert refs(await planned(cluster, "my-httpbin", "nope", ignore=True)) == ["service/my-httpbin"]


async def test_a_name_given_twice_is_deleted_once(store: ObjectStore, cluster: Cluster) -> None:
    store.add(external())

    assert refs(await planned(cluster, "my-httpbin", "my-httpbin")) == ["service/my-httpbin"]


async def test_all_finds_leftovers_without_service_and_nothing_of_others(store: ObjectStore, cluster: Cluster) -> None:
    store.add(
        external(),
        ours("DestinationRule", "left-over"),
        external("theirs") | {"metadata": {"name": "theirs"}},
        ours("DestinationRule", "of-a-chart", managed_by="Helm"),
        ours("DestinationRule", "elsewhere")
        | {"metadata": {**ours("x", "elsewhere")["metadata"], "namespace": "shop"}},
    )

    assert refs(await planned(cluster, every=True)) == ["destinationrule/left-over", "service/my-httpbin"]


async def test_a_selector_picks_services_and_their_dependents(store: ObjectStore, cluster: Cluster) -> None:
    chosen = external("b")
    chosen["metadata"]["labels"]["team"] = "pay"
    store.add(external("a"), chosen, ours("DestinationRule", "b"))

    assert refs(await planned(cluster, selector="team=pay")) == ["service/b", "destinationrule/b"]


async def test_a_foreign_service_is_refused(store: ObjectStore, cluster: Cluster) -> None:
    store.add(ours("Service", managed_by="helm", type="ExternalName", externalName="httpbin.org"))

    with pytest.raises(Refused) as caught:
        await planned(cluster, "my-httpbin")

    assert str(caught.value) == (
        'service "my-httpbin" in namespace "default" was not made by kubectl extsvc; nothing was changed. '
        "Use kubectl delete if it is to go."
    )
