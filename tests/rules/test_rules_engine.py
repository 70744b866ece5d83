"""Rules as a whole: what they read, when they are skipped, what is cause and what is symptom."""

import re
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
    WEB,
    address_alias,
    address_answer,
    answer,
    by_envoy,
    by_origin,
    case,
    decided,
    destination_rule,
    in_clear,
    name_alias,
    not_served,
    nothing,
    ref,
    resolution_of,
    route,
    seen,
    slice_of,
    tried,
)
from worlds.rule_cases import FIRING, SILENT

from kubectl_extsvc.model.finding import Fact, Finding, Severity, Skipped
from kubectl_extsvc.model.observation import Case, Stage
from kubectl_extsvc.model.probe import Answer, Purpose, Scheme
from kubectl_extsvc.model.resolution import Reply, ResolutionUnknown
from kubectl_extsvc.model.route import OutboundTls, Route, RouteUnknown, TlsInEffect
from kubectl_extsvc.model.snapshot import Unread
from kubectl_extsvc.model.source import MeshMode
from kubectl_extsvc.rules import CAUSAL_ORDER, RULES, judge
from kubectl_extsvc.rules.family import SHELF, Rule, rule
from kubectl_extsvc.rules.judging import judge_by, missing_facts

READS = {
    "services": Fact.SERVICES,
    "endpoints": Fact.ENDPOINTS,
    "endpoint_slices": Fact.ENDPOINT_SLICES,
    "destination_rules": Fact.DESTINATION_RULES,
    "virtual_services": Fact.VIRTUAL_SERVICES,
    "service_entries": Fact.SERVICE_ENTRIES,
    "sidecars": Fact.SIDECARS,
    "network_policies": Fact.NETWORK_POLICIES,
    "pods": Fact.PODS,
    "mesh_config": Fact.MESH_CONFIG,
    "resolved": Fact.RESOLUTION,
    "outcomes": Fact.PROBES,
    "outcome": Fact.PROBES,
    "answers": Fact.PROBES,
    "answer": Fact.PROBES,
    "unanswered": Fact.PROBES,
    "access_log": Fact.PROBES,
    "route": Fact.PROXY,
    "computed": Fact.DESTINATION_RULES,
    "decision": Fact.DESTINATION_RULES,
    "resolution": Fact.NAME_PATH,
    "short_resolution": Fact.NAME_PATH,
    "target_resolution": Fact.NAME_PATH,
}
"""Attribute of a case's parts → the fact that reading it takes."""

UNNAMED = {"unread"}
"""Attributes for which there is no fact: no rule may read them."""


class Reading:
    """A case, or part of one, that notes which facts are read of it."""

    def __init__(self, of: Any, noted: set[Fact]) -> None:
        self._of, self._noted = of, noted

    def __getattr__(self, name: str) -> Any:
        assert name not in UNNAMED, f"{name} has no Fact"
        if name in READS:
            self._noted.add(READS[name])
        value = getattr(self._of, name)
        if name == "snapshot":
            return Reading(value, self._noted)
        if name == "observations":
            return tuple(Reading(each, self._noted) for each in value)
        return value


@pytest.mark.parametrize("one", RULES, ids=lambda one: one.code)
def test_rule_reads_only_facts_that_it_declares(one: Rule) -> None:
    noted: set[Fact] = set()
    for each in (*FIRING.values(), *SILENT.values()):
        list(one.judge(Reading(each, noted)))  # type: ignore[arg-type]
    assert noted - (one.needs | one.either | one.uses) == set()


@pytest.mark.parametrize("one", RULES, ids=lambda one: one.code)
def test_rule_reads_what_it_needs(one: Rule) -> None:
    noted: set[Fact] = set()
    for each in (*FIRING.values(), *SILENT.values()):
        list(one.judge(Reading(each, noted)))  # type: ignore[arg-type]
    assert (one.needs | one.either) - noted == set()


def test_an_undeclared_reading_is_seen() -> None:
    noted: set[Fact] = set()
    list(Reading(FIRING["XS0601"], noted).snapshot.service_entries)
    assert noted == {Fact.SERVICE_ENTRIES}


