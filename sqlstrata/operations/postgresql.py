"""op.change_table on PostgreSQL: one ALTER TABLE for each change, in one transaction."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.schema import AddConstraint, CreateIndex

from .conversion import on_postgresql
from .definition import Added, Altered, Change, Changed, Removed, Text
from .postgresql_constraints import Constraints
from .postgresql_counters import Counters
from .private_names import order_of, prefixes
from .registry import Writer, expression
from .updates import update


def change(writer: Writer, change: Change) -> None:
    """Drop constraints, change columns, add constraints, change options."""
    table = _Table(writer, change)
    for mark in change.marks:
        if isinstance(mark, Changed | Removed) and isinstance(mark.element, sa.Constraint):
            table.constraints.drop(mark)
    _columns(table)
    for mark in change.marks:
        if isinstance(mark, Added | Changed) and isinstance(mark.element, sa.Constraint):
            table.constraints.add(mark)
    table.options()


def _columns(table: _Table) -> None:
    """Change and add columns, then drop some; what depends on their types is dropped meanwhile.

    Generated columns go first and come last, for they depend on the others.
    """
    generated = table.generated_of(table.retyped())
    checks = table.checks_of(generated)
    for constraint in checks:
        table.alter(f"DROP CONSTRAINT {table.constraints.name_of(constraint)}")
    gone = [removed.element for removed in table.change.removed() if isinstance(removed.element, sa.Column)]
    remade = table.remade()
    for column in [*(each for each in gone if each.computed is not None), *generated, *remade]:
        table.drop(column)
    table.stop_generating()
    marks = [mark for mark in table.change.marks if isinstance(mark.element, sa.Column) and mark.element not in remade]
    for mark in sorted(marks, key=_is_new_and_generated):
        table.column(mark)
    for column in remade:
        table.add_again(column)
    for column in generated:
        table.make_again(column)
    for constraint in checks:
        table.alter(f"ADD {table.writer.clause(constraint)}")
        table.constraints.comment_on(constraint)
    for column in gone:
        if column.computed is None:
            table.drop(column)


def _is_new_and_generated(mark: Added | Changed | Removed) -> bool:
    return isinstance(mark, Added) and isinstance(mark.element, sa.Column) and mark.element.computed is not None


class _Table(Altered):
    def __init__(self, writer: Writer, change: Change) -> None:
        super().__init__(writer, change)
        self.constraints, self.counters = Constraints(writer, change), Counters(writer, change)

    # -------------------------------------------------------------------- columns

    def column(self, mark: Added | Changed | Removed) -> None:
        if isinstance(mark, Added):
            self._add(mark)
        elif isinstance(mark, Changed):
            self._alter(mark)

    def _add(self, mark: Added) -> None:
        column = mark.element
        assert isinstance(column, sa.Column)
        name = self.writer.name(column.name)
        text = self.writer.column(column)
        if mark.fill is None:
            self.alter(f"ADD COLUMN {text}")
        else:
            self.alter(f"ADD COLUMN {_nullable(self.writer, column)}")
            self._fill(column.name, mark.fill)
            if not column.nullable:
                self.alter(f"ALTER COLUMN {name} SET NOT NULL")
        self._comment(column)

    def _fill(self, name: str, fill: Text, condition: str = "") -> None:
        update(self.writer, self.change.name, self.change.schema, {name: expression(self.writer, fill)}, condition)

    def _comment(self, column: sa.Column[Any]) -> None:
        if column.comment is not None:
            name = f"{self.where}.{self.writer.name(column.name)}"
            self.writer.run(f"COMMENT ON COLUMN {name} IS {self.writer.value(column.comment)}")

    def _alter(self, mark: Changed) -> None:
        old, new = mark.was, mark.element
        assert isinstance(old, sa.Column)
        assert isinstance(new, sa.Column)
        name = self.writer.name(new.name)
        self._checks(old, new, drop=True)
        self._value(mark, old, new)
        self._checks(old, new, drop=False)
        if old.comment != new.comment:
            text = "NULL" if new.comment is None else self.writer.value(new.comment)
            self.writer.run(f"COMMENT ON COLUMN {self.where}.{name} IS {text}")

    def remade(self) -> list[sa.Column[Any]]:
        """Changed columns that are generated afterwards, in another way: PostgreSQL can only drop and add them."""
        return [
            new
            for old, new in self._pairs()
            if new.computed is not None
            and (_generated(self.writer, old), self.writer.type(old))
            != (_generated(self.writer, new), self.writer.type(new))
        ]

    def stop_generating(self) -> None:
        """Make plain columns of generated ones; their values stay."""
        for old, new in self._pairs():
            if old.computed is not None and new.computed is None:
                self.alter(f"ALTER COLUMN {self.writer.name(new.name)} DROP EXPRESSION")

    def checks_of(self, generated: list[sa.Column[Any]]) -> list[sa.Constraint]:
        """Unchanged checks that use a column whose type changes.

        PostgreSQL stores a check as parsed (`x = ANY (ARRAY[1, 2])`, of integers), and would keep that, or find no
        operator for it. Those of `generated` columns are dropped with them.
        """
        retyped = {new.name: (old, new) for old, new in self._pairs() if self._kind(old) != self._kind(new)}
        marks = {mark.element.name: mark for mark in self.change.marks if isinstance(mark.element, sa.Column)}
        fresh = {id(mark.element) for mark in self.change.marks}
        found = [each for each in self.change.after.constraints if id(each) not in fresh]
        for column in self.change.after.columns if retyped else ():
            mark = marks.get(column.name)
            was = mark.was if isinstance(mark, Changed) else column if mark is None else None
            kept = {self.constraints.text(each) for each in was.constraints} if isinstance(was, sa.Column) else set()
            found += [each for each in column.constraints if self.constraints.text(each) in kept]
        return [
            each
            for each in sorted(found, key=order_of)
            if isinstance(each, sa.CheckConstraint)
            and (text := self.constraints.text(each)) is not None
            and _names(text, retyped)
            and not _names(text, [column.name for column in generated])
        ]

    def _pairs(self) -> list[tuple[sa.Column[Any], sa.Column[Any]]]:
        """Changed columns, before and after."""
        pairs = [(mark.was, mark.element) for mark in self.change.changed()]
        return [(old, new) for old, new in pairs if isinstance(old, sa.Column) and isinstance(new, sa.Column)]

    def _kind(self, column: sa.Column[Any]) -> str:
        """The column's type without its length."""
        return re.sub(r"\([^)]*\)", "", self.writer.type(column))

    def generated_of(self, retyped: set[str]) -> list[sa.Column[Any]]:
        """Unchanged generated columns that use a column whose type changes."""
        marked = {mark.element.name for mark in self.change.marks if isinstance(mark.element, sa.Column)}
        return [
            column
            for column in self.change.after.columns
            if column.computed is not None
            and column.name not in marked
            and _names(_generated(self.writer, column) or "", retyped)
        ]

    def retyped(self) -> set[str]:
        """Columns whose type changes."""
        return {new.name for old, new in self._pairs() if self.writer.type(old) != self.writer.type(new)}

    def drop(self, column: sa.Column[Any]) -> None:
        self.alter(f"DROP COLUMN {self.writer.name(column.name)}")

    def make_again(self, column: sa.Column[Any]) -> None:
        """Add a generated column that was dropped, with its indexes."""
        self.add_again(column)
        for index in sorted(self.change.after.indexes, key=lambda index: str(index.name)):
            if column.name in {each.name for each in index.columns}:
                self.writer.run(self.writer.compile(CreateIndex(index)))

    def add_again(self, column: sa.Column[Any]) -> None:
        """Add a column that was dropped, with its constraints that are not added anyway."""
        self.alter(f"ADD COLUMN {self.writer.column(column)}")
        self._comment(column)
        fresh = {id(mark.element) for mark in self.change.marks if isinstance(mark, Added | Changed)}
        for constraint in self.change.after.constraints:
            if isinstance(constraint, sa.ForeignKeyConstraint) or id(constraint) in fresh:
                continue
            text = self.constraints.text(constraint)
            words = re.findall(r"\w+", text or "") if isinstance(constraint, sa.CheckConstraint) else ()
            named = {each.name for each in getattr(constraint, "columns", ())} | set(words)
            if text is not None and column.name in named:
                self.writer.run(self.writer.compile(AddConstraint(constraint)))

    def _value(self, mark: Changed, old: sa.Column[Any], new: sa.Column[Any]) -> None:
        """Change type, nullability, default and counter; the default is dropped before, and set after."""
        name = self.writer.name(new.name)
        types = self.writer.type(old), self.writer.type(new)
        retyped = types[0] != types[1] or (mark.cast is not None and not _has_enum(new))
        defaults = self.writer.default(old), self.writer.default(new)
        another_default = retyped or defaults[0] != defaults[1]
        self.counters.stop(old, new)
        if defaults[0] is not None and another_default:
            self.alter(f"ALTER COLUMN {name} DROP DEFAULT")
        if retyped:
            self._retype(mark, old, new, types[1])
        if mark.fill is not None:
            self._fill(new.name, mark.fill, f"{name} IS NULL")
        if old.nullable != new.nullable:
            self.alter(f"ALTER COLUMN {name} {'DROP' if new.nullable else 'SET'} NOT NULL")
        if defaults[1] is not None and another_default:
            self.alter(f"ALTER COLUMN {name} SET DEFAULT {defaults[1]}")
        self.counters.start(old, new, types[1])

    def _retype(self, mark: Changed, old: sa.Column[Any], new: sa.Column[Any], type_: str) -> None:
        name = self.writer.name(new.name)
        if mark.cast is not None:
            using = expression(self.writer, mark.cast)
        else:
            using = on_postgresql(name, old, new, type_.partition(" COLLATE ")[0])
        self.alter(f"ALTER COLUMN {name} TYPE {type_} USING {using}")

    def _checks(self, old: sa.Column[Any], new: sa.Column[Any], *, drop: bool) -> None:
        """Drop or add the CHECKs of the column itself."""
        here = {self.constraints.text(each): each for each in (old if drop else new).constraints}
        there = {self.constraints.text(each) for each in (new if drop else old).constraints}
        for text, constraint in here.items():
            if text not in there:
                self.alter(f"DROP CONSTRAINT {self.constraints.name_of(constraint)}" if drop else f"ADD {text}")

    # -------------------------------------------------------------------- options

    def options(self) -> None:
        """UNLOGGED, storage parameters, tablespace."""
        before, after = self.change.before, self.change.after
        unlogged = ["UNLOGGED" in map(str.upper, prefixes(table)) for table in (before, after)]
        if unlogged[0] != unlogged[1]:
            self.alter(f"SET {'UNLOGGED' if unlogged[1] else 'LOGGED'}")
        old, new = (dict(table.kwargs.get("postgresql_with") or {}) for table in (before, after))
        if gone := [key for key in old if key not in new]:
            self.alter(f"RESET ({', '.join(gone)})")
        if fresh := [f"{key} = {value}" for key, value in new.items() if old.get(key) != value]:
            self.alter(f"SET ({', '.join(fresh)})")
        spaces = [table.kwargs.get("postgresql_tablespace") for table in (before, after)]
        if spaces[0] != spaces[1]:
            self.alter(f"SET TABLESPACE {self.writer.name(spaces[1] or 'pg_default')}")


def _names(text: str, columns: Iterable[str]) -> bool:
    """Whether the SQL names one of the columns."""
    return any(re.search(rf"\b{re.escape(name)}\b", text) for name in columns)


def _generated(writer: Writer, column: sa.Column[Any]) -> str | None:
    return None if column.computed is None else writer.clause(column.computed)


def _has_enum(column: sa.Column[Any]) -> bool:
    """Whether the column's type is an enum: where its name stays, op.change_enum has converted the values."""
    element = getattr(column.type, "item_type", column.type)
    return isinstance(element, sa.Enum) and element.native_enum


def _nullable(writer: Writer, column: sa.Column[Any]) -> str:
    """The column's text, nullable until its rows are filled."""
    return writer.column(column).replace(" NOT NULL", "", 1) if not column.nullable else writer.column(column)
