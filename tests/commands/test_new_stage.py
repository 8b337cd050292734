"""`new-stage`: a stage more, and every other line of config.yaml kept."""

from __future__ import annotations

import pytest

from sqlstrata import commands
from sqlstrata.commands.yaml_edit import with_stage
from sqlstrata.errors import WrongUse
from sqlstrata.plan import read
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
