"""What one run has described already: most columns of a schema are like others, so each is described once."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from sqlstrata.schema.values import Column


class Described:
    """Columns by their signs (see `columns`), and which of them were read back as a part of some table."""

    def __init__(self) -> None:
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
