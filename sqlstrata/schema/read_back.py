"""Check that a described table, written as Python, compiles to the same DDL as the models, on every server.

So nothing of a model is silently lost on the way into a revision: where the two texts differ the stage is refused, with
both in the message.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial

import sqlalchemy as sa
from sqlalchemy.schema import CreateColumn, CreateIndex, CreateTable

from sqlstrata.errors import WrongUse
from sqlstrata.operations.definition import define
from sqlstrata.operations.postgresql_constraints import is_doubled
from sqlstrata.private_names import asks_for_null, is_created, is_extended
from sqlstrata.schema.constraints import constraint_text, constraint_texts, index_texts
from sqlstrata.schema.ddl import UNSAYABLE, compiler, ddl, on_each, on_one
from sqlstrata.schema.described import Described
from sqlstrata.schema.evaluation import evaluate
from sqlstrata.schema.values import Constraint, Index, Table, Texts
from sqlstrata.servers import DIALECTS, kind_of
from sqlstrata.source import Source, flat


def read_back(table: sa.Table, made: Table, described: Described) -> Table:
    """Return the value with its `problems`: the servers on which the table cannot be created, and why.

    Raises WrongUse where its source makes another table than the models.
    """
    if not _by_parts(table, made, described):
        made = _whole(table, made, described.dialects)
    described.read |= {id(column): column for column in made.columns.values()}
    return made


# --------------------------------------------------------------------- part by part


def _by_parts(table: sa.Table, made: Table, described: Described) -> bool:
    """Whether every part of the table that was not read back before compiles to the same DDL; False also in doubt.

    A shared column is read back once: its value includes its place in the table's key. To constraints and indexes it is
    a name.
    """
    if type(table) is not sa.Table or is_extended(CreateTable, CreateColumn, CreateIndex, sa.Column):
        return False
    if made.options or any(None in each.ddl.values() for each in made.parts):
        return False
    new = {name: column for name, column in made.columns.items() if id(column) not in described.read}
    part = made if _goes_into_columns(made) else replace(made, columns=new)
    if any(column.checks for column in part.columns.values()):
        return False
    if any("op." in flat(source) for source in _sources(part)):
        return False
    found = rebuilt(part, "sqlite")
    texts = [on_each(partial(ddl, CreateColumn(found.columns[name])), described.dialects) for name in new]
    keys = [each for each in found.constraints if not isinstance(each, sa.PrimaryKeyConstraint) or each.columns]
    return (
        texts == [column.ddl for column in new.values()]
        and _in_order(each.ddl for each in made.constraints)
        == _in_order(constraint_texts(each, described.dialects) for each in keys)
        and _in_order(each.ddl for each in made.indexes.values())
        == _in_order(index_texts(each, described.dialects) for each in found.indexes)
        and found.comment == made.comment
    )


def _goes_into_columns(made: Table) -> bool:
    """Whether a constraint or index needs more of its columns than their names (INCLUDE, operator classes)."""
    parts: tuple[Constraint | Index, ...] = (*made.constraints, *made.indexes.values())
    options = any(name.startswith(DIALECTS) for each in parts for name, _ in each.keywords)
    return options or any(each.kind == "exclude" for each in made.constraints)


def _in_order(texts: Iterable[Texts]) -> list[list[str | None]]:
    return sorted([list(each.values()) for each in texts])


# ------------------------------------------------------------------------ as a whole


def _whole(table: sa.Table, made: Table, dialects: tuple[str, ...]) -> Table:
    """The same, compiling the whole table on each dialect."""
    problems: dict[str, str] = {}
    sources = [flat(each) for each in _sources(made)]
    once = None if any("op." in text for text in sources) else rebuilt(made, "sqlite")
    for name in dialects:
        if name == "mariadb" and "mysql" not in problems and _is_same_on_mysql(made, sources):
            continue
        try:
            wanted = dict(_lines(table, name))
        except UNSAYABLE as error:
            problems[name] = str(error)
            continue
        found = dict(_lines(once if once is not None else rebuilt(made, name), name))
        if wanted != found and kind_of(name).name == "mariadb" and (column := _computed_not_null(table)) is not None:
            problems[name] = f"MariaDB has no NOT NULL for computed columns, which {column} asks for"
        elif wanted != found:
            missing = [text for text in wanted if text not in found]
            extra = [text for text in found if text not in wanted]
            raise WrongUse(
                f"Table {table.fullname} cannot be written as a revision: on {name} the models give "
                f"{'; '.join(missing)!r}, the revision would give {'; '.join(extra)!r}.",
                hint="Write this part of the model in plain SQLAlchemy, or create it with `data`.",
            )
    return replace(made, problems=problems)


def _computed_not_null(table: sa.Table) -> str | None:
    """A computed column with an explicit `nullable=False`; without one, SQLAlchemy omits NOT NULL on MariaDB."""
    asked = (each for each in table.columns if each.computed is not None and asks_for_null(each) is False)
    return next((each.name for each in asked), None)


def _sources(table: Table) -> Iterator[Source]:
    yield from table.elements()
    yield from (index.source for index in table.indexes.values())
    yield from (value for _, value in table.keywords)


def _is_same_on_mysql(made: Table, sources: Iterable[str]) -> bool:
    """Whether MariaDB's two dialects give the same table; types were compiled on both already."""
    if any("mysql" in text or "mariadb" in text for text in sources):
        return False
    texts = (*(each.ddl for each in made.parts), made.option_texts)
    return all(each["mysql"] == each["mariadb"] for each in texts)


def rebuilt(table: Table, name: str) -> sa.Table:
    """The table that a revision would make on one dialect, with its indexes."""
    elements = [evaluate(source, name) for source in table.elements()]
    elements += [evaluate(index.source, name) for index in table.indexes.values()]
    options = {key: evaluate(value, name) for key, value in table.keywords if key != "schema"}
    return define(table.name, elements, table.schema, options)


def _lines(table: sa.Table, name: str) -> Iterator[tuple[str, None]]:
    """Each line of the table's DDL, in no certain order; constraints that PostgreSQL ignores are left out."""
    ignored = {ddl(each, name) for each in table.constraints if name == "postgresql" and is_doubled(each)}
    for line in ddl(CreateTable(table), name).splitlines():
        text = line.strip().rstrip(",").rstrip()
        if text and text not in ignored:
            yield text, None
    for index in (each for each in table.indexes if is_created(each, compiler(name))):
        yield ddl(CreateIndex(index), name).strip(), None
    for key in table.foreign_key_constraints:
        yield on_one(partial(constraint_text, key), name) or "", None
