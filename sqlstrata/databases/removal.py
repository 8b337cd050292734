"""Dropping a database: it is checked again by the connection that drops it, and only what was checked is dropped.

1. `allowed` checks it on a connection in it, under the lock that keeps other migrations out.
2. PostgreSQL: a transaction renames it, which fails while anybody is connected, and verifies that it is the database
   that was checked, with the same comment. Nobody can find it then, and it is dropped.
   MariaDB: the connection that checked it drops it.
   SQLite: the file is locked, moved aside, verified to be the one that is locked, and removed.
3. Where anything differs, nothing has changed.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import sqlalchemy as sa

from sqlstrata.databases import database
from sqlstrata.databases.addresses import parsed, server, server_kind, title
from sqlstrata.databases.creation import exists
from sqlstrata.databases.location import Location, file_location, location, require
from sqlstrata.databases.maker import fresh_name
from sqlstrata.dialects import quoted
from sqlstrata.errors import Locked, Unreachable, WrongUse

Allowed = Callable[[sa.Connection], object]
"""Checks a database that is to be dropped; raises an error where it may not be."""
Lock = Callable[[sa.Connection], AbstractContextManager[object]]
"""Keeps others from migrating a database for as long as the bracket."""


def _unlocked(_: sa.Connection) -> AbstractContextManager[object]:
    return nullcontext()


def drop(
    url: str | sa.URL, allowed: Allowed, *, lock: Lock = _unlocked, force: bool = False, wait: float = 0.0
) -> None:
    """Drop the database at the URL, if `allowed` raises nothing when it checks it under `lock`.

    With `force` others who are connected do not matter: PostgreSQL ends their connections. Without it, they, or whoever
    writes to a SQLite file, are waited for up to `wait` seconds; then Locked names them. Raises what `allowed` and
    `lock` raise, Protected where another database has taken its place meanwhile, Unreachable where the server refuses,
    WrongUse where there is no such database. Then nothing has been dropped.
    """
    value = parsed(url)
    if not exists(value):
        message = f"There is no {title(value)}."
        raise WrongUse(message, hint="Nothing was dropped.")
    kind = server_kind(value)
    with database.reporting(value):
        if kind == "sqlite":
            _drop_sqlite(value, allowed, "BEGIN" if force else "BEGIN EXCLUSIVE", wait)
        elif kind == "mariadb":
            _drop_mariadb(value, allowed, lock)
        elif force:
            seen, _ = _checked(value, allowed, lock)
            _drop_postgresql(value, seen, seen.database, " WITH (FORCE)")
        else:
            _await_others(value, wait)
            seen, comment = _checked(value, allowed, lock)
            _drop_postgresql(value, seen, _renamed(value, seen, comment))


# ------------------------------------------------------------------------ PostgreSQL

DROPPING = "sqlstrata: being dropped"
"""The comment of a database that was renamed to be dropped."""


def is_going(connection: sa.Connection) -> bool:
    """Whether a database was renamed to be dropped, so that only that is left to do."""
    if connection.dialect.name != "postgresql":
        return False
    return _row(connection, location(connection).database)[1] == DROPPING


def _checked(url: sa.URL, allowed: Allowed, lock: Lock) -> tuple[Location, str | None]:
    """Check the database, and give its location and its comment."""
    with database.engine(url).connect() as connection, lock(connection):
        allowed(connection)
        seen = location(connection)
        return seen, _row(connection, seen.database)[1]


def _await_others(url: sa.URL, wait: float) -> None:
    """Wait until nobody is connected; the server takes a while to notice that a client was killed."""
    query = (
        "SELECT pid, usename, application_name FROM pg_stat_activity"
        " WHERE datname = %s AND backend_type = 'client backend' ORDER BY pid LIMIT 1"
    )
    end = time.monotonic() + wait
    with database.engine(server(url)).execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        while (other := connection.exec_driver_sql(query, (url.database,)).first()) is not None:
            left = end - time.monotonic()
            if left <= 0:
                who = ", ".join([f"server process {other[0]}", f"user {other[1]}", *([other[2]] if other[2] else [])])
                message = f"{title(url)} is in use: {who} is connected."
                raise Locked(message, hint="Nothing was changed. Close what uses it, or wait longer with `--wait`.")
            time.sleep(min(_PAUSE, left))


_PAUSE = 0.1


def _renamed(url: sa.URL, seen: Location, comment: str | None) -> str:
    """Rename the database to a random name, if it still is what was checked; give that name.

    ALTER DATABASE … RENAME fails while somebody is connected, and lets nobody connect until its transaction ends. The
    comment lets `scratch.sweep` finish the drop if this process is killed before it.
    """
    name = fresh_name()
    with database.engine(server(url)).begin() as connection:
        old, new = quoted(connection, seen.database), quoted(connection, name)
        connection.exec_driver_sql(f"ALTER DATABASE {old} RENAME TO {new}")
        _require_same(connection, seen, name)
        if _row(connection, name)[1] != comment:
            require(Location("", seen.database, "another comment"), seen, "dropped")
        connection.exec_driver_sql(f"COMMENT ON DATABASE {new} IS '{DROPPING}'")
    return name


def _drop_postgresql(url: sa.URL, seen: Location, name: str, option: str = "") -> None:
    """Drop the database of this name, if it is the one that was checked."""
    made = database.engine(server(url)).execution_options(isolation_level="AUTOCOMMIT")
    with made.connect() as connection:
        _require_same(connection, seen, name)
        connection.exec_driver_sql(f"DROP DATABASE {quoted(connection, name)}{option}")


def _require_same(connection: sa.Connection, seen: Location, name: str) -> None:
    found = Location(location(connection).server, seen.database, str(_row(connection, name)[0]))
    require(found, seen, "dropped")


def _row(connection: sa.Connection, name: str) -> tuple[str | None, str | None]:
    """The oid and the comment of the database of this name; None where there is no such database."""
    query = "SELECT oid::text, shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s"
    found = connection.exec_driver_sql(query, (name,)).first()
    return (None, None) if found is None else (found[0], found[1])


# --------------------------------------------------------------------------- MariaDB


def _drop_mariadb(url: sa.URL, allowed: Allowed, lock: Lock) -> None:
    with database.engine(url).connect() as connection, lock(connection):
        allowed(connection)
        connection.exec_driver_sql(f"DROP DATABASE {quoted(connection, location(connection).database)}")


# ---------------------------------------------------------------------------- SQLite


def _drop_sqlite(url: sa.URL, allowed: Allowed, begin: str, wait: float) -> None:
    before = file_location(str(url.database))
    with database.engine(url, begin=begin, wait=wait).connect() as connection:
        _require_allowed(connection, before, allowed)
        if connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal":  # then readers are not kept out
            connection.rollback()
            _without_wal(connection)
            _require_allowed(connection, before, allowed)
        _remove(Path(before.database), before)


def _require_allowed(connection: sa.Connection, before: Location, allowed: Allowed) -> None:
    """The file is locked for this transaction; it must still be the one that the path named before, and allowed."""
    require(location(connection), before, "dropped")
    allowed(connection)


def _without_wal(connection: sa.Connection) -> None:
    """Merge the write-ahead log into the file. Raises Locked where somebody else has the file open.

    SQLite does this only outside of transactions, and SQLAlchemy would begin one.
    """
    driver = connection.connection.dbapi_connection
    assert driver is not None
    try:
        driver.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.OperationalError as error:
        message = f"{title(connection.engine.url)} is in use: {error}."
        raise Locked(message, hint="Close what uses it, and run the command again.") from error


def _remove(path: Path, seen: Location) -> None:
    """Remove the file, if it is the one that is locked; otherwise put it back under its name."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        path.with_name(f"{path.name}-journal").unlink(missing_ok=True)
        path.rename(aside)
        found = file_location(str(aside))
        if found.number != seen.number:
            os.link(aside, path)  # unlike a rename, it never replaces a file that was created there meanwhile
            aside.unlink()
            require(Location("", seen.database, found.number), seen, "dropped")
        aside.unlink()
    except OSError as error:
        message = f"{path} could not be removed: {error.strerror}."
        raise Unreachable(message, hint="Check the permissions of the file and its folder.") from error
