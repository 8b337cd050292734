"""Importing a package of models: its modules are executed from their files, and what the program had is put back.

What a turn imported is put aside with its end; the next turn goes on from there, or `forget` makes it start with
nothing. While a turn lasts, a finder at the head of `sys.meta_path` owns the package, and what else `Isolation` says.
It never looks at bytecode, whose time stamp cannot tell two writes of one second apart: each file is read once for all
turns.

A package's `__init__` that imports its modules does not turn them on. It is executed without what it only passes on
(see `passing`); what it imports by other ways, as in a loop over its folder, is not executed until it looks into it.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import inspect
import sys
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import ModuleType
from typing import TYPE_CHECKING

from sqlstrata.modules.isolation import Isolation
from sqlstrata.modules.loaders import Later, LaterLoader, Loader, Package
from sqlstrata.modules.parts import Parts
from sqlstrata.modules.inits import NotOn, Origin, Part
from sqlstrata.modules.sources import Sources

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

_TURN = threading.RLock()


@dataclass(frozen=True, slots=True)
class Asked:
    """Who imported a module first: the importing module, its file, and the line."""

    by: str
    path: str
    line: int


class Imports(importlib.abc.MetaPathFinder):
    """The modules of one package, which is in a folder or in the environment, imported turn by turn.

    listed names the modules that some turn may have on; a module of the package that is listed and not on in a turn
    is off.
    """

    def __init__(self, folder: Path, package: str, listed: Collection[str]) -> None:
        importlib.invalidate_caches()
        self.package, self.isolation = package, Isolation(folder, package)
        self.sources = Sources(self.isolation)
        self.parts = Parts(self.sources, listed, self.passes_on)
        self.asked: dict[str, Asked] = {}
        self.later: dict[str, ModuleType] = {}
        self._running: list[tuple[str, str]] = []
        self.defers = False

    @contextmanager
    def turn(self, on: frozenset[str]) -> Iterator[None]:
        """Import inside, on top of what earlier turns imported; on are the full names of the modules that are on.

        Afterwards, however it ends, `sys.modules`, `sys.path` and the attributes of packages are as they were.
        """
        with _TURN, self.isolation.inside():
            self.parts.on = on
            sys.meta_path.insert(0, self)
            try:
                yield
            finally:
                sys.meta_path.remove(self)
                self._sweep()

    def forget(self) -> None:
        """Let the next turn import everything."""
        self.isolation.forget()
        self.parts.forget()
        self.asked.clear()

    def adds(self, on: frozenset[str]) -> bool:
        """Whether these modules, on top of what was imported, give what importing all of them would give.

        They do if those that were on are still on, and nothing was executed without something because others were off.
        """
        new = on - self.parts.on
        changes = (name in self.parts.without or self.sources.is_package(name) for name in new)
        return self.parts.on <= on and not any(changes)

    def responsible(self) -> str | None:
        """Give the module of the package whose code is being executed, by its full name."""
        return next((name for name, _ in reversed(self._running) if self.isolation.within(name)), None)

    # ---- importlib's side

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - importlib's
        target: ModuleType | None = None,  # noqa: ARG002 - importlib's
    ) -> ModuleSpec | None:
        """Give the spec of a module of the package, or of what stands for it until it is looked into."""
        found = self.sources.find(fullname) if self.isolation.owns(fullname) else None
        if found is None:
            return None
        inner = found.submodule_search_locations
        if self.defers and fullname.startswith(self.package + "."):
            spec = ModuleSpec(fullname, LaterLoader(self), is_package=inner is not None)
            spec.submodule_search_locations = inner
            return spec
        self._note(fullname)
        if type(found.loader) is SourceFileLoader and found.origin:
            loader = Loader(fullname, found.origin, self)
            locations = None if inner is None else list(inner)
            return importlib.util.spec_from_file_location(
                fullname, found.origin, loader=loader, submodule_search_locations=locations
            )
        return found

    @contextmanager
    def running(self, name: str, path: str, *, defers: bool) -> Iterator[None]:
        """Execute the code of a module inside; what it imports of the package may be for later."""
        self._running.append((name, path))
        try:
            with self._deferring(defers=defers):
                yield
        finally:
            self._running.pop()

    @contextmanager
    def _deferring(self, *, defers: bool) -> Iterator[None]:
        before, self.defers = self.defers, defers
        self._sweep()
        try:
            yield
        finally:
            self.defers = before
            self._sweep()

    def _sweep(self) -> None:
        """Take out what stands for modules: only the code that imported it has it."""
        for name, module in self.later.items():
            parent, _, last = name.rpartition(".")
            if sys.modules.get(name) is module:
                del sys.modules[name]
            above = sys.modules.get(parent)  # a package that passes names on may need it as a name of its own
            if above is not None and not isinstance(above, Package | Later) and vars(above).get(last) is module:
                delattr(above, last)
        self.later.clear()

    def _note(self, name: str) -> None:
        if self._running and name not in self.asked:
            by, path = self._running[-1]
            self.asked[name] = Asked(by, path, _line(path))

    # ---- what an __init__ passes on

    def passes_on(self, name: str) -> bool:
        """Whether a module is executed without what it passes on: an `__init__` above the package or in it, if not on.

        So is what the packages above import beside it.
        """
        if name in self.isolation.above:
            return True
        if not self.isolation.within(name):
            return self.defers
        return name not in self.parts.on and self.sources.is_package(name)

    def part_of(self, name: str) -> Part:
        """Give the part of a module that is executed. Raises NotOn."""
        return self.parts.execute(name)

    def passed_on(self, package: str, name: str) -> object:
        """Give a name that a package was executed without. Raises what its import raises, and AttributeError."""
        part = self.parts.executed.get(package)
        if name == "__all__" and part is not None:
            return [each for each in (*vars(sys.modules[package]), *part.later) if not each.startswith("_")]
        origins = self.parts.origins(package, name) if self in sys.meta_path else ()
        for each in reversed(origins[1:]):
            with suppress(AttributeError):  # a module that is being executed has not come to it yet
                return self._imported(each)
        if not origins:
            raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name)
        return self._imported(origins[0])

    def real(self, module: str) -> object:
        """Import a module that is for later, for the code that is being executed. Raises NotOn where it is off."""
        if self not in sys.meta_path:
            raise AttributeError(f"module {module!r} is not there any more")
        if self.parts.off(Origin(module)) is not None:
            path = self._running[-1][1] if self._running else self.sources.path(self.package)
            raise self.parts.refused(NotOn(path, _line(path), module))
        return self._imported(Origin(module))

    def _imported(self, origin: Origin) -> object:
        with self._deferring(defers=False):
            module = importlib.import_module(origin.module)
            return module if origin.name is None else getattr(module, origin.name)


def _line(path: str) -> int:
    """Give the line of a file that is being executed."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_filename != path:
        frame = frame.f_back
    return 0 if frame is None else frame.f_lineno
