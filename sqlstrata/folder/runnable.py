"""Whether Alembic can run a migrations folder, and what to do where it cannot."""

from __future__ import annotations

import runpy
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from alembic.util import to_tuple

from sqlstrata.disk import real, shown
from sqlstrata.errors import HistoryDiffers
from sqlstrata.folder.files import foreign, parsed
from sqlstrata.folder.surroundings import is_edited

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlstrata.folder.files import File

_NEEDED = ("env.py",)


def require_runnable(migrations: Path, files: Sequence[File]) -> None:
    """Raise HistoryDiffers, which names the file and its line, where Alembic could not load the folder of these files.

    Files that are not as a rebuild wrote them are executed, as by Alembic. A folder without revisions needs nothing.
    """
    versions = migrations / "versions"
    for name in _NEEDED if files else ():
        if not (migrations / name).is_file():
            raise _differs(files, shown(migrations / name), "the file is missing")
    scripts = [file for file in files if file.name.endswith(".py") and file.name != "__init__.py"]
    loaded = {file.name: _loaded(file, versions / file.name, files) for file in scripts}
    known = {revision for revision, _ in loaded.values()}
    for name, (_, parents) in loaded.items():
        for parent in parents:
            if parent not in known:
                why = f"it follows revision {parent}, which is in no file"
                raise _differs(files, shown(versions / name), why)


def edited_place(error: BaseException, migrations: Path) -> str | None:
    """The place in a migrations folder, file:line, that raised an error, if that file is not as this program writes it.

    None for any other error: then this program is wrong.
    """
    folder = real(migrations)
    for path, line in reversed(_places(error)):
        if path.is_relative_to(folder):
            return f"{shown(path)}:{line}" if _is_edited(path, folder) else None
    return None


def _is_edited(path: Path, folder: Path) -> bool:
    first = path.relative_to(folder).parts[0]
    if first == "versions":
        return parsed(path.name, path.read_text(encoding="utf-8", errors="surrogateescape")).wrong is not None
    return is_edited(folder, first)


def _places(error: BaseException) -> list[tuple[Path, int]]:
    """The lines that an error went through, the innermost last."""
    lines = [(frame.filename, frame.lineno or 1) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        lines.append((error.filename, error.lineno or 1))
    return [(real(Path(name)), line) for name, line in lines if not name.startswith("<")]


def remedy(files: Sequence[File]) -> str:
    """The command that writes the history again, whatever is in the folder."""
    return "`inv rebuild --force` (it keeps a copy of files edited by hand)" if foreign(files) else "`inv rebuild`"


def _loaded(file: File, path: Path, files: Sequence[File]) -> tuple[object, tuple[str, ...]]:
    """A file's revision and its parents, as Alembic reads them."""
    if file.wrong is None:
        return file.id, to_tuple(file.parent, default=())
    try:
        names = runpy.run_path(str(path))
    except Exception as error:  # somebody's file may raise anything
        raise _differs(files, _place(path, error), f"{type(error).__name__}: {error}") from error
    if "revision" not in names:
        raise _differs(files, shown(path), "the file has no `revision`")
    return names["revision"], to_tuple(names.get("down_revision"), default=())


def _place(path: Path, error: Exception) -> str:
    """The line of a file where it went wrong."""
    lines = [line for place, line in _places(error) if place == real(path)]
    return f"{shown(path)}:{next(iter(lines[-1:]), 1)}"


def _differs(files: Sequence[File], where: str, why: str) -> HistoryDiffers:
    return HistoryDiffers(
        f"The history on disk cannot be run: {why}.",
        where=where,
        hint=f"`inv check` shows how it differs from the stages; {remedy(files)} writes it again. Nothing was changed.",
    )
