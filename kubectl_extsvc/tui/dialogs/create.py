"""Make an alias: a form, what it would make, and what the server thinks of it."""

from dataclasses import replace

import anyio
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input, Static

from kubectl_extsvc.errors import ExtsvcError
from kubectl_extsvc.model.snapshot import Mesh
from kubectl_extsvc.operations.creating import Created
from kubectl_extsvc.output.plan_text import change_line
from kubectl_extsvc.output.style import Style
from kubectl_extsvc.tui.deeds import answer_of
from kubectl_extsvc.tui.dialogs.base import Dialog
from kubectl_extsvc.tui.dialogs.entry import (
    FORMS,
    LABELS,
    MESHES,
    MODES,
    Checked,
    Entry,
    Tried,
    checked,
    draft_of_entry,
    manifests_of_entry,
    preview_lines,
    proposals,
    shown_fields,
    with_field,
)
from kubectl_extsvc.tui.dialogs.evidence import EvidenceScreen
from kubectl_extsvc.tui.keys import CREATE, bindings
from kubectl_extsvc.tui.lines import span
from kubectl_extsvc.tui.widgets.fields import Choice
from kubectl_extsvc.tui.widgets.lines_view import LinesView

TRY_SECONDS = 0.3
"""Without a key, until the server is asked."""
BESIDE = 110
"""Columns from which on the preview stands beside the form, not below it."""
CHOICES = {"form": FORMS, "tls": MODES, "mesh": MESHES}


