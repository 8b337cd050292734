"""Databases and the ways to them: engines, connections, whether there is one, and making one.

Every connection is asked which database it is in (`location`). Dropping is in `removal`. Errors never hold a password:
they name a server by its address.
"""

from __future__ import annotations

import configparser
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, NoSuchModuleError, OperationalError

from sqlstrata.databases import sqlite_file
from sqlstrata.databases.location import Location, location, named, require_named
from sqlstrata.databases.lost import watch
from sqlstrata.databases.rights import remedy
from sqlstrata.databases.version import require_library, require_version
from sqlstrata.dialects import quoted
from sqlstrata.errors import Locked, Unreachable, WrongUse
from sqlstrata.plan import options as url_options
from sqlstrata.plan.drivers import Unusable
from sqlstrata.plan.urls import as_url
from sqlstrata.secret import is_ambiguous, keep_secret, keep_url
from sqlstrata.servers import kind_of

_HINTS = {"sqlite": "Look at the folder and its rights."}
_HINT = "See that it is running and that the URL is right."
_ESCAPE = "In a user's name or password write %40 for `@`."
_PATIENCE = {"connect_timeout": "10", "keepalives_idle": "10", "keepalives_interval": "5", "keepalives_count": "3"}
"""Seconds, and a number, after which libpq takes a server that is silent for gone."""
_BEGIN = b"SQLite format 3\0"
"""How every file that SQLite has written to begins (sqlite.org/fileformat.html)."""
_NO_RIGHT = {"42501", 1044, 1142, 1227}
"""PostgreSQL's SQLSTATE and MariaDB's error numbers for a right that is missing."""
_IN_USE = {"55006", "SQLITE_BUSY"}
"""PostgreSQL's SQLSTATE and SQLite's name for somebody else being in the way."""


def parsed(url: str | sa.URL) -> sa.URL:
    """The URL as a value, for the driver that migrations run with.

    Raises WrongUse where it is none, of a server or driver that is not supported, or could lead to another database
    than it names.
    """
    if isinstance(url, str):
        keep_url(url)
    try:
        value = as_url(url)
    except ArgumentError:
        message = "This is not a database URL."
        raise WrongUse(message, hint="Write it as postgresql+psycopg://user@host:5432/name.") from None
    except Unusable as error:
        raise WrongUse(str(error), hint=error.hint, **({"option": error.key} if error.key else {})) from None
    if value.password:
        keep_secret(str(value.password))
    if isinstance(url, str) and is_ambiguous(url) and "@" not in str(value.host):
        raise WrongUse("This URL has a second `@` before its host.", hint=_ESCAPE)
    return value


def server_kind(url: sa.URL) -> str:
    """The server in one word: sqlite, postgresql or mariadb. The URL is one that was `parsed`."""
    return kind_of(url.get_backend_name()).name


def address(url: sa.URL) -> str:
    """Where the URL leads, for people: never with a user's password.

    What stands before an "@" in the host may be the end of a password that was not escaped.
    """
    if server_kind(url) == "sqlite":
        return f"SQLite file {url.database}" if url.database else "SQLite in memory"
    host = (url.host or "localhost").rpartition("@")[2]
    return f"{kind_of(url.get_backend_name()).title} at {host}:{port(url)}"


def title(url: sa.URL) -> str:
    """The database in words: its name and its server, or its file."""
    return address(url) if server_kind(url) == "sqlite" else f"database {url.database} on {address(url)}"


def port(url: sa.URL) -> int | None:
    """The URL's port, or its server's own; SQLite has none."""
    return url.port or kind_of(url.get_backend_name()).port


def same(one: str | sa.URL, other: str | sa.URL) -> bool:
    """Whether two URLs lead to one database, as the servers say; as the URLs say where one of them does not answer.

    Then two databases of one name on a server that cannot be asked count as one.
    """
    first, second = parsed(one), parsed(other)
    if first == second:
        return True
    if server_kind(first) != server_kind(second):
        return False
    if server_kind(first) == "sqlite":
        return _in_memory(first) == _in_memory(second) and _same_file(first, second)
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


