"""Where a database is: what it says of itself, what its schema says, and bringing the two together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import sqlalchemy as sa

from sqlstrata import folder as history
from sqlstrata.commands.telling import WAIT, Told, healed, silent
from sqlstrata.databases import addresses, creation, database, ownership, sqlite_file
from sqlstrata.databases.lost import answering
from sqlstrata.errors import HistoryDiffers, SchemaDiffers, SqlstrataError, Unreachable, WrongUse
from sqlstrata.folder import File
from sqlstrata.migrate import apply
from sqlstrata.migrate.identity import Fit
from sqlstrata.migrate.identity import identify as fit_of
from sqlstrata.migrate.outline import Outline, outlined, outlines
from sqlstrata.plan import Plan
from sqlstrata.revisions.generate import Step, steps
from sqlstrata.scratch.sweep import sweep
from sqlstrata.snapshot.values import OURS


@answering()
def identify(plan: Plan, url: str | None = None, told: Told = silent) -> Fit:
    """Which stage is this database at, by its schema alone? The nearest one and the differences where none fits.

    Read-only. Raises Unreachable, also where there is no such database, and WrongUse.
    """
    healed(plan, told)
    stages = outlines(plan)
    with existing(plan, url) as connection:
        sqlite_file.require_whole(connection)
        said = _stage_or_none(apply.revision_of(connection), apply.files(plan))
        return _fit(connection, stages, said)


def fitting(connection: sa.Connection, made: Sequence[Step], said: str | None = None) -> Fit:
    """The stage that a database's schema is that of; scratch databases that ended runs left there go first."""
    return _fit(connection, outlined(made), said)


def _fit(connection: sa.Connection, stages: Sequence[Outline], said: str | None) -> Fit:
    swept(connection.engine.url)
    fit = fit_of(connection, stages, said)
    connection.rollback()
    return fit


def swept(url: str | sa.URL) -> None:
    """Drop the scratch databases that killed runs left on a server; where that cannot be looked at, leave them."""
    with suppress(SqlstrataError), answering():
        sweep(url)


def existing(plan: Plan, url: str | None, *, wait: float | None = None) -> sa.Connection:
    """A connection that only reads to a database that is there. Raises Unreachable where there is none."""
    there = chosen(plan, url)
    if not creation.exists(there):
        raise Unreachable(f"There is no {addresses.title(there)}.", hint=to_make(plan, there))
    return database.connect(database.engine(there, reading=True, wait=wait))


def to_make(plan: Plan, there: sa.URL) -> str:
    """What makes a database that is not there, as a hint."""
    if database.same(there, plan.database.url):
        return "`inv onboard` makes the development database."
    if addresses.server_kind(there) == "sqlite":
        return "See that the URL is right; `inv up` makes the file."
    return "See that the URL is right, or make the database on its server; then `inv up` brings it up."


def chosen(plan: Plan, url: str | None) -> sa.URL:
    """The database that a command is for: another one, or the plan's. Raises WrongUse where the URL names none."""
    there = addresses.parsed(plan.database.url if url is None else url)
    if addresses.server_kind(there) != "sqlite" and not there.database:
        hint = f"Add the database's name, as in {there.drivername}://user@host/exemplo."
        raise WrongUse("The URL names a server and no database.", hint=hint)
    return there


def require_history(plan: Plan, made: Sequence[Step]) -> None:
    """Raise HistoryDiffers where the history on disk is not what the stages give, or could not be run."""
    files = history.read(plan.migrations / "versions")
    mismatch = history.compare(files, tuple(step.revision for step in made))
    if mismatch is not None:
        raise HistoryDiffers(
            f"The history on disk is not what the stages give: {mismatch.cause}.",
            where=mismatch.file,
            hint=f"Run `inv check` to see how, and {history.remedy(files)}. No database was changed.",
        )
    history.require_runnable(plan.migrations, files)


