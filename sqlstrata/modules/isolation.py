"""Keeping the modules that are imported for a plan apart from the program's own.

Imported separately are the package of models, packages above it that are not loaded, and modules beside it in the
folder. They are in `sys.modules` only inside `Isolation.inside`.
"""

from __future__ import annotations

import pkgutil
import sys
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import ModuleType

_MISSING = object()


class Isolation:
    """The modules that are imported separately for one package, kept from one time inside to the next."""

    def __init__(self, folder: Path, package: str) -> None:
        parts = package.split(".")
        self.folder, self.package = folder, package
        self.above = tuple(".".join(parts[:count]) for count in range(1, len(parts)))
        self._unloaded = frozenset(name for name in self.above if name not in sys.modules)
        self._roots = frozenset(self._read_here())
        self._heads = self._roots | {package.partition(".")[0]}
        self._kept: dict[str, ModuleType] = {}

    def within(self, name: str) -> bool:
        """Whether a full name is the package's or that of a module in it."""
        return name == self.package or name.startswith(self.package + ".")

    def owns(self, name: str) -> bool:
        """Whether a module is imported separately."""
        head = name.partition(".")[0]
        return head in self._heads and (self.within(name) or head in self._roots or name in self._unloaded)

    def forget(self) -> None:
        """Begin without modules next time."""
        self._kept.clear()

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Replace the program's own modules by the separate ones.

        Afterwards, also after an error, `sys.modules`, `sys.path` and the attributes of packages are as they were.
        """
        edge = next(name for name in (*self.above, self.package) if self.owns(name))
        above, _, attribute = edge.rpartition(".")
        parent = vars(sys.modules[above]) if above else {}
        value, path, theirs = parent.get(attribute, _MISSING), list(sys.path), self._taken()
        sys.path.insert(0, str(self.folder))
        sys.modules.update(self._kept)
        if above and edge in self._kept:
            parent[attribute] = self._kept[edge]
        try:
            yield
        finally:
            self._kept = self._taken()
            sys.modules.update(theirs)
            sys.path[:] = path
            if value is _MISSING:
                parent.pop(attribute, None)
            else:
                parent[attribute] = value

    def _taken(self) -> dict[str, ModuleType]:
        """Remove the modules that are imported separately from `sys.modules`, and give them."""
        return {name: sys.modules.pop(name) for name in list(filter(self.owns, sys.modules))}

    # ---- what the folder has

    def _read_here(self) -> Iterator[str]:
        """Give the top-level names that are read from the folder, and that the program has not loaded from there."""
        for path in self.folder.iterdir() if self.folder.is_dir() else ():
            is_module = path.suffix == ".py" or (not path.suffix and (path / "__init__.py").is_file())
            if is_module and path.stem not in sys.stdlib_module_names and not self._has(path.stem):
                yield path.stem
        root = self.package.partition(".")[0]
        at_home = found_in([str(self.folder)], root) is not None
        if root not in sys.modules or (at_home and not self._has(root)):
            yield root

    def _has(self, root: str) -> bool:
        """Whether the program has loaded a top-level module from the folder."""
        module = sys.modules.get(root)
        file = getattr(module, "__file__", None)
        here = self.folder.resolve()
        if file is None:
            return any(Path(path).resolve().parent == here for path in getattr(module, "__path__", ()))
        return here in list(Path(file).resolve().parents)[:2]


def found_in(path: Iterable[str], name: str) -> ModuleSpec | None:
    """Find a module in folders; importlib's own finder needs a parent without an __init__ to be imported first."""
    portions: list[str] = []
    for entry in path:
        finder = pkgutil.get_importer(entry)
        found = None if finder is None else finder.find_spec(name)
        if found is not None and found.loader is not None:
            return found
        portions += (found and found.submodule_search_locations) or ()
    return None if not portions else _namespace(name, portions)


def _namespace(name: str, portions: Sequence[str]) -> ModuleSpec:
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = list(portions)
    return spec
