"""What lies around the revisions in a migrations folder: env.py, which uses `sqlstrata.operations`, or a copy of them.

`env.py` and `script.py.mako` are written where they are missing, and never again: they may be the team's. Two things go
beyond that. An env.py of older versions, which loads a folder of operations beside it, is replaced where nobody has
edited it. And `eject` copies the operations beside env.py, for a folder that is to need Alembic and SQLAlchemy alone.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from sqlstrata.errors import WrongUse
from sqlstrata.folder.comparison import Mismatch, difference
from sqlstrata.folder.folder import partial, passed_over, real, shown, swap, synced, told, written
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
    """Make a migrations folder whole, so that stock Alembic works in it once it has revisions.

    Gives a sentence about what older versions have left there, None where there is nothing to say. Raises Locked and
    WrongUse; what was there is then as it was.
    """
    with locked(real(migrations) / _OLD, wait):
        for name, content in _single().items():
            _provide(migrations / name, content)
        return _modernized(migrations)


def _modernized(migrations: Path) -> str | None:
    """Replace the env.py of an older version, and remove the operations that only it used, if nobody edited them."""
    env, operations = migrations / _ENV, migrations / _OLD
    is_old = hashlib.sha256(env.read_bytes()).hexdigest() in _OLD_ENV
    if is_old:
        _replace(env, (TEMPLATE / _ENV).read_bytes())
    if not operations.is_dir():
        return None
    is_used = b"operations" in env.read_bytes().replace(_IMPORT, b"").replace(b"sqlstrata.operations", b"")
    if is_used:
        return (
            f"{shown(env)} was edited, so it is left as it is, with the operations of an older version beside it. To "
            "use those of the installed program, let it call `sqlstrata.operations.environment.run()`."
        )
    if _digest(_contents(operations)) not in _OLD_OPERATIONS:
        return f"{shown(operations)} is not used any more; it was edited, so it is left there." if is_old else None
    with told(operations, "removed"):
        operations.rename(partial(operations))  # which `heal` removes, if this is killed
        shutil.rmtree(partial(operations))
    return f"{shown(operations)} was removed: env.py uses `sqlstrata.operations` of the installed program instead."


def eject(migrations: Path, *, wait: float = WAIT) -> tuple[Path, ...]:
    """Copy the operations beside env.py, and have it use them; give what was written, nothing where all was so already.

    Raises WrongUse, with nothing changed, where env.py was edited, and Locked where another run is at work.
    """
    env, place = migrations / _ENV, real(migrations) / EJECTED
    ours, ejected = _contents(OPERATIONS), _ejected_env()
    with locked(place, wait):
        if not env.is_file():
            raise WrongUse(f"There is no {shown(env)}.", hint="Run `sqlstrata rebuild` first.")
        now = env.read_bytes()
        if now not in {ejected, (TEMPLATE / _ENV).read_bytes()}:
            message = f"{shown(env)} was edited, and is left as it is."
            raise WrongUse(
                message, hint="Move it away, run `sqlstrata rebuild` and this again, and put your edits back."
            )
        done: list[Path] = []
        if _contents(place) != ours:
            swap(place, lambda new: _write(new, ours))
            done.append(migrations / EJECTED)
        if now != ejected:
            _replace(env, ejected)
            done.append(env)
        return tuple(done)


def _ejected_env() -> bytes:
    text = (TEMPLATE / _ENV).read_bytes()
    return text.replace(_IMPORT, _EJECTED_IMPORT).replace(b"`sqlstrata.operations.", f"`{EJECTED}.".encode())


def environment_mismatch(migrations: Path) -> Mismatch | None:
    """Find the first file that `environment` would write; None without any.

    This is a read-only operation. Raises WrongUse where something cannot be read.
    """
    for name, content in _single().items():
        if not os.path.lexists(migrations / name):
            new = (f"from the program/{name}", content.decode(errors="surrogateescape"))
            return Mismatch(None, "file missing", name, difference(None, new))
    return None


def is_edited(migrations: Path, name: str) -> bool:
    """Whether a file or folder beside the revisions is not as this program makes it."""
    place = migrations / name
    if place.is_dir():
        return name != EJECTED or _contents(place) != _contents(OPERATIONS)
    known = {*_single().values(), _ejected_env()}
    return place.read_bytes() not in known


def copy(migrations: Path, target: Path) -> None:
    """Copy all that env.py may use into another folder: whatever is there but the revisions."""
    for each in sorted(migrations.iterdir()) if migrations.is_dir() else ():
        if each.name == "versions" or passed_over(each.name) or ".strata-" in each.name:
            continue
        if each.is_dir():
            shutil.copytree(each, target / each.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(each, target / each.name)


def _single() -> dict[str, bytes]:
    """Read the files that are written once."""
    paths = sorted(path for path in TEMPLATE.iterdir() if path.is_file() and not passed_over(path.name))
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
    with told(folder, "read"):
        paths = [path for path in folder.iterdir() if not passed_over(path.name)]
        return {path.name: path.read_bytes() for path in paths if path.is_file()}


def _provide(path: Path, content: bytes) -> None:
    """Write a file that is not there, whole or not at all."""
    if os.path.lexists(path):
        return
    _replace(path, content)


def _replace(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all."""
    new = partial(path)
    with told(path, "written"):
        new.unlink(missing_ok=True)
        try:
            written(new, content)
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)
        synced(path.parent)


def _write(folder: Path, contents: dict[str, bytes]) -> None:
    for name, content in contents.items():
        written(folder / name, content)
    synced(folder)
