"""What lint found as SARIF 2.1.0 (OASIS sarif-v2.1.0), which code hosts and editors read."""

from collections.abc import Sequence
from pathlib import PurePath
from typing import NamedTuple
from urllib.parse import quote

from kubectl_extsvc import __version__
from kubectl_extsvc.model.finding import Severity
from kubectl_extsvc.model.lint import LintReport, Located, Place, Problem
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.output.report_json import to_json

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


class RulePage(NamedTuple):
    """What a reader of the log may want to know of a rule."""

    code: str
    severity: Severity
    title: str
    page: str


def sarif(report: LintReport, rules: Sequence[RulePage]) -> str:
    """One run. Files that could not be judged are notifications of the tool, and the run has failed."""
    index = {rule.code: number for number, rule in enumerate(rules)}
    driver = {"name": "kubectl-extsvc", "version": __version__, "rules": [_rule(rule) for rule in rules]}
    run: Json = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": not report.problems,
                "toolExecutionNotifications": [_notification(problem) for problem in report.problems],
            }
        ],
        "results": [_result(located, index) for located in report.findings],
    }
    return to_json({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _rule(rule: RulePage) -> Json:
    return {
        "id": rule.code,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.page.partition("\n")[0] or rule.title},
        "help": {"text": rule.page or rule.title},
        "defaultConfiguration": {"level": LEVELS[rule.severity]},
    }


def _result(located: Located, index: dict[str, int]) -> Json:
    finding = located.finding
    cure = f"\nCure: {finding.cure}" if finding.cure else ""
    return {
        "ruleId": finding.code,
        "ruleIndex": index[finding.code],
        "level": LEVELS[finding.severity],
        "message": {"text": f"{finding.message}{cure}"},
        "locations": [_location(located.place)],
    }


def _notification(problem: Problem) -> Json:
    return {"level": "error", "message": {"text": problem.message}, "locations": [_location(problem.place)]}


def _location(place: Place) -> Json:
    path = PurePath(place.file)
    uri = path.as_uri() if path.is_absolute() else quote(path.as_posix())
    region = {"startLine": place.line, "startColumn": place.column}
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}}
