"""The common ways to get an alias wrong, each made on a real cluster and mesh, judged, and cured as the finding says.

Some aliases are made by create and then broken with kubectl, some are wholly somebody else's.
"""

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Json = dict[str, Any]
T = TypeVar("T")

HTTPBIN, PAY, REFUSES = "203.0.113.10", "203.0.113.20", "203.0.113.30"
WIKIPEDIA = ("198.51.100.26", "198.51.100.27")
SIDECAR = "deployment/curl.default"
AT_ONCE = 4
SETTLING_SECONDS = 10.0
"""Of verify: it waits with a bad verdict until nothing is younger."""
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


def addresses_alias(
    name: str, address: str, number: int, target_port: int, port_name: str = "http"
) -> tuple[Json, Json]:
    return service(name, port(number, port_name)), endpoint_slice(name, [address], port(target_port, port_name))


# --- making and judging ----------------------------------------------------------------------------------------------


@pytest.fixture
def made(kubectl: Run) -> Iterator[Callable[..., None]]:
    """Writes objects as kubectl create does, and removes them, in reverse, at the end."""
    written: list[Json] = []

    def make(*objects: Json) -> None:
        if not objects:
            return
        written.extend(objects)
        kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))

    yield make
    if written:
        objects = {"apiVersion": "v1", "kind": "List", "items": written[::-1]}
        kubectl("delete", "-f", "-", "--ignore-not-found", "--wait=false", stdin=json.dumps(objects))


def subject_of(finding: Json) -> str:
    """KIND/NAMESPACE/NAME; the last part of a mirrored slice's name is the server's invention."""
    kind, namespace, name = (finding["subject"][key] for key in ("kind", "namespace", "name"))
    if kind == "EndpointSlice" and not name.endswith(("-1", "-ipv4")):
        name = name.rpartition("-")[0] + "-*"
    return f"{kind}/{namespace}/{name}"


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
        return [(f["code"], f["severity"], subject_of(f)) for f in self.findings if f["severity"] != "info"]


def verify(extsvc: Run, *argv: str) -> Verdict:
    done = extsvc("verify", *argv, "-o", "json", check=False)
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert [alias["broken"] for alias in report["aliases"] if alias["broken"]] == []
    return Verdict(done.returncode, report, json.dumps(report["aliases"], indent=1) + done.stderr)


def judged(extsvc: Run, *argv: str) -> Verdict:
    """The verdict once it is good, or the last one: a push takes a moment, and DNS remembers for 5 s."""
    end = time.monotonic() + 10
    while (seen := verify(extsvc, *argv)) and (seen.exit_code, seen.bad) != (0, []) and time.monotonic() < end:
        time.sleep(0.3)
    return seen


def said(verdicts: Mapping[str, Verdict]) -> str:
    """All findings, for a test that fails."""
    lines = [
        f"{key}: {finding['code']} {finding['message']}\n    {finding['evidence']}\n    cure: {finding['cure']}"
        for key, verdict in verdicts.items()
        for finding in verdict.findings
    ]
    return "\n".join(lines)


def of_each(pool: Executor, do: "Callable[[Failure], T]", failures: "Sequence[Failure]") -> "dict[str, T]":
    """What do gives of each failure, by its id."""
    return dict(zip((failure.id for failure in failures), pool.map(do, failures), strict=True))


def sh(cluster: Any, command: str) -> str:
    """Carries a finding's cure out, as a user pastes it. Gives what was said if it did not end well."""
    done = subprocess.run(
        ["sh", "-c", command], env=cluster.env, capture_output=True, text=True, check=False, timeout=60
    )
    return f"{command}\n{done.stdout}{done.stderr}" if done.returncode else ""


