"""A part of a large SQLite database by itself: a few tables with their rows, and nothing else.

SQLite reads all of its schema for each ALTER TABLE, and four times for a DROP COLUMN, which takes longer with each
table that there is. What a stage does to its tables it does to them here, too.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection
from typing import cast

import sqlalchemy as sa

from project.db import database
from project.db.dialects import quoted
from project.template.operations.orphans import Orphans

VERSION = "alembic_version"
# What more hangs on than the table: a counter, rows that cannot be put in as they are.
_NOT_ALONE = re.compile(r"\b(?:AUTOINCREMENT|GENERATED|VIRTUAL)\b|\bAS\s*\(", re.IGNORECASE)


class Excerpt:
    """A database in memory for as long as the bracket, filled with one part of another after the other."""

    def __init__(self) -> None:
        self.connection = database.connect(database.engine("sqlite://"))
        self.tables: frozenset[str] = frozenset()
        self._orphans = Orphans(self.connection)

    def close(self) -> None:
        """Let go of it."""
        self.connection.close()

    def take(self, whole: sa.Connection, tables: Collection[str]) -> bool:
        """Have these tables as they are there, and nothing else.

        False where that would not be all that a statement about them meets: views, triggers, counters.
        """
        given, mine = _driver(whole), _driver(self.connection)
        names = (*tables, VERSION)
        query = (
            "SELECT type, name, sql FROM sqlite_master"
            f" WHERE tbl_name IN ({_marks(names)}) AND sql IS NOT NULL OR type IN ('view', 'trigger')"
        )
        parts = given.execute(query, names).fetchall()
        if any(kind in {"view", "trigger"} or (kind == "table" and _NOT_ALONE.search(sql)) for kind, _, sql in parts):
            return False
        for name in _tables(mine):
            mine.execute(f"DROP TABLE {quoted(whole, name)}")
        for kind, name, sql in sorted(parts, key=lambda part: part[0] != "table"):
            mine.execute(sql)
            if kind == "table":
                _copy(given, mine, quoted(whole, name))
        self.tables = frozenset(tables)
        self._orphans.end()
        self._orphans = Orphans(self.connection)
        self._orphans.look()
        self.connection.commit()
        return True

    def check(self) -> None:
        """Raise CommandError where what ran here has left rows without those that they refer to."""
        self._orphans.check()


def _driver(connection: sa.Connection) -> sqlite3.Connection:
    return cast("sqlite3.Connection", connection.connection.dbapi_connection)


def _tables(mine: sqlite3.Connection) -> list[str]:
    names = mine.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite^_%' ESCAPE '^'")
    return [name for (name,) in names]


def _copy(given: sqlite3.Connection, mine: sqlite3.Connection, table: str) -> None:
    rows = given.execute(f"SELECT * FROM {table}").fetchall()
    if rows:
        mine.executemany(f"INSERT INTO {table} VALUES ({_marks(rows[0])})", rows)


def _marks(values: Collection[object]) -> str:
    return ", ".join("?" * len(values))
