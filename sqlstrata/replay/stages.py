"""Frozen stages of the revisions of an Alembic history, each exactly what the project's own env.py makes."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from sqlstrata.databases import database
from sqlstrata.errors import MigrationFailed, SchemaDiffers, WrongUse
from sqlstrata.migrate.identity import compare
from sqlstrata.plan import Plan
from sqlstrata.plan.values import TO_FILL_IN
from sqlstrata.replay.project import Old, Project, Ran
from sqlstrata.replay.state import Rows, State, seeds, state
from sqlstrata.replay.steps import Name, readers
from sqlstrata.revisions.frozen import Frozen, freeze
from sqlstrata.schema.describe import describe
from sqlstrata.schema.described import Described
from sqlstrata.schema.values import Schema
from sqlstrata.scratch.bracket import Scratch, scratch
from sqlstrata.snapshot import Difference

Notify = Callable[[str, str], None]


@dataclass(frozen=True)
class Wanted:
    """A revision that is to be a stage: with its name and message."""

    old: Old
    name: str
    message: str


@dataclass(frozen=True)
class Made:
    """One stage: the text of its file, its entry in config.yaml, and what was left out of it.

    `unfilled` are the texts in its `data` that stand for data steps which are still to be carried over.
    """

    wanted: Wanted
    ran: Ran
    text: str
    entry: Mapping[str, object]
    unfilled: tuple[str, ...]
    left: tuple[str, ...]
    missing: tuple[str, ...]


class Replay:
    """An existing history on a scratch database, one revision after the other."""

    def __init__(
        self,
        plan: Plan,
        project: Project,
        history: Sequence[Old],
        lay: Callable[[Scratch], object] | None,
        accepted: Collection[str],
    ) -> None:
        """`lay` fills the database before the first revision; `accepted` are kinds of things that may be missing."""
        self.plan, self.project, self.history, self.lay, self.accepted = plan, project, history, lay, accepted

    def stages(self, server: sa.URL, after: Old | None, wanted: Sequence[Wanted], notify: Notify) -> Iterator[Made]:
        """Make the stages of revisions, on a server; `after` is the revision of the stage before them.

        Raises MigrationFailed where a revision fails, SchemaDiffers where a stage cannot hold all that it makes, and
        WrongUse.
        """
        stages = Frozen(self.plan)
        before = stages.schema
        rows: Rows = {}
        with scratch(server) as empty:
            if self.lay is not None:
                self.lay(empty)
            if after is not None:
                rows = self._run(empty, after)[1].rows
            for each in wanted:
                notify("replaying", each.old.id)
                ran, found = self._run(empty, each.old)
                schema = describe(found.metadata, described=Described(self.plan.dialects))
                text = freeze(self.plan, each.name, before, schema, found.metadata)
                with database.connect(empty.engine) as connection:
                    missing = self._missing(connection, stages.add(each.name, text), ran, each.old)
                    inserts, left = seeds(rows, found, connection.dialect.name)
                unfilled = tuple(self._unfilled(ran, before, schema))
                entry: dict[str, object] = {
                    "name": each.name,
                    "message": each.message,
                    "frozen": True,
                    "revision": each.old.id,
                }
                if unfilled or inserts:
                    entry["data"] = {"upgrade": [*(f"{TO_FILL_IN} {one}" for one in unfilled), *inserts]}
                yield Made(each, ran, text, entry, unfilled, tuple(left), missing)
                before, rows = schema, found.rows

    def _run(self, empty: Scratch, old: Old) -> tuple[Ran, State]:
        """Upgrade the database to a revision, and read what it then holds."""
        try:
            ran = self.project.run("upgrade", old.id, empty.url)
        except MigrationFailed as error:
            if self.lay is None and not error.details["applied"]:
                error.hint = f"{error.hint} {_BEGINNING}"
            raise
        with database.connect(empty.engine) as connection:
            at = ran.at(connection)
            if at != {old.id}:
                message = f"The database is at {', '.join(sorted(at)) or 'no revision'}, and cannot go to {old.id}."
                hint = "Name revisions that come after what `--start` makes."
                raise WrongUse(message, hint=hint if self.lay is not None else None)
            return ran, state(connection, ran.own)

    def _unfilled(self, ran: Ran, before: Schema, after: Schema) -> Iterator[str]:
        """Texts in place of the data steps that read what the stage drops: these must be carried over."""
        for each in readers(self.history, ran, _gone(before, after)):
            place = f"{os.path.relpath(each.path, self.plan.folder)}:{each.line}"
            yield f"{place} reads {', '.join(each.names)}, which this stage drops"

    def _missing(self, connection: sa.Connection, metadata: sa.MetaData, ran: Ran, old: Old) -> tuple[str, ...]:
        """Give what the frozen stage does not hold, if all of it is accepted. Raises SchemaDiffers."""
        found = compare(connection, metadata, ran.own)
        connection.rollback()
        wrong = [each for each in found if _kind(each) not in self.accepted]
        if wrong:
            kinds = ", ".join(f"`--accept-missing {kind}`" for kind in dict.fromkeys(map(_kind, wrong)))
            listed = "; ".join(f"{each.table}: {each.what}" for each in wrong[:10])
            raise SchemaDiffers(
                f"A frozen stage cannot hold all of revision {old.id}: {listed}.",
                hint=f"Nothing was written. {kinds} leaves that out.",
                differences=[each._asdict() for each in wrong],
            )
        return tuple(f"{each.table}: {each.what} (revision {old.id})" for each in found)


_BEGINNING = (
    "No revision was done. Where a new database of this project is made by create_all and a stamp, `--start` says what "
    "comes before its revisions."
)


def _gone(before: Schema, after: Schema) -> list[Name]:
    """The tables, and the columns of the others, that are not there any more."""
    found: list[Name] = [(key, None) for key in before.tables if key not in after.tables]
    for key, table in before.tables.items():
        now = after.tables.get(key)
        found += [(key, column) for column in table.columns if now is not None and column not in now.columns]
    return found


def _kind(difference: Difference) -> str:
    """The kind of the thing or element that differs, such as `table`, `view`, `column` or `index`."""
    return difference.what.partition(" ")[0].rstrip(":")
