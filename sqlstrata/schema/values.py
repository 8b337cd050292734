"""A schema as values: tables, columns, constraints, indexes, types, sequences, views.

Each value has its Python source, which goes into revisions, and its DDL on every server. `describe` makes them,
`sqlstrata.diff` compares them, and they hold no object of SQLAlchemy's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeVar

from sqlstrata.source import Call, Chain, Source, call, flat, items, quoted
from sqlstrata.sql_objects import SqlObject

Rename = Mapping[str, str]
Texts = Mapping[str, str | None]
"""The SQL for each dialect; None where the dialect does not have it, "" where it needs no SQL."""


def same_everywhere(texts: Texts) -> str | None:
    """The text that all dialects share, None if there is none."""
    given = {text for text in texts.values() if text}
    return given.pop() if len(given) == 1 else None


class _Element:
    """Something that can be written as Python."""

    @property
    def source(self) -> Source:
        raise NotImplementedError

    @cached_property
    def text(self) -> str:
        """The source on one line."""
        return flat(self.source)


@dataclass(frozen=True)
class Column(_Element):
    """One column; `rest` is what follows its name in `sa.Column(…)`."""

    name: str
    rest: tuple[Source, ...]
    keywords: tuple[tuple[str, Source], ...]
    ddl: Texts
    types: Texts
    kinds: Mapping[str, str]
    """The family of its values on each dialect, see `sqlstrata.operations.conversion`."""
    nullable: bool
    default: Texts | None = None
    computed: Source | None = None
    counted: bool = False
    """Whether the server generates its values: autoincrement, SERIAL, Identity."""
    comment: str | None = None
    enum: str | None = None
    """The key of its PostgreSQL enum type."""
    labels: tuple[str, ...] = ()
    checks: bool = False
    """Whether the column itself has a CHECK."""
    default_value: Texts = field(default_factory=dict, compare=False)
    """What Python puts into new rows, as SQL; empty unless it is one value."""

    @cached_property
    def source(self) -> Call:
        return Call("sa.Column", (quoted(self.name), *self.rest), self.keywords)

    @property
    def kind(self) -> str:
        """The family of its values on the first of the servers."""
        return next(iter(self.kinds.values()))

    @property
    def has_value(self) -> bool:
        """Whether rows that are given no value have one."""
        return self.default is not None or self.computed is not None or self.counted

    def renamed(self, columns: Rename) -> Column:
        return replace(self, name=columns.get(self.name, self.name))


@dataclass(frozen=True)
class Constraint(_Element):
    """A primary key, unique, check, foreign key or exclusion constraint.

    The condition of a check or exclusion is part of `arguments`, not of `columns`.
    """

    kind: str
    name: str | None
    columns: tuple[str, ...]
    arguments: tuple[Source, ...] = ()
    keywords: tuple[tuple[str, Source], ...] = ()
    ddl: Texts = field(default_factory=dict)
    target: str | None = None
    """Of a foreign key: the key of the table that it refers to."""
    target_columns: tuple[str, ...] = ()
    deferred: bool = False
    """Of a foreign key: whether the models have it created after both tables (use_alter)."""
    condition: str | None = None
    """Of a check: its text, if all servers share it."""

    @cached_property
    def source(self) -> Source:
        return self.written(deferred=False)

    def written(self, *, deferred: bool) -> Source:
        """The constraint as Python; a `deferred` foreign key is added by ALTER TABLE where the server can."""
        made: Source
        if self.kind == "foreign key":
            targets = [f"{self.target}.{column}" for column in self.target_columns]
            arguments: tuple[Source, ...] = (
                items("[]", map(quoted, self.columns)),
                items("[]", map(quoted, targets)),
            )
            keywords = (*self.keywords, ("use_alter", "True")) if deferred else self.keywords
            made = Call("sa.ForeignKeyConstraint", arguments, keywords)
        elif self.kind in {"primary key", "unique"}:
            function = "sa.PrimaryKeyConstraint" if self.kind == "primary key" else "sa.UniqueConstraint"
            made = Call(function, tuple(map(quoted, self.columns)), self.keywords)
        else:
            function = "sa.CheckConstraint" if self.kind == "check" else "postgresql.ExcludeConstraint"
            made = Call(function, self.arguments, self.keywords)
        absent = [name for name, text in self.ddl.items() if text == ""]
        if absent and self.kind in {"check", "unique"}:
            present = [quoted(name) for name in self.ddl if name not in absent]
            servers = present[0] if len(present) == 1 else items("()", present)
            made = Chain(made, call("ddl_if", dialect=servers))
        return made

    def renamed(self, columns: Rename, tables: Rename, target_columns: Mapping[str, Rename]) -> Constraint:
        """The constraint after its columns and tables were renamed."""
        theirs = target_columns.get(self.target or "", {})
        return replace(
            self,
            columns=tuple(columns.get(each, each) for each in self.columns),
            target=tables.get(self.target, self.target) if self.target else None,
            target_columns=tuple(theirs.get(each, each) for each in self.target_columns),
        )


@dataclass(frozen=True)
class Index(_Element):
    """An index; each of `parts` is a column's name, None for an expression, and its source."""

    name: str
    parts: tuple[tuple[str | None, Source], ...]
    unique: bool
    keywords: tuple[tuple[str, Source], ...]
    ddl: Texts
    where: Source | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.parts if name is not None)

    @cached_property
    def source(self) -> Call:
        """The index as an element of a table."""
        return Call("sa.Index", (self._name, *(source for _, source in self.parts)), self._options)

    def creation(self, table: str, schema: str | None) -> Call:
        columns = items("[]", (source for _, source in self.parts))
        options = self._options if schema is None else (*self._options, ("schema", quoted(schema)))
        return Call("op.create_index", (self._name, quoted(table), columns), options)

    def removal(self, table: str, schema: str | None) -> Call:
        options: tuple[tuple[str, Source], ...] = (("table_name", quoted(table)),)
        if schema is not None:
            options = (*options, ("schema", quoted(schema)))
        return Call("op.drop_index", (self._name,), options)

    @property
    def _name(self) -> Source:
        return name_source(self.name)

    @property
    def _options(self) -> tuple[tuple[str, Source], ...]:
        return (("unique", "True"), *self.keywords) if self.unique else self.keywords

    def renamed(self, columns: Rename) -> Index:
        parts = tuple(
            (None, source) if name is None else (columns.get(name, name), quoted(columns.get(name, name)))
            for name, source in self.parts
        )
        return replace(self, parts=parts)


