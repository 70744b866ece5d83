"""Pods as sources."""

from typing import Any

import pytest

from kubectl_extsvc.mesh.sources import by_preference, default_sources, image_of, mesh_mode, revision_of, sources_in
from kubectl_extsvc.model.source import MeshMode, Source

PROXY = {"name": "istio-proxy", "args": ["proxy", "sidecar"], "securityContext": {"runAsUser": 1337}}
NATIVE = {**PROXY, "restartPolicy": "Always"}


def pod(
    name: str = "web-1",
    namespace: str = "shop",
    *,
    containers: tuple[dict[str, Any], ...] = ({"name": "app"},),
    init: tuple[dict[str, Any], ...] = (),
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    ready: str = "True",
    phase: str = "Running",
    **spec: Any,
) -> dict[str, Any]:
    return {
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels or {}, "annotations": annotations or {}},
        "spec": {"containers": list(containers), "initContainers": list(init), **spec},
        "status": {"phase": phase, "conditions": [{"type": "Ready", "status": ready}]},
    }


def sidecar(name: str, namespace: str = "shop", app: str = "") -> dict[str, Any]:
    return pod(name, namespace, containers=({"name": "app"}, PROXY), labels={"app": app} if app else {})


def plain(name: str, namespace: str = "shop", app: str = "") -> dict[str, Any]:
    return pod(name, namespace, labels={"app": app} if app else {})


AMBIENT = {"ambient.istio.io/redirection": "enabled"}


@pytest.mark.parametrize(
    ("a_pod", "expected"),
    [
        pytest.param(pod(containers=({"name": "app"}, PROXY)), MeshMode.SIDECAR, id="classic sidecar"),
        pytest.param(pod(init=({"name": "istio-init"}, NATIVE)), MeshMode.SIDECAR, id="native sidecar"),
        pytest.param(pod(init=(PROXY,)), MeshMode.PLAIN, id="an init container that ended"),
        pytest.param(pod(), MeshMode.PLAIN, id="no proxy"),
        pytest.param(
            pod(annotations={"sidecar.istio.io/inject": "true"}), MeshMode.PLAIN, id="injection wished, never done"
        ),
        pytest.param(pod(annotations=AMBIENT), MeshMode.AMBIENT, id="ambient"),
        pytest.param(
            pod(annotations={"ambient.istio.io/redirection": "pending"}), MeshMode.PLAIN, id="ambient not yet"
        ),
        pytest.param(
            pod(containers=({"name": "app"}, PROXY), annotations=AMBIENT), MeshMode.SIDECAR, id="sidecar before ambient"
        ),
        pytest.param(
            pod(containers=({"name": "app"}, PROXY), hostNetwork=True), MeshMode.PLAIN, id="host network with a proxy"
        ),
        pytest.param(pod(annotations=AMBIENT, hostNetwork=True), MeshMode.PLAIN, id="host network in ambient"),
        pytest.param(
            pod(containers=({"name": "istio-proxy", "args": ["proxy", "router"]},)), MeshMode.PLAIN, id="gateway"
        ),
        pytest.param(
            pod(containers=({"name": "istio-proxy", "args": ["proxy", "waypoint"]},)), MeshMode.PLAIN, id="waypoint"
        ),
        pytest.param(
            pod(
                containers=({"name": "app"}, {**PROXY, "env": [{"name": "ISTIO_META_GENERATOR", "value": "grpc"}]}),
            ),
            MeshMode.PLAIN,
            id="agent of proxyless gRPC",
        ),
        pytest.param(
            pod(containers=({"name": "app"}, PROXY), annotations={"inject.istio.io/templates": "sidecar, grpc-agent"}),
            MeshMode.PLAIN,
            id="template of proxyless gRPC",
        ),
        pytest.param(
            pod(containers=({"name": "app"}, PROXY), annotations={"sidecar.istio.io/interceptionMode": "NONE"}),
            MeshMode.PLAIN,
            id="proxy to which nobody is sent",
        ),
    ],
)
def test_mode_is_how_the_pods_own_traffic_goes(a_pod: dict[str, Any], expected: MeshMode) -> None:
    assert mesh_mode(a_pod) is expected


def test_a_source_has_the_pods_labels_sorted_and_an_application_container() -> None:
    found = sources_in([pod(containers=(PROXY, {"name": "app"}), labels={"tier": "x", "app": "web"})])
    assert found == (Source("shop", "web-1", "app", MeshMode.SIDECAR, (("app", "web"), ("tier", "x"))),)


def test_pods_that_cannot_be_looked_from_are_no_sources() -> None:
    leaving = pod("leaving")
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    pods = [
        pod("waiting", phase="Pending"),
        pod("done", phase="Succeeded"),
        pod("unready", ready="False"),
        leaving,
        pod("gateway", containers=({"name": "istio-proxy", "args": ["proxy", "router"]},)),
        pod("dns", "kube-system"),
        pod("istiod", "istio-system"),
        pod("good"),
    ]
    assert [source.pod for source in sources_in(pods)] == ["good"]


def test_system_namespaces_are_looked_from_if_asked() -> None:
    pods = [pod("dns", "kube-system"), pod("good"), pod("istiod", "istio-system")]
    assert [source.key for source in sources_in(pods, everywhere=True)] == [
        "istio-system/istiod",
        "kube-system/dns",
        "shop/good",
    ]


