"""Families 01 and 02: which cause is named for what is seen of a name or of addresses, and where nobody speaks."""

# ruff: noqa: E501 - messages are given as they are printed

from dataclasses import replace
from typing import Any

import pytest
from worlds.cases import (
    CRON,
    HTTP,
    HTTP_TO_TLS,
    NO_ISTIO,
    PASSTHROUGH,
    PAY_HOST,
    WEB,
    address_alias,
    address_answer,
    answer,
    by_envoy,
    by_origin,
    case,
    endpoints,
    external_name,
    mesh_pod,
    mirrored,
    name_alias,
    resolution_of,
    route,
    seen,
    service,
    service_entry,
    slice_of,
    tried,
)
from worlds.rule_cases import FIRING, TWO

from kubectl_extsvc.model.alias import AddressTarget, Alias, AliasPort, AppProtocol
from kubectl_extsvc.model.finding import Finding, Severity
from kubectl_extsvc.model.fix import Create
from kubectl_extsvc.model.observation import Case, Stage, StageState
from kubectl_extsvc.model.report import SourceReport
from kubectl_extsvc.model.resolution import Reply, Resolution
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.route import EnvoyEndpoint, OutboundTls, RouteKind
from kubectl_extsvc.rules import judge
from kubectl_extsvc.rules.family import SHELF
from kubectl_extsvc.rules.stages import first_difference, stages_of

RESOLVED = {"api.pay.example": ("203.0.113.20",)}
ERROR, WARNING = Severity.ERROR, Severity.WARNING


def said(judged: Case) -> list[tuple[str, Severity]]:
    judgement = judge(judged)
    assert judgement.broken == ()
    return [(finding.code, finding.severity) for finding in judgement.findings]


def only(judged: Case) -> Finding:
    judgement = judge(judged)
    assert judgement.broken == ()
    (finding,) = judgement.findings
    return finding


def of(*addresses: str, **changes: Any) -> Alias:
    return replace(address_alias(host="", **changes), target=AddressTarget(addresses))


def slices(address: str) -> dict[str, Any]:
    return {"endpoint_slices": (slice_of(address, kind="IPv6" if ":" in address else "IPv4"),)}


def unresolved(*services: Json, host: str = "httpbin.org", **changes: Any) -> Case:
    """An ExternalName alias whose name no pod resolves."""
    behind = seen(answer(6), route=PASSTHROUGH)
    return case(name_alias(host=host), behind, seen(answer(6), source=CRON), services=services, **changes)


# 0104: loops


@pytest.mark.parametrize(
    ("host", "services", "message"),
    [
        (PAY_HOST, (), "externalName is the Service's own name: there is no address at its end"),
        (
            "b.front.svc.cluster.local",
            (
                external_name("b", "c.front.svc.cluster.local.", "front"),
                external_name("c", "B.front.svc.cluster.local", "front"),
            ),
            "my-pay.shop to b.front to c.front to b.front: the chain of names has no end",
        ),
    ],
    ids=["length 1", "a loop further on, in other letters"],
)
def test_a_chain_that_comes_back_is_a_loop(host: str, services: tuple[Json, ...], message: str) -> None:
    finding = only(unresolved(*services, host=host))
    assert (finding.code, finding.message) == ("XS0104", message)


def test_a_loop_is_told_without_a_pod_to_ask() -> None:
    assert said(case(name_alias(host=PAY_HOST))) == [("XS0104", ERROR)]


def test_a_chain_into_services_that_were_not_read_is_not_judged() -> None:
    assert said(case(name_alias(host="b.front.svc.cluster.local"))) == []


# 0105: names of Services


@pytest.mark.parametrize(
    ("host", "services", "message", "cure"),
    [
        (
            "web.front.svc",
            (),
            'externalName is the short name "web.front.svc", which DNS does not make whole: web.front.svc.cluster.local is meant',
            "kubectl extsvc create my-pay -n shop --external-name web.front.svc.cluster.local --port http:80 --overwrite",
        ),
        (
            "web",
            (service("web"),),
            'externalName is the short name "web", which DNS does not make whole: web.shop.svc.cluster.local is meant',
            "kubectl extsvc create my-pay -n shop --external-name web.shop.svc.cluster.local --port http:80 --overwrite",
        ),
        (
            "web.shop.svc",
            (),
            'externalName is the short name "web.shop.svc", and there is no service/web in namespace shop',
            "kubectl extsvc create my-pay -n shop --external-name HOST --port http:80 --overwrite",
        ),
        (
            "web.shop.svc.cluster.local",
            (),
            "externalName leads to service/web in namespace shop, which does not exist",
            "kubectl extsvc create my-pay -n shop --external-name HOST --port http:80 --overwrite",
        ),
    ],
)
def test_a_name_that_means_a_service_and_leads_to_none_is_told(
    host: str, services: tuple[Json, ...], message: str, cure: str
) -> None:
    finding = only(unresolved(*services, host=host))
    assert (finding.code, finding.severity, finding.message, finding.cure) == ("XS0105", ERROR, message, cure)


def test_the_link_that_has_the_short_name_is_corrected_where_it_stands() -> None:
    chain = (external_name("b", "web.front"), service("web", "front"))
    finding = only(unresolved(*chain, host="b.shop.svc.cluster.local"))
    assert (finding.code, str(finding.subject), finding.cure) == (
        "XS0105",
        "service/b",
        'kubectl patch service b -n shop --type=merge -p \'{"spec":{"externalName":"web.front.svc.cluster.local"}}\'',
    )


