"""The differences between SQLAlchemy 2.0 and 2.1, in one place.

2.1 adds views and tables of queries (`CreateView`, `CreateTableAs`, `Table.is_view`), checks for types only
(`CheckFirst`), dialect options for identities and sequences, and the position of each column in a collection. In 2.1 a
MetaData has a list of its types; in 2.0 they listen to its events. For the operations see their `private_names`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import ModuleType
from typing import Any

import sqlalchemy as sa
from sqlalchemy import schema
from sqlalchemy.sql import base, ddl

Classes = tuple[type, ...]


def _classes(module: object, *names: str) -> Classes:
    """The classes that this version has, for isinstance()."""
    return tuple(getattr(module, name) for name in names if hasattr(module, name))


VIEW_STATEMENTS = _classes(ddl, "CreateView", "DropView")
COLUMN_PLACES = _classes(base, "_ColumnMetrics")
"""The class of a column's position in a collection."""
LISTENERS_OF_TYPES = (partial, *_classes(sa.util, "portable_instancemethod"))
CHECK_TYPES: Any = schema.CheckFirst.TYPES if hasattr(schema, "CheckFirst") else True
"""The `checkfirst` of create_all that checks for types only; 2.0 checks for types and tables, or for neither."""
_CREATE_VIEW, _CREATE_TABLE_AS = _classes(ddl, "CreateView"), _classes(ddl, "CreateTableAs")


HAS_NATIVE_UUID = bool(_CREATE_VIEW)
"""Whether a Uuid is MariaDB's own UUID, and not CHAR(32)."""
NAMES_OF_METADATA = ("_objects",) if _CREATE_VIEW else ()
"""The private names of a MetaData that `types_of` needs."""


def types_of(metadata: sa.MetaData) -> list[Any]:
    """The types of a MetaData; get_schema_objects() of 2.1 gives those of one schema only."""
    if NAMES_OF_METADATA:
        return list(metadata._objects)
    owners = map(owner_of, metadata.dispatch.before_create)
    return [each for each in owners if isinstance(each, sa.types.SchemaType)]


def owner_of(listener: Any) -> object:
    """The object whose method a listener is: a type's are partials in 2.1, and of a special class in 2.0."""
    function = getattr(listener, "func", listener)
    return getattr(function, "target", getattr(function, "__self__", None))


def is_view(table: sa.Table) -> bool:
    return bool(getattr(table, "is_view", False))


def maker(table: sa.Table) -> Any:
    """The statement that creates a view or a table of a query; None for other tables, and in 2.0."""
    return getattr(table, "_creator_ddl", None)


def view_of(table: sa.Table) -> Any:
    """The CreateView of a view; None for other tables."""
    made = maker(table)
    return made if isinstance(made, _CREATE_VIEW) else None


def is_of_query(table: sa.Table) -> bool:
    """Whether the table is made from a query."""
    return isinstance(maker(table), _CREATE_TABLE_AS)


def drop_view(view: sa.Table) -> Any:
    """The statement that drops a view."""
    return ddl.DropView(view, materialized=bool(getattr(maker(view), "materialized", False)))


def options(element: Any) -> Mapping[str, Any]:
    """The dialect options of an element; in 2.0 identities and sequences have none."""
    found: Mapping[str, Any] = getattr(element, "dialect_kwargs", {})
    return found


def leave_columns_alone(dialect: Any) -> None:
    """Have a dialect compile columns without changing them.

    For MariaDB, 2.0 makes a computed column of the models nullable when it compiles its DDL.
    """
    if _CREATE_VIEW:
        return
    usual = dialect.ddl_compiler

    class Compiler(usual):  # type: ignore[misc, valid-type]
        def get_column_specification(self, column: sa.Column[Any], **keywords: Any) -> str:
            was = column.nullable
            try:
                return str(super().get_column_specification(column, **keywords))
            finally:
                column.nullable = was

    dialect.ddl_compiler = Compiler


def lacks(error: BaseException) -> bool:
    """Whether the error is a missing name of SQLAlchemy, as with models for 2.1 on 2.0."""
    if isinstance(error, ImportError):
        return (error.name or "").partition(".")[0] == "sqlalchemy"
    found = error.obj if isinstance(error, AttributeError) else None
    return isinstance(found, ModuleType) and found.__name__.partition(".")[0] == "sqlalchemy"
