"""The mirror: a scratch database that `create_all` keeps at one stage after another. A history is compared with it.

It works while the stages are generated, because a stage's MetaData exists only until the next one's; of each stage it
keeps a snapshot. A stage costs what it changes: its tables are dropped and created, with the views on them and the
types that only they have; the other tables stay (on SQLite all go, and only these are created). Where that could give
another result than `create_all` in an empty database, everything is created.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self

import sqlalchemy as sa
from sqlalchemy.schema import AddConstraint

from sqlstrata.databases.addresses import server_kind
from sqlstrata.databases.database import connect
from sqlstrata.databases.lost import cause
from sqlstrata.dialects import quoted, unmarked
from sqlstrata.diff.words import naming
from sqlstrata.errors import SqlstrataError, WrongUse
from sqlstrata.migrate.failures import message_of
from sqlstrata.plan import Stage
from sqlstrata.proof.parts import Part, creation_order, makes_more, part_of
from sqlstrata.scratch.bracket import scratch
from sqlstrata.scratch.clear import clear
from sqlstrata.snapshot import Read, Snapshot, snapshot
from sqlstrata.sqlalchemy_versions import CHECK_TYPES, is_view


@dataclass(frozen=True)
class Expected:
    """A stage's database, and the names of all that may differ from the stage before; None where anything may."""

    snapshot: Snapshot
    names: frozenset[str] | None
    tables: Mapping[str, sa.Table] = field(default_factory=dict)
    """Copies of the models' tables that may differ, for generated rows."""


