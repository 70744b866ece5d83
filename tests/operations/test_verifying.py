"""verify of worlds that were recorded on a real mesh: objects, config dump, curl's answers; and the whole report."""

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import anyio
import pytest
from worlds.fake_apiserver import silence, status, text
from worlds.fake_curl import Asked, Reply, curl
from worlds.object_store import ObjectStore, Printed, Program, now, pod
from worlds.recorded import FOLDER, PROBES, Probe
from worlds.recorded_cases import recorded_case, recorded_of

from kubectl_extsvc.cluster.client import Cluster
from kubectl_extsvc.commands.exit_codes import ExitCode
from kubectl_extsvc.commands.verify import exit_code
from kubectl_extsvc.errors import ApiError, TimedOut
from kubectl_extsvc.model.alias import HostTarget, Intent, TlsMode, TlsSettings
from kubectl_extsvc.model.report import Report
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.snapshot import Mesh
from kubectl_extsvc.operations.deadline import deadline
from kubectl_extsvc.operations.settling import SETTLING_SECONDS
from kubectl_extsvc.operations.verifying import verify
from kubectl_extsvc.operations.waiting import wait_until_known, what_is_missing
from kubectl_extsvc.operations.wishes import ProbeWishes, VerifyWishes

HEALTHY = "recipe-externalname-tls-origination/http"
BROKEN = "simple-no-sni/http"


@dataclass
class World:
    """A recorded world behind a fake API server."""

    store: ObjectStore
    probe: Probe
    hosts: dict[str, str]
    """What each outside host resolves to, for getent."""

    def answer(self, side: Json, asked: Asked) -> Reply:
        """As the recorded curl, for the alias; whatever else is asked of an address answers."""
        if not (asked.dialled.partition(":")[0]).endswith(".svc.cluster.local"):
            address = asked.dialled.partition(":")[0]
            return Reply(200, remote=f"{address}:{asked.dialled.rpartition(':')[2]}")
        headers = {name.lower(): value for name, value in side["headers"].items()}
        return Reply(
            side["status"], side["exit"], side["error"] or "", side["remote"], side["timings"]["time_connect"], headers
        )

    def program(self, side: Json) -> Program:
        asks = curl(lambda asked: self.answer(side, asked))

        def run(argv: list[str], stdin: bytes) -> Printed:
            return getent(argv, self.hosts) if argv[0] == "getent" else asks(argv, stdin)

        return run


def getent(argv: list[str], hosts: dict[str, str]) -> Printed:
    """glibc's `getent ahosts`."""
    lines = []
    for key in argv[2:]:
        address = hosts.get(key.rstrip("."), key)
        lines += [f"{address} STREAM {key}", f"{address} DGRAM", f"{address} RAW"]
    return "\n".join(lines).encode() + b"\n", b"", 0


def build(store: ObjectStore, key: str, *, log: bool = True) -> World:
    """log: the sidecar keeps an access log, so that a failure costs the second until it is written."""
    probe = next(probe for probe in PROBES if probe.key == key)
    snapshot = recorded_case(key).snapshot
    store.add(
        *snapshot.services, *snapshot.endpoint_slices, *snapshot.destination_rules,
        *snapshot.virtual_services, *snapshot.service_entries,
        pod("curl-1", sidecar=True, app="curl"), pod("curl-2", "without-istio", app="curl"),
        {"kind": "ConfigMap", "metadata": {"name": "istio", "namespace": "istio-system"}, "data": {"mesh": "{}"}},
    )  # fmt: skip
    world = World(store, probe, {host: addresses[0] for host, addresses in snapshot.resolved.items()})
    dump = (FOLDER / f"{probe.world}.json").read_bytes()
    dump = dump if log else dump.replace(b"envoy.access_loggers.", b"envoy.other.")
    store.on_exec("default/curl-1", {"app": world.program(probe.sidecar), "istio-proxy": lambda a, s: (dump, b"", 0)})
    store.on_exec("without-istio/curl-2", {"app": world.program(probe.plain)})
    written = "\n".join(recorded_of(probe.world)["access_log"])
    store.server.on("GET", "/api/v1/namespaces/default/pods/curl-1/log", text(written))
    return world


