"""Following aliases over a real sandbox: real watches, real curls, real Envoys, and what breaks on the way."""

import contextlib
import json
import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest
import yaml
from aiohttp import web
from anyio.abc import SocketStream, TaskGroup, TaskStatus

from kubectl_extsvc.cluster.client import Cluster, connect
from kubectl_extsvc.cluster.exec_frames import ExecResult
from kubectl_extsvc.cluster.kubeconfig import ConnectionFlags, resolve
from kubectl_extsvc.cluster.watch import Changed, Listed, WatchEvent
from kubectl_extsvc.errors import ApiError
from kubectl_extsvc.model.live import Asked, Asking, Back, Judged, Known, LiveEvent, Lost, ObjectChanged
from kubectl_extsvc.model.observation import Stage, StageState
from kubectl_extsvc.model.resources import (
    DEPLOYMENTS,
    DESTINATION_RULES,
    ENDPOINT_SLICES,
    PODS,
    SERVICES,
    VIRTUAL_SERVICES,
    Json,
    ObjectRef,
)
from kubectl_extsvc.model.source import MeshMode
from kubectl_extsvc.operations.asking import EXECS_AT_ONCE
from kubectl_extsvc.operations.living import Live
from kubectl_extsvc.operations.verifying import PUSH_SECONDS
from kubectl_extsvc.operations.wishes import LiveWishes, ProbeWishes, SourceWishes
from kubectl_extsvc.sandbox.api.controllers import time_now
from kubectl_extsvc.sandbox.outside import servers
from kubectl_extsvc.sandbox.running import Sandbox, running

MY_PAY = ObjectRef("Service", "default", "my-pay")
MY_HTTPBIN = ObjectRef("Service", "default", "my-httpbin")
SOON = 40.0
"""Seconds that a loaded machine may take; what is claimed of time is asserted by itself."""
WITHOUT_SNI = {"spec": {"trafficPolicy": {"tls": {"sni": None, "subjectAltNames": None}}}}
WITH_SNI = {
    "spec": {"trafficPolicy": {"tls": {"sni": "api.pay.example", "subjectAltNames": ["api.pay.example"]}}}
}  # fmt: skip
WITHOUT_REWRITE = {
    "spec": {"http": [{"route": [{"destination": {"host": "my-pay.default.svc.cluster.local"}}]}]}
}  # fmt: skip


