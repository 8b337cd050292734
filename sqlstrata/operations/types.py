"""Enum types and sequences, which PostgreSQL has, MariaDB partly (sequences), and SQLite not."""

from __future__ import annotations

import re
from collections.abc import Sequence

import sqlalchemy as sa
from alembic.operations import Operations
from sqlalchemy.schema import CreateSequence, DropSequence

from .definition import Text
from .registry import Writer, expression, operation


@operation
def create_enum(operations: Operations, name: str, *labels: str, schema: str | None = None) -> None:
    """Create an enum type on PostgreSQL. On other servers an Enum column has its values itself."""
    writer = Writer(operations)
    if writer.server == "postgresql":
        values = ", ".join(writer.value(label) for label in labels)
        writer.run(f"CREATE TYPE {writer.table(name, schema)} AS ENUM ({values})")


@operation
def drop_enum(operations: Operations, name: str, schema: str | None = None) -> None:
    """Drop an enum type on PostgreSQL; no column may use it."""
    writer = Writer(operations)
    if writer.server == "postgresql":
        writer.run(f"DROP TYPE {writer.table(name, schema)}")


@operation
def change_enum(
    operations: Operations,
    name: str,
    *labels: str,
    was: Sequence[str],
    columns: Sequence[tuple[str, str] | tuple[str, str, Text]],
    keep: bool = False,
    schema: str | None = None,
) -> None:
    """Change the labels of an enum type on PostgreSQL, in these of its `columns`.

    Each of `columns` is a table, a column and, where its values are converted, the stage's `cast`. A new type replaces
    the old one: ALTER TYPE … ADD VALUE can neither remove nor reorder, and what it adds cannot be used before the
    transaction ends. Defaults are dropped and set again, except where they use a removed label; checks and partial
    indexes are dropped and created again. With `keep` the old type stays, as `<name>_before`, for its other columns.
    """
    writer = Writer(operations)
    if writer.server != "postgresql":
        return
    old = f"{name}_before"
    held = [] if writer.offline else [each for table, column, *_ in columns for each in _held(writer, table, column)]
    defaults = [(None, False) if writer.offline else _default(writer, table, column) for table, column, *_ in columns]
    for take_off, _ in held:
        writer.run(take_off)
    writer.run(f"ALTER TYPE {writer.table(name, schema)} RENAME TO {writer.name(old)}")
    create_enum(operations, name, *labels, schema=schema)
    for (table, column, *cast), (default, array) in zip(columns, defaults, strict=True):
        where = f"ALTER TABLE {writer.path(table)} ALTER COLUMN {writer.name(column)}"
        if default is not None:
            writer.run(f"{where} DROP DEFAULT")
        _retype(writer, where, column, writer.table(name, schema), array=array, cast=cast[0] if cast else None)
        if default is not None and not _named(default) & (set(was) - set(labels)):
            writer.run(f"{where} SET DEFAULT {default}")
    if not keep:
        writer.run(f"DROP TYPE {writer.table(old, schema)}")
    for _, put_on in held:
        if not _named(put_on) & (set(was) - set(labels)):  # else the stage changes it, and op.change_table adds it
            writer.run(put_on)


def _held(writer: Writer, table: str, column: str) -> list[tuple[str, str]]:
    """The checks and indexes that use the column: the statements that drop and create each."""
    where = writer.path(table)
    attribute = (
        f"(SELECT attnum FROM pg_attribute WHERE attrelid = {writer.value(where)}::regclass"
        f" AND attname = {writer.value(column)})"
    )
    checks = writer.fetch(
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
        f" WHERE conrelid = {writer.value(where)}::regclass AND contype = 'c' AND {attribute} = ANY (conkey)"
    )
    indexes = writer.fetch(
        "SELECT DISTINCT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i"
        " JOIN pg_depend d ON d.objid = i.indexrelid AND d.refobjid = i.indrelid"
        f" WHERE i.indrelid = {writer.value(where)}::regclass AND d.refobjsubid = {attribute}"
        " AND (i.indpred IS NOT NULL OR i.indexprs IS NOT NULL)"
    )
    found = [
        (f"ALTER TABLE {where} DROP CONSTRAINT {writer.name(name)}",
         f"ALTER TABLE {where} ADD CONSTRAINT {writer.name(name)} {text}")
        for name, text in checks
    ]  # fmt: skip
    found += [(f"DROP INDEX {name}", text) for name, text in indexes]
    return found + [
        _generated(writer, where, *row) for row in writer.fetch(_GENERATED.format(writer.value(where), attribute))
    ]


