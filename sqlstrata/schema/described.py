"""What the descriptions of one run share: their dialects, and a cache of columns."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from sqlstrata.dialects import NAMES
from sqlstrata.schema.values import Column


@dataclass
class Described:
    """The dialects that DDL is compiled for, by SQLAlchemy's names, and the columns that were described so far.

    columns: simple columns by their keys (see `columns`); read: the columns that were read back, by `id()`.
    """

    dialects: tuple[str, ...] = NAMES
    columns: dict[Hashable, Column] = field(default_factory=dict)
    read: dict[int, Column] = field(default_factory=dict)
