"""What a stage says about its change, read for one direction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from sqlstrata.diff.words import renamed_by_server, words
from sqlstrata.plan import Sql, Stage
from sqlstrata.servers import DIALECTS, KEYS, keys_of
from sqlstrata.source import Call, Source, quoted


@dataclass(frozen=True)
class Hints:
    """A stage's hints for one direction. Names in it are those before the stage, whichever the direction."""

    rename: Mapping[str, str] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    fill: Mapping[str, Sql] = field(default_factory=dict)
    cast: Mapping[str, Sql] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    """The keys of the tables before the stage: what tells `schema.table` from `table.column`."""
    up: bool = True
    servers: tuple[str, ...] = KEYS
    """The servers that the history is for, by their names in revisions: SQL must be given for each, where any is."""

    @classmethod
    def of(cls, stage: Stage, tables: Iterable[str], dialects: Iterable[str] = DIALECTS, *, up: bool) -> Hints:
        """Those of a stage for its upgrade or its downgrade.

        `tables` are the keys of those before it, `dialects` SQLAlchemy's names for the servers of the history.
        """
        sides = {name: cast.up if up else cast.down for name, cast in stage.cast.items()}
        casts = {name: sql for name, sql in sides.items() if sql is not None}
        return cls(stage.rename, stage.drop, stage.fill, casts, frozenset(tables), up, keys_of(dialects))

    def is_column(self, name: str) -> bool:
        """Whether the name, one before the stage, is a column's and no table's."""
        return name not in self.known and "." in name

    @cached_property
    def old_tables(self) -> dict[str, str]:
        """Renamed tables, each with its new key, as the stage says it."""
        return {old: new for old, new in self.rename.items() if not self.is_column(old)}

    @cached_property
    def _columns(self) -> dict[tuple[str, str], str]:
        pairs = {old: new for old, new in self.rename.items() if self.is_column(old)}
        return {(old.rpartition(".")[0], old.rpartition(".")[2]): new for old, new in pairs.items()}

    # ------------------------------------------------ in the direction that we go

    @cached_property
    def tables(self) -> dict[str, str]:
        """Tables renamed on the way, from and to."""
        return self.old_tables if self.up else {new: old for old, new in self.old_tables.items()}

    @cached_property
    def columns(self) -> dict[str, dict[str, str]]:
        """Columns renamed on the way, by the table's key where we come from."""
        found: dict[str, dict[str, str]] = {}
        for (table, old), new in self._columns.items():
            if self.up:
                found.setdefault(table, {})[old] = new
            else:
                found.setdefault(self.old_tables.get(table, table), {})[new] = old
        return found

    def name(self, table: str, column: str | None = None) -> str:
        """How the stage names a table or column that has this name where we are going: by the names before it."""
        if not self.up:
            return table if column is None else f"{table}.{column}"
        old = {new: old for old, new in self.old_tables.items()}.get(table, table)
        if column is None:
            return old
        names = {new: name for (key, name), new in self._columns.items() if key == old}
        return f"{old}.{names.get(column, column)}"


def sql_source(sql: Sql, text: Mapping[str, str], keys: Collection[str]) -> Source:
    """The SQL of a hint as an argument; `text` are the words that have other names by then, `keys` the servers."""
    return by_server(renamed_by_server(given_sql(sql, keys), text, keys), keys)


def words_of(sql: Sql, keys: Collection[str]) -> set[str]:
    """Every name that SQL for these servers may be about."""
    return {word for statements in sql.given(keys).values() for text in statements for word in words(text)}


def given_sql(sql: Sql, keys: Collection[str]) -> dict[str, str]:
    """The expression for each of the servers that has its own, and for the others as `default`."""
    return {name: statements[0] for name, statements in sql.given(keys).items()}


def by_server(texts: Mapping[str, str], keys: Collection[str]) -> Source:
    """SQL as an argument: plain text where the servers agree, else one for each."""
    given = dict(texts)
    if len(set(given.values())) == 1 and (len(given) == len(keys) or "default" in given):
        return quoted(next(iter(given.values())))
    arguments = (quoted(given.pop("default")),) if "default" in given else ()
    return Call("op.sql", arguments, tuple((name, quoted(value)) for name, value in given.items()))
