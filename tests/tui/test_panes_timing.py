"""The timing pane: numbers, bars and marks."""

from dataclasses import replace

import pytest
from worlds.tui_panes import FORBIDDEN, HTTPS, LOOKED_AT
from worlds.tui_views import CRON, NOW, WEB, with_samples

from kubectl_extsvc.model.observation import StageState
from kubectl_extsvc.output.style import STATES, Style
from kubectl_extsvc.tui.board import AliasView
from kubectl_extsvc.tui.cells import FORBIDDEN as RBAC
from kubectl_extsvc.tui.cells import Cell, Sample
from kubectl_extsvc.tui.panes.timing import Numbers, numbers, timing_pane

SIGNS = Style()
OK, FAILED = Cell(STATES[StageState.OK], "1 ms"), Cell(STATES[StageState.FAILED], "tls")
UNSEEN = Cell(RBAC, "rbac")


def sample(seconds: float, cell: Cell = OK, at: float = NOW) -> Sample:
    return Sample(at, cell, seconds, "http: 200")


@pytest.mark.parametrize(
    ("count", "expected"), [(1, (0.01, 0.01)), (2, (0.01, 0.02)), (20, (0.1, 0.19)), (100, (0.5, 0.95))]
)
def test_percentiles_are_nearest_ranks(count: int, expected: tuple[float, float]) -> None:
    found = numbers([sample(number / 100) for number in range(count, 0, -1)])
    assert (found.percentile(50), found.percentile(95)) == expected


def test_failed_and_unseen_looks_are_counted_and_not_timed() -> None:
    looks = [sample(0.04), sample(5.0, FAILED), sample(0.0, UNSEEN), sample(0.02)]
    assert numbers(looks) == Numbers(4, 1, 1, (0.02, 0.04))
    assert numbers([]) == Numbers(0, 0, 0, ())
    assert numbers([]).percentile(50) == 0.0


def history(view: AliasView, width: int) -> list[str]:
    """The lines of web's looks."""
    texts = [line.text.rstrip() for line in timing_pane(view, width, SIGNS)]
    return texts[texts.index("looks, the newest at the right") + 1 :][:3]


def test_heights_and_marks_stand_below_each_other() -> None:
    looks = [sample(0.01), sample(0.02), sample(5.0, FAILED), sample(0.0, UNSEEN), sample(0.08)]
    view = with_samples(HTTPS, WEB, looks)
    _, heights, marks = history(view, 80)
    assert heights == "          ▂▃█ █"
    assert marks == "          ··✗?·"


def test_the_newest_looks_are_kept_where_there_is_room_for_few() -> None:
    looks = [sample(0.01)] * 100 + [sample(0.02)]
    _, heights, _ = history(with_samples(HTTPS, WEB, looks), 40)
    assert heights == " " * 10 + "▅" * 29 + "█"


def test_the_longest_call_fills_its_line_and_the_others_are_to_scale() -> None:
    lines = timing_pane(LOOKED_AT, 100, SIGNS)
    web, cron = lines[2].spans[-1].text, lines[4].spans[-1].text
    assert len(web) == 80
    assert len(cron) / len(web) == pytest.approx(38 / 41, abs=0.03)
    assert {sign: cron.count(sign) for sign in "░▒▓█"} == {"░": 4, "▒": 18, "▓": 41, "█": 12}


def test_enter_shows_every_look_newest_first() -> None:
    line = next(line for line in timing_pane(LOOKED_AT, 80, SIGNS) if "p50" in line.text)
    assert len(line.evidence) == 20
    assert [text.split("  ")[1] for text in line.evidence[11:14]] == ["✗ tls", "✗ tls", "✓ 41 ms"]


def test_enter_tells_of_the_newest_forty() -> None:
    looks = [sample(0.01, at=NOW - 100 + number) for number in range(100)]
    lines = timing_pane(with_samples(HTTPS, WEB, looks), 80, SIGNS)
    evidence = next(line for line in lines if "n 100" in line.text).evidence
    assert len(evidence) == 40
    assert evidence[0] > evidence[-1]


def test_a_source_without_a_call_says_why() -> None:
    texts = [line.text for line in timing_pane(FORBIDDEN, 120, SIGNS)]
    assert texts[2] == "web       no call: pods/exec is forbidden (needs get and create on pods/exec)"
    unasked = replace(HTTPS, samples={CRON.key: ()})
    assert "cron-55   no looks yet" in [line.text for line in timing_pane(unasked, 120, SIGNS)]
