"""What a scratch database holds after a revision: its schema as MetaData, and its rows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from sqlstrata import dialects
from sqlstrata.replay import objects
from sqlstrata.start.reflection import reflected

Rows = Mapping[str, tuple[Mapping[str, object], ...]]


@dataclass(frozen=True)
class State:
    """The schema of a database, with the events that create what is no table, and its rows by table."""

    metadata: sa.MetaData
    rows: Rows


def state(connection: sa.Connection, own: Collection[str]) -> State:
    """Read a database; own are the tables that are Alembic's."""
    metadata = reflected(connection)
    for key in own:
        if key in metadata.tables:
            metadata.remove(metadata.tables[key])
    for table in metadata.tables.values():
        for column in table.columns:
            _tidied(connection.dialect, column)
    rows = {
        key: tuple(dict(row) for row in connection.execute(sa.select(table)).mappings())
        for key, table in metadata.tables.items()
    }
    objects.add_sequences(connection, metadata)
    objects.add(connection, metadata)
    return State(metadata, {key: given for key, given in rows.items() if given})


def _tidied(dialect: sa.Dialect, column: sa.Column[Any]) -> None:
    """Write a column as a person would: SERIAL without its default, and `Integer` for INTEGER."""
    default = column.server_default
    if isinstance(default, sa.DefaultClause) and "nextval(" in str(default.arg) and column.primary_key:
        column.server_default = None
        column.autoincrement = "auto"
    if isinstance(column.type, sa.Enum):
        return
    try:
        generic: sa.types.TypeEngine[Any] = column.type.as_generic()
    except NotImplementedError:
        return
    if generic.compile(dialect) == column.type.compile(dialect):
        column.type = generic


def seeds(before: Rows, after: State, on: str) -> tuple[list[str], list[str]]:
    """The INSERTs of rows that are in a database after a revision and were not before, and what they leave out.

    on: SQLAlchemy's name of the server. Rows that were changed or removed are left out, and values without a literal.
    """
    made: list[str] = []
    left: list[str] = []
    dialect = dialects.dialect(on)
    for table in after.metadata.sorted_tables:
        was, now = before.get(table.key, ()), after.rows.get(table.key, ())
        common = {name for row in was for name in row} & set(table.columns.keys())
        old = [{name: row[name] for name in common} for row in was]
        new = [row for row in now if {name: row[name] for name in common} not in old] if was else list(now)
        if len(now) - len(new) != len(was):
            left.append(f"rows of {table.key} that were changed or removed")
            continue
        try:
            made += [_insert(table, row, dialect) for row in new]
        except (sa.exc.CompileError, NotImplementedError, TypeError, ValueError) as error:
            left.append(f"{len(new)} rows of {table.key}, which have no SQL text: {error}")
            continue
        made += list(_counted(table, dialect)) if new else []
    return made, left


def _counted(table: sa.Table, dialect: sa.Dialect) -> Iterator[str]:
    """Have PostgreSQL's counters go on behind the rows, which bring their own numbers."""
    column = table.autoincrement_column
    if dialect.name == "postgresql" and column is not None:
        quote = dialect.identifier_preparer
        path, name = quote.format_table(table), quote.quote(column.name)
        literal = path.replace("'", "''")
        yield (
            f"SELECT setval(pg_get_serial_sequence('{literal}', '{column.name}'), (SELECT max({name}) FROM {path}))"  # noqa: S608
        )


def _insert(table: sa.Table, row: Mapping[str, object], dialect: sa.Dialect) -> str:
    values = {name: value for name, value in row.items() if table.columns[name].computed is None}
    return str(table.insert().values(values).compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
