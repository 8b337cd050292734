"""Engines and connections.

Every new connection is checked: the server's version, and that it is in the database that the URL names (`location`).
A driver's failure becomes an error of ours (`reporting`), which never holds a password: servers are named by address.
"""

from __future__ import annotations

import configparser
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, InterfaceError, NoSuchModuleError, OperationalError

from sqlstrata.databases import sqlite_file
from sqlstrata.databases.addresses import address, in_memory, parsed, server, server_kind, title
from sqlstrata.databases.location import Location, location, require_named
from sqlstrata.databases.lost import is_forbidden, is_in_use, watch, words
from sqlstrata.databases.rights import remedy
from sqlstrata.databases.version import require_library, require_version
from sqlstrata.errors import Locked, Unreachable, WrongUse
from sqlstrata.operations.session import settle
from sqlstrata.plan import options as url_options
from sqlstrata.servers import kind_of

_PATIENCE = {"connect_timeout": "10", "keepalives_idle": "10", "keepalives_interval": "5", "keepalives_count": "3"}
"""Seconds, and a number, after which libpq gives up on a silent server."""


def engine(
    url: str | sa.URL,
    *,
    schema_map: Mapping[str, str] | None = None,
    reading: bool = False,
    wait: float | None = None,
    begin: str = "BEGIN IMMEDIATE",
) -> sa.Engine:
    """An engine without a pool, so that no connection outlives its use. Nothing is connected yet.

    On SQLite transactions are real: DDL is part of them, and they start with `begin`, which takes the write lock
    (`reading`: only when something is written), so that two writers queue instead of failing half way. On PostgreSQL
    nothing is prepared on the server, for a prepared SELECT does not survive another connection's ALTER TABLE.
    `schema_map` is SQLAlchemy's `schema_translate_map`; `wait` is how many seconds SQLite waits for another writer.
    Connecting creates no SQLite file.
    Raises WrongUse for a wrong URL, a server that is not supported, or a driver that is not installed; connecting
    raises it for a server that is too old or another database than the URL names.
    """
    value = parsed(url)
    url_options.require(value)
    if server_kind(value) == "sqlite":
        require_library(address(value))
    try:
        made = sa.create_engine(
            value,
            poolclass=sa.NullPool,
            pool_reset_on_return=None,  # what ends with the connection need not be undone before
            execution_options={"schema_translate_map": dict(schema_map)} if schema_map else {},
            connect_args=_connect_arguments(value, wait),
        )
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise _no_driver(value) from error
    except (TypeError, ValueError) as error:
        raise _wrong_option(value, error) from error
    sa.event.listen(made, "do_connect", partial(_open, value))
    watch(made, address(value))
    if made.dialect.name == "sqlite":
        _make_transactional(made, "BEGIN" if reading else begin)
        if reading:
            sqlite_file.report_damage(made)
    elif reading:
        sa.event.listen(made, "handle_error", partial(_forbidden_to_read, value))
    return made


def _forbidden_to_read(url: sa.URL, context: sa.engine.ExceptionContext) -> Unreachable | WrongUse | Locked | None:
    """Where something is only read, a missing right is not the fault of anybody's statement."""
    error = context.sqlalchemy_exception
    return _reported(url, error) if isinstance(error, DBAPIError) and is_forbidden(error) else None


def _connect_arguments(url: sa.URL, wait: float | None) -> dict[str, object]:
    """A bounded wait for a server that does not answer; PyMySQL has one of its own."""
    if wait is not None and server_kind(url) == "sqlite" and "timeout" not in url.query:
        return {"timeout": wait}
    if url.get_driver_name() != "psycopg":
        return {}
    return {"prepare_threshold": None, **{name: each for name, each in _PATIENCE.items() if name not in url.query}}


def _open(url: sa.URL, dialect: sa.Dialect, _: object, arguments: list[Any], options: dict[str, Any]) -> object:
    """Connect as SQLAlchemy does, and check the server's version and the connection's database.

    Drivers raise what Python does for wrong arguments where they do not accept an option.
    """
    if dialect.name == "sqlite" and not in_memory(url):
        path = quote(str(Path(str(url.database)).absolute()))
        arguments, options = [f"file:{path}?mode=rw"], {**options, "uri": True}
    try:
        made = dialect.connect(*arguments, **options)
    # PyMySQL raises AttributeError for a character set, OSError for a certificate, configparser's for its own file.
    except (TypeError, ValueError, AttributeError, OSError, NotImplementedError, configparser.Error) as error:
        raise _wrong_option(url, error) from error
    try:
        require_version(server_kind(url), made, address(url))
        require_named(server_kind(url), made, url)
        settle(dialect.name, made)
    except BaseException:
        made.close()
        raise
    return made


