"""One alias in seven tabs, each said by a pane."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from kubectl_extsvc.model.finding import Finding
from kubectl_extsvc.model.resources import ObjectRef
from kubectl_extsvc.model.source import Source
from kubectl_extsvc.output.report_text import target_text
from kubectl_extsvc.output.style import Style
from kubectl_extsvc.tui.board import AliasView
from kubectl_extsvc.tui.keys import ACTING, ALIAS, EVERYWHERE, bindings, footer_words
from kubectl_extsvc.tui.lines import Ink, Line, Span, line, span
from kubectl_extsvc.tui.matrix import lost_spans
from kubectl_extsvc.tui.panes.choosing import ports_of, seen_of
from kubectl_extsvc.tui.panes.events import events_pane
from kubectl_extsvc.tui.panes.findings import findings_pane
from kubectl_extsvc.tui.panes.headers import headers_pane
from kubectl_extsvc.tui.panes.objects import objects_pane
from kubectl_extsvc.tui.panes.path import path_pane
from kubectl_extsvc.tui.panes.timing import timing_pane
from kubectl_extsvc.tui.panes.tls import tls_pane
from kubectl_extsvc.tui.screens.base import PaneScreen
from kubectl_extsvc.tui.widgets.lines_view import LinesView


@dataclass(frozen=True, slots=True)
class Look:
    """What of the alias is looked at."""

    tab: int = 0
    port: int = 0
    first: int = 0
    """Which source comes first."""
    pinned: str = ""
    """Key of the source that stays at the left."""
    volatile: bool = False


Pane = Callable[[AliasView, int, Style, Look], list[Line]]

PANES: tuple[tuple[str, Pane], ...] = (
    ("Path", lambda v, w, s, at: path_pane(v, w, s, port=at.port, first=at.first, pinned=at.pinned)),
    (
        "Headers",
        lambda v, w, s, at: headers_pane(v, w, s, port=at.port, first=at.first, pinned=at.pinned, volatile=at.volatile),
    ),
    ("TLS", lambda v, w, s, at: tls_pane(v, w, s, port=at.port, first=at.first, pinned=at.pinned)),
    ("Time", lambda v, w, s, at: timing_pane(v, w, s, port=at.port, first=at.first, pinned=at.pinned)),
    ("Findings", lambda v, w, s, _: findings_pane(v, w, s)),
    ("Objects", lambda v, w, s, _: objects_pane(v, w, s)),
    ("Events", lambda v, w, s, _: events_pane(v, w, s)),
)


def heading(view: AliasView, style: Style, *, frozen: bool) -> Line:
    """extsvc ▸ my-pay.shop → api.pay.example:443"""
    arrow = "->" if style.ascii else "→"
    name = f"{view.alias.name}.{view.alias.namespace} {arrow} {target_text(view.alias)}"
    parts: list[str | Span] = [span(" extsvc ", Ink.STRONG), span("> " if style.ascii else "▸ ", Ink.DIM)]
    parts += [span(name, Ink.STRONG, style), span(f"   {view.alias.form}", Ink.DIM)]
    if frozen:
        parts.append(span("   FROZEN, z goes on", Ink.WARN))
    return line(*parts, style=style)


def tabs(view: AliasView, at: Look) -> Line:
    """1 Path 2 Headers 3 TLS 4 Time 5 Findings(1) 6 Objects 7 Events, the open one in brackets."""
    found = len(view.report.findings) if view.report is not None else 0
    spans: list[Span] = []
    for number, (name, _) in enumerate(PANES):
        words = f"{number + 1} {name}" + (f"({found})" if name == "Findings" and found else "")
        ink = Ink.STRONG if number == at.tab else Ink.BAD if name == "Findings" and found else Ink.DIM
        spans.append(Span(f"[{words}]" if number == at.tab else f" {words} ", ink))
    return Line((Span(" "), *spans))


class AliasScreen(PaneScreen):
    BINDINGS = bindings(ALIAS)

    def __init__(self, ref: ObjectRef) -> None:
        super().__init__()
        self.ref = ref
        self.at = Look()
        self._cursors: dict[int, int] = {}
        """Tab → line that the cursor was on."""

    def on_mount(self) -> None:
        super().on_mount()
        if self.extsvc.live is not None:
            self.extsvc.live.show((self.ref,))

    def selected(self) -> ObjectRef | None:
        return self.ref

    def selected_finding(self) -> Finding | None:
        """On the findings' tab the one under the cursor."""
        view = self.view()
        findings = view.report.findings if view is not None and view.report is not None else ()
        text = self.pane.line.text if PANES[self.at.tab][0] == "Findings" and self.pane.line is not None else ""
        return next((finding for finding in findings if finding.code in text), None)

    def selected_source(self) -> Source | None:
        """The first that is shown."""
        view = self.view()
        seen = seen_of(view, None, first=self.at.first, pinned=self.at.pinned) if view is not None else ()
        return seen[0].source if seen else None

    def view(self) -> AliasView | None:
        app = self.extsvc
        alias = app.board.alias(self.ref)
        return app.board.view_of(alias, app.frozen_at or app.clock()) if alias is not None else None

    def board_changed(self, dirty: frozenset[ObjectRef] | None) -> None:
        if dirty is not None and self.ref not in dirty:
            return
        app, style, view = self.extsvc, self.extsvc.options.style, self.view()
        width = max(self.size.width - 1, 20)
        keys = footer_words(ALIAS, ACTING, EVERYWHERE, width=self.size.width - 1, readonly=app.options.readonly)
        self.query_one("#keys", LinesView).show([line(span(f" {keys}", Ink.DIM, style))])
        if view is None:
            name = f"{self.ref.name}.{self.ref.namespace}"
            told = (
                f"alias {name} is not there (any more); esc goes back" if app.board.known_at else "asking the cluster …"
            )
            if app.board.lost is not None:
                told = app.board.lost.reason
            self.query_one("#heading", LinesView).show([line(span(f" extsvc  {name}", Ink.STRONG, style)), Line()])
            self.pane.show([line(span(f"  {told}", Ink.WARN, style))])
            return
        self.query_one("#heading", LinesView).show(
            [heading(view, style, frozen=bool(app.frozen_at)), tabs(view, self.at)]
        )
        lost = app.board.lost
        mark = "FAIL" if style.ascii else "✗"
        ahead = [line("  ", *lost_spans(app.board, view.now, style, mark))] if lost is not None else []
        self.pane.show([*ahead, *PANES[self.at.tab][1](view, width, style, self.at)])

    def _look(self, at: Look) -> None:
        if at.tab != self.at.tab:
            self._cursors[self.at.tab] = self.pane.cursor
        moved, self.at = at.tab != self.at.tab, at
        self.board_changed(None)
        if moved:
            self.pane.move_to(self._cursors.get(at.tab, 0))

    def action_tab(self, key: str) -> None:
        self._look(replace(self.at, tab=int(key) - 1))

    def action_next_tab(self) -> None:
        self._look(replace(self.at, tab=(self.at.tab + 1) % len(PANES)))

    def action_previous_tab(self) -> None:
        self._look(replace(self.at, tab=(self.at.tab - 1) % len(PANES)))

    def action_next_source(self) -> None:
        self._turn(1)

    def action_previous_source(self) -> None:
        self._turn(-1)

    def _turn(self, by: int) -> None:
        others = [source for source in self.extsvc.board.sources if source.key != self.at.pinned]
        if others:
            self._look(replace(self.at, first=(self.at.first + by) % len(others)))

    def action_pin(self) -> None:
        """The source that comes first stays at the left; once more lets it go."""
        others = [source for source in self.extsvc.board.sources if source.key != self.at.pinned]
        pinned = "" if self.at.pinned or not others else others[self.at.first % len(others)].key
        self._look(replace(self.at, pinned=pinned, first=0))

    def action_next_port(self) -> None:
        view = self.view()
        if view is not None:
            self._look(replace(self.at, port=(self.at.port + 1) % max(len(ports_of(view)), 1)))

    def action_volatile(self) -> None:
        self._look(replace(self.at, volatile=not self.at.volatile))

    def action_copy(self) -> None:
        if self.pane.line is not None:
            self.extsvc.copy(self.pane.line.text.strip())

    def action_evidence(self) -> None:
        chosen = self.pane.line
        if chosen is not None and chosen.evidence:
            self.extsvc.show_text(chosen.text.strip(), chosen.evidence)
