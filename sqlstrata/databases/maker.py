"""Names for scratch databases and temporary folders, which say what machine and process made them.

So what a killed process has left can be told from what a running one uses, even where nothing else was written.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from sqlstrata.errors import WrongUse
from sqlstrata.operations.clients import is_running, process

PREFIX = "sqlstrata_"
NAME = re.compile(r"sqlstrata_(?P<machine>[0-9a-f]{8})_(?P<process>\d+)_[0-9a-f]{16}")


def fresh_name() -> str:
    """A unique name: prefix, machine, process, and 16 random digits."""
    return f"{PREFIX}{_machine()}_{os.getpid()}_{secrets.token_hex(8)}"


@contextmanager
def folder() -> Iterator[Path]:
    """A temporary folder that only this user can read, removed at the end."""
    place = Path(tempfile.gettempdir()) / fresh_name()
    with writing(place):
        place.mkdir(mode=0o700)
    try:
        yield place
    finally:
        shutil.rmtree(place)


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Raise WrongUse where a temporary folder cannot be written (a full disk, for example)."""
    try:
        yield
    except OSError as error:
        message = f"The temporary folder {place} cannot be written: {error.strerror}."
        hint = "Free some space, or set TMPDIR to another folder. Nothing was changed."
        raise WrongUse(message, hint=hint) from error


def sweep_folders() -> None:
    """Remove the temporary folders that killed processes of this user left on this machine."""
    for each in os.scandir(tempfile.gettempdir()):
        try:
            mine = each.is_dir(follow_symlinks=False) and each.stat(follow_symlinks=False).st_uid == os.getuid()
        except OSError:  # it is gone by now
            continue
        if mine and is_left_behind(each.name):
            shutil.rmtree(each.path, ignore_errors=True)  # two may sweep at once


def is_left_behind(name: str) -> bool:
    """Whether a process on this machine that is gone made the name; in doubt it did not."""
    match = NAME.fullmatch(name)
    return match is not None and match["machine"] == _machine() and not is_running(int(match["process"]))


@cache
def _machine() -> str:
    return hashlib.sha256(process()["host"].encode()).hexdigest()[:8]
