"""Why a sidecar sends plaintext: the reason is named, and after the cure the lookup ends at a rule that adds TLS."""

# ruff: noqa: E501 - the findings are given as they are printed

import copy
from dataclasses import replace
from typing import Any

import pytest
from worlds.cases import (
    HTTP_TO_TLS,
    PASSTHROUGH,
    PAY_HOST,
    WEB,
    address_alias,
    by_origin,
    case,
    decided,
    destination_rule,
    ref,
    route,
    seen,
    slice_of,
)

from kubectl_extsvc.mesh.destination_rules import decision_for
from kubectl_extsvc.model.finding import Finding, Severity
from kubectl_extsvc.model.fix import Apply, JsonPatch, MergePatch, Step
from kubectl_extsvc.model.observation import Case
from kubectl_extsvc.model.probe import Answer
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.route import OutboundTls, Route, RouteUnknown
from kubectl_extsvc.model.source import Source
from kubectl_extsvc.rules import judge
from kubectl_extsvc.rules.family import SHELF

SIMPLE = {"mode": "SIMPLE", "sni": "api.pay.example", "subjectAltNames": ["api.pay.example"]}
FRONT = replace(WEB, namespace="front")
ALIAS = address_alias(HTTP_TO_TLS)
SERVICE: Json = {"metadata": {"name": "my-pay", "namespace": "shop"}, "spec": {"ports": [{"name": "http", "port": 80}]}}


def made(name: str, age: int, namespace: str = "shop", host: str = PAY_HOST, **spec: Any) -> Json:
    rule = destination_rule(name, host, namespace, **spec)
    rule["metadata"]["creationTimestamp"] = f"2026-01-0{age}T00:00:00Z"
    return rule


def refused(*rules: Json, source: Source = WEB, way: Route | RouteUnknown | None = None) -> Case:
    """400 from the TLS port, which got plain HTTP."""
    facts: dict[str, Any] = {
        "services": (SERVICE,),
        "destination_rules": rules,
        "endpoint_slices": (slice_of("203.0.113.20", number=443),),
        "resolved": {"api.pay.example": ("203.0.113.20",)},
    }
    blank = case(ALIAS, **facts)
    decision = decision_for(ALIAS, 80, source, blank.snapshot)
    return case(
        ALIAS, seen(by_origin(400), port=HTTP_TO_TLS, source=source, route=way or route(), decision=decision), **facts
    )


SELECTS_OTHERS: dict[str, Any] = {"workloadSelector": {"matchLabels": {"app": "other"}}}

