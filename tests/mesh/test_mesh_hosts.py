"""Names of Services, hosts of rules, and visibility."""

import pytest

from kubectl_extsvc.mesh.hosts import (
    covers,
    name_forms,
    resolve_host,
    service_fqdn,
    service_of_fqdn,
    specificity,
)


def test_a_service_is_known_by_every_form_of_its_name_in_its_own_namespace() -> None:
    assert name_forms("pay", "shop", "shop") == (
        "pay",
        "pay.shop",
        "pay.shop.svc",
        "pay.shop.svc.cluster.local",
        "pay.shop.svc.cluster.local.",
    )


def test_the_bare_name_is_not_known_in_another_namespace() -> None:
    assert name_forms("pay", "shop", "web", "example.test") == (
        "pay.shop",
        "pay.shop.svc",
        "pay.shop.svc.example.test",
        "pay.shop.svc.example.test.",
    )


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("pay", "pay.shop.svc.cluster.local"),
        ("pay.shop", "pay.shop"),
        ("pay.shop.svc.cluster.local", "pay.shop.svc.cluster.local"),
        ("*", "*"),
        ("*.local", "*.local"),
        ("203.0.113.1", "203.0.113.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("", ""),
    ],
)
def test_only_a_host_without_any_dot_is_expanded(host: str, expected: str) -> None:
    assert resolve_host(host, "shop") == expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("pay.shop.svc.cluster.local", ("shop", "pay")),
        ("pay.shop.svc.cluster.local.", None),
        ("a.b.c.svc.cluster.local", None),
        ("shop.svc.cluster.local", None),
        (".shop.svc.cluster.local", None),
        ("httpbin.org", None),
    ],
)
def test_only_an_fqdn_names_a_service(host: str, expected: tuple[str, str] | None) -> None:
    assert service_of_fqdn(host) == expected


def test_an_fqdn_has_the_clusters_domain() -> None:
    assert service_fqdn("pay", "shop", "example.test") == "pay.shop.svc.example.test"


@pytest.mark.parametrize(
    ("pattern", "host", "expected"),
    [
        ("httpbin.org", "httpbin.org", True),
        ("httpbin.org", "www.httpbin.org", False),
        ("*.org", "httpbin.org", True),
        ("*bin.org", "httpbin.org", True),
        ("*", "httpbin.org", True),
        ("*.httpbin.org", "httpbin.org", False),
    ],
)
def test_a_wildcard_is_a_suffix(pattern: str, host: str, expected: bool) -> None:
    assert covers(pattern, host) is expected


def test_hosts_are_ordered_most_specific_first() -> None:
    hosts = ["*", "*.local", "a.example.com", "*.svc.cluster.local", "b.example.com", "longer.example.com", "*.zocal"]
    assert sorted(hosts, key=specificity) == [
        "longer.example.com",
        "a.example.com",
        "b.example.com",
        "*.svc.cluster.local",
        "*.local",
        "*.zocal",
        "*",
    ]
