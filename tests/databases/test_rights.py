"""What an administrator is told to run gives enough: for this time and the next, for users of every kind of name."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from sqlstrata import commands
from sqlstrata.databases import creation, database, ownership, removal
from sqlstrata.databases.maker import PREFIX
from sqlstrata.errors import MigrationFailed, Protected, SqlstrataError, Unreachable
from sqlstrata.scratch.bracket import scratch
from tests.commands.test_onboard import inv
from tests.migrate.test_identify import MODULES, STAGES
from tests.projects import Project, write
from tests.servers import answering, anything

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


def shown(error: SqlstrataError) -> str:
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
        assert str(made.url.database).startswith(PREFIX)


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
@pytest.mark.parametrize("name", ["lo_ja_1", 'lo`j"a'])
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
            removal.drop(sa.make_url(answering(kind)).set(database=name), anything)


def test_a_name_with_a_wildcard_gives_no_right_on_other_databases(tmp_path: Path) -> None:
    name = f"lo_a%{secrets.token_hex(4)}"
    with user("mariadb", f"ana{secrets.token_hex(4)}") as url:
        with pytest.raises(Unreachable) as refused:
            creation.create(url.set(database=name))
        run(answering("mariadb"), shown(refused.value))
        with pytest.raises(Unreachable):
            creation.create(url.set(database=name.replace("_", "j")))
        with pytest.raises(Unreachable):
            creation.create(url.set(database=name.replace("%", "xx")))


def _project(folder: Path, kind: str, url: sa.URL) -> Project:
    package = f"modelos_{kind}_{secrets.token_hex(3)}"
    shown_url = url.render_as_string(hide_password=False)
    modules = {name: text.replace("modelos.", f"{package}.") for name, text in MODULES.items()}
    return write(folder / "p", modules, STAGES, url=shown_url, package=package)


# ------------------------------------------------------------------------------- adopt

FEW = {
    "mariadb": {
        "no ALTER": "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, INDEX, REFERENCES ON {name}.* TO {user}",
        "data": "GRANT SELECT, INSERT, UPDATE, DELETE ON {name}.* TO {user}",
        "looking": "GRANT SELECT ON {name}.* TO {user}",
    },
    "postgresql": {
        "all but owning it": "GRANT ALL ON ALL TABLES IN SCHEMA public TO {user}; "
        "GRANT ALL ON SCHEMA public TO {user}; GRANT ALL ON DATABASE {name} TO {user}",
        "data": "GRANT ALL ON ALL TABLES IN SCHEMA public TO {user}",
        "looking": "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {user}",
        "nothing": "GRANT USAGE ON SCHEMA public TO {user}",
    },
}
ENOUGH = {"mariadb": "GRANT ALL ON {name}.* TO {user}", "postgresql": "ALTER DATABASE {name} OWNER TO {user}"}


@contextmanager
def theirs(kind: str, folder: Path, right: str, *, stamped: bool) -> Iterator[Project]:
    """A project whose database was made by an administrator, and whose user has a right there and on scratch ones."""
    name = f"loja{secrets.token_hex(4)}"
    there = sa.make_url(answering(kind)).set(database=name)
    project = _project(folder, kind, there)
    commands.onboard(project.plan())
    mark = f"COMMENT ON DATABASE {name} IS NULL" if kind == "postgresql" else f"ALTER DATABASE {name} COMMENT ''"
    run(there, mark, *([] if stamped else ["DELETE FROM alembic_version"]))
    try:
        with user(kind, f"ana{secrets.token_hex(4)}") as url:
            own = str(url.username) if kind == "postgresql" else f"'{url.username}'@'%'"
            run(there, *right.format(name=name, user=own).split("; "))
            run(there, f"ALTER ROLE {own} CREATEDB" if kind == "postgresql" else f"GRANT ALL ON `{PREFIX}%`.* TO {own}")
            project.configure(database={"url": url.set(database=name).render_as_string(hide_password=False)})
            yield project
            if kind == "postgresql":
                run(there, f"ALTER DATABASE {name} OWNER TO CURRENT_USER", f"DROP OWNED BY {own}")
    finally:
        removal.drop(there, anything)


@pytest.mark.parametrize(
    ("kind", "level"), [(kind, level) for kind, levels in FEW.items() for level in levels if level != "nothing"]
)
def test_adopt_says_that_reset_will_not_drop_what_it_could_not_mark(kind: str, level: str, tmp_path: Path) -> None:
    with theirs(kind, tmp_path, FEW[kind][level], stamped=True) as project:
        done = commands.adopt(project.plan())
        assert done.stage == "email"
        assert done.unmarked is not None
        shown(done.unmarked)
        with pytest.raises(Protected):
            commands.reset(project.plan(), lambda _: True)
        code, said = _inv(project, "adopt", "--json")
        assert (code, json.loads(said)["owned"]) == (0, False)
        assert json.loads(said)["unmarked"]["hint"] == done.unmarked.hint
        code, said = _inv(project, "adopt")
        assert "`inv reset` will not drop it, because it could not be marked" in said
        assert shown(done.unmarked) in said


@pytest.mark.parametrize("kind", list(ENOUGH))
def test_what_the_administrator_runs_lets_adopt_mark_the_database(kind: str, tmp_path: Path) -> None:
    with theirs(kind, tmp_path, FEW[kind]["data"], stamped=True) as project:
        error = commands.adopt(project.plan()).unmarked
        assert error is not None
        run(answering(kind), shown(error))
        assert commands.adopt(project.plan()).unmarked is None
        with database.engine(project.url, reading=True).connect() as connection:
            ownership.require_ours(connection, project.folder)


@pytest.mark.parametrize("kind", list(ENOUGH))
def test_who_has_the_right_has_the_mark(kind: str, tmp_path: Path) -> None:
    right = ENOUGH[kind] + ("; GRANT ALL ON ALL TABLES IN SCHEMA public TO {user}" if kind == "postgresql" else "")
    with theirs(kind, tmp_path, right, stamped=False) as project:
        assert commands.adopt(project.plan()).unmarked is None
        assert commands.reset(project.plan(), lambda _: True).created


@pytest.mark.parametrize("kind", list(ENOUGH))
def test_protect_is_never_left_out(kind: str, tmp_path: Path) -> None:
    with theirs(kind, tmp_path, FEW[kind]["data"], stamped=True) as project:
        with pytest.raises(Unreachable, match="The revision is written; the mark is not") as refused:
            commands.adopt(project.plan(), protect=True)
        run(answering(kind), shown(refused.value))
        assert commands.adopt(project.plan(), protect=True).protected


@pytest.mark.parametrize("kind", list(ENOUGH))
def test_a_revision_that_cannot_be_written_is_reported(kind: str, tmp_path: Path) -> None:
    with (
        theirs(kind, tmp_path, FEW[kind]["looking"], stamped=False) as project,
        pytest.raises(MigrationFailed, match="The migration failed: .*The database is at no stage") as failed,
    ):
        commands.adopt(project.plan())
    assert "dministrator" in str(failed.value.hint)


@pytest.mark.parametrize("name", ["status", "identify", "adopt", "up", "down", "stages", "onboard", "reset"])
def test_who_may_not_even_look_is_reported_so(name: str, tmp_path: Path) -> None:
    with theirs("postgresql", tmp_path, FEW["postgresql"]["nothing"], stamped=True) as project:
        code, said = _inv(project, name, *(["--yes"] if name == "reset" else []))
        assert code == {"stages": 0, "reset": 10}.get(name, 8)
        assert "Traceback" not in said
        assert "permission denied for table alembic_version" in said or name == "reset"


def _inv(project: Project, *words: str) -> tuple[int, str]:
    done = inv(project, *words)
    return done.returncode, done.stdout + done.stderr
