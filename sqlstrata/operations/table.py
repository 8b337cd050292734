"""op.change_table: a table as it is to stand, with marks on what is new, other or gone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alembic.operations import Operations

from . import mariadb, postgresql, sqlite
from .definition import Element, Mark, read
from .registry import Writer, operation

_SERVERS = {"sqlite": sqlite.change, "postgresql": postgresql.change, "mariadb": mariadb.change}


@operation
def change_table(
    operations: Operations,
    name: str,
    *elements: Element | Mark,
    schema: str | None = None,
    was: Mapping[str, Any] | None = None,
    **options: Any,
) -> None:
    """Make the table what the elements say.

    `elements` is the table as it is to stand, columns, constraints and indexes, those that are new in
    `op.added(…)`, those that take another's place in `op.changed(…, was=…)`; what goes stands in `op.removed(…)`.
    `options` are the table's, `was` those of them that had another value.

    SQLite rebuilds the table where its own ALTER TABLE cannot do it, and keeps rows, children, indexes, triggers and
    the AUTOINCREMENT counter; PostgreSQL alters in place; MariaDB does all of it in one ALTER TABLE, which happens
    whole or not at all. Foreign keys are op.add_foreign_key's and op.drop_foreign_key's there.
    """
    writer = Writer(operations)
    _SERVERS[writer.server](writer, read(name, elements, schema, options, was or {}))


@operation
def comment_table(operations: Operations, name: str, comment: str | None, schema: str | None = None) -> None:
    """Give the table this comment, or none. SQLite has no comments."""
    writer = Writer(operations)
    where = writer.table(name, schema)
    if writer.server == "postgresql":
        writer.run(f"COMMENT ON TABLE {where} IS {'NULL' if comment is None else writer.value(comment)}")
    elif writer.server == "mariadb":
        writer.run(f"ALTER TABLE {where} COMMENT {writer.value(comment or '')}")
