"""What the matrix says, line by line."""
# ruff: noqa: E501, the drawings

from collections.abc import Sequence
from dataclasses import replace

import pytest
from tui.boards import CRON, HTTP_80, NOON, WEB, World, alias, finding, plain, seen, shop, source

from kubectl_extsvc.model.finding import Severity
from kubectl_extsvc.model.live import Asked, Asking, Judged, Lost
from kubectl_extsvc.model.observation import StageState
from kubectl_extsvc.model.snapshot import Snapshot
from kubectl_extsvc.model.source import MeshMode
from kubectl_extsvc.output.style import SEVERITIES, STATES, Style
from kubectl_extsvc.tui.board import Board
from kubectl_extsvc.tui.cells import Cell
from kubectl_extsvc.tui.filtering import parsed
from kubectl_extsvc.tui.lines import SIGNS, Ink, Line
from kubectl_extsvc.tui.matrix import (
    Fold,
    Options,
    Shape,
    counts_of,
    empty_lines,
    filler_line,
    group_text,
    header_lines,
    heading_lines,
    in_scope,
    layout_of,
    less_folded,
    more_folded,
    old_cells,
    row_line,
    visible,
)
from kubectl_extsvc.tui.selection import panel_height, panel_lines

ASCII = Style(ascii=True)
PAYMENTS_PAST = {"payments": ["12", "20", "14"]}


def options(width: int = 120, height: int = 36, **more: object) -> Options:
    return replace(Options(width, height, NOON, context="prod-eu", all_namespaces=True), **more)  # type: ignore[arg-type]


def texts(lines: Sequence[Line]) -> list[str]:
    return [line.text for line in lines]


def rows(board: Board, chosen: Options, selected: str = "", cell: str = "") -> list[str]:
    layout = layout_of(board, chosen)
    return [
        row_line(
            board, layout, one, chosen.now, selected=one.name == selected, source=cell if one.name == selected else ""
        ).text
        for one in visible(board, chosen)
    ]


def header(board: Board, chosen: Options) -> list[str]:
    scope = in_scope(board, chosen)
    problems = sum(board.is_problem(one) for one in scope)
    counts = counts_of(board, scope, len(visible(board, chosen)), problems)
    return [line.text.rstrip() for line in header_lines(board, chosen, counts)]


# --- columns and rows ----------------------------------------------------------------------------------------------


def test_a_wide_terminal_has_frames_and_a_column_for_each_source() -> None:
    board = shop().board(3, PAYMENTS_PAST)
    layout = layout_of(board, options())
    assert texts(heading_lines(layout)) == [
        "┌ aliases ─────────────────────────┬ sidecar ──────────────────────┬ plain ──────────────┬ ambient ──┬─────────────────┐",
        "│   ALIAS          TARGET          │ api       cart      web       │ cron      dbg       │ rec       │ Δ       last 7  │",
    ]
    assert rows(board, options(), "payments", "shop/web") == [
        "│   ledger.billing 203.0.113.4     │ ! ep      ! ep      ! ep      │ ✓ 9.0 ms  ✓ 9.0 ms  │ ⊘ rbac    │ ≠ep         !!! │",
        "│   cdn.shop       cdn.example     │ ? name    ✓ 7.0 ms  ✓ 6.0 ms  │ ✓ 6.0 ms  ∅ tool    │ ✓ 6.0 ms  │ =           ??? │",
        "│   mail.shop      smtp.example    │ ✓ 11 ms   ·         ✓ 12 ms   │ ✓ 10 ms   ✓ 10 ms   │ · not srv │ =           ▁▁▁ │",
        "│   new.shop       new.example     │ ·         ·         ·         │ ·         ·         │ ·         │                 │",
        "│ ▸ payments.shop  api.pay.example │ ✗ tls     ✗ tls    ▸✗ tls     │ ✓ 38 ms   ✓ 40 ms   │ ✓ 44 ms   │ ≠tls     ▁▃▂✗✗✗ │",
    ]
    assert filler_line(layout).text == (
        "│                                  │                               │                     │           │                 │"
    )