def engine(
    url: str | sa.URL,
    *,
    schema_map: Mapping[str, str] | None = None,
    reading: bool = False,
    wait: float | None = None,
    begin: str = "BEGIN IMMEDIATE",
) -> sa.Engine:
    """An engine without a pool, so that no connection outlives its use.

    On SQLite transactions are real: DDL is part of them, and they start with `begin`, which takes the write lock
    (`reading`: only when something is written), so that two writers queue instead of failing half way. On PostgreSQL
    nothing is prepared on the server, for a prepared SELECT does not survive another connection's ALTER TABLE.
    `schema_map` translates schema names (`schema_translate_map`); `wait` is how many seconds SQLite waits for another
    writer. Nothing is connected yet. A connection is only given where it is in the database that the URL names, and
    makes no SQLite file.
    Raises WrongUse for a URL that is none, a server that is not supported, or a driver that is not installed; whoever
    connects to a server that is too old gets WrongUse, too.
    """
    value = parsed(url)
    url_options.require(value)
    if server_kind(value) == "sqlite":
        require_library(address(value))
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
    sa.event.listen(made, "do_connect", partial(_open, value))
    watch(made, address(value))
    if made.dialect.name == "sqlite":
        _make_transactional(made, "BEGIN" if reading else begin)
        if reading:
            sqlite_file.report_damage(made)
    elif reading:
        sa.event.listen(made, "handle_error", partial(_not_let, value))
    return made


def _not_let(url: sa.URL, context: sa.engine.ExceptionContext) -> Unreachable | WrongUse | Locked | None:
    """Where only something is read, a right that is missing is no error of anybody's statement."""
    error = context.sqlalchemy_exception
    return _told(url, error) if isinstance(error, DBAPIError) and _NO_RIGHT & codes(error) else None


def _connect_arguments(url: sa.URL, wait: float | None) -> dict[str, object]:
    """A bounded wait for a server that does not answer; PyMySQL has one of its own."""
    if wait is not None and server_kind(url) == "sqlite" and "timeout" not in url.query:
        return {"timeout": wait}
    if url.get_driver_name() != "psycopg":
        return {}
    return {"prepare_threshold": None, **{name: of for name, of in _PATIENCE.items() if name not in url.query}}


def _open(url: sa.URL, dialect: sa.Dialect, _: object, arguments: list[Any], options: dict[str, Any]) -> object:
    """Connect as SQLAlchemy does, and see that this is the database which the URL names.

    Drivers report options that they do not take like any caller's mistake.
    """
    if dialect.name == "sqlite" and not _in_memory(url):
        arguments, options = (
            [f"file:{quote(str(Path(str(url.database)).absolute()))}?mode=rw"],
            {**options, "uri": True},
        )
    try:
        made = dialect.connect(*arguments, **options)
    # PyMySQL says AttributeError of a character set, OSError of a certificate, and configparser's of its own file.
    except (TypeError, ValueError, AttributeError, OSError, NotImplementedError, configparser.Error) as error:
        raise _not_taken(url, error) from error
    try:
        require_version(server_kind(url), made, address(url))
        require_named(server_kind(url), made, url)
    except BaseException:
        made.close()
        raise
    return made


def _not_taken(url: sa.URL, error: Exception) -> WrongUse:
    found = url_options.fault(url)
    if found is not None:
        return found
    reason = str(error).rstrip(".")
    return WrongUse(f"{address(url)} does not take this URL: {reason}.", hint="Look at its options, behind the `?`.")


def _no_driver(url: sa.URL) -> WrongUse:
    kind = kind_of(url.get_backend_name())
    message = f"{kind.driver}, the driver for {kind.title}, is not installed."
    return WrongUse(message, hint=f"Run: pip install '{kind.requirement}'.")


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
    if _IN_USE & (codes(error) | {getattr(error.orig, "sqlite_errorname", None)}):
        return Locked(f"{title(url)} is in use: {reason}.", hint="Close what uses it, and do it again.")
    if _NO_RIGHT & codes(error):
        message = f"{where} does not let {url.username or 'this user'} do this: {reason}."
        return Unreachable(message, hint=remedy(engine(server(url)), url, error))
    if sqlite_file.is_damage(error):
        return sqlite_file.damage(url, reason, untouched=False)
    wrong = url_options.fault(url, *getattr(error.orig, "args", ())[:1]) if error.statement is None else None
    if wrong is not None:
        return wrong
    if server_kind(url) == "sqlite" or isinstance(error, (OperationalError, InterfaceError)):
        return Unreachable(f"{where} cannot be reached: {reason}.", hint=_HINTS.get(server_kind(url), _HINT))
    return WrongUse(f"{where} does not take this URL: {reason}.", hint="Look at its options.")


