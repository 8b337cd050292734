"""Conditions on the rows, checked before a revision's first statement.

Where one does not hold, the revision stops with the number of rows and an example, and nothing has been changed, even
on MariaDB, where each statement commits. Names are those before the revision. Offline nothing is checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations

from .conversion import back_on_sqlite, convertible, family, on_mariadb, on_postgresql
from .definition import Text, define
from .failures import blames_values
from .registry import MigrationStopped, Writer, expression, operation

INVENTED, BROKEN = 6, 9


@operation
def require_no_nulls(operations: Operations, table: str, column: str, schema: str | None = None) -> None:
    """No row has NULL in the column, which becomes NOT NULL."""
    writer = Writer(operations)
    _require_none(
        writer, table, schema, f"{writer.name(column)} IS NULL",
        f"{column} is NULL but becomes NOT NULL. Update the rows, or add a `fill` for {table}.{column} to the stage",
        INVENTED,
    )  # fmt: skip


@operation
def require_no_rows(operations: Operations, table: str, why: str, schema: str | None = None) -> None:
    """The table is empty."""
    _require_none(Writer(operations), table, schema, "1 = 1", why, INVENTED)


@operation
def require_no_rows_where(
    operations: Operations, table: str, condition: Text | None, why: str, schema: str | None = None
) -> None:
    """No row meets the condition."""
    writer = Writer(operations)
    if condition is not None:
        _require_none(writer, table, schema, expression(writer, condition), why, BROKEN)


@operation
def require_unique(
    operations: Operations,
    table: str,
    columns: Sequence[str],
    where: Text | None = None,
    schema: str | None = None,
) -> None:
    """No two rows have the same values in these columns. NULL equals nothing."""
    writer = Writer(operations)
    if writer.offline:
        return
    names = [writer.name(column) for column in columns]
    conditions = [f"{name} IS NOT NULL" for name in names]
    if where is not None:
        conditions.append(f"({expression(writer, where)})")
    groups = (
        f"SELECT {', '.join(names)}, count(*) AS n FROM {writer.table(table, schema)}"
        f" WHERE {' AND '.join(conditions)} GROUP BY {', '.join(names)} HAVING count(*) > 1"
    )
    found = writer.fetch(f"{groups} LIMIT 1")
    if found:
        *values, count = found[0]
        example = ", ".join(f"{column} = {value!r}" for column, value in zip(columns, values, strict=True))
        number = writer.fetch(f"SELECT count(*) FROM ({groups}) AS groups_of_rows")[0][0]
        raise MigrationStopped(
            f"Table {_path(table, schema)}: {', '.join(columns)} becomes unique, but {number} "
            f"{'value is' if number == 1 else 'values are'} duplicated, for example {example} "
            f"in {count} rows. Nothing was changed.",
            BROKEN,
        )


@operation
def require_parents(
    operations: Operations, table: str, key: sa.ForeignKeyConstraint, schema: str | None = None
) -> None:
    """Every row that the foreign key is to hold for has its row in the other table."""
    writer = Writer(operations)
    if writer.offline:
        return
    columns = list(key.column_keys)
    define(table, [key], schema)
    targets = [element.target_fullname for element in key.elements]
    path = targets[0].rpartition(".")[0]
    parent_schema, _, parent = path.rpartition(".")
    pairs = [
        f"parent.{writer.name(target.rpartition('.')[2])} = child.{writer.name(column)}"
        for column, target in zip(columns, targets, strict=True)
    ]
    condition = " AND ".join(f"child.{writer.name(column)} IS NOT NULL" for column in columns)
    condition += (
        f" AND NOT EXISTS (SELECT 1 FROM {writer.table(parent, parent_schema or None)} AS parent"
        f" WHERE {' AND '.join(pairs)})"
    )
    query = f"FROM {writer.table(table, schema)} AS child WHERE {condition}"
    number = writer.fetch(f"SELECT count(*) {query}")[0][0]
    if number:
        names = ", ".join(f"child.{writer.name(column)}" for column in columns)
        values = writer.fetch(f"SELECT {names} {query} LIMIT 1")[0]
        example = ", ".join(f"{column} = {value!r}" for column, value in zip(columns, values, strict=True))
        raise MigrationStopped(
            f"Table {_path(table, schema)}: {number} {_rows(number)} without a matching row in {path}, "
            f"for example {example}. Nothing was changed.",
            BROKEN,
        )


@operation
def require_convertible(
    operations: Operations,
    table: str,
    column: sa.Column[Any],
    was: sa.Column[Any],
    schema: str | None = None,
) -> None:
    """Every value of the column survives conversion to the new type and back."""
    writer = Writer(operations)
    if writer.offline:
        return
    define(table, [column], schema)
    define(table, [was], schema)
    name = writer.name(was.name)
    what = f"{was.name} {_misfit(writer, column)}"
    advice = f"Update the rows, or add a `cast` for {table}.{was.name} to the stage{_example(writer, column, was)}"
    known = convertible(was.type, column.type)
    if not known:
        what = f"{was.name} is {writer.type(was)}, which has no known conversion to {writer.type(column)}"
    try:
        lost = _lost(writer, table, schema, column, was) if known else f"{name} IS NOT NULL"
        if lost is not None:
            _require_none(writer, table, schema, lost, f"{what}. {advice}", INVENTED, name)
    except sa.exc.DBAPIError as error:
        if not blames_values(error):
            raise
        raise MigrationStopped(
            f"Table {_path(table, schema)}: {what}: {str(error.orig).splitlines()[0]}. {advice}. Nothing was changed.",
            INVENTED,
        ) from error
    finally:
        if writer.server == "mariadb":
            writer.run(f"DROP TEMPORARY TABLE IF EXISTS {_TRIAL}")


def _misfit(writer: Writer, column: sa.Column[Any]) -> str:
    """What is wrong with a value that the column cannot have."""
    labels = _labels(column)
    if labels and family(column.type) == "enum":
        return f"must be one of {', '.join(map(repr, labels))}"
    if labels:
        return f"may only have {', '.join(map(repr, labels))}"
    return f"does not fit {writer.type(column)} without loss"


def _example(writer: Writer, column: sa.Column[Any], was: sa.Column[Any]) -> str:
    """An expression to think over, that has no value of an enum in the way; nothing for other types."""
    labels = _labels(column)
    if family(column.type) != "enum" or not labels:
        return ""
    name, values = writer.name(was.name), [writer.value(label) for label in labels]
    native = writer.server == "postgresql" and getattr(column.type, "native_enum", False)
    name, kind = (f"{name}::text", f"::{writer.type(column)}") if native else (name, "")
    made = f"CASE WHEN {name} IN ({', '.join(values)}) THEN {name} ELSE {values[0]} END"
    return f", as in `{f'({made}){kind}' if native else made}`"


def _labels(column: sa.Column[Any]) -> Sequence[str]:
    """The labels of an enum, or of an array of it."""
    type_ = getattr(column.type, "item_type", column.type)
    return type_.enums if isinstance(type_, sa.Enum) else ()


def _lost(writer: Writer, table: str, schema: str | None, new: sa.Column[Any], old: sa.Column[Any]) -> str | None:
    """The condition for rows whose value would be lost; None where none can be."""
    name = writer.name(old.name)
    labels = _labels(new)
    values = ", ".join(writer.value(label) for label in labels)
    if labels and family(new.type) == "enum":
        return f"{name} IS NOT NULL AND {_exact(writer, name)} NOT IN ({values})"
    if labels and family(old.type) == "array":
        return f"EXISTS (SELECT 1 FROM unnest({name}::text[]) AS label WHERE label NOT IN ({values}))"
    if writer.type(old) == writer.type(new):
        return None
    if (family(old.type), family(new.type)) == ("integer", "boolean"):
        return f"{name} NOT IN (0, 1)"
    if (family(old.type), family(new.type)) == ("string", "boolean"):
        return f"{name} IS NOT NULL AND {_exact(writer, name)} NOT IN ('true', 'false')"
    if writer.server == "sqlite":
        survives = back_on_sqlite(name, old, new)
        return None if survives is None else f"{name} IS NOT NULL AND NOT coalesce(({survives}), 0)"
    if writer.server == "postgresql":
        return _lost_on_postgresql(writer, name, old, new)
    return _lost_on_mariadb(writer, table, schema, name, old, new)


def _lost_on_postgresql(writer: Writer, name: str, old: sa.Column[Any], new: sa.Column[Any]) -> str | None:
    kinds = family(old.type), family(new.type)
    there = on_postgresql(name, old, new, writer.type(new).partition(" COLLATE ")[0])
    if "json" in kinds:
        return f"{name} IS NOT NULL AND ({there}) IS NULL"  # fails where it is not JSON
    back = on_postgresql(f"({there})", new, old, writer.type(old).partition(" COLLATE ")[0])
    if kinds == ("string", "uuid"):
        return f"lower({_exact(writer, name)}) IS DISTINCT FROM {back}"
    if kinds == ("string", "string") and isinstance(new.type, sa.String) and new.type.length:
        return f"length({name}) > {new.type.length}"
    exact = _exact(writer, name) if kinds[0] == "string" else name
    return f"{exact} IS DISTINCT FROM {back}"


def _lost_on_mariadb(
    writer: Writer, table: str, schema: str | None, name: str, old: sa.Column[Any], new: sa.Column[Any]
) -> str | None:
    """Convert in a temporary table, there and back, and compare byte by byte."""
    if family(new.type) == "json":
        return f"{name} IS NOT NULL AND NOT json_valid({name})"
    there = on_mariadb(name, old, new, native_uuid=writer.native_uuid)
    if there is not None:
        return f"{name} IS NOT NULL AND ({there}) IS NULL"
    if family(old.type) == "string" and family(new.type) == "string" and isinstance(new.type, sa.String):
        return f"char_length({name}) > {new.type.length}" if new.type.length else None
    writer.run(f"CREATE TEMPORARY TABLE {_TRIAL} (a {writer.type(old)}, b {writer.type(new)}, c {writer.type(old)})")
    writer.run(f"INSERT INTO {_TRIAL} (a) SELECT {name} FROM {writer.table(table, schema)}")
    writer.run(f"UPDATE IGNORE {_TRIAL} SET b = a")  # what does not fit is found below
    writer.run(f"UPDATE IGNORE {_TRIAL} SET c = b")
    lost = ["NOT (BINARY a <=> BINARY c)", *_beyond("a", writer.type(new)), *_beyond("b", writer.type(old))]
    return f"BINARY {name} IN (SELECT BINARY a FROM {_TRIAL} WHERE {' OR '.join(lost)})"


def _beyond(name: str, type_: str) -> Iterator[str]:
    """The condition for a value that MariaDB would cut down to the largest or smallest of a type."""
    whole = re.match(r"(TINY|SMALL|MEDIUM|BIG|)INT(?:EGER)?\b(.*)", type_, re.IGNORECASE)
    decimal = re.match(r"(?:NUMERIC|DECIMAL)\((\d+)(?:, *(\d+))?\)", type_, re.IGNORECASE)
    if whole:
        size, unsigned = 2 ** _BITS[whole[1].upper()], "UNSIGNED" in whole[2].upper()
        yield f"{name} < {0 if unsigned else -size // 2} OR {name} >= {size if unsigned else size // 2}"
    elif decimal:
        yield f"abs({name}) >= {10 ** (int(decimal[1]) - int(decimal[2] or 0))}"


_BITS = {"TINY": 8, "SMALL": 16, "MEDIUM": 24, "": 32, "BIG": 64}


def _exact(writer: Writer, name: str) -> str:
    """A text column, to be compared letter by letter: in its own collation two values may be equal."""
    match writer.server:
        case "sqlite":
            return f"{name} COLLATE BINARY"
        case "postgresql":
            return f'{name}::text COLLATE "C"'
        case _:
            return f"CONVERT({name} USING utf8mb4) COLLATE utf8mb4_nopad_bin"


_TRIAL = "_strata_trial"
"""A temporary table; the condition that reads it is good until it is dropped."""
_LONGEST_EXAMPLE = 80  # characters


def _require_none(
    writer: Writer, table: str, schema: str | None, condition: str, why: str, code: int, example: str | None = None
) -> None:
    if writer.offline:
        return
    query = f"FROM {writer.table(table, schema)} WHERE {condition}"
    number = writer.fetch(f"SELECT count(*) {query}")[0][0]
    if number:
        value = "" if example is None else repr(writer.fetch(f"SELECT {example} {query} LIMIT 1")[0][0])
        short = value if len(value) <= _LONGEST_EXAMPLE else f"{value[:_LONGEST_EXAMPLE]}…"
        shown = f", for example {short}" if short else ""
        raise MigrationStopped(
            f"Table {_path(table, schema)}: {number} {_rows(number)} in the way{shown}: {why}. Nothing was changed.",
            code,
        )


def _path(table: str, schema: str | None) -> str:
    return f"{schema}.{table}" if schema else table


def _rows(number: int) -> str:
    return "row is" if number == 1 else "rows are"
