"""Taking a database up and down the history on disk, and asking where it is.

All of it goes through the folder's own env.py, exactly as `alembic upgrade` does, so it is as safe either way.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.util import CommandError

from sqlstrata.databases import database
from sqlstrata.databases.lost import cause
from sqlstrata.errors import Locked, MigrationFailed, Refused, SchemaDiffers, SqlstrataError
from sqlstrata.folder import File, edited_place, read, require_runnable
from sqlstrata.operations import failures
from sqlstrata.operations.failures import of_driver
from sqlstrata.plan import Plan
from sqlstrata.revisions.rows import insert
from sqlstrata.secret import masked
from sqlstrata.servers import kind_of

Told = Callable[[str], None]

_SHOWN = 200  # of a statement

JOURNAL = "strata_migration"
"""Where a run on MariaDB keeps its lock and its journal (the operations' `lock.TABLE`)."""


def silent(said: str) -> None:
    """Tell nobody."""


def files(plan: Plan) -> tuple[File, ...]:
    """The revisions on disk, first to last."""
    return _revisions(read(plan.migrations / "versions"))


def runnable(plan: Plan) -> tuple[File, ...]:
    """The revisions on disk. Raises HistoryDiffers where Alembic could not run them."""
    there = read(plan.migrations / "versions")
    require_runnable(plan.migrations, there)
    return _revisions(there)


def _revisions(there: tuple[File, ...]) -> tuple[File, ...]:
    return tuple(each for each in there if each.id is not None)


def configuration(migrations: Path, **attributes: object) -> Config:
    """Alembic's configuration for a folder; what it would print is thrown away."""
    config = Config(stdout=io.StringIO(), output_buffer=io.StringIO())
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes.update(attributes)
    return config


def revision_of(connection: sa.Connection) -> str | None:
    """The revision that the database says it is at; None where it says nothing. Read-only.

    Raises SchemaDiffers where it claims several.
    """
    heads = MigrationContext.configure(connection).get_current_heads()
    if len(heads) > 1:
        message = f"The database claims to be at {len(heads)} revisions at once: {', '.join(sorted(map(str, heads)))}."
        raise SchemaDiffers(message, hint="Leave one row in alembic_version.")
    return heads[0] if heads else None


@dataclass(frozen=True)
class Unfinished:
    """A stage that is half done: its revision, the direction, and how many statements of it are in."""

    revision: str
    direction: str
    statements: int


def is_quiet(connection: sa.Connection) -> bool:
    """Whether nobody is at work, and no run was cut off: then nothing of a run is left in the database. Read-only."""
    return kind_of(connection.dialect.name).name != "mariadb" or not sa.inspect(connection).has_table(JOURNAL)


def unfinished(connection: sa.Connection) -> Unfinished | None:
    """The stage that an ended run left half done, or that another one is at; only MariaDB knows such. Read-only."""
    if is_quiet(connection):
        return None
    query = f"SELECT revision, direction, kind, done FROM {JOURNAL} WHERE number > 0 ORDER BY number"
    rows = connection.exec_driver_sql(query).all()
    if not rows:
        return None
    return Unfinished(rows[0][0], rows[0][1], sum(1 for row in rows if row[2] in {"ddl", "dml"} and row[3]))


def standing(connection: sa.Connection) -> tuple[str | None, Unfinished | None]:
    """The revision that the database says it is at, and what is half done, both of one moment. Read-only."""
    while True:
        connection.rollback()
        try:
            return revision_of(connection), unfinished(connection)
        except sa.exc.DBAPIError as error:
            if failures.code_of(error) != _MADE_SINCE:
                raise


_MADE_SINCE = 1412
"""MariaDB, of a table that was made after the moment that is looked at: a run has begun."""


def up(
    connection: sa.Connection,
    plan: Plan,
    to: str,
    told: Told,
    schema: Callable[[str], sa.MetaData] | None = None,
    *,
    wait: float = 60,
    waiting: Told = silent,
) -> tuple[str, ...]:
    """Bring the database up to a stage, each stage whole or not at all where the server has transactions for DDL.

    With `schema`, which gives a stage's MetaData, each stage's development rows go in with it. `told` hears
    each stage's name when it is reached, and the names are given back; `waiting` hears who is waited for.
    Raises MigrationFailed, Refused or Locked; the stages before the failed one stay applied.
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
        told(name)

    target = next(file.id for file in found if file.stage == to)
    run = _Run(connection, plan, applied, done, wait, waiting)
    run("up", lambda config: command.upgrade(config, str(target)))
    return tuple(dict.fromkeys(done))


def down(
    connection: sa.Connection, plan: Plan, to: str | None, told: Told, *, wait: float = 60, waiting: Told = silent
) -> tuple[str, ...]:
    """Take the database down to a stage, or, for None, to nothing; what was undone is told and given back."""
    found = files(plan)
    known = {file.id: file.stage for file in found}
    done: list[str] = []

    def undone(step: Any, **_: object) -> None:
        name = str(known[step.up_revision_id])
        done.append(name)
        told(name)

    target = "base" if to is None else next(str(file.id) for file in found if file.stage == to)
    run = _Run(connection, plan, undone, done, wait, waiting)
    run("down", lambda config: command.downgrade(config, target))
    return tuple(dict.fromkeys(done))


def stamp(connection: sa.Connection, plan: Plan, revision: str | None, wait: float, waiting: Told) -> None:
    """Write a revision into the database, whatever it says so far; None is before the first."""
    run = _Run(connection, plan, lambda **_: None, [], wait, waiting)
    run("stamp", lambda config: command.stamp(config, revision or "base", purge=True))


@dataclass(frozen=True)
class _Run:
    """One of Alembic's commands on a connection."""

    connection: sa.Connection
    plan: Plan
    heard: Callable[..., None]
    done: list[str]
    wait: float
    waiting: Told

    def __call__(self, way: str, go: Callable[[Config], object]) -> None:
        self.connection.rollback()
        config = configuration(
            self.plan.migrations,
            connection=self.connection,
            on_version_apply=[self.heard],
            wait=self.wait,
            waiting=self.waiting,
            way=way,
        )
        try:
            go(config)
            self.connection.commit()
        except Exception as error:
            self._undo()
            place = where(error, self.plan.migrations)
            raise self._failed(error, way, place) from error

    def _undo(self) -> None:
        with suppress(sa.exc.SQLAlchemyError):  # a connection that was lost has nothing to roll back
            self.connection.rollback()

    def _failed(self, error: Exception, way: str, place: str | None) -> SqlstrataError:
        """What went wrong, and what state the database is in."""
        code = code_of(error)
        if code == Locked.code:
            return Locked(str(error), hint="Wait until it has ended, or give it longer with `--wait SECONDS`.")
        message = " ".join([reason(cause(error) or error), *getattr(error, "__notes__", ()), self._state(way)])
        if code == Refused.code:
            return Refused(message)
        hint = "Mend the cause, and run the command again."
        cure = database.cure(self.connection.engine.url, error)
        if cure is not None:
            hint = f"{cure} Then run the command again."
        if "half done" in message:
            back = "`inv up`" if way == "down" else "`inv down`"
            begin = "Mend the cause, and" if cure is None else f"{cure} Then"
            hint = f"{begin} run the command again: it goes on with it. {back} undoes it."
        return MigrationFailed(message, where=place, hint=hint, applied=list(self.done))

    def _state(self, way: str) -> str:
        """Where the database is now; asked anew, because the connection may be lost. `done` is what is done then."""
        try:
            with database.connect(database.engine(self.connection.engine.url, reading=True)) as fresh:
                revision = revision_of(fresh)
                half = unfinished(fresh)
        except (SqlstrataError, sa.exc.SQLAlchemyError):
            return "What state the database is in cannot be asked now; `inv status` tells it when it answers."
        known = files(self.plan)
        stage = next((str(file.stage) for file in known if file.id == revision), None)
        names = [str(file.stage) for file in known]
        below = names[: names.index(stage) + 1] if stage is not None else []
        self.done[:] = [name for name in self.done if (name in below) == (way == "up")]
        where = f"The database is at {'stage ' + stage if stage else 'no stage' if revision is None else revision}"
        return f"{where}." if half is None else f"{where}, and the next one is half done."


def where(error: Exception, migrations: Path) -> str | None:
    """The place of a failure, None where its message tells all. Raises the error where nobody but we can mend it.

    What stops Alembic is told by itself; what else is raised by a file that is not as this program makes it, by its
    place.
    """
    if isinstance(error, CommandError | sa.exc.SQLAlchemyError) or of_driver(error) is not None:
        return None
    place = edited_place(error, migrations)
    if place is None:
        raise error
    return place


def code_of(error: Exception) -> object:
    """The exit code that a revision which stops gives; None for any other error."""
    return getattr(error, "code", None) if isinstance(error, CommandError) else None


def reason(error: BaseException) -> str:
    """Why a migration failed."""
    return f"The migration failed: {said(error)}" if of_driver(error) is not None else said(error)


def said(error: BaseException) -> str:
    """The server's own words, without the statement's parameters, or those of any other error."""
    spoken = of_driver(error)
    if spoken is not None:
        statement = masked(_statement(error)) if isinstance(error, sa.exc.DBAPIError) else ""  # before it is cut off
        shown = statement if len(statement) < _SHOWN else f"{statement[:_SHOWN]}…"
        words = next(iter(str(spoken).splitlines()), type(spoken).__name__).rstrip(".")
        return f"{words}. The statement was: {shown}." if shown else f"{words}."
    text = " ".join(str(error).split())
    if not isinstance(error, CommandError | sa.exc.SQLAlchemyError):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return text if text.endswith(".") else f"{text}."


def _statement(error: sa.exc.DBAPIError) -> str:
    """The statement on one line, as the server was told it: of two % a driver that looks for parameters makes one."""
    text = " ".join((error.statement or "").split())
    driver = sys.modules[type(error.orig).__module__.partition(".")[0]]
    return text.replace("%%", "%") if getattr(driver, "paramstyle", None) in {"format", "pyformat"} else text


def sql(plan: Plan, frm: str | None, to: str | None, dialect: str) -> str:
    """The SQL that leads from one stage to another on a server of this dialect, without a database.

    `frm` None is nothing, `to` None the last stage, and `base` nothing. Raises Refused where a stage on the way down
    cannot be undone, MigrationFailed where there is no SQL for what a stage does.
    """
    known = list(files(plan))
    order = [file.stage for file in known]
    start = -1 if frm is None else order.index(frm)
    end = len(known) - 1 if to is None else -1 if to == "base" else order.index(to)
    buffer = io.StringIO()
    config = configuration(plan.migrations, dialect=dialect, output_buffer=buffer)
    ids = ["base", *(str(file.id) for file in known)]
    direction = command.upgrade if end >= start else command.downgrade
    try:
        direction(config, f"{ids[start + 1]}:{ids[end + 1]}", sql=True)
    except Exception as error:
        kind = Refused if code_of(error) == Refused.code else MigrationFailed
        raise kind(reason(error), where=where(error, plan.migrations)) from error
    return buffer.getvalue()


def connected(plan: Plan, url: str | sa.URL | None = None, *, wait: float = 60) -> sa.Connection:
    """A connection to the development database, or to another one. Raises Unreachable."""
    return database.connect(database.engine(plan.database.url if url is None else url, wait=wait))
