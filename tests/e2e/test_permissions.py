"""What people see who may not do everything, or ask for what is not there: real RBAC on a real cluster."""

import json
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Grant = Callable[..., None]
Json = dict[str, Any]

USER = "extsvc-tests-user"
AS_USER = ("--as", USER)
ISTIO = "networking.istio.io"
READS: tuple[tuple[str, str, str], ...] = (
    ("", "services", "list"),
    ("discovery.k8s.io", "endpointslices", "list"),
    (ISTIO, "destinationrules", "list"),
    (ISTIO, "virtualservices", "list"),
    (ISTIO, "serviceentries", "list"),
    (ISTIO, "sidecars", "list"),
    ("", "pods", "list"),
    ("", "pods/log", "get"),
    ("", "configmaps", "get"),
    ("networking.k8s.io", "networkpolicies", "list"),
)
EXEC = (("", "pods/exec", "get"), ("", "pods/exec", "create"))
WRITES = tuple(
    (group, plural, verb)
    for group, plural in (
        ("", "services"),
        ("discovery.k8s.io", "endpointslices"),
        (ISTIO, "destinationrules"),
        (ISTIO, "virtualservices"),
        (ISTIO, "serviceentries"),
    )
    for verb in ("get", "list", "create", "patch", "delete")
)


@pytest.fixture
def grant(kubectl: Run) -> Iterator[Grant]:
    """Gives the user these rights, as (group, resource, verb), everywhere, until the end of the test."""
    kind = "rbac.authorization.k8s.io"

    def give(*rights: tuple[str, str, str]) -> None:
        rules = [{"apiGroups": [group], "resources": [what], "verbs": [verb]} for group, what, verb in rights]
        role = {"apiVersion": f"{kind}/v1", "kind": "ClusterRole", "metadata": {"name": USER}, "rules": rules}
        binding = {
            "apiVersion": f"{kind}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": USER},
            "roleRef": {"apiGroup": kind, "kind": "ClusterRole", "name": USER},
            "subjects": [{"apiGroup": kind, "kind": "User", "name": USER}],
        }
        kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": [role, binding]}))

    yield give
    kubectl("delete", "clusterrolebinding,clusterrole", USER, "--ignore-not-found")


@pytest.fixture(scope="module")
def httpbin(extsvc: Run, foreign_namespaces: frozenset[str]) -> Iterator[str]:
    """An alias that all tests look at and none changes."""
    extsvc("create", "my-httpbin", "--external-name", "httpbin.org", "--wait")
    yield "my-httpbin"
    extsvc("delete", "my-httpbin", "--ignore-not-found")


def without(rights: tuple[tuple[str, str, str], ...], *resources: str) -> tuple[tuple[str, str, str], ...]:
    return tuple(right for right in rights if right[1] not in resources)


def report_of(done: "subprocess.CompletedProcess[str]") -> Json:
    assert "Traceback" not in done.stderr
    report: Json = json.loads(done.stdout)
    return report


def verify_as_user(extsvc: Run, *argv: str) -> "subprocess.CompletedProcess[str]":
    return extsvc("verify", *argv, *AS_USER, "-o", "json", check=False)


def codes(report: Json) -> list[str]:
    return [finding["code"] for alias in report["aliases"] for finding in alias["findings"]]


def unlocks(report: Json) -> set[str]:
    return {skipped["unlock"] for alias in report["aliases"] for skipped in alias["skipped"]}


# --- verify with less than all rights --------------------------------------------------------------------------------


def test_the_rights_that_the_readme_names_are_enough_to_verify(extsvc: Run, grant: Grant, httpbin: str) -> None:
    grant(*READS, *EXEC)
    done = verify_as_user(extsvc, httpbin)
    report = report_of(done)
    assert (done.returncode, codes(report), unlocks(report), report["unread"]) == (0, [], set(), [])


def test_without_exec_the_report_is_incomplete_and_names_the_verb(extsvc: Run, grant: Grant, httpbin: str) -> None:
    grant(*READS)
    done = verify_as_user(extsvc, httpbin)
    report = report_of(done)
    assert (done.returncode, codes(report), report["incomplete"]) == (3, [], True)
    assert unlocks(report) == {"get and create pods/exec"}
    text = extsvc("verify", httpbin, *AS_USER, check=False)
    assert text.returncode == 3
    assert "get and create on pods/exec" in text.stdout
    assert f'User "{USER}" cannot' in text.stdout


def test_without_destinationrules_the_probes_decide_and_the_skipped_rules_are_named(
    extsvc: Run, grant: Grant, httpbin: str
) -> None:
    grant(*without(READS, "destinationrules"), *EXEC)
    done = verify_as_user(extsvc, httpbin)
    report = report_of(done)
    assert (done.returncode, codes(report), report["incomplete"]) == (0, [], False)
    assert [(unread["what"], unread["unlock"]) for unread in report["unread"]] == [
        (f"destinationrules.{ISTIO}", f"list destinationrules.{ISTIO}")
    ]
    assert unlocks(report) == {f"list destinationrules.{ISTIO}"}
    assert extsvc("verify", httpbin, *AS_USER, "--strict", check=False).returncode == 3
    assert f"list destinationrules.{ISTIO}" in extsvc("verify", httpbin, *AS_USER, check=False).stdout


def test_who_may_not_list_services_reads_what_kubectl_says(
    extsvc: Run, kubectl: Run, grant: Grant, httpbin: str
) -> None:
    grant(*without(READS, "services"), *EXEC)
    done = extsvc("verify", httpbin, *AS_USER, check=False)
    kubectls = kubectl("get", "services", *AS_USER, check=False).stderr
    assert (done.returncode, done.stdout, done.stderr) == (2, "", kubectls)


