"""What is an alias, what is not, and what one says."""

from typing import Any

import pytest

from kubectl_extsvc.mesh.aliases import NotAnAlias, aliases_in, find_alias
from kubectl_extsvc.model.alias import AddressTarget, Alias, AliasPort, AppProtocol, HostTarget
from kubectl_extsvc.model.resources import ObjectRef
from kubectl_extsvc.model.snapshot import Mesh, Snapshot

ISTIO = Mesh(installed=True, api_version="v1", version=(1, 31))
HTTP = {"name": "http", "port": 80, "protocol": "TCP"}
TLS = {"name": "tls", "port": 443, "protocol": "TCP"}
OURS = {"app.kubernetes.io/managed-by": "kubectl-extsvc"}


def service(name: str = "my-wikipedia", namespace: str = "default", **parts: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    for key in ("labels", "annotations", "ownerReferences", "uid", "creationTimestamp"):
        if key in parts:
            metadata[key] = parts.pop(key)
    return {"kind": "Service", "metadata": metadata, "spec": {"clusterIP": "10.96.0.20", "ports": [TLS], **parts}}


def external(name: str = "my-httpbin", target: str = "httpbin.org", **parts: Any) -> dict[str, Any]:
    made = service(name, type="ExternalName", externalName=target, **{"ports": [HTTP], **parts})
    del made["spec"]["clusterIP"]
    return made


def endpoint_slice(
    of: str | None = "my-wikipedia",
    *addresses: str,
    name: str = "my-wikipedia-1",
    port: dict[str, Any] = TLS,
    labels: dict[str, str] | None = None,
    **parts: Any,
) -> dict[str, Any]:
    named = {"kubernetes.io/service-name": of} if of else {}
    metadata = {"name": name, "namespace": "default", "labels": {**named, **(labels or {})}}
    if "ownerReferences" in parts:
        metadata["ownerReferences"] = parts.pop("ownerReferences")
    endpoints = [{"addresses": [address]} for address in addresses or ("203.0.113.10",)]
    return {
        "kind": "EndpointSlice",
        "metadata": metadata,
        "addressType": "IPv4",
        "ports": [port],
        "endpoints": endpoints,
        **parts,
    }


def entry(host: str, *ports: dict[str, Any], name: str = "entry", namespace: str = "default") -> dict[str, Any]:
    return {
        "kind": "ServiceEntry",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"hosts": [host], "ports": list(ports), "resolution": "DNS"},
    }


def names(snapshot: Snapshot, namespace: str | None = None) -> list[str]:
    return [f"{alias.namespace}/{alias.name}" for alias in aliases_in(snapshot, namespace)]


def test_the_egress_tasks_two_services_are_its_two_aliases() -> None:
    mirrored = {"endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io"}
    owner = {"kind": "Endpoints", "name": "my-wikipedia", "controller": True}
    snapshot = Snapshot(
        services=(
            service(uid="u-1", creationTimestamp="2026-01-01T00:00:00Z", clusterIPs=["10.96.0.20"]),
            external(uid="u-2"),
            service("curl", selector={"app": "curl"}),
            service("kubernetes"),
        ),
        endpoint_slices=(
            endpoint_slice("my-wikipedia", "198.51.100.26", "198.51.100.27", labels=mirrored, ownerReferences=[owner]),
            endpoint_slice("kubernetes", "10.0.0.1", name="kubernetes"),
        ),
        mesh=ISTIO,
    )
    assert aliases_in(snapshot, "default") == (
        Alias(
            namespace="default",
            name="my-httpbin",
            target=HostTarget("httpbin.org"),
            ports=(AliasPort("http", 80, 80, AppProtocol.HTTP),),
            external_name_raw="httpbin.org",
            uid="u-2",
        ),
        Alias(
            namespace="default",
            name="my-wikipedia",
            target=AddressTarget(("198.51.100.26", "198.51.100.27")),
            ports=(AliasPort("tls", 443, 443, AppProtocol.TLS),),
            cluster_ips=("10.96.0.20",),
            slices=(ObjectRef("EndpointSlice", "default", "my-wikipedia-1"),),
            created_at="2026-01-01T00:00:00Z",
            uid="u-1",
        ),
    )


