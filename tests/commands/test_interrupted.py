"""Commands that write several files, killed at any moment or on a full disk: all of it is there, or nothing.

A killed command leaves config.yaml whole, and what else it has left is gone after it is run again.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from sqlstrata import commands
from sqlstrata.databases import database
from sqlstrata.plan import read
from tests.commands.test_as_is import PESSOAS
from tests.commands.test_import_git import BASE, HEAD, PESSOA, Repo
from tests.projects import write
from tests.replay.test_import_alembic import ENV, USERS, revised

ROOT = Path(__file__).parents[2]
PROGRAM = """
import os, sys

left, here, is_full = int(sys.argv.pop(1)), sys.argv.pop(1), sys.argv.pop(1) == "full"


def reached(event, arguments):
    global left
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_CREAT | os.O_TRUNC)
    changes = event in {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link"}
    if not (writes or changes) or here not in str(arguments[0]) or "__pycache__" in str(arguments[0]):
        return
    left -= 1
    if left == 0 and not is_full:
        os.kill(os.getpid(), 9)
    if left < 0 and is_full and (writes or event == "os.mkdir"):
        raise OSError(28, "No space left on device", str(arguments[0]))


sys.addaudithook(reached)
from sqlstrata.cli import program

program.run()
"""


@dataclass(frozen=True)
class Case:
    """A folder, the words of a command in it, and the stages that config.yaml has after it."""

    folder: Path
    words: Sequence[str]
    after: Sequence[str]

    def run(self, points: int, how: str, temporary: Path) -> subprocess.CompletedProcess[str]:
        """Run the command, which is killed before so many changes in the folder, or finds the disk full after them."""
        env = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary), "PYTHONDONTWRITEBYTECODE": "1"}
        words = [sys.executable, "-c", PROGRAM, str(points), str(self.folder), how, *self.words]
        return subprocess.run(words, cwd=self.folder, env=env, capture_output=True, text=True, check=False)

    @property
    def config(self) -> bytes | None:
        path = self.folder / "config.yaml"
        return path.read_bytes() if path.exists() else None

    @property
    def stages(self) -> list[str]:
        return [stage.name for stage in read(self.folder / "config.yaml").stages]

    def files(self) -> set[str]:
        """All files and folders but those of git, of the database, and of what is kept on this machine."""
        paths = (path.relative_to(self.folder) for path in self.folder.rglob("*"))
        return {str(path) for path in paths if path.parts[0] not in {".git", ".sqlstrata"} and path.suffix != ".db"}


def import_git(folder: Path) -> Case:
    repo = Repo(folder)
    repo.git("init", "-q")
    repo.configure()
    repo.release("v1", {"app/__init__.py": "", "app/base.py": BASE, "app/pessoa.py": HEAD + PESSOA})
    return Case(folder, ["import-git", "--at", "v1"], ["v1", "agora"])


def import_alembic(folder: Path) -> Case:
    (folder / "alembic" / "versions").mkdir(parents=True)
    Repo(folder).configure()
    (folder / "alembic" / "env.py").write_text(ENV.format(url="sqlite:///nowhere.db", table="alembic_version"))
    (folder / "alembic.ini").write_text("[alembic]\nscript_location = alembic\n")
    revised(folder, 0, USERS, None)
    return Case(folder, ["import-alembic"], ["step_0", "agora"])


def init_from_database(folder: Path) -> Case:
    with sqlite3.connect(folder / "dev.db") as connection:
        connection.execute("CREATE TABLE pessoas (id INTEGER PRIMARY KEY NOT NULL)")
    return Case(folder, ["init", "--from-database", "sqlite:///dev.db"], ["initial"])


def adopt_as_is(folder: Path) -> Case:
    folder.rmdir()
    project = write(folder, {"pessoas": PESSOAS}, [{"name": "agora", "live": True}])
    commands.rebuild(project.plan(), proof=False)
    with database.engine(project.url).begin() as connection:
        connection.execute(sa.text("CREATE INDEX por_nome ON pessoas (nome)"))
    return Case(folder, ["adopt", "--as-is", "antes"], ["antes", "agora"])


CASES: Mapping[str, tuple[Callable[[Path], Case], int, int]] = {
    "import-git": (import_git, 9, 13),
    "import-alembic": (import_alembic, 3, 6),
    "init --from-database": (init_from_database, 4, 20),
    "adopt --as-is": (adopt_as_is, 3, 12),
}
"""Each command, and after how many changes of a file or folder the disk is full, or it is killed."""


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Case, int, int, Path]:
    """A case, its numbers, and the folder of temporary files."""
    make, full, kill = CASES[request.param]
    for name in ("projeto", "tmp"):
        (tmp_path / name).mkdir()
    return make(tmp_path / "projeto"), full, kill, tmp_path / "tmp"


def test_after_a_kill_it_is_run_again_and_nothing_else_is_left(case: tuple[Case, int, int, Path]) -> None:
    made, _, kill, temporary = case
    before = made.config
    assert made.run(kill, "killed", temporary).returncode == -signal.SIGKILL
    assert made.config == before or made.stages == list(made.after)
    done = made.run(1_000_000, "killed", temporary)
    assert done.returncode == 0, done.stderr
    assert made.stages == list(made.after)
    left = [
        path for path in (*made.folder.rglob("*strata-*"), *made.folder.rglob("*partial*")) if path.parts[0] != ".git"
    ]
    assert left == []
    assert list(temporary.iterdir()) == []


def test_on_a_full_disk_everything_stays_as_it_was(case: tuple[Case, int, int, Path]) -> None:
    made, full, _, temporary = case
    before, files = made.config, made.files()
    done = made.run(full, "full", temporary)
    assert (done.returncode, "No space left" in done.stderr) == (2, True), done.stderr
    assert (made.config, made.files()) == (before, files)
    assert list(temporary.iterdir()) == []
