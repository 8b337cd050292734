"""A history is a function of the plan: no database, clock, folder or earlier run takes part in making it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import sqlalchemy as sa

from sqlstrata.diff import Hints, Migration, Need, around, diff
from sqlstrata.errors import WrongUse
from sqlstrata.modules.turning import Turn, metadata_of, turns
from sqlstrata.nearest import nearest
from sqlstrata.plan import Plan, Stage
from sqlstrata.plan.document import kind
from sqlstrata.plan.values import HINTS, Key
from sqlstrata.revisions.refusal import refused
from sqlstrata.revisions.revision import Revision, make
from sqlstrata.revisions.rows import takes
from sqlstrata.schema.describe import describe, forget
from sqlstrata.schema.described import Described
from sqlstrata.schema.part import Neighbours
from sqlstrata.schema.values import Schema
from sqlstrata.schema.watch import Watch
from sqlstrata.servers import KINDS, kind_of


@dataclass(frozen=True)
class Step:
    """One stage with its schema, and the revision that leads to it."""

    stage: Stage
    schema: Schema
    revision: Revision
    filled: sa.MetaData
    """Copies of the tables that the stage's rows go into."""
    load: Callable[[], sa.MetaData]

    @cached_property
    def metadata(self) -> sa.MetaData:
        """The schema in SQLAlchemy's words: the stage's modules are imported for it, so ask for few stages' only."""
        return self.load()


Hear = Callable[[Stage, sa.MetaData, frozenset[str]], None]
"""Gets a stage, its MetaData, and the keys of those tables that may be others than in the stage before."""


def _nobody(stage: Stage, metadata: sa.MetaData, changed: frozenset[str]) -> None:
    """Do nothing with it."""


def history(plan: Plan) -> tuple[Revision, ...]:
    """The revisions of all stages, first to last.

    Raises WrongUse for models, hints or differences that are wrong or cannot be expressed, Refused with all that the
    stages would have to allow.
    """
    return tuple(step.revision for step in steps(plan))


def steps(plan: Plan, hear: Hear = _nobody) -> tuple[Step, ...]:
    """The same, each with its stage and schema. `hear` gets each stage's MetaData while it is there."""
    return steps_of(plan, turns(plan), lambda index: metadata_of(plan, index), hear)


def steps_of(
    plan: Plan,
    stages: Iterable[Turn],
    load: Callable[[int], sa.MetaData] | None = None,
    hear: Hear = _nobody,
) -> tuple[Step, ...]:
    """The same, given each stage with its MetaData; of the plan, only servers and places in its file are looked at.

    A MetaData is looked at before the next is asked for. With `load`, which gives that of a stage, it need not be good
    for longer, but for the last.
    """
    forget()
    made: list[Step] = []
    needs: list[tuple[Stage, Need]] = []
    before, parent, named = Schema(), None, dialects_used(plan)
    watch, neighbours, described = Watch(), Neighbours(), Described(plan.dialects)
    for number, (stage, metadata) in enumerate(stages, start=1):
        changed = watch.changed(metadata)
        after = _described(plan, number - 1, partial(describe, metadata, before, changed, described))
        hear(stage, metadata, changed)
        _renames_fit(plan, number - 1, stage, before)
        part = neighbours.part(before, after, stage.rename)
        watch.restore(changed | part[1].tables.keys())
        _possible(plan, number - 1, named, *part)
        _rows_fit(plan, number - 1, stage, after)
        up, down = _ways(plan, number - 1, before, part)
        _all_used(plan, number - 1, before, after, up.used | down.used)
        needs += [(stage, need) for need in (*up.needs, *(down.needs if stage.reversible else ()))]
        revision = make(stage, number, parent, up, down, plan.dialects)
        filled = _copies(metadata, stage.rows)
        _values_fit(plan, number - 1, named, filled)
        again = partial(load, number - 1) if load else partial(_same, metadata)
        made.append(Step(stage, after, revision, filled, again))
        before, parent = after, revision.id
    if needs:
        raise refused(needs)
    last = [replace(made[-1], load=partial(_same, metadata))] if made else []  # it stays, so it is not loaded again
    return (*made[:-1], *last)


