"""Views and what DDL events say: texts that are put up last and taken down first."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

from sqlstrata.diff.order import Draft, Phase
from sqlstrata.diff.words import naming, words
from sqlstrata.errors import WrongUse
from sqlstrata.schema.values import Schema, Statements
from sqlstrata.servers import by_key
from sqlstrata.source import Call, Source, items, quoted

_EARLY = "events before tables"


def compare(draft: Draft, before: Schema, after: Schema) -> None:
    """Take down what goes, changes, or stands on what changes; put up what comes, and the latter again."""
    other = _standing_on(before, after)
    for key, old in reversed(list(before.statements.items())):
        if key in other:
            _take_down(draft, old)
    for key, new in after.statements.items():
        if before.statements.get(key) != new:
            draft.say(f"{'~' if key in before.statements else '+'} {key}")
        if key in other:
            draft.do(Phase.TYPES_ON if key == _EARLY else Phase.STATEMENTS_ON, _run(new.create))
    for key in before.statements:
        if key not in after.statements:
            draft.say(f"- {key}")


def _standing_on(before: Schema, after: Schema) -> set[str]:
    """What is other, and what names a table that is, or a view that is taken down."""
    keys = {*before.statements, *after.statements}
    said = {key: _words(before.statements.get(key)) | _words(after.statements.get(key)) for key in keys - {_EARLY}}
    other = {key for key in keys if before.statements.get(key) != after.statements.get(key)}
    changed = {key for key in {*before.tables, *after.tables} if before.tables.get(key) != after.tables.get(key)}
    names = {key.rpartition(".")[2] for key in changed} | set(map(_name, other))
    return other | naming(names, said, _name)


def _words(statements: Statements | None) -> set[str]:
    texts = () if statements is None else chain.from_iterable(statements.create.values())
    return {word for text in texts for word in words(text)}


def _name(key: str) -> str:
    """A view's own name."""
    return key.removeprefix("view ").rpartition(".")[2]


def _take_down(draft: Draft, old: Statements) -> None:
    missing = [server for server, texts in old.create.items() if texts and not old.drop.get(server)]
    if missing:
        raise WrongUse(
            f"{old.name} is made by the models on {', '.join(missing)}, and nothing says how it is taken down: "
            f"{old.create[missing[0]][0]!r}.",
            hint="Add a before_drop or after_drop event that drops it, or make it with the stage's `data`.",
        )
    draft.do(Phase.TYPES_OFF if old.name == _EARLY else Phase.STATEMENTS_OFF, _run(old.drop))


def _run(texts: Mapping[str, tuple[str, ...]]) -> Source:
    given = by_key(texts)
    distinct = set(given.values())
    if len(distinct) == 1:
        return Call("op.run_sql", (_statement(distinct.pop()),))
    return Call("op.run_sql", (), tuple((server, _statement(each)) for server, each in given.items() if each))


def _statement(texts: tuple[str, ...]) -> Source:
    return quoted(texts[0]) if len(texts) == 1 else items("[]", map(quoted, texts))
