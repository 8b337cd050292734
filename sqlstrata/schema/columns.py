"""Columns as values.

Most columns of a schema are like others: an id, a name, a date. So a simple column is described once, and all columns
with the same `_key` share the value. A column with anything that `_key` does not know is described by itself.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import cache, partial
from typing import Any, TypeGuard

import sqlalchemy as sa
from sqlalchemy.schema import CreateColumn

from sqlstrata.dialects import dialect
from sqlstrata.operations.conversion import family
from sqlstrata.private_names import MADE_AS_NUMBER, is_extended
from sqlstrata.schema.constraints import constraint_of
from sqlstrata.schema.ddl import compiler, ddl, dialect_options, expression_texts, forces_quotes, on_each, sql_source
from sqlstrata.schema.described import Described
from sqlstrata.schema.evaluation import evaluate
from sqlstrata.schema.types import element_as, stored_as, type_source, type_texts
from sqlstrata.schema.values import Column, Texts, same_everywhere
from sqlstrata.source import Call, Source, call, quoted

_PLAIN = (str, bytes, int, float, bool, type(None))
# Attributes of a column that are not in its DDL, or are in the key in another form.
_NOT_COMPARED = frozenset(
    {"table", "type", "key", "name", "default", "onupdate", "server_default", "server_onupdate", "constraints",
     "foreign_keys", MADE_AS_NUMBER, "_proxies", "doc", "info", "index", "unique", "_insert_sentinel",
     "_omit_from_statements", "_user_defined_nullable"}
)  # fmt: skip


def column_of(table: sa.Table, column: sa.Column[Any], described: Described) -> Column:
    """One column; simple columns that are alike share one value."""
    key = _key(table, column)
    found = described.columns.get(key)
    if found is None:
        found = _described(table, column, described.dialects)
        if key is not None:
            described.columns[key] = found
    return found


# ------------------------------------------------------------------------------- keys


def _key(table: sa.Table, column: sa.Column[Any]) -> Hashable | None:
    """All that the description of a simple column depends on; None if it is not simple."""
    kind, default = _key_of_type(column.type), _key_of_default(column.server_default)
    if kind is None or default is None or type(column) is not sa.Column or type(table) is not sa.Table:
        return None
    if column.constraints or column.dialect_kwargs or table.dialect_kwargs or isinstance(column.default, sa.Sequence):
        return None
    rest = [(name, value) for name, value in vars(column).items() if name not in _NOT_IN_KEY]
    if is_extended(CreateColumn, sa.Column) or any(type(value) not in _PLAIN for _, value in rest):
        return None
    name = column.name, getattr(column.name, "quote", None), getattr(table.name, "quote", None), table.schema
    keys = len(table.primary_key), column is table.autoincrement_column, bool(column.foreign_keys)
    return name, keys, kind, default, repr(_scalar(column)), *rest


@cache
def _derived(cls: type) -> frozenset[str]:
    """The attributes of a class that hold listeners, or values that SQLAlchemy caches."""
    members = (member for each in cls.__mro__ for member in vars(each).items())
    return frozenset({"dispatch", *(name for name, value in members if isinstance(value, sa.util.memoized_property))})


_NOT_IN_KEY = _derived(sa.Column) | _NOT_COMPARED


def _key_of_type(type_: sa.types.TypeEngine[Any]) -> Hashable | None:
    cls: type = type(type_)
    if not cls.__module__.startswith("sqlalchemy.") or cls is sa.types.NullType or is_extended(cls):
        return None
    derived = _derived(cls)
    rest = tuple((name, type(value), value) for name, value in vars(type_).items() if name not in derived)
    return (cls, *rest) if all(kind in _PLAIN for _, kind, _ in rest) else None  # 10 is not 10.0


def _key_of_default(default: object) -> Hashable | None:
    """A server default; a string is a value, a text() is SQL."""
    if default is None:
        return ()
    if type(default) is not sa.DefaultClause:
        return None
    given = default.arg
    if isinstance(given, str):
        return type(given), given
    if type(given) is sa.sql.elements.TextClause and not _has_parameters(given):
        return type(given), given.text
    if type(given) not in _CONSTANT or is_extended(type(given)) or len(getattr(given, "clauses", ())):
        return None
    return (type(given),)


def _has_parameters(text: sa.TextClause) -> bool:
    return any(isinstance(each, sa.BindParameter) for each in sa.sql.visitors.iterate(text))


_CONSTANT = (sa.sql.elements.True_, sa.sql.elements.False_, sa.sql.elements.Null, sa.sql.functions.now)


# ------------------------------------------------------------------------ descriptions


def _described(table: sa.Table, column: sa.Column[Any], dialects: tuple[str, ...]) -> Column:
    rest: list[Source] = [type_source(column.type, column, dialects)]
    keywords: dict[str, Source] = {}
    if isinstance(column.default, sa.Sequence):
        rest.append(sequence_source(column.default, dialects))
    computed, identity, default = column.computed, column.identity, column.server_default
    value = None if computed is None else sql_source(expression_texts(computed.sqltext, dialects))
    if computed is not None and value is not None:
        persisted = None if computed.persisted is None else quoted(computed.persisted)
        rest.append(call("sa.Computed", value, persisted=persisted))
    elif identity is not None:
        rest.append(Call("sa.Identity", (), _sequence_options(identity, dialects, always=identity.always)))
    checks = sorted(check.text for each in column.constraints if (check := constraint_of(each, dialects)) is not None)
    rest += checks
    keywords["nullable"] = quoted(bool(column.nullable))
    defaults = _default_texts(column, dialects) if computed is None and identity is None else None
    if defaults is not None and isinstance(default, sa.DefaultClause):
        keywords["server_default"] = _default_source(default.arg, defaults)
    if column.autoincrement != "auto":
        keywords["autoincrement"] = quoted(column.autoincrement)
    if column.comment is not None:
        keywords["comment"] = quoted(column.comment)
    if forces_quotes(column.name, dialects):
        keywords["quote"] = "True"
    keywords |= dict(dialect_options(column, dialects))
    created = CreateColumn(column)
    types = type_texts(column.type, dialects, column)
    element = element_as(column.type, "postgresql" if "postgresql" in dialects else dialects[0])
    native = "postgresql" in dialects and is_made_by_itself(element)
    return Column(
        name=column.name,
        rest=tuple(rest),
        keywords=tuple(keywords.items()),
        ddl=on_each(partial(ddl, created), dialects),
        types=types,
        kinds={name: _kind(column.type, name, types[name]) for name in dialects},
        nullable=bool(column.nullable),
        default=defaults,
        computed=value,
        counted=identity is not None or (column is table.autoincrement_column and default is None),
        comment=column.comment,
        enum=enum_key(element) if native and isinstance(element, sa.Enum) else None,
        labels=tuple(getattr(element, "enums", ())),
        checks=bool(checks),
        default_value={name: text for name in dialects if (text := _literal(column, name)) is not None},
    )


def _kind(type_: sa.types.TypeEngine[Any], name: str, text: str | None) -> str:
    """The family of a type on one dialect; for a class of the user's that is in none, its name on the server."""
    stored = stored_as(type_, name)
    found = family(stored)
    is_users = found == type(stored).__name__ and not type(stored).__module__.startswith("sqlalchemy.")
    return text if is_users and text is not None else found


