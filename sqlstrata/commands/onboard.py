"""`onboard`: from a fresh clone to a working development database."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable

import sqlalchemy as sa

from sqlstrata import folder
from sqlstrata.commands.development import Onboarded, bring_up, looked, never
from sqlstrata.commands.progress import WAIT, Notify, healed, messages, silent
from sqlstrata.commands.rebuild import rebuild
from sqlstrata.commands.target import require_history
from sqlstrata.databases import addresses, database
from sqlstrata.databases.lost import answering
from sqlstrata.errors import Unreachable
from sqlstrata.plan import Plan
from sqlstrata.result import counted
from sqlstrata.revisions.generate import steps

_PAUSE = 0.5
_PATIENCE = 10
"""How often a server may take a connection and refuse it."""


@answering()
def onboard(
    plan: Plan, *, wait: float = WAIT, notify: Notify = silent, confirmed: Callable[[str], bool] = never
) -> Onboarded:
    """Make a working development database: create it, upgrade it to the last stage with its rows, and check it.

    A server that is starting is waited for, up to `wait` seconds. Where there are no revision files the history is made
    first. A second run changes nothing. Raises WrongUse (no driver), Unreachable (no server, no right), HistoryDiffers,
    SchemaDiffers, Locked, MigrationFailed.
    """
    url = addresses.parsed(plan.database.url)
    database.engine(url)  # is there a driver?
    python, stages = sys.version.split()[0], counted(len(plan.stages), "stage")
    notify(f"Python {python}, {url.drivername}, {plan.path.name} with {stages}.", "")
    _await_server(url, wait, messages(notify))
    healed(plan, notify)
    made = steps(plan)
    rebuilt = not folder.read(plan.migrations / "versions")
    if rebuilt:
        rebuild(plan, apply_it=False, notify=notify, wait=wait)
    require_history(plan, made)
    return looked(plan, made, bring_up(plan, made, notify, wait=wait, confirmed=confirmed), rebuilt=rebuilt)


def _await_server(url: sa.URL, wait: float, waiting: Callable[[str], None]) -> None:
    """Wait until the server answers, reporting once that it does not. Raises Unreachable after `wait` seconds.

    A server that takes connections and refuses them (a wrong password, for example) is asked for a few seconds only: it
    may be starting.
    """
    if addresses.server_kind(url) == "sqlite":
        return
    end, refusals, announced = time.monotonic() + wait, 0, False
    while True:
        try:
            database.connect(database.engine(addresses.server(url))).close()
        except Unreachable as error:
            is_refused = _listens(url)
            refusals += is_refused
            if time.monotonic() >= end or refusals > _PATIENCE:
                raise
            if not announced:
                seconds = min(wait, _PATIENCE * _PAUSE) if is_refused else wait
                waiting(f"Waiting up to {seconds:.0f} s for {addresses.address(url)}: {error.message}")
                announced = True
            time.sleep(min(_PAUSE, max(0.0, end - time.monotonic())))
        else:
            return


def _listens(url: sa.URL) -> bool:
    """Whether something takes TCP connections at the URL's address."""
    if not url.host or url.host.startswith("/"):
        return False
    try:
        socket.create_connection((url.host, url.port or addresses.port(url)), timeout=2).close()
    except OSError:
        return False
    return True