def named(name: str) -> Json:
    """One more alias of httpbin.org."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"type": "ExternalName", "externalName": "httpbin.org", "ports": [{"name": "http", "port": 80}]},
    }


@dataclass
class Story:
    """What was told, and when."""

    events: list[tuple[float, LiveEvent]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    _news: anyio.Event = field(default_factory=anyio.Event)

    def tell(self, event: LiveEvent) -> None:
        self.events.append((time.monotonic(), event))
        self._news.set()

    def of(self, kind: type[Any], since: float = -math.inf) -> list[Any]:
        return [event for at, event in self.events if isinstance(event, kind) and at >= since]

    def verdicts(self, name: str, since: float = -math.inf) -> list[tuple[str, ...]]:
        """The codes of each verdict on an alias."""
        judged = [event.report for event in self.of(Judged, since) if event.report.alias.name == name]
        return [tuple(finding.code for finding in report.findings) for report in judged]

    async def until(self, what: str, true: Callable[[], object], seconds: float = SOON) -> None:
        with anyio.move_on_after(seconds):
            while not true():
                self._news = anyio.Event()
                await self._news.wait()
            return
        told = "\n".join(f"{at:.2f} {type(event).__name__}" for at, event in self.events[-30:])
        pytest.fail(f"waited {seconds} s in vain: {what}; last was told\n{told}\n{self.said}")


@dataclass
class Following:
    sandbox: Sandbox
    cluster: Cluster
    live: Live
    story: Story
    group: TaskGroup

    async def swept(self) -> None:
        """Until every source has answered about every alias."""

        def all_answered() -> bool:
            known = self.story.of(Known)
            asked = {(event.source.key, ref) for event in self.story.of(Asked) for ref in event.aliases}
            return bool(known) and all(
                (source.key, alias.service) in asked for source in known[-1].sources for alias in known[-1].aliases
            )

        await self.story.until("all sources have answered about all aliases", all_answered)

    def key(self, mode: MeshMode) -> str:
        known: Known = self.story.of(Known)[-1]
        return next(source.key for source in known.sources if source.mode is mode)


@asynccontextmanager
async def following(
    scenario: str,
    wishes: LiveWishes | None = None,
    *,
    before: Callable[[Sandbox, Cluster], None] = lambda sandbox, cluster: None,
    kubeconfig: Callable[[Sandbox], Path] = lambda sandbox: sandbox.kubeconfig,
) -> AsyncIterator[Following]:
    """A sandbox whose aliases are followed, every second if nothing else is wished."""
    async with running(scenario) as sandbox:
        connection = resolve(ConnectionFlags(), {"KUBECONFIG": str(kubeconfig(sandbox))}, Path("/"), Path("/"))
        async with connect(connection) as cluster:
            story = Story()
            before(sandbox, cluster)
            live = Live(cluster, wishes or LiveWishes(interval=1.0), story.tell, story.said.append)
            async with anyio.create_task_group() as group:
                group.start_soon(live.run)
                yield Following(sandbox, cluster, live, story, group)
                group.cancel_scope.cancel()


def hanging(cluster: Cluster, hangs: Callable[[str], bool], counted: list[str] | None = None) -> None:
    """Let execs in some pods ("NAMESPACE/POD") never end; the names of all are counted."""
    run = cluster.exec

    async def exec_(namespace: str, pod: str, *args: Any, **kwargs: Any) -> ExecResult:
        if counted is not None:
            counted.append(f"{namespace}/{pod}")
        if hangs(f"{namespace}/{pod}"):
            await anyio.sleep_forever()
        return await run(namespace, pod, *args, **kwargs)

    cluster.exec = exec_  # type: ignore[method-assign]


async def test_first_every_alias_is_judged_from_every_source() -> None:
    async with following("mixed") as it:
        await it.swept()
        last = {event.report.alias.name: event.report for event in it.story.of(Judged)}
    assert {name: tuple(f.code for f in report.findings) for name, report in last.items()} == {
        "my-wikipedia": (),
        "my-httpbin": (),
        "my-pay": (),
        "half-httpbin": ("XS0204",),
        "pay-without-sni": ("XS0403",),
        "typo": ("XS0102",),
    }
    assert {source.observation.source.mode for source in last["my-pay"].sources} == {MeshMode.SIDECAR, MeshMode.PLAIN}
    assert [type(event).__name__ for _, event in it.story.events[:2]] == ["Known", "Asking"]
    assert [asked.trouble for asked in it.story.of(Asked)] == [""] * len(it.story.of(Asked))


async def test_what_is_broken_turns_red_within_the_interval_and_cured_green_again() -> None:
    interval = 10.0
    async with following("healthy", LiveWishes(interval=interval)) as it:
        await it.swept()
        broken = time.monotonic()
        it.sandbox.patch(DESTINATION_RULES, "default", "my-pay", WITHOUT_SNI)
        it.sandbox.patch(VIRTUAL_SERVICES, "default", "my-pay", WITHOUT_REWRITE)
        await it.story.until("my-pay is red", lambda: ("XS0403",) in it.story.verdicts("my-pay", broken))
        assert time.monotonic() - broken < interval
        assert [(event.ref.kind, event.aliases) for event in it.story.of(ObjectChanged, broken)] == [
            ("DestinationRule", {MY_PAY}),
            ("VirtualService", {MY_PAY}),
        ]
        red = it.story.of(Judged, broken)[-1].report
        assert [
            source.observation.source.mode
            for source in red.sources
            if any(result.state is StageState.FAILED for result in source.stages)
        ] == [MeshMode.SIDECAR]
        cured = time.monotonic()
        it.sandbox.patch(DESTINATION_RULES, "default", "my-pay", WITH_SNI)
        await it.story.until("my-pay is green", lambda: () in it.story.verdicts("my-pay", cured))
        assert time.monotonic() - cured < interval
        others = {codes for name in ("my-httpbin", "my-wikipedia") for codes in it.story.verdicts(name)}
    assert others == {()}


async def test_nothing_bad_is_told_while_a_push_may_be_on_its_way() -> None:
    async with following("healthy") as it:
        await it.swept()
        changed = time.monotonic()
        it.sandbox.patch(DESTINATION_RULES, "default", "my-pay", WITHOUT_SNI)
        it.sandbox.patch(VIRTUAL_SERVICES, "default", "my-pay", WITHOUT_REWRITE)
        await it.story.until("my-pay is red", lambda: ("XS0403",) in it.story.verdicts("my-pay", changed))
        first = next(
            at for at, event in it.story.events if isinstance(event, Judged) and event.report.judgement.findings
        )
    assert first - changed >= PUSH_SECONDS


async def test_a_change_that_changes_nothing_makes_no_finding_come_or_go() -> None:
    async with following("mixed") as it:
        await it.swept()
        touched = time.monotonic()
        for value in ("a", "b", "c"):
            note = {"metadata": {"annotations": {"example.org/note": value}}}
            it.sandbox.patch(DESTINATION_RULES, "default", "pay-without-sni", note)
            it.sandbox.patch(DESTINATION_RULES, "default", "my-pay", note)
            await anyio.sleep(0.4)
        await anyio.sleep(PUSH_SECONDS)
        now = time.monotonic()
        await it.story.until("judged again", lambda: len(it.story.verdicts("pay-without-sni", now)) >= 2)
        verdicts = {name: set(it.story.verdicts(name, touched)) for name in ("pay-without-sni", "my-pay")}
    assert verdicts == {"pay-without-sni": {("XS0403",)}, "my-pay": {()}}


async def test_pods_with_and_without_sidecar_are_asked_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the access times of the server, which takes half a second for each answer."""
    served: list[tuple[bool, float, float]] = []
    """By a sidecar (it says so in a header); from, until."""

    async def slow_page(request: web.Request) -> web.Response:
        begun = time.monotonic()
        await anyio.sleep(0.5)
        if request.host.startswith("my-httpbin"):  # the address is asked by its host's name besides
            served.append(("X-Envoy-Attempt-Count" in request.headers, begun, time.monotonic()))
        return await servers.page(request)

    monkeypatch.setitem(servers.HTTPBIN, "/", slow_page)
    async with following("healthy", LiveWishes(interval=60.0)) as it:
        await it.swept()
        for _ in range(3):
            served.clear()
            it.story.events = [event for event in it.story.events if isinstance(event[1], Known)]
            it.live.probe_now([MY_HTTPBIN])
            await it.story.until("both have answered", lambda: len(it.story.of(Asked)) == 2)
            (plain, plain_from, plain_until), (sidecar, sidecar_from, sidecar_until) = sorted(served)
            assert (plain, sidecar) == (False, True)
            assert max(plain_from, sidecar_from) < min(plain_until, sidecar_until)


