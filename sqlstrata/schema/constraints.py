"""Constraints and indexes as values."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex

from sqlstrata.dialects import dialect
from sqlstrata.errors import WrongUse
from sqlstrata.operations.postgresql_constraints import is_doubled
from sqlstrata.private_names import excluded, has_condition, is_created, is_extended, should_create
from sqlstrata.schema.ddl import (
    compiler,
    ddl,
    dialect_options,
    expression_text,
    expression_texts,
    is_plain,
    on_each,
    option,
    sql_source,
)
from sqlstrata.schema.values import Constraint, Index, name_source, same_everywhere
from sqlstrata.source import Source, items, quoted

_KINDS = {
    "primary_key_constraint": "primary key",
    "unique_constraint": "unique",
    "check_constraint": "check",
    "table_or_column_check_constraint": "check",
    "column_check_constraint": "check",
    "exclude_constraint": "exclude",
    "foreign_key_constraint": "foreign key",
}
_COMMON = (sa.PrimaryKeyConstraint, sa.UniqueConstraint, sa.ForeignKeyConstraint, sa.Index)
_ORDER = ("primary key", "unique", "check", "exclude", "foreign key")


def place(constraint: Constraint) -> tuple[int, tuple[str, ...], str, str]:
    """A stable order: a table keeps its constraints in a set."""
    return _ORDER.index(constraint.kind), constraint.columns, constraint.name or "", constraint.text


# ------------------------------------------------------------------------ constraints


def constraint_of(constraint: sa.Constraint, dialects: Collection[str]) -> Constraint | None:
    """One constraint; None for a primary key without columns, and for one that no dialect gets.

    Raises WrongUse for a kind that is not supported.
    """
    kind = _KINDS.get(constraint.__visit_name__)
    if kind is None:
        raise WrongUse(
            f"Constraint {constraint.name or constraint!r} is of a kind that is not supported: "
            f"{type(constraint).__name__}.",
            hint="Create it with `data`, or remove it from the models.",
        )
    listed = () if kind == "check" else getattr(constraint, "columns", ())  # a check that is a text names none
    columns = tuple(column.name for column in listed)
    texts = constraint_texts(constraint, dialects)
    if not columns if kind == "primary key" else all(text == "" for text in texts.values()):
        return None
    keywords: list[tuple[str, Source]] = []
    name = _name(constraint)
    if name is not None:
        keywords.append(("name", name_source(name)))
    for each in ("ondelete", "onupdate", "deferrable", "initially", "match"):
        value = getattr(constraint, each, None)
        if value is not None:
            keywords.append((each, quoted(value)))
    if "postgresql" in dialects and constraint.dialect_kwargs.get("postgresql_not_valid"):
        raise WrongUse(
            f"Constraint {constraint.name or kind} is NOT VALID, but create_all makes it valid.",
            hint="Remove postgresql_not_valid from the model, and validate by hand where the table is large.",
        )
    if constraint.comment is not None:
        keywords.append(("comment", quoted(constraint.comment)))
    arguments: tuple[Source, ...] = ()
    condition = None
    if isinstance(constraint, sa.CheckConstraint):
        conditions = expression_texts(constraint.sqltext, dialects)
        present = {each: text for each, text in conditions.items() if texts[each] != ""}
        condition = same_everywhere(present)
        arguments = (quoted(condition) if condition is not None and is_plain(condition) else sql_source(present),)
    elif isinstance(constraint, postgresql.ExcludeConstraint):
        arguments, more = _exclusion(constraint)
        keywords += more
    keywords += [] if kind == "exclude" else dialect_options(constraint, dialects)
    keywords += _conflict(constraint, dialects)
    target, target_columns = _target(constraint)
    return Constraint(
        kind=kind,
        name=name,
        columns=columns,
        arguments=arguments,
        keywords=tuple(keywords),
        ddl=texts,
        target=target,
        target_columns=target_columns,
        deferred=bool(getattr(constraint, "use_alter", False)),
        condition=condition,
    )


def _conflict(constraint: sa.Constraint, dialects: Collection[str]) -> list[tuple[str, Source]]:
    """How SQLite resolves conflicts with a key, where the key's only column says that."""
    if "sqlite" not in dialects or not isinstance(constraint, sa.PrimaryKeyConstraint | sa.UniqueConstraint):
        return []
    if len(constraint.columns) != 1 or constraint.dialect_kwargs.get("sqlite_on_conflict") is not None:
        return []
    word = "primary_key" if isinstance(constraint, sa.PrimaryKeyConstraint) else "unique"
    given = next(iter(constraint.columns)).dialect_kwargs.get(f"sqlite_on_conflict_{word}")
    return [] if given is None else [("sqlite_on_conflict", quoted(given))]


