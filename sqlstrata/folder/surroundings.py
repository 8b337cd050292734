"""The rest of a migrations folder: env.py, which uses `sqlstrata.operations`, or a copy of them.

`env.py` and `script.py.mako` are written where they are missing, and never replaced, with two exceptions. An env.py of
an older version, which loads a folder of operations beside it, is replaced where nobody has edited it. And `eject`
copies the operations beside env.py, for a folder that needs only Alembic and SQLAlchemy.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from sqlstrata.disk import is_ignored, real, shown, sync_folder, write_new, write_whole
from sqlstrata.errors import HistoryDiffers, WrongUse
from sqlstrata.folder.comparison import Mismatch, difference
from sqlstrata.folder.folder import partial, reporting, swap
from sqlstrata.folder.lock import WAIT, locked

TEMPLATE = Path(__file__).parents[1] / "template"
OPERATIONS = Path(__file__).parents[1] / "operations"
EJECTED = "sqlstrata_operations"
_ENV = "env.py"
_IMPORT = b"from sqlstrata.operations import environment\n"
_EJECTED_IMPORT = f"""\
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))

from {EJECTED} import environment
""".encode()

_OLD = "operations"
_OLD_ENV = {
    "1ac660d0459c9774041963fe069e0b1f61b35e12f1c60b9445ce25ba7539bb94",
    "8b80ff512812cb93e8688ea7230520673a7f389d30aa8e1ae06d316cd9dc3aae",
}
_OLD_OPERATIONS = {
    "2f3510dbf64e6cb5704a3651cfe26a3e7be5ec12f2cec84cef5b7d1196d55061",
    "42e0e880f23701bc7fdc3f2fe3008fffed750ddf180a5eb122c3ae863a4d09b0",
}
"""SHA-256 of what older versions wrote: env.py, and the operations beside it (`_digest`)."""


def environment(migrations: Path, *, wait: float = WAIT) -> str | None:
    """Complete a migrations folder, so that stock Alembic works in it once it has revisions.

    Gives a sentence about what older versions have left there; None without any. Raises Locked and WrongUse.
    """
    with locked(real(migrations) / _OLD, wait):
        for name, content in single().items():
            if not os.path.lexists(migrations / name):
                _write_file(migrations / name, content)
        return _modernized(migrations)


def is_foreign(migrations: Path) -> bool:
    """Whether the folder is another program's: its env.py runs no operations of this one. Read-only."""
    env = migrations / _ENV
    content = env.read_bytes() if env.is_file() else _IMPORT
    return b"sqlstrata" not in content and _OLD.encode() not in content


def require_own(migrations: Path) -> None:
    """Raise HistoryDiffers where the folder is another program's."""
    if is_foreign(migrations):
        message = f"A rebuild would need another {_ENV} than this one, which sqlstrata did not write."
        hint = "`--force` makes a new folder, and keeps this one beside it; or name another folder in `migrations`."
        raise HistoryDiffers(message, where=shown(migrations / _ENV), hint=hint)


def _modernized(migrations: Path) -> str | None:
    """Replace the env.py of an older version, and remove the operations that only it used, if nobody edited them."""
    env, operations = migrations / _ENV, migrations / _OLD
    is_old = hashlib.sha256(env.read_bytes()).hexdigest() in _OLD_ENV
    if is_old:
        _write_file(env, (TEMPLATE / _ENV).read_bytes())
    if not operations.is_dir():
        return None
    is_used = b"operations" in env.read_bytes().replace(_IMPORT, b"").replace(b"sqlstrata.operations", b"")
    if is_used:
        return (
            f"{shown(env)} was edited, so it is not replaced, nor are the operations of an older version beside it. "
            "To use those of the installed program, have it call `sqlstrata.operations.environment.run()`."
        )
    if _digest(_contents(operations)) not in _OLD_OPERATIONS:
        return f"{shown(operations)} is no longer used; it was edited, so it is not removed." if is_old else None
    with reporting(operations, "removed"):
        operations.rename(partial(operations))  # which `heal` removes if this is killed
        shutil.rmtree(partial(operations))
    return f"{shown(operations)} was removed: env.py uses `sqlstrata.operations` of the installed program instead."


