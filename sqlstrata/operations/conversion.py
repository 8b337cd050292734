"""Which changes of type keep a value, and the SQL that converts it on each server.

Only the pairs in _KEEPS are converted; whether each value survives is checked first (rows.require_convertible). All
others need a `cast` in the stage: SQLite's CAST silently makes years of dates and 0 of words.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql

# With the base class that LargeBinary shares with the binary types of dialects.
_BINARY = sa.LargeBinary.__mro__[: sa.LargeBinary.__mro__.index(sa.types.TypeEngine)]
# The first match counts, so subclasses come before the classes they inherit from.
_FAMILIES: tuple[tuple[str, tuple[type, ...]], ...] = (
    ("boolean", (sa.Boolean,)),
    ("enum", (sa.Enum,)),
    ("set", (mysql.SET,)),
    ("uuid", (sa.Uuid,)),
    ("json", (sa.JSON,)),
    ("array", (sa.ARRAY, postgresql.ARRAY)),
    ("interval", (sa.Interval, postgresql.INTERVAL)),
    ("binary", (sa.BINARY, sa.VARBINARY, *_BINARY)),
    ("datetime", (sa.DateTime,)),
    ("date", (sa.Date,)),
    ("time", (sa.Time,)),
    ("integer", (sa.Integer,)),
    ("float", (sa.Float,)),
    ("numeric", (sa.Numeric,)),
    ("string", (sa.String,)),
)
_KEEPS = {
    "integer": {"numeric", "float", "string", "boolean"},
    "numeric": {"integer", "float", "string"},
    "float": {"integer", "numeric", "string"},
    "boolean": {"integer", "string"},
    "binary": {"string"},
    "string": {"integer", "numeric", "float", "boolean", "binary", "enum", "uuid", "json", "date", "datetime", "time"},
    "enum": {"string"},
    "uuid": {"string"},
    "json": {"string"},
    "date": {"datetime", "string"},
    "datetime": {"date", "string"},
    "time": {"string"},
}


def family(type_: sa.types.TypeEngine[Any]) -> str:
    """The family of a type, or the name of its class where it has none."""
    if isinstance(type_, sa.TypeDecorator) and not isinstance(type_, sa.Interval):
        return family(type_.impl_instance)
    if isinstance(type_, postgresql.DOMAIN):
        return family(type_.data_type)
    for name, classes in _FAMILIES:
        if isinstance(type_, classes):
            return name
    return type(type_).__name__


def convertible(old: sa.types.TypeEngine[Any], new: sa.types.TypeEngine[Any]) -> bool:
    """Whether values of one type can be converted to the other without a `cast`."""
    return keeps(family(old), family(new)) is not False


def keeps(before: str, after: str) -> bool | None:
    """For two families: None where they are equal, else whether values can be converted."""
    return None if before == after else after in _KEEPS.get(before, ())


def on_postgresql(value: str, old: sa.Column[Any], new: sa.Column[Any], target: str) -> str:
    """The USING expression.

    By way of text where no value can be converted: PostgreSQL wants a cast even if there are no rows.
    """
    before, after = family(old.type), family(new.type)
    if {before, after} == {"integer", "boolean"}:
        return f"{value}::integer::{target}"
    if (before, after) == ("binary", "string"):
        return f"convert_from({value}, 'UTF8')::{target}"
    if (before, after) == ("string", "binary"):
        return f"convert_to({value}, 'UTF8')"
    if "enum" in (before, after) or "json" in (before, after) or keeps(before, after) is False:
        return f"{value}::text::{target}"
    return f"{value}::{target}"


def on_sqlite(value: str, old: sa.Column[Any], new: sa.Column[Any]) -> str:
    """The expression to copy into the new table: a text, number or date as SQLAlchemy's SQLite types store it."""
    pair = family(old.type), family(new.type)
    match pair:
        case ("string", "integer") | ("numeric" | "float", "integer"):
            return f"CAST({value} AS INTEGER)"
        case ("string", "float" | "numeric"):
            return f"CAST({value} AS REAL)"
        case ("string", "boolean"):
            return f"CASE {value} WHEN 'true' THEN 1 WHEN 'false' THEN 0 END"
        case ("boolean", "string"):
            return f"CASE {value} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END"
        case ("string", "binary"):
            return f"CAST({value} AS BLOB)"
        case ("integer" | "numeric" | "float" | "binary", "string"):
            return f"CAST({value} AS TEXT)"
        case ("date", "datetime"):
            return f"{value} || ' 00:00:00.000000'"
        case ("datetime" | "time", "string"):
            return f"CASE WHEN {value} LIKE '%.000000' THEN substr({value}, 1, length({value}) - 7) ELSE {value} END"
        case ("string", "datetime" | "time"):
            length = 26 if pair[1] == "datetime" else 15
            return f"substr({value} || CASE WHEN instr({value}, '.') THEN '000000' ELSE '.000000' END, 1, {length})"
        case ("datetime", "date"):
            return f"substr({value}, 1, 10)"
        case ("string", "uuid"):
            return f"lower(replace({value}, '-', ''))"
        case ("uuid", "string"):
            parts = [f"substr({value}, {start}, {length})" for start, length in _UUID]
            return " || '-' || ".join(parts)
        case _:
            return value


