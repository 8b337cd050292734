"""Servers that do not answer, wrong URLs, and what fails half way."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from sqlstrata.migrate.failures import reason
from sqlstrata.scratch.bracket import scratch
from tests.commands.running import (
    CIDADES,
    STAGES,
    UNREACHABLE,
    Inv,
    rows,
    tables,
    tree,
)
from tests.projects import Project


@pytest.mark.parametrize("words", [["rebuild"], ["status"], ["up"], ["down"]])
def test_a_database_that_does_not_answer_is_reported_without_its_password(
    given: Inv, project: Project, words: Sequence[str]
) -> None:
    given("rebuild", "--no-apply")
    project.configure(database={"url": UNREACHABLE})
    ran = given(*words, "--json")
    assert ran.code == 8
    assert "127.0.0.1:1" in ran.error["message"]
    assert "s3gredo" not in ran.out + ran.err


def test_a_server_for_the_proof_that_does_not_answer_leaves_all_as_it_was(given: Inv, project: Project) -> None:
    project.configure(prove_on=["sqlite://", UNREACHABLE])
    before = tree(project.folder)
    ran = given("rebuild")
    assert ran.code == 8
    assert "s3gredo" not in ran.out + ran.err
    assert tree(project.folder) == before


@pytest.mark.parametrize("words", [["status"], ["up"], ["down"]])
def test_another_database_that_does_not_answer_is_reported_without_its_password(
    given: Inv, words: Sequence[str]
) -> None:
    given("rebuild", "--no-apply")
    ran = given(*words, "--url", UNREACHABLE, "--json")
    assert ran.code == 8
    assert "s3gredo" not in ran.out + ran.err


@pytest.mark.parametrize("words", [["status"], ["identify"], ["adopt"], ["up"], ["down"], ["onboard"]])
def test_a_file_that_is_no_database_and_a_folder_are_reported_as_what_they_are(
    given: Inv, project: Project, words: Sequence[str]
) -> None:
    given("rebuild", "--no-apply")
    file = project.folder / "dev.db"
    file.write_bytes(b"no database" * 300)
    ran = given(*words, "--json")
    assert ran.code == 8
    assert ran.error["message"] == (
        f"SQLite file {file} is not a SQLite database, or it is damaged: its header is wrong."
    )
    assert given("stages").out.endswith(f"Cannot tell which stage the database is at. {ran.error['message']}\n")
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
    ran = given(command, "--url", server, "--json")
    assert ran.code == 2
    assert ran.error["message"] == "The URL names a server and no database."
    assert ran.error["hint"] == f"Add the database's name, as in {server.partition(':')[0]}://user@host/exemplo."


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
        ran = given(*words, *more)
        assert "s3gredo" not in ran.out + ran.err


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
    ran = given("rebuild", "--json")
    assert ran.code == 9
    assert "Stage dados does not go up on sqlite" in ran.error["message"]
    assert "no such table: nada" in ran.error["message"]
    assert ran.error["where"] == str(project.plan().where("stages", 3))
    assert ran.error["hint"].startswith("Fix the stage or its models.")
    assert tree(project.folder) == before


def test_a_statement_that_failed_is_reported_as_it_would_be_pasted(server: str) -> None:
    """A percent sign is written twice for some drivers, and is one for the server."""
    with scratch(server) as there, there.engine.connect() as connection:
        operations = Operations(MigrationContext.configure(connection))
        with pytest.raises(sa.exc.DBAPIError) as caught:
            operations.run_sql("SELECT '5%' FROM nada")
        assert reason(caught.value).endswith("The statement was: SELECT '5%' FROM nada.")


def test_data_that_fails_in_the_database_says_where_it_stands(given: Inv, project: Project) -> None:
    project.configure(stages=[*STAGES, {"name": "dados", "data": "UPDATE nada SET x = 1"}])
    ran = given("rebuild", "--no-proof", "--json")
    assert ran.code == 9
    assert ran.error["message"] == (
        "The migration failed: no such table: nada. The statement was: UPDATE nada SET x = 1. "
        "The database is at stage email. The new history is written."
    )
    assert given("status", "--json").json["stage"] == "email"
    ran = given("up")
    assert ran.code == 9
    assert "The database is at stage email." in ran.err


def test_rows_that_do_not_fit_their_table_are_found_before_anything_is_written(given: Inv, project: Project) -> None:
    project.configure(stages=[{**STAGES[0], "rows": {"pessoas": [{"nome": None}]}}, *STAGES[1:]])
    before = tree(project.folder)
    ran = given("rebuild", "--json")
    assert ran.code == 9
    assert ran.error["message"].startswith("The rows of stage pessoas do not fit its tables on sqlite: ")
    assert ran.error["where"] == str(project.plan().where("stages", 0, "rows"))
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
        ran = given("rebuild", "--json")
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", interrupted)
    assert ran.code == ran.error["code"] == 130
    assert ran.err == "Stopped.\n"
    assert tree(project.folder) == before


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
    ran = given("rebuild", "--no-proof", "--json")
    assert ran.code == 9
    state = STATES[request.node.callspec.params["server_url"]]
    assert ran.error["message"].endswith(f"{state} The new history is written.")
    assert rows(url, "SELECT nome FROM cidades") == [("Recife",)]
    assert given("status", "--json").json["stage"] == "email"
    assert ("lugares" in tables(url)) == url.startswith("mariadb")
    assert given("down", "--to", "pessoas").code == 0
    assert "lugares" not in tables(url)
    assert given("status", "--json").json["stage"] == "pessoas"
