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
from dataclasses import dataclass
from inspect import currentframe, unwrap
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy import event

from sqlstrata.modules.bases import its_metadata

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from types import FrameType, ModuleType

    from sqlstrata.modules.finder import Finder

_NO_LIBRARIES = {"sqlalchemy", "sqlstrata", *sys.stdlib_module_names}
_COPIES = {unwrap(function).__code__ for function in (sa.Table.to_metadata, sa.MetaData.reflect)}


@dataclass(frozen=True, slots=True)
class Other:
    """A table, the place that created it, and whether a library did so."""

    table: sa.Table
    path: str
    line: int
    by_library: bool


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
            if is_there and metadata not in known and (not each.by_library or self.name_of(metadata) is not None):
                return each
        return None

    def name_of(self, metadata: sa.MetaData) -> tuple[str, str] | None:
        """Give the module of the package, and the attribute in it, that have a MetaData; None without any.

        A MetaData of its own comes before what has one, and Flask-SQLAlchemy's `metadatas` last.
        """
        modules = [module for name, module in sorted(sys.modules.items()) if self.finder.isolation.within(name)]
        names = [found for module in modules for found in _names(module, metadata)]
        return min(names)[1] if names else None

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


def _names(module: ModuleType, metadata: sa.MetaData) -> Iterator[tuple[int, tuple[str, str]]]:
    """Give the names in a module by which somebody can get at a MetaData, each with its rank."""
    for name, value in list(object.__getattribute__(module, "__dict__").items()):
        if name.startswith("__"):
            continue
        if value is metadata:
            yield 0, (module.__name__, name)
            continue
        with suppress(Exception):  # a user's object may raise anything
            if its_metadata(value) is metadata:
                yield 1 if isinstance(value, type) else 2, (module.__name__, name)
            for key, each in getattr(value, "metadatas", {}).items():
                if each is metadata:
                    yield 3, (module.__name__, f"{name}.metadatas.{key}")
