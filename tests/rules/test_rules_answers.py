"""What an answer says of its cause: Host, redirect, protocol, limits, additions; and healthy aliases say nothing."""

# ruff: noqa: E501 - the findings are given as they are printed

from dataclasses import replace
from typing import Any

import pytest
from worlds.cases import (
    CRON,
    HTTP,
    HTTP_TO_TLS,
    NO_ISTIO,
    NO_RULE,
    PASSTHROUGH,
    PAY_HOST,
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
    ref,
    route,
    seen,
    slice_of,
)

from kubectl_extsvc.model.alias import AliasPort, AppProtocol
from kubectl_extsvc.model.finding import Severity
from kubectl_extsvc.model.observation import Case, Observation
from kubectl_extsvc.model.probe import Answer, Certificate, Handshake, Purpose, Scheme, Times, Trust
from kubectl_extsvc.model.resources import Json, ObjectRef
from kubectl_extsvc.model.route import EnvoyEndpoint, OutboundTls, Route, RouteUnknown
from kubectl_extsvc.rules import judge

FULL: Json = {"mode": "SIMPLE", "sni": "api.pay.example", "subjectAltNames": ["api.pay.example"]}
ADDED = ("x-envoy-peer-metadata", "x-forwarded-proto")
VIRTUAL_SERVICE = ObjectRef("VirtualService", "shop", "my-pay")
FACTS: dict[str, Any] = {
    "endpoint_slices": (slice_of("203.0.113.20"),),
    "resolved": {"api.pay.example": ("203.0.113.20",)},
}
ENCRYPTING = route(
    SIMPLE_FULL, rule=ref(), endpoints=(EnvoyEndpoint("203.0.113.20", 443),), request_headers_added=ADDED
)


def told(one: Case) -> list[tuple[str, str]]:
    judged = judge(one)
    assert judged.broken == ()
    return [(finding.code, finding.message) for finding in judged.findings]


def codes(one: Case) -> list[str]:
    return [code for code, _ in told(one)]


def virtual_service(*http: Json, host: str = PAY_HOST) -> Json:
    return {"metadata": {"name": "my-pay", "namespace": "shop"}, "spec": {"hosts": [host], "http": list(http)}}


def originating(
    outcome: Answer, *of_addresses: Answer, way: Route = ENCRYPTING, tls: Json = FULL, **changes: Any
) -> Case:
    facts: dict[str, Any] = {**FACTS, "endpoint_slices": (slice_of("203.0.113.20", number=443),)}
    return case(
        address_alias(HTTP_TO_TLS),
        seen(outcome, port=HTTP_TO_TLS, route=way, decision=decided(str(tls["mode"]))),
        not_served(answer(scheme=Scheme.TCP), *of_addresses),
        destination_rules=(destination_rule(tls=tls),),
        **{**facts, **changes},
    )


def at_address(status: int) -> Answer:
    return answer(
        status=status, purpose=Purpose.ADDRESS, scheme=Scheme.HTTPS, host="api.pay.example", port=443,
        connect_to="203.0.113.20", remote_ip="203.0.113.20",
    )  # fmt: skip


# --- Host ------------------------------------------------------------------------------------------------------------


def test_origin_behind_the_proxys_tls_that_serves_its_own_name_refuses_the_alias_as_host() -> None:
    refused = originating(by_origin(403), at_address(200))
    assert told(refused) == [
        ("XS0501", f'the origin refuses Host "{PAY_HOST}" with 403 and takes "api.pay.example"'),
    ]  # fmt: skip
    assert (
        judge(refused)
        .findings[0]
        .cure.startswith('echo \'{"apiVersion":"networking.istio.io/v1","kind":"VirtualService"')
    )


@pytest.mark.parametrize(
    "one",
    [
        originating(by_origin(403), at_address(403)),
        originating(by_origin(403)),
        originating(by_origin(429), at_address(200)),
        originating(by_origin(403), at_address(200), way=replace(ENCRYPTING, host_rewrite="api.pay.example")),
        originating(by_origin(404, path="/nowhere"), at_address(200)),
        originating(by_origin(403, method="OPTIONS"), at_address(200)),
    ],
    ids=["refused by its own name too", "nobody asked", "too many", "Host is rewritten", "other path", "other method"],
)
def test_origin_that_may_have_another_reason_is_not_accused(one: Case) -> None:
    assert codes(one) == []


