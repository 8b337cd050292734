"""Which values the generated rows of one table try: its columns with their values, its keys, its rules."""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import Any
from zlib import crc32

import sqlalchemy as sa

from sqlstrata.proof.values import borders, named, plain
from sqlstrata.schema.types import stored_as

Row = dict[str, Any]
_MOST_TRIED = 150
"""Combinations of values that are tried for the CHECKs that name the same columns."""
_PLAIN = 2
"""How many of a column's first values are plain ones."""


@dataclass(frozen=True)
class ForeignKey:
    """A foreign key: its columns, and the key and columns of the table that it points to."""

    columns: tuple[str, ...]
    target: str
    target_columns: tuple[str, ...]
    nullable: bool


@dataclass(frozen=True)
class Candidates:
    """A table, and by the keys of its columns the values to try, NULL as one of them.

    keys: its foreign keys, whose columns get values of other rows; uniques: columns that must differ from row to row;
    rules: conditions of CHECKs, each with its columns; bound: columns that these and computed columns name; more: for
    each unique column, values that all differ.
    """

    table: sa.Table
    values: Mapping[str, Sequence[object]]
    keys: tuple[ForeignKey, ...]
    uniques: tuple[tuple[str, ...], ...]
    rules: tuple[tuple[frozenset[str], str], ...]
    bound: frozenset[str]
    more: Mapping[str, Sequence[object]]

    @property
    def count(self) -> int:
        """The number of rows in which every value is there once."""
        return max(map(len, self.values.values()), default=0)

    def row(self, number: int, attempt: int, *, plainly: bool) -> Row:
        """The values of a row but those of its foreign keys; other ones in each attempt, first where a rule is."""
        found: Row = {}
        for name, values in self.values.items():
            seed = crc32(f"{self.table.key}.{name}".encode())
            place = number + seed
            if attempt and name in self.bound:
                place = crc32(f"{seed} {number} {attempt}".encode())
            elif plainly or attempt > (_TRIES_OF_BOUND if self.bound else 0):
                values = [each for each in values if not is_null(each)][:_PLAIN] or values  # noqa: PLW2901
            found[name] = values[place % len(values)]
        return found


_TRIES_OF_BOUND = 12
"""Attempts in which only the values of bound columns are others; after them the rest of the row is plain."""


def candidates(table: sa.Table, dialect: sa.Dialect) -> Candidates:
    """Describe a table for a server."""
    keys = tuple(_foreign_keys(table))
    pointing = {name for key in keys for name in key.columns}
    constraints = (*table.constraints, *(each for column in table.columns for each in column.constraints))
    checks = [each.sqltext for each in constraints if isinstance(each, sa.CheckConstraint)]
    computed = [column.computed.sqltext for column in table.columns if column.computed is not None]
    rules = tuple((_named(table, text), text) for text in (_text(each, dialect) for each in checks))
    others = [_named(table, _text(each, dialect)) for each in computed]
    bound = frozenset(name for names in (*(names for names, _ in rules), *others) for name in names)
    uniques = tuple(_uniques(table))
    unique = {name for names in uniques for name in names}
    values: dict[str, Sequence[object]] = {}
    more: dict[str, Sequence[object]] = {}
    for column in table.columns:
        if column.key in pointing or not _is_given(column, dialect):
            continue
        texts = [text for names, text in rules if column.key in names]
        near = [each for text in texts for each in named(text, column.type, dialect.name)]
        found = [*_accepted(column, dialect, [*borders(column.type, dialect.name), *near])]
        if column.nullable:
            found.insert(_PLAIN, _null(column))
        if found:
            values[column.key] = found
        if found and column.key in unique:
            more[column.key] = list(_accepted(column, dialect, islice(plain(column.type, dialect.name), 200)))
    return Candidates(table, values, keys, uniques, rules, bound, more)


def _is_given(column: sa.Column[Any], dialect: sa.Dialect) -> bool:
    """Whether a row has to give the column a value: the server does not compute or count it."""
    if column.computed is not None or column.system:
        return False
    if column.identity is not None and dialect.supports_identity_columns:
        return False
    if isinstance(column.default, sa.Sequence) and dialect.supports_sequences:
        return False
    if column is not column.table.autoincrement_column:
        return True
    if dialect.name != "sqlite":
        return False
    return str(column.type.compile(dialect=dialect)) != "INTEGER" or not column.table.kwargs.get(
        "sqlite_with_rowid", True
    )


