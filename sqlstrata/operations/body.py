"""The operations in a revision's function, read from its source: our revisions contain nothing else."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType


@dataclass(frozen=True)
class Operation:
    """One operation of a revision's function: its name, what it is about, and its lines."""

    name: str
    about: tuple[str, ...]
    first: int
    last: int
    node: ast.stmt

    def __str__(self) -> str:
        if self.name == "run_sql":
            return f"run_sql {self.about[0][:40]!r}" if self.about else self.name
        return " ".join([self.name, *self.about[: 2 if _KINDS.get(self.name) in {"column", "key"} else 1]])

    @property
    def statements(self) -> list[ast.expr]:
        """Of `run_sql`, the statements for MariaDB."""
        call = self.node.value if isinstance(self.node, ast.Expr) else None
        if not isinstance(call, ast.Call):
            return []
        own = next((each.value for each in call.keywords if each.arg == "mysql"), None)
        given = own if own is not None else call.args[0] if call.args else None
        return list(given.elts) if isinstance(given, ast.List | ast.Tuple) else [] if given is None else [given]

    def from_statement(self, first: int) -> Operation:
        """Of `run_sql`, the same without its first statements."""
        call = ast.Call(
            ast.Attribute(ast.Name("op", ast.Load()), "run_sql", ast.Load()),
            [ast.List(self.statements[first:], ast.Load())],
            [],
        )
        node = ast.copy_location(ast.Expr(call), self.node)
        return replace(self, node=ast.fix_missing_locations(node))

    @property
    def guards(self) -> bool:
        return self.name.startswith("require_")

    @property
    def keys(self) -> frozenset[tuple[str, ...]]:
        """What it is about, equal for the operation that reverses it."""
        kind = _KINDS.get(self.name, self.name)
        if kind == "rename":
            return frozenset({("rename", *sorted(self.about))})
        return frozenset({(kind, *self.about[: _NAMES.get(kind, 1)])})


_KINDS = {
    "create_table": "table", "drop_table": "table", "add_column": "column", "drop_column": "column",
    "create_index": "index", "drop_index": "index", "rename_table": "rename", "rename_column": "rename",
    "rename_key": "rename", "move_table": "move", "add_foreign_key": "key", "drop_foreign_key": "key",
    "create_sequence": "sequence", "drop_sequence": "sequence",
}  # fmt: skip
_NAMES = {"column": 2, "key": 99, "run_sql": 0}


def operations(module: ModuleType, function: str) -> list[Operation]:
    """The operations of `upgrade` or `downgrade`, in order."""
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    body = next((n.body for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == function), [])
    found = []
    for node in body:
        call = node.value if isinstance(node, ast.Expr) else None
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
            texts = [
                each.value
                for each in ast.walk(_within(call))
                if isinstance(each, ast.Constant) and isinstance(each.value, str)
            ]
            texts += [
                str(k.value.value) for k in call.keywords if k.arg == "table_name" and isinstance(k.value, ast.Constant)
            ]
            found.append(Operation(call.func.attr, tuple(texts), node.lineno, node.end_lineno or node.lineno, node))
    return found


def _within(call: ast.Call) -> ast.AST:
    """The arguments that name what it is about."""
    plain = [arg for arg in call.args if not isinstance(arg, ast.Call) or _is_name(arg)]
    described = [] if isinstance(call.func, ast.Attribute) and call.func.attr == "change_table" else call.args[:2]
    return ast.List(elts=list(dict.fromkeys([*plain, *described])), ctx=ast.Load())


def _is_name(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr == "f"


def at(line: int, known: Sequence[Operation]) -> Operation | None:
    """The operation that a line belongs to."""
    return next((each for each in known if each.first <= line <= each.last), None)
