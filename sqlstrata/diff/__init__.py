"""What leads from one stage's schema to the next: `diff(before, after, hints)`.

No database takes part. Elements are compared as `sqlstrata.schema` describes them, in every server's DDL; each kind of
thing is expressed in the file of its name, and `order` says what comes first. Going down is the same function with the
two schemas, and the hints, turned round: never the reverse of going up, which could not know what was there.
"""

from __future__ import annotations

from sqlstrata.diff import names, renames, statements, tables, types
from sqlstrata.diff.hints import Hints
from sqlstrata.diff.order import Draft, Migration, Need, Operation, Phase
from sqlstrata.schema.values import Schema

__all__ = ["Draft", "Hints", "Migration", "Need", "Operation", "Phase", "diff"]


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
