"""`new-stage NAME --live`: a history of modules goes on with models that are edited in place."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from sqlstrata import commands
from sqlstrata.commands.yaml_edit import with_stages_frozen
from sqlstrata.errors import WrongUse
from tests.commands.running import tree
from tests.projects import Project, shop, write

CITY = """
    class Cidade(Base):
        __tablename__ = "cidades"
        id: Mapped[int] = mapped_column(primary_key=True)
"""


def test_the_history_with_every_hint_stays_byte_for_byte(tmp_path: Path) -> None:
    loja = shop(tmp_path / "loja")
    commands.rebuild(loja.plan())
    commands.release(loja.plan(), to="nomes")
    before = loja.files()
    done = commands.new_stage(loja.plan(), "agora", live=True)
    stages = yaml.safe_load(loja.config.read_text())["stages"]
    assert [sorted({"live", "frozen", "enable", "disable"} & stage.keys()) for stage in stages] == [
        *[["frozen"]] * 10,
        ["live"],
    ]
    assert done.to_json()["unused"] == ["clientes", "pedidos", "avisos", "idade", "apelido", "cadastro.clientes"]
    made = commands.rebuild(loja.plan())
    assert made.revisions[-1].changes == ()
    assert {name: text for name, text in loja.files().items() if name in before} == before
    for module in ("clientes", "pedidos", "avisos", "idade", "apelido", "cadastro/clientes"):
        (loja.folder / "loja" / f"{module}.py").unlink()
    loja.configure(models={"package": "loja", "base": "base:Base"})
    loja.module("cidades", CITY)
    made = commands.rebuild(loja.plan())
    assert made.revisions[-1].changes == ("+ cidades (1 column)",)


LAYOUTS = {
    "stages:\n  - name: a\n    enable: [x]  # dois\n    rows: {}\n": "stages:\n  - name: a\n    frozen: true  # dois\n    rows: {}\n",
    "stages:\n- enable:\n  - x\n  - y # fim\n  name: a\n": "stages:\n- frozen: true # fim\n  name: a\n",
    "stages:\n- name: a\n  disable:\n    - x\n  # nota\n  enable: [y]\n  message: b\n": (
        "stages:\n- name: a\n  frozen: true\n  # nota\n  message: b\n"
    ),
    "stages: [{name: a, disable: [x, z], enable: [y], message: b}]": "stages: [{name: a, frozen: true, message: b}]",
    "stages:\n- name: a # um\n  data: SELECT 1\n": "stages:\n- name: a # um\n  frozen: true\n  data: SELECT 1\n",
    "stages: [{name: a, data: b}, {name: c, frozen: true}]": "stages: [{name: a, frozen: true, data: b}, {name: c, frozen: true}]",
    "stages:\r\n- name: a\r\n  enable: [x]\r\n  disable: [y]": "stages:\r\n- name: a\r\n  frozen: true\r\n",
}


@pytest.mark.parametrize("before", LAYOUTS)
def test_only_what_turns_modules_on_or_off_is_replaced(before: str) -> None:
    assert with_stages_frozen(before) == LAYOUTS[before]


def contents(project: Project) -> dict[str, bytes]:
    return {name: content for name, (*_, content) in tree(project.folder).items()}


@pytest.fixture
def two(tmp_path: Path) -> Project:
    """A second module stands in place of the first."""
    stages = [{"name": "a", "enable": ["x"]}, {"name": "b", "disable": ["x"], "enable": ["y"]}]
    wider = CITY + "        nome: Mapped[str | None] = mapped_column(sa.String(9))\n"
    return write(tmp_path / "projeto", {"x": CITY, "y": wider}, stages)


def test_models_that_are_not_those_of_the_last_stage_change_nothing(two: Project) -> None:
    two.configure(models={"package": "modelos", "base": "base:Base", "modules": ["x"]})
    before = contents(two)
    with pytest.raises(WrongUse, match=r"do not give the schema of stage b: table cidades differs\. .*: \[y\]\. Noth"):
        commands.new_stage(two.plan(), "agora", live=True)
    assert contents(two) == before


def test_a_file_in_the_way_is_kept(two: Project) -> None:
    (two.folder / "stages").mkdir()
    (two.folder / "stages" / "b.py").write_text("# minha\n")
    before = contents(two)
    with pytest.raises(WrongUse, match=r"b\.py exists already\. Move it away"):
        commands.new_stage(two.plan(), "agora", live=True)
    assert contents(two) == before


def test_where_all_stages_are_frozen_the_new_one_is_live(two: Project) -> None:
    commands.new_stage(two.plan(), "agora", live=True)
    stages = yaml.safe_load(two.config.read_text())["stages"]
    two.configure(stages=stages[:-1])
    assert commands.new_stage(two.plan(), "agora", live=True).to_json()["frozen"] == []
    assert two.plan().stages[-1].live