def _target(constraint: sa.Constraint) -> tuple[str | None, tuple[str, ...]]:
    if not isinstance(constraint, sa.ForeignKeyConstraint):
        return None, ()
    targets = [element.column for element in constraint.elements]
    return targets[0].table.fullname, tuple(column.name for column in targets)


def _name(constraint: sa.Constraint) -> str | None:
    """The name that the naming convention gives, or none."""
    if constraint.name is None or isinstance(constraint.name, str):
        return constraint.name
    quoted_name = dialect("sqlite").identifier_preparer.format_constraint(constraint)
    if quoted_name is None:
        return None
    return quoted_name[1:-1].replace('""', '"') if quoted_name.startswith('"') else quoted_name


def constraint_texts(constraint: sa.Constraint, dialects: Collection[str]) -> dict[str, str | None]:
    """The constraint in CREATE TABLE, "" where the server does not get it."""
    return on_each(partial(constraint_text, constraint), dialects, for_mysql=not _is_common(constraint))


def constraint_text(constraint: sa.Constraint, name: str) -> str:
    """The same for one dialect. Raises the errors in UNSAYABLE."""
    wanted = should_create(constraint, compiler(name)) and not (name == "postgresql" and is_doubled(constraint))
    return ddl(constraint, name) if wanted else ""


def _is_common(element: sa.Constraint | sa.Index) -> bool:
    """Whether it has columns only, and nothing for a certain dialect."""
    plain = type(element) in _COMMON and not element.dialect_kwargs
    return plain and not has_condition(element) and not is_extended(type(element), CreateIndex)


def _exclusion(constraint: postgresql.ExcludeConstraint) -> tuple[tuple[Source, ...], list[tuple[str, Source]]]:
    pairs = [
        items("()", (_exclusion_part(expression), quoted(operator))) for expression, operator in excluded(constraint)
    ]
    keywords: list[tuple[str, Source]] = [("using", quoted(constraint.using))]
    if constraint.where is not None:
        keywords.append(("where", sql_source({"postgresql": expression_text(constraint.where, "postgresql")})))
    if constraint.ops:
        keywords.append(("ops", option(constraint.ops, "postgresql")))
    return tuple(pairs), keywords


def _exclusion_part(expression: Any) -> Source:
    if isinstance(expression, sa.Column):
        return quoted(expression.name)
    return sql_source({"postgresql": expression_text(expression, "postgresql")})


# ---------------------------------------------------------------------------- indexes


def index_of(index: sa.Index, dialects: Collection[str]) -> Index | None:
    """One index; None for one that no dialect gets. Raises WrongUse if it has no name, or is for some dialects only."""
    what = "" if index.table is None else f" of table {index.table.fullname}"
    if index.name is None:
        raise WrongUse(f"An index{what} has no name.", hint="Name it, or add an `ix` to the naming convention.")
    wanted = {is_created(index, compiler(name)) for name in dialects} if has_condition(index) else {True}
    if wanted == {False}:
        return None
    if wanted != {True}:
        raise WrongUse(
            f"Index {index.name}{what} has a condition (ddl_if), which a revision cannot express.",
            hint="Remove ddl_if, or create the index by an after_create event of its table and drop it by a "
            "before_drop event, for that server alone (execute_if).",
        )
    parts = [_part(expression, dialects) for expression in index.expressions]
    keywords = dialect_options(index, dialects)
    return Index(
        name=str(index.name),
        parts=tuple(parts),
        unique=bool(index.unique),
        keywords=tuple(keywords),
        ddl=index_texts(index, dialects),
        where=next((value for name, value in keywords if name.endswith("_where")), None),
    )


def _part(expression: Any, dialects: Collection[str]) -> tuple[str | None, Source]:
    if isinstance(expression, sa.Column):
        return expression.name, quoted(expression.name)
    texts = expression_texts(expression, dialects)
    # SQLAlchemy's compilers put these in parentheses, but not a text.
    if "postgresql" in texts:
        texts["postgresql"] = expression_text(expression.self_group(), "postgresql")
    if isinstance(expression, sa.sql.functions.FunctionElement | sa.BinaryExpression):
        texts |= {name: f"({text})" for name in ("mysql", "mariadb") if (text := texts.get(name)) is not None}
    return None, sql_source(texts)


def index_texts(index: sa.Index, dialects: Collection[str]) -> dict[str, str | None]:
    """The statement that creates the index."""
    made = CreateIndex(index)
    of_columns = all(isinstance(each, sa.Column) for each in index.expressions)
    return on_each(lambda name: ddl(made, name).strip(), dialects, for_mysql=not (of_columns and _is_common(index)))
