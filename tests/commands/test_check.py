"""`check`: is the history on disk what the stages give?"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sqlstrata import commands
from sqlstrata.commands.check import Checked
from sqlstrata.errors import HistoryDiffers
from tests.commands.running import (
    CIDADES,
    STAGES,
    Inv,
    edited,
    tree,
)
from tests.projects import Project, write


def test_check_is_content_with_what_rebuild_made(given: Inv) -> None:
    given("rebuild", "--no-apply")
    ran = given("check")
    assert (ran.code, ran.out, ran.err) == (0, "The history is what the stages give.\n", "")
    assert given("check", "--json").json == {
        "ok": True, "stage": None, "cause": None, "file": None, "proved": True,
    }  # fmt: skip


@dataclass(frozen=True)
class Wrong:
    """What is done to a project, and what `check` says of it."""

    name: str
    do: Callable[[Project], object]
    stage: str | None
    cause: str
    file: str


def with_stages(*stages: dict[str, Any]) -> Callable[[Project], None]:
    return lambda project: project.configure(stages=list(stages))


WRONG = (
    Wrong("a hand edit", edited, "cidades", "hand edit", "0002_cidades.py"),
    Wrong(
        "a model that changed",
        lambda project: project.module("cidades", CIDADES.replace("50", "60")),
        "cidades", "models", "0002_cidades.py",
    ),
    Wrong(
        "a message that changed",
        with_stages(STAGES[0], {**STAGES[1], "message": "Outra"}, STAGES[2]),
        "cidades", "stages", "0002_cidades.py",
    ),
    Wrong(
        "a stage that moved",
        with_stages(STAGES[1], STAGES[0], STAGES[2]),
        "cidades", "stages", "0001_pessoas.py",
    ),
    Wrong("a stage that went", with_stages(*STAGES[:2]), "email", "file too many", "0003_email.py"),
    Wrong(
        "a file that is missing",
        lambda project: (project.versions / "0002_cidades.py").unlink(),
        "cidades", "file missing", "0002_cidades.py",
    ),
    Wrong(
        "a file too many",
        lambda project: (project.versions / "0009_x.py").write_text("x = 1\n", encoding="utf-8"),
        None, "file too many", "0009_x.py",
    ),
    Wrong(
        "env.py is missing",
        lambda project: (project.versions.parent / "env.py").unlink(), None, "file missing", "env.py",
    ),
)  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.name)
def test_check_names_the_first_difference_and_its_cause(given: Inv, project: Project, wrong: Wrong) -> None:
    given("rebuild", "--no-apply")
    wrong.do(project)
    before = tree(project.folder)
    ran = given("check", "--json")
    assert ran.code == 3
    assert ran.json | {"error": None} == {
        "ok": False, "stage": wrong.stage, "cause": wrong.cause, "file": wrong.file, "proved": True, "error": None,
    }  # fmt: skip
    assert wrong.cause in ran.error["message"]
    assert tree(project.folder) == before


def test_check_shows_the_way_from_the_file_to_the_stages(given: Inv, project: Project) -> None:
    given("rebuild", "--no-apply")
    edited(project)
    ran = given("check")
    assert ran.code == 3
    assert '-        sa.Column("nome", sa.String(length=51), nullable=False),\n' in ran.out
    assert '+        sa.Column("nome", sa.String(length=50), nullable=False),\n' in ran.out
    assert ran.err.startswith("0002_cidades.py: ")
    assert "Run `inv rebuild --force` (it keeps a copy of files edited by hand), and look" in ran.err
    assert "None" not in ran.err


def test_check_does_not_speak_of_a_stage_where_there_is_none(given: Inv, project: Project) -> None:
    given("rebuild", "--no-apply")
    (project.versions / "0009_x.py").write_text("x = 1\n", encoding="utf-8")
    assert "None" not in given("check").err


def test_check_warns_of_modules_that_no_stage_turns_on(given: Inv, project: Project) -> None:
    given("rebuild", "--no-apply")
    project.module("esquecido", CIDADES.replace("cidades", "esquecidas").replace("Cidade", "Esquecida"))
    ran = given("check")
    assert ran.code == 0
    assert "no stage turns on esquecido" in ran.err
    assert json.loads(given("check", "--json").out)["ok"] is True


VERSIONS = {
    "pessoas": "tabela = sa.Table('pessoas', Base.metadata, sa.Column('id', sa.Integer, primary_key=True))",
    "pessoas_v2": "tabela = sa.Table('pessoas', Base.metadata, sa.Column('id', sa.BigInteger, primary_key=True))",
    "cidades": "tabela = sa.Table('cidades', Base.metadata, sa.Column('id', sa.Integer, primary_key=True))",
    "novas": "tabela = sa.Table('novas', Base.metadata, sa.Column('id', sa.Integer, primary_key=True))",
}
CHANGES = [
    {"name": "um", "enable": ["pessoas", "cidades"]},
    {"name": "dois", "disable": ["pessoas", "cidades"], "enable": ["pessoas_v2", "novas"], "drop": ["cidades"]},
]


@pytest.mark.parametrize(
    ("face", "found"),
    [
        ("", None),
        ("from modelos.pessoas_v2 import tabela\n", None),
        ("from modelos import pessoas_v2, novas\n", None),
        ("from modelos.pessoas import tabela\n", '+sa.Column("id", sa.Integer(), nullable=False)'),
        ("from modelos import cidades\n", "is imported/cidades"),
    ],
)
def test_the_package_as_an_application_imports_it_is_the_last_stage(
    tmp_path: Path, face: str, found: str | None
) -> None:
    project = write(tmp_path / "projeto", VERSIONS, CHANGES)
    commands.rebuild(project.plan(), apply_it=False)
    (project.folder / "modelos" / "__init__.py").write_text(face)
    if found is None:
        assert commands.check(project.plan()).mismatch is None
        return
    with pytest.raises(HistoryDiffers, match="are not those of the last stage, dois") as error:
        commands.check(project.plan())
    assert error.value.where == "modelos/__init__.py"
    assert isinstance(error.value.result, Checked)
    assert error.value.result.mismatch is not None
    assert found in error.value.result.mismatch.diff
