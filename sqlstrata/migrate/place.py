"""Where a database is: the revision that it has, the stage that its schema is that of, and making the two agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from sqlstrata.errors import HistoryDiffers, SchemaDiffers
from sqlstrata.folder import File
from sqlstrata.migrate import apply
from sqlstrata.migrate.identity import Fit, identify, swept
from sqlstrata.migrate.others import require_not_between
from sqlstrata.migrate.outline import Outline, outline
from sqlstrata.plan import Plan
from sqlstrata.revisions.generate import Step, steps
from sqlstrata.snapshot.values import OURS

ADOPT = "`inv adopt` gives the database that stage's revision."


def fitting(connection: sa.Connection, plan: Plan, made: Sequence[Step], preferred: str | None = None) -> Fit:
    """The stage that a database's schema is that of; of several with one schema, rather `preferred`."""
    return fit_of(connection, plan, [outline(step) for step in made], preferred)


def fit_of(connection: sa.Connection, plan: Plan, stages: Sequence[Outline], preferred: str | None) -> Fit:
    """The same, of the outlines of stages. Scratch databases that ended runs left on the server are dropped first."""
    swept(connection.engine.url)
    fit = identify(connection, stages, preferred, plan.foreign)
    connection.rollback()
    return fit


def stage_of(revision: str | None, known: Sequence[File]) -> str | None:
    """The stage of a revision; None where the history does not have it."""
    return next((file.stage for file in known if file.id == revision), None)


def stage_at(connection: sa.Connection, plan: Plan, known: Sequence[File]) -> str | None:
    """The stage of the database's revision, None where it has none; `known` are the history's files.

    Raises SchemaDiffers where the history does not have the revision, or where the database has no revision but tables
    of the stages; the message names the stage that its schema is that of.
    """
    revision = apply.revision_of(connection, plan)
    connection.rollback()
    if revision is None:
        _require_unused(connection, plan, known)
        return None
    stage = stage_of(revision, known)
    if stage is None:
        require_not_between(plan, revision)
        made = steps(plan)
        raise gone_error(revision, fitting(connection, plan, made), made, known)
    return stage


def gone(revision: str | None, fit: Fit) -> str:
    """The sentence for a revision that the history does not have."""
    return f"The database is at revision {revision}, which the history does not have. {_likeness(fit)}"


def gone_error(revision: str, fit: Fit, made: Sequence[Step], known: Sequence[File]) -> SchemaDiffers:
    """The error for a revision that the history does not have."""
    hint = _advice(fit, made, known)
    return SchemaDiffers(gone(revision, fit), hint=hint, revision=revision, stage=fit.stage, exact=fit.exact)


def _require_unused(connection: sa.Connection, plan: Plan, known: Sequence[File]) -> None:
    """A database without a revision must have no table that a stage would create; its other tables do not matter."""
    there = set(sa.inspect(connection).get_table_names()) - OURS
    unfinished = apply.unfinished(connection)
    connection.rollback()
    if not there or unfinished is not None:
        return
    made = steps(plan)
    shared = sorted(there & {key for step in made for key in step.schema.tables})
    if shared:
        fit = fitting(connection, plan, made)
        message = f"The database has no revision, but tables of the stages: {', '.join(shared)}. {_likeness(fit)}"
        raise SchemaDiffers(message, hint=_advice(fit, made, known), stage=fit.stage, exact=fit.exact)


def _likeness(fit: Fit) -> str:
    if not fit.exact:
        return f"Its schema is that of no stage; the nearest is {fit.nearest}."
    return "It is empty." if fit.stage is None else f"Its schema is exactly that of stage {fit.stage}."


def _advice(fit: Fit, made: Sequence[Step], known: Sequence[File]) -> str:
    revision = next((step.revision.id for step in made if step.stage.name == fit.stage), None)
    if fit.exact and revision is not None and revision not in {file.id for file in known}:
        return "The history on disk has no such revision: `inv check` shows how it differs; run `inv rebuild`."
    if fit.exact:
        return ADOPT
    return (
        "`inv identify` shows the differences. If the database may be dropped: `inv reset` recreates the development "
        "database, where it was created or adopted by sqlstrata; drop any other one yourself."
    )


def revision_on_disk(plan: Plan, made: Sequence[Step], stage: str | None) -> str | None:
    """The revision of a stage, None for none. Raises HistoryDiffers where no file has it."""
    if stage is None:
        return None
    revision = next(step.revision for step in made if step.stage.name == stage)
    if revision.id not in {file.id for file in apply.files(plan)}:
        raise HistoryDiffers(
            f"The history on disk is not what the stages give: it has no revision {revision.id} for stage {stage}.",
            hint="Run `inv rebuild`, or `inv rebuild --no-apply`, first.",
        )
    return revision.id


@dataclass(frozen=True)
class Repointed:
    """The development database's revision was no longer in the history, and it got that of the stage it is at."""

    before: str
    stage: str | None

    def __str__(self) -> str:
        now = "It is empty, so it now has none."
        if self.stage is not None:
            now = f"Its schema is exactly that of stage {self.stage}, so it now has that stage's revision."
        return f"Development database: its revision {self.before} is no longer in the history. {now}"
