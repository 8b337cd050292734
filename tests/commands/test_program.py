"""The program around the commands: words, the plan's place, output, exit codes."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from tests.commands.running import (
    CIDADES,
    MODULES,
    PESSOAS,
    ROOT,
    STAGES,
    Inv,
    edited,
    process,
    tables,
    tree,
)
from tests.projects import Project, write


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
    ran = inv("rebuild", "--json")
    assert ran.code == 2
    assert "config.yaml" in f"{ran.error['where']} {ran.error['message']}"


@pytest.mark.parametrize("wait", ["nan", "inf", "-inf", "-1", "1e300", "abc", ""])
@pytest.mark.parametrize("name", ["adopt", "down", "onboard", "rebuild", "reset", "up"])
def test_a_wait_that_is_no_time_is_wrong_use(given: Inv, project: Project, name: str, wait: str) -> None:
    before = tree(project.folder)
    ran = given(name, "--wait", wait, "--json")
    assert ran.code == 2
    assert "--wait" in ran.error["message"]
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


COMMANDS = (
    "adopt", "check", "commands", "down", "identify", "lint", "new-stage", "onboard", "rebuild", "reset", "sql",
    "stages", "status", "test", "up", "verify",
)  # fmt: skip


def test_the_list_shows_every_command_with_a_sentence(inv: Inv) -> None:
    ran = inv("--list").out
    found = re.findall(r"^  (\S+)   +(\S.*(?:\n {12,}\S.*)*)", ran, re.MULTILINE)
    assert set(COMMANDS) <= {name for name, _ in found}
    for name, sentence in found:
        assert re.fullmatch(r"[A-Z].+\.", " ".join(sentence.split())), name


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_explains_every_flag(inv: Inv, name: str) -> None:
    ran = inv("--help", name).out
    flags = re.findall(r"^  (-\S.*?)(?:   +(\S.*))?$", ran, re.MULTILINE)
    assert all(text for _, text in flags), ran


def test_inv_alone_lists_the_commands() -> None:
    done = process(ROOT)
    assert done.returncode == 0
    assert all(re.search(rf"^  {name} ", done.stdout, re.MULTILINE) for name in COMMANDS)


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


# ------------------------------------------------ words that are wrong, and Invoke's own options

WRONG_WORDS = (
    (["nada"], "No idea what 'nada' is.", "`inv --list` shows the commands."),
    (["up", "nada"], "No idea what 'nada' is.", "`inv --help up` lists its options."),
    (["up", "--nada"], "No idea what '--nada' is.", "`inv --help up` lists its options."),
    (["new-stage"], "'new-stage' did not receive required positional arguments: 'name'.",
     "`inv --help new-stage` lists its options."),
    (["reset", "--yes", "--dry"], "`reset` has no option `--dry`.", "`inv --help reset` lists its options."),
    (["reset", "--yes", "-R"], "`reset` has no option `--dry`.", "`inv --help reset` lists its options."),
    (["--dry", "reset", "--yes"], "`reset` has no option `--dry`.", "`inv --help reset` lists its options."),
    (["rebuild", "reset", "--yes", "--dry"], "`reset` has no option `--dry`.", "`inv --help reset` lists its options."),
    (["down", "--dry"], "`down` has no option `--dry`.", "`inv --help down` lists its options."),
    (["reset", "--yes", "--echo"], "`reset` has no option `--echo`.", "`inv --help reset` lists its options."),
    (["rebuild", "--version"], "`rebuild` has no option `--version`.", "`inv --help rebuild` lists its options."),
)  # fmt: skip


@pytest.mark.parametrize(("words", "message", "hint"), WRONG_WORDS, ids=[" ".join(each[0]) for each in WRONG_WORDS])
def test_words_that_are_wrong_end_with_2_before_anything_is_done(
    inv: Inv, project: Project, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str, hint: str
) -> None:
    inv("rebuild", "--config", str(project.config))
    monkeypatch.chdir(project.folder)
    before = tree(project.folder)
    ran = inv(*words)
    assert (ran.code, ran.out, ran.err) == (2, "", f"{message} {hint} Nothing was done.\n")
    ran = inv(*words, "--json")
    assert ran.json == {"error": {"code": 2, "message": message, "where": None, "hint": f"{hint} Nothing was done."}}
    assert tree(project.folder) == before


def test_a_value_that_is_missing_is_wrong_use(inv: Inv) -> None:
    ran = inv("stages", "--json", "--config")
    assert ran.code == 2
    assert ran.error["hint"] == "`inv --help stages` lists its options. Nothing was done."


@pytest.mark.parametrize("words", [["rebuild", "--dry"], ["--dry", "rebuild"], ["rebuild", "-R"]], ids=" ".join)
def test_dry_is_the_dry_run_of_a_command_that_has_one(given: Inv, project: Project, words: list[str]) -> None:
    before = tree(project.folder)
    assert "Not written: this is what" in given(*words).out
    assert tree(project.folder) == before


@pytest.mark.parametrize("flag", ["--config", "-f"])
def test_a_config_before_the_command_is_the_command_s_own(
    inv: Inv, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flag: str
) -> None:
    other = write(tmp_path / "outro", MODULES, STAGES[:1])
    for each in (project, other):
        inv("rebuild", "--config", str(each.config))
    monkeypatch.chdir(project.folder)
    assert [each["name"] for each in inv(flag, str(other.config), "stages", "--json").json["stages"]] == ["pessoas"]
    assert len(inv(flag, str(other.config), "stages", "--json", "--config", "config.yaml").json["stages"]) == 3
    before = tree(project.folder)
    assert inv(flag, "nada.yaml", "reset", "--yes").err.startswith("nada.yaml: There is no such configuration file.")
    assert tree(project.folder) == before


@pytest.mark.parametrize("words", [["new-stage", "--help"], ["new-stage", "nova", "--help"]], ids=" ".join)
def test_help_after_a_command_is_help(inv: Inv, words: list[str]) -> None:
    ran = inv(*words)
    assert ran.code == 0
    assert "--extends" in ran.out


def test_help_for_no_command_is_wrong_use(inv: Inv) -> None:
    ran = inv("--help", "nada")
    assert (ran.code, ran.err) == (2, "No idea what 'nada' is. `inv --list` shows the commands. Nothing was done.\n")


PROGRAMS = {"inv": ["-m", "invoke", "--search-root", str(ROOT)], "sqlstrata": ["-m", "sqlstrata"]}


@pytest.mark.parametrize("program", PROGRAMS)
def test_both_programs_are_strict(project: Project, program: str) -> None:
    """Invoke's own program gets its strictness from `sqlstrata.tasks`."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *PROGRAMS[program], *words]
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            command, cwd=project.folder, env=environ, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )  # fmt: skip

    assert run("onboard").returncode == 0
    before = tree(project.folder)
    for words in (["reset", "--yes", "--dry"], ["--config", "nada.yaml", "reset", "--yes"], ["up", "--nada"], ["nada"]):
        ran = run(*words)
        assert (ran.returncode, ran.stdout) == (2, ""), words
        ran = run(*words, "--json")
        assert json.loads(ran.stdout)["error"]["code"] == ran.returncode == 2, words
        assert "`sqlstrata " in ran.stderr or program == "inv" or words[0] == "--config"
    assert "Not written: this is what" in run("rebuild", "--dry").stdout
    assert tree(project.folder) == before


# ------------------------------------------------ an output that is not UTF-8


def test_an_output_that_is_not_utf_8_gets_escapes_valid_json_and_no_wrong_sql(project: Project) -> None:
    data = {"upgrade": "UPDATE pessoas SET nome = 'Célia'", "downgrade": "SELECT 1"}
    project.configure(stages=[STAGES[0], {"name": "dados", "message": "Nação", "data": data}])

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "sqlstrata", *words]
        environ = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"}
        return subprocess.run(command, cwd=project.folder, env=environ, capture_output=True, text=True, check=False)

    assert run("onboard").returncode == 0
    assert "\n>  dados" in run("stages").stdout
    assert json.loads(run("stages", "--json").stdout)["stages"][1]["message"] == "Nação"
    ran = run("sql", "--from-stage", "pessoas")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == "Standard output is ascii, which cannot hold '\\xe9'. Set the variable PYTHONUTF8=1.\n"
    assert "Célia" in json.loads(run("sql", "--json").stdout)["sql"]