def test_ascii_has_words_for_signs() -> None:
    board = shop().board(3, PAYMENTS_PAST)
    chosen = options(style=ASCII)
    lines = [*texts(heading_lines(layout_of(board, chosen))), *rows(board, chosen, "payments")]
    assert lines == [
        "+ aliases -------------------------+ sidecar -------------------------+ plain ----------------+ ambient ---+-----------+",
        "|   ALIAS          TARGET          | api        cart       web        | cron       dbg        | rec        | DIFF      |",
        "|   ledger.billing 203.0.113.4     | WARN ep    WARN ep    WARN ep    | OK 9.0 ms  OK 9.0 ms  | RBAC       | !=ep      |",
        "|   cdn.shop       cdn.example     | ?? name    OK 7.0 ms  OK 6.0 ms  | OK 6.0 ms  TOOL       | OK 6.0 ms  | =         |",
        "|   mail.shop      smtp.example    | OK 11 ms   -          OK 12 ms   | OK 10 ms   OK 10 ms   | - not srv  | =         |",
        "|   new.shop       new.example     | -          -          -          | -          -          | -          |           |",
        "| > payments.shop  api.pay.example | FAIL tls   FAIL tls   FAIL tls   | OK 38 ms   OK 40 ms   | OK 44 ms   | !=tls     |",
    ]
    assert all(line.isascii() for line in lines)


def test_a_narrow_terminal_folds_groups_that_do_not_fit() -> None:
    board = shop().board(3)
    chosen = options(80, 24)
    assert texts(heading_lines(layout_of(board, chosen))) == [
        "                              sidecar        plain          ambient             ",
        "  ALIAS          TARGET       3 pods         2 pods         rec         Δ       ",
    ]
    assert rows(board, chosen, "mail") == [
        "  ledger.billing 203.0.113…   ! ep 3/3       2/2 ✓          ⊘ rbac      ≠ep     ",
        "  cdn.shop       cdn.examp…   1 ? 2 ✓        1 ∅ 1 ✓        ✓ 6.0 ms    =       ",
        "▸ mail.shop      smtp.exam…   2/3 ✓          2/2 ✓          · not srv   =       ",
        "  new.shop       new.examp…   ·              ·              ·                   ",
        "  payments.shop  api.pay.e…   ✗ tls 3/3      2/2 ✓          ✓ 44 ms     ≠tls    ",
    ]


def test_all_groups_folded_need_one_heading() -> None:
    chosen = options(80, 24, fold=dict.fromkeys(MeshMode, Fold.MODE), all_namespaces=False, namespace="billing")
    assert texts(heading_lines(layout_of(shop().board(), chosen))) == [
        "  ALIAS  TARGET        sidecar 3      plain 2        ambient 1      Δ           "
    ]


def test_a_tiny_terminal_is_a_list() -> None:
    board = shop().board()
    assert layout_of(board, options(50, 14)).shape is Shape.LIST
    assert heading_lines(layout_of(board, options(50, 14))) == ()
    assert rows(board, options(50, 14), "cdn") == [
        "  ! ep      ledger.billing                        ",
        "▸ ? name    cdn.shop                              ",
        "  ✓ 11 ms   mail.shop                             ",
        "  ·         new.shop                              ",
        "  ✗ tls     payments.shop                         ",
    ]
    assert texts(panel_lines(board, options(50, 14), layout_of(board, options(50, 14)), None)) == [
        " 60×15 or more shows the matrix                   "
    ]


def many(count: int) -> Board:
    world = World(tuple(source(f"web-{number}") for number in range(count)))
    world.add(alias("payments"), *(["12"] * count))
    return world.board()


