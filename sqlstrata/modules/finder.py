"""Importing a package of models from its files, turn by turn.

During a turn, a finder at the head of `sys.meta_path` imports the package, and what else `Isolation` owns. It ignores
bytecode, whose time stamp cannot distinguish two writes within a second; each file is read once for all turns.

A package's `__init__` that imports its modules does not turn them on. It is executed without what it only passes on
(see `inits`). A module that it imports by other ways, as in a loop over its folder, is executed as soon as something
looks into it.
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

from sqlstrata.modules.inits import Inits, NotOn
from sqlstrata.modules.isolation import Isolation
from sqlstrata.modules.sources import Origin, Sources

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path
    from types import CodeType

_TURN = threading.RLock()


@dataclass(frozen=True, slots=True)
class Importer:
    """The first import of a module: in which module, file and line."""

    module: str
    path: str
    line: int


class Finder(importlib.abc.MetaPathFinder):
    """The modules of one package, which is in a folder or in the environment, imported turn by turn.

    listed names the modules that some turn may have on; a module of the package that is listed and not on in a turn
    is off.
    """

    def __init__(self, folder: Path, package: str, listed: Collection[str]) -> None:
        importlib.invalidate_caches()
        self.package, self.isolation = package, Isolation(folder, package)
        self.sources = Sources(self.isolation)
        self.inits = Inits(self.sources, listed, self.passes_on)
        self.importers: dict[str, Importer] = {}
        self.defers = False
        """Whether an `__init__` is being executed, which does not execute the modules that it imports."""
        self._later: dict[str, Later] = {}
        self._running: list[tuple[str, str]] = []

    @contextmanager
    def turn(self, on: frozenset[str]) -> Iterator[None]:
        """Import inside, on top of what earlier turns imported; on are the full names of the modules that are on.

        Afterwards, also after an error, `sys.modules`, `sys.path` and the attributes of packages are as they were.
        """
        with _TURN, self.isolation.inside():
            self.inits.on = on
            sys.meta_path.insert(0, self)
            try:
                yield
            finally:
                sys.meta_path.remove(self)
                self._sweep()

    def forget(self) -> None:
        """Let the next turn import everything."""
        self.isolation.forget()
        self.inits.forget()
        self.importers.clear()
        self._later.clear()

    def only_adds(self, on: frozenset[str]) -> bool:
        """Whether importing these modules on top of the last turn's gives the same as importing all of them.

        It does if those that were on are still on, and what was executed did not depend on others being off.
        """
        new = on - self.inits.on
        changes = (name in self.inits.without or self.sources.is_package(name) for name in new)
        return self.inits.on <= on and not any(changes)

    def running_module(self) -> str | None:
        """Give the module of the package whose code is being executed, by its full name."""
        return next((name for name, _ in reversed(self._running) if self.isolation.within(name)), None)

    # ---- importlib's side

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - importlib's
        target: ModuleType | None = None,  # noqa: ARG002 - importlib's
    ) -> ModuleSpec | None:
        """Give the spec of a module of the package."""
        found = self.sources.find(fullname) if self.isolation.owns(fullname) else None
        if found is not None and not self._is_deferred(fullname):
            self._note(fullname)
        if found is None or type(found.loader) is not SourceFileLoader or not found.origin:
            return found
        inner = found.submodule_search_locations
        return importlib.util.spec_from_file_location(
            fullname,
            found.origin,
            loader=Loader(fullname, found.origin, self),
            submodule_search_locations=None if inner is None else list(inner),
        )

    def module(self, name: str) -> ModuleType:
        """Make a module, or take the one that was for later."""
        if self._is_deferred(name):
            return self._later.setdefault(name, Later(name, self))
        module = self._later.pop(name, None) or Later(name, self)
        module.__class__ = Package if self.passes_on(name) else ModuleType  # type: ignore[assignment]
        return module

    def code(self, name: str, path: str) -> CodeType:
        """Give the code of a module, or the part of it that is executed. Raises NotOn."""
        return self.inits.execute(name) if self.passes_on(name) else self.sources.text(path).compiled()

    @contextmanager
    def running(self, name: str, path: str) -> Iterator[None]:
        """Execute the code of a module inside."""
        self._running.append((name, path))
        try:
            with self._deferring(self.passes_on(name)):
                yield
        finally:
            self._running.pop()

    @contextmanager
    def _deferring(self, defers: bool) -> Iterator[None]:  # noqa: FBT001 - its name is the function's
        before, self.defers = self.defers, defers
        self._sweep()
        try:
            yield
        finally:
            self.defers = before
            self._sweep()

    def _is_deferred(self, name: str) -> bool:
        return self.defers and name.startswith(self.package + ".")

    def _sweep(self) -> None:
        """Take modules that are for later out of `sys.modules`: only the code that imported them has them."""
        for name, module in self._later.items():
            parent, _, last = name.rpartition(".")
            if sys.modules.get(name) is module:
                del sys.modules[name]
            above = sys.modules.get(parent)  # a package that passes names on may need it as a name of its own
            if above is not None and not isinstance(above, Package | Later) and vars(above).get(last) is module:
                delattr(above, last)

    def _note(self, name: str) -> None:
        if self._running and name not in self.importers:
            module, path = self._running[-1]
            self.importers[name] = Importer(module, path, _line(path))

    # ---- what an __init__ passes on

    def passes_on(self, name: str) -> bool:
        """Whether a module is executed without what it passes on: an `__init__` above the package or in it, if not on.

        So is what the packages above import beside it.
        """
        if name in self.isolation.above:
            return True
        if not self.isolation.within(name):
            return self.defers
        return name not in self.inits.on and self.sources.is_package(name)

    def passed_on(self, package: str, name: str) -> object:
        """Give a name that a package was executed without. Raises what its import raises, and AttributeError."""
        part = self.inits.executed.get(package)
        if name == "__all__" and part is not None:
            return [each for each in (*vars(sys.modules[package]), *part.passed_on) if not each.startswith("_")]
        origins = self.inits.origins(package, name) if self in sys.meta_path else ()
        for each in reversed(origins[1:]):
            with suppress(AttributeError):  # a module that is being executed has not come to it yet
                return self._imported(each)
        if not origins:
            raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name)
        return self._imported(origins[0])

    def execute(self, module: str) -> ModuleType:
        """Import a module that is for later, for the code that is being executed. Raises NotOn where it is off."""
        if self not in sys.meta_path:
            raise AttributeError(f"module {module!r} can no longer be imported")
        if self.inits.off(Origin(module)) is not None:
            path = self._running[-1][1] if self._running else self.sources.path(self.package)
            raise self.inits.refused(NotOn(path, _line(path), module))
        with self._deferring(False):  # noqa: FBT003
            return importlib.import_module(module)

    def _imported(self, origin: Origin) -> object:
        with self._deferring(False):  # noqa: FBT003
            module = importlib.import_module(origin.module)
            return module if origin.name is None else getattr(module, origin.name)


def _line(path: str) -> int:
    """Give the line of a file that is being executed."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_filename != path:
        frame = frame.f_back
    return 0 if frame is None else frame.f_lineno


