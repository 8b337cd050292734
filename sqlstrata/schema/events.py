"""What `create_all` says besides tables: views, and the DDL of events on the metadata and its tables.

It is recorded by running create_all and drop_all against nothing (SQLAlchemy's mock connection), on every server.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine.mock import MockConnection
from sqlalchemy.sql import ddl

from sqlstrata.dialects import dialect, unmarked
from sqlstrata.errors import WrongUse
from sqlstrata.modules.views import EVENTS
from sqlstrata.schema.ddl import UNSAYABLE
from sqlstrata.schema.sql_objects import SqlObject, object_of
from sqlstrata.schema.values import Statements
from sqlstrata.servers import kind_of
from sqlstrata.sqlalchemy_versions import VIEW_STATEMENTS, drop_view, is_of_query, is_view, owner_of, view_of

# What SQLAlchemy says for tables and types, which other modules describe.
_KNOWN = (
    postgresql.CreateEnumType, postgresql.DropEnumType, postgresql.CreateDomainType, postgresql.DropDomainType,
    ddl.CreateTable, ddl.DropTable, ddl.CreateIndex, ddl.DropIndex, ddl.AddConstraint, ddl.DropConstraint,
    ddl.CreateSequence, ddl.DropSequence, ddl.SetTableComment, ddl.DropTableComment, ddl.SetColumnComment,
    ddl.DropColumnComment, ddl.SetConstraintComment, ddl.DropConstraintComment,
)  # fmt: skip
GROUPS = {True: "events before tables", False: "events"}
"""The names of what has none: statements of events that make no object, by whether they come before the tables."""


@dataclass(frozen=True)
class Heard:
    """A statement of an event, and whether it comes before the tables are there, or after they are gone."""

    text: str
    early: bool

    @cached_property
    def object(self) -> SqlObject | None:
        return object_of(self.text)

    @property
    def group(self) -> str:
        """The name that the statement is known by."""
        return GROUPS[self.early] if self.object is None else self.object.key


def statements(
    metadata: sa.MetaData, before: Mapping[str, Statements], changed: Collection[str], dialects: Iterable[str]
) -> Mapping[str, Statements]:
    """The views, each by its name, and what the events say, before the tables and after them.

    `before` are those of the stage before, `changed` the keys of tables that may have changed,
    `dialects` SQLAlchemy's names for the servers.
    Raises WrongUse for a table that is made from a query.
    """
    fresh = [metadata.tables[key] for key in sorted(changed) if key in metadata.tables]
    for table in fresh:
        if is_of_query(table):
            message = f"Table {table.fullname} is made from a query (CreateTableAs), and a history has no rows to ask."
            raise WrongUse(message, hint="Make it a table of its own, and fill it with the stage's `data`.")
    if not before and not listens(metadata) and not any(is_view(table) or listens(table) for table in fresh):
        return before
    kinds = tuple(dict.fromkeys(kind_of(each).name for each in dialects))
    views = filter(is_view, metadata.tables.values())
    found = {f"view {view.fullname}": _view(view, kinds) for view in views}
    if listens(metadata) or any(listens(table) for table in metadata.tables.values()):
        with unmarked(metadata):
            found |= _events(metadata, kinds)
    return found


# ------------------------------------------------------------------------------ views


def _view(view: sa.Table, kinds: tuple[str, ...]) -> Statements:
    made, name = view_of(view), f"view {view.fullname}"
    dropped = drop_view(view)
    create = {on: _texts([made], on) for on in kinds}
    drop = {on: _texts([dropped], on) for on in kinds}
    return Statements(name, create, drop, object=SqlObject("VIEW", view.name))


def _texts(elements: Iterable[Any], on: str) -> tuple[str, ...]:
    return tuple(text for text in (_text(element, on) for element in elements) if text)


def _text(element: Any, on: str) -> str:
    if isinstance(element, str):
        return element
    try:
        return str(element.compile(dialect=dialect(on))).strip()
    except UNSAYABLE:
        return ""


# ----------------------------------------------------------------------------- events


def listens(target: Any) -> bool:
    """Whether somebody listens besides the types, which listen for the sake of their own DDL."""
    return any(not _is_types(listener) for event in EVENTS for listener in getattr(target.dispatch, event))


def _is_types(listener: Any) -> bool:
    return isinstance(owner_of(listener), sa.types.TypeEngine)


def _events(metadata: sa.MetaData, kinds: tuple[str, ...]) -> dict[str, Statements]:
    """What the events make, object by object in the models' order; what has no name of its own is in two groups."""
    found: dict[str, Statements] = {}
    for on in kinds:
        creates, drops = _created(metadata, on), _dropped(metadata, on)
        _refuse_rows((*creates, *drops), on)
        for key, heard in _by_object(creates).items():
            object_, texts = heard[0].object, tuple(each.text for each in heard)
            by_name = () if object_ is None else object_.drop(on)
            said = () if object_ is not None and object_.is_view else _own_drops(key, heard[0], drops)
            dropped = tuple(dict.fromkeys(said)) or by_name
            before = found.setdefault(key, Statements(key, {}, {}, early=heard[0].early, object=object_))
            found[key] = replace(before, create={**before.create, on: texts}, drop={**before.drop, on: dropped})
    return found


