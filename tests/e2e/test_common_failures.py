"""The common ways to get an alias wrong, each made on a real cluster and mesh, judged, and cured as the finding says.

Some aliases are made by create and then broken with kubectl, some are wholly somebody else's.
"""

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

pytestmark = pytest.mark.testbed

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Json = dict[str, Any]

HTTPBIN, PAY, REFUSES = "203.0.113.10", "203.0.113.20", "203.0.113.30"
WIKIPEDIA = ("198.51.100.26", "198.51.100.27")
SIDECAR = "deployment/curl.default"
DISABLE = {"mode": "DISABLE"}
EMPTY_TLS = {"sni": None, "subjectAltNames": None, "caCertificates": None}


# --- objects as a user would write them ------------------------------------------------------------------------------


def port(number: int, name: str = "") -> Json:
    return {"port": number, "protocol": "TCP"} | ({"name": name} if name else {})


def service(name: str, *ports: Json, namespace: str = "default", host: str = "", **spec: Any) -> Json:
    annotations = {"extsvc.dev/host": host} if host else {}
    metadata = {"name": name, "namespace": namespace, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": list(ports), **spec}}


def external_name(name: str, host: str, *ports: Json) -> Json:
    return service(name, *ports, type="ExternalName", externalName=host)


def endpoint_slice(
    service_name: str,
    addresses: Sequence[str],
    *ports: Json,
    name: str = "",
    namespace: str = "default",
    labels: Mapping[str, str] | None = None,
    address_type: str = "IPv4",
) -> Json:
    own = {"kubernetes.io/service-name": service_name} if labels is None else dict(labels)
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name or f"{service_name}-1", "namespace": namespace, "labels": own},
        "addressType": address_type,
        "ports": list(ports),
        "endpoints": [{"addresses": [address]} for address in addresses],
    }


def endpoints(name: str, addresses: Sequence[str], *ports: Json, labels: Mapping[str, str] | None = None) -> Json:
    """The older kind, as in Istio's task: Kubernetes mirrors it into a slice."""
    subset = {"addresses": [{"ip": address} for address in addresses], "ports": list(ports)}
    metadata = {"name": name, "namespace": "default", "labels": dict(labels or {})}
    return {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": [subset]}


def destination_rule(name: str, host: str, tls: Json, namespace: str = "default") -> Json:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"host": host, "trafficPolicy": {"tls": tls}},
    }


def fqdn(name: str, namespace: str = "default") -> str:
    return f"{name}.{namespace}.svc.cluster.local"


def addresses_alias(name: str, address: str, number: int, target_port: int, port_name: str = "http") -> tuple[Json, Json]:
    return service(name, port(number, port_name)), endpoint_slice(name, [address], port(target_port, port_name))


# --- making and judging ----------------------------------------------------------------------------------------------


@pytest.fixture
def made(kubectl: Run) -> Iterator[Callable[..., None]]:
    """Writes objects as kubectl create does, and removes them, in reverse, at the end."""
    written: list[Json] = []

    def make(*objects: Json) -> None:
        written.extend(objects)
        kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))

    yield make
    for obj in reversed(written):
        kubectl("delete", "-f", "-", "--ignore-not-found", "--wait=false", stdin=json.dumps(obj))


@dataclass(frozen=True, slots=True)
class Verdict:
    exit_code: int
    report: Json
    words: str

    @property
    def findings(self) -> list[Json]:
        return [finding for alias in self.report["aliases"] for finding in alias["findings"]]

    @property
    def bad(self) -> list[tuple[str, str, str]]:
        """(code, severity, subject) of what is not mere information, in the order of the report."""
        return [
            (f["code"], f["severity"], f"{f['subject']['kind']}/{f['subject']['namespace']}/{f['subject']['name']}")
            for f in self.findings
            if f["severity"] != "info"
        ]


def verify(extsvc: Run, *argv: str) -> Verdict:
    done = extsvc("verify", *argv, "-o", "json", check=False)
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert [alias["broken"] for alias in report["aliases"] if alias["broken"]] == []
    return Verdict(done.returncode, report, json.dumps(report["aliases"], indent=1) + done.stderr)


def judged(extsvc: Run, wanted: tuple[int, list[tuple[str, str, str]]], *argv: str) -> Verdict:
    """The verdict once it is as wanted, or the last one: a push takes a moment, and DNS remembers for 5 s."""
    end = time.monotonic() + 15
    while (seen := verify(extsvc, *argv)) and (seen.exit_code, seen.bad) != wanted and time.monotonic() < end:
        time.sleep(0.3)
    return seen


