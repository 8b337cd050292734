"""The rooms of the package: each imports only those below it, nothing goes in a circle, and nothing grows too long."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import sqlstrata

PACKAGE = Path(sqlstrata.__file__).parent
ROOMS = (
    "operations",
    "template",
    "secret",
    "columns",
    "servers",
    "nearest",
    "child",
    "result",
    "errors",
    "disk",
    "sqlalchemy_versions",
    "private_names",
    "source",
    "sql_objects",
    "plan",
    "dialects",
    "modules",
    "schema",
    "diff",
    "revisions",
    "folder",
    "databases",
    "snapshot",
    "scratch",
    "migrate",
    "proof",
    "start",
    "replay",
    "past",
    "commands",
    "asking",
    "terminal",
    "output",
    "program",
    "command",
    "__init__",
    "tasks",
    "cli",
    "__main__",
)
"""From the bottom to the top. `operations` needs Alembic and SQLAlchemy alone; `__init__` has the public names."""
LONGEST_MODULE = 350
LONGEST_CLASS = 200


def name_of(path: Path) -> str:
    """The module's name within the package: `folder.files`, `folder` for its `__init__`, `__init__` for the package's."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


def imports(name: str) -> set[str]:
    """The package's modules that a module imports anywhere in its text, also for typing alone."""
    return {each for node in ast.walk(TREES[name]) for each in imported(node, name)}


def imported(node: ast.AST, name: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            if alias.name.partition(".")[0] == "sqlstrata":
                yield within(alias.name)
    if isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            above = ["sqlstrata", *MODULES[name].relative_to(PACKAGE).parts[:-1]]
            base = ".".join([*above[: len(above) - node.level + 1], *([base] if base else [])])
        if base.partition(".")[0] == "sqlstrata":
            for alias in node.names:
                inner = within(f"{base}.{alias.name}")
                yield inner if inner in MODULES else within(base)


def within(module: str) -> str:
    return module.partition(".")[2] or "__init__"


def place(name: str) -> int:
    return ROOMS.index(name.partition(".")[0])


def test_every_module_is_in_one_of_the_rooms() -> None:
    assert {name.partition(".")[0] for name in MODULES} == set(ROOMS)


def test_a_room_imports_only_those_below_it() -> None:
    upward = [f"{name} imports {other}" for name in MODULES for other in imports(name) if place(other) > place(name)]
    assert upward == []


def test_what_is_imported_is_a_module_of_the_package() -> None:
    """Otherwise the other tests would look past it."""
    assert {other for name in MODULES for other in imports(name)} <= MODULES.keys()


def test_no_imports_go_in_a_circle() -> None:
    TopologicalSorter({name: imports(name) for name in MODULES}).prepare()  # raises CycleError, which names it


def test_no_module_is_too_long() -> None:
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in MODULES.items()}
    assert {name: length for name, length in lengths.items() if length > LONGEST_MODULE} == {}


def test_no_class_is_too_long() -> None:
    lengths = {
        f"{name}.{node.name}": (node.end_lineno or 0) - node.lineno + 1
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST_CLASS} == {}
