"""The commands, one file each, as functions: scripts call them, and `sqlstrata.tasks` makes tasks of them."""

from __future__ import annotations

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

__all__ = [
    "adopt", "audit", "check", "down", "eject", "identify", "import_alembic", "import_git", "init", "new_stage",
    "onboard", "rebuild", "release", "reset", "sql", "stages", "status", "up", "verify",
]  # fmt: skip
