"""Our laws of Istio and istiod's own code say the same of every call."""

import json
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from oracle.comparing import Tally, judged
from oracle.program import admitted, answers
from oracle.random_worlds import random_world, random_worlds
from oracle.shrinking import shrunk

from kubectl_extsvc.model.resources import Json

FORMER = Path(__file__).parent / "former_disagreements"
SEED = 31
COUNT = 150
"""Worlds of the end-to-end test; `make oracle` asks more."""


@pytest.mark.parametrize("name", sorted(path.stem for path in FORMER.glob("*.json")))
def test_what_once_was_wrong_is_right_now(name: str) -> None:
    told = json.loads((FORMER / f"{name}.json").read_text())
    tally = judged([(told["world"], told["answer"])])
    assert [str(found) for found in tally.unexplained] == []
    assert (tally.known, tally.unknown) == ({}, {})
    assert tally.counts["calls"] > 0


def test_world_of_a_number_is_always_the_same() -> None:
    random.seed(0)
    first = random_world(SEED, 7)
    random.seed(1)
    assert random_world(SEED, 7) == first


def test_an_object_that_istio_refuses_is_in_no_world() -> None:
    world: Json = {"kube": [], "istio": [_rule("good"), _rule("bad")]}
    answer = {"invalid": [{"object": "DestinationRule/default/bad", "error": "traffic policy must have a field"}]}
    assert admitted(world, answer) == {"kube": [], "istio": [_rule("good")]}


def _rule(name: str) -> Json:
    return {"kind": "DestinationRule", "metadata": {"name": name}, "spec": {"host": "a"}}


def asks_the_program(test: Callable[..., None]) -> Callable[..., None]:
    """In make e2e it does so beside the tests on the cluster."""
    for mark in (pytest.mark.testbed, pytest.mark.usefixtures("program"), pytest.mark.timeout(300)):
        test = mark(test)
    return test


@cache
def tally_of_random_worlds() -> Tally:
    return judged(answers(random_worlds(SEED, COUNT)))


@asks_the_program
def test_nothing_in_random_worlds_is_disagreed_on_without_a_reason() -> None:
    tally = tally_of_random_worlds()
    assert [str(found) for found in tally.unexplained[:1]] == []
    assert tally.counts["worlds"] == COUNT


@asks_the_program
def test_nearly_all_calls_are_compared() -> None:
    tally = tally_of_random_worlds()
    untold = tally.counts["calls that we cannot tell"] + tally.known.total()
    assert tally.counts["calls"] > 5 * COUNT
    assert untold / tally.counts["calls"] < 0.03
    assert tally.counts["worlds that the program gave up"] == 0


@asks_the_program
def test_disagreement_is_shown_by_as_small_a_world_as_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubectl_extsvc.mesh.istiod.push_context.PushContext.rules_on", lambda self, host: ())
    world = json.loads((FORMER / "rule-takes-tls-mode-from-endpoints.json").read_text())["world"]
    crowded = {**world, "istio": [*world["istio"], _entry("httpbin.org"), _entry("en.wikipedia.org")]}
    (found,) = judged(answers([crowded])).unexplained
    smallest = shrunk(found)
    assert smallest.gist == found.gist
    assert smallest.world["istio"] == [{**world["istio"][0], "spec": {"host": "w0.default.svc.cluster.local"}}]


def _entry(host: str) -> Json:
    return {**_rule(host), "apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry", "spec": {"hosts": [host]}}
