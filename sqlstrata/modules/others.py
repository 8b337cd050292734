"""Finding tables on a MetaData that config.yaml does not name: they would be left out of the history.

A table counts where

- it is created while a module that is on is executed, and is still in its MetaData when that has ended;
- it is no copy (`to_metadata`) and was not reflected (`reflect`); and
- the module's own code creates it, directly, in a function of the user's, or by defining a mapped class; or a library
  does (Flask-SQLAlchemy, SQLModel), and a module of the package has its MetaData by a name (`named`).

So a table that a library creates in a MetaData of its own does not, such as SQLAlchemy-Utils' materialized views.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from enum import IntEnum
from inspect import currentframe, unwrap
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa
from sqlalchemy import event

from sqlstrata.modules.bases import its_metadata, metadata_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from types import FrameType, ModuleType

    from sqlstrata.modules.finder import Finder

_NO_LIBRARIES = {"sqlalchemy", "sqlstrata", *sys.stdlib_module_names}
_COPIES = {unwrap(function).__code__ for function in (sa.Table.to_metadata, sa.MetaData.reflect)}


class _Rank(IntEnum):
    """What a name stands for, the best one first."""

    METADATA = 0
    BASE = 1
    KEY = 2
    CLASS = 3
    TABLE = 4


class Name(NamedTuple):
    """A name by which a module of the package has a MetaData: its own, or that of something which has it."""

    rank: _Rank
    module: str
    attribute: str

    @property
    def is_base(self) -> bool:
        """Whether `models.base` can name it."""
        return self.rank < _Rank.CLASS


@dataclass(frozen=True, slots=True)
class Other:
    """A table, the place that created it, whether a library did so, and the name of its MetaData, if it has one."""

    table: sa.Table
    path: str
    line: int
    by_library: bool
    name: Name | None = None


class Others:
    """The tables that modules create on another MetaData while they are on."""

    def __init__(self, finder: Finder) -> None:
        self.finder = finder
        self._known: Collection[sa.MetaData] = ()
        self._found: list[Other] = []

    def begin(self, known: Collection[sa.MetaData]) -> None:
        """Forget those of the stage before; tables on a MetaData that is known are none."""
        self._known = known
        self._found.clear()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Collect the tables that are created inside."""
        event.listen(sa.Table, "after_parent_attach", self._note)
        try:
            yield
        finally:
            event.remove(sa.Table, "after_parent_attach", self._note)

    def first(self, known: Collection[sa.MetaData]) -> Other | None:
        """Give the first table that counts, and is on none of these."""
        for each in self._found:
            metadata = each.table.metadata
            is_there = metadata.tables.get(each.table.key) is each.table
            if is_there and metadata not in known:
                name = self._name_of(metadata)
                if not each.by_library or (name is not None and name.rank is not _Rank.TABLE):
                    return replace(each, name=name)
        return None

    def _name_of(self, metadata: sa.MetaData) -> Name | None:
        """Give the best name that a module of the package has for a MetaData, rather one that no stage turns on."""
        modules = [module for name, module in sorted(sys.modules.items()) if self.finder.isolation.within(name)]
        names = [found for module in modules for found in _names(module, metadata)]
        return min(names, key=lambda each: (each.rank, each.module in self.finder.inits.on, each), default=None)

    def _note(self, table: sa.Table, metadata: sa.MetaData, **_: object) -> None:
        module = None if metadata in self._known else self.finder.running_module()
        if module is None or module not in self.finder.inits.on:
            return
        path, by_library = self.finder.sources.path(module), False
        frame: FrameType | None = currentframe()
        while frame is not None and frame.f_code.co_filename != path:
            if frame.f_code in _COPIES:
                return
            by_library = by_library or self._is_library(frame)
            frame = frame.f_back
        self._found.append(Other(table, str(path), 0 if frame is None else frame.f_lineno, by_library))

    def _is_library(self, frame: FrameType) -> bool:
        """Whether the code is neither SQLAlchemy's, nor the user's, nor this program's."""
        name = str(frame.f_globals.get("__name__", ""))
        head = name.partition(".")[0]
        return head not in _NO_LIBRARIES and not self.finder.isolation.owns(name)


def _names(module: ModuleType, metadata: sa.MetaData) -> Iterator[Name]:
    """Give the names in a module by which somebody can get at a MetaData."""
    for name, value in list(object.__getattribute__(module, "__dict__").items()):
        if name.startswith("__"):
            continue
        with suppress(Exception):  # a user's object may raise anything
            if its_metadata(value) is metadata:
                yield Name(_rank(value), module.__name__, name)
            for key, each in getattr(value, "metadatas", {}).items():  # Flask-SQLAlchemy's, by bind key
                if each is metadata:
                    yield Name(_Rank.KEY, module.__name__, f"{name}.metadatas.{key}")


def _rank(value: object) -> _Rank:
    if isinstance(value, sa.MetaData):
        return _Rank.METADATA
    if metadata_of(value) is not None:
        return _Rank.BASE
    return _Rank.TABLE if isinstance(value, sa.Table) else _Rank.CLASS
