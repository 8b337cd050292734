"""A folder that is replaced in one step or not at all.

While it is replaced there are two others beside it:

* `NAME.strata-partial`: being written or being removed. It may hold anything, and is never read.
* `NAME.strata-previous`: the old folder, whole, from the moment it is moved away until the new one is in its place.

So there is one rule for every state that a killed run can leave: where the folder is missing, the previous one is moved
back; everything else beside it is removed. A new folder is never trusted, only written again.
"""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from sqlstrata.disk import shown, sync_folder
from sqlstrata.errors import WrongUse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_HINTS = {
    errno.EACCES: "Give this user permission to write in it and beside it.",
    errno.EPERM: "Give this user permission to write in it and beside it.",
    errno.EROFS: "The file system is read-only: work on a writable copy.",
    errno.ENOSPC: "The disk is full: free some space and run the command again.",
    errno.EDQUOT: "The disk quota is used up: free some space and run the command again.",
    errno.EBUSY: "It is in use or a mount point: mount the folder above it instead.",
    errno.EXDEV: "It is a mount point: mount the folder above it instead.",
    errno.ENOTDIR: "A part of the path is a file: move it away.",
    errno.EEXIST: "Something else has this name: move it away.",
}


def partial(place: Path) -> Path:
    """Name the folder that is being written or removed."""
    return place.with_name(f"{place.name}.strata-partial")


def previous(place: Path) -> Path:
    """Name the old folder while it makes room."""
    return place.with_name(f"{place.name}.strata-previous")


@contextmanager
def reporting(place: Path, done: str) -> Iterator[None]:
    """Turn an OSError into WrongUse, which gives the state of the folder. done is a past participle."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        subject = f" ({shown(Path(error.filename))})" if isinstance(error.filename, str) and error.filename else ""
        message = f"{shown(place)} could not be {done}: {reason}{subject}. {_state(place)}"
        raise WrongUse(message, hint=_HINTS.get(error.errno or 0)) from error


def _state(place: Path) -> str:
    if not os.path.lexists(place) and os.path.isdir(previous(place)):  # noqa: PTH112 - Path's raises
        return f"Its content is in {shown(previous(place))}; the next command moves it back."
    return "Nothing in it was changed."


def swap(place: Path, fill: Callable[[Path], None]) -> None:
    """Replace the folder with a new one that fill writes, or leave it as it is.

    fill gets a new empty folder. Hidden files of the old folder are kept. Only one run may do this at a time: see
    `lock.locked`. Raises WrongUse; then, as after any other error, the old folder is in its place.
    """
    new, old = partial(place), previous(place)
    with reporting(place, "replaced"):
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            new.mkdir()
            fill(new)
            if place.exists():
                _carry(place, new)
                place.rename(old)
            new.rename(place)
        finally:
            settle(place)
    with suppress(OSError):  # the folders are exchanged; not every file system can be asked to write that down
        sync_folder(place.parent)


def settle(place: Path) -> str | None:
    """Restore one whole folder from what a killed run left; give a sentence about it. Raises OSError."""
    new, old = partial(place), previous(place)
    if old.is_dir() and not os.path.lexists(place):
        old.rename(place)
        shutil.rmtree(new, ignore_errors=True)
        return f"An earlier run was killed while it replaced {shown(place)}: the folder is as it was before."
    left = [path for path in (new, old) if path.is_dir()]
    shutil.rmtree(new, ignore_errors=True)
    with suppress(OSError):  # what cannot be removed now is removed next time
        if old.is_dir():
            old.rename(new)  # from here on it is not whole, and must not be moved back
            shutil.rmtree(new)
    return f"Removed what a killed run had left beside {shown(place)}." if left else None


def keep(place: Path, names: tuple[str, ...]) -> Path:
    """Copy files of the folder into a new one beside it, `NAME.kept-1` or the next free number; give its path.

    Alembic does not look there. Raises WrongUse, with no copy left.
    """
    target, new = _free(place), partial(place)
    with reporting(place, "copied"):
        try:
            for name in names:
                _copy(place / name, new / name)
            new.rename(target)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    return target


def set_aside(place: Path) -> Path:
    """Rename the folder to `NAME.kept-1` or the next free number, and give its path. Raises WrongUse."""
    target = _free(place)
    with reporting(place, "renamed"):
        place.rename(target)
        sync_folder(place.parent)
    return target


def _free(place: Path) -> Path:
    numbered = (place.with_name(f"{place.name}.kept-{number}") for number in count(1))
    return next(path for path in numbered if not os.path.lexists(path))


def _carry(old: Path, new: Path) -> None:
    shutil.copymode(old, new)
    for path in old.iterdir():
        if path.name.startswith("."):
            _copy(path, new / path.name)
    sync_folder(new)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir() and not source.is_symlink():
        target.mkdir(parents=True)
        for path in source.iterdir():
            _copy(path, target / path.name)
        sync_folder(target)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target, follow_symlinks=False)
    if not target.is_symlink():
        _sync_file(target)


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR if os.access(path, os.W_OK) else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
