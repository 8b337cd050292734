"""The development database: create it, upgrade it to the last stage with its rows, and check it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import sqlalchemy as sa

from sqlstrata.commands import differences
from sqlstrata.commands.progress import WAIT, Notify, messages, silent
from sqlstrata.databases import addresses, creation, database, ownership, sqlite_file
from sqlstrata.databases.location import location, require
from sqlstrata.databases.lost import answering
from sqlstrata.errors import SchemaDiffers, Unreachable, WrongUse
from sqlstrata.migrate import apply
from sqlstrata.migrate.follow import Followed, remember, take_along
from sqlstrata.migrate.identity import compare, swept
from sqlstrata.migrate.place import Repointed, stage_at
from sqlstrata.plan import Plan
from sqlstrata.result import Line, Table, counted, listed
from sqlstrata.revisions.generate import Step


@dataclass(frozen=True)
class Brought:
    """What was done to upgrade the development database."""

    applied: tuple[str, ...] = ()
    created: bool = False
    taken: Repointed | Followed | None = None


def never(_: str) -> bool:
    """Answer no."""
    return False


@answering()
def bring_up(
    plan: Plan,
    made: tuple[Step, ...],
    notify: Notify = silent,
    *,
    wait: float = WAIT,
    confirmed: Callable[[str], bool] = never,
) -> Brought:
    """Bring the development database to the last stage, with each stage's rows; create it, and schemas that it lacks.

    Where its revision is no longer in the history it is taken along; `confirmed` is asked before values would be lost.
    Raises what `up` raises, and Protected.
    """
    waiting = messages(notify)
    there = addresses.parsed(plan.database.url)
    created = make_if_missing(plan, there, waiting)
    known = {step.stage.name: step for step in made}
    with database.reporting(there), database.engine(there, reading=True, wait=wait).connect() as connection:
        swept(there)
        connection.rollback()
        taken = take_along(plan, made, confirmed, wait, waiting)
        stage_at(connection, plan, apply.files(plan))
    with apply.connected(plan, wait=wait) as connection:
        _make_schemas(connection, made, waiting)
        last, reached = plan.stages[-1].name, partial(notify, "up")
        applied = apply.up(connection, plan, last, reached, lambda name: known[name].filled, wait=wait, waiting=waiting)
    remember(plan, there, made[-1], waiting)
    return Brought(applied, created, taken)


def current_revision(plan: Plan) -> str | None:
    """The revision that the development database is at; None where it has none, or there is no SQLite file.

    Read-only. Raises Unreachable, and SchemaDiffers where it has several.
    """
    url = addresses.parsed(plan.database.url)
    if addresses.server_kind(url) == "sqlite" and not creation.exists(url):
        return None
    with database.reporting(url), database.engine(url, reading=True).connect() as connection:
        return apply.revision_of(connection, plan)


def _make_schemas(connection: sa.Connection, made: tuple[Step, ...], report: Callable[[str], None]) -> None:
    """Create the schemas of the stages' tables that a PostgreSQL database lacks: revisions expect them.

    On MariaDB a schema is another database, and not created here.
    """
    if connection.dialect.name != "postgresql":
        return
    wanted = {table.schema for step in made for table in step.schema.tables.values() if table.schema}
    for name in sorted(wanted - set(sa.inspect(connection).get_schema_names()) if wanted else ()):
        with database.reporting(connection.engine.url):
            connection.execute(sa.schema.CreateSchema(name, if_not_exists=True))
        report(f"Created the schema {name}.")
    connection.commit()


def make_if_missing(plan: Plan, url: sa.URL, report: Callable[[str], None]) -> bool:
    """Create the database where there is none, and mark it as this project's. True where it was created.

    `report` is called where it could not be marked, with the reason.
    """
    if creation.exists(url):
        return False
    made = creation.make(url)
    with database.connect(database.engine(url)) as connection:
        require(location(connection), made, "marked")
        try:
            ownership.mark(connection, plan.folder, "created")
        except (Unreachable, WrongUse) as error:
            report(f"{addresses.title(url)} was created, but not marked, so `inv reset` will not drop it: {error}")
    return True


@dataclass(frozen=True)
class Onboarded:
    """The database, its stage, its tables with their number of rows; and what was done for it."""

    address: str
    stage: str
    tables: Mapping[str, int]
    created: bool
    applied: tuple[str, ...]
    rebuilt: bool = False
    taken: Repointed | Followed | None = None

    @property
    def changed(self) -> bool:
        return self.created or self.rebuilt or bool(self.applied) or self.taken is not None

    def to_json(self) -> dict[str, object]:
        return {
            "database": self.address,
            "stage": self.stage,
            "tables": dict(self.tables),
            "created": self.created,
            "applied": list(self.applied),
            "changed": self.changed,
        }

    def lines(self) -> Iterator[Line]:
        if self.taken is not None:
            yield str(self.taken)
        if self.created:
            yield f"Created: {self.address}."
        if self.applied:
            yield f"Applied: {listed(self.applied)}."
        if not self.changed:
            yield "Nothing to do: the database is up to date."
        address = f"{self.address[0].upper()}{self.address[1:]}"
        yield f"{address} is at stage {self.stage}, and its schema is exactly that of the stage."
        yield Table(("table", "rows"), [(name, str(rows)) for name, rows in self.tables.items()])
        yield "Next: `inv stages` shows the plan, `inv status` where the database is, `inv new-stage NAME` adds one."


def looked(plan: Plan, made: tuple[Step, ...], brought: Brought, *, rebuilt: bool) -> Onboarded:
    """Check the schema of the development database, and count its rows. Raises SchemaDiffers."""
    last = made[-1]
    with database.connect(database.engine(plan.database.url, reading=True)) as connection:
        sqlite_file.require_whole(connection)
        found = compare(connection, last.metadata, plan.foreign)
        if found:
            raise SchemaDiffers(
                f"The database has the revision of stage {last.stage.name}, but its schema differs: "
                f"{counted(len(found), 'difference')}.",
                hint=f"`inv status` shows {'it' if len(found) == 1 else 'them'}. {differences.advice(found)}",
                differences=differences.as_json(found),
            )
        tables = {
            name: int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())
            for name, table in sorted(last.metadata.tables.items())
        }
    title = addresses.title(addresses.parsed(plan.database.url))
    return Onboarded(title, last.stage.name, tables, brought.created, brought.applied, rebuilt, brought.taken)