def test_the_largest_group_is_folded_first() -> None:
    world = World(
        (*(source(f"web-{number}") for number in range(3)), *(plain(f"cron-{number}") for number in range(6)))
    )
    world.add(alias("payments"), *(["12"] * 9))
    layout = layout_of(world.board(), options(100, 30))
    assert [(group.mode, group.folded) for group in layout.groups] == [
        (MeshMode.SIDECAR, False),
        (MeshMode.PLAIN, True),
    ]


def test_a_group_that_is_opened_on_demand_scrolls() -> None:
    board = many(20)
    closed = layout_of(board, options(120, 36))
    assert [group.folded for group in closed.groups] == [True]
    opened = layout_of(board, options(120, 36, fold={MeshMode.SIDECAR: Fold.PODS}))
    assert [group.folded for group in opened.groups] == [False]
    assert closed.total <= 120
    assert opened.total == opened.fixed + 1 + 20 * (1 + 9) + 1 + 1
    assert row_line(board, opened, board.aliases[0], NOON).width == opened.total


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (99, 50), (100, 24), (120, 36), (150, 40), (200, 60), (300, 80)])
@pytest.mark.parametrize("style", [Style(), ASCII])
def test_rows_and_headings_are_as_wide_as_the_layout_says(size: tuple[int, int], style: Style) -> None:
    board = shop().board(3)
    chosen = options(*size, style=style)
    layout = layout_of(board, chosen)
    width = max(layout.total, layout.width)
    lines = [*heading_lines(layout), filler_line(layout)]
    lines += [row_line(board, layout, one, NOON, selected=True) for one in board.aliases]
    assert {line.width for line in lines} == {width}
    assert {line.width for line in panel_lines(board, chosen, layout, board.aliases[0], place="1/5")} == {size[0]}


def test_where_a_cell_is_and_which_cell_is_there_agree() -> None:
    layout = layout_of(shop().board(), options(fold=dict.fromkeys(MeshMode, Fold.PODS)))
    for key in layout.stops():
        start, width = layout.column_of(key)
        assert {layout.source_at(column) for column in range(start, start + width)} == {key}
    assert layout.stops() == ("shop/api", "shop/cart", "shop/web", "shop/cron", "shop/dbg", "shop/rec")
    assert (layout.column_of("shop/none"), layout.source_at(3)) == ((0, 0), "")


def test_one_kind_of_source_has_no_difference() -> None:
    assert layout_of(many(2), options()).delta == 0


def test_a_difference_needs_two_kinds_that_tell() -> None:
    world = World((WEB, CRON))
    world.add(alias("pay"), "12", "not served")
    assert [row.split("│")[-2].split() for row in rows(world.board(), options())] == [["–", "▁"]]


def test_rows_stay_in_the_order_of_names_whatever_their_state() -> None:
    world = World((WEB,))
    for name, cell in (("zoo", "tls"), ("abc", "12"), ("mid", "503")):
        world.add(alias(name), cell)
    world.add(alias("zzz", namespace="billing"), "12")
    assert [one.name for one in in_scope(world.board(), options())] == ["zzz", "abc", "mid", "zoo"]


def test_text_from_the_cluster_cannot_move_the_cursor_of_a_terminal() -> None:
    world = World((source("web\x1b[2J"),))
    world.add(replace(alias("pay", "evil\x1b]0;x\x07.example\n"), name="pay\x1b[31m"), "12")
    board = world.board()
    lines = [
        *heading_lines(layout_of(board, options())),
        *panel_lines(board, options(), layout_of(board, options()), board.aliases[0]),
    ]
    text = "".join([*texts(lines), *rows(board, options())])
    assert text.isprintable()


def test_a_first_look_counts_its_seconds() -> None:
    world = World((WEB, CRON))
    world.add(alias("pay"))
    board = world.board()
    board.take(Asking(NOON - 3, WEB, frozenset((board.aliases[0].service,))))
    (row,) = rows(board, options())
    assert row.split("│")[2:4] == [" ~ 3 s     ", " ·         "]


