"""Which pods are looked from, what is asked to find them, and that a throw-away pair goes again."""

import asyncio

import anyio
import pytest
from aiohttp import web
from worlds.fake_apiserver import Handler, reply, status
from worlds.object_store import ObjectStore, path_of, pod

from kubectl_extsvc.cluster.client import Cluster
from kubectl_extsvc.errors import ApiError, Refused
from kubectl_extsvc.model.resources import JOBS, Json
from kubectl_extsvc.model.snapshot import Unread
from kubectl_extsvc.model.source import Candidate, MeshMode, Source
from kubectl_extsvc.operations.sourcing import Sources, candidates, find_sources, probe_pods
from kubectl_extsvc.operations.wishes import SourceWishes

HELP = "use --probe-pods for a throw-away pair, or --from pod/NAME.NAMESPACE"
IN_DEFAULT = "GET /api/v1/namespaces/default/pods"
EVERYWHERE = "GET /api/v1/pods"


async def found(cluster: Cluster, wishes: SourceWishes | None = None, *, mesh: bool = True) -> Sources:
    return await find_sources(cluster, wishes or SourceWishes(), ("default",), mesh=mesh)


def source(name: str, mode: MeshMode, namespace: str = "default", container: str = "app", **labels: str) -> Source:
    return Source(namespace, name, container, mode, tuple(sorted(labels.items())))


def lists(store: ObjectStore) -> list[tuple[str, str]]:
    """(method and path, label selector) of each list of pods, sorted."""
    return sorted(
        (f"{seen.method} {seen.path}", dict(seen.query).get("labelSelector", ""))
        for seen in store.server.requests
        if seen.path.endswith("/pods")
    )


async def test_a_pair_in_the_namespace_costs_only_the_cheap_lists(store: ObjectStore, cluster: Cluster) -> None:
    store.add(pod("web", sidecar=True), pod("cron"))

    assert await found(cluster) == Sources((source("web", MeshMode.SIDECAR), source("cron", MeshMode.PLAIN)))
    assert lists(store) == [(IN_DEFAULT, ""), (EVERYWHERE, "app in (curl,sleep)")]


async def test_istios_sample_client_elsewhere_is_found_by_its_label(store: ObjectStore, cluster: Cluster) -> None:
    store.add(pod("web", sidecar=True), pod("curl", "without-istio", app="curl"), pod("aaa", "zoo"))

    sources = (await found(cluster)).sources

    assert sources == (
        source("web", MeshMode.SIDECAR),
        source("curl", MeshMode.PLAIN, "without-istio", app="curl"),
    )
    assert len(lists(store)) == 2


async def test_all_pods_are_listed_only_when_a_kind_is_missing(store: ObjectStore, cluster: Cluster) -> None:
    store.add(pod("web", sidecar=True), pod("cron", "zoo"))

    sources = await found(cluster)

    assert sources == Sources((source("web", MeshMode.SIDECAR), source("cron", MeshMode.PLAIN, "zoo")))
    assert lists(store) == [(IN_DEFAULT, ""), (EVERYWHERE, ""), (EVERYWHERE, "app in (curl,sleep)")]


async def test_without_mesh_a_plain_pod_is_enough(store: ObjectStore, cluster: Cluster) -> None:
    store.add(pod("cron"))

    assert await found(cluster, mesh=False) == Sources((source("cron", MeshMode.PLAIN),))
    assert len(lists(store)) == 2


async def test_a_kind_that_is_nowhere_is_noted_with_the_flag_that_helps(store: ObjectStore, cluster: Cluster) -> None:
    store.add(pod("cron"), pod("starting", sidecar=True, ready=False))

    assert await found(cluster) == Sources(
        (source("cron", MeshMode.PLAIN),), (f"no running sidecar pod to probe from; {HELP}",)
    )


async def test_pods_that_may_not_be_listed_are_unread(store: ObjectStore, cluster: Cluster) -> None:
    for path in ("/api/v1/pods", "/api/v1/namespaces/default/pods"):
        store.server.on("GET", path, status(403, "Forbidden", "no pods for you"))

    reason = "Error from server (Forbidden): no pods for you"
    assert await found(cluster) == Sources((), (f"no source: {reason}",), Unread("pods", reason, "list pods"))


async def test_a_namespace_that_may_be_listed_is_enough_where_the_cluster_may_not(
    store: ObjectStore, cluster: Cluster
) -> None:
    store.add(pod("web", sidecar=True), pod("cron"))
    store.server.on("GET", "/api/v1/pods", status(403, "Forbidden", "no pods for you"))

    assert [s.pod for s in (await found(cluster)).sources] == ["web", "cron"]


async def test_named_pods_are_got_and_nothing_is_listed(store: ObjectStore, cluster: Cluster) -> None:
    store.add(pod("web", sidecar=True), pod("cron", "shop"))
    wishes = SourceWishes(named=(("pod", "web", ""), ("pod", "cron", "shop")), container="mine")

    sources = await found(cluster, wishes)

    assert sources == Sources(
        (
            source("web", MeshMode.SIDECAR, container="mine"),
            source("cron", MeshMode.PLAIN, "shop", container="mine"),
        )
    )
    assert lists(store) == []


