"""How far each source came, and the first stage at which kinds of source differ."""

from dataclasses import replace
from typing import Any

import pytest
from worlds.cases import (
    BLOCK_ALL,
    CRON,
    HTTP_TO_TLS,
    NO_ISTIO,
    NO_RULE,
    PASSTHROUGH,
    SIMPLE_FULL,
    TCP,
    TLS,
    WEB,
    address_alias,
    answer,
    by_envoy,
    by_origin,
    case,
    decided,
    destination_rule,
    in_clear,
    logged,
    name_alias,
    not_served,
    nothing,
    ref,
    route,
    seen,
    tls_error,
)

from kubectl_extsvc.model.alias import AliasPort, AppProtocol
from kubectl_extsvc.model.observation import Case, Contract, Observation, Stage, StageState
from kubectl_extsvc.model.probe import Scheme, Times
from kubectl_extsvc.model.report import SourceReport
from kubectl_extsvc.model.resolution import Attempt, Reply, Resolution, ordinal
from kubectl_extsvc.model.route import EnvoyEndpoint, OutboundTls, RouteUnknown, RuleDecision
from kubectl_extsvc.model.snapshot import Unread
from kubectl_extsvc.model.source import MeshMode
from kubectl_extsvc.rules.stages import first_difference, stages_of
from kubectl_extsvc.rules.tls_summary import tls_summary

GREY = "not served: origination is the sidecar's work"


def drawn(one: Case, index: int = 0) -> list[tuple[str, str]]:
    """State and text of each stage of one source."""
    return [(result.state.value, result.text) for result in stages_of(one.observations[index], one)]


def test_originating_alias_behind_a_sidecar_shows_every_stage() -> None:
    way = route(SIMPLE_FULL, cluster_type="STRICT_DNS", endpoints=(EnvoyEndpoint("203.0.113.20", 443),))
    one = case(
        name_alias(HTTP_TO_TLS, host="api.pay.example"),
        seen(by_origin(200, remote_ip="203.0.113.20", remote_port=80), port=HTTP_TO_TLS, route=way),
    )
    assert drawn(one) == [
        ("ok", "my-pay.shop.svc.cluster.local, 1 ms"),
        ("ok", "203.0.113.20 (CNAME api.pay.example)"),
        ("ok", "203.0.113.20:443"),
        ("ok", "outbound|80||my-pay.shop.svc.cluster.local  STRICT_DNS 1/1"),
        ("ok", "SIMPLE, sni api.pay.example"),
        ("ok", "200, 4 ms"),
    ]


def test_name_and_dns_show_the_resolvers_way_where_it_was_watched() -> None:
    cnames = ("api.pay.example", "edge.pay.example")
    tries = (
        Attempt("my-pay.shop.shop.svc.cluster.local", "A", Reply.NO_SUCH_NAME, seconds=0.001),
        Attempt("my-pay.shop.svc.cluster.local", "A", Reply.FOUND, cnames, ("203.0.113.20",), 0.002),
        Attempt("my-pay.shop.svc.cluster.local", "AAAA", Reply.NO_DATA, cnames, seconds=0.004),
    )
    search = ("shop.svc.cluster.local", "svc.cluster.local", "cluster.local")
    short = Resolution("my-pay.shop", "python3", tries, ("203.0.113.20",), ("10.96.0.10",), search, 5)
    whole = replace(short, name="my-pay.shop.svc.cluster.local", attempts=tries[1:])
    answered = seen(by_origin(200, remote_ip="203.0.113.20", remote_port=80))
    watched = case(name_alias(), replace(answered, resolution=whole, short_resolution=short))
    pinned = Resolution("my-pay.shop", "python3", (), ("203.0.113.20",), hosts_file=True)
    by_file = case(name_alias(), replace(answered, resolution=pinned, short_resolution=pinned))

    assert drawn(watched)[:2] == [
        ("ok", "my-pay.shop.svc.cluster.local, 2nd of 4 search tries, 5 ms"),
        ("ok", "203.0.113.20 (CNAME api.pay.example → edge.pay.example)"),
    ]
    assert drawn(by_file)[0][1].split(", ")[1] == "by the pod's /etc/hosts"


