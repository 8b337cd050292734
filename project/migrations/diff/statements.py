"""Views and what DDL events say: texts that are put up last and taken down first."""

from __future__ import annotations

from collections.abc import Mapping

from project.errors import WrongUse
from project.schema.values import Schema, Statements
from project.source import Call, Source, items, quoted

from .order import Draft, Phase
from .words import words


def compare(draft: Draft, before: Schema, after: Schema) -> None:
    """Take down what goes, changes, or stands on a table that changes; put up what comes, and the latter again."""
    changed = {key for key in {*before.tables, *after.tables} if before.tables.get(key) != after.tables.get(key)}
    for key, old in reversed(list(before.statements.items())):
        if after.statements.get(key) != old or (_mentions(old, changed) and key != "events before tables"):
            _take_down(draft, old)
    for key, new in after.statements.items():
        if before.statements.get(key) != new:
            draft.say(f"{'~' if key in before.statements else '+'} {key}")
        elif not _mentions(new, changed) or key == "events before tables":
            continue
        early = key == "events before tables"
        draft.do(Phase.TYPES_ON if early else Phase.STATEMENTS_ON, _run(new.create))
    for key in before.statements:
        if key not in after.statements:
            draft.say(f"- {key}")


def _mentions(statements: Statements, tables: set[str]) -> bool:
    names = {key.rpartition(".")[2] for key in tables}
    return any(words(text) & names for texts in statements.create.values() for text in texts)


def _take_down(draft: Draft, old: Statements) -> None:
    missing = [server for server, texts in old.create.items() if texts and not old.drop.get(server)]
    if missing:
        raise WrongUse(
            f"{old.name} is made by the models on {', '.join(missing)}, and nothing says how it is taken down: "
            f"{old.create[missing[0]][0]!r}.",
            hint="Add a before_drop or after_drop event that drops it, or make it with the stage's `data`.",
        )
    early = old.name == "events before tables"
    draft.do(Phase.TYPES_OFF if early else Phase.STATEMENTS_OFF, _run(old.drop))


def _run(texts: Mapping[str, tuple[str, ...]]) -> Source:
    given = {"mysql" if server == "mariadb" else server: each for server, each in texts.items()}
    distinct = set(given.values())
    if len(distinct) == 1:
        return Call("op.run_sql", (_statement(distinct.pop()),))
    return Call("op.run_sql", (), tuple((server, _statement(each)) for server, each in given.items() if each))


def _statement(texts: tuple[str, ...]) -> Source:
    return quoted(texts[0]) if len(texts) == 1 else items("[]", map(quoted, texts))