def sh(testbed: Any, command: str) -> str:
    """A finding's cure, as a user pastes it."""
    done = subprocess.run(
        ["sh", "-c", command], env=testbed.env, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


@dataclass(frozen=True, slots=True)
class Failure:
    id: str
    """Row of the failure catalogue, and what is wrong."""
    name: str
    """The alias."""
    bad: list[tuple[str, str, str]]
    objects: Sequence[Json] = ()
    create: Sequence[str] = ()
    """Arguments of our own create, after which the objects are written and the alias is broken."""
    broken_by: Sequence[Sequence[str]] = ()
    """kubectl commands."""
    policy: str = ""
    argv: Sequence[str] = ()
    edit: Callable[[str], str] = field(default=lambda cure: cure)
    """What the user has to fill in or choose in the cure."""
    exit_code: int = 1


def patched(kind: str, name: str, patch: Json) -> tuple[str, ...]:
    return ("patch", kind, name, "--type=merge", "-p", json.dumps(patch))


def tls_patch(tls: Json) -> Json:
    return {"spec": {"trafficPolicy": {"tls": tls}}}


CREATED_PAY = ("my-pay", "--address", PAY, "--host", "api.pay.example", "--port", "http:80:443")
CREATED_HTTPBIN = ("my-httpbin", "--address", HTTPBIN, "--host", "httpbin.org", "--port", "http:80")
CREATED_WIKIPEDIA = ("my-wikipedia", "--address", ",".join(WIKIPEDIA), "--host", "en.wikipedia.org")

ERROR, WARNING = "error", "warning"


def rule_ref(name: str, namespace: str = "default") -> str:
    return f"DestinationRule/{namespace}/{name}"


FAILURES = [
    Failure(
        "02 the certificate has expired",
        "my-expired",
        [("XS0401", ERROR, "Service/default/my-expired")],
        [external_name("my-expired", "expired.example", port(443, "tls"))],
        edit=lambda _: "kubectl extsvc create my-expired --external-name httpbin.org --port tls:443 --adopt",
    ),
    Failure(
        "02 nobody known signed the certificate",
        "my-untrusted",
        [("XS0401", ERROR, "Service/default/my-untrusted")],
        create=["my-untrusted", "--address", "203.0.113.23", "--host", "untrusted.example"],
        edit=lambda _: "kubectl extsvc create my-untrusted --external-name httpbin.org --port tls:443 --overwrite",
    ),
    Failure(
        "03 ours has lost its SNI",
        "my-pay",
        [("XS0403", ERROR, rule_ref("my-pay"))],
        create=CREATED_PAY,
        broken_by=[
            ("delete", "virtualservice", "my-pay"),
            patched("destinationrule", "my-pay", tls_patch(EMPTY_TLS)),
        ],
    ),
    Failure(
        "03 SIMPLE without names, and a strict server",
        "pay",
        [("XS0403", ERROR, rule_ref("pay-tls"))],
        [*addresses_alias("pay", PAY, 80, 443), destination_rule("pay-tls", fqdn("pay"), {"mode": "SIMPLE"})],
        edit=lambda cure: cure.replace("HOST", "api.pay.example"),
    ),
    Failure(
        "03 SIMPLE without names, and a server that takes any SNI",
        "bin",
        [("XS0402", ERROR, rule_ref("bin-tls"))],
        [*addresses_alias("bin", HTTPBIN, 80, 443), destination_rule("bin-tls", fqdn("bin"), {"mode": "SIMPLE"})],
        edit=lambda cure: cure.replace("HOST", "httpbin.org"),
    ),
    Failure(
        "03 a wrong name in subjectAltNames",
        "my-pay",
        [("XS0409", ERROR, rule_ref("my-pay"))],
        create=CREATED_PAY,
        broken_by=[patched("destinationrule", "my-pay", tls_patch({"subjectAltNames": ["pay.example"]}))],
    ),
    Failure(
        "04 sni and no subjectAltNames",
        "pay",
        [("XS0404", WARNING, rule_ref("pay-tls"))],
        [
            *addresses_alias("pay", PAY, 80, 443),
            destination_rule("pay-tls", fqdn("pay"), {"mode": "SIMPLE", "sni": "api.pay.example"}),
        ],
        exit_code=0,
    ),
    Failure(
        "04 ours has lost its subjectAltNames",
        "my-pay",
        [("XS0404", WARNING, rule_ref("my-pay"))],
        create=["my-pay", "--external-name", "api.pay.example", "--port", "http:80:443"],
        broken_by=[patched("destinationrule", "my-pay", tls_patch({"subjectAltNames": None}))],
        exit_code=0,
    ),
    Failure(
        "05 ours says SIMPLE on a port where clients speak TLS",
        "my-wikipedia",
        [("XS0405", ERROR, rule_ref("my-wikipedia"))],
        create=CREATED_WIKIPEDIA,
        broken_by=[patched("destinationrule", "my-wikipedia", tls_patch({"mode": "SIMPLE"}))],
    ),
    Failure(
        "05 SIMPLE on a port where clients speak TLS",
        "wiki",
        [("XS0405", ERROR, rule_ref("wiki-tls"))],
        [
            service("wiki", port(443, "https")),
            endpoint_slice("wiki", WIKIPEDIA, port(443, "https")),
            destination_rule("wiki-tls", "wiki", {"mode": "SIMPLE", "sni": "en.wikipedia.org"}),
        ],
    ),
    Failure(
        "09 a rule on the alias that no proxy reads",
        "my-httpbin",
        [("XS0301", ERROR, rule_ref("httpbin-tls"))],
        [
            external_name("my-httpbin", "httpbin.org", port(80, "http")),
            destination_rule("httpbin-tls", fqdn("my-httpbin"), {"mode": "SIMPLE"}),
        ],
    ),
    Failure(
        "09 the same, the rule having the alias's name",
        "my-httpbin",
        [("XS0301", ERROR, rule_ref("my-httpbin"))],
        [
            external_name("my-httpbin", "httpbin.org", port(80, "http")),
            destination_rule("my-httpbin", "my-httpbin", {"mode": "SIMPLE"}),
        ],
    ),
    Failure(
        "11 a wildcard for the mesh covers a rule-less alias",
        "bin",
        [("XS0302", ERROR, rule_ref("mesh-mtls"))],
        [*addresses_alias("bin", HTTPBIN, 80, 80), destination_rule("mesh-mtls", "*.local", {"mode": "ISTIO_MUTUAL"})],
    ),
    Failure(
        "11 the wildcard is the root namespace's, and ours has lost its rule",
        "my-httpbin",
        [("XS0302", ERROR, rule_ref("extsvc-tests-mtls", "istio-system"))],
        [destination_rule("extsvc-tests-mtls", "*.local", {"mode": "ISTIO_MUTUAL"}, "istio-system")],
        create=CREATED_HTTPBIN,
        broken_by=[("delete", "destinationrule", "my-httpbin")],
    ),
    Failure(
        "11 the wildcard of the clients' namespace hides the exact rule of the Service's",
        "bin",
        [("XS0302", ERROR, rule_ref("mesh-mtls"))],
        [
            service("bin", port(80, "http"), namespace="without-istio"),
            endpoint_slice("bin", [HTTPBIN], port(80, "http"), namespace="without-istio"),
            destination_rule("bin", fqdn("bin", "without-istio"), DISABLE, "without-istio"),
            destination_rule("mesh-mtls", "*.local", {"mode": "ISTIO_MUTUAL"}),
        ],
        argv=["-n", "without-istio"],
    ),
    Failure(
        "14 REGISTRY_ONLY, and nobody has registered the target",
        "my-httpbin",
        [("XS0601", ERROR, "Service/default/my-httpbin")],
        [external_name("my-httpbin", "httpbin.org", port(80, "http"))],
        policy="REGISTRY_ONLY",
    ),
    Failure(
        "14 the same for clients that speak TLS",
        "my-pay",
        [("XS0601", ERROR, "Service/default/my-pay")],
        [external_name("my-pay", "api.pay.example", port(443, "https"))],
        policy="REGISTRY_ONLY",
    ),
    Failure(
        "14 ours has lost its ServiceEntry",
        "my-httpbin",
        [("XS0304", ERROR, "VirtualService/default/my-httpbin")],
        create=["my-httpbin", "--external-name", "httpbin.org"],
        broken_by=[("delete", "serviceentry", "my-httpbin")],
    ),
    Failure(
        "22 externalName is an address",
        "bin",
        [("XS0101", ERROR, "Service/default/bin")],
        [external_name("bin", HTTPBIN, port(80, "http"))],
    ),
    Failure(
        "22 externalName is an address, and no port is named",
        "bin",
        [("XS0101", ERROR, "Service/default/bin")],
        [external_name("bin", HTTPBIN)],
    ),
    Failure(
        "25 nobody is any more at the recorded address",
        "my-httpbin",
        [("XS0203", ERROR, "EndpointSlice/default/my-httpbin-ipv4")],
        create=["my-httpbin", "--address", REFUSES, "--host", "httpbin.org", "--port", "http:80"],
    ),
    Failure(
        "25 somebody else is at the recorded address",
        "wiki",
        [("XS0203", ERROR, "EndpointSlice/default/wiki-1")],
        [
            service("wiki", port(443, "tls"), host="en.wikipedia.org"),
            endpoint_slice("wiki", [HTTPBIN], port(443, "tls")),
        ],
    ),
    Failure(
        "26 the slice lacks the label",
        "bin",
        [("XS0201", ERROR, "EndpointSlice/default/bin-1")],
        [service("bin", port(80, "http")), endpoint_slice("bin", [HTTPBIN], port(80, "http"), labels={})],
    ),
    Failure(
        "26 our slice has lost its label",
        "my-httpbin",
        [("XS0201", ERROR, "EndpointSlice/default/my-httpbin-ipv4")],
        create=CREATED_HTTPBIN,
        broken_by=[("label", "endpointslice", "my-httpbin-ipv4", "kubernetes.io/service-name-")],
    ),
    Failure(
        "26 the slice is of type FQDN",
        "bin",
        [("XS0201", ERROR, "EndpointSlice/default/bin-1")],
        [
            service("bin", port(80, "http")),
            endpoint_slice("bin", ["httpbin.org"], port(80, "http"), address_type="FQDN"),
        ],
    ),
    Failure(
        "26 our endpoint is not ready",
        "my-httpbin",
        [("XS0201", ERROR, "EndpointSlice/default/my-httpbin-ipv4")],
        create=CREATED_HTTPBIN,
        broken_by=[
            patched(
                "endpointslice",
                "my-httpbin-ipv4",
                {"endpoints": [{"addresses": [HTTPBIN], "conditions": {"ready": False}}]},
            )
        ],
    ),
    Failure(
        "26 the Endpoints are not mirrored",
        "bin",
        [("XS0201", ERROR, "Service/default/bin")],
        [
            service("bin", port(80, "http")),
            endpoints("bin", [HTTPBIN], port(80, "http"), labels={"endpointslice.kubernetes.io/skip-mirror": "true"}),
        ],
        edit=lambda cure: cure.replace("ADDRESS", HTTPBIN),
    ),
    Failure(
        "27 the slice's port has another name",
        "bin",
        [("XS0202", ERROR, "EndpointSlice/default/bin-1")],
        [service("bin", port(80, "http")), endpoint_slice("bin", [HTTPBIN], port(80, "web"))],
    ),
    Failure(
        "27 the Endpoints' port has no name",
        "bin",
        [("XS0202", ERROR, "EndpointSlice/default/bin-*")],
        [service("bin", port(80, "http")), endpoints("bin", [HTTPBIN], port(80))],
    ),
    Failure(
        "27 our Service's port was renamed",
        "my-httpbin",
        [("XS0202", ERROR, "EndpointSlice/default/my-httpbin-ipv4")],
        create=CREATED_HTTPBIN,
        broken_by=[
            ("patch", "service", "my-httpbin", "--type=json", "-p",
             '[{"op": "replace", "path": "/spec/ports/0/name", "value": "http-api"}]'),
        ],
    ),
]  # fmt: skip


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.id.replace(" ", "-"))
def test_it_is_named_first_and_alone_and_its_cure_cures(
    failure: Failure,
    testbed: Any,
    kubectl: Run,
    extsvc: Run,
    made: Callable[..., None],
    mesh_policy: Callable[[str], None],
) -> None:
    if failure.policy:
        mesh_policy(failure.policy)
    with ExitStack() as stack:
        if failure.create:
            extsvc("create", *failure.create, "--wait")
        namespace = failure.argv[1] if failure.argv else "default"
        stack.callback(extsvc, "delete", failure.name, "-n", namespace, "--ignore-not-found", check=False)
        made(*failure.objects)
        for command in failure.broken_by:
            kubectl(*command)

        seen = judged(extsvc, (failure.exit_code, failure.bad), failure.name, *failure.argv)
        mirrored = [(code, severity, "-".join([*subject.split("-")[:-1], "*"]) if subject.count("*") else subject)
                    for code, severity, subject in seen.bad]  # fmt: skip
        assert (seen.exit_code, mirrored) == (failure.exit_code, failure.bad), seen.words
        print(json.dumps(seen.findings, indent=1))

        cure = failure.edit(seen.findings[0]["cure"])
        print(cure, sh(testbed, cure))
        cured = judged(extsvc, (0, []), failure.name, *failure.argv)
        assert (cured.exit_code, cured.bad) == (0, []), cured.words
        print(json.dumps(cured.findings, indent=1))
