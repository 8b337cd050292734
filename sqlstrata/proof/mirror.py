"""What the models come to on a server: a scratch database that create_all keeps at one stage after another.

This is what a history is proved against. It works while the stages are made, because a stage's MetaData is only there
until the next one's; what it shows of each stage are values. A stage costs what it changes: its tables are dropped and
made, with the views that stand on them and the types that only they have; everything else stays, or goes, on SQLite.
Where that could be another thing than making all of it, all of it is made.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import sqlalchemy as sa
from sqlalchemy.schema import AddConstraint, sort_tables_and_constraints

from sqlstrata.databases.database import connect, server_kind
from sqlstrata.databases.lost import cause
from sqlstrata.dialects import quoted, unmarked
from sqlstrata.diff.words import naming, words
from sqlstrata.errors import SqlstrataError, WrongUse
from sqlstrata.migrate.apply import said
from sqlstrata.plan import Stage
from sqlstrata.private_names import sequences_of
from sqlstrata.schema.columns import enum_key
from sqlstrata.schema.ddl import UNSAYABLE
from sqlstrata.schema.events import listens
from sqlstrata.schema.types import element_as
from sqlstrata.scratch.bracket import clear, scratch
from sqlstrata.snapshot import Read, Snapshot, snapshot
from sqlstrata.sqlalchemy_versions import CHECK_TYPES, is_view, types_of, view_of


@dataclass(frozen=True)
class Shown:
    """A stage's database, and the names of all that may differ from the stage before; None where anything may."""

    snapshot: Snapshot
    names: frozenset[str] | None


@dataclass(frozen=True)
class _Known:
    """What is known of one of the models' tables or views.

    `kind` is what DROP calls it, `said` the names in a view's text, `types` those types that PostgreSQL makes for it.
    An `odd` one may make anything, or cannot be made.
    """

    kind: str = "TABLE"
    said: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    odd: bool = False


