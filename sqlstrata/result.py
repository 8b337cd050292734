"""What a command returns: a value that can be printed, given as JSON, and that may amount to an error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from sqlstrata.errors import SqlstrataError


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


class Verdict(Result, Protocol):
    """A result that may amount to an error, such as a database that is behind."""

    @property
    def error(self) -> SqlstrataError | None:
        """The error that a command with this result ends with; None where all is well."""


V = TypeVar("V", bound=Verdict)


def accepted(result: V) -> V:
    """Give the result back. Raises the error that it amounts to; the result is that error's `result`."""
    error = result.error
    if error is not None:
        error.result = result
        raise error
    return result


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 stage`, `2 stages`."""
    return f"{number} {noun}{'s' * (number != 1)}"
