"""Upgrading and downgrading a database with the revisions on disk, and reading which revision it is at.

All of it runs through the folder's own env.py, exactly as `alembic upgrade` does.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext

from sqlstrata.databases import database
from sqlstrata.databases.lost import cause
from sqlstrata.errors import Locked, MigrationFailed, Refused, SchemaDiffers, SqlstrataError
from sqlstrata.folder import File, read, require_runnable
from sqlstrata.migrate.failures import exit_code, locked, place_of, reason, revision_of_error
from sqlstrata.operations.failures import code_of
from sqlstrata.plan import Plan
from sqlstrata.revisions.rows import insert
from sqlstrata.servers import kind_of

Notify = Callable[[str], None]

JOURNAL = "strata_migration"
"""The table with a run's lock and journal on MariaDB (the operations' `lock.TABLE`)."""


def silent(message: str) -> None:
    """Ignore a message."""


def files(plan: Plan) -> tuple[File, ...]:
    """The revisions on disk, first to last."""
    return tuple(each for each in read(plan.migrations / "versions") if each.id is not None)


def runnable(plan: Plan) -> tuple[File, ...]:
    """The revisions on disk. Raises HistoryDiffers where Alembic could not run them."""
    require_runnable(plan.migrations, read(plan.migrations / "versions"))
    return files(plan)


def configuration(migrations: Path, **attributes: object) -> Config:
    """Alembic's configuration for a folder; what it would print is discarded."""
    config = Config(stdout=io.StringIO(), output_buffer=io.StringIO())
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes.update(attributes)
    return config


def version_table(plan: Plan) -> dict[str, str | None]:
    """Alembic's table, in Alembic's words."""
    return {"version_table": plan.version_table.name, "version_table_schema": plan.version_table.schema}


def revisions_of(connection: sa.Connection, plan: Plan) -> tuple[str, ...]:
    """The revisions in the database's version table, sorted: an Alembic history may have several heads. Read-only."""
    context = MigrationContext.configure(connection, opts=version_table(plan))
    return tuple(sorted(map(str, context.get_current_heads())))


def revision_of(connection: sa.Connection, plan: Plan) -> str | None:
    """The revision in the database's version table; None where there is none. Read-only.

    Raises SchemaDiffers where there are several.
    """
    found = revisions_of(connection, plan)
    if len(found) > 1:
        message = f"The database is marked with {len(found)} revisions: {', '.join(found)}."
        hint = "`inv adopt` replaces them by the revision of the stage that the database's schema is exactly that of."
        raise SchemaDiffers(message, hint=hint)
    return found[0] if found else None


@dataclass(frozen=True)
class Unfinished:
    """An interrupted stage: its revision, the direction, and how many of its statements have been applied."""

    revision: str
    direction: str
    statements: int


def is_quiet(connection: sa.Connection) -> bool:
    """Whether no run is active, and none was interrupted: then the database has no journal. Read-only."""
    return kind_of(connection.dialect.name).name != "mariadb" or not sa.inspect(connection).has_table(JOURNAL)


def unfinished(connection: sa.Connection) -> Unfinished | None:
    """The stage that was interrupted, or that an active run is applying; on MariaDB only. Read-only."""
    if is_quiet(connection):
        return None
    query = f"SELECT revision, direction, kind, done FROM {JOURNAL} WHERE number > 0 ORDER BY number"
    rows = connection.exec_driver_sql(query).all()
    if not rows:
        return None
    return Unfinished(rows[0][0], rows[0][1], sum(1 for row in rows if row[2] in {"ddl", "dml"} and row[3]))


def standing(connection: sa.Connection, plan: Plan) -> tuple[str | None, Unfinished | None]:
    """The database's revision and its interrupted stage, both read at one moment. Read-only."""
    while True:
        connection.rollback()
        try:
            return revision_of(connection, plan), unfinished(connection)
        except sa.exc.DBAPIError as error:
            if code_of(error) != _CREATED_SINCE:
                raise


_CREATED_SINCE = 1412
"""MariaDB's number for a table that was created since the transaction began: a run has begun."""


def up(
    connection: sa.Connection,
    plan: Plan,
    to: str,
    notify: Notify,
    schema: Callable[[str], sa.MetaData] | None = None,
    *,
    wait: float = 60,
    waiting: Notify = silent,
) -> tuple[str, ...]:
    """Upgrade the database to a stage, each stage whole or not at all where the server has transactions for DDL.

    With `schema`, which gives a stage's MetaData, each stage's development rows are inserted with it. `notify` gets
    each stage's name when it is reached, and all of them are returned; `waiting` gets a sentence about who is waited
    for. Raises MigrationFailed, Refused or Locked; the stages before the failed one stay applied.
    """
    found = files(plan)
    known = {file.id: file.stage for file in found}
    stages = {stage.name: stage for stage in plan.stages}
    done: list[str] = []

    def applied(step: Any, **_: object) -> None:
        name = str(known[step.up_revision_id])
        if schema is not None and stages[name].rows:
            insert(connection, schema(name), stages[name].rows)
        done.append(name)
        notify(name)

    target = next(file.id for file in found if file.stage == to)
    run = _Run(connection, plan, applied, done, wait, waiting)
    run("up", lambda config: command.upgrade(config, str(target)))
    return tuple(dict.fromkeys(done))