async def report_on(cluster: Cluster, *names: str, path: str = "/", probe: bool = True) -> Report:
    report = await verify(cluster, VerifyWishes(names, asked=ProbeWishes(path=path, probe=probe)), lambda line: None)
    assert 0 < report.seconds < 10
    return report


def outline(report: Report) -> Json:
    """All that the report decides, without the words of rules and stages."""
    return {
        "aliases": {
            alias.alias.name: {
                "tls": alias.tls,
                "Δ": alias.first_difference,
                "findings": [(f.code, str(f.severity), f.sources) for f in alias.findings],
                "skipped": sorted({s.unlock for s in alias.judgement.skipped}),
                "broken": alias.judgement.broken,
                "stages": {
                    f"{s.observation.source.key}:{s.observation.port.number}": " ".join(r.state for r in s.stages)
                    for s in alias.sources
                },
            }
            for alias in report.aliases
        },
        "mesh": (report.mesh.version, report.mesh.api_version),
        "unread": sorted(report.unread, key=lambda unread: unread.what),
        "notes": report.notes,
        "incomplete": report.incomplete,
    }


async def test_a_healthy_alias_that_originates_tls(store: ObjectStore, cluster: Cluster) -> None:
    build(store, HEALTHY)

    report = await report_on(cluster, "my-pay", path="/get")

    assert outline(report) == {
        "aliases": {
            "my-pay": {
                "tls": "SIMPLE by destinationrule/my-pay",
                "Δ": None,
                "findings": [],
                "skipped": [],
                "broken": (),
                "stages": {
                    "default/curl-1:80": "ok ok ok ok ok ok",
                    "without-istio/curl-2:80": "ok ok not-served not-applicable not-served not-served",
                },
            }
        },
        "mesh": ((1, 31), "v1"),
        "unread": [],
        "notes": (),
        "incomplete": False,
    }
    assert sorted(store.execs()) == [
        *(("curl-1", "app", command) for command in ("cat", "curl", "getent", "python3")),
        ("curl-1", "istio-proxy", "pilot-agent"),
        *(("curl-2", "app", command) for command in ("cat", "curl", "getent", "python3")),
    ]


async def test_a_broken_alias_names_the_cause_and_reads_the_access_log(store: ObjectStore, cluster: Cluster) -> None:
    build(store, BROKEN)

    report = await report_on(cluster, "my-pay", path="/get")

    assert outline(report) == {
        "aliases": {
            "my-pay": {
                "tls": "SIMPLE by destinationrule/my-pay",
                "Δ": None,
                "findings": [("XS0403", "error", ("default/curl-1",))],
                "skipped": [],
                "broken": (),
                "stages": {
                    "default/curl-1:80": "ok ok ok ok failed not-reached",
                    "without-istio/curl-2:80": "ok ok ok not-applicable not-served not-served",
                },
            }
        },
        "mesh": ((1, 31), "v1"),
        "unread": [],
        "notes": (),
        "incomplete": False,
    }
    assert [command for _, _, command in store.execs()].count("pilot-agent") == 1, "an old alias is looked at once"
    logs = [seen.query for seen in store.server.requests if seen.path.endswith("/log")]
    assert logs == [(("container", "istio-proxy"), ("sinceSeconds", "15"), ("limitBytes", "1048576"))]
    (line,) = [s.observation.access_log for s in report.aliases[0].sources if s.observation.access_log]
    assert line.transport_failure