def _described(plan: Plan, index: int, made: Callable[[], Schema]) -> Schema:
    try:
        return made()
    except WrongUse as error:
        raise _in_stage(plan, index, error.message, error.hint) from error


def _in_stage(plan: Plan, index: int, message: str, hint: str | None) -> WrongUse:
    """The error for what is wrong with a stage as a whole."""
    where = plan.where("stages", index)
    return WrongUse(f"Stage {plan.stages[index].name}: {message}", where=where, hint=hint)


def _copies(metadata: sa.MetaData, names: Iterable[str]) -> sa.MetaData:
    copies = sa.MetaData()
    for name in names:
        metadata.tables[name].to_metadata(copies)
    return copies


def _same(metadata: sa.MetaData) -> sa.MetaData:
    return metadata


def _ways(plan: Plan, index: int, before: Schema, part: tuple[Schema, Schema]) -> tuple[Migration, Migration]:
    """Up and down, given the part of the schemas that matters."""
    stage = plan.stages[index]
    old, new = part
    try:
        there = Hints.of(stage, before.tables, plan.dialects, up=True)
        back = Hints.of(stage, before.tables, plan.dialects, up=False)
        up = around(diff(old, new, there), stage.upgrade, old, new, there)
        down = around(diff(new, old, back), stage.downgrade_sql, old, new, back)
    except WrongUse as error:
        raise _in_stage(plan, index, error.message, error.hint) from error
    return up, down


def _all_used(plan: Plan, index: int, before: Schema, after: Schema, used: Collection[tuple[str, str]]) -> None:
    for key, name in _hints(plan.stages[index]):
        if (key, name) not in used:
            raise _unused(plan, index, key, name, before, after)


def _hints(stage: Stage) -> Iterator[tuple[str, str]]:
    for key in HINTS:
        yield from ((key, name) for name in getattr(stage, key))


def _unused(plan: Plan, index: int, key: str, name: str, before: Schema, after: Schema) -> WrongUse:
    """The error for a hint that names nothing, or that the stage has no use for."""
    stage = plan.stages[index]
    place = stage.drop.index(name) if key == "drop" else name
    where = plan.where("stages", index, key, place)
    hints = Hints.of(stage, before.tables, up=True)
    was, now = list(_names(before)), list(_names(after))
    hint = _meant(key, name, hints, before, after)
    if name in was or name in now:
        message = f"Stage {stage.name} has no use for `{key}: {name}`."
        return WrongUse(message, where=where, hint=hint or "Take the line out.")
    message = f"`{key}` names `{name}`, which is neither in this stage nor before it."
    known = [*was, *(hints.name(*_parts(each, after)) for each in now)]
    return WrongUse(message, where=where, hint=hint or _nearest(name, dict.fromkeys(known)))


def _meant(key: str, name: str, hints: Hints, before: Schema, after: Schema) -> str | None:
    """What to say where the hint has a name after the stage for one before it, or misspells a rename's new name."""
    was, now = set(_names(before)), set(_names(after))
    former = hints.name(*_parts(name, after))
    if former != name and (key in {"fill", "cast"} if name in now else former in was):
        return f"Did you mean `{former}`? Names are those before the stage."
    if key != "rename" or name not in was:
        return None
    table, column = _parts(name, before)
    if column is None:
        return _nearest(hints.rename[name], after.tables.keys() - before.tables.keys())
    there = after.tables.get(hints.old_tables.get(table, table))
    new = [] if there is None else [each for each in there.columns if each not in before.tables[table].columns]
    return _nearest(hints.rename[name], new)


def _parts(name: str, schema: Schema) -> tuple[str, str | None]:
    """The table's key, and the column where the name is one's."""
    table, _, column = name.rpartition(".")
    return (name, None) if name in schema.tables or not table else (table, column)


