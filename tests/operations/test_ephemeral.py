"""Sources without a tool get an ephemeral container, after one question; what is refused, and what is said then."""

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import anyio
import pytest
from aiohttp import web
from worlds.fake_apiserver import Handler, reply, status
from worlds.object_store import ObjectStore, Printed, pod

from kubectl_extsvc.cluster.client import Cluster
from kubectl_extsvc.errors import ApiError, Refused, TimedOut
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.source import MeshMode, Source
from kubectl_extsvc.operations.ephemeral import with_probe_containers
from kubectl_extsvc.operations.verifying import verify
from kubectl_extsvc.operations.wishes import SourceWishes, VerifyWishes

WEB = Source("default", "web", "app", MeshMode.SIDECAR, as_proxy_user=True)
CRON = Source("shop", "cron", "app", MeshMode.PLAIN)
PATH = "/api/v1/namespaces/{}/pods/{}/ephemeralcontainers"


def only(*programs: str) -> Callable[[list[str], bytes], Printed]:
    """A container in which these programs are."""
    return lambda argv, stdin: (b"", b"", 0) if argv[0] in programs else (b"", b"not found", 127)


def adding(store: ObjectStore, namespace: str, name: str, state: Json | None = None) -> None:
    """Let the containers of a pod be added to; each is in that state at once."""

    async def handle(request: web.Request) -> web.StreamResponse:
        assert request.content_type == "application/strategic-merge-patch+json"
        (added,) = json.loads(await request.text())["spec"]["ephemeralContainers"]
        kept = copy.deepcopy(store.objects["pods", namespace, name])
        statuses = kept["status"].setdefault("ephemeralContainerStatuses", [])
        statuses.append({"name": added["name"], "state": state or {"running": {}}})
        store.objects["pods", namespace, name] = kept
        return await reply(kept)(request)

    store.server.on("PATCH", PATH.format(namespace, name), handle)


@dataclass
class Person:
    """Answers every question alike."""

    answer: bool = True
    asked: list[str] = field(default_factory=list)

    async def __call__(self, question: str) -> bool:
        self.asked.append(question)
        return self.answer


async def run(cluster: Cluster, person: Person, *sources: Source, timeout: float = 5.0) -> tuple[Source, ...]:
    return await with_probe_containers(
        cluster, sources, image="curl:1", timeout=timeout, consent=person, say=lambda line: None
    )


async def test_only_what_has_no_tool_gets_a_container_after_one_question(store: ObjectStore, cluster: Cluster) -> None:
    store.add(pod("web", sidecar=True), pod("cron", "shop"), pod("curl"), pod("py"))
    store.on_exec("default/web", {"app": only("wget", "bash")})
    store.on_exec("shop/cron", {"app": only()})
    store.on_exec("default/curl", {"app": only("curl")})
    store.on_exec("default/py", {"app": only("python3")})
    adding(store, "default", "web")
    adding(store, "shop", "cron")
    curl, py = (Source("default", name, "app", MeshMode.PLAIN) for name in ("curl", "py"))

    person = Person()
    web_now, curl_now, cron_now, py_now = await run(cluster, person, WEB, curl, CRON, py)

    assert (curl_now, py_now) == (curl, py)
    for before, now in ((WEB, web_now), (CRON, cron_now)):
        assert now.container.startswith("extsvc-probe-")
        assert now == replace(before, container=now.container, as_proxy_user=False)
        assert now.image == "curl:1"
    assert person.asked == [
        "pod/web in namespace default and pod/cron in namespace shop have neither curl nor python3 to probe with. "
        "Add an ephemeral container (curl:1) to each? It stays until the pod is gone."
    ]
    assert sorted(store.writes()) == ["PATCH cron/ephemeralcontainers", "PATCH web/ephemeralcontainers"]


