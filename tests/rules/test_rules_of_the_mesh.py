"""Rules about the mesh where the effect decides: who is at fault, how bad it is, and when nobody is to speak."""

from dataclasses import replace
from typing import Any

import pytest
from worlds.cases import (
    BLOCK_ALL,
    CRON,
    HTTP,
    HTTP_TO_TLS,
    ISTIO,
    PASSTHROUGH,
    PAY_HOST,
    TLS,
    WEB,
    address_alias,
    answer,
    by_envoy,
    by_origin,
    case,
    decided,
    destination_rule,
    logged,
    name_alias,
    ref,
    route,
    seen,
    slice_of,
)
from worlds.mesh_rule_cases import (
    DB,
    DNS_CAPTURE,
    FIRING,
    FULL,
    HEALTHY,
    HTTP_80,
    PASSTHROUGH_TCP,
    TCP_443,
    TIMED_OUT,
    TO_TLS,
    entry,
    entry_port,
    external,
    https,
    policy,
    service,
    sidecar_resource,
    tcp_route,
)

from kubectl_extsvc.mesh.destination_rules import decision_for
from kubectl_extsvc.model.alias import AliasPort, AppProtocol
from kubectl_extsvc.model.finding import Finding, Severity
from kubectl_extsvc.model.observation import Case
from kubectl_extsvc.model.probe import Scheme
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.route import OutboundTls, Route, RouteUnknown
from kubectl_extsvc.model.snapshot import Mesh
from kubectl_extsvc.model.source import Source
from kubectl_extsvc.rules import judge

LEGACY = Mesh(installed=True, api_version="v1beta1", version=(1, 20))


def said(judged: Case) -> list[tuple[str, str]]:
    judgement = judge(judged)
    assert judgement.broken == ()
    return [(finding.code, finding.severity.value) for finding in judgement.findings]


def only(judged: Case) -> Finding:
    (finding,) = judge(judged).findings
    return finding


def replayed(judged: Case) -> Case:
    """The case with the decisions that follow from its objects."""
    observations = tuple(
        replace(o, decision=decision_for(judged.alias, o.port.number, o.source, judged.snapshot))
        for o in judged.observations
    )
    return replace(judged, observations=observations)


TO_PAY = route(OutboundTls.SIMPLE, rule=ref("my-pay"))


def called(*rules: Json, way: Route | RouteUnknown | None = None, status: int = 200, **changes: Any) -> Case:
    """An alias that goes well in clear, these rules, and what follows from them."""
    observed = seen(by_origin(status), route=way or route(), source=changes.pop("source", WEB))
    services = changes.pop("services", (service(),))
    fields = HEALTHY | changes
    return replayed(case(address_alias(), observed, destination_rules=rules, services=services, **fields))


# --- lost rules ------------------------------------------------------------------------------------------------------

FRONT = replace(WEB, namespace="front")


@pytest.mark.parametrize("host", ["my-pay.shop", "my-pay.shop.svc", f"{PAY_HOST}."])
def test_a_host_that_no_service_bears_is_cured_by_the_full_name(host: str) -> None:
    finding = only(called(destination_rule("dotted", host, tls=FULL)))
    assert (finding.code, finding.severity) == ("XS0308", Severity.ERROR)
    assert finding.cure == (
        "kubectl patch destinationrule dotted -n shop --type=merge -p "
        '\'{"spec":{"host":"my-pay.shop.svc.cluster.local"}}\''
    )


def test_a_misspelled_rule_on_which_nothing_depends_is_information() -> None:
    dotted = destination_rule("dotted", "my-pay.shop", tls={"mode": "DISABLE"})
    plain = case(address_alias(), seen(by_origin(200), route=route()), destination_rules=(dotted,), **HEALTHY)
    assert said(replayed(plain)) == [("XS0308", "info")]


def test_a_short_host_in_the_clients_namespace_means_a_service_there() -> None:
    finding = only(called(destination_rule("short", "my-pay", "front", tls=FULL), source=FRONT))
    assert (finding.code, finding.evidence[0]) == (
        "XS0308",
        'the host "my-pay" is read as my-pay.front.svc.cluster.local, a Service of its own namespace',
    )


