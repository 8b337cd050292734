"""Scratch databases: made empty with random names, and the only ones that are ever dropped unasked.

Their names say which process on which machine made them, and a marker table in each says so again, with the database
that it is for. The marker is written where the server says that this is the database which was made a moment ago.
Before anything is emptied or dropped the connection is asked where it is, and name and marker are both looked at.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection

from sqlstrata import servers
from sqlstrata.databases import database, removal
from sqlstrata.databases.location import Location, location, require
from sqlstrata.databases.maker import NAME, folder, fresh_name, is_left_behind, sweep_folders
from sqlstrata.dialects import quoted
from sqlstrata.errors import Protected, SqlstrataError, WrongUse
from sqlstrata.snapshot.tokens import Token
from sqlstrata.snapshot.tokens import mariadb as tokens

MARKER = "strata_scratch"


@dataclass(frozen=True, slots=True)
class Scratch:
    """An empty database, and the names under which it holds the schemas that were asked for."""

    engine: sa.Engine
    url: sa.URL
    schemas: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Mark:
    """What the marker table says: the database it was made for, and what it held when it was empty."""

    name: str
    schemas: Mapping[str, str]
    extensions: Mapping[str, str]


def _table(kind: str) -> sa.Table:
    """The marker; on PostgreSQL in a schema of its own, so that emptying the others leaves it."""
    schema = MARKER if kind == "postgresql" else None
    return sa.Table(
        MARKER, sa.MetaData(), sa.Column("name", sa.String(255)), sa.Column("held", sa.Text()), schema=schema
    )


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
        names = {schema: schema if kind == "postgresql" else fresh_name() for schema in schemas}
        for name in names.values() if kind == "mariadb" else ():
            stack.enter_context(_marked(server.set(database=name), {}))
        name = fresh_name()
        if kind == "sqlite":  # a file, because several connections must see one database
            name = str(stack.enter_context(folder()) / f"{name}.db")
        url = server.set(database=name)
        stack.enter_context(_marked(url, names))
        yield Scratch(_engine(url, names), url, names)


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
    made = database.make(url)
    try:
        _write_mark(url, made, schemas)
    except BaseException:
        _remove(url, lambda connection: require(location(connection), made, "dropped"))
        raise
    try:
        yield
    finally:
        drop(url)


def _write_mark(url: sa.URL, made: Location, schemas: Mapping[str, str]) -> None:
    """Mark the database that was made a moment ago, if that is where the connection is."""
    kind = database.server_kind(url)
    marker = _table(kind)
    with database.connect(_engine(url, {})) as connection:
        require(location(connection), made, "marked as a scratch database")
        _require_current_schema(connection)
        if kind == "postgresql":
            for name in dict.fromkeys((MARKER, *schemas)):
                connection.execute(sa.schema.CreateSchema(name, if_not_exists=True))
        marker.create(connection)
        held = {"schemas": dict(schemas), "extensions": _extensions(connection)}
        connection.execute(marker.insert().values(name=_own_name(url), held=json.dumps(held)))
        connection.commit()


def _require_current_schema(connection: sa.Connection) -> None:
    """Raise WrongUse where `search_path` names no schema that is there, so that no table can be made without one."""
    if connection.dialect.name != "postgresql":
        return
    path, schema = connection.exec_driver_sql("SELECT current_setting('search_path'), current_schema()").one()
    if schema is None:
        message = f"`search_path` is {path}, and a scratch database has no such schema."
        hint = "Take it out of the URL's `options`, PGOPTIONS, or the role's settings, or add `public` to it."
        raise WrongUse(message, hint=hint, option="options")


def _own_name(url: sa.URL) -> str:
    return Path(str(url.database)).stem if database.server_kind(url) == "sqlite" else str(url.database)


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
            return Mark(row.name, **json.loads(row.held))
    raise _not_ours(name)


def _not_ours(name: str) -> Protected:
    return Protected(f"The database {name} is not a scratch database of ours.", hint="Nothing was dropped.")


def _kind(connection: sa.Connection) -> str:
    return servers.kind_of(connection.dialect.name).name


def drop(url: sa.URL) -> None:
    """Drop a scratch database. Raises Protected where its location, name or marker say that it is none."""
    _remove(url, lambda connection: mark(connection, _own_name(url)))


def _remove(url: sa.URL, allowed: removal.Allowed) -> None:
    """Drop it, whoever is connected: a connection that somebody forgot would keep it for ever."""
    removal.drop(url, allowed, force=True)


def sweep(server_url: str | sa.URL) -> tuple[str, ...]:
    """Drop the scratch databases that killed processes left on the server, and their folders here; give their names.

    Only where the name says that a process on this machine made it which is gone, and the database has the marker for
    this name, or nothing yet, or has lost its own name to be dropped. A process number that somebody else has by now
    keeps the database, and so does any doubt. Two may sweep at once; what cannot be dropped now is left for later.
    """
    server = database.parsed(server_url)
    sweep_folders()
    dropped = []
    for name in _left_behind(server):
        with suppress(SqlstrataError):
            _remove(server.set(database=name), _require_left_behind)
            dropped.append(name)
    return tuple(dropped)


def _left_behind(server: sa.URL) -> list[str]:
    """The names of a server's databases whose makers are gone."""
    kind = database.server_kind(server)
    if kind == "sqlite":  # they are in the folders
        return []
    query = "SELECT datname FROM pg_database" if kind == "postgresql" else "SHOW DATABASES"
    with database.connect(database.engine(database.server(server))) as connection:
        names = sorted(str(row[0]) for row in connection.exec_driver_sql(query))
    return [name for name in names if is_left_behind(name)]


def _require_left_behind(connection: sa.Connection) -> None:
    """Raise Protected for a database that holds what no killed run of ours has left there."""
    query, names = _TABLES[_kind(connection)], {"marker": MARKER}
    if connection.execute(sa.text(query), names).scalar_one() and not removal.is_going(connection):
        mark(connection, _own_name(connection.engine.url))


_TABLES = {
    "postgresql": (
        "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_'"
        " AND n.nspname NOT IN ('information_schema', :marker) AND NOT EXISTS"
        " (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')"
    ),
    "mariadb": (
        "SELECT count(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name <> :marker"
    ),
}
"""How many tables, views and sequences there are that no extension has brought; the marker is none."""


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
    query = "SELECT type, name FROM main.sqlite_master WHERE type IN ('view', 'table') ORDER BY type DESC"
    for kind, name in connection.exec_driver_sql(query).all():
        if name != MARKER and not name.startswith("sqlite_"):
            connection.exec_driver_sql(f"DROP {kind} IF EXISTS main.{quoted(connection, name)}")


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
