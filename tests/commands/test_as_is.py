"""`adopt --as-is`: a database that differs from its stage becomes a stage, and goes on to the models."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from sqlstrata import commands
from sqlstrata.databases import database
from sqlstrata.errors import Refused, WrongUse
from tests.commands.running import Inv
from tests.projects import Project, write

PESSOAS = """
    class Pessoa(Base):
        __tablename__ = "pessoas"
        id: Mapped[int] = mapped_column(primary_key=True)
        nome: Mapped[str | None] = mapped_column(sa.String(60))
"""


@pytest.fixture
def live(tmp_path: Path, url: str) -> Project:
    return write(tmp_path / "projeto", {"pessoas": PESSOAS}, [{"name": "agora", "live": True}], url=url, prove_on=[url])


def drifted(project: Project, more: str = "") -> None:
    commands.rebuild(project.plan())
    with database.connect(database.engine(project.url)) as connection:
        connection.execute(sa.text("ALTER TABLE pessoas ADD COLUMN velha INTEGER"))
        connection.execute(sa.text("INSERT INTO pessoas (nome) VALUES ('Ana')"))
        if more:
            connection.execute(sa.text(more))
        connection.commit()


def test_a_drifted_database_becomes_a_stage_and_goes_on_to_the_models(live: Project) -> None:
    drifted(live, "CREATE VIEW nomes AS SELECT nome FROM pessoas")
    with pytest.raises(Refused, match=r"velha.* Stage antes is written"):
        commands.adopt(live.plan(), as_is="antes")
    assert [stage.name for stage in live.plan().stages] == ["antes", "agora"]
    live.configure(
        stages=[{"name": "antes", "frozen": True}, {"name": "agora", "live": True, "drop": ["pessoas.velha"]}]
    )
    commands.rebuild(live.plan(), apply_it=False)
    assert commands.adopt(live.plan()).stage == "antes"
    assert commands.up(live.plan()) == ("agora",)
    commands.status(live.plan())
    with database.connect(database.engine(live.url)) as connection:
        assert connection.execute(sa.text("SELECT nome FROM pessoas")).scalars().all() == ["Ana"]


def test_it_is_one_step_where_the_last_stage_needs_no_leave(tmp_path: Path, inv: Inv) -> None:
    url = f"sqlite:///{tmp_path / 'dev.db'}"
    project = write(tmp_path / "projeto", {"pessoas": PESSOAS}, [{"name": "agora", "live": True}], url=url)
    commands.rebuild(project.plan())
    with database.connect(database.engine(url)) as connection:
        connection.execute(sa.text("CREATE INDEX por_nome ON pessoas (nome)"))
        connection.commit()
    ran = inv("adopt", "--as-is", "antes", "--json", "--config", str(project.config))
    assert (ran.code, ran.json["stage"]) == (0, "antes")
    assert commands.up(project.plan()) == ("agora",)
    commands.status(project.plan())


def test_it_is_refused_where_a_stage_fits(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'dev.db'}"
    project = write(tmp_path / "projeto", {"pessoas": PESSOAS}, [{"name": "agora", "live": True}], url=url)
    commands.rebuild(project.plan())
    with pytest.raises(WrongUse, match="is that of stage agora already"):
        commands.adopt(project.plan(), as_is="antes")
    assert [stage.name for stage in project.plan().stages] == ["agora"]
