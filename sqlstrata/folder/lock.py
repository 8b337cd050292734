"""One run at a time in a folder.

The operating system holds the lock, on a file beside the folder, and releases it when the process ends, however that
happens. The file names the holder. What a killed run has left is repaired under the lock.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from sqlstrata.disk import real, shown
from sqlstrata.errors import Locked, WrongUse
from sqlstrata.folder.folder import partial, previous, reporting, settle
from sqlstrata.operations import clients

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

WAIT = 60.0
_PAUSE = 0.05
_SWAP = 10.0
"""Seconds that `heal` waits for another run that is between the two renames."""


class _Own(threading.local):
    """The folders that this thread holds, each with the process: a forked one inherits them without the lock."""

    def __init__(self) -> None:
        self.places: set[tuple[int, Path]] = set()


_own = _Own()


@contextmanager
def locked(versions: Path, wait: float = WAIT, *, waiting: Callable[[str], None] | None = None) -> Iterator[str | None]:
    """Keep all other runs out of a folder; nested in one thread, the outer bracket counts.

    Gives a sentence where something that a killed run had left was repaired, else None. Waits for another holder up to
    `wait` seconds; `waiting` gets a sentence once about who it is. Raises Locked, which names the holder, and WrongUse
    where nothing can be written beside the folder.
    """
    place = real(versions)
    mine = (os.getpid(), place)
    if mine in _own.places:
        yield None
        return
    descriptor = _acquired(place, wait, waiting or (lambda _: None))
    _own.places.add(mine)
    try:
        with reporting(place, "repaired"):
            left = settle(place)
        yield left
    finally:
        _own.places.discard(mine)
        _release(descriptor, _path(place))


_BESIDE = ("operations", "sqlstrata_operations")
"""Folders of operations that a rebuild removes or `eject` writes."""


def heal(versions: Path) -> str | None:
    """Repair what a killed run left of a folder of revisions, and of operations beside it; give a sentence about it.

    Every command calls this first. Mostly it checks a few names and writes nothing; where another run is active there
    is nothing to repair. Afterwards the folder is the old one or the new one, whole. Raises WrongUse where a folder
    cannot be restored, and Locked where another run holds it for long.
    """
    sentences = [_healed(real(place)) for place in (versions, *(versions.parent / name for name in _BESIDE))]
    return " ".join(each for each in sentences if each) or None


def _healed(place: Path) -> str | None:
    if not any(os.path.lexists(path) for path in (partial(place), previous(place), _path(place))):
        return None
    try:
        with locked(place, _SWAP if _missing(place) else 0) as left:
            return left
    except (Locked, WrongUse):
        if _missing(place):
            raise
        return None  # the folder is whole: what is beside it can wait for a run that may remove it


def _missing(place: Path) -> bool:
    return not os.path.lexists(place) and previous(place).is_dir()


def _path(place: Path) -> Path:
    return place.with_name(f"{place.name}.strata-lock")


def _acquired(place: Path, wait: float, waiting: Callable[[str], None]) -> int:
    end = time.monotonic() + wait
    announced = False
    while True:
        with reporting(place, "locked"):
            found = _attempt(_path(place))
        if isinstance(found, int):
            return found
        sentence = f"Another run is using {shown(place)}: {found}."
        left = end - time.monotonic()
        if left <= 0:
            hint = "Wait until it has ended, or wait longer with `--wait SECONDS`."
            raise Locked(sentence, hint=hint, holder=found)
        if not announced:
            waiting(sentence)
            announced = True
        time.sleep(min(_PAUSE, left))


def _attempt(path: Path) -> int | str:
    """Give the descriptor that holds the lock, or who has it. A file that its holder has removed is no lock."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        mine = False
        try:
            if not _taken(descriptor):
                return os.read(descriptor, 300).decode(errors="replace") or "another process"
            if _current(descriptor, path):
                with suppress(OSError):  # it is only for messages; a full disk is reported where it matters
                    os.ftruncate(descriptor, 0)
                    os.write(descriptor, clients.readable(clients.client()).encode())
                mine = True
                return descriptor
        finally:
            if not mine:
                os.close(descriptor)


def _release(descriptor: int, path: Path) -> None:
    with suppress(OSError):  # a file that stays is no lock
        if sys.platform == "win32":
            os.close(descriptor)  # an open file cannot be removed
            path.unlink()
        else:
            try:
                if _current(descriptor, path):
                    path.unlink()
            finally:
                os.close(descriptor)


def _current(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


if sys.platform == "win32":

    def _taken(descriptor: int) -> bool:
        os.lseek(descriptor, 1 << 30, os.SEEK_SET)  # locked bytes cannot be read: lock one past the end
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
        return True

else:

    def _taken(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
