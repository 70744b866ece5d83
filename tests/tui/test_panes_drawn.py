"""The panes as they look, whole: goldens/panes/*.txt are to be read as documentation of them."""

import re
import time

import pytest
from tui.grids import GOLDENS, assert_golden
from worlds.tui_panes import DRAWINGS
from worlds.tui_views import text_of


@pytest.fixture(autouse=True)
def _in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


@pytest.mark.parametrize("name", DRAWINGS)
def test_pane_is_drawn_as_in_its_golden_file(name: str) -> None:
    assert_golden(f"panes/{name}", text_of(DRAWINGS[name].lines))


def test_there_is_a_drawing_for_each_golden_file() -> None:
    assert {path.stem for path in (GOLDENS / "panes").glob("*.txt")} == DRAWINGS.keys()


def test_width_in_a_name_is_the_width_that_is_drawn() -> None:
    told = {name: int(width[1]) for name in DRAWINGS if (width := re.search(r"-(\d+)", name))}
    assert told == {name: drawing.width for name, drawing in DRAWINGS.items()}
