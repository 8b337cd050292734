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
from dataclasses import dataclass, replace
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import ModuleType
from typing import TYPE_CHECKING

from project.db.isolation import Isolation
from project.db.passing import Mixed, Origin, Part, part_of
from project.db.sources import Sources

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path
    from types import CodeType

_TURN = threading.RLock()
# What importlib, and code that only imports a module, asks of it.
_OF_ANY_MODULE = frozenset(
    {
        "__cached__",
        "__class__",
        "__file__",
        "__imports__",
        "__loader__",
        "__name__",
        "__package__",
        "__path__",
        "__spec__",
    }
)


@dataclass(frozen=True, slots=True)
class Asked:
    """Who imported a module first: the importing module, its file, and the line."""

    by: str
    path: str
    line: int


class NotOn(Exception):
    """Code at a place works with a module that is off; `there` is what else it works with."""

    def __init__(self, path: str, line: int, module: str, name: str | None = None, there: str | None = None) -> None:
        super().__init__(path, line, module)
        self.path, self.line, self.module, self.name, self.there = path, line, module, name, there


class _Package(ModuleType):
    """A module that passes names on: what it was executed without is imported for who asks for it."""

    __imports__: Imports

    def __getattribute__(self, name: str) -> object:
        value = super().__getattribute__(name)
        if type(value) is not _Later or self.__imports__.defers:
            return value
        value = self.__imports__.real(Origin(value.__name__))
        setattr(self, name, value)
        return value

    def __getattr__(self, name: str) -> object:
        value = self.__imports__.passed_on(self.__name__, name)
        if name != "__all__":
            setattr(self, name, value)
        return value


class _Later(ModuleType):
    """Stands for a module that an `__init__` imports; it is executed as soon as something looks into it."""

    __imports__: Imports

    def __getattribute__(self, name: str) -> object:
        if name in _OF_ANY_MODULE:
            return super().__getattribute__(name)
        return getattr(self.__imports__.real(Origin(self.__name__)), name)

    def __setattr__(self, name: str, value: object) -> None:
        if name in _OF_ANY_MODULE or isinstance(value, _Later):
            super().__setattr__(name, value)
        else:
            setattr(self.__imports__.real(Origin(self.__name__)), name, value)


class _Loader(SourceFileLoader):
    """Executes one module, from its text alone."""

    def __init__(self, name: str, path: str, imports: Imports) -> None:
        super().__init__(name, path)
        self._imports = imports

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        if not self._imports.passes_on(spec.name):
            return None
        module = _Package(spec.name)
        module.__imports__ = self._imports
        return module

    def get_code(self, fullname: str) -> CodeType:
        if self._imports.passes_on(fullname):
            return self._imports.executed_part(fullname, self.path).code
        return self._imports.sources.text(self.path).code

    def exec_module(self, module: ModuleType) -> None:
        with self._imports.running(self.name, self.path, defers=self._imports.passes_on(self.name)):
            super().exec_module(module)


