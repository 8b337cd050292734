"""Alembic's own operations for a table's columns, where they do what the stage says on every server of the history."""

from __future__ import annotations

from sqlstrata.diff import columns, constraints
from sqlstrata.diff.changes import Changes, widens
from sqlstrata.diff.constraints import on
from sqlstrata.diff.order import Draft, Phase
from sqlstrata.diff.words import words
from sqlstrata.schema.values import Column
from sqlstrata.source import Call, Source, flat, quoted


def draft_columns(draft: Draft, changes: Changes) -> bool:
    """Draft ADD, DROP and ALTER COLUMN, if these are right for all columns; else draft nothing and give False."""
    servers = draft.hints.servers
    if any(draft.hints.name(changes.new.key, column.name) in draft.hints.fill for column in changes.added):
        return False
    if "sqlite" in servers and not (_sqlite_adds(changes) and _sqlite_drops(changes)):
        return False
    if any(column.counted or column.checks for column in changes.added):
        return False
    altered = [_alteration(draft, changes, *each) for each in changes.changed]
    if None in altered:
        return False
    gone = sorted(changes.removed, key=lambda column: column.computed is None)  # what is computed of another goes first
    made = [on("op.drop_column", changes.new, quoted(column.name)) for column in gone]
    made += [on("op.add_column", changes.new, column.source) for column in changes.added]
    for operation in (*made, *filter(None, altered)):
        draft.do(Phase.TABLES_CHANGED, operation)
    return True


# ------------------------------------------------------------------------------ ALTER COLUMN


def _alteration(draft: Draft, changes: Changes, old: Column, new: Column) -> Call | None:
    """ALTER COLUMN for another type or for NULL; None where more than that changes, or another server needs more.

    SQLite has no ALTER COLUMN, and MariaDB's says all of the column again.
    """
    name = draft.hints.name(changes.new.key, new.name)
    if draft.hints.servers != ("postgresql",) or name in draft.hints.fill or name in draft.hints.cast:
        return None
    if old.counted or new.counted or old.rest[1:] != new.rest[1:] or _without_null(old) != _without_null(new):
        return None
    type_ = None if flat(old.rest[0]) == flat(new.rest[0]) else new.rest[0]
    if type_ is not None and (old.default is not None or not widens(old, new) or new.labels):
        return None
    if type_ is not None and new.name in changes.of_another_kind:  # checks and indexes keep what it was
        return None
    keywords: list[tuple[str, Source]] = [("existing_type", old.rest[0])]
    if type_ is not None:
        keywords.append(("type_", type_))
    if old.nullable != new.nullable:
        keywords.append(("nullable", quoted(new.nullable)))
    if old.comment != new.comment:
        keywords += [("comment", quoted(new.comment)), ("existing_comment", quoted(old.comment))]
    made = on("op.alter_column", changes.new, quoted(new.name))
    return Call(made.function, made.arguments, (*keywords, *made.keywords))


def _without_null(column: Column) -> list[tuple[str, str]]:
    return [(name, flat(value)) for name, value in column.keywords if name not in {"nullable", "comment"}]


# ------------------------------------------------------------------------------------ SQLite


def _sqlite_adds(changes: Changes) -> bool:
    return all(_addable(changes, column) for column in changes.added)


def _addable(changes: Changes, column: Column) -> bool:
    """What SQLite's ADD COLUMN can: no key, no check, no generated value, a default that is a constant."""
    if column.computed is not None or len(column.rest) > 1:
        return False
    if any(column.name in each.columns for each in changes.new.constraints):
        return False
    return column.nullable if column.default is None else columns.is_constant(column)


def _sqlite_drops(changes: Changes) -> bool:
    return all(_droppable(changes, column) for column in changes.removed)


def _droppable(changes: Changes, column: Column) -> bool:
    """What SQLite's DROP COLUMN can: nothing else in the table may name the column."""
    old, name = changes.old, column.name
    named = any(name in each.columns or name in constraints.words_of(each) for each in old.constraints)
    computed = any(each.computed is not None and name in words(flat(each.computed)) for each in old.columns.values())
    return not named and not computed and not column.checks and column.computed is None
