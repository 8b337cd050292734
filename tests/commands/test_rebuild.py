"""`rebuild`: the history and the development database."""

from __future__ import annotations

import re
from pathlib import Path

from alembic import command
from alembic.config import Config

from tests.commands.running import (
    NAMES,
    STAGES,
    Inv,
    edited,
    execute,
    rows,
    tree,
)
from tests.projects import Project


def test_rebuild_makes_the_history_and_the_development_database(given: Inv, project: Project) -> None:
    ran = given("rebuild")
    assert ran.code == 0
    assert ran.err == ""
    assert list(project.files()) == ["0001_pessoas.py", "0002_cidades.py", "0003_email.py"]
    assert rows(project.url, "SELECT nome, email FROM pessoas ORDER BY id") == [
        ("Alice", None),
        ("Bob", None),
        ("Célia", "c@x.br"),
    ]
    assert rows(project.url, "SELECT nome FROM cidades") == [("Recife",)]


def test_rebuild_tells_each_stage_its_revision_what_changed_and_the_time(given: Inv, project: Project) -> None:
    ran = given("rebuild").out
    table = re.split(r"^stage +revision +changes +time\n", ran, flags=re.MULTILINE)[1]
    assert re.findall(r"^(\w+) +([0-9a-f]{12}) +(.+?) +\d+ ms", table, re.MULTILINE) == [
        (name, text.split('revision = "')[1][:12], changes)
        for name, text, changes in zip(
            NAMES,
            [content.decode() for content in project.files().values()],
            ["+ pessoas (2 columns)", "+ cidades (2 columns)", "pessoas: + email"],
            strict=True,
        )
    ]
    assert "Proved on: SQLite in memory\n" in ran
    assert f"Written to {project.versions}.\n" in ran
    assert ran.endswith("Development database: applied pessoas, cidades, email.\n")


def test_rebuild_gives_one_object_with_the_keys_of_the_contract(given: Inv, project: Project) -> None:
    ran = given("rebuild", "--json")
    assert ran.code == 0
    assert ran.err == ""
    assert list(ran.json) == ["stages", "written", "applied", "proved_on"]
    assert ran.json["stages"][2] == {
        "name": "email",
        "revision": project.files()["0003_email.py"].decode().split('revision = "')[1][:12],
        "file": str(project.versions / "0003_email.py"),
        "changes": ["pessoas: + email"],
    }
    assert [each["name"] for each in ran.json["stages"]] == NAMES
    assert ran.json["written"] is True
    assert ran.json["applied"] == NAMES
    assert len(ran.json["proved_on"]) == 1


def test_rebuild_twice_changes_nothing_and_touches_no_file(given: Inv, project: Project) -> None:
    given("rebuild")
    before = tree(project.folder)
    ran = given("rebuild")
    assert ran.code == 0
    assert f"Nothing changed in {project.versions}.\n" in ran.out
    assert tree(project.folder) == before
    again = given("rebuild", "--json").json
    assert (again["written"], again["applied"]) == (False, [])
    assert tree(project.folder) == before


def test_rebuild_dry_run_writes_nothing(given: Inv, project: Project) -> None:
    before = tree(project.folder)
    ran = given("rebuild", "--dry-run", "--json")
    assert ran.code == 0
    assert (ran.json["written"], ran.json["applied"]) == (False, [])
    assert len(ran.json["stages"]) == 3
    assert tree(project.folder) == before


def test_rebuild_dry_run_says_that_it_wrote_nothing(given: Inv, project: Project) -> None:
    ran = given("rebuild", "--dry-run").out
    assert "Written" not in ran
    assert "Nothing changed" not in ran
    assert f"Not written: this is what {project.versions} would hold.\n" in ran


def test_rebuild_no_apply_leaves_the_database_alone(given: Inv, project: Project) -> None:
    ran = given("rebuild", "--no-apply", "--json")
    assert ran.code == 0
    assert ran.json["applied"] == []
    assert len(project.files()) == 3
    assert not (project.folder / "dev.db").exists()


def test_rebuild_no_proof_says_so(given: Inv, project: Project) -> None:
    assert "Not proved.\n" in given("rebuild", "--no-proof").out
    assert given("rebuild", "--no-proof", "--json").json["proved_on"] == []
    assert len(project.files()) == 3


