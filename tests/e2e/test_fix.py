"""kubectl extsvc fix on a cluster: a broken alias is cured, or nothing is changed and it is said why."""

import json
import os
import pty
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from clusters import until

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Json = dict[str, Any]

pytestmark = pytest.mark.sandbox

RULE = ("destinationrule", "my-pay")
EMPTY_TLS = {"spec": {"trafficPolicy": {"tls": {"sni": None, "subjectAltNames": None}}}}
UNMARKED = {
    "metadata": {
        "labels": {"their": None},
        "annotations": {"meta.helm.sh/release-name": None, "meta.helm.sh/release-namespace": None},
    }
}
FULL_TLS = {
    "mode": "SIMPLE",
    "sni": "api.pay.example",
    "subjectAltNames": ["api.pay.example"],
    "caCertificates": "system",
}
FOUND = "XS0403 Envoy sends SNI"


@pytest.fixture(scope="module")
def alias(extsvc: Run, kubectl: Run, foreign_namespaces: frozenset[str]) -> Iterator[None]:
    """One that has lost the VirtualService which would make up for a lost SNI."""
    extsvc("create", "my-pay", "--address", "203.0.113.20", "--host", "api.pay.example", "--port", "http:80:443")
    try:
        kubectl("delete", "virtualservice", "my-pay")
        yield
    finally:
        extsvc("delete", "my-pay", check=False)


@pytest.fixture
def broken(alias: None, extsvc: Run, kubectl: Run) -> Iterator[None]:
    """The alias has lost its SNI. What a test wrote about the rule is gone for the next one."""
    if "sni" in tls_of_rule(kubectl):
        kubectl("patch", *RULE, "--type=merge", "-p", json.dumps(EMPTY_TLS))
        until(20, "the loss in the sidecar", lambda: FOUND in extsvc("verify", "my-pay", check=False).stdout)
    yield
    kubectl("patch", *RULE, "--type=merge", "-p", json.dumps(UNMARKED))


def named_by_address(name: str, address: str) -> str:
    """An ExternalName Service of others whose name is an address."""
    ports = [{"name": "http", "port": 80}]
    spec = {"type": "ExternalName", "externalName": address, "ports": ports}
    return json.dumps({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec})


def tls_of_rule(kubectl: Run) -> Json:
    rule = json.loads(kubectl("get", *RULE, "-o", "json").stdout)
    tls: Json = rule["spec"]["trafficPolicy"]["tls"]
    return tls


def found(done: "subprocess.CompletedProcess[str]") -> None:
    assert FOUND in done.stderr, done.stdout + done.stderr


def test_what_was_broken_is_well_again(broken: None, extsvc: Run, kubectl: Run) -> None:
    done = extsvc("fix", "my-pay", "--yes", check=False)
    found(done)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "+       sni: api.pay.example\n" in done.stdout
    assert "destinationrule.networking.istio.io/my-pay configured\n" in done.stdout
    assert tls_of_rule(kubectl) == FULL_TLS
    report = json.loads(extsvc("verify", "my-pay", "-o", "json").stdout)
    assert report["aliases"][0]["findings"] == []
    again = extsvc("fix", "my-pay", "--yes")
    assert (again.stdout, again.stderr) == ("", "alias my-pay is well: there is nothing to fix\n")


def test_an_alias_of_others_is_written_anew_by_create(extsvc: Run, kubectl: Run) -> None:
    """The cure is a `create`: its objects come in its order, and delete finds them."""
    kubectl("create", "-f", "-", stdin=named_by_address("bin", "203.0.113.10"))
    try:
        done = extsvc("fix", "bin", "XS0101", "--yes", check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        written = [line for line in done.stdout.splitlines() if line.endswith((" created", " configured"))]
        assert written == [
            "service/bin configured",
            "destinationrule.networking.istio.io/bin created",
            "endpointslice.discovery.k8s.io/bin-ipv4 created",
        ]
    finally:
        kubectl("delete", "service", "bin")


def test_without_a_terminal_nothing_is_changed(broken: None, extsvc: Run, kubectl: Run) -> None:
    done = extsvc("fix", "my-pay", check=False)
    found(done)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "error: there is no terminal to ask at, so nothing was changed. Use --yes"
    assert tls_of_rule(kubectl).keys() == {"mode", "caCertificates"}


def test_what_helm_keeps_is_not_changed(broken: None, extsvc: Run, kubectl: Run) -> None:
    kubectl("annotate", *RULE, "meta.helm.sh/release-name=web", "meta.helm.sh/release-namespace=default")
    done = extsvc("fix", "my-pay", "--yes", check=False)
    found(done)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2:] == [
        'destinationrule/my-pay in namespace "default" belongs to Helm release "web" in namespace "default": '
        "change it at its source",
        "nothing was changed",
    ]
    assert "+       sni: api.pay.example\n" in done.stdout
    assert tls_of_rule(kubectl).keys() == {"mode", "caCertificates"}