# ------------------------------------------------ modules as Python sees them


class Loader(SourceFileLoader):
    """Executes one module, from its text alone."""

    def __init__(self, name: str, path: str, finder: Finder) -> None:
        super().__init__(name, path)
        self._finder = finder

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._finder.module(spec.name)

    def get_code(self, fullname: str) -> CodeType:
        return self._finder.code(fullname, self.path)

    def exec_module(self, module: ModuleType) -> None:
        if type(module) is not Later:
            with self._finder.running(self.name, self.path):
                super().exec_module(module)


class Package(ModuleType):
    """A module that passes names on: what it was executed without is imported when it is asked for."""

    __finder__: Finder

    def __getattribute__(self, name: str) -> object:
        value = super().__getattribute__(name)
        if type(value) is Later and not self.__finder__.defers:
            self.__finder__.execute(value.__name__)
        return value

    def __getattr__(self, name: str) -> object:
        value = self.__finder__.passed_on(self.__name__, name)
        if name != "__all__":
            setattr(self, name, value)
        return value


# What importlib, and code that only imports a module, asks of it.
_OF_ANY_MODULE = frozenset(
    {"__class__", "__file__", "__loader__", "__name__", "__package__", "__path__", "__spec__", "__cached__"}
)


class Later(ModuleType):
    """A module that an `__init__` imported: it is executed as soon as something looks into it."""

    def __init__(self, name: str, finder: Finder) -> None:
        super().__init__(name)
        self.__finder__ = finder

    def __getattribute__(self, name: str) -> object:
        if name not in _OF_ANY_MODULE:
            finder: Finder = super().__getattribute__("__finder__")
            return getattr(finder.execute(self.__name__), name)
        return super().__getattribute__(name)
