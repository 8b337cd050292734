"""`stages`: the plan, stage by stage."""

from __future__ import annotations

import re

from tests.commands.running import (
    CIDADES,
    STAGES,
    Inv,
    tree,
)
from tests.projects import Project


def test_stages_shows_the_plan_and_writes_nothing(given: Inv, project: Project) -> None:
    before = tree(project.folder)
    ran = given("stages")
    assert ran.code == 0
    assert re.search(r"^ +email +\+ email +[0-9a-f]{12} +pessoas: \+ email", ran.out, re.MULTILINE)
    assert "The database is at no stage.\n" in ran.out
    assert tree(project.folder) == before


def test_stages_gives_one_object_with_the_keys_of_the_contract(given: Inv, project: Project) -> None:
    project.configure(stages=[{**STAGES[0], "message": "Quem"}, *STAGES[1:]])
    ran = given("stages", "--json")
    assert ran.code == 0
    keys = {"name", "message", "modules", "revision", "changes"}
    assert [keys <= each.keys() for each in ran.json["stages"]] == [True] * 3
    assert ran.json["stages"][0]["message"] == "Quem"
    assert ran.json["stages"][1]["modules"] == ["pessoas", "cidades"]
    assert ran.json["stages"][1]["changes"] == ["+ cidades (2 columns)"]


def test_stages_points_at_where_the_database_is(given: Inv) -> None:
    given("rebuild")
    given("down")
    ran = given("stages")
    assert re.search(r"^→ +cidades ", ran.out, re.MULTILINE)
    assert "The database is at stage cidades.\n" in ran.out


def test_stages_says_which_modules_are_on_in_no_stage(given: Inv, project: Project) -> None:
    project.module("esquecido", CIDADES.replace("cidades", "esquecidas").replace("Cidade", "Esquecida"))
    assert "In no stage: esquecido.\n" in given("stages").out
