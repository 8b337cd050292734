"""The names in each stage: enough to tell most stages apart, without describing one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial

import sqlalchemy as sa

from sqlstrata.modules.turning import metadata_of, turns
from sqlstrata.plan import Plan
from sqlstrata.revisions.generate import Step
from sqlstrata.schema.describe import describe, forget
from sqlstrata.schema.events import listens
from sqlstrata.schema.values import Schema
from sqlstrata.schema.watch import Watch
from sqlstrata.sqlalchemy_versions import is_view


@dataclass(frozen=True)
class Outline:
    """The names of a stage's tables, columns and views; its MetaData and Schema are made when they are asked for.

    `columns` has the column names of each table: the same object as in the stage before, where the table is the same.
    """

    stage: str | None
    columns: Mapping[str, Collection[str]]
    views: tuple[str, ...]
    schemas: frozenset[str]
    metadata: Callable[[], sa.MetaData]
    schema: Callable[[], Schema]


def outlines(plan: Plan) -> tuple[Outline, ...]:
    """The outlines of all stages. Raises WrongUse, as importing the models does."""
    forget()
    found: list[Outline] = []
    columns: Mapping[str, Collection[str]] = {}
    watch, last = Watch(), sa.MetaData()
    for index, (stage, metadata) in enumerate(turns(plan)):
        changed = watch.changed(metadata)
        tables = [table for table in metadata.tables.values() if not is_view(table)]
        same = columns.keys() - changed
        columns = {each.key: columns[each.key] if each.key in same else _columns(each) for each in tables}
        views = tuple(table.fullname for table in metadata.tables.values() if is_view(table))
        schemas = frozenset(table.schema for table in tables if table.schema)
        load = partial(metadata_of, plan, index)
        shared = found and not changed and not listens(metadata)
        schema = found[-1].schema if shared else cache(lambda load=load: describe(load()))
        found.append(Outline(stage.name, columns, views, schemas, load, schema))
        last = metadata
    return (*found[:-1], *(replace(each, metadata=lambda: last) for each in found[-1:]))


def _columns(table: sa.Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.columns if not column.system)


def outline(step: Step) -> Outline:
    """The outline of a stage that has been made."""
    tables = step.schema.tables
    views = tuple(name.removeprefix("view ") for name in step.schema.statements if name.startswith("view "))
    schemas = frozenset(table.schema for table in tables.values() if table.schema)
    columns = {key: table.columns for key, table in tables.items()}
    return Outline(step.stage.name, columns, views, schemas, lambda: step.metadata, lambda: step.schema)
