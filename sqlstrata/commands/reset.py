"""`reset`: drop the development database and create it again.

1. Look at it: it must be this project's and not protected, and the user must be able to create it again.
2. Ask, naming server, database, tables and rows.
3. Look again, on the connection that drops it and under the lock: nothing may have changed. Drop it.
4. Create it again, with its rows.

A failure before the drop has changed nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

import sqlalchemy as sa

from sqlstrata.commands import contents
from sqlstrata.commands.development import Onboarded, bring_up, looked
from sqlstrata.commands.onboard import onboard
from sqlstrata.commands.progress import WAIT, Notify, healed, messages, silent
from sqlstrata.commands.target import require_history
from sqlstrata.databases import addresses, creation, database, ownership, removal
from sqlstrata.databases.location import Location, location
from sqlstrata.databases.lost import answering
from sqlstrata.errors import Protected, WrongUse
from sqlstrata.migrate.failures import locked
from sqlstrata.operations import lock
from sqlstrata.plan import Plan
from sqlstrata.plan.foreign import is_foreign
from sqlstrata.revisions.generate import steps
from sqlstrata.scratch.bracket import scratch


@dataclass(frozen=True)
class Seen:
    """A database to drop: where it is, its mark, and the number of rows in each of its tables."""

    location: Location
    mark: ownership.Mark
    rows: Mapping[str, int]


@answering()
def reset(plan: Plan, confirmed: Callable[[str], bool], *, wait: float = WAIT, notify: Notify = silent) -> Onboarded:
    """Drop the development database and create it again, with its rows, if `confirmed` says yes to the question.

    Raises, with nothing done: Protected where config.yaml or the database says that it is protected, where this project
    did not create or adopt it, or where it has changed since the question; WrongUse where the answer is no; Locked
    where somebody is connected or at work for longer than `wait`; Unreachable where the user could not create it again.
    """
    url = addresses.parsed(plan.database.url)
    healed(plan, notify)
    made = steps(plan)
    require_history(plan, made)
    if not creation.exists(url):
        return onboard(plan, wait=wait, notify=notify)
    with database.reporting(url), database.engine(url, reading=True, wait=wait).connect() as connection:
        seen = _droppable(connection, plan)
    _require_may_make(url)
    if not confirmed(
        f"Drop {addresses.title(url)} with all that is in it, {contents.in_words(seen.rows)}, and create it again?"
    ):
        raise WrongUse("Nothing was changed.", hint="`inv reset --yes` asks nothing.")
    try:
        removal.drop(url, partial(_require_still, plan, seen), lock=partial(_locked, wait, notify), wait=wait)
    except lock.Held as error:
        raise locked(error) from error
    notify(f"Dropped {addresses.title(url)}.", "")
    return looked(plan, made, bring_up(plan, made, notify, wait=wait), rebuilt=False)


def _require_may_make(url: sa.URL) -> None:
    """Raise Unreachable, with the SQL for an administrator, where the user could not create the database again.

    The new one is compared with a scratch database, so the user must be able to create that, too.
    """
    creation.require_may_make(url)
    if addresses.server_kind(url) != "sqlite":
        with scratch(url):
            pass


def _droppable(connection: sa.Connection, plan: Plan) -> Seen:
    """Look at the database. Raises Protected where it may not be dropped."""
    ownership.require_unprotected(connection, "reset", configured=plan.database.protected)
    ownership.require_ours(connection, plan.folder)
    tables = contents.tables(connection, plan)
    _require_no_others(connection, plan, tables)
    return Seen(location(connection), ownership.read(connection), contents.rows(connection, tables))


def _require_no_others(connection: sa.Connection, plan: Plan, tables: Sequence[tuple[str, ...]]) -> None:
    """Raise Protected where the database has tables of somebody else; those of an extension come back with it."""
    default, brought = connection.dialect.default_schema_name, set[tuple[str, ...]]()
    if connection.dialect.name == "postgresql":
        brought = {tuple(row) for row in connection.exec_driver_sql(_BROUGHT)}
    keys = (".".join(path).removeprefix(f"{default}.") for path in tables if path not in brought)
    others = [key for key in keys if is_foreign(key, plan.not_ours, default)]
    if others:
        message = f"`not_ours` names {', '.join(others)}, which resetting the database would drop."
        raise Protected(message, where=plan.where("not_ours"), hint="Drop the database yourself, if that may go.")


_BROUGHT = """
    SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
"""
"""PostgreSQL's tables that belong to an extension."""


def _require_still(plan: Plan, seen: Seen, connection: sa.Connection) -> None:
    """Raise Protected where the database has changed since the question was asked."""
    now = _droppable(connection, plan)
    if now != seen:
        raise Protected(
            f"{addresses.title(connection.engine.url)} has changed: it had {contents.in_words(seen.rows)}; now it has "
            f"{contents.in_words(now.rows)}.",
            hint="Nothing was changed. Run the command again if it may be dropped as it is now.",
        )


def _locked(wait: float, notify: Notify, connection: sa.Connection) -> AbstractContextManager[object]:
    return lock.held(connection, wait, messages(notify))
