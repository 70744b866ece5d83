"""Defaults, and what is refused, in the words of a real 1.34 server and of istiod 1.31."""

from typing import Any

import pytest

from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.api.kinds import BY_RESOURCE
from kubectl_extsvc.sandbox.api.store import Store
from kubectl_extsvc.sandbox.api.writes import Refused, WriteOptions, Writes

DRY = WriteOptions(field_manager="me", dry_run=True)
SLICES = "endpointslices.discovery.k8s.io"
LABEL_1123 = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
LABEL_1035 = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
)
SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
PORT = "must be between 1 and 65535, inclusive"
WEBHOOK = 'admission webhook "validation.istio.io" denied the request: configuration is invalid: '
UNCHECKED = (
    "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the "
    "existing errors to complete validation"
)


@pytest.fixture
def writes() -> Writes:
    made = Writes(Store())
    made.create(BY_RESOURCE["namespaces"], "", {"metadata": {"name": "shop"}}, WriteOptions(field_manager="me"))
    return made


def refusal(writes: Writes, resource: str, body: Json) -> str:
    with pytest.raises(Refused) as caught:
        writes.create(BY_RESOURCE[resource], "shop", {"metadata": {"name": "a"}, **body}, DRY)
    return caught.value.message


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({}, "spec.ports: Required value"),
        ({"type": "ExternalName"}, "spec.externalName: Required value"),
        ({"type": "ExternalName", "externalName": "A_b"}, f'spec.externalName: Invalid value: "A_b": {SUBDOMAIN}'),
        (
            {"type": "ExternalName", "externalName": "x.org", "clusterIP": "10.96.9.9"},
            "spec.clusterIPs: Forbidden: may not be set for ExternalName services",
        ),
        (
            {"ports": [{"port": 80}, {"port": 81}]},
            "[spec.ports[0].name: Required value, spec.ports[1].name: Required value]",
        ),
        (
            {"ports": [{"name": "x", "port": 80}, {"name": "x", "port": 81}]},
            'spec.ports[1].name: Duplicate value: "x"',
        ),
        (
            {"ports": [{"name": "x", "port": 80}, {"name": "y", "port": 80}]},
            'spec.ports[1]: Duplicate value: {"Name":"","Protocol":"TCP","AppProtocol":null,"Port":80,"TargetPort":0,'
            '"NodePort":0}',
        ),
        (
            {"ports": [{"port": 70000}]},
            f"[spec.ports[0].port: Invalid value: 70000: {PORT}, "
            f"spec.ports[0].targetPort: Invalid value: 70000: {PORT}]",
        ),
        ({"ports": [{"name": "A_", "port": 80}]}, f'spec.ports[0].name: Invalid value: "A_": {LABEL_1123}'),
        (
            {"ports": [{"port": 80}], "type": "Foo"},
            'spec.type: Unsupported value: "Foo": supported values: "ClusterIP", "ExternalName", "LoadBalancer", '
            '"NodePort"',
        ),
        (
            {"ports": [{"port": 80}], "clusterIP": "10.1.2.3"},
            'spec.clusterIPs: Invalid value: ["10.1.2.3"]: failed to allocate IP 10.1.2.3: the provided IP (10.1.2.3) '
            "is not in the valid range. The range of valid IPs is 10.96.0.0/16",
        ),
        (
            {"ports": [{"port": 80}], "ipFamilyPolicy": "RequireDualStack"},
            'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack '
            "services",
        ),
    ],
)
def test_services_that_are_not_valid(writes: Writes, spec: Json, why: str) -> None:
    assert refusal(writes, "services", {"spec": spec}) == f'Service "a" is invalid: {why}'


@pytest.mark.parametrize(
    "spec",
    [
        {"type": "ExternalName", "externalName": "httpbin.org."},
        {"type": "ExternalName", "externalName": "1.2.3.4"},
        {"clusterIP": "None"},
        {"ports": [{"port": 80}], "externalName": "left.over"},
    ],
)
def test_services_that_look_odd_and_are_valid(writes: Writes, spec: Json) -> None:
    body = {"metadata": {"name": "a"}, "spec": spec}
    made = writes.create(BY_RESOURCE["services"], "shop", body, DRY)
    assert {key: made["spec"][key] for key in spec if key != "ports"} == {k: v for k, v in spec.items() if k != "ports"}


