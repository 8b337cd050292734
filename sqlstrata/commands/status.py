"""`status`: find where a database is, and compare its schema with that of its stage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa

from sqlstrata.commands import differences
from sqlstrata.commands.progress import Notify, healed, silent
from sqlstrata.commands.target import chosen, mismatch, to_make
from sqlstrata.databases import creation, database, sqlite_file
from sqlstrata.databases.lost import answering
from sqlstrata.errors import DatabaseBehind, SchemaDiffers, SqlstrataError, accepted
from sqlstrata.folder import File
from sqlstrata.migrate import apply
from sqlstrata.migrate.identity import Fit, compare, swept
from sqlstrata.migrate.others import between
from sqlstrata.migrate.place import ADOPT, fitting, gone, stage_of
from sqlstrata.plan import Plan
from sqlstrata.result import Line, counted, listed
from sqlstrata.revisions.generate import Step, steps
from sqlstrata.snapshot import Difference

_LOOKS = 5


@dataclass(frozen=True)
class Status:
    """Where a database is.

    `revision` is the database's own, `stage` the stage of it. Where the history does not have that revision (`gone`),
    or there is none, `fit` is the stage that the schema is nearest to. `unfinished` is an interrupted stage (MariaDB).
    `missing`: there is no such database, and this creates it. `outdated`: the history on disk is not what the stages
    give; only looked at where the schema differs, the revision is gone, or stages are pending. `with_rows` are the
    development database's pending stages that have rows, which `inv up` does not insert. `between` is the error for a
    revision of an older history, before one that is a stage.
    """

    stage: str | None
    revision: str | None
    pending: tuple[str, ...]
    schema_matches: bool
    differences: tuple[Difference, ...] = ()
    gone: bool = False
    fit: Fit | None = None
    unfinished: apply.Unfinished | None = None
    missing: str | None = None
    outdated: bool = False
    with_rows: tuple[str, ...] = ()
    between: SchemaDiffers | None = None

    def to_json(self) -> dict[str, object]:
        fit, half = self.fit, self.unfinished
        return {
            "stage": self.stage,
            "revision": self.revision,
            "pending": list(self.pending),
            "schema_matches": self.schema_matches,
            "differences": differences.as_json(self.differences),
            "gone": self.gone,
            "fits": None if fit is None else {"stage": fit.stage, "exact": fit.exact},
            "with_rows": list(self.with_rows),
            "unfinished": None if half is None else {"revision": half.revision, "direction": half.direction},
        }

    def lines(self) -> Iterator[Line]:
        yield f"Stage: {self.stage or 'none'}" + (f" (revision {self.revision})" if self.revision else "")
        yield f"Pending: {listed(self.pending) or 'nothing'}"
        if self.differences and self.unfinished is None:
            yield differences.table(self.differences)

    @property
    def error(self) -> SqlstrataError | None:
        if self.unfinished is not None:
            return _interrupted(self.unfinished, self.with_rows)
        if self.between is not None:
            return self.between
        if self.gone or not self.schema_matches:
            return SchemaDiffers(self._difference(), hint=self._advice())
        if not self.pending:
            return None
        behind = f"behind by {counted(len(self.pending), 'stage')}."
        if self.missing:
            return DatabaseBehind(f"There is no database yet, so it is {behind}", hint=self.missing)
        hint = _going_up(self.with_rows)
        if self.outdated:
            hint = "The history on disk is not what the stages give: run `inv rebuild` first."
        return DatabaseBehind(f"The database is {behind}", hint=hint)

    def _difference(self) -> str:
        if self.gone and self.fit is not None:
            return gone(self.revision, self.fit)
        if not self.differences:
            return f"The database is at stage {self.stage}, which the plan does not have."
        wanted = f"that of stage {self.stage}" if self.stage else "empty, and it has no revision"
        number = counted(len(self.differences), "difference")
        fits = f" It is exactly that of stage {self.fit.stage}." if self._fits and self.fit else ""
        return f"The database's schema is not {wanted}: {number}.{fits}"

    def _advice(self) -> str:
        if self.outdated:
            return "The history on disk is not what the stages give either: `inv check` shows how; run `inv rebuild`."
        return ADOPT if self._fits else differences.advice(self.differences)

    @property
    def _fits(self) -> bool:
        return self.fit is not None and self.fit.exact


_WAYS = {
    "up": "upgrade",
    "down": "downgrade",
    "undo up": "the undoing of its upgrade",
    "undo down": "the undoing of its downgrade",
}


def _interrupted(half: apply.Unfinished, with_rows: Sequence[str]) -> SchemaDiffers:
    number = f"{counted(half.statements, 'statement')} {'has' if half.statements == 1 else 'have'} been applied"
    message = f"Revision {half.revision} was interrupted during {_WAYS[half.direction]}; {number}."
    if half.direction.endswith("down"):
        return SchemaDiffers(message, hint="`inv down` finishes it, `inv up` undoes it.")
    more = f" `inv onboard` finishes it, too, and inserts the rows of {', '.join(with_rows)}." if with_rows else ""
    return SchemaDiffers(message, hint=f"`inv up` finishes it, `inv down` undoes it.{more}")


def _going_up(with_rows: Sequence[str]) -> str:
    if not with_rows:
        return "Run `inv up`."
    return f"Run `inv onboard`, which inserts the rows of {', '.join(with_rows)} as well, or `inv up`, which does not."


@answering()
def status(plan: Plan, url: str | None = None, notify: Notify = silent) -> Status:
    """Find where a database is, what is pending, and whether its schema is that of its stage. Read-only.

    Raises, with the Status as their `result`: DatabaseBehind where stages are pending, SchemaDiffers where the schema
    is not that of the stage, the revision is unknown, or a stage was interrupted. Raises Unreachable and WrongUse.
    """
    there = chosen(plan, url)
    healed(plan, notify)
    known = apply.files(plan)
    swept(there)
    if not creation.exists(there):
        stages = tuple(stage.name for stage in plan.stages)
        return accepted(Status(None, None, stages, schema_matches=True, missing=to_make(plan, there)))
    with database.connect(database.engine(there, reading=True)) as connection:
        sqlite_file.require_whole(connection)
        made = steps(plan)
        found = _settled(connection, plan, known, made)
        found = replace(found, with_rows=_with_rows(plan, there, found.pending))
        if not found.schema_matches or found.gone or found.pending:
            found = replace(found, outdated=mismatch(plan, made) is not None)
    return accepted(found)


def _settled(connection: sa.Connection, plan: Plan, known: tuple[File, ...], made: tuple[Step, ...]) -> Status:
    """Read again while a run is active, or a server finishes the statement of a killed one.

    Of schemas a server shows what is there now; of rows, what was there when the transaction began.
    """
    found = _looked(connection, plan, known, made)
    for _ in range(_LOOKS):
        if found.schema_matches or (found.revision, found.unfinished) == apply.standing(connection, plan):
            break
        found = _looked(connection, plan, known, made)
    return found


def _looked(connection: sa.Connection, plan: Plan, known: tuple[File, ...], made: tuple[Step, ...]) -> Status:
    revision, half = apply.standing(connection, plan)
    names = [step.stage.name for step in made]
    stage = stage_of(revision, known)
    if revision is not None and stage is None:
        fit = fitting(connection, plan, made)
        there = fit.stage if fit.exact else None
        older = between(plan, revision)
        return Status(
            there,
            revision,
            _after(names, there),
            fit.exact,
            fit.differences,
            gone=True,
            fit=fit,
            unfinished=half,
            between=older,
        )
    step = next((step for step in made if step.stage.name == stage), None)
    if stage is not None and step is None:  # the file of a stage that is no longer in the plan
        on_disk = [str(file.stage) for file in known]
        return Status(stage, revision, _after(on_disk, stage), schema_matches=False, unfinished=half)
    found = compare(connection, sa.MetaData() if step is None else step.metadata, plan.foreign)
    connection.rollback()
    likely = fitting(connection, plan, made) if found and half is None else None
    return Status(stage, revision, _after(names, stage), not found, found, fit=likely, unfinished=half)


def _with_rows(plan: Plan, there: sa.URL, pending: Sequence[str]) -> tuple[str, ...]:
    """The pending stages whose rows `onboard` and `rebuild` insert into this database, and `up` does not."""
    if not database.same(there, plan.database.url):
        return ()
    return tuple(stage.name for stage in plan.stages if stage.rows and stage.name in pending)


def _after(names: list[str], stage: str | None) -> tuple[str, ...]:
    return tuple(names[names.index(stage) + 1 :] if stage in names else names)
