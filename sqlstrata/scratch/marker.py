"""The marker table of a scratch database: it names the database that it was written for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from sqlstrata.databases.addresses import server_kind
from sqlstrata.databases.location import Location, location, require
from sqlstrata.databases.maker import NAME
from sqlstrata.errors import Protected, WrongUse

MARKER = "strata_scratch"


@dataclass(frozen=True, slots=True)
class Mark:
    """What the marker table holds: the database it was written for, and what was there when that was empty."""

    name: str
    schemas: Mapping[str, str]
    extensions: Mapping[str, str]


def _table(kind: str) -> sa.Table:
    """The marker; on PostgreSQL in a schema of its own, so that emptying the others does not touch it."""
    schema = MARKER if kind == "postgresql" else None
    columns = sa.Column("name", sa.String(255)), sa.Column("held", sa.Text())
    return sa.Table(MARKER, sa.MetaData(), *columns, schema=schema)


def write(connection: sa.Connection, created: Location, schemas: Mapping[str, str]) -> None:
    """Mark the database that was just created, and make its schemas.

    Raises Protected where the connection is in another one.
    """
    url = connection.engine.url
    kind = server_kind(url)
    marker = _table(kind)
    require(location(connection), created, "marked as a scratch database")
    _require_current_schema(connection)
    if kind == "postgresql":
        for name in dict.fromkeys((MARKER, *schemas)):
            connection.execute(sa.schema.CreateSchema(name, if_not_exists=True))
    marker.create(connection)
    held = {"schemas": dict(schemas), "extensions": extensions(connection)}
    connection.execute(marker.insert().values(name=name_of(url), held=json.dumps(held)))
    connection.commit()


def _require_current_schema(connection: sa.Connection) -> None:
    """Raise WrongUse where no schema in `search_path` exists, so that a table needs a schema's name to be created."""
    if connection.dialect.name != "postgresql":
        return
    path, schema = connection.exec_driver_sql("SELECT current_setting('search_path'), current_schema()").one()
    if schema is None:
        message = f"`search_path` is {path}, and a scratch database has no such schema."
        hint = "Remove it from the URL's `options`, PGOPTIONS, or the role's settings, or add `public` to it."
        raise WrongUse(message, hint=hint, option="options")


def read(connection: sa.Connection) -> Mark:
    """The mark of the scratch database that the connection is in.

    Raises Protected where its name or its marker is not that of a scratch database.
    """
    name = name_of(connection.engine.url)
    marker = _table(server_kind(connection.engine.url))
    if NAME.fullmatch(name) and sa.inspect(connection).has_table(MARKER, schema=marker.schema):
        row = connection.execute(sa.select(marker)).one_or_none()
        if row is not None and row.name == name:
            return Mark(row.name, **json.loads(row.held))
    raise not_scratch(name)


def not_scratch(name: str) -> Protected:
    """The error for a database that is not a scratch database."""
    message = f"The database {name} is not a scratch database of sqlstrata."
    return Protected(message, hint="Nothing was dropped.")


def name_of(url: sa.URL) -> str:
    """The name under which a scratch database is marked."""
    return Path(str(url.database)).stem if server_kind(url) == "sqlite" else str(url.database)


def extensions(connection: sa.Connection) -> dict[str, str]:
    """PostgreSQL's extensions in the database, each with its schema."""
    if connection.dialect.name != "postgresql":
        return {}
    query = "SELECT e.extname, n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace"
    return {row.extname: row.nspname for row in connection.exec_driver_sql(query)}
