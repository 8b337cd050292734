"""`down`: downgrade a database with the history on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import sqlalchemy as sa

from sqlstrata.commands import contents
from sqlstrata.commands.progress import WAIT, Notify, healed, messages, silent
from sqlstrata.commands.target import chosen, found, require_stage, sound
from sqlstrata.databases import addresses, database
from sqlstrata.databases.lost import answering
from sqlstrata.errors import WrongUse
from sqlstrata.folder import File
from sqlstrata.migrate import apply
from sqlstrata.migrate.follow import remember_stage
from sqlstrata.plan import Plan
from sqlstrata.plan.foreign import is_foreign
from sqlstrata.result import Line, listed


class Undone(tuple[str, ...]):
    """The stages that were undone, last first."""

    __slots__ = ()

    def to_json(self) -> dict[str, object]:
        return {"undone": list(self)}

    def lines(self) -> Iterator[Line]:
        yield f"Undone: {listed(self)}." if self else "Nothing to do."


def always(_: str) -> bool:
    """Answer yes."""
    return True


@answering()
def down(
    plan: Plan,
    to: str | None = None,
    url: str | None = None,
    notify: Notify = silent,
    *,
    wait: float = WAIT,
    confirmed: Callable[[str], bool] = always,
) -> Undone:
    """Take a database one stage back, or down to a stage; `base` is the empty database.

    An interrupted stage (MariaDB) is undone first; without `to` that is all. Before `base` drops tables with rows,
    `confirmed` is asked. Raises what `up` raises, and WrongUse where the answer is no.
    """
    healed(plan, notify)
    plan.require_server(chosen(plan, url).get_backend_name())
    known = sound(plan, to)
    at, half, quiet = found(plan, known, url, wait)
    if at is None and quiet:
        return Undone()
    target = _below(plan, known, at, to, half)
    interrupted = [str(file.stage) for file in known if half is not None and file.id == half.revision]
    if to == "base":
        _require_confirmed(plan, chosen(plan, url), confirmed)
    with apply.connected(plan, url, wait=wait) as connection:
        done = apply.down(connection, plan, target, partial(notify, "down"), wait=wait, waiting=messages(notify))
    if database.same(chosen(plan, url), plan.database.url):
        remember_stage(plan, target, known, messages(notify))
    undone = Undone(dict.fromkeys([*interrupted, *done]))
    kept = [stage.name for stage in plan.stages if stage.name in undone and stage.upgrade and not stage.downgrade_sql]
    if kept:
        notify(f"What the `data` of {listed(kept)} changed is not undone: it has no `downgrade`.", "")
    return undone


def _require_confirmed(plan: Plan, url: sa.URL, confirmed: Callable[[str], bool]) -> None:
    """Raise WrongUse where there are rows in the tables of the history, and the answer is that they stay."""
    with database.reporting(url), database.engine(url, reading=True).connect() as connection:
        default = connection.dialect.default_schema_name
        numbers = contents.rows(connection, contents.tables(connection, plan))
    keys = {name: name.removeprefix(f"{default}.") for name in numbers}
    numbers = {keys[name]: each for name, each in numbers.items() if not is_foreign(keys[name], plan.foreign, default)}
    if not any(numbers.values()):
        return
    question = f"Going down to base empties {addresses.title(url)}: {contents.in_words(numbers)}. Go on?"
    if not confirmed(question):
        raise WrongUse("Nothing was changed.", hint="`--yes` asks nothing.")


def _below(
    plan: Plan, known: Sequence[File], at: str | None, to: str | None, half: apply.Unfinished | None
) -> str | None:
    """The stage to go down to; None is the empty database."""
    names = [str(file.stage) for file in known]
    if to is None:
        if half is not None and half.direction.endswith("up"):
            return at
        return names[names.index(str(at)) - 1] if at is not None and names.index(at) else None
    if to == "base":
        return None
    require_stage(plan, to, known)
    if at is None or names.index(to) > names.index(at):
        message = f"The database is at {'stage ' + at if at else 'no stage'}, which is below {to}."
        raise WrongUse(message, hint=f"Use `inv up --to {to}`.")
    return to