def cure(url: sa.URL, error: BaseException) -> str | None:
    """What to do about a statement's failure that is the database's or the user's rights': None for any other."""
    if sqlite_file.is_damage(error):
        return sqlite_file.remedy(url)
    if isinstance(error, DBAPIError) and _NO_RIGHT & codes(error):
        return remedy(engine(server(url)), url, error)
    return None


def codes(error: DBAPIError) -> set[object]:
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


def exists(url: str | sa.URL) -> bool:
    """Is there such a database? Raises Unreachable where its server does not answer, so that no is a no.

    So it does for a SQLite file that cannot be read, or that holds something else; an empty one is none yet.
    """
    value = parsed(url)
    if server_kind(value) == "sqlite":
        require_library(address(value))
        return _in_memory(value) or _file_exists(value)
    with suppress(Unreachable):
        connect(engine(value)).close()
        return True
    with telling(value), engine(server(value)).connect() as connection:
        return bool(connection.execute(_THERE[server_kind(value)], {"name": value.database}).scalar())


_THERE = {
    "postgresql": sa.text("SELECT count(*) FROM pg_database WHERE datname = :name"),
    "mariadb": sa.text("SELECT count(*) FROM information_schema.schemata WHERE schema_name = :name"),
}


def _in_memory(url: sa.URL) -> bool:
    return url.database in {None, "", ":memory:"}


def _file_exists(url: sa.URL) -> bool:
    """Whether SQLite has written to the file. Raises Unreachable where it cannot be read, or holds something else."""
    sqlite_file.require_file(url)
    try:
        with Path(str(url.database)).open("rb") as file:
            begin = file.read(len(_BEGIN))
    except FileNotFoundError:
        return False
    except OSError as error:
        raise Unreachable(f"{address(url)} cannot be reached: {error.strerror}.", hint=_HINTS["sqlite"]) from error
    if begin not in {b"", _BEGIN}:
        message = f"{address(url)} is not a SQLite database, or it is damaged: it does not begin as one does."
        hint = f"Look at the URL. If the file may go, move it away. {sqlite_file.remedy(url)}"
        raise Unreachable(message, hint=hint)
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


def make(url: sa.URL) -> Location:
    """Make a database that is known not to be there yet, and give where it is.

    Raises Unreachable, with the SQL for an administrator where the right is missing, Locked or WrongUse.
    """
    kind = server_kind(url)
    if kind == "sqlite":
        return Location("", ":memory:", "") if _in_memory(url) else _make_file(url)
    made = engine(server(url)).execution_options(isolation_level="AUTOCOMMIT")
    with telling(url), made.connect() as connection:
        connection.exec_driver_sql(_CREATE[kind].format(quoted(connection, url.database)))
        return named(connection, str(url.database))


_CREATE = {
    "postgresql": "CREATE DATABASE {} ENCODING 'utf8' TEMPLATE template1",
    "mariadb": "CREATE DATABASE {} CHARACTER SET = 'utf8mb4'",
}
_DUPLICATE = 1007
"""MariaDB's error number for a database that is there already."""


def require_may_make(url: sa.URL) -> None:
    """Raise Unreachable, with the SQL for an administrator, where a MariaDB user could not make this database again.

    There is no way to ask: the database is there, and the server looks at the right before it says so. On PostgreSQL
    there is one right for all databases, which making a scratch database shows.
    """
    if server_kind(url) != "mariadb":
        return
    with telling(url), engine(server(url)).connect() as connection:
        try:
            connection.exec_driver_sql(_CREATE["mariadb"].format(quoted(connection, url.database)))
        except DBAPIError as error:
            if _DUPLICATE not in codes(error):
                raise


def _make_file(url: sa.URL) -> Location:
    """Make a SQLite file that is a database, and says so; where a link leads to nothing, what it leads to."""
    path, made = os.path.realpath(str(url.database)), engine(url)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o644))
    except OSError as error:
        raise Unreachable(f"{address(url)} cannot be reached: {error.strerror}.", hint=_HINTS["sqlite"]) from error
    with telling(url), made.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE strata_new (x INTEGER)")
        connection.exec_driver_sql("DROP TABLE strata_new")
        return location(connection)


def server(url: sa.URL) -> sa.URL:
    """The server of a URL: where one connects to make or drop databases, in a database that every server has."""
    database = "postgres" if server_kind(url) == "postgresql" else "information_schema"
    return url.set(database=database)