def eject(migrations: Path, *, wait: float = WAIT) -> tuple[Path, ...]:
    """Copy the operations beside env.py, and have it use them; give what was written.

    Raises WrongUse, with nothing changed, where env.py was edited, and Locked where another run is at work.
    """
    env, place = migrations / _ENV, real(migrations) / EJECTED
    ours, ejected = _contents(OPERATIONS), _ejected_env()
    with locked(place, wait):
        if not env.is_file():
            raise WrongUse(f"There is no {shown(env)}.", hint="Run `sqlstrata rebuild` first.")
        now = env.read_bytes()
        if now not in {ejected, (TEMPLATE / _ENV).read_bytes()}:
            hint = "Move it away, run `sqlstrata rebuild` and this again, and put your edits back."
            raise WrongUse(f"{shown(env)} was edited, so it is not replaced.", hint=hint)
        done: list[Path] = []
        if _contents(place) != ours:
            swap(place, lambda new: _write(new, ours))
            done.append(migrations / EJECTED)
        if now != ejected:
            _write_file(env, ejected)
            done.append(env)
        return tuple(done)


def _ejected_env() -> bytes:
    text = (TEMPLATE / _ENV).read_bytes()
    return text.replace(_IMPORT, _EJECTED_IMPORT).replace(b"`sqlstrata.operations.", f"`{EJECTED}.".encode())


def environment_mismatch(migrations: Path) -> Mismatch | None:
    """Find the first file that `environment` would write; None without any. Read-only. Raises WrongUse."""
    for name, content in single().items():
        if not os.path.lexists(migrations / name):
            new = (f"from the program/{name}", content.decode(errors="surrogateescape"))
            return Mismatch(None, "file missing", name, difference(None, new))
    return None


def is_edited(migrations: Path, name: str) -> bool:
    """Whether a file or folder beside the revisions differs from what this program writes."""
    place = migrations / name
    if place.is_dir():
        return name != EJECTED or _contents(place) != _contents(OPERATIONS)
    known = {*single().values(), _ejected_env()}
    return place.read_bytes() not in known


def copy(migrations: Path, target: Path) -> None:
    """Copy everything but the revisions into another folder, for env.py may use it."""
    for each in sorted(migrations.iterdir()) if migrations.is_dir() else ():
        if each.name == "versions" or is_ignored(each.name) or ".strata-" in each.name:
            continue
        if each.is_dir():
            shutil.copytree(each, target / each.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(each, target / each.name)


def single() -> dict[str, bytes]:
    """The files that are written where they are missing."""
    paths = sorted(path for path in TEMPLATE.iterdir() if path.is_file() and not is_ignored(path.name))
    return {path.name: path.read_bytes() for path in paths}


def _digest(contents: dict[str, bytes]) -> str:
    found = hashlib.sha256()
    for name, content in sorted(contents.items()):
        found.update(name.encode() + b"\0" + content + b"\0")
    return found.hexdigest()


def _contents(folder: Path) -> dict[str, bytes]:
    """Read all files of a folder, by their names."""
    if not folder.is_dir():
        return {}
    with reporting(folder, "read"):
        paths = [path for path in folder.iterdir() if not is_ignored(path.name)]
        return {path.name: path.read_bytes() for path in paths if path.is_file()}


def _write_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, under the lock: what an earlier run has begun is of a killed one."""
    with reporting(path, "written"):
        for left in path.parent.glob(f"{path.name}.strata-partial-*"):
            left.unlink()
        write_whole(path, content)


def _write(folder: Path, contents: dict[str, bytes]) -> None:
    for name, content in contents.items():
        write_new(folder / name, content)
    sync_folder(folder)
