"""Renames come first, so that everything after them is compared under its new name.

The servers carry a rename on into keys, indexes, checks and computed columns; so does this, on the values.
"""

from __future__ import annotations

from ast import literal_eval
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlstrata.diff.hints import by_server
from sqlstrata.diff.order import Draft, Phase
from sqlstrata.diff.words import renamed, renamed_by_server, renamed_on_each
from sqlstrata.schema.values import Column, Constraint, Index, Schema, Table
from sqlstrata.source import Call, Chain, Items, Source, call, flat, items, quoted

_ASIDE = "_renamed"
Renames = Mapping[str, str]


@dataclass(frozen=True)
class _Naming:
    """New names for columns, and the servers that SQL is written for."""

    names: Renames
    keys: tuple[str, ...]


def apply(draft: Draft, before: Schema, after: Schema) -> Schema:
    """Draft the renames, and give the schema as it is after them."""
    tables = {old: new for old, new in draft.hints.tables.items() if old in before.tables and new in after.tables}
    columns = {
        key: {old: new for old, new in names.items() if old in before.tables[key].columns}
        for key, names in draft.hints.columns.items()
        if key in before.tables
    }
    draft.used |= {("rename", name) for name in _used(draft, before, after)}
    if not tables and not any(columns.values()):
        return before
    for key, names in columns.items():
        _rename_columns(draft, before.tables[key], names)
    _rename_tables(draft, before, tables)
    moved = {
        tables.get(key, key): _moved(table, tables, columns, draft.hints.servers)
        for key, table in before.tables.items()
        if not _overtaken(key, tables)
    }
    for key in before.tables:
        if _overtaken(key, tables):
            table = before.tables[key]
            moved[f"{key}{_ASIDE}"] = replace(table, name=f"{table.name}{_ASIDE}")
    return replace(before, tables=moved)


def _overtaken(key: str, tables: Renames) -> bool:
    """Whether a table keeps a name that another one takes: it is going, and steps aside first."""
    return key in tables.values() and key not in tables


def _used(draft: Draft, before: Schema, after: Schema) -> list[str]:
    old, new = (before, after) if draft.hints.up else (after, before)
    used = []
    for name, target in draft.hints.rename.items():
        if not old.tables and _there(draft, new, name, target):
            draft.say(f"{target}: nothing to rename existed before")
            used.append(name)
        elif name in old.tables:
            used += [name] if target in new.tables else []
        key, _, column = name.rpartition(".")
        there = new.tables.get(draft.hints.old_tables.get(key, key))
        if key in old.tables and column in old.tables[key].columns and there is not None and target in there.columns:
            used.append(name)
    return used


def _there(draft: Draft, new: Schema, name: str, target: str) -> bool:
    """Whether the stage, the first to have tables at all, has the table or column under its new name."""
    if "." in name:
        table = new.tables.get(draft.hints.rename.get(name.rpartition(".")[0], name.rpartition(".")[0]))
        return (table is not None and target in table.columns) or target in new.tables
    return target in new.tables


def _rename_columns(draft: Draft, table: Table, names: Renames) -> None:
    for old, new in _sequence(names, set(table.columns), cased=False):
        draft.do(Phase.RENAME, _options(call("op.rename_column", quoted(table.name), quoted(old), quoted(new)), table))
    for old, new in names.items():
        draft.say(f"{table.key}: {old} → {new}")


def _rename_tables(draft: Draft, before: Schema, tables: Renames) -> None:
    for old, new in _sequence(tables, set(before.tables), cased=True):
        old_schema, _, old_name = old.rpartition(".")
        new_schema, _, new_name = new.rpartition(".")
        if old_schema != new_schema:
            where = [quoted(old_schema or None), quoted(new_schema or None)]
            draft.do(Phase.RENAME, call("op.move_table", quoted(old_name), *where))
        if old_name != new_name:
            schema = quoted(new_schema) if new_schema else None
            draft.do(Phase.RENAME, call("op.rename_table", quoted(old_name), quoted(new_name), schema=schema))
    for old, new in tables.items():
        draft.say(f"{old} → {new}")


def _sequence(names: Renames, present: set[str], *, cased: bool) -> list[tuple[str, str]]:
    """The renames one after another; a name that is still taken is freed first, by way of another one.

    With `cased`, so is one that differs in its capitals only: SQLite takes Item and item for one table.
    """
    steps, left, taken = [], dict(names), set(present)
    while left:
        free = next((old for old, new in left.items() if new not in taken), None)
        if free is not None and cased and free.casefold() == left[free].casefold():
            steps.append((free, f"{free}{_ASIDE}"))
            left[f"{free}{_ASIDE}"] = left.pop(free)
            taken = (taken - {free}) | {f"{free}{_ASIDE}"}
            continue
        if free is None:
            old = next(iter(left))
            blocked = left[old]
            aside = f"{blocked}{_ASIDE}"
            steps.append((blocked, aside))
            taken = (taken - {blocked}) | {aside}
            if blocked in left:
                left[aside] = left.pop(blocked)
            continue
        steps.append((free, left[free]))
        taken = (taken - {free}) | {left.pop(free)}
    return steps