async def test_without_probes_no_application_is_asked(store: ObjectStore, cluster: Cluster) -> None:
    build(store, HEALTHY)

    report = await report_on(cluster, "my-pay", probe=False)

    assert store.execs() == [("curl-1", "istio-proxy", "pilot-agent")]
    assert not report.incomplete
    assert report.aliases[0].tls == "SIMPLE by destinationrule/my-pay"
    assert [finding.code for finding in report.aliases[0].findings] == []


async def test_execs_and_lists_do_not_grow_with_aliases(store: ObjectStore, cluster: Cluster) -> None:
    build(store, HEALTHY)
    service = next(obj for key, obj in store.objects.items() if key[0] == "services")
    for number in range(12):
        metadata = {"name": f"more-{number}", "namespace": "default"}
        spec = {**service["spec"], "externalName": "httpbin.org"}
        store.add({"kind": "Service", "metadata": metadata, "spec": spec})

    report = await report_on(cluster)

    assert len(report.aliases) == 13
    # Each source: the transfers by curl, and the names by the last of the resolver tools.
    assert len([command for _, container, command in store.execs() if container == "app"]) == 2 * 4
    # Slices twice: those of the namespace's pods, and those of all namespaces that no selector makes.
    assert len([seen for seen in store.server.requests if not seen.path.endswith(("/exec", "/log"))]) == 13


async def test_a_source_that_may_not_be_probed_makes_the_report_incomplete(
    store: ObjectStore, cluster: Cluster
) -> None:
    world = build(store, HEALTHY)
    path = "/api/v1/namespaces/default/pods/curl-1/exec"
    world.store.server._answers.pop(("GET", path))
    store.server.on("GET", path, status(403, "Forbidden", 'pods "curl-1" is forbidden'))

    report = await report_on(cluster, "my-pay")

    assert report.incomplete
    stages = outline(report)["aliases"]["my-pay"]["stages"]
    assert "not-observed" in stages["default/curl-1:80"]
    assert stages["without-istio/curl-2:80"] == "ok ok not-served not-applicable not-served not-served"
    assert [(unread.reason, unread.unlock) for unread in report.unread] == [
        ('pods "curl-1" is forbidden (needs get and create on pods/exec)', "get and create pods/exec")
    ]


async def test_a_lookup_that_times_out_makes_the_report_incomplete_and_no_error(
    store: ObjectStore, cluster: Cluster
) -> None:
    world = build(store, HEALTHY)
    slow = curl(lambda asked: Reply(0, 28, "Resolving timed out after 5001 milliseconds", connect=0.0))
    names = world.program(world.probe.sidecar)
    dump = (FOLDER / f"{world.probe.world}.json").read_bytes()
    world.store.server._answers.pop(("GET", "/api/v1/namespaces/default/pods/curl-1/exec"))
    store.on_exec(
        "default/curl-1",
        {
            "app": lambda argv, stdin: slow(argv, stdin) if argv[0] == "curl" else names(argv, stdin),
            "istio-proxy": lambda argv, stdin: (dump, b"", 0),
        },
    )

    report = await report_on(cluster, "my-pay")

    told = outline(report)
    assert told["aliases"]["my-pay"]["findings"] == [("XS0102", "info", ("default/curl-1",))]
    assert told["aliases"]["my-pay"]["stages"]["default/curl-1:80"].startswith("not-observed not-reached")
    assert exit_code(report, "error", strict=False) == ExitCode.INCOMPLETE


async def test_rules_that_may_not_be_read_are_skipped_and_the_report_is_complete(
    store: ObjectStore, cluster: Cluster
) -> None:
    build(store, HEALTHY)
    path = "/apis/networking.istio.io/v1/destinationrules"
    store.server.on("GET", path, status(403, "Forbidden", "no rules for you"))

    report = await report_on(cluster, "my-pay")

    verb = "list destinationrules.networking.istio.io"
    assert (report.incomplete, [unread.unlock for unread in report.unread]) == (False, [verb])
    assert verb in outline(report)["aliases"]["my-pay"]["skipped"]
    assert report.aliases[0].findings == ()


