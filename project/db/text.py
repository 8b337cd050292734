"""One source file of a package of models: its code, and what its text tells of names without being executed."""

from __future__ import annotations

import ast
from functools import cached_property
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Text:
    """One source file, as it was when it was first read."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.source = Path(path).read_bytes()

    @cached_property
    def code(self) -> CodeType:
        """What is executed; raises SyntaxError."""
        known = _known.get(self.source)
        if known is not None:
            return _in(self.path, known)
        made: CodeType = compile(self.source, self.path, "exec", dont_inherit=True)
        return _known.setdefault(self.source, made)

    @property
    def tree(self) -> ast.Module:
        """What the code says."""
        return ast.parse(self.source)

    @cached_property
    def imports(self) -> bool:
        """Whether the code imports anything, outside of its functions and blocks."""
        return any(isinstance(each, ast.Import | ast.ImportFrom) for each in self.tree.body)

    @cached_property
    def used(self) -> frozenset[str]:
        """Names that the code works with, rather than only importing them."""
        nodes = list(ast.walk(self.tree))
        names = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
        names |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
        aliases = [alias for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names]
        return frozenset(names | {alias.name for alias in aliases if alias.asname in names})

    @cached_property
    def public(self) -> tuple[str, ...]:
        """Names that `from … import *` brings, as far as the text tells without being executed."""
        for name, node in self._names:
            if name == "__all__" and isinstance(node, ast.Assign) and isinstance(node.value, ast.List | ast.Tuple):
                return tuple(str(item.value) for item in node.value.elts if isinstance(item, ast.Constant))
        return tuple(dict.fromkeys(name for name, _ in self._names if not name.startswith(("_", "*"))))

    @cached_property
    def stars(self) -> tuple[str, ...]:
        """Modules whose names the code imports with a star, and passes on in turn; relative ones begin with dots."""
        if any(name == "__all__" for name, _ in self._names):
            return ()
        nodes = [node for name, node in self._names if name == "*" and isinstance(node, ast.ImportFrom)]
        return tuple("." * node.level + (node.module or "") for node in nodes)

    @cached_property
    def _names(self) -> tuple[tuple[str, ast.stmt], ...]:
        return tuple(_bound(self.tree.body))


_known: WeakValueDictionary[bytes, CodeType] = WeakValueDictionary()
"""The code of texts, wherever they stand: where stages replace their modules, most are copies of others."""


def _in(path: str, code: CodeType) -> CodeType:
    """The same code, in a file."""
    constants = tuple(_in(path, each) if isinstance(each, CodeType) else each for each in code.co_consts)
    return code.replace(co_filename=path, co_consts=constants)


def _bound(body: Iterable[ast.stmt]) -> Iterator[tuple[str, ast.stmt]]:
    """Give the names that statements bind in a module, with the statement that does."""
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, node
            case ast.Assign(targets=targets):
                names = [each for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)]
                yield from ((each.id, node) for each in names if isinstance(each.ctx, ast.Store))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name, node
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                yield from ((alias.asname or alias.name.partition(".")[0], node) for alias in aliases)
            case ast.If(body=inner, orelse=other) | ast.Try(body=inner, orelse=other):
                yield from _bound([*inner, *other])
            case _:
                pass
