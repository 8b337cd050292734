"""The processes that hold a database: how one is named to a server, and what can be known of it on its own machine."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import Any

_CLIENT = re.compile(r"process (?P<process>\d+) on (?P<host>.+)")


def process() -> dict[str, Any]:
    """This process: its number, and the machine and, where there are such, the space of numbers that it is in."""
    space = Path("/proc/self/ns/pid")
    return {
        "process": os.getpid(),
        "host": f"{socket.gethostname()} {space.readlink() if space.is_symlink() else ''}".strip(),
    }


def client() -> str:
    """This process as `shown` reads it."""
    return "process {process} on {host}".format(**process())


def shown(name: str) -> str:
    """A process as `client` names it, for people; where it was one of this machine and has ended, that is said."""
    found = _CLIENT.fullmatch(name)
    if found is None:
        return name
    short = f"process {found['process']} on {found['host'].partition(' ')[0]}"
    ended = found["host"] == process()["host"] and not is_running(int(found["process"]))
    return f"{short}, which has ended; the server has not closed its connection yet" if ended else short


def is_running(process: int) -> bool:
    """Whether there is such a process on this machine; in doubt there is."""
    if os.name == "nt":  # signal 0 ends a process there
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True
