"""The lines that a refusal offers, run on scratch servers before they are offered.

1. What is needed is pasted in memory, and the history made again.
2. Its revisions go up and down in an empty scratch database of each server of the proof.
3. A cast in the statement that fails is replaced, on that server, by one value for all rows, and all begins again.

Where that cannot be done, the lines are offered as they are: without a server, or if the history is refused again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import takewhile

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from sqlstrata.commands.staging import staged
from sqlstrata.databases.database import connect
from sqlstrata.diff import Need
from sqlstrata.migrate.apply import configuration
from sqlstrata.plan import Plan, Stage
from sqlstrata.revisions.generate import Step, steps
from sqlstrata.revisions.refusal import NotAllowed, pasted, refused
from sqlstrata.scratch.bracket import scratch
from sqlstrata.servers import Kind, keys_of, kind_of

Needed = Sequence[tuple[Stage, Need]]
Stop = tuple[str, Kind, str]
"""The name of the stage that failed, the server, and the statement."""


def tried(plan: Plan, error: NotAllowed) -> NotAllowed:
    """The refusal with lines that run on the plan's scratch servers, as far as these can be reached."""
    needed, found = error.needed, error
    while True:
        try:
            stop = next(_stops(_with(plan, needed)), None)
        except Exception:  # noqa: BLE001 - env.py is the project's own, and what it raises the proof will show
            return found
        better = None if stop is None else _without(needed, keys_of(plan.dialects), *stop)
        if better is None:
            return found
        needed, found = better, refused(better)


def _with(plan: Plan, needed: Needed) -> Plan:
    """The plan with all lines pasted."""
    stages = [pasted(stage, [need for of, need in needed if of.name == stage.name]) for stage in plan.stages]
    return replace(plan, stages=tuple(stages))


def _stops(plan: Plan) -> Iterator[Stop]:
    """The first error on each server."""
    made = steps(plan)
    with staged(plan, tuple(step.revision for step in made)) as folder:
        for server in plan.prove_on:
            with scratch(server) as database, connect(database.engine) as connection:
                config = configuration(folder, connection=connection, alone=True)
                for step, run, target in _ways(made):
                    try:
                        run(config, target)
                    except sa.exc.DBAPIError as error:
                        connection.rollback()
                        yield step.stage.name, kind_of(connection.dialect.name), error.statement or ""
                        break
                    connection.commit()


def _ways(made: Sequence[Step]) -> Iterator[tuple[Step, Callable[[Config, str], None], str]]:
    """Up through all stages, and down as far as that is possible."""
    yield from ((step, command.upgrade, step.revision.id) for step in made)
    for step in takewhile(lambda step: step.stage.reversible, reversed(made)):
        yield step, command.downgrade, step.revision.parent or "base"


def _without(needed: Needed, keys: Sequence[str], stage: str, server: Kind, statement: str) -> Needed | None:
    """The needs without the cast that is in the statement; None where there is none. `keys` are the plan's servers."""
    for index, (of, need) in enumerate(needed):
        failed, instead = _on(need.value, server.key), _on(need.instead, server.key)
        if instead in {None, failed} or of.name != stage or str(failed) not in statement:
            continue
        why = f"{need.why}; `{failed}` does not run on {server.title}, so one value is offered for all rows there"
        texts = {key: str(_on(need.value, key)) for key in keys} | {server.key: str(instead)}
        value = texts if len(set(texts.values())) > 1 else str(instead)
        return [*needed[:index], (of, replace(need, value=value, why=why)), *needed[index + 1 :]]
    return None


def _on(value: str | dict[str, str] | None, key: str) -> str | None:
    return value.get(key, value.get("default")) if isinstance(value, dict) else value
