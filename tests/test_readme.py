"""What the README and the reference show is true: commands, outputs and Python are run in a clone of the repository."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import guides, picture
from tests.projects import clone

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
REFERENCE = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
INSTALL = "--constraint constraints.txt --editable '.[dev]'"
VENV = ".venv/bin/"


@pytest.fixture(scope="module")
def cloned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository as a clone would have it, before any command."""
    return clone(tmp_path_factory.mktemp("clone"))


def test_every_command_that_is_shown_works_in_the_order_in_which_it_is_shown(tmp_path: Path) -> None:
    """The first two, which install and test, are those of the continuous integration script."""
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    with guides.player(tmp_path) as playing:
        clone(playing.folder)
        first, second, *rest = (
            each for text in (README, REFERENCE) for block in guides.blocks(text) for each in block.commands()
        )
        install, _, rebuild = first.text.rpartition(" && ")
        assert INSTALL in install
        assert INSTALL in script
        assert (second.text, "inv test" in script) == (f"{VENV}inv test", True)
        for command in [guides.Command(rebuild.removeprefix(VENV), first.code, first.shown), *rest]:
            code, output = playing.run(command.text)
            assert code == command.code, f"{command.text}\n{output}"
            if command.shown:
                assert guides.is_as_shown(command.shown, output), f"{command.text}\n{output}"


def test_the_python_that_is_shown_runs(cloned: Path) -> None:
    """As a script in the folder of the plan."""
    code = next(block.text for block in guides.blocks(REFERENCE) if "import history" in block.text)
    environ = {**os.environ, "PYTHONPATH": str(cloned)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cloned, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        "0001_usuario.py",
        "0002_produto.py",
        "0003_usuario_email.py",
    ]


def test_the_revision_that_is_shown_is_the_third_of_the_example() -> None:
    """Word for word."""
    shown = next(block.text for block in guides.blocks(README) if "def upgrade" in block.text)
    assert shown in (ROOT / "migrations" / "versions" / "0003_usuario_email.py").read_text(encoding="utf-8")


def test_the_refusal_that_is_shown_is_that_of_the_guide() -> None:
    """Word for word."""
    shown = next(block.text for block in guides.blocks(README) if "must be allowed" in block.text)
    guide = (ROOT / "docs" / "new-project.md").read_text(encoding="utf-8")
    assert guides.is_as_shown(f"…{shown}…", guide)


def test_the_picture_is_what_a_terminal_shows(tmp_path: Path) -> None:
    """`python -m tests.picture` draws it again."""
    assert picture.picture(clone(tmp_path)) == picture.PICTURE.read_text(encoding="utf-8")


def test_the_exit_codes_that_are_listed_are_those_of_the_errors() -> None:
    """Each error class has a line, and each line a class."""
    from sqlstrata import errors  # noqa: PLC0415

    listed = {int(code) for code in re.findall(r"^\| (\d+) \| ", REFERENCE, re.MULTILINE)}
    classes = {value.code for value in vars(errors).values() if isinstance(value, type) and hasattr(value, "code")}
    assert listed == {0, *classes}
