"""Views, and the DDL of events, recorded by running create_all and drop_all without a database."""

from __future__ import annotations

import importlib
from typing import Any, Dict, Iterable, Iterator, List, Tuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql import ddl

from .tables import is_view
from .text import FAILURES, CannotExport, Dialects, call, quoted

_EVENTS = ("before_create", "after_create", "before_drop", "after_drop")
_OF_SQLALCHEMY = tuple(
    getattr(module, name)
    for module in (ddl, postgresql)
    for name in """
        CreateTable DropTable CreateIndex DropIndex AddConstraint DropConstraint CreateSequence DropSequence
        SetTableComment DropTableComment SetColumnComment DropColumnComment SetConstraintComment DropConstraintComment
        CreateView DropView CreateEnumType DropEnumType CreateDomainType DropDomainType
        """.split()
    if hasattr(module, name)
)
"""What SQLAlchemy itself executes."""
Recorded = Dict[Tuple[str, str], List[str]]
"""The servers' dialects that a statement of an event is for, by the event and the text."""


def statements(metadatas: Iterable[Any], dialects: Dialects) -> Iterator[str]:
    """The statements that listen to events, first those that create. Raises CannotExport."""
    recorded: Recorded = {}
    for metadata in metadatas:
        for table in filter(is_view, metadata.tables.values()):
            _view(table, dialects, recorded)
        if _listens(metadata) or any(_listens(table) for table in metadata.tables.values()):
            for name in dialects:
                _record(metadata, name, dialects[name], recorded)
    creating = [each for each in recorded if each[0].endswith("create")]
    for event, text in (*creating, *reversed([each for each in recorded if each not in creating])):
        yield _listening(event, text, recorded[event, text], dialects)


def _listening(event: str, text: str, names: List[str], dialects: Dialects) -> str:
    made = call("sa.DDL", [quoted(text.replace("%", "%%"))])
    if len(names) < len(dialects.by_name):
        made += ".execute_if(dialect=(%s,))" % ", ".join(map(quoted, names))
    return call("sa.event.listen", ["metadata", quoted(event), made])


def _listens(target: Any) -> bool:
    """Whether anything but types listens to DDL events."""
    for event in _EVENTS:
        for listener in getattr(target.dispatch, event):
            function = getattr(listener, "func", listener)
            owner = getattr(function, "target", getattr(function, "__self__", None))
            if not isinstance(owner, (sa.types.TypeEngine, sa.types.SchemaType)):
                return True
    return False


def _view(view: Any, dialects: Dialects, recorded: Recorded) -> None:
    creating = view._creator_ddl  # no public name; 2.1 only
    dropping = ddl.DropView(view, materialized=bool(getattr(creating, "materialized", False)))
    for event, element in (("after_create", creating), ("before_drop", dropping)):
        for name in dialects:
            text = _text(element, dialects[name])
            if text:
                recorded.setdefault((event, text), []).append(name)


def _record(metadata: Any, name: str, dialect: Any, recorded: Recorded) -> None:
    left = sum(not is_view(table) for table in metadata.tables.values())
    early, event = True, "create"

    def execute(element: Any, *_: Any, **__: Any) -> None:
        nonlocal early, left
        if isinstance(element, _OF_SQLALCHEMY):
            early = early and not isinstance(element, ddl.CreateTable)
            left -= isinstance(element, ddl.DropTable)
            return
        names = {"create": ("after_create", "before_create"), "drop": ("before_drop", "after_drop")}[event]
        key = names[early if event == "create" else left == 0], _text(element, dialect)
        if name not in recorded.setdefault(key, []):
            recorded[key].append(name)

    connection = _mock(dialect, execute)
    try:
        metadata.create_all(connection, checkfirst=False)
        event = "drop"
        metadata.drop_all(connection, checkfirst=False)
    except sa.exc.CircularDependencyError:
        pass  # drop_all has no order for the tables; what comes before them was recorded
    except Exception as error:
        raise CannotExport("a DDL event fails without a database: %s: %s" % (type(error).__name__, error)) from error


def _mock(dialect: Any, execute: Any) -> Any:
    try:
        from sqlalchemy.engine import mock as found  # noqa: PLC0415 - 1.3 has it elsewhere
    except ImportError:
        found = importlib.import_module("sqlalchemy.engine.strategies").MockEngineStrategy
    return found.MockConnection(dialect, execute)


def _text(element: Any, dialect: Any) -> str:
    if isinstance(element, str):
        return element.strip()
    try:
        return str(element.compile(dialect=dialect)).strip()
    except FAILURES:
        return ""
