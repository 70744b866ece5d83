import pytest
from sandbox.pods_world import endpoint_slice, fill, service

from kubectl_extsvc.sandbox.api.store import Store
from kubectl_extsvc.sandbox.pods.kube_proxy import endpoints_of


@pytest.fixture
def store() -> Store:
    made = Store()
    fill(made)
    return made


def test_a_cluster_ip_leads_to_any_ready_endpoint(store: Store) -> None:
    endpoint_slice(store, "my-wikipedia", ["203.0.113.99"], {"name": "tls", "port": 443}, ready=False)
    assert endpoints_of("10.96.0.26", 443, store) == (("198.51.100.26", 443), ("198.51.100.27", 443))


def test_the_slice_says_the_port_and_not_target_port(store: Store) -> None:
    assert endpoints_of("10.96.0.30", 80, store) == (("203.0.113.10", 80), ("203.0.113.30", 80))


def test_a_slice_whose_port_has_another_name_leads_nowhere(store: Store) -> None:
    service(store, "mismatch", clusterIP="10.96.0.50", ports=[{"name": "http", "port": 80}])
    endpoint_slice(store, "mismatch", ["203.0.113.10"], {"name": "web", "port": 80})
    assert endpoints_of("10.96.0.50", 80, store) == (("10.96.0.50", 80),)


def test_one_of_two_ports_is_found_by_its_name(store: Store) -> None:
    ports = [{"name": "http", "port": 80}, {"name": "dns", "port": 53, "protocol": "UDP"}]
    numbers = (("tls", 443), ("http", 8080), ("dns", 5353))
    service(store, "two", clusterIP="10.96.0.51", ports=ports)
    endpoint_slice(store, "two", ["203.0.113.10"], *({"name": name, "port": port} for name, port in numbers))
    assert endpoints_of("10.96.0.51", 80, store) == (("203.0.113.10", 8080),)
    assert endpoints_of("10.96.0.51", 53, store) == (("10.96.0.51", 53),)


@pytest.mark.parametrize("pair", [("10.96.0.40", 80), ("10.96.0.26", 80), ("203.0.113.10", 80)])
def test_without_endpoints_such_a_port_or_such_a_service_a_pair_stays_itself(
    store: Store, pair: tuple[str, int]
) -> None:
    assert endpoints_of(*pair, store) == (pair,)


def test_a_cluster_ip_of_no_service_leads_to_where_nobody_answers(store: Store) -> None:
    assert endpoints_of("10.96.0.99", 80, store) == (("203.0.113.99", 80),)