def test_a_service_of_a_namespace_that_was_not_read_may_exist() -> None:
    assert said(unresolved(host="web.front.svc.cluster.local")) == [("XS0102", ERROR)]


def test_a_short_name_that_nobody_asked_for_is_a_warning_and_a_registered_host_is_none() -> None:
    web = service("httpbin", "org")
    assert said(case(name_alias(), services=(web,))) == [("XS0105", WARNING)]
    both = case(
        name_alias(),
        services=(web,),
        service_entries=(service_entry("httpbin.org", endpoints=[{"address": "httpbin.org."}]),),
    )
    assert said(both) == []


def test_a_service_of_the_cluster_as_target_is_well() -> None:
    target = service("web", "front", clusterIP="10.96.0.9")
    alias = name_alias(host="web.front.svc.cluster.local")
    mesh_tls = route(OutboundTls.AUTO_ISTIO_MUTUAL, envoy_cluster="outbound|80||web.front.svc.cluster.local")
    behind, plain = seen(by_origin(200), route=mesh_tls), seen(answer(status=200), source=CRON)
    assert said(case(alias, behind, plain, services=(target,), all_namespaces=True)) == []
    assert said(case(alias, services=(target,), all_namespaces=True)) == []


# 0102: why a name does not resolve


def looked_up(*attempts: Any) -> Case:
    of_alias = resolution_of(*(attempt for attempt in attempts if attempt.name != "typo.example"))
    of_target = resolution_of(*(attempt for attempt in attempts if attempt.name == "typo.example"), name="typo.example")
    return case(
        name_alias(host="typo.example"),
        seen(answer(6), route=PASSTHROUGH, resolution=of_alias, target=of_target),
        services=(external_name("my-pay", "typo.example"),),
    )


CNAME_ONLY = tried(PAY_HOST, Reply.NO_DATA, cnames=("typo.example",))
NOT_FIRST = tried(f"{PAY_HOST}.shop.svc.cluster.local", Reply.NO_SUCH_NAME)


@pytest.mark.parametrize(
    ("attempts", "message"),
    [
        ((NOT_FIRST, CNAME_ONLY), f'"{PAY_HOST}" leads to "typo.example", and no address is found'),
        (
            (NOT_FIRST, CNAME_ONLY, tried("typo.example", Reply.NO_SUCH_NAME)),
            f'"{PAY_HOST}" leads to "typo.example", which does not exist',
        ),
        (
            (NOT_FIRST, CNAME_ONLY, tried("typo.example", Reply.NO_DATA)),
            f'"{PAY_HOST}" leads to "typo.example", which has no address',
        ),
        (
            (NOT_FIRST, CNAME_ONLY, tried("typo.example", Reply.FAILED)),
            f'"{PAY_HOST}" leads to "typo.example", for which the cluster\'s DNS gets no answer from the servers that know it',
        ),
        (
            (NOT_FIRST, tried(PAY_HOST, Reply.FAILED)),
            f'"{PAY_HOST}" leads to "typo.example", for which the cluster\'s DNS gets no answer from the servers that know it',
        ),
        (
            (NOT_FIRST, CNAME_ONLY, tried("typo.example", Reply.SILENT)),
            f'"{PAY_HOST}" leads to "typo.example", about which the cluster\'s DNS is silent',
        ),
        ((tried(PAY_HOST, Reply.SILENT),), "no DNS server answers this pod (10.96.0.10)"),
    ],
)
def test_how_the_servers_answered_tells_why_a_name_has_no_address(attempts: tuple[Any, ...], message: str) -> None:
    finding = only(looked_up(*attempts))
    assert (finding.code, finding.message) == ("XS0102", message)


def test_a_pod_whose_search_list_lacks_the_cluster_asks_another_dns() -> None:
    other = Resolution(
        PAY_HOST, "dig", (tried(PAY_HOST, Reply.NO_SUCH_NAME),), (), ("192.0.2.53",), ("corp.example",), 1
    )
    finding = only(case(name_alias(), seen(answer(6), source=CRON, resolution=other), mesh=NO_ISTIO))
    assert (finding.code, finding.message, finding.evidence) == (
        "XS0102",
        "the DNS of this pod is not the cluster's (192.0.2.53), and does not know the alias",
        ("curl 6", "search corp.example; nameserver 192.0.2.53"),
    )


def test_a_pod_that_asks_other_servers_than_one_that_finds_the_name_asks_another_dns() -> None:
    found = seen(
        by_origin(200), route=PASSTHROUGH, resolution=resolution_of(tried(PAY_HOST, Reply.FOUND, "203.0.113.10"))
    )
    lost = resolution_of(tried(PAY_HOST, Reply.NO_SUCH_NAME), servers=("192.0.2.53",))
    finding = only(case(name_alias(), found, seen(answer(6), source=CRON, resolution=lost)))
    assert (finding.code, finding.evidence[-1]) == ("XS0102", "nameserver 192.0.2.53; elsewhere 10.96.0.10")