@pytest.mark.parametrize(
    ("selector", "query"),
    [
        ({"matchLabels": {"app": "web", "a": "b"}}, "a=b,app=web"),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "api"]}]}, "app in (web,api)"),
        (
            {
                "matchLabels": {"app": "web"},
                "matchExpressions": [
                    {"key": "tier", "operator": "NotIn", "values": ["db"]},
                    {"key": "x", "operator": "Exists"},
                    {"key": "y", "operator": "DoesNotExist"},
                ],
            },
            "app=web,tier notin (db),x,!y",
        ),
    ],
)
async def test_a_workload_is_one_running_pod_of_its_selector(
    store: ObjectStore, cluster: Cluster, selector: Json, query: str
) -> None:
    store.add(
        {"kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"}, "spec": {"selector": selector}},
        pod("other", "shop"),
    )
    answered = pod("web-1", "shop", ready=False, app="web", a="b"), pod("web-2", "shop", app="web", a="b")
    store.server.on("GET", "/api/v1/namespaces/shop/pods", _listing(*answered))

    sources = await found(cluster, SourceWishes(named=(("deployment", "web", "shop"),)))

    assert [s.pod for s in sources.sources] == ["web-2"]
    assert lists(store) == [("GET /api/v1/namespaces/shop/pods", query)]


async def test_a_workload_without_pods_is_refused(store: ObjectStore, cluster: Cluster) -> None:
    store.add({"kind": "StatefulSet", "metadata": {"name": "db"}, "spec": {"selector": {"matchLabels": {"a": "b"}}}})

    with pytest.raises(Refused, match=r"^statefulset/db in namespace default has no running pod to probe from$"):
        await found(cluster, SourceWishes(named=(("statefulset", "db", ""),)))


async def test_a_named_pod_that_is_not_ready_is_refused(store: ObjectStore, cluster: Cluster) -> None:
    store.add(pod("web", ready=False))

    with pytest.raises(Refused) as caught:
        await found(cluster, SourceWishes(named=(("pod", "web", ""),)))

    assert str(caught.value) == (
        "pod/web in namespace default cannot be probed from: it is not running and ready, "
        "or has no container but the proxy"
    )


async def test_a_named_pod_that_is_not_there_is_kubectls_not_found(store: ObjectStore, cluster: Cluster) -> None:
    with pytest.raises(ApiError, match=r'^Error from server \(NotFound\): pods "nope" not found$'):
        await found(cluster, SourceWishes(named=(("pod", "nope", ""),)))


async def test_a_selector_takes_every_ready_pod_or_is_refused(store: ObjectStore, cluster: Cluster) -> None:
    store.add(pod("a", team="pay"), pod("b", team="pay", ready=False), pod("c"))

    assert [s.pod for s in (await found(cluster, SourceWishes(selector="team=pay"))).sources] == ["a"]
    with pytest.raises(Refused, match=r"^no running pod matches --from-selector team=no in default$"):
        await found(cluster, SourceWishes(selector="team=no"))


def _listing(*pods: Json) -> Handler:
    return reply({"metadata": {}, "items": list(pods)})


class Pair:
    """The throw-away pair, as a test uses it."""

    def __init__(self, cluster: Cluster, said: list[str]) -> None:
        self.cluster, self.said = cluster, said
        self.sources: tuple[Source, ...] = ()

    async def use(self, *, timeout: float = 5.0, then: Exception | None = None, sleep: float = 0.0) -> None:
        async with probe_pods(
            self.cluster, "default", image="", mesh=True, timeout=timeout, say=self.said.append
        ) as found:
            self.sources = found.sources
            await anyio.sleep(sleep)
            if then is not None:
                raise then


def pod_of_job(job: str, *, sidecar: bool) -> Json:
    obj = pod(f"{job}-1", sidecar=sidecar)
    obj["metadata"]["labels"]["batch.kubernetes.io/job-name"] = job
    return obj


@pytest.fixture
def pair(store: ObjectStore, cluster: Cluster, said: list[str]) -> Pair:
    """Its pods are ready at once."""
    for mode in ("sidecar", "plain"):
        job = f"extsvc-probe-{mode}-x1x2x"
        store.add(pod_of_job(job, sidecar=mode == "sidecar"))
    return Pair(cluster, said)


JOB_NAMES = ["extsvc-probe-sidecar-x1x2x", "extsvc-probe-plain-x1x2x"]


def jobs(store: ObjectStore) -> list[str]:
    return [name for plural, _, name in store.objects if plural == "jobs"]


def deleted_jobs(store: ObjectStore) -> list[str]:
    return [seen.path.split("/")[-1] for seen in store.server.requests if seen.method == "DELETE"]