def test_a_code_cannot_be_used_twice() -> None:
    before = dict(SHELF)
    with pytest.raises(ValueError, match="XS0101 stands twice: 'ExternalName is an IP address' and 'Other'"):
        rule("XS0101", "Other", Severity.ERROR, Stage.NAME)(lambda _: ())
    assert before == SHELF


@pytest.mark.parametrize("one", RULES, ids=lambda one: one.code)
def test_page_says_what_why_how_seen_and_cured(one: Rule) -> None:
    headings = re.findall(r"^([A-Z][a-z]+) {2,}", one.page, re.MULTILINE)
    assert headings == ["Why", "Seen", "Cure", "Source"]
    assert len(one.page.splitlines()[0]) > 30


def forbidden(plural: str) -> Unread:
    return Unread(f"{plural}.x", "forbidden", f"list {plural}.x")


def test_rule_without_its_facts_is_skipped_with_the_right_that_unlocks_it() -> None:
    judged = judge(
        case(
            address_alias(),
            seen(by_origin(200), route=route()),
            seen(answer(status=200), source=CRON),
            unread={"endpointslices": forbidden("endpointslices"), "destinationrules": forbidden("destinationrules")},
            resolved={"api.pay.example": ("203.0.113.20",)},
        )
    )
    slices = ("endpointslices.x: forbidden", "list endpointslices.x")
    rules = ("destinationrules.x: forbidden", "list destinationrules.x")
    assert judged.skipped == (
        Skipped("XS0201", *slices),
        Skipped("XS0202", *slices),
        Skipped("XS0209", *slices),
        Skipped("XS0213", *slices),
        Skipped("XS0308", *rules),
        Skipped("XS0309", *rules),
        Skipped("XS0301", *rules),
        Skipped("XS0406", *rules),
        Skipped("XS0414", *rules),
        Skipped("XS0303", *rules),
        Skipped("XS0605", *slices),
        Skipped("XS0803", *rules),
    )
    assert judged.findings == ()


def test_source_that_gave_no_answer_skips_the_rules_about_answers() -> None:
    judged = judge(case(name_alias(), seen(nothing("no exec", "get and create pods/exec"), source=CRON), mesh=NO_ISTIO))
    assert {(skipped.reason, skipped.unlock) for skipped in judged.skipped} == {("no exec", "get and create pods/exec")}
    assert {"XS0102", "XS0205", "XS0502"} < {skipped.code for skipped in judged.skipped}


@pytest.mark.parametrize("unlock", ["", "a source with curl, python3 or wget (--from, --ephemeral, --probe-pods)"])
def test_skip_for_want_of_an_answer_is_unlocked_by_what_the_answer_wanted(unlock: str) -> None:
    missing = missing_facts(case(name_alias(), seen(nothing("the stream was lost", unlock)), mesh=NO_ISTIO))
    assert missing == {Fact.PROBES: Skipped("", "the stream was lost", unlock)}


def test_ways_of_names_that_no_pod_could_show_are_missing_and_those_not_asked_for_are_not() -> None:
    unknown = ResolutionUnknown("pod/cron-55 has no tool that tells", "a source with python3")
    ways = (unknown, resolution_of(tried(PAY_HOST, Reply.FOUND, "10.96.0.7")))
    lost, found = (seen(answer(status=200), source=CRON, resolution=each) for each in ways)
    assert missing_facts(case(name_alias(), lost, mesh=NO_ISTIO)) == {
        Fact.NAME_PATH: Skipped("", "pod/cron-55 has no tool that tells", "a source with python3")
    }
    assert missing_facts(case(name_alias(), lost, found, mesh=NO_ISTIO)) == {}
    assert missing_facts(case(name_alias(), seen(answer(status=200), source=CRON), mesh=NO_ISTIO)) == {}


def test_probes_that_were_not_wanted_name_no_right() -> None:
    missing = missing_facts(case(name_alias(), seen(nothing("not asked (--no-probe)")), mesh=NO_ISTIO))
    assert missing == {Fact.PROBES: Skipped("", "not asked (--no-probe)")}


def test_without_istio_its_facts_are_known_to_be_none() -> None:
    judged = judge(case(name_alias(), seen(answer(status=200), source=CRON), mesh=NO_ISTIO))
    assert (judged.findings, judged.skipped, judged.broken) == ((), (), ())
    assert sorted(judged.passed) == sorted(CAUSAL_ORDER)


