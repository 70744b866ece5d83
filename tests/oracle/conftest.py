"""The program that the tests marked `testbed` ask."""

import pytest
from oracle.program import build


@pytest.fixture(scope="session")
def program() -> None:
    """Built; `make e2e` does it beforehand, and then this only looks."""
    build()
