"""op.change_table on MariaDB: one ALTER TABLE with all clauses, because each DDL statement commits and is atomic.

MODIFY needs the whole column: default, comment and nullability are lost if they are not repeated.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from .conversion import on_mariadb
from .definition import Added, Altered, Change, Changed, Removed
from .registry import MigrationStopped, Writer, expression
from .updates import Columns, columns_of, set_on_update, update


def change(writer: Writer, change: Change) -> None:
    """Convert types, add columns and fill them, fill NULLs that are to be forbidden, then alter all else at once.

    Checks and unique keys to drop would apply to converted and filled values: then they are dropped first. Columns are
    dropped, and keys added, when all values are there.
    """
    table = _Table(writer, change)
    off = [clause for mark in change.marks for clause in table.rules_off(mark)]
    clauses = [clause for mark in _in_order(change) for clause in table.clauses(mark) if clause not in off]
    clauses += [*table.recoded(), *table.options()]
    casts, fills = [mark for mark in change.changed() if table.crossing(mark) is not None], table.fills()
    there = columns_of(writer, table.where) if casts or fills else []
    if casts:
        table.cast(casts, off, there)
        off = []
    early = [*off, *table.open_columns()]
    if early and fills:
        table.alter(", ".join(early))
        off = []
    table.fill(fills, there)
    if off or clauses:
        table.alter(", ".join([*off, *clauses]))


def _in_order(change: Change) -> Iterator[Added | Changed | Removed]:
    """Removed constraints, then columns, then new constraints."""
    kinds = (
        [mark for mark in change.marks if isinstance(mark, Removed) and not isinstance(mark.element, sa.Column)],
        [mark for mark in change.marks if isinstance(mark.element, sa.Column)],
        [mark for mark in change.marks if not isinstance(mark, Removed) and not isinstance(mark.element, sa.Column)],
    )
    return (mark for kind in kinds for mark in kind)


class _Table(Altered):
    def clauses(self, mark: Added | Changed | Removed) -> Iterator[str]:
        """The clauses of ALTER TABLE for one mark."""
        match mark.element:
            case sa.Column():
                yield from self._column(mark, mark.element)
            case sa.ForeignKeyConstraint():
                return
            case sa.Constraint():
                yield from self._constraint(mark, mark.element)

    # -------------------------------------------------------------------- columns

    def _column(self, mark: Added | Changed | Removed, column: sa.Column[Any]) -> Iterator[str]:
        name, text = self.writer.name(column.name), self.writer.column(column)
        if isinstance(mark, Removed):
            yield f"DROP COLUMN {name}"
        elif isinstance(mark, Added):
            if mark.fill is None:
                yield f"ADD COLUMN {text}"
            elif not column.nullable:
                yield f"MODIFY COLUMN {text}"
        else:
            assert isinstance(mark.was, sa.Column)
            old = self.writer.column(mark.was)
            if self.crossing(mark) is not None:
                return
            if column.computed is not None and old != text:
                yield f"DROP COLUMN {name}"
                yield f"ADD COLUMN {text}"
            elif old != text or mark.was.comment != column.comment:
                yield f"MODIFY COLUMN {text}"

    def open_columns(self) -> Iterator[str]:
        """The clauses that add the columns to fill, which may be NULL until they are."""
        for mark in self.change.added():
            if isinstance(mark.element, sa.Column) and mark.fill is not None:
                yield f"ADD COLUMN {_open(self.writer.column(mark.element))}"

    def fills(self) -> list[Added | Changed]:
        """The marks of columns to fill; those that are converted are filled with that."""
        changed = [mark for mark in self.change.changed() if self.crossing(mark) is None]
        marks: list[Added | Changed] = [*self.change.added(), *changed]
        return [mark for mark in marks if isinstance(mark.element, sa.Column) and mark.fill is not None]

    def fill(self, marks: Iterable[Added | Changed], there: Columns) -> None:
        """Fill new columns, and NULLs that are about to be forbidden."""
        for mark in marks:
            assert mark.fill is not None
            name, value = str(mark.element.name), expression(self.writer, mark.fill)
            condition = f"{self.writer.name(name)} IS NULL" if isinstance(mark, Changed) else ""
            self._set([name], [value], there, condition)

    def crossing(self, mark: Changed) -> str | None:
        """The expression that converts values, where MODIFY alone would be wrong."""
        if not isinstance(mark.was, sa.Column) or not isinstance(mark.element, sa.Column):
            return None
        if mark.cast is not None:
            value: str | None = expression(self.writer, mark.cast)
        else:
            value = on_mariadb(
                self.writer.name(mark.element.name), mark.was, mark.element, native_uuid=self.writer.native_uuid
            )
        if value is None or mark.fill is None:
            return value
        return f"coalesce({value}, {expression(self.writer, mark.fill)})"

    def cast(self, marks: Sequence[Changed], off: Sequence[str], there: Columns) -> None:
        """Convert types by way of temporary columns, after dropping `off`; `there` are the columns before.

        A primary key, which cannot hold NULL, is dropped meanwhile.
        """
        new = [mark.element for mark in marks if isinstance(mark.element, sa.Column)]
        old = [self.writer.type(mark.was) for mark in marks if isinstance(mark.was, sa.Column)]
        plain, types = [each.name for each in new], list(map(self.writer.type, new))
        names = list(map(self.writer.name, plain))
        between = _free(there, len(names))
        key = self.change.before.primary_key
        keyed = any(each.name in key.columns for each in new)
        key_off, key_on = (["DROP PRIMARY KEY"], [f"ADD {self.writer.clause(key)}"]) if keyed else ([], [])
        self.alter(", ".join([*off, *_nullable("ADD", between, types)]))
        self._set(between, map(self.crossing, marks), there)
        self.alter(", ".join([*key_off, *_nullable("MODIFY", names, old)]))
        self._set(plain, ["NULL"] * len(plain), there)
        if _NEEDS_TEXT & {type_.upper() for type_ in (*types, *old)}:
            self.alter(", ".join(_nullable("MODIFY", names, ["VARCHAR(1)"] * len(names))))
        self.alter(", ".join(_nullable("MODIFY", names, types)))
        self._set(plain, between, there)
        closed = [f"MODIFY COLUMN {self.writer.column(each)}" for each in new]
        self.alter(", ".join([*closed, *(f"DROP COLUMN {name}" for name in between), *key_on]))

    def _set(self, names: Iterable[str], values: Iterable[str | None], there: Columns, condition: str = "") -> None:
        texts = {name: str(value) for name, value in zip(names, values, strict=True)}
        update(self.writer, self.change.name, self.change.schema, texts, condition, set_on_update(there))

    # ---------------------------------------------------------------- constraints

    def rules_off(self, mark: Added | Changed | Removed) -> Iterator[str]:
        """The clauses that drop a removed or changed check or unique key."""
        if isinstance(mark.element, sa.CheckConstraint | sa.UniqueConstraint):
            yield from (clause for clause in self._constraint(mark, mark.element) if clause.startswith("DROP "))

    def _constraint(self, mark: Added | Changed | Removed, constraint: sa.Constraint) -> Iterator[str]:
        old = mark.was if isinstance(mark, Changed) else constraint if isinstance(mark, Removed) else None
        new = None if isinstance(mark, Removed) else constraint
        before = self.writer.clause(old) if isinstance(old, sa.Constraint) else None
        after = self.writer.clause(new) if new is not None else None
        if before == after:
            return
        if before is not None:
            assert isinstance(old, sa.Constraint)
            yield f"DROP {self._name(old)}"
        if after is not None:
            yield f"ADD {after}"

    def _name(self, constraint: sa.Constraint) -> str:
        """The constraint, as it is written after DROP."""
        if isinstance(constraint, sa.PrimaryKeyConstraint):
            return "PRIMARY KEY"
        kind = "INDEX" if isinstance(constraint, sa.UniqueConstraint) else "CONSTRAINT"
        if constraint.name is not None:
            return f"{kind} {self.writer.dialect.identifier_preparer.format_constraint(constraint)}"
        name = self._unique(constraint) if isinstance(constraint, sa.UniqueConstraint) else self._check(constraint)
        return f"{kind} {self.writer.name(name)}"

    def _unique(self, constraint: sa.UniqueConstraint) -> str:
        """The name that the server gave to a nameless unique key: its first column's, perhaps with a number."""
        columns = [column.name for column in constraint.columns]
        if not self.writer.offline:
            for index in self.writer.indexes(self.change.name, self.change.schema):
                name = str(index["name"])
                if index["unique"] and index["column_names"] == columns and re.sub(r"_\d+$", "", name) == columns[0]:
                    return name
        return columns[0]

    def _check(self, constraint: sa.Constraint) -> str:
        """The name that the server gave to a nameless check, found by the text that the server makes of it."""
        if self.writer.offline:
            return "CONSTRAINT_1"
        copy = self.writer.name("_strata_definition")
        self.writer.run(f"CREATE TEMPORARY TABLE {copy} LIKE {self.where}")
        known = set(self._checks(copy))
        self.writer.run(f"ALTER TABLE {copy} ADD {self.writer.clause(constraint)}")
        wanted = next(text for name, text in self._checks(copy) if (name, text) not in known)
        self.writer.run(f"DROP TEMPORARY TABLE {copy}")
        for name, text in self._checks(self.where):
            if text == wanted and name.startswith("CONSTRAINT_"):
                return name
        raise MigrationStopped(f"Table {self.change.name} has no constraint {self.writer.clause(constraint)}.")

    def _checks(self, table: str) -> list[tuple[str, str]]:
        text = str(self.writer.fetch(f"SHOW CREATE TABLE {table}")[0][1])
        return re.findall(r"^\s*CONSTRAINT `([^`]+)` (CHECK .*?),?$", text, flags=re.MULTILINE)

    # -------------------------------------------------------------------- options

    def options(self) -> list[str]:
        """Engine, charset and the like, as in CREATE TABLE."""
        before, after = (self.writer.options(_bare(table)) for table in (self.change.before, self.change.after))
        if before == after:
            return []
        there = _names(self.change.after)
        gone = _names(self.change.before) - there
        resets = ["CHARACTER SET=DEFAULT"] if gone & _CODING and not there & _CODING else []
        resets += [f"{name.upper()}={_WITHOUT[name]}" for name in sorted(gone & _WITHOUT.keys())]
        if not after and not resets:
            raise MigrationStopped(f"The options of table {self.change.name} cannot be removed: {before}.")
        return [*resets, *filter(None, [after])]

    def recoded(self) -> Iterator[str]:
        """Text columns with the table's character set or collation, where that changes.

        MODIFY takes the one that the same ALTER TABLE gives; with CONVERT TO, columns with their own would lose it.
        """
        before, after = (_coding(table) for table in (self.change.before, self.change.after))
        marks = {mark.element.name: mark for mark in self.change.marks if isinstance(mark.element, sa.Column)}
        for column in self.change.after.columns if before != after else ():
            mark, text = marks.get(column.name), self.writer.column(column)
            was = mark.was if isinstance(mark, Changed) else column if mark is None else None
            same = isinstance(was, sa.Column) and self.writer.column(was) == text and was.comment == column.comment
            if same and column.computed is None and _TEXT.match(self.writer.type(column)):
                yield f"MODIFY COLUMN {text}"


