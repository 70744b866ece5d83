"""Cure a finding: the cause, the change as it would be made, who else keeps the objects, and then the change itself."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kubectl_extsvc.errors import ApiError, ExtsvcError, Refused
from kubectl_extsvc.model.finding import Finding
from kubectl_extsvc.model.live import Judged
from kubectl_extsvc.model.observation import StageState
from kubectl_extsvc.model.plan import Change
from kubectl_extsvc.model.resources import ObjectRef
from kubectl_extsvc.operations.fixing import RUN_AGAIN, Kept, Ready
from kubectl_extsvc.output.diff_text import diff_text
from kubectl_extsvc.output.plan_text import change_line, manifests
from kubectl_extsvc.output.style import STATES, Style
from kubectl_extsvc.plans.fixes import NOT_CHANGED, Choice, Edit, ForAPerson, Nothing, choose, manifests_of
from kubectl_extsvc.tui.deeds import answer_of
from kubectl_extsvc.tui.dialogs.base import Dialog
from kubectl_extsvc.tui.keys import FIX, Key, bindings
from kubectl_extsvc.tui.lines import Ink, Line, Span, hanging, line, sign, span, within

LABEL = 9
"""Columns of the words at the left."""
LOOK_SECONDS, LOOKS = 0.2, 75
"""How often, and how many times at most, to look for a new verdict after somebody came between."""
CONFLICT = 409


@dataclass(frozen=True, slots=True)
class Fixing:
    """How far it is."""

    alias: str
    finding: Finding | None = None
    why: str = ""
    """Why this one."""
    answer: Ready | Kept | ForAPerson | Nothing | ExtsvcError | None = None
    """None: it is being planned."""
    before: tuple[str, ...] = ()
    """What became of the try before this one, a line each."""
    made: tuple[Change, ...] | None = None
    """None: it is not being made; else what has been done of it."""


def fix_heading(fixing: Fixing) -> str:
    return f"Fix {fixing.finding.code} on {fixing.alias}" if fixing.finding else f"Fix {fixing.alias}"


def fix_lines(fixing: Fixing, width: int, style: Style) -> list[Line]:
    lines: list[Line] = []
    for text in fixing.before:
        lines += _said("" if lines else "Before", text, width, style, Ink.WARN)
    if fixing.finding is not None:
        # That the first finding comes first goes without saying.
        why = f" ({fixing.why})" if fixing.why.startswith("after ") else ""
        lines += _said("Cause", f"{fixing.finding.message}{why}", width, style)
        for text in fixing.finding.evidence:
            lines += _said("", text, width, style, Ink.DIM)
    match fixing.answer:
        case None:
            lines += _said("Change", "being planned …", width, style, Ink.DIM)
        case Ready(planned, shown, strangers):
            lines += _change_lines(shown, width, style)
            for text in planned.warnings:
                lines += _said("Warning", text, width, style, Ink.WARN)
            for text in strangers:
                lines += _said("Note", text, width, style, Ink.WARN)
            lines += _after_lines(width, style)
        case Kept(planned, kept):
            lines += _change_lines([edit for edit, _ in kept], width, style)
            for edit, keeper in kept:
                where = f"{edit.ref} in namespace {edit.ref.namespace}"
                lines += _said("Kept", f"{where} belongs to {keeper}: change it at its source", width, style, Ink.WARN)
            lines += _said("", f"{NOT_CHANGED}; c copies it as it should be", width, style)
        case ForAPerson(finding):
            lines += _said("Cure", finding.cure or "see the rule's page", width, style)
            lines += _said("", f"only a person can do it; {NOT_CHANGED}", width, style, Ink.DIM)
        case Nothing(hints):
            lines += _said("", "there is nothing to fix", width, style)
            for hint in hints:
                lines += _said("Hint", f"{hint.code} {hint.message}", width, style, Ink.DIM)
        case ExtsvcError() as error:
            for text in str(error).splitlines():
                lines += _said("Refused", text, width, style, Ink.BAD)
    if fixing.made is not None:
        lines += [within(line(span(change_line(change), Ink.GOOD, style)), width, style) for change in fixing.made]
        lines += _said("Making", "the change …", width, style, Ink.DIM)
    return lines


def _change_lines(edits: Sequence[Edit], width: int, style: Style) -> list[Line]:
    lines = []
    inks = {"+": Ink.GOOD, "-": Ink.BAD}
    for edit in edits:
        for text in diff_text(edit.resource, edit.before, edit.after).splitlines():
            ink = Ink.STRONG if text.startswith(("---", "+++")) else inks.get(text[:1], Ink.PLAIN)
            lines.append(within(line(span("  "), span(text, ink, style)), width, style))
    return [line(span("Change", Ink.DIM, style)), *lines]


def _after_lines(width: int, style: Style) -> list[Line]:
    ok = sign(STATES[StageState.OK], style)
    text = line(_label("After", style), ok, " cured by the same rules, no new error   ", ok, " server dry run")
    return [within(text, width, style)]


def _said(label: str, text: str, width: int, style: Style, ink: Ink = Ink.PLAIN) -> list[Line]:
    return hanging((_label(label, style),), text, width, style, ink=ink, most=12)


def _label(word: str, style: Style) -> Span:
    return span(f"{word:<{LABEL}}", Ink.DIM, style)


def to_copy(fixing: Fixing) -> str:
    """Commands that make the change, manifests of objects that others keep, or the cure in words."""
    match fixing.answer:
        case Kept(_, kept):
            return manifests(manifests_of(edit for edit, _ in kept), "yaml")
        case ForAPerson(finding):
            return finding.cure
        case _:
            return "\n".join(step.command for step in fixing.finding.fix) if fixing.finding else ""


def can_be_made(fixing: Fixing) -> bool:
    return isinstance(fixing.answer, Ready) and fixing.made is None


def _is_whole(verdict: Judged | None, before: Judged | None) -> bool:
    """By as many sources: while they answer one after the other, a verdict says less."""

    def sources(judged: Judged) -> set[str]:
        return {one.observation.source.key for one in judged.report.sources}

    return verdict is None or before is None or sources(verdict) >= sources(before)


class FixScreen(Dialog):
    KEYS = FIX
    BINDINGS = bindings(FIX)

    def __init__(self, ref: ObjectRef, code: str = "") -> None:
        super().__init__()
        self._ref, self._code = ref, code
        self.fixing = Fixing(f"{ref.name}.{ref.namespace}")
        self._judged: Judged | None = None
        """The verdict that it is planned by."""

    def on_mount(self) -> None:
        self._plan()
        super().on_mount()

    def heading(self) -> str:
        return fix_heading(self.fixing)

    def body(self, width: int, style: Style) -> list[Line]:
        return fix_lines(self.fixing, width, style)

    def shown_keys(self) -> tuple[Key, ...]:
        return self.KEYS if can_be_made(self.fixing) else self.KEYS[1:]

    def _show(self, fixing: Fixing) -> None:
        self.fixing = fixing
        self.show()

    def _plan(self, before: tuple[str, ...] = ()) -> None:
        """Choose the finding by the last verdict, and plan its cure in the background."""
        board, fixing = self.extsvc.board, Fixing(self.fixing.alias, before=before)
        judged, snapshot = board.reports.get(self._ref), board.snapshot
        self._judged = judged
        if judged is None:
            self._show(replace(fixing, answer=Refused(f"{self._ref} is not there any more")))
            return
        try:
            choice = choose(judged.report.findings, self._code)
        except Refused as error:
            self._show(replace(fixing, answer=error))
            return
        match choice:
            case Nothing():
                self._show(replace(fixing, answer=choice))
            case ForAPerson(finding):
                self._show(replace(fixing, finding=finding, answer=choice))
            case Choice(finding, why):
                planning = replace(fixing, finding=finding, why=why)
                self._show(planning)
                deeds = self.extsvc.deeds
                assert deeds is not None

                async def plan() -> None:
                    answer = await answer_of(deeds.prepare_fix(judged.report, finding, snapshot, self.extsvc.say))
                    self.extsvc.call_later(self._show, replace(planning, answer=answer))

                self.extsvc.start(plan)

    def action_apply(self) -> None:
        answer, deeds = self.fixing.answer, self.extsvc.deeds
        if not isinstance(answer, Ready) or not can_be_made(self.fixing) or deeds is None:
            return
        self._show(replace(self.fixing, made=()))

        def done(change: Change) -> None:
            self.extsvc.call_later(self._made, change)

        async def carry_out() -> None:
            error = await answer_of(deeds.carry_out_fix(answer.planned, done, self.extsvc.say))
            self.extsvc.call_later(self._ended, error)

        self.extsvc.start(carry_out)

    def _made(self, change: Change) -> None:
        self.extsvc.say(change_line(change))
        self._show(replace(self.fixing, made=(*(self.fixing.made or ()), change)))

    def _ended(self, error: ExtsvcError | None) -> None:
        if error is None:
            self._look_now()
            self.dismiss()
        elif isinstance(error, ApiError) and error.code == CONFLICT:
            told = (*(text for text in str(error).splitlines() if text != RUN_AGAIN), "It is planned anew.")
            self._show(Fixing(self.fixing.alias, before=told))
            self._plan_anew(told)
        else:
            self._show(replace(self.fixing, answer=error, made=None))

    def _look_now(self) -> None:
        if self.extsvc.live is not None:
            self.extsvc.live.read_now()
            self.extsvc.live.probe_now([self._ref])

    def _plan_anew(self, before: tuple[str, ...]) -> None:
        """By a new verdict on objects that were read anew; by the last one if that takes too long."""
        board, live, whole = self.extsvc.board, self.extsvc.live, self._judged
        known, at_known = board.known_at, None
        looks = iter(range(LOOKS, 0, -1))
        self._look_now()

        def look() -> None:
            nonlocal at_known
            verdict = board.reports.get(self._ref)
            if at_known is None and board.known_at != known:
                at_known = verdict
                if live is not None:
                    live.probe_now([self._ref])
            new = at_known is not None and verdict is not at_known
            if (new and _is_whole(verdict, whole)) or not next(looks, 0):
                timer.stop()
                self._plan(before)

        timer = self.set_interval(LOOK_SECONDS, look)

    def action_copy(self) -> None:
        if text := to_copy(self.fixing):
            self.extsvc.copy(text)
