"""A plain-text table, for output that is not a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest


def columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The rows as columns under their heads; a cell may have several lines."""
    cells = [[cell.split("\n") for cell in row] for row in (head, *rows)]
    lines = [line for row in cells for line in zip_longest(*row, fillvalue="")]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
