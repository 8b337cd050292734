"""One run at a time in a folder.

The operating system holds the lock and lets go of it when the process ends, however it ends; so no lock is left behind.
The file beside the folder only carries it, and says who holds it. What an ended run left is put right under the lock.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from sqlstrata.errors import Locked, WrongUse
from sqlstrata.folder.folder import partial, previous, real, settle, shown, told

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
"""Seconds that `heal` waits for somebody who is just between the two renames."""


class _Own(threading.local):
    """The folders that this thread of this process holds; what a forked process finds here is its parent's."""

    def __init__(self) -> None:
        self.places: set[tuple[int, Path]] = set()


_own = _Own()


@contextmanager
def locked(versions: Path, wait: float = WAIT, *, waiting: Callable[[str], None] | None = None) -> Iterator[str | None]:
    """Hold a folder against all other runs; nested in one thread, the outer one counts.

    Gives a sentence where an ended run had left something that was put right, else None. Waits for another holder up to
    `wait` seconds, telling `waiting` once who it is. Raises Locked, which names the holder, and WrongUse where nothing
    can be written beside the folder.
    """
    place = real(versions)
    mine = (os.getpid(), place)
    if mine in _own.places:
        yield None
        return
    descriptor = _acquired(place, wait, waiting or (lambda _: None))
    _own.places.add(mine)
    try:
        with told(place, "put right"):
            left = settle(place)
        yield left
    finally:
        _own.places.discard(mine)
        _release(descriptor, _path(place))


_BESIDE = ("operations", "sqlstrata_operations")
"""Folders of operations that a rebuild removes, or `eject` writes."""


def heal(versions: Path) -> str | None:
    """Put right what an ended run left at a folder of revisions, and at operations beside it; say so in a sentence.

    Every command calls this first. Where nothing is wrong it looks at a few names and writes nothing. Where another run
    is at work there is nothing to heal. Afterwards the folder is the old one or the new one, whole. Raises WrongUse
    where a folder cannot be put back, and Locked where another run has it for longer than a moment.
    """
    said = [_healed(real(place)) for place in (versions, *(versions.parent / name for name in _BESIDE))]
    return " ".join(each for each in said if each) or None


def _healed(place: Path) -> str | None:
    if not any(os.path.lexists(path) for path in (partial(place), previous(place), _path(place))):
        return None
    try:
        with locked(place, _SWAP if _missing(place) else 0) as left:
            return left
    except (Locked, WrongUse):
        if _missing(place):
            raise
        return None  # the folder is whole: what lies beside it can wait for a run that may remove it


def _missing(place: Path) -> bool:
    return not os.path.lexists(place) and previous(place).is_dir()


def _path(place: Path) -> Path:
    return place.with_name(f"{place.name}.strata-lock")


def _acquired(place: Path, wait: float, waiting: Callable[[str], None]) -> int:
    """Get the lock."""
    end = time.monotonic() + wait
    announced = False
    while True:
        with told(place, "locked"):
            found = _attempt(_path(place))
        if isinstance(found, int):
            return found
        sentence = f"Another run is at work in {shown(place)}: {found}."
        left = end - time.monotonic()
        if left <= 0:
            hint = "Wait until it has ended, or give it longer with `--wait SECONDS`."
            raise Locked(sentence, hint=hint, holder=found)
        if not announced:
            waiting(sentence)
            announced = True
        time.sleep(min(_PAUSE, left))


def _attempt(path: Path) -> int | str:
    """Give the descriptor that holds the lock, or who has it. A file that its holder removed meanwhile is no lock."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        mine = False
        try:
            if not _taken(descriptor):
                return _holder(descriptor)
            if _current(descriptor, path):
                _sign(descriptor)
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


def _sign(descriptor: int) -> None:
    with suppress(OSError):  # a courtesy to those who wait; a full disk will be told where it matters
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())


def _holder(descriptor: int) -> str:
    return os.read(descriptor, 300).decode(errors="replace") or "another process"


if sys.platform == "win32":

    def _taken(descriptor: int) -> bool:
        os.lseek(descriptor, 1 << 30, os.SEEK_SET)  # locked bytes cannot be read: lock one that is not there
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
