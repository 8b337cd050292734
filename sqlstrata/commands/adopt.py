"""`adopt`: write the revision of the stage that has exactly a database's schema into the database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from sqlstrata.commands import differences
from sqlstrata.commands.as_is import write_as_is
from sqlstrata.commands.identify import named
from sqlstrata.commands.progress import WAIT, Notify, healed, messages, silent
from sqlstrata.commands.target import chosen, existing
from sqlstrata.databases import database, ownership, sqlite_file
from sqlstrata.databases.lost import answering
from sqlstrata.errors import SchemaDiffers, SqlstrataError, Unreachable, WrongUse
from sqlstrata.migrate import apply
from sqlstrata.migrate.identity import Fit
from sqlstrata.migrate.others import require_not_between
from sqlstrata.migrate.place import fitting, revision_on_disk, stage_of
from sqlstrata.plan import Plan
from sqlstrata.result import Line
from sqlstrata.revisions.generate import steps


@dataclass(frozen=True)
class Adopted:
    """The stage, its revision (None: before the first) and the one before it; whether it was written, and the mark.

    `before` has all revisions where the database had several, with commas. `unmarked` is why the database could not be
    marked, and what to do about it; `inv reset` will not drop it then.
    """

    stage: str | None
    revision: str | None
    before: str | None
    written: bool
    protected: bool
    also: tuple[str, ...] = ()
    unmarked: SqlstrataError | None = None

    def to_json(self) -> dict[str, object]:
        return {
            "stage": self.stage,
            "revision": self.revision,
            "before": self.before,
            "written": self.written,
            "protected": self.protected,
            "also": list(self.also),
            "owned": self.unmarked is None,
            "unmarked": None if self.unmarked is None else self.unmarked.to_json(),
        }

    def lines(self) -> Iterator[Line]:
        place = f"The database is at {named(self.stage)}"
        if self.written:
            yield f"{place}. Its revision is now {self.revision or 'none'}."
        else:
            yield f"{place}, and already has its revision. Nothing was written."
        if self.also:
            yield f"Other stages with the same schema: {', '.join(self.also)}. The SQL in their `data` was not run."
        if self.protected:
            yield "It is protected: nothing here will drop, reset or re-stamp it."
        if self.unmarked is not None:
            yield f"`inv reset` will not drop it, because it could not be marked: {self.unmarked}"
            yield "Then run `inv adopt` again."


@answering()
def adopt(
    plan: Plan,
    url: str | None = None,
    *,
    protect: bool = False,
    as_is: str | None = None,
    wait: float = WAIT,
    notify: Notify = silent,
) -> Adopted:
    """Write the revision of the stage that a database's schema is exactly that of into the database.

    Afterwards `inv reset` may drop the database, unless the result says that it could not be marked; with `protect`
    nothing here will drop, reset or re-stamp it. Raises SchemaDiffers where no stage fits, or where the
    database is at a revision of an older history, between two stages; Protected where it is protected and has another
    revision, HistoryDiffers where the history on disk is not what the stages give, Locked where somebody else is
    migrating it for longer than `wait`.

    `as_is` is the name of a stage that is written first: that of the database as it is (see `as_is.write_as_is`).
    """
    if as_is is not None:
        plan = write_as_is(plan, as_is, url, wait=wait, notify=notify)
    healed(plan, notify)
    plan.require_server(chosen(plan, url).get_backend_name())
    made = steps(plan)
    with existing(plan, url) as connection:
        sqlite_file.require_whole(connection)
        revisions = apply.revisions_of(connection, plan)
        require_not_between(plan, *revisions)
        before = ", ".join(revisions) or None
        fit = fitting(connection, plan, made, stage_of(before, apply.runnable(plan)))
        if not fit.exact:
            raise _unfit(fit)
        target = revision_on_disk(plan, made, fit.stage)
        if before is not None and before != target:
            ownership.require_unprotected(connection, "given another revision", configured=_is_protected(plan, url))
    with apply.connected(plan, url, wait=wait) as connection:
        if before != target:
            apply.stamp(connection, plan, target, wait, messages(notify))
        unmarked = _marked(connection, plan, protect=protect)
    return Adopted(fit.stage, target, before, before != target, protect, fit.also, unmarked)


def _is_protected(plan: Plan, url: str | None) -> bool:
    """Whether config.yaml says that the database is protected: its own, under any URL."""
    return plan.database.protected and (url is None or database.same(url, plan.database.url))


def _unfit(fit: Fit) -> SchemaDiffers:
    them = "it" if len(fit.differences) == 1 else "them"
    return SchemaDiffers(
        f"No stage fits this database exactly; the nearest is {fit.nearest}.",
        hint=f"`inv identify` shows {them}. {differences.advice(fit.differences)}",
        stage=fit.stage,
        exact=False,
        differences=differences.as_json(fit.differences),
    )


def _marked(connection: sa.Connection, plan: Plan, *, protect: bool) -> SqlstrataError | None:
    """Mark the database as adopted, and as protected. Give the error where it cannot be marked as adopted.

    Where it was to be protected, the error is raised.
    """
    try:
        ownership.mark(connection, plan.folder, "adopted", *(("protected",) if protect else ()))
    except (Unreachable, WrongUse) as error:
        if protect:
            error.message += " The revision is written; the mark is not."
            raise
        return error
    return None
