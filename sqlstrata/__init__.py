"""sqlstrata rebuilds the history of a database schema from declared stages.

For scripts: `from sqlstrata import read, history, rebuild`. What is named here is imported when it is asked for, so
that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlstrata.commands import (
        adopt,
        check,
        down,
        eject,
        identify,
        new_stage,
        onboard,
        rebuild,
        reset,
        sql,
        stages,
        status,
        up,
        verify,
    )
    from sqlstrata.errors import SqlstrataError
    from sqlstrata.plan import Plan, Stage, find, read
    from sqlstrata.revisions.generate import history
    from sqlstrata.revisions.revision import Revision

_ROOMS = {
    "sqlstrata.commands": (
        "adopt", "check", "down", "eject", "identify", "new_stage", "onboard", "rebuild", "reset", "sql", "stages",
        "status", "up", "verify",
    ),
    "sqlstrata.errors": ("SqlstrataError",),
    "sqlstrata.revisions.generate": ("history",),
    "sqlstrata.revisions.revision": ("Revision",),
    "sqlstrata.plan": ("Plan", "Stage", "find", "read"),
}  # fmt: skip

__all__ = [
    "Plan", "Revision", "SqlstrataError", "Stage", "adopt", "check", "down", "eject", "find", "history", "identify",
    "new_stage", "onboard", "read", "rebuild", "reset", "sql", "stages", "status", "up", "verify",
]  # fmt: skip


def __getattr__(name: str) -> object:
    for room, names in _ROOMS.items():
        if name in names:
            return getattr(importlib.import_module(room), name)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
