"""One alias in seven tabs, all findings and the log, under the hands of somebody; no cluster."""

from dataclasses import replace

import pytest
from tui.boards import NOON, WEB, World, alias, finding, plain, shop
from tui.grids import assert_golden, grid
from worlds import tui_views
from worlds.tui_app import Shown, app_on_board

from kubectl_extsvc.model.live import Judged, Known, LiveEvent, Lost
from kubectl_extsvc.model.resources import ObjectRef
from kubectl_extsvc.output.style import Style
from kubectl_extsvc.tui.app import Options
from kubectl_extsvc.tui.dialogs.evidence import EvidenceScreen
from kubectl_extsvc.tui.screens.alias import PANES, AliasScreen
from kubectl_extsvc.tui.screens.listing import FindingsScreen, LogScreen
from kubectl_extsvc.tui.screens.matrix import MatrixScreen

TABS = ["Path", "Headers", "TLS", "Time", "Findings", "Objects", "Events"]


def broken() -> tuple[ObjectRef, tuple[LiveEvent, ...]]:
    """my-pay without an SNI, from a sidecar and a plain pod."""
    view = tui_views.view_of(tui_views.broken_pay())
    assert view.report is not None
    known = Known(NOON, (view.alias,), view.sources, view.snapshot)
    return view.alias.service, (known, *(Judged(NOON, view.report, source) for source in view.sources))


def tab(shown: Shown) -> str:
    """The open one, as the heading shows it."""
    return shown.text.splitlines()[1].partition("[")[2].partition("]")[0]


async def open_alias(shown: Shown, ref: ObjectRef) -> AliasScreen:
    shown.app.open_alias(ref)
    await shown.until(lambda: isinstance(shown.app.screen, AliasScreen))
    await shown.pilot.pause()
    assert isinstance(shown.app.screen, AliasScreen)
    return shown.app.screen


async def test_each_tab_has_its_number_and_tab_goes_round() -> None:
    ref, events = broken()
    async with app_on_board(*events, size=(120, 36)) as shown:
        await open_alias(shown, ref)
        by_number, by_tab = [], []
        for number in range(1, 8):
            await shown.press(str(number))
            by_number.append(tab(shown))
        for _ in range(7):
            await shown.press("tab")
            by_tab.append(tab(shown))
        await shown.press("shift+tab")
        assert tab(shown) == "6 Objects"
    words = [f"{number} {name}" + ("(1)" if name == "Findings" else "") for number, name in enumerate(TABS, 1)]
    assert (by_number, by_tab) == (words, words)
    assert [name for name, _ in PANES] == TABS


@pytest.mark.parametrize(
    ("size", "style"), [((120, 36), Style(color=True)), ((80, 24), Style(ascii=True))], ids=["wide", "narrow-ascii"]
)
async def test_the_screen_of_an_alias_is_as_its_golden(size: tuple[int, int], style: Style) -> None:
    ref, events = broken()
    async with app_on_board(*events, size=size, options=Options(style=style)) as shown:
        shown.app.clock = lambda: NOON
        await open_alias(shown, ref)
        text = grid(shown.app)
    assert_golden(f"alias-{size[0]}x{size[1]}" + ("-ascii" if style.ascii else ""), text)
    assert not style.ascii or text.isascii()


async def test_the_order_of_sources_a_port_and_what_changes_all_the_time_are_chosen_by_keys() -> None:
    ref, events = broken()
    async with app_on_board(*events) as shown:
        screen = await open_alias(shown, ref)
        seen = [screen.at]
        for key in ("right_square_bracket", "equals_sign", "left_square_bracket", "equals_sign", "p", "v"):
            await shown.press(key)
            seen.append(screen.at)
        second = shown.app.board.sources[1].key
    start = seen[0]
    assert seen == [
        start,
        replace(start, first=1),
        replace(start, pinned=second),  # the only other one is the first again
        replace(start, pinned=second),
        start,
        start,  # there is one port
        replace(start, volatile=True),
    ]


async def test_enter_shows_what_is_behind_a_line_and_escape_comes_back() -> None:
    ref, events = broken()
    async with app_on_board(*events, size=(120, 36)) as shown:
        screen = await open_alias(shown, ref)
        await shown.press("5")
        row = next(number for number, line in enumerate(screen.pane.lines) if "XS0403" in line.text)
        screen.pane.move_to(row)
        await shown.press("enter")
        await shown.until(lambda: isinstance(shown.app.screen, EvidenceScreen))
        await shown.see("The server has no such name as the SNI sent")
        await shown.press("escape")
        await shown.until(lambda: shown.app.screen is screen)
        await shown.press("escape")
        await shown.until(lambda: isinstance(shown.app.screen, MatrixScreen))


async def test_an_alias_that_is_not_there_is_said_and_so_is_a_lost_cluster() -> None:
    gone = ObjectRef("Service", "shop", "gone")
    async with app_on_board() as shown:
        await open_alias(shown, gone)
        await shown.see("gone.shop", "asking the cluster")
        shown.app.take(Lost(NOON, "dial tcp 127.0.0.1:1: connect: connection refused", NOON + 1))
        await shown.see("connection refused")
    async with app_on_board(*shop().events()) as shown:
        await open_alias(shown, gone)
        await shown.see("alias gone.shop is not there (any more); esc goes back")


async def test_all_findings_stand_by_code_and_lead_to_their_alias() -> None:
    async with app_on_board(*shop().events(), size=(120, 24), options=Options(all_namespaces=True)) as shown:
        await shown.press("F")
        await shown.until(lambda: isinstance(shown.app.screen, FindingsScreen))
        await shown.pilot.pause()
        assert_golden("findings-120x24", grid(shown.app))
        await shown.press("j", "enter")
        await shown.until(lambda: isinstance(shown.app.screen, AliasScreen))
        assert shown.app.selected() == ObjectRef("Service", "shop", "payments")


async def test_the_log_tells_what_happened_newest_first() -> None:
    async with app_on_board(*shop().events(), size=(120, 24)) as shown:
        shown.app.clock = lambda: NOON + 9
        shown.app.take(Lost(NOON + 5, "the server is gone", NOON + 9))
        await shown.press("L")
        await shown.until(lambda: isinstance(shown.app.screen, LogScreen))
        await shown.pilot.pause()
        rows = [line for line in shown.text.splitlines() if " cluster " in line or " rule " in line]
    assert [row.split(maxsplit=2)[2] for row in rows] == [
        "the server is gone",
        "ledger: XS0207 the addresses are not those of the name",
        'payments: XS0403 Envoy sends SNI "payments.shop", the server has no such name',
    ]


async def test_hostile_text_of_a_finding_breaks_no_screen() -> None:
    world = World((WEB, plain("cron")))
    world.add(alias("pay"), "tls", "38", findings=[finding(message=tui_views.HOSTILE)])
    async with app_on_board(*world.events(), options=Options(all_namespaces=True)) as shown:
        await shown.press("F")
        await shown.pilot.pause()
        assert "[red]x[/red] [@click=quit]" in shown.text
        assert "\x1b" not in shown.text
