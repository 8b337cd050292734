"""`status`: where a database is, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.commands.running import (
    CIDADES,
    MODULES,
    NAMES,
    STAGES,
    Inv,
    execute,
    rows,
)
from tests.projects import Project, write


def test_status_is_content_at_the_last_stage(given: Inv) -> None:
    revision = given("rebuild", "--json").json["stages"][2]["revision"]
    ran = given("status", "--json")
    assert ran.code == 0
    assert {name: ran.json[name] for name in ("stage", "revision", "pending", "schema_matches")} == {
        "stage": "email", "revision": revision, "pending": [], "schema_matches": True,
    }  # fmt: skip
    assert given("status").out == f"Stage: email (revision {revision})\nPending: nothing\n"


def test_status_of_a_database_that_is_behind(given: Inv) -> None:
    given("rebuild")
    given("down", "--to", "pessoas")
    ran = given("status", "--json")
    assert ran.code == 4
    assert (ran.json["stage"], ran.json["pending"], ran.json["schema_matches"]) == ("pessoas", NAMES[1:], True)
    rows = "cidades, email"
    assert (
        ran.error["hint"]
        == f"Run `inv onboard`, which inserts the rows of {rows} as well, or `inv up`, which does not."
    )
    assert given("status").code == 4


def test_status_of_a_database_that_is_not_there_makes_none(given: Inv, project: Project) -> None:
    given("rebuild", "--no-apply")
    ran = given("status", "--json")
    assert ran.code == 4
    assert (ran.json["stage"], ran.json["revision"], ran.json["pending"]) == (None, None, NAMES)
    assert ran.error["message"] == "There is no database yet, so it is behind by 3 stages."
    assert "`inv onboard`" in ran.error["hint"]
    assert not (project.folder / "dev.db").exists()


def test_status_before_the_first_rebuild_has_all_stages_to_come(inv: Inv, tmp_path: Path) -> None:
    fresh = write(tmp_path / "novo", MODULES, STAGES)
    ran = inv("status", "--json", "--config", str(fresh.config))
    assert ran.code == 4
    assert (ran.json["stage"], ran.json["pending"]) == (None, NAMES)


def test_status_of_a_database_whose_schema_was_changed_by_hand(given: Inv, project: Project) -> None:
    given("rebuild")
    execute(project.url, "ALTER TABLE pessoas ADD COLUMN apelido VARCHAR(10)")
    ran = given("status", "--json")
    assert ran.code == 5
    assert (ran.json["stage"], ran.json["schema_matches"]) == ("email", False)
    assert ran.json["differences"] == [
        {"table": "pessoas", "what": "column apelido", "expected": None, "found": "type VARCHAR(10)"}
    ]
    assert "apelido" in given("status").out
    message = "The database's schema is not that of stage email: 1 difference."
    assert ran.error["message"] == message
    assert ran.error["hint"] == "Undo what was changed by hand, or put it into the models."


def test_status_after_the_models_have_changed_names_the_command(given: Inv, project: Project) -> None:
    given("rebuild")
    project.module("cidades", CIDADES.replace("50", "60"))
    ran = given("status", "--json")
    assert ran.code == 5
    assert "`inv check` shows how; run `inv rebuild`." in ran.error["hint"]


def test_status_of_a_database_without_a_revision_that_is_not_empty(given: Inv, project: Project) -> None:
    given("rebuild")
    execute(project.url, "DELETE FROM alembic_version")
    ran = given("status", "--json")
    assert ran.code == 5
    assert ran.error["message"] == (
        "The database's schema is not empty, and it has no revision: 2 differences. It is exactly that of stage email."
    )


@pytest.mark.parametrize("words", [["status"], ["down"]])
def test_an_unknown_revision_is_reported_and_not_changed(given: Inv, project: Project, words: Sequence[str]) -> None:
    given("rebuild")
    execute(project.url, "UPDATE alembic_version SET version_num = 'abcdef123456'")
    ran = given(*words, "--json")
    assert ran.code == 5
    assert "abcdef123456" in ran.error["message"]
    assert ran.error["hint"]
    assert rows(project.url, "SELECT version_num FROM alembic_version") == [("abcdef123456",)]


def test_rebuild_gives_a_database_at_a_revision_that_is_gone_that_of_the_stage_whose_schema_it_has(
    given: Inv, project: Project
) -> None:
    given("rebuild")
    given("down")
    execute(project.url, "UPDATE alembic_version SET version_num = 'abcdef123456'")
    ran = given("rebuild", "--json")
    assert ran.code == 0
    assert ran.json["applied"] == ["email"]
    assert given("status").code == 0


def test_a_database_of_the_history_before_follows(given: Inv, project: Project) -> None:
    given("rebuild")
    project.module("cidades", CIDADES.replace("50", "60"))
    ran = given("rebuild")
    assert ran.code == 0
    assert "It was taken to stage email: cidades: nome VARCHAR(50) → VARCHAR(60)." in ran.out
    assert given("status").code == 0


def test_a_database_that_cannot_follow_is_reported_and_not_changed(given: Inv, project: Project) -> None:
    given("rebuild")
    execute(project.url, "ALTER TABLE cidades ADD COLUMN feita_a_mao INTEGER")
    project.module("cidades", CIDADES.replace("50", "60"))
    before = (project.folder / "dev.db").read_bytes()
    ran = given("rebuild")
    assert ran.code == 5
    assert "which the history does not have" in ran.err
    assert "The new history is written." in ran.err
    assert (project.folder / "dev.db").read_bytes() == before
    assert given("check").code == 0
    (project.folder / "dev.db").unlink()
    assert given("rebuild").code == 0


def test_status_of_another_database(given: Inv, tmp_path: Path) -> None:
    given("rebuild")
    url = f"sqlite:///{tmp_path / 'other.db'}"
    given("up", "--to", "cidades", "--url", url)
    assert given("status", "--url", url, "--json").json["stage"] == "cidades"
    assert given("status", "--json").json["stage"] == "email"


@pytest.mark.parametrize("command", ["status", "down", "identify", "adopt"])
def test_a_hint_is_for_the_database_that_was_named(given: Inv, tmp_path: Path, command: str) -> None:
    given("rebuild")
    url = f"sqlite:///{tmp_path / 'other.db'}"
    ran = given(command, "--url", url, "--json")
    assert ran.error["hint"] == "Check the URL; `inv up --url …` creates the file."


def test_a_hint_to_go_on_is_for_the_database_that_was_named(given: Inv, tmp_path: Path) -> None:
    given("rebuild")
    url = f"sqlite:///{tmp_path / 'other.db'}"
    given("up", "--to", "cidades", "--url", url)
    assert given("status", "--url", url, "--json").error["hint"] == "Run `inv up --url …`."
    execute(url, "DELETE FROM alembic_version")
    for command in ("status", "up"):
        assert given(command, "--url", url, "--json").error["hint"].startswith("`inv adopt --url …` gives ")


def test_pending_stages_without_files_need_a_rebuild(given: Inv, project: Project) -> None:
    given("rebuild")
    project.configure(stages=[*STAGES, {"name": "mais", "data": "SELECT 1"}])
    ran = given("status", "--json")
    assert (ran.code, ran.json["pending"]) == (4, ["mais"])
    assert ran.error["hint"] == "The history on disk is not what the stages give: run `inv rebuild` first."


@pytest.mark.parametrize("words", [["status"], ["up"], ["down"]])
def test_where_the_file_of_a_database_s_stage_is_missing_adopt_is_not_advised(
    given: Inv, project: Project, words: Sequence[str]
) -> None:
    """It would be refused: there is no revision to write."""
    given("rebuild")
    (project.versions / "0003_email.py").unlink()
    ran = given(*words, "--json")
    assert ran.code == (5 if words == ["status"] else 3)
    assert "`inv rebuild`" in ran.error["hint"]
    assert "adopt" not in ran.error["hint"]
    assert given("rebuild", "--json").code == 0
    assert given(*words).code == 0


def test_status_at_a_stage_that_the_plan_has_no_more_says_so(given: Inv, project: Project) -> None:
    given("rebuild")
    project.configure(stages=[*STAGES[:2], {**STAGES[2], "name": "correio"}])
    ran = given("status", "--json")
    assert ran.code == 5
    assert ran.error["message"] == "The database is at stage email, which the plan does not have."
    assert ran.error["hint"]
