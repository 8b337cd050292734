"""The models' tables and views, as far as making one of them alone needs it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.schema import sort_tables_and_constraints

from sqlstrata.diff.words import words
from sqlstrata.private_names import sequences_of
from sqlstrata.schema.columns import enum_key
from sqlstrata.schema.ddl import UNSAYABLE
from sqlstrata.schema.events import listens
from sqlstrata.schema.types import element_as
from sqlstrata.sqlalchemy_versions import is_view, types_of, view_of


@dataclass(frozen=True)
class Part:
    """A table or view: `kind` is its word after DROP; `names` those in a view's text; `types` the enums it makes.

    A `special` one may make other things as well, or cannot be made.
    """

    kind: str = "TABLE"
    names: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    special: bool = False


def part_of(table: sa.Table, dialect: sa.Dialect) -> Part:
    """Describe a table or view for a server."""
    if is_view(table):
        return _view(table, dialect)
    types = [_own_type(column) for column in table.columns] if dialect.name == "postgresql" else []
    enums = frozenset(enum_key(each) for each in types if isinstance(each, sa.Enum))
    others = any(each is not None and not isinstance(each, sa.Enum) for each in types)
    return Part(types=enums, special=others or listens(table))


def _view(view: sa.Table, dialect: sa.Dialect) -> Part:
    construct = view_of(view)
    try:
        text = str(construct.compile(dialect=dialect))
    except UNSAYABLE:  # making it will report that
        return Part("VIEW", special=True)
    kind = "MATERIALIZED VIEW" if construct.materialized else "VIEW"
    return Part(kind, frozenset(words(text)), special=listens(view))


def _own_type(column: sa.Column[object]) -> sa.types.SchemaType | None:
    """The type that PostgreSQL makes for the column, and that its table does not create and drop."""
    element = element_as(column.type, "postgresql")
    if not isinstance(element, sa.types.SchemaType) or isinstance(element, sa.Boolean):
        return None
    return None if isinstance(element, sa.Enum) and not element.native_enum else element


def makes_more(metadata: sa.MetaData, parts: Iterable[Part], server: str) -> bool:
    """Whether models make more than these tables and views: by events, or sequences and types of their own."""
    if listens(metadata):
        return True
    if server != "postgresql":
        return server != "sqlite" and bool(sequences_of(metadata))
    known = {name for part in parts for name in part.types}
    return any(
        not isinstance(each, sa.Enum) or (each.native_enum and enum_key(each) not in known)
        for each in types_of(metadata)
    )


def creation_order(tables: Iterable[sa.Table]) -> tuple[list[sa.Table], bool]:
    """Tables and views in the order in which create_all makes them, and whether some of their keys come later."""
    *order, (_, later) = sort_tables_and_constraints(tables)  # type: ignore[no-untyped-call]
    return [table for table, _ in order], bool(later)