def test_who_may_not_list_pods_gets_no_source_and_reads_why(extsvc: Run, grant: Grant, httpbin: str) -> None:
    grant(*without(READS, "pods"), *EXEC)
    done = verify_as_user(extsvc, httpbin)
    report = report_of(done)
    assert (done.returncode, codes(report), report["incomplete"]) == (3, [], True)
    assert [(unread["what"], unread["unlock"]) for unread in report["unread"]] == [("pods", "list pods")]
    assert "list pods" in extsvc("verify", httpbin, *AS_USER, check=False).stdout


@pytest.mark.parametrize("verb", ["get", "create"])
def test_half_of_the_right_to_exec_is_said_not_guessed(
    extsvc: Run, kubectl: Run, grant: Grant, httpbin: str, verb: str
) -> None:
    """A WebSocket opens by GET, which servers before 1.35 authorize as get only: then kubectl exec works, and we."""
    grant(*READS, ("", "pods", "get"), ("", "pods/exec", verb))
    done = verify_as_user(extsvc, httpbin)
    report = report_of(done)
    assert codes(report) == []
    if verb == "get":
        assert (done.returncode, unlocks(report)) == (0, set())
    else:
        assert (done.returncode, unlocks(report)) == (3, {"get and create pods/exec"})
        assert "get and create on pods/exec" in extsvc("verify", httpbin, *AS_USER, check=False).stdout


def test_rights_in_one_namespace_suffice_for_a_look_at_its_objects(extsvc: Run, kubectl: Run, httpbin: str) -> None:
    """A Role of the namespace: Istio's objects of other namespaces stay unread, and that is said."""
    rbac = "rbac.authorization.k8s.io"
    rules = [{"apiGroups": [g], "resources": [r], "verbs": [v]} for g, r, v in (*READS, *EXEC)]
    role = {
        "apiVersion": f"{rbac}/v1",
        "kind": "Role",
        "metadata": {"name": USER, "namespace": "default"},
        "rules": rules,
    }
    binding = {
        "apiVersion": f"{rbac}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": USER, "namespace": "default"},
        "roleRef": {"apiGroup": rbac, "kind": "Role", "name": USER},
        "subjects": [{"apiGroup": rbac, "kind": "User", "name": USER}],
    }
    kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": [role, binding]}))
    try:
        done = verify_as_user(extsvc, httpbin)
        report = report_of(done)
        assert codes(report) == []
        assert done.returncode == 0, done.stderr
        assert {source["mode"] for alias in report["aliases"] for source in alias["sources"]} == {"sidecar"}
        assert {unread["what"] for unread in report["unread"]} == {
            "configmaps",
            *(f"{plural}.{ISTIO}" for plural in ("destinationrules", "virtualservices", "serviceentries", "sidecars")),
        }
    finally:
        kubectl("delete", "rolebinding,role", USER, "-n", "default")


# --- create with less than all rights --------------------------------------------------------------------------------


def test_the_rights_that_the_readme_names_are_enough_to_create_and_delete(extsvc: Run, grant: Grant) -> None:
    grant(*WRITES)
    extsvc("create", "my-pay", "--external-name", "api.pay.example", "--port", "http:80:443", *AS_USER)
    extsvc("create", "my-wikipedia", "--address", "198.51.100.26", *AS_USER)
    extsvc("delete", "my-pay", "my-wikipedia", *AS_USER)


def test_create_that_may_not_write_a_serviceentry_changes_nothing(extsvc: Run, kubectl: Run, grant: Grant) -> None:
    grant(*(right for right in WRITES if right[1:] not in (("serviceentries", "create"), ("serviceentries", "patch"))))
    done = extsvc("create", "your-httpbin", "--external-name", "httpbin.org", *AS_USER, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    (said,) = [line for line in done.stderr.splitlines() if line != "nothing was changed"]
    assert said.startswith(
        f'Error from server (Forbidden): serviceentries.{ISTIO} "your-httpbin" is forbidden: User "{USER}" cannot '
    )
    assert kubectl("get", "service", "your-httpbin", check=False).returncode == 1


# --- no credentials, no object ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "argv",
    [("verify", "my-httpbin"), ("create", "--external-name", "httpbin.org"), ("delete", "x"), ("list",)],
    ids=" ".join,
)
def test_a_bad_token_is_said_in_kubectls_words(
    extsvc: Run, kubectl: Run, cluster: Any, tmp_path: Any, argv: tuple[str, ...]
) -> None:
    # A client certificate would win over the token.
    path = tmp_path / "kubeconfig"
    admin = json.loads(kubectl("config", "view", "--raw", "-o", "json").stdout)
    admin["users"] = [{"name": user["name"], "user": {"token": "expired"}} for user in admin["users"]]
    path.write_text(json.dumps(admin))
    done = extsvc(*argv, "--kubeconfig", str(path), check=False)
    assert (done.returncode, done.stdout) == (2, "")
    said = [line for line in done.stderr.splitlines() if line != "name: my-httpbin"]
    assert said[0] == "error: You must be logged in to the server (Unauthorized)"
    assert said[1:] in ([], ["nothing was changed"])


def test_a_service_that_is_not_there(extsvc: Run, kubectl: Run) -> None:
    done = extsvc("verify", "nobody", check=False)
    kubectls = kubectl("get", "service", "nobody", check=False).stderr
    assert (done.returncode, done.stdout, done.stderr) == (2, "", kubectls)


def test_a_namespace_without_aliases(extsvc: Run) -> None:
    done = extsvc("verify", "-n", "kube-public", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "No aliases found in kube-public namespace.\n")


def test_a_service_with_a_selector_is_no_alias(extsvc: Run) -> None:
    done = extsvc("verify", "curl", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (
        2,
        "",
        "error: service/curl is not an alias: it has a selector, so its endpoints are pods\n",
    )