def forget(kubectl: Run, extsvc: Run, failure: "Failure") -> None:
    """Removes what create and cures have made."""
    namespace = failure.argv[1] if failure.argv else "default"
    extsvc("delete", failure.name, "-n", namespace, "--ignore-not-found", check=False)
    for name in ("default", namespace):
        kubectl("delete", "destinationrule,virtualservice", failure.name, f"{failure.name}-tls", "-n", name,
                "--ignore-not-found")  # fmt: skip


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
    argv: Sequence[str] = ()
    edit: Callable[[str], str] = field(default=lambda cure: cure)
    """What the user has to fill in or choose in the cure."""
    exit_code: int = 1
    left: Sequence[tuple[str, str, str]] = ()
    """What is rightly said after the cure."""


def in_clear(name: str) -> Sequence[tuple[str, str, str]]:
    """The sidecar adds TLS now, but httpbin.org answers pods without one on port 80 as well."""
    return [("XS0408", WARNING, f"Service/default/{name}")]


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
        edit=lambda _: "kubectl extsvc create expired --external-name httpbin.org --port tls:443 --adopt --overwrite",
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
        [
            *addresses_alias("pay-strict", PAY, 80, 443),
            destination_rule("pay-strict-tls", fqdn("pay-strict"), {"mode": "SIMPLE"}),
        ],
        edit=lambda cure: cure.replace("HOST", "api.pay.example"),
    ),
    Failure(
        "03 SIMPLE without names, and a server that takes any SNI",
        "bin-any-sni",
        [("XS0402", ERROR, rule_ref("bin-any-sni-tls"))],
        [
            *addresses_alias("bin-any-sni", HTTPBIN, 80, 443),
            destination_rule("bin-any-sni-tls", fqdn("bin-any-sni"), {"mode": "SIMPLE"}),
        ],
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
        left=in_clear("bin-dead-rule"),
    ),
    Failure(
        "09 the same, the rule having the alias's name",
        "bin-dead-own",
        [("XS0301", ERROR, rule_ref("bin-dead-own"))],
        [
            external_name("bin-dead-own", "httpbin.org", port(80, "http")),
            destination_rule("bin-dead-own", "bin-dead-own", {"mode": "SIMPLE"}),
        ],
        left=in_clear("bin-dead-own"),
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
        "25 nobody is at one of our two addresses",
        "bin-half",
        [("XS0204", ERROR, "EndpointSlice/default/bin-half-ipv4")],
        create=["bin-half", "--address", f"{HTTPBIN},{REFUSES}", "--port", "http:80"],
    ),
    Failure(
        "25 nobody is at one of two mirrored addresses",
        "bin-half-theirs",
        [("XS0204", ERROR, "EndpointSlice/default/bin-half-theirs-*")],
        [
            service("bin-half-theirs", port(80, "http")),
            endpoints("bin-half-theirs", [HTTPBIN, REFUSES], port(80, "http")),
        ],
    ),
    Failure(
        "26 the slice lacks the label",
        "bin-no-label",
        [("XS0201", ERROR, "EndpointSlice/default/bin-no-label-1")],
        [
            service("bin-no-label", port(80, "http")),
            endpoint_slice("bin-no-label", [HTTPBIN], port(80, "http"), labels={}),
        ],
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
            endpoints(
                "bin-unmirrored",
                [HTTPBIN],
                port(80, "http"),
                labels={"endpointslice.kubernetes.io/skip-mirror": "true"},
            ),
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
            (
                "patch",
                "service",
                "bin-renamed",
                "--type=json",
                "-p",
                '[{"op": "replace", "path": "/spec/ports/0/name", "value": "http-api"}]',
            ),
        ],
    ),
]

MESH_MTLS = {"mode": "ISTIO_MUTUAL"}
UNDER_CLIENTS_WILDCARD = [
    Failure(
        "11 a wildcard for the mesh covers a rule-less alias",
        "bin-mesh",
        [("XS0302", ERROR, rule_ref("mesh-mtls"))],
        addresses_alias("bin-mesh", HTTPBIN, 80, 80),
    ),
    Failure(
        "11 the wildcard of the clients' namespace hides the exact rule of the Service's",
        "bin-elsewhere",
        [("XS0302", ERROR, rule_ref("mesh-mtls"))],
        [
            service("bin-elsewhere", port(80, "http"), namespace="without-istio"),
            endpoint_slice("bin-elsewhere", [HTTPBIN], port(80, "http"), namespace="without-istio"),
            destination_rule("bin-elsewhere", fqdn("bin-elsewhere", "without-istio"), DISABLE, "without-istio"),
        ],
        argv=["-n", "without-istio"],
    ),
]

