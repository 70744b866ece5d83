"""How inks look on a terminal, and Lines as Textual's strips."""

from functools import cache

from rich.segment import Segment
from rich.style import Style as RichStyle
from textual.strip import Strip

from kubectl_extsvc.tui.lines import Ink, Line

_INKS = {
    Ink.PLAIN: RichStyle(),
    Ink.STRONG: RichStyle(bold=True),
    Ink.DIM: RichStyle(dim=True),
    Ink.GOOD: RichStyle(color="green"),
    Ink.WARN: RichStyle(color="yellow"),
    Ink.BAD: RichStyle(color="red", bold=True),
    Ink.FRAME: RichStyle(color="bright_black"),
}
"""The terminal's own palette: it knows whether it is light or dark."""

NO_STYLE = RichStyle()
"""For blanks: with NO_COLOR Textual's filter breaks down at a segment that has no style at all."""

_CURSOR = RichStyle(reverse=True)
_BEHIND = RichStyle(underline=True)
"""The cursor of a widget that does not have the keys."""


@cache
def rich_style(ink: Ink, *, color: bool, cursor: bool, focused: bool) -> RichStyle:
    style = _INKS[ink]
    if not color:
        style = RichStyle(bold=ink in (Ink.STRONG, Ink.BAD), dim=ink in (Ink.DIM, Ink.FRAME))
    if cursor:
        style += _CURSOR if focused else _BEHIND
    return style


def strip_of(line: Line, *, color: bool = True, cursor: bool = False, focused: bool = True) -> Strip:
    """A line as Textual draws it; its text is never read as markup."""
    segments = [
        Segment(span.text, rich_style(span.ink, color=color, cursor=cursor, focused=focused)) for span in line.spans
    ]
    return Strip(segments, line.width)
