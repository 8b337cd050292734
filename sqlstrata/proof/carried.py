"""The rows that a proof carries through a history: what is held, and what must still be there afterwards.

Only tables that a revision can have touched are read again; of the others it is known what they hold.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

import sqlalchemy as sa

from sqlstrata.plan import Stage
from sqlstrata.schema.values import Schema
from sqlstrata.snapshot import Difference, Rows, rows

_Table = tuple[Mapping[str, object], ...]


class Carried:
    """The rows of all tables, as far as they have been read, now and as they were before the stage."""

    def __init__(self) -> None:
        self.rows: dict[str, _Table] = {}
        self._before: dict[str, _Table | None] = {}

    def begin(self) -> None:
        """Take what there is now for what was before the stage."""
        self._before = {}

    def read(self, connection: sa.Connection, schema: Schema, names: Collection[str], schemas: Sequence[str]) -> None:
        """Read the tables of these names that the schema has; those that it has not are gone."""
        found = rows(connection, [name for name in names if name in schema.tables], schemas)
        for name in names:
            if name in self.rows or name in found:
                self._before.setdefault(name, self.rows.get(name))
        for name in names:
            self.rows.pop(name, None)
        self.rows |= found

    def held(self, names: Collection[str]) -> Rows:
        """What the tables of these names hold."""
        return {name: self.rows[name] for name in names if name in self.rows}

    def before(self) -> Rows:
        """What the tables that were read since held before the stage."""
        return {name: found for name, found in self._before.items() if found is not None}


def lost(stage: Stage, held: Rows, found: Rows, renames: Mapping[str, str], free: Iterable[str]) -> Difference | None:
    """The first table that has not every row that was held, with the values of all columns that are on both sides.

    But for what the stage says that it drops, casts or fills, and for the tables and columns in `free`.
    """
    free = {*stage.drop, *stage.cast, *stage.fill, *free}
    for name, before in held.items():
        there = found.get(renames.get(name, name))
        if there is None or name in free:
            continue
        missing = _missing(name, before, there, free, renames)
        if missing:
            example = ", ".join(f"{key} = {value!r}" for key, value in missing[0].items())
            return Difference(name, "rows", f"{len(missing)} of {len(before)} rows, for example {example}", None)
    return None


def _missing(
    name: str, before: _Table, after: _Table, free: Collection[str], renames: Mapping[str, str]
) -> list[Mapping[str, object]]:
    names = {each: renames.get(f"{name}.{each}", each) for each in (before[0] if before else ())}
    there = after[0] if after else set(names.values())
    columns = {old: new for old, new in names.items() if f"{name}.{old}" not in free and new in there}
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
    """Columns of these tables whose values the stage gives another form: of another type, or computed."""
    found = computed(before, keys)
    for key in keys:
        table, there = before.tables.get(key), after.tables.get(renames.get(key, key))
        if table is None or there is None:
            continue
        for name, column in table.columns.items():
            other = there.columns.get(renames.get(f"{key}.{name}", name))
            if other is None or column.types[dialect] != other.types[dialect]:
                found.add(f"{key}.{name}")
    return found


def told_otherwise(stage: Stage, dialect: str, *schemas: Schema) -> set[str]:
    """Tables whose rows the stage's own SQL may change: those that it names, and those that point at these.

    All of them where triggers of the models may carry a change on to any table.
    """
    texts = [*stage.upgrade.on(dialect), *stage.downgrade_sql.on(dialect)]
    if not texts:
        return set()
    pointing = {key: table.targets() for schema in schemas for key, table in schema.tables.items()}
    if any(schema.statements for schema in schemas):
        return set(pointing)
    words = {word for text in texts for word in _words(text)}
    found = {key for key in pointing if words.issuperset(_words(key.rpartition(".")[2]))}
    found |= {old for old, new in stage.rename.items() if new in found}
    while near := {key for key, targets in pointing.items() if targets & found} - found:
        found |= near
    return found


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


def computed(schema: Schema, keys: Iterable[str]) -> set[str]:
    """Columns of these tables whose values the server makes of others, so that they may change with those."""
    tables = {key: schema.tables[key] for key in keys if key in schema.tables}
    return {
        f"{key}.{name}"
        for key, table in tables.items()
        for name, column in table.columns.items()
        if column.computed is not None
    }
