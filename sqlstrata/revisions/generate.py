"""Make a plan's history, stage by stage.

A history is a function of the plan: no database, clock, folder or earlier run takes part in making it. For each stage

1. its MetaData is described as a Schema; tables that did not change are shared with the stage before,
2. the schemas before and after are compared, for the upgrade and, the other way round, for the downgrade,
3. the stage's hints and rows are checked,
4. the operations become the text of a revision.

What the stages would have to allow is collected and raised as one error at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
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
from sqlstrata.revisions.frozen import freeze
from sqlstrata.revisions.refusal import refused, told
from sqlstrata.revisions.revision import Revision, make
from sqlstrata.revisions.rows import can_store
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
    frozen: str | None = None
    """Of the live stage: the text of its frozen file."""

    @cached_property
    def metadata(self) -> sa.MetaData:
        """The stage's MetaData. Its modules are imported for it, so ask for few stages only."""
        return self.load()


Hear = Callable[[Stage, sa.MetaData, frozenset[str]], None]
"""Called with a stage, its MetaData, and the keys of the tables that may have changed since the stage before."""


def _ignore(stage: Stage, metadata: sa.MetaData, changed: frozenset[str]) -> None:
    """Do nothing."""


def history(plan: Plan) -> tuple[Revision, ...]:
    """The revisions of all stages, first to last.

    Raises WrongUse for wrong models or hints, and for a difference that cannot be expressed; Refused with all changes
    that the stages would have to allow.
    """
    return tuple(step.revision for step in steps(plan))


def steps(plan: Plan, hear: Hear = _ignore) -> tuple[Step, ...]:
    """The same, each with its stage and schema. `hear` is called with each stage's MetaData."""
    return steps_of(plan, turns(plan), lambda index: metadata_of(plan, index), hear)


def steps_of(
    plan: Plan,
    stages: Iterable[Turn],
    load: Callable[[int], sa.MetaData] | None = None,
    hear: Hear = _ignore,
) -> tuple[Step, ...]:
    """The same, for stages from any source: each with its MetaData, which is used before the next one is taken.

    Of the plan, only the servers and the places in its file are used. load: makes a stage's MetaData again, by its
    index; without it, all MetaData must stay valid, with it only the last.
    """
    forget()
    made: list[Step] = []
    needs: list[tuple[Stage, Need]] = []
    before, parent, used = Schema(), None, dialects_used(plan)
    watch, neighbours, described = Watch(), Neighbours(), Described(plan.dialects)
    for index, (stage, metadata) in enumerate(stages):
        changed = watch.changed(metadata)
        with _naming_stage(plan, index):
            after = describe(metadata, before, changed, described)
        hear(stage, metadata, changed)
        _renames_fit(plan, index, stage, before)
        old, new = neighbours.part(before, after, stage.rename)
        watch.restore(changed | new.tables.keys())
        _possible(plan, index, used, old, new)
        _rows_fit(plan, index, stage, after)
        with _naming_stage(plan, index):
            up, down = _ways(plan, stage, before, old, new)
        _all_used(plan, index, before, after, up.used | down.used)
        needs += [(stage, need) for need in (*up.needs, *(down.needs if stage.reversible else ()))]
        revision = make(stage, index + 1, parent, up, down, plan.dialects)
        filled = _copies(metadata, stage.rows)
        _values_fit(plan, index, used, filled)
        again = partial(load, index) if load else partial(_same, metadata)
        frozen = freeze(plan, stage.name, before, after, metadata) if stage.live else None
        made.append(Step(stage, after, revision, filled, again, frozen))
        before, parent = after, revision.id
    if needs:
        raise refused(told([step.stage for step in made], needs))
    last = [replace(made[-1], load=partial(_same, metadata))] if made else []  # it is still valid
    return (*made[:-1], *last)


@contextmanager
def _naming_stage(plan: Plan, index: int) -> Iterator[None]:
    """Add the stage and its place to an error."""
    try:
        yield
    except WrongUse as error:
        raise _in_stage(plan, index, error.message, error.hint) from error


def _in_stage(plan: Plan, index: int, message: str, hint: str | None) -> WrongUse:
    """An error about a stage as a whole."""
    where = plan.where("stages", index)
    return WrongUse(f"Stage {plan.stages[index].name}: {message}", where=where, hint=hint)


def _copies(metadata: sa.MetaData, names: Iterable[str]) -> sa.MetaData:
    copies = sa.MetaData()
    for name in names:
        metadata.tables[name].to_metadata(copies)
    return copies


def _same(metadata: sa.MetaData) -> sa.MetaData:
    return metadata


def _ways(plan: Plan, stage: Stage, before: Schema, old: Schema, new: Schema) -> tuple[Migration, Migration]:
    """The upgrade and the downgrade, between the parts of two schemas that differ."""
    there = Hints.of(stage, before.tables, plan.dialects, up=True)
    back = Hints.of(stage, before.tables, plan.dialects, up=False)
    up = around(diff(old, new, there), stage.upgrade, old, new, there)
    down = around(diff(new, old, back), stage.downgrade_sql, old, new, back)
    return up, down


def _all_used(plan: Plan, index: int, before: Schema, after: Schema, used: Collection[tuple[str, str]]) -> None:
    for key in HINTS:
        for name in getattr(plan.stages[index], key):
            if (key, name) not in used:
                raise _unused(plan, index, key, name, before, after)


