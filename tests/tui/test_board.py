"""The board keeps what events tell, and says whose rows look different."""

from collections import deque
from dataclasses import replace

from tui.boards import CRON, NOON, WEB, World, alias, finding, plain, report, source

from kubectl_extsvc.model.finding import Severity
from kubectl_extsvc.model.live import Asked, Asking, Back, Judged, Known, Lost, ObjectChanged
from kubectl_extsvc.model.resources import ObjectRef
from kubectl_extsvc.model.source import MeshMode
from kubectl_extsvc.tui.board import HAPPENINGS_KEPT, LOOKS_KEPT, SAMPLES_KEPT, Board, in_order
from kubectl_extsvc.tui.cells import NOT_ASKED, cell_of

PAY, MAIL = alias("pay"), alias("mail")
REF = ObjectRef("Service", "shop", "pay")


def pay_and_mail() -> World:
    world = World((CRON, WEB))
    world.add(PAY, "12", "tls", findings=[finding(sources=("shop/web",))])
    world.add(MAIL, "9", "9")
    return world


def told(board: Board) -> list[str]:
    return [f"{one.who}: {one.text}" for one in board.happenings]


def test_what_is_known_names_everything() -> None:
    board = Board()
    assert board.take(pay_and_mail().events()[0]) is None
    assert (board.aliases, board.sources, board.known_at) == ((PAY, MAIL), (WEB, CRON), NOON)
    assert board.cell(PAY, WEB) is NOT_ASKED
    assert not board.is_problem(PAY)
    assert board.alias(REF) is PAY
    assert board.alias(ObjectRef("Service", "shop", "none")) is None


def test_sources_come_by_kind_and_name() -> None:
    mixed = (source("z", MeshMode.AMBIENT), plain("b"), plain("a"), source("y"), source("x", namespace="zoo"))
    assert [one.key for one in in_order(mixed)] == ["shop/y", "zoo/x", "shop/a", "shop/b", "shop/z"]


def test_a_verdict_fills_the_row() -> None:
    world = pay_and_mail()
    board = Board()
    board.take(world.events()[0])
    judged = Judged(NOON, world.reports[0], WEB)
    assert board.take(judged) == frozenset((REF,))
    assert board.cell(PAY, WEB) == cell_of(world.reports[0], WEB)
    assert board.reports[REF] is judged
    assert (board.is_problem(PAY), board.is_problem(MAIL)) == (True, False)
    assert board.first_finding(PAY) == world.reports[0].findings[0]
    assert board.first_finding(MAIL) is None
    assert told(board) == ['rule: pay: XS0403 Envoy sends SNI "payments.shop", the server has no such name']


def test_an_unknown_cell_is_a_problem_but_an_info_is_none() -> None:
    board = Board()
    for event in pay_and_mail().events()[:1]:
        board.take(event)
    board.take(Judged(NOON, report(PAY, (WEB, CRON), ("12", "unseen")), CRON))
    assert board.is_problem(PAY)
    board.take(Judged(NOON, report(PAY, (WEB, CRON), ("12", "12"), finding(severity=Severity.INFO)), CRON))
    assert not board.is_problem(PAY)


def test_what_an_answer_made_void_stays_until_the_next() -> None:
    world = pay_and_mail()
    board = world.board()
    before = board.cell(PAY, WEB)
    board.take(Judged(NOON, report(PAY, (CRON,), ("15",)), CRON))
    assert (board.cell(PAY, WEB), board.cell(PAY, CRON).word) == (before, "15 ms")


def test_only_news_are_told() -> None:
    board = pay_and_mail().board(rounds=3)
    assert len(board.happenings) == 1
    board.take(Judged(NOON, report(PAY, (WEB, CRON), ("12", "12"), finding("XS0404", "new")), WEB))
    assert told(board)[1:] == ["rule: pay: XS0404 new", "rule: pay: XS0403 is gone"]


def test_a_round_is_each_source_once() -> None:
    board = Board()
    board.take(pay_and_mail().events()[0])
    for asked, cells in ((WEB, ("12", "40")), (CRON, ("12", "40")), (WEB, ("tls", "40")), (WEB, ("20", "40"))):
        board.take(Judged(NOON, report(PAY, (WEB, CRON), cells), asked))
    assert [(look.worst.word, look.seconds, sorted(look.sources)) for look in board.looks[REF]] == [
        ("12 ms", 0.04, ["shop/cron", "shop/web"]),
        ("tls", 0.003, ["shop/web"]),
        ("20 ms", 0.02, ["shop/web"]),
    ]


