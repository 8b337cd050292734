"""The commands, for `inv` and for `sqlstrata`.

`from sqlstrata.tasks import namespace as ns` in a project's own tasks.py is all that `inv` needs; `sqlstrata` needs no
tasks.py. Each task is a few lines over `sqlstrata.commands`. Nothing slow is imported before a task needs it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import invoke.main
from invoke import Collection, Program, task

import sqlstrata
from sqlstrata.asking import asked, confirmed, is_terminal
from sqlstrata.command import WAIT, command, ending, new_plan, variables
from sqlstrata.program import StrictProgram, program_name

if TYPE_CHECKING:
    from invoke import Context

    from sqlstrata.commands.progress import Notify
    from sqlstrata.plan import Plan
    from sqlstrata.result import Result

_YES = "do not ask for confirmation before values of the development database are lost"


@task(default=True)
def commands(_: Context) -> None:
    """Show these commands; so does the program's name alone."""
    shown = Program(namespace=namespace, name=program_name(), binary=program_name())
    with ending(json=False):
        shown.run([program_name(), "--list"], exit=False)


@command(
    reading=new_plan,
    config="the config.yaml to write (default: the one here)",
    url="the development database (default: the variable DATABASE_URL, or a SQLite file)",
    from_database="the URL of a database that exists: its models are written, and its schema is the first stage",
    live="the models are edited in place; the last stage is the models as they are (default where there are models)",
    modules="each step of the models is a module of its own (default where there are none)",
    name="the first module, where there are no models (default: item)",
)
def init(
    config: Path,
    _: Notify,
    url: str | None = None,
    from_database: str | None = None,
    live: bool = False,
    modules: bool = False,
    name: str = "item",
) -> Result:
    """Start here: find the models, or write a first one; write config.yaml and what goes with it."""
    return sqlstrata.init(config, url=url, from_database=from_database, live=live, by_modules=modules, name=name)


@command(
    progress=True,
    questions=True,
    dry_run="show what would be written, but write nothing",
    no_apply="do not upgrade the development database",
    no_proof="skip the proof",
    no_rows="do not generate rows for the proof; use only those of the stages",
    force="also overwrite revision files that were edited by hand; a copy is kept",
    yes=_YES,
)
def rebuild(  # noqa: PLR0913, PLR0917 - each is a flag
    plan: Plan,
    notify: Notify,
    dry_run: bool = False,
    no_apply: bool = False,
    no_proof: bool = False,
    no_rows: bool = False,
    force: bool = False,
    yes: bool = False,
    wait: float = WAIT,
) -> Result:
    """Make the whole history from the stages, prove it, write it, and upgrade the development database."""
    return sqlstrata.rebuild(
        plan,
        dry_run=dry_run,
        apply_it=not no_apply,
        proof=not no_proof,
        generated_rows=not no_rows,
        force=force,
        confirmed=confirmed(notify, yes=yes),
        notify=notify,
        wait=wait,
    )


@command()
def check(plan: Plan, notify: Notify) -> Result:
    """Check that the history on disk is, byte for byte, what the stages give. Read-only, for CI."""
    return sqlstrata.check(plan, notify)


@command()
def stages(plan: Plan, _: Notify) -> Result:
    """Show the plan: each stage, its modules, its revision, what changes, and where the database is."""
    return sqlstrata.stages(plan)


@command()
def status(plan: Plan, notify: Notify, url: str | None = None) -> Result:
    """Show where a database is, what is pending, and whether its schema is that of its stage."""
    return sqlstrata.status(plan, url, notify)


@command(progress=True, yes=_YES)
def up(
    plan: Plan,
    notify: Notify,
    url: str | None = None,
    to: str | None = None,
    wait: float = WAIT,
    protect: bool = False,
    yes: bool = False,
) -> Result:
    """Upgrade a database to the last stage, or to another."""
    return sqlstrata.up(plan, to, url, notify, wait=wait, protect=protect, confirmed=confirmed(notify, yes=yes))


