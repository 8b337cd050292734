"""Databases and the ways to them: engines, connections, and whether there is one.

SQLAlchemy-Utils owns creating and dropping. Errors never hold a password: they name a server by its address.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import sqlalchemy_utils
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, NoSuchModuleError, OperationalError

from project.db.lost import watch
from project.errors import Locked, Unreachable, WrongUse, keep_secret
from project.plan.places import as_url

_SERVERS = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mysql": "MariaDB", "mariadb": "MariaDB"}
_PORTS = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306}
_DRIVERS = {
    "postgresql": ("postgresql+psycopg://", "strata[postgresql]"),
    "mysql": ("mariadb+pymysql://", "strata[mariadb]"),
    "mariadb": ("mariadb+pymysql://", "strata[mariadb]"),
}
_SQLITE = ("sqlite://", "strata")
_HINTS = {"sqlite": "Look at the folder and its rights."}
_HINT = "See that it is running and that the URL is right."
_PATIENCE = {"connect_timeout": "10", "keepalives_idle": "10", "keepalives_interval": "5", "keepalives_count": "3"}
"""Seconds, and a number, after which libpq takes a server that is silent for gone."""
_BEGIN = b"SQLite format 3\0"
"""How every file that SQLite has written to begins (sqlite.org/fileformat.html)."""
_NO_RIGHT = {"42501", 1044, 1142, 1227}
"""PostgreSQL's SQLSTATE and MariaDB's error numbers for a right that is missing."""
_IN_USE = {"55006", "SQLITE_BUSY"}
"""PostgreSQL's SQLSTATE and SQLite's name for somebody else being in the way."""


def parsed(url: str | sa.URL) -> sa.URL:
    """The URL as a value. Raises WrongUse where it is none, or of a server that we do not know."""
    try:
        value = as_url(url)
    except ArgumentError:
        message = "This is not a database URL."
        raise WrongUse(message, hint="Write it as postgresql+psycopg://user@host:5432/name.") from None
    server_kind(value)
    if value.password:
        keep_secret(str(value.password))
    return value


def server_kind(url: sa.URL) -> str:
    """The server in one word: sqlite, postgresql or mariadb. Raises WrongUse for any other."""
    kind = url.get_backend_name()
    if kind not in _SERVERS:
        message = f"{kind} is not a server that we know."
        raise WrongUse(message, hint="Use sqlite, postgresql+psycopg or mariadb+pymysql.")
    return "mariadb" if kind == "mysql" else kind


def address(url: sa.URL) -> str:
    """Where the URL leads, for people: never with a user's password.

    What stands before an "@" in the host may be the end of a password that was not escaped.
    """
    kind = server_kind(url)
    if kind == "sqlite":
        return f"SQLite file {url.database}" if url.database else "SQLite in memory"
    host = (url.host or "localhost").rpartition("@")[2]
    return f"{_SERVERS[kind]} at {host}:{url.port or _PORTS[kind]}"


def title(url: sa.URL) -> str:
    """The database in words: its name and its server, or its file."""
    return address(url) if server_kind(url) == "sqlite" else f"database {url.database} on {address(url)}"


def port(url: sa.URL) -> int:
    """The URL's port, or its server's own."""
    return url.port or _PORTS[url.get_backend_name()]


def same(one: str | sa.URL, other: str | sa.URL) -> bool:
    """Whether two URLs name one database, as far as they tell."""
    return _identity(parsed(one)) == _identity(parsed(other))


def _identity(url: sa.URL) -> tuple[object, ...]:
    kind = server_kind(url)
    if kind == "sqlite":
        return kind, Path(url.database).resolve() if url.database else None
    host = (url.host or "localhost").lower()
    return kind, "127.0.0.1" if host in {"localhost", "::1"} else host, port(url), url.database


def engine(
    url: str | sa.URL, *, schema_map: Mapping[str, str] | None = None, reading: bool = False, wait: float | None = None
) -> sa.Engine:
    """An engine without a pool, so that no connection outlives its use.

    On SQLite transactions are real: DDL is part of them, and they take the write lock at their start (`reading`: only
    when something is written), so that two writers queue instead of failing half way. On PostgreSQL nothing is
    prepared on the server, for a prepared SELECT does not survive another connection's ALTER TABLE.
    `schema_map` translates schema names (`schema_translate_map`); `wait` is how many seconds SQLite waits for another
    writer. Nothing is connected yet.
    Raises WrongUse for a URL that is none, a server that we do not know, or a driver that is not installed.
    """
    value = parsed(url)
    options = {"schema_translate_map": dict(schema_map)} if schema_map else {}
    try:
        made = sa.create_engine(
            value,
            poolclass=sa.NullPool,
            pool_reset_on_return=None,  # what ends with the connection need not be undone before
            execution_options=options,
            connect_args=_connect_arguments(value, wait),
        )
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise _no_driver(value) from error
    except (TypeError, ValueError) as error:
        raise _not_taken(value, error) from error
    if made.dialect.is_async:
        message = f"{value.drivername} is an asynchronous driver, and migrations are not made by one."
        raise WrongUse(message, hint=f"Write the URL as {_DRIVERS.get(value.get_backend_name(), _SQLITE)[0]}….")
    sa.event.listen(made, "do_connect", partial(_open, value))
    watch(made, address(value))
    if made.dialect.name == "sqlite":
        _make_transactional(made, "BEGIN" if reading else "BEGIN IMMEDIATE")
    return made


def _connect_arguments(url: sa.URL, wait: float | None) -> dict[str, object]:
    """A bounded wait for a server that does not answer; PyMySQL has one of its own."""
    if wait is not None and server_kind(url) == "sqlite" and "timeout" not in url.query:
        return {"timeout": wait}
    if url.get_driver_name() != "psycopg":
        return {}
    return {"prepare_threshold": None, **{name: of for name, of in _PATIENCE.items() if name not in url.query}}


def _open(url: sa.URL, dialect: sa.Dialect, _: object, arguments: list[Any], options: dict[str, Any]) -> object:
    """Connect as SQLAlchemy does; drivers tell options that they do not take as any caller's mistake."""
    try:
        return dialect.connect(*arguments, **options)
    except (TypeError, ValueError, AttributeError) as error:  # PyMySQL says AttributeError of a character set
        raise _not_taken(url, error) from error


