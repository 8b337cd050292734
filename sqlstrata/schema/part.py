"""The tables that differ between two stages, and their neighbours."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from sqlstrata.schema.values import Schema, Table


class Neighbours:
    """Which tables have foreign keys to which, kept from stage to stage."""

    def __init__(self) -> None:
        self._pointing: defaultdict[str, set[str]] = defaultdict(set)
        self._spelled: defaultdict[str, set[str]] = defaultdict(set)

    def part(self, before: Schema, after: Schema, renamed: Mapping[str, str]) -> tuple[Schema, Schema]:
        """Both schemas, reduced to the tables that differ and those that a foreign key connects with them.

        Tables that the stage renames count as different, even if an equal one gets the old name, and so do tables
        with a type that differs. Foreign keys of shared tables to tables outside the part are left out. Types,
        sequences and views are complete.
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
        """Record the foreign keys of the next schema; return the keys of the tables that differ."""
        candidates = before.tables.keys() | after.tables.keys() if after.renewed is None else after.renewed
        differing = {key for key in candidates if before.tables.get(key) is not after.tables.get(key)}
        for key in differing:
            old, new = _targets(before.tables.get(key)), _targets(after.tables.get(key))
            for target in new:
                self._pointing[target].add(key)
            for target in old - new:
                self._pointing[target].discard(key)
            self._spelled[key.rpartition(".")[2].lower()].add(key)
        return differing

    def pointing(self, keys: Collection[str]) -> frozenset[str]:
        """The keys of tables with foreign keys to these."""
        return frozenset(each for key in keys for each in self._pointing.get(key, ()))

    def called(self, name: str) -> Collection[str]:
        """The keys of all tables that ever had this name, in any case and schema."""
        return self._spelled.get(name.lower(), ())


def _targets(table: Table | None) -> set[str]:
    return set() if table is None else table.targets()


def _with_enums(before: Schema, after: Schema) -> Iterator[str]:
    if before.enums is after.enums:
        return
    changed = {key for key in {*before.enums, *after.enums} if before.enums.get(key) != after.enums.get(key)}
    for schema in (before, after) if changed else ():
        yield from (key for key, table in schema.tables.items() if changed & {name for name, _ in table.enums})


def _with_types(before: Schema, after: Schema) -> Iterator[str]:
    """The tables with a column of a type that events define differently."""
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