def _accepted(column: sa.Column[Any], dialect: sa.Dialect, values: Iterable[object]) -> Iterator[object]:
    """The values that the column's type, perhaps one of the project's own, can turn into what fits the column."""
    process = column.type.dialect_impl(dialect).bind_processor(dialect)
    longest = getattr(stored_as(column.type, dialect.name), "length", None)
    for value in values:
        try:
            sent = value if process is None else process(value)
        except Exception:  # noqa: BLE001, S112 - a type of the project's may raise anything
            continue
        fits = not (isinstance(sent, str | bytes) and isinstance(longest, int) and len(sent) > longest)
        if value is not None and fits:
            yield value


def _null(column: sa.Column[Any]) -> object:
    """What a row says for NULL: of JSON itself, None is another value."""
    return sa.null() if isinstance(column.type, sa.JSON) else None


def _text(condition: sa.ColumnElement[Any], dialect: sa.Dialect) -> str:
    try:
        return str(condition.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    except sa.exc.CompileError:
        return str(condition)


def _named(table: sa.Table, text: str) -> frozenset[str]:
    """The columns that a condition names."""
    words = set(re.findall(r"\w+", text.lower()))
    return frozenset(column.key for column in table.columns if column.name.lower() in words)


def satisfying(connection: sa.Connection, made: Candidates) -> list[list[Row]]:
    """For each set of columns that CHECKs tie together, the values that meet these CHECKs, as the server sees it."""
    groups: list[tuple[frozenset[str], list[str]]] = []
    for names, text in made.rules:
        touching = [group for group in groups if group[0] & names]
        groups = [group for group in groups if group not in touching]
        groups.append(
            (names.union(*(each for each, _ in touching)), [text, *(t for _, texts in touching for t in texts)])
        )
    found = []
    for names, texts in groups:
        if names <= made.values.keys():
            found.append(_satisfying(connection, made, sorted(names), texts))
    return [rows for rows in found if rows]


def _satisfying(connection: sa.Connection, made: Candidates, names: Sequence[str], texts: Sequence[str]) -> list[Row]:
    """One query for all combinations; none where the server cannot say."""
    rows = [dict(zip(names, values, strict=True)) for values in _combinations([made.values[name] for name in names])]
    cast = connection.dialect.name == "postgresql"
    selects = []
    for number, row in enumerate(rows):
        values = [(made.table.c[name], sa.literal(value, made.table.c[name].type)) for name, value in row.items()]
        cells = [(sa.cast(value, column.type) if cast else value).label(column.name) for column, value in values]
        selects.append(sa.select(sa.literal(number).label("strata_row"), *cells))
    source = sa.union_all(*selects).subquery(made.table.name)
    conditions: list[sa.ColumnElement[bool]] = [sa.literal_column(f"coalesce(({text}), 1 = 1)") for text in texts]
    try:
        with warnings.catch_warnings(), connection.begin_nested():
            warnings.simplefilter("ignore")
            fitting = set(connection.execute(sa.select(source.c.strata_row).where(*conditions)).scalars())
    except sa.exc.SQLAlchemyError:
        return []
    return [row for number, row in enumerate(rows) if number in fitting]


def _combinations(values: Sequence[Sequence[object]]) -> Iterator[Sequence[object]]:
    """All of them, or as many as are tried."""
    number = 1
    for each in values:
        number *= len(each)
    if number <= _MOST_TRIED:
        yield from product(*values)
        return
    for attempt in range(_MOST_TRIED):
        yield [each[crc32(f"{attempt} {place}".encode()) % len(each)] for place, each in enumerate(values)]


def _foreign_keys(table: sa.Table) -> Iterator[ForeignKey]:
    for key in sorted(table.foreign_key_constraints, key=lambda each: list(each.column_keys)):
        pairs = [(each.parent.key, each.target_fullname.rpartition(".")) for each in key.elements]
        columns = tuple(name for name, _ in pairs)
        nullable = any(each.parent.nullable for each in key.elements)
        yield ForeignKey(columns, pairs[0][1][0], tuple(target for _, (_, _, target) in pairs), nullable)


def _uniques(table: sa.Table) -> Iterator[tuple[str, ...]]:
    for each in (*table.constraints, *(index for index in table.indexes if index.unique)):
        if isinstance(each, sa.PrimaryKeyConstraint | sa.UniqueConstraint | sa.Index):
            names = tuple(column.key for column in each.columns)
            if names:
                yield names


def is_null(value: object) -> bool:
    """Whether a row's value is SQL's NULL."""
    return value is None or value is sa.null()


def as_key(value: object) -> object:
    """A value as a unique key of any server compares it: case, accents and trailing blanks may not count."""
    if isinstance(value, str):
        text = unicodedata.normalize("NFKD", value).casefold().rstrip()
        return "".join(each for each in text if not unicodedata.combining(each))
    return value if isinstance(value, int | float) else repr(value)