def test_misdirected_request_is_the_hosts_fault_without_a_comparison() -> None:
    assert told(originating(by_origin(421))) == [
        ("XS0501", f'the origin answers 421: on this connection it does not serve Host "{PAY_HOST}"'),
    ]  # fmt: skip


def test_rewrite_of_a_virtual_service_is_kept_and_put_into_each_route() -> None:
    first, second = {"rewrite": {"uri": "/v1"}, "route": [{}]}, {"redirect": {"uri": "/"}}
    one = originating(by_origin(421), virtual_services=(virtual_service(first, second, {"route": [{}]}),))
    assert judge(one).findings[0].cure == (
        "kubectl patch virtualservice my-pay -n shop --type=json -p "
        '\'[{"op":"add","path":"/spec/http/0/rewrite","value":{"uri":"/v1","authority":"api.pay.example"}},'
        '{"op":"add","path":"/spec/http/2/rewrite","value":{"authority":"api.pay.example"}}]\''
    )


# --- redirects -------------------------------------------------------------------------------------------------------


def redirect(location: str, status: int = 301, **changes: Any) -> Answer:
    served = by_origin(status, **changes)
    return replace(served, headers=(*served.headers, ("location", location)))


@pytest.mark.parametrize(
    ("outcome", "found"),
    [
        (redirect("https://api.pay.example/"), ["XS0505"]),
        (redirect("https://api.pay.example"), ["XS0505"]),
        (redirect("https://api.pay.example:443/", 308), ["XS0505"]),
        (redirect(f"https://{PAY_HOST}/"), ["XS0505"]),
        (redirect("https://api.pay.example/a?b=1", path="/a?b=1"), ["XS0505"]),
        (redirect("https://api.pay.example/b", path="/a"), []),
        (redirect("https://www.pay.example/"), []),
        (redirect("http://api.pay.example/"), []),
        (redirect("https://api.pay.example:8443/"), []),
        (redirect("/"), []),
        (redirect("https://[bad"), []),
        (by_origin(301), []),
        (by_origin(304), []),
    ],
)
def test_redirect_to_https_of_the_same_address_is_a_circle_and_no_other_is(outcome: Answer, found: list[str]) -> None:
    assert codes(originating(outcome)) == found


def test_redirect_is_not_spoken_of_where_it_is_expected() -> None:
    assert codes(originating(redirect("https://api.pay.example/"), expect_status=(301,))) == []


def test_redirect_to_https_is_what_a_healthy_server_says_in_clear() -> None:
    again = redirect("https://api.pay.example/")
    plain = replace(again, headers=(("location", "https://api.pay.example/"),))
    both = case(
        address_alias(), seen(again, route=route(request_headers_added=ADDED)), seen(plain, source=CRON), **FACTS
    )
    alone = case(address_alias(), seen(again, route=route(request_headers_added=ADDED)), **FACTS)
    by_name = case(name_alias(host="api.pay.example"), seen(again, route=PASSTHROUGH), seen(plain, source=CRON))
    assert [codes(one) for one in (both, alone, by_name)] == [[], [], []]