def test_what_is_lost_is_dimmed() -> None:
    board = shop().board()
    board.take(Lost(NOON, "Unable to connect to the server", NOON + 4))
    line = row_line(board, layout_of(board, options()), board.aliases[0], NOON)
    assert {span.ink for span in line.spans} == {Ink.DIM, Ink.FRAME}


# --- folded groups -------------------------------------------------------------------------------------------------

OK, FAIL = Cell(STATES[StageState.OK], "12 ms"), Cell(STATES[StageState.FAILED], "tls")
UNSEEN, NONE = Cell(STATES[StageState.NOT_OBSERVED], "dns"), Cell(STATES[StageState.NOT_SERVED], "not srv")


@pytest.mark.parametrize(
    ("cells", "said", "ascii_said"),
    [
        ([OK], "✓ 12 ms", "OK 12 ms"),
        ([OK, OK, OK], "3/3 ✓", "3/3 OK"),
        ([OK, Cell(OK.glyph, "9 ms"), NONE], "2/3 ✓", "2/3 OK"),
        ([NONE, NONE], "· not srv", "- not srv"),
        ([FAIL, FAIL], "✗ tls 2/2", "FAIL tls 2/2"),
        ([FAIL, OK, FAIL], "2 ✗ 1 ✓", "2 FAIL 1 OK"),
        ([FAIL, Cell(FAIL.glyph, "503")], "2 ✗", "2 FAIL"),
        ([FAIL, UNSEEN, OK, OK], "1 ✗ 2 ✓", "1 FAIL 2 OK"),
        ([UNSEEN, NONE], "1 ?", "1 ??"),
        ([Cell(SEVERITIES[Severity.WARNING], "ep"), OK], "1 ! 1 ✓", "1 WARN 1 OK"),
    ],
)
def test_a_folded_group_in_words(cells: list[Cell], said: str, ascii_said: str) -> None:
    assert (group_text(cells, Style()).text, group_text(cells, ASCII).text) == (said, ascii_said)


# --- header --------------------------------------------------------------------------------------------------------


def test_the_header_counts() -> None:
    board = shop().board()
    assert header(board, options()) == [
        " extsvc  prod-eu ▸ all namespaces    5 aliases × 6 sources    ● watching 15s    ! 3 problems    5/6 checks    ⊘1"
    ]
    assert header(board, options(80, 24, filter="pay", all_namespaces=False, namespace="shop")) == [
        " extsvc  prod-eu▸shop  1 of 4×6  ● 15s  ! 2 problems  4/4"
    ]
    assert header(board, options(style=ASCII)) == [
        " extsvc  prod-eu > all namespaces    5 aliases x 6 sources    * watching 15s    ! 3 problems    5/6 checks    1 skipped"
    ]


def test_a_lost_cluster_is_said_with_its_error_and_when_it_is_asked_again() -> None:
    board = shop().board()
    board.take(Lost(NOON + 30, "dial tcp 10.0.0.1:6443: connect: connection refused", NOON + 36))
    assert header(board, options(now=NOON + 32)) == [
        " extsvc  prod-eu ▸ all namespaces    5 aliases × 6 sources    ○ lost    ! 3 problems    5/6 checks    ⊘1",
        " ✗ again in 4 s, r at once; what is shown is 32 s old: dial tcp 10.0.0.1:6443: connect: connection refused",
    ]


def test_a_frozen_view_says_so() -> None:
    (said,) = header(shop().board(), options(frozen=True))
    assert "‖ frozen " in said


# --- nothing to show -----------------------------------------------------------------------------------------------


