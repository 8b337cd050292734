"""A table as a revision describes it: SQLAlchemy's own columns and constraints, before and after the change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations

from . import private_names
from .registry import Writer, operation

Element = sa.Column[Any] | sa.Constraint | sa.Index
Text = str | sa.ColumnClause[object]


@dataclass(frozen=True)
class Added:
    """A new column, constraint or index; `fill` gives its value in existing rows."""

    element: Element
    fill: Text | None = None


@dataclass(frozen=True)
class Changed:
    """A column or constraint that replaces another; `cast` converts the old value, `fill` replaces NULL."""

    element: Element
    was: Element
    cast: Text | None = None
    fill: Text | None = None


@dataclass(frozen=True)
class Removed:
    """A column or constraint to drop."""

    element: Element


Mark = Added | Changed | Removed


@operation
def added(operations: Operations, element: Element, fill: Text | None = None) -> Added:
    """Mark an element as new."""
    return Added(element, fill)


@operation
def changed(
    operations: Operations, element: Element, was: Element, cast: Text | None = None, fill: Text | None = None
) -> Changed:
    """Mark an element that replaces another."""
    return Changed(element, was, cast, fill)


@operation
def removed(operations: Operations, element: Element) -> Removed:
    """Mark an element to drop."""
    return Removed(element)


@dataclass(frozen=True)
class Change:
    """One table before and after a change, and the differences."""

    before: sa.Table
    after: sa.Table
    marks: tuple[Mark, ...]

    @property
    def name(self) -> str:
        return self.after.name

    @property
    def schema(self) -> str | None:
        return self.after.schema

    def added(self) -> Iterator[Added]:
        return (mark for mark in self.marks if isinstance(mark, Added))

    def changed(self) -> Iterator[Changed]:
        return (mark for mark in self.marks if isinstance(mark, Changed))

    def removed(self) -> Iterator[Removed]:
        return (mark for mark in self.marks if isinstance(mark, Removed))


class Altered:
    """A table that is changed with ALTER TABLE."""

    def __init__(self, writer: Writer, change: Change) -> None:
        self.writer, self.change = writer, change
        self.where = writer.table(change.name, change.schema)

    def alter(self, clauses: str) -> None:
        self.writer.run(f"ALTER TABLE {self.where} {clauses}")


def read(
    name: str,
    elements: Iterable[Element | Mark],
    schema: str | None,
    options: Mapping[str, Any],
    was: Mapping[str, Any],
) -> Change:
    """The whole table after the change, and the differing part of the table before it.

    An element belongs to one table only, so the table before has the changed and removed elements, and the primary key.
    """
    given = list(elements)
    marks = tuple(each for each in given if isinstance(each, Added | Changed | Removed))
    new = [each.element if isinstance(each, Added | Changed) else each for each in given]
    after = define(name, [each for each in new if not isinstance(each, Removed)], schema, options)
    old: list[Element] = [_old(each) for each in marks if not isinstance(each, Added)]
    if not any(isinstance(each.element, sa.PrimaryKeyConstraint) for each in marks):
        old.append(sa.PrimaryKeyConstraint(*after.primary_key.columns.keys()))
    before = {key: value for key, value in {**options, **was}.items() if value is not None}
    return Change(define(name, old, schema, before, after.columns.keys()), after, marks)


def _old(mark: Changed | Removed) -> Element:
    return mark.was if isinstance(mark, Changed) else mark.element


def define(
    name: str,
    elements: Iterable[Element],
    schema: str | None = None,
    options: Mapping[str, Any] | None = None,
    others: Iterable[str] = (),
) -> sa.Table:
    """The table, in a MetaData of its own, with stand-ins for columns and tables that only its keys name.

    `others` are further columns.
    """
    given = list(elements)
    metadata = sa.MetaData()
    columns = {each.name: each for each in given if isinstance(each, sa.Column)}
    for used in (*others, *(used for each in given for used in _columns_of(each))):
        columns.setdefault(used, sa.Column(used, sa.Integer()))
    leave_nullable_open(columns.values())
    constraints = [each for each in given if not isinstance(each, sa.Column)]
    table = sa.Table(name, metadata, *columns.values(), *constraints, schema=schema, **(options or {}))
    for key in table.foreign_keys:
        _stand_in(metadata, key.target_fullname)
    return table


def leave_nullable_open(columns: Iterable[sa.Column[Any]]) -> None:
    """Make computed columns as `Mapped[int]` does: without NOT NULL on MariaDB, which does not allow it."""
    for column in columns:
        if column.computed is not None:
            private_names.leave_nullable_open(column)


def _columns_of(element: Element) -> tuple[str, ...]:
    """The columns that a constraint names before it has a table."""
    if isinstance(element, sa.ForeignKeyConstraint):
        return tuple(element.column_keys)
    given = (each for each in private_names.named_columns(element) if isinstance(each, str | sa.Column))
    return tuple(each if isinstance(each, str) else each.name for each in given)


def _stand_in(metadata: sa.MetaData, target: str) -> None:
    path, _, column = target.rpartition(".")
    schema, _, name = path.rpartition(".")
    table = metadata.tables.get(path)
    if table is None:
        sa.Table(name, metadata, sa.Column(column, sa.types.NullType()), schema=schema or None)
    elif column not in table.c:
        table.append_column(sa.Column(column, sa.types.NullType()))
