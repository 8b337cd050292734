"""`sql`: the SQL that leads from one stage to another."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from sqlstrata.commands.target import last_stage, require_stage, sound
from sqlstrata.dialects import NAMES
from sqlstrata.errors import WrongUse
from sqlstrata.migrate import apply
from sqlstrata.plan import Plan
from sqlstrata.result import Line, Verbatim


class Sql(str):
    """A script."""

    __slots__ = ()

    def to_json(self) -> dict[str, object]:
        return {"sql": str(self)}

    def lines(self) -> Iterator[Line]:
        if self:
            yield Verbatim(self.removesuffix("\n"))


def sql(plan: Plan, start: str | None = None, to: str | None = None, dialect: str | None = None) -> Sql:
    """Give the SQL from one stage (by default nothing) to another (the last), without a database.

    dialect is SQLAlchemy's name for the server; by default that of the plan's database. Raises WrongUse, HistoryDiffers
    where the history on disk cannot be run, and Refused where a stage on the way down cannot be undone.
    """
    dialect = dialect or sa.make_url(plan.database.url).get_backend_name()
    if dialect not in NAMES:
        raise WrongUse(f"`{dialect}` is not a supported dialect.", hint=f"Use one of {', '.join(NAMES)}.")
    plan.require_server(dialect)
    known = sound(plan, start, to)
    last_stage(known)
    for name in (start, to):
        if name not in {None, "base"}:
            require_stage(plan, str(name), known)
    return Sql(apply.sql(plan, None if start == "base" else start, to, dialect))
