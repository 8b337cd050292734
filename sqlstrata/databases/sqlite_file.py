"""Whether a SQLite file is a whole database.

SQLite finds damage only in the pages that a statement reads. So `require_whole` has it read all of them, and
`report_damage` reports what any other statement of an engine meets.
"""

from __future__ import annotations

import stat
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from sqlstrata.errors import Unreachable
from sqlstrata.operations.failures import code_of

_ERROR = "SQLITE_ERROR"
"""SQLite's name for a statement that is wrong or uses something unknown; longer names begin with it."""
_DAMAGED = ("SQLITE_IOERR", "SQLITE_CORRUPT", "SQLITE_FORMAT", "SQLITE_NOTADB")
"""How SQLite's result codes (sqlite.org/rescode.html) for a damaged file begin."""


def require_whole(connection: sa.Connection) -> None:
    """Raise Unreachable where SQLite finds damage in the connection's file. Read-only; other servers check themselves.

    `PRAGMA quick_check` reads the whole file. Where it needs functions or modules of the application, which are not
    there, only the tables' descriptions have been read.
    """
    if connection.dialect.name != "sqlite":
        return
    try:
        connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one()
    except DBAPIError as error:
        if not str(code_of(error)).startswith(_ERROR):
            raise
        raise damage(connection.engine.url, str(error.orig)) from error
    try:
        found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalars().all()
    except DBAPIError as error:
        if not str(code_of(error)).startswith(_ERROR):
            raise
        return
    if found != ["ok"]:
        lines = [line for line in str(found[0]).splitlines() if not line.startswith("***")]
        raise damage(connection.engine.url, " ".join(lines[:1]))


def report_damage(made: sa.Engine) -> None:
    """Have an engine that only reads raise Unreachable for any statement that meets damage."""

    @sa.event.listens_for(made, "handle_error")
    def _handled(context: sa.engine.ExceptionContext) -> Unreachable | None:
        error = context.sqlalchemy_exception
        if isinstance(context.original_exception, UnicodeDecodeError):  # of SQLite's message, which quotes the file
            return damage(made.url, "it holds text that is not UTF-8")
        return damage(made.url, str(error.orig)) if isinstance(error, DBAPIError) and is_damage(error) else None


def is_damage(error: BaseException) -> bool:
    """Whether a statement failed because of a damaged SQLite file.

    Text that is not UTF-8 is refused by Python, without a code of SQLite's.
    """
    if not isinstance(error, DBAPIError) or not type(error.orig).__module__.startswith("sqlite3"):
        return False
    code = code_of(error)
    return isinstance(error, sa.exc.OperationalError) if code is None else str(code).startswith(_DAMAGED)


def damage(url: sa.URL, reason: str, *, untouched: bool = True) -> Unreachable:
    """The error for a damaged file; `untouched` where nothing was written to it."""
    first = reason.strip().partition("\n")[0].rstrip(".")
    return Unreachable(
        f"The SQLite file {url.database} is damaged, or is not a SQLite database: {first}.",
        hint=f"{'The file was not changed. ' if untouched else ''}{remedy(url)}",
    )


def unreachable(url: sa.URL, reason: str | None) -> Unreachable:
    """The error for a file that cannot be opened."""
    return Unreachable(
        f"SQLite file {url.database} cannot be reached: {reason}.", hint="Check the folder and its permissions."
    )


def remedy(url: sa.URL) -> str:
    """What to do about a damaged file, as a hint."""
    return f"Restore a backup, or recover what can still be read: sqlite3 '{url.database}' .recover | sqlite3 NEW_FILE."


def require_file(url: sa.URL) -> None:
    """Raise Unreachable where the URL's path is not a file but a folder, a device, a pipe."""
    kinds = {stat.S_ISDIR: "a folder", stat.S_ISFIFO: "a pipe", stat.S_ISSOCK: "a socket"}
    kinds |= {stat.S_ISCHR: "a device", stat.S_ISBLK: "a device"}
    try:
        mode = Path(str(url.database)).stat().st_mode
    except OSError:  # opening it reports that
        return
    for is_kind, name in kinds.items():
        if is_kind(mode):
            message = f"{url.database} is {name}, not a SQLite database."
            raise Unreachable(message, hint="Write the path of a file into the URL.")
