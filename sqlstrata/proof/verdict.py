"""The errors of a proof: what is not proved, in which stage, and where in the files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from textwrap import indent

import sqlalchemy as sa

from sqlstrata.columns import columns
from sqlstrata.databases.addresses import address
from sqlstrata.databases.lost import unanswered
from sqlstrata.errors import MigrationFailed, Refused
from sqlstrata.migrate.failures import exit_code, reason
from sqlstrata.plan import Plan
from sqlstrata.snapshot import Difference

_UNTOUCHED = "Nothing was written; only scratch databases were changed."


class NotProved(MigrationFailed):
    """A history that does not do on a server what its stages say. Nothing but scratch databases was changed.

    Its details name the stage, and under `key` what is wrong in it, where that is known.
    """


class RowsInTheWay(NotProved):
    """The same, where a revision stopped before its first statement because of rows that its stage does not allow."""

    code = Refused.code


def differing(stage: str, direction: str, server: str, found: Sequence[Difference]) -> NotProved:
    """The error for a database that differs from the stage's models, with the differences as a short table."""
    return _different(stage, direction, f"{server} does not match its models", _UNTOUCHED, found)


def disagreeing(stage: str, direction: str, servers: tuple[str, str], found: Sequence[Difference]) -> NotProved:
    """The error for a stage whose SQL does not mean the same on two servers."""
    what = f"{servers[0]} and {servers[1]} make different values of the same row"
    hint = f"Write the stage's SQL so that it means the same on both, or for each server. {_UNTOUCHED}"
    return _different(stage, direction, what, hint, found)


def _different(stage: str, direction: str, what: str, hint: str, found: Sequence[Difference]) -> NotProved:
    head = ("stage", "direction", "table", "what", "expected", "found")
    lines = [(stage, direction, *("-" if each is None else str(each) for each in difference)) for difference in found]
    message = f"Stage {stage} is not proved: {direction}, {what}.\n"
    details = [{"stage": stage, "direction": direction, **each._asdict()} for each in found]
    return NotProved(f"{message}{indent(columns(head, lines), '  ')}\n", hint=hint, differences=details, stage=stage)


def failed(stage: str, direction: str, server: str, error: Exception, place: str | None) -> NotProved:
    """The error for a stage whose revision does not run."""
    message = f"Stage {stage} does not go {direction} on {server}: {reason(error)}"
    hint = f"{'Fix that file.' if place else 'Fix the stage or its models.'} {_UNTOUCHED}"
    kind = RowsInTheWay if exit_code(error) == Refused.code else NotProved
    return kind(message, where=place, hint=hint, stage=stage)


def require_answer(error: BaseException, url: sa.URL) -> None:
    """Raise Unreachable where it is the server that cannot work: then nothing is known of the history."""
    silence = unanswered(error, address(url))
    if silence is not None:
        raise silence from error


@contextmanager
def placed(plan: Plan) -> Iterator[None]:
    """Give a NotProved that names no revision file the place of its stage in the plan's file."""
    try:
        yield
    except NotProved as error:
        names = [stage.name for stage in plan.stages]
        if error.where is None and error.details["stage"] in names:
            key = [str(error.details["key"])] if "key" in error.details else []
            error.where = str(plan.where("stages", names.index(str(error.details["stage"])), *key))
        raise
