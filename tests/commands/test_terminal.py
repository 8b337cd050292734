"""What a terminal gets: lines within its width, colours, progress; and what an output gets that is none, or not UTF-8."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass

import pytest

from sqlstrata import terminal
from tests.commands.running import CIDADES, MODULES, ROOT, STAGES, Inv
from tests.projects import Project

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class Seen:
    """What a terminal has been sent, and the exit code."""

    code: int
    sent: str

    @property
    def lines(self) -> list[str]:
        return _CONTROLS.sub("", self.sent).splitlines()


def at_terminal(project: Project, *words: str, columns: int = 80, **environ: str) -> Seen:
    """Run `sqlstrata WORDS…` with its output and its errors at one terminal; nobody is there to be asked."""
    command = [sys.executable, "-m", "sqlstrata", *words]
    there, side = pty.openpty()
    known = {
        name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "CONFIG", "SQLSTRATA_CONFIG"}
    }
    known |= {"PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": str(columns), **environ}
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=side, stderr=side, env=known, cwd=project.folder
    ) as run:
        os.close(side)
        sent = b""
        with suppress(OSError):  # Linux says so when the last writer has gone
            while found := os.read(there, 65536):
                sent += found
    os.close(there)
    return Seen(run.returncode, sent.decode(errors="replace").replace("\r\n", "\n"))


def many(project: Project, name: str) -> None:
    """Eighty stages, each with a table of three columns or with two more columns."""
    for number in range(80):
        if number % 2:
            before = f"from modelos.{name}_{number - 1} import T{number - 1} as T\n"
            text = f"{before}T.a = mapped_column(sa.String(9))\nT.b = mapped_column(sa.String(9), index=True)\n"
        else:
            text = f"""
                class T{number}(Base):
                    __tablename__ = "{name}_{number}"
                    id: Mapped[int] = mapped_column(primary_key=True)
                    nome: Mapped[str] = mapped_column(sa.String(50))
            """
        project.module(f"{name}_{number}", text)
    project.configure(stages=[{"name": f"{name}_{n}", "enable": [f"{name}_{n}"]} for n in range(80)])


@pytest.mark.parametrize("name", ["e", "stage_number", "adiciona_coluna_email_em_usuarios"])
def test_eighty_stages_are_at_most_170_lines_on_80_columns(project: Project, name: str) -> None:
    many(project, name)
    seen = at_terminal(project, "stages")
    assert seen.code == 0
    assert len(seen.lines) <= 170
    assert max(map(len, seen.lines)) <= 80
    for number in range(80):
        assert re.search(rf"^(→  )?\s*{name}_{number}  ", "\n".join(seen.lines), re.MULTILINE)


@pytest.mark.parametrize("columns", [120, 80, 60, 40, 20])
def test_no_name_is_cut_and_no_word_broken_at_any_width(project: Project, columns: int) -> None:
    names = ["pessoas_e_cidades", "cidades"]
    project.configure(stages=[{"name": names[0], "enable": ["pessoas"]}, {"name": names[1], "enable": ["cidades"]}])
    words = {word for line in at_terminal(project, "stages", columns=1000).lines for word in line.split()}
    seen = at_terminal(project, "stages", columns=columns)
    found = {word for line in seen.lines for word in line.split()}
    rule = {word for word in found | words if set(word) == {"─"}}
    assert found - rule == words - rule
    assert max(map(len, seen.lines)) <= columns


def test_an_error_is_red_and_broken_between_words(project: Project) -> None:
    project.configure(stages=[{**STAGES[0], "enable": ["pessoaz"]}])
    seen = at_terminal(project, "stages", columns=40)
    assert seen.code == 2
    assert seen.sent.startswith("\x1b[1;31merror:\x1b[0m ")
    text = " ".join(_COLOURS.sub("", seen.sent).split())
    assert re.fullmatch(
        r"error: config\.yaml:\d+:\d+: There is no module `pessoaz` in the package `modelos`\. The nearest module is "
        r"`pessoas`, in modelos/pessoas\.py\.", text,
    )  # fmt: skip
    assert all(len(line) <= 40 or " " not in line for line in seen.lines)


def test_lines_to_paste_are_not_broken(project: Project) -> None:
    project.module("menos", "from modelos.pessoas import Pessoa\n")
    project.configure(stages=[STAGES[0], {"name": "menos", "disable": ["pessoas"], "enable": ["cidades"]}])
    seen = at_terminal(project, "check", columns=30)
    assert seen.code == 6
    assert "    # if it is a rename, this line in place of the others: rename: {pessoas: cidades}" in seen.lines


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colours_can_be_turned_off(project: Project, environ: dict[str, str]) -> None:
    seen = at_terminal(project, "rebuild", **environ)
    assert seen.code == 0
    assert not _COLOURS.search(seen.sent.replace("\x1b[0m", ""))
    seen = at_terminal(project, "up", "--to", "nada", **environ)
    assert seen.sent.startswith("error: There is no stage `nada`.")


def test_progress_has_the_number_of_the_stage_and_the_total(project: Project) -> None:
    seen = at_terminal(project, "rebuild")
    assert seen.code == 0
    assert re.search(r"proving on SQLite in memory: \w+ .* \d/3", _CONTROLS.sub("", seen.sent))
    assert "making:" not in seen.lines[-1]


def test_progress_is_not_on_standard_output(project: Project) -> None:
    ran = _piped(project, "rebuild")
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert ran.stdout.startswith(b"stage ")


def test_long_work_without_a_terminal_reports_now_and_then(
    given: Inv, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "_PAUSE", 0.0)
    ran = given("rebuild")
    assert ran.code == 0
    doings = ("making", *["proving on SQLite in memory"] * 2, "up")  # on generated rows, and on the stages' own
    names = ("pessoas (1 of 3)", "cidades (2 of 3)", "email (3 of 3)")
    assert ran.err.splitlines() == [f"{doing}: {name}" for doing in doings for name in names]


# ------------------------------------------------------------------------------------- output that is not UTF-8


def _piped(project: Project, *words: str, **environ: str) -> subprocess.CompletedProcess[bytes]:
    known = {name: value for name, value in os.environ.items() if name not in {"CONFIG", "SQLSTRATA_CONFIG"}}
    return subprocess.run(
        [sys.executable, "-m", "sqlstrata", *words],
        cwd=project.folder, env={**known, "PYTHONPATH": str(ROOT), **environ}, capture_output=True, check=False,
    )  # fmt: skip


COMMANDS = {
    "ascii": (["rebuild"], ["stages", "--json"], ["sql"], ["up", "--to", "ação", "--json"]),
    "latin-1": (["stages"],),
    "cp1252": (["stages", "--json"],),
}


@pytest.mark.parametrize("encoding", COMMANDS)
def test_an_output_that_is_not_utf_8_never_ends_in_a_traceback(project: Project, encoding: str) -> None:
    project.module("acao", CIDADES.replace('"cidades"', '"ações_→_☃"').replace("Cidade", "Acao"))
    project.configure(stages=[*STAGES, {"name": "acao", "message": "Ação → ☃", "enable": ["acao"]}])
    for words in COMMANDS[encoding]:
        ran = _piped(project, *words, PYTHONIOENCODING=encoding)
        assert ran.returncode in {0, 2}, (words, ran)
        assert b"Traceback" not in ran.stderr + ran.stdout, words
        if "--json" in words:
            json.loads(ran.stdout.decode(encoding))


def test_a_terminal_that_is_not_utf_8_gets_a_table_and_a_bar(project: Project) -> None:
    for words in (["rebuild"], ["stages"]):
        seen = at_terminal(project, *words, PYTHONIOENCODING="ascii")
        assert seen.code == 0
        assert "Traceback" not in seen.sent
        assert re.search(r"^-+$", "\n".join(seen.lines), re.MULTILINE)


# ------------------------------------------------------------------------------------------- what `rebuild` says


def test_rebuild_shows_what_changed_and_folds_the_rest(given: Inv, project: Project) -> None:
    given("rebuild")
    before = project.files()["0003_email.py"].decode().split('revision = "')[1][:12]
    project.module("email", MODULES["email"].replace("100", "120"))
    ran = given("rebuild", "--dry-run")
    assert ran.code == 0
    diff, _, rest = ran.out.partition("2 stages are unchanged (")
    assert diff.startswith("--- on disk/0003_email.py\n+++ from the stages/0003_email.py\n")
    assert '-    op.add_column("pessoas", sa.Column("email", sa.String(length=100), nullable=True))\n' in diff
    lines = rest.splitlines()
    assert re.fullmatch(r"\d\.\d s\)\.", lines[0])
    assert re.fullmatch(r"stage +revision +changes +time", lines[1])
    found = re.fullmatch(r"email  ([0-9a-f]{12})  pessoas: \+ email  \d+ ms", lines[2])
    assert found
    assert lines[3:] == [
        f"replaces 0003_email.py: {before} becomes {found[1]}",
        f"The development database is at {before} (email).",
        "Proved on: SQLite in memory",
        f"Not written: this is what {project.versions} would hold.",
    ]
    ran = given("rebuild", "--dry-run", "--json")
    assert ran.json["replaces"] == [{"file": "0003_email.py", "before": before, "after": found[1]}]
    assert ran.json["development"] == f"The development database is at {before} (email)."
    assert ran.json["diff"] + "\n" == diff


def test_rebuild_where_nothing_changed_is_four_lines(given: Inv, project: Project) -> None:
    given("rebuild")
    out = given("rebuild").out
    assert re.fullmatch(
        r"3 stages are unchanged \(\d\.\d s\)\.\nProved on: SQLite in memory\nNothing changed in \S+\.\n", out
    )


def test_a_rebuild_whose_database_cannot_follow_says_what_it_wrote(given: Inv, project: Project) -> None:
    given("rebuild")
    project.module("email", MODULES["email"].replace("100", "120"))
    ran = given("rebuild", "--json")
    if ran.code:
        assert ran.json["written"] is True
        assert ran.json["replaces"][0]["file"] == "0003_email.py"
        assert ran.error["message"].endswith("The new history is written.")


@pytest.mark.parametrize("words", [["up"], ["status"], ["down", "--to", "base"]], ids=" ".join)
def test_long_lists_of_stages_are_folded(given: Inv, project: Project, words: list[str]) -> None:
    stages = [{"name": f"s{number}", "data": "SELECT 1"} for number in range(30)]
    project.configure(stages=[STAGES[0], *stages])
    given("rebuild", "--no-apply", "--no-proof")
    if words[0] == "down":
        given("up")
    lines = given(*words).out.splitlines()
    names = ["pessoas", *(f"s{number}" for number in range(30))]
    names = names[::-1] if words[0] == "down" else names
    title = {"up": "Applied", "status": "Pending", "down": "Undone"}[words[0]]
    stop = "" if words[0] == "status" else "."
    assert f"{title}: {', '.join(names[:6])}, … {names[-1]} (31 in all){stop}" in lines