def test_redirect_that_only_pods_with_sidecar_get_is_for_the_header_that_the_sidecar_adds() -> None:
    one = case(
        address_alias(),
        seen(redirect("https://api.pay.example/"), route=route(request_headers_added=ADDED)),
        seen(answer(status=200), source=CRON),
        **FACTS,
    )
    assert told(one) == [
        ("XS0505", "api.pay.example answers 301 to https://api.pay.example/, and 200 to plain pods, as the sidecar says "
         "x-forwarded-proto: http"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("http", "patch"),
    [
        ({"route": []}, '{"op":"add","path":"/spec/http/0/headers","value":{"request":{"set":{"x-forwarded-proto":"https"}}}}'),
        (
            {"headers": {"response": {"remove": ["server"]}}},
            '{"op":"add","path":"/spec/http/0/headers","value":{"response":{"remove":["server"]},"request":{"set":{"x-forwarded-proto":"https"}}}}',
        ),
        ({"headers": {"request": {"add": {}}}}, '{"op":"add","path":"/spec/http/0/headers/request/set","value":{"x-forwarded-proto":"https"}}'),
        ({"headers": {"request": {"set": {}}}}, '{"op":"add","path":"/spec/http/0/headers/request/set/x-forwarded-proto","value":"https"}'),
    ],
)  # fmt: skip
def test_scheme_is_set_in_the_virtual_service_that_leads_the_call(http: Json, patch: str) -> None:
    way = replace(ENCRYPTING, virtual_service=VIRTUAL_SERVICE)
    one = originating(redirect("https://api.pay.example/"), way=way, virtual_services=(virtual_service(http),))
    assert judge(one).findings[0].cure == f"kubectl patch virtualservice my-pay -n shop --type=json -p '[{patch}]'"


# --- protocols, limits -----------------------------------------------------------------------------------------------

GRPC = AliasPort("grpc", 80, 80, AppProtocol.GRPC)
UPE = by_envoy(502, 87)


def spoken(*observations: Observation, port: AliasPort = HTTP, **changes: Any) -> Case:
    return case(address_alias(port), *observations, **{**FACTS, **changes})


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (
            spoken(
                seen(UPE, port=GRPC, route=route()), port=GRPC, endpoint_slices=(slice_of("203.0.113.20", port="grpc"),)
            ),
            'port 80 "grpc" makes the sidecar speak HTTP/2, which api.pay.example probably does not',
        ),
        (
            spoken(seen(UPE, route=route()), seen(answer(status=200), source=CRON)),
            "Envoy refuses the response of api.pay.example, which plain pods take",
        ),
        (
            spoken(seen(UPE, route=route()), seen(answer(1, error="Received HTTP/0.9 when not allowed"), source=CRON)),
            "what api.pay.example answers at port 80 is not HTTP",
        ),
        (
            spoken(
                seen(UPE, route=route(rule=ref()), decision=decided("")),
                destination_rules=(
                    destination_rule(trafficPolicy={"connectionPool": {"http": {"h2UpgradePolicy": "UPGRADE"}}}),
                ),
            ),
            "destinationrule/my-pay upgrades to HTTP/2, which api.pay.example does not speak",
        ),
    ],
    ids=["no plain pod", "odd response", "no HTTP", "upgraded"],
)
def test_other_protocol_is_told_by_whom_it_concerns(one: Case, message: str) -> None:
    assert told(one) == [("XS0506", message)]


def test_origin_that_breaks_off_has_one_name_for_both_kinds_of_pod() -> None:
    one = spoken(seen(by_envoy(503, 95), route=route()), seen(answer(52), source=CRON))
    (finding,) = judge(one).findings
    assert (finding.code, finding.sources, finding.message) == (
        "XS0504",
        (WEB.key, CRON.key),
        "api.pay.example breaks the connection for port 80 off before an answer",
    )


@pytest.mark.parametrize(
    ("outcome", "log", "message"),
    [
        (by_envoy(503, 81), None, "the circuit breaker of destinationrule/my-pay lets no further request through"),
        (by_envoy(503, 84), None, "the proxy gives up on api.pay.example (reset by the proxy)"),
        (by_envoy(503, 30), logged("DF", details="dns_resolution_failure"), "the proxy gives up on api.pay.example (its DNS has no answer for the name)"),
        (by_envoy(504, 24), None, "virtualservice/my-pay gives api.pay.example 1s or 300ms a try to answer, which is not enough"),
    ],
)  # fmt: skip
def test_limit_that_ends_a_request_is_named(outcome: Answer, log: Any, message: str) -> None:
    entry = {"timeout": "1s", "retries": {"perTryTimeout": "300ms"}}
    one = spoken(
        seen(outcome, route=route(rule=ref(), virtual_service=VIRTUAL_SERVICE), log=log, decision=decided("DISABLE")),
        seen(answer(status=200), source=CRON),
        destination_rules=(destination_rule(tls={"mode": "DISABLE"}),),
        virtual_services=(virtual_service(entry),),
    )
    assert told(one) == [("XS0508", message)]


def test_server_that_answers_for_want_of_a_client_certificate_is_understood() -> None:
    body = "<title>400 No required SSL certificate was sent</title>"
    assert codes(originating(by_origin(400, body=body, want_body=True))) == ["XS0413"]


@pytest.mark.parametrize(
    ("outcome", "found"),
    [
        (answer(status=400, port=443, body="The plain HTTP request was sent to HTTPS port", want_body=True), ["XS0509"]),
        (answer(52, port=443), ["XS0509"]),
        (answer(status=400, port=443), ["XS0509"]),
        (answer(status=200, port=443), []),
    ],
)  # fmt: skip
def test_plain_http_to_a_tls_port_is_named_without_a_mesh(outcome: Answer, found: list[str]) -> None:
    named = replace(HTTP, number=443, target_port=443)
    facts = {**FACTS, "endpoint_slices": (slice_of("203.0.113.20", number=443),)}
    one = case(address_alias(named), seen(outcome, port=named, source=CRON), mesh=NO_ISTIO, **facts)
    assert [code for code in codes(one) if code != "XS0504"] == found


