"""The transfers that are asked about a port of an alias."""

from kubectl_extsvc.model.alias import AddressTarget, Alias, AliasPort, AppProtocol, HostTarget
from kubectl_extsvc.model.observation import Contract
from kubectl_extsvc.model.probe import Purpose, Scheme, Transfer
from kubectl_extsvc.probes.questions import transfers

FQDN = "my-pay.shop.svc.cluster.local"
HOST = "api.pay.example"
HTTP = AliasPort("http", 80, 80, AppProtocol.HTTP)
TO_443 = AliasPort("http", 80, 443, AppProtocol.HTTP)
TLS = AliasPort("tls", 443, 443, AppProtocol.TLS)
OUTSIDE = Alias("shop", "my-pay", HostTarget(HOST), (HTTP, TLS))
KNOWN = Alias("shop", "my-pay", AddressTarget(("203.0.113.20", "2001:db8::20"), HOST), (HTTP, TLS))
UNKNOWN = Alias("shop", "my-pay", AddressTarget(("203.0.113.20", "203.0.113.21", "203.0.113.22")), (TLS,))
BY_HTTP = Contract(True, Scheme.HTTP, FQDN)
BY_SIDECAR = Contract(True, Scheme.HTTP, FQDN, "the sidecar makes it TLS", originates=True)
NOT_SERVED = Contract(False, Scheme.TCP, FQDN, "origination is the sidecar's work", originates=True)
BY_TCP = Contract(True, Scheme.TCP, FQDN)
SECRET = (("Authorization", "Bearer x"),)


def test_http_is_asked_with_the_aliass_and_with_the_targets_host() -> None:
    found = transfers(OUTSIDE, HTTP, BY_HTTP, path="/get", method="OPTIONS", headers=SECRET, want_body=True)
    assert found == (
        Transfer(
            "shop/my-pay:80/alias",
            Purpose.ALIAS,
            Scheme.HTTP,
            FQDN,
            80,
            path="/get",
            method="OPTIONS",
            headers=SECRET,
            want_body=True,
        ),
        Transfer(
            "shop/my-pay:80/target-host-header",
            Purpose.TARGET_HOST_HEADER,
            Scheme.HTTP,
            HOST,
            80,
            path="/get",
            method="OPTIONS",
            headers=SECRET,
            connect_to=FQDN,
        ),
    )


def test_what_may_change_something_is_asked_once() -> None:
    found = transfers(OUTSIDE, HTTP, BY_HTTP, method="POST")
    assert [(transfer.purpose, transfer.method) for transfer in found] == [(Purpose.ALIAS, "POST")]


def test_a_host_header_of_the_users_leaves_nothing_to_compare() -> None:
    found = transfers(OUTSIDE, HTTP, BY_HTTP, headers=(("host", "x.example"),))
    assert [transfer.purpose for transfer in found] == [Purpose.ALIAS]


def test_https_names_the_target_and_dials_the_alias_and_then_each_address() -> None:
    found = transfers(KNOWN, TLS, Contract(True, Scheme.HTTPS, HOST), path="/get", headers=SECRET)
    assert found == (
        Transfer(
            "shop/my-pay:443/alias",
            Purpose.ALIAS,
            Scheme.HTTPS,
            HOST,
            443,
            path="/get",
            headers=SECRET,
            connect_to=FQDN,
        ),
        Transfer(
            "shop/my-pay:443/address/203.0.113.20",
            Purpose.ADDRESS,
            Scheme.HTTPS,
            HOST,
            443,
            connect_to="203.0.113.20",
        ),
        Transfer(
            "shop/my-pay:443/address/2001:db8::20",
            Purpose.ADDRESS,
            Scheme.HTTPS,
            HOST,
            443,
            connect_to="2001:db8::20",
        ),
    )


