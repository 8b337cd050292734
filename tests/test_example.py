"""The example of this repository: its history is what its stages give, wherever and whenever it is made."""

from __future__ import annotations

import ast
import os
import re
import secrets
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml

from sqlstrata import folder as history
from sqlstrata.databases import creation, database, removal
from sqlstrata.plan import read
from sqlstrata.revisions.generate import history as revisions_of
from tests.servers import answering, anything

ROOT = Path(__file__).resolve().parents[1]
VERSIONS = ROOT / "migrations" / "versions"
COMMITTED = {path.name: path.read_bytes() for path in sorted(VERSIONS.glob("*.py"))}
TEMPLATE = ROOT / "sqlstrata" / "template"

MAKE = """
import sys
from pathlib import Path
from sqlstrata import folder, history, read
folder.write(Path(sys.argv[2]), history(read(Path(sys.argv[1]))))
"""

MAKE_IN_ANOTHER_CENTURY = """
import datetime, time
late = 4_102_444_800.0  # 2100-01-01
class Late(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(late, tz)
time.time, time.time_ns, datetime.datetime = lambda: late, lambda: int(late * 10**9), Late
assert datetime.datetime.now(datetime.UTC).year == 2100
"""


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.py"))}


def made(
    tmp_path: Path, *, config: Path = ROOT / "config.yaml", before: str = "", **environment: str
) -> dict[str, bytes]:
    """The revision files that a process of its own makes."""
    target = tmp_path / f"made_{secrets.token_hex(4)}"
    run([sys.executable, "-c", before + MAKE, str(config), str(target)], cwd=ROOT, environment=environment)
    return files(target)


