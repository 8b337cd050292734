"""Whether a server's version is supported: asked on each new connection, before anything else is done with it."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing

from sqlalchemy.engine.interfaces import DBAPIConnection

from sqlstrata import servers
from sqlstrata.errors import WrongUse
from sqlstrata.servers import Kind

_NUMBER = {
    "sqlite": re.compile(r"(\d+)\.(\d+)"),
    "postgresql": re.compile(r"PostgreSQL (\d+)(?:\.(\d+))?"),
    "mariadb": re.compile(r"(?:5\.5\.5-)?(\d+)\.(\d+)\S*mariadb", re.IGNORECASE),  # 5.5.5- is what replication adds
}
"""The number in the result of `sqlite3_libversion()` and `SELECT version()`. Only MariaDB's has its name in it."""
_MYSQL = re.compile(r"(\d+(?:\.\d+)+)")


def problem(kind: Kind, text: str) -> str | None:
    """Why a server with this version text is not supported, as the end of a sentence; None where it is supported."""
    found = _NUMBER[kind.name].match(text)
    if found is not None:
        number = tuple(int(each) for each in found.groups() if each is not None)
        return None if number >= kind.minimum else f"has version {'.'.join(map(str, number))}, which is too old"
    mysql = _MYSQL.match(text) if kind.name == "mariadb" else None
    return f"is {f'MySQL {mysql[1]}' if mysql else f'`{text[:40]}`'}, which is not supported"


def require_version(kind: str, connection: DBAPIConnection, address: str) -> None:
    """Ask a driver's new connection for the server's version, and roll back. Raises WrongUse where it is too old."""
    if kind == "sqlite":  # the library is in this process (require_library)
        return
    with closing(connection.cursor()) as cursor:
        cursor.execute("SELECT version()")
        text = str(cursor.fetchall()[0][0])
    connection.rollback()
    _require(servers.KINDS[kind], text, address)


def require_library(address: str) -> None:
    """Raise WrongUse where Python's SQLite is too old."""
    _require(servers.KINDS["sqlite"], sqlite3.sqlite_version, address)


def _require(kind: Kind, text: str, address: str) -> None:
    wrong = problem(kind, text)
    if wrong is not None:
        what = "a Python with" if kind.name == "sqlite" else "a server with"
        hint = f"Use {what} {kind.oldest} or later. Nothing was changed there."
        raise WrongUse(f"{address} {wrong}.", hint=hint)
