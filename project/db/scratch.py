"""Scratch databases: made empty with random names, and the only ones that are ever dropped unasked.

Each has a marker table that says which database it is and which process made it. Name and marker are both looked at
before anything is emptied or dropped. The marker is written right after CREATE DATABASE: a process killed just between
the two leaves an empty database that nobody dares to drop.
"""

from __future__ import annotations

import glob
import json
import os
import re
import secrets
import socket
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError

from project.db import database
from project.db.dialects import quoted
from project.db.snapshot.tokens import Token
from project.db.snapshot.tokens import mariadb as tokens
from project.errors import Protected, StrataError, WrongUse

NAME = re.compile(r"strata_[0-9a-f]{16}")
MARKER = "strata_scratch"


@dataclass(frozen=True, slots=True)
class Scratch:
    """An empty database, and the names under which it holds the schemas that were asked for."""

    engine: sa.Engine
    url: sa.URL
    schemas: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Mark:
    """What the marker table says: the database it was made for, who made it, and what it held when it was empty."""

    name: str
    host: str
    process: int
    started: str
    schemas: Mapping[str, str]
    extensions: Mapping[str, str]


def _table(kind: str) -> sa.Table:
    """The marker; on PostgreSQL in a schema of its own, so that emptying the others leaves it."""
    columns = [sa.Column(name, sa.String(255)) for name in ("name", "host", "process", "started")]
    schema = MARKER if kind == "postgresql" else None
    return sa.Table(MARKER, sa.MetaData(), *columns, sa.Column("held", sa.Text()), schema=schema)


@contextmanager
def scratch(server_url: str | sa.URL, schemas: Sequence[str] = ()) -> Generator[Scratch]:
    """An empty scratch database on the server that the URL names (a database in the URL is not touched).

    On MariaDB, where a schema is a database, each schema becomes a scratch database too, and whatever the engine runs,
    constructs and texts alike, has the schemas' names translated: the real ones are never written to.
    On SQLite the database is a file in a temporary folder.
    The databases are dropped at the end, also after an error.
    Raises Unreachable and WrongUse as `database.engine` and `database.connect` do, WrongUse for schemas on SQLite.
    """
    server = database.parsed(server_url)
    kind = database.server_kind(server)
    if schemas and kind == "sqlite":
        message = f"SQLite has no schemas, and the models use {', '.join(schemas)}."
        raise WrongUse(message, hint="Leave SQLite out of prove_on.")
    with ExitStack() as stack:
        names = {schema: schema if kind == "postgresql" else _random_name() for schema in schemas}
        for name in names.values() if kind == "mariadb" else ():
            stack.enter_context(_marked(server.set(database=name), {}))
        url = _file(server) if kind == "sqlite" else server.set(database=_random_name())
        stack.enter_context(_marked(url, names))
        yield Scratch(_engine(url, names), url, names)


def _random_name() -> str:
    return f"strata_{secrets.token_hex(8)}"


def _file(server: sa.URL) -> sa.URL:
    """A place in a temporary folder of its own: a file, because several connections must see one database."""
    return server.set(database=str(Path(tempfile.mkdtemp(prefix="strata_")) / f"{_random_name()}.db"))


def _engine(url: sa.URL, schemas: Mapping[str, str]) -> sa.Engine:
    kind = database.server_kind(url)
    made = database.engine(url, schema_map=schemas if kind == "mariadb" else None)
    if kind in _HASTE:
        sa.event.listen(made, "connect", partial(_hurry, _HASTE[kind]))
    if kind == "mariadb" and schemas:
        sa.event.listen(made, "before_cursor_execute", _translation(schemas), retval=True)
    return made


_HASTE = {
    "sqlite": ("PRAGMA synchronous = OFF", "PRAGMA journal_mode = MEMORY"),
    "postgresql": ("SET synchronous_commit = off",),
}
"""No scratch database has to survive a power cut; rollbacks still work."""


def _hurry(statements: Sequence[str], connection: DBAPIConnection, _: object) -> None:
    """Have a new connection not wait for the disk."""
    cursor = connection.cursor()
    for statement in statements:
        cursor.execute(statement)
    cursor.close()
    connection.commit()


@contextmanager
def _marked(url: sa.URL, schemas: Mapping[str, str]) -> Generator[None]:
    """A database that is there for as long as the bracket."""
    database.make(url)
    try:
        _write_mark(url, schemas)
    except BaseException:
        _drop(url)  # made by us a moment ago; there is no marker yet to look at
        raise
    try:
        yield
    finally:
        drop(url)


