"""The order of operations, and the draft that they are collected in."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import IntEnum, auto

from sqlstrata.diff.hints import Hints, sql_source
from sqlstrata.errors import WrongUse
from sqlstrata.plan import Sql
from sqlstrata.schema.values import Table
from sqlstrata.source import Source


class Phase(IntEnum):
    """What must go first goes first; within a phase, the models' own order."""

    REQUIRE = auto()
    STATEMENTS_OFF = auto()
    PREPARE = auto()
    RENAME = auto()
    FOREIGN_KEYS_OFF = auto()
    INDEXES_OFF = auto()
    TABLES_OFF = auto()
    TYPES_ON = auto()
    TABLES_ON = auto()
    TABLES_CHANGED = auto()
    INDEXES_ON = auto()
    FOREIGN_KEYS_ON = auto()
    TYPES_OFF = auto()
    STATEMENTS_ON = auto()


@dataclass(frozen=True)
class Operation:
    """One line of a revision, and when it comes."""

    phase: Phase
    source: Source


@dataclass(frozen=True)
class Need:
    """What a stage would have to say for its change to be allowed: one line under `key`."""

    key: str
    name: str
    value: str | dict[str, str] | None
    why: str
    up: bool = True
    """Which way it is for."""
    rename: tuple[str, str] | None = None
    """What it is if it is a rename: the old name, as the stage says it, and the new one."""
    instead: str | dict[str, str] | None = None
    """What to offer where `value` does not run: one value for all rows."""


@dataclass(frozen=True)
class Migration:
    """The way from one schema to another."""

    operations: tuple[Operation, ...]
    changes: tuple[str, ...]
    needs: tuple[Need, ...]
    used: frozenset[tuple[str, str]]
    beyond_data: tuple[Operation, ...] = ()
    """What is on the other side of the stage's `data`: after it on the way up, before it on the way down."""


@dataclass(frozen=True)
class Prepared:
    """A column with values from before the stage: the table before it, its key after it, the column, its SQL."""

    before: Table
    key: str
    column: Source
    sql: Source


@dataclass
class Draft:
    """A migration in the making."""

    hints: Hints
    operations: list[Operation] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    needs: list[Need] = field(default_factory=list)
    used: set[tuple[str, str]] = field(default_factory=set)
    prepared: list[Prepared] = field(default_factory=list)
    new_types: set[str] = field(default_factory=set)
    """Types that the events make in this stage: before it, nothing can be asked about them."""

    def do(self, phase: Phase, source: Source) -> None:
        """Add an operation, once."""
        operation = Operation(phase, source)
        if operation not in self.operations:
            self.operations.append(operation)

    def say(self, change: str) -> None:
        """Say in words what changes."""
        if change not in self.changes:
            self.changes.append(change)

    def need(
        self,
        key: str,
        name: str,
        value: str | dict[str, str] | None,
        why: str,
        *,
        both_ways: bool = False,
        rename: tuple[str, str] | None = None,
        instead: str | dict[str, str] | None = None,
    ) -> None:
        """Something must be allowed; mostly on the way up alone, for the way down refuses when it meets rows."""
        if self.hints.up or both_ways:
            if any((each.key, each.name) == (key, name) for each in self.needs):
                raise _ambiguous(key, name)
            self.needs.append(Need(key, name, value, why, self.hints.up, rename, instead))

    def complete(self, key: str, name: str, value: str | dict[str, str], why: str, on: Collection[str] = ()) -> None:
        """A `fill` or `cast` for one server does not count for another: ask for the servers that it gives nothing for.

        On the way down, too: a server that has no SQL does not stop there, it invents a value.
        """
        sql = (self.hints.fill if key == "fill" else self.hints.cast)[name]
        concerned = set(on or self.hints.servers)
        lacking = [key for key in self.hints.servers if key in concerned and not sql.on(key)]
        if lacking:
            texts = value if isinstance(value, dict) else dict.fromkeys(lacking, value)
            more = {server: texts.get(server) or texts["default"] for server in lacking}
            reason = f"{why}; its `{key}` gives nothing for {', '.join(lacking)}"
            self.needs.append(Need(key, name, more, reason, self.hints.up))

    def allowed_to_drop(self, name: str) -> bool:
        """Whether the stage names this table or column in `drop`."""
        if name in self.hints.drop:
            self.used.add(("drop", name))
        return name in self.hints.drop

    def fill(self, name: str, names: dict[str, str]) -> Source | None:
        """The stage's `fill` for a column, with `names` that have changed by then.

        Raises WrongUse where the name is that of two columns, one that had it before the stage and a new one.
        """
        if ("fill", name) in self.used:
            raise _ambiguous("fill", name)
        return self._sql("fill", self.hints.fill.get(name), name, names)

    def cast(self, name: str, names: dict[str, str]) -> Source | None:
        """The stage's `cast` for a column in this direction."""
        return self._sql("cast", self.hints.cast.get(name), name, names)

    def _sql(self, key: str, sql: Sql | None, name: str, names: dict[str, str]) -> Source | None:
        if sql is None:
            return None
        self.used.add((key, name))
        return sql_source(sql, names, self.hints.servers)

    def migration(self) -> Migration:
        """What has been collected, in order."""
        return Migration(
            tuple(sorted(self.operations, key=lambda operation: operation.phase)),
            tuple(self.changes),
            tuple(self.needs),
            frozenset(self.used),
        )


def _ambiguous(key: str, name: str) -> WrongUse:
    message = f"A column called {name} is renamed and a new one takes its name, and both need a `{key}`"
    return WrongUse(f"{message} by that name.", hint="Rename in one stage, and add in the next.")
