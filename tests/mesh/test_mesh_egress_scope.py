"""Which Sidecar resource holds for a pod, and what it lets in."""

from typing import Any

import pytest

from kubectl_extsvc.mesh.egress_scope import lets_in, outbound_policy, sidecar_of
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.snapshot import Mesh, Snapshot
from kubectl_extsvc.model.source import MeshMode, Source

WEB = Source("shop", "web-1", "web", MeshMode.SIDECAR, (("app", "web"),))
TARGET, ALIAS = "httpbin.org", "my-httpbin.shop.svc.cluster.local"


def sidecar(name: str, namespace: str = "shop", created: str = "", **spec: Any) -> Json:
    return {"metadata": {"name": name, "namespace": namespace, "creationTimestamp": created}, "spec": spec}


def chosen(*sidecars: Json) -> str:
    found = sidecar_of(WEB, Snapshot(sidecars=sidecars, mesh=Mesh(installed=True)))
    return found["metadata"]["name"] if found else ""


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
    ],
)
def test_an_alias_needs_both_names_in_the_entry_of_its_targets_namespace(hosts: list[str], let_in: bool) -> None:
    assert lets_in(sidecar("default", egress=[{"hosts": hosts}]), "shop", "shop", TARGET, ALIAS) is let_in


def test_without_a_sidecar_or_without_egress_everything_is_let_in() -> None:
    assert lets_in(None, "shop", "shop", TARGET)
    assert lets_in(sidecar("default"), "shop", "shop", TARGET)


def test_the_sidecars_policy_counts_before_that_of_the_mesh() -> None:
    registry_only = {"outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}}
    assert outbound_policy(None, {}) == "ALLOW_ANY"
    assert outbound_policy(None, registry_only) == "REGISTRY_ONLY"
    assert outbound_policy(sidecar("a"), registry_only) == "REGISTRY_ONLY"
    assert outbound_policy(sidecar("a", outboundTrafficPolicy={"mode": "ALLOW_ANY"}), registry_only) == "ALLOW_ANY"
    assert outbound_policy(sidecar("a", outboundTrafficPolicy={}), {}) == "REGISTRY_ONLY"
