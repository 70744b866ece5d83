"""What tests/e2e and tests/truth stand on: a cluster, kubectl with our plugin on its PATH, a watch over leftovers.

The cluster is the testbed, and for tests marked `sandbox` also the sandbox: the same test, once more, with this fixture
changed. Those need a kubectl, on PATH or built by the testbed.
"""

import contextlib
import fcntl
import json
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from anyio.from_thread import start_blocking_portal

from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.api.kinds import ServedKind
from kubectl_extsvc.sandbox.api.writes import Refused, WriteOptions, Writes
from kubectl_extsvc.sandbox.outside import pki
from kubectl_extsvc.sandbox.running import Sandbox, running

CHECKOUT = Path(__file__).parents[1]
TRUTH = CHECKOUT / "tests" / "truth"
END_TO_END = (CHECKOUT / "tests" / "e2e", TRUTH)
TESTBED = CHECKOUT / "tests" / "testbed" / "testbed"
CURL_IMAGE = "curlimages/curl:testbed"
MANAGED_BY = "app.kubernetes.io/managed-by"
MADE_BY_TESTS = "extsvc.dev/made-by-tests"
"""Label of what fixtures make and a killed session may leave."""

Run = Callable[..., "subprocess.CompletedProcess[str]"]
"""(*args, stdin="", check=True, timeout=120, env=None) → CompletedProcess; env is added to the testbed's."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--truth-page", metavar="FILE", help="where tests/truth writes what it has found on the testbed")


def is_end_to_end(path: Path) -> bool:
    return any(folder in path.parents for folder in END_TO_END)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "cluster" in metafunc.fixturenames and is_end_to_end(metafunc.definition.path):
        testbed = pytest.param("testbed", marks=pytest.mark.testbed)
        sandbox = pytest.param("sandbox", marks=pytest.mark.kubectl)
        clusters = [testbed]
        if metafunc.definition.get_closest_marker("sandbox_alone"):
            clusters = [sandbox]
        elif metafunc.definition.get_closest_marker("sandbox") and not metafunc.definition.get_closest_marker(
            "testbed"
        ):
            clusters.append(sandbox)
        metafunc.parametrize("cluster", clusters, indirect=True, scope="session")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if is_end_to_end(item.path):
            # Of the test alone: the first one's fixtures may have to start the testbed.
            # In tests/truth the first of a group makes all of its worlds.
            item.add_marker(pytest.mark.timeout(1200 if TRUTH in item.path.parents else 300, func_only=True))


@dataclass(frozen=True, slots=True)
class Cluster:
    """The testbed, or the sandbox."""

    env: Mapping[str, str]
    """Environment in which `kubectl extsvc` runs this checkout's code on it."""
    kubeconfig: Path
    pki: Path
    """ca.crt signs the outside's servers; client.crt and client.key are a client's."""
    collector_seconds: float
    """After which a garbage collector that did not know an object's owner would have acted."""
    sandbox: Sandbox | None = None
    """None: this is the testbed."""


@dataclass(frozen=True, slots=True)
class SourcePod:
    namespace: str
    name: str
    container: str = "curl"

    @property
    def exec(self) -> tuple[str, ...]:
        """What follows `kubectl exec`; the command comes after it."""
        return ("-n", self.namespace, self.name, "-c", self.container, "--")


