"""One revision of an existing Alembic history, tried on a scratch database with rows: up, down and up again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from sqlstrata.databases import database
from sqlstrata.errors import MigrationFailed
from sqlstrata.proof.filling import Filling
from sqlstrata.replay.project import Old, Project, Ran
from sqlstrata.replay.state import State, state
from sqlstrata.scratch.bracket import Scratch
from sqlstrata.scratch.clear import clear
from sqlstrata.snapshot import Snapshot, differences, snapshot

Rows = Mapping[str, Sequence[Mapping[str, object]]]


@dataclass(frozen=True)
class Tried:
    """What became of one revision; each text says what was wrong, None where nothing was."""

    revision: str
    message: str
    up: str | None = None
    down: str | None = None
    back: str | None = None
    rows: str | None = None

    @property
    def well(self) -> bool:
        return (self.up, self.down, self.back, self.rows) == (None, None, None, None)

    def to_json(self) -> dict[str, object]:
        texts = {"up": self.up, "down": self.down, "comes_back_equal": self.back, "rows_survive": self.rows}
        wrong = {name: text for name, text in texts.items() if text is not None}
        return {
            "revision": self.revision,
            "message": self.message,
            **{n: t is None for n, t in texts.items()},
            "wrong": wrong,
        }


@dataclass
class Trial:
    """The scratch database of one history, at one revision after another; `ran` is the last one's run."""

    project: Project
    empty: Scratch
    ran: Ran | None = None

    def of(self, old: Old) -> Tried:
        """Try a revision, from the one before it.

        Raises MigrationFailed where it does not go up without rows either.
        """
        before, rows = self._filled()
        try:
            self._run("upgrade", old.id)
        except MigrationFailed as error:
            self._restart(old)
            return Tried(old.id, old.message, up=error.message)
        lost = _lost(rows, self._state().rows)
        try:
            self._run("downgrade", old.parents[0] if old.parents else "base")
        except MigrationFailed as error:
            self._restart(old)
            return Tried(old.id, old.message, down=error.message, rows=lost)
        different = differences(before, self.snapshot())
        back = "; ".join(f"{each.table}: {each.what}" for each in different) or None
        lost = lost or _lost(rows, self._state().rows)
        try:
            self._run("upgrade", old.id)
        except MigrationFailed as error:
            back = f"{back or 'it does not go up again'}; {error.message}"
            self._restart(old)
        return Tried(old.id, old.message, back=back, rows=lost)

    def create_all(self, head: Old) -> None:
        """Create the tables of the project's own MetaData in an empty database. Raises MigrationFailed."""
        self.ran = self.project.run("stamp", head.id, self.empty.url, create=True)

    def _run(self, way: str, to: str) -> None:
        self.ran = self.project.run(way, to, self.empty.url)

    def _restart(self, old: Old) -> None:
        """Bring an empty database to a revision."""
        with database.connect(self.empty.engine) as connection:
            clear(connection)
        self._run("upgrade", old.id)

    @property
    def _own(self) -> tuple[str, ...]:
        return () if self.ran is None else self.ran.own

    def _state(self) -> State:
        with database.connect(self.empty.engine) as connection:
            return state(connection, self._own)

    def snapshot(self) -> Snapshot:
        """The schema at the revision that the database is at."""
        with database.connect(self.empty.engine) as connection:
            found = snapshot(connection).things
        return Snapshot({key: thing for key, thing in found.items() if key not in self._own})

    def _filled(self) -> tuple[Snapshot, Rows]:
        """Fill the tables that have no rows; give the schema and the rows."""
        there = self._state()
        tables = there.metadata.tables
        with database.connect(self.empty.engine) as connection:
            filling = Filling(connection, tables, _refused, plainly=True)
            filling.fill(tables.keys() - there.rows.keys(), frozenset(there.rows))
            connection.commit()
        return self.snapshot(), self._state().rows


def _refused(_: sa.exc.SQLAlchemyError) -> None:
    """A table that takes no rows stays empty."""


def _lost(before: Rows, after: Rows) -> str | None:
    """The tables whose rows are not all there, in the columns that both have; None without any."""
    found = []
    for key in before.keys() & after.keys():
        common = before[key][0].keys() & after[key][0].keys()
        were, are = (
            sorted(repr([row[name] for name in sorted(common)]) for row in rows[key]) for rows in (before, after)
        )
        if were != are:
            found.append(f"{key}: {len(set(were) - set(are))} of {len(were)} rows are other ones")
    return "; ".join(sorted(found)) or None
