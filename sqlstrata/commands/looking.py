"""Commands that only look."""

from __future__ import annotations

from dataclasses import dataclass, replace

import sqlalchemy as sa

from sqlstrata import folder as history
from sqlstrata.commands.placing import chosen, fitting, swept, to_make
from sqlstrata.commands.telling import Told, healed, silent
from sqlstrata.databases import addresses, creation, database, sqlite_file
from sqlstrata.databases.lost import answering
from sqlstrata.errors import SqlstrataError
from sqlstrata.folder import File
from sqlstrata.migrate import apply
from sqlstrata.migrate.identity import Fit, compare
from sqlstrata.modules.turning import unlisted
from sqlstrata.plan import Plan
from sqlstrata.revisions import remembered
from sqlstrata.revisions.generate import Step, steps
from sqlstrata.revisions.revision import Revision
from sqlstrata.snapshot import Difference


@dataclass(frozen=True)
class Checked:
    """What `check` found; `mismatch` is the first stage that differs, `remedy` what makes the history right again."""

    mismatch: history.Mismatch | None
    unlisted: tuple[str, ...]
    remedy: str


@answering()
def check(plan: Plan, told: Told = silent) -> Checked:
    """Whether the history on disk is, byte for byte, what the stages give. Read-only.

    Where config.yaml, the modules and the files are what they were when this program wrote the history, it is.
    """
    healed(plan, told)
    mismatch = None
    if not remembered.is_unchanged(plan):
        mismatch = _differing(plan, steps(plan))
    mismatch = mismatch or history.environment_mismatch(plan.migrations)
    remedy = "" if mismatch is None else history.remedy(history.read(plan.migrations / "versions"))
    return Checked(mismatch, unlisted(plan), remedy)


def _differing(plan: Plan, made: tuple[Step, ...]) -> history.Mismatch | None:
    return history.compare(history.read(plan.migrations / "versions"), tuple(step.revision for step in made))


@dataclass(frozen=True)
class Planned:
    """What `stages` shows: the revisions as the stages give them, and where the database is, or why nobody can tell."""

    revisions: tuple[Revision, ...]
    at: str | None
    unlisted: tuple[str, ...]
    unreachable: str | None = None


@answering()
def stages(plan: Plan) -> Planned:
    """The plan, stage by stage. Read-only; that a database cannot be reached is in the result."""
    revisions = tuple(step.revision for step in steps(plan))
    try:
        return Planned(revisions, _at(plan, revisions), unlisted(plan))
    except SqlstrataError as error:
        return Planned(revisions, None, unlisted(plan), error.message)


def _at(plan: Plan, revisions: tuple[Revision, ...]) -> str | None:
    url = addresses.parsed(plan.database.url)
    if addresses.server_kind(url) == "sqlite" and not creation.exists(url):
        return None
    with database.reporting(url), database.engine(url, reading=True).connect() as connection:
        current = apply.revision_of(connection)
    return next((each.stage for each in revisions if each.id == current), None)


@dataclass(frozen=True)
class Status:
    """Where a database is.

    `revision` is what it says, `stage` what that means. Where the history has not that revision (`gone`), or there is
    none, `fit` is what its schema says. `unfinished` is a stage that is half done (MariaDB). `missing`: there is no
    such database, and this makes it. `outdated`: the history on disk is not what the stages give; looked at where the
    schema differs, or the revision is gone. `with_rows` are those of the development database's pending stages
    that have rows, which `inv up` does not put in.
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


@answering()
def status(plan: Plan, url: str | None = None, told: Told = silent) -> Status:
    """Where a database is, what is pending, and whether its schema is what its stage says. Read-only.

    Raises Unreachable and WrongUse.
    """
    there = chosen(plan, url)
    healed(plan, told)
    known = apply.files(plan)
    swept(there)
    if not creation.exists(there):
        stages = tuple(stage.name for stage in plan.stages)
        return Status(None, None, stages, schema_matches=True, missing=to_make(plan, there))
    with database.connect(database.engine(there, reading=True)) as connection:
        sqlite_file.require_whole(connection)
        made = steps(plan)
        found = _status(connection, known, made)
        found = replace(found, with_rows=tuple(name for name in found.pending if name in _with_rows(plan, there)))
        if found.schema_matches and not found.gone:
            return found
        return replace(found, outdated=_differing(plan, made) is not None)


_LOOKS = 5


def _status(connection: sa.Connection, known: tuple[File, ...], made: tuple[Step, ...]) -> Status:
    """What is found; looked at again where a run went on meanwhile, or a server with the statement of a killed one.

    Of schemas a server shows what is there now, of rows what was there when one began to look.
    """
    found = _looked(connection, known, made)
    for _ in range(_LOOKS):
        if found.schema_matches or (found.revision, found.unfinished) == apply.standing(connection):
            break
        found = _looked(connection, known, made)
    return found


def _looked(connection: sa.Connection, known: tuple[File, ...], made: tuple[Step, ...]) -> Status:
    revision, half = apply.standing(connection)
    names = [step.stage.name for step in made]
    stage = next((file.stage for file in known if file.id == revision), None)
    if revision is not None and stage is None:
        fit = fitting(connection, made)
        there = fit.stage if fit.exact else None
        return Status(
            there, revision, _after(names, there), fit.exact, fit.differences, gone=True, fit=fit, unfinished=half
        )
    step = next((step for step in made if step.stage.name == stage), None)
    if stage is not None and step is None:  # a file of a stage that is none any more
        on_disk = [str(file.stage) for file in known]
        return Status(stage, revision, _after(on_disk, stage), schema_matches=False, unfinished=half)
    found = compare(connection, sa.MetaData() if step is None else step.metadata)
    connection.rollback()
    likely = fitting(connection, made) if found and half is None else None
    return Status(stage, revision, _after(names, stage), not found, found, fit=likely, unfinished=half)


def _with_rows(plan: Plan, there: sa.URL) -> frozenset[str]:
    """The stages whose rows `onboard` and `rebuild` put into the database, and `up` does not."""
    if not database.same(there, plan.database.url):
        return frozenset()
    return frozenset(stage.name for stage in plan.stages if stage.rows)


def _after(names: list[str], stage: str | None) -> tuple[str, ...]:
    return tuple(names[names.index(stage) + 1 :] if stage in names else names)
