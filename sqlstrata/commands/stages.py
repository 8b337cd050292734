"""`stages`: the plan, stage by stage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlstrata.commands.development import current_revision
from sqlstrata.databases.lost import answering
from sqlstrata.errors import SqlstrataError
from sqlstrata.modules.turning import unlisted
from sqlstrata.plan import Plan, Stage
from sqlstrata.result import Line, Table, changed
from sqlstrata.revisions.generate import steps
from sqlstrata.revisions.revision import Revision


@dataclass(frozen=True)
class Planned:
    """The stages with their revisions; the stage that the database is at, or why that is unknown."""

    stages: tuple[Stage, ...]
    revisions: tuple[Revision, ...]
    at: str | None
    unlisted: tuple[str, ...]
    unreachable: str | None = None

    def to_json(self) -> dict[str, object]:
        return {
            "stages": [
                {
                    "name": stage.name,
                    "message": revision.message,
                    "modules": list(stage.modules),
                    "revision": revision.id,
                    "released": stage.revision is not None,
                    "changes": list(revision.changes),
                }
                for stage, revision in zip(self.stages, self.revisions, strict=True)
            ],
            "database": self.at,
            "unreachable": self.unreachable,
            "unlisted": list(self.unlisted),
        }

    def lines(self) -> Iterator[Line]:
        rows = [
            (
                "→" if stage.name == self.at else "",
                stage.name,
                _turned(stage),
                f"{revision.id} released" if stage.revision else revision.id,
                changed(revision.changes, of=len(self.stages)),
            )
            for stage, revision in zip(self.stages, self.revisions, strict=True)
        ]
        yield Table(("", "stage", "modules", "revision", "changes"), rows)
        if self.unreachable is not None:
            yield f"Cannot tell which stage the database is at. {self.unreachable}"
        else:
            yield f"The database is at stage {self.at}." if self.at else "The database is at no stage."
        if self.unlisted:
            yield f"In no stage: {', '.join(self.unlisted)}."


def _turned(stage: Stage) -> str:
    """What the stage turns off and on, or where else its schema comes from."""
    if stage.live or stage.frozen:
        return "live" if stage.live else "frozen"
    return ", ".join([*(f"- {module}" for module in stage.disable), *(f"+ {module}" for module in stage.enable)])


@answering()
def stages(plan: Plan) -> Planned:
    """Give the plan, stage by stage. Read-only; that a database cannot be reached is part of the result."""
    revisions = tuple(step.revision for step in steps(plan))
    try:
        current = current_revision(plan)
        at, unreachable = next((each.stage for each in revisions if each.id == current), None), None
    except SqlstrataError as error:
        at, unreachable = None, error.message
    return Planned(plan.stages, revisions, at, unlisted(plan), unreachable)
