"""Branches of a project that are made up at random: a branch is a list of stages, and a stage a few changes.

A table and a column are known by the name that they were created with, so what becomes of a value when the development
database goes from one branch to another follows from the two schemas alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

TABLES = ("um", "dois", "tres")
"""The first names of tables."""
SUFFIXES = ("_novo", "_velho")
"""What renamed tables and columns get behind their first name."""
KINDS: Mapping[str, tuple[str, ...]] = {
    "texto": ("sa.String(40)", "sa.String(90)", "sa.Text"),
    "numero": ("sa.Integer", "sa.BigInteger", "sa.Integer, index=True"),
    "dia": ("sa.Date", "sa.Date, index=True"),
    "cor": ("sa.Enum('azul', 'rosa', name='cor_{table}')", "sa.Enum('azul', 'rosa', 'verde', name='cor_{table}')"),
    "obrigado": ("sa.String(10), nullable=False, server_default='x'", "sa.String(10)"),
    "quanto": ("sa.Numeric(8, 2), nullable=False", "sa.Numeric(10, 2)"),
    "unico": ("sa.String(20), unique=True", "sa.String(20)"),
    "um_id": ("sa.ForeignKey('{um}.id')",),
}
"""The kinds of columns, each with the ways to define one; a column's first name is its kind."""
VALUES = {
    "texto": "'á{0}'",
    "numero": "{0}7",
    "dia": "'2024-02-2{0}'",
    "cor": "'rosa'",
    "obrigado": "'y{0}'",
    "quanto": "{0}.50",
    "unico": "'u{0}'",
    "um_id": "{0}",
}
"""A value of each kind, as SQL, for the row with an id."""


@dataclass(frozen=True)
class Column:
    kind: str
    definition: int
    suffix: str = ""

    @property
    def name(self) -> str:
        return f"{self.kind}{self.suffix}"

    @property
    def required(self) -> bool:
        return "nullable=False" in KINDS[self.kind][self.definition]


@dataclass(frozen=True)
class Table:
    first_name: str
    columns: tuple[Column, ...] = ()
    suffix: str = ""

    @property
    def name(self) -> str:
        return f"{self.first_name}{self.suffix}"

    def column(self, kind: str) -> Column | None:
        return next((each for each in self.columns if each.kind == kind), None)


Schema = Mapping[str, Table]
"""The tables, by their first names."""


@dataclass(frozen=True)
class Change:
    """One change of a table, or of its column of a kind."""

    verb: str
    table: str
    kind: str | None = None
    definition: int = 0


@dataclass(frozen=True)
class Stage:
    name: str
    changes: tuple[Change, ...]


class Impossible(Exception):
    """The change does not fit the schema."""


def changed(schema: Schema, change: Change) -> Schema:
    """The schema after a change. Raises Impossible."""
    table = schema.get(change.table)
    if change.kind is None:
        return _table_changed(schema, table, change)
    column = None if table is None else table.column(change.kind)
    if table is None or (column is None) != (change.verb == "add"):
        raise Impossible
    if column is None:
        if change.kind == "um_id" and (change.table == "um" or "um" not in schema):
            raise Impossible
        return {
            **schema,
            change.table: replace(table, columns=(*table.columns, Column(change.kind, change.definition))),
        }
    match change.verb:
        case "define" if column.definition != change.definition:
            made = (replace(column, definition=change.definition),)
        case "rename" if column.suffix != SUFFIXES[change.definition % 2]:
            made = (replace(column, suffix=SUFFIXES[change.definition % 2]),)
        case "drop":
            made = ()
        case _:
            raise Impossible
    columns = [new for each in table.columns for new in (made if each is column else (each,))]
    return {**schema, change.table: replace(table, columns=tuple(columns))}


def _table_changed(schema: Schema, table: Table | None, change: Change) -> Schema:
    if (table is None) != (change.verb == "create"):
        raise Impossible
    if table is None:
        return {**schema, change.table: Table(change.table)}
    if change.verb == "rename" and table.suffix != SUFFIXES[change.definition % 2]:
        return {**schema, change.table: replace(table, suffix=SUFFIXES[change.definition % 2])}
    referred = change.table == "um" and any(each.column("um_id") for each in schema.values())
    if change.verb == "drop" and not referred:
        return {name: each for name, each in schema.items() if name != change.table}
    raise Impossible


def after(stages: Sequence[Stage]) -> Schema:
    """The schema after stages. Raises Impossible."""
    empty: Schema = {}
    return reduce(changed, (change for stage in stages for change in stage.changes), empty)


def schemas(stages: Sequence[Stage]) -> list[Schema]:
    """The schema after each stage. Raises Impossible where a plan has no stages like these, or nobody could say what a
    common value is: something is renamed where it is created, or was dropped and comes back.
    """
    found = [after(stages[: number + 1]) for number in range(len(stages))]
    dropped: set[tuple[str, str | None]] = set()
    for stage in stages:
        created: set[tuple[str, str | None]] = set()
        for change in stage.changes:
            name, whole = (change.table, change.kind), (change.table, None)
            if change.verb in {"add", "create"} and not dropped.isdisjoint({name, whole}):
                raise Impossible
            if change.verb == "rename" and not created.isdisjoint({name, whole}):
                raise Impossible
            (dropped if change.verb == "drop" else created if change.verb in {"add", "create"} else set()).add(name)
    unchanged = any(one == other for one, other in zip([{}, *found], found, strict=False))
    if unchanged or not found or not found[-1] or len({stage.name for stage in stages}) < len(stages):
        raise Impossible
    return found


