"""`release`: write the revisions of stages into config.yaml, so that the stages stay as they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sqlstrata import folder
from sqlstrata.commands.editing import edited
from sqlstrata.commands.progress import Notify, healed, silent
from sqlstrata.commands.target import require_history
from sqlstrata.commands.yaml_edit import with_value
from sqlstrata.databases.lost import answering
from sqlstrata.plan import Plan
from sqlstrata.result import Line, listed
from sqlstrata.revisions.generate import steps


@dataclass(frozen=True)
class Released:
    """The stages that were released, each with its revision; the last stage that is released now."""

    stages: tuple[tuple[str, str], ...]
    last: str
    config: Path

    def to_json(self) -> dict[str, object]:
        return {
            "released": [{"stage": stage, "revision": revision} for stage, revision in self.stages],
            "last": self.last,
            "written": bool(self.stages),
        }

    def lines(self) -> Iterator[Line]:
        if not self.stages:
            yield f"Nothing to do: all stages up to {self.last} are released."
            return
        yield f"Released: {listed([stage for stage, _ in self.stages])}."
        yield f"{self.config.name} has their ids. Commit it."


@answering()
def release(plan: Plan, to: str | None = None, notify: Notify = silent) -> Released:
    """Write `revision` into the stages up to `to`, by default the last. From now on what they do may not change.

    config.yaml is written whole or not at all, comments and layout kept, and has been read again. Raises HistoryDiffers
    where the history on disk is not what the stages give, so that only what is on disk is released; and WrongUse.
    """
    healed(plan, notify)
    last = plan.stage(to or plan.stages[-1].name)
    end = plan.stages.index(last) + 1
    made = steps(plan)
    require_history(plan, made)
    if not folder.is_proved(plan.migrations):
        notify("The history was written with `--no-proof`: `inv rebuild` proves it.", "")
    new = {index: made[index].revision.id for index in range(end) if plan.stages[index].revision is None}
    if new:
        _write(plan, new)
    return Released(tuple((plan.stages[index].name, revision) for index, revision in new.items()), last.name, plan.path)


def _write(plan: Plan, revisions: Mapping[int, str]) -> None:
    def change(text: str) -> str:
        for index, revision in revisions.items():
            text = with_value(text, ("stages", index, "revision"), revision, "name")
        return text

    expected = [replace(each, revision=revisions.get(i, each.revision)) for i, each in enumerate(plan.stages)]
    by_hand = "; ".join(f"`revision: {revision}` in {plan.stages[i].name}" for i, revision in revisions.items())
    edited(plan, change, lambda again: list(again.stages) == expected, by_hand)
