"""Whether Alembic can load what lies in a migrations folder, and what to do where it is not what it should be."""

from __future__ import annotations

import runpy
import traceback
from typing import TYPE_CHECKING

from alembic.util import to_tuple

from project.errors import HistoryDiffers

from .files import foreign
from .folder import shown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .files import File

_NEEDED = ("env.py", "operations/__init__.py")


def require_runnable(migrations: Path, files: Sequence[File]) -> None:
    """Raise HistoryDiffers, which names the file and its line, where Alembic could not load the folder of these files.

    Files that are not as a rebuild made them are executed for it, as Alembic does; what still runs is nothing to raise.
    A folder without revisions needs nothing.
    """
    versions = migrations / "versions"
    for name in _NEEDED if files else ():
        if not (migrations / name).is_file():
            raise _differs(files, shown(migrations / name), "the file is missing")
    scripts = [file for file in files if file.name.endswith(".py") and file.name != "__init__.py"]
    said = {file.name: _said(file, versions / file.name, files) for file in scripts}
    known = {revision for revision, _ in said.values()}
    for name, (_, parents) in said.items():
        for parent in parents:
            if parent not in known:
                why = f"it follows revision {parent}, which no file has"
                raise _differs(files, shown(versions / name), why)


def remedy(files: Sequence[File]) -> str:
    """The command that makes the history again, over what lies in the folder."""
    return "`inv rebuild --force` (it keeps a copy of what was edited by hand)" if foreign(files) else "`inv rebuild`"


def _said(file: File, path: Path, files: Sequence[File]) -> tuple[object, tuple[str, ...]]:
    """A file's revision and its parents, as Alembic reads them."""
    if file.wrong is None:
        return file.id, to_tuple(file.parent, default=())
    try:
        names = runpy.run_path(str(path))
    except Exception as error:  # whatever somebody wrote may raise whatever it likes
        raise _differs(files, _place(path, error), f"{type(error).__name__}: {error}") from error
    if "revision" not in names:
        raise _differs(files, shown(path), "the file names no revision")
    return names["revision"], to_tuple(names.get("down_revision"), default=())


def _place(path: Path, error: Exception) -> str:
    """The line of a file where it went wrong."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    line = error.lineno if isinstance(error, SyntaxError) and error.filename == str(path) else next(iter(lines[-1:]), 1)
    return f"{shown(path)}:{line}"


def _differs(files: Sequence[File], where: str, why: str) -> HistoryDiffers:
    return HistoryDiffers(
        f"The history on disk cannot be run: {why}.",
        where=where,
        hint=f"`inv check` tells how it differs from the stages; {remedy(files)} makes it again. Nothing was changed.",
    )