def _write_mark(url: sa.URL, schemas: Mapping[str, str]) -> None:
    kind = database.server_kind(url)
    marker = _table(kind)
    with database.connect(_engine(url, {})) as connection:
        if kind == "postgresql":
            for name in dict.fromkeys((MARKER, *schemas)):
                connection.execute(sa.schema.CreateSchema(name, if_not_exists=True))
        marker.create(connection)
        held = {"schemas": dict(schemas), "extensions": _extensions(connection)}
        connection.execute(
            marker.insert().values(
                name=_own_name(url), host=_host(), process=str(os.getpid()), started=_now(), held=json.dumps(held)
            )
        )
        connection.commit()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _own_name(url: sa.URL) -> str:
    return Path(str(url.database)).stem if database.server_kind(url) == "sqlite" else str(url.database)


def _host() -> str:
    """The machine and, where there are such, the space of process numbers: two containers may share a name."""
    space = Path("/proc/self/ns/pid")
    return f"{socket.gethostname()} {space.readlink() if space.is_symlink() else ''}".strip()


def _extensions(connection: sa.Connection) -> dict[str, str]:
    if connection.dialect.name != "postgresql":
        return {}
    query = "SELECT e.extname, n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace"
    return {row.extname: row.nspname for row in connection.exec_driver_sql(query)}


def mark(connection: sa.Connection, name: str) -> Mark:
    """The mark of the scratch database of this name that the connection is in.

    Raises Protected where name or marker say that it is none of ours.
    """
    marker = _table(_kind(connection))
    if NAME.fullmatch(name) and sa.inspect(connection).has_table(MARKER, schema=marker.schema):
        row = connection.execute(sa.select(marker)).one_or_none()
        if row is not None and row.name == name:
            return Mark(row.name, row.host, int(row.process), row.started, **json.loads(row.held))
    message = f"The database {name} is not a scratch database of ours."
    raise Protected(message, hint="Nothing was dropped.")


def _kind(connection: sa.Connection) -> str:
    return "mariadb" if connection.dialect.name == "mysql" else connection.dialect.name


def drop(url: sa.URL) -> None:
    """Drop a scratch database. Raises Protected where name or marker say that it is none."""
    with database.connect(database.engine(url, reading=True)) as connection:
        mark(connection, _own_name(url))
    _drop(url)


def _drop(url: sa.URL) -> None:
    if database.server_kind(url) == "postgresql":
        # SQLAlchemy-Utils' drop_database waits for nobody and cuts nobody off: one lost connection would keep it.
        made = database.engine(database.server(url))
        with database.connect(made.execution_options(isolation_level="AUTOCOMMIT")) as connection:
            connection.exec_driver_sql(f"DROP DATABASE {quoted(connection, url.database)} WITH (FORCE)")
        return
    database.drop(url)
    if database.server_kind(url) == "sqlite":
        file = Path(str(url.database))
        for ending in ("-journal", "-wal", "-shm"):
            file.with_name(file.name + ending).unlink(missing_ok=True)
        file.parent.rmdir()


def sweep(server_url: str | sa.URL) -> tuple[str, ...]:
    """Drop scratch databases that killed processes left on the server; say their names.

    Only where the name is ours, the marker is ours and for this database, and the process that it names was on this
    machine and is gone. A process number that somebody else has by now keeps the database, and so does any doubt.
    Two may sweep at once; what cannot be dropped now is left for the next time.
    """
    server = database.parsed(server_url)
    dropped = []
    for url in _candidates(server):
        if _is_stale(url):
            with suppress(StrataError, OSError):
                _drop(url)
                dropped.append(_own_name(url))
    return tuple(dropped)


def _candidates(server: sa.URL) -> list[sa.URL]:
    kind = database.server_kind(server)
    if kind == "sqlite":
        folder = tempfile.gettempdir()  # Path.glob stumbles over a folder that goes meanwhile (Python before 3.13)
        files = sorted(glob.glob("strata_*/strata_*.db", root_dir=folder))  # noqa: PTH207
        return [server.set(database=str(Path(folder, file))) for file in files]
    query = "SELECT datname FROM pg_database" if kind == "postgresql" else "SHOW DATABASES"
    with database.connect(database.engine(database.server(server))) as connection:
        names = sorted(row[0] for row in connection.exec_driver_sql(query))
    return [server.set(database=name) for name in names if NAME.fullmatch(name)]


def _is_stale(url: sa.URL) -> bool:
    try:
        with database.engine(_looked_at(url), reading=True).connect() as connection:
            found = mark(connection, _own_name(url))
    except (StrataError, DBAPIError, ValueError, TypeError):  # not ours, being made or dropped, or not readable
        return False
    return found.host == _host() and _is_gone(found.process)


def _looked_at(url: sa.URL) -> sa.URL:
    """The URL that only reads: SQLite would make the file that its owner has dropped a moment ago."""
    if database.server_kind(url) != "sqlite":
        return url
    return url.set(database=f"file:{quote(str(url.database))}", query={"mode": "ro", "uri": "true"})


def _is_gone(process: int) -> bool:
    if os.name == "nt":  # signal 0 ends a process there
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def clear(connection: sa.Connection) -> None:
    """Empty a scratch database and its schemas for the next use; what was going on is committed.

    Raises Protected, with nothing done, where name or marker say that it is no scratch database.
    """
    url = connection.engine.url
    found = mark(connection, _own_name(url))
    _CLEAR[_kind(connection)](connection, found)
    connection.commit()