# --- differences -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sidecar", "plain", "changes", "found"),
    [
        (200, 403, {}, ["XS0701"]),
        (404, 200, {}, ["XS0701"]),
        (200, 301, {}, ["XS0701"]),
        (431, 200, {}, ["XS0507"]),
        (400, 200, {}, ["XS0507"]),
        (400, 400, {}, []),
        (200, 204, {}, []),
        (200, 429, {}, []),
        (200, 403, {"expect_status": (200, 403)}, []),
        (500, 200, {}, ["XS0502"]),
    ],
)
def test_statuses_of_both_kinds_of_pod_are_compared_by_class(
    sidecar: int, plain: int, changes: dict[str, Any], found: list[str]
) -> None:
    behind = seen(by_origin(sidecar), route=route(request_headers_added=ADDED))
    assert codes(spoken(behind, seen(answer(status=plain), source=CRON), **changes)) == found


def test_one_plain_pod_that_gets_the_same_is_no_difference() -> None:
    others = (seen(answer(status=status), source=replace(CRON, pod=f"cron-{status}")) for status in (200, 403))
    assert codes(spoken(seen(by_origin(200), route=route()), *others)) == []


# --- healthy ---------------------------------------------------------------------------------------------------------

MUTUAL = {**FULL, "mode": "MUTUAL", "clientCertificate": "/c.pem", "privateKey": "/k.pem"}
SHOWN = Handshake("api.pay.example", (Certificate("x", "CA", ("api.pay.example",), "2026", "2027"),), Trust.TRUSTED)
HTTPS_OK = answer(
    status=200, scheme=Scheme.HTTPS, host="api.pay.example", port=443, connect_to=PAY_HOST, handshake=SHOWN
)
PRIVATE_HOST = "my-pay.shop.extsvc.internal"
BY_NAME = replace(
    ENCRYPTING, envoy_cluster=f"outbound|80||{PRIVATE_HOST}", cluster_type="STRICT_DNS", virtual_service=VIRTUAL_SERVICE
)
ENTRY: Json = {
    "metadata": {"name": "my-pay", "namespace": "shop"},
    "spec": {"hosts": [PRIVATE_HOST], "ports": [{"number": 80, "name": "http", "protocol": "HTTP", "targetPort": 443}]},
}
LEADS_THERE = virtual_service(
    {
        "rewrite": {"authority": "api.pay.example"},
        "route": [{"destination": {"host": PRIVATE_HOST, "port": {"number": 80}}}],
    }
)
MUTUAL_IN_EFFECT = replace(ENCRYPTING, tls=replace(SIMPLE_FULL, mode=OutboundTls.MUTUAL))


def healthy_tls(*observations: Observation, **changes: Any) -> Case:
    return case(
        address_alias(TLS, **changes.pop("alias", {})),
        *observations,
        **{**FACTS, "endpoint_slices": (slice_of("203.0.113.20", port="tls", number=443),), **changes},
    )


