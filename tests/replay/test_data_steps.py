"""Data steps of an older history that read what a stage drops: the stage says so, and rebuild waits for an answer."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from sqlstrata import commands
from sqlstrata.databases import database
from sqlstrata.errors import Refused
from sqlstrata.replay.project import Heard, Old, Ran
from sqlstrata.replay.steps import Name, data_steps, readers
from tests.projects import Project, write
from tests.replay.test_import_alembic import ENV, foreign, revised, stages
from tests.replay.test_import_alembic import project as made_project

PESSOAS = """
op.create_table(
    "pessoas",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("nome", sa.String(60)),
    sa.Column("velha", sa.Integer),
)
"""
NOMES = """
op.add_column("pessoas", sa.Column("apelido", sa.String(60)))
op.execute("UPDATE pessoas SET apelido = nome")
with op.batch_alter_table("pessoas") as batch:
    batch.drop_column("nome")
    batch.drop_column("velha")
"""


@pytest.fixture
def imported(tmp_path: Path) -> Project:
    """Two stages; between them a column is copied into another one, and dropped."""
    url = f"sqlite:///{tmp_path / 'dev.db'}"
    made: Project = made_project.__wrapped__(tmp_path, url, "sqlite")  # type: ignore[attr-defined]
    (made.folder / "alembic" / "env.py").write_text(ENV.format(url=url, table="alembic_version"))
    (made.folder / "alembic" / "versions" / "2.py").unlink()
    revised(made.folder, 0, PESSOAS, None)
    revised(made.folder, 1, NOMES, "00aa0000bbbb")
    done = commands.import_alembic(made.plan(), foreign(made), ["00aa", "11aa"])
    assert f"To fill in, in the `data` of stage step_1: {UNFILLED}." in list(done.lines())
    before, after, _ = stages(made)
    made.configure(stages=[before, {**after, "drop": ["pessoas.nome", "pessoas.velha"]}])
    return made


UNFILLED = "alembic/versions/1.py:11 reads pessoas.nome, which this stage drops"


def test_rebuild_refuses_until_the_step_is_filled_in(imported: Project) -> None:
    with pytest.raises(Refused) as error:
        commands.rebuild(imported.plan(), proof=False)
    assert error.value.message == f"1 data step must be filled in:\n  step_1: {UNFILLED}."
    config = imported.config.read_text()
    line = next(number for number, text in enumerate(config.splitlines(), 1) if "to fill in" in text)
    assert error.value.where == f"{imported.config}:{line}:{config.splitlines()[line - 1].index(chr(39)) + 1}"
    assert error.value.details["needs"] == [{"stage": "step_1", "key": "data", "name": UNFILLED, "value": None}]
    before, after = stages(imported)
    imported.configure(stages=[before, {key: each for key, each in after.items() if key != "data"}])
    assert commands.rebuild(imported.plan(), proof=False, dry_run=True).changes, "without the text it is waved through"
    url = imported.url
    foreign(imported).run("upgrade", "00aa0000bbbb", sa.make_url(url))
    with database.engine(url).begin() as connection:
        connection.execute(sa.text("INSERT INTO pessoas (nome) VALUES ('Ana')"))
    imported.configure(stages=[before, {**after, "data": {"upgrade": ["UPDATE pessoas SET apelido = nome"]}}])
    assert commands.rebuild(imported.plan()).applied == ("step_1",)
    with database.connect(database.engine(url)) as connection:
        assert connection.execute(sa.text("SELECT apelido FROM pessoas")).scalars().all() == ["Ana"]


def test_a_text_is_found_wherever_data_has_it(tmp_path: Path) -> None:
    made = write(tmp_path / "p", {}, [{"name": "antes", "data": "SELECT 1"}])
    text = f"-- to fill in: {UNFILLED}"
    for data in (text, [text], {"upgrade": text}, {"sqlite": ["SELECT 1", text]}, {"upgrade": {"default": [text]}}):
        made.configure(stages=[{"name": "antes", "data": data}])
        ((stage, said, where),) = made.plan().unfilled()
        assert (stage.name, said) == ("antes", UNFILLED)
        assert "-- to fill in:" in made.config.read_text().splitlines()[where.line - 1][where.column :]


GONE: tuple[Name, ...] = (("pessoas", "nome"), ("velhas", None), ("extra.notas", None))
CASES = {
    'op.execute("UPDATE pessoas SET apelido = nome")': ("pessoas.nome",),
    'op.execute("UPDATE pessoas SET apelido = 1")': (),
    "op.execute('INSERT INTO novas SELECT * FROM \"Velhas\"')": ("velhas",),
    'op.execute("ALTER TABLE pessoas DROP COLUMN nome")': (),
    "helped()": ("velhas",),
    'op.get_bind().execute(sa.select(sa.table("notas")))': ("extra.notas",),
}


@pytest.mark.parametrize("call", CASES)
def test_what_a_step_reads_is_seen_in_its_text(tmp_path: Path, call: str) -> None:
    path = tmp_path / "1.py"
    helper = 'def helped():\n    op.execute("DELETE FROM novas WHERE id IN (SELECT id FROM velhas)")\n'
    path.write_text(
        f"{helper if 'helped' in call else ''}def upgrade():\n    {call}\n\n\ndef downgrade():\n    op.execute('DELETE FROM velhas')\n"
    )
    old = Old("a", (), "", path)
    found = list(readers([old], Ran((Heard("a", ()),), "alembic_version", None), GONE))
    assert [each.names for each in found] == [CASES[call]] * bool(CASES[call])
    assert [each.line for each in found] == [2] * bool(found)


def test_what_a_step_reads_is_heard(tmp_path: Path) -> None:
    path = tmp_path / "1.py"
    path.write_text("import ajuda\n\n\ndef upgrade():\n    ajuda.run()\n")
    old, table = Old("a", (), "", path), "alembic_version"
    heard = {
        "SELECT pessoas.nome FROM pessoas": ("pessoas.nome",),
        "INSERT INTO _alembic_tmp_pessoas (nome) SELECT pessoas.nome FROM pessoas": (),
        "CREATE TABLE velhas (id INTEGER)": (),
    }
    for text, names in heard.items():
        found = list(readers([old], Ran((Heard("a", (text,)),), table, None), GONE))
        assert [(each.line, each.names) for each in found] == [(4, names)] * bool(names)
    steps = data_steps([old], [Heard("a", (*heard, "DELETE FROM velhas", "UPDATE alembic_version SET x = 1"))], table)
    assert [(each.line, each.kind, each.text) for each in steps] == [(4, "rewrites rows", "DELETE FROM velhas")]
