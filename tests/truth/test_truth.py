"""Each way to get an alias wrong is named, its true cause first, and cured; of an alias that is well nothing is said.

One world: pytest tests/truth -k NAME -m testbed
"""

import pytest
from truth.telling import Teller, found_in
from truth.world import World
from truth.worlds import BROKEN, HEALTHY

QUIET = {"ok", "not-applicable", "not-served"}


def of_worlds(worlds: tuple[World, ...], *, everywhere: bool) -> pytest.MarkDecorator:
    chosen = [world for world in worlds if world.sandbox is everywhere]
    return pytest.mark.parametrize("world", [pytest.param(world, id=world.id) for world in chosen])


def holds(told: Teller, world: World) -> None:
    seen = told.of(world)
    assert seen.found == world.found, seen.words
    if world.is_broken and world.cure:
        assert seen.cure_failed == ""
        assert found_in(seen.after or ()) == world.left, seen.words
    assert seen.touched == []
    if not world.is_broken:
        states = {stage["state"] for alias in seen.before for source in alias["sources"] for stage in source["stages"]}
        assert states <= QUIET, seen.words


@of_worlds(BROKEN, everywhere=False)
def test_what_is_broken_is_named_and_cured_on_the_testbed(world: World, teller: Teller) -> None:
    holds(teller, world)


@of_worlds(HEALTHY, everywhere=False)
def test_what_is_well_is_left_in_peace_on_the_testbed(world: World, teller: Teller) -> None:
    holds(teller, world)


@pytest.mark.sandbox
@of_worlds(BROKEN, everywhere=True)
def test_what_is_broken_is_named_and_cured(world: World, teller: Teller) -> None:
    holds(teller, world)


@pytest.mark.sandbox
@of_worlds(HEALTHY, everywhere=True)
def test_what_is_well_is_left_in_peace(world: World, teller: Teller) -> None:
    holds(teller, world)
