"""The findings pane: what can be cured by a key, what could not be judged, and what enter shows."""

from dataclasses import replace

import pytest
from worlds.rule_cases import FIRING
from worlds.tui_panes import BROKEN, FORBIDDEN
from worlds.tui_views import text_of, view_of

from kubectl_extsvc.model.finding import Judgement, Skipped
from kubectl_extsvc.output.style import Style
from kubectl_extsvc.plans.fixes import is_planned
from kubectl_extsvc.rules import RULES
from kubectl_extsvc.tui.board import AliasView
from kubectl_extsvc.tui.panes.findings import findings_pane

SIGNS = Style()


def judged(judgement: Judgement) -> AliasView:
    assert BROKEN.report is not None
    return replace(BROKEN, report=replace(BROKEN.report, judgement=judgement))


@pytest.mark.parametrize("code", FIRING)
def test_f_is_offered_where_a_change_of_objects_cures(code: str) -> None:
    view = view_of(FIRING[code])
    assert view.report is not None
    text = text_of(findings_pane(view, 200, SIGNS))
    assert text.count("fixes it: shows the change first") == sum(map(is_planned, view.report.findings))
    persons = [one for one in view.report.findings if one.cure and not is_planned(one)]
    assert text.count("a person's to do") == len(persons)
    assert f"{code} " in text


def test_enter_shows_the_rules_page_and_the_object() -> None:
    evidence = next(line for line in findings_pane(BROKEN, 80, SIGNS) if "XS0403" in line.text).evidence
    assert evidence[0] == 'XS0403 Envoy sends SNI "my-pay.shop.svc.cluster.local", the server has no such name'
    page = next(rule for rule in RULES if rule.code == "XS0403")
    assert evidence[3:7] == ("", f"XS0403  {page.title}", "", page.page.splitlines()[0])
    assert evidence[evidence.index("kind: DestinationRule") - 2 :][:2] == ("", "apiVersion: networking.istio.io/v1")


def test_skipped_rules_stand_below_what_unlocks_them() -> None:
    skipped = (
        Skipped("XS0601", "networkpolicies could not be listed", "list networkpolicies"),
        Skipped("XS0201", "too old"),
        Skipped("XS0602", "networkpolicies could not be listed", "list networkpolicies"),
    )
    assert text_of(findings_pane(judged(Judgement((), skipped, ("XS0101",))), 80, SIGNS)) == (
        "1 passed · 3 skipped · judged 4s ago\n"
        "\n"
        "✓ no findings among what could be judged\n"
        "\n"
        "⊘ 2 rules skipped: needs list networkpolicies\n"
        "  XS0601 XS0602\n"
        "⊘ 1 rule skipped: too old\n"
        "  XS0201\n"
        "\n"
        "✓ 1 rule found nothing\n"
    )


def test_a_broken_rule_is_not_hidden() -> None:
    view = judged(Judgement((), (), (), (Skipped("XS0404", "KeyError: 'spec'"),)))
    assert text_of(findings_pane(view, 120, SIGNS)) == (
        "0 passed · 1 broken · judged 4s ago\n"
        "\n"
        "? nothing was judged\n"
        "! XS0404 a rule of kubectl extsvc failed, which is a defect of ours: KeyError: 'spec'\n"
    )


def test_each_skipped_rule_gives_its_reason_on_enter() -> None:
    lines = findings_pane(FORBIDDEN, 80, SIGNS)
    line = next(line for line in lines if "rules skipped" in line.text)
    assert len(line.evidence) == 29
    assert line.evidence[0].startswith("XS0606 ")
    assert line.evidence[0].endswith(": pods/exec is forbidden (needs get and create on pods/exec)")


def test_a_rule_that_crashes_is_told_as_ours_and_the_others_go_on() -> None:
    assert BROKEN.report is not None
    crashed = replace(BROKEN.report.judgement, broken=(Skipped("XS0204", "KeyError: 'spec'", ""),))
    text = text_of(findings_pane(judged(crashed), 120, SIGNS))
    assert "! XS0204 a rule of kubectl extsvc failed, which is a defect of ours: KeyError: 'spec'" in text
    assert "XS0403" in text
    assert "1 broken" in text
