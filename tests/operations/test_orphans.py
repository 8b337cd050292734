"""SQLite's rows that refer to none: found whatever left them, and looked for where something can have left some."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from alembic.util import CommandError

from sqlstrata.operations.orphans import Orphans


@pytest.fixture
def connection() -> Iterator[sa.Connection]:
    """Authors, books that refer to them, and one book that has been without an author from the start."""
    with sa.create_engine("sqlite://").connect() as connection:
        for statement in (
            "CREATE TABLE autores (id INTEGER PRIMARY KEY)",
            "CREATE TABLE livros (id INTEGER PRIMARY KEY, autor_id INTEGER REFERENCES autores (id))",
            "INSERT INTO autores VALUES (1)",
            "INSERT INTO livros VALUES (1, 1), (2, 99)",
        ):
            connection.exec_driver_sql(statement)
        yield connection


LEAVE_SOME = [
    "DELETE FROM autores",
    "DROP TABLE autores",
    "DROP TABLE IF EXISTS autores",
    "UPDATE livros SET autor_id = 7 WHERE id = 1",
    "INSERT INTO livros VALUES (3, 7)",
    "WITH n (a) AS (SELECT 7) INSERT INTO livros SELECT 3, a FROM n",
    "REPLACE INTO livros VALUES (1, 7)",
    "ALTER TABLE autores RENAME TO escritores; DROP TABLE escritores",
    "ALTER TABLE livros ADD COLUMN outro_id INTEGER DEFAULT 7 REFERENCES autores (id)",
    'ALTER TABLE "livros" ADD COLUMN outro_id INTEGER DEFAULT 7 references autores (id)',
    "alter table livros add column outro_id INTEGER DEFAULT 7 REFERENCES autores (id)",
    "ALTER TABLE main.livros ADD COLUMN outro_id INTEGER DEFAULT 7 REFERENCES autores (id)",
]


@pytest.mark.parametrize("sql", LEAVE_SOME)
def test_a_row_without_the_one_that_it_refers_to_stops_the_revision(connection: sa.Connection, sql: str) -> None:
    orphans = Orphans(connection)
    orphans.look()
    for statement in sql.split("; "):
        connection.exec_driver_sql(statement)
    with pytest.raises(CommandError, match="would refer to a missing row, for example row"):
        orphans.check()


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE capas (livro_id INTEGER REFERENCES livros (id))",
        "CREATE UNIQUE INDEX ix ON livros (autor_id)",
        "DROP TABLE livros",
        "ALTER TABLE livros ADD COLUMN titulo VARCHAR",
        "ALTER TABLE livros ADD COLUMN outro_id INTEGER REFERENCES autores (id)",
        "DELETE FROM livros",
        "INSERT INTO livros VALUES (3, 1)",
    ],
)
def test_rows_that_were_without_before_stop_none(connection: sa.Connection, sql: str) -> None:
    orphans = Orphans(connection)
    orphans.look()
    connection.exec_driver_sql(sql)
    orphans.check()


def test_only_what_ran_since_the_last_revision_is_looked_at(connection: sa.Connection) -> None:
    looked: list[str] = []
    orphans = Orphans(connection)
    orphans.look()
    sa.event.listen(
        connection, "before_cursor_execute", lambda _, __, sql, *___: looked.append(sql) if "check" in sql else None
    )
    for sql in (
        "CREATE TABLE capas (livro_id INTEGER REFERENCES livros (id))",
        "CREATE INDEX ix ON capas (livro_id)",
        "ALTER TABLE livros ADD COLUMN titulo VARCHAR",
        "DROP TABLE capas",
        "DELETE FROM livros",
    ):
        connection.exec_driver_sql(sql)
        orphans.check()
        looked.append("-")
    assert looked == ["PRAGMA foreign_key_check(capas)", "-", "-", "-", "-", "PRAGMA foreign_key_check", "-"]


def test_a_key_to_what_is_not_unique_is_reported_with_the_table_that_has_it(connection: sa.Connection) -> None:
    """SQLite itself says so with the first row only, which may be somebody else's."""
    orphans = Orphans(connection)
    orphans.look()
    connection.exec_driver_sql("CREATE TABLE capas (livro_autor INTEGER REFERENCES livros (autor_id))")
    with pytest.raises(sa.exc.OperationalError, match='foreign key mismatch - "capas" referencing "livros"'):
        orphans.check()


def test_nothing_is_heard_after_the_end(connection: sa.Connection) -> None:
    orphans = Orphans(connection)
    orphans.look()
    orphans.end()
    connection.exec_driver_sql("DELETE FROM autores")
    orphans.check()