def _not_taken(url: sa.URL, error: Exception) -> WrongUse:
    reason = str(error).rstrip(".")
    return WrongUse(f"{address(url)} does not take this URL: {reason}.", hint="Look at its options, behind the `?`.")


def _no_driver(url: sa.URL) -> WrongUse:
    prefix, extra = _DRIVERS.get(url.get_backend_name(), _SQLITE)
    message = f"The driver of {url.drivername} is not installed."
    return WrongUse(message, hint=f"Run: pip install '{extra}' and write the URL as {prefix}….")


def _make_transactional(made: sa.Engine, begin: str) -> None:
    """Leave transactions to us: sqlite3 begins none before DDL (SQLAlchemy's documentation of pysqlite)."""

    @sa.event.listens_for(made, "connect")
    def _connected(connection: object, _: object) -> None:
        connection.isolation_level = None  # type: ignore[attr-defined]

    @sa.event.listens_for(made, "begin")
    def _begun(connection: sa.Connection) -> None:
        connection.exec_driver_sql(begin)


def connect(made: sa.Engine) -> sa.Connection:
    """A connection; the caller closes it. Raises Unreachable or WrongUse, as `telling` does."""
    with telling(made.url):
        return made.connect()


@contextmanager
def telling(url: sa.URL) -> Generator[None]:
    """Turn a driver's failure to reach the database into Unreachable, one in the URL's options into WrongUse."""
    try:
        yield
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise _no_driver(url) from error
    except DBAPIError as error:
        raise _told(url, error) from None  # a driver's own words may hold a part of a password that was not escaped


def _told(url: sa.URL, error: DBAPIError) -> Unreachable | WrongUse | Locked:
    where, reason = address(url), _reason(url, error)
    if _IN_USE & (_codes(error) | {getattr(error.orig, "sqlite_errorname", None)}):
        return Locked(f"{title(url)} is in use: {reason}.", hint="Close what uses it, and do it again.")
    if _NO_RIGHT & _codes(error):
        message = f"{where} does not let {url.username or 'this user'} do this: {reason}."
        return Unreachable(message, hint=_grant(url))
    if server_kind(url) == "sqlite" or isinstance(error, (OperationalError, InterfaceError)):
        return Unreachable(f"{where} cannot be reached: {reason}.", hint=_HINTS.get(server_kind(url), _HINT))
    return WrongUse(f"{where} does not take this URL: {reason}.", hint="Look at its options.")


