"""`rebuild`: make the whole history, prove it, write it in one step, and upgrade the development database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial

import sqlalchemy as sa

from sqlstrata import folder
from sqlstrata.commands import alembic_ini
from sqlstrata.commands.development import Brought, bring_up, current_revision, never
from sqlstrata.commands.offers import tried
from sqlstrata.commands.progress import WAIT, Clock, Notify, healed, messages, silent
from sqlstrata.commands.rebuilt import Rebuilt
from sqlstrata.commands.released import not_on_disk, require_unchanged
from sqlstrata.commands.staging import staged
from sqlstrata.databases import addresses, creation
from sqlstrata.databases.lost import answering
from sqlstrata.errors import Refused, SqlstrataError, Unreachable, WrongUse
from sqlstrata.migrate.follow import remember_made
from sqlstrata.migrate.identity import swept
from sqlstrata.plan import Plan, Stage
from sqlstrata.proof.agreement import Observed, Values, require_agreement
from sqlstrata.proof.mirror import Mirror
from sqlstrata.proof.prove import once, prove
from sqlstrata.proof.verdict import placed
from sqlstrata.result import counted
from sqlstrata.revisions import remembered
from sqlstrata.revisions.frozen import require_readable
from sqlstrata.revisions.generate import Step, steps
from sqlstrata.revisions.refusal import NotAllowed
from sqlstrata.revisions.revision import Revision
from sqlstrata.servers import KINDS


@answering()
def rebuild(  # noqa: PLR0913 - each is a flag of the command
    plan: Plan,
    *,
    dry_run: bool = False,
    apply_it: bool = True,
    proof: bool = True,
    generated_rows: bool = True,
    force: bool = False,
    confirmed: Callable[[str], bool] = never,
    notify: Notify = silent,
    wait: float = WAIT,
) -> Rebuilt:
    """Make the whole history, prove it, replace the revision files in one step, upgrade the development database.

    It is proved on rows that are generated from the models, unless `generated_rows` is False, and on those of the plan.
    Where anything is refused or fails before the files are replaced, nothing has been touched. Raises WrongUse,
    Refused, HistoryDiffers (files were edited by hand, without `force`), MigrationFailed, Unreachable, SchemaDiffers
    and Locked.
    """
    _require_filled_in(plan)
    versions = plan.migrations / "versions"
    if proof and apply_it and not dry_run:
        _require_proved_kind(plan)
    healed(plan, notify)
    clock = Clock(notify)
    made_of = remembered.digest(plan)
    with ExitStack() as stack:
        mirrors = [
            stack.enter_context(Mirror(server, copies=generated_rows)) for server in (plan.prove_on if proof else ())
        ]
        made = _made(plan, mirrors, clock)
        clock.end()
        revisions = tuple(step.revision for step in made)
        if not force:
            folder.require_ours(versions)
            folder.require_own(plan.migrations)
            folder.require_frozen(plan)
        if made[-1].frozen is not None:
            require_readable(plan, made[-1].frozen, made[-1].schema)
        changes = _changes(plan, revisions, force=force)
        if mirrors:
            note = once(messages(notify))
            observed: dict[str, Values] = {}
            with staged(plan, revisions) as place, placed(plan):
                for mirror in mirrors:
                    swept(mirror.server)
                    where = addresses.address(sa.make_url(mirror.server))
                    seen = Observed() if len(mirrors) > 1 else None
                    with _advised(mirror.server):
                        prove(mirror.server, place, made, clock.during(f"proving on {where}"), mirror, note, seen)
                    observed |= {} if seen is None else {where: seen.values}
                require_agreement(observed)
    proved_on = tuple(addresses.address(sa.make_url(server)) for server in plan.prove_on) if proof else ()
    found = Rebuilt(
        versions,
        revisions,
        written=False,
        proved_on=proved_on,
        seconds=clock.seconds,
        dry=dry_run,
        changes=changes,
        development=_development(plan, changes, revisions),
    )
    if dry_run:
        return found
    with folder.frozen_written(plan, made) as kept:
        replaced = _write(plan, revisions, proved=proof, force=force, wait=wait, notify=notify)
    kept = kept if replaced is None or replaced.kept is None else replaced.kept
    found = replace(found, written=replaced is not None, kept=kept)
    remembered.remember(plan, made_of, revisions)
    remember_made(plan, made[-1], messages(notify))
    try:
        brought = bring_up(plan, made, notify, wait=wait, confirmed=confirmed) if apply_it else Brought()
    except SqlstrataError as error:
        if replaced is not None:
            error.message += " The new history is written."
            error.result = error.result or replace(found, applied=_applied(error))
        raise
    return replace(found, applied=brought.applied, taken=brought.taken)


def _require_filled_in(plan: Plan) -> None:
    """Raise Refused where a stage has no SQL yet for a data step of the history that it is from."""
    unfilled = plan.unfilled()
    if not unfilled:
        return
    reasons = "".join(f"\n  {stage.name}: {text}." for stage, text, _ in unfilled)
    raise Refused(
        f"{counted(len(unfilled), 'data step')} must be filled in:{reasons}",
        where=unfilled[0][2],
        hint="Write SQL that does the same in place of each text: what the stage drops is still there while its `data` "
        "runs. Or remove the text, if nothing is lost without it.",
        needs=[{"stage": stage.name, "key": "data", "name": text, "value": None} for stage, text, _ in unfilled],
    )


def _made(plan: Plan, mirrors: Sequence[Mirror], clock: Clock) -> tuple[Step, ...]:
    """The history's steps. Raises NotAllowed, whose lines have been run where there are servers to prove on."""
    try:
        return steps(plan, partial(_show, mirrors, clock))
    except NotAllowed as error:
        raise tried(plan, error) if mirrors else error from None


