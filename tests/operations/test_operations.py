"""The operations as a library: alone, in stock Alembic, in a caller's transaction, and copied for those who leave."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import textwrap
import venv
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.operations import Operations
from alembic.util import CommandError

from sqlstrata import commands
from sqlstrata.databases import creation, database, removal
from sqlstrata.errors import SqlstrataError, WrongUse
from sqlstrata.operations import registry
from tests.operations.test_safety import AFTER, BEFORE, MODULES, STAGES
from tests.projects import Project, write
from tests.servers import SERVERS, anything

ROOT = Path(__file__).resolve().parents[2]
ALONE = """
import sys
from importlib.abc import MetaPathFinder

class Forbidden(MetaPathFinder):
    def find_spec(self, name, *_):
        first, _, rest = name.partition(".")
        if first in {"yaml", "msgspec", "rich", "invoke", "sqlalchemy_utils"} or (first == "sqlstrata" and rest and
                rest.partition(".")[0] != "operations"):
            raise ImportError(f"{name} is forbidden")
        return None

sys.meta_path.insert(0, Forbidden())
from sqlstrata.operations import environment
print(sorted(name for name in sys.modules if name.startswith("sqlstrata.") and not name.startswith("sqlstrata.operations")))
"""


def test_the_operations_import_alembic_and_sqlalchemy_alone() -> None:
    done = subprocess.run([sys.executable, "-c", ALONE], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")


def test_env_py_is_read_in_one_look() -> None:
    assert len((ROOT / "migrations" / "env.py").read_text(encoding="utf-8").splitlines()) < 8


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A history of three stages, one of which rebuilds a table on SQLite."""
    stages = [{"message": each["name"], **each} for each in STAGES]
    url = f"sqlite:///{tmp_path / 'dev.db'}"
    made = write(tmp_path / "p", MODULES, stages, url=url, servers=tuple(SERVERS), package="modelos")
    commands.rebuild(made.plan(), apply_it=False, proof=False)
    return made


@pytest.fixture
def url(server: str, tmp_path: Path) -> Iterator[sa.URL]:
    """An empty database."""
    name = str(tmp_path / "x.db") if server == "sqlite://" else f"strata_test_{secrets.token_hex(6)}"
    made = sa.make_url(server).set(database=name)
    creation.create(made)
    yield made
    with suppress(SqlstrataError):
        removal.drop(made, anything)


def configured(project: Project, connection: object) -> Config:
    config = Config(str(project.folder / "alembic.ini"))
    config.attributes["connection"] = connection
    return config


def rows(connection: sa.Connection) -> list[tuple[object, ...]]:
    return [tuple(row) for row in connection.exec_driver_sql("SELECT nome, saldo FROM contas ORDER BY id")]


def tables(url: sa.URL) -> set[str]:
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
        return set(sa.inspect(connection).get_table_names()) - {"alembic_version"}


def test_an_engine_may_be_given(project: Project, url: sa.URL) -> None:
    """As pytest-alembic and many test suites do; afterwards the engine is as it was."""
    engine = sa.create_engine(url)
    ids = [each.stem.partition("_")[0] for each in sorted(project.versions.glob("*.py"))]
    assert len(ids) == 3
    command.upgrade(configured(project, engine), "+1")
    with engine.begin() as connection:
        for name, saldo in BEFORE:
            connection.execute(sa.text("INSERT INTO contas (nome, saldo) VALUES (:a, :b)"), {"a": name, "b": saldo})
    command.upgrade(configured(project, engine), "head")
    with engine.connect() as connection:
        assert rows(connection) == AFTER
    command.downgrade(configured(project, engine), "base")
    engine.dispose()
    assert tables(url) == set()


def test_everything_happens_in_the_transaction_that_a_caller_holds(project: Project, url: sa.URL) -> None:
    """It is the lock and the way back: nothing is committed, where the server has transactions for DDL."""
    if url.get_backend_name() == "mariadb":
        pytest.skip("MariaDB commits with each DDL statement")
    engine = database.engine(url)  # whose transactions on SQLite are real
    with engine.connect() as connection, connection.begin() as transaction:
        connection.exec_driver_sql("CREATE TABLE aside (id INTEGER)")
        command.upgrade(configured(project, connection), "head")
        assert "lojas" in sa.inspect(connection).get_table_names()
        transaction.rollback()
    assert tables(url) == set()
    with engine.connect() as connection, connection.begin():
        command.upgrade(configured(project, connection), "head")
    assert tables(url) == {"contas", "bancos", "lojas"}


def test_sqlite_s_foreign_keys_must_be_off_in_a_caller_s_transaction(project: Project, tmp_path: Path) -> None:
    """There they cannot be turned off, and a rebuilt table would take its children along."""
    creation.create(url := f"sqlite:///{tmp_path / 'x.db'}")
    engine = database.engine(url)
    sa.event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA foreign_keys = ON"))
    with engine.connect() as connection, connection.begin(), pytest.raises(CommandError, match="cannot be turned off"):
        command.upgrade(configured(project, connection), "head")


