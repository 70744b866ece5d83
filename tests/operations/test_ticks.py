"""Whom to ask what and when, and which verdict can be told."""

import math

import pytest

from kubectl_extsvc.model.finding import Fact
from kubectl_extsvc.model.resources import Json, ObjectRef
from kubectl_extsvc.model.snapshot import Mesh, Snapshot, Unread
from kubectl_extsvc.model.source import MeshMode, Source
from kubectl_extsvc.operations.noticing import Change, Noticed, may_matter
from kubectl_extsvc.operations.ticks import (
    ALIASES_AT_ONCE,
    HOLD_SECONDS,
    KEPT_FOR_THE_REST,
    MOST_ALIASES_AT_ONCE,
    Turn,
    can_be_told,
    next_aliases,
    told,
    with_what_was_told,
)
from kubectl_extsvc.operations.verifying import PUSH_SECONDS

ALIASES = tuple(ObjectRef("Service", "shop", f"a{number:03}") for number in range(200))
SIDECAR = Source("shop", "web", "app", MeshMode.SIDECAR)
PLAIN = Source("shop", "cron", "app", MeshMode.PLAIN)


# --- whom to ask -----------------------------------------------------------------------------------------------------


def test_what_is_seen_comes_first_then_what_fails_then_what_was_asked_longest_ago() -> None:
    asked_at = {ref: float(number) for number, ref in enumerate(ALIASES) if number != 150}
    seen, failing = ALIASES[100:103], (ALIASES[7], ALIASES[5])
    chosen = next_aliases(ALIASES, visible=(*seen, ObjectRef("Service", "x", "gone")), failing=failing,
                          asked_at=asked_at)  # fmt: skip
    assert chosen[:6] == (*seen, ALIASES[5], ALIASES[7], ALIASES[150])
    assert len(chosen) == len(seen) + ALIASES_AT_ONCE
    assert chosen[6:] == tuple(ref for ref in ALIASES if ref not in chosen[:6])[: len(chosen) - 6]


@pytest.mark.parametrize(("visible", "failing"), [(ALIASES[:150], ()), ((), ALIASES[:150]), (ALIASES[:30], ALIASES)])
def test_however_much_is_seen_or_fails_the_others_have_their_turn(
    visible: tuple[ObjectRef, ...], failing: tuple[ObjectRef, ...]
) -> None:
    asked_at: dict[ObjectRef, float] = {}
    for now in range(60):
        chosen = next_aliases(ALIASES, visible=visible, failing=failing, asked_at=asked_at)
        assert len(chosen) <= MOST_ALIASES_AT_ONCE
        asked_at |= dict.fromkeys(chosen, float(now))
    assert asked_at.keys() == set(ALIASES)
    assert min(asked_at.values()) >= 59 - math.ceil(len(ALIASES) / KEPT_FOR_THE_REST)


def test_a_first_sweep_goes_on_without_pauses_and_begins_with_what_is_seen() -> None:
    turn = Turn()
    turn.want(ALIASES, 0.0)
    chosen = turn.take(0.0, 10.0, ALIASES, visible=ALIASES[50:60])
    assert (chosen[:10], len(chosen), turn.due_at) == (ALIASES[50:60], ALIASES_AT_ONCE, 0.0)
    swept = set(chosen)
    while turn.wanted:
        swept |= set(turn.take(1.0, 10.0, ALIASES))
    assert (swept, turn.due_at) == (set(ALIASES), 10.0)


def test_what_somebody_waits_for_does_not_put_off_the_turn_of_the_others() -> None:
    turn = Turn(next_at=5.0)
    turn.want(ALIASES[:1], 1.0)
    turn.want(ALIASES[:1], 3.0)
    assert (turn.due_at, turn.take(1.0, 10.0, ALIASES[:3]), turn.due_at) == (1.0, ALIASES[:1], 5.0)
    assert turn.take(2.0, 10.0, ALIASES[:3]) == ()
    assert (turn.take(5.0, 10.0, ALIASES[:3])[0], turn.due_at) == (ALIASES[1], 15.0)


