"""`reset`: the development database dropped and created again."""

from __future__ import annotations

import pytest

from sqlstrata import commands
from sqlstrata.databases import creation, database, removal
from sqlstrata.errors import Locked, Protected, WrongUse
from tests.commands.test_onboard import inv
from tests.projects import Project
from tests.servers import anything

YES, NO = (lambda _: True), (lambda _: False)


@pytest.fixture
def project(clone: Project) -> Project:
    """On each server."""
    return clone


def test_reset_creates_the_development_database_again(project: Project, url: str) -> None:
    commands.onboard(project.plan())
    with database.engine(url).begin() as connection:
        connection.exec_driver_sql("DELETE FROM pessoas")
        connection.exec_driver_sql("CREATE TABLE extra (id INTEGER)")
    with pytest.raises(WrongUse, match="Nothing was changed"):
        commands.reset(project.plan(), NO)
    done = commands.reset(project.plan(), YES)
    assert (done.created, done.tables) == (True, {"pessoas": 1, "cidades": 0})


def test_what_we_neither_made_nor_adopted_is_never_dropped(project: Project, url: str) -> None:
    commands.onboard(project.plan())
    removal.drop(url, anything)
    creation.create(url)
    with database.engine(url).begin() as connection:
        connection.exec_driver_sql("CREATE TABLE deles (id INTEGER)")
    with pytest.raises(Protected, match="was not created or adopted by this project|is not the file that this project"):
        commands.reset(project.plan(), YES)
    with database.engine(url).begin() as connection:
        connection.exec_driver_sql("INSERT INTO deles VALUES (1)")
        connection.exec_driver_sql("DROP TABLE deles")
    commands.adopt(project.plan())
    assert commands.reset(project.plan(), YES).created


def test_a_protected_plan_is_not_reset(local: Project) -> None:
    commands.onboard(local.plan())
    local.configure(database={"url": "sqlite:///dev.db", "protected": True})
    with pytest.raises(Protected):
        commands.reset(local.plan(), YES)
    assert commands.status(local.plan()).stage == "email"


def test_reset_cuts_nobody_off(project: Project, url: str) -> None:
    if not url.startswith("postgresql"):
        pytest.skip("MariaDB drops a database that is looked at; SQLite's case is its write lock")
    commands.onboard(project.plan())
    with database.engine(url).connect() as other:
        other.exec_driver_sql("SELECT 1")
        with pytest.raises(Locked, match="is in use"):
            commands.reset(project.plan(), YES, wait=0.3)
        assert other.exec_driver_sql("SELECT count(*) FROM pessoas").scalar() == 1


def test_without_a_terminal_nothing_is_asked(local: Project) -> None:
    commands.onboard(local.plan())
    done = inv(local, "reset")
    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert inv(local, "reset", "--yes").returncode == 0