class Mirror:
    """One server's mirror for as long as the `with` block; `show` gets the stages in their order.

    What goes wrong meanwhile is raised when `expected` is asked.
    """

    def __init__(self, server: str, *, copies: bool = False) -> None:
        """`copies`: whether to keep copies of the tables, which generated rows need."""
        self.copies = copies
        self.server, self.kind = server, server_kind(sa.make_url(server))
        self.schemas: tuple[str, ...] = ()
        self.read: Read = {}
        self._stack = ExitStack()
        self._connection: sa.Connection | None = None
        self._error: SqlstrataError | None = None
        self._last: tuple[Stage, sa.MetaData] | None = None
        self._expected: list[Expected] = []
        self._parts: dict[str, Part] = {}
        self._created: dict[str, str] = {}
        """What the database has, in the order of its creation, each with its kind."""
        self._pointing: defaultdict[str, set[str]] = defaultdict(set)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._stack.close()

    def show(self, stage: Stage, metadata: sa.MetaData, changed: frozenset[str]) -> None:
        """Go to the next stage; `changed` are the keys of tables that may differ from the stage before."""
        if self._error is None:
            try:
                self._follow(stage, metadata, changed)
            except SqlstrataError as error:
                self._error = error

    def expected(self) -> tuple[Expected, ...]:
        """What each stage's database must be; the last one is created as a whole once more.

        Raises WrongUse for models that cannot be created on the server, and what `scratch` raises.
        """
        if self._error is None and self._last is not None:
            try:
                self._expected[-1] = replace(self._expected[-1], snapshot=self._create_all(*self._last))
            except SqlstrataError as error:
                self._error = error
        if self._error is not None:
            raise self._error
        return tuple(self._expected)

    @property
    def known(self) -> frozenset[str]:
        """The names of what the last stage has."""
        return frozenset(self._expected[-1].snapshot.things) if self._expected else frozenset()

    # ---- following

    def _follow(self, stage: Stage, metadata: sa.MetaData, changed: frozenset[str]) -> None:
        """Bring the database to the next stage, and keep its snapshot."""
        tables = [metadata.tables[key] for key in sorted(changed) if key in metadata.tables]
        schemas = {table.schema for table in tables if table.schema} - set(self.schemas)
        if schemas or self._connection is None:
            self._reopen(schemas)
        old = {key: self._parts.pop(key) for key in changed & self._parts.keys()}
        new = {table.key: part_of(table, self._open.dialect) for table in tables}
        self._parts |= new
        for table in tables:
            for each in table.foreign_keys:
                self._pointing[each.target_fullname.rpartition(".")[0]].add(table.key)
        special = any(part.special for part in (*old.values(), *new.values()))
        if schemas or not self._expected or special or makes_more(metadata, self._parts.values(), self.kind):
            self._expected.append(Expected(self._create_all(stage, metadata), None))
        else:
            self._expected.append(self._renewed(stage, metadata, changed, old))
        if self.copies:
            self._expected[-1] = replace(self._expected[-1], tables=_copied(tables))
        self._last = stage, metadata

    @property
    def _open(self) -> sa.Connection:
        assert self._connection is not None
        return self._connection

    def _reopen(self, schemas: Collection[str]) -> None:
        """Replace the database with one that has these schemas too."""
        self._stack.close()
        self.schemas = tuple(sorted({*self.schemas, *schemas}))
        empty = self._stack.enter_context(scratch(self.server, self.schemas))
        self._connection = self._stack.enter_context(connect(empty.engine))

    def _create_all(self, stage: Stage, metadata: sa.MetaData) -> Snapshot:
        """Create all of the models in the empty database."""
        clear(self._open)
        try:
            with unmarked(metadata):
                metadata.create_all(self._open)
            self._open.commit()
        except sa.exc.SQLAlchemyError as error:
            if cause(error) is not None:
                raise
            message = f"The models of stage {stage.name} cannot be created on {self.kind}: {message_of(error)}"
            raise WrongUse(message, hint="Change the models, or remove the server from prove_on.") from error
        order, _ = creation_order(metadata.tables.values())
        self._created = {table.key: self._parts[table.key].kind for table in order}
        return self._snapshot(None)

    def _renewed(
        self, stage: Stage, metadata: sa.MetaData, changed: frozenset[str], old: Mapping[str, Part]
    ) -> Expected:
        """Create only what changes."""
        pointing = {key for name in old for key in self._pointing[name] if key in metadata.tables} - changed
        views = self._views_on(changed)
        types = {name for part in old.values() for name in part.types}
        kept = {name for key, part in self._parts.items() if key not in changed for name in part.types}
        # On SQLite a table is the same without those that it points to, and CREATE is slower the more there are.
        alone = self.kind == "sqlite"
        renewed = changed | views | pointing if alone else changed | views
        try:
            self._drop([key for key in self._created if alone or key in renewed], types - kept)
            self._create(metadata, [metadata.tables[key] for key in sorted(renewed) if key in metadata.tables])
            self._add_foreign_keys(metadata, pointing, old)
            self._open.commit()
        except sa.exc.SQLAlchemyError:  # perhaps another order would do: creating everything shows
            self._open.rollback()
            return Expected(self._create_all(stage, metadata), None)
        types |= {name for key in changed & self._parts.keys() for name in self._parts[key].types}
        names = frozenset(changed | views | pointing | types)
        before = self._expected[-1].snapshot.things
        things = {key: thing for key, thing in before.items() if key not in names}
        return Expected(Snapshot({**things, **self._snapshot(names).things}), names)

    def _views_on(self, keys: Collection[str]) -> frozenset[str]:
        """The views whose texts name one of these, or a view that does."""
        views = {key: part.names for key, part in self._parts.items() if part.names}
        return frozenset(naming({_name(key) for key in keys}, views, _name))

    def _drop(self, keys: Sequence[str], types: Iterable[str]) -> None:
        """Drop views, tables and types; on PostgreSQL the foreign keys that point at the tables go as well."""
        cascade = " CASCADE" if self.kind == "postgresql" else ""
        views = [key for key in reversed(keys) if self._created[key] != "TABLE"]
        if self.kind == "mariadb":
            self._open.exec_driver_sql("SET foreign_key_checks = 0")
        try:
            for key in dict.fromkeys((*views, *keys)):
                self._open.exec_driver_sql(f"DROP {self._created.pop(key)} {self._quoted(key)}{cascade}")
        finally:
            if self.kind == "mariadb":  # meanwhile ALTER TABLE would add a key with NO ACTION for RESTRICT
                self._open.exec_driver_sql("SET foreign_key_checks = 1")
        for name in sorted(types):
            self._open.exec_driver_sql(f"DROP TYPE {self._quoted(name)}")

    def _quoted(self, key: str) -> str:
        schema, _, name = key.rpartition(".") if self.schemas else ("", "", key)
        return quoted(self._open, schema, name)

    def _create(self, metadata: sa.MetaData, tables: Sequence[sa.Table]) -> None:
        """Create tables and views as create_all does.

        It creates all types of the models first, or asks for each: so without keys that come later it is one by one.
        """
        order, later = creation_order(tables)
        with unmarked(tables):
            if later:
                metadata.create_all(self._open, tables=tables, checkfirst=CHECK_TYPES)
            else:
                for table in order:
                    table.create(self._open, checkfirst=CHECK_TYPES)
        self._created |= {table.key: self._parts[table.key].kind for table in order}

    def _add_foreign_keys(self, metadata: sa.MetaData, keys: Collection[str], targets: Collection[str]) -> None:
        """On PostgreSQL, add the foreign keys of these tables that were dropped with their targets."""
        for key in sorted(keys) if self.kind == "postgresql" else ():
            for each in sorted(metadata.tables[key].foreign_key_constraints, key=lambda each: str(each.name)):
                if each.referred_table.key in targets:
                    with unmarked([each.table]):
                        self._open.execute(AddConstraint(each))

    def _snapshot(self, names: Collection[str] | None) -> Snapshot:
        found = snapshot(self._open, self.schemas, names, self.read)
        self._open.rollback()
        return found


def _copied(tables: Iterable[sa.Table]) -> dict[str, sa.Table]:
    into = sa.MetaData()
    return {table.key: table.to_metadata(into) for table in tables if not is_view(table)}


def _name(key: str) -> str:
    """A table's or view's name without its schema."""
    return key.rpartition(".")[2]