def test_a_turn_in_which_all_are_asked_is_not_followed_by_another_at_once() -> None:
    turn = Turn(next_at=1.0)
    turn.want(ALIASES[:3], 1.0)
    assert (turn.take(1.0, 10.0, ALIASES[:3]), turn.due_at) == (ALIASES[:3], 11.0)


def test_aliases_that_are_gone_are_waited_for_no_more() -> None:
    turn = Turn(next_at=5.0)
    turn.want(ALIASES[:2], 1.0)
    assert (turn.take(1.0, 10.0, ()), turn.due_at, turn.asked_at) == ((), 5.0, {})


def test_wants_for_later_stay_when_the_turn_comes_before() -> None:
    turn = Turn(next_at=1.0)
    turn.want(ALIASES[-1:], 4.0)
    assert ALIASES[-1] not in turn.take(1.0, 10.0, ALIASES)
    assert turn.due_at == 4.0


# --- which verdict can be told ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "was_bad", "complete", "since", "tells"),
    [
        (False, True, True, 0.1, True),  # cured, and all have said so
        (False, True, False, 0.1, False),
        (True, False, True, 0.1, False),  # a push may be on its way
        (True, False, False, PUSH_SECONDS, True),  # red at once
        (True, True, False, PUSH_SECONDS, False),  # not less red for want of an answer
        (False, True, False, PUSH_SECONDS, False),
        (True, True, True, PUSH_SECONDS, True),
        (False, True, False, HOLD_SECONDS, True),
    ],
)
def test_a_verdict_waits_for_a_push_and_for_those_that_answered_before(
    bad: bool, was_bad: bool, complete: bool, since: float, tells: bool
) -> None:
    assert can_be_told(bad=bad, was_bad=was_bad, complete=complete, since_change=since) is tells


# --- what sources tell -----------------------------------------------------------------------------------------------


def seen(resolved: dict[str, tuple[str, ...]], *unread: str, version: tuple[int, int] | None = None) -> Snapshot:
    mesh = Mesh(installed=True, api_version="v1", version=version)
    return Snapshot(resolved=resolved, mesh=mesh, unread={what: Unread(what, "no") for what in unread})


def test_what_a_source_told_of_other_hosts_stays() -> None:
    first = told(None, seen({"a.example": ("192.0.2.1",), "b.example": ("192.0.2.2",)}), {"a.example", "b.example"})
    then = told(first, seen({}), {"b.example"})
    assert then.resolved == {"a.example": ("192.0.2.1",)}


def test_plain_sources_know_names_best_and_the_oldest_proxy_decides_the_version() -> None:
    known = with_what_was_told(
        Snapshot(services=({"kind": "Service"},)),
        {
            PLAIN: seen({"a.example": ("192.0.2.1",)}, Fact.RESOLUTION),
            SIDECAR: seen({"a.example": ("240.0.0.1",)}, Fact.PROXY, version=(1, 30)),
            Source("shop", "api", "app", MeshMode.SIDECAR): seen({}, Fact.PROXY, version=(1, 31)),
        },
    )
    assert (known.resolved, known.mesh.version, list(known.unread)) == (
        {"a.example": ("192.0.2.1",)},
        (1, 30),
        [Fact.PROXY],
    )
    assert known.services == ({"kind": "Service"},)


# --- what has changed ------------------------------------------------------------------------------------------------


def obj(name: str, version: str, kind: str = "DestinationRule", **spec: object) -> Json:
    return {"kind": kind, "metadata": {"name": name, "namespace": "shop", "uid": name, "resourceVersion": version},
            "spec": spec}  # fmt: skip


def types(changes: list[Change]) -> list[tuple[str, str]]:
    return [(change.type, change.ref.name) for change in changes]


