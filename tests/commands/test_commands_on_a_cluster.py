"""create, list, verify and delete through main, by a kubeconfig file, against a server that keeps objects."""

import asyncio
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest
import yaml
from aiohttp import web
from worlds.fake_apiserver import silence, status
from worlds.fake_curl import Reply, curl
from worlds.object_store import ObjectStore, path_of, pod

from kubectl_extsvc.model.resources import DESTINATION_RULES, SERVICES, Resource

CREATE = "create --external-name httpbin.org"
CREATED = [
    "service/my-httpbin created",
    "serviceentry.networking.istio.io/my-httpbin created",
    "destinationrule.networking.istio.io/my-httpbin created",
    "virtualservice.networking.istio.io/my-httpbin created",
]


class Ran(Protocol):
    code: int
    out: str
    err: str


Run = Callable[..., Ran]
"""A command line → what came of it (the fixture extsvc)."""


def lines(text: str) -> list[str]:
    return text.splitlines()


def test_create_says_its_objects_on_stdout_and_how_to_call_it_on_stderr(store: ObjectStore, extsvc: Run) -> None:
    ran = extsvc(CREATE)

    assert (ran.code, lines(ran.out)) == (0, CREATED)
    assert lines(ran.err) == ["name: my-httpbin", "any pod: curl http://my-httpbin.default/"]


def test_create_done_twice_is_unchanged(store: ObjectStore, extsvc: Run) -> None:
    extsvc(CREATE)

    ran = extsvc(CREATE)

    assert (ran.code, lines(ran.out)) == (0, [line.replace("created", "unchanged") for line in CREATED])


def test_create_with_another_intent_is_one_line_and_exit_2(store: ObjectStore, extsvc: Run) -> None:
    extsvc(CREATE)

    ran = extsvc("create my-httpbin --external-name example.org")

    assert (ran.code, ran.out) == (2, "")
    assert lines(ran.err) == [
        'error: alias "my-httpbin" already exists with external name httpbin.org; nothing was changed. Use --overwrite.'
    ]


def test_a_refused_write_is_told_after_what_was_taken_back(store: ObjectStore, extsvc: Run) -> None:
    store.server.on(
        "PATCH", path_of(DESTINATION_RULES, "default", "my-httpbin"), store.handle, status(403, "Forbidden", "no")
    )

    ran = extsvc(CREATE)

    assert (ran.code, ran.out, store.names()) == (2, "", [])
    assert lines(ran.err) == [
        "name: my-httpbin",
        'serviceentry.networking.istio.io "my-httpbin" taken back',
        'service "my-httpbin" taken back',
        "Error from server (Forbidden): no",
        "nothing was changed",
    ]


def test_printed_manifests_are_documents_without_owners(store: ObjectStore, extsvc: Run) -> None:
    ran = extsvc(f"{CREATE} --dry-run=client -o yaml")

    documents = list(yaml.safe_load_all(ran.out))
    assert (ran.code, store.writes()) == (0, [])
    assert [obj["kind"] for obj in documents] == ["Service", "ServiceEntry", "DestinationRule", "VirtualService"]
    assert not [obj for obj in documents if {"ownerReferences", "uid"} & set(obj["metadata"])]


def test_names_only_and_dry_runs_are_marked(store: ObjectStore, extsvc: Run) -> None:
    assert lines(extsvc(f"{CREATE} --dry-run=server -o name").out)[0] == "service/my-httpbin"
    assert lines(extsvc(f"{CREATE} --dry-run=server").out)[0] == "service/my-httpbin created (server dry run)"
    assert store.names() == []


def test_create_that_does_not_end_in_time_is_exit_2(store: ObjectStore, extsvc: Run) -> None:
    store.server.on("GET", "/apis/networking.istio.io", silence())

    ran = extsvc(f"{CREATE} --timeout 300ms")

    assert ran.code == 2
    assert lines(ran.err)[-1] == "error: create did not end within 0.3 s; use --timeout to give it more"


