"""A folder that is replaced in one step or not at all.

Beside it lie, while it is replaced, two others:

* `NAME.strata-partial`: being written or being removed. It may hold anything, and is never looked at.
* `NAME.strata-previous`: the old folder, whole, from the moment it makes room to the moment the new one stands.

So there is one rule for every state that a killed run can leave: where the folder is missing, the previous one goes
back to its place; all else beside it is removed. A new folder is never trusted, only made again.
"""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from sqlstrata.errors import WrongUse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_HINTS = {
    errno.EACCES: "Give this user the right to write in it and beside it.",
    errno.EPERM: "Give this user the right to write in it and beside it.",
    errno.EROFS: "The file system is read-only: work on a copy that can be written.",
    errno.ENOSPC: "The disk is full: make room and do it again.",
    errno.EDQUOT: "The disk quota is used up: make room and do it again.",
    errno.EBUSY: "Something holds it, or it is a mount point: mount the folder above it instead.",
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


def real(place: Path) -> Path:
    """Give the folder that a link means, so that the link stays when the folder is replaced."""
    return Path(os.path.realpath(place))


def shown(place: Path) -> str:
    """Give the path as short as it can be read from where we are."""
    here = Path.cwd()
    return place.relative_to(here).as_posix() if place.is_relative_to(here) else str(place)


def passed_over(name: str) -> bool:
    """Tell whether a name is none of our business: hidden, or Python's cache."""
    return name == "__pycache__" or name.startswith(".")


@contextmanager
def told(place: Path, done: str) -> Iterator[None]:
    """Tell what the operating system refuses, and the state of the folder, as WrongUse. done is a past participle."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        subject = f" ({shown(Path(error.filename))})" if isinstance(error.filename, str) and error.filename else ""
        message = f"{shown(place)} could not be {done}: {reason}{subject}. {_state(place)}"
        raise WrongUse(message, hint=_HINTS.get(error.errno or 0)) from error


def _state(place: Path) -> str:
    if not os.path.lexists(place) and os.path.isdir(previous(place)):  # noqa: PTH112 - Path's raises
        return f"What was in it is in {shown(previous(place))}; the next command puts it back."
    return "What was in it is as it was."


def swap(place: Path, fill: Callable[[Path], None]) -> None:
    """Replace the folder by a new one that fill writes, or leave it as it is.

    fill gets a new empty folder. Hidden files of the old folder are in the new one, too. Only one may do this at a
    time: see `lock.locked`. Raises WrongUse; then, as after any other error, the old folder stands.
    """
    new, old = partial(place), previous(place)
    with told(place, "replaced"):
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
    with suppress(OSError):  # the folders have changed places; not every file system can be asked to write that down
        synced(place.parent)


def settle(place: Path) -> str | None:
    """Bring what an ended run left back to one whole folder; say so. Raises OSError where it cannot be put back."""
    new, old = partial(place), previous(place)
    if old.is_dir() and not os.path.lexists(place):
        old.rename(place)
        shutil.rmtree(new, ignore_errors=True)
        return f"An earlier run was ended while it replaced {shown(place)}: the folder is as it was before it."
    left = [path for path in (new, old) if path.is_dir()]
    shutil.rmtree(new, ignore_errors=True)
    with suppress(OSError):  # what cannot be removed now is removed next time
        if old.is_dir():
            old.rename(new)  # from here on it is not whole, and must not be taken for it
            shutil.rmtree(new)
    return f"Removed what an ended run had left beside {shown(place)}." if left else None


def keep(place: Path, names: tuple[str, ...]) -> Path:
    """Copy files of the folder into a new one beside it, `NAME.kept-1` or the next that is free; give its path.

    Alembic does not look there. Raises WrongUse, with no copy left.
    """
    numbered = (place.with_name(f"{place.name}.kept-{number}") for number in count(1))
    target = next(path for path in numbered if not os.path.lexists(path))
    new = partial(place)
    with told(place, "copied"):
        try:
            for name in names:
                _copy(place / name, new / name)
            new.rename(target)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    return target


def written(path: Path, content: bytes) -> None:
    """Write a new file, down to the disk."""
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def synced(folder: Path) -> None:
    """Write a folder's list of names down to the disk, where the system has a way to ask for it."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _carry(old: Path, new: Path) -> None:
    shutil.copymode(old, new)
    for path in old.iterdir():
        if path.name.startswith("."):
            _copy(path, new / path.name)
    synced(new)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir() and not source.is_symlink():
        target.mkdir(parents=True)
        for path in source.iterdir():
            _copy(path, target / path.name)
        synced(target)
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
