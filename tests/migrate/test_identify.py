"""Which stage is a database at? By its schema alone; and what follows: adopt, status, a history whose ids changed."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from sqlstrata import commands
from sqlstrata.databases import addresses, creation, database, ownership
from sqlstrata.errors import HistoryDiffers, Protected, SchemaDiffers, Unreachable
from sqlstrata.migrate import apply
from sqlstrata.migrate.place import fitting
from sqlstrata.revisions.generate import steps
from tests.outcomes import outcome
from tests.projects import Project, write

MODULES = {
    "pessoas": """
        class Pessoa(Base):
            __tablename__ = "pessoas"
            id: Mapped[int] = mapped_column(primary_key=True)
            nome: Mapped[str] = mapped_column(sa.String(50), index=True)
        """,
    "cidades": """
        class Cidade(Base):
            __tablename__ = "cidades"
            id: Mapped[int] = mapped_column(primary_key=True)
            prefeito: Mapped[int] = mapped_column(sa.ForeignKey("pessoas.id"))
        """,
    "email": """
        from modelos.pessoas import Pessoa
        Pessoa.email = mapped_column(sa.String(40), nullable=True)
        """,
}
STAGES = [
    {"name": "pessoas", "enable": ["pessoas"], "rows": {"pessoas": [{"nome": "Ana"}]}},
    {"name": "cidades", "enable": ["cidades"]},
    {"name": "email", "enable": ["email"]},
]


@pytest.fixture
def project(tmp_path: Path, url: str) -> Project:
    made = write(tmp_path / "p", MODULES, STAGES, url=url, package="modelos")
    commands.rebuild(made.plan(), apply_it=False, proof=False)
    return made


def run(url: str, *statements: str) -> None:
    with database.engine(url).begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def test_every_stage_is_found_on_every_server(project: Project, url: str) -> None:
    plan = project.plan()
    commands.onboard(plan)
    for stage in ("email", "cidades", "pessoas"):
        found = commands.identify(plan)
        assert (found.stage, found.exact, found.differences) == (stage, True, ())
        run(url, "UPDATE alembic_version SET version_num = 'nowhere'" if stage == "pessoas" else "SELECT 1")
        if stage != "pessoas":
            commands.down(plan)
    assert commands.identify(plan).stage == "pessoas"
    run(url, "DROP TABLE alembic_version")
    assert commands.identify(plan).stage == "pessoas"
    run(url, "DROP TABLE pessoas")
    assert (commands.identify(plan).stage, commands.identify(plan).exact) == (None, True)


def test_rights_that_somebody_was_given_are_no_difference(project: Project, url: str) -> None:
    if not url.startswith("postgresql"):
        pytest.skip("the other servers keep rights elsewhere")
    commands.onboard(project.plan())
    run(url, "GRANT SELECT ON pessoas TO PUBLIC")
    assert commands.identify(project.plan()).exact
    assert commands.status(project.plan()).schema_matches


@pytest.mark.parametrize("default", ["COLLATE utf8mb4_unicode_ci", "CHARACTER SET latin1"])
def test_a_database_s_own_character_set_is_no_difference(project: Project, url: str, default: str) -> None:
    if not url.startswith(("mysql", "mariadb")):
        pytest.skip("the other servers' tables have none")
    made = sa.make_url(url)
    run(addresses.server(made).render_as_string(hide_password=False), f"CREATE DATABASE {made.database} {default}")
    plan = project.plan()
    commands.up(plan)
    assert commands.status(plan).schema_matches
    assert commands.identify(plan).stage == "email"
    run(url, "ALTER TABLE pessoas CONVERT TO CHARACTER SET ascii")
    with pytest.raises(SchemaDiffers, match=r"No stage fits exactly\."):
        commands.identify(plan)


def test_where_none_fits_the_nearest_and_the_differences_are_reported(project: Project, url: str) -> None:
    plan = project.plan()
    commands.onboard(plan)
    commands.down(plan)
    run(url, "ALTER TABLE cidades ADD COLUMN extra INTEGER")
    found = outcome(commands.identify, plan)
    assert (found.stage, found.exact) == ("cidades", False)
    assert [(each.table, each.what, each.expected) for each in found.differences] == [("cidades", "column extra", None)]
    state = outcome(commands.status, plan)
    assert (state.stage, state.schema_matches, state.pending) == ("cidades", False, ("email",))
    with pytest.raises(SchemaDiffers, match="nearest is stage cidades, with 1 difference"):
        commands.adopt(plan)


def test_a_database_that_create_all_made_is_adopted_and_goes_up(project: Project, url: str) -> None:
    plan = project.plan()
    creation.create(url)
    with database.engine(url).begin() as connection:
        steps(plan)[1].metadata.create_all(connection)
    with pytest.raises(SchemaDiffers, match="has no revision, but tables of the stages") as refused:
        commands.up(plan)
    assert "exactly that of stage cidades" in refused.value.message
    assert "inv adopt" in str(refused.value)
    done = commands.adopt(plan)
    assert (done.stage, done.before, done.written) == ("cidades", None, True)
    assert not commands.adopt(plan).written
    assert commands.up(plan) == ("email",)
    assert commands.status(plan).schema_matches


def renamed(project: Project) -> None:
    """SQL of the first stage that changes nothing changes every id."""
    project.configure(stages=[{**STAGES[0], "data": "SELECT 1"}, *STAGES[1:]])


def test_after_old_ids_changed_rebuild_repoints_the_development_database(project: Project, url: str) -> None:
    commands.onboard(project.plan())
    commands.down(project.plan())
    renamed(project)
    done = commands.rebuild(project.plan(), proof=False)
    assert done.taken is not None
    assert (done.taken.stage, done.applied) == ("cidades", ("email",))
    assert commands.status(project.plan()).stage == "email"
    with database.connect(database.engine(url)) as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM pessoas").scalar() == 1


def test_a_database_whose_revision_is_gone_is_identified_and_adopted(project: Project) -> None:
    commands.onboard(project.plan())
    renamed(project)
    commands.rebuild(project.plan(), apply_it=False, proof=False)
    plan = project.plan()
    with pytest.raises(SchemaDiffers, match="exactly that of stage email"):
        commands.down(plan)
    state = outcome(commands.status, plan)
    assert (state.stage, state.gone, state.schema_matches, state.pending) == ("email", True, True, ())
    commands.adopt(plan)
    assert commands.up(plan) == ()


def test_a_protected_database_is_never_repointed_restamped_or_reset(project: Project, url: str) -> None:
    commands.onboard(project.plan())
    assert commands.adopt(project.plan(), protect=True).protected
    renamed(project)
    with pytest.raises(Protected, match="given another revision"):
        commands.rebuild(project.plan(), proof=False)
    with pytest.raises(Protected, match="given another revision"):
        commands.adopt(project.plan())
    with pytest.raises(Protected, match="will not be reset"):
        commands.reset(project.plan(), lambda _: True)
    run(url, "UPDATE alembic_version SET version_num = version_num")


def test_protected_in_the_plan_counts_for_its_database_under_any_spelling(tmp_path: Path) -> None:
    made = write(tmp_path / "p", MODULES, STAGES, package="modelos")
    made.configure(database={"url": "sqlite:///dev.db", "protected": True})
    commands.rebuild(made.plan())
    renamed(made)
    with pytest.raises(Protected):
        commands.rebuild(made.plan())
    with pytest.raises(Protected):
        commands.adopt(made.plan(), f"sqlite:///{made.folder}/../p/dev.db")


def test_up_can_protect_too(project: Project, url: str) -> None:
    if not url.startswith("sqlite"):
        creation.create(url)
    commands.up(project.plan(), protect=True)
    with database.connect(database.engine(url)) as connection:
        assert "protected" in ownership.words(connection)


def test_adopt_wants_the_history_that_the_stages_give(project: Project) -> None:
    commands.onboard(project.plan())
    renamed(project)
    with pytest.raises(HistoryDiffers):
        commands.adopt(project.plan())


def test_a_database_that_is_not_there_is_not_made_by_looking(tmp_path: Path) -> None:
    made = write(tmp_path / "p", MODULES, STAGES, package="modelos")
    for command in (commands.identify, commands.adopt):
        with pytest.raises(Unreachable, match="There is no SQLite file"):
            command(made.plan())
    assert not (made.folder / "dev.db").exists()


def test_stages_with_one_schema_are_all_named(tmp_path: Path) -> None:
    data = {"name": "dados", "data": {"upgrade": "UPDATE pessoas SET nome = 'B'", "downgrade": "SELECT 1"}}
    made = write(tmp_path / "p", MODULES, [STAGES[0], data], package="modelos")
    commands.rebuild(made.plan(), proof=False)
    found = commands.identify(made.plan())
    assert (found.stage, found.also) == ("dados", ("pessoas",))
    commands.down(made.plan())
    assert commands.identify(made.plan()).stage == "pessoas", "of several the one that the database says"


def test_time_does_not_grow_with_the_square_of_the_stages(tmp_path: Path) -> None:
    def seconds(number: int) -> float:
        modules = {
            f"m{n}": MODULES["pessoas"].replace("pessoas", f"t{n}").replace("Pessoa", f"T{n}") for n in range(number)
        }
        stages = [{"name": name, "enable": [name]} for name in modules]
        made = write(tmp_path / f"p{number}", modules, stages, package=f"modelos_{number}")
        plan = made.plan()
        known = steps(plan)
        path = made.folder / "dev.db"
        creation.create(f"sqlite:///{path}")
        with database.engine(f"sqlite:///{path}").begin() as connection:
            known[number // 2].metadata.create_all(connection)
        with database.connect(database.engine(f"sqlite:///{path}", reading=True)) as connection:
            begun = time.perf_counter()
            assert fitting(connection, plan, known).stage == f"m{number // 2}"
            return time.perf_counter() - begun

    small, large = seconds(20), seconds(80)
    assert large < max(10 * small, 1.0)


def test_a_foreign_application_id_leaves_no_room_for_the_mark_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA application_id = 7")
        connection.execute("CREATE TABLE t (id INTEGER)")
    with database.connect(database.engine(f"sqlite:///{path}")) as opened:
        assert ownership.words(opened) == frozenset()
        with pytest.raises(Exception, match="protected: true"):
            ownership.mark(opened, tmp_path, "protected")


def test_the_marks_stand_beside_what_else_a_comment_says(server: str, url: str, tmp_path: Path) -> None:
    if server == "sqlite://":
        return
    creation.create(url)
    name = str(sa.make_url(url).database)
    text = "uma 'nota'; 100%".replace("'", "''")
    run_text = (
        f"COMMENT ON DATABASE {name} IS '{text}'" if "postgresql" in url else f"ALTER DATABASE {name} COMMENT '{text}'"
    )
    with database.engine(url).begin() as connection:
        connection.exec_driver_sql(run_text, execution_options={"no_parameters": True})
    with database.connect(database.engine(url)) as connection:
        ownership.mark(connection, tmp_path, "created")
        ownership.mark(connection, tmp_path, "protected")
        assert ownership.words(connection) == {"created", "protected"}
        assert "uma 'nota'; 100%" in ownership._comment(connection).splitlines()


def test_apply_knows_nothing_of_an_empty_database(tmp_path: Path) -> None:
    creation.create(url := f"sqlite:///{tmp_path / 'x.db'}")
    plan = write(tmp_path / "p", MODULES, STAGES).plan()
    with database.connect(database.engine(url)) as connection:
        assert (apply.revision_of(connection, plan), apply.unfinished(connection)) == (None, None)


def test_rows_of_no_revision_are_reported_as_what_they_are(project: Project, url: str) -> None:
    """Two rows without a value: another program's table, or a damaged one."""
    commands.onboard(project.plan())
    run(url, "DROP TABLE alembic_version", "CREATE TABLE alembic_version (version_num VARCHAR(32))")
    run(url, *["INSERT INTO alembic_version VALUES (NULL)"] * 2)
    with pytest.raises(SchemaDiffers, match="with 2 revisions: None, None"):
        commands.status(project.plan())
