"""Rules as a table and as a page."""

import json

from kubectl_extsvc.model.finding import Severity
from kubectl_extsvc.model.observation import Stage
from kubectl_extsvc.output.rules_text import RuleRow, rule_page, rules_table

RULES: list[RuleRow] = [
    ("XS0102", Severity.WARNING, Stage.NAME, "externalName ends in a dot"),
    ("XS0403", Severity.ERROR, Stage.TLS, "SNI is the alias's own name"),
]


def test_table_lists_code_severity_stage_and_title() -> None:
    assert rules_table(RULES) == (
        "CODE     SEVERITY   STAGE   TITLE\n"
        "XS0102   warning    name    externalName ends in a dot\n"
        "XS0403   error      tls     SNI is the alias's own name\n"
    )


def test_output_name_lists_the_codes() -> None:
    assert rules_table(RULES, "name") == "XS0102\nXS0403\n"


def test_output_json_is_a_rule_list() -> None:
    assert json.loads(rules_table(RULES[1:], "json")) == {
        "apiVersion": "extsvc.dev/v1alpha1",
        "kind": "RuleList",
        "items": [{"code": "XS0403", "severity": "error", "stage": "tls", "title": "SNI is the alias's own name"}],
    }


def test_page_has_the_facts_above_the_rule_s_own_words() -> None:
    page = rule_page(
        *RULES[1],
        needs=frozenset({"probes", "destinationrules.networking.istio.io"}),
        page="Envoy takes the SNI from the Host header.\n\nCure: set sni.\n",
    )
    assert page == (
        "XS0403  SNI is the alias's own name\n"
        "\n"
        "Severity:   error\n"
        "Stage:      tls\n"
        "Needs:      destinationrules.networking.istio.io, probes\n"
        "\n"
        "Envoy takes the SNI from the Host header.\n"
        "\n"
        "Cure: set sni.\n"
    )


def test_rule_that_needs_nothing_says_so() -> None:
    assert "Needs:      nothing\n" in rule_page(*RULES[0], needs=(), page="")
