"""Running revisions through Alembic and the folder's env.py, one move after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, RevisionStep

from sqlstrata.migrate.apply import configuration
from sqlstrata.migrate.failures import exit_code, place_of
from sqlstrata.proof.verdict import NotProved, failed, require_answer
from sqlstrata.proof.walk import Move, Walk

_REFUSALS = (6, 9)
Stop = tuple[Move, Exception]


def refuses(error: Exception) -> bool:
    """Whether a revision refused to run because of rows, before its first statement."""
    return exit_code(error) in _REFUSALS


def drive(walk: Walk, moves: Iterator[Move], first: Move, may_stop: Callable[[Move, Exception], bool]) -> Stop | None:
    """Run the moves; `first` is the first one. `moves` checks the database whenever it is asked for the next one.

    Gives the move at which a revision raised what `may_stop` allows, with the error; None where all moves were run.
    Raises NotProved, Unreachable, and what is this program's own fault.
    """
    last = first

    def steps() -> Iterator[RevisionStep]:
        nonlocal last
        for move in moves:
            last = move
            walk.statements.clear()
            walk.connection.commit()  # Alembic's version table is created in no step's transaction
            script = walk.script.get_revision(walk.steps[move.index].revision.id)
            yield RevisionStep(walk.script.revision_map, script, move.direction != "down")

    try:
        _run(walk, steps())
    except NotProved:
        walk.connection.rollback()
        raise
    except Exception as error:
        require_answer(error, walk.url)
        place = place_of(error, walk.migrations)
        walk.connection.rollback()
        if may_stop(last, error):
            return last, error
        raise failed(walk.steps[last.index].stage.name, walk.label(last), walk.server, error, place) from error
    return None


def _run(walk: Walk, steps: Iterator[RevisionStep]) -> None:
    """Run all steps in one call of env.py; where its transaction would contain them all, each in a call of its own."""
    together = True

    def all_steps(_: object, context: MigrationContext) -> Iterator[RevisionStep]:
        nonlocal together
        together = bool(context.opts["transaction_per_migration"])
        return steps if together else iter(())

    _run_env(walk, all_steps)
    for step in () if together else steps:
        _run_env(walk, lambda *_, step=step: iter((step,)))


def _run_env(walk: Walk, function: Callable[..., Iterator[RevisionStep]]) -> None:
    config = configuration(walk.migrations, connection=walk.connection, alone=True)
    head = walk.steps[-1].revision.id
    walk.connection.rollback()
    with EnvironmentContext(config, walk.script, fn=function, as_sql=False, destination_rev=head):
        walk.script.run_env()
    walk.connection.commit()
