"""What a driven process does at its start, if its environment says so: end, or do something, at a chosen point.

`CHAOS_AT=statement:17` is the point: SQL statements and commits are counted, or only those after a CREATE DATABASE
(`created:17`), or what is about to change a folder (`file:17`). There the process and its children are killed, or, with `CHAOS_DO`, a shell command runs and the process goes on.
`CHAOS_LOG` is a file that gets the name of each database that is about to be made. `CHAOS_HOLE` puts a known fault back
into the program (tests/chaos/holes.py).
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading

_WHAT, _, _NUMBER = os.environ.get("CHAOS_AT", "none:0").partition(":")
_LOG = os.environ.get("CHAOS_LOG")
_CHANGING = {
    "os.mkdir",
    "os.rename",
    "os.remove",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "sqlite3.connect",
}
_CREATE = re.compile(r"\s*CREATE\s+DATABASE\s+[`\"]?(\w+)", re.IGNORECASE)
_IGNORED = re.compile("__pycache__" + (f"|^{re.escape(_LOG)}" if _LOG else ""))
_counted = 0
_created = False
_busy = threading.local()


def _reach(what: str) -> None:
    """Count a point, and do at the chosen one what is to be done."""
    global _counted  # noqa: PLW0603 - of the process, as the point is
    if what != _WHAT or getattr(_busy, "now", False):
        return
    _counted += 1
    if _counted != int(_NUMBER):
        return
    _busy.now = True
    with open(f"{_LOG}.reached", "a", encoding="utf-8") as file:  # noqa: PTH123 - pathlib is not loaded yet
        file.write(f"{what}:{_counted}\n")
    if "CHAOS_DO" in os.environ:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("CHAOS_", "PYTHONPATH"))}
        subprocess.run(os.environ["CHAOS_DO"], shell=True, check=True, env=clean)  # noqa: S602
        _busy.now = False
    else:
        os.killpg(0, signal.SIGKILL)


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if event in _CHANGING or (event == "open" and _writes(arguments)):
        _reach("file")


def _writes(arguments: tuple[object, ...]) -> bool:
    path, _, flags = arguments
    return isinstance(flags, int) and bool(flags & (os.O_CREAT | os.O_TRUNC)) and not _IGNORED.search(str(path))


def _statement(_c: object, _k: object, statement: str, *_: object) -> None:
    global _created  # noqa: PLW0603
    _point()
    created = _CREATE.match(statement)
    if created and _LOG:
        _created = True
        with open(_LOG, "a", encoding="utf-8") as file:  # noqa: PTH123
            file.write(f"{created[1]}\n")


def _point() -> None:
    _reach("statement")
    if _created:
        _reach("created")


def _install() -> None:
    import sqlalchemy as sa  # noqa: PLC0415 - only where this is wanted

    sa.event.listen(sa.Engine, "before_cursor_execute", _statement)
    sa.event.listen(sa.Engine, "commit", lambda _: _point())
    if _WHAT == "file":
        sys.addaudithook(_audit)
    if "CHAOS_HOLE" in os.environ:
        from tests.chaos import holes  # noqa: PLC0415

        holes.open_hole(os.environ["CHAOS_HOLE"])


if _LOG:
    _install()
