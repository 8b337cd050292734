"""Released stages: what they do may not change any more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlstrata.errors import Refused
from sqlstrata.folder import File, difference
from sqlstrata.plan import Plan
from sqlstrata.result import Line, Verbatim
from sqlstrata.revisions.revision import Revision, code, does_the_same


@dataclass(frozen=True)
class Difference:
    """What a released stage did, and what it would do now, as a diff."""

    diff: str

    def to_json(self) -> dict[str, object]:
        return {}

    def lines(self) -> Iterator[Line]:
        yield Verbatim(self.diff)


def require_unchanged(plan: Plan, files: Sequence[File], revisions: Sequence[Revision]) -> tuple[str, ...]:
    """Raise Refused where a released stage no longer does what it was released with.

    Where the released id is the digest of what the stage does now, nothing has changed. Any other id is that of a file
    written by another version, or by other means: then the file is compared. Gives the stages for which there is no
    such file, so that nobody knows; of a frozen stage its own file says it, which may have been imported.
    """
    known = {file.id: file for file in files}
    unknown = []
    for index, revision in enumerate(revisions):
        file = known.get(revision.id)
        if not revision.fixed:
            continue
        if file is None:
            unknown += [] if plan.stages[index].frozen else [revision.stage]
        elif file.wrong is not None or not does_the_same(file.text, revision.text):
            raise _changed(plan, index, file, revision)
    return tuple(unknown)


def not_on_disk(plan: Plan, stages: Sequence[str]) -> Refused:
    """The error for released stages whose files are gone, where what they did is unknown."""
    first = next(index for index, stage in enumerate(plan.stages) if stage.name == stages[0])
    stage = plan.stages[first]
    return Refused(
        f"Stage {stage.name} is released as {stage.revision}, and no file has that revision. What the stage gives now "
        "has another id, so it may differ from what was released.",
        where=plan.where("stages", first, "revision"),
        hint="Restore the file, as with `git checkout`. `inv rebuild --force` makes it from the stages "
        "as they are now, under the released id.",
        stage=stage.name,
        revision=stage.revision,
    )


def _changed(plan: Plan, index: int, file: File, revision: Revision) -> Refused:
    stage = revision.stage
    old, new = (f"released/{file.name}", code(file.text)), (f"from the stages/{revision.filename}", code(revision.text))
    found = Difference(difference(old, new))
    is_live = plan.stages[index].live
    first = "Begin a new stage with the change" if is_live else "Undo the change and make it in a new stage"
    error = Refused(
        f"Stage {stage} is released as {revision.id}, and no longer does what it was released with.",
        where=plan.where("stages", index, "revision"),
        hint=f"{first} (`inv new-stage NAME`), or remove `revision` from stage "
        f"{stage}: then it gets a new id, and databases that have the released one need `inv adopt`.",
        stage=stage,
        revision=revision.id,
        diff=found.diff,
    )
    error.result = found
    return error