def test_what_stands_where_no_rows_are() -> None:
    assert texts(empty_lines(Board(), options())) == ["  Reading the cluster…"]
    none = World((), notes=("no pod to probe from",)).board()
    assert texts(empty_lines(none, options(all_namespaces=False, namespace="shop"))) == [
        "  No aliases in shop.",
        "",
        "  An alias is a local name for a service outside the cluster:",
        "  a Service of type ExternalName, or one without a selector whose endpoints are written by hand.",
        "  Applications call NAME.NAMESPACE; extsvc shows, from each pod, how far such a call comes.",
        "",
        "  a  make one",
        "  kubectl extsvc demo  walks through the task without a cluster",
    ]
    elsewhere = texts(empty_lines(shop().board(), options(all_namespaces=False, namespace="empty")))
    assert elsewhere[0] == "  No aliases in empty."
    assert elsewhere[-2].startswith("  a  make one     0  show 5 of other namespaces")
    assert texts(empty_lines(shop().board(), options(filter="zebra"))) == [
        '  Nothing matches "zebra"; 5 aliases hidden, esc clears the filter'
    ]
    assert texts(empty_lines(shop().board(), options(filter="state:bad"))) == [
        "  state: is one of ok, fail, warn, wait, unknown, none",
        "  esc clears the filter",
    ]
    assert texts(empty_lines(many(2), options(problems_only=True))) == ["  No problems among 1 alias; ! shows all"]


# --- filter --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "left"),
    [
        ("", ["ledger", "cdn", "mail", "new", "payments"]),
        ("pay", ["payments"]),
        ("EXAMPLE !pay", ["cdn", "mail", "new"]),
        ("203.0.113", ["ledger"]),
        ("ns:billing", ["ledger"]),
        ("!ns:billing ma", ["mail"]),
        ("state:fail", ["payments"]),
        ("state:warn", ["ledger"]),
        ("state:unknown", ["ledger", "cdn"]),
        ("state:ok", ["mail"]),
        ("!state:ok", ["ledger", "cdn", "new", "payments"]),
        ("state:none", ["mail", "new"]),
        ("code:xs04", ["payments"]),
        ("code:XS", ["ledger", "payments"]),
        ("mesh:plain state:ok", ["ledger", "mail", "payments"]),
        ("mesh:sidecar state:fail", ["payments"]),
        ("state:bad", []),
        ("foo:bar", []),
        ("!foo:bar", []),
        ("mesh:none", []),
    ],
)
def test_a_filter(words: str, left: list[str]) -> None:
    assert [one.name for one in visible(shop().board(), options(filter=words))] == left


def test_a_filter_that_cannot_be_meant_is_said() -> None:
    assert [parsed(words).complaint for words in ("state:bad", "!mesh:x", "foo:bar", "2001:db8::1", "a !b ns:c")] == [
        "state: is one of ok, fail, warn, wait, unknown, none",
        "mesh: is one of sidecar, plain, ambient",
        '"foo:" is none of ns:, state:, code:, mesh:',
        "",
        "",
    ]


def test_mesh_chooses_columns() -> None:
    layout = layout_of(shop().board(), options(filter="mesh:plain"))
    assert [(group.mode, [one.name for one in group.columns]) for group in layout.groups] == [
        (MeshMode.PLAIN, ["cron", "dbg"])
    ]
    layout = layout_of(shop().board(), options(filter="!mesh:sidecar"))
    assert [group.mode for group in layout.groups] == [MeshMode.PLAIN, MeshMode.AMBIENT]


def test_only_problems() -> None:
    chosen = options(problems_only=True)
    assert [one.name for one in visible(shop().board(), chosen)] == ["ledger", "cdn", "payments"]


# --- panel ---------------------------------------------------------------------------------------------------------


def panel(board: Board, name: str, chosen: Options, **more: str) -> list[str]:
    one = next(one for one in board.aliases if one.name == name)
    lines = panel_lines(board, chosen, layout_of(board, chosen), one, **more)
    assert len(lines) == panel_height(chosen)
    return texts(lines)