def _names(schema: Schema) -> Iterator[str]:
    for key, table in schema.tables.items():
        yield key
        yield from (f"{key}.{column}" for column in table.columns)


def dialects_used(plan: Plan) -> list[str]:
    """One of SQLAlchemy's names, or more, for each server of the plan: those in its URLs, else the server's own."""
    urls = {sa.make_url(url).get_backend_name() for url in (plan.database.url, *plan.prove_on)}
    kinds = (KINDS[name] for name in plan.servers)
    return [name for kind in kinds for name in [each for each in kind.dialects if each in urls] or [kind.name]]


def _possible(plan: Plan, index: int, named: Iterable[str], before: Schema, after: Schema) -> None:
    """Every table can be made on every server that the plan names."""
    for key, table in after.tables.items():
        if table == before.tables.get(key):
            continue
        for server in filter(table.problems.__contains__, named):
            message = f"table {key} cannot be made on {kind_of(server).title}: {table.problems[server]}."
            raise _in_stage(plan, index, message, f"Change the model, or take {kind_of(server).name} out of `servers`.")


def _renames_fit(plan: Plan, index: int, stage: Stage, before: Schema) -> None:
    """Each of the stage's renames gives another name, and no two of them the same."""
    hints = Hints.of(stage, before.tables, up=True)
    given: dict[tuple[str, str], str] = {}
    for old, new in stage.rename.items():
        table, _, name = old.rpartition(".") if hints.is_column(old) else ("", "", old)
        where = plan.where("stages", index, "rename", old)
        if new == name:
            raise WrongUse(f"`{old}` is renamed to itself.", where=where, hint="Take it out, or write its new name.")
        other = given.setdefault((table, new), old)
        if other != old:
            message = f"`{other}` and `{old}` cannot both be renamed to `{new}`."
            raise WrongUse(message, where=where, hint="Give one of them another name.")


def _rows_fit(plan: Plan, index: int, stage: Stage, after: Schema) -> None:
    """The stage's rows name tables and columns that it has."""
    for name, rows in stage.rows.items():
        table = after.tables.get(name)
        if table is None:
            where = plan.where("stages", index, "rows", name)
            raise WrongUse(f"`rows` names table `{name}`, which stage {stage.name} does not have.", where=where,
                           hint=_nearest(name, after.tables))  # fmt: skip
        for number, row in enumerate(rows):
            for column in row:
                if column not in table.columns:
                    where = plan.where("stages", index, "rows", name, number, column)
                    raise WrongUse(f"Table `{name}` has no column `{column}` in stage {stage.name}.", where=where,
                                   hint=_nearest(column, table.columns))  # fmt: skip


def _values_fit(plan: Plan, index: int, named: Iterable[str], filled: sa.MetaData) -> None:
    """The stage's rows hold nothing that its columns cannot take on a server that the plan names."""
    for table, number, key, value in _cells(plan.stages[index]):
        column = next(each for each in filled.tables[table].columns if each.name == key)
        for server in named:
            if not takes(server, column, value):
                raise _no_value(plan, ("stages", index, "rows", table, number, key), column, server, value)


def _cells(stage: Stage) -> Iterator[tuple[str, int, str, object]]:
    """Every value of the stage's rows: its table, the number of its row, its column, and itself."""
    for table, rows in stage.rows.items():
        for number, row in enumerate(rows):
            yield from ((table, number, key, value) for key, value in row.items())


def _no_value(plan: Plan, key: tuple[Key, ...], column: sa.Column[Any], server: str, value: object) -> WrongUse:
    shown = f"`{source}`" if (source := plan.marks.at(*key).source) else kind(value)
    message = f"`rows` gives {column} {shown}, and its type {type(column.type).__name__} takes none such on {server}."
    return WrongUse(message, where=plan.where(*key), hint="Correct the value, or take it out.")


def _nearest(word: str, names: Iterable[str]) -> str:
    near = nearest(word, names)
    return f"Did you mean `{near}`?" if near else "Take the line out."
