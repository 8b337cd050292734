"""What the models come to on a server: a scratch database that create_all keeps at one stage after another.

This is what a history is proved against. It works while the stages are made, because a stage's MetaData is only there
until the next one's; what it shows of each stage are values. A stage costs what it changes: its tables are dropped and
made; everything else stays, or goes, on SQLite. Where that could be another thing than making all of it, all of it is
made.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import sqlalchemy as sa
from sqlalchemy.schema import AddConstraint

from project.db.database import server_kind
from project.db.dialects import quoted, unmarked
from project.db.scratch import clear, scratch
from project.db.snapshot import Snapshot, snapshot
from project.errors import StrataError, WrongUse
from project.plan import Stage
from project.schema.events import listens
from project.schema.types import stored_as

from .apply import reason


@dataclass(frozen=True)
class Shown:
    """A stage's database, and the names of all that may differ from the stage before; None where anything may."""

    snapshot: Snapshot
    names: frozenset[str] | None


class Mirror:
    """One server's scratch database for as long as the bracket; `show` hears the stages in their order.

    What goes wrong meanwhile is kept until somebody asks for what was shown.
    """

    def __init__(self, server: str) -> None:
        self.server, self.kind = server, server_kind(sa.make_url(server))
        self.schemas: tuple[str, ...] = ()
        self._open = ExitStack()
        self._connection: sa.Connection | None = None
        self._failed: StrataError | None = None
        self._last: sa.MetaData | None = None
        self._shown: list[Shown] = []
        self._odd: set[str] = set()
        self._there: Collection[str] = ()
        self._views: set[str] = set()
        self._pointing: defaultdict[str, set[str]] = defaultdict(set)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._open.close()

    def show(self, _: Stage, metadata: sa.MetaData, changed: frozenset[str]) -> None:
        """Follow to the next stage; `changed` are the keys of tables that may be others than before."""
        if self._failed is None:
            try:
                self._follow(metadata, changed)
            except StrataError as error:
                self._failed = error

    def shown(self) -> tuple[Shown, ...]:
        """What was shown of each stage, the last one made as a whole once more.

        Raises WrongUse for models that cannot be made on the server, and what `scratch` raises.
        """
        if self._failed is None and self._last is not None:
            try:
                self._shown[-1] = Shown(self._made(self._last), self._shown[-1].names)
            except StrataError as error:
                self._failed = error
        if self._failed is not None:
            raise self._failed
        return tuple(self._shown)

    @property
    def known(self) -> frozenset[str]:
        """The names of what was shown last."""
        return frozenset(self._shown[-1].snapshot.things) if self._shown else frozenset()

    # ---- following

    def _follow(self, metadata: sa.MetaData, changed: frozenset[str]) -> None:
        """Bring the database to the next stage, and look."""
        tables = [metadata.tables[key] for key in sorted(changed) if key in metadata.tables]
        schemas = {table.schema for table in tables if table.schema} - set(self.schemas)
        odd = bool(self._odd & changed)
        for key in changed:
            self._learn(key, metadata.tables.get(key))
        plain = not (odd or self._odd & changed or self._views or listens(metadata))
        plain = plain and not metadata._sequences and not metadata._objects
        if schemas or not self._shown or not plain:
            self._reopen(schemas)
            self._shown.append(Shown(self._made(metadata), None))
        else:
            self._shown.append(self._renewed(metadata, changed))
        self._last = metadata

    def _learn(self, key: str, table: sa.Table | None) -> None:
        self._odd.discard(key)
        self._views.discard(key)
        if table is None:
            return
        if listens(table) or (self.kind == "postgresql" and any(map(_has_a_type, table.columns))):
            self._odd.add(key)
        if table.is_view:
            self._views.add(key)
        for each in table.foreign_keys:
            self._pointing[each.target_fullname.rpartition(".")[0]].add(key)

    def _reopen(self, schemas: Collection[str]) -> None:
        """Have a database that has these schemas too."""
        if self._connection is not None and not schemas:
            return
        self._open.close()
        self.schemas = tuple(sorted({*self.schemas, *schemas}))
        empty = self._open.enter_context(scratch(self.server, self.schemas))
        self._connection = self._open.enter_context(empty.engine.connect())

    def _made(self, metadata: sa.MetaData) -> Snapshot:
        """All of the models, made by create_all in an empty database."""
        assert self._connection is not None
        clear(self._connection)
        try:
            with unmarked(metadata):
                metadata.create_all(self._connection)
            self._connection.commit()
        except sa.exc.SQLAlchemyError as error:
            message = f"The models cannot be made on {self.kind} by create_all: {reason(error)}"
            raise WrongUse(message, hint="Change the models, or take the server out of prove_on.") from error
        self._there = frozenset(metadata.tables)
        return self._looked_at(None)

    def _renewed(self, metadata: sa.MetaData, changed: frozenset[str]) -> Shown:
        """Only what changes, made anew."""
        before = self._shown[-1].snapshot.things
        old = {key for key in changed if key in before}
        near = {key for name in old for key in self._pointing[name] if key in metadata.tables} - changed
        # On SQLite a table is the same without those that it points to, and making one takes longer the more there are.
        alone = self.kind == "sqlite"
        try:
            self._exchange(metadata, changed | near if alone else changed, self._there if alone else old, near)
        except sa.exc.SQLAlchemyError:  # another order would do, perhaps: making all of it shows
            assert self._connection is not None
            self._connection.rollback()
            return Shown(self._made(metadata), None)
        names = changed | near
        things = dict(before)
        for key in names & things.keys():
            del things[key]
        things.update(self._looked_at(names).things)
        return Shown(Snapshot(things), frozenset(names))

    def _exchange(
        self, metadata: sa.MetaData, changed: frozenset[str], old: Collection[str], near: Collection[str]
    ) -> None:
        connection = self._connection
        assert connection is not None
        self._drop(connection, sorted(old))
        tables = [metadata.tables[key] for key in sorted(changed) if key in metadata.tables]
        with unmarked(tables):
            metadata.create_all(connection, tables=tables, checkfirst=False)
        if self.kind == "postgresql":
            for constraint in _keys(metadata, near, old):
                with unmarked([constraint.table]):
                    connection.execute(AddConstraint(constraint))
        self._there = changed & metadata.tables.keys()
        connection.commit()

    def _drop(self, connection: sa.Connection, keys: Iterable[str]) -> None:
        """Drop tables that others point at; on PostgreSQL their foreign keys go as well."""
        cascade = " CASCADE" if self.kind == "postgresql" else ""
        if self.kind == "mariadb":
            connection.exec_driver_sql("SET foreign_key_checks = 0")
        try:
            for key in keys:
                schema, _, name = key.rpartition(".") if self.schemas else ("", "", key)
                connection.exec_driver_sql(f"DROP TABLE {quoted(connection, schema, name)}{cascade}")
        finally:
            if self.kind == "mariadb":  # a key that ALTER TABLE adds meanwhile would get NO ACTION for RESTRICT
                connection.exec_driver_sql("SET foreign_key_checks = 1")

    def _looked_at(self, names: Collection[str] | None) -> Snapshot:
        assert self._connection is not None
        found = snapshot(self._connection, self.schemas, names)
        self._connection.rollback()
        return found


def _has_a_type(column: sa.Column[object]) -> bool:
    """Whether the column has a type of its own on PostgreSQL, which is not its table's to make and drop."""
    stored = stored_as(column.type, "postgresql")
    element = getattr(stored, "item_type", stored)
    return isinstance(element, sa.types.SchemaType) and not isinstance(element, sa.Boolean)


def _keys(metadata: sa.MetaData, tables: Iterable[str], targets: Collection[str]) -> Iterable[sa.ForeignKeyConstraint]:
    """The foreign keys that lead from some tables to others."""
    for key in sorted(tables):
        for each in sorted(metadata.tables[key].foreign_key_constraints, key=lambda each: str(each.name)):
            if each.referred_table.key in targets:
                yield each
