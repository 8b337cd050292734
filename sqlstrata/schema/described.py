"""What the descriptions of one run share: the dialects they are made for, and columns that are described once."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from sqlstrata.dialects import NAMES
from sqlstrata.schema.values import Column


class Described:
    """The dialects that DDL is compiled for, by SQLAlchemy's names; and columns by their signs (see `columns`)."""

    def __init__(self, dialects: tuple[str, ...] = NAMES) -> None:
        self.dialects = dialects
        self.columns: dict[Hashable, Column] = {}
        self._shared: set[int] = set()
        self._read: set[int] = set()

    def keep(self, sign: Hashable, column: Column) -> Column:
        """Have this value for all columns with the sign."""
        self.columns[sign] = column
        self._shared.add(id(column))
        return column

    def is_read(self, column: Column) -> bool:
        """Whether a column is one of these values and was read back."""
        return id(column) in self._read

    def read(self, columns: Iterable[Column]) -> None:
        """Remember that columns were read back; those that are not kept here are passed over."""
        self._read |= self._shared & {id(column) for column in columns}