async def test_a_source_that_hangs_holds_up_neither_the_other_nor_any_alias() -> None:
    def plain_hangs(sandbox: Sandbox, cluster: Cluster) -> None:
        hanging(cluster, lambda key: key.startswith("without-istio/"))

    async with following("mixed", LiveWishes(interval=1.0), before=plain_hangs) as it:
        names = {"my-wikipedia", "my-httpbin", "my-pay", "half-httpbin", "pay-without-sni", "typo"}
        await it.story.until(
            "all are judged three times", lambda: all(len(it.story.verdicts(name)) >= 3 for name in names)
        )
        assert [asking.source.mode for asking in it.story.of(Asking)].count(MeshMode.PLAIN) == 1
        changed = time.monotonic()
        it.sandbox.patch(DESTINATION_RULES, "default", "pay-without-sni", WITH_SNI)
        await it.story.until("green", lambda: () in it.story.verdicts("pay-without-sni", changed))
        assert time.monotonic() - changed < 10
    assert it.story.of(Lost) == []


async def test_more_hanging_sources_than_are_asked_at_once_hold_up_nobody() -> None:
    """The one that answers is the last in order."""
    last: list[str] = []

    def all_but_one_hang(sandbox: Sandbox, cluster: Cluster) -> None:
        many = {"spec": {"replicas": EXECS_AT_ONCE + 2}}
        sandbox.patch(DEPLOYMENTS, "default", "curl", many)
        pods = sorted(pod["metadata"]["name"] for pod in sandbox.store.items("pods", "default"))
        assert len(pods) == EXECS_AT_ONCE + 2
        last.append(f"default/{pods[-1]}")
        hanging(cluster, lambda key: key != last[0])

    wishes = LiveWishes(sources=SourceWishes(selector="app=curl"), asked=ProbeWishes(timeout=1.0), interval=1.0)
    async with following("healthy", wishes, before=all_but_one_hang) as it:
        await it.story.until("my-pay is judged", lambda: it.story.verdicts("my-pay"))
        assert {event.asked.key for event in it.story.of(Judged)} == {last[0]}