UNDER_ROOT_WILDCARD = [
    Failure(
        "11 the wildcard is the root namespace's, and ours has lost its rule",
        "bin-root",
        [("XS0302", ERROR, rule_ref("mesh-mtls", "istio-system"))],
        create=httpbin("bin-root"),
        broken_by=[("delete", "destinationrule", "bin-root")],
    ),
]

UNDER_REGISTRY_ONLY = [
    Failure(
        "14 REGISTRY_ONLY, and nobody has registered the target",
        "bin-closed",
        [("XS0601", ERROR, "Service/default/bin-closed")],
        [external_name("bin-closed", "httpbin.org", port(80, "http"))],
    ),
    Failure(
        "14 the same for clients that speak TLS",
        "pay-closed",
        [("XS0601", ERROR, "Service/default/pay-closed")],
        [external_name("pay-closed", "api.pay.example", port(443, "https"))],
    ),
]

GROUPS = [
    pytest.param("", [], FAILURES, id="by themselves"),
    pytest.param(
        "",
        [destination_rule("mesh-mtls", "*.local", MESH_MTLS)],
        UNDER_CLIENTS_WILDCARD,
        id="under a wildcard rule of the clients' namespace",
    ),
    pytest.param(
        "",
        [destination_rule("mesh-mtls", "*.local", MESH_MTLS, "istio-system")],
        UNDER_ROOT_WILDCARD,
        id="under a wildcard rule of the root namespace",
    ),
    pytest.param("REGISTRY_ONLY", [], UNDER_REGISTRY_ONLY, id="under REGISTRY_ONLY"),
]


@pytest.mark.parametrize(("policy", "around", "failures"), GROUPS)
def test_each_failure_is_named_first_and_alone_and_its_cure_cures(
    policy: str,
    around: Sequence[Json],
    failures: Sequence[Failure],
    cluster: Any,
    kubectl: Run,
    extsvc: Run,
    made: Callable[..., None],
    mesh_policy: Callable[[str], None],
) -> None:
    if policy:
        mesh_policy(policy)
    with ExitStack() as stack:
        for failure in failures:
            stack.callback(forget, kubectl, extsvc, failure)
            if failure.create:
                extsvc("create", *failure.create)
        made(*around, *(obj for failure in failures for obj in failure.objects))
        for failure in failures:
            for command in failure.broken_by:
                kubectl(*command)
        time.sleep(SETTLING_SECONDS)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            seen = of_each(pool, lambda failure: verify(extsvc, failure.name, *failure.argv), failures)
            assert {key: (verdict.exit_code, verdict.bad) for key, verdict in seen.items()} == {
                failure.id: (failure.exit_code, failure.bad) for failure in failures
            }, said(seen)
            answers = of_each(
                pool, lambda failure: sh(cluster, failure.edit(seen[failure.id].findings[0]["cure"])), failures
            )
            assert {key: answer for key, answer in answers.items() if answer} == {}
            cured = of_each(pool, lambda failure: judged(extsvc, failure.name, *failure.argv), failures)
            assert {key: (verdict.exit_code, verdict.bad) for key, verdict in cured.items()} == {
                failure.id: (0, [*failure.left]) for failure in failures
            }, said(cured)


# --- row 13: a credential that sidecars ignore ------------------------------------------------------------------------


