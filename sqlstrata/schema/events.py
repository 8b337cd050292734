"""Views, and the DDL of events on the MetaData and its tables, object by object.

They are recorded by running create_all and drop_all on SQLAlchemy's mock connection, for each kind of server. A
statement belongs to the object that it creates or drops (see `sql_objects`); statements that name none form two groups.
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
from sqlstrata.schema.values import Statements
from sqlstrata.servers import kind_of
from sqlstrata.sql_objects import GROUPS, SqlObject, key_of, object_of
from sqlstrata.sqlalchemy_versions import VIEW_STATEMENTS, drop_view, is_of_query, is_view, owner_of, view_of

# What SQLAlchemy itself executes for tables and types, which other modules describe.
_OF_SQLALCHEMY = (
    postgresql.CreateEnumType, postgresql.DropEnumType, postgresql.CreateDomainType, postgresql.DropDomainType,
    ddl.CreateTable, ddl.DropTable, ddl.CreateIndex, ddl.DropIndex, ddl.AddConstraint, ddl.DropConstraint,
    ddl.CreateSequence, ddl.DropSequence, ddl.SetTableComment, ddl.DropTableComment, ddl.SetColumnComment,
    ddl.DropColumnComment, ddl.SetConstraintComment, ddl.DropConstraintComment,
)  # fmt: skip


@dataclass(frozen=True)
class Recorded:
    """A statement of an event; early, if it comes before the first table is created or after the last is dropped."""

    text: str
    early: bool

    @cached_property
    def object(self) -> SqlObject | None:
        return object_of(self.text)

    @property
    def group(self) -> str:
        """The name of its object or group."""
        return key_of(self.text, early=self.early)


def statements(
    metadata: sa.MetaData, before: Mapping[str, Statements], changed: Collection[str], dialects: Iterable[str]
) -> Mapping[str, Statements]:
    """The views and the objects of events, each by its name.

    `before` are those of the stage before, `changed` the keys of tables that may have changed, `dialects` SQLAlchemy's
    names for the servers. Raises WrongUse for a table that is made from a query, and for an event that changes rows.
    """
    fresh = [metadata.tables[key] for key in sorted(changed) if key in metadata.tables]
    for table in fresh:
        if is_of_query(table):
            message = f"Table {table.fullname} is made from a query (CreateTableAs), which a revision cannot do."
            raise WrongUse(message, hint="Declare its columns, and fill it with the stage's `data`.")
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
    create, drop = (
        {on: tuple(filter(None, [_text(element, on)])) for on in kinds} for element in (view_of(view), drop_view(view))
    )
    return Statements(f"view {view.fullname}", create, drop, object=SqlObject("VIEW", view.name))


def _text(element: Any, on: str) -> str:
    if isinstance(element, str):
        return element
    try:
        return str(element.compile(dialect=dialect(on))).strip()
    except UNSAYABLE:
        return ""


# ----------------------------------------------------------------------------- events


def listens(target: Any) -> bool:
    """Whether anything but types, which listen for their own DDL, listens to DDL events."""
    listeners = (each for event in EVENTS for each in getattr(target.dispatch, event))
    return any(not isinstance(owner_of(each), sa.types.TypeEngine) for each in listeners)


def _events(metadata: sa.MetaData, kinds: tuple[str, ...]) -> dict[str, Statements]:
    """The objects that events create, in the models' order, and the two groups of other statements.

    An object that only some servers have keeps its place in their order; on the others it has no statements.
    """
    found: dict[str, Statements] = {}
    order: list[str] = []
    for on in kinds:
        place = 0
        creates, drops = _created(metadata, on), _dropped(metadata, on)
        _refuse_rows((*creates, *drops), on)
        groups: dict[str, list[Recorded]] = {}
        for each in creates:
            groups.setdefault(each.group, []).append(each)
        for key, recorded in groups.items():
            object_, texts = recorded[0].object, tuple(each.text for each in recorded)
            by_name = () if object_ is None else object_.drop(on)
            own = () if object_ is not None and object_.is_view else _own_drops(key, recorded[0], drops)
            dropped = tuple(dict.fromkeys(own)) or by_name
            if key not in found:
                none: dict[str, tuple[str, ...]] = dict.fromkeys(kinds, ())
                found[key] = Statements(key, none, none, early=recorded[0].early, object=object_)
                order.insert(place, key)
            place = max(place, order.index(key) + 1)
            before = found[key]
            found[key] = replace(before, create={**before.create, on: texts}, drop={**before.drop, on: dropped})
    return {key: found[key] for key in order}


def _own_drops(key: str, made: Recorded, drops: Iterable[Recorded]) -> list[str]:
    """The events' statements that drop the object; a group has those that name no object."""
    return [each.text for each in drops if (each.group if each.object else GROUPS[made.early]) == key]


def _refuse_rows(recorded: Iterable[Recorded], on: str) -> None:
    for each in recorded:
        if _ROWS.match(each.text):
            raise WrongUse(
                f"An event of the models changes rows on {kind_of(on).title}: {each.text!r}.",
                hint="A revision cannot undo that. Remove the event, and write it as the stage's `data`.",
            )


_ROWS = re.compile(r"\s*(?:INSERT|UPDATE|DELETE|REPLACE|MERGE|TRUNCATE|COPY|WITH\b.*?\b(?:INSERT|UPDATE|DELETE))\b",
                   re.IGNORECASE | re.DOTALL)  # fmt: skip


def _created(metadata: sa.MetaData, on: str) -> list[Recorded]:
    """The statements of events in create_all."""
    found: list[Recorded] = []
    early = True

    def record(element: Any, *_: object, **__: object) -> None:
        nonlocal early
        if _is_of_event(metadata, element):
            found.append(Recorded(_text(element, on), early))
        elif isinstance(element, ddl.CreateTable):
            early = False

    metadata.create_all(MockConnection(dialect(on), record), checkfirst=False)
    return found


def _dropped(metadata: sa.MetaData, on: str) -> list[Recorded]:
    """The statements of events in drop_all."""
    found: list[Recorded] = []
    left = sum(not is_view(table) for table in metadata.tables.values())

    def record(element: Any, *_: object, **__: object) -> None:
        nonlocal left
        if _is_of_event(metadata, element):
            found.append(Recorded(_text(element, on), left == 0))
        elif isinstance(element, ddl.DropTable):
            left -= 1

    # With circular foreign keys drop_all has no order for the tables: it warns on SQLite, and raises elsewhere if the
    # keys have no names. Nothing is dropped here, and the events that come before the tables are recorded by then.
    with suppress(sa.exc.CircularDependencyError), warnings.catch_warnings():
        warnings.simplefilter("ignore", sa.exc.SAWarning)
        metadata.drop_all(MockConnection(dialect(on), record), checkfirst=False)
    return found


def _is_of_event(metadata: sa.MetaData, element: Any) -> bool:
    """Whether the statement is an event's; SQLAlchemy's own are about the MetaData's tables and types."""
    if isinstance(element, VIEW_STATEMENTS):
        return False
    if not isinstance(element, _OF_SQLALCHEMY):
        return True
    table = getattr(element.element, "table", element.element)
    return isinstance(table, sa.Table) and metadata.tables.get(table.key) is not table
