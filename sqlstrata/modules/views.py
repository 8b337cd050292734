"""Views that outlast the mapped classes that their SELECT was written with."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.util import find_tables

from sqlstrata.dialects import NAMES, dialect
from sqlstrata.sqlalchemy_versions import is_view, view_of


def keep(metadata: sa.MetaData) -> None:
    """Have the views of a MetaData say from now on what they say now, on each server.

    A SELECT of mapped classes can be compiled only as long as these are mapped.
    """
    for view in filter(is_view, metadata.tables.values()):
        made = view_of(view)
        for table in find_tables(made.selectable, check_columns=True, include_aliases=True, include_joins=True,
                                 include_selects=True, include_crud=True):  # fmt: skip
            if isinstance(table, sa.Table) and table.metadata is metadata:  # what create_all puts them in order by
                view.add_is_dependent_on(metadata.tables[table.key])
        made.selectable = _Said({name: _text(made.selectable, name) for name in NAMES})


class _Said(sa.ClauseElement):
    """A SELECT as the text that it is on each server; an error where it can be none there."""

    inherit_cache = False

    def __init__(self, texts: dict[str, str | Exception]) -> None:
        self.texts = texts


def _text(selectable: sa.SelectBase, name: str) -> str | Exception:
    try:
        return str(selectable.compile(dialect=dialect(name), compile_kwargs={"literal_binds": True}))
    except sa.exc.CompileError as error:
        return error


@compiles(_Said)
def _said(element: _Said, compiler: SQLCompiler, **_: object) -> str:
    text = element.texts[compiler.dialect.name]
    if isinstance(text, Exception):
        raise text
    return compiler.escape_literal_column(text)  # type: ignore[no-untyped-call, no-any-return]
