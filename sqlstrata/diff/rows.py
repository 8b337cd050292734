"""What must be true of the rows for the new schema to hold, as far as it can be asked before the first statement.

Names are those before the stage. What a stage casts is not asked about: nobody knows its values by then. What it fills
is asked about for new keys alone.
"""

from __future__ import annotations

from ast import literal_eval
from collections.abc import Iterable, Mapping, Sequence

from sqlstrata.dialects import path_on
from sqlstrata.diff.changes import Changes
from sqlstrata.diff.columns import is_constant
from sqlstrata.diff.constraints import on, options
from sqlstrata.diff.hints import by_server
from sqlstrata.diff.order import Draft, Phase
from sqlstrata.diff.words import renamed, renamed_on_each, words
from sqlstrata.schema.values import Constraint, Index
from sqlstrata.source import Call, Items, Source, call, flat, items, quoted


def constraint(draft: Draft, changes: Changes, new: Constraint) -> None:
    """Draft what a new key or check asks for."""
    keywords = dict(new.keywords)
    if new.kind == "exclude":
        _no_two(draft, changes, [_pair(each) for each in new.arguments], keywords, new.name or "the exclusion")
    elif "postgresql_nulls_not_distinct" in keywords:
        _no_two(draft, changes, [(quoted(each), _SAME) for each in new.columns], keywords, new.name or "the key")
    if new.kind in {"unique", "primary key"}:
        _unique(draft, changes, new.columns)
    if new.kind != "check" or new.condition is None or not all(new.ddl.values()):
        return
    names = words(new.condition)
    if not names & changes.fresh and not _are_cast(draft, changes, names):
        servers = draft.hints.servers
        condition = by_server(renamed_on_each(f"NOT ({new.condition})", changes.named, servers), servers)
        _none_where(draft, changes, condition, f"breaks the check {new.name or new.condition}")


def unique_index(draft: Draft, changes: Changes, index: Index) -> None:
    """Draft what a new unique index asks for, of the rows that it is about."""
    keywords = dict(index.keywords)
    operator = _SAME if "postgresql_nulls_not_distinct" in keywords else "="
    by_expression = len(index.columns) != len(index.parts)
    if by_expression or operator == _SAME:
        _no_two(draft, changes, [(source, operator) for _, source in index.parts], keywords, index.name)
    if by_expression:
        return
    wheres = {name.removesuffix("_where"): value for name, value in index.keywords if name.endswith("_where")}
    given = ((name, flat(value.arguments[0])) for name, value in wheres.items() if isinstance(value, Call))
    texts = tuple((name, quoted(renamed(literal_eval(text), changes.named, name))) for name, text in given)
    _unique(draft, changes, index.columns, Call("op.sql", (), texts) if texts else None)


def _unique(draft: Draft, changes: Changes, names: Sequence[str], where: Source | None = None) -> None:
    """No two rows may have the same values; columns that are added with a default have one value in all of them."""
    added = {column.name: column for column in changes.added if column.name in names}
    if any(draft.hints.name(changes.new.key, name) in draft.hints.fill for name in names):
        _unique_when_filled(draft, changes, names, set(added))
        return
    if not all(is_constant(column) for column in added.values()) or (changes.fresh - set(added)) & set(names):
        return
    if _are_cast(draft, changes, names):
        return
    rest = [changes.name_before(name) for name in names if name not in added]
    if rest:
        made = call("op.require_unique", quoted(changes.before.name), items("[]", map(quoted, rest)), where=where)
        draft.do(Phase.REQUIRE, Call(made.function, made.arguments, (*made.keywords, *options(changes.before))))
    else:
        texts = {server: f"(SELECT count(*) FROM {_path(changes, server)}) > 1" for server in draft.hints.servers}
        why = f"would have the same {', '.join(names)}, which must be unique"
        _none_where(draft, changes, by_server(texts, draft.hints.servers), why)


def _unique_when_filled(draft: Draft, changes: Changes, names: Sequence[str], added: set[str]) -> None:
    """The same where the stage fills some of the columns: for the values that they will have then."""
    if _are_cast(draft, changes, names) or (changes.fresh - added) & set(names):
        return
    parts: list[tuple[Source, str]] = []
    for name in names:
        sql = draft.hints.fill.get(draft.hints.name(changes.new.key, name))
        own, texts = changes.name_before(name), {}
        for server in draft.hints.servers:
            column = path_on(server, own)
            fill = None if sql is None else next(iter(sql.on(server)), None)
            filled = f"({fill})" if name in added else f"coalesce({column}, {fill})"
            texts[server] = column if fill is None else filled
        parts.append((Call("op.sql", (), tuple((server, quoted(text)) for server, text in texts.items())), "="))
    _no_two(draft, changes, parts, {}, f"the key over {', '.join(names)}", filled=True)


# --------------------------------------------------- keys that are more than columns' values

_SAME = "IS NOT DISTINCT FROM"


