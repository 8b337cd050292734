"""Strata rebuilds the history of a database schema from declared stages.

For scripts: `from project import read, history, rebuild`. What is named here is imported when it is asked for, so that
importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from project.commands import (
        adopt,
        check,
        down,
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
    )  # fmt: skip
    from project.errors import StrataError
    from project.migrations.generate import history
    from project.plan import Plan, Stage, read

__all__ = [
    "Plan", "Stage", "StrataError", "adopt", "check", "down", "history", "identify", "new_stage", "onboard", "read",
    "rebuild", "reset", "sql", "stages", "status", "up", "verify",
]  # fmt: skip

_ROOMS = {
    "project.commands": (
        "adopt", "check", "down", "identify", "new_stage", "onboard", "rebuild", "reset", "sql", "stages", "status",
        "up", "verify",
    ),
    "project.errors": ("StrataError",),
    "project.migrations.generate": ("history",),
    "project.plan": ("Plan", "Stage", "read"),
}  # fmt: skip


def __getattr__(name: str) -> object:
    for room, names in _ROOMS.items():
        if name in names:
            return getattr(importlib.import_module(room), name)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