def test_servers_that_a_tool_does_not_tell_are_not_held_against_a_pod() -> None:
    found = seen(by_origin(200), route=PASSTHROUGH, resolution=Resolution(PAY_HOST, "getent", (), ("203.0.113.10",)))
    lost = Resolution(PAY_HOST, "getent")
    finding = only(case(name_alias(), found, seen(answer(6), source=CRON, resolution=lost)))
    assert finding.message == f'"{PAY_HOST}" does not resolve in this pod, and does elsewhere'


def test_an_alias_of_addresses_does_not_lead_to_its_host() -> None:
    """That the host does not resolve is not why the alias's own name does not."""
    lost = case(address_alias(), seen(answer(6), source=CRON), endpoint_slices=(slice_of("203.0.113.20"),),
                resolved={"api.pay.example": ()}, mesh=NO_ISTIO)  # fmt: skip
    assert only(lost).message == f'"{PAY_HOST}" does not resolve'


# 0106, 0103: search lists

CAUGHT = tried(f"{PAY_HOST}.corp.example", Reply.FOUND, "192.0.2.80")
FULL = resolution_of(NOT_FIRST, CAUGHT, name=PAY_HOST, search=("corp.example",))
TARGET = resolution_of(
    tried("httpbin.org.corp.example", Reply.FOUND, "192.0.2.80"), name="httpbin.org", search=("corp.example",)
)


def test_a_name_caught_by_the_search_list_is_not_called_stale_too() -> None:
    caught = case(
        address_alias(),
        seen(answer(status=404, remote_ip="192.0.2.80"), source=CRON, resolution=FULL),
        endpoint_slices=(slice_of("203.0.113.20"),),
        resolved=RESOLVED,
        mesh=NO_ISTIO,
    )
    assert said(caught) == [("XS0106", ERROR)]


def test_behind_a_sidecar_that_chooses_by_host_a_caught_name_is_a_warning() -> None:
    named = route(envoy_cluster="outbound|80||httpbin.org", cluster_type="STRICT_DNS")
    assert said(case(name_alias(), seen(by_origin(200), route=named, resolution=FULL))) == [("XS0106", WARNING)]


def test_a_proxy_whose_search_list_catches_the_target_is_an_error_though_the_alias_is_led_rightly() -> None:
    by_proxy = route(
        envoy_cluster="outbound|80||httpbin.org",
        cluster_type="STRICT_DNS",
        endpoints=(EnvoyEndpoint("192.0.2.80", 80),),
    )
    finding = only(case(name_alias(), seen(by_origin(404), route=by_proxy, target=TARGET)))
    assert (finding.code, finding.severity, finding.message) == (
        "XS0106",
        ERROR,
        "the search list of the pod has corp.example, which has an answer for every name: "
        '"httpbin.org" is taken for "httpbin.org.corp.example" by the proxy',
    )


def test_the_clusters_own_domain_by_another_name_catches_nothing() -> None:
    same = resolution_of(
        tried(f"{PAY_HOST}.corp.example", Reply.FOUND, "10.96.0.7"), name=PAY_HOST, search=("corp.example",)
    )
    calls = (seen(answer(status=200), source=CRON, resolution=same),)
    assert said(case(address_alias(), *calls, endpoint_slices=(slice_of("203.0.113.20"),), mesh=NO_ISTIO)) == []


def test_a_name_that_is_found_nowhere_else_is_not_caught() -> None:
    """Of a short name the whole one is asked for first; what a domain says after it is no cause."""
    later = resolution_of(
        tried(PAY_HOST, Reply.NO_SUCH_NAME),
        tried("my-pay.shop.corp.example", Reply.FOUND, "192.0.2.80"),
        search=("corp.example",),
    )
    assert said(case(name_alias(), seen(answer(6), source=CRON, resolution=later), mesh=NO_ISTIO)) == [
        ("XS0102", ERROR)
    ]


def test_a_name_in_the_pods_hosts_file_is_evidence_of_where_it_leads() -> None:
    written = Resolution("my-pay.shop", "python3", (), ("203.0.113.44",), ("10.96.0.10",), (), 5, hosts_file=True)
    fired = FIRING["XS0103"]
    behind, plain = fired.observations
    finding = only(replace(fired, observations=(behind, replace(plain, resolution=written))))
    assert (finding.code, finding.evidence[-1]) == ("XS0103", "the pod's /etc/hosts has the name")


# 0207: hijacked

TAKEN = route(
    OutboundTls.DISABLE,
    envoy_cluster="outbound|80||httpbin.org",
    cluster_type="STRICT_DNS",
    endpoints=(EnvoyEndpoint("10.96.0.99", 80),),
)
NEIGHBOUR = service("httpbin", "org", clusterIP="10.96.0.99")


def hijack(entry: Json, *observations: Any, services: tuple[Json, ...] = (NEIGHBOUR,)) -> Case:
    return case(name_alias(), *observations, services=services, service_entries=(entry,))


