"""`identify`: find the stage that a database is at, by its schema alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlstrata.commands import differences
from sqlstrata.commands.explained import Explained, explained
from sqlstrata.commands.progress import Notify, healed, silent
from sqlstrata.commands.target import existing
from sqlstrata.databases import sqlite_file
from sqlstrata.databases.lost import answering
from sqlstrata.errors import SchemaDiffers, accepted
from sqlstrata.migrate import apply
from sqlstrata.migrate.identity import Fit
from sqlstrata.migrate.outline import outlines
from sqlstrata.migrate.place import fit_of, stage_of
from sqlstrata.plan import Plan
from sqlstrata.result import Line, Verbatim
from sqlstrata.snapshot import Difference


@dataclass(frozen=True)
class Identified(Fit):
    """The stage that a database is at, or the nearest one and the differences, with what else is known about them."""

    more: tuple[Explained, ...] = ()

    @property
    def unknown(self) -> tuple[Difference, ...]:
        """What no stage knows."""
        return tuple(each.difference for each in self.more if not each.known)

    def to_json(self) -> dict[str, object]:
        return {
            "stage": self.stage,
            "exact": self.exact,
            "differences": [each.to_json() for each in self.more],
            "also": list(self.also),
        }

    def lines(self) -> Iterator[Line]:
        if self.exact:
            yield f"The database is at {named(self.stage)}, exactly."
            if self.also:
                yield f"Other stages with the same schema: {', '.join(self.also)}."
            return
        ours = tuple(each.difference for each in self.more if each.known)
        if ours:
            yield differences.table(ours)
        if self.unknown:
            yield "No stage knows:"
            yield differences.table(self.unknown)
        for each in self.more:
            if each.where is not None:
                yield f"{each.difference.table}, {each.difference.what}: see {each.where}."
            if each.paste is not None:
                yield f"{each.difference.table}, {each.difference.what}, as models have it:"
                yield Verbatim(each.paste)

    @property
    def error(self) -> SchemaDiffers | None:
        if self.exact:
            return None
        return SchemaDiffers(
            f"No stage fits exactly. The nearest is {self.nearest}.", hint=differences.advice(self.unknown)
        )


def named(stage: str | None) -> str:
    """The stage that a database is at, in words."""
    return "no stage: it is empty" if stage is None else f"stage {stage}"


def identify(plan: Plan, url: str | None = None, notify: Notify = silent) -> Identified:
    """Find the stage that a database is at, by its schema alone. Read-only.

    Raises SchemaDiffers where no stage fits exactly; its `result` has the nearest one and the differences. Raises
    Unreachable, also where there is no such database, and WrongUse.
    """
    return accepted(fit(plan, url, notify))


@answering()
def fit(plan: Plan, url: str | None = None, notify: Notify = silent) -> Identified:
    """Give the stage that a database is at, or the nearest one and the differences. Raises Unreachable and WrongUse."""
    healed(plan, notify)
    stages = outlines(plan)
    with existing(plan, url) as connection:
        sqlite_file.require_whole(connection)
        revisions = apply.revisions_of(connection, plan)
        current = stage_of(revisions[0], apply.files(plan)) if len(revisions) == 1 else None
        found = fit_of(connection, plan, stages, current)
        more = explained(connection, plan, stages, found)
    return Identified(found.stage, found.differences, found.also, more)