def test_a_short_host_beside_a_service_of_that_name_is_about_that_service() -> None:
    both = (service(), service(namespace="front"))
    assert said(called(destination_rule("short", "my-pay", "front", tls=FULL), source=FRONT, services=both)) == []


def test_a_rule_that_is_not_exported_to_the_source_is_cured_by_showing_it() -> None:
    finding = only(called(destination_rule(tls=FULL, exportTo=["."]), source=FRONT))
    assert (finding.code, finding.cure) == (
        "XS0308",
        'kubectl patch destinationrule my-pay -n shop --type=json -p \'[{"op":"remove","path":"/spec/exportTo"}]\'',
    )


def test_a_rule_that_is_private_by_default_is_cured_by_saying_that_it_is_for_all() -> None:
    private = {"defaultDestinationRuleExportTo": ["."]}
    finding = only(called(destination_rule(tls=FULL), source=FRONT, mesh_config=private))
    assert (finding.code, finding.severity, finding.evidence[0]) == (
        "XS0308",
        Severity.ERROR,
        "it is private to namespace shop",
    )
    assert finding.cure == (
        "kubectl patch destinationrule my-pay -n shop --type=json -p "
        '\'[{"op":"add","path":"/spec/exportTo","value":["*"]}]\''
    )
    assert said(called(destination_rule(tls=FULL, exportTo=["*"]), source=FRONT, way=TO_PAY, mesh_config=private)) == []


def test_a_rule_that_is_written_anew_is_for_all_where_rules_are_private_by_default() -> None:
    elsewhere = destination_rule("far", PAY_HOST, "other", tls=FULL)
    private = {"defaultDestinationRuleExportTo": ["."]}
    assert '"spec":{"host":' in only(called(elsewhere, source=FRONT)).cure
    assert '"spec":{"exportTo":["*"],"host":' in only(called(elsewhere, source=FRONT, mesh_config=private)).cure


def test_a_rule_that_selects_other_workloads_is_cured_by_selecting_this_one() -> None:
    selector = {"matchLabels": {"app": "other"}}
    finding = only(called(destination_rule(tls=FULL, workloadSelector=selector)))
    assert (finding.code, finding.evidence[0]) == ("XS0308", "its workloadSelector does not select the client")
    assert '"workloadSelector":{"matchLabels":{"app":"web"}}' in finding.cure


def test_a_rule_of_a_later_namespace_that_would_add_tls_is_named_with_what_hides_it() -> None:
    wide = destination_rule("wide", "*.local", "front", tls={"mode": "DISABLE"})
    judged = called(destination_rule(tls=FULL), wide, source=FRONT, way=route(OutboundTls.DISABLE))
    finding = only(judged)
    assert (finding.code, str(finding.subject), finding.evidence[0]) == (
        "XS0308",
        "destinationrule/my-pay",
        "the client's namespace front is looked through first and has a rule that covers the host",
    )


def test_of_two_rules_that_differ_in_mode_alone_a_warning_is_enough_where_the_call_goes_well() -> None:
    rules = (destination_rule("a", tls={"mode": "DISABLE"}), destination_rule("b", tls={"mode": "ISTIO_MUTUAL"}))
    way = route(OutboundTls.DISABLE, rule=ref("a"))
    judged = case(address_alias(), seen(by_origin(200), route=way), destination_rules=rules, **HEALTHY)
    judged = replace(judged, snapshot=replace(judged.snapshot, services=(service(),)))
    assert said(replayed(judged)) == [("XS0309", "warning")]


def test_a_selector_that_ends_the_lookup_loses_the_rule_of_the_services_namespace() -> None:
    stops = destination_rule(
        "stops", PAY_HOST, "front", tls={"mode": "DISABLE"}, workloadSelector={"matchLabels": {"a": "b"}}
    )
    judged = called(destination_rule(tls=FULL), stops, source=FRONT)
    finding = only(judged)
    assert (finding.code, finding.severity, str(finding.subject)) == (
        "XS0309",
        Severity.ERROR,
        "destinationrule/my-pay",
    )
    assert "beside destinationrule/stops" in finding.message


