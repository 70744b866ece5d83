"""fix through main, up to the moment where it would write: what it says, where, and its exit code."""

from collections.abc import Callable
from typing import Any, Protocol

import pytest
import yaml
from worlds.fake_curl import Reply, curl
from worlds.object_store import ObjectStore, pod

from kubectl_extsvc.model.resources import Json


class Ran(Protocol):
    code: int
    out: str
    err: str


Run = Callable[..., Ran]

DIFF = [
    "--- endpointslice.discovery.k8s.io/pay-1  namespace default",
    "+++ endpointslice.discovery.k8s.io/pay-1  namespace default",
    "  metadata:",
    "+   labels:",
    "+     kubernetes.io/service-name: pay",
]
FOUND = (
    "XS0201 endpointslice/pay-1 lacks the label kubernetes.io/service-name, so that nobody takes it for service/pay "
    "(it comes first)"
)
FOREIGN = 'endpointslice/pay-1 in namespace "default" was not made by kubectl extsvc'


def unlabelled(store: ObjectStore, **metadata: Any) -> None:
    """An alias whose slice lacks its label; every call fails."""
    store.istio = ()
    store.add(pod("cron"))
    refused = Reply(0, 7, "Failed to connect to pay port 80: Connection refused", connect=0.0)
    store.on_exec("default/cron", {"app": curl(lambda asked: refused)})
    ports: list[Json] = [{"name": "http", "port": 80, "protocol": "TCP"}]
    spec = {"type": "ClusterIP", "clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"], "ports": ports}
    store.add(
        {"kind": "Service", "metadata": {"name": "pay"}, "spec": spec},
        {
            "kind": "EndpointSlice",
            "metadata": {"name": "pay-1", "resourceVersion": "5", **metadata},
            "addressType": "IPv4",
            "ports": ports,
            "endpoints": [{"addresses": ["203.0.113.20"]}],
        },
    )


def test_without_a_terminal_the_change_is_shown_and_not_made(store: ObjectStore, extsvc: Run) -> None:
    unlabelled(store)
    ran = extsvc("fix pay")
    assert (ran.code, ran.out.splitlines()[:2]) == (2, DIFF[:2])
    assert ran.err.splitlines() == [
        FOUND,
        FOREIGN,
        "error: there is no terminal to ask at, so nothing was changed. Use --yes",
    ]
    assert store.writes() == ["PATCH endpointslices/pay-1 (dry run)"]


def test_a_client_dry_run_shows_the_change_and_asks_no_server(store: ObjectStore, extsvc: Run) -> None:
    unlabelled(store)
    ran = extsvc("fix pay --dry-run=client")
    told = "endpointslice.discovery.k8s.io/pay-1 configured (dry run)"
    assert (ran.code, ran.out.splitlines(), ran.err) == (0, [*DIFF, told], f"{FOUND}\n")
    assert store.writes() == []


def test_a_server_dry_run_asks_the_server(store: ObjectStore, extsvc: Run) -> None:
    unlabelled(store)
    ran = extsvc("fix pay XS0201 --dry-run=server")
    assert (ran.code, ran.out.splitlines()[-1]) == (
        0,
        "endpointslice.discovery.k8s.io/pay-1 configured (server dry run)",
    )
    assert store.writes() == ["PATCH endpointslices/pay-1 (dry run)"]


def test_manifests_are_printed_and_nothing_is_changed(store: ObjectStore, extsvc: Run) -> None:
    unlabelled(store)
    ran = extsvc("fix pay -o yaml")
    (manifest,) = yaml.safe_load_all(ran.out)
    labels = {"kubernetes.io/service-name": "pay"}
    assert (ran.code, manifest["metadata"]) == (0, {"name": "pay-1", "namespace": "default", "labels": labels})
    assert store.writes() == []


def test_an_object_that_helm_keeps_is_shown_and_not_changed(store: ObjectStore, extsvc: Run) -> None:
    unlabelled(store, annotations={"meta.helm.sh/release-name": "web"})
    ran = extsvc("fix pay --yes")
    assert (ran.code, ran.out.splitlines()) == (1, DIFF)
    assert ran.err.splitlines()[1:] == [
        'endpointslice/pay-1 in namespace "default" belongs to Helm release "web": change it at its source',
        "nothing was changed",
    ]
    assert store.writes() == []


def test_a_finding_for_a_person_is_said_in_its_words(store: ObjectStore, extsvc: Run) -> None:
    store.istio = ()
    store.add(pod("cron"))
    unknown = Reply(0, 6, "Could not resolve host", connect=0.0)
    store.on_exec("default/cron", {"app": curl(lambda asked: unknown)})
    spec = {"type": "ExternalName", "externalName": "typo.example", "ports": [{"name": "http", "port": 80}]}
    store.add({"kind": "Service", "metadata": {"name": "pay"}, "spec": spec})
    ran = extsvc("fix pay")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.splitlines() == [
        'XS0102 "pay.default.svc.cluster.local" leads to "typo.example", and no address is found',
        "only a person can cure it: correct the target: kubectl extsvc create pay -n default --external-name HOST "
        "--port http:80 --adopt --overwrite",
        "nothing was changed",
    ]


NO_POD = "no running plain pod to probe from; use --probe-pods for a throw-away pair, or --from pod/NAME.NAMESPACE"


@pytest.mark.parametrize(
    ("probed", "code", "said"),
    [
        (True, 0, ["alias pay is well: there is nothing to fix"]),
        (
            False,
            3,
            ["alias pay has no finding, and something could not be observed: there is nothing to fix", NO_POD],
        ),
    ],
)
def test_an_alias_without_findings_has_nothing_to_fix(
    store: ObjectStore, extsvc: Run, probed: bool, code: int, said: list[str]
) -> None:
    store.istio = ()
    spec = {"type": "ExternalName", "externalName": "httpbin.org", "ports": [{"name": "http", "port": 80}]}
    store.add({"kind": "Service", "metadata": {"name": "pay"}, "spec": spec})
    if probed:
        store.add(pod("cron"))
        store.on_exec("default/cron", {"app": curl(lambda asked: Reply(200, headers={"server": "origin"}))})
    ran = extsvc("fix pay")
    assert (ran.code, ran.out, ran.err.splitlines()) == (code, "", said)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("fix", "error: a NAME is needed; nothing was changed"),
        ("fix pay XS9999", 'error: there is no rule "XS9999"; nothing was changed'),
        ("fix pay XS0101 more", "error: unexpected argument 'more'"),
        ("fix pay --method get", 'error: --method "get" must be a word in capital letters, for example GET'),
        ("fix nope", 'Error from server (NotFound): services "nope" not found'),
        ("fix pay xs0101", "error: verify does not find XS0101 here, it finds: XS0201; nothing was changed"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_exit_2(store: ObjectStore, extsvc: Run, line: str, said: str) -> None:
    unlabelled(store)
    ran = extsvc(line)
    assert (ran.code, ran.out, ran.err.splitlines()[0]) == (2, "", said)
    assert store.writes() == []


def test_every_flag_that_says_how_to_look_is_the_one_of_verify(extsvc: Run, capsys: pytest.CaptureFixture[str]) -> None:
    from kubectl_extsvc.commands import fix, verify
    from kubectl_extsvc.commands.parsing import Parser

    flags = {command: set(Parser("x", command)._option_string_actions) for command in (fix, verify)}
    assert flags[verify] - flags[fix] == {"-A", "--all-namespaces", "--no-all-namespaces", "-l", "--selector"}
    # -y is of both: verify asks before it adds a container to a pod.
    assert flags[fix] - flags[verify] == {"--dry-run"}
