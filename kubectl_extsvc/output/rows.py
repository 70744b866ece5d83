"""Rows of the drawing: glyph, label, text, and who it is about, in columns."""

from collections.abc import Iterable
from dataclasses import dataclass

from kubectl_extsvc.model.hostile_text import clean
from kubectl_extsvc.output.style import NO_GLYPH, Glyph, Style, Tint, drawn, in_charset, paint

TEXT_LIMIT = 1000
"""Characters of one text; a server may send a header of any length."""

ASIDE_AT_MOST = 100
"""Characters of a text that still moves the asides of its neighbours to the right."""

LABEL_WIDTH = 10
"""The longest stage, endpoints, and a space."""


@dataclass(frozen=True, slots=True)
class Row:
    label: str
    text: str
    glyph: Glyph = NO_GLYPH
    aside: str = ""
    """Said at the right: "web only"."""


def lines_of(rows: Iterable[Row], style: Style) -> list[str]:
    """Each row as one line, asides below each other. All text is cleaned here, so no row can forget it."""
    shown = [(row, spoken(row.text, style), spoken(row.aside, style)) for row in rows]
    column = max((len(text) for _, text, aside in shown if aside and len(text) <= ASIDE_AT_MOST), default=0)
    lines = []
    for row, text, aside in shown:
        start = f"  {drawn(row.glyph, style)} {row.label:<{LABEL_WIDTH}}"
        end = f"{text:<{column}}    {paint(aside, Tint.DIM, style)}" if aside else text
        lines.append((start + end).rstrip())
    return lines


def spoken(text: str, style: Style) -> str:
    """Text from outside, safe for a terminal, in the characters that the style allows."""
    return in_charset(clean_line(text), style)


def clean_line(text: str) -> str:
    """Text from outside without control characters and newlines. Blanks stay, since columns are made of them."""
    return clean(text, limit=TEXT_LIMIT).replace("\n", " ").replace("\t", " ")


def milliseconds(seconds: float) -> str:
    """A time that a transfer took: 3.7 ms, 38 ms, 1.2 s."""
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{seconds * 1000:.1f} ms" if seconds < 0.01 else f"{seconds * 1000:.0f} ms"