async def test_a_container_that_runs_already_is_used_again_without_a_question(
    store: ObjectStore, cluster: Cluster
) -> None:
    known = pod("web", sidecar=True)
    known["status"]["ephemeralContainerStatuses"] = [{"name": "extsvc-probe-old", "state": {"running": {}}}]
    store.add(known)
    store.on_exec("default/web", {"app": only()})
    person = Person()

    assert [source.container for source in await run(cluster, person, WEB)] == ["extsvc-probe-old"]
    assert (person.asked, store.writes()) == ([], [])


async def test_if_the_answer_is_no_all_stays_as_it_is(store: ObjectStore, cluster: Cluster) -> None:
    store.add(pod("web", sidecar=True))
    store.on_exec("default/web", {"app": only()})

    assert await run(cluster, Person(answer=False), WEB) == (WEB,)
    assert store.writes() == []


def refused_exec(message: str) -> Handler:
    return status(403, "Forbidden", message)


async def test_a_source_that_may_not_be_asked_gets_nothing(store: ObjectStore, cluster: Cluster) -> None:
    store.add(pod("web", sidecar=True))
    store.server.on("GET", "/api/v1/namespaces/default/pods/web/exec", refused_exec("no exec"))
    person = Person()

    assert await run(cluster, person, WEB) == (WEB,)
    assert (person.asked, store.writes()) == ([], [])


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (
            status(403, "Forbidden", 'pods "web" is forbidden: User "u" cannot patch resource '
                   '"pods/ephemeralcontainers" in API group "" in the namespace "default"'),
            'Error from server (Forbidden): pods "web" is forbidden: User "u" cannot patch resource '
            '"pods/ephemeralcontainers" in API group "" in the namespace "default" '
            "(needs patch on pods/ephemeralcontainers); nothing was changed there",
        ),
        (
            status(404, "NotFound", "the server could not find the requested resource"),
            "error: ephemeral containers are disabled for this cluster (error from server: "
            '"Error from server (NotFound): the server could not find the requested resource"); nothing was changed '
            "there",
        ),
    ],
)  # fmt: skip
async def test_a_refusal_is_the_servers_with_the_right_that_it_takes(
    store: ObjectStore, cluster: Cluster, handler: Handler, said: str
) -> None:
    store.add(pod("web", sidecar=True))
    store.on_exec("default/web", {"app": only()})
    store.server.on("PATCH", PATH.format("default", "web"), handler)

    with pytest.raises(ApiError) as caught:
        await run(cluster, Person(), WEB)

    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"waiting": {"reason": "ImagePullBackOff"}}, "did not run within 0.5 s: waiting ImagePullBackOff"),
        ({"terminated": {"reason": "StartError", "message": "\x1b[31mno sh"}}, "ended at once: terminated StartError "
         "[31mno sh"),
    ],
)  # fmt: skip
async def test_a_container_that_does_not_run_is_told_with_the_reason(
    store: ObjectStore, cluster: Cluster, state: Json, said: str
) -> None:
    store.add(pod("web", sidecar=True))
    store.on_exec("default/web", {"app": only()})
    adding(store, "default", "web", state)

    with pytest.raises(Refused) as caught:
        await run(cluster, Person(), WEB, timeout=0.5)

    message = str(caught.value)
    assert message.startswith("the ephemeral container extsvc-probe-")
    assert message.endswith(f" in pod/web in namespace default {said}; it stays there until the pod is gone")


async def test_the_time_until_the_answer_does_not_count_and_without_anybody_to_ask_it_is_refused(
    store: ObjectStore, cluster: Cluster
) -> None:
    spec = {"type": "ExternalName", "externalName": "x.example"}
    store.add({"kind": "Service", "metadata": {"name": "a"}, "spec": spec}, pod("cron"))
    store.on_exec("default/cron", {"app": only()})
    wishes = VerifyWishes(("a",), sources=SourceWishes(ephemeral=True))

    async def slow(question: str) -> bool:
        await anyio.sleep(4)
        return False

    try:
        report = await verify(cluster, wishes, lambda line: None, 3.0, slow)
    except TimedOut:
        pytest.fail("the time until the answer counted")
    assert report.incomplete

    with pytest.raises(Refused, match="nothing was changed"):
        await verify(cluster, wishes, lambda line: None, 3.0)
