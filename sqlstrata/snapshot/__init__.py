"""What a database says of itself, and the comparison of two: the eyes of the proof.

The proof must not look through the eyes of what it proves, so nothing here knows models, MetaData or revisions. The
server's own catalogue is read rather than SQLAlchemy's Inspector, which is blind to a good part of it (triggers,
EXCLUDE, STRICT, operator classes, owners of sequences, …).
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
    """What the database holds in its default schema and in `schemas`.

    With `tables`, only what goes by these names: tables with all that is theirs, views, sequences, types, functions.
    `read` keeps what texts were read as, for who looks again: most tables are the same from stage to stage.
    Read-only. Alembic's version table and the marker of scratch databases are left out.
    """
    return Snapshot(
        _SERVERS[kind_of(connection.dialect.name).name](connection, schemas, tables, {} if read is None else read)
    )


def rows(connection: sa.Connection, tables: Iterable[str], schemas: Sequence[str] = ()) -> Rows:
    """All rows of the tables as the driver gives them, in an order that only their values decide.

    Columns are in alphabetical order, for theirs is no part of the promise. Read-only.
    """
    return {name: _rows_of(connection, *split(name, schemas)) for name in tables}


def _rows_of(connection: sa.Connection, schema: str | None, name: str) -> tuple[Mapping[str, object], ...]:
    result = connection.exec_driver_sql(f"SELECT * FROM {quoted(connection, schema, name)}")
    columns = result.keys()
    found = [dict(sorted(zip(columns, row, strict=True))) for row in result]
    return tuple(sorted(found, key=repr))