def test_create_wait_names_what_is_missing_at_its_end(store: ObjectStore, extsvc: Run) -> None:
    """The alias is there, and said, although waiting failed."""
    store.istio = ()
    store.add(pod("cron"))
    store.on_exec("default/cron", {"app": curl(lambda asked: Reply(0, 6, "Could not resolve host", connect=0.0))})

    ran = extsvc(f"{CREATE} --wait --timeout 1s")

    assert (ran.code, lines(ran.out)) == (2, ["service/my-httpbin created"])
    assert lines(ran.err)[-1] == (
        "error: alias my-httpbin was created, but within the time limit the name does not resolve in pod/cron"
    )
    assert store.names() == ["pods/default/cron", "services/default/my-httpbin"]


@pytest.mark.parametrize(
    ("resource", "sent"), [(SERVICES, signal.SIGINT), (DESTINATION_RULES, signal.SIGTERM)], ids=["first", "third"]
)
def test_an_interrupted_create_takes_back_even_the_write_under_way(
    store: ObjectStore, config: Path, resource: Resource, sent: signal.Signals
) -> None:
    reached = threading.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        answer = await store.handle(request)
        reached.set()
        await asyncio.sleep(0.3)
        return answer

    store.server.on("PATCH", path_of(resource, "default", "my-httpbin"), store.handle, slow)
    argv = [sys.executable, "-m", "kubectl_extsvc", *CREATE.split(), "--kubeconfig", str(config)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert reached.wait(20)
        process.send_signal(sent)
        out, err = process.communicate(timeout=20)

    assert (process.returncode, out, store.names()) == (130, "", [])
    assert lines(err)[-1] == 'service "my-httpbin" taken back'
    assert "Traceback" not in err


def test_list_shows_what_is_there(store: ObjectStore, extsvc: Run) -> None:
    extsvc(CREATE)

    ran = extsvc("list")

    assert ran.code == 0
    assert lines(ran.out)[0].split()[:3] == ["NAME", "FORM", "TARGET"]
    assert lines(ran.out)[1].split()[:3] == ["my-httpbin", "ExternalName", "httpbin.org"]
    assert json.loads(extsvc("list -o json").out)["kind"] == "AliasList"


def test_list_of_nothing_says_so_on_stderr(store: ObjectStore, extsvc: Run) -> None:
    ran = extsvc("list")
    assert (ran.code, ran.out, ran.err) == (0, "", "No resources found in default namespace.\n")


def test_delete_says_each_object_in_kubectls_words(store: ObjectStore, extsvc: Run) -> None:
    extsvc(CREATE)

    ran = extsvc("delete my-httpbin")

    assert (ran.code, store.names(), ran.err) == (0, [], "")
    assert sorted(lines(ran.out)) == [
        'destinationrule.networking.istio.io "my-httpbin" deleted',
        'service "my-httpbin" deleted',
        'serviceentry.networking.istio.io "my-httpbin" deleted',
        'virtualservice.networking.istio.io "my-httpbin" deleted',
    ]


@pytest.mark.parametrize(
    ("line", "ran"),
    [
        ("delete nope", (2, "", 'Error from server (NotFound): services "nope" not found\n')),
        ("delete nope --ignore-not-found", (0, "", "")),
        ("delete --all", (0, "", "No resources found in default namespace.\n")),
        ("delete -l a=b", (0, "", "No resources found in default namespace.\n")),
        ("verify nope", (2, "", 'Error from server (NotFound): services "nope" not found\n')),
        ("verify", (2, "", "No aliases found in default namespace.\n")),
        ("verify --from service/x", (2, "", 'error: --from "service/x": KIND must be one of pod, daemonset, '
                                     "deployment, job, replicaset, statefulset\n")),
        ("verify -A", (2, "", "No aliases found in any namespace.\n")),
    ],
)  # fmt: skip
def test_what_is_not_there(store: ObjectStore, extsvc: Run, line: str, ran: tuple[int, str, str]) -> None:
    done = extsvc(line)
    assert (done.code, done.out, done.err) == ran


def test_delete_names_what_a_finalizer_holds(store: ObjectStore, extsvc: Run) -> None:
    store.istio = ()
    extsvc(CREATE)
    store.kept_by_finalizer.add(("services", "default", "my-httpbin"))

    ran = extsvc("delete my-httpbin --timeout 200ms")

    assert (ran.code, ran.out) == (2, 'service "my-httpbin" deleted\n')
    assert ran.err == (
        "error: timed out waiting for the condition on service/my-httpbin: deleted, but not gone after 0.2 s"
        " (a finalizer holds them)\n"
    )
    assert extsvc("delete my-httpbin --wait=false").code == 0


def healthy(store: ObjectStore) -> None:
    store.istio = ()
    store.add(pod("cron"))
    store.on_exec("default/cron", {"app": curl(lambda asked: Reply(200, headers={"server": "origin"}))})


def test_verify_of_a_healthy_alias_is_exit_0_in_every_format(store: ObjectStore, extsvc: Run) -> None:
    healthy(store)
    extsvc(CREATE)

    assert extsvc("verify my-httpbin").code == 0
    report = json.loads(extsvc("verify -o json").out)
    assert (report["kind"], report["apiVersion"]) == ("Report", "extsvc.dev/v1alpha1")
    assert yaml.safe_load(extsvc("verify -o yaml").out)["kind"] == "Report"
    assert extsvc("verify -o junit").out.startswith("<?xml")


def test_verify_of_an_unreachable_target_is_exit_1(store: ObjectStore, extsvc: Run) -> None:
    store.istio = ()
    store.add(pod("cron"))
    refused = Reply(0, 7, "Failed to connect to my-httpbin port 80: Connection refused", connect=0.0)
    store.on_exec("default/cron", {"app": curl(lambda asked: refused)})
    extsvc(CREATE)

    assert extsvc("verify my-httpbin").code == 1


def test_verify_without_the_right_to_exec_is_exit_3_and_names_it(store: ObjectStore, extsvc: Run) -> None:
    store.istio = ()
    store.add(pod("cron"))
    store.server.on(
        "GET", "/api/v1/namespaces/default/pods/cron/exec", status(403, "Forbidden", "exec is forbidden for you")
    )
    extsvc(CREATE)

    ran = extsvc("verify my-httpbin")

    assert ran.code == 3
    assert "needs get and create on pods/exec" in ran.out
    assert extsvc("verify my-httpbin --no-probe").code == 0


def test_verify_without_sources_is_exit_3_and_talks_beside_the_data(store: ObjectStore, extsvc: Run) -> None:
    store.istio = ()
    extsvc(CREATE)

    ran = extsvc("verify -o json")

    assert (ran.code, json.loads(ran.out)["kind"]) == (3, "Report")
    assert ran.err == (
        "no running plain pod to probe from; use --probe-pods for a throw-away pair, or --from pod/NAME.NAMESPACE\n"
    )


def test_create_verify_gives_the_verdict(store: ObjectStore, extsvc: Run) -> None:
    healthy(store)

    ran = extsvc(f"{CREATE} --verify")

    assert ran.code == 0
    assert lines(ran.out)[0] == "service/my-httpbin created"
    assert "my-httpbin.default" in ran.out


def test_warnings_of_the_server_are_shown_once(store: ObjectStore, extsvc: Run) -> None:
    async def warn(request: web.Request) -> web.StreamResponse:
        answer = await store.handle(request)
        answer.headers["Warning"] = '299 - "spec.externalName is frowned upon"'
        return answer

    store.istio = ()
    store.server.on("PATCH", path_of(SERVICES, "default", "my-httpbin"), warn)

    assert lines(extsvc(CREATE).err)[-1] == "Warning: spec.externalName is frowned upon"
