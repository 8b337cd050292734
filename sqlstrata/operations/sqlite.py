"""op.change_table on SQLite: where ALTER TABLE is not enough, the table is rebuilt.

The procedure is that of SQLite's manual ("Making Other Kinds Of Table Schema Changes"), but the *old* table is renamed:
so the new one has exactly the models' CREATE TABLE, and references from other tables, views and triggers stay valid.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.schema import CreateIndex, CreateTable

from .conversion import on_sqlite
from .definition import Added, Change, Changed, Element
from .private_names import prefixes
from .registry import MigrationStopped, Writer, expression
from .updates import update


def change(writer: Writer, change: Change) -> None:
    """Rebuild the table if the change makes a difference on SQLite; else only apply each `cast`."""
    if not any(_differs(writer, change, *pair) for pair in _pairs(change)) and not _options_differ(writer, change):
        _cast(writer, change)
        return
    kept = _Kept(writer, change)
    old = f"_before_{change.name}"
    where, aside = writer.table(change.name, change.schema), writer.table(old, change.schema)
    writer.run("PRAGMA legacy_alter_table = ON")  # so that no references follow the old table
    writer.run(f"ALTER TABLE {where} RENAME TO {writer.name(old)}")
    writer.run("PRAGMA legacy_alter_table = OFF")
    writer.run(writer.compile(CreateTable(change.after)))
    targets, values = zip(*_copied(writer, change), strict=True)
    alias = writer.name(change.name)
    writer.run(f"INSERT INTO {where} ({', '.join(targets)}) SELECT {', '.join(values)} FROM {aside} AS {alias}")
    writer.run(f"DROP TABLE {aside}")
    for index in sorted(change.after.indexes, key=lambda index: str(index.name)):
        writer.run(writer.compile(CreateIndex(index)))
    for statement in kept.statements:
        writer.run(statement)


def _cast(writer: Writer, change: Change) -> None:
    """Convert the values of columns whose definition stays: an enum without a CHECK is only text."""
    marks = {mark.element.name: mark for mark in change.changed() if isinstance(mark.element, sa.Column)}
    values = {name: _value(writer, writer.name(name), mark) for name, mark in marks.items() if mark.cast is not None}
    if values:
        update(writer, change.name, change.schema, values)


def _pairs(change: Change) -> Iterator[tuple[Element | None, Element | None]]:
    for mark in change.marks:
        match mark:
            case Added():
                yield None, mark.element
            case Changed():
                yield mark.was, mark.element
            case _:
                yield mark.element, None


def _differs(writer: Writer, change: Change, old: Element | None, new: Element | None) -> bool:
    return _text(writer, old) != _text(writer, new)


def _text(writer: Writer, element: Element | None) -> str | None:
    if element is None:
        return None
    if isinstance(element, sa.Column):
        return writer.column(element)
    return writer.clause(element) if isinstance(element, sa.Constraint) else writer.compile(CreateIndex(element))


def _options_differ(writer: Writer, change: Change) -> bool:
    """Whether STRICT, WITHOUT ROWID, AUTOINCREMENT or a prefix differ."""
    empty = [sa.Table("t", sa.MetaData(), prefixes=prefixes(t), **t.kwargs) for t in (change.before, change.after)]
    before, after = (writer.compile(CreateTable(table)) for table in empty)
    return before != after or change.before.kwargs.get("sqlite_autoincrement") != change.after.kwargs.get(
        "sqlite_autoincrement"
    )


def _copied(writer: Writer, change: Change) -> Iterator[tuple[str, str]]:
    """Each column that is copied, with the expression of its value."""
    marks = {mark.element.name: mark for mark in change.marks if isinstance(mark.element, sa.Column)}
    for column in change.after.columns:
        name = writer.name(column.name)
        mark = marks.get(column.name)
        if column.computed is not None:
            continue
        if isinstance(mark, Added):
            if mark.fill is not None:
                yield name, f"({expression(writer, mark.fill)})"
            elif column is change.after.autoincrement_column and column.server_default is None:
                yield name, "rowid"  # other servers number existing rows, SQLite only those of INTEGER
        elif isinstance(mark, Changed):
            yield name, _value(writer, name, mark)
        else:
            yield name, name


def _value(writer: Writer, name: str, mark: Changed) -> str:
    assert isinstance(mark.was, sa.Column)
    assert isinstance(mark.element, sa.Column)
    cast = None if mark.cast is None else f"({expression(writer, mark.cast)})"
    value = cast or on_sqlite(name, mark.was, mark.element)
    return value if mark.fill is None else f"coalesce({value}, {expression(writer, mark.fill)})"


class _Kept:
    """What would be dropped with the table: manual indexes and triggers, and the AUTOINCREMENT counter.

    Raises MigrationStopped where the table has a column that no stage so far has. Offline nothing is checked.
    """

    def __init__(self, writer: Writer, change: Change) -> None:
        self.statements: list[str] = []
        if writer.offline:
            return
        table = writer.value(change.name)
        new = {mark.element.name for mark in change.added()} - {mark.element.name for mark in change.removed()}
        known = {each.name for each in (*change.before.columns, *change.after.columns)} - new
        strange = [row[1] for row in writer.fetch(f"PRAGMA table_xinfo({table})") if row[1] not in known]
        if strange:
            message = (
                f"Table {change.name} must be rebuilt, but has a column that is in no stage so far: "
                f"{', '.join(strange)}. Nothing was changed. Drop the column, or add it to the models."
            )
            raise MigrationStopped(message)
        ours = {str(index.name) for index in change.after.indexes}
        query = f"SELECT type, name, sql FROM sqlite_master WHERE tbl_name = {table} AND sql IS NOT NULL"
        for kind, name, sql in writer.fetch(query):
            if kind == "trigger" or (kind == "index" and name not in ours):
                self.statements.append(sql)
        self.statements += self._counter(writer, change, table)

    def _counter(self, writer: Writer, change: Change, table: str) -> list[str]:
        if not change.after.kwargs.get("sqlite_autoincrement"):
            return []
        if not writer.fetch("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'"):
            return []
        rows: list[Any] = writer.fetch(f"SELECT seq FROM sqlite_sequence WHERE name = {table}")
        return [
            statement
            for (seq,) in rows
            for statement in (
                f"DELETE FROM sqlite_sequence WHERE name = {table}",
                f"INSERT INTO sqlite_sequence (name, seq) VALUES ({table}, {seq})",
            )
        ]
