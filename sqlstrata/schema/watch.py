"""Detect changed tables by comparing each table's object graph with a copy of it.

A model module may do anything to existing tables: add a column, set `nullable` or a length, remove an index, listen to
an event, change the naming convention. So the dictionaries, lists and sets that a table consists of are copied, and
compared with the copies after the next stage: one list comparison in C, a few microseconds a table.

A table that was made again, by importing its module again, is compared with the old one part by part. In doubt it
counts as changed.
"""

from __future__ import annotations

import types
from collections import deque
from collections.abc import Callable, Collection, Iterable
from operator import attrgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapper, registry
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from sqlstrata.modules.views import EVENTS
from sqlstrata.private_names import MADE_AS_NUMBER, compilers
from sqlstrata.schema.events import listens
from sqlstrata.sqlalchemy_versions import COLUMN_PLACES, LISTENERS_OF_TYPES, is_view, owner_of

_PLAIN = (str, bytes, int, float, type(None))
_CONTAINERS: tuple[type, ...] = (dict, list, set, deque)
_FIXED = (tuple, frozenset, sa.util.immutabledict)
_OUTSIDE = (sa.MetaData, Mapper, registry, type, types.FunctionType, types.MethodType, types.ModuleType)
# Attributes that are not compared when a table was made again: the number in the order of creation, which counts all
# objects of the program, listeners (see `_Copy.listeners`), and what SQLAlchemy caches.
_IGNORED = frozenset({MADE_AS_NUMBER, "dispatch", "comparator"})
_listeners = attrgetter(*EVENTS)
_PROBES = (sa.Table("probe", sa.MetaData()), sa.MetaData())


class Watch:
    """The tables of one stage after another, with copies of the last one's."""

    def __init__(self) -> None:
        self._copies: dict[str, _Copy] = {}
        self._settings: object = None
        self._compilers: dict[type, object] = {}
        self._walks: dict[type, _Walk] = {}

    def changed(self, metadata: sa.MetaData) -> frozenset[str]:
        """The keys of tables that are new, gone, or differ from the last call."""
        on_all = [len(listeners) for probe in _PROBES for listeners in _listeners(probe.dispatch)]
        settings = (metadata.schema, dict(metadata.naming_convention), on_all)
        same = settings == self._settings and all(compilers(cls) == old for cls, old in self._compilers.items())
        self._settings = settings
        known = self._copies if same else {}
        gone = self._copies.keys() - metadata.tables.keys()
        found = set(gone)
        for key, table in metadata.tables.items():
            old = known.get(key)
            if old is not None and old.table is table and old.is_unchanged():
                continue
            self._copies[key] = new = _Copy(table, self._walks)
            if old is None or not new.is_like(old):
                found.add(key)
            self._compilers |= {cls: compilers(cls) for cls in new.classes}
        for key in gone:
            del self._copies[key]
        return frozenset(found)

    def restore(self, keys: Collection[str]) -> None:
        """Remove what SQLAlchemy has cached in these tables since `changed`, so that it does not count as a change.

        Give the tables that were described and their neighbours: describing a table also uses those that its foreign
        keys refer to. A view may use any table, so with a view all tables are restored.
        """
        views = any(is_view(each.table) for each in self._copies.values())
        for key in self._copies if views else self._copies.keys() & keys:
            self._copies[key].restore()


class _Copy:
    """The containers that a table consists of, and copies of them."""

    __slots__ = ("classes", "copies", "listeners", "live", "numbers", "table", "walks")

    def __init__(self, table: sa.Table, walks: dict[type, _Walk]) -> None:
        self.table, self.walks = table, walks
        self.live: list[Any] = []
        self.copies: list[Any] = []
        self.numbers: dict[int, int] = {}
        self.classes: set[type] = set()
        self._walk([table])
        self.listeners = _listeners(table.dispatch)  # replaced by the first listener, extended by the next ones
        for each in self.listeners:
            if isinstance(each.listeners, deque):
                self._add(each.listeners, each.listeners.copy())

    def is_unchanged(self) -> bool:
        """Whether the table still equals its copy."""
        try:
            return self.live == self.copies and _listeners(self.table.dispatch) == self.listeners
        except TypeError:  # two different columns were compared, which gives SQL and no truth value
            return False

    def restore(self) -> None:
        """Set the dictionaries that have got more entries back to their copies."""
        for live, copy in zip(self.live, self.copies, strict=True):
            if type(live) is dict and len(live) != len(copy):
                live.clear()
                live.update(copy)

    def is_like(self, other: _Copy) -> bool:
        """Whether this table, which replaces the other, is the same."""
        if len(self.copies) != len(other.copies) or listens(self.table) or listens(other.table):
            return False
        return all(map(_Likeness(self.numbers, other.numbers).of, self.copies, other.copies))

    # ---- copying

    def _walk(self, values: Iterable[Any]) -> None:
        numbers, walks = self.numbers, self.walks
        for value in values:
            walk = walks.get(type(value))
            if walk is None:
                walk = walks[type(value)] = _walk_for(value)
            if walk is not _pass and id(value) not in numbers:
                numbers[id(value)] = len(numbers)
                walk(self, value)

    def _add(self, live: Any, copy: Any) -> None:
        self.live.append(live)
        self.copies.append(copy)


