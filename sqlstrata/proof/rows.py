"""Rows in the proof: the development rows of each stage go in, and are checked after every move."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import sqlalchemy as sa

from sqlstrata.migrate.failures import message_of
from sqlstrata.proof.carried import altered, changed_by_sql, computed, lost, named_by
from sqlstrata.proof.verdict import NotProved, differing, require_answer
from sqlstrata.proof.walk import Move, Walk
from sqlstrata.revisions.rows import insert
from sqlstrata.snapshot import Rows


def require_kept(walk: Walk, move: Move, tables: Collection[str]) -> None:
    """After an upgrade: every row of these tables that was there before it is still there. Raises NotProved."""
    step, before = walk.steps[move.index], walk.schema(move.index - 1)
    held = walk.rows.held(tables)
    walk.rows.read(walk.connection, step.schema, tables, walk.schemas)
    free = altered(before, step.schema, tables, step.stage.rename, walk.server)
    _require(walk, move, held, step.stage.rename, free)


def require_restored(walk: Walk, index: int, tables: Collection[str]) -> None:
    """After a downgrade: every row of the stage before is there again. Raises NotProved."""
    before = walk.schema(index - 1)
    walk.rows.read(walk.connection, before, tables, walk.schemas)
    _require(walk, Move(index, "down"), walk.rows.before(), {}, computed(before, tables))


def require_untouched(walk: Walk, move: Move, tables: Collection[str]) -> None:
    """After a downgrade that refused: nothing has changed in the rows of these tables. Raises NotProved."""
    held = walk.rows.held(tables)
    walk.rows.read(walk.connection, walk.schema(move.index), tables, walk.schemas)
    _require(walk, move, held, {}, set())


def _require(walk: Walk, move: Move, held: Rows, renames: Mapping[str, str], free: Collection[str]) -> None:
    stage = walk.steps[move.index].stage
    by_sql = changed_by_sql(stage, walk.server, walk.schema(move.index - 1), walk.schema(move.index))
    found = lost(held, walk.rows.rows, renames, {*named_by(stage), *free, *by_sql})
    if found is not None:
        raise differing(stage.name, walk.label(move), "the scratch database", [found])


def insert_rows(walk: Walk, index: int, tables: Collection[str]) -> None:
    """Insert the stage's development rows into these tables. Raises NotProved where they do not fit."""
    step = walk.steps[index]
    given = {name: rows for name, rows in step.stage.rows.items() if name in tables}
    if not given:
        return
    try:
        insert(walk.connection, step.filled, given)
        walk.connection.commit()
    except sa.exc.SQLAlchemyError as error:
        require_answer(error, walk.url)
        walk.connection.rollback()
        message = f"The rows of stage {step.stage.name} do not fit its tables on {walk.server}: {message_of(error)}"
        raise NotProved(message, hint="Fix the `rows` of the stage.", stage=step.stage.name, key="rows") from error
    walk.rows.read(walk.connection, step.schema, tables, walk.schemas)


def new_tables(walk: Walk, index: int) -> set[str]:
    """Those tables with development rows of a stage that it makes: a downgrade has dropped their rows."""
    stage = walk.steps[index].stage
    kept = {stage.rename.get(key, key) for key in walk.schema(index - 1).tables}
    return stage.rows.keys() - kept