# ------------------------------------------------------------------- what is made up


def random_change(seed: random.Random) -> Change:
    verb = seed.choice(("create", "add", "add", "add", "define", "rename", "drop"))
    kind = seed.choice(sorted(KINDS))
    whole = verb == "create" or (verb in {"rename", "drop"} and seed.random() < 0.3)
    definition = seed.randrange(len(KINDS[kind]))
    return Change(verb, seed.choice(TABLES), None if whole else kind, definition)


def random_stages(seed: random.Random, number: int) -> tuple[Stage, ...]:
    stages: tuple[Stage, ...] = (Stage("inicio", (Change("create", "um"), Change("add", "um", "texto"))),)
    while len(stages) < number:
        stages = with_stage(seed, stages)
    return stages


def with_stage(seed: random.Random, stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """The stages, with one more that may follow them."""
    while True:
        count = seed.randint(1, 4)
        more = Stage(_new_name(seed), tuple(random_change(seed) for _ in range(count)))
        if _fits((*stages, more)):
            return (*stages, more)


def _new_name(seed: random.Random) -> str:
    return f"e{seed.randrange(10**6)}"


def _fits(stages: Sequence[Stage]) -> bool:
    try:
        schemas(stages)
    except Impossible:
        return False
    return True


EDITS = ("edit", "add", "reorder", "join", "rename", "delete", "merge")


def edited(seed: random.Random, how: str, stages: tuple[Stage, ...], other: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """The stages after one edit, `merge` with those of another branch; as they were where it cannot be done."""
    for _ in range(50):
        made = _edited(seed, how, list(stages), other)
        if tuple(made) != stages and _fits(made):
            return tuple(made)
    return stages


def _edited(seed: random.Random, how: str, stages: list[Stage], other: tuple[Stage, ...]) -> Sequence[Stage]:
    at = seed.randrange(len(stages))
    stage = stages[at]
    match how:
        case "edit":
            changes = list(stage.changes)
            changes[seed.randrange(len(changes))] = random_change(seed)
            stages[at] = replace(stage, changes=tuple(changes))
        case "add":
            return with_stage(seed, tuple(stages))
        case "reorder":
            seed.shuffle(stages)
        case "join" if at:
            stages[at - 1 : at + 1] = [replace(stage, changes=(*stages[at - 1].changes, *stage.changes))]
        case "rename":
            stages[at] = replace(stage, name=_new_name(seed))
        case "delete":
            del stages[at]
        case "merge":
            return _merged(stages, other)
    return stages


def _merged(stages: list[Stage], other: Sequence[Stage]) -> list[Stage]:
    """The stages, and behind them what the other branch has beside them, as far as it fits."""
    made = list(stages)
    for stage in other:
        if stage.name not in {each.name for each in made}:
            fitting: tuple[Change, ...] = ()
            for change in stage.changes:
                if _fits([*made, replace(stage, changes=(*fitting, change))]):
                    fitting = (*fitting, change)
            made += [replace(stage, changes=fitting)] if fitting else []
    return made


# ------------------------------------------------------------------- as a project has it


def module(schema: Schema, names: Sequence[str]) -> str:
    """The text of a module with some of the tables."""
    um = schema["um"].name if "um" in schema else ""
    made = []
    for table in (schema[name] for name in names):
        columns = ["sa.Column('id', sa.Integer, primary_key=True)"]
        for each in table.columns:
            definition = KINDS[each.kind][each.definition].format(table=table.first_name, um=um)
            columns.append(f"sa.Column('{each.name}', {definition})")
        made.append(f"sa.Table('{table.name}', Base.metadata, {', '.join(columns)})")
    return "\n".join(made)


def renames(before: Schema, now: Schema) -> dict[str, str]:
    """What a stage says about renames between two schemas."""
    found: dict[str, str] = {}
    for old, new in common(before, now):
        if old.name != new.name:
            found[old.name] = new.name
        for one, other in common_columns(old, new):
            if one.name != other.name:
                found[f"{old.name}.{one.name}"] = other.name
    return found


def fills(before: Schema, now: Schema) -> dict[str, str]:
    """What a stage says about columns that become NOT NULL between two schemas."""
    return {
        f"{old.name}.{one.name}": VALUES[one.kind].format(1)
        for old, new in common(before, now)
        for one, other in common_columns(old, new)
        if other.required and not one.required
    }


def common(before: Schema, now: Schema) -> Iterator[tuple[Table, Table]]:
    """The tables that two schemas have both."""
    yield from ((before[name], now[name]) for name in before if name in now)


def common_columns(before: Table, now: Table) -> Iterator[tuple[Column, Column]]:
    """The columns that two tables have both."""
    for column in before.columns:
        other = now.column(column.kind)
        if other is not None:
            yield column, other


def missing(before: Schema, now: Schema) -> Iterator[tuple[str, str]]:
    """What the second schema does not have: the names of tables and columns, and what is counted in each."""
    for key, table in before.items():
        if key not in now:
            yield table.name, "rows"
    for table, other in common(before, now):
        for column in table.columns:
            if other.column(column.kind) is None:
                yield f"{table.name}.{column.name}", "values"
