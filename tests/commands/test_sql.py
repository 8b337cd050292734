"""`sql`: the SQL from one stage to another."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.commands.running import (
    UNREACHABLE,
    Inv,
    rows,
)
from tests.projects import Project


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql", "mysql", "mariadb"])
def test_sql_needs_no_database(given: Inv, project: Project, dialect: str) -> None:
    given("rebuild", "--no-apply")
    ran = given("sql", "--from-stage", "pessoas", "--to", "cidades", "--dialect", dialect)
    assert ran.code == 0
    assert ran.err == ""
    assert "CREATE TABLE cidades" in ran.out
    assert "CREATE TABLE pessoas" not in ran.out
    assert ("SERIAL" in ran.out) == (dialect == "postgresql")
    assert ("AUTO_INCREMENT" in ran.out) == (dialect in {"mysql", "mariadb"})
    assert given("sql", "--from-stage", "pessoas", "--to", "cidades", "--dialect", dialect, "--json").json == {
        "sql": ran.out
    }
    assert not (project.folder / "dev.db").exists()


def test_sql_goes_down_too(given: Inv) -> None:
    given("rebuild", "--no-apply")
    ran = given("sql", "--from-stage", "email", "--to", "base", "--dialect", "postgresql").out
    found = [line for line in ran.splitlines() if line.startswith(("DROP TABLE", "ALTER TABLE"))]
    assert [line for line in found if "alembic_version" not in line] == [  # which Alembic drops, too, before 1.20
        "ALTER TABLE pessoas DROP COLUMN email;",
        "DROP TABLE cidades;",
        "DROP TABLE pessoas;",
    ]


def test_sql_is_that_of_the_plans_database_by_default(given: Inv, project: Project) -> None:
    given("rebuild", "--no-apply")
    project.configure(database={"url": UNREACHABLE})
    assert "SERIAL" in given("sql").out


def test_sql_does_what_up_does(given: Inv, project: Project, tmp_path: Path) -> None:
    given("rebuild", "--no-apply")
    given("up")
    by_hand = tmp_path / "by_hand.db"
    connection = sqlite3.connect(by_hand, isolation_level=None)
    connection.executescript(given("sql", "--dialect", "sqlite").out)
    connection.close()
    schema = "SELECT name, replace(sql, char(9), '    ') FROM sqlite_master ORDER BY name"
    assert rows(f"sqlite:///{by_hand}", schema) == rows(project.url, schema)
    assert given("status", "--url", f"sqlite:///{by_hand}").code == 0


def test_sql_of_a_dialect_that_nobody_knows(given: Inv) -> None:
    given("rebuild", "--no-apply")
    ran = given("sql", "--dialect", "oracle", "--json")
    assert ran.code == 2
    assert "oracle" in ran.error["message"]
