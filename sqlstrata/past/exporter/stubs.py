"""Stubs: what a module that is missing gives for any name, and the modules themselves."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import types
from typing import Any, Dict, Iterable, Iterator, Optional, Tuple


def _name(of: str, name: str) -> str:
    """The name of an attribute of a stub. Python's own names it does not have."""
    if name.startswith("__") and name.endswith("__"):
        raise AttributeError(name)
    return "%s.%s" % (of, name)


def _called(name: str, given: Tuple[Any, ...], named: Dict[str, Any]) -> Any:
    """What a call gives: what it decorates, else a stub."""
    is_decorated = len(given) == 1 and not named and callable(given[0]) and not isinstance(given[0], Stub)
    return given[0] if is_decorated else Stub(name)


class Stub:
    """It can be called, subclassed, and used as a decorator, which gives what it decorates."""

    def __init__(self, name: str) -> None:
        self.stub_name = name

    def __getattr__(self, name: str) -> Any:
        return Stub(_name(self.stub_name, name))

    def __call__(self, *given: Any, **named: Any) -> Any:
        return _called(self.stub_name, given, named)

    def __mro_entries__(self, bases: Tuple[Any, ...]) -> Tuple[type, ...]:
        if next(each for each in bases if isinstance(each, Stub)) is not self:
            return ()
        named = {"stub_name": self.stub_name}
        if all(isinstance(each, Stub) for each in bases):
            return (_StubMeta("StubBase", (StubBase,), named),)
        return (type("StubMixin", (StubMixin,), named),)

    def __getitem__(self, key: Any) -> Any:
        return Stub(self.stub_name)

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __or__(self, other: Any) -> Any:
        return self

    __ror__ = __or__


class StubMixin:
    """The base of a class that inherits from a stub, and from others."""

    stub_name = "?"

    def __init__(self, *given: Any, **named: Any) -> None:
        """Take anything."""

    def __getattr__(self, name: str) -> Any:
        return Stub(_name(self.stub_name, name))

    def __call__(self, *given: Any, **named: Any) -> Any:
        return _called(self.stub_name, given, named)


class _StubMeta(type):
    stub_name: str

    def __getattr__(cls, name: str) -> Any:
        return Stub(_name(cls.stub_name, name))


class StubBase(StubMixin, metaclass=_StubMeta):
    """The base of a class that inherits from stubs alone: it has any attribute, too."""


class Stubs(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds modules that are stubs, and all that is in them."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)

    def find_spec(self, name: str, *_: Any) -> Optional[importlib.machinery.ModuleSpec]:
        is_stub = any(name == each or name.startswith(each + ".") for each in self.names)
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if is_stub else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return StubModule(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Leave it empty."""


class StubModule(types.ModuleType):
    """An empty module, which has a stub by every name."""

    def __getattr__(self, name: str) -> Any:
        return Stub(_name(self.__name__, name))