HEALTHY: dict[str, Case] = {
    "addresses, SIMPLE": originating(by_origin(200), at_address(200)),
    "addresses, SIMPLE, 404 of its own": originating(by_origin(404), at_address(404)),
    "addresses, MUTUAL, whose server refuses clients without certificate": originating(
        by_origin(200),
        replace(at_address(0), exit_code=56, status=0, error="tlsv13 alert certificate required"),
        way=MUTUAL_IN_EFFECT,
        tls=MUTUAL,
    ),
    "addresses, private CA, which plain pods do not know": originating(
        by_origin(200),
        replace(at_address(0), exit_code=60, status=0, error="unable to get local issuer certificate"),
    ),
    "addresses, DISABLE": spoken(
        seen(by_origin(200), route=route(OutboundTls.DISABLE, rule=ref()), decision=decided("DISABLE")),
        seen(answer(status=200), source=CRON),
        destination_rules=(destination_rule(tls={"mode": "DISABLE"}),),
    ),
    "addresses, no rule": spoken(seen(by_origin(200), route=route(), decision=NO_RULE), seen(answer(status=200), source=CRON)),
    "addresses, TLS by the client": healthy_tls(
        seen(HTTPS_OK, port=TLS, route=route(OutboundTls.DISABLE)), seen(HTTPS_OK, port=TLS, source=CRON)
    ),
    "addresses, TLS by the client, name not known": healthy_tls(
        seen(replace(HTTPS_OK, handshake=None), port=TLS, source=CRON), alias={"host": ""}
    ),
    "addresses, TCP": case(
        address_alias(TCP), seen(answer(scheme=Scheme.TCP, port=5432), port=TCP, source=CRON),
        endpoint_slices=(slice_of("203.0.113.20", port="tcp", number=5432),), resolved=FACTS["resolved"],
    ),
    "addresses, several ports": case(
        address_alias(HTTP_TO_TLS, TLS),
        seen(by_origin(200), port=HTTP_TO_TLS, route=ENCRYPTING, decision=decided("SIMPLE")),
        seen(HTTPS_OK, port=TLS, route=route(OutboundTls.DISABLE, rule=ref()), decision=decided("DISABLE")),
        not_served(answer(scheme=Scheme.TCP)),
        seen(HTTPS_OK, port=TLS, source=CRON),
        destination_rules=(
            destination_rule(trafficPolicy={"portLevelSettings": [{"port": {"number": 80}, "tls": FULL}, {"port": {"number": 443}, "tls": {"mode": "DISABLE"}}]}),
        ),
        endpoint_slices=(slice_of("203.0.113.20", number=443), {**slice_of("203.0.113.20", port="tls", number=443)}),
        resolved=FACTS["resolved"],
    ),
    "name, origination": case(
        name_alias(HTTP_TO_TLS, host="api.pay.example"),
        seen(by_origin(200), port=HTTP_TO_TLS, route=BY_NAME, decision=decided("SIMPLE")),
        not_served(answer(scheme=Scheme.TCP), in_clear(301)),
        destination_rules=(destination_rule(host=PRIVATE_HOST, tls=FULL),),
        service_entries=(ENTRY,),
        virtual_services=(LEADS_THERE,),
    ),
    "name, origination, proxy not read": case(
        name_alias(HTTP_TO_TLS, host="api.pay.example"),
        seen(by_origin(200), port=HTTP_TO_TLS, route=RouteUnknown("forbidden"), decision=decided("SIMPLE")),
        not_served(answer(scheme=Scheme.TCP), in_clear(301)),
        destination_rules=(destination_rule(host=PRIVATE_HOST, tls=FULL),),
        service_entries=(ENTRY,),
        virtual_services=(LEADS_THERE,),
    ),
    "name, passes by": case(name_alias(), seen(by_origin(200), route=PASSTHROUGH, decision=NO_RULE), seen(answer(status=200), source=CRON)),
    "name, redirects everybody": case(
        name_alias(),
        seen(redirect("https://httpbin.org/"), route=PASSTHROUGH),
        seen(answer(status=301, headers=(("location", "https://httpbin.org/"),)), source=CRON),
    ),
    "rewritten authority without sni": originating(
        by_origin(200),
        way=replace(ENCRYPTING, tls=replace(SIMPLE_FULL, sni="", subject_alt_names=(), auto_sni=True, auto_san_validation=True), host_rewrite="api.pay.example"),
    ),
    "no Istio": spoken(seen(answer(status=200), source=CRON), mesh=NO_ISTIO),
}  # fmt: skip


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_alias_yields_nothing(name: str) -> None:
    assert told(HEALTHY[name]) == []


def test_no_finding_is_worse_than_a_warning_where_every_call_goes_well() -> None:
    way = replace(ENCRYPTING, tls=replace(SIMPLE_FULL, verifies_chain=False))
    one = originating(by_origin(200), way=way, tls={**FULL, "insecureSkipVerify": True})
    assert [(f.code, f.severity) for f in judge(one).findings] == [("XS0415", Severity.WARNING)]


BLACK_HOLE = route(
    OutboundTls.NONE,
    listener="virtualOutbound",
    envoy_cluster="BlackHoleCluster",
    virtual_host="",
    cluster_type="STATIC",
    endpoints=(),
)


def test_a_tcp_connection_that_the_proxy_takes_and_leads_nowhere_is_blocked() -> None:
    call = answer(scheme=Scheme.TCP, port=5432)
    assert told(case(name_alias(TCP), seen(call, port=TCP, route=BLACK_HOLE))) == [
        ("XS0601", "the proxy blocks httpbin.org: REGISTRY_ONLY, and no ServiceEntry attaches the alias")
    ]
    through = seen(call, port=TCP, route=replace(BLACK_HOLE, envoy_cluster="PassthroughCluster"))
    assert told(case(name_alias(TCP), through)) == []


NO_ROUTE = route(envoy_cluster="", direct_response=404, cluster_type="", endpoints=())


