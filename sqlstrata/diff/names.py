"""Names that a schema has once: whoever gives one up steps aside before somebody else takes it."""

from __future__ import annotations

from dataclasses import replace

from sqlstrata.diff.constraints import on
from sqlstrata.diff.order import Draft, Phase
from sqlstrata.schema.values import Constraint, Schema, Table
from sqlstrata.source import quoted

_ASIDE = "_renamed"
_LONGEST = 63 - len(_ASIDE)
# What has an index by its own name on PostgreSQL, where one schema has one index of a name.
_INDEXED = {"primary key", "unique", "exclude"}


def free(draft: Draft, moved: Schema, after: Schema) -> Schema:
    """Draft that keys step aside whose names other tables take, and give the schema as it is then.

    Two tables that exchange their names exchange those of their keys, and each would meet the other's.
    """
    takers = {(table.schema, name): key for key, table in after.tables.items() for name in _names(table)}
    tables = dict(moved.tables)
    for key, table in moved.tables.items():
        for constraint in table.constraints if key in after.tables else ():
            taker = takers.get((table.schema, constraint.name), key)
            given_up = constraint.name in _names(table) and constraint.name not in _names(after.tables[key])
            if given_up and not (taker in moved.tables and constraint.name in _names(moved.tables[taker])):
                tables[key] = _aside(draft, tables[key], constraint)
    return replace(moved, tables=tables)


def _names(table: Table) -> set[str | None]:
    return {each.name for each in table.constraints if each.kind in _INDEXED and each.name is not None}


def _aside(draft: Draft, table: Table, constraint: Constraint) -> Table:
    name = f"{str(constraint.name)[:_LONGEST]}{_ASIDE}"
    draft.do(Phase.RENAME, on("op.rename_key", table, constraint.source, quoted(name)))
    keywords = tuple((key, quoted(name) if key == "name" else value) for key, value in constraint.keywords)
    aside = replace(constraint, name=name, keywords=keywords)
    return replace(table, constraints=tuple(aside if each is constraint else each for each in table.constraints))