@pytest.mark.parametrize(
    ("names", "default", "expected"),
    [
        (("app", "curl"), "app", "curl"),
        (("sleep", "app"), "app", "sleep"),
        (("a", "b"), "b", "b"),
        (("a", "b"), "gone", "a"),
        (("a", "b"), "istio-proxy", "a"),
        (("a", "b"), "", "a"),
    ],
)
def test_a_sample_client_then_the_default_then_the_first_container_is_taken(
    names: tuple[str, ...], default: str, expected: str
) -> None:
    containers: tuple[dict[str, Any], ...] = (PROXY, *({"name": name} for name in names))
    found = sources_in([pod(containers=containers, annotations={"kubectl.kubernetes.io/default-container": default})])
    assert [source.container for source in found] == [expected]


def test_a_container_of_the_proxys_user_is_not_looked_from() -> None:
    as_proxy = {"name": "odd", "securityContext": {"runAsUser": 1337}}
    as_group = {"name": "odder", "securityContext": {"runAsGroup": 1337}}
    found = sources_in([pod(containers=(as_proxy, as_group, {"name": "app"}, PROXY))])
    assert [source.container for source in found] == ["app"]


def test_a_sidecar_pod_that_runs_as_the_proxys_user_throughout_is_looked_from_last_and_known_as_such() -> None:
    a_pod = pod("a", containers=({"name": "app"}, PROXY), securityContext={"runAsUser": 1337})
    (found,) = sources_in([a_pod])
    assert (found.container, found.mode, found.as_proxy_user) == ("app", MeshMode.SIDECAR, True)
    assert [s.pod for s in default_sources([a_pod, sidecar("b", "far")], ("shop",))] == ["b"]


def test_a_container_that_was_asked_for_is_taken_even_if_it_is_of_the_proxys_user() -> None:
    odd = {"name": "odd", "securityContext": {"runAsUser": 1337}}
    a_pod = pod(containers=({"name": "app"}, odd, PROXY))
    chosen = [sources_in([a_pod], container=name)[0] for name in ("odd", "app")]
    assert [(source.container, source.as_proxy_user) for source in chosen] == [("odd", True), ("app", False)]


def test_a_source_has_the_pods_addresses_and_istios_annotations() -> None:
    a_pod = pod(annotations={"traffic.sidecar.istio.io/excludeOutboundPorts": "80", "istio.io/rev": "a", "x.io/y": "z"})
    a_pod["status"] |= {"podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]}
    (found,) = sources_in([a_pod])
    assert found.addresses == ("10.0.0.1", "fd00::1")
    assert found.annotations == (("istio.io/rev", "a"), ("traffic.sidecar.istio.io/excludeOutboundPorts", "80"))


@pytest.mark.parametrize(
    ("annotations", "labels", "expected"),
    [
        ({"sidecar.istio.io/status": '{"revision":"1-31"}'}, {"istio.io/rev": "prod"}, "1-31"),
        ({"sidecar.istio.io/status": "odd", "istio.io/rev": "canary"}, {}, "canary"),
        ({}, {"istio.io/rev": "canary"}, "canary"),
        ({}, {}, ""),
    ],
)
def test_the_revision_is_what_the_injector_says_of_itself(
    annotations: dict[str, str], labels: dict[str, str], expected: str
) -> None:
    (found,) = sources_in([pod(annotations=annotations, labels=labels)])
    assert revision_of(found) == expected


def test_user_1337_means_nothing_without_a_sidecar() -> None:
    a_pod = pod(containers=({"name": "app", "securityContext": {"runAsUser": 1337}},))
    assert [source.container for source in sources_in([a_pod])] == ["app"]


def test_sources_near_the_aliases_come_first_then_sample_clients_then_names() -> None:
    pods = [
        plain("a", "far"),
        plain("z", "far", app="curl"),
        plain("y", "far", app="sleep"),
        plain("c"),
        plain("b"),
        plain("d", app="sleep"),
    ]
    ordered = by_preference(sources_in(pods), ["shop"])
    assert [source.key for source in ordered] == ["shop/d", "shop/b", "shop/c", "far/z", "far/y", "far/a"]


def test_one_source_of_each_mode_is_chosen_whatever_the_order_of_pods() -> None:
    pods = [
        pod("ztunnelled", "far", annotations=AMBIENT),
        sidecar("web-2"),
        sidecar("web-1"),
        plain("curl", "far", app="curl"),
        plain("dns", "kube-system", app="curl"),
        plain("x", "other"),
    ]
    expected = ["shop/web-1", "far/curl", "far/ztunnelled"]
    assert [source.key for source in default_sources(pods, ["shop"])] == expected
    assert [source.key for source in default_sources(list(reversed(pods)), ["shop"])] == expected


def test_a_system_namespace_is_looked_from_for_an_alias_in_it() -> None:
    assert [source.key for source in default_sources([plain("dns", "kube-system")], ["kube-system"])] == [
        "kube-system/dns"
    ]


def test_no_pod_gives_no_source() -> None:
    assert default_sources([], ["shop"]) == ()


def test_the_image_of_a_source_is_that_of_its_container_whichever_kind_it_is() -> None:
    spec = {
        "containers": [{"name": "app", "image": "nginx:1"}, {"name": "curl", "image": "curlimages/curl:8"}],
        "ephemeralContainers": [{"name": "probe", "image": "shop/curl:1"}],
    }
    pod = {"metadata": {"name": "web", "namespace": "shop"}, "spec": spec}
    images = [image_of(pod, name) for name in ("app", "curl", "probe", "nobody")]
    assert images == ["nginx:1", "curlimages/curl:8", "shop/curl:1", ""]
    ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    assert [source.image for source in sources_in([{**pod, "status": ready}])] == ["curlimages/curl:8"]
