"""Modules of a package of models as Python sees them: those that pass names on, and those that are for later."""

from __future__ import annotations

import importlib.abc
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import CodeType

    from sqlstrata.modules.finder import Imports

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


class Package(ModuleType):
    """A module that passes names on: what it was executed without is imported for who asks for it."""

    __imports__: Imports

    def __getattribute__(self, name: str) -> object:
        value = super().__getattribute__(name)
        if type(value) is not Later or self.__imports__.defers:
            return value
        value = self.__imports__.real(value.__name__)
        setattr(self, name, value)
        return value

    def __getattr__(self, name: str) -> object:
        value = self.__imports__.passed_on(self.__name__, name)
        if name != "__all__":
            setattr(self, name, value)
        return value


class Later(ModuleType):
    """Stands for a module that an `__init__` imports; it is executed as soon as something looks into it."""

    __imports__: Imports

    def __getattribute__(self, name: str) -> object:
        if name in _OF_ANY_MODULE:
            return super().__getattribute__(name)
        return getattr(self.__imports__.real(self.__name__), name)

    def __setattr__(self, name: str, value: object) -> None:
        if name in _OF_ANY_MODULE or isinstance(value, Later):
            super().__setattr__(name, value)
        else:
            setattr(self.__imports__.real(self.__name__), name, value)


class Loader(SourceFileLoader):
    """Executes one module, from its text alone."""

    def __init__(self, name: str, path: str, imports: Imports) -> None:
        super().__init__(name, path)
        self._imports = imports

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        if not self._imports.passes_on(spec.name):
            return None
        module = Package(spec.name)
        module.__imports__ = self._imports
        return module

    def get_code(self, fullname: str) -> CodeType:
        if self._imports.passes_on(fullname):
            return self._imports.part_of(fullname).code
        return self._imports.sources.text(self.path).code

    def exec_module(self, module: ModuleType) -> None:
        with self._imports.running(self.name, self.path, defers=self._imports.passes_on(self.name)):
            super().exec_module(module)


class LaterLoader(importlib.abc.Loader):
    """Makes modules that are executed later."""

    def __init__(self, imports: Imports) -> None:
        self._imports = imports

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = Later(spec.name)
        module.__imports__ = self._imports
        self._imports.later[spec.name] = module
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Execute nothing."""
