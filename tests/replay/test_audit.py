"""`audit`: what is wrong with an existing Alembic history, found on generated rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from sqlstrata import commands
from sqlstrata.commands.audit import Audited, Compared
from sqlstrata.errors import MigrationFailed
from sqlstrata.replay.project import Project as Foreign
from sqlstrata.snapshot import Difference
from tests.commands.test_import_git import Repo
from tests.replay.test_import_alembic import ENV

REVISION = '''\
"""{message}"""
import sqlalchemy as sa
from alembic import op

revision = "{message}"
down_revision = {parent!r}


def upgrade():
    {upgrade}


def downgrade():
    {downgrade}
'''
TABLE = 'op.create_table("t", sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.String(9)))'
CASES = {
    "well": ('op.add_column("t", sa.Column("x", sa.Integer))', 'op.drop_column("t", "x")', None),
    "up": ('op.execute("CREATE UNIQUE INDEX u ON t ((n IS NULL))")', "pass", "up"),
    "down": ('op.add_column("t", sa.Column("x", sa.Integer))', "raise NotImplementedError()", "down"),
    "back": ('op.create_index("i", "t", ["n"])', "pass", "comes_back_equal"),
    "rows": ('op.execute("DELETE FROM t WHERE id > 1")', "pass", "rows_survive"),
}


@pytest.mark.parametrize("case", CASES)
def test_each_kind_of_fault_is_found(tmp_path: Path, case: str) -> None:
    upgrade, downgrade, wrong = CASES[case]
    versions = tmp_path / "alembic" / "versions"
    versions.mkdir(parents=True)
    (tmp_path / "alembic" / "env.py").write_text(ENV.format(url="sqlite:///nowhere.db", table="alembic_version"))
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = alembic\n")
    first = REVISION.format(message="one", parent=None, upgrade=TABLE, downgrade='op.drop_table("t")')
    (versions / "1.py").write_text(first)
    (versions / "2.py").write_text(REVISION.format(message="two", parent="one", upgrade=upgrade, downgrade=downgrade))
    project = Foreign(tmp_path, tmp_path / "alembic.ini")
    if wrong is None:
        done = commands.audit(project)
        assert done.to_json()["ok"] is True
        assert "env.py gives `context.configure` no target_metadata" in list(done.lines())[-1]
        return
    with pytest.raises(MigrationFailed, match=r"1 revision of 2 did not go well: two\.") as error:
        commands.audit(project)
    found = error.value.result
    assert isinstance(found, Audited)
    one, two = (each.to_json() for each in found.revisions)
    assert one["wrong"] == {}
    assert isinstance(two["wrong"], dict)
    assert list(two["wrong"]) == [wrong]
    assert not (tmp_path / "nowhere.db").exists()


MODELS = """
from sqlalchemy import Column, Integer, MetaData, String, Table

metadata = MetaData()
Table("t", metadata, Column("id", Integer, primary_key=True), Column("n", String(9)))
"""


def test_it_says_where_the_history_is_what_the_models_are(tmp_path: Path) -> None:
    repo = Repo(tmp_path)
    repo.git("init", "-q")
    env = "from models import metadata\n" + ENV.format(url="sqlite:///nowhere.db", table="alembic_version")
    given = {"parent": None, "upgrade": TABLE, "downgrade": 'op.drop_table("t")'}
    repo.release("v1", {
        "alembic.ini": "[alembic]\nscript_location = alembic\n",
        "alembic/env.py": env.replace("connection=connection,", "connection=connection, target_metadata=metadata,"),
        "models.py": MODELS,
        "alembic/versions/1.py": REVISION.format(message="one", **given),
    })  # fmt: skip
    repo.release("v1.1", {"README": "one"})
    two = REVISION.format(message="two", parent="one", upgrade="pass", downgrade="pass")
    repo.release("v2", {"alembic/versions/2.py": two.replace("    pass", '    op.create_index("i", "t", ["n"])', 1).replace(
        "    pass", '    op.drop_index("i", "t")')})  # fmt: skip
    said = list(commands.audit(Foreign(tmp_path, tmp_path / "alembic.ini")).lines())[-1]
    assert said == "The models are exactly what revision one makes. Tags with it: v1, v1.1."
    other = Compared(
        differences=(Difference("t", "column n: type", "9", "10"), Difference("t", "index i", None, "(n)"))
    )
    said = "The models are what no revision makes. From the last one they differ in t: column n: type; t: index i."
    assert str(other) == said
