import pytest
from sandbox.pods_world import endpoint_slice, fill, service

from kubectl_extsvc.sandbox.api.store import Store
from kubectl_extsvc.sandbox.pods.names import Lookup, candidates, lookup, resolv_conf, resolve


@pytest.fixture
def store() -> Store:
    made = Store()
    fill(made)
    return made


def test_a_name_with_fewer_than_five_dots_goes_through_the_search_list_first() -> None:
    assert candidates("my-httpbin.default", "team") == (
        "my-httpbin.default.team.svc.cluster.local",
        "my-httpbin.default.svc.cluster.local",
        "my-httpbin.default.cluster.local",
        "my-httpbin.default",
    )


def test_a_name_with_five_dots_is_tried_as_it_is_first() -> None:
    assert candidates("a.b.c.d.e.f", "team")[0] == "a.b.c.d.e.f"


def test_a_final_dot_shuts_the_search_list_out(store: Store) -> None:
    assert candidates("my-httpbin.", "default") == ("my-httpbin",)
    assert resolve("my-httpbin.", "default", store) == Lookup("my-httpbin")


@pytest.mark.parametrize("name", ["my-httpbin", "my-httpbin.default", "My-Httpbin.default.svc.cluster.local"])
def test_an_external_name_is_a_cname(store: Store, name: str) -> None:
    assert resolve(name, "default", store) == Lookup(
        "my-httpbin.default.svc.cluster.local", ("httpbin.org",), ("203.0.113.10",)
    )


def test_a_bare_name_means_a_service_of_its_own_namespace_only(store: Store) -> None:
    assert resolve("my-httpbin", "without-istio", store).addresses == ()
    assert resolve("my-httpbin.default", "without-istio", store).addresses == ("203.0.113.10",)


def test_a_service_has_its_cluster_ip(store: Store) -> None:
    found = lookup("my-wikipedia.default.svc.cluster.local.", store)
    assert found == Lookup("my-wikipedia.default.svc.cluster.local", (), ("10.96.0.26",))


def test_a_headless_service_has_the_addresses_of_its_ready_endpoints(store: Store) -> None:
    endpoint_slice(store, "headless", ["203.0.113.99"], {"port": 80}, ready=False)
    assert lookup("headless.default.svc.cluster.local", store).addresses == (
        "203.0.113.30",
        "203.0.113.10",
    )


def test_an_alias_of_an_alias_is_followed_to_the_outside(store: Store) -> None:
    service(store, "my-chain", type="ExternalName", externalName="My-Httpbin.default.svc.cluster.local.")
    assert lookup("my-chain.default.svc.cluster.local", store) == Lookup(
        "my-chain.default.svc.cluster.local",
        ("my-httpbin.default.svc.cluster.local", "httpbin.org"),
        ("203.0.113.10",),
    )


def test_an_external_name_that_is_an_address_does_not_exist(store: Store) -> None:
    service(store, "ip", type="ExternalName", externalName="203.0.113.10")
    found = lookup("ip.default.svc.cluster.local", store)
    assert (found, found.exists) == (Lookup("ip.default.svc.cluster.local"), False)


def test_an_external_name_of_nothing_is_a_cname_without_an_address(store: Store) -> None:
    service(store, "gone", type="ExternalName", externalName="nope.example")
    found = lookup("gone.default.svc.cluster.local", store)
    assert (found, found.exists) == (Lookup("gone.default.svc.cluster.local", ("nope.example",)), True)


def test_aliases_in_a_circle_exist_and_have_nothing(store: Store) -> None:
    service(store, "a", type="ExternalName", externalName="b.default.svc.cluster.local")
    service(store, "b", type="ExternalName", externalName="a.default.svc.cluster.local")
    found = lookup("a.default.svc.cluster.local", store)
    assert (found.cnames, found.addresses, found.exists) == ((), (), True)


def test_an_address_and_localhost_need_no_dns(store: Store) -> None:
    found = [resolve(name, "default", store).addresses for name in ("203.0.113.5", "2001:db8::1", "localhost")]
    assert found == [("203.0.113.5",), ("2001:db8::1",), ("127.0.0.1",)]


def test_resolv_conf_is_the_one_kubelet_writes() -> None:
    assert resolv_conf("team") == (
        "search team.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n"
    )