class CreateScreen(Dialog):
    KEYS = CREATE
    BINDINGS = bindings(CREATE)
    AUTO_FOCUS = "#target"
    DEFAULT_CSS = """
    CreateScreen #sides { height: 1fr; }
    CreateScreen #sides { layout: vertical; }
    CreateScreen #fields { height: auto; max-height: 60%; }
    CreateScreen.-beside #sides { layout: horizontal; }
    CreateScreen.-beside #fields { width: 50%; height: 100%; max-height: 100%; padding: 0 2 0 0; }
    CreateScreen #fields { scrollbar-size-vertical: 1; }
    CreateScreen .field { height: auto; }
    CreateScreen .row { height: 1; }
    CreateScreen .label { width: 11; text-style: dim; }
    CreateScreen .error { height: auto; padding: 0 0 0 11; color: ansi_red; display: none; }
    CreateScreen .error.-said { display: block; }
    """

    def __init__(self, namespace: str) -> None:
        super().__init__()
        self.entry = Entry(namespace=namespace)
        self.checked = Checked()
        self.tried: Tried | None = None
        self._mesh: Mesh | None = None
        """As the server told, with Istio's version; None: not yet."""
        self._timer: Timer | None = None
        self._scope: anyio.CancelScope | None = None
        """Of the dry run that goes on."""
        self._making = False

    @property
    def mesh(self) -> Mesh:
        return self._mesh or self.extsvc.board.snapshot.mesh

    def heading(self) -> str:
        return "New alias"

    def compose_body(self) -> ComposeResult:
        style = self.extsvc.options.style
        with Horizontal(id="sides"):
            with VerticalScroll(id="fields", can_focus=False):
                for field, label in LABELS.items():
                    with Vertical(classes="field", id=f"field-{field}"):
                        with Horizontal(classes="row"):
                            yield Static(label, classes="label", markup=False)
                            yield self._widget(field, style)
                        yield Static("", classes="error", id=f"error-{field}", markup=False)
            preview = LinesView(style, cursor=False, id="dialog-body")
            preview.can_focus = False
            yield preview

    def _widget(self, field: str, style: Style) -> Widget:
        value: str = getattr(self.entry, field)
        if field in CHOICES:
            return Choice(CHOICES[field], value, ascii=style.ascii, id=field)
        return Input(value, id=field, compact=True)

    def on_mount(self) -> None:
        deeds = self.extsvc.deeds
        assert deeds is not None

        async def read() -> None:
            mesh = await answer_of(deeds.mesh())
            self.extsvc.call_later(self._known_mesh, mesh)

        self.extsvc.start(read)
        super().on_mount()

    def on_unmount(self) -> None:
        self._stop_trying()

    def _known_mesh(self, mesh: Mesh | ExtsvcError) -> None:
        if isinstance(mesh, Mesh):
            self._mesh = mesh
            self._changed()

    # --- what is shown ---------------------------------------------------------------------------------------------

    def show_body(self, width: int, style: Style) -> None:
        shown, grey = shown_fields(self.entry, self.mesh), proposals(self.entry, self.mesh)
        for field in LABELS:
            self.query_one(f"#field-{field}").display = field in shown
            error = self.query_one(f"#error-{field}", Static)
            text = self.checked.error if self.checked.field == field else ""
            error.update(span(text, style=style).text)
            error.set_class(bool(text), "-said")
            if field in grey:
                self.query_one(f"#{field}", Input).placeholder = span(grey[field], style=style).text
        beside = self.size.width >= BESIDE
        self.set_class(beside, "-beside")
        room = width // 2 - 1 if beside else width
        lines = preview_lines(self.entry, self.checked, self.tried, room, style, making=self._making)
        self.query_one("#dialog-body", LinesView).show(lines)
        self.fit(self.size.height)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        if event.input.id is not None:
            self.entry = with_field(self.entry, event.input.id, event.value)
            self._changed()

    @on(Choice.Changed)
    def _chosen(self, event: Choice.Changed) -> None:
        if event.choice.id is not None:
            self.entry = with_field(self.entry, event.choice.id, event.value)
            self._changed()

    def _changed(self) -> None:
        """Check at once, and ask the server when the keys have been quiet for a moment."""
        self.checked = checked(self.entry, self.mesh, self.extsvc.board.snapshot)
        self._stop_trying()
        if self.checked.created is not None:
            self._timer = self.set_timer(TRY_SECONDS, self._try)
        self.show()

    # --- the server ------------------------------------------------------------------------------------------------

    def _stop_trying(self) -> None:
        if self._timer is not None:
            self._timer.stop()
        if self._scope is not None:
            self._scope.cancel()
        self._timer = self._scope = None

    def _try(self) -> None:
        deeds, entry, mesh = self.extsvc.deeds, self.entry, self.mesh
        if deeds is None:
            return
        scope = self._scope = anyio.CancelScope()
        notes: list[str] = []

        async def attempt() -> None:
            with scope:
                wishes, draft = draft_of_entry(entry, mesh)
                wishes = replace(wishes, dry_run="server")
                answer = await answer_of(deeds.create(entry.namespace, wishes, draft, notes.append))
                self.extsvc.call_later(self._answered, Tried(entry, answer, tuple(notes)))

        self.extsvc.start(attempt)

    def _answered(self, tried: Tried) -> None:
        self.tried = tried
        self.show()

    def action_create(self) -> None:
        deeds, entry, mesh = self.extsvc.deeds, self.entry, self.mesh
        if self._making or self.checked.created is None or deeds is None:
            return
        self._stop_trying()
        self._making = True
        self.show()

        async def make() -> None:
            wishes, draft = draft_of_entry(entry, mesh)
            answer = await answer_of(deeds.create(entry.namespace, wishes, draft, self.extsvc.say))
            self.extsvc.call_later(self._made, answer)

        self.extsvc.start(make)

    def _made(self, answer: Created | ExtsvcError) -> None:
        self._making = False
        if isinstance(answer, ExtsvcError):
            self._answered(Tried(self.entry, answer))
            return
        done = [change_line(change) for change in answer.plan.changes]
        for text in done:
            self.extsvc.say(text)
        if self.extsvc.live is not None:
            self.extsvc.live.follow_also(answer.intent.name)
        self.dismiss()
        title = f"{answer.intent.name}.{answer.intent.namespace} is there"
        self.extsvc.push_screen(EvidenceScreen(title, (*done, "", *answer.how_to_call)))

    # --- keys ------------------------------------------------------------------------------------------------------

    def action_next_field(self) -> None:
        self.focus_next()

    def action_previous_field(self) -> None:
        self.focus_previous()

    def action_manifests(self) -> None:
        if text := manifests_of_entry(self.entry, self.checked, self.tried):
            self.extsvc.push_screen(EvidenceScreen("What would be made", text.splitlines()))
