"""`eject`: copy the operations beside env.py, so that the migrations folder needs only Alembic and SQLAlchemy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sqlstrata import folder
from sqlstrata.commands.progress import Notify, healed, silent
from sqlstrata.disk import shown
from sqlstrata.plan import Plan
from sqlstrata.result import Line


class Ejected(tuple[Path, ...]):
    """The files that were written."""

    __slots__ = ()

    def to_json(self) -> dict[str, object]:
        return {"written": [str(path) for path in self]}

    def lines(self) -> Iterator[Line]:
        yield "\n".join(f"Written: {shown(path)}." for path in self) or "Nothing to do: the copy is up to date."
        yield "The migrations folder needs only Alembic and SQLAlchemy."


def eject(plan: Plan, notify: Notify = silent) -> Ejected:
    """Copy the operations beside env.py, and make env.py use the copy.

    `rebuild` still works there. Run it again after an update of sqlstrata, for the newer operations. Raises WrongUse,
    with nothing changed, where env.py was edited, and Locked where another run is at work in the folder.
    """
    healed(plan, notify)
    return Ejected(folder.eject(plan.migrations))
