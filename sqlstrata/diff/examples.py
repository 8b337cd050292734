"""SQL that would run where a stage must give a value: for a person to think over, and to paste."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from sqlstrata.dialects import path_on
from sqlstrata.schema.values import Column, Constraint, Table
from sqlstrata.servers import by_key, keys_of

Example = str | dict[str, str]

_NUMBERS = ("integer", "numeric", "float")
# By the kind of value that a column holds on a server; what is PostgreSQL's or MariaDB's alone has its class's name.
_VALUES: dict[str, str] = {
    "string": "''",
    "integer": "0",
    "numeric": "0",
    "float": "0",
    "boolean": "false",
    "date": "CURRENT_DATE",
    "datetime": "CURRENT_TIMESTAMP",
    "time": "CURRENT_TIME",
    "json": "'{}'",
    "binary": "''",
    "array": "'{}'",
    "interval": "CURRENT_TIMESTAMP",
    "set": "''",
    "uuid": "'00000000000000000000000000000000'",
    "CIDR": "'0.0.0.0/0'",
    "HSTORE": "''",
    "INET": "'0.0.0.0'",
    "JSONPATH": "'$'",
    "LTREE": "''",
    "MACADDR": "'00:00:00:00:00:00'",
    "MACADDR8": "'00:00:00:00:00:00:00:00'",
    "MONEY": "0",
    "OID": "0",
    "REGCLASS": "0",
    "TSQUERY": "''",
    "TSVECTOR": "''",
    "YEAR": "2000",
}


_OF_PGVECTOR = {
    **dict.fromkeys(("VECTOR", "HALFVEC"), "array_fill(0, ARRAY[{length}])::{type}"),
    "SPARSEVEC": "'{{}}/{length}'",
}
"""The zeros of pgvector's types, by their names."""


def example(table: Table, column: Column) -> Example:
    """A value for the rows of the table that have none in the column."""
    if column.default_value and not any(column.name in names for names in _unique(table)):
        return _shortened(by_key({name: text for name, text in column.default_value.items() if text is not None}))
    parent = _parent(table, column)
    if parent is not None:
        return parent
    own = _own_key(table, column)
    return own if own is not None else _shortened({key: _value(column, key) for key in keys_of(column.types)})


def refers_to(table: Table, column: Column) -> str | None:
    """The other table whose first row `example` offers for a foreign key's column."""
    key = _key_of(table, column)
    return None if key is None or key.target == table.key or column.default_value else key.target


def _key_of(table: Table, column: Column) -> Constraint | None:
    """The first foreign key that has the column."""
    return next((each for each in table.foreign_keys() if column.name in each.columns), None)


def crossing(old: Column, new: Column) -> Example:
    """A cast: by way of text on PostgreSQL and, where MariaDB asks for that, there; else as it stands."""
    texts = {key: _crossing(key, old, new) for key in keys_of(new.types)}
    type_ = new.types.get("postgresql")
    return _merged({key: text.format(name=path_on(key, old.name), type=type_) for key, text in texts.items()})


def _crossing(key: str, old: Column, new: Column) -> str:
    """The cast on one server, where the types may be others than elsewhere, or the same."""
    if old.types[key] == new.types[key] and old.labels == new.labels:
        return "{name}"
    return _CROSSINGS.get((old.kinds[key], new.kinds[key]), {}).get(key) or _usual(key, old, new)


def _usual(key: str, old: Column, new: Column) -> str:
    if key == "postgresql" and new.types.get(key) is not None:
        return "{name}::text::{type}"
    kinds = {old.kinds[key], new.kinds[key]} if key == "mysql" else set()
    by_text = not kinds <= {*_OF_MARIADB} and len(kinds) > 1
    return "CAST({name} AS CHAR)" if by_text else "{name}"


_OF_MARIADB = ("string", "integer", "numeric", "float", "boolean", "date", "datetime", "time", "interval", "json",
               "binary", "array", "set", "enum", "YEAR", "BIT")  # fmt: skip
"""Kinds whose values MariaDB takes for those of another one; UUID and INET6 it takes from text alone."""

