"""Live and frozen stages: models that are edited in place, and the past in files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from sqlstrata import commands
from sqlstrata.errors import HistoryDiffers, Refused, WrongUse
from tests.projects import Project, write

FIRST = """
    class Pessoa(Base):
        __tablename__ = "pessoas"
        id: Mapped[int] = mapped_column(primary_key=True)
        nome: Mapped[str] = mapped_column(sa.String(60))
"""
SECOND = (
    FIRST.replace("nome", "nome_completo")
    + """
    class Cidade(Base):
        __tablename__ = "cidades"
        id: Mapped[int] = mapped_column(primary_key=True)
"""
)


@pytest.fixture
def live(tmp_path: Path) -> Project:
    stages = [{"name": "inicio", "live": True, "rows": {"pessoas": [{"nome": "Ana"}]}}]
    return write(tmp_path / "projeto", {"pessoas": FIRST}, stages)


def frozen(project: Project, stage: str) -> Path:
    return project.folder / "stages" / f"{stage}.py"


def names(project: Project) -> list[str]:
    with sa.create_engine(project.url).connect() as connection:
        return list(connection.execute(sa.text("SELECT nome_completo FROM pessoas")).scalars())


def test_models_are_edited_in_place_and_the_past_is_frozen(live: Project) -> None:
    commands.rebuild(live.plan())
    first, text = live.files(), frozen(live, "inicio").read_bytes()
    done = commands.new_stage(live.plan(), "nome")
    assert (done.frozen, live.plan().stages[0].frozen, live.plan().stages[1].live) == ("inicio", True, True)
    live.module("pessoas", SECOND)
    with pytest.raises(Refused, match="pessoas.nome"):
        commands.rebuild(live.plan())
    stages = [*live.plan().stages]
    live.configure(
        stages=[
            {"name": "inicio", "frozen": True, "rows": {"pessoas": [{"nome": "Ana"}]}},
            {"name": "nome", "live": True, "rename": {"pessoas.nome": "nome_completo"}},
        ]
    )
    assert [stage.name for stage in stages] == [stage.name for stage in live.plan().stages]
    made = commands.rebuild(live.plan())
    assert made.applied == ("nome",)
    assert made.revisions[1].changes == ("pessoas: nome → nome_completo", "+ cidades (1 column)")
    assert names(live) == ["Ana"]
    assert frozen(live, "inicio").read_bytes() == text
    assert {name: live.files()[name] for name in first} == first, "what is released does not change"
    commands.check(live.plan())


def test_freezing_the_live_stage_changes_no_byte_of_the_history(live: Project) -> None:
    live.module("pessoas", SECOND)
    live.configure(stages=[{"name": "inicio", "live": True}])
    commands.rebuild(live.plan())
    before = live.files()
    live.configure(stages=[{"name": "inicio", "frozen": True}])
    commands.check(live.plan())
    commands.rebuild(live.plan())
    assert live.files() == before


def test_a_released_live_stage_goes_on_in_a_new_stage(live: Project) -> None:
    commands.rebuild(live.plan())
    commands.release(live.plan())
    released = live.files()
    live.module("pessoas", FIRST.replace("60", "70"))
    with pytest.raises(Refused) as error:
        commands.rebuild(live.plan())
    assert error.value.hint is not None
    assert error.value.hint.startswith("Begin a new stage with the change (`inv new-stage NAME`), or remove `revision`")
    commands.new_stage(live.plan(), "nome")
    first, second = live.plan().stages
    assert (first.frozen, first.revision is not None, second.live) == (True, True, True)
    assert commands.rebuild(live.plan()).applied == ("nome",)
    assert {name: live.files()[name] for name in released} == released
    commands.check(live.plan())


def test_check_names_a_frozen_file_that_differs(live: Project) -> None:
    commands.rebuild(live.plan())
    path = frozen(live, "inicio")
    whole = path.read_text()
    for text, cause in ((whole + "# nota\n", "hand edit"), (None, "file missing")):
        path.unlink()
        if text is not None:
            path.write_text(text)
        with pytest.raises(HistoryDiffers) as error:
            commands.check(live.plan())
        assert error.value.result is not None
        assert error.value.result.to_json()["cause"] == cause
    commands.rebuild(live.plan())
    assert path.read_text() == whole


def test_a_hand_edit_of_a_frozen_file_is_refused_and_force_accepts_it(live: Project) -> None:
    commands.rebuild(live.plan())
    commands.new_stage(live.plan(), "nome")
    commands.rebuild(live.plan())
    path = frozen(live, "inicio")
    path.write_text(path.read_text().replace("length=60", "length=70"))
    edited = path.read_text()
    for command in (commands.check, commands.rebuild):
        with pytest.raises(HistoryDiffers, match="hand edit|edited by hand"):
            command(live.plan())
    assert path.read_text() == edited
    live.module("pessoas", FIRST.replace("60", "70"))
    commands.rebuild(live.plan(), force=True, apply_it=False)
    assert "length=70" in path.read_text()
    commands.check(live.plan())


def test_force_keeps_a_copy_of_the_edited_file_of_the_live_stage(live: Project) -> None:
    commands.rebuild(live.plan())
    path = frozen(live, "inicio")
    path.write_text(path.read_text() + "# nota\n")
    done = commands.rebuild(live.plan(), force=True)
    assert done.kept is not None
    assert (done.kept / path.name).read_text().endswith("# nota\n")
    assert not path.read_text().endswith("# nota\n")


def test_a_new_stage_needs_the_frozen_form_of_the_last(live: Project) -> None:
    before = live.config.read_bytes()
    with pytest.raises(WrongUse, match=r"has no frozen file .* yet\. Run `inv rebuild` first\."):
        commands.new_stage(live.plan(), "nome")
    commands.rebuild(live.plan())
    with pytest.raises(WrongUse, match="Leave out `--enable`, `--extends` and `--replaces`"):
        commands.new_stage(live.plan(), "nome", enable=("x",))
    assert live.config.read_bytes() == before


def test_only_the_modules_that_the_patterns_match_are_turned_on(live: Project) -> None:
    live.module("blog.models", FIRST.replace("Pessoa", "Post").replace("pessoas", "posts"))
    live.module("blog.views", "raise RuntimeError('not a model')")
    (live.folder / "modelos" / "blog" / "__init__.py").write_text("")
    with pytest.raises(WrongUse, match="`models.modules` can leave it out"):
        commands.rebuild(live.plan())
    live.configure(models={"package": "modelos", "base": "base:Base", "modules": ["*.models", "pessoas"]})
    made = commands.rebuild(live.plan())
    assert made.revisions[0].changes == ("+ posts (2 columns)", "+ pessoas (2 columns)")


def test_a_missing_frozen_file_is_named(live: Project) -> None:
    live.configure(stages=[{"name": "inicio", "frozen": True}])
    with pytest.raises(WrongUse, match=r"config\.yaml:\d+:\d+: The frozen stage `inicio` has no file .*inicio\.py"):
        commands.check(live.plan())


def test_alembic_check_knows_the_tables_of_frozen_stages(live: Project) -> None:
    commands.rebuild(live.plan())
    commands.new_stage(live.plan(), "nome")
    live.module("pessoas", SECOND)
    live.configure(stages=[{"name": "inicio", "frozen": True}, {"name": "nome", "live": True, "drop": ["pessoas.nome"],
                            "fill": {"pessoas.nome_completo": "''"}}])  # fmt: skip
    commands.rebuild(live.plan())
    live.configure(stages=[{"name": "inicio", "frozen": True}, {"name": "nome", "frozen": True, "drop": ["pessoas.nome"],
                            "fill": {"pessoas.nome_completo": "''"}}])  # fmt: skip
    ran = subprocess.run(
        [sys.executable, "-m", "alembic", "check"], cwd=live.folder, capture_output=True, text=True, check=False
    )
    assert "No new upgrade operations detected." in ran.stdout, ran.stderr


def test_check_names_a_frozen_file_that_no_stage_has(live: Project) -> None:
    commands.rebuild(live.plan())
    (live.folder / "stages" / "velha.py").write_text("")
    said: list[str] = []
    commands.check(live.plan(), lambda sentence, _: said.append(sentence))
    assert len(said) == 1
    assert said[0].startswith("Warning: no stage has the file ")
    assert "velha.py. Remove it" in said[0]


def test_types_of_drivers_and_of_the_user_can_be_frozen(live: Project) -> None:
    """A decorator often asks the dialect for its own class; it is written as the one that SQLAlchemy has a name for."""
    live.module(
        "pessoas",
        """
        from sqlalchemy.dialects import postgresql


        class Guid(sa.types.TypeDecorator):
            impl = sa.CHAR
            cache_ok = True

            def load_dialect_impl(self, dialect):
                return dialect.type_descriptor(postgresql.UUID() if dialect.name == "postgresql" else sa.CHAR(32))


        class Ponto(sa.types.UserDefinedType):
            cache_ok = True

            def get_col_spec(self, **_):
                return "POINT"


        class Email(sa.String):
            pass


        class Pessoa(Base):
            __tablename__ = "pessoas"
            id: Mapped[str] = mapped_column(Guid(), primary_key=True)
            onde: Mapped[str | None] = mapped_column(Ponto())
            email: Mapped[str | None] = mapped_column(Email(80))
        """,
    )
    live.configure(servers=["sqlite", "postgresql"], stages=[{"name": "inicio", "live": True}])
    commands.rebuild(live.plan(), apply_it=False)
    text = frozen(live, "inicio").read_text()
    assert 'sa.CHAR(length=32).with_variant(sa.UUID(), "postgresql")' in text
    assert 'type_on(sqlite="POINT", postgresql="POINT")' in text
    assert "sa.String(length=80)" in text