def _moved(table: Table, tables: Renames, columns: Mapping[str, Renames], keys: tuple[str, ...]) -> Table:
    mine = columns.get(table.key, {})
    aside = {name: f"{name}{_ASIDE}" for name in table.columns if name in mine.values() and name not in mine}
    names = {**mine, **aside}
    moved = table.renamed(tables, {**columns, table.key: names})
    if not names:
        return moved
    naming = _Naming(names, keys)
    return replace(
        moved,
        columns={name: _column(column, naming) for name, column in moved.columns.items()},
        constraints=tuple(_constraint(each, naming) for each in moved.constraints),
        indexes={name: _index(index, naming) for name, index in moved.indexes.items()},
    )


def _column(column: Column, naming: _Naming) -> Column:
    texts = {each: text if text is None else renamed(text, naming.names, each) for each, text in column.ddl.items()}
    computed = None if column.computed is None else _text(column.computed, naming)
    rest = (column.rest[0], *(_text(each, naming) for each in column.rest[1:]))
    return replace(column, rest=rest, ddl=texts, computed=computed)


def _constraint(constraint: Constraint, naming: _Naming) -> Constraint:
    texts = {each: text if text is None else renamed(text, naming.names, each) for each, text in constraint.ddl.items()}
    shared = (
        set()
        if constraint.condition is None
        else set(renamed_on_each(constraint.condition, naming.names, naming.keys).values())
    )
    condition = shared.pop() if len(shared) == 1 else None
    return replace(
        constraint,
        arguments=tuple(_condition(each, naming) for each in constraint.arguments),
        keywords=tuple((name, _text(value, naming)) for name, value in constraint.keywords),
        ddl=texts,
        condition=condition,
    )


def _index(index: Index, naming: _Naming) -> Index:
    texts = {each: text if text is None else renamed(text, naming.names, each) for each, text in index.ddl.items()}
    parts = tuple((name, source if name is not None else _text(source, naming)) for name, source in index.parts)
    keywords = tuple((name, _text(value, naming)) for name, value in index.keywords)
    where = None if index.where is None else _text(index.where, naming)
    return replace(index, parts=parts, keywords=keywords, ddl=texts, where=where)


def _text(source: Source, naming: _Naming) -> Source:
    """Other names inside a source: in its SQL, and where a display has columns' names (INCLUDE, operator classes)."""
    match source:
        case Call("sa.text" | "sa.literal_column", (str(literal),)):
            made = _sql(literal, naming)
            return replace(source, arguments=(made,)) if isinstance(made, str) else made
        case Call("op.sql", arguments, keywords):
            given = (*keywords, *(("default", each) for each in arguments))
            texts = {name: literal_eval(flat(text)) for name, text in given}
            sql = by_server(renamed_by_server(texts, naming.names, naming.keys), naming.keys)
            return Call("op.sql", (sql,)) if isinstance(sql, str) else sql
        case Call("sa.CheckConstraint", (condition,)):
            return replace(source, arguments=(_condition(condition, naming),))
        case Call(_, arguments, _):
            return replace(source, arguments=tuple(_text(each, naming) for each in arguments))
        case Chain(first, following):
            return Chain(_text(first, naming), following)
        case Items(brackets, given):
            return items(brackets, (_item(each, naming) for each in given))
        case _:
            return source


def _condition(source: Source, naming: _Naming) -> Source:
    """A check's condition, which may be a plain text."""
    return _sql(source, naming) if isinstance(source, str) else _text(source, naming)


def _sql(literal: str, naming: _Naming) -> Source:
    """Quoted SQL: still so where all servers write the names in one way."""
    return by_server(renamed_on_each(literal_eval(literal), naming.names, naming.keys), naming.keys)


def _item(item: Source | tuple[Source, Source], naming: _Naming) -> Source | tuple[Source, Source]:
    return (_name(item[0], naming), item[1]) if isinstance(item, tuple) else _name(item, naming)


def _name(source: Source, naming: _Naming) -> Source:
    """A column's name, or SQL."""
    if not isinstance(source, str) or source[0] not in {'"', "'"}:
        return _text(source, naming)
    name = literal_eval(source)
    return quoted(naming.names.get(name, name))


def _options(made: Call, table: Table) -> Call:
    if table.schema is None:
        return made
    return Call(made.function, made.arguments, (*made.keywords, ("schema", quoted(table.schema))))
