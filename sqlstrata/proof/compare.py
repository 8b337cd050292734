"""Comparing the scratch database with what `create_all` makes of a stage's models.

What is compared is what the models change and what the revision's statements name; everything after the first, second,
fourth, eighth… stage, and after the last.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from sqlstrata.proof.verdict import differing
from sqlstrata.proof.walk import Move, Walk
from sqlstrata.snapshot import differences, snapshot

# A name in a statement, in the quotes of any server or bare.
_NAME = re.compile(r'"((?:[^"]|"")+)"|`((?:[^`]|``)+)`|([^\W\d][\w$]*)')


def compare(walk: Walk, move: Move) -> frozenset[str]:
    """Compare after a move; give the keys of all tables that it may have changed. Raises NotProved."""
    changing = walk.expected[move.index].names
    names = None
    if changing is not None and not (move.direction == "up" and _is_due(walk, move.index)):
        names = named(walk) | changing
    found = differences(walk.expected_after(move, names), snapshot(walk.connection, walk.schemas, names, walk.read))
    if found:
        raise differing(walk.steps[move.index].stage.name, walk.label(move), walk.server, found)
    return touched(walk, move, names)


def changed(walk: Walk, move: Move) -> frozenset[str]:
    """The keys of all tables that a move may have changed, without comparing anything."""
    names = walk.expected[move.index].names
    return touched(walk, move, None if names is None else named(walk) | names)


def touched(walk: Walk, move: Move, names: frozenset[str] | None) -> frozenset[str]:
    """The keys of the tables with these names, and of those that point at them and have rows; of all for None."""
    tables = walk.schema(move.index - 1).tables.keys() | walk.schema(move.index).tables.keys()
    if names is None:
        return frozenset(tables)
    pointing = {key for key in walk.neighbours.pointing(names) if walk.rows.rows.get(key)}
    return frozenset((names | pointing) & tables)


def _is_due(walk: Walk, index: int) -> bool:
    """Whether everything is compared after this stage."""
    return not index & (index + 1) or index == len(walk.steps) - 1


def named(walk: Walk) -> frozenset[str]:
    """All names in the statements of the last move, in the models' spelling and in the statements'."""
    words = {word for text in walk.statements for found in _NAME.finditer(text) for word in found.groups() if word}
    names: Collection[str] = words | {name for word in words for name in walk.neighbours.called(word)}
    return frozenset({*names, *(f"{schema}.{name}" for schema in walk.schemas for name in names)})