async def test_probe_pods_are_made_waited_for_and_removed(store: ObjectStore, pair: Pair) -> None:
    await pair.use()

    assert [(s.pod, s.mode) for s in pair.sources] == [
        ("extsvc-probe-plain-x1x2x-1", MeshMode.PLAIN),
        ("extsvc-probe-sidecar-x1x2x-1", MeshMode.SIDECAR),
    ]
    assert (jobs(store), deleted_jobs(store)) == ([], JOB_NAMES)
    deletions = [seen for seen in store.server.requests if seen.method == "DELETE"]
    assert all(seen.body["preconditions"]["uid"].startswith("uid-") for seen in deletions)
    assert pair.said == [f"waiting for job/{JOB_NAMES[0]} and job/{JOB_NAMES[1]} in namespace default"]


async def test_probe_pods_go_when_what_they_are_for_fails(store: ObjectStore, pair: Pair) -> None:
    with pytest.raises(Refused, match=r"^too bad$"):
        await pair.use(then=Refused("too bad"))

    assert (jobs(store), deleted_jobs(store)) == ([], JOB_NAMES)


async def test_the_first_probe_pod_goes_when_the_second_is_refused(store: ObjectStore, pair: Pair) -> None:
    store.server.on("POST", path_of(JOBS, "default"), store.handle, status(403, "Forbidden", "quota"))

    with pytest.raises(ApiError, match="quota"):
        await pair.use()

    assert (jobs(store), deleted_jobs(store)) == ([], JOB_NAMES[:1])


async def test_probe_pods_that_never_are_ready_are_described_and_go(
    store: ObjectStore, cluster: Cluster, said: list[str]
) -> None:
    waiting = pod_of_job(JOB_NAMES[1], sidecar=False)
    waiting["status"] = {
        "phase": "Pending",
        "containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff"}}}],
    }
    store.add(waiting)

    with pytest.raises(Refused) as caught:
        await Pair(cluster, said).use(timeout=0.2)

    assert (
        str(caught.value)
        == "the probe pods were not ready within 0.2 s: pod/extsvc-probe-plain-x1x2x-1 Pending ImagePullBackOff"
    )
    assert jobs(store) == []


async def test_probe_pods_go_on_cancellation(store: ObjectStore, pair: Pair) -> None:
    with anyio.move_on_after(0.3) as scope:
        await pair.use(sleep=30)

    assert scope.cancelled_caught
    assert pair.sources
    assert (jobs(store), deleted_jobs(store)) == ([], JOB_NAMES)


async def test_a_probe_pod_that_is_being_made_at_cancellation_goes_too(store: ObjectStore, pair: Pair) -> None:
    reached = asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        answer = await store.handle(request)
        reached.set()
        await asyncio.sleep(0.1)
        return answer

    store.server.on("POST", path_of(JOBS, "default"), slow)
    async with anyio.create_task_group() as group:
        group.start_soon(pair.use)
        await reached.wait()
        group.cancel_scope.cancel()

    assert (jobs(store), deleted_jobs(store)) == ([], JOB_NAMES[:1])


async def test_a_probe_pod_that_cannot_be_removed_does_not_keep_the_other(store: ObjectStore, pair: Pair) -> None:
    path = path_of(JOBS, "default", JOB_NAMES[0])
    store.server.on("DELETE", path, status(403, "Forbidden", "no delete for you"))

    await pair.use()

    assert jobs(store) == JOB_NAMES[:1]
    assert pair.said[1:] == [
        f"could not remove job/{JOB_NAMES[0]} in namespace default: Error from server (Forbidden): no delete for you"
    ]


def picked(*names: str, workload: str = "deployment/web") -> SourceWishes:
    return SourceWishes(picked=tuple(Candidate("shop", name, workload, MeshMode.PLAIN) for name in names))


def of_web(name: str) -> Json:
    made = pod(name, "shop")
    made["metadata"]["labels"]["pod-template-hash"] = "5d9"
    made["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "name": "web-5d9", "uid": "1", "controller": True}]
    return made


async def test_of_a_picked_pod_that_has_gone_another_of_its_workload_stands_in(
    store: ObjectStore, cluster: Cluster
) -> None:
    store.add(of_web("web-2"), of_web("web-3"), pod("cron", "shop"))

    sources = await found(cluster, picked("web-1", "web-3"))

    assert ([one.pod for one in sources.sources], sources.notes) == (["web-3", "web-2"], ())


async def test_a_picked_pod_that_has_gone_for_good_is_noted(store: ObjectStore, cluster: Cluster) -> None:
    store.add(pod("cron", "shop"))

    sources = await found(cluster, picked("web-1"))

    assert sources == Sources((), ("pod/web-1 in namespace shop cannot be probed from any more",))


async def test_candidates_are_the_running_pods_by_workload_with_what_is_wrong(
    store: ObjectStore, cluster: Cluster
) -> None:
    going = pod("old", "shop")
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    store.add(of_web("web-2"), going, pod("web", sidecar=True))

    assert await candidates(cluster, ("shop",)) == (
        Candidate("default", "web", "pod/web", MeshMode.SIDECAR),
        Candidate("shop", "web-2", "deployment/web", MeshMode.PLAIN),
        Candidate("shop", "old", "pod/old", MeshMode.PLAIN, "it is going away"),
    )