@pytest.mark.parametrize(
    ("number", "word"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (22, "22nd"), (112, "112th")]
)
def test_ordinals(number: int, word: str) -> None:
    assert ordinal(number) == word


def test_answer_of_an_address_that_the_service_does_not_have_is_no_answer_of_the_alias() -> None:
    strayed = seen(answer(status=200, remote_ip="203.0.113.44"), source=CRON)
    assert drawn(case(address_alias(), strayed)) == [
        ("ok", "my-pay.shop.svc.cluster.local, 1 ms"),
        ("failed", "the name leads past the Service: 203.0.113.44, not 10.96.0.7"),
        ("not-reached", ""),
        ("not-applicable", ""),
        ("not-applicable", "plaintext"),
        ("not-reached", ""),
    ]


WAIT = "the Service is younger than the DNS cache time; ask again in a moment"


def test_young_alias_whose_name_still_has_an_earlier_address_is_pending() -> None:
    strayed = seen(answer(status=200, remote_ip="203.0.113.44"), source=CRON)
    grey = not_served(answer(scheme=Scheme.TCP, remote_ip="203.0.113.44"))
    assert [drawn(case(address_alias(), one, fresh=True))[1] for one in (strayed, grey)] == [("pending", WAIT)] * 2


def test_plain_source_of_an_originating_alias_is_grey() -> None:
    connected = answer(scheme=Scheme.TCP, remote_ip="203.0.113.20")
    one = case(name_alias(HTTP_TO_TLS, host="api.pay.example"), not_served(connected))
    assert drawn(one) == [
        ("ok", "my-pay.shop.svc.cluster.local, 1 ms"),
        ("ok", "203.0.113.20 (CNAME api.pay.example)"),
        ("ok", "203.0.113.20:80, 2 ms"),
        ("not-applicable", ""),
        ("not-served", GREY),
        ("not-served", GREY),
    ]


def test_plain_source_that_is_not_served_and_gets_no_connection_is_grey_from_there() -> None:
    one = case(name_alias(HTTP_TO_TLS), not_served(answer(7)))
    assert [state for state, _ in drawn(one)] == [
        "ok", "ok", "not-served", "not-applicable", "not-served", "not-served",
    ]  # fmt: skip


def test_not_served_source_that_could_not_be_asked_is_a_gap() -> None:
    one = case(name_alias(HTTP_TO_TLS), not_served(nothing("container nope is not valid")))
    assert drawn(one)[:2] == [("not-observed", "container nope is not valid"), ("not-served", GREY)]


def test_failed_stage_says_what_was_seen_and_the_rest_is_not_reached() -> None:
    way = route(SIMPLE_FULL)
    one = case(
        address_alias(HTTP_TO_TLS),
        seen(by_envoy(503, 121), port=HTTP_TO_TLS, route=way, log=tls_error("TLSV1_ALERT_UNRECOGNIZED_NAME")),
    )
    assert drawn(one)[4:] == [
        ("failed", "the TLS handshake of the proxy fails: 503 URX,UF TLSV1_ALERT_UNRECOGNIZED_NAME"),
        ("not-reached", ""),
    ]


def test_blocked_request_never_reached_an_endpoint_though_that_stage_is_drawn_before() -> None:
    one = case(name_alias(), seen(by_envoy(502, 0), route=BLOCK_ALL, log=logged("", details="direct_response")))
    assert [state for state, _ in drawn(one)] == [
        "ok", "ok", "not-reached", "failed", "not-applicable", "not-reached",
    ]  # fmt: skip


def test_unknown_name_of_a_fresh_service_is_pending() -> None:
    unknown = seen(answer(6), source=CRON)
    assert drawn(case(name_alias(), unknown))[0][0] == "failed"
    assert drawn(case(name_alias(), unknown, fresh=True))[0] == (
        "pending", "the Service is younger than the DNS cache time; ask again in a moment",
    )  # fmt: skip


