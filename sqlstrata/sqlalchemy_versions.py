"""What SQLAlchemy 2.0 and 2.1 do not have in common: the one place that depends on which of them is installed.

2.1 adds views and tables of queries (`CreateView`, `CreateTableAs`), says of what kind a table is (`Table.is_view`),
can check for types alone before it creates (`CheckFirst`), has dialect options for identities and sequences, and keeps
beside each column of a collection where it stands there. With 2.0 there is none of that in anybody's models. A MetaData
of 2.1 keeps a list of its types, where in 2.0 they listen to its events. The operations,
which stand alone, have their own such place (`private_names.make_no_types`).
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
    """Those of the classes that this version has, for isinstance()."""
    return tuple(getattr(module, name) for name in names if hasattr(module, name))


VIEW_STATEMENTS = _classes(ddl, "CreateView", "DropView")
COLUMN_PLACES = _classes(base, "_ColumnMetrics")
"""Where in its table a column is, as a collection of columns keeps it."""
LISTENERS_OF_TYPES = (partial, *_classes(sa.util, "portable_instancemethod"))
CHECK_TYPES: Any = schema.CheckFirst.TYPES if hasattr(schema, "CheckFirst") else True
"""The `checkfirst` of create_all that asks for types, and not for tables; 2.0 asks for both, or for neither."""
_CREATE_VIEW, _CREATE_TABLE_AS = _classes(ddl, "CreateView"), _classes(ddl, "CreateTableAs")


HAS_NATIVE_UUID = bool(_CREATE_VIEW)
"""Whether a Uuid is MariaDB's own UUID, and not CHAR(32)."""
NAMES_OF_METADATA = ("_objects",) if _CREATE_VIEW else ()
"""The private names of a MetaData that `types_of` needs."""


def types_of(metadata: sa.MetaData) -> list[Any]:
    """The types that a MetaData makes; get_schema_objects() of 2.1 gives those of one schema only."""
    if NAMES_OF_METADATA:
        return list(metadata._objects)
    owners = map(owner_of, metadata.dispatch.before_create)
    return [each for each in owners if isinstance(each, sa.types.SchemaType)]


def owner_of(listener: Any) -> object:
    """Whose method a listener is: those of types are partials in 2.1, and in 2.0 objects of a kind of their own."""
    function = getattr(listener, "func", listener)
    return getattr(function, "target", getattr(function, "__self__", None))


def is_view(table: sa.Table) -> bool:
    return bool(getattr(table, "is_view", False))


def maker(table: sa.Table) -> Any:
    """The statement that makes a view, or a table of a query; None for any other table.

    There is no public way to ask; 2.0 has no such tables.
    """
    return getattr(table, "_creator_ddl", None)


def view_of(table: sa.Table) -> Any:
    """The CreateView of a view; None for any other table."""
    made = maker(table)
    return made if isinstance(made, _CREATE_VIEW) else None


def is_of_query(table: sa.Table) -> bool:
    """Whether the table is made of a query's rows."""
    return isinstance(maker(table), _CREATE_TABLE_AS)


def drop_view(view: sa.Table) -> Any:
    """The statement that drops a view."""
    return ddl.DropView(view, materialized=bool(getattr(maker(view), "materialized", False)))


def options(element: Any) -> Mapping[str, Any]:
    """The options of an element that are for one dialect; in 2.0 identities and sequences have none."""
    found: Mapping[str, Any] = getattr(element, "dialect_kwargs", {})
    return found


def leave_columns_alone(dialect: Any) -> None:
    """Have a dialect compile columns without changing them.

    For MariaDB, 2.0 makes a computed column of the models nullable when its DDL is asked for; 2.1 only says so in the
    DDL.
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
    """Whether the error says that SQLAlchemy has no such name, as where models for 2.1 meet 2.0."""
    if isinstance(error, ImportError):
        return (error.name or "").partition(".")[0] == "sqlalchemy"
    found = error.obj if isinstance(error, AttributeError) else None
    return isinstance(found, ModuleType) and found.__name__.partition(".")[0] == "sqlalchemy"
