"""What the rules say of worlds that were recorded on a real mesh."""

import pytest
from worlds.recorded import NAMES
from worlds.recorded_cases import recorded_case

from kubectl_extsvc.model.finding import Severity
from kubectl_extsvc.model.observation import Stage
from kubectl_extsvc.model.report import SourceReport
from kubectl_extsvc.model.route import Route
from kubectl_extsvc.rules import judge
from kubectl_extsvc.rules.stages import first_difference, stages_of
from kubectl_extsvc.rules.tls_summary import tls_summary

NO_RULE = "plaintext: no rule applies (auto-mTLS)"
PASSES = "passthrough: no rule can apply"

EXPECTED: dict[str, tuple[str, Stage | None, str]] = {
    "credential-without-selector/http": (
        "XS0406", None, "plaintext, although destinationrule/my-httpbin-ip says SIMPLE"),
    "credential-without-selector/tls-server": (
        "XS0406", None, "plaintext, although destinationrule/my-pay says SIMPLE"),
    "disable/http": ("", None, "DISABLE by destinationrule/my-httpbin-ip"),
    "double-tls/https": ("XS0405", Stage.TLS, "SIMPLE by destinationrule/my-wikipedia"),
    "dr-client-namespace-wins/http": ("XS0302", Stage.TLS, "ISTIO_MUTUAL by destinationrule/wildcard"),
    "dr-fourth-namespace/http": ("", None, NO_RULE),
    "dr-two-for-one-host/http": ("XS0309", None, "DISABLE by destinationrule/a-first"),
    "endpoint-refuses/http": ("XS0205", None, NO_RULE),
    "endpoint-silent/http": ("XS0205", None, NO_RULE),
    "externalname-chain/http": ("", None, "plaintext: no rule applies"),
    "externalname-simple-on-alias/http": ("XS0301", None, PASSES),
    "externalname-trailing-dot/http": ("XS0601", Stage.ROUTE, "none: the proxy blocks it"),
    "externalname-wildcard-serviceentry/alias": ("XS0601", Stage.ROUTE, "none: the proxy blocks it"),
    "externalname-with-serviceentry/http": ("", None, "SIMPLE by destinationrule/httpbin-org"),
    "headless/http": ("", None, "plaintext: no rule applies"),
    "istio-mutual-wildcard/http": ("XS0302", Stage.TLS, "ISTIO_MUTUAL by destinationrule/wildcard-mutual"),
    "istio-mutual-wildcard/externalname": ("", None, PASSES),
    "istio-mutual-wildcard-with-disable/http": ("", None, "DISABLE by destinationrule/my-httpbin-ip"),
    "istio-mutual-wildcard-with-disable/externalname": ("", None, PASSES),
    "mutual/http": ("", None, "MUTUAL by destinationrule/my-pay"),
    "mutual-secret-not-readable/http": ("XS0304", None, "none: the proxy has no cluster for it"),
    "passthrough-allow-any/http": ("", None, PASSES),
    "passthrough-dynamic-dns/http": ("", None, PASSES),
    "passthrough-raw-tcp/http": ("", None, PASSES),
    "plaintext-automtls/http": ("", None, NO_RULE),
    "port-name-mismatch/http": ("XS0202", None, NO_RULE),
    "protocol-mismatch/http-to-tls-server": ("XS0407", None, NO_RULE),
    "recipe-externalname-tls-origination/http": ("", None, "SIMPLE by destinationrule/my-pay"),
    "registry-only-block-all/http": ("XS0601", Stage.ROUTE, "none: the proxy blocks it"),
    "registry-only-raw-tcp/http": ("XS0601", Stage.ROUTE, "none: the proxy blocks it"),
    "registry-only-with-serviceentry/http": ("", None, "SIMPLE by destinationrule/httpbin-org"),
    "seed-endpoints/https": ("", None, "DISABLE by destinationrule/my-wikipedia"),
    "seed-externalname/http": ("XS0301", None, PASSES),
    "sidecar-scope/externalname": ("XS0603", Stage.ROUTE, "none: the proxy blocks it"),
    "sidecar-scope/selectorless": ("XS0603", Stage.ROUTE, "none: the proxy blocks it"),
    "simple-no-sni/http": ("XS0403", None, "SIMPLE by destinationrule/my-pay"),
    "simple-no-sni-lenient-server/http": ("XS0402", None, "SIMPLE by destinationrule/my-httpbin-ip"),
    "simple-sni-no-san/http": ("XS0404", None, "SIMPLE by destinationrule/my-httpbin-ip"),
    "simple-sni-san/http": ("", None, "SIMPLE by destinationrule/my-pay"),
    "simple-wrong-san/http": ("XS0409", None, "SIMPLE by destinationrule/my-httpbin-ip"),
    "tcp-port/http": ("", None, NO_RULE),
    "unnamed-port/http": ("", None, NO_RULE),
    "vs-on-alias/http": ("XS0304", Stage.ROUTE, "none: the proxy has no cluster for it"),
    "vs-rewrite-authority/http": ("", None, "SIMPLE by destinationrule/my-pay"),
    "vs-to-alias-with-port/http": ("", None, "plaintext: no rule applies"),
    "vs-to-alias-without-port/http": ("XS0304", Stage.ROUTE, "none: the proxy has no cluster for it"),
}  # fmt: skip
"""Probe → code of the only finding ("" = healthy), Δ, TLS mode in effect; by hand, from the worlds' descriptions."""