def test_a_change_is_noticed_once_whoever_tells_it_first() -> None:
    noticed = Noticed()
    noticed.read(Snapshot(destination_rules=(obj("a", "1"), obj("b", "1"))), 0.0)
    change = noticed.hear("MODIFIED", obj("a", "2"), 1.0)
    assert change is not None
    assert (change.type, change.before, change.after) == ("MODIFIED", obj("a", "1"), obj("a", "2"))
    assert noticed.hear("MODIFIED", obj("a", "2"), 1.1) is None
    assert types(noticed.read(Snapshot(destination_rules=(obj("a", "2"), obj("b", "3"))), 2.0)) == [("MODIFIED", "b")]
    assert noticed.hear("MODIFIED", obj("b", "3"), 3.0) is None
    assert types(noticed.read(Snapshot(destination_rules=(obj("a", "2"), obj("c", "1"))), 4.0)) == [
        ("DELETED", "b"),
        ("ADDED", "c"),
    ]
    assert noticed.hear("DELETED", obj("b", "4"), 5.0) is None


def test_a_read_that_began_before_does_not_take_back_what_a_watch_told() -> None:
    noticed = Noticed()
    noticed.read(Snapshot(destination_rules=(obj("a", "1"),)), 0.0)
    noticed.hear("MODIFIED", obj("a", "2"), 2.0)
    noticed.hear("ADDED", obj("b", "2"), 2.0)
    assert noticed.read(Snapshot(destination_rules=(obj("a", "1"),)), 1.0) == []
    assert noticed.read(Snapshot(destination_rules=(obj("a", "2"), obj("b", "2"))), 3.0) == []


def test_a_list_tells_what_a_broken_watch_missed_in_its_namespace_only() -> None:
    noticed = Noticed()
    elsewhere = obj("x", "1") | {"metadata": {**obj("x", "1")["metadata"], "namespace": "other"}}
    noticed.read(Snapshot(destination_rules=(obj("a", "1"), obj("b", "1"), elsewhere)), 0.0)
    assert types(noticed.hear_all("DestinationRule", "shop", [obj("b", "2"), obj("c", "1")], 1.0)) == [
        ("MODIFIED", "b"),
        ("ADDED", "c"),
        ("DELETED", "a"),
    ]
    assert types(noticed.hear_all("DestinationRule", None, [obj("b", "2"), obj("c", "1")], 2.0)) == [("DELETED", "x")]


def test_a_slice_of_pods_that_only_the_read_knows_never_goes() -> None:
    noticed = Noticed()
    of_pods, own = obj("curl-1", "1", "EndpointSlice"), obj("a-1", "1", "EndpointSlice")
    of_pods["metadata"]["labels"] = {"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}
    assert types(noticed.read(Snapshot(endpoint_slices=(of_pods, own)), 0.0)) == [("ADDED", "a-1")]
    assert types(noticed.hear_all("EndpointSlice", None, [own], 1.0)) == []


def test_what_could_not_be_read_is_not_gone() -> None:
    noticed = Noticed()
    noticed.read(Snapshot(destination_rules=(obj("a", "1"),)), 0.0)
    unread = {"destinationrules": Unread("destinationrules", "forbidden")}
    assert noticed.read(Snapshot(unread=unread), 1.0) == []


@pytest.mark.parametrize(
    ("before", "after", "matters"),
    [
        (None, obj("new", "1", "Service", type="ExternalName"), True),
        (None, obj("new", "1", "Service", selector={"app": "x"}), False),
        (obj("new", "1", "Service", selector={"app": "x"}), obj("new", "2", "Service"), True),
        (obj("a000", "1", "Service"), obj("a000", "2", "Service", selector={"app": "x"}), True),
        (None, obj("some", "1", "EndpointSlice"), False),
        (None, obj("any", "1", "Sidecar"), True),
    ],
)
def test_only_services_and_slices_about_aliases_matter_and_all_of_istio(
    before: Json | None, after: Json, matters: bool
) -> None:
    assert may_matter(Change("MODIFIED", ObjectRef.of(after), before, after), set(ALIASES)) is matters
