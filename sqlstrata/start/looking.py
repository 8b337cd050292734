"""The process that imports candidates, and reports the MetaData and tables that it finds. See `discovery`.

It reads one JSON object from standard input, and writes one on each line of standard output: which module it is about
to import, what failed, and at the end what it found. What the modules themselves print goes nowhere.
"""

from __future__ import annotations

import ast
import importlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from inspect import currentframe
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from sqlstrata.modules.bases import metadata_of

Say = Callable[[Mapping[str, object]], None]


def main() -> None:
    """Import what standard input names, and report. Never returns: threads of the modules must not keep it alive."""
    said = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)

    def say(found: Mapping[str, object]) -> None:
        said.write(json.dumps(found) + "\n")
        said.flush()

    asked = json.load(sys.stdin)
    _look([Path(root) for root in asked["roots"]], asked["modules"], say)
    os._exit(0)


def _look(roots: list[Path], modules: list[str], say: Say) -> None:
    made: dict[int, str] = {}
    """The module that was being executed when a table was made, by the table's id."""

    def note(table: sa.Table, _: sa.MetaData, **__: object) -> None:
        made[id(table)] = _running(roots) or made.get(id(table), "")

    event.listen(sa.Table, "after_parent_attach", note)
    sys.path[:0] = map(str, roots)
    for name in modules:
        say({"importing": name})
        try:
            importlib.import_module(name)
        except BaseException as error:  # noqa: BLE001 - a user's module may raise anything
            say({"failed": name, "error": f"{type(error).__name__}: {error}".strip().rstrip(":")})
    say({"found": list(_found(roots, made))})


def _running(roots: list[Path]) -> str | None:
    """The user's module whose code is being executed."""
    frame: FrameType | None = currentframe()
    while frame is not None:
        if frame.f_code.co_name == "<module>" and _is_users(frame.f_code.co_filename, roots):
            return str(frame.f_globals.get("__name__"))
        frame = frame.f_back
    return None


def _is_users(file: object, roots: list[Path]) -> bool:
    path = Path(str(file))
    return "site-packages" not in path.parts and any(path.is_relative_to(root) for root in roots)


def _found(roots: list[Path], made: Mapping[int, str]) -> Iterator[dict[str, object]]:
    """Each MetaData that a module of the user's has, its best name, and its tables' names and modules."""
    users = [each for each in list(sys.modules.values()) if _is_users(getattr(each, "__file__", None), roots)]
    names: dict[int, list[tuple[bool, int, str, str]]] = {}
    metadatas: dict[int, sa.MetaData] = {}
    for module in users:
        imported = _imports(module)
        for attribute, value in list(vars(module).items()):
            metadata = None if attribute.startswith("__") else _metadata(value)
            if metadata is not None:
                metadatas[id(metadata)] = metadata
                rank = (isinstance(value, type), isinstance(value, sa.MetaData)).index(True) if _is_plain(value) else 2
                names.setdefault(id(metadata), []).append((attribute in imported, rank, module.__name__, attribute))
    for key, metadata in metadatas.items():
        _, _, module_name, attribute = min(names[key])
        tables = {name: made.get(id(table), "") for name, table in metadata.tables.items()}
        yield {"module": module_name, "attribute": attribute, "tables": tables}


def _is_plain(value: object) -> bool:
    return isinstance(value, type | sa.MetaData)


def _metadata(value: Any) -> sa.MetaData | None:  # noqa: ANN401 - whatever a module has
    try:
        return metadata_of(value)
    except Exception:  # noqa: BLE001 - a user's object may raise anything when it is looked at
        return None


def _imports(module: ModuleType) -> frozenset[str]:
    """The names that a module has by importing them."""
    tree = ast.parse(Path(str(module.__file__)).read_bytes())
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom))
    return frozenset(alias.asname or alias.name for node in nodes for alias in node.names)


if __name__ == "__main__":
    main()
