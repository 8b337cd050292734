"""`new-stage`: a stage more, and every other line of config.yaml kept."""

from __future__ import annotations

import re

import pytest

from sqlstrata import commands
from sqlstrata.commands.yaml_edit import with_stage
from sqlstrata.errors import WrongUse
from sqlstrata.plan import read
from tests.commands.running import PESSOAS, STAGES, Inv, tree
from tests.projects import Project

CONFIG = """\
# Nosso plano
database: {{url: "sqlite:///dev.db"}}   # local
models: {{package: modelos, base: "base:Base"}}
stages:
{stages}
# o fim
prove_on: [sqlite://]
"""

LAYOUTS = {
    "indented, with blank lines": (
        "  - name: pessoas   # a primeira\n    enable: [pessoas]\n    # nota\n\n"
        "  - name: cidades\n    enable:\n      - cidades\n    # fim da cidade\n"
    ),
    "flush": "- name: pessoas\n  enable: [pessoas]\n- name: cidades\n  enable: [cidades]",
    "wide": "    -   name: pessoas\n        enable: [pessoas]\n    -   {name: cidades, enable: [cidades]}  # curto",
    "block text": "  - name: pessoas\n    enable: [pessoas]\n    data: |\n      SELECT 1\n\n",
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_new_stage_keeps_every_other_line(local: Project, layout: str, newline: str) -> None:
    before = CONFIG.format(stages=LAYOUTS[layout]).replace("\n", newline)
    local.config.write_bytes(before.encode())
    names = [stage.name for stage in read(local.config).stages]
    done = commands.new_stage(read(local.config), "telefone", message="O: telefone # novo", extends="Pessoa")
    after = local.config.read_bytes().decode()
    left, added = before.splitlines(keepends=True), after.splitlines(keepends=True)
    kept = [line for line in added if line in left]
    assert [line for line in left if line not in kept] == []
    assert added[done.line - 1].strip().endswith("name: telefone")
    assert ("\r\n" in after) == (newline == "\r\n")
    plan = read(local.config)
    assert [stage.name for stage in plan.stages] == [*names, "telefone"]
    assert (plan.stages[-1].message, plan.stages[-1].enable) == ("O: telefone # novo", ("telefone",))
    assert commands.rebuild(plan).revisions[-1].changes == ("pessoas: + telefone",)


def test_new_stage_in_brackets() -> None:
    text, line = with_stage("a: 1\nstages: [{name: x, enable: [x]}]  # fim\n", "y", "Y", ("y",))
    assert text == "a: 1\nstages: [{name: x, enable: [x]}, {name: y, message: Y, enable: [y]}]  # fim\n"
    assert line == 2


def test_a_new_model_makes_a_table(local: Project) -> None:
    done = commands.new_stage(local.plan(), "notas")
    assert [path.name for path in done.written] == ["notas.py"]
    assert commands.rebuild(local.plan()).revisions[-1].changes == ("+ notas (1 column)",)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("pessoas", {}, "already"),
        ("Notas", {}, "not a stage's name"),
        ("notas", {"extends": "Nada"}, "has a class Nada"),
        ("notas", {"enable": ("pessoas",)}, "pessoas"),
        ("notas", {"enable": ("../x",)}, "not a module's name"),
    ],
)
def test_what_cannot_be_added_changes_nothing(
    local: Project, name: str, options: dict[str, object], message: str
) -> None:
    before = {
        path: path.read_bytes() for path in local.folder.rglob("*") if path.is_file() and "__pycache__" not in str(path)
    }
    with pytest.raises(WrongUse, match=message):
        commands.new_stage(local.plan(), name, **options)  # type: ignore[arg-type]
    after = {
        path: path.read_bytes() for path in local.folder.rglob("*") if path.is_file() and "__pycache__" not in str(path)
    }
    assert after == before


REFERS = """
import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from modelos.base import Base
{imports}

class Post(Base):
    __tablename__ = "posts"
    id: Mapped[int] = mapped_column(primary_key=True)
    pessoa_id: Mapped[int] = mapped_column(sa.ForeignKey("pessoas.id"))
    pessoa: Mapped["Pessoa"] = relationship("Pessoa")
"""
BY_NAME = "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from modelos.pessoas import Pessoa\n"


def test_a_module_is_replaced_by_a_copy_of_it(local: Project) -> None:
    """The copy gives the same schema; the change is made in it, and the old module keeps the past."""
    old = (local.folder / "modelos" / "pessoas.py").read_bytes()
    done = commands.new_stage(local.plan(), "nome", replaces=("pessoas", "email"), message="O nome inteiro")
    assert [*done.lines()][-3:] == [
        "It is a copy of `pessoas`, and is turned on in its place.",
        "Put into it what these had, which are turned off, too: email.",
        "Next: change the models in it, then `inv rebuild`.",
    ]
    (copy,) = done.written
    assert (copy.name, copy.read_bytes()) == ("nome.py", old)
    stage = local.plan().stages[-1]
    assert (stage.message, stage.disable, stage.enable) == ("O nome inteiro", ("pessoas", "email"), ("nome",))
    copy.write_text(
        copy.read_text("utf-8") + "    email: Mapped[str | None] = mapped_column(sa.String(40))\n", encoding="utf-8"
    )
    assert commands.rebuild(local.plan()).revisions[-1].changes == ()


