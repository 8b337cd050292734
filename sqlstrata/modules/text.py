"""One source file of a package of models: its code, and the names that its text binds."""

from __future__ import annotations

import ast
from functools import cached_property
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Text:
    """One source file, as it was when it was first read."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.source = Path(path).read_bytes()

    @property
    def code(self) -> CodeType:
        """The compiled text. Raises SyntaxError."""
        code: CodeType = compile(self.source, self.path, "exec", dont_inherit=True)
        return code

    @cached_property
    def tree(self) -> ast.Module:
        """The parsed text. Raises SyntaxError, as compiling it would."""
        return ast.parse(self.source, self.path)

    @cached_property
    def public(self) -> tuple[str, ...]:
        """The names that `from … import *` brings, as far as the text shows without being executed."""
        for name, node in self._names:
            if name == "__all__" and isinstance(node, ast.Assign) and isinstance(node.value, ast.List | ast.Tuple):
                return tuple(str(item.value) for item in node.value.elts if isinstance(item, ast.Constant))
        return tuple(dict.fromkeys(name for name, _ in self._names if not name.startswith(("_", "*"))))

    @cached_property
    def stars(self) -> tuple[str, ...]:
        """The modules whose names the text imports with a star and passes on in turn; relative ones begin with dots."""
        if any(name == "__all__" for name, _ in self._names):
            return ()
        nodes = [node for name, node in self._names if name == "*" and isinstance(node, ast.ImportFrom)]
        return tuple("." * node.level + (node.module or "") for node in nodes)

    @cached_property
    def _names(self) -> tuple[tuple[str, ast.stmt], ...]:
        return tuple(bound(self.tree.body))


def bound(body: Iterable[ast.stmt]) -> Iterator[tuple[str, ast.stmt]]:
    """Give the names that statements bind in a module, each with its statement."""
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, node
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                yield from ((alias.asname or alias.name.partition(".")[0], node) for alias in aliases)
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign() | ast.For() | ast.AsyncFor() | ast.With():
                yield from ((name, node) for name in _stored(node))
            case ast.If(body=inner, orelse=other):
                yield from bound([*inner, *other])
            case (
                ast.Try(body=inner, orelse=other, finalbody=last)
                | ast.TryStar(body=inner, orelse=other, finalbody=last)
            ):
                caught = [each for handler in node.handlers for each in handler.body]
                yield from bound([*inner, *caught, *other, *last])
            case _:
                pass
        if isinstance(node, ast.For | ast.AsyncFor | ast.With | ast.AsyncWith | ast.While):
            yield from bound(node.body)


def _stored(node: ast.stmt) -> Iterator[str]:
    """Give the names that a statement itself assigns, without those of statements inside it."""
    match node:
        case ast.Assign(targets=targets):
            parts: list[ast.expr] = targets
        case (
            ast.AnnAssign(target=target)
            | ast.AugAssign(target=target)
            | ast.For(target=target)
            | ast.AsyncFor(target=target)
        ):
            parts = [target]
        case ast.With(items=items):
            parts = [item.optional_vars for item in items if item.optional_vars is not None]
        case _:
            parts = []
    names = (each for part in parts for each in ast.walk(part) if isinstance(each, ast.Name))
    return (each.id for each in names if isinstance(each.ctx, ast.Store))
