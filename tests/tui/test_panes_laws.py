"""What holds of every pane, whatever is shown: it fits, it is safe, and with --ascii it is ASCII."""

import re
from collections.abc import Mapping

import pytest
from worlds import cases, tui_views
from worlds.recorded_cases import recorded_case
from worlds.rule_cases import FIRING
from worlds.tui_panes import DRAWINGS, PANES
from worlds.tui_views import UNSAFE, poisoned_view, unjudged, view_of

from kubectl_extsvc.model.observation import Case
from kubectl_extsvc.output.style import Style
from kubectl_extsvc.tui.board import AliasView
from kubectl_extsvc.tui.lines import Line

WIDTHS = (40, 80, 120, 200)

LONG_HEADER = cases.case(
    cases.address_alias(cases.HTTP),
    cases.seen(cases.answer(0, 200, headers=(("x-long", "A" * 70_000), ("字" * 90, "漢" * 300))), route=cases.route()),
    cases.seen(cases.answer(0, 200), source=cases.CRON),
)

RECORDED = ("simple-no-sni/http", "double-tls/https", "externalname-trailing-dot/http", "disable/http", "mutual/http")

MADE: Mapping[str, Case] = {
    "broken": tui_views.broken_pay(),
    "https": tui_views.https_pay(),
    "http": tui_views.http_pay(),
    "forbidden": tui_views.forbidden_pay(),
    "two-ports": tui_views.two_ports(),
    "long-header": LONG_HEADER,
    **{key: recorded_case(key) for key in RECORDED},
}

VIEWS: Mapping[str, AliasView] = {
    **{name: view_of(case) for name, case in MADE.items()},
    **{f"poisoned-{name}": poisoned_view(case) for name, case in MADE.items()},
    **{code: view_of(case) for code, case in FIRING.items()},
    "not-judged": unjudged(view_of(MADE["broken"])),
    "nothing-known": unjudged(view_of(MADE["broken"]), sources=()),
}


def drawn(view: AliasView, width: int, style: Style) -> list[Line]:
    ports = range(len(view.alias.ports))
    by_port = [pane for name, pane in PANES.items() if name not in ("findings", "objects", "events")]
    lines = [line for pane in by_port for port in ports for line in pane(view, width, style, port=port)]
    return lines + [line for name in ("findings", "objects", "events") for line in PANES[name](view, width, style)]


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("ascii_", [False, True], ids=["signs", "ascii"])
def test_every_line_fits_and_is_safe(name: str, ascii_: bool) -> None:
    for width in WIDTHS if name not in FIRING else (80,):
        lines = drawn(VIEWS[name], width, Style(ascii=ascii_))
        assert [line.text for line in lines if line.width > width] == []
        spans = [span.text for line in lines for span in line.spans]
        assert [text for text in spans if re.search(UNSAFE, text)] == []
        assert not ascii_ or [text for text in spans if not text.isascii()] == []
        told = [text for line in lines for text in line.evidence]
        assert [text for text in told if re.search(UNSAFE, text)] == []


def test_poison_has_all_that_a_line_must_not_hold() -> None:
    """Else the law above would hold of anything."""
    poison = tui_views.HOSTILE
    assert set("\x00\x07\x1b\x9b\u202e\u2066\r\n\ud800") <= set(poison)
    view = VIEWS["poisoned-two-ports"]
    assert view.report is not None
    assert [finding.message.endswith(poison) for finding in view.report.findings] == [True]
    answers = [one.observation.answer for one in view.report.sources]
    assert {value.endswith(poison) for answer in answers if answer for _, value in answer.headers} == {True}


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_pane_says_the_same_twice(name: str) -> None:
    assert DRAWINGS[name].lines == DRAWINGS[name].lines


def test_markup_is_text() -> None:
    lines = drawn(VIEWS["poisoned-http"], 200, Style())
    assert any("[red]x[/red]" in line.text for line in lines)
