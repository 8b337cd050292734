"""Files on disk: written whole or not at all, and how messages name them."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from sqlstrata.errors import WrongUse

Write = Callable[[Path, bytes], None]
"""Writes a file, and the folders that it needs."""


@contextmanager
def together() -> Iterator[Write]:
    """Write several files, each whole. Where anything fails inside, all are as they were before.

    Raises WrongUse where one cannot be written.
    """
    undo: list[Callable[[], None]] = []

    def write(path: Path, content: bytes) -> None:
        for folder in reversed([each for each in path.parents if not each.exists()]):
            folder.mkdir()
            undo.append(partial(_remove_folder, folder))
        before = path.read_bytes() if path.exists() else None
        undo.append(partial(path.unlink, missing_ok=True) if before is None else partial(write_whole, path, before))
        write_whole(path, content)

    try:
        yield write
    except BaseException as error:
        for step in reversed(undo):
            step()
        if isinstance(error, OSError):
            raise WrongUse(f"Cannot write a file: {error}.", hint="Nothing was changed.") from error
        raise


def _remove_folder(folder: Path) -> None:
    with suppress(OSError):  # somebody else has written into it by now
        folder.rmdir()


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
