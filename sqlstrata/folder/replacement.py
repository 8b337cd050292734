"""Replacing the folder of revision files with what the stages give."""

from __future__ import annotations

import os
import shutil
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlstrata.disk import real, shown, sync_folder, write_new
from sqlstrata.errors import HistoryDiffers, WrongUse
from sqlstrata.folder.comparison import compare
from sqlstrata.folder.files import File, foreign, read
from sqlstrata.folder.folder import keep, reporting, swap
from sqlstrata.folder.lock import WAIT, locked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sqlstrata.revisions.revision import Revision


@dataclass(frozen=True, slots=True)
class Replaced:
    """The folder was replaced. kept is a folder with copies of the files that were not ours; None without any."""

    kept: Path | None = None


def require_ours(versions: Path) -> None:
    """Raise HistoryDiffers, which names them, where there are files that a rebuild must not overwrite."""
    _require_ours(versions, read(versions))


def _require_ours(versions: Path, files: Sequence[File]) -> None:
    wrong = foreign(files)
    if not wrong:
        return
    sentences = "; ".join(f"{file.name} {file.wrong}" for file in wrong)
    raise HistoryDiffers(
        f"A rebuild would overwrite files that it did not write: {sentences}.",
        where=shown(versions),
        hint="Make the change in the models or config.yaml, or move the file away; `--force` overwrites it and keeps a "
        "copy.",
        files=[file.name for file in wrong],
    )


def replace(
    versions: Path, revisions: Sequence[Revision], *, force: bool = False, wait: float = WAIT
) -> Replaced | None:
    """Make the folder hold exactly these revisions, in one step or not at all; None where it does so already.

    Files that are right stay the same files; hidden ones (`.gitkeep`) stay, too. Where nothing differs nothing is
    written. With force, files that were edited by hand or are not ours are first copied beside the folder.
    Waits for other runs as `locked` does. Raises HistoryDiffers for such files without force, Locked, and WrongUse for
    errors of the operating system; then, as after any other error, the folder is unchanged.
    """
    place = real(versions)
    with locked(versions, wait):
        files = read(versions)
        if place.is_dir() and compare(files, revisions) is None:
            return None
        if not force:
            _require_ours(versions, files)
        names = tuple(file.name for file in foreign(files))
        kept = keep(place, names) if names else None
        try:
            swap(place, lambda new: _write(new, revisions, _unchanged(place, files, revisions)))
        except WrongUse:  # nothing was changed; after any other error (Ctrl-C) that is not certain, and the copies stay
            if kept is not None:
                shutil.rmtree(kept, ignore_errors=True)
            raise
        return Replaced(kept)


def write(folder: Path, revisions: Sequence[Revision]) -> None:
    """Write the revisions into a new or empty folder, for a proof. Raises WrongUse."""
    with reporting(folder, "written"):
        folder.mkdir(parents=True, exist_ok=True)
        for revision in revisions:
            with (folder / revision.filename).open("xb") as file:
                file.write(revision.text.encode())


def _unchanged(place: Path, files: Sequence[File], revisions: Sequence[Revision]) -> dict[str, Path]:
    """Find the files that are right."""
    texts = {revision.filename: revision.text for revision in revisions}
    paths = {file.name: place / file.name for file in files if file.text == texts.get(file.name)}
    return {name: path for name, path in paths.items() if not path.is_symlink()}


def _write(folder: Path, revisions: Sequence[Revision], unchanged: Mapping[str, Path]) -> None:
    def write(revision: Revision) -> None:
        same = unchanged.get(revision.filename)
        if same is None or not _linked(same, folder / revision.filename):
            write_new(folder / revision.filename, revision.text.encode())

    with ThreadPoolExecutor() as pool:  # a disk is faster with files written together
        deque(pool.map(write, revisions), maxlen=0)
    sync_folder(folder)


def _linked(path: Path, target: Path) -> bool:
    """Give the same file a second name; False where the file system cannot."""
    try:
        os.link(path, target)
    except OSError:
        return False
    return True