def _applied(error: SqlstrataError) -> tuple[str, ...]:
    """The stages that were applied before a migration failed."""
    found = error.details.get("applied")
    return tuple(map(str, found)) if isinstance(found, list) else ()


def _changes(plan: Plan, revisions: tuple[Revision, ...], *, force: bool) -> tuple[folder.Change, ...]:
    """The files that differ. Raises Refused where a released stage does, or where that is unknown, without `force`."""
    files = folder.read(plan.migrations / "versions")
    unknown = require_unchanged(plan, files, revisions)
    if unknown and not force:
        raise not_on_disk(plan, unknown)
    return folder.changes(files, revisions)


def _development(plan: Plan, changes: Sequence[folder.Change], revisions: Sequence[Revision]) -> str | None:
    """A sentence where the development database is at a revision that is replaced; None where it is at another one."""
    gone = {each.old.id: each.old for each in changes if each.old is not None} if changes else {}
    gone = {key: old for key, old in gone.items() if key not in {revision.id for revision in revisions}}
    if not gone:
        return None
    try:
        at = current_revision(plan)
    except SqlstrataError as error:
        return f"Cannot tell whether the development database is at one of them: {error.message}"
    return f"The development database is at {at} ({gone[at].stage})." if at in gone else None


def _require_proved_kind(plan: Plan) -> None:
    """Raise WrongUse where the development database is on a kind of server on which nothing would be proved.

    Raises Unreachable where that server does not answer, which has to be seen to in any case.
    """
    url = addresses.parsed(plan.database.url)
    kind = addresses.server_kind(url)
    if kind in {addresses.server_kind(addresses.parsed(server)) for server in plan.prove_on}:
        return
    creation.exists(url)
    title = KINDS[kind].title
    message = (
        f"`prove_on` names no {title} server, so the development database would get what nothing has proved there."
    )
    hint = (
        f"Add a {title} server to `prove_on`, or remove the key: its default is the development database's server. "
        "`--no-apply` leaves the development database alone."
    )
    raise WrongUse(message, where=plan.where("prove_on"), hint=hint)


@contextmanager
def _advised(server: str) -> Iterator[None]:
    """Have the error for a server that cannot be used for the proof say what else to do."""
    try:
        yield
    except Unreachable as error:
        example = f"{sa.make_url(server).drivername}://user@host/name"
        advice = f"write `prove_on: [{example}]` in config.yaml; `inv rebuild --no-proof` proves nothing."
        error.hint = f"{error.hint or ''} To prove the history on another server, {advice}".strip()
        raise


def _show(
    mirrors: Sequence[Mirror], clock: Clock, stage: Stage, metadata: sa.MetaData, changed: frozenset[str]
) -> None:
    clock("making", stage.name)
    for mirror in mirrors:
        mirror.show(stage, metadata, changed)


def _write(
    plan: Plan, revisions: tuple[Revision, ...], *, proved: bool, force: bool, wait: float, notify: Notify
) -> folder.Replaced | None:
    """Replace the revision files, and complete the migrations folder around them. None where nothing differed.

    What is not proved is marked before it is there, and what is proved loses the mark afterwards. A folder of another
    program, which only `force` leads to, is renamed first.
    """
    versions = plan.migrations / "versions"
    aside = folder.set_aside(plan.migrations) if folder.is_foreign(plan.migrations) else None
    with folder.locked(versions, wait, waiting=messages(notify)) as left:
        if left:
            notify(left, "")
        about_older = folder.environment(plan.migrations, wait=wait)
        if about_older is not None:
            notify(about_older, "")
        about_ini = alembic_ini.complete(plan)
        if about_ini is not None:
            notify(about_ini, "")
        if not proved and folder.compare(folder.read(versions), revisions) is not None:
            folder.mark_unproved(plan.migrations)
        replaced = folder.replace(versions, revisions, force=force)
        if proved:
            folder.mark_proved(plan.migrations)
        return replaced if replaced is None or aside is None else folder.Replaced(aside)