def _no_two(
    draft: Draft,
    changes: Changes,
    parts: Sequence[tuple[Source, str]],
    keywords: Mapping[str, Source],
    what: str,
    *,
    filled: bool = False,
) -> None:
    """No two rows may meet in all parts, each a column's name or an expression, and an operator.

    `keywords` are those of the constraint or index; with `filled` the parts are in the names before the stage. A server
    that has no such key is not asked.
    """
    texts = {}
    for server in draft.hints.servers:
        made = [(_sql(part, server), operator) for part, operator in parts]
        where = keywords.get("where", keywords.get(f"{server}_where"))
        only = None if where is None else _sql(where, server)
        if all(text is not None for text, _ in made) and (server == "postgresql" or {op for _, op in parts} == {"="}):
            texts[server] = _meeting(_path(changes, server), [(str(text), op) for text, op in made], only, server)
    names = words(" ".join(texts.values()))
    if texts and (filled or (not names & changes.fresh and not _are_cast(draft, changes, names))):
        given = {server: text if filled else renamed(text, changes.named, server) for server, text in texts.items()}
        made_of = by_server(given, draft.hints.servers)
        _none_where(draft, changes, made_of, f"meets another row, and {what} allows one of them")


def _meeting(path: str, parts: Sequence[tuple[str, str]], where: str | None, server: str) -> str:
    """The condition that a row meets another: on PostgreSQL any operator, elsewhere that values are the same."""
    only = "" if where is None else f" WHERE {where}"
    own = "" if where is None else f"({where}) AND "
    columns = ", ".join(f"({text}) AS other_{number}" for number, (text, _) in enumerate(parts))
    if server != "postgresql":
        values, names = (
            ", ".join(each) for each in ((text for text, _ in parts), map("other_{}".format, range(len(parts))))
        )
        given = f"({values})" if len(parts) > 1 else values
        others = f"SELECT {columns} FROM {path}{only}"
        return f"{own}{given} IN (SELECT {names} FROM ({others}) AS other GROUP BY {names} HAVING count(*) > 1)"
    meets = " AND ".join(f"({text}) {operator} other_{number}" for number, (text, operator) in enumerate(parts))
    others = f"SELECT ctid AS other_row, {columns} FROM {path}{only}"
    return f"{own}EXISTS (SELECT 1 FROM ({others}) AS other WHERE other_row <> {path}.ctid AND {meets})"


def _pair(source: Source) -> tuple[Source, str]:
    """A part of an exclusion and its operator."""
    assert isinstance(source, Items)
    part, operator = source.items
    assert not isinstance(part, tuple)
    assert isinstance(operator, str)
    return part, literal_eval(operator)


def _sql(source: Source, server: str) -> str | None:
    """A server's text of a column's name or of an expression; None where it has none."""
    if isinstance(source, str):
        return path_on(server, literal_eval(source))
    assert isinstance(source, Call)
    texts = dict([*(("default", each) for each in source.arguments), *source.keywords])
    text = texts.get(server, texts.get("default"))
    return None if text is None else str(literal_eval(flat(text)))


def _path(changes: Changes, server: str) -> str:
    return path_on(server, changes.before.schema, changes.before.name)


def parents(draft: Draft, changes: Changes, target: Changes | None, new: Constraint) -> None:
    """Draft that every row has its row at a new foreign key's other end; `target` is None where that is only made."""
    if any(each not in changes.old.columns for each in new.columns) or _are_cast(draft, changes, new.columns):
        return
    if target is not None and _are_cast(draft, target, new.target_columns):
        return
    fresh = [each for each in new.target_columns if target is None or each not in target.old.columns]
    if any(draft.hints.name(new.target or "", each) in draft.hints.fill for each in fresh):
        return
    if target is None or fresh:
        _no_children(draft, changes, new)
        return
    former = new.renamed(changes.named, {target.new.key: target.before.key}, {target.new.key: target.named})
    draft.do(Phase.REQUIRE, on("op.require_parents", changes.before, former.source))


def _are_cast(draft: Draft, changes: Changes, names: Iterable[str]) -> bool:
    """Whether the stage makes other values for one of these columns."""
    return any(draft.hints.name(changes.new.key, name) in draft.hints.cast for name in names)


def _no_children(draft: Draft, changes: Changes, new: Constraint) -> None:
    """A table or column that is only being made has no values to refer to."""
    names = [changes.name_before(each) for each in new.columns]
    servers = draft.hints.servers
    texts = {on: " AND ".join(f"{path_on(on, name)} IS NOT NULL" for name in names) for on in servers}
    what = ", ".join(f"{new.target}.{column}" for column in new.target_columns)
    why = f"refers to {what}, which is created in this stage and has no such value"
    _none_where(draft, changes, by_server(texts, servers), why)


def _none_where(draft: Draft, changes: Changes, condition: Source, why: str) -> None:
    draft.do(Phase.REQUIRE, on("op.require_no_rows_where", changes.before, condition, quoted(why)))