def test_unreadable_proxy_leaves_the_rules_that_can_do_with_the_objects() -> None:
    judged = judge(
        case(
            address_alias(HTTP_TO_TLS),
            seen(by_origin(400), port=HTTP_TO_TLS, route=RouteUnknown("forbidden"), decision=NO_RULE),
            endpoint_slices=(slice_of("203.0.113.20", number=443),),
            resolved={"api.pay.example": ("203.0.113.20",)},
        )
    )
    assert [(f.code, f.evidence[:2]) for f in judged.findings] == [
        ("XS0407", ("no DestinationRule covers my-pay.shop.svc.cluster.local", "computed; the proxy was not read"))
    ]
    assert judged.skipped == tuple(
        Skipped(code, "forbidden", "get and create pods/exec") for code in ("XS0604", "XS0303")
    )


def say(code: str, severity: Severity, **fields: Any) -> Finding:
    return Finding(code, severity, Stage.HTTP, address_alias().service, "said", **fields)


def made(code: str, *findings: Finding, symptom: bool = False) -> Rule:
    return Rule(code, "t", Severity.ERROR, Stage.HTTP, lambda _: findings, symptom=symptom)


def both() -> Case:
    return case(address_alias(), seen(answer(status=200)), seen(answer(status=200), source=CRON))


def test_rule_that_raises_is_shown_as_broken_and_the_others_go_on() -> None:
    def raises(_: Case) -> list[Finding]:
        raise KeyError("spec")

    broken = replace(made("XS9901"), judge=raises)
    judged = judge_by((broken, made("XS9902", say("XS9902", Severity.INFO))), both())
    assert judged.broken == (Skipped("XS9901", "KeyError: 'spec'"),)
    assert [finding.code for finding in judged.findings] == ["XS9902"]
    assert judged.passed == ()


def test_symptom_is_silent_where_an_earlier_error_speaks_of_the_same_calls() -> None:
    cause = made("XS9901", say("XS9901", Severity.ERROR))
    symptom = made("XS9902", say("XS9902", Severity.ERROR, sources=(WEB.key,), ports=(80,)), symptom=True)
    judged = judge_by((cause, symptom), both())
    assert [finding.code for finding in judged.findings] == ["XS9901"]
    assert judged.passed == ()


def test_symptom_of_another_source_or_port_is_told() -> None:
    cause = made("XS9901", say("XS9901", Severity.ERROR, sources=(WEB.key,), ports=(80,)))
    elsewhere = say("XS9902", Severity.ERROR, sources=(CRON.key,), ports=(80,))
    other_port = say("XS9902", Severity.ERROR, sources=(WEB.key,), ports=(443,))
    judged = judge_by((cause, made("XS9902", elsewhere, other_port, symptom=True)), both())
    assert [(f.code, f.sources, f.ports) for f in judged.findings] == [
        ("XS9901", (WEB.key,), (80,)),
        ("XS9902", (CRON.key,), (80,)),
        ("XS9902", (WEB.key,), (443,)),
    ]


def test_a_warning_explains_nothing() -> None:
    rules = (
        made("XS9901", say("XS9901", Severity.WARNING)),
        made("XS9902", say("XS9902", Severity.ERROR), symptom=True),
    )
    assert [finding.code for finding in judge_by(rules, both()).findings] == ["XS9902", "XS9901"]


def test_findings_that_say_the_same_of_two_sources_become_one() -> None:
    findings = (
        say("XS9901", Severity.ERROR, sources=(WEB.key,), ports=(80,), evidence=("503",)),
        say("XS9901", Severity.ERROR, sources=(CRON.key,), ports=(80,), evidence=("curl 7", "503")),
    )
    assert judge_by((made("XS9901", *findings),), both()).findings == (
        say("XS9901", Severity.ERROR, sources=(WEB.key, CRON.key), ports=(80,), evidence=("503", "curl 7")),
    )


def codes(judged_case: Case) -> list[str]:
    return [finding.code for finding in judge(judged_case).findings]


