"""`check`: compare the history on disk with what the stages give."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlstrata import folder
from sqlstrata.commands.progress import Notify, healed, silent
from sqlstrata.commands.target import mismatch, require_released
from sqlstrata.databases.lost import answering
from sqlstrata.errors import HistoryDiffers, accepted
from sqlstrata.modules.turning import as_imported, metadata_of, unlisted
from sqlstrata.plan import Plan
from sqlstrata.result import Line, Verbatim
from sqlstrata.revisions import remembered
from sqlstrata.revisions.generate import Step, steps
from sqlstrata.schema.describe import describe
from sqlstrata.schema.described import Described
from sqlstrata.schema.values import Table
from sqlstrata.source import flat


@dataclass(frozen=True)
class Checked:
    """The first stage whose file differs, if one does; modules that no stage turns on; and the command that helps.

    `proved` is False for a history that `rebuild --no-proof` has written. `drifted` is True where the history is what
    the stages give, and the package, as an application imports it, is not the last stage.
    """

    mismatch: folder.Mismatch | None
    unlisted: tuple[str, ...]
    remedy: str
    proved: bool = True
    drifted: bool = False

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
        if self.drifted:
            return HistoryDiffers(
                f"The models that an application imports are not those of the last stage, {self.mismatch.stage}.",
                where=self.mismatch.file,
                hint="The history is what the stages give. Import the modules that are on in that stage; `inv stages` "
                "shows them.",
            )
        place = f", first at stage {self.mismatch.stage}" if self.mismatch.stage else ""
        message = f"The history is not what the stages give{place}: {self.mismatch.cause}."
        hint = f"Run {self.remedy}, and look at what changed."
        return HistoryDiffers(message, where=self.mismatch.file, hint=hint)


@answering()
def check(plan: Plan, notify: Notify = silent) -> Checked:
    """Check that the history on disk is, byte for byte, what the stages give. Read-only.

    The history is not made again where config.yaml, the modules and the files are as they were when it was written.
    Raises HistoryDiffers, with the Checked as its `result`; Refused where a released stage changed.
    """
    healed(plan, notify)
    made = wrong = None
    if not remembered.is_unchanged(plan):
        wrong = folder.frozen_edited(plan)
        made = steps(plan) if wrong is None else None
        wrong = _differing(plan, made) if made else wrong
    wrong = wrong or folder.environment_mismatch(plan.migrations)
    drift = _drift(plan, made) if wrong is None else None
    remedy = "" if wrong is None else folder.remedy(folder.read(plan.migrations / "versions"))
    proved = folder.is_proved(plan.migrations)
    found = Checked(wrong or drift, unlisted(plan), remedy, proved, drifted=drift is not None)
    if (left := folder.frozen_left(plan)) is not None:
        notify(left, "")
    if found.unlisted:
        notify(f"Warning: no stage turns on {', '.join(found.unlisted)}.", "")
    return accepted(found)


def _differing(plan: Plan, made: Sequence[Step]) -> folder.Mismatch | None:
    """The first file that differs from what the stages give."""
    wrong = mismatch(plan, made)
    if wrong is not None:
        require_released(plan, made, wrong)
    return wrong or folder.frozen_mismatch(plan, made)


def _drift(plan: Plan, made: Sequence[Step] | None) -> folder.Mismatch | None:
    """The first table that the package defines otherwise than the last stage, when an application imports it.

    Tables that it does not import do not count. A live stage has the very models that the application imports. `made`
    are the stages' steps, where there are some already.
    """
    last = plan.stages[-1]
    imported = None if last.live or last.frozen else as_imported(plan)
    if imported is None:
        return None
    described = Described(plan.dialects)
    schema = made[-1].schema if made else describe(metadata_of(plan, len(plan.stages) - 1), described=described)
    wanted = schema.tables
    for key, table in describe(imported, described=described).tables.items():
        if table != wanted.get(key):
            there = None if key not in wanted else (f"stage {last.name}/{key}", _written(wanted[key]))
            package = plan.models.package
            diff = folder.difference(there, (f"the package as it is imported/{key}", _written(table)))
            return folder.Mismatch(last.name, "models", f"{package.replace('.', '/')}/__init__.py", diff)
    return None


def _written(table: Table) -> str:
    """A table as Python, an element a line."""
    elements = (*table.elements(), *(index.source for index in table.indexes.values()))
    return "".join(f"{flat(each)}\n" for each in elements)
