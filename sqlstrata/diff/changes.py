"""One table before and after a stage."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from sqlstrata.diff.constraints import pairs
from sqlstrata.schema.values import Column, Constraint, Table, equal


@dataclass(frozen=True)
class Changes:
    """The columns of one table, before and after."""

    before: Table
    """The table before the stage."""
    old: Table
    """The same after its renames."""
    new: Table
    named: dict[str, str]
    """Each renamed column's name before the stage."""

    @cached_property
    def added(self) -> list[Column]:
        return [column for name, column in self.new.columns.items() if name not in self.old.columns]

    @cached_property
    def removed(self) -> list[Column]:
        return [column for name, column in self.old.columns.items() if name not in self.new.columns]

    @cached_property
    def changed(self) -> list[tuple[Column, Column]]:
        both = [
            (self.old.columns[name], column) for name, column in self.new.columns.items() if name in self.old.columns
        ]
        return [(old, new) for old, new in both if not equal(old, new)]

    @cached_property
    def fresh(self) -> set[str]:
        """Columns whose values are not yet there, or other ones, before the stage."""
        retyped = {new.name for old, new in self.changed if old.types != new.types or old.computed != new.computed}
        return {column.name for column in self.added} | retyped

    @cached_property
    def of_another_kind(self) -> set[str]:
        """Columns that get another type on PostgreSQL, and not only another length."""
        return {new.name for old, new in self.changed if _kind(old) != _kind(new)}

    @cached_property
    def kept_keys(self) -> list[Constraint]:
        """Foreign keys that stay as they are."""
        both = pairs(self.old.foreign_keys(), self.new.foreign_keys())
        return [new for old, new in both if old is not None and new is not None and equal(old, new)]

    def name_before(self, name: str) -> str:
        return self.named.get(name, name)

    @cached_property
    def text_names(self) -> dict[str, str]:
        """In SQL that a stage gives: the new names of its renamed columns."""
        return {old: new for new, old in self.named.items()}


def _kind(column: Column) -> str:
    return re.sub(r"\([^)]*\)", "", column.types.get("postgresql") or "")