class Mirror:
    """One server's scratch database for as long as the bracket; `show` hears the stages in their order.

    What goes wrong meanwhile is kept until somebody asks for what was shown.
    """

    def __init__(self, server: str) -> None:
        self.server, self.kind = server, server_kind(sa.make_url(server))
        self.schemas: tuple[str, ...] = ()
        self.read: Read = {}
        self._open = ExitStack()
        self._connection: sa.Connection | None = None
        self._failed: SqlstrataError | None = None
        self._last: sa.MetaData | None = None
        self._stage = ""
        self._shown: list[Shown] = []
        self._known: dict[str, _Known] = {}
        self._there: dict[str, str] = {}
        """What is in the database, in the order in which it was made, each with its kind."""
        self._pointing: defaultdict[str, set[str]] = defaultdict(set)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._open.close()

    def show(self, stage: Stage, metadata: sa.MetaData, changed: frozenset[str]) -> None:
        """Follow to the next stage; `changed` are the keys of tables that may be others than before."""
        if self._failed is None:
            self._stage = stage.name
            try:
                self._follow(metadata, changed)
            except SqlstrataError as error:
                self._failed = error

    def shown(self) -> tuple[Shown, ...]:
        """What was shown of each stage, the last one made as a whole once more.

        Raises WrongUse for models that cannot be made on the server, and what `scratch` raises.
        """
        if self._failed is None and self._last is not None:
            try:
                self._shown[-1] = Shown(self._made(self._last), self._shown[-1].names)
            except SqlstrataError as error:
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
        if schemas or self._connection is None:
            self._reopen(schemas)
        was = {key: self._known.pop(key) for key in changed & self._known.keys()}
        self._known |= (now := {table.key: self._learn(table) for table in tables})
        odd = any(each.odd for each in (*was.values(), *now.values()))
        if schemas or not self._shown or odd or self._has_more(metadata):
            self._shown.append(Shown(self._made(metadata), None))
        else:
            self._shown.append(self._renewed(metadata, changed, was))
        self._last = metadata

    def _learn(self, table: sa.Table) -> _Known:
        for each in table.foreign_keys:
            self._pointing[each.target_fullname.rpartition(".")[0]].add(table.key)
        if is_view(table):
            return self._view(table)
        types = [_own_type(column) for column in table.columns] if self.kind == "postgresql" else []
        names = frozenset(enum_key(each) for each in types if isinstance(each, sa.Enum))
        other = any(each is not None and not isinstance(each, sa.Enum) for each in types)
        return _Known(types=names, odd=other or listens(table))

    def _view(self, view: sa.Table) -> _Known:
        assert self._connection is not None
        made = view_of(view)
        try:
            text = str(made.compile(dialect=self._connection.dialect))
        except UNSAYABLE:  # making it will tell
            return _Known("VIEW", odd=True)
        kind = "MATERIALIZED VIEW" if made.materialized else "VIEW"
        return _Known(kind, frozenset(words(text)), odd=listens(view))

    def _has_more(self, metadata: sa.MetaData) -> bool:
        """Whether the models make anything besides tables and views: by events, or sequences and types of their own."""
        if listens(metadata):
            return True
        if self.kind != "postgresql":
            return self.kind != "sqlite" and bool(sequences_of(metadata))
        types = {name for known in self._known.values() for name in known.types}
        return any(
            not isinstance(each, sa.Enum) or (each.native_enum and enum_key(each) not in types)
            for each in types_of(metadata)
        )

    def _reopen(self, schemas: Collection[str]) -> None:
        """Have a database that has these schemas too."""
        self._open.close()
        self.schemas = tuple(sorted({*self.schemas, *schemas}))
        empty = self._open.enter_context(scratch(self.server, self.schemas))
        self._connection = self._open.enter_context(connect(empty.engine))

    def _made(self, metadata: sa.MetaData) -> Snapshot:
        """All of the models, made by create_all in an empty database."""
        assert self._connection is not None
        clear(self._connection)
        try:
            with unmarked(metadata):
                metadata.create_all(self._connection)
            self._connection.commit()
        except sa.exc.SQLAlchemyError as error:
            if cause(error) is not None:
                raise
            message = f"The models of stage {self._stage} cannot be made on {self.kind}: {said(error)}"
            raise WrongUse(message, hint="Change the models, or take the server out of prove_on.") from error
        self._there = {table.key: self._known[table.key].kind for table in _order(metadata.tables.values())[0]}
        return self._looked_at(None)

    def _renewed(self, metadata: sa.MetaData, changed: frozenset[str], was: Mapping[str, _Known]) -> Shown:
        """Only what changes, made anew."""
        assert self._connection is not None
        before = self._shown[-1].snapshot.things
        near = {key for name in was for key in self._pointing[name] if key in metadata.tables} - changed
        views = self._standing_on(changed)
        types = {name for known in was.values() for name in known.types}
        kept = {name for key, known in self._known.items() if key not in changed for name in known.types}
        # On SQLite a table is the same without those that it points to, and making one takes longer the more there are.
        alone = self.kind == "sqlite"
        anew = changed | views | near if alone else changed | views
        try:
            self._drop([key for key in self._there if alone or key in anew], types - kept)
            self._make(metadata, [metadata.tables[key] for key in sorted(anew) if key in metadata.tables])
            self._point(metadata, near, was)
            self._connection.commit()
        except sa.exc.SQLAlchemyError:  # another order would do, perhaps: making all of it shows
            self._connection.rollback()
            return Shown(self._made(metadata), None)
        types |= {name for key in changed & self._known.keys() for name in self._known[key].types}
        names = changed | views | near | types
        things = dict(before)
        for key in names & things.keys():
            del things[key]
        things.update(self._looked_at(names).things)
        return Shown(Snapshot(things), frozenset(names))

    def _standing_on(self, keys: Collection[str]) -> frozenset[str]:
        """The views whose texts name one of these, or a view that does."""
        views = {key: known.said for key, known in self._known.items() if known.said}
        return frozenset(naming({_name(key) for key in keys}, views, _name))

    def _drop(self, keys: Sequence[str], types: Iterable[str]) -> None:
        """Drop views, tables and types; on PostgreSQL the foreign keys that point at the tables go as well."""
        connection = self._connection
        assert connection is not None
        cascade = " CASCADE" if self.kind == "postgresql" else ""
        views = [key for key in reversed(keys) if self._there[key] != "TABLE"]
        if self.kind == "mariadb":
            connection.exec_driver_sql("SET foreign_key_checks = 0")
        try:
            for key in dict.fromkeys((*views, *keys)):
                connection.exec_driver_sql(f"DROP {self._there.pop(key)} {self._quoted(key)}{cascade}")
        finally:
            if self.kind == "mariadb":  # a key that ALTER TABLE adds meanwhile would get NO ACTION for RESTRICT
                connection.exec_driver_sql("SET foreign_key_checks = 1")
        for name in sorted(types):
            connection.exec_driver_sql(f"DROP TYPE {self._quoted(name)}")

    def _quoted(self, key: str) -> str:
        assert self._connection is not None
        schema, _, name = key.rpartition(".") if self.schemas else ("", "", key)
        return quoted(self._connection, schema, name)

    def _make(self, metadata: sa.MetaData, tables: Sequence[sa.Table]) -> None:
        """Make tables and views as create_all does.

        It makes all types of the models first, or asks for each: so where no key comes later they are made one by one.
        """
        connection = self._connection
        assert connection is not None
        order, later = _order(tables)
        with unmarked(tables):
            if later:
                metadata.create_all(connection, tables=tables, checkfirst=CHECK_TYPES)
            else:
                for table in order:
                    table.create(connection, checkfirst=CHECK_TYPES)
        self._there |= {table.key: self._known[table.key].kind for table in order}

    def _point(self, metadata: sa.MetaData, keys: Collection[str], targets: Collection[str]) -> None:
        """Add the foreign keys of these tables that went with their targets, on PostgreSQL."""
        for key in sorted(keys) if self.kind == "postgresql" else ():
            for each in sorted(metadata.tables[key].foreign_key_constraints, key=lambda each: str(each.name)):
                if each.referred_table.key in targets:
                    assert self._connection is not None
                    with unmarked([each.table]):
                        self._connection.execute(AddConstraint(each))

    def _looked_at(self, names: Collection[str] | None) -> Snapshot:
        assert self._connection is not None
        found = snapshot(self._connection, self.schemas, names, self.read)
        self._connection.rollback()
        return found


def _name(key: str) -> str:
    """A table's or view's name without its schema."""
    return key.rpartition(".")[2]


def _order(tables: Iterable[sa.Table]) -> tuple[list[sa.Table], bool]:
    """Tables and views in the order in which create_all makes them, and whether some of their keys come later."""
    *order, (_, later) = sort_tables_and_constraints(tables)  # type: ignore[no-untyped-call]
    return [table for table, _ in order], bool(later)


def _own_type(column: sa.Column[object]) -> sa.types.SchemaType | None:
    """The type that PostgreSQL makes for the column, which is not its table's to make and drop."""
    element = element_as(column.type, "postgresql")
    if not isinstance(element, sa.types.SchemaType) or isinstance(element, sa.Boolean):
        return None
    return None if isinstance(element, sa.Enum) and not element.native_enum else element
