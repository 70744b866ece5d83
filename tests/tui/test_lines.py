"""Lines are clean, and as wide as they say."""

import pytest
from rich.cells import cell_len

from kubectl_extsvc.model.observation import StageState
from kubectl_extsvc.output.style import STATES, Style
from kubectl_extsvc.tui.lines import (
    LONGEST_TEXT,
    Ink,
    Line,
    Span,
    fitted,
    fitted_line,
    line,
    sign,
    span,
    wrapped,
)

ASCII = Style(ascii=True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("plain", "plain"),
        ("  kept  ", "  kept  "),
        ("a\x1b[2Jb", "a[2Jb"),
        ("one\ntwo\r\nthree\tfour", "one two three four"),
        ("  \x9b31mx ", "  31mx "),
        ("‮evil", "evil"),
        ("   ", "   "),
        ("\n", ""),
        ("", ""),
        ("[bold]not markup[/]", "[bold]not markup[/]"),
    ],
)
def test_a_span_is_one_clean_line(text: str, said: str) -> None:
    assert span(text) == Span(said)


def test_a_span_of_any_length_is_cut() -> None:
    assert len(span("é" * 10_000).text) == len(span("e" * 10_000).text) == LONGEST_TEXT


def test_ascii_spells_what_it_has_no_sign_for() -> None:
    assert span("a → b · 山", style=ASCII) == Span("a -> b | \\u5c71")
    assert sign(STATES[StageState.OK], ASCII) == Span("OK", Ink.GOOD)
    assert sign(STATES[StageState.FAILED], Style()) == Span("✗", Ink.BAD)


def test_a_line_leaves_empty_spans_out() -> None:
    made = line("a", "", span("b", Ink.BAD), evidence=["seen"])
    assert made == Line((Span("a"), Span("b", Ink.BAD)), ("seen",))
    assert (made.text, made.width) == ("ab", 2)
    assert line("山").width == 2


@pytest.mark.parametrize(
    ("text", "width", "said"),
    [
        ("abc", 5, "abc  "),
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("abcd", 1, "…"),
        ("abcd", 0, ""),
        ("山山山", 5, "山山…"),
        ("山山山", 4, "山 …"),
    ],
)
def test_fitted_text_has_the_width(text: str, width: int, said: str) -> None:
    assert fitted(text, width) == said
    assert cell_len(said) == width


def test_fitted_text_in_ascii_ends_in_a_tilde() -> None:
    assert fitted("abcd", 3, ASCII) == "ab~"


@pytest.mark.parametrize(
    ("width", "said"), [(8, "abcdef  "), (6, "abcdef"), (5, "abcd…"), (4, "abc…"), (3, "ab…"), (1, "…")]
)
def test_a_fitted_line_has_the_width_and_keeps_its_evidence(width: int, said: str) -> None:
    full = Line((Span("abc", Ink.BAD), Span("def")), ("seen",))
    cut = fitted_line(full, width)
    assert (cut.text, cut.width, cut.evidence) == (said, width, ("seen",))


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("one two three", 7, ["one two", "three"]),
        ("one two three", 20, ["one two three"]),
        ("abcdefghij k", 4, ["abcd", "efgh", "ij k"]),
        ("abcde", 4, ["abcd", "e"]),
        ("", 4, [""]),
        ("山山山", 4, ["山山", "山"]),
        ("山", 1, ["山"]),
    ],
)
def test_text_is_wrapped_at_blanks(text: str, width: int, lines: list[str]) -> None:
    assert wrapped(text, width) == lines
