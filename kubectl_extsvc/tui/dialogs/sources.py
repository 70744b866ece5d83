"""Choose the pods to probe from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input

from kubectl_extsvc.errors import ExtsvcError
from kubectl_extsvc.mesh.sources import SYSTEM_NAMESPACES
from kubectl_extsvc.model.source import Candidate
from kubectl_extsvc.output.style import Style
from kubectl_extsvc.plans.ephemeral import RUNS_SECONDS
from kubectl_extsvc.plans.probe_pods import DEFAULT_IMAGE, LIFETIME_SECONDS
from kubectl_extsvc.tui.deeds import answer_of
from kubectl_extsvc.tui.dialogs.agree import AgreeScreen
from kubectl_extsvc.tui.dialogs.base import Dialog
from kubectl_extsvc.tui.keys import SOURCES, Key, bindings
from kubectl_extsvc.tui.lines import Ink, Line, Span, fitted, hanging, line, span, within
from kubectl_extsvc.tui.widgets.lines_view import LinesView

WORKLOAD, MODE, NAMESPACE = 26, 8, 16
"""Columns at most."""


@dataclass(frozen=True, slots=True)
class Picking:
    """What can be picked, and what is."""

    namespace: str
    """The alias's: its pods come first."""
    candidates: tuple[Candidate, ...] | ExtsvcError | None = None
    """None: they are being read."""
    picked: frozenset[str] = frozenset()
    """Keys."""
    words: str = ""
    """Only those with all of these words."""
    trouble: tuple[tuple[str, str], ...] = ()
    """Key of a pod that was asked already → why it did not answer."""


def rows(picking: Picking) -> tuple[Candidate, ...]:
    """Those that are shown, pods of a workload together; the alias's namespace first, the system's last."""
    if not isinstance(picking.candidates, tuple):
        return ()
    words = picking.words.lower().split()

    def place(one: Candidate) -> tuple[bool, bool, str, str, str]:
        there = one.namespace
        return (there != picking.namespace, there in SYSTEM_NAMESPACES, there, one.workload, one.pod)

    def has(one: Candidate) -> bool:
        text = f"{one.workload} {one.pod} {one.namespace} {one.mode}".lower()
        return all(word in text for word in words)

    return tuple(sorted(filter(has, picking.candidates), key=place))


def toggled(picking: Picking, one: Candidate) -> Picking:
    """With the pod picked, or not any more; one that cannot be looked from stays unpicked."""
    return picking if one.why_not else replace(picking, picked=picking.picked ^ {one.key})


def one_of_each(picking: Picking) -> Picking:
    """One pod of each workload that is shown: one that is picked already, else the first that can be."""
    picked: set[str] = set()
    for _, pods in groupby(rows(picking), key=lambda one: (one.namespace, one.workload)):
        usable = [one.key for one in pods if not one.why_not]
        picked.update([key for key in usable if key in picking.picked][:1] or usable[:1])
    return replace(picking, picked=frozenset(picked))


def picks(picking: Picking) -> tuple[Candidate, ...]:
    everything = picking.candidates if isinstance(picking.candidates, tuple) else ()
    return tuple(one for one in everything if one.key in picking.picked and not one.why_not)


def sources_lines(picking: Picking, width: int, style: Style) -> list[Line]:
    match picking.candidates:
        case None:
            return hanging((), "reading the pods …", width, style, ink=Ink.DIM)
        case ExtsvcError() as error:
            return [one for text in str(error).splitlines() for one in hanging((), text, width, style, ink=Ink.BAD)]
    shown = rows(picking)
    if not shown:
        return hanging((), "no running pod has these words" if picking.words else "no pod is running", width, style)
    columns = [
        min(most, max(map(len, texts)))
        for most, texts in (
            (WORKLOAD, [one.workload for one in shown]),
            (NAMESPACE, [one.namespace for one in shown]),
        )
    ]
    lines, before = [], ("", "")
    for one in shown:
        group = (one.namespace, one.workload)
        lines.append(_row(one, picking, columns, first=group != before, width=width, style=style))
        before = group
    return lines


def _row(one: Candidate, picking: Picking, columns: Sequence[int], *, first: bool, width: int, style: Style) -> Line:
    workload, namespace = columns
    mark = "[x]" if one.key in picking.picked else "[ ]" if not one.why_not else " - "
    said = dict(picking.trouble).get(one.key, "")
    why = one.why_not or (f"asked before: {said}" if said else "")
    ink = Ink.DIM if one.why_not else Ink.PLAIN

    def column(text: str, columns: int, ink: Ink) -> Span:
        return Span(fitted(span(text, style=style).text, columns, style) + "  ", ink)

    picked = one.key in picking.picked
    whole = line(
        span(f"{mark} ", Ink.STRONG if picked else ink),
        column(one.workload if first else "", workload, ink),
        column(one.namespace if first else "", namespace, ink),
        column(one.mode, MODE, ink),
        span(f"{one.pod}  ", ink, style),
        span(why, Ink.WARN, style),
    )
    return within(whole, width, style)


