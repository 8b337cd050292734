"""`check`: compare the history on disk with what the stages give."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlstrata import folder
from sqlstrata.commands.progress import Notify, healed, silent
from sqlstrata.commands.target import mismatch
from sqlstrata.databases.lost import answering
from sqlstrata.errors import HistoryDiffers, accepted
from sqlstrata.modules.turning import unlisted
from sqlstrata.plan import Plan
from sqlstrata.result import Line, Verbatim
from sqlstrata.revisions import remembered
from sqlstrata.revisions.generate import steps


@dataclass(frozen=True)
class Checked:
    """The first stage whose file differs, if one does; modules that no stage turns on; and the command that helps.

    `proved` is False for a history that `rebuild --no-proof` has written.
    """

    mismatch: folder.Mismatch | None
    unlisted: tuple[str, ...]
    remedy: str
    proved: bool = True

    def to_json(self) -> dict[str, object]:
        found = self.mismatch
        return {
            "ok": found is None,
            "stage": None if found is None else found.stage,
            "cause": None if found is None else found.cause,
            "file": None if found is None else found.file,
            "proved": self.proved,
        }

    def lines(self) -> Iterator[Line]:
        if self.mismatch is None:
            yield "The history is what the stages give."
        elif self.mismatch.diff:
            yield Verbatim(self.mismatch.diff)
        if not self.proved:
            yield "It is not proved: it was written with `--no-proof`. `inv rebuild` proves it."

    @property
    def error(self) -> HistoryDiffers | None:
        if self.mismatch is None:
            return None
        place = f", first at stage {self.mismatch.stage}" if self.mismatch.stage else ""
        message = f"The history is not what the stages give{place}: {self.mismatch.cause}."
        hint = f"Run {self.remedy}, and look at what changed."
        return HistoryDiffers(message, where=self.mismatch.file, hint=hint)


@answering()
def check(plan: Plan, notify: Notify = silent) -> Checked:
    """Check that the history on disk is, byte for byte, what the stages give. Read-only.

    The history is not made again where config.yaml, the modules and the files are as they were when it was written.
    Raises HistoryDiffers, with the Checked as its `result`.
    """
    healed(plan, notify)
    wrong = None if remembered.is_unchanged(plan) else _differing(plan)
    wrong = wrong or folder.environment_mismatch(plan.migrations)
    remedy = "" if wrong is None else folder.remedy(folder.read(plan.migrations / "versions"))
    found = Checked(wrong, unlisted(plan), remedy, folder.is_proved(plan.migrations))
    if found.unlisted:
        notify(f"Warning: no stage turns on {', '.join(found.unlisted)}.", "")
    return accepted(found)


def _differing(plan: Plan) -> folder.Mismatch | None:
    """The first file that differs; one that was edited by hand comes before all that follow from it."""
    edited = folder.frozen_edited(plan)
    if edited is not None:
        return edited
    made = steps(plan)
    return mismatch(plan, made) or folder.frozen_mismatch(plan, made)
