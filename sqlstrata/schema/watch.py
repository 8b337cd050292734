"""Which tables are others than they were: found by what they consist of, whoever changed it, and by whatever way.

A model module may do anything to tables that are there: add a column, set `nullable` or a length, take an index out of
a set, listen to an event, change the naming convention. So a table is looked at as a graph of SQLAlchemy's objects: all
their dictionaries, lists and sets are copied, and compared with the copies afterwards. Comparing is one list
comparison in C, a few microseconds a table.

A table made anew by importing its module again is compared with the old one part by part; only what is plainly the same
is taken for the same.
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
from sqlstrata.schema.events import listens
from sqlstrata.sqlalchemy_versions import COLUMN_PLACES, LISTENERS_OF_TYPES, is_view, owner_of

_PLAIN = (str, bytes, int, float, type(None))
_CONTAINERS: tuple[type, ...] = (dict, list, set, deque)
_FIXED = (tuple, frozenset, sa.util.immutabledict)
_OUTSIDE = (sa.MetaData, Mapper, registry, type, types.FunctionType, types.MethodType, types.ModuleType)
# Counts objects in the order in which they are made, all over the program; what hangs on the order has it in its place.
_NUMBERED = "_creation_order"
# What says nothing of a table when another takes its place: the number, listeners (see `heard`), and what SQLAlchemy
# keeps so as not to make it twice.
_PASSED_OVER = frozenset({_NUMBERED, "dispatch", "comparator"})
_heard = attrgetter(*EVENTS)
_PROBES = (sa.Table("probe", sa.MetaData()), sa.MetaData())


class Watch:
    """The tables of one stage after another; it keeps what the last one was."""

    def __init__(self) -> None:
        self._looks: dict[str, _Look] = {}
        self._manner: object = None
        self._compilers: dict[type, object] = {}
        self._ways: dict[type, _Way] = {}

    def changed(self, metadata: sa.MetaData) -> frozenset[str]:
        """The keys of tables that are new, gone, or differ from when this was last asked."""
        everywhere = [len(listeners) for probe in _PROBES for listeners in _heard(probe.dispatch)]
        manner = (metadata.schema, dict(metadata.naming_convention), everywhere)
        anew = manner != self._manner or any(_compilers(cls) != was for cls, was in self._compilers.items())
        self._manner = manner
        tables, looks = metadata.tables, {} if anew else self._looks
        gone = self._looks.keys() - tables.keys()
        found = set(gone)
        for key, table in tables.items():
            look = looks.get(key)
            if look is not None and look.table is table and look.is_true():
                continue
            self._looks[key] = new = _Look(table, self._ways)
            if look is None or not new.is_like(look):
                found.add(key)
            for cls in new.classes:
                self._compilers[cls] = _compilers(cls)
        for key in gone:
            del self._looks[key]
        return frozenset(found)

    def restore(self, keys: Collection[str]) -> None:
        """Take back what looking at these tables has left in them: SQLAlchemy remembers what it was asked.

        Give what was looked at with its neighbours, as making a table looks at those that its keys lead to. A view
        leads to any table, so with a view all tables are restored.
        """
        views = any(is_view(look.table) for look in self._looks.values())
        for key in self._looks if views else self._looks.keys() & keys:
            self._looks[key].restore()


def _compilers(cls: type) -> object:
    """What `sqlalchemy.ext.compiler` has put on a class; it has no public way to ask."""
    found = vars(cls).get("_compiler_dispatcher")
    return None if found is None else (found, dict(found.specs))


class _Look:
    """All that a table consists of, and copies of it."""

    __slots__ = ("classes", "copies", "heard", "live", "numbers", "table", "ways")

    def __init__(self, table: sa.Table, ways: dict[type, _Way]) -> None:
        self.table, self.ways = table, ways
        self.live: list[Any] = []
        self.copies: list[Any] = []
        self.numbers: dict[int, int] = {}
        self.classes: set[type] = set()
        self._walk([table])
        self.heard = _heard(table.dispatch)  # is exchanged when somebody starts to listen, and added to afterwards
        for each in self.heard:
            if isinstance(each.listeners, deque):
                self._add(each.listeners, each.listeners.copy())

    def is_true(self) -> bool:
        """Whether the table is as it was."""
        try:
            return self.live == self.copies and _heard(self.table.dispatch) == self.heard
        except TypeError:  # two columns have been compared, which has no truth: they are not the same one
            return False

    def restore(self) -> None:
        """Make the objects again what they were."""
        for live, copy in zip(self.live, self.copies, strict=True):
            if type(live) is dict and len(live) != len(copy):
                live.clear()
                live.update(copy)

    def is_like(self, other: _Look) -> bool:
        """Whether this table, which has taken the other's place, was made the same."""
        if len(self.copies) != len(other.copies) or listens(self.table) or listens(other.table):
            return False
        return all(map(_Likeness(self.numbers, other.numbers).of, self.copies, other.copies))

    # ---- looking

    def _walk(self, values: Iterable[Any]) -> None:
        numbers, ways = self.numbers, self.ways
        for value in values:
            walk = ways.get(type(value))
            if walk is None:
                walk = ways[type(value)] = _way(value)
            if walk is not _pass and id(value) not in numbers:
                numbers[id(value)] = len(numbers)
                walk(self, value)

    def _add(self, live: Any, copy: Any) -> None:
        self.live.append(live)
        self.copies.append(copy)


class _Likeness:
    """Compares the parts of two tables, each part of which has its number in its table."""

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
            there = two.get(key, _PASSED_OVER)
            if value is there or key in _PASSED_OVER:
                continue
            if there is _PASSED_OVER or not self._of_values(value, there):
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
        return _said(one) == _said(two)


_Way = Callable[[_Look, Any], None]


def _pass(look: _Look, value: Any) -> None:
    """Nothing in it is the table's."""


def _walk_dict(look: _Look, value: dict[Any, Any]) -> None:
    copy = dict(value)
    look._add(value, copy)
    look._walk(copy.values())


def _walk_container(look: _Look, value: Any) -> None:
    look._add(value, value.copy())
    look._walk(_ordered(value))


def _walk_fixed(look: _Look, value: Any) -> None:
    parts = value.values() if isinstance(value, dict) else _ordered(value)
    look._add(value, value)
    look._walk(parts)


def _walk_columns(look: _Look, value: Any) -> None:
    look._walk([value._collection])  # the list behind `table.columns`; a copy of it would not follow


def _walk_object(look: _Look, value: Any) -> None:
    if isinstance(value, sa.Table) and value is not look.table:
        return
    if isinstance(value, sa.Column) and value.table is not look.table:
        return
    look.classes.add(type(value))
    _walk_dict(look, vars(value))


def _way(value: Any) -> _Way:
    """How a value of this class is looked at."""
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
    """A set's members in an order that does not depend on where they lie in memory."""
    return sorted(values, key=_place) if isinstance(values, set | frozenset) else values


def _place(value: Any) -> tuple[str, int, str]:
    return type(value).__name__, getattr(value, _NUMBERED, 0), str(getattr(value, "name", value))


def _said(value: Any) -> object:
    """What something outside of the table is, as far as it can be told; else itself."""
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
            return type(value)  # a type listens for the sake of its own DDL
        case types.FunctionType() if value.__closure__ is None:
            return value.__code__, value.__module__, value.__defaults__
        case _:
            return id(value)
