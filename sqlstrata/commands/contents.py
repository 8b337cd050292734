"""What is in a database, for questions about dropping it: its tables, and how many rows they have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from sqlstrata.dialects import quoted
from sqlstrata.plan import Plan
from sqlstrata.result import counted
from sqlstrata.snapshot.values import OURS

_LISTED = 4


def tables(connection: sa.Connection, plan: Plan) -> list[tuple[str, ...]]:
    """The names of all tables but our own; on PostgreSQL with their schemas."""
    inspector, ours = sa.inspect(connection), OURS | {plan.version_table.name}
    if connection.dialect.name != "postgresql":
        return [(name,) for name in sorted(set(inspector.get_table_names()) - ours)]
    schemas = [name for name in inspector.get_schema_names() if name != "information_schema"]
    return [(schema, name) for schema in schemas for name in sorted(set(inspector.get_table_names(schema)) - ours)]


def rows(connection: sa.Connection, names: Sequence[tuple[str, ...]]) -> dict[str, int]:
    """The number of rows of each table."""
    return {".".join(path): _count(connection, quoted(connection, *path)) for path in names}


def _count(connection: sa.Connection, table: str) -> int:
    return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())


def in_words(numbers: Mapping[str, int]) -> str:
    """The tables and rows in a few words, the largest tables first."""
    if not numbers:
        return "no tables"
    largest = sorted(numbers.items(), key=lambda each: (-each[1], each[0]))
    listed = ", ".join(f"{name}: {number}" for name, number in largest[:_LISTED])
    more = f" and {len(largest) - _LISTED} more" if len(largest) > _LISTED else ""
    return f"{counted(len(numbers), 'table')} with {counted(sum(numbers.values()), 'row')} ({listed}{more})"
