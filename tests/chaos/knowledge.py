"""What is made once for a campaign: each server's project with its history, and what each stage's schema looks like."""

from __future__ import annotations

import atexit
import re
import secrets
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from . import stages
from .commands import ROOT, Running, inv
from .servers import SERVERS, Server


@dataclass(frozen=True)
class Knowledge:
    """Of one server: a folder with config.yaml, models and history; the stages' revisions; the stages' schemas.

    `seconds` is how long it took to make the history, on this machine as it is now.
    """

    folder: Path
    seconds: float
    revisions: tuple[str, ...]
    schemas: tuple[frozenset[str], ...]

    def stage_of(self, schema: frozenset[str]) -> int | None:
        """The number of the stage that has this schema."""
        return next((number for number, each in enumerate(self.schemas) if each == schema), None)


_known: dict[str, Knowledge] = {}
_lock = threading.Lock()


def knowledge(kind: str) -> Knowledge:
    """What is known of a server; made when it is first asked for."""
    with _lock:
        if kind not in _known:
            folder = Path(tempfile.mkdtemp(prefix="chaos_known_"))
            write_project(folder / "p", _nowhere(SERVERS[kind]), _here(SERVERS[kind]))
            begun = time.monotonic()
            revisions = _revisions(folder / "p")
            seconds = time.monotonic() - begun
            _known[kind] = Knowledge(folder / "p", seconds, revisions, _schemas(SERVERS[kind], folder))
        return _known[kind]


@atexit.register
def forget() -> None:
    """Remove the folders."""
    with _lock:
        for each in _known.values():
            shutil.rmtree(each.folder.parent)
        _known.clear()


def _login(server: Server) -> tuple[str, str]:
    given: dict[str, str] = getattr(server, "login", {"user": "", "password": ""})
    return given["user"], given["password"]


def _nowhere(server: Server) -> str:
    return server.url(*_login(server), "chaos_nowhere" if server.kind != "sqlite" else "nowhere.db")


def _here(server: Server) -> str:
    name = {"sqlite": "", "postgresql": "postgres", "mariadb": ""}[server.kind]
    return "sqlite://" if server.kind == "sqlite" else server.url(*_login(server), name)


def write_project(folder: Path, url: str, prove_on: str) -> None:
    """Write config.yaml and the package of the models."""
    package = folder / "modelos"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "base.py").write_text(stages.BASE, encoding="utf-8")
    for name, text in stages.MODULES.items():
        (package / f"{name}.py").write_text(stages.HEAD + text, encoding="utf-8")
    configure(folder, url, prove_on)


def configure(folder: Path, url: str, prove_on: str, **more: Any) -> None:
    """Write config.yaml; `more` goes to what it says of the database."""
    said = {
        "database": {"url": url, **more},
        "models": {"package": "modelos", "base": "base:Base"},
        "migrations": "migrations",
        "prove_on": [prove_on],
        "stages": stages.STAGES,
    }
    text = yaml.safe_dump(said, sort_keys=False, allow_unicode=True)
    (folder / "config.yaml").write_text(text, encoding="utf-8")


def _revisions(folder: Path) -> tuple[str, ...]:
    """Have the program make the history, and read its files: what they are called is all that the oracle takes from it."""
    environ = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "TMPDIR": str(folder.parent), "LANG": "C.UTF-8"}
    words = ("rebuild", "--no-apply")
    made = Running(words, inv(*words), folder, environ).ended()
    if made.code:
        raise RuntimeError(str(made))
    texts = [path.read_text(encoding="utf-8") for path in sorted(folder.glob("migrations/versions/*.py"))]
    return ("", *(str(re.search(r'^revision = "(\w+)"', text, re.MULTILINE)[1]) for text in texts))  # type: ignore[index]


def _schemas(server: Server, folder: Path) -> tuple[frozenset[str], ...]:
    """What hand-written DDL makes of each stage, as the server's catalogue has it."""
    tag = f"chaos_{secrets.token_hex(5)}"
    name = str(folder / "reference.db") if server.kind == "sqlite" else f"{tag}_reference"
    found = []
    for stage in range(stages.LAST + 1):
        server.create(name, "")
        try:
            server.execute(name, *stages.ddl(server.kind, stage))
            picture = server.picture(name)
            assert picture is not None or stage == 0
            found.append(picture.schema if picture else frozenset())
        finally:
            server.drop(name)
    return tuple(found)
