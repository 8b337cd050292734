"""`up`: upgrade a database with the history on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from sqlstrata.commands.development import make_if_missing, never
from sqlstrata.commands.progress import WAIT, Notify, healed, messages, silent
from sqlstrata.commands.target import chosen, existing, found, last_stage, require_history, require_stage, sound
from sqlstrata.databases import addresses, creation, database, ownership
from sqlstrata.databases.lost import answering
from sqlstrata.folder import File
from sqlstrata.migrate import apply
from sqlstrata.migrate.follow import remember_stage, take_along
from sqlstrata.migrate.place import stage_of
from sqlstrata.plan import Plan
from sqlstrata.result import Line, listed
from sqlstrata.revisions.generate import steps


class Applied(tuple[str, ...]):
    """The stages that were applied, in order."""

    __slots__ = ()

    def to_json(self) -> dict[str, object]:
        return {"applied": list(self)}

    def lines(self) -> Iterator[Line]:
        yield f"Applied: {listed(self)}." if self else "Nothing to do."


@answering()
def up(
    plan: Plan,
    to: str | None = None,
    url: str | None = None,
    notify: Notify = silent,
    *,
    wait: float = WAIT,
    protect: bool = False,
    confirmed: Callable[[str], bool] = never,
) -> Applied:
    """Upgrade a database to a stage, by default the last. A SQLite file is created where there is none.

    With `protect` the database is marked: nothing here will drop, reset or re-stamp it. Raises HistoryDiffers where the
    history on disk cannot be run, was edited by hand, has two heads or lacks a file; SchemaDiffers where the database
    has an unknown revision, or tables of the stages and no revision; WrongUse, Unreachable, Locked, Refused,
    MigrationFailed. Stages before one that fails stay applied.
    """
    healed(plan, notify)
    known = sound(plan, to)
    target = last_stage(known) if to is None else to
    require_stage(plan, target, known)
    there = chosen(plan, url)
    plan.require_server(there.get_backend_name())
    if addresses.server_kind(there) == "sqlite":
        make_if_missing(plan, there, messages(notify))
    developing = database.same(there, plan.database.url)
    if developing and creation.exists(there):
        _back_in_history(plan, known, confirmed, wait, notify)
    at, _, quiet = found(plan, known, url, wait)
    names = [str(file.stage) for file in known]
    if at is not None and names.index(at) > names.index(target):
        notify(f"The database is at stage {at}, which comes after {target}: `inv down --to {target}` goes back.", "")
    done: tuple[str, ...] = ()
    with apply.connected(plan, url, wait=wait) as connection:
        if at is None or names.index(at) < names.index(target) or not quiet:
            done = apply.up(connection, plan, target, partial(notify, "up"), wait=wait, waiting=messages(notify))
        if protect:
            ownership.mark(connection, plan.folder, "protected")
    if developing and done:
        remember_stage(plan, done[-1], known, messages(notify))
    return Applied(done)


def _back_in_history(
    plan: Plan, known: Sequence[File], confirmed: Callable[[str], bool], wait: float, notify: Notify
) -> None:
    """Take the development database along, where its revision is gone from the history."""
    there = chosen(plan, None)
    with database.reporting(there), existing(plan, None, wait=wait) as connection:
        revision = apply.revision_of(connection, plan)
    if revision is None or stage_of(revision, known) is not None:
        return
    made = steps(plan)
    require_history(plan, made)
    taken = take_along(plan, made, confirmed, wait, messages(notify))
    if taken is not None:
        notify(str(taken), "")
