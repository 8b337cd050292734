"""PostgreSQL: the sequence behind a SERIAL column, and identities."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from .definition import Altered
from .registry import Writer


class Counters(Altered):
    """The counters of one table's columns."""

    def stop(self, old: sa.Column[Any], new: sa.Column[Any]) -> None:
        """Remove a SERIAL's sequence or an identity, where the new column has another or none."""
        if _serial(self.change.before, old) and not _serial(self.change.after, new):
            self._drop_serial(old)
        if old.identity is not None and _identity(self.writer, old) != _identity(self.writer, new):
            self.alter(f"ALTER COLUMN {self.writer.name(new.name)} DROP IDENTITY")

    def start(self, old: sa.Column[Any], new: sa.Column[Any], type_: str) -> None:
        """Give the column its new sequence or identity, which continues after the highest value."""
        counted = _serial(self.change.before, old)
        if _serial(self.change.after, new):
            if not counted:
                self._add_serial(new, type_)
            elif self.writer.type(old) != type_:
                self._widen_serial(new, type_)
        if new.identity is not None and _identity(self.writer, old) != _identity(self.writer, new):
            self.alter(f"ALTER COLUMN {self.writer.name(new.name)} ADD {_identity(self.writer, new)}")
            self._advance(new)

    def _sequence(self, column: sa.Column[Any]) -> str:
        """The sequence behind a SERIAL column; offline, the name that PostgreSQL gives it."""
        if not self.writer.offline:
            table, name = self.writer.value(self.where), self.writer.value(column.name)
            found = self.writer.fetch(f"SELECT pg_get_serial_sequence({table}, {name})")[0][0]
            if found:
                return str(found)
        return self.writer.table(f"{self.change.name}_{column.name}_seq", self.change.schema)

    def _drop_serial(self, column: sa.Column[Any]) -> None:
        sequence = self._sequence(column)
        self.alter(f"ALTER COLUMN {self.writer.name(column.name)} DROP DEFAULT")
        self.writer.run(f"DROP SEQUENCE {sequence}")

    def _add_serial(self, column: sa.Column[Any], type_: str) -> None:
        sequence = self.writer.table(f"{self.change.name}_{column.name}_seq", self.change.schema)
        name = self.writer.name(column.name)
        self.writer.run(f"CREATE SEQUENCE {sequence} AS {type_} OWNED BY {self.where}.{name}")
        self.alter(f"ALTER COLUMN {name} SET DEFAULT nextval({self.writer.value(sequence)})")
        self._advance(column)

    def _widen_serial(self, column: sa.Column[Any], type_: str) -> None:
        sequence = self._sequence(column)
        self.writer.run(f"ALTER SEQUENCE {sequence} AS {type_}")
        default = f"nextval({self.writer.value(sequence)})"
        self.alter(f"ALTER COLUMN {self.writer.name(column.name)} SET DEFAULT {default}")

    def _advance(self, column: sa.Column[Any]) -> None:
        """Continue counting after the highest value."""
        name = self.writer.name(column.name)
        table = self.writer.value(self.where)
        sequence = f"pg_get_serial_sequence({table}, {self.writer.value(column.name)})"
        self.writer.run(f"SELECT setval({sequence}, max({name})) FROM {self.where} HAVING max({name}) IS NOT NULL")


def _identity(writer: Writer, column: sa.Column[Any]) -> str | None:
    return None if column.identity is None else writer.clause(column.identity)


def _serial(table: sa.Table, column: sa.Column[Any]) -> bool:
    """Whether CREATE TABLE has SERIAL; the rule of SQLAlchemy's PostgreSQL dialect."""
    default = column.default
    return (
        column.primary_key
        and column is table.autoincrement_column
        and column.server_default is None
        and column.identity is None
        and isinstance(column.type, sa.Integer)
        and (default is None or (isinstance(default, sa.Sequence) and default.optional))
    )
