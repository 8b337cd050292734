"""Whether a database exists, and creating one. Dropping is in `removal`."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from sqlstrata.databases import sqlite_file
from sqlstrata.databases.addresses import address, in_memory, parsed, server, server_kind
from sqlstrata.databases.database import connect, engine, reporting
from sqlstrata.databases.location import Location, location, named
from sqlstrata.databases.version import require_library
from sqlstrata.dialects import quoted
from sqlstrata.errors import Unreachable, WrongUse
from sqlstrata.operations.failures import code_of

_EXISTS = {
    "postgresql": sa.text("SELECT count(*) FROM pg_database WHERE datname = :name"),
    "mariadb": sa.text("SELECT count(*) FROM information_schema.schemata WHERE schema_name = :name"),
}
_CREATE = {
    "postgresql": "CREATE DATABASE {} ENCODING 'utf8' TEMPLATE template1",
    "mariadb": "CREATE DATABASE {} CHARACTER SET = 'utf8mb4'",
}
_DUPLICATE = 1007
"""MariaDB's error number for a database that exists already."""
_HEADER = b"SQLite format 3\0"
"""How every file that SQLite has written to begins (sqlite.org/fileformat.html)."""


def exists(url: str | sa.URL) -> bool:
    """Whether the database exists. Raises Unreachable where its server does not answer, so that no is a no.

    So it does for a SQLite file that cannot be read, or that holds something else; an empty file is no database yet.
    """
    value = parsed(url)
    if server_kind(value) == "sqlite":
        require_library(address(value))
        return in_memory(value) or _file_exists(value)
    with suppress(Unreachable):
        connect(engine(value)).close()
        return True
    with reporting(value), engine(server(value)).connect() as connection:
        return bool(connection.execute(_EXISTS[server_kind(value)], {"name": value.database}).scalar())


def _file_exists(url: sa.URL) -> bool:
    sqlite_file.require_file(url)
    try:
        with Path(str(url.database)).open("rb") as file:
            header = file.read(len(_HEADER))
    except FileNotFoundError:
        return False
    except OSError as error:
        raise sqlite_file.unreachable(url, error.strerror) from error
    if header not in {b"", _HEADER}:
        message = f"{address(url)} is not a SQLite database, or it is damaged: its header is wrong."
        hint = f"Check the URL. If the file is not needed, move it away. {sqlite_file.remedy(url)}"
        raise Unreachable(message, hint=hint)
    return header == _HEADER


def create(url: str | sa.URL) -> None:
    """Create the database, empty, with every character allowed.

    Raises WrongUse where it exists already, Unreachable where the server does not answer or the user lacks the right.
    """
    value = parsed(url)
    if exists(value):
        message = f"The database {value.database} already exists ({address(value)})."
        raise WrongUse(message, hint="Choose another name, or use it as it is.")
    make(value)


def make(url: sa.URL) -> Location:
    """Create a database that is known not to exist, and give its location.

    Raises Unreachable, with the SQL for an administrator where the right is missing, Locked or WrongUse.
    """
    kind = server_kind(url)
    if kind == "sqlite":
        return Location("", ":memory:", "") if in_memory(url) else _make_file(url)
    autocommit = engine(server(url)).execution_options(isolation_level="AUTOCOMMIT")
    with reporting(url), autocommit.connect() as connection:
        connection.exec_driver_sql(_CREATE[kind].format(quoted(connection, url.database)))
        return named(connection, str(url.database))


def _make_file(url: sa.URL) -> Location:
    """Create a SQLite file with SQLite's header; where a link leads to nothing, the file that it names."""
    path = os.path.realpath(str(url.database))
    writer = engine(url)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o644))
    except OSError as error:
        raise sqlite_file.unreachable(url, error.strerror) from error
    with reporting(url), writer.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE strata_new (x INTEGER)")
        connection.exec_driver_sql("DROP TABLE strata_new")
        return location(connection)


def require_may_make(url: sa.URL) -> None:
    """Raise Unreachable, with the SQL for an administrator, where a MariaDB user could not create this database again.

    It exists, so the server answers "duplicate"; but it checks the right first. On PostgreSQL there is one right for
    all databases, which creating a scratch database shows.
    """
    if server_kind(url) != "mariadb":
        return
    with reporting(url), engine(server(url)).connect() as connection:
        try:
            connection.exec_driver_sql(_CREATE["mariadb"].format(quoted(connection, url.database)))
        except DBAPIError as error:
            if code_of(error) != _DUPLICATE:
                raise
