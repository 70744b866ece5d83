"""Keys of dialogs: every one of the table works and is in the help; who may open what; how large a dialog is."""

import re
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import anyio
import pytest
from textual.widgets import Input
from tui.boards import shop
from worlds.tui_app import Shown, app_on_board
from worlds.tui_views import HOSTILE, UNSAFE, text_of

from kubectl_extsvc.model.alias import Alias, HostTarget
from kubectl_extsvc.model.finding import Finding, Judgement, Severity
from kubectl_extsvc.model.live import Judged, Known, LiveEvent, Lost
from kubectl_extsvc.model.observation import Stage
from kubectl_extsvc.model.report import AliasReport
from kubectl_extsvc.model.resources import ObjectRef
from kubectl_extsvc.model.snapshot import Snapshot
from kubectl_extsvc.model.source import MeshMode, Source
from kubectl_extsvc.output.style import Style
from kubectl_extsvc.tui.app import Options
from kubectl_extsvc.tui.deeds import Deeds
from kubectl_extsvc.tui.dialogs.agree import AgreeScreen
from kubectl_extsvc.tui.dialogs.base import Dialog
from kubectl_extsvc.tui.dialogs.create import CreateScreen
from kubectl_extsvc.tui.dialogs.delete import DeleteScreen
from kubectl_extsvc.tui.dialogs.evidence import EvidenceScreen
from kubectl_extsvc.tui.dialogs.explain import ExplainScreen
from kubectl_extsvc.tui.dialogs.fix import FixScreen
from kubectl_extsvc.tui.dialogs.help import HelpScreen, help_lines
from kubectl_extsvc.tui.dialogs.interval import IntervalScreen
from kubectl_extsvc.tui.dialogs.shell import NO_KUBECTL, ShellScreen
from kubectl_extsvc.tui.dialogs.sources import SourcesScreen
from kubectl_extsvc.tui.keys import CHOOSING, DIALOG, DIALOGS, help_groups
from kubectl_extsvc.tui.screens.alias import AliasScreen
from kubectl_extsvc.tui.screens.base import BoardScreen

PAY = ObjectRef("Service", "shop", "pay")
POD = Source("shop", "web-1", "app", MeshMode.SIDECAR)


class SilentDeeds(Deeds):
    """A cluster that never answers."""

    def __init__(self) -> None:
        pass

    def __getattribute__(self, name: str) -> Callable[..., object]:
        async def never(*_: object) -> None:
            await anyio.sleep_forever()

        return never


OPENED: dict[str, Callable[[], Dialog]] = {
    "FixScreen": lambda: FixScreen(PAY),
    "CreateScreen": lambda: CreateScreen("shop"),
    "DeleteScreen": lambda: DeleteScreen(PAY),
    "SourcesScreen": lambda: SourcesScreen("shop"),
    "AgreeScreen": lambda: AgreeScreen("Really?", ("All of it.",), lambda yes: None),
    "IntervalScreen": lambda: IntervalScreen(10.0),
    "EvidenceScreen": lambda: EvidenceScreen("Title", ("one", "two")),
    "ExplainScreen": lambda: ExplainScreen("XS0403"),
    "ShellScreen": lambda: ShellScreen((POD, POD)),
}


def events(text: str = "no such name", sources: tuple[Source, ...] = ()) -> tuple[LiveEvent, ...]:
    """One alias with a finding that only a person can cure."""
    alias = Alias("shop", "pay", HostTarget("api.pay.example"), ())
    finding = Finding("XS0403", Severity.ERROR, Stage.TLS, PAY, text, evidence=(text,), cure=text)
    report = AliasReport(alias, "", (), Judgement((finding,), (), ()), None)
    return Known(1.0, (alias,), sources, Snapshot()), Judged(2.0, report, None)


async def on_matrix(shown: Shown) -> None:
    await shown.until(lambda: isinstance(shown.app.screen, BoardScreen) and shown.app.selected() == PAY)


def test_every_dialog_of_the_table_is_tried() -> None:
    assert OPENED.keys() == DIALOGS.keys()


@pytest.mark.parametrize("name", OPENED)
async def test_every_key_of_a_dialog_works_in_it_and_is_in_its_help(name: str) -> None:
    async with app_on_board(*events()) as shown:
        shown.app.deeds = SilentDeeds()
        await on_matrix(shown)
        screen = OPENED[name]()
        await shown.app.push_screen(screen)
        if isinstance(screen.focused, Input):
            screen.set_focus(None)  # which takes what can be typed
        groups = (*((title, keys) for title, keys in DIALOGS[name] if keys is not CHOOSING), ("", DIALOG))
        keys = [one for _, group in groups for one in group]
        active = screen.active_bindings
        wanted = {key: one.action.removeprefix("app.") for one in keys for key in one.keys}
        assert {key: active[key].binding.action.rpartition(".")[2] for key in wanted if key in active} == wanted
        owners = [(shown.app if one.action.startswith("app.") else screen, one.action) for one in keys]
        missing = [action for owner, action in owners if not hasattr(owner, f"action_{action.removeprefix('app.')}")]
        assert missing == []
        help_text = text_of(help_lines(help_groups(name), 200, Style()))
        assert [one.words for one in (*keys, *CHOOSING[: name == "CreateScreen"]) if one.words not in help_text] == []
        await shown.press("f1")
        assert isinstance(shown.app.screen, HelpScreen)
        await shown.press("escape")
        assert shown.app.screen is screen
        await shown.press("escape")
        assert isinstance(shown.app.screen, BoardScreen)


