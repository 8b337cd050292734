"""`onboard` and `reset`: a working development database, from a fresh clone or anew."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from sqlstrata import folder as history
from sqlstrata.commands.going import Brought, bring_up
from sqlstrata.commands.making import rebuild
from sqlstrata.commands.placing import Repointed, require_history
from sqlstrata.commands.telling import WAIT, Told, healed, silent
from sqlstrata.databases import addresses, database, sqlite_file
from sqlstrata.databases.lost import answering
from sqlstrata.errors import SchemaDiffers, Unreachable
from sqlstrata.migrate.identity import compare
from sqlstrata.plan import Plan
from sqlstrata.revisions.generate import Step, steps


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
    url = addresses.parsed(plan.database.url)
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
    return looked(plan, made, brought, rebuilt=rebuilt)


def looked(plan: Plan, made: tuple[Step, ...], brought: Brought, *, rebuilt: bool) -> Onboarded:
    """Verify what there is, and count its rows."""
    last = made[-1]
    with database.connect(database.engine(plan.database.url, reading=True)) as connection:
        sqlite_file.require_whole(connection)
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
    title = addresses.title(addresses.parsed(plan.database.url))
    return Onboarded(title, last.stage.name, tables, brought.created, brought.applied, rebuilt, brought.repointed)


def await_server(url: sa.URL, wait: float, waiting: Callable[[str], None]) -> None:
    """Wait until the server answers, telling once that it does not yet. Raises Unreachable after `wait` seconds.

    A server that takes connections and still says no (a wrong password, say) is asked for a few seconds only: it may be
    just starting.
    """
    if addresses.server_kind(url) == "sqlite":
        return
    end, answered, announced = time.monotonic() + wait, 0, False
    while True:
        try:
            database.connect(database.engine(addresses.server(url))).close()
        except Unreachable as error:
            answered += _listens(url)
            if time.monotonic() >= end or answered > _PATIENCE:
                raise
            if not announced:
                waiting(f"Waiting up to {wait:.0f} s for {addresses.address(url)}: {error.message}")
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
        socket.create_connection((url.host, url.port or addresses.port(url)), timeout=2).close()
    except OSError:
        return False
    return True