def on_mariadb(value: str, old: sa.Column[Any], new: sa.Column[Any], *, native_uuid: bool) -> str | None:
    """The expression where MODIFY alone would convert differently from the other servers; else None.

    SQLAlchemy 2.0 has no `native_uuid` there: a UUID is its 32 digits.
    """
    match (family(old.type), family(new.type)):
        case ("string", "boolean"):
            return f"CASE {value} WHEN 'true' THEN 1 WHEN 'false' THEN 0 END"
        case ("boolean", "string"):
            return f"CASE {value} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END"
        case ("string", "uuid") if not native_uuid:
            digits = f"lower(replace({value}, '-', ''))"
            return f"CASE WHEN {digits} REGEXP '^[0-9a-f]{{32}}$' THEN {digits} END"
        case ("uuid", "string") if not native_uuid:
            parts = [f"substr(replace({value}, '-', ''), {start}, {length})" for start, length in _UUID]
            return "concat(" + ", '-', ".join(parts) + ")"
        case _:
            return None


_UUID = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))


def back_on_sqlite(value: str, old: sa.Column[Any], new: sa.Column[Any]) -> str | None:
    """A condition that is true where the value survives conversion in both directions; None where all do."""
    pair = family(old.type), family(new.type)
    there = on_sqlite(value, old, new)
    exact = f"{value} COLLATE BINARY"  # in the column's own collation two texts may be equal
    match pair:
        case ("string" | "enum", "string") if isinstance(new.type, sa.String) and new.type.length:
            return f"length({value}) <= {new.type.length}"
        case ("string", "integer" | "float" | "numeric"):
            return f"CAST({there} AS TEXT) = {exact}"
        case ("numeric" | "float", "numeric") if isinstance(new.type, sa.Numeric) and new.type.scale is not None:
            return f"round({value}, {new.type.scale}) = {value}"
        case ("numeric" | "float", "integer") | ("integer", "numeric" | "float"):
            return f"{there} = {value}"
        case ("integer", "boolean"):
            return f"{value} IN (0, 1)"
        case ("binary", "string"):
            return f"CAST({there} AS BLOB) = {value} AND instr({value}, x'00') = 0"
        case ("date", "datetime"):
            return f"date({value}) IS {value}"
        case ("datetime", "date"):
            return f"{value} IN (date({value}) || ' 00:00:00.000000', date({value}) || ' 00:00:00', date({value}))"
        case ("string", "date"):
            return f"date({value}) IS {exact}"
        case ("string", "datetime"):
            return f"substr({value}, 1, 19) IS strftime('%Y-%m-%d %H:%M:%S', {value})"
        case ("string", "time"):
            return f"substr({value}, 1, 8) IS time({value})"
        case ("string", "uuid"):
            return f"length({there}) = 32 AND {there} NOT GLOB '*[^0-9a-f]*'"
        case ("string", "json"):
            # A column of type JSON stores what looks like a number as one.
            number = f"CAST(CAST({value} AS NUMERIC) AS TEXT) = {exact}"
            kept = f"json_type({value}) NOT IN ('integer', 'real') OR {number}"
            return f"CASE WHEN json_valid({value}) THEN {kept} END"
        case _:
            return None