@dataclass
class Cable:
    """A way to the sandbox that can be cut."""

    to: int
    port: int
    _plugged: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    async def carry(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Until it is cut."""
        with anyio.CancelScope() as self._plugged:
            listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=self.port)
            async with listener:
                task_status.started()
                await listener.serve(self._join)

    def cut(self) -> None:
        self._plugged.cancel()

    async def _join(self, near: SocketStream) -> None:
        async with near, await anyio.connect_tcp("127.0.0.1", self.to) as far, anyio.create_task_group() as group:
            group.start_soon(_pump, near, far)
            await _pump(far, near)
            group.cancel_scope.cancel()


async def _pump(source: SocketStream, sink: SocketStream) -> None:
    with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        async for data in source:
            await sink.send(data)
        await sink.send_eof()


async def test_a_lost_cluster_is_told_once_it_is_asked_and_again_when_it_is_back(tmp_path: Path) -> None:
    cables: list[Cable] = []

    def through_a_cable(sandbox: Sandbox) -> Path:
        config = yaml.safe_load(sandbox.kubeconfig.read_text())
        server = config["clusters"][0]["cluster"]["server"]
        cables.append(Cable(int(server.rpartition(":")[2]), port=free_port()))
        config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{cables[0].port}"
        path = tmp_path / "kubeconfig"
        path.write_text(json.dumps(config))
        return path

    async with following("mixed", kubeconfig=through_a_cable) as it:
        (cable,) = cables
        await it.story.until("lost at first", lambda: it.story.of(Lost))
        await it.group.start(cable.carry)
        await it.story.until("there", lambda: it.story.of(Back))
        await it.swept()

        cut = time.monotonic()
        cable.cut()
        await it.story.until("lost", lambda: it.story.of(Lost, cut))
        lost = it.story.of(Lost, cut)[0]
        assert lost.reason.startswith(f"The connection to the server 127.0.0.1:{cable.port} was refused"), lost.reason
        it.sandbox.patch(DESTINATION_RULES, "default", "pay-without-sni", WITH_SNI)
        await anyio.sleep(2.5)
        asked = len(it.story.of(Asking))
        assert it.story.of(Back, cut) == []

        await it.group.start(cable.carry)
        await it.story.until("back", lambda: it.story.of(Back, cut))
        assert len(it.story.of(Asking)) == asked, "pods of a lost cluster are asked"
        # What was seen before counts until there is something else to say.
        assert set(it.story.verdicts("typo", cut)) <= {("XS0102",)}
        await it.story.until("what changed meanwhile is known", lambda: () in it.story.verdicts("pay-without-sni", cut))
        again = time.monotonic()
        it.sandbox.patch(DESTINATION_RULES, "default", "pay-without-sni", {"metadata": {"labels": {"a": "b"}}})
        await it.story.until("it is watched again", lambda: it.story.of(ObjectChanged, again), 10)


def free_port() -> int:
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def test_where_exec_is_forbidden_it_is_said_and_nothing_is_known() -> None:
    async with following("exec-forbidden") as it:
        await it.swept()
        (report,) = {event.report.alias.name: event.report for event in it.story.of(Judged)}.values()
        troubles = {asked.trouble for asked in it.story.of(Asked)}
    states = {(source.observation.source.mode, result.stage, result.state)
              for source in report.sources for result in source.stages if result.stage is Stage.HTTP}  # fmt: skip
    assert states == {(mode, Stage.HTTP, StageState.NOT_OBSERVED) for mode in (MeshMode.SIDECAR, MeshMode.PLAIN)}
    assert report.findings == ()
    assert all(trouble.endswith("(needs get and create on pods/exec)") for trouble in troubles), troubles


async def test_without_an_alias_nobody_is_asked_until_there_is_one() -> None:
    async with following("empty") as it:
        await it.story.until("it is known", lambda: it.story.of(Known))
        await anyio.sleep(1.5)
        assert ([known.aliases for known in it.story.of(Known)], it.story.of(Asking)) == ([()], [])
        made = time.monotonic()
        await it.cluster.create(SERVICES, named("other"), "kubectl-create")
        await it.story.until("it is judged", lambda: () in it.story.verdicts("other", made))
        assert [event.type for event in it.story.of(ObjectChanged, made)] == ["ADDED"]

        gone = time.monotonic()
        await it.cluster.delete(SERVICES, "default", "other")
        await it.story.until("it is gone", lambda: [k for k in it.story.of(Known, gone) if k.aliases == ()])
        after = time.monotonic()
        await anyio.sleep(1.5)
        assert (it.story.verdicts("other", after), it.story.of(Asking, after)) == ([], [])


async def test_all_namespaces_can_be_followed_and_one_again() -> None:
    async with following("large", LiveWishes(interval=5.0)) as it:
        await it.story.until("known", lambda: it.story.of(Known))
        assert it.story.of(Known)[-1].aliases == ()
        it.live.follow(all_namespaces=True)
        await it.story.until("all are known", lambda: len(it.story.of(Known)[-1].aliases) == 1000)
        everywhere = it.story.of(Known)[-1]
        visible = [alias.service for alias in everywhere.aliases[500:510]]
        it.live.show(visible)
        shown = time.monotonic()
        it.live.probe_now(visible)
        await it.story.until(
            "what is seen is judged",
            lambda: {event.report.alias.service for event in it.story.of(Judged, shown)} >= set(visible),
        )
        assert it.story.of(ObjectChanged) == []
        it.live.follow(all_namespaces=False)
        await it.story.until("only its own", lambda: it.story.of(Known)[-1].aliases == ())
        assert it.story.of(ObjectChanged) == []


def probe_jobs(sandbox: Sandbox) -> Sequence[Json]:
    return [job for job in sandbox.store.items("jobs.batch") if job["metadata"]["name"].startswith("extsvc-probe-")]


async def test_probe_pods_are_looked_from_and_removed_at_the_end() -> None:
    async with running("healthy") as sandbox:
        connection = resolve(ConnectionFlags(), {"KUBECONFIG": str(sandbox.kubeconfig)}, Path("/"), Path("/"))
        async with connect(connection) as cluster:
            story = Story()
            wishes = LiveWishes(interval=1.0, sources=SourceWishes(probe_pods=True))
            live = Live(cluster, wishes, story.tell, story.said.append)
            async with anyio.create_task_group() as group:
                group.start_soon(live.run)
                await story.until(
                    "both have been asked", lambda: {event.source.mode for event in story.of(Asked)} == set(MODES)
                )
                pods = {event.source.pod.rpartition("-")[0] for event in story.of(Asked)}
                assert pods == {job["metadata"]["name"] for job in probe_jobs(sandbox)}
                assert set(story.verdicts("my-pay")) == {()}
                group.cancel_scope.cancel()
            assert probe_jobs(sandbox) == []


MODES = (MeshMode.SIDECAR, MeshMode.PLAIN)


async def test_execs_grow_with_sources_and_not_with_aliases() -> None:
    """Three aliases, and the same with twelve more."""
    counts = []
    for more in (0, 12):
        counted: list[str] = []

        def prepared(sandbox: Sandbox, cluster: Cluster, more: int = more, counted: list[str] = counted) -> None:
            for number in range(more):
                made = named(f"other-{number}")
                made["metadata"]["creationTimestamp"] = time_now(later=-3600)  # nothing about it is settling
                sandbox.store.put("services", made)
            hanging(cluster, lambda key: False, counted)

        async with following("healthy", LiveWishes(interval=60.0), before=prepared) as it:
            await it.swept()
            assert [len(asked.aliases) for asked in it.story.of(Asked)] == [3 + more] * 2
            counts.append([counted.count(it.key(mode)) for mode in MODES])
    assert counts[0] == counts[1]


async def test_a_pod_that_goes_is_replaced_and_no_alias_is_called_ill_for_it() -> None:
    async with following("healthy") as it:
        await it.swept()
        old, gone = it.key(MeshMode.PLAIN), time.monotonic()
        namespace, _, pod = old.partition("/")
        await it.cluster.delete(PODS, namespace, pod)
        await it.story.until(
            "another one is asked",
            lambda: {a.source.key for a in it.story.of(Asked, gone) if a.source.mode is MeshMode.PLAIN} - {old},
        )
        await it.story.until("and seen", lambda: it.key(MeshMode.PLAIN) != old)
        states = {
            (source.observation.source.mode, result.state)
            for event in it.story.of(Judged, gone)
            for source in event.report.sources
            for result in source.stages
        }
    assert not [state for _, state in states if state in (StageState.FAILED, StageState.NOT_OBSERVED)]


def lean(namespace: str) -> Json:
    """A pod with nothing in it to probe with."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "lean", "namespace": namespace},
        "spec": {"containers": [{"name": "lean", "image": "pause"}]},
    }


