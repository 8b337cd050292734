"""The development database follows: stages that were edited, and branches that are checked out, with rows in it."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from sqlstrata import commands
from sqlstrata.databases import database, ownership, removal
from sqlstrata.errors import MigrationFailed, Protected, Refused, SchemaDiffers
from sqlstrata.migrate.follow import Followed
from tests.projects import Project, write
from tests.servers import answering, anything

PESSOAS = """
    class Pessoa(Base):
        __tablename__ = "pessoas"
        id: Mapped[int] = mapped_column(primary_key=True)
        nome: Mapped[str] = mapped_column(sa.String(60))
"""
CIDADES = """
    class Cidade(Base):
        __tablename__ = "cidades"
        id: Mapped[int] = mapped_column(primary_key=True)
        nome: Mapped[str] = mapped_column(sa.String(60))
"""
ROWS = {"pessoas": [{"nome": "Ana"}, {"nome": "Rui"}]}


def begun(tmp_path: Path, url: str) -> Project:
    stages = [{"name": "inicio", "live": True, "rows": ROWS}]
    made = write(tmp_path / "projeto", {"pessoas": PESSOAS}, stages, url=url, prove_on=[url])
    commands.rebuild(made.plan())
    return made


@pytest.fixture
def live(tmp_path: Path) -> Project:
    return begun(tmp_path, f"sqlite:///{tmp_path / 'dev.db'}")


@pytest.fixture
def anywhere(tmp_path: Path, url: str) -> Project:
    """The same on each server."""
    return begun(tmp_path, url)


def edited(project: Project, text: str, **stage: object) -> Project:
    project.module("pessoas", text)
    project.configure(stages=[{"name": "inicio", "live": True, "rows": ROWS, **stage}])
    return project


def rows(project: Project, table: str = "pessoas") -> list[dict[str, Any]]:
    with database.connect(database.engine(project.url)) as connection:
        found = connection.execute(sa.text(f"SELECT * FROM {table} ORDER BY id"))
        return [dict(row) for row in found.mappings()]


def test_a_model_that_was_just_written_is_changed_and_its_rows_stay(live: Project) -> None:
    more = PESSOAS.replace("String(60)", "String(80)") + "        idade: Mapped[int] = mapped_column()\n" + CIDADES
    project = edited(live, more, rows={"pessoas": [{"nome": "Ana", "idade": 1}], "cidades": [{"nome": "Rio"}]})
    done = commands.rebuild(project.plan())
    assert isinstance(done.taken, Followed)
    assert done.taken.given == ("pessoas.idade: 0",)
    assert rows(project) == [{"id": 1, "nome": "Ana", "idade": 0}, {"id": 2, "nome": "Rui", "idade": 0}]
    assert [row["nome"] for row in rows(project, "cidades")] == ["Rio"], "the rows of a new table are put in"
    commands.status(project.plan())
    assert commands.rebuild(project.plan()).taken is None


def test_what_would_be_lost_is_listed_and_nothing_has_changed(anywhere: Project) -> None:
    project = edited(anywhere, PESSOAS.replace("nome:", "apelido:"), rows={})
    with pytest.raises(Refused, match=r"would lose pessoas\.nome \(2 values\)\. .*`--yes` lets that go") as error:
        commands.rebuild(project.plan())
    assert error.value.details["lost"] == ["pessoas.nome (2 values)"]
    assert [row["nome"] for row in rows(project)] == ["Ana", "Rui"]
    with pytest.raises(Refused):
        commands.up(project.plan())
    commands.up(project.plan(), confirmed=lambda _: True)
    assert [set(row) for row in rows(project)] == [{"id", "apelido"}] * 2
    commands.status(project.plan())


def test_what_has_no_values_goes_without_a_question(live: Project) -> None:
    project = edited(live, PESSOAS + CIDADES)
    commands.rebuild(project.plan())
    edited(project, PESSOAS)
    commands.rebuild(project.plan())
    assert [row["nome"] for row in rows(project)] == ["Ana", "Rui"]


def test_a_renamed_column_and_table_keep_their_values_there_and_back(anywhere: Project) -> None:
    commands.new_stage(anywhere.plan(), "nomes")
    said = yaml.safe_load(anywhere.config.read_text())
    before = said["stages"]
    said["stages"][1]["rename"] = {"pessoas.nome": "nome_completo", "pessoas": "gente"}
    anywhere.configure(stages=said["stages"])
    anywhere.module("pessoas", PESSOAS.replace("nome:", "nome_completo:").replace('"pessoas"', '"gente"'))
    commands.rebuild(anywhere.plan())
    assert [row["nome_completo"] for row in rows(anywhere, "gente")] == ["Ana", "Rui"]
    text = (anywhere.folder / "stages" / "inicio.py").read_text()
    anywhere.module("pessoas", PESSOAS)
    anywhere.configure(stages=[{**before[0], "frozen": False, "live": True}])
    assert text
    commands.rebuild(anywhere.plan())
    assert [row["nome"] for row in rows(anywhere)] == ["Ana", "Rui"]
    commands.status(anywhere.plan())


def test_a_rename_that_is_edited_keeps_the_values(live: Project) -> None:
    """The names meet where both stages begin: in the name from before the rename."""
    commands.new_stage(live.plan(), "nomes")
    first, second = yaml.safe_load(live.config.read_text())["stages"]
    for table, column in (("gente", "nome_completo"), ("povo", "titulo"), ("pessoas", "chamado")):
        renames = {"pessoas.nome": column, **({} if table == "pessoas" else {"pessoas": table})}
        live.configure(stages=[first, {**second, "rename": renames}])
        live.module("pessoas", PESSOAS.replace("nome:", f"{column}:").replace('"pessoas"', f'"{table}"'))
        commands.rebuild(live.plan())
        assert [row[column] for row in rows(live, table)] == ["Ana", "Rui"]


def test_a_fill_and_a_cast_of_a_stage_are_used(live: Project) -> None:
    project = edited(live, PESSOAS + "        idade: Mapped[str | None] = mapped_column(sa.String(5))\n")
    commands.rebuild(project.plan())
    with database.connect(database.engine(project.url)) as connection:
        connection.execute(sa.text("UPDATE pessoas SET idade = '7'"))
        connection.commit()
    before = PESSOAS
    project = edited(live, before)
    commands.rebuild(project.plan(), apply_it=False)
    commands.new_stage(project.plan(), "mais")
    more = (
        before
        + "        idade: Mapped[int] = mapped_column()\n        email: Mapped[str] = mapped_column(sa.String(90))\n"
    )
    project.module("pessoas", more)
    stages = yaml.safe_load(project.config.read_text())["stages"]
    stages[1]["fill"] = {"pessoas.email": "lower(nome)", "pessoas.idade": "0"}
    project.configure(stages=stages)
    commands.rebuild(project.plan())
    assert rows(project) == [
        {"id": 1, "nome": "Ana", "idade": 7, "email": "ana"},
        {"id": 2, "nome": "Rui", "idade": 7, "email": "rui"},
    ]


def test_a_database_that_was_changed_by_hand_does_not_follow(live: Project) -> None:
    with database.connect(database.engine(live.url)) as connection:
        connection.execute(sa.text("ALTER TABLE pessoas ADD COLUMN x INTEGER"))
        connection.commit()
    project = edited(live, PESSOAS + CIDADES)
    with pytest.raises(SchemaDiffers, match="Its schema is that of no stage"):
        commands.rebuild(project.plan())
    assert [row["nome"] for row in rows(project)] == ["Ana", "Rui"]


def test_a_protected_database_does_not_follow(live: Project) -> None:
    with database.connect(database.engine(live.url)) as connection:
        ownership.mark(connection, live.folder, "protected")
    project = edited(live, PESSOAS + CIDADES)
    with pytest.raises(Protected):
        commands.rebuild(project.plan())


def test_a_database_of_another_alembic_history_keeps_its_revision(live: Project) -> None:
    versions = live.folder / "old" / "versions"
    versions.mkdir(parents=True)
    (versions / "one.py").write_text('revision: str = "abc123"\ndown_revision = None\n')
    (live.folder / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/old\n")
    with database.connect(database.engine(live.url)) as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = 'abc123'"))
        connection.commit()
    for command in (commands.rebuild, commands.up, commands.onboard):
        with pytest.raises(SchemaDiffers, match=r"at revision abc123 of another Alembic history, .*one\.py"):
            command(live.plan())
    assert rows(live, "(SELECT 1 AS id, version_num FROM alembic_version)")[0]["version_num"] == "abc123"


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_what_was_interrupted_is_gone_on_with(tmp_path: Path, kind: str) -> None:
    made = sa.make_url(answering(kind)).set(database=f"strata_test_{secrets.token_hex(6)}")
    project = begun(tmp_path, made.render_as_string(hide_password=False))
    edited(project, PESSOAS.replace("String(60)", "String(80)") + CIDADES)

    def fail(connection: sa.Connection, _cursor: object, statement: str, *_: object) -> None:
        if connection.engine.url.database == made.database and statement.startswith("ALTER TABLE pessoas"):
            message = "cut"
            raise sa.exc.OperationalError(statement, None, Exception(message))

    sa.event.listen(sa.Engine, "before_cursor_execute", fail)
    try:
        with pytest.raises(MigrationFailed, match="cut"):
            commands.rebuild(project.plan())
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", fail)
    try:
        assert commands.rebuild(project.plan()).taken is not None
        commands.status(project.plan())
        assert [row["nome"] for row in rows(project)] == ["Ana", "Rui"]
    finally:
        removal.drop(made, anything)
