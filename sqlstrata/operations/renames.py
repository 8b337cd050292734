"""Renaming columns and keys, and moving tables to another schema, without copying rows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

from .registry import Writer, operation


@operation
def rename_column(operations: Operations, table: str, old: str, new: str, schema: str | None = None) -> None:
    """Rename one column; on all servers keys, indexes, checks and computed columns follow.

    Alembic's alter_column(new_column_name=…) repeats the whole column on MariaDB, and loses what it omits.
    """
    writer = Writer(operations)
    pair = f"{writer.name(old)} TO {writer.name(new)}"
    index = f", RENAME INDEX {pair}" if _names_an_index(writer, table, old, schema) else ""
    writer.run(f"ALTER TABLE {writer.table(table, schema)} RENAME COLUMN {pair}{index}")


def _names_an_index(writer: Writer, table: str, column: str, schema: str | None) -> bool:
    """Whether MariaDB has made an index for a nameless foreign key and named it after the column."""
    if writer.server != "mariadb" or writer.offline:
        return False
    keys = [each["constrained_columns"] for each in writer.foreign_keys(table, schema)]
    return any(
        each["name"] == column and each["column_names"] in keys and each["column_names"][0] == column
        for each in writer.indexes(table, schema)
    )


@operation
def rename_key(operations: Operations, table: str, key: sa.Constraint, new: str, schema: str | None = None) -> None:
    """Rename a primary key, unique key or exclusion, whose name another table is about to take.

    On SQLite names belong to their table, and change with it.
    """
    writer = Writer(operations)
    if writer.server == "sqlite" or key.name is None:
        return
    old, where = writer.name(str(key.name)), writer.table(table, schema)
    if writer.server == "postgresql":
        writer.run(f"ALTER TABLE {where} RENAME CONSTRAINT {old} TO {writer.name(new)}")
    elif isinstance(key, sa.UniqueConstraint):
        writer.run(f"ALTER TABLE {where} RENAME INDEX {old} TO {writer.name(new)}")


@operation
def move_table(operations: Operations, table: str, schema: str | None, to: str | None) -> None:
    """Move a table to another schema (PostgreSQL) or database (MariaDB). Does nothing on SQLite, which has none."""
    writer = Writer(operations)
    if writer.server == "postgresql":
        target = writer.name(to or writer.dialect.default_schema_name or "public")
        writer.run(f"ALTER TABLE {writer.table(table, schema)} SET SCHEMA {target}")
    elif writer.server == "mariadb":
        here = None if writer.offline else writer.fetch("SELECT database()")[0][0]
        target = writer.table(table, to) if to or here is None else writer.table(table, here)
        writer.run(f"RENAME TABLE {writer.table(table, schema)} TO {target}")
