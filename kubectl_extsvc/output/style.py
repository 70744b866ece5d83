"""How text may look: colours, and the signs that a terminal can show."""

from dataclasses import dataclass
from enum import StrEnum

from kubectl_extsvc.model.finding import Severity
from kubectl_extsvc.model.observation import StageState


@dataclass(frozen=True, slots=True)
class Style:
    color: bool = False
    ascii: bool = False
    """Words in place of signs, and no character beyond ASCII."""
    width: int | None = None
    """Columns of the terminal; None where the output is no terminal. Only headings are folded, evidence never is."""


class Tint(StrEnum):
    """SGR parameters (ECMA-48 §8.3.117)."""

    GREEN = "32"
    RED = "31"
    YELLOW = "33"
    DIM = "2"


@dataclass(frozen=True, slots=True)
class Glyph:
    """A state as a sign of one column, as a word of at most four, and as a colour that adds nothing to them."""

    sign: str
    word: str
    tint: Tint


NO_GLYPH = Glyph(" ", "", Tint.DIM)

STATES = {
    StageState.OK: Glyph("✓", "OK", Tint.GREEN),
    StageState.FAILED: Glyph("✗", "FAIL", Tint.RED),
    StageState.PENDING: Glyph("~", "WAIT", Tint.YELLOW),
    StageState.NOT_SERVED: Glyph("·", "-", Tint.DIM),
    StageState.NOT_REACHED: Glyph("·", "-", Tint.DIM),
    StageState.NOT_OBSERVED: Glyph("?", "??", Tint.YELLOW),
    StageState.NOT_APPLICABLE: Glyph("–", "n/a", Tint.DIM),
}

SEVERITIES = {
    Severity.ERROR: Glyph("✗", "FAIL", Tint.RED),
    Severity.WARNING: Glyph("!", "WARN", Tint.YELLOW),
    Severity.INFO: Glyph("i", "INFO", Tint.DIM),
}

DELTA = Glyph("Δ", "DIFF", Tint.YELLOW)

_ASCII_SIGNS = str.maketrans({"→": "->", "←": "<-", "·": "|", "…": "...", "–": "-", "’": "'", "“": '"', "”": '"'})


def drawn(glyph: Glyph, style: Style) -> str:
    """The sign or word, padded to the column that all glyphs of this style share, coloured if wanted."""
    text = f"{glyph.word:<4}" if style.ascii else glyph.sign
    return paint(text, glyph.tint, style) if text.strip() else text


def paint(text: str, tint: Tint, style: Style) -> str:
    return f"\x1b[{tint}m{text}\x1b[0m" if style.color else text


def in_charset(text: str, style: Style) -> str:
    """With --ascii each sign has its spelling; whatever else is not ASCII is written as an escape."""
    if not style.ascii:
        return text
    return text.translate(_ASCII_SIGNS).encode("ascii", "backslashreplace").decode("ascii")
