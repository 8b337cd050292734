"""The hints of a stage: renames, drops, fills, casts, data and rows. Each function reads one, or raises WrongUse."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from sqlstrata.plan.form import EXPRESSION, SCRIPT, SERVERS, checked, filled, keys
from sqlstrata.plan.values import Cast, FrozenDict, Sql

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlstrata.errors import WrongUse
    from sqlstrata.plan.document import Entry

T = TypeVar("T")

# ------------------------------------------------ names of tables and columns


class _Shape(NamedTuple):
    """How many parts a name has, what it is the name of, and how it is written."""

    parts: range
    what: str
    forms: str


_ANY = _Shape(range(1, 4), "a table or column", "table, table.column or schema.table.column")
_COLUMN = _Shape(range(2, 4), "a column", "table.column or schema.table.column")
_TABLE = _Shape(range(1, 3), "a table", "table or schema.table")
_RENAMED = _Shape(range(1, 3), "a table or column", "the new name alone, or schema.table for a table")
_RENAMED_COLUMN = _Shape(range(1, 2), "a column without its table", "the new name alone")
_COLUMN_PARTS = 3  # schema.table.column: with fewer the name may be a table's


def _fits(entry: Entry, name: str, shape: _Shape) -> None:
    parts = name.split(".")
    if len(parts) not in shape.parts or not all(part.strip() for part in parts):
        raise entry.wrong(f"`{name}` is not the name of {shape.what}.", f"Write {shape.forms}.")


def each(stage: Entry, hint: str, read: Callable[[Entry], T]) -> FrozenDict[str, T]:
    """Read a hint that is a mapping, entry by entry."""
    return FrozenDict({entry.name: read(entry) for entry in stage.inside(hint)})


def rename(entry: Entry) -> str:
    """Give the new name. Only the models show whether the old one, `a.b`, is a table in a schema or a column."""
    old, new = entry.name, checked(entry, str)
    _fits(entry, old, _ANY)
    parts = old.split(".")
    column = len(parts) == _COLUMN_PARTS
    _fits(entry, filled(entry), _RENAMED_COLUMN if column else _RENAMED)
    if new == (parts[-1] if column else old):
        raise entry.wrong(f"`{old}` is renamed to itself.", "Remove it, or write its new name.")
    return new


def drop(stage: Entry) -> tuple[str, ...]:
    """Read all of `drop`."""
    names: list[str] = []
    for entry in stage.inside("drop"):
        _fits(entry, filled(entry), _ANY)
        if entry.text in names:
            raise entry.wrong(f"`{entry.text}` is in `drop` twice.", "Remove one of the two.")
        names.append(entry.text)
    return tuple(names)


def rows(entry: Entry) -> tuple[Mapping[str, object], ...]:
    """Give a table's rows."""
    _fits(entry, entry.name, _TABLE)
    checked(entry, tuple[dict[str, object], ...])
    return entry.data  # type: ignore[return-value]  # it was just checked


# ------------------------------------------------ SQL


def fill(entry: Entry) -> Sql:
    """Give the SQL that fills a column."""
    _fits(entry, entry.name, _COLUMN)
    return _sql(entry, EXPRESSION)


def cast(entry: Entry) -> Cast:
    """Give the SQL that casts a column, up and down; SQL without a direction is for the upgrade."""
    _fits(entry, entry.name, _COLUMN)
    return Cast(**_both(entry, ("up", "down"), EXPRESSION))


def data(entry: Entry) -> tuple[Sql, Sql]:
    """Give the SQL for upgrade and downgrade; SQL without a direction is for the upgrade."""
    ways = _both(entry, ("upgrade", "downgrade"), SCRIPT)
    return ways.get("upgrade", Sql()), ways.get("downgrade", Sql())


def _both(entry: Entry, ways: tuple[str, str], form: type[object]) -> dict[str, Sql]:
    if not isinstance(entry.data, FrozenDict) or all(name in (*SERVERS, "mariadb") for name in entry.data):
        return {ways[0]: _sql(entry, form)}
    known = ways if any(way in entry.data for way in ways) else (*ways, *SERVERS)
    return {way: _sql(entry[way], form) for way in keys(entry, known)}


def _sql(entry: Entry, form: type[object]) -> Sql:
    """Read SQL, the same for every server or each server's own."""
    if not isinstance(entry.data, FrozenDict):
        checked(entry, form)
        return Sql(default=_texts(entry))
    if "mariadb" in entry.data:
        raise entry["mariadb"].wrong("`mariadb` is not a key here.", "Write `mysql`: MariaDB reads it too.")
    if not keys(entry, SERVERS):
        raise _empty(entry)
    checked(entry, form)
    return Sql(**{server: _texts(entry[server]) for server in entry.data})


# MariaDB's BEGIN NOT ATOMIC begins a block of statements.
_OF_TRANSACTIONS = re.compile(
    r"\s*(BEGIN(?!\s+NOT\s+ATOMIC)|START\s+TRANSACTION|COMMIT|END|ROLLBACK|SAVEPOINT|RELEASE)\b", re.IGNORECASE
)


def _texts(entry: Entry) -> tuple[str, ...]:
    if not isinstance(entry.data, tuple):
        return (_text(entry),)
    if not entry.data:
        raise _empty(entry)
    return tuple(_text(entry[index]) for index in range(len(entry.data)))


def _text(entry: Entry) -> str:
    text = filled(entry)
    if found := _OF_TRANSACTIONS.match(text):
        message = f"{entry} has {found[1].upper()}, but a stage cannot begin or end the transaction."
        raise entry.wrong(message, "Remove it: a stage is applied as a whole or not at all.")
    return text


def _empty(entry: Entry) -> WrongUse:
    return entry.wrong(f"{entry} is empty.", "Write the SQL, or remove the key.")
