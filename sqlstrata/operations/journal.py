"""MariaDB: a journal of a revision's statements, so that an interrupted revision can be finished or undone.

MariaDB commits each DDL statement.

1. Each statement is recorded: DDL before it runs, with the definitions of its tables (if they have not changed later,
   it did not run: DDL is atomic), DML in its own transaction.
2. Each query of the revision is recorded with its answer.
3. When the revision is run again, recorded statements are skipped and recorded answers reused, up to the point where it
   was interrupted. So its guards are evaluated on the rows as they were before.

The journal is in rows 1… of the lock's table; they are deleted in the transaction that writes the version.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

import sqlalchemy as sa
from alembic.util import CommandError

from .driver import say, server_of
from .failures import is_unable
from .lock import TABLE

_DDL = re.compile(r"(CREATE|ALTER|DROP|RENAME|TRUNCATE|GRANT|REVOKE)\b", re.IGNORECASE)
# What may run DDL without being DDL: recorded before, like DDL; where it ran none, it is rolled back.
_RUNS = re.compile(r"(BEGIN\s+NOT\s+ATOMIC|CALL|EXECUTE|IF|CASE|FOR|LOOP|WHILE|REPEAT|DECLARE)\b", re.IGNORECASE)
# What may precede a statement: comments, executable or not, and SET STATEMENT.
_BEFORE = re.compile(
    r"(?:\s+|/\*M?!\d*|/\*.*?\*/|(?:--\s|#)[^\n]*(?:\n|\Z)|SET\s+STATEMENT\b.*?\bFOR\b)*", re.IGNORECASE | re.DOTALL
)
_READS = re.compile(r"(SELECT|SHOW|SET|EXPLAIN|DESCRIBE|DESC|USE|DO|ANALYZE|CHECK)\b", re.IGNORECASE)
_WORD = re.compile(r"`((?:[^`]|``)+)`|(\w+)")
_PAIR = re.compile(r"(`(?:[^`]|``)+`|\w+)\.(`(?:[^`]|``)+`|\w+)")
_NAME = r"(?:`(?:[^`]|``)+`|\w+)"
# A statement that changes, creates or drops one table.
_OF_ONE = re.compile(
    r"\s*(?:(?:CREATE|ALTER) TABLE (?!IF\b)|DROP TABLE (?=\S+$)|(?:CREATE (?:UNIQUE )?|DROP )INDEX [^()]+ ON )"
    rf"(?P<table>{_NAME}(?:\.{_NAME})?)(?=[\s(]|$)"
)
_PROGRAM = re.compile(r"\b(TRIGGER|FUNCTION|PROCEDURE|EVENT)\b", re.IGNORECASE)
_COUNTER = re.compile(r" AUTO_INCREMENT=\d+")
_OURS = "_strata_"  # in the names of the operations' temporary tables

ALREADY = {1005, 1050, 1051, 1054, 1060, 1061, 1068, 1072, 1091, 1146, 1176, 1304, 1305, 1359, 1360, 1826, 4091, 4092}
"""The server's errors where there is nothing to do: something exists already, or does not exist."""


def is_ddl(sql: str) -> bool:
    """Whether the statement is DDL, or may run DDL, and so commits what precedes it."""
    text = _bare(sql)
    return bool(_DDL.match(text) or _RUNS.match(text))


def is_reading(sql: str) -> bool:
    """Whether the statement changes nothing permanent."""
    return bool(_READS.match(_bare(sql)))


def _bare(sql: str) -> str:
    before = _BEFORE.match(sql)
    return sql[before.end() :] if before else sql


@dataclass
class Entry:
    """One statement, or one query with its answer. `line` is its line in the revision."""

    number: int
    kind: str
    line: int
    done: bool
    hash: str
    content: str
    """The statement, or the answer, as JSON where it is more than text."""

    @property
    def counts(self) -> bool:
        """Whether it has changed something permanent."""
        return self.done and self.kind in {"ddl", "dml"}


@dataclass
class Interrupted:
    """A revision that was interrupted on the way `up` or `down`, or while that was undone (`undo up`, `undo down`)."""

    revision: str
    direction: str
    entries: list[Entry]


def interrupted(connection: sa.Connection) -> Interrupted | None:
    """The interrupted revision; None where there is none. Read-only."""
    if server_of(connection.dialect.name) != "mariadb" or not sa.inspect(connection).has_table(TABLE):
        return None
    columns = "number, kind, line, done, hash, said, revision, direction"
    query = f"SELECT {columns} FROM {TABLE} WHERE number > 0 ORDER BY number"
    rows = connection.exec_driver_sql(query).all()
    if not rows:
        return None
    entries = [Entry(row[0], row[1], row[2], bool(row[3]), row[4], row[5]) for row in rows]
    return Interrupted(rows[0][6], rows[0][7], entries)