def run(words: list[str], cwd: Path, environment: Mapping[str, str] | None = None) -> str:
    """Run a program that must succeed, in an environment without this test's own settings; give its output.

    The package is that of this repository, as if it were installed.
    """
    settings = {"CONFIG", "DATABASE_URL", "PYTHONHASHSEED", "SQLSTRATA_CONFIG"}
    clean = {name: value for name, value in os.environ.items() if name not in settings}
    environ = {**clean, "PYTHONPATH": str(ROOT), **(environment or {})}
    done = subprocess.run(words, cwd=cwd, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the example in another folder, laid out as a user's own project is."""
    folder = tmp_path / "elsewhere" / "cópia"
    ignored = shutil.ignore_patterns("__pycache__", "*.db", "*.strata-*")
    for name in ("project", "migrations"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in ("config.yaml", "alembic.ini", "tasks.py"):
        shutil.copy(ROOT / name, folder / name)
    return folder


# ------------------------------------------------ the same bytes


def test_there_is_a_committed_file_for_every_stage() -> None:
    stages = [stage.name for stage in read(ROOT / "config.yaml").stages]
    assert list(COMMITTED) == [f"{number:04}_{name}.py" for number, name in enumerate(stages, 1)]


def test_the_stages_give_the_committed_history_byte_by_byte() -> None:
    revisions = revisions_of(read(ROOT / "config.yaml"))
    assert {each.filename: each.text.encode() for each in revisions} == COMMITTED
    assert history.compare(history.read(VERSIONS), revisions) is None


@pytest.mark.parametrize("seed", ["0", "4242"])
def test_every_hash_seed_gives_the_same_bytes(tmp_path: Path, seed: str) -> None:
    assert made(tmp_path, PYTHONHASHSEED=seed) == COMMITTED


def test_another_folder_gives_the_same_bytes(tmp_path: Path, copied: Path) -> None:
    target = tmp_path / "made"
    run([sys.executable, "-c", MAKE, "config.yaml", str(target)], cwd=copied)
    assert files(target) == COMMITTED


def test_another_clock_and_time_zone_give_the_same_bytes(tmp_path: Path) -> None:
    assert made(tmp_path, before=MAKE_IN_ANOTHER_CENTURY, TZ="Pacific/Kiritimati") == COMMITTED


def test_no_file_has_a_date_or_a_path() -> None:
    for name, content in COMMITTED.items():
        assert not re.search(r"20\d\d|\d\d:\d\d", re.sub(r"[0-9a-f]{12}", "", content.decode())), name
        assert str(ROOT) not in content.decode()


@pytest.mark.parametrize("locale", ["C", "pt_BR.ISO-8859-1", "C.UTF-8"])
def test_another_locale_gives_the_same_bytes(tmp_path: Path, locale: str) -> None:
    assert made(tmp_path, LC_ALL=locale, LANG=locale) == COMMITTED


def test_the_database_and_the_servers_that_prove_it_give_the_same_bytes(
    tmp_path: Path, copied: Path, server: str
) -> None:
    config = copied / "config.yaml"
    said = yaml.safe_load(config.read_text(encoding="utf-8"))
    said["database"]["url"] = sa.make_url(server).set(database="outra").render_as_string(hide_password=False)
    said["prove_on"] = [server]
    config.write_text(yaml.safe_dump(said, allow_unicode=True, sort_keys=False), encoding="utf-8")
    shutil.rmtree(copied / "migrations" / "versions")
    told = run([sys.executable, "-m", "invoke", "rebuild", "--no-apply"], cwd=copied)
    assert "Proved on: " in told
    assert "Written to " in told
    assert files(copied / "migrations" / "versions") == COMMITTED
    assert str(tmp_path) not in "".join(
        path.read_text("utf-8") for path in (copied / "migrations" / "versions").glob("*")
    )


# ------------------------------------------------ what the files are


def test_the_files_are_as_ruff_would_format_them(copied: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", copied / "pyproject.toml")
    run([sys.executable, "-m", "ruff", "format", "--check", "migrations/versions"], cwd=copied)
    run([sys.executable, "-m", "ruff", "check", "--no-cache", "migrations/versions"], cwd=copied)


@pytest.mark.parametrize("name", COMMITTED)
def test_a_file_imports_alembic_and_sqlalchemy_alone(name: str) -> None:
    for node in ast.walk(ast.parse(COMMITTED[name])):
        if isinstance(node, ast.Import):
            assert {each.name.split(".")[0] for each in node.names} <= {"sqlalchemy", "alembic"}
        if isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] in {"sqlalchemy", "alembic"}
            assert node.level == 0


def test_the_folder_is_what_the_program_writes() -> None:
    assert history.environment_mismatch(ROOT / "migrations") is None
    for name in ("env.py", "script.py.mako"):
        assert (ROOT / "migrations" / name).read_bytes() == (TEMPLATE / name).read_bytes()


# ------------------------------------------------ stock Alembic


def alembic(folder: Path, *words: str, url: str | None = None) -> str:
    return run(
        [sys.executable, "-m", "alembic", *words], cwd=folder, environment={"DATABASE_URL": url} if url else None
    )


@pytest.fixture
def fresh(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an empty database on the server that the test names."""
    kind = request.param
    name = f"strata_example_{secrets.token_hex(6)}"
    if kind == "sqlite":
        yield f"sqlite:///{tmp_path / name}.db"
        return
    url = sa.make_url(answering(kind)).set(database=name).render_as_string(hide_password=False)
    creation.create(url)
    yield url
    removal.drop(url, anything)


EVERYWHERE = pytest.mark.parametrize("fresh", ["sqlite", "postgresql", "mariadb"], indirect=True)


def tables(url: str) -> dict[str, list[str]]:
    with database.connect(database.engine(url)) as connection:
        inspector = sa.inspect(connection)
        return {
            name: [column["name"] for column in inspector.get_columns(name)]
            for name in sorted(inspector.get_table_names())
        }


@EVERYWHERE
def test_stock_alembic_goes_up_finds_nothing_to_do_and_goes_down(copied: Path, fresh: str) -> None:
    alembic(copied, "upgrade", "head", url=fresh)
    assert tables(fresh) == {
        "alembic_version": ["version_num"],
        "produtos": ["id", "nome", "preco"],
        "usuarios": ["id", "nome", "idade", "email"],
    }
    assert "No new upgrade operations detected." in alembic(copied, "check", url=fresh)
    alembic(copied, "downgrade", "base", url=fresh)
    assert tables(fresh) == {"alembic_version": ["version_num"]}
    alembic(copied, "upgrade", "head", url=fresh)


def test_stock_alembic_uses_the_url_of_its_own_file(copied: Path) -> None:
    alembic(copied, "upgrade", "head")
    assert "usuarios" in tables(f"sqlite:///{copied / 'exemplo.db'}")


def test_stock_alembic_takes_the_url_from_its_command_line(copied: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    alembic(copied, "-x", f"url={url}", "upgrade", "head")
    assert "usuarios" in tables(url)
    assert not (copied / "exemplo.db").exists()


def test_stock_alembic_tells_the_history_and_where_the_database_is(copied: Path) -> None:
    ids = [each.id for each in revisions_of(read(ROOT / "config.yaml"))]
    told = alembic(copied, "history")
    assert [line.split(",")[0] for line in told.splitlines()] == [
        f"{ids[1]} -> {ids[2]} (head)",
        f"{ids[0]} -> {ids[1]}",
        f"<base> -> {ids[0]}",
    ]
    assert "Adicionando o campo de email para Usuário" in told
    alembic(copied, "upgrade", "+2")
    assert alembic(copied, "current").strip() == ids[1]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_stock_alembic_writes_the_sql_without_a_database(copied: Path, kind: str) -> None:
    url = {
        "sqlite": "sqlite:///nowhere.db",
        "postgresql": "postgresql+psycopg://nobody@127.0.0.1:1/nowhere",
        "mariadb": "mariadb+pymysql://nobody@127.0.0.1:1/nowhere",
    }[kind]
    told = alembic(copied, "upgrade", "head", "--sql", url=url)
    assert [line for line in told.splitlines() if line.startswith(("CREATE TABLE", "ALTER TABLE"))] == [
        "CREATE TABLE alembic_version (",
        "CREATE TABLE usuarios (",
        "CREATE TABLE produtos (",
        "ALTER TABLE usuarios ADD COLUMN email VARCHAR(254);",
    ]
    ids = [each.id for each in revisions_of(read(ROOT / "config.yaml"))]
    told = alembic(copied, "downgrade", f"{ids[2]}:base", "--sql", url=url)
    assert "DROP TABLE usuarios" in told
    assert not (copied / "nowhere.db").exists()


def test_the_sql_that_stock_alembic_writes_does_what_it_does(copied: Path, tmp_path: Path) -> None:
    told = alembic(copied, "upgrade", "head", "--sql")
    connection = sqlite3.connect(tmp_path / "by_hand.db", isolation_level=None)
    connection.executescript(told)
    connection.close()
    alembic(copied, "upgrade", "head")
    assert tables(f"sqlite:///{tmp_path / 'by_hand.db'}") == tables(f"sqlite:///{copied / 'exemplo.db'}")


def test_a_difference_between_database_and_models_is_seen_by_stock_alembic(copied: Path) -> None:
    alembic(copied, "upgrade", "head")
    with database.connect(database.engine(f"sqlite:///{copied / 'exemplo.db'}")) as connection:
        connection.execute(sa.text("ALTER TABLE produtos DROP COLUMN preco"))
        connection.commit()
    done = subprocess.run(
        [sys.executable, "-m", "alembic", "check"], cwd=copied, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "add_column" in done.stdout + done.stderr
