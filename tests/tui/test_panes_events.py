"""The events pane."""

import time
from dataclasses import replace

import pytest
from worlds.tui_panes import BROKEN, NEWS
from worlds.tui_views import NOW

from kubectl_extsvc.output.style import Style
from kubectl_extsvc.tui.board import Happening
from kubectl_extsvc.tui.panes.events import events_pane


def test_times_are_those_of_the_users_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    lines = events_pane(NEWS, 80, Style())
    assert lines[0].text == "20:59:00 you     applied the fix of XS0403"
    assert lines[-1].text == "2026-11-29 17:13:20 cluster destinationrule/my-pay changed in shop"
    monkeypatch.undo()
    time.tzset()


def test_enter_shows_the_whole_text_and_what_is_behind_it() -> None:
    view = replace(BROKEN, happenings=(Happening(NOW, "probe", "x " * 400, evidence=("curl 7",)),))
    lines = events_pane(view, 80, Style())
    assert len(lines) == 3
    assert lines[0].evidence[0].endswith("probe: " + "x " * 400)
    assert lines[2].evidence[1] == "curl 7"
    assert lines[2].text.endswith("…")