def test_an_alias_of_ours_says_its_host_and_the_port_of_its_slice() -> None:
    snapshot = Snapshot(
        services=(
            service(
                labels=OURS,
                annotations={"extsvc.dev/host": "En.Wikipedia.org."},
                ports=[{**HTTP, "targetPort": 8080}],
                clusterIPs=["10.96.0.20", "fd00::20"],
            ),
        ),
        endpoint_slices=(
            endpoint_slice("my-wikipedia", "2001:DB8::1", name="v6", addressType="IPv6", port={**HTTP, "port": 443}),
            endpoint_slice("my-wikipedia", name="v4", port={**HTTP, "port": 443}, labels=OURS),
        ),
    )
    assert aliases_in(snapshot) == (
        Alias(
            namespace="default",
            name="my-wikipedia",
            target=AddressTarget(("203.0.113.10", "2001:db8::1"), "en.wikipedia.org"),
            ports=(AliasPort("http", 80, 443, AppProtocol.HTTP),),
            cluster_ips=("10.96.0.20", "fd00::20"),
            managed=True,
            slices=(ObjectRef("EndpointSlice", "default", "v4"), ObjectRef("EndpointSlice", "default", "v6")),
        ),
    )


def test_aliases_of_one_namespace_or_of_all_are_in_order_of_name() -> None:
    snapshot = Snapshot(services=(external("b"), external("a"), service("c", "apps", labels=OURS)))
    assert names(snapshot) == ["apps/c", "default/a", "default/b"]
    assert names(snapshot, "apps") == ["apps/c"]
    assert names(snapshot, "none") == []


