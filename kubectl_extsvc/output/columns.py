"""Columns as kubectl prints them."""

from collections.abc import Sequence

GAP = 3
"""Spaces between columns: cli-runtime pkg/printers/tabwriter.go, tabwriterPadding."""


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """One line a row; each column as wide as its widest cell, nothing after the last."""
    if not rows:
        return []
    widths = [max(len(row[column]) for row in rows) + GAP for column in range(len(rows[0]))]
    return ["".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
