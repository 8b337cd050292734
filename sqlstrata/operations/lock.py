"""One migration at a time on one database, from any process on any machine.

- SQLite: the file's own write lock, which `BEGIN IMMEDIATE` takes.
- PostgreSQL: an advisory lock of the session, which the server releases when the connection ends.
- MariaDB: a row under a unique key, because GET_LOCK does not hold across a Galera cluster. The row names its holder,
  and is taken over from a dead one. The table is dropped when it is no longer needed.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.util import CommandError

from .clients import client, is_running, process, readable
from .driver import say, server_of
from .failures import code_of

WAIT = 60.0
TABLE = "strata_migration"
_KEY = 0x5354_5241_5441_0001  # PostgreSQL's advisory locks are numbers; this one is "STRATA", 1
_PAUSE = 0.2
_FIELDS = 6  # of a line in /proc/locks that matter here

Tell = Callable[[str], None]


class Held(CommandError):
    """Somebody else is migrating this database. `code` is the exit code of `inv`."""

    code = 7


@contextmanager
def held(connection: sa.Connection, wait: float, tell: Tell) -> Iterator[None]:
    """Lock the database against all other migrations.

    Waits up to `wait` seconds for another holder, whom it names with `tell`; then raises Held. An open transaction is
    rolled back first; at the end the caller's is committed, or rolled back after an error. No statement inside waits
    longer than that for a table's lock. A lost connection is not made again: the server may still be working for the
    old one, which holds the lock until it has ended.
    """
    connection.rollback()
    take, release = _SERVERS[server_of(connection.dialect.name)]
    token = take(connection, wait, tell)
    try:
        yield
        connection.commit()
    except BaseException:
        with suppress(sa.exc.SQLAlchemyError):
            connection.rollback()
        raise
    finally:
        if not connection.invalidated:
            with suppress(sa.exc.SQLAlchemyError):  # it may be lost by now
                release(connection, token)


def _asked(connection: sa.Connection, wait: float, tell: Tell, attempt: Callable[[], str | None]) -> None:
    """Try until we have the lock; `attempt` gives its holder, None once we have it."""
    end, announced = time.monotonic() + wait, set[str]()
    while True:
        holder = attempt()
        if holder is None:
            return
        sentence = f"Somebody else is migrating this database: {holder}."
        left = end - time.monotonic()
        if left <= 0:
            raise Held(sentence)
        if sentence not in announced:
            tell(f"{sentence} Waiting up to {left:.0f} s.")
            announced.add(sentence)
        time.sleep(min(_PAUSE, left))


# ------------------------------------------------------------------------------ SQLite


def _take_sqlite(connection: sa.Connection, wait: float, tell: Tell) -> None:
    """Wait until the write lock is free, and have every transaction wait for it."""
    _busy_timeout(connection, 0)
    _asked(connection, wait, tell, lambda: _sqlite_writer(connection))
    _busy_timeout(connection, wait)


def _sqlite_writer(connection: sa.Connection) -> str | None:
    try:
        connection.exec_driver_sql("SELECT 1").all()  # every transaction begins with BEGIN IMMEDIATE
    except sa.exc.OperationalError as error:
        connection.rollback()
        if not is_busy(error):
            raise
        return sqlite_holder(connection)
    connection.rollback()
    return None


def is_busy(error: BaseException) -> bool:
    """Whether SQLite reports another writer."""
    original = getattr(error, "orig", None)
    return str(getattr(original, "sqlite_errorname", "")).startswith("SQLITE_BUSY")


def sqlite_holder(connection: sa.Connection) -> str:
    """Who uses the file, where the system shows that (Linux: /proc/locks)."""
    path = connection.engine.url.database
    try:
        place = os.stat(path or "")  # noqa: PTH116 - "" is no file
        marks = [line.split() for line in Path("/proc/locks").read_text(encoding="utf-8").splitlines()]
    except OSError:
        return "another connection is using the file"
    for mark in marks:
        if (
            len(mark) > 5  # noqa: PLR2004 - the sixth field is the file
            and mark[3] == "WRITE"
            and mark[5].endswith(f":{place.st_ino}")
            and mark[4] != str(os.getpid())
        ):
            return f"process {mark[4]} on {socket.gethostname()}"
    return "another connection is using the file"


def _busy_timeout(connection: sa.Connection, seconds: float) -> None:
    say(connection, f"PRAGMA busy_timeout = {int(seconds * 1000)}")


def _release_sqlite(connection: sa.Connection, token: object) -> None:
    """Do nothing: there is no lock between transactions."""


# -------------------------------------------------------------------------- PostgreSQL


def _take_postgresql(connection: sa.Connection, wait: float, tell: Tell) -> None:
    named = "SELECT set_config('application_name', %s, false) WHERE current_setting('application_name') = ''"
    bounded = "SELECT set_config('lock_timeout', %s, false) WHERE current_setting('lock_timeout') = '0'"
    connection.exec_driver_sql(named, (client()[:63],))
    connection.exec_driver_sql(bounded, (str(int(max(wait, 1.0) * 1000)),))
    connection.commit()
    _notice_lost_clients(connection)
    _asked(connection, wait, tell, lambda: _postgresql_holder(connection))


_NOTICED = {
    "client_connection_check_interval": "2000",  # milliseconds, while a statement runs; since PostgreSQL 14
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}


def _notice_lost_clients(connection: sa.Connection) -> None:
    """Have the server end this session soon after its client is lost, unless that is configured already."""
    query = "SELECT name FROM pg_settings WHERE source = 'default' AND name = ANY(%s)"
    for name in connection.exec_driver_sql(query, (list(_NOTICED),)).scalars().all():
        try:
            connection.exec_driver_sql("SELECT set_config(%s, %s, false)", (name, _NOTICED[name]))
            connection.commit()
        except sa.exc.DBAPIError as error:
            connection.rollback()
            if code_of(error) != _NOT_HERE:
                raise


_NOT_HERE = "22023"  # not supported by the server's operating system


def _postgresql_holder(connection: sa.Connection) -> str | None:
    mine = connection.exec_driver_sql("SELECT pg_try_advisory_lock(%s)", (_KEY,)).scalar_one()
    query = (
        "SELECT l.pid, a.usename, a.application_name, a.client_addr FROM pg_locks l LEFT JOIN pg_stat_activity a"
        " ON a.pid = l.pid WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.classid = %s"
        " AND l.objid = %s AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    row = None if mine else connection.exec_driver_sql(query, (_KEY >> 32, _KEY & 0xFFFFFFFF)).first()
    connection.commit()
    if mine:
        return None
    if row is None:
        return "a connection that has just ended"
    parts = [
        f"server process {row.pid}",
        readable(row.application_name or ""),
        f"user {row.usename}" if row.usename else "",
    ]
    return ", ".join([*(each for each in parts if each), *([f"from {row.client_addr}"] if row.client_addr else [])])


def _release_postgresql(connection: sa.Connection, token: object) -> None:
    connection.exec_driver_sql("SELECT pg_advisory_unlock(%s)", (_KEY,))
    connection.commit()


# ----------------------------------------------------------------------------- MariaDB

_SILENCE = 600
"""Seconds after which the server closes an idle holder's connection, whose machine or network may be gone."""
_NO_TABLE, _DUPLICATE, _IN_THE_WAY = 1146, 1062, {1205, 1213}
CREATE = (
    f"CREATE TABLE IF NOT EXISTS {TABLE} (number INT NOT NULL PRIMARY KEY, kind VARCHAR(16) NOT NULL,"
    " revision VARCHAR(64), direction VARCHAR(16), line INT, done INT, hash CHAR(64), said LONGTEXT)"
    " ENGINE=InnoDB CHARACTER SET utf8mb4"
)
"""Row 0 is the holder of the lock; the others are the journal of the running revision."""


