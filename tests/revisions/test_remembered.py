"""`check` need not make a history again where nothing that it was made of has changed; in any doubt it does."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sqlstrata import commands
from sqlstrata.revisions import remembered
from tests.projects import Project, write

MODULES = {
    "pessoas": """
        class Pessoa(Base):
            __tablename__ = "pessoas"
            id: Mapped[int] = mapped_column(primary_key=True)
        """,
    "cidades": """
        class Cidade(Base):
            __tablename__ = "cidades"
            id: Mapped[int] = mapped_column(primary_key=True)
        """,
}
STAGES = [{"name": "pessoas", "enable": ["pessoas"]}]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with a history, in which making it again is not allowed."""
    made = write(tmp_path / "p", MODULES, STAGES, package="modelos")
    commands.rebuild(made.plan(), proof=False, apply_it=False)

    def again(*_: object) -> None:
        raise AssertionError("made again")

    monkeypatch.setattr(sys.modules["sqlstrata.commands.check"], "steps", again)
    return made


def test_what_has_not_changed_is_not_made_again(project: Project) -> None:
    assert commands.check(project.plan()).mismatch is None


def test_a_package_may_be_in_others(project: Project) -> None:
    """What these say counts, too; that they are packages at all, because a namespace may be found elsewhere."""
    models, above = project.folder / "loja" / "modelos", project.folder / "loja" / "__init__.py"
    models.parent.mkdir()
    (project.folder / "modelos").rename(models)
    for path in models.glob("*.py"):
        path.write_text(path.read_text(encoding="utf-8").replace("from modelos", "from loja.modelos"), encoding="utf-8")
    project.configure(models={"package": "loja.modelos", "base": "base:Base"})
    with pytest.raises(AssertionError, match="made again"):
        commands.check(project.plan())
    for text, quick in (("x = 1\n", True), ("import os\n", False), (None, False)):
        above.unlink(missing_ok=True) if text is None else above.write_text(text, encoding="utf-8")
        commands.rebuild(project.plan(), proof=False, apply_it=False)
        if quick:
            assert commands.check(project.plan()).mismatch is None
            append(above)
        with pytest.raises(AssertionError, match="made again"):
            commands.check(project.plan())


def place(project: Project) -> Path:
    return project.folder / "migrations" / "__pycache__" / "strata.json"


def revision(project: Project) -> Path:
    return next((project.folder / "migrations" / "versions").glob("0001*.py"))


def append(path: Path, text: str = "\n") -> None:
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def link(project: Project) -> None:
    (project.folder / "elsewhere").mkdir()
    (project.folder / "modelos" / "inner").symlink_to(project.folder / "elsewhere")


