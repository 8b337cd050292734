"""SQLite through sqlite3: sqlite_master and PRAGMAs."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from .base import Picture, Server, frozen, inserting


class SQLite(Server):
    kind = "sqlite"

    def silence(self) -> str | None:
        return None

    def picture(self, name: str) -> Picture | None:
        """An empty file is no database yet."""
        if not os.path.exists(name) or not os.path.getsize(name):  # noqa: PTH110, PTH202 - a link that dangles is none
            return None
        with _connected(name) as connection:
            tables = [row["name"] for row in _ask(connection, "SELECT name FROM sqlite_master WHERE type = 'table'")]
            tables = [each for each in tables if not each.startswith("sqlite_")]
            rows = {each: frozen(_ask(connection, f'SELECT * FROM "{each}"')) for each in tables}
            schema = [line for each in tables for line in _described(connection, each) if each != "alembic_version"]
            others = _ask(connection, "SELECT type, name, sql FROM sqlite_master WHERE type NOT IN ('table', 'index')")
            about = _ask(connection, "PRAGMA application_id")[0]["application_id"]
        return Picture(frozenset([*schema, *map(repr, others)]), rows, str(about))

    def create(self, name: str, owner: str) -> None:
        self.execute(name, "VACUUM")

    def drop(self, name: str) -> None:
        for ending in ("", "-journal", "-wal", "-shm"):
            Path(name + ending).unlink(missing_ok=True)

    def execute(self, name: str, *statements: str, user: str = "") -> None:
        with _connected(name) as connection:
            for statement in statements:
                connection.execute(statement)

    def insert(self, name: str, rows: Mapping[str, Sequence[Mapping[str, Any]]], user: str = "") -> None:
        with _connected(name) as connection:
            connection.execute("BEGIN IMMEDIATE")
            for table, each in rows.items():
                for row in each:
                    connection.execute(inserting(table, row, "?"), tuple(row.values()))
            connection.execute("COMMIT")

    def url(self, user: str, password: str, name: str, **where: Any) -> str:
        query = where.get("query", "")
        return f"sqlite:///{name}{'?' + query if query else ''}"

    def say(self, name: str, text: str) -> None:
        self.execute(name, f"PRAGMA application_id = {int(text)}")

    def rename(self, name: str, new: str) -> None:
        Path(name).rename(new)


@contextmanager
def _connected(name: str) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(name, isolation_level=None, timeout=20)) as connection:
        connection.row_factory = sqlite3.Row
        yield connection


def _ask(connection: sqlite3.Connection, query: str) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(query)]


def _described(connection: sqlite3.Connection, table: str) -> Iterator[str]:
    for row in _ask(connection, f'PRAGMA table_xinfo("{table}")'):
        del row["cid"]
        yield f"{table}: column {row}"
    for row in _ask(connection, f'PRAGMA foreign_key_list("{table}")'):
        yield f"{table}: key {row['from']} to {row['table']}.{row['to']} {row['on_update']} {row['on_delete']}"
    for row in _ask(connection, f'PRAGMA index_list("{table}")'):
        columns = [each["name"] for each in _ask(connection, f'PRAGMA index_info("{row["name"]}")')]
        yield f"{table}: index {row['name']} {row['unique']} {row['partial']} on {columns}"
