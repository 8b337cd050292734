"""op.change_table: a table after a change, with marks on new, changed and removed elements."""

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
    """Change a table.

    `elements` are the columns, constraints and indexes after the change: new ones in `op.added(…)`, changed ones in
    `op.changed(…, was=…)`, and those to drop in `op.removed(…)`. `options` are the table's options after the change,
    `was` the old values of changed ones.

    SQLite rebuilds the table where ALTER TABLE is not enough, and keeps rows, children, indexes, triggers and the
    AUTOINCREMENT counter. PostgreSQL alters in place. MariaDB uses one ALTER TABLE, which is atomic. On both, foreign
    keys are left to op.add_foreign_key and op.drop_foreign_key.
    """
    writer = Writer(operations)
    _SERVERS[writer.server](writer, read(name, elements, schema, options, was or {}))


@operation
def comment_table(operations: Operations, name: str, comment: str | None, schema: str | None = None) -> None:
    """Set or remove the table's comment. SQLite has no comments."""
    writer = Writer(operations)
    where = writer.table(name, schema)
    if writer.server == "postgresql":
        writer.run(f"COMMENT ON TABLE {where} IS {'NULL' if comment is None else writer.value(comment)}")
    elif writer.server == "mariadb":
        writer.run(f"ALTER TABLE {where} COMMENT {writer.value(comment or '')}")
