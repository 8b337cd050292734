"""Where the replay of an Alembic history begins that cannot be run from its first revision.

A fresh install of such a project is `create_all` and a stamp, and its revisions only go on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from sqlstrata.databases import database, local
from sqlstrata.errors import MigrationFailed, WrongUse
from sqlstrata.folder import locked
from sqlstrata.past.git import Repository
from sqlstrata.past.heads import Heads
from sqlstrata.past.models import Importing, Past
from sqlstrata.past.place import Options
from sqlstrata.plan import Plan
from sqlstrata.replay.dump import play
from sqlstrata.replay.project import Old, Project
from sqlstrata.scratch.bracket import Scratch

CREATE_ALL = "create_all"


@dataclass(frozen=True)
class Beginning:
    """What is done in the scratch database before the first upgrade, as a sentence and as a function."""

    text: str
    lay: Callable[[Scratch], object]


def beginning(plan: Plan, project: Project, history: Sequence[Old], start: str) -> Beginning:
    """Read `--start`: `create_all`, a file of SQL, or a git ref. Raises WrongUse."""
    if start == CREATE_ALL:
        project.require_one_head(history)
        return Beginning(
            f"The history begins with create_all of the project's MetaData, stamped with its head {history[-1].id}; no "
            "revision was run.",
            lambda empty: project.run("stamp", history[-1].id, empty.url, create=True),
        )
    if Path(start).is_file() or start.endswith(".sql"):
        return Beginning(
            f"The history begins with the dump {start}; of the revisions, only those after it were run.",
            lambda empty: play(empty.engine, Path(start)),
        )
    return _at_ref(plan, project, history, start)


def _at_ref(plan: Plan, project: Project, history: Sequence[Old], ref: str) -> Beginning:
    """The models at a ref, with the revision that its folder ended with; none where it had no folder."""
    heads = Heads(project.folder, history)
    found = heads.at(heads.repository.tree(ref))
    problem = heads.problem(found) if found else None
    if problem is not None:
        message = f"The revision of a database made from the models at {ref} cannot be known: {problem}."
        raise WrongUse(message, hint="Name another ref, or give a dump of such a database: `--start dump.sql`.")
    metadata = _models(plan, project, heads.repository, ref)

    def lay(empty: Scratch) -> None:
        with database.connect(empty.engine) as connection:
            try:
                metadata.create_all(connection)
            except sa.exc.SQLAlchemyError as error:
                raise MigrationFailed(f"The models at {ref} cannot be created: {error}.") from error
            connection.commit()
        if found:
            project.run("stamp", found[0], empty.url)

    stamped = f", stamped with {found[0]}" if found else ", before the first revision"
    return Beginning(f"The history begins with the models at {ref}{stamped}.", lay)


def _models(plan: Plan, project: Project, repository: Repository, ref: str) -> sa.MetaData:
    """The MetaData of the models at a ref. Raises WrongUse."""
    importing = Importing(project.python, env=project.environment)
    hint = (
        "`--python` names an interpreter that can import them, and `--env NAME=VALUE` is what they read; or give a "
        "dump of a database that was made from them: `--start dump.sql`."
    )
    with locked(local.trees(plan.folder)):
        past = Past(plan, repository, Options(), importing)
        tree = repository.tree(ref)
        place = past.place(tree)
        if place is None:
            package = plan.models.package.replace(".", "/")
            raise WrongUse(f"There are no models at {ref}: no {package}.", hint=hint)
        try:
            found = past.models(tree, place)
        except WrongUse as error:
            error.hint = hint
            raise
        if found is None:
            missing = ", ".join(past.missing)
            raise WrongUse(f"The models at {ref} need modules that cannot be imported: {missing}.", hint=hint)
        return found.metadata
