"""Updating rows so that only the named columns change: no ON UPDATE, and no trigger, sets another one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from alembic.operations import Operations

from .definition import Added
from .registry import Writer, expression, operation

Columns = Sequence[Sequence[object]]
"""What MariaDB says of a table's columns (SHOW COLUMNS); empty elsewhere."""
_ENABLED = {"O": "ENABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}
"""How to enable a trigger again, by pg_trigger.tgenabled."""


def update(
    writer: Writer,
    table: str,
    schema: str | None,
    values: Mapping[str, str],
    condition: str = "",
    kept: Iterable[str] = (),
) -> None:
    """Set columns of all rows, or of those that meet a condition, to expressions; every other column stays as it is.

    The expressions see the row as it was on every server only if they read none of the columns that are set: MariaDB
    sets from left to right. `kept` are the columns that MariaDB would set by itself (see `set_on_update`).
    """
    where = writer.table(table, schema)
    pairs = [f"{writer.name(name)} = {value}" for name, value in values.items()]
    pairs += [f"{writer.name(name)} = {writer.name(name)}" for name in kept if name not in values]
    only = f" WHERE {condition}" if condition else ""
    with _without_triggers(writer, table, where):
        writer.run(f"UPDATE {where} SET {', '.join(pairs)}{only}")
        if writer.server == "postgresql":  # a table with deferred checks that are pending cannot be altered
            writer.run("SET CONSTRAINTS ALL IMMEDIATE")


def columns_of(writer: Writer, where: str) -> Columns:
    """The table's columns: ask before the first change, so that the journal has the answer with that."""
    return [] if writer.offline or writer.server != "mariadb" else writer.fetch(f"SHOW COLUMNS FROM {where}")


def set_on_update(columns: Columns) -> list[str]:
    """The columns that MariaDB sets by itself when a row is updated (ON UPDATE CURRENT_TIMESTAMP)."""
    return [str(row[0]) for row in columns if "on update" in str(row[5]).lower()]


@contextmanager
def _without_triggers(writer: Writer, table: str, where: str) -> Iterator[None]:
    """Disable the table's triggers on PostgreSQL, and drop and create them on SQLite; MariaDB has no way to do so."""
    off, on = [], []
    if not writer.offline and writer.server == "postgresql":
        query = "SELECT tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D' AND tgrelid = "
        for name, enabled in writer.fetch(f"{query}{writer.value(where)}::regclass ORDER BY tgname"):
            off.append(f"ALTER TABLE {where} DISABLE TRIGGER {writer.name(name)}")
            on.append(f"ALTER TABLE {where} {_ENABLED[str(enabled)]} TRIGGER {writer.name(name)}")
    elif not writer.offline and writer.server == "sqlite":
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = "
        for name, sql in writer.fetch(f"{query}{writer.value(table)} ORDER BY name"):
            off.append(f"DROP TRIGGER {writer.name(name)}")
            on.append(sql)
    for statement in off:
        writer.run(statement)
    yield
    for statement in on:
        writer.run(statement)


@operation
def prepare_values(operations: Operations, table: str, *values: Added, schema: str | None = None) -> None:
    """Add columns with values that are computed from all rows as they are now.

    Each of `values` is `op.added(sa.Column(…), fill=…)`; a later op.change_table reads the column, and drops it. So SQL
    that reads what the revision changes sees the same old values on every server.
    """
    writer = Writer(operations)
    where = writer.table(table, schema)
    kept = set_on_update(columns_of(writer, where))
    clauses = [f"ADD COLUMN {writer.column(each.element)}" for each in values]  # type: ignore[arg-type]
    for clause in [", ".join(clauses)] if writer.server == "mariadb" else clauses:
        writer.run(f"ALTER TABLE {where} {clause}")
    texts = {str(each.element.name): expression(writer, each.fill) for each in values if each.fill is not None}
    update(writer, table, schema, texts, kept=kept)
