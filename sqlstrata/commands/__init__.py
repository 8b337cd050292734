"""What the commands do, as functions that return values: tasks.py prints them, scripts may call them."""

from __future__ import annotations

from sqlstrata.commands.adding import NewStage, new_stage
from sqlstrata.commands.ejecting import eject
from sqlstrata.commands.entering import Onboarded, onboard
from sqlstrata.commands.going import bring_up, down, sql, up
from sqlstrata.commands.looking import Checked, Planned, Status, check, stages, status
from sqlstrata.commands.making import Rebuilt, rebuild, staged
from sqlstrata.commands.placing import Adopted, Repointed, adopt, identify
from sqlstrata.commands.resetting import reset
from sqlstrata.commands.telling import Told, silent
from sqlstrata.commands.verifying import Verified, verify

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