@pytest.fixture
def readable_ca(cluster: Any, made: Callable[..., None]) -> str:
    """Name of a Secret with the outside's CA, which the sidecars of deployment/curl may read."""
    name, rbac = "pay-ca", "rbac.authorization.k8s.io"
    metadata = {"name": name, "namespace": "default"}
    made(
        {"apiVersion": "v1", "kind": "Secret", "metadata": metadata,
         "stringData": {"ca.crt": (cluster.pki / "ca.crt").read_text()}},
        {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": metadata,
         "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "watch"]}]},
        {"apiVersion": f"{rbac}/v1", "kind": "RoleBinding", "metadata": metadata,
         "roleRef": {"apiGroup": rbac, "kind": "Role", "name": name},
         "subjects": [{"kind": "ServiceAccount", "name": "curl", "namespace": "default"}]},
    )  # fmt: skip
    return name


def test_a_credential_without_selector_is_named_and_cured(
    cluster: Any, kubectl: Run, extsvc: Run, made: Callable[..., None], readable_ca: str
) -> None:
    tls: Json = {"mode": "SIMPLE", "credentialName": readable_ca}
    tls |= {"sni": "api.pay.example", "subjectAltNames": ["api.pay.example"]}
    made(*addresses_alias("theirs", PAY, 80, 443), destination_rule("theirs-tls", fqdn("theirs"), tls))
    extsvc("create", *pay("ours"))
    try:
        kubectl(*patched("destinationrule", "ours", tls_patch(tls | {"caCertificates": None})))
        time.sleep(SETTLING_SECONDS)
        for name, rule in (("theirs", "theirs-tls"), ("ours", "ours")):
            seen = verify(extsvc, name)
            assert (seen.exit_code, seen.bad) == (1, [("XS0406", ERROR, rule_ref(rule))]), seen.words
            assert sh(cluster, seen.findings[0]["cure"]) == ""
            cured = judged(extsvc, name)
            assert (cured.exit_code, cured.bad) == (0, []), said({name: cured}) + cured.words
    finally:
        extsvc("delete", "ours")


# --- row 1: an origin that minds the Host header ---------------------------------------------------------------------

PICKY = "/tmp/answer"
SCRIPT = f"""cat > {PICKY} <<'END'
#!/bin/sh
status='404 Not Found'
while read -r line; do
  line=$(printf %s "$line" | tr -d '\\r')
  [ -z "$line" ] && break
  case "$line" in [Hh]ost:\\ shop.example|[Hh]ost:\\ shop.example:*) status='200 OK' ;; esac
done
printf 'HTTP/1.1 %s\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n' "$status"
END
chmod +x {PICKY} && exec nc -ll -p 8080 -e {PICKY}"""


@pytest.fixture
def picky_origin(kubectl: Run, curl_image: str, made: Callable[..., None]) -> str:
    """Address of a server on port 8080 that knows the Host shop.example only."""
    container = {"name": "origin", "image": curl_image, "command": ["sh", "-c", SCRIPT]}
    spec = {"terminationGracePeriodSeconds": 0, "containers": [container]}
    metadata = {"name": "picky-origin", "namespace": "without-istio"}
    made({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    pod = ("pod/picky-origin", "-n", "without-istio")
    kubectl("wait", "--for=condition=Ready", *pod, "--timeout=60s")
    return kubectl("get", *pod, "-o", "jsonpath={.status.podIP}").stdout


def test_an_origin_that_refuses_the_alias_as_host(cluster: Any, kubectl: Run, extsvc: Run, picky_origin: str) -> None:
    """The cure helps where there is a sidecar; what a plain client must do is said."""
    extsvc("create", "shop", "--address", picky_origin, "--host", "shop.example", "--port", "http:80:8080", "--wait")
    try:
        time.sleep(SETTLING_SECONDS)
        seen = verify(extsvc, "shop")
        assert (seen.exit_code, seen.bad) == (1, [("XS0501", ERROR, "Service/default/shop")]), seen.words
        (finding,) = seen.findings
        assert len(finding["sources"]) == 2
        assert sh(cluster, finding["cure"]) == ""
        cured = judged(extsvc, "shop", "--from", SIDECAR)
        assert (cured.exit_code, cured.bad) == (0, []), cured.words
    finally:
        kubectl("delete", "virtualservice", "shop", "--ignore-not-found")
        extsvc("delete", "shop")


# --- worlds that are well --------------------------------------------------------------------------------------------

HEALTHY: Mapping[str, Sequence[Json]] = {
    "name-http": [external_name("name-http", "httpbin.org", port(80, "http"))],
    "name-https": [external_name("name-https", "en.wikipedia.org", port(443, "https"))],
    "name-unnamed": [external_name("name-unnamed", "httpbin.org", port(80))],
    "name-portless": [external_name("name-portless", "httpbin.org")],
    "name-dotted": [external_name("name-dotted", "httpbin.org.", port(80, "http"))],
    "name-tcp": [external_name("name-tcp", "db.example", port(5432, "tcp-db"))],
    "name-in-cluster": [
        external_name("name-in-cluster", "kube-dns.kube-system.svc.cluster.local", port(9153, "http-metrics"))
    ],
    "mirrored": [service("mirrored", port(443, "tls")), endpoints("mirrored", WIKIPEDIA, port(443, "tls"))],
    "mirrored-unnamed": [service("mirrored-unnamed", port(80)), endpoints("mirrored-unnamed", [HTTPBIN], port(80))],
    "headless": [
        service("headless", port(80, "http"), clusterIP="None"),
        endpoint_slice("headless", [HTTPBIN], port(80, "http")),
    ],
    "headless-tls": [
        service("headless-tls", port(443, "tls"), clusterIP="None"),
        endpoint_slice("headless-tls", WIKIPEDIA, port(443, "tls")),
    ],
    "two-slices": [
        service("two-slices", port(443, "tls"), host="en.wikipedia.org"),
        endpoint_slice("two-slices", WIKIPEDIA[:1], port(443, "tls")),
        endpoint_slice("two-slices", WIKIPEDIA[1:], port(443, "tls"), name="two-slices-2"),
    ],
    "tcp": [service("tcp", port(5432, "tcp")), endpoint_slice("tcp", ["203.0.113.24"], port(5432, "tcp"))],
    "unnamed-tls": [service("unnamed-tls", port(443)), endpoint_slice("unnamed-tls", [HTTPBIN], port(443))],
    "several-ports": [
        service("several-ports", port(80, "http"), port(443, "tls"), host="httpbin.org"),
        endpoint_slice("several-ports", [HTTPBIN], port(80, "http"), port(443, "tls")),
    ],
    "originating": [
        *addresses_alias("originating", PAY, 80, 443),
        destination_rule(
            "originating-tls",
            fqdn("originating"),
            {"mode": "SIMPLE", "sni": "api.pay.example", "subjectAltNames": ["api.pay.example"]},
        ),
    ],
    "task-wikipedia": [
        service("task-wikipedia", port(443, "tls")),
        endpoints("task-wikipedia", WIKIPEDIA, port(443, "tls")),
        destination_rule("task-wikipedia-tls", fqdn("task-wikipedia"), DISABLE),
    ],
    "task-httpbin": [
        external_name("task-httpbin", "httpbin.org", port(80, "http")),
        destination_rule("task-httpbin-tls", fqdn("task-httpbin"), DISABLE),
    ],
}

NO_ALIASES = [
    service("lease", port(80, "http")),
    service("operated", port(80, "http")),
    endpoint_slice(
        "operated",
        [HTTPBIN],
        port(80, "http"),
        labels={
            "kubernetes.io/service-name": "operated",
            "endpointslice.kubernetes.io/managed-by": "operator.example",
        },
    ),
]


def names(report: Json) -> set[str]:
    return {alias["name"] for alias in report["aliases"] if alias["namespace"] == "default"}


def of_default(report: Json) -> dict[str, list[str]]:
    """Codes of each alias of the namespace default."""
    return {
        alias["name"]: [finding["code"] for finding in alias["findings"]]
        for alias in report["aliases"]
        if alias["namespace"] == "default"
    }


def test_aliases_that_are_well_are_left_in_peace(extsvc: Run, kubectl: Run, made: Callable[..., None]) -> None:
    made(*(obj for objects in HEALTHY.values() for obj in objects), *NO_ALIASES)
    quiet = {name: list[str]() for name in HEALTHY} | {"task-httpbin": ["XS0301"]}
    time.sleep(SETTLING_SECONDS)

    seen = verify(extsvc)
    assert (of_default(seen.report), seen.bad, seen.exit_code) == (quiet, [], 0), said({"": seen}) + seen.words
    assert {
        stage["state"] for alias in seen.report["aliases"] for source in alias["sources"] for stage in source["stages"]
    } <= {"ok", "not-applicable", "not-served"}

    everywhere = verify(extsvc, "-A")
    assert of_default(everywhere.report) == quiet

    unprobed = verify(extsvc, "--no-probe")
    assert (of_default(unprobed.report), unprobed.bad, unprobed.exit_code) == (quiet, [], 0), said({"": unprobed})

    listed = extsvc("list", "-o", "name", check=False)
    rows = listed if listed.returncode == 0 else extsvc("list")
    assert {line.split()[0].rpartition("/")[2] for line in rows.stdout.splitlines()} - {"NAME"} == set(HEALTHY)


def test_no_probe_judges_by_objects_and_proxy(extsvc: Run, kubectl: Run, made: Callable[..., None]) -> None:
    made(
        service("bin", port(80, "http")),
        endpoint_slice("bin", [HTTPBIN], port(80, "web")),
        *addresses_alias("pay", PAY, 80, 443),
        destination_rule("pay-tls", fqdn("pay"), {"mode": "SIMPLE", "sni": "api.pay.example"}),
    )
    time.sleep(SETTLING_SECONDS)
    seen = verify(extsvc, "bin", "pay", "--no-probe")
    assert (of_default(seen.report), seen.exit_code) == ({"bin": ["XS0202"], "pay": ["XS0404"]}, 1), seen.words
    outcomes = {
        (outcome["answer"], outcome["noAnswer"])
        for alias in seen.report["aliases"]
        for source in alias["sources"]
        for outcome in source["outcomes"]
    }
    assert outcomes == {(None, "not asked (--no-probe)")}


def test_an_alias_in_a_namespace_without_istio(extsvc: Run) -> None:
    """Callers with a sidecar may live elsewhere: both kinds are asked."""
    extsvc("create", "bin", "--external-name", "httpbin.org", "-n", "without-istio")
    extsvc("create", "wiki", "--address", WIKIPEDIA[0], "--mesh", "none", "-n", "without-istio")
    try:
        both = judged(extsvc, "bin", "wiki", "-n", "without-istio")
        assert (both.exit_code, both.findings) == (0, []), both.words
        modes = {(s["mode"], s["namespace"]) for alias in both.report["aliases"] for s in alias["sources"]}
        assert modes == {("plain", "without-istio"), ("sidecar", "default")}
        plain = verify(extsvc, "bin", "wiki", "-n", "without-istio", "--from", "deployment/curl")
        assert (plain.exit_code, plain.findings) == (0, []), plain.words
        assert {s["mode"] for alias in plain.report["aliases"] for s in alias["sources"]} == {"plain"}
    finally:
        extsvc("delete", "bin", "wiki", "-n", "without-istio")


def test_a_plain_pod_is_not_served_where_the_sidecar_adds_tls(extsvc: Run) -> None:
    extsvc("create", "my-pay", "--external-name", "api.pay.example", "--port", "http:80:443", "--wait")
    try:
        seen = verify(extsvc, "my-pay", "--from", "deployment/curl.without-istio", "--header", "Authorization: secret")
        assert (seen.exit_code, seen.findings) == (0, []), seen.words
        (source,) = seen.report["aliases"][0]["sources"]
        assert source["contract"]["served"] is False
        assert {stage["stage"]: stage["state"] for stage in source["stages"]} == {
            "name": "ok",
            "dns": "ok",
            "endpoints": "not-served",
            "route": "not-applicable",
            "tls": "not-served",
            "http": "not-served",
        }
        # A connection, and one bare request to the target: none with a word of the user's.
        assert [o["transfer"]["headerNames"] for o in source["outcomes"]] == [[], []]
        assert seen.report["aliases"][0]["firstDifference"] is None
    finally:
        extsvc("delete", "my-pay")
