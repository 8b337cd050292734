"""Which tables a module's text defines: for messages alone, so what is computed is not looked for."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def tables_of(path: Path) -> dict[str, range]:
    """The names of the tables that the text of a module defines, each with the lines of its class or Table."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return {}
    return {name: range(node.lineno, (node.end_lineno or node.lineno) + 1) for name, node in _tables(tree)}


def _tables(tree: ast.Module) -> Iterator[tuple[str, ast.stmt]]:
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef():
                yield from ((name, node) for each in node.body for name in _named(each))
            case (
                ast.Assign(value=ast.Call(func=function, args=[ast.Constant(value=str(name)), *_]))
                | ast.Expr(value=ast.Call(func=function, args=[ast.Constant(value=str(name)), *_]))
            ):
                if ast.unparse(function).rpartition(".")[2] == "Table":
                    yield name, node


def _named(statement: ast.stmt) -> Iterator[str]:
    match statement:
        case ast.Assign(targets=[ast.Name(id="__tablename__")], value=ast.Constant(value=str(name))):
            yield name
