"""Rules as a table, and one of them as a page."""

from collections.abc import Iterable, Sequence

from kubectl_extsvc.model.finding import Severity
from kubectl_extsvc.model.observation import Stage
from kubectl_extsvc.output.columns import aligned
from kubectl_extsvc.output.report_json import API_VERSION, to_json

RuleRow = tuple[str, Severity, Stage, str]
"""Code, severity, stage, title."""


def rules_table(rules: Sequence[RuleRow], output: str = "") -> str:
    """output is -o's value: "" a table, "name" the codes, "json" a RuleList."""
    if output == "name":
        return "".join(f"{code}\n" for code, *_ in rules)
    if output == "json":
        return to_json(
            {
                "apiVersion": API_VERSION,
                "kind": "RuleList",
                "items": [
                    {"code": code, "severity": severity, "stage": stage, "title": title}
                    for code, severity, stage, title in rules
                ],
            }
        )
    cells = [[code, str(severity), str(stage), title] for code, severity, stage, title in rules]
    return "".join(f"{line}\n" for line in aligned([["CODE", "SEVERITY", "STAGE", "TITLE"], *cells]))


def rule_page(code: str, severity: Severity, stage: Stage, title: str, needs: Iterable[str], page: str) -> str:
    """Title, facts, and the rule's own page; needs are the kinds of facts without which it cannot judge."""
    facts = [["Severity:", str(severity)], ["Stage:", str(stage)], ["Needs:", ", ".join(sorted(needs)) or "nothing"]]
    return "\n".join([f"{code}  {title}", "", *aligned(facts), "", page.strip()]) + "\n"
