"""The processes that hold a database: the name that each gives to the server, and whether it is still running."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import Any

_CLIENT = re.compile(r"process (?P<process>\d+) on (?P<host>.+)")


def process() -> dict[str, Any]:
    """This process: its id, and its machine with, on Linux, its namespace of ids."""
    space = Path("/proc/self/ns/pid")
    return {
        "process": os.getpid(),
        "host": f"{socket.gethostname()} {space.readlink() if space.is_symlink() else ''}".strip(),
    }


def client() -> str:
    """This process as `readable` reads it."""
    return "process {process} on {host}".format(**process())


def readable(name: str) -> str:
    """The name that `client` gives, for people; with a note where that process was on this machine and has ended."""
    found = _CLIENT.fullmatch(name)
    if found is None:
        return name
    short = f"process {found['process']} on {found['host'].partition(' ')[0]}"
    ended = found["host"] == process()["host"] and not is_running(int(found["process"]))
    return f"{short}, which has ended; the server has not closed its connection yet" if ended else short


def is_running(process: int) -> bool:
    """Whether a process is running on this machine; True where that is unknown."""
    if os.name == "nt":  # signal 0 ends a process there
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True