def _by_object(creates: Iterable[Heard]) -> dict[str, list[Heard]]:
    found: dict[str, list[Heard]] = {}
    for heard in creates:
        found.setdefault(heard.group, []).append(heard)
    return found


def _own_drops(key: str, made: Heard, drops: Iterable[Heard]) -> list[str]:
    """What the events say to take the object down; a group without names takes what names no object of another."""
    return [each.text for each in drops if (each.group if each.object else GROUPS[made.early]) == key]


def _refuse_rows(heard: Iterable[Heard], on: str) -> None:
    for each in heard:
        if _ROWS.match(each.text):
            raise WrongUse(
                f"An event of the models changes rows on {kind_of(on).title}: {each.text!r}.",
                hint="A revision cannot take that back. Take the event out, and write it as the stage's `data`.",
            )


_ROWS = re.compile(r"\s*(?:INSERT|UPDATE|DELETE|REPLACE|MERGE|TRUNCATE|COPY|WITH\b.*?\b(?:INSERT|UPDATE|DELETE))\b",
                   re.IGNORECASE | re.DOTALL)  # fmt: skip


def _created(metadata: sa.MetaData, on: str) -> list[Heard]:
    """What the events say while everything is created; `early` is what comes before the first table."""
    found: list[Heard] = []
    early = True

    def hear(element: Any, *_: object, **__: object) -> None:
        nonlocal early
        if _is_theirs(metadata, element):
            found.append(Heard(_text(element, on), early))
        elif isinstance(element, ddl.CreateTable):
            early = False

    metadata.create_all(MockConnection(dialect(on), hear), checkfirst=False)
    return found


def _dropped(metadata: sa.MetaData, on: str) -> list[Heard]:
    """What the events say while everything is dropped; `early` is what is dropped after the last table."""
    found: list[Heard] = []
    left = sum(not is_view(table) for table in metadata.tables.values())

    def hear(element: Any, *_: object, **__: object) -> None:
        nonlocal left
        if _is_theirs(metadata, element):
            found.append(Heard(_text(element, on), left == 0))
        elif isinstance(element, ddl.DropTable):
            left -= 1

    # With keys in a circle drop_all has no order for the tables: it warns on SQLite, and stops elsewhere where they are
    # nameless. Nothing is dropped here, and what was heard by then are the events that come first.
    with suppress(sa.exc.CircularDependencyError), warnings.catch_warnings():
        warnings.simplefilter("ignore", sa.exc.SAWarning)
        metadata.drop_all(MockConnection(dialect(on), hear), checkfirst=False)
    return found


def _is_theirs(metadata: sa.MetaData, element: Any) -> bool:
    """Whether an event says it; what SQLAlchemy says by itself is of the MetaData's own tables and types."""
    if isinstance(element, VIEW_STATEMENTS):
        return False
    if not isinstance(element, _KNOWN):
        return True
    table = getattr(element.element, "table", element.element)
    return isinstance(table, sa.Table) and metadata.tables.get(table.key) is not table