async def test_without_any_pod_the_report_is_incomplete_and_names_the_flags(
    store: ObjectStore, cluster: Cluster
) -> None:
    build(store, HEALTHY)
    store.objects = {key: obj for key, obj in store.objects.items() if key[0] != "pods"}

    report = await report_on(cluster, "my-pay")

    flags = "use --probe-pods for a throw-away pair, or --from pod/NAME.NAMESPACE"
    assert report.incomplete
    assert report.notes == tuple(f"no running {mode} pod to probe from; {flags}" for mode in ("plain", "sidecar"))
    assert store.execs() == []


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("nope",), 'Error from server (NotFound): services "nope" not found'),
        ((), "No aliases found in default namespace."),
        (("kubernetes",), "error: service/kubernetes is not an alias: "),
    ],
)
async def test_what_is_no_alias_is_not_found(
    store: ObjectStore, cluster: Cluster, names: tuple[str, ...], message: str
) -> None:
    store.add({"kind": "Service", "metadata": {"name": "kubernetes"}, "spec": {"clusterIP": "10.96.0.1"}})

    with pytest.raises(ApiError) as caught:
        await verify(cluster, VerifyWishes(names=names), lambda line: None)

    assert str(caught.value).startswith(message)
    assert caught.value.code == 404
    assert store.execs() == []


async def test_a_young_alias_is_looked_at_again_until_it_is_well(store: ObjectStore, cluster: Cluster) -> None:
    """Its name is not known everywhere at once: a DNS answer may be of before its time."""
    world = build(store, HEALTHY, log=False)
    for obj in store.objects.values():
        obj["metadata"]["creationTimestamp"] = now()
    rounds: list[int] = []
    known = world.answer

    def answer(side: Json, asked: Asked) -> Reply:
        rounds.append(1)
        if len(rounds) <= 2:
            return Reply(0, 6, "Could not resolve host", connect=0.0)
        return known(side, asked)

    world.answer = answer  # type: ignore[method-assign]

    report = await report_on(cluster, "my-pay", path="/get")

    assert outline(report)["aliases"]["my-pay"]["stages"]["default/curl-1:80"] == "ok ok ok ok ok ok"
    assert report.seconds > 0.5


async def test_how_young_an_alias_is_counts_when_the_look_begins(store: ObjectStore, cluster: Cluster) -> None:
    """A busy machine may take seconds from the question to the verdict: what DNS said at first was of before."""
    world = build(store, HEALTHY, log=False)
    born = datetime.now(UTC) - timedelta(seconds=SETTLING_SECONDS - 1)
    for obj in store.objects.values():
        obj["metadata"]["creationTimestamp"] = born.isoformat()
    asked_at: list[float] = []
    known = world.answer

    def answer(side: Json, asked: Asked) -> Reply:
        asked_at.append(time.monotonic())
        if len(asked_at) <= 2:
            time.sleep(0.75)
            return Reply(0, 6, "Could not resolve host", connect=0.0)
        return known(side, asked)

    world.answer = answer  # type: ignore[method-assign]

    report = await report_on(cluster, "my-pay", path="/get")

    assert report.aliases[0].findings == ()
    assert outline(report)["aliases"]["my-pay"]["stages"]["default/curl-1:80"] == "ok ok ok ok ok ok"


async def test_the_deadline_says_what_did_not_end_and_which_flag_helps(store: ObjectStore, cluster: Cluster) -> None:
    store.server.on("GET", "/api/v1/services", silence())
    begun = time.monotonic()

    with pytest.raises(TimedOut) as caught:
        async with deadline(0.3, "verify"):
            await verify(cluster, VerifyWishes(), lambda line: None)

    assert str(caught.value) == "verify did not end within 0.3 s; use --timeout to give it more"
    assert time.monotonic() - begun < 2