def test_a_private_rule_swallowed_by_one_with_a_selector_is_dropped() -> None:
    swallows = destination_rule("a", tls={"mode": "DISABLE"}, workloadSelector={"matchLabels": {"a": "b"}})
    assert said(called(destination_rule("b", tls=FULL, exportTo=["."]), swallows)) == [("XS0309", "error")]


def test_a_rule_for_other_workloads_beside_the_one_in_effect_is_no_loss() -> None:
    other = destination_rule("b", tls={"mode": "DISABLE"}, workloadSelector={"matchLabels": {"app": "other"}})
    way = route(replace(FIRING["XS0608"].observations[0].route.tls), rule=ref())  # type: ignore[union-attr]
    assert said(called(destination_rule(tls=FULL), other, way=way, status=200)) == []


def test_clients_tls_is_not_missed_by_a_rule_that_would_wrap_it() -> None:
    judged = case(
        address_alias(TLS),
        seen(https(0, 200), port=TLS, route=route()),
        destination_rules=(destination_rule("theirs", namespace="other", tls=FULL),),
        services=(service(),),
        endpoint_slices=(slice_of("203.0.113.20", port="tls", number=443),),
        resolved=HEALTHY["resolved"],
    )
    assert said(replayed(judged)) == []


# --- ServiceEntries --------------------------------------------------------------------------------------------------

TO_TLS_RULE = destination_rule("to-tls", "httpbin.org", tls={"mode": "SIMPLE"})


def by_name(*entries: Json, way: Route = PASSTHROUGH, rules: tuple[Json, ...] = (TO_TLS_RULE,), **changes: Any) -> Case:
    alias = name_alias(external_name_raw=changes.pop("raw", "httpbin.org"))
    outcome = changes.pop("outcome", by_origin(200))
    return replayed(case(alias, seen(outcome, route=way), service_entries=entries, destination_rules=rules, **changes))


@pytest.mark.parametrize(
    ("a_entry", "why"),
    [
        (entry(entry_port(443, "TLS")), "serviceentry/out has no port 80, only 443"),
        (entry(HTTP_80, namespace="mesh", exportTo=["."]), "serviceentry/out is not exported to namespace shop"),
        (entry(HTTP_80, host="HTTPbin.org"), 'serviceentry/out is for "HTTPbin.org", externalName is "httpbin.org"'),
        (
            entry(HTTP_80, host="*.org", resolution="NONE"),
            "serviceentry/out covers httpbin.org by the wildcard *.org, which does not count for an alias",
        ),
    ],
)
def test_what_keeps_the_alias_from_its_entry_is_named_alike_under_both_policies(a_entry: Json, why: str) -> None:
    passes = only(by_name(a_entry))
    refused = only(by_name(a_entry, way=BLOCK_ALL, outcome=by_envoy(502, 0)))
    assert (passes.code, passes.severity, refused.code) == ("XS0310", Severity.ERROR, "XS0601")
    assert passes.message == f"{why}: destinationrule/to-tls (SIMPLE) does not count, and HTTP leaves in clear"
    assert refused.message == f"{why}: the proxy blocks it"


def test_an_entry_that_leads_elsewhere_is_missed_where_the_call_fails() -> None:
    judged = by_name(
        entry(entry_port(80, "HTTP", 8080), host="httpbin.org."), rules=(), outcome=by_envoy(503, 91), way=PASSTHROUGH
    )
    assert said(judged)[0][0] == "XS0310"


def test_no_entry_at_all_is_no_detachment() -> None:
    assert said(by_name()) == []
    assert said(by_name(entry(HTTP_80, host="httpbin.com"))) == []


def test_before_istio_1_21_an_alias_needs_no_entry() -> None:
    assert said(by_name(entry(HTTP_80), raw="httpbin.org.", mesh=LEGACY)) == []


