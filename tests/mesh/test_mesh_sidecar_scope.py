"""Which Sidecar resource holds for a pod, and what it lets in."""

from typing import Any

import pytest

from kubectl_extsvc.mesh.istiod.sidecar_scope import SidecarScope, listeners_at, mesh_policy, scope_of
from kubectl_extsvc.model.alias import AppProtocol
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.snapshot import Mesh, Snapshot
from kubectl_extsvc.model.source import MeshMode, Source

WEB = Source("shop", "web-1", "web", MeshMode.SIDECAR, (("app", "web"),))
TARGET, ALIAS = "httpbin.org", "my-httpbin.shop.svc.cluster.local"


def sidecar(name: str, namespace: str = "shop", created: str = "", **spec: Any) -> Json:
    return {"metadata": {"name": name, "namespace": namespace, "creationTimestamp": created}, "spec": spec}


def scope(*sidecars: Json, **mesh_config: Any) -> SidecarScope:
    return scope_of(WEB, Snapshot(sidecars=sidecars, mesh=Mesh(installed=True), mesh_config=mesh_config))


def chosen(*sidecars: Json) -> str:
    found = scope(*sidecars).sidecar
    return found["metadata"]["name"] if found else ""


def lets_in(*egress: Json, port: int = 80, protocol: AppProtocol = AppProtocol.HTTP) -> bool:
    """Whether the alias and its target come in for calls of a port."""
    found = listeners_at(scope(sidecar("default", egress=list(egress))), port, protocol)
    return any(listener.lets_in("shop", TARGET, ALIAS) for listener in found)


def test_one_that_selects_the_pod_comes_first_then_the_namespaces_then_the_roots() -> None:
    selecting = sidecar("selecting", workloadSelector={"labels": {"app": "web"}}, created="2026-03-01T00:00:00Z")
    others = sidecar("others", workloadSelector={"labels": {"app": "db"}})
    for_all, root = sidecar("for-all", created="2026-01-01T00:00:00Z"), sidecar("root", "istio-system")
    assert chosen(root, for_all, others, selecting) == "selecting"
    assert chosen(root, for_all, others) == "for-all"
    assert chosen(root, others) == "root"
    assert chosen(others, sidecar("elsewhere", "other")) == ""


def test_of_two_for_a_namespace_the_older_holds() -> None:
    assert chosen(sidecar("b", created="2026-01-01T00:00:00Z"), sidecar("a", created="2026-02-01T00:00:00Z")) == "b"


@pytest.mark.parametrize(
    ("hosts", "let_in"),
    [
        (["*/*"], True),
        (["./*"], True),
        (["shop/*"], True),
        ([f"*/{TARGET}"], False),
        ([f"shop/{TARGET}", f"shop/{ALIAS}"], True),
        ([f"shop/{TARGET}", f"other/{ALIAS}"], False),
        (["istio-system/*"], False),
        (["~/*"], False),
        (["*/*", f"~shop/{TARGET}"], False),
        (["*/*", f"~*/{TARGET}"], False),
        (["*/*", "~other/*"], True),
        (["*/*", f"shop/{TARGET}"], False),
    ],
)
def test_an_alias_needs_both_names_in_the_entry_of_its_targets_namespace(hosts: list[str], let_in: bool) -> None:
    assert lets_in({"hosts": hosts}) is let_in


def test_without_a_sidecar_or_without_egress_everything_is_let_in() -> None:
    assert [listener.lets_in("shop", TARGET, ALIAS) for listener in scope().listeners] == [True]
    assert lets_in()


def test_an_entry_for_one_port_counts_at_that_port_alone() -> None:
    entry = {"port": {"number": 8080, "protocol": "HTTP"}, "hosts": ["*/*"]}
    assert (lets_in(entry, port=8080), lets_in(entry, port=80)) == (True, False)


def test_of_several_entries_the_first_for_a_port_has_the_routes_of_http() -> None:
    narrow, wide = {"port": {"number": 80, "protocol": "HTTP"}, "hosts": ["istio-system/*"]}, {"hosts": ["*/*"]}
    assert (lets_in(narrow, wide), lets_in(wide, narrow)) == (False, True)
    assert lets_in(narrow, wide, port=8080)
    assert lets_in(narrow, wide, protocol=AppProtocol.TCP)


def test_the_sidecars_policy_counts_before_that_of_the_mesh() -> None:
    registry_only: dict[str, Any] = {"outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}}
    assert (mesh_policy({}), mesh_policy(registry_only)) == ("ALLOW_ANY", "REGISTRY_ONLY")
    assert (scope().policy, scope(**registry_only).policy) == ("ALLOW_ANY", "REGISTRY_ONLY")
    assert scope(sidecar("a"), **registry_only).policy == "REGISTRY_ONLY"
    allowing = sidecar("a", outboundTrafficPolicy={"mode": "ALLOW_ANY"})
    assert scope(allowing, **registry_only).policy == "ALLOW_ANY"
    assert scope(sidecar("a", outboundTrafficPolicy={})).policy == "REGISTRY_ONLY"
