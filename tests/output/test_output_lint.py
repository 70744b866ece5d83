"""What lint found, as lines, JSON and SARIF."""

import json

import pytest

from kubectl_extsvc.model.finding import Finding, Severity, Skipped
from kubectl_extsvc.model.lint import LintReport, Located, Place, Problem
from kubectl_extsvc.model.observation import Stage
from kubectl_extsvc.model.resources import ObjectRef
from kubectl_extsvc.output.lint_text import lint_json, lint_summary, lint_text
from kubectl_extsvc.output.sarif import RulePage, sarif

SUBJECT = ObjectRef("DestinationRule", "shop", "my-pay")
WARNING = Finding("XS0404", Severity.WARNING, Stage.TLS, SUBJECT, "no names\x1b[2J", cure="kubectl patch it")
ERROR = Finding("XS0101", Severity.ERROR, Stage.NAME, SUBJECT, "an address", ports=(80,))
REPORT = LintReport(
    findings=(Located(WARNING, Place("a b.yaml", 9, 5)), Located(ERROR, Place("/etc/x.yaml", 1, 1))),
    problems=(Problem(Place("c.yaml", 2, 3), "no YAML"),),
    files=3,
    aliases=2,
    skipped=(Skipped("XS0102", "no source was asked"), Skipped("XS0103", "no source was asked")),
)
RULES = [
    RulePage("XS0101", Severity.ERROR, "An address", "An ExternalName that is an address.\n\nWhy ..."),
    RulePage("XS0404", Severity.WARNING, "No names", "Nobody checks the name.\n\nWhy ..."),
    RulePage("XS0301", Severity.INFO, "A rule without effect", ""),
]


def test_a_finding_is_a_line_that_editors_can_follow_with_its_cure_below() -> None:
    assert lint_text(REPORT).splitlines() == [
        "a b.yaml:9:5: XS0404 warning: no names[2J",
        "    cure  kubectl patch it",
        "/etc/x.yaml:1:1: XS0101 error: an address",
    ]


@pytest.mark.parametrize(
    ("report", "summary"),
    [
        (REPORT, "1 error, 1 warning in 2 aliases, 3 files · 2 rules need a cluster (verify)"),
        (LintReport((), (), 1, 1), "nothing wrong in 1 alias, 1 file"),
        (LintReport((), (), 2, 0), "no alias in 2 files"),
        (LintReport(REPORT.findings[:1], (), 1, 0), "1 warning in 0 aliases, 1 file"),
    ],
)
def test_the_summary_counts_what_there_was_and_what_nobody_could_look_at(report: LintReport, summary: str) -> None:
    assert lint_summary(report) == summary


def test_json_has_every_finding_with_its_place_and_every_problem() -> None:
    written = json.loads(lint_json(REPORT))
    assert [(f["code"], f["file"], f["line"], f["column"]) for f in written["findings"]] == [
        ("XS0404", "a b.yaml", 9, 5),
        ("XS0101", "/etc/x.yaml", 1, 1),
    ]
    assert written["problems"] == [{"file": "c.yaml", "line": 2, "column": 3, "message": "no YAML"}]
    assert (written["kind"], written["files"], written["aliases"]) == ("LintReport", 3, 2)
    assert [skipped["code"] for skipped in written["skipped"]] == ["XS0102", "XS0103"]


def test_sarif_has_a_rule_for_each_code_and_a_result_for_each_finding() -> None:
    log = json.loads(sarif(REPORT, RULES))
    (run,) = log["runs"]
    assert log["version"] == "2.1.0"
    assert run["tool"]["driver"]["rules"][1:] == [
        {
            "id": "XS0404",
            "shortDescription": {"text": "No names"},
            "fullDescription": {"text": "Nobody checks the name."},
            "help": {"text": "Nobody checks the name.\n\nWhy ..."},
            "defaultConfiguration": {"level": "warning"},
        },
        {
            "id": "XS0301",
            "shortDescription": {"text": "A rule without effect"},
            "fullDescription": {"text": "A rule without effect"},
            "help": {"text": "A rule without effect"},
            "defaultConfiguration": {"level": "note"},
        },
    ]
    assert run["results"][0] == {
        "ruleId": "XS0404",
        "ruleIndex": 1,
        "level": "warning",
        "message": {"text": "no names\x1b[2J\nCure: kubectl patch it"},
        "locations": [location("a%20b.yaml", 9, 5)],
    }
    assert [result["locations"] for result in run["results"][1:]] == [[location("file:///etc/x.yaml", 1, 1)]]


def location(uri: str, line: int, column: int) -> object:
    region = {"startLine": line, "startColumn": column}
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}}


def test_in_sarif_a_file_that_could_not_be_judged_makes_the_run_a_failure() -> None:
    (run,) = json.loads(sarif(REPORT, RULES))["runs"]
    assert run["invocations"] == [
        {
            "executionSuccessful": False,
            "toolExecutionNotifications": [
                {"level": "error", "message": {"text": "no YAML"}, "locations": [location("c.yaml", 2, 3)]}
            ],
        }
    ]
    (well,) = json.loads(sarif(LintReport((), (), 1, 1), RULES))["runs"]
    assert well["invocations"][0]["executionSuccessful"] is True
