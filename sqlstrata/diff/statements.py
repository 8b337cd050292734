"""Views and what DDL events say: texts that are put up last and taken down first."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

from sqlstrata.dialects import path_on
from sqlstrata.diff.order import Draft, Phase
from sqlstrata.diff.words import naming, words
from sqlstrata.errors import WrongUse
from sqlstrata.schema.values import Schema, Statements, Table
from sqlstrata.servers import by_key
from sqlstrata.source import Call, Source, items, quoted
from sqlstrata.sql_objects import SqlObject

_ASIDE = "_before"


def compare(draft: Draft, before: Schema, after: Schema) -> None:
    """Take down what goes, changes, or stands on what changes; put up what comes, and the latter again.

    A table that an event makes holds rows, so it is made once, and goes only where the stage drops it. An extension
    stays. A type that columns keep steps aside for the new one, and goes when the columns have that.
    """
    affected = _affected(before, after)
    draft.new_types |= {each.bare_name for key, each in after.statements.items() if each.is_type and key in affected}
    for key, old in reversed(list(before.statements.items())):
        then = after.statements.get(key)
        if key in affected and not _stays(draft, before, after, old, then):
            _take_down(draft, old, then, _columns_of(old, before, after))
    for key, new in after.statements.items():
        was = before.statements.get(key)
        if was != new:
            draft.say(f"{'+' if was is None else '~'} {key}")
        if was is None:
            _put_up(draft, new, [])
        elif key in affected and not _stays(draft, before, after, was, new):
            _put_up(draft, new, _columns_of(new, before, after))
    for key in before.statements:
        if key not in after.statements:
            draft.say(f"- {key}")


def _stays(draft: Draft, before: Schema, after: Schema, old: Statements, new: Statements | None) -> bool:
    """Whether what is there is left as it is. Asks for the drop of a table that goes or changes."""
    if old.object is None or (old.object.kind != "TABLE" and not old.object.stays):
        return False
    if old == new or old.object.stays:
        return not any(old.drop.values()) or new is not None
    name = old.object.name
    parents = words(" ".join(chain.from_iterable(old.create.values()))) & (before.tables.keys() - after.tables.keys())
    if draft.hints.up and not draft.allowed_to_drop(name) and not parents:
        what = "is dropped" if new is None else "is created in another way"
        draft.need("drop", name, None, f"table {name}, which an event of the models creates, {what}, with its rows")
    return False


def _affected(before: Schema, after: Schema) -> set[str]:
    """The keys of what differs, and of what names a table that does, or something that is taken down.

    What comes before the tables names none of them.
    """
    both = {**before.statements, **after.statements}
    named = {key: _words(before.statements.get(key)) | _words(after.statements.get(key)) for key in both}
    early = {key: each for key, each in named.items() if both[key].early}

    def name(key: str) -> str:
        return both[key].bare_name

    affected = {key for key in both if before.statements.get(key) != after.statements.get(key)}
    affected |= naming(set(map(name, affected)), early, name)
    changed = {key for key in {*before.tables, *after.tables} if before.tables.get(key) != after.tables.get(key)}
    names = {key.rpartition(".")[2] for key in changed} | set(map(name, affected))
    return affected | naming(names, {key: each for key, each in named.items() if key not in early}, name)


def _words(statements: Statements | None) -> set[str]:
    texts = () if statements is None else chain.from_iterable(statements.create.values())
    return {word for text in texts for word in words(text)}


def _columns_of(type_: Statements, before: Schema, after: Schema) -> list[tuple[Table, str]]:
    """The columns that have a type of the events' own before the stage and after it: their tables, and their names."""
    if not type_.is_type:
        return []
    names = {type_.bare_name}
    both = ((before.tables[key], table) for key, table in after.tables.items() if key in before.tables)
    return [(new, each) for old, new in both for each in new.columns
            if old.has_type(each, names) and new.has_type(each, names)]  # fmt: skip


def _take_down(draft: Draft, old: Statements, new: Statements | None, columns: list[tuple[Table, str]]) -> None:
    missing = [server for server, texts in old.create.items() if texts and not old.drop.get(server)]
    if missing and not (old.object is not None and old.object.stays):
        raise WrongUse(
            f"{old.name} is created by the models on {', '.join(missing)}, and nothing says how it is dropped: "
            f"{old.create[missing[0]][0]!r}.",
            hint="Add a before_drop or after_drop event that drops it, or create it with the stage's `data`.",
        )
    if columns and old.object is not None and new is not None:
        draft.do(Phase.TYPES_ON, _run(draft, {"postgresql": _aside(old.object)}))
        drop = f"DROP {old.object.kind} {old.object.bare_name}{_ASIDE}"
        draft.do(Phase.TYPES_OFF, _run(draft, {"postgresql": (drop,)}))
    elif any(old.drop.values()):
        goes_last = old.early and new is None
        draft.do(Phase.TYPES_OFF if goes_last else Phase.STATEMENTS_OFF, _run(draft, old.drop))


def _aside(type_: SqlObject) -> tuple[str, ...]:
    """Rename a type, and the checks of a domain: their names are taken in the whole schema."""
    aside = f"{type_.bare_name}{_ASIDE}"
    rename = f"ALTER {type_.kind} {type_.name} RENAME TO {aside}"
    if type_.kind != "DOMAIN":
        return (rename,)
    checks = (
        f"DO $$ DECLARE old name; BEGIN "
        f"FOR old IN SELECT conname FROM pg_constraint WHERE contypid = '{aside}'::regtype LOOP "
        f"EXECUTE 'ALTER DOMAIN {aside} RENAME CONSTRAINT ' || quote_ident(old) || ' TO ' || "
        f"quote_ident(old || '{_ASIDE}'); END LOOP; END $$"
    )
    return rename, checks


def _put_up(draft: Draft, new: Statements, columns: list[tuple[Table, str]]) -> None:
    draft.do(Phase.TYPES_ON if new.early else Phase.STATEMENTS_ON, _run(draft, new.create))
    for table, column in columns:
        path, name = path_on("postgresql", table.schema, table.name), path_on("postgresql", column)
        type_ = table.columns[column].types["postgresql"]
        text = f"ALTER TABLE {path} ALTER COLUMN {name} TYPE {type_} USING {name}::text::{type_}"
        draft.do(Phase.TYPES_ON, _run(draft, {"postgresql": (text,)}))


def _run(draft: Draft, texts: Mapping[str, tuple[str, ...]]) -> Source:
    """The operation that runs statements: named by server, unless they are the same on all servers of the history."""
    given = by_key(texts)
    distinct = {given.get(server) for server in draft.hints.servers}
    if len(distinct) == 1 and (same := distinct.pop()):
        return Call("op.run_sql", (_statement(same),))
    return Call("op.run_sql", (), tuple((server, _statement(each)) for server, each in given.items() if each))


def _statement(texts: tuple[str, ...]) -> Source:
    return quoted(texts[0]) if len(texts) == 1 else items("[]", map(quoted, texts))
