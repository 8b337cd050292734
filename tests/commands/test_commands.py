"""The commands, as people and scripts meet them: words in; text, one JSON object and an exit code out."""

from __future__ import annotations

import importlib.util
import json
import os
import pty
import re
import secrets
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from alembic.migration import MigrationContext
from alembic.operations import Operations
from invoke import Collection, Program
from pymysql.constants import CLIENT

from sqlstrata.databases import creation, database, removal
from sqlstrata.migrate.failures import reason
from sqlstrata.scratch.bracket import scratch
from tests.projects import NOTE, SHOP_STAGES, Project, shop, write
from tests.servers import answering, anything

ROOT = Path(__file__).resolve().parents[2]
UNREACHABLE = "postgresql+psycopg://ana:s3gredo@127.0.0.1:1/loja"

PESSOAS = """
class Pessoa(Base):
    __tablename__ = "pessoas"
    id: Mapped[int] = mapped_column(primary_key=True)
    nome: Mapped[str] = mapped_column(sa.String(50))
"""

CIDADES = """
class Cidade(Base):
    __tablename__ = "cidades"
    id: Mapped[int] = mapped_column(primary_key=True)
    nome: Mapped[str] = mapped_column(sa.String(50))
"""

EMAIL = """
from modelos.pessoas import Pessoa

Pessoa.email = mapped_column(sa.String(100))
"""

MODULES = {"pessoas": PESSOAS, "cidades": CIDADES, "email": EMAIL}
STAGES: list[dict[str, Any]] = [
    {"name": "pessoas", "enable": ["pessoas"], "rows": {"pessoas": [{"nome": "Alice"}, {"nome": "Bob"}]}},
    {"name": "cidades", "enable": ["cidades"], "rows": {"cidades": [{"nome": "Recife"}]}},
    {"name": "email", "enable": ["email"], "rows": {"pessoas": [{"nome": "Célia", "email": "c@x.br"}]}},
]
NAMES = ["pessoas", "cidades", "email"]


