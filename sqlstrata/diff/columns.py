"""Columns that come, go or change: what they need, and what must be true of the rows."""

from __future__ import annotations

import re
from dataclasses import replace

from sqlstrata.diff.changes import Changes, widens
from sqlstrata.diff.constraints import on
from sqlstrata.diff.examples import crossing, example, refers_to, zoned
from sqlstrata.diff.order import Draft, Phase
from sqlstrata.diff.prepared import prepared
from sqlstrata.operations.conversion import keeps
from sqlstrata.schema.values import Column, Table
from sqlstrata.source import Call, Source, call, flat, quoted


def add(draft: Draft, changes: Changes, column: Column) -> Source:
    """A new column, marked, with what the rows that are there get in it."""
    name = draft.hints.name(changes.new.key, column.name)
    fill = prepared(draft, changes, "fill", name, column)
    if not column.nullable and not column.has_value:
        why = f"{name} is NOT NULL, and existing rows have no value for it"
        value = example(changes.new, column)
        if fill is not None:
            draft.complete("fill", name, value, why)
        elif draft.hints.up:
            target = refers_to(changes.new, column)
            why += f"; the value offered refers all of them to the first row of {target}" if target else ""
            draft.need("fill", name, value, why, rename=_rename(changes, column))
        else:
            advice = f"{why}. Give the stage a `fill` for {name}"
            draft.do(Phase.REQUIRE, on("op.require_no_rows", changes.before, quoted(advice)))
    draft.say(f"{changes.new.key}: + {column.name}")
    return call("op.added", column.source, fill=fill)


def _rename(changes: Changes, column: Column) -> tuple[str, str] | None:
    """The rename that an added column perhaps is."""
    alike = next((each.name for each in changes.removed if _alike(column, each)), None)
    return None if alike is None else (f"{changes.before.key}.{original(alike)}", column.name)


def is_constant(column: Column) -> bool:
    """Whether the column's default is one value, and nothing that is worked out."""
    return _CONSTANT.match(next(iter((column.default or {}).values()), None) or "") is not None


_CONSTANT = re.compile(r"x?'|[-+]?[\d.]|(true|false|null)$", re.IGNORECASE)


def remove(draft: Draft, changes: Changes, column: Column) -> Source:
    """A column that goes, marked. On the way down nothing is asked, but the stage may name what it adds."""
    side = changes.before if draft.hints.up else changes.new
    name = f"{side.key}.{original(column.name)}"
    allowed = draft.allowed_to_drop(name)
    if draft.hints.up and not allowed and column.computed is None:
        alike = next((each.name for each in changes.added if _alike(each, column)), None)
        rename = None if alike is None else (name, alike)
        draft.need("drop", name, None, f"column {name} is dropped, with its values", rename=rename)
    draft.say(f"{changes.new.key}: - {original(column.name)}")
    return call("op.removed", column.source)


def change(draft: Draft, changes: Changes, old: Column, new: Column) -> Source:
    """A column that becomes another, marked, with how its values cross."""
    name = draft.hints.name(changes.new.key, new.name)
    cast = prepared(draft, changes, "cast", name, new)
    may_be_null = old.nullable or cast is not None
    fill = prepared(draft, changes, "fill", name, new) if may_be_null and not new.nullable else None
    if old.computed is None and new.computed is not None:
        if draft.hints.up and not draft.allowed_to_drop(name):
            draft.need("drop", name, None, f"column {name} becomes computed, and its values are lost")
    elif new.computed is None:
        _values(draft, changes, old, new, name, cast)
        if old.nullable and not new.nullable:
            _no_nulls(draft, changes, new, name, fill)
    draft.say(f"{changes.new.key}: {new.name} {', '.join(_words(old, new))}")
    now, was = (_marked(changes, *side) for side in ((changes.new, new), (changes.old, old)))
    return call("op.changed", now, was=was, cast=cast, fill=fill)


def _marked(changes: Changes, table: Table, column: Column) -> Source:
    """The column as a mark says it: that a foreign key keeps it from being counted no mark says, if the key stays."""
    if column.counted or table.primary_key != (column.name,) or "integer" not in column.kinds.values():
        return column.source
    if not any(column.name in key.columns for key in changes.kept_keys):
        return column.source
    return replace(column, keywords=tuple((dict(column.keywords) | {"autoincrement": "False"}).items())).source


