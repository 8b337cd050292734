"""What an administrator is told to run gives enough: for this time and the next, for users of every kind of name."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from conftest import answering
from projects import Project, write
from test_identify import MODULES, STAGES

from project import commands
from project.db import database
from project.db.rights import SCRATCH
from project.db.scratch import scratch
from project.errors import StrataError, Unreachable

PASSWORD = "segredo99"  # noqa: S105 - of a user that the test makes


def run(server: str | sa.URL, *statements: str) -> None:
    with database.engine(server).execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement.replace("%", "%%"))


@contextmanager
def user(kind: str, name: str, host: str = "%") -> Iterator[sa.URL]:
    """A user without rights, and the server's URL for it; gone at the end, with what it owns."""
    server = answering(kind)
    if kind == "postgresql":
        quoted = '"' + name.replace('"', '""') + '"'
        make, drop = (
            f"CREATE ROLE {quoted} LOGIN PASSWORD '{PASSWORD}'",
            (f"DROP OWNED BY {quoted}", f"DROP ROLE {quoted}"),
        )
    else:
        quoted = "'" + name.replace("'", "''") + f"'@'{host}'"
        make, drop = f"CREATE USER {quoted} IDENTIFIED BY '{PASSWORD}'", (f"DROP USER {quoted}",)
    run(server, make)
    try:
        yield sa.make_url(server).set(username=name, password=PASSWORD)
    finally:
        run(server, *drop)


def shown(error: StrataError) -> str:
    """The SQL in the hint of an error."""
    found = re.fullmatch(r"An administrator can run: (.*;)", str(error.hint))
    assert found, error.hint
    return found[1]


NAMES = [
    ("postgresql", "ana", ""),
    ("postgresql", 'A"na %', ""),
    ("mariadb", "ana", "%"),
    ("mariadb", "ana", "127.0.0.1"),
    ("mariadb", "ana", "127.0.%"),
    ("mariadb", "o'ana@b", "%"),
]


@pytest.mark.parametrize(("kind", "name", "host"), NAMES)
def test_the_sql_for_scratch_databases_helps_this_time_and_the_next(kind: str, name: str, host: str) -> None:
    with user(kind, f"{name}{secrets.token_hex(4)}", host) as url:
        with pytest.raises(Unreachable) as refused, scratch(url):
            pass
        assert "does not let" in refused.value.message
        run(answering(kind), shown(refused.value))
        for _ in range(2):
            with scratch(url) as made, made.engine.connect() as connection:
                assert connection.exec_driver_sql("SELECT 1").scalar() == 1


def test_scratch_databases_have_the_name_that_the_right_is_for() -> None:
    with scratch(answering("mariadb")) as made:
        assert str(made.url.database).startswith(SCRATCH)


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
@pytest.mark.parametrize("name", ["loja", "lo_ja_1", 'lo`j"a'])
def test_the_sql_for_a_development_database_helps(kind: str, name: str, tmp_path: Path) -> None:
    """Two refusals on MariaDB: the database itself, and the scratch databases beside it."""
    name += secrets.token_hex(4)
    with user(kind, f"ana{secrets.token_hex(4)}") as url:
        project = _project(tmp_path, kind, url.set(database=name))
        try:
            for _ in range(2):
                try:
                    commands.onboard(project.plan(), wait=1)
                except Unreachable as refused:
                    run(answering(kind), shown(refused))
            assert commands.onboard(project.plan(), wait=1).stage == "email"
            assert commands.identify(project.plan()).exact
            assert commands.reset(project.plan(), lambda _: True).created
            assert commands.reset(project.plan(), lambda _: True).created
        finally:
            database.drop(sa.make_url(answering(kind)).set(database=name))


def test_a_name_with_a_wildcard_gives_no_right_on_other_databases(tmp_path: Path) -> None:
    name = f"lo_a%{secrets.token_hex(4)}"
    with user("mariadb", f"ana{secrets.token_hex(4)}") as url:
        with pytest.raises(Unreachable) as refused:
            database.create(url.set(database=name))
        run(answering("mariadb"), shown(refused.value))
        with pytest.raises(Unreachable):
            database.create(url.set(database=name.replace("_", "j")))
        with pytest.raises(Unreachable):
            database.create(url.set(database=name.replace("%", "xx")))


def _project(folder: Path, kind: str, url: sa.URL) -> Project:
    package = f"modelos_{kind}_{secrets.token_hex(3)}"
    shown_url = url.render_as_string(hide_password=False)
    modules = {name: text.replace("modelos.", f"{package}.") for name, text in MODULES.items()}
    return write(folder / "p", modules, STAGES, url=shown_url, package=package)
