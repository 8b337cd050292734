"""Which files of a folder may define tables, by their text alone: nothing is imported.

Left out are environments, tests, migrations, hidden folders, and files that do something when they are imported.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlstrata.disk import is_ignored
from sqlstrata.modules.frozen import is_frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOTS = ("src", "backend")
"""Folders that are no packages themselves: what is in them is imported without their name."""
_FOLDERS = frozenset(
    {"build", "dist", "docs", "migrations", "node_modules", "site-packages", "test", "tests", "versions"}
)
_FILES = re.compile(r"(conftest|fabfile|manage|noxfile|setup|tasks|test_.*|.*_test)\.py")
_DEFINES = re.compile(
    r"\b(DeclarativeBase|declarative_base|automap_base|MetaData|SQLModel|SQLAlchemy\(|registry\("
    r"|__tablename__|mapped_column\(|Mapped\[|Table\(|Column\()|\bdb\.Model\b"
)
_ACTS = frozenset(
    "commit create_all create_database drop_all drop_database execute exit input main run run_until_complete serve "
    "system upgrade".split()
)
"""Functions that a program calls, and a module of models does not."""
_LONGEST = 1_000_000  # bytes; no person wrote a longer file


@dataclass(frozen=True, slots=True)
class Candidate:
    """A module that may define tables, under the name that it is imported by."""

    module: str
    path: Path


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that is not imported, and why."""

    path: Path
    line: int
    why: str


@dataclass(frozen=True)
class Candidates:
    """What a folder has, by its text: where modules are imported from, the modules, and Alembic's folders."""

    roots: tuple[Path, ...]
    modules: tuple[Candidate, ...]
    unread: tuple[Unread, ...]
    alembic: tuple[Path, ...]
    names: tuple[str, ...]
    """All modules and packages, whether they may define tables or not."""

    def root_of(self, package: str) -> Path:
        """The folder that the top of a package is in; the folder itself where none has it."""
        head = package.partition(".")[0]
        has = (each for each in self.roots if (each / head).is_dir() or (each / f"{head}.py").is_file())
        return next(has, self.roots[0])

    def is_package(self, name: str) -> bool:
        """Whether a name is that of a folder, and not of a module."""
        return self.root_of(name).joinpath(*name.split(".")).is_dir()

    def is_apart(self, package: str) -> bool:
        """Whether a package can be imported neither from the folder nor from the environment."""
        head = package.partition(".")[0]
        importlib.invalidate_caches()
        return self.root_of(head) != self.roots[0] and importlib.util.find_spec(head) is None


def candidates(folder: Path) -> Candidates:
    """Read the Python files of a folder. Nothing is imported."""
    apart = [folder / name for name in ROOTS if (folder / name).is_dir() and not _is_package(folder / name)]
    roots = (folder, *apart)
    modules: list[Candidate] = []
    unread: list[Unread] = []
    alembic: list[Path] = []
    names: list[str] = []
    for root in roots:
        for place, folders, files in os.walk(root):
            here = Path(place)
            if "env.py" in files and here != root and _is_alembic(here / "env.py"):
                alembic.append(here)
                folders.clear()
                continue
            folders[:] = sorted(each for each in folders if here / each not in apart and not _is_left_out(here / each))
            for path in (here / each for each in sorted(files) if each.endswith(".py") and not _FILES.fullmatch(each)):
                name = _name(root, path)
                names += [name] if name else []
                found = _candidate(name, path) if name else None
                if isinstance(found, Candidate):
                    modules.append(found)
                elif found is not None:
                    unread.append(found)
    return Candidates(roots, tuple(modules), tuple(unread), tuple(alembic), tuple(names))


def _is_package(path: Path) -> bool:
    return (path / "__init__.py").is_file()


def _is_left_out(folder: Path) -> bool:
    name = folder.name
    kept = name.isidentifier() and name not in _FOLDERS and not is_ignored(name)
    is_alembics = (folder / "env.py").is_file() and name in _FOLDERS
    return not (kept or is_alembics) or (folder / "pyvenv.cfg").exists()


def _is_alembic(env: Path) -> bool:
    """Whether a file is the env.py of an Alembic folder that is not sqlstrata's."""
    text = env.read_text(encoding="utf-8", errors="replace")
    return "alembic" in text and "sqlstrata" not in text


def _name(root: Path, path: Path) -> str | None:
    """The name that a file is imported by; None where it has none."""
    parts = path.relative_to(root).with_suffix("").parts
    if parts[-1] == "__init__":
        parts = parts[:-1]
    return ".".join(parts) if parts and all(part.isidentifier() and part != "__main__" for part in parts) else None


def _candidate(name: str, path: Path) -> Candidate | Unread | None:
    try:
        text = path.read_text(encoding="utf-8", errors="replace") if path.stat().st_size <= _LONGEST else ""
    except OSError as error:
        return Unread(path, 1, f"it cannot be read: {error.strerror}")
    if not _DEFINES.search(text) or is_frozen(text):
        return None
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        return Unread(path, getattr(error, "lineno", None) or 1, "Python cannot read it")
    for call in _calls(tree.body):
        return Unread(path, call.lineno, f"importing it would call `{ast.unparse(call.func)}`")
    return Candidate(name, path)


def _calls(body: list[ast.stmt]) -> Iterator[ast.Call]:
    """The calls among these statements, and in those inside them, that do something."""
    for node in body:
        if isinstance(node, ast.Expr) and isinstance(call := _called(node.value), ast.Call):
            if ast.unparse(call.func).rpartition(".")[2] in _ACTS:
                yield call
        elif isinstance(node, ast.With | ast.For | ast.While | ast.Try) or (
            isinstance(node, ast.If) and "__name__" not in ast.unparse(node.test)
        ):
            yield from _calls([each for each in ast.iter_child_nodes(node) if isinstance(each, ast.stmt)])


def _called(value: ast.expr) -> ast.expr:
    return value.value if isinstance(value, ast.Await) else value
