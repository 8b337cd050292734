"""On a large SQLite database the way down and up again is proved in an excerpt, and believed no sooner."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.util import CommandError
from projects import write

from project.bench.projects import growing
from project.commands import staged
from project.migrations import proof
from project.migrations.excerpt import Excerpt
from project.migrations.generate import Step, steps
from project.migrations.proof import NotProved, prove
from project.plan import Plan, read

STAGES = 12


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, tuple[Step, ...]]:
    """Two stages of three make a table, the third adds a column to an earlier one."""
    plan = read(growing(tmp_path_factory.mktemp("growing") / "project", STAGES) / "config.yaml")
    return plan, steps(plan)


@contextmanager
def heard(words: str) -> Iterator[list[str]]:
    """The databases in which statements with these words run."""
    places: list[str] = []

    def hear(connection: sa.Connection, _: object, statement: str, *__: object) -> None:
        if words in statement:
            places.append("whole" if connection.engine.url.database else "excerpt")

    sa.event.listen(sa.Engine, "before_cursor_execute", hear)
    try:
        yield places
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", hear)


def go(history: tuple[Plan, tuple[Step, ...]], old: str = "", new: str = "") -> None:
    plan, made = history
    with staged(plan, tuple(step.revision for step in made)) as folder:
        path = folder / "versions" / made[-1].revision.filename
        path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
        prove("sqlite://", folder, made, lambda _: None)


@pytest.mark.parametrize(("large", "place"), [(1, "excerpt"), (1000, "whole")])
def test_where_the_way_down_is_proved(
    history: tuple[Plan, tuple[Step, ...]], monkeypatch: pytest.MonkeyPatch, large: int, place: str
) -> None:
    monkeypatch.setattr(proof, "_LARGE", large)
    with heard(" DROP COLUMN ") as down, heard(" ADD COLUMN ") as up:
        go(history)
    assert down == [place] * (STAGES // 3)
    assert up == ["whole", place] * (STAGES // 3)


@pytest.mark.parametrize("error", [CommandError("No."), sa.exc.OperationalError("", {}, Exception("no such table"))])
def test_what_fails_in_an_excerpt_is_proved_in_the_whole(
    history: tuple[Plan, tuple[Step, ...]], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails(_: Excerpt) -> None:
        raise error

    monkeypatch.setattr(proof, "_LARGE", 1)
    monkeypatch.setattr(Excerpt, "check", fails)
    with heard(" DROP COLUMN ") as down:
        go(history)
    assert down == ["excerpt", "whole"] * (STAGES // 3)


def test_what_is_wrong_in_the_whole_as_well_is_told(
    history: tuple[Plan, tuple[Step, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof, "_LARGE", 1)
    with (
        heard(" ADD COLUMN ") as up,
        pytest.raises(NotProved, match="is not proved: down, sqlite is not what") as caught,
    ):
        go(history, "    op.drop_column(", "    pass  # op.drop_column(")
    assert caught.value.details["differences"][0]["direction"] == "down"  # type: ignore[index]
    assert up[-2:] == ["excerpt", "whole"]  # those of the stage before, and its own way up


PESSOA = """
class Pessoa(Base):
    __tablename__ = "pessoas"
    id: Mapped[int] = mapped_column(primary_key=True)
"""
COISA = """
class Coisa(Base):
    __tablename__ = "coisas"
    nome: Mapped[str] = mapped_column(sa.String(3), primary_key=True)
"""


def test_a_table_that_comes_back_on_the_way_down_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "_LARGE", 1)
    stages = [
        {"name": "tudo", "enable": ["pessoa", "coisa"]},
        {"name": "menos", "disable": ["pessoa", "coisa"], "enable": ["mais"], "drop": ["coisas"]},
    ]
    more = PESSOA + "    email: Mapped[str | None] = mapped_column(sa.String(40))\n"
    plan = write(tmp_path / "p", {"pessoa": PESSOA, "coisa": COISA, "mais": more}, stages).plan()
    history = plan, steps(plan)
    go(history)
    with heard(" DROP COLUMN ") as down, pytest.raises(NotProved, match="down, sqlite is not what its models say"):
        go(history, "sa.String(length=3)", "sa.String(length=4)")
    assert down == ["excerpt", "whole"]


# ------------------------------------------------ what is taken


@pytest.fixture
def whole() -> Iterator[sa.Connection]:
    """Authors and their books."""
    with sa.create_engine("sqlite://").connect() as connection:
        for statement in (
            "CREATE TABLE autores (id INTEGER PRIMARY KEY, nome VARCHAR)",
            'CREATE TABLE "os livros" (id INTEGER PRIMARY KEY, autor_id INTEGER REFERENCES autores (id), preco NUMERIC)',
            'CREATE INDEX ix ON "os livros" (autor_id)',
            "CREATE TABLE outros (id INTEGER)",
            "CREATE TABLE alembic_version (version_num VARCHAR)",
            "INSERT INTO autores VALUES (7, 'Clarice'), (9, NULL)",
            "INSERT INTO \"os livros\" VALUES (1, 7, 2.50), (2, 7, 'caro')",
            "INSERT INTO alembic_version VALUES ('abc')",
        ):
            connection.exec_driver_sql(statement)
        yield connection


def said(connection: sa.Connection, query: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in connection.exec_driver_sql(query)]


def test_an_excerpt_has_these_tables_as_they_are_and_nothing_else(whole: sa.Connection) -> None:
    with closing(Excerpt()) as excerpt:
        for tables in (["outros"], ["os livros", "autores"]):
            assert excerpt.take(whole, tables)
        assert len(excerpt.connection.dispatch.before_cursor_execute) == 1  # and nobody listens for the one before
        master = "SELECT type, name, sql FROM sqlite_master WHERE name <> 'outros' ORDER BY name"
        assert said(excerpt.connection, master) == said(whole, master)
        for table in ("autores", '"os livros"', "alembic_version"):
            assert said(excerpt.connection, f"SELECT * FROM {table}") == said(whole, f"SELECT * FROM {table}")


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE VIEW todos AS SELECT * FROM outros",
        "CREATE TRIGGER t AFTER INSERT ON outros BEGIN DELETE FROM outros; END",
        "CREATE TABLE mais (id INTEGER PRIMARY KEY AUTOINCREMENT)",
        "CREATE TABLE mais (a INTEGER, b INTEGER GENERATED ALWAYS AS (a + 1))",
        "CREATE TABLE mais (a INTEGER, b INTEGER AS (a + 1))",
    ],
)
def test_where_more_hangs_on_the_tables_there_is_no_excerpt(whole: sa.Connection, sql: str) -> None:
    whole.exec_driver_sql(sql)
    with closing(Excerpt()) as excerpt:
        assert not excerpt.take(whole, ["autores", *(["mais"] if "mais" in sql else [])])


def test_rows_that_lose_theirs_in_an_excerpt_are_told(whole: sa.Connection) -> None:
    with closing(Excerpt()) as excerpt:
        assert excerpt.take(whole, ["os livros", "autores"])
        excerpt.check()
        excerpt.connection.exec_driver_sql("DELETE FROM autores")
        with pytest.raises(CommandError, match="2 rows would refer to a row that is not there"):
            excerpt.check()
