"""Whether the servers of a proof make the same values of the same rows, as Python sees them through the models' types.

1. Before and after each way of a stage that fills, casts or converts values, or has SQL of its own, the rows are read.
   What that SQL reads of a row is paired with what it makes of it (`Observed`).
2. Of what two servers have read alike they must have made the same (`require_agreement`), unless one of them makes
   several values of it: then that depends on something else, such as chance.

What the servers' types make by themselves is left out by `likeness`: how precise numbers and times are, how numbers and
JSON are written, blanks at the end of text; the time of the proof itself; and that SQLite knows only ASCII's capitals.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from sqlstrata.proof.carried import (
    altered,
    computed,
    data_of,
    expressions_of,
    named_by,
    named_by_sql,
    own_texts,
    words_of,
)
from sqlstrata.proof.likeness import likeness
from sqlstrata.proof.verdict import disagreeing
from sqlstrata.proof.walk import REMARK, Move, Walk
from sqlstrata.schema.values import Table
from sqlstrata.snapshot import Difference

Image = dict[str, str]
Rows = dict[tuple[str, ...], Image]
"""A table's rows by their keys."""
Item = tuple[tuple[str, str], ...]
Pairs = list[tuple[Image, Image]]
Values = dict[str, dict[str, dict[str, Pairs]]]
"""By stage, way and table: what was read of each row, and what was made of it."""
Tables = Mapping[str, sa.Table]


@dataclass(frozen=True)
class Side:
    """A table before or after a way: its key, the columns by which rows are found again, and those that matter."""

    table: str
    key: tuple[str, ...]
    columns: frozenset[str]


@dataclass
class Observed:
    """What one server has made of rows; and, during a way, the tables in which it will, and the rows before it."""

    values: Values = field(default_factory=dict)
    sides: tuple[tuple[Side, Side], ...] = ()
    before: tuple[Rows, ...] = ()

    def begin(self, walk: Walk, move: Move, tables: Tables) -> None:
        """Read the rows before a move; `tables` are the models' at that time."""
        self.sides = tuple(_sides(walk, move))
        others = _others(walk, move, tables) if self.sides else {}
        found = [_read(walk, tables.get(source.table), source) for source, _ in self.sides]
        self.before = tuple({key: row | others for key, row in rows.items()} for rows in found)

    def end(self, walk: Walk, move: Move, tables: Tables) -> None:
        """Pair them with the rows after it."""
        stage, way = walk.steps[move.index].stage.name, move.direction.removesuffix(" again")
        for (_, target), before in zip(self.sides, self.before, strict=True):
            after = _read(walk, tables.get(target.table), target)
            pairs = self.values.setdefault(stage, {}).setdefault(way, {}).setdefault(target.table, [])
            pairs += [(row, after[key]) for key, row in before.items() if key in after]


def require_agreement(servers: Mapping[str, Values]) -> None:
    """What servers, by their addresses, have made of the same rows must be the same. Raises NotProved."""
    (first, one), *others = servers.items() or [("", {})]
    for address, other in others:
        for stage, way, table, pairs in _tables(one):
            theirs = _made(other.get(stage, {}).get(way, {}).get(table, []))
            for row, ours in _made(pairs).items():
                if len(ours) == 1 == len(theirs.get(row, ())) and ours != theirs[row]:
                    found = [_difference(table, row, *each, (first, address)) for each in _unlike(*ours, *theirs[row])]
                    raise disagreeing(stage, f"{way}{REMARK}", (first, address), found)


def _tables(values: Values) -> Iterator[tuple[str, str, str, Pairs]]:
    for stage, ways in values.items():
        for way, tables in ways.items():
            for table, pairs in tables.items():
                yield stage, way, table, pairs


def _made(pairs: Pairs) -> dict[Item, set[Item]]:
    """All that was made of what was read."""
    found: dict[Item, set[Item]] = {}
    for read, made in pairs:
        found.setdefault(tuple(sorted(read.items())), set()).add(tuple(sorted(made.items())))
    return found


def _unlike(one: Item, other: Item) -> list[tuple[str, str, str]]:
    """The columns in which both have a value that differs, with both."""
    there = dict(other)
    return [(name, text, there[name]) for name, text in one if there.get(name, text) != text]


def _difference(table: str, row: Item, name: str, one: str, other: str, servers: tuple[str, str]) -> Difference:
    seen = ", ".join(f"{each} = {text}" for each, text in row if not each.startswith(_WHOLE))
    what = f"column {name} where {seen}" if seen else f"column {name}"
    return Difference(table, what, f"{one} on {servers[0]}", f"{other} on {servers[1]}")


