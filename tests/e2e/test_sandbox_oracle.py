"""The sandbox's API server against a real one: the same kubectl commands, and kubectl says the same.

What is compared is exit code, stdout and stderr, after what no two clusters have in common is replaced by a word (see
`normalised`). Where the sandbox is known to differ, the commands are not in the tables:

- `kubectl explain`, `kubectl get --raw /openapi/…`, `--validate=warn`, unknown fields in patches and deep inside
  Istio's kinds: the sandbox knows the upper fields of the kinds that an alias is made of, and never warns.
- `kubectl --as`, `kubectl auth can-i --list`: it has one user, whose rights a test sets.
- `kubectl apply --server-side` after `kubectl apply`: kubectl then rewrites metadata.managedFields, which a client of
  the sandbox cannot.
- metadata.managedFields of what is written at another version than the stored one: they name the stored one.
- A create without any name, which the real server refuses after its timeout of a minute only.
- status of a ServiceEntry without addresses, where istiod writes those that it gives.
- metadata.generateName of mirrored slices: the real controller drops it with its first update.
- `kubectl version -o json`: the sandbox is built from no commit and by no compiler of Go.
- The order of addresses in a mirrored slice: the real controller's is a Go map's.
- events.k8s.io, which has the same events as the core group.
- `sh` in pods: there is no shell, but the few programs that a probe needs.
"""

import difflib
import json
import re
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import pytest
from clusters import MADE_BY_TESTS, Cluster, Run, a_sandbox, runner

from kubectl_extsvc.sandbox.api.kinds import KINDS
from kubectl_extsvc.sandbox.api.rights import Rule
from kubectl_extsvc.sandbox.running import Sandbox

pytestmark = pytest.mark.testbed

NAMESPACE = "oracle"
OURS = "services,endpoints,endpointslices,configmaps,destinationrules,virtualservices,serviceentries,sidecars"
"""What the tests make."""

Step = str | tuple[str, str]
"""A kubectl command line, or one and its stdin. The namespace is oracle."""

EXTERNAL_NAME = """
apiVersion: v1
kind: Service
metadata: {name: pay, labels: {app: pay, tier: outside}, annotations: {note: "of a test"}}
spec:
  type: ExternalName
  externalName: api.pay.example
  ports: [{name: https, port: 443}]
"""
ADDRESSED = """
apiVersion: v1
kind: Service
metadata: {name: bank, labels: {app: bank}}
spec:
  clusterIP: 10.96.0.77
  ports: [{name: tls, port: 443, targetPort: 8443}, {name: http, port: 80, appProtocol: http}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: bank-ipv4, labels: {kubernetes.io/service-name: bank}}
addressType: IPv4
ports: [{name: tls, port: 8443, protocol: TCP}, {name: http, port: 80, appProtocol: http}]
endpoints: [{addresses: [203.0.113.20], conditions: {ready: true}}, {addresses: [203.0.113.21]}]
"""
MIRRORED = """
apiVersion: v1
kind: Service
metadata: {name: mirrored}
spec: {clusterIP: None, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Endpoints
metadata: {name: mirrored, labels: {made: by-hand}}
subsets: [{addresses: [{ip: 203.0.113.10}], ports: [{name: http, port: 80}]}]
"""
ISTIO = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: pay, labels: {app: pay}}
spec: {host: pay.oracle.svc.cluster.local, trafficPolicy: {tls: {mode: SIMPLE, sni: api.pay.example}}}
---
apiVersion: networking.istio.io/v1beta1
kind: VirtualService
metadata: {name: pay}
spec:
  hosts: [pay.oracle.svc.cluster.local]
  http:
  - match: [{uri: {prefix: /v1}}]
    rewrite: {authority: api.pay.example}
    route: [{destination: {host: pay.oracle.svc.cluster.local, port: {number: 443}}}]
