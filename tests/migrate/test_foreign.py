"""Tables that belong to somebody else, and Alembic's own table under another name."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from sqlstrata import commands
from sqlstrata.databases import creation, database, removal
from sqlstrata.errors import Protected, SchemaDiffers, WrongUse
from sqlstrata.plan.foreign import is_foreign
from tests.outcomes import outcome
from tests.projects import Project, write
from tests.servers import SERVERS, answering, anything

MODULES = {
    "pessoas": """
        class Pessoa(Base):
            __tablename__ = "pessoas"
            id: Mapped[int] = mapped_column(primary_key=True)
        """,
    "cidades": """
        class Cidade(Base):
            __tablename__ = "cidades"
            id: Mapped[int] = mapped_column(primary_key=True)
        """,
}
STAGES = [
    {"name": "pessoas", "enable": ["pessoas"], "rows": {"pessoas": [{"id": 1}]}},
    {"name": "cidades", "enable": ["cidades"]},
]
THEIRS = ("CREATE TABLE plugin_item (id INTEGER)", "INSERT INTO plugin_item VALUES (7)")
LAST = {"stage": "cidades", "exact": True, "differences": [], "also": []}


@pytest.fixture
def project(tmp_path: Path, url: str) -> Project:
    """A project of two stages, with its history."""
    made = write(tmp_path / "p", MODULES, STAGES, url=url)
    commands.rebuild(made.plan(), apply_it=False, proof=False)
    return made


def run(url: str, *statements: str) -> None:
    with database.engine(url).begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def rows(url: str, query: str) -> list[tuple[object, ...]]:
    with database.engine(url, reading=True).connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query)]


# ------------------------------------------------------------------------------ not_ours


@pytest.mark.parametrize(
    ("name", "patterns", "found"),
    [
        ("spatial_ref_sys", ["spatial_ref_sys"], True),
        ("loja_alembic_version", ["*_alembic_version"], True),
        ("alembic_version", ["*_alembic_version"], False),
        ("plugin.item", ["plugin.*"], True),
        ("plugin.item", ["item"], False),
        ("item", ["plugin.item"], False),
        ("item", ["main.item"], True),
        ("items", ["item", "ite?s"], True),
        ("ITEM", ["item"], False),
    ],
)
def test_a_pattern_is_for_names_in_one_schema(name: str, patterns: list[str], *, found: bool) -> None:
    assert is_foreign(name, patterns, "main") is found


def test_a_table_of_somebody_else_is_no_difference_to_any_command(project: Project, url: str) -> None:
    commands.onboard(project.plan())
    run(url, *THEIRS)
    assert outcome(commands.identify, project.plan()).error is not None, "it is a difference until it is named"
    project.configure(not_ours=["plugin_*"])
    plan = project.plan()
    assert commands.identify(plan).to_json() == LAST
    assert commands.status(plan).schema_matches
    commands.down(plan, "pessoas")
    commands.onboard(plan)
    run(url, "DELETE FROM alembic_version")
    assert commands.adopt(plan).stage == "cidades"
    commands.down(plan, "base")
    assert commands.identify(plan).stage is None, "without ours the database counts as empty"
    assert rows(url, "SELECT id FROM plugin_item") == [(7,)]


def test_reset_does_not_drop_a_table_of_somebody_else(project: Project, url: str) -> None:
    commands.onboard(project.plan())
    run(url, *THEIRS)
    project.configure(not_ours=["plugin_*"])
    with pytest.raises(Protected, match="`not_ours` names plugin_item, which resetting the database would drop"):
        commands.reset(project.plan(), lambda _: True)
    assert rows(url, "SELECT id FROM plugin_item") == [(7,)]
    run(url, "DROP TABLE plugin_item")
    assert commands.reset(project.plan(), lambda _: True).stage == "cidades"


def test_a_table_of_the_models_is_ours(project: Project) -> None:
    project.configure(not_ours=["cid*"])
    with pytest.raises(WrongUse) as caught:
        commands.rebuild(project.plan(), apply_it=False)
    assert str(caught.value) == (
        f"{project.config}:19:1: `not_ours` names the table `cidades`, which the models define in stage `cidades`. "
        "Narrow the pattern, or take the table out of the models."
    )


# -------------------------------------------------------------------------- version_table


def stock(project: Project, *arguments: str) -> str:
    """Run the `alembic` command in the project."""
    there = {**os.environ, "PYTHONPATH": f"{Path(commands.__file__).parents[2]}", "DATABASE_URL": project.url}
    done = subprocess.run(
        [sys.executable, "-m", "alembic", *arguments],
        cwd=project.folder, env=there, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_alembics_table_has_the_name_that_config_yaml_gives_it(tmp_path: Path, url: str) -> None:
    made = write(tmp_path / "p", MODULES, STAGES, url=url, prove_on=[url] if "sqlite" not in url else ["sqlite://"])
    made.configure(version_table="our_versions")
    run_commands(made, "our_versions")


def test_alembics_table_may_be_in_another_schema(tmp_path: Path) -> None:
    answering("postgresql")
    there = sa.make_url(SERVERS["postgresql"]).set(database=f"strata_test_{secrets.token_hex(6)}")
    url = there.render_as_string(hide_password=False)
    made = write(tmp_path / "p", MODULES, STAGES, url=url, prove_on=[url])
    made.configure(version_table="history.versions")
    try:
        run_commands(made, "history.versions")
        sql = stock(made, "upgrade", "head", "--sql")
        assert sql.index("CREATE SCHEMA IF NOT EXISTS history;") < sql.index("CREATE TABLE history.versions")
    finally:
        removal.drop(there, anything)


def run_commands(made: Project, table: str) -> None:
    """Run every command that looks at the table, and stock Alembic's."""
    plan, url = made.plan(), made.url
    other = "alembic_version"
    rebuilt = commands.rebuild(plan)
    ids = [each.id for each in rebuilt.revisions]
    assert rows(url, f"SELECT version_num FROM {table}") == [(ids[1],)]
    assert commands.status(plan).stage == "cidades"
    assert commands.stages(plan).at == "cidades"
    commands.down(plan, "pessoas")
    assert rows(url, f"SELECT version_num FROM {table}") == [(ids[0],)]
    assert ids[0] in stock(made, "current")
    stock(made, "upgrade", "head")
    assert "No new upgrade operations detected" in stock(made, "check")
    assert commands.status(plan).stage == "cidades"
    run(url, f"DELETE FROM {table}")
    assert commands.adopt(plan).revision == ids[1]
    assert rows(url, f"SELECT version_num FROM {table}") == [(ids[1],)]
    with database.engine(url, reading=True).connect() as connection:
        assert not sa.inspect(connection).has_table(other)
    assert table in commands.sql(plan, None, None, sa.make_url(url).get_backend_name())