@pytest.mark.parametrize("key", ["f", "a", "D", "S"])
async def test_with_readonly_nothing_that_changes_is_opened_and_that_is_said(key: str) -> None:
    async with app_on_board(*events(), options=Options(namespace="shop", readonly=True)) as shown:
        shown.app.deeds = SilentDeeds()
        await on_matrix(shown)
        await shown.press(key)
        assert isinstance(shown.app.screen, BoardScreen)
        assert shown.app.board.happenings[-1].text == "with --readonly nothing is changed"


async def test_before_there_is_a_connection_a_dialog_says_so() -> None:
    async with app_on_board(*events()) as shown:
        await on_matrix(shown)
        await shown.press("a")
        assert shown.app.board.happenings[-1].text == "the cluster has not been reached yet"


@pytest.mark.parametrize("width", [60, 120])
async def test_hostile_text_stays_text_and_below_90_columns_a_dialog_is_the_whole_screen(width: int) -> None:
    async with app_on_board(*events(HOSTILE), size=(width, 24)) as shown:
        shown.app.deeds = SilentDeeds()
        await on_matrix(shown)
        await shown.press("f")
        await shown.see("[red]x[/red] [@click=quit]", "only a person")
        for _ in range(2):
            assert re.findall(UNSAFE, shown.text.replace("\n", "")) == []
            assert shown.text.startswith(" Fix XS0403 on pay.shop") == (width < 90)
            await shown.press("escape")
            await shown.app.push_screen(
                EvidenceScreen(f"Fix XS0403 on pay.shop\n{HOSTILE}", (HOSTILE, "only a person"))
            )
            await shown.see("only a person")


@pytest.mark.parametrize("style", [Style(), Style(ascii=True)], ids=["signs", "ascii"])
async def test_the_board_stays_to_be_seen_around_a_dialog_and_goes_on(style: Style) -> None:
    options = Options(all_namespaces=True, style=style)
    async with app_on_board(*shop().events(3), size=(110, 30), options=options) as shown:
        await shown.see("cdn.shop")
        before = shown.text.splitlines()
        await shown.press("w")
        await shown.see("How often to probe")
        box = [
            number for number, line in enumerate(shown.text.splitlines()) if line[4] in "+╭│╰|" and line[4:8] != "    "
        ]
        there = [line for number, line in enumerate(shown.text.splitlines()) if number not in box]
        assert there == [line for number, line in enumerate(before) if number not in box]
        assert len(there) == 22
        assert not style.ascii or shown.text.isascii()

        shown.app.take(Lost(1.0, "the server is gone", 2.0))
        await shown.see("the server is gone", "How often to probe")


@pytest.mark.parametrize("width", [70, 110])
@pytest.mark.parametrize("name", OPENED)
async def test_with_no_color_every_dialog_is_drawn(name: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the filter that Textual puts before the terminal then, which has no mercy on a segment without a style."""
    monkeypatch.setenv("NO_COLOR", "1")
    async with app_on_board(*events(), size=(width, 24), options=Options(style=Style(), namespace="shop")) as shown:
        shown.app.deeds = SilentDeeds()
        await on_matrix(shown)
        await shown.app.push_screen(OPENED[name]())
        await shown.pilot.pause(0.1)
        strips = shown.app.screen._compositor.render_strips()
        assert [segment for strip in strips for segment in strip if segment.style is None and not segment.control] == []
        colours = {segment.style.color for strip in strips for segment in strip if segment.style}
        shades = [colour.triplet for colour in colours if colour is not None and not colour.is_default]
        assert [shade for shade in shades if shade is None or len(set(shade)) > 1] == []  # greys at most


async def test_a_shell_needs_no_question_where_a_source_is_pointed_at(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    kubectl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    async with app_on_board(*shop().events(3), size=(80, 24), options=Options(all_namespaces=True)) as shown:
        shown.app.deeds = SilentDeeds()
        monkeypatch.setattr(shown.app, "suspend", nullcontext)
        await shown.see("payments.shop")
        await shown.press("S")
        assert isinstance(shown.app.screen, ShellScreen)  # no cell is chosen
        await shown.press("escape")
        # At this size groups are folded: of the plain ones of cdn.shop, dbg is the worse.
        await shown.press("j", "right", "right", "S")
        await shown.press("enter")
        await shown.until(lambda: isinstance(shown.app.screen, AliasScreen))
        await shown.press("S", "right_square_bracket", "S", "right_square_bracket", "equals_sign", "S")
    pods = [line.split()[6] for line in (tmp_path / "asked").read_text().splitlines()]
    assert pods == ["dbg", "api", "cart", "web"]


async def test_without_kubectl_on_the_path_there_is_no_shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    async with app_on_board(*events(sources=(POD,))) as shown:
        shown.app.deeds = SilentDeeds()
        await on_matrix(shown)
        await shown.press("S")
        assert shown.app.board.happenings[-1].text == NO_KUBECTL


async def test_a_shell_is_kubectls_and_how_it_ended_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\nexit 127\n')
    kubectl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    async with app_on_board(*events(sources=(POD, POD))) as shown:
        shown.app.deeds = SilentDeeds()
        monkeypatch.setattr(shown.app, "suspend", nullcontext)
        await on_matrix(shown)
        await shown.press("S", "enter")
        assert (tmp_path / "asked").read_text() == "exec -it -n shop -c app web-1 -- sh\n"
        assert shown.app.board.happenings[-1].text == (
            "the shell in web-1 ended with exit code 127; is there an sh in container app?"
        )
