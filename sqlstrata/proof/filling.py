"""Filling tables with generated rows, made from the models alone and the same in every run.

1. A table gets at least ROWS rows, and so many that each border of each of its columns is in one of them.
2. Tables that its foreign keys point to come before it, and the keys get values of rows that are there; NULL now and
   then where they may be NULL. Of tables that point at each other, and of one that points at itself, the first half of
   the rows come without these keys where that is possible.
3. The rows go in at once, in a savepoint. Where the server refuses them, they do by halves; a single one with other
   values, first of the columns that a CHECK names. A row that fits with none is left out.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from sqlstrata.proof.candidates import Candidates, ForeignKey, Row, as_key, candidates, is_null, satisfying

ROWS = 12
MOST = 40
"""Rows of a table with an enum of many labels."""
_ATTEMPTS, _FIRST_ATTEMPTS = 24, 150
"""Attempts for a row, and for the first one, after which the table counts as one that cannot be filled."""
_EMPTY_KEY = 6
"""Each sixth row has no value in a foreign key that may be NULL."""

Answer = Callable[[sa.exc.SQLAlchemyError], None]
"""Raises where an error means that the server cannot work at all."""


@dataclass
class Filling:
    """One filling of tables on a connection: `tables` are the models' by key; `reasons` why a table stayed short.

    `known`, what earlier fillings have found out about each table's rows, saves attempts.
    """

    connection: sa.Connection
    tables: Mapping[str, sa.Table]
    answer: Answer
    plainly: bool = False
    known: dict[str, dict[int, int]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def fill(self, keys: Iterable[str], present: Collection[str]) -> frozenset[str]:
        """Fill these tables, and those that they point to where they are not `present`; give the keys of all."""
        later: list[_Rows] = []
        for key in sorted(keys):
            self._fill(key, present, [], later)
        for rows in later:
            rows.insert(rows.first if self.counts[rows.key] else 0, rows.wanted)
        for key in self.counts:
            if self.counts[key] >= ROWS:
                self.reasons.pop(key, None)
        return frozenset(self.counts)

    def _fill(self, key: str, present: Collection[str], open_: list[str], later: list[_Rows]) -> None:
        table = self.tables.get(key)
        if table is None or key in self.counts:
            return
        self.counts[key] = 0
        made = candidates(table, self.connection.dialect)
        for each in made.keys:
            if each.target not in present:
                self._fill(each.target, present, [*open_, key], later)
        rows = _Rows(self, made)
        if any(each.target in open_ for each in made.keys):
            rows.insert(0, rows.first)
            later.append(rows)
            return
        if any(each.target == key for each in made.keys):
            rows.insert(0, rows.first)
        rows.insert(rows.first if self.counts[key] else 0, rows.wanted)


class _Rows:
    """The rows of one table while it is filled."""

    def __init__(self, filling: Filling, made: Candidates) -> None:
        self.filling, self.candidates = filling, made
        self.wanted = 4 if filling.plainly else min(MOST, max(ROWS, made.count + 2))  # some values come twice
        self.first = (self.wanted + 1) // 2
        self.choices = satisfying(filling.connection, made) if made.rules else []
        """For columns that CHECKs name, what they may hold together."""
        self.good: list[Row] = []
        """What columns with rules hold in the rows that the server took."""
        self.parents: dict[ForeignKey, list[Sequence[object]]] = {}
        self.seen: dict[tuple[str, ...], set[object]] = {}
        self.known = filling.known.setdefault(self.key, {})
        """The attempt in which the server took a row, where that was not the first one."""
        self.hopeless = False
        """Whether no values at all fit."""

    def insert(self, start: int, end: int) -> None:
        """Insert the rows with these numbers."""
        self.parents = {key: self._values(key.target, key.target_columns) for key in self.candidates.keys}
        self._remember()
        self._insert(start, end)

    def _insert(self, start: int, end: int) -> None:
        """Insert them at once, or by halves, or the only one with other values."""
        if self.hopeless:
            return
        seen = {names: set(found) for names, found in self.seen.items()}
        rows = list(self._rows(start, end))
        if rows and self._refused(rows) is None:
            self.filling.counts[self.key] += len(rows)
            return
        self.seen = seen
        if end - start == 1:
            self._insert_one(start)
        elif start < end:
            middle = (start + end) // 2
            self._insert(start, middle)
            self._insert(middle, end)

    def _rows(self, start: int, end: int) -> Iterator[Row]:
        """Those of these rows that have values, which count as taken."""
        for number in range(start, end):
            row = self._row(number, self.known.get(number, 0))
            if row is not None:
                self._note(row)
                yield row

    @property
    def key(self) -> str:
        return self.candidates.table.key

    def _insert_one(self, number: int) -> None:
        none_yet = not self.filling.counts[self.key]
        tried = self.known.get(number, 0)
        for attempt in range(_FIRST_ATTEMPTS if none_yet else _ATTEMPTS):
            row = None if attempt == tried else self._row(number, attempt)
            if row is not None and self._taken(row):
                self.known[number] = attempt
                return
        self.hopeless = none_yet and number == 0

    def _taken(self, row: Row) -> bool:
        reason = self._refused([row])
        if reason is not None:
            self.filling.reasons[self.key] = reason
            return False
        self.filling.counts[self.key] += 1
        self._note(row)
        if self.candidates.bound:
            self.good.append({name: row[name] for name in self.candidates.bound if name in row})
        return True

    def _refused(self, rows: list[Row]) -> str | None:
        """Insert rows in a savepoint; give the reason where the server or a type refuses."""
        connection = self.filling.connection
        try:
            with warnings.catch_warnings(), connection.begin_nested():
                warnings.simplefilter("ignore")
                connection.execute(self._insertion(len(rows)), rows)
        except sa.exc.SQLAlchemyError as error:
            self.filling.answer(error)
            return self._reason(error)
        return None

    def _reason(self, error: sa.exc.SQLAlchemyError) -> str:
        """The server's message, the same in every run: without the name of the scratch database."""
        arguments = error.orig.args if isinstance(error, sa.exc.DBAPIError) and error.orig else error.args
        lines = str(arguments[-1] if arguments else error).splitlines() or [""]
        return lines[0].replace(f"`{self.filling.connection.engine.url.database}`.", "").rstrip(".")

    def _insertion(self, number: int) -> sa.Insert:
        """The statement; RETURNING makes one of many rows in PostgreSQL, whose driver logs a pipeline that fails."""
        made = self.candidates.table.insert().inline()
        if number > 1 and self.filling.connection.dialect.name == "postgresql":
            return made.returning(sa.literal_column("1"))
        return made

    # ---- one row

    def _row(self, number: int, attempt: int) -> Row | None:
        """The row with this number in this attempt; None where its keys have no value that is free."""
        row = self.candidates.row(number, attempt, plainly=self.filling.plainly)
        for choice in self.choices:
            row |= choice[(number + attempt) % len(choice)]
        if attempt and attempt <= len(self.good):
            row |= self.good[(number + attempt) % len(self.good)]
        span = 1
        for key in self.candidates.keys:
            parents = self.parents[key]
            if not self._point(row, key, parents, number + attempt + (number // span if span > 1 else 0)):
                return None
            span *= max(1, len(parents))
        if not all(self._make_unique(row, names) for names in self.candidates.uniques):
            return None
        return row

    def _point(self, row: Row, key: ForeignKey, parents: list[Sequence[object]], place: int) -> bool:
        """Give the columns of a foreign key their values."""
        fits = [
            each
            for each in parents
            if all(row.get(name, value) == value for name, value in zip(key.columns, each, strict=True))
        ]
        if fits and not (key.nullable and place % _EMPTY_KEY == _EMPTY_KEY - 1):
            row |= zip(key.columns, fits[place % len(fits)], strict=True)
            return True
        columns = [self.candidates.table.c[name] for name in key.columns]
        if key.nullable:
            for column in columns:
                if column.nullable:
                    row[column.key] = None
            return all(column.key in row for column in columns)
        if key.target != self.key:
            return False
        for name, target in zip(key.columns, key.target_columns, strict=True):  # it points at itself
            row[name] = row.setdefault(target, 1000 + place)
        return True

    def _make_unique(self, row: Row, names: tuple[str, ...]) -> bool:
        """Change a value where the row's are there already in these columns. False where nothing is free."""
        if self._is_free(row, names):
            return True
        for choice in self.choices:
            for values in choice if choice[0].keys() & set(names) else ():
                if self._is_free(row | values, names):
                    row |= values
                    return True
        for name in reversed([each for each in names if each in self.candidates.values]):
            before = row[name]
            for value in itertools.chain(self.candidates.more[name], self.candidates.values[name]):
                row[name] = value
                if self._is_free(row, names):
                    return True
            row[name] = before
        return False

    def _is_free(self, row: Row, names: tuple[str, ...]) -> bool:
        return self._of(row, names) not in self.seen[names]

    def _of(self, row: Row, names: Iterable[str]) -> object:
        """The values of a row as a unique key has them; those that cannot collide are all different."""
        values = [row.get(name) for name in names]
        return object() if any(map(is_null, values)) else tuple(map(as_key, values))

    def _note(self, row: Row) -> None:
        for names, found in self.seen.items():
            found.add(self._of(row, names))

    # ---- what is there

    def _remember(self) -> None:
        """Read which values of unique columns are taken."""
        self.seen = {names: set() for names in self.candidates.uniques}
        for names, found in self.seen.items():
            if any(name in self.candidates.values or self._points(name) for name in names):
                found.update(tuple(map(as_key, values)) for values in self._values(self.key, names))

    def _points(self, name: str) -> bool:
        return any(name in key.columns for key in self.candidates.keys)

    def _values(self, key: str, names: Sequence[str]) -> list[Sequence[object]]:
        """What the rows of a table have in these columns, as the models' types give it, in a fixed order."""
        table = self.filling.tables.get(key)
        if table is None:
            return []
        columns = [each for name in names for each in table.columns if name in (each.key, each.name)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = self.filling.connection.execute(sa.select(*columns).distinct()).all()
        whole = [tuple(row) for row in found if not any(value is None for value in row)]
        return sorted(whole, key=repr)
