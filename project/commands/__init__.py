"""What the commands do, as functions that return values: tasks.py prints them, scripts may call them."""

from __future__ import annotations

from .adding import NewStage, new_stage
from .entering import Onboarded, onboard
from .going import bring_up, down, sql, up
from .looking import Checked, Planned, Status, check, stages, status
from .making import Rebuilt, rebuild, staged
from .placing import Adopted, Repointed, adopt, identify
from .resetting import reset
from .telling import Told, silent
from .verifying import Verified, verify

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
