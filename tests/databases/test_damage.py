"""SQLite files that are damaged, or no databases: noticed, reported as what they are, and left as they are."""

from __future__ import annotations

import os
import random
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from sqlstrata import commands
from sqlstrata.databases import creation, database
from sqlstrata.errors import SqlstrataError, Unreachable
from tests.commands.test_onboard import inv
from tests.migrate.test_identify import MODULES, STAGES
from tests.outcomes import outcome
from tests.projects import Project, write

SEED = int(os.environ.get("STRATA_SEED", "20240229"))
DAMAGES = int(os.environ.get("STRATA_DAMAGES", "3"))
"""How many damaged files each command meets; some hundreds in a long run."""

PAGE = 4096
DOCUMENTED = {2, 3, 4, 5, 6, 7, 8, 9, 10}

COMMANDS: dict[str, Callable[[Project], object]] = {
    "status": lambda project: commands.status(project.plan()),
    "identify": lambda project: commands.identify(project.plan()),
    "adopt": lambda project: commands.adopt(project.plan(), wait=1),
    "stages": lambda project: commands.stages(project.plan()),
    "onboard": lambda project: commands.onboard(project.plan(), wait=1),
    "rebuild": lambda project: commands.rebuild(project.plan(), proof=False, wait=1),
    "up": lambda project: commands.up(project.plan(), wait=1),
    "down": lambda project: commands.down(project.plan(), wait=1),
    "reset": lambda project: commands.reset(project.plan(), lambda _: True, wait=1),
}
LOOKS = ("status", "identify", "adopt", "onboard")
"""The commands that say what a database is."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose database has a table and an index of several pages."""
    made = write(tmp_path_factory.mktemp("damage") / "p", MODULES, STAGES, package="modelos")
    commands.onboard(made.plan())
    with database.engine(made.url).begin() as connection:
        rows = [(f"nome {number} " + "x" * 30, "a@b") for number in range(600)]
        connection.exec_driver_sql("INSERT INTO pessoas (nome, email) VALUES (?, ?)", rows)
    return made


@pytest.fixture
def good(project: Project) -> bytes:
    """The whole file; put back before and after a test."""
    kept = project.folder.parent / "kept.db"
    if not kept.exists():
        kept.write_bytes(file(project).read_bytes())
    put(project, kept.read_bytes())
    return kept.read_bytes()


def file(project: Project) -> Path:
    return project.folder / "dev.db"


def put(project: Project, content: bytes) -> None:
    for path in project.folder.glob("dev.db*"):
        path.unlink()
    file(project).write_bytes(content)


