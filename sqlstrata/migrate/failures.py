"""Why a migration failed, for messages: the server's own text with the statement, or the place in a revision file."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

import sqlalchemy as sa
from alembic.util import CommandError

from sqlstrata.errors import Locked
from sqlstrata.folder import edited_place
from sqlstrata.operations.failures import of_driver
from sqlstrata.secret import masked

_LONGEST = 200  # characters of a statement


def exit_code(error: Exception) -> object:
    """The exit code that a revision which stops itself gives; None for any other error."""
    return getattr(error, "code", None) if isinstance(error, CommandError) else None


def locked(error: Exception) -> Locked:
    """The error for a database that another run holds (the operations' `Held`)."""
    hint = "Nothing was changed. Wait until it has ended, or wait longer with `--wait SECONDS`."
    return Locked(str(error), hint=hint)


def place_of(error: Exception, migrations: Path) -> str | None:
    """The place in an edited file that raised the error; None where the message is enough.

    The message is enough for what Alembic and drivers raise. Raises the error itself where it comes from a file that is
    as this program makes it: then the program is wrong.
    """
    if isinstance(error, CommandError | sa.exc.SQLAlchemyError) or of_driver(error) is not None:
        return None
    place = edited_place(error, migrations)
    if place is None:
        raise error
    return place


def revision_of_error(error: Exception, migrations: Path) -> str | None:
    """The name of the revision file that raised an error; None where no revision did."""
    paths = [Path(frame.filename) for frame in traceback.extract_tb(error.__traceback__)]
    return next((path.name for path in reversed(paths) if path.parent == migrations / "versions"), None)


def reason(error: BaseException) -> str:
    """Why a migration failed, as a sentence."""
    return f"The migration failed: {message_of(error)}" if of_driver(error) is not None else message_of(error)


def message_of(error: BaseException) -> str:
    """The server's message and the statement without its parameters, or any other error's text, as sentences."""
    inner = of_driver(error)
    if inner is not None:
        message = next(iter(str(inner).splitlines()), type(inner).__name__).rstrip(".")
        statement = masked(_statement(error)) if isinstance(error, sa.exc.DBAPIError) else ""  # before it is cut off
        if not statement:
            return f"{message}."
        short = statement if len(statement) < _LONGEST else f"{statement[:_LONGEST]}…"
        return f"{message}. The statement was: {short}."
    text = " ".join(str(error).split())
    if not isinstance(error, CommandError | sa.exc.SQLAlchemyError):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return text if text.endswith(".") else f"{text}."


def _statement(error: sa.exc.DBAPIError) -> str:
    """The statement on one line, as the server got it: a driver with %s parameters makes one % of two."""
    text = " ".join((error.statement or "").split())
    driver = sys.modules[type(error.orig).__module__.partition(".")[0]]
    return text.replace("%%", "%") if getattr(driver, "paramstyle", None) in {"format", "pyformat"} else text