def test_the_panel_tells_of_the_worst_source() -> None:
    board = shop().board()
    said = panel(board, "payments", options(), place="5/5", command="kubectl extsvc verify payments -n shop")
    assert said == [
        "├ payments.shop from api (sidecar) ─────────────────────────────────────────────────────────────────────────────── 5/5 ┤",
        "│ name ✓ 2 ms ─ dns ✓ 10.96.4.7 ─ route ✓ EDS 2/2 ─ ep ✓ 203.0.113.10:80 ─ tls ✗ alert unrecognized_name ─ http ·      │",
        '│ ✗ XS0403 Envoy sends SNI "payments.shop", the server has no such name                                                │',
        "│ evidence  503 URX,UF TLSV1_ALERT_UNRECOGNIZED_NAME                                                                   │",
        "│           destinationrule/payments has no tls.sni                                                                    │",
        "│ cure      kubectl extsvc fix payments -n shop XS0403                                                                 │",
        "└ $ kubectl extsvc verify payments -n shop ────────────────────────────────────────────────────────────────────────────┘",
    ]


def test_the_panel_of_a_chosen_source() -> None:
    assert panel(shop().board(), "payments", options(80, 24, source="shop/cron"))[:2] == [
        "─ payments.shop from cron (plain) ──────────────────────────────────────────────",
        " name ✓ 2 ms ─ dns ✓ 10.96.4.7 ─ ep ✓ 203.0.113.10:80 ─ http ✓ 200, 38 ms       ",
    ]


def test_the_panel_of_a_folded_group_is_of_its_worst() -> None:
    chosen = options(80, 24, source="shop/cron")
    assert panel(shop().board(), "cdn", chosen)[0].startswith("─ cdn.shop from dbg (plain) ──")


def test_what_is_well_gives_its_words_away_where_there_is_no_room() -> None:
    assert panel(shop().board(), "payments", options(80, 24))[1].rstrip() == (
        " name ✓ ─ dns ✓ ─ route ✓ ─ ep ✓ ─ tls ✗ alert unrecognized_name ─ http ·"
    )


def test_a_long_finding_is_wrapped_and_a_longer_one_cut_with_a_mark() -> None:
    world = World((WEB,))
    world.add(alias("pay"), "tls", findings=[finding(message="word " * 30), finding("XS0404")])
    said = panel(world.board(), "pay", options(80, 24))
    assert said[2:] == [
        " ✗ XS0403 word word word word word word word word word word word word word word ",
        "          word word word word word word word word word word word word word wor… ",
    ]


def test_an_alias_that_is_well_says_its_mode() -> None:
    assert panel(many(2), "payments", options())[2].strip("│ ") == "No findings. TLS SIMPLE by destinationrule/payments"


def test_no_pods_are_explained() -> None:
    world = World((), notes=("no pod to probe from; --probe-pods makes a pair",))
    world.add(alias("pay"))
    assert panel(world.board(), "pay", options())[2].strip("│ ") == "no pod to probe from; --probe-pods makes a pair"


def test_several_ports_show_the_one_that_ends_first() -> None:
    one, other = alias("pay"), replace(HTTP_80, number=81)
    world = World((WEB,))
    world.add(one, "12")
    report = replace(world.reports[0], sources=(seen(one, WEB, "12"), seen(one, WEB, "dns", other)))
    board = world.board()
    board.take(Judged(NOON, report, WEB))
    assert "dns ✗ alert unrecognized_name" in panel(board, "pay", options())[1]


def test_pods_without_a_sidecar_have_no_route_in_the_strip() -> None:
    world = World((plain("cron"),))
    world.add(alias("pay"), "12")
    assert "route" not in panel(world.board(), "pay", options())[1]


# --- many pods -----------------------------------------------------------------------------------------------------


