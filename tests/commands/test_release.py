"""`release`, and what a released stage keeps."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sqlstrata.plan import read
from tests.commands.running import CIDADES, EMAIL, NAMES, STAGES, Inv, execute, lines_in, rows, tree
from tests.projects import Project

BY_HAND = """\
# the stages
stages:
- name: pessoas   # people
  enable: [pessoas]
- # a comment
  message: >-
    Cidades,
    e mais
  name:   "cidades"
  enable:
  - cidades      # one a line
- {name: email, enable: [email]}   # flow
"""


def ids(project: Project) -> dict[str, str]:
    """The ids of the files, by stage."""
    texts = [content.decode() for content in project.files().values()]
    return {found[1]: found[2] for text in texts if (found := re.search(r"Stage: (\w+)\nRevision ID: (\S+)\n", text))}


@pytest.fixture
def released(given: Inv, project: Project) -> Project:
    """A history that is released, and in the database."""
    assert given("rebuild").code == 0
    assert given("release").code == 0
    return project


def test_release_writes_the_ids_of_the_files_and_nothing_else(given: Inv, project: Project) -> None:
    given("rebuild")
    before = tree(project.versions)
    ran = given("release", "--json")
    assert ran.code == 0
    assert ran.json == {
        "released": [{"stage": name, "revision": ids(project)[name]} for name in NAMES],
        "last": "email",
        "written": True,
    }
    assert {stage.name: stage.revision for stage in project.plan().stages} == ids(project)
    assert tree(project.versions) == before
    assert given("check").code == 0
    assert given("rebuild", "--json").json["written"] is False


def test_stages_shows_what_is_released(given: Inv, released: Project) -> None:
    assert re.search(rf"^→ +email +\+ email +{ids(released)['email']} released ", given("stages").out, re.MULTILINE)
    assert [each["released"] for each in given("stages", "--json").json["stages"]] == [True, True, True]


def test_release_goes_up_to_a_stage_and_a_second_one_goes_on(given: Inv, project: Project) -> None:
    given("rebuild")
    ran = given("release", "--to", "cidades")
    assert ran.out == "Released: pessoas, cidades.\nconfig.yaml has their ids. Commit it.\n"
    assert [stage.revision is None for stage in project.plan().stages] == [False, False, True]
    assert given("release", "--to", "pessoas").out == "Nothing to do: all stages up to pessoas are released.\n"
    assert given("release").out == "Released: email.\nconfig.yaml has their ids. Commit it.\n"


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_release_keeps_comments_and_layout(given: Inv, project: Project, newline: str, encoding: str) -> None:
    head = yaml.safe_load(project.config.read_text())
    head.pop("stages")
    text = yaml.safe_dump(head) + BY_HAND
    project.config.write_bytes(text.replace("\n", newline).encode(encoding))
    given("rebuild")
    assert given("release").code == 0
    known = ids(project)
    expected = (
        text.replace("- name: pessoas   # people\n", f"- name: pessoas   # people\n  revision: {known['pessoas']}\n")
        .replace('name:   "cidades"\n', f'name:   "cidades"\n  revision: {known["cidades"]}\n')
        .replace("{name: email, ", f"{{name: email, revision: {known['email']}, ")
    )
    quoted = re.sub(r"revision: '(\w+)'", r"revision: \1", project.config.read_bytes().decode(encoding))
    assert quoted == expected.replace("\n", newline)
    assert given("check").code == 0


def test_a_stage_that_has_its_name_from_elsewhere_gets_the_id_at_its_end(given: Inv, project: Project) -> None:
    head = yaml.safe_load(project.config.read_text())
    head["stages"] = [{"name": "pessoas", "enable": ["pessoas"]}]
    text = yaml.safe_dump(head, sort_keys=False).replace("name: pessoas", "<<: &a {name: pessoas}")
    project.config.write_text(text)
    assert given("rebuild").code == 0
    assert given("release").code == 0
    assert project.config.read_text() == f"{text}  revision: {ids(project)['pessoas']}\n"
    assert given("check").code == 0


def test_release_writes_nothing_where_stages_share_their_text(given: Inv, project: Project) -> None:
    """The second stage would have the id of the first, too."""
    head = yaml.safe_load(project.config.read_text())
    head.pop("stages")
    more = "x-more: &more {name: pessoas, enable: [pessoas]}\n"
    stages = "stages:\n- {<<: *more}\n- {<<: *more, name: cidades, enable: [cidades]}\n"
    project.config.write_text(more + yaml.safe_dump(head) + stages)
    assert given("rebuild").code == 0
    before = project.config.read_bytes()
    ran = given("release", "--to", "pessoas", "--json")
    assert ran.code == 2
    assert ran.error["message"] == "Cannot write into config.yaml: its stages share text."
    revision = ids(project)["pessoas"]
    assert ran.error["hint"] == f"Write them by hand: `revision: {revision}` in pessoas. Nothing was changed."
    assert project.config.read_bytes() == before


def test_only_what_is_on_disk_is_released(given: Inv, project: Project) -> None:
    given("rebuild")
    project.module("email", EMAIL.replace("100", "120"))
    before = project.config.read_bytes()
    ran = given("release", "--json")
    assert ran.code == 3
    assert ran.error["message"] == "The history on disk is not what the stages give: models."
    assert project.config.read_bytes() == before


def test_a_history_that_is_not_proved_is_released_with_a_word(given: Inv, project: Project) -> None:
    given("rebuild", "--no-proof")
    ran = given("release")
    assert (ran.code, ran.err) == (0, "The history was written with `--no-proof`: `inv rebuild` proves it.\n")


# ------------------------------------------------------------------------------------------ what ids depend on


def test_neither_the_message_nor_the_name_of_a_stage_changes_an_id(given: Inv, project: Project) -> None:
    given("rebuild")
    before = ids(project)
    project.configure(stages=[STAGES[0], {**STAGES[1], "name": "lugares", "message": "Outra"}, STAGES[2]])
    ran = given("rebuild", "--json")
    assert ran.code == 0
    assert ran.json["applied"] == []
    assert list(ids(project).values()) == list(before.values())
    assert list(ids(project)) == ["pessoas", "lugares", "email"]
    assert given("status").code == 0
    assert rows(project.url, "SELECT version_num FROM alembic_version") == [(before["email"],)]


def test_what_a_revision_does_and_its_parent_change_its_id(given: Inv, project: Project) -> None:
    given("rebuild", "--no-apply")
    before = ids(project)
    project.module("cidades", CIDADES.replace("50", "60"))
    given("rebuild", "--no-apply")
    after = ids(project)
    assert [before[name] == after[name] for name in NAMES] == [True, False, False]


# -------------------------------------------------------------------------------------------- released stages


def test_a_released_stage_keeps_its_id_whatever_its_message_and_name(given: Inv, released: Project) -> None:
    before = ids(released)
    stages = yaml.safe_load(released.config.read_text())["stages"]
    released.configure(stages=[stages[0], {**stages[1], "name": "lugares", "message": "Outra"}, stages[2]])
    ran = given("rebuild")
    assert ran.code == 0
    assert f"replaces 0002_cidades.py: its id {before['cidades']} stays, in 0002_lugares.py\n" in ran.out
    assert list(ids(released).values()) == list(before.values())
    assert given("check").code == 0


@pytest.mark.parametrize("words", [["rebuild"], ["rebuild", "--force"], ["rebuild", "--dry-run"], ["check"], ["onboard"],
                                   ["verify"], ["release"]], ids=" ".join)  # fmt: skip
def test_a_released_stage_whose_models_changed_is_refused(given: Inv, released: Project, words: list[str]) -> None:
    released.module("cidades", CIDADES.replace("50", "60"))
    before, revision = tree(released.folder), ids(released)["cidades"]
    ran = given(*words, "--json")
    assert ran.code == 6
    assert ran.error["message"] == (
        f"Stage cidades is released as {revision}, and no longer does what it was released with."
    )
    assert ran.error["hint"] == (
        "Undo the change and make it in a new stage (`inv new-stage NAME`), or remove `revision` from stage cidades: "
        "then it gets a new id, and databases that have the released one need `inv adopt`."
    )
    assert re.fullmatch(r".*config\.yaml:\d+:3", ran.error["where"])
    assert (ran.error["stage"], ran.error["revision"]) == ("cidades", revision)
    assert '-        sa.Column("nome", sa.String(length=50), nullable=False),\n' in ran.error["diff"]
    assert '+        sa.Column("nome", sa.String(length=60), nullable=False),\n' in ran.error["diff"]
    assert "Revision ID" not in ran.error["diff"]
    assert given(*words).out.endswith(ran.error["diff"] + "\n")
    assert tree(released.folder) == before


def test_the_sql_of_a_released_stage_is_part_of_it(given: Inv, project: Project) -> None:
    data = {"name": "dados", "data": "UPDATE pessoas SET email = 'x'"}
    project.configure(stages=[*STAGES, data])
    given("rebuild")
    given("release")
    stages = yaml.safe_load(project.config.read_text())["stages"]
    project.configure(stages=[*stages[:3], {**stages[3], "data": "UPDATE pessoas SET email = 'y'"}])
    ran = given("check", "--json")
    assert ran.code == 6
    assert (ran.error["stage"], "+    op.run_sql(" in ran.error["diff"]) == ("dados", True)


def test_both_ways_on_work(given: Inv, released: Project) -> None:
    released.module("cidades", CIDADES.replace("50", "60"))
    stages = yaml.safe_load(released.config.read_text())["stages"]
    without = [stages[0], *({key: stage[key] for key in stage if key != "revision"} for stage in stages[1:])]
    released.configure(stages=without)
    ran = given("rebuild", "--no-apply", "--json")
    assert (ran.code, ran.json["written"]) == (0, True)
    released.module("cidades", CIDADES)
    released.module("maior", "from modelos.cidades import Cidade\n\nCidade.__table__.c.nome.type = sa.String(60)\n")
    released.configure(stages=[*stages, {"name": "maior", "enable": ["maior"]}])
    ran = given("rebuild", "--json")
    assert (ran.code, ran.json["applied"]) == (0, ["maior"])


def test_a_released_stage_that_moved_is_refused(given: Inv, released: Project) -> None:
    stages = yaml.safe_load(released.config.read_text())["stages"]
    released.configure(stages=[stages[1], stages[0], stages[2]])
    ran = given("rebuild", "--json")
    assert ran.code == 6
    assert ran.error["stage"] == "cidades"
    assert "+down_revision = None\n" in ran.error["diff"]


def test_the_file_of_a_released_stage_that_was_deleted_is_made_again(given: Inv, released: Project) -> None:
    before = released.files()
    (released.versions / "0002_cidades.py").unlink()
    assert given("check", "--json").json["cause"] == "file missing"
    assert given("rebuild").code == 0
    assert released.files() == before


def test_a_deleted_file_is_not_made_of_what_may_not_be_the_same(given: Inv, released: Project) -> None:
    before, revision = released.files(), ids(released)["cidades"]
    (released.versions / "0002_cidades.py").unlink()
    released.module("cidades", CIDADES.replace("50", "60"))
    ran = given("rebuild", "--json")
    assert ran.code == 6
    assert ran.error["message"] == (
        f"Stage cidades is released as {revision}, and no file has that revision. What the stage gives now has another "
        "id, so it may differ from what was released."
    )
    assert not (released.versions / "0002_cidades.py").exists()
    assert given("rebuild", "--force", "--no-apply").code == 0
    made = released.files()
    assert list(made) == list(before)
    assert re.search(rf"Revision ID: {revision}\nDigest: [0-9a-f]{{12}}\nRevises: ", made["0002_cidades.py"].decode())
    assert given("check").code == 0
    assert given("rebuild", "--json", "--no-apply").json["written"] is False
    lines_in("versions/0002_cidades.py", "length=60", "length=61")(released)
    assert given("check", "--json").json["cause"] == "hand edit"


def test_a_hand_edit_of_a_released_file_is_a_hand_edit(given: Inv, released: Project) -> None:
    before = released.files()
    lines_in("versions/0002_cidades.py", "length=50", "length=51")(released)
    assert given("check", "--json").json["cause"] == "hand edit"
    assert given("rebuild").code == 3
    assert given("rebuild", "--force").code == 0
    assert released.files() == before


def test_an_id_of_another_program_stays(given: Inv, project: Project) -> None:
    """As of an Alembic history that was made by hand; what comes after it follows it."""
    project.configure(stages=[{**STAGES[0], "revision": "ae1027.Inicio_1"}, *STAGES[1:]])
    ran = given("rebuild", "--force", "--json")
    assert ran.code == 0
    assert next(each["revision"] for each in ran.json["stages"]) == "ae1027.Inicio_1"
    assert 'down_revision = "ae1027.Inicio_1"\n' in project.files()["0002_cidades.py"].decode()
    assert given("check").code == 0
    assert given("rebuild", "--json").json["written"] is False
    assert given("down", "--to", "pessoas").code == 0
    assert rows(project.url, "SELECT version_num FROM alembic_version") == [("ae1027.Inicio_1",)]
    project.module("cidades", CIDADES.replace("50", "60"))
    assert given("rebuild", "--json").json["applied"] == ["cidades", "email"]


def test_alembic_goes_on_from_a_released_revision_whatever_became_of_the_rest(
    given: Inv, project: Project, tmp_path: Path
) -> None:
    given("rebuild", "--no-apply")
    given("release", "--to", "cidades")
    url = f"sqlite:///{tmp_path / 'deployed.db'}"
    assert given("up", "--to", "cidades", "--url", url).code == 0
    execute(url, "INSERT INTO cidades (nome) VALUES ('Recife')")
    project.module("email", EMAIL.replace("100", "120"))
    stages = yaml.safe_load(project.config.read_text())["stages"]
    project.configure(stages=[stages[0], {**stages[1], "message": "Outra"}, stages[2]])
    assert given("rebuild", "--no-apply").code == 0
    done = subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", "head"],
        cwd=project.folder, env={**os.environ, "DATABASE_URL": url}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert given("status", "--url", url).code == 0
    assert rows(url, "SELECT nome FROM cidades") == [("Recife",)]


def test_a_refusal_of_a_released_stage_says_that_it_is_released(given: Inv, released: Project) -> None:
    released.module("cidades", CIDADES)
    released.module("email", EMAIL.replace("sa.String(100)", "sa.String(100), nullable=False"))
    ran = given("rebuild", "--json")
    assert ran.code == 6
    assert "    # it is released, so its models must give what they gave, or its `revision` has to go:\n" in (
        ran.error["hint"] + "\n"
    )


# ---------------------------------------------------------------------------------------------- config.yaml

WRONG = (
    ([{**STAGES[0]}, {**STAGES[1], "revision": "37b2a3cf8e4c"}],
     "This stage is released, and stage `pessoas` before it is not. Move `pessoas` behind the released stages, or "
     "release it too: `inv release --to pessoas`."),
    ([{**STAGES[0], "revision": "37b2a3cf8e4c"}, {**STAGES[1], "revision": "37b2a3cf8e4c"}],
     "The stages `pessoas` and this one are both released as `37b2a3cf8e4c`. Remove one of the two; `inv release` "
     "writes the right one."),
    ([{**STAGES[0], "revision": "37b2+1"}],
     "`37b2+1` is not the id of a revision: use up to 32 of a to z, A to Z, 0 to 9, _ and . `inv release` writes the ids "
     "of the stages."),
    ([{**STAGES[0], "revision": "head"}],
     "`head` is not the id of a revision: use up to 32 of a to z, A to Z, 0 to 9, _ and . `inv release` writes the ids "
     "of the stages."),
    ([{**STAGES[0], "revision": "a" * 33}],
     f"`{'a' * 33}` is not the id of a revision: use up to 32 of a to z, A to Z, 0 to 9, _ and . `inv release` writes "
     "the ids of the stages."),
    ([{**STAGES[0], "revision": 370000000000}],
     "`revision` must be the id of a revision, but YAML reads `370000000000` as a number. Put it in quotes: "
     '"370000000000".'),
)  # fmt: skip


@pytest.mark.parametrize(("stages", "message"), WRONG)
def test_a_wrong_revision_is_reported_with_its_place(
    inv: Inv, project: Project, stages: list[dict[str, object]], message: str
) -> None:
    project.configure(stages=stages)
    ran = inv("stages", "--config", str(project.config))
    assert ran.code == 2
    assert re.sub(r"^.*config\.yaml:\d+:3: ", "", ran.err) == f"{message}\n"


def test_a_revision_is_read(project: Project) -> None:
    project.configure(stages=[{**STAGES[0], "revision": "0" * 12}])
    assert read(project.config).stages[0].revision == "0" * 12
