"""`adopt --as-is NAME`: a frozen stage of a database as it is, before the last stage, and its revision in the database.

For databases that differ from their stage for reasons that have been released. `up` brings them to the models.
"""

from __future__ import annotations

import re

from sqlstrata.commands.editing import with_frozen
from sqlstrata.commands.progress import WAIT, Notify, healed, silent
from sqlstrata.commands.rebuild import rebuild
from sqlstrata.commands.target import chosen, existing
from sqlstrata.databases import sqlite_file
from sqlstrata.disk import shown
from sqlstrata.errors import SchemaDiffers, SqlstrataError, WrongUse
from sqlstrata.migrate import apply
from sqlstrata.migrate.identity import compare
from sqlstrata.migrate.others import require_not_between
from sqlstrata.migrate.place import fitting
from sqlstrata.modules.frozen import path_of
from sqlstrata.plan import Plan, read
from sqlstrata.replay.state import state
from sqlstrata.revisions.frozen import Frozen, freeze
from sqlstrata.revisions.generate import steps
from sqlstrata.schema.describe import describe
from sqlstrata.schema.described import Described


def write_as_is(plan: Plan, name: str, url: str | None, *, wait: float = WAIT, notify: Notify = silent) -> Plan:
    """Write the stage and rebuild the history with it; give the plan that has it. The database is only read.

    Where the last frozen stage has that name, an earlier run has written it, and this one goes on. Raises WrongUse
    where the last stage is not live, where another stage has the name, or where a stage has this schema already;
    SchemaDiffers where a frozen stage cannot hold all of the database: then nothing was written. Where the rebuild is
    refused, because the last stage must say more, the stage stays.
    """
    healed(plan, notify)
    plan.require_server(chosen(plan, url).get_backend_name())
    if not plan.stages[-1].live:
        message = "`--as-is` puts a stage before a live one, and the last stage is not live."
        raise WrongUse(message, where=plan.where("stages", len(plan.stages) - 1))
    if not any(stage.frozen and stage.name == name for stage in plan.stages[-2:-1]):
        _write(plan, name, url)
    again = read(plan.path)
    try:
        rebuild(again, apply_it=False, notify=notify, wait=wait)
    except SqlstrataError as error:
        error.message += f" Stage {name} is written, in {plan.path.name} and {shown(path_of(plan, name))}."
        error.hint = f"{error.hint or ''} Then `inv rebuild --no-apply` and `inv adopt` go on.".strip()
        raise
    return again


def _write(plan: Plan, name: str, url: str | None) -> None:
    if not re.fullmatch("[a-z][a-z0-9_]*", name) or name in {stage.name for stage in plan.stages}:
        raise WrongUse(f"`{name}` cannot be the name of a new stage.", hint="Use a to z, 0 to 9 and _, a letter first.")
    made = steps(plan)
    stages = Frozen(plan)
    with existing(plan, url) as connection:
        sqlite_file.require_whole(connection)
        require_not_between(plan, *apply.revisions_of(connection, plan))
        fit = fitting(connection, plan, made)
        if fit.exact:
            hint = "Run `inv adopt` without `--as-is`."
            raise WrongUse(f"The database's schema is that of stage {fit.stage} already.", hint=hint)
        found = state(connection, plan.foreign)
        schema = describe(found.metadata, described=Described(plan.dialects))
        text = freeze(plan, name, stages.schema, schema, found.metadata)
        different = compare(connection, stages.add(name, text), plan.foreign)
    if different:
        listed = "; ".join(f"{each.table}: {each.what}" for each in different)
        message = f"A frozen stage cannot hold all of this database: {listed}."
        raise SchemaDiffers(message, hint="Nothing was written. `not_ours` leaves out what is somebody else's.")
    with_frozen(plan, [{"name": name, "message": "A database as it was", "frozen": True}], [text])