def runner(base: Mapping[str, str], *program: str) -> Run:
    """Of a program in an environment. With check, a failed command fails the test and shows what it said."""

    def run(
        *args: str,
        stdin: str = "",
        check: bool = True,
        timeout: float = 120,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        command = [*program, *args]
        done = subprocess.run(
            command,
            input=stdin,
            env={**base, **(env or {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        if check and done.returncode:
            pytest.fail(f"{shlex.join(command)} ended with {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    return run


def until(seconds: float, what: str, true: Callable[[], bool]) -> None:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            pytest.fail(f"waited {seconds} s in vain: {what}")
        time.sleep(0.2)


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with a_sandbox() if request.param == "sandbox" else the_testbed() as running:
        yield running


@contextlib.contextmanager
def the_testbed() -> Iterator[Cluster]:
    """The running testbed, for this test session alone."""
    done = subprocess.run([TESTBED, "up"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        pytest.exit(f"{TESTBED} up ended with {done.returncode}; it said why", returncode=done.returncode)
    settings = dict(word.partition("=")[::2] for word in shlex.split(done.stdout)[1:])
    kubeconfig = Path(settings["KUBECONFIG"])
    home = kubeconfig.parent.parent
    env = environment(kubeconfig, settings["PATH"].partition(os.pathsep)[0])
    with (home / "e2e.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield Cluster(env, kubeconfig, home / "outside-pki", collector_seconds=5)


@contextlib.contextmanager
def a_sandbox() -> Iterator[Cluster]:
    """A sandbox of our own, in this process. It collects garbage at once."""
    built = home_of_testbed() / "bin"
    if not (built / "kubectl").exists() and shutil.which("kubectl") is None:
        pytest.exit("no kubectl on PATH, and none built by the testbed", returncode=1)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(running("empty")) as sandbox:
        env = environment(sandbox.kubeconfig, str(built))
        yield Cluster(env, sandbox.kubeconfig, pki.FOLDER, collector_seconds=1, sandbox=sandbox)


def home_of_testbed() -> Path:
    """Where the testbed keeps its programs (tests/testbed/settings.sh)."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("EXTSVC_TESTBED_HOME") or cache / "kubectl-extsvc" / "testbed")


def environment(kubeconfig: Path, programs: str) -> dict[str, str]:
    # A user's Python may write .pyc files, and knows nothing of this test run's.
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    path = os.pathsep.join((programs, str(CHECKOUT / "bin"), env["PATH"]))
    # Thousands of short kubectls: they are twice as quick when none collects its garbage.
    return {**env, "KUBECONFIG": str(kubeconfig), "PATH": path, "GOGC": "off"}


@pytest.fixture(scope="session")
def kubectl(cluster: Cluster) -> Run:
    return runner(cluster.env, "kubectl")


@pytest.fixture(scope="session")
def extsvc(cluster: Cluster) -> Run:
    """kubectl extsvc, dispatched by kubectl itself."""
    return runner(cluster.env, "kubectl", "extsvc")


@pytest.fixture(scope="session")
def istioctl(cluster: Cluster) -> Run:
    return runner(cluster.env, "istioctl")


@pytest.fixture
def extsvc_process(cluster: Cluster) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Starts kubectl extsvc and does not wait; the process id is the plugin's own, since kubectl execs it."""
    started: list[subprocess.Popen[str]] = []

    def start(*args: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            ["kubectl", "extsvc", *args],
            env=cluster.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def curl_image() -> str:
    """An image with curl that the testbed's node has."""
    return CURL_IMAGE


def source_pod(kubectl: Run, namespace: str) -> SourcePod:
    listed = json.loads(kubectl("get", "pods", "-n", namespace, "-l", "app=curl", "-o", "json").stdout)["items"]
    (name,) = (pod["metadata"]["name"] for pod in listed if "deletionTimestamp" not in pod["metadata"])
    return SourcePod(namespace, name)


@pytest.fixture
def sidecar_pod(kubectl: Run) -> SourcePod:
    return source_pod(kubectl, "default")


@pytest.fixture
def plain_pod(kubectl: Run) -> SourcePod:
    return source_pod(kubectl, "without-istio")


# --- the mesh's configuration ----------------------------------------------------------------------------------------


def mesh_text(kubectl: Run) -> str:
    return kubectl("get", "configmap", "istio", "-n", "istio-system", "-o", "jsonpath={.data.mesh}").stdout


def write_mesh_text(kubectl: Run, text: str) -> None:
    patch = json.dumps({"data": {"mesh": text}})
    kubectl("patch", "configmap", "istio", "-n", "istio-system", "--type=merge", "-p", patch)


def change_mesh(kubectl: Run, change: Callable[[dict[str, Any]], object]) -> None:
    mesh = yaml.safe_load(mesh_text(kubectl))
    change(mesh)
    write_mesh_text(kubectl, yaml.safe_dump(mesh))


def set_policy(kubectl: Run, mode: str) -> None:
    """Returns when the sidecar in default follows it."""
    change_mesh(kubectl, lambda mesh: mesh.update(outboundTrafficPolicy={"mode": mode}))
    await_policy(kubectl, mode)


def await_policy(kubectl: Run, mode: str) -> None:
    virtual_host, envoy_cluster = {
        "ALLOW_ANY": ("allow_any", "PassthroughCluster"),
        "ALLOW_ANY_DYNAMIC_DNS": ("allow_any_dynamic_dns", "PassthroughCluster"),
        "REGISTRY_ONLY": ("block_all", "BlackHoleCluster"),
    }[mode]
    others = {"allow_any", "allow_any_dynamic_dns", "block_all"} - {virtual_host}

    def dump(query: str) -> Any:
        request = ("pilot-agent", "request", "GET", f"config_dump?{query}")
        return json.loads(kubectl("exec", "deploy/curl", "-c", "istio-proxy", "--", *request).stdout)

    def followed() -> bool:
        routes = json.dumps(dump("resource=dynamic_route_configs"))
        (listener,) = dump("resource=dynamic_listeners&name_regex=^virtualOutbound$")["configs"]
        chains = listener["active_state"]["listener"]["filter_chains"]
        (catch_all,) = (json.dumps(chain) for chain in chains if chain["name"] == "virtualOutbound-catchall-tcp")
        return (
            f'"{virtual_host}"' in routes
            and not any(f'"{other}"' in routes for other in others)
            and f'"{envoy_cluster}"' in catch_all
        )

    until(20, f"outboundTrafficPolicy {mode} in the sidecar", followed)


@pytest.fixture
def mesh_policy(kubectl: Run) -> Iterator[Callable[[str], None]]:
    """Sets meshConfig.outboundTrafficPolicy.mode until the end of the test."""
    before = mesh_text(kubectl)
    yield lambda mode: set_policy(kubectl, mode)
    if mesh_text(kubectl) != before:
        write_mesh_text(kubectl, before)
        await_policy(kubectl, yaml.safe_load(before).get("outboundTrafficPolicy", {}).get("mode", "ALLOW_ANY"))


def restart_curl(kubectl: Run) -> None:
    """A new pod in default, and the old one gone."""
    kubectl("rollout", "restart", "deployment/curl")
    kubectl("rollout", "status", "deployment/curl", "--timeout=60s")
    pods = ("get", "pods", "-l", "app=curl", "-o", "name")
    until(30, "the end of the old pod", lambda: len(kubectl(*pods).stdout.split()) == 1)


@pytest.fixture
def proxy_headers(kubectl: Run) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Sets meshConfig.defaultConfig.proxyHeaders until the end of the test.

    The pod is restarted for it: a sidecar was given the mesh's defaultConfig in PROXY_CONFIG when it was injected,
    and that copy wins (istio pilot/pkg/model/context.go, ProxyConfigOrDefault).
    """
    before = mesh_text(kubectl)

    def change(headers: Mapping[str, Any]) -> None:
        change_mesh(kubectl, lambda mesh: mesh["defaultConfig"].update(proxyHeaders=dict(headers)))
        restart_curl(kubectl)

    yield change
    if mesh_text(kubectl) != before:
        write_mesh_text(kubectl, before)
        restart_curl(kubectl)


# --- what a test may need in the cluster -----------------------------------------------------------------------------


@pytest.fixture
def sidecar_elsewhere(kubectl: Run) -> Iterator[str]:
    """A namespace with one more pod that has a sidecar: deployment/curl."""
    namespace = "elsewhere"
    labels = {"istio-injection": "enabled", MADE_BY_TESTS: "true"}
    pod = {
        "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "curl", "image": CURL_IMAGE, "command": ["sleep", "infinity"]}],
    }
    template = {"metadata": {"labels": {"app": "curl"}}, "spec": pod}
    spec = {"selector": {"matchLabels": {"app": "curl"}}, "template": template}
    items = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "curl", "namespace": namespace},
            "spec": spec,
        },
    ]
    try:
        kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
        kubectl("rollout", "status", "deployment/curl", "-n", namespace, "--timeout=90s")
        yield namespace
    finally:
        kubectl("delete", "namespace", namespace, "--ignore-not-found")


@contextlib.contextmanager
def making(kubectl: Run) -> Iterator[Callable[..., None]]:
    """Writes objects as kubectl create does, and removes them, in reverse, at the end."""
    written: list[Json] = []

    def make(*objects: Json) -> None:
        if not objects:
            return
        written.extend(objects)
        kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))

    try:
        yield make
    finally:
        if written:
            objects = {"apiVersion": "v1", "kind": "List", "items": written[::-1]}
            kubectl("delete", "-f", "-", "--ignore-not-found", "--wait=false", stdin=json.dumps(objects))


@pytest.fixture
def made(kubectl: Run) -> Iterator[Callable[..., None]]:
    with making(kubectl) as make:
        yield make


REFUSABLE: dict[str, dict[str, Any]] = {
    "serviceentries": {"kind": "ServiceEntry", "spec": {"hosts": ["probe.invalid"], "location": "MESH_EXTERNAL"}},
    "destinationrules": {"kind": "DestinationRule", "spec": {"host": "probe.invalid"}},
    "virtualservices": {
        "kind": "VirtualService",
        "spec": {"hosts": ["probe.invalid"], "http": [{"directResponse": {"status": 404}}]},
    },
}
"""Plural → the least that Istio accepts of it."""


def refusing_patch(writes: Writes, plural: str) -> Callable[..., tuple[Json, bool]]:
    """The sandbox's patch, with a refusal of what would create an object."""
    accepted = writes.patch

    def patch(
        kind: ServedKind, namespace: str, name: str, content_type: str, body: bytes, options: WriteOptions
    ) -> tuple[Json, bool]:
        if kind.plural == plural and not options.dry_run and writes.store.get(kind.resource, namespace, name) is None:
            raise Refused(403, "Forbidden", f'{kind.resource} "{name}" is forbidden: refused by the test', {})
        return accepted(kind, namespace, name, content_type, body, options)

    return patch


@pytest.fixture
def refusing(cluster: Cluster, kubectl: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Makes the API server refuse to create our objects of one kind (its plural), but not in a dry run.

    The message is "refused by the test".
    """
    if cluster.sandbox:
        writes = cluster.sandbox.writes
        yield lambda plural: monkeypatch.setattr(writes, "patch", refusing_patch(writes, plural))
        return
    policy = "extsvc-tests-refuse"
    refused: list[str] = []
    api = "admissionregistration.k8s.io/v1"

    def is_refused(plural: str) -> bool:
        """Tries an object like ours; none stays."""
        metadata = {"name": "extsvc-tests-probe", "namespace": "default", "labels": {MANAGED_BY: "kubectl-extsvc"}}
        item = {"apiVersion": "networking.istio.io/v1", "metadata": metadata, **REFUSABLE[plural]}
        done = kubectl("create", "-f", "-", stdin=json.dumps(item), check=False)
        kubectl("delete", plural, "extsvc-tests-probe", "--ignore-not-found")
        return "refused by the test" in done.stderr

    def refuse(plural: str) -> None:
        rules = [
            {
                "apiGroups": ["networking.istio.io"],
                "apiVersions": ["*"],
                "operations": ["CREATE"],
                "resources": [plural],
            }
        ]
        spec = {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": rules,
                "objectSelector": {"matchLabels": {MANAGED_BY: "kubectl-extsvc"}},
            },
            "validations": [
                {"expression": "has(request.dryRun) && request.dryRun", "message": "refused by the test"}
            ],
        }  # fmt: skip
        binding = {"policyName": policy, "validationActions": ["Deny"]}
        items = [
            {"apiVersion": api, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": policy}, "spec": spec},
            {
                "apiVersion": api,
                "kind": "ValidatingAdmissionPolicyBinding",
                "metadata": {"name": policy},
                "spec": binding,
            },
        ]
        refused.append(plural)
        kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
        until(30, f"a refusal of {plural}", lambda: is_refused(plural))

    yield refuse
    kinds = "validatingadmissionpolicybindings,validatingadmissionpolicies"
    kubectl("delete", kinds, policy, "--ignore-not-found")
    until(30, f"acceptance of {refused}", lambda: not any(is_refused(plural) for plural in refused))


# --- nothing is left behind ------------------------------------------------------------------------------------------

WATCHED = (
    "namespaces,services,endpointslices.discovery.k8s.io,deployments,jobs,pods,serviceaccounts,secrets,"
    "destinationrules,virtualservices,serviceentries,sidecars.networking.istio.io,gateways.networking.istio.io"
)
ON_THE_TESTBED_ALONE = (
    "networkpolicies,peerauthentications.security.istio.io,roles,rolebindings,clusterroles,clusterrolebindings,"
    "validatingadmissionpolicies,validatingadmissionpolicybindings"
)
TESTED_NAMESPACES = frozenset(
    ("", "default", "without-istio", "istio-system", "kube-system", "kube-public", "kube-node-lease")
)


@dataclass(frozen=True, slots=True, order=True)
class Left:
    namespace: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind.lower()}/{self.name}" + (f" -n {self.namespace}" if self.namespace else "")


def present(cluster: Cluster, kubectl: Run) -> set[Left]:
    """All objects of the watched kinds, less the pods of a Deployment: a restart gives them other names."""
    row = "{.kind}|{.metadata.namespace}|{.metadata.name}|{.metadata.ownerReferences[*].kind}"
    kinds = WATCHED if cluster.sandbox else f"{WATCHED},{ON_THE_TESTBED_ALONE}"
    rows = kubectl("get", kinds, "-A", "-o", "jsonpath={range .items[*]}" + row + '{"\\n"}{end}').stdout.splitlines()
    found = (line.split("|") for line in rows)
    return {Left(namespace, kind, name) for kind, namespace, name, owners in found if "ReplicaSet" not in owners}


def of_tests(objects: set[Left], foreign: frozenset[str]) -> set[Left]:
    """Less the namespaces that somebody else had made before the session, and what is in them."""
    return {one for one in objects if (one.name if one.kind == "Namespace" else one.namespace) not in foreign}


@pytest.fixture(scope="session")
def foreign_namespaces(cluster: Cluster, kubectl: Run) -> frozenset[str]:
    """Namespaces that are not ours to watch. Before that, what a killed session left is removed."""
    if cluster.sandbox:
        return frozenset()
    kubectl("delete", "namespaces", "-l", f"{MADE_BY_TESTS}=true")
    kubectl(
        "delete",
        "validatingadmissionpolicybindings,validatingadmissionpolicies",
        "extsvc-tests-refuse",
        "--ignore-not-found",
    )
    kinds = "services,endpointslices,jobs,destinationrules,virtualservices,serviceentries"
    for namespace in ("default", "without-istio"):
        kubectl("delete", kinds, "-n", namespace, "-l", f"{MANAGED_BY}=kubectl-extsvc")
    kubectl("delete", f"{kinds},{ON_THE_TESTBED_ALONE},endpoints,secrets", "-A", "-l", f"{MADE_BY_TESTS}=true")
    mesh = yaml.safe_load(mesh_text(kubectl))
    if "outboundTrafficPolicy" in mesh or "proxyHeaders" in mesh["defaultConfig"]:
        mesh.pop("outboundTrafficPolicy", None)
        stale_headers = mesh["defaultConfig"].pop("proxyHeaders", None)
        write_mesh_text(kubectl, yaml.safe_dump(mesh))
        if stale_headers:
            restart_curl(kubectl)
        await_policy(kubectl, "ALLOW_ANY")
    namespaces = {one.name for one in present(cluster, kubectl) if one.kind == "Namespace"}
    return frozenset(namespaces - TESTED_NAMESPACES)


@pytest.fixture(scope="session")
def known() -> dict[str, set[Left]]:
    """What the last test left in order, by module: the next of the module need not look again before it begins."""
    return {}


@pytest.fixture
def nothing_left(
    request: pytest.FixtureRequest,
    cluster: Cluster,
    kubectl: Run,
    foreign_namespaces: frozenset[str],
    known: dict[str, set[Left]],
) -> Iterator[None]:
    """Fails a test that left objects in the cluster, and removes them; also one that lost some.

    Garbage collection gets ten seconds.
    """
    module = request.path.name
    before = known.pop(module, None) or of_tests(present(cluster, kubectl), foreign_namespaces)
    yield
    end = time.monotonic() + 10
    while (after := of_tests(present(cluster, kubectl), foreign_namespaces)) != before and time.monotonic() < end:
        time.sleep(0.3)
    left, lost = sorted(after - before), sorted(before - after)
    for one in left:
        scope = ("-n", one.namespace) if one.namespace else ()
        with contextlib.suppress(subprocess.TimeoutExpired):
            kubectl("delete", one.kind, one.name, *scope, "--ignore-not-found", check=False, timeout=60)
    problems = [*(f"left: {one}" for one in left), *(f"lost: {one}" for one in lost)]
    if problems:
        pytest.fail("; ".join(problems))
    known.clear()
    known[module] = after
