"""docs/roles: with its role each command works; with a right less it says which, and does nothing by halves."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from clusters import MADE_BY_TESTS, MANAGED_BY, Cluster

from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.api.rights import Rule

pytestmark = [pytest.mark.sandbox, pytest.mark.usefixtures("_users", "httpbin")]

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Right = tuple[str, str, str]
"""Group, resource and verb."""

ROLES = Path(__file__).parents[2] / "docs" / "roles"
NAMES = sorted(path.stem for path in ROLES.glob("*.yaml"))
RBAC = "rbac.authorization.k8s.io"
ISTIO = "networking.istio.io"
ALIAS = """
apiVersion: v1
kind: Service
metadata:
  name: my-linted
spec:
  type: ExternalName
  externalName: httpbin.org
"""


def role(name: str) -> Json:
    loaded: Json = yaml.safe_load((ROLES / f"{name}.yaml").read_text())
    return loaded


def without(rules: list[Json], right: Right) -> list[Json]:
    """The rules, one verb on one resource less."""
    group, resource, verb = right
    kept: list[Json] = []
    taken = False
    for rule in rules:
        if rule["apiGroups"] != [group] or resource not in rule["resources"] or verb not in rule["verbs"]:
            kept.append(rule)
            continue
        taken = True
        others = [one for one in rule["resources"] if one != resource]
        verbs = [one for one in rule["verbs"] if one != verb]
        kept += [{**rule, "resources": others}] if others else []
        kept += [{**rule, "resources": [resource], "verbs": verbs}] if verbs else []
    assert taken, f"{right} is not in the role"
    return kept


READS: dict[str, list[Right]] = {
    "services": [("", "services", "list")],
    "others": [("discovery.k8s.io", "endpointslices", "list"), (ISTIO, "destinationrules", "list")],
}
LESS: dict[str, list[Right]] = {
    "list": [*READS["services"], *READS["others"], (ISTIO, "serviceentries", "list")],
    "lint-with-cluster": [*READS["services"], *READS["others"]],
    "verify": [
        *READS["services"],
        *READS["others"],
        (ISTIO, "sidecars", "list"),
        ("", "pods", "list"),
        ("", "pods/exec", "get"),
        ("", "configmaps", "get"),
    ],
    "verify-probe-pods": [("batch", "jobs", "create"), ("batch", "jobs", "delete")],
    "verify-ephemeral": [("", "pods", "get"), ("", "pods/ephemeralcontainers", "patch")],
    "create": [
        ("", "services", "list"),
        ("", "services", "create"),
        (ISTIO, "serviceentries", "patch"),
        (ISTIO, "destinationrules", "create"),
        (ISTIO, "virtualservices", "list"),
    ],
    "delete": [("", "services", "list"), ("", "services", "delete"), (ISTIO, "virtualservices", "delete"),
               ("", "services", "get")],
    "fix": [("", "services", "list"), (ISTIO, "destinationrules", "patch")],
    "tui": [],
}  # fmt: skip


def rules_of(name: str, right: Right | None) -> list[Json]:
    rules: list[Json] = role(name)["rules"]
    return without(rules, right) if right else rules


def user(name: str, right: Right | None) -> str:
    return f"extsvc-role-{name}" + ("-" + re.sub("[^a-z]+", "-", " ".join(right)) if right else "")


Asked = Callable[..., tuple[str, ...]]
"""(role, right that it lacks, or None) → flags by which a command has these rights alone."""


@pytest.fixture(scope="module")
def _users(cluster: Cluster, kubectl: Run, foreign_namespaces: frozenset[str]) -> Iterator[None]:
    """On a real cluster a user with each role, and one for each role with a right less."""
    if cluster.sandbox:
        yield
        return
    objects: list[Json] = []
    for name in NAMES:
        for right in (None, *LESS[name]):
            who = user(name, right)
            metadata, rules = {"name": who, "labels": {MADE_BY_TESTS: "true"}}, rules_of(name, right)
            objects += [
                {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": metadata, "rules": rules},
                {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRoleBinding", "metadata": metadata,
                 "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": who},
                 "subjects": [{"apiGroup": RBAC, "kind": "User", "name": who}]},
            ]  # fmt: skip
    kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    yield
    kubectl("delete", "clusterrolebinding,clusterrole", "-l", MADE_BY_TESTS)


@pytest.fixture
def limited(cluster: Cluster, _users: None) -> Iterator[Asked]:
    if not cluster.sandbox:
        yield lambda name, right=None: ("--as", user(name, right))
        return
    # A sandbox has one user, whose rights can be changed.
    rights = cluster.sandbox.rights
    before = rights.allowed

    def limit(name: str, right: Right | None = None) -> tuple[str, ...]:
        rights.allowed = tuple(
            Rule(
                verbs=tuple(rule["verbs"]),
                groups=tuple(rule["apiGroups"]),
                resources=tuple(rule["resources"]),
                names=tuple(rule.get("resourceNames", ())),
            )
            for rule in rules_of(name, right)
        )
        return ()

    yield limit
    rights.allowed = before


@pytest.fixture(scope="module")
def httpbin(extsvc: Run, foreign_namespaces: frozenset[str]) -> Iterator[str]:
    extsvc("create", "role-httpbin", "--external-name", "httpbin.org", "--wait")
    yield "role-httpbin"
    extsvc("delete", "role-httpbin", "--ignore-not-found")


@pytest.fixture
def pay(extsvc: Run, kubectl: Run) -> Iterator[str]:
    """An alias to change."""
    extsvc("create", "role-pay", "--address", "203.0.113.20", "--host", "api.pay.example", "--port", "http:80:443",
           "--wait")  # fmt: skip
    yield "role-pay"
    extsvc("delete", "role-pay", "--ignore-not-found")


Story = Callable[..., "subprocess.CompletedProcess[str]"]
"""(role, right that it lacks) → what its command said."""


@pytest.fixture
def story(
    request: pytest.FixtureRequest, cluster: Cluster, extsvc: Run, limited: Asked, curl_image: str, tmp_path: Path
) -> Iterator[Story]:
    def run(name: str, right: Right | None = None) -> "subprocess.CompletedProcess[str]":
        words = words_of(name)
        done = extsvc(*words, *limited(name, right), check=False)
        if cluster.sandbox:
            cluster.sandbox.rights.allowed = (Rule(),)
        assert "Traceback" not in done.stderr
        return done

    def words_of(name: str) -> tuple[str, ...]:
        match name:
            case "list":
                return ("list", request.getfixturevalue("httpbin"))
            case "lint-with-cluster":
                (tmp_path / "alias.yaml").write_text(ALIAS)
                return ("lint", str(tmp_path / "alias.yaml"), "--with-cluster", "-n", "default")
            case "verify":
                return ("verify", request.getfixturevalue("httpbin"))
            case "verify-probe-pods":
                return ("verify", request.getfixturevalue("httpbin"), "--probe-pods", "--image", curl_image)
            case "create":
                return ("create", "role-new", "--external-name", "httpbin.org")
            case "delete":
                return ("delete", request.getfixturevalue("pay"))
            case "fix":
                pay = request.getfixturevalue("pay")
                host = "role-pay.default.svc.cluster.local"
                tls = {"spec": {"trafficPolicy": {"tls": {"sni": None, "subjectAltNames": None}}}}
                no_rewrite = {"spec": {"http": [{"route": [{"destination": {"host": host}}]}]}}
                kubectl = request.getfixturevalue("kubectl")
                kubectl("patch", "destinationrule", pay, "--type=merge", "-p", json.dumps(tls))
                kubectl("patch", "virtualservice", pay, "--type=merge", "-p", json.dumps(no_rewrite))
                return ("fix", pay, "--yes")
        raise AssertionError(name)

    yield run
    extsvc("delete", "role-new", "--ignore-not-found")
    # Who may not remove the throw-away pair leaves it to its time limit.
    request.getfixturevalue("kubectl")("delete", "jobs", "-l", f"{MANAGED_BY}=kubectl-extsvc")


def test_every_role_is_tried() -> None:
    assert sorted(LESS) == NAMES
    assert [role(name)["metadata"]["name"] for name in NAMES] == [f"extsvc-{name}" for name in NAMES]


STORIES = [name for name in NAMES if name not in ("tui", "verify-ephemeral")]


DONE = {
    "create": "service/role-new created",
    "delete": 'service "role-pay" deleted',
    "fix": "destinationrule.networking.istio.io/role-pay configured",
    "lint-with-cluster": "",
    "list": "role-httpbin",
    "verify": "✓ http      200",
    "verify-probe-pods": "✓ http      200",
}


@pytest.mark.parametrize("name", STORIES)
def test_a_role_is_enough(name: str, story: Story) -> None:
    done = story(name)
    said = done.stdout + done.stderr
    assert DONE[name] in done.stdout, said
    assert [word for word in ("forbidden", "cannot", "could not be read", "(list ") if word in said] == [], said
    assert done.returncode == 0 or name == "fix", said


@pytest.mark.parametrize("name", STORIES)
def test_a_right_less_is_named(name: str, story: Story) -> None:
    names_what_lacks(story(name, LESS[name][0]), LESS[name][0])


@pytest.mark.sandbox_alone
@pytest.mark.parametrize(("name", "right"), [(name, right) for name in STORIES for right in LESS[name][1:]], ids=str)
def test_every_other_right_less_is_named(name: str, right: Right, story: Story) -> None:
    names_what_lacks(story(name, right), right)


def names_what_lacks(done: "subprocess.CompletedProcess[str]", right: Right) -> None:
    group, resource, verb = right
    qualified = f"{resource}.{group}" if group else resource
    said = " ".join((done.stdout + done.stderr).split())
    ways = (
        f'cannot {verb} resource "{resource}"',
        f"{verb} {qualified}",
        f"{verb} on {qualified}",
        f"{verb} and create on {qualified}",
    )
    assert any(way in said for way in ways), said
