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



def pay(name: str) -> Sequence[str]:
    return name, "--address", PAY, "--host", "api.pay.example", "--port", "http:80:443"


def httpbin(name: str) -> Sequence[str]:
    return name, "--address", HTTPBIN, "--host", "httpbin.org", "--port", "http:80"


def wikipedia(name: str) -> Sequence[str]:
    return name, "--address", ",".join(WIKIPEDIA), "--host", "en.wikipedia.org"


ERROR, WARNING = "error", "warning"


def rule_ref(name: str, namespace: str = "default") -> str:
    return f"DestinationRule/{namespace}/{name}"


FAILURES = [
    Failure(
        "02 the certificate has expired",
        "expired",
        [("XS0401", ERROR, "Service/default/expired")],
        [external_name("expired", "expired.example", port(443, "tls"))],
        edit=lambda _: "kubectl extsvc create expired --external-name httpbin.org --port tls:443 --adopt",
    ),
    Failure(
        "02 nobody known signed the certificate",
        "untrusted",
        [("XS0401", ERROR, "Service/default/untrusted")],
        create=["untrusted", "--address", "203.0.113.23", "--host", "untrusted.example"],
        edit=lambda _: "kubectl extsvc create untrusted --external-name httpbin.org --port tls:443 --overwrite",
    ),
    Failure(
        "03 ours has lost its SNI",
        "pay-no-sni",
        [("XS0403", ERROR, rule_ref("pay-no-sni"))],
        create=pay("pay-no-sni"),
        broken_by=[
            ("delete", "virtualservice", "pay-no-sni"),
            patched("destinationrule", "pay-no-sni", tls_patch(EMPTY_TLS)),
        ],
    ),
    Failure(
        "03 SIMPLE without names, and a strict server",
        "pay-strict",
        [("XS0403", ERROR, rule_ref("pay-strict-tls"))],
        [*addresses_alias("pay-strict", PAY, 80, 443), destination_rule("pay-strict-tls", fqdn("pay-strict"), {"mode": "SIMPLE"})],
        edit=lambda cure: cure.replace("HOST", "api.pay.example"),
    ),
    Failure(
        "03 SIMPLE without names, and a server that takes any SNI",
        "bin-any-sni",
        [("XS0402", ERROR, rule_ref("bin-any-sni-tls"))],
        [*addresses_alias("bin-any-sni", HTTPBIN, 80, 443), destination_rule("bin-any-sni-tls", fqdn("bin-any-sni"), {"mode": "SIMPLE"})],
        edit=lambda cure: cure.replace("HOST", "httpbin.org"),
    ),
    Failure(
        "03 a wrong name in subjectAltNames",
        "pay-wrong-san",
        [("XS0409", ERROR, rule_ref("pay-wrong-san"))],
        create=pay("pay-wrong-san"),
        broken_by=[patched("destinationrule", "pay-wrong-san", tls_patch({"subjectAltNames": ["pay.example"]}))],
    ),
    Failure(
        "04 sni and no subjectAltNames",
        "pay-no-san",
        [("XS0404", WARNING, rule_ref("pay-no-san-tls"))],
        [
            *addresses_alias("pay-no-san", PAY, 80, 443),
            destination_rule("pay-no-san-tls", fqdn("pay-no-san"), {"mode": "SIMPLE", "sni": "api.pay.example"}),
        ],
        exit_code=0,
    ),
    Failure(
        "04 ours has lost its subjectAltNames",
        "pay-lost-san",
        [("XS0404", WARNING, rule_ref("pay-lost-san"))],
        create=["pay-lost-san", "--external-name", "api.pay.example", "--port", "http:80:443"],
        broken_by=[patched("destinationrule", "pay-lost-san", tls_patch({"subjectAltNames": None}))],
        exit_code=0,
    ),
    Failure(
        "05 ours says SIMPLE on a port where clients speak TLS",
        "wiki-simple",
        [("XS0405", ERROR, rule_ref("wiki-simple"))],
        create=wikipedia("wiki-simple"),
        broken_by=[patched("destinationrule", "wiki-simple", tls_patch({"mode": "SIMPLE"}))],
    ),
    Failure(
        "05 SIMPLE on a port where clients speak TLS",
        "wiki-double",
        [("XS0405", ERROR, rule_ref("wiki-double-tls"))],
        [
            service("wiki-double", port(443, "https")),
            endpoint_slice("wiki-double", WIKIPEDIA, port(443, "https")),
            destination_rule("wiki-double-tls", "wiki-double", {"mode": "SIMPLE", "sni": "en.wikipedia.org"}),
        ],
    ),
    Failure(
        "09 a rule on the alias that no proxy reads",
        "bin-dead-rule",
        [("XS0301", ERROR, rule_ref("httpbin-tls"))],
        [
            external_name("bin-dead-rule", "httpbin.org", port(80, "http")),
            destination_rule("httpbin-tls", fqdn("bin-dead-rule"), {"mode": "SIMPLE"}),
        ],
    ),
    Failure(
        "09 the same, the rule having the alias's name",
        "bin-dead-own",
        [("XS0301", ERROR, rule_ref("bin-dead-own"))],
        [
            external_name("bin-dead-own", "httpbin.org", port(80, "http")),
            destination_rule("bin-dead-own", "bin-dead-own", {"mode": "SIMPLE"}),
        ],
    ),
    Failure(
        "11 a wildcard for the mesh covers a rule-less alias",
        "bin-mesh",
        [("XS0302", ERROR, rule_ref("mesh-mtls"))],
        [*addresses_alias("bin-mesh", HTTPBIN, 80, 80), destination_rule("mesh-mtls", "*.local", {"mode": "ISTIO_MUTUAL"})],
    ),
    Failure(
        "11 the wildcard is the root namespace's, and ours has lost its rule",
        "bin-root",
        [("XS0302", ERROR, rule_ref("extsvc-tests-mtls", "istio-system"))],
        [destination_rule("extsvc-tests-mtls", "*.local", {"mode": "ISTIO_MUTUAL"}, "istio-system")],
        create=httpbin("bin-root"),
        broken_by=[("delete", "destinationrule", "bin-root")],
    ),
    Failure(
        "11 the wildcard of the clients' namespace hides the exact rule of the Service's",
        "bin-elsewhere",
        [("XS0302", ERROR, rule_ref("mesh-mtls"))],
        [
            service("bin-elsewhere", port(80, "http"), namespace="without-istio"),
            endpoint_slice("bin-elsewhere", [HTTPBIN], port(80, "http"), namespace="without-istio"),
            destination_rule("bin-elsewhere", fqdn("bin-elsewhere", "without-istio"), DISABLE, "without-istio"),
            destination_rule("mesh-mtls", "*.local", {"mode": "ISTIO_MUTUAL"}),
        ],
        argv=["-n", "without-istio"],
    ),
    Failure(
        "14 REGISTRY_ONLY, and nobody has registered the target",
        "bin-closed",
        [("XS0601", ERROR, "Service/default/bin-closed")],
        [external_name("bin-closed", "httpbin.org", port(80, "http"))],
        policy="REGISTRY_ONLY",
    ),
    Failure(
        "14 the same for clients that speak TLS",
        "pay-closed",
        [("XS0601", ERROR, "Service/default/pay-closed")],
        [external_name("pay-closed", "api.pay.example", port(443, "https"))],
        policy="REGISTRY_ONLY",
    ),
    Failure(
        "14 ours has lost its ServiceEntry",
        "bin-no-entry",
        [("XS0304", ERROR, "VirtualService/default/bin-no-entry")],
        create=["bin-no-entry", "--external-name", "httpbin.org"],
        broken_by=[("delete", "serviceentry", "bin-no-entry")],
    ),
    Failure(
        "22 externalName is an address",
        "bin-address",
        [("XS0101", ERROR, "Service/default/bin-address")],
        [external_name("bin-address", HTTPBIN, port(80, "http"))],
    ),
    Failure(
        "22 externalName is an address, and no port is named",
        "bin-portless",
        [("XS0101", ERROR, "Service/default/bin-portless")],
        [external_name("bin-portless", HTTPBIN)],
    ),
    Failure(
        "25 nobody is any more at the recorded address",
        "bin-stale",
        [("XS0203", ERROR, "EndpointSlice/default/bin-stale-ipv4")],
        create=["bin-stale", "--address", REFUSES, "--host", "httpbin.org", "--port", "http:80"],
    ),
    Failure(
        "25 somebody else is at the recorded address",
        "wiki-stale",
        [("XS0203", ERROR, "EndpointSlice/default/wiki-stale-1")],
        [
            service("wiki-stale", port(443, "tls"), host="en.wikipedia.org"),
            endpoint_slice("wiki-stale", [HTTPBIN], port(443, "tls")),
        ],
    ),
    Failure(
        "26 the slice lacks the label",
        "bin-no-label",
        [("XS0201", ERROR, "EndpointSlice/default/bin-no-label-1")],
        [service("bin-no-label", port(80, "http")), endpoint_slice("bin-no-label", [HTTPBIN], port(80, "http"), labels={})],
    ),
    Failure(
        "26 our slice has lost its label",
        "bin-lost-label",
        [("XS0201", ERROR, "EndpointSlice/default/bin-lost-label-ipv4")],
        create=httpbin("bin-lost-label"),
        broken_by=[("label", "endpointslice", "bin-lost-label-ipv4", "kubernetes.io/service-name-")],
    ),
    Failure(
        "26 the slice is of type FQDN",
        "bin-fqdn",
        [("XS0201", ERROR, "EndpointSlice/default/bin-fqdn-1")],
        [
            service("bin-fqdn", port(80, "http")),
            endpoint_slice("bin-fqdn", ["httpbin.org"], port(80, "http"), address_type="FQDN"),
        ],
    ),
    Failure(
        "26 our endpoint is not ready",
        "bin-not-ready",
        [("XS0201", ERROR, "EndpointSlice/default/bin-not-ready-ipv4")],
        create=httpbin("bin-not-ready"),
        broken_by=[
            patched(
                "endpointslice",
                "bin-not-ready-ipv4",
                {"endpoints": [{"addresses": [HTTPBIN], "conditions": {"ready": False}}]},
            )
        ],
    ),
    Failure(
        "26 the Endpoints are not mirrored",
        "bin-unmirrored",
        [("XS0201", ERROR, "Service/default/bin-unmirrored")],
        [
            service("bin-unmirrored", port(80, "http")),
            endpoints("bin-unmirrored", [HTTPBIN], port(80, "http"), labels={"endpointslice.kubernetes.io/skip-mirror": "true"}),
        ],
        edit=lambda cure: cure.replace("ADDRESS", HTTPBIN),
    ),
    Failure(
        "27 the slice's port has another name",
        "bin-port",
        [("XS0202", ERROR, "EndpointSlice/default/bin-port-1")],
        [service("bin-port", port(80, "http")), endpoint_slice("bin-port", [HTTPBIN], port(80, "web"))],
    ),
    Failure(
        "27 the Endpoints' port has no name",
        "bin-mirror-port",
        [("XS0202", ERROR, "EndpointSlice/default/bin-mirror-port-*")],
        [service("bin-mirror-port", port(80, "http")), endpoints("bin-mirror-port", [HTTPBIN], port(80))],
    ),
    Failure(
        "27 our Service's port was renamed",
        "bin-renamed",
        [("XS0202", ERROR, "EndpointSlice/default/bin-renamed-ipv4")],
        create=httpbin("bin-renamed"),
        broken_by=[
            ("patch", "service", "bin-renamed", "--type=json", "-p",
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