@pytest.mark.parametrize(
    ("entry", "cure"),
    [
        (
            service_entry(
                "x.internal", "httpbin.org", endpoints=[{"address": "other.example."}, {"address": "httpbin.org"}]
            ),
            'kubectl patch serviceentry target -n shop --type=json -p \'[{"op":"replace","path":"/spec/endpoints/1/address","value":"httpbin.org."}]\'',
        ),
        (
            service_entry("httpbin.org", "www.httpbin.org"),
            'give httpbin.org a ServiceEntry of its own, with endpoints: [{"address": "httpbin.org."}]',
        ),
    ],
)
def test_the_final_dot_is_put_where_the_name_stands(entry: Json, cure: str) -> None:
    finding = only(hijack(entry, seen(by_envoy(503, 121), route=TAKEN), seen(answer(status=200), source=CRON)))
    assert (finding.code, finding.cure) == ("XS0207", cure)


def test_a_hijacked_target_is_told_of_objects_alone() -> None:
    assert said(hijack(service_entry("httpbin.org"))) == [("XS0207", ERROR)]


@pytest.mark.parametrize(
    "entry",
    [
        service_entry("httpbin.org", endpoints=[{"address": "httpbin.org."}]),
        service_entry("httpbin.org", resolution="NONE"),
        service_entry("httpbin.org", resolution="STATIC", endpoints=[{"address": "203.0.113.10"}]),
        service_entry("httpbin.org", namespace="front", exportTo=["."]),
        service_entry("www.httpbin.org"),
    ],
    ids=["final dot", "not resolved", "static", "not exported", "another host"],
)
def test_a_target_that_the_proxy_does_not_search_for_is_not_hijacked(entry: Json) -> None:
    well = (
        seen(by_origin(200), route=replace(TAKEN, endpoints=(EnvoyEndpoint("203.0.113.10", 80),))),
        seen(answer(status=200), source=CRON),
    )
    assert said(hijack(entry, *well)) == []
    assert said(hijack(entry, seen(by_origin(200)), seen(answer(status=200), source=CRON))) == []


def test_endpoints_of_the_proxy_refute_a_hijack() -> None:
    rightly = replace(TAKEN, endpoints=(EnvoyEndpoint("203.0.113.10", 80),))
    assert said(hijack(service_entry("httpbin.org"), seen(by_origin(200), route=rightly))) == []


def test_a_service_that_is_not_first_in_the_search_list_hijacks_nobody() -> None:
    calls = (seen(by_origin(200)), seen(answer(status=200), source=CRON))
    assert said(hijack(service_entry("httpbin.org"), *calls, services=(service("org", "httpbin"),))) == []


def test_a_hijack_is_shown_by_the_pods_resolver_where_the_services_were_not_read() -> None:
    searched = resolution_of(tried("httpbin.org.svc.cluster.local", Reply.FOUND, "10.96.0.99"), name="httpbin.org")
    rightly = resolution_of(tried("httpbin.org", Reply.FOUND, "203.0.113.10"), name="httpbin.org")
    for target, expected in ((searched, [("XS0207", ERROR)]), (rightly, [])):
        calls = (seen(by_origin(200), route=TAKEN, target=target), seen(answer(status=200), source=CRON))
        assert said(hijack(service_entry("httpbin.org"), *calls, services=())) == expected


def test_answers_of_istios_dns_capture_do_not_hide_a_hijack() -> None:
    by_agent = tried("httpbin.org.shop.svc.cluster.local", Reply.FOUND, "240.240.0.9", cnames=("httpbin.org",))
    calls = seen(by_envoy(503, 121), route=TAKEN, target=resolution_of(by_agent, name="httpbin.org"))
    judged = hijack(service_entry("httpbin.org"), calls, seen(answer(status=200), source=CRON))
    assert said(judged) == [("XS0207", ERROR)]


# 0208: impossible addresses


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("127.0.0.1", "is a loopback address: it means the pod itself"),
        ("::1", "is a loopback address: it means the pod itself"),
        ("169.254.169.254", "is a link-local address: it means another machine on each node"),
        ("fe80::1", "is a link-local address: it means another machine on each node"),
        ("0.0.0.0", "is the unspecified address"),
        ("0.1.2.3", 'is of 0.0.0.0/8, "this network": nobody has it'),
        ("239.1.2.3", "is a multicast address: nobody accepts connections there"),
        ("ff0e::1", "is a multicast address: nobody accepts connections there"),
        ("240.0.0.1", "is of 240.0.0.0/4, which is reserved: nobody has it"),
        (
            "240.240.0.9",
            "is of 240.240.0.0/16, out of which Istio gives ServiceEntries addresses that only its proxies know",
        ),
        ("255.255.255.255", "is the broadcast address: nobody accepts connections there"),
        ("10.96.0.7", "is the alias's own ClusterIP: it leads back to itself"),
    ],
)
def test_address_that_nobody_can_have_is_told_of_objects_alone(address: str, words: str) -> None:
    ips = ("10.96.0.7", "fd00::7")
    finding = only(case(of(address, cluster_ips=ips), **slices(address)))
    assert (finding.code, finding.severity, finding.message) == ("XS0208", ERROR, f"{address} {words}")


@pytest.mark.parametrize(
    "address", ["10.0.0.1", "192.168.1.1", "100.64.0.1", "203.0.113.5", "2001:db8::1", "fd00::1", "64:ff9b::1"]
)
def test_ordinary_and_private_addresses_are_well(address: str) -> None:
    assert said(case(of(address, cluster_ips=("10.96.0.7", "fd00::7")), **slices(address))) == []


WEB_SERVICE = service("web", "front", clusterIP="10.96.0.9", ports=[{"port": 80}])