@pytest.mark.parametrize(
    ("resource", "name", "words"),
    [
        ("services", "1a", LABEL_1035),
        ("services", "a.b", LABEL_1035),
        ("configmaps", "A_", SUBDOMAIN),
        ("namespaces", "a.b", "must not contain dots"),
    ],
)
def test_names_that_a_kind_cannot_have(writes: Writes, resource: str, name: str, words: str) -> None:
    spec = {"spec": {"ports": [{"port": 80}]}} if resource == "services" else {}
    message = refusal(writes, resource, {"metadata": {"name": name}, **spec})
    assert message.endswith(f'metadata.name: Invalid value: "{name}": {words}')


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("127.0.0.1", "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
        ("::1", "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
        ("169.254.1.1", "may not be in the link-local range (169.254.0.0/16, fe80::/10)"),
        ("fe80::1", "may not be in the link-local range (169.254.0.0/16, fe80::/10)"),
        ("224.0.0.5", "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"),
        ("0.0.0.0", "may not be unspecified (0.0.0.0)"),
        ("foo", "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"),
    ],
)
def test_addresses_that_no_endpoint_can_have(writes: Writes, address: str, why: str) -> None:
    family = "IPv6" if ":" in address else "IPv4"
    of_slice = {"addressType": family, "endpoints": [{"addresses": [address]}], "ports": []}
    problem = f'Invalid value: "{address}": {why}'
    assert refusal(writes, SLICES, of_slice) == (
        f'EndpointSlice.discovery.k8s.io "a" is invalid: endpoints[0].addresses[0]: {problem}'
    )
    subsets = [{"addresses": [{"ip": address}], "ports": [{"port": 80}]}]
    place = "subsets[0].addresses[0].ip"
    twice = f'[{place}: {problem}, {place}: Invalid value: "{address}": must be a valid IP address]'
    expected = twice if address == "foo" else f"{place}: {problem}"
    assert refusal(writes, "endpoints", {"subsets": subsets}) == f'Endpoints "a" is invalid: {expected}'


@pytest.mark.parametrize(
    ("family", "address", "why"),
    [
        ("IPv4", "2001:db8::1", 'endpoints[0].addresses: Invalid value: "2001:db8::1": must be an IPv4 address'),
        (
            "FQDN",
            "foo",
            'endpoints[0].addresses[0]: Invalid value: "foo": should be a domain with at least two segments separated '
            "by dots",
        ),
        ("", "1.2.3.4", "addressType: Required value"),
        ("Foo", "1.2.3.4", 'addressType: Unsupported value: "Foo": supported values: "FQDN", "IPv4", "IPv6"'),
    ],
)
def test_slices_whose_addresses_are_of_another_type(writes: Writes, family: str, address: str, why: str) -> None:
    body = {"addressType": family, "endpoints": [{"addresses": [address]}]}
    assert refusal(writes, SLICES, body) == f'EndpointSlice.discovery.k8s.io "a" is invalid: {why}'


def test_the_address_type_of_a_slice_does_not_change(writes: Writes) -> None:
    kind, me = BY_RESOURCE[SLICES], WriteOptions(field_manager="me")
    body = {"metadata": {"name": "a"}, "addressType": "IPv4", "endpoints": [{"addresses": ["203.0.113.1"]}]}
    writes.create(kind, "shop", body, me)
    patch = b'{"addressType":"FQDN","endpoints":[{"addresses":["a.b"]}]}'
    with pytest.raises(Refused) as caught:
        writes.patch(kind, "shop", "a", "application/merge-patch+json", patch, me)
    assert caught.value.message == (
        'EndpointSlice.discovery.k8s.io "a" is invalid: addressType: Invalid value: "FQDN": field is immutable'
    )


