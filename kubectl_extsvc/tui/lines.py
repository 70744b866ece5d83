"""What a screen says, as values: lines of spans, each cleaned and with an ink. Nothing here knows Textual."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from rich.cells import cell_len, set_cell_size

from kubectl_extsvc.model.hostile_text import one_line
from kubectl_extsvc.output.style import Glyph, Style, Tint, in_charset


class Ink(StrEnum):
    """How a span looks. Whatever an ink says is said in words or signs too: NO_COLOR loses nothing."""

    PLAIN = "plain"
    STRONG = "strong"
    DIM = "dim"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"
    FRAME = "frame"


INK_OF = {Tint.GREEN: Ink.GOOD, Tint.RED: Ink.BAD, Tint.YELLOW: Ink.WARN, Tint.DIM: Ink.DIM}

SIGNS = Style()
"""Signs and all of Unicode; colours are the widget's work."""

LONGEST_TEXT = 4000
"""Characters of one span; a server may send a header of any length."""

NARROWEST_TEXT = 12
"""Columns that a text beside a lead needs at least."""


@dataclass(frozen=True, slots=True)
class Span:
    """Text for a terminal: cleaned, without line ends. Make it with span()."""

    text: str
    ink: Ink = Ink.PLAIN

    @property
    def width(self) -> int:
        """Terminal columns."""
        return cell_len(self.text)


@dataclass(frozen=True, slots=True)
class Line:
    spans: tuple[Span, ...] = ()
    evidence: tuple[str, ...] = ()
    """What enter shows about this line, a line each: raw answers, objects, the proxy's words. Empty: nothing."""

    @property
    def text(self) -> str:
        return "".join(span.text for span in self.spans)

    @property
    def width(self) -> int:
        return sum(span.width for span in self.spans)


def span(text: str, ink: Ink = Ink.PLAIN, style: Style = SIGNS) -> Span:
    """Text from anywhere as a span: cleaned, on one line, in the characters that the style allows.

    Blanks at its ends are kept, since columns are made of them.
    """
    if text.isascii() and text.isprintable() and len(text) <= LONGEST_TEXT:
        return Span(text, ink)
    start, end = len(text) - len(text.lstrip(" ")), len(text) - len(text.rstrip(" "))
    safe = one_line(text, LONGEST_TEXT)
    if not safe:
        return Span(text if text.isspace() and text.isprintable() else "", ink)
    return Span(in_charset(" " * start + safe + " " * end, style), ink)


def line(*parts: str | Span, style: Style = SIGNS, evidence: Iterable[str] = ()) -> Line:
    """A line of spans; plain strings become plain spans."""
    spans = tuple(part if isinstance(part, Span) else span(part, style=style) for part in parts)
    return Line(tuple(one for one in spans if one.text), tuple(evidence))


def sign(glyph: Glyph, style: Style) -> Span:
    """A state's sign, or with ASCII its word."""
    return Span(glyph.word if style.ascii else glyph.sign, INK_OF[glyph.tint])


def either(signs: str, words: str, style: Style) -> str:
    """Signs of our own, or their spelling in ASCII; in_charset() knows only those that texts use."""
    return words if style.ascii else signs


def cell(text: str, width: int, ink: Ink = Ink.PLAIN, style: Style = SIGNS) -> Span:
    """Text from anywhere in exactly that many columns."""
    return Span(fitted(span(text, ink, style).text, width, style), ink)


def fitted(text: str, width: int, style: Style = SIGNS) -> str:
    """Text in exactly that many columns: padded, or cut with an ellipsis at its end."""
    if width <= 0:
        return ""
    if cell_len(text) <= width:
        return text + " " * (width - cell_len(text))
    mark = "~" if style.ascii else "…"
    return set_cell_size(text, width - 1) + mark


def fitted_line(full: Line, width: int, style: Style = SIGNS) -> Line:
    """A line in exactly that many columns; what does not fit is cut with an ellipsis."""
    if full.width <= width:
        return Line((*full.spans, Span(" " * (width - full.width))), full.evidence)
    spans: list[Span] = []
    left = width
    for one in full.spans:
        # The last column is the ellipsis's, so a span that just fits must be cut too.
        if one.width < left:
            spans.append(one)
            left -= one.width
            continue
        spans.append(Span(fitted(one.text + "  ", left, style), one.ink))
        break
    return Line(tuple(spans), full.evidence)


def within(full: Line, width: int, style: Style = SIGNS) -> Line:
    """A line in at most that many columns."""
    return full if full.width <= width else fitted_line(full, width, style)


def wrapped(text: str, width: int) -> list[str]:
    """A cleaned text folded at blanks to lines of at most that many columns; words that are longer are cut up."""
    lines: list[str] = []
    current = ""
    for word in text.split(" "):
        candidate = f"{current} {word}" if current else word
        if cell_len(candidate) <= width:
            current = candidate
            continue
        if current:
            lines.append(current)
        current = word
        while cell_len(current) > width:
            head = set_cell_size(current, width).rstrip(" ") or current[:1]
            lines.append(head)
            current = current[len(head) :]
    return [*lines, current] if current or not lines else lines


def hanging(
    lead: Sequence[Span],
    text: str,
    width: int,
    style: Style = SIGNS,
    *,
    ink: Ink = Ink.PLAIN,
    evidence: Iterable[str] = (),
    most: int = 4,
) -> list[Line]:
    """A lead and a text beside it, folded below itself; at most so many lines, the last one cut.

    A lead that leaves the text no room stands alone above it.
    """
    indent = sum(one.width for one in lead)
    known = tuple(evidence)
    first = Line(tuple(lead), known)
    lines = []
    if width - indent < NARROWEST_TEXT:
        lines, first, indent = [within(first, width, style)], Line((Span("  "),)), 2
    room = max(width - indent, 1)
    folded = wrapped(span(text, ink, style).text, room)
    if len(folded) > most:
        folded = [*folded[: most - 1], fitted(" ".join(folded[most - 1 :]), room, style)]
    for index, part in enumerate(folded):
        start = first.spans if index == 0 else (Span(" " * indent),)
        lines.append(Line((*start, *((Span(part, ink),) if part else ())), known))
    return lines