def down(
    connection: sa.Connection, plan: Plan, to: str | None, notify: Notify, *, wait: float = 60, waiting: Notify = silent
) -> tuple[str, ...]:
    """Downgrade the database to a stage, or, for None, to nothing; give the stages that were undone."""
    found = files(plan)
    known = {file.id: file.stage for file in found}
    done: list[str] = []

    def undone(step: Any, **_: object) -> None:
        name = str(known[step.up_revision_id])
        done.append(name)
        notify(name)

    target = "base" if to is None else next(str(file.id) for file in found if file.stage == to)
    run = _Run(connection, plan, undone, done, wait, waiting)
    run("down", lambda config: command.downgrade(config, target))
    return tuple(dict.fromkeys(done))


def stamp(connection: sa.Connection, plan: Plan, revision: str | None, wait: float, waiting: Notify) -> None:
    """Write a revision into the database, whatever it has so far; None is before the first."""
    run = _Run(connection, plan, lambda **_: None, [], wait, waiting)
    run("stamp", lambda config: command.stamp(config, revision or "base", purge=True))


@dataclass(frozen=True)
class _Run:
    """One of Alembic's commands on a connection; `done` are the stages that it has applied or undone."""

    connection: sa.Connection
    plan: Plan
    on_applied: Callable[..., None]
    done: list[str]
    wait: float
    waiting: Notify

    def __call__(self, way: str, go: Callable[[Config], object]) -> None:
        self.connection.rollback()
        config = configuration(
            self.plan.migrations,
            connection=self.connection,
            on_version_apply=[self.on_applied],
            wait=self.wait,
            waiting=self.waiting,
            way=way,
            **version_table(self.plan),
        )
        try:
            go(config)
            self.connection.commit()
        except Exception as error:
            with suppress(sa.exc.SQLAlchemyError):  # a connection that was lost has nothing to roll back
                self.connection.rollback()
            place = place_of(error, self.plan.migrations)
            raise self._failed(error, way, place) from error
        except KeyboardInterrupt as stop:
            with suppress(sa.exc.SQLAlchemyError):
                self.connection.rollback()
            state, interrupted = self._state(way)
            stop.add_note(f"{state} Run the command again to continue." if interrupted else state)
            raise

    def _failed(self, error: Exception, way: str, place: str | None) -> SqlstrataError:
        """What went wrong, and the state of the database."""
        code = exit_code(error)
        if code == Locked.code:
            return locked(error)
        state, interrupted = self._state(way)
        why = reason(cause(error) or error)
        if way == "up" and self.done:
            why = why.replace("Nothing was changed.", "This stage has changed nothing.")
        message = " ".join([why, *getattr(error, "__notes__", ()), state])
        if code == Refused.code:
            return Refused(message)
        hint = database.cure(self.connection.engine.url, error) or "Fix the cause."
        hint += " Then run the command again"
        if interrupted:
            hint += f" to continue it, or {'`inv up`' if way == 'down' else '`inv down`'} to undo it"
        return MigrationFailed(message, where=place, hint=f"{hint}.", applied=list(self.done))

    def _state(self, way: str) -> tuple[str, bool]:
        """The state of the database, as a sentence, and whether a stage was interrupted; corrects `done`.

        It is read on a new connection, because this one may be lost.
        """
        try:
            with database.connect(database.engine(self.connection.engine.url, reading=True)) as fresh:
                revision = revision_of(fresh, self.plan)
                interrupted = unfinished(fresh) is not None
        except (SqlstrataError, sa.exc.SQLAlchemyError):
            return "The state of the database is unknown; run `inv status` when the server answers.", False
        known = files(self.plan)
        names = [str(file.stage) for file in known]
        stage = next((str(file.stage) for file in known if file.id == revision), None)
        below = names[: names.index(stage) + 1] if stage is not None else []
        self.done[:] = [name for name in self.done if (name in below) == (way == "up")]
        where = f"stage {stage}" if stage else "no stage" if revision is None else revision
        more = ", and the next stage was interrupted" if interrupted else ""
        return f"The database is at {where}{more}.", interrupted


def sql(plan: Plan, frm: str | None, to: str | None, dialect: str) -> str:
    """The SQL from one stage to another on a server of this dialect, without a database.

    `frm` None is nothing, `to` None the last stage, and `base` nothing. Raises Refused where a stage on the way down
    cannot be undone, MigrationFailed where a stage does what no SQL text can.
    """
    known = list(files(plan))
    order = [file.stage for file in known]
    start = -1 if frm is None else order.index(frm)
    end = len(known) - 1 if to is None else -1 if to == "base" else order.index(to)
    buffer = io.StringIO()
    config = configuration(plan.migrations, dialect=dialect, output_buffer=buffer, **version_table(plan))
    ids = ["base", *(str(file.id) for file in known)]
    direction = command.upgrade if end >= start else command.downgrade
    try:
        direction(config, f"{ids[start + 1]}:{ids[end + 1]}", sql=True)
    except Exception as error:
        kind = Refused if exit_code(error) == Refused.code else MigrationFailed
        place = place_of(error, plan.migrations) or revision_of_error(error, plan.migrations)
        raise kind(reason(error), where=place) from error
    return buffer.getvalue()


def connected(plan: Plan, url: str | sa.URL | None = None, *, wait: float = 60) -> sa.Connection:
    """A connection to the development database, or to another one. Raises Unreachable."""
    return database.connect(database.engine(plan.database.url if url is None else url, wait=wait))
