"""Running revisions online: one run at a time, each revision exactly once, and interrupted ones finished or undone.

`env.py` calls `run` where Alembic's template calls `context.run_migrations()`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError

from . import interrupted, journal
from .driver import server_of
from .lock import WAIT, Held, held, is_busy, number_of, sqlite_holder
from .private_names import replace_steps, steps

_ATTEMPTS = 4
_STEP = "strata_step"
_LOST = "The connection was lost; the next run will read from the journal what was applied."
_AGAIN = {"40001", "40P01", 1213}
"""Serialization failure and deadlock: the server has rolled the transaction back, and it can be tried again."""


def run(environment: Any, connection: sa.Connection, look: Callable[[], None]) -> None:
    """Run Alembic's command; where it may write to the database, with the lock, and after calling `look`.

    `environment` is `alembic.context`, configured. The attribute `wait` of the configuration, or `-x wait=SECONDS`, is
    how long to wait for other runs; a database that nobody else uses (attribute `alone`) needs no lock.
    """
    given = environment.config.attributes
    if not migrates(environment):
        with environment.begin_transaction():
            environment.run_migrations()
        return
    option = environment.get_x_argument(as_dictionary=True).get("wait")
    wait = float(given.get("wait", WAIT if option is None else option))
    alone = bool(given.get("alone"))
    with nullcontext() if alone else held(connection, wait, given.get("waiting", _tell)):
        look()
        connection.rollback()  # what was only read
        _Run(environment, connection, alone=alone).run()


def _tell(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)  # noqa: T201 - Alembic is run at a terminal


def migrates(environment: Any) -> bool:
    """Whether the command goes to a revision; `current` and `check` only read."""
    try:
        environment.get_revision_argument()
    except KeyError:
        return False
    return True


class _Run:
    """One run of Alembic."""

    def __init__(self, environment: EnvironmentContext, connection: sa.Connection, *, alone: bool) -> None:
        self.environment, self.connection = environment, connection
        self.journaled = not alone and server_of(connection.dialect.name) == "mariadb"
        self.context: MigrationContext = environment.get_context()
        self.planned = steps(self.context)
        replace_steps(self.context, self._steps)
        self.context.on_version_apply_callbacks = (*self.context.on_version_apply_callbacks, self._applied)
        self.finished = 0
        self.together = False
        self.journal: journal.Journal | None = None

    def run(self) -> None:
        """Run the steps, and again after a deadlock."""
        failures = 0
        if self.journaled and self._settled():
            return
        while True:
            try:
                self._once()
            except sa.exc.DBAPIError as error:
                failures += 1
                if is_busy(error):
                    with suppress(sa.exc.SQLAlchemyError):
                        self.connection.rollback()
                    message = f"Somebody else is migrating this database: {sqlite_holder(self.connection)}."
                    raise Held(message) from error
                if (
                    self.connection.invalidated
                    or failures >= _ATTEMPTS
                    or not _AGAIN & {getattr(error.orig, "sqlstate", None), number_of(error)}
                ):
                    raise
                self.connection.rollback()
                time.sleep(0.1 * 2**failures)
            else:
                return

    def _once(self) -> None:
        """Run the steps; where they are one transaction, those before a failing step are kept."""
        failed: Exception | None = None
        with self.environment.begin_transaction():
            try:
                self.environment.run_migrations()
            except Exception as error:
                if not self._taken_back():
                    raise
                failed = error
        if failed is not None:
            raise failed

    def _taken_back(self) -> bool:
        """Undo only the failed step; False where there is no other step, or that is not possible."""
        if not self.together or not self.finished:
            return False
        try:
            self.connection.exec_driver_sql(f"ROLLBACK TO {_STEP}")
        except sa.exc.SQLAlchemyError:  # the server has already rolled back the whole transaction
            return False
        return True

    # ------------------------------------------------------------------------ steps

    def _steps(self, heads: tuple[str, ...], context: MigrationContext) -> Iterator[Any]:
        """Alembic's steps, each with a savepoint where all are one transaction."""
        self.together = bool(context.impl.transactional_ddl) and not context.opts["transaction_per_migration"]
        self.finished = 0
        for step in self.planned(heads, context):
            if self.journaled and getattr(step, "revision", None) is not None and hasattr(step.revision, "module"):
                step.migration_fn = self._written(step, step.migration_fn)
            if self.together:
                self.connection.exec_driver_sql(f"SAVEPOINT {_STEP}")
            yield step
            if self.together:
                self.connection.exec_driver_sql(f"RELEASE {_STEP}")
            self.finished += 1

    def _applied(self, **_: Any) -> None:
        """Clear the journal in the transaction that writes the version."""
        if self.journal is not None:
            self.journal.forget()
            self.journal = None

    def _written(self, step: Any, function: Callable[..., None]) -> Callable[..., None]:
        """The step's function with its journal."""
        revision, way = step.revision.revision, "up" if step.is_upgrade else "down"
        source = str(step.revision.module.__file__)

        def go(**arguments: Any) -> None:
            found = None if self.finished else journal.interrupted(self.connection)
            if found is not None and (found.revision, found.direction) != (revision, way):
                raise CommandError(f"{_interrupted(found)} Finish or undo that first.")
            self.journal = journal.Journal(self.connection, revision, way, source, empty=found is None)
            try:
                with journal.written(self.journal):
                    function(**arguments)
            except BaseException as error:
                self._note(error, step, way, source)
                raise

        return go

    def _note(self, error: BaseException, step: Any, way: str, source: str) -> None:
        """Note at the error which operations are applied; where none is, clear the journal."""
        self.journal = None
        try:
            self.connection.rollback()
            if self.connection.invalidated:  # the server may still be working for it
                error.add_note(_LOST)
                return
            known = journal.Journal(self.connection, step.revision.revision, way, source)
            function = "upgrade" if way == "up" else "downgrade"
            note = interrupted.report(known, step.revision.module, function, _line(error, source))
            if note is None:
                known.forget()
                self.connection.commit()
                note = "No statement was applied."
        except (sa.exc.SQLAlchemyError, self.connection.dialect.loaded_dbapi.Error):
            note = _LOST
        error.add_note(note)

    # --------------------------------------------------------- interrupted before

    def _settled(self) -> bool:
        """Undo a revision that was interrupted in the other direction. True where nothing else is left to do."""
        found = journal.interrupted(self.connection)
        self.connection.rollback()
        if found is None:
            return False
        way = self._way()
        if way == "stamp":
            raise CommandError(f"{_interrupted(found)} Upgrade or downgrade first.")
        if found.direction == way:
            return False
        with Operations.context(self.context):
            interrupted.undo(self.connection, found, self._module(found.revision))
        tell = self.environment.config.attributes.get("waiting", _tell)
        tell(f"{_interrupted(found)} What was applied of it has been undone.")
        asked = getattr(self.environment.config.cmd_opts, "revision", None)
        return way == "down" and found.direction.endswith("up") and asked == "-1"

    def _module(self, revision: str) -> Any:
        script = self.environment.script.get_revision(revision)
        return script.module

    def _way(self) -> str:
        """The direction of the command: `up`, `down` or `stamp`."""
        given = self.environment.config.attributes.get("way")
        command = getattr(self.environment.config.cmd_opts, "cmd", [None])[0]
        known = {"upgrade": "up", "downgrade": "down", "stamp": "stamp"}
        return str(given or known.get(getattr(command, "__name__", ""), "up"))


def _interrupted(found: journal.Interrupted) -> str:
    way = found.direction.replace("up", "upgrade").replace("down", "downgrade").replace("undo", "undoing the")
    return f"Revision {found.revision} was interrupted during {way}."


def _line(error: BaseException, source: str) -> int:
    """The line of the revision that an error comes from."""
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == source:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
