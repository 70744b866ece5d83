"""Footers: as many keys as fit, the needed ones first."""

import pytest

from kubectl_extsvc.tui.keys import ACTING, ALIAS, DIALOG, EVERYWHERE, MATRIX, SOURCES, footer_words

SCREENS = {"matrix": (MATRIX, ACTING, EVERYWHERE), "alias": (ALIAS, ACTING, EVERYWHERE), "sources": (SOURCES, DIALOG)}


@pytest.mark.parametrize(
    ("screen", "width", "words"),
    [
        (
            "matrix",
            110,
            "enter open  / filter  ! problems  f fix  a add  x explain  ? help  q quit  r probe  z freeze  s sources",
        ),
        ("matrix", 79, "enter open  / filter  f fix  a add  ? help  q quit  r probe  s sources"),
        ("matrix", 49, "enter open  / filter  f fix  a add  ? help"),
        ("alias", 79, "[ ] source  enter evidence  f fix  a add  ? help  q quit  r probe  s sources"),
        ("sources", 77, "space pick  n none  / filter  enter take  e container  t pair  esc close"),
        ("sources", 40, "space pick  enter take  esc close"),
    ],
)
def test_a_footer_holds_what_fits_and_no_word_in_part(screen: str, width: int, words: str) -> None:
    assert footer_words(*SCREENS[screen], width=width) == words


@pytest.mark.parametrize("screen", SCREENS)
def test_a_footer_is_never_wider_than_there_is_room(screen: str) -> None:
    whole = footer_words(*SCREENS[screen], width=1000).split("  ")
    for width in range(130):
        words = footer_words(*SCREENS[screen], width=width)
        assert len(words) <= width
        assert set(words.split("  ")) <= {*whole, ""}
