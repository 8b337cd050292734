"""The rows that a proof carries through a history, and which of their values a stage may change.

Only tables that a revision may have changed are read again.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

import sqlalchemy as sa

from sqlstrata.plan import Stage
from sqlstrata.schema.values import Column, Schema
from sqlstrata.snapshot import Difference, Rows, rows

_Table = tuple[Mapping[str, object], ...]


class Carried:
    """The rows of all tables that have been read, now and before the stage."""

    def __init__(self) -> None:
        self.rows: dict[str, _Table] = {}
        self._before: dict[str, _Table | None] = {}

    def begin(self) -> None:
        """Begin a stage: what there is now is what was before it."""
        self._before = {}

    def read(self, connection: sa.Connection, schema: Schema, names: Collection[str], schemas: Sequence[str]) -> None:
        """Read the tables of these names that the schema has; the others are gone."""
        found = rows(connection, [name for name in names if name in schema.tables], schemas)
        for name in names:
            if name in self.rows or name in found:
                self._before.setdefault(name, self.rows.get(name))
        for name in names:
            self.rows.pop(name, None)
        self.rows |= found

    def held(self, names: Collection[str]) -> Rows:
        """The rows of the tables of these names."""
        return {name: self.rows[name] for name in names if name in self.rows}

    def before(self) -> Rows:
        """The rows that the tables which were read since had before the stage."""
        return {name: found for name, found in self._before.items() if found is not None}

    def forget_all_but(self, held: Rows, free: Collection[str]) -> None:
        """Forget those rows from before the stage that are not among these any more, without the columns in `free`."""
        for name, now in held.items():
            before = self._before.get(name)
            if before is not None:
                gone = _missing(name, before, now, free, {})
                self._before[name] = tuple(row for row in before if not any(row is each for each in gone))


def named_by(stage: Stage) -> set[str]:
    """The tables and columns whose values the stage itself drops, casts or fills."""
    return {*stage.drop, *stage.cast, *stage.fill}


def lost(held: Rows, found: Rows, renames: Mapping[str, str], free: Collection[str]) -> Difference | None:
    """The first table that lacks one of its rows, by the values of all columns that are on both sides.

    The tables and columns in `free` are not compared.
    """
    for name, before in held.items():
        after = found.get(renames.get(name, name))
        if after is None or name in free:
            continue
        missing = _missing(name, before, after, free, renames)
        if missing:
            example = ", ".join(f"{key} = {value!r}" for key, value in missing[0].items())
            return Difference(name, "rows", f"{len(missing)} of {len(before)} rows, for example {example}", None)
    return None


def _missing(
    name: str, before: _Table, after: _Table, free: Collection[str], renames: Mapping[str, str]
) -> list[Mapping[str, object]]:
    names = {each: renames.get(f"{name}.{each}", each) for each in (before[0] if before else ())}
    existing = after[0] if after else set(names.values())
    columns = {old: new for old, new in names.items() if f"{name}.{old}" not in free and new in existing}
    left = [_row(row, columns.values()) for row in after]
    missing = []
    for row in before:
        values = _row(row, columns)
        if values in left:
            left.remove(values)
        else:
            missing.append(row)
    return missing


def _row(row: Mapping[str, object], columns: Iterable[str]) -> tuple[object, ...]:
    return tuple(row[column] for column in columns)


def altered(before: Schema, after: Schema, keys: Iterable[str], renames: Mapping[str, str], dialect: str) -> set[str]:
    """Columns of these tables whose values the stage converts to another type, or that are computed."""
    found = computed(before, keys)
    for key in keys:
        old, new = before.tables.get(key), after.tables.get(renames.get(key, key))
        if old is None or new is None:
            continue
        for name, column in old.columns.items():
            other = new.columns.get(renames.get(f"{key}.{name}", name))
            if other is None or not _same_values(column, other, dialect):
                found.add(f"{key}.{name}")
    return found


def _same_values(old: Column, new: Column, dialect: str) -> bool:
    """Whether a value looks the same to the driver after a change of type."""
    was, now = old.types[dialect], new.types[dialect]
    if was == now:
        return True
    padded = any("CHAR(" in str(each) and "VARCHAR" not in str(each) for each in (was, now))
    return old.kinds[dialect] == new.kinds[dialect] in _LIKE and not padded


_LIKE = {"string", "integer"}
"""Families of types in which a value that fits is the same in all of them."""


def changed_by_sql(stage: Stage, dialect: str, *schemas: Schema) -> set[str]:
    """Tables whose rows the stage's own SQL may change: those that it names, and those that point at these.

    All of them where the models have triggers, which may change any table.
    """
    found = named_by_sql(stage, dialect, *schemas)
    if not data_of(stage, dialect):
        return found
    pointing = {key: table.targets() for schema in schemas for key, table in schema.tables.items()}
    if any(schema.statements for schema in schemas):
        return set(pointing)
    found |= {old for old, new in stage.rename.items() if new in found}
    while near := {key for key, targets in pointing.items() if targets & found} - found:
        found |= near
    return found


def named_by_sql(stage: Stage, dialect: str, *schemas: Schema) -> set[str]:
    """Tables that the stage's own SQL names."""
    return _named(data_of(stage, dialect), *schemas)


def read_by_expressions(stage: Stage, dialect: str, schema: Schema) -> set[str]:
    """Tables that the stage's `fill` and `cast` name: what they read must be there."""
    return _named(expressions_of(stage, dialect), schema)


def _named(texts: Iterable[str], *schemas: Schema) -> set[str]:
    words = words_of(texts)
    keys = {key for schema in schemas for key in schema.tables} if words else set[str]()
    return {key for key in keys if words.issuperset(words_of([key.rpartition(".")[2]]))}


def own_texts(stage: Stage, dialect: str) -> list[str]:
    """All SQL that the stage itself says: its data, and how it fills and casts. Each text is on one line."""
    return [*data_of(stage, dialect), *expressions_of(stage, dialect)]


def data_of(stage: Stage, dialect: str) -> list[str]:
    """The stage's `data`, both ways, each statement on one line."""
    return [_line(text) for text in (*stage.upgrade.on(dialect), *stage.downgrade_sql.on(dialect))]


def expressions_of(stage: Stage, dialect: str) -> list[str]:
    """How the stage fills and casts, each expression on one line."""
    casts = [way for cast in stage.cast.values() for way in (cast.up, cast.down) if way is not None]
    return [_line(text) for each in (*stage.fill.values(), *casts) for text in each.on(dialect)]


def _line(text: str) -> str:
    return " ".join(text.split()).rstrip("; ")


def words_of(texts: Iterable[str]) -> set[str]:
    """The words in SQL, in small letters."""
    return {word for text in texts for word in re.findall(r"\w+", text.lower())}


def computed(schema: Schema, keys: Iterable[str]) -> set[str]:
    """Columns of these tables whose values the server computes, so that they may change with others."""
    return {
        f"{key}.{name}"
        for key in keys
        if key in schema.tables
        for name, column in schema.tables[key].columns.items()
        if column.computed is not None
    }
