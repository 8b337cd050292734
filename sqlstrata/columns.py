"""Tables as text: as wide as they are, or within the width of a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from unicodedata import east_asian_width

_GAP = "  "
_MANY = 20
"""Rows of a long table."""


def columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The rows as columns under their heads; a cell may have several lines."""
    return "\n".join(_lines([head, *rows], _widths([head, *rows])))


def fitted(head: Sequence[str], rows: Sequence[Sequence[str]], width: int, rule: str = "─") -> tuple[list[str], int]:
    """The same in lines of at most this width, with a rule under the heads; and how many lines are heads.

    Cells are broken between words. Where the columns do not fit even so, or in a long table take more lines, each row
    is a paragraph.
    """
    paragraphs = [line for row in (head, *rows) for line in _paragraph(row, width)]
    least = _widths([[_longest_word(cell) for cell in row] for row in (head, *rows)])
    widths = _widths([head, *rows])
    room = width - len(_GAP) * (len(head) - 1)
    if sum(least) > room:
        return paragraphs, len(_paragraph(head, width))
    while sum(widths) > room:
        _, at = max((each, index) for index, each in enumerate(widths) if each > least[index])
        widths[at] -= 1
    wrapped = [[_wrapped(cell, each) for cell, each in zip(row, widths, strict=True)] for row in (head, *rows)]
    lines = list(_lines(wrapped, _widths(wrapped)))
    if len(rows) > _MANY and len(lines) > len(paragraphs):
        return paragraphs, len(_paragraph(head, width))
    heads = len(list(_lines(wrapped[:1], _widths(wrapped))))
    return [*lines[:heads], rule * max(map(width_of, lines)), *lines[heads:]], heads


def words_within(text: str, width: int) -> str:
    """The text in lines of at most this width, broken between words; indented lines stay as they are."""
    return "\n".join(line if line.startswith(" ") else _wrapped(line, width) for line in text.split("\n"))


def width_of(line: str) -> int:
    """How wide the line is where every character has its place; Chinese ones have two."""
    return len(line) if line.isascii() else len(line) + sum(east_asian_width(each) in {"W", "F"} for each in line)


def _lines(rows: Sequence[Sequence[str]], widths: Sequence[int]) -> Iterator[str]:
    for row in rows:
        for line in zip_longest(*(cell.split("\n") for cell in row), fillvalue=""):
            padded = (text + " " * (width - width_of(text)) for text, width in zip(line, widths, strict=True))
            yield _GAP.join(padded).rstrip()


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(width_of(line) for cell in column for line in cell.split("\n")) for column in zip(*rows, strict=True)]


def _longest_word(cell: str) -> str:
    return max(cell.split() or [""], key=width_of)


def _wrapped(text: str, width: int) -> str:
    lines = (
        textwrap.wrap(line, max(width, 1), break_long_words=False, break_on_hyphens=False) or [""]
        for line in text.split("\n")
    )
    return "\n".join(each for line in lines for each in line)


def _paragraph(row: Sequence[str], width: int) -> list[str]:
    """A row as a paragraph of its cells, the lines after the first one indented."""
    text = _GAP.join(cell.replace("\n", ", ") for cell in row if cell)
    return textwrap.wrap(text, max(width, 1), subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