def test_without_a_known_host_no_certificate_is_checked_and_addresses_are_only_connected_to() -> None:
    found = transfers(UNKNOWN, TLS, Contract(True, Scheme.HTTPS, FQDN), addresses_cap=2)
    assert found == (
        Transfer("shop/my-pay:443/alias", Purpose.ALIAS, Scheme.HTTPS, FQDN, 443, insecure=True),
        Transfer("shop/my-pay:443/address/203.0.113.20", Purpose.ADDRESS, Scheme.TCP, "203.0.113.20", 443),
        Transfer("shop/my-pay:443/address/203.0.113.21", Purpose.ADDRESS, Scheme.TCP, "203.0.113.21", 443),
    )


def test_behind_an_originating_sidecar_no_foreign_host_is_tried_and_addresses_are_asked_by_tls() -> None:
    found = transfers(KNOWN, TO_443, BY_SIDECAR, headers=SECRET, addresses_cap=1)
    assert found == (
        Transfer("shop/my-pay:80/alias", Purpose.ALIAS, Scheme.HTTP, FQDN, 80, headers=SECRET),
        Transfer(
            "shop/my-pay:80/address/203.0.113.20",
            Purpose.ADDRESS,
            Scheme.HTTPS,
            HOST,
            443,
            connect_to="203.0.113.20",
        ),
    )


def test_where_a_port_is_not_served_only_connections_are_made_and_no_header_leaves() -> None:
    found = transfers(KNOWN, TO_443, NOT_SERVED, path="/get", method="POST", headers=SECRET, want_body=True)
    assert found == (
        Transfer("shop/my-pay:80/alias", Purpose.ALIAS, Scheme.TCP, FQDN, 80),
        Transfer("shop/my-pay:80/address/203.0.113.20", Purpose.ADDRESS, Scheme.TCP, "203.0.113.20", 443),
        Transfer("shop/my-pay:80/address/2001:db8::20", Purpose.ADDRESS, Scheme.TCP, "2001:db8::20", 443),
    )


def test_where_a_name_is_not_served_the_target_is_asked_in_clear_without_a_word_of_the_users() -> None:
    found = transfers(OUTSIDE, TO_443, NOT_SERVED, path="/get", method="POST", headers=SECRET, want_body=True)
    assert found == (
        Transfer("shop/my-pay:80/alias", Purpose.ALIAS, Scheme.TCP, FQDN, 80),
        Transfer("shop/my-pay:80/target", Purpose.TARGET, Scheme.HTTP, HOST, 80, connect_to=FQDN),
    )


def test_tcp_is_connected_to_without_headers() -> None:
    port = AliasPort("tcp", 5432, 5432, AppProtocol.TCP)
    assert transfers(OUTSIDE, port, BY_TCP, headers=SECRET, path="/get") == (
        Transfer("shop/my-pay:5432/alias", Purpose.ALIAS, Scheme.TCP, FQDN, 5432),
    )


def test_udp_is_not_asked_about() -> None:
    assert transfers(KNOWN, AliasPort("dns", 53, 53, AppProtocol.UDP), BY_TCP) == ()


def test_the_dialled_name_has_the_clusters_domain() -> None:
    found = transfers(OUTSIDE, TLS, Contract(True, Scheme.HTTPS, HOST), cluster_domain="example.test")
    assert [transfer.connect_to for transfer in found] == ["my-pay.shop.svc.example.test"]


def test_ids_of_one_exec_are_unique() -> None:
    other = Alias("web", "my-pay", KNOWN.target, KNOWN.ports)
    asked = [
        transfer
        for alias in (KNOWN, other)
        for port, contract in ((HTTP, BY_HTTP), (TLS, Contract(True, Scheme.HTTPS, HOST)))
        for transfer in transfers(alias, port, contract)
    ]
    assert len({transfer.id for transfer in asked}) == len(asked) == 14


def test_who_speaks_first_is_asked_where_no_name_says_the_protocol() -> None:
    unnamed, named = AliasPort("", 2525, 2525, AppProtocol.AUTO), AliasPort("tcp", 2525, 2525, AppProtocol.TCP)
    listening = [[t.listen for t in transfers(UNKNOWN, port, BY_TCP)] for port in (unnamed, named)]
    assert listening == [[True, False, False, False], [False] * 4]
    assert not any(t.listen for t in transfers(OUTSIDE, HTTP, BY_HTTP))
