"""On which server a history is proved, what happens where it cannot be, and the mark of one that is not."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from sqlstrata import commands
from sqlstrata.databases import creation, database, removal
from tests.commands.running import Inv, tree
from tests.projects import Project
from tests.servers import answering, anything

MARK = "It is not proved: it was written with `--no-proof`. `inv rebuild` proves it.\n"


@pytest.fixture
def limited(project: Project) -> Iterator[str]:
    """The project has PostgreSQL, with a user who may create no database; gives that user's name."""
    admin = sa.make_url(answering("postgresql"))
    name = f"strata_test_{secrets.token_hex(6)}"
    with database.engine(admin).connect() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {name} LOGIN")
        connection.commit()
    there = admin.set(username=name, database=name)
    use(project, there.render_as_string(hide_password=False))
    yield name
    if creation.exists(admin.set(database=name)):
        removal.drop(admin.set(database=name), anything)
    with database.engine(admin).connect() as connection:
        connection.exec_driver_sql(f"DROP ROLE {name}")
        connection.commit()


def use(project: Project, url: str, **keys: object) -> None:
    """Have config.yaml name a development database, and no `prove_on`."""
    project.configure(database={"url": url}, **keys)
    text = project.config.read_text("utf-8")
    project.config.write_text("".join(line for line in text.splitlines(keepends=True) if "sqlite://\n" not in line
                                      and "prove_on" not in line), "utf-8")  # fmt: skip


def test_by_default_a_history_is_proved_on_the_server_of_the_development_database(given: Inv, project: Project) -> None:
    url = sa.make_url(answering("postgresql"))
    use(project, url.set(database="strata_test_not_there").render_as_string(hide_password=False))
    assert given("rebuild", "--no-apply", "--json").json["proved_on"] == [
        f"PostgreSQL at {url.host}:{url.port or 5432}"
    ]


def test_a_server_that_cannot_be_reached_ends_in_8_with_the_line_to_write(given: Inv, project: Project) -> None:
    use(project, "postgresql+psycopg://u@127.0.0.1:1/x")
    before = tree(project.folder)
    ran = given("rebuild")
    assert ran.code == 8
    assert ran.err.endswith(
        "Check that it is running, and the user, password, host and port in the URL. To prove the history on another server, write "
        "`prove_on: [postgresql+psycopg://user@host/name]` in config.yaml; `inv rebuild --no-proof` proves nothing.\n"
    )
    assert tree(project.folder) == before


def test_a_user_who_may_create_no_database_ends_in_8_with_what_to_do(
    given: Inv, project: Project, limited: str
) -> None:
    before = tree(project.folder)
    ran = given("rebuild")
    assert ran.code == 8
    assert f'An administrator can run: ALTER ROLE "{limited}" CREATEDB; To prove the history on another' in ran.err
    assert tree(project.folder) == before


@pytest.mark.parametrize("prove_on", [["sqlite://"]])
def test_a_development_database_gets_nothing_that_is_not_proved_on_its_kind(
    given: Inv, project: Project, prove_on: list[str]
) -> None:
    url = sa.make_url(answering("postgresql")).set(database="strata_test_not_there")
    project.configure(database={"url": url.render_as_string(hide_password=False)}, prove_on=prove_on)
    before = tree(project.folder)
    ran = given("rebuild")
    assert ran.code == 2
    assert ran.err.endswith(
        "`prove_on` names no PostgreSQL server, so the development database would get what nothing has proved there. "
        "Add a PostgreSQL server to `prove_on`, or remove the key: its default is the development database's server. "
        "`--no-apply` leaves the development database alone.\n"
    )
    assert tree(project.folder) == before
    assert not creation.exists(url)
    assert given("rebuild", "--no-apply").code == 0
    assert given("rebuild", "--dry-run").code == 0


def test_a_history_that_is_not_proved_says_so_until_it_is(given: Inv, project: Project) -> None:
    given("rebuild", "--no-proof", "--no-apply")
    files = project.files()
    ran = given("check")
    assert (ran.code, ran.out) == (0, f"The history is what the stages give.\n{MARK}")
    assert given("check", "--json").json["proved"] is False
    given("rebuild", "--dry-run")
    given("rebuild", "--no-proof", "--no-apply")
    assert given("check", "--json").json["proved"] is False
    given("rebuild", "--no-apply")
    assert given("check").out == "The history is what the stages give.\n"
    assert given("check", "--json").json["proved"] is True
    assert project.files() == files, "the mark is no part of the revisions"


def test_a_history_that_is_proved_and_stays_the_same_stays_proved(given: Inv) -> None:
    given("rebuild", "--no-apply")
    given("rebuild", "--no-apply", "--no-proof")
    assert given("check", "--json").json["proved"] is True


def test_in_python_the_result_of_check_has_it(project: Project) -> None:
    commands.rebuild(project.plan(), apply_it=False, proof=False)
    assert not commands.check(project.plan()).proved