def test_stale_address_that_still_answers_is_a_warning() -> None:
    stale = replace(
        FIRING["XS0203"],
        observations=(seen(by_origin(200), route=route()), seen(answer(status=200), source=CRON)),
    )
    (finding,) = judge(stale).findings
    assert (finding.code, finding.severity) == ("XS0203", Severity.WARNING)


def test_stale_address_with_anothers_certificate_is_an_error() -> None:
    stale = replace(
        FIRING["XS0203"],
        observations=(seen(answer(status=200), address_answer("203.0.113.20", 60), source=CRON),),
    )
    (finding,) = judge(stale).findings
    assert (finding.code, finding.severity) == ("XS0203", Severity.ERROR)


def test_addresses_of_the_other_family_do_not_make_a_record_stale() -> None:
    alias_case = replace(
        FIRING["XS0203"],
        observations=(seen(answer(status=200), source=CRON),),
        snapshot=replace(FIRING["XS0203"].snapshot, resolved={"api.pay.example": ("2001:db8::44",)}),
    )
    assert codes(alias_case) == []


def test_dead_rule_that_says_disable_is_information() -> None:
    dead = replace(
        FIRING["XS0301"],
        snapshot=replace(FIRING["XS0301"].snapshot, destination_rules=(destination_rule(tls={"mode": "DISABLE"}),)),
    )
    (finding,) = judge(dead).findings
    assert (finding.code, finding.severity) == ("XS0301", Severity.INFO)
    assert finding.cure == "kubectl delete destinationrule my-pay -n shop"


def test_rule_on_an_external_name_counts_before_istio_1_21() -> None:
    old = replace(FIRING["XS0301"].snapshot.mesh, version=(1, 20), api_version="v1beta1")
    assert codes(replace(FIRING["XS0301"], snapshot=replace(FIRING["XS0301"].snapshot, mesh=old))) == []


def test_lost_tls_of_a_dead_rule_is_told_once() -> None:
    """XS0407 sees the same plaintext, and is silent."""
    dead = case(
        name_alias(HTTP_TO_TLS),
        seen(by_origin(200), port=HTTP_TO_TLS, route=PASSTHROUGH, decision=NO_RULE),
        not_served(answer(status=0)),
        destination_rules=(destination_rule(tls={"mode": "SIMPLE"}),),
    )
    assert codes(dead) == ["XS0301"]


def test_external_name_whose_plain_port_answers_instead_of_tls_is_an_error() -> None:
    clear = case(
        name_alias(HTTP_TO_TLS),
        seen(by_origin(200), port=HTTP_TO_TLS, route=PASSTHROUGH, decision=NO_RULE),
    )
    assert codes(clear) == ["XS0407"]


def test_rule_hidden_by_export_to_is_cured_by_showing_it() -> None:
    other = replace(WEB, namespace="front")
    hidden = case(
        address_alias(HTTP_TO_TLS),
        seen(by_origin(400), source=other, port=HTTP_TO_TLS, route=route(), decision=NO_RULE),
        destination_rules=(destination_rule(tls={"mode": "SIMPLE", "sni": "api.pay.example"}, exportTo=["."]),),
        endpoint_slices=(slice_of("203.0.113.20", number=443),),
        resolved={"api.pay.example": ("203.0.113.20",)},
    )
    (finding,) = judge(hidden).findings
    assert (finding.code, finding.cure) == (
        "XS0407",
        'kubectl patch destinationrule my-pay -n shop --type=json -p \'[{"op":"remove","path":"/spec/exportTo"}]\'',
    )


def test_rule_hidden_by_the_meshs_default_is_cured_by_saying_that_it_is_for_all() -> None:
    other = replace(WEB, namespace="front")
    hidden = case(
        address_alias(HTTP_TO_TLS),
        seen(by_origin(400), source=other, port=HTTP_TO_TLS, route=route(), decision=NO_RULE),
        destination_rules=(destination_rule(tls={"mode": "SIMPLE", "sni": "api.pay.example"}),),
        endpoint_slices=(slice_of("203.0.113.20", number=443),),
        resolved={"api.pay.example": ("203.0.113.20",)},
        mesh_config={"defaultDestinationRuleExportTo": ["."]},
    )
    (finding,) = judge(hidden).findings
    assert (finding.code, finding.cure) == (
        "XS0407",
        "kubectl patch destinationrule my-pay -n shop --type=json -p "
        '\'[{"op":"add","path":"/spec/exportTo","value":["*"]}]\'',
    )


