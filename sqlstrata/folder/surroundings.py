"""What lies around the revisions in a migrations folder."""

from __future__ import annotations

import os
from pathlib import Path

from sqlstrata.folder.comparison import Cause, Mismatch, difference
from sqlstrata.folder.folder import keep, partial, passed_over, real, swap, synced, told, written
from sqlstrata.folder.lock import WAIT, locked

TEMPLATE = Path(__file__).parents[1] / "template"
_OPERATIONS = "operations"


def environment(migrations: Path, *, wait: float = WAIT) -> Path | None:
    """Make a migrations folder whole, so that stock Alembic works in it once it has revisions.

    `env.py` and `script.py.mako` are written where they are not there, and never again: they may be the team's.
    `operations/` is what the installed program has, because the revisions need it; it is replaced in one step where it
    differs. Files in there that are others than the program's, by hand or of another version, are first copied beside
    it: the result is where they lie, None without any. Raises Locked and WrongUse; what was there is then as it was.
    """
    place = real(migrations) / _OPERATIONS
    with locked(place, wait):
        for name, content in _single().items():
            _provide(migrations / name, content)
        with told(place, "compared"):
            ours, theirs = _contents(TEMPLATE / _OPERATIONS), _contents(place)
        if ours == theirs:
            return None
        others = {name.partition("/")[0] for name, content in theirs.items() if ours.get(name) != content}
        kept = keep(place, tuple(sorted(others))) if others else None
        swap(place, lambda new: _write(new, ours))
        return kept


def environment_mismatch(migrations: Path) -> Mismatch | None:
    """Find the first file that `environment` would write or remove, `operations/text.py` say; None without any.

    The cause `hand edit` may here also be another version of this program. This is a read-only operation. Raises
    WrongUse where something cannot be read.
    """
    for name, content in _single().items():
        if not os.path.lexists(migrations / name):
            return _mismatch(name, None, content)
    place = migrations / _OPERATIONS
    with told(place, "compared"):
        ours, theirs = _contents(TEMPLATE / _OPERATIONS), _contents(place)
    for name in sorted({*ours, *theirs}):
        if ours.get(name) != theirs.get(name):
            return _mismatch(f"{_OPERATIONS}/{name}", theirs.get(name), ours.get(name))
    return None


def is_edited(migrations: Path, name: str) -> bool:
    """Whether a file or folder beside the revisions is not as this program makes it."""
    given = _contents(TEMPLATE / name) if (TEMPLATE / name).is_dir() else _single().get(name)
    place = migrations / name
    return given != (_contents(place) if place.is_dir() else place.read_bytes())


def environment_differs(migrations: Path) -> str | None:
    """Name the file that `environment_mismatch` finds."""
    found = environment_mismatch(migrations)
    return None if found is None else found.file


def _mismatch(name: str, found: bytes | None, given: bytes | None) -> Mismatch:
    cause: Cause = "file missing" if found is None else "file too many" if given is None else "hand edit"
    old = None if found is None else (f"on disk/{name}", found.decode(errors="surrogateescape"))
    new = None if given is None else (f"from the program/{name}", given.decode(errors="surrogateescape"))
    return Mismatch(None, cause, name, difference(old, new))


def _single() -> dict[str, bytes]:
    """Read the files that are written once."""
    paths = sorted(path for path in TEMPLATE.iterdir() if path.is_file() and not passed_over(path.name))
    return {path.name: path.read_bytes() for path in paths}


def _contents(folder: Path) -> dict[str, bytes]:
    """Read all files of a folder, by their paths in it with `/`."""
    if not folder.exists():
        return {}
    found: dict[str, bytes] = {}
    for path in folder.iterdir():
        if passed_over(path.name):
            continue
        if path.is_dir():
            found |= {f"{path.name}/{name}": content for name, content in _contents(path).items()}
        else:
            found[path.name] = path.read_bytes()
    return found


def _provide(path: Path, content: bytes) -> None:
    """Write a file that is not there, whole or not at all."""
    if os.path.lexists(path):
        return
    new = partial(path)
    with told(path, "written"):
        new.unlink(missing_ok=True)
        try:
            written(new, content)
            new.rename(path)
        finally:
            new.unlink(missing_ok=True)
        synced(path.parent)


def _write(folder: Path, contents: dict[str, bytes]) -> None:
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        written(path, content)
    synced(folder)
