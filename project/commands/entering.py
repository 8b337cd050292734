"""`onboard` and `reset`: a working development database, from a fresh clone or anew."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from project.db import database, ownership
from project.db.lost import answering
from project.errors import Protected, SchemaDiffers, Unreachable, WrongUse
from project.migrations import history
from project.migrations.generate import Step, steps
from project.migrations.identity import compare
from project.plan import Plan

from .going import Brought, bring_up
from .making import rebuild
from .placing import Repointed, require_history
from .telling import WAIT, Told, healed, silent


@dataclass(frozen=True)
class Onboarded:
    """What there is now: the database, its stage, its tables with their number of rows; and what was done for it."""

    address: str
    stage: str
    tables: Mapping[str, int]
    created: bool
    applied: tuple[str, ...]
    rebuilt: bool = False
    repointed: Repointed | None = None

    @property
    def changed(self) -> bool:
        return self.created or self.rebuilt or bool(self.applied) or self.repointed is not None


@answering()
def onboard(plan: Plan, *, wait: float = WAIT, told: Told = silent) -> Onboarded:
    """Make a working development database: create it, bring it to the last stage with its rows, and look at it.

    A server that is starting is waited for, up to `wait` seconds. Where there are no revision files at all the history
    is made first. A second run changes nothing. Raises what is in the way, as what it is: WrongUse (no driver),
    Unreachable (no server, no right), HistoryDiffers, SchemaDiffers, Locked, MigrationFailed.
    """
    url = database.parsed(plan.database.url)
    database.engine(url)  # is there a driver?
    told(f"Python {sys.version.split()[0]}, {url.drivername}, {plan.path.name} with {len(plan.stages)} stages.", "")
    await_server(url, wait, lambda sentence: told(sentence, ""))
    healed(plan, told)
    made = steps(plan)
    rebuilt = not history.read(plan.migrations / "versions")
    if rebuilt:
        rebuild(plan, apply_it=False, told=told, wait=wait)
    require_history(plan, made)
    brought = bring_up(plan, made, lambda stage: told("up", stage), wait=wait, tell=told)
    return _looked(plan, made, brought, rebuilt=rebuilt)


def _looked(plan: Plan, made: tuple[Step, ...], brought: Brought, *, rebuilt: bool) -> Onboarded:
    """Verify what there is, and count its rows."""
    last = made[-1]
    with database.connect(database.engine(plan.database.url, reading=True)) as connection:
        found = compare(connection, last.metadata)
        if found:
            raise SchemaDiffers(
                f"The database says that it is at stage {last.stage.name}, and its schema differs "
                f"in {len(found)} points.",
                hint="`inv status` shows them. Undo what was changed by hand, or put it into the models.",
                differences=[each._asdict() for each in found],
            )
        tables = {
            name: int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())
            for name, table in sorted(last.metadata.tables.items())
        }
    title = database.title(database.parsed(plan.database.url))
    return Onboarded(title, last.stage.name, tables, brought.created, brought.applied, rebuilt, brought.repointed)


def await_server(url: sa.URL, wait: float, waiting: Callable[[str], None]) -> None:
    """Wait until the server answers, telling once that it does not yet. Raises Unreachable after `wait` seconds.

    A server that takes connections and still says no (a wrong password, say) is asked for a few seconds only: it may be
    just starting.
    """
    if database.server_kind(url) == "sqlite":
        return
    end, answered, announced = time.monotonic() + wait, 0, False
    while True:
        try:
            database.connect(database.engine(database.server(url))).close()
        except Unreachable as error:
            answered += _listens(url)
            if time.monotonic() >= end or answered > _PATIENCE:
                raise
            if not announced:
                waiting(f"Waiting up to {wait:.0f} s for {database.address(url)}: {error.message}")
                announced = True
            time.sleep(min(_PAUSE, max(0.0, end - time.monotonic())))
        else:
            return


_PAUSE = 0.5
_PATIENCE = 10
"""How often a server may take a connection and say no."""


def _listens(url: sa.URL) -> bool:
    """Whether something takes TCP connections at the URL's address."""
    if not url.host or url.host.startswith("/"):
        return False
    try:
        socket.create_connection((url.host, url.port or database.port(url)), timeout=2).close()
    except OSError:
        return False
    return True


# ------------------------------------------------------------------------------- reset


@answering()
def reset(plan: Plan, confirmed: Callable[[str], bool], *, wait: float = WAIT, told: Told = silent) -> Onboarded:
    """Drop the development database and make it anew, with its rows, after `confirmed` has said yes to the question.

    Raises Protected, with nothing done, where config.yaml or the database says that it is protected, or where it is one
    that we neither made nor took over; WrongUse where the answer is no.
    """
    url = database.parsed(plan.database.url)
    healed(plan, told)
    made = steps(plan)
    require_history(plan, made)
    if not database.exists(url):
        return onboard(plan, wait=wait, told=told)
    with database.connect(database.engine(url, reading=True)) as connection:
        ownership.require_unprotected(connection, "reset", configured=plan.database.protected)
        if not ownership.is_ours(connection):
            raise Protected(
                f"{database.title(url)} was neither made nor taken over by us, and is not ours to drop.",
                hint="Nothing was changed. If it may go, drop it yourself, or run `inv adopt` first.",
            )
    if not confirmed(f"Drop {database.title(url)} with all that is in it, and make it anew?"):
        raise WrongUse("Nothing was changed.", hint="`inv reset --yes` asks nothing.")
    told(f"Dropping {database.title(url)}.", "")
    _drop(url)
    brought = bring_up(plan, made, lambda stage: told("up", stage), wait=wait, tell=told)
    return _looked(plan, made, brought, rebuilt=False)


def _drop(url: sa.URL) -> None:
    """Drop it; nobody's connection is cut off for that: Locked says that there is one."""
    sqlite = database.server_kind(url) == "sqlite"
    if sqlite:  # somebody may be writing to it
        with database.telling(url), database.engine(url).connect() as connection:
            connection.exec_driver_sql("SELECT 1")
    try:
        database.drop(url)
        for ending in ("-journal", "-wal", "-shm") if sqlite else ():
            Path(f"{url.database}{ending}").unlink(missing_ok=True)
    except OSError as error:
        message = f"{database.title(url)} could not be removed: {error.strerror}."
        raise Unreachable(message, hint="Look at the rights of the file and its folder.") from error