def test_service_hidden_by_annotation_is_cured_by_taking_it_off() -> None:
    other = replace(WEB, namespace="front")
    service = {
        "metadata": {
            "name": "my-pay",
            "namespace": "shop",
            "annotations": {"networking.istio.io/exportTo": "."},
        },
        "spec": {"ports": []},
    }
    hidden = case(
        address_alias(HTTP_TO_TLS),
        seen(by_origin(400), source=other, port=HTTP_TO_TLS, route=PASSTHROUGH, decision=NO_RULE),
        services=(service,),
        endpoint_slices=(slice_of("203.0.113.20", number=443),),
        resolved={"api.pay.example": ("203.0.113.20",)},
    )
    (finding,) = judge(hidden).findings
    assert (finding.code, finding.cure) == (
        "XS0407",
        "kubectl annotate service my-pay -n shop networking.istio.io/exportTo-",
    )


def test_annotation_that_names_the_sources_namespace_behind_a_blank_does_not_hide_the_service() -> None:
    other = replace(WEB, namespace="front")
    annotations = {"networking.istio.io/exportTo": "., front"}
    shown = case(
        address_alias(HTTP_TO_TLS),
        seen(by_origin(400), source=other, port=HTTP_TO_TLS, route=route(), decision=NO_RULE),
        services=({"metadata": {"name": "my-pay", "namespace": "shop", "annotations": annotations}, "spec": {}},),
        endpoint_slices=(slice_of("203.0.113.20", number=443),),
        resolved={"api.pay.example": ("203.0.113.20",)},
    )
    (finding,) = judge(shown).findings
    assert (finding.code, finding.cure) == (
        "XS0407",
        "kubectl extsvc create my-pay -n shop --address 203.0.113.20 --host api.pay.example --port http:80:443 "
        "--tls-mode SIMPLE --overwrite",
    )


def test_answer_in_clear_of_an_ambient_pod_is_not_judged() -> None:
    """A waypoint may have added TLS on the way."""
    ambient = replace(CRON, mode=MeshMode.AMBIENT)
    assert (
        codes(case(name_alias(HTTP_TO_TLS), not_served(answer(scheme=Scheme.TCP), in_clear(200), source=ambient))) == []
    )


def test_answer_in_clear_is_no_probe_for_the_other_rules() -> None:
    missing = missing_facts(case(name_alias(HTTP_TO_TLS), not_served(nothing("wget"), in_clear(200)), mesh=NO_ISTIO))
    assert missing == {Fact.PROBES: Skipped("", "wget")}


def test_port_level_rule_is_patched_where_its_tls_stands() -> None:
    found = destination_rule(
        tls={"mode": "DISABLE"},
    )
    found["spec"]["trafficPolicy"]["portLevelSettings"] = [
        {"port": {"number": 9000}},
        {"port": {"number": 80}, "tls": {"mode": "SIMPLE"}},
    ]
    judged = judge(replace(FIRING["XS0403"], snapshot=replace(FIRING["XS0403"].snapshot, destination_rules=(found,))))
    assert judged.findings[0].cure == (
        "kubectl patch destinationrule my-pay -n shop --type=json -p "
        '\'[{"op":"add","path":"/spec/trafficPolicy/portLevelSettings/1/tls/sni","value":"api.pay.example"},'
        '{"op":"add","path":"/spec/trafficPolicy/portLevelSettings/1/tls/subjectAltNames","value":["api.pay.example"]}]\''
    )


def test_mirrored_slice_is_cured_at_the_endpoints_that_it_mirrors() -> None:
    labels = {
        "kubernetes.io/service-name": "my-pay",
        "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io",
    }
    mirrored = case(
        address_alias(),
        seen(answer(7), source=CRON),
        endpoint_slices=(slice_of("203.0.113.20", port="web", labels=labels),),
        mesh=NO_ISTIO,
    )
    assert judge(mirrored).findings[0].cure == (
        "kubectl patch endpoints my-pay -n shop --type=json -p "
        '\'[{"op":"add","path":"/subsets/0/ports/0/name","value":"http"}]\''
    )


