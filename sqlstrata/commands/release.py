"""`release`: write the revisions of stages into config.yaml, so that the stages stay as they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from sqlstrata import folder
from sqlstrata.commands.editing import decoded
from sqlstrata.commands.progress import Notify, healed, silent
from sqlstrata.commands.target import require_history
from sqlstrata.commands.yaml_edit import with_keys
from sqlstrata.databases.lost import answering
from sqlstrata.disk import together
from sqlstrata.errors import WrongUse
from sqlstrata.plan import Plan, read
from sqlstrata.result import Line, listed
from sqlstrata.revisions.generate import steps
from sqlstrata.start.texts import scalar


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


def _write(plan: Plan, revisions: dict[int, str]) -> None:
    text, encoding = decoded(plan.path)
    released = with_keys(text, {index: {"revision": scalar(revision)} for index, revision in revisions.items()})
    expected = [replace(each, revision=revisions.get(i, each.revision)) for i, each in enumerate(plan.stages)]
    with together() as write:
        write(plan.path, released.encode(encoding))
        try:
            is_right = list(read(plan.path).stages) == expected
        except WrongUse:
            is_right = False
        if not is_right:
            lines = ", ".join(f"`revision: {revision}` in {plan.stages[i].name}" for i, revision in revisions.items())
            hint = f"Write them by hand: {lines}. Nothing was changed."
            raise WrongUse(f"Cannot write the revisions into {plan.path.name}: the stages share text.", hint=hint)
