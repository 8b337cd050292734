"""Names for what a process makes for itself: they say on which machine, and by which process.

So what a killed process left can be told from what a living one uses, even where it had no time to write more.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from sqlstrata.errors import WrongUse

PREFIX = "sqlstrata_"
NAME = re.compile(r"sqlstrata_(?P<machine>[0-9a-f]{8})_(?P<process>\d+)_[0-9a-f]{16}")


def fresh_name() -> str:
    """A name that nothing else has: prefix, machine, process, and 16 random digits."""
    return f"{PREFIX}{_machine()}_{os.getpid()}_{secrets.token_hex(8)}"


@contextmanager
def folder() -> Iterator[Path]:
    """A temporary folder that nobody else can look into; gone at the end with all that is in it."""
    place = Path(tempfile.gettempdir()) / fresh_name()
    with writing(place):
        place.mkdir(mode=0o700)
    try:
        yield place
    finally:
        shutil.rmtree(place)


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Raise WrongUse where a temporary folder cannot be written, because it is full, say."""
    try:
        yield
    except OSError as error:
        message = f"The temporary folder {place} cannot be written: {error.strerror}."
        hint = "Make room there, or have the variable TMPDIR name another folder. Nothing was changed."
        raise WrongUse(message, hint=hint) from error


def sweep_folders() -> None:
    """Remove the temporary folders that killed processes of this user left on this machine."""
    for each in os.scandir(tempfile.gettempdir()):
        try:
            mine = each.is_dir(follow_symlinks=False) and each.stat(follow_symlinks=False).st_uid == os.getuid()
        except OSError:  # it has gone meanwhile
            continue
        if mine and is_left_behind(each.name):
            shutil.rmtree(each.path, ignore_errors=True)  # two may sweep at once


def is_left_behind(name: str) -> bool:
    """Whether the name is one of ours, of a process on this machine that is gone; any doubt is a no."""
    match = NAME.fullmatch(name)
    return match is not None and match["machine"] == _machine() and _is_gone(int(match["process"]))


@cache
def _machine() -> str:
    """The machine and, where there are such, the space of process numbers: two containers may share a name."""
    space = Path("/proc/self/ns/pid")
    known = f"{socket.gethostname()} {space.readlink() if space.is_symlink() else ''}"
    return hashlib.sha256(known.encode()).hexdigest()[:8]


def _is_gone(process: int) -> bool:
    if os.name == "nt":  # signal 0 ends a process there
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        return False
    return False
