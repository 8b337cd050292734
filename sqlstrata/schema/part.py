"""The part of two neighbouring schemas that matters to what lies between them: what differs, and its neighbours."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from sqlstrata.schema.values import Schema, Table


class Neighbours:
    """Which tables point at which, kept from stage to stage."""

    def __init__(self) -> None:
        self._pointing: defaultdict[str, set[str]] = defaultdict(set)
        self._spelled: defaultdict[str, set[str]] = defaultdict(set)

    def part(self, before: Schema, after: Schema, renamed: Mapping[str, str]) -> tuple[Schema, Schema]:
        """Both schemas with only those tables that they do not share, that point at these or that these point at.

        Tables that the stage renames are others, even where one like it comes with the old name.
        Tables with a type that differs are also in it. Foreign keys of shared tables that lead out of the part
        are left off. All else that the schemas have is left as it is.
        """
        differing = self.learn(before, after)
        differing |= {key for key in (*renamed, *renamed.values()) if key in before.tables or key in after.tables}
        near = set(differing)
        for key in differing:
            near |= self._pointing[key]
            for table in (before.tables.get(key), after.tables.get(key)):
                near |= _targets(table)
        near |= {*_with_enums(before, after), *_with_types(before, after)}
        shared = {key: _within(after.tables[key], near) for key in near - differing if key in after.tables}
        return _only(before, differing, shared), _only(after, differing, shared)

    def learn(self, before: Schema, after: Schema) -> set[str]:
        """Follow to the next schema; give the keys of the tables that the two do not share."""
        may = before.tables.keys() | after.tables.keys() if after.renewed is None else after.renewed
        differing = {key for key in may if before.tables.get(key) is not after.tables.get(key)}
        for key in differing:
            self._learn(key, before.tables.get(key), after.tables.get(key))
            self._spelled[key.rpartition(".")[2].lower()].add(key)
        return differing

    def pointing(self, keys: Collection[str]) -> frozenset[str]:
        """The keys of tables that point at these."""
        return frozenset(each for key in keys for each in self._pointing.get(key, ()))

    def called(self, name: str) -> Collection[str]:
        """The keys of all tables that ever had this name, in small letters or in capitals."""
        return self._spelled.get(name.lower(), ())

    def _learn(self, key: str, old: Table | None, new: Table | None) -> None:
        for target in _targets(new):
            self._pointing[target].add(key)
        for target in _targets(old) - _targets(new):
            self._pointing[target].discard(key)


def _targets(table: Table | None) -> set[str]:
    return set() if table is None else table.targets()


def _with_enums(before: Schema, after: Schema) -> Iterator[str]:
    if before.enums is after.enums:
        return
    other = {key for key in {*before.enums, *after.enums} if before.enums.get(key) != after.enums.get(key)}
    for schema in (before, after) if other else ():
        yield from (key for key, table in schema.tables.items() if other & {name for name, _ in table.enums})


def _with_types(before: Schema, after: Schema) -> Iterator[str]:
    """The tables with a column of a type that an event makes in another way."""
    if before.statements is after.statements:
        return
    names = {
        old.bare_name for key, old in before.statements.items() if old.is_type and old != after.statements.get(key)
    }
    for schema in (before, after) if names else ():
        yield from (
            key for key, table in schema.tables.items() if any(table.has_type(each, names) for each in table.columns)
        )


def _within(table: Table, keys: Collection[str]) -> Table:
    kept = tuple(each for each in table.constraints if each.target is None or each.target in keys)
    return table if len(kept) == len(table.constraints) else replace(table, constraints=kept)


def _only(schema: Schema, differing: Collection[str], shared: Mapping[str, Table]) -> Schema:
    near = {*differing, *shared}
    keys = filter(near.__contains__, schema.tables)
    return replace(schema, tables={key: shared.get(key, schema.tables[key]) for key in keys})
