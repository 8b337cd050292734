"""What a stage's `data` sees: new columns filled, and the tables and columns that the stage drops still there.

So where `data` reads or writes what goes, there is a schema between the two of the stage, which has all of them. On the
way up it is made first, and what goes is dropped after `data`; on the way down what comes back is made before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqlstrata.diff.diff import diff
from sqlstrata.diff.hints import Hints, words_of
from sqlstrata.diff.order import Migration
from sqlstrata.plan import Sql
from sqlstrata.schema.values import Column, Schema, Table


def around(migration: Migration, sql: Sql, before: Schema, after: Schema, hints: Hints) -> Migration:
    """The migration with its operations on both sides of the stage's `data`, where that reads what goes or comes back.

    `before` and `after` are the schemas of the stage, whichever the direction of the migration; `hints` its hints.
    """
    renamed = Hints(rename=hints.rename, known=hints.known)
    between = _between(before, after, renamed)
    going = {name.rpartition(".")[2] for name in _names(between) - _names(after)}
    if not words_of(sql, hints.servers) & going:
        return migration
    plain = Hints(up=False, servers=hints.servers)
    if hints.up:
        first, last = diff(before, between, hints), diff(between, after, plain)
        return replace(migration, operations=first.operations, beyond_data=last.operations)
    first, last = diff(after, between, plain), diff(between, before, hints)
    return replace(migration, operations=last.operations, beyond_data=first.operations)


def _names(schema: Schema) -> set[str]:
    """The schema's tables, and its columns with their tables."""
    return {*schema.tables, *(f"{key}.{name}" for key, table in schema.tables.items() for name in table.columns)}


def _between(before: Schema, after: Schema, renamed: Hints) -> Schema:
    """The schema after the stage, with what it drops: columns may be NULL there, and keys over them are gone."""
    tables: dict[str, Table] = dict(after.tables)
    for key, table in before.tables.items():
        to = renamed.tables.get(key, key)
        if to in after.tables:
            tables[to] = _with_columns(after.tables[to], table, renamed.columns.get(key, {}))
        else:
            tables[to] = table.renamed(renamed.tables, renamed.columns)
    enums = {key: enum for key, enum in before.enums.items() if key not in after.enums}
    sequences = {key: each for key, each in before.sequences.items() if key not in after.sequences}
    return replace(after, tables=tables, enums={**enums, **after.enums}, sequences={**sequences, **after.sequences})


def _with_columns(table: Table, before: Table, names: Mapping[str, str]) -> Table:
    """The table with the columns that it had before, but for those that the server works out."""
    kept = {names.get(name, name): column for name, column in before.columns.items()}
    gone = {
        name: _nullable(column.renamed(names))
        for name, column in kept.items()
        if name not in table.columns and column.computed is None and not column.counted
    }
    return replace(table, columns={**table.columns, **gone}) if gone else table


def _nullable(column: Column) -> Column:
    keywords = tuple((name, "True" if name == "nullable" else value) for name, value in column.keywords)
    ddl = {name: text if text is None else text.replace(" NOT NULL", "") for name, text in column.ddl.items()}
    return replace(column, keywords=keywords, ddl=ddl, nullable=True, checks=False, rest=column.rest[:1])