async def test_with_ephemeral_a_source_without_a_tool_is_looked_from_by_a_container_until_that_ends() -> None:
    asked: list[str] = []

    async def yes(question: str) -> bool:
        asked.append(question)
        return True

    async with running("healthy") as sandbox:
        connection = resolve(ConnectionFlags(), {"KUBECONFIG": str(sandbox.kubeconfig)}, Path("/"), Path("/"))
        async with connect(connection) as cluster:
            await cluster.create(PODS, lean("default"), "kubectl-create")
            await until_ready(sandbox, "default", "lean")
            story = Story()
            sources = SourceWishes(named=(("pod", "lean", "default"),), ephemeral=True)
            live = Live(cluster, LiveWishes(interval=1.0, sources=sources), story.tell, story.said.append, yes)
            async with anyio.create_task_group() as group:
                group.start_soon(live.run)
                await story.until(
                    "it is looked from by a container",
                    lambda: {a.source.container for a in story.of(Asked) if not a.trouble} - {"lean"},
                )
                first = story.of(Asked)[-1].source
                await story.until("and tells all is well", lambda: () in story.verdicts("my-httpbin"))
                await story.until("and told as the source", lambda: story.of(Known)[-1].sources == (first,))

                pod = sandbox.store.get("pods", "default", "lean")
                assert pod is not None
                pod["status"]["ephemeralContainerStatuses"][0]["state"] = {"terminated": {"reason": "Completed"}}
                sandbox.store.put("pods", pod)
                live.choose_sources(live.wishes.sources)
                await story.until(
                    "another one is looked from",
                    lambda: {a.source.container for a in story.of(Asked) if not a.trouble} - {"lean", first.container},
                )
                group.cancel_scope.cancel()
    assert len(asked) == 2


