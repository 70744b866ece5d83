"""Delete an alias: exactly what goes is listed, the person is asked, and the dialog stays until it has gone."""

from dataclasses import dataclass, replace

from textual import on
from textual.app import ComposeResult

from kubectl_extsvc.errors import ExtsvcError
from kubectl_extsvc.model.plan import Change, Plan
from kubectl_extsvc.model.resources import ObjectRef
from kubectl_extsvc.output.plan_text import change_line
from kubectl_extsvc.output.style import Style
from kubectl_extsvc.tui.deeds import answer_of
from kubectl_extsvc.tui.dialogs.base import Dialog
from kubectl_extsvc.tui.keys import DELETE, Key, bindings
from kubectl_extsvc.tui.lines import Ink, Line, hanging, line, span, within
from kubectl_extsvc.tui.widgets.fields import Push


@dataclass(frozen=True, slots=True)
class Deleting:
    """How far it is."""

    plan: Plan | ExtsvcError | None = None
    """None: what is to go is being looked for."""
    gone: tuple[Change, ...] | None = None
    """None: nobody has said yes yet; else what the server has taken."""
    trouble: ExtsvcError | None = None
    """What ended it."""


def delete_lines(deleting: Deleting, width: int, style: Style) -> list[Line]:
    lines: list[Line] = []
    match deleting.plan:
        case None:
            lines += hanging((), "looking for what belongs to it …", width, style, ink=Ink.DIM)
        case ExtsvcError() as error:
            lines += _trouble_lines(error, width, style)
        case Plan(changes):
            lines += hanging((), "This goes, and nothing else:", width, style)
            lines += [_object_line(change, deleting.gone or (), width, style) for change in changes]
            if deleting.gone is not None and deleting.trouble is None:
                lines += hanging((), "waiting until all of it has gone …", width, style, ink=Ink.DIM)
    if deleting.trouble is not None:
        lines += _trouble_lines(deleting.trouble, width, style)
    return lines


def _object_line(change: Change, gone: tuple[Change, ...], width: int, style: Style) -> Line:
    words = change_line(change) if change in gone else f"{change.resource.qualified}/{change.ref.name}"
    return within(line("  ", span(words, Ink.GOOD if change in gone else Ink.PLAIN, style), style=style), width, style)


def _trouble_lines(error: ExtsvcError, width: int, style: Style) -> list[Line]:
    return [one for text in str(error).splitlines() for one in hanging((), text, width, style, ink=Ink.BAD)]


def can_be_deleted(deleting: Deleting) -> bool:
    return isinstance(deleting.plan, Plan) and deleting.gone is None


class DeleteScreen(Dialog):
    KEYS = DELETE
    BINDINGS = bindings(DELETE)
    AUTO_FOCUS = "#dialog-body"

    def __init__(self, ref: ObjectRef) -> None:
        super().__init__()
        self._ref, self.deleting = ref, Deleting()

    def heading(self) -> str:
        return f"Delete {self._ref.name}.{self._ref.namespace}?"

    def compose_body(self) -> ComposeResult:
        yield from super().compose_body()
        yield Push("Delete", disabled=True)

    def body(self, width: int, style: Style) -> list[Line]:
        return delete_lines(self.deleting, width, style)

    def fit(self, lines: int) -> None:
        super().fit(lines + 1)

    def shown_keys(self) -> tuple[Key, ...]:
        return self.KEYS if can_be_deleted(self.deleting) else ()

    def on_mount(self) -> None:
        deeds, ref = self.extsvc.deeds, self._ref
        assert deeds is not None

        async def plan() -> None:
            answer = await answer_of(deeds.plan_deletion(ref))
            self.extsvc.call_later(self._show, replace(self.deleting, plan=answer))

        self.extsvc.start(plan)
        super().on_mount()

    def _show(self, deleting: Deleting) -> None:
        self.deleting = deleting
        push = self.query_one(Push)
        push.disabled = not can_be_deleted(deleting)
        push.display = not push.disabled
        self.show()

    def action_next_field(self) -> None:
        self.focus_next()

    @on(Push.Pressed)
    def action_delete(self) -> None:
        plan, deeds = self.deleting.plan, self.extsvc.deeds
        if not isinstance(plan, Plan) or not can_be_deleted(self.deleting) or deeds is None:
            return
        self._show(replace(self.deleting, gone=()))

        def done(change: Change) -> None:
            self.extsvc.call_later(self._taken, change)

        async def carry_out() -> None:
            self.extsvc.call_later(self._ended, await answer_of(deeds.carry_out_deletion(self._ref, plan, done)))

        self.extsvc.start(carry_out)

    def _taken(self, change: Change) -> None:
        self.extsvc.say(change_line(change))
        self._show(replace(self.deleting, gone=(*(self.deleting.gone or ()), change)))

    def _ended(self, error: ExtsvcError | None) -> None:
        if self.extsvc.live is not None:
            self.extsvc.live.read_now()
        if error is not None:
            self._show(replace(self.deleting, trouble=error))
        else:
            self.dismiss()
            self.extsvc.alias_is_gone(self._ref)

    def action_copy(self) -> None:
        if not isinstance(self.deleting.plan, ExtsvcError):
            self.extsvc.copy(self.extsvc.command("delete", self._ref.name, "-n", self._ref.namespace))
