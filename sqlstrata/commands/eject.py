"""`eject`: for those who leave. The migrations folder needs Alembic and SQLAlchemy alone afterwards."""

from __future__ import annotations

from pathlib import Path

from sqlstrata import folder
from sqlstrata.commands.progress import Told, healed, silent
from sqlstrata.plan import Plan


def eject(plan: Plan, told: Told = silent) -> tuple[Path, ...]:
    """Copy the operations beside env.py, and have env.py use the copy; give what was written.

    `rebuild` goes on working there. Run it again after an update of the program, to have the newer operations. Raises
    WrongUse, with nothing changed, where env.py was edited, and Locked where another run is at work in the folder.
    """
    healed(plan, told)
    return folder.eject(plan.migrations)
