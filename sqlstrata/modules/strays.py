"""Finding tables and columns that come from modules that are not on."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy import event

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from sqlstrata.modules.finder import Finder

Item = sa.Table | sa.Column[object]


@dataclass(frozen=True, slots=True)
class Stray:
    """A table or column, and the module that it comes from, which is not on."""

    item: Item
    module: str

    @property
    def table(self) -> sa.Table:
        return self.item if isinstance(self.item, sa.Table) else self.item.table

    def is_in(self, metadata: sa.MetaData) -> bool:
        """Whether it is part of a schema, and has not been replaced."""
        there = metadata.tables.get(self.table.key) is self.table
        return there and (self.table is self.item or any(column is self.item for column in self.table.columns))

    def __str__(self) -> str:
        if isinstance(self.item, sa.Table):
            return f"table `{self.table.fullname}`"
        return f"column `{self.table.fullname}.{self.item.name}`"


class Strays:
    """The tables and columns that modules attach to a schema without being on."""

    def __init__(self, finder: Finder) -> None:
        self.finder = finder
        self._found: list[Stray] = []

    def begin(self) -> None:
        """Forget those of the stage before."""
        self._found.clear()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Collect what is attached to a schema while a module that is not on is executed."""
        # Before SQLAlchemy 2.0.37 one function cannot stop listening to two classes.
        heard = ((sa.Table, partial(self._note)), (sa.Column, partial(self._note)))
        for kind, listener in heard:
            event.listen(kind, "after_parent_attach", listener)
        try:
            yield
        finally:
            for kind, listener in heard:
                event.remove(kind, "after_parent_attach", listener)

    def of(self, bases: Collection[sa.MetaData], *, replaced: bool = False) -> list[Stray]:
        """Give those that are in a schema, or also those that have been `replaced`; a table stands for its columns."""
        found = [
            each
            for each in self._found
            if each.table.metadata in bases and (replaced or each.is_in(each.table.metadata))
        ]
        tables = [each.item for each in found if isinstance(each.item, sa.Table)]
        return [each for each in found if each.table is each.item or each.table not in tables]

    def _note(self, item: Item, _: sa.MetaData | sa.Table, **__: object) -> None:
        module = self.finder.running_module()
        if module is not None and module not in self.finder.inits.on:
            self._found.append(Stray(item, module))
