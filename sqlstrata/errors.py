"""Known failures, one class per exit code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeVar

from sqlstrata.result import Result
from sqlstrata.secret import masked, masked_within


@dataclass(frozen=True, slots=True)
class Where:
    """A place in a file, counted from 1; path is as the user gave it."""

    path: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


class SqlstrataError(Exception):
    """A known failure: what, where, and what to do about it.

    message and hint are sentences that end with a full stop; where is a place in a file, or another name of the place;
    details are plain data for scripts, part of the error object that `--json` prints. Passwords in any of them are
    masked here. result is what the command found, where the error is its verdict: the Status of a database that is
    behind, for example.
    """

    code: ClassVar[int] = 1

    def __init__(
        self, message: str, *, where: Where | str | None = None, hint: str | None = None, **details: object
    ) -> None:
        super().__init__(masked(message))
        self.message = masked(message)
        self.where = None if where is None else masked(str(where))
        self.hint = None if hint is None else masked(hint)
        self.details = {key: masked_within(value) for key, value in details.items()}
        self.result: Result | None = None

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        between = "\n" if "\n" in self.message else " "
        advice = f"{between}{self.hint}" if self.hint else ""
        return f"{place}{self.message}{advice}"

    def to_json(self) -> dict[str, object]:
        """Give the object under "error" with `--json`; no detail can hide the first four keys."""
        known = {"code": self.code, "message": self.message, "where": self.where, "hint": self.hint}
        return {**known, **self.details, **known}


class WrongUse(SqlstrataError):
    """A wrong command, config.yaml or model module."""

    code = 2


class HistoryDiffers(SqlstrataError):
    """The history on disk is not what the stages give."""

    code = 3


class DatabaseBehind(SqlstrataError):
    """The database is not at the last stage."""

    code = 4


class SchemaDiffers(SqlstrataError):
    """The database's schema is not what its stage says, or no stage fits."""

    code = 5


class Refused(SqlstrataError):
    """Rows or columns would be lost, or values invented, and config.yaml does not allow it."""

    code = 6


class Locked(SqlstrataError):
    """Somebody else is migrating this database."""

    code = 7


class Unreachable(SqlstrataError):
    """The database cannot be reached."""

    code = 8


class MigrationFailed(SqlstrataError):
    """A migration failed; the message says what state the database is in."""

    code = 9


class Protected(SqlstrataError):
    """The database is protected."""

    code = 10


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
