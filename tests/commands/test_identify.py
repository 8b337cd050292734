"""What `identify` says about a database that no stage fits."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from sqlstrata import commands
from sqlstrata.commands.identify import Identified
from sqlstrata.databases import creation, database
from sqlstrata.errors import SchemaDiffers
from sqlstrata.modules.turning import metadata_of
from tests.projects import Project, write

PESSOAS = """
class Pessoa(Base):
    __tablename__ = "pessoas"
    id: Mapped[int] = mapped_column(primary_key=True)
    nome: Mapped[str | None] = mapped_column(sa.String(60), index=True)
    idade: Mapped[int | None]
"""
CIDADES = """
cidades = sa.Table("cidades", Base.metadata, *(sa.Column(name, sa.Integer) for name in "abcdefg"))
"""
STAGES = [{"name": "pessoas", "enable": ["pessoas"]}, {"name": "cidades", "enable": ["cidades"]}]


def differing(folder: Path, url: str, *statements: str) -> tuple[Project, Identified, str]:
    """A project, what identify finds in a database at its first stage after these statements, and its error."""
    project = write(folder / "p", {"pessoas": PESSOAS, "cidades": CIDADES}, STAGES, url=url)
    creation.create(url)
    with database.engine(url).begin() as connection:
        metadata_of(project.plan(), 0).create_all(connection)
        for statement in statements:
            connection.exec_driver_sql(statement)
    with pytest.raises(SchemaDiffers) as error:
        commands.identify(project.plan())
    assert isinstance(error.value.result, Identified)
    return project, error.value.result, str(error.value)


def test_what_no_stage_knows_is_apart_from_what_is_ours(tmp_path: Path) -> None:
    statements = ("CREATE TABLE outra (id INTEGER)", "ALTER TABLE pessoas ADD COLUMN mais INTEGER")
    _, found, error = differing(tmp_path, f"sqlite:///{tmp_path / 'dev.db'}", *statements)
    assert [(each.difference.table, each.known) for each in found.more] == [("outra", False), ("pessoas", True)]
    ours, heading, others, *_ = found.lines()
    assert not isinstance(ours, str)
    assert not isinstance(others, str)
    assert heading == "No stage knows:"
    assert "`not_ours: [outra]`" in error


def test_a_table_of_another_stage_is_known(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'dev.db'}"
    _, found, error = differing(tmp_path, url, "DROP INDEX ix_pessoas_nome", "CREATE TABLE cidades (a INTEGER)")
    assert found.stage == "pessoas"
    assert [(each.difference.table, each.known) for each in found.more] == [("cidades", True), ("pessoas", True)]
    assert "not_ours" not in error


LINES = {
    "DROP INDEX ix_pessoas_nome": ("index ix_pessoas_nome", "index=True"),
    "ALTER TABLE pessoas DROP COLUMN idade": ("column idade", "idade:"),
    "ALTER TABLE pessoas ADD COLUMN mais INTEGER": ("column mais", "class Pessoa"),
}


@pytest.mark.parametrize("statement", LINES)
def test_on_a_near_miss_it_names_the_line(tmp_path: Path, statement: str, monkeypatch: pytest.MonkeyPatch) -> None:
    what, text = LINES[statement]
    monkeypatch.chdir(tmp_path)
    project, found, _ = differing(tmp_path, f"sqlite:///{tmp_path / 'dev.db'}", statement)
    lines = (project.folder / "modelos" / "pessoas.py").read_text().splitlines()
    number = next(number for number, line in enumerate(lines, 1) if text in line)
    assert f"pessoas, {what}: see p/modelos/pessoas.py:{number}." in list(found.lines())


def test_it_names_the_line_of_a_frozen_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    url = f"sqlite:///{tmp_path / 'dev.db'}"
    project = write(tmp_path / "p", {"pessoas": PESSOAS}, [{"name": "antes", "live": True}], url=url)
    commands.rebuild(project.plan(), proof=False)
    commands.new_stage(project.plan(), "agora")
    with database.engine(url).begin() as connection:
        connection.exec_driver_sql("ALTER TABLE pessoas DROP COLUMN idade")
    project.configure(stages=[{"name": "antes", "frozen": True}])
    with pytest.raises(SchemaDiffers) as error:
        commands.identify(project.plan())
    assert isinstance(error.value.result, Identified)
    number = next(n for n, line in enumerate(Path("p/stages/antes.py").read_text().splitlines(), 1) if "idade" in line)
    assert f"pessoas, column idade: see p/stages/antes.py:{number}." in list(error.value.result.lines())


MORE = {
    "sqlite": {
        "CREATE VIEW nomes AS SELECT nome FROM pessoas WHERE nome LIKE 'A%'": "nomes",
        "CREATE TRIGGER calado AFTER DELETE ON pessoas BEGIN SELECT 1; END": "pessoas",
    },
    "postgresql": {
        "CREATE FUNCTION calado() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$": "calado()",
        "CREATE TRIGGER calado BEFORE UPDATE ON pessoas FOR EACH ROW EXECUTE FUNCTION calado()": "pessoas",
        "CREATE PROCEDURE nada() LANGUAGE sql AS 'SELECT 1'": "nada()",
        "CREATE TYPE ponto AS (x integer, y integer)": "ponto",
        "CREATE TYPE humor AS ENUM ('bom', 'mau')": "humor",
        "CREATE DOMAIN cento AS integer CHECK (VALUE < 100)": "cento",
        "CREATE VIEW nomes AS SELECT nome FROM pessoas WHERE nome LIKE 'A%'": "nomes",
    },
    "mariadb": {
        "CREATE FUNCTION um() RETURNS int DETERMINISTIC RETURN 1": "um()",
        "CREATE TRIGGER calado BEFORE UPDATE ON pessoas FOR EACH ROW SET NEW.idade = 2": "pessoas",
        "CREATE VIEW nomes AS SELECT nome FROM pessoas": "nomes",
    },
}


def test_what_is_more_has_the_text_to_paste(tmp_path: Path, url: str) -> None:
    """Pasted into the models, it is no difference any more."""
    statements = {text.replace("%", "%%"): name for text, name in MORE[sa.make_url(url).get_backend_name()].items()}
    project, found, _ = differing(tmp_path, url, *statements)
    assert sorted(each.difference.table for each in found.more if each.paste) == sorted(statements.values())
    text = "".join(f"{each.paste}\n" for each in found.more)
    project.module("pessoas", f"{PESSOAS}\nmetadata = Base.metadata\n{text}")
    assert commands.identify(project.plan()).stage == "pessoas"
