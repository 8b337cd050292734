"""What else is known about how a schema differs: who knows the thing, what to paste, and the line that defines it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from sqlstrata.disk import shown
from sqlstrata.migrate.identity import Fit
from sqlstrata.migrate.outline import Outline
from sqlstrata.modules.turning import place_of
from sqlstrata.plan import Plan
from sqlstrata.replay.objects import objects
from sqlstrata.snapshot import Difference
from sqlstrata.source import call, flat, laid_out, quoted
from sqlstrata.sql_objects import object_of

_NEAR = 5
"""With more differences than that, it is no near miss, and no lines are named."""


@dataclass(frozen=True)
class Explained:
    """A difference; whether a stage knows the thing, the text that models have for it, and where they define it."""

    difference: Difference
    known: bool = True
    paste: str | None = None
    where: str | None = None

    def to_json(self) -> dict[str, object]:
        more = {"known": self.known, "paste": self.paste, "where": self.where}
        return {**self.difference._asdict(), **more}


def explained(connection: sa.Connection, plan: Plan, stages: Sequence[Outline], fit: Fit) -> tuple[Explained, ...]:
    """Explain each difference of a fit. The database is only read."""
    if fit.exact:
        return ()
    nearest = [each for each in stages if each.stage in {fit.stage, stages[-1].stage}]
    texts = _definitions(connection)
    connection.rollback()
    return tuple(
        Explained(
            each,
            known=each.expected is not None or not _is_thing(each) or _is_known(each, stages, nearest),
            paste=texts.get(_key(each)) if each.expected is None else None,
            where=_where(plan, fit, each) if len(fit.differences) <= _NEAR else None,
        )
        for each in fit.differences
    )


def _is_thing(difference: Difference) -> bool:
    """Whether the whole of a table, view, type… is more, and not a part of a table."""
    return " " not in difference.what or difference.what in {"materialized view", "foreign table"}


def _is_known(difference: Difference, stages: Sequence[Outline], nearest: Sequence[Outline]) -> bool:
    """Whether a stage has a table or view; of others, whether the nearest or the last stage has it."""
    name = difference.table.removesuffix("()")
    if any(name in each.columns or name in each.views for each in stages):
        return True
    schemas = [each.schema() for each in nearest]
    others = {key.rpartition(" ")[2] for each in schemas for key in each.statements}
    return name in others or any(name in each.enums or name in each.sequences for each in schemas)


# ------------------------------------------------ the text to paste


def _definitions(connection: sa.Connection) -> Mapping[tuple[str, str], str]:
    """How models would have each object of a database and each enum, by its kind and name."""
    found = {}
    for event, text in objects(connection):
        made = object_of(text)
        if made is not None:
            kind = "function" if made.kind == "PROCEDURE" and connection.dialect.name == "postgresql" else made.kind
            ddl = call("sa.DDL", quoted(text.replace("%", "%%")))
            found[kind.lower(), made.bare_name] = laid_out(call("sa.event.listen", "metadata", quoted(event), ddl))
    if connection.dialect.name == "postgresql":
        for enum in sa.inspect(connection).get_enums("*"):  # type: ignore[attr-defined] # PostgreSQL's alone has it
            labels = map(quoted, enum["labels"])
            found["enum", enum["name"]] = flat(call("sa.Enum", *labels, name=quoted(enum["name"]), metadata="metadata"))
    return found


def _key(difference: Difference) -> tuple[str, str]:
    """The kind and name by which a definition is found: of a part, such as `trigger hush`, its own."""
    kind, _, name = difference.what.rpartition(" ") if not _is_thing(difference) else (difference.what, "", "")
    return (kind or difference.what, name or difference.table.removesuffix("()").rpartition(".")[2])


# ------------------------------------------------ the line that defines it


def _where(plan: Plan, fit: Fit, difference: Difference) -> str | None:
    """The line of the nearest stage's models that has a part of a table, or else that of the table."""
    index = next((number for number, stage in enumerate(plan.stages) if stage.name == fit.stage), None)
    table = difference.table.rpartition(".")[2]
    if index is None:
        return None
    place = place_of(plan, index, table)
    if place is None:
        return None
    path, lines = place
    text = path.read_text(encoding="utf-8", errors="replace").splitlines()
    line = next((each for word in _words(difference) for each in lines if _has(text[each - 1], word)), lines.start)
    return f"{shown(path)}:{line}"


def _words(difference: Difference) -> Iterator[str]:
    """What a line may have that defines a part: its name, and then the columns that it is about."""
    part = difference.what.partition(":")[0].partition(" ")[2]
    yield from re.findall(r"\w+", part)
    yield from re.findall(r"\w+", (difference.expected or "") if part else "")


def _has(line: str, word: str) -> bool:
    return re.search(rf"\b{re.escape(word)}\b", line) is not None