@command(
    progress=True,
    to="the stage to go down to, or `base` for an empty database",
    yes="do not ask before `base` drops tables with rows",
)
def down(
    plan: Plan,
    notify: Notify,
    url: str | None = None,
    to: str | None = None,
    wait: float = WAIT,
    yes: bool = False,
) -> Result:
    """Downgrade a database by one stage, or to a stage."""
    answer = confirmed(notify, yes=yes or not is_terminal())  # a script means what it says
    return sqlstrata.down(plan, to, url, notify, wait=wait, confirmed=answer)


@command(
    from_stage="the stage to start from (default: an empty database)",
    to="the stage to end at (default: the last)",
    dialect="sqlite, postgresql, mysql or mariadb (default: that of the database in config.yaml)",
)
def sql(
    plan: Plan, _: Notify, from_stage: str | None = None, to: str | None = None, dialect: str | None = None
) -> Result:
    """Print the SQL that leads from one stage to another, without a database."""
    return sqlstrata.sql(plan, from_stage, to, dialect)


@command(progress=True, iterable=["url"], url="a server to prove on; may be given several times")
def verify(plan: Plan, notify: Notify, url: list[str]) -> Result:
    """Prove the history on disk on other servers: every stage up, down and up again, with rows."""
    return sqlstrata.verify(plan, url, notify)


@command()
def identify(plan: Plan, notify: Notify, url: str | None = None) -> Result:
    """Find which stage a database is at, by its schema alone."""
    return sqlstrata.identify(plan, url, notify)


@command(progress=True, as_is="write a frozen stage of this name first: the database as it is, before the last stage")
def adopt(
    plan: Plan,
    notify: Notify,
    url: str | None = None,
    protect: bool = False,
    as_is: str | None = None,
    wait: float = WAIT,
) -> Result:
    """Write the revision of the stage that has exactly this schema into a database that was created elsewhere."""
    return sqlstrata.adopt(plan, url, protect=protect, as_is=as_is, wait=wait, notify=notify)


@command(to="the last stage to release (default: the last of all)")
def release(plan: Plan, notify: Notify, to: str | None = None) -> Result:
    """Write the revisions of stages into config.yaml: from then on what they do may not change."""
    return sqlstrata.release(plan, to, notify)


@command(progress=True, wait="seconds to wait for a server that is starting (default: 60)", yes=_YES)
def onboard(plan: Plan, notify: Notify, wait: float = WAIT, yes: bool = False) -> Result:
    """Create the development database, upgrade it with its rows, and show its tables. Again, it does nothing."""
    return sqlstrata.onboard(plan, wait=wait, notify=notify, confirmed=confirmed(notify, yes=yes))


@command(yes="do not ask for confirmation")
def reset(plan: Plan, notify: Notify, yes: bool = False, wait: float = WAIT) -> Result:
    """Drop the development database and create it again, unless it is protected or not this project's."""
    return sqlstrata.reset(plan, (lambda _: True) if yes else asked, wait=wait, notify=notify)


@command()
def eject(plan: Plan, notify: Notify) -> Result:
    """Copy the operations beside env.py, so that the migrations folder needs only Alembic and SQLAlchemy."""
    return sqlstrata.eject(plan, notify)


@command(
    iterable=["enable", "replaces"],
    name="the stage's name: a to z, 0 to 9 and _, a letter first",
    enable="a module that it enables; may be given several times (default: one with its name)",
    extends="the model to which the new module adds a column",
    live="the stage has the models as they are; stages of modules before it are frozen",
    replaces="a module that the new one is turned on in place of, as a copy of it; if given again, that one goes, too",
    message="what the stage is for",
)
def new_stage(
    plan: Plan,
    _: Notify,
    name: str,
    enable: list[str],
    replaces: list[str],
    extends: str | None = None,
    live: bool = False,
    message: str | None = None,
) -> Result:
    """Add a stage to config.yaml, keeping comments and layout, and write its module: a skeleton, or a copy."""
    return sqlstrata.new_stage(
        plan, name, enable=tuple(enable), extends=extends, replaces=tuple(replaces), live=live, message=message
    )