@pytest.mark.parametrize(
    ("resource", "body", "why"),
    [
        ("services", {"spec": {"selector": {"a": 1}}}, "number FIELD ServiceSpec.spec.selector of type string"),
        ("services", {"spec": {"ports": [{"port": "80"}]}}, "string FIELD ServicePort.spec.ports.port of type int32"),
        ("configmaps", {"data": {"a": 1}}, "number FIELD ConfigMap.data of type string"),
    ],
)
def test_values_of_the_wrong_type(writes: Writes, resource: str, body: Json, why: str) -> None:
    kind, words = BY_RESOURCE[resource].kind, why.replace("FIELD", "into Go struct field")
    assert refusal(writes, resource, body) == (
        f'{kind} in version "v1" cannot be handled as a {kind}: json: cannot unmarshal {words}'
    )


def tls(**settings: Any) -> Json:
    return {"host": "x", "trafficPolicy": {"tls": settings}}


PORTS = [{"number": 80, "name": "http", "protocol": "HTTP"}]


@pytest.mark.parametrize(
    ("plural", "spec", "why"),
    [
        ("destinationrules", {"host": ""}, "empty domain name not allowed"),
        ("destinationrules", {"host": "a_b c"}, 'domain name "a_b c" invalid (label "a_b c" invalid)'),
        ("destinationrules", {"host": "x", "trafficPolicy": {}}, "traffic policy must have at least one field"),
        (
            "destinationrules",
            tls(mode="MUTUAL"),
            "2 errors occurred:\n\t* client certificate required for mutual tls\n\t* private key required for mutual "
            "tls\n\n",
        ),
        ("virtualservices", {"hosts": ["x"]}, "http, tcp or tls must be provided in virtual service"),
        ("virtualservices", {"hosts": ["x"], "http": [{}]}, "HTTP route, redirect or direct_response is required"),
        (
            "serviceentries",
            {"hosts": ["x.org"], "ports": PORTS, "resolution": "STATIC", "endpoints": [{"address": "foo.org"}]},
            'endpoint address "foo.org" is not a valid IP address',
        ),
    ],
)
def test_what_istiods_webhook_denies(writes: Writes, plural: str, spec: Json, why: str) -> None:
    assert refusal(writes, f"{plural}.networking.istio.io", {"spec": spec}) == WEBHOOK + why


@pytest.mark.parametrize(
    ("plural", "spec", "why"),
    [
        ("destinationrules", {}, f"[spec.host: Required value, {UNCHECKED}]"),
        (
            "destinationrules",
            tls(mode="FOO"),
            '[spec.trafficPolicy.tls.mode: Unsupported value: "FOO": supported values: "DISABLE", "SIMPLE", "MUTUAL", '
            f'"ISTIO_MUTUAL", {UNCHECKED}]',
        ),
        (
            "serviceentries",
            {"hosts": []},
            "spec.hosts: Invalid value: 0: spec.hosts in body should have at least 1 items",
        ),
        (
            "serviceentries",
            {"hosts": ["*"], "ports": PORTS},
            'spec.hosts[0]: Invalid value: "string": hostname cannot be wildcard',
        ),
    ],
)
def test_what_the_schemas_of_istios_kinds_refuse(writes: Writes, plural: str, spec: Json, why: str) -> None:
    kind = BY_RESOURCE[f"{plural}.networking.istio.io"]
    assert refusal(writes, kind.resource, {"spec": spec}) == f'{kind.kind}.{kind.group} "a" is invalid: {why}'


def test_a_namespace_has_its_name_as_a_label(writes: Writes) -> None:
    made = writes.create(BY_RESOURCE["namespaces"], "", {"metadata": {"name": "b"}}, DRY)
    assert (made["metadata"]["labels"], made["spec"], made["status"]) == (
        {"kubernetes.io/metadata.name": "b"}, {"finalizers": ["kubernetes"]}, {"phase": "Active"}
    )  # fmt: skip


def test_a_pod_is_completed_as_by_the_real_server(writes: Writes) -> None:
    body = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
    made = writes.create(BY_RESOURCE["pods"], "shop", body, DRY)
    assert made["spec"] == {
        "containers": [
            {
                "name": "c",
                "image": "x",
                "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
                "imagePullPolicy": "Always",
            }
        ],
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "serviceAccountName": "default",
        "serviceAccount": "default",
        "securityContext": {},
        "schedulerName": "default-scheduler",
        "nodeName": "extsvc-node",
        "enableServiceLinks": True,
    }
    assert made["status"] == {"phase": "Pending"}
