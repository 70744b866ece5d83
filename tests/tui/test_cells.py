"""A cell says the worst of what a source saw of an alias."""

from dataclasses import replace

import pytest
from tui.boards import CRON, HTTP_80, NOON, WEB, alias, finding, report, seen

from kubectl_extsvc.model.finding import Finding, Severity
from kubectl_extsvc.model.observation import Stage
from kubectl_extsvc.tui.cells import NOT_ASKED, RUNNING, Cell, Sample, cell_of, cells_of, sample_of

WARNING = finding("XS0207", "drift", Severity.WARNING, Stage.ENDPOINTS)
INFO = finding("XS0209", "so it is", Severity.INFO, Stage.DNS)
PAY = alias("pay")


@pytest.mark.parametrize(
    ("what", "findings", "said"),
    [
        ("38", [], ("✓", "38 ms")),
        ("0", [], ("✓", "ok")),
        ("tls", [], ("✗", "tls")),
        ("endpoints", [], ("✗", "ep")),
        ("503", [], ("✗", "503")),
        ("not served", [], ("·", "not srv")),
        ("pending", [], ("~", "wait")),
        ("unseen", [], ("?", "name")),
        ("rbac", [], ("⊘", "rbac")),
        ("tool", [], ("∅", "tool")),
        ("-", [], ("·", "")),
        ("38", [finding()], ("✗", "tls")),
        ("38", [WARNING], ("!", "ep")),
        ("38", [WARNING, finding()], ("✗", "tls")),
        ("38", [INFO], ("✓", "38 ms")),
        ("38", [replace(finding(), sources=("shop/cron",))], ("✓", "38 ms")),
        ("503", [finding()], ("✗", "503")),
        ("pending", [WARNING], ("~", "wait")),
        ("rbac", [WARNING], ("⊘", "rbac")),
        ("not served", [WARNING], ("!", "ep")),
    ],
)
def test_a_cell(what: str, findings: list[Finding], said: tuple[str, str]) -> None:
    made = report(PAY, (WEB,), (what,), *findings)
    cell = cell_of(made, WEB)
    assert (cell.glyph.sign, cell.word) == said
    assert cells_of(made).get(WEB.key, NOT_ASKED) == cell


def test_the_worst_port_decides() -> None:
    other = replace(HTTP_80, number=81)
    made = replace(report(PAY, (WEB,), ("12",)), sources=(seen(PAY, WEB, "12"), seen(PAY, WEB, "tls", other)))
    assert cell_of(made, WEB).word == "tls"
    slow = replace(made, sources=(seen(PAY, WEB, "12"), seen(PAY, WEB, "70", other)))
    assert (cell_of(slow, WEB).word, cells_of(slow)) == ("70 ms", {"shop/web": cell_of(slow, WEB)})


def test_each_source_has_its_own_cell() -> None:
    made = report(PAY, (WEB, CRON), ("tls", "38"), replace(finding(), sources=("shop/web",)))
    assert {key: cell.word for key, cell in cells_of(made).items()} == {"shop/web": "tls", "shop/cron": "38 ms"}


def test_what_is_a_problem_and_what_is_worse() -> None:
    whats = ["503", "unseen", "rbac", "tool", "pending", "38", "not served", "-"]
    cells = [cell_of(report(PAY, (WEB,), (what,)), WEB) for what in whats]
    assert [cell.is_problem for cell in cells] == [True, True, True, True, True, False, False, False]
    ranks = [cell.rank for cell in cells]
    assert ranks == sorted(ranks)
    assert not Cell(RUNNING, "").is_problem


def test_a_sample_says_how_long_and_what() -> None:
    made = report(PAY, (WEB, CRON), ("tls", "38"))
    failed, well = cell_of(made, WEB), cell_of(made, CRON)
    assert sample_of(made, WEB, NOON) == Sample(NOON, failed, 0.003, "tls: alert unrecognized_name")
    assert sample_of(made, CRON, NOON) == Sample(NOON, well, 0.038, "http: 200, 38 ms")
