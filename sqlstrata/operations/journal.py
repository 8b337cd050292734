"""MariaDB: which statements of a revision are done, so that one that was cut off is finished, or undone.

MariaDB commits each DDL statement by itself. So each statement is written down: DDL before it runs, with what its
tables look like (afterwards they look different, or it did not run: DDL is atomic), DML in its own transaction. What a
revision asks of the database is written down with the answer. Running the revision again then skips what is done and
hears the same answers, up to the point where it was cut off; so its guards hold for the rows as they were before.

The journal is in rows 1… of the lock's table; they go with the transaction that writes the revision.
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
# What may run DDL without being it: written down before, as that is; where it ran none, it is undone with what it did.
_RUNS = re.compile(r"(BEGIN\s+NOT\s+ATOMIC|CALL|EXECUTE|IF|CASE|FOR|LOOP|WHILE|REPEAT|DECLARE)\b", re.IGNORECASE)
# What may stand before a statement: comments, among them those that the server reads, and settings for it alone.
_BEFORE = re.compile(
    r"(?:\s+|/\*M?!\d*|/\*.*?\*/|(?:--\s|#)[^\n]*(?:\n|\Z)|SET\s+STATEMENT\b.*?\bFOR\b)*", re.IGNORECASE | re.DOTALL
)
_READS = re.compile(r"(SELECT|SHOW|SET|EXPLAIN|DESCRIBE|DESC|USE|DO|ANALYZE|CHECK)\b", re.IGNORECASE)
_WORD = re.compile(r"`((?:[^`]|``)+)`|(\w+)")
_PAIR = re.compile(r"(`(?:[^`]|``)+`|\w+)\.(`(?:[^`]|``)+`|\w+)")
_NAME = r"(?:`(?:[^`]|``)+`|\w+)"
# A statement that changes how one table looks, or makes or drops it.
_OF_ONE = re.compile(
    r"\s*(?:(?:CREATE|ALTER) TABLE (?!IF\b)|DROP TABLE (?=\S+$)|(?:CREATE (?:UNIQUE )?|DROP )INDEX [^()]+ ON )"
    rf"(?P<table>{_NAME}(?:\.{_NAME})?)(?=[\s(]|$)"
)
_PROGRAM = re.compile(r"\b(TRIGGER|FUNCTION|PROCEDURE|EVENT)\b", re.IGNORECASE)
_COUNTER = re.compile(r" AUTO_INCREMENT=\d+")
_OURS = "_strata_"  # in the names of temporary tables that operations make

ALREADY = {1005, 1050, 1051, 1054, 1060, 1061, 1068, 1072, 1091, 1146, 1176, 1304, 1305, 1359, 1360, 1826, 4091, 4092}
"""What the server says where there is nothing to undo: it is there already, or there is none."""


def is_ddl(sql: str) -> bool:
    """Whether the statement commits what was done before, because it changes the schema, or may run one that does."""
    text = _bare(sql)
    return bool(_DDL.match(text) or _RUNS.match(text))


def is_reading(sql: str) -> bool:
    """Whether the statement changes nothing that stays."""
    return bool(_READS.match(_bare(sql)))


def _bare(sql: str) -> str:
    before = _BEFORE.match(sql)
    return sql[before.end() :] if before else sql


@dataclass
class Entry:
    """One statement, or one question with its answer. `line` is where in the revision it comes from."""

    number: int
    kind: str
    line: int
    done: bool
    hash: str
    said: str

    @property
    def counts(self) -> bool:
        """Whether it has changed something that stays."""
        return self.done and self.kind in {"ddl", "dml"}


@dataclass
class Half:
    """A revision that was cut off on its way `up` or `down`, or while that was undone (`undo up`, `undo down`)."""

    revision: str
    direction: str
    entries: list[Entry]


def half(connection: sa.Connection) -> Half | None:
    """The revision that is half done; None where none is. Read-only."""
    if server_of(connection.dialect.name) != "mariadb" or not sa.inspect(connection).has_table(TABLE):
        return None
    columns = "number, kind, line, done, hash, said, revision, direction"
    query = f"SELECT {columns} FROM {TABLE} WHERE number > 0 ORDER BY number"
    rows = connection.exec_driver_sql(query).all()
    if not rows:
        return None
    entries = [Entry(row[0], row[1], row[2], bool(row[3]), row[4], row[5]) for row in rows]
    return Half(rows[0][6], rows[0][7], entries)


class Journal:
    """The journal of one revision on its way."""

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
        """`tolerant`: what is there already, or not there, is fine; `empty`: it is known that nothing is written."""
        self.connection, self.revision, self.direction = connection, revision, direction
        self.source, self.tolerant = source, tolerant
        self.entries: list[Entry] = []
        if not empty:
            found = half(connection)
            self.entries = [] if found is None else found.entries
            self.settle()
        self.place = 0
        self.waiting: list[Entry] = []

    # ---------------------------------------------------------------- what is there

    def settle(self) -> None:
        """Cut off what comes after the last thing that is done: it is asked, or made, again."""
        for entry in self.entries:
            if entry.kind == "ddl" and not entry.done:
                before = json.loads(entry.said)
                entry.done = self._looks(before["sql"]) != before["looks"]
        last = max((n for n, entry in enumerate(self.entries) if entry.counts or entry.kind == "undo"), default=-1)
        self.entries = self.entries[: last + 1]
        number = self.entries[-1].number if self.entries else 0
        say(self.connection, f"DELETE FROM {TABLE} WHERE number > %s", (number,))
        say(self.connection, f"UPDATE {TABLE} SET done = 1 WHERE number > 0")
        self.connection.commit()

    def _next(self, kind: str, sql: str) -> Entry | None:
        """The entry of this statement or question, where it was written down; None where it is new."""
        while self.place < len(self.entries) and self.entries[self.place].kind == "undo":
            self.place += 1
        if self.place >= len(self.entries):
            return None
        entry = self.entries[self.place]
        if (entry.kind, entry.hash) != (kind, _hash(sql)):
            raise CommandError(
                f"Revision {self.revision} was cut off, and does not do now what it did then: next was to be {kind} "
                f"{' '.join(sql.split())[:200]}. Finish it by hand, and empty the table {TABLE}."
            )
        self.place += 1
        return entry

    # ------------------------------------------------------------------- questions

    def answer(self, question: str, ask: Callable[[], Any]) -> Any:
        """The answer that was written down; else ask, and write it down with the next statement."""
        known = self._next("asked", question)
        if known is not None:
            return json.loads(known.said)
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
        """Run one statement, unless it is done. False where it is none that is written down."""
        if is_reading(sql) or TABLE in sql or "alembic_version" in sql:
            return False
        if not parameters and parameters is not None:  # then the driver would make one % of two
            sql, parameters = sql.replace("%%", "%"), None
        kind = "temporary" if _OURS in sql else "ddl" if is_ddl(sql) else "dml"
        text = f"{sql} {parameters!r}" if parameters else sql
        if self._next(kind, text) is not None:
            return True
        entry = Entry(0, kind, self._line(), kind != "ddl", _hash(text), sql)
        if kind == "ddl":
            entry.said = json.dumps({"sql": sql, "looks": self._looks(sql)})
            self._write(entry)
            self._execute(cursor, sql, parameters)
            entry.done = True  # is written with the next statement, and durable as late as if it were written now
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
        """Write down what is waiting, and the entry; it is durable with the next commit, which DDL begins with."""
        last = self.entries[-1:]
        new = [*self.waiting, entry]
        for number, each in enumerate(new, start=last[0].number + 1 if last else 1):
            each.number = number
        rows = [
            (each.number, each.kind, self.revision, self.direction, each.line, int(each.done), each.hash, each.said)
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
        """Run a statement that may have been run before."""
        try:
            say(self.connection, sql)
        except self.connection.dialect.loaded_dbapi.Error as error:
            if not error.args or error.args[0] not in ALREADY:
                raise

    def replace(self, kept: dict[int, int]) -> None:
        """Write down, in place of all that is there, that it is being undone, and by what.

        That is: the lines of operations on the way back, each with how many of its statements are left out.
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
        """The revision is done: nothing of it is to be remembered. The caller commits."""
        say(self.connection, f"DELETE FROM {TABLE} WHERE number > 0")

    # ---------------------------------------------------------------------- looking

    def _looks(self, sql: str) -> str:
        """What the things that a statement names look like now."""
        of_one = _OF_ONE.match(sql)
        if of_one:
            return _hash(self._shown(of_one["table"]))
        words = {(quoted or bare).replace("``", "`") for quoted, bare in _WORD.findall(sql)}
        there = {
            str(row[0]) for row in say(self.connection, _TABLES.format(", ".join(["%s"] * len(words))), sorted(words))
        }
        names = sorted(there & words - {TABLE})
        seen = [names, *(self._shown("`" + name.replace("`", "``") + "`") for name in names)]
        seen += [self._shown(f"{schema}.{name}") for schema, name in sorted(set(_PAIR.findall(sql)))]
        if _PROGRAM.search(sql):
            seen += [sorted(map(str, say(self.connection, query))) for query in _PROGRAMS]
        return _hash(json.dumps(seen, default=str))

    def _shown(self, name: str) -> str:
        try:
            rows = say(self.connection, f"SHOW CREATE TABLE {name}")
        except self.connection.dialect.loaded_dbapi.Error as error:
            if is_unable(error):
                raise
            return "-"
        return _COUNTER.sub("", str(rows[0][1])) if rows else "-"

    def _line(self) -> int:
        """Where in the revision we are."""
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
    """The journal of the revision that is running, where one is kept."""
    return _open[-1] if _open else None


@contextmanager
def written(journal: Journal) -> Iterator[None]:
    """Everything that the connection is told inside goes through the journal."""
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
