"""Each end-to-end test cleans up after itself."""

import pytest


@pytest.fixture(autouse=True)
def _nothing_left(nothing_left: None) -> None:
    """See clusters.py."""