def _no_nulls(draft: Draft, changes: Changes, new: Column, name: str, fill: Source | None) -> None:
    why = f"{name} becomes NOT NULL, and rows may be NULL there"
    if fill is not None:
        draft.complete("fill", name, example(changes.new, new), why)
        return
    if new.default is None:
        draft.need("fill", name, example(changes.new, new), why)
    old_name = quoted(changes.name_before(new.name))
    draft.do(Phase.REQUIRE, on("op.require_no_nulls", changes.before, old_name))


def _values(draft: Draft, changes: Changes, old: Column, new: Column, name: str, cast: Source | None) -> None:
    """What a change of type asks for: nothing, that every value survives, or a `cast`."""
    if _gets_a_zone(old, new):
        _zone(draft, old, new, name, cast)
        return
    differs = [each for each in new.types if _differs(old, new, each)]
    if not differs or widens(old, new):
        return
    if changes.new.has_type(new.name, draft.new_types) and old.kinds == new.kinds:
        return
    why = f"{name} is {_type(old)} and becomes {_type(new)}, and nothing says how its values are converted"
    if cast is not None:
        draft.complete("cast", name, crossing(old, new), why, differs)
        return
    if any(keeps(old.kinds[each], new.kinds[each]) is False for each in differs):
        draft.need("cast", name, crossing(old, new), why, instead=example(changes.new, new))
    was = replace(old, name=changes.name_before(old.name))
    column = replace(new, name=was.name)
    draft.do(Phase.REQUIRE, on("op.require_convertible", changes.before, _bare(column), _bare(was)))


def _gets_a_zone(old: Column, new: Column) -> bool:
    """Whether times get or lose a time zone on PostgreSQL."""
    both = [(each.types.get("postgresql") or "").upper() for each in (old, new)]
    kinds = {each.kinds.get("postgresql") for each in (old, new)}
    return (
        len(kinds) == 1
        and kinds <= {"datetime", "time"}
        and ("WITH TIME ZONE" in both[0]) != ("WITH TIME ZONE" in both[1])
    )


def _zone(draft: Draft, old: Column, new: Column, name: str, cast: Source | None) -> None:
    """Ask for the zone: PostgreSQL would take that of whoever runs the revision, and another one on the way down."""
    why = f"{name} is {_type(old)} and becomes {_type(new)}, and nothing says in which time zone its values are"
    if cast is None:
        draft.need("cast", name, zoned(old, new), why, both_ways=True)
    else:
        draft.complete("cast", name, zoned(old, new), why, ("postgresql",))


def _differs(old: Column, new: Column, name: str) -> bool:
    if old.types[name] is None or new.types[name] is None:
        return False
    return old.types[name] != new.types[name] or old.labels != new.labels


def _bare(column: Column) -> Source:
    """The column as far as its values matter."""
    return Call("sa.Column", (quoted(column.name), column.rest[0]))


def _type(column: Column) -> str:
    return next((text for text in column.types.values() if text), "?")


def _words(old: Column, new: Column) -> list[str]:
    words = []
    if old.types != new.types:
        shown = next(each for each in new.types if old.types[each] != new.types[each])
        words.append(f"{old.types[shown]} → {new.types[shown]}")
    elif old.labels != new.labels:
        words.append(f"{', '.join(old.labels)} → {', '.join(new.labels)}")
    if old.nullable != new.nullable:
        words.append("NULL" if new.nullable else "NOT NULL")
    if old.default != new.default:
        words.append("no default" if new.default is None else "default")
    if flat(old.computed or "") != flat(new.computed or ""):
        words.append("computed" if new.computed is not None else "no longer computed")
    if old.comment != new.comment:
        words.append("comment")
    return words or ["changed"]


def is_made_again(old: Column, new: Column) -> bool:
    """Whether the column is dropped and added again on some server: a computed column has no values to keep."""
    another = new.computed is not None and old.types != new.types
    return another or flat(old.computed or "") != flat(new.computed or "")


def original(name: str) -> str:
    """A name without the mark of having stepped aside for another."""
    return name.removesuffix("_renamed")


def _alike(one: Column, other: Column) -> bool:
    return one.types == other.types