async def until_ready(sandbox: Sandbox, namespace: str, name: str) -> None:
    for _ in range(int(SOON / 0.05)):
        if (sandbox.store.get("pods", namespace, name) or {"status": {}})["status"].get("podIP"):
            return
        await anyio.sleep(0.05)
    pytest.fail(f"{name} did not run")


async def test_no_watch_is_told_of_the_slices_of_pods() -> None:
    told: list[str] = []

    def listening(sandbox: Sandbox, cluster: Cluster) -> None:
        watch = cluster.watch

        async def watch_(resource: Any, where: Any, on_event: Any, **more: Any) -> None:
            def heard(event: WatchEvent) -> None:
                match event:
                    case Listed(items=items) if resource is ENDPOINT_SLICES:
                        told.extend(item["metadata"]["name"] for item in items)
                    case Changed(object=obj) if resource is ENDPOINT_SLICES:
                        told.append(obj["metadata"]["name"])
                on_event(event)

            await watch(resource, where, heard, **more)

        cluster.watch = watch_  # type: ignore[method-assign, assignment]

    async with following("healthy", before=listening) as it:
        await it.swept()
        it.sandbox.patch(DEPLOYMENTS, "default", "curl", {"spec": {"replicas": 3}})
        await it.story.until("the slices are those of the alias", lambda: told)
        changed = time.monotonic()
        await anyio.sleep(1)
        slices = {
            one["metadata"]["name"] for one in it.sandbox.store.items(ENDPOINT_SLICES.qualified_plural, "default")
        }
        assert it.story.of(ObjectChanged, changed) == []
    assert any(name.startswith("curl-") for name in slices)
    assert {name.partition("-")[0] for name in told} == {"my"}


async def test_where_not_all_namespaces_may_be_listed_one_is_followed_and_that_is_said() -> None:
    def narrow(sandbox: Sandbox, cluster: Cluster) -> None:
        list_ = cluster.list

        async def list_one(resource: Any, namespace: str | None, *args: Any, **more: Any) -> Any:
            if resource is SERVICES and namespace is None:
                raise ApiError("services is forbidden: cannot list at the cluster scope", code=403, reason="Forbidden")
            return await list_(resource, namespace, *args, **more)

        cluster.list = list_one  # type: ignore[method-assign]

    async with following("healthy", LiveWishes(interval=1.0, all_namespaces=True), before=narrow) as it:
        await it.swept()
        known = it.story.of(Known)[-1]
        assert known.notes[0] == (
            "only namespace default is shown: services is forbidden: cannot list at the cluster scope"
        )
        assert {alias.namespace for alias in known.aliases} == {"default"}
        assert () in it.story.verdicts("my-httpbin")
        changed = time.monotonic()
        it.sandbox.patch(SERVICES, "default", "my-httpbin", {"metadata": {"labels": {"a": "b"}}})
        await it.story.until("its objects are watched", lambda: it.story.of(ObjectChanged, changed), 10)
    assert it.story.of(Lost) == []
