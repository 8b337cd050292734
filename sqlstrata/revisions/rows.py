"""The development rows of a stage: values from YAML, converted for their columns and inserted."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from sqlstrata.dialects import dialect

_SQLITE_INTEGERS = range(-(2**63), 2**63)


def insert(
    connection: sa.Connection, metadata: sa.MetaData, rows: Mapping[str, Sequence[Mapping[str, object]]]
) -> None:
    """Insert rows into the tables of a stage, with the types and defaults of its models."""
    for name, given in rows.items():
        table = metadata.tables[name]
        columns = {column.name: column for column in table.columns}
        for row in given:
            values = {columns[key]: python_value(columns[key], value) for key, value in row.items()}
            connection.execute(table.insert().values(values))


def python_value(column: sa.Column[Any], value: object) -> object:
    """A value from YAML, converted to what the column's type expects, without decorators."""
    type_ = column.type
    while isinstance(type_, sa.TypeDecorator):
        type_ = type_.impl_instance
    if isinstance(value, str) and isinstance(type_, sa.DateTime):
        return dt.datetime.fromisoformat(value)
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime) and isinstance(type_, sa.DateTime):
        return dt.datetime.combine(value, dt.time())
    if isinstance(value, str) and isinstance(type_, sa.Date):
        return dt.date.fromisoformat(value)
    if isinstance(value, str) and isinstance(type_, sa.Time):
        return dt.time.fromisoformat(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and isinstance(type_, sa.Numeric):
        return decimal.Decimal(str(value))
    if isinstance(value, str) and isinstance(type_, sa.Uuid):
        return uuid.UUID(value) if type_.as_uuid else value
    if isinstance(value, str) and isinstance(type_, sa.LargeBinary):
        return value.encode()
    return _listed(value)


def _listed(value: object) -> object:
    """A list or mapping of the plan, which is frozen there, as types and drivers expect it."""
    if isinstance(value, tuple):
        return [_listed(each) for each in value]
    return {key: _listed(each) for key, each in value.items()} if isinstance(value, Mapping) else value


def can_store(server: str, column: sa.Column[Any], value: object) -> bool:
    """Whether the column's type can convert the value into something that the server's driver can send."""
    on = dialect(server)
    process = column.type.dialect_impl(on).bind_processor(on)
    try:
        converted = python_value(column, value)
        sent = process(converted) if process else converted
        if isinstance(column.type, sa.Integer | sa.Numeric) and isinstance(sent, str):
            float(sent)  # SQLite would keep any text
    except Exception:  # noqa: BLE001 - a type of the user's may raise anything
        return False
    if isinstance(sent, int) and server == "sqlite":
        return sent in _SQLITE_INTEGERS
    return server == "postgresql" or not isinstance(sent, Mapping | list)