async def test_the_deadline_lets_a_block_that_ends_alone_and_tells_what_is_left() -> None:
    async with deadline(5, "verify") as left:
        await anyio.sleep(0.05)
        seconds = left()
    assert 4 < seconds < 5


INTENT = Intent("default", "my-pay", HostTarget("api.pay.example"), (), TlsSettings(TlsMode.SIMPLE), mesh=True)
MESH = Mesh(installed=True, api_version="v1")


async def test_nothing_is_missing_of_a_healthy_alias(store: ObjectStore, cluster: Cluster) -> None:
    build(store, HEALTHY)

    assert what_is_missing(await report_on(cluster, "my-pay"), INTENT) == []


async def test_a_name_that_does_not_resolve_is_missing_at_each_source(store: ObjectStore, cluster: Cluster) -> None:
    world = build(store, HEALTHY, log=False)
    world.answer = lambda side, asked: Reply(0, 6, "Could not resolve host", connect=0.0)  # type: ignore[method-assign]

    assert what_is_missing(await report_on(cluster, "my-pay"), INTENT) == [
        "the name does not resolve in pod/curl-1",
        "the name does not resolve in pod/curl-2",
    ]


def without_our_rule(dump: bytes) -> bytes:
    """As before the push: the cluster's metadata names no rule."""
    return re.sub(rb'"config": "[^"]*/destination-rule/my-pay"', b'"config": ""', dump)


async def test_a_rule_that_has_not_come_is_missing_at_its_sidecar(store: ObjectStore, cluster: Cluster) -> None:
    world = build(store, HEALTHY)
    late_sidecar(world)

    report = await report_on(cluster, "my-pay")

    assert what_is_missing(report, INTENT) == ["our rule has not reached the sidecar of pod/curl-1"]


def late_sidecar(world: World) -> None:
    dump = without_our_rule((FOLDER / f"{world.probe.world}.json").read_bytes())
    assert dump != (FOLDER / f"{world.probe.world}.json").read_bytes()
    world.store.server._answers.pop(("GET", "/api/v1/namespaces/default/pods/curl-1/exec"))
    programs = {"app": world.program(world.probe.sidecar), "istio-proxy": lambda a, s: (dump, b"", 0)}
    world.store.on_exec("default/curl-1", programs)


async def test_waiting_ends_as_soon_as_all_is_known(store: ObjectStore, cluster: Cluster, said: list[str]) -> None:
    build(store, HEALTHY)

    await wait_until_known(cluster, INTENT, MESH, 5.0, said.append)

    assert said == []


async def test_waiting_in_vain_names_what_is_missing(store: ObjectStore, cluster: Cluster, said: list[str]) -> None:
    late_sidecar(build(store, HEALTHY))

    with pytest.raises(TimedOut) as caught:
        await wait_until_known(cluster, INTENT, MESH, 0.8, said.append)

    assert str(caught.value) == (
        "alias my-pay was created, but within the time limit our rule has not reached the sidecar of pod/curl-1"
    )


async def test_waiting_that_saw_nothing_in_time_says_so(store: ObjectStore, cluster: Cluster, said: list[str]) -> None:
    build(store, HEALTHY)
    store.server.on("GET", "/api/v1/namespaces/default/services", silence())

    with pytest.raises(TimedOut) as caught:
        await wait_until_known(cluster, INTENT, MESH, 0.3, said.append)

    assert str(caught.value) == "alias my-pay was created, but within the time limit no source could be looked from"


async def test_without_sources_there_is_nothing_to_wait_with(
    store: ObjectStore, cluster: Cluster, said: list[str]
) -> None:
    store.istio = ()

    await wait_until_known(cluster, INTENT, Mesh(installed=False), 5.0, said.append)

    assert said == [
        "nothing to wait with: no running plain pod to probe from; "
        "use --probe-pods for a throw-away pair, or --from pod/NAME.NAMESPACE"
    ]