def replicas() -> World:
    """Two Deployments of three pods, a StatefulSet of two, and a pod alone; one plain pod."""
    pods = [f"{name}-7d9fc4d8b6-x2x4{letter}" for name in ("web", "api") for letter in "bcd"]
    stateful = [replace(source(f"db-{number}"), labels=(("statefulset.kubernetes.io/pod-name", f"db-{number}"),))
                for number in (0, 1)]  # fmt: skip
    world = World((*map(source, pods), *stateful, source("dbg"), CRON))
    world.add(alias("pay"), "tls", "38", "38", "38", "38", "38", "9", "tls", "7", "8")
    return world


@pytest.mark.parametrize(
    ("width", "folds", "headings"),
    [
        (
            200,
            [Fold.PODS, Fold.PODS],
            [
                *(f"api-7d9fc4d8b6-x2x4{one}" for one in "bcd"),
                "db-0",
                "db-1",
                "dbg",
                *(f"web-7d9fc4d8b6-x2x4{one}" for one in "bcd"),
                "cron",
            ],
        ),
        (120, [Fold.WORKLOADS, Fold.PODS], ["api 3", "db 2", "dbg", "web 3", "cron"]),
        (60, [Fold.MODE, Fold.PODS], ["", "cron"]),
    ],
)
def test_with_many_pods_workloads_share_a_column_before_a_kind_of_source_does(
    width: int, folds: list[Fold], headings: list[str]
) -> None:
    layout = layout_of(replicas().board(), options(width, all_namespaces=False, namespace="shop"))
    assert [group.fold for group in layout.groups] == folds
    assert [one.name for group in layout.groups for one in group.columns] == headings
    assert layout.total <= width


DRAWN_BY_WORKLOAD = [
    "┌ aliases ─────────────────┬ sidecar ─────────────────────────────────────────┬ plain ────┬────────────────────────────┐",
    "│   ALIAS TARGET      KIND │ api 3        db 2         dbg       web 3        │ cron      │ Δ       last 18            │",
    "│   pay   pay.example ext  │ 3/3 ✓        1 ✗ 1 ✓      ✓ 7.0 ms  1 ✗ 2 ✓      │ ✓ 8.0 ms  │ =                      ✗✗✗ │",
]


def test_the_column_of_a_workload_counts_its_pods() -> None:
    board, chosen = replicas().board(3), options(120, all_namespaces=False, namespace="shop")
    lines = [*texts(heading_lines(layout_of(board, chosen))), *rows(board, chosen)]
    assert lines == DRAWN_BY_WORKLOAD


def test_fold_and_unfold_go_by_steps() -> None:
    board, fold, seen_folds = replicas().board(), Fold.PODS, []
    for step in (more_folded, more_folded, more_folded, less_folded, less_folded, less_folded):
        layout = layout_of(board, options(400, fold={MeshMode.SIDECAR: fold}))
        fold = step(layout.groups[0])
        seen_folds.append(fold)
    assert seen_folds == [Fold.WORKLOADS, Fold.MODE, Fold.MODE, Fold.WORKLOADS, Fold.PODS, Fold.PODS]
    alone = layout_of(shop().board(), options(400)).groups[0]
    assert more_folded(alone) is Fold.MODE


# --- age -----------------------------------------------------------------------------------------------------------


def test_a_cell_that_nobody_has_asked_for_three_intervals_is_dim_and_its_age_is_said() -> None:
    world = World((WEB, CRON))
    world.add(alias("pay"), "38", "40")
    board = world.board()
    report = world.reports[0]
    board.take(Judged(NOON + 31, report, CRON))
    for now, wanted in ((NOON + 30, set()), (NOON + 31, {WEB.key}), (NOON + 62, {WEB.key, CRON.key})):
        chosen = options(now=now, interval=10.0)
        assert old_cells(board, report.alias.service, chosen) == wanted
    chosen = options(now=NOON + 45, interval=10.0, source=WEB.key)
    layout = layout_of(board, chosen)
    aged = old_cells(board, report.alias.service, chosen)
    row = row_line(board, layout, report.alias, chosen.now, old=aged)
    assert [(span.text.strip(), span.ink) for span in row.spans if " ms" in span.text] == [
        ("✓ 38 ms", Ink.DIM),
        ("✓ 40 ms", Ink.GOOD),
    ]
    assert "├ pay.shop from web (sidecar), 45s ago ─" in texts(panel_lines(board, chosen, layout, report.alias))[0]
    fresh = replace(chosen, source=CRON.key)
    assert "├ pay.shop from cron (plain) ─" in texts(panel_lines(board, fresh, layout, report.alias))[0]


