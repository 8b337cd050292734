"""`audit`: an existing Alembic history, revision by revision, on generated rows. Read-only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import sqlalchemy as sa

from sqlstrata.commands import differences as shown_differences
from sqlstrata.commands.progress import Notify, silent
from sqlstrata.databases import addresses
from sqlstrata.databases.lost import answering
from sqlstrata.errors import MigrationFailed, WrongUse, accepted
from sqlstrata.migrate.identity import swept
from sqlstrata.past.heads import Heads
from sqlstrata.replay.project import Old, Project
from sqlstrata.replay.trial import Trial, Tried
from sqlstrata.result import Line, Table, counted
from sqlstrata.scratch.bracket import scratch
from sqlstrata.snapshot import Difference, Snapshot, differences

_MOST = 10
"""How many differences are listed."""


@dataclass(frozen=True)
class Compared:
    """The revisions whose schema is exactly that of the project's models, and the tags that end with one of them.

    Where there is none: how the last revision differs, or why the models could not be created.
    """

    revisions: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    why: str | None = None

    def to_json(self) -> dict[str, object]:
        return {
            "revisions": list(self.revisions),
            "tags": list(self.tags),
            "differences": shown_differences.as_json(self.differences),
            "not_compared": self.why,
        }

    def __str__(self) -> str:
        if self.why is not None:
            return f"The models were not compared. {self.why}"
        if self.revisions:
            tags = f" Tags with it: {', '.join(self.tags)}." if self.tags else ""
            return f"The models are exactly what revision {', '.join(self.revisions)} makes.{tags}"
        more = "…" if len(self.differences) > _MOST else ""
        listed = "; ".join(f"{each.table}: {each.what}" for each in self.differences[:_MOST])
        return f"The models are what no revision makes. From the last one they differ in {listed}{more}."


@dataclass(frozen=True)
class Audited:
    """What became of each revision, and at which the history is what the models are."""

    revisions: tuple[Tried, ...]
    models: Compared

    def to_json(self) -> dict[str, object]:
        return {
            "ok": all(each.well for each in self.revisions),
            "revisions": [each.to_json() for each in self.revisions],
            "models": self.models.to_json(),
        }

    def lines(self) -> Iterator[Line]:
        rows = [
            (each.revision, each.message, *("yes" if text is None else "no" for text in _texts(each)))
            for each in self.revisions
        ]
        yield Table(("revision", "message", "goes up", "goes down", "comes back equal", "rows survive"), rows)
        for each in self.revisions:
            yield from (f"{each.revision}: {text}" for text in _texts(each) if text is not None)
        yield str(self.models)

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
    scratch database, whatever it would connect to. The models that the history is compared with are those of its
    env.py. Raises MigrationFailed, with the Audited as its `result`, where something did not go well, or where a
    revision does not go up without rows either; WrongUse, Unreachable.
    """
    there = addresses.parsed(url)
    history = project.history()
    project.require_one_head(history)
    swept(there)
    made, why = _models(project, there, history)
    tried: list[Tried] = []
    different: list[tuple[Difference, ...]] = []
    with scratch(there) as empty:
        trial = Trial(project, empty)
        for old in history:
            notify("trying", old.id)
            tried.append(trial.of(old))
            different.append(() if made is None else differences(made, trial.snapshot()))
    equal = [old.id for old, found in zip(history, different, strict=True) if not found and made is not None]
    compared = Compared(tuple(equal), _tags(project, history, equal), () if equal else different[-1], why)
    return accepted(Audited(tuple(tried), compared))


def _models(project: Project, there: sa.URL, history: Sequence[Old]) -> tuple[Snapshot | None, str | None]:
    """What create_all of the project's own MetaData makes; or why that is not known."""
    with scratch(there) as empty:
        trial = Trial(project, empty)
        try:
            trial.create_all(history[-1])
        except MigrationFailed as error:
            return None, error.message
        return trial.snapshot(), None


def _tags(project: Project, history: Sequence[Old], revisions: Sequence[str]) -> tuple[str, ...]:
    with suppress(WrongUse):  # there is no repository, or none with tags
        return Heads(project.folder, history).tags_of(revisions) if revisions else ()
    return ()
