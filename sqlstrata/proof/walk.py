"""What a proof works with, as values."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from alembic.script import ScriptDirectory

from sqlstrata.proof.carried import Carried
from sqlstrata.proof.mirror import Expected
from sqlstrata.revisions.generate import Step
from sqlstrata.schema.part import Neighbours
from sqlstrata.schema.values import Schema
from sqlstrata.snapshot import Read, Snapshot

REMARK = ", with generated rows"
"""What messages add to the direction of a move with such rows."""


@dataclass(frozen=True, slots=True)
class Move:
    """One stage in one direction: up, down or up again."""

    index: int
    direction: str


@dataclass(frozen=True)
class Walk:
    """A history on its way through a scratch database.

    steps and expected: the stages, and what the mirror has of each; server, url, schemas, connection: the scratch
    database; migrations, script: the folder, and Alembic's view of it. What changes: `statements`, those of the last
    move; `rows`, what the tables hold; `neighbours`, which tables point at which; `read`, a cache of the snapshots.
    """

    steps: Sequence[Step]
    expected: Sequence[Expected]
    server: str
    url: sa.URL
    schemas: tuple[str, ...]
    connection: sa.Connection
    migrations: Path
    script: ScriptDirectory
    statements: list[str]
    rows: Carried
    neighbours: Neighbours
    read: Read
    remark: str = ""
    """What messages add to the direction of a move."""

    def label(self, move: Move) -> str:
        """The direction of a move, for messages."""
        return f"{move.direction}{self.remark}"

    def begin(self, index: int) -> set[str]:
        """Begin a stage: learn its foreign keys, and what the rows are before it; give the tables that it changes."""
        self.rows.begin()
        return self.neighbours.learn(self.schema(index - 1), self.schema(index))

    def schema(self, index: int) -> Schema:
        """The schema of a stage; -1 is before the first one."""
        return Schema() if index < 0 else self.steps[index].schema

    def expected_after(self, move: Move, names: Collection[str] | None) -> Snapshot:
        """The expected snapshot after a move: all of it, or what has these names."""
        index = move.index - (move.direction == "down")
        things = {} if index < 0 else self.expected[index].snapshot.things
        return Snapshot(things if names is None else {name: things[name] for name in names if name in things})
