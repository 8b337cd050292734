"""What a command's result amounts to: the error that Python gets has the code that `inv` exits with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from sqlstrata import SqlstrataError, adopt, check, identify, status, verify
from sqlstrata.errors import DatabaseBehind, HistoryDiffers, SchemaDiffers, Unreachable, Verdict
from sqlstrata.output import Report
from sqlstrata.plan import Plan
from sqlstrata.result import Table
from tests.commands.running import CIDADES, STAGES, UNREACHABLE, Inv, edited, execute
from tests.outcomes import outcome
from tests.projects import Project


def nothing(_: Project) -> None:
    """Leave the project as it is."""


def by_hand(project: Project) -> None:
    execute(project.url, "ALTER TABLE pessoas ADD COLUMN apelido VARCHAR(10)")


def gone(project: Project) -> None:
    execute(project.url, "UPDATE alembic_version SET version_num = 'abcdef123456'")


def without_a_file(project: Project) -> None:
    (project.folder / "dev.db").unlink()


@dataclass(frozen=True)
class Case:
    """What is done to a project with its history and database, and what a command makes of it."""

    words: tuple[str, ...]
    call: Callable[[Plan], Verdict]
    do: Callable[[Project], object]
    error: type[SqlstrataError] | None


CASES = {
    "check": Case(("check",), check, nothing, None),
    "check, a hand edit": Case(("check",), check, edited, HistoryDiffers),
    "check, other models": Case(
        ("check",), check, lambda project: project.module("cidades", CIDADES.replace("50", "60")), HistoryDiffers
    ),
    "status": Case(("status",), status, nothing, None),
    "status, behind": Case(
        ("status",), status, lambda project: project.configure(stages=[*STAGES, {"name": "x", "data": "SELECT 1"}]),
        DatabaseBehind,
    ),
    "status, no database": Case(("status",), status, without_a_file, DatabaseBehind),
    "status, another schema": Case(("status",), status, by_hand, SchemaDiffers),
    "status, a revision that is gone": Case(("status",), status, gone, SchemaDiffers),
    "identify": Case(("identify",), identify, nothing, None),
    "identify, no stage": Case(("identify",), identify, by_hand, SchemaDiffers),
    "verify": Case(("verify",), verify, nothing, None),
    "verify, no server": Case(
        ("verify", "--url", UNREACHABLE), lambda plan: verify(plan, [UNREACHABLE]), nothing, Unreachable
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_python_raises_the_class_whose_code_inv_exits_with(given: Inv, project: Project, case: Case) -> None:
    given("rebuild")
    case.do(project)
    ran = given(*case.words, "--json")
    assert ran.code == (case.error.code if case.error else 0)
    if case.error is None:
        assert case.call(project.plan()).error is None
        return
    with pytest.raises(SqlstrataError) as raised:
        case.call(project.plan())
    assert type(raised.value) is case.error
    assert ran.error == raised.value.to_json()
    assert raised.value.result is not None
    assert dict(raised.value.result.to_json()).keys() == ran.json.keys() - {"error"}


@pytest.mark.parametrize("words", [["status"], ["identify"]], ids=" ".join)
def test_what_was_found_is_printed_before_the_error(given: Inv, project: Project, words: list[str]) -> None:
    given("rebuild")
    by_hand(project)
    ran = given(*words)
    assert ran.code == 5
    assert "pessoas  column apelido  -         type VARCHAR(10)\n" in ran.out
    assert "Undo what was changed by hand, or put it into the models.\n" in ran.err


def test_a_failed_verify_shows_each_server_and_tells_each_failure_once(given: Inv) -> None:
    given("rebuild", "--no-apply")
    other = UNREACHABLE.replace(":1/", ":2/")
    ran = given("verify", "--url", UNREACHABLE, "--url", "sqlite://", "--url", other)
    assert ran.code == 8
    assert "total" in ran.out
    assert ran.err.count("PostgreSQL at 127.0.0.1:1 cannot be reached") == 1
    assert ran.err.count("PostgreSQL at 127.0.0.1:2 cannot be reached") == 1


def test_the_object_of_adopt_names_commands_as_they_are_run(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str], given: Inv
) -> None:
    """Also in the error within it that says why a database could not be marked."""
    given("rebuild", "--no-apply")
    url = f"sqlite:///{tmp_path / 'x.db'}"
    given("up", "--url", url)
    execute(url, "PRAGMA application_id = 7")
    done = adopt(project.plan(), url)
    assert done.unmarked is not None
    done.unmarked.hint = "Run `inv adopt` again."
    report = Report(json=True, elsewhere=True, program="sqlstrata")
    report.show(done)
    report.finish()
    assert '"hint": "Run `sqlstrata adopt --url …` again."' in capsys.readouterr().out


def test_a_result_is_data_until_it_is_printed(given: Inv, project: Project) -> None:
    given("rebuild")
    by_hand(project)
    found = outcome(status, project.plan())
    *lines, table = found.lines()
    assert lines[1] == "Pending: nothing"
    assert table == Table(
        ("table", "what", "expected", "found"), [("pessoas", "column apelido", "-", "type VARCHAR(10)")]
    )