def _family(kind: str, address: str, port: str) -> Any:
    item = slice_of(address, port=port, kind=kind)
    return item | {"metadata": item["metadata"] | {"name": f"my-pay-{kind.lower()}"}}


def test_port_name_that_differs_in_one_family_only_is_told_of_that_family() -> None:
    both_families = case(
        address_alias(cluster_ips=("10.96.0.7", "fd00::7")),
        seen(answer(status=200), source=CRON),
        endpoint_slices=(_family("IPv4", "203.0.113.20", "http"), _family("IPv6", "2001:db8::20", "web")),
        resolved={"api.pay.example": ("203.0.113.20",)},
        mesh=NO_ISTIO,
    )
    (finding,) = judge(both_families).findings
    assert (finding.code, str(finding.subject), finding.message, finding.evidence) == (
        "XS0202",
        "endpointslice/my-pay-ipv6",
        'service/my-pay names its port 80 "http", endpointslice/my-pay-ipv6 has "web": no IPv6 endpoint',
        ("endpointslice/my-pay-ipv6 ports: web 80",),
    )


def test_port_name_in_a_family_that_the_service_has_not_is_nobodys_trouble() -> None:
    one_family = case(
        address_alias(cluster_ips=("10.96.0.7",)),
        endpoint_slices=(_family("IPv4", "203.0.113.20", "http"), _family("IPv6", "2001:db8::20", "web")),
    )
    assert list(SHELF["XS0202"].judge(one_family)) == []


MIRRORED = {
    "kubernetes.io/service-name": "my-pay",
    "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io",
}


@pytest.mark.parametrize(
    ("slices", "cure"),
    [
        (
            (slice_of("203.0.113.20"),),
            "kubectl patch endpointslice my-pay-ipv4 -n shop --type=json -p "
            '\'[{"op":"replace","path":"/endpoints","value":[{"addresses":["203.0.113.44"]}]}]\'',
        ),
        (
            (slice_of("203.0.113.20", labels=MIRRORED),),
            "kubectl patch endpoints my-pay -n shop --type=json -p "
            '\'[{"op":"replace","path":"/subsets/0/addresses","value":[{"ip":"203.0.113.44"}]}]\'',
        ),
        (
            (slice_of("203.0.113.20"), slice_of("203.0.113.21")),
            "kubectl extsvc create my-pay -n shop --host api.pay.example --lookup --port http:80 --adopt --overwrite",
        ),
    ],
    ids=["own slice", "mirrored", "two slices"],
)
def test_stale_addresses_of_others_are_cured_where_they_stand(slices: tuple[Any, ...], cure: str) -> None:
    stale = FIRING["XS0203"]
    foreign = replace(
        stale,
        alias=replace(stale.alias, managed=False),
        snapshot=replace(stale.snapshot, endpoint_slices=slices, resolved={"api.pay.example": ("203.0.113.44",)}),
    )
    assert judge(foreign).findings[0].cure == cure


def test_service_of_others_that_is_to_stand_for_something_else_is_adopted_and_overwritten() -> None:
    """create --adopt alone takes a Service over only as what it is."""
    foreign = replace(FIRING["XS0101"], alias=replace(FIRING["XS0101"].alias, managed=False))
    assert judge(foreign).findings[0].cure == (
        "kubectl extsvc create my-pay -n shop --address 203.0.113.5 --port http:80 --adopt --overwrite"
    )


@pytest.mark.parametrize(
    ("slices", "message"),
    [
        ((), "no EndpointSlice belongs to service/my-pay; a v1 Endpoints object counts only once it is mirrored"),
        (
            (slice_of("api.pay.example", kind="FQDN"),),
            "endpointslice/my-pay-ipv4 has addressType FQDN, which kube-proxy and Istio ignore",
        ),
        ((slice_of("203.0.113.20", ready=False),), "no endpoint of endpointslice/my-pay-ipv4 is ready"),
    ],
    ids=["none", "fqdn", "not-ready"],
)
def test_reason_why_no_endpoint_counts_is_named(slices: tuple[Any, ...], message: str) -> None:
    judged = judge(case(address_alias(), seen(answer(7), source=CRON), endpoint_slices=slices, mesh=NO_ISTIO))
    assert [(f.code, f.message) for f in judged.findings] == [("XS0201", message)]


