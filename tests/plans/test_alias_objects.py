"""The objects that an alias consists of, against the manifests that were proven on a live mesh."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from kubectl_extsvc.errors import Refused
from kubectl_extsvc.model.alias import AddressTarget, HostTarget, Intent, TlsMode, TlsSettings
from kubectl_extsvc.model.resources import BY_KIND, Json
from kubectl_extsvc.model.snapshot import Mesh
from kubectl_extsvc.plans.alias_objects import objects_of, with_owner
from kubectl_extsvc.plans.intents import annotations_of

HTTPBIN = HostTarget("httpbin.org")
PAY = HostTarget("api.pay.example")
PAY_ADDRESS = AddressTarget(("203.0.113.20",), "api.pay.example")
OURS = {"app.kubernetes.io/managed-by": "kubectl-extsvc"}

IntentFor = Callable[..., Intent]
Recipe = Callable[[str], list[Json]]


def manifests(intent: Intent, mesh: Mesh, **options: object) -> list[Json]:
    return [planned.obj for planned in objects_of(intent, mesh, **options)]  # type: ignore[arg-type]


def marked(recipe: list[Json], intent: Intent) -> list[Json]:
    """A recipe with the labels and annotations of an alias."""
    for obj in recipe:
        labels = OURS | {"extsvc.dev/alias": intent.name} | obj["metadata"].get("labels", {})
        obj["metadata"]["labels"] = labels
    recipe[0]["metadata"]["annotations"] = annotations_of(intent)
    return recipe


def kinds(objects: list[Json]) -> list[str]:
    return [f"{obj['kind']}/{obj['metadata']['name']}" for obj in objects]


def test_external_name_http_is_the_recipe(intent_for: IntentFor, recipe: Recipe, istio: Mesh) -> None:
    intent = intent_for(HTTPBIN, "http:80")
    assert manifests(intent, istio) == marked(recipe("externalname-http"), intent)


def test_external_name_origination_is_the_recipe(
    intent_for: IntentFor, recipe: Recipe, istio: Mesh, simple: TlsSettings
) -> None:
    intent = intent_for(PAY, "http:80:443", name="my-pay", tls=simple)
    assert manifests(intent, istio) == marked(recipe("externalname-tls-origination"), intent)


def test_endpoints_origination_is_the_recipe(
    intent_for: IntentFor, recipe: Recipe, istio: Mesh, simple: TlsSettings
) -> None:
    intent = intent_for(PAY_ADDRESS, "http:80:443", name="my-pay-ip", tls=simple)
    assert manifests(intent, istio) == marked(recipe("endpoints-tls-origination"), intent)


def test_the_annotations_are_the_intent(intent_for: IntentFor, simple: TlsSettings) -> None:
    intent = intent_for(PAY_ADDRESS, "http:80:443", "tls:443", tls=simple, export_to=(".", "shop"))
    assert annotations_of(intent) == {
        "extsvc.dev/addresses": "203.0.113.20",
        "extsvc.dev/host": "api.pay.example",
        "extsvc.dev/ports": "http:80:443,tls:443",
        "extsvc.dev/mesh": "auto",
        "extsvc.dev/export-to": ".,shop",
        "extsvc.dev/tls-mode": "SIMPLE",
        "extsvc.dev/tls-sni": "api.pay.example",
        "extsvc.dev/tls-subject-alt-names": "api.pay.example",
        "extsvc.dev/tls-ca-certificates": "system",
    }


def test_without_mesh_there_is_a_service_and_its_slice(intent_for: IntentFor, no_istio: Mesh) -> None:
    intent = intent_for(PAY_ADDRESS, "tls:443", mesh=False)
    meta = {"namespace": "default", "labels": OURS | {"extsvc.dev/alias": "my-httpbin"}}
    assert manifests(intent, no_istio) == [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta | {"name": "my-httpbin", "annotations": annotations_of(intent)},
            "spec": {
                "type": "ClusterIP",
                "ports": [{"name": "tls", "protocol": "TCP", "port": 443, "targetPort": 443}],
            },
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": "my-httpbin-ipv4",
                "namespace": "default",
                "labels": OURS
                | {
                    "extsvc.dev/alias": "my-httpbin",
                    "kubernetes.io/service-name": "my-httpbin",
                    "endpointslice.kubernetes.io/managed-by": "kubectl-extsvc",
                },
            },
            "addressType": "IPv4",
            "ports": [{"name": "tls", "port": 443, "protocol": "TCP"}],
            "endpoints": [{"addresses": ["203.0.113.20"], "conditions": {"ready": True}}],
        },
    ]
    host = intent_for(HTTPBIN, "http:80", mesh=False)
    assert kinds(manifests(host, no_istio)) == ["Service/my-httpbin"]


def test_endpoints_of_tls_clients_get_a_rule_on_the_services_name(intent_for: IntentFor, istio: Mesh) -> None:
    objects = manifests(intent_for(PAY_ADDRESS, "tls:443"), istio)
    assert kinds(objects) == ["Service/my-httpbin", "DestinationRule/my-httpbin", "EndpointSlice/my-httpbin-ipv4"]
    assert objects[1]["spec"] == {
        "host": "my-httpbin.default.svc.cluster.local",
        "trafficPolicy": {"tls": {"mode": "DISABLE"}},
    }


def test_old_istio_gets_a_rule_on_the_aliass_name(intent_for: IntentFor, old_istio: Mesh) -> None:
    objects = manifests(intent_for(HTTPBIN, "http:80"), old_istio, cluster_domain="corp.example")
    assert kinds(objects) == ["Service/my-httpbin", "DestinationRule/my-httpbin"]
    assert objects[1]["apiVersion"] == "networking.istio.io/v1beta1"
    assert objects[1]["spec"] == {
        "host": "my-httpbin.default.svc.corp.example",
        "trafficPolicy": {"tls": {"mode": "DISABLE"}},
    }


@pytest.mark.parametrize("port", ["tls:443", "https:443", "tcp-db:5432", "postgres:5432"])
def test_passthrough_needs_nothing_more_than_the_service(intent_for: IntentFor, istio: Mesh, port: str) -> None:
    (service,) = objects_of(intent_for(HTTPBIN, port), istio)
    assert service.why.endswith(f"; sidecars pass {port} through as it comes, which is right")


def test_a_service_of_the_cluster_needs_no_istio_objects(intent_for: IntentFor, istio: Mesh) -> None:
    intent = intent_for(HostTarget("server.prod.svc.cluster.local"), "http:80")
    assert kinds(manifests(intent, istio)) == ["Service/my-httpbin"]


def test_http_and_tls_ports_of_one_external_name(intent_for: IntentFor, istio: Mesh, simple: TlsSettings) -> None:
    intent = intent_for(PAY, "http:80:443", "http2:8080:8443", "tls:443", tls=simple)
    service, entry, rule, routes = manifests(intent, istio)
    host = "my-httpbin.default.extsvc.internal"
    assert [port["port"] for port in service["spec"]["ports"]] == [80, 8080, 443]
    assert entry["spec"]["ports"] == [
        {"name": "http", "number": 80, "protocol": "HTTP", "targetPort": 443},
        {"name": "http2", "number": 8080, "protocol": "HTTP2", "targetPort": 8443},
    ]
    assert rule["spec"] == {
        "host": host,
        "trafficPolicy": {
            "tls": {
                "mode": "SIMPLE",
                "sni": "api.pay.example",
                "subjectAltNames": ["api.pay.example"],
                "caCertificates": "system",
            }
        },
    }
    changed = {
        "rewrite": {"authority": "api.pay.example"},
        "headers": {"request": {"set": {"x-forwarded-proto": "https"}}},
    }
    assert routes["spec"]["http"] == [
        changed | {"match": [{"port": number}], "route": [{"destination": {"host": host, "port": {"number": number}}}]}
        for number in (80, 8080)
    ]


def test_a_port_of_tls_clients_beside_origination_stays_without_the_sidecars_tls(
    intent_for: IntentFor, istio: Mesh, simple: TlsSettings
) -> None:
    objects = manifests(intent_for(PAY_ADDRESS, "http:80:443", "tls:443", tls=simple), istio)
    tls = {
        "mode": "SIMPLE",
        "sni": "api.pay.example",
        "subjectAltNames": ["api.pay.example"],
        "caCertificates": "system",
    }
    assert objects[1]["spec"]["trafficPolicy"] == {
        "tls": {"mode": "DISABLE"},
        "portLevelSettings": [{"port": {"number": 80}, "tls": tls}],
    }
    assert objects[2]["spec"]["http"] == [
        {
            "rewrite": {"authority": "api.pay.example"},
            "headers": {"request": {"set": {"x-forwarded-proto": "https"}}},
            "route": [
                {"destination": {"host": "my-httpbin.default.svc.cluster.local", "port": {"number": 80}}},
            ],
        }
    ]


def test_tcp_origination_needs_no_virtual_service(intent_for: IntentFor, istio: Mesh, simple: TlsSettings) -> None:
    objects = manifests(intent_for(PAY_ADDRESS, "tcp-redis:6379", tls=simple), istio)
    assert kinds(objects) == ["Service/my-httpbin", "DestinationRule/my-httpbin", "EndpointSlice/my-httpbin-ipv4"]


def test_mutual_names_certificate_and_key(intent_for: IntentFor, istio: Mesh, simple: TlsSettings) -> None:
    tls = replace(simple, mode=TlsMode.MUTUAL, client_certificate="/c/cert.pem", private_key="/c/key.pem")
    objects = manifests(intent_for(PAY_ADDRESS, "http:80:443", tls=tls), istio)
    assert objects[1]["spec"]["trafficPolicy"]["tls"] == {
        "mode": "MUTUAL",
        "sni": "api.pay.example",
        "subjectAltNames": ["api.pay.example"],
        "caCertificates": "system",
        "clientCertificate": "/c/cert.pem",
        "privateKey": "/c/key.pem",
    }


def test_the_authority_is_the_sni_where_addresses_have_no_host(
    intent_for: IntentFor, istio: Mesh, simple: TlsSettings
) -> None:
    objects = manifests(intent_for(AddressTarget(("203.0.113.20",)), "http:80:443", tls=simple), istio)
    assert objects[2]["spec"]["http"][0]["rewrite"] == {"authority": "api.pay.example"}


@pytest.mark.parametrize(
    ("addresses", "slices", "families"),
    [
        (("203.0.113.1", "203.0.113.2"), {"IPv4": ["203.0.113.1", "203.0.113.2"]}, {}),
        (
            ("2001:db8::1", "203.0.113.2"),
            {"IPv4": ["203.0.113.2"], "IPv6": ["2001:db8::1"]},
            {"ipFamilyPolicy": "PreferDualStack"},
        ),
        (
            ("2001:db8::1",),
            {"IPv6": ["2001:db8::1"]},
            {"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv6"]},
        ),
    ],
)
def test_each_family_has_a_slice_with_one_address_an_endpoint(
    intent_for: IntentFor,
    no_istio: Mesh,
    addresses: tuple[str, ...],
    slices: dict[str, list[str]],
    families: dict[str, object],
) -> None:
    service, *endpoint_slices = manifests(intent_for(AddressTarget(addresses), "tls:443", mesh=False), no_istio)
    assert {key: value for key, value in service["spec"].items() if key not in ("type", "ports")} == families
    assert {
        endpoint_slice["addressType"]: [endpoint["addresses"] for endpoint in endpoint_slice["endpoints"]]
        for endpoint_slice in endpoint_slices
    } == {family: [[address] for address in members] for family, members in slices.items()}
    assert [obj["metadata"]["name"] for obj in endpoint_slices] == [f"my-httpbin-{family.lower()}" for family in slices]


def test_rules_are_exported_as_the_service_is(intent_for: IntentFor, istio: Mesh) -> None:
    service, *rules = manifests(intent_for(HTTPBIN, "http:80", export_to=(".", "shop")), istio)
    assert service["metadata"]["annotations"]["networking.istio.io/exportTo"] == ".,shop"
    assert [rule["spec"]["exportTo"] for rule in rules] == [[".", "shop"]] * 3


def entry(name: str, namespace: str, host: str, *ports: int, **spec: object) -> Json:
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"hosts": [host], "ports": [{"number": port} for port in ports], **spec},
    }


def registered(intent: Intent, mesh: Mesh, *entries: Json) -> list[str]:
    return kinds(manifests(intent, mesh, registry_only=True, service_entries=entries))


def test_under_registry_only_tls_is_registered_for_the_own_namespace(intent_for: IntentFor, istio: Mesh) -> None:
    intent = intent_for(HTTPBIN, "tls:443")
    service, service_entry = manifests(intent, istio, registry_only=True)
    assert kinds([service, service_entry]) == ["Service/my-httpbin", "ServiceEntry/my-httpbin.target"]
    assert service_entry["spec"] == {
        "hosts": ["httpbin.org"],
        "location": "MESH_EXTERNAL",
        "resolution": "DNS",
        "ports": [{"name": "tls", "number": 443, "protocol": "TLS"}],
        "endpoints": [{"address": "httpbin.org."}],
        "exportTo": ["."],
    }
    assert service_entry["metadata"]["labels"]["networking.istio.io/enable-autoallocate-ip"] == "false"


@pytest.mark.parametrize(
    "visible",
    [
        entry("e", "default", "httpbin.org", 443, exportTo=["."]),
        entry("e", "mesh", "httpbin.org", 80, 443),
        entry("e", "mesh", "httpbin.org", 443, exportTo=["*"]),
        entry("e", "mesh", "httpbin.org", 443, exportTo=["default"]),
        entry("e", "mesh", "*.org", 443),
    ],
)
def test_a_target_that_is_registered_with_the_port_is_left_alone(
    intent_for: IntentFor, istio: Mesh, visible: Json
) -> None:
    assert registered(intent_for(HTTPBIN, "tls:443"), istio, visible) == ["Service/my-httpbin"]


@pytest.mark.parametrize(
    "hidden",
    [
        entry("e", "mesh", "httpbin.org", 80, exportTo=["."]),
        entry("e", "mesh", "httpbin.org", 80, exportTo=["shop"]),
        entry("e", "mesh", "other.org", 80),
        {"metadata": {"name": "e", "namespace": "default"}},
    ],
)
def test_a_service_entry_that_the_namespace_does_not_see_does_not_count(
    intent_for: IntentFor, istio: Mesh, hidden: Json
) -> None:
    objects = registered(intent_for(HTTPBIN, "tls:443"), istio, hidden)
    assert objects == ["Service/my-httpbin", "ServiceEntry/my-httpbin.target"]


def test_a_target_that_is_registered_without_the_port_is_refused_and_named(intent_for: IntentFor, istio: Mesh) -> None:
    with pytest.raises(Refused) as caught:
        registered(intent_for(HTTPBIN, "tls:443"), istio, entry("central", "mesh", "httpbin.org", 80))
    assert str(caught.value) == (
        "serviceentry/central.mesh already stands for httpbin.org without port 443, and one of ours would hide it "
        "from namespace default; nothing was changed. Add the port there: tls:443, protocol TLS."
    )


def test_a_service_entry_of_a_sibling_alias_does_not_count(intent_for: IntentFor, istio: Mesh) -> None:
    sibling = entry("b.target", "default", "httpbin.org", 8443)
    sibling["metadata"]["labels"] = OURS | {"extsvc.dev/alias": "b"}
    objects = registered(intent_for(HTTPBIN, "tls:443"), istio, sibling)
    assert objects == ["Service/my-httpbin", "ServiceEntry/my-httpbin.target"]


def test_under_registry_only_tcp_is_refused_and_the_other_form_offered(intent_for: IntentFor, istio: Mesh) -> None:
    with pytest.raises(Refused) as caught:
        registered(intent_for(HTTPBIN, "tcp-db:5432"), istio)
    assert str(caught.value) == (
        "the mesh lets out only what is registered (REGISTRY_ONLY), and a TCP port cannot be registered by name "
        "without taking port 5432 from everybody; nothing was changed. Use --host httpbin.org --lookup."
    )


def test_http_is_registered_by_its_private_host_under_any_policy(intent_for: IntentFor, istio: Mesh) -> None:
    intent = intent_for(HTTPBIN, "http:80")
    assert manifests(intent, istio, registry_only=True) == manifests(intent, istio)


def test_planned_resources_fit_their_objects(intent_for: IntentFor, old_istio: Mesh, simple: TlsSettings) -> None:
    for planned in objects_of(intent_for(PAY_ADDRESS, "http:80:443", tls=simple), old_istio):
        assert planned.resource.api_version == planned.obj["apiVersion"]
        assert planned.resource.plural == BY_KIND[planned.obj["kind"]].plural
        assert planned.why
        assert planned.why.isprintable()


def test_an_owner_is_added_to_a_copy(intent_for: IntentFor, istio: Mesh) -> None:
    _, rule, _ = manifests(intent_for(PAY_ADDRESS, "tls:443"), istio)
    owner = {
        "apiVersion": "v1",
        "kind": "Service",
        "name": "my-httpbin",
        "uid": "u-1",
        "blockOwnerDeletion": False,
    }
    assert with_owner(rule, "u-1") == rule | {"metadata": rule["metadata"] | {"ownerReferences": [owner]}}
    assert "ownerReferences" not in rule["metadata"]
