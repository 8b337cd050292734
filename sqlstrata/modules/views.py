"""Keeping views valid after the mapped classes in their SELECT are gone."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.util import find_tables

from sqlstrata.dialects import NAMES, dialect
from sqlstrata.sqlalchemy_versions import is_view, view_of

EVENTS = ("before_create", "after_create", "before_drop", "after_drop")
"""The events of a MetaData or a table that DDL can listen to."""


def keep(metadata: sa.MetaData) -> None:
    """Compile the SELECTs of a MetaData's views, and of its events' DDL, now: while their classes are mapped."""
    for target in (metadata, *metadata.tables.values()):
        _keep_events(target.dispatch)
    for view in filter(is_view, metadata.tables.values()):
        made = view_of(view)
        for table in find_tables(made.selectable, check_columns=True, include_aliases=True, include_joins=True,
                                 include_selects=True, include_crud=True):  # fmt: skip
            if isinstance(table, sa.Table) and metadata.tables.get(table.key) is table:  # create_all puts them in order
                view.add_is_dependent_on(table)
        made.selectable = _kept(made.selectable)


def _keep_events(dispatch: object) -> None:
    """The SELECTs that DDL of other libraries holds, such as SQLAlchemy-Utils' CreateView, which listens itself."""
    for event in EVENTS:
        for listener in getattr(dispatch, event):
            if isinstance(listener, sa.schema.ExecutableDDLElement):
                selects = [(name, value) for name, value in vars(listener).items() if isinstance(value, sa.SelectBase)]
                for name, value in selects:
                    setattr(listener, name, _kept(value))


def _kept(selectable: sa.SelectBase) -> _Compiled:
    return _Compiled({name: _text(selectable, name) for name in NAMES})


class _Compiled(sa.ClauseElement):
    """A SELECT as its text on each server, or the error of compiling it."""

    inherit_cache = False

    def __init__(self, texts: dict[str, str | Exception]) -> None:
        self.texts = texts


def _text(selectable: sa.SelectBase, name: str) -> str | Exception:
    try:
        return str(selectable.compile(dialect=dialect(name), compile_kwargs={"literal_binds": True}))
    except sa.exc.CompileError as error:
        return error


@compiles(_Compiled)
def _compiled(element: _Compiled, compiler: SQLCompiler, **_: object) -> str:
    text = element.texts[compiler.dialect.name]
    if isinstance(text, Exception):
        raise text
    return compiler.escape_literal_column(text)  # type: ignore[no-untyped-call, no-any-return]
