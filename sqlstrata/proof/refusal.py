"""A downgrade that refuses to run because of rows: nothing may have changed, and without rows it must run."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import command

from sqlstrata.databases.database import connect
from sqlstrata.migrate.apply import configuration
from sqlstrata.migrate.failures import place_of
from sqlstrata.proof.compare import compare
from sqlstrata.proof.rows import require_untouched
from sqlstrata.proof.verdict import differing, failed, require_answer
from sqlstrata.proof.walk import Move, Walk
from sqlstrata.scratch.bracket import scratch
from sqlstrata.snapshot import differences, snapshot


def prove_refusal(walk: Walk, index: int) -> None:
    """Prove the stage as far as it goes with rows, and again without them in another scratch database.

    Raises NotProved.
    """
    refused = Move(index, "down, refused")
    require_untouched(walk, refused, compare(walk, refused))
    with scratch(walk.url, walk.schemas) as empty, connect(empty.engine) as connection:
        for direction in ("up", "down", "up again"):
            _run(walk, index, direction, connection)


def _run(walk: Walk, index: int, direction: str, connection: sa.Connection) -> None:
    """Bring the empty database to the stage, or to the one before it, and compare."""
    stage, label = walk.steps[index].stage.name, f"{direction}, without rows"
    parent = walk.steps[index - 1].revision.id if index else "base"
    config = configuration(walk.migrations, connection=connection, alone=True)
    try:
        if direction == "down":
            command.downgrade(config, parent)
        else:
            command.upgrade(config, walk.steps[index].revision.id)
        connection.commit()
    except Exception as error:
        require_answer(error, walk.url)
        connection.rollback()
        raise failed(stage, label, walk.server, error, place_of(error, walk.migrations)) from error
    wanted = walk.expected_after(Move(index, direction), None)
    found = differences(wanted, snapshot(connection, walk.schemas, read=walk.read))
    connection.rollback()
    if found:
        raise differing(stage, label, walk.server, found)
