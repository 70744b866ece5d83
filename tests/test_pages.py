"""Pages that are made of the code are in step with it."""

from pages import PAGE, rules_page


def test_the_page_about_the_rules_is_what_they_say() -> None:
    """make docs writes it anew."""
    assert PAGE.read_text() == rules_page()
