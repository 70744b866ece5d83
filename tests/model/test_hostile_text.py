import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from kubectl_extsvc.model.hostile_text import clean, one_line


def test_terminal_sequences_lose_the_bytes_that_make_them_work() -> None:
    assert clean("\x1b]0;owned\x07 \x1b[31mred\x9b0m\x7f \x00\b\r", 100) == "]0;owned [31mred0m "


def test_newlines_and_tabs_stay_and_a_windows_line_end_is_a_newline() -> None:
    assert clean("a\r\nb\tc", 100) == "a\nb\tc"


def test_text_cannot_be_turned_around_or_made_invisible() -> None:
    assert clean("a\u202eb\u2066c\u061cd\u200ee\ufefff\U000e0041", 100) == "abcdef"


def test_a_lone_surrogate_becomes_something_that_can_be_printed() -> None:
    assert clean("a\ud800b", 100) == "a\ufffdb"


def test_a_cut_shows() -> None:
    assert [clean("abcdef", 6), clean("abcdefg", 6), one_line("abcdefg", 6)] == ["abcdef", "abcde…", "abcde…"]


def test_one_line_is_one_line_whatever_ends_lines() -> None:
    assert one_line(" a\r\nb\u2028c\x85d\ve\t f\n") == "a b c d e f"


def test_other_scripts_and_signs_stay() -> None:
    text = "Grüße, 你好, שלום, 👋🏽 [link] <b>"
    assert one_line(text) == text


@settings(deadline=None)
@given(st.text(), st.integers(1, 50))
def test_whatever_comes_what_leaves_is_harmless(text: str, limit: int) -> None:
    for safe in (clean(text, limit), one_line(text, limit)):
        assert len(safe) <= limit
        safe.encode()
        controls = {char for char in safe if unicodedata.category(char) == "Cc"}
        assert controls <= {"\n", "\t"}
    assert not {"\n", "\t"} & set(one_line(text, limit))