def number_of(error: sa.exc.DBAPIError) -> object:
    """The server's error number."""
    return next(iter(getattr(error.orig, "args", ())), None)


def _take_mariadb(connection: sa.Connection, wait: float, tell: Tell) -> str:
    seconds = max(1, int(wait))
    connection.exec_driver_sql(
        f"SET SESSION lock_wait_timeout = {seconds}, innodb_lock_wait_timeout = {seconds},"
        f" wait_timeout = LEAST(@@SESSION.wait_timeout, {_SILENCE})"
    )
    token = json.dumps(_signature(connection))
    _asked(connection, wait, tell, lambda: _mariadb_holder(connection, token))
    return token


def _signature(connection: sa.Connection) -> dict[str, Any]:
    """Who we are: the connection on its server, and the process on its machine."""
    row = connection.exec_driver_sql(
        "SELECT CONNECTION_ID(), CONCAT(@@hostname, ':', @@port), CURRENT_USER(), UNIX_TIMESTAMP() - VARIABLE_VALUE"
        " FROM information_schema.global_status WHERE VARIABLE_NAME = 'UPTIME'"
    ).one()
    connection.rollback()
    names = ("connection", "server", "account", "started")
    return {**dict(zip(names, (int(row[0]), row[1], row[2], int(row[3])), strict=True)), **process()}