def test_host_header_that_goes_past_the_alias_proves_nothing() -> None:
    """Behind a sidecar another Host takes another route; only passthrough makes the two requests alike."""
    other = answer(status=200, purpose=FIRING["XS0501"].observations[0].outcomes[1].transfer.purpose, host="x.example")
    own_cluster = case(
        address_alias(),
        seen(by_origin(404), other, route=route()),
        endpoint_slices=(slice_of("203.0.113.20"),),
        resolved={"api.pay.example": ("203.0.113.20",)},
    )
    passing = case(name_alias(), seen(by_origin(404), other, route=PASSTHROUGH))
    assert (codes(own_cluster), codes(passing)) == ([], ["XS0501"])


def test_plain_source_is_a_witness_where_the_sidecar_would_send_the_other_host_another_way() -> None:
    other = answer(status=200, purpose=Purpose.TARGET_HOST_HEADER)
    behind = seen(by_origin(404), other, route=route())
    facts: dict[str, Any] = {
        "endpoint_slices": (slice_of("203.0.113.20"),),
        "resolved": {"api.pay.example": ("203.0.113.20",)},
    }
    witnessed = judge(case(address_alias(), behind, seen(answer(status=404), other, source=CRON), **facts))
    assert [(f.code, f.sources) for f in witnessed.findings] == [("XS0501", (WEB.key, CRON.key))]
    for unlike in (answer(status=200), answer(status=403)):
        judged = judge(case(address_alias(), behind, seen(unlike, other, source=CRON), **facts))
        assert WEB.key not in {key for f in judged.findings if f.code == "XS0501" for key in f.sources}


def test_unchecked_name_is_not_spoken_of_where_the_tls_has_to_go() -> None:
    unchecked = TlsInEffect(OutboundTls.SIMPLE, sni="api.pay.example", ca="file-root:system")
    double = FIRING["XS0405"]
    (behind,) = double.observations
    found = destination_rule(tls={"mode": "SIMPLE", "sni": "api.pay.example"})
    judged = judge(
        replace(
            double,
            observations=(replace(behind, route=route(unchecked, rule=ref())),),
            snapshot=replace(double.snapshot, destination_rules=(found,)),
        )
    )
    assert [finding.code for finding in judged.findings] == ["XS0405"]


def test_older_cluster_that_serves_on_beside_a_warming_one_is_a_warning() -> None:
    warming = case(
        address_alias(),
        seen(by_origin(200), route=route(OutboundTls.DISABLE, cluster_warming=True), decision=decided("DISABLE")),
        destination_rules=(destination_rule(tls={"mode": "DISABLE"}),),
        endpoint_slices=(slice_of("203.0.113.20"),),
        resolved={"api.pay.example": ("203.0.113.20",)},
    )
    (finding,) = judge(warming).findings
    assert (finding.code, finding.severity, finding.subject) == ("XS0304", Severity.WARNING, ref())


def test_alias_of_ours_whose_service_entry_is_gone_is_written_anew() -> None:
    lost = FIRING["XS0304"]
    behind, *others = lost.observations
    gone = route(
        OutboundTls.UNKNOWN,
        envoy_cluster="outbound|80||my-pay.shop.extsvc.internal",
        cluster_missing=True,
        virtual_service=ref(),
        endpoints=(),
    )
    (finding,) = judge(replace(lost, observations=(replace(behind, route=gone), *others))).findings
    assert (finding.code, finding.cure) == (
        "XS0304",
        "kubectl extsvc create my-pay -n shop --external-name httpbin.org --port http:80 --overwrite",
    )


def test_names_in_evidence_are_stripped_of_control_characters() -> None:
    evil = case(name_alias(), seen(answer(52, error="a\x1b[31mb\nc"), source=CRON), mesh=NO_ISTIO)
    assert judge(evil).findings[0].evidence[0] == "curl 52: a[31mb c"