@pytest.mark.parametrize(
    ("plain", "expected"),
    [(answer(28), [("XS0208", ERROR)]), (answer(status=200), []), (None, [("XS0208", WARNING)])],
    ids=["plain pod is not led on", "plain pod is answered", "no plain pod"],
)
def test_cluster_ip_as_endpoint_is_judged_by_what_plain_pods_get(plain: Any, expected: list[Any]) -> None:
    others = (seen(plain, source=CRON),) if plain is not None else ()
    assert (
        said(
            case(
                of("10.96.0.9"),
                seen(by_origin(200), route=route()),
                *others,
                services=(WEB_SERVICE,),
                **slices("10.96.0.9"),
            )
        )
        == expected
    )


def test_cluster_ip_beside_a_real_address_is_an_error_whatever_the_call_got() -> None:
    for outcome in (answer(28), answer(status=200)):
        both = (address_answer("10.96.0.9"), address_answer("203.0.113.20"))
        judged = case(of("10.96.0.9", "203.0.113.20"), seen(by_origin(200), route=route()), seen(outcome, *both, source=CRON),
                      services=(WEB_SERVICE,), endpoint_slices=(slice_of("10.96.0.9", "203.0.113.20"),))  # fmt: skip
        assert said(judged) == [("XS0208", ERROR)]


def test_address_that_is_impossible_is_not_called_dead_as_well() -> None:
    answers = (address_answer("239.1.2.3", 7), address_answer("203.0.113.20"))
    judged = case(of("239.1.2.3", "203.0.113.20"), seen(answer(7), *answers, source=CRON), mesh=NO_ISTIO,
                  endpoint_slices=(slice_of("239.1.2.3", "203.0.113.20"),))  # fmt: skip
    finding = only(judged)
    assert finding.code == "XS0208"
    assert isinstance(finding.fix[0], Create)
    assert finding.fix[0].argv[3:5] == ("--address", "203.0.113.20")


# 0209: internalTrafficPolicy


def local(node: str | None, *outcomes: Any, **changes: Any) -> Case:
    endpoint = {"addresses": ["203.0.113.20"], **({"nodeName": node} if node else {})}
    return case(
        address_alias(**changes),
        *(seen(outcome, source=CRON) for outcome in outcomes),
        services=(service(internalTrafficPolicy="Local"),),
        endpoint_slices=(slice_of() | {"endpoints": [endpoint]},),
        resolved=RESOLVED,
        mesh=NO_ISTIO,
    )


def test_local_traffic_policy_is_an_error_unless_the_endpoints_are_on_a_node_and_answer() -> None:
    assert said(local(None)) == [("XS0209", ERROR)]
    assert said(local("node-1")) == []
    assert said(local("node-1", answer(28))) == [("XS0209", ERROR)]
    assert said(local("node-1", answer(status=200))) == []


def test_local_traffic_policy_means_nothing_for_a_headless_service() -> None:
    assert said(local(None, answer(status=200), cluster_ips=(), headless=True)) == []


# 0210: ports

DECLARED = service(
    type="ExternalName", externalName="httpbin.org", ports=[{"name": "http", "port": 80, "targetPort": 8080}]
)


@pytest.mark.parametrize(
    ("outcome", "expected"), [(answer(7), [("XS0210", ERROR)]), (answer(status=200), []), (None, [])]
)
def test_target_port_of_an_external_name_is_spoken_of_where_it_breaks(outcome: Any, expected: list[Any]) -> None:
    plain = (seen(outcome, source=CRON),) if outcome is not None else ()
    assert said(case(name_alias(), *plain, services=(DECLARED,), mesh=NO_ISTIO)) == expected


def test_port_that_a_service_entry_translates_is_not_the_service_s_to_translate() -> None:
    translated = replace(HTTP, target_port=8080)
    failed = seen(by_envoy(503, 121), port=translated, route=route(envoy_cluster="outbound|80||httpbin.org"))
    assert said(case(name_alias(translated), failed, services=(DECLARED,))) == [("XS0205", ERROR)]


def test_headless_port_that_differs_is_a_warning_where_nobody_was_asked() -> None:
    fired = FIRING["XS0210"]
    assert said(replace(fired, observations=())) == [("XS0210", WARNING)]


# 0211: families


def test_slices_of_a_family_beside_the_services_own_are_well() -> None:
    both = (slice_of("203.0.113.20"), slice_of("2001:db8::20", kind="IPv6", name="my-pay-ipv6"))
    for ips, families in ((("10.96.0.7",), ["IPv4"]), (("10.96.0.7", "fd00::7"), ["IPv4", "IPv6"])):
        alias = of("203.0.113.20", "2001:db8::20", cluster_ips=ips)
        assert said(case(alias, services=(service(ipFamilies=families),), endpoint_slices=both)) == []


def test_headless_service_has_slices_of_any_family() -> None:
    alias = of("2001:db8::20", cluster_ips=(), headless=True)
    assert (
        said(
            case(
                alias,
                services=(service(ipFamilies=["IPv4"]),),
                endpoint_slices=(slice_of("2001:db8::20", kind="IPv6"),),
            )
        )
        == []
    )