def _mariadb_holder(connection: sa.Connection, token: str) -> str | None:
    try:
        connection.exec_driver_sql(f"INSERT INTO {TABLE} (number, kind, said) VALUES (0, 'holder', %s)", (token,))
        connection.commit()
    except sa.exc.DBAPIError as error:
        connection.rollback()
        if number_of(error) == _NO_TABLE:
            connection.exec_driver_sql(CREATE)
            return _mariadb_holder(connection, token)
        if number_of(error) not in {_DUPLICATE, *_IN_THE_WAY}:
            raise
        return _other(connection, token)
    return None


def _other(connection: sa.Connection, token: str) -> str | None:
    """Who holds the row; None where the holder is dead and we have taken it over."""
    try:
        row = connection.exec_driver_sql(f"SELECT said FROM {TABLE} WHERE number = 0").scalar()
        if row is None:
            return "a run that has just ended"
        holder = json.loads(row)
        if _is_dead(connection, holder, json.loads(token)):
            query = f"UPDATE {TABLE} SET said = %s WHERE number = 0 AND said = %s"
            mine = connection.exec_driver_sql(query, (token, row)).rowcount == 1
            connection.commit()
            return None if mine else "another run"
    except sa.exc.DBAPIError as error:
        if number_of(error) not in {_NO_TABLE, *_IN_THE_WAY}:
            raise
        return "a run that has just ended"
    finally:
        connection.rollback()
    who = readable(f"process {holder['process']} on {holder['host']}")
    return f"connection {holder['connection']} of {holder['account']}, {who}"


def _is_dead(connection: sa.Connection, holder: dict[str, Any], mine: dict[str, Any]) -> bool:
    """Whether a holder is certainly dead.

    Its connection counts, where we can see it: a server finishes a statement whose client is gone. On another node of a
    cluster only the process can be checked, and only on its own machine.
    """
    if holder["server"] == mine["server"]:
        if mine["started"] > holder["started"] + 2:  # the server has been restarted
            return True
        if holder["account"] == mine["account"] or _sees_all(connection):
            query = "SELECT count(*) FROM information_schema.processlist WHERE id = %s"
            return not connection.exec_driver_sql(query, (holder["connection"],)).scalar_one()
        return False
    return holder["host"] == mine["host"] and not is_running(int(holder["process"]))


def _sees_all(connection: sa.Connection) -> bool:
    """Whether we can see other users' connections."""
    query = "SELECT count(*) FROM information_schema.user_privileges WHERE privilege_type = 'PROCESS'"
    return bool(connection.exec_driver_sql(query).scalar_one())


def _release_mariadb(connection: sa.Connection, token: object) -> None:
    """Drop the table, unless it has a journal, or the lock is no longer ours."""
    rows = connection.exec_driver_sql(f"SELECT number, said FROM {TABLE} ORDER BY number LIMIT 2").all()
    here = connection.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one()
    mine = bool(rows) and rows[0][0] == 0 and rows[0][1] == token and json.loads(str(token))["connection"] == here
    connection.rollback()
    if not mine:
        return
    if len(rows) == 1:
        connection.exec_driver_sql(f"DROP TABLE {TABLE}")
    else:
        connection.exec_driver_sql(f"DELETE FROM {TABLE} WHERE number = 0")
    connection.commit()


_Take = Callable[[sa.Connection, float, Tell], object]
_SERVERS: dict[str, tuple[_Take, Callable[[sa.Connection, object], None]]] = {
    "sqlite": (_take_sqlite, _release_sqlite),
    "postgresql": (_take_postgresql, _release_postgresql),
    "mariadb": (_take_mariadb, _release_mariadb),
}