# ------------------------------------------------------------------------------ which values


def _sides(walk: Walk, move: Move) -> Iterator[tuple[Side, Side]]:
    """The tables in which the stage makes values: what is read of them before the way, what is made of that after it.

    Rows are found again by their primary keys; without one, by the values of the columns that stay as they are. Tables
    whose key changes are left out, and those without one that the stage's own SQL may change.
    """
    stage, server = walk.steps[move.index].stage, walk.server
    before, after = walk.schema(move.index - 1), walk.schema(move.index)
    words, by_sql = words_of(own_texts(stage, server)), named_by_sql(stage, server, before, after)
    changing = {key for key in before.tables if before.tables[key] is not after.tables.get(stage.rename.get(key, key))}
    converted = altered(before, after, changing, stage.rename, server) - computed(before, changing)
    named = {*named_by(stage), *converted} - {*stage.drop}
    for key in sorted({*changing, *by_sql} & before.tables.keys()):
        new = stage.rename.get(key, key)
        old_table, new_table = before.tables[key], after.tables.get(new)
        names = {name: stage.rename.get(f"{key}.{name}", name) for name in old_table.columns}
        if new_table is None or [names[name] for name in old_table.primary_key] != [*new_table.primary_key]:
            continue
        made = {name for name in (*old_table.columns, *new_table.columns) if f"{key}.{name}" in named}
        whole = bool({key, new} & by_sql)
        staying = [] if whole else [name for name in names if name not in made and names[name] in new_table.columns]
        found_by = [*old_table.primary_key] or staying
        ours = {
            "up": (key, old_table, found_by, made),
            "down": (new, new_table, [names[each] for each in found_by], {names.get(name, name) for name in made}),
        }
        source, target = (ours["up"], ours["down"]) if move.direction != "down" else (ours["down"], ours["up"])
        pair = _side(*source, words, whole=whole), _side(*target, set(), whole=whole)
        if pair[1].columns and pair[1].key and not pair[1].columns & {*pair[1].key}:
            yield pair


def _side(
    key: str, table: Table, found_by: Sequence[str], made: Collection[str], words: Collection[str], *, whole: bool
) -> Side:
    columns = {
        name
        for name in table.columns
        if name in made or name.lower() in words or (whole and name not in table.primary_key)
    }
    return Side(key, tuple(found_by), frozenset(columns))


def _read(walk: Walk, table: sa.Table | None, side: Side) -> Rows:
    """The rows by their keys, if no other has the same; none where one of the models' types cannot give a value."""
    if table is None:
        return {}
    try:
        found = [dict(zip((each.name for each in table.columns), row, strict=True))
                 for row in walk.connection.execute(sa.select(table))]  # fmt: skip
    except Exception:  # noqa: BLE001 - a type of the project's may raise anything
        walk.connection.rollback()
        return {}
    walk.connection.rollback()
    keys = [tuple(likeness(row[name]) for name in side.key) for row in found]
    often = Counter(keys)
    return {
        key: {name: likeness(row[name]) for name in sorted(side.columns)}
        for key, row in zip(keys, found, strict=True)
        if often[key] == 1
    }


def _others(walk: Walk, move: Move, tables: Tables) -> Image:
    """What the stage's SQL may read of whole tables, one value for each."""
    stage = walk.steps[move.index].stage
    data, expressions = data_of(stage, walk.server), expressions_of(stage, walk.server)
    named = {key for key in tables if _count(key, expressions)}
    for text in data:
        here = {key: number for key in tables if (number := _count(key, [text]))}
        named |= here.keys() if sum(here.values()) > 1 else set()  # once: the one that it changes
    words = words_of([*data, *expressions])
    found = {}
    for key in sorted(named):
        columns = {each.name for each in tables[key].columns if each.name.lower() in words}
        side = Side(key, tuple(each.name for each in tables[key].primary_key), frozenset(columns))
        found[f"{_WHOLE}{key}"] = likeness(sorted(map(str, _read(walk, tables[key], side).values())))
    return found


def _count(key: str, texts: Collection[str]) -> int:
    """How often texts name a table."""
    name = key.rpartition(".")[2].lower()
    return sum(word == name for text in texts for word in _WORD.findall(text.lower()))


_WORD = re.compile(r"\w+")
_WHOLE = "table "
"""Begins the name of a value that stands for a whole table."""