def test_target_of_ipv6_addresses_only_is_not_found_by_a_proxy_that_asks_for_ipv4() -> None:
    empty = route(envoy_cluster="outbound|80||six.example", cluster_type="STRICT_DNS", endpoints=())
    found = resolution_of(tried(PAY_HOST, Reply.FOUND, "2001:db8::44"))
    judged = case(name_alias(host="six.example"), seen(by_envoy(503, 19), route=empty, resolution=found))
    finding = only(judged)
    assert (finding.code, finding.message, finding.evidence) == (
        "XS0211",
        "six.example has IPv6 addresses only, and the proxy looks up IPv4",
        ("503", "the pod finds 2001:db8::44", "outbound|80||six.example: no endpoint"),
    )
    both = resolution_of(tried(PAY_HOST, Reply.FOUND, "2001:db8::44", "203.0.113.44"))
    assert said(case(name_alias(host="six.example"), seen(by_envoy(503, 19), route=empty, resolution=both))) == [
        ("XS0205", ERROR)
    ]


# 0212: pods


def test_mesh_pod_as_endpoint_is_a_warning_as_long_as_calls_go_well() -> None:
    for namespace, words in (
        ("shop", "as istiod saw the slice or the pod first"),
        ("prod", "proxies speak plaintext to it"),
    ):
        judged = case(
            of("10.244.0.9"),
            seen(by_origin(200), route=route()),
            seen(answer(status=200), source=CRON),
            services=(service(),),
            endpoint_slices=(slice_of("10.244.0.9"),),
            pods=(mesh_pod("10.244.0.9", namespace),),
        )
        finding = only(judged)
        assert (finding.code, finding.severity, words in finding.message) == ("XS0212", WARNING, True)
        assert finding.cure == (
            f"kubectl extsvc create my-pay -n shop --external-name SERVICE.{namespace}.svc.cluster.local --port http:80 --overwrite"
        )
        assert isinstance(finding.fix[0], Create)
        assert not finding.fix[0].complete


# 0213, 0204: who else has the address


def merged(*answers: Any, now: tuple[str, ...] = ("203.0.113.20",), call: Any = None) -> Case:
    return case(
        TWO,
        seen(by_origin(200), route=route()),
        seen(call or answer(status=200), *answers, source=CRON),
        endpoint_slices=(mirrored("203.0.113.99"), slice_of("203.0.113.20")),
        resolved={"api.pay.example": now},
    )


ALIVE = (address_answer("203.0.113.20"), address_answer("203.0.113.99"))


def test_mirror_of_addresses_that_the_host_has_left_is_a_warning() -> None:
    finding = only(merged(*ALIVE))
    assert (finding.code, finding.severity, finding.message, finding.cure) == (
        "XS0213",
        WARNING,
        "203.0.113.99 of endpointslice/my-pay-x7k2p, mirrored from endpoints/my-pay, is not one of api.pay.example any more",
        "kubectl delete endpoints my-pay -n shop",
    )


def test_two_right_sets_are_well_and_so_are_two_of_which_nothing_is_known() -> None:
    assert said(merged(*ALIVE, now=("203.0.113.20", "203.0.113.99"))) == []
    # A content network may answer each lookup with another few: that is XS0203's to tell.
    assert said(merged(*ALIVE, now=())) == []


def test_dead_address_of_the_hand_written_set_is_taken_out_there() -> None:
    finding = only(merged(address_answer("203.0.113.20", 7), address_answer("203.0.113.99"), now=()))
    assert (finding.code, str(finding.subject), finding.cure) == (
        "XS0213",
        "endpointslice/my-pay-ipv4",
        "kubectl delete endpointslice my-pay-ipv4 -n shop",
    )


def test_what_the_mirror_has_besides_stays() -> None:
    three = replace(TWO, target=AddressTarget(("203.0.113.20", "203.0.113.98", "203.0.113.99"), "api.pay.example"))
    answers = (*ALIVE[:1], address_answer("203.0.113.98"), address_answer("203.0.113.99", 7))
    judged = case(
        three,
        seen(answer(7), *answers, source=CRON),
        endpoint_slices=(mirrored("203.0.113.98", "203.0.113.99"), slice_of("203.0.113.20")),
        resolved=RESOLVED,
        mesh=NO_ISTIO,
    )
    assert only(judged).cure == (
        "kubectl patch endpoints my-pay -n shop --type=json -p "
        '\'[{"op":"replace","path":"/subsets/0/addresses","value":[{"ip":"203.0.113.98"}]}]\''
    )


PLAIN_OUTCOMES = [answer(status=200), answer(7), answer(28), answer(52), answer(56)]
SIDECAR_OUTCOMES = [by_origin(200), by_envoy(503, 121), answer(28, times=answer().times), answer(56)]


@pytest.mark.parametrize("behind", SIDECAR_OUTCOMES, ids=["ok", "503", "28", "56"])
@pytest.mark.parametrize("plain", PLAIN_OUTCOMES, ids=["ok", "7", "28", "52", "56"])
@pytest.mark.parametrize("sign", [7, 28])
def test_one_dead_address_of_two_is_judged_alike_whatever_address_the_calls_were_given(
    sign: int, plain: Any, behind: Any
) -> None:
    answers = (address_answer("203.0.113.20"), address_answer("203.0.113.99", sign))
    judged = case(
        TWO,
        seen(behind, route=route()),
        seen(plain, *answers, source=CRON),
        endpoint_slices=(slice_of("203.0.113.20", "203.0.113.99"),),
        resolved=RESOLVED,
    )
    assert said(judged) == [("XS0204", ERROR)]
    reports = [SourceReport(each, stages_of(each, judged)) for each in judged.observations]
    ends = {stage for report in reports if (stage := _failed_at(report)) is not None}
    assert first_difference(reports) is None or ends - {Stage.ENDPOINTS}


