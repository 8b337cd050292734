"""Taking databases up and down the history on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from sqlstrata.commands.placing import Repointed, chosen, existing, repoint, stage_at, swept
from sqlstrata.commands.telling import WAIT, Told, healed, silent
from sqlstrata.databases import addresses, creation, database, ownership
from sqlstrata.databases.location import location, require
from sqlstrata.databases.lost import answering
from sqlstrata.dialects import NAMES
from sqlstrata.errors import Unreachable, WrongUse
from sqlstrata.folder import File
from sqlstrata.migrate import apply
from sqlstrata.plan import Plan
from sqlstrata.revisions.generate import Step


@dataclass(frozen=True)
class Brought:
    """What bringing the development database up did."""

    applied: tuple[str, ...]
    created: bool = False
    repointed: Repointed | None = None


@answering()
def bring_up(
    plan: Plan, made: tuple[Step, ...], told: Callable[[str], None], *, wait: float = WAIT, tell: Told = silent
) -> Brought:
    """Bring the development database to the last stage, with each stage's rows; make it, and schemas that it has not.

    A revision that is gone, because old ids changed, is replaced by that of the stage whose schema the database has.
    """

    def waiting(sentence: str) -> None:
        tell(sentence, "")

    created = make_if_missing(plan, addresses.parsed(plan.database.url), waiting)

    known = {step.stage.name: step for step in made}
    there = addresses.parsed(plan.database.url)
    with database.reporting(there), database.engine(there, reading=True, wait=wait).connect() as connection:
        swept(there)
        repointed = repoint(connection, plan, made, wait, waiting)
        stage_at(connection, plan, apply.files(plan))
    with apply.connected(plan, wait=wait) as connection:
        _make_schemas(connection, made, waiting)
        applied = apply.up(
            connection, plan, plan.stages[-1].name, told, lambda name: known[name].filled, wait=wait, waiting=waiting
        )
    return Brought(applied, created, repointed)


def _make_schemas(connection: sa.Connection, made: tuple[Step, ...], tell: Callable[[str], None]) -> None:
    """Make the schemas of the stages' tables that a PostgreSQL database has not: revisions take them for granted.

    On MariaDB a schema is another database, and not ours to make.
    """
    if connection.dialect.name != "postgresql":
        return
    wanted = {table.schema for step in made for table in step.schema.tables.values() if table.schema}
    for name in sorted(wanted - set(sa.inspect(connection).get_schema_names()) if wanted else ()):
        with database.reporting(connection.engine.url):
            connection.execute(sa.schema.CreateSchema(name, if_not_exists=True))
        tell(f"Made the schema {name}.")
    connection.commit()


def make_if_missing(plan: Plan, url: sa.URL, tell: Callable[[str], None]) -> bool:
    """Make the database where there is none, and let it say that it is this project's. True where it was made.

    `tell` hears that it could not be marked, and why.
    """
    if creation.exists(url):
        return False
    made = creation.make(url)
    with database.connect(database.engine(url)) as connection:
        require(location(connection), made, "marked")
        try:
            ownership.mark(connection, plan.folder, "created")
        except (Unreachable, WrongUse) as error:
            tell(f"{addresses.title(url)} was made, but not marked, so `inv reset` will not drop it: {error}")
    return True


@answering()
def up(
    plan: Plan,
    to: str | None = None,
    url: str | None = None,
    told: Told = silent,
    *,
    wait: float = WAIT,
    protect: bool = False,
) -> tuple[str, ...]:
    """Bring a database up to a stage, by default the last; only a SQLite file is made where there is none.

    With `protect` the database says afterwards that nothing here may drop, reset or re-stamp it.
    """
    healed(plan, told)
    known = apply.runnable(plan)
    target = _last(known) if to is None else to
    _require(plan, target, known)
    if addresses.server_kind(chosen(plan, url)) == "sqlite":
        make_if_missing(plan, chosen(plan, url), lambda sentence: told(sentence, ""))
    at, _, quiet = _found(plan, known, url, wait)
    names = [str(file.stage) for file in known]
    done: tuple[str, ...] = ()
    with apply.connected(plan, url, wait=wait) as connection:
        if at is None or names.index(at) < names.index(target) or not quiet:
            done = apply.up(
                connection, plan, target, lambda stage: told("up", stage), wait=wait, waiting=lambda s: told(s, "")
            )
        if protect:
            ownership.mark(connection, plan.folder, "protected")
    return done


@answering()
def down(
    plan: Plan, to: str | None = None, url: str | None = None, told: Told = silent, *, wait: float = WAIT
) -> tuple[str, ...]:
    """Take a database one stage back, or down to a stage; `base` is nothing.

    A stage that is half done (MariaDB) is undone first; without `to` that is all.
    """
    healed(plan, told)
    known = apply.runnable(plan)
    at, half, quiet = _found(plan, known, url, wait)
    if at is None and quiet:
        return ()
    target = _below(plan, known, at, to, half)
    undone = [str(file.stage) for file in known if half is not None and file.id == half.revision]
    with apply.connected(plan, url, wait=wait) as connection:
        done = apply.down(
            connection, plan, target, lambda stage: told("down", stage), wait=wait, waiting=lambda s: told(s, "")
        )
    return tuple(dict.fromkeys([*undone, *done]))


def _found(
    plan: Plan, known: Sequence[File], url: str | None, wait: float
) -> tuple[str | None, apply.Unfinished | None, bool]:
    """The stage that a database is at, what is half done there, and whether nobody is at work or was cut off there.

    Nothing is locked for it. Raises Unreachable, also where there is no such database, and Locked where a SQLite file
    is being written for longer than `wait`.
    """
    there = chosen(plan, url)
    with database.reporting(there), existing(plan, url, wait=wait) as connection:
        swept(there)
        return stage_at(connection, plan, known), apply.unfinished(connection), apply.is_quiet(connection)


def _below(
    plan: Plan, known: Sequence[File], at: str | None, to: str | None, half: apply.Unfinished | None
) -> str | None:
    """The stage to go down to."""
    names = [str(file.stage) for file in known]
    if to is None:
        if half is not None and half.direction.endswith("up"):
            return at
        return names[names.index(str(at)) - 1] if at is not None and names.index(at) else None
    if to == "base":
        return None
    _require(plan, to, known)
    if at is None or names.index(to) > names.index(at):
        message = f"The database is at {'stage ' + at if at else 'no stage'}, which is below {to}."
        raise WrongUse(message, hint=f"Use `inv up --to {to}`.")
    return to


def sql(plan: Plan, start: str | None = None, to: str | None = None, dialect: str | None = None) -> str:
    """The SQL from one stage (by default nothing) to another (the last), without a database.

    dialect is a name that SQLAlchemy has for the server; by default that of the plan's database. Raises WrongUse.
    """
    dialect = dialect or sa.make_url(plan.database.url).get_backend_name()
    if dialect not in NAMES:
        raise WrongUse(f"There is no dialect {dialect} here.", hint=f"Take one of {', '.join(NAMES)}.")
    known = apply.runnable(plan)
    _last(known)
    for name in (start, to):
        if name not in {None, "base"}:
            _require(plan, str(name), known)
    return apply.sql(plan, None if start == "base" else start, to, dialect)


def _last(known: Sequence[File]) -> str:
    if not known:
        raise WrongUse("There is no history yet.", hint="Run `inv rebuild`.")
    return str(known[-1].stage)


def _require(plan: Plan, stage: str, known: Sequence[File]) -> None:
    """The stage has a revision on disk."""
    if stage not in {file.stage for file in known}:
        plan.stage(stage)
        raise WrongUse(f"Stage {stage} has no revision yet.", hint="Run `inv rebuild`.")
