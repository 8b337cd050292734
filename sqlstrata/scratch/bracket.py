"""A scratch database for as long as a `with` block."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection

from sqlstrata.databases import creation, database, removal
from sqlstrata.databases.addresses import parsed, server_kind
from sqlstrata.databases.location import location, require
from sqlstrata.databases.maker import folder, fresh_name
from sqlstrata.errors import WrongUse
from sqlstrata.scratch import extensions, marker
from sqlstrata.scratch.translation import translate_schemas


@dataclass(frozen=True, slots=True)
class Scratch:
    """An empty database, and the names under which it has the schemas that were asked for."""

    engine: sa.Engine
    url: sa.URL
    schemas: Mapping[str, str]


@contextmanager
def scratch(server_url: str | sa.URL, schemas: Sequence[str] = ()) -> Generator[Scratch]:
    """An empty scratch database on the URL's server (a database in the URL is not touched), dropped at the end.

    On MariaDB, where a schema is a database, each schema becomes a scratch database too, and the engine translates the
    schemas' names in all statements, constructs and texts alike: the real ones are never written to.
    On SQLite the database is a file in a temporary folder.
    Raises Unreachable and WrongUse as `database.engine` and `database.connect` do, WrongUse for schemas on SQLite.
    """
    server = parsed(server_url)
    kind = server_kind(server)
    if schemas and kind == "sqlite":
        message = f"SQLite has no schemas, and the models use {', '.join(schemas)}."
        raise WrongUse(message, hint="Remove SQLite from prove_on.")
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
    kind = server_kind(url)
    made = database.engine(url, schema_map=schemas if kind == "mariadb" else None)
    if kind in _UNSAFE:
        sa.event.listen(made, "connect", partial(_run, _UNSAFE[kind]))
    if kind == "postgresql":
        extensions.report(made)
    if kind == "mariadb" and schemas:
        translate_schemas(made, schemas)
    return made


_UNSAFE = {
    "sqlite": ("PRAGMA synchronous = OFF", "PRAGMA journal_mode = MEMORY"),
    "postgresql": ("SET synchronous_commit = off",),
}
"""Do not wait for the disk: no scratch database has to survive a power cut. Rollbacks still work."""


def _run(statements: Sequence[str], connection: DBAPIConnection, _: object) -> None:
    cursor = connection.cursor()
    for statement in statements:
        cursor.execute(statement)
    cursor.close()
    connection.commit()


@contextmanager
def _marked(url: sa.URL, schemas: Mapping[str, str]) -> Generator[None]:
    created = creation.make(url)
    try:
        with database.connect(_engine(url, {})) as connection:
            marker.write(connection, created, schemas)
    except BaseException:
        removal.drop(url, lambda connection: require(location(connection), created, "dropped"), force=True)
        raise
    try:
        yield
    finally:
        drop(url)


def drop(url: sa.URL) -> None:
    """Drop a scratch database, whoever is connected. Raises Protected where it is not a scratch database."""
    removal.drop(url, marker.read, force=True)