CHANGES: dict[str, Callable[[Project], object]] = {
    "a module": lambda p: append(p.folder / "modelos" / "pessoas.py"),
    "a module that no stage names": lambda p: append(p.folder / "modelos" / "cidades.py"),
    "another module": lambda p: (p.folder / "modelos" / "nova.py").touch(),
    "a module that is no text": lambda p: (p.folder / "modelos" / "nova.pyc").touch(),
    "a folder that is somewhere else": link,
    "config.yaml": lambda p: append(p.folder / "config.yaml", "# x\n"),
    "a revision": lambda p: append(revision(p)),
    "a revision too many": lambda p: (revision(p).parent / "0002_x.py").touch(),
    "a revision gone": lambda p: revision(p).unlink(),
    "nothing remembered": lambda p: place(p).unlink(),
    "something else remembered": lambda p: place(p).write_text("[]", encoding="utf-8"),
    "no JSON remembered": lambda p: place(p).write_text("{", encoding="utf-8"),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_whatever_has_changed_has_it_made_again(project: Project, change: Callable[[Project], object]) -> None:
    change(project)
    with pytest.raises(AssertionError, match="made again"):
        commands.check(project.plan())


def test_another_version_or_another_server_has_it_made_again(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(remembered, "_versions", lambda: (b"0",))
        with pytest.raises(AssertionError, match="made again"):
            commands.check(project.plan())
    project.configure(prove_on=["${WHERE}"])
    monkeypatch.setenv("WHERE", "sqlite://")
    commands.rebuild(project.plan(), proof=False, apply_it=False)
    assert commands.check(project.plan()).mismatch is None
    monkeypatch.setenv("WHERE", "postgresql+psycopg://localhost/x")
    with pytest.raises(AssertionError, match="made again"):
        commands.check(project.plan())


@pytest.mark.parametrize("name", ["modelos/pessoas.py", "config.yaml"])
def test_what_is_written_to_while_a_history_is_made_is_not_what_it_was_made_of(project: Project, name: str) -> None:
    def notify(_: str, stage: str) -> None:
        if stage:
            append(project.folder / name)

    commands.rebuild(project.plan(), proof=False, apply_it=False, notify=notify)
    with pytest.raises(AssertionError, match="made again"):
        commands.check(project.plan())


def test_a_plan_that_was_read_before_its_file_changed_is_not_what_the_file_says(project: Project) -> None:
    plan = project.plan()
    project.configure(stages=[{**STAGES[0], "message": "Outra"}])
    commands.rebuild(plan, proof=False, apply_it=False)
    with pytest.raises(AssertionError, match="made again"):
        commands.check(project.plan())


OPEN = {
    "the system": "import os",
    "the system, under another name": "from os import path as p",
    "two at once": "import re, os",
    "a line that goes on": "from os \\\n import re",
    "an import in a word": "x = __import__('os')",
    "somebody else's package": "from geoalchemy2 import Geometry",
    "a library that goes by what else is installed": "from sqlalchemy_utils import PasswordType",
    "a neighbour outside of the package": "from ajudantes import base",
    "a package that begins alike": "from modelos_2 import x",
    "a file": "x = open('/etc/hostname').read()",
    "the clock": "from datetime import datetime\nx = datetime.now()",
    "today": "from datetime import date\nx = date.today()",
    "where the clock is": "from datetime import datetime\nx = datetime.fromtimestamp(0)",
    "chance": "from uuid import uuid4\nx = uuid4()",
    "a database": "from sqlalchemy import create_engine",
    "a reflected table": "x = Table('t', metadata, autoload_with=y)",
    "code in a text": "exec('im' + 'port os')",
}
CLOSED = [
    "import sqlalchemy as sa",
    "from sqlalchemy import func\nx = func.now()",
    "import sqlalchemy as sa\nx = sa.func.now()",
    "from datetime import datetime\nx = datetime.now",
    "from modelos.base import Base",
    "from modelos import base",
    "from . import base",
    "from .base import Base",
    "from typing import (\n    Any,\n    ClassVar,\n)",
]


@pytest.mark.parametrize("text", OPEN.values(), ids=OPEN)
def test_a_module_that_could_say_something_else_the_next_time_is_not_remembered(project: Project, text: str) -> None:
    assert not remembered.is_closed(text.encode(), "modelos", "modelos")
    append(project.folder / "modelos" / "cidades.py", f"\n{text}\n")
    remembered.remember(project.plan(), remembered.digest(project.plan()), ())
    assert not place(project).exists()


@pytest.mark.parametrize("text", CLOSED)
def test_a_plain_module_is_closed(text: str) -> None:
    assert remembered.is_closed(text.encode(), "modelos", "modelos")


@pytest.mark.parametrize(
    ("line", "closed"),
    [
        ("from . import x", True),
        ("from .x import y", True),
        ("from .. import x", True),
        ("from ..x import y", True),
        ("from ... import x", False),
        ("from ...x import y", False),
        ("from ...modelos import y", True),
        ("import loja", False),
        ("from loja import x", False),
        ("import loja.x", False),
        ("import loja.modelos.x", True),
    ],
)
def test_what_is_outside_of_the_package_is_open(line: str, *, closed: bool) -> None:
    assert remembered.is_closed(line.encode(), "loja.modelos", "loja.modelos.inner") == closed


def test_what_is_remembered_are_digests(project: Project) -> None:
    known = json.loads(place(project).read_text(encoding="utf-8"))
    assert set(known) == {"made of", "files"}
    assert all(len(each) == 64 for each in (known["made of"], *known["files"].values()))