def _failed_at(report: SourceReport) -> Stage | None:
    return next((each.stage for each in report.stages if each.state is StageState.FAILED), None)


def test_one_dead_address_is_one_finding_for_all_ports_at_which_it_is_dead() -> None:
    ports = (
        HTTP,
        replace(HTTP, name="http-alt", number=8080, target_port=8080),
        replace(HTTP, name="alive", number=9090),
    )
    calls = [
        seen(answer(status=200), address_answer("203.0.113.20"), address_answer("203.0.113.99", 0 if port.name == "alive" else 7),
             source=CRON, port=port)
        for port in ports
    ]  # fmt: skip
    names = [{"name": port.name, "port": port.number} for port in ports]
    item = slice_of("203.0.113.20", "203.0.113.99") | {"ports": names}
    judged = case(replace(TWO, ports=ports), *calls, endpoint_slices=(item,), resolved=RESOLVED, mesh=NO_ISTIO)
    finding = only(judged)
    assert (finding.code, finding.ports) == ("XS0204", (80, 8080))


def test_two_dead_addresses_of_three_are_both_taken_out() -> None:
    three = replace(TWO, target=AddressTarget(("203.0.113.97", "203.0.113.98", "203.0.113.99")))
    answers = (address_answer("203.0.113.97"), address_answer("203.0.113.98", 7), address_answer("203.0.113.99", 28))
    judged = case(three, seen(answer(7), *answers, source=CRON), mesh=NO_ISTIO,
                  endpoint_slices=(slice_of("203.0.113.97", "203.0.113.98", "203.0.113.99"),))  # fmt: skip
    cures = {finding.cure for finding in judge(judged).findings}
    assert cures == {"kubectl extsvc create my-pay -n shop --address 203.0.113.97 --port http:80 --overwrite"}


# 0201: whose slice it is


def no_endpoint(*slices: Json, services: tuple[Json, ...] = (service(),), **changes: Any) -> Case:
    alias = of(managed=False, slices=())
    return case(
        alias, seen(answer(7), source=CRON), endpoint_slices=slices, services=services, mesh=NO_ISTIO, **changes
    )


def labelled(name: str) -> Json:
    return {"kubernetes.io/service-name": name}


@pytest.mark.parametrize(
    ("judged", "subject", "message", "cure"),
    [
        (
            no_endpoint(slice_of("203.0.113.20", labels=labelled("my-pya"), name="slice-1")),
            "endpointslice/slice-1",
            'endpointslice/slice-1 has kubernetes.io/service-name "my-pya", which no Service is named, where "my-pay" was meant',
            'kubectl patch endpointslice slice-1 -n shop --type=merge -p \'{"metadata":{"labels":{"kubernetes.io/service-name":"my-pay"}}}\'',
        ),
        (
            no_endpoint(slice_of("203.0.113.20", namespace="front"), all_namespaces=True),
            "endpointslice/my-pay-ipv4",
            "endpointslice/my-pay-ipv4 stands in namespace front, service/my-pay in namespace shop",
            "kubectl extsvc create my-pay -n shop --address 203.0.113.20 --port http:80 --adopt --overwrite",
        ),
        (
            no_endpoint(
                endpoints=(endpoints("203.0.113.20", labels={"endpointslice.kubernetes.io/skip-mirror": "true"}),)
            ),
            "endpoints/my-pay",
            "endpoints/my-pay has the label endpointslice.kubernetes.io/skip-mirror: nobody reads its addresses",
            'kubectl patch endpoints my-pay -n shop --type=merge -p \'{"metadata":{"labels":{"endpointslice.kubernetes.io/skip-mirror":null}}}\'',
        ),
        (
            no_endpoint(
                endpoints=(endpoints("203.0.113.20", annotations={"control-plane.alpha.kubernetes.io/leader": "{}"}),)
            ),
            "endpoints/my-pay",
            "endpoints/my-pay has the annotation of a leader election: Kubernetes does not mirror it, nobody reads it",
            "kubectl annotate endpoints my-pay -n shop control-plane.alpha.kubernetes.io/leader-",
        ),
        (
            no_endpoint(endpoints=(endpoints("203.0.113.20"),)),
            "endpoints/my-pay",
            "endpoints/my-pay is not mirrored to an EndpointSlice: its addresses are read by nobody",
            "kubectl extsvc create my-pay -n shop --address 203.0.113.20 --port http:80 --adopt --overwrite",
        ),
        (
            no_endpoint(
                mirrored("203.0.113.20")
                | {"endpoints": [{"addresses": ["203.0.113.20"], "conditions": {"ready": False}}]}
            ),
            "endpointslice/my-pay-x7k2p",
            "no endpoint of endpointslice/my-pay-x7k2p is ready",
            'kubectl patch endpoints my-pay -n shop --type=json -p \'[{"op":"move","from":"/subsets/0/notReadyAddresses","path":"/subsets/0/addresses"}]\'',
        ),
    ],
    ids=["typo", "other namespace", "skip-mirror", "leader", "not mirrored", "mirrored not ready"],
)
def test_why_nobody_reads_the_addresses_is_named(judged: Case, subject: str, message: str, cure: str) -> None:
    finding = only(judged)
    assert (finding.code, str(finding.subject), finding.message, finding.cure) == ("XS0201", subject, message, cure)


