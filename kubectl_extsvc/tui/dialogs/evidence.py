"""What is behind something, to be read and copied."""

from collections.abc import Sequence

from kubectl_extsvc.output.style import Style
from kubectl_extsvc.tui.dialogs.base import Dialog
from kubectl_extsvc.tui.keys import EVIDENCE, bindings
from kubectl_extsvc.tui.lines import Line, line, span, wrapped


def evidence_lines(texts: Sequence[str], width: int, style: Style) -> list[Line]:
    """Each text folded to the width, its indentation kept."""
    lines = []
    for text in texts:
        cleaned = span(text, style=style).text
        indent = " " * min(len(cleaned) - len(cleaned.lstrip(" ")), width // 2)
        parts = wrapped(cleaned.strip(" "), width - len(indent))
        lines += [line(span(indent + part, style=style)) for part in parts]
    return lines


class EvidenceScreen(Dialog):
    KEYS = EVIDENCE
    BINDINGS = bindings(EVIDENCE)

    def __init__(self, title: str, lines: Sequence[str]) -> None:
        super().__init__()
        self._title, self._texts = title, tuple(lines)

    def heading(self) -> str:
        return self._title

    def body(self, width: int, style: Style) -> list[Line]:
        return evidence_lines(self._texts, width, style)

    def action_copy(self) -> None:
        self.extsvc.copy("\n".join(self._texts))