def test_an_entry_of_the_clients_namespace_takes_the_host_of_a_service() -> None:
    alias = address_alias()
    judged = case(
        alias,
        seen(by_envoy(503, 91), route=route(envoy_cluster=f"outbound|80||{PAY_HOST}"), source=FRONT),
        services=(service(),),
        service_entries=(entry(entry_port(80, "HTTP", 9999), host=PAY_HOST, namespace="front", name="hijack"),),
        **HEALTHY,
    )
    finding = next(f for f in judge(replayed(judged)).findings if f.code == "XS0311")
    assert (str(finding.subject), finding.message) == (
        "serviceentry/hijack",
        f"serviceentry/hijack (namespace front) counts for {PAY_HOST} and has port 80 as HTTP 80 to 9999; "
        "service/my-pay (namespace shop) with HTTP 80 is passed over",
    )


# --- Sidecar, exportTo, captors --------------------------------------------------------------------------------------


def test_an_alias_that_originates_by_a_private_host_needs_both_names() -> None:
    private = "my-pay.shop.extsvc.internal"
    virtual_service = {
        "metadata": {"name": "my-pay", "namespace": "shop"},
        "spec": {
            "hosts": [PAY_HOST],
            "http": [{"route": [{"destination": {"host": private, "port": {"number": 80}}}]}],
        },
    }
    fields: dict[str, Any] = {
        "services": (external(host="api.pay.example"),),
        "service_entries": (entry(entry_port(80, "HTTP", 443), host=private),),
        "virtual_services": (virtual_service,),
        "destination_rules": (destination_rule(host=private, tls=FULL),),
    }

    def of(*hosts: str, way: Route = PASSTHROUGH) -> Case:
        alias = name_alias(HTTP_TO_TLS, host="api.pay.example")
        observed = seen(by_origin(200), port=HTTP_TO_TLS, route=way)
        return replayed(case(alias, observed, sidecars=(sidecar_resource(*hosts),), **fields))

    finding = only(of("istio-system/*"))
    assert (finding.code, finding.severity) == ("XS0603", Severity.ERROR)
    assert f'"value":"shop/{PAY_HOST}"' in finding.cure
    assert f'"value":"shop/{private}"' in finding.cure
    through = route(replace(FIRING["XS0608"].observations[0].route.tls), envoy_cluster=f"outbound|80||{private}")  # type: ignore[union-attr]
    assert said(of(f"shop/{PAY_HOST}", f"shop/{private}", way=through)) == []


def test_a_sidecar_that_lets_the_alias_in_at_other_ports_alone_is_told() -> None:
    egress: list[Json] = [
        {"port": {"number": 80, "protocol": "HTTP"}, "hosts": ["istio-system/*"]},
        {"hosts": ["*/*"]},
    ]

    def refused(*entries: Json) -> Case:
        trimming = {"metadata": {"name": "default", "namespace": "shop"}, "spec": {"egress": list(entries)}}
        way = seen(by_envoy(502, 0), route=BLOCK_ALL)
        return replayed(case(address_alias(), way, sidecars=(trimming,), services=(service(),), **HEALTHY))

    finding = only(refused(*egress))
    assert (finding.code, finding.cure) == (
        "XS0603",
        "kubectl patch sidecar default -n shop --type=json -p "
        '\'[{"op":"add","path":"/spec/egress/0/hosts/-","value":"shop/my-pay.shop.svc.cluster.local"}]\'',
    )
    assert [code for code, _ in said(refused(*reversed(egress)))] == ["XS0601"]


def test_a_sidecar_with_entries_for_single_ports_only_is_cured_by_hand() -> None:
    sidecar = {
        "metadata": {"name": "default", "namespace": "shop"},
        "spec": {"egress": [{"port": {"number": 9080}, "hosts": ["istio-system/*"]}]},
    }
    judged = case(
        address_alias(),
        seen(by_envoy(502, 0), route=BLOCK_ALL),
        sidecars=(sidecar,),
        services=(service(),),
        **HEALTHY,
    )
    assert only(replayed(judged)).cure == (
        "add to sidecar/default (namespace shop) an egress entry without port, hosts shop/my-pay.shop.svc.cluster.local"
    )