def without_sqlstrata(folder: Path) -> Path:
    """A virtual environment with all that is installed here but sqlstrata; give its Python."""
    venv.create(folder, with_pip=False, symlinks=True)
    site = next(folder.glob("lib/python*/site-packages"))
    for place in sys.path:
        if place.endswith("site-packages"):
            for each in Path(place).iterdir():
                if "sqlstrata" not in each.name and not each.name.endswith(".pth"):
                    (site / each.name).symlink_to(each)
    return folder / "bin" / "python"


def test_after_eject_stock_alembic_works_without_sqlstrata(project: Project, tmp_path: Path) -> None:
    python = without_sqlstrata(tmp_path / "venv")
    assert subprocess.run([python, "-c", "import sqlstrata"], cwd=tmp_path, capture_output=True, check=False).returncode

    def alembic(*words: str) -> subprocess.CompletedProcess[str]:
        command = [str(python), "-P", "-m", "alembic", *words]
        return subprocess.run(command, cwd=project.folder, capture_output=True, text=True, check=False)

    assert "sqlstrata" in alembic("upgrade", "head").stderr
    done = commands.eject(project.plan())
    assert [path.name for path in done] == ["sqlstrata_operations", "env.py"]
    assert commands.eject(project.plan()) == ()
    for words in (["upgrade", "head"], ["check"], ["downgrade", "-1"], ["upgrade", "head", "--sql"], ["current"]):
        ran = alembic(*words)
        assert ran.returncode == 0, (words, ran.stderr)
    assert tables(sa.make_url(project.url)) == {"contas", "bancos"}
    assert commands.check(project.plan()).mismatch is None
    assert commands.up(project.plan()) == ("lojas",)
    commands.rebuild(project.plan())
    assert commands.eject(project.plan()) == ()


def test_each_history_runs_with_its_own_copy_of_the_operations(project: Project, tmp_path: Path) -> None:
    """Alembic has one register of operations in a process; the journal must see what its own operations ask."""

    def ours() -> bool:
        return vars(Operations)["change_table"] is registry._ours["change_table"][1]

    commands.eject(project.plan())
    commands.up(project.plan())
    assert not ours()
    other = write(tmp_path / "other", MODULES, STAGES[:1], url=f"sqlite:///{tmp_path / 'other.db'}", package="modelos")
    commands.rebuild(other.plan(), proof=False)
    assert ours()
    commands.down(project.plan())
    assert not ours()


def test_an_env_py_that_was_edited_is_not_ejected(project: Project) -> None:
    env = project.versions.with_name("env.py")
    env.write_text(env.read_text() + "\n# mine\n")
    with pytest.raises(WrongUse, match="was edited"):
        commands.eject(project.plan())
    assert not project.versions.with_name("sqlstrata_operations").exists()


# ---------------------------------------------------------- what others test histories with

SUITES = {
    "pytest-alembic": (
        "test_suite.py",
        """
        import pytest, sqlalchemy as sa
        from pytest_alembic.tests import *
        from pytest_alembic.tests.experimental import test_downgrade_leaves_no_trace

        @pytest.fixture
        def alembic_config():
            return {{"file": {ini!r}}}

        @pytest.fixture
        def alembic_engine():
            engine = sa.create_engine({url!r})
            yield engine
            engine.dispose()
        """,
    ),
    "pytest-mrt": (
        "conftest.py",
        """
        from pytest_mrt import MRTConfig

        def pytest_configure(config):
            numbers = lambda: [{{"id": 1, "nome": "Ana", "saldo": "5"}}]  # what the stage's cast is for
            config._mrt_config = MRTConfig(alembic_ini={ini!r}, db_url={url!r}, custom_seeds={{"contas": numbers}})
        """,
    ),
}
"""Each with a file that has it test a history."""


@pytest.mark.parametrize("suite", list(SUITES))
@pytest.mark.parametrize("which", ["the example", "rebuilt tables"])
def test_the_tests_that_others_bring_pass(
    project: Project, url: sa.URL, tmp_path: Path, which: str, suite: str
) -> None:
    """All but those that want MetaData: pytest-alembic finds none in a module of a package, pytest-mrt is given none."""
    pytest.importorskip(suite.replace("-", "_"), reason=f"{suite} is not installed")
    folder = ROOT if which == "the example" else project.folder
    name, text = SUITES[suite]
    tests = tmp_path / "suite"
    tests.mkdir()
    place = url.render_as_string(hide_password=False)
    (tests / name).write_text(
        textwrap.dedent(text).format(ini=str(folder / "alembic.ini"), url=place), encoding="utf-8"
    )
    words = "-q -p no:cacheprovider -p no:xdist -c /dev/null --rootdir".split()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, str(tests), str(tests)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(folder)))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert "5 passed" in done.stdout
