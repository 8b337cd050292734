"""Running commands in this process, and the project that they are run on."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import sqlalchemy as sa

from sqlstrata.databases import database
from tests.projects import Project

ROOT = Path(__file__).resolve().parents[2]

UNREACHABLE = "postgresql+psycopg://ana:s3gredo@127.0.0.1:1/loja"

PESSOAS = """
class Pessoa(Base):
    __tablename__ = "pessoas"
    id: Mapped[int] = mapped_column(primary_key=True)
    nome: Mapped[str] = mapped_column(sa.String(50))
"""

CIDADES = """
class Cidade(Base):
    __tablename__ = "cidades"
    id: Mapped[int] = mapped_column(primary_key=True)
    nome: Mapped[str] = mapped_column(sa.String(50))
"""

EMAIL = """
from modelos.pessoas import Pessoa

Pessoa.email = mapped_column(sa.String(100))
"""

MODULES = {"pessoas": PESSOAS, "cidades": CIDADES, "email": EMAIL}

STAGES: list[dict[str, Any]] = [
    {"name": "pessoas", "enable": ["pessoas"], "rows": {"pessoas": [{"nome": "Alice"}, {"nome": "Bob"}]}},
    {"name": "cidades", "enable": ["cidades"], "rows": {"cidades": [{"nome": "Recife"}]}},
    {"name": "email", "enable": ["email"], "rows": {"pessoas": [{"nome": "Célia", "email": "c@x.br"}]}},
]

NAMES = ["pessoas", "cidades", "email"]


@dataclass(frozen=True)
class Ran:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on standard output."""
        said = json.loads(self.out)
        assert isinstance(said, dict)
        return said

    @property
    def error(self) -> dict[str, Any]:
        found = self.json["error"]
        assert isinstance(found, dict)
        assert {"code", "message", "where", "hint"} <= set(found)
        assert found["code"] == self.code
        return found


Inv = Callable[..., Ran]


def fresh_tasks() -> ModuleType:
    """tasks.py as a new process finds it: Invoke takes each flag's help away when it has read it."""
    spec = importlib.util.spec_from_file_location("tasks", ROOT / "tasks.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules["tasks"] = made
    spec.loader.exec_module(made)
    return made


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with database.connect(database.engine(url)) as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def execute(url: str, *statements: str) -> None:
    with database.connect(database.engine(url)) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
        connection.commit()


def tables(url: str) -> list[str]:
    with database.connect(database.engine(url)) as connection:
        return sorted(set(sa.inspect(connection).get_table_names()) - {"alembic_version"})


def tree(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every file below the folder, with what would show that it was touched."""
    return {
        str(path.relative_to(folder)): (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def edited(project: Project) -> bytes:
    path = project.versions / "0002_cidades.py"
    content = path.read_bytes().replace(b"length=50", b"length=51")
    path.write_bytes(content)
    return content


def lines_in(name: str, old: str, new: str) -> Callable[[Project], object]:
    """Change a text in a file of the migrations folder."""

    def do(project: Project) -> None:
        path = project.versions.parent / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return do


def process(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `inv WORDS…` as a process of its own, with the tasks of this repository."""
    clean = {name: value for name, value in os.environ.items() if name not in {"CONFIG", "SQLSTRATA_CONFIG"}}
    return subprocess.run(
        [sys.executable, "-m", "invoke", "--search-root", str(ROOT), *words],
        cwd=folder, env=clean, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
