"""A question: what would be done, and y for yes."""

from collections.abc import Callable, Sequence

from kubectl_extsvc.output.style import Style
from kubectl_extsvc.tui.dialogs.base import Dialog
from kubectl_extsvc.tui.keys import AGREE, bindings
from kubectl_extsvc.tui.lines import Line, hanging


class AgreeScreen(Dialog):
    KEYS = AGREE
    BINDINGS = bindings(AGREE)

    def __init__(self, title: str, texts: Sequence[str], answered: Callable[[bool], None]) -> None:
        super().__init__()
        self._title, self._texts, self._answered = title, tuple(texts), answered

    def heading(self) -> str:
        return self._title

    def body(self, width: int, style: Style) -> list[Line]:
        return [one for text in self._texts for one in hanging((), text, width, style, most=12)]

    def action_agree(self) -> None:
        self.dismiss()
        self._answered(True)

    def action_close(self) -> None:
        self.dismiss()
        self._answered(False)