_GENERATED = (
    "SELECT DISTINCT a.attname, format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid), a.attnotnull,"
    " col_description(a.attrelid, a.attnum) FROM pg_attribute a"
    " JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
    " JOIN pg_depend p ON p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid AND p.refobjid = a.attrelid"
    " WHERE a.attrelid = {}::regclass AND a.attgenerated = 's' AND p.refobjsubid = {}"
)


def _generated(
    writer: Writer, where: str, name: str, type_: str, text: str, required: bool, comment: str | None
) -> tuple[str, str]:
    """The statements that drop and add a generated column which uses the enum type."""
    column = writer.name(name)
    add = f"ALTER TABLE {where} ADD COLUMN {column} {type_} GENERATED ALWAYS AS ({text}) STORED"
    commented = f"; COMMENT ON COLUMN {where}.{column} IS {writer.value(comment)}" if comment is not None else ""
    return f"ALTER TABLE {where} DROP COLUMN {column}", f"{add}{' NOT NULL' if required else ''}{commented}"


def _retype(writer: Writer, where: str, column: str, new: str, *, array: bool, cast: Text | None) -> None:
    what, text, target = writer.name(column), *(("text[]", f"{new}[]") if array else ("text", new))
    if cast is not None:  # it may use labels of both types
        writer.run(f"{where} TYPE {text} USING {what}::{text}")
    value = what if cast is None else f"({expression(writer, cast)})"
    writer.run(f"{where} TYPE {target} USING {value}::{text}::{target}")


def _default(writer: Writer, table: str, column: str) -> tuple[str | None, bool]:
    """The column's default as the catalogue writes it, and whether it is an array."""
    rows = writer.fetch(
        "SELECT pg_get_expr(d.adbin, d.adrelid), t.typcategory = 'A' FROM pg_attribute a"
        " JOIN pg_type t ON t.oid = a.atttypid"
        " LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
        f" WHERE a.attrelid = {writer.value(writer.path(table))}::regclass AND a.attname = {writer.value(column)}"
    )
    default, array = rows[0]
    return default, bool(array)


def _named(default: str) -> set[str]:
    """The labels that a default uses, alone or in an array."""
    literals = [text.replace("''", "'") for text in re.findall(r"'((?:[^']|'')*)'", default)]
    return {*literals, *(each.strip('"') for text in literals for each in text.strip("{}").split(","))}


@operation
def create_sequence(operations: Operations, sequence: sa.Sequence) -> None:
    """Create a sequence where the server has sequences."""
    writer = Writer(operations)
    if writer.server != "sqlite":
        writer.run(writer.compile(CreateSequence(sequence)))


@operation
def drop_sequence(operations: Operations, sequence: sa.Sequence) -> None:
    """Drop a sequence where the server has sequences."""
    writer = Writer(operations)
    if writer.server != "sqlite":
        writer.run(writer.compile(DropSequence(sequence)))


@operation
def change_sequence(operations: Operations, sequence: sa.Sequence) -> None:
    """Change a sequence's settings, but not its current value; missing settings are the server's defaults."""
    writer = Writer(operations)
    if writer.server == "sqlite":
        return
    type_ = [f"AS {writer.type(sa.Column('value', sequence.data_type or sa.BigInteger()))}"]
    settings = [
        *(type_ if writer.server == "postgresql" else ()),
        f"START WITH {sequence.start if sequence.start is not None else 1}",
        f"INCREMENT BY {sequence.increment if sequence.increment is not None else 1}",
        "NO MINVALUE" if sequence.minvalue is None else f"MINVALUE {sequence.minvalue}",
        "NO MAXVALUE" if sequence.maxvalue is None else f"MAXVALUE {sequence.maxvalue}",
        f"CACHE {sequence.cache if sequence.cache is not None else 1000 if writer.server == 'mariadb' else 1}",
        "CYCLE" if sequence.cycle else ("NOCYCLE" if writer.server == "mariadb" else "NO CYCLE"),
    ]
    writer.run(f"ALTER SEQUENCE {writer.table(sequence.name, sequence.schema)} {' '.join(settings)}")
