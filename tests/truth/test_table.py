"""The table of worlds itself, and the page about it."""

import re
from collections import Counter
from pathlib import Path

import pytest
from truth.elsewhere import ELSEWHERE, Elsewhere
from truth.page import table
from truth.worlds import BROKEN, HEALTHY, WORLDS

from kubectl_extsvc.rules import RULES

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "truth.md"


def test_worlds_can_stand_side_by_side() -> None:
    names = Counter((world.namespace, name) for world in WORLDS for name in world.names)
    assert [name for name, times in names.items() if times > 1] == []
    assert [id for id, times in Counter(world.id for world in WORLDS).items() if times > 1] == []


def test_what_is_broken_has_a_cause_and_what_is_well_has_none() -> None:
    assert [world.id for world in BROKEN if not world.is_broken] == []
    assert [world.id for world in HEALTHY if world.is_broken] == []


def test_each_rule_has_a_world_or_a_reason() -> None:
    shown = {code for world in BROKEN for code, _, _ in world.found}
    assert shown <= {rule.code for rule in RULES}
    assert {rule.code for rule in RULES} - shown == {code for one in ELSEWHERE for code in one.codes}


@pytest.mark.parametrize("one", ELSEWHERE, ids=lambda one: one.row)
def test_what_is_not_made_on_the_testbed_is_tested_elsewhere(one: Elsewhere) -> None:
    file, _, name = one.test.partition("::")
    assert f"def {name}(" in (ROOT / file).read_text()


def rows_of(text: str, heading: str) -> list[list[str]]:
    """Cells of the table under a heading."""
    _, _, rest = text.partition(f"## {heading}\n")
    part, _, _ = rest.partition("\n## ")
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def test_the_page_is_in_step_with_the_worlds() -> None:
    """make truth writes it anew."""
    text = PAGE.read_text()
    assert [row[:3] for row in rows_of(text, "Worlds that are broken")] == [
        [world.id, world.row, world.found[0][0]] for world in BROKEN
    ]
    assert [row[:2] for row in rows_of(text, "Worlds that are well")] == [[world.id, world.row] for world in HEALTHY]
    assert [row[:2] for row in rows_of(text, "Not made on the testbed")] == [[one.row, one.why] for one in ELSEWHERE]


def test_the_page_says_that_each_cause_is_named_and_nobody_is_alarmed() -> None:
    text = PAGE.read_text()
    assert [row[0] for row in rows_of(text, "Worlds that are broken") if not row[3].startswith("✓")] == []
    assert [row[0] for row in rows_of(text, "Worlds that are well") if row[2] != "–"] == []


def test_a_cell_may_hold_a_bar() -> None:
    assert rows_of(f"## Worlds\n\n{table(('a', 'b'), [('x|y', 'z')])}", "Worlds") == [["x\\|y", "z"]]
