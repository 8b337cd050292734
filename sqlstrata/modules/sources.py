"""The source files of a package of models: where they are, and what their imports bind. Nothing is executed."""

from __future__ import annotations

import ast
import importlib.util
import sys
from dataclasses import dataclass
from functools import cached_property
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from typing import TYPE_CHECKING

from sqlstrata.modules.isolation import Isolation, found_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import CodeType


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an imported name comes from: a module, or a name in it."""

    module: str
    name: str | None = None


class Text:
    """One source file, as it was when it was first read."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.source = Path(path).read_bytes()

    def compiled(self) -> CodeType:
        """Compile the text. Raises SyntaxError."""
        code: CodeType = compile(self.source, self.path, "exec", dont_inherit=True)
        return code

    @cached_property
    def tree(self) -> ast.Module:
        """The parsed text. Raises SyntaxError, as compiling it would."""
        return ast.parse(self.source, self.path)

    @cached_property
    def public(self) -> tuple[str, ...]:
        """The names that `from … import *` brings, as far as the text shows without being executed."""
        for node in self.tree.body:
            if (
                isinstance(node, ast.Assign)
                and "__all__" in bound(node)
                and isinstance(node.value, ast.List | ast.Tuple)
            ):
                return tuple(str(item.value) for item in node.value.elts if isinstance(item, ast.Constant))
        return tuple(dict.fromkeys(name for name in bound(self.tree) if not name.startswith(("_", "*"))))

    @cached_property
    def stars(self) -> tuple[str, ...]:
        """The modules whose names the text imports with a star and passes on; relative ones begin with dots."""
        if "__all__" in bound(self.tree):
            return ()
        nodes = (node for node in ast.walk(self.tree) if isinstance(node, ast.ImportFrom) and node.names[0].name == "*")
        return tuple(written(node) for node in nodes)


def written(node: ast.ImportFrom) -> str:
    """Give the module of `from module import …` as it is written, with its dots."""
    return "." * node.level + (node.module or "")


def bound(node: ast.AST) -> Iterator[str]:
    """Give the names that a statement, or a whole module, binds in its own scope."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield node.name
        case ast.alias():
            yield node.asname or node.name.partition(".")[0]
        case ast.Name(ctx=ast.Store()):
            yield node.id
        case ast.Lambda() | ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            pass
        case _:
            for child in ast.iter_child_nodes(node):
                yield from bound(child)


class Sources:
    """The files of one package, which is in a folder or in the environment; each is read once."""

    def __init__(self, isolation: Isolation) -> None:
        self.isolation = isolation
        self._texts: dict[str, Text] = {}
        self._found: dict[str, ModuleSpec | None] = {}

    def find(self, name: str) -> ModuleSpec | None:
        """Find a module by its full name, without executing anything. None if there is none."""
        if name not in self._found:
            parent = name.rpartition(".")[0]
            path = self._path_of(parent) if parent else None
            self._found[name] = None  # for our own finder, which is asked when this looks through all finders
            self._found[name] = None if parent and path is None else self._search(name, path)
        return self._found[name]

    def module_names(self, *, packages: bool = False) -> tuple[str, ...]:
        """Give the names of all modules in the package, without its name in front, sorted; perhaps of packages, too."""
        names = set()
        for location in self._path_of(self.isolation.package) or ():
            for path in Path(location).rglob("*.py"):
                parts = path.relative_to(location).with_suffix("").parts
                if packages and len(parts) > 1 and parts[-1] == "__init__":
                    parts = parts[:-1]
                if parts[-1] not in ("__init__", "__main__") and all(part.isidentifier() for part in parts):
                    names.add(".".join(parts))
        return tuple(sorted(names))

    def is_package(self, name: str) -> bool:
        found = self.find(name)
        return found is not None and found.submodule_search_locations is not None

    def path(self, name: str) -> str:
        """Give the source file of a module; an empty text where it has none."""
        found = self.find(name)
        return found.origin or "" if found is not None and type(found.loader) is SourceFileLoader else ""

    def text(self, path: str) -> Text:
        """Give a source file, read once."""
        if path not in self._texts:
            self._texts[path] = Text(path)
        return self._texts[path]

    def files(self) -> frozenset[str]:
        """Give the paths of all source files read so far."""
        return frozenset(self._texts)

    def origins(self, node: ast.stmt, by: str) -> Mapping[str, Origin]:
        """Give the names that an import in a module binds to something of the models."""
        if isinstance(node, ast.Import):
            aliases = (each for each in node.names if self.isolation.within(each.name))
            return {each.asname or each.name: Origin(each.name) for each in aliases}
        if not isinstance(node, ast.ImportFrom):
            return {}
        module = self._resolved(written(node), by)
        found: dict[str, Origin] = {}
        for each in node.names if self.isolation.within(module) else ():
            if each.name == "*":
                found |= {name: Origin(module, name) for name in self._public(module)}
            elif self.find(f"{module}.{each.name}") is not None:
                found[each.asname or each.name] = Origin(f"{module}.{each.name}")
            elif module != by:
                found[each.asname or each.name] = Origin(module, each.name)
        return found

    def _public(self, module: str) -> tuple[str, ...]:
        """Give the names that `from module import *` brings, with those that it gets by stars of its own."""
        names: dict[str, None] = {}
        modules = [module]
        for each in modules:
            if path := self.path(each):
                names |= dict.fromkeys(self.text(path).public)
                stars = (self._resolved(star, each) for star in self.text(path).stars)
                modules += [star for star in stars if self.isolation.within(star) and star not in modules]
        return tuple(names)

    def _resolved(self, name: str, by: str) -> str:
        """Give the full name of what a module calls by a name that may begin with dots."""
        return importlib.util.resolve_name(name, by if self.is_package(by) else by.rpartition(".")[0])

    def _path_of(self, package: str) -> Sequence[str] | None:
        """Give the folders of a package."""
        if package in sys.modules and not self.isolation.owns(package):
            return list(getattr(sys.modules[package], "__path__", ())) or None
        found = self.find(package)
        return None if found is None else found.submodule_search_locations

    def _search(self, name: str, path: Sequence[str] | None) -> ModuleSpec | None:
        found = found_in([str(self.isolation.folder)] if path is None else path, name)
        if found is not None or path is not None:
            return found
        return next((spec for each in sys.meta_path if (spec := each.find_spec(name, None)) is not None), None)
