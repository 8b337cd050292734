"""`down`: downgrade a database with the history on disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from sqlstrata.commands.progress import WAIT, Notify, healed, messages, silent
from sqlstrata.commands.target import chosen, found, require_stage, sound
from sqlstrata.databases import database
from sqlstrata.databases.lost import answering
from sqlstrata.errors import WrongUse
from sqlstrata.folder import File
from sqlstrata.migrate import apply
from sqlstrata.migrate.follow import remember_stage
from sqlstrata.plan import Plan
from sqlstrata.result import Line, listed


class Undone(tuple[str, ...]):
    """The stages that were undone, last first."""

    __slots__ = ()

    def to_json(self) -> dict[str, object]:
        return {"undone": list(self)}

    def lines(self) -> Iterator[Line]:
        yield f"Undone: {listed(self)}." if self else "Nothing to do."


@answering()
def down(
    plan: Plan, to: str | None = None, url: str | None = None, notify: Notify = silent, *, wait: float = WAIT
) -> Undone:
    """Take a database one stage back, or down to a stage; `base` is the empty database.

    An interrupted stage (MariaDB) is undone first; without `to` that is all. Raises what `up` raises.
    """
    healed(plan, notify)
    plan.require_server(chosen(plan, url).get_backend_name())
    known = sound(plan, to)
    at, half, quiet = found(plan, known, url, wait)
    if at is None and quiet:
        return Undone()
    target = _below(plan, known, at, to, half)
    interrupted = [str(file.stage) for file in known if half is not None and file.id == half.revision]
    with apply.connected(plan, url, wait=wait) as connection:
        done = apply.down(connection, plan, target, partial(notify, "down"), wait=wait, waiting=messages(notify))
    if database.same(chosen(plan, url), plan.database.url):
        remember_stage(plan, target, known, messages(notify))
    undone = Undone(dict.fromkeys([*interrupted, *done]))
    kept = [stage.name for stage in plan.stages if stage.name in undone and stage.upgrade and not stage.downgrade_sql]
    if kept:
        notify(f"What the `data` of {listed(kept)} changed is not undone: it has no `downgrade`.", "")
    return undone


def _below(
    plan: Plan, known: Sequence[File], at: str | None, to: str | None, half: apply.Unfinished | None
) -> str | None:
    """The stage to go down to; None is the empty database."""
    names = [str(file.stage) for file in known]
    if to is None:
        if half is not None and half.direction.endswith("up"):
            return at
        return names[names.index(str(at)) - 1] if at is not None and names.index(at) else None
    if to == "base":
        return None
    require_stage(plan, to, known)
    if at is None or names.index(to) > names.index(at):
        message = f"The database is at {'stage ' + at if at else 'no stage'}, which is below {to}."
        raise WrongUse(message, hint=f"Use `inv up --to {to}`.")
    return to