@pytest.mark.parametrize(
    ("way", "expected", "codes"),
    [
        (
            NO_ROUTE,
            (),
            [("XS0602", "a VirtualService makes the proxy answer by itself: no route of it fits the request")],
        ),
        (NO_ROUTE, (404,), []),
        # Somebody wrote that answer down.
        (replace(NO_ROUTE, virtual_service=VIRTUAL_SERVICE), (), []),
    ],
)
def test_a_404_for_want_of_a_route_is_the_proxys_and_never_the_origins(
    way: Route, expected: tuple[int, ...], codes: list[tuple[str, str]]
) -> None:
    assert told(case(address_alias(), seen(by_envoy(404, 0), route=way), expect_status=expected, **FACTS)) == codes


def test_a_server_without_the_ports_protocol_in_alpn_is_told_from_a_bad_certificate() -> None:
    grpc = AliasPort("grpc", 80, 443, AppProtocol.GRPC)
    transport = "TLS_error:|268436528:SSL_routines:OPENSSL_internal:TLSV1_ALERT_NO_APPLICATION_PROTOCOL:TLS_error_end"
    failed = seen(
        by_envoy(503, 0), port=grpc, route=ENCRYPTING, decision=decided("SIMPLE"), log=logged(transport=transport)
    )
    facts = FACTS | {"endpoint_slices": (slice_of("203.0.113.20", port="grpc", number=443),)}
    judged = judge(case(address_alias(grpc), failed, destination_rules=(destination_rule(tls=FULL),), **facts))
    assert [(f.code, f.message) for f in judged.findings] == [
        (
            "XS0506",
            'port 80 "grpc" makes the sidecar speak HTTP/2, which api.pay.example probably does not',
        )
    ]


def test_who_hears_only_the_reset_of_a_server_that_wants_a_certificate_is_told_the_same() -> None:
    heard = "OpenSSL SSL_read: error:0A00045C:SSL routines::tlsv13 alert certificate required"
    call: dict[str, Any] = {"scheme": Scheme.HTTPS, "host": "api.pay.example", "port": 443, "connect_to": PAY_HOST}
    call["times"] = Times(0.001, 0.002, 0.004, 0.0, 0.005)
    alert, reset = answer(56, error=heard, **call), answer(55, error="getpeername() failed with errno 107", **call)
    facts = FACTS | {"endpoint_slices": (slice_of("203.0.113.20", port="tls", number=443),)}
    both = case(address_alias(TLS), seen(alert, port=TLS), seen(reset, port=TLS, source=CRON), mesh=NO_ISTIO, **facts)
    alone = case(address_alias(TLS), seen(reset, port=TLS, source=CRON), mesh=NO_ISTIO, **facts)
    assert [(f.code, f.sources) for f in judge(both).findings] == [("XS0413", ("shop/web-7d9f", "shop/cron-55"))]
    assert [f.code for f in judge(alone).findings] == ["XS0504"]


def test_a_foreign_port_named_grpc_is_cured_without_its_slices() -> None:
    grpc = AliasPort("grpc", 80, 80, AppProtocol.GRPC)
    service = {"metadata": {"name": "my-pay", "namespace": "shop"}, "spec": {"ports": [{"name": "grpc", "port": 80}]}}
    facts = FACTS | {"endpoint_slices": (slice_of("203.0.113.20", port="grpc"),), "services": (service,)}
    failed = seen(by_envoy(502, 87), port=grpc, route=route(), log=logged(flags="UPE"))
    judged = judge(case(address_alias(grpc, managed=False), failed, **facts))
    assert [(f.code, f.cure) for f in judged.findings] == [
        (
            "XS0506",
            "kubectl patch service my-pay -n shop --type=json "
            """-p '[{"op":"add","path":"/spec/ports/0/appProtocol","value":"http"}]'""",
        )
    ]


def test_the_virtual_service_without_a_fitting_route_is_named() -> None:
    found = {
        "metadata": {"name": "theirs", "namespace": "shop"},
        "spec": {
            "hosts": ["my-pay"],
            "http": [{"match": [{"uri": {"prefix": "/api"}}], "route": [{"destination": {"host": "my-pay"}}]}],
        },
    }
    judged = judge(case(address_alias(), seen(by_envoy(404, 0), route=NO_ROUTE), virtual_services=(found,), **FACTS))
    assert [(f.code, f.subject, f.fix) for f in judged.findings] == [
        ("XS0602", ObjectRef("VirtualService", "shop", "theirs"), ())
    ]