class _InSchema:
    """Something with a name in a schema, or in the default one."""

    name: str
    schema: str | None

    @property
    def key(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name


@dataclass(frozen=True)
class Table(_InSchema):
    """One table with its columns, constraints, indexes and options."""

    name: str
    schema: str | None
    columns: Mapping[str, Column]
    constraints: tuple[Constraint, ...]
    indexes: Mapping[str, Index]
    options: tuple[tuple[str, Source], ...] = ()
    option_texts: Texts = field(default_factory=dict)
    comment: str | None = None
    problems: Mapping[str, str] = field(default_factory=dict)
    """Dialects on which the table cannot be created, and why."""
    enums: tuple[tuple[str, Enum], ...] = ()
    """The PostgreSQL enum types of its columns, each with its key."""
    sequences: tuple[Sequence, ...] = ()
    """The sequences that its columns take their values from."""

    @cached_property
    def primary_key(self) -> tuple[str, ...]:
        return next((each.columns for each in self.constraints if each.kind == "primary key"), ())

    def foreign_keys(self) -> Iterator[Constraint]:
        return (each for each in self.constraints if each.kind == "foreign key")

    def targets(self) -> set[str]:
        """The keys of the tables that its foreign keys refer to."""
        return {key.target for key in self.foreign_keys() if key.target is not None}

    @property
    def parts(self) -> tuple[Column | Constraint | Index, ...]:
        """Its columns, constraints and indexes."""
        return (*self.columns.values(), *self.constraints, *self.indexes.values())

    def elements(self, deferred: frozenset[Constraint] | tuple[Constraint, ...] = ()) -> Iterator[Source]:
        """The elements of CREATE TABLE, as Python."""
        yield from (column.source for column in self.columns.values())
        for each in self.constraints:
            yield each.written(deferred=True) if each in deferred else each.source

    def has_type(self, column: str, names: Collection[str]) -> bool:
        """Whether a column has one of these types on PostgreSQL, which the models' events create."""
        found = self.columns.get(column)
        type_ = None if found is None else found.types.get("postgresql")
        return type_ is not None and type_.rpartition(".")[2].strip('"') in names

    @property
    def keywords(self) -> tuple[tuple[str, Source], ...]:
        """Schema, options and comment, as keyword arguments."""
        schema: tuple[tuple[str, Source], ...] = () if self.schema is None else (("schema", quoted(self.schema)),)
        comment: tuple[tuple[str, Source], ...] = () if self.comment is None else (("comment", quoted(self.comment)),)
        return (*schema, *comment, *self.options)

    def renamed(self, tables: Rename, columns: Mapping[str, Rename]) -> Table:
        """The table after the renames; `columns` has those of each table, and all keys are names from before."""
        key = tables.get(self.key, self.key)
        schema, _, name = key.rpartition(".")
        mine = columns.get(self.key, {})
        return replace(
            self,
            name=name,
            schema=schema or None,
            columns={mine.get(each, each): column.renamed(mine) for each, column in self.columns.items()},
            constraints=tuple(each.renamed(mine, tables, columns) for each in self.constraints),
            indexes={each: index.renamed(mine) for each, index in self.indexes.items()},
        )


@dataclass(frozen=True)
class Enum(_InSchema):
    """A PostgreSQL enum type."""

    name: str
    schema: str | None
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Sequence(_InSchema):
    """A sequence that the models name."""

    name: str
    schema: str | None
    source: Call
    ddl: Texts


@dataclass(frozen=True)
class Statements:
    """A view, or what an event creates: the statements that create and drop it, by kind of server.

    early: whether it is created before the tables; object: what it is, None for statements that create no object.
    """

    name: str
    create: Mapping[str, tuple[str, ...]]
    drop: Mapping[str, tuple[str, ...]]
    early: bool = False
    object: SqlObject | None = None

    @property
    def is_type(self) -> bool:
        return self.object is not None and self.object.kind in {"DOMAIN", "TYPE"}

    @property
    def bare_name(self) -> str:
        """The name by which other statements refer to it; empty for statements that create no object."""
        return "" if self.object is None else self.object.bare_name


@dataclass(frozen=True)
class Schema:
    """The schema of one stage's models."""

    tables: Mapping[str, Table] = field(default_factory=dict)
    enums: Mapping[str, Enum] = field(default_factory=dict)
    sequences: Mapping[str, Sequence] = field(default_factory=dict)
    statements: Mapping[str, Statements] = field(default_factory=dict)
    renewed: frozenset[str] | None = field(default=None, compare=False, repr=False)
    """The keys of tables that may differ from the schema before; None where any may."""


def name_source(name: str) -> Source:
    """A name; one that SQLAlchemy would shorten on some server is marked with `op.f`."""
    return call("op.f", quoted(str(name))) if len(name) > _SHORTEST_LIMIT else quoted(str(name))


_SHORTEST_LIMIT = 63  # PostgreSQL's; MariaDB has 64


_Named = TypeVar("_Named", Column, Constraint, Index)


def equal(one: _Named, other: _Named) -> bool:
    """Whether two elements are the same on every server, even if their source differs.

    A column also depends on its table's primary key: SERIAL and AUTO_INCREMENT are in no column's source.
    """
    if one is other or (one.text == other.text and getattr(one, "counted", None) == getattr(other, "counted", None)):
        return True
    known = [name for name, text in one.ddl.items() if text is not None and other.ddl.get(name) is not None]
    same = bool(known) and all(one.ddl[name] == other.ddl[name] for name in known)
    return same and _comment(one) == _comment(other) and getattr(one, "labels", ()) == getattr(other, "labels", ())


def _comment(element: Column | Constraint | Index) -> str:
    """The comment, which is not part of the DDL on most servers."""
    return flat(dict(element.keywords).get("comment", ""))
