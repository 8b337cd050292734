"""What `create_all` says besides tables: views, and the DDL of events on the metadata and its tables.

It is recorded by running create_all and drop_all against nothing (SQLAlchemy's mock connection), on every server.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine.mock import MockConnection
from sqlalchemy.sql import ddl

from sqlstrata.dialects import dialect, unmarked
from sqlstrata.errors import WrongUse
from sqlstrata.schema.ddl import UNSAYABLE
from sqlstrata.schema.values import Statements
from sqlstrata.servers import KINDS
from sqlstrata.sqlalchemy_versions import VIEW_STATEMENTS, drop_view, is_of_query, is_view, owner_of, view_of

EVENTS = ("before_create", "after_create", "before_drop", "after_drop")
_SERVERS = tuple(KINDS)
# What other rooms of the description take care of.
_KNOWN = (
    ddl.CreateTable, ddl.DropTable, ddl.CreateIndex, ddl.DropIndex, ddl.AddConstraint, ddl.DropConstraint,
    ddl.CreateSequence, ddl.DropSequence, ddl.SetTableComment, ddl.DropTableComment, ddl.SetColumnComment,
    ddl.DropColumnComment, ddl.SetConstraintComment, ddl.DropConstraintComment,
)  # fmt: skip
_TYPES = ("CREATE TYPE", "DROP TYPE")


def statements(
    metadata: sa.MetaData, before: Mapping[str, Statements], changed: Collection[str]
) -> Mapping[str, Statements]:
    """The views, each by its name, and what the events say, before the tables and after them.

    `before` are those of the stage before, `changed` the keys of tables that may be others than they were.
    Raises WrongUse for a table that is made from a query.
    """
    fresh = [metadata.tables[key] for key in sorted(changed) if key in metadata.tables]
    for table in fresh:
        if is_of_query(table):
            message = f"Table {table.fullname} is made from a query (CreateTableAs), and a history has no rows to ask."
            raise WrongUse(message, hint="Make it a table of its own, and fill it with the stage's `data`.")
    if not before and not listens(metadata) and not any(is_view(table) or listens(table) for table in fresh):
        return before
    views = filter(is_view, metadata.tables.values())
    found = {f"view {view.fullname}": _view(view) for view in views}
    if listens(metadata) or any(listens(table) for table in metadata.tables.values()):
        with unmarked(metadata):
            found |= _events(metadata)
    return found


# ------------------------------------------------------------------------------ views


def _view(view: sa.Table) -> Statements:
    made, name = view_of(view), f"view {view.fullname}"
    dropped = drop_view(view)
    create = {on: _texts([made], on) for on in _SERVERS}
    return Statements(name, create, {on: _texts([dropped], on) for on in _SERVERS})


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


def _events(metadata: sa.MetaData) -> dict[str, Statements]:
    early: dict[str, tuple[str, ...]] = {}
    late: dict[str, tuple[str, ...]] = {}
    drops: dict[str, list[str]] = {}
    for on in _SERVERS:
        first, last = _created(metadata, on)
        early[on], late[on] = tuple(first), tuple(last)
        drops[on] = _recorded(metadata, on, "drop_all")
    found = {}
    for name, create in (("events before tables", early), ("events", late)):
        if any(create.values()):
            drop = {on: _drop(create[on], drops[on], on) for on in _SERVERS}
            found[name] = Statements(name, create, drop)
    return found


def _created(metadata: sa.MetaData, on: str) -> tuple[list[str], list[str]]:
    """What the events say before the first table is made, and from then on."""
    first: list[str] = []
    last: list[str] = []
    into = first

    def hear(element: Any, *_: object, **__: object) -> None:
        nonlocal into
        if isinstance(element, ddl.CreateTable):
            into = last
        elif _is_theirs(element, on):
            into.append(_text(element, on))

    metadata.create_all(MockConnection(dialect(on), hear), checkfirst=False)
    return first, last


def _recorded(metadata: sa.MetaData, on: str, what: str) -> list[str]:
    heard: list[str] = []

    def hear(element: Any, *_: object, **__: object) -> None:
        if _is_theirs(element, on):
            heard.append(_text(element, on))

    # With keys in a circle drop_all has no order for the tables: it warns on SQLite, and stops elsewhere where they are
    # nameless. Nothing is dropped here, and what was heard by then are the events that come first.
    with suppress(sa.exc.CircularDependencyError), warnings.catch_warnings():
        warnings.simplefilter("ignore", sa.exc.SAWarning)
        getattr(metadata, what)(MockConnection(dialect(on), hear), checkfirst=False)
    return heard


def _is_theirs(element: Any, on: str) -> bool:
    return not isinstance(element, (*_KNOWN, *VIEW_STATEMENTS)) and not _text(element, on).upper().startswith(_TYPES)


# What can be taken back by its name alone, and how the name is found.
_MADE = re.compile(
    r"\bCREATE\s+(?:OR\s+REPLACE\s+)?(?:TEMP(?:ORARY)?\s+)?"
    r"(?P<kind>MATERIALIZED\s+VIEW|VIEW|FUNCTION|PROCEDURE|EXTENSION|TRIGGER(?=.*?\bON\s+(?P<table>[\w.\"`]+)))"
    r"\s+(?:IF\s+NOT\s+EXISTS\s+)?(?P<name>[\w.\"`]+)",
    re.IGNORECASE | re.DOTALL,
)


def _drop(create: tuple[str, ...], said: list[str], on: str) -> tuple[str, ...]:
    """What takes it down: what the models' own events say, else by the name."""
    if said:
        return tuple(said)
    found = [match for text in create for match in _MADE.finditer(text)]
    return tuple(_drop_by_name(match, on) for match in reversed(found)) if len(found) >= len(create) else ()


def _drop_by_name(match: re.Match[str], on: str) -> str:
    kind, name = " ".join(match["kind"].upper().split()), match["name"]
    where = f" ON {match['table']}" if kind == "TRIGGER" and on == "postgresql" else ""
    return f"DROP {kind} {name}{where}"
