"""Importing a package afresh: its modules are read from their files again, and what the program had is put back.

What a turn imported is put aside with its end; the next turn goes on from there, or `forget` makes it start afresh.
While a turn lasts, a finder at the head of `sys.meta_path` owns the package, and whatever else would be found in the
folder and is not the program's own. It never looks at bytecode, whose time stamp cannot tell two writes of one second
apart: each file is read once for all turns.

A package's `__init__` that imports its modules does not turn them on. What it imports stays unread: a stand-in, which
becomes the real thing as soon as a module asks the package for it, or the `__init__` itself works with it.
"""

from __future__ import annotations

import ast
import importlib
import importlib.abc
import importlib.util
import inspect
import os
import pkgutil
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from itertools import takewhile
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from project.db.plain import Plain, plain
from project.db.text import Text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from types import CodeType

_MISSING = object()
_TURN = threading.RLock()


@dataclass(frozen=True, slots=True)
class Asked:
    """Who imported a module first: the importing module, its file, and the line."""

    by: str
    path: str
    line: int


@dataclass(frozen=True, slots=True)
class _Running:
    """A module whose code is being executed; one that passes on only hands names through."""

    name: str
    path: str
    passes_on: bool


# ------------------------------------------------ stand-ins


class Unread(type):
    """The class of stand-ins for names of modules that are not read: classes that swallow what is done to them."""

    module: str
    wanted: str
    before: Unread | None  # what the same name stood for, when this took its place

    def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, object], **_: object) -> Unread:
        return super().__new__(cls, name, bases, body)

    def __init__(cls, name: str, bases: tuple[type, ...], body: dict[str, object], **_: object) -> None:
        super().__init__(name, bases, body)

    def __getattr__(cls, name: str) -> Unread:
        if name.startswith("__"):
            raise AttributeError(name)
        return cls

    def __call__(cls, *_: object, **__: object) -> Unread:
        return cls

    def __getitem__(cls, _: object) -> Unread:
        return cls

    def __iter__(cls) -> Iterator[Unread]:
        return iter(())


def _unread(module: str, name: str, before: Unread | None) -> Unread:
    return Unread(name, (), {"__module__": module, "module": module, "wanted": name, "before": before})


class _UnreadModule(ModuleType):
    """Stands for a module that a package's `__init__` imported."""

    __imports__: Imports

    def __getattr__(self, name: str) -> object:
        if name == "__all__":
            return self.__imports__.public(self.__name__)
        if name.startswith("__"):
            raise AttributeError(name)
        return self.__imports__.passed_on(self.__name__, name)


class _Package(ModuleType):
    """A module that passes names on: who asks it for an unread one gets the real thing, which is read then."""

    __imports__: Imports

    def __getattribute__(self, name: str) -> object:
        value = super().__getattribute__(name)
        if not isinstance(value, Unread | _UnreadModule):
            return value
        imports = vars(self)["__imports__"]
        if imports.passing_on:
            return value
        real = imports.real(value)
        setattr(self, name, real)
        return real


# ------------------------------------------------ loaders


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

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 - the signature is importlib's
        return self._imports.text(self.path).code

    def exec_module(self, module: ModuleType) -> None:
        self._imports.executed.append(self.name)
        with self._imports.running(self.name, self.path):
            super().exec_module(module)


