"""What the README shows is true: its commands and its Python are run, and its revision is a file."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
COMMANDS = [
    line[2:] for kind, text in BLOCKS if kind == "console" for line in text.splitlines() if line.startswith("$ ")
]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository as a clone would have it, before any command."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("tasks.py", "config.yaml", "alembic.ini"):
        shutil.copy(ROOT / name, folder / name)
    for name in ("sqlstrata", "project", "migrations"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def _run(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    programs = {
        "sqlstrata": [sys.executable, "-m", "sqlstrata"],
        "inv": [sys.executable, "-m", "invoke"],
        "alembic": [sys.executable, "-m", "alembic"],
        "python": [sys.executable],
    }
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    environment = {name: value for name, value in environment.items() if name not in {"CONFIG", "SQLSTRATA_CONFIG"}}
    return subprocess.run(
        [*programs[words[0]], *words[1:]], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_every_command_that_is_shown_works_in_the_order_in_which_it_is_shown(clone: Path) -> None:
    """The first two, which install and test, are those of the continuous integration script."""
    first, second, *rest = COMMANDS
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "--constraint constraints.txt --editable '.[dev]'" in first
    assert "--constraint constraints.txt --editable '.[dev]'" in script
    assert first.endswith("inv rebuild")
    assert second.endswith("inv test")
    assert "inv test" in script
    made = _run(["inv", "rebuild"], clone)
    assert made.returncode == 0, made.stderr
    for command in rest:
        done = _run(command.split(), clone)
        behind = command.endswith(" status")  # its exit code says whether stages are pending
        assert done.returncode == 0 or (behind and done.returncode == 4), f"{command}\n{done.stdout}\n{done.stderr}"


def test_the_python_that_is_shown_runs(clone: Path) -> None:
    """As a script in the folder of the plan."""
    code = next(text for kind, text in BLOCKS if kind == "python" and "import history" in text)
    done = _run(["python", "-c", code], clone)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        "0001_usuario.py",
        "0002_produto.py",
        "0003_usuario_email.py",
    ]


def test_the_revision_that_is_shown_is_the_third_of_the_example() -> None:
    """Word for word."""
    shown = next(text for kind, text in BLOCKS if kind == "python" and "def upgrade" in text)
    assert shown in (ROOT / "migrations" / "versions" / "0003_usuario_email.py").read_text(encoding="utf-8")


def test_the_exit_codes_that_are_listed_are_those_of_the_errors() -> None:
    """Each error class has a line, and each line a class."""
    from sqlstrata import errors  # noqa: PLC0415

    listed = {int(code) for code in re.findall(r"^\| (\d+) \| ", README, re.MULTILINE)}
    classes = {value.code for value in vars(errors).values() if isinstance(value, type) and hasattr(value, "code")}
    assert listed == {0, *classes}
