"""The source files of a package of models: where they are, and what their imports bring. Nothing is executed."""

from __future__ import annotations

import ast
import importlib.util
import sys
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from typing import TYPE_CHECKING

from sqlstrata.modules.isolation import Isolation, found_in
from sqlstrata.modules.inits import Origin
from sqlstrata.modules.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Sources:
    """The files of one package, which is in a folder or in the environment; each is read once."""

    def __init__(self, isolation: Isolation) -> None:
        self.isolation = isolation
        self._texts: dict[str, Text] = {}
        self._found: dict[str, ModuleSpec | None] = {}

    def find(self, name: str) -> ModuleSpec | None:
        """Find a module by its full name, without executing anything. None if it is not there."""
        if name not in self._found:
            parent = name.rpartition(".")[0]
            path = self._inside(parent) if parent else None
            self._found[name] = None  # for our own finder, which is asked when this looks through all finders
            self._found[name] = None if parent and path is None else self._search(name, path)
        return self._found[name]

    def module_names(self) -> tuple[str, ...]:
        """Give the names of all modules in the package, without its name in front, sorted."""
        names = set()
        for location in self._inside(self.isolation.package) or ():
            for path in Path(location).rglob("*.py"):
                parts = path.relative_to(location).with_suffix("").parts
                if parts[-1] not in ("__init__", "__main__") and all(part.isidentifier() for part in parts):
                    names.add(".".join(parts))
        return tuple(sorted(names))

    def is_package(self, name: str) -> bool:
        """Whether a module is a package."""
        found = self.find(name)
        return found is not None and found.submodule_search_locations is not None

    def text(self, path: str) -> Text:
        """Give a source file, read once."""
        if path not in self._texts:
            self._texts[path] = Text(path)
        return self._texts[path]

    def files(self) -> frozenset[str]:
        """Give the paths of all source files read so far."""
        return frozenset(self._texts)

    def path(self, name: str) -> str:
        """Give the source file of a module; an empty text where it has none."""
        found = self.find(name)
        return found.origin or "" if found is not None and type(found.loader) is SourceFileLoader else ""

    def origins(self, node: ast.stmt, by: str) -> Mapping[str, Origin]:
        """Give the names that an import in a module binds to something of the models."""
        if isinstance(node, ast.Import):
            aliases = (each for each in node.names if self.isolation.within(each.name))
            return {each.asname or each.name: Origin(each.name) for each in aliases}
        if not isinstance(node, ast.ImportFrom):
            return {}
        module = self.resolved("." * node.level + (node.module or ""), by)
        found: dict[str, Origin] = {}
        for each in node.names if self.isolation.within(module) else ():
            if each.name == "*":
                found |= {name: Origin(module, name) for name in self.public(module)}
            elif self.find(f"{module}.{each.name}") is not None:
                found[each.asname or each.name] = Origin(f"{module}.{each.name}")
            elif module != by:
                found[each.asname or each.name] = Origin(module, each.name)
        return found

    def public(self, module: str) -> tuple[str, ...]:
        """Give the names that `from module import *` brings, and what it passes on from stars of its own."""
        names: dict[str, None] = {}
        modules = [module]
        for each in modules:
            if not (path := self.path(each)):
                continue
            text = self.text(path)
            names.update(dict.fromkeys(text.public))
            stars = (self.resolved(star, each) for star in text.stars)
            modules += [star for star in stars if self.isolation.within(star) and star not in modules]
        return tuple(names)

    def resolved(self, name: str, by: str) -> str:
        """Give the full name of what a module calls by a name that may begin with dots."""
        return importlib.util.resolve_name(name, by if self.is_package(by) else by.rpartition(".")[0])

    # ---- finding

    def _inside(self, package: str) -> Sequence[str] | None:
        if package in sys.modules and not self.isolation.owns(package):
            return list(getattr(sys.modules[package], "__path__", ())) or None
        found = self.find(package)
        return None if found is None else found.submodule_search_locations

    def _search(self, name: str, path: Sequence[str] | None) -> ModuleSpec | None:
        found = found_in([str(self.isolation.folder)] if path is None else path, name)
        if found is not None or path is not None:
            return found
        return next((spec for each in sys.meta_path if (spec := each.find_spec(name, None)) is not None), None)