def test_every_failure_has_a_rule_that_speaks_of_it() -> None:
    for outcome in (*(answer(code) for code in (6, 7, 28, 35, 52, 55, 56, 60, 92)), answer(status=500)):
        for source in (WEB, CRON):
            for way in (route(), PASSTHROUGH, RouteUnknown("forbidden"), None):
                one = case(name_alias(), seen(outcome, source=source, route=way if source is WEB else None))
                assert codes(one) != [], (outcome.exit_code, source.mode, way)
    for length in (0, 18, 19, 95, 121):
        for status in (404, 502, 503, 504):
            one = case(name_alias(HTTP), seen(by_envoy(status, length), route=RouteUnknown("forbidden")))
            assert codes(one) != [], (status, length)


def test_selected_few_get_tls_and_the_others_plaintext_is_an_error_though_it_is_answered() -> None:
    few = destination_rule(tls={"mode": "SIMPLE"}, workloadSelector={"matchLabels": {"app": "other"}})
    spoken = seen(by_origin(200), port=HTTP, route=route(), decision=NO_RULE)
    one = case(
        address_alias(HTTP),
        replace(spoken, contract=replace(spoken.contract, originates=True)),
        destination_rules=(few,),
        endpoint_slices=(slice_of("203.0.113.20"),),
        resolved={"api.pay.example": ("203.0.113.20",)},
    )
    assert codes(one) == ["XS0407"]


def test_proxy_that_asks_for_the_wrong_name_does_not_make_a_changed_address_the_cause() -> None:
    moved = replace(
        FIRING["XS0403"],
        snapshot=replace(FIRING["XS0403"].snapshot, resolved={"api.pay.example": ("203.0.113.44",)}),
    )
    judged = judge(moved)
    assert [(f.code, f.severity) for f in judged.findings] == [
        ("XS0403", Severity.ERROR),
        ("XS0203", Severity.WARNING),
    ]


def test_subset_of_its_own_mode_is_not_held_against_the_replay() -> None:
    subset = replace(
        FIRING["XS0303"],
        observations=(
            seen(
                by_origin(200),
                route=route(OutboundTls.SIMPLE, envoy_cluster="outbound|80|v1|my-pay.shop.svc.cluster.local"),
                decision=NO_RULE,
            ),
        ),
    )
    assert codes(subset) == []


def test_tls_of_a_subset_is_cured_where_it_stands() -> None:
    firing = FIRING["XS0403"]
    (found,) = firing.observations[:1]
    assert isinstance(found.route, Route)
    to_subset = replace(found.route, envoy_cluster=f"outbound|80|v1|{PAY_HOST}")

    def cure(**subset: Any) -> str:
        rule = destination_rule(tls={"mode": "DISABLE"}, subsets=[{"name": "v0"}, {"name": "v1", **subset}])
        snapshot = replace(firing.snapshot, destination_rules=(rule,))
        observations = (replace(found, route=to_subset), *firing.observations[1:])
        return next(f for f in judge(replace(firing, snapshot=snapshot, observations=observations)).findings).cure

    simple = {"tls": {"mode": "SIMPLE"}}
    assert '"path":"/spec/subsets/1/trafficPolicy/tls/sni"' in cure(trafficPolicy=simple)
    level = {"port": {"number": 80}, **simple}
    assert '"path":"/spec/subsets/1/trafficPolicy/portLevelSettings/0/tls/sni"' in cure(
        trafficPolicy={"portLevelSettings": [level]}
    )
    assert '{"spec":{"trafficPolicy":{"tls":{"sni":' in cure()


def test_call_that_went_well_refutes_a_dump_of_another_moment() -> None:
    for way in (route(cluster_missing=True), replace(PASSTHROUGH, envoy_cluster="BlackHoleCluster")):
        assert codes(case(name_alias(), seen(by_origin(200), route=way))) == []


def test_too_many_requests_is_not_the_hosts_fault() -> None:
    busy, other = FIRING["XS0501"].observations[0].outcomes
    assert isinstance(busy, Answer)
    assert codes(case(name_alias(), seen(replace(busy, status=429), other, source=CRON))) == []


def test_symptom_that_reaches_further_than_its_cause_is_told() -> None:
    cause = made("XS9901", say("XS9901", Severity.ERROR, sources=(WEB.key,)))
    judged = judge_by((cause, made("XS9902", say("XS9902", Severity.ERROR), symptom=True)), both())
    assert [finding.code for finding in judged.findings] == ["XS9901", "XS9902"]
