"""Enum types and sequences of their own."""

from __future__ import annotations

from sqlstrata.diff.order import Draft, Phase
from sqlstrata.schema.values import Enum, Schema
from sqlstrata.source import Call, Source, call, items, quoted


def compare(draft: Draft, before: Schema, after: Schema) -> None:
    """Types and sequences are made before the tables that have them, and dropped after those that had."""
    _compare_enums(draft, before, after)
    _compare_sequences(draft, before, after)


def _compare_enums(draft: Draft, before: Schema, after: Schema) -> None:
    for key, enum in after.enums.items():
        if key not in before.enums:
            draft.do(Phase.TYPES_ON, _enum("op.create_enum", enum))
        elif before.enums[key].labels != enum.labels:
            _change(draft, before, after, before.enums[key], enum)
    for key, enum in before.enums.items():
        if key not in after.enums:
            draft.do(Phase.TYPES_OFF, _named("op.drop_enum", (quoted(enum.name),), enum.schema))


def _compare_sequences(draft: Draft, before: Schema, after: Schema) -> None:
    for key, sequence in after.sequences.items():
        if key not in before.sequences:
            draft.do(Phase.TYPES_ON, call("op.create_sequence", sequence.source))
            draft.say(f"+ sequence {key}")
        elif before.sequences[key].source != sequence.source:
            draft.do(Phase.TYPES_ON, call("op.change_sequence", sequence.source))
            draft.say(f"sequence {key}")
    for key, sequence in before.sequences.items():
        if key not in after.sequences:
            draft.do(Phase.TYPES_OFF, call("op.drop_sequence", sequence.source))
            draft.say(f"- sequence {key}")


def _enum(function: str, enum: Enum) -> Source:
    return _named(function, (quoted(enum.name), *map(quoted, enum.labels)), enum.schema)


def _named(function: str, arguments: tuple[Source, ...], schema: str | None) -> Call:
    return Call(function, arguments, () if schema is None else (("schema", quoted(schema)),))


def _change(draft: Draft, before: Schema, after: Schema, old: Enum, new: Enum) -> None:
    """A column that goes, or gets another type, keeps its values in the old type until it does."""
    staying, leaving = _columns(before, after, new.key)
    columns = [items("()", _crossing(draft, *each)) for each in staying]
    made = call(
        "op.change_enum",
        *(quoted(each) for each in (new.name, *new.labels)),
        was=items("[]", map(quoted, old.labels)),
        columns=items("[]", columns),
        keep="True" if leaving else None,
        schema=None if new.schema is None else quoted(new.schema),
    )
    draft.do(Phase.TYPES_ON, made)
    if leaving:
        draft.do(Phase.TYPES_OFF, _named("op.drop_enum", (quoted(f"{new.name}_before"),), new.schema))


def _columns(before: Schema, after: Schema, key: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Every column that has the type by then, with its table: those that have it after the stage, and the others."""
    staying: list[tuple[str, str]] = []
    leaving: list[tuple[str, str]] = []
    for table in before.tables.values():
        there = after.tables.get(table.key)
        if there is None:
            continue
        for column in table.columns.values():
            if column.enum == key:
                stays = column.name in there.columns and there.columns[column.name].enum == key
                (staying if stays else leaving).append((table.key, column.name))
    return staying, leaving


def _crossing(draft: Draft, table: str, column: str) -> tuple[Source, ...]:
    """A column that stays, and how its values cross where the stage says so."""
    cast = draft.cast(draft.hints.name(table, column), {})
    return (quoted(table), quoted(column), *([] if cast is None else [cast]))
