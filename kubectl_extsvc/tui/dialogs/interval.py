"""How often to probe."""

from textual import on
from textual.app import ComposeResult
from textual.widgets import Input

from kubectl_extsvc.cluster.kubeconfig import parse_request_timeout
from kubectl_extsvc.errors import UsageError
from kubectl_extsvc.operations.living import SHORTEST_INTERVAL
from kubectl_extsvc.output.style import Style
from kubectl_extsvc.tui.dialogs.base import Dialog
from kubectl_extsvc.tui.keys import INTERVAL, bindings
from kubectl_extsvc.tui.lines import Ink, Line, hanging
from kubectl_extsvc.tui.widgets.lines_view import LinesView

WHAT = "Every pod is asked again after this time; what changes in the cluster is looked at once all the same."


def interval_of(text: str) -> float | str:
    """Seconds, or what is wrong with the words."""
    try:
        seconds = parse_request_timeout(text.strip()) or 0.0
    except UsageError:
        return f'"{text}" is no time like 10s, 2m or 1h'
    return seconds if seconds >= SHORTEST_INTERVAL else f"{SHORTEST_INTERVAL:g}s is the least"


def interval_lines(text: str, width: int, style: Style) -> list[Line]:
    found = interval_of(text)
    said = hanging((), found, width, style, ink=Ink.BAD) if isinstance(found, str) else [Line()]
    return [*said, *hanging((), WHAT, width, style, ink=Ink.DIM)]


class IntervalScreen(Dialog):
    KEYS = INTERVAL
    BINDINGS = bindings(INTERVAL)

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._text = f"{seconds:g}s"

    def heading(self) -> str:
        return "How often to probe"

    def compose_body(self) -> ComposeResult:
        yield Input(self._text, id="interval", compact=True, select_on_focus=True)
        lines = LinesView(self.extsvc.options.style, cursor=False, id="dialog-body")
        lines.can_focus = False
        yield lines

    def body(self, width: int, style: Style) -> list[Line]:
        return interval_lines(self._text, width, style)

    def fit(self, lines: int) -> None:
        super().fit(lines + 1)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._text = event.value
        self.show()

    @on(Input.Submitted)
    def action_take(self) -> None:
        seconds = interval_of(self._text)
        if isinstance(seconds, str):
            return
        if self.extsvc.live is not None:
            self.extsvc.live.every(seconds)
        self.dismiss()
