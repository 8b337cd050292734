"""The development rows of a stage: what YAML gives for them, as the columns want it, and into the tables with it."""

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
    """Put rows into the tables of a stage, as its models would: with their types and defaults."""
    for name, given in rows.items():
        table = metadata.tables[name]
        columns = {column.name: column for column in table.columns}
        for row in given:
            values = {columns[key]: python_value(columns[key], value) for key, value in row.items()}
            connection.execute(table.insert().values(values))


def python_value(column: sa.Column[Any], value: object) -> object:
    """What YAML gives, as the column's type wants it."""
    if isinstance(value, str) and isinstance(column.type, sa.DateTime):
        return dt.datetime.fromisoformat(value)
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime) and isinstance(column.type, sa.DateTime):
        return dt.datetime.combine(value, dt.time())
    if isinstance(value, str) and isinstance(column.type, sa.Date):
        return dt.date.fromisoformat(value)
    if isinstance(value, str) and isinstance(column.type, sa.Time):
        return dt.time.fromisoformat(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and isinstance(column.type, sa.Numeric):
        return decimal.Decimal(str(value))
    if isinstance(value, str) and isinstance(column.type, sa.Uuid):
        return uuid.UUID(value) if column.type.as_uuid else value
    if isinstance(value, str) and isinstance(column.type, sa.LargeBinary):
        return value.encode()
    return value


def takes(server: str, column: sa.Column[Any], value: object) -> bool:
    """Whether the column's type makes something of the value that the server's driver can send."""
    known = dialect(server)
    process = column.type.dialect_impl(known).bind_processor(known)
    try:
        made = python_value(column, value)
        sent = process(made) if process else made
    except Exception:  # noqa: BLE001 - a type of the user's may raise anything
        return False
    if isinstance(sent, int) and server == "sqlite":
        return sent in _SQLITE_INTEGERS
    return server == "postgresql" or not isinstance(sent, Mapping | tuple)
