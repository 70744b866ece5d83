"""A rule's page: what is wrong, why it happens, how it is seen, and the cure."""

from kubectl_extsvc.output.rules_text import rule_page
from kubectl_extsvc.rules import RULES
from kubectl_extsvc.tui.dialogs.evidence import EvidenceScreen


def page_of(code: str) -> list[str]:
    """As `kubectl extsvc explain CODE` prints it, a line each."""
    rule = next(rule for rule in RULES if rule.code == code)
    return rule_page(rule.code, rule.severity, rule.stage, rule.title, rule.needs, rule.page).splitlines()


class ExplainScreen(EvidenceScreen):
    def __init__(self, code: str) -> None:
        super().__init__(f"What {code} is about", page_of(code))