def test_a_change_of_objects_alone_is_no_look() -> None:
    board = Board()
    board.take(pay_and_mail().events()[0])
    board.take(Judged(NOON, report(PAY, (WEB, CRON), ("12", "40")), None))
    assert (board.looks, board.samples) == ({}, {})


def test_history_is_bounded() -> None:
    board = pay_and_mail().board(rounds=SAMPLES_KEPT + 5)
    assert {len(kept) for kept in board.samples.values()} == {SAMPLES_KEPT}
    assert {len(kept) for kept in board.looks.values()} == {LOOKS_KEPT}
    for number in range(HAPPENINGS_KEPT + 5):
        board.take(ObjectChanged(NOON + number, "MODIFIED", REF, frozenset((REF,))))
    assert len(board.happenings) == HAPPENINGS_KEPT
    assert board.happenings[-1].at == NOON + HAPPENINGS_KEPT + 4


def test_asking_and_having_asked() -> None:
    board = pay_and_mail().board()
    asking = Asking(NOON, WEB, frozenset((REF,)))
    assert board.take(asking) == frozenset((REF,))
    assert board.asking == {"shop/web": asking}
    assert board.view_of(PAY, NOON).asking == {"shop/web": NOON}
    assert board.view_of(MAIL, NOON).asking == {}
    assert board.take(Asked(NOON + 1, WEB, frozenset((REF,)), 1.0, "pods/exec is forbidden")) == frozenset((REF,))
    assert (board.asking, board.trouble) == ({}, {"shop/web": "pods/exec is forbidden"})
    board.take(Asked(NOON + 2, WEB, frozenset((REF,)), 1.0, "pods/exec is forbidden"))
    assert told(board)[1:] == ["probe: web: pods/exec is forbidden"]
    board.take(Asked(NOON + 3, WEB, frozenset((REF,)), 1.0))
    assert board.trouble == {"shop/web": ""}


def test_losing_the_cluster_is_told_once_and_so_is_its_return() -> None:
    board = pay_and_mail().board()
    for number in range(3):
        assert board.take(Lost(NOON + number, "refused", NOON + 9)) is None
    assert [board.lost] == [Lost(NOON + 2, "refused", NOON + 9)]
    board.take(Back(NOON + 4))
    board.take(Back(NOON + 5))
    said = ["cluster: refused", "cluster: the cluster answers again"]
    assert told(board)[1:] == said
    assert not board.lost


def test_an_object_that_changes_is_told_of_its_aliases() -> None:
    board = pay_and_mail().board()
    rule = ObjectRef("DestinationRule", "shop", "pay")
    assert board.take(ObjectChanged(NOON, "DELETED", rule, frozenset((REF,)))) == frozenset()
    assert told(board)[1:] == ["cluster: destinationrule/pay deleted in shop"]
    assert [one.text for one in board.view_of(MAIL, NOON).happenings] == []
    assert board.view_of(PAY, NOON).happenings[0].text == "destinationrule/pay deleted in shop"


def test_what_is_gone_is_forgotten() -> None:
    world = pay_and_mail()
    board = world.board(rounds=2)
    board.take(Asking(NOON, CRON, frozenset((REF,))))
    board.take(Asked(NOON, WEB, frozenset((REF,)), 1.0, "no"))
    known = world.events()[0]
    assert isinstance(known, Known)
    board.take(replace(known, aliases=(MAIL,), sources=(WEB,)))
    assert list(board.reports) == list(board.cells) == list(board.looks) == [MAIL.service]
    assert list(board.cells[MAIL.service]) == ["shop/web"]
    assert list(board.samples) == [(MAIL.service, "shop/web")]
    assert (board.asking, board.trouble) == ({}, {"shop/web": "no"})


def test_a_view_is_a_value() -> None:
    world = pay_and_mail()
    board = world.board(rounds=2)
    view = board.view_of(PAY, NOON + 5)
    assert (view.alias, view.now, view.report, view.judged_at) == (PAY, NOON + 5, world.reports[0], NOON)
    assert {key: len(kept) for key, kept in view.samples.items()} == {"shop/web": 2, "shop/cron": 2}
    board.take(Judged(NOON + 6, report(PAY, (WEB, CRON), ("12", "12")), WEB))
    assert (view.report, len(view.samples["shop/web"])) == (world.reports[0], 2)


def test_a_copy_stays_as_it_is() -> None:
    world = pay_and_mail()
    board = world.board()
    copy = board.copy()
    assert copy == board
    board.take(Judged(NOON + 6, report(PAY, (WEB, CRON), ("15", "16")), WEB))
    board.take(Asking(NOON, WEB, frozenset((REF,))))
    board.take(Asked(NOON, CRON, frozenset((REF,)), 1.0, "no"))
    assert copy == world.board()
    assert isinstance(copy.happenings, deque)
