"""What a command returns: a value that can be printed, or given as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol


class Table(NamedTuple):
    """Rows under their heads; a cell may have several lines."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


class Verbatim(NamedTuple):
    """Text that is printed as it is, such as SQL or a diff. In a plain `str` the names of commands are adapted."""

    text: str


Line = str | Table | Verbatim


class Result(Protocol):
    """What can be printed."""

    def to_json(self) -> Mapping[str, object]:
        """Give the object that `--json` prints."""

    def lines(self) -> Iterable[Line]:
        """Give what is printed without `--json`."""


_MOST = 8
"""How many names a line of output lists."""


def listed(names: Sequence[str]) -> str:
    """Names with commas; of many only the first and the last, and how many there are."""
    if len(names) <= _MOST:
        return ", ".join(names)
    return f"{', '.join(names[: _MOST - 2])}, … {names[-1]} ({len(names)} in all)"


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 stage`, `2 stages`."""
    return f"{number} {noun}{'s' * (number != 1)}"
