"""Proving a history: what has not been proved never replaces what has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic.script import ScriptDirectory

from sqlstrata.databases.database import connect
from sqlstrata.migrate.apply import configuration
from sqlstrata.proof.carried import Carried
from sqlstrata.proof.compare import compare
from sqlstrata.proof.drive import drive, refuses
from sqlstrata.proof.generated import REMARK, prove_generated
from sqlstrata.proof.mirror import Mirror
from sqlstrata.proof.refusal import prove_refusal
from sqlstrata.proof.rows import insert_rows, new_tables, require_kept, require_restored
from sqlstrata.proof.walk import Move, Walk
from sqlstrata.revisions.generate import Step
from sqlstrata.schema.part import Neighbours
from sqlstrata.scratch.bracket import scratch

Notify = Callable[[str], None]


def once(report: Notify) -> Callable[[str, str], None]:
    """Report one sentence about each table, for `note`, however often there is something to say about it."""
    known: set[str] = set()

    def note(table: str, sentence: str) -> None:
        if table not in known:
            known.add(table)
            report(sentence)

    return note


def ignore(_table: str, _sentence: str) -> None:
    """Report nothing."""


def prove(
    server: str,
    migrations: Path,
    steps: Sequence[Step],
    notify: Notify,
    mirror: Mirror | None = None,
    note: Callable[[str, str], None] = ignore,
) -> None:
    """Prove a folder of revisions on a server; `notify` gets each stage's name when it is its turn, and "" at the end.

    1. The mirror has made every stage with `create_all`. It gets them while the history is generated; without one, the
       models are imported again for it.
    2. In an empty scratch database each stage goes up, through the folder's env.py. The database must match the mirror,
       and have all rows that it had before. The stage's development rows are inserted.
    3. It goes down. The database must match the stage before, with all of its rows. It goes up again, and must match.
    4. A downgrade that refuses because of rows must have changed nothing; in another scratch database the stage goes
       up, down and up again without rows. The next stages go on in the first one.
    5. Where the mirror has copies of the tables, all of it is done with generated rows, too (see `generated`): `note`
       gets each table that cannot be filled, and a sentence about it.

    Raises NotProved with the differences, or with the statement that failed; WrongUse where the mirror could not be
    made; Unreachable. Only scratch databases are changed.
    """
    with _mirrored(server, steps, mirror) as complete:
        with _walking(migrations, steps, complete) as walk:
            _prove_given(walk, notify)
            notify("")
        if complete.copies and steps:
            rows: dict[int, int] = {}
            position: Move | None = Move(0, "up")
            while position is not None:
                with _walking(migrations, steps, complete, REMARK) as walk:
                    position = prove_generated(walk, position, rows, notify, note)


def _prove_given(walk: Walk, notify: Notify) -> None:
    """Prove on the development rows."""
    start = 0
    while start < len(walk.steps):
        stop = drive(
            walk,
            _moves(walk, start, notify),
            Move(start, "up"),
            lambda move, error: move.direction == "down" and refuses(error),
        )
        if stop is None:
            return
        prove_refusal(walk, stop[0].index)
        start = stop[0].index + 1


def _moves(walk: Walk, start: int, notify: Notify) -> Iterator[Move]:
    """The moves of all stages from this one on, with the checks after each."""
    for index, step in enumerate(walk.steps[start:], start):
        up, down, again = (Move(index, direction) for direction in ("up", "down", "up again"))
        notify(step.stage.name)
        walk.rows.begin()
        yield up
        touched = compare(walk, up)
        require_kept(walk, up, touched)
        insert_rows(walk, index, step.stage.rows.keys())
        if step.stage.reversible:
            yield down
            require_restored(walk, index, compare(walk, down) | touched)
            yield again
            touched |= compare(walk, again)
            walk.rows.read(walk.connection, step.schema, touched, walk.schemas)
            insert_rows(walk, index, new_tables(walk, index))


@contextmanager
def _mirrored(server: str, steps: Sequence[Step], mirror: Mirror | None) -> Iterator[Mirror]:
    """The mirror that is given, or one of all stages."""
    if mirror is not None:
        yield mirror
        return
    with Mirror(server) as own:
        for step in steps:
            own.show(step.stage, step.metadata, frozenset(step.metadata.tables) | own.known)
        yield own


@contextmanager
def _walking(migrations: Path, steps: Sequence[Step], mirror: Mirror, remark: str = "") -> Iterator[Walk]:
    expected = mirror.expected()
    with scratch(mirror.server, mirror.schemas) as database, connect(database.engine) as connection:
        statements: list[str] = []

        @sa.event.listens_for(database.engine, "before_cursor_execute")
        def _note(_: object, __: object, statement: str, *___: object) -> None:
            statements.append(statement)

        yield Walk(
            steps,
            expected,
            mirror.kind,
            database.url,
            mirror.schemas,
            connection,
            migrations,
            ScriptDirectory.from_config(configuration(migrations)),
            statements,
            Carried(),
            Neighbours(),
            mirror.read,
            remark,
        )