def test_that_an_answer_is_awaited_is_said_after_a_moment_and_then_for_how_long() -> None:
    world = World((WEB,))
    world.add(alias("pay"))
    board, ref = world.board(), world.reports[0].alias.service
    board.take(Asking(NOON, WEB, frozenset((ref,))))
    said = {}
    for after in (0.3, 0.5, 7.0):
        chosen = options(now=NOON + after)
        title = texts(panel_lines(board, chosen, layout_of(board, chosen), world.reports[0].alias))[0]
        said[after] = (rows(board, chosen)[0].split("│")[2].strip(), title.partition(")")[2].rstrip("─┤ "))
    assert said == {0.3: ("·", ""), 0.5: ("~", ", asking"), 7.0: ("~ 7 s", ", asking for 7s")}


# --- what keeps us from seeing ---------------------------------------------------------------------------------------

NO_EXEC = 'pods "web" is forbidden: User "u" cannot create resource "pods/exec" (needs get and create on pods/exec)'


def second_line(board: Board, width: int = 200, style: Style = SIGNS) -> str:
    return "".join(header(board, options(width, style=style))[1:])


def test_without_the_right_to_exec_the_header_names_it_and_the_way_on() -> None:
    world = World((WEB, CRON))
    world.add(alias("pay"), "rbac", "rbac")
    board = world.board()
    asked = frozenset((world.reports[0].alias.service,))
    board.take(Asked(NOON, WEB, asked, 0.1, NO_EXEC))
    assert second_line(board) == ""  # the other pod may be asked
    board.take(Asked(NOON, CRON, asked, 0.1, NO_EXEC))
    said = " ! needs get and create on pods/exec: only objects are judged; s: other pods"
    assert second_line(board) == second_line(board, 80) == said
    assert [row.split("│")[2:4] for row in rows(board, options(120))] == [[" ⊘ rbac    ", " ⊘ rbac    "]]


def test_what_sources_are_missing_is_said_in_the_header() -> None:
    notes = ("no running sidecar pod to probe from; use --probe-pods", "another")
    world = World((CRON,), notes=notes)
    world.add(alias("pay"), "8")
    board = world.board()
    assert second_line(board) == " ! no running sidecar pod to probe from; use --probe-pods (+1 more)"
    assert second_line(board, style=ASCII) == " WARN no running sidecar pod to probe from; use --probe-pods (+1 more)"
    assert layout_of(board, options()).delta == 0  # nothing to compare with


def test_without_istio_there_is_a_word_on_what_is_not_judged() -> None:
    world = World((CRON,))
    world.add(alias("pay"), "8")
    board = world.board()
    assert second_line(board) == ""
    board.snapshot = Snapshot()
    assert (
        second_line(board)
        == "   no Istio is installed here: pods are all plain, and what is about the mesh is not judged"
    )


def test_a_cluster_that_never_answered_leaves_the_ways_on() -> None:
    board = Board(lost=Lost(NOON, "error: You must be logged in to the server (Unauthorized)", NOON + 8))
    assert second_line(board) == " ✗ again in 8 s, r at once: error: You must be logged in to the server (Unauthorized)"
    assert texts(empty_lines(board, options())) == [
        "  Nothing is known of the cluster yet.",
        "",
        "  r  ask again now     q  quit",
        "  kubectl config get-contexts  shows other clusters; --context NAME takes one",
        "  kubectl extsvc demo  walks through the task without a cluster",
    ]
