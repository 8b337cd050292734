"""The libraries are what the program can work with, or it says so in a sentence; and 2.0 of SQLAlchemy is like 2.1."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import alembic
import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from sqlalchemy.engine.mock import MockConnection

from sqlstrata.dialects import NAMES, unmarked
from sqlstrata.errors import WrongUse
from sqlstrata.modules.turning import turns
from sqlstrata.operations import private_names
from sqlstrata.schema.describe import describe
from sqlstrata.sqlalchemy_versions import types_of
from tests.projects import write

ROOT = Path(__file__).resolve().parents[1]
ANOTHER = "import sqlalchemy; sqlalchemy.__version__ = '1.4.54'"
TOO_OLD = "This version of SQLAlchemy, 1.4.54, is too old; supported are 2.0.40 to 2.1."


def test_what_is_installed_has_all_that_is_needed() -> None:
    assert private_names.lacking() is None


@pytest.mark.parametrize(
    ("owner", "sentence"),
    [
        (sa.MetaData(), f"This version of SQLAlchemy, {sa.__version__}, has no MetaData._gone; supported are 2.0.40 to 2.1."),
        (sa.orm.mapperlib, f"This version of SQLAlchemy, {sa.__version__}, has no sqlalchemy.orm.mapper._gone; supported are "
                           "2.0.40 to 2.1."),
        (MigrationContext.configure(dialect_name="sqlite", opts={"as_sql": True}),
         f"This version of Alembic, {alembic.__version__}, has no MigrationContext._gone; supported are 1.13.0 to 1.20."),
    ],
    ids=["an object", "a module", "Alembic"],
)  # fmt: skip
def test_a_name_that_has_gone_is_a_sentence(owner: object, sentence: str) -> None:
    assert private_names.lacking([(owner, "_gone")]) == sentence


@pytest.mark.parametrize("version", ["2.0.39", "2.0.4", "1.4"])
def test_a_version_is_too_old_by_its_numbers(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(sa, "__version__", version)
    told = private_names.lacking()
    assert told == f"This version of SQLAlchemy, {version}, is too old; supported are 2.0.40 to 2.1."


@pytest.mark.parametrize("version", ["2.0.40", "2.0.100", "2.1.0b2", "2.2.0"])
def test_a_version_that_is_newer_does_if_it_has_all_that_is_needed(
    monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setattr(sa, "__version__", version)
    assert private_names.lacking() is None


@pytest.mark.parametrize(
    ("program", "code"),
    [
        (f"from invoke.main import program; program.run(['inv', '--search-root', {str(ROOT)!r}, 'stages'])", 2),
        (f"from alembic.config import main; main(['-c', {str(ROOT / 'alembic.ini')!r}, 'current'])", 255),
        ("from sqlstrata import history", 1),
    ],
    ids=["inv", "alembic", "python"],
)
def test_a_version_that_is_too_old_is_reported_at_the_start(program: str, code: int, tmp_path: Path) -> None:
    """By a program without a traceback; to a script it is an exception."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DATABASE_URL": f"sqlite:///{tmp_path / 'a.db'}"}
    done = subprocess.run(
        [sys.executable, "-c", f"{ANOTHER}; {program}"],
        check=False, cwd=ROOT, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    told = f"{done.stdout}{done.stderr}"
    assert TOO_OLD in told
    assert done.returncode == code
    assert ("Traceback" in told) == (code == 1)


@pytest.mark.parametrize(
    "line", ["from sqlalchemy import Lacking", "sa.Lacking", "sa.orm.Lacking", "from sqlalchemy.lacking import a"]
)
def test_a_model_with_a_name_that_sqlalchemy_lacks_is_told_which_one_is_installed(line: str, tmp_path: Path) -> None:
    plan = write(tmp_path / "shop", {"one": line}, [{"name": "one", "enable": ["one"]}]).plan()
    with pytest.raises(WrongUse) as caught:
        list(turns(plan))
    assert f"SQLAlchemy {sa.__version__} is installed" in str(caught.value.hint)


@pytest.mark.parametrize("line", ["from json import Lacking", "'a'.lacking", "import lacking"])
def test_another_name_that_is_not_there_has_nothing_to_do_with_it(line: str, tmp_path: Path) -> None:
    plan = write(tmp_path / "shop", {"one": line}, [{"name": "one", "enable": ["one"]}]).plan()
    with pytest.raises(WrongUse) as caught:
        list(turns(plan))
    assert "SQLAlchemy" not in str(caught.value.hint)


def computed() -> sa.MetaData:
    """A column that MariaDB may not have NOT NULL, and that the models have so."""
    metadata = sa.MetaData()
    column = sa.Column("twice", sa.Integer, sa.Computed("id * 2"), nullable=False)
    private_names.leave_nullable_open(column)
    sa.Table("item", metadata, sa.Column("id", sa.Integer, primary_key=True), column)
    return metadata


def test_describing_a_computed_column_leaves_it_as_it_was() -> None:
    metadata = computed()
    first = describe(metadata)
    assert metadata.tables["item"].c.twice.nullable is False
    assert describe(metadata) == first


@pytest.mark.parametrize("server", NAMES)
def test_making_a_computed_column_leaves_it_as_it_was(server: str) -> None:
    metadata = computed()
    on = sa.make_url({"sqlite": "sqlite://", "postgresql": "postgresql+psycopg://"}.get(server, f"{server}+pymysql://"))
    plain = on.get_dialect()(**({"is_mariadb": True} if server in {"mysql", "mariadb"} else {}))
    with unmarked(metadata):
        metadata.create_all(
            MockConnection(plain, lambda sql, *_, **__: str(sql.compile(dialect=plain))), checkfirst=False
        )
    assert metadata.tables["item"].c.twice.nullable is False


def test_the_types_of_a_metadata_are_those_of_its_tables_and_its_own() -> None:
    metadata = sa.MetaData()
    own, of_table = sa.Enum("a", name="own", metadata=metadata), sa.Enum("b", name="of_table")
    sa.Table("item", metadata, sa.Column("kind", of_table))
    assert {each.name for each in types_of(metadata)} == {"own", "of_table"}
    assert own in types_of(metadata)
