"""The matrix under the hands of somebody, with a board fed by events and no cluster."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from textual.pilot import Pilot
from textual.strip import Strip
from textual.widgets import Input
from tui.boards import NOON, WEB, World, alias, plain, report, shop, source
from tui.grids import assert_golden, grid

from kubectl_extsvc.model.live import Back, Judged, Known, LiveEvent, Lost
from kubectl_extsvc.model.resources import ObjectRef
from kubectl_extsvc.model.source import MeshMode
from kubectl_extsvc.output.style import Style
from kubectl_extsvc.tui.app import FLUSHES, ExtsvcApp, Options
from kubectl_extsvc.tui.screens.alias import AliasScreen
from kubectl_extsvc.tui.screens.matrix import MatrixScreen
from kubectl_extsvc.tui.widgets.matrix_view import MatrixView

PAST = {"payments": ["12", "20", "14"]}


@asynccontextmanager
async def running(
    events: Iterable[LiveEvent] = (), size: tuple[int, int] = (120, 36), **more: object
) -> AsyncIterator[tuple[ExtsvcApp, Pilot[str]]]:
    options = replace(Options(context="prod-eu", all_namespaces=True), **more)  # type: ignore[arg-type]
    app = ExtsvcApp(options, clock=lambda: NOON)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        await told(app, pilot, *events)
        yield app, pilot


async def told(app: ExtsvcApp, pilot: Pilot[str], *events: LiveEvent) -> None:
    """Tell events, and wait until they are drawn."""
    for event in events:
        app.take(event)
    await pilot.pause(2 / FLUSHES)
    while app._flush_planned:  # a busy machine draws later
        await pilot.pause(1 / FLUSHES)
    await pilot.pause()


def matrix(app: ExtsvcApp) -> MatrixView:
    return app.screen.query_one(MatrixView)


def at(app: ExtsvcApp) -> tuple[str, str]:
    """The alias under the cursor, and the source of the chosen cell."""
    ref = matrix(app).selected
    return (ref.name if ref else ""), matrix(app).source


# --- goldens -------------------------------------------------------------------------------------------------------

SIZES = [(80, 24), (120, 36), (200, 60), (50, 14)]


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("style", [Style(color=True), Style(color=True, ascii=True)], ids=["signs", "ascii"])
async def test_the_screen_as_text(size: tuple[int, int], style: Style) -> None:
    async with running(shop().events(3, PAST), size, style=style) as (app, pilot):
        await pilot.press("G", "right")
        await pilot.pause()
        assert_golden(f"matrix-{size[0]}x{size[1]}{'-ascii' if style.ascii else ''}", grid(app))
        assert grid(app).isascii() is style.ascii


async def test_without_colour_nothing_is_lost() -> None:
    texts = []
    for color in (True, False):
        async with running(shop().events(3, PAST), style=Style(color=color)) as (app, pilot):
            await pilot.press("G", "right")
            await pilot.pause()
            texts.append(grid(app))
            rows = app.screen._compositor.render_strips()
            colours = {segment.style.color for row in rows for segment in row if segment.style and segment.style.color}
            # The terminal's own colour is the only one that NO_COLOR leaves.
            assert ({colour.name for colour in colours if not colour.is_default} == set()) is not color
    assert texts[0] == texts[1]
    assert_golden("matrix-120x36", texts[1])


async def test_before_anything_is_known() -> None:
    async with running() as (app, _):
        assert_golden("matrix-unknown", grid(app))


async def test_where_there_are_no_aliases() -> None:
    notes = ("no plain pod that allows exec; --probe-pods makes a pair",)
    async with running(World((), notes=notes).events(), (80, 24), all_namespaces=False, namespace="shop") as (app, _):
        assert_golden("matrix-no-aliases", grid(app))


async def test_a_lost_cluster_leaves_what_was_known() -> None:
    async with running(shop().events()) as (app, pilot):
        await told(app, pilot, Lost(NOON, "dial tcp 10.0.0.1:6443: connect: connection refused", NOON + 4))
        assert_golden("matrix-lost", grid(app))
        await told(app, pilot, Back(NOON))
        assert "● watching" in grid(app)
        assert "refused" not in grid(app)


# --- moving --------------------------------------------------------------------------------------------------------


def crowd(aliases: int = 100, sources: int = 3) -> World:
    world = World(tuple(source(f"web-{number:02}") for number in range(sources)))
    for number in range(aliases):
        world.add(alias(f"alias-{number:03}"), *(["tls" if number % 40 == 30 else "12"] * sources))
    return world


@pytest.mark.parametrize(
    ("keys", "there"),
    [
        (["j", "j", "k"], "alias-001"),
        (["down", "down", "up"], "alias-001"),
        (["G"], "alias-099"),
        (["end", "g"], "alias-000"),
        (["end", "home"], "alias-000"),
        (["ctrl+d"], "alias-012"),
        (["ctrl+f", "ctrl+u"], "alias-013"),
        (["pagedown"], "alias-025"),
        (["pagedown", "pagedown", "pageup"], "alias-025"),
        (["k"], "alias-000"),
        (["G", "j"], "alias-099"),
        (["n"], "alias-030"),
        (["n", "n"], "alias-070"),
        (["n", "n", "n"], "alias-030"),
        (["N"], "alias-070"),
    ],
)
async def test_keys_move_the_cursor_and_the_row_is_on_the_screen(keys: list[str], there: str) -> None:
    async with running(crowd().events()) as (app, pilot):
        await pilot.press(*keys)
        await pilot.pause()
        assert at(app) == (there, "")
        assert next(line for line in grid(app).splitlines() if "▸ alias" in line).split()[2].startswith(there)
        assert f"─ {int(there[-3:]) + 1}/100 ┤" in grid(app)


async def test_headings_and_aliases_stay_where_the_rest_scrolls() -> None:
    async with running(crowd(sources=20).events()) as (app, pilot):
        await pilot.press("plus", "G", *(["right"] * 20))
        await pilot.pause()
        assert at(app) == ("alias-099", "shop/web-19")
        _, above, names, *below = grid(app).splitlines()
        assert above.startswith("┌ aliases ")
        assert names.split()[:2] == ["│", "ALIAS"]
        assert "web-19" in names
        assert "web-01" not in names
        assert ["▸✓ 12 ms" in row for row in below if "▸ alias-099" in row] == [True]
        await pilot.press(*(["left"] * 20))
        await pilot.pause()
        assert at(app) == ("alias-099", "")
        assert "web-01" in grid(app).splitlines()[2]


async def test_a_click_selects_the_row_and_the_cell() -> None:
    async with running(shop().events()) as (app, pilot):
        await pilot.click(MatrixView, offset=(47, 4))
        await pilot.pause()
        assert at(app) == ("mail", "shop/cart")
        await pilot.click(MatrixView, offset=(5, 2))
        await pilot.pause()
        assert at(app) == ("ledger", "")
        await pilot.click(MatrixView, offset=(5, 20))
        await pilot.pause()
        assert at(app) == ("ledger", "")


async def test_the_wheel_scrolls_and_the_cursor_stays() -> None:
    async with running(crowd().events()) as (app, pilot):
        matrix(app).scroll_to(y=10, animate=False)
        await pilot.pause()
        assert at(app) == ("alias-000", "")
        assert "alias-010" in grid(app).splitlines()[3]


async def test_enter_opens_the_alias() -> None:
    async with running(shop().events()) as (app, pilot):
        await pilot.press("j", "enter")
        await pilot.pause()
        assert isinstance(app.screen, AliasScreen)
        assert app.screen.selected() == ObjectRef("Service", "shop", "cdn")


# --- filters and groups --------------------------------------------------------------------------------------------


async def test_a_filter_is_followed_as_it_is_typed_and_left_with_escape() -> None:
    async with running(shop().events()) as (app, pilot):
        await pilot.press("slash", *"state:fail")
        await pilot.pause()
        assert [one.name for one in matrix(app).rows] == ["payments"]
        assert "1 of 5 aliases" in grid(app)
        await pilot.press("enter", "k")
        await pilot.pause()
        assert (app.focused, at(app)) == (matrix(app), ("payments", ""))
        await pilot.press("escape")
        await pilot.pause()
        assert [one.name for one in matrix(app).rows] == ["ledger", "cdn", "mail", "new", "payments"]
        assert at(app) == ("payments", "")
        assert not app.screen.query_one(Input).has_focus


async def test_a_filter_that_nothing_matches_says_so() -> None:
    async with running(shop().events()) as (app, pilot):
        await pilot.press("slash", *"zebra")
        await pilot.pause()
        assert '  Nothing matches "zebra"; 5 aliases hidden, esc clears the filter' in grid(app)
        assert at(app) == ("", "")
        await pilot.press("enter", "j", "enter", "n", "right")
        await pilot.pause()
        assert isinstance(app.screen, MatrixScreen)


async def test_only_problems_and_back() -> None:
    async with running(shop().events()) as (app, pilot):
        await pilot.press("exclamation_mark")
        await pilot.pause()
        assert [one.name for one in matrix(app).rows] == ["ledger", "cdn", "payments"]
        await pilot.press("exclamation_mark")
        await pilot.pause()
        assert len(matrix(app).rows) == 5


async def test_namespaces() -> None:
    async with running(shop().events(), all_namespaces=False, namespace="billing") as (app, pilot):
        assert [one.name for one in matrix(app).rows] == ["ledger"]
        await pilot.press("0")
        await pilot.pause()
        assert len(matrix(app).rows) == 5
        await pilot.press("0")
        await pilot.pause()
        assert len(matrix(app).rows) == 1


async def test_groups_fold_and_unfold() -> None:
    async with running(shop().events()) as (app, pilot):
        await pilot.press("minus")
        await pilot.pause()
        assert grid(app).splitlines()[2].split("│")[2:5] == [" 3 pods       ", " 2 pods       ", " 1 pod        "]
        await pilot.press("right", "right", "plus")
        await pilot.pause()
        layout = matrix(app).layout_shown
        assert layout is not None
        assert [(group.mode, group.folded) for group in layout.groups] == [
            (MeshMode.SIDECAR, True),
            (MeshMode.PLAIN, False),
            (MeshMode.AMBIENT, True),
        ]


async def test_a_row_grows_old_though_nothing_happens() -> None:
    now = [NOON]
    world = World((WEB,))
    world.add(alias("pay"), "12")
    async with running(world.events(), namespace="shop") as (app, pilot):
        app.clock = lambda: now[0]
        assert "ago" not in grid(app)
        now[0] += 90
        app._tick()
        await pilot.pause()
        assert "pay.shop from web (sidecar), 90s ago" in grid(app)
        (row,) = (row for row in app.screen._compositor.render_strips() if "▸ pay" in row.text)
        assert [segment.style.dim for segment in row if "12 ms" in segment.text and segment.style] == [True]


# --- updates -------------------------------------------------------------------------------------------------------


def judged(world: World, name: str, *cells: str) -> Judged:
    one = next(one.alias for one in world.reports if one.alias.name == name)
    return Judged(NOON, report(one, world.sources, cells), world.sources[0])


async def test_an_update_draws_its_row_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    world = crowd()
    async with running(world.events()) as (app, pilot):
        before = grid(app).splitlines()
        drawn: list[str] = []
        was = MatrixView._strip

        def watched(self: MatrixView, line: "object", **more: bool) -> Strip:
            drawn.append(line.text)  # type: ignore[attr-defined]
            return was(self, line, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(MatrixView, "_strip", watched)
        await told(app, pilot, judged(world, "alias-003", "503", "503", "503"))
        after = grid(app).splitlines()
        assert len(drawn) == 1
        changed = [line for old, line in zip(before, after, strict=True) if old != line]
        assert ["503" in line for line in changed if "alias-003" in line] == [True]
        assert len([line for line in changed if "alias-" in line]) == 1


async def test_rows_that_cease_to_match_go_but_never_the_one_under_the_cursor() -> None:
    world = World((WEB,))
    for name in ("a", "b", "c"):
        world.add(alias(name), "tls")
    async with running(world.events()) as (app, pilot):
        await pilot.press("exclamation_mark", "j")
        await told(app, pilot, judged(world, "a", "12"), judged(world, "b", "12"))
        assert [one.name for one in matrix(app).rows] == ["b", "c"]
        assert at(app) == ("b", "")
        await told(app, pilot, judged(world, "a", "503"))
        assert ([one.name for one in matrix(app).rows], at(app)) == (["a", "b", "c"], ("b", ""))


async def test_what_is_known_anew_keeps_the_cursor_on_its_alias() -> None:
    world = crowd(10)
    async with running(world.events()) as (app, pilot):
        await pilot.press(*"jjjjj")
        known = world.events()[0]
        assert isinstance(known, Known)
        await told(app, pilot, replace(known, aliases=known.aliases[3:]))
        assert (at(app), matrix(app).cursor) == (("alias-005", ""), 2)
        await told(app, pilot, replace(known, aliases=known.aliases[:3]))
        assert at(app) == ("alias-002", "")


async def test_a_frozen_view_stays_as_it_was_wherever_one_looks() -> None:
    world = crowd()
    async with running(world.events()) as (app, pilot):
        await pilot.press("z")
        await told(app, pilot, judged(world, "alias-060", "503", "503", "503"))
        await pilot.press("G", *(["k"] * 39))
        await pilot.pause()
        assert at(app)[0] == "alias-060"
        assert "‖ frozen" in grid(app)
        assert "503" not in grid(app)
        await pilot.press("z")
        await pilot.pause()
        assert [("503" in line) for line in grid(app).splitlines() if "▸ alias-060" in line] == [True]


async def test_another_size_is_laid_out_anew() -> None:
    async with running(shop().events(3, PAST), (200, 60)) as (app, pilot):
        await pilot.press("G", "right")
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert_golden("matrix-80x24", grid(app))


async def test_sources_that_go_take_the_chosen_cell_with_them() -> None:
    world = World((WEB, plain("cron")))
    world.add(alias("pay"), "12", "12")
    async with running(world.events()) as (app, pilot):
        await pilot.press("right", "right")
        assert at(app) == ("pay", "shop/cron")
        known = world.events()[0]
        assert isinstance(known, Known)
        await told(app, pilot, replace(known, sources=(WEB,)))
        assert at(app) == ("pay", "")
