"""A proof on the development rows of the plan, which the stages bring with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlstrata.proof.compare import changed, compare
from sqlstrata.proof.drive import drive, refuses
from sqlstrata.proof.refusal import prove_refusal
from sqlstrata.proof.rows import insert_rows, new_tables, require_kept, require_restored
from sqlstrata.proof.walk import Move, Walk

Notify = Callable[[str], None]


def prove_given(walk: Walk, notify: Notify, *, compared: bool = False) -> None:
    """Carry the rows through all stages: up, down and up again, and compare the schema and the rows.

    A downgrade that refuses because of rows must have changed nothing; in another scratch database the stage goes up,
    down and up again without rows. The next stages go on in the first one.

    compared: whether the schemas were compared before; then stages that change no table with rows only go up. Raises
    NotProved.
    """
    start = 0
    while start < len(walk.steps):
        stop = drive(
            walk,
            _moves(walk, start, notify, compared=compared),
            Move(start, "up"),
            lambda move, error: move.direction == "down" and refuses(error),
        )
        if stop is None:
            return
        prove_refusal(walk, stop[0].index)
        start = stop[0].index + 1


def _moves(walk: Walk, start: int, notify: Notify, *, compared: bool) -> Iterator[Move]:
    """The moves of all stages from this one on, with the checks after each."""
    look = changed if compared else compare
    for index, step in enumerate(walk.steps[start:], start):
        up, down, again = (Move(index, direction) for direction in ("up", "down", "up again"))
        notify(step.stage.name)
        walk.begin(index)
        yield up
        touched = look(walk, up)
        require_kept(walk, up, touched)
        insert_rows(walk, index, step.stage.rows.keys())
        if step.stage.reversible and (not compared or any(walk.rows.held(touched).values())):
            yield down
            require_restored(walk, index, look(walk, down) | touched)
            yield again
            touched |= look(walk, again)
            walk.rows.read(walk.connection, step.schema, touched, walk.schemas)
            insert_rows(walk, index, new_tables(walk, index))
