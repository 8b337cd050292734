"""Comparing the folder with what the stages give."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sqlstrata.folder.files import File, parsed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlstrata.revisions.revision import Revision

Cause = Literal["stages", "models", "hand edit", "file too many", "file missing"]


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The first stage whose file differs: why, which file, and the diff from it to what the stages give.

    stage is None only for a file that names no stage.
    """

    stage: str | None
    cause: Cause
    file: str
    diff: str


def compare(files: Sequence[File], revisions: Sequence[Revision]) -> Mismatch | None:
    """Find the first stage that differs between the folder and what the stages give; None where nothing does.

    Files go by their numbers; those that have none come last. The cause is

    * `hand edit`: the file's id is not that of its content, only its layout differs, or it is not a revision of ours,
      under our name. This is certain, as are the next two.
    * `file missing`: no file has the revision's number. It was deleted, or its stage was added at the end.
    * `file too many`: no stage has the file's name. Its stage was removed from the end, for example.
    * `stages`: the file with the revision's number is of another stage, or has another message or parent. Stages were
      added, removed, moved or renamed in config.yaml.
    * `models`: only the code differs. Mostly the models, or the libraries; a changed `fill`, `cast` or `data` of the
      stage looks the same.
    """
    found = {file.name: file for file in files}
    known = {revision.filename for revision in revisions}
    others = [file for file in files if file.name not in known]
    texts = {file.name: file.text for file in files}
    wanted = next((each for each in revisions if texts.get(each.filename) != each.text), None)
    stray = min(others, key=_place, default=None)
    if wanted is not None and (stray is None or wanted.number <= _place(stray)[0]):
        return _differing(wanted, found.get(wanted.filename), others)
    if stray is not None:
        return Mismatch(stray.stage, "file too many", stray.name, difference(_on_disk(stray), None))
    return None


@dataclass(frozen=True, slots=True)
class Change:
    """A file that a rebuild replaces, adds (`old` is None) or removes (`new` is None)."""

    old: File | None
    new: Revision | None

    def __str__(self) -> str:
        if self.old is None:
            return f"adds {self.new.filename}" if self.new else ""
        if self.new is None:
            return f"removes {self.old.name}" + (f" ({self.old.id})" if self.old.id else "")
        name = f", in {self.new.filename}" if self.new.filename != self.old.name else ""
        stays = self.old.id == self.new.id
        ids = f"its id {self.new.id} stays" if stays else f"{self.old.id or 'no id'} becomes {self.new.id}"
        return f"replaces {self.old.name}: {ids}{name}"

    @property
    def diff(self) -> str:
        """The diff from the file to what the stages give."""
        return difference(
            None if self.old is None else _on_disk(self.old), None if self.new is None else _given(self.new)
        )


def changes(files: Sequence[File], revisions: Sequence[Revision]) -> tuple[Change, ...]:
    """Find what a rebuild changes in the folder: a file belongs to the revision with its id, or else its stage."""
    by_id = {file.id: file for file in files if file.id is not None}
    by_stage = {file.stage: file for file in files if file.stage is not None}
    kept = {revision.id for revision in revisions} & by_id.keys()
    found, used = [], set()
    for revision in revisions:
        old = by_id.get(revision.id)
        if old is None:
            old = by_stage.get(revision.stage)
            old = None if old is None or old.id in kept else old
        if old is not None:
            used.add(old.name)
        if old is None or (old.name, old.text) != (revision.filename, revision.text):
            found.append(Change(old, revision))
    return (*found, *(Change(file, None) for file in files if file.name not in used))


def difference(old: tuple[str, str] | None, new: tuple[str, str] | None) -> str:
    """Give a unified diff of two texts, each with its name; None is a file that is missing, or should be.

    Missing and foreign line ends are visible in it, and so are bytes that are not UTF-8.
    """
    (before, text), (after, other) = (each or ("/dev/null", "") for each in (old, new))
    return "\n".join(difflib.unified_diff(_lines(text), _lines(other), before, after, lineterm=""))


def _place(file: File) -> tuple[float, str]:
    return (float("inf") if file.number is None else file.number, file.name)


def _differing(revision: Revision, file: File | None, others: Sequence[File]) -> Mismatch:
    given = _given(revision)
    if file is not None:
        return Mismatch(revision.stage, _cause(file, revision), file.name, difference(_on_disk(file), given))
    other = next((each for each in others if each.number == revision.number and each.wrong is None), None)
    if other is not None:
        return Mismatch(revision.stage, "stages", other.name, difference(_on_disk(other), given))
    return Mismatch(revision.stage, "file missing", revision.filename, difference(None, given))


def _given(revision: Revision) -> tuple[str, str]:
    return f"from the stages/{revision.filename}", revision.text


def _on_disk(file: File) -> tuple[str, str]:
    return f"on disk/{file.name}", file.text


def _cause(file: File, revision: Revision) -> Cause:
    given = parsed(revision.filename, revision.text)
    described = (file.message, file.parent) == (given.message, given.parent)
    if file.wrong is not None or (described and file.id == given.id and not revision.fixed):  # by layout
        return "hand edit"
    return "models" if described else "stages"


def _lines(text: str) -> list[str]:
    printable = text.replace("\r", "\\r").encode(errors="backslashreplace").decode()
    lines = printable.split("\n")
    return lines[:-1] if lines[-1] == "" else [*lines[:-1], f"{lines[-1]}\\ no line end"]