class _UnreadLoader(importlib.abc.Loader):
    """Makes stand-ins of modules."""

    def __init__(self, imports: Imports) -> None:
        self._imports = imports

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = _UnreadModule(spec.name)
        module.__imports__ = self._imports
        self._imports.unread[spec.name] = module
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Execute nothing."""


# ------------------------------------------------ the finder


class Imports(importlib.abc.MetaPathFinder):
    """Fresh imports of one package, which is in a folder or in the environment, turn by turn.

    listed names the modules that some turn may have on; a module of the package that is listed and not on in a turn
    is off, and stays unread whatever a package's `__init__` does with it.
    """

    def __init__(self, folder: Path, package: str, listed: Collection[str]) -> None:
        importlib.invalidate_caches()
        self.folder, self.package = str(folder), package
        self.listed, self.on = frozenset(listed), frozenset[str]()
        self.asked: dict[str, Asked] = {}
        self.unread: dict[str, ModuleType] = {}
        self.executed: list[str] = []
        self._kept: dict[str, ModuleType] = {}
        self._else: set[str] = set()
        self._running: list[_Running] = []
        self._veiled = False
        self._theirs: dict[str, ModuleType] = {}
        self._seen: tuple[str | None, int] = (None, 0)
        self._texts: dict[str, Text] = {}
        self._plain: dict[tuple[bytes, int, bool], Plain | None] = {}
        self._plain_of: dict[str, Plain | None] = {}
        self._tables: WeakKeyDictionary[ModuleType, frozenset[str] | None] = WeakKeyDictionary()
        self._wanted: dict[tuple[str, str], tuple[str, ...]] = {}
        self._found: dict[str, ModuleSpec | None] = {}
        self._above = tuple(_ancestors(package))
        self._roots = frozenset(self._read_afresh())
        self._unloaded = frozenset(name for name in self._above if name not in sys.modules)

    @contextmanager
    def turn(self, on: frozenset[str]) -> Iterator[None]:
        """Import inside, on top of what earlier turns imported; on are the full names of the modules that are on.

        Afterwards, however it ends, `sys.modules`, `sys.path` and the attributes of packages are as they were.
        """
        with _TURN, self._folder_first(), self._out_of_the_way():
            self.on = on
            sys.meta_path.insert(0, self)
            try:
                yield
            finally:
                sys.meta_path.remove(self)
                self._veiled = False

    def forget(self) -> None:
        """Let the next turn import everything afresh."""
        for known in (self.asked, self.unread, self.executed, self._kept, self._else):
            known.clear()

    def adds(self, on: frozenset[str]) -> bool:
        """Whether these modules, on top of what was imported, give what importing all of them afresh would give.

        They do if those that were on are still the first, and no module was told other things because others were off.
        """
        new = on - self.on
        return self.on <= on and not any(name in self._else or self.is_package(name) for name in new)

    def find(self, name: str) -> ModuleSpec | None:
        """Find a module by its full name, without executing anything. None if it is not there."""
        if name not in self._found:
            parent = name.rpartition(".")[0]
            path = self._inside(parent) if parent else None
            self._found[name] = None if parent and path is None else self._search(name, path)
        return self._found[name]

    def module_names(self) -> tuple[str, ...]:
        """Give the names of all modules in the package, without its name in front, sorted."""
        names = set()
        for location in self._inside(self.package) or ():
            for path in Path(location).rglob("*.py"):
                parts = path.relative_to(location).with_suffix("").parts
                if parts[-1] not in ("__init__", "__main__") and all(part.isidentifier() for part in parts):
                    names.add(".".join(parts))
        return tuple(sorted(names))

    def files(self) -> frozenset[str]:
        """Give the paths of all source files read so far."""
        return frozenset(self._texts)

    def responsible(self) -> str | None:
        """Give the module of the package whose code is being executed, by its full name."""
        return next((r.name for r in reversed(self._running) if self.within(r.name)), None)

    def within(self, name: str) -> bool:
        """Whether a full name is the package's or that of a module in it."""
        return name == self.package or name.startswith(self.package + ".")

    def owns(self, name: str) -> bool:
        """Whether a module is read afresh for each turn."""
        return self.within(name) or name.partition(".")[0] in self._roots or name in self._unloaded

    def is_package(self, name: str) -> bool:
        """Whether a module is a package."""
        found = self.find(name)
        return found is not None and found.submodule_search_locations is not None

    def plain(self, name: str) -> Plain | None:
        """What is known, from the text alone, of a module that was executed; None where that is not enough."""
        if name in self._plain_of:
            return self._plain_of[name]
        found = self._plain_text(name)
        if not self.is_package(name):  # a package passes names on, or not, as it is on or off
            self._plain_of[name] = found
        return found

    def tables(self, name: str) -> frozenset[str] | None:
        """The keys of the tables that a module that was executed can have touched; None where it may be any."""
        module = sys.modules[name]
        if module in self._tables:
            return self._tables[module]
        plain = self.plain(name)
        found = None if plain is None else plain.tables(vars(module))
        if not self.is_package(name):
            self._tables[module] = found
        return found

    def wanted(self, name: str, under: str) -> tuple[str, ...]:
        """The full names of what a plain module's text imports of the models under a name, in its order."""
        if (name, under) not in self._wanted:
            plain = self.plain(name)
            said = () if plain is None else plain.imports
            pairs = [(self.resolved(module, under), wanted) for module, wanted in said]
            names = [(module, f"{module}.{wanted}") for module, wanted in pairs]
            self._wanted[name, under] = tuple(
                each for module, inner in names for each in (module, inner) if each == module or self.find(each)
            )
        return self._wanted[name, under]

    def _plain_text(self, name: str) -> Plain | None:
        text = self.text_of(name)
        of_package = self.within(name) or name in self._above
        if not of_package or text is None or (self.passes_on(name) and not self._imports_what_stays(text, name)):
            return None

        def is_own(node: ast.ImportFrom) -> bool:
            return self._is_own(node, name)

        # What is the models' own depends on how deep in the package the text stands, and on nothing else of its place.
        key = text.source, name.count("."), self.is_package(name)
        if key not in self._plain:
            self._plain[key] = plain(text.tree, is_own)
        return self._plain[key]

    def _imports_what_stays(self, text: Text, name: str) -> bool:
        """Whether a module imports nothing, or only modules of the package that no stage turns on, as the base."""
        for node in text.tree.body if text.imports else ():
            if isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and not self._is_own(node, name)):
                return False
            if isinstance(node, ast.ImportFrom):
                module = self.resolved("." * node.level + (node.module or ""), name)
                if self.listed & {module, *(f"{module}.{alias.name}" for alias in node.names)}:
                    return False
        return True

    def only_passes_on(self, name: str) -> bool:
        """Whether a module hands names through, and its text does nothing else: then it touches no table."""
        text = self.text_of(name)
        if text is None or not self.passes_on(name):
            return False
        return all(
            self._is_own(node, name) if isinstance(node, ast.ImportFrom) else _is_constant(node)
            for node in text.tree.body
        )

    def _is_own(self, node: ast.ImportFrom, by: str) -> bool:
        """Whether a module imports from the package of the models."""
        return self.within(self.resolved("." * node.level + (node.module or ""), by))

    def resolved(self, said: str, by: str) -> str:
        """Give the full name of what a module calls by a name that may begin with dots."""
        return importlib.util.resolve_name(said, by if self.is_package(by) else by.rpartition(".")[0])

    # ---- importlib's side

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - importlib's
        target: ModuleType | None = None,  # noqa: ARG002 - importlib's
    ) -> ModuleSpec | None:
        """Give the spec of a module that is read afresh, or of its stand-in."""
        found = self.find(fullname) if self.owns(fullname) else None
        if found is None:
            return None
        inner = found.submodule_search_locations
        if self.passing_on and fullname.startswith(self.package + "."):
            return ModuleSpec(fullname, _UnreadLoader(self), is_package=inner is not None)
        self._note(fullname)
        if type(found.loader) is SourceFileLoader and found.origin:
            loader = _Loader(fullname, found.origin, self)
            locations = None if inner is None else list(inner)
            return importlib.util.spec_from_file_location(
                fullname, found.origin, loader=loader, submodule_search_locations=locations
            )
        return found

    def text(self, path: str) -> Text:
        """Give a source file, read once."""
        if path not in self._texts:
            self._texts[path] = Text(path)
        return self._texts[path]

    def text_of(self, name: str) -> Text | None:
        """Give the source file of a module; None where it has none."""
        found = self.find(name)
        is_source = found is not None and type(found.loader) is SourceFileLoader
        return self.text(found.origin) if found is not None and is_source and found.origin else None

    @contextmanager
    def running(self, name: str, path: str) -> Iterator[None]:
        """Say that a module's code is being executed inside."""
        with self._top(_Running(name, path, self.passes_on(name))):
            yield

    # ---- what an __init__ passes on

    @property
    def passing_on(self) -> bool:
        """Whether the code that is being executed only hands names through."""
        return bool(self._running) and self._running[-1].passes_on

    def passes_on(self, name: str) -> bool:
        """Whether a module hands names through: an `__init__` on the way to the package or in it that is not on.

        So does whatever the packages above import beside it.
        """
        if name in self._above:
            return True
        if not self.within(name):
            return self.passing_on
        return name not in self.on and self.is_package(name)

    def public(self, module: str) -> tuple[str, ...]:
        """Give the names that `from module import *` brings, and what it passes on from stars of its own."""
        names: dict[str, None] = {}
        modules = [module]
        for each in modules:
            text = self.text_of(each)
            if text is None:
                continue
            names.update(dict.fromkeys(text.public))
            stars = (self.resolved(star, each) for star in text.stars)
            modules += [star for star in stars if self.within(star) and star not in modules]
        return tuple(names)

    def passed_on(self, module: str, name: str) -> object:
        """Give what stands for a name of an unread module: the real thing if the code that asks works with it."""
        off = module in self.listed and module not in self.on
        asking = self._running[-1] if self._running else None
        if off and asking is not None and name in self.text(asking.path).used:
            self._else.add(module)
        there = vars(sys.modules[asking.name]).get(name) if asking else None
        before = there if isinstance(there, Unread) else None
        if off and before is not None:
            self._else.add(module)
        if not off and (asking is None or name in self.text(asking.path).used):
            return self.real(_unread(module, name, before))
        return before if off and before else _unread(module, name, before)

    def real(self, value: Unread | ModuleType) -> object:
        """Import what a stand-in stands for. Raises what the import raises, and AttributeError."""
        if self not in sys.meta_path:
            raise AttributeError(value.__name__)
        with self._reading():
            if isinstance(value, ModuleType):
                return importlib.import_module(value.__name__)
            module = importlib.import_module(value.module)
            inner = f"{value.module}.{value.wanted}"
            if not hasattr(module, value.wanted) and self.find(inner) is not None:
                return importlib.import_module(inner)
            if not hasattr(module, value.wanted) and value.before is not None:
                return self.real(value.before)
            return getattr(module, value.wanted)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Import for real inside, in the name of the code that is being executed."""
        if not self._running:
            yield
            return
        top = self._running[-1]
        with self._top(_Running(top.name, top.path, passes_on=False)):
            yield

    @contextmanager
    def _top(self, running: _Running) -> Iterator[None]:
        self._running.append(running)
        self._veil()
        try:
            yield
        finally:
            self._running.pop()
            self._veil()

    def _veil(self) -> None:
        """Let an `__init__` see the stand-ins that it imported, and nobody else."""
        if self.passing_on == self._veiled:
            return
        self._veiled = self.passing_on
        for name, module in self.unread.items():
            if self._veiled:
                sys.modules.setdefault(name, module)
            elif sys.modules.get(name) is module:
                del sys.modules[name]

    # ---- what was there before

    @contextmanager
    def _folder_first(self) -> Iterator[None]:
        before = list(sys.path)
        sys.path.insert(0, self.folder)
        try:
            yield
        finally:
            sys.path[:] = before

    @contextmanager
    def _out_of_the_way(self) -> Iterator[None]:
        edge = next(name for name in (*self._above, self.package) if self.owns(name))
        above, _, attribute = edge.rpartition(".")
        parent = vars(sys.modules[above]) if above else {}
        value = parent.get(attribute, _MISSING)
        self._theirs = before = self._taken(self._theirs)
        sys.modules.update(self._kept)
        if above and edge in self._kept:
            parent[attribute] = self._kept[edge]
        self._see()
        try:
            yield
        finally:
            self._kept = self._taken(self._kept)
            sys.modules.update(before)
            self._see()
            if value is _MISSING:
                parent.pop(attribute, None)
            else:
                parent[attribute] = value

    def _taken(self, known: Iterable[str]) -> dict[str, ModuleType]:
        """Take out the modules that are read afresh: those known, and of those that came since this last saw."""
        names = dict.fromkeys((*known, *filter(self.owns, self._came())))
        return {name: sys.modules.pop(name) for name in names if name in sys.modules}

    def _see(self) -> None:
        """Remember what there is: the last name and how many there are, because a dict has what comes at its end."""
        self._seen = next(reversed(sys.modules)), len(sys.modules)

    def _came(self) -> Sequence[str]:
        """Give the names that came since then; all names where some have gone, too."""
        last, count = self._seen
        new = list(takewhile(lambda name: name != last, reversed(sys.modules)))
        return new[::-1] if len(sys.modules) == count + len(new) else list(sys.modules)

    def _read_afresh(self) -> Iterator[str]:
        """Give the top-level names that turns read: those of the folder that the program has not loaded from there."""
        names = set() if not os.path.isdir(self.folder) else set(os.listdir(self.folder))  # noqa: PTH112, PTH208
        for name in names:
            root, extension = os.path.splitext(name)  # noqa: PTH122
            inside = extension == "" and os.path.isfile(os.path.join(self.folder, name, "__init__.py"))  # noqa: PTH113, PTH118
            if (extension == ".py" or inside) and root not in sys.stdlib_module_names and not self._has(root):
                yield root
        root = self.package.partition(".")[0]
        at_home = _found_in([self.folder], root) is not None
        if root not in sys.modules or (at_home and not self._has(root)):
            yield root

    def _has(self, root: str) -> bool:
        """Whether the program has loaded a top-level module, and from the folder."""
        module = sys.modules.get(root)
        if module is None:
            return False
        file = getattr(module, "__file__", None)
        here = os.path.realpath(self.folder)
        if file is None:
            inside = [os.path.dirname(os.path.realpath(path)) for path in getattr(module, "__path__", ())]  # noqa: PTH120
            return here in inside
        place = os.path.realpath(file)
        return here in (os.path.dirname(place), os.path.dirname(os.path.dirname(place)))  # noqa: PTH120

    # ---- finding

    def _inside(self, package: str) -> Sequence[str] | None:
        if package in sys.modules and not self.owns(package):
            return list(getattr(sys.modules[package], "__path__", ())) or None
        found = self.find(package)
        return None if found is None else found.submodule_search_locations

    def _search(self, name: str, path: Sequence[str] | None) -> ModuleSpec | None:
        found = _found_in([self.folder] if path is None else path, name)
        if found is not None or path is not None:
            return found
        finders = (each for each in sys.meta_path if each is not self)
        return next((spec for each in finders if (spec := each.find_spec(name, None)) is not None), None)

    def _note(self, name: str) -> None:
        if self._running and name not in self.asked:
            top = self._running[-1]
            self.asked[name] = Asked(top.name, top.path, _line(top.path))


def _found_in(path: Iterable[str], name: str) -> ModuleSpec | None:
    """Find a module in folders; importlib's own finder wants a parent without an __init__ to be imported first."""
    portions: list[str] = []
    for entry in path:
        finder = pkgutil.get_importer(entry)
        found = None if finder is None else finder.find_spec(name)
        if found is not None and found.loader is not None:
            return found
        portions += (found and found.submodule_search_locations) or ()
    if not portions:
        return None
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = portions
    return spec


def _is_constant(node: ast.stmt) -> bool:
    """A value that is written out: a docstring, or the names in `__all__`."""
    match node:
        case ast.Assign(targets=[ast.Name()], value=ast.List(elts=inner) | ast.Tuple(elts=inner)):
            return all(isinstance(each, ast.Constant) for each in inner)
        case ast.Assign(targets=[ast.Name()], value=value) | ast.Expr(value=value):
            return isinstance(value, ast.Constant)
        case _:
            return False


def _ancestors(package: str) -> Iterator[str]:
    parts = package.split(".")
    return (".".join(parts[:count]) for count in range(1, len(parts)))


def _line(path: str) -> int:
    """Give the line of a file that is being executed."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_filename != path:
        frame = frame.f_back
    return 0 if frame is None else frame.f_lineno