def _make_transactional(made: sa.Engine, begin: str) -> None:
    """Take transactions over from sqlite3, which begins none before DDL (see SQLAlchemy on pysqlite)."""

    @sa.event.listens_for(made, "connect")
    def _connected(connection: object, _: object) -> None:
        connection.isolation_level = None  # type: ignore[attr-defined]

    @sa.event.listens_for(made, "begin")
    def _begun(connection: sa.Connection) -> None:
        connection.exec_driver_sql(begin)


def connect(made: sa.Engine) -> sa.Connection:
    """A connection; the caller closes it. Raises Unreachable, Locked or WrongUse, as `reporting` does."""
    with reporting(made.url):
        return made.connect()


def same(one: str | sa.URL, other: str | sa.URL) -> bool:
    """Whether two URLs lead to one database: as the servers say, or as the URLs say where one does not answer.

    Two databases of one name on a server that cannot be asked count as one.
    """
    first, second = parsed(one), parsed(other)
    if first == second:
        return True
    if server_kind(first) != server_kind(second):
        return False
    if server_kind(first) == "sqlite":
        return in_memory(first) == in_memory(second) and _same_file(first, second)
    if str(first.database).lower() != str(second.database).lower():  # connections are where their URL says
        return False
    try:
        return _located(first) == _located(second)
    except Unreachable:
        return True


def _same_file(one: sa.URL, other: sa.URL) -> bool:
    first, second = Path(str(one.database)), Path(str(other.database))
    if first.exists() and second.exists():
        return first.samefile(second)
    return first.resolve() == second.resolve()


def _located(url: sa.URL) -> Location:
    with connect(engine(url, reading=True)) as connection:
        return location(connection)


# ------------------------------------------------------------------------ failures


@contextmanager
def reporting(url: sa.URL) -> Generator[None]:
    """Turn a driver's failure to work with the database into an error of ours.

    Raises Locked where another one uses it, WrongUse for the URL's options, else Unreachable.
    """
    try:
        yield
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise _no_driver(url) from error
    except DBAPIError as error:
        raise _reported(url, error) from None  # the driver's text may hold a part of a password that was not escaped


def _reported(url: sa.URL, error: DBAPIError) -> Unreachable | WrongUse | Locked:
    where, reason = address(url), _reason(url, error)
    if is_in_use(error):
        return Locked(f"{title(url)} is in use: {reason}.", hint="Close what uses it, and run the command again.")
    if is_forbidden(error):
        message = f"{where} does not let {url.username or 'this user'} do this: {reason}."
        return Unreachable(message, hint=remedy(engine(server(url)), url, error))
    if sqlite_file.is_damage(error):
        return sqlite_file.damage(url, reason, untouched=False)
    wrong = url_options.fault(url, *getattr(error.orig, "args", ())[:1]) if error.statement is None else None
    if wrong is not None:
        return wrong
    if server_kind(url) == "sqlite":
        return sqlite_file.unreachable(url, reason)
    if isinstance(error, (OperationalError, InterfaceError)):
        hint = "Check that it is running, and the user, password, host and port in the URL."
        return Unreachable(f"{where} cannot be reached: {reason}.", hint=hint)
    return WrongUse(f"{where} does not accept this URL: {reason}.", hint="Check its options.")


def _reason(url: sa.URL, error: DBAPIError) -> str:
    """The first line of the driver's message, without anything that could be a password."""
    text = words(error)
    if url.password:
        text = text.replace(str(url.password), "***")
    if url.host and "@" in url.host:
        text = text.replace(url.host.rpartition("@")[0] + "@", "***")
    return text


def _wrong_option(url: sa.URL, error: Exception) -> WrongUse:
    found = url_options.fault(url)
    if found is not None:
        return found
    reason = str(error).rstrip(".")
    return WrongUse(f"{address(url)} does not accept this URL: {reason}.", hint="Check its options, after the `?`.")


def _no_driver(url: sa.URL) -> WrongUse:
    kind = kind_of(url.get_backend_name())
    message = f"{kind.driver}, the driver for {kind.title}, is not installed."
    return WrongUse(message, hint=f"Run: pip install '{kind.requirement}'.")


def cure(url: sa.URL, error: BaseException) -> str | None:
    """What to do about a statement that failed because of a damaged file or a missing right: None for any other."""
    if sqlite_file.is_damage(error):
        return sqlite_file.remedy(url)
    if isinstance(error, DBAPIError) and is_forbidden(error):
        return remedy(engine(server(url)), url, error)
    return None