_PROJECT: dict[str, Any] = {
    "from_": "the alembic.ini of the existing history (default: alembic.ini here)",
    "script_location": "the folder with its env.py, where there is no alembic.ini",
    "python": "the Python that has the project's libraries (default: this one)",
    "env": "NAME=VALUE that its env.py reads; may be given several times",
}
"""The options that say which Alembic project is meant."""


@command(
    progress=True,
    iterable=["at", "env", "accept_missing"],
    **_PROJECT,
    at="a revision that becomes a stage; may be given several times (default: the last one)",
    tags="a pattern of git tags, such as 'v*': the last revision that each had becomes a stage",
    start="where a history begins whose first revision needs tables: `create_all`, a file of SQL, or a git ref whose "
    "models are created",
    url="a server for the scratch database (default: that of the development database)",
    accept_missing="a kind of thing that the stages may leave out, such as `view`; may be given several times",
)
def import_alembic(  # noqa: PLR0913, PLR0917 - each is a flag
    plan: Plan,
    notify: Notify,
    at: list[str],
    env: list[str],
    accept_missing: list[str],
    from_: str | None = None,
    script_location: str | None = None,
    tags: str | None = None,
    start: str | None = None,
    url: str | None = None,
    python: str | None = None,
) -> Result:
    """Write stages from an existing Alembic history, keeping its ids; say what they leave out."""
    project = sqlstrata.alembic_project(from_, script_location, python, variables(env))
    return sqlstrata.import_alembic(
        plan, project, at, url, tags=tags, start=start, accept_missing=accept_missing, notify=notify
    )


@command(
    progress=True,
    reading=new_plan,
    iterable=["env"],
    **_PROJECT,
    url="a server for the scratch database (default: SQLite)",
)
def audit(
    _: Path,
    notify: Notify,
    env: list[str],
    from_: str | None = None,
    script_location: str | None = None,
    url: str | None = None,
    python: str | None = None,
) -> Result:
    """Try an existing Alembic history, revision by revision, up and down on generated rows. Read-only."""
    project = sqlstrata.alembic_project(from_, script_location, python, variables(env))
    return sqlstrata.audit(project, url or "sqlite://", notify=notify)


@command(
    progress=True,
    iterable=["at", "models", "root", "base", "stub", "env"],
    at="a git ref that becomes a stage; may be given several times, in the stages' order",
    tags="a pattern of tags, such as 'v*', sorted as versions",
    models="where the models are in the repository; several for several times (default: where they are now)",
    root="a folder in the repository that modules are imported from, such as src; may be given several times",
    base="module:attribute of a base, where it is not as in config.yaml; may be given several times",
    python="an interpreter that can import the old models; its SQLAlchemy may be 1.3 or later (default: this one)",
    stub="a module to replace by an empty one; may be given several times",
    stand_ins="a folder with modules that come before all others",
    env="NAME=VALUE that the old models read; may be given several times",
    repository="the repository (default: that of config.yaml)",
)
def import_git(  # noqa: PLR0913, PLR0917 - each is a flag
    plan: Plan,
    notify: Notify,
    at: list[str],
    models: list[str],
    root: list[str],
    base: list[str],
    stub: list[str],
    env: list[str],
    tags: str | None = None,
    python: str | None = None,
    stand_ins: str | None = None,
    repository: str | None = None,
) -> Result:
    """Write stages from the models at git refs, where their schema changed."""
    from sqlstrata.past.models import importing
    from sqlstrata.past.place import Options

    options = Options(tuple(models), tuple(root), tuple(base))
    way = importing(python, stub, stand_ins, variables(env))
    place = None if repository is None else Path(repository)
    return sqlstrata.import_git(plan, at, tags=tags, options=options, importing=way, repository=place, notify=notify)


namespace = Collection.from_module(sys.modules[__name__])

# `inv` runs this object, and parses the words for the commands after it has loaded tasks.py.
invoke.main.program.__class__ = StrictProgram
