"""On a terminal the program asks what the stages would have to allow, and writes the answers into config.yaml."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from sqlstrata import commands
from sqlstrata.commands.yaml_edit import with_value
from tests.commands.running import ROOT, STAGES, Inv, rows
from tests.commands.test_terminal import Seen
from tests.projects import Project, write

BEFORE = """
class Pessoa(Base):
    __tablename__ = "pessoas"
    id: Mapped[int] = mapped_column(primary_key=True)
    nome: Mapped[str] = mapped_column(sa.String(50))
    idade: Mapped[str | None] = mapped_column(sa.String(9))
"""
RENAMED = BEFORE.replace("nome:", "nome_completo:")
MORE = RENAMED.replace("idade: Mapped[str | None] = mapped_column(sa.String(9))",
                       "email: Mapped[str] = mapped_column(sa.String(50))")  # fmt: skip
HEAD = """\
database: {url: "sqlite:///dev.db"}   # here
models: {package: modelos, base: "base:Base"}
stages:
  # the first
  - name: um      # one
    enable: [antes]
    rows: {pessoas: [{nome: Alice}]}

"""
BLOCK = """\
  - name: dois
    disable: [antes]
    enable: [depois]   # two

# the end
"""


def answered(project: Project, *answers: str, words: tuple[str, ...] = ("rebuild",)) -> Seen:
    """Run a command at a terminal, and give one answer to each question; one that is empty is Enter."""
    there, side = pty.openpty()
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "dumb", "COLUMNS": "200"}
    command = [sys.executable, "-m", "sqlstrata", *words]
    left = list(answers)
    with subprocess.Popen(command, stdin=side, stdout=side, stderr=side, env=environ, cwd=project.folder) as run:
        os.close(side)
        sent, asked = "", 0
        with suppress(OSError):  # Linux says so when the last writer has gone
            while found := os.read(there, 65536):
                sent += found.decode()
                if len(re.findall(r"\[y/N\] |\]: ", sent)) > asked:
                    asked += 1
                    time.sleep(0.05)
                    os.write(there, (left.pop(0) + "\n").encode() if left else b"\x04")
        run.wait(60)
    os.close(there)
    assert left == [], sent
    return Seen(run.returncode, sent.replace("\r\n", "\n"))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = write(tmp_path / "p", {"antes": BEFORE, "depois": RENAMED}, STAGES[:1])
    made.config.write_text(HEAD + BLOCK)
    return made


def test_the_rename_is_asked_first_and_written_with_comments_and_layout_kept(project: Project) -> None:
    seen = answered(project, "y")
    assert seen.code == 0
    assert "Stage dois: was pessoas.nome renamed to nome_completo? [y/N] y\n" in seen.sent
    line = "    rename: {pessoas.nome: nome_completo}\n"
    assert project.config.read_text() == HEAD + BLOCK.replace("# two\n", f"# two\n{line}")
    assert rows(project.url, "SELECT nome_completo FROM pessoas") == [("Alice",)]


def test_what_is_no_rename_is_asked_as_a_drop_and_a_fill(project: Project) -> None:
    project.module("depois", MORE.replace("nome_completo", "nome"))
    seen = answered(project, "y", "lower(nome) || '@x.br'")
    assert seen.code == 0, seen.sent
    text = project.config.read_text()
    assert text.startswith(HEAD)
    assert "    drop: [pessoas.idade]\n" in text
    assert "    fill: {pessoas.email: lower(nome) || '@x.br'}\n" in text
    assert rows(project.url, "SELECT nome, email FROM pessoas") == [("Alice", "alice@x.br")]


def test_enter_takes_the_sql_that_is_suggested(project: Project) -> None:
    project.module("depois", MORE.replace("nome_completo", "nome"))
    seen = answered(project, "y", "")
    assert seen.code == 0, seen.sent
    assert "    fill: {pessoas.email: ''''''}\n" in project.config.read_text()


@pytest.mark.parametrize("answers", [("n", "n"), ("n", ""), ("n",), ()], ids=["no", "Enter", "the end", "at once"])
def test_a_no_is_a_refusal_and_writes_nothing(project: Project, answers: tuple[str, ...]) -> None:
    before = project.config.read_bytes()
    seen = answered(project, *answers)
    assert seen.code == 6
    assert "must be allowed in config.yaml" in seen.sent
    assert project.config.read_bytes() == before


def test_no_question_is_asked_twice(project: Project) -> None:
    """After the rename of one column, that of another one is not asked again."""
    project.module("depois", RENAMED.replace("idade: Mapped[str | None]", "anos: Mapped[str | None]"))
    seen = answered(project, "y", "n", "y")
    assert seen.code == 0, seen.sent
    assert seen.sent.count("renamed to") == 2
    stage = yaml.safe_load(project.config.read_text())["stages"][1]
    assert stage["rename"] == {"pessoas.nome": "nome_completo"}
    assert stage["drop"] == ["pessoas.idade"]


@pytest.mark.parametrize(("answers", "words", "code"), [(["n"], (), 2), (["y"], (), 0), ([], ("--yes",), 0)])
def test_down_to_base_asks_before_it_drops_rows(
    project: Project, answers: list[str], words: tuple[str, ...], code: int
) -> None:
    project.config.write_text(HEAD)
    commands.rebuild(project.plan())
    seen = answered(project, *answers, words=("down", "--to", "base", *words))
    assert seen.code == code, seen.sent
    assert ("base empties SQLite file " in seen.sent) == bool(answers)
    assert ("1 table with 1 row (pessoas: 1). Go on? [y/N]" in seen.sent) == bool(answers)
    there = rows(project.url, "SELECT name FROM sqlite_master WHERE name = 'pessoas'")
    assert bool(there) == (code == 2)


def test_down_to_base_asks_nothing_without_rows_or_a_terminal(inv: Inv, project: Project) -> None:
    project.config.write_text(HEAD)
    commands.rebuild(project.plan())
    assert inv("down", "--to", "base", "--config", str(project.config)).code == 0
    commands.up(project.plan())
    assert answered(project, words=("down", "--to", "base")).code == 0


def test_without_a_terminal_or_with_json_nothing_is_asked(inv: Inv, project: Project) -> None:
    ran = inv("rebuild", "--config", str(project.config))
    assert (ran.code, "[y/N]" in ran.out + ran.err) == (6, False)
    seen = answered(project, words=("rebuild", "--json"))
    assert seen.code == 6
    assert "[y/N]" not in seen.sent


def test_stages_that_share_their_text_are_not_written(project: Project) -> None:
    shared = "x-more: &more {name: dois, disable: [antes], enable: [depois], rename: {}}\n"
    project.config.write_text(shared + HEAD + "  - {<<: *more}\n")
    before = project.config.read_bytes()
    seen = answered(project, "y")
    assert seen.code == 2
    assert (
        "error: Cannot write into config.yaml: its stages share text. Write them by hand: `rename: {pessoas.nome: "
        "nome_completo}` in dois. Nothing was changed."
    ) in " ".join(seen.sent.split())
    assert project.config.read_bytes() == before


# ---------------------------------------------------------------------------------- the text of config.yaml

EDITS = (
    ("a: {b: [x]}\n", ("a", "b"), ["y"], "a: {b: [x, y]}\n"),
    ("a: {b: []}\n", ("a", "b"), ["y"], "a: {b: [y]}\n"),
    ("a: {}\n", ("a", "b"), {"c": "d"}, "a: {b: {c: d}}\n"),
    ("a:\n  b: # no\n  c: 1\n", ("a", "b"), {"c": "d"}, "a:\n  b: {c: d} # no\n  c: 1\n"),
    ("a:\n  b:\n  - x # 1\n  # 2\nc: 1\n", ("a", "b"), ["y"], "a:\n  b:\n  - x # 1\n  - y\n  # 2\nc: 1\n"),
    ("a:\n  b:\n    c: |\n      text\n    d: 1\n", ("a", "b"), {"c": "e"}, "a:\n  b:\n    c: e\n    d: 1\n"),
    ("a:\n  b: {c: d}", ("a", "b"), {"e": "f"}, "a:\n  b: {c: d, e: f}"),
    ("a:\n  b:\n    c: d", ("a", "b"), {"e": "f: g"}, "a:\n  b:\n    c: d\n    e: 'f: g'\n"),
    ("a:\n  b: 1\n\n  # c\nd: 1\n", ("a", "x"), {"y": "z"}, "a:\n  b: 1\n  x: {y: z}\n\n  # c\nd: 1\n"),
    ("a:\r\n  b: 1\r\n", ("a", "x"), ["y"], "a:\r\n  b: 1\r\n  x: [y]\r\n"),
    ("a: {b: {c: up}}\n", ("a", "b"), {"c": {"up": "1", "down": "2"}}, "a: {b: {c: {up: '1', down: '2'}}}\n"),
)


@pytest.mark.parametrize(("text", "path", "value", "expected"), EDITS)
def test_a_value_is_added_and_nothing_else_changes(
    text: str, path: tuple[str, ...], value: dict[str, str], expected: str
) -> None:
    assert with_value(text, path, value) == expected
    assert yaml.safe_load(expected)
