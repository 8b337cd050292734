"""The way from the schema that a development database has to the one that the stages give, as one revision.

Where stages were edited, reordered or merged, or another branch was checked out, the database's revision is no longer
in the history. Any two schemas can be compared; what the stages say about renames, fills and casts counts here, too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlstrata.diff import Hints, Migration, Need, diff
from sqlstrata.diff.words import words
from sqlstrata.errors import Refused
from sqlstrata.plan import Cast, Sql, Stage
from sqlstrata.plan.values import FrozenDict
from sqlstrata.revisions.revision import Revision, make
from sqlstrata.schema.values import Schema

Renames = Sequence[Mapping[str, str]]
"""The renames of each stage, first to last, in the names from before the stage."""
NAME = "follow"
"""The name of the stage that the revision stands for."""


@dataclass(frozen=True)
class Way:
    """The revision, its stage, and the values that it gives where no stage says any, by column.

    tables are the keys of those that the database has before it.
    """

    revision: Revision
    stage: Stage
    given: Mapping[str, str]
    tables: frozenset[str]


def way(
    revision: str, before: Schema, after: Schema, stages: Sequence[Stage], former: Renames, dialects: Collection[str]
) -> Way:
    """The way between two schemas.

    revision: that of the database, which has the schema `before`. stages: those that give `after`; former: the renames
    of the stages that gave `before`. Raises Refused where a value is needed that nobody can propose, and WrongUse where
    the difference cannot be expressed.
    """
    renames = [stage.rename for stage in stages]
    stage = Stage(NAME, NAME, rename=FrozenDict(_renamed(before, after, renames, former)), reversible=False)
    asked = _compared(stage, before, after, dialects).needs
    stage, given = _answered(stage, asked, before, stages, dialects)
    up = _compared(stage, before, after, dialects)
    if up.needs:
        raise Refused(
            f"The development database cannot follow: {'; '.join(need.why for need in up.needs)}.",
            hint="Run `inv reset` if its rows may go, or bring it to a schema that can be changed.",
            needs=[{"key": need.key, "name": need.name, "value": need.value} for need in up.needs],
        )
    made = make(stage, 2, revision, up, Migration((), (), (), frozenset()), dialects)
    return Way(made, stage, given, frozenset(before.tables))


def _compared(stage: Stage, before: Schema, after: Schema, dialects: Collection[str]) -> Migration:
    return diff(before, after, Hints.of(stage, before.tables, dialects, up=True))


# ------------------------------------------------------------------------------ renames


def _renamed(before: Schema, after: Schema, renames: Renames, former: Renames) -> dict[str, str]:
    """The renames between two schemas: those that the new stages say, and the old ones' taken back."""
    found: dict[str, str] = {}
    tables: dict[str, str] = {}
    for key in before.tables:
        if key not in after.tables:
            for there, _ in _names((key, None), renames, former):
                if there in after.tables and there not in before.tables and there not in tables.values():
                    found[key] = tables[key] = there
                    break
    for key, table in before.tables.items():
        to = tables.get(key, key)
        if to not in after.tables:
            continue
        now = after.tables[to].columns
        for column in table.columns.keys() - now.keys():
            for there, name in _names((key, column), renames, former):
                if there == to and name in now and name not in table.columns and name not in found.values():
                    found[f"{key}.{column}"] = str(name)
                    break
    return found


_Name = tuple[str, str | None]


def _names(name: _Name, renames: Renames, former: Renames) -> Iterator[_Name]:
    """Every other name that a table or column may have by now: from the new stages, from before the old ones, or both.

    Both is where a stage's `rename` was edited to give another name.
    """
    forward = list(renames)
    backward = [_inverse(each) for each in reversed(former)]
    for chain in (forward, backward, [*backward, *forward]):
        for start in range(len(chain)):
            other = name
            for each in chain[start:]:
                other = _moved(other, each)
            if other != name:
                yield other


def _moved(name: _Name, rename: Mapping[str, str]) -> _Name:
    """The name after one stage's renames."""
    table, column = name
    to = rename.get(table, table)
    return (to, None) if column is None else (to, rename.get(f"{table}.{column}", column))


def _inverse(rename: Mapping[str, str]) -> dict[str, str]:
    """The renames that take these back, in the names from after the stage."""
    tables = {old: new for old, new in rename.items() if "." not in old or "." in new}
    found = {new: old for old, new in tables.items()}
    for old, new in rename.items() - tables.items():
        table, _, column = old.rpartition(".")
        found[f"{tables.get(table, table)}.{new}"] = column
    return found


# ------------------------------------------------------------------------------ answers


def _answered(
    stage: Stage,
    needs: Sequence[Need],
    before: Schema,
    stages: Sequence[Stage],
    dialects: Collection[str],
) -> tuple[Stage, dict[str, str]]:
    """The stage with all that the comparison asks for: as the stages say it, else as it is proposed."""
    drop: list[str] = []
    fill: dict[str, Sql] = {}
    cast: dict[str, Cast] = {}
    given: dict[str, str] = {}
    for need in needs:
        if need.key == "drop":
            drop.append(need.name)
            continue
        said = _said(need, stage, before, stages)
        sql = said or _sql(need.value)
        if sql is None:
            continue  # it is asked for again, and refused
        if said is None:
            given[need.name] = sql.on(next(iter(dialects)))[0]
        if need.key == "fill":
            fill[need.name] = sql
        elif need.key == "cast":
            cast[need.name] = Cast(up=sql)
    hints = replace(stage, drop=tuple(drop), fill=FrozenDict(fill), cast=FrozenDict(cast))
    return hints, given


def _said(need: Need, stage: Stage, before: Schema, stages: Sequence[Stage]) -> Sql | None:
    """What the last stage says about the column, if it can be evaluated on the columns that there are."""
    table, _, column = need.name.rpartition(".")
    there = before.tables[table].columns if table in before.tables else {}
    meant = _moved((table, column), stage.rename)
    for number in range(len(stages) - 1, -1, -1):
        renames = [each.rename for each in stages[number:]]
        casts = {name: each.up for name, each in stages[number].cast.items() if each.up is not None}
        for name, sql in (stages[number].fill if need.key == "fill" else casts).items():
            key, _, own = name.rpartition(".")
            if _last((key, own), renames) == meant and _evaluable(sql, there, stages):
                return sql
    return None


def _last(name: _Name, renames: Renames) -> _Name:
    for each in renames:
        name = _moved(name, each)
    return name


def _evaluable(sql: Sql, columns: Collection[str], stages: Sequence[Stage]) -> bool:
    """Whether an expression mentions no column that is renamed somewhere, and not there."""
    renamed = {part for stage in stages for old, new in stage.rename.items() for part in (old.rpartition(".")[2], new)}
    texts = (sql.sqlite, sql.postgresql, sql.mysql, sql.default)
    mentioned = {word for each in texts for text in each or () for word in words(text)}
    return not (mentioned & renamed) - set(columns)


def _sql(value: str | dict[str, str] | None) -> Sql | None:
    if value is None:
        return None
    texts = {"default": value} if isinstance(value, str) else value
    return Sql(**{key: (text,) for key, text in texts.items()})
