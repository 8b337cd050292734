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


_LINES = 2
_MANY = 20
"""How many stages a table has before it shows less of each."""


def changed(changes: Sequence[str], *, of: int) -> str:
    """The changes of one of so many stages, a line each; of many stages the first, and how many others there are."""
    if of > _MANY and len(changes) > _LINES:
        changes = (*changes[: _LINES - 1], f"and {len(changes) - _LINES + 1} more")
    return "\n".join(changes) or "(nothing changes)"


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 stage`, `2 stages`."""
    return f"{number} {noun}{'s' * (number != 1)}"