@pytest.fixture
def asked(cluster: Any) -> Iterator[Callable[..., tuple[int, str]]]:
    """Runs fix at a terminal; does something when it asks, then answers. Gives exit code and all that it said."""
    processes: list[subprocess.Popen[bytes]] = []

    def run(meanwhile: Callable[[], None], answer: bytes, alias: str = "my-pay") -> tuple[int, str]:
        ours, theirs = pty.openpty()
        command = ["kubectl", "extsvc", "fix", alias]
        process = subprocess.Popen(
            command, env=cluster.env, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        processes.append(process)
        assert process.stdout is not None
        said = b""
        end = time.monotonic() + 60
        while b"[y/N]" not in said and time.monotonic() < end and process.poll() is None:
            said += os.read(process.stdout.fileno(), 65536)
        meanwhile()
        os.write(ours, answer)
        said += process.stdout.read()
        os.close(ours)
        os.close(theirs)
        return process.wait(60), said.decode()

    yield run
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("answer", [b"n\n", b"\n", b"maybe\n"])
def test_only_a_yes_is_a_yes(broken: None, kubectl: Run, asked: Any, answer: bytes) -> None:
    code, said = asked(lambda: None, answer)
    assert FOUND in said
    assert (code, said.splitlines()[-1]) == (1, "Make this change? [y/N] nothing was changed")
    assert tls_of_rule(kubectl).keys() == {"mode", "caCertificates"}


def test_what_somebody_changed_while_we_asked_is_not_overwritten(broken: None, kubectl: Run, asked: Any) -> None:
    code, said = asked(lambda: kubectl("label", *RULE, "their=change"), b"y\n")
    assert code == 2
    assert said.splitlines()[-2:] == [
        "nothing was changed",
        "Somebody changed it meanwhile: run fix again, it plans anew.",
    ]
    assert 'Operation cannot be fulfilled on destinationrules.networking.istio.io "my-pay"' in said
    assert tls_of_rule(kubectl).keys() == {"mode", "caCertificates"}


def test_what_somebody_changed_is_not_overwritten_by_create_either(
    extsvc: Run, kubectl: Run, cluster: Any, asked: Any
) -> None:
    """ExternalName is an address: the cure is a `create --adopt`, whose objects have the same precondition."""
    kubectl("create", "-f", "-", stdin=named_by_address("bin", "203.0.113.10"))
    try:
        code, said = asked(lambda: kubectl("label", "service", "bin", "their=change"), b"y\n", "bin")
        assert code == 2
        assert "nothing was changed\nSomebody changed it meanwhile: run fix again, it plans anew.\n" in said
        service = json.loads(kubectl("get", "service", "bin", "-o", "json").stdout)
        assert service["spec"]["externalName"] == "203.0.113.10"
    finally:
        kubectl("delete", "service", "bin")


@pytest.fixture
def under_a_wildcard(extsvc: Run, kubectl: Run) -> Iterator[None]:
    """An alias that has lost its rule, and is told mutual TLS by one for all hosts of the mesh."""
    rule = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": "mesh-mtls", "namespace": "default"},
        "spec": {"host": "*.local", "trafficPolicy": {"tls": {"mode": "ISTIO_MUTUAL"}}},
    }
    extsvc("create", "bin", "--address", "203.0.113.10", "--host", "httpbin.org", "--port", "http:80")
    try:
        kubectl("create", "-f", "-", stdin=json.dumps(rule))
        kubectl("delete", "destinationrule", "bin")
        yield
    finally:
        kubectl("delete", "destinationrule", "mesh-mtls")
        extsvc("delete", "bin", "--ignore-not-found")


def test_what_is_added_to_our_alias_stays_with_create_and_goes_with_delete(
    under_a_wildcard: None, extsvc: Run, kubectl: Run
) -> None:
    done = extsvc("fix", "bin", "XS0302", "--yes", check=False)
    assert "destinationrule.networking.istio.io/bin-tls created\n" in done.stdout, done.stdout + done.stderr
    created = extsvc("create", "bin", "--address", "203.0.113.10", "--host", "httpbin.org", "--port", "http:80")
    assert created.stdout.splitlines() == [
        "service/bin unchanged",
        "destinationrule.networking.istio.io/bin created",
        "endpointslice.discovery.k8s.io/bin-ipv4 unchanged",
    ]
    gone = extsvc("delete", "bin").stdout.splitlines()
    assert 'destinationrule.networking.istio.io "bin-tls" deleted' in gone
    left = kubectl("get", "destinationrules", "-n", "default", "-o", "name").stdout.split()
    assert sorted(name for name in left if "/my-pay" not in name) == ["destinationrule.networking.istio.io/mesh-mtls"]
