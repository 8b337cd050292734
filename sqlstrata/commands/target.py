"""What a command works on: a database, the history on disk, a stage of it."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from sqlstrata import folder
from sqlstrata.commands import released
from sqlstrata.databases import addresses, creation, database
from sqlstrata.errors import HistoryDiffers, Unreachable, WrongUse
from sqlstrata.folder import File
from sqlstrata.migrate import apply
from sqlstrata.migrate.identity import swept
from sqlstrata.migrate.place import stage_at
from sqlstrata.plan import Plan
from sqlstrata.revisions.generate import Step


def chosen(plan: Plan, url: str | None) -> sa.URL:
    """The database at `url`, or the plan's. Raises WrongUse where the URL names no database."""
    there = addresses.parsed(plan.database.url if url is None else url)
    if addresses.server_kind(there) != "sqlite" and not there.database:
        hint = f"Add the database's name, as in {there.drivername}://user@host/exemplo."
        raise WrongUse("The URL names a server and no database.", hint=hint)
    return there


def existing(plan: Plan, url: str | None, *, wait: float | None = None) -> sa.Connection:
    """A read-only connection to a database. Raises Unreachable where there is none."""
    there = chosen(plan, url)
    if not creation.exists(there):
        raise Unreachable(f"There is no {addresses.title(there)}.", hint=to_make(plan, there))
    return database.connect(database.engine(there, reading=True, wait=wait))


def to_make(plan: Plan, there: sa.URL) -> str:
    """A hint: how to create a database that does not exist."""
    if database.same(there, plan.database.url):
        return "`inv onboard` creates the development database."
    if addresses.server_kind(there) == "sqlite":
        return "Check the URL; `inv up` creates the file."
    return "Check the URL, or create the database on its server; then `inv up` brings it up."


def found(
    plan: Plan, known: Sequence[File], url: str | None, wait: float
) -> tuple[str | None, apply.Unfinished | None, bool]:
    """The stage that a database is at, what was interrupted there, and whether no run is or was at work there.

    Nothing is locked. Raises Unreachable, also where there is no such database, Locked where a SQLite file is being
    written for longer than `wait`, and what `stage_at` raises.
    """
    there = chosen(plan, url)
    with database.reporting(there), existing(plan, url, wait=wait) as connection:
        swept(there)
        return stage_at(connection, plan, known), apply.unfinished(connection), apply.is_quiet(connection)


def mismatch(plan: Plan, made: Sequence[Step]) -> folder.Mismatch | None:
    """The first stage whose file is not what the stages give; None where the history on disk is."""
    return folder.compare(folder.read(plan.migrations / "versions"), tuple(step.revision for step in made))


def require_released(plan: Plan, made: Sequence[Step], wrong: folder.Mismatch) -> None:
    """Raise Refused where the history on disk differs because a released stage does; a hand edit is another matter."""
    if wrong.cause != "hand edit":
        released.require_unchanged(plan, apply.files(plan), tuple(step.revision for step in made))


def require_history(plan: Plan, made: Sequence[Step]) -> None:
    """Raise HistoryDiffers where the history on disk is not what the stages give, or cannot be run.

    Raises Refused where the reason is a released stage that changed.
    """
    files = folder.read(plan.migrations / "versions")
    wrong = mismatch(plan, made)
    if wrong is not None:
        require_released(plan, made, wrong)
        raise HistoryDiffers(
            f"The history on disk is not what the stages give: {wrong.cause}.",
            where=wrong.file,
            hint=f"Run `inv check` to see how, and {folder.remedy(files)}. No database was changed.",
        )
    folder.require_runnable(plan.migrations, files)


def sound(plan: Plan, *names: str | None) -> tuple[File, ...]:
    """The revisions on disk, which a database may be taken through; () where there are none.

    `names` are the stages to go to and from. No model is imported. Raises WrongUse for one that is nowhere;
    HistoryDiffers where Alembic could not run them, where a file was edited by hand, where
    two files follow the same one, as after a merge of two branches, and where a stage has no file.
    """
    files = folder.read(plan.migrations / "versions")
    known = tuple(each for each in files if each.id is not None)
    stages = {file.stage for file in known}
    for name in {*names} - stages - {None, "base"}:
        plan.stage(str(name))
    folder.require_runnable(plan.migrations, files)
    for each in files:
        if each.ours and each.wrong is not None:
            raise _unsound(plan, each.name, f"the file {each.wrong}")
    followed: dict[str | None, File] = {}
    for each in known:
        other = followed.setdefault(each.parent, each)
        if other is not each:
            after = f"both follow revision {each.parent}" if each.parent else "are both the first"
            raise _unsound(plan, each.name, f"it has two heads, because {other.name} and {each.name} {after}")
    missing = next((stage for stage in plan.stages if stage.name not in stages), None)
    if known and missing is not None:
        index = plan.stages.index(missing)
        raise _unsound(plan, str(plan.where("stages", index)), f"no file is of stage {missing.name}")
    return known


def _unsound(plan: Plan, where: str, why: str) -> HistoryDiffers:
    remedy = folder.remedy(folder.read(plan.migrations / "versions"))
    return HistoryDiffers(
        f"The history on disk is not what the stages give: {why}.",
        where=where,
        hint=f"Run `inv check` to see how, and {remedy}. No database was changed.",
    )


def require_stage(plan: Plan, stage: str, known: Sequence[File]) -> None:
    """Raise WrongUse where the stage has no revision on disk."""
    if stage not in {file.stage for file in known}:
        plan.stage(stage)
        raise WrongUse(f"Stage {stage} has no revision yet.", hint="Run `inv rebuild`.")


def last_stage(known: Sequence[File]) -> str:
    """The last stage that has a revision on disk. Raises WrongUse where there is no history."""
    if not known:
        raise WrongUse("There is no history yet.", hint="Run `inv rebuild`.")
    return str(known[-1].stage)
