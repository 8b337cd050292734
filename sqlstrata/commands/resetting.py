"""`reset`: drop the development database and make it again.

1. Look at it: it must be this project's, not protected, and the user must be able to make it again.
2. Ask, with what was seen: server, database, tables and rows.
3. Look again, on the connection that drops it and under the lock: all of it must still be so. Drop it.
4. Make it again, with its rows.

Whatever fails before the drop has changed nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

import sqlalchemy as sa

from sqlstrata.commands.entering import Onboarded, looked, onboard
from sqlstrata.commands.going import bring_up
from sqlstrata.commands.placing import require_history
from sqlstrata.commands.telling import WAIT, Told, healed, silent
from sqlstrata.databases import addresses, creation, database, ownership, removal
from sqlstrata.databases.location import Location, location
from sqlstrata.databases.lost import answering
from sqlstrata.dialects import quoted
from sqlstrata.errors import Protected, WrongUse
from sqlstrata.migrate.failures import locked
from sqlstrata.operations import lock
from sqlstrata.plan import Plan
from sqlstrata.revisions.generate import steps
from sqlstrata.scratch.bracket import scratch
from sqlstrata.snapshot.values import OURS


@dataclass(frozen=True)
class Seen:
    """What there is to drop: where it is, its mark, and how many rows each of its tables has."""

    location: Location
    mark: ownership.Mark
    rows: Mapping[str, int]

    def __str__(self) -> str:
        """Give the content in a few words, the largest tables first."""
        if not self.rows:
            return "no tables"
        largest = sorted(self.rows.items(), key=lambda each: (-each[1], each[0]))
        listed = ", ".join(f"{name}: {number}" for name, number in largest[:_LISTED])
        more = f" and {len(largest) - _LISTED} more" if len(largest) > _LISTED else ""
        number = sum(self.rows.values())
        tables = f"{len(self.rows)} table{'s' * (len(self.rows) != 1)}"
        return f"{tables} with {number} row{'s' * (number != 1)} ({listed}{more})"


_LISTED = 4


@answering()
def reset(plan: Plan, confirmed: Callable[[str], bool], *, wait: float = WAIT, told: Told = silent) -> Onboarded:
    """Drop the development database and make it again, with its rows, after `confirmed` has said yes to the question.

    Raises, with nothing done: Protected where config.yaml or the database says that it is protected, where it is not
    one that this project made or adopted, or where it is not what was asked about any more; WrongUse where the answer
    is no; Locked where somebody is connected or at work for longer than `wait`; Unreachable where the user could not
    make it again.
    """
    url = addresses.parsed(plan.database.url)
    healed(plan, told)
    made = steps(plan)
    require_history(plan, made)
    if not creation.exists(url):
        return onboard(plan, wait=wait, told=told)
    with database.reporting(url), database.engine(url, reading=True, wait=wait).connect() as connection:
        seen = _droppable(connection, plan)
    _require_may_make(url)
    if not confirmed(f"Drop {addresses.title(url)} with all that is in it, {seen}, and make it again?"):
        raise WrongUse("Nothing was changed.", hint="`inv reset --yes` asks nothing.")
    try:
        removal.drop(url, partial(_require_still, plan, seen), lock=partial(_locked, wait, told), wait=wait)
    except lock.Held as error:
        raise locked(error) from error
    told(f"Dropped {addresses.title(url)}.", "")
    brought = bring_up(plan, made, lambda stage: told("up", stage), wait=wait, tell=told)
    return looked(plan, made, brought, rebuilt=False)


def _require_may_make(url: sa.URL) -> None:
    """Raise Unreachable, with the SQL for an administrator, where the user could not make the database again.

    The new one is compared with a scratch database, so the user must be able to make such a one as well.
    """
    creation.require_may_make(url)
    if addresses.server_kind(url) != "sqlite":
        with scratch(url):
            pass


def _droppable(connection: sa.Connection, plan: Plan) -> Seen:
    """Look at the database. Raises Protected where it may not be dropped."""
    ownership.require_unprotected(connection, "reset", configured=plan.database.protected)
    ownership.require_ours(connection, plan.folder)
    rows = {".".join(path): _count(connection, quoted(connection, *path)) for path in _tables(connection)}
    return Seen(location(connection), ownership.read(connection), rows)


def _count(connection: sa.Connection, table: str) -> int:
    return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())


def _tables(connection: sa.Connection) -> list[tuple[str, ...]]:
    """The names of all tables but ours; on PostgreSQL with the schemas that they are in."""
    inspector = sa.inspect(connection)
    if connection.dialect.name != "postgresql":
        return [(name,) for name in sorted(set(inspector.get_table_names()) - OURS)]
    schemas = [name for name in inspector.get_schema_names() if name != "information_schema"]
    return [(schema, name) for schema in schemas for name in sorted(set(inspector.get_table_names(schema)) - OURS)]


def _require_still(plan: Plan, seen: Seen, connection: sa.Connection) -> None:
    """Raise Protected where the database is not what was asked about any more."""
    now = _droppable(connection, plan)
    if now != seen:
        raise Protected(
            f"{addresses.title(connection.engine.url)} has changed since it was looked at: it had {seen}; now {now}.",
            hint="Nothing was changed. Run the command again if it may go as it is now.",
        )


def _locked(wait: float, told: Told, connection: sa.Connection) -> AbstractContextManager[object]:
    return lock.held(connection, wait, lambda sentence: told(sentence, ""))
