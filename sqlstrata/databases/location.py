"""Where a connection really is, as the server says.

Options, service files and environment variables of a driver, poolers and symbolic links can all lead to another
database than the URL names. So each new connection is asked which database it is in, and is closed if it is another;
and before a database is marked, emptied or dropped, its location is compared with the intended one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection

from sqlstrata.databases.addresses import in_memory
from sqlstrata.errors import Protected, WrongUse


@dataclass(frozen=True, slots=True)
class Location:
    """A database in its server's own words.

    server: identifies the server (PostgreSQL: the cluster's system identifier; MariaDB: host, port, data folder and
    server_uid). database: its name; the file on SQLite. number: differs for another database of the same name
    (PostgreSQL: the oid; SQLite: device and inode; MariaDB has none).
    """

    server: str
    database: str
    number: str

    @property
    def identity(self) -> str:
        """Server and number in one text, as a mark stores them."""
        return "/".join(each for each in (self.server, self.number) if each)


_POSTGRESQL = "SELECT {}, datname, oid::text FROM pg_database WHERE datname = {}"
_MAY_ASK = "SELECT has_function_privilege('pg_control_system()', 'EXECUTE')"
_CLUSTER = "(SELECT system_identifier::text FROM pg_control_system())"
_MARIADB = (
    "SELECT group_concat(variable_value ORDER BY variable_name SEPARATOR ':'), {}, ''"
    " FROM information_schema.global_variables WHERE variable_name IN ('HOSTNAME', 'PORT', 'DATADIR', 'SERVER_UID')"
)


def location(connection: sa.Connection) -> Location:
    """Ask a connection where it is. An open transaction stays open."""
    if connection.dialect.name == "sqlite":
        path = _main_file(connection.exec_driver_sql("PRAGMA database_list").all())
        return file_location(path) if path else Location("", ":memory:", "")
    here = "current_database()" if connection.dialect.name == "postgresql" else "coalesce(DATABASE(), '')"
    return _asked(connection, here, ())


def named(connection: sa.Connection, name: str) -> Location:
    """The location of the database of this name on a connection's server, where it must exist. Not for SQLite."""
    return _asked(connection, "%s", (name,))


def _asked(connection: sa.Connection, name: str, parameters: tuple[str, ...]) -> Location:
    if connection.dialect.name != "postgresql":
        return Location(*connection.exec_driver_sql(_MARIADB.format(name), parameters).one())
    may = connection.exec_driver_sql(_MAY_ASK).scalar_one()
    query = _POSTGRESQL.format(_CLUSTER if may else "''", name)
    return Location(*connection.exec_driver_sql(query, parameters).one())


def file_location(path: str) -> Location:
    """The location of a SQLite file. Raises OSError where it is not there."""
    found = os.stat(path)  # noqa: PTH116 - pathlib does not take every path
    return Location("", os.path.realpath(path), f"{found.st_dev}:{found.st_ino}")


def require(found: Location, meant: Location, what: str) -> None:
    """Raise Protected where a database is not the intended one; `what` is what was to be done, a participle."""
    if found != meant:
        raise Protected(
            f"The database {found.database} is not the one that was to be {what}: another one has taken its place.",
            hint="Nothing was changed. Check that database, and run the command again.",
        )


def require_named(kind: str, connection: DBAPIConnection, url: sa.URL) -> None:
    """Ask a driver's new connection whether it is in the database that the URL names, if it names one.

    Raises WrongUse, which says where it is instead. The connection's transaction is rolled back.
    """
    if kind == "sqlite":
        _require_file(connection, url)
        return
    if not url.database:
        return
    query = "SELECT current_database(), false"
    if kind == "mariadb":
        query = "SELECT DATABASE(), @@lower_case_table_names <> 0"
    with closing(connection.cursor()) as cursor:
        cursor.execute(query)
        found, folded = cursor.fetchall()[0]
    connection.rollback()
    meant = url.database.lower() if folded else url.database
    if (str(found).lower() if folded else found) != meant:
        raise _elsewhere(url, f"the database {found}" if found else "no database")


def _require_file(connection: DBAPIConnection, url: sa.URL) -> None:
    if in_memory(url):
        return
    with closing(connection.cursor()) as cursor:
        cursor.execute("PRAGMA database_list")
        found = _main_file(cursor.fetchall())
    if not found or not Path(found).exists() or not Path(found).samefile(str(url.database)):
        raise _elsewhere(url, f"the file {found}" if found else "no file")


def _main_file(databases: Iterable[Sequence[Any]]) -> str:
    """The file of the main database, from the rows of PRAGMA database_list."""
    return next(str(row[2] or "") for row in databases if row[1] == "main")


def _elsewhere(url: sa.URL, found: str) -> WrongUse:
    options = f" The URL's options are: {', '.join(sorted(url.query))}." if url.query else ""
    return WrongUse(
        f"The URL names the database {url.database}, and the connection is in {found}.{options}",
        hint="Nothing was changed. Remove the option, variable, service or link that leads there.",
    )
