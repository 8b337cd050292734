"""Proving a history: what has not been proved never replaces what has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import sqlalchemy as sa
from alembic.script import ScriptDirectory

from sqlstrata.databases.database import connect
from sqlstrata.migrate.apply import configuration
from sqlstrata.proof.agreement import Observed
from sqlstrata.proof.carried import Carried
from sqlstrata.proof.generated import prove_generated
from sqlstrata.proof.given import prove_given
from sqlstrata.proof.mirror import Expected, Mirror
from sqlstrata.proof.verdict import NotProved
from sqlstrata.proof.walk import REMARK, Move, Walk
from sqlstrata.revisions.generate import Step
from sqlstrata.schema.part import Neighbours
from sqlstrata.scratch.bracket import scratch

Notify = Callable[[str], None]
Walking = AbstractContextManager[Walk]


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
    observed: Observed | None = None,
) -> None:
    """Prove a folder of revisions on a server; `notify` gets each stage's name when it is its turn, and "" at the end.

    1. The mirror has made every stage with `create_all`. It gets them while the history is generated; without one, the
       models are imported again for it.
    2. In an empty scratch database each stage goes up, through the folder's env.py. The database must match the mirror,
       and have all rows that it had before.
    3. It goes down. The database must match the stage before, with all of its rows. It goes up again, and must match.
    4. The rows are generated (see `generated`): `note` gets each table that cannot be filled, and a sentence about it.
       Where a plan has rows of its own, all stages are run once more with these, and those that change a table with
       rows are undone and repeated as well (see `given`). If the mirror has no copies of the tables, which generated
       rows need, there are only the plan's.
       `observed`, if given, gets what becomes of values, to be compared with another server's (see `agreement`).
    5. What fails with generated rows may fail without them, too: then that is the error.

    Raises NotProved with the differences, or with the statement that failed; WrongUse where the mirror could not be
    made; Unreachable. Only scratch databases are changed.
    """
    with _mirrored(server, steps, mirror) as complete:
        script = ScriptDirectory.from_config(configuration(migrations))
        walking = partial(_walking, complete, steps, complete.expected(), migrations, script)
        if complete.copies and steps:
            try:
                _prove_generated(walking, notify, note, observed)
            except NotProved:
                with walking() as walk:
                    prove_given(walk, notify)
                raise
        if not complete.copies or any(step.stage.rows for step in steps):
            with walking() as walk:
                prove_given(walk, notify, compared=complete.copies)
    notify("")


def _prove_generated(
    walking: Callable[[str], Walking], notify: Notify, note: Callable[[str, str], None], observed: Observed | None
) -> None:
    rows: dict[int, int] = {}
    position: Move | None = Move(0, "up")
    while position is not None:
        with walking(REMARK) as walk:
            position = prove_generated(walk, position, rows, notify, note, observed)


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
def _walking(
    mirror: Mirror,
    steps: Sequence[Step],
    expected: Sequence[Expected],
    migrations: Path,
    script: ScriptDirectory,
    remark: str = "",
) -> Iterator[Walk]:
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
            script,
            statements,
            Carried(),
            Neighbours(),
            mirror.read,
            remark,
        )
