"""Foreign keys on servers that can add and drop them: they are dropped first and added last in a revision.

SQLite cannot: there a key is part of CREATE TABLE, so op.create_table and op.change_table handle it, and the operations
here do nothing.
"""

from __future__ import annotations

import copy

import sqlalchemy as sa
from alembic.operations import Operations
from sqlalchemy.schema import AddConstraint

from .definition import define
from .registry import Writer, operation


@operation
def add_foreign_key(
    operations: Operations, table: str, key: sa.ForeignKeyConstraint, schema: str | None = None
) -> None:
    """Add a foreign key to an existing table."""
    writer = Writer(operations)
    if writer.server != "sqlite":
        define(table, [key], schema)
        writer.run(writer.compile(AddConstraint(key)))


@operation
def drop_foreign_key(
    operations: Operations,
    table: str,
    key: sa.ForeignKeyConstraint,
    schema: str | None = None,
    *,
    keeps_index: bool = False,
) -> None:
    """Drop a foreign key; a nameless one is found by its columns.

    MariaDB makes an index for a key and keeps it: it is dropped, too, unless `keeps_index`, for a model's own index.
    """
    writer = Writer(operations)
    if writer.server == "sqlite":
        return
    where, columns = writer.table(table, schema), list(key.column_keys)
    define(table, [key], schema)
    name = _name(writer, key) or _find(writer, table, key, schema)
    if writer.server == "postgresql":
        writer.run(f"ALTER TABLE {where} DROP CONSTRAINT {writer.name(name)}")
        return
    writer.run(f"ALTER TABLE {where} DROP FOREIGN KEY {writer.name(name)}")
    if not keeps_index:
        for index in _made_by(writer, table, schema, columns, {name, columns[0]} if key.name is None else {name}):
            # An index that the model makes later replaces MariaDB's own; offline that is unknown.
            there = " IF EXISTS" if writer.offline else ""
            writer.run(f"ALTER TABLE {where} DROP INDEX{there} {writer.name(index)}")


def _name(writer: Writer, key: sa.ForeignKeyConstraint) -> str | None:
    """The key's name, truncated as the server would."""
    if key.name is None:
        return None
    unquoted = copy.copy(writer.dialect.identifier_preparer)
    unquoted.quote = str  # type: ignore[assignment,method-assign]
    return unquoted.format_constraint(key)


def _find(writer: Writer, table: str, key: sa.ForeignKeyConstraint, schema: str | None) -> str:
    """The name that the server gave to a nameless key."""
    if writer.offline:
        return guessed(writer, table, key)
    targets = [element.target_fullname.rpartition(".") for element in key.elements]
    there = [
        each for each in writer.foreign_keys(table, schema) if each["constrained_columns"] == list(key.column_keys)
    ]
    if len(there) == 1:  # its target may have been renamed
        return str(there[0]["name"])
    for found in there:
        same_target = found["referred_table"] == targets[0][0].rpartition(".")[2]
        if same_target and found["referred_columns"] == [column for _, _, column in targets]:
            return str(found["name"])
    return guessed(writer, table, key)


def guessed(writer: Writer, table: str, key: sa.ForeignKeyConstraint) -> str:
    """The name that the server gives by its own rule, for SQL that is written offline."""
    if writer.server == "postgresql":
        return f"{table}_{'_'.join(key.column_keys)}_fkey"
    return f"{table}_ibfk_1"


def _made_by(writer: Writer, table: str, schema: str | None, columns: list[str], names: set[str]) -> list[str]:
    """The index that MariaDB made for the key: named like it, or, for a nameless one, like its first column."""
    if writer.offline:
        return [min(names)] if len(names) == 1 else []
    return [
        str(index["name"])
        for index in writer.indexes(table, schema)
        if index["column_names"] == columns
        and not index["unique"]
        and (index["name"] in names or str(index["name"]).rpartition("_")[0] in names)
    ]