def test_who_says_registry_only_is_in_the_evidence() -> None:
    refused: dict[str, Any] = {"way": BLOCK_ALL, "outcome": by_envoy(502, 0)}
    mesh = only(by_name(mesh_config={"outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}}, **refused))
    own = only(by_name(sidecars=(sidecar_resource("*/*", outboundTrafficPolicy={"mode": "REGISTRY_ONLY"}),), **refused))
    assert mesh.evidence[-1] == "outboundTrafficPolicy REGISTRY_ONLY of the mesh"
    assert own.evidence[-1] == "outboundTrafficPolicy REGISTRY_ONLY: sidecar/default (namespace shop)"


def test_a_hidden_service_is_refused_under_registry_only() -> None:
    judged = case(
        address_alias(),
        seen(by_envoy(502, 0), route=BLOCK_ALL, source=FRONT),
        services=(service(networking_istio_io__exportTo="."),),
        **HEALTHY,
    )
    assert said(replayed(judged)) == [("XS0609", "error")]


def test_a_service_that_is_hidden_by_default_is_cured_by_saying_that_it_is_for_all() -> None:
    judged = case(
        address_alias(),
        seen(by_envoy(502, 0), route=BLOCK_ALL, source=FRONT),
        services=(service(),),
        mesh_config={"defaultServiceExportTo": ["."]},
        **HEALTHY,
    )
    finding = only(replayed(judged))
    assert (finding.code, finding.evidence[-1]) == ("XS0609", "meshConfig.defaultServiceExportTo")
    assert finding.cure == (
        "kubectl patch service my-pay -n shop --type=merge -p "
        '\'{"metadata":{"annotations":{"networking.istio.io/exportTo":"*"}}}\''
    )


def test_an_entry_that_is_hidden_by_default_is_cured_by_naming_the_sources_namespace() -> None:
    private = {"defaultServiceExportTo": ["."]}
    out = entry(HTTP_80, namespace="web")
    finding = only(by_name(out, way=BLOCK_ALL, outcome=by_envoy(502, 0), mesh_config=private))
    assert (finding.code, finding.message) == (
        "XS0601",
        "serviceentry/out is not exported to namespace shop: the proxy blocks it",
    )
    assert finding.cure == (
        "kubectl patch serviceentry out -n web --type=json -p "
        '\'[{"op":"add","path":"/spec/exportTo","value":[".","shop"]}]\''
    )


def test_a_captor_that_adds_tls_of_its_own_spoils_the_call() -> None:
    way = replace(
        tcp_route("bin.data.svc.cluster.local", "203.0.113.10", "ORIGINAL_DST"), tls=route(OutboundTls.SIMPLE).tls
    )
    judged = case(name_alias(TLS), seen(https(35, error="unexpected eof", host="httpbin.org"), port=TLS, route=way))
    assert said(judged)[0] == ("XS0604", "error")


def test_a_wildcard_entry_that_covers_the_target_is_no_captor() -> None:
    way = tcp_route("*.org", "198.51.100.1", "ORIGINAL_DST")
    judged = case(name_alias(TLS), seen(https(0, 200, host="httpbin.org"), port=TLS, route=way))
    assert said(judged) == []


def test_an_external_name_with_a_tcp_port_takes_the_port_before_istio_1_21() -> None:
    judged = case(
        name_alias(TCP_443), seen(answer(scheme=Scheme.TCP, port=443), port=TCP_443, source=CRON), mesh=LEGACY
    )
    assert said(judged) == [("XS0605", "warning")]
    assert said(replace(judged, snapshot=replace(judged.snapshot, mesh=ISTIO))) == []


def test_a_tcp_entry_of_the_target_without_addresses_takes_the_port() -> None:
    entries = (entry(entry_port(443, "TCP")),)
    judged = case(
        name_alias(TCP_443),
        seen(answer(scheme=Scheme.TCP, port=443), port=TCP_443, source=CRON),
        service_entries=entries,
    )
    assert said(judged) == [("XS0605", "warning")]
    with_address = replace(
        judged.snapshot, service_entries=(entry(entry_port(443, "TCP"), addresses=["203.0.113.10"]),)
    )
    assert said(replace(judged, snapshot=with_address)) == []


# --- NetworkPolicies, DNS capture, what is not captured ---------------------------------------------------------------

BATCH = replace(CRON, labels=(("app", "cron"),))
RESOLVED = {"httpbin.org": ("203.0.113.10",)}


@pytest.mark.parametrize(
    ("rule", "denied"),
    [
        ({"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["203.0.113.0/24"]}}]}, True),
        ({"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [{"port": 443}]}, True),
        ({"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [{"port": 80}]}, False),
        ({"to": [{"ipBlock": {"cidr": "odd"}}]}, False),
    ],
)
def test_a_silent_target_is_laid_to_a_policy_only_if_that_denies_it_for_sure(rule: Json, denied: bool) -> None:
    judged = case(
        name_alias(), seen(TIMED_OUT, source=BATCH), network_policies=(policy(rule, app="cron"),), resolved=RESOLVED
    )
    assert ("XS0606", "error") in said(judged) if denied else ("XS0606", "error") not in said(judged)


def test_a_policy_that_forgets_dns_takes_the_names_away() -> None:
    only_out = policy({"to": [{"ipBlock": {"cidr": "203.0.113.0/24"}}], "ports": [{"port": 80}]}, app="cron")
    judged = case(
        address_alias(), seen(answer(6), source=BATCH), network_policies=(only_out,), services=(service(),), **HEALTHY
    )
    first = judge(judged).findings[0]
    assert (first.code, first.stage.value) == ("XS0606", "name")
    assert '"ports":[{"protocol":"UDP","port":53},{"protocol":"TCP","port":53}]' in first.cure


def test_a_name_that_does_not_exist_is_not_laid_to_a_policy() -> None:
    judged = case(
        name_alias(host="typo.example"), seen(answer(6), source=BATCH), network_policies=(policy(app="cron"),)
    )
    assert "XS0606" not in [code for code, _ in said(judged)]


def test_the_policy_sees_the_endpoint_and_its_port_not_the_cluster_ip() -> None:
    to_endpoint = policy({"to": [{"ipBlock": {"cidr": "203.0.113.20/32"}}], "ports": [{"port": 443}]}, app="cron")
    to_service = policy({"to": [{"ipBlock": {"cidr": "10.96.0.7/32"}}], "ports": [{"port": 8443}]}, app="cron")
    port = AliasPort("tls", 8443, 443, AppProtocol.TLS)

    def of(found: Json) -> list[str]:
        judged = case(
            address_alias(port),
            seen(replace(TIMED_OUT, transfer=https(port=8443).transfer), port=port, source=BATCH),
            network_policies=(found,),
            services=(service(),),
            endpoint_slices=(slice_of("203.0.113.20", port="tls", number=443),),
            resolved=HEALTHY["resolved"],
        )
        return [code for code, _ in said(judged)]

    assert "XS0606" not in of(to_endpoint)
    assert of(to_service)[0] == "XS0606"


@pytest.mark.parametrize(
    "a_entry",
    [
        entry(entry_port(443, "TLS"), addresses=["203.0.113.10"]),
        entry(entry_port(443, "TLS"), labels={"networking.istio.io/enable-autoallocate-ip": "false"}),
        entry(entry_port(443, "TLS"), resolution="NONE"),
    ],
)
def test_an_entry_without_an_automatic_address_is_not_missed_by_dns_capture(a_entry: Json) -> None:
    judged = FIRING["XS0607"]
    judged = replace(judged, snapshot=replace(judged.snapshot, service_entries=(a_entry,)))
    assert "XS0607" not in [code for code, _ in said(judged)]


def test_dns_capture_does_not_touch_http() -> None:
    judged = by_name(entry(HTTP_80), way=PASSTHROUGH, rules=(), mesh_config=DNS_CAPTURE)
    assert "XS0607" not in [code for code, _ in said(judged)]


def test_an_application_of_the_proxys_user_is_a_warning_where_no_tls_is_missed() -> None:
    odd = replace(WEB, as_proxy_user=True)
    judged = case(
        address_alias(), seen(answer(status=200), route=route(), source=odd), services=(service(),), **HEALTHY
    )
    assert said(replayed(judged)) == [("XS0608", "warning")]


def test_passing_through_unruled_tls_is_no_finding() -> None:
    judged = case(name_alias(TLS), seen(https(0, 200, host="httpbin.org"), port=TLS, route=PASSTHROUGH_TCP))
    assert said(replayed(judged)) == []


# --- clusters and port names -----------------------------------------------------------------------------------------


def missing(cluster: str, **objects: Any) -> str:
    way = route(
        OutboundTls.UNKNOWN,
        envoy_cluster=cluster,
        cluster_missing=True,
        virtual_service=replace(ref(), kind="VirtualService"),
        endpoints=(),
    )
    finding = only(case(name_alias(), seen(by_envoy(503, 0), route=way), **objects))
    assert finding.code == "XS0304"
    return finding.message.partition("does not have")[2]


def test_why_a_cluster_is_missing_is_told_apart() -> None:
    alias = external("other")
    chained = external("other") | {"spec": {"type": "ExternalName", "externalName": "x", "ports": [{"port": 80}]}}
    fqdn, entries = "other.shop.svc.cluster.local", (entry(HTTP_80),)
    with_subset = destination_rule("subsets", "httpbin.org", subsets=[{"name": "v1"}])
    assert [
        missing("outbound|80||httpbin.org"),
        missing("outbound|443||httpbin.org", service_entries=entries),
        missing("outbound|80|v1|httpbin.org", service_entries=entries),
        missing("outbound|80|v1|httpbin.org", service_entries=entries, destination_rules=(with_subset,)),
        missing(f"outbound|443||{fqdn}", services=(alias,)),
        missing(f"outbound|80||{fqdn}", services=(chained,)),
        missing("odd"),
    ] == [
        ": httpbin.org is not in the mesh's registry",
        ": httpbin.org has no port 443, only 80",
        ': no DestinationRule on httpbin.org has the subset "v1"',
        ': the subset "v1" of destinationrule/subsets selects no endpoint',
        ": service/other is an ExternalName Service and does not declare port 443",
        ": service/other is an ExternalName Service, and is followed one step only",
        "",
    ]


@pytest.mark.parametrize(
    ("tls", "waits"),
    [
        ({**FULL, "credentialName": "pay"}, "waits for the secret pay"),
        ({**FULL, "caCertificates": "/etc/ca.pem"}, "waits for the file /etc/ca.pem"),
        ({**FULL, "caCertificates": "system"}, "waits for a secret or a CA file"),
    ],
)
def test_what_a_warming_cluster_waits_for_is_named(tls: Json, waits: str) -> None:
    way = route(OutboundTls.UNKNOWN, cluster_missing=True, cluster_warming=True, rule=ref(), endpoints=())
    judged = case(
        address_alias(HTTP_TO_TLS),
        seen(by_envoy(503, 0), port=HTTP_TO_TLS, route=way, decision=decided("SIMPLE")),
        destination_rules=(destination_rule(tls=tls, workloadSelector={"matchLabels": {"app": "web"}}),),
        **TO_TLS,
    )
    finding = next(f for f in judge(judged).findings if f.code == "XS0304")
    assert finding.message.endswith(waits)


def test_a_cluster_that_gave_up_waiting_for_its_file_is_named_like_one_that_waits() -> None:
    """After 15 s Envoy lets it begin: what fails then is no handshake with the server."""
    way = route(OutboundTls.SIMPLE, rule=ref())
    failed = seen(by_envoy(503, 121), port=HTTP_TO_TLS, route=way, decision=decided("SIMPLE"))
    judged = case(
        address_alias(HTTP_TO_TLS),
        replace(failed, access_log=logged(transport="TLS_error:_Secret_is_not_supplied_by_SDS")),
        destination_rules=(destination_rule(tls={**FULL, "caCertificates": "/etc/ca.pem"}),),
        **TO_TLS,
    )
    assert said(judged) == [("XS0304", "error")]
    (finding,) = judge(judged).findings
    assert finding.message.endswith("has no secret: the proxy waited in vain for the file /etc/ca.pem")


@pytest.mark.parametrize(("status", "codes"), [(200, []), (404, []), (400, [("XS0305", "error")])])
def test_http_that_is_spoken_at_a_tls_port_is_rightly_named(status: int, codes: list[tuple[str, str]]) -> None:
    named = replace(HTTP, number=443, target_port=443)
    judged = case(
        address_alias(named),
        seen(by_origin(status, port=443), port=named, route=route()),
        endpoint_slices=(slice_of("203.0.113.20", number=443),),
        resolved=HEALTHY["resolved"],
    )
    assert said(judged) == codes


def test_a_database_that_was_not_called_is_a_warning() -> None:
    judged = case(
        address_alias(DB),
        seen(None, port=DB, route=route()),
        endpoint_slices=(slice_of("203.0.113.20", port="http-db", number=5432),),
        resolved=HEALTHY["resolved"],
    )
    assert said(judged) == [("XS0307", "warning")]


@pytest.mark.parametrize(
    ("port", "mesh_config", "codes"),
    [
        (AliasPort("", 22, 22, AppProtocol.AUTO), {}, [("XS0307", "warning")]),
        (AliasPort("", 22, 22, AppProtocol.AUTO), {"protocolDetectionTimeout": "0.100s"}, []),
        (AliasPort("tcp-ssh", 22, 22, AppProtocol.TCP), {}, []),
        (AliasPort("mysql", 3306, 3306, AppProtocol.MYSQL), {}, []),
        (AliasPort("", 5432, 5432, AppProtocol.AUTO), {}, []),
    ],
)
def test_a_port_without_a_name_waits_only_where_the_server_speaks_first(
    port: AliasPort, mesh_config: Json, codes: list[tuple[str, str]]
) -> None:
    judged = case(
        address_alias(port),
        seen(answer(scheme=Scheme.TCP, port=port.number), port=port, source=CRON),
        endpoint_slices=(slice_of("203.0.113.20", port=port.name or None, number=port.number),),
        resolved=HEALTHY["resolved"],
        mesh_config=mesh_config,
    )
    assert said(judged) == codes


@pytest.mark.parametrize(
    ("port", "words", "source", "codes"),
    [
        (AliasPort("", 2525, 2525, AppProtocol.AUTO), "220 mail.test ESMTP", CRON, [("XS0307", "warning")]),
        (AliasPort("", 2525, 2525, AppProtocol.AUTO), "", CRON, []),
        (AliasPort("tcp-mail", 2525, 2525, AppProtocol.TCP), "220 mail.test ESMTP", CRON, []),
        (AliasPort("", 5432, 5432, AppProtocol.AUTO), "ready", CRON, [("XS0307", "warning")]),
    ],
)
def test_a_server_that_was_heard_to_speak_first_is_told_at_whatever_port(
    port: AliasPort, words: str, source: Source, codes: list[tuple[str, str]]
) -> None:
    heard = answer(scheme=Scheme.TCP, port=port.number, first_words=words)
    judged = case(
        address_alias(port),
        seen(heard, port=port, source=source),
        endpoint_slices=(slice_of("203.0.113.20", port=port.name or None, number=port.number),),
        resolved=HEALTHY["resolved"],
    )
    assert said(judged) == codes
    evidence = [finding.evidence for finding in judge(judged).findings]
    assert evidence == [(f"the server says: {words}",) for _ in codes]


def test_without_istio_none_of_it_is_said() -> None:
    for judged in FIRING.values():
        plain = tuple(o for o in judged.observations if o.source == CRON)
        bare = replace(judged, observations=plain, snapshot=replace(judged.snapshot, mesh=Mesh(installed=False)))
        mesh_codes = {code for code, _ in said(bare)} - {"XS0306", "XS0606", "XS0410"}
        assert not {code for code in mesh_codes if code[2:4] in ("03", "06", "08")}


def test_no_rule_is_said_of_a_source_that_sees_it_otherwise() -> None:
    """Three namespaces: the alias's, another one, and the root's; the rule of the alias's own counts in all."""
    sources = (WEB, FRONT, replace(WEB, namespace="istio-system"))
    way = route(replace(FIRING["XS0608"].observations[0].route.tls), rule=ref())  # type: ignore[union-attr]
    judged = case(
        address_alias(HTTP_TO_TLS),
        *(seen(by_origin(200), port=HTTP_TO_TLS, route=way, source=source) for source in sources),
        destination_rules=(destination_rule(tls=FULL),),
        services=(service(),),
        **TO_TLS,
    )
    assert said(replayed(judged)) == []
