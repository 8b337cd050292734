"""What the commands do, as functions that return values: tasks.py prints them, scripts may call them."""

from __future__ import annotations

from sqlstrata.commands.adopt import Adopted, Repointed, adopt, identify
from sqlstrata.commands.eject import eject
from sqlstrata.commands.new_stage import NewStage, new_stage
from sqlstrata.commands.onboard import Onboarded, onboard
from sqlstrata.commands.progress import Told, silent
from sqlstrata.commands.rebuild import Rebuilt, rebuild, staged
from sqlstrata.commands.reset import reset
from sqlstrata.commands.status import Checked, Planned, Status, check, stages, status
from sqlstrata.commands.up import bring_up, down, sql, up
from sqlstrata.commands.verify import Verified, verify

__all__ = [
    "Adopted",
    "Checked",
    "NewStage",
    "Onboarded",
    "Planned",
    "Rebuilt",
    "Repointed",
    "Status",
    "Told",
    "Verified",
    "adopt",
    "bring_up",
    "check",
    "down",
    "eject",
    "identify",
    "new_stage",
    "onboard",
    "rebuild",
    "reset",
    "silent",
    "sql",
    "staged",
    "stages",
    "status",
    "up",
    "verify",
]
