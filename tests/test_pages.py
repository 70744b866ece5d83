"""Pages and pictures that are made of the code: in step with it, and whole."""

import re
from pathlib import Path

import pytest
from pages import PAGE, rules_page

PICTURES = sorted((PAGE.parent / "pictures").glob("*.svg"))


def test_the_page_about_the_rules_is_what_they_say() -> None:
    """make docs writes it anew."""
    assert PAGE.read_text() == rules_page()


def test_there_are_pictures_of_the_terminal_ui() -> None:
    """make pictures writes them anew."""
    assert [path.stem for path in PICTURES] == ["fix", "matrix", "path", "tls"]


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_a_picture_fetches_nothing(path: Path) -> None:
    svg = path.read_text()
    assert [url for url in re.findall(r"url\((.*?)\)", svg) if not url.startswith("#")] == []
    assert re.findall(r"@font-face|@import|<image|href=", svg) == []