def _unused(plan: Plan, index: int, key: str, name: str, before: Schema, after: Schema) -> WrongUse:
    """The error for a hint that names nothing, or that has no effect in the stage."""
    stage = plan.stages[index]
    place = stage.drop.index(name) if key == "drop" else name
    where = plan.where("stages", index, key, place)
    hints = Hints.of(stage, before.tables, up=True)
    was, now = list(_names(before)), list(_names(after))
    hint = _meant(key, name, hints, before, after)
    if name in was or name in now:
        message = f"`{key}: {name}` has no effect in stage {stage.name}."
        return WrongUse(message, where=where, hint=hint or "Remove the line.")
    message = f"`{key}` names `{name}`, which exists neither in this stage nor before it."
    known = [*was, *(hints.name(*_parts(each, after)) for each in now)]
    return WrongUse(message, where=where, hint=hint or _nearest(name, dict.fromkeys(known)))


def _meant(key: str, name: str, hints: Hints, before: Schema, after: Schema) -> str | None:
    """The correction where the hint uses a name from after the stage, or misspells a rename's new name."""
    was, now = set(_names(before)), set(_names(after))
    former = hints.name(*_parts(name, after))
    if former != name and (key in {"fill", "cast"} if name in now else former in was):
        return f"Did you mean `{former}`? Names are those from before the stage."
    if key != "rename" or name not in was:
        return None
    table, column = _parts(name, before)
    if column is None:
        return _nearest(hints.rename[name], after.tables.keys() - before.tables.keys())
    renamed = after.tables.get(hints.old_tables.get(table, table))
    new = [] if renamed is None else [each for each in renamed.columns if each not in before.tables[table].columns]
    return _nearest(hints.rename[name], new)


def _parts(name: str, schema: Schema) -> tuple[str, str | None]:
    """The table's key, and the column if the name is that of a column."""
    table, _, column = name.rpartition(".")
    return (name, None) if name in schema.tables or not table else (table, column)


def _names(schema: Schema) -> Iterator[str]:
    for key, table in schema.tables.items():
        yield key
        yield from (f"{key}.{column}" for column in table.columns)


def dialects_used(plan: Plan) -> list[str]:
    """SQLAlchemy's names for the plan's servers: those in its URLs, else the server's own name."""
    urls = {sa.make_url(url).get_backend_name() for url in (plan.database.url, *plan.prove_on)}
    kinds = (KINDS[name] for name in plan.servers)
    return [name for kind in kinds for name in [each for each in kind.dialects if each in urls] or [kind.name]]


def _possible(plan: Plan, index: int, used: Iterable[str], before: Schema, after: Schema) -> None:
    """Check that every table can be created on every server of the plan."""
    for key, table in after.tables.items():
        if table == before.tables.get(key):
            continue
        for server in filter(table.problems.__contains__, used):
            message = f"table {key} cannot be created on {kind_of(server).title}: {table.problems[server]}."
            raise _in_stage(plan, index, message, f"Change the model, or remove {kind_of(server).name} from `servers`.")


def _renames_fit(plan: Plan, index: int, stage: Stage, before: Schema) -> None:
    """Check that the renames give new names, each a different one."""
    hints = Hints.of(stage, before.tables, up=True)
    given: dict[tuple[str, str], str] = {}
    for old, new in stage.rename.items():
        table, _, name = old.rpartition(".") if hints.is_column(old) else ("", "", old)
        where = plan.where("stages", index, "rename", old)
        if new == name:
            raise WrongUse(f"`{old}` is renamed to itself.", where=where, hint="Remove it, or write its new name.")
        other = given.setdefault((table, new), old)
        if other != old:
            message = f"`{other}` and `{old}` cannot both be renamed to `{new}`."
            raise WrongUse(message, where=where, hint="Give one of them another name.")


def _rows_fit(plan: Plan, index: int, stage: Stage, after: Schema) -> None:
    """Check that the stage has the tables and columns that its rows name."""
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


def _values_fit(plan: Plan, index: int, used: Iterable[str], filled: sa.MetaData) -> None:
    """Check that every server of the plan can store the values of the stage's rows."""
    for table, number, key, value in _cells(plan.stages[index]):
        column = next(each for each in filled.tables[table].columns if each.name == key)
        for server in used:
            if not can_store(server, column, value):
                raise _not_storable(plan, ("stages", index, "rows", table, number, key), column, server, value)


def _cells(stage: Stage) -> Iterator[tuple[str, int, str, object]]:
    """Every value of the stage's rows: its table, the number of its row, its column, and the value."""
    for table, rows in stage.rows.items():
        for number, row in enumerate(rows):
            yield from ((table, number, key, value) for key, value in row.items())


def _not_storable(plan: Plan, key: tuple[Key, ...], column: sa.Column[Any], server: str, value: object) -> WrongUse:
    text = f"`{source}`" if (source := plan.marks.at(*key).source) else kind(value)
    type_, title = type(column.type).__name__, kind_of(server).title
    message = f"`rows` gives {column} {text}, and its type {type_} cannot store it on {title}."
    return WrongUse(message, where=plan.where(*key), hint="Correct the value, or remove it.")


def _nearest(word: str, names: Iterable[str]) -> str:
    near = nearest(word, names)
    return f"Did you mean `{near}`?" if near else "Remove the line."
