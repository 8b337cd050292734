"""Every private name of SQLAlchemy that the engine uses, where there is no public API.

Importing this module raises WrongUse where the installed SQLAlchemy lacks one of them, or is too old, so nothing fails
halfway. Those of the operations are in `sqlstrata/operations/private_names.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import mapperlib, registry
from sqlalchemy.schema import CreateIndex, SchemaConst

from sqlstrata.errors import WrongUse
from sqlstrata.operations.private_names import lacking, prefixes, should_create
from sqlstrata.sqlalchemy_versions import NAMES_OF_METADATA

__all__ = ["prefixes", "should_create"]

Type = sa.types.TypeEngine[Any]
MADE_AS_NUMBER = "_creation_order"
"""The attribute that numbers objects in the order of their creation."""


# --------------------------------------------------------------------------- MetaData


def sequences_of(metadata: sa.MetaData) -> list[sa.Sequence]:
    """The sequences of a MetaData."""
    return list(metadata._sequences.values())


def add_all(metadata: sa.MetaData, part: sa.MetaData) -> None:
    """Have a MetaData create what another one does, besides its own."""
    for name in ("tables", "_sequences"):
        dict.update(getattr(metadata, name), getattr(part, name))
    metadata._schemas |= part._schemas
    for name in NAMES_OF_METADATA:
        getattr(metadata, name).update(getattr(part, name))
    metadata.dispatch._update(part.dispatch, only_propagate=False)


# ------------------------------------------------------------------- columns and types


def asks_for_null(column: sa.Column[Any]) -> bool | SchemaConst | None:
    """The `nullable` that the column was given; `column.nullable` may be the default."""
    return column._user_defined_nullable


def variants(type_: Type) -> Mapping[str, Type]:
    """What with_variant() was given."""
    return type_._variant_mapping


# --------------------------------------------------------------- constraints and indexes


def has_condition(element: sa.Constraint | sa.Index) -> bool:
    """Whether ddl_if() was called."""
    return element._ddl_if is not None


def is_created(index: sa.Index, compiler: Any) -> bool:
    """Whether create_all makes the index on the compiler's server, by ddl_if()."""
    condition: Any = index._ddl_if
    return condition is None or bool(condition._should_execute(CreateIndex(index), index, None, compiler=compiler))


def excluded(constraint: postgresql.ExcludeConstraint) -> list[tuple[Any, str]]:
    """The expressions and operators of an exclusion constraint; public are only its columns."""
    return [(expression, operator) for expression, _, operator in constraint._render_exprs]


@contextmanager
def rules_kept(constraints: Iterable[sa.Constraint]) -> Iterator[None]:
    """Restore, at the end, whether each constraint is part of CREATE TABLE: AddConstraint excludes it."""
    rules = [(each, each._create_rule) for each in constraints]
    try:
        yield
    finally:
        for each, rule in rules:
            each._create_rule = rule


# --------------------------------------------------------------------------- compiling


def compilers(cls: type) -> object:
    """What `sqlalchemy.ext.compiler` has registered on this class itself; None if nothing."""
    found = vars(cls).get("_compiler_dispatcher")
    return None if found is None else (found, dict(found.specs))


def is_extended(*classes: type) -> bool:
    """Whether `sqlalchemy.ext.compiler` has a compiler for one of these, or for a base class of it."""
    return any(hasattr(cls, "_compiler_dispatcher") for cls in classes)


def say_connected(dialect: Any) -> None:
    """Set on a dialect for MariaDB what its first connection would set; 2.0 uses the server's version."""
    for name in ("_support_default_function", "_support_float_cast"):
        if isinstance(getattr(type(dialect), name, None), bool):
            setattr(dialect, name, True)


# ----------------------------------------------------------------------------- mappers


def registries() -> set[registry]:
    """All registries of the program."""
    return mapperlib._all_registries()


def hide(one: registry) -> None:
    """Have `configure_mappers` ignore a registry."""
    mapperlib._mapper_registries.pop(one, None)


def show(one: registry) -> None:
    """Have `configure_mappers` find it again."""
    mapperlib._mapper_registries[one] = True


def mapped(one: registry) -> list[type]:
    """The classes of a registry; its public `mappers` fails on a class that is half mapped."""
    return [manager.class_ for manager in one._managers]


# --------------------------------------------------------------------------- the check


def _expected() -> Iterator[tuple[object, str]]:
    """Each private name, with an object that must have it."""
    metadata = sa.MetaData()
    column = sa.Column("c", sa.Integer())
    yield from ((metadata, each) for each in ("_sequences", "_schemas", *NAMES_OF_METADATA))
    yield metadata.dispatch, "_update"
    yield from ((column, "_user_defined_nullable"), (column, MADE_AS_NUMBER), (column.type, "_variant_mapping"))
    yield from ((sa.UniqueConstraint(), each) for each in ("_ddl_if", "_create_rule"))
    yield from ((sa.Index("i"), "_ddl_if"), (postgresql.ExcludeConstraint(("c", "=")), "_render_exprs"))
    yield from ((registry(), "_managers"), (mapperlib, "_all_registries"), (mapperlib, "_mapper_registries"))


def _check() -> None:
    """Raise WrongUse where the installed SQLAlchemy is not supported."""
    sentence = lacking(_expected())
    if sentence is not None:
        raise WrongUse(sentence, hint="Install a supported version: `pip install sqlstrata` chooses one.")


_check()
