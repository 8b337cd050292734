"""The files of frozen stages on disk: finding hand edits, comparing the live stage's, and writing it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlstrata.disk import real, shown, write_whole
from sqlstrata.errors import HistoryDiffers
from sqlstrata.folder.comparison import Mismatch, difference
from sqlstrata.folder.folder import keep, reporting
from sqlstrata.modules.frozen import is_unedited, path_of, read, signed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sqlstrata.plan import Plan
    from sqlstrata.revisions.generate import Step


def frozen_edited(plan: Plan) -> Mismatch | None:
    """Find the first frozen file that was edited by hand, the live stage's included. Raises WrongUse."""
    for index, stage in enumerate(plan.stages):
        path = path_of(plan, stage.name)
        if (stage.frozen or (stage.live and path.exists())) and not is_unedited(read(plan, index)):
            return Mismatch(stage.name, "hand edit", shown(path), "")
    return None


def frozen_mismatch(plan: Plan, made: Sequence[Step]) -> Mismatch | None:
    """Find whether the live stage's frozen file is missing, or not what the models give. Raises WrongUse."""
    step = made[-1]
    if step.frozen is None:
        return None
    path = path_of(plan, step.stage.name)
    given = (f"from the models/{path.name}", step.frozen)
    if not path.exists():
        return Mismatch(step.stage.name, "file missing", shown(path), difference(None, given))
    text = read(plan, len(made) - 1)
    if text.replace("\r\n", "\n") == step.frozen:
        return None
    return Mismatch(step.stage.name, "models", shown(path), difference((f"on disk/{path.name}", text), given))


def frozen_left(plan: Plan) -> str | None:
    """Give a sentence about files in the folder of frozen stages that no stage names; None without any."""
    named = {path_of(plan, stage.name).name for stage in plan.stages}
    left = [path for path in sorted(plan.frozen.glob("*.py")) if path.name not in named]
    if not left or not any(stage.frozen or stage.live for stage in plan.stages):
        return None
    return f"Warning: no stage has the file {', '.join(map(shown, left))}. Remove it if the stage is gone for good."


def require_frozen(plan: Plan) -> None:
    """Raise HistoryDiffers where a frozen file was edited by hand."""
    found = frozen_edited(plan)
    if found is not None:
        raise HistoryDiffers(
            f"The frozen file of stage {found.stage} was edited by hand: its digest is not that of its content.",
            where=found.file,
            hint="Undo the edit, and change the schema in a new stage. `inv rebuild --force` accepts the edit of a "
            "frozen stage.",
            stage=found.stage,
            cause=found.cause,
            file=found.file,
        )


@contextmanager
def frozen_written(plan: Plan, made: Sequence[Step]) -> Iterator[Path | None]:
    """Write the live stage's frozen file, and have edited ones signed; after an error inside they are as they were.

    Gives the folder with a copy of the live stage's file, where that was edited by hand; else None. Raises WrongUse.
    """
    texts: dict[Path, str] = {}
    kept = None
    for index, step in enumerate(made):
        path = path_of(plan, step.stage.name)
        text = read(plan, index) if step.stage.frozen or (step.stage.live and path.exists()) else None
        wanted = step.frozen if text is None or step.frozen is not None else signed(text)
        if wanted is None or wanted == text:
            continue
        texts[path] = wanted
        if step.stage.live and text is not None and not is_unedited(text):
            kept = keep(real(plan.frozen), (path.name,))
    before = {path: path.read_bytes() if path.exists() else None for path in texts}
    try:
        for path, text in texts.items():
            _write(path, text.encode())
        yield kept
    except BaseException:
        for path, content in before.items():
            if content is None:
                path.unlink(missing_ok=True)
            else:
                _write(path, content)
        raise


def _write(path: Path, content: bytes) -> None:
    with reporting(path, "written"):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