def test_a_copy_is_beside_its_module_or_has_the_name_that_is_given(local: Project) -> None:
    local.module(
        "cadastro.ruas",
        "class Rua(Base):\n    __tablename__ = 'ruas'\n    id: Mapped[int] = mapped_column(primary_key=True)",
    )
    commands.new_stage(local.plan(), "ruas", enable=("cadastro.ruas",))
    assert commands.new_stage(local.plan(), "ruas_v2", replaces=("cadastro.ruas",)).modules == ("cadastro.ruas_v2",)
    done = commands.new_stage(local.plan(), "terceira", replaces=("cadastro.ruas_v2",), enable=("outro.ruas",))
    assert done.modules == ("outro.ruas",)


def test_who_imports_the_module_that_is_replaced_is_told_what_to_do(local: Project) -> None:
    posts = local.folder / "modelos" / "posts.py"
    posts.write_text(REFERS.format(imports="from modelos.pessoas import Pessoa\n"), encoding="utf-8")
    commands.new_stage(local.plan(), "posts")
    with pytest.raises(WrongUse) as caught:
        commands.new_stage(local.plan(), "nome", replaces=("pessoas", "email"))
    assert caught.value.hint == (
        "In `posts`, import what has replaced it, or refer to its models by name and import it under `if TYPE_CHECKING:` "
        "alone; or turn `posts` off, too."
    )
    assert not (local.folder / "modelos" / "nome.py").exists()
    posts.write_text(REFERS.format(imports=BY_NAME), encoding="utf-8")
    commands.new_stage(local.plan(), "nome", replaces=("pessoas", "email"))
    assert local.plan().stages[-1].modules == ("cidades", "posts", "nome")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"replaces": ("pessoa",)},
            "The module `pessoa` is not on, so no other can replace it. The nearest module that is on is `pessoas`.",
        ),
        (
            {"replaces": ("pessoas",), "extends": "Pessoa"},
            "`--replaces` writes one module. Leave out `--extends`, and give `--enable` once.",
        ),
        (
            {"replaces": ("pessoas",), "enable": ("a", "b")},
            "`--replaces` writes one module. Leave out `--extends`, and give `--enable` once.",
        ),
        (
            {"replaces": ("pessoas",), "enable": ("base",)},
            "The module `base` already exists. Give it another name, with `--enable`.",
        ),
    ],
)
def test_what_cannot_be_replaced_changes_nothing(local: Project, options: dict[str, object], message: str) -> None:
    before = tree(local.folder)
    with pytest.raises(WrongUse) as caught:
        commands.new_stage(local.plan(), "novo", **options)  # type: ignore[arg-type]
    assert str(caught.value).endswith(message)
    assert tree(local.folder) == before


def test_a_module_that_would_not_work_is_not_added_and_no_line_of_it_is_named(given: Inv, project: Project) -> None:
    before = [(name, content) for name, (*_, content) in tree(project.folder).items()]
    ran = given("new-stage", "nome", "--extends", "Pessoa", "--json")
    assert ran.code == 2
    assert ran.error["message"].startswith("The stage nome is not added: The module `nome` fails on import: ")
    assert (ran.error["where"], ran.error["hint"]) == (None, "Nothing was changed.")
    assert [(name, content) for name, (*_, content) in tree(project.folder).items()] == before


TWICE = {
    "a class": PESSOAS.replace("Pessoa", "Gente"),
    "a table": "T = sa.Table('pessoas', Base.metadata, sa.Column('a', sa.Integer))\n",
}


@pytest.mark.parametrize("text", TWICE.values(), ids=list(TWICE))
def test_two_modules_with_one_table_are_both_named(given: Inv, project: Project, text: str) -> None:
    """The most common slip: a new version of a model is turned on, and the old one is not turned off."""
    project.module("pessoas_v2", text)
    project.configure(stages=[*STAGES, {"name": "v2", "enable": ["pessoas_v2"]}])
    ran = given("stages", "--json")
    assert ran.code == 2
    assert ran.error["message"] == "The module `pessoas_v2` defines the table `pessoas`, which `pessoas` defines, too."
    assert re.fullmatch(
        r"It is turned on at .*config\.yaml:\d+:\d+\. Turn `pessoas` off with `disable` in the same stage, or rename one "
        r"of the tables\.", ran.error["hint"],
    )  # fmt: skip
    assert re.fullmatch(r".*pessoas_v2\.py:\d+", ran.error["where"])
