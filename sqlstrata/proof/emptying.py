"""Taking generated rows out of tables, with the rows that point at them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

import sqlalchemy as sa

from sqlstrata.dialects import quoted
from sqlstrata.proof.verdict import require_answer
from sqlstrata.proof.walk import Walk
from sqlstrata.schema.values import Schema, Table
from sqlstrata.snapshot import rows

Rows = list[Mapping[str, object]]


def empty(walk: Walk, schema: Schema, keys: Collection[str]) -> bool:
    """Delete all rows of these tables and of those that point at them. False where the server refuses."""
    tables = [quoted(walk.connection, schema.tables[key].schema, schema.tables[key].name)
              for key in pointing_at(schema, keys)]  # fmt: skip
    if walk.server == "postgresql" and len(tables) > 1:  # in one statement, after which the keys are checked
        parts = ", ".join(f"t{number} AS (DELETE FROM {table})" for number, table in enumerate(tables[1:]))  # noqa: S608
        texts = [f"WITH {parts} DELETE FROM {tables[0]}"]  # noqa: S608 - quoted names
    else:
        texts = [f"DELETE FROM {table}" for table in tables]  # noqa: S608 - quoted names
    return _deleted(walk, [sa.text(text.replace(":", r"\:")) for text in texts])


def take_out(walk: Walk, schema: Schema, key: str, unwanted: Rows) -> bool:
    """Delete these rows of a table, and those that point at them. False where the server refuses."""
    found: dict[str, Rows] = {}
    _reach(walk, schema, _pointing(schema), key, unwanted, found)
    found = {each: reached for each, reached in found.items() if reached}
    if not all(schema.tables[each].primary_key for each in found):
        return False
    return _deleted(walk, [deletion(schema.tables[each], found[each]) for each in reversed(found)])


def pointing_at(schema: Schema, keys: Collection[str]) -> tuple[str, ...]:
    """These tables and all that point at them, at these, and so on; those that are pointed at last."""
    pointing = _pointing(schema)
    found = sorted(key for key in keys if key in schema.tables)
    for key in found:
        found += [each for each in pointing.get(key, ()) if each not in found]
    return tuple(reversed(found))


def _pointing(schema: Schema) -> dict[str, list[str]]:
    """Which tables point at each; what Walk.neighbours knows of that may be of the next stage already."""
    found: dict[str, list[str]] = {}
    for key, table in schema.tables.items():
        for target in table.targets():
            found.setdefault(target, []).append(key)
    return found


def deletion(table: Table, unwanted: Sequence[Mapping[str, object]]) -> sa.Delete:
    """DELETE for rows of a table that has a primary key."""
    target = sa.table(table.name, *(sa.column(name) for name in table.primary_key), schema=table.schema)
    if len(table.primary_key) == 1:
        (name,) = table.primary_key
        return sa.delete(target).where(target.c[name].in_([row[name] for row in unwanted]))
    rows_ = [sa.and_(*(target.c[name] == row[name] for name in table.primary_key)) for row in unwanted]
    return sa.delete(target).where(sa.or_(*rows_))


def _reach(
    walk: Walk, schema: Schema, near: Mapping[str, list[str]], key: str, unwanted: Rows, found: dict[str, Rows]
) -> None:
    """Find all rows that point at these, by way of others, too."""
    mine = found.setdefault(key, [])
    new = [row for row in unwanted if row not in mine]
    mine += new
    for other in near.get(key, ()) if new else ():
        held = rows(walk.connection, [other], walk.schemas)[other]
        for each in schema.tables[other].foreign_keys():
            if each.target == key:
                values = [[row[name] for name in each.target_columns] for row in new]
                pointing = [row for row in held if [row[name] for name in each.columns] in values]
                _reach(walk, schema, near, other, pointing, found)


def _deleted(walk: Walk, statements: Sequence[sa.Executable]) -> bool:
    try:
        with keys_off(walk), walk.connection.begin_nested():
            for statement in statements:
                walk.connection.execute(statement)
    except sa.exc.SQLAlchemyError as error:  # a trigger, perhaps, or a table without a primary key
        require_answer(error, walk.url)
        return False
    return True


@contextmanager
def keys_off(walk: Walk) -> Iterator[None]:
    """Foreign keys are not checked by each statement, where the server can put that off."""
    if walk.server == "sqlite":
        walk.connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
    if walk.server == "mariadb":
        walk.connection.exec_driver_sql("SET foreign_key_checks = 0")
    try:
        yield
    finally:
        if walk.server == "mariadb":
            walk.connection.exec_driver_sql("SET foreign_key_checks = 1")
