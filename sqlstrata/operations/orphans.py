"""SQLite: rows whose foreign keys refer to missing rows, checked because revisions run with foreign keys off.

The check runs before a revision ends: on all tables, or, where only tables, columns and indexes were created, on those.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import sqlalchemy as sa
from alembic.util import CommandError

from .driver import say
from .failures import code_of

_NAME = r'(?:"(?:[^"]|"")+"|\w+)'
# Statements that cannot orphan rows, except in a table that gets new foreign keys, or by dropping a table with rows.
_HARMLESS = re.compile(
    rf"\s*(?:CREATE TABLE (?P<made>{_NAME})(?= ?\()|ALTER TABLE (?P<wider>{_NAME}) ADD COLUMN\b"
    rf"|DROP TABLE (?P<gone>{_NAME})$|ALTER TABLE {_NAME} DROP COLUMN\b|CREATE (?:UNIQUE )?INDEX\b"
    r"|(?:SELECT|PRAGMA|BEGIN|SAVEPOINT|RELEASE|(?:INSERT INTO|UPDATE|DELETE FROM) alembic_version)\b)"
)
_NO_SUCH = "SQLITE_ERROR"  # nothing is wrong with the file, so the table does not exist


class Orphans:
    """The orphaned rows of one database, except those that were there before. Other servers than SQLite have none."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._before: Counter[tuple[Any, ...]] | None = None
        self._tables: set[str] = set()
        self._everywhere = False

    def look(self) -> None:
        """Find the existing ones, and listen to the statements that run from now on."""
        if self._connection.dialect.name == "sqlite":
            self._before = self._found("")
            sa.event.listen(self._connection, "before_cursor_execute", self._hear)

    def check(self, **_: object) -> None:
        """Raise CommandError where there are new ones since the last check."""
        if self._before is None:
            return
        places = [""] if self._everywhere else sorted(f"({name})" for name in self._tables)
        fresh = sum(map(self._found, places), Counter()) - self._before
        self._tables, self._everywhere = set(), False
        if fresh:
            table, row, parent = min(fresh, key=str)
            raise CommandError(
                f"{fresh.total()} rows would refer to a missing row, for example row {row} of {table}, "
                f"which refers to {parent}. Nothing was changed by this revision."
            )

    def end(self) -> None:
        """Stop listening."""
        if self._before is not None:
            sa.event.remove(self._connection, "before_cursor_execute", self._hear)

    def _hear(self, _: object, __: object, statement: str, *___: object) -> None:
        found = _HARMLESS.match(statement)
        if found is None or (found["gone"] and self._has_rows(found["gone"])):
            self._everywhere = True
        elif "REFERENCES" in statement.upper():
            self._tables |= {name for name in (found["made"], found["wider"]) if name}

    def _has_rows(self, table: str) -> bool:
        """Whether a table exists and has rows, without SQLAlchemy, in whose event this runs."""
        try:
            return bool(say(self._connection, f"SELECT 1 FROM {table} LIMIT 1"))
        except self._connection.dialect.loaded_dbapi.OperationalError as error:
            if code_of(error) != _NO_SUCH:
                raise
            return False

    def _found(self, where: str) -> Counter[tuple[Any, ...]]:
        """Each orphan's table, row and the table it refers to; keys are numbered, so new ones change the number."""
        found = self._connection.exec_driver_sql(f"PRAGMA foreign_key_check{where}")
        return Counter((table, row, parent) for table, row, parent, _key in found)
