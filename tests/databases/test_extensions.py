"""PostgreSQL's extensions: which one a statement lacks, and what to do where the user may not create it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from sqlstrata import commands
from sqlstrata.databases import creation, database, removal
from sqlstrata.errors import MigrationFailed, Unreachable
from sqlstrata.scratch.extensions import bringing
from tests.projects import Project, write
from tests.servers import answering, anything

MODULES = {"pessoas": """sa.Table("pessoas", Base.metadata, sa.Column("id", sa.Integer, primary_key=True))"""}
STAGES = [{"name": "pessoas", "enable": ["pessoas"]}]
CREATE = "CREATE EXTENSION IF NOT EXISTS dblink"


@pytest.mark.parametrize(
    ("statement", "extension"),
    [
        ("CREATE TABLE item (v VECTOR(3))", "vector"),
        ("CREATE INDEX ix ON item USING hnsw (v vector_l2_ops)", "vector"),
        ("CREATE INDEX ix ON item USING gin (name gin_trgm_ops)", "pg_trgm"),
        ("CREATE TABLE item (place geometry(POINT,4326))", "postgis"),
        ("CREATE TABLE item (id UUID DEFAULT uuid_generate_v4())", "uuid-ossp"),
        ("CREATE TABLE item (EXCLUDE USING gist (room WITH =))", "btree_gist"),
        ("CREATE TABLE item (state state_type)", None),
    ],
)
def test_a_statement_names_what_an_extension_brings(statement: str, extension: str | None) -> None:
    assert bringing(statement) == extension


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Project]:
    """A project whose user may create databases, but not an extension that only an administrator may create."""
    admin = sa.make_url(answering("postgresql"))
    name = f"strata_test_{secrets.token_hex(6)}"
    with database.engine(admin).connect() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {name} LOGIN CREATEDB")
        connection.commit()
    url = admin.set(username=name, database=name).render_as_string(hide_password=False)
    made = write(tmp_path / "p", MODULES, STAGES, url=url, prove_on=[url])
    made.configure(extensions=["dblink"])
    yield made
    if creation.exists(admin.set(database=name)):
        removal.drop(admin.set(database=name), anything)
    with database.engine(admin).connect() as connection:
        connection.exec_driver_sql(f"DROP ROLE {name}")
        connection.commit()


def test_a_missing_right_comes_with_the_sql_for_an_administrator(limited: Project) -> None:
    with pytest.raises(Unreachable) as caught:
        commands.rebuild(limited.plan())
    assert "does not let this user create the extension: permission denied" in caught.value.message
    assert f"An administrator can run, in the database template1: {CREATE};" in str(caught.value.hint)
    with pytest.raises(MigrationFailed) as failed:
        commands.rebuild(limited.plan(), proof=False)
    there = sa.make_url(limited.url).database
    assert f"An administrator can run, in the database {there}: {CREATE};" in str(failed.value.hint)


def test_an_extension_that_is_there_needs_no_right(limited: Project) -> None:
    commands.rebuild(limited.plan(), apply_it=False, proof=False)
    creation.create(limited.url)
    admin = sa.make_url(answering("postgresql")).set(database=sa.make_url(limited.url).database)
    with database.engine(admin).connect() as connection:
        connection.exec_driver_sql("CREATE EXTENSION dblink")
        connection.commit()
    assert commands.up(limited.plan()) == ("pessoas",)
    assert commands.down(limited.plan(), "base")
    with database.engine(admin, reading=True).connect() as connection:
        assert connection.exec_driver_sql("SELECT 1 FROM pg_extension WHERE extname = 'dblink'").all(), "not dropped"
