"""Files on disk: written whole or not at all, and how messages name them."""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, content: bytes, *, replace: bool = True) -> None:
    """Write a file whole or not at all, down to the disk; any number of processes may do so at once.

    Where the path is a link, the file that it names is written, and the link stays. A file that is replaced keeps its
    mode; with replace=False a file that exists stays as it is. Raises OSError; then nothing was changed.
    """
    place = real(path)
    new = place.with_name(f"{place.name}.strata-partial-{secrets.token_hex(4)}")
    try:
        write_new(new, content)
        if replace:
            with suppress(FileNotFoundError):
                shutil.copymode(place, new)
            new.replace(place)
        else:
            with suppress(FileExistsError):
                os.link(new, place)
    finally:
        new.unlink(missing_ok=True)
    with suppress(OSError):  # the file is in its place; not every file system can be asked to write that down
        sync_folder(place.parent)


def write_new(path: Path, content: bytes) -> None:
    """Write a file that does not exist, down to the disk."""
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Write a folder's list of names down to the disk, where the system has a way to ask for it."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def real(path: Path) -> Path:
    """The path without links, so that a link stays when what it names is replaced."""
    return Path(os.path.realpath(path))


def shown(path: Path) -> str:
    """The path for messages: relative to the current folder where it is inside it."""
    here = Path.cwd()
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else str(path)


def is_ignored(name: str) -> bool:
    """Whether a name in a folder is hidden or Python's cache."""
    return name == "__pycache__" or name.startswith(".")