def is_protected(plan: Plan, url: str | None) -> bool:
    """Whether config.yaml says that the database is protected: its own, under whatever URL."""
    return plan.database.protected and (url is None or database.same(url, plan.database.url))


# ---------------------------------------------------------------------------- adopting


@dataclass(frozen=True)
class Adopted:
    """What `adopt` did: the stage, its revision (None: before the first), what was there before, and the mark.

    `unmarked` is why the database could not be marked, and what to do about it; `inv reset` will not drop it then.
    """

    stage: str | None
    revision: str | None
    before: str | None
    written: bool
    protected: bool
    also: tuple[str, ...] = ()
    unmarked: SqlstrataError | None = None


@answering()
def adopt(
    plan: Plan, url: str | None = None, *, protect: bool = False, wait: float = WAIT, told: Told = silent
) -> Adopted:
    """Write the revision of the stage that a database's schema is exactly that of into the database.

    With `protect` the database says from now on that nothing here may drop, reset or re-stamp it. Afterwards the
    database is one that `inv reset` knows, unless the result says that it could not be marked. Raises SchemaDiffers
    where no stage fits, Protected where the database is protected and has another revision, HistoryDiffers where the
    history on disk is not what the stages give, Locked where somebody else is at work there for longer than `wait`.
    """
    healed(plan, told)
    made = steps(plan)
    with existing(plan, url) as connection:
        sqlite_file.require_whole(connection)
        before = apply.revision_of(connection)
        fit = fitting(connection, made, _stage_or_none(before, apply.runnable(plan)))
        if not fit.exact:
            raise unfit(fit)
        target = _revision_on_disk(plan, made, fit.stage)
        if before is not None and before != target:
            ownership.require_unprotected(connection, "given another revision", configured=is_protected(plan, url))
    with apply.connected(plan, url, wait=wait) as connection:
        if before != target:
            apply.stamp(connection, plan, target, wait, lambda sentence: told(sentence, ""))
        unmarked = _marked(connection, plan, protect=protect)
    return Adopted(fit.stage, target, before, before != target, protect, fit.also, unmarked)


def _marked(connection: sa.Connection, plan: Plan, *, protect: bool) -> SqlstrataError | None:
    """Mark the database as adopted, and as protected; where it cannot be marked, give the error.

    That it is protected is not left out: the error is raised then.
    """
    try:
        ownership.mark(connection, plan.folder, "adopted", *(("protected",) if protect else ()))
    except (Unreachable, WrongUse) as error:
        if protect:
            error.message += " The revision is written; the mark is not."
            raise
        return error
    return None


def unfit(fit: Fit) -> SchemaDiffers:
    """The error where no stage fits exactly."""
    return SchemaDiffers(
        f"No stage fits this database exactly; the nearest is {_nearest(fit)}.",
        hint="`inv identify` shows them. Undo what was changed by hand, or put it into the models.",
        stage=fit.stage,
        exact=False,
        differences=[each._asdict() for each in fit.differences],
    )


def _nearest(fit: Fit) -> str:
    near = "an empty database" if fit.stage is None else f"stage {fit.stage}"
    number = len(fit.differences)
    return f"{near}, with {number} difference{'s' * (number != 1)}"


def _revision_on_disk(plan: Plan, made: Sequence[Step], stage: str | None) -> str | None:
    if stage is None:
        return None
    revision = next(step.revision for step in made if step.stage.name == stage)
    if revision.id not in {file.id for file in apply.files(plan)}:
        raise HistoryDiffers(
            f"The history on disk is not what the stages give: it has no revision {revision.id} for stage {stage}.",
            hint="Run `inv rebuild`, or `inv rebuild --no-apply`, first.",
        )
    return revision.id


def _stage_or_none(revision: str | None, known: Sequence[File]) -> str | None:
    return next((file.stage for file in known if file.id == revision), None)


# ------------------------------------------------------------------ what up and down meet


