"""Columns and keys under another name, tables in another schema: nothing is copied, whatever refers to them follows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

from .registry import Writer, operation


@operation
def rename_column(operations: Operations, table: str, old: str, new: str, schema: str | None = None) -> None:
    """Rename one column; on all three servers keys, indexes, checks and computed columns follow by themselves.

    Alembic's alter_column(new_column_name=…) says the whole column again on MariaDB and loses what is not said.
    """
    writer = Writer(operations)
    pair = f"{writer.name(old)} TO {writer.name(new)}"
    index = f", RENAME INDEX {pair}" if _names_an_index(writer, table, old, schema) else ""
    writer.run(f"ALTER TABLE {writer.table(table, schema)} RENAME COLUMN {pair}{index}")


def _names_an_index(writer: Writer, table: str, column: str, schema: str | None) -> bool:
    """Whether MariaDB has made an index for a nameless foreign key and called it like the column."""
    if writer.server != "mariadb" or writer.offline:
        return False
    keys = [each["constrained_columns"] for each in writer.foreign_keys(table, schema)]
    return any(
        each["name"] == column and each["column_names"] in keys and each["column_names"][0] == column
        for each in writer.indexes(table, schema)
    )


@operation
def rename_key(operations: Operations, table: str, key: sa.Constraint, new: str, schema: str | None = None) -> None:
    """Give a primary key, unique key or exclusion another name, where another table is about to take it.

    On SQLite nobody else minds the name, and it changes with the table.
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
    """Move a table to another schema (PostgreSQL) or database (MariaDB). SQLite has none: nothing to do there."""
    writer = Writer(operations)
    if writer.server == "postgresql":
        target = writer.name(to or writer.dialect.default_schema_name or "public")
        writer.run(f"ALTER TABLE {writer.table(table, schema)} SET SCHEMA {target}")
    elif writer.server == "mariadb":
        here = None if writer.offline else writer.fetch("SELECT database()")[0][0]
        target = writer.table(table, to) if to or here is None else writer.table(table, here)
        writer.run(f"RENAME TABLE {writer.table(table, schema)} TO {target}")
