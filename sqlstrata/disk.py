"""Files on disk: written whole or not at all, and how messages name them."""

from __future__ import annotations

import base64
import errno
import glob
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

from sqlstrata.errors import WrongUse
from sqlstrata.operations import clients

Write = Callable[[Path, bytes], None]
"""Writes a file, and the folders that it needs."""


@contextmanager
def together(around: Path | None = None) -> Iterator[Write]:
    """Write several files, each whole. Where anything fails inside, all are as they were before.

    `around` is a file that is written last: where the process is killed before that, `heal` undoes what there is.
    Raises WrongUse where one cannot be written.
    """
    undo: list[Callable[[], None]] = []
    with ExitStack() as stack:
        try:
            note = _no_note if around is None else stack.enter_context(_journal(around))

            def write(path: Path, content: bytes) -> None:
                for folder in reversed([each for each in path.parents if not each.exists()]):
                    note({"folder": str(folder)})
                    folder.mkdir()
                    undo.append(partial(_remove_folder, folder))
                before = path.read_bytes() if path.exists() else None
                note({"file": str(path), "before": _text(before), "now": _digest(content)})
                undo.append(partial(_restore, path, before))
                write_whole(path, content)

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


def _restore(path: Path, before: bytes | None) -> None:
    """Give a file the content that it had; what has it needs no space on a disk that may be full."""
    if before is None:
        path.unlink(missing_ok=True)
    elif not path.exists() or path.read_bytes() != before:
        write_whole(path, before)


# ------------------------------------------------ after a kill


def heal(around: Path) -> str | None:
    """Undo what a process that was killed had begun to write together with a file; give a sentence if there was any.

    What somebody has changed since then stays. Raises WrongUse.
    """
    journal = _journal_of(around)
    if not journal.exists():
        return None
    try:
        return _healed(around, journal)
    except OSError as error:
        message = f"What a killed run had begun to write with {around.name} cannot be undone: {error}."
        raise WrongUse(message, hint="Check the folder's permissions and free space.") from error


def _healed(around: Path, journal: Path) -> str | None:
    lines = journal.read_text(encoding="utf-8").split("\n")[:-1]  # what is behind the last line is half written
    if not lines:
        return None  # nothing was begun, or it is being begun now
    process, *steps = map(json.loads, lines)
    if process["host"] == clients.process()["host"] and clients.is_running(process["process"]):
        return None
    last = next((step for step in steps if step.get("file") == str(around)), None)
    is_complete = last is not None and around.exists() and _digest(around.read_bytes()) == last["now"]
    for step in reversed(steps):
        _undo(step, keep=is_complete)
    journal.unlink(missing_ok=True)
    return None if is_complete or not steps else f"What a killed run had begun to write with {around.name} was undone."


def _undo(step: Mapping[str, str | None], *, keep: bool) -> None:
    folder, before = step.get("folder"), step.get("before")
    if folder is not None:
        if not keep:
            _remove_folder(Path(folder))
        return
    path = Path(str(step["file"]))
    for left in path.parent.glob(f"{glob.escape(path.name)}.strata-partial-*"):
        left.unlink(missing_ok=True)
    if not keep and path.exists() and _digest(path.read_bytes()) == step["now"]:
        _restore(path, None if before is None else base64.b64decode(before))


@contextmanager
def _journal(around: Path) -> Iterator[Callable[[object], None]]:
    """A function that writes a step down before it is done, into a file that is there for as long as the bracket."""
    place = _journal_of(around)
    made = [each for each in place.parents if not each.exists()]
    for folder in reversed(made):
        folder.mkdir()
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)  # it may have what a file had

    def note(step: object) -> None:
        line = f"{json.dumps(step)}\n".encode()
        if os.write(descriptor, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(place))
        os.fsync(descriptor)

    try:
        note(clients.process())
        yield note
    finally:
        os.close(descriptor)
        place.unlink(missing_ok=True)
        for folder in made:
            _remove_folder(folder)  # unless something was written into it


def _no_note(_: object) -> None:
    """Write nothing down."""


def _journal_of(around: Path) -> Path:
    return around.with_name(f".{around.name}.strata-unfinished")


def _text(content: bytes | None) -> str | None:
    return None if content is None else base64.b64encode(content).decode()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# ------------------------------------------------ one file


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