def test_lost_answer_is_never_a_pass() -> None:
    one = case(name_alias(), seen(nothing("the exec lost its status"), source=CRON), mesh=NO_ISTIO)
    lost = ("not-observed", "the exec lost its status")
    assert drawn(one) == [lost, lost, lost, ("not-applicable", ""), lost, lost]


def test_unreadable_proxy_leaves_its_route_unobserved_and_says_what_is_computed() -> None:
    unread = RouteUnknown("exec in istio-proxy is forbidden: create pods/exec")
    one = case(address_alias(), seen(by_origin(200), route=unread, decision=decided("DISABLE")))
    assert drawn(one)[3] == (
        "not-observed",
        "exec in istio-proxy is forbidden: create pods/exec; computed: destinationrule/my-pay has exactly this host",
    )


def test_bare_connection_behind_a_sidecar_shows_no_endpoint() -> None:
    connected = answer(scheme=Scheme.TCP, port=5432)
    listed = case(address_alias(TCP), seen(connected, port=TCP, route=route()))
    passing = case(name_alias(TCP), seen(connected, port=TCP, route=PASSTHROUGH))
    unread = case(name_alias(TCP), seen(connected, port=TCP, route=RouteUnknown("forbidden")))
    assert [drawn(one)[2] for one in (listed, passing, unread)] == [
        ("ok", "203.0.113.20:80 by the proxy's list; the connection itself ends at Envoy"),
        ("not-applicable", "the connection ends at Envoy; what is behind is not seen"),
        ("not-observed", "the connection ends at Envoy, and the proxy was not read"),
    ]


def test_udp_port_is_not_a_gap() -> None:
    port = AliasPort("dns", 53, 53, AppProtocol.UDP)
    contract = Contract(True, Scheme.TCP, "x", "UDP is not probed")
    one = case(name_alias(port), seen(None, source=CRON, port=port, contract=contract))
    assert drawn(one) == [("not-applicable", "UDP is not probed")] * 6


def test_clients_own_tls_is_shown_with_its_name() -> None:
    times = Times(0.001, 0.002, 0.015, 0.03, 0.04)
    called = answer(
        status=200, scheme=Scheme.HTTPS, host="api.pay.example", port=443, connect_to="x.shop.svc", times=times
    )
    one = case(address_alias(TLS), seen(called, source=CRON, port=TLS), mesh=NO_ISTIO)
    assert drawn(one) == [
        ("ok", "x.shop.svc, 1 ms"),
        ("ok", "10.96.0.7 (ClusterIP)"),
        ("ok", "10.96.0.7:443, 2 ms"),
        ("not-applicable", ""),
        ("ok", "by the client, sni api.pay.example, 15 ms"),
        ("ok", "200, 40 ms"),
    ]


def test_tls_server_of_an_unknown_name_is_not_a_failure() -> None:
    called = answer(60, scheme=Scheme.HTTPS, port=443)
    one = case(address_alias(TLS, host=""), seen(called, source=CRON, port=TLS), mesh=NO_ISTIO)
    assert drawn(one)[4:] == [
        ("ok", "a TLS server answers; its name is not known, and not checked"),
        ("not-applicable", "not asked: the server's name is not known"),
    ]


def difference(*observations: Observation, alias_case: Case | None = None) -> Stage | None:
    one = alias_case or case(address_alias(), *observations)
    return first_difference([SourceReport(each, stages_of(each, one)) for each in observations])


PLAIN_OK = seen(answer(status=200), source=CRON)
PLAIN_REFUSED = seen(answer(7), source=CRON)
WEB_OK = seen(by_origin(200), route=route())


