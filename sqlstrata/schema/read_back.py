"""What was described is read back before it is believed.

What a value says as Python must make, on every server, the very DDL that the models compile to. So nothing of a model
can get lost on the way into a revision without a word: where the two texts differ the stage is refused, with both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial

import sqlalchemy as sa
from sqlalchemy.schema import CreateColumn, CreateIndex, CreateTable

from sqlstrata.dialects import NAMES
from sqlstrata.errors import WrongUse
from sqlstrata.operations.definition import define
from sqlstrata.private_names import asks_for_null, is_extended
from sqlstrata.schema.constraints import constraint_text, constraint_texts, index_texts
from sqlstrata.schema.ddl import UNSAYABLE, ddl, on_each, on_one
from sqlstrata.schema.described import Described
from sqlstrata.schema.evaluation import evaluate
from sqlstrata.schema.values import Constraint, Index, Table, Texts
from sqlstrata.servers import kind_of
from sqlstrata.source import Source, flat


def read_back(table: sa.Table, made: Table, described: Described) -> Table:
    """The value, if what it says makes the models' table on every server; where a server has none, why.

    Raises WrongUse where it does not.
    """
    if not _by_parts(table, made, described):
        made = _whole(table, made)
    described.read(made.columns.values())
    return made


# --------------------------------------------------------------------- part by part


def _by_parts(table: sa.Table, made: Table, described: Described) -> bool:
    """Whether every part of the table that was not read back before says the same again; False also in doubt.

    A shared column is read back once: its value says how it stands in its table's key, and that is part of each table
    that is made here. For constraints and indexes it is a name.
    """
    if type(table) is not sa.Table or is_extended(CreateTable, CreateColumn, CreateIndex, sa.Column):
        return False
    if made.options or any(None in each.ddl.values() for each in made.parts):
        return False
    new = {name: column for name, column in made.columns.items() if not described.is_read(column)}
    part = made if _goes_into_columns(made) else replace(made, columns=new)
    if any(column.checks for column in part.columns.values()):
        return False
    if any("op." in flat(source) for source in _sources(part)):
        return False
    found = rebuilt(part, "sqlite")
    said = [on_each(partial(ddl, CreateColumn(found.columns[name]))) for name in new]
    keys = [each for each in found.constraints if not isinstance(each, sa.PrimaryKeyConstraint) or each.columns]
    return (
        said == [column.ddl for column in new.values()]
        and _in_order(each.ddl for each in made.constraints) == _in_order(map(constraint_texts, keys))
        and _in_order(each.ddl for each in made.indexes.values()) == _in_order(map(index_texts, found.indexes))
        and found.comment == made.comment
    )


def _goes_into_columns(made: Table) -> bool:
    """Whether a constraint or index is about more of its columns than their names (INCLUDE, operator classes)."""
    parts: tuple[Constraint | Index, ...] = (*made.constraints, *made.indexes.values())
    options = any(name.startswith(NAMES) for each in parts for name, _ in each.keywords)
    return options or any(each.kind == "exclude" for each in made.constraints)


def _in_order(texts: Iterable[Texts]) -> list[list[str | None]]:
    return sorted([list(each.values()) for each in texts])


# ------------------------------------------------------------------------ as a whole


def _whole(table: sa.Table, made: Table) -> Table:
    """The value, if what it says makes the models' table on every server; where a server has none, why."""
    problems: dict[str, str] = {}
    sources = [flat(each) for each in _sources(made)]
    once = None if any("op." in text for text in sources) else rebuilt(made, "sqlite")
    for name in NAMES:
        if name == "mariadb" and "mysql" not in problems and _mysql_says_it(made, sources):
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
            gone = [text for text in wanted if text not in found]
            new = [text for text in found if text not in wanted]
            raise WrongUse(
                f"Table {table.fullname} cannot be written as a revision: on {name} the models say "
                f"{'; '.join(gone)!r}, the revision would say {'; '.join(new)!r}.",
                hint="Write this part of the model in plain SQLAlchemy, or make it with `data`.",
            )
    return replace(made, problems=problems)


def _computed_not_null(table: sa.Table) -> str | None:
    """A computed column whose model says `nullable=False` itself; with `Mapped[int]` SQLAlchemy knows what to do."""
    asked = (each for each in table.columns if each.computed is not None and asks_for_null(each) is False)
    return next((each.name for each in asked), None)


def _sources(table: Table) -> Iterator[Source]:
    yield from table.elements()
    yield from (index.source for index in table.indexes.values())
    yield from (value for _, value in table.keywords)


def _mysql_says_it(made: Table, sources: Iterable[str]) -> bool:
    """Whether the table is one thing under both of MariaDB's names; the types were tried under both already."""
    if any("mysql" in text or "mariadb" in text for text in sources):
        return False
    texts = (*(each.ddl for each in made.parts), made.option_texts)
    return all(each["mysql"] == each["mariadb"] for each in texts)


def rebuilt(table: Table, name: str) -> sa.Table:
    """The table as a revision's words make it on one dialect, with its indexes."""
    elements = [evaluate(source, name) for source in table.elements()]
    elements += [evaluate(index.source, name) for index in table.indexes.values()]
    options = {key: evaluate(value, name) for key, value in table.keywords if key != "schema"}
    return define(table.name, elements, table.schema, options)


def _lines(table: sa.Table, name: str) -> Iterator[tuple[str, None]]:
    """Each line of the table's DDL, its order aside."""
    for line in ddl(CreateTable(table), name).splitlines():
        if line.strip():
            yield line.strip().rstrip(",").rstrip(), None
    for index in table.indexes:
        yield ddl(CreateIndex(index), name).strip(), None
    for key in table.foreign_key_constraints:
        yield on_one(partial(constraint_text, key), name) or "", None