@pytest.mark.parametrize(
    "judged",
    [
        no_endpoint(
            slice_of("203.0.113.20", labels=labelled("my-pya"), name="slice-1"), services=(service(), service("my-pya"))
        ),
        no_endpoint(slice_of("203.0.113.20", labels=labelled("other"), name="slice-1")),
        no_endpoint(
            slice_of("203.0.113.20", namespace="front"),
            services=(service(), service(namespace="front")),
            all_namespaces=True,
        ),
    ],
    ids=["of a neighbour", "unlike", "of the other namespace's Service"],
)
def test_slice_of_somebody_else_is_left_alone(judged: Case) -> None:
    assert (
        only(judged).message
        == "no EndpointSlice belongs to service/my-pay; a v1 Endpoints object counts only once it is mirrored"
    )


# What is well


UNNAMED = AliasPort("", 80, 80, AppProtocol.AUTO)
TWO_PORTS = (HTTP, replace(HTTP, name="http-alt", number=8080, target_port=8080))


@pytest.mark.parametrize(
    ("headless", "ports"),
    [(False, (HTTP,)), (False, (UNNAMED,)), (False, TWO_PORTS), (True, (HTTP,)), (True, TWO_PORTS)],
)
@pytest.mark.parametrize("mesh", [True, False])
def test_alias_of_addresses_that_works_is_not_spoken_of(
    headless: bool, ports: tuple[AliasPort, ...], mesh: bool
) -> None:
    ips = () if headless else ("10.96.0.7",)
    own = [{"name": port.name, "port": port.number, "targetPort": port.target_port} for port in ports]
    item = slice_of("203.0.113.20") | {"ports": [{"name": port.name, "port": port.target_port} for port in ports]}
    calls = [
        seen(
            by_origin(200) if source is WEB else answer(status=200),
            port=port,
            source=source,
            route=route() if source is WEB else None,
        )
        for port in ports
        for source in ((WEB, CRON) if mesh else (CRON,))
    ]
    judged = case(
        address_alias(*ports, cluster_ips=ips, headless=headless),
        *calls,
        services=(service(clusterIP=ips[0] if ips else "None", ports=own, ipFamilies=["IPv4"]),),
        endpoint_slices=(item,),
        resolved=RESOLVED,
        all_namespaces=True,
        **({} if mesh else {"mesh": NO_ISTIO}),
    )
    assert said(judged) == []


def test_rules_of_these_families_say_nothing_of_a_source_that_is_not_served() -> None:
    spoken = [code for code in SHELF if code.startswith(("XS01", "XS02"))]
    fired = FIRING["XS0403"]
    alone = replace(fired, alias=replace(fired.alias, ports=(HTTP_TO_TLS,)))
    assert not {finding.code for finding in judge(alone).findings} & set(spoken)


def test_an_address_of_a_family_that_the_service_has_not_is_no_dead_one_of_several() -> None:
    both = replace(address_alias(), target=AddressTarget(("203.0.113.20", "2001:db8::20"), "api.pay.example"))
    slices = (slice_of("203.0.113.20"), slice_of("2001:db8::20", kind="IPv6", name="my-pay-ipv6"))
    plain = seen(answer(status=200), address_answer("203.0.113.20"), address_answer("2001:db8::20", 7), source=CRON)
    served: dict[str, Any] = {
        "services": (service(ipFamilies=["IPv4"], clusterIP="10.96.0.7"),),
        "endpoint_slices": slices,
    }
    resolved = {"api.pay.example": ("203.0.113.20", "2001:db8::20")}
    assert judge(case(both, plain, **served, resolved=resolved)).findings == ()
    dual = {**served, "services": (service(ipFamilies=["IPv4", "IPv6"], clusterIP="10.96.0.7"),)}
    assert [f.code for f in judge(case(both, plain, **dual, resolved=resolved)).findings] == ["XS0204"]
    # A sidecar has it among its endpoints: it tries HTTP again, and lets a connection fail.
    ends = (EnvoyEndpoint("203.0.113.20", 80), EnvoyEndpoint("2001:db8::20", 80))
    for kind, codes in ((RouteKind.HTTP, []), (RouteKind.TCP, ["XS0204"])):
        web = seen(by_origin(200), route=replace(route(endpoints=ends), kind=kind))
        assert [f.code for f in judge(case(both, web, plain, **served, resolved=resolved)).findings] == codes


def test_a_target_of_another_family_than_the_pods_is_named() -> None:
    web = replace(WEB, addresses=("10.244.0.9",))
    six = resolution_of(tried(PAY_HOST, Reply.FOUND, "2001:db8::10"))
    lost = seen(answer(7), source=web, route=PASSTHROUGH, resolution=six)
    judged = judge(case(name_alias(host="six.example"), lost))
    assert [(f.code, f.message) for f in judged.findings] == [
        ("XS0211", "six.example has IPv6 addresses only, and pods have IPv4")
    ]
