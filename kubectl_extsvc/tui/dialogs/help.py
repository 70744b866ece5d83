"""All keys of the screen below."""

from collections.abc import Sequence

from kubectl_extsvc.output.style import Style
from kubectl_extsvc.tui.dialogs.base import Dialog
from kubectl_extsvc.tui.keys import Group, Key
from kubectl_extsvc.tui.lines import Ink, Line, Span, fitted, hanging, line, span

LABEL = 18
"""Columns of the keys."""


def help_lines(groups: Sequence[Group], width: int, style: Style, *, readonly: bool = False) -> list[Line]:
    lines: list[Line] = []
    for title, keys in groups:
        lines += [*([Line()] if lines else []), line(span(title, Ink.STRONG, style))]
        for key in keys:
            if readonly and key.changes:
                lines += hanging(_label(key, style), f"{key.words} (not with --readonly)", width, style, ink=Ink.DIM)
            else:
                lines += hanging(_label(key, style), key.words, width, style)
    return lines


def _label(key: Key, style: Style) -> tuple[Span, ...]:
    return (span("  "), span(fitted(span(key.label, style=style).text, LABEL, style)), span(" "))


class HelpScreen(Dialog):
    def __init__(self, groups: Sequence[Group]) -> None:
        super().__init__()
        self._groups = tuple(groups)

    def heading(self) -> str:
        return "Keys"

    def body(self, width: int, style: Style) -> list[Line]:
        return help_lines(self._groups, width, style, readonly=self.extsvc.options.readonly)

    def action_help(self) -> None:
        self.dismiss()