NOT_ALIASES = [
    pytest.param(service("kubernetes"), (), "it is the API server's own Service", id="kubernetes"),
    pytest.param(
        service(selector={"app": "x"}), (), "it has a selector, so its endpoints are pods", id="service of pods"
    ),
    pytest.param(external(target=""), (), "it has no externalName", id="no external name"),
    pytest.param(
        service(),
        (endpoint_slice(labels={"endpointslice.kubernetes.io/managed-by": "prometheus-operator"}),),
        "its endpointslice/my-wikipedia-1 is written by prometheus-operator",
        id="slice of another controller",
    ),
    pytest.param(
        service(),
        (endpoint_slice(ownerReferences=[{"kind": "Postgresql", "name": "db"}]),),
        "its endpointslice/my-wikipedia-1 is written by postgresql/db",
        id="slice of another owner",
    ),
    pytest.param(
        service(),
        (
            endpoint_slice(
                labels={
                    "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io",
                    "app.kubernetes.io/managed-by": "prometheus-operator",
                },
                ownerReferences=[{"kind": "Endpoints", "name": "my-wikipedia", "controller": True}],
            ),
        ),
        "its endpointslice/my-wikipedia-1 is written by prometheus-operator",
        id="mirror of an operator's Endpoints",
    ),
    pytest.param(
        service(),
        (
            endpoint_slice(name="by-hand"),
            endpoint_slice(name="other", labels={"endpointslice.kubernetes.io/managed-by": "x.k8s.io"}),
        ),
        "its endpointslice/other is written by x.k8s.io",
        id="one slice of several",
    ),
    pytest.param(
        service(ownerReferences=[{"kind": "Kafka", "name": "events", "controller": True}]),
        (endpoint_slice(),),
        "it is made by kafka/events",
        id="Service of an operator",
    ),
    pytest.param(
        service(labels={"app.kubernetes.io/managed-by": "Prometheus-Operator"}),
        (),
        "it is made by Prometheus-Operator",
        id="Service labelled by an operator",
    ),
    pytest.param(
        service(clusterIP="None", ports=[]),
        (),
        "it has no selector, no EndpointSlice and no ports",
        id="nothing to call",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("a_service", "slices", "reason"), NOT_ALIASES)
def test_a_service_that_is_no_alias_says_why(
    a_service: dict[str, Any], slices: tuple[dict[str, Any], ...], reason: str
) -> None:
    snapshot = Snapshot(services=(a_service,), endpoint_slices=slices)
    assert aliases_in(snapshot) == ()
    assert find_alias(snapshot, "default", a_service["metadata"]["name"]) == NotAnAlias(reason)


@pytest.mark.parametrize("manager", ["", "kubectl-extsvc", "staff", "cluster-admins"])
def test_slices_that_people_wrote_make_an_alias(manager: str) -> None:
    labels = {"endpointslice.kubernetes.io/managed-by": manager} if manager else {}
    snapshot = Snapshot(services=(service(),), endpoint_slices=(endpoint_slice(labels=labels),))
    assert names(snapshot) == ["default/my-wikipedia"]


def test_what_a_deployer_carried_out_is_still_an_alias() -> None:
    helm = {"app.kubernetes.io/managed-by": "Helm"}
    snapshot = Snapshot(services=(service(labels=helm),), endpoint_slices=(endpoint_slice(labels=helm),))
    assert names(snapshot) == ["default/my-wikipedia"]


def test_a_slice_owned_by_its_service_makes_an_alias() -> None:
    owner = {"kind": "Service", "name": "my-wikipedia"}
    snapshot = Snapshot(services=(service(),), endpoint_slices=(endpoint_slice(ownerReferences=[owner]),))
    assert names(snapshot) == ["default/my-wikipedia"]


def test_a_slice_of_another_namespace_is_not_the_services() -> None:
    elsewhere = endpoint_slice()
    elsewhere["metadata"]["namespace"] = "apps"
    snapshot = Snapshot(services=(service(),), endpoint_slices=(elsewhere,))
    assert names(snapshot) == []


def test_without_slices_a_service_of_others_is_an_alias_only_if_named() -> None:
    snapshot = Snapshot(services=(service(),))
    assert aliases_in(snapshot) == ()
    assert find_alias(snapshot, "default", "my-wikipedia") == Alias(
        namespace="default",
        name="my-wikipedia",
        target=AddressTarget(()),
        ports=(AliasPort("tls", 443, 443, AppProtocol.TLS),),
        cluster_ips=("10.96.0.20",),
    )


def test_without_slices_our_own_service_is_an_alias_that_is_broken() -> None:
    snapshot = Snapshot(services=(service(labels=OURS),), endpoint_slices=(endpoint_slice(None),))
    assert [alias.target for alias in aliases_in(snapshot)] == [AddressTarget(())]


def test_an_external_name_with_a_selector_is_an_alias() -> None:
    snapshot = Snapshot(services=(external(selector={"app": "my-httpbin"}),))
    assert names(snapshot) == ["default/my-httpbin"]


def test_no_service_of_that_name_is_none() -> None:
    assert find_alias(Snapshot(services=(external(),)), "default", "other") is None


def test_a_final_dot_stays_in_the_raw_name_only() -> None:
    found = aliases_in(Snapshot(services=(external(target="httpbin.org."),)))[0]
    assert (found.host, found.external_name_raw) == ("httpbin.org", "httpbin.org.")


def test_clients_of_a_headless_alias_dial_the_services_number() -> None:
    snapshot = Snapshot(
        services=(service(clusterIP="None", clusterIPs=["None"]),),
        endpoint_slices=(endpoint_slice(port={**TLS, "port": 8443}),),
    )
    found = aliases_in(snapshot)[0]
    assert (found.headless, found.cluster_ips, found.ports) == (
        True,
        (),
        (AliasPort("tls", 443, 443, AppProtocol.TLS),),
    )


@pytest.mark.parametrize(
    ("target_port", "slice_port", "expected"),
    [
        (8443, {"name": "tls", "port": 9443}, 9443),
        (8443, {"name": "other", "port": 9443}, 8443),
        ("https", {"name": "other", "port": 9443}, 443),
        (8443, {"name": "tls"}, 8443),
    ],
)
def test_the_slices_port_of_the_same_name_is_dialled(
    target_port: int | str, slice_port: dict[str, Any], expected: int
) -> None:
    snapshot = Snapshot(
        services=(service(ports=[{**TLS, "targetPort": target_port}]),),
        endpoint_slices=(endpoint_slice(port=slice_port),),
    )
    assert aliases_in(snapshot)[0].ports[0].target_port == expected


def test_an_unnamed_port_meets_a_slices_port_without_name() -> None:
    snapshot = Snapshot(
        services=(service(ports=[{"port": 80}]),), endpoint_slices=(endpoint_slice(port={"name": "", "port": 8080}),)
    )
    assert aliases_in(snapshot)[0].ports == (AliasPort("", 80, 8080, AppProtocol.AUTO),)


def test_addresses_are_those_of_ready_endpoints_of_an_ip_family_each_once() -> None:
    fqdn = endpoint_slice("my-wikipedia", "en.wikipedia.org", name="a", addressType="FQDN")
    both = endpoint_slice(
        name="b",
        endpoints=[
            {"addresses": ["203.0.113.12"], "conditions": {"ready": False}},
            {"addresses": ["203.0.113.11"], "conditions": {"ready": True}},
            {"addresses": ["203.0.113.10"], "conditions": {}},
        ],
    )
    again = endpoint_slice("my-wikipedia", "203.0.113.11", name="c")
    snapshot = Snapshot(services=(service(),), endpoint_slices=(again, both, fqdn))
    assert aliases_in(snapshot)[0].target == AddressTarget(("203.0.113.11", "203.0.113.10"))


PRIVATE = "my-httpbin.default.extsvc.internal"
TO_443 = {"number": 80, "name": "http", "protocol": "HTTP", "targetPort": 443}
TO_8080 = {"number": 80, "name": "http", "protocol": "HTTP", "targetPort": 8080}


@pytest.mark.parametrize(
    ("entries", "mesh", "expected"),
    [
        pytest.param((), ISTIO, 80, id="passthrough"),
        pytest.param((entry(PRIVATE, TO_443),), ISTIO, 443, id="our private host"),
        pytest.param((entry("httpbin.org", TO_8080),), ISTIO, 8080, id="the target's ServiceEntry"),
        pytest.param((entry("httpbin.org", TO_8080), entry(PRIVATE, TO_443)), ISTIO, 443, id="ours comes first"),
        pytest.param((entry("httpbin.org", {**TO_443, "number": 81}),), ISTIO, 80, id="another port of the target"),
        pytest.param((entry("*.org", TO_443),), ISTIO, 80, id="a wildcard is not the target"),
        pytest.param((entry(PRIVATE, TO_443),), Mesh(installed=True, api_version="v1beta1"), 80, id="legacy mode"),
        pytest.param((entry(PRIVATE, TO_443),), Mesh(installed=False), 80, id="no Istio"),
    ],
)
def test_an_external_names_target_port_comes_from_the_registry(
    entries: tuple[dict[str, Any], ...], mesh: Mesh, expected: int
) -> None:
    snapshot = Snapshot(services=(external(ports=[{**HTTP, "targetPort": 9999}]),), service_entries=entries, mesh=mesh)
    assert aliases_in(snapshot)[0].ports == (AliasPort("http", 80, expected, AppProtocol.HTTP),)


def test_an_external_name_without_ports_has_those_of_its_target() -> None:
    tls = {"number": 443, "name": "tls", "protocol": "TLS"}
    snapshot = Snapshot(
        services=(external(ports=[]),), service_entries=(entry("httpbin.org", TO_443, tls),), mesh=ISTIO
    )
    assert aliases_in(snapshot)[0].ports == (
        AliasPort("", 80, 443, AppProtocol.HTTP),
        AliasPort("", 443, 443, AppProtocol.TLS),
    )


def test_an_external_name_without_ports_and_without_entry_has_port_80() -> None:
    snapshot = Snapshot(services=(external(ports=[]),), mesh=ISTIO)
    assert aliases_in(snapshot)[0].ports == (AliasPort("", 80, 80, AppProtocol.AUTO),)


def test_a_port_for_sidecars_only_is_known_where_service_entries_are_not() -> None:
    annotated = {"extsvc.dev/ports": "http:80:443,tls:443"}
    alias = external(ports=[HTTP, TLS], labels=OURS, annotations=annotated)
    assert aliases_in(Snapshot(services=(alias,), mesh=ISTIO))[0].ports == (
        AliasPort("http", 80, 443, AppProtocol.HTTP),
        AliasPort("tls", 443, 443, AppProtocol.TLS),
    )
    foreign = external(ports=[HTTP], annotations=annotated)
    assert aliases_in(Snapshot(services=(foreign,), mesh=ISTIO))[0].ports == (
        AliasPort("http", 80, 80, AppProtocol.HTTP),
    )


@pytest.mark.parametrize("host", ["x y", "-K /etc/passwd\n", "a..b", "a" * 254])
def test_what_cannot_be_a_host_is_none(host: str) -> None:
    snapshot = Snapshot(
        services=(service(annotations={"extsvc.dev/host": host}),), endpoint_slices=(endpoint_slice(),), mesh=ISTIO
    )
    assert aliases_in(snapshot)[0].host == ""
