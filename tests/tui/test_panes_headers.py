"""The headers pane: how headers are marked, folded and explained."""

from dataclasses import replace

import pytest
from worlds import cases
from worlds.tui_panes import HTTP
from worlds.tui_views import CRON, WEB, http_pay, view_of

from kubectl_extsvc.model.probe import Scheme
from kubectl_extsvc.model.route import Route
from kubectl_extsvc.output.style import Style
from kubectl_extsvc.tui.board import AliasView
from kubectl_extsvc.tui.panes.headers import headers_pane

SIGNS = Style()
Headers = tuple[tuple[str, str], ...]


def seen(meshed: Headers, plain: Headers, route: Route | None = None) -> AliasView:
    web = cases.seen(cases.answer(0, 200, headers=meshed), source=WEB, route=route or cases.route())
    cron = cases.seen(cases.answer(0, 200, headers=plain), source=CRON)
    return view_of(cases.case(cases.address_alias(), web, cron))


def rows(view: AliasView, *, volatile: bool = False) -> list[str]:
    """Mark, name and note of each header below the status."""
    lines = [line.text for line in headers_pane(view, 200, SIGNS, volatile=volatile)]
    drawn = [text for text in lines if text[:2] in ("= ", "~ ", "+ ", "- ")]
    return [" ".join(text.split()[:2]) + "".join(text.rstrip().partition(" ←")[1:]) for text in drawn[1:]]


@pytest.mark.parametrize(
    ("meshed", "plain", "expected"),
    [
        ((("a", "1"),), (("a", "1"),), ["= a"]),
        ((("a", "1"),), (("a", "2"),), ["~ a"]),
        ((("a", "1"),), (), ["+ a"]),
        ((), (("a", "1"),), ["- a"]),
        ((("A", "1"),), (("a", "1"),), ["= a"]),
        ((("a", "1"), ("a", "2")), (("a", "1"),), ["= a", "+ a"]),
    ],
)
def test_marks(meshed: Headers, plain: Headers, expected: list[str]) -> None:
    assert rows(seen(meshed, plain)) == expected


def test_a_reason_is_given_only_where_the_proxy_is_configured_so() -> None:
    meshed, plain = (("server", "envoy"), ("x-a", "1"), ("x-b", "1")), (("server", "nginx"), ("x-b", "2"))
    assert rows(seen(meshed, plain)) == ["~ server ← mesh rewrote (configured)", "+ x-a", "~ x-b"]
    assert rows(seen(meshed, plain, cases.route(response_headers_changed=("x-a",)))) == [
        "~ server",
        "+ x-a ← added by sidecar (configured)",
        "~ x-b",
    ]
    computed = replace(cases.route(response_headers_changed=("x-a",)), observed=False)
    assert rows(seen(meshed, plain, computed))[1] == "+ x-a ← added by sidecar (computed)"


def test_volatile_headers_are_folded_where_all_have_them() -> None:
    both = (("date", "Mon"), ("age", "3"))
    view = seen((*both, ("x-request-id", "1")), (("date", "Tue"), ("age", "4")))
    assert rows(view) == ["+ x-request-id"]
    assert rows(view, volatile=True) == ["= date", "= age", "+ x-request-id"]
    assert [line.text for line in headers_pane(view, 80, SIGNS)][-1] == "  v shows 2 volatile: date, age"
    assert "volatile" not in "".join(line.text for line in headers_pane(view, 80, SIGNS, volatile=True))


def test_status_comes_first_and_differs_aloud() -> None:
    web = cases.seen(cases.by_origin(404), source=WEB, route=cases.route())
    cron = cases.seen(cases.answer(0, 200, headers=(("server", "nginx"),)), source=CRON)
    lines = headers_pane(view_of(cases.case(cases.address_alias(), web, cron)), 80, SIGNS)
    assert lines[2].text.split() == ["~", ":status", "404", "200"]


def test_enter_shows_the_whole_value_and_all_headers() -> None:
    view = seen((("a", "x" * 300),), (("a", "y"),))
    line = next(line for line in headers_pane(view, 80, SIGNS) if line.text.startswith("~ a"))
    assert line.evidence[:2] == (f"web-7d9fc4d8b6-x2x4q (sidecar)  {'x' * 300}", "cron-55 (plain)  y")
    assert "    headers   added to requests (configured)     none" in line.evidence


def test_with_one_kind_of_source_nothing_is_added_or_removed() -> None:
    web = cases.seen(cases.answer(0, 200, headers=(("a", "1"),)), source=WEB, route=cases.route())
    other = replace(web, source=replace(WEB, pod="api-1"), outcomes=(cases.answer(0, 200, headers=(("b", "1"),)),))
    view = view_of(cases.case(cases.address_alias(), web, other))
    assert rows(view) == ["~ b", "~ a"]


def test_a_column_that_does_not_fit_is_counted() -> None:
    case = http_pay()
    more = [replace(case.observations[0], source=replace(WEB, pod=f"api-{n}")) for n in range(3)]
    view = view_of(replace(case, observations=(*case.observations, *more)))
    lines = [line.text.rstrip() for line in headers_pane(view, 80, SIGNS)]
    assert "  2 of 5 sources that got an answer" in lines


def test_pinned_and_first_choose_the_columns() -> None:
    lines = headers_pane(HTTP, 120, SIGNS, pinned=CRON.key)
    assert lines[1].text.split() == ["cron-55", "(plain)", "web", "(sidecar)"]


def test_no_http_is_spoken() -> None:
    view = view_of(
        cases.case(
            cases.address_alias(cases.TCP),
            cases.seen(cases.answer(scheme=Scheme.TCP, port=5432), source=CRON, port=cases.TCP),
        )
    )
    assert headers_pane(view, 80, SIGNS)[1].text == "  cron-55 (plain): no HTTP is spoken here: only connected to"
