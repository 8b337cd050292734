"""The MetaData that `models.base` and `models.ignore` name, and one MetaData of several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.orm import Mapper

from sqlstrata.private_names import add_all

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

NOTHING = object()
"""The value of an attribute that does not exist."""


def value_of(module: ModuleType, attribute: str) -> object:
    """Give the value of an attribute, or of an attribute of it, or, in a mapping, under a key: `db.metadatas.audit`."""
    found: object = module
    for part in attribute.split("."):
        found = found.get(part, NOTHING) if isinstance(found, Mapping) else getattr(found, part, NOTHING)
    return found


def metadata_of(value: object) -> sa.MetaData | None:
    """Give the MetaData of a base: a MetaData, or what has one and is neither a table nor a mapped class."""
    metadata = its_metadata(value)  # first, for inspecting an engine would connect it
    if metadata is None or isinstance(value, sa.Table) or isinstance(sa.inspect(value, raiseerr=False), Mapper):
        return None
    return metadata


def its_metadata(value: object) -> sa.MetaData | None:
    """Give a MetaData itself, or that of a base, table or mapped class."""
    if isinstance(value, sa.MetaData):
        return value
    metadata = getattr(value, "metadata", None)
    return metadata if isinstance(metadata, sa.MetaData) else None


def joined(parts: Sequence[sa.MetaData]) -> sa.MetaData:
    """Give one MetaData with the tables, types, sequences and events of several; a single one is given as it is.

    No two have a table of one name. The tables keep their own MetaData, so its naming convention and schema apply.
    """
    if len(parts) == 1:
        return parts[0]
    made = sa.MetaData()
    for part in parts:
        add_all(made, part)
    return made