REASONS: dict[str, tuple[Case, str, str]] = {
    "hidden by exportTo": (
        refused(made("pay", 1, tls=SIMPLE, exportTo=["."]), source=FRONT),
        "destinationrule/pay, which would add TLS, does not count: it is private to namespace shop",
        "destinationrule/pay (namespace shop): it is private to namespace shop",
    ),
    "in a fourth namespace": (
        refused(made("pay", 1, "infra", tls=SIMPLE)),
        "destinationrule/pay, which would add TLS, does not count: namespace infra is neither the client's (shop), nor "
        "the Service's (shop), nor the root namespace (istio-system)",
        "destinationrule/pay (namespace infra): namespace infra is neither the client's (shop), nor the Service's "
        "(shop), nor the root namespace (istio-system)",
    ),
    "hidden by a wildcard of the client's namespace": (
        refused(made("pay", 1, tls=SIMPLE), made("wide", 2, "front", "*.local", tls={"mode": "DISABLE"}), source=FRONT),
        "destinationrule/pay, which would add TLS, does not count: the client's namespace front is looked through first "
        "and has a rule that covers the host",
        "destinationrule/pay (namespace shop): the client's namespace front is looked through first and has a rule that "
        "covers the host",
    ),
    "the lookup stops": (
        refused(made("pay", 1, tls=SIMPLE), made("few", 2, "front", **SELECTS_OTHERS), source=FRONT),
        "destinationrule/pay, which would add TLS, does not count: the client's namespace front is looked through first "
        "and has a rule that covers the host",
        "destinationrule/pay (namespace shop): the client's namespace front is looked through first and has a rule that "
        "covers the host",
    ),
    "swallowed by a rule with a selector": (
        refused(made("pay", 1, tls=SIMPLE, exportTo=["."]), made("few", 2, tls=SIMPLE, **SELECTS_OTHERS)),
        "destinationrule/pay, which would add TLS, does not count: being private, it was merged into destinationrule/few, "
        "whose workloadSelector does not select the client",
        "destinationrule/pay (namespace shop): being private, it was merged into destinationrule/few, whose "
        "workloadSelector does not select the client",
    ),
    "an older rule wins whole": (
        refused(made("old", 1, trafficPolicy={"connectionPool": {}}), made("pay", 2, tls=SIMPLE)),
        "destinationrule/pay, which would add TLS, does not count: the older destinationrule/old has the same host, and "
        "its trafficPolicy counts whole",
        "destinationrule/pay (namespace shop): the older destinationrule/old has the same host, and its trafficPolicy "
        "counts whole",
    ),
    "a rule of another exportTo is younger": (
        refused(made("pay", 1, tls=SIMPLE), made("new", 2, tls={"mode": "DISABLE"}, exportTo=["*"])),
        "destinationrule/pay, which would add TLS, does not count: destinationrule/new has the same host but another "
        "exportTo, and of such rules the youngest counts",
        "destinationrule/pay (namespace shop): destinationrule/new has the same host but another exportTo, and of such "
        "rules the youngest counts",
    ),
    "a more specific rule": (
        refused(made("wide", 1, host="*.local", tls=SIMPLE), made("pay", 2, tls={"mode": "DISABLE"})),
        "destinationrule/wide, which would add TLS, does not count: destinationrule/pay in the same namespace has the "
        "more specific host my-pay.shop.svc.cluster.local",
        "destinationrule/wide (namespace shop): destinationrule/pay in the same namespace has the more specific host "
        "my-pay.shop.svc.cluster.local",
    ),
    "TLS for another port": (
        refused(made("pay", 1, trafficPolicy={"portLevelSettings": [{"port": {"number": 443}, "tls": SIMPLE}]})),
        "destinationrule/pay adds TLS on port 443 only",
        "destinationrule/pay in the client's namespace shop covers my-pay.shop.svc.cluster.local",
    ),
    "a rule that says DISABLE": (
        refused(made("pay", 1, tls={"mode": "DISABLE"})),
        "destinationrule/pay says DISABLE",
        "destinationrule/pay in the client's namespace shop covers my-pay.shop.svc.cluster.local",
    ),
    "a wildcard rule that says DISABLE": (
        refused(made("wide", 1, host="*.local", tls={"mode": "DISABLE"})),
        "destinationrule/wide says DISABLE for *.local",
        "destinationrule/wide in the client's namespace shop covers my-pay.shop.svc.cluster.local by *.local",
    ),
    "a host with one dot": (
        refused(made("pay", 1, host="my-pay.shop", tls=SIMPLE)),
        'destinationrule/pay is for the host "my-pay.shop", and the alias\'s calls go to my-pay.shop.svc.cluster.local',
        "destinationrule/pay (namespace shop) spec.host: my-pay.shop",
    ),
    "the outside name": (
        refused(made("pay", 1, host="api.pay.example", tls=SIMPLE)),
        'destinationrule/pay is for the host "api.pay.example", and the alias\'s calls go to my-pay.shop.svc.cluster.local',
        "destinationrule/pay (namespace shop) spec.host: api.pay.example",
    ),
    "a selector that does not select": (
        refused(made("few", 1, tls=SIMPLE, **SELECTS_OTHERS)),
        "destinationrule/few, which would add TLS, does not count: its workloadSelector does not select the client",
        "destinationrule/few (namespace shop): its workloadSelector does not select the client",
    ),
}  # fmt: skip


def found(one: Case) -> Finding:
    """What XS0407 says by itself; where a rule on lost rules (XS0308, XS0309) speaks first, it is silent."""
    (finding,) = SHELF["XS0407"].judge(one)
    return finding


@pytest.mark.parametrize("name", REASONS)
def test_plaintext_is_told_once(name: str) -> None:
    judged = judge(REASONS[name][0])
    codes = {finding.code for finding in judged.findings}
    assert codes == {"XS0407"} or (codes <= {"XS0308", "XS0309"} and codes), codes
    assert judged.broken == ()


@pytest.mark.parametrize("name", REASONS)
def test_reason_is_named_in_the_message_and_first_in_the_evidence(name: str) -> None:
    one, why, first = REASONS[name]
    finding = found(one)
    client = one.observations[0].source.namespace
    assert finding.message == f"sidecars in namespace {client} send plaintext to api.pay.example: {why}"
    assert finding.evidence[0] == first
    assert finding.evidence[-2:] == (
        "observed: outbound|80||my-pay.shop.svc.cluster.local auto-mTLS: plaintext", "status 400",
    )  # fmt: skip


@pytest.mark.parametrize("name", [name for name in REASONS if name != "a selector that does not select"])
def test_after_the_cure_a_rule_adds_tls_for_the_source(name: str) -> None:
    one = REASONS[name][0]
    (step,) = found(one).fix
    cured = replace(one.snapshot, destination_rules=changed(one.snapshot.destination_rules, step))
    decision = decision_for(ALIAS, 80, one.observations[0].source, cured)
    assert decision is not None
    assert decision.mode == "SIMPLE", decision


