"""`up` and `down`, and histories on disk that cannot be run."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence

import pytest
import sqlalchemy as sa

from sqlstrata.databases import local
from sqlstrata.migrate import apply
from sqlstrata.revisions.revision import digest
from tests.commands.running import (
    CIDADES,
    NAMES,
    STAGES,
    Inv,
    edited,
    execute,
    lines_in,
    rows,
    tables,
    tree,
)
from tests.projects import Project


def test_down_makes_no_database(given: Inv, project: Project) -> None:
    given("rebuild", "--no-apply")
    ran = given("down", "--json")
    assert ran.code == 8
    assert ran.error["message"] == f"There is no SQLite file {project.folder / 'dev.db'}."
    assert not (project.folder / "dev.db").exists()


def test_down_goes_one_stage_back_and_up_to_the_last(given: Inv, project: Project) -> None:
    given("rebuild")
    assert given("down", "--json").json == {"undone": ["email"]}
    assert given("down").out == "Undone: cidades.\n"
    assert tables(project.url) == ["pessoas"]
    assert given("up", "--json").json == {"applied": ["cidades", "email"]}
    assert given("up").out == "Nothing to do.\n"
    assert given("status").code == 0


def test_up_and_down_to_a_stage(given: Inv, project: Project) -> None:
    given("rebuild")
    assert given("down", "--to", "base", "--json").json == {"undone": NAMES[::-1]}
    assert tables(project.url) == []
    assert given("down", "--json").json == {"undone": []}
    assert given("up", "--to", "cidades", "--json").json == {"applied": ["pessoas", "cidades"]}
    assert tables(project.url) == ["cidades", "pessoas"]
    assert given("up", "--to", "pessoas", "--json").json == {"applied": []}
    assert given("down", "--to", "pessoas", "--json").json == {"undone": ["cidades"]}


def test_up_puts_in_no_rows(given: Inv, project: Project) -> None:
    given("rebuild", "--no-apply")
    given("up")
    assert rows(project.url, "SELECT * FROM pessoas") == []


def kept(project: Project) -> Mapping[str, object]:
    """The schemas that are kept of the development database, by revision."""
    return local.known_schemas(project.folder, sa.make_url(project.url))


def test_up_imports_no_models_after_a_rebuild_and_keeps_the_schema_all_the_same(given: Inv, project: Project) -> None:
    given("rebuild", "--no-apply")
    project.module("email", "raise RuntimeError('imported')")
    ran = given("up")
    assert (ran.code, ran.err) == (0, "")
    assert list(kept(project)) == [apply.files(project.plan())[-1].id]


def test_up_in_a_fresh_clone_keeps_the_schema(given: Inv, project: Project) -> None:
    given("rebuild", "--no-apply")
    shutil.rmtree(project.folder / local.NAME)
    given("up", "--to", "cidades")
    assert list(kept(project)) == [apply.files(project.plan())[1].id]


def test_up_in_a_fresh_clone_says_where_the_models_cannot_be_imported(given: Inv, project: Project) -> None:
    given("rebuild", "--no-apply")
    shutil.rmtree(project.folder / local.NAME)
    project.module("email", "raise RuntimeError('imported')")
    ran = given("up")
    assert ran.code == 0
    assert "cannot follow if revision" in " ".join(ran.err.split())
    assert not kept(project)


def test_of_a_protected_database_nothing_is_kept(given: Inv, project: Project) -> None:
    given("rebuild", "--no-apply")
    project.configure(database={"url": project.url, "protected": True})
    assert given("up").code == 0
    assert not kept(project)


def test_down_to_a_stage_above_is_wrong_use(given: Inv) -> None:
    given("rebuild")
    given("down", "--to", "pessoas")
    ran = given("down", "--to", "email", "--json")
    assert ran.code == 2
    assert ran.error["hint"] == "Use `inv up --to email`."


@pytest.mark.parametrize("words", [["up", "--to"], ["down", "--to"], ["sql", "--to"], ["sql", "--from-stage"]])
def test_a_stage_that_is_not_there_is_wrong_use_with_the_nearest_name(given: Inv, words: Sequence[str]) -> None:
    given("rebuild")
    ran = given(*words, "cidade", "--json")
    assert ran.code == 2
    assert "cidade" in ran.error["message"]
    assert "cidades" in ran.error["hint"]


@pytest.mark.parametrize("words", [["up"], ["up", "--to", "pessoas"], ["sql"]])
def test_without_a_history_rebuild_is_asked_for(given: Inv, words: Sequence[str]) -> None:
    ran = given(*words, "--json")
    assert ran.code == 2
    assert ran.error["hint"] == "Run `inv rebuild`."


def test_up_past_rows_that_are_in_the_way_stops_before_it_touches_anything(given: Inv, project: Project) -> None:
    project.module("unico", "from modelos.cidades import Cidade\nCidade.__table__.append_constraint("
                            'sa.UniqueConstraint("nome"))')  # fmt: skip
    project.configure(stages=[*STAGES, {"name": "unico", "enable": ["unico"]}])
    given("rebuild", "--no-apply")
    given("up", "--to", "email")
    execute(project.url, "INSERT INTO cidades (nome) VALUES ('Olinda'), ('Olinda')")
    ran = given("up", "--json")
    assert ran.code == 9
    assert "nome = 'Olinda' in 2 rows" in ran.error["message"]
    assert given("status", "--json").json["stage"] == "email"


def spoiled(text: str) -> Callable[[Project], object]:
    """Add a text to the second revision; none makes it empty."""
    return lambda project: (project.versions / "0002_cidades.py").write_text(
        text and (project.versions / "0002_cidades.py").read_text(encoding="utf-8") + text, encoding="utf-8"
    )


BROKEN: tuple[tuple[Callable[[Project], object], str, str], ...] = (
    (
        lambda project: (project.versions / "0002_cidades.py").unlink(),
        "versions/0003_email.py", "The history on disk cannot be run: it follows revision ",
    ),
    (spoiled("<<<<<<< HEAD\n"), "versions/0002_cidades.py:28", "The history on disk cannot be run: SyntaxError: "),
    (spoiled("import nada\n"), "versions/0002_cidades.py:28", "The history on disk cannot be run: ModuleNotFoundError: "),
    (spoiled(""), "versions/0002_cidades.py", "The history on disk cannot be run: the file has no `revision`."),
    (
        lambda project: (project.versions.parent / "env.py").unlink(),
        "migrations/env.py", "The history on disk cannot be run: the file is missing.",
    ),
)  # fmt: skip


@pytest.mark.parametrize(
    ("do", "where", "message"), BROKEN, ids=["file missing", "conflict", "import", "empty", "env.py"]
)
def test_a_history_that_alembic_cannot_load_is_reported_with_its_place_before_anything_is_done(
    given: Inv, project: Project, do: Callable[[Project], object], where: str, message: str
) -> None:
    given("rebuild")
    do(project)
    before = (project.folder / "dev.db").read_bytes()
    for words in (["up"], ["down"], ["sql"], ["verify"], ["onboard"], ["reset", "--yes"]):
        ran = given(*words, "--json")
        assert ran.code == 3, words
        if words[0] in {"up", "down", "sql"}:
            assert ran.error["where"].endswith(where)
            assert ran.error["message"].startswith(message)
        assert "`inv rebuild" in ran.error["hint"]
        assert "`inv check`" in ran.error["hint"]
    assert (project.folder / "dev.db").read_bytes() == before


STOPPING: tuple[tuple[Callable[[Project], object], str, str], ...] = (
    (lines_in("env.py", "environment.run()", "nada()"), "env.py:", "NameError: name 'nada' is not defined."),
    (lines_in("env.py", "environment.run()", "environment.run("), "env.py:", "SyntaxError: "),
)  # fmt: skip


@pytest.mark.parametrize(("do", "where", "message"), STOPPING, ids=["env.py", "env.py's syntax"])
def test_what_somebody_wrote_into_the_folder_and_does_not_run_is_reported_with_its_place(
    given: Inv, project: Project, do: Callable[[Project], object], where: str, message: str
) -> None:
    given("rebuild")
    given("down", "--to", "pessoas")
    do(project)
    ran = given("up", "--json")
    assert ran.code == 9
    assert where in ran.error["where"]
    assert message in ran.error["message"]
    assert ran.error["message"].endswith("The database is at stage pessoas.")
    assert given("sql", "--json").error["where"] == ran.error["where"]
    assert rows(project.url, "SELECT count(*) FROM pessoas") == [(3,)]


def test_an_env_py_that_does_not_run_is_reported_by_the_proof(given: Inv, project: Project) -> None:
    given("rebuild")
    lines_in("env.py", "environment.run()", "nada()")(project)
    project.module("cidades", CIDADES.replace("50", "60"))
    before = tree(project.folder)
    ran = given("rebuild", "--json")
    assert ran.code == 9
    assert ran.error["where"].startswith(f"{project.folder / 'migrations' / 'env.py'}:")
    assert "NameError: name 'nada' is not defined." in ran.error["message"]
    assert tree(project.folder) == before


def test_what_a_module_prints_is_no_part_of_the_object(given: Inv, project: Project) -> None:
    project.module("cidades", f"print('CIDADES')\n{CIDADES}")
    for words in (["rebuild"], ["stages"], ["status"], ["verify"]):
        ran = given(*words, "--json")
        assert ran.code == 0, words
        assert ran.json
        assert "CIDADES" in ran.err or words == ["verify"]


# ------------------------------------------------------------------------------------- what is said about the way


def test_up_to_a_stage_before_the_database_s_says_how_to_go_back(given: Inv) -> None:
    given("rebuild")
    ran = given("up", "--to", "pessoas")
    assert (ran.code, ran.out) == (0, "Nothing to do.\n")
    assert ran.err == "The database is at stage email, which comes after pessoas: `inv down --to pessoas` goes back.\n"


def test_down_says_which_data_it_does_not_undo(given: Inv, project: Project) -> None:
    both = {"upgrade": "SELECT 1", "downgrade": "SELECT 1"}
    dados = [{"name": f"dados_{number}", "data": data} for number, data in enumerate(["SELECT 1", both, "SELECT 1"])]
    project.configure(stages=[*STAGES, *dados])
    given("rebuild")
    ran = given("down", "--to", "email")
    assert ran.code == 0
    assert ran.err == "What the `data` of dados_0, dados_2 changed is not undone: it has no `downgrade`.\n"


def test_what_was_applied_before_a_stage_that_stops_is_not_denied(given: Inv, project: Project) -> None:
    project.module("unico", "from modelos.cidades import Cidade\nCidade.__table__.append_constraint("
                            'sa.UniqueConstraint("nome"))')  # fmt: skip
    data = "INSERT INTO cidades (nome) VALUES ('Olinda'), ('Olinda')"
    project.configure(stages=[*STAGES, {"name": "dados", "data": data}, {"name": "unico", "enable": ["unico"]}])
    given("rebuild", "--no-proof", "--no-apply")
    ran = given("up", "--json")
    assert (ran.code, ran.error["applied"]) == (9, ["pessoas", "cidades", "email", "dados"])
    assert "This stage has changed nothing. The database is at stage dados." in ran.error["message"]


def test_stopping_says_where_the_database_is(given: Inv, project: Project) -> None:
    """As Ctrl-C does, in the middle of the second stage."""
    project.configure(stages=[STAGES[0], {"name": "dados", "data": "SELECT 1"}])
    given("rebuild", "--no-apply")
    given("up", "--to", "pessoas")
    path = project.versions / "0002_dados.py"
    first = "def upgrade() -> None:\n"
    text = path.read_text(encoding="utf-8").replace(first, f"{first}    raise KeyboardInterrupt\n")
    path.write_text(text.replace("Revises:", f"Digest: {digest(text)}\nRevises:"), encoding="utf-8")
    ran = given("up", "--json")
    assert (ran.code, ran.error["message"]) == (130, "Stopped. The database is at stage pessoas.")


# ------------------------------------------------------------------------ what `check` refuses is not run, either


def branched(project: Project) -> None:
    """Have a second file follow the same revision as the last, as after a merge of two branches."""
    first = (project.versions / "0003_email.py").read_text(encoding="utf-8")
    text = first.replace("Stage: email", "Stage: apelido").replace('"email"', '"apelido"')
    text = text.replace(text.split('revision = "')[1][:12], digest(text))
    (project.versions / "0003_apelido.py").write_text(text, encoding="utf-8")


UNSOUND: tuple[tuple[str, Callable[[Project], object], str, str, str], ...] = (
    ("a hand edit", edited, "0002_cidades.py", "the file was edited by hand: its id is not that of its content",
     "`inv rebuild --force` (it keeps a copy of files edited by hand)"),
    ("two heads", branched, "0003_email.py",
     "it has two heads, because 0003_apelido.py and 0003_email.py both follow revision ID", "`inv rebuild`"),
    ("a missing file", lambda project: (project.versions / "0003_email.py").unlink(), "config.yaml:",
     "no file is of stage email", "`inv rebuild`"),
    ("a new stage", lambda project: project.configure(stages=[*STAGES, {"name": "mais", "data": "SELECT 1"}]),
     "config.yaml:", "no file is of stage mais", "`inv rebuild`"),
)  # fmt: skip


@pytest.mark.parametrize("words", [["up"], ["up", "--to", "cidades"], ["down"], ["sql"]], ids=" ".join)
@pytest.mark.parametrize(("do", "where", "why", "remedy"), [case[1:] for case in UNSOUND], ids=[u[0] for u in UNSOUND])
def test_what_check_refuses_is_not_run(
    given: Inv,
    project: Project,
    words: Sequence[str],
    do: Callable[[Project], object],
    where: str,
    why: str,
    remedy: str,
) -> None:
    given("rebuild")
    given("down", "--to", "pessoas")
    parent = project.files()["0002_cidades.py"].decode().split('revision = "')[1][:12]
    do(project)
    before = tree(project.folder)
    ran = given(*words, "--json")
    assert ran.code == 3
    assert where in ran.error["where"]
    assert ran.error["message"] == f"The history on disk is not what the stages give: {why.replace('ID', parent)}."
    assert ran.error["hint"] == f"Run `inv check` to see how, and {remedy}. No database was changed."
    assert tree(project.folder) == before
    assert given("check").code == 3