_CROSSINGS = {
    ("array", "json"): dict.fromkeys(("sqlite", "mysql"), "{name}") | {"postgresql": "to_jsonb({name})::{type}"},
    ("binary", "uuid"): {
        "sqlite": "CASE WHEN {name} IS NOT NULL THEN lower(hex({name})) END",
        "postgresql": "encode({name}, 'hex')::{type}",
        "mysql": "lower(hex({name}))",
    },
    ("uuid", "binary"): {
        "sqlite": "unhex(replace({name}, '-', ''))",
        "postgresql": "decode(replace({name}::text, '-', ''), 'hex')",
        "mysql": "unhex(replace({name}, '-', ''))",
    },
}
"""Casts between kinds of values that go neither as they are nor by way of text, by server."""


def zoned(old: Column, new: Column) -> Example:
    """A cast between times with a zone and times without: in UTC, which is what most applications store."""
    return _by_server(new, lambda name: name(old.name), postgresql=" AT TIME ZONE 'UTC'")


def _parent(table: Table, column: Column) -> Example | None:
    """Of a foreign key's column: what the first row at its other end has; the row itself, where that is the table."""
    key = _key_of(table, column)
    if key is None or key.target is None:
        return None
    path, order = key.target.split("."), key.target_columns
    there = order[key.columns.index(column.name)]
    if key.target == table.key:
        return _by_server(column, lambda name: name(there))

    def first(name: Callable[[str], str]) -> str:
        table, columns = ".".join(map(name, path)), ", ".join(map(name, order))
        return f"(SELECT {name(there)} FROM {table} ORDER BY {columns} LIMIT 1)"

    return _by_server(column, first)


def _own_key(table: Table, column: Column) -> Example | None:
    """Of a column whose values must differ: something made of the table's key, where the two types allow it."""
    if not any(column.name in names for names in _unique(table)) or len(table.primary_key) != 1:
        return None
    own = table.primary_key[0]
    if own == column.name or column.labels:
        return None
    pair = table.columns[own].kind, column.kind
    if pair[1] == "string":
        return _by_server(column, lambda name: name(own), postgresql="::text")
    if pair[0] == pair[1] or set(pair) <= set(_NUMBERS):
        return _by_server(column, lambda name: name(own))
    if pair != ("integer", "uuid"):
        return None
    made = {
        "sqlite": "printf('%032x', {})",
        "postgresql": f"lpad(to_hex({{}}), 32, '0')::{column.types.get('postgresql')}",
        "mysql": "lpad(hex({}), 32, '0')",
    }
    return _merged({key: made[key].format(path_on(key, own)) for key in keys_of(column.types)})


def _unique(table: Table) -> Iterator[tuple[str, ...]]:
    """The columns of each key, unique constraint and unique index."""
    yield from (each.columns for each in table.constraints if each.kind in {"unique", "primary key"})
    yield from (each.columns for each in table.indexes.values() if each.unique)


def _value(column: Column, server: str) -> str:
    """One of the column's kind that fits its type."""
    kind, type_ = column.kinds[server], column.types[server] or ""
    if kind != "array" and column.labels:
        return quoted_sql(column.labels[0])
    if kind == "BIT":
        length = re.search(r"\d+", type_)
        zeros = "0" if "VARYING" in type_ or length is None else "0" * int(length[0])
        return "0" if server == "mysql" else f"B'{zeros}'"
    name, _, size = kind.rstrip(")").partition("(")  # of a type that SQLAlchemy has no class for, all of it
    if name in _OF_PGVECTOR and size:
        return _OF_PGVECTOR[name].format(length=size, type=type_)
    if kind.endswith("MULTIRANGE"):
        return "'{}'"
    if kind.endswith("RANGE"):
        return "'empty'"
    if (kind, server) == ("interval", "postgresql"):
        return "'0 seconds'"
    return _VALUES.get(kind, "NULL")


def _by_server(column: Column, text: Callable[[Callable[[str], str]], str], postgresql: str = "") -> Example:
    """SQL with its names quoted as each server wants it."""
    more = {"postgresql": postgresql}
    return _merged({key: text(partial(path_on, key)) + more.get(key, "") for key in keys_of(column.types)})


def _merged(texts: dict[str, str]) -> Example:
    """One text where the servers agree, else one for each."""
    return texts if len(set(texts.values())) > 1 else next(iter(texts.values()))


def _shortened(texts: Mapping[str, str]) -> Example:
    """One text where the servers agree, and `default` where two of them do."""
    if len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    for server in filter(texts.__contains__, ("postgresql", "sqlite", "mysql")):
        others = {text for name, text in texts.items() if name != server}
        if len(others) == 1:
            return {server: texts[server], "default": others.pop()}
    return dict(texts)


def quoted_sql(text: str) -> str:
    """The text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"