def test_tls_for_one_more_port_leaves_the_other_as_it_is() -> None:
    one = REASONS["TLS for another port"][0]
    (step,) = found(one).fix
    cured = replace(one.snapshot, destination_rules=changed(one.snapshot.destination_rules, step))
    assert decision_for(ALIAS, 443, WEB, one.snapshot) == decision_for(ALIAS, 443, WEB, cured)


def test_labels_are_a_persons_to_set() -> None:
    finding = found(REASONS["a selector that does not select"][0])
    assert (finding.cure, finding.fix) == (
        "label the source's pods app=other, or change workloadSelector: kubectl get destinationrule few -n shop -o yaml",
        (),
    )


def test_rule_that_would_add_tls_where_the_request_passes_by_is_named() -> None:
    finding = found(refused(made("pay", 1, tls=SIMPLE), way=PASSTHROUGH))
    assert finding.message == (
        "sidecars in namespace shop send plaintext to api.pay.example: they do not know my-pay.shop.svc.cluster.local, "
        "though destinationrule/pay would add TLS there"
    )


def test_gap_of_port_settings_is_the_only_cause_named() -> None:
    policy = {"tls": SIMPLE, "portLevelSettings": [{"port": {"number": 80}, "loadBalancer": {"simple": "RANDOM"}}]}
    one = refused(made("pay", 1, trafficPolicy=policy))
    (finding,) = judge(one).findings
    assert (finding.code, finding.subject) == ("XS0414", ref("pay"))
    (step,) = finding.fix
    cured = replace(one.snapshot, destination_rules=changed(one.snapshot.destination_rules, step))
    decision = decision_for(ALIAS, 80, WEB, cured)
    assert decision is not None
    assert decision.mode == "SIMPLE"


@pytest.mark.parametrize(
    ("outcome", "severity"),
    [(by_origin(200), Severity.WARNING), (None, Severity.WARNING), (by_origin(400), Severity.ERROR)],
)
def test_gap_on_a_port_that_need_not_be_tls_is_an_error_only_where_calls_fail(
    outcome: Answer | None, severity: Severity
) -> None:
    policy = {"tls": SIMPLE, "portLevelSettings": [{"port": {"number": 80}}]}
    one = case(
        address_alias(),
        seen(outcome, route=route(OutboundTls.DISABLE, rule=ref("pay")), decision=decided("", "pay")),
        destination_rules=(made("pay", 1, trafficPolicy=policy),),
        endpoint_slices=(slice_of("203.0.113.20"),),
        resolved={"api.pay.example": ("203.0.113.20",)},
    )
    assert [(f.code, f.severity) for f in judge(one).findings] == [("XS0414", severity)]


def test_port_settings_without_tls_under_disable_are_nobodys_trouble() -> None:
    policy = {"tls": {"mode": "DISABLE"}, "portLevelSettings": [{"port": {"number": 80}}]}
    one = case(
        address_alias(),
        seen(by_origin(200), route=route(OutboundTls.AUTO_PLAINTEXT)),
        destination_rules=(made("pay", 1, trafficPolicy=policy),),
        endpoint_slices=(slice_of("203.0.113.20"),),
        resolved={"api.pay.example": ("203.0.113.20",)},
    )
    assert judge(one).findings == ()


def changed(rules: tuple[Json, ...], step: Step) -> tuple[Json, ...]:
    """DestinationRules after a step, as the API server would leave them."""
    if isinstance(step, Apply):
        return (*rules, {**step.obj, "metadata": {**step.obj["metadata"], "creationTimestamp": "2026-02-01T00:00:00Z"}})
    assert isinstance(step, MergePatch | JsonPatch)
    return tuple(_patched(rule, step) if ref_of(rule) == step.ref else rule for rule in rules)


def ref_of(rule: Json) -> Any:
    return ref(rule["metadata"]["name"], rule["metadata"]["namespace"])


def _patched(rule: Json, step: MergePatch | JsonPatch) -> Json:
    rule = copy.deepcopy(rule)
    if isinstance(step, MergePatch):
        _merge(rule, step.patch)
        return rule
    for operation in step.patch:
        *way, last = operation["path"].strip("/").split("/")
        place: Any = rule
        for key in way:
            place = place[int(key)] if isinstance(place, list) else place[key]
        if operation["op"] == "remove":
            del place[last]
        elif isinstance(place, list) and last == "-":
            place.append(operation["value"])
        else:
            place[last] = operation["value"]
    return rule


def _merge(into: Json, patch: Json) -> None:
    for key, value in patch.items():
        if isinstance(value, dict):
            _merge(into.setdefault(key, {}), value)
        elif value is None:
            into.pop(key, None)
        else:
            into[key] = value