def _scalar(column: sa.Column[Any]) -> object:
    """The value that Python puts into new rows; None where there is none, or it is computed."""
    default = column.default
    return default.arg if isinstance(default, sa.ColumnDefault) and default.is_scalar else None


def _literal(column: sa.Column[Any], name: str) -> str | None:
    """The same as SQL on one dialect; None where the type has no literals there."""
    value, on = _scalar(column), dialect(name)
    process = None if value is None else column.type.dialect_impl(on).literal_processor(on)
    try:
        return None if process is None else str(process(value))
    except Exception:  # noqa: BLE001 - a type of the user's may raise anything; it is only an offer
        return None


def is_made_by_itself(element: object) -> TypeGuard[sa.Enum]:
    """Whether it is a PostgreSQL enum type that SQLAlchemy creates with its tables, and not DDL of the models."""
    if not isinstance(element, sa.Enum) or not element.native_enum or element.name is None:
        return False
    return bool(getattr(element, "create_type", True))


def _default_texts(column: sa.Column[Any], dialects: tuple[str, ...]) -> dict[str, str | None] | None:
    if not isinstance(column.server_default, sa.DefaultClause):
        return None
    return on_each(lambda name: compiler(name).get_column_default_string(column), dialects)


def _default_source(argument: object, texts: Texts) -> Source:
    if isinstance(argument, str):
        return quoted(argument)
    same = same_everywhere(texts)
    if same is not None:
        return sql_source(texts)
    for known in ("sa.true()", "sa.false()", "sa.func.now()", "sa.null()"):
        if str(evaluate(known)) == str(argument) and type(evaluate(known)) is type(argument):
            return known
    return sql_source(texts)


# -------------------------------------------------------------------- types, sequences


def enum_key(enum: sa.Enum) -> str:
    """The name of a PostgreSQL enum type, with its schema."""
    return f"{enum.schema}.{enum.name}" if enum.schema else str(enum.name)


def sequence_source(sequence: sa.Sequence, dialects: tuple[str, ...]) -> Call:
    """The sequence as Python."""
    schema = () if sequence.schema is None else (("schema", quoted(sequence.schema)),)
    optional: tuple[tuple[str, Source], ...] = (("optional", "True"),) if sequence.optional else ()
    keywords = (*_sequence_options(sequence, dialects), *_data_type(sequence, dialects), *schema, *optional)
    return Call("sa.Sequence", (quoted(sequence.name),), keywords)


def _data_type(sequence: sa.Sequence, dialects: tuple[str, ...]) -> tuple[tuple[str, Source], ...]:
    """The type of a sequence's values, which only PostgreSQL has."""
    type_ = sequence.data_type if "postgresql" in dialects else None
    return () if type_ is None else (("data_type", type_source(type_, sa.Column("c", type_), ("postgresql",))),)


def _sequence_options(
    options: Any, dialects: tuple[str, ...], always: bool | None = None
) -> tuple[tuple[str, Source], ...]:
    names = ("start", "increment", "minvalue", "maxvalue", "nominvalue", "nomaxvalue", "cycle", "cache")
    given: list[tuple[str, Source]] = [("always", "True")] if always else []
    given += [(name, quoted(value)) for name in names if (value := getattr(options, name, None)) is not None]
    return (*given, *dialect_options(options, dialects))