@dataclass(frozen=True)
class Told:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on standard output."""
        said = json.loads(self.out)
        assert isinstance(said, dict)
        return said

    @property
    def error(self) -> dict[str, Any]:
        found = self.json["error"]
        assert isinstance(found, dict)
        assert {"code", "message", "where", "hint"} <= set(found)
        assert found["code"] == self.code
        return found


Inv = Callable[..., Told]


def fresh_tasks() -> ModuleType:
    """tasks.py as a new process finds it: Invoke takes each flag's help away when it has read it."""
    spec = importlib.util.spec_from_file_location("tasks", ROOT / "tasks.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules["tasks"] = made
    spec.loader.exec_module(made)
    return made


@pytest.fixture
def inv(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Inv:
    """Run `inv WORDS…` in this process, from wherever we are."""
    for name in ("CONFIG", "SQLSTRATA_CONFIG"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: str) -> Told:
        capsys.readouterr()
        program = Program(namespace=Collection.from_module(fresh_tasks()), name="inv", binary="inv")
        try:
            program.run(["inv", *words])
            code: object = 0
        except SystemExit as end:
            code = end.code or 0
        assert isinstance(code, int)
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return Told(code, said.out, said.err)

    return run


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return write(tmp_path / "projeto", MODULES, STAGES)


@pytest.fixture
def given(inv: Inv, project: Project) -> Inv:
    """`inv WORDS… --config` the project's file."""
    return lambda *words: inv(*words, "--config", str(project.config))


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with database.connect(database.engine(url)) as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def execute(url: str, *statements: str) -> None:
    with database.connect(database.engine(url)) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
        connection.commit()


def tables(url: str) -> list[str]:
    with database.connect(database.engine(url)) as connection:
        return sorted(set(sa.inspect(connection).get_table_names()) - {"alembic_version"})


def tree(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every file below the folder, with what would show that it was touched."""
    return {
        str(path.relative_to(folder)): (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


# ------------------------------------------------ rebuild


def test_rebuild_makes_the_history_and_the_development_database(given: Inv, project: Project) -> None:
    told = given("rebuild")
    assert told.code == 0
    assert told.err == ""
    assert list(project.files()) == ["0001_pessoas.py", "0002_cidades.py", "0003_email.py"]
    assert rows(project.url, "SELECT nome, email FROM pessoas ORDER BY id") == [
        ("Alice", None),
        ("Bob", None),
        ("Célia", "c@x.br"),
    ]
    assert rows(project.url, "SELECT nome FROM cidades") == [("Recife",)]


def test_rebuild_tells_each_stage_its_revision_what_changed_and_the_time(given: Inv, project: Project) -> None:
    told = given("rebuild").out
    assert re.findall(r"^(making|proving on SQLite in memory|up): (\w+)$", told, re.MULTILINE) == [
        (doing, name) for doing in ("making", "proving on SQLite in memory", "up") for name in NAMES
    ]
    table = re.split(r"^stage +revision +changes +time\n", told, flags=re.MULTILINE)[1]
    assert re.findall(r"^(\w+) +([0-9a-f]{12}) +(.+?) +\d+ ms", table, re.MULTILINE) == [
        (name, text.split('revision = "')[1][:12], changes)
        for name, text, changes in zip(
            NAMES,
            [content.decode() for content in project.files().values()],
            ["+ pessoas (2 columns)", "+ cidades (2 columns)", "pessoas: + email"],
            strict=True,
        )
    ]
    assert "Proved on: SQLite in memory\n" in told
    assert f"Written to {project.versions}.\n" in told
    assert told.endswith("Development database: applied pessoas, cidades, email.\n")


@pytest.mark.parametrize("words", [["stages"], ["stages", "--json"], ["verify"], []], ids=" ".join)
def test_who_has_read_enough_is_told_no_more(given: Inv, project: Project, words: Sequence[str]) -> None:
    given("rebuild", "--no-apply")
    command = [sys.executable, "-m", "invoke", "--search-root", str(ROOT), *words]
    reading, writing = os.pipe()
    os.close(reading)
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "SQLSTRATA_CONFIG": str(project.config)}
    with os.fdopen(writing, "w") as nobody:
        run = subprocess.run(command, stdout=nobody, stderr=subprocess.PIPE, env=environ, check=False)
    assert (run.returncode, run.stderr) == (141, b"")


FULL = "Standard output cannot be written: No space left on device.\n"


@pytest.mark.parametrize("words", [["stages"], ["check", "--json"], ["verify"], []], ids=" ".join)
@pytest.mark.parametrize(("output", "code", "said"), [(">&-", 0, ""), (">/dev/full", 2, FULL)], ids=["closed", "full"])
def test_an_output_that_takes_nothing_is_no_crash(
    given: Inv, project: Project, words: Sequence[str], output: str, code: int, said: str
) -> None:
    given("rebuild", "--no-apply")
    command = ["sh", "-c", f'"$@" {output}', "sh", sys.executable, "-m", "invoke", "--search-root", str(ROOT), *words]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "SQLSTRATA_CONFIG": str(project.config)}
    run = subprocess.run(command, stderr=subprocess.PIPE, text=True, env=environ, check=False)
    assert (run.returncode, run.stderr) == (code, said)


def test_on_a_terminal_a_table_has_lines_and_fits_its_width(project: Project) -> None:
    command = [sys.executable, "-m", "invoke", "--search-root", str(ROOT), "stages", "--config", str(project.config)]
    terminal, side = pty.openpty()
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "60", "TERM": "xterm"}
    with subprocess.Popen(command, stdout=side, stderr=subprocess.PIPE, env=environ) as run:
        os.close(side)
        heard = b""
        with suppress(OSError):  # Linux says so when the last writer has gone
            while found := os.read(terminal, 4096):
                heard += found
    os.close(terminal)
    assert run.returncode == 0
    lines = re.sub(r"\x1b\[[0-9;]*m", "", heard.decode()).splitlines()
    assert any(set(line.strip()) == {"─"} for line in lines)
    assert max(map(len, lines)) <= 60
    assert any("pessoas" in line for line in lines)


def test_rebuild_gives_one_object_with_the_keys_of_the_contract(given: Inv, project: Project) -> None:
    told = given("rebuild", "--json")
    assert told.code == 0
    assert told.err == ""
    assert list(told.json) == ["stages", "written", "applied", "proved_on"]
    assert told.json["stages"][2] == {
        "name": "email",
        "revision": project.files()["0003_email.py"].decode().split('revision = "')[1][:12],
        "file": str(project.versions / "0003_email.py"),
        "changes": ["pessoas: + email"],
    }
    assert [each["name"] for each in told.json["stages"]] == NAMES
    assert told.json["written"] is True
    assert told.json["applied"] == NAMES
    assert len(told.json["proved_on"]) == 1


def test_rebuild_twice_changes_nothing_and_touches_no_file(given: Inv, project: Project) -> None:
    given("rebuild")
    before = tree(project.folder)
    told = given("rebuild")
    assert told.code == 0
    assert f"Nothing changed in {project.versions}.\n" in told.out
    assert tree(project.folder) == before
    again = given("rebuild", "--json").json
    assert (again["written"], again["applied"]) == (False, [])
    assert tree(project.folder) == before


def test_rebuild_dry_run_writes_nothing(given: Inv, project: Project) -> None:
    before = tree(project.folder)
    told = given("rebuild", "--dry-run", "--json")
    assert told.code == 0
    assert (told.json["written"], told.json["applied"]) == (False, [])
    assert len(told.json["stages"]) == 3
    assert tree(project.folder) == before


def test_rebuild_dry_run_says_that_it_wrote_nothing(given: Inv, project: Project) -> None:
    told = given("rebuild", "--dry-run").out
    assert "Written" not in told
    assert "Nothing changed" not in told
    assert f"Not written: this is what {project.versions} would hold.\n" in told


def test_rebuild_no_apply_leaves_the_database_alone(given: Inv, project: Project) -> None:
    told = given("rebuild", "--no-apply", "--json")
    assert told.code == 0
    assert told.json["applied"] == []
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
    told = given("rebuild")
    assert told.code == 0
    assert re.search(r"^nada +[0-9a-f]{12} +\(nothing changes\)", told.out, re.MULTILINE)
    assert project.files()["0004_nada.py"].decode().count("    pass\n") == 2
    assert re.search(r"^ +nada .*\(nothing changes\)|^→ +nada .*\(nothing changes\)", given("stages").out, re.MULTILINE)


def test_a_stage_that_only_has_data_is_not_said_to_change_nothing(given: Inv, project: Project) -> None:
    project.configure(stages=[*STAGES, {"name": "dados", "data": "UPDATE pessoas SET email = 'x' WHERE id = 1"}])
    told = given("rebuild", "--json")
    assert told.json["stages"][3]["changes"] == ["data"]
    assert rows(project.url, "SELECT email FROM pessoas WHERE id = 1") == [("x",)]


# ------------------------------------------------ rebuild, over files that are not as it made them


def edited(project: Project) -> bytes:
    path = project.versions / "0002_cidades.py"
    content = path.read_bytes().replace(b"length=50", b"length=51")
    path.write_bytes(content)
    return content


def test_rebuild_stops_at_a_file_that_was_edited_by_hand(given: Inv, project: Project) -> None:
    given("rebuild")
    content = edited(project)
    before = tree(project.folder)
    told = given("rebuild", "--json")
    assert told.code == 3
    assert told.error["files"] == ["0002_cidades.py"]
    assert "0002_cidades.py was edited by hand" in told.error["message"]
    assert "--force" in told.error["hint"]
    assert tree(project.folder) == before
    assert (project.versions / "0002_cidades.py").read_bytes() == content


def test_rebuild_stops_at_a_file_that_is_not_ours(given: Inv, project: Project) -> None:
    given("rebuild")
    (project.versions / "notes.txt").write_text("mine", encoding="utf-8")
    told = given("rebuild")
    assert told.code == 3
    assert "notes.txt is not a revision file" in told.err
    assert (project.versions / "notes.txt").read_text(encoding="utf-8") == "mine"


def test_rebuild_with_force_goes_on_and_keeps_a_copy(given: Inv, project: Project) -> None:
    given("rebuild")
    before = project.files()
    content = edited(project)
    (project.versions / "notes.txt").write_text("mine", encoding="utf-8")
    told = given("rebuild", "--force")
    assert told.code == 0
    assert project.files() == before
    kept = re.search(r"^What was edited by hand is kept in (.+)\.$", told.out, re.MULTILINE)
    assert kept is not None
    assert {path.name: path.read_bytes() for path in Path(kept[1]).iterdir()} == {
        "0002_cidades.py": content,
        "notes.txt": b"mine",
    }


def test_rebuild_with_force_says_in_its_object_where_the_copy_is(given: Inv, project: Project) -> None:
    given("rebuild")
    content = edited(project)
    told = given("rebuild", "--force", "--json").json
    assert (Path(told["kept"]) / "0002_cidades.py").read_bytes() == content


# ------------------------------------------------ check


def test_check_is_content_with_what_rebuild_made(given: Inv) -> None:
    given("rebuild", "--no-apply")
    told = given("check")
    assert (told.code, told.out, told.err) == (0, "The history is what the stages give.\n", "")
    assert given("check", "--json").json == {"ok": True, "stage": None, "cause": None, "file": None}


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
    told = given("check", "--json")
    assert told.code == 3
    assert told.json | {"error": None} == {
        "ok": False, "stage": wrong.stage, "cause": wrong.cause, "file": wrong.file, "error": None,
    }  # fmt: skip
    assert wrong.cause in told.error["message"]
    assert tree(project.folder) == before


def test_check_shows_the_way_from_the_file_to_the_stages(given: Inv, project: Project) -> None:
    given("rebuild", "--no-apply")
    edited(project)
    told = given("check")
    assert told.code == 3
    assert '-        sa.Column("nome", sa.String(length=51), nullable=False),\n' in told.out
    assert '+        sa.Column("nome", sa.String(length=50), nullable=False),\n' in told.out
    assert told.err.startswith("0002_cidades.py: ")
    assert "Run `inv rebuild --force` (it keeps a copy of files edited by hand), and look" in told.err
    assert "None" not in told.err


def test_check_does_not_speak_of_a_stage_where_there_is_none(given: Inv, project: Project) -> None:
    given("rebuild", "--no-apply")
    (project.versions / "0009_x.py").write_text("x = 1\n", encoding="utf-8")
    assert "None" not in given("check").err


def test_check_warns_of_modules_that_no_stage_turns_on(given: Inv, project: Project) -> None:
    given("rebuild", "--no-apply")
    project.module("esquecido", CIDADES.replace("cidades", "esquecidas").replace("Cidade", "Esquecida"))
    told = given("check")
    assert told.code == 0
    assert "no stage turns on esquecido" in told.err
    assert json.loads(given("check", "--json").out)["ok"] is True


# ------------------------------------------------ stages


def test_stages_shows_the_plan_and_writes_nothing(given: Inv, project: Project) -> None:
    before = tree(project.folder)
    told = given("stages")
    assert told.code == 0
    assert re.search(r"^ +email +pessoas, cidades, email +[0-9a-f]{12} +pessoas: \+ email", told.out, re.MULTILINE)
    assert "The database is at no stage.\n" in told.out
    assert tree(project.folder) == before


def test_stages_gives_one_object_with_the_keys_of_the_contract(given: Inv, project: Project) -> None:
    project.configure(stages=[{**STAGES[0], "message": "Quem"}, *STAGES[1:]])
    told = given("stages", "--json")
    assert told.code == 0
    assert [list(each) for each in told.json["stages"]] == [["name", "message", "modules", "revision", "changes"]] * 3
    assert told.json["stages"][0]["message"] == "Quem"
    assert told.json["stages"][1]["modules"] == ["pessoas", "cidades"]
    assert told.json["stages"][1]["changes"] == ["+ cidades (2 columns)"]


def test_stages_points_at_where_the_database_is(given: Inv) -> None:
    given("rebuild")
    given("down")
    told = given("stages")
    assert re.search(r"^→ +cidades ", told.out, re.MULTILINE)
    assert "The database is at stage cidades.\n" in told.out


def test_stages_says_which_modules_are_on_in_no_stage(given: Inv, project: Project) -> None:
    project.module("esquecido", CIDADES.replace("cidades", "esquecidas").replace("Cidade", "Esquecida"))
    assert "In no stage: esquecido.\n" in given("stages").out


# ------------------------------------------------ status


def test_status_is_content_at_the_last_stage(given: Inv) -> None:
    revision = given("rebuild", "--json").json["stages"][2]["revision"]
    told = given("status", "--json")
    assert told.code == 0
    assert {name: told.json[name] for name in ("stage", "revision", "pending", "schema_matches")} == {
        "stage": "email", "revision": revision, "pending": [], "schema_matches": True,
    }  # fmt: skip
    assert given("status").out == f"Stage: email (revision {revision})\nPending: nothing\n"


def test_status_of_a_database_that_is_behind(given: Inv) -> None:
    given("rebuild")
    given("down", "--to", "pessoas")
    told = given("status", "--json")
    assert told.code == 4
    assert (told.json["stage"], told.json["pending"], told.json["schema_matches"]) == ("pessoas", NAMES[1:], True)
    rows = "cidades, email"
    assert (
        told.error["hint"]
        == f"Run `inv onboard`, which puts in the rows of {rows} as well, or `inv up`, which does not."
    )
    assert given("status").code == 4


def test_status_of_a_database_that_is_not_there_makes_none(given: Inv, project: Project) -> None:
    given("rebuild", "--no-apply")
    told = given("status", "--json")
    assert told.code == 4
    assert (told.json["stage"], told.json["revision"], told.json["pending"]) == (None, None, NAMES)
    assert told.error["message"] == "There is no database yet, so it is behind by 3 stages."
    assert "`inv onboard`" in told.error["hint"]
    assert not (project.folder / "dev.db").exists()


def test_status_before_the_first_rebuild_has_all_stages_to_come(inv: Inv, tmp_path: Path) -> None:
    fresh = write(tmp_path / "novo", MODULES, STAGES)
    told = inv("status", "--json", "--config", str(fresh.config))
    assert told.code == 4
    assert (told.json["stage"], told.json["pending"]) == (None, NAMES)


def test_status_of_a_database_whose_schema_was_changed_by_hand(given: Inv, project: Project) -> None:
    given("rebuild")
    execute(project.url, "ALTER TABLE pessoas ADD COLUMN apelido VARCHAR(10)")
    told = given("status", "--json")
    assert told.code == 5
    assert (told.json["stage"], told.json["schema_matches"]) == ("email", False)
    assert told.json["differences"] == [
        {"table": "pessoas", "what": "column apelido", "expected": None, "found": "type VARCHAR(10)"}
    ]
    assert "apelido" in given("status").out
    message = "The database's schema is not what stage email says: 1 difference."
    assert told.error["message"] == message
    assert told.error["hint"] == "Undo what was changed by hand, or put it into the models."


def test_status_after_the_models_have_changed_names_the_command(given: Inv, project: Project) -> None:
    given("rebuild")
    project.module("cidades", CIDADES.replace("50", "60"))
    told = given("status", "--json")
    assert told.code == 5
    assert "`inv check` shows how; run `inv rebuild`." in told.error["hint"]


def test_status_of_a_database_without_a_revision_that_is_not_empty(given: Inv, project: Project) -> None:
    given("rebuild")
    execute(project.url, "DELETE FROM alembic_version")
    told = given("status", "--json")
    assert told.code == 5
    assert told.error["message"] == (
        "The database's schema is not what it says, which is that it is at no stage: 2 differences. "
        "It is exactly that of stage email."
    )


@pytest.mark.parametrize("words", [["status"], ["up"], ["down"]])
def test_a_revision_that_nobody_knows_is_told_and_left_alone(
    given: Inv, project: Project, words: Sequence[str]
) -> None:
    given("rebuild")
    execute(project.url, "UPDATE alembic_version SET version_num = 'abcdef123456'")
    told = given(*words, "--json")
    assert told.code == 5
    assert "abcdef123456" in told.error["message"]
    assert told.error["hint"]
    assert rows(project.url, "SELECT version_num FROM alembic_version") == [("abcdef123456",)]


def test_rebuild_gives_a_database_at_a_revision_that_is_gone_that_of_the_stage_whose_schema_it_has(
    given: Inv, project: Project
) -> None:
    given("rebuild")
    given("down")
    execute(project.url, "UPDATE alembic_version SET version_num = 'abcdef123456'")
    told = given("rebuild", "--json")
    assert told.code == 0
    assert told.json["applied"] == ["email"]
    assert given("status").code == 0


def test_a_database_of_the_history_before_is_told_of_and_left_alone(given: Inv, project: Project) -> None:
    given("rebuild")
    project.module("cidades", CIDADES.replace("50", "60"))
    before = (project.folder / "dev.db").read_bytes()
    told = given("rebuild")
    assert told.code == 5
    assert "which the history does not have" in told.err
    assert "The new history is written." in told.err
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
    told = given(command, "--url", url, "--json")
    assert told.error["hint"] == "See that the URL is right; `inv up --url …` makes the file."


def test_a_hint_to_go_on_is_for_the_database_that_was_named(given: Inv, tmp_path: Path) -> None:
    given("rebuild")
    url = f"sqlite:///{tmp_path / 'other.db'}"
    given("up", "--to", "cidades", "--url", url)
    assert given("status", "--url", url, "--json").error["hint"] == "Run `inv up --url …`."
    execute(url, "DELETE FROM alembic_version")
    for command in ("status", "up"):
        assert given(command, "--url", url, "--json").error["hint"].startswith("`inv adopt --url …` gives ")


@pytest.mark.parametrize("words", [["status"], ["up"], ["down"]])
def test_where_the_file_of_a_database_s_stage_is_missing_adopt_is_not_advised(
    given: Inv, project: Project, words: Sequence[str]
) -> None:
    """It would be refused: there is no revision to write."""
    given("rebuild")
    (project.versions / "0003_email.py").unlink()
    told = given(*words, "--json")
    assert told.code == 5
    assert told.error["hint"].endswith("run `inv rebuild`.")
    assert given("rebuild", "--json").code == 0
    assert given(*words).code == 0


def test_status_at_a_stage_that_the_plan_has_no_more_says_so(given: Inv, project: Project) -> None:
    given("rebuild")
    project.configure(stages=[*STAGES[:2], {**STAGES[2], "name": "correio"}])
    told = given("status", "--json")
    assert told.code == 5
    assert told.error["message"] == "The database is at stage email, which the plan does not have."
    assert told.error["hint"]


# ------------------------------------------------ up and down


def test_down_makes_no_database(given: Inv, project: Project) -> None:
    given("rebuild", "--no-apply")
    told = given("down", "--json")
    assert told.code == 8
    assert told.error["message"] == f"There is no SQLite file {project.folder / 'dev.db'}."
    assert not (project.folder / "dev.db").exists()


def test_down_goes_one_stage_back_and_up_to_the_last(given: Inv, project: Project) -> None:
    given("rebuild")
    assert given("down", "--json").json == {"undone": ["email"]}
    assert given("down").out == "down: cidades\nUndone: cidades.\n"
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


def test_down_to_a_stage_above_is_wrong_use(given: Inv) -> None:
    given("rebuild")
    given("down", "--to", "pessoas")
    told = given("down", "--to", "email", "--json")
    assert told.code == 2
    assert told.error["hint"] == "Use `inv up --to email`."


@pytest.mark.parametrize("words", [["up", "--to"], ["down", "--to"], ["sql", "--to"], ["sql", "--from-stage"]])
def test_a_stage_that_is_not_there_is_wrong_use_with_the_nearest_name(given: Inv, words: Sequence[str]) -> None:
    given("rebuild")
    told = given(*words, "cidade", "--json")
    assert told.code == 2
    assert "cidade" in told.error["message"]
    assert "cidades" in told.error["hint"]


@pytest.mark.parametrize("words", [["up"], ["up", "--to", "pessoas"], ["sql"]])
def test_without_a_history_rebuild_is_asked_for(given: Inv, words: Sequence[str]) -> None:
    told = given(*words, "--json")
    assert told.code == 2
    assert told.error["hint"] == "Run `inv rebuild`."


def test_up_past_rows_that_are_in_the_way_stops_before_it_touches_anything(given: Inv, project: Project) -> None:
    project.module("unico", "from modelos.cidades import Cidade\nCidade.__table__.append_constraint("
                            'sa.UniqueConstraint("nome"))')  # fmt: skip
    project.configure(stages=[*STAGES, {"name": "unico", "enable": ["unico"]}])
    given("rebuild", "--no-apply")
    given("up", "--to", "email")
    execute(project.url, "INSERT INTO cidades (nome) VALUES ('Olinda'), ('Olinda')")
    told = given("up", "--json")
    assert told.code == 9
    assert "nome = 'Olinda' in 2 rows" in told.error["message"]
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
def test_a_history_that_alembic_cannot_load_is_told_with_its_place_before_anything_is_done(
    given: Inv, project: Project, do: Callable[[Project], object], where: str, message: str
) -> None:
    given("rebuild")
    do(project)
    before = (project.folder / "dev.db").read_bytes()
    for words in (["up"], ["down"], ["sql"], ["verify"], ["onboard"], ["reset", "--yes"]):
        told = given(*words, "--json")
        assert told.code == 3, words
        if words[0] in {"up", "down", "sql"}:
            assert told.error["where"].endswith(where)
            assert told.error["message"].startswith(message)
        assert "`inv rebuild" in told.error["hint"]
        assert "`inv check`" in told.error["hint"]
    assert (project.folder / "dev.db").read_bytes() == before


def lines_in(name: str, old: str, new: str) -> Callable[[Project], object]:
    """Change a text in a file of the migrations folder."""

    def do(project: Project) -> None:
        path = project.versions.parent / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return do


STOPPING: tuple[tuple[Callable[[Project], object], str, str], ...] = (
    (
        lines_in("versions/0002_cidades.py", "def upgrade() -> None:\n", "def upgrade() -> None:\n    1 / 0\n"),
        "versions/0002_cidades.py:18", "ZeroDivisionError: division by zero.",
    ),
    (lines_in("env.py", "environment.run()", "nada()"), "env.py:", "NameError: name 'nada' is not defined."),
    (lines_in("env.py", "environment.run()", "environment.run("), "env.py:", "SyntaxError: "),
)  # fmt: skip


@pytest.mark.parametrize(("do", "where", "message"), STOPPING, ids=["a revision", "env.py", "env.py's syntax"])
def test_what_somebody_wrote_into_the_folder_and_does_not_run_is_told_with_its_place(
    given: Inv, project: Project, do: Callable[[Project], object], where: str, message: str
) -> None:
    given("rebuild")
    given("down", "--to", "pessoas")
    do(project)
    told = given("up", "--json")
    assert told.code == 9
    assert where in told.error["where"]
    assert message in told.error["message"]
    assert told.error["message"].endswith("The database is at stage pessoas.")
    assert given("sql", "--json").error["where"] == told.error["where"]
    assert rows(project.url, "SELECT count(*) FROM pessoas") == [(3,)]


def test_an_env_py_that_does_not_run_is_told_by_the_proof(given: Inv, project: Project) -> None:
    given("rebuild")
    lines_in("env.py", "environment.run()", "nada()")(project)
    project.module("cidades", CIDADES.replace("50", "60"))
    before = tree(project.folder)
    told = given("rebuild", "--json")
    assert told.code == 9
    assert told.error["where"].startswith(f"{project.folder / 'migrations' / 'env.py'}:")
    assert "NameError: name 'nada' is not defined." in told.error["message"]
    assert tree(project.folder) == before


def test_what_a_module_prints_is_no_part_of_the_object(given: Inv, project: Project) -> None:
    project.module("cidades", f"print('CIDADES')\n{CIDADES}")
    for words in (["rebuild"], ["stages"], ["status"], ["verify"]):
        told = given(*words, "--json")
        assert told.code == 0, words
        assert told.json
        assert "CIDADES" in told.err or words == ["verify"]


# ------------------------------------------------ sql


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql", "mysql", "mariadb"])
def test_sql_needs_no_database(given: Inv, project: Project, dialect: str) -> None:
    given("rebuild", "--no-apply")
    told = given("sql", "--from-stage", "pessoas", "--to", "cidades", "--dialect", dialect)
    assert told.code == 0
    assert told.err == ""
    assert "CREATE TABLE cidades" in told.out
    assert "CREATE TABLE pessoas" not in told.out
    assert ("SERIAL" in told.out) == (dialect == "postgresql")
    assert ("AUTO_INCREMENT" in told.out) == (dialect in {"mysql", "mariadb"})
    assert given("sql", "--from-stage", "pessoas", "--to", "cidades", "--dialect", dialect, "--json").json == {
        "sql": told.out
    }
    assert not (project.folder / "dev.db").exists()


def test_sql_goes_down_too(given: Inv) -> None:
    given("rebuild", "--no-apply")
    told = given("sql", "--from-stage", "email", "--to", "base", "--dialect", "postgresql").out
    found = [line for line in told.splitlines() if line.startswith(("DROP TABLE", "ALTER TABLE"))]
    assert [line for line in found if "alembic_version" not in line] == [  # which Alembic drops, too, before 1.20
        "ALTER TABLE pessoas DROP COLUMN email;",
        "DROP TABLE cidades;",
        "DROP TABLE pessoas;",
    ]


def test_sql_is_that_of_the_plans_database_by_default(given: Inv, project: Project) -> None:
    given("rebuild", "--no-apply")
    project.configure(database={"url": UNREACHABLE})
    assert "SERIAL" in given("sql").out


def test_sql_does_what_up_does(given: Inv, project: Project, tmp_path: Path) -> None:
    given("rebuild", "--no-apply")
    given("up")
    by_hand = tmp_path / "by_hand.db"
    connection = sqlite3.connect(by_hand, isolation_level=None)
    connection.executescript(given("sql", "--dialect", "sqlite").out)
    connection.close()
    schema = "SELECT name, replace(sql, char(9), '    ') FROM sqlite_master ORDER BY name"
    assert rows(f"sqlite:///{by_hand}", schema) == rows(project.url, schema)
    assert given("status", "--url", f"sqlite:///{by_hand}").code == 0


def test_sql_of_a_dialect_that_nobody_knows(given: Inv) -> None:
    given("rebuild", "--no-apply")
    told = given("sql", "--dialect", "oracle", "--json")
    assert told.code == 2
    assert "oracle" in told.error["message"]


# ------------------------------------------------ what a stage must allow

ANTES = """
class Pessoa(Base):
    __tablename__ = "pessoas"
    id: Mapped[int] = mapped_column(primary_key=True)
    nome: Mapped[str | None] = mapped_column(sa.String(50))
    idade: Mapped[str] = mapped_column(sa.String(50))


class Velha(Base):
    __tablename__ = "velhas"
    id: Mapped[int] = mapped_column(primary_key=True)
"""

DEPOIS = """
class Pessoa(Base):
    __tablename__ = "pessoas"
    id: Mapped[int] = mapped_column(primary_key=True)
    nome: Mapped[str] = mapped_column(sa.String(50))
    email: Mapped[str] = mapped_column(sa.String(50))
"""

MAIS = """
from modelos.depois import Pessoa

Pessoa.cidade = mapped_column(sa.String(20), nullable=False)
"""


@pytest.fixture
def refused(tmp_path: Path) -> Project:
    """A project whose stages do not allow what they need."""
    stages = [
        {"name": "antes", "enable": ["antes"], "rows": {"pessoas": [{"nome": None, "idade": "3"}]}},
        {"name": "depois", "disable": ["antes"], "enable": ["depois"]},
        {"name": "mais", "enable": ["mais"]},
    ]
    return write(tmp_path / "recusado", {"antes": ANTES, "depois": DEPOIS, "mais": MAIS}, stages)


def test_all_that_must_be_allowed_is_told_in_one_go(inv: Inv, refused: Project) -> None:
    before = tree(refused.folder)
    told = inv("rebuild", "--json", "--config", str(refused.config))
    assert told.code == 6
    assert told.error["needs"] == [
        {"stage": "depois", "key": "drop", "name": "velhas", "value": None},
        {"stage": "depois", "key": "drop", "name": "pessoas.idade", "value": None},
        {"stage": "depois", "key": "fill", "name": "pessoas.email", "value": "''"},
        {"stage": "depois", "key": "fill", "name": "pessoas.nome", "value": "''"},
        {"stage": "mais", "key": "fill", "name": "pessoas.cidade", "value": "''"},
    ]
    assert tree(refused.folder) == before


@pytest.mark.parametrize("words", [["check"], ["stages"], ["rebuild", "--dry-run"]])
def test_every_command_that_makes_the_history_refuses(inv: Inv, refused: Project, words: Sequence[str]) -> None:
    told = inv(*words, "--json", "--config", str(refused.config))
    assert told.code == 6
    assert len(told.error["needs"]) == 5


def test_pasting_the_needs_is_enough(inv: Inv, refused: Project) -> None:
    paste(inv, refused)
    assert inv("rebuild", "--config", str(refused.config)).code == 0
    assert rows(refused.url, "SELECT nome, email, cidade FROM pessoas") == [("", "", "")]


def paste(inv: Inv, project: Project) -> None:
    """Give the stages what the refusal asks for."""
    needs = inv("rebuild", "--json", "--config", str(project.config)).error["needs"]
    said = yaml.safe_load(project.config.read_text(encoding="utf-8"))
    for stage in said["stages"]:
        for need in needs:
            if need["stage"] == stage["name"] and need["key"] == "drop":
                stage.setdefault("drop", []).append(need["name"])
            elif need["stage"] == stage["name"]:
                stage.setdefault(need["key"], {})[need["name"]] = need["value"]
    project.configure(stages=said["stages"])


POUCO = """
class Lugar(Base):
    __tablename__ = "lugares"
    a: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    b: Mapped[str] = mapped_column(sa.String(5), primary_key=True)

class Pessoa(Base):
    __tablename__ = "pessoas"
    id: Mapped[int] = mapped_column(primary_key=True)
"""

MUITO = """
from modelos.pouco import Pessoa

for type_ in (
    sa.Time, sa.Interval, sa.LargeBinary, sa.Uuid, sa.Uuid(native_uuid=False), sa.JSON, sa.Enum("x", "y", name="e"), sa.Boolean,
    sa.Numeric(5, 2), sa.DateTime(timezone=True), sa.CHAR(3), sa.SmallInteger, sa.Double, sa.Date, *OWN,
):
    setattr(Pessoa, f"c{len(Pessoa.__table__.columns)}", mapped_column(type_, nullable=False))
Pessoa.publico = mapped_column(sa.Uuid, nullable=False, unique=True)
Pessoa.apelido = mapped_column(sa.String(9), nullable=False, unique=True)
Pessoa.x = mapped_column(sa.Integer, nullable=False)
Pessoa.y = mapped_column(sa.String(5), nullable=False)
Pessoa.chefe = mapped_column(sa.ForeignKey("pessoas.id"), nullable=False)
Pessoa.la = mapped_column(sa.Uuid, nullable=False)
Pessoa.lb = mapped_column(sa.String(5), nullable=False)
Pessoa.__table__.append_constraint(sa.UniqueConstraint("x", "y"))
Pessoa.__table__.append_constraint(sa.ForeignKeyConstraint(["la", "lb"], ["lugares.a", "lugares.b"]))
"""

OWN = {
    "sqlite": "",
    "postgresql": """postgresql.INET, postgresql.CIDR, postgresql.MACADDR, postgresql.MACADDR8, postgresql.MONEY,
        postgresql.OID, postgresql.REGCLASS, postgresql.BIT(3), postgresql.BIT(3, varying=True), postgresql.INT4RANGE,
        postgresql.INT4MULTIRANGE, postgresql.TSVECTOR, postgresql.TSQUERY, postgresql.JSONPATH, postgresql.ARRAY(sa.Text),
        postgresql.ARRAY(postgresql.ENUM("a", "b", name="f"))""",
    "mariadb": 'mysql.YEAR, mysql.SET("a", "b"), mysql.BIT(4), mysql.ENUM("q", "r"), sa.BINARY(3), mysql.LONGTEXT',
}
"""Types that only one server has."""


@pytest.mark.parametrize("kind", list(OWN))
def test_what_is_offered_to_paste_is_a_value_of_its_type(inv: Inv, tmp_path: Path, kind: str) -> None:
    """It is unique where that is asked, and refers to a row that is there."""
    places = [{"a": f"00000000-0000-4000-8000-00000000000{n}", "b": f"{5 - n}"} for n in (1, 2)]
    stages = [
        {"name": "pouco", "enable": ["pouco"], "rows": {"lugares": places, "pessoas": [{"id": 1}, {"id": 2}]}},
        {"name": "muito", "enable": ["muito"]},
    ]
    modules = {
        "pouco": "import uuid\n" + POUCO,
        "muito": "from sqlalchemy.dialects import mysql, postgresql\n" + MUITO.replace("OWN", f"[{OWN[kind]}]"),
    }
    server = answering(kind)
    url = sa.make_url(server).set(database="strata_offered.db").render_as_string(hide_password=False)
    project = write(tmp_path, modules, stages, url=url, prove_on=[server])
    paste(inv, project)
    told = inv("rebuild", "--no-apply", "--config", str(project.config))
    assert (told.code, told.err) == (0, "")


def test_pasting_the_lines_of_the_message_is_enough(inv: Inv, refused: Project) -> None:
    hint = inv("rebuild", "--json", "--config", str(refused.config)).error["hint"]
    pasted = {stage["name"]: stage for stage in yaml.safe_load(hint.partition("config.yaml:\n")[2])}
    said = yaml.safe_load(refused.config.read_text(encoding="utf-8"))
    refused.configure(stages=[{**stage, **pasted.get(stage["name"], {})} for stage in said["stages"]])
    assert inv("rebuild", "--config", str(refused.config)).code == 0


def test_the_lines_to_paste_hold_what_the_stage_says_already(inv: Inv, refused: Project) -> None:
    """So they take the place of its keys, whatever SQL stands in them."""
    said = yaml.safe_load(refused.config.read_text(encoding="utf-8"))
    email = {"default": "'\\n\"' ||\nlower(nome)", "mysql": "nome"}
    said["stages"][1] |= {"drop": ["velhas"], "fill": {"pessoas.email": email}}
    refused.configure(stages=said["stages"])
    refused.module("mais", MAIS.replace("sa.String(20)", "sa.Boolean"))
    hint = inv("rebuild", "--json", "--config", str(refused.config)).error["hint"]
    assert "    drop: [velhas, pessoas.idade]  # in place of the stage's own\n" in hint
    pasted = yaml.safe_load(hint.partition("config.yaml:\n")[2])
    assert pasted == [
        {"name": "depois", "drop": ["velhas", "pessoas.idade"], "fill": {"pessoas.email": email, "pessoas.nome": "''"}},
        {"name": "mais", "fill": {"pessoas.cidade": "false"}},
    ]


ONE = """
import datetime as dt

class T(Base):
    __tablename__ = "t"
    id: Mapped[int] = mapped_column(primary_key=True)
"""
# A type of `y` before and after, what the stage says of it for SQLite alone, and all that it must say.
FOR_ONE_SERVER: dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    "a column that comes": (
        "", "int", {"fill": {"t.y": {"sqlite": "7"}}}, {"sqlite": "7", "mysql": "0"}
    ),
    "a column that comes back": (
        "int", "", {"drop": ["t.y"], "fill": {"t.y": {"sqlite": "7"}}}, {"sqlite": "7", "mysql": "0"}
    ),
    "a column that becomes NOT NULL": (
        "int | None", "int", {"fill": {"t.y": {"sqlite": "7"}}}, {"sqlite": "7", "mysql": "0"}
    ),
    "a column of another type": (
        "int", "dt.date", {"cast": {"t.y": {"sqlite": "date(y)"}}}, {"sqlite": "date(y)", "mysql": "y"}
    ),
    "a column of another type, each way": (
        "int", "dt.date", {"cast": {"t.y": {"up": {"sqlite": "date(y)"}, "down": {"sqlite": "0"}}}},
        {"up": {"sqlite": "date(y)", "mysql": "y"}, "down": {"sqlite": "0", "mysql": "y"}},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("was", "now", "said", "whole"), FOR_ONE_SERVER.values(), ids=FOR_ONE_SERVER)
def test_what_is_said_for_one_server_is_no_leave_for_another(
    inv: Inv, tmp_path: Path, was: str, now: str, said: dict[str, Any], whole: dict[str, Any]
) -> None:
    """Those count that the plan names, wherever it does; with what is asked for the stage may go on."""
    stages = [
        {"name": "antes", "enable": ["antes"]},
        {"name": "depois", "disable": ["antes"], "enable": ["depois"], **said},
    ]
    modules = {name: ONE + (f"    y: Mapped[{of}]" if of else "") for name, of in (("antes", was), ("depois", now))}
    project = write(tmp_path / "um", modules, stages)
    words = ("stages", "--json", "--config", str(project.config))
    assert inv(*words).code == 0
    project.configure(prove_on=["sqlite://", "mariadb+pymysql://server/"])
    told = inv(*words)
    assert told.code == 6
    assert all(need["value"] == whole for need in told.error["needs"])
    key = told.error["needs"][0]["key"]
    project.configure(stages=[stages[0], {**stages[1], key: {"t.y": whole}}])
    assert inv(*words).code == 0


def test_a_drop_that_may_be_a_rename_offers_the_line(inv: Inv, refused: Project) -> None:
    told = inv("rebuild", "--config", str(refused.config))
    assert "if it is a rename: rename: {pessoas.idade: email}" in told.err


def test_going_down_past_what_cannot_be_undone_is_refused(given: Inv, project: Project) -> None:
    project.configure(stages=[*STAGES[:2], {**STAGES[2], "downgrade": False}])
    given("rebuild")
    told = given("down", "--json")
    assert told.code == 6
    assert told.error["message"] == (
        "Stage email cannot be undone (downgrade: false). Nothing was changed. The database is at stage email."
    )
    assert given("status").code == 0
    told = given("sql", "--from-stage", "email", "--to", "base", "--json")
    assert told.code == 6
    assert told.error["message"] == "Stage email cannot be undone (downgrade: false). Nothing was changed."


# ------------------------------------------------ hints that are wrong

HINTS = (
    ("rename", {"pessoas.nomes": "x"}, "`rename` names `pessoas.nomes`, which is neither in this stage nor before it.",
     "Did you mean `pessoas.nome`?"),
    ("rename", {"pessoas.nome": "x"}, "Stage email has no use for `rename: pessoas.nome`.", "Take the line out."),
    ("rename", {"pessoas.nome": "nome"}, "`pessoas.nome` is renamed to itself.", "Take it out, or write its new name."),
    ("rename", {"pessoas.id": "email", "pessoas.nome": "email"},
     "`pessoas.id` and `pessoas.nome` cannot both be renamed to `email`.", "Give one of them another name."),
    ("rename", {"cidades": "lugares", "pessoas": "lugares"},
     "`cidades` and `pessoas` cannot both be renamed to `lugares`.", "Give one of them another name."),
    ("drop", ["cidade"], "`drop` names `cidade`, which is neither in this stage nor before it.",
     "Did you mean `cidades`?"),
    ("drop", ["cidades"], "Stage email has no use for `drop: cidades`.", "Take the line out."),
    ("fill", {"pessoas.emial": "''"}, "`fill` names `pessoas.emial`, which is neither in this stage nor before it.",
     "Did you mean `pessoas.email`?"),
    ("fill", {"cidades.nome": "''"}, "Stage email has no use for `fill: cidades.nome`.", "Take the line out."),
    ("cast", {"pessoas.nome": "nome"}, "Stage email has no use for `cast: pessoas.nome`.", "Take the line out."),
)  # fmt: skip


# What a stage says that makes `itens` (id, nome_completo, z) of `t` (id, nome, y), and the names that it means.
MEANT: tuple[tuple[dict[str, Any], str], ...] = (
    ({"rename": {"t": "itens", "t.y": "z", "t.nome": "nome_complet"}}, "Did you mean `nome_completo`?"),
    ({"rename": {"t": "item"}}, "Did you mean `itens`?"),
    ({"rename": {"t": "itens", "t.y": "z"}, "fill": {"itens.nome_completo": "''"}},
     "Did you mean `t.nome_completo`? Names are those before the stage."),
    ({"rename": {"t": "itens", "t.y": "z"}, "fill": {"t.z": "0"}},
     "Did you mean `t.y`? Names are those before the stage."),
    ({"rename": {"t": "itens", "t.y": "z"}, "drop": ["itens.nome"]},
     "Did you mean `t.nome`? Names are those before the stage."),
    ({"rename": {"t": "itens", "t.y": "z"}, "fill": {"itens.nome_complet": "''"}},
     "Did you mean `t.nome_completo`?"),
)  # fmt: skip


@pytest.mark.parametrize(("said", "hint"), MEANT, ids=[hint for _, hint in MEANT])
def test_a_hint_with_a_name_that_the_database_does_not_have_yet_is_told_the_one_it_has(
    inv: Inv, tmp_path: Path, said: dict[str, Any], hint: str
) -> None:
    new = ONE.replace('"t"', '"itens"') + "    nome_completo: Mapped[str]\n    z: Mapped[int]"
    stages = [{"name": "um", "enable": ["um"]}, {"name": "dois", "disable": ["um"], "enable": ["dois"], **said}]
    modules = {"um": ONE + "    nome: Mapped[str]\n    y: Mapped[int | None]", "dois": new}
    told = inv("stages", "--json", "--config", str(write(tmp_path / "dois", modules, stages).config))
    assert (told.code, told.error["hint"]) == (2, hint)


TO_NOWHERE = """
class Morador(Base):
    __tablename__ = "moradores"
    id: Mapped[int] = mapped_column(primary_key=True)
    casa_id: Mapped[int] = mapped_column(sa.ForeignKey("casas.id"))
"""
TWO_NAMES = """
class Morador(Base):
    __tablename__ = "moradores"
    id: Mapped[int] = mapped_column(primary_key=True)
    __table_args__ = (sa.Index("i", "id"), sa.Index("i", "id"))
"""


def test_a_foreign_key_to_no_table_is_told_with_its_stage_and_place(inv: Inv, tmp_path: Path) -> None:
    stages = [STAGES[0], {"name": "moradores", "enable": ["moradores"]}]
    project = write(tmp_path / "projeto", {**MODULES, "moradores": TO_NOWHERE}, stages)
    told = inv("check", "--json", "--config", str(project.config))
    assert told.code == 2
    assert told.error["message"].startswith("Stage moradores: Table moradores has a foreign key to a table or column ")
    assert told.error["where"] == str(project.plan().where("stages", 1))


def test_models_that_a_server_does_not_make_are_told_with_their_stage(inv: Inv, tmp_path: Path) -> None:
    stages = [STAGES[0], {"name": "moradores", "enable": ["moradores"]}]
    project = write(tmp_path / "projeto", {**MODULES, "moradores": TWO_NAMES}, stages)
    told = inv("rebuild", "--json", "--config", str(project.config))
    assert told.code == 2
    assert told.error["message"].startswith("The models of stage moradores cannot be created on sqlite: ")


def test_a_difference_that_cannot_be_expressed_is_told_with_its_stage_and_place(inv: Inv, tmp_path: Path) -> None:
    new = ONE + "    z: Mapped[int]\n    y: Mapped[int]"
    stages = [
        {"name": "um", "enable": ["um"]},
        {"name": "dois", "disable": ["um"], "enable": ["dois"], "rename": {"t.y": "z"}},
    ]
    project = write(tmp_path / "dois", {"um": ONE + "    y: Mapped[int | None]", "dois": new}, stages)
    told = inv("stages", "--json", "--config", str(project.config))
    line = project.config.read_text(encoding="utf-8").splitlines().index("- name: dois") + 1
    assert told.code == 2
    assert told.error["message"].startswith("Stage dois: A column called t.y gets another name and a new one takes it")
    assert told.error["where"] == f"{project.config}:{line}:3"


@pytest.mark.parametrize(("key", "value", "message", "hint"), HINTS, ids=[f"{key} {of}" for key, of, *_ in HINTS])
def test_a_hint_that_names_nothing_or_is_of_no_use_is_an_error_at_its_place(
    given: Inv, project: Project, key: str, value: object, message: str, hint: str
) -> None:
    project.configure(stages=[*STAGES[:2], {**STAGES[2], key: value}])
    lines = project.config.read_text(encoding="utf-8").splitlines()
    name = list(value)[-1]  # type: ignore[call-overload]
    line, text = [(n, text) for n, text in enumerate(lines, 1) if re.match(rf"\s+(- )?{name}(:|$)", text)][-1]
    told = given("rebuild", "--json")
    assert told.code == 2
    assert (told.error["message"], told.error["hint"]) == (message, hint)
    assert told.error["where"] == f"{project.config}:{line}:{text.index(name) + 1}"
    assert project.files() == {}


def test_rows_of_a_table_that_is_not_there_are_an_error_at_their_place(given: Inv, project: Project) -> None:
    project.configure(stages=[*STAGES[:2], {**STAGES[2], "rows": {"cidade": [{"nome": "x"}]}}])
    told = given("rebuild", "--json")
    assert told.code == 2
    assert re.fullmatch(rf"{re.escape(str(project.config))}:\d+:\d+", told.error["where"])
    assert "cidade" in told.error["message"]
    assert project.files() == {}


def test_rows_of_a_column_that_is_not_there_are_an_error_at_their_place(given: Inv, project: Project) -> None:
    project.configure(stages=[*STAGES[:2], {**STAGES[2], "rows": {"cidades": [{"nomes": "x"}]}}])
    told = given("rebuild", "--json")
    assert told.code == 2
    assert re.fullmatch(rf"{re.escape(str(project.config))}:\d+:\d+", told.error["where"])
    assert "nomes" in told.error["message"]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("sa.Integer", 10**25),
        ("sa.String(50)", ["x"]),
        ("sa.String(50)", {"x": 1}),
        ("sa.Uuid", "x"),
        ("sa.Date", "x"),
        ("sa.Date", 5),
        ("sa.DateTime", "x"),
        ("sa.Time", "x"),
        ("sa.Numeric", "x"),
    ],
)
def test_a_value_that_its_column_cannot_take_is_an_error_at_its_place(
    given: Inv, project: Project, column: str, value: object
) -> None:
    project.module("valores", f'valores = sa.Table("valores", Base.metadata, sa.Column("valor", {column}))')
    project.configure(stages=[{"name": "valores", "enable": ["valores"], "rows": {"valores": [{"valor": value}]}}])
    told = given("rebuild", "--json")
    assert told.code == 2
    line, text = next(
        (number, line)
        for number, line in enumerate(project.config.read_text(encoding="utf-8").splitlines(), start=1)
        if "valor:" in line
    )
    assert told.error["where"] == f"{project.config}:{line}:{text.index('valor:') + 1}"
    assert project.files() == {}


def test_a_wrong_plan_is_told_with_its_place(given: Inv, project: Project) -> None:
    project.configure(stages=[{**STAGES[0], "enabel": []}])
    told = given("stages")
    assert told.code == 2
    assert re.match(rf"{re.escape(str(project.config))}:\d+:\d+: `enabel` is not a key of .+ `enable`", told.err)
    assert told.out == ""


# ------------------------------------------------ servers that do not answer, and what goes wrong


@pytest.mark.parametrize("words", [["rebuild"], ["status"], ["up"], ["down"]])
def test_a_database_that_does_not_answer_is_told_without_its_password(
    given: Inv, project: Project, words: Sequence[str]
) -> None:
    given("rebuild", "--no-apply")
    project.configure(database={"url": UNREACHABLE})
    told = given(*words, "--json")
    assert told.code == 8
    assert "127.0.0.1:1" in told.error["message"]
    assert "s3gredo" not in told.out + told.err


def test_a_server_for_the_proof_that_does_not_answer_leaves_all_as_it_was(given: Inv, project: Project) -> None:
    project.configure(prove_on=["sqlite://", UNREACHABLE])
    before = tree(project.folder)
    told = given("rebuild")
    assert told.code == 8
    assert "s3gredo" not in told.out + told.err
    assert tree(project.folder) == before


@pytest.mark.parametrize("words", [["status"], ["up"], ["down"]])
def test_another_database_that_does_not_answer_is_told_without_its_password(given: Inv, words: Sequence[str]) -> None:
    given("rebuild", "--no-apply")
    told = given(*words, "--url", UNREACHABLE, "--json")
    assert told.code == 8
    assert "s3gredo" not in told.out + told.err


@pytest.mark.parametrize("words", [["status"], ["identify"], ["adopt"], ["up"], ["down"], ["onboard"]])
def test_a_file_that_is_no_database_and_a_folder_are_told_as_what_they_are(
    given: Inv, project: Project, words: Sequence[str]
) -> None:
    given("rebuild", "--no-apply")
    file = project.folder / "dev.db"
    file.write_bytes(b"no database" * 300)
    told = given(*words, "--json")
    assert told.code == 8
    assert told.error["message"] == (
        f"SQLite file {file} is not a SQLite database, or it is damaged: its header is wrong."
    )
    assert given("stages").out.endswith(f"Where the database is cannot be told. {told.error['message']}\n")
    assert file.read_bytes() == b"no database" * 300
    file.unlink()
    file.mkdir()
    assert given(*words).code == 8


def test_a_url_that_is_none_is_wrong_use(given: Inv) -> None:
    given("rebuild", "--no-apply")
    assert given("status", "--url", "nowhere", "--json").error["message"] == "This is not a database URL."
    assert given("up", "--url", "oracle://ana:s3gredo@x/y").code == 2
    assert given("up", "--url", "sqlite:///file:outro.db?uri=true").code == 2


@pytest.mark.parametrize("server", ["postgresql+psycopg://ana@x", "mariadb+pymysql://ana@x/?charset=utf8mb4"])
@pytest.mark.parametrize("command", ["status", "identify", "adopt", "up", "down"])
def test_a_url_of_a_server_is_not_that_of_some_database_there(given: Inv, command: str, server: str) -> None:
    given("rebuild", "--no-apply")
    told = given(command, "--url", server, "--json")
    assert told.code == 2
    assert told.error["message"] == "The URL names a server and no database."
    assert told.error["hint"] == f"Add the database's name, as in {server.partition(':')[0]}://user@host/exemplo."


@pytest.mark.parametrize(
    "words", [["up", "--url"], ["down", "--url"], ["adopt", "--url"], ["status", "--url"], ["identify", "--url"],
              ["up", "--to"], ["down", "--to"]],
    ids=" ".join,
)  # fmt: skip
def test_a_variable_that_is_not_set_is_not_the_default(given: Inv, project: Project, words: Sequence[str]) -> None:
    given("rebuild", "--no-apply")
    given("up", "--to", "cidades")
    before = (project.folder / "dev.db").read_bytes()
    assert given(*words, "").code == 2
    assert (project.folder / "dev.db").read_bytes() == before


@pytest.mark.parametrize("words", [["rebuild", "--no-proof"], ["stages"], ["check"], ["sql"]])
def test_no_output_has_a_password(given: Inv, project: Project, words: Sequence[str]) -> None:
    given("rebuild", "--no-apply")
    project.configure(database={"url": UNREACHABLE}, prove_on=[UNREACHABLE])
    for more in ([], ["--json"]):
        told = given(*words, *more)
        assert "s3gredo" not in told.out + told.err


def test_a_folder_of_a_name_that_no_file_can_have_is_wrong_use(given: Inv, project: Project) -> None:
    project.configure(migrations="m" * 300)
    assert (
        given("check", "--json")
        .error["message"]
        .endswith(
            "could not be read: File name too long"
            f" ({project.folder / ('m' * 300) / 'versions'}). Nothing in it was changed."
        )
    )


def test_data_that_fails_is_found_by_the_proof_before_anything_is_written(given: Inv, project: Project) -> None:
    given("rebuild")
    project.configure(stages=[*STAGES, {"name": "dados", "data": "UPDATE nada SET x = 1"}])
    before = tree(project.folder)
    told = given("rebuild", "--json")
    assert told.code == 9
    assert "Stage dados does not go up on sqlite" in told.error["message"]
    assert "no such table: nada" in told.error["message"]
    assert told.error["where"] == str(project.plan().where("stages", 3))
    assert told.error["hint"].startswith("Fix the stage or its models. ")
    assert tree(project.folder) == before


def test_a_statement_that_failed_is_told_as_it_would_be_pasted(server: str) -> None:
    """A percent sign is written twice for some drivers, and is one for the server."""
    with scratch(server) as there, there.engine.connect() as connection:
        operations = Operations(MigrationContext.configure(connection))
        with pytest.raises(sa.exc.DBAPIError) as caught:
            operations.run_sql("SELECT '5%' FROM nada")
        assert reason(caught.value).endswith("The statement was: SELECT '5%' FROM nada.")


def test_data_that_fails_in_the_database_says_where_it_stands(given: Inv, project: Project) -> None:
    project.configure(stages=[*STAGES, {"name": "dados", "data": "UPDATE nada SET x = 1"}])
    told = given("rebuild", "--no-proof", "--json")
    assert told.code == 9
    assert told.error["message"] == (
        "The migration failed: no such table: nada. The statement was: UPDATE nada SET x = 1. "
        "The database is at stage email. The new history is written."
    )
    assert given("status", "--json").json["stage"] == "email"
    told = given("up")
    assert told.code == 9
    assert "The database is at stage email." in told.err


def test_rows_that_do_not_fit_their_table_are_found_before_anything_is_written(given: Inv, project: Project) -> None:
    project.configure(stages=[{**STAGES[0], "rows": {"pessoas": [{"nome": None}]}}, *STAGES[1:]])
    before = tree(project.folder)
    told = given("rebuild", "--json")
    assert told.code == 9
    assert told.error["message"].startswith("The rows of stage pessoas do not fit its tables on sqlite: ")
    assert told.error["where"] == str(project.plan().where("stages", 0, "rows"))
    assert tree(project.folder) == before


def test_an_interruption_while_the_proof_runs_leaves_files_and_databases_as_they_were(
    given: Inv, project: Project
) -> None:
    given("rebuild")
    project.module("cidades", CIDADES.replace("50", "60"))
    before = tree(project.folder)

    def interrupted(_: object, __: object, statement: str, *___: object) -> None:
        if "CREATE TABLE cidades" in statement:
            raise KeyboardInterrupt

    sa.event.listen(sa.Engine, "before_cursor_execute", interrupted)
    try:
        told = given("rebuild", "--json")
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", interrupted)
    assert told.code == told.error["code"] == 130
    assert told.err == "Stopped.\n"
    assert tree(project.folder) == before


# ------------------------------------------------ where the plan is


def test_the_plan_is_config_yaml_where_we_are(inv: Inv, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.folder)
    assert inv("rebuild").code == 0
    assert (project.folder / "dev.db").exists()


def test_the_plan_may_be_named_from_another_folder(
    inv: Inv, project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "longe").mkdir()
    monkeypatch.chdir(tmp_path / "longe")
    assert inv("rebuild", "--config", "../projeto/config.yaml").code == 0
    assert list((tmp_path / "longe").iterdir()) == []
    assert len(project.files()) == 3
    assert (project.folder / "dev.db").exists()
    assert inv("check", "--config", "../projeto/config.yaml").code == 0


def test_the_plan_may_be_named_by_a_variable(
    inv: Inv, project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONFIG", "projeto/config.yaml")
    assert inv("rebuild").code == 0
    assert len(project.files()) == 3


def test_a_plan_that_is_not_there_is_wrong_use(inv: Inv, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    told = inv("rebuild", "--json")
    assert told.code == 2
    assert "config.yaml" in f"{told.error['where']} {told.error['message']}"


@pytest.mark.parametrize("wait", ["nan", "inf", "-inf", "-1", "1e300", "abc", ""])
@pytest.mark.parametrize("name", ["adopt", "down", "onboard", "rebuild", "reset", "up"])
def test_a_wait_that_is_no_time_is_wrong_use(given: Inv, project: Project, name: str, wait: str) -> None:
    before = tree(project.folder)
    told = given(name, "--wait", wait, "--json")
    assert told.code == 2
    assert "--wait" in told.error["message"]
    assert tree(project.folder) == before


def test_two_projects_whose_packages_have_one_name_in_one_process(inv: Inv, project: Project, tmp_path: Path) -> None:
    other = write(
        tmp_path / "outro",
        {"pessoas": PESSOAS.replace("pessoas", "gente"), "cidades": CIDADES.replace("cidades", "lugares")},
        [{"name": "gente", "enable": ["pessoas"]}, {"name": "lugares", "enable": ["cidades"]}],
    )
    modules = set(sys.modules)
    for _ in range(2):
        for each, names in ((project, ["cidades", "pessoas"]), (other, ["gente", "lugares"])):
            assert inv("rebuild", "--config", str(each.config)).code == 0
            assert inv("check", "--config", str(each.config)).code == 0
            assert inv("status", "--config", str(each.config)).code == 0
            assert tables(each.url) == names
    assert not [name for name in set(sys.modules) - modules if name.split(".")[0] == "modelos"]


# ------------------------------------------------ the rim


COMMANDS = (
    "adopt", "check", "commands", "down", "identify", "lint", "new-stage", "onboard", "rebuild", "reset", "sql",
    "stages", "status", "test", "up", "verify",
)  # fmt: skip


def test_the_list_shows_every_command_with_a_sentence(inv: Inv) -> None:
    told = inv("--list").out
    found = re.findall(r"^  (\S+)   +(\S.*(?:\n {12,}\S.*)*)", told, re.MULTILINE)
    assert set(COMMANDS) <= {name for name, _ in found}
    for name, sentence in found:
        assert re.fullmatch(r"[A-Z].+\.", " ".join(sentence.split())), name


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_explains_every_flag(inv: Inv, name: str) -> None:
    told = inv("--help", name).out
    flags = re.findall(r"^  (-\S.*?)(?:   +(\S.*))?$", told, re.MULTILINE)
    assert all(text for _, text in flags), told


def test_inv_alone_lists_the_commands() -> None:
    done = process(ROOT)
    assert done.returncode == 0
    assert all(re.search(rf"^  {name} ", done.stdout, re.MULTILINE) for name in COMMANDS)


def process(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `inv WORDS…` as a process of its own, with the tasks of this repository."""
    clean = {name: value for name, value in os.environ.items() if name not in {"CONFIG", "SQLSTRATA_CONFIG"}}
    return subprocess.run(
        [sys.executable, "-m", "invoke", "--search-root", str(ROOT), *words],
        cwd=folder, env=clean, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_a_process_ends_with_the_code_of_the_contract(project: Project) -> None:
    asked = (["rebuild", "--no-apply"], ["status"], ["up"], ["check"], ["status"])
    assert [process(project.folder, *words).returncode for words in asked] == [0, 4, 0, 0, 0]
    edited(project)
    assert process(project.folder, "check").returncode == 3
    assert process(project.folder, "up", "--to", "nada").returncode == 2


def test_an_error_of_the_program_itself_is_code_1_with_its_traceback(project: Project) -> None:
    (project.folder / "modelos" / "base.py").unlink()
    (project.folder / "modelos" / "base.py").mkdir()
    done = process(project.folder, "rebuild")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


# ------------------------------------------------ ten stages with every hint


@pytest.fixture
def server_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A server, and the URL of a database on it that is not there yet; dropped at the end."""
    server = answering(request.param)
    name = f"strata_loja_{secrets.token_hex(6)}"
    if request.param == "sqlite":
        yield server, f"sqlite:///{tmp_path / name}.db"
        return
    url = sa.make_url(server).set(database=name).render_as_string(hide_password=False)
    yield server, url
    if creation.exists(url):
        removal.drop(url, anything)


STATES = {
    "postgresql": "The database is at stage email.",
    "mariadb": "The database is at stage email, and the next stage was interrupted.",
}


@pytest.mark.parametrize("server_url", list(STATES), indirect=True)
def test_data_that_fails_on_a_server_says_where_its_database_stands(
    given: Inv, project: Project, server_url: tuple[str, str], request: pytest.FixtureRequest
) -> None:
    _, url = server_url
    project.module("lugares", CIDADES.replace("cidades", "lugares").replace("Cidade", "Lugar"))
    failing = {"name": "lugares", "enable": ["lugares"], "data": ["DELETE FROM cidades", "UPDATE nada SET x = 1"]}
    project.configure(database={"url": url}, stages=[*STAGES, failing])
    told = given("rebuild", "--no-proof", "--json")
    assert told.code == 9
    state = STATES[request.node.callspec.params["server_url"]]
    assert told.error["message"].endswith(f"{state} The new history is written.")
    assert rows(url, "SELECT nome FROM cidades") == [("Recife",)]
    assert given("status", "--json").json["stage"] == "email"
    assert ("lugares" in tables(url)) == url.startswith("mariadb")
    assert given("down", "--to", "pessoas").code == 0
    assert "lugares" not in tables(url)
    assert given("status", "--json").json["stage"] == "pessoas"


@pytest.mark.parametrize("server_url", ["sqlite", "postgresql", "mariadb"], indirect=True)
def test_the_sql_of_stages_with_every_hint_does_what_up_does(
    inv: Inv, server_url: tuple[str, str], tmp_path: Path
) -> None:
    _, url = server_url
    loja = shop(tmp_path / "loja", url=url)
    words = ("--config", str(loja.config))
    assert inv("rebuild", "--no-apply", "--no-proof", *words).code == 0
    script = inv("sql", "--to", "servidores", *words).out
    creation.create(url)
    run_script(url, script)
    assert min(rows(url, "SELECT texto FROM avisos")) == (NOTE,)
    at = inv("status", "--json", *words).json
    assert (at["stage"], at["schema_matches"], at["pending"][0]) == ("servidores", True, "sem_fone")
    run_script(url, inv("sql", "--from-stage", "servidores", "--to", "base", *words).out)
    assert tables(url) == []


def run_script(url: str, script: str) -> None:
    """Run a script as the server's own client would."""
    made = database.engine(url)
    if made.dialect.name == "sqlite":
        connection = sqlite3.connect(str(made.url.database), isolation_level=None)
        connection.executescript(script)
        connection.close()
        return
    if made.dialect.name in {"mysql", "mariadb"}:
        made = sa.create_engine(made.url, poolclass=sa.NullPool, connect_args={"client_flag": CLIENT.MULTI_STATEMENTS})
    with database.connect(made) as connection:
        cursor = connection.connection.cursor()
        cursor.execute(script)
        while cursor.nextset():
            pass
        connection.connection.commit()


@pytest.mark.parametrize("server_url", ["sqlite", "postgresql", "mariadb"], indirect=True)
def test_stock_alembic_works_in_a_folder_that_rebuild_made(
    inv: Inv, server_url: tuple[str, str], tmp_path: Path
) -> None:
    _, url = server_url
    loja = shop(tmp_path / "loja")
    assert inv("rebuild", "--no-apply", "--no-proof", "--config", str(loja.config)).code == 0
    creation.create(url)

    def alembic(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "alembic", *words],
            cwd=loja.folder, env={**os.environ, "DATABASE_URL": url}, capture_output=True, text=True, check=False,
        )  # fmt: skip

    (loja.folder / "loja" / "__init__.py").write_text(
        "from . import avisos\nfrom .cadastro import clientes, sem_fone\nfrom .clientes import Cliente\n"
    )
    for words in (["upgrade", "head"], ["check"], ["downgrade", "-1"]):
        done = alembic(*words)
        assert done.returncode == 0, done.stderr
    stopped = alembic("downgrade", "base")
    assert stopped.returncode != 0
    assert "Stage inteiro cannot be undone (downgrade: false). Nothing was changed." in stopped.stdout + stopped.stderr
    assert inv("status", "--url", url, "--json", "--config", str(loja.config)).json["stage"] == "inteiro"


@pytest.mark.parametrize("server_url", ["sqlite", "postgresql", "mariadb"], indirect=True)
def test_ten_stages_with_every_hint_go_up_and_down_and_up(
    inv: Inv, server_url: tuple[str, str], tmp_path: Path
) -> None:
    server, url = server_url
    loja = shop(tmp_path / "loja", url=url, prove_on=[server])
    kind = sa.make_url(server).get_backend_name().replace("mariadb", "mysql")
    names = [stage["name"] for stage in SHOP_STAGES]

    def given(*words: str) -> Told:
        return inv(*words, "--config", str(loja.config))

    told = given("rebuild", "--json")
    assert told.code == 0, told.err
    assert told.json["applied"] == names
    assert given("check").code == 0
    assert given("status").code == 0
    assert rows(url, "SELECT nome_completo, idade, apelido, pais FROM clientes ORDER BY id") == [
        ("Alice", 30, "alice%:", "BR"),
        ("Bob", None, "bob%:", "BR"),
        ("Célia", 41, "célia%:", "BR"),
        ("Davi", 7, "davi", "PT"),
    ]
    assert rows(url, "SELECT cliente_id, valor FROM encomendas ORDER BY id") == [
        (1, 10),
        (3, 21),
    ]
    assert rows(url, "SELECT cliente_id, nome FROM etiquetas ORDER BY 1") == [(1, "vip"), (4, "vip")]

    assert given("down", "--json").json == {"undone": ["etiquetas"]}
    refused = given("down", "--json")
    assert refused.code == 6
    assert "Stage inteiro cannot be undone" in refused.error["message"]
    assert given("up", "--json").json == {"applied": ["etiquetas"]}

    removal.drop(url, anything)
    loja.configure(stages=[dict(stage) for stage in SHOP_STAGES[:8]])
    assert given("rebuild", "--no-proof").code == 0
    assert given("down", "--to", "servidores").code == 0
    assert rows(url, "SELECT texto FROM avisos ORDER BY texto") == []
    assert rows(url, "SELECT nome_completo, fone FROM clientes ORDER BY id") == [
        (name, "?") for name in ("Alice", "Bob", "Célia", "Davi")
    ]
    assert given("down", "--to", "nomes").code == 0
    assert given("up", "--to", "servidores").code == 0
    assert rows(url, "SELECT texto FROM avisos ORDER BY texto") == [(NOTE,), (f"on {kind}",), ("second",)]
    assert given("down", "--to", "clientes").code == 0
    assert rows(url, "SELECT nome, idade FROM clientes ORDER BY id") == [
        ("Alice", "30"), ("Bob", None), ("Célia", "41"), ("Davi", "7"),
    ]  # fmt: skip
    assert given("down", "--to", "base", "--json").json == {"undone": ["clientes"]}
    assert tables(url) == []
    assert given("up", "--json").json == {"applied": names[:8]}
    assert given("status").code == 0
