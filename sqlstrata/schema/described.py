"""What the descriptions of one run share: their dialects, and a cache of columns."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from sqlstrata.dialects import NAMES
from sqlstrata.schema.values import Column


class Described:
    """The dialects that DDL is compiled for, by SQLAlchemy's names; and columns by their keys (see `columns`)."""

    def __init__(self, dialects: tuple[str, ...] = NAMES) -> None:
        self.dialects = dialects
        self.columns: dict[Hashable, Column] = {}
        self._shared: set[int] = set()
        self._read: set[int] = set()

    def keep(self, key: Hashable, column: Column) -> Column:
        """Use this value for all columns with the key."""
        self.columns[key] = column
        self._shared.add(id(column))
        return column

    def is_read(self, column: Column) -> bool:
        """Whether a column is one of the cached values and was read back."""
        return id(column) in self._read

    def read(self, columns: Iterable[Column]) -> None:
        """Remember which of the cached columns were read back."""
        self._read |= self._shared & {id(column) for column in columns}
