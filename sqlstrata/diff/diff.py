"""What leads from one schema to another: `diff(before, after, hints)`."""

from __future__ import annotations

from sqlstrata.diff import names, renames, statements, tables, types
from sqlstrata.diff.hints import Hints
from sqlstrata.diff.order import Draft, Migration
from sqlstrata.schema.values import Schema


def diff(before: Schema, after: Schema, hints: Hints) -> Migration:
    """The operations that make `after` of `before`, in order, and what the stage would have to allow.

    What is not allowed stands in the result's `needs`; its operations are then of no use. Hints that something was
    found for are in `used`. Raises WrongUse where a difference cannot be expressed.
    """
    draft = Draft(hints)
    moved = names.free(draft, renames.apply(draft, before, after), after)
    statements.compare(draft, moved, after)
    types.compare(draft, moved, after)
    tables.compare(draft, before, moved, after)
    return draft.migration()