@pytest.mark.parametrize(
    ("web", "plain", "stage"),
    [
        (WEB_OK, PLAIN_OK, None),
        (seen(by_envoy(503, 121), route=route()), PLAIN_REFUSED, None),
        (seen(by_envoy(503, 19), route=route()), PLAIN_REFUSED, None),
        (seen(answer(28, times=Times(0.001, 0.002)), route=route()), seen(answer(28), source=CRON), None),
        (seen(by_envoy(502, 0), route=BLOCK_ALL), PLAIN_OK, Stage.ROUTE),
        (seen(by_envoy(502, 0), route=BLOCK_ALL), PLAIN_REFUSED, Stage.ROUTE),
        (seen(by_envoy(503, 121), route=route(SIMPLE_FULL)), PLAIN_OK, Stage.TLS),
        (WEB_OK, PLAIN_REFUSED, Stage.ENDPOINTS),
        (seen(answer(6), route=route()), PLAIN_OK, Stage.NAME),
        (seen(by_origin(426), route=route()), PLAIN_OK, Stage.HTTP),
        (seen(by_origin(204), route=route()), PLAIN_OK, None),
        (WEB_OK, not_served(answer(7)), None),
        (WEB_OK, seen(nothing(), source=CRON), None),
        (seen(by_origin(200), route=RouteUnknown("forbidden")), PLAIN_REFUSED, Stage.ENDPOINTS),
    ],
    ids=["both well", "refused", "no endpoint", "silent", "blocked", "blocked and refused", "tls", "plain refused",
         "name", "status", "same class of status", "not served", "not observed", "proxy unread"],
)  # fmt: skip
def test_first_difference(web: Observation, plain: Observation, stage: Stage | None) -> None:
    assert difference(web, plain) == stage


def test_two_sources_of_one_kind_make_no_difference_between_kinds() -> None:
    other = replace(PLAIN_REFUSED, source=replace(CRON, pod="cron-66"))
    assert difference(PLAIN_OK, other) is None


def test_one_of_two_sidecars_that_fails_is_a_difference_to_the_plain_pod() -> None:
    other = replace(seen(by_envoy(502, 0), route=BLOCK_ALL), source=replace(WEB, namespace="front"))
    assert difference(WEB_OK, other, PLAIN_OK) is Stage.ROUTE


def test_ports_are_not_compared_with_each_other() -> None:
    other_port = replace(PLAIN_REFUSED, port=replace(TLS))
    assert difference(WEB_OK, other_port) is None


def test_stage_results_stand_in_the_order_of_stages() -> None:
    one = case(name_alias(), PLAIN_OK)
    assert [result.stage for result in stages_of(PLAIN_OK, one)] == list(Stage)
    assert not SourceReport(PLAIN_OK, stages_of(PLAIN_OK, one)).incomplete
    assert StageState.FAILED not in {result.state for result in stages_of(PLAIN_OK, one)}


@pytest.mark.parametrize("status", [200, 301, 503])
def test_answer_of_the_target_in_clear_changes_neither_stages_nor_difference(status: int) -> None:
    alone, asked = not_served(answer(scheme=Scheme.TCP)), not_served(answer(scheme=Scheme.TCP), in_clear(status))
    one, other = case(name_alias(HTTP_TO_TLS), WEB_OK, alone), case(name_alias(HTTP_TO_TLS), WEB_OK, asked)
    assert stages_of(asked, other) == stages_of(alone, one)
    reports = [SourceReport(observation, stages_of(observation, other)) for observation in other.observations]
    assert first_difference(reports) is None