def _codes(error: DBAPIError) -> set[object]:
    """SQLSTATE and the server's own number, where the driver tells them."""
    return {getattr(error.orig, "sqlstate", None), *getattr(error.orig, "args", ())[:1]}


def _reason(url: sa.URL, error: DBAPIError) -> str:
    """The driver's own first line, without anything that could be a password."""
    arguments = getattr(error.orig, "args", ())
    text = str(arguments[-1] if arguments else error.orig).strip().partition("\n")[0].rstrip(".")
    secrets = [str(url.password)] if url.password else []
    if url.host and "@" in url.host:
        secrets.append(url.host.rpartition("@")[0] + "@")
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


def _grant(url: sa.URL) -> str:
    user = url.username or "…"
    if server_kind(url) == "postgresql":
        return f'An administrator can run: ALTER ROLE "{user}" CREATEDB;'
    names = rf"`{url.database}`" if url.database else r"`strata\_%`"
    return f"An administrator can run: GRANT ALL ON {names}.* TO '{user}';"


def exists(url: str | sa.URL) -> bool:
    """Is there such a database? Raises Unreachable where its server does not answer, so that no is a no.

    So it does for a SQLite file that cannot be read, or that holds something else; an empty one is none yet.
    """
    value = parsed(url)
    if server_kind(value) == "sqlite":
        return _in_memory(value) or _file_exists(value)
    with suppress(Unreachable):
        connect(engine(value)).close()
        return True
    connect(engine(server(value))).close()  # SQLAlchemy-Utils says no for a server that does not answer, too
    with telling(value):
        return bool(sqlalchemy_utils.database_exists(_for_utils(value)))


def _in_memory(url: sa.URL) -> bool:
    return url.database in {None, "", ":memory:"}


def _file_exists(url: sa.URL) -> bool:
    """SQLAlchemy-Utils says no for any other file or folder, too, and lets a right that is missing through."""
    try:
        with Path(str(url.database)).open("rb") as file:
            begin = file.read(len(_BEGIN))
    except FileNotFoundError:
        return False
    except OSError as error:
        raise Unreachable(f"{address(url)} cannot be reached: {error.strerror}.", hint=_HINTS["sqlite"]) from error
    if begin not in {b"", _BEGIN}:
        message = f"{address(url)} is not a SQLite database."
        raise Unreachable(message, hint="Look at the URL. If the file may go, move it away.")
    return begin == _BEGIN


def create(url: str | sa.URL) -> None:
    """Make the database, empty, with every character allowed.

    Raises WrongUse where there is one already, Unreachable where the server does not answer or the user has no right.
    """
    value = parsed(url)
    if exists(value):
        message = f"The database {value.database} is there already ({address(value)})."
        raise WrongUse(message, hint="Take another name, or use it as it is.")
    make(value)


def make(url: sa.URL) -> None:
    """Make a database that is known not to be there yet."""
    with telling(url):
        sqlalchemy_utils.create_database(
            _for_utils(url), encoding="utf8mb4" if server_kind(url) == "mariadb" else "utf8"
        )


def drop(url: str | sa.URL) -> None:
    """Drop the database, whatever it is: whether it may go is for the caller to know.

    Only on SQLite is something looked at: a file that is no SQLite database stays. Connections to a PostgreSQL database
    are not cut off. Raises Unreachable where the server refuses, also for such a file, and WrongUse where there is no
    such database.
    """
    value = parsed(url)
    if not exists(value):
        message = f"There is no database {value.database} ({address(value)})."
        raise WrongUse(message, hint="Nothing was dropped.")
    with telling(value):
        sqlalchemy_utils.drop_database(_for_utils(value))


def _for_utils(url: sa.URL) -> sa.URL:
    """SQLAlchemy-Utils 0.43 knows "mysql" and not "mariadb": it would make the database without a character set."""
    return url.set(drivername=url.drivername.replace("mariadb", "mysql", 1))


def server(url: sa.URL) -> sa.URL:
    """The server of a URL: where one connects to make or drop databases."""
    database = "postgres" if server_kind(url) == "postgresql" else None
    # Not url.set(database=None): that leaves the database as it is.
    return sa.URL.create(url.drivername, url.username, url.password, url.host, url.port, database, url.query)
