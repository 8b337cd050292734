"""Primary keys, unique keys, checks, exclusions and foreign keys: which of the old is which of the new."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sqlstrata.diff.order import Draft, Phase
from sqlstrata.diff.words import words
from sqlstrata.schema.values import Constraint, Table, equal
from sqlstrata.source import Call, Source, flat, quoted

_Pair = tuple[Constraint | None, Constraint | None]


def pairs(before: Iterable[Constraint], after: Iterable[Constraint]) -> Iterator[_Pair]:
    """Old and new constraints, those that are one another's side by side.

    What is equal belongs together; then what has the same name; then, of one kind, what has the same columns.
    """
    old, new = list(before), list(after)
    for test in (equal, _same_name, _same_place):
        for one in list(old):
            other = next((each for each in new if each.kind == one.kind and test(one, each)), None)
            if other is not None:
                old.remove(one)
                new.remove(other)
                yield one, other
    yield from ((one, None) for one in old)
    yield from ((None, other) for other in new)


def _same_name(one: Constraint, other: Constraint) -> bool:
    return one.kind == "primary key" or (one.name is not None and one.name == other.name)


def _same_place(one: Constraint, other: Constraint) -> bool:
    """A constraint that only got another name, or lost it."""
    if one.kind == "check":
        return one.condition is not None and one.condition == other.condition
    return one.columns == other.columns and (one.target, one.target_columns) == (other.target, other.target_columns)


def options(table: Table) -> tuple[tuple[str, Source], ...]:
    """The keyword that says in which schema a table is."""
    return () if table.schema is None else (("schema", quoted(table.schema)),)


def on(function: str, table: Table, *arguments: Source) -> Call:
    """An operation on a table: its name, the arguments, its schema."""
    return Call(function, (quoted(table.name), *arguments), options(table))


def describe(constraint: Constraint) -> str:
    """The constraint in words."""
    if constraint.kind == "foreign key":
        return f"foreign key ({', '.join(constraint.columns)}) → {constraint.target}"
    if constraint.kind == "check":
        return f"check {constraint.name or constraint.condition or ''}".rstrip()
    what = f" ({', '.join(constraint.columns)})" if constraint.columns else f" {constraint.name or ''}".rstrip()
    return f"{constraint.kind}{what}"


def words_of(constraint: Constraint) -> set[str]:
    """Every name that a check or exclusion may be about."""
    return words(" ".join(flat(each) for each in constraint.arguments).replace('"', " "))


# ------------------------------------------------------------------------ foreign keys


def drop_key(draft: Draft, table: Table, key: Constraint) -> None:
    """Take a foreign key off, where the server can; SQLite's are a part of the table."""
    if draft.hints.servers == ("sqlite",):
        return
    made = on("op.drop_foreign_key", table, key.source)
    if "mysql" in draft.hints.servers and _models_index(table, key):
        made = Call(made.function, made.arguments, (*made.keywords, ("keeps_index", "True")))
    draft.do(Phase.FOREIGN_KEYS_OFF, made)


def add_key(draft: Draft, table: Table, key: Constraint) -> None:
    """Put a foreign key on, where the server can."""
    if draft.hints.servers == ("sqlite",):
        return
    draft.do(Phase.FOREIGN_KEYS_ON, on("op.add_foreign_key", table, key.source))


def _models_index(table: Table, key: Constraint) -> bool:
    """Whether an index that MariaDB would take for the key's own is one of the models."""
    names = set(table.indexes) | {each.name for each in table.constraints if each.kind == "unique"}
    return (key.name or key.columns[0]) in names


def sorted_by_need(tables: Sequence[Table]) -> list[Table]:
    """The tables, each behind those that its keys point to; where they point in a circle, in their own order."""
    left, placed = list(tables), []
    while left:
        names = {table.key for table in left}
        ready = next((t for t in left if not ({k.target for k in t.foreign_keys()} - {t.key}) & names), left[0])
        left.remove(ready)
        placed.append(ready)
    return placed
