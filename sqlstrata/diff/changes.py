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
        retyped = {
            new.name
            for old, new in self.changed
            if (old.types != new.types and not widens(old, new)) or old.computed != new.computed
        }
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


def widens(old: Column, new: Column) -> bool:
    """Whether every value of the old type is one of the new, as it stands, on every server."""
    if old.kinds != new.kinds or not set(old.labels) <= set(new.labels):
        return False
    kinds = set(old.kinds.values())
    if kinds == {"string"}:
        return all(_length(old.types[each]) <= _length(new.types[each]) for each in new.types)
    if kinds == {"integer"}:
        return all(_size(old.types[each]) <= _size(new.types[each]) for each in new.types)
    return kinds == {"enum"} and bool(new.labels)


def _length(type_: str | None) -> float:
    digits = "".join(each for each in (type_ or "").partition("(")[2] if each.isdigit())
    return float(digits) if digits else float("inf")


_SIZES = ("TINYINT", "BOOL", "SMALLINT", "MEDIUMINT", "INT", "INTEGER", "SERIAL", "BIGINT", "BIGSERIAL")


def _size(type_: str | None) -> int:
    name = (type_ or "").split("(")[0].split()[0] if type_ else ""
    unsigned = "UNSIGNED" in (type_ or "").upper()
    return -1 if name not in _SIZES or unsigned else _SIZES.index(name)