def is_whole(path: Path) -> bool:
    """What SQLite itself says."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute("PRAGMA quick_check").fetchall() == [("ok",)]
    except (sqlite3.Error, UnicodeDecodeError):
        return False
    finally:
        connection.close()


def root_page(project: Project, name: str) -> int:
    with database.engine(project.url, reading=True).connect() as connection:
        query = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        return int(connection.exec_driver_sql(query, (name,)).scalar_one())


def overwritten(content: bytes, page: int, by: bytes) -> bytes:
    """The file with a page, counted from 1, exchanged."""
    return content[: (page - 1) * PAGE] + by + content[page * PAGE :]


def garbage(size: int = PAGE) -> bytes:
    return random.Random(SEED).randbytes(size)


KINDS: dict[str, Callable[[Project, bytes], bytes]] = {
    "cut off in the middle of a page": lambda _, good: good[: len(good) // 2 + 100],
    "cut off after the first page": lambda _, good: good[:PAGE],
    "cut off inside the header": lambda _, good: good[:50],
    "no page size": lambda _, good: good[:16] + b"\0\3" + good[18:],
    "a file format of the future": lambda _, good: good[:44] + b"\0\0\0\x09" + good[48:],
    "random bytes in the header": lambda _, good: good[:16] + garbage(84) + good[100:],
    "garbage in the schema's page": lambda _, good: good[:100] + garbage(PAGE - 100) + good[PAGE:],
    "garbage in a table": lambda project, good: overwritten(good, root_page(project, "pessoas"), garbage()),
    "garbage in an index": lambda project, good: overwritten(good, root_page(project, "ix_pessoas_nome"), garbage()),
    "zeros in a table": lambda project, good: overwritten(good, root_page(project, "pessoas"), bytes(PAGE)),
    "zeros in an index": lambda project, good: overwritten(good, root_page(project, "ix_pessoas_nome"), bytes(PAGE)),
    "zeros in the table of the revision": lambda project, good: overwritten(
        good, root_page(project, "alembic_version"), bytes(PAGE)
    ),
    "a page twice": lambda project, good: overwritten(
        good, root_page(project, "pessoas"), good[(root_page(project, "cidades") - 1) * PAGE :][:PAGE]
    ),
    "text of the schema that is not SQL": lambda _, good: good.replace(
        b"CREATE TABLE pessoas", b"CREATE TABLE (essoas"
    ),
    "text of the schema that is not UTF-8": lambda _, good: good.replace(b"email VARCHAR(40)", b"email VARCHAR(4\xff)"),
    "an encrypted file": lambda _, good: garbage(len(good)),
    "another program's file": lambda _, good: b"PK\x03\x04" + bytes(5000),
    "a text": lambda _, good: b"x",
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_command_reports_damage(project: Project, good: bytes, kind: str) -> None:
    """Each kind with some of the commands, unless a long run is asked for: they open the file in the same way."""
    content = KINDS[kind](project, good)
    assert content != good
    some = COMMANDS if DAMAGES > 3 else random.Random(kind).sample(list(COMMANDS), 3)
    for name in some:
        run = COMMANDS[name]
        put(project, content)
        if name not in LOOKS:
            met = None
            try:
                run(project)
            except SqlstrataError as error:  # anything else is the bug
                met = error
            assert met is None or met.code in DOCUMENTED
            continue
        with pytest.raises(Unreachable) as raised:
            run(project)
        assert str(file(project)) in raised.value.message
        assert "damaged" in raised.value.message or "unsupported file format" in raised.value.message
        assert ".recover" in str(raised.value.hint) or "unsupported" in raised.value.message
        assert file(project).read_bytes() == content


def test_stages_says_that_the_file_is_damaged(project: Project, good: bytes) -> None:
    put(project, overwritten(good, root_page(project, "alembic_version"), bytes(PAGE)))
    assert "damaged" in str(commands.stages(project.plan()).unreachable)


def damaged(good: bytes, chance: random.Random) -> bytes:
    """The file with some damage or other."""
    content, pages = bytearray(good), len(good) // PAGE
    match chance.randrange(5):
        case 0:
            return good[: chance.randrange(1, len(good))]
        case 1:
            for _ in range(chance.randrange(1, 4)):
                content[chance.randrange(100)] = chance.randrange(256)
        case 2:
            return overwritten(good, chance.randrange(pages) + 1, chance.choice([bytes(PAGE), chance.randbytes(PAGE)]))
        case 3:
            for _ in range(chance.randrange(1, 30)):
                content[chance.randrange(16, len(content))] = chance.randrange(256)
        case 4:
            start = good.find(b"CREATE")
            content[start + chance.randrange(300)] = chance.randrange(256)
    return bytes(content)


@pytest.mark.parametrize("name", COMMANDS)
def test_damage_anywhere_ends_in_an_exit_code_that_is_documented(project: Project, good: bytes, name: str) -> None:
    """And nothing that SQLite finds damaged is said to be at a stage."""
    chance = random.Random(SEED)
    for _ in range(DAMAGES):
        content = damaged(good, chance)
        put(project, content)
        whole, code = is_whole(file(project)), 0
        put(project, content)
        try:
            COMMANDS[name](project)
        except SqlstrataError as error:
            code = error.code
        assert code in {0, *DOCUMENTED}
        assert whole or name not in LOOKS or code == 8


def test_a_write_ahead_log_that_is_damaged_is_no_traceback(project: Project, good: bytes) -> None:
    connection = sqlite3.connect(file(project))
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("UPDATE pessoas SET nome = nome || '!'")
    connection.commit()
    content, log = file(project).read_bytes(), Path(f"{file(project)}-wal").read_bytes()
    connection.close()
    chance = random.Random(SEED)
    for name, run in COMMANDS.items():
        for _ in range(3):
            put(project, content)
            broken = bytearray(log)
            for _ in range(20):
                broken[chance.randrange(len(log))] = chance.randrange(256)
            Path(f"{file(project)}-wal").write_bytes(
                broken[: chance.randrange(len(log))] if chance.random() < 0.5 else broken
            )
            code = 0
            try:
                run(project)
            except SqlstrataError as error:
                code = error.code
            assert code in {0, *DOCUMENTED}, name


@pytest.mark.parametrize("kind", ["a folder", "a pipe", "a socket", "a device"])
def test_what_is_no_file_is_named_and_nobody_waits_for_it(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "x.db"
    listening = socket.socket(socket.AF_UNIX)
    if kind == "a folder":
        place.mkdir()
    elif kind == "a pipe":
        os.mkfifo(place)
    elif kind == "a socket":
        os.chdir(tmp_path)
        listening.bind("x.db")
    else:
        place = Path("/dev/zero")
    with listening, pytest.raises(Unreachable, match=f"is {kind}, not a SQLite database"):
        creation.exists(f"sqlite:///{place}")


def test_functions_of_an_application_are_no_damage(project: Project, good: bytes) -> None:
    """quick_check would call them."""
    connection = sqlite3.connect(file(project))
    connection.create_function("deles", 1, lambda value: value, deterministic=True)
    connection.execute("CREATE TABLE outra (id INTEGER, CHECK (deles(id) > 0))")
    connection.execute("INSERT INTO outra VALUES (1)")
    connection.commit()
    connection.close()
    with pytest.raises(sa.exc.OperationalError), database.engine(project.url, reading=True).connect() as made:
        made.exec_driver_sql("PRAGMA quick_check")
    assert [each.table for each in outcome(commands.status, project.plan()).differences] == ["outra"]


def test_the_command_line_says_so_in_two_sentences(project: Project, good: bytes) -> None:
    put(project, overwritten(good, root_page(project, "pessoas"), garbage()))
    for words in (["status"], ["identify"], ["adopt"], ["onboard"], ["status", "--json"]):
        done = inv(project, *words)
        assert done.returncode == 8, (words, done.stderr)
        assert "Traceback" not in done.stderr
        assert "exactly" not in done.stdout
        assert "The file was not changed." in done.stderr.splitlines()[-1]