OTHERS = {"se-tcp-without-address", "headless-tcp"}
"""Probes of the one go to a port that its alias does not have; the dump of the other was cut too far (README there)."""

WITHOUT_LOG = {"simple-no-sni/http": "XS0402"}
"""Where the access log alone tells which of two it is."""


def codes(key: str, *, hosts: bool = True, access_log: bool = True) -> list[str]:
    judgement = judge(recorded_case(key, hosts=hosts, access_log=access_log))
    assert judgement.broken == ()
    return [finding.code for finding in judgement.findings]


@pytest.mark.parametrize("key", EXPECTED)
def test_cause_is_the_only_finding(key: str) -> None:
    assert codes(key) == [code for code in (EXPECTED[key][0],) if code]


@pytest.mark.parametrize("key", EXPECTED)
def test_cause_is_found_without_an_access_log(key: str) -> None:
    assert codes(key, access_log=False) == [code for code in (WITHOUT_LOG.get(key, EXPECTED[key][0]),) if code]


@pytest.mark.parametrize("key", [key for key, (code, _, _) in EXPECTED.items() if not code])
def test_healthy_alias_of_bare_addresses_stays_without_findings(key: str) -> None:
    assert codes(key, hosts=False) == []


@pytest.mark.parametrize("key", EXPECTED)
def test_first_difference_is_a_difference_and_no_other_name_for_the_same(key: str) -> None:
    case = recorded_case(key)
    assert first_difference(SourceReport(o, stages_of(o, case)) for o in case.observations) == EXPECTED[key][1]


@pytest.mark.parametrize("key", EXPECTED)
def test_tls_mode_in_effect_and_who_decided_it(key: str) -> None:
    assert tls_summary(recorded_case(key)) == EXPECTED[key][2]


@pytest.mark.parametrize("key", EXPECTED)
def test_proxy_does_what_follows_from_the_objects(key: str) -> None:
    seen = recorded_case(key).observations[0]
    assert isinstance(seen.route, Route)
    assert isinstance(seen.computed, Route)
    assert (seen.route.observed, seen.computed.observed) == (True, False)
    assert _end(seen.computed) == _end(seen.route)


def _end(route: Route) -> tuple[object, ...]:
    return route.envoy_cluster, route.direct_response, route.rule, route.tls.mode


def test_every_recorded_world_is_judged() -> None:
    assert {key.partition("/")[0] for key in EXPECTED} | OTHERS == set(NAMES)


def test_the_tasks_own_rule_on_an_external_name_is_only_information() -> None:
    assert [finding.severity for finding in judge(recorded_case("seed-externalname/http")).findings] == [Severity.INFO]


def test_simple_without_sni_is_cured_by_the_patch_of_the_rule() -> None:
    (finding,) = judge(recorded_case("simple-no-sni/http")).findings
    assert finding.evidence == (
        "503 URX,UF TLSV1_ALERT_UNRECOGNIZED_NAME; destinationrule/my-pay has no tls.sni",
    )  # fmt: skip
    assert finding.cure == (
        "kubectl patch destinationrule my-pay -n default --type=merge -p "
        '\'{"spec":{"trafficPolicy":{"tls":{"sni":"api.pay.example","subjectAltNames":["api.pay.example"]}}}}\''
    )


def test_wildcard_of_the_clients_namespace_is_undone_in_that_namespace() -> None:
    (finding,) = judge(recorded_case("dr-client-namespace-wins/http")).findings
    assert finding.cure == (
        'echo \'{"apiVersion":"networking.istio.io/v1","kind":"DestinationRule","metadata":{"name":"my-httpbin-ip-tls",'
        '"namespace":"default"},"spec":{"host":"my-httpbin-ip.without-istio.svc.cluster.local","trafficPolicy":'
        '{"tls":{"mode":"DISABLE"}}}}\' | kubectl apply -f -'
    )


def test_final_dot_is_named_as_what_keeps_the_service_entry_away() -> None:
    (finding,) = judge(recorded_case("externalname-trailing-dot/http")).findings
    assert finding.message == (
        'serviceentry/httpbin-org is for "httpbin.org", externalName is "httpbin.org.": the proxy blocks it'
    )


def test_certificate_that_lacks_the_name_is_read_from_the_access_log() -> None:
    (finding,) = judge(recorded_case("simple-wrong-san/http")).findings
    assert finding.message == "the certificate is for httpbin.org, *.httpbin.org, and other.example is expected"
