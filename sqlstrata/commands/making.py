"""`rebuild`: the whole history from the stages, proved, written in one step, and the development database after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from sqlstrata import folder as history
from sqlstrata.commands.going import Brought, bring_up
from sqlstrata.commands.placing import Repointed, swept
from sqlstrata.commands.telling import WAIT, Clock, Told, healed, silent
from sqlstrata.databases import addresses
from sqlstrata.databases.lost import answering
from sqlstrata.databases.maker import folder as temporary
from sqlstrata.databases.maker import writing
from sqlstrata.disk import write_whole
from sqlstrata.errors import SqlstrataError, WrongUse
from sqlstrata.plan import Plan, Stage
from sqlstrata.proof.mirror import Mirror
from sqlstrata.proof.prove import prove
from sqlstrata.proof.verdict import placed
from sqlstrata.revisions import remembered
from sqlstrata.revisions.generate import steps
from sqlstrata.revisions.revision import Revision

_ALEMBIC_INI = Path(__file__).with_name("alembic.ini")


@dataclass(frozen=True)
class Rebuilt:
    """What `rebuild` did."""

    revisions: tuple[Revision, ...]
    written: bool
    applied: tuple[str, ...]
    proved_on: tuple[str, ...]
    kept: Path | None = None
    seconds: Mapping[str, float] | None = None
    repointed: Repointed | None = None
    dry: bool = False


@answering()
def rebuild(
    plan: Plan,
    *,
    dry_run: bool = False,
    apply_it: bool = True,
    proof: bool = True,
    force: bool = False,
    told: Told = silent,
    wait: float = WAIT,
) -> Rebuilt:
    """Make the whole history, prove it, replace the revision files in one step, bring the development database up.

    Where anything is refused or fails before the files are replaced, nothing has been touched. Raises what the rooms
    that take part raise: WrongUse, Refused, HistoryDiffers, MigrationFailed, Unreachable, SchemaDiffers, Locked.
    """
    versions = plan.migrations / "versions"
    healed(plan, told)
    clock = Clock(told)
    made_of = remembered.digest(plan)
    with ExitStack() as stack:
        mirrors = [stack.enter_context(Mirror(server)) for server in plan.prove_on] if proof else []
        made = steps(plan, partial(_shown, mirrors, clock))
        revisions = tuple(step.revision for step in made)
        if not force:
            history.require_ours(versions)
        if mirrors:
            with staged(plan, revisions) as folder, placed(plan):
                for mirror in mirrors:
                    swept(mirror.server)
                    where = addresses.address(sa.make_url(mirror.server))
                    prove(mirror.server, folder, made, partial(clock, f"proving on {where}"), mirror)
    if dry_run:
        return Rebuilt(
            revisions, written=False, applied=(), proved_on=_proved(plan, proof=proof), seconds=clock.seconds, dry=True
        )
    replaced = write(plan, revisions, force=force, wait=wait, told=told)
    remembered.remember(plan, made_of, revisions)
    try:
        brought = (
            bring_up(plan, made, lambda stage: clock("up", stage), wait=wait, tell=told) if apply_it else Brought(())
        )
    except SqlstrataError as error:
        if replaced is not None:
            error.message += " The new history is written."
        raise
    kept = None if replaced is None else replaced.kept
    return Rebuilt(
        revisions,
        replaced is not None,
        brought.applied,
        _proved(plan, proof=proof),
        kept,
        clock.seconds,
        brought.repointed,
    )


def _shown(
    mirrors: Sequence[Mirror], clock: Clock, stage: Stage, metadata: sa.MetaData, changed: frozenset[str]
) -> None:
    clock("making", stage.name)
    for mirror in mirrors:
        mirror.show(stage, metadata, changed)


def write(
    plan: Plan, revisions: tuple[Revision, ...], *, force: bool, wait: float, told: Told
) -> history.Replaced | None:
    """Replace the revision files, and make the migrations folder whole around them. None where nothing differed."""
    versions = plan.migrations / "versions"
    with history.locked(versions, wait, waiting=lambda sentence: told(sentence, "")) as left:
        if left:
            told(left, "")
        about_older = history.environment(plan.migrations, wait=wait)
        if about_older is not None:
            told(about_older, "")
        _alembic_ini(plan)
        return history.replace(versions, revisions, force=force)


def _proved(plan: Plan, *, proof: bool) -> tuple[str, ...]:
    return tuple(addresses.address(sa.make_url(server)) for server in plan.prove_on) if proof else ()


def _alembic_ini(plan: Plan) -> None:
    """Put an alembic.ini beside the plan where there is none, so that Alembic's own commands work there.

    It has the database's URL only where that is a file's: another may hold a password.
    """
    path = plan.folder / "alembic.ini"
    if path.exists() or not plan.migrations.is_relative_to(plan.folder):
        return
    text = _ALEMBIC_INI.read_text(encoding="utf-8")
    text = text.replace("MIGRATIONS", plan.migrations.relative_to(plan.folder).as_posix())
    text = text.replace("CONFIG", plan.path.name)
    url = sa.make_url(plan.database.url)
    if url.get_backend_name() == "sqlite" and url.database:
        file = Path(url.database)
        inside = file.is_relative_to(plan.folder)
        path_of_file = (file.relative_to(plan.folder) if inside else file).as_posix().replace("%", "%%")
        place = f"%(here)s/{path_of_file}" if inside else path_of_file
        text = text.replace("# sqlalchemy.url = driver://user@host/name", f"sqlalchemy.url = sqlite:///{place}")
    try:
        write_whole(path, text.encode(), replace=False)
    except OSError as error:
        message = f"{path.name} cannot be written beside the plan: {error.strerror}."
        raise WrongUse(message, hint="Look at the folder's rights and room. Nothing else was changed.") from error


@contextmanager
def staged(plan: Plan, revisions: tuple[Revision, ...]) -> Iterator[Path]:
    """A migrations folder with these revisions, beside the real one's env.py, for as long as the proof takes."""
    with temporary() as place:
        folder = place / "migrations"
        with writing(place):
            folder.mkdir()
            history.copy(plan.migrations, folder)
            history.environment(folder)
            (folder / "versions").mkdir()
            history.write(folder / "versions", revisions)
        try:
            yield folder
        except SqlstrataError as error:
            if error.where is not None:
                error.where = error.where.replace(str(folder), str(plan.migrations))
            raise