def test_an_alembic_ini_that_names_another_table_is_reported(project: Project) -> None:
    project.configure(version_table="our_versions")
    heard: list[str] = []
    commands.rebuild(project.plan(), apply_it=False, notify=lambda message, _: heard.append(message))
    wanted = "alembic.ini does not name Alembic's table: write `version_table = our_versions` under [alembic]."
    assert wanted in heard
    ini = project.folder / "alembic.ini"
    text = ini.read_text(encoding="utf-8").replace("[alembic]\n", "[alembic]\nversion_table = our_versions\n")
    ini.write_text(text, encoding="utf-8")
    heard.clear()
    commands.rebuild(project.plan(), apply_it=False, notify=lambda message, _: heard.append(message))
    assert wanted not in heard
    ini.write_text("[alembic]\nscript_location = %(here)s/another\n", encoding="utf-8")
    commands.rebuild(project.plan(), apply_it=False, notify=lambda message, _: heard.append(message))
    assert wanted not in heard


def test_stock_alembic_ignores_a_table_of_somebody_else(tmp_path: Path) -> None:
    made = write(tmp_path / "p", MODULES, STAGES)
    made.configure(not_ours=["plugin_*"])
    commands.rebuild(made.plan())
    run(made.url, *THEIRS)
    assert "No new upgrade operations detected" in stock(made, "check")


def test_stock_alembic_compares_with_all_bases(tmp_path: Path) -> None:
    audit = """
        from modelos.extra import other
        sa.Table("audit", other, sa.Column("id", sa.Integer, primary_key=True))
        """
    made = write(tmp_path / "p", {**MODULES, "audit": audit}, [*STAGES, {"name": "audit", "enable": ["audit"]}])
    (made.folder / made.package / "extra.py").write_text(
        "from sqlalchemy import MetaData\nother = MetaData()\n", "utf-8"
    )
    made.configure(models={"package": made.package, "base": ["base:Base", "extra:other"]})
    commands.rebuild(made.plan())
    assert "No new upgrade operations detected" in stock(made, "check")
    run(made.url, "DROP TABLE audit")
    with pytest.raises(AssertionError, match="audit"):
        stock(made, "check")


# ------------------------------------------------------------------------ several revisions


def test_a_database_with_several_revisions_is_identified_and_adopted(project: Project, url: str) -> None:
    """An Alembic history with two branches has a row for each."""
    commands.onboard(project.plan())
    plan = project.plan()
    run(url, "DELETE FROM alembic_version", "INSERT INTO alembic_version VALUES ('bbb'), ('aaa')")
    with pytest.raises(SchemaDiffers) as caught:
        commands.status(plan)
    assert str(caught.value) == (
        "The database is marked with 2 revisions: aaa, bbb. "
        "`inv adopt` replaces them by the revision of the stage that the database's schema is exactly that of."
    )
    assert commands.identify(plan).to_json() == LAST
    adopted = commands.adopt(plan)
    assert (adopted.stage, adopted.before, adopted.written) == ("cidades", "aaa, bbb", True)
    assert rows(url, "SELECT version_num FROM alembic_version") == [(adopted.revision,)]
    assert commands.status(plan).stage == "cidades"


# ------------------------------------------------------------- stages that cannot be created


def test_identify_reports_a_stage_that_the_server_cannot_create(tmp_path: Path) -> None:
    """The operator class is that of an extension which nothing creates."""
    answering("postgresql")
    there = sa.make_url(SERVERS["postgresql"]).set(database=f"strata_test_{secrets.token_hex(6)}")
    models = {"item": """
        item = sa.Table("item", Base.metadata, sa.Column("id", sa.Integer), sa.Column("name", sa.Text))
        sa.Index("ix", item.c.name, postgresql_using="gin", postgresql_ops={"name": "gin_trgm_ops"})
        """, "other": """sa.Table("other", Base.metadata, sa.Column("id", sa.Integer))"""}  # fmt: skip
    stages = [{"name": "other", "enable": ["other"]}, {"name": "item", "enable": ["item"]}]
    made = write(tmp_path / "p", models, stages, url=there.render_as_string(hide_password=False), prove_on=[
        SERVERS["postgresql"]])  # fmt: skip
    creation.create(there)
    try:
        run(made.url, "CREATE TABLE other (id INTEGER)")
        assert commands.identify(made.plan()).stage == "other", "another stage can still be found"
        run(made.url, "CREATE TABLE item (id INTEGER, name TEXT)")
        with pytest.raises(WrongUse) as caught:
            commands.identify(made.plan())
        assert caught.value.hint == "Write `extensions: [pg_trgm]` in config.yaml, or add it to those."
        assert json.dumps(caught.value.to_json())
    finally:
        removal.drop(there, anything)
