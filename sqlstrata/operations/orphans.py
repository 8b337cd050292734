"""SQLite: rows that refer to none, which its foreign keys cannot keep out while revisions run with them off.

So they are looked for before a revision ends: in all tables, which takes longer with each that a history makes; where
nothing ran but what makes tables, columns and indexes, only in those.
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
# What can leave no row without the one that it refers to, but in a table that it names as one with new foreign keys,
# or to a table that goes and has rows.
_HARMLESS = re.compile(
    rf"\s*(?:CREATE TABLE (?P<made>{_NAME})(?= ?\()|ALTER TABLE (?P<wider>{_NAME}) ADD COLUMN\b"
    rf"|DROP TABLE (?P<gone>{_NAME})$|ALTER TABLE {_NAME} DROP COLUMN\b|CREATE (?:UNIQUE )?INDEX\b"
    r"|(?:SELECT|PRAGMA|BEGIN|SAVEPOINT|RELEASE|(?:INSERT INTO|UPDATE|DELETE FROM) alembic_version)\b)"
)
_NO_SUCH = "SQLITE_ERROR"  # nothing that is wrong with the file, and so a table that is not there


class Orphans:
    """The rows of one database that refer to none, those apart that were there before. Others than SQLite have none."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._before: Counter[tuple[Any, ...]] | None = None
        self._tables: set[str] = set()
        self._everywhere = False

    def look(self) -> None:
        """Find those that are there, and listen to what runs from now on."""
        if self._connection.dialect.name == "sqlite":
            self._before = self._found("")
            sa.event.listen(self._connection, "before_cursor_execute", self._hear)

    def check(self, **_: object) -> None:
        """Raise CommandError where what ran since this was last asked has left new ones."""
        if self._before is None:
            return
        places = [""] if self._everywhere else sorted(f"({name})" for name in self._tables)
        fresh = sum(map(self._found, places), Counter()) - self._before
        self._tables, self._everywhere = set(), False
        if fresh:
            table, row, parent = min(fresh, key=str)
            raise CommandError(
                f"{fresh.total()} rows would refer to a row that is not there, for example row {row} of {table}, "
                f"which refers to {parent}. Nothing was changed by this revision."
            )

    def end(self) -> None:
        """Listen no more."""
        if self._before is not None:
            sa.event.remove(self._connection, "before_cursor_execute", self._hear)

    def _hear(self, _: object, __: object, statement: str, *___: object) -> None:
        found = _HARMLESS.match(statement)
        if found is None or (found["gone"] and self._has_rows(found["gone"])):
            self._everywhere = True
        elif "REFERENCES" in statement.upper():
            self._tables |= {name for name in (found["made"], found["wider"]) if name}

    def _has_rows(self, table: str) -> bool:
        """Asked around SQLAlchemy, whose event we are in. A table that is not there has none."""
        try:
            return bool(say(self._connection, f"SELECT 1 FROM {table} LIMIT 1"))
        except self._connection.dialect.loaded_dbapi.OperationalError as error:
            if code_of(error) != _NO_SUCH:
                raise
            return False

    def _found(self, where: str) -> Counter[tuple[Any, ...]]:
        """Table, row and the table that it refers to, as often as it does; which key it is changes with new ones."""
        found = self._connection.exec_driver_sql(f"PRAGMA foreign_key_check{where}")
        return Counter((table, row, parent) for table, row, parent, _key in found)
