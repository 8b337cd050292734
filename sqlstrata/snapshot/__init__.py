"""Snapshots of databases, read from the server's catalogue, and their comparison.

The proof must not depend on what it proves, so nothing here uses models, MetaData or revisions. SQLAlchemy's Inspector
is not used either: it does not see triggers, EXCLUDE, STRICT, operator classes, owners of sequences and more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import sqlalchemy as sa

from sqlstrata.dialects import quoted
from sqlstrata.servers import kind_of
from sqlstrata.snapshot import mariadb, postgresql, sqlite
from sqlstrata.snapshot.compare import Difference, differences
from sqlstrata.snapshot.values import Element, Read, Snapshot, Thing, split

__all__ = ["Difference", "Element", "Read", "Snapshot", "Thing", "differences", "rows", "snapshot"]

_SERVERS = {
    "sqlite": sqlite.things,
    "postgresql": postgresql.things,
    "mariadb": mariadb.things,
}

Rows = Mapping[str, tuple[Mapping[str, object], ...]]


def snapshot(
    connection: sa.Connection,
    schemas: Sequence[str] = (),
    tables: Collection[str] | None = None,
    read: Read | None = None,
) -> Snapshot:
    """The database's default schema and `schemas`.

    With `tables`, only what has these names: tables with everything that belongs to them, views, sequences, types,
    functions. `read` is a cache for repeated calls: most tables are the same from stage to stage.
    Read-only. Alembic's version table and the tables of `sqlstrata` itself are left out.
    """
    return Snapshot(
        _SERVERS[kind_of(connection.dialect.name).name](connection, schemas, tables, {} if read is None else read)
    )


def rows(connection: sa.Connection, tables: Iterable[str], schemas: Sequence[str] = ()) -> Rows:
    """All rows of the tables as the driver gives them, sorted by values, their columns sorted by name. Read-only."""
    return {name: _rows_of(connection, *split(name, schemas)) for name in tables}


def _rows_of(connection: sa.Connection, schema: str | None, name: str) -> tuple[Mapping[str, object], ...]:
    result = connection.exec_driver_sql(f"SELECT * FROM {quoted(connection, schema, name)}")
    columns = result.keys()
    found = [dict(sorted(zip(columns, row, strict=True))) for row in result]
    return tuple(sorted(found, key=repr))