class _Likeness:
    """Compares the parts of two tables; each part is known by its number in its own table."""

    def __init__(self, mine: dict[int, int], theirs: dict[int, int]) -> None:
        self.mine, self.theirs = mine, theirs

    def of(self, one: Any, two: Any) -> bool:
        """Whether two containers hold the same."""
        if type(one) is not type(two) or len(one) != len(two):
            return False
        if isinstance(one, dict):
            return self._of_dicts(one, two)
        return all(map(self._of_values, _ordered(one), _ordered(two)))

    def _of_dicts(self, one: dict[Any, Any], two: dict[Any, Any]) -> bool:
        for key, value in one.items():
            there = two.get(key, _IGNORED)
            if value is there or key in _IGNORED:
                continue
            if there is _IGNORED or not self._of_values(value, there):
                return False
        return True

    def _of_values(self, one: Any, two: Any) -> bool:
        if one is two:
            return True
        if type(one) is not type(two):
            return False
        if isinstance(one, _PLAIN):
            return bool(one == two)
        if id(one) in self.mine and not isinstance(one, sa.Table | sa.Column):  # these may be another table's
            return self.mine[id(one)] == self.theirs.get(id(two))
        return _identity(one) == _identity(two)


_Walk = Callable[[_Copy, Any], None]


def _pass(copy: _Copy, value: Any) -> None:
    """Skip a value that holds nothing of the table."""


def _walk_dict(copy: _Copy, value: dict[Any, Any]) -> None:
    entries = dict(value)
    copy._add(value, entries)
    copy._walk(entries.values())


def _walk_container(copy: _Copy, value: Any) -> None:
    copy._add(value, value.copy())
    copy._walk(_ordered(value))


def _walk_fixed(copy: _Copy, value: Any) -> None:
    parts = value.values() if isinstance(value, dict) else _ordered(value)
    copy._add(value, value)
    copy._walk(parts)


def _walk_columns(copy: _Copy, value: Any) -> None:
    copy._walk([value._collection])  # the list behind `table.columns`, which changes with it


def _walk_object(copy: _Copy, value: Any) -> None:
    if isinstance(value, sa.Table) and value is not copy.table:
        return
    if isinstance(value, sa.Column) and value.table is not copy.table:
        return
    copy.classes.add(type(value))
    _walk_dict(copy, vars(value))


def _walk_for(value: Any) -> _Walk:
    """How to copy values of this class."""
    if isinstance(value, (*_PLAIN, *_OUTSIDE)):
        return _pass
    if isinstance(value, _FIXED):
        return _walk_fixed
    if isinstance(value, _CONTAINERS):
        return _walk_dict if isinstance(value, dict) else _walk_container
    if isinstance(value, (sa.ColumnCollection, ReadOnlyColumnCollection)):
        return _walk_columns
    module = type(value).__module__
    known = isinstance(value, (sa.sql.base.SchemaEventTarget, sa.sql.visitors.Visitable))
    own = module.startswith("sqlalchemy.") and not module.startswith(("sqlalchemy.orm", "sqlalchemy.event"))
    return _walk_object if hasattr(value, "__dict__") and (known or own) else _pass


def _ordered(values: Any) -> Any:
    """A set's members in an order that does not depend on their addresses."""
    return sorted(values, key=_place) if isinstance(values, set | frozenset) else values


def _place(value: Any) -> tuple[str, int, str]:
    return type(value).__name__, getattr(value, MADE_AS_NUMBER, 0), str(getattr(value, "name", value))


def _identity(value: Any) -> object:
    """What identifies an object outside of the table, when another may have replaced it; by default itself."""
    match value:
        case sa.Table():
            return value.key
        case sa.Column():
            return getattr(value.table, "key", id(value)), value.name
        case sa.MetaData():
            return type(value)
        case _ if isinstance(value, COLUMN_PLACES):
            return type(value)
        case _ if isinstance(value, LISTENERS_OF_TYPES) and isinstance(owner_of(value), sa.types.SchemaType):
            return type(value)  # for the type's own DDL
        case types.FunctionType() if value.__closure__ is None:
            return value.__code__, value.__module__, value.__defaults__
        case _:
            return id(value)
