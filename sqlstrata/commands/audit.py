"""`audit`: an existing Alembic history, revision by revision, on generated rows. Read-only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlstrata.commands.progress import Notify, silent
from sqlstrata.databases import addresses
from sqlstrata.databases.lost import answering
from sqlstrata.errors import MigrationFailed, accepted
from sqlstrata.replay.project import Project
from sqlstrata.replay.trial import Trial, Tried
from sqlstrata.result import Line, Table, counted
from sqlstrata.scratch.bracket import scratch


@dataclass(frozen=True)
class Audited:
    """What became of each revision."""

    revisions: tuple[Tried, ...]

    def to_json(self) -> dict[str, object]:
        return {
            "ok": all(each.well for each in self.revisions),
            "revisions": [each.to_json() for each in self.revisions],
        }

    def lines(self) -> Iterator[Line]:
        rows = [
            (each.revision, each.message, *("yes" if text is None else "no" for text in _texts(each)))
            for each in self.revisions
        ]
        yield Table(("revision", "message", "goes up", "goes down", "comes back equal", "rows survive"), rows)
        for each in self.revisions:
            yield from (f"{each.revision}: {text}" for text in _texts(each) if text is not None)

    @property
    def error(self) -> MigrationFailed | None:
        wrong = [each.revision for each in self.revisions if not each.well]
        if not wrong:
            return None
        message = (
            f"{counted(len(wrong), 'revision')} of {len(self.revisions)} did not go well: {', '.join(wrong[:10])}."
        )
        return MigrationFailed(message, hint="Only a scratch database was changed.")


def _texts(tried: Tried) -> tuple[str | None, ...]:
    return tried.up, tried.down, tried.back, tried.rows


@answering()
def audit(project: Project, url: str = "sqlite://", *, notify: Notify = silent) -> Audited:
    """Take an Alembic history up, down and up again, revision by revision, on a scratch database with rows in it.

    url: a server for the scratch database. The project's files and databases are only read; its env.py runs on the
    scratch database, whatever it would connect to. Raises MigrationFailed, with the Audited as its `result`, where
    something did not go well, or where a revision does not go up without rows either; WrongUse, Unreachable.
    """
    there = addresses.parsed(url)
    history = project.history()
    project.require_one_head(history)
    with scratch(there) as empty:
        trial = Trial(project, empty)
        found = []
        for old in history:
            notify("trying", old.id)
            found.append(trial.of(old))
    return accepted(Audited(tuple(found)))