def pair_texts(namespace: str, image: str) -> tuple[str, ...]:
    """What is asked before a throw-away pair is made."""
    return (
        f"This makes a Job for each kind of source in namespace {namespace}: a pod with a sidecar, where there is "
        "Istio, and one without.",
        f"They run {image or DEFAULT_IMAGE} as nobody special (Pod Security restricted), and do nothing until they are "
        "asked to probe.",
        f"They are removed when this ends; whatever happens, they end by themselves after {LIFETIME_SECONDS // 60} "
        "minutes.",
    )


def container_texts(question: str) -> tuple[str, ...]:
    """What is asked before an ephemeral container is added; question says to which pod, and of which image."""
    return (
        question,
        "It runs as nobody special (Pod Security restricted), and does nothing until it is asked to probe; what it "
        "sends takes the pod's own way, through its sidecar if it has one.",
        f"It ends by itself after {RUNS_SECONDS // 60} minutes, and is listed in the pod until the pod is gone: "
        "Kubernetes cannot take it out again.",
    )


class _Pods(LinesView):
    """Its g is the dialog's."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("g", "screen.one_each", show=False)]


class SourcesScreen(Dialog):
    KEYS = SOURCES
    BINDINGS = bindings(SOURCES)
    AUTO_FOCUS = "#dialog-body"

    def __init__(self, namespace: str) -> None:
        super().__init__()
        self.picking = Picking(namespace)

    def heading(self) -> str:
        shown = f" with: {self.picking.words}" if self.picking.words else ""
        picked = len(picks(self.picking))
        return f"Probe from {picked or '…'}{(' pod' if picked == 1 else ' pods') if picked else ''}{shown}"

    def compose_body(self) -> ComposeResult:
        yield Input(placeholder="words of workload, pod, namespace or mode", id="words", compact=True)
        yield _Pods(self.extsvc.options.style, id="dialog-body")

    def body(self, width: int, style: Style) -> list[Line]:
        return sources_lines(self.picking, width, style)

    def fit(self, lines: int) -> None:
        super().fit(lines + int(self.query_one(Input).display))

    def shown_keys(self) -> tuple[Key, ...]:
        return tuple(key for key in self.KEYS if not (key.changes and self.extsvc.options.readonly))

    def on_mount(self) -> None:
        self.query_one(Input).display = False
        deeds, board = self.extsvc.deeds, self.extsvc.board
        assert deeds is not None
        namespaces = _once(self.picking.namespace, *(alias.namespace for alias in board.aliases))
        self.picking = replace(
            self.picking,
            picked=frozenset(source.key for source in board.sources),
            trouble=tuple((key, words) for key, words in board.trouble.items() if words),
        )

        async def read() -> None:
            found = await answer_of(deeds.candidates(namespaces))
            self.extsvc.call_later(self._read, found)

        self.extsvc.start(read)
        super().on_mount()

    def _read(self, found: tuple[Candidate, ...] | ExtsvcError) -> None:
        self._show(replace(self.picking, candidates=found))

    def _show(self, picking: Picking) -> None:
        self.picking = picking
        self.show()

    def _under_cursor(self) -> Candidate | None:
        shown, at = rows(self.picking), self.query_one("#dialog-body", LinesView).cursor
        return shown[at] if at < len(shown) else None

    def action_pick(self) -> None:
        if (one := self._under_cursor()) is not None:
            self._show(toggled(self.picking, one))

    def action_one_each(self) -> None:
        self._show(one_of_each(self.picking))

    def action_none(self) -> None:
        self._show(replace(self.picking, picked=frozenset()))

    def action_filter(self) -> None:
        words = self.query_one(Input)
        words.display = True
        words.focus()

    @on(Input.Changed)
    def _filtered(self, event: Input.Changed) -> None:
        self._show(replace(self.picking, words=event.value))

    @on(Input.Submitted)
    def _leave_filter(self) -> None:
        self.query_one(Input).display = bool(self.picking.words)
        self.query_one("#dialog-body", LinesView).focus()
        self.show()

    def action_take(self) -> None:
        live = self.extsvc.live
        if live is not None and isinstance(self.picking.candidates, tuple):
            live.choose_sources(replace(live.wishes.sources, picked=picks(self.picking)))
            self.dismiss()

    def action_container(self) -> None:
        """Pick the pod under the cursor, and look from it by an ephemeral container of ours."""
        app, one = self.extsvc, self._under_cursor()
        live, deeds = app.live, app.deeds
        if one is None or live is None or deeds is None or not app.may_change():
            return
        if one.why_not:
            app.say(f"{one.pod}: {one.why_not}")
            return
        picked = picks(replace(self.picking, picked=self.picking.picked | {one.key}))

        async def add() -> None:
            source = await deeds.probe_container(one, app.agreed, app.say)
            if source is not None:
                live.choose_sources(replace(live.wishes.sources, picked=picked))
                live.look_through(source)
                app.call_later(self.dismiss_if_there)

        app.start(add)

    def dismiss_if_there(self) -> None:
        if self.is_current:
            self.dismiss()

    def action_probe_pods(self) -> None:
        live, namespace = self.extsvc.live, self.picking.namespace
        if live is None or not self.extsvc.may_change():
            return

        def answered(yes: bool) -> None:
            if yes:
                live.make_probe_pods(namespace)
                self.dismiss()

        texts = pair_texts(namespace, live.wishes.sources.image)
        self.extsvc.push_screen(AgreeScreen(f"Make a throw-away pair of pods in {namespace}?", texts, answered))


def _once(*names: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
