"""What NetworkPolicies let out of a pod."""

from typing import Any

import pytest

from kubectl_extsvc.mesh.network_policies import Destination, Egress, egress_to
from kubectl_extsvc.model.resources import ObjectRef

WEB = {"app": "web", "tier": "front"}
OUTSIDE = Destination("203.0.113.20", 443)
POD = Destination("10.244.0.9", 5432, "TCP", "data", {"app": "db"}, "postgres")
DNS = Destination("", 53, "UDP", "kube-system", {"k8s-app": "kube-dns"})
TIGHT = ObjectRef("NetworkPolicy", "shop", "tight")


def policy(*egress: dict[str, Any], **spec: Any) -> dict[str, Any]:
    body = {"podSelector": {}, "policyTypes": ["Egress"], "egress": list(egress), **spec}
    return {"metadata": {"name": "tight", "namespace": "shop"}, "spec": body}


def allowed(destination: Destination, *policies: dict[str, Any]) -> bool | None:
    return egress_to(destination, policies, "shop", WEB).allowed


def block(cidr: str, *excepted: str) -> dict[str, Any]:
    return {"ipBlock": {"cidr": cidr, "except": list(excepted)}}


def test_a_pod_that_no_policy_selects_may_send_anywhere() -> None:
    of_others = [
        policy(podSelector={"matchLabels": {"app": "db"}}),
        policy(policyTypes=["Ingress"]),
        {**policy(), "metadata": {"name": "tight", "namespace": "other"}},
        {"metadata": {"name": "in", "namespace": "shop"}, "spec": {"podSelector": {}, "ingress": []}},
    ]
    assert egress_to(OUTSIDE, of_others, "shop", WEB) == Egress(True)


def test_a_policy_without_rules_lets_nothing_out_and_is_named() -> None:
    assert egress_to(OUTSIDE, [policy()], "shop", WEB) == Egress(False, (TIGHT,))


def test_policy_types_that_are_not_given_mean_egress_only_with_egress_rules() -> None:
    untyped = policy({"to": [block("10.0.0.0/8")]})
    del untyped["spec"]["policyTypes"]
    assert allowed(OUTSIDE, untyped) is False


def test_policies_add_up() -> None:
    assert allowed(OUTSIDE, policy(), policy({"to": [block("203.0.113.0/24")]})) is True


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({}, True),
        ({"to": [block("203.0.113.0/24")]}, True),
        ({"to": [block("203.0.113.0/24", "203.0.113.16/28")]}, False),
        ({"to": [block("10.0.0.0/8")]}, False),
        ({"to": [block("2001:db8::/32")]}, False),
        ({"to": [block("nonsense")]}, None),
        ({"to": [{"podSelector": {}}]}, False),
        ({"to": [{"namespaceSelector": {}}]}, False),
        ({"ports": [{"port": 443}]}, True),
        ({"ports": [{"port": 400, "endPort": 500}]}, True),
        ({"ports": [{"port": 80}, {"protocol": "UDP", "port": 443}]}, False),
        ({"ports": [{"protocol": "TCP"}]}, True),
        ({"ports": [{"port": "https"}]}, False),
        ({"ports": [{"port": 80}], "to": [block("0.0.0.0/0")]}, False),
    ],
)
def test_an_address_outside_is_let_out_by_blocks_and_ports(rule: dict[str, Any], expected: bool | None) -> None:
    assert allowed(OUTSIDE, policy(rule)) is expected


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ({"podSelector": {"matchLabels": {"app": "db"}}}, False),
        ({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "data"}}}, True),
        ({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "other"}}}, False),
        ({"namespaceSelector": {"matchLabels": {"team": "a"}}}, None),
        ({"namespaceSelector": {}}, True),
        ({"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "other"}}}, False),
        (
            {
                "namespaceSelector": {
                    "matchExpressions": [
                        {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["data"]}
                    ]
                }
            },
            False,
        ),
        ({"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "Exists"}]}}, None),
    ],
)
def test_a_pod_is_let_out_to_by_its_labels_and_its_namespaces_name(peer: dict[str, Any], expected: bool | None) -> None:
    assert allowed(POD, policy({"to": [peer]})) is expected


def test_a_named_port_is_that_of_the_pods_container() -> None:
    assert allowed(POD, policy({"ports": [{"port": "postgres"}]})) is True
    assert allowed(POD, policy({"ports": [{"port": "web"}]})) is False


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"ports": [{"protocol": "UDP", "port": 53}]}, True),
        ({"ports": [{"protocol": "UDP", "port": "dns"}]}, None),
        ({"to": [block("10.96.0.10/32")]}, None),
        ({"to": [block("203.0.113.0/24")], "ports": [{"port": 443}]}, False),
        ({"to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}]}, True),
    ],
)
def test_a_name_server_of_unknown_address_is_denied_only_for_sure(rule: dict[str, Any], expected: bool | None) -> None:
    assert allowed(DNS, policy(rule)) is expected


@pytest.mark.parametrize(
    ("expression", "selected"),
    [
        ({"key": "app", "operator": "In", "values": ["web", "api"]}, True),
        ({"key": "app", "operator": "NotIn", "values": ["web"]}, False),
        ({"key": "tier", "operator": "Exists"}, True),
        ({"key": "tier", "operator": "DoesNotExist"}, False),
        ({"key": "tier", "operator": "Odd"}, False),
    ],
)
def test_expressions_select_pods(expression: dict[str, Any], selected: bool) -> None:
    assert allowed(OUTSIDE, policy(podSelector={"matchExpressions": [expression]})) is not selected