_NEEDS_TEXT = {"UUID", "INET4", "INET6"}
"""Types that MODIFY converts from and to text alone, even where every value is NULL."""
_CODING = {"charset", "default_charset", "character_set", "default_character_set", "collate", "default_collate"}
_TEXT = re.compile(r"(?:(?:VAR)?CHAR|\w*TEXT|ENUM|SET)\b(?!.*(?:CHARACTER SET|COLLATE))", re.IGNORECASE)

# What removes an option from a table, and from SHOW CREATE TABLE.
_WITHOUT = {
    **dict.fromkeys(("avg_row_length", "checksum", "delay_key_write", "key_block_size", "max_rows", "min_rows"), "0"),
    **dict.fromkeys(("encrypted", "page_checksum", "page_compressed", "pack_keys", "row_format"), "DEFAULT"),
    **dict.fromkeys(("stats_auto_recalc", "stats_persistent", "stats_sample_pages", "transactional"), "DEFAULT"),
}


def _names(table: sa.Table) -> set[str]:
    """The names of a table's options for MariaDB."""
    return {name.lower().partition("_")[2] for name in table.kwargs if name.startswith(("mysql_", "mariadb_"))}


def _coding(table: sa.Table) -> dict[str, object]:
    """The table's options for character set and collation."""
    return {name: value for name, value in table.kwargs.items() if name.partition("_")[2] in _CODING}


def _bare(table: sa.Table) -> sa.Table:
    """A table with only the options."""
    return sa.Table(table.name, sa.MetaData(), comment=table.comment, **table.kwargs)


def _free(there: Columns, count: int) -> list[str]:
    """Names that no column of the table has."""
    taken = {str(row[0]).lower() for row in there}
    names = (f"_new_{number}" for number in range(1, len(taken) + count + 1))
    return [name for name in names if name not in taken][:count]


def _nullable(verb: str, names: Iterable[str], types: Iterable[str]) -> list[str]:
    """The clauses that add or modify nullable columns of these types."""
    return [f"{verb} COLUMN {name} {type_} NULL" for name, type_ in zip(names, types, strict=True)]


def _open(text: str) -> str:
    """The column's text without NOT NULL."""
    return text.replace(" NOT NULL", " NULL", 1)