class Journal:
    """The journal of one running revision."""

    def __init__(
        self,
        connection: sa.Connection,
        revision: str,
        direction: str,
        source: str,
        *,
        tolerant: bool = False,
        empty: bool = False,
    ) -> None:
        """`tolerant`: ignore what exists already, or does not exist; `empty`: the journal is known to be empty."""
        self.connection, self.revision, self.direction = connection, revision, direction
        self.source, self.tolerant = source, tolerant
        self.entries: list[Entry] = []
        if not empty:
            found = interrupted(connection)
            self.entries = [] if found is None else found.entries
            self.settle()
        self.place = 0
        self.waiting: list[Entry] = []

    # ---------------------------------------------------------------- what is there

    def settle(self) -> None:
        """Remove what comes after the last applied statement: it is run again."""
        for entry in self.entries:
            if entry.kind == "ddl" and not entry.done:
                before = json.loads(entry.content)
                entry.done = self._definitions(before["sql"]) != before["looks"]
        last = max((n for n, entry in enumerate(self.entries) if entry.counts or entry.kind == "undo"), default=-1)
        self.entries = self.entries[: last + 1]
        number = self.entries[-1].number if self.entries else 0
        say(self.connection, f"DELETE FROM {TABLE} WHERE number > %s", (number,))
        say(self.connection, f"UPDATE {TABLE} SET done = 1 WHERE number > 0")
        self.connection.commit()

    def _next(self, kind: str, sql: str) -> Entry | None:
        """The recorded entry of this statement or query; None where it is new."""
        while self.place < len(self.entries) and self.entries[self.place].kind == "undo":
            self.place += 1
        if self.place >= len(self.entries):
            return None
        entry = self.entries[self.place]
        if (entry.kind, entry.hash) != (kind, _hash(sql)):
            raise CommandError(
                f"Revision {self.revision} was interrupted, and its file has changed since: the journal does not "
                f"continue with {' '.join(sql.split())[:200]}. Finish it by hand, and empty the table {TABLE}."
            )
        self.place += 1
        return entry

    # --------------------------------------------------------------------- queries

    def answer(self, question: str, ask: Callable[[], Any]) -> Any:
        """The recorded answer; else ask, and record the answer with the next statement."""
        recorded = self._next("asked", question)
        if recorded is not None:
            return json.loads(recorded.content)
        found = ask()
        rows = (
            [tuple(row) for row in found]
            if isinstance(found, list) and found and not isinstance(found[0], dict)
            else found
        )
        self.waiting.append(Entry(0, "asked", self._line(), True, _hash(question), json.dumps(rows, default=str)))
        return found

    # ------------------------------------------------------------------ statements

    def run(self, cursor: Any, sql: str, parameters: Any) -> bool:
        """Run one statement, unless it is recorded as applied. False for statements that are not recorded."""
        if is_reading(sql) or TABLE in sql or "alembic_version" in sql:
            return False
        if not parameters and parameters is not None:  # without parameters the driver does not turn %% into %
            sql, parameters = sql.replace("%%", "%"), None
        kind = "temporary" if _OURS in sql else "ddl" if is_ddl(sql) else "dml"
        text = f"{sql} {parameters!r}" if parameters else sql
        if self._next(kind, text) is not None:
            return True
        entry = Entry(0, kind, self._line(), kind != "ddl", _hash(text), sql)
        if kind == "ddl":
            entry.content = json.dumps({"sql": sql, "looks": self._definitions(sql)})
            self._write(entry)
            self._execute(cursor, sql, parameters)
            entry.done = True  # is recorded with the next statement, which makes it durable no later
        else:
            self._execute(cursor, sql, parameters)
            self._write(entry) if kind == "dml" else self.waiting.append(entry)
        return True

    def _execute(self, cursor: Any, sql: str, parameters: Any) -> None:
        dialect = self.connection.dialect
        try:
            if parameters:
                dialect.do_execute(cursor, sql, parameters)
            else:
                dialect.do_execute_no_params(cursor, sql)
        except self.connection.dialect.loaded_dbapi.Error as error:
            if not self.tolerant or not error.args or error.args[0] not in ALREADY:
                raise

    def _write(self, entry: Entry) -> None:
        """Record what is waiting, and the entry; the next commit, with which DDL begins, makes it durable."""
        last = self.entries[-1:]
        new = [*self.waiting, entry]
        for number, each in enumerate(new, start=last[0].number + 1 if last else 1):
            each.number = number
        rows = [
            (each.number, each.kind, self.revision, self.direction, each.line, int(each.done), each.hash, each.content)
            for each in (*last, *new)
        ]
        say(
            self.connection,
            f"INSERT INTO {TABLE} (number, kind, revision, direction, line, done, hash, said) VALUES "
            + ", ".join(["(%s, %s, %s, %s, %s, %s, %s, %s)"] * len(rows))
            + " ON DUPLICATE KEY UPDATE done = VALUES(done)",
            [value for row in rows for value in row],
        )
        self.entries += new
        self.place = len(self.entries)
        self.waiting = []

    def tolerate(self, sql: str) -> None:
        """Run a statement that may have run before."""
        try:
            say(self.connection, sql)
        except self.connection.dialect.loaded_dbapi.Error as error:
            if not error.args or error.args[0] not in ALREADY:
                raise

    def replace(self, kept: dict[int, int]) -> None:
        """Replace all entries by one: that the revision is being undone, and by which operations.

        kept: the lines of these operations, each with how many of its statements are skipped.
        """
        lines = json.dumps(kept)
        self.forget()
        say(
            self.connection,
            f"INSERT INTO {TABLE} (number, kind, revision, direction, line, done, hash, said)"
            " VALUES (1, 'undo', %s, %s, 0, 1, '', %s)",
            (self.revision, f"undo {self.direction}", lines),
        )
        self.connection.commit()

    def forget(self) -> None:
        """Delete all entries. The caller commits."""
        say(self.connection, f"DELETE FROM {TABLE} WHERE number > 0")

    # ------------------------------------------------------------------ definitions

    def _definitions(self, sql: str) -> str:
        """A hash of the current definitions of everything that a statement names."""
        of_one = _OF_ONE.match(sql)
        if of_one:
            return _hash(self._definition(of_one["table"]))
        words = {(quoted or bare).replace("``", "`") for quoted, bare in _WORD.findall(sql)}
        there = {
            str(row[0]) for row in say(self.connection, _TABLES.format(", ".join(["%s"] * len(words))), sorted(words))
        }
        names = sorted(there & words - {TABLE})
        seen = [names, *(self._definition("`" + name.replace("`", "``") + "`") for name in names)]
        seen += [self._definition(f"{schema}.{name}") for schema, name in sorted(set(_PAIR.findall(sql)))]
        if _PROGRAM.search(sql):
            seen += [sorted(map(str, say(self.connection, query))) for query in _PROGRAMS]
        return _hash(json.dumps(seen, default=str))

    def _definition(self, name: str) -> str:
        try:
            rows = say(self.connection, f"SHOW CREATE TABLE {name}")
        except self.connection.dialect.loaded_dbapi.Error as error:
            if is_unable(error):
                raise
            return "-"
        return _COUNTER.sub("", str(rows[0][1])) if rows else "-"

    def _line(self) -> int:
        """The line of the revision that is running."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code.co_filename != self.source:
            frame = frame.f_back
        return 0 if frame is None else frame.f_lineno


_TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name IN ({})"
_PROGRAMS = (
    "SELECT trigger_name, action_statement FROM information_schema.triggers WHERE trigger_schema = DATABASE()",
    "SELECT routine_name, routine_definition FROM information_schema.routines WHERE routine_schema = DATABASE()",
    "SELECT event_name, event_definition FROM information_schema.events WHERE event_schema = DATABASE()",
)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# ------------------------------------------------------------------------- while it runs

_open: list[Journal] = []


def current() -> Journal | None:
    """The journal of the running revision; None where none is kept."""
    return _open[-1] if _open else None


@contextmanager
def written(journal: Journal) -> Iterator[None]:
    """Inside, every statement of the connection goes through the journal."""
    engine = journal.connection.engine

    def execute(cursor: Any, statement: str, parameters: Any, context: Any) -> bool | None:
        return journal.run(cursor, statement, parameters) or None

    def execute_plain(cursor: Any, statement: str, context: Any) -> bool | None:
        return journal.run(cursor, statement, None) or None

    sa.event.listen(engine, "do_execute", execute)
    sa.event.listen(engine, "do_execute_no_params", execute_plain)
    _open.append(journal)
    try:
        yield
    finally:
        _open.pop()
        sa.event.remove(engine, "do_execute", execute)
        sa.event.remove(engine, "do_execute_no_params", execute_plain)