def _clear_sqlite(connection: sa.Connection, _: Mark) -> None:
    connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
    query = "SELECT type, name FROM sqlite_master WHERE type IN ('view', 'table') ORDER BY type DESC"
    for kind, name in connection.exec_driver_sql(query).all():
        if name != MARKER and not name.startswith("sqlite_"):
            connection.exec_driver_sql(f"DROP {kind} IF EXISTS {quoted(connection, name)}")


def _clear_postgresql(connection: sa.Connection, found: Mark) -> None:
    query = "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', %s)"
    there = connection.exec_driver_sql(query, (MARKER,)).scalars().all()
    later = [name for name in _extensions(connection) if name not in found.extensions]
    statements = [f"DROP EXTENSION {quoted(connection, name)} CASCADE" for name in later]
    statements += [f"DROP SCHEMA {quoted(connection, name)} CASCADE" for name in there]
    statements += [f"CREATE SCHEMA IF NOT EXISTS {quoted(connection, name)}" for name in ("public", *found.schemas)]
    statements += ["GRANT USAGE ON SCHEMA public TO PUBLIC"]
    statements += [
        f"CREATE EXTENSION IF NOT EXISTS {quoted(connection, name)} SCHEMA {quoted(connection, schema)}"
        for name, schema in found.extensions.items()
        if name != "plpgsql"
    ]
    connection.exec_driver_sql("; ".join(statements))


def _clear_mariadb(connection: sa.Connection, found: Mark) -> None:
    connection.exec_driver_sql("SET @strata_checks = @@foreign_key_checks, foreign_key_checks = 0")
    try:
        for name in (found.name, *found.schemas.values()):
            _clear_one(connection, name)
    finally:
        connection.exec_driver_sql("SET foreign_key_checks = @strata_checks")


def _clear_one(connection: sa.Connection, name: str) -> None:
    if not NAME.fullmatch(name):
        message = f"The database {name} is not a scratch database of ours."
        raise Protected(message, hint="Nothing was dropped.")
    kinds: dict[str, list[str]] = {}
    for thing, kind in connection.exec_driver_sql(f"SHOW FULL TABLES FROM {quoted(connection, name)}"):
        if thing != MARKER:
            kinds.setdefault(_DROPPED.get(kind, "TABLE"), []).append(quoted(connection, name, thing))
    for kind in ("VIEW", "TABLE", "SEQUENCE"):
        if kind in kinds:
            connection.exec_driver_sql(f"DROP {kind} {', '.join(kinds[kind])}")
    query = sa.text(
        "SELECT routine_type, routine_name FROM information_schema.routines WHERE routine_schema = :name"
        " UNION ALL SELECT 'EVENT', event_name FROM information_schema.events WHERE event_schema = :name"
    )
    for kind, thing in connection.execute(query, {"name": name}).all():
        connection.exec_driver_sql(f"DROP {kind} {quoted(connection, name, thing)}")


_DROPPED = {"VIEW": "VIEW", "SEQUENCE": "SEQUENCE"}
_CLEAR = {"sqlite": _clear_sqlite, "postgresql": _clear_postgresql, "mariadb": _clear_mariadb}


Listener = Callable[[object, object, str, object, object, object], tuple[str, object]]


def _translation(schemas: Mapping[str, str]) -> Listener:
    """A listener that gives schemas in SQL texts the names of their scratch databases.

    `schema_translate_map` alone does not do: neither Alembic's operations nor hand-written SQL heed it.
    """

    def translate(
        _connection: object, _cursor: object, statement: str, parameters: object, _context: object, _many: object
    ) -> tuple[str, object]:
        return translated(statement, schemas), parameters

    return translate


def translated(statement: str, schemas: Mapping[str, str]) -> str:
    """The statement with schemas' names exchanged, where a name stands before a dot or after SCHEMA, DATABASE or USE.

    A table or alias that is called like a schema is taken for the schema: a statement then fails, and does no harm.
    """
    if not any(schema in statement for schema in schemas):
        return statement
    found = tokens(statement)
    pieces, place = [], 0
    for number, token in enumerate(found):
        if token.kind in {"name", "word"} and token.value in schemas and _is_schema(found, number):
            pieces += [statement[place : token.start], f"`{schemas[token.value]}`"]
            place = token.end
    return "".join([*pieces, statement[place:]])


def _is_schema(found: Sequence[Token], number: int) -> bool:
    before = next((t for t in reversed(found[:number]) if not t.says("IF", "NOT", "EXISTS")), None)
    if before is not None and before.says("SCHEMA", "DATABASE", "USE"):
        return True
    first = number == 0 or not found[number - 1].says(".")
    return first and number + 1 < len(found) and found[number + 1].says(".")