class _LaterLoader(importlib.abc.Loader):
    """Makes modules that are executed later."""

    def __init__(self, imports: Imports) -> None:
        self._imports = imports

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = _Later(spec.name)
        module.__imports__ = self._imports
        self._imports.later[spec.name] = module
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Execute nothing."""


class Imports(importlib.abc.MetaPathFinder):
    """The modules of one package, which is in a folder or in the environment, imported turn by turn.

    listed names the modules that some turn may have on; a module of the package that is listed and not on in a turn
    is off. `not_on` is the first error of a turn that code which swallows errors could have hidden.
    """

    def __init__(self, folder: Path, package: str, listed: Collection[str]) -> None:
        importlib.invalidate_caches()
        self.package, self.isolation = package, Isolation(folder, package)
        self.sources = Sources(self.isolation)
        self.listed, self.on = frozenset(listed), frozenset[str]()
        self.asked: dict[str, Asked] = {}
        self.later: dict[str, ModuleType] = {}
        self.not_on: NotOn | None = None
        self._parts: dict[str, Part] = {}
        self._without: set[str] = set()
        self._running: list[tuple[str, str]] = []
        self._looking: list[str] = []
        self.defers = False

    @contextmanager
    def turn(self, on: frozenset[str]) -> Iterator[None]:
        """Import inside, on top of what earlier turns imported; on are the full names of the modules that are on.

        Afterwards, however it ends, `sys.modules`, `sys.path` and the attributes of packages are as they were.
        """
        with _TURN, self.isolation.inside():
            self.on = on
            sys.meta_path.insert(0, self)
            try:
                yield
            finally:
                sys.meta_path.remove(self)
                self._sweep()

    def forget(self) -> None:
        """Let the next turn import everything."""
        self.isolation.forget()
        self.not_on = None
        for known in (self.asked, self._parts, self._without):
            known.clear()

    def adds(self, on: frozenset[str]) -> bool:
        """Whether these modules, on top of what was imported, give what importing all of them would give.

        They do if those that were on are still on, and nothing was executed without something because others were off.
        """
        new = on - self.on
        return self.on <= on and not any(name in self._without or self.sources.is_package(name) for name in new)

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
            spec = ModuleSpec(fullname, _LaterLoader(self), is_package=inner is not None)
            spec.submodule_search_locations = inner
            return spec
        self._note(fullname)
        if type(found.loader) is SourceFileLoader and found.origin:
            loader = _Loader(fullname, found.origin, self)
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
            if above is not None and not isinstance(above, _Package | _Later) and vars(above).get(last) is module:
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
        return name not in self.on and self.sources.is_package(name)

    def passed_on(self, package: str, name: str) -> object:
        """Give a name that a package was executed without. Raises what its import raises, and AttributeError."""
        part = self._parts.get(package)
        if part is None or self not in sys.meta_path:
            raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name)
        if name == "__all__":
            return [each for each in (*vars(sys.modules[package]), *part.later) if not each.startswith("_")]
        if (waiting := part.waiting.get(name)) is not None:
            raise self._refused(NotOn(self.sources.path(package), waiting.line, waiting.module, name))
        origins = part.later.get(name, ())
        if not origins:
            raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name)
        self._without |= {module for each in origins[1:] if (module := self.off(each)) is not None}
        first, *others = [each for each in origins if self.off(each) is None] or origins
        for each in reversed(others):
            with suppress(AttributeError):  # a module that is being executed has not come to it yet
                return self._imported(each)
        return self._imported(first)

    def real(self, origin: Origin) -> object:
        """Import what stands for a module, for the code that is being executed. Raises NotOn where it is off."""
        if self not in sys.meta_path:
            raise AttributeError(f"module {origin.module!r} is not there any more")
        if (module := self.off(origin)) is not None:
            path = self._running[-1][1] if self._running else self.sources.path(self.package)
            raise self._refused(NotOn(path, _line(path), module))
        return self._imported(origin)

    def executed_part(self, name: str, path: str) -> Part:
        """Give what is executed of a module that passes on. Raises NotOn."""
        part = self._parts[name] = self._part(name, path)
        self._without |= part.without
        return part

    def off(self, origin: Origin) -> str | None:
        """Give the module that is off and that something comes from; None where it comes from none. Raises NotOn."""
        module, name = origin.module, origin.name
        if module in self.listed and module not in self.on:
            return module
        path = self.sources.path(module)
        if name is None or not path or module in self._looking or not self.passes_on(module):
            return None
        part = self._part(module, path)
        if (waiting := part.waiting.get(name)) is not None:
            return waiting.module
        found = list(map(self.off, part.later.get(name, ())))
        return None if not found or None in found else found[-1]

    def _imported(self, origin: Origin) -> object:
        with self._deferring(defers=False):
            module = importlib.import_module(origin.module)
            return module if origin.name is None else getattr(module, origin.name)

    def _refused(self, error: NotOn) -> NotOn:
        self.not_on = self.not_on or error
        return error

    def _part(self, name: str, path: str) -> Part:
        """Leave out of a module what it passes on; modules of the package that it imports are names of it as well."""
        self._looking.append(name)
        try:
            part = part_of(self.sources.text(path), lambda node: self.sources.origins(node, name), self.off)
        except Mixed as error:
            raise self._refused(NotOn(path, error.line, error.module, there=error.there)) from None
        finally:
            self._looking.pop()
        imported = {each.module for found in part.later.values() for each in found}
        inner = {
            each.rpartition(".")[2]: (Origin(each),) for each in sorted(imported) if each.rpartition(".")[0] == name
        }
        return replace(part, later={**inner, **part.later})


def _line(path: str) -> int:
    """Give the line of a file that is being executed."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_filename != path:
        frame = frame.f_back
    return 0 if frame is None else frame.f_lineno