def stage_at(connection: sa.Connection, plan: Plan, known: Sequence[File]) -> str | None:
    """The stage that the database says it is at, None for none; `known` are the history's files.

    Raises SchemaDiffers where the history has not its revision, or where it has none and yet tables of the stages; the
    message says which stage its schema is that of.
    """
    revision = apply.revision_of(connection)
    connection.rollback()
    if revision is None:
        _require_unused(connection, plan, known)
        return None
    stage = _stage_or_none(revision, known)
    if stage is None:
        made = steps(plan)
        raise gone(revision, fitting(connection, made), made, known)
    return stage


def gone(revision: str, fit: Fit, made: Sequence[Step], known: Sequence[File]) -> SchemaDiffers:
    """The error for a revision that the history has not, or has no more."""
    message = f"The database is at revision {revision}, which the history does not have. {_likeness(fit)}"
    return SchemaDiffers(message, hint=_advice(fit, made, known), revision=revision, stage=fit.stage, exact=fit.exact)


def _require_unused(connection: sa.Connection, plan: Plan, known: Sequence[File]) -> None:
    """A database without a revision has no table that a stage would make; what else it has is not our business."""
    there = set(sa.inspect(connection).get_table_names()) - OURS
    unfinished = apply.unfinished(connection)
    connection.rollback()
    if not there or unfinished is not None:
        return
    made = steps(plan)
    shared = sorted(there & {key for step in made for key in step.schema.tables})
    if shared:
        fit = fitting(connection, made)
        message = f"The database has no revision, and yet tables of the stages: {', '.join(shared)}. {_likeness(fit)}"
        raise SchemaDiffers(message, hint=_advice(fit, made, known), stage=fit.stage, exact=fit.exact)


def _likeness(fit: Fit) -> str:
    if not fit.exact:
        return f"Its schema is that of no stage; the nearest is {_nearest(fit)}."
    return "It is empty." if fit.stage is None else f"Its schema is exactly that of stage {fit.stage}."


def _advice(fit: Fit, made: Sequence[Step], known: Sequence[File]) -> str:
    revision = next((step.revision.id for step in made if step.stage.name == fit.stage), None)
    if fit.exact and revision is not None and revision not in {file.id for file in known}:
        return "The history on disk has no such revision: `inv check` shows how it differs; run `inv rebuild`."
    if fit.exact:
        return "`inv adopt` gives it the revision of that stage."
    return (
        "`inv identify` shows the differences. If it may go: `inv reset` makes the development database anew, where it "
        "was made or taken over here; any other one drop yourself."
    )


@dataclass(frozen=True)
class Repointed:
    """The development database's revision was gone, and it got that of the stage whose schema it has."""

    before: str
    stage: str | None


def repoint(
    connection: sa.Connection, plan: Plan, made: Sequence[Step], wait: float, waiting: Callable[[str], None]
) -> Repointed | None:
    """Give the development database the new revision of its stage, where a rebuild changed the old one.

    Raises SchemaDiffers where its schema is exactly that of no stage, Protected where it is protected.
    """
    revision = apply.revision_of(connection)
    connection.rollback()
    if revision is None or _stage_or_none(revision, apply.files(plan)) is not None:
        return None
    ownership.require_unprotected(
        connection, f"given another revision than {revision}, which is gone", configured=plan.database.protected
    )
    connection.rollback()
    fit = fitting(connection, made)
    if not fit.exact:
        raise gone(revision, fit, made, apply.files(plan))
    apply.stamp(connection, plan, _revision_on_disk(plan, made, fit.stage), wait, waiting)
    return Repointed(revision, fit.stage)


__all__ = [
    "Adopted", "Repointed", "adopt", "chosen", "existing", "fitting", "gone", "identify", "is_protected",
    "repoint", "require_history", "stage_at", "swept", "to_make", "unfit",
]  # fmt: skip
