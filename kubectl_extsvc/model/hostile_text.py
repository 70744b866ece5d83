"""Text that comes from servers, pods and other people's objects, made safe to show.

Such text can hold terminal control sequences (CVE-2021-25743 and its kin). Neither Rich nor Textual removes them, so
it is done once, where the text enters.
"""

import re

_UNSAFE = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f"  # C0 but tab and newline; DEL. Carriage returns too: they overwrite what was printed.
    "\x80-\x9f"  # C1: 0x9b alone starts a control sequence in some terminals
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidi controls
    "\u2028\u2029\ufeff"  # line and paragraph separators, byte order mark
    "\U000e0000-\U000e007f"  # tag characters: invisible text
    "]"
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_BREAK = re.compile("[\\s\x85\u2028\u2029]+")


def clean(text: str, limit: int) -> str:
    """Give text without control characters but newlines and tabs, at most limit characters ("…" ends a cut)."""
    safe = _UNSAFE.sub("", text)
    # A lone surrogate cannot be encoded, so printing it would raise.
    safe = _SURROGATE.sub("\ufffd", safe)
    return safe if len(safe) <= limit else safe[: limit - 1] + "…"


def one_line(text: str, limit: int = 240) -> str:
    """The same as one line: white space and line ends of any kind become one blank."""
    return clean(_BREAK.sub(" ", text).strip(), limit)