@pytest.mark.parametrize(
    ("observation", "words"),
    [
        (
            seen(None, route=route(SIMPLE_FULL, rule=ref()), decision=decided("SIMPLE")),
            "SIMPLE by destinationrule/my-pay",
        ),
        (
            seen(None, route=route(OutboundTls.DISABLE, rule=ref("older")), decision=decided("DISABLE")),
            "DISABLE by destinationrule/my-pay",
        ),
        (seen(None, route=route(OutboundTls.DISABLE, rule=ref())), "DISABLE by destinationrule/my-pay"),
        (seen(None, route=route(), decision=NO_RULE), "plaintext: no rule applies (auto-mTLS)"),
        (
            seen(None, route=route(rule=ref()), decision=decided("")),
            "plaintext: destinationrule/my-pay sets no TLS (auto-mTLS)",
        ),
        (seen(None, route=route(OutboundTls.DISABLE), decision=NO_RULE), "plaintext: no rule applies"),
        (
            seen(None, route=route(OutboundTls.DISABLE, rule=ref()), decision=decided("SIMPLE")),
            "plaintext, although destinationrule/my-pay says SIMPLE",
        ),
        (seen(None, route=route(OutboundTls.AUTO_ISTIO_MUTUAL)), "auto-mTLS: ISTIO_MUTUAL"),
        (seen(None, route=PASSTHROUGH), "passthrough: no rule can apply"),
        (seen(None, route=BLOCK_ALL), "none: the proxy blocks it"),
        (seen(None, route=route(cluster_missing=True)), "none: the proxy has no cluster for it"),
        (
            seen(None, route=RouteUnknown("forbidden"), decision=decided("SIMPLE")),
            "computed: SIMPLE by destinationrule/my-pay",
        ),
        (seen(None, route=RouteUnknown("forbidden"), decision=NO_RULE), "computed: no rule applies"),
        (
            seen(None, route=RouteUnknown("forbidden"), decision=RuleDecision(ref(), "", "")),
            "computed: plaintext, destinationrule/my-pay sets no TLS",
        ),
    ],
)
def test_tls_summary(observation: Observation, words: str) -> None:
    assert tls_summary(case(address_alias(), observation)) == words


SIMPLE_RULE = destination_rule(tls={"mode": "SIMPLE", "sni": "api.pay.example"})
UNREAD = {"destinationrules": Unread("destinationrules.networking.istio.io", "forbidden")}


@pytest.mark.parametrize("observations", [(), (PLAIN_OK,), (seen(None, route=RouteUnknown("forbidden")),)])
@pytest.mark.parametrize(
    ("objects", "words"),
    [
        ({"destination_rules": (SIMPLE_RULE,)}, "computed: SIMPLE by destinationrule/my-pay"),
        ({"destination_rules": (destination_rule(),)}, "computed: plaintext, destinationrule/my-pay sets no TLS"),
        ({}, "computed: no rule applies"),
        ({"unread": UNREAD}, "not observed: no source with a sidecar could be read"),
    ],
)
def test_tls_summary_without_a_readable_sidecar_is_what_the_objects_say(
    observations: tuple[Observation, ...], objects: Any, words: str
) -> None:
    assert tls_summary(case(address_alias(), *observations, **objects)) == words


def test_tls_summary_of_the_objects_tells_ports_apart_where_they_differ() -> None:
    spec = {"portLevelSettings": [{"port": {"number": 80}, "tls": {"mode": "SIMPLE"}}], "tls": {"mode": "DISABLE"}}
    rule = destination_rule(trafficPolicy=spec)
    assert tls_summary(case(address_alias(HTTP_TO_TLS, TLS), destination_rules=(rule,))) == (
        "80: computed: SIMPLE by destinationrule/my-pay, 443: computed: DISABLE by destinationrule/my-pay"
    )


def test_tls_summary_without_istio() -> None:
    assert tls_summary(case(address_alias(), PLAIN_OK, mesh=NO_ISTIO)) == "no Istio"


def test_tls_summary_tells_ports_or_sources_apart_only_where_they_differ() -> None:
    simple = seen(None, port=HTTP_TO_TLS, route=route(SIMPLE_FULL, rule=ref()))
    passing = seen(None, port=TLS, route=PASSTHROUGH)
    assert tls_summary(case(address_alias(HTTP_TO_TLS, TLS), simple, passing)) == (
        "80: SIMPLE by destinationrule/my-pay, 443: passthrough: no rule can apply"
    )
    other = replace(simple, source=replace(WEB, namespace="front"), route=PASSTHROUGH)
    assert tls_summary(case(address_alias(HTTP_TO_TLS), simple, other)) == (
        "shop/web-7d9f: SIMPLE by destinationrule/my-pay, front/web-7d9f: passthrough: no rule can apply"
    )
    assert other.source.mode is MeshMode.SIDECAR
