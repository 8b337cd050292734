"""sqlstrata rebuilds the history of a database schema from declared stages.

For scripts: `from sqlstrata import read, history, rebuild`. Each name is imported when it is first used, so importing
the package itself is cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlstrata.commands.adopt import adopt
    from sqlstrata.commands.audit import audit
    from sqlstrata.commands.check import check
    from sqlstrata.commands.down import down
    from sqlstrata.commands.eject import eject
    from sqlstrata.commands.identify import identify
    from sqlstrata.commands.import_alembic import import_alembic
    from sqlstrata.commands.import_git import import_git
    from sqlstrata.commands.init import init
    from sqlstrata.commands.new_stage import new_stage
    from sqlstrata.commands.onboard import onboard
    from sqlstrata.commands.rebuild import rebuild
    from sqlstrata.commands.release import release
    from sqlstrata.commands.reset import reset
    from sqlstrata.commands.sql import sql
    from sqlstrata.commands.stages import stages
    from sqlstrata.commands.status import status
    from sqlstrata.commands.up import up
    from sqlstrata.commands.verify import verify
    from sqlstrata.errors import SqlstrataError
    from sqlstrata.plan import Plan, Stage, find, read
    from sqlstrata.replay.project import alembic_project
    from sqlstrata.revisions.generate import history
    from sqlstrata.revisions.revision import Revision

_ELSEWHERE = {
    **dict.fromkeys(("Plan", "Stage", "find", "read"), "sqlstrata.plan"),
    "Revision": "sqlstrata.revisions.revision",
    "SqlstrataError": "sqlstrata.errors",
    "alembic_project": "sqlstrata.replay.project",
    "history": "sqlstrata.revisions.generate",
}
"""Where the names are that are not commands."""

__all__ = [
    "Plan", "Revision", "SqlstrataError", "Stage", "adopt", "alembic_project", "audit", "check", "down", "eject",
    "find", "history", "identify", "import_alembic", "import_git", "init", "new_stage", "onboard", "read", "rebuild",
    "release", "reset", "sql", "stages", "status", "up", "verify",
]  # fmt: skip


def __getattr__(name: str) -> object:
    if name in __all__:
        return getattr(importlib.import_module(_ELSEWHERE.get(name, "sqlstrata.commands")), name)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