def test_a_new_stage_reaches_the_database_with_its_rows_and_leaves_the_others(given: Inv, project: Project) -> None:
    project.configure(stages=STAGES[:2])
    given("rebuild")
    first = project.files()
    execute(project.url, "UPDATE pessoas SET nome = 'Alice B.' WHERE id = 1", "DELETE FROM cidades")
    project.configure(stages=STAGES)
    assert given("rebuild", "--json").json["applied"] == ["email"]
    assert {name: project.files()[name] for name in first} == first
    assert rows(project.url, "SELECT nome FROM pessoas ORDER BY id") == [("Alice B.",), ("Bob",), ("Célia",)]
    assert rows(project.url, "SELECT nome FROM cidades") == []


def test_a_stage_that_changes_nothing_has_an_empty_revision_and_is_marked_so(given: Inv, project: Project) -> None:
    project.module("nada", "NADA = 1")
    project.configure(stages=[*STAGES, {"name": "nada", "enable": ["nada"]}])
    ran = given("rebuild")
    assert ran.code == 0
    assert re.search(r"^nada +[0-9a-f]{12} +\(nothing changes\)", ran.out, re.MULTILINE)
    assert project.files()["0004_nada.py"].decode().count("    pass\n") == 2
    assert re.search(r"^ +nada .*\(nothing changes\)|^→ +nada .*\(nothing changes\)", given("stages").out, re.MULTILINE)


def test_a_stage_with_data_alone_is_not_reported_as_no_change(given: Inv, project: Project) -> None:
    project.configure(stages=[*STAGES, {"name": "dados", "data": "UPDATE pessoas SET email = 'x' WHERE id = 1"}])
    ran = given("rebuild", "--json")
    assert ran.json["stages"][3]["changes"] == ["data"]
    assert rows(project.url, "SELECT email FROM pessoas WHERE id = 1") == [("x",)]


def test_rebuild_stops_at_a_file_that_was_edited_by_hand(given: Inv, project: Project) -> None:
    given("rebuild")
    content = edited(project)
    before = tree(project.folder)
    ran = given("rebuild", "--json")
    assert ran.code == 3
    assert ran.error["files"] == ["0002_cidades.py"]
    assert "0002_cidades.py was edited by hand" in ran.error["message"]
    assert "--force" in ran.error["hint"]
    assert tree(project.folder) == before
    assert (project.versions / "0002_cidades.py").read_bytes() == content


def test_rebuild_stops_at_a_file_that_is_not_ours(given: Inv, project: Project) -> None:
    given("rebuild")
    (project.versions / "notes.txt").write_text("mine", encoding="utf-8")
    ran = given("rebuild")
    assert ran.code == 3
    assert "notes.txt is not a revision file" in ran.err
    assert (project.versions / "notes.txt").read_text(encoding="utf-8") == "mine"


def test_rebuild_with_force_goes_on_and_keeps_a_copy(given: Inv, project: Project) -> None:
    given("rebuild")
    before = project.files()
    content = edited(project)
    (project.versions / "notes.txt").write_text("mine", encoding="utf-8")
    ran = given("rebuild", "--force")
    assert ran.code == 0
    assert project.files() == before
    kept = re.search(r"^What was edited by hand is kept in (.+)\.$", ran.out, re.MULTILINE)
    assert kept is not None
    assert {path.name: path.read_bytes() for path in Path(kept[1]).iterdir()} == {
        "0002_cidades.py": content,
        "notes.txt": b"mine",
    }


def test_rebuild_with_force_says_in_its_object_where_the_copy_is(given: Inv, project: Project) -> None:
    given("rebuild")
    content = edited(project)
    ran = given("rebuild", "--force", "--json").json
    assert (Path(ran["kept"]) / "0002_cidades.py").read_bytes() == content


def test_a_folder_of_stock_alembic_is_kept_beside_a_new_one(given: Inv, project: Project) -> None:
    """Without `--force` it is not touched, whether it has revisions or not."""
    folder = project.versions.parent
    command.init(Config(project.folder / "alembic.ini"), str(folder))
    before = tree(folder)
    ran = given("rebuild", "--json")
    assert (ran.code, ran.error["where"]) == (3, str(folder / "env.py"))
    (project.versions / "abc_one.py").write_text("revision = 'abc'\ndown_revision = None\n", encoding="utf-8")
    assert given("rebuild").code == 3
    assert {name: tree(folder)[name] for name in before} == before
    ran = given("rebuild", "--force", "--json")
    assert (ran.code, ran.json["kept"]) == (0, f"{folder}.kept-1")
    assert tree(Path(ran.json["kept"])).keys() == {*before, "versions/abc_one.py"}
    assert given("check").code == 0
    assert given("status").code == 0