---
apiVersion: networking.istio.io/v1alpha3
kind: ServiceEntry
metadata: {name: pay}
spec:
  hosts: [api.pay.example]
  addresses: [203.0.113.20]
  location: MESH_EXTERNAL
  resolution: DNS
  ports: [{number: 443, name: tls, protocol: TLS}]
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: few}
spec: {workloadSelector: {labels: {app: curl}}, egress: [{hosts: [./*, istio-system/*]}]}
"""


@dataclass(frozen=True, slots=True)
class Both:
    real: Run
    sandbox: Run
    inside: Sandbox


@pytest.fixture(scope="module")
def both(cluster: Cluster, foreign_namespaces: frozenset[str]) -> Iterator[Both]:
    """kubectl on the testbed and in a sandbox, in a namespace of its own on both."""
    namespace = {"name": NAMESPACE, "labels": {MADE_BY_TESTS: "true"}}
    made = json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": namespace})
    with a_sandbox() as other:
        assert other.sandbox is not None
        real = runner(cluster.env, "kubectl", "-n", NAMESPACE)
        sandbox = runner(other.env, "kubectl", "-n", NAMESPACE)
        try:
            for kubectl in (real, sandbox):
                kubectl("create", "-f", "-", stdin=made)
            yield Both(real, sandbox, other.sandbox)
        finally:
            real("delete", "namespace", NAMESPACE, "--ignore-not-found")


@pytest.fixture(autouse=True)
def emptied(both: Both, nothing_left: None) -> Iterator[None]:
    """The namespace, also after a test that failed."""
    yield
    on_both(both, lambda kubectl: kubectl("delete", OURS, "--all").stdout)


def normalised(text: str) -> str:
    for pattern, word in (
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UID"),
        (r'(resourceVersion"?: )"\d+"', r'\1"REVISION"'),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME"),
        (r"(?<![\w.])(\d+[dhms]){1,2}(?![\w.])", "AGE"),
        # The first 256 are for those who choose one, as the tests do.
        (r"10\.96\.[1-9]\d*\.\d+", "CLUSTER-IP"),
        (r"10\.244\.\d+\.\d+", "POD-IP"),
        (r"\bheadless-[a-z0-9]{5}\b", "headless-SUFFIX"),
        (r"\bcurl-[a-z0-9]{6,10}-[a-z0-9]{5}\b", "curl-POD"),
        (r"\bmirrored-[a-z0-9]{5}\b", "mirrored-SUFFIX"),
        (r'User "[^"]*"', "User"),
        (r'(exec |container )"[0-9a-f]{64}"', r"\1CONTAINER"),
        (r"(?<=\S)  +", "  "),
    ):
        text = re.sub(pattern, word, text)
    return text


def told(kubectl: Run, step: Step) -> str:
    """A command and all that it says, normalised."""
    line, stdin = (step, "") if isinstance(step, str) else step
    done = kubectl(*shlex.split(line), stdin=stdin, check=False, timeout=60)
    shown = done.stdout
    if "--show-managed-fields" in line and not done.returncode:
        obj = json.loads(shown)
        for one in obj.get("items", [obj]):
            # The server sorts them by time, and a second may pass between two commands or not.
            fields = one["metadata"].get("managedFields", [])
            fields.sort(key=lambda entry: (entry["manager"], entry["operation"], entry.get("subresource", "")))
        shown = json.dumps(obj, indent=1) + "\n"
    return normalised(f"$ kubectl {line}\n{shown}{done.stderr}[exit {done.returncode}]\n")


def difference(real: str, sandbox: str) -> str:
    lines = difflib.unified_diff(real.splitlines(), sandbox.splitlines(), "real", "sandbox", n=9, lineterm="")
    return "\n".join(lines)


def on_both(both: Both, saying: Callable[[Run], str]) -> tuple[str, str]:
    """What is said on the testbed and in the sandbox."""
    with ThreadPoolExecutor(2) as threads:
        real, sandbox = threads.map(saying, (both.real, both.sandbox))
    return real, sandbox


def assert_same(both: Both, steps: Sequence[Step]) -> None:
    real, sandbox = on_both(both, lambda kubectl: "".join(told(kubectl, step) for step in steps))
    assert real == sandbox, difference(real, sandbox)


def test_services_are_made_and_shown_alike(both: Both) -> None:
    assert_same(
        both,
        [
            ("create -f -", EXTERNAL_NAME),
            ("apply -f -", ADDRESSED),
            ("apply -f -", ADDRESSED),
            ("apply -f -", ADDRESSED.replace("8443", "9443")),
            "create service externalname books --external-name=books.example --tcp=80:8080",
            "create service clusterip headless --clusterip=None --tcp=5432",
            "get services -o wide",
            "get services -o name",
            "get service pay -o yaml",
            "get service pay -o json --show-managed-fields",
            "get service bank -o json --show-managed-fields",
            "get svc books -o json --show-managed-fields",
            "get endpointslice bank-ipv4 -o json --show-managed-fields",
            "get endpointslices -o wide",
            "get all",
            "get svc/pay svc/nope endpointslice/bank-ipv4",
            "describe service pay",
            "get services -l app=pay",
            "get services -l 'app in (pay, bank),tier!=inside' -o name",
            "get services -l '!app' --show-labels",
            "get services -L app,tier",
            "get services --sort-by=.spec.type --no-headers",
            "get services -o custom-columns=NAME:.metadata.name,TYPE:.spec.type,HOST:.spec.externalName",
            "get services -o jsonpath='{range .items[*]}{.metadata.name}={.spec.ports[*].port}{\"\\n\"}{end}'",
            "get services -o go-template='{{range .items}}{{.metadata.name}} {{end}}'",
            "get services --field-selector spec.type=ExternalName -o name",
            "get services -A --field-selector metadata.namespace=oracle -o wide",
            "get services.v1. pay",
            "get services --field-selector spec.nope=x",
            "get services -l 'a b'",
        ],
    )


def test_endpoints_are_mirrored_alike(both: Both) -> None:
    slices = "get endpointslices -l kubernetes.io/service-name=mirrored"
    wait = "wait --for=jsonpath='{.endpoints[0].addresses[0]}'=%s endpointslices -l kubernetes.io/service-name=mirrored"
    assert_same(
        both,
        [
            ("create -f -", MIRRORED),
            wait.replace("wait", "wait --for=create", 1) % "203.0.113.10",
            "get endpoints mirrored",
            "get endpoints mirrored -o json --show-managed-fields",
            slices,
            f"{slices} -o json --show-managed-fields",
            "patch endpoints mirrored --type=json "
            '-p \'[{"op": "replace", "path": "/subsets/0/addresses/0/ip", "value": "203.0.113.9"}]\'',
            wait % "203.0.113.9",
            f"{slices} -o jsonpath='{{.items[*].endpoints}} {{.items[*].ports}}'",
            "get services mirrored -o yaml",
        ],
    )


def test_istio_kinds_are_made_and_shown_alike(both: Both) -> None:
    assert_same(
        both,
        [
            ("create -f -", ISTIO),
            ("apply -f -", ISTIO),
            ("apply -f -", ISTIO.replace("sni: api.pay.example", "sni: other.example")),
            "get dr,vs,se,sidecars",
            "get istio-io",
            "get dr -o wide",
            "get vs -A -o wide",
            "get serviceentries",
            "get sidecars",
            "get dr pay -o json --show-managed-fields",
            "get vs pay -o json",
            "get serviceentry pay -o yaml",
            "get sidecar few -o yaml",
            "get destinationrules.v1beta1.networking.istio.io pay -o yaml",
            "get virtualservices.v1alpha3.networking.istio.io -o name",
            "get dr -l app=pay -o jsonpath='{.items[*].spec.host}'",
            "get peerauthentications -A",
            "describe serviceentry nope",
            "delete dr,vs,se --all",
            "delete sidecar few nope",
            "get dr,vs,se,sidecars",
        ],
    )


def service(name: str = "bad", metadata: str = "", **spec: object) -> str:
    return f"{{apiVersion: v1, kind: Service, metadata: {{name: {name}{metadata}}}, spec: {json.dumps(spec)}}}"


def endpoint_slice(*addresses: str, family: str = "IPv4", port: object = 80, **port_fields: object) -> str:
    ports = [{"port": port, **port_fields}]
    head = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": "bad"}}
    return json.dumps({**head, "addressType": family, "endpoints": [{"addresses": addresses}], "ports": ports})


def istio(kind: str, **spec: object) -> str:
    head = {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": {"name": "bad"}}
    return json.dumps({**head, "spec": spec})


PORT = {"name": "http", "port": 80}


def test_invalid_services_are_refused_alike(both: Both) -> None:
    bad = [
        service("Bad_Name", ports=[PORT]),
        service("9lives", ports=[PORT]),
        service("a" * 64, ports=[PORT]),
        service(metadata=", labels: {'-a': b, c: 'd e'}", ports=[PORT]),
        service(),
        service(ports=[]),
        service(ports=[{"port": 0}]),
        service(ports=[{"port": 65536, "targetPort": 70000}]),
        service(ports=[{"port": "http"}]),
        service(ports=[PORT, PORT]),
        service(ports=[PORT, {"port": 81}]),
        service(ports=[{"name": "Upper_Case", "port": 80, "protocol": "ICMP"}]),
        service(ports=[{"port": 80, "targetPort": "no_such_port_name"}]),
        service(type="Nonsense", ports=[PORT]),
        service(type="ExternalName"),
        service(type="ExternalName", externalName="not a host"),
        service(type="ExternalName", externalName="under_score.example"),
        service(type="ExternalName", externalName="https://httpbin.org"),
        service(type="ExternalName", externalName="httpbin.org", clusterIP="10.96.0.78"),
        service(clusterIP="nonsense", ports=[PORT]),
        service(clusterIP="192.0.2.1", ports=[PORT]),
        service(clusterIP="10.96.0.77", ports=[PORT]),
        service("bank", clusterIP="10.96.0.77", ports=[PORT]),
        service("bank", ports=[PORT]),
        service("bank", clusterIP="10.96.0.78", ports=[PORT]),
        service(ports=[PORT], ipFamilies=["IPv6"]),
        service(ports=[PORT], sessionAffinity="Sometimes"),
        service(ports=[PORT], typo=1),
        service(ports=[{**PORT, "typo": {"a": 1}}], other=[]),
        service(metadata=", typo: 1", ports=[PORT]),
    ]
    undecodable = [
        service("oracle", metadata=", namespace: default", ports=[PORT]),
        "{apiVersion: v1, kind: Nonsense, metadata: {name: bad}}",
        "{apiVersion: v2, kind: Service, metadata: {name: bad}}",
        "{kind: Service, metadata: {name: bad}}",
        "{apiVersion: v1, metadata: {name: bad}}",
        "not: [an object",
    ]
    assert_same(
        both,
        [
            ("create -f -", ADDRESSED),
            ("create -f -", "\n---\n".join(bad)),
            *(("create -f -", one) for one in undecodable),
            ("apply -f -", service("bank", clusterIP="10.96.0.78", ports=[PORT])),
            ("apply --validate=false -f -", service("ignorant", ports=[PORT], typo=1)),
            ("apply --server-side -f -", service("strict", ports=[PORT], typo=1)),
            ("replace -f -", service("nope", ports=[PORT])),
            ("replace -f -", service("bank", ports=[PORT])),
            'patch service bank -p \'{"spec": {"clusterIP": "10.96.0.79"}}\'',
            'patch service bank --type=merge -p \'{"spec": {"clusterIP": "", "clusterIPs": []}}\'',
            'patch service bank -p \'{"spec": {"type": "ExternalName", "externalName": "httpbin.org"}}\'',
            "get services -o yaml",
            "create service externalname bank --external-name=httpbin.org",
            "create service externalname UPPER --external-name=httpbin.org",
            "create service externalname worse --external-name='a b' --dry-run=server",
            "create service externalname dry --external-name=httpbin.org --dry-run=server -o yaml",
            "create service clusterip dry --tcp=80 --clusterip=10.96.0.80 --dry-run=server -o yaml",
            "create service clusterip dry --tcp=80 --clusterip=192.0.2.1 --dry-run=server",
            "create service externalname bank --external-name=httpbin.org --dry-run=server",
            "get services -o name",
        ],
    )


def test_invalid_endpoints_are_refused_alike(both: Both) -> None:
    bad = [
        endpoint_slice("nonsense"),
        endpoint_slice("203.0.113.256"),
        endpoint_slice("2001:db8::1"),
        endpoint_slice("203.0.113.1", family="IPv6"),
        endpoint_slice("127.0.0.1"),
        endpoint_slice("169.254.1.1"),
        endpoint_slice("0.0.0.0"),
        endpoint_slice("224.0.0.1"),
        endpoint_slice("::1", family="IPv6"),
        endpoint_slice(),
        endpoint_slice("203.0.113.1", family="Nonsense"),
        endpoint_slice("203.0.113.1", family=""),
        endpoint_slice("not a host", family="FQDN"),
        endpoint_slice("host", family="FQDN"),
        endpoint_slice("203.0.113.1", port=0),
        endpoint_slice("203.0.113.1", port=65536),
        endpoint_slice("203.0.113.1", port="http"),
        endpoint_slice("203.0.113.1", name="Upper"),
        endpoint_slice("203.0.113.1", protocol="ICMP"),
        endpoint_slice("203.0.113.1", typo=1),
        endpoint_slice("203.0.113.1").replace('"addressType"', '"typo": {}, "addressType"'),
    ]
    bad += [
        f"{{apiVersion: v1, kind: Endpoints, metadata: {{name: bad}}, subsets: {subsets}}}"
        for subsets in (
            "[{}]",
            "[{addresses: [{ip: nonsense}], ports: [{port: 80}]}]",
            "[{addresses: [{ip: 127.0.0.1}], ports: [{port: 0}]}]",
            "[{addresses: [{ip: 203.0.113.1}], ports: [{port: 80}, {port: 81}]}]",
        )
    ]
    assert_same(
        both,
        [
            ("create -f -", "\n---\n".join(bad)),
            ("create -f -", endpoint_slice("203.0.113.1")),
            ("apply -f -", endpoint_slice("2001:db8::1", family="IPv6")),
            ("create -f -", endpoint_slice("203.0.113.1")),
            "get endpointslices -o yaml",
        ],
    )


def test_invalid_istio_objects_are_refused_alike(both: Both) -> None:
    route = {"route": [{"destination": {"host": "a.example"}}]}
    bad = [
        istio("DestinationRule"),
        istio("DestinationRule", host=""),
        istio("DestinationRule", host="not a host"),
        istio("DestinationRule", host=7),
        istio("DestinationRule", host="a.example", trafficPolicy={}),
        istio("DestinationRule", host="a.example", trafficPolicy={"tls": {"mode": "NONSENSE"}}),
        istio("DestinationRule", host="a.example", trafficPolicy={"tls": {"mode": "MUTUAL"}}),
        istio("DestinationRule", host="a.example", exportTo=["a.b"]),
        istio("DestinationRule", host="a.example", typo=1),
        istio("VirtualService", hosts=["a.example"]),
        istio("VirtualService", hosts=["a.example"], http=[{}]),
        istio("VirtualService", hosts=["a.example"], http=[{"route": [{"destination": {}}]}]),
        istio("VirtualService", hosts=["a_b c"], http=[route]),
        istio("VirtualService", hosts=["a.example"], http=[{**route, "typo": 1}]),
        istio("ServiceEntry"),
        istio("ServiceEntry", hosts=[]),
        istio("ServiceEntry", hosts=["*"]),
        istio("ServiceEntry", hosts=["a.example"], resolution="NONSENSE"),
        istio("ServiceEntry", hosts=["*.example"], resolution="DNS", ports=[{"number": 80, "name": "http"}]),
        istio("ServiceEntry", hosts=["a.example"], ports=[{"number": 0, "name": "http"}]),
        istio("ServiceEntry", hosts=["a.example"], ports=[{"number": 80, "name": "a"}, {"number": 80, "name": "b"}]),
        istio("ServiceEntry", hosts=["a.example"], ports=[{"number": 80, "name": "a", "protocol": "NONSENSE"}]),
        istio("ServiceEntry", hosts=["a.example"], resolution="STATIC", endpoints=[{"address": "b.example"}]),
        istio("ServiceEntry", hosts=["a.example"], resolution="NONE", endpoints=[{"address": "203.0.113.1"}]),
        istio("ServiceEntry", hosts=["a.example"], resolution="DNS", typo=1),
        istio("Sidecar", egress=[{"hosts": ["./*"]}], typo=1),
    ]
    assert_same(both, [("create -f -", "\n---\n".join(bad)), "get dr,vs,se,sidecars"])


def test_server_side_apply_conflicts_alike(both: Both) -> None:
    moved = EXTERNAL_NAME.replace("api.pay.example", "pay.elsewhere.example")
    ours = "apply --server-side --field-manager=ours -f -"
    theirs = "apply --server-side --field-manager=theirs -f -"
    shown = "get service,dr pay -o json --show-managed-fields"
    istio_moved = ISTIO.replace("SIMPLE", "DISABLE").replace("app: pay}", "app: paid}", 1)
    ports = ADDRESSED.replace("9443", "8443").replace("port: 80, appProtocol: http", "port: 80, appProtocol: kafka", 1)
    assert_same(
        both,
        [
            (ours, EXTERNAL_NAME),
            (ours, EXTERNAL_NAME),
            (ours, ISTIO),
            (theirs, moved),
            (theirs, istio_moved),
            (f"{theirs} --dry-run=server", moved),
            (f"{theirs} --dry-run=server --force-conflicts -o yaml", moved),
            (f"{theirs} --force-conflicts", moved),
            (f"{theirs} --force-conflicts", istio_moved),
            shown,
            (ours, EXTERNAL_NAME.replace(", tier: outside", "")),
            (ours, moved.replace(", tier: outside", "")),
            shown,
            (ours, ADDRESSED),
            (theirs, ports),
            (f"{theirs} --force-conflicts", ports),
            "get service bank -o json --show-managed-fields",
            'patch service pay -p \'{"spec": {"externalName": "patched.example"}}\'',
            "label service pay tier=inside --overwrite",
            (ours, EXTERNAL_NAME),
            shown,
        ],
    )


def test_patches_labels_and_annotations_alike(both: Both) -> None:
    def patch(what: str, kind: str, patch: object) -> str:
        return f"patch {what} --type={kind} -p {shlex.quote(json.dumps(patch))}"

    ports = [{"port": 80, "name": "web"}, {"port": 8080, "name": "alt"}]
    replace = {"op": "replace", "path": "/spec/externalName", "value": "json.example"}
    assert_same(
        both,
        [
            ("apply -f -", EXTERNAL_NAME),
            ("create -f -", ADDRESSED),
            ("create -f -", ISTIO),
            patch("service pay", "merge", {"spec": {"externalName": "merge.example"}}),
            patch("service pay", "json", [replace]),
            patch("service pay", "json", [{**replace, "path": "/spec/nope/nope"}]),
            patch("service pay", "json", [{"op": "test", "path": "/spec/type", "value": "ClusterIP"}]),
            patch("service pay", "json", {"op": "add"}),
            patch("service pay", "merge", []),
            patch("service pay", "strategic", {"metadata": {"labels": {"app": None, "new": "yes"}}}),
            patch("service bank", "strategic", {"spec": {"ports": ports}}),
            patch("service bank", "strategic", {"spec": {"ports": [{"port": 8080, "$patch": "delete"}]}}),
            patch("service bank", "merge", {"spec": {"ports": ports}}),
            "get service bank -o json --show-managed-fields",
            patch("service bank", "merge", {"metadata": {"name": "other"}}),
            patch("service bank", "merge", {"metadata": {"resourceVersion": "1"}}),
            patch("service bank", "merge", {"metadata": {"uid": "00000000-0000-0000-0000-000000000000"}}),
            patch("service nope", "merge", {}),
            patch("dr pay", "merge", {"spec": {"trafficPolicy": None}}),
            patch("dr pay", "strategic", {"spec": {}}),
            patch("dr pay", "json", [{"op": "remove", "path": "/spec/host"}]),
            "get dr pay -o json --show-managed-fields",
            "label service pay a=b",
            "label service pay a=b",
            "label service pay a=c",
            "label service pay a-",
            "label service pay 'a=not valid'",
            "label service nope a=b",
            "annotate service pay note=changed",
            "annotate dr --all checked=yes",
            "annotate dr pay checked-",
            "get service pay -o json --show-managed-fields",
        ],
    )


def test_deletions_alike(both: Both) -> None:
    assert_same(
        both,
        [
            ("create -f -", EXTERNAL_NAME),
            ("create -f -", ADDRESSED),
            ("create -f -", ISTIO),
            "delete service pay --dry-run=server",
            "delete service pay nope",
            "delete service pay --ignore-not-found",
            "delete service pay",
            "delete services -l app=nope",
            "delete services -l app=bank",
            "get services",
            "delete endpointslice bank-ipv4 -o name",
            ("delete -f -", ISTIO),
            ("delete -f -", ISTIO),
            ("delete --ignore-not-found -f -", ISTIO),
            "delete services",
            "delete nonsense x",
            "delete dr --all",
            "get all",
        ],
    )


def test_what_is_not_there_is_missed_alike(both: Both) -> None:
    assert_same(
        both,
        [
            "get service nope",
            "get service nope --ignore-not-found",
            "get dr nope",
            "get nonsense",
            "get services.nonsense.example",
            "get services",
            "get services -o name",
            "get services -A -l nobody=has-this",
            "get services -n nope",
            "get namespace nope",
            "get namespace oracle",
            ("apply --server-side -f -", "{apiVersion: v1, kind: Namespace, metadata: {name: oracle, labels: {a: b}}}"),
            "get namespace oracle -o json --show-managed-fields",
            "get deployments -n without-istio",
            "get --raw /api/v1/namespaces/oracle/services/nope",
            "get --raw /api/v1/nonsense",
            "get --raw /nonsense",
            "logs nope",
            ("create -n nope -f -", EXTERNAL_NAME),
            ("apply --server-side -n nope -f -", EXTERNAL_NAME),
        ],
    )


def test_commands_run_in_pods_alike(both: Both) -> None:
    plain, meshed = "exec -n without-istio deploy/curl", "exec -n default deploy/curl"
    assert_same(
        both,
        [
            f"{plain} -- true",
            f"{plain} -- false",
            f"{plain} -- echo hello world",
            (f"{plain} -i -- cat", "one\ntwo\n"),
            f"{plain} -- no-such-program --option",
            f"{plain} -- /no/such/program",
            f"{plain} -c nope -- true",
            f"{plain} -- curl -s -o /dev/null -w '%{{http_code}}\\n' http://httpbin.org/status/418",
            f"{plain} -- curl -s http://no-such-host.example",
            f"{plain} -- cat /etc/resolv.conf",
            f"{meshed} -- true",
            f"{meshed} -c curl -- echo hello",
            f"{meshed} -c istio-proxy -- false",
            f"{meshed} -c nope -- true",
            "exec nope -- true",
            "exec deploy/nope -- true",
            "exec -n without-istio deploy/curl",
        ],
    )


def test_rights_are_told_and_kept_alike(both: Both) -> None:
    asked = [
        "auth can-i create services",
        "auth can-i '*' '*'",
        "auth can-i create pods --subresource=exec",
        "auth can-i create pods/exec",
        "auth can-i get destinationrules.networking.istio.io -n default",
        "auth can-i list namespaces",
        "auth can-i delete services -A",
        "auth can-i get nonsense",
        "auth can-i get services -q",
    ]
    assert_same(both, asked[::3])
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "reader"},
        "rules": [{"apiGroups": [""], "resources": ["services"], "verbs": ["get", "list"]}],
    }
    before = both.inside.rights.allowed
    reader = partial(both.real, "--as=reader")
    try:
        both.real("create", "-f", "-", stdin=json.dumps(role))
        both.real("create", "rolebinding", "reader", "--role=reader", "--user=reader")
        both.inside.rights.allowed = (Rule(("get", "list"), ("",), ("services",), (NAMESPACE,)),)
        assert_same(
            Both(reader, both.sandbox, both.inside),
            [
                *asked,
                "get services",
                "get services -A",
                "get services -n default",
                "get service nope",
                "get pods",
                "get dr pay",
                "get namespaces",
                ("create -f -", EXTERNAL_NAME),
                ("apply --server-side -f -", EXTERNAL_NAME),
                ("apply -f -", ISTIO),
                "delete service nope",
                "exec -n default curl -- true",
            ],
        )
    finally:
        both.inside.rights.allowed = before
        both.real("delete", "role,rolebinding", "reader", "--ignore-not-found")


def test_a_watch_says_alike(both: Both) -> None:
    changes = (
        "create service externalname books --external-name=books.example",
        "label service books a=b",
        'patch service books -p \'{"spec": {"externalName": "other.example"}}\'',
        "label service pay app=paid --overwrite",
        "delete service books",
    )
    watches = (
        "get services --watch",
        "get services --watch -o name -l app=pay",
        "get services --watch --output-watch-events -o wide",
        "get services --watch-only -o jsonpath='{.metadata.name} {.spec.externalName}{\"\\n\"}'",
    )

    def watched(kubectl: Run) -> str:
        """What watches say that began before the changes, and end by their deadline."""
        kubectl("create", "-f", "-", stdin=EXTERNAL_NAME)
        with ThreadPoolExecutor(len(watches)) as threads:
            texts = [threads.submit(told, kubectl, f"{line} --request-timeout=5s") for line in watches]
            time.sleep(1.5)
            for change in changes:
                kubectl(*shlex.split(change))
            return "".join(text.result() for text in texts)

    real, sandbox = on_both(both, watched)
    assert real == sandbox, difference(real, sandbox)


def test_the_servers_themselves_alike(both: Both) -> None:
    served = {kind.plural for kind in KINDS} - {"events"}

    def resources(kubectl: Run) -> str:
        lines = told(kubectl, "api-resources -o wide").splitlines(keepends=True)
        return "".join(line for line in lines if line.split()[0] in served | {"NAME", "[exit"})

    real, sandbox = on_both(both, resources)
    assert real == sandbox, difference(real, sandbox)
    assert_same(both, ["version", "api-resources --api-group=discovery.k8s.io -o name"])
